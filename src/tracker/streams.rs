//! TCP connections of the tracker: bounded, non-blocking, each with a deadline.
//!
//! A connection opens with `SWT1` and is closed at the first byte that differs (an HTTP method
//! would be told apart at the same place, in [`Connection::greet`]). Then it carries requests,
//! one at a time: while an answer has not been taken, nothing more is read. A frame must be
//! complete, and an answer's frame taken, within [`FRAME_TIME`]; who is slower or idle is closed,
//! and delays nobody, because a turn gives each connection one read and [`STEPS_A_TURN`] steps.

use super::FIRST_STREAM_KEY;
use super::state::{Asker, Feed, State, Upload};
use crate::clock::Moment;
use crate::protocol::frame::TRACKER_MAGIC;
use crate::protocol::tracker_native::Packet;
use crate::readiness::{Interest, Readiness, Watched};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Connections at most.
const MAX_CONNECTIONS: usize = 512;

/// Connections of one address at most, unless it is loopback.
const MAX_PER_ADDRESS: usize = 64;

/// Connections accepted in one turn.
const ACCEPTS_A_TURN: usize = 64;

/// Requests and frames of answers handled for one connection in one turn.
const STEPS_A_TURN: usize = 16;

/// How long one frame may take, in either direction; also how long a connection may be idle.
const FRAME_TIME: Duration = Duration::from_secs(5);

/// How long not to accept when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A buffer that grew beyond this is given back when it is empty.
const KEPT_BUFFER: usize = 16 * 1024;

/// All connections.
pub(super) struct Streams {
    listener: Watched<TcpListener>,
    resume: Option<Moment>,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    per_address: HashMap<IpAddr, usize>,
}

struct Connection {
    socket: Watched<TcpStream>,
    asker: Asker,
    greeted: bool,
    ended: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    feed: Option<Feed>,
    upload: Upload,
    deadline: Moment,
}

/// The connection is over.
struct Closed;

impl Streams {
    pub fn new(listener: Watched<TcpListener>) -> Self {
        let (slots, free, per_address) = (Vec::new(), Vec::new(), HashMap::new());
        Self { listener, resume: None, slots, free, per_address }
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// When the next connection is too slow, or accepting goes on.
    pub fn deadline(&self) -> Option<Moment> {
        let deadlines = self.slots.iter().flatten().map(|connection| connection.deadline);
        deadlines.chain(self.resume).min()
    }

    /// Accepts who is waiting.
    pub fn on_callers(&mut self, now: Moment, readiness: &Readiness) {
        for _ in 0..ACCEPTS_A_TURN {
            match self.listener.accept() {
                Ok((socket, from)) => self.take_in(now, socket, from, readiness),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // The caller went away meanwhile.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => return self.pause_accepting(now, &e),
            }
        }
    }

    /// A connection can be read or written.
    pub fn on_ready(&mut self, now: Moment, slot: usize, state: &mut State, scratch: &mut [u8]) {
        let Some(Some(connection)) = self.slots.get_mut(slot) else { return };
        if connection.turn(now, state, scratch).is_err() {
            self.close(slot, state);
        }
    }

    /// Closes who is too slow.
    pub fn on_tick(&mut self, now: Moment, state: &mut State) {
        if self.resume.is_some_and(|resume| resume <= now) {
            self.resume = None;
            let _ = self.listener.set_interest(Interest::Read);
        }
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_some_and(|connection| connection.deadline <= now) {
                self.close(slot, state);
            }
        }
    }

    /// Level-triggered readiness would call again at once while descriptors are scarce.
    fn pause_accepting(&mut self, now: Moment, why: &io::Error) {
        log::warn!("cannot accept connections for a moment: {why}");
        self.resume = Some(now + ACCEPT_PAUSE);
        let _ = self.listener.set_interest(Interest::None);
    }

