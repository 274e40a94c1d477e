//! Everybody: whoever wants something is served, whatever the number of slots.
//!
//! Nothing is decided here, so nothing is rewarded; and with many peers each gets so little that
//! its TCP connection hardly comes up to speed, which is why there is choking at all (BEP 3).

use super::{Served, Strategy, View, Why};

/// Everybody who wants something.
#[derive(Debug)]
pub struct All;

impl Strategy for All {
    fn next_round(&mut self, view: &View, _: &mut fastrand::Rng) -> Vec<Served> {
        view.interested().map(|p| Served::equally(p.peer, Why::Everybody)).collect()
    }

    fn next_for_free_slot(&mut self, view: &View, _: &mut fastrand::Rng) -> Option<Served> {
        view.waiting().next().map(|p| Served::equally(p.peer, Why::Everybody))
    }

    fn most(&self, _: usize) -> usize {
        usize::MAX
    }
}
