//! Trackers, as a peer sees them: questions by TCP, and the heartbeat by UDP.
//!
//! [`calls`] asks a tracker something and waits for the answer, with a deadline: a name, a
//! .torrent, the catalogue. [`Heartbeat`] is one thread for all trackers: it registers our
//! torrents, keeps them alive, brings peers, and says good-bye. What it says to one tracker and
//! when is [`link`]'s decision, which touches no socket. Events come over a channel; when the
//! channel is full an event is dropped, because the next beat or list brings it again.

/// Questions by TCP that wait for their answer.
pub mod calls;

/// What to say to one tracker, and when.
pub mod link;

/// Questions to a hierarchy of trackers.
pub mod resolve;

/// Announces to BitTorrent trackers.
pub mod announce;

/// One HTTP GET, for announces, scrapes and web seeds.
pub mod http;

/// Announces and scrapes over UDP.
pub mod udp;

/// One question to one BitTorrent tracker.
pub mod ask;

/// A host's TXT records.
pub mod dns;

/// What name servers say of trackers' hosts.
pub mod preferences;

/// How a tracker stands.
pub mod status;

/// Hosts as addresses.
pub mod host;

mod errand;
mod heartbeat;
mod served;

pub use heartbeat::{Heartbeat, HeartbeatConfig};
pub use served::links_of;

use crate::bitfield::Bitfield;
use crate::ids::InfoHashV2;
use crate::protocol::Malformed;
use crate::protocol::tracker_native::{ErrorCode, PeerEntry, PeerLink};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How one of our torrents stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentReport {
    /// The content.
    pub info_hash: InfoHashV2,
    /// Its name; empty while it is not known.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its pieces; 0 while they are not known.
    pub pieces: u32,
    /// Bytes we lack.
    pub left: u64,
    /// Bytes sent since the start.
    pub uploaded: u64,
    /// Bytes received since the start.
    pub downloaded: u64,
    /// Bytes received a second.
    pub down_rate: u64,
    /// Bytes sent a second.
    pub up_rate: u64,
    /// The pieces we have.
    pub have: Bitfield,
    /// Whether to ask for peers more often than the tracker suggests.
    pub wants_peers: bool,
    /// Whether we have everything.
    pub seeding: bool,
    /// Trackers that the torrent itself names.
    pub trackers: Vec<SocketAddr>,
    /// Whether only these may know of it (BEP 27); of others the node's own are told too.
    pub private: bool,
    /// Whom we serve, if a tracker wants to know.
    pub links: Vec<PeerLink>,
}

impl TorrentReport {
    /// Whether a tracker is told of it; `is_ours` says that it is one of the node's.
    fn is_for(&self, tracker: SocketAddr, is_ours: bool) -> bool {
        is_ours && !self.private || self.trackers.contains(&tracker)
    }
}

/// What a tracker brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerEvent {
    /// Peers of a torrent.
    Peers {
        /// Who gave them.
        tracker: SocketAddr,
        /// The content.
        info_hash: InfoHashV2,
        /// The peers, without ourselves.
        peers: Vec<PeerEntry>,
    },
    /// The tracker lists us for a torrent.
    Registered {
        /// The tracker.
        tracker: SocketAddr,
        /// The content.
        info_hash: InfoHashV2,
    },
    /// The tracker lacks the .torrent: whoever has it publishes it.
    NeedsPublish {
        /// The tracker.
        tracker: SocketAddr,
        /// The content.
        info_hash: InfoHashV2,
    },
    /// The tracker does not answer; it is asked on.
    Unreachable {
        /// The tracker.
        tracker: SocketAddr,
        /// Why, in a few words.
        why: String,
    },
    /// The tracker answers, for the first time or again.
    Reachable {
        /// The tracker.
        tracker: SocketAddr,
    },
}

/// Why a question to a tracker has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackerError {
    /// Nobody answered.
    #[error("no tracker answered at {tracker} ({why}): is tracker running?")]
    NoAnswer {
        /// Where.
        tracker: SocketAddr,
        /// Why, in a few words.
        why: String,
    },
    /// The tracker said no.
    #[error("the tracker at {tracker} refused: {message}")]
    Refused {
        /// Where.
        tracker: SocketAddr,
        /// Which rule.
        code: ErrorCode,
        /// The rule in words.
        message: String,
        /// When it may be worth asking again.
        retry_after: Option<Duration>,
    },
    /// Whoever answered does not speak the protocol.
    #[error("what answered at {tracker} is no tracker of ours: {why}")]
    Nonsense {
        /// Where.
        tracker: SocketAddr,
        /// What it did.
        why: String,
    },
}

impl TrackerError {
    fn io(tracker: SocketAddr, error: &io::Error) -> Self {
        Self::NoAnswer { tracker, why: reason(error) }
    }

    fn malformed(tracker: SocketAddr, what: &Malformed) -> Self {
        Self::Nonsense { tracker, why: what.to_string() }
    }

    fn out_of_place(tracker: SocketAddr, word: &str) -> Self {
        Self::Nonsense { tracker, why: format!("a {word} is no answer to that") }
    }
}

/// An error of a socket in a few words.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset".into(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "connection closed".into(),
        io::ErrorKind::HostUnreachable => "host unreachable".into(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".into(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_torrent_is_told_to_the_trackers_that_it_names_and_to_no_others() {
        let (own, other) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:1".parse().unwrap());
        let report = |private| TorrentReport {
            info_hash: InfoHashV2([1; 32]),
            name: String::new(),
            size: 0,
            pieces: 0,
            left: 0,
            uploaded: 0,
            downloaded: 0,
            down_rate: 0,
            up_rate: 0,
            have: Bitfield::new(0),
            wants_peers: false,
            seeding: true,
            trackers: vec![own],
            private,
            links: Vec::new(),
        };
        for is_ours in [false, true] {
            assert!(report(true).is_for(own, is_ours) && report(false).is_for(own, is_ours));
            assert!(!report(true).is_for(other, is_ours), "{is_ours}");
            assert_eq!(report(false).is_for(other, is_ours), is_ours);
        }
    }
}
