//! One file of a torrent on disk: [`Stored`].
//!
//! ```text
//! wanted:      nothing there -> NAME.part, reserved -> all pieces right: NAME
//!              NAME there, of the right size -> read; the first write makes it NAME.part again
//! not wanted:  nothing there -> the first write makes a hidden file with holes (see Names)
//! ```
//! [`Stored::want`] and [`Stored::unwant`] lead from one line to the other at any time. A file we
//! write is locked, so that a second program on the same output is told so. A handle is kept for
//! the first files of a torrent; for the rest a file is opened for each use.
//!
//! Whoever reads or writes holds `state` to read, so that the file keeps its name meanwhile. How a
//! file gets its name is in `naming`, what others do to it in `mending`.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::disk::{self, Disk, Io};
use super::error::StorageError;
use super::handles;
use super::others::Others;
use super::path::{Access, Folder};
use super::place::{Names, Place};
use super::space;
use super::stamp::Stamp;

mod mending;
mod naming;

pub(super) use naming::Named;

/// A data file that is not empty.
#[derive(Debug)]
pub(super) struct Stored {
    names: Names,
    length: u64,
    /// Whether its handle is kept open.
    keep: bool,
    /// How many pieces have bytes of it.
    pieces: u32,
    /// How many of the pieces that have bytes of it are not known to be right.
    left: AtomicU32,
    /// Nothing was ever written to it.
    fresh: AtomicBool,
    /// Something was written since it was last made durable.
    dirty: AtomicBool,
    /// How it was when its pieces were last vouched for, once it is whole.
    stamp: Mutex<Option<Stamp>>,
    others: Arc<Others>,
    state: RwLock<State>,
}

/// What may change while the file is used.
#[derive(Debug)]
struct State {
    wanted: bool,
    place: Place,
    /// The handle, if one is kept.
    disk: Option<Arc<Disk>>,
}

impl Stored {
    /// A file of the plan that has bytes in `pieces` pieces; nothing of it is opened yet.
    pub(super) fn new(
        names: Names,
        length: u64,
        pieces: u32,
        (wanted, keep): (bool, bool),
        others: Arc<Others>,
    ) -> Self {
        Self {
            names,
            length,
            keep,
            pieces,
            left: AtomicU32::new(pieces),
            fresh: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            stamp: Mutex::default(),
            others,
            state: RwLock::new(State { wanted, place: Place::Absent, disk: None }),
        }
    }

    /// Looks for the file under all its names, and takes it from where it is; locks what may be
    /// written.
    ///
    /// # Errors
    /// `Exists` when `NAME` is another file than ours could be, `Twice` when two are there.
    pub(super) fn find(&self, folder: &Folder, io: Io) -> Result<(), StorageError> {
        let whole = folder.file_if_there(&self.names.whole, Access::Read)?;
        let part = folder.file_if_there(&self.names.part, Access::Write)?;
        let aside = folder.file_if_there(&self.names.aside, Access::Write)?;
        if let Some(whole) = &whole {
            let path = self.shown_at(folder, Place::Whole);
            let size = size_of(whole, &path)?;
            if size != self.length {
                return Err(StorageError::Exists { path, size, wanted: self.length });
            }
        }
        let (place, file) = match (whole, part, aside) {
            (None, None, None) => return Ok(()),
            (Some(file), None, None) => {
                self.take_whole(file);
                return Ok(());
            }
            (None, Some(file), None) => (Place::Part, file),
            (None, None, Some(file)) => (Place::Aside, file),
            (whole, part, _) => {
                let one = if whole.is_some() { Place::Whole } else { Place::Part };
                let both = whole.is_some() && part.is_some();
                let other = if both { Place::Part } else { Place::Aside };
                let (path, other) = (self.shown_at(folder, one), self.shown_at(folder, other));
                return Err(StorageError::Twice { path, other });
            }
        };
        lock(&file, &self.shown_at(folder, place))?;
        let is_empty = space::data_ranges(&file, self.length).is_empty();
        self.fresh.store(is_empty, Ordering::Relaxed);
        let mut state = self.state.write();
        state.place = place;
        state.disk = self.kept(file, io);
        Ok(())
    }

