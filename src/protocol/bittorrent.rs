//! Messages between peers in BitTorrent: [`Message`] to bytes and back.
//!
//! ```text
//! message = length:u32be  id:u8  payload       length counts what follows it; 0 is a keep-alive
//! ```
//! The kinds are those of BEP 3, 6, 10 and 52; those of the extension protocol stand in the parts:
//! the handshake, `ut_metadata` and `ut_pex`. A [`Codec`] knows what the two sides agreed on. The
//! length is checked as soon as the id is there, before anything is allocated or waited for. What
//! is bulk (a block, a bitfield, hashes) is borrowed. Nothing here does I/O.

use super::Malformed;
use super::frame::{MAX_BODY, MAX_FRAME};
use super::message::{ExtensionNumbers, HashRange, Message};
use crate::bitfield::Bitfield;
use crate::geometry::MAX_PIECES;
use crate::ids::{PieceIndex, Span};

/// The extension protocol's handshake.
pub mod extension;

/// The `info` dictionary, 16 KiB at a time.
pub mod metadata;

/// Peers that came and went.
pub mod pex;

/// By which numbers we want to be told what the extension protocol carries.
pub const OURS: ExtensionNumbers =
    ExtensionNumbers { metadata: 1, peers: 2, dont_have: 3, upload_only: 4 };

/// The longest message that has no limit of its own: what we have no word for.
pub const MAX_OTHER: usize = MAX_FRAME;

/// The longest message of the extension protocol that is not `ut_metadata`, both ids included.
pub const MAX_EXTENDED: usize = 64 * 1024;

/// The most hashes of one message: 8192, and an uncle from each layer above.
pub const MAX_HASHES: usize = 8192 + 64;

/// Bytes of a hash message before its hashes: id, root and four numbers (BEP 52).
const HASHES_HEAD: usize = 1 + 32 + 4 * 4;

/// Bytes of a piece message before its block: id, piece and offset (BEP 3).
const CHUNK_HEAD: usize = 1 + 2 * 4;

mod id {
    pub const CHOKE: u8 = 0;
    pub const UNCHOKE: u8 = 1;
    pub const INTERESTED: u8 = 2;
    pub const NOT_INTERESTED: u8 = 3;
    pub const HAVE: u8 = 4;
    pub const BITFIELD: u8 = 5;
    pub const REQUEST: u8 = 6;
    pub const PIECE: u8 = 7;
    pub const CANCEL: u8 = 8;
    pub const PORT: u8 = 9;
    pub const SUGGEST: u8 = 13;
    pub const HAVE_ALL: u8 = 14;
    pub const HAVE_NONE: u8 = 15;
    pub const REJECT: u8 = 16;
    pub const ALLOWED_FAST: u8 = 17;
    pub const EXTENDED: u8 = 20;
    pub const HASH_REQUEST: u8 = 21;
    pub const HASHES: u8 = 22;
    pub const HASH_REJECT: u8 = 23;
}

/// What two peers agreed on: how messages are written and read on one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Codec {
    /// Pieces of the torrent; 0 while that is unknown, before the `info` dictionary is there.
    pub pieces: u32,
    /// Both speak the fast extension (BEP 6).
    pub fast: bool,
    /// Both speak the extension protocol (BEP 10).
    pub extended: bool,
    /// The torrent has v2 hashes, so they may be asked for (BEP 52).
    pub v2: bool,
    /// By which numbers the other side wants its extension messages; 0 is "never".
    pub theirs: ExtensionNumbers,
}

/// Bytes that a kind of message may have, its id included.
struct Bounds {
    message: &'static str,
    least: usize,
    most: usize,
}

