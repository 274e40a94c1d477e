//! The two ways in which `info` lists files, read into one: [`Entry`].
//!
//! [`v1`] reads `length` or `files` (BEP 3, attributes of BEP 47), [`v2`] reads `file tree`
//! (BEP 52), [`agree`] compares the two of a hybrid. Names are still the stranger's here.
//! Nothing here does I/O.

use super::FileKind;
use super::bencode::{Entries, Value};
use super::error::MetainfoError;
use super::path::MAX_DEPTH;
use crate::ids::Sha256Hash;

/// The longest file, in bytes: what libtorrent takes.
const MAX_FILE: u64 = 1 << 48;

/// What all paths may take in memory. A tree repeats a folder's name in each of its files'
/// paths, so that the input alone is no bound.
const MAX_PATHS: usize = 32 << 20;

/// What a component takes in memory beside its bytes.
const COMPONENT_COST: usize = 24;

/// One entry as `info` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Components below the torrent's name, unchecked; empty for the file of a single-file
    /// torrent and for a pad without a path.
    pub path: Vec<&'a [u8]>,
    /// Bytes.
    pub length: u64,
    /// What it is.
    pub kind: FileKind,
    /// v2: the root of its tree; none when it is empty.
    pub root: Option<Sha256Hash>,
}

/// The files of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<'a> {
    /// In the torrent's order.
    pub entries: Vec<Entry<'a>>,
    /// The torrent is one file, called as the torrent is.
    pub is_single: bool,
}

/// Counts what paths take in memory.
#[derive(Default)]
struct Budget(usize);

impl Budget {
    fn take(&mut self, path: &[&[u8]]) -> Result<(), MetainfoError> {
        if path.len() > MAX_DEPTH {
            return Err(MetainfoError::TooDeep);
        }
        self.0 += path.iter().map(|name| name.len() + COMPONENT_COST).sum::<usize>();
        if self.0 > MAX_PATHS { Err(MetainfoError::PathsTooLong) } else { Ok(()) }
    }
}

/// Whether the files are listed in the way of version 1, be it beside `file tree`.
pub fn has_v1(info: &Value<'_>) -> bool {
    let files = info.get(b"files").and_then(|files| files.items());
    files.is_some_and(|mut files| files.next().is_some()) || info.get(b"length").is_some()
}

/// Reads `files`, or `length` when there are none (BEP 3).
pub fn v1<'a>(info: &Value<'a>) -> Result<Listing<'a>, MetainfoError> {
    let Some(files) = info.get(b"files") else {
        let length = length_of(info)?;
        let entry = Entry { path: Vec::new(), length, kind: FileKind::Data, root: None };
        return Ok(Listing { entries: vec![entry], is_single: true });
    };
    let files = files.items().ok_or(MetainfoError::wrong("files", "a list"))?;
    let mut budget = Budget::default();
    let mut entries = Vec::new();
    for file in files {
        let entry = v1_entry(&file)?;
        budget.take(&entry.path)?;
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(MetainfoError::NoFiles);
    }
    Ok(Listing { entries, is_single: false })
}

fn v1_entry<'a>(file: &Value<'a>) -> Result<Entry<'a>, MetainfoError> {
    if !file.is_dict() {
        return Err(MetainfoError::wrong("files", "a list of dictionaries"));
    }
    let kind = kind_of(file);
    let path = v1_path(file)?;
    if path.is_empty() && kind != FileKind::Pad {
        return Err(MetainfoError::Missing("path"));
    }
    Ok(Entry { path, length: length_if_not_link(file, kind)?, kind, root: None })
}

/// The components under `path.utf-8` or `path`; none when there is neither.
fn v1_path<'a>(file: &Value<'a>) -> Result<Vec<&'a [u8]>, MetainfoError> {
    let utf8 = file.get(b"path.utf-8").filter(|path| path.items().is_some());
    let Some(path) = utf8.or_else(|| file.get(b"path")) else { return Ok(Vec::new()) };
    let wrong = MetainfoError::wrong("path", "a list of strings");
    let parts = path.items().ok_or(wrong.clone())?;
    // Of a hundred thousand files each has hardly more than one, and a growing list room for four.
    let mut path = Vec::with_capacity(parts.clone().take(MAX_DEPTH + 1).count());
    for part in parts {
        path.push(part.as_bytes().ok_or(wrong.clone())?);
    }
    Ok(path)
}

/// Reads `attr` (BEP 47): `l` is a link, `p` a pad, others change nothing for us.
fn kind_of(file: &Value<'_>) -> FileKind {
    let attributes = file.get(b"attr").and_then(|attr| attr.as_bytes()).unwrap_or_default();
    if attributes.contains(&b'l') {
        FileKind::Link
    } else if attributes.contains(&b'p') {
        FileKind::Pad
    } else {
        FileKind::Data
    }
}

/// A link has no bytes, whatever it says.
fn length_if_not_link(file: &Value<'_>, kind: FileKind) -> Result<u64, MetainfoError> {
    if kind == FileKind::Link { Ok(0) } else { length_of(file) }
}

