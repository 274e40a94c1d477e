//! What BitTorrent's peers ask, by UDP (BEP 15) and HTTP (BEP 3, BEP 48).
//!
//! ```text
//! connect  ---> connection id     proves the asker's address; no memory per client
//! announce ---> peers             wrong id: an error no longer than the question
//! scrape   ---> figures
//! ```
//! A peer is where its announce came from and the port it named; what it says of its address is
//! not believed.

use super::requests::Asker;
use super::{State, as_seen_by};
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1};
use crate::logic::registry::{Given, Have, Registration};
use crate::protocol::announce::{Announce, Event, Family, Figures};
use crate::protocol::tracker_http::{
    AnnounceAnswer, AnnounceQuery, HttpPeer, PeersAs, ScrapeAnswer, failure, read_scrape_query,
};
use crate::protocol::tracker_native::PeerEntry;
use crate::protocol::tracker_udp::{Answer, MAX_ANSWER, Request};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Peers for who does not say how many it wants.
const USUAL_PEERS: u32 = 50;

/// Peers at most.
const MOST_PEERS: usize = 200;

/// A datagram's bytes before its peers.
const UDP_HEAD: usize = 20;

/// Who asks again sooner is in no hurry that we know of.
const MIN_INTERVAL: Duration = Duration::from_secs(30);

/// What a resolver says to whoever announces itself there.
const NO_SWARMS: &str = "a resolver has no swarms: announce to another tracker";

/// What somebody reads who opens the tracker in a browser.
const HOME: &str = "This is a tracker: peers announce themselves at /announce and ask for figures \
                    at /scrape, by HTTP and by UDP on the same port.\n";

/// Where an announce came from, and what its answer may hold.
struct Caller {
    ip: IpAddr,
    /// The address by which it reached the tracker.
    reached: Option<IpAddr>,
    /// Peers of this family only.
    family: Option<Family>,
    /// Peers at most.
    limit: usize,
}

