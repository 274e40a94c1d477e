//! The door for remote controls over real sockets, with raw bytes: who comes in, and what is never done.

use crate::harness::desk::FakeDesk;
use crate::harness::scratch::Scratch;
use crate::harness::{SOON, until};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use swarmlet::control::http::{Door, DoorOptions, MAX_BODY, Patience};
use swarmlet::control::order::{Order, Reply};
use swarmlet::control::{Desk, base64};

/// A door on a free port, a table behind it.
struct Opened {
    door: Door,
    table: FakeDesk,
}

/// Patient with a machine that is busy.
fn options() -> DoorOptions {
    let patience = Patience { head: SOON, grace: SOON, rate: 64 * 1024 };
    DoorOptions { address: ([127, 0, 0, 1], 0).into(), patience, ..DoorOptions::default() }
}

fn open(options: DoorOptions) -> Opened {
    let table = FakeDesk::open();
    let door = Door::open(options, table.desk.clone()).expect("a free port");
    Opened { door, table }
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A connection that says and hears bytes.
struct Raw(BufReader<TcpStream>);

impl Raw {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the door is open");
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Self(BufReader::new(stream))
    }

    fn say(&mut self, bytes: &[u8]) -> &mut Self {
        // A door that has refused already may have closed; what it said is heard.
        let _ = self.0.get_mut().write_all(bytes);
        self
    }

    /// The next answer; none when the connection was closed.
    fn hear(&mut self, head_only: bool) -> Option<Answer> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let status = line.split(' ').nth(1).expect("a status line").parse().expect("a status");
        let mut fields = Vec::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a field");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            fields.push((name.to_owned(), value.to_owned()));
        }
        let mut answer = Answer { status, fields, body: Vec::new() };
        let length = answer.field("content-length").map_or(0, |length| length.parse().unwrap());
        if !head_only {
            answer.body = vec![0; length];
            self.0.read_exact(&mut answer.body).expect("the body");
        }
        Some(answer)
    }

    fn answer(&mut self) -> Answer {
        self.hear(false).expect("an answer")
    }

    /// Whether nothing more comes.
    fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).is_ok_and(|_| rest.is_empty())
    }
}

impl Opened {
    fn address(&self) -> SocketAddr {
        self.door.address()
    }

    fn raw(&self) -> Raw {
        Raw::to(self.address())
    }

    fn host(&self) -> String {
        format!("Host: localhost:{}\r\n", self.address().port())
    }

    /// A request's bytes with our `Host` and some more fields.
    fn request(&self, line: &str, fields: &str, body: &str) -> Vec<u8> {
        let length = if line.starts_with("POST") {
            format!("Content-Length: {}\r\n", body.len())
        } else {
            String::new()
        };
        format!("{line} HTTP/1.1\r\n{}{fields}{length}\r\n{body}", self.host()).into_bytes()
    }

    fn ask(&self, line: &str, fields: &str, body: &str) -> Answer {
        let mut raw = self.raw();
        raw.say(&self.request(line, fields, body));
        raw.hear(line.starts_with("HEAD")).expect("an answer")
    }

    /// The field with the session id, as a 409 tells it.
    fn session(&self, fields: &str) -> String {
        let answer = self.ask("POST /transmission/rpc", fields, "{}");
        assert_eq!(answer.status, 409, "{answer:?}");
        let id = answer.field("X-Transmission-Session-Id").expect("the id");
        assert!(id.len() >= 32, "at least 128 bits");
        format!("X-Transmission-Session-Id: {id}\r\n")
    }
}

const LIST: &str = r#"{"method":"torrent-get","arguments":{"fields":["name"]}}"#;

fn names() -> Value {
    json!({
        "result": "success", "arguments": { "torrents": [{ "name": "half" }, { "name": "whole" }] },
    })
}

#[test]
fn the_session_id_is_learnt_from_a_409_and_then_the_rpc_answers() {
    let open = open(options());
    let session = open.session("");
    for path in ["/transmission/rpc", "/transmission/rpc/", "/transmission/rpc?x=y"] {
        let answer = open.ask(&format!("POST {path}"), &session, LIST);
        assert_eq!((answer.status, answer.json()), (200, names()), "{path}");
        assert_eq!(answer.field("X-Transmission-Rpc-Version"), Some("6.0.0"));
        assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    }
    let wrong = session.replace("Id: ", "Id: 0");
    assert_eq!(open.ask("POST /transmission/rpc", &wrong, LIST).status, 409);
    assert_eq!(open.ask("GET /transmission/rpc", "", "").status, 409);
    assert_eq!(open.ask("GET /transmission/rpc", &session, "").status, 405);
    assert_eq!(open.ask("OPTIONS /transmission/rpc", &session, "").status, 405);
    let other = self::open(options());
    assert_ne!(other.session(""), session, "drawn anew at every start");
}

