//! A node and web servers in one process, without a peer: content moves over HTTP (BEP 19).

use parking_lot::Mutex;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use swarmlet::bitfield::Bitfield;
use swarmlet::logic::picker::Priority;
use swarmlet::metainfo::Metainfo;
use swarmlet::metainfo::build::{BuildOptions, build};
use swarmlet::metainfo::draft::Version;
use swarmlet::node::{Event, NewTorrent, Node, NodeOptions, Torrent, wanted_entries};
use swarmlet::protocol::Dialect;
use swarmlet::storage::create::{HashOptions, hash_path};
use swarmlet::storage::{Io, Storage, StoragePlan};

const DEADLINE: Duration = Duration::from_mins(1);

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("swarmlet-web-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, length: usize, seed: u64) -> PathBuf {
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // left to the system's housekeeping
    }
}

/// What a server does with a request for a file that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Ranges,
    /// The whole file, whatever was asked.
    Whole,
    /// The first byte of every answer is wrong.
    Lies,
    /// The first answer breaks off in its middle.
    BreaksOff,
}

/// A web server that serves a folder, one connection at a time.
struct Server {
    port: u16,
    /// `path first-last` of every request.
    asked: Arc<Mutex<Vec<String>>>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(folder: &Path, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, stops) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (log, stop, folder) = (asked.clone(), stops.clone(), folder.to_owned());
        let serve = move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                // A client may go when it has what it wants.
                let _ = answer(&stream.unwrap(), &folder, manner, &log);
            }
        };
        let thread = Builder::new().name("server".into()).spawn(serve).unwrap();
        Self { port, asked, stops, thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.thread.take().map(JoinHandle::join);
    }
}

fn answer(
    mut stream: &TcpStream,
    folder: &Path,
    manner: Manner,
    log: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = head[0].split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let range = head.iter().find_map(|line| line.strip_prefix("Range: bytes=")).unwrap_or("0-0");
    let nth = {
        let mut log = log.lock();
        log.push(format!("{path} {range}"));
        log.len()
    };
    let (first, last) = range.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let Ok(mut bytes) = fs::read(folder.join(unescaped(path))) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    };
    if let Some(byte) = bytes.get_mut(first).filter(|_| manner == Manner::Lies) {
        *byte ^= 1;
    }
    let total = bytes.len();
    if manner == Manner::Whole {
        write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {total}\r\n\r\n")?;
        return stream.write_all(&bytes);
    }
    let Some(part) = bytes.get(first..=last) else {
        return stream.write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\n\r\n");
    };
    let length = part.len();
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{total}\r\n\
         Content-Length: {length}\r\n\r\n"
    )?;
    let breaks = manner == Manner::BreaksOff && nth == 1;
    stream.write_all(if breaks { &part[..length / 2] } else { part })
}

fn unescaped(path: &str) -> String {
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        text.push(u8::from_str_radix(&part[..2], 16).unwrap());
        text.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(text).unwrap()
}

fn node() -> Node {
    let options = NodeOptions { upload_slots: 8, ..NodeOptions::on_loopback() };
    Node::start(options).unwrap()
}

fn metainfo(version: Version, path: &Path, web_seeds: &[String]) -> Metainfo {
    let options = HashOptions { piece_length: Some(65536), version };
    let draft = hash_path(path, &options, &mut |_, _| {}).unwrap();
    let options = BuildOptions { web_seeds: web_seeds.to_vec(), ..BuildOptions::default() };
    build(&draft, &options).unwrap()
}

fn add(node: &Node, meta: &Metainfo, storage: Storage, have: Bitfield) -> Arc<Torrent> {
    node.add(NewTorrent::of(meta, storage, have))
}

fn leech(node: &Node, meta: &Metainfo, folder: &Path) -> Arc<Torrent> {
    let plan = StoragePlan::of(meta, folder.to_owned()).unwrap();
    let storage = Storage::create_or_resume(plan, Io::Mmap).unwrap();
    let have = storage.verify_all(2, &|_| {}, &AtomicBool::new(false)).unwrap();
    add(node, meta, storage, have)
}

/// Panics if it does not come.
fn wait_complete(node: &Node) {
    let end = Instant::now() + DEADLINE;
    while !matches!(node.events().recv_deadline(end).expect("complete"), Event::Complete { .. }) {}
}

