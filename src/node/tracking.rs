//! What trackers are told of our torrents, in either dialect.

use crate::clock::Moment;
use crate::node::NodeOptions;
use crate::node::shared::{Shared, Torrent};
use crate::node::trackers::announce::{
    AnnounceConfig, AnnounceEvent, AnnounceIdentity, AnnounceReport, Announcers,
};
use crate::node::trackers::{
    Heartbeat, HeartbeatConfig, TorrentReport, TrackerEvent, calls, links_of,
};
use crate::protocol::tracker_native::PeerLink;
use crate::protocol::url::Url;
use crossbeam_channel::{Receiver, Sender, select};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The native trackers.
pub(super) fn start_heartbeat(
    shared: &Arc<Shared>,
    options: &NodeOptions,
    events: Sender<TrackerEvent>,
) -> io::Result<Heartbeat> {
    let config = HeartbeatConfig {
        // Trackers that only say who has authority hear nothing of us.
        trackers: options.resolve.map_or(options.trackers.clone(), |_| Vec::new()),
        bind: options.bind,
        port: shared.port,
        peer_id: shared.peer_id,
        clock: shared.clock,
    };
    let source = shared.clone();
    let ours = options.trackers.clone();
    let reports = move |with_links| reports(&source, &ours, with_links);
    Heartbeat::start(config, Box::new(reports), events)
}

fn reports(shared: &Shared, ours: &[SocketAddr], with_links: bool) -> Vec<TorrentReport> {
    let now = shared.clock.now();
    let torrents: Vec<Arc<Torrent>> = shared.torrents.lock().all();
    let report = |torrent: &Arc<Torrent>| {
        // What has no v2 hash is not spoken of in the native dialect.
        let info_hash = torrent.info_hash.v2()?;
        let up_rate = torrent.up.lock().per_second(now);
        let links = if with_links { links(torrent, now) } else { Vec::new() };
        let picker = torrent.picker.lock();
        let down_rate = picker.down_rate(now);
        Some(TorrentReport {
            info_hash,
            name: torrent.meta.name.clone(),
            size: torrent.geometry.total(),
            pieces: torrent.geometry.pieces(),
            left: picker.left(),
            uploaded: torrent.uploaded.load(Ordering::Relaxed),
            downloaded: picker.fetched(),
            down_rate,
            up_rate,
            have: picker.have().clone(),
            // Whoever gets nothing asks often, however many peers stall it.
            wants_peers: !picker.is_satisfied() && down_rate == 0,
            seeding: picker.is_complete(),
            trackers: all_named(torrent, ours),
            private: torrent.keeps_to_its_trackers(),
            links,
        })
    };
    torrents.iter().filter_map(report).collect()
}

/// Whom we serve of a torrent.
fn links(torrent: &Torrent, now: Moment) -> Vec<PeerLink> {
    let peers = torrent.peers.lock();
    let all = torrent.picker.lock().peers(now);
    links_of(all.into_iter().filter_map(|status| {
        let listens_at = peers.connections.get(&status.peer)?.listens_at()?;
        Some((listens_at, status))
    }))
}

/// The native trackers that a torrent names, and the one that has authority for it.
fn all_named(torrent: &Torrent, ours: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut all = named(&torrent.tiers.lock(), &torrent.trackers, ours);
    let authority = torrent.authorities.lock().first().copied();
    all.extend(authority.filter(|authority| !all.contains(authority)));
    all
}

/// The native trackers that a torrent names: those it calls so, and those of ours that are at the
/// address of one of its URLs.
fn named(tiers: &[Vec<String>], native: &[SocketAddr], ours: &[SocketAddr]) -> Vec<SocketAddr> {
    let urls = tiers.iter().flatten().filter_map(|url| Url::parse(url).ok());
    let at = urls.filter_map(|url| Some(SocketAddr::new(url.address()?, url.port)));
    let at = at.filter(|address| ours.contains(address) && !native.contains(address));
    native.iter().copied().chain(at).collect()
}

/// Whether a native tracker may have the torrent (BEP 27).
pub(super) fn may_have(torrent: &Torrent, tracker: SocketAddr) -> bool {
    !torrent.keeps_to_its_trackers()
        || named(&torrent.tiers.lock(), &torrent.trackers, &[tracker]).contains(&tracker)
}

/// The `announce` thread: gives trackers the torrents they lack.
pub(super) fn publish_all(shared: &Shared, wanted: &Receiver<(SocketAddr, Arc<Torrent>)>) {
    loop {
        let (tracker, torrent) = select! {
            recv(wanted) -> next => match next {
                Ok(next) => next,
                Err(_) => return,
            },
            recv(shared.stopped) -> _ => return,
        };
        let Some(info_hash) = torrent.info_hash.v2() else { continue };
        let bytes = torrent.meta.to_torrent();
        match calls::publish(tracker, shared.bind, info_hash, &torrent.name, &bytes) {
            Ok(()) => log::debug!("{tracker} has {} now", torrent.name),
            Err(error) => log::warn!("publishing {}: {error}", torrent.name),
        }
    }
}

