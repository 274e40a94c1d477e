//! The choker's board: who was given a slot lately and why, and who is banned.

use super::Swarm;
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::logic::choker::Why;
use crate::logic::session::Session;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Decisions that are kept.
const RULINGS: usize = 20;

/// Bans that are kept to be shown; who is banned stays so.
const BANS: usize = 200;

/// A decision of the choker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// When.
    pub at: Moment,
    /// Whether it was a round; else a slot was free in between.
    pub is_round: bool,
    /// Who is served from then on (in a round, all of them), and why.
    pub served: Vec<(SocketAddr, Why)>,
    /// Who was served before and is no more.
    pub dropped: Vec<SocketAddr>,
}

/// The last decisions and bans of a swarm.
#[derive(Debug, Clone, Default)]
pub(super) struct Minutes {
    rulings: VecDeque<Ruling>,
    bans: VecDeque<(SocketAddr, PieceIndex)>,
}

impl Minutes {
    /// Somebody sent wrong bytes of this piece.
    pub fn on_banned(&mut self, address: SocketAddr, piece: PieceIndex) {
        self.bans.truncate(BANS - 1);
        self.bans.push_front((address, piece));
    }

    fn on_ruling(&mut self, ruling: Ruling) {
        if ruling.served.is_empty() && ruling.dropped.is_empty() {
            return; // a round in which nobody wants anything
        }
        self.rulings.truncate(RULINGS - 1);
        self.rulings.push_front(ruling);
    }
}

/// How upload slots are given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// The name of the strategy.
    pub strategy: String,
    /// How many are served at once.
    pub slots: usize,
    /// Whether all that is wanted is here, and slots are given as a seeder gives them.
    pub seeding: bool,
    /// How long a round is.
    pub every: Duration,
    /// The last decisions, the newest first.
    pub rulings: Vec<Ruling>,
    /// Who sent wrong bytes, and of which piece; the newest first.
    pub bans: Vec<(SocketAddr, PieceIndex)>,
}

impl Swarm {
    /// The choker's board.
    pub fn board(&self) -> Board {
        Board {
            strategy: self.strategy.clone(),
            slots: self.choker.slots(),
            seeding: self.is_satisfied(),
            every: self.params.timers.round,
            rulings: self.minutes.rulings.iter().cloned().collect(),
            bans: self.minutes.bans.iter().copied().collect(),
        }
    }

    /// A decision is written down; peers that are gone since have no address.
    pub(super) fn note_ruling(
        &mut self,
        at: Moment,
        is_round: bool,
        served: &[(PeerKey, Why)],
        dropped: &[PeerKey],
    ) {
        let shown = |session: &Session| session.listens.unwrap_or(session.address);
        let address = |peer| self.sessions.get(&peer).map(shown);
        let served = served.iter().filter_map(|&(peer, why)| Some((address(peer)?, why)));
        let dropped = dropped.iter().filter_map(|&peer| address(peer));
        let ruling = Ruling { at, is_round, served: served.collect(), dropped: dropped.collect() };
        self.minutes.on_ruling(ruling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn ruling(secs: u64, served: Vec<(SocketAddr, Why)>) -> Ruling {
        let at = Moment::after(Duration::from_secs(secs));
        Ruling { at, is_round: true, served, dropped: Vec::new() }
    }

    #[test]
    fn the_last_decisions_are_kept_the_newest_first_and_empty_rounds_are_not() {
        let mut minutes = Minutes::default();
        for secs in 1..=30 {
            minutes.on_ruling(ruling(secs, vec![(at(1), Why::Everybody)]));
            minutes.on_ruling(ruling(secs, Vec::new()));
        }
        let kept: Vec<u64> =
            minutes.rulings.iter().map(|r| r.at.since(Moment::START).as_secs()).collect();
        assert_eq!(kept, (11..=30).rev().collect::<Vec<_>>());
    }

    #[test]
    fn bans_that_are_shown_are_bounded() {
        let mut minutes = Minutes::default();
        (0..500).for_each(|port| minutes.on_banned(at(port), PieceIndex(port.into())));
        assert_eq!((minutes.bans.len(), minutes.bans[0].1), (BANS, PieceIndex(499)));
    }
}
