//! A stranger's names become safe ones.
//!
//! [`component`] makes one name harmless wherever it is used; [`Namer`] sees to it that no two
//! entries of a torrent get one path, nor one entry a path that another needs as its folder.
//! Harmless oddities are mended and not refused, as libtorrent does. Nothing here does I/O.

use std::borrow::Cow;
use std::collections::HashMap;

/// The longest component in bytes: file systems take 255, and `.part` must fit behind it.
pub const MAX_COMPONENT: usize = 250;

/// The most components below the torrent's name.
pub const MAX_DEPTH: usize = 100;

/// How many clashing names of one torrent are told apart; more of them are an attack.
const MAX_RENAMES: u32 = 50;

/// Stands for what could not stay.
const SUBSTITUTE: char = '_';

/// What a name is called that has nothing left.
const NAMELESS: &str = "_";

/// The longest ending that a name keeps when it is cut.
const MAX_EXTENSION: usize = 16;

/// More names on one path than honest torrents have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_RENAMES} entries share a path with another, among them `{path}`")]
pub struct TooManyClashes {
    /// One of them.
    pub path: String,
}

/// One safe path component, or `None` when nothing is left of the name.
///
/// Separators, NUL and marks that change the direction of writing are dropped; other control
/// characters and what is no UTF-8 become `_`; a name that is too long keeps its ending.
pub fn component(raw: &[u8]) -> Option<String> {
    let mut name = String::with_capacity(raw.len().min(MAX_COMPONENT * 2));
    for chunk in raw.utf8_chunks() {
        name.extend(chunk.valid().chars().filter_map(harmless));
        if !chunk.invalid().is_empty() {
            name.push(SUBSTITUTE);
        }
    }
    let name = shortened(name, MAX_COMPONENT);
    (!matches!(name.as_str(), "" | "." | "..")).then_some(name)
}

/// [`component`], with `_` for a name of which nothing is left.
pub fn component_or_substitute(raw: &[u8]) -> String {
    component(raw).unwrap_or_else(|| NAMELESS.to_owned())
}

fn harmless(c: char) -> Option<char> {
    match c {
        '/' | '\\' | '\0' => None,
        c if changes_direction(c) => None,
        '\u{2028}' | '\u{2029}' => Some(SUBSTITUTE),
        c if c.is_control() => Some(SUBSTITUTE),
        c => Some(c),
    }
}

