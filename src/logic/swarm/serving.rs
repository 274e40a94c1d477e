//! Who is served.

use super::asking::decide;
use super::{Action, Decision, Swarm};
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::logic::choker::{Candidate, EQUAL, Served};
use crate::logic::session::Session;
use crate::protocol::message::Message;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

/// An address where somebody took nothing is no newcomer's for so long.
const REMEMBERED: Duration = Duration::from_mins(10);

/// How many such addresses are remembered.
const MOST_REMEMBERED: usize = 4096;

/// Where somebody took nothing of what it was sent, and when.
#[derive(Debug, Default)]
pub(super) struct Unread {
    at: HashMap<IpAddr, Moment>,
    /// Somebody got stuck, or stuck no more, since the slots were looked at.
    is_news: bool,
}

impl Unread {
    /// Whether somebody there took nothing lately.
    pub(super) fn knows(&self, now: Moment, ip: IpAddr) -> bool {
        self.at.get(&ip).is_some_and(|&at| now.since(at) < REMEMBERED)
    }

    fn on_stuck(&mut self, now: Moment, ip: IpAddr) {
        if self.at.len() >= MOST_REMEMBERED {
            self.at.retain(|_, at| now.since(*at) < REMEMBERED);
        }
        if self.at.len() < MOST_REMEMBERED {
            self.at.insert(ip, now);
        }
    }
}

impl Swarm {
    /// Whether an upload slot is free; one whose peer takes nothing is.
    pub fn has_free_slot(&self, now: Moment) -> bool {
        let served = self.sessions.values().filter(|s| !s.am_choking && s.peer_interested);
        let (mut active, mut stuck) = (0, 0);
        served.for_each(|s| *(if self.rests(now, s) { &mut stuck } else { &mut active }) += 1);
        self.choker.allows(active, stuck)
    }

    /// Whether a peer has a slot and makes nothing of it now, or has made nothing of it so far: there is
    /// room for another beside it.
    fn rests(&self, now: Moment, session: &Session) -> bool {
        let rests = session.rests_unread(now) || self.is_satisfied() && session.rests_unasked(now);
        rests || self.wastes(now, session)
    }

    /// Whether a peer has a slot and makes nothing of it. A peer that serves us in turn keeps its slot:
    /// it may have asked others for all that it wants, and what it gives is worth one.
    fn wastes(&self, now: Moment, session: &Session) -> bool {
        session.stuck || (self.is_satisfied() && session.leaves_its_slot(now))
    }

    /// From now on so many peers are served at once: more at once, fewer from the next round on.
    pub fn set_upload_slots(&mut self, now: Moment, slots: usize, out: &mut Vec<Action>) {
        self.choker.set_slots(slots);
        self.fill_slots(now, out);
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

    /// A peer's socket is full since then, or not, and has taken so many bytes in all.
    pub fn on_flow(&mut self, now: Moment, peer: PeerKey, full: Option<Moment>, taken: u64) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.on_flow(now, full, taken) {
            self.unread.is_news = true;
            if session.stuck {
                self.unread.on_stuck(now, session.address.ip());
            }
        }
    }

    /// Slots of those who take nothing go to others at once.
    pub(super) fn pass_on_slots(&mut self, now: Moment, out: &mut Vec<Action>) {
        let rested = self.sessions.values().any(|s| !s.am_choking && self.rests(now, s));
        if std::mem::take(&mut self.unread.is_news) || rested {
            self.fill_slots(now, out);
        }
    }

    /// The choker's round: the upload slots are given out anew.
    pub fn on_round(&mut self, now: Moment, out: &mut Vec<Action>) {
        let candidates = self.candidates(now);
        let served = self.choker.next_round(now, self.is_satisfied(), &candidates);
        let weights: BTreeMap<PeerKey, u32> = served.iter().map(|s| (s.peer, s.weight)).collect();
        let loses = |c: &&Candidate| c.unchoked && !weights.contains_key(&c.peer);
        let dropped: Vec<_> = candidates.iter().filter(loses).map(|c| c.peer).collect();
        let served: Vec<_> = served.iter().map(|s| (s.peer, s.why)).collect();
        self.note_ruling(now, true, &served, &dropped);
        decide(&self.params, out, || Decision::Choke { served, dropped });
        for Candidate { peer, unchoked, .. } in candidates {
            let weight = weights.get(&peer);
            if unchoked != weight.is_some() {
                self.set_choking(now, peer, unchoked, out);
            }
            self.weigh(peer, weight.copied(), out);
        }
    }

    /// Gives free upload slots to those who wait.
    pub(super) fn fill_slots(&mut self, now: Moment, out: &mut Vec<Action>) {
        let waits = |s: &Session| s.am_choking && s.peer_interested && !s.stuck;
        // Most of the time there is no slot or nobody waits: then nobody's rates are asked for.
        while self.has_free_slot(now)
            && self.sessions.values().any(waits)
            && let Some(Served { peer, why, weight }) =
                self.choker.next_for_free_slot(now, self.is_satisfied(), &self.candidates(now))
        {
            // A slot whose peer wants or takes nothing is as good as free, but the slots are counted.
            let unchoked = self.sessions.values().filter(|s| !s.am_choking).count();
            let is_idle =
                |s: &&Session| !s.am_choking && (!s.peer_interested || self.wastes(now, s));
            let idle = self.sessions.values().filter(is_idle).min_by_key(|s| s.peer_interested);
            if let Some(idle) = idle.map(|s| s.peer).filter(|_| unchoked >= self.choker.slots()) {
                self.set_choking(now, idle, true, out);
            }
            self.note_ruling(now, false, &[(peer, why)], &[]);
            decide(&self.params, out, || Decision::FreeSlot(peer, why));
            self.set_choking(now, peer, false, out);
            self.weigh(peer, Some(weight), out);
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

    /// A peer's share of our upload is what the choker says, or an equal one.
    fn weigh(&mut self, peer: PeerKey, weight: Option<u32>, out: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let weight = weight.unwrap_or(EQUAL);
        if std::mem::replace(&mut session.weight, weight) != weight {
            out.push(Action::Weigh(peer, weight));
        }
    }

    fn candidates(&self, now: Moment) -> Vec<Candidate> {
        let pieces = u64::from(self.have().pieces().max(1));
        let candidate = |s: &Session| Candidate {
            peer: s.peer,
            interested: s.peer_interested,
            unchoked: !s.am_choking,
            serves_us: !s.peer_choking,
            gives: s.gives.per_second(now),
            takes: s.takes.per_second(now),
            since: s.since,
            joined: s.joined,
            last_block: s.last_block,
            pending: s.waits,
            stuck: self.rests(now, s),
            returns: s.returns,
            share: (u64::from(s.have().count()) * 1000 / pieces) as u32,
        };
        self.sessions.values().map(candidate).collect()
    }
}
