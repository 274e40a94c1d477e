//! A download worker: one thread per connection that only reads.
//!
//! It reads large runs into the connection's own buffer, decodes frames in place and hands what
//! they say to the torrent's swarm. The chunks of a run are claimed together under the picker's
//! lock, then copied once, from the buffer that is still in cache, into the file. A worker never
//! writes to a socket, so two nodes that both have much to send cannot block each other.

use crate::clock::Moment;
use crate::ids::Span;
use crate::logic::dialer::may_tell;
use crate::logic::session::Fault;
use crate::logic::swarm::Action;
use crate::node::connection::leave;
use crate::node::guard::Granted;
use crate::node::leaves::{answer_hashes, on_hashes};
use crate::node::opening::{Refused, is_timeout};
use crate::node::shared::{Connection, Shared};
use crate::node::trace::{Tap, Way};
use crate::node::{Event, extensions};
use crate::protocol::client_name::client_name;
use crate::protocol::message::{MAX_CHUNK, Message};
use crate::protocol::reader::FrameBuffer;
use crate::protocol::{Dialect, Malformed};
use crate::trace;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A peer that says nothing at all for so long is gone; PINGs go out every minute.
const SILENCE: Duration = Duration::from_secs(130);

/// How often a waiting worker looks whether it is to end.
const TICK: Duration = Duration::from_secs(5);

/// A frame begun must be whole within this, and a second more for each KiB of it: who may send
/// 1 kB/s needs so long. What our own limit makes it wait does not count.
const FRAME: Duration = Duration::from_secs(10);

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The other end closed it, or it broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It never came about.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// What came was no message.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The peer broke a rule.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// The peer said so.
    #[error("the peer said BYE")]
    Bye,
    /// The peer said why.
    #[error("the peer says: {0}")]
    Told(String),
    /// Nothing was heard for too long.
    #[error("nothing heard for {} s", SILENCE.as_secs())]
    Silent,
    /// A frame was begun and not finished.
    #[error("a frame was not finished in time")]
    Stuck,
    /// The node stops.
    #[error("stopping")]
    Stopping,
    /// What it said made us panic.
    #[error("its thread panicked: this is a bug")]
    Bug,
}

/// Reads until the connection ends, then takes it out of its torrent.
pub fn run(shared: &Shared, connection: &Arc<Connection>, buffer: FrameBuffer) {
    let torrent = &connection.torrent;
    let address = connection.who.address;
    let client = client_name(&connection.who.peer_id);
    log::debug!("{address}: connected, {}, {client}", connection.speech.dialect());
    shared.tell(Event::Connected { torrent: torrent.clone(), address, client });
    let read = || Worker::new(shared, connection).read(buffer);
    let end = shared.guard.contain(read).map_or(End::Bug, |read| read.expect_err("it has ended"));
    match &end {
        End::Malformed(_) | End::Fault(_) => {
            log::warn!("{address}: closed: {end}");
            shared.end_with_error(connection, 400, &end.to_string());
        }
        _ => {
            log::debug!("{address}: closed: {end}");
            connection.shut();
        }
    }
    leave(shared, connection);
    if let Some(trace) = &shared.trace {
        trace.write(&trace::Event::Close { link: connection.link(), why: &end.to_string() });
    }
    shared.tell(Event::Disconnected { torrent: torrent.clone(), address, why: end.to_string() });
}

