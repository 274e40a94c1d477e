//! What others do to the files: nothing wrong is called right, named or vouched for.

use super::{MIXED, PIECE, Torrent, each, part, torrent, verify};
use crate::ids::PieceIndex;
use crate::metainfo::FileKind;
use crate::storage::layout::Order;
use crate::storage::scratch::Scratch;
use crate::storage::{Io, Storage, StorageError};
use FileKind::Data;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Four pieces in one file.
const FOUR: [(&str, u64, FileKind); 1] = [("t|a", 4 * PIECE as u64, Data)];

const LAST: PieceIndex = PieceIndex(3);

impl Torrent {
    /// A download that lacks its last piece.
    fn all_but_last(&self, io: Io) -> Storage {
        let storage = self.open(io);
        for piece in self.all().into_iter().filter(|&piece| piece != LAST) {
            assert!(self.fetch(&storage, piece).is_empty());
        }
        storage
    }

    /// Writes the last piece and has it judged; an error is what writing said.
    fn end(&self, storage: &Storage) -> Result<(), StorageError> {
        storage.write(LAST, 0, &self.pieces[LAST.at()])?;
        assert_eq!(storage.judge(&[LAST])?.right, [true]);
        Ok(())
    }

    /// Fetches these again, which ends the download.
    fn repair(&self, storage: &Storage, lost: &[PieceIndex]) {
        for &piece in lost {
            storage.write(piece, 0, &self.pieces[piece.at()]).unwrap();
            assert_eq!(storage.judge(&[piece]).unwrap().right, [true]);
        }
        let settled = storage.settle(&|| true);
        assert_eq!(settled.named, [self.path(0)], "{settled:?}");
        self.assert_whole();
    }
}

fn other(scratch: &Scratch, length: u64) -> PathBuf {
    let path = scratch.path().join("other");
    fs::write(&path, vec![9; length as usize]).unwrap();
    path
}

fn indices(pieces: impl IntoIterator<Item = u32>) -> Vec<PieceIndex> {
    pieces.into_iter().map(PieceIndex).collect()
}

#[test]
fn a_part_that_was_replaced_or_removed_never_gets_the_name() {
    each(|io, order, scratch| {
        for action in ["move another over it", "remove it", "move it away", "move it away, linked"]
        {
            let torrent = torrent(scratch.path(), order, &FOUR);
            let storage = torrent.all_but_last(io);
            let (file, away) = (part(&torrent.path(0)), scratch.path().join("away"));
            match action {
                "remove it" => fs::remove_file(&file).unwrap(),
                "move it away" => fs::rename(&file, &away).unwrap(),
                "move another over it" => {
                    fs::rename(other(scratch, FOUR[0].1), &file).unwrap();
                }
                _ => {
                    fs::hard_link(&file, &away).unwrap();
                    fs::rename(other(scratch, FOUR[0].1), &file).unwrap();
                }
            }
            let ended = torrent.end(&storage);
            assert!(
                ended.as_ref().is_ok() || ended.as_ref().unwrap_err().is_foreign(),
                "{ended:?}"
            );
            let settled = storage.settle(&|| true);
            assert!(settled.named.is_empty() && !torrent.path(0).exists(), "{action}: {settled:?}");
            let lost = &settled.damage.lost;
            assert!(
                lost.len() >= 3 && settled.damage.doubtful == std::slice::from_ref(&(0..4)),
                "{action}: {lost:?}"
            );
            torrent.repair(&storage, &torrent.all());
            drop(storage);
            let _ = fs::remove_file(away); // not all made it
            fs::remove_file(torrent.path(0)).unwrap();
        }
    });
}

#[test]
fn what_others_wrote_into_a_part_is_found_before_it_gets_the_name() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &FOUR);
        let storage = torrent.all_but_last(io);
        // The same file, the same size, one byte of a piece that was right.
        let file = File::options().write(true).open(part(&torrent.path(0))).unwrap();
        file.write_all_at(&[torrent.files[0][5] ^ 1], 5).unwrap();
        drop(file);
        torrent.end(&storage).unwrap();
        let settled = storage.settle(&|| true);
        assert!(settled.named.is_empty(), "{settled:?}");
        assert_eq!(settled.damage.lost, indices([0]));
        torrent.repair(&storage, &settled.damage.lost);
    });
}

#[test]
fn of_a_file_that_was_cut_or_grown_only_the_lost_range_is_fetched_again() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &FOUR);
        let storage = torrent.all_but_last(io);
        let file = File::options().write(true).open(part(&torrent.path(0))).unwrap();
        file.set_len(FOUR[0].1 + 100).unwrap();
        assert!(torrent.end(&storage).unwrap_err().is_foreign());
        let damage = storage.mend(true);
        assert!(
            damage.lost.is_empty() && damage.doubtful == std::slice::from_ref(&(0..4)),
            "{damage:?}"
        );
        file.set_len(u64::from(PIECE) + 1).unwrap();
        assert!(torrent.end(&storage).unwrap_err().is_foreign());
        assert_eq!(storage.mend(true).lost, indices([1, 2]));
        drop(file);
        torrent.repair(&storage, &indices([1, 2, 3]));
    });
}