impl Codec {
    /// Appends a message to `out`; nothing when BitTorrent, or this peer, has no word for it.
    ///
    /// A PING is a keep-alive. Without the fast extension HAVE_ALL is a full bitfield, and
    /// HAVE_NONE and REJECT are silence. A bitfield must be whole: its `first` is 0.
    pub fn put(&self, message: &Message, out: &mut Vec<u8>) {
        match message {
            Message::Ping(_) => out.extend([0; 4]),
            Message::Choke => put_message(out, id::CHOKE, &[]),
            Message::Unchoke => put_message(out, id::UNCHOKE, &[]),
            Message::Interested => put_message(out, id::INTERESTED, &[]),
            Message::NotInterested => put_message(out, id::NOT_INTERESTED, &[]),
            Message::Have(piece) => put_message(out, id::HAVE, &[&piece.0.to_be_bytes()]),
            Message::Bitfield { first, bits } => {
                debug_assert_eq!(*first, 0, "a bitfield is one message in BitTorrent");
                put_message(out, id::BITFIELD, &[bits]);
            }
            Message::Get(span) => put_span(out, id::REQUEST, *span),
            &Message::Chunk { piece, offset, data } => {
                Self::put_chunk_head(out, Span { piece, offset, length: data.len() as u32 });
                out.extend_from_slice(data);
            }
            Message::Cancel(span) => put_span(out, id::CANCEL, *span),
            Message::GetHashes(range) if self.v2 => put_hashes(out, id::HASH_REQUEST, range, &[]),
            Message::Hashes(range, hashes) if self.v2 => put_hashes(out, id::HASHES, range, hashes),
            Message::HashReject(range) if self.v2 => put_hashes(out, id::HASH_REJECT, range, &[]),
            Message::HaveAll if !self.fast => {
                let all = Bitfield::full(self.pieces.min(MAX_PIECES));
                if self.pieces > 0 {
                    put_message(out, id::BITFIELD, &[all.as_bytes()]);
                }
            }
            _ if self.fast && put_fast(message, out) => {}
            _ if self.extended => self.put_extended(message, out),
            _ => {} // the native dialect's words, and what this peer does not know
        }
    }

    /// Appends the 13 bytes before a block: length, 7, piece and offset; `span.length` bytes follow.
    pub fn put_chunk_head(out: &mut Vec<u8>, span: Span) {
        let length = CHUNK_HEAD as u32 + span.length;
        out.extend(length.to_be_bytes());
        out.push(id::PIECE);
        out.extend(span.piece.0.to_be_bytes());
        out.extend(span.offset.to_be_bytes());
    }

