//! Merkle trees over 16 KiB leaves (BEP 52).
//!
//! ```text
//!               root                 a tree is as wide as a power of two;
//!            /        \              what is missing on the right are zero hashes
//!         n4            n5           (of leaves), or the roots over zero hashes (of layers)
//!       /    \        /    \
//!     leaf  leaf    leaf   (0)       the proof of the two right leaves is [n4]
//! ```
//! A file's root is the root over its leaves; a *piece layer* is the row of nodes that cover one
//! piece each. Only rows that exist are held: the padding is computed level by level.
//! Nothing here does I/O.

use crate::geometry::BLOCK_LEN;
use crate::ids::Sha256Hash;

/// The hash that stands for a leaf behind the end of a file.
pub const ZERO_LEAF: Sha256Hash = [0; 32];

/// How many leaves a run of bytes has.
pub fn leaves_of(length: u64) -> u64 {
    length.div_ceil(u64::from(BLOCK_LEN))
}

/// How many leaves the tree of a run of bytes has, padding included: a power of two.
pub fn padded_leaves_of(length: u64) -> u64 {
    leaves_of(length).next_power_of_two()
}

/// The node over two nodes.
pub fn parent(left: &Sha256Hash, right: &Sha256Hash) -> Sha256Hash {
    let mut out = [[0; 32]];
    tape_sha256::hash_many(&[[*left, *right].as_flattened()], &mut out);
    out[0]
}

/// The root over `leaves` zero leaves, a power of two: what pads a layer of roots of that width.
pub fn zero_root(leaves: u32) -> Sha256Hash {
    (0..leaves.trailing_zeros()).fold(ZERO_LEAF, |node, _| parent(&node, &node))
}

/// The root over leaf hashes, padded with zero hashes to `padded_leaves`, a power of two not
/// below their count.
pub fn root_of(leaves: &[Sha256Hash], padded_leaves: u32) -> Sha256Hash {
    root_over(leaves, ZERO_LEAF, u64::from(padded_leaves))
}

/// A file's root over its piece layer; `piece_length` is a power of two, at least a block.
pub fn root_of_layer(layer: &[Sha256Hash], piece_length: u32) -> Sha256Hash {
    root_over(layer, zero_root(piece_length / BLOCK_LEN), (layer.len() as u64).next_power_of_two())
}

/// A file's piece layer over all its leaf hashes: the root of every piece's leaves.
pub fn layer_of(leaves: &[Sha256Hash], piece_length: u32) -> Vec<Sha256Hash> {
    // BEGIN SOLUTION C1
    let mut level = leaves.to_vec();
    let mut filler = ZERO_LEAF;
    for _ in 0..(piece_length / BLOCK_LEN).trailing_zeros() {
        level = parents(&level, filler);
        filler = parent(&filler, &filler);
    }
    level
    // END SOLUTION
}

/// The uncles of `nodes[index..index + count]`, lowest first: what someone who knows only the
/// root needs beside these nodes to check them (BEP 52, hash request).
///
/// The row is padded with `filler` to `width`, a power of two not below its length:
/// [`ZERO_LEAF`] for leaves, [`zero_root`] of a piece's leaves for a piece layer. `None` unless
/// `count` is a power of two, `index` a multiple of it, and something of `nodes` lies there.
pub fn proof(
    nodes: &[Sha256Hash],
    filler: Sha256Hash,
    width: u64,
    index: usize,
    count: usize,
) -> Option<Vec<Sha256Hash>> {
    can_be_proved(nodes, index, count)
        .then(|| Rows::above(nodes, filler, width).proof(nodes, index, count))
        .flatten()
}

/// Whether these are an aligned run of a row, and something of it lies there.
fn can_be_proved(nodes: &[Sha256Hash], index: usize, count: usize) -> bool {
    count.is_power_of_two() && index.is_multiple_of(count) && index < nodes.len()
}

