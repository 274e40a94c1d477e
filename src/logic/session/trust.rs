//! How many pieces a peer may be at before it is known whether what it sends is right.
//!
//! Nobody works on more unjudged pieces than it has got right, and [`START`] more. That doubles
//! with every round, so an honest peer hardly notices; a liar is banned at its first bad piece, so
//! it wastes no more than it gave and [`START`] pieces, however fast it sends.

use crate::bitfield::Bitfield;
use crate::ids::PieceIndex;

/// Pieces that a stranger may be at.
const START: usize = 2;

/// Who got so many right may be at any number.
const ENOUGH: usize = 64;

/// What is known of the truth of one peer.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Pieces that it had a part in and that matched their hashes, up to [`ENOUGH`].
    right: usize,
    /// Pieces that it was asked for and that are not judged.
    unjudged: Vec<PieceIndex>,
}

impl Trust {
    /// Whether it may be at any number of pieces.
    pub fn is_earned(&self) -> bool {
        self.right >= ENOUGH
    }

    /// Somebody who has long been right.
    #[cfg(test)]
    pub fn earned() -> Self {
        Self { right: ENOUGH, ..Self::default() }
    }

    /// It was asked for a part of a piece.
    pub fn on_asked(&mut self, piece: PieceIndex) {
        if !self.is_earned() && !self.unjudged.contains(&piece) {
            self.unjudged.push(piece);
        }
    }

    /// A piece that it had a part in matched its hash.
    pub fn on_right(&mut self, piece: PieceIndex) {
        self.right += usize::from(self.unjudged.contains(&piece));
        self.on_judged(piece);
    }

    /// A piece is whole or has failed, whoever had a part in it.
    pub fn on_judged(&mut self, piece: PieceIndex) {
        self.unjudged.retain(|&unjudged| unjudged != piece);
    }

    /// The pieces that it is at, if it may be asked for no others.
    pub fn only(&self, theirs: &Bitfield) -> Option<Bitfield> {
        let is_free = self.is_earned() || self.unjudged.len() < START + self.right;
        (!is_free).then(|| {
            let mut only = Bitfield::new(theirs.pieces());
            let has = self.unjudged.iter().filter(|&&piece| theirs.has(piece));
            has.for_each(|&piece| _ = only.set(piece));
            only
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks a peer for all it may be asked for, up to a hundred pieces; says for how many.
    fn fill(trust: &mut Trust, next: &mut u32) -> usize {
        let theirs = Bitfield::full(10_000);
        let mut may_be_asked = |trust: &mut Trust| {
            let free = trust.only(&theirs).is_none();
            *next += 1;
            free.then(|| trust.on_asked(PieceIndex(*next))).is_some()
        };
        (0..100).take_while(|_| may_be_asked(trust)).count()
    }

    #[test]
    fn what_a_peer_may_be_at_doubles_with_what_it_got_right() {
        let (mut trust, mut next) = (Trust::default(), 0);
        let mut rounds = Vec::new();
        for _ in 0..7 {
            rounds.push(fill(&mut trust, &mut next));
            trust.unjudged.clone().into_iter().for_each(|piece| trust.on_right(piece));
        }
        assert_eq!(rounds, [2, 4, 8, 16, 32, 64, 100], "and then is not bounded");
    }

    #[test]
    fn a_piece_that_failed_or_that_others_made_whole_earns_nothing() {
        let (mut trust, mut next) = (Trust::default(), 0);
        fill(&mut trust, &mut next);
        trust.on_judged(PieceIndex(1));
        trust.on_right(PieceIndex(77));
        assert_eq!(fill(&mut trust, &mut next), 1, "in the place of the judged one");
    }

    #[test]
    fn what_it_is_at_it_may_finish() {
        let mut trust = Trust::default();
        let mut theirs = Bitfield::new(9);
        [3, 5, 7].into_iter().for_each(|piece| _ = theirs.set(PieceIndex(piece)));
        trust.on_asked(PieceIndex(5));
        trust.on_asked(PieceIndex(5));
        assert_eq!(trust.only(&theirs), None);
        trust.on_asked(PieceIndex(3));
        let only: Vec<u32> = trust.only(&theirs).unwrap().iter().map(|piece| piece.0).collect();
        assert_eq!(only, [3, 5]);
        theirs.clear(PieceIndex(3));
        assert_eq!(trust.only(&theirs).unwrap().count(), 1, "unless it took the piece back");
    }
}
