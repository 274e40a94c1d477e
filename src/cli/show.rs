//! `peer show FILE`: what a .torrent says, for people or as one JSON object.
//!
//! What a stranger wrote is printed so that it cannot move the cursor: control characters and
//! marks that change the direction of writing are escaped.

use crate::metainfo::{FileEntry, Metainfo, MetainfoError, bencode};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The file is not there or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read and is no good torrent.
    #[error("bad torrent {}: {source}", path.display())]
    BadTorrent {
        /// The file.
        path: PathBuf,
        /// The key or the rule.
        source: MetainfoError,
    },
    /// Standard output took no more.
    #[error("cannot write: {0}")]
    Output(io::Error),
}

/// Reads and checks a .torrent; never more of it than a torrent may have.
pub fn read_torrent(path: &Path) -> Result<Metainfo, ShowError> {
    let unreadable = |source| ShowError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(bencode::TORRENT.bytes as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Metainfo::parse(&bytes)
        .map_err(|source| ShowError::BadTorrent { path: path.to_owned(), source })
}

/// Prints what a .torrent says.
pub fn show(file: &Path, json: bool, out: &mut dyn Write) -> Result<(), ShowError> {
    let metainfo = read_torrent(file)?;
    let text = if json { as_json(&metainfo) } else { as_text(&metainfo) };
    out.write_all(text.as_bytes()).map_err(ShowError::Output)
}

/// The object of `show --json`.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    info_hash_v1: Option<String>,
    info_hash_v2: Option<String>,
    piece_length: u32,
    pieces: u32,
    total_size: u64,
    files: Vec<ShownFile>,
    trackers: &'a [Vec<String>],
    web_seeds: &'a [String],
    private: bool,
    comment: Option<&'a str>,
    created_by: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownFile {
    path: String,
    length: u64,
}

/// One JSON object and a line feed.
pub fn as_json(metainfo: &Metainfo) -> String {
    let file = |file: &FileEntry| ShownFile { path: file.path.join("/"), length: file.length };
    let shown = Shown {
        name: &metainfo.name,
        info_hash_v1: metainfo.info_hash_v1.map(|hash| hash.to_string()),
        info_hash_v2: metainfo.info_hash_v2.map(|hash| hash.to_string()),
        piece_length: metainfo.piece_length,
        pieces: metainfo.geometry().pieces(),
        total_size: metainfo.total_size(),
        files: metainfo.data_files().map(file).collect(),
        trackers: &metainfo.trackers,
        web_seeds: &metainfo.web_seeds,
        private: metainfo.private,
        comment: metainfo.comment.as_deref(),
        created_by: metainfo.created_by.as_deref(),
    };
    serde_json::to_string(&shown).expect("text and numbers are JSON") + "\n"
}

/// Some lines for people.
pub fn as_text(metainfo: &Metainfo) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        writeln!(text, "{label:<16}{}", printable(value)).expect("a String takes all");
    };
    line("name", &metainfo.name);
    if let Some(hash) = metainfo.info_hash_v1 {
        line("info-hash v1", &hash.to_string());
    }
    if let Some(hash) = metainfo.info_hash_v2 {
        line("info-hash v2", &hash.to_string());
    }
    let size = metainfo.total_size();
    let exact = if size < 1000 { String::new() } else { format!(" ({size} bytes)") };
    line("size", &format!("{}{exact}", decimal_size(size)));
    let pieces = metainfo.geometry().pieces();
    line("pieces", &format!("{pieces} of {}", binary_size(metainfo.piece_length)));
    if metainfo.private {
        line("private", "yes");
    }
    for (label, value) in [("comment", &metainfo.comment), ("created by", &metainfo.created_by)] {
        if let Some(value) = value {
            line(label, value);
        }
    }
    for (i, tier) in metainfo.trackers.iter().enumerate() {
        line(&format!("tracker {}", i + 1), &tier.join("  "));
    }
    for address in &metainfo.native_trackers {
        line("native tracker", address);
    }
    for url in &metainfo.web_seeds {
        line("web seed", url);
    }
    text + "\n" + &tree(metainfo.data_files())
}