/// Fetches from web seeds alone; how many bytes that took.
fn fetch(path: &Path, web_seeds: &[String], out: &Path) -> u64 {
    fetch_of(Version::Hybrid, path, web_seeds, out)
}

fn fetch_of(version: Version, path: &Path, web_seeds: &[String], out: &Path) -> u64 {
    let meta = metainfo(version, path, web_seeds);
    let node = node();
    let torrent = leech(&node, &meta, out);
    wait_complete(&node);
    let status = node.status(&torrent);
    assert_eq!(status.left, 0);
    node.stop();
    status.fetched
}

fn check_same(a: &Path, b: &Path) {
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{} differs", b.display());
}

#[test]
fn a_file_comes_from_a_web_server_in_ever_longer_runs() {
    let scratch = Scratch::new("single");
    let length = 3 * 1024 * 1024 + 12345;
    let path = scratch.file("src/big file.bin", length, 1);
    let server = Server::start(&scratch.0.join("src"), Manner::Ranges);
    let fetched = fetch(&path, &[server.url("")], &scratch.0.join("out"));
    assert_eq!(fetched, length as u64, "no byte is fetched twice");
    check_same(&path, &scratch.0.join("out/big file.bin"));
    let asked = server.asked();
    assert_eq!(asked[..2], ["big%20file.bin 0-65535", "big%20file.bin 65536-196607"]);
    assert!(asked.len() < 10, "{asked:?}");
}

#[test]
fn a_folder_comes_file_by_file() {
    let scratch = Scratch::new("folder");
    scratch.file("src/my folder/a/x&y.bin", 700_000, 2);
    scratch.file("src/my folder/a.b", 1, 3);
    scratch.file("src/my folder/empty", 0, 4);
    let path = scratch.0.join("src/my folder");
    let server = Server::start(&scratch.0.join("src"), Manner::Ranges);
    let url = server.url("").trim_end_matches('/').to_owned();
    for (name, version) in [("v1", Version::V1), ("both", Version::Hybrid), ("v2", Version::V2)] {
        let out = scratch.0.join(name);
        fetch_of(version, &path, std::slice::from_ref(&url), &out);
        for file in ["a/x&y.bin", "a.b", "empty"] {
            check_same(&path.join(file), &out.join("my folder").join(file));
        }
    }
    assert!(server.asked().iter().all(|line| line.starts_with("my%20folder/a")));
}

#[test]
fn a_server_without_ranges_will_do_for_small_files() {
    let scratch = Scratch::new("whole");
    for n in 0..5 {
        scratch.file(&format!("src/small/{n}"), 10_000 * n + 1, n as u64);
    }
    let path = scratch.0.join("src/small");
    let server = Server::start(&scratch.0.join("src"), Manner::Whole);
    let fetched = fetch(&path, &[server.url("")], &scratch.0.join("out"));
    assert_eq!(fetched, 100_005);
    for n in 0..5 {
        check_same(&path.join(n.to_string()), &scratch.0.join(format!("out/small/{n}")));
    }
}

#[test]
fn a_server_that_lies_or_lacks_the_file_is_given_up_and_another_does() {
    let scratch = Scratch::new("liar");
    let path = scratch.file("src/big.bin", 2 * 1024 * 1024, 5);
    let src = scratch.0.join("src");
    let liar = Server::start(&src, Manner::Lies);
    let without = Server::start(&scratch.0.join("nothing"), Manner::Ranges);
    let no_ranges = Server::start(&src, Manner::Whole);
    let honest = Server::start(&src, Manner::Ranges);
    let servers = [&liar, &without, &no_ranges, &honest];
    let mut urls: Vec<String> = servers.iter().map(|server| server.url("big.bin")).collect();
    urls.insert(0, "ftp://127.0.0.1/big.bin".to_owned());
    let out = scratch.0.join("out");
    fetch(&path, &urls, &out);
    check_same(&path, &out.join("big.bin"));
    assert!(without.asked().len() <= 1, "what is not there is asked for once");
    assert!(no_ranges.asked().len() <= 2, "{:?}", no_ranges.asked());
}

#[test]
fn what_came_before_an_answer_broke_off_is_kept() {
    let scratch = Scratch::new("breaks");
    let path = scratch.file("src/big.bin", 128 * 1024, 6);
    let server = Server::start(&scratch.0.join("src"), Manner::BreaksOff);
    let fetched = fetch(&path, &[server.url("big.bin")], &scratch.0.join("out"));
    check_same(&path, &scratch.0.join("out/big.bin"));
    assert_eq!(fetched, 128 * 1024, "no byte is fetched twice");
    assert_eq!(server.asked()[1], "big.bin 32768-65535");
}

