//! Whom to call, and when again.
//!
//! Addresses come from trackers, from other peers and from the command line. Each is called at
//! most once at a time; one that does not answer is called again after 5 s, then after twice as
//! long each time up to ten minutes; ourselves and liars never again. Addresses that cannot be a
//! peer's (port 0, multicast, broadcast, unspecified) are not kept at all.
//!
//! What peers tell each other is gossip: it is cheap to make up. It is heard only so often, only so
//! many addresses of one machine are kept, and whom the user or a tracker named is called first.
//! Nobody outside is believed about addresses of our own machine and network ([`may_tell`]): else
//! anybody could make us call the services there.
//!
//! An address comes with the dialect that its source says is spoken there. Whoever takes the call
//! and does not answer in that dialect is called in the other one at once, and then by turns.

use super::{is_local, is_loopback};
use crate::clock::Moment;
use crate::ids::PeerId;
use crate::protocol::Dialect;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most addresses kept for one torrent.
const CANDIDATES: usize = 3000;

/// How often one source of gossip is heard; honest ones tell once a minute (BEP 11).
const GOSSIP_PAUSE: Duration = Duration::from_secs(30);

/// How many addresses are heard each time (BEP 11).
const GOSSIP: usize = 50;

/// How many addresses with the same IP are kept from gossip, loopback and private ones exempt.
const GOSSIP_PER_IP: usize = 8;

/// How many sources of gossip are remembered.
const GOSSIPS: usize = 512;

/// The first pause after a call that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be called at this moment or later.
    Idle(Moment),
    /// Being called, or connected.
    Busy,
    /// Never to be called: ourselves, or banned.
    Never,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    state: State,
    failures: u32,
    /// How it is spoken to next.
    dialect: Dialect,
    /// It took a call in the other dialect and did not answer.
    switched: bool,
    /// Who named it: the user's are called even by a seeder.
    origin: Origin,
}

/// Who named an address; the first are called first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// The user.
    Given,
    /// A tracker, or the peer itself when it called.
    Named,
    /// Another peer.
    Gossip,
}

impl Candidate {
    fn new(state: State, dialect: Dialect, origin: Origin) -> Self {
        Self { state, failures: 0, dialect, switched: false, origin }
    }

    /// Whether it may be forgotten for the sake of one of `origin`.
    fn gives_way_to(&self, origin: Origin) -> bool {
        let is_less = match origin {
            Origin::Gossip => self.origin == Origin::Gossip && self.failures > 0,
            _ => self.origin == Origin::Gossip || self.failures > 0,
        };
        is_less && self.origin != Origin::Given && matches!(self.state, State::Idle(_))
    }
}

/// How a torrent's peers may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tongues {
    /// In either dialect.
    #[default]
    Both,
    /// In BitTorrent only: the torrent has no v2 hash.
    BitTorrentOnly,
}

/// After so long a seeder asks a peer again that had everything, too.
const SEED_PAUSE: Duration = Duration::from_mins(30);

/// The addresses of one torrent's peers.
#[derive(Debug, Clone, Default)]
pub struct Dialer {
    candidates: HashMap<SocketAddr, Candidate>,
    banned: HashSet<IpAddr>,
    /// What each tracker listed last.
    listed: HashMap<SocketAddr, HashSet<SocketAddr>>,
    /// When each source of gossip was heard last.
    heard: HashMap<SocketAddr, Moment>,
    tongues: Tongues,
}

impl Dialer {
    /// Nobody is known yet.
    pub fn new(tongues: Tongues) -> Self {
        Self { tongues, ..Self::default() }
    }

    /// A tracker that may tell of it named an address, and what is spoken there.
    pub fn on_found(&mut self, now: Moment, address: SocketAddr, dialect: Dialect) {
        self.on_named(now, Origin::Named, &[(address, dialect)]);
    }