fn length_of(file: &Value<'_>) -> Result<u64, MetainfoError> {
    let length = file.get(b"length").ok_or(MetainfoError::Missing("length"))?;
    let value = length.as_int().ok_or(MetainfoError::wrong("length", "a number"))?;
    let length = u64::try_from(value).ok().filter(|&length| length < MAX_FILE);
    length.ok_or(MetainfoError::OutOfRange { key: "length", value })
}

/// Reads `file tree` in its order, which is the order of names compared as bytes (BEP 52).
///
/// `name` is the torrent's: a tree of that one file only is a single-file torrent.
pub fn v2<'a>(info: &Value<'a>, name: &[u8]) -> Result<Listing<'a>, MetainfoError> {
    let tree = info.get(b"file tree").ok_or(MetainfoError::Missing("file tree"))?;
    let tree = tree.entries().ok_or(MetainfoError::wrong("file tree", "a dictionary"))?;
    let mut entries = Vec::new();
    let mut budget = Budget::default();
    let mut path: Vec<&[u8]> = Vec::new();
    let mut open: Vec<Entries<'a>> = vec![tree];
    while let Some(folder) = open.last_mut() {
        let Some((name, node)) = folder.next() else {
            open.pop();
            path.pop();
            continue;
        };
        let children = node.entries().ok_or(MetainfoError::wrong("file tree", "a dictionary"))?;
        if name.is_empty() {
            return Err(MetainfoError::FileAndFolder);
        }
        path.push(name);
        match leaf(&node)? {
            Some(leaf) => {
                budget.take(&path)?;
                entries.push(v2_entry(&leaf, path.clone())?);
                path.pop();
            }
            None => open.push(children),
        }
    }
    if entries.is_empty() {
        return Err(MetainfoError::NoFiles);
    }
    let is_single = matches!(&entries[..], [only] if only.path == [name]);
    if is_single {
        entries[0].path.clear();
    }
    Ok(Listing { entries, is_single })
}

/// A node is a file when all it has is the empty name.
fn leaf<'a>(node: &Value<'a>) -> Result<Option<Value<'a>>, MetainfoError> {
    let Some(leaf) = node.get(b"") else { return Ok(None) };
    if node.entries().is_some_and(|entries| entries.count() > 1) {
        return Err(MetainfoError::FileAndFolder);
    }
    if !leaf.is_dict() {
        return Err(MetainfoError::wrong("file tree", "a dictionary"));
    }
    Ok(Some(leaf))
}

fn v2_entry<'a>(leaf: &Value<'_>, path: Vec<&'a [u8]>) -> Result<Entry<'a>, MetainfoError> {
    let kind = kind_of(leaf);
    if kind == FileKind::Pad {
        return Err(MetainfoError::PadInTree);
    }
    let length = length_if_not_link(leaf, kind)?;
    let root = if length == 0 { None } else { Some(root_of(leaf)?) };
    Ok(Entry { path, length, kind, root })
}

fn root_of(leaf: &Value<'_>) -> Result<Sha256Hash, MetainfoError> {
    let root = leaf.get(b"pieces root").ok_or(MetainfoError::Missing("pieces root"))?;
    let root = root.as_bytes().and_then(|root| Sha256Hash::try_from(root).ok());
    let root = root.filter(|root| root != &[0; 32]);
    root.ok_or(MetainfoError::wrong("pieces root", "a hash of 32 bytes"))
}

/// Checks that both lists of a hybrid say the same: the same files in the same order, and pads
/// that do nothing but align the next file with a piece (BEP 52, upgrade path).
pub fn agree(
    v1: &Listing<'_>,
    v2: &Listing<'_>,
    piece_length: u32,
    name: &[u8],
) -> Result<(), MetainfoError> {
    let differ = |what| Err(MetainfoError::VersionsDiffer(what));
    let mut expected = v2.entries.iter();
    let mut offset = 0_u64;
    for entry in &v1.entries {
        let boundary = offset.checked_next_multiple_of(u64::from(piece_length));
        let to_boundary = boundary.ok_or(MetainfoError::TooLarge)? - offset;
        if entry.kind == FileKind::Pad {
            if entry.length == 0 || entry.length != to_boundary {
                return differ("where pads are");
            }
        } else {
            let Some(other) = expected.next() else { return differ("how many files there are") };
            if below_name(entry, v1, name) != below_name(other, v2, name) {
                return differ("a file's path");
            }
            if (entry.length, entry.kind) != (other.length, other.kind) {
                return differ("a file's length or kind");
            }
            if entry.length > 0 && to_boundary != 0 {
                return differ("where a file begins");
            }
        }
        offset = offset.checked_add(entry.length).ok_or(MetainfoError::TooLarge)?;
    }
    if expected.next().is_some() { differ("how many files there are") } else { Ok(()) }
}

/// The components by which both lists are compared: a single file's is the torrent's name.
fn below_name<'a>(entry: &Entry<'a>, listing: &Listing<'_>, name: &'a [u8]) -> Vec<&'a [u8]> {
    if listing.is_single { vec![name] } else { entry.path.clone() }
}
