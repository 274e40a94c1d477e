//! Conversations with a [`Swarm`], written down as transcripts.

use super::{Action, FirstWord, Params, Swarm};
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::geometry::Geometry;
use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use crate::logic::choker::Why;
use crate::logic::picker::{Policy, Priority};
use crate::logic::session::Fault;
use crate::logic::session::trust::Trust;
use crate::protocol::Dialect;
use crate::protocol::message::{HashRange, Message};
use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

mod pace;
mod selection;
mod serving;

const ANN: PeerKey = PeerKey(1);
const BEN: PeerKey = PeerKey(2);
const EVE: PeerKey = PeerKey(3);

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

/// A swarm of two pieces of four blocks, with what it did written down.
struct Stage {
    swarm: Swarm,
    now: Moment,
    script: String,
}

impl Stage {
    fn new(have: Bitfield) -> Self {
        Self::with(have, |_| {})
    }

    fn with(have: Bitfield, change: impl FnOnce(&mut Params)) -> Self {
        let pieces = u64::from(have.pieces());
        let geometry = Geometry::v1(65536, 65536 * pieces).unwrap();
        let mut params = Params {
            policy: Policy::Sequential,
            upload_slots: 2,
            super_seeding: false,
            seed: 1,
            ..Params::default()
        };
        change(&mut params);
        Self { swarm: Swarm::new(geometry, have, params), now: at(0), script: String::new() }
    }

    fn leecher() -> Self {
        Self::new(Bitfield::new(2))
    }

    fn seeder() -> Self {
        Self::new(Bitfield::full(2))
    }

    fn join_in_bittorrent(&mut self, peer: PeerKey) {
        self.join_as_stranger(peer, Dialect::BitTorrent);
        self.swarm.sessions.get_mut(&peer).unwrap().trust = Trust::earned();
    }

    fn join(&mut self, peer: PeerKey) {
        self.join_as_stranger(peer, Dialect::Native);
        self.swarm.sessions.get_mut(&peer).unwrap().trust = Trust::earned();
    }

    /// They join, have everything and serve us.
    fn join_seeders(&mut self, peers: &[PeerKey]) {
        for &peer in peers {
            self.join(peer);
            self.hear_all(peer, &[Message::HaveAll, Message::Unchoke]);
        }
    }

    /// Joins; nothing is known of its truth.
    fn join_as_stranger(&mut self, peer: PeerKey, dialect: Dialect) {
        let address = SocketAddr::from(([127, 0, 0, 1], peer.0 as u16));
        self.swarm.on_joined(self.now, peer, address, dialect);
    }

    fn hear(&mut self, peer: PeerKey, message: &Message) -> Result<(), Fault> {
        let mut out = Vec::new();
        let heard = self.swarm.on_message(self.now, peer, message, &mut out);
        self.note(&out);
        heard
    }

    fn hear_all(&mut self, peer: PeerKey, messages: &[Message]) {
        messages.iter().for_each(|message| self.hear(peer, message).unwrap());
    }

    /// A chunk arrives and is stored.
    fn chunk(&mut self, peer: PeerKey, piece: u32, offset: u32, length: u32) {
        let mut out = Vec::new();
        let chunk = Span { piece: PieceIndex(piece), offset, length };
        let granted = self.swarm.claim(self.now, peer, chunk, &mut out).unwrap();
        self.swarm.on_written(self.now, peer, &granted, &mut out);
        self.note(&out);
    }

    fn act(&mut self, act: impl FnOnce(&mut Swarm, Moment, &mut Vec<Action>)) {
        let mut out = Vec::new();
        act(&mut self.swarm, self.now, &mut out);
        self.note(&out);
    }

    fn note(&mut self, actions: &[Action]) {
        for action in actions {
            let line = match action {
                Action::Say(peer, Message::Get(span)) => format!("{peer} < get {span}"),
                Action::Say(peer, message) => format!("{peer} < {message:?}"),
                other => format!("! {other:?}"),
            };
            writeln!(self.script, "{line}").unwrap();
        }
    }

