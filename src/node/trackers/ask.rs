//! One question to one BitTorrent tracker, whichever way its URL says.
//!
//! An [`Asker`] announces and scrapes over HTTP, HTTPS and UDP, and makes one answer of theirs.
//! It blocks until the answer is there or the deadline is over; nothing is asked twice here but
//! what the way itself repeats.

use super::http::{Get, HttpError, fetch_within};
use super::preferences::Preferences;
use super::udp::{UdpClient, UdpError};
use crate::ids::InfoHashV1;
use crate::logic::announcer::reach_of;
use crate::logic::dialer::may_tell;
use crate::logic::reach::Reach;
use crate::protocol::announce::{Announce, Figures};
use crate::protocol::tracker_http::{
    AnnounceQuery, BadAnswer, read_announce_answer, read_retry_in, read_scrape_answer,
    scrape_query, scrape_url,
};
use crate::protocol::url::{BadUrl, Scheme, Url};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The most bytes of an answer; a thousand peers with their names take a tenth of it.
const MAX_ANSWER: u64 = 1 << 20;

/// Peers of one answer that are believed: more than anybody asks for.
const MAX_PEERS: usize = 200;

/// How many torrents are asked for in one scrape by HTTP: a query of 72 bytes each.
const HASHES_A_SCRAPE: usize = 50;

/// Why a tracker did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No answer by HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// No answer by UDP.
    #[error(transparent)]
    Udp(#[from] UdpError),
    /// An answer that says no, or nothing.
    #[error("{what}")]
    Answer {
        /// What was answered.
        what: BadAnswer,
        /// How long the tracker wants to be left alone (BEP 31).
        rest: Option<Duration>,
    },
    /// The text is no URL.
    #[error("the URL is unusable: {0}")]
    Url(#[from] BadUrl),
    /// Announces to this machine go to trackers only: a stranger's .torrent must not be able to
    /// make us ask other services here for something.
    #[error("a tracker on this machine is asked only at a path whose last part is \"announce\"")]
    NoAnnounce,
    /// Its name server says so (BEP 34).
    #[error("its name server says that no tracker runs there: --dns-prefs believes it")]
    NoTracker,
    /// BEP 48 knows no scrape for such a URL.
    #[error("it cannot be scraped: the last part of its path does not begin with \"announce\"")]
    NoScrape,
}

impl AskError {
    /// The same without what of our URL the tracker says back: it may hold a passkey.
    fn without(self, url: &Url) -> Self {
        match self {
            Self::Answer { what: BadAnswer::Failure(text), rest } => {
                Self::Answer { what: BadAnswer::Failure(url.kept_out_of(&text)), rest }
            }
            Self::Udp(UdpError::Refused(text)) => {
                Self::Udp(UdpError::Refused(url.kept_out_of(&text)))
            }
            other => other,
        }
    }

    /// How long the tracker wants to be left alone, if it said so.
    pub fn rest(&self) -> Option<Duration> {
        match self {
            Self::Answer { rest, .. } => *rest,
            _ => None,
        }
    }
}

/// What a tracker says to an announce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    /// Seconds until the next announce, as they were sent.
    pub interval: Option<i64>,
    /// Seconds that must lie between two, likewise.
    pub min_interval: Option<i64>,
    /// To be sent back.
    pub tracker_id: Option<Vec<u8>>,
    /// Peers to dial; at most 200.
    pub peers: Vec<SocketAddr>,
    /// How many peers have everything, if it says so.
    pub seeders: Option<u32>,
    /// How many do not.
    pub leechers: Option<u32>,
    /// How often the torrent was completed.
    pub completed: Option<u32>,
    /// A sentence for people.
    pub warning: Option<String>,
}

/// Asks trackers, from any number of threads.
#[derive(Debug)]
pub struct Asker {
    bind: Option<IpAddr>,
    udp: UdpClient,
    preferences: Option<Preferences>,
}

impl Asker {
    /// Calls from `bind`, where that is of the tracker's family.
    pub fn new(bind: Option<IpAddr>) -> Self {
        Self { bind, udp: UdpClient::new(bind), preferences: None }
    }

