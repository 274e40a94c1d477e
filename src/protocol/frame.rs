//! Frames and datagrams: where one message ends and the next begins.
//!
//! ```text
//! frame    = total:u32be  type:u8  header:MessagePack map  body      total counts what follows it
//! datagram = "SWT1"       type:u8  header:MessagePack map  body      at most 1200 bytes
//! ```
//! The length comes first and is checked at the fifth byte, before anything else is looked at.
//! The header ends where its map ends ([`super::msgpack`]); the rest is the body, which is never
//! inside MessagePack. Nothing here does I/O.

use super::{Malformed, msgpack};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest body of a frame, in bytes: eight blocks.
pub const MAX_BODY: usize = 128 * 1024;

/// The longest frame, counted as its length field counts it: a body and room for the header.
pub const MAX_FRAME: usize = MAX_BODY + 4 * 1024;

/// The longest header: a frame's room beside its body.
pub const MAX_HEADER: usize = 4 * 1024 - 1;

/// The longest datagram, magic included: it fits every path without fragments.
pub const MAX_DATAGRAM: usize = 1200;

/// Opens a TCP stream to a peer.
pub const PEER_MAGIC: [u8; 4] = *b"SWP1";

/// Opens a TCP stream to a tracker, and every datagram to and from one.
pub const TRACKER_MAGIC: [u8; 4] = *b"SWT1";

/// One message, not yet understood: its type, its header's bytes and its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type byte; its high half names the class (COMMAND, DATA, CONTROL).
    pub kind: u8,
    /// Exactly the bytes of the MessagePack map.
    pub header: &'a [u8],
    /// What follows the map.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads type, header and body from exactly these bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (&kind, rest) = bytes.split_first().ok_or(Malformed::Empty)?;
        let head = &rest[..rest.len().min(MAX_HEADER)];
        let end = msgpack::end_of_map(head)?.ok_or(Malformed::HeaderUnfinished)?;
        let (header, body) = rest.split_at(end);
        if body.len() > MAX_BODY {
            return Err(Malformed::TooLong { length: body.len() as u64, limit: MAX_BODY as u64 });
        }
        Ok(Self { kind, header, body })
    }

    /// The first frame in `buffer` and how many bytes it takes there, its length field included.
    /// `Ok(None)` says that more bytes are needed.
    pub fn first_in(buffer: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        // BEGIN SOLUTION C3
        let Some(length) = announced_length(buffer)? else { return Ok(None) };
        match buffer.get(4..4 + length) {
            None => Ok(None),
            Some(bytes) => Ok(Some((Self::parse(bytes)?, 4 + length))),
        }
        // END SOLUTION
    }

    /// Reads a datagram: the tracker magic, then type, header and body.
    pub fn from_datagram(datagram: &'a [u8]) -> Result<Self, Malformed> {
        // BEGIN SOLUTION C2
        if datagram.len() > MAX_DATAGRAM {
            let limit = MAX_DATAGRAM as u64;
            return Err(Malformed::TooLong { length: datagram.len() as u64, limit });
        }
        let bytes = datagram.strip_prefix(&TRACKER_MAGIC).ok_or(Malformed::WrongMagic)?;
        Self::parse(bytes)
        // END SOLUTION
    }

    /// The header as a struct; unknown keys are ignored, missing ones are an error.
    pub fn decode<H: DeserializeOwned>(&self) -> Result<H, Malformed> {
        rmp_serde::from_slice(self.header).map_err(|_| Malformed::HeaderFields { kind: self.kind })
    }
}

/// What the length field says a frame has behind it, once its four bytes are there.
pub fn announced_length(buffer: &[u8]) -> Result<Option<usize>, Malformed> {
    // BEGIN SOLUTION C3
    let Some(field) = buffer.first_chunk::<4>() else { return Ok(None) };
    match u32::from_be_bytes(*field) as usize {
        0 => Err(Malformed::Empty),
        length if length > MAX_FRAME => {
            Err(Malformed::TooLong { length: length as u64, limit: MAX_FRAME as u64 })
        }
        length => Ok(Some(length)),
    }
    // END SOLUTION
}

