//! Pieces too large to be in memory, a chunk of each at a time.
//!
//! Sixteen pieces are read side by side, 32 KiB of each, into one buffer that stays in the
//! second-level cache, and hashed both ways from there: every byte is read once, and memory does
//! not grow with the piece length.
//!
//! ```text
//! piece 0 |##......|      buffer |## piece 0|## piece 1|## piece 2| ...
//! piece 1 |##......|  ->           SHA-1 lanes: one piece each
//! piece 2 |##......|               SHA-256 lanes: one 16 KiB leaf each
//! ```

use sha1::{Digest, Sha1};

use super::sha1_lanes::{Kernel, Lanes, MAX_LANES};
use super::sha256::hash_many;
use super::{Tree, ZERO_HASH, roots};
use crate::geometry::BLOCK_LEN;
use crate::ids::{Sha1Hash, Sha256Hash};

/// The most pieces hashed side by side.
pub const GROUP: usize = MAX_LANES;

/// Bytes of each piece in the buffer: two leaves.
pub const CHUNK: usize = 2 * BLOCK_LEN as usize;

/// From one piece's chunk to the next. A distance of whole 4 KiB pages would put the same line of
/// all sixteen into the same cache set.
const PITCH: usize = CHUNK + 5 * 64;

/// What to compute of a piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Bytes that SHA-1 covers, pads included; `None` when it is not wanted.
    pub sha1: Option<u32>,
    /// Bytes that the tree's leaves cover; `None` when it is not wanted.
    pub tree: Option<u32>,
    /// How many leaves the padded tree has (a power of two).
    pub leaves: u32,
}

/// What was computed of a piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// SHA-1 over its bytes.
    pub sha1: Option<Sha1Hash>,
    /// The root of its tree.
    pub root: Option<Sha256Hash>,
}

/// The buffer that groups are hashed in: half a mebibyte, to be kept by each hashing thread.
#[derive(Debug)]
pub struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; GROUP * PITCH])
    }
}

impl Buffer {
    /// Hashes up to [`GROUP`] pieces. `read(n, offset, bytes)` fills in the bytes of the `n`th, or
    /// gives them where they lie in memory already.
    ///
    /// # Errors
    /// What `read` says.
    ///
    /// # Panics
    /// When there are more pieces than [`GROUP`], or a tree has more blocks than leaves.
    pub fn hash<'v, E>(
        &mut self,
        group: &[Work],
        mut read: impl FnMut(usize, u32, &mut [u8]) -> Result<Option<&'v [u8]>, E>,
    ) -> Result<Vec<Found>, E> {
        assert!(group.len() <= GROUP, "a group's worth of pieces");
        let mut v1 = V1::new(group);
        let mut leaves: Vec<Vec<Sha256Hash>> = vec![Vec::new(); group.len()];
        let mut seen: Vec<Option<&[u8]>> = vec![None; group.len()];
        let longest = group.iter().map(covered).max().unwrap_or(0);
        for offset in (0..longest).step_by(CHUNK) {
            for (n, work) in group.iter().enumerate() {
                let length = CHUNK.min((covered(work).saturating_sub(offset)) as usize);
                if length > 0 {
                    seen[n] = read(n, offset, &mut self.0[n * PITCH..][..length])?;
                }
            }
            let chunk = |n: usize, end: Option<u32>| {
                let length = end.unwrap_or(0).saturating_sub(offset) as usize;
                &seen[n].unwrap_or(&self.0[n * PITCH..])[..length.min(CHUNK)]
            };
            v1.update(|n| chunk(n, group[n].sha1));
            hash_leaves(&mut leaves, |n| chunk(n, group[n].tree));
        }
        Ok(collect(group, v1.finish(), leaves))
    }
}

fn covered(work: &Work) -> u32 {
    work.sha1.unwrap_or(0).max(work.tree.unwrap_or(0))
}

fn hash_leaves<'a>(leaves: &mut [Vec<Sha256Hash>], chunk: impl Fn(usize) -> &'a [u8]) {
    let blocks: Vec<(usize, &[u8])> = (0..leaves.len())
        .flat_map(|n| chunk(n).chunks(BLOCK_LEN as usize).map(move |block| (n, block)))
        .collect();
    let inputs: Vec<&[u8]> = blocks.iter().map(|&(_, block)| block).collect();
    let mut hashes = vec![ZERO_HASH; inputs.len()];
    hash_many(&inputs, &mut hashes);
    for ((n, _), hash) in blocks.into_iter().zip(hashes) {
        leaves[n].push(hash);
    }
}

fn collect(
    group: &[Work],
    sha1: Vec<Option<Sha1Hash>>,
    leaves: Vec<Vec<Sha256Hash>>,
) -> Vec<Found> {
    let mut trees: Vec<Tree> = group
        .iter()
        .zip(leaves)
        .map(|(work, hashes)| Tree {
            hashes,
            width: if work.tree.is_some() { work.leaves } else { 1 },
            padding: ZERO_HASH,
        })
        .collect();
    roots(&mut trees);
    let found = |((work, tree), sha1): ((&Work, Tree), _)| Found {
        sha1,
        root: work.tree.map(|_| tree.hashes[0]),
    };
    group.iter().zip(trees).zip(sha1).map(found).collect()
}

