//! Hash transfer of BEP 52: which parts of a file's Merkle tree may be asked for, the answers, and
//! what they prove.
//!
//! ```text
//! layer                 root                  asked: base 0, index 2, count 2
//!   3            /             \              answer: c d, then the uncles *, lowest first
//!   2          ( )              *             `proof` counts the layers from 1 on that are proved:
//!   1       *       cd       /     \          1 is *, 2 is *, and 3 is the root, never asked for;
//!   0     a   b   c   d    e  f   g  0        a layer below `cd` would be implied by c and d
//! ```
//! An asker makes its requests with [`Tree::layer_requests`] or [`Tree::leaves_request`] and takes
//! the answers with [`Tree::check_answer`] or [`check_answer_under`]; [`LayerAssembler`] does so
//! for all files of a torrent. Who answers learns from [`Tree::needs`] what to look up.
//! A file no longer than a piece has no piece layer. Nothing here does I/O.

use super::layers::has_layer;
use super::merkle::Rows;
use super::{FileEntry, FileKind, merkle};
use crate::geometry::BLOCK_LEN;
use crate::ids::Sha256Hash;
use crate::protocol::message::HashRange;

/// Piece layers of whole torrents, put together from answers.
mod assembler;

pub use assembler::LayerAssembler;

/// The most hashes that a request may name: the leaves of 128 MiB, as libtorrent has it.
pub const MAX_COUNT: u32 = 8192;

/// The hashes of a piece layer that we ask for at once (BEP 52: no more than 512).
pub const LAYER_COUNT: u32 = 512;

/// The shape of one file's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    root: Sha256Hash,
    /// Bytes of the file, at least one.
    length: u64,
    /// In which layer a node stands for a piece.
    piece_layer: u32,
}

/// What must be known to answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The file's piece layer: [`Tree::answer_from_layer`].
    Layer,
    /// The leaves of the piece with this number, counted from the file's first; for proofs beyond
    /// the piece also the piece layer: [`Tree::answer_from_leaves`].
    Leaves(u32),
}

/// A request that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// Another file's root.
    #[error("hashes of a file that has another root")]
    Root,
    /// Neither the leaves, nor the piece layer, nor between them and below the root.
    #[error("hashes of layer {0}, which is not between the leaves and the piece layer")]
    Base(u32),
    /// No power of two, or too many.
    #[error("{0} hashes, which is not a power of two of at most {MAX_COUNT}")]
    Count(u32),
    /// Not a multiple of the count.
    #[error("{count} hashes from {index}, which is not a multiple of them")]
    Index {
        /// The first hash.
        index: u32,
        /// How many.
        count: u32,
    },
    /// Some lie outside the tree, or all behind the file's end.
    #[error("hashes behind the file's end")]
    BehindTheEnd,
    /// Below the piece layer, more than one piece.
    #[error("hashes below the piece layer, of more than one piece")]
    SeveralPieces,
    /// More layers than there are below the root.
    #[error("a proof of {0} layers, which leads past the root")]
    Proof(u32),
}

/// An answer that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongHashes {
    /// To a request that cannot be.
    #[error("the answer names {0}")]
    Range(#[from] BadRange),
    /// To a request that was not made.
    #[error("hashes that were not asked for")]
    NotAsked,
    /// Hashes are missing, or there are too many.
    #[error("{got} hashes where {wanted} were asked for")]
    Count {
        /// How many came.
        got: usize,
        /// How many the request asks for, uncles included.
        wanted: usize,
    },
    /// They lead to another root.
    #[error("the hashes do not lead to the root")]
    Unproved,
}

/// How many uncles the answer to a request has. The layers of the proof that its own hashes imply
/// have none: the first `log2(count) - 1` (BEP 52, `hashes`).
///
/// libtorrent asks for a single hash when one is left; the formula then gives one more uncle, the
/// hash's own sibling, and that is what it expects.
pub fn uncles_in(range: &HashRange) -> u32 {
    range.proof.saturating_add(1).saturating_sub(range.count.max(1).ilog2())
}

impl Tree {
    /// The tree of a file; `piece_length` is a power of two, at least a block. `None` for what has
    /// no root: pads, links, empty files, and files of v1.
    pub fn of(file: &FileEntry, piece_length: u32) -> Option<Self> {
        let piece_layer = (piece_length / BLOCK_LEN).max(1).ilog2();
        let root = file.root.filter(|_| file.kind == FileKind::Data && file.length > 0)?;
        Some(Self { root, length: file.length, piece_layer })
    }

    /// The file's root.
    pub fn root(&self) -> Sha256Hash {
        self.root
    }

    /// How many pieces the file has, and hashes its piece layer.
    pub fn pieces(&self) -> u64 {
        merkle::leaves_of(self.length).div_ceil(self.leaves_per_piece())
    }

