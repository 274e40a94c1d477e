//! Who is served.

use super::{Action, Swarm};
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::logic::choker::Candidate;
use crate::logic::session::Session;
use crate::protocol::message::Message;
use std::collections::HashSet;

impl Swarm {
    /// Whether an upload slot is free.
    pub fn has_free_slot(&self) -> bool {
        let taken = self.sessions.values().filter(|s| !s.am_choking && s.peer_interested);
        taken.count() < self.choker.slots()
    }

    /// A peer may ask for these pieces while it is choked, as far as they are here (BEP 6).
    pub fn allow_fast(&mut self, peer: PeerKey, set: &[PieceIndex], out: &mut Vec<Action>) {
        let (picker, sessions) = (&self.picker, &mut self.sessions);
        let Some(session) = sessions.get_mut(&peer) else { return };
        let here: Vec<_> = set.iter().copied().filter(|&p| picker.have().has(p)).collect();
        let bytes = here.iter().map(|&p| u64::from(picker.geometry().length_of(p))).sum();
        out.extend(here.iter().map(|&p| Action::Say(peer, Message::AllowedFast(p))));
        session.on_fast_given(here, bytes);
    }

    /// We have sent a peer so many bytes of content in all, and requests of it wait or not.
    pub fn on_sent(&mut self, now: Moment, peer: PeerKey, total: u64, waits: bool) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.on_sent(now, total, waits);
        }
    }

    /// The choker's round: the upload slots are given out anew.
    pub fn on_round(&mut self, now: Moment, out: &mut Vec<Action>) {
        let candidates = self.candidates(now);
        let served = self.choker.next_round(self.is_satisfied(), &candidates);
        let served: HashSet<PeerKey> = served.into_iter().map(|(peer, _)| peer).collect();
        for Candidate { peer, unchoked, .. } in candidates {
            if unchoked != served.contains(&peer) {
                self.set_choking(now, peer, unchoked, out);
            }
        }
    }

    /// Gives free upload slots to those who wait.
    pub(super) fn fill_slots(&mut self, now: Moment, out: &mut Vec<Action>) {
        while let Some(peer) = self.choker.next_for_free_slot(&self.candidates(now)) {
            // A slot whose peer wants nothing is as good as free, but the slots are counted.
            let unchoked = self.sessions.values().filter(|s| !s.am_choking).count();
            let idle = self.sessions.values().find(|s| !s.am_choking && !s.peer_interested);
            if let Some(idle) = idle.map(|s| s.peer).filter(|_| unchoked >= self.choker.slots()) {
                self.set_choking(now, idle, true, out);
            }
            self.set_choking(now, peer, false, out);
        }
    }

    pub(super) fn set_choking(
        &mut self,
        now: Moment,
        peer: PeerKey,
        choke: bool,
        out: &mut Vec<Action>,
    ) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.set_choking(now, choke);
        out.push(Action::Say(peer, if choke { Message::Choke } else { Message::Unchoke }));
        if choke {
            out.push(Action::UnqueueAll(peer)); // what is refused is refused after it
        } else {
            self.show(now, peer, out);
        }
    }

    pub(super) fn candidates(&self, now: Moment) -> Vec<Candidate> {
        let candidate = |s: &Session| Candidate {
            peer: s.peer,
            interested: s.peer_interested,
            unchoked: !s.am_choking,
            gives: s.gives.per_second(now),
            since: s.since,
        };
        self.sessions.values().map(candidate).collect()
    }
}
