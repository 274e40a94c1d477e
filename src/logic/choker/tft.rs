//! Tit for tat: who gives is given (Cohen, *Incentives Build Robustness in BitTorrent*, 2003).
//!
//! - Every 10 s three of four slots go to those who gave most over the last 20 s (section 3.2).
//! - The fourth is on trial with one peer for 30 s, in turns: see `optimists.rs` (section 3.3).
//! - Who sent nothing for 60 s snubs us, and is served on trial only. Slots that nobody earned are
//!   on trial, too: with everyone against us we look for better ones on all of them (section 3.4).
//! - A seeder has nothing to repay: it serves whoever waited longest, as `round-robin` does. Other
//!   orders are in use (see `legout.rs`); with short turns a crowd finishes a little sooner, and a
//!   newcomer waits less.
//!
//! More slots keep the ratio: one of four is on trial, at least one. A single slot is earned and on
//! trial in turns, 30 s each; it would else reward nobody or find nobody. One that becomes free
//! between rounds goes at once to the best giver who waits, or on trial.
//! It is no bar to free riders: BitThief finished downloads on trials and seeders alone (Locher
//! and others, 2006), and whoever knows enough peers lives well on their trials (Sirivianos and
//! others, 2007).

use super::optimists::Optimists;
use super::round_robin::RoundRobin;
use super::{Served, Strategy, View, Why};
use std::cmp::Reverse;

/// The best givers, and one on trial.
#[derive(Debug, Default)]
pub struct TitForTat {
    optimists: Optimists,
}

impl Strategy for TitForTat {
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        if view.seeding {
            return RoundRobin.next_round(view, rng);
        }
        // BEGIN SOLUTION C6
        let mut served = self.repaid(view, rng);
        served.truncate(to_be_earned(view));
        let free = view.slots - served.len();
        let on_trial = self.optimists.next_round(view, &served, free, rng);
        served.extend(on_trial);
        served
        // END SOLUTION
    }

    fn next_for_free_slot(&mut self, view: &View, rng: &mut fastrand::Rng) -> Option<Served> {
        if view.seeding {
            return RoundRobin.next_for_free_slot(view, rng);
        }
        let earned = view.served().filter(|p| !self.optimists.has(p.peer)).count();
        let waits = |s: &Served| view.waiting().any(|p| p.peer == s.peer);
        let best = self.repaid(view, rng).into_iter().find(waits);
        best.filter(|_| earned < to_be_earned(view))
            .or_else(|| self.optimists.next_for_free_slot(view, rng))
    }
}

impl TitForTat {
    /// All who give, the best first; among equals those who earned their slot come before those
    /// on trial, who would else change places with them every round.
    fn repaid(&self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        let mut givers = view.givers(rng);
        givers.sort_by_key(|p| (Reverse(p.gives), !p.unchoked, self.optimists.has(p.peer)));
        let of = givers.len();
        let why = |at: usize, rate| Why::Gives { rank: at + 1, of, rate };
        let ranked = givers.into_iter().enumerate();
        ranked.map(|(at, p)| Served::equally(p.peer, why(at, p.gives))).collect()
    }
}

/// How many slots are to be earned; the others are on trial.
fn to_be_earned(view: &View) -> usize {
    match view.slots {
        0 => 0,
        1 => (view.round / view.timers.optimistic_rounds()) as usize % 2,
        slots => slots - (slots / 4).max(1),
    }
}
