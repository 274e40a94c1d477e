//! Questions to a tracker by TCP, each with a deadline for every frame.
//!
//! A call opens a connection, asks, waits and closes. It blocks its caller for at most
//! [`CONNECT_TIME`] plus [`FRAME_TIME`] a frame. Nothing that a tracker says is trusted further
//! than its form: a fetched .torrent is the caller's to check against its hash.

use super::TrackerError;
use crate::bitfield::Bitfield;
use crate::clock::{Clock, Moment};
use crate::ids::{InfoHashV2, PeerId};
use crate::node::socket::socket_to;
use crate::protocol::frame::{Bin, TRACKER_MAGIC};
use crate::protocol::tracker_native::{
    Answer, Candidate, Fetch, Have, List, Lookup, MAX_TORRENT, Message, Packet, PeerEntry, Peers,
    Publish, Query, Records, TORRENT_CHUNK, read_candidates, read_peers,
};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection may take to be there.
pub const CONNECT_TIME: Duration = Duration::from_secs(3);

/// How long a frame may take.
pub const FRAME_TIME: Duration = Duration::from_secs(5);

/// Pages of a catalogue at most: a tracker that never ends is no tracker.
const MAX_PAGES: usize = 10_000;

/// Who bears a name, or `name@hashprefix`; empty if nobody does.
pub fn lookup(
    tracker: SocketAddr,
    bind: Option<IpAddr>,
    name: &str,
) -> Result<Vec<Candidate>, TrackerError> {
    let mut session = Session::open(tracker, bind)?;
    session.ask(Lookup { name: name.to_owned() }, &[])?;
    session.listing().map(|(candidates, _)| candidates)
}

/// The whole catalogue, in the order of the info-hashes.
pub fn list(tracker: SocketAddr, bind: Option<IpAddr>) -> Result<Vec<Candidate>, TrackerError> {
    let mut session = Session::open(tracker, bind)?;
    let mut all: Vec<Candidate> = Vec::new();
    for _ in 0..MAX_PAGES {
        let after = all.last().map(|last| Bin(last.info_hash.0));
        session.ask(List { after }, &[])?;
        let (page, more) = session.listing()?;
        let empty = page.is_empty();
        all.extend(page);
        if !more || empty {
            break;
        }
    }
    Ok(all)
}

/// A published .torrent, as the tracker gave it.
pub fn fetch(
    tracker: SocketAddr,
    bind: Option<IpAddr>,
    hash: InfoHashV2,
) -> Result<Vec<u8>, TrackerError> {
    let mut session = Session::open(tracker, bind)?;
    session.ask(Fetch { info_hash: Bin(hash.0) }, &[])?;
    let mut torrent = Vec::new();
    loop {
        let total = session.answer(|message, body| match message {
            Message::Torrent(m) if m.offset as usize == torrent.len() && !body.is_empty() => {
                torrent.extend_from_slice(body);
                Some(m.total as usize)
            }
            _ => None,
        })?;
        if total > MAX_TORRENT || torrent.len() > total {
            return Err(TrackerError::out_of_place(tracker, "longer .torrent"));
        }
        if torrent.len() == total {
            return Ok(torrent);
        }
    }
}

/// Publishes a .torrent under a name, besides its own.
pub fn publish(
    tracker: SocketAddr,
    bind: Option<IpAddr>,
    hash: InfoHashV2,
    name: &str,
    torrent: &[u8],
) -> Result<(), TrackerError> {
    let mut session = Session::open(tracker, bind)?;
    let total = torrent.len() as u32;
    for (n, chunk) in torrent.chunks(TORRENT_CHUNK).enumerate() {
        let (info_hash, offset) = (Bin(hash.0), (n * TORRENT_CHUNK) as u32);
        let sent = session.ask(Publish { info_hash, name: name.to_owned(), offset, total }, chunk);
        if let Err(error) = sent {
            // A refusal may have come before the connection went.
            return session.done().and(Err(error));
        }
    }
    session.done()
}

/// Up to `wanted` peers; `port` is where we listen, so that we are not given ourselves.
pub fn peers(
    tracker: SocketAddr,
    bind: Option<IpAddr>,
    hash: InfoHashV2,
    port: u16,
    wanted: u16,
) -> Result<Vec<PeerEntry>, TrackerError> {
    let mut session = Session::open(tracker, bind)?;
    session.ask(Peers { info_hash: Bin(hash.0), port, wanted }, &[])?;
    session.answer(|message, body| match message {
        Message::PeerList(_) => read_peers(body).ok(),
        _ => None,
    })
}

