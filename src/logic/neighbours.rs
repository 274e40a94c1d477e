//! When a torrent starves, and whom it lets go for somebody new.
//!
//! A peer whose neighbours all lack what it lacks learns nothing from asking them again: it needs
//! others. Without fresh neighbours the missing piece stays missing although somebody has it (Hajek
//! and Zhu 2010). So a leecher that nobody serves for a while *starves*: it asks its neighbours for
//! theirs, and when no connection is free it lets the least useful one go for an address that it
//! never called. A seeder whose connections are all taken lets those go who want nothing.
//!
//! Nobody is let go who serves us or whom we serve, nobody who came a moment ago, and one at most in
//! each pause.

use crate::clock::Moment;
use crate::logic::PeerKey;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// How long nobody serves us until we starve, how long a neighbour may be of no use until it may go,
/// and how long the next one then stays at least. A strategy timer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One connection, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Which.
    pub peer: PeerKey,
    /// Since when.
    pub since: Moment,
    /// Bytes of content that it gave us.
    pub given: u64,
    /// Bytes of content that we gave it.
    pub taken: u64,
    /// Whether we want something of it.
    pub am_interested: bool,
    /// Whether it wants something of us.
    pub peer_interested: bool,
    /// Whether we do not serve it.
    pub am_choking: bool,
    /// Whether it does not serve us.
    pub peer_choking: bool,
}

/// How the torrent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// Whether everything is here.
    pub complete: bool,
    /// Whether content comes from elsewhere, from a web seed.
    pub fed: bool,
    /// Whether no connection more may be made.
    pub full: bool,
    /// Whether an address is known that was never called.
    pub fresh: bool,
}

/// Why a neighbour is let go; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Neither side wants anything of the other.
    WantsNothing,
    /// It has nothing that we lack.
    HasNothing,
    /// It has what we lack, and does not serve us.
    ServesNothing,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WantsNothing => "neither side wants anything of the other",
            Self::HasNothing => "it has nothing that we lack, and somebody else may",
            Self::ServesNothing => "it serves us nothing, and somebody else may",
        })
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Ask for more peers.
    pub ask: bool,
    /// End this connection.
    pub let_go: Option<(PeerKey, Why)>,
}

/// The neighbours of one torrent.
#[derive(Debug, Clone)]
pub struct Neighbours {
    patience: Duration,
    /// When somebody served us last; at first, when it was looked at first.
    fed: Option<Moment>,
    asked: Option<Moment>,
    changed: Option<Moment>,
    /// How many bytes had gone to and fro on each connection, and when that changed last.
    moved: HashMap<PeerKey, (u64, Moment)>,
}

impl Neighbours {
    /// Nobody yet; `patience` is [`PATIENCE`] as the time scale has it.
    pub fn new(patience: Duration) -> Self {
        Self { patience, fed: None, asked: None, changed: None, moved: HashMap::new() }
    }

    /// A look at them all: what is to be done now?
    pub fn next_change(&mut self, now: Moment, all: &[Neighbour], how: Situation) -> Change {
        self.note(now, all);
        let starving = self.starves(now, all, how);
        let ask = starving && self.asked.is_none_or(|at| now.since(at) >= self.patience);
        if ask {
            self.asked = Some(now);
        }
        let wanted = how.full && (how.complete || starving && how.fresh);
        let rested = self.changed.is_none_or(|at| now.since(at) >= self.patience);
        let let_go = (wanted && rested).then(|| self.least_useful(now, all, how)).flatten();
        if let_go.is_some() {
            self.changed = Some(now);
        }
        Change { ask, let_go }
    }

    /// Remembers on which connections something moved.
    fn note(&mut self, now: Moment, all: &[Neighbour]) {
        let before = std::mem::take(&mut self.moved);
        self.moved = all
            .iter()
            .map(|n| {
                let bytes = n.given + n.taken;
                let moved = match before.get(&n.peer) {
                    Some(&(known, at)) if known == bytes => at,
                    _ if bytes == 0 => n.since,
                    _ => now,
                };
                (n.peer, (bytes, moved))
            })
            .collect();
    }

    fn starves(&mut self, now: Moment, all: &[Neighbour], how: Situation) -> bool {
        let served = all.iter().any(Neighbour::serves_us);
        if how.complete || how.fed || served {
            self.fed = Some(now);
            return false;
        }
        let fed = *self.fed.get_or_insert(now);
        all.is_empty() || now.since(fed) >= self.patience
    }

    /// Of those that may go: for the best reason, whoever moved nothing for longest.
    fn least_useful(
        &self,
        now: Moment,
        all: &[Neighbour],
        how: Situation,
    ) -> Option<(PeerKey, Why)> {
        let idle = |n: &&Neighbour| {
            let (_, moved) = self.moved[&n.peer];
            now.since(moved.max(n.since)) >= self.patience
        };
        let spare = all.iter().filter(idle).filter_map(|n| Some((n.spare(how.complete)?, n)));
        let least = spare.min_by_key(|(why, n)| (*why, self.moved[&n.peer].1, n.peer));
        least.map(|(why, n)| (n.peer, why))
    }
}

impl Neighbour {
    fn serves_us(&self) -> bool {
        self.am_interested && !self.peer_choking
    }

    fn is_served(&self) -> bool {
        self.peer_interested && !self.am_choking
    }

