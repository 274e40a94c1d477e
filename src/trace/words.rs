//! What is said, by its name in PROTOCOL.md, its class and its fields.

use super::line::Line;
use crate::ids::Span;
use crate::protocol::Dialect;
use crate::protocol::message::{HashRange, Message};

/// Something that one peer says to another.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// A message.
    Message(&'a Message<'a>),
    /// Bytes of a piece, which nobody needs to look at.
    Chunk(Span),
    /// The first words natively, of the peer that dialled.
    Hello,
    /// The first words natively, of the peer that was called.
    State,
    /// The first words in BitTorrent, of either.
    Handshake,
    /// A keep-alive that came, or what we have no word for.
    Other,
}

/// Three kinds of messages: those that ask, those that bring bulk, and those that answer or say how
/// things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It asks or announces something.
    Command,
    /// It brings bulk.
    Data,
    /// It answers, or says how things stand.
    Control,
}

impl Kind {
    /// Its name in a trace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Data => "data",
            Self::Control => "control",
        }
    }
}

impl Said<'_> {
    /// Its name in this dialect: the heading in PROTOCOL.md, in capitals.
    pub fn name(&self, dialect: Dialect) -> &'static str {
        match self {
            Self::Message(message) => name(dialect, message),
            Self::Chunk(_) => of(dialect, "CHUNK_DATA", "PIECE"),
            Self::Hello => "HELLO",
            Self::State => "STATE",
            Self::Handshake => "HANDSHAKE",
            Self::Other => "OTHER",
        }
    }

    /// Its class; BitTorrent's messages have that of what they mean.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Hello | Self::Handshake => Kind::Command,
            Self::Chunk(_) => Kind::Data,
            Self::State | Self::Other => Kind::Control,
            Self::Message(message) => match message {
                Message::Hello(_)
                | Message::GetCount
                | Message::GetMetainfo { .. }
                | Message::GetHashes(_)
                | Message::Interested
                | Message::NotInterested
                | Message::Get(_)
                | Message::Cancel(_)
                | Message::Peers
                | Message::Ping(_)
                | Message::Bye
                | Message::GetInfo(_) => Kind::Command,
                Message::Chunk { .. }
                | Message::Metainfo { .. }
                | Message::Hashes(..)
                | Message::Info { .. } => Kind::Data,
                _ => Kind::Control,
            },
        }
    }

    /// What it says, as far as it is short.
    pub(super) fn put(&self, line: &mut Line) {
        match self {
            Self::Message(message) => put(line, message),
            Self::Chunk(span) => put_span(line, *span),
            _ => {}
        }
    }
}

fn of(dialect: Dialect, native: &'static str, bittorrent: &'static str) -> &'static str {
    match dialect {
        Dialect::Native => native,
        Dialect::BitTorrent => bittorrent,
    }
}

fn name(dialect: Dialect, message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "HELLO",
        Message::State(_) => "STATE",
        Message::GetCount => "GET_COUNT",
        Message::ChunkCount(_) => "CHUNK_COUNT",
        Message::GetMetainfo { .. } => "GET_METAINFO",
        Message::Metainfo { .. } => "METAINFO",
        Message::GetHashes(_) => of(dialect, "GET_HASHES", "HASH_REQUEST"),
        Message::Hashes(..) => "HASHES",
        Message::HashReject(_) => "HASH_REJECT",
        Message::Bitfield { .. } => "BITFIELD",
        Message::Have(_) => "HAVE",
        Message::HaveAll => "HAVE_ALL",
        Message::HaveNone => "HAVE_NONE",
        Message::Interested => "INTERESTED",
        Message::NotInterested => "NOT_INTERESTED",
        Message::Choke => "CHOKE",
        Message::Unchoke => "UNCHOKE",
        Message::Get(_) => of(dialect, "GET", "REQUEST"),
        Message::Chunk { .. } => of(dialect, "CHUNK_DATA", "PIECE"),
        Message::Cancel(_) => "CANCEL",
        Message::Reject(_) => of(dialect, "REJECT", "REJECT_REQUEST"),
        Message::Ack => "ACK",
        Message::Error(_) => "ERROR",
        Message::Peers => "PEERS",
        Message::PeerList(_) => "PEER_LIST",
        Message::Ping(_) => of(dialect, "PING", "KEEP_ALIVE"),
        Message::Pong(_) => "PONG",
        Message::Bye => "BYE",
        Message::Suggest(_) => "SUGGEST_PIECE",
        Message::AllowedFast(_) => "ALLOWED_FAST",
        Message::DontHave(_) => "LT_DONTHAVE",
        Message::UploadOnly(_) => "UPLOAD_ONLY",
        Message::Extensions(_) => "EXTENDED_HANDSHAKE",
        Message::GetInfo(_) => "UT_METADATA_REQUEST",
        Message::Info { .. } => "UT_METADATA_DATA",
        Message::InfoReject(_) => "UT_METADATA_REJECT",
        Message::PeersChanged(_) => "UT_PEX",
    }
}

fn put(line: &mut Line, message: &Message) {
    match message {
        &Message::Get(span) | &Message::Cancel(span) | &Message::Reject(span) => {
            put_span(line, span);
        }
        &Message::Chunk { piece, offset, data } => {
            put_span(line, Span { piece, offset, length: data.len() as u32 });
        }
        Message::Have(piece)
        | Message::Suggest(piece)
        | Message::AllowedFast(piece)
        | Message::DontHave(piece) => _ = line.number("piece", piece.0),
        &Message::Bitfield { first, bits } => {
            line.number("first", first).number("len", bits.len() as u64);
        }
        &Message::GetMetainfo { offset, length } => {
            line.number("off", offset).number("len", length);
        }
        Message::Metainfo { offset, data, .. } => {
            line.number("off", *offset).number("len", data.len() as u64);
        }
        Message::GetHashes(range) | Message::Hashes(range, _) | Message::HashReject(range) => {
            let HashRange { base, index, count, .. } = *range;
            line.number("base", base).number("index", index).number("count", count);
        }
        Message::ChunkCount(count) => _ = line.number("count", *count),
        Message::PeerList(peers) => _ = line.number("count", peers.len() as u64),
        Message::PeersChanged(changed) => {
            line.number("added", changed.added.len() as u64);
            line.number("dropped", changed.dropped.len() as u64);
        }
        Message::Error(error) => _ = line.number("code", error.code).text("says", &error.message),
        Message::Extensions(extensions) => {
            if let Some(client) = &extensions.client {
                line.text("says", client);
            }
        }
        Message::Ping(number) | Message::Pong(number) => _ = line.number("number", *number),
        Message::GetInfo(index) | Message::InfoReject(index) | Message::Info { index, .. } => {
            line.number("index", *index);
        }
        _ => {}
    }
}

fn put_span(line: &mut Line, span: Span) {
    line.number("piece", span.piece.0).number("off", span.offset).number("len", span.length);
}