    fn told(&mut self, expected: &str) {
        let lines = |text: &str| -> Vec<String> {
            text.trim().lines().map(|line| line.trim().to_owned()).collect()
        };
        assert_eq!(lines(&std::mem::take(&mut self.script)), lines(expected));
    }
}

#[test]
fn a_leecher_says_it_is_interested_and_asks_once_unchoked() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.hear(ANN, &Message::HaveAll).unwrap();
    s.told("peer 1 < Interested");
    s.hear(ANN, &Message::Unchoke).unwrap();
    s.told(
        "peer 1 < get piece 0 +0 (65536 bytes)
         peer 1 < get piece 1 +0 (65536 bytes)",
    );
}

#[test]
fn a_verified_piece_is_told_to_those_who_lack_it() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.join(BEN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.hear(BEN, &Message::HaveNone).unwrap();
    s.script.clear();
    s.chunk(ANN, 0, 0, 65536);
    s.told("! Verify(PieceIndex(0))");
    s.act(|swarm, now, out| swarm.on_verified(now, PieceIndex(0), out));
    s.told("peer 2 < Have(PieceIndex(0))");
    s.chunk(ANN, 1, 0, 65536);
    s.act(|swarm, now, out| swarm.on_verified(now, PieceIndex(1), out));
    s.told(
        "! Verify(PieceIndex(1))
         peer 2 < Have(PieceIndex(1))
         peer 1 < NotInterested
         ! Complete
         ! Disconnect(PeerKey(1), BothSeed)",
    );
    assert_eq!((s.swarm.sources(), s.swarm.fetched()), (1, 131_072));
}

#[test]
fn blocks_survive_a_choke_and_go_to_another_peer() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.chunk(ANN, 0, 0, 16384);
    s.hear(ANN, &Message::Choke).unwrap();
    s.join(BEN);
    s.hear(BEN, &Message::HaveAll).unwrap();
    s.script.clear();
    s.hear(BEN, &Message::Unchoke).unwrap();
    s.told(
        "peer 2 < get piece 0 +16384 (49152 bytes)
         peer 2 < get piece 1 +0 (65536 bytes)",
    );
}

#[test]
fn a_request_nobody_answers_is_asked_of_another_after_ten_seconds() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.join(BEN);
    s.hear(BEN, &Message::Have(PieceIndex(0))).unwrap();
    s.script.clear();
    assert_eq!(s.swarm.deadline(), Some(at(10)));
    s.now = at(10);
    s.act(Swarm::on_tick);
    s.hear(BEN, &Message::Unchoke).unwrap();
    s.told(
        "peer 1 < get piece 0 +0 (16384 bytes)
         peer 2 < get piece 0 +16384 (49152 bytes)",
    );
    s.now = at(21);
    s.act(Swarm::on_tick);
    s.now = at(32);
    s.script.clear();
    s.act(Swarm::on_tick);
    assert!(s.script.contains("! Disconnect(PeerKey(1), Snubbed)"), "{}", s.script);
}

#[test]
fn a_request_while_choked_is_refused_and_one_out_of_range_is_a_fault() {
    let mut s = Stage::seeder();
    let get = |offset, length| Message::Get(Span { piece: PieceIndex(1), offset, length });
    s.join(ANN);
    s.hear(ANN, &get(0, 16384)).unwrap();
    s.told("peer 1 < Reject(Span { piece: PieceIndex(1), offset: 0, length: 16384 })");
    s.hear_all(ANN, &[Message::Interested, get(0, 16384)]);
    s.told(
        "peer 1 < Unchoke
         ! Upload(PeerKey(1), Span { piece: PieceIndex(1), offset: 0, length: 16384 })",
    );
    assert!(s.hear(ANN, &get(49152, 32768)).is_err());
    assert!(s.hear(ANN, &get(1, 10)).is_err());
}