struct Worker<'a> {
    shared: &'a Shared,
    connection: &'a Arc<Connection>,
    heard: Moment,
    /// Since when a frame has been begun and not whole.
    partial_since: Option<Moment>,
    /// How long a read waits.
    waits: Duration,
    tap: Option<Tap>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, connection: &'a Arc<Connection>) -> Self {
        let heard = shared.clock.now();
        let tap = shared.tap(connection.link(), Way::In);
        Self { shared, connection, heard, partial_since: None, waits: Duration::ZERO, tap }
    }

    fn read(&mut self, mut buffer: FrameBuffer) -> Result<(), End> {
        loop {
            let whole = self.hear(&buffer)?;
            let frame = self.check_frame(whole, buffer.pending())?;
            if self.shared.is_stopping() {
                return Err(End::Stopping);
            }
            self.wait_at_most(TICK.min(self.check_silence()?).min(frame))?;
            buffer.share_with(self.shared.connections.load(Ordering::Relaxed));
            match self.receive(buffer.room()) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => {
                    self.heard = self.shared.clock.now();
                    buffer.filled(count);
                }
                Err(e) if is_timeout(&e) => buffer.shrink(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Does what the whole messages in the buffer ask for; says whether there were any.
    fn hear(&mut self, buffer: &FrameBuffer) -> Result<bool, End> {
        let (mut whole, mut chunks) = (false, Vec::new());
        let heard = loop {
            let message = match self.connection.speech.next_message(buffer) {
                Ok(Some(message)) => message,
                Ok(None) => break Ok(()),
                Err(malformed) => break Err(malformed),
            };
            whole = true;
            self.shared.guard.point("peer_recv");
            if let Some(tap) = &mut self.tap {
                tap.on_heard(message.as_ref());
            }
            match message {
                None => {}
                Some(Message::Chunk { piece, offset, data }) => {
                    chunks.push((Span { piece, offset, length: data.len() as u32 }, data));
                }
                Some(message) => {
                    self.on_chunks(&std::mem::take(&mut chunks))?;
                    self.on_message(&message)?;
                }
            }
        };
        self.on_chunks(&chunks)?;
        Ok(heard.map(|()| whole)?)
    }

    /// How long more it may be silent.
    fn check_silence(&self) -> Result<Duration, End> {
        let silent = self.shared.clock.now().since(self.heard);
        SILENCE.checked_sub(silent).filter(|left| !left.is_zero()).ok_or(End::Silent)
    }

    /// The next read wakes up after so long, that no deadline is missed.
    fn wait_at_most(&mut self, time: Duration) -> io::Result<()> {
        let time = time.max(Duration::from_millis(1)); // none at all would be without end
        if self.waits != time {
            self.waits = time;
            self.connection.stream.set_read_timeout(Some(time))?;
        }
        Ok(())
    }

    /// A frame that drips in is not waited for forever; says how long more.
    fn check_frame(&mut self, whole: bool, pending: &[u8]) -> Result<Duration, End> {
        if pending.is_empty() {
            self.partial_since = None;
            return Ok(TICK);
        }
        let now = self.shared.clock.now();
        let since = self.partial_since.filter(|_| !whole).unwrap_or(now);
        self.partial_since = Some(since);
        let length = self.connection.speech.announced_length(pending).unwrap_or(0);
        let patience = FRAME + Duration::from_secs(length as u64 / 1024);
        patience.checked_sub(now.since(since)).filter(|left| !left.is_zero()).ok_or(End::Stuck)
    }

    /// Reads; under a download limit no more than that lets in, and not before. TCP tells the
    /// sender.
    fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (shared, torrent) = (self.shared, &self.connection.torrent);
        let mut stream = &self.connection.stream;
        // What comes after we let it go is thrown away, and should be over soon.
        if self.connection.is_leaving() || !shared.is_down_limited(torrent) {
            return stream.read(room);
        }
        if stream.peek(&mut [0])? == 0 {
            return Ok(0); // only who has something to read takes a turn
        }
        let asked = shared.clock.now();
        let most = shared.may_receive(torrent, room.len(), &|| self.connection.is_leaving());
        let waited = shared.clock.now().since(asked);
        self.partial_since = self.partial_since.map(|since| since + waited);
        if most == 0 {
            return Err(io::ErrorKind::Interrupted.into()); // the node stops, or it was let go
        }
        let read = stream.read(&mut room[..most]);
        shared.not_received(torrent, most - read.as_ref().map_or(0, |count| *count));
        read
    }

    fn on_message(&mut self, message: &Message) -> Result<(), End> {
        let (shared, connection) = (self.shared, self.connection);
        match message {
            Message::Ping(number) => shared.say(connection, &Message::Pong(*number)),
            Message::GetCount => {
                let count = connection.torrent.geometry.pieces();
                shared.say(connection, &Message::ChunkCount(count));
            }
            &Message::GetMetainfo { offset, length } => self.on_get_metainfo(offset, length),
            &Message::GetHashes(range) => answer_hashes(shared, connection, range),
            &Message::Hashes(range, hashes) => on_hashes(shared, connection, range, hashes),
            Message::Peers => shared.say(connection, &Message::PeerList(self.other_peers())),
            Message::PeerList(found) => {
                if connection.asked_for_peers.swap(false, Ordering::AcqRel) {
                    let now = shared.clock.now();
                    let (source, found) = (connection.who.source, found.iter().copied());
                    let mut peers = connection.torrent.peers.lock();
                    peers.dialer.on_gossip(now, source, Dialect::Native, found);
                }
            }
            &Message::GetInfo(index) => extensions::answer_info(shared, connection, index),
            Message::PeersChanged(changed) => {
                extensions::on_peers_changed(shared, connection, changed);
            }
            Message::Bye => return Err(End::Bye),
            Message::Error(error) => return Err(End::Told(error.message.clone())),
            _ => {
                if let Message::Extensions(said) = message {
                    extensions::on_extensions(connection, said);
                }
                shared.decide(&connection.torrent, |swarm, now, out| {
                    swarm.on_message(now, connection.key, message, out)
                })?;
            }
        }
        Ok(())
    }

    /// Claims, copies, and says that it is written: the picker is locked twice for all that one
    /// read brought.
    fn on_chunks(&mut self, chunks: &[(Span, &[u8])]) -> Result<(), End> {
        if chunks.is_empty() {
            return Ok(());
        }
        let (shared, connection) = (self.shared, self.connection);
        let torrent = &connection.torrent;
        let key = connection.key;
        let mut granted = Granted::new(shared, torrent);
        let mut parts = Vec::with_capacity(chunks.len());
        let claimed: Result<(), Fault> = shared.decide(torrent, |swarm, now, out| {
            chunks.iter().try_for_each(|&(chunk, data)| {
                for span in swarm.claim(now, key, chunk, out)? {
                    let start = (span.offset - chunk.offset) as usize;
                    granted.spans.push(span);
                    parts.push((span, &data[start..start + span.length as usize]));
                }
                Ok(())
            })
        });
        let follows = |one: &(Span, &[u8]), next: &(Span, &[u8])| {
            one.0.piece == next.0.piece && one.0.end() == Some(next.0.offset)
        };
        shared.guard.point("peer_store");
        let written = parts.chunk_by(follows).try_for_each(|run| {
            let bytes: Vec<&[u8]> = run.iter().map(|&(_, bytes)| bytes).collect();
            torrent.storage.write_run(run[0].0.piece, run[0].0.offset, &bytes)
        });
        let granted = granted.take();
        match written {
            Ok(()) => {
                let whole = shared.decide(torrent, |swarm, now, out| {
                    swarm.on_written(now, key, &granted, out);
                    out.iter().any(|action| matches!(action, Action::Verify(_)))
                });
                if whole {
                    // Handing it to the verifier may have taken a while.
                    shared.decide(torrent, |swarm, now, _| swarm.on_ready(now, key));
                }
            }
            Err(error) => {
                shared.decide(torrent, |swarm, now, _| {
                    swarm.on_not_written(&granted);
                    swarm.on_ready(now, key);
                });
                shared.disk_failed(torrent, error);
            }
        }
        Ok(claimed?)
    }

    fn on_get_metainfo(&self, offset: u32, length: u32) {
        let (shared, connection) = (self.shared, self.connection);
        if !connection.outbox.has_room_for_metainfo() {
            return; // it has not read what it asked for before
        }
        let bytes = connection.torrent.exchange_bytes();
        let start = (offset as usize).min(bytes.len());
        let end = start.saturating_add(length.min(MAX_CHUNK) as usize).min(bytes.len());
        let (total, info) = (bytes.len() as u32, connection.torrent.meta.info.len() as u32);
        let data = &bytes[start..end];
        shared.say(connection, &Message::Metainfo { offset, total, info, data });
    }

    fn other_peers(&self) -> Vec<std::net::SocketAddr> {
        let torrent = &self.connection.torrent;
        if torrent.meta.private {
            return Vec::new();
        }
        let connections = torrent.connections();
        let others = connections.iter().filter(|c| c.key != self.connection.key);
        let to = self.connection.who.source.ip();
        let told = others.filter_map(|c| c.listens_at()).filter(|&address| may_tell(address, to));
        told.take(50).collect()
    }
}
