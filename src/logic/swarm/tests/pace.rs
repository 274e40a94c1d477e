//! How much is asked of one peer at once, and whether what is owed is asked twice.

use super::{ANN, BEN, Stage, at};
use crate::bitfield::Bitfield;
use crate::logic::swarm::Swarm;
use crate::protocol::message::Message;

fn asked(s: &Stage, peer: &str) -> Vec<String> {
    let of_peer = format!("{peer} < get ");
    s.script.lines().filter_map(|line| line.strip_prefix(&of_peer)).map(Into::into).collect()
}

#[test]
fn a_fixed_pipeline_keeps_just_so_many_blocks_asked_of_a_peer() {
    let mut s = Stage::with(Bitfield::new(2), |params| params.pipeline = Some(3));
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.told(
        "peer 1 < Interested
         peer 1 < get piece 0 +0 (16384 bytes)
         peer 1 < get piece 0 +16384 (16384 bytes)
         peer 1 < get piece 0 +32768 (16384 bytes)",
    );
    for at in [49152, 65536, 81920] {
        s.chunk(ANN, 0, at - 49152, 16384);
        let (piece, offset) = (at / 65536, at % 65536);
        s.told(&format!("peer 1 < get piece {piece} +{offset} (16384 bytes)"));
    }
}

#[test]
fn without_an_end_game_nobody_is_asked_for_what_another_owes() {
    let copies = |endgame| {
        let mut s = Stage::with(Bitfield::new(2), |params| params.endgame = endgame);
        s.join(ANN);
        s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
        s.join(BEN);
        s.hear_all(BEN, &[Message::HaveAll, Message::Unchoke]);
        s.now = at(1);
        s.act(Swarm::on_tick);
        asked(&s, "peer 2").len()
    };
    assert_eq!(copies(false), 0);
    assert!(copies(true) > 0);
}

#[test]
fn without_an_end_game_what_a_silent_peer_owes_is_asked_of_another_all_the_same() {
    let mut s = Stage::with(Bitfield::new(2), |params| params.endgame = false);
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.join(BEN);
    s.hear_all(BEN, &[Message::HaveAll, Message::Unchoke]);
    s.now = at(10);
    s.act(Swarm::on_tick);
    assert!(!asked(&s, "peer 2").is_empty(), "{}", s.script);
}