#[test]
fn more_upload_slots_are_given_at_once_and_fewer_with_the_next_round() {
    let mut s = Stage::with(Bitfield::full(2), |params| params.upload_slots = 0);
    for peer in [ANN, BEN] {
        s.join(peer);
        s.hear_all(peer, &[Message::HaveNone, Message::Interested]);
    }
    s.told("");
    s.act(|swarm, now, out| swarm.set_upload_slots(now, 2, out));
    s.told("peer 1 < Unchoke\npeer 2 < Unchoke");
    s.act(|swarm, now, out| swarm.set_upload_slots(now, 0, out));
    s.told("");
    s.act(Swarm::on_round);
    let chokes =
        "peer 1 < Choke\n! UnqueueAll(PeerKey(1))\npeer 2 < Choke\n! UnqueueAll(PeerKey(2))";
    s.told(chokes);
}

#[test]
fn a_slot_is_free_again_when_its_peer_leaves_or_wants_nothing() {
    let mut s = Stage::seeder();
    for peer in [ANN, BEN, EVE] {
        s.join(peer);
        s.hear(peer, &Message::Interested).unwrap();
    }
    s.told("peer 1 < Unchoke\npeer 2 < Unchoke");
    s.act(|swarm, now, out| swarm.on_left(now, ANN, out));
    s.told("peer 3 < Unchoke");
    s.join(ANN);
    s.hear(ANN, &Message::Interested).unwrap();
    s.told("");
    s.hear(BEN, &Message::NotInterested).unwrap();
    s.told(
        "! UnqueueAll(PeerKey(2))
         peer 2 < Choke
         ! UnqueueAll(PeerKey(2))
         peer 1 < Unchoke",
    );
}

#[test]
fn bittorrent_is_asked_block_by_block_and_late_blocks_of_a_choked_turn_are_welcome() {
    let mut s = Stage::leecher();
    s.join_in_bittorrent(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    let asked = s.script.matches("16384 bytes").count();
    assert!(asked >= 4 && s.script.matches("get piece").count() == asked, "{}", s.script);
    s.hear(ANN, &Message::Choke).unwrap();
    s.script.clear();
    s.chunk(ANN, 0, 0, 16384);
    s.chunk(ANN, 0, 16384, 16384);
    assert_eq!(s.swarm.fetched(), 32768);
    s.hear(ANN, &Message::Unchoke).unwrap();
    assert!(!s.script.contains("piece 0 +0 "), "what came is not asked again: {}", s.script);
}

#[test]
fn a_choked_bittorrent_peer_may_ask_for_what_it_was_allowed() {
    let mut s = Stage::seeder();
    s.join_in_bittorrent(ANN);
    s.act(|swarm, _, out| swarm.allow_fast(ANN, &[PieceIndex(1), PieceIndex(7)], out));
    s.told("peer 1 < AllowedFast(PieceIndex(1))");
    let get = |piece| Message::Get(Span { piece: PieceIndex(piece), offset: 0, length: 16384 });
    s.hear(ANN, &get(1)).unwrap();
    assert!(s.script.contains("Upload"), "{}", s.script);
    assert_eq!(s.hear(ANN, &get(0)), Err(Fault::RequestWhileChoked));
}

#[test]
fn a_stranger_is_asked_for_two_pieces_until_one_is_judged() {
    let mut s = Stage::new(Bitfield::new(20));
    s.join_as_stranger(EVE, Dialect::Native);
    s.hear_all(EVE, &[Message::HaveAll, Message::Unchoke]);
    s.script.clear();
    (0..2).for_each(|piece| s.chunk(EVE, piece, 0, 65536));
    assert!(!s.script.contains("get piece 2"), "{}", s.script);
    s.act(|swarm, now, out| swarm.on_verified(now, PieceIndex(0), out));
    assert!(s.script.contains("peer 3 < get piece 2"), "{}", s.script);
    assert!(s.script.contains("peer 3 < get piece 3"), "{}", s.script);
    assert!(!s.script.contains("peer 3 < get piece 4"), "{}", s.script);
}

#[test]
fn a_lone_liar_is_banned_after_its_first_bad_piece() {
    let mut s = Stage::leecher();
    s.join(EVE);
    s.hear_all(EVE, &[Message::HaveAll, Message::Unchoke]);
    s.chunk(EVE, 0, 0, 65536);
    s.script.clear();
    s.act(|swarm, now, out| swarm.on_failed(now, PieceIndex(0), vec![], None, out));
    s.told(
        "! Ban(127.0.0.1:3, PieceIndex(0))
         ! Disconnect(PeerKey(3), Banned)",
    );
}

#[test]
fn of_several_writers_only_the_liar_is_banned() {
    let mut s = Stage::leecher();
    for peer in [ANN, EVE] {
        s.join(peer);
        s.hear(peer, &Message::HaveAll).unwrap();
    }
    s.hear(ANN, &Message::Unchoke).unwrap();
    s.chunk(ANN, 0, 0, 16384);
    s.hear(ANN, &Message::Choke).unwrap();
    s.hear(EVE, &Message::Unchoke).unwrap();
    s.chunk(EVE, 0, 16384, 49152);
    s.script.clear();
    let range = HashRange { root: [0; 32], base: 0, index: 0, count: 4, proof: 0 };
    let found = vec![[1; 32], [2; 32], [9; 32], [4; 32]];
    s.act(|swarm, now, out| swarm.on_failed(now, PieceIndex(0), found, Some(range), out));
    assert_eq!(s.script.matches("GetHashes").count(), 2, "{}", s.script);
    assert!(s.swarm.wants_leaves(PieceIndex(0)));
    s.script.clear();
    let proven = [[1; 32], [2; 32], [3; 32], [4; 32]];
    s.act(|swarm, now, out| swarm.on_leaves(now, PieceIndex(0), &proven, out));
    s.told(
        "! Ban(127.0.0.1:3, PieceIndex(0))
         ! Disconnect(PeerKey(3), Banned)",
    );
}

#[test]
fn a_peer_that_refused_everything_is_asked_again_later() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    let asked = [0, 1].map(|piece| Span { piece: PieceIndex(piece), offset: 0, length: 65536 });
    s.script.clear();
    s.hear_all(ANN, &asked.map(Message::Reject));
    s.told("");
    s.act(Swarm::on_tick);
    s.told(
        "peer 1 < get piece 0 +0 (65536 bytes)
         peer 1 < get piece 1 +0 (65536 bytes)",
    );
}

