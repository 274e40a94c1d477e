//! `peer show FILE ..`: what a .torrent says, for people or as one JSON object per line.
//!
//! ```text
//! Name: album          <- header
//! File: album.torrent
//!
//! GENERAL  TRACKERS  WEBSEEDS  FILES  PIECES        each a part of its own, in transmission-show's order
//! ```
//! What a stranger wrote is printed so that it cannot move the cursor.

use super::args::ShowArgs;
use super::date::date;
use super::env::Env;
use super::exit::{CliError, cause};
use super::piece_map::PieceMap;
use super::several::each;
use super::style::printable;
use super::{print, scrape, units};
use crate::metainfo::{FileEntry, FileKind, Metainfo, MetainfoError};
use serde::Serialize;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

pub use super::torrent_file::read_torrent;

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The file is not there or may not be read.
    #[error("cannot read {} ({}): check the path", path.display(), cause(source))]
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

/// Which parts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sections {
    /// The name and the file.
    pub header: bool,
    /// Hashes, sizes, who made it.
    pub info: bool,
    /// Trackers and web seeds.
    pub trackers: bool,
    /// The files as a tree.
    pub files: bool,
    /// Which pieces each file spans.
    pub pieces: bool,
}

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// Which parts.
    pub sections: Sections,
    /// The files in the torrent's order, not by name.
    pub unsorted: bool,
    /// Sizes in bytes, and not in the unit that reads best.
    pub bytes: bool,
}

impl Default for Looks {
    fn default() -> Self {
        let sections =
            Sections { header: true, info: true, trackers: true, files: true, pieces: false };
        Self { sections, unsorted: false, bytes: false }
    }
}

/// `peer show`.
pub fn show(args: &ShowArgs, env: &Env) -> Result<(), CliError> {
    let mut is_first = true;
    each(&args.file, env, |file| {
        let metainfo = read_torrent(file)?;
        if args.magnet && !args.json {
            return print(env, &format!("{}\n", metainfo.magnet()));
        }
        let looks = Looks { sections: args.sections(), unsorted: args.unsorted, bytes: args.bytes };
        if args.scrape {
            if !args.json && looks.sections.header {
                print(env, &header(&metainfo, file))?;
            }
            let target = scrape::Target::of(&metainfo, file);
            return scrape::report(&target, &[], args.timeout(), args.json, false, env);
        }
        let text = match (args.json, is_first) {
            (true, _) => as_json(&metainfo, args.pieces, args.magnet),
            (false, true) => as_text(&metainfo, file, looks),
            (false, false) => "\n".to_owned() + &as_text(&metainfo, file, looks),
        };
        is_first = false;
        print(env, &text)
    })
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
    creation_date: Option<i64>,
    source: Option<String>,
    native_trackers: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    magnet: Option<String>,
}

#[derive(Serialize)]
struct ShownFile {
    path: String,
    length: u64,
    /// Its first and its last piece; empty for an empty file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pieces: Option<Vec<u32>>,
}

/// One JSON object and a line feed, with the pieces of each file and the magnet link if they are
/// asked for.
pub fn as_json(metainfo: &Metainfo, pieces: bool, magnet: bool) -> String {
    let file = |(entry, file): (usize, &FileEntry)| ShownFile {
        path: file.path.join("/"),
        length: file.length,
        pieces: pieces.then(|| {
            let pieces = metainfo.pieces_of(entry);
            if pieces.is_empty() { Vec::new() } else { vec![pieces.start, pieces.end - 1] }
        }),
    };
    let is_data = |(_, file): &(usize, &FileEntry)| file.kind == FileKind::Data;
    let shown = Shown {
        name: &metainfo.name,
        info_hash_v1: metainfo.info_hash_v1.map(|hash| hash.to_string()),
        info_hash_v2: metainfo.info_hash_v2.map(|hash| hash.to_string()),
        piece_length: metainfo.piece_length,
        pieces: metainfo.geometry().pieces(),
        total_size: metainfo.total_size(),
        files: metainfo.files.iter().enumerate().filter(is_data).map(file).collect(),
        trackers: &metainfo.trackers,
        web_seeds: &metainfo.web_seeds,
        private: metainfo.private,
        comment: metainfo.comment.as_deref(),
        created_by: metainfo.created_by.as_deref(),
        creation_date: metainfo.creation_date,
        source: metainfo.source(),
        native_trackers: &metainfo.native_trackers,
        magnet: magnet.then(|| metainfo.magnet().to_string()),
    };
    serde_json::to_string(&shown).expect("text and numbers are JSON") + "\n"
}

