//! Pieces that were here and are not any more.
//!
//! ```text
//! a file was cut, replaced, written to -> mended, hashed anew -> on_doubt, on_lost -> fetched again
//! a seeder's file                      -> hashed anew         -> on_lost           -> not served
//! ```
//! Peers hear of it where their dialect has a word for it (BEP 54); with others the connection ends,
//! and the next one begins with what is true.

use super::{Action, Parting, Swarm};
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use std::ops::Range;

impl Swarm {
    /// These pieces are not right any more: nobody is served them. They are fetched `again`, or, if
    /// they cannot be stored, not wanted any more. Gives those of which that is news.
    pub fn on_lost(
        &mut self,
        now: Moment,
        pieces: &[PieceIndex],
        again: bool,
        out: &mut Vec<Action>,
    ) -> Vec<PieceIndex> {
        let (was_partial, mut news) = (self.is_partial_seed(), Vec::new());
        for &piece in pieces {
            if self.picker.on_lost(piece, again) {
                news.push(piece);
            }
        }
        if news.is_empty() {
            return news;
        }
        self.lost.extend(&news);
        for session in self.sessions.values_mut() {
            session.wanted = self.picker.lacking_of(session.have());
        }
        if was_partial != self.is_partial_seed() {
            self.say_upload_only(out);
        }
        let peers: Vec<PeerKey> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.take_back(now, peer, &news, out);
            self.update_interest(now, peer, out);
        }
        news
    }

    /// Somebody else was at the files under these pieces: what was written of begun ones is fetched
    /// again, and if one fails, nobody is blamed.
    pub fn on_doubt(&mut self, now: Moment, pieces: &[Range<u32>], out: &mut Vec<Action>) {
        pieces.iter().for_each(|range| self.picker.on_doubt(range));
        self.fill_all(now, out);
    }

    /// A peer hears that we do not have these any more.
    fn take_back(
        &mut self,
        now: Moment,
        peer: PeerKey,
        pieces: &[PieceIndex],
        out: &mut Vec<Action>,
    ) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let was_told = |&piece: &PieceIndex| {
            session.shown.as_ref().is_none_or(|shown| shown.pieces().has(piece))
        };
        let mut lost = pieces.iter().copied().filter(was_told);
        match session.dialect {
            Dialect::BitTorrent => {
                out.extend(lost.map(|piece| Action::Say(peer, Message::DontHave(piece))));
            }
            // Whoever has them all the same will not ask for them.
            Dialect::Native if lost.any(|piece| !session.have().has(piece)) => {
                out.push(Action::Disconnect(peer, Parting::Lost));
                self.on_left(now, peer, out);
            }
            Dialect::Native => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;
    use crate::geometry::Geometry;
    use crate::ids::Span;
    use crate::logic::picker::Policy;
    use crate::logic::swarm::Params;
    use std::net::SocketAddr;
    use std::time::Duration;

    const ANN: PeerKey = PeerKey(1);
    const BEN: PeerKey = PeerKey(2);
    const NOW: Moment = Moment::START;

    /// Four pieces of two blocks, of which these are here.
    fn swarm(have: Bitfield) -> Swarm {
        let params =
            Params { policy: Policy::Sequential, pipeline: Some(64), seed: 1, ..Params::default() };
        Swarm::new(Geometry::v1(32768, 4 * 32768).unwrap(), have, params)
    }

    fn join(swarm: &mut Swarm, peer: PeerKey, dialect: Dialect, all: bool) -> Vec<Action> {
        let mut out = Vec::new();
        swarm.on_joined(NOW, peer, SocketAddr::from(([127, 0, 0, 1], 1)), dialect);
        let has = if all { Message::HaveAll } else { Message::HaveNone };
        for message in [has, Message::Unchoke, Message::Interested] {
            swarm.on_message(NOW, peer, &message, &mut out).unwrap();
        }
        out
    }

    fn asks_for(out: &[Action], of: PeerKey, piece: u32) -> bool {
        let is_it = |action: &Action| match action {
            Action::Say(peer, Message::Get(span)) => *peer == of && span.piece.0 == piece,
            _ => false,
        };
        out.iter().any(is_it)
    }

    fn refuses(swarm: &mut Swarm, peer: PeerKey, piece: u32) -> bool {
        let span = Span { piece: PieceIndex(piece), offset: 0, length: 16384 };
        let mut out = Vec::new();
        swarm.on_message(NOW, peer, &Message::Get(span), &mut out).unwrap();
        out == [Action::Say(peer, Message::Reject(span))]
    }

    #[test]
    fn what_a_leecher_lost_is_fetched_again_and_not_served() {
        let mut have = Bitfield::full(4);
        have.clear(PieceIndex(3));
        let mut swarm = swarm(have);
        join(&mut swarm, ANN, Dialect::BitTorrent, true);
        join(&mut swarm, BEN, Dialect::BitTorrent, false);
        let left = swarm.left_of_wanted();
        let mut out = Vec::new();
        let lost = [PieceIndex(1), PieceIndex(3)];
        assert_eq!(swarm.on_lost(NOW, &lost, true, &mut out), [PieceIndex(1)], "one was not here");
        assert!(out.contains(&Action::Say(BEN, Message::DontHave(PieceIndex(1)))), "{out:?}");
        assert!(!swarm.have().has(PieceIndex(1)));
        assert_eq!(swarm.left_of_wanted(), left + 32768);
        assert!(asks_for(&out, ANN, 1), "{out:?}");
        assert!(refuses(&mut swarm, BEN, 1));
        assert_eq!(swarm.on_lost(NOW, &lost, true, &mut out), [], "it is lost once");
    }

    #[test]
    fn what_a_seeder_lost_is_refused_and_asked_of_nobody() {
        let mut swarm = swarm(Bitfield::full(4));
        join(&mut swarm, BEN, Dialect::BitTorrent, false);
        let mut out = Vec::new();
        swarm.on_lost(NOW, &[PieceIndex(1)], false, &mut out);
        assert!(swarm.is_satisfied() && swarm.is_partial_seed() && swarm.left() == 32768);
        let out = join(&mut swarm, ANN, Dialect::BitTorrent, true);
        assert!(!asks_for(&out, ANN, 1) && refuses(&mut swarm, BEN, 1));
        for action in out {
            assert_ne!(action, Action::Say(BEN, Message::Have(PieceIndex(1))), "it is not shown");
        }
    }

    #[test]
    fn without_a_word_for_it_the_connection_ends() {
        let mut swarm = swarm(Bitfield::full(4));
        join(&mut swarm, BEN, Dialect::Native, false);
        swarm.on_message(NOW, BEN, &Message::Have(PieceIndex(2)), &mut Vec::new()).unwrap();
        // By then it was shown everything.
        swarm.on_tick(NOW + Duration::from_secs(2), &mut Vec::new());
        let mut out = Vec::new();
        swarm.on_lost(NOW, &[PieceIndex(2)], false, &mut out);
        assert_eq!(out, [], "it has that one");
        swarm.on_lost(NOW, &[PieceIndex(1)], false, &mut out);
        assert_eq!(out, [Action::Disconnect(BEN, Parting::Lost)]);
    }

    #[test]
    fn a_begun_piece_under_a_changed_file_is_fetched_anew_and_blames_nobody() {
        let mut swarm = swarm(Bitfield::new(4));
        join(&mut swarm, ANN, Dialect::Native, true);
        let half = Span { piece: PieceIndex(0), offset: 0, length: 16384 };
        let store = |swarm: &mut Swarm, span: Span, out: &mut Vec<Action>| {
            let granted = swarm.claim(NOW, ANN, span, out).unwrap();
            swarm.on_written(NOW, ANN, &granted, out);
        };
        let mut out = Vec::new();
        store(&mut swarm, half, &mut out);
        swarm.on_doubt(NOW, std::slice::from_ref(&(0..1)), &mut out);
        assert!(asks_for(&out, ANN, 0), "the first half is wanted again: {out:?}");
        let mut out = Vec::new();
        store(&mut swarm, half, &mut out);
        store(&mut swarm, Span { offset: 16384, ..half }, &mut out);
        assert!(out.contains(&Action::Verify(PieceIndex(0))));
        let mut out = Vec::new();
        swarm.on_failed(NOW, PieceIndex(0), Vec::new(), None, &mut out);
        assert!(!out.iter().any(|action| matches!(action, Action::Ban(..))), "{out:?}");
        assert!(asks_for(&out, ANN, 0), "{out:?}");
        assert_eq!(swarm.corrupt(), 0, "the peer sent what it should");
    }
}
