//! Heartbeats in the body of a KEEPALIVE: how each torrent of one peer is getting on.
//!
//! ```text
//! beat = hash:20 bytes  left:u64be  down:u32be  up:u32be  count:u8  count x piece:u32be
//! ```
//! The hash is the v2 info-hash cut to 20 bytes, as BitTorrent carries it, so that
//! [`MAX_BEATS`] torrents with a few new pieces each fit one datagram.

use super::Malformed;
use crate::ids::{InfoHashV1, PieceIndex};

/// How many beats one KEEPALIVE carries at most.
pub const MAX_BEATS: usize = 25;

/// How long a beat without new pieces is.
pub const BEAT_LENGTH: usize = 20 + 8 + 4 + 4 + 1;

const KIND: u8 = 0x12;

/// How one torrent of one peer is getting on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The v2 info-hash, cut to 20 bytes.
    pub info_hash: InfoHashV1,
    /// Bytes still lacking.
    pub left: u64,
    /// Bytes received a second.
    pub down: u32,
    /// Bytes sent a second.
    pub up: u32,
    /// Pieces had since the last beat; at most 255.
    pub news: Vec<PieceIndex>,
}

/// Appends one beat.
pub fn put_beat(out: &mut Vec<u8>, beat: &Beat) {
    out.extend(beat.info_hash.0);
    out.extend(beat.left.to_be_bytes());
    out.extend(beat.down.to_be_bytes());
    out.extend(beat.up.to_be_bytes());
    let count = u8::try_from(beat.news.len()).expect("a beat tells of at most 255 new pieces");
    out.push(count);
    for piece in &beat.news {
        out.extend(piece.0.to_be_bytes());
    }
}

/// Reads a whole body; more than [`MAX_BEATS`] beats are refused.
pub fn read_beats(body: &[u8]) -> Result<Vec<Beat>, Malformed> {
    let refused = Malformed::BodyLength { kind: KIND, length: body.len() as u64 };
    let mut beats = Vec::with_capacity(MAX_BEATS.min(body.len() / BEAT_LENGTH));
    let mut rest = body;
    while !rest.is_empty() {
        if beats.len() == MAX_BEATS {
            return Err(refused);
        }
        let Some((beat, after)) = read_one(rest) else { return Err(refused) };
        beats.push(beat);
        rest = after;
    }
    Ok(beats)
}

fn read_one(bytes: &[u8]) -> Option<(Beat, &[u8])> {
    let (hash, rest) = bytes.split_first_chunk::<20>()?;
    let (left, rest) = rest.split_first_chunk::<8>()?;
    let (down, rest) = rest.split_first_chunk::<4>()?;
    let (up, rest) = rest.split_first_chunk::<4>()?;
    let (&count, rest) = rest.split_first()?;
    let (news, rest) = rest.split_at_checked(usize::from(count) * 4)?;
    let (news, _) = news.as_chunks::<4>();
    let beat = Beat {
        info_hash: InfoHashV1(*hash),
        left: u64::from_be_bytes(*left),
        down: u32::from_be_bytes(*down),
        up: u32::from_be_bytes(*up),
        news: news.iter().map(|piece| PieceIndex(u32::from_be_bytes(*piece))).collect(),
    };
    Some((beat, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(n: u8, news: &[u32]) -> Beat {
        Beat {
            info_hash: InfoHashV1([n; 20]),
            left: 0x0102,
            down: 3,
            up: 4,
            news: news.iter().copied().map(PieceIndex).collect(),
        }
    }

    #[test]
    fn a_beat_is_hash_left_speeds_and_new_pieces() {
        let mut body = Vec::new();
        put_beat(&mut body, &beat(7, &[9]));
        let mut golden = vec![7; 20];
        golden.extend([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, 1, 0, 0, 0, 9]);
        assert_eq!(body, golden);
        assert_eq!(read_beats(&body), Ok(vec![beat(7, &[9])]));
        for cut in 1..body.len() {
            assert!(read_beats(&body[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn twenty_five_beats_fit_a_datagram_and_a_twenty_sixth_is_refused() {
        let mut body = Vec::new();
        for n in 0..25 {
            put_beat(&mut body, &beat(n, &[1, 2]));
        }
        assert!(body.len() <= 1200 - 60, "the header has room beside {} bytes", body.len());
        assert_eq!(read_beats(&body).unwrap().len(), MAX_BEATS);
        put_beat(&mut body, &beat(25, &[]));
        assert!(read_beats(&body).is_err());
    }
}