    /// The file is at its final name and is read from there.
    pub(super) fn take_whole(&self, file: File) {
        let mut state = self.state.write();
        state.place = Place::Whole;
        *self.stamp.lock() = Stamp::of(&file).ok();
        state.disk = self.keeps().then(|| Arc::new(Disk::to_read(file)));
    }

    /// Bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether the user wants it.
    pub(super) fn is_wanted(&self) -> bool {
        self.state.read().wanted
    }

    /// Whether nothing of it is on disk.
    pub(super) fn is_absent(&self) -> bool {
        self.state.read().place == Place::Absent
    }

    /// Bytes that are to be reserved for it if it is wanted.
    pub(super) fn space_needed(&self, folder: &Folder) -> Result<u64, StorageError> {
        let state = self.state.read();
        match state.place {
            Place::Whole => Ok(0),
            Place::Absent => Ok(self.length),
            Place::Aside | Place::Part => self
                .with_file(folder, &state, Access::Read, |file| space::missing(file, self.length))?
                .map_err(|e| StorageError::of(&self.shown_now(folder, &state), "look at", e)),
        }
    }

    /// The user wants it: unless it is whole it becomes `NAME.part`, with its space reserved. On an
    /// error all is as before.
    pub(super) fn want(&self, folder: &Folder, io: Io) -> Result<(), StorageError> {
        let mut state = self.state.write();
        match state.place {
            Place::Whole => {}
            Place::Aside if self.left.load(Ordering::Acquire) == 0 => {
                self.make_durable(folder, &state)?;
                self.name(folder, &mut state)?;
            }
            Place::Absent => {
                self.make(folder, io, Place::Part, &mut state)?;
                if let Err(e) = self.reserve(folder, &state) {
                    self.unmake(folder, &mut state)?;
                    return Err(e);
                }
            }
            Place::Aside | Place::Part => {
                self.reserve(folder, &state)?;
                self.moves(folder, Place::Part, &mut state)?;
            }
        }
        state.wanted = true;
        Ok(())
    }

    /// The user does not want it: what is whole stays, what is begun is put aside and keeps the
    /// room of its data only, and where there is no data the file goes.
    pub(super) fn unwant(&self, folder: &Folder) -> Result<(), StorageError> {
        let mut state = self.state.write();
        let is_begun = matches!(state.place, Place::Part | Place::Aside);
        if is_begun && self.fresh.load(Ordering::Relaxed) {
            self.unmake(folder, &mut state)?;
        } else if is_begun {
            self.with_file(folder, &state, Access::Write, |file| {
                file.set_len(self.length)?;
                space::give_back(file, self.length)
            })?
            .map_err(|e| StorageError::of(&self.shown_now(folder, &state), "shrink", e))?;
            self.moves(folder, Place::Aside, &mut state)?;
        }
        state.wanted = false;
        Ok(())
    }

    pub(super) fn write(
        &self,
        folder: &Folder,
        io: Io,
        offset: u64,
        run: &[&[u8]],
    ) -> Result<(), StorageError> {
        let state = self.ready(folder, io)?;
        self.fresh.store(false, Ordering::Relaxed);
        self.dirty.store(true, Ordering::Relaxed);
        self.with_file(folder, &state, Access::Write, |file| {
            if self.intact_link(folder, &state, file)? == 0 {
                // What is written to a file without a name is lost.
                return Err(StorageError::Missing { path: self.shown_now(folder, &state) });
            }
            let written = disk::write(file, offset, run);
            // Whoever made the file durable meanwhile did not make this durable.
            self.dirty.store(true, Ordering::Release);
            written.map_err(|e| self.failed(folder, &state, "write", e))
        })?
    }

    /// # Errors
    /// `Missing` when nothing of the file is there: zeros are never taken for its bytes.
    pub(super) fn read(
        &self,
        folder: &Folder,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), StorageError> {
        let state = self.state.read();
        self.with_file(folder, &state, Access::Read, |file| disk::read(file, offset, bytes))?
            .map_err(|e| self.failed(folder, &state, "read", e))
    }

    /// The open file that is written, if it is kept open, for [`Stored::view`].
    pub(super) fn disk(&self) -> Option<Arc<Disk>> {
        self.state.read().disk.clone().filter(|disk| disk.writes)
    }

