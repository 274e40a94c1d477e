//! Room on the disk: asked for before anything is written.
//!
//! Space is reserved in steps; where a step finds the disk full, the file gets its old size back,
//! and what it had no blocks for before, because some file systems keep what a failed reservation
//! already took. In memory (tmpfs) a
//! reservation would be no promise but the work itself: every page taken and filled with zeros, a
//! tenth of a second per GiB before the first byte. There, room is asked for and not reserved.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Reserved at a time, so that a failure comes early.
const STEP: u64 = 64 << 20;

/// What `fstatfs` calls tmpfs.
pub(super) const TMPFS: u64 = 0x0102_1994;

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

/// Gives the file its final size, with every block of it on disk where the file system can do
/// that at no cost.
pub(super) fn reserve(file: &File, length: u64) -> io::Result<()> {
    if is_memory(file) {
        return file.set_len(length);
    }
    let before = file.metadata()?;
    if before.len() > length {
        file.set_len(length)?;
    }
    if before.len() >= length && before.blocks() * 512 >= length {
        return Ok(());
    }
    for start in (0..length).step_by(STEP as usize) {
        match step(file, start, STEP.min(length - start)) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return file.set_len(length),
            Err(e) => {
                undo(file, before.len().min(length))?;
                return Err(e.into());
            }
        }
    }
    Ok(())
}

/// Gives back what a reservation took before it failed: what lies behind the old end, and the holes
/// before it.
fn undo(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)?;
    if length > 0 { give_back(file, length) } else { Ok(()) }
}

/// Whether the file lies in memory, not on a disk.
pub(super) fn is_memory(file: impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    return matches!(rustix::fs::fstatfs(file), Ok(stat) if stat.f_type as u64 == TMPFS);
    #[cfg(not(target_os = "linux"))]
    false
}

fn step(file: &File, start: u64, length: u64) -> Result<(), Errno> {
    loop {
        match fallocate(file, FallocateFlags::empty(), start, length) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Gives reserved room back that holds no data. What was written is made durable first: some file
/// systems call fresh data a hole until then. Where that is not known, nothing is given back.
#[cfg(target_os = "linux")]
pub(super) fn give_back(file: &File, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    file.sync_data()?;
    let mut at = 0;
    for (start, end) in data_ranges(file, length).into_iter().chain([(length, length)]) {
        if start > at && fallocate(file, flags, at, start - at).is_err() {
            return Ok(()); // it stays reserved: that costs room and nothing else
        }
        at = end;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn give_back(_: &File, _: u64) -> io::Result<()> {
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_reservation_that_failed_gives_back_holes_and_what_lies_behind_the_old_end() {
        let scratch = Scratch::new();
        for old in [0, 1 << 20, 4 << 20] {
            let path = scratch.path().join(format!("f-{old}"));
            let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
            file.set_len(old).unwrap();
            if old > 0 {
                file.write_all_at(&[7; 5000], 64 << 10).unwrap();
                file.sync_all().unwrap();
            }
            let taken = || file.metadata().unwrap().blocks() * 512;
            let before = taken();
            if step(&file, 0, 4 << 20).is_err() || is_memory(&file) {
                return; // nothing is reserved here
            }
            assert!(taken() >= 4 << 20);
            undo(&file, old).unwrap();
            assert_eq!((file.metadata().unwrap().len(), taken()), (old, before));
            let mut kept = [0; 5000];
            if old > 0 {
                file.read_exact_at(&mut kept, 64 << 10).unwrap();
                assert_eq!(kept, [7; 5000], "what was written stays");
            }
        }
    }
}
