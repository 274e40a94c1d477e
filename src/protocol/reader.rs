//! A connection's receive buffer: large reads in, whole frames or BitTorrent messages out.
//!
//! ```text
//! buffer: [ used up | frame | frame | half a fra|  room  ]
//!                   ^start                     ^end
//! ```
//! The buffer starts small and doubles only while reads fill it, so that an idle connection costs
//! 8 KiB and a fast one 512 KiB, whose bytes are still in cache when they are copied out. It never
//! grows beyond what has been sent plus one frame. What was taken out may be looked at until the
//! next read. Nothing here does I/O: the caller reads into [`FrameBuffer::room`].

use super::Malformed;
use super::bittorrent::Codec;
use super::frame::{Frame, MAX_FRAME, announced_length};
use std::cell::Cell;

/// The buffer of a connection that says little.
const SMALL: usize = 8 * 1024;

/// The buffer of a connection that keeps its reads full: three frames, or the longest message of
/// BitTorrent, which is half as long.
const LARGE: usize = 512 * 1024;

/// What the buffers of all connections may hold together: beyond it each gets less, down to a frame.
const ALL: usize = 64 << 20;

/// Bytes received and not yet used, in one block of memory.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    start: Cell<usize>,
    end: usize,
    /// Bytes of the frame or message that begins at `start`, as far as they are known.
    needed: Cell<usize>,
    /// What it may grow to; a frame that is longer still fits.
    most: usize,
}

impl Default for FrameBuffer {
    fn default() -> Self {
        Self {
            bytes: vec![0; SMALL],
            start: Cell::new(0),
            end: 0,
            needed: Cell::new(SMALL),
            most: LARGE,
        }
    }
}

impl FrameBuffer {
    /// A buffer in which these bytes have arrived already.
    pub fn holding(bytes: &[u8]) -> Self {
        let mut buffer = Self::default();
        buffer.bytes.resize(SMALL.max(2 * bytes.len()), 0);
        buffer.bytes[..bytes.len()].copy_from_slice(bytes);
        buffer.end = bytes.len();
        buffer
    }

    /// It is one of so many: together they stay within bounds, also while a slow disk keeps all of
    /// them full.
    pub fn share_with(&mut self, connections: usize) {
        self.most = (ALL / connections.max(1)).clamp(MAX_FRAME + 4, LARGE);
        if self.bytes.len() > self.most && self.pending().is_empty() {
            self.shrink();
        }
    }

    /// Where the next read goes; never empty once all whole frames have been taken.
    pub fn room(&mut self) -> &mut [u8] {
        let (start, pending) = (self.start.get(), self.pending().len());
        let needed = self.needed.get();
        let short = self.bytes.len() - start < needed.max(self.bytes.len() / 2);
        if start > 0 && (pending == 0 || short) {
            self.bytes.copy_within(start..self.end, 0);
            self.start.set(0);
            self.end = pending;
        }
        if self.bytes.len() < needed && pending + SMALL > self.bytes.len() {
            self.grow();
        }
        &mut self.bytes[self.end..]
    }

