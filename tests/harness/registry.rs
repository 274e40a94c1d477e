//! What a tracker says, asked through the library, and peers that exist only there.

use crossbeam_channel::{Receiver, bounded};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Clock;
use swarmlet::ids::{InfoHashV2, PeerId};
use swarmlet::node::trackers::{Heartbeat, HeartbeatConfig, TorrentReport, TrackerEvent, calls};
use swarmlet::protocol::tracker_native::{Candidate, PeerEntry};

/// Content that somebody claims to have.
#[derive(Clone)]
pub struct Claim {
    /// Which.
    pub info_hash: InfoHashV2,
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: u64,
    /// How many pieces it has.
    pub pieces: u32,
    /// Whether all of it; else nothing.
    pub seeding: bool,
}

/// Someone who is registered at a tracker and is nothing else.
pub struct Claimant {
    heartbeat: Option<Heartbeat>,
    events: Receiver<TrackerEvent>,
}

impl Claimant {
    /// Registers as a peer that listens on `ip`:`port`.
    pub fn start(tracker: SocketAddr, ip: IpAddr, port: u16, claims: Vec<Claim>) -> Self {
        let (sender, events) = bounded(8192);
        let config = HeartbeatConfig {
            trackers: vec![tracker],
            bind: Some(ip),
            port,
            peer_id: PeerId::generate(&mut fastrand::Rng::new()),
            clock: Clock::start(1.0),
        };
        let report = |claim: &Claim| TorrentReport {
            trackers: Vec::new(),
            private: false,
            info_hash: claim.info_hash,
            name: claim.name.clone(),
            size: claim.size,
            pieces: claim.pieces,
            left: if claim.seeding { 0 } else { claim.size },
            uploaded: 0,
            downloaded: 0,
            down_rate: 0,
            up_rate: 0,
            have: if claim.seeding {
                Bitfield::full(claim.pieces)
            } else {
                Bitfield::new(claim.pieces)
            },
            wants_peers: false,
            seeding: claim.seeding,
            links: Vec::new(),
        };
        let reports = move |_| claims.iter().map(report).collect();
        let heartbeat = Heartbeat::start(config, Box::new(reports), sender);
        Self { heartbeat: Some(heartbeat.expect("a socket and a thread")), events }
    }

    /// Waits until the tracker has taken the first registration.
    pub fn wait_registered(&self, within: Duration) {
        let end = std::time::Instant::now() + within;
        while let Ok(event) = self.events.recv_deadline(end) {
            if matches!(event, TrackerEvent::Registered { .. }) {
                return;
            }
        }
        panic!("not registered within {within:?}");
    }
}

impl Drop for Claimant {
    fn drop(&mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.stop(Duration::ZERO);
        }
    }
}

/// The whole catalogue.
pub fn catalogue(tracker: SocketAddr) -> Vec<Candidate> {
    calls::list(tracker, None).expect("the tracker answers")
}

/// The peers of a content.
pub fn peers(tracker: SocketAddr, info_hash: InfoHashV2, wanted: u16) -> Vec<PeerEntry> {
    calls::peers(tracker, None, info_hash, 0, wanted).expect("the tracker answers")
}
