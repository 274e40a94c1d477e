//! Messages between a peer and a tracker in the native dialect.
//!
//! A [`Packet`] is a [`Message`] (the header, understood) and its body (raw bytes, whose layout
//! [`peer_list`], [`beats`] and [`listing`] describe). The same packets travel in datagrams and
//! in TCP frames; which travels where is said at each message. PROTOCOL.md shows
//! every message byte by byte, and a test executes its examples. No sockets here.
//!
//! ```text
//! HELLO ------------> COOKIE            proves the asker's address; no memory per client
//! REGISTER, KEEPALIVE, BECOME_SEEDER,
//! UNREGISTER -------> ACK | ERROR
//! REQUEST ----------> PEER_LIST | ERROR            PEERS by TCP, when the list says `more`
//! GET_COUNT --------> CHUNK_COUNT | ERROR
//! TCP: PUBLISH.. ---> ACK | ERROR       LOOKUP, LIST -> LISTING       FETCH -> TORRENT..
//!      HAVE --------> ACK | ERROR
//! between trackers too, and by TCP if it is truncated: QUERY ---------> ANSWER
//! between replicas:                                    SYNC ----------> nothing
//! to whom the ACK asks for it:                         LINKS ---------> nothing
//! ```

/// Peers in a body.
pub mod peer_list;

/// Heartbeats in a body.
pub mod beats;

/// Catalogue entries in a body.
pub mod listing;

/// Questions to a hierarchy of trackers.
pub mod hierarchy;

/// Whom a peer serves, in a body.
pub mod links;

/// Registrations in a body, between replicas.
pub mod sync;

/// Small header values with a fixed form.
pub mod values;

pub use beats::{Beat, MAX_BEATS, put_beat, read_beats};
pub use hierarchy::{Answer, NameServer, Op, Query, Rcode, Records};
pub use links::{LinkStanding, Links, MAX_LINKS, PeerLink, put_link, read_links};
pub use listing::{Candidate, put_candidate, read_candidates};
pub use peer_list::{PeerEntry, put_peer, read_peers};
pub use sync::{Sync, SyncSwarm, put_swarm, read_swarms};
pub use values::{Endpoint, ErrorCode, Ip, millis};

use super::Malformed;
use super::frame::{self, Bin, Frame, MAX_BODY};
use serde::{Deserialize, Serialize};

/// The dialect's version, in HELLO.
pub const VERSION: u8 = 1;

/// The longest have-bitmap that a REGISTER carries; a larger one goes by TCP in a HAVE.
pub const MAX_DATAGRAM_BITMAP: usize = 1000;

/// The longest name, in bytes: what file systems allow for one component.
pub const MAX_NAME: usize = 255;

/// The largest .torrent that is published or fetched.
pub const MAX_TORRENT: usize = 4 * 1024 * 1024;

/// How much of a .torrent one PUBLISH or TORRENT frame carries; only the last carries less.
pub const TORRENT_CHUNK: usize = MAX_BODY;

/// How long a HELLO is at least, so that the COOKIE is never the longer one.
pub const HELLO_LENGTH: usize = 64;

/// Asks for a cookie (UDP). The body is padding up to [`HELLO_LENGTH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The asker's transaction number, repeated in the answer.
    pub seq: u32,
    /// [`VERSION`].
    pub version: u8,
}

/// Answers HELLO: every other datagram repeats this cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie {
    /// The HELLO's number.
    pub seq: u32,
    /// Valid from this address and port for at least 128 s.
    pub cookie: Bin<8>,
}

/// Started, or "here I am again" (UDP). The body is the have-bitmap, or empty: a body is not
/// needed when nothing is left, and larger bitmaps follow in a HAVE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// The asker's transaction number.
    pub seq: u32,
    /// From COOKIE.
    pub cookie: Bin<8>,
    /// The content.
    pub info_hash: Bin<32>,
    /// The peer's id; UNREGISTER must repeat it.
    pub peer_id: Bin<20>,
    /// Where the peer listens; with the datagram's source address it names the peer.
    pub port: u16,
    /// The content's name, at most [`MAX_NAME`] bytes.
    pub name: String,
    /// The content's size in bytes.
    pub size: u64,
    /// How many pieces the content has.
    pub pieces: u32,
    /// Bytes that the peer still lacks; 0 is a seeder.
    pub left: u64,
    /// Payload bytes sent since the start.
    pub uploaded: u64,
    /// Payload bytes received since the start.
    pub downloaded: u64,
    /// Whether the peer answers BitTorrent on the same port.
    #[serde(default)]
    pub bittorrent: bool,
}

/// Heartbeat of up to [`MAX_BEATS`] torrents (UDP). The body is [`beats`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keepalive {
    /// The asker's transaction number.
    pub seq: u32,
    /// From COOKIE.
    pub cookie: Bin<8>,
    /// Where the peer listens.
    pub port: u16,
}

/// Asks for peers (UDP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The asker's transaction number.
    pub seq: u32,
    /// From COOKIE.
    pub cookie: Bin<8>,
    /// The content.
    pub info_hash: Bin<32>,
    /// Where the asker listens: it is never given itself.
    pub port: u16,
    /// How many peers are wanted at most.
    pub wanted: u16,
    /// The tracker's address as the asker dialled it: what a peer on the tracker's own machine
    /// is called in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Ip>,
}

