//! A file read and written at positions (`pread`, `pwrite`): the mapped file's twin.
//!
//! It is slower by a lock and a call per write, and it works on every file system. A file
//! that is truncated under us gives an error here, never a signal.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// An open file of a torrent.
#[derive(Debug)]
pub(super) struct Positioned {
    pub(super) file: File,
}

impl Positioned {
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
