//! How many peers have each piece, kept in order of rarity.
//!
//! ```text
//! order:  | 7 2 | 0 9 5 | 1 |        pieces, rarest first
//! bucket:   ^0    ^1      ^2         where the pieces that 0, 1, 2.. peers have begin
//! ```
//! A HAVE moves one piece over one bucket border: O(1) (one swap). Peers that have everything
//! are only counted, so that a seed costs nothing. Within a bucket the order is random, which is
//! what keeps leechers from all asking for the same piece (Cohen 2003, section 2.2).

use crate::bitfield::Bitfield;
use crate::ids::PieceIndex;

/// The pieces of a torrent by how many connected peers have them.
#[derive(Debug, Clone)]
pub struct Availability {
    /// How many peers (full ones not counted) have each piece.
    count: Vec<u32>,
    /// The pieces by rising count.
    order: Vec<PieceIndex>,
    /// Where each piece stands in `order`.
    place: Vec<u32>,
    /// `bucket[n]`: where in `order` the pieces with a count of at least `n` begin.
    bucket: Vec<u32>,
    /// Peers that have everything.
    full_peers: u32,
}

impl Availability {
    /// Nobody has any of `pieces` pieces.
    pub fn new(pieces: u32, rng: &mut fastrand::Rng) -> Self {
        let mut order: Vec<PieceIndex> = (0..pieces).map(PieceIndex).collect();
        rng.shuffle(&mut order);
        let mut place = vec![0; pieces as usize];
        for (at, piece) in order.iter().enumerate() {
            place[piece.at()] = at as u32;
        }
        Self { count: vec![0; pieces as usize], order, place, bucket: vec![0], full_peers: 0 }
    }

    /// How many connected peers have the piece.
    pub fn of(&self, piece: PieceIndex) -> u32 {
        self.full_peers + self.count.get(piece.at()).copied().unwrap_or(0)
    }

    /// The pieces, rarest first.
    pub fn rarest_first(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.order.iter().copied()
    }

    /// A peer came with these pieces.
    pub fn on_joined(&mut self, have: &Bitfield, rng: &mut fastrand::Rng) {
        if have.is_full() {
            self.full_peers += 1;
        } else {
            have.iter().for_each(|piece| self.add(piece, rng));
        }
    }

    /// A peer with these pieces left.
    pub fn on_left(&mut self, have: &Bitfield, rng: &mut fastrand::Rng) {
        if have.is_full() {
            self.full_peers = self.full_peers.saturating_sub(1);
        } else {
            have.iter().for_each(|piece| self.take(piece, rng));
        }
    }

    /// A peer got one more piece; `have` already holds it.
    pub fn on_have(&mut self, piece: PieceIndex, have: &Bitfield, rng: &mut fastrand::Rng) {
        if have.is_full() {
            // It was counted piece by piece until now.
            have.iter().filter(|&other| other != piece).for_each(|p| self.take(p, rng));
            self.full_peers += 1;
        } else {
            self.add(piece, rng);
        }
    }

    /// A peer lost a piece; `have` holds it no more. O(1), unless the peer had everything: then all
    /// it still has is counted piece by piece from now on.
    pub fn on_dont_have(&mut self, piece: PieceIndex, have: &Bitfield, rng: &mut fastrand::Rng) {
        if have.count() + 1 == have.pieces() {
            self.full_peers = self.full_peers.saturating_sub(1);
            have.iter().for_each(|other| self.add(other, rng));
        } else {
            self.take(piece, rng);
        }
    }

    fn add(&mut self, piece: PieceIndex, rng: &mut fastrand::Rng) {
        let count = self.count[piece.at()] as usize;
        if self.bucket.len() == count + 1 {
            self.bucket.push(self.order.len() as u32);
        }
        // The last place of the old bucket becomes the first of the new one.
        self.bucket[count + 1] -= 1;
        self.swap(self.place[piece.at()], self.bucket[count + 1]);
        self.count[piece.at()] += 1;
        self.mix(piece, rng);
    }

    fn take(&mut self, piece: PieceIndex, rng: &mut fastrand::Rng) {
        let count = self.count[piece.at()] as usize;
        if count == 0 {
            return;
        }
        self.swap(self.place[piece.at()], self.bucket[count]);
        self.bucket[count] += 1;
        self.count[piece.at()] -= 1;
        self.mix(piece, rng);
    }

