//! Reads `info`: the part of a torrent that its hash covers.
//!
//! [`read`] checks every number and makes every path safe; what comes out needs no further
//! checks. v1-only, hybrid and v2-only are taken; the two halves of a hybrid must agree.
//! Piece layers stand outside `info` and are added by `layers`. Nothing here does I/O.

use super::bencode::{self, Value};
use super::entries::{self, Entry, Listing};
use super::error::MetainfoError;
use super::path::{self, Namer};
use super::{FileEntry, FileKind, Metainfo};
use crate::geometry::{BLOCK_LEN, Geometry, MAX_PIECE_LEN, MAX_PIECES};
use crate::ids::{InfoHashV1, InfoHashV2, Sha1Hash};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The longest piece of a torrent, in bytes: the most that libtorrent takes.
const MAX_LENGTH: u32 = MAX_PIECE_LEN - BLOCK_LEN;

/// Reads the bytes of an `info` dictionary, all of them.
pub fn parse(info: &[u8]) -> Result<Metainfo, MetainfoError> {
    read(&bencode::parse(info, bencode::TORRENT)?.root())
}

/// Reads the bytes of a hybrid's `info` dictionary as if it had v1 pieces only.
pub fn parse_v1(info: &[u8]) -> Result<Metainfo, MetainfoError> {
    let document = bencode::parse(info, bencode::TORRENT)?;
    read_versions(&document.root(), &Versions { v1: true, v2: false })
}

/// Which of the two descriptions are there.
struct Versions {
    v1: bool,
    v2: bool,
}

/// Reads an `info` dictionary.
pub fn read(info: &Value<'_>) -> Result<Metainfo, MetainfoError> {
    if !info.is_dict() {
        return Err(MetainfoError::wrong("info", "a dictionary"));
    }
    read_versions(info, &versions(info)?)
}

fn read_versions(info: &Value<'_>, versions: &Versions) -> Result<Metainfo, MetainfoError> {
    let raw_name = raw_name(info)?;
    let name = path::component(raw_name).ok_or(MetainfoError::Nameless)?;
    let piece_length = piece_length(info, versions.v2)?;
    let listing = listing(info, versions, raw_name, piece_length)?;
    let v1_pieces = if versions.v1 { v1_pieces(info, &listing, piece_length)? } else { Vec::new() };
    check_sizes(&listing, versions, piece_length)?;
    let files = named(listing, &name)?;
    Ok(Metainfo {
        info_hash_v1: versions.v1.then(|| InfoHashV1(Sha1::digest(info.raw()).into())),
        info_hash_v2: versions.v2.then(|| InfoHashV2(Sha256::digest(info.raw()).into())),
        starts: starts(&files, versions.v2, piece_length),
        name,
        info: info.raw().to_vec(),
        piece_length,
        files,
        v1_pieces,
        private: info.get(b"private").and_then(|v| v.as_int()).is_some_and(|flag| flag != 0),
        trackers: Vec::new(),
        native_trackers: Vec::new(),
        web_seeds: Vec::new(),
        comment: None,
        created_by: None,
        creation_date: None,
    })
}

/// `meta version` decides; a torrent of version 2 that also has `pieces` is a hybrid (BEP 52).
fn versions(info: &Value<'_>) -> Result<Versions, MetainfoError> {
    match info.get(b"meta version").and_then(|version| version.as_int()) {
        None | Some(1) if info.get(b"file tree").is_some() => {
            Err(MetainfoError::TreeWithoutVersion)
        }
        None | Some(1) => Ok(Versions { v1: true, v2: false }),
        Some(2) if !info.is_sorted() => Err(MetainfoError::UnsortedKeys),
        Some(2) => Ok(Versions { v1: info.get(b"pieces").is_some(), v2: true }),
        Some(other) => Err(MetainfoError::UnknownVersion(other)),
    }
}

fn raw_name<'a>(info: &Value<'a>) -> Result<&'a [u8], MetainfoError> {
    let utf8 = info.get(b"name.utf-8").and_then(|name| name.as_bytes());
    if let Some(name) = utf8.filter(|name| !name.is_empty()) {
        return Ok(name);
    }
    let name = info.get(b"name").ok_or(MetainfoError::Missing("name"))?;
    name.as_bytes().ok_or(MetainfoError::wrong("name", "a string"))
}

fn piece_length(info: &Value<'_>, is_v2: bool) -> Result<u32, MetainfoError> {
    let length = info.get(b"piece length").ok_or(MetainfoError::Missing("piece length"))?;
    let value = length.as_int().ok_or(MetainfoError::wrong("piece length", "a number"))?;
    let length = u32::try_from(value).ok().filter(|&n| (1..=MAX_LENGTH).contains(&n));
    let length = length.ok_or(MetainfoError::OutOfRange { key: "piece length", value })?;
    if is_v2 && !(length.is_power_of_two() && length >= BLOCK_LEN) {
        return Err(MetainfoError::PieceLengthOfV2(length));
    }
    Ok(length)
}

