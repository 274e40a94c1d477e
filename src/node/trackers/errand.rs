//! One question by TCP on the heartbeat's thread: never blocks, and has a deadline.
//!
//! The heartbeat goes on while a tracker takes its time; a dead tracker costs a descriptor for
//! [`ERRAND_TIME`] and nothing else.

use super::heartbeat::Identity;
use super::link::{Errand, ErrandResult, WANTED_PEERS};
use crate::clock::Moment;
use crate::node::socket::socket_to;
use crate::protocol::frame::{Bin, TRACKER_MAGIC};
use crate::protocol::tracker_native::{Have, Message, Packet, Peers, read_peers};
use crate::readiness::{Interest, Readiness, Watched};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an errand may take in all.
const ERRAND_TIME: Duration = Duration::from_secs(5);

/// An errand under way.
pub(super) struct Running {
    /// Whose errand it is: an index of the heartbeat's links.
    pub link: usize,
    errand: Errand,
    socket: Watched<TcpStream>,
    output: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    deadline: Moment,
}

impl Running {
    /// Begins to connect.
    pub fn start(
        now: Moment,
        tracker: SocketAddr,
        (link, errand): (usize, Errand),
        me: &Identity,
        (readiness, key): (&Readiness, usize),
    ) -> io::Result<Self> {
        let socket = socket_to(tracker, me.bind)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&tracker.into()) {
            Err(e) if !is_under_way(&e) => return Err(e),
            _ => {}
        }
        let socket = readiness.watch(TcpStream::from(socket), key, Interest::Write)?;
        let mut output = TRACKER_MAGIC.to_vec();
        put_question(&mut output, &errand, me);
        let deadline = now + ERRAND_TIME;
        Ok(Self { link, errand, socket, output, sent: 0, input: Vec::new(), deadline })
    }

    /// When it has failed.
    pub fn deadline(&self) -> Moment {
        self.deadline
    }

    /// Which errand it was.
    pub fn into_errand(self) -> Errand {
        self.errand
    }

    /// Goes on as far as the socket lets it; the result when there is one.
    pub fn on_ready(&mut self, now: Moment, scratch: &mut [u8]) -> Option<ErrandResult> {
        if now >= self.deadline {
            return Some(ErrandResult::Failed);
        }
        match self.go_on(scratch) {
            Ok(result) => result,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => None,
            Err(e) if e.kind() == io::ErrorKind::NotConnected => None,
            Err(e) => {
                log::debug!("an errand to a tracker failed: {e}");
                Some(ErrandResult::Failed)
            }
        }
    }

    fn go_on(&mut self, scratch: &mut [u8]) -> io::Result<Option<ErrandResult>> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        while self.sent < self.output.len() {
            self.sent += (&*self.socket).write(&self.output[self.sent..])?;
        }
        self.socket.set_interest(Interest::Read)?;
        let n = (&*self.socket).read(scratch)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.input.extend_from_slice(&scratch[..n]);
        match Packet::first_in(&self.input) {
            Ok(None) => Ok(None),
            Ok(Some((packet, _))) => Ok(Some(understand(&self.errand, &packet))),
            Err(malformed) => Err(io::Error::other(malformed)),
        }
    }
}

fn put_question(out: &mut Vec<u8>, errand: &Errand, me: &Identity) {
    let (peer_id, port) = (Bin(me.peer_id.0), me.port);
    match errand {
        Errand::Peers(hash) => {
            let question = Peers { info_hash: Bin(hash.0), port, wanted: WANTED_PEERS };
            Packet::bare(question).put_frame(out);
        }
        Errand::Have(hash, bits) => {
            let (info_hash, pieces) = (Bin(hash.0), bits.pieces());
            let news = Have { info_hash, peer_id, port, pieces };
            Packet::new(news, bits.as_bytes()).put_frame(out);
        }
    }
}

fn understand(errand: &Errand, packet: &Packet<'_>) -> ErrandResult {
    match (errand, &packet.message) {
        (Errand::Peers(_), Message::PeerList(_)) => {
            read_peers(packet.body).map_or(ErrandResult::Failed, ErrandResult::Peers)
        }
        (Errand::Have(..), Message::Ack(_)) => ErrandResult::Told,
        _ => ErrandResult::Failed,
    }
}

/// A non-blocking connect has begun. Its error has a number but no name in std.
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}