    /// Why it may go, if it may. A seeder keeps all who want something: they wait for their turn.
    fn spare(&self, complete: bool) -> Option<Why> {
        match (self.am_interested, self.peer_interested) {
            _ if self.serves_us() || self.is_served() => None,
            (false, false) => Some(Why::WantsNothing),
            _ if complete => None,
            (false, true) => Some(Why::HasNothing),
            (true, _) => Some(Why::ServesNothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEECHING: Situation = Situation { complete: false, fed: false, full: true, fresh: true };
    const SEEDING: Situation = Situation { complete: true, ..LEECHING };

    fn at(secs: u64) -> Moment {
        Moment::after(Duration::from_secs(secs))
    }

    /// `words` say what is true of it: `i` we are interested, `u` it unchokes us, `I` and `U` the
    /// same from its side.
    fn neighbour(peer: u64, words: &str) -> Neighbour {
        Neighbour {
            peer: PeerKey(peer),
            since: at(0),
            given: 0,
            taken: 0,
            am_interested: words.contains('i'),
            peer_interested: words.contains('I'),
            am_choking: !words.contains('U'),
            peer_choking: !words.contains('u'),
        }
    }

    fn neighbours() -> Neighbours {
        Neighbours::new(PATIENCE)
    }

    /// Who goes after nobody was served for half a minute.
    fn goes(all: &[Neighbour], how: Situation) -> Option<(u64, Why)> {
        let mut machine = neighbours();
        machine.next_change(at(0), all, how);
        let change = machine.next_change(at(30), all, how);
        change.let_go.map(|(peer, why)| (peer.0, why))
    }

    #[test]
    fn a_leecher_without_neighbours_starves_at_once_and_asks_every_half_minute() {
        let mut machine = neighbours();
        let asks = [0, 1, 29, 30, 59, 60].map(|s| machine.next_change(at(s), &[], LEECHING).ask);
        assert_eq!(asks, [true, false, false, true, false, true]);
        assert!(!neighbours().next_change(at(0), &[], SEEDING).ask);
    }

    #[test]
    fn a_leecher_starves_when_nobody_has_served_it_for_a_while() {
        let (fed, starved) = ([neighbour(1, "iu"), neighbour(2, "i")], [neighbour(2, "i")]);
        let mut machine = neighbours();
        for secs in 0..50 {
            assert!(!machine.next_change(at(secs), &fed, LEECHING).ask, "{secs} s");
        }
        assert!(!machine.next_change(at(78), &starved, LEECHING).ask);
        assert!(machine.next_change(at(79), &starved, LEECHING).ask);
        let mut machine = neighbours();
        for secs in 0..50 {
            let from_web = Situation { fed: true, ..LEECHING };
            assert_eq!(machine.next_change(at(secs), &starved, from_web), Change::default());
        }
    }

    #[test]
    fn the_least_useful_neighbour_goes_first() {
        let all = [neighbour(1, "i"), neighbour(2, "I"), neighbour(3, ""), neighbour(4, "uU")];
        assert_eq!(goes(&all, LEECHING), Some((3, Why::WantsNothing)));
        assert_eq!(goes(&all[..2], LEECHING), Some((2, Why::HasNothing)));
        assert_eq!(goes(&all[..1], LEECHING), Some((1, Why::ServesNothing)));
    }

    #[test]
    fn nobody_goes_who_is_served_or_who_moved_something_a_moment_ago() {
        let served = [neighbour(1, "IU")];
        assert_eq!(goes(&served, LEECHING), None);
        assert_eq!(goes(&served, SEEDING), None);
        let mut machine = neighbours();
        let mut all = [neighbour(1, "i")];
        for (secs, given) in [(0, 0), (20, 16384), (49, 16384)] {
            all[0].given = given;
            assert_eq!(machine.next_change(at(secs), &all, LEECHING).let_go, None, "{secs} s");
        }
        let gone = machine.next_change(at(50), &all, LEECHING).let_go;
        assert_eq!(gone, Some((PeerKey(1), Why::ServesNothing)));
        assert_eq!(goes(&[neighbour(1, "iu"), neighbour(2, "")], LEECHING), None, "we are served");
    }

    #[test]
    fn nobody_goes_who_came_a_moment_ago() {
        let late = Neighbour { since: at(10), ..neighbour(1, "") };
        assert_eq!(goes(&[late], LEECHING), None);
        assert_eq!(goes(&[late, neighbour(2, "i")], LEECHING), Some((2, Why::ServesNothing)));
    }

    #[test]
    fn nobody_goes_while_there_is_room_or_nobody_new_is_known() {
        let all = [neighbour(1, "")];
        assert_eq!(goes(&all, Situation { full: false, ..LEECHING }), None);
        assert_eq!(goes(&all, Situation { fresh: false, ..LEECHING }), None);
        assert_eq!(goes(&all, Situation { full: false, ..SEEDING }), None);
    }

    #[test]
    fn a_seeder_lets_only_those_go_who_want_nothing_and_asks_nobody() {
        let all = [neighbour(1, "I"), neighbour(2, "")];
        assert_eq!(goes(&all[..1], SEEDING), None, "it waits for its turn");
        // Others call it, whether or not it knows them.
        let alone = Situation { fresh: false, ..SEEDING };
        assert_eq!(goes(&all, alone), Some((2, Why::WantsNothing)));
    }

    #[test]
    fn one_goes_in_half_a_minute() {
        let mut machine = neighbours();
        let all: Vec<_> = (0..9).map(|n| neighbour(n, "")).collect();
        let mut gone = Vec::new();
        for secs in 0..100 {
            let left: Vec<_> = all.iter().filter(|n| !gone.contains(&n.peer)).copied().collect();
            gone.extend(machine.next_change(at(secs), &left, LEECHING).let_go.map(|(p, _)| p));
        }
        assert_eq!(gone, [0, 1, 2].map(PeerKey), "after 30, 60 and 90 s");
    }
}
