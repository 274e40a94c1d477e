//! A swarm's web seeds (BEP 19): sources that have everything, choke nobody and take nothing.
//!
//! ```text
//! on_web_joined -> next_web_run -> claim_from_web, on_written ... -> on_web_run_over -+
//!                       ^-------------------------------------------------------------+
//! ```
//! A web seed has a [`PeerKey`] but no session: it is told nothing, counts for no rarity and gets
//! no upload slot. Its blocks are claimed, written and judged like any other's.

use super::{Action, Swarm};
use crate::clock::Moment;
use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use std::collections::{BTreeMap, BTreeSet};

/// What a web seed is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebTurn {
    /// Fetch these spans, which follow each other.
    Fetch(Vec<Span>),
    /// Nothing is free at the moment; ask again.
    Wait,
    /// Nothing more is wanted: all of that is here, or the torrent asks for nothing more.
    Done,
    /// It sent wrong bytes of this piece.
    Banned(PieceIndex),
}

/// One web seed.
#[derive(Debug, Clone, Default)]
struct WebSeed {
    /// What it was asked for in this run.
    run: Vec<Span>,
    /// The piece that it sent wrong.
    banned: Option<PieceIndex>,
}

/// The web seeds of a torrent.
#[derive(Debug, Clone, Default)]
pub(super) struct WebSeeds {
    seeds: BTreeMap<PeerKey, WebSeed>,
    /// Those that wrote blocks which were verified, gone or not.
    of_use: BTreeSet<PeerKey>,
}

impl WebSeeds {
    /// A block that this source wrote was verified.
    pub(super) fn on_verified(&mut self, writer: PeerKey) {
        if self.seeds.contains_key(&writer) {
            self.of_use.insert(writer);
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.seeds.is_empty()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.seeds.len()
    }

    /// Their keys.
    pub(super) fn keys(&self) -> Vec<PeerKey> {
        self.seeds.keys().copied().collect()
    }

    /// How many wrote blocks that were verified.
    pub(super) fn of_use(&self) -> usize {
        self.of_use.len()
    }

    /// A web seed sent wrong bytes; false if it is none of them.
    pub(super) fn on_banned(&mut self, peer: PeerKey, piece: PieceIndex) -> bool {
        let seed = self.seeds.get_mut(&peer);
        seed.map(|seed| seed.banned = Some(piece)).is_some()
    }
}

impl Swarm {
    /// A web seed takes part.
    pub fn on_web_joined(&mut self, peer: PeerKey) {
        self.web.seeds.insert(peer, WebSeed::default());
    }

    /// Whether there may be something to fetch for a web seed.
    pub fn wants_web_seeds(&self) -> bool {
        !self.stopped && !self.is_satisfied()
    }

    /// What a web seed is to do, when nothing is asked of it; `most` bytes at once, but at least a
    /// piece.
    pub fn next_web_run(&mut self, peer: PeerKey, most: u64) -> WebTurn {
        if !self.wants_web_seeds() {
            return WebTurn::Done;
        }
        let is_alone = self.web.seeds.len() == 1;
        let Some(seed) = self.web.seeds.get_mut(&peer) else { return WebTurn::Done };
        if let Some(piece) = seed.banned {
            return WebTurn::Banned(piece);
        }
        // Under a limit of our own a second copy would only take room from the first. What two web
        // seeds wrote together could not be told apart: nobody has its leaf hashes.
        let may_double = self.params.endgame && self.params.down_limit.is_none() && is_alone;
        seed.run = self.picker.next_run(peer, most, may_double);
        if seed.run.is_empty() { WebTurn::Wait } else { WebTurn::Fetch(seed.run.clone()) }
    }