/// Some lines for people.
pub fn as_text(metainfo: &Metainfo, file: &Path, looks: Looks) -> String {
    let Sections { header: head, info, trackers, files, pieces } = looks.sections;
    let mut parts = Vec::new();
    if head {
        parts.push(header(metainfo, file));
    }
    if info {
        parts.push(titled("GENERAL", &general(metainfo, looks)));
    }
    if trackers {
        parts.extend(addresses(metainfo));
    }
    if files {
        parts.push(titled("FILES", &tree(metainfo, looks)));
    }
    if pieces {
        parts.push(titled("PIECES", &PieceMap::of(metainfo).text()));
    }
    parts.join("\n")
}

fn titled(title: &str, body: &str) -> String {
    let indented = body.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n");
    format!("{title}\n\n{}", indented.collect::<String>())
}

fn header(metainfo: &Metainfo, file: &Path) -> String {
    let file = file.display().to_string();
    format!("Name: {}\nFile: {}\n", printable(&metainfo.name), printable(&file))
}

fn general(metainfo: &Metainfo, looks: Looks) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            writeln!(text, "{label}: {}", printable(&value)).expect("a String takes all");
        }
    };
    let total = metainfo.total_size();
    let exact =
        if total < 1000 || looks.bytes { String::new() } else { format!(" ({total} bytes)") };
    line("Name", Some(metainfo.name.clone()));
    line("Hash v1", metainfo.info_hash_v1.map(|hash| hash.to_string()));
    line("Hash v2", metainfo.info_hash_v2.map(|hash| hash.to_string()));
    line("Created by", metainfo.created_by.clone());
    line("Created on", metainfo.creation_date.map(date));
    line("Comment", metainfo.comment.clone());
    line("Source", metainfo.source());
    line("Piece Count", Some(metainfo.geometry().pieces().to_string()));
    line("Piece Size", Some(piece_size(metainfo.piece_length, looks)));
    line("Total Size", Some(size(total, looks) + &exact));
    let privacy = if metainfo.private { "Private torrent" } else { "Public torrent" };
    line("Privacy", Some(privacy.to_owned()));
    text
}

/// The trackers and web seeds, each part only if there are some.
fn addresses(metainfo: &Metainfo) -> Vec<String> {
    let lines = |list: &[String]| list.iter().map(|url| printable(url) + "\n").collect::<String>();
    let mut tiers: Vec<String> = (1..)
        .zip(&metainfo.trackers)
        .map(|(n, tier)| format!("Tier #{n}\n{}", lines(tier)))
        .collect();
    if !metainfo.native_trackers.is_empty() {
        tiers.push(format!("In the native dialect\n{}", lines(&metainfo.native_trackers)));
    }
    let trackers = (!tiers.is_empty()).then(|| titled("TRACKERS", &tiers.join("\n")));
    let seeds = lines(&metainfo.web_seeds);
    let seeds = (!seeds.is_empty()).then(|| titled("WEBSEEDS", &seeds));
    trackers.into_iter().chain(seeds).collect()
}

/// The files, each below its folder.
fn tree(metainfo: &Metainfo, looks: Looks) -> String {
    let mut files: Vec<&FileEntry> = metainfo.data_files().collect();
    if !looks.unsorted {
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
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
        let (indent, size) = (folder.len() * 2, size(file.length, looks));
        writeln!(text, "{:indent$}{}  {size}", "", printable(name)).expect("a String takes all");
    }
    text
}

fn size(bytes: u64, looks: Looks) -> String {
    if looks.bytes { bytes.to_string() } else { units::bytes(bytes) }
}

