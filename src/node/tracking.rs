//! What trackers are told of our torrents, in either dialect.

use crate::node::NodeOptions;
use crate::node::shared::{Shared, Torrent};
use crate::node::trackers::announce::{
    AnnounceConfig, AnnounceEvent, AnnounceIdentity, AnnounceReport, Announcers,
};
use crate::node::trackers::{Heartbeat, HeartbeatConfig, TorrentReport, TrackerEvent, calls};
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
        trackers: options.trackers.clone(),
        bind: options.bind,
        port: shared.port,
        peer_id: shared.peer_id,
        clock: shared.clock,
    };
    let source = shared.clone();
    Heartbeat::start(config, Box::new(move || reports(&source)), events)
}

fn reports(shared: &Shared) -> Vec<TorrentReport> {
    let now = shared.clock.now();
    let torrents: Vec<Arc<Torrent>> = shared.torrents.lock().all();
    let report = |torrent: &Arc<Torrent>| {
        // What has no v2 hash is not spoken of in the native dialect.
        let info_hash = torrent.info_hash.v2()?;
        let up_rate = torrent.up.lock().per_second(now);
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
            wants_peers: !picker.is_complete() && down_rate == 0,
            seeding: picker.is_complete(),
            trackers: torrent.trackers.clone(),
        })
    };
    torrents.iter().filter_map(report).collect()
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
            wants_peers: !picker.is_complete() && picker.down_rate(now) == 0,
            private: torrent.meta.private,
        }
    };
    torrents.iter().map(report).collect()
}

/// The BitTorrent trackers of a torrent, without those that hear of it natively: there a peer that
/// dies is gone after three heartbeats, and is not to linger under another name.
fn announced_to(torrent: &Torrent, native: &[SocketAddr]) -> Vec<Vec<String>> {
    let tiers = &torrent.meta.trackers;
    if torrent.info_hash.v2().is_none() {
        return tiers.clone();
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
