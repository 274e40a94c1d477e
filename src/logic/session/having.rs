//! What a peer says it has.

use super::{Fault, Session};
use crate::bitfield::{Bitfield, BitfieldError};
use crate::ids::PieceIndex;
use crate::protocol::Dialect;
use crate::protocol::message::BITFIELD_PART;

/// Bitfields in mid-stream that may bring no news.
pub(super) const IDLE_BITFIELDS: u32 = 16;

/// Pieces that a peer may take back: each is work for us, and some hundred are plenty.
pub(super) const MOST_TAKEN_BACK: u32 = 1024;

/// What the first of them counts for when the peer had everything: a seed is counted in one, and
/// any other peer piece by piece.
pub(super) const SEED_NO_MORE: u32 = 64;

impl Session {
    /// BITFIELD: the pieces from `first` on. Parts come in order, before anything else.
    pub fn on_bitfield(&mut self, first: u32, bits: &[u8]) -> Result<(), Fault> {
        let pieces = self.have.pieces();
        if self.dialect == Dialect::BitTorrent && self.spoken.is_some() {
            return self.on_bitfield_again(bits);
        }
        if self.spoken.unwrap_or(0) != first || (self.spoken.is_some() && first >= pieces) {
            return Err(Fault::HadSpoken);
        }
        let covered = (bits.len() as u64 * 8).min(u64::from(pieces - first)) as u32;
        // Only the last part may be short, so that there are few of them.
        if covered < pieces - first && bits.len() < BITFIELD_PART {
            return Err(Fault::Bitfield(BitfieldError::Length {
                got: bits.len(),
                wanted: BITFIELD_PART,
            }));
        }
        let part = Bitfield::from_bytes(bits, covered)?;
        for piece in part.iter() {
            self.have.set(PieceIndex(first + piece.0));
        }
        self.spoken = Some(first + covered);
        Ok(())
    }

    /// A bitfield in mid-stream: aria2 sends one instead of many HAVEs. What it leaves out is not
    /// lost, and what brings no news may come only so often.
    fn on_bitfield_again(&mut self, bits: &[u8]) -> Result<(), Fault> {
        let before = self.have.count();
        for piece in Bitfield::from_bytes(bits, self.have.pieces())?.iter() {
            self.have.set(piece);
        }
        if self.have.count() == before {
            self.idle_bitfields += 1;
        }
        if self.idle_bitfields > IDLE_BITFIELDS { Err(Fault::HadSpoken) } else { Ok(()) }
    }

    /// HAVE_ALL or HAVE_NONE.
    pub fn on_have_all_or_none(&mut self, all: bool) -> Result<(), Fault> {
        if self.spoken.is_some() {
            return Err(Fault::HadSpoken);
        }
        let pieces = self.have.pieces();
        if all {
            self.have = Bitfield::full(pieces);
        }
        self.spoken = Some(pieces);
        Ok(())
    }

    /// HAVE; true if it is news.
    pub fn on_have(&mut self, piece: PieceIndex) -> Result<bool, Fault> {
        if piece.0 >= self.have.pieces() {
            return Err(Fault::HaveOutOfRange(piece));
        }
        self.spoken = Some(self.have.pieces());
        Ok(self.have.set(piece))
    }

    /// DONT_HAVE; true if it is news (BEP 54), which it may be only so often.
    pub fn on_dont_have(&mut self, piece: PieceIndex) -> Result<bool, Fault> {
        if piece.0 >= self.have.pieces() {
            return Err(Fault::HaveOutOfRange(piece));
        }
        if !self.have.has(piece) {
            return Ok(false);
        }
        self.taken_back += if self.have.is_full() { SEED_NO_MORE } else { 1 };
        if self.taken_back > MOST_TAKEN_BACK {
            return Err(Fault::ManyTakenBack);
        }
        Ok(self.have.clear(piece))
    }

    /// ALLOWED_FAST: a piece that may be asked for while it chokes us; true if it is news.
    pub fn on_allowed_fast(&mut self, piece: PieceIndex) -> Result<bool, Fault> {
        if piece.0 >= self.have.pieces() {
            return Err(Fault::HaveOutOfRange(piece));
        }
        let pieces = self.have.pieces();
        Ok(self.allowed_fast.get_or_insert_with(|| Bitfield::new(pieces)).set(piece))
    }
}