    /// Checks the length of the message that begins here, and whether it may come at all, as soon
    /// as its bytes show it: the fourth, the fifth and, in the extension protocol, the sixth.
    ///
    /// `Ok(None)` says that more bytes are needed; a number is how many follow the length field.
    pub fn check(&self, start: &[u8]) -> Result<Option<usize>, Malformed> {
        let Some((field, message)) = start.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*field) as usize;
        if length == 0 {
            return Ok(Some(0)); // a keep-alive
        }
        let limit = self.longest();
        if length > limit {
            return Err(Malformed::TooLong { length: length as u64, limit: limit as u64 });
        }
        let Some(&id) = message.first() else { return Ok(None) };
        self.check_length(length, id, message.get(1).copied())?;
        Ok(Some(length))
    }

    /// What one whole message says; its length field is not part of it.
    ///
    /// `Ok(None)` is a keep-alive, a DHT port, or a kind or extension that we have no word for:
    /// passed over, so that the protocol can grow.
    pub fn read<'a>(&self, message: &'a [u8]) -> Result<Option<Message<'a>>, Malformed> {
        let Some((&id, payload)) = message.split_first() else { return Ok(None) };
        self.check_length(message.len(), id, payload.first().copied())?;
        Ok(Some(match id {
            id::CHOKE => Message::Choke,
            id::UNCHOKE => Message::Unchoke,
            id::INTERESTED => Message::Interested,
            id::NOT_INTERESTED => Message::NotInterested,
            id::HAVE => Message::Have(PieceIndex(number(payload, 0))),
            id::BITFIELD => Message::Bitfield { first: 0, bits: payload },
            id::REQUEST => Message::Get(span(payload)),
            id::PIECE => Message::Chunk {
                piece: PieceIndex(number(payload, 0)),
                offset: number(payload, 1),
                data: &payload[CHUNK_HEAD - 1..],
            },
            id::CANCEL => Message::Cancel(span(payload)),
            id::SUGGEST => Message::Suggest(PieceIndex(number(payload, 0))),
            id::HAVE_ALL => Message::HaveAll,
            id::HAVE_NONE => Message::HaveNone,
            id::REJECT => Message::Reject(span(payload)),
            id::ALLOWED_FAST => Message::AllowedFast(PieceIndex(number(payload, 0))),
            id::EXTENDED => return read_extended(payload),
            id::HASH_REQUEST => Message::GetHashes(hash_range(payload)),
            id::HASHES => Message::Hashes(hash_range(payload), &payload[HASHES_HEAD - 1..]),
            id::HASH_REJECT => Message::HashReject(hash_range(payload)),
            _ => return Ok(None),
        }))
    }

    /// The longest message that can be right here, whatever its id.
    fn longest(&self) -> usize {
        let hashes = if self.v2 { HASHES_HEAD + 32 * MAX_HASHES } else { 0 };
        MAX_OTHER.max(self.bitfield_bounds().most).max(hashes)
    }

    fn bitfield_bounds(&self) -> Bounds {
        let bytes = |pieces: u32| 1 + pieces.div_ceil(8) as usize;
        let (least, most) = match self.pieces {
            0 => (1, bytes(MAX_PIECES)),
            pieces => (bytes(pieces), bytes(pieces)),
        };
        Bounds { message: "bitfield", least, most }
    }

    /// Whether a message of this id may come, and with so many bytes behind its length field.
    fn check_length(&self, got: usize, id: u8, extension: Option<u8>) -> Result<(), Malformed> {
        let Bounds { message, least, most } = match id {
            id::SUGGEST..=id::ALLOWED_FAST if !self.fast => {
                return Err(Malformed::NotAgreed { id, extension: "the fast extension" });
            }
            id::EXTENDED if !self.extended => {
                return Err(Malformed::NotAgreed { id, extension: "the extension protocol" });
            }
            id::HASH_REQUEST..=id::HASH_REJECT if !self.v2 => {
                return Err(Malformed::NotAgreed { id, extension: "BitTorrent v2" });
            }
            id::CHOKE => exactly("choke", 1),
            id::UNCHOKE => exactly("unchoke", 1),
            id::INTERESTED => exactly("interested", 1),
            id::NOT_INTERESTED => exactly("not interested", 1),
            id::HAVE => exactly("have", 5),
            id::BITFIELD => self.bitfield_bounds(),
            id::REQUEST => exactly("request", 13),
            id::PIECE => {
                Bounds { message: "piece", least: CHUNK_HEAD + 1, most: CHUNK_HEAD + MAX_BODY }
            }
            id::CANCEL => exactly("cancel", 13),
            id::PORT => exactly("port", 3),
            id::SUGGEST => exactly("suggest piece", 5),
            id::HAVE_ALL => exactly("have all", 1),
            id::HAVE_NONE => exactly("have none", 1),
            id::REJECT => exactly("reject request", 13),
            id::ALLOWED_FAST => exactly("allowed fast", 5),
            id::EXTENDED => extended_bounds(extension),
            id::HASH_REQUEST => exactly("hash request", HASHES_HEAD),
            id::HASHES if got % 32 != HASHES_HEAD % 32 => return Err(Malformed::CutHash { got }),
            id::HASHES => Bounds {
                message: "hashes",
                least: HASHES_HEAD,
                most: HASHES_HEAD + 32 * MAX_HASHES,
            },
            id::HASH_REJECT => exactly("hash reject", HASHES_HEAD),
            _ if got > MAX_OTHER => {
                let limit = MAX_OTHER as u64;
                return Err(Malformed::TooLong { length: got as u64, limit });
            }
            _ => return Ok(()),
        };
        if (least..=most).contains(&got) {
            Ok(())
        } else {
            Err(Malformed::Length { message, got, least, most })
        }
    }

    /// Appends what travels in the extension protocol, by the numbers of the other side.
    fn put_extended(&self, message: &Message, out: &mut Vec<u8>) {
        let ExtensionNumbers { metadata, peers, dont_have, upload_only } = self.theirs;
        match message {
            Message::Extensions(extensions) => {
                put_extension(out, extension::NUMBER, &[&extension::encode(extensions)]);
            }
            &Message::GetInfo(index) if metadata > 0 => {
                put_extension(out, metadata, &[&metadata::ask(index)]);
            }
            &Message::Info { index, total, data } if metadata > 0 => {
                put_extension(out, metadata, &[&metadata::give(index, total), data]);
            }
            &Message::InfoReject(index) if metadata > 0 => {
                put_extension(out, metadata, &[&metadata::refuse(index)]);
            }
            Message::PeersChanged(changed) if peers > 0 => {
                if let Some(dictionary) = pex::encode(changed) {
                    put_extension(out, peers, &[&dictionary]);
                }
            }
            Message::DontHave(piece) if dont_have > 0 => {
                put_extension(out, dont_have, &[&piece.0.to_be_bytes()]);
            }
            &Message::UploadOnly(on) if upload_only > 0 => {
                put_extension(out, upload_only, &[&[u8::from(on)]]);
            }
            _ => {} // the native dialect's words, and what this peer did not ask for
        }
    }
}

