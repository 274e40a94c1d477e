//! What BitTorrent's peers ask, by UDP (BEP 15) and HTTP (BEP 3, BEP 48).
//!
//! ```text
//! connect  ---> connection id     proves the asker's address; no memory per client
//! announce ---> peers             wrong id: an error no longer than the question
//! scrape   ---> figures
//! ```
//! A peer is where its announce came from and the port it named; what it says of its address is
//! not believed. Its id and `key` tell it from others at the same address, who can neither stop nor
//! overwrite it.

use super::requests::Asker;
use super::{Names, State, as_seen_by, outside};
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1};
use crate::logic::is_local;
use crate::logic::registry::{Caller as Announcer, Progress, Refused, Report, Wanted};
use crate::protocol::announce::{Announce, Event, Family, Figures, put_compact};
use crate::protocol::tracker_http::{
    AnnounceAnswer, AnnounceQuery, HttpPeer, PeersAs, ScrapeAnswer, failure, read_scrape_query,
};
use crate::protocol::tracker_udp::{
    MAX_ANSWER, Question, put_announce_answer, put_connection, put_error, put_scrape_answer,
};
use crate::tracker::allow::NOT_LISTED;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Peers for who does not say how many it wants.
const USUAL_PEERS: u32 = 50;

/// Peers at most.
const MOST_PEERS: usize = 200;

/// Peers at most in a datagram: who has stolen an address that receives, or shares it, makes us send
/// no more than three times what it sent.
const MOST_PEERS_A_DATAGRAM: usize = 50;

/// A datagram's bytes before its peers.
const UDP_HEAD: usize = 20;

/// Who asks again sooner is in no hurry that we know of.
const MIN_INTERVAL: Duration = Duration::from_secs(30);

/// Where an announce came from.
#[derive(Clone, Copy)]
struct Caller {
    ip: IpAddr,
    /// The address by which it reached the tracker.
    reached: Option<IpAddr>,
}

