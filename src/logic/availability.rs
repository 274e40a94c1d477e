//! How many peers have each piece, and which of those to be fetched is the rarest.
//!
//! ```text
//! bucket 0:  7 2          pieces to be fetched that nobody has
//! bucket 1:  0 9 5        that one peer has
//! bucket 2:  1            that two have
//! ```
//! A HAVE moves one piece from one bucket to the next: O(1). Peers that have everything are only
//! counted, so that a seed costs nothing. Within a bucket the order is random, which is what keeps
//! leechers from all asking for the same piece (Cohen 2003, section 2.4.2). Each [`Rank`] has
//! buckets of its own; a piece that is here, begun or not wanted stands in none, so that the first
//! piece of the first bucket is nearly always the answer.

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

/// How many ranks there are.
const RANKS: usize = Rank::Edge as usize + 1;

/// The pieces of one rank that are to be fetched.
#[derive(Debug, Clone)]
struct Order {
    /// By how many peers have them.
    buckets: Vec<Vec<PieceIndex>>,
    /// The same in the order of the content.
    listed: Bitfield,
}

impl Order {
    fn iter(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.buckets.iter().flatten().copied()
    }

    /// Puts a piece at a random place of a bucket; who stood there goes to its end.
    fn put(&mut self, piece: PieceIndex, count: u32, place: &mut [u32], rng: &mut fastrand::Rng) {
        let count = count as usize;
        if self.buckets.len() <= count {
            self.buckets.resize_with(count + 1, Vec::new);
        }
        let bucket = &mut self.buckets[count];
        let (at, last) = (rng.usize(..=bucket.len()), bucket.len());
        bucket.push(piece);
        bucket.swap(at, last);
        place[bucket[last].at()] = last as u32;
        place[piece.at()] = at as u32;
    }

    /// Takes a piece out of its bucket; who stands at its end goes to that place.
    fn take(&mut self, piece: PieceIndex, count: u32, place: &mut [u32]) {
        let (bucket, at) = (&mut self.buckets[count as usize], place[piece.at()]);
        bucket.swap_remove(at as usize);
        if let Some(moved) = bucket.get(at as usize) {
            place[moved.at()] = at;
        }
    }
}

/// The pieces of a torrent by how many connected peers have them.
#[derive(Debug, Clone)]
pub struct Availability {
    /// How many peers (full ones not counted) have each piece.
    count: Vec<u32>,
    /// Which order each piece stands in, if any.
    rank: Vec<Option<Rank>>,
    /// Where it stands in its bucket there.
    place: Vec<u32>,
    orders: [Order; RANKS],
    /// Peers that have everything.
    full_peers: u32,
}

impl Availability {
    /// Nobody has any of `pieces` pieces, and none is to be fetched yet.
    pub fn new(pieces: u32) -> Self {
        let pieces = pieces as usize;
        let empty = || Order { buckets: Vec::new(), listed: Bitfield::new(pieces as u32) };
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
        self.orders.iter().all(|order| order.listed.is_empty())
    }

    /// How many pieces of this piece's rank are as rare, itself among them.
    pub fn ties(&self, piece: PieceIndex) -> u32 {
        let Some(rank) = self.rank[piece.at()] else { return 0 };
        self.orders[rank as usize].buckets[self.count[piece.at()] as usize].len() as u32
    }

    /// The pieces to be fetched, highest rank and then rarest first.
    pub fn rarest_first(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.orders.iter().rev().flat_map(Order::iter)
    }

    /// Of the highest rank that they have a piece of, the first one in the order of the content.
    pub fn first_of(&self, theirs: &Bitfield) -> Option<PieceIndex> {
        self.orders.iter().rev().find_map(|order| order.listed.first_in_both(theirs))
    }

    /// The pieces of one rank after the other, each in an order that begins anywhere.
    pub fn anywhere<'a>(
        &'a self,
        rng: &'a mut fastrand::Rng,
    ) -> impl Iterator<Item = PieceIndex> + 'a {
        self.orders.iter().rev().filter(|order| !order.listed.is_empty()).flat_map(|order| {
            let first = rng.usize(0..order.listed.count() as usize);
            order.iter().skip(first).chain(order.iter().take(first))
        })
    }

    /// The rank of a piece to be fetched.
    pub fn rank(&self, piece: PieceIndex) -> Option<Rank> {
        self.rank.get(piece.at()).copied().flatten()
    }

    /// The piece is to be fetched, with this urgency.
    pub fn list(&mut self, piece: PieceIndex, rank: Rank, rng: &mut fastrand::Rng) {
        self.unlist(piece);
        let order = &mut self.orders[rank as usize];
        order.put(piece, self.count[piece.at()], &mut self.place, rng);
        order.listed.set(piece);
        self.rank[piece.at()] = Some(rank);
    }

    /// The piece is not to be fetched: it is here, begun, or not wanted.
    pub fn unlist(&mut self, piece: PieceIndex) {
        let Some(rank) = self.rank[piece.at()].take() else { return };
        let order = &mut self.orders[rank as usize];
        order.take(piece, self.count[piece.at()], &mut self.place);
        order.listed.clear(piece);
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
        self.recount(piece, self.count[piece.at()] + 1, rng);
    }

    fn take(&mut self, piece: PieceIndex, rng: &mut fastrand::Rng) {
        self.recount(piece, self.count[piece.at()].saturating_sub(1), rng);
    }

    fn recount(&mut self, piece: PieceIndex, count: u32, rng: &mut fastrand::Rng) {
        // BEGIN SOLUTION C5
        let before = std::mem::replace(&mut self.count[piece.at()], count);
        let Some(rank) = self.rank[piece.at()] else { return };
        let order = &mut self.orders[rank as usize];
        order.take(piece, before, &mut self.place);
        order.put(piece, count, &mut self.place, rng);
        // END SOLUTION
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
