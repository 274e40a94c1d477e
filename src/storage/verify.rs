//! Is this piece right? One question for a few pieces just written, and for all of them at start.
//!
//! Pieces that were just written are hashed where they lie, in the map and in the cache. All
//! others are hashed sixteen side by side ([`Buffer`]), so that memory does not grow with the
//! torrent: through maps ([`Views`]) where files are only read, by position where we write. Where a
//! file of ours has a hole nothing was ever written: such pieces are missing, and not read.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::disk::Disk;
use super::hash::stream::{Buffer, Found, GROUP, Work};
use super::hash::{PieceInput, piece_roots, sha1_many};
use super::layout::{Part, Place};
use super::mapped::Mapped;
use super::path::Folder;
use super::stored::Stored;
use super::views::Views;
use super::{Storage, StorageError};
use crate::bitfield::Bitfield;
use crate::ids::PieceIndex;
use crate::metainfo::PieceHash;

impl Storage {
    /// Whether each of `pieces` hashes to what it must; all of them go through the lanes at once.
    /// The caller holds the claim on them: nobody writes there meanwhile.
    pub fn check(&self, pieces: &[PieceIndex]) -> Result<Vec<bool>, StorageError> {
        if let Some(&out) = pieces.iter().find(|piece| piece.0 >= self.geometry.pieces()) {
            return Err(StorageError::OutOfRange { piece: out.0, offset: 0, length: 0 });
        }
        let mut right = vec![false; pieces.len()];
        let seen: Vec<Option<Seen<'_>>> = pieces.iter().map(|&piece| self.see(piece)).collect();
        let (mut views, mut unseen) = (Vec::new(), Vec::new());
        for (n, seen) in seen.iter().enumerate() {
            match seen.as_ref().map_or(Ok(None), |seen| seen.bytes(&self.folder))? {
                Some(bytes) => views.push((n, bytes)),
                None => unseen.push(n),
            }
        }
        self.check_views(pieces, &views, &mut right);
        for seen in views.iter().filter_map(|&(n, _)| seen[n].as_ref()) {
            seen.stored.sound(&self.folder, &seen.disk)?;
        }
        let mut buffer = None;
        for group in unseen.chunks(GROUP) {
            let buffer = buffer.get_or_insert_with(Buffer::default);
            let members: Vec<PieceIndex> = group.iter().map(|&n| pieces[n]).collect();
            for (&n, verdict) in group.iter().zip(self.check_group(&members, buffer)?) {
                right[n] = verdict;
            }
        }
        Ok(right)
    }

    /// Checks all that is on disk, on `threads` threads, and takes note of what is right
    /// ([`Storage::piece_is_verified`]; files found whole get their names) and of what no longer is
    /// ([`Storage::piece_is_lost`]). Nobody writes meanwhile. `progress` is told bytes as they are
    /// done, from any thread; once `stop` is set, what was found so far is returned.
    pub fn verify_all(
        &self,
        threads: usize,
        progress: &(dyn Fn(u64) + Sync),
        stop: &AtomicBool,
    ) -> Result<Bitfield, StorageError> {
        let (present, absent) = self.pieces_with_data()?;
        let length = |piece: &PieceIndex| u64::from(self.geometry.length_of(*piece));
        progress(absent.iter().map(length).sum());
        absent.into_iter().for_each(|piece| self.piece_is_lost(piece));
        let groups: Vec<&[PieceIndex]> = present.chunks(GROUP).collect();
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let work = || {
            let mut buffer = Buffer::default();
            while !stop.load(Ordering::Relaxed) && failed.lock().is_none() {
                let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                match self.verify_group(group, &mut buffer) {
                    Ok(bytes) => progress(bytes),
                    Err(e) => _ = failed.lock().get_or_insert(e),
                }
            }
        };
        run_on(threads.min(groups.len()), "check", work)
            .map_err(|e| StorageError::of(Path::new("."), "start a thread", e))?;
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        match self.settle(&|| !stop.load(Ordering::Relaxed)).damage.trouble {
            Some(error) => Err(error),
            None => Ok(self.verified()),
        }
    }

    /// Hashes a group and takes note of the verdicts; says how many bytes that was.
    fn verify_group(&self, group: &[PieceIndex], buffer: &mut Buffer) -> Result<u64, StorageError> {
        let verdicts = self.check_group(group, buffer)?;
        for (&piece, right) in group.iter().zip(verdicts) {
            if right {
                self.piece_is_verified(piece);
            } else {
                self.piece_is_lost(piece);
            }
        }
        Ok(group.iter().map(|&piece| u64::from(self.geometry.length_of(piece))).sum())
    }