#[test]
fn a_name_that_was_made_to_point_here_reads_nothing() {
    let web = Scratch::new("door-host");
    fs::write(web.path().join("index.html"), "<p>").unwrap();
    let options = DoorOptions {
        hosts: vec!["box.example".into()],
        web_home: Some(web.path().to_owned()),
        auth: Some(("me".into(), "secret".into())),
        ..options()
    };
    let open = open(options);
    let port = open.address().port();
    let login = format!("Authorization: Basic {}\r\n", base64::encode(b"me:secret"));
    let session = open.session(&login);
    let ask = |line: &str, host: &str| {
        let host = if host.is_empty() { String::new() } else { format!("Host: {host}\r\n") };
        let request = format!("{line} HTTP/1.1\r\n{host}{login}{session}\r\n");
        open.raw().say(request.as_bytes()).answer().status
    };
    for path in ["/", "/transmission/rpc", "/transmission/web/", "/x", "*", "http://localhost/"] {
        for method in ["GET", "POST", "OPTIONS", "PUT"] {
            for host in ["evil.test", &format!("evil.test:{port}"), "localhost:1", ""] {
                assert_eq!(ask(&format!("{method} {path}"), host), 421, "{method} {path} {host}");
            }
        }
    }
    for host in [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "localhost".into(),
        "box.example".into(),
        "box.example:443".into(),
    ] {
        assert_eq!(ask("GET /", &host), 200, "{host}");
    }
}

#[test]
fn pages_of_others_are_refused_and_cors_is_never_spoken() {
    let open = open(options());
    let session = open.session("");
    let port = open.address().port();
    let ask = |field: &str| {
        let fields = format!("{session}{field}\r\n");
        let answer = open.ask("POST /transmission/rpc", &fields, LIST);
        let cors = answer.fields.iter().any(|(name, _)| name.starts_with("Access-Control"));
        assert!(!cors, "{answer:?}");
        answer.status
    };
    assert_eq!(ask(&format!("Origin: http://localhost:{port}")), 200);
    assert_eq!(ask("Origin: http://evil.test"), 403);
    assert_eq!(ask("Origin: null"), 403);
    assert_eq!(ask("Origin: http://localhost:3000"), 403);
    assert_eq!(ask("Sec-Fetch-Site: cross-site"), 403);
    assert_eq!(ask("Sec-Fetch-Site: same-origin"), 200);
    // Another port of this machine is the same site to a browser.
    assert_eq!(ask("Sec-Fetch-Site: same-site"), 403);
    assert_eq!(ask("Origin: http://localhost:3000\r\nSec-Fetch-Site: same-site"), 403);
    assert_eq!(ask(&format!("Origin: http://localhost:{port}\r\nSec-Fetch-Site: same-site")), 200);
    // What a form can send, even if it had the session id; and what no form can send without one.
    assert_eq!(ask("Origin: http://evil.test\r\nContent-Type: text/plain"), 403);
    let form = "Content-Type: text/plain\r\n";
    assert_eq!(open.ask("POST /transmission/rpc", form, LIST).status, 409);
    // Of two, each program on the way may believe another.
    for field in ["Origin", "Host", "Sec-Fetch-Site", "X-Transmission-Session-Id"] {
        let twice = format!("{field}: x\r\n{field}: x\r\n");
        assert_eq!(open.ask("GET /", &twice, "").status, 400, "{field}");
    }
    let preflight = "Origin: http://evil.test\r\nAccess-Control-Request-Method: POST\r\n";
    assert_eq!(open.ask("OPTIONS /transmission/rpc", preflight, "").status, 403);
}

