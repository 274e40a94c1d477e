//! How many peers have each piece, and which of those to be fetched is the rarest.
//!
//! ```text
//! order:  | 7 2 | 0 9 5 | 1 |        pieces to be fetched, rarest first
//! bucket:   ^0    ^1      ^2         where the pieces that 0, 1, 2.. peers have begin
//! ```
//! A HAVE moves one piece over one bucket border: O(1), one swap. Peers that have everything are
//! only counted, so that a seed costs nothing. Within a bucket the order is random, which is what
//! keeps leechers from all asking for the same piece (Cohen 2003, section 2.4.2). There is one such
//! order for each [`Rank`]; a piece that is here, begun or not wanted stands in none, so that the
//! first piece of an order is nearly always the answer.

use crate::bitfield::Bitfield;
use crate::ids::PieceIndex;

/// How urgent a piece is; all of a higher rank go before any of a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Rank {
    /// After all others.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before the others.
    High,
    /// Before everything: the ends of a file that is read while it is fetched.
    Edge,
}

impl Rank {
    /// All of them.
    pub const HIGHEST_FIRST: [Self; RANKS] = [Self::Edge, Self::High, Self::Normal, Self::Low];
}

/// How many ranks there are.
const RANKS: usize = Rank::Edge as usize + 1;

/// The pieces of one rank that are to be fetched.
#[derive(Debug, Clone)]
struct Order {
    /// By rising count.
    pieces: Vec<PieceIndex>,
    /// `bucket[n]`: where in `pieces` those with a count of at least `n` begin.
    bucket: Vec<u32>,
}

impl Order {
    fn bucket_of(&self, count: u32) -> std::ops::Range<u32> {
        let end = self.pieces.len() as u32;
        let start_of = |n: u32| self.bucket.get(n as usize).copied().unwrap_or(end);
        start_of(count)..start_of(count + 1)
    }
}

/// The pieces of a torrent by how many connected peers have them.
#[derive(Debug, Clone)]
pub struct Availability {
    /// How many peers (full ones not counted) have each piece.
    count: Vec<u32>,
    /// Which order each piece stands in, if any.
    rank: Vec<Option<Rank>>,
    /// Where it stands there.
    place: Vec<u32>,
    orders: [Order; RANKS],
    /// Peers that have everything.
    full_peers: u32,
}

impl Availability {
    /// Nobody has any of `pieces` pieces, and none is to be fetched yet.
    pub fn new(pieces: u32) -> Self {
        let pieces = pieces as usize;
        let empty = || Order { pieces: Vec::new(), bucket: vec![0] };
        Self {
            count: vec![0; pieces],
            rank: vec![None; pieces],
            place: vec![0; pieces],
            orders: std::array::from_fn(|_| empty()),
            full_peers: 0,
        }
    }

    /// How many connected peers have the piece.
    pub fn of(&self, piece: PieceIndex) -> u32 {
        self.full_peers + self.count.get(piece.at()).copied().unwrap_or(0)
    }

    /// Connected peers that have everything.
    pub fn full_peers(&self) -> u32 {
        self.full_peers
    }

    /// Whether the piece is to be fetched.
    pub fn is_listed(&self, piece: PieceIndex) -> bool {
        self.rank.get(piece.at()).is_some_and(Option::is_some)
    }

    /// Whether nothing is to be fetched.
    pub fn is_empty(&self) -> bool {
        self.orders.iter().all(|order| order.pieces.is_empty())
    }

    /// Whether a piece of this rank is to be fetched.
    pub fn lists(&self, rank: Rank) -> bool {
        !self.orders[rank as usize].pieces.is_empty()
    }

    /// How many pieces of this piece's rank are as rare, itself among them.
    pub fn ties(&self, piece: PieceIndex) -> u32 {
        let Some(rank) = self.rank[piece.at()] else { return 0 };
        self.orders[rank as usize].bucket_of(self.count[piece.at()]).len() as u32
    }

    /// The pieces to be fetched, highest rank and then rarest first.
    pub fn rarest_first(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.orders.iter().rev().flat_map(|order| order.pieces.iter().copied())
    }