#[test]
fn peers_and_web_seeds_fetch_one_torrent_together() {
    let scratch = Scratch::new("both");
    let length = 4 * 1024 * 1024;
    let path = scratch.file("src/big.bin", length, 7);
    let server = Server::start(&scratch.0.join("src"), Manner::Ranges);
    let meta = metainfo(Version::Hybrid, &path, &[server.url("big.bin")]);
    let (ann, ben) = (node(), node());
    let plan = StoragePlan::of(&meta, scratch.0.join("src")).unwrap();
    let have = Bitfield::full(meta.geometry().pieces());
    add(&ann, &meta, Storage::open_existing(plan).unwrap(), have);
    let torrent = leech(&ben, &meta, &scratch.0.join("out"));
    ben.add_peer(&torrent, (Ipv4Addr::LOCALHOST, ann.port()).into(), Dialect::Native);
    wait_complete(&ben);
    check_same(&path, &scratch.0.join("out/big.bin"));
    assert!(!server.asked().is_empty());
    ben.stop();
    ann.stop();
}

#[test]
fn a_web_seed_rests_when_all_that_is_wanted_is_here_and_goes_on_when_more_is() {
    let scratch = Scratch::new("selection");
    scratch.file("src/t/a", 200_000, 21);
    scratch.file("src/t/b", 100_000, 22);
    let server = Server::start(&scratch.0.join("src"), Manner::Ranges);
    let meta = metainfo(Version::Hybrid, &scratch.0.join("src/t"), &[server.url("")]);
    let (node, out) = (node(), scratch.0.join("out"));
    let wanted = [Priority::Normal, Priority::Skip];
    let plan = StoragePlan::of(&meta, out.clone()).unwrap();
    let plan = plan.with_wanted(wanted_entries(&meta, &wanted));
    let storage = Storage::create_or_resume(plan, Io::Mmap).unwrap();
    let new = NewTorrent::of(&meta, storage, Bitfield::new(meta.geometry().pieces()));
    let torrent = node.add(NewTorrent { priorities: wanted.to_vec(), ..new });
    wait_complete(&node);
    assert!(server.asked().iter().all(|line| line.starts_with("t/a ")), "{:?}", server.asked());
    node.set_priorities(&torrent, &[Priority::Normal; 2]).unwrap();
    wait_complete(&node);
    assert_eq!(node.status(&torrent).fetched, 300_000);
    for file in ["t/a", "t/b"] {
        let (was, is) = (scratch.0.join("src").join(file), out.join(file));
        assert_eq!(fs::read(was).unwrap(), fs::read(is).unwrap(), "{file}");
    }
    node.stop();
}

#[test]
fn the_web_seeds_of_a_paused_torrent_end_and_begin_again() {
    let scratch = Scratch::new("paused");
    let path = scratch.file("src/big.bin", 2 * 1024 * 1024, 8);
    let src = scratch.0.join("src");
    let (server, liar) = (Server::start(&src, Manner::Ranges), Server::start(&src, Manner::Lies));
    let urls = [liar.url("big.bin"), server.url("big.bin")];
    let meta = metainfo(Version::Hybrid, &path, &urls);
    let ben = node();
    let torrent = leech(&ben, &meta, &scratch.0.join("out"));
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let end = Instant::now() + DEADLINE;
        while !is_so() {
            assert!(Instant::now() < end, "{what}");
            let _ = ben.events().recv_timeout(Duration::from_millis(10));
        }
    };
    until("the liar is given up", &|| torrent.spoilt.lock().len() == 1);
    ben.pause(&torrent);
    let paused = ben.status(&torrent);
    assert_eq!(paused.web_seeds, 0);
    let lies = liar.asked().len();
    assert!(ben.resume(&torrent));
    until("all is there", &|| ben.status(&torrent).left == 0);
    assert_eq!(liar.asked().len(), lies, "who lied is not asked again");
    assert!(ben.status(&torrent).corrupt > 0);
    let out = scratch.0.join("out/big.bin");
    until("it is on the disk and has its name", &|| out.exists());
    check_same(&path, &out);
    ben.stop();
}