/// The rows above a row of nodes, below the root: whoever keeps them proves without hashing. They
/// take as much memory as the row itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The lowest first.
    rows: Vec<Vec<Sha256Hash>>,
    /// What stands behind the end of each row, that of the nodes themselves first.
    fillers: Vec<Sha256Hash>,
}

impl Rows {
    /// Hashes them; the row is padded with `filler` to `width`, as for [`proof`].
    pub fn above(nodes: &[Sha256Hash], mut filler: Sha256Hash, width: u64) -> Self {
        debug_assert!(width.is_power_of_two() && nodes.len() as u64 <= width, "a tree this wide");
        let (mut rows, mut fillers) = (Vec::<Vec<_>>::new(), Vec::new());
        for level in 0..width.trailing_zeros() {
            if level > 0 {
                let row = parents(rows.last().map_or(nodes, |row| row), filler);
                filler = parent(&filler, &filler);
                rows.push(row);
            }
            fillers.push(filler);
        }
        Self { rows, fillers }
    }

    /// What [`proof`] gives for the nodes that these rows were made of.
    pub fn proof(
        &self,
        nodes: &[Sha256Hash],
        index: usize,
        count: usize,
    ) -> Option<Vec<Sha256Hash>> {
        if !can_be_proved(nodes, index, count) {
            return None;
        }
        let rows = std::iter::once(nodes).chain(self.rows.iter().map(|row| &row[..]));
        let padded = rows.zip(&self.fillers).enumerate();
        let uncle = |(level, (row, filler)): (usize, (&[Sha256Hash], &Sha256Hash))| {
            row.get((index >> level) ^ 1).copied().unwrap_or(*filler)
        };
        Some(padded.skip(count.trailing_zeros() as usize).map(uncle).collect())
    }
}

/// The node that `nodes`, a power of two of them starting at `index` of their row, lead to with
/// `uncles` as [`proof`] gives them. Padding nodes are part of `nodes`; `None` when there is no
/// such run.
pub fn climb(nodes: &[Sha256Hash], index: usize, uncles: &[Sha256Hash]) -> Option<Sha256Hash> {
    let count = nodes.len();
    if !count.is_power_of_two() || !index.is_multiple_of(count) {
        return None;
    }
    let mut at = index / count;
    let mut node = root_over(nodes, ZERO_LEAF, count as u64);
    for uncle in uncles {
        node = if at.is_multiple_of(2) { parent(&node, uncle) } else { parent(uncle, &node) };
        at /= 2;
    }
    Some(node)
}

/// The root over `nodes`, padded with `filler` to `width`, a power of two.
fn root_over(nodes: &[Sha256Hash], mut filler: Sha256Hash, width: u64) -> Sha256Hash {
    debug_assert!(width.is_power_of_two() && nodes.len() as u64 <= width, "a tree this wide");
    // BEGIN SOLUTION C1
    let mut level = nodes.to_vec();
    for _ in 0..width.trailing_zeros() {
        level = parents(&level, filler);
        filler = parent(&filler, &filler);
    }
    level.first().copied().unwrap_or(filler)
    // END SOLUTION
}

