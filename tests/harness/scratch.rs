//! Folders and files of a test.

use super::process::say;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A folder that goes when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new folder below the system's folder for temporary files.
    pub fn new(name: &str) -> Self {
        Self::below(&std::env::temp_dir(), name)
    }

    /// A new folder in memory if this machine has such a place with `room` bytes, else on disk.
    pub fn in_memory(name: &str, room: u64) -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() && free_bytes(memory).is_some_and(|free| free > room) {
            Self::below(memory, name)
        } else {
            Self::new(name)
        }
    }

    fn below(place: &Path, name: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("swarmlet-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it; its folder is made.
    pub fn at(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it lies in the scratch folder")).expect("mkdir");
        path
    }

    /// A folder in it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).expect("mkdir");
        path
    }

    /// A file of random bytes, the same for the same seed.
    pub fn file(&self, name: &str, length: usize, seed: u64) -> PathBuf {
        let path = self.at(name);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut out = BufWriter::new(File::create(&path).expect("a new file"));
        let mut left = length;
        let mut block = vec![0; 1 << 20];
        while left > 0 {
            let count = left.min(block.len());
            random.fill(&mut block[..count]);
            out.write_all(&block[..count]).expect("room for the test's file");
            left -= count;
        }
        out.flush().expect("room for the test's file");
        path
    }

    /// A file of `length` zero bytes that takes no room.
    pub fn sparse(&self, name: &str, length: u64) -> PathBuf {
        let path = self.at(name);
        File::create(&path).and_then(|file| file.set_len(length)).expect("a sparse file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say(&format!("{} stays: {error}", self.0.display()));
        }
    }
}

/// Copies a file to another path, whose folder is made.
pub fn copy(from: &Path, to: &Path) -> PathBuf {
    fs::create_dir_all(to.parent().expect("a path in a folder")).expect("mkdir");
    fs::copy(from, to).expect("room for a copy");
    to.to_owned()
}

/// Changes one bit of one byte, in place.
pub fn flip(path: &Path, offset: u64) {
    let mut file = OpenOptions::new().read(true).write(true).open(path).expect("the file to flip");
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset)).expect("seek");
    file.read_exact(&mut byte).expect("a byte there");
    file.seek(SeekFrom::Start(offset)).expect("seek");
    file.write_all(&[byte[0] ^ 1]).expect("write");
}

/// Panics unless both files have the same bytes.
pub fn assert_same(one: &Path, other: &Path) {
    let open = |path: &Path| {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let length = file.metadata().expect("its length").len();
        (BufReader::with_capacity(1 << 20, file), length)
    };
    let ((mut a, length), (mut b, other_length)) = (open(one), open(other));
    assert_eq!(length, other_length, "length of {} and {}", one.display(), other.display());
    let (mut x, mut y) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut at = 0;
    while at < length {
        let count = x.len().min((length - at) as usize);
        a.read_exact(&mut x[..count]).expect("read");
        b.read_exact(&mut y[..count]).expect("read");
        if x[..count] != y[..count] {
            let first = (0..count).find(|&n| x[n] != y[n]).unwrap_or(0) as u64 + at;
            panic!("{} and {} differ at byte {first}", one.display(), other.display());
        }
        at += count as u64;
    }
}

/// Bytes that may be written where `path` lies.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let facts = rustix::fs::statvfs(path).ok()?;
    Some(facts.f_bavail * facts.f_frsize)
}

/// Everything below a folder, as relative paths, sorted.
pub fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("it lies below").display().to_string();
            found.push(name);
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}
