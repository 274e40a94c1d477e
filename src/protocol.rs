//! What is said on the wire: bytes to messages and back, for both dialects.
//!
//! In the native dialect [`frame`] cuts a stream into frames, [`native`] gives the frames between
//! peers their meaning, [`tracker_native`] those between a peer and a tracker. In BitTorrent
//! [`handshake`] opens a stream and [`bittorrent`] reads and writes what follows; trackers are
//! spoken to in [`tracker_http`] and [`tracker_udp`]. "Need more bytes" is `Ok(None)`, never an
//! error; [`Malformed`] means that these bytes are no message and closes the connection. PROTOCOL.md
//! shows every message byte by byte. No sockets and no files here.

use crate::metainfo::bencode::BencodeError;

/// Where a MessagePack value ends.
pub mod msgpack;

/// Frames and datagrams.
pub mod frame;

/// A connection's receive buffer.
pub mod reader;

/// What peers say, whatever the dialect.
pub mod message;

/// Messages between peers in the native dialect.
pub mod native;

/// Messages between a peer and a tracker in the native dialect.
pub mod tracker_native;

/// What opens a BitTorrent connection.
pub mod handshake;

/// Messages between peers in BitTorrent.
pub mod bittorrent;

/// One connection's dialect at work.
pub mod speech;

/// URLs of trackers and web seeds.
pub mod url;

/// What a host's TXT records say of its trackers.
pub mod dns_txt;

/// What an announce says, over HTTP or UDP.
pub mod announce;

/// Datagrams between a peer and a BitTorrent tracker.
pub mod tracker_udp;

/// Queries and answers between a peer and a BitTorrent tracker over HTTP.
pub mod tracker_http;

/// Which program a peer id belongs to.
pub mod client_name;

/// Answers to openings in cipher.
pub mod mse;

/// The two languages of one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// Our own: [`native`].
    Native,
    /// BEP 3 and its companions: [`bittorrent`].
    BitTorrent,
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::BitTorrent => "BitTorrent",
        })
    }
}

/// Bytes that are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A frame or datagram of no bytes.
    #[error("an empty frame")]
    Empty,
    /// A length field or a body beyond its limit.
    #[error("{length} bytes announced where at most {limit} are allowed")]
    TooLong {
        /// What was announced.
        length: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The opening bytes are not those of the protocol.
    #[error("the stream does not open with the protocol's magic")]
    WrongMagic,
    /// The header is not a MessagePack map.
    #[error("the header is not a MessagePack map")]
    HeaderIsNoMap,
    /// The header is nested deeper than allowed.
    #[error("the header is nested deeper than {} levels", msgpack::MAX_DEPTH)]
    HeaderTooDeep,
    /// The header's map does not end inside its frame.
    #[error("the header does not end inside its frame")]
    HeaderUnfinished,
    /// A field is missing or has the wrong type.
    #[error("message {kind:#04x}: a header field is missing or of the wrong type")]
    HeaderFields {
        /// The message's type byte.
        kind: u8,
    },
    /// A type byte we do not know in a class we do not know.
    #[error("unknown message type {kind:#04x}")]
    UnknownType {
        /// The message's type byte.
        kind: u8,
    },
    /// The body's length does not fit the message.
    #[error("message {kind:#04x}: a body of {length} bytes does not fit it")]
    BodyLength {
        /// The message's type byte.
        kind: u8,
        /// The body's length in bytes.
        length: u64,
    },
    /// A BitTorrent message of a length that its kind cannot have.
    #[error("message '{message}': {got} bytes where {} expected", expected(*least, *most))]
    Length {
        /// The message's name in its BEP.
        message: &'static str,
        /// Bytes, the message's id included.
        got: usize,
        /// What it has at least.
        least: usize,
        /// What it has at most.
        most: usize,
    },
    /// Hashes (BEP 52) that are not 32 bytes each.
    #[error("message 'hashes': {got} bytes, so its last hash is cut")]
    CutHash {
        /// Bytes, the message's id included.
        got: usize,
    },
    /// A message of an extension that the two sides did not agree on.
    #[error("message {id} without {extension}")]
    NotAgreed {
        /// The message's id.
        id: u8,
        /// What it belongs to.
        extension: &'static str,
    },
    /// A message whose dictionary is no bencode.
    #[error("message '{message}' is no bencode: {error}")]
    Bencode {
        /// The message's name in its BEP.
        message: &'static str,
        /// What is wrong with it.
        error: BencodeError,
    },
    /// A message whose bencode is a number, a string or a list.
    #[error("message '{message}' is no dictionary")]
    NoDictionary {
        /// The message's name in its BEP.
        message: &'static str,
    },
    /// A message whose dictionary lacks what makes it one.
    #[error("message '{message}' without a valid '{field}'")]
    Field {
        /// The message's name in its BEP.
        message: &'static str,
        /// The key.
        field: &'static str,
    },
}

fn expected(least: usize, most: usize) -> String {
    if least == most { format!("{least} are") } else { format!("{least} to {most} are") }
}
