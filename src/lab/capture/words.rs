//! Messages of a trace as bytes, by the library's own encoders.
//!
//! A trace says what was said, not all of it. What it does not say:
//!
//! | what | is |
//! |---|---|
//! | bytes of pieces, hashes and metainfo | zeros, as many as there were |
//! | a bitfield | the pieces that the sender had verified, as far as the trace shows it |
//! | an info-hash | the four bytes that the trace has, then zeros |
//! | a peer id | that of the trace, else one made of the node's name |
//! | addresses in lists | 192.0.2.1 and so on (RFC 5737) |
//! | STATE | available |
//! | `total` and `info` of METAINFO | up to where the bytes go |
//! | a message that nobody has a word for | a keep-alive, or natively a type that is not taken |

use super::is_native;
use crate::geometry::{BLOCK_LEN, MAX_PIECES};
use crate::ids::{InfoHashV1, InfoHashV2, PEER_ID_PREFIX, PeerId, PieceIndex, Span, unhex};
use crate::lab::record::{Datagram, Name, Names, Said};
use crate::protocol::Dialect;
use crate::protocol::bittorrent::{Codec, OURS};
use crate::protocol::frame::{Bin, MAX_BODY, PEER_MAGIC};
use crate::protocol::handshake::{Handshake, Reserved};
use crate::protocol::message::{
    Availability, BITFIELD_PART, ErrorMessage, Extensions, HashRange, Hello, MAX_HASHES, MAX_PEERS,
    Message, PeersChanged, State, VERSION,
};
use crate::protocol::tracker_native::hierarchy::{Answer, NameServer, Op, Query, Rcode};
use crate::protocol::tracker_native::{
    Endpoint, Packet, PeerEntry, Sync, SyncSwarm, put_peer, put_swarm,
};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

/// Bytes of all bitmaps; what a trace shows beyond them is not known.
const MOST_BITS: usize = 64 << 20;

/// An ERROR's words fit a header beside its code.
const MOST_WORDS: usize = 3 * 1024;

/// Natively a type of a known class that nothing has, so that readers pass over it.
const UNKNOWN: [u8; 6] = [0, 0, 0, 2, 0x3f, 0x80];

/// Zeros for whatever is bulk.
static ZEROS: [u8; MAX_BODY] = [0; MAX_BODY];

/// Which pieces nodes have, as far as the trace shows it.
#[derive(Debug, Default)]
pub(super) struct Holder {
    bits: HashMap<(Name, Option<Name>), Vec<u8>>,
    bytes: usize,
}

impl Holder {
    /// A node has one more piece.
    pub fn on_verified(&mut self, node: Name, torrent: Option<Name>, piece: u32) {
        if piece >= MAX_PIECES {
            return;
        }
        let bits = self.bits.entry((node, torrent)).or_default();
        let (at, bit) = (piece as usize / 8, 0x80 >> (piece % 8));
        if at >= bits.len() {
            let more = at + 1 - bits.len();
            if self.bytes + more > MOST_BITS {
                return;
            }
            self.bytes += more;
            bits.resize(at + 1, 0);
        }
        bits[at] |= bit;
    }

    /// So many bytes of a bitfield from a piece on.
    fn part(&self, node: Name, torrent: Option<Name>, first: u32, length: usize) -> Vec<u8> {
        let known = self.bits.get(&(node, torrent)).map_or(&[][..], Vec::as_slice);
        let known = known.get(first as usize / 8..).unwrap_or_default();
        let mut part = known[..known.len().min(length)].to_vec();
        part.resize(length, 0);
        part
    }
}

/// Who says something on a connection, and how.
#[derive(Debug)]
pub(super) struct Speaker {
    node: Name,
    torrent: Option<Name>,
    dialect: Dialect,
    info_hash: InfoHashV2,
    peer_id: PeerId,
    port: u16,
}

/// Whether a word is the first that somebody says.
pub(super) fn is_opening(word: &str) -> bool {
    matches!(word, "HELLO" | "STATE" | "HANDSHAKE")
}

/// A codec that has a word for everything a trace can hold.
fn codec() -> Codec {
    Codec { pieces: 0, fast: true, extended: true, v2: true, theirs: OURS }
}

impl Speaker {
    /// A node of that name; `id` is what it calls itself, if the trace says so.
    pub fn new(
        node: Name,
        name: &str,
        id: Option<&str>,
        dialect: Dialect,
        torrent: Option<Name>,
        names: &Names,
        port: u16,
    ) -> Self {
        let mut info_hash = [0; 32];
        let start = torrent.and_then(|torrent| unhex(names.text(torrent))).unwrap_or_default();
        info_hash.iter_mut().zip(start).for_each(|(to, byte)| *to = byte);
        let known = id.and_then(|id| <[u8; 20]>::try_from(id.as_bytes()).ok());
        let peer_id = PeerId(known.unwrap_or_else(|| id_of(name)));
        Self { node, torrent, dialect, info_hash: InfoHashV2(info_hash), peer_id, port }
    }

