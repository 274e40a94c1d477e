//! Pieces on disk: write a block, send a block, is this piece right.
//!
//! [`Storage::create_or_resume`] is a leecher's door: files get the suffix `.part` and their
//! space before the first byte comes, are written by position and verified through a memory map
//! ([`Io::Mmap`]) or by reading again ([`Io::Pread`]), and get their names when their last piece
//! is right.
//! A file that is not wanted is not made; [`Storage::set_wanted`] changes that at any time.
//! [`Storage::open_existing`] is a seeder's: it never writes.
//!
//! ```text
//! a block comes:    write      one copy into the file's pages, under the picker's claim
//! a piece is full:  check      many pieces at once in SIMD lanes, while still in cache
//! it is right:      judge      takes note; settle gives a whole file its name once it is durable
//! a block is asked: vouch, read, vouch    by position, never through the map
//! ```
//! Never: a byte outside the output folder, a symbolic link followed, a file replaced, a piece
//! called right whose hash was not seen. A failing disk is a [`StorageError`] that names the file.
//!
//! Everything takes `&self` and may be shared between threads. Two writes to one place at a time
//! are the caller's fault: blocks are claimed first. With more than 512 files those behind the
//! 512th are opened for each use and not locked.

/// What is on disk of a torrent, right, wrong or missing.
pub mod audit;
/// What a new torrent is made of.
pub mod content;
/// Hashing a file or folder into a new torrent.
pub mod create;
mod disk;
mod error;
/// Patterns of file names.
pub mod glob;
/// How many descriptors there are.
pub mod handles;
/// Hashing many buffers at once.
pub mod hash;
/// Which bytes of which file a run of a piece is.
pub mod layout;
mod mapped;
mod open;
mod others;
mod path;
mod place;
mod plan;
mod probe;
#[cfg(test)]
mod scratch;
mod selection;
mod settling;
mod space;
/// Which file it is, and when it was changed last.
pub mod stamp;
mod stored;
#[cfg(test)]
mod suite;
mod sys;
mod verify;
mod views;
mod vouching;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

pub use disk::Io;
pub use error::StorageError;
pub use place::PART_SUFFIX;
pub use plan::{PlannedFile, StoragePlan};
pub use settling::{Damage, Settled};

use parking_lot::{Mutex, RwLock};

use crate::bitfield::Bitfield;
use crate::geometry::{BLOCK_LEN, Geometry};
use crate::ids::{PieceIndex, Sha256Hash, Span};
use crate::metainfo::PieceHash;
use layout::{Layout, Part, Place};
use open::Files;
use path::Folder;
use stored::Stored;

/// Bytes read at a time for [`Storage::leaf_hashes`]: enough blocks to fill the lanes twice.
const LEAVES_AT_ONCE: u32 = 32 * BLOCK_LEN;

/// The files of one torrent.
#[derive(Debug)]
pub struct Storage {
    folder: Folder,
    geometry: Geometry,
    layout: Layout,
    hashes: Vec<PieceHash>,
    /// One per entry of the plan; none for empty files, pads and links.
    files: Files,
    entries: Vec<PlannedFile>,
    /// One choice of files at a time.
    choosing: Mutex<()>,
    /// `None` when opened to be read only.
    io: Option<Io>,
    /// One bit per piece known to be right.
    verified: Vec<AtomicU64>,
    /// Held to read from a verdict's hash to its bit, to write while files are mended.
    judging: RwLock<()>,
    /// One settles at a time.
    settling: Mutex<()>,
    /// Bytes written since somebody settled last.
    unsynced: AtomicU64,
    /// One bit per piece that was hashed since its files were last changed.
    vouched: Vec<AtomicU64>,
    /// Held while such bits are cleared, or set after a hash.
    vouching: Mutex<()>,
    /// How often they were cleared.
    turns: AtomicU64,
}

/// What became of pieces that were hashed.
#[derive(Debug)]
pub struct Judged {
    /// Which are right, in their order.
    pub right: Vec<bool>,
    /// Whether that made a file whole.
    pub whole: bool,
}

impl Storage {
    /// Opens a torrent to be downloaded, or to be gone on with: makes the folders and files that
    /// are wanted and missing, and reserves their space. Nothing counts as right yet: see
    /// [`Storage::verify_all`], which costs nothing where all files are new.
    ///
    /// # Errors
    /// `Full` before anything is written; `Exists` when another file has a name of ours; `Busy`
    /// when another program writes the same files.
    pub fn create_or_resume(plan: StoragePlan, io: Io) -> Result<Self, StorageError> {
        let layout = plan.layout()?;
        let folder = Folder::create(&plan.root)?;
        let files = open::create_or_resume(&folder, &plan, &layout, io)?;
        Ok(Self::of(plan, folder, layout, files, Some(io)))
    }

