//! What a peer may say, and what counts as an answer.

use super::fault::UNASKED;
use super::having::{MOST_TAKEN_BACK, SEED_NO_MORE};
use super::*;
use crate::protocol::message::BITFIELD_PART;

fn session(pieces: u32) -> Session {
    let address = "127.0.0.1:1".parse().unwrap();
    let dialect = Dialect::Native;
    Session::new(Moment::START, PeerKey(1), address, dialect, pieces, Duration::from_secs(20))
}

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

fn span(offset: u32, length: u32) -> Span {
    Span { piece: PieceIndex(0), offset, length }
}

#[test]
fn a_long_bitfield_comes_in_parts_and_a_second_one_is_a_fault() {
    let mut s = session(BITFIELD_PART as u32 * 8 + 12);
    s.on_bitfield(0, &vec![0xff; BITFIELD_PART]).unwrap();
    s.on_bitfield(BITFIELD_PART as u32 * 8, &[0x00, 0xf0]).unwrap();
    assert_eq!(s.have().count(), BITFIELD_PART as u32 * 8 + 4);
    assert_eq!(s.on_bitfield(0, &[0xff, 0, 0]), Err(Fault::HadSpoken));
    assert_eq!(s.on_have_all_or_none(true), Err(Fault::HadSpoken));
}

#[test]
fn a_bittorrent_peer_may_say_again_what_it_has_as_long_as_that_is_news() {
    let mut s = Session { dialect: Dialect::BitTorrent, ..session(20) };
    s.on_bitfield(0, &[0x80, 0, 0]).unwrap();
    s.on_bitfield(0, &[0x40, 0, 0x10]).unwrap();
    assert_eq!(s.have().count(), 3);
    assert!(matches!(s.on_bitfield(0, &[0, 0]), Err(Fault::Bitfield(_))));
    let again = (0..100).find_map(|_| s.on_bitfield(0, &[0x80, 0, 0]).err());
    assert_eq!(again, Some(Fault::HadSpoken));
}

#[test]
fn a_bitfield_too_long_or_with_spare_bits_is_a_fault() {
    assert!(matches!(session(20).on_bitfield(0, &[0; 4]), Err(Fault::Bitfield(_))));
    assert!(matches!(session(20).on_bitfield(0, &[0, 0, 1]), Err(Fault::Bitfield(_))));
    assert_eq!(session(20).on_bitfield(8, &[0]), Err(Fault::HadSpoken));
    for short in [&[][..], &[0, 0]] {
        assert!(matches!(session(20).on_bitfield(0, short), Err(Fault::Bitfield(_))));
    }
}

#[test]
fn a_choked_bittorrent_peer_gets_what_it_was_allowed_once_and_else_is_a_fault() {
    let geometry = Geometry::v1(65536, 3 * 65536).unwrap();
    let ours = Bitfield::full(3);
    let of = |piece: u32, offset: u32| Span { piece: PieceIndex(piece), ..span(offset, 16384) };
    let mut s = Session { dialect: Dialect::BitTorrent, ..session(3) };
    s.on_fast_given(vec![PieceIndex(1)], 65536);
    for n in 0..4 {
        assert_eq!(s.on_request(&geometry, &ours, of(1, n * 16384)), Ok(true));
    }
    assert_eq!(s.on_request(&geometry, &ours, of(1, 0)), Ok(false), "it had its share");
    let never = s.on_request(&geometry, &ours, of(0, 0));
    assert_eq!(never, Err(Fault::RequestWhileChoked));
    s.set_choking(at(0), false);
    s.set_choking(at(1), true);
    assert_eq!(s.on_request(&geometry, &ours, of(0, 0)), Ok(false), "it crossed our CHOKE");
    let end = (0..=CROSSED).find_map(|_| s.on_request(&geometry, &ours, of(0, 0)).err());
    assert_eq!(end, Some(Fault::RequestWhileChoked));
}

#[test]
fn a_have_out_of_range_is_a_fault() {
    let fault = Fault::HaveOutOfRange(PieceIndex(3));
    assert_eq!(session(3).on_have(PieceIndex(3)), Err(fault));
    assert_eq!(session(3).on_have(PieceIndex(2)), Ok(true));
}

#[test]
fn pieces_may_be_taken_back_only_so_often() {
    let until_the_fault = |s: &mut Session, pieces: u32| {
        let mut again = |n: u32| {
            let piece = PieceIndex(n % pieces);
            s.on_have(piece).unwrap();
            s.on_dont_have(piece).err().map(|fault| (n, fault))
        };
        (0..9999).find_map(&mut again)
    };
    let mut some = session(3);
    some.on_dont_have(PieceIndex(1)).unwrap();
    assert_eq!(some.taken_back, 0, "no news costs nothing");
    let fault = Some((MOST_TAKEN_BACK, Fault::ManyTakenBack));
    assert_eq!(until_the_fault(&mut some, 3), fault);
    let fault = Some((MOST_TAKEN_BACK / SEED_NO_MORE, Fault::ManyTakenBack));
    assert_eq!(until_the_fault(&mut session(1), 1), fault);
    let fault = Fault::HaveOutOfRange(PieceIndex(3));
    assert_eq!(session(3).on_dont_have(PieceIndex(3)), Err(fault));
}

#[test]
fn a_request_is_answered_in_parts() {
    let mut s = session(1);
    s.requests.on_asked(at(0), span(0, 65536));
    assert_eq!(s.requests.on_chunk(at(1), span(0, 32768)), Ok(true));
    assert!(!s.is_idle());
    assert_eq!(s.requests.on_chunk(at(1), span(32768, 32768)), Ok(true));
    assert!(s.is_idle());
    assert_eq!(s.requests.pipeline.in_flight(), 0);
}

