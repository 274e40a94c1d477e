//! Where a file of a torrent is on disk: its three names, and which of them it has now.
//!
//! ```text
//! out/T/a/x                  whole
//! out/T/a/x.part             wanted, and something is missing
//! out/.T.1a2b3c4d.parts/7    not wanted, and something of it is here: the entry's number
//! ```
//! A piece of a v1 torrent may have bytes of a file that is wanted and of one that is not. To be
//! checked and served it must be whole, so the other file's bytes are kept too: out of the user's
//! sight, in a file that takes no more room than they do. The hidden folder is called after the
//! torrent and its hashes, so that two torrents of one name do not meet there; it is made for the
//! first such file and goes with the last. Nothing here does I/O.

use sha2::{Digest, Sha256};

use super::plan::StoragePlan;
use crate::metainfo::{FileKind, PieceHash};

/// What an incomplete file's name ends in.
pub const PART_SUFFIX: &str = ".part";

/// What a hidden folder's name ends in.
const HIDDEN_SUFFIX: &str = ".parts";

/// The most bytes of a torrent's name in the hidden folder's name, which has at most 255.
const MOST_OF_NAME: usize = 200;

/// Which of its names a file has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// None: it is not wanted, and nothing of it is here.
    Absent,
    /// The hidden one.
    Aside,
    /// `NAME.part`.
    Part,
    /// `NAME`.
    Whole,
}

/// The names of one file, below the output folder.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) whole: Vec<String>,
    pub(super) part: Vec<String>,
    pub(super) aside: Vec<String>,
}

impl Names {
    /// The names of an entry of the torrent's list.
    pub(super) fn of(path: &[String], entry: usize, hidden: &str) -> Self {
        let mut part = path.to_vec();
        if let Some(name) = part.last_mut() {
            name.push_str(PART_SUFFIX);
        }
        let aside = vec![hidden.to_owned(), entry.to_string()];
        Self { whole: path.to_vec(), part, aside }
    }

    /// The one that stands for a place.
    pub(super) fn at(&self, place: Place) -> Option<&[String]> {
        match place {
            Place::Absent => None,
            Place::Aside => Some(&self.aside),
            Place::Part => Some(&self.part),
            Place::Whole => Some(&self.whole),
        }
    }
}

/// The name of a torrent's hidden folder, the same at every start.
pub(super) fn hidden_folder(plan: &StoragePlan) -> String {
    let mut digest = Sha256::new();
    for hash in &plan.hashes {
        match hash {
            PieceHash::V1(hash) => digest.update(hash),
            PieceHash::V2 { root, .. } => digest.update(root),
        }
    }
    let digest: [u8; 32] = digest.finalize().into();
    let first = plan.files.iter().find(|file| file.kind == FileKind::Data);
    let name = first.and_then(|file| file.path.first()).map_or("", String::as_str);
    let end = (0..=name.len().min(MOST_OF_NAME)).rev().find(|&end| name.is_char_boundary(end));
    let [a, b, c, d, ..] = digest;
    let name = &name[..end.unwrap_or(0)];
    format!(".{name}.{a:02x}{b:02x}{c:02x}{d:02x}{HIDDEN_SUFFIX}")
}

/// Whether a folder may be such a hidden one.
pub(super) fn is_hidden_folder(name: &str) -> bool {
    let hash = name.strip_prefix('.').and_then(|name| name.strip_suffix(HIDDEN_SUFFIX));
    let hash = hash.and_then(|name| name.rsplit_once('.')).map(|(_, hash)| hash);
    hash.is_some_and(|hash| hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::super::layout::Order;
    use super::super::plan::PlannedFile;
    use super::*;
    use crate::geometry::Geometry;

    fn plan(name: &str, hash: u8) -> StoragePlan {
        StoragePlan {
            root: "out".into(),
            files: vec![PlannedFile { path: vec![name.into()], length: 1, kind: FileKind::Data }],
            order: Order::Contiguous,
            geometry: Geometry::v1(16384, 1).unwrap(),
            hashes: vec![PieceHash::V1([hash; 20])],
            wanted: Vec::new(),
        }
    }

    #[test]
    fn a_hidden_folder_is_called_after_the_torrent_and_its_hashes() {
        let name = hidden_folder(&plan("a.bin", 1));
        assert!(name.starts_with(".a.bin.") && is_hidden_folder(&name), "{name}");
        assert_ne!(name, hidden_folder(&plan("a.bin", 2)));
        assert_eq!(name, hidden_folder(&plan("a.bin", 1)), "the same at every start");
        let long = hidden_folder(&plan(&"é".repeat(127), 1));
        assert!(long.len() <= 255 && is_hidden_folder(&long), "{long}");
        for other in ["a.1a2b3c4d.parts", ".parts", ".a.parts", ".a.12345.parts", ".config"] {
            assert!(!is_hidden_folder(other), "{other}");
        }
    }
}
