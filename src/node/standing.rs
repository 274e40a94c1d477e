//! How a torrent's peers, trackers and pieces stand, for people and programs to look at.
//!
//! What the swarm knows of a peer ([`PeerStatus`]) is joined with what its connection knows. A
//! tracker is listed once, whoever speaks to it: the announcer by its URL, the heartbeat natively.

use crate::clock::Moment;
use crate::ids::PeerId;
use crate::logic::PeerKey;
use crate::logic::dialer::Source;
use crate::logic::picker::PieceState;
use crate::logic::swarm::{Board, PeerStatus};
use crate::node::shared::Connection;
use crate::node::trace::Lines;
use crate::node::trackers::status::TrackerStatus;
use crate::node::{Node, Torrent};
use crate::protocol::Dialect;
use crate::protocol::client_name::client_name;
use crate::protocol::url::Url;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One connected peer. Its stream is never enciphered: an encrypted opening goes on in clear.
#[derive(Debug, Clone)]
pub struct PeerView {
    /// What the swarm knows of it: rates, interest, requests.
    pub status: PeerStatus,
    /// Where it listens, if that is known; else where it called from.
    pub address: SocketAddr,
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Which program it is, by its id (BEP 20). A stranger's words.
    pub client: String,
    /// How we speak to it.
    pub dialect: Dialect,
    /// Whether we dialled.
    pub dialled: bool,
    /// Who named it when it was dialled; [`Source::Caller`] if it called.
    pub source: Source,
    /// How much of the content it has, from 0 to 1.
    pub progress: f64,
    /// Since when it is connected.
    pub since: Moment,
    /// How long that is.
    pub connected: Duration,
    /// Bytes of content that it sent and that were taken.
    pub received: u64,
    /// Bytes of content that were sent to it.
    pub sent: u64,
}

impl Node {
    /// The connected peers of a torrent, in the order of their addresses.
    pub fn peers(&self, torrent: &Torrent) -> Vec<PeerView> {
        let now = self.shared.clock.now();
        let pieces = f64::from(torrent.geometry.pieces().max(1));
        let view = |connection: &Connection, status: PeerStatus| PeerView {
            address: connection.listens_at().unwrap_or(connection.who.address),
            peer_id: connection.who.peer_id,
            client: client_name(&connection.who.peer_id),
            dialect: connection.speech.dialect(),
            dialled: connection.who.dialled,
            source: connection.who.named_by,
            progress: f64::from(status.pieces) / pieces,
            since: connection.since,
            connected: now.since(connection.since),
            received: status.given,
            sent: connection.uploaded.load(Ordering::Relaxed),
            status,
        };
        let peers = torrent.peers.lock();
        let all = torrent.picker.lock().peers(now);
        let known = |status: PeerStatus| Some(view(peers.connections.get(&status.peer)?, status));
        let mut all: Vec<PeerView> = all.into_iter().filter_map(known).collect();
        all.sort_by_key(|peer| (peer.address, peer.status.peer));
        all
    }

    /// The trackers of a torrent: its own in their tiers, then each of the user's for all torrents,
    /// then the native ones that no URL names. A paused torrent has its own, of which nothing is known.
    pub fn trackers(&self, torrent: &Torrent) -> Vec<TrackerStatus> {
        let announced = self.announcers.standing(torrent.info_hash);
        let native = torrent.info_hash.v2().map(|hash| self.heartbeat.standing(hash));
        let tiers = torrent.tiers.lock().clone();
        list(&tiers, &self.options.announce_urls, announced, native.unwrap_or_default())
    }

    /// Which pieces each connected peer has, see [`crate::bitfield::Bitfield::bar`].
    pub fn bars(&self, torrent: &Torrent) -> Vec<(PeerKey, String)> {
        torrent.picker.lock().bars()
    }

    /// The state of each piece of a torrent.
    pub fn piece_states(&self, torrent: &Torrent) -> Vec<PieceState> {
        torrent.picker.lock().states()
    }

    /// From whom the pieces of a torrent came, see [`crate::logic::swarm::Swarm::origins`].
    pub fn origins(&self, torrent: &Torrent) -> (Vec<Option<SocketAddr>>, Vec<Option<u16>>) {
        torrent.picker.lock().origins()
    }

    /// How upload slots of a torrent are given out.
    pub fn board(&self, torrent: &Torrent) -> Board {
        torrent.picker.lock().board()
    }

    /// When they are given out anew: in all torrents at once.
    pub fn next_round(&self) -> Moment {
        *self.shared.next_round.lock()
    }