    /// Calls hosts where their name servers say that a tracker runs (BEP 34).
    #[must_use]
    pub fn obeying(self, preferences: Preferences) -> Self {
        Self { preferences: Some(preferences), ..self }
    }

    /// Announces, where `reach` allows it. Peers of which the tracker may not tell are left out.
    pub fn announce(
        &self,
        url: &Url,
        reach: Reach,
        announce: Announce,
        tracker_id: Option<Vec<u8>>,
        deadline: Instant,
    ) -> Result<Announced, AskError> {
        let Some(preferences) = &self.preferences else {
            return self.announce_to(url, reach, announce, tracker_id, deadline);
        };
        let urls = preferences.instead_of(url, deadline);
        let mut failure = AskError::NoTracker;
        for (n, instead) in urls.iter().enumerate() {
            let reach = if instead == url { reach } else { reach_of(instead) };
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / (urls.len() - n) as u32;
            let (announce, id) = (announce.clone(), tracker_id.clone());
            match self.announce_to(instead, reach, announce, id, now + share) {
                Err(error @ (AskError::Http(_) | AskError::Udp(_))) => failure = error,
                settled => return settled,
            }
        }
        Err(failure)
    }

    fn announce_to(
        &self,
        url: &Url,
        reach: Reach,
        announce: Announce,
        tracker_id: Option<Vec<u8>>,
        deadline: Instant,
    ) -> Result<Announced, AskError> {
        if url.scheme == Scheme::Udp {
            let answer = self.udp.announce(url, announce, deadline);
            let answer = answer.map_err(|error| AskError::from(error).without(url))?;
            let interval = Some(answer.interval.into());
            let peers = answer.peers.into_iter().take(MAX_PEERS).collect();
            let (seeders, leechers) = (Some(answer.seeders), Some(answer.leechers));
            return Ok(Announced { interval, peers, seeders, leechers, ..Announced::default() });
        }
        let query = AnnounceQuery { tracker_id, ..AnnounceQuery::new(announce) }.query();
        let asked = url.with_query(&query);
        let answered = self.body(&asked, reach, deadline, read_announce_answer);
        let (answer, tracker) = match answered {
            Err(AskError::Http(HttpError::Inside(_))) => return Err(AskError::NoAnnounce),
            answered => answered.map_err(|error| error.without(url))?,
        };
        let peers = answer.peers.iter().map(|peer| peer.addr);
        Ok(Announced {
            interval: Some(answer.interval),
            min_interval: answer.min_interval,
            tracker_id: answer.tracker_id,
            peers: peers.filter(|&peer| may_tell(peer, tracker)).take(MAX_PEERS).collect(),
            seeders: answer.seeders,
            leechers: answer.leechers,
            completed: answer.completed,
            warning: answer.warning.map(|text| url.kept_out_of(&text)),
        })
    }

    /// Asks for the figures of torrents, in the order of `hashes`; those that the tracker does not
    /// know are zero.
    pub fn scrape(
        &self,
        url: &Url,
        hashes: &[InfoHashV1],
        deadline: Instant,
    ) -> Result<Vec<Figures>, AskError> {
        if url.scheme == Scheme::Udp {
            let figures = self.udp.scrape(url, hashes, deadline);
            return figures.map_err(|error| AskError::from(error).without(url));
        }
        let url = scrape_url(&url.to_string()).ok_or(AskError::NoScrape)?;
        let base = Url::parse(&url)?;
        let mut all = Vec::new();
        for some in hashes.chunks(HASHES_A_SCRAPE) {
            let url = base.with_query(&scrape_query(some));
            let answered = self.body(&url, Reach::Anywhere, deadline, read_scrape_answer);
            let (answer, _) = answered.map_err(|error| error.without(&base))?;
            let figures = |hash: &InfoHashV1| {
                let known = answer.files.iter().find(|(known, _)| known == hash);
                known.map_or(Figures::default(), |(_, figures)| *figures)
            };
            all.extend(some.iter().map(figures));
        }
        Ok(all)
    }

