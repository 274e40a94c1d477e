//! Catalogue entries in the body of a LISTING.
//!
//! ```text
//! entry = flags:u8  v2:32 bytes  [v1:20 bytes, if flags & 1]  size:u64be  pieces:u32be
//!         seeders:u32be  leechers:u32be  length:u16be  name: length bytes of UTF-8
//! flags = 1 has a v1 info-hash | 2 its .torrent can be fetched
//! ```

use super::{MAX_NAME, Malformed};
use crate::ids::{InfoHashV1, InfoHashV2};

/// How long an entry is at most.
pub const MAX_ENTRY: usize = 1 + 32 + 20 + 8 + 4 + 4 + 4 + 2 + MAX_NAME;

const KIND: u8 = 0x21;
const HAS_V1: u8 = 1;
const PUBLISHED: u8 = 2;

/// A content that bears a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The name.
    pub name: String,
    /// Its v2 info-hash.
    pub info_hash: InfoHashV2,
    /// Its v1 info-hash, where the tracker has seen its `info`.
    pub info_hash_v1: Option<InfoHashV1>,
    /// Bytes.
    pub size: u64,
    /// Pieces.
    pub pieces: u32,
    /// Peers that have everything.
    pub seeders: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// Whether the tracker has its .torrent; if not, name, size and pieces are a peer's word.
    pub published: bool,
}

/// Appends one entry; the name is at most [`MAX_NAME`] bytes.
pub fn put_candidate(out: &mut Vec<u8>, entry: &Candidate) {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.push(flag(entry.info_hash_v1.is_some(), HAS_V1) | flag(entry.published, PUBLISHED));
    out.extend(entry.info_hash.0);
    out.extend(entry.info_hash_v1.iter().flat_map(|hash| hash.0));
    out.extend(entry.size.to_be_bytes());
    out.extend(entry.pieces.to_be_bytes());
    out.extend(entry.seeders.to_be_bytes());
    out.extend(entry.leechers.to_be_bytes());
    let length = u16::try_from(entry.name.len()).expect("names are at most 255 bytes");
    out.extend(length.to_be_bytes());
    out.extend(entry.name.as_bytes());
}

/// Reads a whole body.
pub fn read_candidates(body: &[u8]) -> Result<Vec<Candidate>, Malformed> {
    let mut entries = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (entry, after) = read_one(rest)
            .ok_or(Malformed::BodyLength { kind: KIND, length: body.len() as u64 })?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

fn read_one(bytes: &[u8]) -> Option<(Candidate, &[u8])> {
    let (&flags, rest) = bytes.split_first()?;
    let (v2, mut rest) = rest.split_first_chunk::<32>()?;
    let mut info_hash_v1 = None;
    if flags & HAS_V1 != 0 {
        let (v1, after) = rest.split_first_chunk::<20>()?;
        info_hash_v1 = Some(InfoHashV1(*v1));
        rest = after;
    }
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (pieces, rest) = rest.split_first_chunk::<4>()?;
    let (seeders, rest) = rest.split_first_chunk::<4>()?;
    let (leechers, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let entry = Candidate {
        name: String::from_utf8(name.to_vec()).ok().filter(|name| name.len() <= MAX_NAME)?,
        info_hash: InfoHashV2(*v2),
        info_hash_v1,
        size: u64::from_be_bytes(*size),
        pieces: u32::from_be_bytes(*pieces),
        seeders: u32::from_be_bytes(*seeders),
        leechers: u32::from_be_bytes(*leechers),
        published: flags & PUBLISHED != 0,
    };
    Some((entry, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(v1: Option<InfoHashV1>) -> Candidate {
        Candidate {
            name: "é.zip".into(),
            info_hash: InfoHashV2([2; 32]),
            info_hash_v1: v1,
            size: 0x0304,
            pieces: 5,
            seeders: 6,
            leechers: 7,
            published: true,
        }
    }

    #[test]
    fn an_entry_is_flags_hashes_numbers_and_name() {
        let mut body = Vec::new();
        put_candidate(&mut body, &entry(Some(InfoHashV1([1; 20]))));
        let golden = [
            &[3][..],
            &[2; 32],
            &[1; 20],
            &[0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 6],
            "é.zip".as_bytes(),
        ]
        .concat();
        assert_eq!(body, golden);
        assert_eq!(read_candidates(&body), Ok(vec![entry(Some(InfoHashV1([1; 20])))]));
        for cut in 1..body.len() {
            assert!(read_candidates(&body[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_content_without_a_v1_hash_takes_twenty_bytes_less() {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        put_candidate(&mut with, &entry(Some(InfoHashV1([1; 20]))));
        put_candidate(&mut without, &entry(None));
        assert_eq!(with.len() - without.len(), 20);
        assert_eq!(read_candidates(&without), Ok(vec![entry(None)]));
        let last = without.len() - 1;
        without[last - 5] = 0xff;
        assert!(read_candidates(&without).is_err(), "a name that is not UTF-8");
    }
}
