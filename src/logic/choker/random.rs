//! By lot: the slots are drawn anew every round, whatever anybody gave.
//!
//! This is what tit for tat is compared with: a free rider does as well here as anyone else.

use super::{Candidate, Served, Strategy, View, Why};

/// Whoever the dice name.
#[derive(Debug)]
pub struct Random;

impl Strategy for Random {
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        draw(view.interested(), view.slots, rng)
    }

    fn next_for_free_slot(&mut self, view: &View, rng: &mut fastrand::Rng) -> Option<Served> {
        draw(view.waiting(), 1, rng).pop()
    }
}

fn draw<'a>(
    peers: impl Iterator<Item = &'a Candidate>,
    slots: usize,
    rng: &mut fastrand::Rng,
) -> Vec<Served> {
    let mut peers: Vec<_> = peers.map(|p| p.peer).collect();
    rng.shuffle(&mut peers);
    let why = Why::Lot { among: peers.len() };
    peers.into_iter().take(slots).map(|peer| Served::equally(peer, why)).collect()
}
