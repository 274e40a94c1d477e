//! Files that are not wanted, at the start and later.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::layout::Order;
use super::super::scratch::{Scratch, while_others};
use super::super::{Io, Storage, StorageError, StoragePlan};
use super::{BOTH, MIXED, PIECE, Torrent, each, part, torrent, verify};
use crate::geometry::Geometry;
use crate::ids::PieceIndex;
use crate::metainfo::FileKind::{self, Data};
use crate::metainfo::PieceHash;

/// Three files that share pieces in v1: the middle one has bytes of its neighbours' edge pieces.
const THREE: [(&str, u64, FileKind); 3] = [
    ("t|sub|a", PIECE as u64 + 100, Data),
    ("t|b", 2 * PIECE as u64, Data),
    ("t|other|c", PIECE as u64, Data),
];

impl Torrent {
    fn choose(&self, io: Io, wanted: &[bool]) -> Storage {
        let plan = self.plan.clone().with_wanted(wanted.to_vec());
        Storage::create_or_resume(plan, io).unwrap()
    }

    /// Fetches every piece that a wanted entry has bytes of and that is not here.
    fn fetch_wanted(&self, storage: &Storage, wanted: &[bool]) -> Vec<PathBuf> {
        let mut completed = Vec::new();
        for piece in storage.verified().missing() {
            let touches = |&entry: &usize| storage.layout.pieces_of(entry).contains(&piece.0);
            if (0..wanted.len()).filter(|&entry| wanted[entry]).any(|entry| touches(&entry)) {
                completed.extend(self.fetch(storage, piece));
            }
        }
        completed
    }
}

/// Everything below a folder, hidden folders as `*`, sorted.
fn listing(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let below = path.strip_prefix(root).unwrap();
            let names = below.iter().map(|name| name.to_str().unwrap());
            let name = |n: &str| if n.starts_with('.') { "*".to_owned() } else { n.to_owned() };
            found.push(names.map(name).collect::<Vec<_>>().join("/"));
        }
    }
    found.sort();
    found
}

fn hidden_folders(root: &Path) -> usize {
    let entries = fs::read_dir(root).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with('.')).count()
}

#[test]
fn a_file_that_is_not_wanted_is_not_made_and_the_wanted_one_is_whole_all_the_same() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &THREE);
        let wanted = [false, true, false];
        let storage = torrent.choose(io, &wanted);
        assert!(verify(&storage).is_empty());
        assert_eq!(listing(scratch.path()), ["t/b.part"]);
        assert!(!scratch.path().join("t/sub").exists(), "nor is its folder");
        let completed = torrent.fetch_wanted(&storage, &wanted);
        assert_eq!(completed, [torrent.path(1)]);
        let edges = order == Order::Contiguous;
        let expected = if edges { vec!["*/0", "*/2", "t/b"] } else { vec!["t/b"] };
        assert_eq!(listing(scratch.path()), expected, "{order:?}");
        for piece in storage.verified().iter() {
            let mut bytes = vec![0; torrent.pieces[piece.at()].len()];
            storage.read(piece, 0, &mut bytes).unwrap();
            assert!(bytes == torrent.pieces[piece.at()], "{piece} can be served");
        }
    });
}

#[test]
fn bytes_of_a_file_that_does_not_exist_are_an_error_and_never_zeros() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &THREE);
        let storage = torrent.choose(io, &[false, true, true]);
        let read = storage.read(PieceIndex(0), 0, &mut [7; 10]);
        assert!(matches!(read, Err(StorageError::Missing { .. })), "{read:?}");
        assert!(verify(&storage).is_empty(), "a check costs nothing and says missing");
        let (present, _) = storage.pieces_with_data().unwrap();
        assert_eq!(present, []);
    });
}

#[test]
fn what_is_aside_takes_the_room_of_its_bytes_only() {
    for io in BOTH {
        let scratch = Scratch::new();
        let entries = [("t|a", 64 << 20, Data), ("t|b", 1 << 20, Data), ("t|c", 1 << 20, Data)];
        // The length of `a` is no multiple of a piece.
        let entries = entries.map(|(path, length, kind)| (path, length + 1000, kind));
        let torrent = torrent(scratch.path(), Order::Contiguous, &entries);
        let wanted = [false, true, false];
        let storage = torrent.choose(io, &wanted);
        torrent.fetch_wanted(&storage, &wanted);
        let aside = fs::metadata(storage.path_of(0).unwrap()).unwrap();
        assert_eq!(aside.len(), (64 << 20) + 1000);
        assert!(aside.blocks() * 512 < 1 << 20, "{} blocks", aside.blocks());
    }
}

