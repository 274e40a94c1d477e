//! The rules of choice.

use super::*;

const ANN: PeerKey = PeerKey(1);
const BEN: PeerKey = PeerKey(2);
const EVE: PeerKey = PeerKey(3);

/// Four pieces of four blocks, the last piece one and a half.
fn picker() -> Picker {
    let geometry = Geometry::v1(65536, 3 * 65536 + 24576).unwrap();
    Picker::new(geometry, Bitfield::new(4), Policy::Rarest, fastrand::Rng::with_seed(5))
}

fn pieces(list: &[u32]) -> Bitfield {
    let mut have = Bitfield::new(4);
    list.iter().for_each(|&p| assert!(have.set(PieceIndex(p))));
    have
}

fn span(piece: u32, offset: u32, length: u32) -> Span {
    Span { piece: PieceIndex(piece), offset, length }
}

fn next(picker: &mut Picker, peer: PeerKey, have: &Bitfield, blocks: u64) -> Option<Span> {
    picker.next_span(peer, have, blocks * 16384, Ask::Fresh).map(|(span, _)| span)
}

fn fetch(picker: &mut Picker, peer: PeerKey, span: Span) -> Option<PieceIndex> {
    assert_eq!(picker.claim(peer, span).granted, [span]);
    picker.on_written(peer, span)
}

#[test]
fn rarer_pieces_come_first() {
    let mut p = picker();
    let all = Bitfield::full(4);
    for have in [&pieces(&[0, 1]), &pieces(&[0, 1, 3]), &all] {
        p.on_joined(have);
    }
    p.on_verified(PieceIndex(0)); // not our first piece any more
    let why = p.next_span(ANN, &all, 65536, Ask::Fresh).unwrap();
    assert_eq!(why, (span(2, 0, 65536), Why::Rarest { availability: 1, ties: 1 }));
    let why = p.next_span(ANN, &all, 65536, Ask::Fresh).unwrap();
    assert_eq!(why, (span(3, 0, 24576), Why::Rarest { availability: 2, ties: 1 }));
}

#[test]
fn a_begun_piece_is_finished_before_another_is_begun() {
    let mut p = picker();
    let all = Bitfield::full(4);
    let first = next(&mut p, ANN, &all, 1).unwrap();
    let (second, why) = p.next_span(BEN, &all, 16384, Ask::Fresh).unwrap();
    assert_eq!((second.piece, why), (first.piece, Why::Begun));
    assert_ne!(second, first);
}

#[test]
fn no_block_is_asked_twice_outside_the_end_game() {
    let mut p = picker();
    let all = Bitfield::full(4);
    let mut asked = std::collections::HashSet::new();
    let mut turn = 0;
    while let Some(span) = next(&mut p, PeerKey(turn % 3), &all, 1) {
        assert!(asked.insert((span.piece, span.offset)));
        turn += 1;
    }
    assert_eq!(asked.len(), 14);
}

#[test]
fn only_an_idle_peer_joins_the_end_game_and_there_are_at_most_two_copies() {
    let mut p = picker();
    let all = Bitfield::full(4);
    while next(&mut p, ANN, &all, 4).is_some() {}
    assert_eq!(p.next_span(BEN, &all, 65536, Ask::Fresh), None);
    let (copy, why) = p.next_span(BEN, &all, 16384, Ask::Idle).unwrap();
    assert_eq!(why, Why::EndGame);
    assert_eq!(p.next_span(ANN, &all, 65536, Ask::Idle), None, "Ann owes it all already");
    while let Some((other, _)) = p.next_span(EVE, &all, 16384, Ask::Idle) {
        assert_ne!(other, copy, "two copies are in flight already");
    }
    let claim = p.claim(BEN, copy);
    assert_eq!((claim.granted, claim.cancel), (vec![copy], vec![(ANN, copy)]));
    assert_eq!(p.claim(ANN, copy).granted, [], "a block is stored once");
}

#[test]
fn blocks_of_a_lost_peer_are_asked_of_another() {
    let mut p = picker();
    let all = Bitfield::full(4);
    let lost = next(&mut p, ANN, &all, 2).unwrap();
    assert!(p.on_void(ANN, lost));
    assert_eq!(next(&mut p, BEN, &all, 2), Some(lost));
    assert!(!p.on_void(ANN, lost), "Ben owes it now");
}

#[test]
fn blocks_already_written_survive_the_loss_of_their_peer() {
    let mut p = picker();
    let all = Bitfield::full(4);
    let got = next(&mut p, ANN, &all, 2).unwrap();
    assert_eq!(fetch(&mut p, ANN, got), None);
    p.on_void(ANN, got);
    let rest = next(&mut p, BEN, &all, 4).unwrap();
    assert_eq!((rest.piece, rest.offset), (got.piece, 32768));
}

