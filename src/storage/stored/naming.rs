//! How a file gets its name: its bytes are on the disk, all of them were hashed, and it is ours.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::{State, Stored, size_of};
use crate::storage::error::StorageError;
use crate::storage::path::{Access, Folder};
use crate::storage::place::Place;
use crate::storage::space;
use crate::storage::stamp::Stamp;

/// What became of a file that may be whole.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage) enum Named {
    /// It has its name now.
    As(PathBuf),
    /// Nothing: it has its name, or is not to have it.
    Not,
    /// It would have it now, but somebody else was at it: look again.
    Doubtful,
}

impl Stored {
    /// All pieces are right and durable: gives the file its final name, and says so if it had
    /// another. What is aside stays there until it is wanted.
    pub(in crate::storage) fn finish(&self, folder: &Folder) -> Result<Named, StorageError> {
        let mut state = self.state.write();
        if !self.is_due(&state) || self.dirty.load(Ordering::Acquire) {
            return Ok(Named::Not);
        }
        self.others.look();
        if state.disk.as_ref().is_some_and(|disk| disk.was_written()) {
            return Ok(Named::Doubtful);
        }
        match self.name(folder, &mut state) {
            Ok(path) => Ok(Named::As(path)),
            Err(error) if error.is_foreign() => Ok(Named::Doubtful),
            Err(error) => Err(error),
        }
    }

    /// Whether it is to get its name, and others could have written to it unseen since most of its
    /// pieces were hashed.
    pub(in crate::storage) fn is_due_unwatched(&self) -> bool {
        let state = self.state.read();
        let is_watched = state.disk.as_ref().is_some_and(|disk| disk.watched.is_some());
        self.is_due(&state) && self.pieces > 1 && !is_watched
    }

    fn is_due(&self, state: &State) -> bool {
        let is_wanted = match state.place {
            Place::Part => true,
            Place::Aside => state.wanted,
            Place::Absent | Place::Whole => false,
        };
        is_wanted && self.left.load(Ordering::Acquire) == 0
    }

    /// Whether it is to get its name as soon as what was written last is durable.
    pub(in crate::storage) fn is_due_and_dirty(&self) -> bool {
        self.is_due(&self.state.read()) && self.is_dirty()
    }

    /// Whether something was written since it was last made durable.
    pub(in crate::storage) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Takes note that what was written so far is durable, or is not after all.
    pub(in crate::storage) fn set_dirty(&self, dirty: bool) {
        self.dirty.store(dirty, Ordering::Release);
    }

    /// Makes what was written durable; false when `go_on` said no before the end. Nobody waits for
    /// the disk: the file may be moved or written meanwhile, and is dirty again then.
    ///
    /// # Errors
    /// Nobody knows which bytes are on the disk: none of them is to be believed.
    pub(in crate::storage) fn sync(
        &self,
        folder: &Folder,
        go_on: &dyn Fn() -> bool,
    ) -> Result<bool, StorageError> {
        let (disk, place) = {
            let state = self.state.read();
            (state.disk.clone(), state.place)
        };
        let Some(name) = self.names.at(place) else { return Ok(true) };
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(true);
        }
        let synced = match disk {
            Some(disk) if space::is_memory(&disk.file) => Ok(true),
            Some(disk) => disk.sync(go_on),
            None => match folder.file(name, Access::Read) {
                Ok(file) if space::is_memory(&file) => Ok(true),
                Ok(file) => file.sync_data().map(|()| true),
                Err(error) => {
                    self.set_dirty(true);
                    return Err(error);
                }
            },
        };
        if !matches!(synced, Ok(true)) {
            self.set_dirty(true);
        }
        synced.map_err(|e| self.failed(folder, &self.state.read(), "make durable", e))
    }

    /// The same at once, for somebody who has the state.
    pub(super) fn make_durable(&self, folder: &Folder, state: &State) -> Result<(), StorageError> {
        let synced = self.with_file(folder, state, Access::Write, |file| {
            if space::is_memory(file) { Ok(()) } else { file.sync_data() }
        })?;
        synced.map_err(|e| self.failed(folder, state, "make durable", e))?;
        self.set_dirty(false);
        Ok(())
    }

    pub(super) fn name(&self, folder: &Folder, state: &mut State) -> Result<PathBuf, StorageError> {
        self.with_file(folder, state, Access::Write, |file| {
            let shown = self.shown_now(folder, state);
            if size_of(file, &shown)? > self.length {
                file.set_len(self.length).map_err(|e| StorageError::of(&shown, "shorten", e))?;
            }
            self.intact(folder, state, file)
        })??;
        self.moves(folder, Place::Whole, state)?;
        let stamp = self.with_file(folder, state, Access::Read, |file| Stamp::of(file).ok());
        // Without a stamp it is hashed again before any of it is served.
        *self.stamp.lock() = stamp.ok().flatten();
        Ok(self.shown_at(folder, Place::Whole))
    }

    /// Gives the file the name of another place. What has its name by now is not renamed for it.
    pub(super) fn moves(
        &self,
        folder: &Folder,
        to: Place,
        state: &mut State,
    ) -> Result<(), StorageError> {
        if state.place == to {
            return Ok(());
        }
        let (Some(from), Some(name)) = (self.names.at(state.place), self.names.at(to)) else {
            return Ok(());
        };
        Self::is_ours_at(folder, state, from)?;
        folder.rename(from, name)?;
        if let Err(error) = Self::is_ours_at(folder, state, name) {
            // It was replaced in this very moment.
            folder.rename(name, from)?;
            return Err(error);
        }
        if state.place == Place::Aside || to == Place::Aside {
            folder.remove_empty_parents(from);
        }
        state.place = to;
        Ok(())
    }

    /// Whether the file of this name is the one that is open; one that is opened for each use is.
    fn is_ours_at(folder: &Folder, state: &State, name: &[String]) -> Result<(), StorageError> {
        let Some(disk) = &state.disk else { return Ok(()) };
        let shown = || folder.shown(name);
        let ours = rustix::fs::fstat(&disk.file);
        let ours = ours.map_err(|e| StorageError::of(&shown(), "look at", e))?;
        match folder.identity(name)? {
            Some(found) if found == (ours.st_dev, ours.st_ino) => Ok(()),
            Some(_) => Err(StorageError::Altered { path: shown() }),
            None => Err(StorageError::Missing { path: shown() }),
        }
    }
}
