//! Which file it is, and when it was changed last: [`Stamp`].
//!
//! Two equal stamps mean the same bytes: whoever writes to a file, cuts it or makes it longer
//! changes its times, and another file of the same name has another number. The time of the last
//! change cannot be set back, as that of the last write can.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

/// A file at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its device and its number there.
    file: (u64, u64),
    size: u64,
    /// Seconds and nanoseconds.
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|meta| Self::from(&meta))
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl From<&Metadata> for Stamp {
    fn from(meta: &Metadata) -> Self {
        Self {
            file: (meta.dev(), meta.ino()),
            size: meta.len(),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_was_written_cut_or_replaced_has_another_stamp() {
        let scratch = Scratch::new();
        let path = scratch.path().join("f");
        fs::write(&path, "some bytes").unwrap();
        let stamp = || Stamp::of(&File::open(&path).unwrap()).unwrap();
        let mut seen = vec![stamp()];
        assert_eq!(stamp(), seen[0], "to read it changes nothing");
        let mut is_new = |what: &str| {
            let now = stamp();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        // The clock of some file systems ticks a hundred times a second.
        let tick = || std::thread::park_timeout(std::time::Duration::from_millis(12));
        tick();
        fs::write(&path, "same bytes").unwrap();
        is_new("written over");
        File::options().append(true).open(&path).unwrap().set_len(4).unwrap();
        is_new("cut");
        fs::write(scratch.path().join("g"), "some").unwrap();
        fs::rename(scratch.path().join("g"), &path).unwrap();
        is_new("replaced");
    }
}