    /// Bytes of a run arrived, whole blocks: which of them may be stored? Peers that owe the same
    /// are told that it came.
    pub fn claim_from_web(
        &mut self,
        now: Moment,
        peer: PeerKey,
        chunk: Span,
        out: &mut Vec<Action>,
    ) -> Vec<Span> {
        if !self.web.seeds.contains_key(&peer) {
            return Vec::new(); // the torrent was paused meanwhile
        }
        self.down.add(now, chunk.length.into());
        self.claim_for(now, peer, chunk, out)
    }

    /// Whether the rest of a run is still of use: false once others sent it, and once nothing more
    /// is wanted of this web seed.
    pub fn wants_web_run(&self, peer: PeerKey) -> bool {
        let is_banned = self.web.seeds.get(&peer).is_none_or(|seed| seed.banned.is_some());
        !self.stopped && !is_banned && self.picker.is_owed_by(peer)
    }

    /// A run ended, be it whole or not: what did not come is wanted again.
    pub fn on_web_run_over(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        let run = self.web.seeds.get_mut(&peer).map(|seed| std::mem::take(&mut seed.run));
        let mut again = false;
        for span in run.unwrap_or_default() {
            again |= self.picker.on_void(peer, span);
        }
        if again {
            self.fill_all(now, out);
        }
    }

