//! The only place that divides by a piece or block length.
//!
//! ```text
//! v1:            | piece 0 | piece 1 | pie|         one short piece, at the end
//! v2 and hybrid: | a: 0 | a: 1 | a:| b: 3 | b|      every file starts a piece; its last may be short
//! ```
//! The pad bytes that a hybrid torrent has for v1 peers are no part of a v2 geometry: they are
//! never stored and never sent in the native dialect (BEP 47, BEP 52). Nothing here does I/O.

use crate::ids::{PieceIndex, Span};

/// The unit of request and the leaf of a Merkle tree: 16 KiB (BEP 3, BEP 52).
pub const BLOCK_LEN: u32 = 16 * 1024;

/// The most pieces a torrent may have: what libtorrent takes, and 256 KiB of bitfield.
pub const MAX_PIECES: u32 = 2_097_152;

/// The longest piece we take, in bytes.
pub const MAX_PIECE_LEN: u32 = 512 * 1024 * 1024;

/// Where the pieces of a torrent begin and how long each is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    piece_length: u32,
    pieces: u32,
    /// The pieces that are shorter than the others, in order.
    short: Vec<(PieceIndex, u32)>,
    total: u64,
    /// Bytes as BitTorrent peers may count them, pads included.
    padded: Option<u64>,
}

/// A geometry that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// A piece length of zero, or beyond [`MAX_PIECE_LEN`].
    #[error("piece length {0} is not between 1 and {MAX_PIECE_LEN}")]
    PieceLength(u64),
    /// More than [`MAX_PIECES`].
    #[error("more than {MAX_PIECES} pieces")]
    TooManyPieces,
}

impl Geometry {
    /// One run of bytes cut into pieces; only the last may be short (BEP 3).
    pub fn v1(piece_length: u32, total: u64) -> Result<Self, GeometryError> {
        Self::v2(piece_length, [total])
    }

    /// Each file starts a piece of its own; empty files have none (BEP 52).
    pub fn v2(
        piece_length: u32,
        files: impl IntoIterator<Item = u64>,
    ) -> Result<Self, GeometryError> {
        if piece_length == 0 || piece_length > MAX_PIECE_LEN {
            return Err(GeometryError::PieceLength(piece_length.into()));
        }
        let mut geometry =
            Self { piece_length, pieces: 0, short: Vec::new(), total: 0, padded: None };
        for length in files {
            let count = length.div_ceil(u64::from(piece_length));
            let pieces = u64::from(geometry.pieces)
                .checked_add(count)
                .filter(|&n| n <= u64::from(MAX_PIECES))
                .ok_or(GeometryError::TooManyPieces)?;
            geometry.pieces = pieces as u32;
            geometry.total += length;
            let tail = (length % u64::from(piece_length)) as u32;
            if tail != 0 {
                geometry.short.push((PieceIndex(geometry.pieces - 1), tail));
            }
        }
        Ok(geometry)
    }

    /// The same for a hybrid, whose files and pads are one run of `padded` bytes for v1 peers, and
    /// for what is read like one.
    #[must_use]
    pub fn with_pads(mut self, padded: u64) -> Self {
        self.padded = Some(padded);
        self
    }

