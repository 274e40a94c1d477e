//! Which bytes of which file a run of a piece is.
//!
//! Pieces lie one after the other on a line of bytes, and so do files; only where a file starts
//! differs:
//!
//! ```text
//! contiguous (v1):  | piece 0 | piece 1 | piece 2 |
//!                   | a    |pad| b       | c   |        every entry follows the one before it
//! aligned (v2):     | piece 0 | piece 1 | piece 2 |
//!                   | a    |..| b     |..| c   |        every file starts a piece
//! ```
//! Pads and links have no bytes on disk: in a contiguous layout they read as zeros and swallow
//! what is written; in an aligned one they do not exist. Nothing here does I/O.

use std::ops::Range;

use crate::ids::Span;
use crate::metainfo::FileKind;

/// How files follow each other on the line of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Every entry follows the one before it, pads included (BEP 3, BEP 47).
    Contiguous,
    /// Every file that is not empty starts a piece (BEP 52).
    Aligned,
}

/// The map between pieces and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    piece_length: u64,
    /// Where each entry of positive length lies, in order.
    extents: Vec<Extent>,
    /// The extent of each entry of the torrent, for those that have one.
    of_entry: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    /// Bytes from the start of piece 0.
    start: u64,
    length: u64,
    place: Place,
}

/// What stands behind some bytes of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A file, by its position in the torrent's list.
    File(usize),
    /// A pad: zeros that are never stored.
    Zeros,
}

/// Some bytes of a piece that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The file, or zeros.
    pub place: Place,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Bytes.
    pub length: usize,
}

impl Layout {
    /// Lays out a torrent's entries, given by length and kind in the torrent's order.
    pub fn new(
        order: Order,
        piece_length: u32,
        entries: impl IntoIterator<Item = (u64, FileKind)>,
    ) -> Self {
        let piece_length = u64::from(piece_length.max(1));
        let mut layout = Self { piece_length, extents: Vec::new(), of_entry: Vec::new() };
        let mut start = 0_u64;
        for (index, (length, kind)) in entries.into_iter().enumerate() {
            let data = kind == FileKind::Data;
            let exists = length > 0 && (data || order == Order::Contiguous);
            layout.of_entry.push(exists.then_some(layout.extents.len()));
            if !exists {
                continue;
            }
            if order == Order::Aligned {
                start = start.next_multiple_of(piece_length);
            }
            let place = if data { Place::File(index) } else { Place::Zeros };
            layout.extents.push(Extent { start, length, place });
            start = start.saturating_add(length);
        }
        layout
    }

    /// The parts of a span, in order. Bytes behind the last entry have none.
    pub fn parts(&self, span: Span) -> impl Iterator<Item = Part> + '_ {
        let start = u64::from(span.piece.0) * self.piece_length + u64::from(span.offset);
        let end = start + u64::from(span.length);
        // BEGIN SOLUTION C1, starts as `std::iter::empty()`
        let first = self.extents.partition_point(|e| e.start.saturating_add(e.length) <= start);
        self.extents[first..].iter().take_while(move |e| e.start < end).map(move |e| {
            let from = start.max(e.start);
            let to = end.min(e.start.saturating_add(e.length));
            Part { place: e.place, offset: from - e.start, length: (to - from) as usize }
        })
        // END SOLUTION
    }

    /// The pieces that have bytes of an entry; none for an empty one.
    pub fn pieces_of(&self, entry: usize) -> Range<u32> {
        let Some(extent) = self.of_entry.get(entry).copied().flatten() else { return 0..0 };
        let Extent { start, length, .. } = self.extents[extent];
        let end = start.saturating_add(length).div_ceil(self.piece_length);
        (start / self.piece_length) as u32..end as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PieceIndex;
    use FileKind::{Data, Link, Pad};

    fn span(piece: u32, offset: u32, length: u32) -> Span {
        Span { piece: PieceIndex(piece), offset, length }
    }

    fn parts(layout: &Layout, span: Span) -> Vec<(Option<usize>, u64, usize)> {
        let file = |place| match place {
            Place::File(index) => Some(index),
            Place::Zeros => None,
        };
        layout.parts(span).map(|p| (file(p.place), p.offset, p.length)).collect()
    }

    #[test]
    fn a_contiguous_piece_may_hold_many_files_and_pads() {
        let entries = [(30, Data), (0, Data), (5, Data), (0, Link), (29, Pad), (40, Data)];
        let layout = Layout::new(Order::Contiguous, 64, entries);
        let all = [(Some(0), 0, 30), (Some(2), 0, 5), (None, 0, 29)];
        assert_eq!(parts(&layout, span(0, 0, 64)), all);
        assert_eq!(parts(&layout, span(0, 29, 2)), [(Some(0), 29, 1), (Some(2), 0, 1)]);
        assert_eq!(parts(&layout, span(0, 40, 3)), [(None, 5, 3)]);
        assert_eq!(parts(&layout, span(1, 0, 40)), [(Some(5), 0, 40)]);
        assert_eq!(layout.pieces_of(2), 0..1);
        assert_eq!(layout.pieces_of(5), 1..2);
        assert!(layout.pieces_of(1).is_empty() && layout.pieces_of(9).is_empty());
    }

    #[test]
    fn in_an_aligned_layout_every_file_starts_a_piece_and_pads_do_not_exist() {
        let entries = [(70, Data), (58, Pad), (0, Data), (64, Data), (1, Data)];
        let layout = Layout::new(Order::Aligned, 64, entries);
        assert_eq!(parts(&layout, span(1, 0, 6)), [(Some(0), 64, 6)]);
        assert_eq!(parts(&layout, span(2, 10, 54)), [(Some(3), 10, 54)]);
        assert_eq!(parts(&layout, span(3, 0, 1)), [(Some(4), 0, 1)]);
        assert_eq!(layout.pieces_of(0), 0..2);
        assert_eq!(layout.pieces_of(1), 0..0);
        assert_eq!(layout.pieces_of(3), 2..3);
        assert_eq!(layout.pieces_of(4), 3..4);
    }

    #[test]
    fn a_file_over_many_pieces_is_found_from_each() {
        let layout = Layout::new(Order::Contiguous, 16, [(10, Data), (100, Data), (3, Data)]);
        assert_eq!(parts(&layout, span(0, 0, 16)), [(Some(0), 0, 10), (Some(1), 0, 6)]);
        assert_eq!(parts(&layout, span(3, 0, 16)), [(Some(1), 38, 16)]);
        assert_eq!(parts(&layout, span(6, 0, 16)), [(Some(1), 86, 14), (Some(2), 0, 2)]);
        assert_eq!(layout.pieces_of(1), 0..7);
        assert_eq!(parts(&layout, span(7, 0, 16)), [(Some(2), 2, 1)]);
        assert_eq!(parts(&layout, span(8, 0, 16)), []);
    }
}