/// The marks by which `gpj.exe` can be made to look like `exe.jpg` (Unicode, bidirectional text).
fn changes_direction(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Cuts a name to `limit` bytes between two characters, keeping a short ending behind a dot.
fn shortened(name: String, limit: usize) -> String {
    if name.len() <= limit {
        return name;
    }
    let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
    let ending = if ending.len() <= MAX_EXTENSION { ending } else { "" };
    let stem = name.floor_char_boundary(limit - ending.len());
    format!("{}{ending}", &name[..stem])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File,
    Folder(u32),
}

/// Gives every entry of one torrent a path of its own.
///
/// Names are kept by folder, not by whole path: memory stays in proportion to the names.
#[derive(Debug, Default)]
pub struct Namer<'a> {
    names: HashMap<(u32, Cow<'a, str>), Node>,
    folders: u32,
    renames: u32,
}

impl<'a> Namer<'a> {
    /// Takes a path of safe components. `None` says that it is free; otherwise the path to use
    /// instead, with the first free of `x.1`, `x.2` .. where `x` is taken.
    pub fn claim(&mut self, path: &'a [String]) -> Result<Option<Vec<String>>, TooManyClashes> {
        let mut instead: Option<Vec<String>> = None;
        let mut folder = 0;
        for (i, name) in path.iter().enumerate() {
            let is_last = i + 1 == path.len();
            let found = self.place(folder, name, is_last);
            let (attempt, node) = found.ok_or_else(|| TooManyClashes { path: path.join("/") })?;
            if attempt > 0 {
                instead.get_or_insert_with(|| path.to_vec())[i] =
                    numbered(name, attempt).into_owned();
            }
            if let Node::Folder(id) = node {
                folder = id;
            }
        }
        Ok(instead)
    }

    /// The first number under which a name in `folder` is free, or is a folder already when a
    /// folder is wanted; 0 is the name itself.
    fn place(&mut self, folder: u32, name: &'a str, is_file: bool) -> Option<(u32, Node)> {
        for attempt in 0..=MAX_RENAMES {
            let key = (folder, numbered(name, attempt));
            match self.names.get(&key) {
                Some(&node @ Node::Folder(_)) if !is_file => return Some((attempt, node)),
                Some(_) => {}
                None => {
                    self.renames += u32::from(attempt > 0);
                    let node = if is_file { Node::File } else { self.new_folder() };
                    self.names.insert(key, node);
                    return (self.renames <= MAX_RENAMES).then_some((attempt, node));
                }
            }
        }
        None
    }

    fn new_folder(&mut self) -> Node {
        self.folders += 1;
        Node::Folder(self.folders)
    }
}

fn numbered(name: &str, attempt: u32) -> Cow<'_, str> {
    if attempt == 0 {
        return Cow::Borrowed(name);
    }
    let suffix = format!(".{attempt}");
    let stem = name.floor_char_boundary(MAX_COMPONENT - suffix.len());
    Cow::Owned(format!("{}{suffix}", &name[..stem]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder_or_disturb_a_terminal() {
        let cases: [(&[u8], Option<&str>); 14] = [
            (b"plain name.txt", Some("plain name.txt")),
            ("grün 別の世界".as_bytes(), Some("grün 別の世界")),
            (b"..", None),
            (b".", None),
            (b"", None),
            (b"/", None),
            (b"\0\0\0\0", None),
            (b"/etc/passwd", Some("etcpasswd")),
            (b"..\\..\\x", Some("....x")),
            (b"a\x1b]0;b\x07", Some("a_]0;b_")),
            (b"\xc0\xaf\xff", Some("___")),
            ("ab\u{202e}cd\u{2066}".as_bytes(), Some("abcd")),
            (b"./.", None),
            (b"...", Some("...")),
        ];
        for (raw, expected) in cases {
            assert_eq!(component(raw).as_deref(), expected, "{}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_keeps_its_ending() {
        let long = component(format!("{}.torrent", "é".repeat(200)).as_bytes()).unwrap();
        assert_eq!(long, format!("{}.torrent", "é".repeat(121)));
        let endless = component(format!("a.{}", "b".repeat(400)).as_bytes()).unwrap();
        assert_eq!(endless.len(), MAX_COMPONENT);
    }

    /// What each of these paths becomes, taken in this order.
    fn claimed(paths: &[&str]) -> Vec<String> {
        let paths = paths.iter().map(|path| path.split('/').map(str::to_owned).collect());
        let paths: Vec<Vec<String>> = paths.collect();
        let mut namer = Namer::default();
        let claim = |path| namer.claim(path).unwrap().unwrap_or_else(|| path.to_vec()).join("/");
        paths.iter().map(Vec::as_slice).map(claim).collect()
    }

    #[test]
    fn two_entries_never_get_one_path() {
        let paths = ["a/b", "a/b", "a/b", "a/b.1", "b"];
        assert_eq!(claimed(&paths), ["a/b", "a/b.1", "a/b.2", "a/b.1.1", "b"]);
    }

    #[test]
    fn a_file_never_stands_where_another_entry_needs_a_folder() {
        let paths = ["x", "x/y", "x/z", "d/e", "d"];
        assert_eq!(claimed(&paths), ["x", "x.1/y", "x.1/z", "d/e", "d.1"]);
    }

    #[test]
    fn more_clashes_than_honest_torrents_have_are_refused() {
        let mut namer = Namer::default();
        let path = ["a".to_owned()];
        for _ in 0..=MAX_RENAMES {
            namer.claim(&path).unwrap();
        }
        assert_eq!(namer.claim(&path), Err(TooManyClashes { path: "a".to_owned() }));
    }

    #[test]
    fn a_numbered_name_is_no_longer_than_a_name_may_be() {
        let long = "é".repeat(125);
        assert_eq!(claimed(&[&long, &long]), [long.clone(), format!("{}.1", "é".repeat(124))]);
    }
}
