//! What peers tell each other: it is cheap to make up, so it is heard only so often, and only so
//! many addresses of one machine are kept.

use crate::clock::Moment;
use crate::logic::is_local;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How often one source is heard; honest ones tell once a minute (BEP 11).
pub const GOSSIP_PAUSE: Duration = Duration::from_secs(30);

/// How many addresses are heard each time (BEP 11).
pub(super) const GOSSIP: usize = 50;

/// How many addresses with the same IP are kept from gossip, loopback and private ones exempt.
pub(super) const GOSSIP_PER_IP: usize = 8;

/// How many sources are remembered.
pub(super) const GOSSIPS: usize = 512;

/// When each source was heard last.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(HashMap<SocketAddr, Moment>);

impl Heard {
    /// Whether this source is heard now. Whoever connects anew is not heard anew, except on our own
    /// network, where one address may stand for many peers.
    pub fn hears(&mut self, now: Moment, source: SocketAddr) -> bool {
        let source = if is_local(source.ip()) { source } else { SocketAddr::new(source.ip(), 0) };
        if self.0.len() >= GOSSIPS {
            self.0.retain(|_, &mut at| now.since(at) < GOSSIP_PAUSE);
        }
        let hears = match self.0.get(&source) {
            Some(&at) => now.since(at) >= GOSSIP_PAUSE,
            None => self.0.len() < GOSSIPS,
        };
        if hears {
            self.0.insert(source, now);
        }
        hears
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// How many addresses of each machine are rumours.
#[derive(Debug, Default)]
pub(super) struct PerMachine(HashMap<IpAddr, usize>);

impl PerMachine {
    /// Those that are known already.
    pub fn of(rumours: impl Iterator<Item = SocketAddr>) -> Self {
        let mut all = Self::default();
        rumours.for_each(|address| *all.0.entry(address.ip()).or_default() += 1);
        all
    }

    /// Whether there is room for one more; it is counted.
    pub fn takes(&mut self, address: SocketAddr) -> bool {
        let count = self.0.entry(address.ip()).or_default();
        let takes = *count < GOSSIP_PER_IP || is_local(address.ip());
        *count += usize::from(takes);
        takes
    }
}
