//! The storage's tests: one suite, run for both backends.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sha1::{Digest, Sha1};

use super::hash::{PieceInput, piece_roots};
use super::layout::Order;
use super::scratch::{Scratch, while_others};
use super::{Io, PlannedFile, Storage, StorageError, StoragePlan};
use crate::bitfield::Bitfield;
use crate::geometry::{BLOCK_LEN, Geometry};
use crate::ids::PieceIndex;
use crate::metainfo::{FileKind, PieceHash};
use FileKind::{Data, Link, Pad};

mod changes;
mod selection;

const PIECE: u32 = 2 * BLOCK_LEN;
const BOTH: [Io; 2] = [Io::Mmap, Io::Pread];

/// A torrent made up for a test, and its content.
struct Torrent {
    plan: StoragePlan,
    /// The bytes of every piece.
    pieces: Vec<Vec<u8>>,
    /// The bytes of every entry.
    files: Vec<Vec<u8>>,
}

fn torrent(root: &Path, order: Order, entries: &[(&str, u64, FileKind)]) -> Torrent {
    let mut rng = fastrand::Rng::with_seed(entries.len() as u64);
    let files: Vec<Vec<u8>> = entries
        .iter()
        .map(|&(_, length, kind)| {
            let mut bytes = vec![0; length as usize];
            if kind == Data {
                rng.fill(&mut bytes);
            }
            bytes
        })
        .collect();
    let data = entries.iter().zip(&files).filter(|(entry, _)| entry.2 == Data);
    let (geometry, pieces): (_, Vec<Vec<u8>>) = match order {
        Order::Contiguous => {
            let all = files.concat();
            let pieces = all.chunks(PIECE as usize).map(<[u8]>::to_vec).collect();
            (Geometry::v1(PIECE, all.len() as u64), pieces)
        }
        Order::Aligned => {
            let lengths: Vec<u64> = data.clone().map(|(entry, _)| entry.1).collect();
            let cut = |(_, f): (_, &Vec<u8>)| -> Vec<Vec<u8>> {
                f.chunks(PIECE as usize).map(<[u8]>::to_vec).collect()
            };
            (Geometry::v2(PIECE, lengths), data.flat_map(cut).collect())
        }
    };
    let hash = |piece: &Vec<u8>| match order {
        Order::Contiguous => PieceHash::V1(Sha1::digest(piece).into()),
        Order::Aligned => {
            let mut root = [[0; 32]];
            piece_roots(&[PieceInput { data: piece, leaves: 2 }], &mut root);
            PieceHash::V2 { root: root[0], leaves: 2 }
        }
    };
    let planned = |&(path, length, kind): &(&str, u64, FileKind)| PlannedFile {
        path: path.split('|').map(str::to_owned).collect(),
        length,
        kind,
    };
    let plan = StoragePlan {
        root: root.to_owned(),
        files: entries.iter().map(planned).collect(),
        order,
        geometry: geometry.unwrap(),
        hashes: pieces.iter().map(hash).collect(),
        wanted: Vec::new(),
    };
    Torrent { plan, pieces, files }
}

/// Files that share pieces, files over several pieces, empty files, pads and a link.
const MIXED: [(&str, u64, FileKind); 8] = [
    ("t|a", 3 * PIECE as u64 + 777, Data),
    ("t|.pad|1", PIECE as u64 - 777, Pad),
    ("t|b|empty", 0, Data),
    ("t|b|c|one", 1, Data),
    ("t|link", 0, Link),
    ("t|b|two", 100, Data),
    ("t|d", PIECE as u64, Data),
    ("t|z", 20_000, Data),
];

fn each(test: impl Fn(Io, Order, &Scratch)) {
    for io in BOTH {
        for order in [Order::Contiguous, Order::Aligned] {
            test(io, order, &Scratch::new());
        }
    }
}

impl Torrent {
    fn open(&self, io: Io) -> Storage {
        Storage::create_or_resume(self.plan.clone(), io).unwrap()
    }

    fn all(&self) -> Vec<PieceIndex> {
        (0..self.pieces.len() as u32).map(PieceIndex).collect()
    }