#[test]
fn a_block_sent_again_or_a_few_bytes_of_one_are_no_answer() {
    let mut s = session(1);
    s.requests.on_asked(at(0), span(0, 65536));
    assert_eq!(s.requests.on_chunk(at(1), span(0, 16384)), Ok(true));
    for odd in [span(0, 16384), span(32768, 16384), span(16384, 1), span(16384, 0)] {
        assert_eq!(s.requests.on_chunk(at(2), odd), Ok(false), "{odd}");
    }
    assert_eq!(s.requests.on_chunk(at(2), span(u32::MAX, 16384)), Ok(false));
    assert_eq!(s.requests.pipeline.in_flight(), 49152);
    assert_eq!(s.requests.deadline(Duration::from_secs(10)), Some(at(11)), "only an answer counts");
}

#[test]
fn what_comes_late_is_still_welcome_but_what_was_never_asked_is_not() {
    let mut s = session(1);
    let timeout = Duration::from_secs(10);
    s.requests.on_asked(at(0), span(0, 16384));
    assert_eq!(s.requests.deadline(timeout), Some(at(10)));
    assert_eq!(s.requests.next_missed(at(9), timeout), []);
    assert_eq!(s.requests.next_missed(at(10), timeout), [span(0, 16384)]);
    assert!(s.requests.pipeline.is_snubbed());
    assert_eq!(s.requests.on_chunk(at(11), span(0, 16384)), Ok(true));
    assert!(!s.requests.pipeline.is_snubbed());
    for _ in 0..UNASKED {
        assert_eq!(s.requests.on_chunk(at(11), span(16384, 16384)), Ok(false));
    }
    assert_eq!(s.requests.on_chunk(at(11), span(16384, 16384)), Err(Fault::ChunksNotAsked));
}

#[test]
fn a_late_block_makes_up_for_missed_deadlines_if_it_is_of_use() {
    let (mut s, timeout) = (session(1), Duration::from_secs(10));
    s.requests.on_asked(at(0), span(0, 16384));
    s.requests.next_missed(at(10), timeout);
    s.requests.on_asked(at(10), span(16384, 16384));
    s.requests.next_missed(at(20), timeout);
    assert_eq!(s.requests.on_chunk(at(21), span(0, 16384)), Ok(true));
    assert_eq!(s.requests.misses, 2, "another sent it first");
    assert_eq!(s.requests.on_chunk(at(22), span(16384, 16384)), Ok(true));
    s.on_granted(at(22), 16384);
    assert_eq!(s.requests.misses, 0);
}

#[test]
fn a_request_is_cancelled_from_its_end() {
    let mut s = session(1);
    s.requests.on_asked(at(0), span(0, 65536));
    assert!(!s.requests.on_cancelled(at(0), span(16384, 16384)), "the middle is asked as it was");
    assert!(s.requests.on_cancelled(at(0), span(49152, 16384)));
    assert!(s.requests.on_cancelled(at(0), span(32768, 16384)));
    assert_eq!(s.requests.pipeline.in_flight(), 32768);
    assert_eq!(s.requests.on_chunk(at(1), span(0, 16384)), Ok(true));
    assert!(!s.is_idle());
    assert_eq!(s.requests.on_chunk(at(1), span(16384, 32768)), Ok(true), "it crossed the cancel");
    assert!(s.is_idle());
    assert_eq!(s.requests.pipeline.in_flight(), 0);
    assert_eq!(s.requests.on_chunk(at(1), span(49152, 16384)), Ok(true), "so did this");
}

#[test]
fn who_is_late_is_let_off_by_no_cancel() {
    let (mut s, timeout) = (session(1), Duration::from_secs(10));
    let outrun = |s: &mut Session, from, to, part| {
        s.requests.on_asked(at(from), part);
        assert_eq!(s.requests.next_missed(at(to), timeout), [], "{from} to {to}");
        assert!(s.requests.on_cancelled(at(to), part));
    };
    outrun(&mut s, 0, 9, span(0, 16384));
    s.requests.on_asked(at(9), span(0, 16384));
    assert_eq!(s.requests.deadline(timeout), Some(at(19)), "it missed nothing yet");
    assert_eq!(s.requests.next_missed(at(19), timeout), [span(0, 16384)]);
    outrun(&mut s, 20, 24, span(16384, 16384));
    outrun(&mut s, 30, 33, span(32768, 16384));
    s.requests.on_asked(at(40), span(49152, 16384));
    assert_eq!(s.requests.deadline(timeout), Some(at(43)), "7 s are over, while it was asked");
    assert_eq!(s.requests.next_missed(at(42), timeout), []);
    assert_eq!(s.requests.next_missed(at(43), timeout), [span(49152, 16384)]);
    assert_eq!(s.requests.misses, 2);

    outrun(&mut s, 50, 58, span(16384, 16384));
    s.requests.on_asked(at(60), span(32768, 16384));
    assert_eq!(s.requests.on_chunk(at(61), span(16384, 16384)), Ok(true), "late, but there it is");
    assert_eq!(s.requests.deadline(timeout), Some(at(70)), "it has all its time again");
}

#[test]
fn a_rejected_request_waits_no_longer() {
    let mut s = session(1);
    s.requests.on_asked(at(0), span(0, 16384));
    assert!(s.on_reject(span(0, 16384)));
    assert!(!s.on_reject(span(0, 16384)));
    assert_eq!(s.requests.pipeline.in_flight(), 0);
}
