//! What a .torrent says: [`Metainfo`].
//!
//! The raw bytes of `info` are kept and hashed as they came, never re-encoded (BEP 3, BEP 52).

/// Bencode, read without recursion and without copying.
pub mod bencode;

/// From a draft to a torrent.
pub mod build;

/// A torrent in the making.
pub mod draft;

/// Changes to what stands around `info`.
pub mod edit;

/// The two ways in which `info` lists files, read into one.
mod entries;

/// Why a torrent is refused.
pub mod error;

/// Asks for, gives and checks parts of Merkle trees (BEP 52 hash requests).
pub mod hash_proof;

/// Reads `info`: the part of a torrent that its hash covers.
mod info;

/// Piece layers, and the form in which the native dialect exchanges metadata.
mod layers;

/// Magnet links.
pub mod magnet;

/// Merkle trees over 16 KiB leaves.
pub mod merkle;

/// Which bytes of which entry a run of a piece is.
mod parts;

/// A stranger's names become safe ones.
pub mod path;

/// A whole .torrent, read and written.
mod torrent;

pub use error::MetainfoError;
pub use parts::Part;

use crate::geometry::{BLOCK_LEN, Geometry};
use crate::ids::{InfoHash, InfoHashV1, InfoHashV2, PieceIndex, Sha1Hash, Sha256Hash};
use sha2::{Digest, Sha256};
use std::ops::Range;

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
    /// Where each entry of `files` starts: its first piece (v2) or its first byte (v1).
    starts: Vec<u64>,
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

impl Metainfo {
    /// Whether only its own trackers may know of it: it is private (BEP 27) and names some. A
    /// private torrent that names none has no other way to peers than the user's trackers.
    pub fn keeps_to_its_trackers(&self) -> bool {
        let named = self.trackers.iter().flatten().chain(&self.native_trackers);
        self.private && named.count() > 0
    }

    /// Where the pieces lie: by files when there are v2 hashes, otherwise over the run of all
    /// entries, pads included.
    pub fn geometry(&self) -> Geometry {
        let geometry = if self.info_hash_v2.is_some() {
            Geometry::v2(self.piece_length, self.data_files().map(|file| file.length))
        } else {
            Geometry::v1(self.piece_length, self.files.iter().map(|file| file.length).sum())
        };
        let geometry = geometry.expect("the sizes were checked when the torrent was read");
        match (self.info_hash_v1, self.info_hash_v2) {
            (_, None) => geometry,
            (Some(_), _) => geometry.with_pads(self.files.iter().map(|file| file.length).sum()),
            // libtorrent 2.0 sees a pad behind every file, and asks for whole blocks.
            (None, _) => {
                let all = u64::from(geometry.pieces()) * u64::from(self.piece_length);
                geometry.with_pads(all)
            }
        }
    }

    /// What the torrent is called: by its v2 hash where it has one.
    pub fn info_hash(&self) -> InfoHash {
        let v1 = || self.info_hash_v1.expect("a torrent has a hash of at least one version");
        self.info_hash_v2.map_or_else(|| InfoHash::V1(v1()), InfoHash::V2)
    }

    /// The twenty bytes by which BitTorrent knows it: the v1 hash, and the v2 hash cut short.
    pub fn short_hashes(&self) -> impl Iterator<Item = InfoHashV1> {
        let v2 = self.info_hash_v2.map(|hash| hash.truncated());
        self.info_hash_v1.into_iter().chain(v2)
    }

    /// The entries that are stored and served, in order.
    pub fn data_files(&self) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(|file| file.kind == FileKind::Data)
    }

    /// Whether the torrent is one file that is called as the torrent is.
    pub fn is_single_file(&self) -> bool {
        matches!(&self.files[..], [only] if only.path.len() == 1)
    }

    /// What `source` in `info` says: where it belongs, for private trackers.
    pub fn source(&self) -> Option<String> {
        let document = bencode::parse(&self.info, bencode::TORRENT).ok()?;
        let source = document.root().get(b"source")?.as_bytes()?;
        Some(String::from_utf8_lossy(source).into_owned())
    }

    /// Bytes of content: what is stored, pads not counted.
    pub fn total_size(&self) -> u64 {
        self.data_files().map(|file| file.length).sum()
    }

    /// The pieces that have bytes of an entry of `files`; none for an empty one.
    pub fn pieces_of(&self, entry: usize) -> Range<u32> {
        let piece_length = u64::from(self.piece_length);
        let (start, length) = (self.starts[entry], self.files[entry].length);
        if length == 0 {
            return 0..0;
        }
        if self.info_hash_v2.is_some() {
            return start as u32..(start + length.div_ceil(piece_length)) as u32;
        }
        (start / piece_length) as u32..(start + length).div_ceil(piece_length) as u32
    }

    /// The file a piece belongs to (v2), or the entry that holds its first byte (v1).
    pub fn file_of_piece(&self, piece: PieceIndex) -> Option<&FileEntry> {
        self.place_of(piece).map(|(file, _)| file)
    }

    /// The entry a piece starts in, and how far behind the entry's start: in pieces (v2) or
    /// bytes (v1).
    pub fn place_of(&self, piece: PieceIndex) -> Option<(&FileEntry, u64)> {
        let piece_length = u64::from(self.piece_length);
        let is_v2 = self.info_hash_v2.is_some();
        let at = if is_v2 { u64::from(piece.0) } else { u64::from(piece.0) * piece_length };
        let index = self.starts.partition_point(|&start| start <= at).checked_sub(1)?;
        let (file, behind) = (&self.files[index], at - self.starts[index]);
        let size = if is_v2 { file.length.div_ceil(piece_length) } else { file.length };
        (behind < size).then_some((file, behind))
    }

    /// What a piece must hash to, by v2 where the torrent has v2 hashes; `None` when it is out of
    /// range or its file's layer is not known yet.
    pub fn piece_hash(&self, piece: PieceIndex) -> Option<PieceHash> {
        if self.info_hash_v2.is_none() {
            return self.v1_pieces.get(piece.at()).copied().map(PieceHash::V1);
        }
        let (file, in_file) = self.place_of(piece)?;
        if file.length > u64::from(self.piece_length) {
            let root = *file.layer.get(in_file as usize)?;
            return Some(PieceHash::V2 { root, leaves: self.piece_length / BLOCK_LEN });
        }
        let leaves = merkle::padded_leaves_of(file.length) as u32;
        Some(PieceHash::V2 { root: file.root?, leaves })
    }

    /// One hash that names the content whatever it is called: a single file's Merkle root; for a
    /// folder the SHA-256 over its files' roots one after the other, empty files left out. `None`
    /// without v2 hashes, and when there is no byte of content.
    pub fn root(&self) -> Option<Sha256Hash> {
        let roots: Vec<Sha256Hash> = self.data_files().filter_map(|file| file.root).collect();
        match &roots[..] {
            [] => None,
            [only] if self.is_single_file() => Some(*only),
            all => Some(Sha256::digest(all.as_flattened()).into()),
        }
    }
}
