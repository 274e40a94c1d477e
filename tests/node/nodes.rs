//! Nodes in one process, without a tracker: content moves, whoever serves it and however often
//! the downloader stops.

use crate::harness::hostile::{Content, Hostile, Lie};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use swarmlet::bitfield::Bitfield;
use swarmlet::ids::PieceIndex;
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
        let path =
            std::env::temp_dir().join(format!("swarmlet-node-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, length: usize, seed: u64) -> PathBuf {
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn node() -> Node {
    limited(None, None)
}

/// A node that sends and receives at most so many bytes per second.
fn limited(up_limit: Option<u64>, down_limit: Option<u64>) -> Node {
    let options =
        NodeOptions { upload_slots: 8, up_limit, down_limit, ..NodeOptions::on_loopback() };
    Node::start(options).unwrap()
}

fn metainfo(path: &Path) -> Metainfo {
    metainfo_of(Version::Hybrid, path)
}

fn metainfo_of(version: Version, path: &Path) -> Metainfo {
    let options = HashOptions { piece_length: Some(65536), version };
    let draft = hash_path(path, &options, &mut |_, _| {}).unwrap();
    build(&draft, &BuildOptions::default()).unwrap()
}

fn seed(node: &Node, meta: &Metainfo, path: &Path) -> Arc<Torrent> {
    let plan = StoragePlan::of(meta, path.parent().unwrap().to_owned()).unwrap();
    let storage = Storage::open_existing(plan).unwrap();
    let have = Bitfield::full(meta.geometry().pieces());
    node.add(NewTorrent::of(meta, storage, have))
}

fn leech(node: &Node, meta: &Metainfo, folder: &Path, io: Io) -> Arc<Torrent> {
    let plan = StoragePlan::of(meta, folder.to_owned()).unwrap();
    let storage = Storage::create_or_resume(plan, io).unwrap();
    let have = storage.verify_all(2, &|_| {}, &AtomicBool::new(false)).unwrap();
    node.add(NewTorrent::of(meta, storage, have))
}

fn address(node: &Node) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, node.port()))
}

/// Waits for an event that fits; panics with all that happened if it does not come.
fn wait_for(node: &Node, wanted: impl Fn(&Event) -> bool) -> Event {
    let end = std::time::Instant::now() + DEADLINE;
    loop {
        match node.events().recv_deadline(end) {
            Ok(event) if wanted(&event) => return event,
            Ok(_) => {}
            Err(late) => panic!("the event did not come within {DEADLINE:?}: {late}"),
        }
    }
}

fn wait_complete(node: &Node) {
    wait_for(node, |event| matches!(event, Event::Complete { .. }));
}

fn check_transfer(name: &str, io: Io, dialect: Dialect, version: Version) {
    let scratch = Scratch::new(name);
    let path = scratch.file("src/big.bin", 3 * 1024 * 1024 + 12345, 1);
    let meta = metainfo_of(version, &path);
    let (ann, ben) = (node(), node());
    seed(&ann, &meta, &path);
    let torrent = leech(&ben, &meta, &scratch.0.join("out"), io);
    ben.add_peer(&torrent, address(&ann), dialect);
    wait_complete(&ben);
    let status = ben.status(&torrent);
    assert_eq!((status.left, status.sources), (0, 1));
    assert_eq!(status.fetched, 3 * 1024 * 1024 + 12345, "no byte is fetched twice");
    assert_eq!(std::fs::read(scratch.0.join("out/big.bin")).unwrap(), std::fs::read(path).unwrap());
    ben.stop();
    ann.stop();
}

#[test]
fn a_file_moves_through_mapped_files() {
    check_transfer("mapped", Io::Mmap, Dialect::Native, Version::Hybrid);
}

#[test]
fn a_file_moves_through_positioned_writes() {
    check_transfer("positioned", Io::Pread, Dialect::Native, Version::Hybrid);
}

#[test]
fn torrents_of_all_versions_move_in_bittorrent() {
    check_transfer("v1", Io::Mmap, Dialect::BitTorrent, Version::V1);
    check_transfer("hybrid", Io::Mmap, Dialect::BitTorrent, Version::Hybrid);
    check_transfer("v2", Io::Pread, Dialect::BitTorrent, Version::V2);
}

#[test]
fn what_has_no_v2_hash_is_spoken_of_in_bittorrent_whatever_the_source_says() {
    check_transfer("only-v1", Io::Mmap, Dialect::Native, Version::V1);
}

