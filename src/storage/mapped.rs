//! A memory-mapped file: the only map in the program.
//!
//! Blocks are written by position, into the same pages of memory that the map shows, and a piece
//! is hashed where it lies, without another copy. The map is only read. What makes that safe: it
//! has the file's final size and is never resized; its pages are made present by the kernel
//! before we look at them, so that what would be a signal is an error; what slips through between
//! the two falls into a net ([`Watch`]) and breaks the map, not the program.
//!
//! ```text
//! socket -> buffer -- pwrite --> | page | page | page |  <-- view: populated, then hashed
//! ```
//! Storing through the map costs twice as much as `pwrite`: each page is first filled with zeros
//! and made writable, one by one (docs/performance.md has the figures).
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::sys::Watch;

/// Bytes made durable between two looks at the deadline.
const FLUSH: u64 = 64 << 20;

/// A file mapped to be read.
#[derive(Debug)]
pub(super) struct Mapped {
    /// Stands before `map`, so that it is dropped first.
    net: Watch,
    map: MmapRaw,
    length: u64,
}

impl Mapped {
    /// Maps a file of `length` bytes.
    pub(super) fn new(file: &File, length: u64) -> io::Result<Self> {
        let bytes = usize::try_from(length).map_err(io::Error::other)?;
        let map = MmapOptions::new().len(bytes).map_raw_read_only(file)?;
        let net = Watch::over(map.as_ptr(), map.len())
            .ok_or_else(|| io::Error::other("no net can be spread under a map"))?;
        Ok(Self { net, map, length })
    }

    /// That every byte seen so far was the file's.
    ///
    /// # Errors
    /// `EIO` once the file was cut under a look: the map is of no more use.
    pub(super) fn sound(&self) -> io::Result<()> {
        if self.net.is_broken() { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }

    /// Bytes of the file to be hashed while they are still in the processor's cache.
    ///
    /// The caller must own the claim on all of them (a piece that waits for its verdict is
    /// written by nobody). Another *program* may still change them; a hash over them is then
    /// simply wrong, and the piece is not believed. Ask [`Mapped::sound`] after hashing.
    ///
    /// # Errors
    /// `EFAULT` when the file no longer has these bytes; `EINVAL` when the kernel cannot say.
    pub(super) fn view(&self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let at = self.place(offset, length)?;
        self.map.advise_range(Advice::PopulateRead, at, length)?;
        // SAFETY: the range lies inside the map, its pages are present, and none of our threads
        // writes to it meanwhile (the claim above).
        Ok(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(at), length) })
    }

    /// Makes the file durable; false when `go_on` said no before the end.
    pub(super) fn sync(&self, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
        for offset in (0..self.length).step_by(FLUSH as usize) {
            if !go_on() {
                return Ok(false);
            }
            let length = FLUSH.min(self.length - offset);
            self.map.flush_range(offset as usize, length as usize)?;
        }
        Ok(true)
    }

    /// The position of a range that lies inside the map.
    fn place(&self, offset: u64, length: usize) -> io::Result<usize> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.length => Ok(offset as usize),
            _ => Err(io::Error::other("a range behind the end of the file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;
    use std::os::unix::fs::FileExt;

    const LENGTH: u64 = (2 << 20) + 5;

    fn mapped_file() -> (Scratch, File, Mapped) {
        let scratch = Scratch::new();
        let path = scratch.path().join("f");
        let file = File::options().read(true).write(true).create_new(true).open(path);
        let file = file.expect("a new file");
        file.set_len(LENGTH).expect("room for a test");
        let mapped = Mapped::new(&file, LENGTH).expect("it can be mapped");
        (scratch, file, mapped)
    }

    #[test]
    fn what_is_written_by_position_is_seen() {
        let (_scratch, file, mapped) = mapped_file();
        for offset in [0, 4095, 1 << 20, LENGTH - 10] {
            file.write_all_at(b"0123456789", offset).unwrap();
            assert_eq!(mapped.view(offset, 10).unwrap(), b"0123456789");
        }
        assert!(mapped.view(LENGTH - 9, 10).is_err(), "behind the end");
        assert!(mapped.view(u64::MAX, 1).is_err());
        assert!(mapped.sync(&|| true).unwrap() && !mapped.sync(&|| false).unwrap());
    }

    #[test]
    fn a_file_that_was_cut_is_an_error() {
        let (_scratch, file, mapped) = mapped_file();
        file.set_len(1 << 20).unwrap();
        let error = mapped.view(1 << 20, 1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EFAULT));
        assert_eq!(mapped.view((1 << 20) - 1, 1).unwrap(), [0]);
    }

    #[test]
    fn a_file_that_is_cut_while_we_look_breaks_its_map_and_not_the_program() {
        let (_scratch, file, mapped) = mapped_file();
        let (_other, _file, healthy) = mapped_file();
        file.write_all_at(&[7; 100], 0).unwrap();
        let seen = mapped.view(0, 100).unwrap();
        file.set_len(0).unwrap();
        // SAFETY: the range lies inside the map; what is under it is the point of the test.
        let byte = unsafe { seen.as_ptr().read_volatile() };
        assert_eq!(byte, 0, "zeros instead of a signal");
        assert_eq!(mapped.sound().unwrap_err().raw_os_error(), Some(libc::EIO));
        file.set_len(LENGTH).unwrap();
        assert!(mapped.sound().is_err(), "a broken map stays broken");
        healthy.sound().unwrap();
    }
}
