//! Which bytes of which entry a run of a piece is, for those who fetch files and not pieces.
//!
//! ```text
//! v2: piece 5 of the torrent is piece 2 of one file          v1: | a | pad | b .. |  a piece may
//!     and starts 2 piece lengths behind its start                |-- piece --|     hold many
//! ```
//! Nothing here does I/O.

use super::{FileEntry, FileKind, Metainfo};
use crate::bitfield::Bitfield;
use crate::ids::{PieceIndex, Span};

/// Some bytes of a piece that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The entry, by its position in [`Metainfo::files`]. Pads are zeros and stand nowhere else.
    pub entry: usize,
    /// Bytes from the start of the entry.
    pub offset: u64,
    /// Bytes, at least one.
    pub length: u64,
}

impl Metainfo {
    /// The parts of a span of a piece, in order. Bytes behind the torrent's end have none.
    pub fn parts(&self, span: Span) -> Vec<Part> {
        let (piece, piece_length) = (u64::from(span.piece.0), u64::from(self.piece_length));
        let is_v2 = self.info_hash_v2.is_some();
        let at = if is_v2 { piece } else { piece * piece_length + u64::from(span.offset) };
        let Some(first) = self.starts.partition_point(|&start| start <= at).checked_sub(1) else {
            return Vec::new();
        };
        let behind = at - self.starts[first];
        // In v2 no piece has bytes of two files.
        let (mut offset, last) = if is_v2 {
            (behind * piece_length + u64::from(span.offset), first)
        } else {
            (behind, self.files.len() - 1)
        };
        let mut left = u64::from(span.length);
        let mut parts = Vec::new();
        for entry in first..=last {
            let length = left.min(self.files[entry].length.saturating_sub(offset));
            if length > 0 {
                parts.push(Part { entry, offset, length });
            }
            (left, offset) = (left - length, 0);
            if left == 0 {
                break;
            }
        }
        parts
    }

    /// How many bytes each data file has in the pieces of `have`, in the torrent's order. A piece
    /// that several files share counts for each as far as it lies in it.
    pub fn file_progress(&self, have: &Bitfield) -> Vec<u64> {
        let piece_length = u64::from(self.piece_length);
        let is_v2 = self.info_hash_v2.is_some();
        let of_entry = |(entry, file): (usize, &FileEntry)| -> u64 {
            let pieces = self.pieces_of(entry);
            let aligned = u64::from(pieces.start) * piece_length;
            let start = if is_v2 { aligned } else { self.starts[entry] };
            let here = pieces.filter(|&piece| have.has(PieceIndex(piece)));
            let bytes = here.map(|piece| {
                let (from, to) = (u64::from(piece) * piece_length, start + file.length);
                to.min(from + piece_length) - start.max(from)
            });
            bytes.sum()
        };
        let entries = self.files.iter().enumerate();
        entries.filter(|(_, file)| file.kind == FileKind::Data).map(of_entry).collect()
    }

