//! A torrent in the making: what hashing a path found, before it is written as `info`.
//!
//! `storage::create` fills a [`Draft`], `metainfo::build` turns it into a [`super::Metainfo`].

use crate::ids::{Sha1Hash, Sha256Hash};

/// Which hashes a new torrent carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// SHA-1 pieces only (BEP 3).
    V1,
    /// Both, over the same layout with pad files (BEP 52, BEP 47).
    #[default]
    Hybrid,
    /// SHA-256 trees only (BEP 52).
    V2,
}

/// Everything about the content that goes into `info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The last component of the path that was hashed.
    pub name: String,
    /// Which hashes were computed.
    pub version: Version,
    /// A power of two, at least 16 KiB.
    pub piece_length: u32,
    /// Whether the path was one file and not a folder.
    pub single_file: bool,
    /// The files in `file tree` order: components compared one by one as bytes.
    pub files: Vec<DraftFile>,
    /// v1 pieces over the files in that order; in a hybrid each file but the last non-empty one
    /// is padded with zeros to a whole piece. Empty for v2.
    pub v1_pieces: Vec<Sha1Hash>,
}

/// One file of a [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFile {
    /// Components below the folder; for a single file, its name alone.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// Root of the file's Merkle tree; none for an empty file or in v1.
    pub root: Option<Sha256Hash>,
    /// Roots of its pieces; empty when it is no longer than a piece, or in v1.
    pub layer: Vec<Sha256Hash>,
}
