//! An open file of a torrent, by map or by position: [`Disk`].
//!
//! Both answer alike: reads are always by position; a write looks at the file's size first, so
//! that a file changed under us is an error before it is anything worse.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::mapped::Mapped;
use super::positioned::Positioned;

/// How files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// Through a memory map, where the file system and the reserved space allow it.
    #[default]
    Mmap,
    /// With `pwrite`, everywhere.
    Pread,
}

/// A file open for writing at its final size.
#[derive(Debug)]
pub(super) enum Disk {
    /// Written through a map.
    Mapped(Mapped),
    /// Written by position.
    Positioned(Positioned),
}

impl Disk {
    /// Takes a file that has its final size; `reserved` says that its blocks exist too, without
    /// which it is never mapped.
    pub(super) fn new(file: File, length: u64, io: Io, reserved: bool) -> Self {
        if io == Io::Pread || !reserved || !maps_well(&file) {
            return Self::Positioned(Positioned { file });
        }
        match Mapped::new(file, length) {
            Ok(mapped) => Self::Mapped(mapped),
            Err((file, e)) => {
                log::debug!("a file cannot be mapped, written by position instead: {e}");
                Self::Positioned(Positioned { file })
            }
        }
    }

    pub(super) fn file(&self) -> &File {
        match self {
            Self::Mapped(mapped) => &mapped.file,
            Self::Positioned(positioned) => &positioned.file,
        }
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Mapped(mapped) => mapped.write(offset, bytes),
            Self::Positioned(positioned) => positioned.write(offset, bytes),
        }
    }

    /// The bytes themselves, where they are in memory anyway.
    pub(super) fn view(&self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let Self::Mapped(mapped) = self else { return Ok(None) };
        match mapped.view(offset, length) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// That the bytes viewed so far were the file's.
    pub(super) fn sound(&self) -> io::Result<()> {
        match self {
            Self::Mapped(mapped) => mapped.sound(),
            Self::Positioned(_) => Ok(()),
        }
    }

    pub(super) fn sync(&self, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
        match self {
            Self::Mapped(mapped) => mapped.sync(go_on),
            Self::Positioned(_) if !go_on() => Ok(false),
            Self::Positioned(positioned) => positioned.sync().map(|()| true),
        }
    }
}

/// Reads a whole range; a file that ends before it is an `UnexpectedEof`.
pub(super) fn read(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

/// File systems on which a map and reads by position are known to agree and reserved blocks are
/// the ones written (copy-on-write systems like btrfs take new ones).
fn maps_well(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        const EXT4: u64 = 0xef53;
        const XFS: u64 = 0x5846_5342;
        const TMPFS: u64 = 0x0102_1994;
        let kind = rustix::fs::fstatfs(file).map(|stat| stat.f_type as u64);
        matches!(kind, Ok(EXT4 | XFS | TMPFS))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        true
    }
}
