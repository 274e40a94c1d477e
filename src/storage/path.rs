//! A stranger's names below the output folder: [`Folder`].
//!
//! Every open starts from the folder's own descriptor and never leaves it: `openat2` with
//! "beneath, no symbolic links" where the kernel has it, otherwise component by component with
//! `O_NOFOLLOW`. What is opened must be a regular file. No link is ever created or followed, no
//! file is ever replaced.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use parking_lot::RwLock;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::error::StorageError;

/// The longest component the file systems we write to take, in bytes.
const MAX_NAME: usize = 255;

/// Rights of what we create, before the umask.
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read an existing file.
    Read,
    /// To read and write an existing file.
    Write,
    /// To read and write a file that is not there yet; folders on the way are made.
    Create,
}

/// The output folder: all files of a torrent are opened through it.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    root: PathBuf,
    /// Read while a file is put into folders that may be empty, written while empty ones go.
    standing: RwLock<()>,
}

impl Folder {
    /// Opens the folder a user named; links in *its* path are the user's own.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(root, flags, Mode::empty())
            .map_err(|e| StorageError::of(root, "open the folder", e))?;
        Ok(Self { fd, root: root.to_owned(), standing: RwLock::default() })
    }

    /// Makes the folder where it is missing, then opens it.
    pub fn create(root: &Path) -> Result<Self, StorageError> {
        std::fs::create_dir_all(root).map_err(|e| StorageError::of(root, "make the folder", e))?;
        Self::open(root)
    }

    /// The path a user sees for some components.
    pub fn shown(&self, path: &[String]) -> PathBuf {
        path.iter().fold(self.root.clone(), |whole, name| whole.join(name))
    }

    /// Opens a regular file; never follows a link, never waits for a pipe.
    pub fn file(&self, path: &[String], access: Access) -> Result<File, StorageError> {
        check(path)?;
        let shown = self.shown(path);
        let failed = |e| self.named(StorageError::of(&shown, "open", e));
        let flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
        let flags = flags
            | match access {
                Access::Read => OFlags::RDONLY,
                Access::Write => OFlags::RDWR,
                Access::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            };
        let mode = if access == Access::Create { FILE_MODE } else { Mode::empty() };
        let open = || self.beneath(path, flags, mode).map_err(failed);
        let fd = if access == Access::Create { self.with_parents(path, open)? } else { open()? };
        let kind = FileType::from_raw_mode(fs::fstat(&fd).map_err(failed)?.st_mode);
        if kind == FileType::RegularFile {
            return Ok(fd.into());
        }
        let what = match kind {
            FileType::Directory => "a folder is in the way",
            FileType::Fifo => "a named pipe is in the way",
            _ => "not a regular file",
        };
        Err(StorageError::NotRegular { path: shown, what })
    }

    /// Opens a regular file if there is one.
    pub fn file_if_there(
        &self,
        path: &[String],
        access: Access,
    ) -> Result<Option<File>, StorageError> {
        match self.file(path, access) {
            Ok(file) => Ok(Some(file)),
            Err(StorageError::Missing { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Gives a file another name, perhaps in another folder, which is made; an existing file of
    /// that name is an error.
    pub fn rename(&self, from: &[String], to: &[String]) -> Result<(), StorageError> {
        check(from)?;
        check(to)?;
        let (old, shown) = (name_of(from), self.shown(to));
        let failed = |e| match e {
            Errno::EXIST => StorageError::Exists {
                size: std::fs::symlink_metadata(&shown).map_or(0, |m| m.len()),
                wanted: std::fs::symlink_metadata(self.shown(from)).map_or(0, |m| m.len()),
                path: shown.clone(),
            },
            e => StorageError::of(&shown, "rename to", e),
        };
        let rename = || {
            let (here, there) = (self.parent(from), self.parent(to));
            let (here, there) = (here.map_err(failed)?, there.map_err(failed)?);
            rename_if_free((&here, old), (&there, name_of(to))).map_err(failed)
        };
        let is_beside = from[..from.len() - 1] == to[..to.len() - 1];
        if is_beside { rename() } else { self.with_parents(to, rename) }
    }

    /// The device and the number of what has this name; `None` when nothing has it.
    pub fn identity(&self, path: &[String]) -> Result<Option<(u64, u64)>, StorageError> {
        check(path)?;
        let found = self
            .parent(path)
            .and_then(|parent| fs::statat(parent, name_of(path), AtFlags::SYMLINK_NOFOLLOW));
        match found {
            Ok(found) => Ok(Some((found.st_dev, found.st_ino))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(StorageError::of(&self.shown(path), "look at", e)),
        }
    }

    /// Makes everything durable that was written to the folder's disk, by whomever.
    pub fn sync_all(&self) -> Result<(), StorageError> {
        fs::syncfs(&self.fd).map_err(|e| StorageError::of(&self.root, "make durable", e))
    }

    /// Removes a file that we made.
    pub fn remove(&self, path: &[String]) -> Result<(), StorageError> {
        check(path)?;
        self.parent(path)
            .and_then(|parent| fs::unlinkat(parent, name_of(path), AtFlags::empty()))
            .map_err(|e| StorageError::of(&self.shown(path), "remove", e))
    }

    /// Removes the folders above a file that is gone, as far as nothing else is in them; never the
    /// output folder itself.
    pub fn remove_empty_parents(&self, path: &[String]) {
        let _none_is_filled = self.standing.write();
        for depth in (1..path.len()).rev() {
            let folder = &path[..depth];
            let removed = self
                .parent(folder)
                .and_then(|parent| fs::unlinkat(parent, name_of(folder), AtFlags::REMOVEDIR));
            if removed.is_err() {
                return; // something is in it, or it was never made
            }
        }
    }

    /// Makes the names in a folder below it durable; of no components: in the folder itself.
    pub fn sync_folder(&self, path: &[String]) -> Result<(), StorageError> {
        let failed = |e| StorageError::of(&self.shown(path), "make the folder durable", e);
        // An O_PATH descriptor cannot be synced, so this one is opened for reading.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if path.is_empty() {
            return fs::fsync(&self.fd).map_err(failed);
        }
        fs::fsync(self.beneath(path, flags, Mode::empty()).map_err(failed)?).map_err(failed)
    }

    /// Whether it lies in memory, not on a disk.
    pub fn is_memory(&self) -> bool {
        super::space::is_memory(&self.fd)
    }

    /// Bytes free to us on the folder's disk; `None` where the system does not say.
    pub fn free(&self) -> Option<u64> {
        let stat = fs::fstatvfs(&self.fd).ok().filter(|stat| stat.f_blocks > 0)?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// A disk that is full may be so for want of inodes; some have no such number.
    fn named(&self, error: StorageError) -> StorageError {
        let is_out = |stat: fs::StatVfs| stat.f_files > 0 && stat.f_favail == 0;
        match error {
            StorageError::Full { path, .. } if fs::fstatvfs(&self.fd).is_ok_and(is_out) => {
                StorageError::NoMoreFiles { path }
            }
            other => other,
        }
    }

    /// Makes the folders above a file, then does something to it, and nobody takes them away before.
    fn with_parents<R>(
        &self,
        path: &[String],
        job: impl FnOnce() -> Result<R, StorageError>,
    ) -> Result<R, StorageError> {
        let _standing = self.standing.read();
        self.make_parents(path)?;
        job()
    }

    fn make_parents(&self, path: &[String]) -> Result<(), StorageError> {
        for depth in 1..path.len() {
            let part = &path[..depth];
            let made = self
                .parent(part)
                .and_then(|parent| fs::mkdirat(parent, name_of(part), FOLDER_MODE));
            match made {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => {
                    let error = StorageError::of(&self.shown(part), "make the folder", e);
                    return Err(self.named(error));
                }
            }
        }
        Ok(())
    }

    /// The folder that holds the last component.
    fn parent(&self, path: &[String]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW | PLACE_ONLY;
        match path.split_last() {
            Some((_, [])) | None => self.fd.try_clone().map_err(|_| Errno::MFILE),
            Some((_, parent)) => self.beneath(parent, flags, Mode::empty()),
        }
    }

    #[cfg(target_os = "linux")]
    fn beneath(&self, path: &[String], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        use rustix::fs::ResolveFlags;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let joined = path.join("/");
        // EAGAIN: something was renamed while the kernel walked; it asks to be asked again.
        for _ in 0..16 {
            match fs::openat2(&self.fd, joined.as_str(), flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Old kernels lack openat2; some sandboxes forbid what they do not know.
                Err(Errno::NOSYS | Errno::PERM) => return self.walk(path, flags, mode),
                done => return done,
            }
        }
        Err(Errno::AGAIN)
    }

    #[cfg(not(target_os = "linux"))]
    fn beneath(&self, path: &[String], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        self.walk(path, flags, mode)
    }

    /// `beneath` by hand: one component at a time, none of them a link.
    fn walk(&self, path: &[String], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let (last, parents) = path.split_last().ok_or(Errno::NOENT)?;
        let on_the_way = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW | PLACE_ONLY;
        let mut at = self.fd.try_clone().map_err(|_| Errno::MFILE)?;
        for name in parents {
            at = fs::openat(&at, name.as_str(), on_the_way, Mode::empty())?;
        }
        fs::openat(&at, last.as_str(), flags | OFlags::NOFOLLOW, mode)
    }
}

/// A descriptor that only names a place needs no right to read it, where the system has such.
#[cfg(target_os = "linux")]
const PLACE_ONLY: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PLACE_ONLY: OFlags = OFlags::RDONLY;

fn name_of(path: &[String]) -> &str {
    path.last().expect("a checked path has a component")
}

fn rename_if_free(
    (here, old): (&OwnedFd, &str),
    (there, new): (&OwnedFd, &str),
) -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    {
        let flags = fs::RenameFlags::NOREPLACE;
        match fs::renameat_with(here, old, there, new, flags) {
            // Some file systems cannot promise it; then look first.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            done => return done,
        }
    }
    match fs::statat(there, new, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => fs::renameat(here, old, there, new),
        Err(e) => Err(e),
    }
}

/// Checks once more what the reader of the metainfo already made safe.
fn check(path: &[String]) -> Result<(), StorageError> {
    let bad = |name: &str, why| Err(StorageError::BadName { name: name.to_owned(), why });
    if path.is_empty() {
        return bad("", "it is empty");
    }
    for name in path {
        match name.as_str() {
            "" => return bad(name, "a component is empty"),
            "." | ".." => return bad(name, "it leaves its folder"),
            n if n.contains('/') => return bad(n, "it contains a slash"),
            n if n.contains('\0') => return bad(n, "it contains a zero byte"),
            n if n.len() > MAX_NAME => return bad(n, "it is longer than 255 bytes"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::scratch::{Scratch, while_others};
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(path: &str) -> Vec<String> {
        path.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let scratch = Scratch::new();
        let folder = Folder::open(scratch.path()).unwrap();
        let long = "x".repeat(256);
        for bad in ["..", "a|..|b", "", "a|", ".", "a/b", "/etc/passwd", "a\0b", &long] {
            let opened = folder.file(&names(bad), Access::Create);
            assert!(matches!(opened, Err(StorageError::BadName { .. })), "{bad:?}: {opened:?}");
        }
        assert!(folder.file(&[], Access::Read).is_err());
    }

    #[test]
    fn folders_on_the_way_are_made_and_a_second_file_is_not() {
        let scratch = Scratch::new();
        let folder = Folder::create(&scratch.path().join("new/out")).unwrap();
        folder.file(&names("a|b|c"), Access::Create).unwrap();
        assert!(scratch.path().join("new/out/a/b/c").is_file());
        assert!(folder.file(&names("a|b|c"), Access::Create).is_err());
        folder.file(&names("a|b|d"), Access::Create).unwrap();
        assert!(folder.file_if_there(&names("a|e"), Access::Read).unwrap().is_none());
    }

    #[test]
    fn a_symbolic_link_below_the_folder_is_refused_wherever_it_stands() {
        let (scratch, outside) = (Scratch::new(), Scratch::new());
        std::fs::write(outside.path().join("canary"), "alive").unwrap();
        symlink(outside.path(), scratch.path().join("dir")).unwrap();
        symlink(outside.path().join("canary"), scratch.path().join("file")).unwrap();
        let folder = Folder::open(scratch.path()).unwrap();
        let write = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        for path in ["dir|canary", "dir|new", "dir|deep|new", "file"] {
            for access in [Access::Read, Access::Write, Access::Create] {
                assert!(folder.file(&names(path), access).is_err(), "{path} {access:?}");
            }
            assert!(folder.walk(&names(path), write, FILE_MODE).is_err(), "{path}, walked");
        }
        assert!(matches!(
            folder.file(&names("dir|canary"), Access::Write),
            Err(StorageError::NotRegular { .. })
        ));
        assert_eq!(std::fs::read(outside.path().join("canary")).unwrap(), b"alive");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn folders_and_pipes_are_no_files_and_opening_them_does_not_wait() {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.path().join("folder")).unwrap();
        let folder = Folder::open(scratch.path()).unwrap();
        fs::mknodat(&folder.fd, "pipe", FileType::Fifo, FILE_MODE, 0).unwrap();
        for name in ["folder", "pipe"] {
            for access in [Access::Read, Access::Write] {
                let opened = folder.file(&names(name), access);
                assert!(matches!(opened, Err(StorageError::NotRegular { .. })), "{opened:?}");
            }
        }
    }

    #[test]
    fn a_rename_never_replaces_a_file() {
        let scratch = Scratch::new();
        let folder = Folder::open(scratch.path()).unwrap();
        for name in ["a|x.part", "a|x"] {
            folder.file(&names(name), Access::Create).unwrap();
        }
        let renamed = folder.rename(&names("a|x.part"), &names("a|x"));
        assert!(matches!(renamed, Err(StorageError::Exists { .. })), "{renamed:?}");
        folder.remove(&names("a|x")).unwrap();
        folder.rename(&names("a|x.part"), &names("a|x")).unwrap();
        folder.sync_folder(&names("a")).unwrap();
        folder.sync_folder(&[]).unwrap();
        assert!(folder.identity(&names("a|x")).unwrap().is_some());
        assert_eq!(folder.identity(&names("a|x.part")).unwrap(), None);
        assert!(scratch.path().join("a/x").is_file());
        folder.rename(&names("a|x"), &names("b|c|y")).unwrap();
        assert!(scratch.path().join("b/c/y").is_file(), "into a folder that is made");
    }

    #[test]
    fn no_folder_is_taken_away_between_its_making_and_the_file_in_it() {
        let scratch = Scratch::new();
        let folder = Folder::create(scratch.path()).unwrap();
        let tidy = || folder.remove_empty_parents(&names("a|b|gone"));
        while_others(tidy, || {
            for _ in 0..2_000 {
                folder.file(&names("a|b|x"), Access::Create).unwrap();
                folder.rename(&names("a|b|x"), &names("x")).unwrap();
                folder.rename(&names("x"), &names("a|b|y")).unwrap();
                folder.remove(&names("a|b|y")).unwrap();
            }
        });
        let missing = folder.rename(&names("a|b|x"), &names("c|x"));
        assert!(matches!(missing, Err(StorageError::Missing { .. })), "{missing:?}");
    }

    #[test]
    fn only_empty_folders_above_a_file_that_is_gone_are_removed() {
        let scratch = Scratch::new();
        let folder = Folder::create(scratch.path()).unwrap();
        for name in ["a|b|c|x", "a|y"] {
            folder.file(&names(name), Access::Create).unwrap();
        }
        folder.remove_empty_parents(&names("a|b|c|x"));
        assert!(scratch.path().join("a/b/c").is_dir(), "the file is still there");
        folder.remove(&names("a|b|c|x")).unwrap();
        folder.remove_empty_parents(&names("a|b|c|x"));
        assert!(!scratch.path().join("a/b").exists() && scratch.path().join("a/y").is_file());
        folder.remove(&names("a|y")).unwrap();
        folder.remove_empty_parents(&names("a|y"));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
