//! Files, peers and trackers of a torrent as objects: what `torrent-get` nests.

use super::super::view::{Crowd, FileView, From, PeerView, State, TorrentView, TrackerView};
use crate::logic::picker::Priority;
use crate::protocol::url::Url;
use serde_json::{Value, json};

/// How much a file is wanted: -1, 0 or 1.
pub fn priority(file: &FileView) -> i64 {
    match file.priority {
        Priority::Low => -1,
        Priority::Skip | Priority::Normal => 0,
        Priority::High => 1,
    }
}

/// An entry of `files`: what does not change, and how much is here.
pub fn file(file: &FileView) -> Value {
    json!({ "bytesCompleted": file.done, "length": file.length, "name": file.name })
}

/// An entry of `fileStats`: what changes.
pub fn file_stats(file: &FileView) -> Value {
    json!({ "bytesCompleted": file.done, "wanted": file.wanted, "priority": priority(file) })
}

/// An entry of `peers`.
pub fn peer(peer: &PeerView) -> Value {
    json!({
        "address": peer.address.ip().to_string(),
        "clientIsChoked": peer.peer_choking,
        "clientIsInterested": peer.am_interested,
        "clientName": peer.client,
        "flagStr": flags(peer),
        "isDownloadingFrom": peer.gives > 0,
        "isEncrypted": peer.is_encrypted,
        "isIncoming": peer.is_incoming,
        "isUploadingTo": peer.takes > 0,
        "isUTP": false,
        "peerIsChoked": peer.am_choking,
        "peerIsInterested": peer.peer_interested,
        "port": peer.address.port(),
        "progress": peer.progress,
        "rateToClient": peer.gives,
        "rateToPeer": peer.takes,
    })
}

/// A peer in letters, in Transmission's order: see docs/remote.md.
pub fn flags(peer: &PeerView) -> String {
    let letters = [
        (peer.is_optimistic, 'O'),
        (peer.gives > 0, 'D'),
        (peer.gives == 0 && peer.am_interested, 'd'),
        (peer.takes > 0, 'U'),
        (peer.takes == 0 && peer.peer_interested, 'u'),
        (!peer.peer_choking && !peer.am_interested, 'K'),
        (!peer.am_choking && !peer.peer_interested, '?'),
        (peer.is_encrypted, 'E'),
        (peer.from == From::Gossip, 'X'),
        (peer.is_incoming, 'I'),
    ];
    letters.into_iter().filter_map(|(holds, letter)| holds.then_some(letter)).collect()
}

/// `peersFrom`. Whom the user named counts as remembered.
pub fn peers_from(crowd: &Crowd) -> Value {
    json!({
        "fromCache": crowd.from_given,
        "fromDht": 0,
        "fromIncoming": crowd.from_incoming,
        "fromLpd": 0,
        "fromLtep": 0,
        "fromPex": crowd.from_gossip,
        "fromTracker": crowd.from_tracker,
    })
}

/// An entry of `trackers`: what does not change.
pub fn tracker(tracker: &TrackerView) -> Value {
    json!({
        "announce": tracker.url,
        "id": tracker.id,
        "scrape": scrape_url(&tracker.url),
        "sitename": site_name(&tracker.url),
        "tier": tracker.tier,
    })
}

/// An entry of `trackerStats`. A tracker is not scraped on its own: how many seed and fetch comes
/// with each answer to an announce.
pub fn tracker_stats(torrent: &TorrentView, tracker: &TrackerView) -> Value {
    let result = match &tracker.outcome {
        None => "",
        Some(Ok(_)) => "Success",
        Some(Err(why)) => why,
    };
    let named = tracker.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
    let last = tracker.last.unwrap_or(0);
    let has_figures = tracker.seeders.is_some() || tracker.leechers.is_some();
    let figures_at = if has_figures { last } else { 0 };
    json!({
        "announce": tracker.url,
        "announceState": announce_state(torrent, tracker),
        "downloadCount": figure(tracker.completed),
        "hasAnnounced": tracker.outcome.is_some(),
        "hasScraped": has_figures,
        "host": authority(&tracker.url),
        "id": tracker.id,
        "isBackup": tracker.is_backup,
        "lastAnnouncePeerCount": named.copied().unwrap_or(0),
        "lastAnnounceResult": result,
        "lastAnnounceStartTime": last,
        "lastAnnounceSucceeded": named.is_some(),
        "lastAnnounceTime": last,
        "lastAnnounceTimedOut": false,
        "lastScrapeResult": "",
        "lastScrapeStartTime": figures_at,
        "lastScrapeSucceeded": has_figures,
        "lastScrapeTime": figures_at,
        "lastScrapeTimedOut": false,
        "leecherCount": figure(tracker.leechers),
        "nextAnnounceTime": tracker.next.unwrap_or(0),
        "nextScrapeTime": 0,
        "scrape": scrape_url(&tracker.url),
        "scrapeState": 0,
        "seederCount": figure(tracker.seeders),
        "sitename": site_name(&tracker.url),
        "tier": tracker.tier,
    })
}