#[test]
fn a_piece_is_whole_when_its_last_block_is_written() {
    let mut p = picker();
    let only = pieces(&[3]);
    let first = next(&mut p, ANN, &only, 1).unwrap();
    let second = next(&mut p, ANN, &only, 1).unwrap();
    assert_eq!(second, span(3, 16384, 8192));
    assert_eq!(fetch(&mut p, ANN, second), None);
    assert_eq!(fetch(&mut p, ANN, first), Some(PieceIndex(3)));
    assert_eq!(p.on_verified(PieceIndex(3)), [Some(ANN), Some(ANN)]);
    assert_eq!(next(&mut p, ANN, &only, 1), None);
    assert_eq!(p.left(), 3 * 65536);
}

#[test]
fn a_piece_that_fails_its_hash_is_wanted_again_and_its_writers_are_known() {
    let mut p = picker();
    let only = pieces(&[3]);
    let first = next(&mut p, ANN, &only, 1).unwrap();
    let second = next(&mut p, BEN, &only, 1).unwrap();
    fetch(&mut p, ANN, first);
    fetch(&mut p, BEN, second);
    assert_eq!(p.on_failed(PieceIndex(3)), [Some(ANN), Some(BEN)]);
    assert_eq!(next(&mut p, EVE, &only, 4), Some(span(3, 0, 24576)));
}

/// A piece that Ann and Ben wrote, and that failed; a peer with that piece only.
fn spoiled_by_two() -> (Picker, Bitfield) {
    let (mut p, only) = (picker(), pieces(&[0]));
    let first = next(&mut p, ANN, &only, 2).unwrap();
    let second = next(&mut p, BEN, &only, 2).unwrap();
    fetch(&mut p, ANN, first);
    fetch(&mut p, BEN, second);
    p.on_failed(PieceIndex(0));
    (p, only)
}

#[test]
fn a_piece_that_several_spoiled_is_asked_of_one_at_a_time() {
    let (mut p, only) = spoiled_by_two();
    let again = next(&mut p, ANN, &only, 2).unwrap();
    assert_eq!(next(&mut p, BEN, &only, 2), None, "Ann is at it");
    fetch(&mut p, ANN, again);
    let rest = next(&mut p, ANN, &only, 1).unwrap();
    p.on_void(ANN, rest); // she is gone
    let whole = next(&mut p, BEN, &only, 4).unwrap();
    assert_eq!(whole, span(0, 0, 65536), "what she wrote is not mixed with what Ben writes");
    assert_eq!(fetch(&mut p, BEN, whole), Some(PieceIndex(0)));
    assert_eq!(p.on_failed(PieceIndex(0)), [Some(BEN); 4]);
}

#[test]
fn who_writes_a_piece_alone_goes_on_with_it_while_its_blocks_are_being_stored() {
    let (mut p, only) = spoiled_by_two();
    let again = next(&mut p, ANN, &only, 2).unwrap();
    assert_eq!(p.claim(ANN, again).granted, [again]);
    assert_eq!(next(&mut p, BEN, &only, 2), None, "what Ann sent is being stored");
    assert_eq!(next(&mut p, ANN, &only, 2), Some(span(0, 32768, 32768)));
}

#[test]
fn what_was_never_asked_of_anyone_is_not_stored() {
    let mut p = picker();
    assert_eq!(p.claim(EVE, span(0, 0, 16384)), Claim::default());
    assert_eq!(p.claim(EVE, span(9, 0, 16384)), Claim::default());
    assert_eq!(p.claim(EVE, span(0, 5, 16384)), Claim::default());
}

#[test]
fn a_frame_that_is_partly_wanted_is_partly_granted() {
    let mut p = picker();
    let all = Bitfield::full(4);
    let whole = next(&mut p, ANN, &all, 4).unwrap();
    let middle = Span { offset: 16384, length: 16384, ..whole };
    fetch(&mut p, ANN, middle);
    let rest = p.claim(ANN, whole).granted;
    let ends = [Span { length: 16384, ..whole }, Span { offset: 32768, length: 32768, ..whole }];
    // The last piece is shorter; the seed of this test picks a whole one.
    assert_eq!(rest, ends);
}

#[test]
fn bytes_that_could_not_be_stored_are_wanted_again() {
    let mut p = picker();
    let all = Bitfield::full(4);
    let got = next(&mut p, ANN, &all, 1).unwrap();
    p.claim(ANN, got);
    p.on_not_written(got);
    assert_eq!(next(&mut p, BEN, &all, 1), Some(got));
}

