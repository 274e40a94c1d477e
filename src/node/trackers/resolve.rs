//! Questions to a hierarchy of trackers, from outside: a [`Stub`] and its socket.
//!
//! What to ask of whom is [`crate::logic::resolver`]'s decision; here are only the socket and the
//! wait. A call blocks for at most the resolver's patience. [`ask_server`] asks one tracker one
//! question and takes its answer as it comes.

use super::{TrackerError, calls};
use crate::clock::Clock;
use crate::logic::resolver::{
    Asked, Delegation, Manner, Outcome, Params, Question, Reply, Resolver, zone::Zone,
};
use crate::protocol::tracker_native::hierarchy::{HOPS, QUERY_LENGTH};
use crate::protocol::tracker_native::{Answer, Message, Packet, Query, Records};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long what was given at the start holds: as long as it is needed.
const HINT: Duration = Duration::from_hours(1);

/// What happens on the way to an answer, for people.
#[derive(Debug)]
pub enum Step<'a> {
    /// A question went out, of so many bytes.
    Asked(SocketAddr, &'a Query, usize),
    /// An answer came, of so many bytes; the reason says why it was of no use, if it was not.
    Heard(SocketAddr, &'a Answer, &'a Records, usize, Option<&'static str>),
}

/// A peer's own resolver.
pub struct Stub {
    socket: UdpSocket,
    resolver: Resolver<()>,
    clock: Clock,
    rng: fastrand::Rng,
}

impl Stub {
    /// Nothing known but where to ask first: trackers of the root, or resolvers.
    pub fn new(bind: Option<IpAddr>, manner: Manner, first: &[SocketAddr]) -> io::Result<Self> {
        let hint = |&addr: &SocketAddr| Delegation { zone: Zone::ROOT, addr, ttl: HINT };
        let params = Params { manner, seed: fastrand::u64(..), ..Params::default() };
        let is_ipv4 = first.first().is_none_or(SocketAddr::is_ipv4);
        let hints = first.iter().filter(|addr| addr.is_ipv4() == is_ipv4).map(hint).collect();
        Ok(Self {
            socket: socket_for(is_ipv4, bind)?,
            resolver: Resolver::new(params, hints),
            clock: Clock::start(1.0),
            rng: fastrand::Rng::new(),
        })
    }

    /// Finds an answer, with at most `max` peers; every message on the way is shown to `watch`.
    pub fn ask(
        &mut self,
        question: &Question,
        max: u16,
        watch: &mut dyn FnMut(Step),
    ) -> io::Result<Outcome> {
        let (question, origin) = (question.clone(), self.rng.u64(..));
        let asked = Asked { question, origin, hops: HOPS + 1, max: max.into() };
        let now = self.clock.now();
        let mut found = self.resolver.on_question(now, (), &asked);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.speak(max, watch)?;
            found = found.or_else(|| self.resolver.next_outcome().map(|((), outcome)| outcome));
            if let Some(outcome) = found {
                return Ok(outcome);
            }
            self.listen(&mut buffer, watch)?;
            self.resolver.on_tick(self.clock.now());
        }
    }

    /// The authority has fallen silent: it is looked for again.
    pub fn forget(&mut self, question: &Question) {
        self.resolver.forget(question);
    }

    fn speak(&mut self, max: u16, watch: &mut dyn FnMut(Step)) -> io::Result<()> {
        while let Some(ask) = self.resolver.next_query() {
            // Nobody else's question is passed on here.
            let (to, query) = (ask.to, Query { origin: None, ..ask.query(max) });
            let datagram = query.clone().datagram(QUERY_LENGTH);
            watch(Step::Asked(to, &query, datagram.len()));
            match self.socket.send_to(&datagram, to) {
                // As good as lost on the way: it is asked again, or another one is.
                Err(e) if is_passing(&e) => {}
                sent => drop(sent?),
            }
        }
        Ok(())
    }

    fn listen(&mut self, buffer: &mut [u8], watch: &mut dyn FnMut(Step)) -> io::Result<()> {
        let deadline = self.resolver.deadline().unwrap_or_default();
        let patience = deadline.since(self.clock.now()).max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(patience))?;
        let (length, from) = match self.socket.recv_from(buffer) {
            Ok(received) => received,
            Err(e) if is_passing(&e) => return Ok(()),
            Err(e) => return Err(e),
        };
        let Some((answer, body)) = read_answer(&buffer[..length]) else { return Ok(()) };
        let Ok(reply) = Reply::read(&answer, body) else { return Ok(()) };
        let records = reply.records.clone();
        let useless = self.resolver.on_answer(self.clock.now(), from, reply).err();
        watch(Step::Heard(from, &answer, &records, length, useless));
        Ok(())
    }
}

/// Asks one tracker, by TCP too if its answer is truncated; `watch` sees each message.
pub fn ask_server(
    server: SocketAddr,
    bind: Option<IpAddr>,
    query: &Query,
    watch: &mut dyn FnMut(Step),
) -> Result<(Answer, Records), TrackerError> {
    let failed = |e: io::Error| TrackerError::io(server, &e);
    let Params { tries, patience, .. } = Params::default();
    let socket = socket_for(server.is_ipv4(), bind).map_err(failed)?;
    socket.connect(server).map_err(failed)?;
    let datagram = query.clone().datagram(QUERY_LENGTH);
    let clock = Clock::start(1.0);
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..tries {
        socket.send(&datagram).map_err(failed)?;
        watch(Step::Asked(server, query, datagram.len()));
        let deadline = clock.now() + patience / tries;
        loop {
            let left = deadline.since(clock.now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left)).map_err(failed)?;
            let length = match socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(failed(e)),
            };
            let Some((answer, body)) = read_answer(&buffer[..length]) else { continue };
            if answer.id != query.id {
                continue;
            }
            let Ok(records) = Records::read(answer.op, body) else { continue };
            watch(Step::Heard(server, &answer, &records, length, None));
            return if answer.tc {
                calls::query(server, bind, query)
            } else {
                Ok((answer, records))
            };
        }
    }
    Err(failed(io::ErrorKind::TimedOut.into()))
}

fn read_answer(datagram: &[u8]) -> Option<(Answer, &[u8])> {
    match Packet::from_datagram(datagram).ok()? {
        Packet { message: Message::Answer(answer), body } => Some((answer, body)),
        _ => None,
    }
}

fn socket_for(is_ipv4: bool, bind: Option<IpAddr>) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((bind.filter(|ip| ip.is_ipv4() == is_ipv4).unwrap_or(any), 0))
}

/// Nothing came in time, or an earlier datagram found nobody.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted | ConnectionRefused)
}
