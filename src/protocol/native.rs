//! Messages between peers in the native dialect: [`Message`] to frame and back.
//!
//! The type's high half names the class: `0x1_` COMMAND, `0x2_` DATA, `0x3_` CONTROL. Headers are
//! MessagePack maps of named fields; what is bulk (a chunk, a bitfield, hashes, peers) is the
//! frame's body and is borrowed, never copied here. PROTOCOL.md has an example of each message.

use super::Malformed;
use super::frame::{Bin, Frame, put_frame, put_head};
use super::message::{Availability, HashRange, Hello, MAX_CHUNK, MAX_PEERS, Message, State};
use crate::geometry::BLOCK_LEN;
use crate::ids::{InfoHashV2, PeerId, PieceIndex, Span};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Whether a type has a meaning here.
fn is_known(kind: u8) -> bool {
    let commands = kind::HELLO..=kind::PING;
    let data = kind::CHUNK_DATA..=kind::HASHES;
    let control = kind::STATE..=kind::PONG;
    commands.contains(&kind) || data.contains(&kind) || control.contains(&kind) || kind == kind::BYE
}

mod kind {
    /// COMMAND, DATA and CONTROL.
    pub const CLASSES: std::ops::RangeInclusive<u8> = 0x10..=0x3f;
    pub const HELLO: u8 = 0x10;
    pub const GET_COUNT: u8 = 0x11;
    pub const GET_METAINFO: u8 = 0x12;
    pub const GET_HASHES: u8 = 0x13;
    pub const INTERESTED: u8 = 0x14;
    pub const NOT_INTERESTED: u8 = 0x15;
    pub const GET: u8 = 0x16;
    pub const CANCEL: u8 = 0x17;
    pub const PEERS: u8 = 0x18;
    pub const PING: u8 = 0x19;
    pub const BYE: u8 = 0x1f;
    pub const CHUNK_DATA: u8 = 0x20;
    pub const METAINFO: u8 = 0x21;
    pub const HASHES: u8 = 0x22;
    pub const STATE: u8 = 0x30;
    pub const CHUNK_COUNT: u8 = 0x31;
    pub const BITFIELD: u8 = 0x32;
    pub const HAVE: u8 = 0x33;
    pub const HAVE_ALL: u8 = 0x34;
    pub const HAVE_NONE: u8 = 0x35;
    pub const CHOKE: u8 = 0x36;
    pub const UNCHOKE: u8 = 0x37;
    pub const REJECT: u8 = 0x38;
    pub const ACK: u8 = 0x39;
    pub const ERROR: u8 = 0x3a;
    pub const PEER_LIST: u8 = 0x3b;
    pub const PONG: u8 = 0x3c;
}

