//! Hashing many buffers at once.
//!
//! One SHA is a chain that no vector unit shortens, but sixteen independent ones fit its lanes:
//! the 16 KiB leaves of v2 pieces always are (SHA-256, in `sha256`), v1 pieces are when
//! several are hashed together (SHA-1, by the kernels in [`sha1_lanes`]). Both are checked
//! against the `sha2` and `sha1` crates. Nothing here reads a file.
//!
//! ```text
//! leaves of piece 0: L0 L1 L2 L3 | of piece 1: L0 L1      all leaves through the lanes at once,
//!                     \/    \/                  \/        then each level of all trees
//! ```

/// SHA-1 of several messages at once.
pub mod sha1_lanes;

#[cfg(target_arch = "x86_64")]
mod sha1_ni;

#[cfg(target_arch = "x86_64")]
mod sha1_x86;

/// SHA-256 of several messages at once.
mod sha256;

#[cfg(target_arch = "x86_64")]
mod sha256_x86;

/// Pieces too large to be in memory, a chunk of each at a time.
pub mod stream;

use sha1::{Digest, Sha1};

use crate::geometry::BLOCK_LEN;
use crate::ids::{Sha1Hash, Sha256Hash};
use sha1_lanes::{Kernel, Lanes};
use sha256::hash_many;

/// The hash that stands for a leaf behind the end of a file (BEP 52).
pub const ZERO_HASH: Sha256Hash = [0; 32];

/// A piece to be hashed as BEP 52 says.
#[derive(Debug, Clone, Copy)]
pub struct PieceInput<'a> {
    /// The piece's bytes.
    pub data: &'a [u8],
    /// How many leaves the padded tree has: a power of two, no fewer than the data has blocks.
    pub leaves: u32,
}

/// SHA-256 of every 16 KiB block of `data`; the last may be short.
pub fn leaf_hashes(data: &[u8]) -> Vec<Sha256Hash> {
    let blocks: Vec<&[u8]> = data.chunks(BLOCK_LEN as usize).collect();
    let mut hashes = vec![ZERO_HASH; blocks.len()];
    hash_many(&blocks, &mut hashes);
    hashes
}

/// The roots of several pieces; all their leaves go through the lanes together.
///
/// # Panics
/// When `out` is not as long as `pieces`, or a piece has more blocks than leaves.
pub fn piece_roots(pieces: &[PieceInput], out: &mut [Sha256Hash]) {
    assert_eq!(pieces.len(), out.len(), "one root per piece");
    let blocks: Vec<&[u8]> =
        pieces.iter().flat_map(|piece| piece.data.chunks(BLOCK_LEN as usize)).collect();
    let mut hashes = vec![ZERO_HASH; blocks.len()];
    hash_many(&blocks, &mut hashes);
    let mut rest = hashes.as_slice();
    let trees = pieces.iter().map(|piece| {
        let (leaves, others) = rest.split_at(piece.data.len().div_ceil(BLOCK_LEN as usize));
        rest = others;
        Tree { hashes: leaves.to_vec(), width: piece.leaves, padding: ZERO_HASH }
    });
    let mut trees: Vec<Tree> = trees.collect();
    roots(&mut trees);
    for (root, tree) in out.iter_mut().zip(trees) {
        *root = tree.hashes[0];
    }
}

/// The root over `hashes`, padded to `width` (a power of two) with `padding`: [`ZERO_HASH`] for
/// leaves, the root of an empty piece for piece roots (BEP 52).
///
/// # Panics
/// When `width` is no power of two or smaller than the number of hashes.
pub fn root(hashes: &[Sha256Hash], width: u32, padding: Sha256Hash) -> Sha256Hash {
    let mut trees = [Tree { hashes: hashes.to_vec(), width, padding }];
    roots(&mut trees);
    trees[0].hashes[0]
}

/// The root of a piece of `leaves` leaves all of which lie behind the end of the file.
pub fn empty_root(leaves: u32) -> Sha256Hash {
    root(&[], leaves, ZERO_HASH)
}

/// One level of a Merkle tree on its way up.
struct Tree {
    /// The nodes that are not padding.
    hashes: Vec<Sha256Hash>,
    /// How many nodes the level has with padding.
    width: u32,
    /// What a padding node is at this level.
    padding: Sha256Hash,
}

/// Takes all trees up to their roots, level by level, so that the lanes are full.
fn roots(trees: &mut [Tree]) {
    for tree in trees.iter() {
        assert!(tree.width.is_power_of_two() && tree.hashes.len() <= tree.width as usize);
    }
    while trees.iter().any(|tree| tree.width > 1) {
        climb(trees);
    }
    for tree in trees.iter_mut().filter(|tree| tree.hashes.is_empty()) {
        tree.hashes.push(tree.padding);
    }
}