#[test]
fn a_finished_file_that_somebody_replaced_is_left_alone() {
    each(|io, order, scratch| {
        let torrent = torrent(scratch.path(), order, &FOUR);
        let storage = torrent.all_but_last(io);
        torrent.end(&storage).unwrap();
        assert_eq!(storage.settle(&|| true).named, [torrent.path(0)]);
        fs::rename(other(scratch, FOUR[0].1), torrent.path(0)).unwrap();
        // What is open is still the right file.
        storage.vouch(LAST).unwrap();
        let repaired = storage.write(LAST, 0, &torrent.pieces[LAST.at()]);
        assert!(matches!(repaired, Err(StorageError::Altered { .. })), "{repaired:?}");
        assert!(fs::read(torrent.path(0)).unwrap() == vec![9; FOUR[0].1 as usize]);
    });
}

#[test]
fn nothing_is_vouched_for_that_was_changed_since_it_was_hashed() {
    for order in [Order::Contiguous, Order::Aligned] {
        let scratch = Scratch::new();
        let torrent = torrent(scratch.path(), order, &FOUR);
        fs::create_dir_all(torrent.path(0).parent().unwrap()).unwrap();
        fs::write(torrent.path(0), &torrent.files[0]).unwrap();
        let storage = Storage::open_existing(torrent.plan.clone()).unwrap();
        assert!(verify(&storage).is_full());
        let all = torrent.all();
        assert!(all.iter().all(|&piece| storage.vouch(piece).is_ok()));
        let at = u64::from(PIECE) + 7;
        let right = torrent.files[0][at as usize];
        for (byte, is_right) in [(right ^ 1, false), (right, true)] {
            // The clock of some file systems ticks a hundred times a second.
            std::thread::park_timeout(std::time::Duration::from_millis(12));
            let file = File::options().write(true).open(torrent.path(0)).unwrap();
            file.write_all_at(&[byte], at).unwrap();
            let vouched: Vec<bool> =
                all.iter().map(|&piece| storage.vouch(piece).is_ok()).collect();
            assert_eq!(vouched, [true, is_right, true, true]);
        }
        File::options().write(true).open(torrent.path(0)).unwrap().set_len(at).unwrap();
        assert!(storage.vouch(PieceIndex(1)).is_err());
        assert_eq!(storage.lose(PieceIndex(1)), indices([1, 2, 3]), "they cannot be there");
        storage.vouch(PieceIndex(0)).unwrap();
    }
}

#[test]
fn what_is_hashed_before_it_is_opened_is_trusted_only_if_it_is_the_same() {
    let scratch = Scratch::new();
    let torrent = torrent(scratch.path(), Order::Contiguous, &MIXED);
    fs::create_dir_all(torrent.path(3).parent().unwrap()).unwrap();
    let data = [0, 2, 3, 5, 6, 7];
    data.iter().for_each(|&n| fs::write(torrent.path(n), &torrent.files[n]).unwrap());
    let stamp = |n: usize| super::super::stamp::Stamp::of(&File::open(torrent.path(n)).unwrap());
    let stamps: Vec<_> = data.iter().map(|&n| stamp(n).unwrap()).collect();
    fs::write(scratch.path().join("z"), &torrent.files[7]).unwrap();
    fs::rename(scratch.path().join("z"), torrent.path(7)).unwrap();
    let storage = Storage::open_existing(torrent.plan.clone()).unwrap();
    storage.trust(&stamps);
    let vouched = torrent.all().into_iter().filter(|&piece| storage.is_vouched(piece));
    assert_eq!(vouched.collect::<Vec<_>>(), indices(0..5), "the last has bytes of the last file");
    assert!(torrent.all().iter().all(|&piece| storage.vouch(piece).is_ok()), "it is right, too");
}

#[test]
fn a_file_that_cannot_be_watched_is_hashed_once_more_before_it_gets_its_name() {
    let scratch = Scratch::new();
    let names: Vec<String> = (0..520).map(|n| format!("t|{n:03}")).collect();
    let entries: Vec<_> =
        names.iter().map(|name| (name.as_str(), 3 * u64::from(PIECE) / 2, Data)).collect();
    let torrent = torrent(scratch.path(), Order::Aligned, &entries);
    let storage = torrent.open(Io::Mmap);
    let last = entries.len() - 1;
    let of_last = indices(torrent.all().len() as u32 - 2..torrent.all().len() as u32);
    let write = |piece: PieceIndex| {
        storage.write(piece, 0, &torrent.pieces[piece.at()]).unwrap();
        assert_eq!(storage.judge(&[piece]).unwrap().right, [true]);
    };
    write(of_last[0]);
    fs::write(scratch.path().join("other"), vec![9; torrent.files[last].len()]).unwrap();
    fs::rename(scratch.path().join("other"), part(&torrent.path(last))).unwrap();
    write(of_last[1]);
    let settled = storage.settle(&|| true);
    assert!(settled.named.is_empty(), "{settled:?}");
    assert_eq!(settled.damage.lost, of_last[..1]);
    write(of_last[0]);
    assert_eq!(storage.settle(&|| true).named, [torrent.path(last)]);
    assert!(fs::read(torrent.path(last)).unwrap() == torrent.files[last]);
}

#[test]
fn only_zeros_are_blank() {
    let scratch = Scratch::new();
    let torrent = torrent(scratch.path(), Order::Contiguous, &FOUR);
    fs::create_dir_all(torrent.path(0).parent().unwrap()).unwrap();
    for (byte, blank) in [(0, true), (1, false)] {
        let mut bytes = vec![0; FOUR[0].1 as usize];
        *bytes.last_mut().unwrap() = byte;
        fs::write(torrent.path(0), bytes).unwrap();
        assert_eq!(torrent.open(Io::Mmap).is_blank(0), blank);
    }
    File::create(torrent.path(0)).unwrap().set_len(FOUR[0].1).unwrap();
    assert!(torrent.open(Io::Mmap).is_blank(0), "a hole");
}
