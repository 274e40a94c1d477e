//! Whom to serve: the strategies that ship, shown the neighbours of one peer at a time.

use super::{Crowd, Link, NO_STAMP};
use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::logic::choker::{Candidate, Served, View};
use std::time::Duration;

impl Crowd {
    /// A round of a peer's choker; one in which nobody wants anything changes nothing.
    pub(super) fn round(&mut self, peer: usize) {
        if !self.present[peer] {
            return;
        }
        self.rounds[peer] += 1;
        self.agenda.plan_round(self.now + self.plan.round, peer as u32);
        let slots = self.plan.group(peer).slots;
        if slots > 0 && self.holdings.held(peer) > 0 {
            self.look(peer);
            if self.candidates.iter().any(|c| c.interested) {
                let served = self.decide(peer, slots);
                self.serve_only(peer, &served);
            }
        }
        for end in self.graph.of(peer) {
            let Link { got, sent, .. } = &mut self.links[end];
            (*got, *sent) = ([0, got[0]], [0, sent[0]]);
        }
        self.begin(peer);
    }

    /// Between rounds: free slots are given to those who wait, as the choker of a node does. True if
    /// anybody was given one.
    pub(super) fn fill_slots(&mut self, peer: usize) -> bool {
        let slots = self.plan.group(peer).slots;
        if slots == 0 {
            return false;
        }
        self.look(peer);
        let most = self.strategies[peer].most(slots).min(self.plan.most_slots);
        let mut filled = false;
        while self.candidates.iter().filter(|c| c.interested && c.unchoked).count() < most
            && self.candidates.iter().any(|c| c.interested && !c.unchoked)
            && let Some(served) = self.with_view(peer, slots, |strategy, view, rng| {
                strategy.next_for_free_slot(view, rng)
            })
        {
            let place = served.peer.0 as usize;
            let Some(chosen) = self.candidates.get_mut(place) else { break };
            if !chosen.interested || chosen.unchoked {
                break;
            }
            chosen.unchoked = true;
            self.drop_idle(peer, most);
            self.serve(peer, self.graph.of(peer).start + place);
            filled = true;
        }
        filled
    }

    /// A slot whose peer wants nothing is as good as free.
    fn drop_idle(&mut self, peer: usize, most: usize) {
        let (start, taken) = (peer * self.plan.most_slots, usize::from(self.turns[peer][0]));
        if taken < most {
            return;
        }
        let first = self.graph.of(peer).start;
        let wants = |&link: &u32| self.candidates[link as usize - first].interested;
        let slots = &self.served[start..start + taken];
        if let Some(idle) = slots.iter().position(|link| !wants(link)) {
            let link = self.served[start + idle] as usize;
            self.set_served(link, false);
            self.served[start + idle..start + taken].rotate_left(1);
            self.turns[peer][0] -= 1;
        }
    }

    fn decide(&mut self, peer: usize, slots: usize) -> Vec<Served> {
        let most = self.strategies[peer].most(slots).min(self.plan.most_slots);
        let mut served =
            self.with_view(peer, slots, |strategy, view, rng| strategy.next_round(view, rng));
        // What the choker of a node keeps any strategy to.
        let mut may: Vec<bool> = self.candidates.iter().map(|c| c.interested).collect();
        served.retain(|s| may.get_mut(s.peer.0 as usize).is_some_and(std::mem::take));
        served.truncate(most);
        served
    }

    /// These are served from now on, and nobody else.
    fn serve_only(&mut self, peer: usize, served: &[Served]) {
        let (start, taken) = (peer * self.plan.most_slots, usize::from(self.turns[peer][0]));
        let first = self.graph.of(peer).start;
        for nth in start..start + taken {
            let link = self.served[nth] as usize;
            if served.iter().all(|s| first + s.peer.0 as usize != link) {
                self.set_served(link, false);
            }
        }
        self.turns[peer] = [0; 2];
        served.iter().for_each(|s| self.serve(peer, first + s.peer.0 as usize));
    }

    fn serve(&mut self, peer: usize, link: usize) {
        let taken = usize::from(self.turns[peer][0]);
        self.served[peer * self.plan.most_slots + taken] = link as u32;
        self.turns[peer][0] += 1;
        if !self.links[link].served {
            self.set_served(link, true);
        }
    }

    fn set_served(&mut self, link: usize, served: bool) {
        (self.links[link].served, self.links[link].since) = (served, self.stamp());
        self.links[self.graph.back[link] as usize].serves_us = served;
    }

    /// Lets a peer's strategy decide among those that were looked at.
    fn with_view<R>(
        &mut self,
        peer: usize,
        slots: usize,
        decide: impl FnOnce(&mut dyn crate::logic::choker::Strategy, &View, &mut fastrand::Rng) -> R,
    ) -> R {
        let view = View {
            now: Moment::after(Duration::from_nanos(self.now)),
            round: self.rounds[peer],
            seeding: self.holdings.is_full(peer),
            slots,
            upload_capacity: Some(self.plan.group(peer).up),
            timers: self.timers(),
            peers: &self.candidates,
        };
        decide(&mut *self.strategies[peer], &view, &mut self.rng)
    }

    /// What a peer knows of its neighbours. They are numbered by their places, those who are not
    /// there as well: they want nothing.
    fn look(&mut self, peer: usize) {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        let ends = self.graph.of(peer);
        candidates.extend(ends.zip(0..).map(|(end, place)| self.candidate(peer, end, place)));
        self.candidates = candidates;
    }

    fn candidate(&self, peer: usize, end: usize, place: u64) -> Candidate {
        let other = self.graph.to[end] as usize;
        let Link { since, heard, met, got, sent, served, serves_us } = self.links[end];
        let window = 2 * self.plan.round;
        let rate = |pieces: [u16; 2]| {
            let pieces = u128::from(pieces[0]) + u128::from(pieces[1]);
            let bytes = pieces * u128::from(self.plan.piece) * 1_000_000_000;
            u64::try_from(bytes / u128::from(window)).unwrap_or(u64::MAX)
        };
        let at = |stamp: u32| moment(u64::from(stamp) * self.plan.unit);
        // Who has gone has everything and wants nothing.
        let (has_more, held) = self.holdings.compare(peer, other);
        let interested = has_more && met != NO_STAMP;
        let share = u64::from(held) * 1000 / u64::from(self.plan.pieces);
        Candidate {
            peer: PeerKey(place),
            interested,
            unchoked: served,
            serves_us,
            gives: rate(got),
            takes: rate(sent),
            since: at(since),
            joined: at(met.min(self.stamp())),
            last_block: (heard != NO_STAMP).then(|| at(heard)),
            pending: served && interested,
            stuck: false,
            returns: false,
            share: share as u32,
        }
    }
}

fn moment(nanos: u64) -> Moment {
    Moment::after(Duration::from_nanos(nanos))
}
