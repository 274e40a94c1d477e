//! Whether a disk that failed works again: [`Storage::probe`].

use super::error::StorageError;
use super::layout::{Part, Place};
use super::open::ask_for_room;
use super::path::Access;
use super::stored::Stored;
use super::{Io, Storage};
use crate::ids::PieceIndex;

/// Bytes that are written to see whether that can be done: a page.
const PAGE: usize = 4096;

impl Storage {
    /// Tries what failed before: whether there is room for all that is wanted, and whether a file can
    /// be opened and written. Whether it can be made durable, [`Storage::settle`] says.
    ///
    /// What is written is what was read from the same place, in a piece that is not known to be
    /// right; the caller sees to it that nobody else writes meanwhile.
    ///
    /// # Errors
    /// What still fails.
    pub fn probe(&self) -> Result<(), StorageError> {
        let wanted: Vec<&Stored> =
            self.files.iter().flatten().filter(|file| file.is_wanted()).collect();
        if let Some(entry) = self.entries.iter().zip(&self.files).find(|(_, f)| f.is_some()) {
            // A descriptor is to be had. Under which of its names the file is does not matter.
            self.folder.file_if_there(&entry.0.path, Access::Read)?;
        }
        let Some(io) = self.io else { return Ok(()) };
        ask_for_room(&self.folder, &wanted)?;
        match self.unsettled() {
            Some((file, part)) => self.write_again(io, file, part),
            None => Ok(()),
        }
    }

    /// A place in a file that is wanted, of a piece that is not known to be right.
    fn unsettled(&self) -> Option<(&Stored, Part)> {
        let right = self.verified();
        let missing =
            (0..self.geometry.pieces()).map(PieceIndex).filter(|&piece| !right.has(piece));
        let mut places = missing.flat_map(|piece| self.layout.parts(self.whole(piece)));
        let in_file = |part: Part| match part.place {
            Place::File(_) => self.file(part).filter(|file| file.is_wanted()).map(|f| (f, part)),
            Place::Zeros => None,
        };
        places.find_map(in_file)
    }

    fn write_again(&self, io: Io, file: &Stored, part: Part) -> Result<(), StorageError> {
        let mut bytes = vec![0; part.length.min(PAGE)];
        file.read(&self.folder, part.offset, &mut bytes)?;
        file.write(&self.folder, io, part.offset, &[&bytes])
    }
}
