//! Which pieces the only seeder shows to whom (BEP 16).
//!
//! A seeder that says it has everything is asked for the same rare pieces by several at a time, and
//! uploads the content one and a half to two times before there is a second copy. One that shows
//! each leecher other pieces, a few at a time, uploads it hardly more than once: what it gives to
//! one, the others get from that one. It shows the piece that the fewest others have or were shown.
//!
//! BEP 16 shows one piece at a time, and the next when the last was seen elsewhere, which starves a
//! fast leecher. Here a leecher is shown as much as it fetches in [`AHEAD`], and while it is choked
//! a single piece, so that it stays interested. Once every piece was seen elsewhere, or another
//! seeder comes, everything is shown: there is nothing left to gain.

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::logic::availability::{Availability, Rank};
use crate::logic::rate::Rate;
use std::time::Duration;

/// How much of its future a leecher is shown, by what it fetched in the last second.
const AHEAD: u64 = 2;

/// The least that an unchoked leecher is shown ahead, in bytes.
const LEAST: u64 = 256 * 1024;

/// The most pieces of a torrent that is seeded so: each piece shown is a message to each leecher.
const MOST_PIECES: u32 = 65_536;

/// What one leecher was shown.
#[derive(Debug, Clone)]
pub struct Shown {
    pieces: Bitfield,
    /// How many of them it says it has.
    had: u32,
    /// Bytes that we sent it: some do not tell us of what they think we have.
    sent: u64,
    fetched: Rate,
}

impl Shown {
    /// Nothing yet, of so many pieces.
    pub fn new(pieces: u32) -> Self {
        let fetched = Rate::over(Duration::from_secs(1));
        Self { pieces: Bitfield::new(pieces), had: 0, sent: 0, fetched }
    }

    /// We have sent it so many bytes in all.
    pub fn on_sent(&mut self, total: u64) {
        self.sent = total;
    }

    /// The pieces it was shown.
    pub fn pieces(&self) -> &Bitfield {
        &self.pieces
    }

    /// Whether it may be shown one more piece of `length` bytes.
    pub fn has_room(&self, now: Moment, length: u32, choked: bool) -> bool {
        let length = u64::from(length.max(1));
        let fetched = u64::from(self.had).max(self.sent / length);
        let open = u64::from(self.pieces.count()).saturating_sub(fetched);
        if choked || open == 0 {
            return open == 0;
        }
        let ahead = (self.fetched.per_second(now) * AHEAD).max(LEAST);
        open < 2 || (open + 1) * length <= ahead
    }

    /// It has a piece now; true if it was shown this one.
    fn on_have(&mut self, now: Moment, piece: PieceIndex, length: u32) -> bool {
        let was_shown = self.pieces.has(piece);
        if was_shown {
            self.had += 1;
            self.fetched.add(now, length.into());
        }
        was_shown
    }
}

/// What all leechers of a torrent were shown, and what was seen elsewhere.
#[derive(Debug, Clone)]
pub struct SuperSeed {
    /// How many leechers have each piece or were shown it.
    copies: Availability,
    /// Pieces that some leecher has or had.
    elsewhere: Bitfield,
    rng: fastrand::Rng,
}

impl SuperSeed {
    /// Nothing was shown to anybody; `None` if there are too many pieces to show one by one.
    pub fn new(pieces: u32, mut rng: fastrand::Rng) -> Option<Self> {
        if pieces > MOST_PIECES {
            return None;
        }
        let mut copies = Availability::new(pieces);
        (0..pieces).for_each(|p| copies.list(PieceIndex(p), Rank::Normal, &mut rng));
        Some(Self { copies, elsewhere: Bitfield::new(pieces), rng })
    }

    /// Whether every piece was seen with somebody else.
    pub fn is_over(&self) -> bool {
        self.elsewhere.is_full()
    }

    /// A leecher came or said what it has.
    pub fn on_joined(&mut self, have: &Bitfield) {
        have.iter().for_each(|piece| _ = self.elsewhere.set(piece));
        self.copies.on_joined(have, &mut self.rng);
    }

    /// A leecher left that has these pieces.
    pub fn on_left(&mut self, have: &Bitfield, shown: Option<&Shown>) {
        let mut all = have.clone();
        shown.into_iter().flat_map(|shown| shown.pieces.iter()).for_each(|p| _ = all.set(p));
        self.copies.on_left(&all, &mut self.rng);
    }

    /// A leecher has one more piece.
    pub fn on_have(
        &mut self,
        now: Moment,
        piece: PieceIndex,
        length: u32,
        shown: Option<&mut Shown>,
    ) {
        self.elsewhere.set(piece);
        if !shown.is_some_and(|shown| shown.on_have(now, piece, length)) {
            self.copies.add(piece, &mut self.rng);
        }
    }

