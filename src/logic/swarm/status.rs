//! A swarm for people to look at.

use super::Swarm;
use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::logic::session::Session;
use std::net::SocketAddr;

/// One peer, for people to look at.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// Which.
    pub peer: PeerKey,
    /// Where it listens.
    pub address: SocketAddr,
    /// How many pieces it has.
    pub pieces: u32,
    /// Bytes per second that it sends us.
    pub gives: u64,
    /// Bytes asked of it and not delivered.
    pub in_flight: u64,
    /// Whether we do not serve it.
    pub am_choking: bool,
    /// Whether it does not serve us.
    pub peer_choking: bool,
    /// Whether we want something of it.
    pub am_interested: bool,
    /// Whether it wants something of us.
    pub peer_interested: bool,
}

impl Swarm {
    /// All peers, for people to look at.
    pub fn peers(&self, now: Moment) -> Vec<PeerStatus> {
        let status = |s: &Session| PeerStatus {
            peer: s.peer,
            address: s.address,
            pieces: s.have().count(),
            gives: s.gives.per_second(now),
            in_flight: s.requests.pipeline.in_flight(),
            am_choking: s.am_choking,
            peer_choking: s.peer_choking,
            am_interested: s.am_interested,
            peer_interested: s.peer_interested,
        };
        self.sessions.values().map(status).collect()
    }
}