#[test]
fn a_password_comes_before_the_session_and_guessing_ends_after_five() {
    let open = open(DoorOptions { auth: Some(("me".into(), "secret".into())), ..options() });
    let with = |pair: &str| format!("Authorization: Basic {}\r\n", base64::encode(pair.as_bytes()));
    let answer = open.ask("POST /transmission/rpc", "", LIST);
    assert_eq!(answer.status, 401);
    assert!(answer.field("WWW-Authenticate").unwrap().starts_with("Basic realm="));
    assert!(answer.field("X-Transmission-Session-Id").is_none());
    assert_eq!(open.ask("GET /", "", "").status, 401, "every route asks");
    let session = open.session(&with("me:secret"));
    let fields = format!("{session}{}", with("me:secret"));
    assert_eq!(open.ask("POST /transmission/rpc", &fields, LIST).status, 200);
    for guess in ["me:x", "me:", "x:secret", ":", "me:secretx"] {
        assert_eq!(open.ask("POST /transmission/rpc", &with(guess), LIST).status, 401, "{guess}");
    }
    let answer = open.ask("POST /transmission/rpc", &fields, LIST);
    assert_eq!(answer.status, 429, "not even the right one is heard for a minute");
    assert_eq!(answer.field("Retry-After"), Some("60"));
}