fn climb(trees: &mut [Tree]) {
    let mut pairs: Vec<[u8; 64]> = Vec::new();
    for tree in trees.iter_mut().filter(|tree| tree.width > 1) {
        if tree.hashes.len() % 2 == 1 {
            tree.hashes.push(tree.padding);
        }
        let (couples, _) = tree.hashes.as_chunks::<2>();
        pairs.extend(couples.iter().map(|[left, right]| join(left, right)));
        pairs.push(join(&tree.padding, &tree.padding));
    }
    let inputs: Vec<&[u8]> = pairs.iter().map(<[u8; 64]>::as_slice).collect();
    let mut nodes = vec![ZERO_HASH; inputs.len()];
    hash_many(&inputs, &mut nodes);
    let mut rest = nodes.as_slice();
    for tree in trees.iter_mut().filter(|tree| tree.width > 1) {
        let (level, others) = rest.split_at(tree.hashes.len() / 2);
        tree.hashes = level.to_vec();
        tree.padding = others[0];
        tree.width /= 2;
        rest = &others[1..];
    }
}

fn join(left: &Sha256Hash, right: &Sha256Hash) -> [u8; 64] {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(left);
    pair[32..].copy_from_slice(right);
    pair
}

/// SHA-1 of every message. Those of equal length share lanes where that is cheaper than one
/// after the other.
///
/// # Panics
/// When `out` is not as long as `messages`.
pub fn sha1_many(messages: &[&[u8]], out: &mut [Sha1Hash]) {
    assert_eq!(messages.len(), out.len(), "one digest per message");
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.sort_by_key(|&i| messages[i].len());
    for group in order.chunk_by(|&i, &j| messages[i].len() == messages[j].len()) {
        let mut group = group;
        while !group.is_empty() {
            let kernel = Kernel::best(group.len());
            let (now, later) = group.split_at(kernel.map_or(1, Kernel::width).min(group.len()));
            let digests = match kernel {
                Some(kernel) => {
                    let runs: Vec<&[u8]> = now.iter().map(|&i| messages[i]).collect();
                    Lanes::new(kernel, now.len()).finish(&runs)
                }
                None => vec![Sha1::digest(messages[now[0]]).into()],
            };
            now.iter().zip(digests).for_each(|(&i, digest)| out[i] = digest);
            group = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Sha256;

    const LENGTHS: [usize; 14] =
        [0, 1, 63, 64, 65, 16383, 16384, 16385, 32768, 49152, 50000, 65536, 98304, 131_072];

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(length as u64).fill(&mut bytes);
        bytes
    }

    /// BEP 52 word for word, one hash after the other.
    fn reference_root(data: &[u8], leaves: u32) -> Sha256Hash {
        let mut level: Vec<Sha256Hash> =
            data.chunks(16384).map(|leaf| Sha256::digest(leaf).into()).collect();
        level.resize(leaves as usize, [0; 32]);
        while level.len() > 1 {
            level = level.chunks(2).map(|p| Sha256::digest(p.concat()).into()).collect();
        }
        level[0]
    }

    #[test]
    fn roots_agree_with_the_reference_for_every_length_and_padding() {
        let data: Vec<Vec<u8>> = LENGTHS.iter().map(|&n| noise(n)).collect();
        for extra in [1, 2, 8] {
            let inputs: Vec<PieceInput> = data
                .iter()
                .map(|data| {
                    let blocks = data.len().div_ceil(16384).max(1) as u32;
                    PieceInput { data, leaves: blocks.next_power_of_two() * extra }
                })
                .collect();
            let mut got = vec![[0; 32]; inputs.len()];
            piece_roots(&inputs, &mut got);
            for (input, got) in inputs.iter().zip(&got) {
                let expected = reference_root(input.data, input.leaves);
                assert_eq!(*got, expected, "{} bytes, {} leaves", input.data.len(), input.leaves);
            }
        }
    }

    #[test]
    fn leaves_agree_with_the_reference() {
        for length in LENGTHS {
            let data = noise(length);
            let expected: Vec<Sha256Hash> =
                data.chunks(16384).map(|leaf| Sha256::digest(leaf).into()).collect();
            assert_eq!(leaf_hashes(&data), expected, "{length} bytes");
        }
    }

    #[test]
    fn a_root_over_padded_piece_roots_is_the_root_over_the_leaves() {
        let data = noise(5 * 32768 + 100);
        let inputs: Vec<PieceInput> =
            data.chunks(32768).map(|data| PieceInput { data, leaves: 2 }).collect();
        let mut layer = vec![[0; 32]; inputs.len()];
        piece_roots(&inputs, &mut layer);
        assert_eq!(root(&layer, 8, empty_root(2)), reference_root(&data, 16));
    }

    #[test]
    fn sha1_of_many_agrees_with_the_reference_for_unequal_lengths_in_one_call() {
        let mut lengths = LENGTHS.to_vec();
        lengths.extend([16384; 37]);
        lengths.extend(LENGTHS);
        lengths.extend([70; 9]);
        let data: Vec<Vec<u8>> =
            lengths.iter().enumerate().map(|(i, &n)| noise(n + i)[i..].to_vec()).collect();
        let messages: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        for count in [0, 1, 2, 7, messages.len()] {
            let mut got = vec![[0; 20]; count];
            sha1_many(&messages[..count], &mut got);
            let expected: Vec<Sha1Hash> =
                messages[..count].iter().map(|m| Sha1::digest(m).into()).collect();
            assert_eq!(got, expected, "{count} messages");
        }
    }
}
