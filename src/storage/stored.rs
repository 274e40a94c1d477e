//! One file of a torrent on disk: [`Stored`].
//!
//! ```text
//! nothing there -> NAME.part, reserved -> all pieces right: NAME
//! NAME there, of the right size -> read; the first write into it makes it NAME.part again
//! ```
//! A file we write is locked, so that a second program on the same output is told so. A handle
//! is kept for the first files of a torrent; for the rest a file is opened for each use.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::disk::{self, Disk, Io};
use super::error::StorageError;
use super::path::{Access, Folder};
use super::space;

/// What an incomplete file's name ends in.
pub const PART_SUFFIX: &str = ".part";

/// A data file that is not empty.
#[derive(Debug)]
pub(super) struct Stored {
    path: Vec<String>,
    part: Vec<String>,
    shown: PathBuf,
    length: u64,
    /// How many of the pieces that have bytes of it are not known to be right.
    left: AtomicU32,
    /// Nothing was ever written to it.
    fresh: AtomicBool,
    /// Something was written since it was last made durable.
    dirty: AtomicBool,
    /// Whether it has its final name; changes under `naming` only.
    whole: AtomicBool,
    naming: Mutex<()>,
    reader: Option<File>,
    writer: OnceLock<Disk>,
}

/// What was found on disk for a file.
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// `NAME.part`, open for writing and locked.
    Part(File),
    /// `NAME`, of the right size, open for reading.
    Whole(File),
}

impl Stored {
    /// A file of the plan that has bytes in `pieces` pieces; nothing of it is opened yet.
    pub(super) fn new(folder: &Folder, path: &[String], length: u64, pieces: u32) -> Self {
        let mut part = path.to_vec();
        if let Some(name) = part.last_mut() {
            name.push_str(PART_SUFFIX);
        }
        Self {
            shown: folder.shown(path),
            path: path.to_vec(),
            part,
            length,
            left: AtomicU32::new(pieces),
            fresh: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            whole: AtomicBool::new(false),
            naming: Mutex::new(()),
            reader: None,
            writer: OnceLock::new(),
        }
    }

    /// Looks for the file under both names; locks what may be written.
    ///
    /// # Errors
    /// `Exists` when `NAME` is another file than ours could be, `Twice` when both are there.
    pub(super) fn find(&self, folder: &Folder) -> Result<Found, StorageError> {
        let whole = folder.file_if_there(&self.path, Access::Read)?;
        let part = folder.file_if_there(&self.part, Access::Write)?;
        let Some(whole) = whole else {
            let Some(part) = part else { return Ok(Found::Nothing) };
            lock(&part, &self.shown_part(folder))?;
            return Ok(Found::Part(part));
        };
        let size = size_of(&whole, &self.shown)?;
        let path = self.shown.clone();
        if size != self.length {
            return Err(StorageError::Exists { path, size, wanted: self.length });
        }
        if part.is_some() {
            return Err(StorageError::Twice { path });
        }
        Ok(Found::Whole(whole))
    }

    /// The file is at its final name and is read from there.
    pub(super) fn use_whole(&mut self, file: Option<File>) {
        self.whole = AtomicBool::new(true);
        self.reader = file;
    }

    /// Opens and locks the `NAME.part` that was found before.
    pub(super) fn find_part(&self, folder: &Folder) -> Result<File, StorageError> {
        let file = folder.file(&self.part, Access::Write)?;
        lock(&file, &self.shown_part(folder))?;
        Ok(file)
    }

    /// Bytes to be reserved for its `NAME.part`.
    pub(super) fn space_needed(&self, part: &File) -> Result<u64, StorageError> {
        space::missing(part, self.length).map_err(|e| StorageError::of(&self.shown, "look at", e))
    }

    /// Makes `NAME.part`, empty and locked.
    pub(super) fn make(&self, folder: &Folder) -> Result<File, StorageError> {
        self.fresh.store(true, Ordering::Relaxed);
        let shown = self.shown_part(folder);
        let file = match folder.file(&self.part, Access::Create) {
            Err(StorageError::Io { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                return Err(StorageError::Busy { path: shown });
            }
            made => made?,
        };
        lock(&file, &shown)?;
        Ok(file)
    }

    /// Reserves the space of `NAME.part` and keeps it open (unless there are too many files).
    pub(super) fn take(&self, file: File, io: Io, keep: bool) -> Result<(), StorageError> {
        space::reserve(&file, self.length)
            .map_err(|e| StorageError::of(&self.shown, "reserve space", e))?;
        if keep {
            let _ = self.writer.set(Disk::new(file, self.length, io));
        }
        Ok(())
    }

    /// Undoes [`Stored::make`].
    pub(super) fn unmake(&self, folder: &Folder) {
        if let Err(e) = folder.remove(&self.part) {
            log::warn!("{e}");
        }
    }

    pub(super) fn write(
        &self,
        folder: &Folder,
        io: Io,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        if self.whole.load(Ordering::Acquire) {
            self.reopen(folder, io)?;
        }
        self.fresh.store(false, Ordering::Relaxed);
        self.dirty.store(true, Ordering::Relaxed);
        if let Some(disk) = self.writer.get() {
            self.intact(&disk.file)?;
            return disk.write(offset, bytes).map_err(|e| self.failed(folder, "write", e));
        }
        let file = self.open(folder, Access::Write)?;
        self.intact(&file)?;
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, offset)
            .map_err(|e| self.failed(folder, "write", e))
    }

    pub(super) fn read(
        &self,
        folder: &Folder,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), StorageError> {
        self.with_file(folder, |file| disk::read(file, offset, bytes))?
            .map_err(|e| self.failed(folder, "read", e))
    }

