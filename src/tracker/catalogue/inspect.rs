//! What a .torrent says about itself: its info-hashes, name, size and number of pieces.

use crate::ids::{InfoHashV1, InfoHashV2};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What the catalogue keeps of a .torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The content's name.
    pub name: String,
    /// SHA-1 of `info`, if it describes v1 pieces.
    pub v1: Option<InfoHashV1>,
    /// SHA-256 of `info`, if it describes v2 trees.
    pub v2: Option<InfoHashV2>,
    /// Bytes.
    pub size: u64,
    /// Pieces.
    pub pieces: u32,
}

/// Reads a .torrent; the error says what is wrong with it.
pub fn inspect(torrent: &[u8]) -> Result<Published, String> {
    let mut scan = Scan { bytes: torrent, at: 0, found: Found::default() };
    scan.walk().ok_or("it is no bencoded dictionary")?;
    let found = scan.found;
    let info = found.info.and_then(|(from, to)| torrent.get(from..to)).ok_or("it has no info")?;
    let length = found.piece_length.filter(|&n| n > 0).ok_or("it has no piece length")?;
    let name = found.name.ok_or("it has no name")?;
    let name = String::from_utf8(name).map_err(|_| "its name is not UTF-8")?;
    let by_files: u64 = found.v2_files.iter().map(|file| file.div_ceil(length)).sum();
    let pieces = match found.v1_pieces {
        Some(bytes) => bytes as u64 / 20,
        None => by_files,
    };
    let size = if found.v2_files.is_empty() {
        found.v1_size
    } else {
        found.v2_files.iter().try_fold(0_u64, |sum, &file| sum.checked_add(file))
    };
    Ok(Published {
        name,
        v1: found.v1_pieces.map(|_| InfoHashV1(Sha1::digest(info).into())),
        v2: found.is_v2.then(|| InfoHashV2(Sha256::digest(info).into())),
        size: size.ok_or("its files are too large")?,
        pieces: u32::try_from(pieces).map_err(|_| "it has too many pieces")?,
    })
}

#[derive(Default)]
struct Found {
    info: Option<(usize, usize)>,
    name: Option<Vec<u8>>,
    piece_length: Option<u64>,
    v1_pieces: Option<usize>,
    v1_size: Option<u64>,
    v2_files: Vec<u64>,
    is_v2: bool,
}

/// One open list or dictionary.
struct Level<'a> {
    dictionary: bool,
    key: Option<&'a [u8]>,
    from: usize,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    found: Found,
}

/// Deeper than any file tree needs.
const MAX_DEPTH: usize = 256;

impl<'a> Scan<'a> {
    /// One pass over the whole value; `None` where it is no bencoding.
    fn walk(&mut self) -> Option<()> {
        let mut open: Vec<Level<'a>> = Vec::new();
        loop {
            let from = self.at;
            match *self.bytes.get(self.at)? {
                c @ (b'd' | b'l') => {
                    if open.len() == MAX_DEPTH || open.last().is_some_and(Level::wants_key) {
                        return None;
                    }
                    self.at += 1;
                    open.push(Level { dictionary: c == b'd', key: None, from });
                    continue;
                }
                b'e' => {
                    let level = open.pop()?;
                    if level.key.is_some() {
                        return None;
                    }
                    self.at += 1;
                    self.on_closed(&open, level.from);
                }
                b'i' => {
                    let number = self.number()?;
                    self.on_number(&open, number);
                }
                _ => {
                    let text = self.text()?;
                    if let Some(level) = open.last_mut().filter(|level| level.wants_key()) {
                        level.key = Some(text);
                        continue;
                    }
                    self.on_text(&open, text);
                }
            }
            match open.last_mut() {
                None => {
                    return (self.at == self.bytes.len() && from_dictionary(self.bytes))
                        .then_some(());
                }
                Some(level) if level.wants_key() => return None,
                Some(level) => level.key = None,
            }
        }
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let colon = rest.iter().take(12).position(|&c| c == b':')?;
        let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let text = rest.get(colon + 1..)?.get(..length)?;
        self.at += colon + 1 + length;
        Some(text)
    }

    fn number(&mut self) -> Option<i64> {
        let rest = &self.bytes[self.at + 1..];
        let end = rest.iter().take(24).position(|&c| c == b'e')?;
        self.at += end + 2;
        std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
    }

    fn on_closed(&mut self, open: &[Level<'a>], from: usize) {
        if path(open).eq([&b"info"[..]]) {
            self.found.info = Some((from, self.at));
        }
    }

    fn on_number(&mut self, open: &[Level<'a>], number: i64) {
        let Ok(number) = u64::try_from(number) else { return };
        let path: Vec<&[u8]> = path(open).collect();
        match path[..] {
            [b"info", b"piece length"] => self.found.piece_length = Some(number),
            [b"info", b"meta version"] => self.found.is_v2 = number == 2,
            [b"info", b"length"] | [b"info", b"files", b"length"] => {
                self.found.v1_size = self.found.v1_size.unwrap_or(0).checked_add(number);
            }
            [b"info", b"file tree", .., b"", b"length"] => self.found.v2_files.push(number),
            _ => {}
        }
    }

    fn on_text(&mut self, open: &[Level<'a>], text: &'a [u8]) {
        let path: Vec<&[u8]> = path(open).collect();
        match path[..] {
            [b"info", b"name"] => self.found.name = Some(text.to_vec()),
            [b"info", b"pieces"] => self.found.v1_pieces = Some(text.len()),
            _ => {}
        }
    }
}

impl Level<'_> {
    fn wants_key(&self) -> bool {
        self.dictionary && self.key.is_none()
    }
}

/// The keys that lead to the present value; lists add none.
fn path<'a>(open: &[Level<'a>]) -> impl Iterator<Item = &'a [u8]> {
    open.iter().filter_map(|level| level.key)
}

fn from_dictionary(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'd')
}
