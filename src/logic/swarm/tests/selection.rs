//! Partial seeds: all that is wanted is here, and something is not.

use super::{ANN, Action, BEN, Bitfield, Message, PieceIndex, Stage, Swarm};
use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::logic::picker::{Policy, Priority};
use crate::logic::swarm::web::WebTurn;
use Priority::{Normal, Skip};

const WEB: PeerKey = PeerKey(9);

/// Two files of one piece each.
fn want(first: Priority, second: Priority) -> impl FnOnce(&mut Swarm, Moment, &mut Vec<Action>) {
    move |swarm, now, out| swarm.set_priorities(now, &[(0..1, first), (1..2, second)], out)
}

fn verified(piece: u32) -> impl FnOnce(&mut Swarm, Moment, &mut Vec<Action>) {
    move |swarm, now, out| swarm.on_verified(now, PieceIndex(piece), out)
}

#[test]
fn a_download_is_complete_when_all_that_is_wanted_is_here_and_goes_on_when_more_is_wanted() {
    let mut s = Stage::leecher();
    s.act(want(Normal, Skip));
    s.join_in_bittorrent(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.script.clear();
    s.chunk(ANN, 0, 0, 16384);
    for block in 1..4 {
        s.chunk(ANN, 0, block * 16384, 16384);
    }
    s.told("! Verify(PieceIndex(0))");
    s.act(verified(0));
    // It is a seeder, and yet it is not parted with: more may be wanted of it.
    s.told(
        "peer 1 < NotInterested
         ! Complete
         peer 1 < UploadOnly(true)",
    );
    assert!(s.swarm.is_satisfied() && s.swarm.is_partial_seed() && !s.swarm.is_complete());
    assert_eq!((s.swarm.left_of_wanted(), s.swarm.wanted_total()), (0, 65536));
    assert_eq!(s.swarm.left(), 65536, "trackers hear of everything");
    s.act(want(Normal, Normal));
    s.told(
        "peer 1 < UploadOnly(false)
         peer 1 < Interested
         peer 1 < get piece 1 +0 (16384 bytes)
         peer 1 < get piece 1 +16384 (16384 bytes)
         peer 1 < get piece 1 +32768 (16384 bytes)
         peer 1 < get piece 1 +49152 (16384 bytes)",
    );
    assert!(!s.swarm.is_satisfied());
}

#[test]
fn a_download_of_which_less_is_wanted_may_be_complete_by_that() {
    let mut s = Stage::leecher();
    s.act(verified(1));
    s.script.clear();
    s.act(want(Normal, Normal));
    s.told("");
    s.act(want(Skip, Normal));
    s.told("! Complete");
    s.act(want(Skip, Skip));
    s.told("");
}

#[test]
fn what_was_asked_for_and_is_no_longer_wanted_is_taken_back() {
    let mut s = Stage::leecher();
    s.join(ANN);
    s.hear_all(ANN, &[Message::HaveAll, Message::Unchoke]);
    s.script.clear();
    s.act(want(Skip, Normal));
    s.told("peer 1 < Cancel(Span { piece: PieceIndex(0), offset: 0, length: 65536 })");
    // It was under way, and is no fault of hers.
    s.chunk(ANN, 0, 0, 65536);
    s.told("! Verify(PieceIndex(0))");
}

#[test]
fn a_partial_seed_serves_like_a_seeder_and_parts_when_it_has_everything() {
    let mut s = Stage::leecher();
    s.act(want(Normal, Skip));
    s.join(ANN);
    s.join(BEN);
    s.hear(ANN, &Message::HaveAll).unwrap();
    s.hear_all(BEN, &[Message::HaveNone, Message::Interested]);
    s.act(verified(0));
    s.script.clear();
    s.act(Swarm::on_round);
    assert!(s.swarm.peers(s.now).iter().any(|p| p.peer == BEN && p.peer_interested));
    // The other piece comes though nobody wants it any more.
    s.act(verified(1));
    s.told(
        "peer 2 < Have(PieceIndex(1))
         ! Disconnect(PeerKey(1), BothSeed)",
    );
}

#[test]
fn a_web_seed_rests_when_nothing_is_wanted_of_it_and_goes_on_when_more_is() {
    let mut s = Stage::leecher();
    s.act(want(Normal, Skip));
    s.act(verified(0));
    s.swarm.on_web_joined(WEB);
    assert!(!s.swarm.wants_web_seeds());
    assert_eq!(s.swarm.next_web_run(WEB, 1), WebTurn::Done);
    s.act(want(Normal, Normal));
    assert!(s.swarm.wants_web_seeds());
    let WebTurn::Fetch(run) = s.swarm.next_web_run(WEB, 1) else { panic!("nothing to fetch") };
    assert_eq!(run[0].piece, PieceIndex(1));
}

#[test]
fn the_order_of_pieces_may_change_while_they_come() {
    let mut s = Stage::with(Bitfield::new(6), |params| params.policy = Policy::Rarest);
    s.join(ANN);
    s.hear(ANN, &Message::HaveAll).unwrap();
    s.act(|swarm, now, out| {
        swarm.set_policy(now, Policy::Sequential, &[(0..3, Normal), (3..6, Skip)], out);
    });
    s.script.clear();
    s.hear(ANN, &Message::Unchoke).unwrap();
    s.told(
        "peer 1 < get piece 0 +0 (65536 bytes)
         peer 1 < get piece 2 +0 (65536 bytes)",
    );
    assert_eq!(s.swarm.policy(), Policy::Sequential);
}