    /// Adds a connection, or drops it: beyond a bound, or if its socket is broken already.
    fn take_in(&mut self, now: Moment, socket: TcpStream, from: SocketAddr, on: &Readiness) {
        let remote = from.ip().to_canonical();
        let same = self.per_address.get(&remote).copied().unwrap_or(0);
        let crowded = same >= MAX_PER_ADDRESS && !remote.is_loopback();
        if crowded || self.open() >= MAX_CONNECTIONS {
            return;
        }
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        let Ok(connection) = Connection::new(now, socket, remote, slot, on) else { return };
        *self.per_address.entry(remote).or_default() += 1;
        if self.free.pop().is_some() {
            self.slots[slot] = Some(connection);
        } else {
            self.slots.push(Some(connection));
        }
    }

    fn close(&mut self, slot: usize, state: &mut State) {
        let Some(mut connection) = self.slots[slot].take() else { return };
        state.on_upload_ended(&mut connection.upload);
        self.free.push(slot);
        let remote = connection.asker.remote;
        if let Some(count) = self.per_address.get_mut(&remote) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&remote);
            }
        }
    }
}

impl Connection {
    fn new(
        now: Moment,
        socket: TcpStream,
        remote: IpAddr,
        slot: usize,
        readiness: &Readiness,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let local = socket.local_addr()?.ip().to_canonical();
        Ok(Self {
            socket: readiness.watch(socket, slot + FIRST_STREAM_KEY, Interest::Read)?,
            asker: Asker { remote, local },
            greeted: false,
            ended: false,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            feed: None,
            upload: Upload::None,
            deadline: now + FRAME_TIME,
        })
    }

    /// Writes what waits, reads once, and handles a few requests.
    fn turn(&mut self, now: Moment, state: &mut State, scratch: &mut [u8]) -> Result<(), Closed> {
        self.flush()?;
        let mut steps = STEPS_A_TURN;
        if self.is_idle() {
            self.read(scratch)?;
            self.greet()?;
        }
        while steps > 0 && self.output.is_empty() && self.step(now, state)? {
            self.flush()?;
            steps -= 1;
        }
        if self.ended && self.is_idle() && steps > 0 {
            return Err(Closed);
        }
        // Work that is left over is taken up when the socket takes bytes, which may be at once.
        let interest = if self.is_idle() && steps > 0 { Interest::Read } else { Interest::Write };
        self.socket.set_interest(interest).map_err(|_| Closed)
    }

    /// Nothing waits to be sent.
    fn is_idle(&self) -> bool {
        self.output.is_empty() && self.feed.is_none()
    }

    fn flush(&mut self) -> Result<(), Closed> {
        while self.sent < self.output.len() {
            match (&*self.socket).write(&self.output[self.sent..]) {
                Ok(0) => return Err(Closed),
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Closed),
            }
        }
        self.sent = 0;
        empty(&mut self.output);
        Ok(())
    }

    fn read(&mut self, scratch: &mut [u8]) -> Result<(), Closed> {
        match (&*self.socket).read(scratch) {
            Ok(0) => self.ended = true,
            Ok(n) => self.input.extend_from_slice(&scratch[..n]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Closed),
        }
        Ok(())
    }

    /// Takes the opening bytes off; closes at the first that opens no stream we know.
    fn greet(&mut self) -> Result<(), Closed> {
        if self.greeted {
            return Ok(());
        }
        let there = self.input.len().min(TRACKER_MAGIC.len());
        if self.input[..there] != TRACKER_MAGIC[..there] {
            return Err(Closed);
        }
        if there == TRACKER_MAGIC.len() {
            self.greeted = true;
            self.input.drain(..there);
        }
        Ok(())
    }

    /// Puts the next frame of an answer into the output; false if there is nothing to do.
    fn step(&mut self, now: Moment, state: &mut State) -> Result<bool, Closed> {
        if let Some(feed) = &mut self.feed {
            if !feed.put_next(&mut self.output) {
                self.feed = None;
            }
        } else {
            if !self.greeted {
                return Ok(false);
            }
            let first = Packet::first_in(&self.input).map_err(|_| Closed)?;
            let Some((packet, used)) = first else { return Ok(false) };
            self.feed =
                state.on_frame(now, self.asker, &packet, &mut self.upload, &mut self.output);
            self.input.drain(..used);
            if self.input.is_empty() {
                empty(&mut self.input);
            }
        }
        self.deadline = now + FRAME_TIME;
        Ok(true)
    }
}

fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT_BUFFER {
        *buffer = Vec::new();
    }
}
