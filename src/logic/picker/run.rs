//! Runs of whole pieces for a source that gives large ranges gladly and small ones not: a web seed.
//!
//! A begun piece still comes first. Otherwise the run starts where the longest gap does (BEP 19):
//! what peers fetch, rarest first, falls all over the torrent, and a server fills the spaces.

use super::{Ask, Picker, Policy};
use crate::bitfield::Bitfield;
use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;

impl Picker {
    /// The next bytes to ask of a source that has everything: spans that follow each other, at most
    /// `most` bytes, but whole pieces and at least one, unless the piece was begun before. They
    /// count as asked from now on. An `idle` source may join the end game. Empty: nothing is left.
    pub fn next_run(&mut self, peer: PeerKey, most: u64, idle: bool) -> Vec<Span> {
        let all = Bitfield::full(self.have.pieces());
        let ask = if idle { Ask::Idle } else { Ask::Fresh };
        let gap = if self.begun_piece(peer, &all).is_none() { self.gap() } else { None };
        let first = match gap {
            Some(piece) => self.ask_whole(peer, piece),
            None => match self.next_span(peer, &all, most, ask) {
                Some((span, _)) => span,
                None => return Vec::new(),
            },
        };
        self.extend(peer, first, most)
    }

    /// The spans that follow the first one, as far as nobody has or owes anything of their pieces.
    fn extend(&mut self, peer: PeerKey, first: Span, most: u64) -> Vec<Span> {
        let mut run = vec![first];
        let mut length = u64::from(first.length);
        let mut piece = first.piece;
        if first.end() != Some(self.geometry.length_of(piece)) {
            return run;
        }
        loop {
            piece = PieceIndex(piece.0 + 1);
            length += u64::from(self.geometry.length_of(piece));
            if length > most || !self.is_untouched(peer, piece) {
                return run;
            }
            run.push(self.ask_whole(peer, piece));
        }
    }

    fn is_untouched(&self, peer: PeerKey, piece: PieceIndex) -> bool {
        let open = self.open.iter().find(|open| open.piece == piece);
        let is_given_back =
            open.is_some_and(|open| open.is_untouched(peer)) && self.selected.has(piece);
        self.availability.is_listed(piece) || is_given_back
    }

    /// Asks for a piece that [`Picker::is_untouched`].
    fn ask_whole(&mut self, peer: PeerKey, piece: PieceIndex) -> Span {
        let at = self.place_of(piece).unwrap_or_else(|| self.begin(piece));
        self.ask(at, peer, u32::MAX)
    }

    /// Whether anything is asked of a peer that nobody has sent.
    pub fn is_owed_by(&self, peer: PeerKey) -> bool {
        self.open.iter().any(|open| open.blocks.iter().any(|block| block.is_asked_of(peer)))
    }

