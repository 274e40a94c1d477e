//! A hierarchy of real trackers on 127.0.0.x: root, zones, authorities, resolvers, and askers.
//!
//! ```text
//! asker - resolver - root "." - zone "3" - authority "3f"
//! ```
//! How many messages an answer cost is counted in the trackers' traces: what a tracker received,
//! and what it sent to somebody who is no tracker. Ports are the system's choice; nothing sleeps.

use crate::harness::programs;
use crate::harness::scratch::Scratch;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use swarmlet::config::HierarchyConfig;
use swarmlet::ids::InfoHashV2;
use swarmlet::logic::resolver::zone::{Key, Zone};
use swarmlet::logic::resolver::{Manner, Outcome, Question};
use swarmlet::metainfo::Metainfo;
use swarmlet::node::trackers::calls;
use swarmlet::node::trackers::resolve::{Stub, ask_server};
use swarmlet::protocol::frame::Bin;
use swarmlet::protocol::tracker_native::{
    Answer, Endpoint, ErrorCode, Message, NameServer, Op, Packet, Query, Rcode, Records, Register,
    hello,
};
use swarmlet::tracker::{Stopper, Tracker, TrackerOptions};

/// Far longer than anything takes; only a hang gets there.
const LONG: Duration = Duration::from_secs(20);

/// The trackers of a test, and where they write their traces.
struct Tree {
    scratch: Scratch,
    all: Vec<Running>,
}

