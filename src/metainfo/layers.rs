//! Piece layers, each checked against its file's root, and the form in which the native dialect
//! exchanges metadata. Layers that peers proved one by one are attached here too.
//!
//! ```text
//! exchange = info bytes | layer of file 0 | layer of file 3 | ..      only files longer than a piece
//! ```
//! Nothing of an exchange is parsed before the hash of its `info` was found right, and no layer
//! is kept that does not lead to its file's `pieces root` (BEP 52). Nothing here does I/O.

use super::bencode::Value;
use super::error::MetainfoError;
use super::{FileEntry, FileKind, Metainfo, merkle};
use crate::ids::{InfoHashV2, Sha256Hash};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// A layer as it came, and for how many pieces it was found right.
struct Candidate<'a> {
    bytes: &'a [u8],
    right_for: Option<usize>,
}

/// Adds the layers of a .torrent; each must belong to a file, and some may be missing.
pub(super) fn attach(metainfo: &mut Metainfo, layers: &Value<'_>) -> Result<(), MetainfoError> {
    // Early creators wrote an empty list where there were no layers.
    if layers.items().is_some_and(|mut items| items.next().is_none()) {
        return Ok(());
    }
    let layers = layers.entries().ok_or(MetainfoError::wrong("piece layers", "a dictionary"))?;
    let mut by_root: HashMap<&[u8], Candidate<'_>> = HashMap::new();
    for (root, layer) in layers {
        let bytes = layer.as_bytes().ok_or(MetainfoError::PieceLayers("a layer is no string"))?;
        by_root.insert(root, Candidate { bytes, right_for: None });
    }
    fill(metainfo, by_root)
}

/// Gives every file its layer, if it came; each that came must belong to a file.
fn fill(
    metainfo: &mut Metainfo,
    mut by_root: HashMap<&[u8], Candidate<'_>>,
) -> Result<(), MetainfoError> {
    let piece_length = metainfo.piece_length;
    for file in metainfo.files.iter_mut().filter(|file| has_layer(file, piece_length)) {
        let root = file.root.expect("a file with a layer has a root");
        let Some(candidate) = by_root.get_mut(&root[..]) else { continue };
        let pieces = pieces_of(file, piece_length);
        let (layer, _) = candidate.bytes.as_chunks::<32>();
        if candidate.right_for != Some(pieces) {
            check(candidate.bytes, pieces, piece_length, &root)?;
            candidate.right_for = Some(pieces);
        }
        file.layer = layer.to_vec();
    }
    if by_root.values().any(|candidate| candidate.right_for.is_none()) {
        return Err(MetainfoError::PieceLayers("a layer belongs to no file"));
    }
    Ok(())
}

/// Whether a file has a layer: when it is longer than a piece.
pub(super) fn has_layer(file: &FileEntry, piece_length: u32) -> bool {
    file.kind == FileKind::Data && file.root.is_some() && file.length > u64::from(piece_length)
}

fn pieces_of(file: &FileEntry, piece_length: u32) -> usize {
    file.length.div_ceil(u64::from(piece_length)) as usize
}

fn check(
    bytes: &[u8],
    pieces: usize,
    piece_length: u32,
    root: &Sha256Hash,
) -> Result<(), MetainfoError> {
    let (layer, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || layer.len() != pieces {
        return Err(MetainfoError::PieceLayers("a layer has not one hash for each piece"));
    }
    if merkle::root_of_layer(layer, piece_length) != *root {
        return Err(MetainfoError::PieceLayers("a layer does not lead to its file's root"));
    }
    Ok(())
}

impl Metainfo {
    /// Whether every piece has a v2 hash, or there are none to have.
    pub fn layers_complete(&self) -> bool {
        self.layered_files().all(|file| !file.layer.is_empty())
    }

    /// The files that have a layer, whether it is known or not.
    fn layered_files(&self) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(|file| has_layer(file, self.piece_length))
    }

    /// The same torrent with the layers of its files, each under its file's root; some may be
    /// missing. Each must belong to a file and lead to its root.
    pub fn with_layers(
        mut self,
        layers: &HashMap<Sha256Hash, Vec<Sha256Hash>>,
    ) -> Result<Self, MetainfoError> {
        let by_root = layers.iter().map(|(root, layer)| {
            (&root[..], Candidate { bytes: layer.as_flattened(), right_for: None })
        });
        fill(&mut self, by_root.collect())?;
        Ok(self)
    }

    /// What `GET_METAINFO` hands out: `info`, then the layers in file order. To be offered only
    /// when [`Metainfo::layers_complete`].
    pub fn exchange_bytes(&self) -> Vec<u8> {
        let mut bytes = self.info.clone();
        for file in self.layered_files() {
            bytes.extend_from_slice(file.layer.as_flattened());
        }
        bytes
    }

    /// Reads what [`Metainfo::exchange_bytes`] wrote, from someone who is not trusted.
    ///
    /// The first `info_length` bytes must have the hash `expected`; only then are they parsed.
    pub fn from_exchange(
        expected: &InfoHashV2,
        info_length: usize,
        bytes: &[u8],
    ) -> Result<Self, MetainfoError> {
        let hash = |info: &[u8]| InfoHashV2(Sha256::digest(info).into());
        let (info, mut rest) = bytes
            .split_at_checked(info_length)
            .filter(|(info, _)| hash(info) == *expected)
            .ok_or(MetainfoError::WrongInfoHash)?;
        let mut metainfo = Self::from_info(info)?;
        if metainfo.info_hash_v2.is_none() {
            return Err(MetainfoError::NoV2);
        }
        let piece_length = metainfo.piece_length;
        for file in metainfo.files.iter_mut().filter(|file| has_layer(file, piece_length)) {
            let pieces = pieces_of(file, piece_length);
            let cut = MetainfoError::PieceLayers("the layers end too early");
            let (layer, after) = rest.split_at_checked(pieces * 32).ok_or(cut)?;
            check(layer, pieces, piece_length, &file.root.expect("a file with a layer"))?;
            file.layer = layer.as_chunks().0.to_vec();
            rest = after;
        }
        if !rest.is_empty() {
            return Err(MetainfoError::PieceLayers("something follows the last layer"));
        }
        Ok(metainfo)
    }
}
