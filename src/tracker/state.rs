//! What the tracker knows, and its answers: no sockets, no clock.
//!
//! [`State::on_datagram`] answers one datagram (parts `datagrams`, `announces`, `questions`),
//! [`State::on_frame`] one frame of a TCP connection (part `requests`), [`State::on_http`] one
//! HTTP request (part `announces`).
//!
//! A hybrid torrent has three names: its v2 info-hash among native peers, the beginning of that
//! and its v1 info-hash among BitTorrent's. They are one content once its .torrent has been
//! published here and hashed, and an answer is drawn from all of them; nobody's word joins them.
//!
//! An asker without a valid cookie is answered by COOKIE
//! to a HELLO that was no shorter, and otherwise by silence.

mod announces;
mod datagrams;
mod questions;
mod replication;
mod requests;

/// What those who watch are shown.
pub mod scenes;

/// What the tracker's pages show.
pub mod views;

pub use requests::{Asker, Feed, Upload};

use super::TrackerOptions;
use super::allow::AllowList;
use super::catalogue::{Catalogue, CatalogueError};
use super::controls::{self, Controls, ControlsView, Helm, Step};
use super::cookie::Cookies;
use super::federation::Federation;
use super::links::LinkTable;
use super::live::Live;
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV2};
use crate::logic::hosts::names_us;
use crate::logic::registry::{Params, Registry, Wanted};
use crate::protocol::announce::Figures;
use crate::protocol::tracker_native::{
    Ack, Candidate, Error, ErrorCode, Message, Packet, PeerEntry, PeerList, millis,
};
use crossbeam_channel::Sender;
use scenes::Bars;
use serde::Serialize;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;
use views::Pulse;

/// How long who announced itself stays at least: clients are late, and some take no notice of
/// short intervals.
const ANNOUNCE_EXPIRE: Duration = Duration::from_mins(15);

/// Announces and registrations of one address in a second, as long as an address has any bound.
const ANNOUNCES_A_SECOND: u32 = 200;

/// Figures of one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Seconds since the start.
    pub uptime_secs: f64,
    /// Names with peers: a hybrid torrent may have three.
    pub torrents: usize,
    /// Registrations.
    pub peers: usize,
    /// Registrations that have everything.
    pub seeders: usize,
    /// Registrations that do not.
    pub leechers: usize,
    /// .torrents.
    pub published: usize,
    /// Bytes of all .torrents.
    pub published_bytes: usize,
    /// TCP connections.
    pub connections: usize,
    /// Datagrams received.
    pub datagrams: u64,
    /// Datagrams that were no message to a tracker.
    pub malformed: u64,
    /// Datagrams without a valid cookie.
    pub unverified: u64,
    /// Frames received by TCP.
    pub requests: u64,
    /// BitTorrent announces, by UDP and HTTP.
    pub announces: u64,
    /// Of these, over IPv4.
    pub announces_v4: u64,
    /// Over IPv6.
    pub announces_v6: u64,
    /// Registrations and announces that were refused.
    pub refused: u64,
    /// Peers dropped because they fell silent.
    pub expired: u64,
}

#[derive(Default)]
struct Counters {
    datagrams: u64,
    malformed: u64,
    unverified: u64,
    requests: u64,
    announces_v4: u64,
    announces_v6: u64,
    refused: u64,
    expired: u64,
}

/// Tables, catalogue, cookies and counters.
pub struct State {
    options: TrackerOptions,
    registry: Registry,
    catalogue: Catalogue,
    /// What is served; everything if there is no list.
    allow: Option<AllowList>,
    /// What was published and not told yet.
    published: Vec<(String, InfoHashV2)>,
    cookies: Cookies,
    counters: Counters,
    federation: Federation,
    pulse: Pulse,
    live: Live,
    bars: Bars,
    /// Whom native peers serve, under `--dashboard`.
    links: LinkTable,
    /// How it is steered from a page, if it is.
    helm: Option<Helm>,
    /// Whether this turn has made a page or a scene.
    page_made: bool,
    /// Whether a scene waits for the next turn because this one has made a page.
    event_waits: bool,
    /// TCP connections, as the streams told last.
    connections: usize,
    /// Bytes of .torrents on their way in.
    uploading: usize,
}

impl State {
    /// Nothing known, a fresh cookie key.
    pub fn new(options: TrackerOptions) -> Self {
        let params = Params {
            max_torrents: options.max_torrents,
            max_peers: options.max_peers,
            max_peers_per_torrent: options.max_peers_per_torrent,
            max_per_address: options.max_per_ip,
            max_a_second: if options.max_per_ip == 0 { 0 } else { ANNOUNCES_A_SECOND },
            exempt_local: options.exempt_local,
            expire: options.expire,
            announce_expire: (options.announce_interval * 3).max(ANNOUNCE_EXPIRE),
            seed: options.seed,
            ..Params::default()
        };
        Self {
            registry: Registry::new(params),
            catalogue: Catalogue::new(options.max_published, options.max_published_bytes),
            allow: None,
            published: Vec::new(),
            cookies: Cookies::random(),
            counters: Counters::default(),
            federation: Federation::new(
                options.federation.clone(),
                options.listen,
                options.keepalive,
                options.seed,
            ),
            pulse: Pulse::default(),
            live: Live::default(),
            bars: Bars::default(),
            links: LinkTable::new(options.expire),
            helm: None,
            page_made: false,
            event_waits: false,
            connections: 0,
            uploading: 0,
            options,
        }
    }

