//! What a new torrent is made of: the files at a path, and what is left out of them.
//!
//! ```text
//! album/   01.flac   cover.jpg   .git/   Thumbs.db   02.flac.part   link -> /etc
//!          taken     taken       hidden  junk        unfinished     a link
//! ```
//! Of a folder hidden files and what desktops strew about are left out unless they are asked for,
//! links and unfinished downloads always. A path that is named itself is always taken. Nothing is
//! read here but names and sizes.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use super::StorageError;
use super::glob::Glob;
use super::place::{PART_SUFFIX, is_hidden_folder};
use super::stamp::Stamp;
use super::stored::size_of;

/// Folders within folders that are followed; no sane tree is deeper.
const MAX_DEPTH: usize = 100;

/// Files that desktops make beside everything; compared without regard to case.
const JUNK: [&str; 4] = [".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini"];

/// What of a folder becomes part of a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Hidden files and junk too.
    pub include_hidden: bool,
    /// What is left out besides; a folder with all that is in it.
    pub exclude: Vec<Glob>,
}

/// Why something is no part of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its name begins with a dot.
    Hidden,
    /// A file that desktops make.
    Junk,
    /// A pattern means it.
    Excluded,
    /// A `.part` of a download.
    Unfinished,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Special,
}

impl Why {
    /// As a word that stands behind a number and in lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Junk => "junk",
            Self::Excluded => "excluded",
            Self::Unfinished => "unfinished",
            Self::Link => "link",
            Self::Special => "no file",
        }
    }
}

/// Something that is no part of a torrent: a file, or a folder with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Components below the folder; what is no UTF-8 is U+FFFD.
    pub path: Vec<String>,
    /// Why.
    pub why: Why,
}

/// The files at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// What the torrent is called: the path's last component.
    pub name: String,
    /// Whether the path is one file and not a folder.
    pub single: bool,
    /// The files, in the order of BEP 52's tree: components compared one by one as bytes.
    pub files: Vec<Source>,
    /// What is not among them, in the same order.
    pub left_out: Vec<LeftOut>,
}

/// A file to be hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Components below the folder; for a single file, its name alone.
    pub path: Vec<String>,
    /// Where it is.
    pub real: PathBuf,
    /// Bytes.
    pub length: u64,
    /// How it was when it was found.
    pub stamp: Stamp,
}

impl Source {
    pub(super) fn open(&self) -> Result<File, StorageError> {
        File::open(&self.real).map_err(|e| StorageError::of(&self.real, "open", e))
    }

    pub(super) fn unchanged(&self, file: &File) -> Result<(), StorageError> {
        let size = size_of(file, &self.real)?;
        if size == self.length {
            return Ok(());
        }
        Err(StorageError::Changed { path: self.real.clone(), size, wanted: self.length })
    }
}

impl Content {
    /// Looks at a path.
    ///
    /// # Errors
    /// `BadName` for a name that is no UTF-8 and is not left out; whatever looking runs into.
    pub fn find(path: &Path, choice: &Choice) -> Result<Self, StorageError> {
        let failed = |e| StorageError::of(path, "look at", e);
        let real = path.canonicalize().map_err(failed)?;
        // Of `.` and `..` only the resolved path knows the name.
        let name = path.file_name().or(real.file_name()).unwrap_or_default();
        let name = text(name, &real)?;
        let meta = std::fs::metadata(&real).map_err(failed)?;
        if meta.is_file() {
            let (length, stamp) = (meta.len(), Stamp::from(&meta));
            let file = Source { path: vec![name.clone()], real, length, stamp };
            return Ok(Self { name, single: true, files: vec![file], left_out: Vec::new() });
        }
        if !meta.is_dir() {
            let what = "neither a file nor a folder";
            return Err(StorageError::NotRegular { path: path.to_owned(), what });
        }
        let mut found = Self { name, single: false, files: Vec::new(), left_out: Vec::new() };
        found.walk(real, choice)?;
        // Components compare as bytes one by one, so `a/x` comes before `a.b` (BEP 52).
        found.files.sort_by(|a, b| a.path.cmp(&b.path));
        found.left_out.sort();
        Ok(found)
    }

    /// Bytes of all files.
    pub fn total(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// Gives the torrent another name; a single file is called as its torrent is.
    pub fn rename(&mut self, name: String) {
        if self.single {
            self.files.iter_mut().for_each(|file| file.path = vec![name.clone()]);
        }
        self.name = name;
    }

    /// How many were left out and why, such as `3 left out (2 hidden, 1 link)`; `None` when
    /// nothing was.
    pub fn left_out_in_words(&self) -> Option<String> {
        let mut whys: Vec<(Why, usize)> = Vec::new();
        for out in &self.left_out {
            match whys.iter_mut().find(|(why, _)| *why == out.why) {
                Some((_, count)) => *count += 1,
                None => whys.push((out.why, 1)),
            }
        }
        whys.sort();
        let each: Vec<String> =
            whys.iter().map(|(why, count)| format!("{count} {}", why.word())).collect();
        let all = self.left_out.len();
        (all > 0).then(|| format!("{all} left out ({})", each.join(", ")))
    }

    fn walk(&mut self, root: PathBuf, choice: &Choice) -> Result<(), StorageError> {
        let mut folders = vec![(root, Vec::new())];
        while let Some((folder, path)) = folders.pop() {
            let failed = |e| StorageError::of(&folder, "list", e);
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let real = entry.path();
                // Of the entry itself: a link is neither a folder nor a file here.
                let meta = entry.metadata().map_err(|e| StorageError::of(&real, "look at", e))?;
                let name = entry.file_name();
                let mut path: Vec<String> = path.clone();
                path.push(name.to_string_lossy().into_owned());
                if let Some(why) = why_not(&path, &meta, choice) {
                    self.left_out.push(LeftOut { path, why });
                    continue;
                }
                text(&name, &real)?;
                if meta.is_file() {
                    let (length, stamp) = (meta.len(), Stamp::from(&meta));
                    self.files.push(Source { path, real, length, stamp });
                } else if path.len() < MAX_DEPTH {
                    folders.push((real, path));
                } else {
                    let what = "more than 100 folders deep";
                    return Err(StorageError::NotRegular { path: real, what });
                }
            }
        }
        Ok(())
    }
}

