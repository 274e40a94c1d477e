//! What is never written: keys, passwords and session ids; and what strangers write never steers a
//! terminal. The real programs run with as much log as there is, and everything they wrote is read.

use crate::harness::bittorrent::{BtPeer, message};
use crate::harness::process::Process;
use crate::harness::programs::{PEER, address_of, create};
use crate::harness::rpc::Daemon;
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, SOON, together, until};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use swarmlet::control::base64;
use swarmlet::ids::{InfoHashV1, PeerId};
use swarmlet::protocol::handshake::Reserved;

/// Every secret of these tests has it in it.
const KEY: &str = "k3y";

/// A passkey as trackers put it into the path, and another behind the question mark.
const PASSKEY: &str = "k3y-0123456789abcdef";
const QUERY: &str = "key=k3y-in-the-query";

/// A web server that is a tracker which says back what it was asked, a web seed, and has a .torrent.
struct Server {
    at: SocketAddr,
    torrent: Arc<Mutex<Vec<u8>>>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(content: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("it listens");
        let (torrent, stops) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (offered, stopped) = (Arc::clone(&torrent), Arc::clone(&stops));
        let serve = move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                // Whoever asks may go, or speak TLS.
                let _ = answer(stream, &content, &offered);
            }
        };
        let thread = Builder::new().name("server".into()).spawn(serve).expect("a thread");
        Self { at, torrent, stops, thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.at)
    }

    /// A tracker that answers with a warning (`warn`) or with a refusal (`fail`).
    fn tracker(&self, manner: &str) -> String {
        self.url(&format!("{manner}/{PASSKEY}/announce?{QUERY}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        drop(TcpStream::connect(self.at));
        self.thread.take().map(JoinHandle::join);
    }
}

fn bencoded(text: &str) -> String {
    format!("{}:{text}", text.len())
}

fn answer(mut stream: TcpStream, content: &[u8], torrent: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut part)?;
        if read == 0 || part[0] == 0x16 {
            return Ok(()); // a greeting of TLS
        }
        head.extend_from_slice(&part[..read]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    let said = format!("\u{1b}]0;evil\u{7}no user {PASSKEY} at {target}\r\n[EVIL ] {QUERY}");
    let (status, body) = match target {
        _ if target.starts_with("/warn/") => {
            let answer = format!("d8:intervali5e5:peers0:15:warning message{}e", bencoded(&said));
            (200, answer.into_bytes())
        }
        _ if target.starts_with("/fail/") => {
            (200, format!("d14:failure reason{}e", bencoded(&said)).into_bytes())
        }
        _ if target.starts_with("/get/x.torrent") => (200, torrent.lock().clone()),
        _ if target.starts_with("/seed/") => {
            let range =
                head.split("Range: bytes=").nth(1).and_then(|rest| rest.split("\r\n").next());
            let (first, last) = range.and_then(|range| range.split_once('-')).unwrap_or(("0", "0"));
            let (first, last): (usize, usize) =
                (first.parse().unwrap_or(0), last.parse().unwrap_or(0));
            let body = &content[first..=last];
            let head = format!(
                "HTTP/1.1 206 x\r\nContent-Range: bytes {first}-{last}/{}\r\nContent-Length: {}\r\n\r\n",
                content.len(),
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            return stream.write_all(body);
        }
        _ => (404, target.as_bytes().to_vec()),
    };
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// A server, what it serves, and a torrent of that whose URLs all have keys in them.
fn with_keys(scratch: &Scratch) -> (Server, std::path::PathBuf) {
    let file = scratch.file("src/big.bin", 3_000_000, 1);
    let server = Server::start(fs::read(&file).expect("it was just written"));
    let torrent = scratch.at("x.torrent");
    let flags = format!(
        "--piece-length 16KiB -t {} -t {} -w {} -w {}",
        server.tracker("warn"),
        server.tracker("fail"),
        // On this machine a web seed with a query is refused, which is said.
        server.url(&format!("seed/big.bin?{QUERY}")),
        server.url(&format!("seed/{PASSKEY}/big.bin")),
    );
    create(&file, &torrent, &flags);
    *server.torrent.lock() = fs::read(&torrent).expect("it was just made");
    (server, file)
}

/// What a program has written: its log, its trace, stderr and stdout.
fn written(process: &Process, folder: &Path) -> String {
    let file = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let events: Vec<String> = process.events().iter().map(Value::to_string).collect();
    let said = [file("log"), file("trace"), process.stderr(), process.plain().join("\n")];
    said.join("\n") + &events.join("\n")
}

fn check_no_secrets(all: &str, secrets: &[String]) {
    for secret in secrets.iter().map(String::as_str).chain([KEY]) {
        let line = all.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is written");
    }
}

/// One POST to a door: the status, the head and the body.
fn post(at: SocketAddr, fields: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(at).expect("the door is open");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let length = body.len();
    let request = format!(
        "POST /transmission/rpc?{QUERY} HTTP/1.0\r\nHost: {at}\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_daemon_writes_no_key_no_password_and_no_session_id_however_much_it_logs() {
    let _turn = together();
    let scratch = Scratch::new("secrets-daemon");
    let (server, file) = with_keys(&scratch);
    let folder = scratch.folder("daemon");
    // Nobody speaks TLS there; the library that tries is heard or not.
    let secure = server.tracker("warn").replace("http://", "https://");
    let pair = format!("me:{KEY}-password");
    let words = ["-vv", "--logfile", "log", "--trace", "trace", "-w", "down", "--auth", &pair];
    // Not one of those that the torrent names itself.
    let trackers = server.tracker("fail/again");
    let words = [&words[..], &["--tracker", &trackers, "--tracker", &secure]].concat();
    let mut daemon = Daemon::start(&folder, &words);
    let login =
        |pair: &str| format!("Authorization: Basic {}\r\n", base64::encode(pair.as_bytes()));
    let (wrong, right) = (login("me:k3y-guessed"), login(&pair));
    assert!(post(daemon.at, &wrong, "{}").0.contains(" 401 "));
    let (head, _) = post(daemon.at, &right, "{}");
    let session = head.lines().find_map(|line| line.strip_prefix("X-Transmission-Session-Id: "));
    let session = session.expect("a 409 tells it").to_owned();
    let fields = format!("{right}X-Transmission-Session-Id: {session}\r\n");
    let call = |method: &str, arguments: Value| -> Value {
        let body = json!({ "method": method, "arguments": arguments }).to_string();
        serde_json::from_str(&post(daemon.at, &fields, &body).1).expect("JSON")
    };
    let add = |path: &str| call("torrent-add", json!({ "filename": server.url(path) }));
    let refused = add(&format!("get/none.torrent?{QUERY}"))["result"].to_string();
    assert!(refused.contains("404") && !refused.contains(KEY), "{refused}");
    let added = add(&format!("get/x.torrent?{QUERY}"));
    assert_eq!(added["result"], "success", "{added}");
    until("it is fetched", DOWNLOAD, || {
        let list = call("torrent-get", json!({ "fields": ["percentDone"] }));
        (list["arguments"]["torrents"][0]["percentDone"] == 1.0).then_some(())
    });
    assert_same(&file, &folder.join("down/big.bin"));
    let (warned, refused) = (format!("http://{} says: ", server.at), "the tracker refuses: ");
    until("all of them were heard", SOON, || {
        let all = written(&daemon.process, &folder);
        let lost = all.contains(&format!("https://{}", server.at));
        (lost && all.contains(&warned) && all.contains(refused)).then_some(())
    });
    daemon.process.stop(0);
    let all = written(&daemon.process, &folder);
    assert!(all.contains(&format!("http://{}: a web seed of big.bin", server.at)), "{all}");
    assert!(all.contains("is given up"), "the one with a query\n{all}");
    let encoded = [&wrong, &right].map(|field| field.trim_end()[21..].to_owned());
    check_no_secrets(&all, &[session, encoded[0].clone(), encoded[1].clone()]);
}

#[test]
fn a_download_writes_no_key_of_its_urls_on_the_terminal() {
    let _turn = together();
    let scratch = Scratch::new("secrets-leech");
    let (server, file) = with_keys(&scratch);
    let (good, bad) =
        (server.url(&format!("get/x.torrent?{QUERY}")), server.url(&format!("{PASSKEY}?{QUERY}")));
    let escaped = server.tracker("fail").replace(':', "%3A").replace('/', "%2F");
    let escaped = escaped.replace('?', "%3F").replace('=', "%3D");
    let magnet = format!("magnet:?xt=urn:btih:{}&tr={escaped}", "5a".repeat(20));
    let tracker = server.tracker("fail/again");
    let words = ["--leech", &good, &bad, &magnet, "--tracker", &tracker, "-vv", "--json"];
    let more =
        ["--timeout", "1s", "--seed-time", "0", "--port", "0", "-w", "down", "--trace", "trace"];
    let words = [&words[..], &more].concat();
    let mut process = Process::start("leech", PEER, &words, scratch.path());
    assert_ne!(process.wait_exit(DOWNLOAD), 0, "two of three are nowhere");
    assert_same(&file, &scratch.path().join("down/big.bin"));
    let all = written(&process, scratch.path());
    assert!(all.contains(&format!("http://{}: the server says 404", server.at)), "{all}");
    assert!(all.contains(&"5a".repeat(20)) && all.contains(" says: "), "{all}");
    check_no_secrets(&all, &[]);
}

/// A torrent of one piece whose every text is of somebody who wants to steer a terminal.
fn evil_torrent(tracker: &str) -> (Vec<u8>, InfoHashV1) {
    let name = "\u{1b}]0;evil\u{7}\u{202e}a.bin";
    let info = format!(
        "d6:lengthi5e4:name{}12:piece lengthi16384e6:pieces20:{}e",
        bencoded(name),
        "x".repeat(20)
    );
    let evil = bencoded("\u{1b}[2J\u{9b}2J\r\n[EVIL ] all is lost");
    let text = format!(
        "d8:announce{}7:comment{evil}10:created by{evil}4:info{info}6:source{evil}e",
        bencoded(tracker)
    );
    (text.into_bytes(), InfoHashV1(Sha1::digest(info).into()))
}

#[test]
fn no_stranger_steers_the_terminal_or_writes_a_line_of_the_log() {
    let _turn = together();
    let scratch = Scratch::new("secrets-evil");
    let server = Server::start(Vec::new());
    let (torrent, hash) = evil_torrent(&server.tracker("warn"));
    fs::write(scratch.at("evil.torrent"), torrent).expect("room for it");
    let show = ["show", "evil.torrent"];
    let mut show = Process::start("show", PEER, &show, scratch.path());
    show.expect_exit(0, SOON);
    let tracker = server.tracker("fail");
    let words = ["--leech", "evil.torrent", "--tracker", &tracker, "--port", "0", "--json"];
    let run = |name: &str, more: &[&str]| {
        let words = [&words[..], &["-vv", "-w", name], more].concat();
        let mut process = Process::start(name, PEER, &words, scratch.path());
        // A client with a name, in its id and in its greeting.
        let id = PeerId(*b"-\x1b]0;x\x07\r\n[EVIL ]x\x1b[]");
        let at = address_of(&process);
        let peer = until("it knows the torrent", SOON, || {
            let mut peer = BtPeer::connect(at).ok()?;
            peer.shake_hands(Reserved::ours(), hash, id).ok()?;
            Some(peer)
        });
        let mut peer = peer;
        let client = bencoded("\u{1b}[31mred\u{9b}\r\n[EVIL ] evil\u{202e}");
        let greeting = format!("\0d1:md11:ut_metadatai1ee1:v{client}e");
        peer.send(&message(20, greeting.as_bytes())).expect("it listens");
        let port = format!("{}: connected", peer.address());
        until("the client and the trackers are in the log", SOON, || {
            let log = fs::read_to_string(scratch.path().join("log")).unwrap_or_default();
            let all = process.stderr() + &log;
            let is_heard = all.contains(&port) && all.contains("says: ") && all.contains("refuses");
            is_heard.then_some(())
        });
        process.signal("TERM");
        process.wait_exit(SOON);
        process
    };
    let on_terminal = run("one", &[]);
    let in_file = run("two", &["--logfile", "log"]);
    let log = fs::read_to_string(scratch.path().join("log")).expect("a log in UTF-8");
    for (place, text) in [
        ("show", show.plain().join("\n") + &show.stderr()),
        ("stderr", on_terminal.stderr()),
        ("stderr beside a log", in_file.stderr()),
        ("the log", log),
    ] {
        let is_bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        let line = text.lines().find(|line| line.contains(is_bad) || line.starts_with("[EVIL"));
        assert_eq!(line, None, "{place}");
        assert!(text.contains("evil"), "{place}: {text}");
    }
}