struct Running {
    addr: SocketAddr,
    trace: PathBuf,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn stop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the tracker panicked");
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Tree {
    fn new() -> Self {
        Self { scratch: Scratch::new("hierarchy"), all: Vec::new() }
    }

    /// A tracker at an address of its own, with any port if that is 0.
    fn start(
        &mut self,
        listen: SocketAddr,
        change: impl FnOnce(&mut HierarchyConfig),
    ) -> SocketAddr {
        let trace = self.scratch.at(&format!("{}.jsonl", self.all.len()));
        let mut federation = HierarchyConfig { trace: Some(trace.clone()), ..Default::default() };
        federation.limits.retry = Duration::from_millis(100);
        change(&mut federation);
        let keepalive = Duration::from_millis(100);
        let options = TrackerOptions {
            listen,
            keepalive,
            expire: Duration::from_mins(1),
            federation,
            ..TrackerOptions::default()
        };
        let mut tracker = Tracker::bind(options).expect("a free port");
        let (addr, stopper) = (tracker.local_addr(), tracker.stopper());
        let thread = Some(thread::spawn(move || tracker.run().expect("the tracker runs")));
        self.all.push(Running { addr, trace, stopper, thread });
        addr
    }

    fn any(&mut self, last: u8, change: impl FnOnce(&mut HierarchyConfig)) -> SocketAddr {
        self.start(([127, 0, 0, last], 0).into(), change)
    }

    fn stop(&mut self) {
        self.all.iter_mut().for_each(Running::stop);
    }

    fn kill(&mut self, addr: SocketAddr) {
        self.all.iter_mut().filter(|running| running.addr == addr).for_each(Running::stop);
    }

    /// Stops the trackers; the lines of their traces.
    fn lines(&mut self) -> Vec<serde_json::Value> {
        self.stop();
        let read = |running: &Running| fs::read_to_string(&running.trace).expect("a trace");
        let text: String = self.all.iter().map(read).collect();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Stops the trackers; how many questions and answers there were.
    fn messages(&mut self) -> usize {
        let trackers: HashSet<String> = self.all.iter().map(|run| run.addr.to_string()).collect();
        let counts = |line: &serde_json::Value| {
            let to_tracker = line["to"].as_str().is_some_and(|to| trackers.contains(to));
            match line["ev"].as_str() {
                Some("recv") => true,
                Some("send") => !to_tracker,
                _ => false,
            }
        };
        self.lines().iter().filter(|line| counts(line) && line["msg"] != "SYNC").count()
    }
}

fn zone(text: &str) -> Zone {
    text.parse().unwrap()
}

/// The usual hierarchy: where its root and its authority for `3f` are.
fn usual(tree: &mut Tree, chain: bool) -> (SocketAddr, SocketAddr) {
    let authority = tree.any(21, |c| c.zones = vec![zone("3f")]);
    let middle = tree.any(11, |c| {
        c.zones = vec![zone("3")];
        c.delegations = vec![(zone("3f"), authority)];
        c.chain = chain;
    });
    let root = tree.any(10, |c| {
        c.delegations = vec![(zone("3"), middle)];
        c.chain = chain;
    });
    (root, authority)
}

fn resolver(tree: &mut Tree, root: SocketAddr, chain: bool) -> SocketAddr {
    tree.any(53, |c| {
        c.resolver = true;
        c.chain = chain;
        c.delegations = vec![(Zone::ROOT, root)];
    })
}

fn hash(last: u8) -> InfoHashV2 {
    let mut hash = [0; 32];
    (hash[0], hash[31]) = (0x3f, last);
    InfoHashV2(hash)
}

fn question(last: u8) -> Question {
    Question { op: Op::Peers, key: Key::Hash(hash(last)) }
}

/// Says HELLO, then this, and hears what the tracker says to it.
fn say(tracker: SocketAddr, message: impl FnOnce(Bin<8>) -> Register) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket.connect(tracker).unwrap();
    let mut buffer = [0; 2048];
    let mut ask = |datagram: &[u8]| {
        socket.send(datagram).unwrap();
        let length = socket.recv(&mut buffer).expect("an answer");
        Packet::from_datagram(&buffer[..length]).expect("a message").message
    };
    let Message::Cookie(cookie) = ask(&hello(1)) else { panic!("no cookie") };
    ask(&Packet::bare(message(cookie.cookie)).datagram())
}

fn register(tracker: SocketAddr, hash: InfoHashV2, port: u16) -> Message {
    say(tracker, |cookie| Register {
        seq: 2,
        cookie,
        info_hash: Bin(hash.0),
        peer_id: Bin([7; 20]),
        port,
        name: "big.zip".into(),
        size: 5,
        pieces: 1,
        left: 0,
        uploaded: 0,
        downloaded: 0,
        bittorrent: true,
    })
}

fn share(tracker: SocketAddr, hash: InfoHashV2, port: u16) {
    let answer = register(tracker, hash, port);
    assert!(matches!(answer, Message::Ack(_)), "{answer:?}");
}

fn ask(manner: Manner, first: SocketAddr, question: &Question) -> Outcome {
    let mut stub = Stub::new(None, manner, &[first]).unwrap();
    stub.ask(question, 50, &mut |_| ()).unwrap()
}

fn ports(outcome: &Outcome) -> BTreeSet<u16> {
    match &outcome.records {
        Records::Peers(peers) => peers.iter().map(|peer| peer.addr.port()).collect(),
        other => panic!("{other:?}"),
    }
}

/// That an answer names the peer that shares, and its authority.
fn check(outcome: &Outcome, authority: SocketAddr) {
    assert_eq!(outcome.rcode, Rcode::NoError, "{outcome:?}");
    assert_eq!(ports(outcome), BTreeSet::from([7001]));
    assert_eq!(outcome.ns.iter().map(|ns| ns.addr).collect::<Vec<_>>(), [authority]);
}

#[test]
fn a_peer_that_walks_itself_costs_six_messages() {
    let mut tree = Tree::new();
    let (root, authority) = usual(&mut tree, false);
    share(authority, hash(1), 7001);
    check(&ask(Manner::Iterative, root, &question(1)), authority);
    assert_eq!(tree.messages(), 6);
}

#[test]
fn a_resolver_that_knows_nothing_costs_eight_messages() {
    let mut tree = Tree::new();
    let (root, authority) = usual(&mut tree, false);
    let resolver = resolver(&mut tree, root, false);
    share(authority, hash(1), 7001);
    check(&ask(Manner::Recursive, resolver, &question(1)), authority);
    assert_eq!(tree.messages(), 8);
}

#[test]
fn a_chain_of_trackers_costs_eight_messages() {
    let mut tree = Tree::new();
    let (root, authority) = usual(&mut tree, true);
    let resolver = resolver(&mut tree, root, true);
    share(authority, hash(1), 7001);
    check(&ask(Manner::Recursive, resolver, &question(1)), authority);
    let lines = tree.lines();
    let forwarded = lines.iter().filter(|line| line["msg"] == "QUERY" && line["rd"] == true);
    assert_eq!(forwarded.count(), 2 * 4 - 1, "each is sent and received, the first is the asker's");
    assert_eq!(tree.messages(), 8);
}

#[test]
fn a_resolver_that_knows_the_zone_costs_four_messages_and_one_that_knows_the_answer_two() {
    let mut tree = Tree::new();
    let (root, authority) = usual(&mut tree, false);
    let resolver = resolver(&mut tree, root, false);
    share(authority, hash(1), 7001);
    share(authority, hash(2), 7001);
    check(&ask(Manner::Recursive, resolver, &question(1)), authority);
    check(&ask(Manner::Recursive, resolver, &question(2)), authority);
    check(&ask(Manner::Recursive, resolver, &question(2)), authority);
    assert_eq!(tree.messages(), 8 + 4 + 2);
}

#[test]
fn warm_caches_go_on_when_the_root_is_dead() {
    let mut tree = Tree::new();
    let (root, authority) = usual(&mut tree, false);
    let resolver = resolver(&mut tree, root, false);
    share(authority, hash(1), 7001);
    share(authority, hash(2), 7001);
    check(&ask(Manner::Recursive, resolver, &question(1)), authority);
    tree.kill(root);
    check(&ask(Manner::Recursive, resolver, &question(1)), authority);
    check(&ask(Manner::Recursive, resolver, &question(2)), authority);
    // Of another zone nobody knows.
    let other = Question { op: Op::Peers, key: format!("{:0<64}", "4").parse().unwrap() };
    assert_eq!(ask(Manner::Recursive, resolver, &other).rcode, Rcode::ServFail);
}

#[test]
fn when_an_authority_is_killed_its_replica_answers_with_the_same_peers() {
    let mut tree = Tree::new();
    let (first, second) = (spare(21), spare(22));
    for (here, there) in [(first, second), (second, first)] {
        tree.start(here, |c| {
            c.zones = vec![zone("3f")];
            c.replicas = vec![there];
        });
    }
    let root = tree.any(10, |c| {
        c.delegations = vec![(zone("3f"), first), (zone("3f"), second)];
    });
    share(first, hash(1), 7001);
    share(second, hash(1), 7002);
    let both = BTreeSet::from([7001, 7002]);
    for authority in [first, second] {
        let start = Instant::now();
        while !ports_at(authority).is_superset(&both) {
            assert!(start.elapsed() < LONG, "{authority} never heard of its replica's peers");
            thread::park_timeout(Duration::from_millis(2));
        }
    }
    tree.kill(first);
    let outcome = ask(Manner::Iterative, root, &question(1));
    assert_eq!(ports(&outcome), both);
    assert_eq!(outcome.path.last(), Some(&second));
}

fn hash_of(key: &Key) -> InfoHashV2 {
    match key {
        Key::Hash(hash) => *hash,
        Key::Name(name) => panic!("{name} is no hash"),
    }
}

/// A content of its own, and the zone that it lies in.
fn content(tree: &Tree) -> (PathBuf, Key, Zone) {
    let data = tree.scratch.file("big.zip", 300_000, 1);
    let torrent = tree.scratch.at("big.zip.torrent");
    programs::create(&data, &torrent, "");
    let meta = Metainfo::parse(&fs::read(&torrent).unwrap()).unwrap();
    let key = Key::Hash(meta.info_hash_v2.expect("a hybrid"));
    let zone = key.to_string()[..2].parse().unwrap();
    (torrent, key, zone)
}

#[test]
fn peers_find_the_authority_of_their_content_and_each_other_in_each_mode() {
    for (mode, chain) in [("iterative", false), ("recursive", false), ("chain", true)] {
        let mut tree = Tree::new();
        let (torrent, key, part) = content(&tree);
        let authority = tree.any(21, |c| c.zones = vec![part.clone(), zone("cs.uct")]);
        let root = tree.any(10, |c| {
            c.delegations = vec![(part, authority), (zone("cs.uct"), authority)];
            c.chain = chain;
        });
        let first = if mode == "recursive" { resolver(&mut tree, root, false) } else { root };
        let flags = format!("--resolve {mode} --download-dir {}", tree.scratch.path().display());
        let seeder = programs::seeder("seeder", first, &torrent, &flags);
        crate::harness::until("the authority has the .torrent", LONG, || {
            let name = Key::Name("big-zip.cs.uct".into());
            let asked = Question { op: Op::Name, key: name };
            (ask(Manner::Iterative, root, &asked).rcode == Rcode::NoError).then_some(())
        });
        for (n, what) in [key.to_string(), "big-zip.cs.uct".into()].iter().enumerate() {
            let folder = tree.scratch.folder(&format!("out{n}"));
            let flags = format!("--resolve {mode} --seed-time 0");
            let mut leecher = programs::leecher("leecher", first, what, &folder, &flags);
            leecher.wait_for("done", LONG);
            leecher.expect_exit(0, LONG);
        }
        drop(seeder);
    }
}

#[test]
fn a_peer_whose_authority_falls_silent_registers_with_another_of_the_zone() {
    let mut tree = Tree::new();
    let (torrent, key, part) = content(&tree);
    let both = [21, 22].map(|last| tree.any(last, |c| c.zones = vec![part.clone()]));
    let root = tree.any(10, |c| {
        c.delegations = both.iter().map(|&authority| (part.clone(), authority)).collect();
    });
    let flags = format!("--resolve iterative --download-dir {}", tree.scratch.path().display());
    let _seeder = programs::seeder("seeder", root, &torrent, &flags);
    let query = Query { key: key.to_string(), ..query(Op::Peers, 0) };
    let knows = |authority: &SocketAddr| {
        let asked = ask_server(*authority, None, &query, &mut |_| ());
        asked.is_ok_and(|(_, records)| records.len() == 1)
    };
    let first = crate::harness::until("one authority lists the seeder", LONG, || {
        both.iter().copied().find(knows)
    });
    for authority in both {
        crate::harness::until("each of them has the .torrent", LONG, || {
            calls::fetch(authority, None, hash_of(&key)).ok()
        });
    }
    tree.kill(first);
    let second = both.into_iter().find(|&authority| authority != first).expect("two of them");
    crate::harness::until("the other authority lists the seeder", LONG, || {
        knows(&second).then_some(())
    });
}

/// The peers that an authority itself names.
fn ports_at(authority: SocketAddr) -> BTreeSet<u16> {
    let (answer, records) = ask_server(authority, None, &query(Op::Peers, 1), &mut |_| ()).unwrap();
    assert!(answer.aa, "{answer:?}");
    match records {
        Records::Peers(peers) => peers.iter().map(|peer| peer.addr.port()).collect(),
        _ => BTreeSet::new(),
    }
}

fn query(op: Op, last: u8) -> Query {
    let key = hash(last).to_string();
    Query { id: 5, op, key, rd: false, hops: 8, max: 50, origin: None, cookie: None }
}

/// An address whose port was free a moment ago, below a network that is this test process's own.
fn spare(last: u8) -> SocketAddr {
    let process = std::process::id().to_be_bytes();
    let socket =
        UdpSocket::bind(SocketAddr::from(([127, process[2].max(1), process[3], last], 0))).unwrap();
    socket.local_addr().unwrap()
}

#[test]
fn a_zone_delegated_back_to_the_root_is_found_to_be_a_loop() {
    for chain in [false, true] {
        let mut tree = Tree::new();
        let root = spare(if chain { 10 } else { 9 });
        let middle = tree.any(11, |c| {
            c.zones = vec![zone("3")];
            c.delegations = vec![(zone("3f"), root)];
            c.chain = chain;
        });
        tree.start(root, |c| {
            c.delegations = vec![(zone("3"), middle)];
            c.chain = chain;
        });
        let (manner, expected) = if chain {
            (Manner::Recursive, Rcode::Loop)
        } else {
            (Manner::Iterative, Rcode::ServFail)
        };
        assert_eq!(ask(manner, root, &question(1)).rcode, expected);
        assert_eq!(tree.messages(), 6);
    }
}

/// An authority for `3` that poisons: what it is asked it answers with peers of its own, and with
/// name servers of zones that are not its to give.
#[test]
fn what_a_tracker_says_of_other_zones_never_enters_a_cache() {
    let mut tree = Tree::new();
    let liar = UdpSocket::bind("127.0.0.66:0").unwrap();
    let at = liar.local_addr().unwrap();
    let honest = tree.any(21, |c| c.zones = vec![zone("4")]);
    let root = tree.any(10, |c| {
        c.delegations = vec![(zone("3"), at), (zone("4"), honest)];
    });
    let resolver = resolver(&mut tree, root, false);
    let lies = thread::spawn(move || {
        liar.set_read_timeout(Some(LONG)).unwrap();
        let mut buffer = [0; 2048];
        let (length, from) = liar.recv_from(&mut buffer).unwrap();
        let packet = Packet::from_datagram(&buffer[..length]).unwrap();
        let Message::Query(query) = packet.message else { panic!("{packet:?}") };
        let ns = ["4", ".", "3", "cs.uct"].map(|zone| NameServer {
            zone: zone.into(),
            addr: Endpoint(at),
            ttl_ms: u32::MAX,
        });
        let (id, op, rcode, ttl_ms) = (query.id, query.op, Rcode::NoError, u32::MAX);
        let (aa, ra, tc, path) = (false, false, false, vec![]);
        let poison = Answer { id, op, rcode, aa, ra, tc, ttl_ms, ns: ns.to_vec(), path };
        liar.send_to(&Packet::bare(poison).datagram(), from).unwrap();
    });
    assert_eq!(ask(Manner::Recursive, resolver, &question(1)).rcode, Rcode::ServFail);
    lies.join().unwrap();
    let key: InfoHashV2 = format!("{:0<64}", "4").parse().unwrap();
    share(honest, key, 7001);
    let other = Question { op: Op::Peers, key: Key::Hash(key) };
    check(&ask(Manner::Recursive, resolver, &other), honest);
    assert!(tree.lines().iter().any(|line| line["ev"] == "drop"), "the trace tells of it");
}

#[test]
fn an_answer_from_elsewhere_or_of_another_number_is_dropped() {
    let mut tree = Tree::new();
    let slow = UdpSocket::bind("127.0.0.67:0").unwrap();
    let root = slow.local_addr().unwrap();
    let resolver = resolver(&mut tree, root, false);
    let forger = thread::spawn(move || {
        slow.set_read_timeout(Some(LONG)).unwrap();
        let mut buffer = [0; 2048];
        let (length, from) = slow.recv_from(&mut buffer).unwrap();
        let packet = Packet::from_datagram(&buffer[..length]).unwrap();
        let Message::Query(query) = packet.message else { panic!("{packet:?}") };
        let answer = |id| Answer {
            id,
            op: query.op,
            rcode: Rcode::NxSwarm,
            aa: true,
            ra: false,
            tc: false,
            ttl_ms: 1000,
            ns: vec![],
            path: vec![],
        };
        let elsewhere = UdpSocket::bind("127.0.0.68:0").unwrap();
        elsewhere.send_to(&Packet::bare(answer(query.id)).datagram(), from).unwrap();
        slow.send_to(&Packet::bare(answer(query.id ^ 1)).datagram(), from).unwrap();
        slow.send_to(
            &Packet::bare(Answer { rcode: Rcode::NoError, ..answer(query.id) }).datagram(),
            from,
        )
        .unwrap();
    });
    let outcome = ask(Manner::Recursive, resolver, &question(1));
    forger.join().unwrap();
    assert_eq!(outcome.rcode, Rcode::NoError, "only the third came from the one that was asked");
    assert_eq!(tree.lines().iter().filter(|line| line["ev"] == "drop").count(), 2);
}

#[test]
fn a_resolver_gives_each_asker_a_draw_of_its_own() {
    let mut tree = Tree::new();
    let (root, authority) = usual(&mut tree, false);
    let resolver = resolver(&mut tree, root, false);
    for port in 7000..7060 {
        share(authority, hash(1), port);
    }
    let draws: HashSet<BTreeSet<u16>> = (0..10)
        .map(|_| {
            let mut stub = Stub::new(None, Manner::Recursive, &[resolver]).unwrap();
            let outcome = stub.ask(&question(1), 10, &mut |_| ()).unwrap();
            assert_eq!(ports(&outcome).len(), 10);
            ports(&outcome)
        })
        .collect();
    assert!(draws.len() > 5, "{} different draws of ten", draws.len());
}

#[test]
fn a_peer_registers_with_the_authority_of_its_content_and_nowhere_else() {
    let mut tree = Tree::new();
    let (root, authority) = usual(&mut tree, false);
    let resolver = resolver(&mut tree, root, false);
    for (tracker, says) in [(root, "delegated to"), (resolver, "a resolver has no swarms")] {
        match register(tracker, hash(1), 7001) {
            Message::Error(e) if e.code == ErrorCode::OtherZone => {
                assert!(e.message.contains(says), "{}", e.message);
            }
            other => panic!("{other:?}"),
        }
    }
    share(authority, hash(1), 7001);
    let asked = |tracker, rd| {
        let query = Query { rd, ..query(Op::Announce, 1) };
        ask_server(tracker, None, &query, &mut |_| ()).unwrap().0
    };
    let answer = asked(authority, false);
    assert_eq!((answer.rcode, answer.aa), (Rcode::NoError, true));
    assert_eq!(asked(resolver, true).rcode, Rcode::Refused, "never through a cache");
    assert_eq!(asked(root, true).ns.len(), 1, "a referral");
    let mut http = TcpStream::connect(resolver).unwrap();
    http.set_read_timeout(Some(LONG)).unwrap();
    let hash = "%3f".repeat(20);
    let target = format!("/announce?info_hash={hash}&peer_id={hash}&port=7001&left=0");
    write!(http, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("14:failure reason"), "{answer}");
}

#[test]
fn an_answer_to_an_unproved_asker_is_no_longer_than_its_question_and_tcp_brings_the_rest() {
    let mut tree = Tree::new();
    let authority = tree.any(21, |c| c.zones = vec![zone("3f")]);
    for port in 7000..7100 {
        share(authority, hash(1), port);
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let question = Query { max: 100, ..query(Op::Peers, 1) };
    let mut buffer = [0; 2048];
    for length in [200, 512, 1200] {
        socket.send_to(&question.clone().datagram(length), authority).unwrap();
        let answered = socket.recv(&mut buffer).unwrap();
        assert!(answered <= length, "{answered} bytes for {length}");
        let packet = Packet::from_datagram(&buffer[..answered]).unwrap();
        assert!(
            matches!(packet.message, Message::Answer(Answer { tc: true, .. }) if length < 1000)
                || length == 1200
        );
    }
    let (answer, records) = ask_server(authority, None, &question, &mut |_| ()).unwrap();
    assert_eq!((records.len(), answer.tc), (100, false));
}