    /// Writes a piece block by block, checks it, and says what became whole.
    fn fetch(&self, storage: &Storage, piece: PieceIndex) -> Vec<PathBuf> {
        self.store(storage, piece);
        let settled = storage.settle(&|| true);
        let damage = &settled.damage;
        assert!(damage.lost.is_empty() && damage.trouble.is_none(), "{settled:?}");
        settled.named
    }

    fn store(&self, storage: &Storage, piece: PieceIndex) {
        for (n, block) in self.pieces[piece.at()].chunks(BLOCK_LEN as usize).enumerate() {
            storage.write(piece, n as u32 * BLOCK_LEN, block).unwrap();
        }
        assert_eq!(storage.check(&[piece]).unwrap(), [true], "{piece}");
        storage.piece_is_verified(piece);
    }

    fn path(&self, entry: usize) -> PathBuf {
        self.plan.files[entry].path.iter().fold(self.plan.root.clone(), |p, name| p.join(name))
    }

    fn assert_whole(&self) {
        for (n, file) in self.plan.files.iter().enumerate() {
            match file.kind {
                Data => assert!(fs::read(self.path(n)).unwrap() == self.files[n], "{file:?}"),
                Pad | Link => assert!(!self.path(n).exists(), "{file:?}"),
            }
            assert!(!part(&self.path(n)).exists(), "{file:?}");
        }
    }
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn verify(storage: &Storage) -> Bitfield {
    let done = AtomicU64::new(0);
    let progress = |bytes| _ = done.fetch_add(bytes, Ordering::Relaxed);
    let right = storage.verify_all(2, &progress, &AtomicBool::new(false)).unwrap();
    assert_eq!(done.into_inner(), storage.total(), "progress ends at the total");
    right
}

#[test]
fn a_download_is_part_until_whole_and_byte_for_byte_right() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let storage = torrent.open(io);
        assert!(verify(&storage).is_empty());
        assert!(torrent.path(2).is_file(), "empty files are there at once");
        let mut pieces = torrent.all();
        fastrand::Rng::with_seed(3).shuffle(&mut pieces);
        let mut completed = Vec::new();
        for piece in pieces {
            completed.extend(torrent.fetch(&storage, piece));
            assert!(!storage.piece_is_verified(piece), "said twice");
        }
        completed.sort();
        let mut expected: Vec<PathBuf> = [0, 3, 5, 6, 7].map(|n| torrent.path(n)).to_vec();
        expected.sort();
        assert_eq!(completed, expected);
        torrent.assert_whole();
        assert!(storage.settle(&|| true).all);
        let mut bytes = vec![0; torrent.pieces[3].len()];
        storage.read(PieceIndex(3), 0, &mut bytes).unwrap();
        assert!(bytes == torrent.pieces[3], "pads read as zeros");
        assert!(storage.verified().is_full());
    });
}

#[test]
fn a_run_of_slices_is_written_as_if_it_were_one() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let storage = torrent.open(io);
        for piece in torrent.all() {
            let bytes = &torrent.pieces[piece.at()];
            let (first, rest) = bytes.split_at(bytes.len().min(5));
            let run: Vec<&[u8]> = [first, &[]].into_iter().chain(rest.chunks(61)).collect();
            storage.write_run(piece, 0, &run).unwrap();
            assert_eq!(storage.check(&[piece]).unwrap(), [true], "{piece}");
            storage.piece_is_verified(piece);
        }
        assert!(storage.settle(&|| true).all);
        torrent.assert_whole();
        let beyond = storage.write_run(PieceIndex(0), PIECE - 1, &[&[1], &[2]]);
        assert!(matches!(beyond, Err(StorageError::OutOfRange { .. })), "{beyond:?}");
    });
}

#[test]
fn a_file_keeps_the_suffix_until_its_last_piece_is_right() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let storage = torrent.open(io);
        for piece in [0, 1, 2] {
            assert!(torrent.fetch(&storage, PieceIndex(piece)).is_empty());
            assert_eq!(storage.path_of(0), Some(part(&torrent.path(0))));
            assert!(part(&torrent.path(0)).is_file() && !torrent.path(0).exists());
        }
        assert_eq!(torrent.fetch(&storage, PieceIndex(3)), [torrent.path(0)]);
        assert_eq!(storage.path_of(0), Some(torrent.path(0)));
    });
}

