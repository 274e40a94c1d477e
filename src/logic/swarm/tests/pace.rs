//! How much is asked of one peer at once, and whether what is owed is asked twice.

use super::{ANN, BEN, EVE, Stage, at};
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::logic::swarm::{Action, Parting, Swarm};
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

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

/// Some who take requests and answer none, beside Ann, who gives so many bytes every tenth of a
/// second: after how many of these everything is here, and how many of the others were let go.
fn beside_stallers(dialect: Dialect, limit: Option<u64>, stallers: u64, pace: u32) -> (u64, u64) {
    const PIECES: u32 = 48;
    let mut swarm = Stage::with(Bitfield::new(PIECES), |params| params.down_limit = limit).swarm;
    let (mut out, mut owed, mut left) = (Vec::new(), VecDeque::new(), PIECES);
    let (mut given, mut let_go) = (0, 0);
    for peer in (11..11 + stallers).map(PeerKey).chain([ANN]) {
        let address = SocketAddr::from(([127, 0, 0, 1], peer.0 as u16));
        swarm.on_joined(at(0), peer, address, dialect);
        for message in [Message::HaveAll, Message::Unchoke] {
            swarm.on_message(at(0), peer, &message, &mut out).unwrap();
        }
    }
    for tenth in 1..10_000 {
        let now = Moment::after(Duration::from_millis(tenth * 100));
        if tenth % 5 == 0 {
            swarm.on_tick(now, &mut out);
        }
        given = (given + pace).min(2 * 65536);
        loop {
            while !out.is_empty() {
                for action in std::mem::take(&mut out) {
                    match action {
                        Action::Say(ANN, Message::Get(span)) => owed.push_back(span),
                        Action::Say(ANN, Message::Cancel(part)) => owed.retain(|&s| s != part),
                        Action::Verify(piece) => {
                            left -= 1;
                            swarm.on_verified(now, piece, &mut out);
                        }
                        Action::Disconnect(_, Parting::Snubbed) => let_go += 1,
                        _ => {}
                    }
                }
            }
            let Some(asked) = owed.pop_front_if(|asked| asked.length <= given) else { break };
            given -= asked.length;
            let granted = swarm.claim(now, ANN, asked, &mut out).unwrap();
            swarm.on_written(now, ANN, &granted, &mut out);
        }
        if left == 0 {
            return (tenth, let_go);
        }
    }
    panic!("it is never done");
}

#[test]
fn peers_that_stall_keep_no_block_from_one_that_delivers() {
    for dialect in [Dialect::Native, Dialect::BitTorrent] {
        let (tenths, _) = beside_stallers(dialect, None, 9, 65536);
        assert!(tenths < 100, "{dialect}: {tenths}, though no deadline need pass");
        let (tenths, _) = beside_stallers(dialect, Some(1 << 20), 9, 65536);
        assert!(tenths < 150, "{dialect}: {tenths} under a limit, which is more than one deadline");
    }
}

#[test]
fn who_stalls_is_let_go_though_all_it_was_asked_for_comes_from_another_in_time() {
    for dialect in [Dialect::Native, Dialect::BitTorrent] {
        for stallers in [1, 9] {
            let (tenths, let_go) = beside_stallers(dialect, None, stallers, 2048);
            assert_eq!(let_go, stallers, "{dialect}: in {tenths} tenths of a second");
        }
    }
}

#[test]
fn who_stalled_and_comes_back_is_asked_for_one_block_that_another_owes_until_it_delivers() {
    let mut s = Stage::new(Bitfield::new(40));
    s.join_seeders(&[EVE, ANN]);
    s.now = at(9);
    (2..6).for_each(|piece| s.chunk(ANN, piece, 0, 65536));
    s.now = at(11);
    s.act(Swarm::on_tick);
    s.act(|swarm, now, out| swarm.on_left(now, EVE, out));
    s.script.clear();
    s.join(EVE);
    s.hear_all(EVE, &[Message::HaveAll, Message::Unchoke]);
    let probe = asked(&s, "peer 3");
    assert!(probe.len() == 1 && probe[0].ends_with("(16384 bytes)"), "{}", s.script);
    let before = asked(&s, "peer 1").len();
    s.chunk(EVE, 6, 49152, 16384);
    assert!(asked(&s, "peer 3").len() > 1, "she is one of us again: {}", s.script);
    assert_eq!(asked(&s, "peer 1").len(), before);
}

/// Whoever is asked instead would take as long.
#[test]
fn an_answer_may_take_longer_where_nobody_is_fast() {
    let due = |bytes_of_ann: u32| {
        let mut s = Stage::new(Bitfield::new(40));
        s.join_seeders(&[BEN, ANN]);
        for second in [3, 6, 9] {
            s.now = at(second);
            s.chunk(ANN, 2, (second as u32 / 3 - 1) * 16384, 16384);
            (1..bytes_of_ann / 16384).for_each(|n| s.chunk(ANN, n + 2, 0, 65536));
            s.act(Swarm::on_tick);
        }
        s.swarm.deadline().expect("Ben owes something").elapsed().as_secs()
    };
    assert!((16..=20).contains(&due(16384)), "{}", due(16384));
    assert!((10..=12).contains(&due(65536)), "{}", due(65536));
}

/// Each of its blocks takes twenty seconds.
#[test]
fn who_is_slow_and_alone_is_not_let_go_and_all_it_sends_is_taken() {
    let mut s = Stage::new(Bitfield::new(2));
    s.join_in_bittorrent(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    let mut next = 0;
    for half in 1..=320 {
        s.now = Moment::after(Duration::from_millis(half * 500));
        s.act(Swarm::on_tick);
        if half % 40 == 0 {
            s.chunk(ANN, next / 65536, next % 65536, 16384);
            next += 16384;
        }
    }
    assert!(!s.script.contains("Disconnect"), "{}", s.script);
    assert_eq!(s.script.matches("! Verify").count(), 2, "{}", s.script);
}
