//! Whom to call, and when again.
//!
//! Addresses come from trackers, from other peers, from those who call us and from the user. Each is
//! called at most once at a time; how soon again is the business of a `candidate`, and ourselves
//! and liars are never called again. All are kept in one form ([`canonical`]); those that cannot be
//! a peer's are not kept at all, and there are never more than [`CANDIDATES`].
//!
//! What peers tell each other is `gossip`, and comes behind what the user or a tracker named.
//! Nobody outside is believed about addresses of our own machine and network ([`may_tell`]): else
//! anybody could make us call the services there.
//!
//! An address comes with the dialect that its source says is spoken there. Whoever takes the call
//! and does not answer in that dialect is called in the other one at once, and then by turns.
//!
//! Seeds call, too: newcomers who were told of other newcomers only would else never meet the seed,
//! and in a growing swarm a piece that only it has would never spread (the missing piece, Hajek and
//! Zhu 2010).

/// Addresses: one form for each, and who may speak of them.
pub mod address;

/// One address, and when it may be called again.
pub mod candidate;

/// What peers tell each other.
pub mod gossip;

/// How many calls may begin now.
pub mod load;

pub use address::{can_be_dialled, canonical, may_tell};
pub use candidate::{Source, Why};
pub use load::Load;

use crate::clock::Moment;
use crate::protocol::Dialect;
use candidate::{Candidate, State};
use gossip::{GOSSIP, Heard, PerMachine};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most addresses kept for one torrent.
pub const CANDIDATES: usize = 3000;

/// How many addresses of one list are heard; trackers are asked for 200.
const LISTED: usize = 1000;

/// Of how many trackers the last list is kept.
const TRACKERS: usize = 64;

/// How many banned machines are remembered.
const BANNED: usize = 4096;

/// After so long a seeder asks a peer again that had everything, too.
const SEED_REST: Duration = Duration::from_mins(30);

/// How long a peer rests that was let go for another.
const REST: Duration = Duration::from_mins(10);

/// How a torrent's peers may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tongues {
    /// In either dialect.
    #[default]
    Both,
    /// In BitTorrent only: the torrent has no v2 hash.
    BitTorrentOnly,
}

/// A peer on a tracker's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is spoken there.
    pub dialect: Dialect,
    /// Whether it has everything.
    pub is_seed: bool,
}

/// Somebody to call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial {
    /// Where.
    pub address: SocketAddr,
    /// In which dialect.
    pub dialect: Dialect,
    /// Why.
    pub why: Why,
}

/// The addresses of one torrent's peers.
#[derive(Debug, Clone, Default)]
pub struct Dialer {
    candidates: HashMap<SocketAddr, Candidate>,
    banned: HashSet<IpAddr>,
    /// What each tracker listed last.
    listed: HashMap<SocketAddr, HashSet<SocketAddr>>,
    heard: Heard,
    tongues: Tongues,
}

impl Dialer {
    /// Nobody is known yet.
    pub fn new(tongues: Tongues) -> Self {
        Self { tongues, ..Self::default() }
    }

    /// The user named an address.
    pub fn on_given(&mut self, now: Moment, address: SocketAddr, dialect: Dialect) {
        self.on_named(now, Source::Given, &[(canonical(address), dialect)]);
    }

    /// A BitTorrent tracker named these addresses, of which it may tell.
    pub fn on_announced(&mut self, now: Moment, addresses: &[SocketAddr]) {
        let heard = addresses.iter().take(LISTED);
        let named: Vec<_> = heard.map(|&a| (canonical(a), Dialect::BitTorrent)).collect();
        self.on_named(now, Source::Tracker, &named);
    }

    /// A tracker listed these peers, which therefore lived a moment ago: one that had vanished from
    /// this tracker's list and is back need not wait for its pause to end, if it was not called too
    /// often. Those that the tracker may not tell of are passed over.
    pub fn on_listed(&mut self, now: Moment, tracker: SocketAddr, list: &[Listed]) {
        let list = list.iter().map(|peer| Listed { address: canonical(peer.address), ..*peer });
        let list: Vec<_> =
            list.filter(|peer| may_tell(peer.address, tracker.ip())).take(LISTED).collect();
        let named: Vec<_> = list.iter().map(|peer| (peer.address, peer.dialect)).collect();
        self.on_named(now, Source::Tracker, &named);
        if self.listed.len() >= TRACKERS && !self.listed.contains_key(&tracker) {
            self.listed.clear();
        }
        let addresses = list.iter().map(|peer| peer.address).collect();
        let before = self.listed.insert(tracker, addresses).unwrap_or_default();
        for peer in list {
            let Some(candidate) = self.candidates.get_mut(&peer.address) else { continue };
            candidate.is_seed = peer.is_seed;
            if !before.contains(&peer.address) && matches!(candidate.state, State::Idle(_)) {
                candidate.state = State::Idle(now);
            }
        }
    }

