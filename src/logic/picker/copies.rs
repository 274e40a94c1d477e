//! Copies of what another peer owes, at most two of a block in flight: the end game.
//!
//! And probes: a peer that is late, or has delivered nothing yet, is asked for what another owes,
//! too. Would its copy count as one of the two, two peers that stall could hand a block to and fro
//! and keep it from everybody else.

use super::open::{Block, OpenPiece};
use super::{Bitfield, PeerKey, Picker, Span};

/// The most blocks of one copy: a frame. It is taken from the end of what another peer owes, whose
/// request is then cut short by a CANCEL of exactly that end.
const COPIED_BLOCKS: usize = 8;

impl Picker {
    /// Whether every missing block has been asked of someone.
    pub fn is_end_game(&self) -> bool {
        let asked = |open: &OpenPiece| open.wanted == 0 || !self.selected.has(open.piece);
        self.availability.is_empty() && self.open.iter().all(asked)
    }

    /// The last run of blocks that exactly one other peer owes us, of the piece begun first.
    pub(super) fn copy(&mut self, peer: PeerKey, theirs: &Bitfield, most: u32) -> Option<Span> {
        let owed = |block: &Block| block.may_be_copied_by(peer);
        self.double(theirs, most, owed, |block| block.ask(peer))
    }

    /// The same, to see whether the peer answers at all.
    pub(super) fn probe(&mut self, peer: PeerKey, theirs: &Bitfield, most: u32) -> Option<Span> {
        let owed = |block: &Block| block.may_probe(peer);
        self.double(theirs, most, owed, |block| block.probed = Some(peer))
    }

    fn double(
        &mut self,
        theirs: &Bitfield,
        most: u32,
        owed: impl Fn(&Block) -> bool,
        ask: impl Fn(&mut Block),
    ) -> Option<Span> {
        let selected = &self.selected;
        let wanted = |piece| selected.has(piece) && theirs.has(piece);
        let fits = |open: &OpenPiece| !open.alone && wanted(open.piece);
        let mut open = self.open.iter_mut().filter(|open| fits(open));
        let open = open.find(|open| open.blocks.iter().any(&owed))?;
        let last = open.blocks.iter().rposition(&owed)?;
        let run = open.blocks[..=last].iter().rev().take_while(|block| owed(block)).count();
        let count = run.min(most as usize).min(COPIED_BLOCKS);
        let first = last + 1 - count;
        open.blocks[first..=last].iter_mut().for_each(ask);
        Some(self.geometry.span_of_blocks(open.piece, first as u32, count as u32))
    }
}