#[test]
fn two_peers_that_refuse_are_not_asked_in_turns_for_ever() {
    let mut s = Stage::leecher();
    s.join_seeders(&[ANN, BEN]);
    s.script.clear();
    let mut refused = 0;
    for peer in [ANN, BEN, ANN, BEN, ANN, BEN] {
        for piece in [0, 1] {
            let span = Span { piece: PieceIndex(piece), offset: 0, length: 65536 };
            s.hear(peer, &Message::Reject(span)).unwrap();
            refused += 1;
        }
    }
    assert!(refused == 12 && s.script.matches("get").count() <= 4, "{}", s.script);
}

#[test]
fn a_download_limit_bounds_what_is_asked_and_is_shared_by_those_who_answer() {
    let mut s = Stage::leecher();
    s.swarm.params.down_limit = Some(16384);
    for peer in [ANN, BEN] {
        s.join(peer);
        s.hear(peer, &Message::HaveAll).unwrap();
    }
    s.hear(ANN, &Message::Unchoke).unwrap();
    s.told(
        "peer 1 < Interested
         peer 2 < Interested
         peer 1 < get piece 0 +0 (32768 bytes)",
    );
    s.hear(BEN, &Message::Unchoke).unwrap();
    s.told("");
    s.chunk(ANN, 0, 0, 32768);
    s.told("peer 1 < get piece 0 +32768 (16384 bytes)"); // the other block is Ben's
    s.act(Swarm::on_tick);
    s.told("peer 2 < get piece 0 +49152 (16384 bytes)");
}

#[test]
fn bytes_that_are_of_no_use_do_not_keep_a_request_open() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.now = at(9);
    s.chunk(ANN, 0, 0, 1);
    assert_eq!(s.swarm.deadline(), Some(at(10)));
}

