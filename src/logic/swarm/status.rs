//! A swarm for people to look at.

use super::Swarm;
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::logic::choker::Why;
use crate::logic::picker::PieceState;
use crate::logic::session::Session;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// How we stand to a peer, in the words of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// We do not serve it.
    Choked,
    /// We serve it.
    Unchoked,
    /// We serve it on trial, to find better ones.
    Optimistic,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Choked => "choked",
            Self::Unchoked => "unchoked",
            Self::Optimistic => "optimistic",
        })
    }
}

/// One peer, for people to look at.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// Which.
    pub peer: PeerKey,
    /// Where it listens.
    pub address: SocketAddr,
    /// How many pieces it has.
    pub pieces: u32,
    /// How many of them we lack.
    pub wanted: u32,
    /// Bytes per second that it sends us.
    pub gives: u64,
    /// Bytes of content that it gave us, of those that we took.
    pub given: u64,
    /// Bytes per second that we send it.
    pub takes: u64,
    /// Requests that it has not answered.
    pub requests: usize,
    /// Bytes asked of it and not delivered.
    pub in_flight: u64,
    /// The most bytes that are asked of it at a time.
    pub window: u64,
    /// The shortest time between a question and the first bytes of its answer.
    pub round_trip: Option<Duration>,
    /// Whether it is late with what it owes.
    pub snubbed: bool,
    /// Whether we serve it.
    pub standing: Standing,
    /// Why we serve it.
    pub why: Option<Why>,
    /// How much of our upload it is meant to have, in thousandths of an equal share.
    pub weight: u32,
    /// Whether it does not serve us.
    pub peer_choking: bool,
    /// Whether we want something of it.
    pub am_interested: bool,
    /// Whether it wants something of us.
    pub peer_interested: bool,
}

impl Swarm {
    /// Whether somebody wants something of us and is not served.
    pub fn has_waiting(&self) -> bool {
        self.sessions.values().any(|session| session.peer_interested && session.am_choking)
    }

    /// All peers, for people to look at.
    pub fn peers(&self, now: Moment) -> Vec<PeerStatus> {
        self.sessions.values().map(|session| self.status(now, session)).collect()
    }

    /// Which pieces each peer has, as one hexadecimal digit for each of up to 64 equal parts of the
    /// torrent: 0 has none of them, f all.
    pub fn bars(&self) -> Vec<(PeerKey, String)> {
        self.sessions.values().map(|session| (session.peer, session.have().bar())).collect()
    }

    /// The state of each piece.
    pub fn states(&self) -> Vec<PieceState> {
        self.picker.states()
    }

    /// From whom the pieces came: everyone that one came from, in the order of their first (`None`
    /// stands for web seeds), and for each piece a place in that list, if it is known.
    pub fn origins(&self) -> (Vec<Option<SocketAddr>>, Vec<Option<u16>>) {
        let pieces = (0..self.have().pieces()).map(PieceIndex);
        let places = pieces.map(|piece| self.origins.of(piece)).collect();
        (self.origins.sources().to_vec(), places)
    }

    fn status(&self, now: Moment, s: &Session) -> PeerStatus {
        let why = self.choker.decision(s.peer).filter(|_| !s.am_choking).map(|served| served.why);
        let standing = match why {
            _ if s.am_choking => Standing::Choked,
            Some(Why::Optimistic { .. }) => Standing::Optimistic,
            _ => Standing::Unchoked,
        };
        PeerStatus {
            peer: s.peer,
            address: s.address,
            pieces: s.have().count(),
            wanted: s.wanted,
            gives: s.gives.per_second(now),
            given: s.gives.total(),
            takes: s.takes.per_second(now),
            requests: s.requests.count(),
            in_flight: s.requests.pipeline.in_flight(),
            window: s.requests.pipeline.window(),
            round_trip: s.requests.pipeline.round_trip(),
            snubbed: s.requests.pipeline.is_snubbed(),
            standing,
            why,
            weight: s.weight,
            peer_choking: s.peer_choking,
            am_interested: s.am_interested,
            peer_interested: s.peer_interested,
        }
    }
}