    /// Where the longest run of pieces starts that are neither here nor begun; the first such run,
    /// when they are wanted in order.
    fn gap(&self) -> Option<PieceIndex> {
        let mut best: Option<(u32, u32)> = None;
        let mut start = None;
        for piece in 0..=self.have.pieces() {
            let at = PieceIndex(piece);
            if self.availability.is_listed(at) {
                start.get_or_insert(piece);
                continue;
            }
            let Some(start) = start.take() else { continue };
            let length = piece - start;
            if best.is_none_or(|(longest, _)| longest < length) {
                best = Some((length, start));
            }
            if self.policy == Policy::Sequential {
                break;
            }
        }
        best.map(|(_, start)| PieceIndex(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::logic::picker::Priority;

    const WEB: PeerKey = PeerKey(1);
    const ANN: PeerKey = PeerKey(2);

    /// Twelve pieces of two blocks, the last one of one; some are here.
    fn picker(policy: Policy, have: &[u32]) -> Picker {
        let geometry = Geometry::v1(32768, 11 * 32768 + 10).unwrap();
        let mut bits = Bitfield::new(12);
        have.iter().for_each(|&piece| assert!(bits.set(PieceIndex(piece))));
        Picker::new(geometry, bits, policy, fastrand::Rng::with_seed(1))
    }

    fn run(picker: &mut Picker, most: u64) -> Vec<(u32, u32, u32)> {
        let run = picker.next_run(WEB, most, true);
        run.into_iter().map(|span| (span.piece.0, span.offset, span.length)).collect()
    }

    #[test]
    fn the_longest_gap_is_filled_from_its_start_with_whole_pieces() {
        let mut p = picker(Policy::Rarest, &[3, 9]);
        assert_eq!(run(&mut p, 70_000), [(4, 0, 32768), (5, 0, 32768)]);
        assert_eq!(run(&mut p, 1), [(0, 0, 32768)], "at least a piece");
        assert_eq!(run(&mut p, 1 << 20), [(6, 0, 32768), (7, 0, 32768), (8, 0, 32768)]);
        assert_eq!(run(&mut p, 1 << 20), [(1, 0, 32768), (2, 0, 32768)]);
        assert_eq!(run(&mut p, 1 << 20), [(10, 0, 32768), (11, 0, 10)]);
        assert_eq!(run(&mut p, 1 << 20), []);
        assert!(p.is_owed_by(WEB) && !p.is_owed_by(ANN));
    }

    #[test]
    fn in_order_the_first_gap_is_filled() {
        let mut p = picker(Policy::Sequential, &[0, 3]);
        assert_eq!(run(&mut p, 1), [(1, 0, 32768)]);
    }

    #[test]
    fn what_others_began_and_do_not_owe_any_more_comes_first() {
        let mut p = picker(Policy::Sequential, &[]);
        let all = Bitfield::full(12);
        let (asked, _) = p.next_span(ANN, &all, 16384, Ask::Fresh).unwrap();
        assert_eq!(run(&mut p, 32768), [(asked.piece.0, 16384, 16384)]);
        assert!(p.on_void(ANN, asked));
        assert_eq!(run(&mut p, 1 << 20), [(asked.piece.0, 0, 16384)]);
    }

    #[test]
    fn after_a_run_broke_off_the_rest_is_one_run_again() {
        let mut p = picker(Policy::Sequential, &[4]);
        let spans = p.next_run(WEB, 1 << 20, true);
        assert_eq!(spans.len(), 4);
        let half = Span { length: 16384, ..spans[1] };
        for came in [spans[0], half] {
            assert_eq!(p.claim(WEB, came).granted, [came]);
            p.on_written(WEB, came);
        }
        spans.iter().for_each(|&span| _ = p.on_void(WEB, span));
        assert_eq!(run(&mut p, 1 << 20), [(1, 16384, 16384), (2, 0, 32768), (3, 0, 32768)]);
    }

    #[test]
    fn a_run_stops_before_what_is_begun_of_a_file_no_longer_wanted() {
        let mut p = picker(Policy::Sequential, &[]);
        let mut third = Bitfield::new(12);
        third.set(PieceIndex(2));
        let (asked, _) = p.next_span(ANN, &third, 16384, Ask::Fresh).unwrap();
        p.on_void(ANN, asked);
        p.set_priorities(&[(0..2, Priority::Normal), (2..12, Priority::Skip)]);
        assert_eq!(run(&mut p, 1 << 20), [(0, 0, 32768), (1, 0, 32768)]);
    }

    #[test]
    fn when_all_is_asked_an_idle_source_doubles_what_another_owes() {
        let mut p = picker(Policy::Rarest, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let all = Bitfield::full(12);
        let (asked, _) = p.next_span(ANN, &all, 16384, Ask::Fresh).unwrap();
        assert_eq!(p.next_run(WEB, 1 << 20, false), []);
        assert_eq!(p.next_run(WEB, 1 << 20, true), [asked]);
        assert_eq!(p.claim(WEB, asked).granted, [asked]);
        assert!(!p.is_owed_by(WEB) && !p.is_owed_by(ANN));
    }
}