#[test]
fn a_slow_disk_is_no_fault_of_the_peer() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    let chunk = Span { piece: PieceIndex(0), offset: 0, length: 16384 };
    let granted = s.swarm.claim(s.now, ANN, chunk, &mut vec![]).unwrap();
    s.now = at(60);
    s.script.clear();
    s.act(Swarm::on_tick);
    s.told("");
    s.act(|swarm, now, out| swarm.on_written(now, ANN, &granted, out));
    assert_eq!(s.swarm.deadline(), Some(at(70)));
}

#[test]
fn an_idle_peer_joins_the_end_game_at_the_next_tick() {
    let mut s = Stage::leecher();
    s.join(BEN);
    s.hear_all(BEN, &[Message::HaveNone, Message::Unchoke]);
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.chunk(ANN, 0, 0, 65536);
    s.script.clear();
    s.hear(BEN, &Message::Have(PieceIndex(1))).unwrap();
    s.told(
        "peer 2 < Interested
         peer 2 < get piece 1 +0 (65536 bytes)",
    );
}

#[test]
fn a_full_disk_stops_the_asking_but_not_the_serving() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.script.clear();
    let chunk = Span { piece: PieceIndex(0), offset: 0, length: 16384 };
    let granted = s.swarm.claim(s.now, ANN, chunk, &mut vec![]).unwrap();
    s.swarm.on_not_written(&granted);
    s.hear_all(ANN, &[Message::Choke, Message::Unchoke]);
    s.told("");
    s.hear(ANN, &Message::Interested).unwrap();
    s.told("peer 1 < Unchoke");
}

#[test]
fn a_late_peer_gets_no_block_for_itself_while_another_answers() {
    let mut s = Stage::new(Bitfield::new(20));
    s.join_seeders(&[EVE, ANN]);
    s.now = at(9);
    (2..6).for_each(|piece| s.chunk(ANN, piece, 0, 65536));
    s.now = at(11);
    s.script.clear();
    s.act(Swarm::on_tick);
    s.told("peer 3 < get piece 6 +49152 (16384 bytes)"); // Ann owes it too
    (6..12).for_each(|piece| s.chunk(ANN, piece, 0, 49152));
    assert!(s.script.contains("peer 1 < get piece 0 +0 ("), "what Eve owed: {}", s.script);
}

#[test]
fn a_peer_that_drips_keeps_no_block_for_longer_than_ten_seconds() {
    let mut s = Stage::new(Bitfield::new(20));
    s.join_seeders(&[EVE, ANN]);
    s.now = at(9);
    s.chunk(EVE, 0, 0, 16384);
    s.chunk(ANN, 2, 0, 65536);
    s.chunk(ANN, 3, 0, 65536);
    s.script.clear();
    s.now = at(11);
    s.act(Swarm::on_tick);
    s.told("peer 3 < Cancel(Span { piece: PieceIndex(1), offset: 0, length: 65536 })");
    (4..9).for_each(|piece| s.chunk(ANN, piece, 0, 65536));
    assert!(s.script.contains("peer 1 < get piece 1 +0 ("), "{}", s.script);
}

#[test]
fn a_peer_that_refuses_whatever_it_says_it_has_is_let_go() {
    let mut s = Stage::leecher();
    s.join(EVE);
    s.hear_all(EVE, &[Message::HaveAll, Message::Unchoke]);
    for _ in 0..100 {
        for piece in [0, 1] {
            let span = Span { piece: PieceIndex(piece), offset: 0, length: 65536 };
            s.hear(EVE, &Message::Reject(span)).unwrap();
        }
        s.act(Swarm::on_tick);
    }
    assert!(s.script.contains("! Disconnect(PeerKey(3), Refuses)"), "{}", s.script);
}

#[test]
fn decisions_are_said_with_their_reasons_when_asked_for() {
    let mut s = Stage::with(Bitfield::new(2), |params| params.trace = true);
    s.join(ANN);
    s.hear(ANN, &Message::HaveAll).unwrap();
    s.script.clear();
    s.hear(ANN, &Message::Unchoke).unwrap();
    assert!(s.script.starts_with("! Decided(Pick(PeerKey(1), Span"), "{}", s.script);
    assert!(s.script.contains("NextInOrder"), "{}", s.script);
}