/// The SHA-1 half: pieces of the commonest length in lanes, the others one by one.
struct V1 {
    together: Vec<Set>,
    /// Bytes of each piece that is in lanes.
    length: u64,
    /// Bytes of each that came.
    seen: u64,
    alone: Vec<(usize, Sha1)>,
    digests: Vec<Option<Sha1Hash>>,
}

/// Pieces that share a kernel's lanes; gone once their digests are known.
struct Set {
    members: Vec<usize>,
    lanes: Lanes,
}

impl V1 {
    fn new(group: &[Work]) -> Self {
        let wanted = || group.iter().enumerate().filter_map(|(n, w)| w.sha1.map(|l| (n, l)));
        let same = |length: u32| wanted().filter(move |&(_, l)| l == length);
        let common = wanted().map(|(_, l)| l).max_by_key(|&l| same(l).count()).unwrap_or(0);
        let mut together = Vec::new();
        let mut rest: Vec<usize> = same(common).map(|(n, _)| n).filter(|_| common > 0).collect();
        while let Some(kernel) = Kernel::best(rest.len()) {
            let members: Vec<usize> = rest.drain(..kernel.width().min(rest.len())).collect();
            together.push(Set { lanes: Lanes::new(kernel, members.len()), members });
        }
        let laned = |n: &usize| together.iter().any(|set: &Set| set.members.contains(n));
        let alone = wanted().map(|(n, _)| n).filter(|n| !laned(n));
        Self {
            alone: alone.map(|n| (n, Sha1::new())).collect(),
            together,
            length: common.into(),
            seen: 0,
            digests: vec![None; group.len()],
        }
    }

    fn update<'a>(&mut self, chunk: impl Fn(usize) -> &'a [u8]) {
        for (n, hasher) in &mut self.alone {
            hasher.update(chunk(*n));
        }
        let Some(first) = self.together.first() else { return };
        self.seen += chunk(first.members[0]).len() as u64;
        for mut set in std::mem::take(&mut self.together) {
            let runs: Vec<&[u8]> = set.members.iter().map(|&n| chunk(n)).collect();
            if self.seen < self.length {
                set.lanes.update(&runs);
                self.together.push(set);
                continue;
            }
            for (&n, digest) in set.members.iter().zip(set.lanes.finish(&runs)) {
                self.digests[n] = Some(digest);
            }
        }
    }

    fn finish(mut self) -> Vec<Option<Sha1Hash>> {
        for (n, hasher) in self.alone {
            self.digests[n] = Some(hasher.finalize().into());
        }
        self.digests
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PieceInput, piece_roots};
    use super::*;

    fn check(lengths: &[(u32, u32)]) {
        let data: Vec<Vec<u8>> = lengths
            .iter()
            .enumerate()
            .map(|(n, &(padded, length))| {
                let mut bytes = vec![0; length as usize];
                fastrand::Rng::with_seed(n as u64).fill(&mut bytes);
                bytes.resize(padded as usize, 0);
                bytes
            })
            .collect();
        let group: Vec<Work> = lengths
            .iter()
            .map(|&(padded, length)| Work {
                sha1: Some(padded),
                tree: Some(length),
                leaves: length.div_ceil(BLOCK_LEN).max(1).next_power_of_two(),
            })
            .collect();
        let found = Buffer::default().hash(&group, |n, offset, bytes| {
            let source = &data[n][offset as usize..][..bytes.len()];
            // Every other piece is given where it lies.
            if n % 2 == 1 {
                return Ok(Some(source));
            }
            bytes.copy_from_slice(source);
            Ok::<_, ()>(None)
        });
        for (((found, data), work), &(_, length)) in
            found.unwrap().iter().zip(&data).zip(&group).zip(lengths)
        {
            let mut root = [[0; 32]];
            let input = PieceInput { data: &data[..length as usize], leaves: work.leaves };
            piece_roots(&[input], &mut root);
            let sha1 = Sha1::digest(data).into();
            assert_eq!(*found, Found { sha1: Some(sha1), root: Some(root[0]) }, "{work:?}");
        }
    }

    #[test]
    fn chunk_by_chunk_gives_what_the_whole_gives() {
        check(&[]);
        check(&[(1, 1)]);
        check(&[(32768, 32768), (0, 0), (32769, 32769), (100_000, 100_000), (65536, 16385)]);
        check(&[(131_072, 131_072); 16]);
        check(&[(131_072, 5); 11]);
        let mut mixed = vec![(131_072, 131_072); 15];
        mixed.push((70_001, 70_001));
        check(&mixed);
        mixed[3] = (131_072, 16384);
        check(&mixed);
        check(&[(40_000, 40_000); 9]);
    }

    #[test]
    fn a_failed_read_is_passed_on() {
        let work = Work { sha1: Some(9), tree: None, leaves: 0 };
        let found = Buffer::default().hash(&[work], |_, _, _| Err("gone"));
        assert_eq!(found, Err("gone"));
    }
}
