//! A memory-mapped file: the only map in the program.
//!
//! What makes a map safe to write to: its space was reserved before, so that no store finds the
//! disk full; it is mapped once at its final size and never resized; and its pages are made
//! present and writable by the kernel, a window at a time, before we touch them, so that what
//! would be a signal is an error; what slips through between the two falls into a net
//! ([`Watch`]) and breaks the map, not the program. Whoever writes holds a claim on its bytes, so two threads never
//! copy to the same place.
//!
//! ```text
//! | window 0 (2 MiB) | window 1 | window 2 |      populated once each, on the first write into it
//!        ^^^^ block copied through a raw pointer: no reference to bytes that may change
//! ```
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::sys::Watch;

/// Pages are populated this many bytes at a time: a huge page's worth. Fault by fault the kernel
/// is entered every 4 KiB, which costs a fifth of the whole transfer.
const WINDOW: u64 = 2 << 20;

/// Bytes made durable between two looks at the deadline.
const FLUSH: u64 = 64 << 20;

/// A file mapped for writing. Reads go through the file, not through the map.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) file: File,
    /// Stands before `map`, so that it is dropped first.
    net: Watch,
    map: MmapRaw,
    length: u64,
    /// One bit per window: its pages are present.
    populated: Vec<AtomicU64>,
    /// Cleared when the kernel is too old to populate; reserved space must do then.
    populates: AtomicBool,
}

impl Mapped {
    /// Maps a file whose `length` bytes exist and are reserved. Gives the file back with the
    /// reason when it cannot be mapped.
    pub(super) fn new(file: File, length: u64) -> Result<Self, (File, io::Error)> {
        let windows = length.div_ceil(WINDOW).div_ceil(64);
        let mapped = usize::try_from(length)
            .map_err(io::Error::other)
            .and_then(|bytes| MmapOptions::new().len(bytes).map_raw(&file))
            .and_then(|map| match Watch::over(map.as_ptr(), map.len()) {
                Some(net) => Ok((map, net)),
                None => Err(io::Error::other("no net can be spread under a map")),
            });
        match mapped {
            Ok((map, net)) => Ok(Self {
                file,
                net,
                map,
                length,
                populated: (0..windows).map(|_| AtomicU64::new(0)).collect(),
                populates: AtomicBool::new(true),
            }),
            Err(e) => Err((file, e)),
        }
    }

    /// That every byte written or seen so far was the file's.
    ///
    /// # Errors
    /// `EIO` once the file was cut under a copy: the map is of no more use.
    pub(super) fn sound(&self) -> io::Result<()> {
        if self.net.is_broken() { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }

    /// Copies bytes into the file. The caller holds a claim on them: nobody else writes there.
    ///
    /// # Errors
    /// `EFAULT` when the file no longer has these bytes, `EIO` as [`Mapped::sound`].
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let at = self.place(offset, bytes.len())?;
        self.populate(offset, bytes.len() as u64)?;
        // SAFETY: `place` checked that the range lies inside the map, which lives as long as
        // `self`; `bytes` is ordinary memory and cannot overlap a map to which no reference
        // exists while claimed; the claim keeps other writers of ours away from the range.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.map.as_mut_ptr().add(at),
                bytes.len(),
            );
        }
        self.sound()
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
        self.file.sync_data()?;
        Ok(true)
    }

    /// The position of a range that lies inside the map.
    fn place(&self, offset: u64, length: usize) -> io::Result<usize> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.length => Ok(offset as usize),
            _ => Err(io::Error::other("a range behind the end of the file")),
        }
    }

    fn populate(&self, offset: u64, length: u64) -> io::Result<()> {
        if length == 0 || !self.populates.load(Ordering::Relaxed) {
            return Ok(());
        }
        for window in offset / WINDOW..=(offset + length - 1) / WINDOW {
            let (word, bit) = (&self.populated[(window / 64) as usize], 1 << (window % 64));
            if word.load(Ordering::Relaxed) & bit != 0 {
                continue;
            }
            let start = window * WINDOW;
            let size = WINDOW.min(self.length - start);
            match self.map.advise_range(Advice::PopulateWrite, start as usize, size as usize) {
                Ok(()) => _ = word.fetch_or(bit, Ordering::Relaxed),
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                    self.populates.store(false, Ordering::Relaxed);
                    return Ok(());
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    fn mapped_file(length: u64) -> (Scratch, Mapped) {
        let scratch = Scratch::new();
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(scratch.path().join("f"))
            .expect("a new file");
        file.set_len(length).expect("room for a test");
        (scratch, Mapped::new(file, length).expect("it can be mapped"))
    }

    #[test]
    fn writes_anywhere_are_in_the_file() {
        let length = 3 * WINDOW + 5;
        let (scratch, mapped) = mapped_file(length);
        for offset in [0, 4095, WINDOW - 3, 2 * WINDOW, length - 10] {
            mapped.write(offset, b"0123456789").unwrap();
            assert_eq!(mapped.view(offset, 10).unwrap(), b"0123456789");
        }
        mapped.write(length, b"").unwrap();
        assert!(mapped.write(length - 9, b"0123456789").is_err(), "behind the end");
        assert!(mapped.write(u64::MAX, b"0").is_err() && mapped.view(length, 1).is_err());
        assert!(mapped.sync(&|| true).unwrap() && !mapped.sync(&|| false).unwrap());
        let bytes = std::fs::read(scratch.path().join("f")).unwrap();
        assert_eq!(&bytes[2 * WINDOW as usize..][..10], b"0123456789");
        assert_eq!(bytes.len() as u64, length);
    }

    #[test]
    fn a_file_that_was_cut_is_an_error() {
        let (_scratch, mapped) = mapped_file(2 * WINDOW);
        mapped.file.set_len(WINDOW).unwrap();
        let fault = Some(libc::EFAULT);
        assert_eq!(mapped.write(WINDOW, b"x").unwrap_err().raw_os_error(), fault);
        assert_eq!(mapped.view(WINDOW, 1).unwrap_err().raw_os_error(), fault);
        mapped.write(0, b"x").unwrap();
    }

    #[test]
    fn a_file_that_is_cut_while_we_look_breaks_its_map_and_not_the_program() {
        let (_scratch, mapped) = mapped_file(2 * WINDOW);
        let (_other, healthy) = mapped_file(WINDOW);
        mapped.write(0, &[7; 100]).unwrap();
        let seen = mapped.view(0, 100).unwrap();
        mapped.file.set_len(0).unwrap();
        // SAFETY: the range lies inside the map; what is under it is the point of the test.
        let byte = unsafe { seen.as_ptr().read_volatile() };
        assert_eq!(byte, 0, "zeros instead of a signal");
        assert_eq!(mapped.sound().unwrap_err().raw_os_error(), Some(libc::EIO));
        mapped.file.set_len(2 * WINDOW).unwrap();
        assert!(mapped.write(0, b"x").is_err(), "a broken map stays broken");
        healthy.write(0, b"x").unwrap();
    }
}
