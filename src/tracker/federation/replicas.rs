//! Replicas: the trackers of one zone keep each other's registrations, softly.
//!
//! ```text
//! every heartbeat, to each replica:   HELLO -> COOKIE, while there is none
//!                                     SYNC: whom this tracker heard itself
//! ```
//! What a replica tells expires like a peer that falls silent, so nothing needs to be taken back,
//! and a replica that was away knows everything again after a heartbeat. Only what was heard from
//! peers is told: what came by SYNC is not passed on, or two trackers would keep a dead peer alive
//! between them for ever.

use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crate::protocol::frame::Bin;
use crate::protocol::tracker_native::hello;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A cookie is good for 128 s; it is renewed long before.
const COOKIE_AGE: Duration = Duration::from_mins(1);

/// Registrations of others that are remembered as such.
const MAX_TOLD: usize = 100_000;

/// The other trackers of our zones, and what they told.
#[derive(Debug)]
pub struct Replicas {
    all: Vec<Replica>,
    every: Duration,
    next: Moment,
    /// Who is known by SYNC alone, and since when.
    told: HashMap<(InfoHashV2, SocketAddr), Moment>,
}

#[derive(Debug)]
struct Replica {
    addr: SocketAddr,
    hello: u32,
    cookie: Option<(Bin<8>, Moment)>,
}

impl Replicas {
    /// These trackers, told every heartbeat.
    pub fn new(replicas: &[SocketAddr], every: Duration) -> Self {
        let replica = |&addr: &SocketAddr| Replica { addr, hello: 0, cookie: None };
        let all = replicas.iter().map(replica).collect();
        Self { all, every, next: Moment::START, told: HashMap::new() }
    }

    /// Whether this is the address of one.
    pub fn has(&self, addr: SocketAddr) -> bool {
        self.all.iter().any(|replica| replica.addr == addr)
    }

    /// When they are to be told again.
    pub fn deadline(&self) -> Option<Moment> {
        (!self.all.is_empty()).then_some(self.next)
    }

    /// A heartbeat, if it is time for one: whom to tell under which cookie, and HELLOs for those
    /// who gave none.
    pub fn next_beat(&mut self, now: Moment, seq: impl Fn() -> u32) -> Option<Beat> {
        if self.all.is_empty() || now < self.next {
            return None;
        }
        self.next = now + self.every;
        let mut beat = Beat::default();
        for replica in &mut self.all {
            let fresh = replica.cookie.filter(|(_, since)| now.since(*since) < COOKIE_AGE);
            if let Some((cookie, _)) = fresh {
                beat.tell.push((replica.addr, cookie));
            } else {
                replica.hello = seq();
                beat.hellos.push((replica.addr, hello(replica.hello)));
            }
        }
        Some(beat)
    }

    /// A COOKIE: the replica is told at once.
    pub fn on_cookie(&mut self, now: Moment, from: SocketAddr, seq: u32, cookie: Bin<8>) -> bool {
        let asked = |replica: &&mut Replica| replica.addr == from && replica.hello == seq;
        let Some(replica) = self.all.iter_mut().find(asked) else { return false };
        replica.cookie = Some((cookie, now));
        true
    }

    /// A replica named this peer.
    pub fn on_told(&mut self, now: Moment, hash: InfoHashV2, peer: SocketAddr) {
        if self.told.len() < MAX_TOLD {
            self.told.insert((hash, peer), now);
        }
    }

    /// The peer spoke to us itself.
    pub fn on_heard(&mut self, hash: InfoHashV2, peer: SocketAddr) {
        self.told.remove(&(hash, peer));
    }

    /// Whether the peer is known by SYNC alone.
    pub fn was_told(&self, hash: InfoHashV2, peer: SocketAddr) -> bool {
        self.told.contains_key(&(hash, peer))
    }

    /// Forgets who was told longer ago than that.
    pub fn forget(&mut self, now: Moment, age: Duration) {
        self.told.retain(|_, since| now.since(*since) < age);
    }
}

/// What goes out at a heartbeat.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Whom to tell, and the cookie it gave.
    pub tell: Vec<(SocketAddr, Bin<8>)>,
    /// Whom to ask for a cookie, and how.
    pub hellos: Vec<(SocketAddr, Vec<u8>)>,
}