/// The row above `nodes`; an odd one is paired with `filler`. All are hashed at once, in lanes.
fn parents(nodes: &[Sha256Hash], filler: Sha256Hash) -> Vec<Sha256Hash> {
    let (pairs, odd) = nodes.as_chunks::<2>();
    let mut row = vec![[0; 32]; pairs.len()];
    let messages: Vec<&[u8]> = pairs.iter().map(|pair| pair.as_flattened()).collect();
    tape_sha256::hash_many(&messages, &mut row);
    if let [last] = odd {
        row.push(parent(last, &filler));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::hex;
    use sha2::{Digest, Sha256};

    fn leaf(n: u8) -> Sha256Hash {
        Sha256::digest([n]).into()
    }

    fn leaves(count: u8) -> Vec<Sha256Hash> {
        (0..count).map(leaf).collect()
    }

    /// Written with an independent SHA-256, node by node: five leaves, the hashes of single bytes.
    #[test]
    fn the_root_of_five_leaves_is_the_one_computed_by_hand() {
        assert_eq!(
            hex(&root_of(&leaves(5), 8)),
            "41886469306e351e1887e826f9fd0a51c08cfa38881129135e646320e3a134a2"
        );
        assert_eq!(
            hex(&root_of(&leaves(3), 4)),
            "7ee5fcde741ff935e2c5fee3f08c8761b800957f20035d9d5dac2897f942a5eb"
        );
        assert_eq!(
            hex(&zero_root(4)),
            "db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71"
        );
        assert_eq!(root_of(&leaves(1), 1), leaf(0));
    }

    #[test]
    fn a_wider_tree_than_needed_is_padded_with_zero_leaves() {
        assert_eq!(
            hex(&root_of(&leaves(3), 16)),
            "fd1de0780da055d763470802653a758ec436114acf68ce4ec2f65fae5f69ac33"
        );
        assert_eq!(root_of(&[], 4), zero_root(4));
    }

    #[test]
    fn the_layer_of_a_file_leads_to_the_same_root_as_its_leaves() {
        for count in 1..40 {
            let leaves = leaves(count);
            let width = u32::from(count).next_power_of_two();
            for per_piece in [1_u32, 2, 4, 8].into_iter().filter(|&n| n <= width) {
                let piece_length = per_piece * BLOCK_LEN;
                let layer = layer_of(&leaves, piece_length);
                assert_eq!(layer.len(), leaves.len().div_ceil(per_piece as usize));
                let root = root_of_layer(&layer, piece_length);
                assert_eq!(root, root_of(&leaves, width), "{count} leaves, {per_piece} a piece");
            }
        }
    }

    #[test]
    fn lengths_round_up_to_leaves_and_trees() {
        let cases = [(0, 0, 1), (1, 1, 1), (16384, 1, 1), (16385, 2, 2), (81920, 5, 8)];
        for (length, count, padded) in cases {
            assert_eq!((leaves_of(length), padded_leaves_of(length)), (count, padded), "{length}");
        }
    }

    #[test]
    fn every_proof_holds_and_none_holds_elsewhere_or_for_other_nodes() {
        for count in 1..20_u8 {
            let row = leaves(count);
            let width = row.len().next_power_of_two();
            let root = root_of(&row, width as u32);
            let mut padded = row.clone();
            padded.resize(width, ZERO_LEAF);
            for run in [1, 2, 4].into_iter().filter(|&n| n <= width) {
                for index in (0..row.len()).step_by(run) {
                    let uncles = proof(&row, ZERO_LEAF, width as u64, index, run).unwrap();
                    let kept = Rows::above(&row, ZERO_LEAF, width as u64);
                    assert_eq!(kept.proof(&row, index, run).as_ref(), Some(&uncles));
                    let mut asked = padded[index..index + run].to_vec();
                    assert_eq!(climb(&asked, index, &uncles), Some(root), "{count} {index} {run}");
                    if width > run {
                        assert_ne!(climb(&asked, index ^ run, &uncles), Some(root));
                    }
                    asked[0][0] ^= 1;
                    assert_ne!(climb(&asked, index, &uncles), Some(root));
                }
            }
        }
    }

    #[test]
    fn a_proof_is_asked_for_an_aligned_run_that_exists() {
        let row = leaves(5);
        for (index, count) in [(1, 2), (0, 3), (0, 0), (5, 1)] {
            assert_eq!(proof(&row, ZERO_LEAF, 8, index, count), None, "{count} from {index}");
        }
        assert_eq!(climb(&[], 0, &[]), None);
        assert_eq!(climb(&row[..2], 1, &[]), None);
    }

    #[test]
    fn the_uncles_in_a_wider_tree_are_padding() {
        let uncles = proof(&leaves(3), ZERO_LEAF, 16, 2, 2).unwrap();
        let left = parent(&leaf(0), &leaf(1));
        assert_eq!(uncles, [left, zero_root(4), zero_root(8)]);
    }
}
