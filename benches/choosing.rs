//! What a decision costs on one core of this machine: `cargo bench --bench choosing`.
//!
//! A small table, best of seven, in nanoseconds, beside what each may cost: a HAVE comes for every
//! piece of every peer, and a pick for every request.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Moment;
use swarmlet::geometry::{BLOCK_LEN, Geometry};
use swarmlet::ids::PieceIndex;
use swarmlet::logic::PeerKey;
use swarmlet::logic::choker::{self, Candidate, Choker, ChokerPolicy};
use swarmlet::logic::picker::{Ask, Picker, Policy};
use swarmlet::logic::rate::Rate;
use swarmlet::logic::swarm::{Params, Swarm};
use swarmlet::protocol::Dialect;
use swarmlet::protocol::message::Message;

const PIECES: u32 = 10_000;
const PIECE: u32 = 32 * BLOCK_LEN;

/// Nanoseconds of one of `count` steps on a world of their own, the best of seven.
fn cost<W>(count: u32, world: impl Fn() -> W, mut step: impl FnMut(&mut W, u32)) -> f64 {
    let mut once = || {
        let mut world = world();
        let start = Instant::now();
        (0..count).for_each(|n| step(&mut world, n));
        start.elapsed().as_nanos() as f64 / f64::from(count)
    };
    (0..7).map(|_| once()).fold(f64::INFINITY, f64::min)
}

fn row(name: &str, cost: f64, budget: f64) {
    let verdict = if cost <= budget { "" } else { "  over" };
    println!("{name:<52} {cost:>9.1} ns of {budget:>9.0}{verdict}");
}

fn geometry() -> Geometry {
    Geometry::v1(PIECE, u64::from(PIECE) * u64::from(PIECES)).expect("a torrent of 5 GB")
}

/// Half of the pieces, others for every seed.
fn half(seed: u64) -> Bitfield {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut have = Bitfield::new(PIECES);
    (0..PIECES).filter(|_| dice.bool()).for_each(|piece| _ = have.set(PieceIndex(piece)));
    have
}

/// A picker that has one piece, fifty peers with half of them each, and thirty pieces begun, all of
/// which were asked of others.
fn busy_picker(policy: Policy) -> Picker {
    let mut have = Bitfield::new(PIECES);
    have.set(PieceIndex(7));
    let mut picker = Picker::new(geometry(), have, policy, fastrand::Rng::with_seed(1));
    (0..50).for_each(|seed| picker.on_joined(&half(seed)));
    let all = Bitfield::full(PIECES);
    for peer in 0..30 {
        picker.next_span(PeerKey(1000 + peer), &all, PIECE.into(), Ask::Fresh);
    }
    picker
}

fn pick(policy: Policy, theirs: &Bitfield) -> f64 {
    // What was picked is given up again, so that the state stays what it is.
    let step = |picker: &mut Picker, _| {
        let pick = picker.next_span(PeerKey(1), black_box(theirs), PIECE.into(), Ask::Fresh);
        let (span, _) = pick.expect("there is enough");
        picker.on_void(PeerKey(1), span);
    };
    cost(2000, || busy_picker(policy), step)
}

/// Sixteen picks of a new piece by as many peers; a copy of the picker for each sixteen.
fn new_pick(policy: Policy, theirs: &Bitfield) -> f64 {
    let busy = busy_picker(policy);
    let sixteen = |picker: &mut Picker, n: u32| {
        let pick = picker.next_span(PeerKey(n.into()), black_box(theirs), PIECE.into(), Ask::Fresh);
        black_box(pick.expect("there is enough"));
    };
    (0..50).map(|_| cost(16, || busy.clone(), sixteen)).fold(f64::INFINITY, f64::min)
}

/// A piece of a seed from its pick to its verification.
fn whole_piece(policy: Policy, theirs: &Bitfield) -> f64 {
    let step = |picker: &mut Picker, _| {
        let pick = picker.next_span(PeerKey(1), black_box(theirs), PIECE.into(), Ask::Fresh);
        let (span, _) = pick.expect("there is enough");
        picker.on_verified(span.piece);
    };
    cost(2000, || busy_picker(policy), step)
}

fn round(policy: ChokerPolicy) -> f64 {
    let candidate = |n: u64| Candidate {
        gives: n * 1000,
        last_block: Some(Moment::START),
        ..Candidate::new(PeerKey(n), Moment::START)
    };
    let peers: Vec<Candidate> = (0..50).map(candidate).collect();
    let choker = || Choker::new(policy, choker::Params::default(), fastrand::Rng::with_seed(1));
    cost(2000, choker, |choker, _| drop(black_box(choker.next_round(Moment::START, false, &peers))))
}

fn rate() -> f64 {
    let at = |millis: u32| Moment::after(Duration::from_millis(millis.into()));
    let full = || {
        let mut rate = Rate::over(Duration::from_secs(20));
        (0..300).for_each(|n| rate.add(at(n * 100), 16_384));
        rate
    };
    cost(100_000, full, |rate, n| _ = black_box(rate.per_second(at(30_000 + n / 1000))))
}

/// HAVE of two hundred peers in turns, half of whom serve us.
fn have_in_a_swarm() -> f64 {
    let crowd = || {
        let params = Params { super_seeding: false, seed: 1, ..Params::default() };
        let mut swarm = Swarm::new(geometry(), Bitfield::new(PIECES), params);
        let mut out = Vec::new();
        for peer in 0..200 {
            let address = SocketAddr::from(([10, 0, 0, peer as u8], 6881));
            swarm.on_joined(Moment::START, PeerKey(peer), address, Dialect::Native);
            let bits = half(peer);
            let bitfield = Message::Bitfield { first: 0, bits: bits.as_bytes() };
            let said = [bitfield, Message::Interested, Message::Unchoke];
            for message in &said[..2 + peer as usize % 2] {
                let heard = swarm.on_message(Moment::START, PeerKey(peer), message, &mut out);
                heard.expect("it breaks no rule");
            }
        }
        (swarm, Vec::new())
    };
    cost(100_000, crowd, |(swarm, out), n| {
        let have = Message::Have(PieceIndex(n / 200 * 19 % PIECES));
        let heard = swarm.on_message(Moment::START, PeerKey((n % 200).into()), &have, out);
        heard.expect("it breaks no rule");
    })
}

fn main() {
    let mut theirs = Bitfield::new(PIECES);
    let on_have = cost(
        PIECES - 1,
        || busy_picker(Policy::Rarest),
        |picker, n| {
            // Every piece once, in no order.
            let piece = PieceIndex(n * 7919 % PIECES);
            picker.on_have(black_box(piece), black_box(&theirs));
        },
    );
    row("picker: HAVE, 10,000 pieces", on_have, 50.0);
    theirs = half(3);
    for policy in [Policy::Rarest, Policy::Random, Policy::Sequential] {
        row(
            &format!("picker: more of a piece, 30 begun, {policy:?}"),
            pick(policy, &theirs),
            1000.0,
        );
        row(
            &format!("picker: a new piece, 30 begun, {policy:?}"),
            new_pick(policy, &theirs),
            1000.0,
        );
        row(
            &format!("picker: a new piece and its verification, {policy:?}"),
            whole_piece(policy, &Bitfield::full(PIECES)),
            2000.0,
        );
    }
    for policy in ChokerPolicy::ALL {
        row(&format!("choker: a round of 50 peers, {policy}"), round(policy), 50_000.0);
    }
    row("rate: bytes per second", rate(), 30.0);
    row("swarm: HAVE, 200 peers", have_in_a_swarm(), 1000.0);
}
