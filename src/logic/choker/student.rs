//! Yours to change: `--choker student` runs it in `peer`, and in every backend of the lab.
//!
//! As it stands it serves the best givers and tries nobody out. What goes wrong with that?

use super::{Served, Strategy, View, Why};
use std::cmp::Reverse;

/// The best givers, and nobody on trial.
#[derive(Debug)]
pub struct Student;

impl Strategy for Student {
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        // Who may be served: whoever wants something of us.
        let mut peers: Vec<_> = view.interested().collect();
        // In which order. Change this: what else is known of a peer stands at `Candidate`.
        rng.shuffle(&mut peers); // among equals by lot
        peers.sort_by_key(|peer| Reverse(peer.gives));
        // How many, and why: the reason is seen in the trace and on the dashboard.
        let best = peers.into_iter().take(view.slots);
        best.map(|peer| Served::equally(peer.peer, Why::Own("among the best givers"))).collect()
    }
}
