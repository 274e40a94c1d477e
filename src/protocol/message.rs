//! What peers say to each other, whatever the dialect: [`Message`].
//!
//! [`super::native`] and [`super::bittorrent`] turn it into bytes and back. What is bulk (a chunk, a
//! bitfield, hashes) is borrowed from the receive buffer, never copied here.

use crate::ids::{InfoHashV2, PeerId, PieceIndex, Sha256Hash, Span};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The version in HELLO; a peer of another major version is told so and let go.
pub const VERSION: u32 = 1;

/// The longest CHUNK_DATA body, in bytes.
pub const MAX_CHUNK: u32 = super::frame::MAX_BODY as u32;

/// The bytes of a BITFIELD message that is not the last: many pieces take several.
pub const BITFIELD_PART: usize = 64 * 1024;

/// The most hashes one HASHES message carries.
pub const MAX_HASHES: u32 = MAX_CHUNK / 32;

/// The most addresses one PEER_LIST carries.
pub const MAX_PEERS: usize = 200;

/// How busy the peer that was called is (STATE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// Connected, and an upload slot is free.
    Available,
    /// Connected; all upload slots are taken, so expect to wait for UNCHOKE.
    Connected,
    /// No connection slot is free: go on to the next peer.
    Unavailable,
}

/// Which Merkle hashes of a file are asked for or given (BEP 52 `hash request`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRange {
    /// The file's Merkle root.
    pub root: Sha256Hash,
    /// The layer, counted from the leaves (0).
    pub base: u32,
    /// The first hash of that layer.
    pub index: u32,
    /// How many.
    pub count: u32,
    /// How many layers above `base` are proved by uncle hashes; 0 in the native dialect, where a
    /// piece's own root is the proof.
    pub proof: u32,
}

/// The handshake of the extension protocol: what a peer can do, and by which numbers it wants to be
/// told so (BEP 10). Zero is "not at all".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Which number means which extension, when the peer is spoken to.
    pub numbers: ExtensionNumbers,
    /// The program's name and version (`v`).
    pub client: Option<String>,
    /// Where the peer listens (`p`).
    pub port: Option<u16>,
    /// How many requests it lets wait (`reqq`).
    pub most_requests: Option<u32>,
    /// Bytes of the `info` dictionary, once the peer has it (`metadata_size`).
    pub info_length: Option<u32>,
    /// How the sender sees the other's address (`yourip`).
    pub your_ip: Option<IpAddr>,
    /// It wants nothing (`upload_only`, BEP 21).
    pub upload_only: bool,
}

/// The numbers by which a peer wants its extension messages (BEP 10, `m`); 0 is "never".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtensionNumbers {
    /// `ut_metadata` (BEP 9).
    pub metadata: u8,
    /// `ut_pex` (BEP 11).
    pub peers: u8,
    /// `lt_donthave` (BEP 54).
    pub dont_have: u8,
    /// `upload_only` (BEP 21).
    pub upload_only: u8,
}

/// What PEX says: addresses that came and went (BEP 11).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeersChanged {
    /// Connected since the last message, with flags: 0x02 is a seed, 0x10 is dialled by us.
    pub added: Vec<(SocketAddr, u8)>,
    /// Gone since.
    pub dropped: Vec<SocketAddr>,
}

/// All that peers say to each other, in either dialect.
///
/// Each dialect says what it has words for and is silent about the rest: BitTorrent has no
/// GET_COUNT, the native dialect no PEX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Who calls, and for which content.
    Hello(Hello),
    /// The answer to HELLO.
    State(State),
    /// How many chunks has the content?
    GetCount,
    /// So many.
    ChunkCount(u32),
    /// Asks for bytes of the metainfo: raw `info`, then the piece layers.
    GetMetainfo {
        /// Bytes from the start.
        offset: u32,
        /// Bytes, at most [`MAX_CHUNK`].
        length: u32,
    },
    /// Bytes of the metainfo.
    Metainfo {
        /// Bytes from the start.
        offset: u32,
        /// How many bytes there are in all.
        total: u32,
        /// How many of them are `info`.
        info: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// Asks for leaf hashes.
    GetHashes(HashRange),
    /// The hashes, 32 bytes each: `count` of the base layer, then the uncles of the proof.
    Hashes(HashRange, &'a [u8]),
    /// The hashes will not come (BEP 52).
    HashReject(HashRange),
    /// Which pieces the sender has, from piece `first` (a multiple of 8) on.
    Bitfield {
        /// The first piece that the bits speak of.
        first: u32,
        /// The bits.
        bits: &'a [u8],
    },
    /// The sender has one more piece.
    Have(PieceIndex),
    /// The sender has every piece.
    HaveAll,
    /// The sender has no piece.
    HaveNone,
    /// You have something I want.
    Interested,
    /// You have nothing I want.
    NotInterested,
    /// I do not serve you; what you asked for and did not get is void.
    Choke,
    /// I serve you: ask.
    Unchoke,
    /// Asks for bytes of a piece, up to a whole one.
    Get(Span),
    /// Bytes of a piece.
    Chunk {
        /// The piece.
        piece: PieceIndex,
        /// Bytes from its start.
        offset: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// What was asked is no longer wanted.
    Cancel(Span),
    /// What was asked will not come.
    Reject(Span),
    /// Noted.
    Ack,
    /// Something is wrong; the sender closes the connection after it.
    Error(ErrorMessage),
    /// Asks for other peers of this content.
    Peers,
    /// Other peers.
    PeerList(Vec<SocketAddr>),
    /// Are you there?
    Ping(u64),
    /// I am; the number is the PING's.
    Pong(u64),
    /// An orderly end.
    Bye,
    /// The sender would gladly be asked for this piece (BEP 6).
    Suggest(PieceIndex),
    /// This piece may be asked for while choked (BEP 6).
    AllowedFast(PieceIndex),
    /// The sender lost a piece (BEP 54).
    DontHave(PieceIndex),
    /// The sender wants nothing, though it may not have everything (BEP 21).
    UploadOnly(bool),
    /// What the sender can do beyond BEP 3 (BEP 10).
    Extensions(Box<Extensions>),
    /// Asks for 16 KiB of the `info` dictionary (BEP 9).
    GetInfo(u32),
    /// 16 KiB of the `info` dictionary, or its shorter end (BEP 9).
    Info {
        /// Which 16 KiB, from 0.
        index: u32,
        /// Bytes of the whole dictionary.
        total: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// That part of `info` will not come (BEP 9).
    InfoReject(u32),
    /// Who came and who went since the last time (BEP 11).
    PeersChanged(Box<PeersChanged>),
}

/// HELLO: the first message of the peer that dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The content.
    pub info_hash: InfoHashV2,
    /// Who calls.
    pub peer_id: PeerId,
    /// Where the caller listens; 0 if nowhere.
    pub port: u16,
    /// Names of what the caller can do beyond version 1.
    pub features: Vec<String>,
}

/// STATE: the first message of the peer that was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// How busy it is.
    pub state: Availability,
    /// Who answers.
    pub peer_id: PeerId,
}

/// ERROR: why the sender ends the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// 400 a broken rule, 404 unknown content, 426 another version, 503 shutting down.
    pub code: u32,
    /// In words.
    pub message: String,
}