    /// The trace from a place on, or from now on, if this node was started
    /// [`watchable`](super::NodeOptions::watchable) or writes one.
    pub fn log(&self, place: Option<u64>) -> Option<Lines> {
        let lines = self.shared.trace.as_ref()?.since(place);
        if place.is_none() {
            // Those that begin meanwhile are told by the coordinator.
            let torrents = self.shared.torrents.lock().all();
            torrents.iter().for_each(|torrent| torrent.picker.lock().set_trace(true));
        }
        Some(lines)
    }

    /// Bytes that are wanted and missing, and that no connected peer has.
    pub fn unavailable(&self, torrent: &Torrent) -> u64 {
        torrent.picker.lock().unavailable()
    }

    /// How many connected peers have each piece of a torrent.
    pub fn availability(&self, torrent: &Torrent) -> Vec<u32> {
        torrent.picker.lock().availability()
    }
}

/// Every tracker once. `always` are the URLs that the user named for all torrents.
fn list(
    tiers: &[Vec<String>],
    always: &[String],
    mut announced: Vec<(Url, TrackerStatus)>,
    mut native: Vec<TrackerStatus>,
) -> Vec<TrackerStatus> {
    let mut all = Vec::new();
    let mut find = |text: &String, tier: usize| {
        let url = Url::parse(text).ok();
        let at = announced.iter().position(|(known, _)| Some(known) == url.as_ref());
        let by_url = at.map(|at| announced.remove(at).1);
        let address = url.and_then(|url| Some(SocketAddr::new(url.address()?, url.port)));
        let is_there = |status: &TrackerStatus| status.url.parse().ok() == address;
        let natively = || {
            let at = address.and_then(|_| native.iter().position(is_there))?;
            Some(native.remove(at))
        };
        let status = by_url.or_else(natively);
        let unknown = TrackerStatus::unknown(text.clone(), tier);
        status.map_or(unknown, |status| TrackerStatus { url: text.clone(), tier, ..status })
    };
    for (tier, urls) in tiers.iter().enumerate() {
        all.extend(urls.iter().map(|url| find(url, tier)));
    }
    let mut tier = tiers.len();
    for url in always {
        let status = find(url, tier);
        // What the torrent names itself is not listed twice, and a private one is not told to these.
        let is_told = status.under_way || status.next.is_some() || status.last.is_some();
        if is_told && all.iter().all(|known: &TrackerStatus| known.url != *url) {
            all.push(status);
            tier += 1;
        }
    }
    native.sort_by(|one, other| one.url.cmp(&other.url));
    all.extend((tier..).zip(native).map(|(tier, status)| TrackerStatus { tier, ..status }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::trackers::status::{LastAnnounce, Told};

    fn told(peers: usize) -> LastAnnounce {
        let told = Told { peers, ..Told::default() };
        LastAnnounce { at: Moment::START, outcome: Ok(told) }
    }

    fn announced(url: &str, peers: usize) -> (Url, TrackerStatus) {
        let status =
            TrackerStatus { last: Some(told(peers)), ..TrackerStatus::unknown(url.into(), 9) };
        (Url::parse(url).unwrap(), status)
    }

    fn native(at: &str, peers: usize) -> TrackerStatus {
        let unknown = TrackerStatus::unknown(at.into(), 0);
        TrackerStatus { native: true, last: Some(told(peers)), ..unknown }
    }

    fn lines(all: &[TrackerStatus]) -> Vec<String> {
        let line = |status: &TrackerStatus| {
            let peers = status.last.as_ref().map(|last| last.outcome.as_ref().unwrap().peers);
            let way = if status.native { "natively" } else { "" };
            format!("{} {} {peers:?} {way}", status.tier, status.url).trim_end().to_owned()
        };
        all.iter().map(line).collect()
    }

    #[test]
    fn every_tracker_is_listed_once_whoever_speaks_to_it() {
        let tiers = [
            vec!["http://a/announce".to_owned(), "no url".to_owned()],
            vec!["http://192.0.2.1:6969/announce".to_owned(), "udp://b:1".to_owned()],
        ];
        let always = ["udp://u:1".to_owned(), "http://a/announce".to_owned()];
        let said = vec![
            announced("http://a/announce", 1),
            announced("udp://u:1", 2),
            announced("http://gone/announce", 3),
        ];
        let spoken = vec![native("192.0.2.9:1", 5), native("192.0.2.1:6969", 4)];
        let expected = [
            "0 http://a/announce Some(1)",
            "0 no url None",
            "1 http://192.0.2.1:6969/announce Some(4) natively",
            "1 udp://b:1 None",
            "2 udp://u:1 Some(2)",
            "3 192.0.2.9:1 Some(5) natively",
        ];
        assert_eq!(lines(&list(&tiers, &always, said, spoken)), expected);
    }

    #[test]
    fn the_users_trackers_are_not_listed_where_they_are_not_told() {
        assert_eq!(lines(&list(&[], &["udp://u:1".to_owned()], Vec::new(), Vec::new())), [""; 0]);
    }
}
