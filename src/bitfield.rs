//! Which pieces someone has: one bit per piece, the high bit first (BEP 3).
//!
//! Spare bits of the last byte are always zero; a bitfield that says otherwise is refused at
//! construction, so that nothing after it has to check again. Nothing here does I/O.

use crate::ids::PieceIndex;

/// A set of piece indices below a fixed count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bitfield {
    bytes: Vec<u8>,
    pieces: u32,
    ones: u32,
}

/// Bytes that are no bitfield of the expected count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitfieldError {
    /// Not exactly as many bytes as the pieces need.
    #[error("bitfield of {got} bytes where {wanted} were expected")]
    Length {
        /// Bytes received.
        got: usize,
        /// Bytes that the piece count needs.
        wanted: usize,
    },
    /// A bit behind the last piece is set.
    #[error("a spare bit of the bitfield is set")]
    SpareBits,
}

impl Bitfield {
    /// Nothing, of `pieces` pieces.
    pub fn new(pieces: u32) -> Self {
        Self { bytes: vec![0; pieces.div_ceil(8) as usize], pieces, ones: 0 }
    }

    /// Everything, of `pieces` pieces.
    pub fn full(pieces: u32) -> Self {
        let mut bytes = vec![0xff; pieces.div_ceil(8) as usize];
        if let Some(last) = bytes.last_mut().filter(|_| !pieces.is_multiple_of(8)) {
            *last = 0xff << (8 - pieces % 8);
        }
        Self { bytes, pieces, ones: pieces }
    }

    /// All pieces but the first `lacks`; `None` lacks all of them.
    pub fn all_but(pieces: u32, lacks: Option<u32>) -> Self {
        let mut have = Self::new(pieces);
        (lacks.unwrap_or(pieces)..pieces).for_each(|piece| _ = have.set(PieceIndex(piece)));
        have
    }

    /// Reads the wire form; its length must be exact and its spare bits zero.
    pub fn from_bytes(bytes: &[u8], pieces: u32) -> Result<Self, BitfieldError> {
        let wanted = pieces.div_ceil(8) as usize;
        if bytes.len() != wanted {
            return Err(BitfieldError::Length { got: bytes.len(), wanted });
        }
        let spare = if pieces.is_multiple_of(8) { 0 } else { 0xff_u8 >> (pieces % 8) };
        if bytes.last().is_some_and(|last| last & spare != 0) {
            return Err(BitfieldError::SpareBits);
        }
        let ones = bytes.iter().map(|b| b.count_ones()).sum();
        Ok(Self { bytes: bytes.to_vec(), pieces, ones })
    }

    /// The wire form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many pieces there are, had or not.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// How many pieces are had.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Whether every piece is had.
    pub fn is_full(&self) -> bool {
        self.ones == self.pieces
    }

    /// Whether no piece is had.
    pub fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// Whether a piece is had; false for one out of range.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.bytes.get(piece.at() / 8).is_some_and(|byte| byte & mask(piece) != 0)
    }

    /// Adds a piece; true if it was new and in range.
    pub fn set(&mut self, piece: PieceIndex) -> bool {
        let new = piece.0 < self.pieces && !self.has(piece);
        if new {
            self.bytes[piece.at() / 8] |= mask(piece);
            self.ones += 1;
        }
        new
    }

    /// Takes a piece away; true if it was had.
    pub fn clear(&mut self, piece: PieceIndex) -> bool {
        let had = self.has(piece);
        if had {
            self.bytes[piece.at() / 8] &= !mask(piece);
            self.ones -= 1;
        }
        had
    }

    /// The pieces had, in order.
    pub fn iter(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.bytes.iter().enumerate().filter(|&(_, &byte)| byte != 0).flat_map(|(i, &byte)| {
            (0..8_u32)
                .filter(move |bit| byte & (0x80 >> bit) != 0)
                .map(move |bit| PieceIndex(i as u32 * 8 + bit))
        })
    }

    /// The first piece that both have.
    pub fn first_in_both(&self, other: &Self) -> Option<PieceIndex> {
        let ((ours, rest), (theirs, their_rest)) =
            (self.bytes.as_chunks::<8>(), other.bytes.as_chunks::<8>());
        let words = ours.iter().zip(theirs).map(|(a, b)| {
            let both = u64::from_be_bytes(*a) & u64::from_be_bytes(*b);
            (64, both.leading_zeros())
        });
        let bytes = rest.iter().zip(their_rest).map(|(a, b)| (8, (a & b).leading_zeros()));
        let mut before = 0;
        words.chain(bytes).find_map(|(width, zeros)| {
            let found = (zeros < width).then_some(PieceIndex(before + zeros));
            before += width;
            found
        })
    }

    /// The pieces not had, in order.
    pub fn missing(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        (0..self.pieces).map(PieceIndex).filter(|&piece| !self.has(piece))
    }

    /// In how many equal parts a row shows the pieces, at most.
    pub const PARTS: u32 = 64;

    /// The pieces cut into [`Self::PARTS`] equal parts, or into as many as there are pieces: for each
    /// how many of its pieces are there, and how many it has. One look at each byte.
    pub fn parts(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let parts = self.pieces.min(Self::PARTS);
        let edge =
            move |part: u32| (u64::from(part) * u64::from(self.pieces) / u64::from(parts)) as u32;
        let part = move |n: u32| (edge(n), edge(n + 1));
        (0..parts).map(part).map(|(from, to)| (self.count_in(from, to), to - from))
    }

    /// The same as one hexadecimal digit each: 0 if none is there, f if all are.
    pub fn bar(&self) -> String {
        let digit = |(there, of): (u32, u32)| match there {
            0 => 0,
            there if there == of => 15,
            there => 1 + (u64::from(there) * 14 / u64::from(of)) as u32,
        };
        let digits = self.parts().map(digit);
        digits.map(|digit| char::from_digit(digit, 16).unwrap_or('f')).collect()
    }

    /// How many pieces are there from one to before another.
    fn count_in(&self, from: u32, to: u32) -> u32 {
        let (first, last) = (from as usize / 8, (to as usize).div_ceil(8));
        let ones = |bytes: &[u8]| {
            let (words, rest) = bytes.as_chunks::<8>();
            let words = words.iter().map(|word| u64::from_ne_bytes(*word).count_ones());
            words.sum::<u32>() + rest.iter().map(|byte| byte.count_ones()).sum::<u32>()
        };
        let before = (self.bytes[first] & !(0xff >> (from % 8))).count_ones();
        let aligned = to.is_multiple_of(8);
        let behind = if aligned { 0 } else { self.bytes[last - 1] & (0xff >> (to % 8)) };
        ones(&self.bytes[first..last]) - before - behind.count_ones()
    }
}

