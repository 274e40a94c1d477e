//! Who sent what did not match its hash.
//!
//! A piece that fails its hash was written by one peer or by several. One alone is the liar.
//! Of several, the piece's leaf hashes tell: they are asked of a peer, proved against the piece's
//! root (which is trusted), and name the blocks that differ from what is on disk (BEP 52). Until
//! the leaves have come nobody is blamed. Where there are none to ask for (a v1 torrent), they are
//! those of the right piece, once it is there.

use crate::ids::{PieceIndex, Sha256Hash};
use crate::logic::PeerKey;
use crate::logic::picker::Writers;
use std::collections::HashMap;

/// The most pieces whose leaves we wait for; beyond it the oldest case is dropped.
const OPEN_CASES: usize = 64;

/// What a failed piece leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// One peer wrote it all.
    Guilty(PeerKey),
    /// Several did: ask for the leaf hashes.
    NeedLeaves,
    /// Nobody did: the bytes were there before.
    Nobody,
}

#[derive(Debug, Clone)]
struct Case {
    opened: u64,
    writers: Writers,
    /// The leaves of what was on disk when the piece failed.
    found: Vec<Sha256Hash>,
}

/// The failed pieces whose culprit is not known yet.
#[derive(Debug, Clone, Default)]
pub struct Court {
    cases: HashMap<PieceIndex, Case>,
    opened: u64,
}

impl Court {
    /// A piece failed; `found` are the leaf hashes of what these writers wrote.
    pub fn on_failed(
        &mut self,
        piece: PieceIndex,
        writers: Writers,
        found: Vec<Sha256Hash>,
    ) -> Verdict {
        let mut suspects: Vec<PeerKey> = writers.iter().flatten().copied().collect();
        suspects.sort_unstable();
        suspects.dedup();
        match suspects[..] {
            [] => return Verdict::Nobody,
            [alone] => return Verdict::Guilty(alone),
            _ => {}
        }
        if self.cases.len() >= OPEN_CASES {
            let oldest = self.cases.iter().min_by_key(|(_, case)| case.opened).map(|(&p, _)| p);
            oldest.and_then(|piece| self.cases.remove(&piece));
        }
        self.opened += 1;
        self.cases.insert(piece, Case { opened: self.opened, writers, found });
        Verdict::NeedLeaves
    }

    /// Whether the leaves of this piece are wanted.
    pub fn is_open(&self, piece: PieceIndex) -> bool {
        self.cases.contains_key(&piece)
    }

    /// The proven leaf hashes came: who wrote a block that differs?
    pub fn on_leaves(&mut self, piece: PieceIndex, proven: &[Sha256Hash]) -> Vec<PeerKey> {
        // BEGIN SOLUTION C4
        let Some(case) = self.cases.remove(&piece) else { return Vec::new() };
        let blocks = proven.iter().zip(&case.found).zip(&case.writers);
        let mut guilty: Vec<PeerKey> =
            blocks.filter(|((right, found), _)| right != found).filter_map(|(_, w)| *w).collect();
        guilty.sort_unstable();
        guilty.dedup();
        guilty
        // END SOLUTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerKey = PeerKey(1);
    const EVE: PeerKey = PeerKey(2);
    const PIECE: PieceIndex = PieceIndex(5);

    #[test]
    fn a_lone_writer_is_guilty_at_once() {
        let mut court = Court::default();
        let writers = vec![Some(EVE), Some(EVE)];
        assert_eq!(court.on_failed(PIECE, writers, vec![]), Verdict::Guilty(EVE));
        assert_eq!(court.on_failed(PIECE, vec![None], vec![]), Verdict::Nobody);
    }

    #[test]
    fn of_several_writers_the_leaves_name_the_liar() {
        let mut court = Court::default();
        let writers = vec![Some(ANN), Some(EVE), Some(ANN)];
        let found = vec![[1; 32], [9; 32], [3; 32]];
        assert_eq!(court.on_failed(PIECE, writers, found), Verdict::NeedLeaves);
        assert!(court.is_open(PIECE));
        assert_eq!(court.on_leaves(PIECE, &[[1; 32], [2; 32], [3; 32]]), [EVE]);
        assert!(!court.is_open(PIECE));
    }

    #[test]
    fn open_cases_are_bounded() {
        let mut court = Court::default();
        for piece in 0..200 {
            court.on_failed(PieceIndex(piece), vec![Some(ANN), Some(EVE)], vec![]);
        }
        assert!(!court.is_open(PieceIndex(135)) && court.is_open(PieceIndex(136)));
    }
}
