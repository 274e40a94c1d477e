//! A running node is steered: torrents are paused, go on and are checked again; places, limits and
//! trackers change. Two nodes in one process, and trackers that the test plays.

use crossbeam_channel::{Receiver, bounded};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::Builder;
use std::time::{Duration, Instant};
use swarmlet::bitfield::Bitfield;
use swarmlet::ids::{InfoHash, PeerId};
use swarmlet::logic::dialer::Source;
use swarmlet::metainfo::Metainfo;
use swarmlet::metainfo::build::{BuildOptions, build};
use swarmlet::metainfo::draft::Version;
use swarmlet::node::opening::{Opening, Refused};
use swarmlet::node::{Event, NewTorrent, Node, NodeOptions, Torrent, TrackerStatus};
use swarmlet::protocol::Dialect;
use swarmlet::protocol::announce::Event as Announced;
use swarmlet::protocol::message::{Hello, VERSION};
use swarmlet::protocol::tracker_http::{AnnounceAnswer, AnnounceQuery, PeersAs};
use swarmlet::storage::create::{HashOptions, hash_path};
use swarmlet::storage::{Io, Storage, StoragePlan};

const DEADLINE: Duration = Duration::from_mins(1);

const PIECE: u32 = 65536;

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("swarmlet-steering-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, length: usize) -> PathBuf {
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(length as u64).fill(&mut bytes);
        let path = self.0.join("src/big.bin");
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

fn node() -> Node {
    Node::start(NodeOptions::on_loopback()).unwrap()
}

fn metainfo(version: Version, path: &Path) -> Metainfo {
    let options = HashOptions { piece_length: Some(PIECE), version };
    let draft = hash_path(path, &options, &mut |_, _| {}).unwrap();
    build(&draft, &BuildOptions::default()).unwrap()
}

fn add(node: &Node, meta: &Metainfo, storage: Storage, have: Bitfield) -> Arc<Torrent> {
    node.add(NewTorrent::of(meta, storage, have))
}

fn seed(node: &Node, meta: &Metainfo, path: &Path) -> Arc<Torrent> {
    let plan = StoragePlan::of(meta, path.parent().unwrap().to_owned()).unwrap();
    let have = Bitfield::full(meta.geometry().pieces());
    add(node, meta, Storage::open_existing(plan).unwrap(), have)
}

fn leech(node: &Node, meta: &Metainfo, folder: &Path) -> Arc<Torrent> {
    let plan = StoragePlan::of(meta, folder.to_owned()).unwrap();
    let storage = Storage::create_or_resume(plan, Io::Mmap).unwrap();
    add(node, meta, storage, Bitfield::new(meta.geometry().pieces()))
}

fn address(node: &Node) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, node.port()))
}

/// Waits for an event that fits; what else happened meanwhile goes to `others`.
fn wait_for(node: &Node, wanted: impl Fn(&Event) -> bool, mut others: impl FnMut(&Event)) {
    let end = Instant::now() + DEADLINE;
    loop {
        let event = node.events().recv_deadline(end).expect("the event comes in time");
        others(&event);
        if wanted(&event) {
            return;
        }
    }
}

fn wait_complete(node: &Node) {
    wait_for(node, |event| matches!(event, Event::Complete { .. }), |_| {});
}

fn wait_disconnected(node: &Node) {
    wait_for(node, |event| matches!(event, Event::Disconnected { .. }), |_| {});
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        let _ = crossbeam_channel::after(Duration::from_millis(10)).recv();
    }
}

/// Calls a node about a torrent as a stranger would.
fn call(node: &Node, meta: &Metainfo) -> Result<Opening, Refused> {
    let InfoHash::V2(info_hash) = meta.info_hash() else { panic!("a torrent with v2 hashes") };
    let hello = Hello {
        version: VERSION,
        info_hash,
        peer_id: PeerId::generate(&mut fastrand::Rng::new()),
        port: 0,
        features: Vec::new(),
    };
    Opening::call(address(node), None, hello)
}