    /// Appends the first words, magic included.
    pub fn put_opening(&self, is_dialler: bool, out: &mut Vec<u8>) {
        let peer_id = self.peer_id;
        if !is_native(self.dialect) {
            let reserved = Reserved::ours().with_v2(true);
            let info_hash: InfoHashV1 = self.info_hash.truncated();
            out.extend(Handshake { reserved, info_hash, peer_id }.to_bytes());
            return;
        }
        out.extend(PEER_MAGIC);
        if is_dialler {
            let hello = Hello {
                version: VERSION,
                info_hash: self.info_hash,
                peer_id,
                port: self.port,
                features: Vec::new(),
            };
            Message::Hello(hello).put(out);
        } else {
            Message::State(State { state: Availability::Available, peer_id }).put(out);
        }
    }

    /// Appends a message; false if its numbers make none.
    pub fn put(
        &self,
        said: &Said,
        word: &str,
        names: &Names,
        holder: &Holder,
        out: &mut Vec<u8>,
    ) -> bool {
        if is_opening(word) {
            self.put_opening(word != "STATE", out);
            return true;
        }
        if word == "OTHER" {
            out.extend(if is_native(self.dialect) { &UNKNOWN[..] } else { &[0; 4] });
            return true;
        }
        let (bits, changed);
        let n = &said.numbers;
        let message = if word == "BITFIELD" {
            let most =
                if is_native(self.dialect) { BITFIELD_PART } else { MAX_PIECES as usize / 8 };
            let (first, length) = (n.first.unwrap_or_default(), n.len.unwrap_or_default() as usize);
            if length > most || (!is_native(self.dialect) && first > 0) {
                return false;
            }
            bits = holder.part(self.node, self.torrent, first, length);
            Message::Bitfield { first, bits: &bits }
        } else if word == "UT_PEX" {
            let count = |count: Option<u32>| (count.unwrap_or_default() as usize).min(MAX_PEERS);
            changed = PeersChanged {
                added: examples(count(n.added)).map(|peer| (peer, 0)).collect(),
                dropped: examples(count(n.dropped)).collect(),
            };
            Message::PeersChanged(Box::new(changed))
        } else {
            let Some(message) = message(said, word, names) else { return false };
            message
        };
        let before = out.len();
        if is_native(self.dialect) {
            message.put(out);
        } else {
            codec().put(&message, out);
        }
        out.len() > before
    }
}

/// The id of a node that does not say what it calls itself.
fn id_of(name: &str) -> [u8; 20] {
    let mut id = [b'-'; 20];
    id[..8].copy_from_slice(PEER_ID_PREFIX);
    let letters: Vec<u8> = name.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let last = &letters[letters.len().saturating_sub(12)..];
    id[8..8 + last.len()].copy_from_slice(last);
    id
}

/// Addresses that are kept for documents.
fn examples(count: usize) -> impl Iterator<Item = SocketAddr> {
    (0..count).map(|at| SocketAddr::from((Ipv4Addr::new(192, 0, 2, (at % 254) as u8 + 1), 6881)))
}

