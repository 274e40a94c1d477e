//! Announces and scrapes over UDP (BEP 15, BEP 41).
//!
//! A [`UdpClient`] keeps a connected socket and its connection id per tracker for a minute, so
//! that most questions need one datagram each way. A question that gets no answer is sent again
//! after 15 s, 30 s, 60 s .. as the BEP wants; on a loopback or private address, where an answer
//! takes no time, after 1 s, 2 s, 4 s ... The caller's deadline ends it all. The kernel drops what
//! others than the tracker send, and a wrong transaction number is as good as nothing.

use super::host::addresses_of;
use super::reason;
use crate::logic::dialer::may_tell;
use crate::logic::is_local;
use crate::protocol::announce::{Announce, Family, Figures};
use crate::protocol::tracker_udp::{Answer, Head, MAX_SCRAPE, Request};
use crate::protocol::url::Url;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long a connection id may be used (BEP 15).
const ID_LIFE: Duration = Duration::from_mins(1);

/// When a question is first repeated (BEP 15); each time it takes twice as long.
const FIRST_REPEAT: Duration = Duration::from_secs(15);

/// When it is first repeated on a loopback or private address.
const FIRST_REPEAT_NEARBY: Duration = Duration::from_secs(1);

/// How often that time is doubled at most (BEP 15).
const MOST_DOUBLINGS: u32 = 8;