impl State {
    /// Answers a datagram that is no native one.
    pub(super) fn on_bittorrent_datagram(
        &mut self,
        now: Moment,
        from: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) {
        let Ok((head, request)) = Request::read(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        let family = Family::of(from.ip());
        let proven = self.cookies.accepts_connection(now, from.ip(), head.connection_id);
        let answer = match request {
            Request::Connect => {
                Answer::Connect { connection_id: self.cookies.connection_id(now, from.ip()) }
            }
            _ if !proven => {
                self.counters.unverified += 1;
                Answer::Error("connection id expired".to_owned())
            }
            Request::Announce { announce, .. } => {
                self.on_udp_announce(now, from.ip(), family, &announce)
            }
            Request::Scrape(hashes) => {
                Answer::Scrape(hashes.iter().map(|hash| self.figures_of(*hash)).collect())
            }
        };
        answer.put(head.transaction_id, family, out);
        if !proven && out.len() > bytes.len() {
            out.clear();
        }
        debug_assert!(out.len() <= MAX_ANSWER, "answers fit a datagram");
    }

    fn on_udp_announce(
        &mut self,
        now: Moment,
        ip: IpAddr,
        family: Family,
        announce: &Announce,
    ) -> Answer {
        let bound = self.options.listen.ip();
        let caller = Caller {
            ip,
            reached: Some(bound).filter(|ip| !ip.is_unspecified()),
            family: Some(family),
            limit: ((MAX_ANSWER - UDP_HEAD) / family.peer_length()).min(MOST_PEERS),
        };
        match self.on_announce(now, &caller, announce) {
            Ok((figures, given)) => Answer::Announce {
                interval: seconds(self.options.announce_interval),
                leechers: figures.leechers,
                seeders: figures.seeders,
                peers: given.into_iter().map(|given| given.peer.addr).collect(),
            },
            Err(why) => Answer::Error(why),
        }
    }

    /// Answers an HTTP request for `target`: the status and the body.
    pub fn on_http(&mut self, now: Moment, asker: Asker, target: &str) -> (u16, Vec<u8>) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "/announce" => (200, self.on_http_announce(now, asker, query.as_bytes())),
            "/scrape" => (200, self.on_http_scrape(query.as_bytes())),
            "/" => (200, HOME.into()),
            _ => (404, b"nothing is here; trackers answer at /announce and /scrape\n".to_vec()),
        }
    }

    fn on_http_announce(&mut self, now: Moment, asker: Asker, query: &[u8]) -> Vec<u8> {
        let query = match AnnounceQuery::read(query) {
            Ok(query) => query,
            Err(why) => return failure(&why.to_string()),
        };
        let caller = Caller {
            ip: asker.remote,
            reached: Some(asker.local),
            family: None,
            limit: MOST_PEERS,
        };
        let (figures, given) = match self.on_announce(now, &caller, &query.announce) {
            Ok(answer) => answer,
            Err(why) => return failure(&why),
        };
        let interval = self.options.announce_interval;
        let peers = given.into_iter();
        let answer = AnnounceAnswer {
            interval: seconds(interval).into(),
            min_interval: Some(seconds(interval.min(MIN_INTERVAL)).into()),
            tracker_id: None,
            seeders: Some(figures.seeders),
            leechers: Some(figures.leechers),
            completed: Some(figures.completed),
            peers: peers
                .map(|given| HttpPeer { addr: given.peer.addr, id: Some(given.id) })
                .collect(),
            external_ip: Some(asker.remote),
            warning: None,
        };
        answer.encode(match (query.compact, query.no_peer_id) {
            (Some(false), false) => PeersAs::Dictionaries,
            (Some(false), true) => PeersAs::DictionariesWithoutIds,
            _ => PeersAs::Compact,
        })
    }

    fn on_http_scrape(&self, query: &[u8]) -> Vec<u8> {
        let hashes = match read_scrape_query(query) {
            Ok(hashes) => hashes,
            Err(why) => return failure(&why.to_string()),
        };
        let files = hashes.into_iter().map(|hash| (hash, self.figures_of(hash))).collect();
        ScrapeAnswer { files, min_request_interval: None }.encode()
    }

    fn figures_of(&self, hash: InfoHashV1) -> Figures {
        self.registry.figures(&self.names(hash.into()))
    }

    /// Takes an announce in: the figures of its torrent, and peers; or why it is refused.
    fn on_announce(
        &mut self,
        now: Moment,
        caller: &Caller,
        announce: &Announce,
    ) -> Result<(Figures, Vec<Given>), String> {
        if self.federation.is_resolver() {
            return Err(NO_SWARMS.to_owned());
        }
        self.counters.announces += 1;
        let hash = InfoHash::V1(announce.info_hash);
        let addr = SocketAddr::new(caller.ip, announce.port);
        if announce.event == Event::Stopped {
            self.registry.on_stopped(&hash, addr, announce.peer_id);
            return Ok((self.figures_of(announce.info_hash), Vec::new()));
        }
        if announce.port == 0 {
            return Err("nobody can be reached at port 0".to_owned());
        }
        let completed = announce.event == Event::Completed;
        let registered = self.registry.on_announce(now, registration(announce, addr), completed);
        registered.map_err(|full| full.to_string())?;
        let names = self.names(hash);
        let wanted = announce.numwant.unwrap_or(USUAL_PEERS) as usize;
        let suits = |peer: &PeerEntry| {
            peer.bittorrent
                && caller.family.is_none_or(|family| family == Family::of(peer.addr.ip()))
        };
        let given = self.registry.next_peers(&names, Some(addr), wanted.min(caller.limit), suits);
        let seen = given.into_iter().filter_map(|given| {
            let peer = as_seen_by(given.peer, caller.ip, caller.reached)?;
            Some(Given { peer, ..given })
        });
        let seen = seen.collect();
        Ok((self.registry.figures(&names), seen))
    }
}

fn registration(announce: &Announce, addr: SocketAddr) -> Registration {
    Registration {
        info_hash: announce.info_hash.into(),
        addr,
        peer_id: announce.peer_id,
        name: String::new(),
        size: 0,
        pieces: 0,
        left: announce.left,
        uploaded: announce.uploaded,
        downloaded: announce.downloaded,
        have: Have::Unknown,
        native: false,
        bittorrent: true,
    }
}

/// Whole seconds, at least one.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).max(1)
}