/// The whole answer to a question whose answer did not fit a datagram.
pub fn query(
    tracker: SocketAddr,
    bind: Option<IpAddr>,
    query: &Query,
) -> Result<(Answer, Records), TrackerError> {
    let mut session = Session::open(tracker, bind)?;
    session.ask(query.clone(), &[])?;
    session.answer(|message, body| match message {
        Message::Answer(answer) if answer.id == query.id => {
            Some((answer.clone(), Records::read(answer.op, body).ok()?))
        }
        _ => None,
    })
}

/// Tells a tracker that lists us which pieces we have.
pub fn send_have(
    tracker: SocketAddr,
    bind: Option<IpAddr>,
    hash: InfoHashV2,
    peer_id: PeerId,
    port: u16,
    have: &Bitfield,
) -> Result<(), TrackerError> {
    let mut session = Session::open(tracker, bind)?;
    let (info_hash, peer_id, pieces) = (Bin(hash.0), Bin(peer_id.0), have.pieces());
    session.ask(Have { info_hash, peer_id, port, pieces }, have.as_bytes())?;
    session.done()
}

/// What an ERROR says, as ours.
pub(super) fn refusal(
    tracker: SocketAddr,
    m: crate::protocol::tracker_native::Error,
) -> TrackerError {
    let retry_after = Some(m.retry_after_ms).filter(|&ms| ms > 0);
    let retry_after = retry_after.map(|ms| Duration::from_millis(ms.into()));
    TrackerError::Refused { tracker, code: m.code, message: m.message, retry_after }
}

/// One connection.
struct Session {
    tracker: SocketAddr,
    stream: TcpStream,
    clock: Clock,
    output: Vec<u8>,
    input: Vec<u8>,
}

impl Session {
    fn open(tracker: SocketAddr, bind: Option<IpAddr>) -> Result<Self, TrackerError> {
        let connect = || {
            let socket = socket_to(tracker, bind)?;
            socket.connect_timeout(&tracker.into(), CONNECT_TIME)?;
            socket.set_tcp_nodelay(true)?;
            Ok(TcpStream::from(socket))
        };
        let stream = connect().map_err(|e| TrackerError::io(tracker, &e))?;
        let (clock, output) = (Clock::start(1.0), TRACKER_MAGIC.to_vec());
        Ok(Self { tracker, stream, clock, output, input: Vec::new() })
    }

    fn ask(&mut self, message: impl Into<Message>, body: &[u8]) -> Result<(), TrackerError> {
        Packet::new(message, body).put_frame(&mut self.output);
        let deadline = self.clock.now() + FRAME_TIME;
        let mut sent = 0;
        while sent < self.output.len() {
            let write = |stream: &mut TcpStream, patience| {
                stream.set_write_timeout(Some(patience))?;
                stream.write(&self.output[sent..])
            };
            match self.patience(deadline).and_then(|patience| write(&mut self.stream, patience)) {
                Ok(n) => sent += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(TrackerError::io(self.tracker, &e)),
            }
        }
        self.output.clear();
        Ok(())
    }

    /// The next answer, if `wanted` takes it.
    fn answer<T>(
        &mut self,
        wanted: impl FnOnce(&Message, &[u8]) -> Option<T>,
    ) -> Result<T, TrackerError> {
        let deadline = self.clock.now() + FRAME_TIME;
        let mut scratch = vec![0; 64 * 1024];
        loop {
            let first = Packet::first_in(&self.input);
            let first = first.map_err(|e| TrackerError::malformed(self.tracker, &e))?;
            if let Some((packet, used)) = first {
                if let Message::Error(error) = packet.message {
                    return Err(refusal(self.tracker, error));
                }
                let answer = wanted(&packet.message, packet.body);
                let word = packet.message.word();
                self.input.drain(..used);
                return answer.ok_or_else(|| TrackerError::out_of_place(self.tracker, word));
            }
            let n = self.read(deadline, &mut scratch);
            let n = n.map_err(|e| TrackerError::io(self.tracker, &e))?;
            self.input.extend_from_slice(&scratch[..n]);
        }
    }

    fn listing(&mut self) -> Result<(Vec<Candidate>, bool), TrackerError> {
        self.answer(|message, body| match message {
            Message::Listing(m) => read_candidates(body).ok().map(|page| (page, m.more)),
            _ => None,
        })
    }

    fn done(&mut self) -> Result<(), TrackerError> {
        self.answer(|message, _| matches!(message, Message::Ack(_)).then_some(()))
    }

    fn read(&mut self, deadline: Moment, scratch: &mut [u8]) -> io::Result<usize> {
        loop {
            let patience = self.patience(deadline)?;
            self.stream.set_read_timeout(Some(patience))?;
            match self.stream.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// How long is left.
    fn patience(&self, deadline: Moment) -> io::Result<Duration> {
        match deadline.since(self.clock.now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}
