//! Where a node's trace goes (`--trace`): lines are put into memory by whoever has something to
//! tell, and a thread of their own, `trace`, writes them to the file once a second.
//!
//! Lines are made under other locks (an outbox's, the picker's), and nothing may wait for a disk
//! or a pipe there, nor may the coordinator: that is why the file has a thread. What the file does
//! not take soon enough is not kept beyond 16 MiB: a line says how many are missing. A file that
//! fails is reported once and ends the trace, never a transfer.
//!
//! Without a file the same lines are made while somebody looks ([`Trace::since`]), and the last of
//! them are kept for that; when nobody has looked for a while, no line is made.
//!
//! `t` is when a control message is put into its outbox, when the first frame of content that holds
//! a chunk is begun, and when a message that came is read out of the receive buffer. Lines stand in
//! this order; only the first words of a connection come late, when it is known that it is one.

use crate::bitfield::Bitfield;
use crate::clock::{Clock, Moment};
use crate::ids::{PEER_ID_PREFIX, PeerId, Span};
use crate::logic::swarm::Action;
use crate::node::NodeError;
use crate::node::opening::Opening;
use crate::node::shared::{self, Connection, Shared, Torrent};
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use crate::protocol::speech::Speech;
use crate::trace::{Event, Link, Said, write};
use crossbeam_channel::RecvTimeoutError::Timeout;
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Bytes that may wait for the file: what the busiest node tells in some seconds.
const MOST: usize = 16 * 1024 * 1024;

/// How often the file gets what is there.
const EVERY: Duration = Duration::from_secs(1);

/// How long a node that has stopped waits for the file at least.
const LAST: Duration = Duration::from_millis(200);

/// Lines that are kept for whoever looks: what the busiest node tells in a second.
const KEPT: usize = 20_000;

/// When nobody has looked for so long, nobody looks.
const LOOKS: Duration = Duration::from_secs(5);

/// What is told at a node.
#[derive(Debug)]
pub struct Trace {
    clock: Clock,
    /// What the node is called in it.
    name: String,
    /// Whether there is a file, or somebody looks.
    is_heard: AtomicBool,
    pending: Mutex<Pending>,
}

/// What waits for the file, and what is kept for whoever looks.
#[derive(Debug, Default)]
struct Pending {
    lines: String,
    /// How many lines there was no room for.
    lost: u64,
    /// There is no file, or it failed.
    is_over: bool,
    kept: Option<Kept>,
}

/// Lines for whoever looks.
#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Arc<str>>,
    /// The number of the first of them.
    first: u64,
    /// When somebody last looked.
    looked: Moment,
}

/// Lines of a trace from some place on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// Lines of JSON.
    pub lines: Vec<Arc<str>>,
    /// How many that were asked for are not kept any more.
    pub lost: u64,
    /// The place behind them.
    pub next: u64,
}

impl Trace {
    fn new(clock: Clock, name: String, has_file: bool) -> Self {
        let pending = Pending { is_over: !has_file, ..Pending::default() };
        let (is_heard, pending) = (AtomicBool::new(has_file), Mutex::new(pending));
        Self { clock, name, is_heard, pending }
    }

    /// Something happens now.
    pub fn write(&self, event: &Event) {
        self.put(|| self.clock.now(), event);
    }

    /// Something happened.
    fn write_at(&self, t: Moment, event: &Event) {
        self.put(|| t, event);
    }

    /// The time is taken under the lock, so that it never runs backwards from line to line.
    fn put(&self, t: impl FnOnce() -> Moment, event: &Event) {
        if !self.is_heard() {
            return;
        }
        let pending = &mut *self.pending.lock();
        let t = t();
        if pending.kept.as_ref().is_some_and(|kept| t.since(kept.looked) >= LOOKS) {
            pending.kept = None;
            self.is_heard.store(!pending.is_over, Ordering::Relaxed);
        }
        // A line is made once, behind what waits for the file, and taken back if it is not for that.
        let end = pending.lines.len();
        let is_full = end >= MOST;
        let is_for_file = !pending.is_over && !is_full;
        pending.lost += u64::from(!pending.is_over && is_full);
        if is_for_file || pending.kept.is_some() {
            write(&mut pending.lines, t, &self.name, event);
        }
        if let Some(kept) = &mut pending.kept {
            kept.put(&pending.lines[end..]);
        }
        if !is_for_file {
            pending.lines.truncate(end);
        }
    }