    /// Puts the piece at a random place of its bucket.
    fn mix(&mut self, piece: PieceIndex, rng: &mut fastrand::Rng) {
        let count = self.count[piece.at()] as usize;
        let start = self.bucket[count];
        let end = self.bucket.get(count + 1).copied().unwrap_or(self.order.len() as u32);
        self.swap(self.place[piece.at()], rng.u32(start..end));
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.order.swap(a as usize, b as usize);
        self.place[self.order[a as usize].at()] = a;
        self.place[self.order[b as usize].at()] = b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> fastrand::Rng {
        fastrand::Rng::with_seed(7)
    }

    fn having(pieces: &[u32], of: u32) -> Bitfield {
        let mut have = Bitfield::new(of);
        pieces.iter().for_each(|&p| assert!(have.set(PieceIndex(p))));
        have
    }

    #[test]
    fn rarer_pieces_come_first() {
        let mut a = Availability::new(4, &mut rng());
        a.on_joined(&having(&[0, 1, 2], 4), &mut rng());
        a.on_joined(&having(&[0, 1], 4), &mut rng());
        a.on_joined(&having(&[0], 4), &mut rng());
        assert_eq!(a.rarest_first().map(|p| p.0).collect::<Vec<_>>(), [3, 2, 1, 0]);
        a.on_left(&having(&[0, 1], 4), &mut rng());
        assert_eq!([0, 1, 2, 3].map(|p| a.of(PieceIndex(p))), [2, 1, 1, 0]);
    }

    #[test]
    fn peers_with_everything_count_for_every_piece() {
        let mut a = Availability::new(3, &mut rng());
        a.on_joined(&Bitfield::full(3), &mut rng());
        assert_eq!(a.of(PieceIndex(2)), 1);
        let mut have = having(&[0, 1], 3);
        a.on_joined(&have, &mut rng());
        have.set(PieceIndex(2));
        a.on_have(PieceIndex(2), &have, &mut rng());
        assert_eq!([0, 1, 2].map(|p| a.of(PieceIndex(p))), [2, 2, 2]);
        a.on_left(&have, &mut rng());
        assert_eq!([0, 1, 2].map(|p| a.of(PieceIndex(p))), [1, 1, 1]);
    }

    #[test]
    fn a_peer_that_lost_a_piece_counts_for_the_others_only() {
        let mut a = Availability::new(3, &mut rng());
        let mut have = Bitfield::full(3);
        a.on_joined(&have, &mut rng());
        for (lost, counts) in [(1, [1, 0, 1]), (0, [0, 0, 1]), (2, [0, 0, 0])] {
            have.clear(PieceIndex(lost));
            a.on_dont_have(PieceIndex(lost), &have, &mut rng());
            assert_eq!([0, 1, 2].map(|p| a.of(PieceIndex(p))), counts);
        }
        a.on_left(&have, &mut rng());
        assert_eq!([0, 1, 2].map(|p| a.of(PieceIndex(p))), [0, 0, 0]);
    }

    #[test]
    fn the_order_stays_sorted_through_any_comings_and_goings() {
        // Of few pieces a peer often has all, and loses one again.
        come_and_go(50);
        come_and_go(4);
    }

    fn come_and_go(pieces: u32) {
        let mut dice = rng();
        let mut a = Availability::new(pieces, &mut dice);
        let mut peers: Vec<Bitfield> = vec![Bitfield::new(pieces); 12];
        for _ in 0..5000 {
            let peer = dice.usize(0..peers.len());
            let piece = PieceIndex(dice.u32(0..pieces));
            if dice.u8(0..40) == 0 {
                a.on_left(&peers[peer], &mut dice);
                peers[peer] = Bitfield::new(pieces);
                a.on_joined(&peers[peer], &mut dice);
            } else if dice.u8(0..4) == 0 {
                if peers[peer].clear(piece) {
                    a.on_dont_have(piece, &peers[peer], &mut dice);
                }
            } else if peers[peer].set(piece) {
                a.on_have(piece, &peers[peer], &mut dice);
            }
            let counts: Vec<u32> = a.rarest_first().map(|p| a.of(p)).collect();
            assert!(counts.is_sorted());
        }
        for p in (0..pieces).map(PieceIndex) {
            assert_eq!(a.of(p) as usize, peers.iter().filter(|have| have.has(p)).count());
        }
    }
}