#[test]
fn sequential_goes_in_order() {
    let mut p = picker();
    p.policy = Policy::Sequential;
    let all = Bitfield::full(4);
    let order: Vec<u32> = (0..4).map(|_| next(&mut p, ANN, &all, 4).unwrap().piece.0).collect();
    assert_eq!(order, [0, 1, 2, 3]);
}

#[test]
fn while_we_have_no_piece_any_will_do() {
    let mut p = picker();
    let all = Bitfield::full(4);
    p.on_joined(&pieces(&[0, 1, 2]));
    let firsts: Vec<_> = (0..3).map(|_| p.next_span(ANN, &all, 65536, Ask::Fresh)).collect();
    assert!(firsts.iter().all(|pick| pick.unwrap().1 == Why::RandomFirst), "{firsts:?}");
}

#[test]
fn files_that_are_not_wanted_are_not_fetched_and_wanted_ones_come_in_their_order() {
    let mut p = picker();
    let all = Bitfield::full(4);
    // Piece 1 is of two files.
    let files = [(0..2, Priority::Skip), (1..3, Priority::Low), (3..4, Priority::High)];
    p.set_priorities(&files);
    assert_eq!(p.lacking_of(&all), 3);
    assert!(!p.lacks(PieceIndex(0)) && p.lacks(PieceIndex(1)));
    let order: Vec<u32> = (0..3).map(|_| next(&mut p, ANN, &all, 4).unwrap().piece.0).collect();
    assert_eq!(order[0], 3);
    assert_eq!(next(&mut p, ANN, &all, 4), None);
    for piece in order {
        assert!(!p.is_satisfied());
        p.on_verified(PieceIndex(piece));
    }
    assert!(p.is_satisfied() && !p.have().is_full());
    p.set_priorities(&[(0..4, Priority::Normal)]);
    assert_eq!(next(&mut p, ANN, &all, 4).map(|span| span.piece.0), Some(0));
}

#[test]
fn what_is_begun_of_a_file_no_longer_wanted_waits_until_it_is_wanted_again() {
    let mut p = picker();
    let only = pieces(&[0]);
    let first = next(&mut p, ANN, &only, 1).unwrap();
    p.on_void(ANN, first);
    p.set_priorities(&[(0..1, Priority::Skip), (1..4, Priority::Normal)]);
    assert_eq!(next(&mut p, ANN, &only, 1), None);
    p.set_priorities(&[(0..4, Priority::Normal)]);
    assert_eq!(next(&mut p, ANN, &only, 1), Some(first));
}

#[test]
fn what_another_owes_of_a_file_no_longer_wanted_is_not_asked_for_again() {
    let mut p = picker();
    next(&mut p, ANN, &pieces(&[0]), 1).unwrap();
    p.set_priorities(&[(0..1, Priority::Skip), (1..4, Priority::Normal)]);
    assert_eq!(p.next_span(BEN, &pieces(&[0]), 16384, Ask::Copy), None);
    (1..4).for_each(|piece| _ = p.on_verified(PieceIndex(piece)));
    assert!(p.is_end_game());
    assert_eq!(p.next_span(BEN, &pieces(&[0]), 16384, Ask::Idle), None);
}

#[test]
fn in_order_the_ends_of_each_file_come_first() {
    let mut p = picker();
    p.policy = Policy::Sequential;
    p.set_priorities(&[(0..3, Priority::Normal), (3..4, Priority::Skip)]);
    let all = Bitfield::full(4);
    let picks: Vec<_> =
        (0..3).map(|_| p.next_span(ANN, &all, 65536, Ask::Fresh).unwrap()).collect();
    let order: Vec<_> = picks.iter().map(|(span, why)| (span.piece.0, *why)).collect();
    assert_eq!(order, [(0, Why::Edge), (2, Why::Edge), (1, Why::NextInOrder)]);
}

#[test]
fn the_order_may_change_while_pieces_come_and_files_keep_their_priorities() {
    let mut p = picker();
    let files = [(0..2, Priority::Low), (2..3, Priority::Normal), (3..4, Priority::Skip)];
    p.set_priorities(&files);
    let all = Bitfield::full(4);
    assert_eq!(next(&mut p, ANN, &all, 4), Some(span(2, 0, 65536)));
    p.set_policy(Policy::Sequential, &files);
    let mut pick = || p.next_span(ANN, &all, 65536, Ask::Fresh).unwrap();
    assert_eq!([pick(), pick()].map(|(s, why)| (s.piece.0, why)), [(0, Why::Edge), (1, Why::Edge)]);
    assert_eq!(next(&mut p, ANN, &all, 4), None);
}