/// The BitTorrent trackers.
pub(super) fn start_announcers(
    shared: &Arc<Shared>,
    me: &AnnounceIdentity,
    options: &NodeOptions,
    events: Sender<AnnounceEvent>,
) -> io::Result<Announcers> {
    let config = AnnounceConfig {
        me: me.clone(),
        always: options.announce_urls.clone(),
        clock: shared.clock,
        guard: shared.guard.clone(),
    };
    let (source, native) = (shared.clone(), options.trackers.clone());
    Announcers::start(config, Box::new(move || announces(&source, &native)), events)
}

fn announces(shared: &Shared, native: &[SocketAddr]) -> Vec<AnnounceReport> {
    let now = shared.clock.now();
    let torrents: Vec<Arc<Torrent>> = shared.torrents.lock().all();
    let report = |torrent: &Arc<Torrent>| {
        let picker = torrent.picker.lock();
        AnnounceReport {
            key: torrent.info_hash,
            hashes: torrent.meta.short_hashes().collect(),
            tiers: announced_to(torrent, native),
            left: picker.left(),
            uploaded: torrent.uploaded.load(Ordering::Relaxed),
            downloaded: picker.fetched(),
            complete: picker.is_complete(),
            wants_peers: !picker.is_satisfied() && picker.down_rate(now) == 0,
            partial_seed: picker.is_partial_seed(),
            private: torrent.keeps_to_its_trackers(),
        }
    };
    torrents.iter().map(report).collect()
}

/// The BitTorrent trackers of a torrent, without those that hear of it natively: there a peer that
/// dies is gone after three heartbeats, and is not to linger under another name.
fn announced_to(torrent: &Torrent, native: &[SocketAddr]) -> Vec<Vec<String>> {
    let tiers = torrent.tiers.lock().clone();
    if torrent.info_hash.v2().is_none() {
        return tiers;
    }
    let is_native = |url: &String| {
        let Ok(url) = Url::parse(url) else { return false };
        let at = url.address().map(|ip| SocketAddr::new(ip, url.port));
        let known = |address| native.contains(&address) || torrent.trackers.contains(&address);
        at.is_some_and(known) || torrent.meta.native_trackers.contains(&url.authority())
    };
    let others = |tier: &Vec<String>| tier.iter().filter(|url| !is_native(url)).cloned().collect();
    tiers.iter().map(others).filter(|tier: &Vec<String>| !tier.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::Metainfo;
    use crate::metainfo::build::{BuildOptions, build};
    use crate::metainfo::draft::{Draft, DraftFile, Version};

    fn torrent(private: bool, urls: &[&str], native: &[&str]) -> Metainfo {
        let draft = Draft {
            name: "x".into(),
            version: Version::V2,
            piece_length: 32768,
            single_file: true,
            files: vec![DraftFile {
                path: vec!["x".into()],
                length: 5,
                root: Some([1; 32]),
                layer: Vec::new(),
            }],
            v1_pieces: Vec::new(),
        };
        let options = BuildOptions {
            private,
            trackers: urls.iter().map(|url| vec![(*url).into()]).collect(),
            native_trackers: native.iter().map(|&name| name.into()).collect(),
            ..BuildOptions::default()
        };
        build(&draft, &options).unwrap()
    }

    #[test]
    fn a_private_torrent_that_names_trackers_keeps_to_them() {
        let check = |private, urls: &[&str], native: &[&str], expected| {
            let meta = torrent(private, urls, native);
            assert_eq!(meta.keeps_to_its_trackers(), expected, "{private} {urls:?} {native:?}");
        };
        check(true, &["http://t:1/announce"], &[], true);
        check(true, &[], &["t:1"], true);
        check(true, &[], &[], false);
        check(false, &["http://t:1/announce"], &["t:1"], false);
    }

    #[test]
    fn a_torrent_names_the_native_tracker_at_the_address_of_its_url() {
        let urls = ["http://192.0.2.1:6969/announce", "udp://t.example:6969", "no url"];
        let meta = torrent(true, &urls, &["192.0.2.9:1"]);
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let native = [at("192.0.2.9:1")];
        let ours = [at("192.0.2.1:6969"), at("192.0.2.2:6969"), at("192.0.2.9:1")];
        assert_eq!(named(&meta.trackers, &native, &ours), [native[0], ours[0]]);
        assert_eq!(named(&meta.trackers, &native, &[]), native);
    }
}
