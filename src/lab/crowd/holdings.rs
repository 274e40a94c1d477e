//! Who has what, and which piece is sent: the picker's rule in as little room as there is.
//!
//! A peer of a node keeps the pieces in an order of rarity ([`crate::logic::availability`]); of a
//! crowd of a million it keeps a byte for each piece, how many neighbours have it, and the order is
//! looked for when a piece is picked: a HAVE comes forty times as often as a pick. The rule is the
//! same: of what the other has and we neither have nor are being sent, the rarest, among equals by
//! lot; the first piece of all by lot. A test holds the two together.

use crate::logic::picker::Policy;

/// Who has what.
#[derive(Debug)]
pub struct Holdings {
    pieces: usize,
    /// Words of a bitmap.
    words: usize,
    /// A bitmap for each peer: what it has.
    have: Vec<u64>,
    /// The same with what it is being sent.
    taken: Vec<u64>,
    /// How many it has.
    held: Vec<u32>,
    /// For each peer and piece: how many neighbours have it.
    counts: Vec<u8>,
    /// Pieces that were delivered to anybody.
    pub delivered: u64,
}

impl Holdings {
    /// Nobody has anything.
    pub fn new(peers: usize, pieces: u32) -> Self {
        let (pieces, words) = (pieces as usize, pieces.div_ceil(64) as usize);
        Self {
            pieces,
            words,
            have: vec![0; peers * words],
            taken: vec![0; peers * words],
            held: vec![0; peers],
            counts: vec![0; peers * pieces],
            delivered: 0,
        }
    }

    /// How many pieces a peer has.
    pub fn held(&self, peer: usize) -> u32 {
        self.held[peer]
    }

    /// Whether a peer has everything.
    pub fn is_full(&self, peer: usize) -> bool {
        self.held[peer] as usize == self.pieces
    }

    /// How many neighbours of a peer have a piece, as far as it knows.
    pub fn count(&self, peer: usize, piece: u32) -> u8 {
        self.counts[peer * self.pieces + piece as usize]
    }

    /// The peer has everything.
    pub fn fill(&mut self, peer: usize) {
        for piece in 0..self.pieces {
            let bit = 1 << (piece % 64);
            self.have[peer * self.words + piece / 64] |= bit;
            self.taken[peer * self.words + piece / 64] |= bit;
        }
        self.held[peer] = self.pieces as u32;
    }

    /// Whether a peer has something that another lacks, and how many pieces the other has. Only
    /// their bitmaps are looked at: all neighbours are compared in every round.
    pub fn compare(&self, peer: usize, other: usize) -> (bool, u32) {
        let (have, theirs) = (self.words_of(&self.have, peer), self.words_of(&self.have, other));
        let (mut more, mut held) = (0, 0);
        for (mine, theirs) in have.iter().zip(theirs) {
            more |= mine & !theirs;
            held += theirs.count_ones();
        }
        (more != 0, held)
    }

    /// A peer that comes knows nothing of others.
    pub fn forget_counts(&mut self, peer: usize) {
        self.counts[peer * self.pieces..][..self.pieces].fill(0);
    }

    /// Two peers learn what the other has.
    pub fn introduce(&mut self, one: usize, two: usize) {
        for (a, b) in [(one, two), (two, one)] {
            for piece in 0..self.pieces {
                let has = self.have[b * self.words + piece / 64] >> (piece % 64) & 1;
                self.counts[a * self.pieces + piece] += has as u8;
            }
        }
    }

    /// The piece is being sent to the peer.
    pub fn ask(&mut self, peer: usize, piece: u32) {
        self.taken[peer * self.words + piece as usize / 64] |= 1 << (piece % 64);
    }

    /// It will not come.
    pub fn give_up(&mut self, peer: usize, piece: u32) {
        self.taken[peer * self.words + piece as usize / 64] &= !(1 << (piece % 64));
    }

    /// It is there.
    pub fn deliver(&mut self, peer: usize, piece: u32) {
        self.have[peer * self.words + piece as usize / 64] |= 1 << (piece % 64);
        self.held[peer] += 1;
        self.delivered += 1;
    }

    /// A neighbour of these got a piece.
    pub fn on_have(&mut self, neighbours: &[u32], piece: u32) {
        for &peer in neighbours {
            // Never more than there are neighbours; who has not come yet counts anew when it comes.
            self.counts[peer as usize * self.pieces + piece as usize] += 1;
        }
    }

    /// The next piece from one peer to another, by the policy of the one who gets it.
    pub fn pick(
        &self,
        from: usize,
        to: usize,
        policy: Policy,
        rng: &mut fastrand::Rng,
    ) -> Option<u32> {
        let by_rarity = policy == Policy::Rarest && self.held[to] > 0;
        let counts = &self.counts[to * self.pieces..][..self.pieces];
        let (mut rarest, mut ties) = (u8::MAX, 0);
        for piece in self.open(from, to) {
            if policy == Policy::Sequential {
                return Some(piece);
            }
            let count = if by_rarity { counts[piece as usize] } else { 0 };
            ties = if count < rarest { 1 } else { ties + u32::from(count == rarest) };
            rarest = rarest.min(count);
        }
        if ties == 0 {
            return None;
        }
        let is_tied = |piece: &u32| !by_rarity || counts[*piece as usize] == rarest;
        self.open(from, to).filter(is_tied).nth(rng.u32(..ties) as usize)
    }

