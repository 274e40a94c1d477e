//! Some files of a torrent, between nodes in one process: what is not wanted is not fetched and
//! leaves nothing in the user's folder, and more may be wanted at any time.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use swarmlet::bitfield::Bitfield;
use swarmlet::logic::picker::Policy;
use swarmlet::logic::picker::Priority::{self, High, Normal, Skip};
use swarmlet::metainfo::Metainfo;
use swarmlet::metainfo::build::{BuildOptions, build};
use swarmlet::metainfo::draft::Version;
use swarmlet::node::{Event, NewTorrent, Node, NodeOptions, Torrent, wanted_entries};
use swarmlet::protocol::Dialect;
use swarmlet::storage::create::{HashOptions, hash_path};
use swarmlet::storage::{Io, Storage, StorageError, StoragePlan};

const DEADLINE: Duration = Duration::from_mins(1);

const PIECE: u32 = 65536;

/// Three files; in v1 the one in the middle shares a piece with each of the others.
const FILES: [(&str, usize); 3] = [("a", 100_000), ("b", 200_000), ("c", 150_000)];

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("swarmlet-selection-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The content, as one torrent.
    fn torrent(&self, version: Version) -> (PathBuf, Metainfo) {
        let folder = self.0.join("src/t");
        std::fs::create_dir_all(&folder).unwrap();
        let mut rng = fastrand::Rng::with_seed(7);
        for (name, length) in FILES {
            let mut bytes = vec![0; length];
            rng.fill(&mut bytes);
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let options = HashOptions { piece_length: Some(PIECE), version };
        let draft = hash_path(&folder, &options, &mut |_, _| {}).unwrap();
        (folder, build(&draft, &BuildOptions::default()).unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // left to the system's housekeeping
    }
}

fn node() -> Node {
    Node::start(NodeOptions::on_loopback()).unwrap()
}

fn address(node: &Node) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, node.port()))
}

fn seed(node: &Node, meta: &Metainfo, folder: &Path) -> Arc<Torrent> {
    let plan = StoragePlan::of(meta, folder.parent().unwrap().to_owned()).unwrap();
    let have = Bitfield::full(meta.geometry().pieces());
    node.add(NewTorrent::of(meta, Storage::open_existing(plan).unwrap(), have))
}