#[test]
fn a_finished_leecher_serves_the_next_one() {
    let scratch = Scratch::new("chain");
    scratch.file("src/folder/a/x.bin", 700_000, 2);
    scratch.file("src/folder/a.b", 1, 3);
    scratch.file("src/folder/empty", 0, 4);
    let path = scratch.0.join("src/folder");
    let meta = metainfo(&path);
    let (ann, ben, eve) = (node(), node(), node());
    seed(&ann, &meta, &path);
    let first = leech(&ben, &meta, &scratch.0.join("ben"), Io::Mmap);
    ben.add_peer(&first, address(&ann), Dialect::Native);
    wait_complete(&ben);
    ann.stop();
    let second = leech(&eve, &meta, &scratch.0.join("eve"), Io::Mmap);
    eve.add_peer(&second, address(&ben), Dialect::Native);
    wait_complete(&eve);
    for file in ["a/x.bin", "a.b", "empty"] {
        let (was, is) = (path.join(file), scratch.0.join("eve/folder").join(file));
        assert_eq!(std::fs::read(was).unwrap(), std::fs::read(is).unwrap(), "{file}");
    }
    eve.stop();
    ben.stop();
}

#[test]
fn a_stopped_download_fetches_only_what_is_missing() {
    let scratch = Scratch::new("resume");
    let path = scratch.file("src/big.bin", 4 * 1024 * 1024, 5);
    let meta = metainfo(&path);
    let (ann, ben) = (node(), node());
    seed(&ann, &meta, &path);
    let out = scratch.0.join("out");
    // Half of it is there already.
    std::fs::create_dir_all(&out).unwrap();
    let mut half = std::fs::read(&path).unwrap();
    half[2 * 1024 * 1024..].fill(0);
    std::fs::write(out.join("big.bin.part"), half).unwrap();
    let torrent = leech(&ben, &meta, &out, Io::Mmap);
    assert_eq!(ben.status(&torrent).left, 2 * 1024 * 1024);
    ben.add_peer(&torrent, address(&ann), Dialect::Native);
    wait_complete(&ben);
    assert_eq!(ben.status(&torrent).fetched, 2 * 1024 * 1024);
    ben.stop();
    ann.stop();
}

#[test]
fn a_seeder_with_a_flipped_byte_is_banned_and_the_result_is_right() {
    let scratch = Scratch::new("liar");
    let good = scratch.file("good/big.bin", 2 * 1024 * 1024, 6);
    let content = Content::of(&good, 65536);
    let meta = content.meta.clone();
    // A node of ours does not send what is wrong.
    let eve = Hostile::start(Ipv4Addr::LOCALHOST.into(), content, Lie::FlipsBits(20));
    let (ann, ben) = (node(), node());
    let torrent = leech(&ben, &meta, &scratch.0.join("out"), Io::Mmap);
    ben.add_peer(&torrent, eve.address, Dialect::Native);
    let banned = wait_for(&ben, |event| matches!(event, Event::Banned { .. }));
    assert!(matches!(banned, Event::Banned { address: a, .. } if a == eve.address));
    seed(&ann, &meta, &good);
    ben.add_peer(&torrent, address(&ann), Dialect::Native);
    wait_complete(&ben);
    let got = std::fs::read(scratch.0.join("out/big.bin")).unwrap();
    assert!(got == std::fs::read(&good).unwrap());
    for node in [ann, ben] {
        node.stop();
    }
}