#[test]
fn a_stopped_download_goes_on_with_what_is_right() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let storage = torrent.open(io);
        for piece in [0, 2, 4] {
            torrent.fetch(&storage, PieceIndex(piece));
        }
        storage.write(PieceIndex(1), 0, &[7; 100]).unwrap();
        drop(storage);
        for io in BOTH {
            let storage = torrent.open(io);
            let right: Vec<u32> = verify(&storage).iter().map(|piece| piece.0).collect();
            assert_eq!(right, [0, 2, 4]);
        }
        let storage = torrent.open(io);
        let right = verify(&storage);
        for piece in right.missing() {
            torrent.fetch(&storage, piece);
        }
        torrent.assert_whole();
    });
}

#[test]
fn a_wrong_piece_is_found_and_its_leaves_name_the_block() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let storage = torrent.open(io);
        let all = torrent.all();
        for &piece in &all {
            storage.write(piece, 0, &torrent.pieces[piece.at()]).unwrap();
        }
        storage.write(PieceIndex(1), BLOCK_LEN + 5, &[0; 9]).unwrap();
        let right = storage.check(&all).unwrap();
        assert_eq!(right.iter().position(|&ok| !ok), Some(1));
        assert_eq!(right.iter().filter(|&&ok| !ok).count(), 1);
        let (got, wanted) = (
            storage.leaf_hashes(PieceIndex(1)).unwrap(),
            super::hash::leaf_hashes(&torrent.pieces[1]),
        );
        assert!(got[0] == wanted[0] && got[1] != wanted[1]);
        assert_eq!(verify(&storage).count(), all.len() as u32 - 1);
    });
}

#[test]
fn a_file_that_is_whole_at_start_is_left_in_place_and_repaired_only_if_wrong() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        fs::create_dir_all(torrent.path(3).parent().unwrap()).unwrap();
        for n in [0, 3, 5, 6, 7] {
            fs::write(torrent.path(n), &torrent.files[n]).unwrap();
        }
        let mut wrong = torrent.files[0].clone();
        wrong[PIECE as usize + 1] ^= 1;
        fs::write(torrent.path(0), wrong).unwrap();
        let storage = torrent.open(io);
        let right = verify(&storage);
        assert_eq!(right.missing().collect::<Vec<_>>(), [PieceIndex(1)]);
        assert!(torrent.path(0).is_file() && !part(&torrent.path(0)).exists());
        storage.write(PieceIndex(1), 0, &torrent.pieces[1][..9]).unwrap();
        assert!(part(&torrent.path(0)).is_file() && !torrent.path(0).exists());
        assert_eq!(torrent.fetch(&storage, PieceIndex(1)), [torrent.path(0)]);
        torrent.assert_whole();
    });
}

#[test]
fn a_second_check_takes_back_what_was_damaged_since_the_first() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let storage = torrent.open(io);
        for piece in torrent.all() {
            torrent.fetch(&storage, piece);
        }
        let mut wrong = torrent.files[0].clone();
        wrong[5] ^= 1;
        wrong[2 * PIECE as usize] ^= 1;
        fs::write(torrent.path(0), wrong).unwrap();
        let lost = [PieceIndex(0), PieceIndex(2)];
        assert_eq!(verify(&storage).missing().collect::<Vec<_>>(), lost);
        assert_eq!(verify(&storage).missing().collect::<Vec<_>>(), lost, "and so does a third");
        assert!(torrent.fetch(&storage, lost[0]).is_empty(), "one is still wrong");
        assert!(part(&torrent.path(0)).is_file() && !torrent.path(0).exists());
        assert_eq!(torrent.fetch(&storage, lost[1]), [torrent.path(0)]);
        torrent.assert_whole();
        assert!(verify(&storage).is_full());
    });
}

#[test]
fn another_file_of_the_same_name_is_never_overwritten() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        fs::create_dir_all(torrent.path(3).parent().unwrap()).unwrap();
        for (entry, content) in [(7, "precious"), (2, "not empty")] {
            fs::write(torrent.path(entry), content).unwrap();
            let opened = Storage::create_or_resume(torrent.plan.clone(), io);
            let Err(StorageError::Exists { path, size, .. }) = opened else { panic!("{opened:?}") };
            assert_eq!((path, size), (torrent.path(entry), content.len() as u64));
            assert_eq!(fs::read(torrent.path(entry)).unwrap(), content.as_bytes());
            fs::remove_file(torrent.path(entry)).unwrap();
        }
        torrent.open(io);
        fs::write(torrent.path(7), &torrent.files[7]).unwrap();
        let opened = Storage::create_or_resume(torrent.plan.clone(), io);
        assert!(matches!(opened, Err(StorageError::Twice { .. })), "{opened:?}");
    });
}