    /// A BitTorrent tracker named these addresses, of which it may tell.
    pub fn on_announced(&mut self, now: Moment, addresses: &[SocketAddr]) {
        let named: Vec<_> = addresses.iter().map(|&a| (a, Dialect::BitTorrent)).collect();
        self.on_named(now, Origin::Named, &named);
    }

    /// The user named an address.
    pub fn on_given(&mut self, now: Moment, address: SocketAddr, dialect: Dialect) {
        self.on_named(now, Origin::Given, &[(address, dialect)]);
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
        if !self.may_gossip(now, source) {
            return;
        }
        let mut same: HashMap<IpAddr, usize> = HashMap::new();
        let gossip = self.candidates.iter().filter(|(_, c)| c.origin == Origin::Gossip);
        gossip.for_each(|(address, _)| *same.entry(address.ip().to_canonical()).or_default() += 1);
        let mut told = Vec::new();
        let fits = |address: &SocketAddr| may_tell(*address, source.ip());
        for address in addresses.into_iter().take(GOSSIP).filter(fits) {
            let ip = address.ip().to_canonical();
            let same = same.entry(ip).or_default();
            let is_new = !self.candidates.contains_key(&address);
            if is_new && *same >= GOSSIP_PER_IP && !is_local(ip) {
                continue;
            }
            *same += usize::from(is_new);
            told.push((address, dialect));
        }
        self.on_named(now, Origin::Gossip, &told);
    }

    /// Whether gossip of this source is heard now. Whoever connects anew is not heard anew, except
    /// on our own network, where one address may stand for many peers.
    fn may_gossip(&mut self, now: Moment, source: SocketAddr) -> bool {
        let ip = source.ip().to_canonical();
        let source = if is_local(ip) { source } else { SocketAddr::new(ip, 0) };
        if self.heard.len() >= GOSSIPS {
            self.heard.retain(|_, &mut at| now.since(at) < GOSSIP_PAUSE);
        }
        let heard = self.heard.get(&source);
        let may = match heard {
            Some(&at) => now.since(at) >= GOSSIP_PAUSE,
            None => self.heard.len() < GOSSIPS,
        };
        if may {
            self.heard.insert(source, now);
        }
        may
    }

    /// Addresses were named. When there is no room for all, what is worth less gives way.
    fn on_named(&mut self, now: Moment, origin: Origin, named: &[(SocketAddr, Dialect)]) {
        let fits = |address| can_be_dialled(address) && !self.banned.contains(&address.ip());
        let named: Vec<_> = named.iter().filter(|&&(address, _)| fits(address)).collect();
        let is_new = |address| !self.candidates.contains_key(address);
        let new = named.iter().filter(|(address, _)| is_new(address)).count();
        self.make_room(new, origin);
        for &&(address, dialect) in &named {
            let dialect = self.spoken(dialect);
            let has_room = self.candidates.len() < CANDIDATES;
            if !has_room && !self.candidates.contains_key(&address) {
                continue;
            }
            let new = Candidate::new(State::Idle(now), dialect, origin);
            let candidate = self.candidates.entry(address).or_insert(new);
            candidate.origin = candidate.origin.min(origin);
            // Who knows of the native dialect knows better.
            if dialect == Dialect::Native && candidate.failures == 0 && !candidate.switched {
                candidate.dialect = dialect;
            }
        }
    }

    /// A tracker listed these addresses, which therefore lived a moment ago: one that had
    /// vanished from this tracker's list and is back is called at once. Those that the tracker may
    /// not tell of are passed over.
    pub fn on_listed(
        &mut self,
        now: Moment,
        tracker: SocketAddr,
        addresses: &[(SocketAddr, Dialect)],
    ) {
        let mut addresses = addresses.to_vec();
        addresses.retain(|&(address, _)| may_tell(address, tracker.ip()));
        let listed: HashSet<SocketAddr> = addresses.iter().map(|&(address, _)| address).collect();
        let before = self.listed.insert(tracker, listed).unwrap_or_default();
        self.on_named(now, Origin::Named, &addresses);
        for (address, _) in addresses {
            let candidate = self.candidates.get_mut(&address);
            if let Some(candidate) = candidate.filter(|_| !before.contains(&address))
                && matches!(candidate.state, State::Idle(_))
            {
                candidate.state = State::Idle(now);
            }
        }
    }