#[test]
fn a_door_to_other_machines_without_a_password_stays_shut() {
    let options = DoorOptions { address: ([0, 0, 0, 0], 0).into(), ..options() };
    let table = FakeDesk::open();
    let error = Door::open(options, table.desk.clone()).err().expect("it is refused").to_string();
    assert!(error.starts_with("a remote control at 0.0.0.0:0 can be reached"), "{error}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let first = open(options());
    let options = DoorOptions { address: first.address(), ..options() };
    let error = Door::open(options, first.table.desk.clone()).err().expect("it is taken");
    let expected = format!("cannot listen at {} (", first.address());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn every_answer_has_the_fields_of_safety() {
    let open = open(options());
    let session = open.session("");
    for (line, fields) in [
        ("GET /", ""),
        ("GET /none", ""),
        ("POST /transmission/rpc", ""),
        ("POST /transmission/rpc", session.as_str()),
        ("GET /", "Origin: null\r\n"),
    ] {
        let answer = open.ask(line, fields, LIST);
        assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"), "{line}");
        assert_eq!(answer.field("X-Frame-Options"), Some("DENY"));
        assert_eq!(answer.field("Referrer-Policy"), Some("no-referrer"));
        let policy = answer.field("Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
    }
}

#[test]
fn pages_are_at_their_places_and_nowhere_else() {
    let web = Scratch::new("door-pages");
    fs::write(web.path().join("index.html"), "<title>x</title>").unwrap();
    fs::create_dir(web.path().join("javascript")).unwrap();
    fs::write(web.path().join("javascript/a.js"), "1;").unwrap();
    let open = open(DoorOptions { web_home: Some(web.path().to_owned()), ..options() });
    for (path, kind) in [("/", "html"), ("/dashboard.css", "css"), ("/dashboard.js", "javascript")]
    {
        let answer = open.ask(&format!("GET {path}"), "", "");
        let is_kind = answer.field("Content-Type") == Some(&format!("text/{kind}; charset=utf-8"));
        assert!(answer.status == 200 && is_kind && !answer.body.is_empty(), "{path}");
        assert_eq!(open.ask(&format!("POST {path}"), "", "").status, 405, "{path}");
    }
    for path in ["/transmission", "/transmission/", "/transmission/web"] {
        let answer = open.ask(&format!("GET {path}"), "", "");
        assert_eq!((answer.status, answer.field("Location")), (301, Some("/transmission/web/")));
    }
    let answer = open.ask("GET /transmission/web/?x", "", "");
    assert_eq!((answer.status, answer.text()), (200, "<title>x</title>"));
    assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
    let answer = open.ask("HEAD /transmission/web/javascript/a.js", "", "");
    assert_eq!((answer.status, answer.field("Content-Length")), (200, Some("2")));
    assert_eq!(open.ask("POST /transmission/web/", "", "").status, 405);
    for path in ["/x", "/transmission/upload", "/transmission/webx"] {
        assert_eq!(open.ask(&format!("GET {path}"), "", "").status, 404, "{path}");
    }
    assert_eq!(open.ask("GET /favicon.ico", "", "").status, 204);
    // What is put there later is not there: the table was made at the start.
    fs::write(web.path().join("later.html"), "x").unwrap();
    assert_eq!(open.ask("GET /transmission/web/later.html", "", "").status, 404);
    let without = self::open(options());
    assert_eq!(without.ask("GET /transmission/web/", "", "").status, 404);
}

#[test]
fn three_hundred_ways_out_of_the_folder_lead_nowhere() {
    let outer = Scratch::new("door-traversal");
    let web = outer.path().join("web");
    fs::create_dir(&web).unwrap();
    fs::write(web.join("index.html"), "<p>").unwrap();
    fs::write(web.join(".hidden"), "secret").unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outer.path().join("secret"), web.join("link")).unwrap();
    let open = open(DoorOptions { web_home: Some(web), ..options() });
    let ups = [
        "../",
        "..\\",
        "..%2f",
        "..%2F",
        "..%5c",
        "%2e%2e/",
        "%2e%2e%2f",
        ".%2e/",
        "..;/",
        "....//",
        "..%252f",
        "%252e%252e%252f",
        "..%c0%af",
        "%c0%ae%c0%ae/",
        "..%00/",
        "./../",
        "/../",
        "..//",
        "\u{ff0e}\u{ff0e}/",
        "%uff0e%uff0e/",
    ];
    let files = ["secret", "etc/passwd", "web/.hidden", "web/index.html", "secret%00.html"];
    let mut paths: Vec<String> = [".hidden", "%2ehidden", "link", "./index.html", "//index.html"]
        .map(|path| format!("/transmission/web/{path}"))
        .into();
    for up in ups {
        for depth in [1, 2, 8] {
            for file in files {
                paths.push(format!("/transmission/web/{}{file}", up.repeat(depth)));
            }
        }
    }
    assert!(paths.len() >= 300, "{}", paths.len());
    let mut raw = open.raw();
    for path in paths {
        raw.say(&open.request(&format!("GET {path}"), "", ""));
        let answer = raw.hear(false).unwrap_or_else(|| panic!("{path}: closed"));
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("secret"), "{path}");
        if answer.field("Connection") == Some("close") {
            raw = open.raw();
        }
    }
}

#[test]
fn requests_may_follow_each_other_and_come_all_at_once() {
    let open = open(options());
    let session = open.session("");
    let one = open.request("POST /transmission/rpc", &session, LIST);
    let get = open.request("GET /none", "", "");
    let mut raw = open.raw();
    raw.say(&[one.clone(), get, b"\r\n".to_vec(), one.clone()].concat());
    assert_eq!(raw.answer().json(), names());
    assert_eq!(raw.answer().status, 404);
    assert_eq!(raw.answer().json(), names());
    let last =
        open.request("POST /transmission/rpc", &format!("{session}Connection: close\r\n"), LIST);
    raw.say(&last);
    assert_eq!(raw.answer().field("Connection"), Some("close"));
    assert!(raw.is_closed());
    // Byte by byte it is the same.
    let mut raw = open.raw();
    for byte in one {
        raw.say(&[byte]);
    }
    assert_eq!(raw.answer().json(), names());
    // HTTP/1.0 is answered once, as transmission-remote wants it.
    let old = format!(
        "POST /transmission/rpc HTTP/1.0\r\n{}{session}Content-Length: {}\r\n\r\n{LIST}",
        open.host(),
        LIST.len()
    );
    let mut raw = open.raw();
    assert_eq!(raw.say(old.as_bytes()).answer().json(), names());
    assert!(raw.is_closed());
}

#[test]
fn bodies_come_in_chunks_after_a_word_or_not_at_all() {
    let open = open(options());
    let session = open.session("");
    let head = format!("POST /transmission/rpc HTTP/1.1\r\n{}{session}", open.host());
    let (a, b) = LIST.split_at(9);
    let chunks = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{a}\r\n{:X};x=y\r\n{b}\r\n0\r\nT: x\r\n\r\n",
        a.len(),
        b.len()
    );
    assert_eq!(open.raw().say(chunks.as_bytes()).answer().json(), names());
    let mut raw = open.raw();
    let waits = format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", LIST.len());
    assert_eq!(raw.say(waits.as_bytes()).answer().status, 100);
    assert_eq!(raw.say(LIST.as_bytes()).answer().json(), names());
    // Who may not speak is told at once, and need not send its body.
    let stranger = waits.replace("Session-Id: ", "Session-Id: x");
    let mut raw = open.raw();
    assert_eq!(raw.say(stranger.as_bytes()).answer().status, 409);
    assert!(raw.is_closed());
    assert_eq!(open.raw().say(format!("{head}\r\n").as_bytes()).answer().status, 411);
    let both = format!("{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(open.raw().say(both.as_bytes()).answer().status, 400);
    let silent = r#"{"jsonrpc":"2.0","method":"torrent_stop"}"#;
    let answer = open.ask("POST /transmission/rpc", &session, silent);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
}

#[test]
fn a_large_torrent_is_taken_and_a_bomb_is_not() {
    let open = open(options());
    let session = open.session("");
    let metainfo = base64::encode(&vec![b'd'; 2_000_000]);
    let body = format!(r#"{{"method":"torrent-add","arguments":{{"metainfo":"{metainfo}"}}}}"#);
    let answer = open.ask("POST /transmission/rpc", &session, &body).json();
    assert_eq!(answer["arguments"]["torrent-added"]["name"], "a torrent of 2000000 bytes");
    // Without the session id it is read and forgotten, and the connection stays.
    let mut raw = open.raw();
    raw.say(&open.request("POST /transmission/rpc", "", &body));
    assert_eq!(raw.answer().status, 409);
    raw.say(&open.request("POST /transmission/rpc", &session, LIST));
    assert_eq!(raw.answer().json()["result"], "success");
    for length in [MAX_BODY + 1, u64::MAX] {
        let bomb = format!(
            "POST /transmission/rpc HTTP/1.1\r\n{}{session}Content-Length: {length}\r\n\r\n{{",
            open.host()
        );
        let mut raw = open.raw();
        assert_eq!(raw.say(bomb.as_bytes()).answer().status, 413);
        assert!(raw.is_closed());
    }
    let deep = "[".repeat(90_000);
    let answer = open.ask("POST /transmission/rpc", &session, &deep).json();
    assert!(answer["result"].as_str().unwrap().contains("recursion limit"), "{answer}");
}

#[test]
fn only_two_long_bodies_are_read_at_a_time() {
    let open = open(options());
    let session = open.session("");
    let start = format!(
        "POST /transmission/rpc HTTP/1.1\r\n{}{session}Content-Length: 3000000\r\n\r\n{}",
        open.host(),
        " ".repeat(1_200_000)
    );
    let mut held = Vec::new();
    until("one long body too many is refused", SOON, || {
        let mut raw = open.raw();
        raw.say(start.as_bytes());
        raw.0.get_ref().set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let status = raw.hear(false).map(|answer| answer.status);
        held.push(raw);
        assert!(held.len() <= 10, "more than two are read at once");
        (status == Some(503)).then_some(())
    });
    assert!(held.len() > 2, "two are read");
    assert_eq!(open.ask("POST /transmission/rpc", &session, LIST).json(), names());
}

/// Doors that lose patience soon, so that no test waits.
fn hasty() -> DoorOptions {
    let soon = Duration::from_millis(400);
    DoorOptions { patience: Patience { head: soon, grace: soon, rate: 1 << 30 }, ..options() }
}

#[test]
fn slow_heads_and_slow_bodies_are_cut_off() {
    let open = open(hasty());
    let mut raw = open.raw();
    assert_eq!(raw.say(b"POST /transmission/rpc HT").answer().status, 408);
    assert!(raw.is_closed());
    assert!(open.raw().is_closed(), "whoever says nothing hears nothing");
    let session = open.session("");
    let head = format!(
        "POST /transmission/rpc HTTP/1.1\r\n{}{session}Content-Length: 100\r\n\r\n{{",
        open.host()
    );
    let mut raw = open.raw();
    assert_eq!(raw.say(head.as_bytes()).answer().status, 408);
    assert!(raw.is_closed());
    // A body that drips is cut off too: what counts is the whole, not the last byte.
    let mut raw = open.raw();
    raw.say(head.as_bytes());
    let stream = raw.0.get_ref().try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        let start = Instant::now();
        while (&stream).write_all(b" ").is_ok() && start.elapsed() < SOON {
            crate::harness::pass(Duration::from_millis(5));
        }
        start.elapsed()
    });
    assert_eq!(raw.answer().status, 408);
    drop(raw);
    assert!(dripping.join().unwrap() < SOON);
}