    /// Whether lines are made at all.
    pub fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Relaxed)
    }

    /// Lines from a place on, or from now on; they are kept as long as somebody asks for them every
    /// five seconds.
    pub fn since(&self, place: Option<u64>) -> Lines {
        let now = self.clock.now();
        let mut pending = self.pending.lock();
        self.is_heard.store(true, Ordering::Relaxed);
        let kept = pending.kept.get_or_insert_default();
        kept.looked = now;
        kept.since(place)
    }

    /// Gives the file what waits; `spare` is an empty buffer, and is one again.
    fn flush(&self, file: &mut impl Write, spare: &mut String) -> io::Result<()> {
        let lost = {
            let mut pending = self.pending.lock();
            std::mem::swap(&mut pending.lines, spare);
            std::mem::take(&mut pending.lost)
        };
        if lost > 0 {
            write(spare, self.clock.now(), &self.name, &Event::Lost { lines: lost });
        }
        file.write_all(spare.as_bytes())?;
        spare.clear();
        Ok(())
    }

    /// The `trace` thread.
    fn run(&self, file: &mut impl Write, stopped: &Receiver<()>) -> io::Result<()> {
        let mut spare = String::new();
        while stopped.recv_timeout(EVERY) == Err(Timeout) {
            self.flush(file, &mut spare)?;
        }
        self.flush(file, &mut spare)
    }

    fn give_up(&self) {
        let mut pending = self.pending.lock();
        let kept = pending.kept.take();
        self.is_heard.store(kept.is_some(), Ordering::Relaxed);
        *pending = Pending { is_over: true, kept, ..Pending::default() };
    }
}

impl Kept {
    /// Keeps a line; of an event that makes none there is nothing to keep.
    fn put(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
            self.first += 1;
        }
        self.lines.push_back(line.trim_end().into());
    }

    fn since(&self, place: Option<u64>) -> Lines {
        let next = self.first + self.lines.len() as u64;
        // A place of an earlier look, which ended meanwhile, is none of these.
        let place = place.filter(|&place| place <= next).unwrap_or(next);
        let skipped = place.saturating_sub(self.first) as usize;
        let lines = self.lines.iter().skip(skipped).cloned().collect();
        Lines { lines, lost: self.first.saturating_sub(place), next }
    }
}

/// A trace without a file.
pub fn without_file(clock: Clock, id: PeerId, listen: SocketAddr) -> Arc<Trace> {
    Arc::new(Trace::new(clock, name_of(id, listen), false))
}

/// Ends a trace.
#[derive(Debug)]
pub struct Writer {
    stop: Sender<()>,
    ended: Receiver<()>,
}

impl Writer {
    /// Writes the last lines, as far as the file takes them in time.
    pub fn finish(self, deadline: Instant) {
        drop(self.stop);
        let _ = self.ended.recv_deadline(deadline.max(Instant::now() + LAST));
    }
}

/// Makes the file and starts its thread.
pub fn start(
    path: &Path,
    clock: Clock,
    id: PeerId,
    listen: SocketAddr,
) -> Result<(Arc<Trace>, Writer), NodeError> {
    let failed = |source| NodeError::Trace { path: path.to_owned(), source };
    let mut file = File::create(path).map_err(failed)?;
    let name = name_of(id, listen);
    let trace = Arc::new(Trace::new(clock, name, true));
    trace.write(&Event::Start { id: Some(id), listen });
    let (stop, stopped) = bounded::<()>(0); // never sent on
    let (running, ended) = bounded::<()>(0); // never sent on
    let (written, shown) = (trace.clone(), path.display().to_string());
    Builder::new().name("trace".to_owned()).spawn(move || {
        if let Err(error) = written.run(&mut file, &stopped) {
            written.give_up();
            log::warn!("{shown}: the trace ends here: {error}");
        }
        drop(running);
    })?;
    Ok((trace, Writer { stop, ended }))
}

