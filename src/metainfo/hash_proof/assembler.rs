//! [`LayerAssembler`]: the piece layers of a torrent that came as bare `info`, from answers to hash
//! requests.
//!
//! ```text
//! missing() -> requests to send, to any peer and several at a time
//! on_hashes(range, hashes) -> taken, or an error that is the sender's fault
//! is_complete() -> attach(metainfo) -> the torrent with its layers
//! ```
//! It keeps no more than was proved, and does not care who was asked: a rejected request is simply
//! still missing. Nothing here does I/O.

use super::{LAYER_COUNT, Tree, WrongHashes, has_layer};
use crate::ids::Sha256Hash;
use crate::metainfo::{Metainfo, MetainfoError};
use crate::protocol::message::HashRange;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Collects the piece layers of a torrent.
#[derive(Debug, Clone)]
pub struct LayerAssembler {
    /// The files whose layers are asked for, each root once, in the torrent's order.
    trees: Vec<Tree>,
    /// Where a root stands in `trees`.
    by_root: HashMap<Sha256Hash, usize>,
    /// For every tree, by the first piece: what was proved, cut at the file's end.
    parts: Vec<BTreeMap<u32, Vec<Sha256Hash>>>,
    /// How many requests have no answer yet.
    missing: u64,
}

impl LayerAssembler {
    /// For the layers that a torrent lacks.
    pub fn new(metainfo: &Metainfo) -> Self {
        let piece_length = metainfo.piece_length;
        let lacking =
            metainfo.files.iter().filter(|f| has_layer(f, piece_length) && f.layer.is_empty());
        let mut seen = HashSet::new();
        let trees: Vec<Tree> = lacking
            .filter_map(|file| Tree::of(file, piece_length))
            .filter(|tree| seen.insert(tree.root))
            .collect();
        Self {
            by_root: trees.iter().enumerate().map(|(at, tree)| (tree.root, at)).collect(),
            parts: vec![BTreeMap::new(); trees.len()],
            missing: trees.iter().map(|tree| u64::from(tree.layer_request_count())).sum(),
            trees,
        }
    }

    /// The requests without an answer, in the order of the files.
    pub fn missing(&self) -> impl Iterator<Item = HashRange> {
        self.trees.iter().zip(&self.parts).flat_map(|(tree, parts)| {
            tree.layer_requests().filter(|range| !parts.contains_key(&range.index))
        })
    }

    /// How many requests have no answer yet.
    pub fn missing_count(&self) -> u64 {
        self.missing
    }

    /// Whether all layers are there.
    pub fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Takes an answer. An error is the fault of who sent it, and leaves everything as it was; an
    /// answer that came before is taken again in silence.
    pub fn on_hashes(
        &mut self,
        range: &HashRange,
        hashes: &[Sha256Hash],
    ) -> Result<(), WrongHashes> {
        let &at = self.by_root.get(&range.root).ok_or(WrongHashes::NotAsked)?;
        let tree = self.trees[at];
        if tree.layer_request(range.index / LAYER_COUNT) != Some(*range) {
            return Err(WrongHashes::NotAsked);
        }
        let proved = tree.check_answer(range, hashes)?;
        let left = (tree.pieces() - u64::from(range.index)).min(proved.len() as u64) as usize;
        if self.parts[at].insert(range.index, proved[..left].to_vec()).is_none() {
            self.missing -= 1;
        }
        Ok(())
    }

    /// The torrent with the layers, once they are complete. That it fails then means that the
    /// torrent itself is wrong: padding that is none, or one root for files of two lengths.
    pub fn attach(self, metainfo: Metainfo) -> Result<Metainfo, MetainfoError> {
        if !self.is_complete() {
            return Err(MetainfoError::PieceLayers("a part of a layer is missing"));
        }
        let whole = |parts: BTreeMap<_, Vec<_>>| parts.into_values().flatten().collect();
        let roots = self.trees.iter().map(|tree| tree.root);
        metainfo.with_layers(&roots.zip(self.parts.into_iter().map(whole)).collect())
    }
}