/// A seeder of eight pieces that shows them one by one.
fn only_seeder() -> Stage {
    Stage::with(Bitfield::full(8), |params| params.super_seeding = true)
}

fn shown_to(s: &Stage, peer: &str) -> Vec<String> {
    let start = format!("{peer} < Have(");
    s.script.lines().filter_map(|line| Some(line.strip_prefix(&start)?.to_owned())).collect()
}

#[test]
fn the_only_seeder_shows_each_leecher_another_piece() {
    let mut s = only_seeder();
    for peer in [ANN, BEN] {
        s.join(peer);
        assert_eq!(s.swarm.first_word(peer), FirstWord::Nothing);
        s.hear(peer, &Message::HaveNone).unwrap();
    }
    let (anns, bens) = (shown_to(&s, "peer 1"), shown_to(&s, "peer 2"));
    assert!(anns.len() == 1 && bens.len() == 1 && anns != bens, "{}", s.script);
    s.script.clear();
    s.hear(ANN, &Message::Interested).unwrap();
    assert_eq!(shown_to(&s, "peer 1").len(), 3, "256 KiB once she is served: {}", s.script);
}

#[test]
fn everything_is_shown_once_it_was_seen_elsewhere_or_another_seeder_comes() {
    let check = |end: &dyn Fn(&mut Stage)| {
        let mut s = only_seeder();
        for peer in [ANN, BEN] {
            s.join(peer);
            s.hear(peer, &Message::HaveNone).unwrap();
        }
        end(&mut s);
        s.act(Swarm::on_tick);
        assert_eq!(shown_to(&s, "peer 2").len(), 8, "{}", s.script);
        s.join(PeerKey(9));
        assert_eq!(s.swarm.first_word(PeerKey(9)), FirstWord::All);
    };
    check(&|s| (0..8).for_each(|p| s.hear(ANN, &Message::Have(PieceIndex(p))).unwrap()));
    check(&|s| {
        s.join(EVE);
        s.hear(EVE, &Message::HaveAll).unwrap();
    });
}

#[test]
fn a_lone_leecher_is_shown_everything_after_a_second() {
    let mut s = only_seeder();
    s.join(ANN);
    s.hear(ANN, &Message::HaveNone).unwrap();
    s.act(Swarm::on_tick);
    assert_eq!(shown_to(&s, "peer 1").len(), 1);
    s.now = at(1);
    s.act(Swarm::on_tick);
    assert_eq!(shown_to(&s, "peer 1").len(), 8);
}

#[test]
fn a_leecher_is_told_the_truth_of_what_we_have() {
    let mut some = Bitfield::new(8);
    some.set(PieceIndex(3));
    let mut s = Stage::with(some.clone(), |params| params.super_seeding = true);
    s.join(ANN);
    assert_eq!(s.swarm.first_word(ANN), FirstWord::Some(&some));
}

#[test]
fn the_status_of_a_peer_says_why_it_is_served() {
    let mut s = Stage::leecher();
    for peer in [ANN, BEN, EVE] {
        s.join(peer);
        s.hear_all(peer, &[Message::HaveAll, Message::Unchoke, Message::Interested]);
    }
    s.chunk(ANN, 0, 0, 65536);
    s.now = at(10);
    s.act(Swarm::on_round);
    let reasons: Vec<_> = s.swarm.peers(s.now).iter().map(|p| (p.peer, p.why)).collect();
    assert!(matches!(reasons[0], (ANN, Some(Why::Gives { rank: 1, of: 1, .. }))), "{reasons:?}");
    let on_trial = |&(_, why): &_| matches!(why, Some(Why::Optimistic { among: 2 }));
    assert_eq!(reasons[1..].iter().filter(|reason| on_trial(reason)).count(), 1, "{reasons:?}");
    assert_eq!(reasons.iter().filter(|(_, why)| why.is_none()).count(), 1, "{reasons:?}");
}

