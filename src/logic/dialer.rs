//! Whom to call, and when again.
//!
//! Addresses come from trackers, from other peers and from the command line. Each is called at
//! most once at a time; one that does not answer is called again after 5 s, then after twice as
//! long each time up to ten minutes; ourselves and liars never again. Addresses that cannot be a
//! peer's (port 0, multicast, broadcast, unspecified) are not kept at all.
//!
//! An address comes with the dialect that its source says is spoken there. Whoever takes the call
//! and does not answer in that dialect is called in the other one at once, and then by turns.

use crate::clock::Moment;
use crate::ids::PeerId;
use crate::protocol::Dialect;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most addresses kept for one torrent.
const CANDIDATES: usize = 3000;

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
    /// The user named it: it is called even by a seeder.
    given: bool,
}

impl Candidate {
    fn new(state: State, dialect: Dialect) -> Self {
        Self { state, failures: 0, dialect, switched: false, given: false }
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
    listed: HashMap<String, HashSet<SocketAddr>>,
    tongues: Tongues,
}

impl Dialer {
    /// Nobody is known yet.
    pub fn new(tongues: Tongues) -> Self {
        Self { tongues, ..Self::default() }
    }

    /// Someone named an address, and what is spoken there. When there is no room for more, one
    /// that failed gives way.
    pub fn on_found(&mut self, now: Moment, address: SocketAddr, dialect: Dialect) {
        let dialect = self.spoken(dialect);
        let fits = can_be_dialled(address) && !self.banned.contains(&address.ip());
        if fits && (self.candidates.contains_key(&address) || self.make_room()) {
            let new = Candidate::new(State::Idle(now), dialect);
            let candidate = self.candidates.entry(address).or_insert(new);
            // Who knows of the native dialect knows better.
            if dialect == Dialect::Native && candidate.failures == 0 && !candidate.switched {
                candidate.dialect = dialect;
            }
        }
    }

    /// The user named an address.
    pub fn on_given(&mut self, now: Moment, address: SocketAddr, dialect: Dialect) {
        self.on_found(now, address, dialect);
        if let Some(candidate) = self.candidates.get_mut(&address) {
            candidate.given = true;
        }
    }

    /// A tracker listed these addresses, which therefore lived a moment ago: one that had
    /// vanished from this tracker's list and is back is called at once.
    pub fn on_listed(&mut self, now: Moment, tracker: &str, addresses: &[(SocketAddr, Dialect)]) {
        let listed: HashSet<SocketAddr> = addresses.iter().map(|&(address, _)| address).collect();
        let before = self.listed.insert(tracker.to_owned(), listed).unwrap_or_default();
        for &(address, dialect) in addresses {
            self.on_found(now, address, dialect);
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
        if !is_known && (!can_be_dialled(address) || !self.make_room()) {
            return;
        }
        let new = Candidate::new(State::Busy, dialect);
        let candidate = self.candidates.entry(address).or_insert(new);
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
        self.candidates.insert(address, Candidate::new(State::Never, Dialect::Native));
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
            let may = !seeding || c.given || c.switched || c.dialect == Dialect::BitTorrent;
            may && matches!(c.state, State::Idle(at) if at <= now)
        };
        let mut ready: Vec<_> = self
            .candidates
            .iter()
            .filter(|(_, candidate)| due(candidate))
            .map(|(&address, candidate)| (candidate.failures, address))
            .collect();
        ready.sort_unstable();
        ready.truncate(free);
        let mut call = |address: SocketAddr| {
            let candidate = self.candidates.get_mut(&address).expect("it was just found there");
            candidate.state = State::Busy;
            (address, candidate.dialect)
        };
        ready.into_iter().map(|(_, address)| call(address)).collect()
    }

    fn spoken(&self, dialect: Dialect) -> Dialect {
        match self.tongues {
            Tongues::Both => dialect,
            Tongues::BitTorrentOnly => Dialect::BitTorrent,
        }
    }

    /// Whether one more address may be kept; drops the one that failed most often, if it must.
    fn make_room(&mut self) -> bool {
        if self.candidates.len() < CANDIDATES {
            return true;
        }
        let idle = |c: &Candidate| matches!(c.state, State::Idle(_)) && c.failures > 0;
        let failed = self.candidates.iter().filter(|(_, candidate)| idle(candidate));
        let worst = failed.max_by_key(|(_, candidate)| candidate.failures).map(|(&a, _)| a);
        worst.is_some_and(|address| self.candidates.remove(&address).is_some())
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
        let tracker = "127.0.0.1:6969";
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
        d.on_listed(at(0), "127.0.0.1:6969", &[(address(1), Native)]);
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
        d.next_dials(at(0), 1, false);
        d.on_failed(at(0), address(1));
        d.on_found(at(0), address(9000), Native);
        assert!(d.candidates.contains_key(&address(9000)));
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
