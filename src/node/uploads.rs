//! The upload pool's work: from an outbox to its socket.
//!
//! A pool thread takes one connection, sends a few frames and puts it back at the end of the
//! line. It never waits for a socket: what the socket does not take now is parked on the
//! `writable` thread, which brings the connection back when there is room, or shuts it when
//! nothing moved for 30 s, or too little while others wait. What an upload limit does not let
//! through waits likewise, without a thread, until it is due. Content is read with `pread`, one frame at a time, into the thread's
//! own buffer; the rest of a half-sent frame is read later. A piece that is not what it must be ends
//! the connection, whose peer has been promised the rest of a frame.

use crate::geometry::BLOCK_LEN;
use crate::ids::{PieceIndex, Span};
use crate::node::outbox::{Frame, Next, STALLED};
use crate::node::shared::{Connection, Shared};
use crate::node::socket::{send_now, set_ahead};
use crate::protocol::message::MAX_CHUNK;
use crate::storage::StorageError;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Frames that a connection may send before another has its turn.
const TURN: usize = 16;

/// Room for chunks of up to so many bytes, or one, and what goes before each.
const LONGEST_FRAME: usize = MAX_CHUNK as usize + 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What became of a frame.
enum Sent {
    Whole,
    /// All that the upload limit lets through.
    Allowed,
    /// The socket takes no more now.
    Part,
}

/// What the upload limit lets a connection send; what is not sent of it is given back.
struct Allowance<'a> {
    shared: &'a Shared,
    connection: &'a Arc<Connection>,
    bytes: u64,
}

impl<'a> Allowance<'a> {
    /// What it has waited for.
    fn of(shared: &'a Shared, connection: &'a Arc<Connection>) -> Self {
        Self { shared, connection, bytes: connection.outbox.take_granted() }
    }

    /// Whether something may be sent of a frame of which `length` bytes are left. If not, the
    /// connection waits for it, and may be at the next thread already.
    fn has_some(&mut self, length: u64, begun: bool) -> bool {
        if self.bytes == 0 {
            let now = self.shared.clock.now();
            self.bytes = self.shared.up_limits.ask(now, self.connection, length, begun);
            if self.bytes == 0 {
                self.shared.parked.wake();
            }
        }
        self.bytes > 0
    }
}

impl Drop for Allowance<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 && self.shared.up_limits.give_back(self.connection, self.bytes) {
            self.shared.parked.wake();
        }
    }
}

/// A pool thread's turn with one connection.
pub fn serve(shared: &Shared, connection: &Arc<Connection>) {
    shared.guard.point("upload");
    match turn(shared, connection) {
        Ok(End::Stalled) => {
            let others_wait = connection.torrent.picker.lock().has_waiting();
            let deadline = connection.outbox.on_stall(Instant::now(), others_wait);
            shared.parked.park(connection, deadline);
        }
        Ok(End::Elsewhere) => {}
        Err(Failed::Socket(error)) => {
            log::debug!("{}: sending failed: {error}", connection.who.address);
            connection.shut();
        }
        Err(Failed::Storage(piece, error)) => {
            // What was begun cannot be finished.
            connection.shut();
            shared.content_lost(&connection.torrent, piece, &error);
        }
    }
}

/// Why nothing more is sent.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// The other end is gone.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// This piece cannot be read, or is not what it was.
    #[error("{0}: {1}")]
    Storage(PieceIndex, StorageError),
}

/// How a turn ends.
enum End {
    /// The socket takes no more now.
    Stalled,
    /// Nothing waits, or somebody else brings it back.
    Elsewhere,
}

/// Sends until nothing waits, or until it must wait for something.
fn turn(shared: &Shared, connection: &Arc<Connection>) -> Result<End, Failed> {
    let mut sending = connection.outbox.sending.lock();
    let mut allowance = Allowance::of(shared, connection);
    let mut frames = 0;
    loop {
        if sending.is_none() {
            if frames >= TURN && connection.outbox.is_waiting() {
                shared.schedule(connection);
                return Ok(End::Elsewhere);
            }
            let limited = shared.up_limits.longest_frame(&connection.torrent.info_hash);
            let longest = limited.min(connection.outbox.longest_frame());
            let may_begin = |length| allowance.has_some(length, false);
            *sending = match connection.outbox.next(longest, may_begin) {
                Next::Frame(frame) => Some(frame),
                Next::Later | Next::Idle => {
                    connection.outbox.on_rest();
                    return Ok(End::Elsewhere);
                }
                Next::Ended => {
                    connection.shut();
                    return Ok(End::Elsewhere);
                }
            };
        }
        let frame = sending.as_mut().expect("it was filled above");
        match send(connection, frame, &mut allowance)? {
            Sent::Part => return Ok(End::Stalled),
            Sent::Allowed if allowance.has_some(frame.left(), true) => {}
            Sent::Allowed => {
                connection.outbox.on_rest();
                return Ok(End::Elsewhere);
            }
            Sent::Whole => {
                count(shared, connection, frame);
                *sending = None;
                frames += 1;
            }
        }
    }
}

