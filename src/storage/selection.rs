//! The choice of files while a torrent runs: [`Storage::set_wanted`].
//!
//! What is no longer wanted goes first, so that its room is there for what is. Nothing here decides
//! what is fetched: a piece that has bytes of a wanted file and of another is fetched whole, and
//! its bytes are stored wherever each file is.

use super::error::StorageError;
use super::open::{ask_for_room, make_if_empty, want_all};
use super::path::Access;
use super::stored::Stored;
use super::{Io, PlannedFile, Storage};
use crate::metainfo::FileKind;

impl Storage {
    /// Changes which entries of the plan are wanted, one word each, while blocks come and go.
    ///
    /// An entry that becomes wanted gets its place, `NAME.part`, with its room reserved and with
    /// what there is of it already. Of one that is no longer wanted a whole file stays, a begun one
    /// is moved into the hidden folder and keeps the room of its data only, and an empty `.part`
    /// goes. A torrent that is only served keeps all its files.
    ///
    /// # Errors
    /// `Full` and whatever else hinders a file: then what was wanted before still is.
    pub fn set_wanted(&self, wanted: &[bool]) -> Result<(), StorageError> {
        if wanted.len() != self.entries.len() {
            return Err(StorageError::Inconsistent("not one choice per file"));
        }
        let Some(io) = self.io else { return Ok(()) };
        let _choosing = self.choosing.lock();
        let chosen = self.entries.iter().zip(wanted).filter(|(_, wanted)| **wanted);
        chosen.map(|(entry, _)| entry).try_for_each(|entry| make_if_empty(&self.folder, entry))?;
        let stored = self.files.iter().zip(wanted);
        let changed = stored.filter_map(|(file, &wanted)| Some((file.as_ref()?, wanted)));
        let changed = changed.filter(|(file, wanted)| file.is_wanted() != *wanted);
        let (more, less): (Vec<_>, Vec<_>) = changed.partition(|&(_, wanted)| wanted);
        let more: Vec<&Stored> = more.into_iter().map(|(file, _)| file).collect();
        let mut gone = Vec::new();
        let done = self.exchange(less.into_iter().map(|(file, _)| file), &more, io, &mut gone);
        if done.is_err() {
            for file in gone {
                file.want(&self.folder, io).unwrap_or_else(|e| log::warn!("{e}"));
            }
            return done;
        }
        Ok(())
    }

    /// Deletes the torrent's own files, whole, begun and put aside, and the folders that this leaves
    /// empty; what else lies there stays. The torrent must not be used any more.
    ///
    /// # Errors
    /// The first that hindered a file; the others are deleted all the same.
    pub fn remove_files(&self) -> Result<(), StorageError> {
        let _choosing = self.choosing.lock();
        let mut trouble = Ok(());
        let empty = |entry: &&PlannedFile| entry.kind == FileKind::Data && entry.length == 0;
        for file in self.files.iter().flatten() {
            trouble = trouble.and(file.delete(&self.folder));
        }
        for entry in self.entries.iter().filter(empty) {
            let there = self.folder.file_if_there(&entry.path, Access::Read)?;
            if there.is_some_and(|file| file.metadata().is_ok_and(|meta| meta.len() == 0)) {
                trouble = trouble.and(self.folder.remove(&entry.path));
                self.folder.remove_empty_parents(&entry.path);
            }
        }
        trouble
    }

    /// Whether each entry of the plan is wanted; pads, links and empty files always are.
    pub fn wanted(&self) -> Vec<bool> {
        let is_wanted = |file: &Option<Stored>| file.as_ref().is_none_or(Stored::is_wanted);
        self.files.iter().map(is_wanted).collect()
    }

    fn exchange<'a>(
        &self,
        less: impl Iterator<Item = &'a Stored>,
        more: &[&Stored],
        io: Io,
        gone: &mut Vec<&'a Stored>,
    ) -> Result<(), StorageError> {
        for file in less {
            file.unwant(&self.folder)?;
            gone.push(file);
        }
        ask_for_room(&self.folder, more)?;
        want_all(&self.folder, more, io)
    }
}