/// The longest answer that is read.
const MAX_ANSWER: usize = 16 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UdpError {
    /// Asking DNS failed.
    #[error("no address was found for {host}: {source}")]
    Name {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// The socket failed, or nobody listens there.
    #[error("{}", reason(.0))]
    Io(#[from] io::Error),
    /// Nothing came until the deadline.
    #[error("no answer in time")]
    Late,
    /// The tracker says why not.
    #[error("the tracker refuses: {0}")]
    Refused(String),
    /// An answer to another question than was asked.
    #[error("what answered is no tracker: an answer to another question")]
    Nonsense,
}

/// What a tracker says to an announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Seconds until the next announce.
    pub interval: u32,
    /// Peers that lack something.
    pub leechers: u32,
    /// Peers that have everything.
    pub seeders: u32,
    /// Peers to dial.
    pub peers: Vec<SocketAddr>,
}

/// Speaks to any number of trackers, from any number of threads.
#[derive(Debug)]
pub struct UdpClient {
    bind: Option<IpAddr>,
    idle: Mutex<HashMap<SocketAddr, Line>>,
}

impl UdpClient {
    /// Knows nobody yet; calls from `bind` where that is of the tracker's family.
    pub fn new(bind: Option<IpAddr>) -> Self {
        Self { bind, idle: Mutex::default() }
    }

    /// Announces, and sends the URL's path and query along. Peers of which the tracker may not
    /// tell are left out.
    pub fn announce(
        &self,
        url: &Url,
        announce: Announce,
        deadline: Instant,
    ) -> Result<Announced, UdpError> {
        let url_data = url.target.clone().into_bytes();
        let request = Request::Announce { announce, url_data };
        match self.ask(url, &request, deadline)? {
            (Answer::Announce { interval, leechers, seeders, mut peers }, tracker) => {
                peers.retain(|&peer| may_tell(peer, tracker.ip()));
                Ok(Announced { interval, leechers, seeders, peers })
            }
            _ => Err(UdpError::Nonsense),
        }
    }

    /// Asks for the figures of torrents, in the order of `hashes`.
    pub fn scrape(
        &self,
        url: &Url,
        hashes: &[crate::ids::InfoHashV1],
        deadline: Instant,
    ) -> Result<Vec<Figures>, UdpError> {
        let mut all = Vec::new();
        for some in hashes.chunks(MAX_SCRAPE) {
            match self.ask(url, &Request::Scrape(some.to_vec()), deadline)? {
                (Answer::Scrape(figures), _) if figures.len() >= some.len() => {
                    all.extend(figures.into_iter().take(some.len()));
                }
                _ => return Err(UdpError::Nonsense),
            }
        }
        Ok(all)
    }

    /// Asks at the host's addresses in turn; each has its share of the time. Gives the address that
    /// answered, too.
    fn ask(
        &self,
        url: &Url,
        request: &Request,
        deadline: Instant,
    ) -> Result<(Answer, SocketAddr), UdpError> {
        let addresses = addresses_of(&url.host, url.port, self.bind)
            .map_err(|source| UdpError::Name { host: url.host.clone(), source })?;
        let mut failure = UdpError::Late;
        for (n, &address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / (addresses.len() - n) as u32;
            match self.ask_at(address, request, now + share) {
                Err(error @ (UdpError::Io(_) | UdpError::Late)) => failure = error,
                settled => return settled.map(|answer| (answer, address)),
            }
        }
        Err(failure)
    }

    fn ask_at(
        &self,
        address: SocketAddr,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, UdpError> {
        // Who asks the same tracker at the same time has a line of its own.
        let known = self.idle.lock().remove(&address);
        let mut line = match known {
            Some(line) => line,
            None => Line::open(address, self.bind)?,
        };
        let answer = line.ask(request, deadline)?;
        let mut idle = self.idle.lock();
        idle.retain(|_, line| line.connection().is_some());
        idle.insert(address, line);
        Ok(answer)
    }
}

/// A socket that is connected to a tracker.
#[derive(Debug)]
struct Line {
    socket: UdpSocket,
    address: SocketAddr,
    connection: Option<(u64, Instant)>,
}

impl Line {
    fn open(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<Self> {
        let any = match address {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let from = bind.filter(|ip| ip.is_ipv4() == address.is_ipv4()).unwrap_or(any);
        let socket = UdpSocket::bind((from, 0))?;
        socket.connect(address)?;
        Ok(Self { socket, address, connection: None })
    }

    /// The connection id, while it may be used.
    fn connection(&self) -> Option<u64> {
        self.connection.filter(|(_, since)| since.elapsed() < ID_LIFE).map(|(id, _)| id)
    }

    fn ask(&mut self, request: &Request, deadline: Instant) -> Result<Answer, UdpError> {
        let mut is_fresh = false;
        let mut repeats = 0;
        loop {
            let connection = self.connection();
            let (question, id) = match connection {
                Some(id) => (request, id),
                None => (&Request::Connect, 0),
            };
            match self.exchange(question, id, &mut repeats, deadline)? {
                // It took too long for the id to live on.
                None => {}
                Some(Answer::Connect { connection_id }) if connection.is_none() => {
                    self.connection = Some((connection_id, Instant::now()));
                    is_fresh = true;
                }
                // A tracker that was started anew does not know the id any more.
                Some(Answer::Error(_)) if connection.is_some() && !is_fresh => {
                    self.connection = None;
                }
                Some(Answer::Error(text)) => return Err(UdpError::Refused(text)),
                Some(_) if connection.is_none() => return Err(UdpError::Nonsense),
                Some(answer) => return Ok(answer),
            }
        }
    }

    /// Sends a question until it is answered; `None` when its connection id ran out meanwhile.
    fn exchange(
        &self,
        question: &Request,
        connection_id: u64,
        repeats: &mut u32,
        deadline: Instant,
    ) -> Result<Option<Answer>, UdpError> {
        let first = if is_local(self.address.ip()) { FIRST_REPEAT_NEARBY } else { FIRST_REPEAT };
        let transaction_id = fastrand::u32(..);
        let mut datagram = Vec::new();
        question.put(Head { connection_id, transaction_id }, &mut datagram);
        loop {
            self.socket.send(&datagram)?;
            let pause = first * 2_u32.pow((*repeats).min(MOST_DOUBLINGS));
            let until = deadline.min(Instant::now() + pause);
            if let Some(answer) = self.hear(transaction_id, until)? {
                *repeats = 0;
                return Ok(Some(answer));
            }
            if until == deadline {
                return Err(UdpError::Late);
            }
            *repeats += 1;
            if *question != Request::Connect && self.connection().is_none() {
                return Ok(None);
            }
        }
    }

    fn hear(&self, transaction_id: u32, until: Instant) -> Result<Option<Answer>, UdpError> {
        let mut bytes = vec![0; MAX_ANSWER];
        let family = Family::of(self.address.ip());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv(&mut bytes) {
                Ok(length) => match Answer::read(&bytes[..length], family) {
                    Ok((id, answer)) if id == transaction_id => return Ok(Some(answer)),
                    Ok(_) => log::debug!("{}: an answer to nothing", self.address),
                    Err(error) => log::debug!("{}: no answer: {error}", self.address),
                },
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::TimedOut => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