    /// Whether the bytes of an entry are somewhere: those of a pad are zeros.
    pub fn is_stored(&self, entry: usize) -> bool {
        self.files.get(entry).is_some_and(|file| file.kind == FileKind::Data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BLOCK_LEN;
    use crate::metainfo::build::{BuildOptions, build};
    use crate::metainfo::draft::{Draft, DraftFile, Version};
    use crate::metainfo::merkle;

    fn meta(version: Version, lengths: &[u64]) -> Metainfo {
        let file = |(n, &length): (usize, &u64)| {
            let layer = vec![[n as u8; 32]; length.div_ceil(32768) as usize];
            let layer = if layer.len() > 1 { layer } else { Vec::new() };
            let root = merkle::root_of_layer(&layer, BLOCK_LEN * 2);
            let is_v1 = version == Version::V1;
            let root = (!is_v1 && length > 0).then_some(root);
            let layer = if is_v1 { Vec::new() } else { layer };
            DraftFile { path: vec![format!("{n}")], length, root, layer }
        };
        let stream = |length: &u64| match version {
            Version::Hybrid => length.next_multiple_of(32768),
            _ => *length,
        };
        let pieces = lengths.iter().map(stream).sum::<u64>().div_ceil(32768) as usize;
        let v1_pieces = if version == Version::V2 { 0 } else { pieces };
        let draft = Draft {
            name: "t".to_owned(),
            version,
            piece_length: 32768,
            single_file: false,
            files: lengths.iter().enumerate().map(file).collect(),
            v1_pieces: vec![[0; 20]; v1_pieces],
        };
        build(&draft, &BuildOptions::default()).unwrap()
    }

    fn parts(meta: &Metainfo, piece: u32, offset: u32, length: u32) -> Vec<(String, u64, u64)> {
        let parts = meta.parts(Span { piece: PieceIndex(piece), offset, length });
        let name = |entry: usize| meta.files[entry].path[1..].join("/");
        parts.into_iter().map(|part| (name(part.entry), part.offset, part.length)).collect()
    }

    fn part(name: &str, offset: u64, length: u64) -> (String, u64, u64) {
        (name.to_owned(), offset, length)
    }

    #[test]
    fn a_piece_of_v2_lies_in_one_file() {
        for version in [Version::V2, Version::Hybrid] {
            let meta = meta(version, &[70_000, 0, 5, 40_000]);
            assert_eq!(parts(&meta, 0, 0, 32768), [part("0", 0, 32768)]);
            assert_eq!(parts(&meta, 2, 0, 4464), [part("0", 65536, 4464)]);
            assert_eq!(parts(&meta, 3, 0, 5), [part("2", 0, 5)]);
            assert_eq!(parts(&meta, 5, 1, 2), [part("3", 32769, 2)]);
            assert_eq!(parts(&meta, 6, 0, 1), []);
        }
    }

    fn progress(meta: &Metainfo, have: &[u32]) -> Vec<u64> {
        let mut bits = Bitfield::new(meta.geometry().pieces());
        have.iter().for_each(|&piece| assert!(bits.set(PieceIndex(piece))));
        meta.file_progress(&bits)
    }

    #[test]
    fn a_files_progress_is_what_verified_pieces_hold_of_it() {
        for version in [Version::V2, Version::Hybrid] {
            let meta = meta(version, &[70_000, 0, 5, 40_000]);
            assert_eq!(progress(&meta, &[]), [0; 4]);
            assert_eq!(progress(&meta, &[0, 2, 3, 5]), [32768 + 4464, 0, 5, 40_000 - 32768]);
            assert_eq!(progress(&meta, &[0, 1, 2, 3, 4, 5]), [70_000, 0, 5, 40_000]);
        }
        let meta = meta(Version::V1, &[30_000, 0, 10, 40_000]);
        assert_eq!(progress(&meta, &[0]), [30_000, 0, 10, 2758]);
        assert_eq!(progress(&meta, &[2]), [0, 0, 0, 4474]);
        assert_eq!(progress(&meta, &[0, 1, 2]), [30_000, 0, 10, 40_000]);
    }

    #[test]
    fn pads_have_no_progress_of_their_own() {
        // The pads of a hybrid stand in its v1 list only; read as v1 they have pieces.
        let hybrid = meta(Version::Hybrid, &[5, 40_000]).as_v1().unwrap();
        assert!(hybrid.files.iter().any(|file| file.kind == FileKind::Pad));
        assert_eq!(progress(&hybrid, &[0, 1]), [5, 32768]);
        assert_eq!(progress(&hybrid, &[2]), [0, 40_000 - 32768]);
    }

    #[test]
    fn a_piece_of_v1_goes_over_the_ends_of_files() {
        let meta = meta(Version::V1, &[30_000, 0, 10, 40_000]);
        let all = [part("0", 0, 30_000), part("2", 0, 10), part("3", 0, 2758)];
        assert_eq!(parts(&meta, 0, 0, 32768), all);
        assert_eq!(parts(&meta, 0, 29_999, 2), [part("0", 29_999, 1), part("2", 0, 1)]);
        assert_eq!(parts(&meta, 1, 0, 32768), [part("3", 2758, 32768)]);
        assert_eq!(parts(&meta, 2, 0, 32768), [part("3", 35526, 4474)]);
        assert_eq!(parts(&meta, 3, 0, 1), []);
    }
}