#[test]
fn a_file_that_becomes_wanted_moves_to_its_place_with_what_there_is_of_it() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &THREE);
        let storage = torrent.choose(io, &[false, true, false]);
        torrent.fetch_wanted(&storage, &[false, true, false]);
        let before = storage.verified();
        storage.set_wanted(&[true, true, false]).unwrap();
        assert!(part(&torrent.path(0)).is_file());
        let reserved = fs::metadata(part(&torrent.path(0))).unwrap();
        assert_eq!(reserved.len(), torrent.files[0].len() as u64);
        assert_eq!(storage.verified(), before, "nothing is lost by the move");
        assert_eq!(torrent.fetch_wanted(&storage, &[true, true, false]), [torrent.path(0)]);
        storage.set_wanted(&[true; 3]).unwrap();
        assert_eq!(hidden_folders(scratch.path()), 0, "the last file of it took it along");
        torrent.fetch_wanted(&storage, &[true; 3]);
        torrent.assert_whole();
        assert_eq!(listing(scratch.path()), ["t/b", "t/other/c", "t/sub/a"]);
    });
}

#[test]
fn of_what_is_no_longer_wanted_the_whole_stays_the_begun_goes_aside_and_the_empty_goes() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &THREE);
        let storage = torrent.open(io);
        let last = PieceIndex(torrent.pieces.len() as u32 - 1);
        // All of `b` but its last piece, and all of `a`.
        let of_b = storage.layout.pieces_of(1);
        for piece in (0..of_b.end - 1).map(PieceIndex) {
            torrent.fetch(&storage, piece);
        }
        assert!(torrent.path(0).is_file() && !storage.verified().has(last));
        storage.set_wanted(&[false; 3]).unwrap();
        assert_eq!(listing(scratch.path()), ["*/1", "t/sub/a"]);
        assert!(!scratch.path().join("t/other").exists(), "nor does an empty folder stay");
        let before = storage.verified();
        drop(storage);
        let storage = torrent.choose(io, &[false; 3]);
        assert_eq!(verify(&storage), before, "it is found again where it is");
        storage.set_wanted(&[true; 3]).unwrap();
        torrent.fetch_wanted(&storage, &[true; 3]);
        torrent.assert_whole();
        assert_eq!(hidden_folders(scratch.path()), 0);
    });
}

#[test]
fn a_stopped_download_finds_its_bytes_in_both_places_whatever_is_wanted_then() {
    each(|io, order, scratch| {
        for next in [[true; 3], [false; 3], [true, false, true]] {
            let scratch = Scratch::below(scratch.path());
            let torrent = torrent(scratch.path(), order, &THREE);
            let storage = torrent.choose(io, &[false, true, false]);
            torrent.fetch_wanted(&storage, &[false, true, false]);
            let before = storage.verified();
            drop(storage);
            for io in BOTH {
                let storage = torrent.choose(io, &next);
                assert_eq!(verify(&storage), before, "{next:?}");
                assert_eq!(storage.wanted(), next);
            }
            let storage = torrent.open(io);
            verify(&storage);
            torrent.fetch_wanted(&storage, &[true; 3]);
            torrent.assert_whole();
            assert_eq!(hidden_folders(scratch.path()), 0);
        }
    });
}

#[test]
fn a_small_file_that_edge_pieces_hold_whole_stays_aside_until_it_is_wanted() {
    for io in BOTH {
        let scratch = Scratch::new();
        let entries = [("t|a", 1000, Data), ("t|tiny", 10, Data), ("t|c", 1000, Data)];
        let torrent = torrent(scratch.path(), Order::Contiguous, &entries);
        let storage = torrent.choose(io, &[true, false, false]);
        assert_eq!(torrent.fetch(&storage, PieceIndex(0)), [torrent.path(0)]);
        assert_eq!(listing(scratch.path()), ["*/1", "*/2", "t/a"]);
        storage.set_wanted(&[true, true, false]).unwrap();
        assert_eq!(fs::read(torrent.path(1)).unwrap(), torrent.files[1], "it was right already");
        assert_eq!(listing(scratch.path()), ["*/2", "t/a", "t/tiny"]);
    }
}

#[test]
fn empty_files_are_made_when_they_are_wanted() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let mut wanted = vec![true; MIXED.len()];
        wanted[2] = false;
        let storage = torrent.choose(io, &wanted);
        assert!(!torrent.path(2).exists());
        wanted[2] = true;
        storage.set_wanted(&wanted).unwrap();
        assert!(torrent.path(2).is_file());
    });
}

#[test]
fn a_choice_that_cannot_be_leaves_everything_as_it_was() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &THREE);
        let storage = torrent.choose(io, &[true, false, false]);
        fs::create_dir_all(torrent.path(1).parent().unwrap()).unwrap();
        fs::write(part(&torrent.path(1)), "somebody else's").unwrap();
        let before = listing(scratch.path());
        let failed = storage.set_wanted(&[false, true, true]);
        assert!(matches!(failed, Err(StorageError::Busy { .. })), "{failed:?}");
        assert_eq!(listing(scratch.path()), before);
        assert_eq!(storage.wanted(), [true, false, false]);
        let wrong = storage.set_wanted(&[true]);
        assert!(matches!(wrong, Err(StorageError::Inconsistent(_))), "{wrong:?}");
    });
}

