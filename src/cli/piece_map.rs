//! The piece map of a folder: which pieces each file spans, drawn ([`PieceMap`]).
//!
//! ```text
//! 5 pieces of 32 KiB
//! █ pieces of this file alone, ▒ shared with another file, · others'
//!
//! 0-2  ██▒··  album/a       <- piece 2 holds the end of a, all of b and the beginning of c
//! 2    ··▒··  album/b
//! 2-4  ··▒██  album/c
//! -    ·····  album/empty
//! ```
//! With v1 hashes alone files lie end to end, so that neighbours share a piece; with v2 hashes each
//! file starts a piece of its own (BEP 52). Pure: a torrent in, text out.

use super::style::printable;
use super::units;
use crate::metainfo::{FileKind, Metainfo};
use std::fmt::Write;
use std::ops::Range;

/// The most cells of a row; with more pieces a cell stands for several.
const CELLS: u32 = 48;

/// Which pieces each file of a torrent spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceMap {
    piece_length: u32,
    pieces: u32,
    aligned: bool,
    files: Vec<Spanned>,
}

/// One file and its pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spanned {
    path: String,
    pieces: Range<u32>,
    /// Whether its first piece holds bytes of a file before it.
    shares_first: bool,
    /// Whether its last piece holds bytes of a file behind it.
    shares_last: bool,
}

impl Spanned {
    /// Whether a piece is this file's alone.
    fn has_alone(&self, piece: u32) -> bool {
        let first = self.shares_first && piece == self.pieces.start;
        let last = self.shares_last && piece + 1 == self.pieces.end;
        self.pieces.contains(&piece) && !first && !last
    }

    /// `3`, `0-2`, or `-` for an empty file.
    fn numbers(&self) -> String {
        match self.pieces.len() {
            0 => "-".into(),
            1 => self.pieces.start.to_string(),
            _ => format!("{}-{}", self.pieces.start, self.pieces.end - 1),
        }
    }

    /// The row: a cell stands for `each` pieces, and is full if one of them is the file's alone.
    fn row(&self, pieces: u32, each: u32) -> String {
        let cell = |first: u32| {
            let mine = first.max(self.pieces.start)..(first + each).min(self.pieces.end);
            // Only its ends can be shared: of three pieces the middle one is its own.
            let alone = mine.clone().take(2).chain(mine.clone().rev().take(1));
            match (mine.is_empty(), alone.into_iter().any(|piece| self.has_alone(piece))) {
                (true, _) => '·',
                (false, true) => '█',
                (false, false) => '▒',
            }
        };
        (0..pieces).step_by(each as usize).map(cell).collect()
    }
}

impl PieceMap {
    /// The map of a torrent's files, in its order.
    pub fn of(metainfo: &Metainfo) -> Self {
        let data = metainfo.files.iter().enumerate();
        let mut files: Vec<Spanned> = data
            .filter(|(_, file)| file.kind == FileKind::Data)
            .map(|(entry, file)| Spanned {
                path: file.path.join("/"),
                pieces: metainfo.pieces_of(entry),
                shares_first: false,
                shares_last: false,
            })
            .collect();
        mark_shared(&mut files);
        Self {
            piece_length: metainfo.piece_length,
            pieces: metainfo.geometry().pieces(),
            aligned: metainfo.info_hash_v2.is_some(),
            files,
        }
    }

    /// The map for people.
    pub fn text(&self) -> String {
        let each = self.pieces.div_ceil(CELLS).max(1);
        let plural = if self.pieces == 1 { "" } else { "s" };
        let length = units::piece_length(self.piece_length);
        let mut text = format!("{} piece{plural} of {length}", self.pieces);
        if self.aligned {
            text += "; each file starts a piece";
        }
        if each > 1 {
            let _ = write!(text, "; a cell is {each} pieces");
        }
        text += "\n█ pieces of this file alone, ▒ shared with another file, · others'\n\n";
        let width = self.files.iter().map(|file| file.numbers().len()).max().unwrap_or(0);
        for file in &self.files {
            let (numbers, row) = (file.numbers(), file.row(self.pieces, each));
            let _ = writeln!(text, "{numbers:<width$}  {row}  {}", printable(&file.path));
        }
        text
    }
}

/// A file shares an end with the nearest neighbour that has bytes.
fn mark_shared(files: &mut [Spanned]) {
    let full: Vec<usize> = (0..files.len()).filter(|&n| !files[n].pieces.is_empty()).collect();
    for pair in full.windows(2) {
        if files[pair[0]].pieces.end > files[pair[1]].pieces.start {
            files[pair[0]].shares_last = true;
            files[pair[1]].shares_first = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::bencode::Encoder;

    fn map(files: &[(&str, u32)]) -> String {
        let total: u32 = files.iter().map(|(_, length)| length).sum();
        let mut out = Encoder::new();
        out.dict().text("info").dict().text("files").list();
        for (path, length) in files {
            out.dict().text("length").int((*length).into()).text("path");
            out.list().text(path).end().end();
        }
        out.end().text("name").text("n").text("piece length").int(16384);
        out.text("pieces").bytes(&vec![7; 20 * total.div_ceil(16384) as usize]).end().end();
        PieceMap::of(&Metainfo::parse(&out.finish()).expect("a good torrent")).text()
    }

    const LEGEND: &str = "█ pieces of this file alone, ▒ shared with another file, · others'\n\n";

    #[test]
    fn files_that_lie_end_to_end_share_their_ends() {
        let files = [("a", 40_000), ("empty", 0), ("b", 5), ("c", 40_000), ("d", 1)];
        let rows = "\
0-2  ██▒··  n/a
-    ·····  n/empty
2    ··▒··  n/b
2-4  ··▒█▒  n/c
4    ····▒  n/d
";
        assert_eq!(map(&files), format!("5 pieces of 16 KiB\n{LEGEND}{rows}"));
    }

    #[test]
    fn files_that_end_with_a_piece_share_none() {
        let rows = "0  █·  n/a\n1  ·█  n/b\n";
        let text = map(&[("a", 16384), ("b", 16384)]);
        assert_eq!(text, format!("2 pieces of 16 KiB\n{LEGEND}{rows}"));
    }

    #[test]
    fn many_pieces_are_drawn_in_few_cells() {
        let text = map(&[("a", 16384 * 99 + 1), ("b", 16384 * 100)]);
        assert!(text.starts_with("200 pieces of 16 KiB; a cell is 5 pieces\n"), "{text}");
        let a = format!("0-99    {}{}  n/a", "█".repeat(20), "·".repeat(20));
        let b = format!("99-199  {}▒{}  n/b", "·".repeat(19), "█".repeat(20));
        assert!(text.contains(&a) && text.contains(&b), "{text}");
    }
}
