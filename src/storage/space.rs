//! Room on the disk: asked for before anything is written.
//!
//! Space is reserved in steps; where a step finds the disk full, the file gets its old size back,
//! because some file systems keep what a failed reservation already took.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Reserved at a time, so that a failure comes early.
const STEP: u64 = 64 << 20;

/// What we leave free on a disk beyond what is needed: a hundredth of it, at most this.
const MAX_MARGIN: u64 = 16 << 20;

/// Bytes to be free for `need` more to be written.
pub(super) fn with_margin(need: u64) -> u64 {
    need.saturating_add((need / 100).min(MAX_MARGIN))
}

/// Bytes of `length` that a file does not hold yet.
pub(super) fn missing(file: &File, length: u64) -> io::Result<u64> {
    let meta = file.metadata()?;
    Ok(length.saturating_sub(meta.blocks() * 512))
}

/// Gives the file its final size, with every block of it on disk; false where the file system
/// cannot reserve (the size is set, the blocks are not there).
pub(super) fn reserve(file: &File, length: u64) -> io::Result<bool> {
    let before = file.metadata()?;
    if before.len() > length {
        file.set_len(length)?;
    }
    if before.len() >= length && before.blocks() * 512 >= length {
        return Ok(true);
    }
    for start in (0..length).step_by(STEP as usize) {
        match step(file, start, STEP.min(length - start)) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                file.set_len(length)?;
                return Ok(false);
            }
            Err(e) => {
                file.set_len(before.len().min(length))?;
                return Err(e.into());
            }
        }
    }
    Ok(true)
}

fn step(file: &File, start: u64, length: u64) -> Result<(), Errno> {
    loop {
        match fallocate(file, FallocateFlags::empty(), start, length) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Where a file has data, as (start, end); everything, where the file system does not say.
pub(super) fn data_ranges(file: &File, length: u64) -> Vec<(u64, u64)> {
    use rustix::fs::{SeekFrom, seek};
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < length {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(_) => return vec![(0, length)],
        };
        let Ok(end) = seek(file, SeekFrom::Hole(start)) else { return vec![(0, length)] };
        ranges.push((start, end));
        at = end.max(start + 1);
    }
    ranges
}