    /// Drops who was silent too long, up to `limit` of them.
    pub fn on_tick(&mut self, now: Moment, limit: usize) {
        self.federation.on_tick(now);
        self.tell_replicas(now);
        self.helm.iter_mut().for_each(|helm| helm.on_tick(now));
        self.page_made = false;
        let dropped = self.registry.on_tick(now, limit);
        self.counters.expired += dropped as u64;
        if dropped > 0 {
            log::debug!("dropped {dropped} silent peers, {} are left", self.registry.peers());
        }
    }

    /// Serves what is on the list and nothing else, from now on.
    pub fn on_list_changed(&mut self, list: AllowList) {
        self.allow = Some(list);
    }

    /// Takes in a .torrent of an earlier run.
    pub fn restore(&mut self, name: &str, torrent: Vec<u8>) -> Result<(), CatalogueError> {
        self.catalogue.restore(name, torrent)
    }

    /// The names and .torrents.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What was published since this was asked last.
    pub fn next_published(&mut self) -> impl Iterator<Item = (String, InfoHashV2)> + use<> {
        std::mem::take(&mut self.published).into_iter()
    }

    fn allows(&self, hash: &InfoHash) -> bool {
        self.allow.as_ref().is_none_or(|list| list.allows(hash))
    }

    /// Whether a page may be made in this turn: announces wait for one page or scene at most.
    pub fn may_make_page(&mut self) -> bool {
        !self.event_waits && !std::mem::replace(&mut self.page_made, true)
    }

    /// Whether who asks for a page calls us by a name of ours. Where we listen to this machine alone
    /// another name is a stranger's, made to point here; no browser asks without any.
    pub fn is_called(&self, host: Option<&str>) -> bool {
        let is_open = !self.options.listen.ip().to_canonical().is_loopback();
        is_open || host.is_none_or(|host| names_us(host, self.options.listen.port(), &[]))
    }

    /// Lets a page give orders; what becomes of them is put into the channel.
    pub fn steer(&mut self, controls: Controls) -> Sender<String> {
        let (helm, sayings) = Helm::new(controls);
        self.helm = Some(helm);
        sayings
    }

    /// What to say to a request that begins with these bytes, if it gives an order.
    pub fn on_order(&self, asker: Asker, bytes: &[u8]) -> Option<Step> {
        let near = asker.remote.is_loopback() || asker.remote == asker.local;
        controls::step(self.helm.as_ref(), bytes, near, self.options.listen.port())
    }

    /// What a page is told of the controls, if there are any.
    fn controls(&self) -> Option<ControlsView> {
        self.helm.as_ref().map(Helm::view)
    }

    /// So many TCP connections are open.
    pub fn on_connections(&mut self, open: usize) {
        self.connections = open;
    }

