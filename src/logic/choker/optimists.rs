//! Slots on trial: peers served whatever they give, to find out what they would.
//!
//! Whoever has nothing yet has nothing to give, and the best partner may be one we never served;
//! so some slots go round (the optimistic unchoke, Cohen 2003, section 3.3). A trial lasts
//! [`Timers::optimistic`](crate::logic::timers::Timers::optimistic), counted in rounds; one that
//! begins between two rounds is shorter by as much.

use super::rotation::Rotation;
use super::{Served, View, Why};
use crate::logic::PeerKey;
use std::collections::BTreeSet;

/// Those on trial, and who is next.
#[derive(Debug, Default)]
pub struct Optimists {
    rotation: Rotation,
    /// With the round that ends the trial; who has been on trial longest first.
    on_trial: Vec<(PeerKey, u32)>,
}

impl Optimists {
    /// Whether a peer is on trial.
    pub fn has(&self, peer: PeerKey) -> bool {
        self.on_trial.iter().any(|trial| trial.0 == peer)
    }

    /// A round: `slots` peers on trial, as long as there are any besides those who `earned` their
    /// place.
    pub fn next_round(
        &mut self,
        view: &View,
        earned: &[Served],
        slots: usize,
        rng: &mut fastrand::Rng,
    ) -> Vec<Served> {
        self.rotation.admit(view.peers, rng);
        let mut others: BTreeSet<PeerKey> = view.interested().map(|p| p.peer).collect();
        earned.iter().for_each(|s| _ = others.remove(&s.peer));
        let among = others.len();
        self.on_trial.retain(|&(peer, end)| end > view.round && others.contains(&peer));
        self.on_trial.drain(..self.on_trial.len().saturating_sub(slots));
        self.on_trial.iter().for_each(|(peer, _)| _ = others.remove(peer));
        while self.on_trial.len() < slots
            && let Some(peer) = self.rotation.next_of(&mut others)
        {
            self.begin(view, peer);
        }
        let served = |&(peer, _): &_| Served::equally(peer, Why::Optimistic { among });
        self.on_trial.iter().map(served).collect()
    }

    /// Between rounds: the next one on trial.
    pub fn next_for_free_slot(&mut self, view: &View, rng: &mut fastrand::Rng) -> Option<Served> {
        self.rotation.admit(view.peers, rng);
        let mut waiting: BTreeSet<PeerKey> = view.waiting().map(|p| p.peer).collect();
        let among = waiting.len();
        let peer = self.rotation.next_of(&mut waiting)?;
        self.on_trial.retain(|trial| trial.0 != peer);
        self.begin(view, peer);
        Some(Served::equally(peer, Why::Optimistic { among }))
    }

    fn begin(&mut self, view: &View, peer: PeerKey) {
        self.on_trial.push((peer, view.round + view.timers.optimistic_rounds()));
    }
}
