//! Every piece's state, for people to look at.

use super::Picker;
use super::open::{BlockState, OpenPiece};
use crate::ids::PieceIndex;

/// How far a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PieceState {
    /// Wanted, and nobody was asked for it.
    Missing,
    /// Some of it was asked for, or is here.
    Asked,
    /// All of it is here, and its hash is not known yet.
    Here,
    /// It matched its hash.
    Verified,
    /// It came, was wrong, and has not come again.
    Bad,
    /// Nobody wants it, and it is not here.
    NotWanted,
}

impl Picker {
    /// The state of each piece, in order.
    pub fn states(&self) -> Vec<PieceState> {
        let state = |piece| match () {
            () if self.have.has(piece) => PieceState::Verified,
            () if !self.selected.has(piece) => PieceState::NotWanted,
            () => PieceState::Missing,
        };
        let mut states: Vec<_> = (0..self.geometry.pieces()).map(PieceIndex).map(state).collect();
        let open = self.open.iter().filter(|open| !self.have.has(open.piece));
        for (piece, state) in open.filter_map(|open| Some((open.piece, state_of(open)?))) {
            states[piece.at()] = state;
        }
        for piece in &self.spoilt {
            let state = &mut states[piece.at()];
            if matches!(state, PieceState::Missing | PieceState::Asked) {
                *state = PieceState::Bad;
            }
        }
        states
    }
}

/// The state of a piece that was begun; `None` if all of it was handed back.
fn state_of(open: &OpenPiece) -> Option<PieceState> {
    let is_begun = open.blocks.iter().any(|block| block.state != BlockState::Wanted);
    match () {
        () if open.is_whole() => Some(PieceState::Here),
        () => is_begun.then_some(PieceState::Asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;
    use crate::geometry::Geometry;
    use crate::ids::Span;
    use crate::logic::PeerKey;
    use crate::logic::picker::{Ask, Policy, Priority};
    use PieceState::{Asked, Bad, Here, Missing, NotWanted, Verified};

    const ANN: PeerKey = PeerKey(1);

    /// Four pieces of two blocks; the third is here.
    fn picker() -> Picker {
        let geometry = Geometry::v1(32_768, 4 * 32_768).unwrap();
        let mut have = Bitfield::new(4);
        have.set(PieceIndex(2));
        Picker::new(geometry, have, Policy::Sequential, fastrand::Rng::with_seed(1))
    }

    #[test]
    fn a_piece_goes_from_missing_over_asked_and_here_to_verified_or_bad() {
        let mut picker = picker();
        let all = Bitfield::full(4);
        picker.on_joined(&all);
        assert_eq!(picker.states(), [Missing, Missing, Verified, Missing]);
        let (span, _) = picker.next_span(ANN, &all, 16_384, Ask::Fresh).unwrap();
        let piece = span.piece;
        assert_eq!(picker.states()[piece.at()], Asked);
        picker.on_void(ANN, span);
        assert_eq!(picker.states()[piece.at()], Missing, "it was handed back");
        let whole = Span { piece, offset: 0, length: 32_768 };
        for _ in 0..2 {
            picker.next_span(ANN, &all, 16_384, Ask::Fresh).unwrap();
        }
        picker.claim(ANN, whole);
        assert_eq!(picker.states()[piece.at()], Asked, "it is being stored");
        picker.on_written(ANN, whole);
        assert_eq!(picker.states()[piece.at()], Here);
        picker.on_failed(piece);
        assert_eq!(picker.states()[piece.at()], Bad);
        picker.on_verified(piece);
        assert_eq!(picker.states()[piece.at()], Verified);
    }

    #[test]
    fn what_nobody_wants_is_told_apart_from_what_is_missing() {
        let mut picker = picker();
        picker.set_priorities(&[(0..1, Priority::Normal), (1..4, Priority::Skip)]);
        assert_eq!(picker.states(), [Missing, NotWanted, Verified, NotWanted]);
    }
}