    /// The peer that called from `source`, or was called there, told of these addresses, where the
    /// same dialect is spoken. It is heard once in 30 s, and of fifty addresses at most; those that
    /// there is no room for are passed over.
    pub fn on_gossip(
        &mut self,
        now: Moment,
        source: SocketAddr,
        dialect: Dialect,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) {
        let source = canonical(source);
        if !self.heard.hears(now, source) {
            return;
        }
        let rumours = self.candidates.iter().filter(|(_, c)| matches!(c.source, Source::Gossip(_)));
        let mut machines = PerMachine::of(rumours.map(|(&address, _)| address));
        let told = addresses.into_iter().take(GOSSIP).map(canonical);
        let told = told.filter(|&address| may_tell(address, source.ip()));
        let named: Vec<_> = told
            .filter(|address| self.candidates.contains_key(address) || machines.takes(*address))
            .map(|address| (address, dialect))
            .collect();
        self.on_named(now, Source::Gossip(source), &named);
    }

    /// Another peer says that somebody has everything. It is believed of whom only gossip named.
    pub fn on_rumoured_seed(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.candidates.get_mut(&canonical(address))
            && matches!(candidate.source, Source::Gossip(_))
        {
            candidate.is_seed = true;
        }
    }

    /// Addresses were named. When there is no room for all, what is worth less gives way.
    fn on_named(&mut self, now: Moment, source: Source, named: &[(SocketAddr, Dialect)]) {
        let fits = |address| can_be_dialled(address) && !self.banned.contains(&address.ip());
        let named: Vec<_> = named.iter().filter(|&&(address, _)| fits(address)).collect();
        let new: HashSet<_> = named.iter().map(|(address, _)| address).collect();
        let new = new.iter().filter(|address| !self.candidates.contains_key(address)).count();
        self.make_room(now, new, source);
        for &&(address, dialect) in &named {
            let has_room = self.candidates.len() < CANDIDATES;
            if !has_room && !self.candidates.contains_key(&address) {
                continue;
            }
            let dialect = self.spoken(dialect);
            let new = Candidate::new(State::Idle(now), dialect, source);
            let candidate = self.candidates.entry(address).or_insert(new);
            if source.rank() < candidate.source.rank() {
                candidate.source = source;
            }
            if dialect == Dialect::Native {
                candidate.on_named_native();
            }
        }
    }

    /// A connection with the peer that listens there exists; `dialled` says that we made it.
    pub fn on_connected(&mut self, address: SocketAddr, dialect: Dialect, dialled: bool) {
        let address = canonical(address);
        if !self.candidates.contains_key(&address) {
            // Who called will call again: nothing gives way to it.
            if !can_be_dialled(address) || self.candidates.len() >= CANDIDATES {
                return;
            }
            let new = Candidate::new(State::Busy, dialect, Source::Caller);
            self.candidates.insert(address, new);
        }
        let candidate = self.candidates.get_mut(&address).expect("it was known or put there");
        candidate.on_connected(dialect, dialled);
    }

    /// Neither side needs the other: it has everything, as we do.
    pub fn on_both_seed(&mut self, now: Moment, address: SocketAddr) {
        self.on_rest(address, now + SEED_REST);
    }

    /// It was let go because it is of no use to us now.
    pub fn on_let_go(&mut self, now: Moment, address: SocketAddr) {
        self.on_rest(address, now + REST);
    }

    fn on_rest(&mut self, address: SocketAddr, until: Moment) {
        if let Some(candidate) = self.candidates.get_mut(&canonical(address))
            && candidate.state != State::Never
        {
            candidate.state = State::Idle(until);
        }
    }

    /// Somebody took the call and did not answer in the dialect of the call.
    pub fn on_misunderstood(&mut self, now: Moment, address: SocketAddr) {
        let both = self.tongues == Tongues::Both;
        self.change_busy(address, |candidate| {
            if both { candidate.on_misunderstood(now) } else { candidate.on_failed(now) }
        });
    }

    /// A peer answered there, and does not want us now.
    pub fn on_declined(&mut self, now: Moment, address: SocketAddr) {
        self.change_busy(address, |candidate| candidate.on_declined(now));
    }

    /// A connection ended that had been of use.
    pub fn on_ended(&mut self, now: Moment, address: SocketAddr) {
        self.change_busy(address, |candidate| candidate.on_ended(now));
    }

    /// A connection ended soon, on which the peer had sent so many bytes of use.
    pub fn on_cut(&mut self, now: Moment, address: SocketAddr, gave: u64) {
        self.change_busy(address, |candidate| candidate.on_cut(now, gave));
    }

    /// A connection ended, or a call, because we paused the torrent: that says nothing of the peer,
    /// which may be called again at once.
    pub fn on_paused(&mut self, now: Moment, address: SocketAddr) {
        self.change_busy(address, |candidate| candidate.state = State::Idle(now));
    }