#[test]
fn room_is_asked_for_what_is_wanted_and_not_for_the_rest() {
    for io in BOTH {
        let scratch = Scratch::new();
        let (piece, pieces) = (512 << 20, 8192);
        let lengths = [u64::from(piece) * pieces, 1000];
        let small = torrent(scratch.path(), Order::Aligned, &[("t|a", 1, Data), ("t|b", 1, Data)]);
        let geometry = Geometry::v2(piece, lengths).unwrap();
        let hashes = vec![PieceHash::V1([0; 20]); geometry.pieces() as usize];
        let mut plan = StoragePlan { geometry, hashes, ..small.plan };
        plan.files.iter_mut().zip(lengths).for_each(|(file, length)| file.length = length);
        let opened = Storage::create_or_resume(plan.clone(), io);
        assert!(matches!(opened, Err(StorageError::Full { .. })), "{opened:?}");
        let storage = Storage::create_or_resume(plan.with_wanted(vec![false, true]), io).unwrap();
        let more = storage.set_wanted(&[true, true]);
        let Err(StorageError::Full { path, need, .. }) = more else { panic!("{more:?}") };
        assert_eq!((path, need > lengths[0]), (scratch.path().join("t/a"), true));
        assert_eq!(listing(scratch.path()), ["t/b.part"]);
    }
}

#[test]
fn the_same_bytes_in_two_places_are_the_users_to_choose_from() {
    for io in BOTH {
        let scratch = Scratch::new();
        let torrent = torrent(scratch.path(), Order::Contiguous, &THREE);
        let storage = torrent.choose(io, &[false, true, false]);
        torrent.fetch_wanted(&storage, &[false, true, false]);
        let aside = storage.path_of(0).unwrap();
        drop(storage);
        for there in [torrent.path(0), part(&torrent.path(0))] {
            fs::create_dir_all(there.parent().unwrap()).unwrap();
            fs::write(&there, &torrent.files[0]).unwrap();
            let opened = Storage::create_or_resume(torrent.plan.clone(), io);
            let Err(StorageError::Twice { path, other }) = opened else { panic!("{opened:?}") };
            assert_eq!((&path, &other), (&there, &aside));
            fs::remove_file(there).unwrap();
        }
    }
}

#[test]
fn two_torrents_of_one_name_do_not_meet_in_one_hidden_folder() {
    let scratch = Scratch::new();
    let one = torrent(scratch.path(), Order::Contiguous, &THREE);
    let two = [("t|x", u64::from(PIECE) + 100, Data), ("t|y", 10, Data)];
    let two = torrent(scratch.path(), Order::Contiguous, &two);
    let first = one.choose(Io::Mmap, &[false, true, false]);
    one.fetch_wanted(&first, &[false, true, false]);
    let second = two.choose(Io::Mmap, &[false, true]);
    two.fetch_wanted(&second, &[false, true]);
    assert_eq!(hidden_folders(scratch.path()), 2);
    assert_eq!(first.check(&[PieceIndex(1)]).unwrap(), [true]);
}

#[test]
fn the_choice_may_change_while_blocks_are_written_and_read() {
    each(|io, order, scratch| {
        let torrent = torrent(
            scratch.path(),
            order,
            &[("t|a", (1 << 20) + 5, Data), ("t|b", 1 << 20, Data), ("t|c", (1 << 20) + 7, Data)],
        );
        let storage = torrent.open(io);
        let mut rng = fastrand::Rng::with_seed(9);
        let choose = || {
            let wanted: Vec<bool> = (0..3).map(|_| rng.bool()).collect();
            storage.set_wanted(&wanted).unwrap();
        };
        while_others(choose, || {
            for piece in torrent.all() {
                torrent.fetch(&storage, piece);
                let mut bytes = vec![0; torrent.pieces[piece.at()].len()];
                storage.read(piece, 0, &mut bytes).unwrap();
                assert!(bytes == torrent.pieces[piece.at()], "{piece}");
            }
        });
        storage.set_wanted(&[true; 3]).unwrap();
        torrent.assert_whole();
        assert_eq!(hidden_folders(scratch.path()), 0);
        assert!(storage.settle(&|| true).all);
    });
}

#[test]
fn a_torrent_that_is_only_served_keeps_its_files_whatever_is_wanted() {
    let scratch = Scratch::new();
    let torrent = torrent(scratch.path(), Order::Contiguous, &THREE);
    for n in 0..3 {
        fs::create_dir_all(torrent.path(n).parent().unwrap()).unwrap();
        fs::write(torrent.path(n), &torrent.files[n]).unwrap();
    }
    let storage = Storage::open_existing(torrent.plan.clone()).unwrap();
    storage.set_wanted(&[false; 3]).unwrap();
    assert!(verify(&storage).is_full());
    torrent.assert_whole();
}