#[test]
fn a_seeder_lets_go_of_who_was_served_longest_while_all_ask() {
    let mut s = Stage::seeder();
    for (secs, peer) in [(0, ANN), (5, BEN), (6, EVE)] {
        s.now = at(secs);
        s.join(peer);
        s.hear(peer, &Message::Interested).unwrap();
        if peer != EVE {
            let span = Span { piece: PieceIndex(0), offset: 0, length: 16384 };
            s.hear(peer, &Message::Get(span)).unwrap();
            s.swarm.on_sent(s.now, peer, 0, true);
        }
    }
    s.now = at(30);
    s.script.clear();
    s.act(Swarm::on_round);
    s.told(
        "peer 1 < Choke
         ! UnqueueAll(PeerKey(1))
         peer 3 < Unchoke",
    );
}

#[test]
fn what_is_under_way_when_a_peer_gets_uninteresting_is_no_fault_of_the_peer() {
    let Stage { mut swarm, .. } = Stage::new(Bitfield::new(400));
    let mut out = Vec::new();
    swarm.on_joined(at(0), ANN, SocketAddr::from(([10, 0, 0, 1], 1)), Dialect::BitTorrent);
    swarm.sessions.get_mut(&ANN).unwrap().trust = Trust::earned();
    swarm.on_message(at(0), ANN, &Message::HaveAll, &mut out).unwrap();
    swarm.on_message(at(0), ANN, &Message::Unchoke, &mut out).unwrap();
    let asked =
        |action| if let Action::Say(_, Message::Get(span)) = action { Some(span) } else { None };
    let mut under_way: VecDeque<Span> = out.drain(..).filter_map(asked).collect();
    while under_way.len() <= 100 {
        let granted = swarm.claim(at(1), ANN, under_way.pop_front().unwrap(), &mut out).unwrap();
        swarm.on_written(at(1), ANN, &granted, &mut out);
        under_way.extend(out.drain(..).filter_map(asked));
    }
    swarm.set_priorities(at(1), &[(0..400, Priority::Skip)], &mut out);
    assert!(out.contains(&Action::Say(ANN, Message::NotInterested)));
    for span in under_way {
        assert!(swarm.claim(at(2), ANN, span, &mut out).is_ok());
    }
}

#[test]
fn what_no_connected_peer_has_is_unavailable_as_far_as_it_is_wanted() {
    let geometry = Geometry::v1(32768, 4 * 32768).unwrap();
    let mut swarm = Swarm::new(geometry, Bitfield::new(4), Params::default());
    assert_eq!(swarm.unavailable(), 4 * 32768);
    let mut out = Vec::new();
    swarm.set_priorities(at(0), &[(0..2, Priority::Normal), (2..4, Priority::Skip)], &mut out);
    assert_eq!(swarm.unavailable(), 2 * 32768);
    swarm.on_joined(at(0), ANN, SocketAddr::from(([10, 0, 0, 1], 1)), Dialect::Native);
    swarm.on_message(at(0), ANN, &Message::Have(PieceIndex(0)), &mut out).unwrap();
    swarm.on_message(at(0), ANN, &Message::Have(PieceIndex(3)), &mut out).unwrap();
    assert_eq!(swarm.unavailable(), 32768);
}

#[test]
fn the_board_has_who_was_given_a_slot_and_who_lost_it() {
    let mut s = Stage::seeder();
    s.join(ANN);
    s.swarm.on_listens(ANN, SocketAddr::from(([10, 0, 0, 9], 6881)));
    s.hear(ANN, &Message::Interested).unwrap();
    let board = s.swarm.board();
    assert_eq!((board.strategy.as_str(), board.seeding, board.rulings.len()), ("tft", true, 1));
    let ruling = &board.rulings[0];
    assert!(!ruling.is_round && ruling.dropped.is_empty(), "{ruling:?}");
    assert_eq!(ruling.served[0].0, SocketAddr::from(([10, 0, 0, 9], 6881)), "where it listens");
    s.now = at(10);
    s.act(Swarm::on_round);
    let board = s.swarm.board();
    assert!(board.rulings[0].is_round && board.rulings[0].at == at(10), "{board:?}");
    assert_eq!(board.rulings[0].served.len(), 1);
}