#[derive(Serialize, Deserialize)]
struct Nothing {}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands out references
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
struct HelloHeader {
    version: u32,
    info_hash: Bin<32>,
    peer_id: Bin<20>,
    port: u16,
    features: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StateHeader {
    state: Availability,
    peer_id: Bin<20>,
}

#[derive(Serialize, Deserialize)]
struct CountHeader {
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct RangeHeader {
    offset: u32,
    length: u32,
}

#[derive(Serialize, Deserialize)]
struct MetainfoHeader {
    offset: u32,
    total: u32,
    info: u32,
}

#[derive(Serialize, Deserialize)]
struct HashesHeader {
    root: Bin<32>,
    base: u32,
    index: u32,
    count: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    proof: u32,
}

#[derive(Serialize, Deserialize)]
struct BitfieldHeader {
    first: u32,
}

#[derive(Serialize, Deserialize)]
struct HaveHeader {
    piece: u32,
}

#[derive(Serialize, Deserialize)]
struct SpanHeader {
    piece: u32,
    offset: u32,
    length: u32,
}

#[derive(Serialize, Deserialize)]
struct PingHeader {
    number: u64,
}

impl From<Span> for SpanHeader {
    fn from(span: Span) -> Self {
        Self { piece: span.piece.0, offset: span.offset, length: span.length }
    }
}

impl From<SpanHeader> for Span {
    fn from(header: SpanHeader) -> Self {
        Self { piece: PieceIndex(header.piece), offset: header.offset, length: header.length }
    }
}

impl From<HashRange> for HashesHeader {
    fn from(range: HashRange) -> Self {
        let HashRange { root, base, index, count, proof } = range;
        Self { root: Bin(root), base, index, count, proof }
    }
}

impl From<HashesHeader> for HashRange {
    fn from(header: HashesHeader) -> Self {
        let HashesHeader { root, base, index, count, proof } = header;
        Self { root: root.0, base, index, count, proof }
    }
}

impl<'a> Message<'a> {
    /// Appends the message to `out` as one frame; nothing if it is one of BitTorrent's.
    pub fn put(&self, out: &mut Vec<u8>) {
        let none: &[u8] = &[];
        match self {
            Self::Hello(hello) => put_hello(out, hello),
            Self::State(State { state, peer_id }) => {
                let header = StateHeader { state: *state, peer_id: Bin(peer_id.0) };
                put_frame(out, kind::STATE, &header, none);
            }
            Self::GetCount => put_bare(out, kind::GET_COUNT),
            &Self::ChunkCount(count) => {
                put_frame(out, kind::CHUNK_COUNT, &CountHeader { count }, none);
            }
            &Self::GetMetainfo { offset, length } => {
                put_frame(out, kind::GET_METAINFO, &RangeHeader { offset, length }, none);
            }
            &Self::Metainfo { offset, total, info, data } => {
                put_frame(out, kind::METAINFO, &MetainfoHeader { offset, total, info }, data);
            }
            &Self::GetHashes(range) => {
                put_frame(out, kind::GET_HASHES, &HashesHeader::from(range), none);
            }
            &Self::Hashes(range, hashes) => {
                put_frame(out, kind::HASHES, &HashesHeader::from(range), hashes);
            }
            &Self::Bitfield { first, bits } => {
                put_frame(out, kind::BITFIELD, &BitfieldHeader { first }, bits);
            }
            Self::Have(piece) => put_frame(out, kind::HAVE, &HaveHeader { piece: piece.0 }, none),
            Self::HaveAll => put_bare(out, kind::HAVE_ALL),
            Self::HaveNone => put_bare(out, kind::HAVE_NONE),
            Self::Interested => put_bare(out, kind::INTERESTED),
            Self::NotInterested => put_bare(out, kind::NOT_INTERESTED),
            Self::Choke => put_bare(out, kind::CHOKE),
            Self::Unchoke => put_bare(out, kind::UNCHOKE),
            &Self::Get(span) => put_frame(out, kind::GET, &SpanHeader::from(span), none),
            &Self::Chunk { piece, offset, data } => {
                put_chunk_head(out, Span { piece, offset, length: data.len() as u32 });
                out.extend_from_slice(data);
            }
            &Self::Cancel(span) => put_frame(out, kind::CANCEL, &SpanHeader::from(span), none),
            &Self::Reject(span) => put_frame(out, kind::REJECT, &SpanHeader::from(span), none),
            Self::Ack => put_bare(out, kind::ACK),
            Self::Error(error) => put_frame(out, kind::ERROR, error, none),
            Self::Peers => put_bare(out, kind::PEERS),
            Self::PeerList(peers) => {
                let body: Vec<u8> = peers.iter().take(MAX_PEERS).flat_map(address_bytes).collect();
                put_frame(out, kind::PEER_LIST, &Nothing {}, &body);
            }
            &Self::Ping(number) => put_frame(out, kind::PING, &PingHeader { number }, none),
            &Self::Pong(number) => put_frame(out, kind::PONG, &PingHeader { number }, none),
            Self::Bye => put_bare(out, kind::BYE),
            Self::HashReject(_)
            | Self::Suggest(_)
            | Self::AllowedFast(_)
            | Self::DontHave(_)
            | Self::UploadOnly(_)
            | Self::Extensions(_)
            | Self::GetInfo(_)
            | Self::Info { .. }
            | Self::InfoReject(_)
            | Self::PeersChanged(_) => {} // BitTorrent's words
        }
    }

