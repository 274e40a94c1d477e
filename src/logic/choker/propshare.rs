//! PropShare: each gets the part of our upload that its gifts are of our download (Levin, LaCurts,
//! Spring and Bhattacharjee, *BitTorrent is an Auction*, 2008).
//!
//! With tit for tat it pays to give just enough to be the third best, and no more. Here what is
//! given back grows with what was given, so that to give more always pays. All who gave are
//! served, so the number of slots is only how many are served while nobody gives. A tenth is kept for those on trial, in turns.
//!
//! The shares are the weights of those it serves.

use super::optimists::Optimists;
use super::round_robin::RoundRobin;
use super::{EQUAL, Served, Strategy, View, Why};

/// What those on trial get of our upload, in thousandths.
const ON_TRIAL: u64 = 100;

/// To each what it gave.
#[derive(Debug, Default)]
pub struct PropShare {
    optimists: Optimists,
}

impl Strategy for PropShare {
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        if view.seeding {
            return RoundRobin.next_round(view, rng);
        }
        let mut givers = view.givers(rng);
        givers.retain(|p| p.gives > 0);
        let total: u64 = givers.iter().map(|p| p.gives).sum();
        let repaid = givers.iter().map(|p| {
            let permille = p.gives.saturating_mul(1000) / total;
            Served::equally(p.peer, Why::Share { permille })
        });
        let mut served: Vec<_> = repaid.collect();
        let slots = view.slots.saturating_sub(served.len()).max(1);
        let mut on_trial = self.optimists.next_round(view, &served, slots, rng);
        if served.is_empty() {
            return on_trial;
        }
        let reserve = if on_trial.is_empty() { 0 } else { ON_TRIAL };
        let all = (served.len() + on_trial.len()) as u64;
        for (served, giver) in served.iter_mut().zip(givers) {
            served.weight = weight(giver.gives, total, (1000 - reserve) * all);
        }
        let trials = on_trial.len() as u64;
        on_trial.iter_mut().for_each(|s| s.weight = weight(1, trials, reserve * all));
        served.extend(on_trial);
        served
    }

    fn next_for_free_slot(&mut self, view: &View, rng: &mut fastrand::Rng) -> Option<Served> {
        if view.served().count() >= view.slots {
            return None;
        }
        if view.seeding {
            return RoundRobin.next_for_free_slot(view, rng);
        }
        self.optimists.next_for_free_slot(view, rng)
    }

    fn most(&self, _: usize) -> usize {
        usize::MAX
    }
}

/// A part of `permille` thousandths of an equal share.
fn weight(part: u64, of: u64, permille: u64) -> u32 {
    let weight =
        u128::from(part) * u128::from(permille) * u128::from(EQUAL) / 1000 / u128::from(of);
    weight.try_into().unwrap_or(u32::MAX)
}