/// Ben fetches from Ann, pauses in the middle, and goes on.
fn check_pause(name: &str, dialect: Dialect) {
    let scratch = Scratch::new(name);
    let length = 4 * 1024 * 1024;
    let path = scratch.file(length);
    let meta = metainfo(Version::Hybrid, &path);
    let (ann, ben) = (node(), node());
    ann.set_limits(Some(2_000_000), None);
    seed(&ann, &meta, &path);
    let torrent = leech(&ben, &meta, &scratch.0.join("out"));
    ben.add_peer(&torrent, address(&ann), dialect);
    until("some of it is there", || torrent.have().count() >= 3);
    assert!(ben.pause(&torrent) && !ben.pause(&torrent));
    let paused = ben.status(&torrent);
    assert!(paused.paused && paused.peers.is_empty() && (paused.down, paused.up) == (0, 0));
    assert!(paused.left > 0, "{name}: it was too fast to be paused");
    wait_disconnected(&ann);
    until("it has no connection more", || torrent.connections().is_empty());
    assert_eq!(ben.status(&torrent).fetched, paused.fetched, "nothing comes any more");
    assert!(matches!(call(&ben, &meta), Err(Refused::Told(_))), "it is unknown to callers");
    assert!(torrent.settle());
    let had = torrent.have();
    ann.set_limits(None, None);
    assert!(ben.resume(&torrent) && !ben.resume(&torrent));
    let mut verified: BTreeMap<u32, u32> = BTreeMap::new();
    let is_complete = |event: &Event| matches!(event, Event::Complete { .. });
    wait_for(&ben, is_complete, |event| {
        if let Event::Piece { piece, .. } = event {
            *verified.entry(piece.0).or_default() += 1;
        }
    });
    // All since the beginning, in whichever stay.
    assert_eq!(verified.len() as u32, meta.geometry().pieces());
    assert!(verified.values().all(|&times| times == 1), "{name}: {verified:?}, had {had:?}");
    assert!(!ben.status(&torrent).paused);
    assert!(fs::read(scratch.0.join("out/big.bin")).unwrap() == fs::read(&path).unwrap());
    ben.stop();
    ann.stop();
}

#[test]
fn a_paused_download_stands_still_and_goes_on_where_it_stopped() {
    check_pause("native", Dialect::Native);
    check_pause("bittorrent", Dialect::BitTorrent);
}

#[test]
fn a_seeder_that_was_paused_calls_its_leechers_again() {
    let scratch = Scratch::new("seeder");
    let path = scratch.file(2 * 1024 * 1024);
    let meta = metainfo(Version::Hybrid, &path);
    let (ann, ben) = (node(), node());
    ann.set_limits(Some(1), None);
    let served = seed(&ann, &meta, &path);
    let torrent = leech(&ben, &meta, &scratch.0.join("out"));
    ben.add_peer(&torrent, address(&ann), Dialect::Native);
    until("he is served", || ann.status(&served).peers.iter().any(|peer| !peer.am_interested));
    // Under a limit that lets nothing through for a hundred seconds.
    ann.pause(&served);
    wait_disconnected(&ben);
    ann.set_limits(None, None);
    assert!(ann.resume(&served));
    wait_complete(&ben);
    ben.stop();
    ann.stop();
}

/// A download limit of one byte per second lets a hundred bytes through at first, and none for a
/// hundred seconds.
#[test]
fn who_waits_for_a_download_limit_is_let_go_all_the_same() {
    let scratch = Scratch::new("waits");
    let path = scratch.file(300_000);
    let meta = metainfo(Version::Hybrid, &path);
    let (ann, ben) = (node(), node());
    seed(&ann, &meta, &path);
    let torrent = leech(&ben, &meta, &scratch.0.join("out"));
    ben.set_torrent_limits(&torrent, None, Some(1));
    ben.add_peer(&torrent, address(&ann), Dialect::Native);
    until("they are connected", || ben.status(&torrent).peers.len() == 1);
    ben.pause(&torrent);
    until("nobody is connected", || torrent.connections().is_empty());
    ben.resume(&torrent);
    let left = ben.status(&torrent).left;
    assert!(left > 0, "the limit still holds");
    ben.set_torrent_limits(&torrent, None, None);
    wait_complete(&ben);
    ben.stop();
    ann.stop();
}

