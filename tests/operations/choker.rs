//! Every strategy of the choker under any sequence of events.
//!
//! Whatever the peers do: never more are served than there are slots, only who wants something,
//! nobody twice, and no slot stays empty while somebody waits. In the end nobody waits for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use swarmlet::clock::Moment;
use swarmlet::logic::PeerKey;
use swarmlet::logic::choker::{Candidate, Choker, ChokerPolicy, Params, Served};
use swarmlet::logic::timers::Timers;

/// Places at which peers come and go.
const PLACES: u8 = 8;

/// Rounds after which each of so few peers must have had a turn: a trial is three rounds long,
/// a single slot is on trial every other three, and the dice of `random` may be slow.
const PATIENCE: u32 = 300;

/// What can happen to a choker; peers are numbers that the driver brings into range.
#[derive(Debug, Clone, Copy)]
pub enum Operation {
    Join {
        peer: u8,
    },
    Leave {
        peer: u8,
    },
    Interest {
        peer: u8,
        is: bool,
    },
    /// It serves us, or no longer does.
    Serves {
        peer: u8,
        does: bool,
    },
    /// What flows between us, by powers of two.
    Rates {
        peer: u8,
        gives: u8,
        takes: u8,
    },
    /// It sent a block just now.
    Block {
        peer: u8,
    },
    Pending {
        peer: u8,
        is: bool,
    },
    Round,
    FreeSlot,
    Wait {
        secs: u8,
    },
    Seed {
        is: bool,
    },
}

impl From<[u8; 4]> for Operation {
    fn from([kind, peer, a, b]: [u8; 4]) -> Self {
        match kind % 16 {
            0 | 1 => Self::Join { peer },
            2 => Self::Leave { peer },
            3 => Self::Interest { peer, is: a % 4 > 0 },
            4 => Self::Serves { peer, does: a % 2 == 0 },
            5 | 6 => Self::Rates { peer, gives: a, takes: b },
            7 => Self::Block { peer },
            8 => Self::Pending { peer, is: a % 2 == 0 },
            9..=11 => Self::Round,
            12 | 13 => Self::FreeSlot,
            14 => Self::Wait { secs: a },
            _ => Self::Seed { is: a % 4 == 0 },
        }
    }
}

/// Runs a choker through the operations; panics where it breaks a rule. The first numbers choose a
/// strategy, how many slots there are, and how many bytes may be sent, by powers of two.
pub fn run(setup: [u8; 3], operations: impl IntoIterator<Item = Operation>) {
    let mut driver = Driver::new(setup);
    for operation in operations {
        driver.step(operation);
    }
    driver.finish();
}

struct Driver {
    choker: Choker,
    policy: ChokerPolicy,
    /// Uploads have a limit: a strategy may spend it on fewer than there are slots.
    is_limited: bool,
    slots: usize,
    peers: BTreeMap<u8, Candidate>,
    now: Moment,
    seeding: bool,
    next_key: u64,
}

impl Driver {
    fn new([policy, slots, limit]: [u8; 3]) -> Self {
        let policy = ChokerPolicy::ALL[usize::from(policy) % ChokerPolicy::ALL.len()];
        let slots = usize::from(slots) % 7;
        let upload_capacity = (limit % 2 == 0).then(|| power(limit / 2));
        let params = Params { slots, upload_capacity, timers: Timers::default() };
        let rng = fastrand::Rng::with_seed(limit.into());
        Self {
            choker: Choker::new(policy, params, rng),
            policy,
            is_limited: upload_capacity.is_some(),
            slots,
            peers: BTreeMap::new(),
            now: Moment::START,
            seeding: false,
            next_key: 0,
        }
    }

    fn step(&mut self, operation: Operation) {
        let now = self.now;
        match operation {
            Operation::Join { peer } => {
                self.next_key += 1;
                self.peers.insert(peer % PLACES, Candidate::new(PeerKey(self.next_key), now));
            }
            Operation::Leave { peer } => _ = self.peers.remove(&(peer % PLACES)),
            Operation::Interest { peer, is } => self.on(peer, |p| p.interested = is),
            Operation::Serves { peer, does } => self.on(peer, |p| p.serves_us = does),
            Operation::Rates { peer, gives, takes } => {
                self.on(peer, |p| (p.gives, p.takes) = (power(gives), power(takes)));
            }
            Operation::Block { peer } => self.on(peer, |p| p.last_block = Some(now)),
            Operation::Pending { peer, is } => self.on(peer, |p| p.pending = is),
            Operation::Round => _ = self.round(),
            Operation::FreeSlot => self.free_slot(),
            Operation::Wait { secs } => self.now = now + Duration::from_secs(secs.into()),
            Operation::Seed { is } => self.seeding = is,
        }
    }