fn count(shared: &Shared, connection: &Connection, frame: &Frame) {
    if let Frame::Chunks { chunks, .. } = frame {
        // A hybrid's pads are nobody's content.
        let geometry = &connection.torrent.geometry;
        let real = |span: &Span| {
            span.length.min(geometry.length_of(span.piece).saturating_sub(span.offset))
        };
        let bytes = chunks.iter().map(|(_, span)| u64::from(real(span))).sum();
        connection.uploaded.fetch_add(bytes, Ordering::Relaxed);
        connection.torrent.on_uploaded(shared.clock.now(), bytes);
    }
}

fn send(
    connection: &Connection,
    frame: &mut Frame,
    allowance: &mut Allowance<'_>,
) -> Result<Sent, Failed> {
    let lies = allowance.shared.lies;
    let stalled = match frame {
        Frame::Control { bytes, sent } => {
            *sent += send_all(connection, &bytes[*sent..])?;
            *sent < bytes.len()
        }
        Frame::Chunks { chunks, sent } => BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(LONGEST_FRAME, 0);
            let most = allowance.bytes.min(LONGEST_FRAME as u64) as usize;
            let length = read_part(connection, chunks, *sent, &mut buffer[..most], lies)
                .map_err(|(piece, error)| Failed::Storage(piece, error))?;
            let count = send_all(connection, &buffer[..length])?;
            *sent += count;
            allowance.bytes -= count as u64;
            Ok::<_, Failed>(count < length)
        })?,
    };
    Ok(match (stalled, frame.left()) {
        (true, _) => Sent::Part,
        (false, 0) => Sent::Whole,
        (false, _) => Sent::Allowed,
    })
}

/// Reads what follows the first `skip` bytes of chunks and their heads, as much as there is room
/// for; says how much that is. Every piece is vouched for before and after it is read.
fn read_part(
    connection: &Connection,
    chunks: &[(Vec<u8>, Span)],
    mut skip: usize,
    mut room: &mut [u8],
    lies: bool,
) -> Result<usize, (PieceIndex, StorageError)> {
    let (all, torrent) = (room.len(), &connection.torrent);
    let mut read: Vec<PieceIndex> = Vec::new();
    for (head, span) in chunks {
        let from = skip.min(head.len());
        let (out, rest) = room.split_at_mut((head.len() - from).min(room.len()));
        out.copy_from_slice(&head[from..from + out.len()]);
        skip -= from;
        let from = skip.min(span.length as usize);
        let (out, rest) = rest.split_at_mut((span.length as usize - from).min(rest.len()));
        if !out.is_empty() {
            let piece = span.piece;
            if read.last() != Some(&piece) {
                torrent.storage.vouch(piece).map_err(|error| (piece, error))?;
                read.push(piece);
            }
            let from = span.offset + from as u32;
            torrent.read(piece, from, out).map_err(|error| (piece, error))?;
            if lies {
                bend(from, out);
            }
        }
        skip -= from;
        room = rest;
    }
    for piece in read {
        torrent.storage.vouch(piece).map_err(|error| (piece, error))?;
    }
    Ok(all - room.len())
}

/// Makes the first byte of every block wrong, in bytes that begin at `from` in their piece.
fn bend(from: u32, bytes: &mut [u8]) {
    let first = (from.next_multiple_of(BLOCK_LEN) - from) as usize;
    bytes.iter_mut().skip(first).step_by(BLOCK_LEN as usize).for_each(|byte| *byte ^= 1);
}

/// Sends what the socket takes now, and says how much that is.
fn send_all(connection: &Connection, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match send_now(&connection.stream, &bytes[sent..])? {
            0 => break,
            count => sent += count,
        }
    }
    connection.outbox.on_taken(sent as u64);
    Ok(sent)
}

/// The `writable` thread: brings connections back to the pool that waited for their sockets or for
/// an upload limit.
pub fn watch_parked(shared: &Arc<Shared>) {
    while !shared.is_stopping() {
        shared.guard.point("writable");
        let now = shared.clock.now();
        let (allowed, next) = shared.up_limits.next(now);
        allowed.iter().for_each(|connection| shared.schedule(connection));
        let longest = next.map_or(STALLED / 4, |next| next.since(now).min(STALLED / 4));
        match shared.parked.wait(longest) {
            Ok(awake) => awake.iter().for_each(|connection| {
                if let Some(bytes) = connection.outbox.on_writable(Instant::now())
                    && let Err(error) = set_ahead(&connection.stream, bytes)
                {
                    log::debug!("{}: {bytes} bytes ahead: {error}", connection.who.address);
                }
                shared.schedule(connection);
            }),
            Err(error) => {
                log::error!("waiting for sockets failed: {error}");
                return;
            }
        }
    }
}
