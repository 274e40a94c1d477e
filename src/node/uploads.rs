//! The upload pool's work: from an outbox to its socket.
//!
//! A pool thread takes one connection, sends a few frames and puts it back at the end of the
//! line. It never waits for a socket: what the socket does not take now is parked on the
//! `writable` thread, which brings the connection back when there is room, or shuts it when
//! nothing moved for 30 s. Content is read with `pread`, one frame at a time, into the thread's
//! own buffer; the rest of a half-sent frame is read again later.

use crate::ids::Span;
use crate::node::outbox::{Frame, Next};
use crate::node::shared::{Connection, Shared};
use crate::node::socket::{Until, send_now};
use crate::protocol::message::MAX_CHUNK;
use crate::storage::StorageError;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Frames that a connection may send before another has its turn.
const TURN: usize = 16;

/// A peer that takes nothing for so long is let go.
const STALLED: Duration = Duration::from_secs(30);

/// With an upload limit, frames are cut so that one is at most this share of a second.
const FRAMES_PER_SECOND: u64 = 20;

/// Room for chunks of up to so many bytes, or one, and what goes before each.
const LONGEST_FRAME: usize = MAX_CHUNK as usize + 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What became of a frame.
enum Sent {
    Whole,
    /// The socket takes no more now.
    Part,
}

/// A pool thread's turn with one connection.
pub fn serve(shared: &Shared, connection: &Arc<Connection>) {
    match turn(shared, connection) {
        Ok(Some(until)) => {
            shared.parked.park(connection, until);
            // Said after the turn and before it was parked: nobody else brings it back for that.
            if matches!(until, Until::Allowed(_)) && connection.outbox.has_control() {
                shared.unpark(connection);
            }
        }
        Ok(None) => {}
        Err(Failed::Socket(error)) => {
            log::debug!("{}: sending failed: {error}", connection.who.address);
            connection.shut();
        }
        Err(Failed::Storage(error)) => {
            connection.shut();
            shared.disk_failed(&connection.torrent, error);
        }
    }
}

/// Why nothing more is sent.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// The other end is gone.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// The content cannot be read, or is not what it was.
    #[error("{0}")]
    Storage(#[from] StorageError),
}

/// Sends until nothing waits (`None`), or until it must wait for something.
fn turn(shared: &Shared, connection: &Arc<Connection>) -> Result<Option<Until>, Failed> {
    let mut sending = connection.outbox.sending.lock();
    let mut frames = 0;
    loop {
        if sending.is_none() {
            if frames >= TURN && connection.outbox.is_waiting() {
                shared.schedule(connection);
                return Ok(None);
            }
            let reserve = |length: u32| {
                let now = shared.clock.now();
                shared.up_limit.lock().reserve(now, length.into())
            };
            let longest = shared.longest_frame();
            *sending = match connection.outbox.next(longest, Instant::now(), reserve) {
                Next::Frame(frame) => Some(frame),
                Next::Later(due) => return Ok(Some(Until::Allowed(due))),
                Next::Idle => return Ok(None),
                Next::Ended => {
                    connection.shut();
                    return Ok(None);
                }
            };
        }
        let frame = sending.as_mut().expect("it was filled above");
        match send(connection, frame)? {
            Sent::Part => return Ok(Some(Until::Writable(Instant::now() + STALLED))),
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

fn send(connection: &Connection, frame: &mut Frame) -> Result<Sent, Failed> {
    match frame {
        Frame::Control { bytes, sent } => {
            while *sent < bytes.len() {
                match send_now(&connection.stream, &bytes[*sent..])? {
                    0 => return Ok(Sent::Part),
                    count => *sent += count,
                }
            }
            Ok(Sent::Whole)
        }
        Frame::Chunks { chunks, sent } => BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(LONGEST_FRAME, 0);
            let mut end = 0;
            let mut skip = *sent;
            for (head, span) in chunks {
                let head_left = &head[skip.min(head.len())..];
                skip = skip.saturating_sub(head.len());
                buffer[end..end + head_left.len()].copy_from_slice(head_left);
                end += head_left.len();
                let from = skip.min(span.length as usize);
                skip -= from;
                let out = &mut buffer[end..end + span.length as usize - from];
                connection.torrent.read(span.piece, span.offset + from as u32, out)?;
                end += out.len();
            }
            let mut rest = &buffer[..end];
            while !rest.is_empty() {
                match send_now(&connection.stream, rest)? {
                    0 => return Ok(Sent::Part),
                    count => {
                        *sent += count;
                        rest = &rest[count..];
                    }
                }
            }
            Ok(Sent::Whole)
        }),
    }
}

impl Shared {
    /// The longest chunk frame: short ones under an upload limit, so that it is kept smoothly.
    fn longest_frame(&self) -> u32 {
        let rate = self.up_limit.lock().rate();
        rate.map_or(u32::MAX, |rate| (rate / FRAMES_PER_SECOND).min(u64::from(u32::MAX)) as u32)
    }
}

/// The `writable` thread: brings parked connections back to the pool.
pub fn watch_parked(shared: &Shared) {
    let mut events = polling::Events::new();
    while !shared.is_stopping() {
        match shared.parked.wait(&mut events, STALLED / 4) {
            Ok(awake) => awake.iter().for_each(|connection| shared.schedule(connection)),
            Err(error) => {
                log::error!("waiting for sockets failed: {error}");
                return;
            }
        }
    }
}