    /// The message as a frame of its own.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// What a frame says. `Ok(None)` is a type we do not know in a class we know: to be ignored,
    /// so that the protocol can grow.
    pub fn read(frame: &Frame<'a>) -> Result<Option<Self>, Malformed> {
        let length = frame.body.len() as u64;
        let wrong_body = Malformed::BodyLength { kind: frame.kind, length };
        let has_body = matches!(
            frame.kind,
            kind::CHUNK_DATA | kind::METAINFO | kind::HASHES | kind::BITFIELD | kind::PEER_LIST
        );
        if !has_body && length > 0 && is_known(frame.kind) {
            return Err(wrong_body);
        }
        Ok(Some(match frame.kind {
            kind::HELLO => Self::Hello(read_hello(frame)?),
            kind::STATE => {
                let StateHeader { state, peer_id } = frame.decode()?;
                Self::State(State { state, peer_id: PeerId(peer_id.0) })
            }
            kind::GET_COUNT => Self::GetCount,
            kind::CHUNK_COUNT => Self::ChunkCount(frame.decode::<CountHeader>()?.count),
            kind::GET_METAINFO => {
                let RangeHeader { offset, length } = frame.decode()?;
                Self::GetMetainfo { offset, length }
            }
            kind::METAINFO => {
                let MetainfoHeader { offset, total, info } = frame.decode()?;
                Self::Metainfo { offset, total, info, data: frame.body }
            }
            kind::GET_HASHES => Self::GetHashes(frame.decode::<HashesHeader>()?.into()),
            kind::HASHES => {
                let range = HashRange::from(frame.decode::<HashesHeader>()?);
                // Uncles follow where a proof was asked for.
                let base = u64::from(range.count) * 32;
                let uncles = length.checked_sub(base).ok_or(wrong_body.clone())?;
                if !uncles.is_multiple_of(32) || (range.proof == 0 && uncles > 0) {
                    return Err(wrong_body);
                }
                Self::Hashes(range, frame.body)
            }
            kind::BITFIELD => {
                let BitfieldHeader { first } = frame.decode()?;
                Self::Bitfield { first, bits: frame.body }
            }
            kind::HAVE => Self::Have(PieceIndex(frame.decode::<HaveHeader>()?.piece)),
            kind::HAVE_ALL => Self::HaveAll,
            kind::HAVE_NONE => Self::HaveNone,
            kind::INTERESTED => Self::Interested,
            kind::NOT_INTERESTED => Self::NotInterested,
            kind::CHOKE => Self::Choke,
            kind::UNCHOKE => Self::Unchoke,
            kind::GET => Self::Get(frame.decode::<SpanHeader>()?.into()),
            kind::CHUNK_DATA => {
                let Span { piece, offset, length: announced } =
                    frame.decode::<SpanHeader>()?.into();
                if u64::from(announced) != length || announced == 0 {
                    return Err(wrong_body);
                }
                Self::Chunk { piece, offset, data: frame.body }
            }
            kind::CANCEL => Self::Cancel(frame.decode::<SpanHeader>()?.into()),
            kind::REJECT => Self::Reject(frame.decode::<SpanHeader>()?.into()),
            kind::ACK => Self::Ack,
            kind::ERROR => Self::Error(frame.decode()?),
            kind::PEERS => Self::Peers,
            kind::PEER_LIST => Self::PeerList(read_addresses(frame.body).ok_or(wrong_body)?),
            kind::PING => Self::Ping(frame.decode::<PingHeader>()?.number),
            kind::PONG => Self::Pong(frame.decode::<PingHeader>()?.number),
            kind::BYE => Self::Bye,
            kind if kind::CLASSES.contains(&kind) => return Ok(None),
            kind => return Err(Malformed::UnknownType { kind }),
        }))
    }
}

/// Appends a CHUNK_DATA frame up to its body; `span.length` bytes of the piece follow it.
pub fn put_chunk_head(out: &mut Vec<u8>, span: Span) {
    debug_assert!(span.length <= MAX_CHUNK && span.offset.is_multiple_of(BLOCK_LEN));
    put_head(out, kind::CHUNK_DATA, &SpanHeader::from(span), span.length as usize);
}

fn put_bare(out: &mut Vec<u8>, kind: u8) {
    put_frame(out, kind, &Nothing {}, &[]);
}

fn put_hello(out: &mut Vec<u8>, hello: &Hello) {
    let header = HelloHeader {
        version: hello.version,
        info_hash: Bin(hello.info_hash.0),
        peer_id: Bin(hello.peer_id.0),
        port: hello.port,
        features: hello.features.clone(),
    };
    put_frame(out, kind::HELLO, &header, &[]);
}

fn read_hello(frame: &Frame) -> Result<Hello, Malformed> {
    let header: HelloHeader = frame.decode()?;
    Ok(Hello {
        version: header.version,
        info_hash: InfoHashV2(header.info_hash.0),
        peer_id: PeerId(header.peer_id.0),
        port: header.port,
        features: header.features,
    })
}

/// An address in a PEER_LIST: a byte 4 or 6, the IP, the port (big-endian).
fn address_bytes(address: &SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(19);
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.push(4);
            bytes.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes.push(6);
            bytes.extend(ip.octets());
        }
    }
    bytes.extend(address.port().to_be_bytes());
    bytes
}

