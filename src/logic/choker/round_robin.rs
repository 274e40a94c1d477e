//! In turns: every round half of the slots go to those who waited longest, the others stay with
//! those who were served for the shortest time. If nobody waits, nobody loses a slot.
//!
//! Fair to everybody, free riders among them; short turns, so a newcomer does not wait for long.

use super::{Served, Strategy, View};
use std::cmp::Reverse;

/// Whoever waited longest.
#[derive(Debug)]
pub struct RoundRobin;

impl Strategy for RoundRobin {
    fn next_round(&mut self, view: &View, _: &mut fastrand::Rng) -> Vec<Served> {
        let mut kept: Vec<_> = view.served().collect();
        let mut waiting: Vec<_> = view.waiting().collect();
        kept.sort_by_key(|p| (Reverse(p.since), p.peer));
        waiting.sort_by_key(|p| (p.since, p.peer));
        kept.truncate(view.slots - waiting.len().min(view.slots.div_ceil(2)));
        let served = kept.into_iter().chain(waiting).take(view.slots);
        served.map(|p| Served::equally(p.peer, view.waited(p))).collect()
    }
}
