//! What a .torrent says: [`Metainfo`].
//!
//! The raw bytes of `info` are kept and hashed as they came, never re-encoded (BEP 3, BEP 52).

/// A torrent in the making.
pub mod draft;

use crate::ids::{InfoHashV1, InfoHashV2, Sha1Hash, Sha256Hash};

/// A torrent, parsed and checked: every path is safe, every number in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    /// The torrent's name, made safe: one path component.
    pub name: String,
    /// The bytes of the `info` dictionary as they came.
    pub info: Vec<u8>,
    /// SHA-1 of `info`, when the torrent has v1 pieces.
    pub info_hash_v1: Option<InfoHashV1>,
    /// SHA-256 of `info`, when the torrent has v2 trees.
    pub info_hash_v2: Option<InfoHashV2>,
    /// Bytes in a piece that is not the last of its file (v2) or torrent (v1).
    pub piece_length: u32,
    /// The files in the torrent's order. Pads and links stand here too and are never written.
    pub files: Vec<FileEntry>,
    /// The v1 pieces' hashes; empty for a v2-only torrent.
    pub v1_pieces: Vec<Sha1Hash>,
    /// Tracker URLs in tiers (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// `host:port` of trackers that speak the native dialect (`native trackers`).
    pub native_trackers: Vec<String>,
    /// Web seeds (`url-list`, BEP 19).
    pub web_seeds: Vec<String>,
    /// No peers but the tracker's (BEP 27).
    pub private: bool,
    /// Free text.
    pub comment: Option<String>,
    /// The program that made it.
    pub created_by: Option<String>,
    /// When it was made, in seconds of the Unix epoch.
    pub creation_date: Option<i64>,
}

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Safe components below the output folder; the torrent's name comes first in a folder torrent.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// What the entry is.
    pub kind: FileKind,
    /// v2: the root of the file's Merkle tree; none for an empty file.
    pub root: Option<Sha256Hash>,
    /// v2: the roots of the file's pieces; empty when the file is no longer than a piece, and
    /// when the torrent came as bare `info` without its layers.
    pub layer: Vec<Sha256Hash>,
}

/// What an entry of the file list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Bytes to store and serve.
    Data,
    /// Zeros that align the next file to a piece for v1 peers (BEP 47).
    Pad,
    /// A symbolic link (BEP 47): never created.
    Link,
}

/// What a piece must hash to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceHash {
    /// SHA-1 over the piece's bytes.
    V1(Sha1Hash),
    /// The root over the piece's 16 KiB leaves, padded with zero hashes to `leaves` (a power of two).
    V2 {
        /// The root.
        root: Sha256Hash,
        /// How many leaves the padded tree has.
        leaves: u32,
    },
}