/// The files, each below its folder.
fn tree<'a>(files: impl Iterator<Item = &'a FileEntry>) -> String {
    let mut text = String::new();
    let mut open: &[String] = &[];
    for file in files {
        let Some((name, folder)) = file.path.split_last() else { continue };
        let shared = open.iter().zip(folder).take_while(|(a, b)| a == b).count();
        for (depth, part) in folder.iter().enumerate().skip(shared) {
            writeln!(text, "{:indent$}{}/", "", printable(part), indent = depth * 2)
                .expect("a String takes all");
        }
        open = folder;
        let (indent, size) = (folder.len() * 2, decimal_size(file.length));
        writeln!(text, "{:indent$}{}  {size}", "", printable(name)).expect("a String takes all");
    }
    text
}

/// Text that cannot move a terminal's cursor or turn its writing round.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{061c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// An amount of data in decimal units: `512 bytes`, `1.5 MB`.
pub(super) fn decimal_size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    // 999.95 would be printed as 1000.0.
    while value >= 999.95 && unit < 3 {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", ["kB", "MB", "GB", "TB"][unit])
}

/// A piece length in binary units where it is a whole number of them: `512 KiB`.
pub(super) fn binary_size(bytes: u32) -> String {
    match bytes.trailing_zeros() {
        20.. if bytes > 0 => format!("{} MiB", bytes >> 20),
        10.. if bytes > 0 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torrent(comment: &str) -> Metainfo {
        let mut out = bencode::Encoder::new();
        out.dict().text("announce").text("udp://t:1").text("comment").text(comment);
        out.text("info").dict().text("files").list();
        for path in ["a", "b"] {
            out.dict().text("length").int(8000).text("path");
            out.list().text("in").text(path).end().end();
        }
        out.end().text("name").text("n").text("piece length").int(16384);
        out.text("pieces").bytes(&[7; 20]).end().end();
        Metainfo::parse(&out.finish()).expect("a good torrent")
    }

    #[test]
    fn the_json_has_every_key_in_its_order() {
        let json = as_json(&torrent("c"));
        let hash = torrent("c").info_hash_v1.unwrap();
        let expected = format!(
            "{{\"name\":\"n\",\"info_hash_v1\":\"{hash}\",\"info_hash_v2\":null,\
             \"piece_length\":16384,\"pieces\":1,\"total_size\":16000,\
             \"files\":[{{\"path\":\"n/in/a\",\"length\":8000}},\
             {{\"path\":\"n/in/b\",\"length\":8000}}],\"trackers\":[[\"udp://t:1\"]],\
             \"web_seeds\":[],\"private\":false,\"comment\":\"c\",\"created_by\":null}}\n"
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn people_see_the_files_as_a_tree() {
        let text = as_text(&torrent("c"));
        assert!(text.contains("size            16.0 kB (16000 bytes)\n"), "{text}");
        assert!(text.contains("pieces          1 of 16 KiB\n"), "{text}");
        assert!(text.ends_with("\nn/\n  in/\n    a  8.0 kB\n    b  8.0 kB\n"), "{text}");
    }

    #[test]
    fn a_comment_cannot_talk_to_the_terminal() {
        let text = as_text(&torrent("x\x1b[2J\u{202e}\ny"));
        assert!(text.contains("x\\u{1b}[2J\\u{202e}\\ny\n"), "{text}");
    }

    #[test]
    fn sizes_are_printed_in_the_units_of_their_kind() {
        let decimal = [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_960, "1.0 MB")];
        for (bytes, expected) in decimal {
            assert_eq!(decimal_size(bytes), expected);
        }
        let binary =
            [(16384, "16 KiB"), (1 << 20, "1 MiB"), (20000, "20000 bytes"), (0, "0 bytes")];
        for (bytes, expected) in binary {
            assert_eq!(binary_size(bytes), expected);
        }
    }
}
