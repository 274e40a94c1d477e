//! Whom to serve: upload slots, given out in rounds.
//!
//! ```text
//!             +--------+  View: now, slots, peers   +----------+
//!  Swarm ---> | Choker | -------------------------> | Strategy |  tft, random, ... or your own
//!             +--------+ <------------------------- +----------+
//!                          Served: peer, why, weight
//! ```
//! A [`Strategy`] decides; the [`Choker`] calls it every round and whenever a slot is free in
//! between, because an idle slot helps nobody. It also keeps any strategy to what every one must
//! hold: who wants nothing is not served, nobody twice, and never more than there are slots. Who
//! takes nothing of what it is sent is given no slot, and loses the one it has to whoever waits: see
//! [`Choker::allows`].
//! The strategies that ship stand in a file each and have names, see [`ChokerPolicy`].

use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::logic::timers::Timers;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

pub use policy::{ChokerPolicy, UnknownChoker};
pub use why::Why;
pub use words::Words;

/// Everybody who wants something.
pub mod all;

/// The best bargains first.
pub mod bittyrant;

/// Nobody.
pub mod freeride;

/// The strategies by name.
pub mod policy;

/// Tit for tat, and for seeders turns of a minute.
pub mod legout;

/// To each what it gave.
pub mod propshare;

/// Whoever the dice name.
pub mod random;

/// Whoever waited longest.
pub mod round_robin;

/// Yours to change.
pub mod student;

/// The best givers, and one on trial.
pub mod tft;

/// Why a peer is served.
mod why;

/// A sentence as a value.
mod words;

/// Slots on trial.
mod optimists;

/// Who is next.
mod rotation;

/// So many at most are tried at once in the place of those who make nothing of their slots.
const MOST_TRIED: usize = 64;

/// The weight of an equal share of our upload: weights are thousandths of it.
pub const EQUAL: u32 = 1000;

/// What is known of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub peer: PeerKey,
    /// Whether it wants something of us.
    pub interested: bool,
    /// Whether we serve it now.
    pub unchoked: bool,
    /// Whether it serves us.
    pub serves_us: bool,
    /// Bytes per second it sent us, over [`Timers::rate_window`].
    pub gives: u64,
    /// Bytes per second we sent it, over the same window.
    pub takes: u64,
    /// Since when it has been served or has waited.
    pub since: Moment,
    /// When it connected.
    pub joined: Moment,
    /// When it last sent us something; `None` if it never did.
    pub last_block: Option<Moment>,
    /// Whether requests of it wait to be answered.
    pub pending: bool,
    /// Whether it makes nothing of a slot: it takes nothing of what it is sent, or asks for nothing.
    pub stuck: bool,
    /// Whether somebody at its address took nothing a while ago: it is no newcomer.
    pub returns: bool,
    /// How many of the pieces it has, in thousandths.
    pub share: u32,
}

impl Candidate {
    /// A peer that just connected, has nothing and wants something.
    pub fn new(peer: PeerKey, now: Moment) -> Self {
        Self {
            peer,
            interested: true,
            unchoked: false,
            serves_us: false,
            gives: 0,
            takes: 0,
            since: now,
            joined: now,
            last_block: None,
            pending: false,
            stuck: false,
            returns: false,
            share: 0,
        }
    }
}

/// Everything a strategy may base a decision on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Now.
    pub now: Moment,
    /// Rounds so far, this one included.
    pub round: u32,
    /// Whether we have every piece.
    pub seeding: bool,
    /// How many peers to serve.
    pub slots: usize,
    /// Bytes per second that may be sent, if that is limited.
    pub upload_capacity: Option<u64>,
    /// How long things take.
    pub timers: Timers,
    /// All peers, whether they want something or not.
    pub peers: &'a [Candidate],
}

impl<'a> View<'a> {
    /// Those who want something.
    pub fn interested(&self) -> impl Iterator<Item = &'a Candidate> + use<'a> {
        self.peers.iter().filter(|p| p.interested)
    }

    /// Those who want something and are not served.
    pub fn waiting(&self) -> impl Iterator<Item = &'a Candidate> + use<'a> {
        self.interested().filter(|p| !p.unchoked)
    }

    /// Those who want something and are served.
    pub fn served(&self) -> impl Iterator<Item = &'a Candidate> + use<'a> {
        self.interested().filter(|p| p.unchoked)
    }

    /// Those who want something and gave something within [`Timers::snub`], the best first. Among
    /// equals those who are served already, so that slots do not flap for nothing; then by lot.
    pub fn givers(&self, rng: &mut fastrand::Rng) -> Vec<&'a Candidate> {
        let gave = |p: &Candidate| p.last_block.is_some_and(|at| !self.is_snub(at));
        let mut givers: Vec<_> = self.interested().filter(|p| gave(p)).collect();
        rng.shuffle(&mut givers);
        givers.sort_by_key(|p| (Reverse(p.gives), !p.unchoked));
        givers
    }

    /// Whoever waited longest.
    pub fn longest_waiting(&self) -> Option<Served> {
        let longest = self.waiting().min_by_key(|p| (p.since, p.peer))?;
        Some(Served::equally(longest.peer, self.waited(longest)))
    }

    fn waited(&self, peer: &Candidate) -> Why {
        Why::Waited { secs: self.now.since(peer.since).as_secs() }
    }

    fn is_snub(&self, last_block: Moment) -> bool {
        self.now.since(last_block) >= self.timers.snub
    }
}

/// A peer that is served from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Who.
    pub peer: PeerKey,
    /// Why.
    pub why: Why,
    /// How much of our upload it is meant to have, in thousandths of an equal share.
    pub weight: u32,
}