    /// The pieces of one rank after the other, each in an order that begins anywhere.
    pub fn anywhere<'a>(
        &'a self,
        rng: &'a mut fastrand::Rng,
    ) -> impl Iterator<Item = PieceIndex> + 'a {
        self.orders.iter().rev().filter(|order| !order.pieces.is_empty()).flat_map(|order| {
            let (before, after) = order.pieces.split_at(rng.usize(0..order.pieces.len()));
            after.iter().chain(before).copied()
        })
    }

    /// The rank of a piece to be fetched.
    pub fn rank(&self, piece: PieceIndex) -> Option<Rank> {
        self.rank.get(piece.at()).copied().flatten()
    }

    /// The piece is to be fetched, with this urgency. It moves over as many borders as there are
    /// peers.
    pub fn list(&mut self, piece: PieceIndex, rank: Rank, rng: &mut fastrand::Rng) {
        self.unlist(piece);
        let count = self.count[piece.at()] as usize;
        let order = &mut self.orders[rank as usize];
        let end = order.pieces.len() as u32;
        if order.bucket.len() <= count {
            order.bucket.resize(count + 1, end);
        }
        order.pieces.push(piece);
        self.rank[piece.at()] = Some(rank);
        self.place[piece.at()] = end;
        for border in (count + 1..self.orders[rank as usize].bucket.len()).rev() {
            // The first place of the bucket behind becomes the last of this one.
            let first = self.orders[rank as usize].bucket[border];
            self.swap(rank, self.place[piece.at()], first);
            self.orders[rank as usize].bucket[border] += 1;
        }
        self.mix(rank, piece, rng);
    }

    /// The piece is not to be fetched: it is here, begun, or not wanted.
    pub fn unlist(&mut self, piece: PieceIndex) {
        let Some(rank) = self.rank[piece.at()] else { return };
        let count = self.count[piece.at()] as usize;
        for border in count + 1..self.orders[rank as usize].bucket.len() {
            let last = self.orders[rank as usize].bucket[border] - 1;
            self.swap(rank, self.place[piece.at()], last);
            self.orders[rank as usize].bucket[border] -= 1;
        }
        let end = self.orders[rank as usize].pieces.len() as u32 - 1;
        self.swap(rank, self.place[piece.at()], end);
        self.orders[rank as usize].pieces.pop();
        self.rank[piece.at()] = None;
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

    /// A peer got one more piece; `have` already holds it. O(1), but for a peer's last piece: from
    /// then on it is counted in one.
    pub fn on_have(&mut self, piece: PieceIndex, have: &Bitfield, rng: &mut fastrand::Rng) {
        if have.is_full() {
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

    /// One more peer has the piece.
    pub fn add(&mut self, piece: PieceIndex, rng: &mut fastrand::Rng) {
        let count = self.count[piece.at()] as usize;
        self.count[piece.at()] += 1;
        let Some(rank) = self.rank[piece.at()] else { return };
        let order = &mut self.orders[rank as usize];
        if order.bucket.len() == count + 1 {
            order.bucket.push(order.pieces.len() as u32);
        }
        // The last place of the old bucket becomes the first of the new one.
        order.bucket[count + 1] -= 1;
        let first = order.bucket[count + 1];
        self.swap(rank, self.place[piece.at()], first);
        self.mix(rank, piece, rng);
    }

    fn take(&mut self, piece: PieceIndex, rng: &mut fastrand::Rng) {
        let count = self.count[piece.at()] as usize;
        if count == 0 {
            return;
        }
        self.count[piece.at()] -= 1;
        let Some(rank) = self.rank[piece.at()] else { return };
        let last = self.orders[rank as usize].bucket[count];
        self.swap(rank, self.place[piece.at()], last);
        self.orders[rank as usize].bucket[count] += 1;
        self.mix(rank, piece, rng);
    }

    /// Puts the piece at a random place of its bucket.
    fn mix(&mut self, rank: Rank, piece: PieceIndex, rng: &mut fastrand::Rng) {
        let bucket = self.orders[rank as usize].bucket_of(self.count[piece.at()]);
        self.swap(rank, self.place[piece.at()], rng.u32(bucket));
    }

    fn swap(&mut self, rank: Rank, a: u32, b: u32) {
        let pieces = &mut self.orders[rank as usize].pieces;
        pieces.swap(a as usize, b as usize);
        self.place[pieces[a as usize].at()] = a;
        self.place[pieces[b as usize].at()] = b;
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

    /// All pieces are to be fetched.
    fn listed(pieces: u32) -> Availability {
        let (mut a, mut dice) = (Availability::new(pieces), rng());
        (0..pieces).for_each(|p| a.list(PieceIndex(p), Rank::Normal, &mut dice));
        a
    }

    #[test]
    fn rarer_pieces_come_first() {
        let mut a = listed(4);
        a.on_joined(&having(&[0, 1, 2], 4), &mut rng());
        a.on_joined(&having(&[0, 1], 4), &mut rng());
        a.on_joined(&having(&[0], 4), &mut rng());
        assert_eq!(a.rarest_first().map(|p| p.0).collect::<Vec<_>>(), [3, 2, 1, 0]);
        a.on_left(&having(&[0, 1], 4), &mut rng());
        assert_eq!([0, 1, 2, 3].map(|p| a.of(PieceIndex(p))), [2, 1, 1, 0]);
    }

    #[test]
    fn peers_with_everything_count_for_every_piece() {
        let mut a = listed(3);
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
        let mut a = listed(3);
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
        let mut a = listed(pieces);
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
            // Some are begun, some given up, some become urgent.
            let other = PieceIndex(dice.u32(0..pieces));
            match dice.u8(0..8) {
                0 => a.unlist(other),
                1 => a.list(other, Rank::Normal, &mut dice),
                2 => a.list(other, Rank::High, &mut dice),
                _ => {}
            }
            let key = |p: PieceIndex| (std::cmp::Reverse(a.rank(p).unwrap()), a.of(p));
            let order: Vec<_> = a.rarest_first().map(key).collect();
            assert!(order.is_sorted());
            assert_eq!(order.len(), (0..pieces).filter(|&p| a.is_listed(PieceIndex(p))).count());
        }
        for p in (0..pieces).map(PieceIndex) {
            assert_eq!(a.of(p) as usize, peers.iter().filter(|have| have.has(p)).count());
        }
    }

    #[test]
    fn urgent_pieces_come_before_rarer_ones_and_those_not_listed_not_at_all() {
        let mut a = listed(4);
        a.on_joined(&having(&[0, 2], 4), &mut rng());
        a.list(PieceIndex(2), Rank::High, &mut rng());
        a.list(PieceIndex(3), Rank::Low, &mut rng());
        a.unlist(PieceIndex(0));
        assert_eq!(a.rarest_first().map(|p| p.0).collect::<Vec<_>>(), [2, 1, 3]);
        assert_eq!((a.rank(PieceIndex(2)), a.rank(PieceIndex(0))), (Some(Rank::High), None));
    }

    #[test]
    fn ties_are_the_pieces_as_rare_and_as_urgent() {
        let mut a = listed(5);
        a.on_joined(&having(&[0, 1, 2], 5), &mut rng());
        a.list(PieceIndex(2), Rank::High, &mut rng());
        assert_eq!([0, 2, 3].map(|p| a.ties(PieceIndex(p))), [2, 1, 2]);
    }
}
