//! What can go wrong on disk, by what the user can do about it: [`StorageError`].

use std::io;
use std::path::{Path, PathBuf};

/// A torrent's files cannot be used; it stops, others go on.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No room on the disk or in the quota.
    #[error(
        "{}: the disk is full: {need} bytes are needed, {have} are free; \
         make room or choose another folder with --download-dir", .path.display()
    )]
    Full {
        /// The file that does not fit.
        path: PathBuf,
        /// Bytes that had to be reserved.
        need: u64,
        /// Bytes that were free, as far as the system says.
        have: u64,
    },
    /// The disk has bytes left, and no place for one more file.
    #[error(
        "{}: the disk takes no more files, though it has room for bytes (no inodes are left); \
         remove some files there or choose another folder with --download-dir", .path.display()
    )]
    NoMoreFiles {
        /// What could not be made.
        path: PathBuf,
    },
    /// Permissions or a read-only disk.
    #[error(
        "{}: cannot {doing}: {source}; check its permissions or choose another folder with \
         --download-dir", .path.display()
    )]
    Denied {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file or folder is not there.
    #[error("{}: not found; check the path, or download it first", .path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder, a pipe or a device stands where a file should be, or a file where a folder should.
    #[error("{}: {what}; move it away and try again", .path.display())]
    NotRegular {
        /// What was found.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file that is not ours has the name.
    #[error(
        "{}: another file of {size} bytes is there, {wanted} were expected; move it away or \
         choose another folder with --download-dir", .path.display()
    )]
    Exists {
        /// The file found.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The size the torrent gives it.
        wanted: u64,
    },
    /// The file is there under two of its names, and only the user knows which one counts.
    #[error("{}: is there twice, also as {}; move one of them away", .path.display(),
        .other.display())]
    Twice {
        /// One.
        path: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// Another program has locked the file.
    #[error("{}: in use by another peer; stop that one or choose another folder with --download-dir",
        .path.display())]
    Busy {
        /// The locked file.
        path: PathBuf,
    },
    /// The file is shorter or longer than when it was opened, or than the torrent says.
    #[error("{}: has {size} bytes where {wanted} were expected: it was changed; \
             start again to check it", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its size now.
        size: u64,
        /// The size it should have.
        wanted: u64,
    },
    /// Somebody else wrote to the file, or put another one in its place.
    #[error("{}: somebody else changed or replaced it; start again to check it", .path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// A name that is no safe path below the output folder.
    #[error("{name:?}: not a safe file name: {why}; rename it or report the torrent")]
    BadName {
        /// The name.
        name: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A piece or a run of bytes that the torrent does not have.
    #[error("piece {piece}: {length} bytes from {offset} are not in the torrent")]
    OutOfRange {
        /// The piece.
        piece: u32,
        /// Bytes from its start.
        offset: u32,
        /// Bytes.
        length: usize,
    },
    /// The plan's parts do not fit together.
    #[error("the torrent's files, pieces and hashes do not fit together: {0}")]
    Inconsistent(&'static str),
    /// Anything else the system said.
    #[error("{}: cannot {doing}: {source}; check the disk, then try again", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl StorageError {
    /// The variant for what the system said about `path` while `doing` something to it.
    pub fn of(path: &Path, doing: &'static str, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.to_owned(), source.into());
        let not = |what| Self::NotRegular { path: path.clone(), what };
        match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::Full { path, need: 0, have: 0 },
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => Self::Denied { path, doing, source },
            Some(libc::ENOENT) => Self::Missing { path },
            Some(libc::ELOOP | libc::EXDEV) => not("a symbolic link is in the way"),
            Some(libc::EISDIR) => not("a folder is in the way"),
            Some(libc::ENOTDIR) => not("a file is where a folder should be"),
            Some(libc::ENXIO | libc::ENODEV) => not("not a regular file"),
            _ => Self::Io { path, doing, source },
        }
    }

    /// Whether a download may go on by itself once that is over: the disk is full, broke off or
    /// went read-only, or there is a shortage. What could not be made durable is lost, and fetched
    /// again then.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Full { .. } | Self::NoMoreFiles { .. } => true,
            Self::Denied { source, .. } => source.raw_os_error() == Some(libc::EROFS),
            Self::Io { source, .. } => {
                self.is_shortage()
                    || matches!(source.raw_os_error(), Some(libc::EIO | libc::ETIMEDOUT))
            }
            _ => false,
        }
    }

    /// Whether it was for want of descriptors or memory.
    pub fn is_shortage(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        let short = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN, libc::ENOBUFS];
        source.raw_os_error().is_some_and(|code| short.contains(&code))
    }

    /// Whether somebody else did something to the file: the disk itself works.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::Missing { .. } | Self::Altered { .. })
    }
}