/// Why an announce is refused.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("nobody can be reached at port 0")]
    Unreachable,
    #[error("{NOT_LISTED}")]
    NotListed,
    #[error("a resolver has no swarms: announce to another tracker")]
    NoSwarms,
    #[error(transparent)]
    Full(#[from] Refused),
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
        let Ok((head, question)) = Question::read(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        let transaction = head.transaction_id;
        match question {
            Question::Connect => {
                put_connection(out, transaction, self.cookies.connection_id(now, from.ip()));
            }
            _ if !self.cookies.accepts_connection(now, from.ip(), head.connection_id) => {
                self.counters.unverified += 1;
                put_error(out, transaction, "connection id expired");
                if out.len() > bytes.len() {
                    out.clear();
                }
            }
            Question::Announce(announce) => {
                self.on_udp_announce(now, from.ip(), &announce, transaction, out);
            }
            Question::Scrape(hashes) => {
                let figures = hashes.iter().map(|hash| self.figures_of(InfoHashV1(*hash)));
                put_scrape_answer(out, transaction, figures);
            }
        }
        debug_assert!(out.len() <= MAX_ANSWER, "answers fit a datagram");
    }

    fn on_udp_announce(
        &mut self,
        now: Moment,
        ip: IpAddr,
        announce: &Announce,
        transaction: u32,
        out: &mut Vec<u8>,
    ) {
        let family = Family::of(ip);
        let fit = MOST_PEERS_A_DATAGRAM.min((MAX_ANSWER - UDP_HEAD) / family.peer_length());
        let bound = self.options.listen.ip();
        let caller = Caller { ip, reached: Some(bound).filter(|ip| !ip.is_unspecified()) };
        let (names, wanted) = match self.on_announce(now, caller, announce, None) {
            Ok((names, wanted)) => (names, wanted.min(fit)),
            Err(why) => {
                self.counters.refused += 1;
                return put_error(out, transaction, &why.to_string());
            }
        };
        let interval = seconds(self.options.announce_interval);
        put_announce_answer(out, transaction, interval, self.registry.figures(&names));
        let [name] = *names else {
            return self.draw(caller, announce.port, &names, Some(family), wanted, |_, seen| {
                put_compact(out, seen);
            });
        };
        self.put_peers(caller, announce.port, &name, wanted, out);
    }

    /// Appends compact peers of a caller's own family, as it finds them.
    fn put_peers(
        &mut self,
        caller: Caller,
        port: u16,
        name: &InfoHash,
        wanted: usize,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        self.registry.next_compact(name, SocketAddr::new(caller.ip, port), wanted, out);
        let length = Family::of(caller.ip).peer_length();
        let is_near = caller.ip.is_loopback();
        if is_near || !out[start..].chunks_exact(length).any(is_loopback) {
            return;
        }
        for peer in out.split_off(start).chunks_exact(length) {
            if !is_loopback(peer) {
                out.extend_from_slice(peer);
            } else if let (Some(ip), [.., high, low]) = (outside(caller.reached), peer) {
                put_compact(out, SocketAddr::new(ip, u16::from_be_bytes([*high, *low])));
            }
        }
    }

    /// Answers an HTTP request for `target`: the status and the body.
    pub fn on_http(&mut self, now: Moment, asker: Asker, target: &str) -> (u16, Vec<u8>) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "/announce" => (200, self.on_http_announce(now, asker, query.as_bytes())),
            "/scrape" => (200, self.on_http_scrape(query.as_bytes())),
            _ => (404, b"nothing is here; trackers answer at /announce and /scrape\n".to_vec()),
        }
    }

    fn on_http_announce(&mut self, now: Moment, asker: Asker, query: &[u8]) -> Vec<u8> {
        let query = match AnnounceQuery::read(query) {
            Ok(query) => query,
            Err(why) => return failure(&why.to_string()),
        };
        let caller = Caller { ip: asker.remote, reached: Some(asker.local) };
        let announce = &query.announce;
        let progress = Progress {
            peer_id: announce.peer_id,
            left: announce.left,
            uploaded: announce.uploaded,
            downloaded: announce.downloaded,
        };
        let (names, wanted) = match self.on_announce(now, caller, announce, Some(progress)) {
            Ok(taken) => taken,
            Err(why) => {
                self.counters.refused += 1;
                return failure(&why.to_string());
            }
        };
        let figures = self.registry.figures(&names);
        let interval = self.options.announce_interval;
        let mut answer = AnnounceAnswer {
            interval: seconds(interval).into(),
            min_interval: Some(seconds(interval.min(MIN_INTERVAL)).into()),
            tracker_id: None,
            seeders: Some(figures.seeders),
            leechers: Some(figures.leechers),
            completed: Some(figures.completed),
            peers: Vec::new(),
            external_ip: Some(asker.remote),
            warning: None,
        };
        let peers_as = match (query.compact, query.no_peer_id) {
            (Some(false), false) => PeersAs::Dictionaries,
            (Some(false), true) => PeersAs::DictionariesWithoutIds,
            _ => PeersAs::Compact,
        };
        let family = Family::of(caller.ip);
        if peers_as == PeersAs::Compact
            && let [name] = *names
            && self.registry.are_all_of(&name, family)
        {
            let mut peers = Vec::with_capacity(wanted * family.peer_length());
            self.put_peers(caller, announce.port, &name, wanted, &mut peers);
            return answer.encode_compact(family, &peers);
        }
        let mut drawn = Vec::with_capacity(wanted);
        self.draw(caller, announce.port, &names, None, wanted, |registered, seen| {
            drawn.push((registered, seen));
        });
        let with_ids = peers_as == PeersAs::Dictionaries;
        let peers = drawn.into_iter().map(|(registered, addr)| {
            let id = with_ids.then(|| self.registry.peer_id(&names, registered));
            HttpPeer { addr, id: id.flatten() }
        });
        answer.peers = peers.collect();
        answer.encode(peers_as)
    }

    fn on_http_scrape(&self, query: &[u8]) -> Vec<u8> {
        let hashes = match read_scrape_query(query) {
            Ok(hashes) => hashes,
            Err(why) => return failure(&why.to_string()),
        };
        let files = hashes.into_iter().map(|hash| (hash, self.figures_of(hash))).collect();
        ScrapeAnswer { files, min_request_interval: None }.encode()
    }

    /// Where a peer listens: where it asks from, whatever it says. Under `--trust-ip` a loopback or
    /// private address, which is of no use to others, gives way to the one that is named.
    fn address_of(&self, asker: IpAddr, announce: &Announce) -> IpAddr {
        let believed = self.options.trust_ip && is_local(asker);
        announce.ip.filter(|_| believed).map_or(asker, |ip| ip.to_canonical())
    }

    fn figures_of(&self, hash: InfoHashV1) -> Figures {
        self.registry.figures(&self.names(hash.into()))
    }

    /// Takes an announce in: the names of its content, and how many peers it is to be given.
    fn on_announce(
        &mut self,
        now: Moment,
        caller: Caller,
        announce: &Announce,
        details: Option<Progress>,
    ) -> Result<(Names, usize), NotTaken> {
        match Family::of(caller.ip) {
            Family::V4 => self.counters.announces_v4 += 1,
            Family::V6 => self.counters.announces_v6 += 1,
        }
        if self.federation.is_resolver() {
            return Err(NotTaken::NoSwarms);
        }
        let info_hash = announce.info_hash;
        if !self.allows(&info_hash.into()) {
            return Err(NotTaken::NotListed);
        }
        let addr = SocketAddr::new(self.address_of(caller.ip, announce), announce.port);
        let names = self.names(info_hash.into());
        let caller = Announcer { peer_id: announce.peer_id, key: announce.key };
        if announce.event == Event::Stopped {
            self.registry.on_left(info_hash, addr, caller);
            return Ok((names, 0));
        }
        if announce.port == 0 {
            return Err(NotTaken::Unreachable);
        }
        let (seeds, completed) = (announce.left == 0, announce.event == Event::Completed);
        let report = Report { info_hash, addr, caller, details, seeds, completed };
        self.registry.on_announce(now, &report)?;
        let wanted = announce.numwant.unwrap_or(USUAL_PEERS) as usize;
        Ok((names, wanted.min(MOST_PEERS)))
    }

    /// Draws peers for a caller who listens on `port`: where they said they are, and where it
    /// finds them.
    fn draw(
        &mut self,
        caller: Caller,
        port: u16,
        names: &[InfoHash],
        family: Option<Family>,
        peers: usize,
        mut give: impl FnMut(SocketAddr, SocketAddr),
    ) {
        let wanted = Wanted { asker: Some(SocketAddr::new(caller.ip, port)), family, peers };
        self.registry.next_peers(names, wanted, |peer| {
            if peer.bittorrent
                && let Some(seen) = as_seen_by(*peer, caller.ip, caller.reached)
            {
                give(peer.addr, seen.addr);
            }
            peer.bittorrent
        });
    }
}

/// Whether a compact peer is on the tracker's own machine.
fn is_loopback(peer: &[u8]) -> bool {
    match peer.first_chunk::<16>() {
        Some(six) => Ipv6Addr::from(*six).is_loopback(),
        None => peer.first() == Some(&127),
    }
}

/// Whole seconds, at least one.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).max(1)
}