    /// The next piece to show to a leecher that has `theirs`, and how many have it or were shown it.
    pub fn next_piece(
        &mut self,
        theirs: &Bitfield,
        shown: &mut Shown,
    ) -> Option<(PieceIndex, u32)> {
        let is_new = |piece: &PieceIndex| !theirs.has(*piece) && !shown.pieces.has(*piece);
        let piece = self.copies.rarest_first().find(is_new)?;
        let copies = self.copies.of(piece);
        self.copies.add(piece, &mut self.rng);
        shown.pieces.set(piece);
        Some((piece, copies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u32 = 65536;

    fn seed(pieces: u32) -> SuperSeed {
        SuperSeed::new(pieces, fastrand::Rng::with_seed(5)).unwrap()
    }

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    #[test]
    fn each_leecher_is_shown_other_pieces_until_all_were_shown() {
        let mut seed = seed(8);
        let nothing = Bitfield::new(8);
        let (mut ann, mut ben) = (Shown::new(8), Shown::new(8));
        for _ in 0..4 {
            assert_eq!(seed.next_piece(&nothing, &mut ann).unwrap().1, 0);
            assert_eq!(seed.next_piece(&nothing, &mut ben).unwrap().1, 0);
        }
        assert!(ann.pieces.iter().all(|piece| !ben.pieces.has(piece)));
        assert_eq!(seed.next_piece(&nothing, &mut ann).unwrap().1, 1);
    }

    #[test]
    fn a_piece_that_others_have_is_shown_last() {
        let mut seed = seed(4);
        let mut theirs = Bitfield::new(4);
        (0..3).for_each(|p| _ = theirs.set(PieceIndex(p)));
        seed.on_joined(&theirs);
        let (nothing, mut ann) = (Bitfield::new(4), Shown::new(4));
        assert_eq!(seed.next_piece(&nothing, &mut ann), Some((PieceIndex(3), 0)));
        assert_eq!(seed.next_piece(&nothing, &mut ann).unwrap().1, 1);
    }

    #[test]
    fn a_choked_leecher_is_shown_one_piece_and_a_fast_one_many() {
        let mut seed = seed(1000);
        let (nothing, mut ann) = (Bitfield::new(1000), Shown::new(1000));
        let show_all = |seed: &mut SuperSeed, ann: &mut Shown, now: Moment, choked: bool| {
            let mut count = 0;
            while ann.has_room(now, LENGTH, choked) {
                seed.next_piece(&nothing, ann).unwrap();
                count += 1;
            }
            count
        };
        assert_eq!(show_all(&mut seed, &mut ann, at(0), true), 1);
        assert_eq!(show_all(&mut seed, &mut ann, at(0), false), 3, "256 KiB ahead");
        for piece in ann.pieces().clone().iter() {
            seed.on_have(at(10), piece, LENGTH, Some(&mut ann));
        }
        assert!(show_all(&mut seed, &mut ann, at(20), false) > 30, "256 KiB in 10 ms");
    }

    #[test]
    fn a_leecher_that_says_nothing_of_what_it_got_is_shown_more_once_it_was_sent_that() {
        let (mut seed, nothing, mut ann) = (seed(9), Bitfield::new(9), Shown::new(9));
        seed.next_piece(&nothing, &mut ann);
        assert!(!ann.has_room(at(0), LENGTH, true));
        ann.on_sent(LENGTH.into());
        assert!(ann.has_room(at(0), LENGTH, true));
    }

    #[test]
    fn what_a_leecher_that_left_was_shown_is_shown_again() {
        let mut seed = seed(2);
        let (nothing, mut ann, mut ben) = (Bitfield::new(2), Shown::new(2), Shown::new(2));
        let (first, _) = seed.next_piece(&nothing, &mut ann).unwrap();
        seed.on_left(&nothing, Some(&ann));
        let two = [(); 2].map(|()| seed.next_piece(&nothing, &mut ben).unwrap());
        assert!(two.contains(&(first, 0)));
    }

    #[test]
    fn it_is_over_once_every_piece_was_seen_elsewhere() {
        let mut seed = seed(2);
        seed.on_have(at(0), PieceIndex(0), LENGTH, None);
        assert!(!seed.is_over());
        seed.on_have(at(0), PieceIndex(1), LENGTH, None);
        assert!(seed.is_over());
        assert!(SuperSeed::new(MOST_PIECES + 1, fastrand::Rng::with_seed(1)).is_none());
    }
}
