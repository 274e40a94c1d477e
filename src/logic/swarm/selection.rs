//! What is wanted of a torrent, and how much of it is here.
//!
//! Who has all that it wants, though not everything, is a partial seed: it serves like a seeder and
//! asks for nothing, but it keeps its connections with seeders, because more may be wanted at any
//! moment. Peers that speak BitTorrent are told (`upload_only`, BEP 21).

use super::{Action, Swarm};
use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::logic::picker::{Policy, Priority};
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use std::ops::Range;

impl Swarm {
    /// Whether every piece is verified.
    pub fn is_complete(&self) -> bool {
        self.have().is_full()
    }

    /// Whether every piece that is wanted is verified.
    pub fn is_satisfied(&self) -> bool {
        self.picker.is_satisfied()
    }

    /// Whether all that is wanted is here, and something is not (BEP 21).
    pub fn is_partial_seed(&self) -> bool {
        self.is_satisfied() && !self.is_complete()
    }

    /// Bytes not verified yet, wanted or not: what trackers are told, for whom only a peer that has
    /// everything is a seeder. Transmission and libtorrent say the same of a partial seed.
    pub fn left(&self) -> u64 {
        self.picker.left()
    }

    /// Bytes of the pieces that wanted files have bytes of, verified or not.
    pub fn wanted_total(&self) -> u64 {
        self.picker.wanted_total()
    }

    /// Bytes of those pieces that are not verified yet.
    pub fn left_of_wanted(&self) -> u64 {
        self.picker.left_of_wanted()
    }

    /// How pieces are chosen.
    pub fn policy(&self) -> Policy {
        self.params.policy
    }

    /// How much each file is wanted, with the pieces that it touches. [`Action::Complete`] says that
    /// nothing is lacking any more because less is wanted.
    pub fn set_priorities(
        &mut self,
        now: Moment,
        files: &[(Range<u32>, Priority)],
        out: &mut Vec<Action>,
    ) {
        self.set_policy(now, self.params.policy, files, out);
    }

    /// From now on pieces are chosen so, and files are wanted so.
    pub fn set_policy(
        &mut self,
        now: Moment,
        policy: Policy,
        files: &[(Range<u32>, Priority)],
        out: &mut Vec<Action>,
    ) {
        let (was_satisfied, was_partial) = (self.is_satisfied(), self.is_partial_seed());
        self.params.policy = policy;
        self.picker.set_policy(policy, files);
        for session in self.sessions.values_mut() {
            session.wanted = self.picker.lacking_of(session.have());
        }
        self.take_back_unwanted(out);
        if was_partial != self.is_partial_seed() {
            self.say_upload_only(out);
        }
        let peers: Vec<PeerKey> = self.sessions.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.update_interest(now, peer, out));
        if self.is_satisfied() && !was_satisfied {
            out.push(Action::Complete);
        }
    }

    /// Peers that may know of it are told whether we want anything.
    pub(super) fn say_upload_only(&self, out: &mut Vec<Action>) {
        let is_partial = self.is_partial_seed();
        let told = self.sessions.values().filter(|s| s.dialect == Dialect::BitTorrent);
        out.extend(told.map(|s| Action::Say(s.peer, Message::UploadOnly(is_partial))));
    }

    /// What is owed us of pieces that are no longer wanted need not come.
    fn take_back_unwanted(&mut self, out: &mut Vec<Action>) {
        let picker = &mut self.picker;
        for (&peer, session) in &mut self.sessions {
            for span in session.requests.give_up_those(|span| !picker.lacks(span.piece)) {
                out.push(Action::Say(peer, Message::Cancel(span)));
                picker.on_void(peer, span);
            }
        }
    }
}
