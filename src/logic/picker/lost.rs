//! Pieces that were here and are not any more, because somebody else was at the files.

use super::Picker;
use crate::ids::PieceIndex;
use std::ops::Range;

impl Picker {
    /// A verified piece is not right any more. It is fetched again, or, if it cannot be stored, not
    /// wanted any more. True if that is news.
    pub fn on_lost(&mut self, piece: PieceIndex, again: bool) -> bool {
        if piece.0 >= self.geometry.pieces() || !self.have.clear(piece) {
            return false;
        }
        let bytes = u64::from(self.geometry.length_of(piece));
        if !again && self.selected.clear(piece) {
            self.selected_bytes -= bytes;
        }
        if self.lacks(piece) {
            self.lacking += 1;
            self.lacking_bytes += bytes;
            self.availability.list(piece, self.rank_of(piece), &mut self.rng);
        }
        true
    }

    /// Somebody else was at the files under these pieces: what was written of begun ones is wanted
    /// again.
    pub fn on_doubt(&mut self, pieces: &Range<u32>) {
        let begun = self.open.iter_mut().filter(|open| pieces.contains(&open.piece.0));
        begun.for_each(super::open::OpenPiece::doubt);
    }

    /// Whether a begun piece may be wrong through nobody's fault.
    pub fn is_doubtful(&self, piece: PieceIndex) -> bool {
        self.place_of(piece).is_some_and(|at| self.open[at].doubtful)
    }
}
