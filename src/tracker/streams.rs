//! TCP connections of the tracker: bounded, non-blocking, each with a deadline.
//!
//! A connection opens with `SWT1` or an HTTP method and is closed at the first byte that fits
//! neither ([`Connection::greet`]). Then it carries requests, one at a time: while an answer has
//! not been taken, nothing more is read. A frame or an HTTP head must be complete, and an
//! answer's frame taken, within [`FRAME_TIME`]; who is slower or idle is closed, and delays
//! nobody, because a turn gives each connection one read and [`STEPS_A_TURN`] steps. When there
//! are too many, HTTP connections that are only kept for a further request give way. Who watches
//! keeps its connection, see [`watchers`].

mod watchers;

use super::FIRST_STREAM_KEY;
use super::controls::Step;
use super::http;
use super::live::{Event, SceneId};
use super::pages::{self, Page};
use super::state::{Asker, Feed, State, Upload};
use crate::clock::Moment;
use crate::protocol::frame::TRACKER_MAGIC;
use crate::protocol::tracker_native::Packet;
use crate::readiness::{Interest, Readiness, Watched};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Connections at most.
const MAX_CONNECTIONS: usize = 768;

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
    /// An event, and the first slot that has not been looked at for its watchers.
    showing: Option<(Event, usize)>,
}

struct Connection {
    socket: Watched<TcpStream>,
    asker: Asker,
    dialect: Dialect,
    /// The other side has said everything.
    ended: bool,
    /// We have, or will once the output is gone.
    leaving: Leaving,
    /// Whether it had an answer already.
    answered: bool,
    /// There is more to answer in the input than one turn does: nothing is read until it is done.
    unfinished: bool,
    /// It asked for a page, and this turn had made one already.
    put_off: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    feed: Option<Feed>,
    upload: Upload,
    watches: Option<SceneId>,
    deadline: Moment,
}

/// What a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Its opening bytes are not all there.
    Unknown,
    Native,
    Http,
}

/// How a connection ends from our side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// Not yet.
    No,
    /// When the output is gone.
    AtOnce,
    /// When the output is gone and the other side has closed: what it still sends is read and
    /// dropped until its deadline, or the system would cut the answer off.
    Politely,
}

/// The connection is over.
struct Closed;