#[test]
fn the_seventeenth_caller_is_sent_away_and_the_others_stay() {
    let open = open(options());
    let mut callers: Vec<Raw> = (0..16).map(|_| open.raw()).collect();
    // Each has a place once it is answered.
    for raw in &mut callers {
        assert_eq!(raw.say(&open.request("GET /", "", "")).answer().status, 200);
    }
    let mut late = open.raw();
    let answer = late.answer();
    assert_eq!((answer.status, answer.field("Connection")), (503, Some("close")));
    assert_eq!(callers[3].say(&open.request("GET /", "", "")).answer().status, 200);
    callers.pop();
    until("a place is free again", SOON, || {
        let mut raw = open.raw();
        raw.say(&open.request("GET /", "", ""));
        raw.hear(false).filter(|answer| answer.status == 200).map(drop)
    });
}

#[test]
fn a_closing_door_lets_everybody_go_within_a_second() {
    let open = open(options());
    let mut idle = open.raw();
    assert_eq!(idle.say(&open.request("GET /", "", "")).answer().status, 200);
    let mut begun = open.raw();
    begun.say(b"POST /transmis");
    let address = open.address();
    let start = Instant::now();
    drop(open.door);
    assert!(start.elapsed() < Duration::from_millis(1200), "{:?}", start.elapsed());
    assert!(idle.is_closed());
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn whoever_ends_the_program_hears_that_it_ends() {
    let (desk, letters) = Desk::open();
    let door = Door::open(options(), desk).unwrap();
    let address = door.address();
    let program = std::thread::spawn(move || {
        let letter = letters.recv().unwrap();
        assert_eq!(letter.order, Order::Close);
        letter.answer.send(Ok(Reply::Done)).unwrap();
        drop(door);
    });
    let host = format!("Host: {address}\r\n");
    let body = r#"{"method":"session-close"}"#;
    let head = |session: &str| {
        format!(
            "POST /transmission/rpc HTTP/1.1\r\n{host}{session}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut raw = Raw::to(address);
    let answer = raw.say(head("").as_bytes()).answer();
    let id = answer.field("X-Transmission-Session-Id").unwrap().to_owned();
    let answer = raw.say(head(&format!("X-Transmission-Session-Id: {id}\r\n")).as_bytes()).answer();
    assert_eq!(answer.json()["result"], "success");
    program.join().unwrap();
}

#[test]
fn garbage_is_refused_and_the_door_stays_open() {
    let open = open(options());
    let mut dice = fastrand::Rng::with_seed(7);
    for round in 0..60 {
        let mut bytes: Vec<u8> = (0..dice.usize(1..400)).map(|_| dice.u8(..)).collect();
        if round % 2 == 0 {
            let mut text = String::from("POST /transmission/rpc HTTP/1.1\r\n");
            let _ = write!(text, "{}", open.host());
            bytes.splice(0..0, text.into_bytes());
        }
        let mut raw = open.raw();
        raw.say(&bytes);
        // It may have gone already.
        let _ = raw.0.get_ref().shutdown(Shutdown::Write);
        if let Some(answer) = raw.hear(false) {
            assert!((400..=505).contains(&answer.status), "{answer:?}");
        }
    }
    assert_eq!(open.ask("GET /", "", "").status, 200);
}

/// Everything that is logged by this file's tests.
struct Book(Mutex<String>);

impl log::Log for Book {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        let _ = writeln!(self.0.lock(), "{}", record.args());
    }
    fn flush(&self) {}
}

static BOOK: Book = Book(Mutex::new(String::new()));

#[test]
fn no_secret_and_no_query_is_logged() {
    log::set_logger(&BOOK).expect("no other logger");
    log::set_max_level(log::LevelFilter::Trace);
    let open = open(DoorOptions { auth: Some(("me".into(), "hunter2".into())), ..options() });
    let login =
        |pair: &str| format!("Authorization: Basic {}\r\n", base64::encode(pair.as_bytes()));
    let right = login("me:hunter2");
    let session = open.session(&right);
    let fields = format!("{session}{right}");
    open.ask("POST /transmission/rpc?token=topsecret", &fields, LIST);
    let add =
        r#"{"method":"torrent-add","arguments":{"filename":"http://u:passw0rd@t.test/a?key=k3y"}}"#;
    open.ask("POST /transmission/rpc", &fields, add);
    open.ask("GET /path-of-a-stranger\u{1b}", &right, "");
    open.ask("GET /", &login("me:wr0ng"), "");
    until("the wrong password is in the log", SOON, || {
        BOOK.0.lock().contains("a wrong password").then_some(())
    });
    let book = BOOK.0.lock().clone();
    let id = session.trim_start_matches("X-Transmission-Session-Id: ").trim();
    let pairs = [base64::encode(b"me:hunter2"), base64::encode(b"me:wr0ng")];
    let secrets = ["hunter2", "wr0ng", "topsecret", "passw0rd", "k3y", "stranger", id];
    for secret in secrets.into_iter().chain(pairs.iter().map(String::as_str)) {
        assert!(!book.contains(secret), "{secret} is in the log:\n{book}");
    }
    assert!(!book.contains('\u{1b}'));
}