/// Completed (UDP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BecomeSeeder {
    /// The asker's transaction number.
    pub seq: u32,
    /// From COOKIE.
    pub cookie: Bin<8>,
    /// The content.
    pub info_hash: Bin<32>,
    /// Where the peer listens.
    pub port: u16,
}

/// Stopped: gone from the list at once (UDP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unregister {
    /// The asker's transaction number.
    pub seq: u32,
    /// From COOKIE.
    pub cookie: Bin<8>,
    /// The content.
    pub info_hash: Bin<32>,
    /// The id that registered; another one unregisters nothing.
    pub peer_id: Bin<20>,
    /// Where the peer listens.
    pub port: u16,
}

/// Asks how many chunks (pieces) a content has (UDP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetCount {
    /// The asker's transaction number.
    pub seq: u32,
    /// From COOKIE.
    pub cookie: Bin<8>,
    /// The content.
    pub info_hash: Bin<32>,
}

/// One [`TORRENT_CHUNK`] of a .torrent for the catalogue (TCP); the ACK follows the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// What the .torrent's `info` hashes to; the tracker checks it.
    pub info_hash: Bin<32>,
    /// The name to be found under, besides the .torrent's own.
    pub name: String,
    /// Where the body belongs; chunks come in order.
    pub offset: u32,
    /// The .torrent's whole length, at most [`MAX_TORRENT`].
    pub total: u32,
}

/// Asks who bears a name, or `name@hashprefix` (TCP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// The name.
    pub name: String,
}

/// Asks for a published .torrent (TCP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// The content.
    pub info_hash: Bin<32>,
}

/// Asks for the catalogue, page by page (TCP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The last info-hash of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Bin<32>>,
}

/// Asks for peers by TCP, when a datagram does not hold them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// The content.
    pub info_hash: Bin<32>,
    /// Where the asker listens; 0 if it does not.
    pub port: u16,
    /// How many peers are wanted at most.
    pub wanted: u16,
}

/// A have-bitmap too large for a datagram (TCP). The body is the bitmap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// The content.
    pub info_hash: Bin<32>,
    /// The id that registered.
    pub peer_id: Bin<20>,
    /// Where the peer listens.
    pub port: u16,
    /// How many pieces the bitmap speaks of.
    pub pieces: u32,
}

/// Peers, in the body as [`peer_list`] says (UDP and TCP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerList {
    /// The REQUEST's number; 0 by TCP.
    pub seq: u32,
    /// The content.
    pub info_hash: Bin<32>,
    /// Peers that have everything.
    pub seeders: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// Whether more were wanted and known than fit: ask by TCP.
    pub more: bool,
}

/// Catalogue entries, in the body as [`listing`] says (TCP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Whether there is another page after the last entry of this one.
    pub more: bool,
}

/// One [`TORRENT_CHUNK`] of a .torrent (TCP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torrent {
    /// The content.
    pub info_hash: Bin<32>,
    /// Where the body belongs.
    pub offset: u32,
    /// The .torrent's whole length.
    pub total: u32,
}

/// How many chunks (pieces) a content has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkCount {
    /// The GET_COUNT's number.
    pub seq: u32,
    /// The content.
    pub info_hash: Bin<32>,
    /// Its pieces.
    pub count: u32,
}

/// Done, and what to keep to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The command's number; 0 by TCP.
    pub seq: u32,
    /// Say KEEPALIVE this often, in milliseconds.
    pub keepalive_ms: u32,
    /// Who is silent this long is dropped, in milliseconds.
    pub expire_ms: u32,
    /// Ask for peers this often, in milliseconds.
    pub interval_ms: u32,
    /// Positions of the KEEPALIVE's torrents that the peer is not registered for.
    #[serde(default, with = "values::positions", skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<u8>,
    /// Positions of the torrents whose .torrent the tracker lacks: publish it. A REGISTER's
    /// only torrent is position 0.
    #[serde(default, with = "values::positions", skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<u8>,
    /// Say LINKS this often, in milliseconds; absent if the tracker does not want them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links_ms: Option<u32>,
}

/// Refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// The command's number; 0 by TCP.
    pub seq: u32,
    /// Which rule.
    pub code: ErrorCode,
    /// The same in words.
    pub message: String,
    /// When it may be worth asking again, in milliseconds; 0 is never.
    pub retry_after_ms: u32,
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident = $kind:literal, $word:literal, $body:expr;)*) => {
        /// A header, understood.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Message {
            $($(#[$doc])* $name($name),)*
        }

        impl Message {
            /// The type byte.
            pub fn kind(&self) -> u8 {
                match self { $(Self::$name(_) => $kind,)* }
            }

            /// The name on paper: `PEER_LIST`.
            pub fn word(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)* }
            }

            fn decode(frame: &Frame<'_>) -> Result<Self, Malformed> {
                let (message, body_limit) = match frame.kind {
                    $($kind => (Self::$name(frame.decode()?), $body),)*
                    kind => return Err(Malformed::UnknownType { kind }),
                };
                if frame.body.len() > body_limit {
                    let length = frame.body.len() as u64;
                    return Err(Malformed::BodyLength { kind: frame.kind, length });
                }
                Ok(message)
            }
        }

        impl Packet<'_> {
            /// Appends the packet as a datagram; the caller keeps it within its limit.
            pub fn put_datagram(&self, out: &mut Vec<u8>) {
                match &self.message {
                    $(Message::$name(header) => frame::put_datagram(out, $kind, header, self.body),)*
                }
            }

            /// Appends the packet as a frame of a TCP stream.
            pub fn put_frame(&self, out: &mut Vec<u8>) {
                match &self.message {
                    $(Message::$name(header) => frame::put_frame(out, $kind, header, self.body),)*
                }
            }
        }

        $(impl From<$name> for Message {
            fn from(header: $name) -> Self {
                Self::$name(header)
            }
        })*
    };
}

// The type byte's high half is the class: 1 COMMAND, 2 DATA, 3 CONTROL. The last column is the
// longest body that the message may have.
messages! {
    /// 0x10, COMMAND.
    Hello = 0x10, "HELLO", frame::MAX_DATAGRAM;
    /// 0x11, COMMAND.
    Register = 0x11, "REGISTER", MAX_DATAGRAM_BITMAP;
    /// 0x12, COMMAND.
    Keepalive = 0x12, "KEEPALIVE", frame::MAX_DATAGRAM;
    /// 0x13, COMMAND.
    Request = 0x13, "REQUEST", 0;
    /// 0x14, COMMAND.
    BecomeSeeder = 0x14, "BECOME_SEEDER", 0;
    /// 0x15, COMMAND.
    Unregister = 0x15, "UNREGISTER", 0;
    /// 0x16, COMMAND.
    GetCount = 0x16, "GET_COUNT", 0;
    /// 0x17, COMMAND.
    Publish = 0x17, "PUBLISH", TORRENT_CHUNK;
    /// 0x18, COMMAND.
    Lookup = 0x18, "LOOKUP", 0;
    /// 0x19, COMMAND.
    Fetch = 0x19, "FETCH", 0;
    /// 0x1a, COMMAND.
    List = 0x1a, "LIST", 0;
    /// 0x1b, COMMAND.
    Peers = 0x1b, "PEERS", 0;
    /// 0x1c, COMMAND.
    Have = 0x1c, "HAVE", MAX_BODY;
    /// 0x1d, COMMAND.
    Query = 0x1d, "QUERY", frame::MAX_DATAGRAM;
    /// 0x1e, COMMAND.
    Sync = 0x1e, "SYNC", frame::MAX_DATAGRAM;
    /// 0x1f, COMMAND.
    Links = 0x1f, "LINKS", MAX_LINKS * links::MAX_LINK;
    /// 0x20, DATA.
    PeerList = 0x20, "PEER_LIST", MAX_BODY;
    /// 0x21, DATA.
    Listing = 0x21, "LISTING", MAX_BODY;
    /// 0x22, DATA.
    Torrent = 0x22, "TORRENT", TORRENT_CHUNK;
    /// 0x23, DATA.
    Answer = 0x23, "ANSWER", MAX_BODY;
    /// 0x30, CONTROL.
    Cookie = 0x30, "COOKIE", 0;
    /// 0x31, CONTROL.
    ChunkCount = 0x31, "CHUNK_COUNT", 0;
    /// 0x32, CONTROL.
    Ack = 0x32, "ACK", 0;
    /// 0x33, CONTROL.
    Error = 0x33, "ERROR", 0;
}

/// A message and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The header.
    pub message: Message,
    /// What follows it.
    pub body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// A message with a body.
    pub fn new(message: impl Into<Message>, body: &'a [u8]) -> Self {
        Self { message: message.into(), body }
    }

    /// A message without a body.
    pub fn bare(message: impl Into<Message>) -> Self {
        Self::new(message, &[])
    }

    /// Understands a frame.
    pub fn from_frame(frame: &Frame<'a>) -> Result<Self, Malformed> {
        Ok(Self { message: Message::decode(frame)?, body: frame.body })
    }

    /// Understands a datagram.
    pub fn from_datagram(datagram: &'a [u8]) -> Result<Self, Malformed> {
        Self::from_frame(&Frame::from_datagram(datagram)?)
    }

    /// The first packet in a stream's bytes and how many it takes; `Ok(None)`: more are needed.
    pub fn first_in(buffer: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        match Frame::first_in(buffer)? {
            None => Ok(None),
            Some((frame, used)) => Ok(Some((Self::from_frame(&frame)?, used))),
        }
    }

    /// The packet as a datagram.
    pub fn datagram(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.put_datagram(&mut out);
        out
    }
}

/// A HELLO datagram, padded.
pub fn hello(seq: u32) -> Vec<u8> {
    let mut out = Packet::bare(Hello { seq, version: VERSION }).datagram();
    out.resize(out.len().max(HELLO_LENGTH), 0);
    out
}

#[cfg(test)]
mod tests;
