//! The traces of two real nodes: what one says the other hears, and nothing is asked for without a
//! reason.

use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use swarmlet::bitfield::Bitfield;
use swarmlet::metainfo::Metainfo;
use swarmlet::metainfo::build::{BuildOptions, build};
use swarmlet::metainfo::draft::Version;
use swarmlet::node::{Event, NewTorrent, Node, NodeOptions, Torrent};
use swarmlet::protocol::Dialect;
use swarmlet::storage::create::{HashOptions, hash_path};
use swarmlet::storage::{Io, Storage, StoragePlan};

const DEADLINE: Duration = Duration::from_mins(1);

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("swarmlet-trace-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn traced(path: PathBuf) -> Node {
    Node::start(NodeOptions { trace: Some(path), ..NodeOptions::on_loopback() }).unwrap()
}

fn add(node: &Node, meta: &Metainfo, storage: Storage, have: Bitfield) -> Arc<Torrent> {
    node.add(NewTorrent::of(meta, storage, have))
}

fn wait_for(node: &Node, wanted: impl Fn(&Event) -> bool) {
    let end = Instant::now() + DEADLINE;
    while !wanted(&node.events().recv_deadline(end).expect("it comes within a minute")) {}
}

/// The lines of a trace.
fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Fetches a file from one node to another, both of which are traced, in a dialect.
fn transfer(name: &str, dialect: Dialect) -> [Vec<Value>; 2] {
    let scratch = Scratch::new(&format!("{name}-{dialect}"));
    let path = scratch.0.join("src/big.bin");
    let mut bytes = vec![0; 1_000_000];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let options = HashOptions { piece_length: Some(65536), version: Version::Hybrid };
    let draft = hash_path(&path, &options, &mut |_, _| {}).unwrap();
    let meta = build(&draft, &BuildOptions::default()).unwrap();
    let traces = ["ann", "ben"].map(|name| scratch.0.join(format!("{name}.jsonl")));
    let [ann, ben] = traces.clone().map(traced);
    let plan = |folder: &Path| StoragePlan::of(&meta, folder.to_owned()).unwrap();
    let pieces = meta.geometry().pieces();
    let source = Storage::open_existing(plan(path.parent().unwrap())).unwrap();
    add(&ann, &meta, source, Bitfield::full(pieces));
    let out = Storage::create_or_resume(plan(&scratch.0.join("out")), Io::Mmap).unwrap();
    let torrent = add(&ben, &meta, out, Bitfield::new(pieces));
    ben.add_peer(&torrent, SocketAddr::from((Ipv4Addr::LOCALHOST, ann.port())), dialect);
    wait_for(&ben, |event| matches!(event, Event::Complete { .. }));
    ben.stop();
    wait_for(&ann, |event| matches!(event, Event::Disconnected { .. }));
    ann.stop();
    traces.map(|path| read(&path))
}

fn events<'a>(trace: &'a [Value], ev: &'a str) -> impl Iterator<Item = &'a Value> {
    trace.iter().filter(move |line| line["ev"] == ev)
}

/// What went one way, by its number.
fn words<'a>(trace: &'a [Value], ev: &'a str) -> BTreeMap<u64, [&'a Value; 5]> {
    let word = |line: &'a Value| ["msg", "kind", "piece", "off", "len"].map(|key| &line[key]);
    events(trace, ev).map(|line| (line["seq"].as_u64().unwrap(), word(line))).collect()
}

fn check_pairs(from: &[Value], to: &[Value]) {
    let (sent, heard) = (words(from, "send"), words(to, "recv"));
    let numbers: Vec<u64> = heard.keys().copied().collect();
    assert_eq!(numbers, (0..heard.len() as u64).collect::<Vec<_>>(), "none is left out");
    assert!(heard.len() > 3, "{heard:?}");
    for (seq, word) in &heard {
        assert_eq!(sent.get(seq), Some(word), "number {seq}");
    }
}

#[test]
fn the_nth_message_sent_is_the_nth_received_in_both_dialects() {
    for (dialect, hello) in [(Dialect::Native, "HELLO"), (Dialect::BitTorrent, "HANDSHAKE")] {
        let [ann, ben] = transfer("pairs", dialect);
        let opened = |trace| {
            let opened: Vec<&Value> = events(trace, "open").collect();
            assert_eq!(opened.len(), 1, "{opened:?}");
            (opened[0]["here"].clone(), opened[0]["there"].clone())
        };
        let (here, there) = opened(&ann);
        assert_eq!(opened(&ben), (there, here), "one socket has two ends");
        check_pairs(&ann, &ben);
        check_pairs(&ben, &ann);
        assert_eq!(words(&ben, "send")[&0][0], hello);
        let bytes: u64 = events(&ann, "send")
            .filter(|line| line["kind"] == "data" && !line["piece"].is_null())
            .map(|line| line["len"].as_u64().unwrap())
            .sum();
        assert!(bytes >= 1_000_000, "{dialect}: {bytes}");
    }
}

#[test]
fn before_each_request_stands_why_it_was_picked() {
    for (dialect, get) in [(Dialect::Native, "GET"), (Dialect::BitTorrent, "REQUEST")] {
        let [ann, ben] = transfer("picks", dialect);
        let mut picked: Vec<(u64, u64, u64)> = Vec::new();
        let span = |line: &Value| {
            let number = |key: &str| line[key].as_u64().unwrap();
            (number("piece"), number("off"), number("off") + number("len"))
        };
        let mut asked = 0;
        for line in &ben {
            if line["ev"] == "pick" {
                assert!(line["why"]["rule"].is_string(), "{line}");
                picked.push(span(line));
            } else if line["msg"] == get && line["ev"] == "send" {
                let (piece, start, end) = span(line);
                let why = picked.iter().any(|p| p.0 == piece && p.1 <= start && end <= p.2);
                assert!(why, "{line} without a reason");
                asked += 1;
            }
        }
        assert!(asked >= 16, "sixteen pieces: {asked}");
        let verified = events(&ben, "verify").filter(|line| line["ok"] == true).count();
        assert_eq!((verified, events(&ben, "complete").count()), (16, 1));
        let dialled = events(&ben, "dial").next().expect("somebody was called");
        assert_eq!(dialled["why"]["rule"], "given");
        let served = events(&ann, "unchoke").chain(events(&ann, "choke"));
        assert!(served.count() > 0, "somebody was served, and it is said why");
        for trace in [&ann, &ben] {
            assert_eq!(trace[0]["ev"], "start");
            assert!(trace.iter().all(|line| line["n"] == trace[0]["listen"]));
        }
        assert_eq!(events(&ann, "close").count(), 1);
    }
}
