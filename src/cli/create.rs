//! `peer create PATH`: hashes a file or folder and writes its .torrent.
//!
//! The hashing itself is handed in, so that this file only decides what is written where.

use super::show::{binary_size, decimal_size, printable};
use crate::metainfo::build::{BuildOptions, announce_tier, build};
use crate::metainfo::draft::{Draft, Version};
use crate::metainfo::{Metainfo, MetainfoError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What `created by` says.
pub(super) const CREATED_BY: &str = concat!("peer/", env!("CARGO_PKG_VERSION"));

/// Where the torrent goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Output {
    /// NAME.torrent in the current folder.
    #[default]
    Beside,
    /// Standard output (`-o -`).
    Stdout,
    /// A file; one that exists is replaced.
    File(PathBuf),
}

impl Output {
    /// Reads the word behind `-o`.
    pub fn from_word(word: &str) -> Self {
        if word == "-" { Self::Stdout } else { Self::File(word.into()) }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateRequest {
    /// The file or folder.
    pub path: PathBuf,
    /// Where the torrent goes.
    pub output: Output,
    /// URLs, or `host:port` of trackers that speak the native dialect; each is a tier of its own.
    pub trackers: Vec<String>,
    /// A power of two, at least 16 KiB; chosen by size when absent.
    pub piece_length: Option<u32>,
    /// Which hashes.
    pub version: Version,
    /// Free text.
    pub comment: Option<String>,
    /// No peers but the tracker's (BEP 27).
    pub private: bool,
    /// Web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// Where it belongs, for private trackers.
    pub source: Option<String>,
    /// In seconds of the Unix epoch; absent, the torrent does not say.
    pub creation_date: Option<i64>,
}

/// Why no torrent was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The content could not be read.
    #[error("cannot hash {}: {reason}", path.display())]
    Unreadable {
        /// What was hashed.
        path: PathBuf,
        /// What went wrong, with the file's name when it is another.
        reason: String,
    },
    /// The content cannot be a torrent as asked.
    #[error("no torrent can be made of {}: {source}", path.display())]
    Impossible {
        /// What was hashed.
        path: PathBuf,
        /// The rule.
        source: MetainfoError,
    },
    /// The torrent could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The torrent's file, `-` for standard output.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Makes a torrent; `hash` reads the content. One line on `err` says what was made.
pub fn create(
    request: &CreateRequest,
    hash: impl FnOnce(&CreateRequest) -> Result<Draft, String>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CreateError> {
    let path = || request.path.clone();
    let draft = hash(request).map_err(|reason| CreateError::Unreadable { path: path(), reason })?;
    let metainfo = build(&draft, &options(request))
        .map_err(|source| CreateError::Impossible { path: path(), source })?;
    let target = match &request.output {
        Output::Beside => PathBuf::from(format!("{}.torrent", metainfo.name)),
        Output::Stdout => PathBuf::from("-"),
        Output::File(file) => file.clone(),
    };
    write(&request.output, &target, &metainfo.to_torrent(), out)
        .map_err(|source| CreateError::Unwritable { path: target.clone(), source })?;
    // The torrent is written: a closed stderr does not undo it.
    let _ = writeln!(err, "{}", summary(&metainfo, &target));
    Ok(())
}

fn write(output: &Output, file: &Path, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    if *output == Output::Stdout {
        out.write_all(bytes)?;
        return out.flush();
    }
    std::fs::write(file, bytes)
}

fn options(request: &CreateRequest) -> BuildOptions {
    let is_url = |word: &String| word.contains("://");
    let tiers = request
        .trackers
        .iter()
        .map(|word| if is_url(word) { vec![word.clone()] } else { announce_tier(word) });
    BuildOptions {
        trackers: tiers.collect(),
        native_trackers: request.trackers.iter().filter(|word| !is_url(word)).cloned().collect(),
        comment: request.comment.clone(),
        created_by: Some(CREATED_BY.to_owned()),
        creation_date: request.creation_date,
        private: request.private,
        web_seeds: request.web_seeds.clone(),
        source: request.source.clone(),
    }
}

fn summary(metainfo: &Metainfo, target: &Path) -> String {
    let files = match metainfo.data_files().count() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let (size, pieces) = (decimal_size(metainfo.total_size()), metainfo.geometry().pieces());
    let each = binary_size(metainfo.piece_length);
    let target = printable(&target.display().to_string());
    format!("{target}: {files}, {size}, {pieces} pieces of {each}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::draft::DraftFile;

    fn draft(length: u64) -> Draft {
        let file = DraftFile { path: vec!["x".into()], length, root: None, layer: Vec::new() };
        let v1_pieces = vec![[7; 20]; length.div_ceil(16384) as usize];
        Draft {
            name: "x".into(),
            version: Version::V1,
            piece_length: 16384,
            single_file: true,
            files: vec![file],
            v1_pieces,
        }
    }

    fn request() -> CreateRequest {
        CreateRequest {
            path: "x".into(),
            output: Output::from_word("-"),
            trackers: vec!["udp://a:1".into(), "10.0.0.1:6969".into(), "http://b/".into()],
            version: Version::V1,
            ..CreateRequest::default()
        }
    }

    #[test]
    fn a_torrent_on_stdout_is_nothing_but_the_torrent() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        create(&request(), |_| Ok(draft(20000)), &mut out, &mut err).unwrap();
        let metainfo = Metainfo::parse(&out).unwrap();
        let both = ["http://10.0.0.1:6969/announce", "udp://10.0.0.1:6969/announce"];
        assert_eq!(metainfo.trackers, [&["udp://a:1"][..], &both, &["http://b/"]]);
        assert_eq!(metainfo.native_trackers, ["10.0.0.1:6969"]);
        assert_eq!(metainfo.created_by.as_deref(), Some(CREATED_BY));
        let said = String::from_utf8(err).unwrap();
        assert_eq!(said, "-: 1 file, 20.0 kB, 2 pieces of 16 KiB\n");
    }

    #[test]
    fn what_went_wrong_is_named_and_nothing_is_written() {
        let mut out = Vec::new();
        let unreadable = create(&request(), |_| Err("gone".into()), &mut out, &mut Vec::new());
        assert_eq!(unreadable.unwrap_err().to_string(), "cannot hash x: gone");
        let empty = create(&request(), |_| Ok(draft(0)), &mut out, &mut Vec::new());
        let said = empty.unwrap_err().to_string();
        assert_eq!(said, "no torrent can be made of x: no bytes of content");
        let file = Output::File("/no/such/folder/x.torrent".into());
        let request = CreateRequest { output: file, ..request() };
        let unwritable = create(&request, |_| Ok(draft(1)), &mut out, &mut Vec::new());
        assert!(matches!(unwritable, Err(CreateError::Unwritable { .. })));
        assert!(out.is_empty());
    }
}
