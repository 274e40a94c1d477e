//! BitTyrant: the best bargains first, and nothing paid beyond the price (Piatek and others, *Do
//! Incentives Build Robustness in BitTorrent?*, 2007).
//!
//! Tit for tat gives all it serves the same, although most would serve us for less. Here two
//! numbers are kept of each peer: `d`, what it gives when it serves us, and `u`, what it must be
//! given for that. Each round those with the best `d / u` are served until the upload capacity is
//! spent. Then `u` is learnt: a fifth more if it did not serve us, a tenth less once it did for
//! three rounds; and `d` is what it gave. At first both are an equal share of a slot.
//!
//! It pays whoever does it (a median gain of 70 % for a client of 1 Mbit/s, the paper says), and
//! costs all when everybody does. The shares it wants are the weights of those it serves. Without
//! a limit on uploads there is no capacity to spend, and it serves the best of as many as slots.

use super::round_robin::RoundRobin;
use super::{Candidate, EQUAL, Served, Strategy, View, Why};
use crate::logic::PeerKey;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

/// What a slot is guessed to be worth when uploads have no limit, in bytes per second.
const GUESS: u64 = 64 * 1024;

/// Who served us for so many rounds would do it for less.
const CONTENT: u32 = 3;

/// The best bargains first.
#[derive(Debug, Default)]
pub struct BitTyrant {
    known: BTreeMap<PeerKey, Bargain>,
}

/// What is thought of a peer, in bytes per second.
#[derive(Debug, Clone, Copy)]
struct Bargain {
    gives: u64,
    costs: u64,
    /// For how many rounds it has served us.
    rounds: u32,
}

impl Bargain {
    /// What the last round taught.
    fn learn(&mut self, p: &Candidate, capacity: u64) {
        if p.serves_us {
            (self.gives, self.rounds) = (p.gives, self.rounds + 1);
            if p.unchoked && self.rounds >= CONTENT {
                self.costs = (self.costs - self.costs / 10).max(1);
            }
        } else {
            self.rounds = 0;
            if p.unchoked {
                self.costs = self.costs.saturating_add(self.costs.div_ceil(5)).min(capacity);
            }
        }
    }

    /// What comes for what is paid, in thousandths.
    fn worth(self) -> u64 {
        self.gives.saturating_mul(1000) / self.costs.max(1)
    }
}

impl BitTyrant {
    fn learn(&mut self, view: &View) {
        let here: HashSet<PeerKey> = view.peers.iter().map(|p| p.peer).collect();
        self.known.retain(|peer, _| here.contains(peer));
        let share = equal_share(view);
        // A price beyond all that there is would not be paid, and would leave nothing for others.
        let capacity = view.upload_capacity.unwrap_or(GUESS.saturating_mul(view.slots as u64));
        for p in view.peers {
            let first = Bargain { gives: share, costs: share, rounds: 0 };
            self.known.entry(p.peer).or_insert(first).learn(p, capacity);
        }
    }
}

impl Strategy for BitTyrant {
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        if view.seeding {
            return RoundRobin.next_round(view, rng);
        }
        self.learn(view);
        let bargain = |p: &Candidate| self.known.get(&p.peer).map(|&bargain| (p.peer, bargain));
        let mut bargains: Vec<_> = view.interested().filter_map(bargain).collect();
        rng.shuffle(&mut bargains);
        bargains.sort_by_key(|(_, bargain)| Reverse(bargain.worth()));
        if view.upload_capacity.is_none() {
            bargains.truncate(view.slots);
        }
        let mut left = view.upload_capacity.unwrap_or(u64::MAX);
        let mut served = Vec::new();
        for (peer, Bargain { gives, costs, .. }) in bargains {
            let Some(rest) = left.checked_sub(costs) else { break };
            left = rest;
            let weight = costs.saturating_mul(EQUAL.into()) / equal_share(view);
            let weight = weight.try_into().unwrap_or(u32::MAX);
            served.push(Served { peer, why: Why::Bargain { gives, costs }, weight });
        }
        served
    }

    fn next_for_free_slot(&mut self, view: &View, rng: &mut fastrand::Rng) -> Option<Served> {
        if view.served().count() >= view.slots {
            return None; // what is left of the capacity is spent in the next round
        }
        if view.seeding {
            return RoundRobin.next_for_free_slot(view, rng);
        }
        view.longest_waiting()
    }

    fn most(&self, _: usize) -> usize {
        usize::MAX
    }
}

/// What a slot is worth.
fn equal_share(view: &View) -> u64 {
    view.upload_capacity.map_or(GUESS, |all| (all / view.slots.max(1) as u64).max(1))
}