    fn on(&mut self, place: u8, change: impl FnOnce(&mut Candidate)) {
        if let Some(peer) = self.peers.get_mut(&(place % PLACES)) {
            change(peer);
        }
    }

    fn round(&mut self) -> Vec<Served> {
        let candidates: Vec<_> = self.peers.values().copied().collect();
        let served = self.choker.next_round(self.now, self.seeding, &candidates);
        let keys: BTreeSet<PeerKey> = served.iter().map(|s| s.peer).collect();
        let wants = |p: &&Candidate| p.interested;
        let interested: BTreeSet<_> = candidates.iter().filter(wants).map(|p| p.peer).collect();
        assert_eq!(keys.len(), served.len(), "somebody is served twice: {served:?}");
        assert!(keys.is_subset(&interested), "{served:?} of {interested:?}");
        assert!(served.len() <= self.choker.slots(), "{served:?}");
        if self.wastes_nothing() {
            let least = self.slots.min(interested.len());
            assert!(served.len() >= least, "an empty slot: {served:?} of {interested:?}");
        }
        for peer in self.peers.values_mut() {
            if std::mem::replace(&mut peer.unchoked, keys.contains(&peer.peer)) != peer.unchoked {
                peer.since = self.now;
            }
        }
        for &s in &served {
            assert_eq!(self.choker.decision(s.peer), Some(s));
        }
        served
    }

    fn free_slot(&mut self) {
        let candidates: Vec<_> = self.peers.values().copied().collect();
        let waits = |p: &&Candidate| p.interested && !p.unchoked;
        let waiting: Vec<_> = candidates.iter().filter(waits).map(|p| p.peer).collect();
        let taken = candidates.iter().filter(|p| p.interested && p.unchoked).count();
        match self.choker.next_for_free_slot(self.now, self.seeding, &candidates) {
            Some(served) => {
                assert!(waiting.contains(&served.peer), "{served:?} of {waiting:?}");
                assert!(taken < self.choker.slots(), "there is no free slot for {served:?}");
                let peer = self.peers.values_mut().find(|p| p.peer == served.peer);
                let peer = peer.expect("it is one of those who wait");
                (peer.unchoked, peer.since) = (true, self.now);
            }
            None if self.wastes_nothing() => {
                assert!(taken >= self.slots || waiting.is_empty(), "{waiting:?} wait");
            }
            None => {}
        }
    }

    /// Everybody wants something and gives nothing: each has a turn sooner or later.
    fn finish(&mut self) {
        let now = self.now;
        for peer in self.peers.values_mut() {
            (peer.interested, peer.gives, peer.pending) = (true, 0, false);
            peer.last_block = None;
            peer.since = peer.since.min(now);
        }
        let mut waiting: BTreeSet<_> = self.peers.values().map(|p| p.peer).collect();
        for _ in 0..PATIENCE {
            self.now = self.now + Duration::from_secs(10);
            self.round().iter().for_each(|s| _ = waiting.remove(&s.peer));
        }
        let picks_whom_it_likes =
            matches!(self.policy, ChokerPolicy::FreeRide | ChokerPolicy::BitTyrant);
        if self.slots > 0 && !picks_whom_it_likes {
            assert!(waiting.is_empty(), "{waiting:?} never had a turn with {}", self.policy);
        }
    }

    fn wastes_nothing(&self) -> bool {
        match self.policy {
            ChokerPolicy::FreeRide => false,
            ChokerPolicy::BitTyrant => self.seeding || !self.is_limited,
            _ => self.slots > 0,
        }
    }
}

/// Zero, or a power of two of bytes per second, up to some terabytes.
fn power(number: u8) -> u64 {
    if number.is_multiple_of(44) { 0 } else { 1 << (number % 44) }
}