/// The files, with roots where there are v2 hashes and with pads where there are v1 pieces.
fn listing<'a>(
    info: &Value<'a>,
    versions: &Versions,
    name: &[u8],
    piece_length: u32,
) -> Result<Listing<'a>, MetainfoError> {
    if !versions.v2 {
        return entries::v1(info);
    }
    let v2 = entries::v2(info, name)?;
    if !versions.v1 && !entries::has_v1(info) {
        return Ok(v2);
    }
    let mut v1 = entries::v1(info)?;
    entries::agree(&v1, &v2, piece_length, name)?;
    if !versions.v1 {
        return Ok(v2);
    }
    let files = v1.entries.iter_mut().filter(|entry| entry.kind != FileKind::Pad);
    for (entry, v2) in files.zip(v2.entries) {
        entry.root = v2.root;
    }
    Ok(v1)
}

fn v1_pieces(
    info: &Value<'_>,
    listing: &Listing<'_>,
    piece_length: u32,
) -> Result<Vec<Sha1Hash>, MetainfoError> {
    let pieces = info.get(b"pieces").ok_or(MetainfoError::Missing("pieces"))?;
    let pieces = pieces.as_bytes().ok_or(MetainfoError::wrong("pieces", "a string"))?;
    let total = total(listing.entries.iter())?;
    let count = Geometry::v1(piece_length, total)?.pieces();
    let (hashes, rest) = pieces.as_chunks::<20>();
    if !rest.is_empty() || hashes.len() != count as usize {
        let (got, wanted) = (pieces.len() as u64, u64::from(count) * 20);
        return Err(MetainfoError::PieceCount { got, wanted });
    }
    Ok(hashes.to_vec())
}

/// The sum of all lengths, so that nobody after this overflows.
fn total<'a>(entries: impl Iterator<Item = &'a Entry<'a>>) -> Result<u64, MetainfoError> {
    let mut lengths = entries.map(|entry| entry.length);
    lengths.try_fold(0_u64, u64::checked_add).ok_or(MetainfoError::TooLarge)
}

/// Not too many pieces, and in version 1 at least one byte.
fn check_sizes(
    listing: &Listing<'_>,
    versions: &Versions,
    piece_length: u32,
) -> Result<(), MetainfoError> {
    let data = || listing.entries.iter().filter(|entry| entry.kind == FileKind::Data);
    let total = total(data())?;
    if total == 0 && !versions.v2 {
        return Err(MetainfoError::NoContent);
    }
    if versions.v2 {
        // Counted before the geometry notes each file's short end.
        let most = u64::from(MAX_PIECES) * u64::from(piece_length);
        if total > most {
            return Err(crate::geometry::GeometryError::TooManyPieces.into());
        }
        Geometry::v2(piece_length, data().map(|entry| entry.length))?;
    }
    Ok(())
}

/// Gives every entry its safe path. Data comes before links, so that no link takes its name;
/// pads are never written and may share one. A stranger's path is let go of once it has become one.
fn named(listing: Listing<'_>, name: &str) -> Result<Vec<FileEntry>, MetainfoError> {
    let mut files: Vec<FileEntry> = Vec::with_capacity(listing.entries.len());
    for entry in listing.entries {
        let path = safe_path(&entry, listing.is_single, name);
        let Entry { length, kind, root, .. } = entry;
        files.push(FileEntry { path, length, kind, root, layer: Vec::new() });
    }
    for (i, path) in renamed(&files)? {
        files[i].path = path;
    }
    Ok(files)
}

/// The entries whose path another one has, with the path to use instead.
fn renamed(files: &[FileEntry]) -> Result<Vec<(usize, Vec<String>)>, MetainfoError> {
    let mut namer = Namer::default();
    let mut renamed = Vec::new();
    for kind in [FileKind::Data, FileKind::Link] {
        for (i, file) in files.iter().enumerate().filter(|(_, file)| file.kind == kind) {
            renamed.extend(namer.claim(&file.path)?.map(|path| (i, path)));
        }
    }
    Ok(renamed)
}

fn safe_path(entry: &Entry<'_>, is_single: bool, name: &str) -> Vec<String> {
    let mut path = Vec::with_capacity(1 + entry.path.len());
    path.push(name.to_owned());
    path.extend(entry.path.iter().map(|part| path::component_or_substitute(part)));
    if path.len() == 1 && !is_single {
        path.extend([".pad".to_owned(), entry.length.to_string()]);
    }
    path
}

/// See [`Metainfo::starts`].
fn starts(files: &[FileEntry], is_v2: bool, piece_length: u32) -> Vec<u64> {
    let size = |file: &FileEntry| match (is_v2, file.kind) {
        (true, FileKind::Data) => file.length.div_ceil(u64::from(piece_length)),
        (true, _) => 0,
        (false, _) => file.length,
    };
    let behind = |next: &mut u64, file: &FileEntry| {
        let start = *next;
        *next += size(file);
        Some(start)
    };
    files.iter().scan(0, behind).collect()
}