/// 0 not at all, 1 later, 3 right now.
fn announce_state(torrent: &TorrentView, tracker: &TrackerView) -> i64 {
    match tracker.next {
        _ if tracker.is_asking => 3,
        Some(_) if torrent.state != State::Stopped => 1,
        _ => 0,
    }
}

/// -1 is unknown.
fn figure(count: Option<u32>) -> i64 {
    count.map_or(-1, i64::from)
}

/// `HOST:PORT` of a tracker.
fn authority(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), |url| format!("{}:{}", url.host, url.port))
}

/// Where a tracker is scraped (BEP 48): `announce` of its path replaced; empty where that is not
/// possible.
fn scrape_url(announce: &str) -> String {
    match announce.rsplit_once('/') {
        Some((before, last)) if last.starts_with("announce") => {
            format!("{before}/scrape{}", &last["announce".len()..])
        }
        _ => String::new(),
    }
}

/// A tracker in one word: `tracker.example.org` is `example`.
fn site_name(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return host_of(url).to_owned() };
    if url.address().is_some() {
        return url.host;
    }
    let labels: Vec<&str> = url.host.split('.').collect();
    labels[labels.len().saturating_sub(2)].to_owned()
}

fn host_of(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn idle() -> PeerView {
        PeerView {
            address: ([127, 0, 0, 1], 6881).into(),
            client: String::new(),
            is_native: false,
            is_incoming: false,
            is_encrypted: false,
            from: From::Tracker,
            progress: 0.0,
            gives: 0,
            takes: 0,
            given: 0,
            taken: 0,
            am_choking: true,
            is_optimistic: false,
            why: String::new(),
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            is_snubbed: false,
            requests: 0,
            in_flight: 0,
            window: 0,
            round_trip: None,
            connected: Duration::ZERO,
            number: 1,
        }
    }

    #[test]
    fn flags_are_transmissions_letters() {
        let check = |change: fn(&mut PeerView), expected: &str| {
            let mut peer = idle();
            change(&mut peer);
            assert_eq!(flags(&peer), expected);
        };
        check(|_| {}, "");
        check(|peer| peer.gives = 1, "D");
        check(|peer| peer.am_interested = true, "d");
        check(|peer| peer.takes = 1, "U");
        check(|peer| peer.peer_interested = true, "u");
        check(|peer| peer.peer_choking = false, "K");
        check(|peer| peer.am_choking = false, "?");
        check(|peer| peer.is_encrypted = true, "E");
        check(|peer| peer.from = From::Gossip, "X");
        check(|peer| peer.is_incoming = true, "I");
        let busy = |peer: &mut PeerView| {
            (peer.is_optimistic, peer.gives, peer.takes) = (true, 1, 1);
            (peer.am_choking, peer.peer_interested) = (false, true);
            (peer.peer_choking, peer.am_interested, peer.is_incoming) = (false, true, true);
        };
        check(busy, "ODUI");
    }

    #[test]
    fn a_tracker_has_an_authority_a_scrape_url_and_a_site() {
        let check = |url: &str, host: &str, scrape: &str, site: &str| {
            assert_eq!(authority(url), host, "{url}");
            assert_eq!(scrape_url(url), scrape, "{url}");
            assert_eq!(site_name(url), site, "{url}");
        };
        let (http, udp) = ("http://t.example.org/announce?k=1", "udp://127.0.0.1:6969/announce");
        check(http, "t.example.org:80", "http://t.example.org/scrape?k=1", "example");
        check(udp, "127.0.0.1:6969", "udp://127.0.0.1:6969/scrape", "127.0.0.1");
        check("http://host:1/x", "host:1", "", "host");
        check("127.0.0.1:6969", "127.0.0.1:6969", "", "127.0.0.1");
    }
}
