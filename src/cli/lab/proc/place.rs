//! Where the processes of a run are: on addresses of this machine's loopback, or elsewhere.

use super::timetable::Member;
use crate::lab::outcome::RunError;
use crate::lab::setting::{Backend, Deed, Setting};
use std::net::{IpAddr, Ipv4Addr};

/// Who is somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Station {
    /// The tracker.
    Tracker,
    /// A peer, by its number over all groups.
    Peer(usize),
}

/// Where processes are, and how they are started there.
pub trait Place {
    /// Which backend this makes of a run.
    fn backend(&self) -> Backend;

    /// The address on which a station listens and from which it calls.
    fn address(&self, who: Station) -> IpAddr;

    /// The words that start a program there, from those that start it here.
    fn wrap(&self, who: Station, words: Vec<String>) -> Vec<String>;

    /// Whether this process reaches what listens on 127.0.0.1 there: peers then take orders in a
    /// run, such as other rates.
    fn is_near(&self) -> bool;

    /// Whether the links there have the rates of the setting; if not, the peers limit themselves.
    fn has_links(&self) -> bool;

    /// Does a deed that the place itself can do, such as a partition; false: it has nothing to do
    /// with it.
    ///
    /// # Errors
    /// It could not be done.
    fn on_deed(&mut self, deed: Deed, who: Station) -> Result<bool, RunError>;

    /// Whether the place itself does such a deed.
    fn does(&self, deed: Deed) -> bool;

    /// The run is over.
    ///
    /// # Errors
    /// What passed there is not what was to pass: the run does not count.
    fn close(&mut self) -> Result<(), RunError> {
        Ok(())
    }
}

/// Opens the place for a run.
pub type Opener =
    Box<dyn FnMut(&Setting, u64, &[Member]) -> Result<Box<dyn Place>, RunError> + Send>;

/// This machine's loopback: a network of its own for the tracker and for each peer, as what a
/// choked peer may ask for goes by networks (BEP 6).
#[derive(Debug, Clone, Copy, Default)]
pub struct Loopback;

impl Place for Loopback {
    fn backend(&self) -> Backend {
        Backend::Proc
    }

    fn address(&self, who: Station) -> IpAddr {
        let network = match who {
            Station::Tracker => 1,
            // More peers than networks are refused before.
            Station::Peer(peer) => u8::try_from(peer + 2).unwrap_or(u8::MAX),
        };
        Ipv4Addr::new(127, 0, network, 1).into()
    }

    fn wrap(&self, _: Station, words: Vec<String>) -> Vec<String> {
        words
    }

    fn is_near(&self) -> bool {
        true
    }

    fn has_links(&self) -> bool {
        false
    }

    fn on_deed(&mut self, _: Deed, _: Station) -> Result<bool, RunError> {
        Ok(false)
    }

    fn does(&self, _: Deed) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn everybody_has_a_network_of_their_own_on_the_loopback() {
        let peers = (0..super::super::MOST_PROCESSES).map(Station::Peer);
        let all: Vec<_> = peers.chain([Station::Tracker]).map(|s| Loopback.address(s)).collect();
        assert!(all.iter().all(IpAddr::is_loopback));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