    /// A connection with the peer that listens there exists, whoever made it.
    pub fn on_connected(&mut self, address: SocketAddr, dialect: Dialect) {
        let is_known = self.candidates.contains_key(&address);
        if !is_known && !can_be_dialled(address) {
            return;
        }
        self.make_room(usize::from(!is_known), Origin::Named);
        if !is_known && self.candidates.len() >= CANDIDATES {
            return;
        }
        let new = Candidate::new(State::Busy, dialect, Origin::Named);
        let candidate = self.candidates.entry(address).or_insert(new);
        candidate.origin = candidate.origin.min(Origin::Named);
        (candidate.dialect, candidate.switched) = (dialect, false);
        if candidate.state != State::Never {
            candidate.state = State::Busy;
        }
    }

    /// Neither side needs the other: it has everything, as we do.
    pub fn on_both_seed(&mut self, now: Moment, address: SocketAddr) {
        if let Some(candidate) = self.candidates.get_mut(&address)
            && candidate.state != State::Never
        {
            candidate.state = State::Idle(now + SEED_PAUSE);
        }
    }

    /// Somebody took the call and did not answer in the dialect of the call.
    pub fn on_misunderstood(&mut self, now: Moment, address: SocketAddr) {
        let both = self.tongues == Tongues::Both;
        let candidate = self.candidates.get_mut(&address);
        if let Some(candidate) = candidate.filter(|c| both && c.state == State::Busy) {
            candidate.dialect = match candidate.dialect {
                Dialect::Native => Dialect::BitTorrent,
                Dialect::BitTorrent => Dialect::Native,
            };
            candidate.switched = !candidate.switched;
            if candidate.switched {
                candidate.state = State::Idle(now);
                return;
            }
        }
        self.on_failed(now, address);
    }

    /// A connection ended that had been of use.
    pub fn on_ended(&mut self, now: Moment, address: SocketAddr) {
        if let Some(candidate) = self.candidates.get_mut(&address) {
            candidate.failures = 0;
        }
        self.on_failed(now, address);
    }

    /// A call failed, or a connection ended before it was of use.
    pub fn on_failed(&mut self, now: Moment, address: SocketAddr) {
        if let Some(candidate) =
            self.candidates.get_mut(&address).filter(|c| c.state == State::Busy)
        {
            let pause = FIRST_PAUSE * 2_u32.saturating_pow(candidate.failures.min(10));
            candidate.failures += 1;
            candidate.state = State::Idle(now + pause.min(LONGEST_PAUSE));
        }
    }

    /// The address is our own, or a liar's: never again.
    pub fn on_never(&mut self, address: SocketAddr) {
        let never = Candidate::new(State::Never, Dialect::Native, Origin::Named);
        self.candidates.insert(address, never);
    }

    /// The peer there sent wrong bytes: never again, nor any other on its machine. Our own machine
    /// has many peers, so there only the one port is meant.
    pub fn on_banned(&mut self, address: SocketAddr) {
        self.on_never(address);
        if !address.ip().is_loopback() {
            self.banned.insert(address.ip());
        }
    }

    /// Whether an address is banned or our own.
    pub fn is_never(&self, address: SocketAddr) -> bool {
        let known = self.candidates.get(&address).is_some_and(|c| c.state == State::Never);
        known || self.banned.contains(&address.ip())
    }