/// Begins a download, or goes on with one.
fn leech(node: &Node, meta: &Metainfo, out: &Path, wanted: [Priority; 3]) -> Arc<Torrent> {
    let plan = StoragePlan::of(meta, out.to_owned()).unwrap();
    let plan = plan.with_wanted(wanted_entries(meta, &wanted));
    let end = Instant::now() + DEADLINE;
    let storage = loop {
        match Storage::create_or_resume(plan.clone(), Io::Mmap) {
            // The last thread of a node that was stopped lets go of it any moment.
            Err(StorageError::Busy { .. }) if Instant::now() < end => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    let have = storage.verify_all(2, &|_| {}, &AtomicBool::new(false)).unwrap();
    let new = NewTorrent::of(meta, storage, have);
    node.add(NewTorrent { priorities: wanted.to_vec(), picker: Some(Policy::Sequential), ..new })
}

fn wait_complete(node: &Node) {
    let end = Instant::now() + DEADLINE;
    while !matches!(node.events().recv_deadline(end).expect("complete"), Event::Complete { .. }) {}
}

/// What the user sees in a folder, below the torrent's own; and whether there is more beside it.
fn listing(out: &Path) -> (Vec<String>, bool) {
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let beside = names(out);
    assert!(beside.iter().all(|name| name == "t" || name.starts_with('.')), "{beside:?}");
    (names(&out.join("t")), beside.len() > 1)
}

fn assert_same(folder: &Path, out: &Path, name: &str) {
    let (was, is) = (std::fs::read(folder.join(name)), std::fs::read(out.join("t").join(name)));
    assert!(was.unwrap() == is.unwrap(), "{name}");
}

fn check_selection(name: &str, version: Version, dialect: Dialect, shares_pieces: bool) {
    let scratch = Scratch::new(name);
    let (folder, meta) = scratch.torrent(version);
    let out = scratch.0.join("ben");
    let (ann, ben, eve) = (node(), node(), node());
    seed(&ann, &meta, &folder);

    // One of three.
    let torrent = leech(&ben, &meta, &out, [Skip, Normal, Skip]);
    ben.add_peer(&torrent, address(&ann), dialect);
    wait_complete(&ben);
    assert_eq!(listing(&out), (vec!["b".to_owned()], shares_pieces));
    assert_same(&folder, &out, "b");
    let status = ben.status(&torrent);
    let expected = if shares_pieces { 4 * u64::from(PIECE) } else { 200_000 };
    assert_eq!((status.wanted, status.left, status.have), (expected, 0, expected));
    assert_eq!(status.fetched, expected, "nothing else is fetched");
    assert_eq!(ben.file_progress(&torrent)[1], 200_000);

    // Another peer gets it from who has nothing else.
    let hers = leech(&eve, &meta, &scratch.0.join("eve"), [Skip, High, Skip]);
    eve.add_peer(&hers, address(&ben), dialect);
    wait_complete(&eve);
    assert_same(&folder, &scratch.0.join("eve"), "b");
    eve.stop();

    // Another one is wanted, of who is connected still.
    ben.set_priorities(&torrent, &[Skip, Normal, High]).unwrap();
    assert_eq!(torrent.priorities(), [Skip, Normal, High]);
    wait_complete(&ben);
    assert_eq!(listing(&out), (vec!["b".to_owned(), "c".to_owned()], shares_pieces));
    assert_same(&folder, &out, "c");
    ben.stop();
    drop(torrent);

    // It is all found again, and the rest comes.
    let ben = node();
    let torrent = leech(&ben, &meta, &out, [Skip, Normal, Normal]);
    assert_eq!(ben.status(&torrent).left, 0);
    ben.set_priorities(&torrent, &[Normal; 3]).unwrap();
    let left = ben.status(&torrent).left;
    assert!(0 < left && left <= 2 * u64::from(PIECE), "{left}");
    ben.add_peer(&torrent, address(&ann), dialect);
    wait_complete(&ben);
    assert_eq!(ben.status(&torrent).fetched, left);
    assert_eq!(listing(&out), (["a", "b", "c"].map(str::to_owned).to_vec(), false));
    FILES.iter().for_each(|(name, _)| assert_same(&folder, &out, name));
    assert_eq!(ben.file_progress(&torrent), FILES.map(|(_, length)| length as u64));
    ben.stop();
    ann.stop();
}

#[test]
fn some_files_of_a_v1_torrent_come_though_they_share_pieces_with_others() {
    check_selection("v1", Version::V1, Dialect::BitTorrent, true);
}

#[test]
fn some_files_of_a_hybrid_come_in_either_dialect() {
    check_selection("hybrid", Version::Hybrid, Dialect::Native, false);
    check_selection("hybrid-bittorrent", Version::Hybrid, Dialect::BitTorrent, false);
}

#[test]
fn a_choice_that_the_disk_refuses_changes_nothing() {
    let scratch = Scratch::new("refused");
    let (_, meta) = scratch.torrent(Version::V1);
    let out = scratch.0.join("out");
    let ben = node();
    let torrent = leech(&ben, &meta, &out, [Skip, Normal, Skip]);
    std::fs::write(out.join("t/c.part"), "somebody else's").unwrap();
    let before = ben.status(&torrent).wanted;
    let refused = ben.set_priorities(&torrent, &[Normal, Skip, Normal]);
    assert!(matches!(refused, Err(StorageError::Busy { .. })), "{refused:?}");
    assert_eq!(torrent.priorities(), [Skip, Normal, Skip]);
    assert_eq!(ben.status(&torrent).wanted, before);
    assert_eq!(listing(&out).0, ["b.part", "c.part"]);
    let wrong = ben.set_priorities(&torrent, &[Normal]);
    assert!(matches!(wrong, Err(StorageError::Inconsistent(_))), "{wrong:?}");
    ben.stop();
}

#[test]
fn a_download_of_which_nothing_more_is_wanted_is_complete_at_once() {
    let scratch = Scratch::new("less");
    let (_, meta) = scratch.torrent(Version::Hybrid);
    let out = scratch.0.join("out");
    let ben = node();
    let torrent = leech(&ben, &meta, &out, [Normal; 3]);
    ben.set_picker(&torrent, Policy::Rarest);
    ben.set_priorities(&torrent, &[Skip; 3]).unwrap();
    wait_complete(&ben);
    let status = ben.status(&torrent);
    assert_eq!((status.wanted, status.left, status.total), (0, 0, 450_000));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "nothing had come of it");
    ben.stop();
}