    /// The bytes themselves, where they are in memory anyway (see `Mapped::view`).
    pub(super) fn view<'d>(
        &self,
        folder: &Folder,
        disk: &'d Disk,
        offset: u64,
        length: usize,
    ) -> Result<Option<&'d [u8]>, StorageError> {
        let state = self.state.read();
        self.intact(folder, &state, &disk.file)?;
        disk.view(offset, length).map_err(|e| self.failed(folder, &state, "read", e))
    }

    /// That what was viewed was the file, to be asked after hashing it.
    pub(super) fn sound(&self, folder: &Folder, disk: &Disk) -> Result<(), StorageError> {
        disk.sound().map_err(|e| self.failed(folder, &self.state.read(), "read", e))
    }

    /// Where there may be data, as (start, end). Holes count only while we are the writer: in a
    /// file someone else made, a hole is as good as the zeros it stands for.
    pub(super) fn data_ranges(&self, folder: &Folder) -> Result<Vec<(u64, u64)>, StorageError> {
        let state = self.state.read();
        match state.place {
            Place::Absent => Ok(Vec::new()),
            Place::Whole => Ok(vec![(0, self.length)]),
            _ if self.fresh.load(Ordering::Relaxed) => Ok(Vec::new()),
            _ => self.with_file(folder, &state, Access::Read, |file| {
                space::data_ranges(file, self.length)
            }),
        }
    }

    /// One more piece is right; true when that was the last.
    pub(super) fn gained_piece(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// A piece is no longer right.
    pub(super) fn lost_piece(&self) {
        self.left.fetch_add(1, Ordering::AcqRel);
    }

    /// Where the file is now; where it would be, when nothing of it is there.
    pub(super) fn path(&self, folder: &Folder) -> PathBuf {
        self.shown_now(folder, &self.state.read())
    }

    /// The state in which bytes may be written, and stays so while it is held.
    fn ready(&self, folder: &Folder, io: Io) -> Result<RwLockReadGuard<'_, State>, StorageError> {
        let state = self.state.read();
        if matches!(state.place, Place::Part | Place::Aside) {
            return Ok(state);
        }
        drop(state);
        let mut state = self.state.write();
        match state.place {
            Place::Part | Place::Aside => {}
            Place::Whole => self.reopen(folder, io, &mut state)?,
            Place::Absent => {
                self.make(folder, io, Place::Aside, &mut state)?;
                let sized = self
                    .with_file(folder, &state, Access::Write, |file| file.set_len(self.length))?;
                sized.map_err(|e| self.failed(folder, &state, "make", e))?;
            }
        }
        Ok(RwLockWriteGuard::downgrade(state))
    }

    /// A whole file turns out not to be: it is ours to write again, under the other name.
    fn reopen(&self, folder: &Folder, io: Io, state: &mut State) -> Result<(), StorageError> {
        if state.disk.as_ref().is_some_and(|disk| disk.writes) {
            return self.moves(folder, Place::Part, state);
        }
        let file = folder.file(&self.names.whole, Access::Write)?;
        lock(&file, &self.shown_at(folder, Place::Whole))?;
        self.moves(folder, Place::Part, state)?;
        state.disk = self.kept(file, io);
        self.reserve(folder, state)
    }

    /// Makes an empty, locked file under one of its names.
    fn make(
        &self,
        folder: &Folder,
        io: Io,
        place: Place,
        state: &mut State,
    ) -> Result<(), StorageError> {
        let name = self.names.at(place).expect("a file is made somewhere");
        let shown = self.shown_at(folder, place);
        let file = match folder.file(name, Access::Create) {
            Err(StorageError::Io { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                return Err(StorageError::Busy { path: shown });
            }
            made => made?,
        };
        lock(&file, &shown)?;
        self.fresh.store(true, Ordering::Relaxed);
        state.place = place;
        state.disk = self.kept(file, io);
        Ok(())
    }

    /// Takes the file away, wherever it is, and the folders above it that this leaves empty.
    pub(super) fn delete(&self, folder: &Folder) -> Result<(), StorageError> {
        match self.unmake(folder, &mut self.state.write()) {
            Err(StorageError::Missing { .. }) => Ok(()), // somebody was faster
            done => done,
        }
    }

    /// Undoes [`Stored::make`].
    fn unmake(&self, folder: &Folder, state: &mut State) -> Result<(), StorageError> {
        let Some(name) = self.names.at(state.place) else { return Ok(()) };
        folder.remove(name)?;
        folder.remove_empty_parents(name);
        (state.place, state.disk) = (Place::Absent, None);
        Ok(())
    }

    fn reserve(&self, folder: &Folder, state: &State) -> Result<(), StorageError> {
        self.with_file(folder, state, Access::Write, |file| space::reserve(file, self.length))?
            .map_err(|e| StorageError::of(&self.shown_now(folder, state), "reserve space", e))
    }

    /// The handle of a file that is written, if it is one to be kept.
    fn kept(&self, file: File, io: Io) -> Option<Arc<Disk>> {
        self.keeps().then(|| {
            let watched = self.others.watch(&file);
            Arc::new(Disk::new(file, self.length, io, watched))
        })
    }

    /// Whether its handle is to be kept, now that it is open.
    fn keeps(&self) -> bool {
        self.keep && handles::is_room()
    }

    fn with_file<R>(
        &self,
        folder: &Folder,
        state: &State,
        access: Access,
        job: impl FnOnce(&File) -> R,
    ) -> Result<R, StorageError> {
        if let Some(disk) = &state.disk {
            return Ok(job(&disk.file));
        }
        let missing = || StorageError::Missing { path: self.shown_now(folder, state) };
        let name = self.names.at(state.place).ok_or_else(missing)?;
        Ok(job(&folder.file(name, access)?))
    }

    fn shown_at(&self, folder: &Folder, place: Place) -> PathBuf {
        folder.shown(self.names.at(place).unwrap_or(&self.names.whole))
    }

    fn shown_now(&self, folder: &Folder, state: &State) -> PathBuf {
        self.shown_at(folder, state.place)
    }

    fn intact(&self, folder: &Folder, state: &State, file: &File) -> Result<(), StorageError> {
        self.intact_link(folder, state, file).map(|_| ())
    }

    /// The same; gives how many names it has.
    fn intact_link(
        &self,
        folder: &Folder,
        state: &State,
        file: &File,
    ) -> Result<u64, StorageError> {
        let shown = || self.shown_now(folder, state);
        let meta = file.metadata().map_err(|e| StorageError::of(&shown(), "look at", e))?;
        if meta.len() == self.length {
            return Ok(meta.nlink());
        }
        Err(StorageError::Changed { path: shown(), size: meta.len(), wanted: self.length })
    }

    /// What a failed read or write means: a file that shrank, a disk that is full, or else.
    fn failed(
        &self,
        folder: &Folder,
        state: &State,
        doing: &'static str,
        error: io::Error,
    ) -> StorageError {
        let short = error.kind() == io::ErrorKind::UnexpectedEof;
        let fault = error.raw_os_error() == Some(libc::EFAULT);
        let broken = error.raw_os_error() == Some(libc::EIO);
        let intact = |file: &File| self.intact(folder, state, file);
        if (short || fault || broken)
            && let Ok(Err(changed)) = self.with_file(folder, state, Access::Read, intact)
        {
            return changed;
        }
        // The map is only read, and the file is as long as it was: the disk does not give its bytes.
        let error = if fault { Errno::IO.into() } else { error };
        match StorageError::of(&self.shown_now(folder, state), doing, error) {
            StorageError::Full { path, .. } => {
                let have = folder.free().unwrap_or(0);
                StorageError::Full { path, need: self.length, have }
            }
            other => other,
        }
    }
}

/// The size of an open file.
pub(super) fn size_of(file: &File, shown: &Path) -> Result<u64, StorageError> {
    let meta = file.metadata().map_err(|e| StorageError::of(shown, "look at", e))?;
    Ok(meta.len())
}

/// Locks a file we write; file systems without locks go without.
fn lock(file: &File, shown: &Path) -> Result<(), StorageError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(StorageError::Busy { path: shown.to_owned() }),
        Ok(()) | Err(_) => Ok(()),
    }
}