    /// At most `free` addresses to call now, and how; they count as busy until told otherwise.
    ///
    /// A seeder calls only those who speak BitTorrent, since not all of them call, whom the user
    /// named, and in the other dialect those who did not answer in one: they may speak BitTorrent
    /// after all. Else whoever wants something calls in the native dialect.
    pub fn next_dials(
        &mut self,
        now: Moment,
        free: usize,
        seeding: bool,
    ) -> Vec<(SocketAddr, Dialect)> {
        let due = |c: &Candidate| {
            let is_ours = c.origin == Origin::Given || c.dialect == Dialect::BitTorrent;
            let may = !seeding || is_ours || c.switched;
            may && matches!(c.state, State::Idle(at) if at <= now)
        };
        let mut ready: Vec<_> = self
            .candidates
            .iter()
            .filter(|(_, candidate)| due(candidate))
            .map(|(&address, candidate)| (candidate.origin, candidate.failures, address))
            .collect();
        // Among equals the order of the map decides, which nobody outside can know.
        ready.sort_by_key(|&(origin, failures, _)| (origin, failures));
        ready.truncate(free);
        let mut call = |address: SocketAddr| {
            let candidate = self.candidates.get_mut(&address).expect("it was just found there");
            candidate.state = State::Busy;
            (address, candidate.dialect)
        };
        ready.into_iter().map(|(.., address)| call(address)).collect()
    }

    fn spoken(&self, dialect: Dialect) -> Dialect {
        match self.tongues {
            Tongues::Both => dialect,
            Tongues::BitTorrentOnly => Dialect::BitTorrent,
        }
    }

    /// Makes room for `wanted` addresses more, as far as others give way to them: gossip first, then
    /// those that failed most often. One look at all of them, however many are wanted.
    fn make_room(&mut self, wanted: usize, origin: Origin) {
        let room = CANDIDATES.saturating_sub(self.candidates.len());
        let short = wanted.min(CANDIDATES).saturating_sub(room);
        if short == 0 {
            return;
        }
        let less = self.candidates.iter().filter(|(_, c)| c.gives_way_to(origin));
        let mut less: Vec<_> = less.map(|(&a, c)| (c.origin, c.failures, a)).collect();
        less.sort_by_key(|&(origin, failures, _)| Reverse((origin, failures)));
        for (.., address) in less.into_iter().take(short) {
            self.candidates.remove(&address);
        }
    }

    /// When the next address is due.
    pub fn deadline(&self) -> Option<Moment> {
        let idle = |c: &Candidate| match c.state {
            State::Idle(at) => Some(at),
            _ => None,
        };
        self.candidates.values().filter_map(idle).min()
    }
}

/// Two peers that dialled each other at once keep the connection that the greater id dialled.
/// Both ends come to the same answer.
pub fn survives(own: PeerId, theirs: PeerId, we_dialled: bool) -> bool {
    we_dialled == (own > theirs)
}

/// Whether one may be told of an address who is at `other`, and is believed when it tells of it. Who
/// is not on our machine knows nothing of the loopback, and who is not on our network nothing of
/// private addresses: there they lead to others than are meant, if not to a service that is to be
/// harmed.
pub fn may_tell(address: SocketAddr, other: IpAddr) -> bool {
    if is_loopback(address.ip()) {
        is_loopback(other)
    } else {
        !is_local(address.ip()) || is_local(other)
    }
}