    /// What one has and the other neither has nor is being sent.
    fn open(&self, from: usize, to: usize) -> impl Iterator<Item = u32> {
        let (have, taken) = (self.words_of(&self.have, from), self.words_of(&self.taken, to));
        let words = have.iter().zip(taken).map(|(have, taken)| have & !taken);
        words.zip(0..).flat_map(|(mut word, at): (u64, u32)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }

    fn words_of<'a>(&self, bitmaps: &'a [u64], peer: usize) -> &'a [u64] {
        &bitmaps[peer * self.words..][..self.words]
    }

    /// Bytes of the arrays.
    pub fn bytes(&self) -> usize {
        (self.have.capacity() + self.taken.capacity()) * size_of::<u64>()
            + self.held.capacity() * size_of::<u32>()
            + self.counts.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;
    use crate::ids::PieceIndex;
    use crate::logic::availability::{Availability, Rank};
    use std::collections::BTreeSet;

    const PIECES: u32 = 70;
    const OTHERS: usize = 9;

    /// Peer 0 beside a picker's order, through pieces that come to it and to its neighbours.
    #[test]
    fn what_is_picked_is_what_the_order_of_rarity_says() {
        let mut dice = fastrand::Rng::with_seed(5);
        let mut crowd = Holdings::new(1 + OTHERS, PIECES);
        let mut order = Availability::new(PIECES);
        (0..PIECES).for_each(|piece| order.list(PieceIndex(piece), Rank::Normal, &mut dice));
        let mut have = vec![Bitfield::new(PIECES); 1 + OTHERS];
        for step in 0..3000 {
            let (peer, piece) = (1 + dice.usize(..OTHERS), dice.u32(..PIECES));
            // Nobody becomes a seed: the order counts those apart.
            if have[peer].count() < PIECES - 1 && have[peer].set(PieceIndex(piece)) {
                crowd.deliver(peer, piece);
                crowd.on_have(&[0], piece);
                order.on_have(PieceIndex(piece), &have[peer], &mut dice);
            }
            if step % 60 == 59 && have[0].count() < PIECES - 1 {
                let lacked: Vec<u32> = have[0].missing().map(|piece| piece.0).collect();
                let piece = *dice.choice(&lacked).unwrap();
                have[0].set(PieceIndex(piece));
                crowd.ask(0, piece);
                crowd.deliver(0, piece);
                order.unlist(PieceIndex(piece));
            }
            let from = 1 + dice.usize(..OTHERS);
            let fits = |piece: &PieceIndex| have[from].has(*piece);
            let expected = order.rarest_first().find(fits);
            let picked = crowd.pick(from, 0, Policy::Rarest, &mut dice).map(PieceIndex);
            assert_eq!(picked.is_some(), expected.is_some());
            let (Some(picked), Some(expected)) = (picked, expected) else { continue };
            assert_eq!(crowd.count(0, picked.0), order.of(picked) as u8);
            assert!(have[from].has(picked) && order.is_listed(picked));
            if crowd.held(0) > 0 {
                assert_eq!(order.of(picked), order.of(expected), "step {step}");
            }
        }
    }

    #[test]
    fn among_equals_the_lot_decides_and_the_first_piece_is_any() {
        let mut crowd = Holdings::new(3, 5);
        crowd.fill(1);
        for piece in [0, 1] {
            crowd.ask(2, piece);
            crowd.deliver(2, piece);
            crowd.on_have(&[0], piece);
        }
        let drawn = |crowd: &Holdings, policy| -> BTreeSet<u32> {
            let mut dice = fastrand::Rng::with_seed(1);
            (0..200).filter_map(|_| crowd.pick(1, 0, policy, &mut dice)).collect()
        };
        let set = BTreeSet::from_iter::<Vec<u32>>;
        assert_eq!(drawn(&crowd, Policy::Rarest), set(vec![0, 1, 2, 3, 4]));
        crowd.ask(0, 4);
        crowd.deliver(0, 4);
        assert_eq!(drawn(&crowd, Policy::Rarest), set(vec![2, 3]));
        assert_eq!(drawn(&crowd, Policy::Random), set(vec![0, 1, 2, 3]));
        assert_eq!(drawn(&crowd, Policy::Sequential), set(vec![0]));
        crowd.ask(0, 2);
        assert_eq!(drawn(&crowd, Policy::Rarest), set(vec![3]));
        crowd.give_up(0, 2);
        assert_eq!(drawn(&crowd, Policy::Rarest), set(vec![2, 3]));
        assert_eq!((crowd.compare(1, 0), crowd.compare(0, 1)), ((true, 1), (false, 5)));
    }

    #[test]
    fn peers_that_meet_count_what_the_other_has() {
        let mut crowd = Holdings::new(3, 66);
        crowd.fill(1);
        crowd.deliver(2, 65);
        crowd.introduce(0, 1);
        crowd.introduce(0, 2);
        assert_eq!([0, 64, 65].map(|piece| crowd.count(0, piece)), [1, 1, 2]);
        crowd.forget_counts(0);
        assert_eq!(crowd.count(0, 65), 0);
    }
}
