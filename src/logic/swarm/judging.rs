//! What becomes of a piece whose blocks are all here.

use super::asking::decide;
use super::{Action, Decision, Parting, Swarm};
use crate::clock::Moment;
use crate::ids::{PieceIndex, Sha256Hash};
use crate::logic::PeerKey;
use crate::logic::ban::Verdict;
use crate::protocol::message::{HashRange, Message};

impl Swarm {
    /// A piece matched its hash.
    pub fn on_verified(&mut self, now: Moment, piece: PieceIndex, out: &mut Vec<Action>) {
        let was_wanted = self.picker.lacks(piece);
        decide(&self.params, out, || Decision::Verified(piece));
        let writers = self.picker.on_verified(piece);
        let (sessions, addresses) = (&self.sessions, &self.addresses);
        let listens = |peer| sessions.get(&peer).and_then(|session| session.listens);
        let address = |peer| listens(peer).or_else(|| addresses.get(&peer).copied());
        self.origins.on_verified(piece, self.picker.have().pieces(), &writers, address);
        for writer in writers.into_iter().flatten() {
            self.sources.extend(self.addresses.get(&writer));
            self.web.on_verified(writer);
            if let Some(session) = self.sessions.get_mut(&writer) {
                session.trust.on_right(piece);
            }
        }
        for (&peer, session) in &mut self.sessions {
            session.trust.on_judged(piece);
            if session.have().has(piece) {
                session.wanted -= u32::from(was_wanted);
            }
            // Whoever showed us this piece may wait to hear that we have it (BEP 16).
            if !session.have().is_full() {
                out.push(Action::Say(peer, Message::Have(piece)));
            }
        }
        let peers: Vec<PeerKey> = self.sessions.keys().copied().collect();
        for &peer in &peers {
            self.update_interest(now, peer, out);
            if self.sessions.get(&peer).is_some_and(|session| !session.trust.is_earned()) {
                self.fill(now, peer, out);
            }
        }
        if self.is_satisfied() && was_wanted {
            out.push(Action::Complete);
            if self.is_partial_seed() {
                self.say_upload_only(out);
            }
        }
        // The last piece may be one that nobody wanted any more when it came.
        if self.is_complete() {
            peers.iter().for_each(|&peer| self.part_if_both_seed(peer, out));
        }
    }

    /// A piece did not match its hash; `found` are the leaf hashes of what is stored. Where somebody
    /// else was at the file it is fetched again without a word.
    pub fn on_failed(
        &mut self,
        now: Moment,
        piece: PieceIndex,
        found: Vec<Sha256Hash>,
        leaves: Option<HashRange>,
        out: &mut Vec<Action>,
    ) {
        if self.picker.is_doubtful(piece) {
            self.on_not_judged(piece);
            self.fill_all(now, out);
            return;
        }
        self.sessions.values_mut().for_each(|session| session.trust.on_judged(piece));
        self.corrupt += u64::from(self.picker.geometry().length_of(piece));
        let writers = self.picker.on_failed(piece);
        let verdict = self.court.on_failed(piece, writers, found);
        decide(&self.params, out, || Decision::Failed(piece, verdict));
        match verdict {
            Verdict::Guilty(peer) => self.ban(now, peer, piece, out),
            Verdict::NeedLeaves => {
                let holders = self.sessions.values().filter(|s| s.have().has(piece));
                let asked = holders.filter_map(|s| leaves.map(|range| (s.peer, range)));
                out.extend(asked.map(|(peer, r)| Action::Say(peer, Message::GetHashes(r))));
            }
            Verdict::Nobody => {}
        }
        self.fill_all(now, out);
    }

    /// A piece whose blocks are all stored has no verdict, because the disk failed.
    pub fn on_not_judged(&mut self, piece: PieceIndex) {
        self.sessions.values_mut().for_each(|session| session.trust.on_judged(piece));
        self.picker.on_not_judged(piece);
    }

    /// Whether the leaf hashes of this piece are waited for.
    pub fn wants_leaves(&self, piece: PieceIndex) -> bool {
        self.court.is_open(piece)
    }

    /// Leaf hashes that were proved against the piece's root.
    pub fn on_leaves(
        &mut self,
        now: Moment,
        piece: PieceIndex,
        proven: &[Sha256Hash],
        out: &mut Vec<Action>,
    ) {
        for peer in self.court.on_leaves(piece, proven) {
            self.ban(now, peer, piece, out);
        }
    }

    pub(super) fn ban(
        &mut self,
        now: Moment,
        peer: PeerKey,
        piece: PieceIndex,
        out: &mut Vec<Action>,
    ) {
        if self.web.on_banned(peer, piece) {
            return;
        }
        let Some(&address) = self.addresses.get(&peer) else { return };
        self.minutes.on_banned(address, piece);
        out.push(Action::Ban(address, piece));
        // It may have come back under another number since.
        let there = self.sessions.values().filter(|s| s.address == address || s.peer == peer);
        for peer in there.map(|s| s.peer).collect::<Vec<_>>() {
            out.push(Action::Disconnect(peer, Parting::Banned));
            self.on_left(now, peer, out);
        }
    }

    pub(super) fn part_if_both_seed(&self, peer: PeerKey, out: &mut Vec<Action>) {
        let both = self.sessions.get(&peer).is_some_and(|s| s.have().is_full());
        if both && self.is_complete() && self.have().pieces() > 0 {
            out.push(Action::Disconnect(peer, Parting::BothSeed));
        }
    }
}