impl Served {
    /// With as much of our upload as any other.
    pub fn equally(peer: PeerKey, why: Why) -> Self {
        Self { peer, why, weight: EQUAL }
    }
}

/// Decides whom to serve. One of one's own is passed to [`Choker::with`].
pub trait Strategy: fmt::Debug + Send {
    /// A round: who is served from now on, and why; everyone else is choked.
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served>;

    /// Between rounds a slot is free: who gets it? Unless told otherwise whoever waited longest.
    fn next_for_free_slot(&mut self, view: &View, rng: &mut fastrand::Rng) -> Option<Served> {
        let _ = rng;
        view.longest_waiting()
    }

    /// The most peers that it may serve, where there are so many slots: unless it is its nature
    /// to take no heed of slots, just as many.
    fn most(&self, slots: usize) -> usize {
        slots
    }
}

/// What a choker may give away, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// How many peers are served at once, those on trial among them; with none nobody is served.
    pub slots: usize,
    /// Bytes per second that may be sent, if that is limited.
    pub upload_capacity: Option<u64>,
    /// How long things take.
    pub timers: Timers,
}

impl Default for Params {
    /// Four slots (Cohen 2003, section 3.2) and no limit.
    fn default() -> Self {
        Self { slots: 4, upload_capacity: None, timers: Timers::default() }
    }
}

/// The choker of one torrent.
#[derive(Debug)]
pub struct Choker {
    strategy: Box<dyn Strategy>,
    params: Params,
    round: u32,
    rng: fastrand::Rng,
    decisions: BTreeMap<PeerKey, Served>,
}

impl Choker {
    /// A choker with a strategy that ships.
    pub fn new(policy: ChokerPolicy, params: Params, rng: fastrand::Rng) -> Self {
        Self::with(policy.strategy(), params, rng)
    }

    /// A choker with a strategy of one's own.
    pub fn with(strategy: Box<dyn Strategy>, params: Params, rng: fastrand::Rng) -> Self {
        Self { strategy, params, round: 0, rng, decisions: BTreeMap::new() }
    }

    /// From now on another strategy decides.
    pub fn set_strategy(&mut self, strategy: Box<dyn Strategy>) {
        self.strategy = strategy;
    }

    /// The most peers that are served at once.
    pub fn slots(&self) -> usize {
        if self.params.slots == 0 { 0 } else { self.strategy.most(self.params.slots) }
    }

    /// Whether one more may be served between rounds, while `active` peers make use of their slots
    /// and `stuck` ones have slots and do not. As long as more do not than there are slots, as many
    /// are tried at once as did not: a crowd that takes nothing is looked through in steps that
    /// double, and the next round has as many slots as ever.
    pub fn allows(&self, active: usize, stuck: usize) -> bool {
        let slots = self.slots();
        slots > 0 && active < slots.max(stuck.min(MOST_TRIED))
    }

    /// From now on so many peers are served at once; those who are served keep their slots until
    /// the next round.
    pub fn set_slots(&mut self, slots: usize) {
        self.params.slots = slots;
    }

    /// Why a peer is served; of one that is not, this may be what held before.
    pub fn decision(&self, peer: PeerKey) -> Option<Served> {
        self.decisions.get(&peer).copied()
    }

    /// A round: who is served from now on, and why. Everyone else is choked.
    pub fn next_round(&mut self, now: Moment, seeding: bool, peers: &[Candidate]) -> Vec<Served> {
        self.round += 1;
        let peers = those_who_take(peers);
        let view = self.view(now, seeding, &peers);
        let mut served = self.strategy.next_round(&view, &mut self.rng);
        let mut may: Vec<(PeerKey, bool)> = view.interested().map(|p| (p.peer, true)).collect();
        may.sort_unstable();
        served.retain(|s| {
            let at = may.binary_search_by_key(&s.peer, |may| may.0);
            at.is_ok_and(|at| std::mem::take(&mut may[at].1))
        });
        served.truncate(self.slots());
        self.decisions = served.iter().map(|&s| (s.peer, s)).collect();
        served
    }

    /// Between rounds: a peer for a free slot, if there is one and someone waits.
    pub fn next_for_free_slot(
        &mut self,
        now: Moment,
        seeding: bool,
        peers: &[Candidate],
    ) -> Option<Served> {
        let stuck = peers.iter().filter(|p| p.interested && p.unchoked && p.stuck).count();
        let peers = those_who_take(peers);
        let view = self.view(now, seeding, &peers);
        if view.waiting().next().is_none() || !self.allows(view.served().count(), stuck) {
            return None;
        }
        let served = self.strategy.next_for_free_slot(&view, &mut self.rng)?;
        view.waiting().find(|p| p.peer == served.peer)?;
        self.decisions.insert(served.peer, served);
        Some(served)
    }

    fn view<'a>(&self, now: Moment, seeding: bool, peers: &'a [Candidate]) -> View<'a> {
        let Params { slots, upload_capacity, timers } = self.params;
        View { now, round: self.round, seeding, slots, upload_capacity, timers, peers }
    }
}

/// The peers as strategies see them: who takes nothing of what it is sent is as good as one that
/// wants nothing, unless it is served and nobody else waits.
fn those_who_take(peers: &[Candidate]) -> Cow<'_, [Candidate]> {
    if !peers.iter().any(|p| p.stuck) {
        return Cow::Borrowed(peers);
    }
    let waits = |p: &Candidate| p.interested && !p.unchoked && !p.stuck;
    let others_wait = peers.iter().any(waits);
    let takes = |p: &Candidate| !p.stuck || p.unchoked && !others_wait;
    peers.iter().map(|&p| Candidate { interested: p.interested && takes(&p), ..p }).collect()
}

#[cfg(test)]
mod tests;