/// One byte of what two nodes serve changes under them: of that piece nothing is sent, the other
/// pieces are, and both the one that only reads its file and the one that wrote it say so.
#[test]
fn a_piece_that_changed_under_a_node_is_never_sent() {
    for (name, dialect) in [("changed", Dialect::Native), ("changed-bt", Dialect::BitTorrent)] {
        let scratch = Scratch::new(name);
        let path = scratch.file("src/big.bin", 2 * 1024 * 1024, 9);
        let meta = metainfo(&path);
        let (ann, ben) = (node(), node());
        let served = seed(&ann, &meta, &path);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[1_000_000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let wrong = PieceIndex(1_000_000 / 65536);
        let torrent = leech(&ben, &meta, &scratch.0.join("out"), Io::Mmap);
        ben.add_peer(&torrent, address(&ann), dialect);
        let lost = wait_for(&ann, |event| matches!(event, Event::Lost { .. }));
        let Event::Lost { pieces, file, again, .. } = lost else { unreachable!() };
        assert_eq!((pieces, file, again), (vec![wrong], path, false));
        let others = meta.total_size() - 65536;
        let end = std::time::Instant::now() + DEADLINE;
        while ben.status(&torrent).have < others {
            assert!(std::time::Instant::now() < end, "{name}: {:?}", ben.status(&torrent));
            let event = ben.events().recv_timeout(Duration::from_millis(20));
            assert!(!matches!(event, Ok(Event::VerifyFailed { .. } | Event::Banned { .. })));
        }
        assert!(!torrent.have().has(wrong) && ben.status(&torrent).corrupt == 0);
        assert!(!served.have().has(wrong) && served.have().count() == meta.geometry().pieces() - 1);
        ben.stop();
        ann.stop();
    }
}

#[test]
fn an_upload_limit_is_shared_evenly() {
    let scratch = Scratch::new("even");
    let path = scratch.file("src/big.bin", 1024 * 1024, 7);
    let meta = metainfo(&path);
    let ann = limited(Some(4_000_000), None);
    seed(&ann, &meta, &path);
    let leechers: Vec<(Node, Arc<Torrent>)> = (0..6)
        .map(|n| {
            let node = node();
            let torrent = leech(&node, &meta, &scratch.0.join(format!("out{n}")), Io::Mmap);
            node.add_peer(&torrent, address(&ann), Dialect::Native);
            (node, torrent)
        })
        .collect();
    wait_complete(&leechers[0].0);
    for (n, (node, torrent)) in leechers.iter().enumerate() {
        let fetched = node.status(torrent).fetched;
        assert!(fetched > 400_000, "leecher {n} has {fetched} bytes when the first has all");
    }
    leechers.into_iter().for_each(|(node, _)| node.stop());
    ann.stop();
}

#[test]
fn content_that_a_limit_cuts_into_parts_arrives_whole() {
    for (name, dialect) in [("parts", Dialect::Native), ("blocks", Dialect::BitTorrent)] {
        let scratch = Scratch::new(name);
        let path = scratch.file("src/big.bin", 777_777, 12);
        let meta = metainfo(&path);
        // A part is 20 kB and a frame of BitTorrent has six blocks.
        let (ann, ben) = (limited(Some(2_000_000), None), limited(None, Some(2_000_000)));
        seed(&ann, &meta, &path);
        let torrent = leech(&ben, &meta, &scratch.0.join("out"), Io::Mmap);
        ben.add_peer(&torrent, address(&ann), dialect);
        wait_complete(&ben);
        assert_eq!(ben.status(&torrent).fetched, 777_777, "{name}");
        ben.stop();
        ann.stop();
    }
}

#[test]
fn an_upload_limit_does_not_slow_our_own_download() {
    let scratch = Scratch::new("own");
    let path = scratch.file("src/big.bin", 4 * 1024 * 1024, 8);
    let meta = metainfo(&path);
    let half = |name: &str, lacks: std::ops::Range<usize>| {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[lacks].fill(0);
        let folder = scratch.0.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("big.bin.part"), bytes).unwrap();
        folder
    };
    // Ann may send 100 kB/s and would need twenty seconds to give Ben his half.
    let (ann, ben) = (limited(Some(100_000), None), node());
    let hers = leech(&ann, &meta, &half("ann", 0..2 * 1024 * 1024), Io::Mmap);
    let his = leech(&ben, &meta, &half("ben", 2 * 1024 * 1024..4 * 1024 * 1024), Io::Mmap);
    ann.add_peer(&hers, address(&ben), Dialect::Native);
    wait_complete(&ann);
    let sent = ben.status(&his).fetched;
    assert!(sent < 1_000_000, "she had sent {sent} bytes when she had everything");
    ann.stop();
    ben.stop();
}

#[test]
fn a_download_limit_is_kept_with_many_peers_and_nothing_is_fetched_twice() {
    let scratch = Scratch::new("down");
    let path = scratch.file("src/big.bin", 1024 * 1024, 9);
    let meta = metainfo(&path);
    let seeders: Vec<Node> = (0..6).map(|_| node()).collect();
    seeders.iter().for_each(|node| _ = seed(node, &meta, &path));
    let ben = limited(None, Some(500_000));
    let torrent = leech(&ben, &meta, &scratch.0.join("out"), Io::Mmap);
    let begun = std::time::Instant::now();
    seeders.iter().for_each(|node| ben.add_peer(&torrent, address(node), Dialect::Native));
    wait_complete(&ben);
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1800), "1 MiB at 500 kB/s took only {took:?}");
    let fetched = ben.status(&torrent).fetched;
    assert!(fetched <= 1024 * 1024 + 128 * 1024, "{fetched} bytes for 1 MiB");
    ben.stop();
    seeders.into_iter().for_each(Node::stop);
}