/// Whether an address may be called at all.
pub fn can_be_dialled(address: SocketAddr) -> bool {
    let ip_fits = match address.ip().to_canonical() {
        IpAddr::V4(ip) => !(ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified()),
        IpAddr::V6(ip) => !(ip.is_multicast() || ip.is_unspecified()),
    };
    ip_fits && address.port() != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{BitTorrent, Native};

    fn at(secs: u64) -> Moment {
        Moment::after(Duration::from_secs(secs))
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn an_address_is_called_once_at_a_time_and_then_ever_more_rarely() {
        let mut d = Dialer::default();
        d.on_found(at(0), address(1), Native);
        d.on_found(at(0), address(1), Native);
        assert_eq!(d.next_dials(at(0), 9, false), [(address(1), Native)]);
        assert_eq!(d.next_dials(at(0), 9, false), []);
        d.on_failed(at(0), address(1));
        assert_eq!(d.next_dials(at(4), 9, false), []);
        assert_eq!(d.next_dials(at(5), 9, false), [(address(1), Native)]);
        d.on_failed(at(5), address(1));
        assert_eq!(d.deadline(), Some(at(15)));
        for round in 1..20 {
            d.next_dials(at(round * 1000), 9, false);
            d.on_failed(at(round * 1000), address(1));
        }
        assert_eq!(d.deadline(), Some(at(19_600)));
    }

    #[test]
    fn a_peer_that_comes_back_to_the_trackers_list_is_called_at_once() {
        let mut d = Dialer::default();
        let tracker = address(6969);
        d.on_listed(at(0), tracker, &[(address(1), Native)]);
        for _ in 0..5 {
            d.next_dials(at(1000), 9, false);
            d.on_failed(at(1000), address(1));
        }
        d.on_listed(at(1001), tracker, &[(address(1), Native)]);
        assert_eq!(
            d.next_dials(at(1001), 9, false),
            [],
            "listed all the time, yet it does not answer"
        );
        d.on_listed(at(1002), tracker, &[]);
        d.on_listed(at(1003), tracker, &[(address(1), Native)]);
        assert_eq!(d.next_dials(at(1003), 9, false), [(address(1), Native)]);
    }

    #[test]
    fn a_peer_that_called_us_is_not_called_as_well() {
        let mut d = Dialer::default();
        d.on_connected(address(1), Native);
        d.on_listed(at(0), address(6969), &[(address(1), Native)]);
        assert_eq!(d.next_dials(at(0), 9, false), []);
    }

    #[test]
    fn a_peer_that_takes_calls_and_drops_them_is_called_ever_more_rarely() {
        let mut d = Dialer::default();
        d.on_found(at(0), address(1), Native);
        for (now, next) in [(0, 5), (5, 15), (15, 35)] {
            assert_eq!(d.next_dials(at(now), 9, false), [(address(1), Native)]);
            d.on_connected(address(1), Native);
            d.on_failed(at(now), address(1));
            assert_eq!(d.deadline(), Some(at(next)));
        }
        d.next_dials(at(35), 9, false);
        d.on_connected(address(1), Native);
        d.on_ended(at(100), address(1));
        assert_eq!(d.deadline(), Some(at(105)), "it was of use");
    }

    #[test]
    fn who_does_not_answer_in_one_dialect_is_called_in_the_other_at_once() {
        let mut d = Dialer::default();
        d.on_found(at(0), address(1), BitTorrent);
        assert_eq!(d.next_dials(at(0), 9, false), [(address(1), BitTorrent)]);
        d.on_misunderstood(at(0), address(1));
        assert_eq!(d.next_dials(at(0), 9, false), [(address(1), Native)]);
        d.on_misunderstood(at(0), address(1));
        assert_eq!(d.next_dials(at(4), 9, false), [], "both were tried");
        assert_eq!(d.next_dials(at(5), 9, false), [(address(1), BitTorrent)]);
        d.on_misunderstood(at(5), address(1));
        assert_eq!(d.next_dials(at(5), 9, false), [(address(1), Native)], "both, each time");
        d.on_connected(address(1), BitTorrent);
        d.on_ended(at(100), address(1));
        assert_eq!(d.next_dials(at(105), 9, false), [(address(1), BitTorrent)]);
    }

    #[test]
    fn a_torrent_without_a_v2_hash_is_spoken_of_in_bittorrent_only() {
        let mut d = Dialer::new(Tongues::BitTorrentOnly);
        d.on_found(at(0), address(1), Native);
        assert_eq!(d.next_dials(at(0), 9, false), [(address(1), BitTorrent)]);
        d.on_misunderstood(at(0), address(1));
        assert_eq!(d.next_dials(at(0), 9, false), []);
        assert_eq!(d.next_dials(at(5), 9, false), [(address(1), BitTorrent)]);
    }

    #[test]
    fn a_seeder_calls_bittorrent_peers_and_those_who_have_everything_rarely() {
        let mut d = Dialer::default();
        d.on_found(at(0), address(1), Native);
        d.on_found(at(0), address(2), BitTorrent);
        assert_eq!(d.next_dials(at(0), 9, true), [(address(2), BitTorrent)]);
        d.on_connected(address(2), BitTorrent);
        d.on_both_seed(at(0), address(2));
        d.on_given(at(0), address(3), Native);
        assert_eq!(d.next_dials(at(0), 9, true), [(address(3), Native)]);
        d.on_ended(at(0), address(2));
        assert_eq!(d.next_dials(at(1799), 9, true), []);
        assert_eq!(d.next_dials(at(1800), 9, true), [(address(2), BitTorrent)]);
    }

    #[test]
    fn a_seeder_calls_a_peer_again_that_dropped_a_call_in_bittorrent() {
        let mut d = Dialer::default();
        d.on_found(at(0), address(1), BitTorrent);
        assert_eq!(d.next_dials(at(0), 9, true), [(address(1), BitTorrent)]);
        d.on_misunderstood(at(0), address(1));
        assert_eq!(d.next_dials(at(0), 9, true), [(address(1), Native)]);
        d.on_misunderstood(at(0), address(1));
        assert_eq!(d.next_dials(at(4), 9, true), [], "both were tried");
        assert_eq!(d.next_dials(at(5), 9, true), [(address(1), BitTorrent)]);
    }

    #[test]
    fn a_leecher_that_completes_between_two_dialects_still_tries_the_second() {
        let mut d = Dialer::default();
        d.on_found(at(0), address(1), BitTorrent);
        d.next_dials(at(0), 9, false);
        d.on_misunderstood(at(0), address(1));
        assert_eq!(d.next_dials(at(0), 9, true), [(address(1), Native)]);
        d.on_failed(at(0), address(1));
        assert_eq!(d.next_dials(at(5), 9, true), [(address(1), Native)], "not tried in earnest");
        d.on_misunderstood(at(5), address(1));
        assert_eq!(d.next_dials(at(15), 9, true), [(address(1), BitTorrent)]);
    }

    #[test]
    fn junk_gives_way_when_there_is_no_room() {
        let mut d = Dialer::default();
        for port in 1..=CANDIDATES as u16 {
            d.on_found(at(0), address(port), Native);
        }
        d.on_found(at(0), address(9000), Native);
        assert!(!d.candidates.contains_key(&address(9000)), "all of them may be good");
        let called = d.next_dials(at(0), 1, false)[0].0;
        d.on_failed(at(0), called);
        d.on_found(at(0), address(9000), Native);
        assert!(d.candidates.contains_key(&address(9000)));
        assert!(!d.candidates.contains_key(&called));
    }

    /// Addresses of as many machines.
    fn many(first: u16, count: u16) -> Vec<SocketAddr> {
        let at = |n: u16| SocketAddr::from(([9, 9, (n >> 8) as u8, n as u8], 6881));
        (first..first + count).map(at).collect()
    }

    /// Somebody outside who gossips.
    fn gossip(n: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([8, 8, 8, n], port))
    }

    #[test]
    fn a_gossip_is_heard_every_30_s_and_of_50_addresses() {
        let mut d = Dialer::default();
        d.on_gossip(at(0), gossip(1, 1), BitTorrent, many(0, 60));
        assert_eq!(d.candidates.len(), 50);
        d.on_gossip(at(29), gossip(1, 1), BitTorrent, many(100, 1));
        d.on_gossip(at(29), gossip(1, 2), BitTorrent, many(100, 1));
        assert_eq!(d.candidates.len(), 50, "nor from another port");
        d.on_gossip(at(30), gossip(1, 2), BitTorrent, many(100, 1));
        d.on_gossip(at(30), gossip(2, 1), BitTorrent, many(200, 1));
        assert_eq!(d.candidates.len(), 52);
        for port in 1..=3 {
            d.on_gossip(at(30), address(port), BitTorrent, [address(port + 100)]);
        }
        assert_eq!(d.candidates.len(), 55, "many peers may live on our own machine");
    }

    #[test]
    fn who_gossips_is_remembered_for_30_s_and_of_so_many_more_nobody_is_heard() {
        let mut d = Dialer::default();
        let source = |n: u16| SocketAddr::from(([8, 8, (n >> 8) as u8, n as u8], 1));
        for n in 0..2 * GOSSIPS as u16 {
            d.on_gossip(at(0), source(n), BitTorrent, many(n, 1));
        }
        assert_eq!((d.heard.len(), d.candidates.len()), (GOSSIPS, GOSSIPS));
        d.on_gossip(at(30), source(0), BitTorrent, many(5000, 1));
        assert_eq!((d.heard.len(), d.candidates.len()), (1, GOSSIPS + 1));
    }

    #[test]
    fn gossip_names_few_addresses_of_one_machine_except_our_own() {
        let mut d = Dialer::default();
        for n in 0..3 {
            let ports = (1..20).map(|port| SocketAddr::from(([7, 7, 7, 7], port + 100 * n)));
            d.on_gossip(at(0), gossip(n as u8, 1), BitTorrent, ports);
        }
        assert_eq!(d.candidates.len(), GOSSIP_PER_IP);
        d.on_gossip(at(0), address(1), BitTorrent, (1..20).map(address));
        assert_eq!(d.candidates.len(), GOSSIP_PER_IP + 19);
    }

    #[test]
    fn gossip_takes_the_place_of_nothing_that_may_be_good_and_gives_way_to_trackers() {
        let mut d = Dialer::default();
        for (n, some) in many(0, CANDIDATES as u16).chunks(50).enumerate() {
            d.on_gossip(at(0), gossip(n as u8, 1), BitTorrent, some.to_vec());
        }
        d.on_gossip(at(0), gossip(200, 1), BitTorrent, many(9000, 1));
        assert!(!d.candidates.contains_key(&many(9000, 1)[0]), "it is full");
        d.on_announced(at(0), &many(9000, 20));
        assert!(many(9000, 20).iter().all(|a| d.candidates.contains_key(a)));
        assert_eq!(d.candidates.len(), CANDIDATES);
        d.next_dials(at(0), 20, false).iter().for_each(|&(a, _)| d.on_failed(at(0), a));
        d.on_gossip(at(30), gossip(200, 1), BitTorrent, many(9500, 1));
        assert!(!d.candidates.contains_key(&many(9500, 1)[0]), "trackers named what failed");
    }

    #[test]
    fn whom_the_user_or_a_tracker_named_is_called_before_those_of_gossip() {
        let mut d = Dialer::default();
        d.on_gossip(at(0), gossip(1, 1), BitTorrent, many(0, 50));
        d.on_announced(at(0), &[address(5)]);
        d.on_given(at(0), address(9), BitTorrent);
        let first = d.next_dials(at(0), 2, false);
        assert_eq!(first, [(address(9), BitTorrent), (address(5), BitTorrent)]);
        first.iter().for_each(|&(a, _)| d.on_failed(at(0), a));
        d.on_found(at(4), many(30, 1)[0], BitTorrent);
        let next = d.next_dials(at(5), 3, false).into_iter().map(|(a, _)| a);
        assert_eq!(next.collect::<Vec<_>>(), [address(9), many(30, 1)[0], address(5)]);
    }

    #[test]
    fn our_own_machine_and_network_are_spoken_of_among_ourselves_only() {
        let check = |told: &str, loopback, private, public| {
            let told = SocketAddr::new(told.parse().unwrap(), 9091);
            let may =
                ["127.0.0.2", "10.0.0.1", "9.9.9.9"].map(|ip| may_tell(told, ip.parse().unwrap()));
            assert_eq!(may, [loopback, private, public], "{told}");
            let mapped = ["::1", "::ffff:10.0.0.1", "::ffff:9.9.9.9"];
            assert_eq!(mapped.map(|ip| may_tell(told, ip.parse().unwrap())), may, "{told}");
        };
        for here in ["127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1"] {
            check(here, true, false, false);
        }
        for near in ["192.168.1.1", "fe80::1", "fd00::1", "::ffff:10.0.0.7"] {
            check(near, true, true, false);
        }
        check("9.9.9.8", true, true, true);
        check("2001:db8::1", true, true, true);
    }

    #[test]
    fn nobody_outside_is_believed_about_our_own_network() {
        let near: SocketAddr = "192.168.1.1:80".parse().unwrap();
        let told = [address(22), near, many(1, 1)[0]];
        let check = |source: SocketAddr, expected: &[SocketAddr]| {
            let (mut gossip, mut list) = (Dialer::default(), Dialer::default());
            gossip.on_gossip(at(0), source, BitTorrent, told);
            list.on_listed(at(0), source, &told.map(|a| (a, BitTorrent)));
            for mut dialer in [gossip, list] {
                let mut known: Vec<_> =
                    dialer.next_dials(at(0), 9, false).into_iter().map(|(a, _)| a).collect();
                known.sort_unstable();
                assert_eq!(known, expected, "{source}");
            }
        };
        check(gossip(1, 1), &[told[2]]);
        check("10.0.0.1:1".parse().unwrap(), &[told[2], near]);
        check(address(1), &[told[2], address(22), near]);
        let mut d = Dialer::default();
        d.on_given(at(0), near, BitTorrent);
        assert_eq!(d.next_dials(at(0), 9, false), [(near, BitTorrent)], "the user may");
    }

    #[test]
    fn nobody_is_called_first_for_a_low_address() {
        let mut d = Dialer::default();
        d.on_announced(at(0), &many(0, 1000));
        let mut called: Vec<_> =
            d.next_dials(at(0), 20, false).into_iter().map(|(a, _)| a).collect();
        called.sort_unstable();
        assert_ne!(called, many(0, 20));
    }

    #[test]
    fn we_and_liars_are_never_called() {
        let mut d = Dialer::default();
        d.on_found(at(0), address(1), Native);
        d.on_never(address(1));
        d.on_found(at(1), address(1), Native);
        d.on_connected(address(1), Native);
        assert_eq!(d.next_dials(at(9), 9, false), []);
        assert!(d.is_never(address(1)));
    }

    #[test]
    fn a_ban_covers_a_machine_but_on_our_own_only_the_port() {
        let mut d = Dialer::default();
        d.on_banned("10.0.0.1:5".parse().unwrap());
        assert!(d.is_never("10.0.0.1:6".parse().unwrap()));
        d.on_banned(address(5));
        assert!(d.is_never(address(5)) && !d.is_never(address(6)));
    }

    #[test]
    fn addresses_that_no_peer_can_have_are_not_kept() {
        let mut d = Dialer::default();
        for bad in ["127.0.0.1:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[::]:1"] {
            d.on_found(at(0), bad.parse().unwrap(), Native);
        }
        for bad in ["[ff02::1]:1", "[::ffff:224.0.0.1]:1", "[::ffff:0.0.0.0]:1"] {
            d.on_found(at(0), bad.parse().unwrap(), BitTorrent);
        }
        assert_eq!(d.next_dials(at(0), 9, false), []);
    }

    #[test]
    fn of_two_connections_the_one_dialled_by_the_greater_id_stays() {
        let (low, high) = (PeerId([1; 20]), PeerId([2; 20]));
        assert!(survives(high, low, true) && !survives(high, low, false));
        assert!(survives(low, high, false) && !survives(low, high, true));
    }
}