#[test]
fn a_second_program_on_the_same_output_is_told_so() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let first = torrent.open(io);
        let second = Storage::create_or_resume(torrent.plan.clone(), io);
        assert!(matches!(second, Err(StorageError::Busy { .. })), "{second:?}");
        drop(first);
        torrent.open(io);
    });
}

#[test]
fn a_file_cut_or_grown_under_us_is_an_error_and_no_signal() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let storage = torrent.open(io);
        let piece = PieceIndex(1);
        torrent.fetch(&storage, piece);
        let file = fs::OpenOptions::new().write(true).open(part(&torrent.path(0))).unwrap();
        for size in [0, 10, u64::from(PIECE) + 1] {
            file.set_len(size).unwrap();
            let changed =
                |e: StorageError| assert!(matches!(e, StorageError::Changed { .. }), "{e}");
            changed(storage.write(piece, 0, &[1; 100]).unwrap_err());
            changed(storage.check(&[piece]).unwrap_err());
            changed(storage.read(piece, 0, &mut [0; 100]).unwrap_err());
        }
        file.set_len(1 << 20).unwrap();
        assert!(storage.write(piece, 0, &[1; 100]).is_err());
        drop((storage, file));
        let storage = torrent.open(io);
        assert!(!verify(&storage).has(piece), "what was cut off is gone");
        torrent.all().into_iter().for_each(|piece| _ = torrent.fetch(&storage, piece));
        torrent.assert_whole();
    });
}

