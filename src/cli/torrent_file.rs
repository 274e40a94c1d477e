//! A .torrent as a file: read from a path or stdin, written whole or not at all.
//!
//! `-` is stdin where a .torrent is read and stdout where one is written. A file is written under
//! another name beside its own and then renamed, so that whoever stops the program, or fills the
//! disk, leaves the old file or none, never half of one.

use super::show::ShowError;
use crate::metainfo::{Metainfo, bencode};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The word that means stdin or stdout.
pub const DASH: &str = "-";

/// Whether a path is that word.
pub fn is_dash(path: &Path) -> bool {
    path.as_os_str() == DASH
}

/// The bytes of a .torrent; never more of them than a torrent may have, and one.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ShowError> {
    let unreadable = |source| ShowError::Unreadable { path: path.to_owned(), source };
    let limit = bencode::TORRENT.bytes as u64 + 1;
    let mut bytes = Vec::new();
    let read = if is_dash(path) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(unreadable)?;
    Ok(bytes)
}

/// Reads and checks a .torrent.
pub fn read_torrent(path: &Path) -> Result<Metainfo, ShowError> {
    Metainfo::parse(&read_bytes(path)?)
        .map_err(|source| ShowError::BadTorrent { path: path.to_owned(), source })
}

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Keep,
    /// It is replaced, and its permissions are kept.
    Replace,
}

/// Writes a file, whole or not at all. What is no regular file (a pipe, `/dev/stdout`) is written
/// to as it is.
///
/// # Errors
/// `AlreadyExists` when a file has the name and is to be kept.
pub fn write(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    // A link stays a link: what it leads to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file() && !old.is_dir()) {
        return OpenOptions::new().write(true).open(&target)?.write_all(bytes);
    }
    if old.is_some() && existing == Existing::Keep {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let temporary = Temporary::beside(&target)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary.0)?;
    file.write_all(bytes)?;
    if let Some(old) = &old {
        file.set_permissions(old.permissions())?;
    }
    file.sync_all()?;
    match existing {
        Existing::Replace => fs::rename(&temporary.0, &target),
        // A second name for the file is refused where there is one already, a rename is not.
        Existing::Keep => fs::hard_link(&temporary.0, &target).or_else(|why| {
            let taken = why.kind() == io::ErrorKind::AlreadyExists || target.exists();
            if taken { Err(why) } else { fs::rename(&temporary.0, &target) }
        }),
    }
}

/// A name beside another, which is gone when this is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        // As long as the process id is there, so that no name is too long that was not before.
        let mut hidden: Vec<u8> = format!(".{}.", std::process::id()).into_bytes();
        let room = 250_usize.saturating_sub(hidden.len());
        let kept: String = name.to_string_lossy().chars().take(room / 4).collect();
        hidden.extend(kept.bytes());
        let hidden = String::from_utf8(hidden).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(Self(path.with_file_name(hidden)))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("swarmlet-torrent-file-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let names = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<_> =
                names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_only_when_it_may_be_and_keeps_its_permissions() {
        let scratch = Scratch::new("replace");
        let file = scratch.0.join("x");
        write(&file, b"one", Existing::Keep).unwrap();
        let kept = write(&file, b"two", Existing::Keep).unwrap_err();
        assert_eq!(kept.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"one");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        write(&file, b"three", Existing::Replace).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"three");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(scratch.names(), ["x"]);
    }

    #[test]
    fn a_link_stays_a_link_and_a_failure_leaves_nothing() {
        let scratch = Scratch::new("link");
        let (file, link) = (scratch.0.join("x"), scratch.0.join("link"));
        write(&file, b"one", Existing::Keep).unwrap();
        symlink("x", &link).unwrap();
        write(&link, b"two", Existing::Replace).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::create_dir(scratch.0.join("folder")).unwrap();
        write(&scratch.0.join("folder"), b"x", Existing::Replace).unwrap_err();
        write(&scratch.0.join("no/such"), b"x", Existing::Keep).unwrap_err();
        let long = scratch.0.join("é".repeat(120));
        write(&long, b"x", Existing::Keep).expect("120 letters of two bytes are a name");
        fs::remove_file(long).unwrap();
        assert_eq!(scratch.names(), ["folder", "link", "x"]);
    }

    #[test]
    fn what_is_no_file_is_written_to_as_it_is() {
        write(Path::new("/dev/null"), b"x", Existing::Keep).unwrap();
    }
}
