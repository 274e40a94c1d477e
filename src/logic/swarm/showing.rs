//! What an initial seeder shows, and to whom: the super-seeding of [`crate::logic::super_seed`] at work.

use super::asking::decide;
use super::{Action, Decision, Swarm};
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::protocol::Dialect;
use crate::protocol::message::{BITFIELD_PART, Message};
use std::time::Duration;

/// The most pieces that a leecher is shown at once: each is a message.
const AT_ONCE: usize = 1024;

/// The only leecher of the only seeder is shown everything after so long.
const ALONE: Duration = Duration::from_secs(1);

/// What a new peer is told that we have, before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstWord<'a> {
    /// Everything: HAVE_ALL.
    All,
    /// Nothing, or nothing yet: HAVE_NONE.
    Nothing,
    /// These: BITFIELD.
    Some(&'a Bitfield),
}

impl<'a> FirstWord<'a> {
    /// The messages that say so; natively a long bitfield comes in parts.
    pub fn messages(self, dialect: Dialect) -> Vec<Message<'a>> {
        let have = match self {
            Self::All => return vec![Message::HaveAll],
            Self::Nothing => return vec![Message::HaveNone],
            Self::Some(have) => have,
        };
        let longest = match dialect {
            Dialect::Native => BITFIELD_PART,
            Dialect::BitTorrent => usize::MAX,
        };
        let parts = have.as_bytes().chunks(longest).enumerate();
        let part =
            |(nth, bits)| Message::Bitfield { first: (nth * BITFIELD_PART * 8) as u32, bits };
        parts.map(part).collect()
    }
}

impl Swarm {
    /// What to tell a peer first, once it has joined.
    pub fn first_word(&self, peer: PeerKey) -> FirstWord<'_> {
        let hides = self.sessions.get(&peer).is_some_and(|session| session.shown.is_some());
        match self.have() {
            have if hides || have.is_empty() => FirstWord::Nothing,
            have if have.is_full() => FirstWord::All,
            have => FirstWord::Some(have),
        }
    }

    /// Whether we are the only seeder, and every piece seen elsewhere is one less to give.
    pub(super) fn hides(&self) -> bool {
        let is_only = self.picker.full_peers() == 0 && self.web.is_empty();
        is_only && self.is_complete() && self.showing.as_ref().is_some_and(|s| !s.is_over())
    }

    /// A peer said what it has, after `before`.
    pub(super) fn on_shown_to(
        &mut self,
        now: Moment,
        peer: PeerKey,
        before: &Bitfield,
        out: &mut Vec<Action>,
    ) {
        let Some(showing) = &mut self.showing else { return };
        let Some(session) = self.sessions.get(&peer) else { return };
        showing.on_left(before, None);
        showing.on_joined(session.have());
        self.show(now, peer, out);
    }

    /// A peer has one more piece.
    pub(super) fn on_seen(
        &mut self,
        now: Moment,
        peer: PeerKey,
        piece: PieceIndex,
        out: &mut Vec<Action>,
    ) {
        let Some(showing) = &mut self.showing else { return };
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let length = self.picker.geometry().length_of(piece);
        showing.on_have(now, piece, length, session.shown.as_mut());
        self.show(now, peer, out);
    }

    /// Shows a leecher as much as it has use for.
    pub(super) fn show(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        let (hides, is_alone) = (self.hides(), self.sessions.len() == 1);
        let length = self.picker.geometry().piece_length();
        let Some(showing) = &mut self.showing else { return };
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let Some(mut shown) = session.shown.take() else { return };
        let all = !hides || (is_alone && now.since(session.joined) >= ALONE);
        for _ in 0..AT_ONCE {
            if !all && !shown.has_room(now, length, session.am_choking) {
                break;
            }
            let Some((piece, copies)) = showing.next_piece(session.have(), &mut shown) else {
                break;
            };
            if !self.picker.have().has(piece) {
                continue; // we lost it
            }
            decide(&self.params, out, || Decision::Show(peer, piece, copies));
            out.push(Action::Say(peer, Message::Have(piece)));
        }
        let knows = |piece| session.have().has(piece) || shown.pieces().has(piece);
        if !all || !(0..shown.pieces().pieces()).map(PieceIndex).all(knows) {
            session.shown = Some(shown);
        }
    }

    /// Time passed: windows grew, or there is nothing to hide any more.
    pub(super) fn show_all(&mut self, now: Moment, out: &mut Vec<Action>) {
        let hiding = self.sessions.values().filter(|session| session.shown.is_some());
        let peers: Vec<PeerKey> = hiding.map(|session| session.peer).collect();
        peers.into_iter().for_each(|peer| self.show(now, peer, out));
    }
}
