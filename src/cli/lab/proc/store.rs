//! The files of a run: the content, its .torrent, and a folder for each peer.
//!
//! ```text
//! content/content.bin, content.torrent    peer-0/content.bin (a link, or a copy to be spoilt)    peer-1/ ..
//! ```

use super::super::folder::Folder;
use crate::cli::exit::CliError;
use crate::geometry::BLOCK_LEN;
use crate::lab::setting::{Role, Setting};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What the content is called.
const CONTENT: &str = "content.bin";

/// How much of two files is compared at once.
const CHUNK: usize = 1 << 20;

/// The files.
pub struct Store {
    folder: Folder,
    source: PathBuf,
    size: u64,
}

impl Store {
    /// A folder with the content of a setting, whose bytes follow from the seed.
    pub fn open(setting: &Setting, seed: u64) -> Result<Self, CliError> {
        let folder = Folder::in_memory("lab")?;
        let source = folder.path().join(CONTENT);
        let copies: usize = setting
            .groups
            .iter()
            .filter(|group| group.role == Role::Leech)
            .map(|group| group.count)
            .sum();
        let mut dice = fastrand::Rng::with_seed(seed);
        folder.make_noise(&source, setting.content.size, copies + 1, &mut dice)?;
        Ok(Self { folder, source, size: setting.content.size })
    }

    /// The content.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Its .torrent.
    pub fn torrent(&self) -> PathBuf {
        self.folder.path().join("content.torrent")
    }

    /// Makes a folder for somebody.
    pub fn folder(&self, name: &str) -> Result<PathBuf, CliError> {
        let path = self.folder.path().join(name);
        let made = fs::create_dir(&path);
        made.map_err(|why| CliError::disk("make", &path, &why, "is the disk full?"))?;
        Ok(path)
    }

    /// Gives a peer the content: the file itself, or a copy that can be spoilt.
    pub fn give(&self, folder: &Path, copy: bool) -> Result<(), CliError> {
        let path = folder.join(CONTENT);
        let given = if copy {
            fs::copy(&self.source, &path).map(drop)
        } else {
            fs::hard_link(&self.source, &path)
        };
        given.map_err(|why| CliError::disk("write", &path, &why, "is the disk full?"))
    }

    /// Spoils a peer's copy: from now on no block of it is right.
    pub fn spoil(&self, folder: &Path) -> Result<(), CliError> {
        let path = folder.join(CONTENT);
        let spoilt = spoil(&path, self.size);
        spoilt.map_err(|why| CliError::disk("change", &path, &why, "is the disk full?"))
    }

    /// How many bytes of what a peer fetched differ from the content; those that are missing do.
    pub fn wrong_bytes(&self, folder: &Path) -> u64 {
        // What cannot be read is not what was fetched.
        let compared = difference(&self.source, &folder.join(CONTENT));
        compared.unwrap_or(self.size)
    }
}

fn spoil(path: &Path, size: u64) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    for at in (0..size).step_by(BLOCK_LEN as usize) {
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[!byte[0]], at)?;
    }
    Ok(())
}

fn difference(one: &Path, other: &Path) -> io::Result<u64> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let mut count = one.metadata()?.len().abs_diff(other.metadata()?.len());
    let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let (a, b) = (fill(&mut one, &mut left)?, fill(&mut other, &mut right)?);
        let both = a.min(b);
        if both == 0 {
            return Ok(count);
        }
        if left[..both] != right[..both] {
            let pairs = left[..both].iter().zip(&right[..both]);
            count += pairs.filter(|(a, b)| a != b).count() as u64;
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut full = 0;
    while full < buffer.len() {
        match file.read(&mut buffer[full..])? {
            0 => break,
            more => full += more,
        }
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::super::tests::setting;
    use super::*;

    #[test]
    fn the_content_follows_from_the_seed_and_goes_with_the_run() {
        let bytes = |seed| {
            let store = Store::open(&setting(), seed).expect("a folder");
            let bytes = fs::read(store.source()).expect("it is there");
            let path = store.source().to_owned();
            drop(store);
            assert!(!path.exists());
            bytes
        };
        let first = bytes(1);
        assert_eq!(first.len() as u64, setting().content.size);
        assert!(first == bytes(1) && first != bytes(2));
        let kinds: std::collections::BTreeSet<u8> = first.iter().copied().collect();
        assert_eq!(kinds.len(), 256, "it is no file of zeros");
    }

    #[test]
    fn a_liar_has_a_copy_that_differs_in_every_block_and_others_the_file_itself() {
        let store = Store::open(&setting(), 1).expect("a folder");
        let [honest, liar, nobody] = ["a", "b", "c"].map(|name| store.folder(name).expect("new"));
        store.give(&honest, false).expect("a link");
        store.give(&liar, true).expect("a copy");
        assert_eq!(store.wrong_bytes(&liar), 0);
        store.spoil(&liar).expect("its own file");
        let size = setting().content.size;
        assert_eq!(store.wrong_bytes(&liar), size.div_ceil(BLOCK_LEN.into()));
        assert_eq!(store.wrong_bytes(&honest), 0);
        assert_eq!(store.wrong_bytes(&nobody), size);
        let short = honest.join(CONTENT);
        fs::remove_file(&short).expect("its own name");
        fs::write(&short, &fs::read(store.source()).expect("there")[..9]).expect("written");
        assert_eq!(store.wrong_bytes(&honest), size - 9);
    }
}
