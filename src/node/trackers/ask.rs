//! One question to one BitTorrent tracker, whichever way its URL says.
//!
//! An [`Asker`] announces and scrapes over HTTP, HTTPS and UDP, and makes one answer of theirs.
//! It blocks until the answer is there or the deadline is over; nothing is asked twice here but
//! what the way itself repeats.

use super::http::{Get, HttpError, fetch_within};
use super::udp::{UdpClient, UdpError};
use crate::ids::InfoHashV1;
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
const MAX_ANSWER: u64 = 2 << 20;

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
    /// BEP 48 knows no scrape for such a URL.
    #[error("it cannot be scraped: the last part of its path does not begin with \"announce\"")]
    NoScrape,
}

impl AskError {
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
    /// A sentence for people.
    pub warning: Option<String>,
}

/// Asks trackers, from any number of threads.
#[derive(Debug)]
pub struct Asker {
    bind: Option<IpAddr>,
    udp: UdpClient,
}

impl Asker {
    /// Calls from `bind`, where that is of the tracker's family.
    pub fn new(bind: Option<IpAddr>) -> Self {
        Self { bind, udp: UdpClient::new(bind) }
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
        if url.scheme == Scheme::Udp {
            let answer = self.udp.announce(url, announce, deadline)?;
            let interval = Some(answer.interval.into());
            let peers = answer.peers.into_iter().take(MAX_PEERS).collect();
            return Ok(Announced { interval, peers, ..Announced::default() });
        }
        let query = AnnounceQuery { tracker_id, ..AnnounceQuery::new(announce) }.query();
        let url = url.with_query(&query);
        let answered = self.body(&url, reach, deadline, read_announce_answer);
        let (answer, tracker) = match answered {
            Err(AskError::Http(HttpError::Inside(_))) => return Err(AskError::NoAnnounce),
            answered => answered?,
        };
        let peers = answer.peers.iter().map(|peer| peer.addr);
        Ok(Announced {
            interval: Some(answer.interval),
            min_interval: answer.min_interval,
            tracker_id: answer.tracker_id,
            peers: peers.filter(|&peer| may_tell(peer, tracker)).take(MAX_PEERS).collect(),
            warning: answer.warning,
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
            return Ok(self.udp.scrape(url, hashes, deadline)?);
        }
        let url = scrape_url(&url.to_string()).ok_or(AskError::NoScrape)?;
        let url = Url::parse(&url)?;
        let mut all = Vec::new();
        for some in hashes.chunks(HASHES_A_SCRAPE) {
            let url = url.with_query(&scrape_query(some));
            let (answer, _) = self.body(&url, Reach::Anywhere, deadline, read_scrape_answer)?;
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
    use super::*;
    use crate::ids::PeerId;
    use crate::logic::announcer::reach_of;

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
}