    /// When somebody is to be dropped, or asked again.
    pub fn deadline(&self) -> Option<Moment> {
        let deadlines =
            [self.registry.deadline(), self.federation.deadline(), self.live.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Figures of this moment.
    pub fn statistics(&self, now: Moment, connections: usize) -> Statistics {
        Statistics {
            uptime_secs: now.elapsed().as_secs_f64(),
            torrents: self.registry.torrents(),
            peers: self.registry.peers(),
            seeders: self.registry.seeders(),
            leechers: self.registry.peers() - self.registry.seeders(),
            published: self.catalogue.len(),
            published_bytes: self.catalogue.bytes(),
            connections,
            datagrams: self.counters.datagrams,
            malformed: self.counters.malformed,
            unverified: self.counters.unverified,
            requests: self.counters.requests,
            announces: self.counters.announces_v4 + self.counters.announces_v6,
            announces_v4: self.counters.announces_v4,
            announces_v6: self.counters.announces_v6,
            refused: self.counters.refused,
            expired: self.counters.expired,
        }
    }

    fn ack(&self, seq: u32, unknown: Vec<u8>, publish: Vec<u8>) -> Message {
        let keepalive_ms = millis(self.options.keepalive);
        let expire_ms = millis(self.options.expire);
        let interval_ms = millis(self.options.interval);
        let links_ms = self.links_interval().map(millis);
        Ack { seq, keepalive_ms, expire_ms, interval_ms, unknown, publish, links_ms }.into()
    }

    /// Whether to ask a peer of this torrent for its .torrent.
    fn wants_publish(&mut self, now: Moment, hash: &InfoHashV2) -> bool {
        let pause = self.options.keepalive / 2;
        self.catalogue.get(hash).is_none()
            && self.registry.next_publisher(now, &(*hash).into(), pause)
    }

    /// All names of the content that bears this one, this one first.
    fn names(&self, hash: InfoHash) -> Names {
        let full = match hash {
            InfoHash::V2(full) => Some(full),
            InfoHash::V1(short) => {
                self.catalogue.by_short(&short).or_else(|| self.registry.resolve(short))
            }
        };
        let mut names = Names { all: [hash; 4], used: 1 };
        if let Some(full) = full {
            let v1 = self.catalogue.get(&full).and_then(|entry| entry.v1);
            names.add(full.into());
            names.add(full.truncated().into());
            v1.map(InfoHash::V1).inspect(|&v1| names.add(v1));
        }
        names
    }

    fn has_content(&self, hash: &InfoHashV2) -> bool {
        if !self.allows(&(*hash).into()) {
            return false;
        }
        self.catalogue.get(hash).is_some()
            || self.names((*hash).into()).iter().any(|name| self.registry.swarm(name).is_some())
    }

    /// Peers for an asker, and the header that goes before them. `more` says that more are
    /// known and wanted than `limit`.
    fn peers_for(&mut self, seq: u32, question: &PeersWanted) -> (PeerList, Vec<PeerEntry>) {
        let PeersWanted { hash, asker, reached, wanted, limit } = *question;
        let names = self.names(hash.into());
        let mut drawn = 0;
        let mut peers = Vec::new();
        let most = Wanted { asker: Some(asker), family: None, peers: wanted.min(limit) };
        self.registry.next_peers(&names, most, |peer| {
            drawn += 1;
            peers.extend(as_seen_by(*peer, asker.ip(), reached));
            true
        });
        let Figures { seeders, leechers, .. } = self.registry.figures(&names);
        let known = names.iter().any(|name| self.registry.knows(name, asker));
        let others = (seeders + leechers) as usize - usize::from(known);
        let more = others.min(wanted) > drawn;
        let list = PeerList {
            seq,
            info_hash: crate::protocol::frame::Bin(hash.0),
            seeders,
            leechers,
            more,
        };
        (list, peers)
    }

    fn candidate(&self, hash: InfoHashV2) -> Option<Candidate> {
        if !self.allows(&hash.into()) {
            return None;
        }
        let entry = self.catalogue.get(&hash);
        let swarm = self.registry.swarm(&hash.into());
        let (name, size, pieces) = match (entry, swarm) {
            (Some(entry), _) => (entry.name.as_str(), entry.size, entry.pieces),
            (None, Some(swarm)) => (swarm.name, swarm.size, swarm.pieces),
            (None, None) => return None,
        };
        let Figures { seeders, leechers, .. } = self.registry.figures(&self.names(hash.into()));
        Some(Candidate {
            name: name.to_owned(),
            info_hash: hash,
            info_hash_v1: entry.and_then(|entry| entry.v1),
            size,
            pieces,
            seeders,
            leechers,
            published: entry.is_some(),
        })
    }
}

/// The names of one content, each once.
struct Names {
    all: [InfoHash; 4],
    used: usize,
}

impl Names {
    fn add(&mut self, name: InfoHash) {
        if !self.contains(&name) {
            self.all[self.used] = name;
            self.used += 1;
        }
    }
}

impl std::ops::Deref for Names {
    type Target = [InfoHash];
    fn deref(&self) -> &[InfoHash] {
        &self.all[..self.used]
    }
}

/// Who wants how many peers of what.
#[derive(Clone, Copy)]
struct PeersWanted {
    hash: InfoHashV2,
    /// Address and listening port.
    asker: SocketAddr,
    /// The address by which the asker reached the tracker.
    reached: Option<IpAddr>,
    wanted: usize,
    /// How many fit the answer.
    limit: usize,
}

/// A peer on the tracker's own machine is, for an asker on another, where the asker reached the
/// tracker; not knowing where that is, it is nowhere.
fn as_seen_by(mut peer: PeerEntry, asker: IpAddr, reached: Option<IpAddr>) -> Option<PeerEntry> {
    if peer.addr.ip().is_loopback() && !asker.is_loopback() {
        peer.addr.set_ip(outside(reached)?);
    }
    Some(peer)
}

/// Where the tracker's own machine is for others.
fn outside(reached: Option<IpAddr>) -> Option<IpAddr> {
    reached.filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn error(
    seq: u32,
    code: ErrorCode,
    message: &(impl ToString + ?Sized),
    retry_after_ms: u32,
) -> Error {
    Error { seq, code, message: message.to_string(), retry_after_ms }
}

fn bare(message: impl Into<Message>) -> Packet<'static> {
    Packet::new(message, &[])
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod announce_tests;

#[cfg(test)]
mod page_tests;

#[cfg(test)]
mod allow_tests;

#[cfg(test)]
mod scene_tests;
