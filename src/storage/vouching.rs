//! Nothing is served that was not hashed since its file was last changed: [`Storage::vouch`].
//!
//! ```text
//! opened, hashed -> vouched for --- the file has another stamp ---> none of its pieces is
//!                       ^                                              |
//!                       '--- hashed again when somebody asks for it ---'   wrong: lost
//! ```
//! A stamp is looked at before and after bytes are read, which costs a system call; a piece is hashed
//! again only where a file was changed.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::layout::Place;
use super::stamp::Stamp;
use super::{Storage, StorageError};
use crate::ids::PieceIndex;
use crate::metainfo::FileKind;

/// How often it is looked again when others write to a file as fast as we look.
const ROUNDS: usize = 4;

impl Storage {
    /// Makes sure that a piece is what it must be, now: to be asked before and after its bytes are
    /// read for somebody.
    ///
    /// # Errors
    /// `Altered` when it is not; whatever reading it runs into. It is not lost yet: see
    /// [`Storage::lose`].
    pub fn vouch(&self, piece: PieceIndex) -> Result<(), StorageError> {
        for _ in 0..ROUNDS {
            self.hear_news(piece)?;
            if self.is_vouched(piece) {
                return Ok(());
            }
            let turn = self.turns.load(Ordering::Acquire);
            if !self.check(&[piece])?[0] {
                break;
            }
            let _alone = self.vouching.lock();
            if self.turns.load(Ordering::Acquire) == turn {
                self.set_vouched(piece);
            }
        }
        Err(self.altered(piece))
    }

    /// Whether a piece need not be hashed before it is served, as far as was heard.
    pub fn is_vouched(&self, piece: PieceIndex) -> bool {
        let (word, bit) = Self::place(piece);
        self.vouched[word].load(Ordering::Acquire) & bit != 0
    }

    /// A piece is not right any more, and so are those that its files are too short for by now. Gives
    /// all of them.
    pub fn lose(&self, piece: PieceIndex) -> Vec<PieceIndex> {
        let mut lost = vec![piece];
        for part in self.layout.parts(self.whole(piece)) {
            let Place::File(entry) = part.place else { continue };
            let Some(file) = &self.files[entry] else { continue };
            let size = file.size_now(&self.folder);
            let is_gone = |&other: &PieceIndex| {
                let mut parts = self.layout.parts(self.whole(other));
                let ends = |part: super::layout::Part| part.offset + part.length as u64;
                parts.any(|part| part.place == Place::File(entry) && ends(part) > size)
            };
            if size < file.length() {
                let all = self.layout.pieces_of(entry).map(PieceIndex);
                lost.extend(all.filter(|&other| other != piece).filter(is_gone));
            }
        }
        lost.iter().for_each(|&piece| self.piece_is_lost(piece));
        lost
    }

    /// The files were just hashed, by somebody who saw these stamps before, one for each data file in
    /// the torrent's order: what has the same stamp now is right.
    pub fn trust(&self, before: &[Stamp]) {
        let data = (0..).zip(&self.entries).filter(|(_, entry)| entry.kind == FileKind::Data);
        let files = data.map(|(entry, _)| entry).zip(before);
        let is_same = |&(entry, before): &(usize, &Stamp)| {
            self.files[entry].as_ref().is_none_or(|file| file.stamp() == Some(*before))
        };
        let (same, changed): (Vec<_>, Vec<_>) = files.partition(is_same);
        let pieces = |entry| self.layout.pieces_of(entry).map(PieceIndex);
        same.into_iter().flat_map(|(entry, _)| pieces(entry)).for_each(|p| self.set_vouched(p));
        // A piece that has bytes of a changed file, too, is hashed before it is served.
        for (entry, _) in changed {
            log::info!("{}: changed while it was hashed", self.entries[entry].path.join("/"));
            self.forget(entry);
        }
    }

    /// Where the first file is that a piece has bytes of.
    pub fn file_of(&self, piece: PieceIndex) -> PathBuf {
        let file = self.files_of(piece).next();
        file.map_or_else(|| self.folder.shown(&[]), |file| file.path(&self.folder))
    }

    /// Files of a piece that were changed: none of their pieces is vouched for.
    fn hear_news(&self, piece: PieceIndex) -> Result<(), StorageError> {
        for part in self.layout.parts(self.whole(piece)) {
            let Place::File(entry) = part.place else { continue };
            let Some(file) = &self.files[entry] else { continue };
            if let Some(stamp) = file.news(&self.folder)? {
                let _alone = self.vouching.lock();
                self.turns.fetch_add(1, Ordering::AcqRel);
                self.forget(entry);
                file.set_stamp(Some(stamp));
                log::info!("{}: changed: it is checked again", file.path(&self.folder).display());
            }
        }
        Ok(())
    }

    fn forget(&self, entry: usize) {
        for piece in self.layout.pieces_of(entry).map(PieceIndex) {
            let (word, bit) = Self::place(piece);
            self.vouched[word].fetch_and(!bit, Ordering::AcqRel);
        }
    }

    pub(super) fn set_vouched(&self, piece: PieceIndex) {
        let (word, bit) = Self::place(piece);
        self.vouched[word].fetch_or(bit, Ordering::AcqRel);
    }

    /// The error that names the file of a wrong piece: the first that it has bytes of.
    fn altered(&self, piece: PieceIndex) -> StorageError {
        StorageError::Altered { path: self.file_of(piece) }
    }
}