/// Why an entry of a folder is left out, if it is.
fn why_not(path: &[String], meta: &Metadata, choice: &Choice) -> Option<Why> {
    let name = path.last().map_or("", String::as_str);
    let is_junk = meta.is_file() && JUNK.iter().any(|junk| junk.eq_ignore_ascii_case(name));
    if meta.is_symlink() {
        return Some(Why::Link);
    }
    if !meta.is_dir() && !meta.is_file() {
        return Some(Why::Special);
    }
    if choice.exclude.iter().any(|glob| glob.matches(path)) {
        return Some(Why::Excluded);
    }
    if is_junk && !choice.include_hidden {
        return Some(Why::Junk);
    }
    if name.starts_with('.') && !choice.include_hidden {
        return Some(Why::Hidden);
    }
    let is_begun = meta.is_file() && name.ends_with(PART_SUFFIX);
    (is_begun || meta.is_dir() && is_hidden_folder(name)).then_some(Why::Unfinished)
}

fn text(name: &std::ffi::OsStr, shown: &Path) -> Result<String, StorageError> {
    match name.to_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(StorageError::BadName {
            name: shown.to_string_lossy().into_owned(),
            why: "it is empty or no UTF-8",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    /// A folder `it` with these files, each as long as its place in the list.
    fn folder(names: &[&str]) -> (Scratch, PathBuf) {
        let scratch = Scratch::new();
        let root = scratch.path().join("it");
        for (length, name) in names.iter().enumerate() {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; length]).unwrap();
        }
        (scratch, root)
    }

    fn check(root: &Path, choice: &Choice, files: &[&str], left_out: &[&str]) {
        let found = Content::find(root, choice).expect("it can be listed");
        let joined = |path: &[String]| path.join("/");
        let names: Vec<String> = found.files.iter().map(|file| joined(&file.path)).collect();
        assert_eq!(names, files);
        let out =
            found.left_out.iter().map(|out| format!("{} {}", out.why.word(), joined(&out.path)));
        assert_eq!(out.collect::<Vec<_>>(), left_out);
    }

    #[test]
    fn hidden_files_junk_links_and_unfinished_downloads_stay_out() {
        let names = ["empty", "a/x", ".git/config", "a/Thumbs.DB", "a/.DS_Store", "b.part", "c/.x"];
        let (_scratch, root) = folder(&names);
        symlink("a", root.join("link")).unwrap();
        check(
            &root,
            &Choice::default(),
            &["a/x", "empty"],
            &[
                "hidden .git",
                "junk a/.DS_Store",
                "junk a/Thumbs.DB",
                "unfinished b.part",
                "hidden c/.x",
                "link link",
            ],
        );
        let found = Content::find(&root, &Choice::default()).unwrap();
        let words = found.left_out_in_words();
        assert_eq!(words.as_deref(), Some("6 left out (2 hidden, 2 junk, 1 unfinished, 1 link)"));
        let all = Choice { include_hidden: true, ..Choice::default() };
        let files = [".git/config", "a/.DS_Store", "a/Thumbs.DB", "a/x", "c/.x", "empty"];
        check(&root, &all, &files, &["unfinished b.part", "link link"]);
    }

    #[test]
    fn what_a_pattern_means_stays_out_with_all_that_is_in_it() {
        let (_scratch, root) = folder(&["a/x.log", "a/y", "b/cache/z", "b/w", "w"]);
        let exclude = ["*.log", "cache", "b/w"].map(|glob| glob.parse().unwrap()).to_vec();
        let choice = Choice { include_hidden: false, exclude };
        let out = ["excluded a/x.log", "excluded b/cache", "excluded b/w"];
        check(&root, &choice, &["a/y", "w"], &out);
    }

    #[test]
    fn a_path_that_is_named_is_taken_whatever_it_is_called() {
        let (_scratch, root) = folder(&[".hidden/.x"]);
        check(&root.join(".hidden/.x"), &Choice::default(), &[".x"], &[]);
        check(&root.join(".hidden"), &Choice::default(), &[], &["hidden .x"]);
    }

    #[test]
    fn only_a_name_that_is_taken_must_be_utf_8() {
        let (_scratch, root) = folder(&["good"]);
        fs::write(root.join(std::ffi::OsStr::from_bytes(b".bad\xff")), "x").unwrap();
        check(&root, &Choice::default(), &["good"], &["hidden .bad\u{fffd}"]);
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"bad\xff")), "x").unwrap();
        let error = Content::find(&root, &Choice::default()).unwrap_err();
        assert!(matches!(&error, StorageError::BadName { name, .. } if name.contains("bad")));
    }

    #[test]
    fn a_single_file_is_renamed_with_its_torrent() {
        let (_scratch, root) = folder(&["a"]);
        let mut one = Content::find(&root.join("a"), &Choice::default()).unwrap();
        one.rename("b".into());
        assert_eq!((one.name.as_str(), one.files[0].path.join("/").as_str()), ("b", "b"));
        let mut all = Content::find(&root, &Choice::default()).unwrap();
        all.rename("b".into());
        assert_eq!((all.name.as_str(), all.files[0].path.join("/").as_str()), ("b", "a"));
    }
}
