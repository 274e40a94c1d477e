//! What is wanted of a torrent: files with priorities become pieces with ranks.
//!
//! ```text
//! files:   | a: normal      | b: skip | c: high |
//! pieces:  | normal | normal*  | -  | high*     |      * has bytes of two files: the most counts
//! ```

use super::{Picker, Policy};
use crate::bitfield::Bitfield;
use crate::ids::PieceIndex;
use crate::logic::availability::Rank;
use std::ops::Range;

/// How much the user wants a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Not at all.
    Skip,
    /// After the others.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl Picker {
    /// Whether a piece is wanted and not verified.
    pub fn lacks(&self, piece: PieceIndex) -> bool {
        self.selected.has(piece) && !self.have.has(piece)
    }

    /// Whether all that is wanted is verified.
    pub fn is_satisfied(&self) -> bool {
        self.lacking == 0
    }

    /// Bytes of the pieces that are wanted, verified or not.
    pub fn wanted_total(&self) -> u64 {
        self.selected_bytes
    }

    /// Bytes of the pieces that are wanted and not verified.
    pub fn left_of_wanted(&self) -> u64 {
        self.lacking_bytes
    }

    /// From now on pieces are chosen so; what each file is worth is said anew, because in order the
    /// ends of files come first.
    pub fn set_policy(&mut self, policy: Policy, files: &[(Range<u32>, Priority)]) {
        self.policy = policy;
        self.set_priorities(files);
    }

    /// How much each file is wanted, with the pieces it touches. A piece of several files is wanted
    /// as much as the one that is wanted most. Under [`Policy::Sequential`] the first and the last
    /// piece of each file come before everything.
    pub fn set_priorities(&mut self, files: &[(Range<u32>, Priority)]) {
        let pieces = self.geometry.pieces();
        let mut wanted = vec![Priority::Skip; pieces as usize];
        let mut edges = Bitfield::new(pieces);
        for (range, priority) in files.iter().filter(|(_, priority)| *priority > Priority::Skip) {
            for piece in range.start..range.end.min(pieces) {
                wanted[piece as usize] = wanted[piece as usize].max(*priority);
            }
            let ends = [range.start, range.end.saturating_sub(1)];
            ends.into_iter().for_each(|piece| _ = edges.set(PieceIndex(piece)));
        }
        let in_order = self.policy == Policy::Sequential;
        let rank = |piece: PieceIndex| match wanted[piece.at()] {
            _ if in_order && edges.has(piece) => Rank::Edge,
            Priority::High => Rank::High,
            Priority::Low => Rank::Low,
            Priority::Normal | Priority::Skip => Rank::Normal,
        };
        self.ranks = (0..pieces).map(PieceIndex).map(rank).collect();
        self.selected = Bitfield::new(pieces);
        (self.lacking, self.selected_bytes, self.lacking_bytes) = (0, 0, 0);
        for piece in (0..pieces).map(PieceIndex) {
            self.availability.unlist(piece);
            if wanted[piece.at()] > Priority::Skip {
                let bytes = u64::from(self.geometry.length_of(piece));
                self.selected.set(piece);
                self.selected_bytes += bytes;
                if !self.have.has(piece) {
                    self.lacking += 1;
                    self.lacking_bytes += bytes;
                    self.availability.list(piece, rank(piece), &mut self.rng);
                }
            }
        }
        // What is begun stands in no list.
        self.open.iter().for_each(|open| self.availability.unlist(open.piece));
    }

    /// How many pieces a peer has that we lack.
    pub fn lacking_of(&self, theirs: &Bitfield) -> u32 {
        let ours = self.have.as_bytes().iter().zip(self.selected.as_bytes());
        let lacking = theirs.as_bytes().iter().zip(ours);
        lacking.map(|(theirs, (ours, wanted))| (theirs & !ours & wanted).count_ones()).sum()
    }

    /// Bytes that are not verified yet.
    pub fn left(&self) -> u64 {
        if self.have.count() * 2 > self.have.pieces() {
            self.have.missing().map(|piece| u64::from(self.geometry.length_of(piece))).sum()
        } else {
            let had = self.have.iter().map(|p| u64::from(self.geometry.length_of(p)));
            self.geometry.total() - had.sum::<u64>()
        }
    }
}