    /// In which layer the root stands: the padded leaves are 2 to the power of it.
    fn height(&self) -> u32 {
        merkle::padded_leaves_of(self.length).trailing_zeros()
    }

    fn leaves_per_piece(&self) -> u64 {
        1 << self.piece_layer
    }

    /// How many layers a proof up to the root counts, for hashes of layer `base`.
    fn whole_proof(&self, base: u32) -> u32 {
        self.height().saturating_sub(base + 1)
    }

    /// Whether the file is longer than a piece.
    fn has_layer(&self) -> bool {
        self.pieces() > 1
    }

    /// The requests that fetch the file's whole piece layer, each proved up to the root; none for
    /// a file no longer than a piece.
    pub fn layer_requests(&self) -> impl Iterator<Item = HashRange> + use<> {
        let tree = *self;
        (0..tree.layer_request_count()).filter_map(move |nth| tree.layer_request(nth))
    }

    fn layer_request_count(&self) -> u32 {
        if self.has_layer() { self.pieces().div_ceil(LAYER_COUNT.into()) as u32 } else { 0 }
    }

    fn layer_request(&self, nth: u32) -> Option<HashRange> {
        let index = nth.checked_mul(LAYER_COUNT)?;
        let left = self.pieces().checked_sub(index.into()).filter(|&left| left > 0)?;
        self.has_layer().then_some(HashRange {
            root: self.root,
            base: self.piece_layer,
            index,
            count: (left.min(LAYER_COUNT.into()) as u32).next_power_of_two().max(2),
            proof: self.whole_proof(self.piece_layer),
        })
    }

    /// The request for the leaves of a piece of the file, counted from its first, without a proof:
    /// to be checked against the piece's own hash with [`check_answer_under`]. `None` when there is
    /// no such piece, when it is a single leaf, and when it has more than [`MAX_COUNT`].
    pub fn leaves_request(&self, piece: u32) -> Option<HashRange> {
        let range = HashRange {
            root: self.root,
            base: 0,
            index: u32::try_from(u64::from(piece) << self.piece_layer).ok()?,
            count: 1 << self.height().min(self.piece_layer),
            proof: 0,
        };
        (range.count > 1 && self.needs(&range).is_ok()).then_some(range)
    }

    /// Whether a request can be answered, and with what.
    ///
    /// BEP 52 asks for two hashes at least; one is answered too (see [`uncles_in`]).
    pub fn needs(&self, range: &HashRange) -> Result<Needs, BadRange> {
        let &HashRange { root, base, index, count, proof } = range;
        if root != self.root {
            return Err(BadRange::Root);
        }
        if base > self.piece_layer || base >= self.height() {
            return Err(BadRange::Base(base));
        }
        if !count.is_power_of_two() || count > MAX_COUNT {
            return Err(BadRange::Count(count));
        }
        if !index.is_multiple_of(count) {
            return Err(BadRange::Index { index, count });
        }
        let width = 1 << (self.height() - base);
        let is_inside = u64::from(index) + u64::from(count) <= width;
        let first_leaf = u64::from(index) << base;
        if !is_inside || first_leaf >= merkle::leaves_of(self.length) {
            return Err(BadRange::BehindTheEnd);
        }
        if proof > self.whole_proof(base) {
            return Err(BadRange::Proof(proof));
        }
        if base == self.piece_layer {
            return Ok(Needs::Layer);
        }
        if u64::from(count) << base > self.leaves_per_piece() {
            return Err(BadRange::SeveralPieces);
        }
        Ok(Needs::Leaves((first_leaf >> self.piece_layer) as u32))
    }

    /// Answers a request that [`Needs::Layer`]: the `count` hashes, padded behind the file's end,
    /// then the uncles. `None` when it needs something else, or when `layer` is not whole.
    pub fn answer_from_layer(
        &self,
        range: &HashRange,
        layer: &[Sha256Hash],
    ) -> Option<Vec<Sha256Hash>> {
        (self.needs(range) == Ok(Needs::Layer)).then(|| self.answer(range, &[], layer, None))?
    }

    /// Answers a request that [`Needs::Leaves`] of a piece: `leaves` are these, as many as the
    /// piece has; `layer` is looked at only when the proof leads beyond the piece. `None` when the
    /// request needs something else, or more than was given.
    pub fn answer_from_leaves(
        &self,
        range: &HashRange,
        leaves: &[Sha256Hash],
        layer: &[Sha256Hash],
    ) -> Option<Vec<Sha256Hash>> {
        matches!(self.needs(range), Ok(Needs::Leaves(_)))
            .then(|| self.answer(range, leaves, layer, None))?
    }