fn read_addresses(mut bytes: &[u8]) -> Option<Vec<SocketAddr>> {
    let mut peers = Vec::new();
    while let Some((&family, rest)) = bytes.split_first() {
        let (ip, rest) = match family {
            4 => rest.split_first_chunk::<4>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
            6 => rest.split_first_chunk::<16>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
            _ => return None,
        };
        let (port, rest) = rest.split_first_chunk::<2>()?;
        peers.push(SocketAddr::new(ip, u16::from_be_bytes(*port)));
        bytes = rest;
    }
    (peers.len() <= MAX_PEERS).then_some(peers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::ErrorMessage;
    use proptest::prelude::*;

    fn span() -> Span {
        Span { piece: PieceIndex(3), offset: 16384, length: 32768 }
    }

    fn read(bytes: &[u8]) -> Message<'_> {
        let (frame, used) = Frame::first_in(bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        Message::read(&frame).unwrap().unwrap()
    }

    #[test]
    fn a_get_is_written_field_by_field_as_specified() {
        let mut golden = vec![0, 0, 0, 0, 0x16, 0x83];
        golden.extend(b"\xa5piece\x03");
        golden.extend(b"\xa6offset\xcd\x40\x00");
        golden.extend(b"\xa6length\xcd\x80\x00");
        golden[3] = golden.len() as u8 - 4;
        assert_eq!(Message::Get(span()).to_bytes(), golden);
        assert_eq!(read(&golden), Message::Get(span()));
    }

    #[test]
    fn a_chunk_is_a_header_and_its_raw_bytes() {
        let data = [7; 5];
        let mut golden = vec![0, 0, 0, 0, 0x20, 0x83];
        golden.extend(b"\xa5piece\x09\xa6offset\x00\xa6length\x05\x07\x07\x07\x07\x07");
        golden[3] = golden.len() as u8 - 4;
        let chunk = Message::Chunk { piece: PieceIndex(9), offset: 0, data: &data };
        assert_eq!(chunk.to_bytes(), golden);
        assert_eq!(read(&golden), chunk);
    }

    #[test]
    fn bare_messages_have_an_empty_map() {
        assert_eq!(Message::Unchoke.to_bytes(), [0, 0, 0, 2, 0x37, 0x80]);
        assert_eq!(read(&[0, 0, 0, 2, 0x1f, 0x80]), Message::Bye);
    }

    #[test]
    fn every_message_is_read_back() {
        let hashes = [1; 64];
        let range = HashRange { root: [5; 32], base: 0, index: 64, count: 2, proof: 0 };
        let all = [
            Message::Hello(Hello {
                version: 1,
                info_hash: InfoHashV2([1; 32]),
                peer_id: PeerId([2; 20]),
                port: 6881,
                features: vec!["x".into()],
            }),
            Message::State(State { state: Availability::Connected, peer_id: PeerId([3; 20]) }),
            Message::GetCount,
            Message::ChunkCount(70000),
            Message::GetMetainfo { offset: 9, length: 8 },
            Message::Metainfo { offset: 9, total: 100, info: 50, data: &[1, 2, 3] },
            Message::GetHashes(range),
            Message::Hashes(range, &hashes),
            Message::Hashes(HashRange { count: 1, proof: 2, ..range }, &hashes),
            Message::Bitfield { first: 8, bits: &[0xf0] },
            Message::Have(PieceIndex(2)),
            Message::HaveAll,
            Message::HaveNone,
            Message::Interested,
            Message::NotInterested,
            Message::Choke,
            Message::Unchoke,
            Message::Get(span()),
            Message::Chunk { piece: PieceIndex(0), offset: 0, data: &[1] },
            Message::Cancel(span()),
            Message::Reject(span()),
            Message::Ack,
            Message::Error(ErrorMessage { code: 404, message: "no such content".into() }),
            Message::Peers,
            Message::PeerList(vec!["1.2.3.4:5".parse().unwrap(), "[::1]:6881".parse().unwrap()]),
            Message::Ping(77),
            Message::Pong(77),
            Message::Bye,
        ];
        for message in all {
            assert_eq!(read(&message.to_bytes()), message);
        }
    }

    #[test]
    fn bodies_that_do_not_fit_their_message_are_refused() {
        let refused = |kind: u8, rest: &[u8]| {
            let bytes = [&[kind], rest].concat();
            Message::read(&Frame::parse(&bytes).unwrap()).unwrap_err()
        };
        let length = |kind, length| Malformed::BodyLength { kind, length };
        assert_eq!(refused(0x37, b"\x80x"), length(0x37, 1));
        assert_eq!(
            refused(0x20, b"\x83\xa5piece\x00\xa6offset\x00\xa6length\x02x"),
            length(0x20, 1)
        );
        assert_eq!(refused(0x3b, b"\x80\x04\x7f\x00"), length(0x3b, 3));
        assert_eq!(refused(0x40, b"\x80"), Malformed::UnknownType { kind: 0x40 });
    }

    #[test]
    fn a_new_type_in_a_known_class_is_ignored() {
        for new in [&[0x3e, 0x80][..], &[0x2e, 0x80, 1, 2, 3]] {
            assert_eq!(Message::read(&Frame::parse(new).unwrap()), Ok(None));
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(frame) = Frame::parse(&bytes) {
                let _ = Message::read(&frame);
            }
        }
    }
}
