//! A piece that is being fetched, block by block.
//!
//! ```text
//! a block:   wanted --asked--> asked --claimed--> claimed --written--> written
//!               ^---- void, lost, choked, late ----'                       |
//!               '-------------------- piece failed its hash ---------------'
//! ```

use crate::ids::PieceIndex;
use crate::logic::PeerKey;

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum BlockState {
    #[default]
    Wanted,
    Asked,
    Claimed,
    Written,
}

/// One block of a piece that is being fetched.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Block {
    pub(super) state: BlockState,
    /// Who owes it to us; two in the end game.
    pub(super) asked: [Option<PeerKey>; 2],
    /// Who was asked for it as well, to see whether it answers: nobody relies on that.
    pub(super) probed: Option<PeerKey>,
    /// Who sent what is stored, or is being stored.
    pub(super) writer: Option<PeerKey>,
}

impl Block {
    pub(super) fn is_asked_of(&self, peer: PeerKey) -> bool {
        self.asked.contains(&Some(peer)) || self.probed == Some(peer)
    }

    /// Nobody owes it, and the peer was not asked for it either.
    pub(super) fn is_wanted_of(&self, peer: PeerKey) -> bool {
        self.state == BlockState::Wanted && self.probed != Some(peer)
    }

    /// Exactly one other peer owes it, and nobody is probed with it.
    pub(super) fn may_probe(&self, peer: PeerKey) -> bool {
        self.may_be_copied_by(peer) && self.probed.is_none()
    }

    /// Exactly one other peer owes it.
    pub(super) fn may_be_copied_by(&self, peer: PeerKey) -> bool {
        let owing = self.asked.iter().flatten().count();
        self.state == BlockState::Asked && !self.is_asked_of(peer) && owing == 1
    }

    pub(super) fn ask(&mut self, peer: PeerKey) {
        if let Some(free) = self.asked.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(peer);
            self.state = BlockState::Asked;
        }
    }

    /// The peer does not owe it any more; true if the block is wanted again, which a probe does not
    /// keep it from.
    pub(super) fn forget(&mut self, peer: PeerKey) -> bool {
        for slot in self.asked.iter_mut().chain([&mut self.probed]) {
            if *slot == Some(peer) {
                *slot = None;
            }
        }
        let wanted = self.state == BlockState::Asked && self.asked == [None, None];
        if wanted {
            self.state = BlockState::Wanted;
        }
        wanted
    }
}

/// A piece of which something was asked and that is not verified yet.
#[derive(Debug, Clone)]
pub(super) struct OpenPiece {
    pub(super) piece: PieceIndex,
    pub(super) blocks: Vec<Block>,
    /// How many of them nobody was asked for.
    pub(super) wanted: u32,
    pub(super) written: u32,
    /// Several peers wrote it and it failed: from now on one peer at a time is asked, so that the
    /// next failure has one writer.
    pub(super) alone: bool,
    /// Somebody else was at its file: if it fails, that is nobody's fault.
    pub(super) doubtful: bool,
}

impl OpenPiece {
    pub(super) fn new(piece: PieceIndex, blocks: u32) -> Self {
        let all = vec![Block::default(); blocks as usize];
        Self { piece, blocks: all, wanted: blocks, written: 0, alone: false, doubtful: false }
    }

    /// Whether a peer may be asked for some of its blocks.
    pub(super) fn is_open_to(&self, peer: PeerKey) -> bool {
        let owed_by_others = |block: &Block| block.asked.iter().flatten().any(|&p| p != peer);
        let stored_for_others =
            |block: &Block| block.state == BlockState::Claimed && block.writer != Some(peer);
        let in_use = |block: &Block| stored_for_others(block) || owed_by_others(block);
        let is_free = !self.alone || !self.blocks.iter().any(in_use);
        is_free && self.blocks.iter().any(|block| block.is_wanted_of(peer))
    }

    /// What others wrote of a piece that one peer is to write alone is wanted again.
    pub(super) fn leave_to(&mut self, peer: PeerKey) {
        for block in self.blocks.iter_mut().filter(|_| self.alone) {
            if block.state == BlockState::Written && block.writer != Some(peer) {
                *block = Block::default();
                self.written -= 1;
                self.wanted += 1;
            }
        }
    }

    /// What a peer sent is wanted again, unless somebody works on the piece.
    pub(super) fn drop_what_came_from(&mut self, peer: PeerKey) {
        let at_work = |b: &Block| matches!(b.state, BlockState::Claimed | BlockState::Asked);
        if self.is_whole() || self.blocks.iter().any(at_work) {
            return;
        }
        for block in self.blocks.iter_mut().filter(|block| block.writer == Some(peer)) {
            *block = Block::default();
            self.written -= 1;
            self.wanted += 1;
        }
    }

    /// What was written may be gone, and is wanted again; a piece that waits for its verdict is judged.
    pub(super) fn doubt(&mut self) {
        self.doubtful = true;
        if self.is_whole() {
            return;
        }
        for block in self.blocks.iter_mut().filter(|block| block.state == BlockState::Written) {
            *block = Block::default();
            self.wanted += 1;
        }
        self.written = 0;
    }

    /// All its blocks are stored.
    pub(super) fn is_whole(&self) -> bool {
        self.written as usize == self.blocks.len()
    }

    /// Some block of it is being stored.
    pub(super) fn is_claimed(&self) -> bool {
        self.blocks.iter().any(|block| block.state == BlockState::Claimed)
    }

    /// Nobody owes any of it, and the peer may be asked for all of it.
    pub(super) fn is_untouched(&self, peer: PeerKey) -> bool {
        self.blocks.iter().all(|block| block.is_wanted_of(peer))
    }
}