fn piece_size(bytes: u32, looks: Looks) -> String {
    if looks.bytes { bytes.to_string() } else { units::piece_length(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::bencode::Encoder;

    fn torrent(comment: &str) -> Metainfo {
        let mut out = Encoder::new();
        out.dict().text("announce").text("udp://t:1").text("comment").text(comment);
        out.text("creation date").int(1_700_000_000);
        out.text("info").dict().text("files").list();
        for path in ["b", "a"] {
            out.dict().text("length").int(8000).text("path");
            out.list().text("in").text(path).end().end();
        }
        out.end().text("name").text("n").text("piece length").int(16384);
        out.text("pieces").bytes(&[7; 20]).text("source").text("S").end();
        out.text("url-list").text("http://w/").end();
        Metainfo::parse(&out.finish()).expect("a good torrent")
    }

    #[test]
    fn the_json_has_every_key_in_its_order() {
        let json = as_json(&torrent("c"), false, false);
        let hash = torrent("c").info_hash_v1.unwrap();
        let expected = format!(
            "{{\"name\":\"n\",\"info_hash_v1\":\"{hash}\",\"info_hash_v2\":null,\
             \"piece_length\":16384,\"pieces\":1,\"total_size\":16000,\
             \"files\":[{{\"path\":\"n/in/b\",\"length\":8000}},\
             {{\"path\":\"n/in/a\",\"length\":8000}}],\"trackers\":[[\"udp://t:1\"]],\
             \"web_seeds\":[\"http://w/\"],\"private\":false,\"comment\":\"c\",\"created_by\":null,\
             \"creation_date\":1700000000,\"source\":\"S\",\"native_trackers\":[]}}\n"
        );
        assert_eq!(json, expected);
        let more: serde_json::Value =
            serde_json::from_str(&as_json(&torrent("c"), true, true)).unwrap();
        assert_eq!(more["files"][1]["pieces"], serde_json::json!([0, 0]));
        assert_eq!(more["magnet"], torrent("c").magnet().to_string());
    }

    #[test]
    fn people_see_the_parts_of_transmission_show_and_the_files_as_a_tree() {
        let hash = torrent("c").info_hash_v1.unwrap();
        let expected = format!(
            "Name: n\nFile: x.torrent\n\n\
             GENERAL\n\n  Name: n\n  Hash v1: {hash}\n  Created on: 2023-11-14 22:13:20 UTC\n  \
             Comment: c\n  Source: S\n  Piece Count: 1\n  Piece Size: 16 KiB\n  \
             Total Size: 16 kB (16000 bytes)\n  Privacy: Public torrent\n\n\
             TRACKERS\n\n  Tier #1\n  udp://t:1\n\n\
             WEBSEEDS\n\n  http://w/\n\n\
             FILES\n\n  n/\n    in/\n      a  8 kB\n      b  8 kB\n"
        );
        assert_eq!(as_text(&torrent("c"), Path::new("x.torrent"), Looks::default()), expected);
    }

    #[test]
    fn parts_order_and_units_can_be_chosen() {
        let none =
            Sections { header: false, info: false, trackers: false, files: false, pieces: false };
        let looks = |sections| Looks { sections, unsorted: true, bytes: true };
        let text = |sections| as_text(&torrent("c"), Path::new("x"), looks(sections));
        let files = "FILES\n\n  n/\n    in/\n      b  8000\n      a  8000\n";
        assert_eq!(text(Sections { files: true, ..none }), files);
        assert_eq!(text(Sections { header: true, ..none }), "Name: n\nFile: x\n");
        let info = text(Sections { info: true, ..none });
        assert!(info.contains("  Piece Size: 16384\n  Total Size: 16000\n"), "{info}");
        assert!(
            text(Sections { pieces: true, ..none }).starts_with("PIECES\n\n  1 piece of 16 KiB")
        );
    }

    #[test]
    fn a_comment_cannot_talk_to_the_terminal() {
        let text = as_text(&torrent("x\x1b[2J\u{202e}\ny"), Path::new("x"), Looks::default());
        assert!(text.contains("x\\u{1b}[2J\\u{202e}\\ny\n"), "{text}");
    }
}