    /// Fetches and reads an answer. A refusal counts whatever the status is; anything else only
    /// with 200. Gives the address of who answered, too.
    fn body<T>(
        &self,
        url: &Url,
        reach: Reach,
        deadline: Instant,
        read: impl FnOnce(&[u8]) -> Result<T, BadAnswer>,
    ) -> Result<(T, IpAddr), AskError> {
        let get = Get { url, bind: self.bind, range: None, limit: MAX_ANSWER, deadline };
        let (head, body, server) = fetch_within(&get, reach)?;
        match read(&body) {
            Err(what @ BadAnswer::Failure(_)) => {
                Err(AskError::Answer { what, rest: read_retry_in(&body) })
            }
            _ if head.status != 200 => Err(HttpError::Status(head.status).into()),
            Err(what) => Err(AskError::Answer { what, rest: None }),
            Ok(answer) => Ok((answer, server)),
        }
    }
}

/// Asks one tracker for the figures of torrents: `complete`, `downloaded` and `incomplete`.
pub fn scrape(
    url: &str,
    hashes: &[InfoHashV1],
    bind: Option<IpAddr>,
    deadline: Instant,
) -> Result<Vec<Figures>, AskError> {
    Asker::new(bind).scrape(&Url::parse(url)?, hashes, deadline)
}

#[cfg(test)]
mod tests {
    use super::super::dns::{Play, name_server};
    use super::*;
    use crate::ids::PeerId;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::Builder;

    #[test]
    fn other_services_of_this_machine_are_not_announced_to() {
        let announce = Announce::new(InfoHashV1([1; 20]), PeerId([2; 20]), 6881);
        let deadline = Instant::now() + Duration::from_secs(20);
        let spellings = ["127.0.0.1", "127.1", "2130706433", "0.0.0.0", "[::ffff:127.0.0.1]"];
        for host in spellings {
            let url = Url::parse(&format!("http://{host}:1/rpc?x=/announce")).unwrap();
            let reach = reach_of(&url);
            let answer = Asker::new(None).announce(&url, reach, announce.clone(), None, deadline);
            assert!(matches!(answer, Err(AskError::NoAnnounce)), "{url}: {answer:?}");
        }
    }

    #[test]
    fn a_host_whose_name_server_denies_a_tracker_is_not_called() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // A name of this machine, and no address as far as a URL can tell.
        let url = Url::parse(&format!("http://127.1:{port}/announce")).unwrap();
        let announce = Announce::new(InfoHashV1([1; 20]), PeerId([2; 20]), 6881);
        let deadline = Instant::now() + Duration::from_secs(20);
        let ask = |record: &str| {
            let server = name_server(Play::Answer, &[&[record]]);
            let asker = Asker::new(None).obeying(Preferences::asking(vec![server]));
            asker.announce(&url, reach_of(&url), announce.clone(), None, deadline)
        };
        assert!(matches!(ask("BITTORRENT DENY ALL"), Err(AskError::NoTracker)));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody called");
    }

    #[test]
    fn a_tracker_that_its_name_server_moves_is_found_behind_one_that_does_not_answer() {
        let (tracker, gone) = (TcpListener::bind("127.0.0.1:0").unwrap(), closed_port());
        let port = tracker.local_addr().unwrap().port();
        let heard = Builder::new().name("tracker".into()).spawn(move || {
            let mut stream = tracker.accept().unwrap().0;
            let mut head = [0; 1024];
            let length = stream.read(&mut head).unwrap();
            let body = b"d8:intervali60e5:peers6:\x01\x02\x03\x04\x1a\xe1e";
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
            stream.write_all(body).unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let heard = heard.unwrap();
        let record = format!("BITTORRENT TCP:{gone} TCP:{port}");
        let server = name_server(Play::Answer, &[&[&record]]);
        let asker = Asker::new(None).obeying(Preferences::asking(vec![server]));
        let url = Url::parse("http://127.1:9/announce").unwrap();
        let announce = Announce::new(InfoHashV1([1; 20]), PeerId([2; 20]), 6881);
        let deadline = Instant::now() + Duration::from_secs(20);
        let answer = asker.announce(&url, reach_of(&url), announce, None, deadline).unwrap();
        assert_eq!(answer.interval, Some(60));
        assert!(heard.join().unwrap().starts_with("GET /announce?"));
    }

    fn closed_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }
}