/// What a message of the extension protocol says, by our own numbers.
fn read_extended(payload: &[u8]) -> Result<Option<Message<'_>>, Malformed> {
    let (&extension, payload) = payload.split_first().expect("the length was checked");
    Ok(match extension {
        extension::NUMBER => Some(Message::Extensions(Box::new(extension::decode(payload)?))),
        n if n == OURS.metadata => metadata::decode(payload)?,
        n if n == OURS.peers => {
            pex::decode(payload)?.map(|changed| Message::PeersChanged(Box::new(changed)))
        }
        n if n == OURS.dont_have => Some(Message::DontHave(PieceIndex(number(payload, 0)))),
        n if n == OURS.upload_only => {
            Some(Message::UploadOnly(payload.iter().any(|&byte| byte != 0)))
        }
        _ => None,
    })
}

/// Two ids and what an extension allows; its number may not be there yet.
fn extended_bounds(extension: Option<u8>) -> Bounds {
    match extension {
        Some(n) if n == OURS.metadata => {
            Bounds { message: "ut_metadata", least: 2, most: 2 + metadata::MAX_MESSAGE }
        }
        Some(n) if n == OURS.dont_have => exactly("lt_donthave", 6),
        // One byte by most, a whole number by some.
        Some(n) if n == OURS.upload_only => Bounds { message: "upload_only", least: 3, most: 6 },
        _ => Bounds { message: "extended", least: 2, most: MAX_EXTENDED },
    }
}

fn exactly(message: &'static str, length: usize) -> Bounds {
    Bounds { message, least: length, most: length }
}

/// The big-endian number at position `at`, counted in numbers.
fn number(payload: &[u8], at: usize) -> u32 {
    let bytes = payload[at * 4..].first_chunk().expect("the length was checked");
    u32::from_be_bytes(*bytes)
}

fn span(payload: &[u8]) -> Span {
    let piece = PieceIndex(number(payload, 0));
    Span { piece, offset: number(payload, 1), length: number(payload, 2) }
}

fn hash_range(payload: &[u8]) -> HashRange {
    let (root, numbers) = payload.split_first_chunk().expect("the length was checked");
    HashRange {
        root: *root,
        base: number(numbers, 0),
        index: number(numbers, 1),
        count: number(numbers, 2),
        proof: number(numbers, 3),
    }
}

/// Appends what only the fast extension can say (BEP 6); false when this is something else.
fn put_fast(message: &Message, out: &mut Vec<u8>) -> bool {
    match message {
        Message::Suggest(piece) => put_message(out, id::SUGGEST, &[&piece.0.to_be_bytes()]),
        Message::HaveAll => put_message(out, id::HAVE_ALL, &[]),
        Message::HaveNone => put_message(out, id::HAVE_NONE, &[]),
        Message::Reject(span) => put_span(out, id::REJECT, *span),
        Message::AllowedFast(piece) => {
            put_message(out, id::ALLOWED_FAST, &[&piece.0.to_be_bytes()]);
        }
        _ => return false,
    }
    true
}

fn put_message(out: &mut Vec<u8>, id: u8, payload: &[&[u8]]) {
    let length = 1 + payload.iter().map(|part| part.len()).sum::<usize>();
    out.extend((length as u32).to_be_bytes());
    out.push(id);
    payload.iter().for_each(|part| out.extend_from_slice(part));
}

fn put_extension(out: &mut Vec<u8>, number: u8, payload: &[&[u8]]) {
    let length = 2 + payload.iter().map(|part| part.len()).sum::<usize>();
    out.extend((length as u32).to_be_bytes());
    out.extend([id::EXTENDED, number]);
    payload.iter().for_each(|part| out.extend_from_slice(part));
}

fn put_span(out: &mut Vec<u8>, id: u8, span: Span) {
    let numbers = [span.piece.0, span.offset, span.length].map(u32::to_be_bytes);
    put_message(out, id, &[numbers.as_flattened()]);
}

fn put_hashes(out: &mut Vec<u8>, id: u8, range: &HashRange, hashes: &[u8]) {
    let numbers = [range.base, range.index, range.count, range.proof].map(u32::to_be_bytes);
    put_message(out, id, &[&range.root, numbers.as_flattened(), hashes]);
}

#[cfg(test)]
mod tests;