/// The limit of one byte per second lets a hundred bytes through at first, and none for a hundred
/// seconds.
fn check_torrent_limit(name: &str, up: Option<u64>, down: Option<u64>) {
    let scratch = Scratch::new(name);
    let paths = [("src/slow.bin", 10), ("src/quick.bin", 11)];
    let paths = paths.map(|(file, dice)| scratch.file(file, 300_000, dice));
    let [slow, quick] = paths.each_ref().map(|path| metainfo(path));
    // They have a limit in common, too.
    let (ann, ben) = (limited(Some(4_000_000), None), limited(None, Some(4_000_000)));
    let out = scratch.0.join("out");
    let served = [seed(&ann, &slow, &paths[0]), seed(&ann, &quick, &paths[1])];
    let fetched = [&slow, &quick].map(|meta| leech(&ben, meta, &out, Io::Mmap));
    ann.set_torrent_limits(&served[0], up, None);
    ben.set_torrent_limits(&fetched[0], None, down);
    fetched.iter().for_each(|torrent| ben.add_peer(torrent, address(&ann), Dialect::Native));
    let complete = |name| {
        wait_for(&ben, |event| matches!(event, Event::Complete { torrent } if torrent.name == name))
    };
    complete("quick.bin");
    assert_eq!(ben.status(&fetched[0]).fetched, 0, "{name}");
    ann.set_torrent_limits(&served[0], None, None);
    ben.set_torrent_limits(&fetched[0], None, None);
    complete("slow.bin");
    ben.stop();
    ann.stop();
}

#[test]
fn a_torrents_limit_does_not_slow_another() {
    check_torrent_limit("own-up", Some(1), None);
    check_torrent_limit("own-down", None, Some(1));
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + DEADLINE;
    while !is_so() {
        assert!(std::time::Instant::now() < end, "{what}: not within {DEADLINE:?}");
        let _ = crossbeam_channel::after(Duration::from_millis(10)).recv();
    }
}

/// Two peers that have nothing call each other at once.
fn check_crossed_calls(name: &str, ours: Dialect, theirs: Dialect) {
    let scratch = Scratch::new(name);
    let path = scratch.file("src/big.bin", 100_000, 10);
    let meta = metainfo(&path);
    for round in 0..5 {
        let nodes = [node(), node()];
        let out = |n: usize| scratch.0.join(format!("out{round}{n}"));
        let torrents = [0, 1].map(|n| leech(&nodes[n], &meta, &out(n), Io::Mmap));
        nodes[0].add_peer(&torrents[0], address(&nodes[1]), ours);
        nodes[1].add_peer(&torrents[1], address(&nodes[0]), theirs);
        until("each has one connection", || {
            [0, 1].iter().all(|&n| nodes[n].status(&torrents[n]).peers.len() == 1)
        });
        nodes.into_iter().for_each(Node::stop);
    }
}

#[test]
fn one_connection_is_left_of_two_calls_at_once_in_either_dialect_and_in_both() {
    use Dialect::{BitTorrent, Native};
    check_crossed_calls("crossed-native", Native, Native);
    check_crossed_calls("crossed-bittorrent", BitTorrent, BitTorrent);
    check_crossed_calls("crossed-mixed", Native, BitTorrent);
}

#[test]
fn a_starving_leecher_with_all_connections_taken_lets_one_go_for_somebody_new() {
    let scratch = Scratch::new("starving");
    let path = scratch.file("src/big.bin", 300_000, 11);
    let meta = metainfo(&path);
    let useless = [node(), node()];
    let idle = |n: usize| leech(&useless[n], &meta, &scratch.0.join(format!("idle{n}")), Io::Mmap);
    let _idle = [0, 1].map(idle);
    let options = NodeOptions { max_peers: 2, time_scale: 60.0, ..NodeOptions::on_loopback() };
    let ben = Node::start(options).unwrap();
    let torrent = leech(&ben, &meta, &scratch.0.join("out"), Io::Mmap);
    useless.iter().for_each(|node| ben.add_peer(&torrent, address(node), Dialect::Native));
    until("all connections are taken", || ben.status(&torrent).peers.len() == 2);
    let ann = node();
    seed(&ann, &meta, &path);
    ben.add_peer(&torrent, address(&ann), Dialect::Native);
    wait_complete(&ben);
    useless.into_iter().chain([ann, ben]).for_each(Node::stop);
}

#[test]
fn of_many_callers_that_say_nothing_the_oldest_makes_room() {
    let ann = node();
    let mut silent: Vec<TcpStream> =
        (0..65).map(|_| TcpStream::connect(address(&ann)).unwrap()).collect();
    // Less than a caller has for its first words.
    silent[0].set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(silent[0].read(&mut [0]).expect("it is let go at once"), 0);
    ann.stop();
}