    /// The pieces that may have been written, and those that cannot.
    pub(super) fn pieces_with_data(
        &self,
    ) -> Result<(Vec<PieceIndex>, Vec<PieceIndex>), StorageError> {
        let ranges = self.files.iter().map(|file| match file {
            Some(file) => file.data_ranges(&self.folder),
            None => Ok(Vec::new()),
        });
        let ranges: Vec<Vec<(u64, u64)>> = ranges.collect::<Result<_, _>>()?;
        let has_data = |piece: &PieceIndex| {
            self.layout.parts(self.whole(*piece)).all(|part| match part.place {
                Place::Zeros => true,
                Place::File(entry) => {
                    let ranges = &ranges[entry];
                    let first = ranges.partition_point(|&(_, end)| end <= part.offset);
                    let end = part.offset + part.length as u64;
                    ranges.get(first).is_some_and(|&(start, _)| start < end)
                }
            })
        };
        let all = (0..self.geometry.pieces()).map(PieceIndex);
        Ok(all.partition(has_data))
    }

    /// Where a piece can be seen in memory, if it lies in one file that we write.
    fn see(&self, piece: PieceIndex) -> Option<Seen<'_>> {
        let mut parts = self.layout.parts(self.whole(piece));
        let (Some(part), None) = (parts.next(), parts.next()) else { return None };
        let stored = self.file(part)?;
        Some(Seen { disk: stored.disk()?, stored, part })
    }

    fn check_views(&self, pieces: &[PieceIndex], views: &[(usize, &[u8])], right: &mut [bool]) {
        let (mut v1, mut v2) = (Vec::new(), Vec::new());
        for &(n, data) in views {
            match self.hashes[pieces[n].at()] {
                PieceHash::V1(hash) => v1.push((n, data, hash)),
                PieceHash::V2 { root, leaves } => v2.push((n, PieceInput { data, leaves }, root)),
            }
        }
        let messages: Vec<&[u8]> = v1.iter().map(|&(_, data, _)| data).collect();
        let mut digests = vec![[0; 20]; messages.len()];
        sha1_many(&messages, &mut digests);
        for ((n, _, wanted), digest) in v1.into_iter().zip(digests) {
            right[n] = digest == wanted;
        }
        let inputs: Vec<PieceInput> = v2.iter().map(|&(_, input, _)| input).collect();
        let mut roots = vec![[0; 32]; inputs.len()];
        piece_roots(&inputs, &mut roots);
        for ((n, _, wanted), root) in v2.into_iter().zip(roots) {
            right[n] = root == wanted;
        }
    }

    /// A file mapped to be read, if it is served and not written.
    pub(super) fn map(&self, entry: usize) -> Option<Mapped> {
        let (None, Some(stored)) = (self.io, self.files.get(entry)?) else { return None };
        stored.mapped(&self.folder)
    }

    fn check_group(
        &self,
        pieces: &[PieceIndex],
        buffer: &mut Buffer,
    ) -> Result<Vec<bool>, StorageError> {
        let group: Vec<Work> = pieces
            .iter()
            .map(|&piece| {
                let length = Some(self.geometry.length_of(piece));
                match self.hashes[piece.at()] {
                    PieceHash::V1(_) => Work { sha1: length, ..Work::default() },
                    PieceHash::V2 { leaves, .. } => Work { sha1: None, tree: length, leaves },
                }
            })
            .collect();
        let spans = pieces.iter().map(|&piece| self.whole(piece));
        let views = Views::new(&self.layout, spans, |entry| self.map(entry));
        let read = |n: usize, offset, bytes: &mut [u8]| self.read(pieces[n], offset, bytes);
        let found = views.hash(buffer, &group, read)?;
        let right = |(&piece, found): (&PieceIndex, Found)| match self.hashes[piece.at()] {
            PieceHash::V1(hash) => found.sha1 == Some(hash),
            PieceHash::V2 { root, .. } => found.root == Some(root),
        };
        Ok(pieces.iter().zip(found).map(right).collect())
    }
}

/// A piece that may be seen where it lies: its file stays open meanwhile, whatever it is called.
struct Seen<'a> {
    stored: &'a Stored,
    disk: Arc<Disk>,
    part: Part,
}

impl Seen<'_> {
    fn bytes(&self, folder: &Folder) -> Result<Option<&[u8]>, StorageError> {
        self.stored.view(folder, &self.disk, self.part.offset, self.part.length)
    }
}

/// Runs one job on several named threads until all have ended. A thread that cannot be started
/// is done without, as long as there is one.
pub(super) fn run_on(threads: usize, name: &str, job: impl Fn() + Sync) -> io::Result<()> {
    thread::scope(|scope| {
        for n in 0..threads {
            let builder = thread::Builder::new().name(format!("{name}-{n}"));
            match builder.spawn_scoped(scope, &job) {
                Err(e) if n == 0 => return Err(e),
                Err(e) => log::warn!("{name}: {n} threads instead of {threads}: {e}"),
                Ok(_) => {}
            }
        }
        Ok(())
    })
}
