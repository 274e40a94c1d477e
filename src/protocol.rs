//! What is said on the wire: bytes to messages and back, for both dialects.
//!
//! [`frame`] cuts a stream into frames, [`native`] gives the frames between peers their meaning,
//! [`tracker_native`] those between a peer and a tracker. "Need more bytes" is `Ok(None)`, never
//! an error; [`Malformed`] means that these bytes are no message and closes the connection.
//! [`tracker_udp`] and [`tracker_http`] are what BitTorrent says to trackers; both carry one
//! [`announce`]. PROTOCOL.md shows every message byte by byte. No sockets and no files here.

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

/// URLs of trackers and web seeds.
pub mod url;

/// What an announce says, over HTTP or UDP.
pub mod announce;

/// Datagrams between a peer and a BitTorrent tracker.
pub mod tracker_udp;

/// Queries and answers between a peer and a BitTorrent tracker over HTTP.
pub mod tracker_http;

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
}
