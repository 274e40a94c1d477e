//! Tit for tat, and for seeders turns of a minute.
//!
//! A seeder receives nothing, so it cannot repay. To serve those who take fastest would let a free
//! rider with a good line have a seeder for itself; so all are given the same time. The order is
//! that of the mainline client as Legout, Urvoy-Keller and Michiardi describe it (*Rarest First
//! and Choke Algorithms Are Enough*, 2006): first those unchoked less than 20 s ago or with
//! requests pending, whoever was unchoked last first; then the others, who takes fastest first.
//! In two rounds of three the first three of that order stay and a fourth is new, in the third
//! round all four stay: so a turn lasts a minute, and who does not use its slot loses it first.
//!
//! Theirs draws the new one by lot; ours is the next of the [`Rotation`], because by lot a peer
//! among 50 goes without for an hour once in a while. With fewer than four slots no round is
//! quiet, or with a single one every other peer would be served twice as long.

use super::rotation::Rotation;
use super::tft::TitForTat;
use super::{Candidate, Served, Strategy, View, Why};
use crate::clock::Moment;
use crate::logic::PeerKey;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Tit for tat, with the mainline seeder's order.
#[derive(Debug, Default)]
pub struct Legout {
    leeching: TitForTat,
    rotation: Rotation,
}

impl Strategy for Legout {
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        if view.seeding {
            next_round(view, &mut self.rotation, rng)
        } else {
            self.leeching.next_round(view, rng)
        }
    }

    fn next_for_free_slot(&mut self, view: &View, rng: &mut fastrand::Rng) -> Option<Served> {
        if view.seeding {
            next_for_free_slot(view, &mut self.rotation, rng)
        } else {
            self.leeching.next_for_free_slot(view, rng)
        }
    }
}

/// A seeder's round.
fn next_round(view: &View, rotation: &mut Rotation, rng: &mut fastrand::Rng) -> Vec<Served> {
    rotation.admit(view.peers, rng);
    let mut waiting: BTreeSet<PeerKey> = view.waiting().map(|p| p.peer).collect();
    let among = waiting.len();
    let mut kept: Vec<&Candidate> = view.served().collect();
    kept.sort_by_key(|p| order(view, p));
    kept.truncate(view.slots.saturating_sub(new_ones(view).min(among)));
    let kept_for = |p: &Candidate| Why::Kept { secs: view.now.since(p.since).as_secs() };
    let mut served: Vec<_> =
        kept.into_iter().map(|p| Served::equally(p.peer, kept_for(p))).collect();
    while served.len() < view.slots
        && let Some(peer) = rotation.next_of(&mut waiting)
    {
        served.push(Served::equally(peer, Why::Turn { among }));
    }
    served
}

/// Between rounds: whose turn it is.
fn next_for_free_slot(
    view: &View,
    rotation: &mut Rotation,
    rng: &mut fastrand::Rng,
) -> Option<Served> {
    rotation.admit(view.peers, rng);
    let mut waiting: BTreeSet<PeerKey> = view.waiting().map(|p| p.peer).collect();
    let among = waiting.len();
    let peer = rotation.next_of(&mut waiting)?;
    Some(Served::equally(peer, Why::Turn { among }))
}

/// How many of the slots change hands this round: one of four.
fn new_ones(view: &View) -> usize {
    let quiet = view.slots >= 4 && view.round.is_multiple_of(3);
    if quiet { 0 } else { (view.slots / 4).max(1) }
}

/// Who keeps its slot, the first to stay first.
fn order(view: &View, p: &Candidate) -> impl Ord + use<> {
    let in_use = p.pending || view.now.since(p.since) < view.timers.round * 2;
    let unchoked = if in_use { p.since } else { Moment::START };
    (!in_use, Reverse(unchoked), Reverse(p.takes), Reverse(p.since), p.peer)
}
