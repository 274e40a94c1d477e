//! A swarm that is paused, and one that goes on, perhaps with other pieces than before.
//!
//! ```text
//! pause -> nobody is there, nothing is asked -> is_writing: no more -> on_checked -> resume
//!              late words of those who were there find no session
//! ```
//! What is verified stays, and so do the blocks of begun pieces, unless the files are checked.

use super::{Action, Swarm};
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::logic::PeerKey;

impl Swarm {
    /// Everybody is gone, and nothing more is asked or taken; what they still say is nobody's.
    pub fn pause(&mut self, now: Moment) {
        self.stop_requesting();
        let mut unheard = Vec::new(); // there is nobody left to be told
        let peers: Vec<PeerKey> = self.sessions.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.on_left(now, peer, &mut unheard));
        for seed in self.web.keys() {
            self.on_web_left(now, seed, &mut unheard);
        }
    }

    /// Asks again, whoever is there by now.
    pub fn resume_requesting(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.stopped = false;
        self.fill_all(now, out);
    }

    /// Whether something is being stored, or waits for its verdict.
    pub fn is_writing(&self) -> bool {
        self.picker.is_writing()
    }

    /// The files of a paused torrent were checked: this is verified, and nothing else. What was
    /// counted so far and what is wanted stays.
    pub fn on_checked(&mut self, have: Bitfield) {
        self.picker.on_checked(have);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::ids::{PieceIndex, Span};
    use crate::logic::picker::{Policy, Priority};
    use crate::logic::swarm::Params;
    use crate::logic::swarm::web::WebTurn;
    use crate::protocol::Dialect;
    use crate::protocol::message::Message;
    use std::net::SocketAddr;

    const ANN: PeerKey = PeerKey(1);
    const ANN_AGAIN: PeerKey = PeerKey(2);
    const WEB: PeerKey = PeerKey(7);
    const NOW: Moment = Moment::START;

    /// Four pieces of two blocks.
    fn swarm() -> Swarm {
        let params = Params {
            policy: Policy::Sequential,
            super_seeding: false,
            seed: 1,
            ..Params::default()
        };
        Swarm::new(Geometry::v1(32768, 4 * 32768).unwrap(), Bitfield::new(4), params)
    }

    fn span(piece: u32, offset: u32, length: u32) -> Span {
        Span { piece: PieceIndex(piece), offset, length }
    }

    /// A seed that serves us comes; what it is asked for.
    fn join(swarm: &mut Swarm, peer: PeerKey) -> Vec<Span> {
        let mut out = Vec::new();
        swarm.on_joined(NOW, peer, SocketAddr::from(([127, 0, 0, 1], 1)), Dialect::Native);
        for message in [Message::HaveAll, Message::Unchoke] {
            swarm.on_message(NOW, peer, &message, &mut out).unwrap();
        }
        asked(&out, peer)
    }

    fn asked(out: &[Action], of: PeerKey) -> Vec<Span> {
        let span = |action: &Action| match action {
            Action::Say(peer, Message::Get(span)) if *peer == of => Some(*span),
            _ => None,
        };
        out.iter().filter_map(span).collect()
    }

    fn store(swarm: &mut Swarm, peer: PeerKey, chunk: Span) -> Vec<Span> {
        let granted = swarm.claim(NOW, peer, chunk, &mut Vec::new()).unwrap();
        swarm.on_written(NOW, peer, &granted, &mut Vec::new());
        granted
    }

    #[test]
    fn a_paused_swarm_takes_nothing_more_and_goes_on_with_the_blocks_it_has() {
        let mut swarm = swarm();
        assert_eq!(join(&mut swarm, ANN)[0], span(0, 0, 32768));
        let first = span(0, 0, 16384);
        assert_eq!(store(&mut swarm, ANN, first), [first]);
        swarm.pause(NOW);
        assert!(swarm.peers(NOW).is_empty());
        assert_eq!(store(&mut swarm, ANN, span(0, 16384, 16384)), [], "she was let go");
        assert_eq!(swarm.fetched(), 16384);
        assert_eq!(join(&mut swarm, ANN_AGAIN), [], "nothing is asked meanwhile");
        let mut out = Vec::new();
        swarm.resume_requesting(NOW, &mut out);
        assert_eq!(asked(&out, ANN_AGAIN)[0], span(0, 16384, 16384));
        assert_eq!(asked(&out, ANN), [], "nobody asks a connection that is about to end");
        swarm.on_left(NOW, ANN, &mut out);
        assert_eq!(swarm.peers(NOW).len(), 1, "that it ends is no news");
    }

    #[test]
    fn what_comes_after_the_last_request_is_wanted_again() {
        let mut swarm = swarm();
        let asked_of_her = join(&mut swarm, ANN);
        swarm.stop_requesting();
        for &chunk in &asked_of_her {
            assert_eq!(store(&mut swarm, ANN, chunk), []);
        }
        let mut out = Vec::new();
        swarm.resume_requesting(NOW, &mut out);
        assert_eq!(asked(&out, ANN), asked_of_her);
    }

    #[test]
    fn a_web_seed_of_before_has_no_part_in_what_comes_after() {
        let mut swarm = swarm();
        swarm.on_web_joined(WEB);
        assert_eq!(swarm.next_web_run(WEB, 1), WebTurn::Fetch(vec![span(0, 0, 32768)]));
        swarm.pause(NOW);
        assert_eq!(swarm.web_seeds(), 0);
        swarm.resume_requesting(NOW, &mut Vec::new());
        assert!(!swarm.wants_web_run(WEB));
        assert_eq!(swarm.claim_from_web(NOW, WEB, span(0, 0, 32768), &mut Vec::new()), []);
        swarm.on_web_run_over(NOW, WEB, &mut Vec::new());
        assert_eq!(swarm.next_web_run(WEB, 1), WebTurn::Done);
        assert_eq!(join(&mut swarm, ANN)[0], span(0, 0, 32768), "it is free for others");
    }

    #[test]
    fn something_is_written_from_its_claim_to_its_verdict() {
        let mut swarm = swarm();
        let whole = span(0, 0, 32768);
        join(&mut swarm, ANN);
        assert!(!swarm.is_writing());
        let granted = swarm.claim(NOW, ANN, whole, &mut Vec::new()).unwrap();
        swarm.pause(NOW);
        assert!(swarm.is_writing());
        let mut out = Vec::new();
        swarm.on_written(NOW, ANN, &granted, &mut out);
        assert_eq!(out, [Action::Verify(PieceIndex(0))]);
        assert!(swarm.is_writing());
        swarm.on_verified(NOW, PieceIndex(0), &mut out);
        assert!(!swarm.is_writing() && swarm.have().has(PieceIndex(0)));
    }

    #[test]
    fn a_piece_that_could_not_be_read_has_no_verdict_and_is_fetched_again() {
        let mut swarm = swarm();
        join(&mut swarm, ANN);
        store(&mut swarm, ANN, span(0, 0, 32768));
        swarm.stop_requesting();
        swarm.on_not_judged(PieceIndex(0));
        assert!(!swarm.is_writing());
        let mut out = Vec::new();
        swarm.resume_requesting(NOW, &mut out);
        assert!(asked(&out, ANN).contains(&span(0, 0, 32768)), "{out:?}");
    }

    #[test]
    fn after_a_check_what_was_found_counts_and_what_is_wanted_stays() {
        let mut swarm = swarm();
        let files = [(0..1, Priority::Skip), (1..4, Priority::Normal)];
        swarm.set_priorities(NOW, &files, &mut Vec::new());
        join(&mut swarm, ANN);
        for piece in 1..4 {
            store(&mut swarm, ANN, span(piece, 0, 32768));
            swarm.on_verified(NOW, PieceIndex(piece), &mut Vec::new());
        }
        assert!(swarm.is_satisfied());
        swarm.pause(NOW);
        let mut found = Bitfield::new(4);
        [1, 3].into_iter().for_each(|piece| _ = found.set(PieceIndex(piece)));
        swarm.on_checked(found.clone());
        assert_eq!((swarm.have(), swarm.left()), (&found, 2 * 32768));
        assert_eq!((swarm.is_satisfied(), swarm.fetched(), swarm.sources()), (false, 98304, 1));
        swarm.resume_requesting(NOW, &mut Vec::new());
        assert_eq!(join(&mut swarm, ANN_AGAIN), [span(2, 0, 32768)], "the first is not wanted");
    }

    #[test]
    fn corrupt_bytes_are_those_of_pieces_that_failed() {
        let mut swarm = swarm();
        join(&mut swarm, ANN);
        store(&mut swarm, ANN, span(0, 0, 32768));
        assert_eq!(swarm.corrupt(), 0);
        swarm.on_failed(NOW, PieceIndex(0), Vec::new(), None, &mut Vec::new());
        assert_eq!((swarm.corrupt(), swarm.last_received()), (32768, Some(NOW)));
    }
}