    /// A web seed is gone for good.
    pub fn on_web_left(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        self.on_web_run_over(now, peer, out);
        self.web.seeds.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;
    use crate::geometry::Geometry;
    use crate::logic::picker::Policy;
    use crate::logic::session::trust::Trust;
    use crate::logic::swarm::Params;
    use crate::protocol::Dialect;
    use crate::protocol::message::Message;
    use std::net::SocketAddr;

    const WEB: PeerKey = PeerKey(7);
    const OTHER: PeerKey = PeerKey(8);

    /// Four pieces of two blocks.
    fn swarm() -> Swarm {
        let params = Params {
            policy: Policy::Sequential,
            upload_slots: 2,
            super_seeding: false,
            seed: 1,
            ..Params::default()
        };
        let geometry = Geometry::v1(32768, 4 * 32768).unwrap();
        let mut swarm = Swarm::new(geometry, Bitfield::new(4), params);
        swarm.on_web_joined(WEB);
        swarm
    }

    fn span(piece: u32, offset: u32, length: u32) -> Span {
        Span { piece: PieceIndex(piece), offset, length }
    }

    /// A whole piece comes; what the swarm wants done.
    fn fetch(swarm: &mut Swarm, peer: PeerKey, piece: u32) -> Vec<Action> {
        let (now, mut out) = (Moment::START, Vec::new());
        let granted = swarm.claim_from_web(now, peer, span(piece, 0, 32768), &mut out);
        swarm.on_written(now, peer, &granted, &mut out);
        out
    }

    #[test]
    fn a_web_seed_fetches_runs_of_pieces_until_all_is_here() {
        let (mut swarm, now) = (swarm(), Moment::START);
        let run = |pieces: &[u32]| {
            WebTurn::Fetch(pieces.iter().map(|&piece| span(piece, 0, 32768)).collect())
        };
        for (most, pieces) in [(1, &[0][..]), (1 << 20, &[1, 2, 3])] {
            assert_eq!(swarm.next_web_run(WEB, most), run(pieces));
            for &piece in pieces {
                assert!(swarm.wants_web_run(WEB));
                let verify = Action::Verify(PieceIndex(piece));
                assert_eq!(fetch(&mut swarm, WEB, piece), [verify]);
            }
            assert!(!swarm.wants_web_run(WEB));
            swarm.on_web_run_over(now, WEB, &mut Vec::new());
        }
        assert_eq!(swarm.next_web_run(WEB, 1), WebTurn::Wait, "the last may still be wrong");
        for piece in 0..4 {
            swarm.on_verified(now, PieceIndex(piece), &mut Vec::new());
        }
        assert_eq!(swarm.next_web_run(WEB, 1), WebTurn::Done);
        assert_eq!((swarm.fetched(), swarm.sources()), (4 * 32768, 1));
    }

    #[test]
    fn what_a_run_did_not_bring_is_wanted_again() {
        let (mut swarm, now) = (swarm(), Moment::START);
        swarm.on_web_joined(OTHER);
        swarm.next_web_run(WEB, 1 << 20);
        assert_eq!(swarm.next_web_run(OTHER, 1 << 20), WebTurn::Wait, "all is asked of the first");
        fetch(&mut swarm, WEB, 0);
        swarm.on_web_run_over(now, WEB, &mut Vec::new());
        assert!(!swarm.wants_web_run(WEB));
        let rest = (1..4).map(|piece| span(piece, 0, 32768)).collect();
        assert_eq!(swarm.next_web_run(OTHER, 1 << 20), WebTurn::Fetch(rest));
        swarm.on_web_left(now, WEB, &mut Vec::new());
        assert_eq!(swarm.next_web_run(WEB, 1), WebTurn::Done);
    }

    #[test]
    fn a_web_seed_that_wrote_a_wrong_piece_alone_is_banned_and_no_address_is() {
        let (mut swarm, now) = (swarm(), Moment::START);
        swarm.next_web_run(WEB, 1 << 20);
        fetch(&mut swarm, WEB, 0);
        let mut out = Vec::new();
        swarm.on_failed(now, PieceIndex(0), Vec::new(), None, &mut out);
        assert_eq!(out, []);
        assert!(!swarm.wants_web_run(WEB), "the rest of its run is not wanted any more");
        assert_eq!(swarm.next_web_run(WEB, 1), WebTurn::Banned(PieceIndex(0)));
        swarm.on_web_left(now, WEB, &mut out);
        swarm.on_web_joined(OTHER);
        let again = [1, 2, 3, 0].map(|piece| span(piece, 0, 32768));
        assert_eq!(swarm.next_web_run(OTHER, 1 << 20), WebTurn::Fetch(again[..3].to_vec()));
        assert_eq!(swarm.next_web_run(OTHER, 1 << 20), WebTurn::Fetch(again[3..].to_vec()));
    }

    #[test]
    fn a_peer_that_owes_what_a_web_seed_brought_is_told_in_its_own_words() {
        for (dialect, cancelled) in [
            (Dialect::Native, &[span(0, 0, 32768)][..]),
            (Dialect::BitTorrent, &[span(0, 0, 16384), span(0, 16384, 16384)]),
        ] {
            let (mut swarm, now, mut out) = (swarm(), Moment::START, Vec::new());
            let ann = PeerKey(1);
            swarm.on_joined(now, ann, SocketAddr::from(([127, 0, 0, 1], 1)), dialect);
            swarm.sessions.get_mut(&ann).unwrap().trust = Trust::earned();
            for message in [Message::HaveAll, Message::Unchoke] {
                swarm.on_message(now, ann, &message, &mut out).unwrap();
            }
            // She owes all of it, so the web seed doubles her first piece.
            let doubled = swarm.next_web_run(WEB, 1 << 20);
            assert_eq!(doubled, WebTurn::Fetch(vec![span(0, 0, 32768)]));
            out.clear();
            swarm.claim_from_web(now, WEB, span(0, 0, 32768), &mut out);
            let said = out.iter().map(|action| match action {
                Action::Say(peer, Message::Cancel(span)) if *peer == ann => *span,
                other => panic!("{other:?}"),
            });
            let mut said: Vec<Span> = said.collect();
            said.sort_unstable_by_key(|span| span.offset);
            assert_eq!(said, cancelled, "{dialect}");
        }
    }

    #[test]
    fn a_torrent_that_asks_for_nothing_more_has_no_turn_for_a_web_seed() {
        let mut swarm = swarm();
        swarm.next_web_run(WEB, 1 << 20);
        swarm.stop_requesting();
        assert!(!swarm.wants_web_run(WEB));
        assert_eq!(swarm.next_web_run(WEB, 1), WebTurn::Done);
    }
}
