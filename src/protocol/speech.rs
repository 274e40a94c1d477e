//! One connection's dialect at work: messages to bytes, and back from its receive buffer.

use super::bittorrent::Codec;
use super::frame::announced_length;
use super::message::Message;
use super::reader::FrameBuffer;
use super::{Dialect, Malformed, native};
use crate::ids::Span;

/// How messages are written and read on one connection.
#[derive(Debug, Clone, Copy)]
pub enum Speech {
    /// In frames of the native dialect.
    Native,
    /// In BitTorrent, as the two peers agreed.
    BitTorrent(Codec),
}

impl Speech {
    /// Which of the two.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Native => Dialect::Native,
            Self::BitTorrent(_) => Dialect::BitTorrent,
        }
    }

    /// Appends a message; nothing when the dialect has no word for it.
    pub fn put(&self, message: &Message, out: &mut Vec<u8>) {
        match self {
            Self::Native => message.put(out),
            Self::BitTorrent(codec) => codec.put(message, out),
        }
    }

    /// Appends what stands before the bytes of a chunk.
    pub fn put_chunk_head(&self, span: Span, out: &mut Vec<u8>) {
        match self {
            Self::Native => native::put_chunk_head(out, span),
            Self::BitTorrent(_) => Codec::put_chunk_head(out, span),
        }
    }

    /// Bytes of the message that begins here, as far as that is known and can be.
    pub fn announced_length(&self, pending: &[u8]) -> Option<usize> {
        match self {
            Self::Native => announced_length(pending).ok().flatten(),
            Self::BitTorrent(codec) => codec.check(pending).ok().flatten(),
        }
    }

    /// What the next whole message in the buffer says. `Ok(None)` says that more bytes are needed;
    /// an inner `None` is a message that is passed over.
    pub fn next_message<'a>(
        &self,
        buffer: &'a FrameBuffer,
    ) -> Result<Option<Option<Message<'a>>>, Malformed> {
        match self {
            Self::Native => match buffer.next_frame()? {
                Some(frame) => Message::read(&frame).map(Some),
                None => Ok(None),
            },
            Self::BitTorrent(codec) => match buffer.next_message(codec)? {
                Some(message) => codec.read(message).map(Some),
                None => Ok(None),
            },
        }
    }
}