impl Streams {
    pub fn new(listener: Watched<TcpListener>) -> Self {
        let (slots, free, per_address) = (Vec::new(), Vec::new(), HashMap::new());
        Self { listener, resume: None, slots, free, per_address, showing: None }
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// When the next connection is too slow, or accepting goes on.
    pub fn deadline(&self) -> Option<Moment> {
        let deadlines = self.slots.iter().flatten().map(|connection| connection.deadline);
        let showing = self.showing.as_ref().map(|_| Moment::START);
        deadlines.chain(self.resume).chain(showing).min()
    }

    /// Accepts who is waiting.
    pub fn on_callers(&mut self, now: Moment, readiness: &Readiness, state: &mut State) {
        for _ in 0..ACCEPTS_A_TURN {
            match self.listener.accept() {
                Ok((socket, from)) => self.take_in(now, socket, from, readiness, state),
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
        state.on_connections(self.open());
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
    fn take_in(
        &mut self,
        now: Moment,
        socket: TcpStream,
        from: SocketAddr,
        on: &Readiness,
        state: &mut State,
    ) {
        let remote = from.ip().to_canonical();
        let same = self.per_address.get(&remote).copied().unwrap_or(0);
        let crowded = same >= MAX_PER_ADDRESS && !remote.is_loopback();
        if crowded && !self.close_kept(Some(remote), state) {
            return;
        }
        if self.open() >= MAX_CONNECTIONS && !self.close_kept(None, state) {
            self.close_unanswered(state);
        }
        if self.open() >= MAX_CONNECTIONS {
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

    /// Closes the connection that has been kept the longest for a further request, of one
    /// address or of all; false if there is none.
    fn close_kept(&mut self, remote: Option<IpAddr>, state: &mut State) -> bool {
        let kept = self.slots.iter().enumerate().filter_map(|(slot, connection)| {
            let connection = connection.as_ref().filter(|connection| connection.is_kept())?;
            let asked = remote.is_none_or(|remote| connection.asker.remote == remote);
            asked.then_some((connection.deadline, slot))
        });
        let oldest = kept.min().map(|(_, slot)| slot);
        oldest.inspect(|&slot| self.close(slot, state)).is_some()
    }

    /// Closes the connection that has had the longest time to ask something whole and has not: a
    /// crowd of slow callers keeps nobody out.
    fn close_unanswered(&mut self, state: &mut State) {
        let slots = self.slots.iter().enumerate();
        let slow = slots.filter_map(|(slot, connection)| {
            let connection = connection.as_ref().filter(|connection| !connection.answered)?;
            Some((connection.deadline, slot))
        });
        if let Some((_, slot)) = slow.min() {
            self.close(slot, state);
        }
    }

    fn close(&mut self, slot: usize, state: &mut State) {
        let Some(mut connection) = self.slots[slot].take() else { return };
        state.on_upload_ended(&mut connection.upload);
        connection.watches.inspect(|&scene| state.on_watcher_left(scene));
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
            dialect: Dialect::Unknown,
            ended: false,
            leaving: Leaving::No,
            answered: false,
            unfinished: false,
            put_off: false,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            feed: None,
            upload: Upload::None,
            watches: None,
            deadline: now + FRAME_TIME,
        })
    }

    /// Writes what waits, reads once, and handles a few requests.
    fn turn(&mut self, now: Moment, state: &mut State, scratch: &mut [u8]) -> Result<(), Closed> {
        if self.watches.is_some() {
            return self.turn_of_watcher(now, scratch);
        }
        self.flush()?;
        if self.leaving == Leaving::Politely && self.is_idle() {
            return self.drain(scratch);
        }
        let mut steps = STEPS_A_TURN;
        if self.is_idle() && !self.unfinished {
            self.read(scratch)?;
            self.greet()?;
        }
        while steps > 0 && self.output.is_empty() && self.step(now, state)? {
            self.flush()?;
            steps -= 1;
        }
        if std::mem::take(&mut self.put_off) {
            steps = 0;
        }
        if self.is_idle() {
            match self.leaving {
                Leaving::No if self.ended && steps > 0 => return Err(Closed),
                Leaving::No => {}
                Leaving::AtOnce => return Err(Closed),
                Leaving::Politely => return self.drain(scratch),
            }
        }
        self.unfinished = steps == 0;
        // Work that is left over is taken up when the socket takes bytes, which may be at once.
        let interest = if self.is_idle() && steps > 0 { Interest::Read } else { Interest::Write };
        self.socket.set_interest(interest).map_err(|_| Closed)
    }

    /// Nothing waits to be sent.
    fn is_idle(&self) -> bool {
        self.output.is_empty() && self.feed.is_none()
    }

    /// Answered, and nothing more has been asked: only kept for what may come.
    fn is_kept(&self) -> bool {
        self.dialect == Dialect::Http
            && self.answered
            && self.input.is_empty()
            && self.is_idle()
            && self.leaving == Leaving::No
            && self.watches.is_none()
    }

    /// Reads what is no longer wanted; over once the other side has closed.
    fn drain(&mut self, scratch: &mut [u8]) -> Result<(), Closed> {
        self.socket.shutdown(Shutdown::Write).map_err(|_| Closed)?;
        self.read(scratch)?;
        self.input = Vec::new();
        if self.ended {
            return Err(Closed);
        }
        self.socket.set_interest(Interest::Read).map_err(|_| Closed)
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
        if self.dialect != Dialect::Unknown {
            return Ok(());
        }
        let there = self.input.len().min(TRACKER_MAGIC.len());
        if self.input[..there] != TRACKER_MAGIC[..there] {
            if http::opens(&self.input).ok_or(Closed)? {
                self.dialect = Dialect::Http;
            }
        } else if there == TRACKER_MAGIC.len() {
            self.dialect = Dialect::Native;
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
            let used = match self.dialect {
                _ if self.leaving != Leaving::No => None,
                Dialect::Unknown => None,
                Dialect::Native => self.answer_frame(now, state)?,
                Dialect::Http => self.answer_http(now, state),
            };
            let Some(used) = used else { return Ok(false) };
            self.input.drain(..used);
            if self.input.is_empty() {
                empty(&mut self.input);
            }
        }
        self.answered = true;
        self.deadline = now + FRAME_TIME;
        Ok(true)
    }

    /// Answers the first frame, if it is all there; says how long it was.
    fn answer_frame(&mut self, now: Moment, state: &mut State) -> Result<Option<usize>, Closed> {
        let first = Packet::first_in(&self.input).map_err(|_| Closed)?;
        let Some((packet, used)) = first else { return Ok(None) };
        self.feed = state.on_frame(now, self.asker, &packet, &mut self.upload, &mut self.output);
        Ok(Some(used))
    }

    /// Answers the first HTTP request, if its head is all there; says how long it was.
    fn answer_http(&mut self, now: Moment, state: &mut State) -> Option<usize> {
        if let Some(step) = state.on_order(self.asker, &self.input) {
            let Step::Answer(status, words) = step else { return None };
            http::put(&mut self.output, status, false, false, words.as_bytes());
            self.leaving = Leaving::Politely;
            return Some(self.input.len());
        }
        match http::read(&self.input) {
            Ok(first) => {
                let (request, used) = first?;
                let scene = pages::scene_at(request.target, state.has_dashboard());
                if (scene.is_some() || Page::is_at(request.target))
                    && !state.is_called(request.host)
                {
                    http::put_refusal(&mut self.output, 421);
                    self.leaving = Leaving::Politely;
                    return Some(self.input.len());
                }
                if let Some(scene) = scene {
                    self.answer_watcher(now, state, scene, request.head_only);
                    return Some(self.input.len());
                }
                if Page::is_at(request.target) {
                    if !state.may_make_page() {
                        self.put_off = true;
                        return None;
                    }
                    let page = Page::at(request.target, now, state);
                    page.put(&mut self.output, request.keep, request.head_only);
                } else {
                    let (status, body) = state.on_http(now, self.asker, request.target);
                    http::put(&mut self.output, status, request.keep, request.head_only, &body);
                }
                if !request.keep {
                    let more_may_come = request.has_body || self.input.len() > used;
                    self.leaving = if more_may_come { Leaving::Politely } else { Leaving::AtOnce };
                }
                Some(used)
            }
            Err(status) => {
                http::put_refusal(&mut self.output, status);
                self.leaving = Leaving::Politely;
                Some(self.input.len())
            }
        }
    }
}

fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT_BUFFER {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests;