#[test]
fn a_torrent_that_does_not_obey_the_common_limit_is_not_slowed_by_it() {
    let scratch = Scratch::new("obeys");
    let path = scratch.file(300_000);
    let meta = metainfo(Version::Hybrid, &path);
    let (ann, ben) = (node(), node());
    ann.set_limits(Some(1), None);
    ben.set_limits(None, Some(1));
    let served = seed(&ann, &meta, &path);
    let torrent = leech(&ben, &meta, &scratch.0.join("out"));
    ben.add_peer(&torrent, address(&ann), Dialect::Native);
    until("they are connected", || ben.status(&torrent).peers.len() == 1);
    ann.set_obeys_limits(&served, false);
    ben.set_obeys_limits(&torrent, false);
    wait_complete(&ben);
    ben.stop();
    ann.stop();
}

#[test]
fn what_a_check_finds_damaged_is_fetched_again_and_the_file_is_whole_again() {
    let scratch = Scratch::new("repair");
    let path = scratch.file(1024 * 1024);
    let meta = metainfo(Version::Hybrid, &path);
    let (ann, ben) = (node(), node());
    seed(&ann, &meta, &path);
    let out = scratch.0.join("out/big.bin");
    let torrent = leech(&ben, &meta, out.parent().unwrap());
    ben.add_peer(&torrent, address(&ann), Dialect::Native);
    wait_complete(&ben);
    let have = torrent.have();
    assert!(!ben.recheck(&torrent, have), "it is not paused");
    ben.pause(&torrent);
    assert!(torrent.settle());
    let mut bytes = fs::read(&out).unwrap();
    bytes[3 * PIECE as usize + 5] ^= 1;
    bytes[9 * PIECE as usize] ^= 1;
    fs::write(&out, bytes).unwrap();
    let found = torrent.storage.verify_all(2, &|_| {}, &AtomicBool::new(false)).unwrap();
    assert!(!ben.recheck(&torrent, Bitfield::new(1)), "that is another torrent's");
    assert!(ben.recheck(&torrent, found));
    let status = ben.status(&torrent);
    assert_eq!((status.left, status.fetched), (2 * u64::from(PIECE), 1024 * 1024));
    assert!(ben.resume(&torrent));
    wait_complete(&ben);
    assert_eq!(ben.status(&torrent).fetched, 1024 * 1024 + 2 * u64::from(PIECE));
    assert!(fs::read(&out).unwrap() == fs::read(&path).unwrap());
    assert!(!scratch.0.join("out/big.bin.part").exists());
    ben.stop();
    ann.stop();
}

#[test]
fn fewer_places_are_obeyed_at_once_by_those_who_are_there_and_those_who_come() {
    let scratch = Scratch::new("places");
    let path = scratch.file(300_000);
    let meta = metainfo(Version::Hybrid, &path);
    let ann = node();
    ann.set_limits(Some(1), None); // nobody has enough and goes
    let served = seed(&ann, &meta, &path);
    let leechers: Vec<(Node, Arc<Torrent>)> = (0..3)
        .map(|n| {
            let node = node();
            let torrent = leech(&node, &meta, &scratch.0.join(format!("out{n}")));
            node.add_peer(&torrent, address(&ann), Dialect::Native);
            until("it is connected", || ann.peers(&served).len() == n + 1);
            (node, torrent)
        })
        .collect();
    let first = ann.peers(&served).iter().min_by_key(|peer| peer.since).unwrap().peer_id;
    let is_full = || matches!(call(&ann, &meta), Err(Refused::Unavailable));
    ann.set_torrent_max_peers(&served, Some(2));
    assert_eq!(ann.peers(&served).len(), 2);
    until("the torrent takes nobody more", is_full);
    ann.set_torrent_max_peers(&served, None);
    ann.set_max_peers(1);
    until("one is left", || ann.peers(&served).len() == 1);
    assert_eq!(ann.peers(&served)[0].peer_id, first, "who was there first stays");
    until("the node takes nobody more", is_full);
    ann.set_max_peers(9);
    until("there is room again", || call(&ann, &meta).is_ok());
    leechers.into_iter().for_each(|(node, _)| node.stop());
    ann.stop();
}