#[test]
fn a_symbolic_link_inside_the_output_folder_is_refused() {
    each(|io, order, scratch| {
        let outside = Scratch::new();
        let torrent = torrent(scratch.path(), order, &MIXED);
        fs::create_dir(scratch.path().join("t")).unwrap();
        symlink(outside.path(), scratch.path().join("t/b")).unwrap();
        let opened = Storage::create_or_resume(torrent.plan.clone(), io);
        assert!(matches!(opened, Err(StorageError::NotRegular { .. })), "{opened:?}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(scratch.path().join("t")).unwrap().count(), 1, "nothing was made");
    });
}

#[test]
fn a_disk_without_room_is_named_before_anything_is_written() {
    for io in BOTH {
        let scratch = Scratch::new();
        let (pieces, length) = (8192, 512 << 20);
        let plan = StoragePlan {
            root: scratch.path().to_owned(),
            files: vec![PlannedFile {
                path: vec!["huge".to_owned()],
                length: u64::from(length) * pieces,
                kind: Data,
            }],
            order: Order::Contiguous,
            geometry: Geometry::v1(length, u64::from(length) * pieces).unwrap(),
            hashes: vec![PieceHash::V1([0; 20]); pieces as usize],
            wanted: Vec::new(),
        };
        let opened = Storage::create_or_resume(plan, io);
        let Err(StorageError::Full { path, need, have }) = opened else { panic!("{opened:?}") };
        assert!(path.starts_with(scratch.path()) && need > have && have > 0);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}

/// Run with `SWARMLET_SMALL_DISK` naming a folder on a nearly full disk of its own, for example a
/// tmpfs with `size=1m`; skipped without.
#[test]
fn a_reservation_that_fails_gives_everything_back() {
    let Some(disk) = std::env::var_os("SWARMLET_SMALL_DISK") else {
        println!("skipped: SWARMLET_SMALL_DISK names no small disk");
        return;
    };
    for io in BOTH {
        let scratch = Scratch::below(Path::new(&disk));
        let entries = [("a", 300_000, Data), ("b", 3_000_000_000, Data)];
        let lengths = entries.iter().map(|entry| entry.1);
        let geometry = Geometry::v2(1 << 20, lengths).unwrap();
        let hashes = vec![PieceHash::V1([0; 20]); geometry.pieces() as usize];
        let small = torrent(scratch.path(), Order::Aligned, &[("a", 1, Data), ("b", 1, Data)]);
        let mut plan = StoragePlan { geometry, hashes, ..small.plan };
        for (file, entry) in plan.files.iter_mut().zip(entries) {
            file.length = entry.1;
        }
        let opened = Storage::create_or_resume(plan, io);
        assert!(matches!(opened, Err(StorageError::Full { .. })), "{opened:?}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);

        let file = fs::File::create(scratch.path().join("c")).unwrap();
        let error = super::space::reserve(&file, 3_000_000_000).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        let meta = file.metadata().unwrap();
        assert_eq!((meta.len(), meta.blocks()), (0, 0), "what was taken was given back");
    }
}

/// Where a reservation is a promise of the file system; in memory it would be the work itself.
#[test]
fn space_is_reserved_before_the_first_write_where_that_costs_nothing() {
    for io in BOTH {
        let scratch = Scratch::new();
        let torrent = torrent(scratch.path(), Order::Aligned, &[("a", 1 << 20, Data)]);
        let _storage = torrent.open(io);
        let file = fs::File::open(part(&torrent.path(0))).unwrap();
        let meta = file.metadata().unwrap();
        let reserved = meta.blocks() * 512 >= 1 << 20;
        assert!(meta.len() == 1 << 20 && reserved != super::space::is_memory(&file), "{meta:?}");
    }
}

#[test]
fn a_seeder_reads_what_is_there_and_never_writes() {
    for order in [Order::Contiguous, Order::Aligned] {
        let scratch = Scratch::new();
        let torrent = torrent(scratch.path(), order, &MIXED);
        let open = || Storage::open_existing(torrent.plan.clone());
        assert!(matches!(open(), Err(StorageError::Missing { .. })));
        fs::create_dir_all(torrent.path(3).parent().unwrap()).unwrap();
        for n in [0, 2, 3, 5, 6, 7] {
            fs::write(torrent.path(n), &torrent.files[n]).unwrap();
        }
        let storage = open().unwrap();
        assert!(verify(&storage).is_full());
        assert!(storage.write(PieceIndex(0), 0, &[1]).is_err());
        torrent.assert_whole();
        assert_eq!(storage.check(&torrent.all()).unwrap(), vec![true; torrent.pieces.len()]);
        fs::write(torrent.path(6), "short").unwrap();
        assert!(matches!(open(), Err(StorageError::Changed { .. })));
        let last = PieceIndex(torrent.pieces.len() as u32 - 2);
        let read = storage.read(last, 0, &mut vec![0; torrent.pieces[last.at()].len()]);
        assert!(matches!(read, Err(StorageError::Changed { .. })), "{read:?}");
    }
}

#[test]
fn zeros_that_a_seeder_keeps_as_a_hole_are_right_all_the_same() {
    let scratch = Scratch::new();
    let mut torrent =
        torrent(scratch.path(), Order::Contiguous, &[("a", u64::from(PIECE) * 4, Data)]);
    torrent.plan.hashes = vec![PieceHash::V1(Sha1::digest(vec![0; PIECE as usize]).into()); 4];
    fs::File::create(torrent.path(0)).unwrap().set_len(u64::from(PIECE) * 4).unwrap();
    assert!(verify(&Storage::open_existing(torrent.plan.clone()).unwrap()).is_full());
    assert!(verify(&torrent.open(Io::Mmap)).is_full(), "also found by a leecher");
}

#[test]
fn a_thousand_files_need_few_descriptors() {
    for io in BOTH {
        let scratch = Scratch::new();
        let names: Vec<String> = (0..1000).map(|n| format!("many|{n:04}")).collect();
        let entries: Vec<(&str, u64, FileKind)> =
            names.iter().map(|name| (name.as_str(), 100, Data)).collect();
        let torrent = torrent(scratch.path(), Order::Aligned, &entries);
        for lap in 0..2 {
            let storage = torrent.open(io);
            verify(&storage);
            let mine = |fd: &fs::DirEntry| {
                fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(scratch.path()))
            };
            let open = fs::read_dir("/proc/self/fd").map(|d| d.flatten().filter(mine).count());
            assert!(open.unwrap_or(0) <= 513);
            for piece in (lap..1000).step_by(2).map(PieceIndex) {
                torrent.store(&storage, piece);
            }
            assert_eq!(storage.settle(&|| true).named.len(), 500);
        }
        torrent.assert_whole();
    }
}

#[test]
fn what_is_not_in_the_torrent_is_neither_read_nor_written() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &MIXED);
        let storage = torrent.open(io);
        let pieces = torrent.pieces.len() as u32;
        for (piece, offset, length) in
            [(0, PIECE, 1), (0, 1, PIECE as usize), (pieces, 0, 1), (0, 0, 0)]
        {
            let mut bytes = vec![0; length];
            let piece = PieceIndex(piece);
            assert!(storage.write(piece, offset, &bytes).is_err());
            assert!(storage.read(piece, offset, &mut bytes).is_err());
        }
        assert!(storage.check(&[PieceIndex(pieces)]).is_err());
        assert!(!storage.piece_is_verified(PieceIndex(pieces)));
    });
}