    /// Says that `count` bytes were read into the room.
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
        if self.end == self.bytes.len() {
            self.grow();
        }
    }

    /// The next whole frame, if one has arrived.
    pub fn next_frame(&self) -> Result<Option<Frame<'_>>, Malformed> {
        let length = announced_length(self.pending())?;
        self.next_whole(length).map(Frame::parse).transpose()
    }

    /// The next whole BitTorrent message, if one has arrived; its length field is not part of it,
    /// so a keep-alive is empty.
    pub fn next_message(&self, codec: &Codec) -> Result<Option<&[u8]>, Malformed> {
        let length = codec.check(self.pending())?;
        Ok(self.next_whole(length))
    }

    /// Takes a length field and so many bytes behind it, once they are there, and notes how much
    /// room they need.
    fn next_whole(&self, length: Option<usize>) -> Option<&[u8]> {
        let whole = length.and_then(|length| self.pending().get(4..4 + length));
        match (whole, length) {
            (Some(whole), _) => {
                self.start.set(self.start.get() + 4 + whole.len());
                self.needed.set(SMALL);
            }
            (None, Some(length)) => self.needed.set(SMALL.max(4 + length)),
            (None, None) => self.needed.set(SMALL),
        }
        whole
    }

    /// Takes `count` bytes that are no frame (a magic), once they are there.
    pub fn take(&self, count: usize) -> Option<&[u8]> {
        let taken = self.pending().get(..count)?;
        self.start.set(self.start.get() + count);
        Some(taken)
    }

    /// Takes all bytes received and not yet used.
    pub fn take_all(&self) -> &[u8] {
        let taken = self.pending();
        self.start.set(self.end);
        taken
    }

    /// The bytes received and not yet used.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.start.get()..self.end]
    }

    /// The connection is idle: gives the memory of a burst back.
    pub fn shrink(&mut self) {
        if self.pending().is_empty() && self.bytes.len() > SMALL {
            *self = Self { most: self.most, ..Self::default() };
        }
    }

    fn grow(&mut self) {
        let most = self.most.max(self.needed.get());
        let length = (self.bytes.len() * 2).min(most).max(self.bytes.len());
        self.bytes.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::MAX_PIECES;
    use crate::ids::PieceIndex;
    use crate::protocol::message::Message;

    fn feed(buffer: &mut FrameBuffer, bytes: &[u8]) {
        let room = buffer.room();
        room[..bytes.len()].copy_from_slice(bytes);
        buffer.filled(bytes.len());
    }

    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut() {
        let chunk = vec![9; 100_000];
        let mut stream = Vec::new();
        for piece in 0..20 {
            Message::Chunk { piece: PieceIndex(piece), offset: 0, data: &chunk }.put(&mut stream);
            Message::Have(PieceIndex(piece)).put(&mut stream);
        }
        for step in [1000, 4096, 77_777, 400_000] {
            let mut buffer = FrameBuffer::default();
            let (mut rest, mut frames) = (stream.as_slice(), 0);
            while !rest.is_empty() {
                let room = buffer.room();
                assert!(!room.is_empty());
                let count = room.len().min(step).min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                buffer.filled(count);
                rest = &rest[count..];
                while buffer.next_frame().unwrap().is_some() {
                    frames += 1;
                }
            }
            assert_eq!((frames, buffer.pending().len()), (40, 0), "step {step}");
        }
    }

    #[test]
    fn an_announced_length_alone_allocates_nothing() {
        let mut buffer = FrameBuffer::default();
        feed(&mut buffer, &(MAX_FRAME as u32).to_be_bytes());
        assert_eq!(buffer.next_frame(), Ok(None));
        assert!(buffer.room().len() < 2 * SMALL);
    }

    #[test]
    fn among_many_connections_a_buffer_grows_to_its_share_and_a_frame_always_fits() {
        let chunk = vec![9; 100_000];
        let mut frame = Vec::new();
        Message::Chunk { piece: PieceIndex(0), offset: 0, data: &chunk }.put(&mut frame);
        for (connections, most) in
            [(1, LARGE), (100, LARGE), (200, ALL / 200), (4000, MAX_FRAME + 4)]
        {
            let mut buffer = FrameBuffer::default();
            buffer.share_with(connections);
            let mut frames = 0;
            for bytes in frame.repeat(20).chunks(5000) {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let room = buffer.room();
                    let count = room.len().min(rest.len());
                    assert!(count > 0);
                    room[..count].copy_from_slice(&rest[..count]);
                    buffer.filled(count);
                    rest = &rest[count..];
                    while buffer.next_frame().unwrap().is_some() {
                        frames += 1;
                    }
                }
                assert!(buffer.bytes.len() <= most, "{} of {connections}", buffer.bytes.len());
            }
            assert_eq!(frames, 20);
        }
        let mut buffer = FrameBuffer::default();
        while buffer.bytes.len() < LARGE {
            let room = buffer.room().len();
            buffer.filled(room);
        }
        buffer.take_all();
        buffer.share_with(4000);
        assert_eq!(buffer.bytes.len(), SMALL, "others came, and nothing is in it");
    }

    #[test]
    fn messages_of_bittorrent_come_out_whole_however_the_stream_is_cut() {
        let codec = Codec { pieces: MAX_PIECES, ..Codec::default() };
        let bits = vec![0xff; MAX_PIECES as usize / 8];
        let block = vec![9; 16384];
        let mut stream = Vec::new();
        codec.put(&Message::Bitfield { first: 0, bits: &bits }, &mut stream);
        for piece in (0..40).map(PieceIndex) {
            codec.put(&Message::Chunk { piece, offset: 0, data: &block }, &mut stream);
            codec.put(&Message::Ping(0), &mut stream);
        }
        for step in [999, 4096, 77_777, 400_000] {
            let mut buffer = FrameBuffer::default();
            let (mut rest, mut lengths) = (stream.as_slice(), Vec::new());
            while !rest.is_empty() {
                let sent = stream.len() - rest.len();
                let room = buffer.room();
                assert!(!room.is_empty());
                let count = room.len().min(step).min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                buffer.filled(count);
                assert!(buffer.bytes.len() <= 2 * (sent + count) + 2 * SMALL, "{sent} bytes sent");
                rest = &rest[count..];
                while let Some(message) = buffer.next_message(&codec).unwrap() {
                    lengths.push(message.len());
                }
            }
            let mut wanted = [16393, 0].repeat(40);
            wanted.insert(0, bits.len() + 1);
            assert_eq!((lengths, buffer.pending().len()), (wanted, 0), "step {step}");
        }
    }

    #[test]
    fn a_message_too_long_for_its_kind_is_refused_at_its_fifth_byte() {
        let mut buffer = FrameBuffer::default();
        let codec = Codec::default();
        feed(&mut buffer, &[0, 0, 1, 0]);
        assert_eq!(buffer.next_message(&codec), Ok(None));
        feed(&mut buffer, &[4]);
        assert!(matches!(buffer.next_message(&codec), Err(Malformed::Length { .. })));
    }

    #[test]
    fn what_arrived_elsewhere_comes_out_first() {
        for length in [0, 1, SMALL - 1, SMALL, 3 * SMALL] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut buffer = FrameBuffer::holding(&bytes);
            assert!(!buffer.room().is_empty());
            feed(&mut buffer, b"more");
            assert_eq!(buffer.take_all(), [&bytes[..], b"more"].concat());
            assert_eq!(buffer.pending(), b"");
        }
    }

    #[test]
    fn a_magic_is_taken_once_it_is_there() {
        let mut buffer = FrameBuffer::default();
        feed(&mut buffer, b"SWP");
        assert_eq!(buffer.take(4), None);
        feed(&mut buffer, b"1\0\0\0\x02\x1f\x80");
        assert_eq!(buffer.take(4), Some(&b"SWP1"[..]));
        assert_eq!(buffer.next_frame().unwrap().unwrap().kind, 0x1f);
    }
}