#[test]
fn a_peer_is_shown_with_what_the_swarm_and_its_connection_know() {
    let scratch = Scratch::new("peers");
    let path = scratch.file(300_000);
    let meta = metainfo(Version::Hybrid, &path);
    // She says at once what she has.
    let options = NodeOptions { super_seeding: false, ..NodeOptions::on_loopback() };
    let (ann, ben) = (Node::start(options).unwrap(), node());
    ann.set_limits(Some(1), None);
    let served = seed(&ann, &meta, &path);
    let torrent = leech(&ben, &meta, &scratch.0.join("out"));
    ben.add_peer(&torrent, address(&ann), Dialect::Native);
    let pieces = meta.geometry().pieces() as usize;
    until("he has heard what she has", || ben.availability(&torrent) == vec![1; pieces]);
    let (hers, his) = (ben.peers(&torrent), ann.peers(&served));
    let ([her], [him]) = (&hers[..], &his[..]) else { panic!("{hers:?} {his:?}") };
    assert_eq!((her.address, her.peer_id, her.progress), (address(&ann), ann.peer_id(), 1.0));
    assert_eq!((him.address, him.peer_id, him.progress), (address(&ben), ben.peer_id(), 0.0));
    assert_eq!((her.source, her.dialled), (Source::Given, true));
    assert_eq!((him.source, him.dialled), (Source::Caller, false));
    assert!(her.client.starts_with("swarmlet"), "{}", her.client);
    assert!(her.connected < DEADLINE && her.dialect == Dialect::Native);
    ann.set_limits(None, None);
    wait_complete(&ben);
    assert!(ben.status(&torrent).active.is_some());
    ben.stop();
    ann.stop();
}

/// An HTTP tracker that knows seven seeders and no peer to call; what it is told comes over the
/// channel. It ends with the test's process.
fn tracker() -> (String, Receiver<Announced>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let (sender, heard) = bounded(99);
    let play = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let question: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let query = question[0].split(['?', ' ']).nth(2).unwrap();
            let said = AnnounceQuery::read(query.as_bytes()).unwrap();
            let answer =
                AnnounceAnswer { interval: 1800, seeders: Some(7), ..AnnounceAnswer::default() };
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
            let _ = stream.write_all(&answer.encode(PeersAs::Compact));
            let _ = sender.send(said.announce.event);
        }
    };
    Builder::new().name("tracker".into()).spawn(play).unwrap();
    (url, heard)
}

fn hears(tracker: &Receiver<Announced>, expected: Announced) {
    assert_eq!(tracker.recv_timeout(DEADLINE), Ok(expected));
}

#[test]
fn trackers_hear_of_pauses_and_of_other_trackers_and_show_how_they_stand() {
    let scratch = Scratch::new("trackers");
    let path = scratch.file(300_000);
    // It has one hash to announce, and everything: peers are not wanted all the time.
    let meta = metainfo(Version::V1, &path);
    // An interval of half an hour takes half a minute, and the shortest a twelfth of a second.
    let options = NodeOptions { time_scale: 60.0, ..NodeOptions::on_loopback() };
    let ann = Node::start(options).unwrap();
    let torrent = seed(&ann, &meta, &path);
    assert_eq!(ann.trackers(&torrent), []);
    let ((first, at_first), (second, at_second)) = (tracker(), tracker());
    ann.set_trackers(&torrent, vec![vec![first.clone()]]);
    hears(&at_first, Announced::Started);
    let status = |n: usize| -> TrackerStatus { ann.trackers(&torrent)[n].clone() };
    until("its answer is known", || status(0).last.is_some());
    let told = status(0).last.unwrap().outcome.unwrap();
    assert_eq!((told.peers, told.seeders, told.leechers), (0, Some(7), None));
    assert_eq!(
        (status(0).url, status(0).backup, status(0).under_way),
        (first.clone(), false, false)
    );
    ann.pause(&torrent);
    hears(&at_first, Announced::Stopped);
    ann.resume(&torrent);
    hears(&at_first, Announced::Started);
    until("its answer is known", || status(0).last.is_some());
    ann.set_trackers(&torrent, vec![vec![first.clone()], vec![second.clone()]]);
    assert!(status(1).url == second && status(1).tier == 1);
    until("the second is a backup", || status(1).backup);
    ann.set_trackers(&torrent, vec![vec![second.clone()]]);
    hears(&at_first, Announced::Stopped);
    hears(&at_second, Announced::Started);
    until("its answer is known", || status(0).last.is_some());
    let next = status(0).next.unwrap();
    ann.reannounce(&torrent);
    until("it is asked sooner", || status(0).next.is_none_or(|sooner| sooner != next));
    hears(&at_second, Announced::None);
    ann.stop();
    hears(&at_second, Announced::Stopped);
    assert!(at_first.is_empty() && at_second.is_empty(), "nobody hears anything twice");
}
