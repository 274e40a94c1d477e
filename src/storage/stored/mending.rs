//! What others do to a file: seen while we write it, and put right; seen while it is only served.

use std::fs::File;
use std::sync::atomic::Ordering;

use super::{State, Stored, lock};
use crate::storage::disk::Io;
use crate::storage::error::StorageError;
use crate::storage::mapped::Mapped;
use crate::storage::others::Watched;
use crate::storage::path::{Access, Folder};
use crate::storage::place::Place;
use crate::storage::stamp::Stamp;
use crate::storage::views;

impl Stored {
    /// Whether a file that we write was cut, made longer, moved, replaced, removed or written by
    /// somebody else, as far as can be seen.
    pub(in crate::storage) fn is_disturbed(&self, folder: &Folder, suspected: bool) -> bool {
        let state = self.state.read();
        let (true, Some(name)) = (is_begun(&state), self.names.at(state.place)) else {
            return false;
        };
        let Some(disk) = &state.disk else {
            return suspected
                || match folder.file(name, Access::Read) {
                    Ok(file) => self.intact(folder, &state, &file).is_err(),
                    Err(error) => error.is_foreign(),
                };
        };
        let was_open = || disk.watched.as_ref().is_none_or(Watched::was_opened);
        disk.was_written()
            || (suspected && was_open())
            || self.intact(folder, &state, &disk.file).is_err()
            || !matches!(same(folder, name, &disk.file), Ok(Some(true)))
    }

    /// Makes it a file of ours again: of its size, with its room, and made anew if it is gone. What
    /// it holds then is not known.
    pub(in crate::storage) fn repair(&self, folder: &Folder, io: Io) -> Result<(), StorageError> {
        let mut state = self.state.write();
        let (true, Some(name)) = (is_begun(&state), self.names.at(state.place)) else {
            return Ok(());
        };
        if let Some(watched) = state.disk.as_ref().and_then(|disk| disk.watched.as_ref()) {
            watched.forget();
        }
        let is_same = state.disk.as_ref().map(|disk| same(folder, name, &disk.file));
        if is_same.transpose()?.flatten() != Some(true) {
            if let Some(file) = folder.file_if_there(name, Access::Write)? {
                lock(&file, &self.shown_now(folder, &state))?;
                state.disk = self.kept(file, io);
            } else {
                let place = state.place;
                (state.place, state.disk) = (Place::Absent, None);
                self.make(folder, io, place, &mut state)?;
            }
        }
        self.fresh.store(false, Ordering::Relaxed);
        self.dirty.store(true, Ordering::Release);
        if state.place == Place::Part {
            return self.reserve(folder, &state);
        }
        self.with_file(folder, &state, Access::Write, |file| file.set_len(self.length))?
            .map_err(|e| StorageError::of(&self.shown_now(folder, &state), "make", e))
    }

    /// Takes a new look at a file, after its disk lost what was written to it: what of it is only in
    /// memory is to be forgotten there, too.
    pub(in crate::storage) fn forget_memory(&self, folder: &Folder, io: Io) {
        use rustix::fs::{Advice, fadvise};
        let mut state = self.state.write();
        let Some(disk) = state.disk.take_if(|disk| disk.writes) else { return };
        let file = disk.file.try_clone();
        drop(disk); // and its map, which would hold the pages
        let Ok(file) = file.inspect_err(|e| log::warn!("a file is opened for each use: {e}"))
        else {
            return;
        };
        // Where it does not help nothing is believed that is not written anew.
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
        state.disk = self.kept(file, io);
        drop(state);
        log::debug!("{}: read from the disk again", self.path(folder).display());
    }

    /// Hears what others did to any file of the torrent.
    pub(in crate::storage) fn look_at_others(&self) {
        self.others.look();
    }

    /// Whether somebody opened it since this was last asked, while we write it.
    pub(in crate::storage) fn was_opened(&self) -> bool {
        let state = self.state.read();
        let watched = state.disk.as_ref().and_then(|disk| disk.watched.as_ref());
        watched.is_some_and(Watched::was_opened)
    }

    /// How the file is now, if it is whole and that is not how it was last.
    ///
    /// # Errors
    /// `Altered` when somebody else wrote to a file that we write.
    pub(in crate::storage) fn news(&self, folder: &Folder) -> Result<Option<Stamp>, StorageError> {
        let state = self.state.read();
        if state.place != Place::Whole {
            self.others.look();
            let was_written = state.disk.as_ref().is_some_and(|disk| disk.was_written());
            let altered = || StorageError::Altered { path: self.shown_now(folder, &state) };
            return if was_written { Err(altered()) } else { Ok(None) };
        }
        let now = self.with_file(folder, &state, Access::Read, Stamp::of)?;
        let now =
            now.map_err(|e| StorageError::of(&self.shown_now(folder, &state), "look at", e))?;
        Ok(Some(now).filter(|now| *self.stamp.lock() != Some(*now)))
    }

    /// From now on this is how it was last.
    pub(in crate::storage) fn set_stamp(&self, stamp: Option<Stamp>) {
        *self.stamp.lock() = stamp;
    }

    /// How it was when it was opened, or last.
    pub(in crate::storage) fn stamp(&self) -> Option<Stamp> {
        *self.stamp.lock()
    }

    /// Bytes that it has now; none when it is gone.
    pub(in crate::storage) fn size_now(&self, folder: &Folder) -> u64 {
        let state = self.state.read();
        let size = self.with_file(folder, &state, Access::Read, File::metadata);
        size.ok().and_then(Result::ok).map_or(0, |meta| meta.len())
    }

    /// A map of it to be read, of the very file that is served; none where that is not worth it.
    pub(in crate::storage) fn mapped(&self, folder: &Folder) -> Option<Mapped> {
        let state = self.state.read();
        let map = |file: &File| {
            let length = file.metadata().ok()?.len();
            (length >= views::LEAST).then(|| Mapped::new(file, length).ok())?
        };
        self.with_file(folder, &state, Access::Read, map).ok()?
    }

    /// Whether every byte of it is zero; a hole is not read.
    pub(in crate::storage) fn is_blank(&self, folder: &Folder) -> bool {
        const STEP: u64 = 256 * 1024;
        let state = self.state.read();
        let look = |file: &File| {
            let mut room = vec![0; STEP as usize];
            let ranges = crate::storage::space::data_ranges(file, self.length);
            ranges.into_iter().all(|(start, end)| {
                (start..end).step_by(STEP as usize).all(|at| {
                    let bytes = &mut room[..STEP.min(end - at) as usize];
                    let read = crate::storage::disk::read(file, at, bytes);
                    read.is_ok() && bytes.iter().all(|&byte| byte == 0)
                })
            })
        };
        self.with_file(folder, &state, Access::Read, look).unwrap_or(false)
    }
}

fn is_begun(state: &State) -> bool {
    matches!(state.place, Place::Part | Place::Aside)
}

/// Whether the file of this name is this open one; `None` when there is none of this name.
fn same(folder: &Folder, name: &[String], file: &File) -> Result<Option<bool>, StorageError> {
    let ours = rustix::fs::fstat(file);
    let ours = ours.map_err(|e| StorageError::of(&folder.shown(name), "look at", e))?;
    Ok(folder.identity(name)?.map(|found| found == (ours.st_dev, ours.st_ino)))
}
