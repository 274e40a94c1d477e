//! Where a show keeps its files: a folder that is removed at the end, or one that somebody named.

use super::super::exit::CliError;
use super::super::session::free_at;
use super::super::units;
use crate::cli::exit::Exit;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What the made-up file is called.
pub const FILE: &str = "lecture.bin";

/// How much of the made-up file is made at once.
const BLOCK: usize = 1 << 20;

/// Names that are tried for a folder of our own.
const TRIES: u32 = 16;

/// A folder; dropped, a temporary one is removed with all that is in it.
pub struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// The folder that is named, which must be new or empty; or one of our own.
    pub fn open(named: Option<&Path>) -> Result<Self, CliError> {
        match named {
            Some(path) => Self::kept(path),
            None => Self::temporary(&std::env::temp_dir(), "demo"),
        }
    }

    fn kept(path: &Path) -> Result<Self, CliError> {
        const ADVICE: &str = "choose a new or empty folder with --dir";
        let failed = |why: &io::Error| CliError::disk("use", path, why, ADVICE);
        fs::create_dir_all(path).map_err(|why| failed(&why))?;
        if fs::read_dir(path).map_err(|why| failed(&why))?.next().is_some() {
            return Err(failed(&io::ErrorKind::DirectoryNotEmpty.into()));
        }
        let path = path.canonicalize().map_err(|why| failed(&why))?;
        Ok(Self { path, is_kept: true })
    }

    /// One of our own in memory, where the system has such a place; else where others are.
    pub fn in_memory(what: &str) -> Result<Self, CliError> {
        let shared = Path::new("/dev/shm");
        let place = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        Self::temporary(&place, what)
    }

    fn temporary(place: &Path, what: &str) -> Result<Self, CliError> {
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..TRIES {
            let (own, dice) = (std::process::id(), fastrand::u32(..1 << 24));
            let name = format!("swarmlet-{what}-{own}-{dice:06x}");
            let path = place.join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path, is_kept: false }),
                Err(why) => last = why,
            }
        }
        Err(CliError::disk("make a folder in", place, &last, "choose another with --dir"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it stays.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Makes the file that is shared, of `size` bytes that no compression shortens. There must be
    /// room for it and for `copies` more.
    pub fn make_file(&self, size: u64, copies: usize) -> Result<PathBuf, CliError> {
        let path = self.path.join(FILE);
        self.make_noise(&path, size, copies, &mut fastrand::Rng::new())?;
        Ok(path)
    }

    /// Makes a file of this folder, likewise, of bytes that follow from the dice.
    pub fn make_noise(
        &self,
        path: &Path,
        size: u64,
        copies: usize,
        dice: &mut fastrand::Rng,
    ) -> Result<(), CliError> {
        let needed = size.saturating_mul(copies as u64 + 1);
        if let Some(free) = free_at(&self.path).filter(|&free| free < needed) {
            let (needed, free) = (units::bytes(needed), units::bytes(free));
            let place = self.path.display();
            return Err(CliError::new(
                Exit::Disk,
                format!("the files need {needed}, {free} are free at {place}: try a smaller size"),
            ));
        }
        write_noise(path, size, dice)
            .map_err(|why| CliError::disk("write", path, &why, "choose another folder"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is left to the system, which empties its temporary folder.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn write_noise(path: &Path, size: u64, random: &mut fastrand::Rng) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let mut block = vec![0; BLOCK];
    let mut left = size;
    while left > 0 {
        let part = left.min(BLOCK as u64) as usize;
        random.fill(&mut block[..part]);
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_with_all_that_is_in_it() {
        let folder = Folder::open(None).expect("a folder");
        let path = folder.path().to_owned();
        let file = folder.make_file(3_000_000, 1).expect("a file");
        assert_eq!(fs::metadata(&file).expect("it is there").len(), 3_000_000);
        assert!(!folder.is_kept());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_is_named_stays_and_must_be_empty() {
        let outer = Folder::open(None).expect("a folder");
        let named = outer.path().join("show");
        let folder = Folder::open(Some(&named)).expect("it is new");
        folder.make_file(1, 0).expect("a file");
        assert!(folder.is_kept());
        drop(folder);
        assert!(named.join(FILE).exists());
        let refused = Folder::open(Some(&named)).err().expect("it is not empty");
        assert_eq!(refused.exit, Exit::Disk);
        assert!(refused.message.ends_with("choose a new or empty folder with --dir"), "{refused}");
    }

    #[test]
    fn what_has_no_room_is_refused_before_anything_is_written() {
        let folder = Folder::open(None).expect("a folder");
        let refused = folder.make_file(u64::MAX / 4, 9).expect_err("no disk is so large");
        assert_eq!(refused.exit, Exit::Disk);
        assert!(!folder.path().join(FILE).exists());
    }
}