    /// The torrent lacks something that it had: whoever rests because it was of no use may be.
    pub fn on_lacking(&mut self, now: Moment) {
        self.candidates.values_mut().for_each(|candidate| candidate.on_lacking(now));
    }

    /// A call failed, or a connection ended before it was of use.
    pub fn on_failed(&mut self, now: Moment, address: SocketAddr) {
        self.change_busy(address, |candidate| candidate.on_failed(now));
    }

    fn change_busy(&mut self, address: SocketAddr, change: impl FnOnce(&mut Candidate)) {
        let candidate = self.candidates.get_mut(&canonical(address));
        if let Some(candidate) = candidate.filter(|c| c.state == State::Busy) {
            change(candidate);
        }
    }

    /// The address is our own, or a liar's: never again.
    pub fn on_never(&mut self, address: SocketAddr) {
        let address = canonical(address);
        if self.candidates.len() >= CANDIDATES && !self.candidates.contains_key(&address) {
            let is_spare =
                |c: &Candidate| matches!(c.state, State::Idle(_)) && c.source != Source::Given;
            let spare = self.candidates.iter().find(|(_, c)| is_spare(c));
            let Some(spare) = spare.map(|(&address, _)| address) else { return };
            self.candidates.remove(&spare);
        }
        let never = Candidate::new(State::Never, Dialect::Native, Source::Tracker);
        self.candidates.insert(address, never);
    }

    /// The peer there sent wrong bytes: never again, nor any other on its machine. Our own machine
    /// has many peers, so there only the one port is meant.
    pub fn on_banned(&mut self, address: SocketAddr) {
        let address = canonical(address);
        self.on_never(address);
        if address.ip().is_loopback() {
            return;
        }
        if self.banned.len() >= BANNED {
            // Whoever has so many machines comes back anyway.
            if let Some(any) = self.banned.iter().next().copied() {
                self.banned.remove(&any);
            }
        }
        self.banned.insert(address.ip());
    }

    /// Whether an address is banned or our own.
    pub fn is_never(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        let known = self.candidates.get(&address).is_some_and(|c| c.state == State::Never);
        known || self.banned.contains(&address.ip())
    }

    /// Whether somebody waits to be called who never was.
    pub fn has_fresh(&self, now: Moment, seeding: bool) -> bool {
        self.ready(now, seeding).any(|(_, candidate)| candidate.is_fresh())
    }

    /// At most `free` addresses to call now, and why; they count as busy until told otherwise.
    ///
    /// A seeder does not call those who are said to have everything, unless the user named them.
    pub fn next_dials(&mut self, now: Moment, free: usize, seeding: bool) -> Vec<Dial> {
        let ready = self.ready(now, seeding);
        let mut ready: Vec<_> = ready.map(|(&address, c)| (c.order(), address)).collect();
        // Among equals the order of the map decides, which nobody outside can know.
        ready.sort_by_key(|&(order, _)| order);
        ready.truncate(free);
        let mut call = |address: SocketAddr| {
            let candidate = self.candidates.get_mut(&address).expect("it was just found there");
            Dial { address, dialect: candidate.dialect, why: candidate.on_call(now) }
        };
        ready.into_iter().map(|(_, address)| call(address)).collect()
    }

    /// When the next address is due.
    pub fn deadline(&self) -> Option<Moment> {
        self.candidates.values().filter_map(Candidate::due).min()
    }

    fn ready(&self, now: Moment, seeding: bool) -> impl Iterator<Item = (&SocketAddr, &Candidate)> {
        let may = move |c: &Candidate| !seeding || !c.is_seed || c.source == Source::Given;
        let is_due = move |c: &Candidate| c.due().is_some_and(|at| at <= now);
        self.candidates.iter().filter(move |(_, candidate)| may(candidate) && is_due(candidate))
    }

    fn spoken(&self, dialect: Dialect) -> Dialect {
        match self.tongues {
            Tongues::Both => dialect,
            Tongues::BitTorrentOnly => Dialect::BitTorrent,
        }
    }

    /// Makes room for `wanted` addresses more, as far as others give way to them: gossip first, then
    /// those that failed most often. One look at all of them, however many are wanted.
    fn make_room(&mut self, now: Moment, wanted: usize, source: Source) {
        let room = CANDIDATES.saturating_sub(self.candidates.len());
        let short = wanted.min(CANDIDATES).saturating_sub(room);
        if short == 0 {
            return;
        }
        let less = self.candidates.iter().filter(|(_, c)| c.gives_way_to(now, source));
        let mut less: Vec<_> = less.map(|(&address, c)| (c.worth(), address)).collect();
        less.sort_by_key(|&(worth, _)| Reverse(worth));
        for (_, address) in less.into_iter().take(short) {
            self.candidates.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests;