/// Appends a frame without its body to `out`; the length field counts `body_length` bytes that
/// the caller sends right behind.
pub fn put_head<H: Serialize>(out: &mut Vec<u8>, kind: u8, header: &H, body_length: usize) {
    let start = out.len();
    out.extend([0; 4]);
    out.push(kind);
    put_header(out, header);
    let total = out.len() - start - 4 + body_length;
    debug_assert!(total <= MAX_FRAME, "our own frames keep the limit");
    out[start..start + 4].copy_from_slice(&(total as u32).to_be_bytes());
}

/// Appends a whole frame to `out`.
pub fn put_frame<H: Serialize>(out: &mut Vec<u8>, kind: u8, header: &H, body: &[u8]) {
    put_head(out, kind, header, body.len());
    out.extend_from_slice(body);
}

/// Appends a whole datagram to `out`; the caller keeps it within [`MAX_DATAGRAM`].
pub fn put_datagram<H: Serialize>(out: &mut Vec<u8>, kind: u8, header: &H, body: &[u8]) {
    out.extend(TRACKER_MAGIC);
    out.push(kind);
    put_header(out, header);
    out.extend_from_slice(body);
}

fn put_header<H: Serialize>(out: &mut Vec<u8>, header: &H) {
    let mut serializer = rmp_serde::Serializer::new(out).with_struct_map();
    header.serialize(&mut serializer).expect("headers are plain maps and a Vec takes all");
}

/// A byte string that serde writes as MessagePack `bin`, of at most 255 bytes: hashes and ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin<const N: usize>(pub [u8; N]);

impl<const N: usize> Serialize for Bin<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> serde::Deserialize<'de> for Bin<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Exactly<const N: usize>;
        impl<const N: usize> serde::de::Visitor<'_> for Exactly<N> {
            type Value = Bin<N>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{N} bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bin<N>, E> {
                bytes.try_into().map(Bin).map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }
        deserializer.deserialize_bytes(Exactly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Header {
        n: u32,
        id: Bin<2>,
    }

    // total = 1 type + 9 header + 2 body; {"n": 7, "id": bin 01 02}
    const GOLDEN: [u8; 17] =
        [0, 0, 0, 13, 0x21, 0x82, 0xa1, b'n', 7, 0xa2, b'i', b'd', 0xc4, 2, 1, 2, 0xee];

    #[test]
    fn a_frame_is_length_type_map_body() {
        let mut out = Vec::new();
        put_frame(&mut out, 0x21, &Header { n: 7, id: Bin([1, 2]) }, &[0xee]);
        assert_eq!(out, GOLDEN);
        let (frame, used) = Frame::first_in(&GOLDEN).unwrap().unwrap();
        assert_eq!((frame.kind, frame.body, used), (0x21, &[0xee][..], 17));
        assert_eq!(frame.decode(), Ok(Header { n: 7, id: Bin([1, 2]) }));
    }

    #[test]
    fn a_stream_cut_anywhere_asks_for_more() {
        for cut in 0..GOLDEN.len() {
            assert_eq!(Frame::first_in(&GOLDEN[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_at_its_fourth_byte() {
        let long = (MAX_FRAME as u32 + 1).to_be_bytes();
        assert!(matches!(Frame::first_in(&long), Err(Malformed::TooLong { .. })));
        assert_eq!(Frame::first_in(&[0; 4]), Err(Malformed::Empty));
    }

    #[test]
    fn a_header_that_runs_into_the_end_of_its_frame_is_refused() {
        assert_eq!(Frame::first_in(&[0, 0, 0, 2, 0x21, 0x81]), Err(Malformed::HeaderUnfinished));
    }

    #[test]
    fn unknown_keys_are_ignored_and_missing_ones_are_named_by_type() {
        let parse = |bytes: &'static [u8]| Frame::parse(bytes).unwrap().decode::<Header>();
        let more = b"\x21\x83\xa1n\x07\xa2id\xc4\x02\x01\x02\xa1z\x90";
        assert_eq!(parse(more), Ok(Header { n: 7, id: Bin([1, 2]) }));
        assert_eq!(parse(b"\x21\x81\xa1n\x07"), Err(Malformed::HeaderFields { kind: 0x21 }));
    }
}