    /// Answers a request from whatever it needs. With the layer's rows at hand, as [`Self::rows`]
    /// makes them, the layer is not hashed.
    pub fn answer(
        &self,
        range: &HashRange,
        leaves: &[Sha256Hash],
        layer: &[Sha256Hash],
        rows: Option<&Rows>,
    ) -> Option<Vec<Sha256Hash>> {
        let piece = match self.needs(range).ok()? {
            Needs::Layer => {
                let (index, count) = (range.index as usize, range.count as usize);
                let uncles = || self.uncles_of_pieces(layer, rows, index, count);
                return answer(range, layer, self.piece_filler(), index, uncles);
            }
            Needs::Leaves(piece) => piece,
        };
        let left = merkle::leaves_of(self.length) - (u64::from(piece) << self.piece_layer);
        if leaves.len() as u64 != left.min(self.leaves_per_piece()) {
            return None;
        }
        let row = merkle::layer_of(leaves, BLOCK_LEN << range.base);
        let filler = merkle::zero_root(1 << range.base);
        let width = 1 << (self.height().min(self.piece_layer) - range.base);
        let (index, count) = (range.index as usize % width, range.count as usize);
        let uncles = || {
            let mut uncles = merkle::proof(&row, filler, width as u64, index, count)?;
            if uncles.len() < uncles_in(range) as usize {
                uncles.extend(self.uncles_of_pieces(layer, rows, piece as usize, 1)?);
            }
            Some(uncles)
        };
        answer(range, &row, filler, index, uncles)
    }

    /// What stands behind the end of the piece layer.
    fn piece_filler(&self) -> Sha256Hash {
        merkle::zero_root(1 << self.piece_layer)
    }

    /// Whether the proof that a request asks for has uncles from the piece layer or above: without
    /// its rows the whole layer is hashed for it.
    pub fn needs_rows(&self, range: &HashRange) -> bool {
        match self.needs(range) {
            Ok(Needs::Layer) => uncles_in(range) > 0,
            Ok(Needs::Leaves(_)) => {
                let rows_in_piece = self.height().min(self.piece_layer) - range.base;
                uncles_in(range) > rows_in_piece.saturating_sub(range.count.ilog2())
            }
            Err(_) => false,
        }
    }

    /// The rows above the piece layer; `None` when `layer` is not whole.
    pub fn rows(&self, layer: &[Sha256Hash]) -> Option<Rows> {
        let width = self.pieces().next_power_of_two();
        (layer.len() as u64 == self.pieces())
            .then(|| Rows::above(layer, self.piece_filler(), width))
    }

    /// The uncles of some pieces, up to the root.
    fn uncles_of_pieces(
        &self,
        layer: &[Sha256Hash],
        rows: Option<&Rows>,
        index: usize,
        count: usize,
    ) -> Option<Vec<Sha256Hash>> {
        (layer.len() as u64 == self.pieces()).then_some(())?;
        if let Some(rows) = rows {
            return rows.proof(layer, index, count);
        }
        let width = self.pieces().next_power_of_two();
        merkle::proof(layer, self.piece_filler(), width, index, count)
    }

    /// Whether `hashes` answer a request and lead to the file's root; if so, gives the hashes of
    /// the base layer, padding included.
    pub fn check_answer<'a>(
        &self,
        range: &HashRange,
        hashes: &'a [Sha256Hash],
    ) -> Result<&'a [Sha256Hash], WrongHashes> {
        self.needs(range)?;
        if range.proof != self.whole_proof(range.base) {
            return Err(WrongHashes::Unproved);
        }
        check_answer_under(range, hashes, &self.root)
    }
}

/// Whether `hashes` answer a request whose proof ends below `known`, a node that is known to be
/// right: a piece's own hash for [`Tree::leaves_request`]. Gives the hashes of the base layer,
/// padding included. The request is one that we made.
pub fn check_answer_under<'a>(
    range: &HashRange,
    hashes: &'a [Sha256Hash],
    known: &Sha256Hash,
) -> Result<&'a [Sha256Hash], WrongHashes> {
    let (got, count) = (hashes.len(), range.count as usize);
    let wanted = count.saturating_add(uncles_in(range) as usize);
    let (base, uncles) = hashes
        .split_at_checked(count)
        .filter(|_| got == wanted)
        .ok_or(WrongHashes::Count { got, wanted })?;
    if merkle::climb(base, range.index as usize, uncles) != Some(*known) {
        return Err(WrongHashes::Unproved);
    }
    Ok(base)
}

/// The hashes `index..index + count` of a row, then as many uncles as were asked for.
fn answer(
    range: &HashRange,
    row: &[Sha256Hash],
    filler: Sha256Hash,
    index: usize,
    uncles: impl FnOnce() -> Option<Vec<Sha256Hash>>,
) -> Option<Vec<Sha256Hash>> {
    let (count, wanted) = (range.count as usize, uncles_in(range) as usize);
    let mut hashes: Vec<_> = row.iter().skip(index).take(count).copied().collect();
    hashes.resize(count, filler);
    if wanted > 0 {
        hashes.extend(uncles()?.get(..wanted)?);
    }
    Some(hashes)
}

#[cfg(test)]
mod tests;