/// What a node is called: its address, or, when that stands for any, what is random in its id.
fn name_of(id: PeerId, listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        id.to_string().chars().skip(PEER_ID_PREFIX.len()).collect()
    } else {
        listen.to_string()
    }
}

/// Which way messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From us.
    Out,
    /// To us.
    In,
}

/// Numbers and traces what goes one way on a connection.
#[derive(Debug)]
pub struct Tap {
    trace: Arc<Trace>,
    link: Link,
    way: Way,
    /// How many went before; the first words are number 0.
    seq: u64,
}

impl Tap {
    /// A message was put into the outbox.
    pub fn on_said(&mut self, speech: &Speech, message: &Message) {
        match (message, speech) {
            // Said without the fast extension, it is a bitfield.
            (Message::HaveAll, Speech::BitTorrent(codec)) if !codec.fast => {
                let all = Bitfield::full(codec.pieces);
                let whole = Message::Bitfield { first: 0, bits: all.as_bytes() };
                self.put(Said::Message(&whole));
            }
            _ => self.put(Said::Message(message)),
        }
    }

    /// A chunk was taken out of the outbox, to be sent.
    pub fn on_chunk(&mut self, span: Span) {
        self.put(Said::Chunk(span));
    }

    /// A message came, or one that is passed over.
    pub fn on_heard(&mut self, message: Option<&Message>) {
        self.put(message.map_or(Said::Other, Said::Message));
    }

    fn put(&mut self, said: Said) {
        let (link, seq) = (self.link, self.seq);
        self.seq += 1;
        self.trace.write(&match self.way {
            Way::Out => Event::Send { link, seq, said },
            Way::In => Event::Recv { link, seq, said },
        });
    }
}

impl Shared {
    /// What traces one way of a connection, if it is traced.
    pub fn tap(&self, link: Link, way: Way) -> Option<Tap> {
        Some(Tap { trace: self.trace.clone()?, link, way, seq: 1 })
    }

    /// The trace, if anybody hears of it.
    fn heard(&self) -> Option<&Trace> {
        self.trace.as_deref().filter(|trace| trace.is_heard())
    }

    /// A connection is made.
    pub fn trace_connection(&self, connection: &Connection) {
        let Some(trace) = self.heard() else { return };
        let who = connection.who;
        trace.write(&Event::Open {
            link: connection.link(),
            dialled: who.dialled,
            id: Some(who.peer_id),
            ends: connection.stream.local_addr().ok().map(|here| (here, who.source)),
            torrent: Some(connection.torrent.info_hash.short()),
        });
    }

    /// The first words were said before it was known which connection it would be.
    pub fn trace_opening(&self, connection: &Connection, opening: &Opening) {
        let Some(trace) = self.heard() else { return };
        let link = connection.link();
        let (ours, theirs) = match (link.dialect, connection.who.dialled) {
            (Dialect::BitTorrent, _) => (Said::Handshake, Said::Handshake),
            (Dialect::Native, true) => (Said::Hello, Said::State),
            (Dialect::Native, false) => (Said::State, Said::Hello),
        };
        let now = self.clock.now();
        let (said, heard) = (now - opening.said.elapsed(), now - opening.heard.elapsed());
        trace.write_at(said, &Event::Send { link, seq: 0, said: ours });
        trace.write_at(heard, &Event::Recv { link, seq: 0, said: theirs });
    }

    /// Whether anybody hears of decisions.
    pub fn is_traced(&self) -> bool {
        self.heard().is_some()
    }