    /// The length of a piece as BitTorrent peers may ask for it: that of a hybrid goes on in zeros
    /// where the next file is aligned by a pad (BEP 47).
    pub fn padded_length_of(&self, piece: PieceIndex) -> u32 {
        let length = self.length_of(piece);
        let Some(padded) = self.padded.filter(|_| length > 0) else { return length };
        let start = u64::from(piece.0) * u64::from(self.piece_length);
        let end = padded.min(start + u64::from(self.piece_length));
        length.max(end.saturating_sub(start) as u32)
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// The length of every piece that is not the last of its file, in bytes.
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Bytes of content in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The length of one piece in bytes, 0 for an index out of range.
    pub fn length_of(&self, piece: PieceIndex) -> u32 {
        if piece.0 >= self.pieces {
            return 0;
        }
        match self.short.binary_search_by_key(&piece, |&(p, _)| p) {
            Ok(i) => self.short[i].1,
            Err(_) => self.piece_length,
        }
    }

    /// How many blocks a piece has.
    pub fn blocks_of(&self, piece: PieceIndex) -> u32 {
        self.length_of(piece).div_ceil(BLOCK_LEN)
    }

    /// The bytes of blocks `first..first + count` of a piece, cut at the piece's end.
    pub fn span_of_blocks(&self, piece: PieceIndex, first: u32, count: u32) -> Span {
        let length = u64::from(self.length_of(piece));
        let start = (u64::from(first) * u64::from(BLOCK_LEN)).min(length);
        let end = (u64::from(first) + u64::from(count)) * u64::from(BLOCK_LEN);
        Span { piece, offset: start as u32, length: (end.min(length) - start) as u32 }
    }

    /// The blocks that a span covers exactly, as first and count; `None` when the span is empty,
    /// leaves the piece, or cuts a block.
    pub fn blocks_of_span(&self, span: Span) -> Option<(u32, u32)> {
        let end = span.end()?;
        let whole = end.is_multiple_of(BLOCK_LEN) || end == self.length_of(span.piece);
        (self.contains(span) && span.offset.is_multiple_of(BLOCK_LEN) && whole)
            .then(|| (span.offset / BLOCK_LEN, span.length.div_ceil(BLOCK_LEN)))
    }

    /// Whether a span is not empty and lies inside its piece.
    pub fn contains(&self, span: Span) -> bool {
        span.length > 0 && span.end().is_some_and(|end| end <= self.length_of(span.piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(piece: u32, offset: u32, length: u32) -> Span {
        Span { piece: PieceIndex(piece), offset, length }
    }

    #[test]
    fn every_file_of_a_v2_torrent_starts_a_piece_and_may_end_in_a_short_one() {
        let g = Geometry::v2(32768, [70000, 0, 32768, 1]).unwrap();
        assert_eq!(g.pieces(), 5);
        let lengths: Vec<u32> = (0..6).map(|p| g.length_of(PieceIndex(p))).collect();
        assert_eq!(lengths, [32768, 32768, 4464, 32768, 1, 0]);
        assert_eq!(g.total(), 70000 + 32768 + 1);
    }

    #[test]
    fn a_piece_of_a_hybrid_is_longer_for_v1_peers_where_a_pad_follows() {
        let g = Geometry::v2(32768, [40000, 100, 5]).unwrap().with_pads(65536 + 32768 + 5);
        let padded: Vec<u32> = (0..5).map(|p| g.padded_length_of(PieceIndex(p))).collect();
        assert_eq!(padded, [32768, 32768, 32768, 5, 0]);
        assert_eq!(Geometry::v1(32768, 40000).unwrap().padded_length_of(PieceIndex(1)), 7232);
    }

    #[test]
    fn nothing_at_all_has_no_pieces() {
        let g = Geometry::v1(16384, 0).unwrap();
        assert_eq!((g.pieces(), g.length_of(PieceIndex(0))), (0, 0));
    }

    #[test]
    fn a_piece_length_of_zero_and_too_many_pieces_are_refused() {
        assert_eq!(Geometry::v1(0, 1), Err(GeometryError::PieceLength(0)));
        assert_eq!(Geometry::v1(1, u64::MAX), Err(GeometryError::TooManyPieces));
        assert!(Geometry::v1(1, u64::from(MAX_PIECES)).is_ok());
        assert!(Geometry::v1(1, u64::from(MAX_PIECES) + 1).is_err());
    }

    #[test]
    fn spans_and_blocks_agree_at_the_short_end() {
        let g = Geometry::v1(65536, 65536 + 20000).unwrap();
        assert_eq!(g.blocks_of(PieceIndex(1)), 2);
        assert_eq!(g.span_of_blocks(PieceIndex(1), 1, 9), span(1, 16384, 3616));
        assert_eq!(g.blocks_of_span(span(1, 16384, 3616)), Some((1, 1)));
        assert_eq!(g.blocks_of_span(span(0, 0, 65536)), Some((0, 4)));
    }

    #[test]
    fn spans_that_cut_a_block_or_leave_the_piece_name_no_blocks() {
        let g = Geometry::v1(65536, 65536 + 20000).unwrap();
        for bad in [
            span(0, 0, 0),
            span(0, 1, 16384),
            span(0, 0, 100),
            span(0, 49152, 32768),
            span(1, 16384, 16384),
            span(2, 0, 1),
            span(0, u32::MAX, u32::MAX),
        ] {
            assert_eq!(g.blocks_of_span(bad), None, "{bad}");
        }
    }
}