#[test]
fn what_is_wanted_and_what_is_left_of_it_are_counted_in_bytes() {
    let mut p = picker();
    let total = 3 * 65536 + 24576;
    assert_eq!((p.wanted_total(), p.left_of_wanted(), p.left()), (total, total, total));
    p.on_verified(PieceIndex(3));
    p.set_priorities(&[(0..1, Priority::Skip), (1..2, Priority::Low), (3..4, Priority::High)]);
    assert_eq!((p.wanted_total(), p.left_of_wanted()), (65536 + 24576, 65536));
    p.on_verified(PieceIndex(0));
    assert_eq!((p.left_of_wanted(), p.left()), (65536, 2 * 65536));
    p.on_verified(PieceIndex(1));
    assert_eq!((p.left_of_wanted(), p.is_satisfied()), (0, true));
}

#[test]
fn a_late_peer_is_asked_only_for_what_another_owes_too() {
    let mut p = picker();
    let all = Bitfield::full(4);
    assert_eq!(p.next_span(EVE, &all, 16384, Ask::Copy), None);
    let owed = next(&mut p, ANN, &all, 1).unwrap();
    assert_eq!(p.next_span(EVE, &all, 16384, Ask::Copy), Some((owed, Why::Probe)));
    assert_eq!(p.next_span(EVE, &all, 16384, Ask::Copy), None);
}

#[test]
fn what_a_peer_is_only_tried_with_is_kept_from_nobody() {
    let mut p = picker();
    let all = Bitfield::full(4);
    while next(&mut p, ANN, &all, 4).is_some() {}
    let (tried, why) = p.next_span(EVE, &all, 16384, Ask::Untried).unwrap();
    assert_eq!(why, Why::EndGame);
    let zoe = PeerKey(9);
    let (other, _) = p.next_span(zoe, &all, 16384, Ask::Untried).unwrap();
    assert_ne!(other, tried, "one at a time is tried with a block");
    assert_eq!(p.next_span(BEN, &all, 16384, Ask::Idle), Some((tried, Why::EndGame)));
    let claim = p.claim(BEN, tried);
    assert_eq!((claim.granted, claim.cancel), (vec![tried], vec![(ANN, tried), (EVE, tried)]));
}

#[test]
fn what_nobody_but_a_peer_on_trial_owes_is_asked_of_others_and_not_of_it_again() {
    let mut p = picker();
    let only = pieces(&[1]);
    let owed = next(&mut p, ANN, &only, 1).unwrap();
    assert_eq!(p.next_span(EVE, &only, 16384, Ask::Copy), Some((owed, Why::Probe)));
    assert!(p.on_void(ANN, owed), "it is wanted again");
    let (of_eve, _) = p.next_span(EVE, &only, 65536, Ask::Fresh).unwrap();
    assert_eq!(of_eve, span(1, 16384, 3 * 16384), "she was asked for the first block");
    assert_eq!(next(&mut p, BEN, &only, 4), Some(owed));
    assert_eq!(p.claim(EVE, owed).granted, [owed], "and is welcome with it");
}

#[test]
fn a_pick_says_how_rare_and_among_how_many() {
    let mut p = picker();
    p.on_verified(PieceIndex(3));
    p.on_joined(&pieces(&[0, 1]));
    let (_, why) = p.next_span(ANN, &pieces(&[0, 1]), 65536, Ask::Fresh).unwrap();
    assert_eq!(why.to_string(), "rarest: availability 1, tie of 2");
}

#[test]
fn whoever_has_a_rarer_piece_is_not_asked_to_finish_a_common_one() {
    let mut p = picker();
    p.on_verified(PieceIndex(3)); // not our first piece any more
    let (all, common) = (Bitfield::full(4), pieces(&[0]));
    p.on_joined(&all);
    p.on_joined(&common);
    let begun = next(&mut p, BEN, &common, 1).unwrap();
    assert_eq!(begun.piece, PieceIndex(0));
    let (span, why) = p.next_span(ANN, &all, 16384, Ask::Fresh).unwrap();
    assert_ne!(span.piece, PieceIndex(0), "Ben's piece is had by two");
    assert_eq!(why, Why::Rarest { availability: 1, ties: 2 });
    let (more, why) = p.next_span(ANN, &all, 16384, Ask::Fresh).unwrap();
    assert_eq!((more.piece, why), (span.piece, Why::Begun), "she goes on with hers");
    assert_eq!(next(&mut p, BEN, &common, 1).map(|span| span.offset), Some(16384));
}