    /// A swarm wants something done.
    pub fn trace_action(&self, torrent: &Torrent, lines: &shared::Lines, action: &Action) {
        let Some(trace) = self.heard() else { return };
        let peers = |key| lines.get(&key).map(|connection| connection.who.address);
        let torrent = Some(torrent.info_hash.short());
        trace.write(&Event::Does { action, torrent, peers: &peers });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        Trace::new(Clock::start(1.0), "ann".into(), true)
    }

    fn listens() -> Event<'static> {
        Event::Start { id: None, listen: SocketAddr::from(([127, 0, 0, 1], 1)) }
    }

    #[test]
    fn what_waits_is_bounded_and_a_line_says_how_much_is_missing() {
        let (trace, mut file, mut spare) = (trace(), Vec::new(), String::new());
        trace.pending.lock().lines = "x".repeat(MOST) + "\n";
        (0..3).for_each(|_| trace.write(&listens()));
        trace.flush(&mut file, &mut spare).unwrap();
        trace.write(&listens());
        trace.flush(&mut file, &mut spare).unwrap();
        let text = String::from_utf8(file).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert!(lines[0].ends_with(r#""ev":"lost","lines":3}"#), "{}", lines[0]);
        assert!(lines[1].contains(r#""ev":"start""#) && lines.len() == 2, "{lines:?}");
    }

    #[test]
    fn a_file_that_fails_ends_the_trace_and_nothing_is_kept_for_it() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let trace = trace();
        trace.write(&listens());
        let (stop, stopped) = bounded::<()>(0);
        drop(stop);
        assert!(trace.run(&mut Full, &stopped).is_err());
        trace.give_up();
        trace.write(&listens());
        assert!(trace.pending.lock().lines.is_empty());
    }

    #[test]
    fn whoever_looks_gets_what_happens_from_then_on() {
        let trace = Trace::new(Clock::start(1.0), "ann".into(), false);
        trace.write(&listens());
        assert!(!trace.is_heard(), "nobody looks");
        let start = trace.since(None);
        assert_eq!(start, Lines { lines: Vec::new(), lost: 0, next: 0 });
        (0..3).for_each(|_| trace.write(&listens()));
        let got = trace.since(Some(1));
        assert_eq!((got.lines.len(), got.lost, got.next), (2, 0, 3));
        assert!(
            got.lines[0].ends_with(r#""ev":"start","listen":"127.0.0.1:1"}"#),
            "{:?}",
            got.lines
        );
        assert!(trace.pending.lock().lines.is_empty(), "there is no file to write them to");
        assert_eq!(trace.since(Some(77)).next, 3, "a place of an earlier look");
    }

    #[test]
    fn what_is_kept_for_whoever_looks_is_bounded_and_says_what_is_missing() {
        let trace = Trace::new(Clock::start(1.0), "ann".into(), false);
        trace.since(None);
        (0..KEPT + 5).for_each(|_| trace.write(&listens()));
        let got = trace.since(Some(2));
        assert_eq!((got.lines.len(), got.lost, got.next), (KEPT, 3, KEPT as u64 + 5));
    }

    #[test]
    fn when_nobody_looks_any_more_no_line_is_made() {
        let trace = Trace::new(Clock::start(1.0), "ann".into(), false);
        trace.since(None);
        let late = trace.clock.now() + LOOKS;
        trace.write(&listens());
        assert!(trace.is_heard());
        trace.write_at(late, &listens());
        assert!(!trace.is_heard() && trace.pending.lock().kept.is_none());
    }

    #[test]
    fn a_node_on_any_address_is_called_by_what_is_random_in_its_id() {
        let id = PeerId(*b"-SW0100-abcdefghijkl");
        let name = |ip: [u8; 4]| name_of(id, SocketAddr::from((ip, 6881)));
        assert_eq!(name([127, 0, 0, 1]), "127.0.0.1:6881");
        assert_eq!(name([0, 0, 0, 0]), "abcdefghijkl");
    }
}
