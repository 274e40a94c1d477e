//! Whom to ask for what, and whom to serve: pure state machines.
//!
//! Each machine takes what happened and the [`crate::clock::Moment`] it happened at, and gives
//! decisions back as values. No sockets, files, threads, locks or clocks stand here, and no bytes
//! of content: the machines deal in blocks, pieces, peers and moments.

use std::fmt;
use std::net::IpAddr;

/// How many peers have each piece, rarest first.
pub mod availability;

/// Which block to ask for next.
pub mod picker;

/// How much to have asked of one peer.
pub mod pipeline;

/// How much may wait in the system for the line to one peer.
pub mod ahead;

/// Which pieces the only seeder shows to whom.
pub mod super_seed;

/// How fast something flows.
pub mod rate;

/// One peer as we see it.
pub mod session;

/// One torrent and all its peers.
pub mod swarm;

/// What a web server is asked for, and when again.
pub mod web_seed;

/// How often whom to serve is decided.
pub mod timers;

/// Whom to serve.
pub mod choker;

/// Who sent what did not match its hash.
pub mod ban;

/// What a peer may ask for while choked.
pub mod fast_set;

/// How fast things went.
pub mod history;

/// Whom to call, and when again.
pub mod dialer;

/// Whether a new connection comes in, and which one goes for it.
pub mod admission;

/// When a torrent starves, and whom it lets go for somebody new.
pub mod neighbours;

/// Which addresses a URL may lead to.
pub mod reach;

/// Which `Host` of a request means us, and which page is ours.
pub mod hosts;

/// What only those may know who were told.
pub mod secret;

/// Which tracker to tell what, and when.
pub mod announcer;

/// Bytes per second, kept.
pub mod limiter;

/// Whose bytes go next under the upload limits.
pub mod shares;

/// When a disk that failed is tried again.
pub mod retry;

/// Who has what, at the tracker.
pub mod registry;

/// Which tracker of a hierarchy knows.
pub mod resolver;

/// A connected peer, by a number that is never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey(pub u64);

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.0)
    }
}

/// Loopback, link-local and private ranges (RFC 1918, RFC 4193), where one address may
/// stand for many peers: the caps on an address do not count there.
pub fn is_local(ip: IpAddr) -> bool {
    is_loopback(ip)
        || match ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        }
}

/// Whether a call to this address ends on our own machine, however it is written: systems take
/// the unspecified address for the loopback.
pub fn is_loopback(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_machine_and_network_are_known_however_they_are_written() {
        let check = |text: &str, loopback: bool, local: bool| {
            let ip = text.parse().unwrap();
            assert_eq!((is_loopback(ip), is_local(ip)), (loopback, local), "{text}");
        };
        for here in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"] {
            check(here, true, true);
        }
        for near in ["10.1.2.3", "192.168.0.1", "169.254.1.1", "fd00::1", "fe80::1"] {
            check(near, false, true);
        }
        check("::ffff:10.1.2.3", false, true);
        for far in ["9.9.9.9", "172.32.0.1", "2001:db8::1", "::ffff:9.9.9.9"] {
            check(far, false, false);
        }
    }
}