fn mask(piece: PieceIndex) -> u8 {
    0x80 >> (piece.0 % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_piece_in_both_is_the_first_that_both_have() {
        for pieces in [1, 7, 63, 64, 65, 130, 200] {
            let mut dice = fastrand::Rng::with_seed(pieces.into());
            for _ in 0..200 {
                let mut some = || {
                    let mut bits = Bitfield::new(pieces);
                    (0..dice.u32(0..4)).for_each(|_| _ = bits.set(PieceIndex(dice.u32(..pieces))));
                    bits
                };
                let (a, b) = (some(), some());
                assert_eq!(a.first_in_both(&b), a.iter().find(|&piece| b.has(piece)), "{pieces}");
            }
        }
    }

    #[test]
    fn a_row_has_equal_parts_and_only_full_ones_are_shown_full() {
        let mut bits = Bitfield::new(10);
        for piece in [0, 3, 9] {
            bits.set(PieceIndex(piece));
        }
        assert_eq!(bits.bar(), "f00f00000f");
        assert_eq!((Bitfield::new(0).bar(), Bitfield::full(1).bar()), (String::new(), "f".into()));
        for pieces in [63, 64, 65, 1000, 4001] {
            let mut dice = fastrand::Rng::with_seed(pieces.into());
            let mut bits = Bitfield::new(pieces);
            (0..pieces / 2).for_each(|_| _ = bits.set(PieceIndex(dice.u32(..pieces))));
            let (there, of) = bits.parts().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
            assert_eq!(
                (there, of, bits.parts().count()),
                (bits.count(), pieces, 64.min(pieces as usize))
            );
            let mut all = Bitfield::full(pieces);
            assert_eq!(all.bar(), "f".repeat(64.min(pieces as usize)));
            all.clear(PieceIndex(pieces - 1));
            assert!(!all.bar().ends_with('f'));
        }
    }

    #[test]
    fn the_high_bit_of_the_first_byte_is_piece_zero() {
        let mut b = Bitfield::new(10);
        assert!(b.set(PieceIndex(0)));
        assert!(b.set(PieceIndex(9)));
        assert!(!b.set(PieceIndex(9)), "no news");
        assert!(!b.set(PieceIndex(10)), "out of range");
        assert_eq!(b.as_bytes(), [0b1000_0000, 0b0100_0000]);
        assert_eq!(b.iter().collect::<Vec<_>>(), [PieceIndex(0), PieceIndex(9)]);
        assert_eq!((b.count(), b.missing().count()), (2, 8));
        assert!(b.clear(PieceIndex(9)) && !b.clear(PieceIndex(9)));
        assert_eq!(b.count(), 1);
    }

    #[test]
    fn spare_bits_and_wrong_lengths_are_refused() {
        assert_eq!(Bitfield::from_bytes(&[0xff], 7), Err(BitfieldError::SpareBits));
        assert_eq!(
            Bitfield::from_bytes(&[0, 0], 8),
            Err(BitfieldError::Length { got: 2, wanted: 1 })
        );
        assert!(Bitfield::from_bytes(&[0xfe], 7).unwrap().is_full());
        assert!(Bitfield::from_bytes(&[], 0).unwrap().is_full());
    }

    #[test]
    fn full_has_everything_and_no_spare_bits() {
        for pieces in 0..40 {
            let full = Bitfield::full(pieces);
            assert!(full.is_full());
            assert_eq!(Bitfield::from_bytes(full.as_bytes(), pieces), Ok(full));
        }
    }
}