/// A message that needs nothing but what the trace says.
fn message<'a>(said: &Said, word: &str, names: &Names) -> Option<Message<'a>> {
    let n = &said.numbers;
    let piece = || n.piece.map(PieceIndex);
    let bulk = |length: u32| ZEROS.get(..length as usize);
    let span = || Some(Span { piece: piece()?, offset: n.off?, length: n.len? });
    let range = || {
        let (base, index, count) = (n.base?, n.index?, n.count?);
        (count <= MAX_HASHES).then_some(HashRange { root: [0; 32], base, index, count, proof: 0 })
    };
    let says = || said.says.map(|says| names.text(says)).unwrap_or_default();
    Some(match word {
        "GET_COUNT" => Message::GetCount,
        "CHUNK_COUNT" => Message::ChunkCount(n.count?),
        "GET_METAINFO" => Message::GetMetainfo { offset: n.off?, length: n.len? },
        "METAINFO" => {
            let (offset, data) = (n.off?, bulk(n.len?)?);
            let total = offset.checked_add(data.len() as u32)?;
            Message::Metainfo { offset, total, info: total, data }
        }
        "GET_HASHES" | "HASH_REQUEST" => Message::GetHashes(range()?),
        "HASHES" => {
            let range = range()?;
            Message::Hashes(range, bulk(range.count * 32)?)
        }
        "HASH_REJECT" => Message::HashReject(range()?),
        "HAVE" => Message::Have(piece()?),
        "HAVE_ALL" => Message::HaveAll,
        "HAVE_NONE" => Message::HaveNone,
        "INTERESTED" => Message::Interested,
        "NOT_INTERESTED" => Message::NotInterested,
        "CHOKE" => Message::Choke,
        "UNCHOKE" => Message::Unchoke,
        "GET" | "REQUEST" => Message::Get(span()?),
        "CHUNK_DATA" | "PIECE" => {
            let Span { piece, offset, length } = span()?;
            if length == 0 || !offset.is_multiple_of(BLOCK_LEN) {
                return None;
            }
            Message::Chunk { piece, offset, data: bulk(length)? }
        }
        "CANCEL" => Message::Cancel(span()?),
        "REJECT" | "REJECT_REQUEST" => Message::Reject(span()?),
        "ACK" => Message::Ack,
        "ERROR" => {
            let message: String = says().chars().take(MOST_WORDS / 4).collect();
            Message::Error(ErrorMessage { code: n.code?, message })
        }
        "PEERS" => Message::Peers,
        "PEER_LIST" => Message::PeerList(examples((n.count? as usize).min(MAX_PEERS)).collect()),
        "PING" => Message::Ping(n.number.unwrap_or_default()),
        "PONG" => Message::Pong(n.number.unwrap_or_default()),
        "BYE" => Message::Bye,
        "SUGGEST_PIECE" => Message::Suggest(piece()?),
        "ALLOWED_FAST" => Message::AllowedFast(piece()?),
        "LT_DONTHAVE" => Message::DontHave(piece()?),
        "UPLOAD_ONLY" => Message::UploadOnly(true),
        "EXTENDED_HANDSHAKE" => {
            let client: String = says().chars().take(100).collect();
            let client = (!client.is_empty()).then_some(client);
            Message::Extensions(Box::new(Extensions {
                numbers: OURS,
                client,
                ..Extensions::default()
            }))
        }
        "UT_METADATA_REQUEST" => Message::GetInfo(n.index?),
        "UT_METADATA_DATA" => {
            let total = n.index?.checked_add(1)?.checked_mul(BLOCK_LEN)?;
            Message::Info { index: n.index?, total, data: bulk(BLOCK_LEN)? }
        }
        "UT_METADATA_REJECT" => Message::InfoReject(n.index?),
        _ => return None,
    })
}

/// Appends what a tracker says to another; false if it does not fit a datagram.
pub(super) fn put_datagram(said: &Datagram, names: &Names, out: &mut Vec<u8>) -> bool {
    let text = |name: Option<Name>| name.map(|name| names.text(name)).unwrap_or_default();
    let op =
        Op::ALL.iter().copied().find(|op| op.to_string() == text(said.op)).unwrap_or(Op::Other(0));
    let [rd, aa, ra, tc] = said.flags;
    let entry = |addr| PeerEntry { addr, seed: false, native: true, bittorrent: false };
    let mut body = Vec::new();
    match names.text(said.word) {
        "QUERY" => {
            let key = text(said.key).to_owned();
            let query = Query {
                id: said.id,
                op,
                key,
                rd,
                hops: said.hops,
                max: 50,
                origin: None,
                cookie: None,
            };
            out.extend(query.datagram((said.len as usize).min(1200)));
        }
        "ANSWER" => {
            let rcode = text(said.rcode);
            let rcode = Rcode::ALL.iter().copied().find(|code| code.to_string() == rcode);
            let zone = |&(zone, addr): &(Name, SocketAddr)| NameServer {
                zone: names.text(zone).to_owned(),
                addr: Endpoint(addr),
                ttl_ms: said.ttl_ms,
            };
            let answer = Answer {
                id: said.id,
                op,
                rcode: rcode.unwrap_or(Rcode::Other(255)),
                aa,
                ra,
                tc,
                ttl_ms: said.ttl_ms,
                ns: said.ns.iter().map(zone).collect(),
                path: Vec::new(),
            };
            if op == Op::Peers {
                let count = (said.count as usize).min(1200);
                examples(count).for_each(|peer| put_peer(&mut body, &entry(peer)));
            }
            Packet::new(answer, &body).put_datagram(out);
        }
        "SYNC" => {
            let swarm = SyncSwarm {
                info_hash: InfoHashV2([0; 32]),
                name: String::new(),
                size: 0,
                pieces: 0,
                peers: Vec::new(),
            };
            (0..said.count.min(1200)).for_each(|_| put_swarm(&mut body, &swarm));
            Packet::new(Sync { cookie: Bin([0; 8]) }, &body).put_datagram(out);
        }
        _ => return false,
    }
    out.len() <= super::packet::MOST_UDP
}