    /// Opens a torrent to be served: every file must be there, under its name and of its size.
    /// Nothing is written, ever, and nothing counts as right yet.
    pub fn open_existing(plan: StoragePlan) -> Result<Self, StorageError> {
        let layout = plan.layout()?;
        let folder = Folder::open(&plan.root)?;
        let files = open::existing(&folder, &plan, &layout)?;
        Ok(Self::of(plan, folder, layout, files, None))
    }

    fn of(plan: StoragePlan, folder: Folder, layout: Layout, files: Files, io: Option<Io>) -> Self {
        let words = plan.geometry.pieces().div_ceil(64);
        let bits = || (0..words).map(|_| AtomicU64::new(0)).collect();
        Self {
            folder,
            layout,
            files,
            io,
            entries: plan.files,
            choosing: Mutex::new(()),
            geometry: plan.geometry,
            hashes: plan.hashes,
            verified: bits(),
            judging: RwLock::default(),
            settling: Mutex::default(),
            unsynced: AtomicU64::new(0),
            vouched: bits(),
            vouching: Mutex::default(),
            turns: AtomicU64::new(0),
        }
    }

    /// Writes some bytes of a piece, on which the caller holds the claim.
    ///
    /// A piece that was right no longer is, and a file that had its name is `.part` again: that
    /// only happens when a file was damaged and is being repaired.
    pub fn write(&self, piece: PieceIndex, offset: u32, bytes: &[u8]) -> Result<(), StorageError> {
        self.write_run(piece, offset, &[bytes])
    }

    /// The same for bytes that follow each other in the piece and lie apart in memory.
    pub fn write_run(
        &self,
        piece: PieceIndex,
        offset: u32,
        run: &[&[u8]],
    ) -> Result<(), StorageError> {
        let span = self.span(piece, offset, run.iter().map(|bytes| bytes.len()).sum())?;
        let io = self.io.ok_or(StorageError::Inconsistent("opened to be read, not written"))?;
        self.piece_is_lost(piece);
        self.unsynced.fetch_add(span.length.into(), Ordering::AcqRel);
        let mut rest: VecDeque<&[u8]> = run.iter().copied().collect();
        for part in self.layout.parts(span) {
            let now = take_front(&mut rest, part.length);
            if let Some(file) = self.file(part) {
                file.write(&self.folder, io, part.offset, &now)?;
            }
        }
        Ok(())
    }

    /// Reads some bytes of a piece, by position. Pads are zeros.
    ///
    /// # Errors
    /// `Changed` when a file is shorter than it was; `Missing` when it was never made.
    pub fn read(
        &self,
        piece: PieceIndex,
        offset: u32,
        bytes: &mut [u8],
    ) -> Result<(), StorageError> {
        let span = self.span(piece, offset, bytes.len())?;
        let mut rest = bytes;
        for part in self.layout.parts(span) {
            let (now, later) = rest.split_at_mut(part.length);
            match self.file(part) {
                Some(file) => file.read(&self.folder, part.offset, now)?,
                None => now.fill(0),
            }
            rest = later;
        }
        Ok(())
    }

    /// SHA-256 of every block of a piece, to find the bad one by.
    pub fn leaf_hashes(&self, piece: PieceIndex) -> Result<Vec<Sha256Hash>, StorageError> {
        let length = self.geometry.length_of(piece);
        let mut bytes = vec![0; length.min(LEAVES_AT_ONCE) as usize];
        let mut leaves = Vec::new();
        for offset in (0..length).step_by(LEAVES_AT_ONCE as usize) {
            let bytes = &mut bytes[..LEAVES_AT_ONCE.min(length - offset) as usize];
            self.read(piece, offset, bytes)?;
            leaves.extend(hash::leaf_hashes(bytes));
        }
        Ok(leaves)
    }

    /// Checks pieces whose blocks are all written, and takes note of those that are right: see
    /// [`Storage::check`] and [`Storage::piece_is_verified`].
    pub fn judge(&self, pieces: &[PieceIndex]) -> Result<Judged, StorageError> {
        let _not_mended = self.judging.read();
        let right = self.check(pieces)?;
        let verified = pieces.iter().zip(&right).filter(|(_, right)| **right);
        let whole =
            verified.fold(false, |whole, (&piece, _)| self.piece_is_verified(piece) || whole);
        Ok(Judged { right, whole })
    }

