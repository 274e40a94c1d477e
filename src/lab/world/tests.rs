//! What holds in every world.

use super::*;
use crate::ids::PieceIndex;
use crate::logic::choker::ChokerPolicy;
use crate::logic::picker::Policy;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

const MIB: u64 = 1 << 20;

fn secs(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

/// A seed and leechers that send 1 MiB/s each, over 4 MiB in 64 pieces.
fn small(leechers: usize, options: WorldOptions) -> World {
    let mut world = World::new(WorldOptions { pieces: 64, ..options });
    world.add_peer(PeerOptions::seed(2 * MIB));
    (0..leechers).for_each(|_| _ = world.add_peer(PeerOptions::leecher(MIB)));
    world
}

fn finished(mut world: World) -> World {
    let all = world.run_until(Duration::from_mins(10));
    assert!(all, "not all is there: {:#?}", world.reports());
    world
}

/// What must hold, whatever happened.
fn check(world: &World) {
    let sum = |of: fn(&PeerReport) -> u64| world.reports().iter().map(of).sum::<u64>();
    let under_way = world.agenda.under_way();
    assert_eq!(sum(|r| r.sent), sum(|r| r.received) + under_way, "what is sent arrives");
    for (peer, report) in world.peers.iter().zip(world.reports()) {
        assert_eq!(report.faults, [], "our own peers break no rule");
        if report.completed.is_some() {
            let lacked = (0..peer.options.lacks.unwrap_or(u32::MAX).min(world.geometry.pieces()))
                .map(|piece| u64::from(world.geometry.length_of(PieceIndex(piece))));
            assert_eq!(report.received - report.wasted, lacked.sum::<u64>());
        }
        let present = report.left.unwrap_or(world.now).since(report.joined.unwrap_or(world.now));
        let Some(rate) = peer.options.up else { continue };
        assert!(report.sent as f64 <= rate as f64 * present.as_secs_f64() + 1.0, "{report:?}");
    }
}

#[test]
fn one_seed_of_the_dice_makes_one_run() {
    let run = |seed| {
        let world = finished(small(6, WorldOptions { seed, ..WorldOptions::default() }));
        check(&world);
        format!("{:?}", world.reports())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// All that a world tells, in which peers come, go in the middle of a block, and speak both dialects.
fn traced(seed: u64) -> String {
    let told = Rc::new(RefCell::new(String::new()));
    let sink = told.clone();
    let mut world = World::new(WorldOptions { pieces: 16, seed, ..WorldOptions::default() });
    world.trace_to(Box::new(move |line| sink.borrow_mut().push_str(line)));
    world.add_peer(PeerOptions::seed(2 * MIB));
    (0..3).for_each(|_| _ = world.add_peer(PeerOptions::leecher(MIB)));
    let bittorrent = PeerOptions { dialect: Dialect::BitTorrent, ..PeerOptions::leecher(MIB) };
    world.add_peer(bittorrent.clone());
    let leaves = Leaves::At(Moment::after(Duration::from_millis(700)));
    world.add_peer(PeerOptions { leaves, ..bittorrent });
    world.run_until(Duration::from_mins(1));
    check(&world);
    told.take()
}

#[test]
fn one_seed_of_the_dice_makes_one_trace_byte_by_byte() {
    let trace = traced(1);
    assert_eq!(trace, traced(1));
    assert_ne!(trace, traced(2));
    for ev in ["start", "open", "send", "recv", "pick", "unchoke", "verify", "complete", "close"] {
        assert!(trace.contains(&format!("\"ev\":\"{ev}\"")), "no {ev}");
    }
}

#[test]
fn what_a_peer_of_a_world_hears_was_said_before_under_the_same_number() {
    let mut said = HashMap::new();
    let mut heard = 0;
    for line in traced(3).lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        let word = ["msg", "kind", "piece", "off", "len"].map(|key| line[key].clone());
        let key = |from: &str, to: &str| ["conn", from, to, "seq"].map(|key| line[key].to_string());
        match line["ev"].as_str() {
            Some("send") => assert_eq!(said.insert(key("n", "to"), word), None, "{line}"),
            Some("recv") => {
                assert_eq!(said.get(&key("from", "n")), Some(&word), "{line}");
                heard += 1;
            }
            _ => {}
        }
    }
    assert!(heard > 100, "{heard}");
}

#[test]
fn one_leecher_takes_as_long_as_the_slower_of_two_links_needs() {
    let check_rates = |up: u64, down: Option<u64>, seconds: f64| {
        let mut world = World::new(WorldOptions { pieces: 64, ..WorldOptions::default() });
        world.add_peer(PeerOptions::seed(up));
        let leecher = world.add_peer(PeerOptions { down, ..PeerOptions::leecher(0) });
        let world = finished(world);
        let took = world.reports()[leecher].took().expect("it is complete").as_secs_f64();
        // One latency for each of HAVE_ALL, INTERESTED, UNCHOKE, GET and a block, and a block more
        // where it waits at the other link.
        assert!(took >= seconds && took <= seconds * 1.01 + 0.01, "{took}, not {seconds}");
        check(&world);
    };
    check_rates(MIB, None, 4.0);
    check_rates(MIB / 2, None, 8.0);
    check_rates(8 * MIB, Some(MIB), 4.0);
    check_rates(MIB, Some(8 * MIB), 4.0);
}

#[test]
fn leechers_serve_each_other_in_both_dialects() {
    for dialect in [Dialect::Native, Dialect::BitTorrent] {
        let mut world = World::new(WorldOptions { pieces: 64, ..WorldOptions::default() });
        let seed = world.add_peer(PeerOptions { dialect, ..PeerOptions::seed(MIB) });
        (0..4).for_each(|_| _ = world.add_peer(PeerOptions::leecher(MIB)));
        let world = finished(world);
        check(&world);
        let alone = 4 * world.geometry.total();
        assert!(world.reports()[seed].sent < alone / 2, "{dialect}: {}", world.seed_copies());
    }
}

#[test]
fn who_comes_late_and_knows_few_gets_everything_too() {
    let mut world = small(4, WorldOptions { degree: Some(2), ..WorldOptions::default() });
    let late = PeerOptions { joins: secs(5), ..PeerOptions::leecher(MIB) };
    let late = world.add_peer(late);
    let world = finished(world);
    check(&world);
    assert_eq!(world.reports()[late].joined, Some(secs(5)));
    assert_eq!(world.peers[late].connections.len(), 2);
}

#[test]
fn a_peer_that_goes_sends_and_gets_nothing_any_more() {
    let mut world = small(2, WorldOptions::default());
    let early =
        world.add_peer(PeerOptions { leaves: Leaves::At(secs(1)), ..PeerOptions::leecher(MIB) });
    let brief = Leaves::AfterCompletion(Duration::ZERO);
    let brief = world.add_peer(PeerOptions { leaves: brief, ..PeerOptions::leecher(MIB) });
    let never = world.add_peer(PeerOptions {
        leaves: Leaves::At(secs(1)),
        joins: secs(2),
        ..PeerOptions::leecher(MIB)
    });
    let world = finished(world);
    check(&world);
    let reports = world.reports();
    assert_eq!((reports[early].left, reports[early].completed), (Some(secs(1)), None));
    assert_eq!(reports[never].joined, None);
    assert!(reports[brief].left.is_none() || reports[brief].left == reports[brief].completed);
}

#[test]
fn without_a_seed_nobody_gets_everything_and_the_run_ends_at_its_limit() {
    let mut world = small(3, WorldOptions::default());
    world.peers[0].options.leaves = Leaves::Never;
    world.agenda.plan(secs(1), Event::Leaves(0));
    assert!(!world.run_until(Duration::from_mins(1)));
    assert!(world.seed_copies() <= 0.5 && world.seed_copies() > 0.4, "{}", world.seed_copies());
    assert_eq!(world.last_completion(), None);
    check(&world);
}

#[test]
fn a_liar_is_found_and_all_who_talk_to_it_get_the_right_bytes() {
    for liar in [Role::Seed, Role::Leecher] {
        let mut world = small(3, WorldOptions::default());
        let lies = PeerOptions { role: liar, honesty: Honesty::Liar, ..PeerOptions::leecher(MIB) };
        let liar = world.add_peer(lies);
        world.run_until(Duration::from_mins(1));
        check(&world);
        let reports = world.reports();
        let honest = || reports.iter().enumerate().filter(|(peer, _)| *peer != liar && *peer != 0);
        assert!(honest().all(|(_, report)| report.completed.is_some()), "{reports:#?}");
        assert!(honest().any(|(_, report)| report.bans > 0), "{reports:#?}");
        assert!(world.waste() > 0.0 && world.waste() < 0.5, "{}", world.waste());
    }
}

#[test]
fn a_free_rider_gets_everything_and_gives_nothing() {
    let mut world = small(4, WorldOptions::default());
    let rider = world.add_peer(PeerOptions { upload_slots: 0, ..PeerOptions::leecher(MIB) });
    let world = finished(world);
    check(&world);
    assert_eq!(world.reports()[rider].sent, 0);
}

#[test]
fn whatever_peers_do_what_is_sent_arrives_and_no_rule_is_broken() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(WorldOptions {
            piece_length: 16384 << rng.u32(0..4),
            pieces: rng.u32(1..60),
            latency: Duration::from_millis(rng.u64(0..200)),
            time_scale: 1.0 + 9.0 * rng.f64(), // a round is longer than what is under way
            degree: rng.bool().then_some(3),
            seed,
            ..WorldOptions::default()
        });
        world.add_peer(PeerOptions { up: None, ..PeerOptions::seed(0) });
        for _ in 0..rng.usize(1..12) {
            let leaves = match rng.u32(0..4) {
                0 => Leaves::At(secs(rng.u64(0..20))),
                1 => Leaves::AfterCompletion(Duration::from_millis(rng.u64(0..2000))),
                _ => Leaves::Never,
            };
            world.add_peer(PeerOptions {
                role: if rng.u32(0..6) == 0 { Role::Seed } else { Role::Leecher },
                joins: secs(rng.u64(0..10)),
                leaves,
                up: rng.bool().then(|| rng.u64(10_000..MIB)),
                lacks: rng.bool().then(|| rng.u32(1..4)),
                down: rng.bool().then(|| rng.u64(10_000..MIB)),
                upload_slots: rng.usize(0..6),
                picker: *rng.choice(&[Policy::Rarest, Policy::Random, Policy::Sequential]).unwrap(),
                dialect: if rng.bool() { Dialect::Native } else { Dialect::BitTorrent },
                choker: *rng.choice(&ChokerPolicy::ALL).unwrap(),
                super_seeding: rng.bool(),
                keeps_partial: true,
                honesty: Honesty::Honest,
                large_view: false,
                pipeline: None,
                endgame: true,
            });
        }
        let all = world.run_until(Duration::from_hours(1));
        assert!(all || world.options.degree.is_some(), "{seed}: {:#?}", world.reports());
        check(&world);
    }
}
