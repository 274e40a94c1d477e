//! An open file of a torrent: [`Disk`].
//!
//! It is written and read by position. Where the file system allows it, it is mapped too, so that
//! a piece is verified where it lies.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

use rustix::io::{Errno, pwritev};

use super::handles::Kept;
use super::mapped::Mapped;
use super::others::Watched;
#[cfg(target_os = "linux")]
use super::space::TMPFS;

/// Slices written by one call; the system takes 1024.
const AT_ONCE: usize = 256;

/// How pieces just written are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// In place, through a memory map of the file, where the file system allows it.
    #[default]
    Mmap,
    /// Read again with `pread`, everywhere.
    Pread,
}

/// An open file at its final size.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) file: File,
    map: Option<Mapped>,
    /// Whether it is open for writing, and locked.
    pub(super) writes: bool,
    /// What others do to it meanwhile, where that can be known.
    pub(super) watched: Option<Watched>,
    _kept: Kept,
}

impl Disk {
    /// Takes a file that is only read.
    pub(super) fn to_read(file: File) -> Self {
        Self { file, map: None, writes: false, watched: None, _kept: Kept::one() }
    }

    /// Takes a file to be written that has its final size.
    pub(super) fn new(file: File, length: u64, io: Io, watched: Option<Watched>) -> Self {
        let map = (io == Io::Mmap && maps_well(&file)).then(|| Mapped::new(&file, length));
        let map = map.and_then(|map| {
            map.inspect_err(|e| log::debug!("a file cannot be mapped, it is read instead: {e}"))
                .ok()
        });
        Self { file, map, writes: true, watched, _kept: Kept::one() }
    }

    /// The bytes themselves, where they are in memory anyway.
    pub(super) fn view(&self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let Some(map) = &self.map else { return Ok(None) };
        match map.view(offset, length) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// That the bytes viewed so far were the file's.
    pub(super) fn sound(&self) -> io::Result<()> {
        self.map.as_ref().map_or(Ok(()), Mapped::sound)
    }

    /// Whether somebody else may have written to it, as far as the last look says.
    pub(super) fn was_written(&self) -> bool {
        self.watched.as_ref().is_some_and(Watched::was_written)
    }

    pub(super) fn sync(&self, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
        let flushed = self.map.as_ref().map_or_else(|| Ok(go_on()), |map| map.sync(go_on))?;
        if flushed {
            self.file.sync_data()?;
        }
        Ok(flushed)
    }
}

/// Writes a run of bytes that lie apart in memory, one behind the other.
pub(super) fn write(file: &File, mut offset: u64, run: &[&[u8]]) -> io::Result<()> {
    for some in run.chunks(AT_ONCE) {
        let mut some: Vec<IoSlice> = some.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut rest = some.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0); // over what is empty
        while !rest.is_empty() {
            match pwritev(file, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    offset += count as u64;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
    Ok(())
}

/// Reads a whole range; a file that ends before it is an `UnexpectedEof`.
pub(super) fn read(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

/// File systems on which a map and writes by position are known to agree.
fn maps_well(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        const EXT4: u64 = 0xef53;
        const XFS: u64 = 0x5846_5342;
        let kind = rustix::fs::fstatfs(file).map(|stat| stat.f_type as u64);
        matches!(kind, Ok(EXT4 | XFS | TMPFS))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        true
    }
}