    /// Takes note that a piece's hash matched; true if that made a file whole, which then gets its
    /// name from [`Storage::settle`]. Saying it twice does no harm.
    pub fn piece_is_verified(&self, piece: PieceIndex) -> bool {
        if piece.0 >= self.geometry.pieces() {
            return false;
        }
        self.set_vouched(piece);
        let (word, bit) = Self::place(piece);
        if self.verified[word].fetch_or(bit, Ordering::AcqRel) & bit != 0 {
            return false;
        }
        self.files_of(piece).filter(|file| file.gained_piece()).count() > 0
    }

    /// Takes note that a piece is no longer right: its file was changed or cut.
    pub fn piece_is_lost(&self, piece: PieceIndex) {
        if piece.0 >= self.geometry.pieces() {
            return;
        }
        let (word, bit) = Self::place(piece);
        if self.vouched[word].load(Ordering::Acquire) & bit != 0 {
            self.vouched[word].fetch_and(!bit, Ordering::AcqRel);
        }
        let word = &self.verified[word];
        let known = word.load(Ordering::Acquire) & bit != 0;
        if known && word.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
            self.files_of(piece).for_each(Stored::lost_piece);
        }
    }

    /// Whether a piece is known to be right.
    pub fn is_verified(&self, piece: PieceIndex) -> bool {
        let (word, bit) = Self::place(piece);
        self.verified.get(word).is_some_and(|word| word.load(Ordering::Acquire) & bit != 0)
    }

    /// Whether blocks can be written; a seeder's files are only read.
    pub fn writes(&self) -> bool {
        self.io.is_some()
    }

    /// Whether an entry of the plan holds nothing but zeros.
    pub fn is_blank(&self, entry: usize) -> bool {
        self.files[entry].as_ref().is_some_and(|file| file.is_blank(&self.folder))
    }

    /// The pieces known to be right.
    pub fn verified(&self) -> Bitfield {
        let mut right = Bitfield::new(self.geometry.pieces());
        let all = (0..self.geometry.pieces()).map(PieceIndex);
        all.filter(|&piece| self.is_verified(piece)).for_each(|piece| _ = right.set(piece));
        right
    }

    /// Where an entry of the plan is on disk now, with `.part` while it is not whole and in the
    /// hidden folder while it is not wanted; its final name when there is nothing of it.
    pub fn path_of(&self, entry: usize) -> Option<PathBuf> {
        let path = &self.entries.get(entry)?.path;
        let stored = self.files[entry].as_ref();
        Some(stored.map_or_else(|| self.folder.shown(path), |file| file.path(&self.folder)))
    }

    /// Bytes of content in all.
    pub fn total(&self) -> u64 {
        self.geometry.total()
    }

    /// Where pieces begin and end.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn span(&self, piece: PieceIndex, offset: u32, length: usize) -> Result<Span, StorageError> {
        let out = StorageError::OutOfRange { piece: piece.0, offset, length };
        let Ok(length) = u32::try_from(length) else { return Err(out) };
        let span = Span { piece, offset, length };
        if self.geometry.contains(span) { Ok(span) } else { Err(out) }
    }

    fn whole(&self, piece: PieceIndex) -> Span {
        Span { piece, offset: 0, length: self.geometry.length_of(piece) }
    }

    fn file(&self, part: Part) -> Option<&Stored> {
        match part.place {
            Place::File(entry) => self.files[entry].as_ref(),
            Place::Zeros => None,
        }
    }

    fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = &Stored> {
        self.layout.parts(self.whole(piece)).filter_map(|part| self.file(part))
    }

    /// The place of a piece's bit: its word, and which of that.
    fn place(piece: PieceIndex) -> (usize, u64) {
        (piece.at() / 64, 1 << (piece.0 % 64))
    }
}

/// Takes the first `length` bytes off a run.
fn take_front<'a>(run: &mut VecDeque<&'a [u8]>, mut length: usize) -> Vec<&'a [u8]> {
    let mut taken = Vec::with_capacity(run.len());
    while length > 0
        && let Some(bytes) = run.pop_front()
    {
        let (now, later) = bytes.split_at(length.min(bytes.len()));
        length -= now.len();
        taken.push(now);
        if !later.is_empty() {
            run.push_front(later);
        }
    }
    taken
}