    /// The bytes themselves, where they are in memory anyway (see `Mapped::view`).
    pub(super) fn view(
        &self,
        folder: &Folder,
        offset: u64,
        length: usize,
    ) -> Result<Option<&[u8]>, StorageError> {
        let Some(disk) = self.writer.get() else { return Ok(None) };
        self.intact(&disk.file)?;
        disk.view(offset, length).map_err(|e| self.failed(folder, "read", e))
    }

    /// That what was viewed was the file, to be asked after hashing it.
    pub(super) fn sound(&self, folder: &Folder) -> Result<(), StorageError> {
        let Some(disk) = self.writer.get() else { return Ok(()) };
        disk.sound().map_err(|e| self.failed(folder, "read", e))
    }

    /// Where there may be data, as (start, end). Holes count only while we are the writer: in a
    /// file someone else made, a hole is as good as the zeros it stands for.
    pub(super) fn data_ranges(&self, folder: &Folder) -> Result<Vec<(u64, u64)>, StorageError> {
        if self.fresh.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        if self.whole.load(Ordering::Acquire) {
            return Ok(vec![(0, self.length)]);
        }
        self.with_file(folder, |file| space::data_ranges(file, self.length))
    }

    /// One more piece is right; true when that was the last.
    pub(super) fn gained_piece(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// A piece is no longer right.
    pub(super) fn lost_piece(&self) {
        self.left.fetch_add(1, Ordering::AcqRel);
    }

    /// All pieces are right: gives the file its final name, and says so if it had another.
    pub(super) fn finish(&self, folder: &Folder) -> Result<Option<PathBuf>, StorageError> {
        let _naming = self.naming.lock();
        if self.whole.load(Ordering::Acquire) {
            return Ok(None);
        }
        let file = self.open_named(folder, Access::Write)?;
        if size_of(&file, &self.shown)? > self.length {
            file.set_len(self.length).map_err(|e| StorageError::of(&self.shown, "shorten", e))?;
        }
        self.intact(&file)?;
        folder.rename(&self.part, &self.path)?;
        self.whole.store(true, Ordering::Release);
        self.dirty.store(true, Ordering::Relaxed);
        Ok(Some(self.shown.clone()))
    }

    /// Makes what was written durable, the name too; false when `go_on` said no before the end.
    pub(super) fn sync(
        &self,
        folder: &Folder,
        go_on: &dyn Fn() -> bool,
    ) -> Result<bool, StorageError> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(true);
        }
        let synced = match self.writer.get() {
            Some(disk) => disk.sync(go_on),
            None => self.with_file(folder, |file| file.sync_data().map(|()| true))?,
        };
        let done = synced
            .map_err(|e| self.failed(folder, "make durable", e))
            .and_then(|done| folder.sync_parent(&self.path).map(|()| done));
        if !matches!(done, Ok(true)) {
            self.dirty.store(true, Ordering::Release);
        }
        done
    }

    /// Where the file is now.
    pub(super) fn shown_now(&self, folder: &Folder) -> PathBuf {
        if self.whole.load(Ordering::Acquire) {
            self.shown.clone()
        } else {
            self.shown_part(folder)
        }
    }

    /// A whole file turns out not to be: it is ours to write again, under the other name.
    fn reopen(&self, folder: &Folder, io: Io) -> Result<(), StorageError> {
        let _naming = self.naming.lock();
        if !self.whole.load(Ordering::Acquire) {
            return Ok(());
        }
        let keep = self.reader.is_some();
        if self.writer.get().is_some() {
            folder.rename(&self.path, &self.part)?;
        } else {
            let file = folder.file(&self.path, Access::Write)?;
            lock(&file, &self.shown)?;
            folder.rename(&self.path, &self.part)?;
            self.take(file, io, keep)?;
        }
        self.whole.store(false, Ordering::Release);
        Ok(())
    }

    fn with_file<R>(
        &self,
        folder: &Folder,
        job: impl FnOnce(&File) -> R,
    ) -> Result<R, StorageError> {
        match (self.writer.get(), &self.reader) {
            (Some(disk), _) => Ok(job(&disk.file)),
            (None, Some(file)) => Ok(job(file)),
            (None, None) => Ok(job(&self.open(folder, Access::Read)?)),
        }
    }

    fn open(&self, folder: &Folder, access: Access) -> Result<File, StorageError> {
        let _naming = self.naming.lock();
        self.open_named(folder, access)
    }

    /// With `naming` held: the name does not change meanwhile.
    fn open_named(&self, folder: &Folder, access: Access) -> Result<File, StorageError> {
        let whole = self.whole.load(Ordering::Acquire);
        folder.file(if whole { &self.path } else { &self.part }, access)
    }

    fn shown_part(&self, folder: &Folder) -> PathBuf {
        folder.shown(&self.part)
    }

    fn intact(&self, file: &File) -> Result<(), StorageError> {
        let size = size_of(file, &self.shown)?;
        if size == self.length {
            return Ok(());
        }
        Err(StorageError::Changed { path: self.shown.clone(), size, wanted: self.length })
    }

    /// What a failed read or write means: a file that shrank, a disk that is full, or else.
    fn failed(&self, folder: &Folder, doing: &'static str, error: io::Error) -> StorageError {
        let short = error.kind() == io::ErrorKind::UnexpectedEof;
        let fault = error.raw_os_error() == Some(libc::EFAULT);
        let broken = error.raw_os_error() == Some(libc::EIO);
        if (short || fault || broken)
            && let Ok(Err(changed)) = self.with_file(folder, |file| self.intact(file))
        {
            return changed;
        }
        let error = if fault { Errno::NOSPC.into() } else { error };
        match StorageError::of(&self.shown_now(folder), doing, error) {
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