#[test]
fn a_plan_whose_parts_disagree_is_refused() {
    let scratch = Scratch::new();
    let good = torrent(scratch.path(), Order::Aligned, &MIXED).plan;
    let refused = |plan: StoragePlan| {
        let opened = Storage::create_or_resume(plan, Io::Mmap);
        assert!(matches!(opened, Err(StorageError::Inconsistent(_))), "{opened:?}");
    };
    refused(StoragePlan { hashes: good.hashes[1..].to_vec(), ..good.clone() });
    refused(StoragePlan { order: Order::Contiguous, ..good.clone() });
    let narrow = PieceHash::V2 { root: [0; 32], leaves: 1 };
    refused(StoragePlan { hashes: vec![narrow; good.hashes.len()], ..good.clone() });
    let mut twice = good;
    twice.files[5].path = twice.files[3].path.clone();
    refused(twice);
}

#[test]
fn a_check_that_is_stopped_says_what_it_found_so_far() {
    let scratch = Scratch::new();
    let torrent = torrent(scratch.path(), Order::Aligned, &MIXED);
    let storage = torrent.open(Io::Mmap);
    torrent.fetch(&storage, PieceIndex(2));
    let found = storage.verify_all(2, &|_| {}, &AtomicBool::new(true)).unwrap();
    assert_eq!(found.iter().collect::<Vec<_>>(), [PieceIndex(2)]);
}

#[test]
fn threads_may_write_blocks_side_by_side() {
    for io in BOTH {
        let scratch = Scratch::new();
        let torrent = torrent(
            scratch.path(),
            Order::Contiguous,
            &[("a", 5 << 20, Data), ("b", 3 << 20, Data)],
        );
        let storage = torrent.open(io);
        std::thread::scope(|scope| {
            for n in 0..4 {
                let (torrent, storage) = (&torrent, &storage);
                scope.spawn(move || {
                    for piece in torrent.all().into_iter().skip(n).step_by(4) {
                        torrent.fetch(storage, piece);
                    }
                });
            }
        });
        torrent.assert_whole();
    }
}

#[test]
fn a_file_cut_again_and_again_while_blocks_come_gives_errors_only() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &[("a", 4 << 20, Data), ("b", 1 << 20, Data)]);
        let (mut right, mut failed) = (0, 0);
        let mut rng = fastrand::Rng::with_seed(5);
        let cut = || {
            // The file is gone for a moment when it was just renamed.
            let file = fs::File::options().write(true).open(part(&torrent.path(0)));
            let Ok(file) = file else { return };
            file.set_len(rng.u64(..4 << 20)).unwrap();
            file.set_len(4 << 20).unwrap();
            // A moment in which pieces go well.
            let pause = rng.usize(..torrent.files[0].len() / 2);
            std::hint::black_box(Sha1::digest(&torrent.files[0][..pause]));
        };
        while_others(cut, || {
            for _ in 0..20 {
                let Ok(storage) = Storage::create_or_resume(torrent.plan.clone(), io) else {
                    continue;
                };
                for piece in torrent.all() {
                    let written = storage.write(piece, 0, &torrent.pieces[piece.at()]);
                    match written.and_then(|()| storage.check(&[piece])) {
                        Ok(_) => right += 1,
                        Err(
                            StorageError::Changed { .. }
                            | StorageError::Io { .. }
                            | StorageError::Full { .. },
                        ) => failed += 1,
                        Err(e) => panic!("{e}"),
                    }
                }
            }
        });
        println!("{io:?}, {order:?}: {right} pieces went well, {failed} failed");
    });
}
