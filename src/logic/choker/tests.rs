//! The rules of the chokers, one by one, and what holds for all of them over many rounds.

use super::{Candidate, Choker, ChokerPolicy, EQUAL, Params, Served, Strategy, View, Why};
use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::logic::timers::Timers;
use proptest::prelude::{Just, any, prop, prop_oneof, proptest};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A choker among peers, in virtual time: what it decides is done, and counted.
struct World {
    choker: Choker,
    peers: Vec<Candidate>,
    now: Moment,
    seeding: bool,
    /// For how many rounds each was served.
    turns: BTreeMap<PeerKey, u32>,
}

impl World {
    fn new(policy: ChokerPolicy, slots: usize, peers: u64) -> Self {
        let params = Params { slots, upload_capacity: Some(400_000), ..Params::default() };
        let peers = (0..peers).map(|n| Candidate::new(PeerKey(n), Moment::START)).collect();
        Self {
            choker: Choker::new(policy, params, fastrand::Rng::with_seed(1)),
            peers,
            now: Moment::START,
            seeding: false,
            turns: BTreeMap::new(),
        }
    }

    fn seeding(slots: usize, peers: u64) -> Self {
        Self { seeding: true, ..Self::new(ChokerPolicy::Legout, slots, peers) }
    }

    /// These give so many bytes per second from now on; who is named 0 has fallen silent.
    fn give(&mut self, rates: &[(u64, u64)]) {
        for &(peer, rate) in rates {
            let peer = &mut self.peers[peer as usize];
            (peer.gives, peer.serves_us) = (rate, rate > 0);
            peer.last_block = if rate > 0 { Some(self.now) } else { peer.last_block };
        }
    }

    /// A round later.
    fn round(&mut self) -> Vec<Served> {
        self.now = self.now + Timers::default().round;
        for p in self.peers.iter_mut().filter(|p| p.gives > 0) {
            p.last_block = Some(self.now);
        }
        let served = self.choker.next_round(self.now, self.seeding, &self.peers);
        for p in &mut self.peers {
            let unchoked = served.iter().any(|s| s.peer == p.peer);
            p.since = if unchoked == p.unchoked { p.since } else { self.now };
            (p.unchoked, p.pending) = (unchoked, unchoked);
            p.takes = if unchoked { 1000 } else { 0 };
        }
        served.iter().for_each(|s| *self.turns.entry(s.peer).or_default() += 1);
        served
    }

    fn rounds(&mut self, rounds: u32) -> Vec<Vec<Served>> {
        (0..rounds).map(|_| self.round()).collect()
    }

    fn free_slot(&mut self) -> Option<Served> {
        let served = self.choker.next_for_free_slot(self.now, self.seeding, &self.peers)?;
        self.peers[served.peer.0 as usize].unchoked = true;
        Some(served)
    }

    /// By how many percent the turns of the luckiest and the least lucky are off an equal share.
    fn unfairness(&self) -> f64 {
        let turns: Vec<u32> =
            self.peers.iter().map(|p| self.turns.get(&p.peer).copied().unwrap_or(0)).collect();
        let mean = f64::from(turns.iter().sum::<u32>()) / turns.len() as f64;
        let off = turns.iter().map(|&n| (f64::from(n) - mean).abs() / mean * 100.0);
        off.fold(0.0, f64::max)
    }
}

fn names(served: &[Served]) -> BTreeSet<u64> {
    served.iter().map(|s| s.peer.0).collect()
}

fn earned(served: &[Served]) -> BTreeSet<u64> {
    let gives = |s: &&Served| matches!(s.why, Why::Gives { .. });
    served.iter().filter(gives).map(|s| s.peer.0).collect()
}

fn on_trial(served: &[Served]) -> BTreeSet<u64> {
    let trial = |s: &&Served| matches!(s.why, Why::Optimistic { .. });
    served.iter().filter(trial).map(|s| s.peer.0).collect()
}

#[test]
fn a_leecher_serves_the_three_who_give_most_and_one_on_trial() {
    let mut world = World::new(ChokerPolicy::TitForTat, 4, 8);
    world.give(&[(1, 100), (5, 500), (6, 600), (7, 700)]);
    let served = world.round();
    assert_eq!(earned(&served), [5, 6, 7].into());
    assert_eq!(on_trial(&served).len(), 1);
    assert_eq!(served[2].why, Why::Gives { rank: 3, of: 4, rate: 500 });
    assert_eq!(served[3].why, Why::Optimistic { among: 5 });
}

#[test]
fn more_slots_keep_one_of_four_on_trial() {
    for (slots, trials) in [(2, 1), (3, 1), (4, 1), (7, 1), (8, 2), (20, 5)] {
        let mut world = World::new(ChokerPolicy::TitForTat, slots, 40);
        world.give(&(0..30).map(|n| (n, 1000 + n)).collect::<Vec<_>>());
        let served = world.round();
        assert_eq!((served.len(), on_trial(&served).len()), (slots, trials));
    }
}

#[test]
fn a_trial_lasts_three_rounds_and_then_another_has_its_turn() {
    let mut world = World::new(ChokerPolicy::TitForTat, 4, 20);
    world.give(&[(0, 10), (1, 10), (2, 10)]);
    let trials: Vec<_> = world.rounds(9).iter().map(|served| on_trial(served)).collect();
    for three in trials.chunks(3) {
        assert!(three[0] == three[1] && three[1] == three[2], "{trials:?}");
    }
    assert!(trials[0] != trials[3] && trials[3] != trials[6], "{trials:?}");
}

#[test]
fn who_proves_to_give_on_trial_earns_a_slot_and_another_is_tried() {
    let mut world = World::new(ChokerPolicy::TitForTat, 4, 20);
    world.give(&[(0, 10), (1, 10), (2, 10)]);
    let tried = *on_trial(&world.round()).first().unwrap();
    world.give(&[(tried, 50)]);
    let served = world.round();
    assert!(earned(&served).contains(&tried));
    assert!(!on_trial(&served).contains(&tried) && on_trial(&served).len() == 1);
}

#[test]
fn among_equals_those_served_already_keep_their_slots() {
    let mut world = World::new(ChokerPolicy::TitForTat, 4, 9);
    world.give(&(0..9).map(|n| (n, 1000)).collect::<Vec<_>>());
    let first = earned(&world.round());
    assert!(world.rounds(20).iter().all(|served| earned(served) == first));
}

#[test]
fn among_equals_who_wait_the_lot_decides_and_not_the_number() {
    let first = |seed| {
        let mut world = World::new(ChokerPolicy::TitForTat, 4, 9);
        world.choker.rng = fastrand::Rng::with_seed(seed);
        world.give(&(0..9).map(|n| (n, 1000)).collect::<Vec<_>>());
        earned(&world.round())
    };
    let all: BTreeSet<u64> = (0..20).flat_map(first).collect();
    assert_eq!(all.len(), 9);
}

#[test]
fn who_sent_nothing_for_a_minute_is_served_on_trial_only() {
    let mut world = World::new(ChokerPolicy::TitForTat, 4, 9);
    world.give(&[(0, 10), (1, 10), (2, 10)]);
    assert_eq!(earned(&world.round()), [0, 1, 2].into());
    world.give(&[(2, 0)]);
    let silent = world.rounds(6);
    assert!(silent[..5].iter().all(|served| earned(served) == [0, 1, 2].into()));
    assert_eq!(earned(&silent[5]), [0, 1].into());
    assert_eq!(on_trial(&silent[5]).len(), 2, "what nobody earned is on trial");
}

#[test]
fn while_nobody_gives_all_slots_are_on_trial() {
    let mut world = World::new(ChokerPolicy::TitForTat, 4, 9);
    assert_eq!(on_trial(&world.round()).len(), 4);
}

#[test]
fn a_free_slot_goes_to_the_best_giver_who_waits_or_else_on_trial() {
    let mut world = World::new(ChokerPolicy::TitForTat, 4, 9);
    world.give(&[(0, 10), (1, 10), (2, 10)]);
    let served = world.round();
    assert_eq!(world.free_slot(), None, "none is free");
    world.give(&[(5, 70), (6, 60)]);
    let in_vain = world.peers[0];
    world.peers[0].interested = false;
    let expected = if on_trial(&served) == [5].into() { 6 } else { 5 };
    assert_eq!(world.free_slot().unwrap().peer, PeerKey(expected));
    let tried = *on_trial(&served).first().unwrap() as usize;
    world.peers[tried].interested = false;
    assert!(matches!(world.free_slot().unwrap().why, Why::Optimistic { .. }));
    world.peers[0] = in_vain;
    assert_eq!(world.free_slot(), None);
}

#[test]
fn with_one_slot_equal_peers_get_equal_shares() {
    for peers in [2, 5, 8] {
        for gives in [0, 1000] {
            let mut world = World::new(ChokerPolicy::TitForTat, 1, peers);
            world.give(&(0..peers).map(|n| (n, gives)).collect::<Vec<_>>());
            world.rounds(120 * peers as u32);
            assert!(world.unfairness() <= 10.0, "{peers} {gives}: {:?}", world.turns);
        }
        let mut world = World::seeding(1, peers);
        world.rounds(120 * peers as u32);
        assert!(world.unfairness() <= 10.0, "{peers}: {:?}", world.turns);
    }
}

#[test]
fn with_one_slot_half_of_the_time_goes_to_the_best_giver() {
    let mut world = World::new(ChokerPolicy::TitForTat, 1, 5);
    world.give(&[(3, 1000)]);
    world.rounds(600);
    let share = world.turns[&PeerKey(3)];
    assert!((300..=370).contains(&share), "{:?}", world.turns);
}

#[test]
fn a_seeders_turn_lasts_a_minute() {
    let mut world = World::seeding(4, 20);
    let rounds = world.rounds(60);
    for peer in 0..20 {
        let served: Vec<bool> = rounds.iter().map(|r| names(r).contains(&peer)).collect();
        // The first four and those at the end are cut short.
        for turn in served.split(|&served| !served).filter(|turn| !turn.is_empty()) {
            assert!(turn.len() <= 6, "{turn:?}");
        }
    }
    let news = |pair: &[Vec<Served>]| names(&pair[1]).difference(&names(&pair[0])).count();
    let news: Vec<_> = rounds[2..].windows(2).map(news).collect();
    assert!(news.chunks_exact(3).all(|three| three == [1, 1, 0]), "{news:?}");
}

#[test]
fn fifty_peers_all_get_their_turn_with_a_seeder() {
    let mut world = World::seeding(4, 50);
    world.rounds(75);
    assert_eq!(world.turns.len(), 50);
    world.rounds(75 * 20);
    assert!(world.unfairness() <= 10.0, "{:?}", world.turns);
}

#[test]
fn a_seeder_takes_a_slot_first_from_who_does_not_use_it() {
    let mut world = World::seeding(4, 5);
    world.rounds(3);
    let served = || world.peers.iter().filter(|p| p.unchoked);
    let longest = served().min_by_key(|p| p.since).unwrap().peer;
    let idle = served().max_by_key(|p| p.since).unwrap().peer;
    world.peers.iter_mut().for_each(|p| p.pending = p.unchoked && p.peer != idle);
    world.now = world.now + Duration::from_secs(20);
    let served = world.round();
    assert!(!names(&served).contains(&idle.0) && names(&served).contains(&longest.0));
}

#[test]
fn a_seeder_takes_no_slot_away_when_nobody_waits() {
    let mut world = World::seeding(4, 4);
    assert!(world.rounds(9).iter().all(|served| served.len() == 4));
}

#[test]
fn round_robin_gives_half_of_the_slots_to_those_who_waited_longest() {
    let mut world = World::new(ChokerPolicy::RoundRobin, 4, 7);
    for (n, p) in world.peers.iter_mut().enumerate() {
        (p.unchoked, p.since) =
            (n < 4, Moment::after(Duration::from_secs([1, 2, 3, 4, 3, 1, 2][n])));
    }
    assert_eq!(names(&world.round()), [2, 3, 5, 6].into());
}

#[test]
fn random_serves_all_alike_whatever_they_give() {
    let mut world = World::new(ChokerPolicy::Random, 4, 8);
    world.give(&[(7, 1_000_000)]);
    world.rounds(4000);
    assert!(world.unfairness() <= 10.0, "{:?}", world.turns);
}

#[test]
fn all_takes_no_heed_of_slots_and_a_free_rider_serves_nobody() {
    let mut all = World::new(ChokerPolicy::All, 2, 30);
    assert_eq!(all.round().len(), 30);
    let mut none = World::new(ChokerPolicy::FreeRide, 2, 30);
    assert_eq!((none.round().len(), none.free_slot()), (0, None));
}

#[test]
fn a_tyrant_pays_more_to_who_does_not_serve_it_and_less_to_who_would_for_less() {
    let costs = |served: &[Served], peer| {
        let cost = |s: &Served| match s.why {
            Why::Bargain { costs, .. } => (s.peer.0 == peer).then_some(costs),
            _ => None,
        };
        served.iter().find_map(cost)
    };
    let mut world = World::new(ChokerPolicy::BitTyrant, 4, 2);
    let first = world.round();
    assert_eq!((costs(&first, 0), first[0].weight), (Some(100_000), EQUAL));
    world.give(&[(1, 100_000)]);
    let next = world.rounds(4);
    assert_eq!(costs(&next[0], 0), Some(120_000));
    assert_eq!(costs(&next[1], 1), Some(100_000));
    assert_eq!(costs(&next[2], 1), Some(90_000));
    assert_eq!(costs(&next[3], 1), Some(81_000));
    assert_eq!(next[3].iter().find(|s| s.peer.0 == 1).unwrap().weight, 810);
}

#[test]
fn a_tyrant_takes_the_best_bargains_until_its_capacity_is_spent() {
    let mut world = World::new(ChokerPolicy::BitTyrant, 4, 12);
    world.give(&(0..12).map(|n| (n, 10_000 * (n + 1))).collect::<Vec<_>>());
    assert_eq!(names(&world.round()), [8, 9, 10, 11].into());
    let late = &world.rounds(40)[39];
    assert!(late.len() > 8, "what is not paid to these serves others: {late:?}");
    let spent: u64 =
        late.iter().map(|s| if let Why::Bargain { costs, .. } = s.why { costs } else { 0 }).sum();
    assert!(spent <= 400_000, "{spent}");
}

#[test]
fn a_tyrant_without_a_limit_never_prices_others_out_of_their_slots() {
    let params = Params { slots: 4, ..Params::default() };
    let choker = Choker::new(ChokerPolicy::BitTyrant, params, fastrand::Rng::with_seed(1));
    let mut world = World { choker, ..World::new(ChokerPolicy::BitTyrant, 4, 4) };
    assert_eq!(world.rounds(300)[299].len(), 4);
}

#[test]
fn propshare_gives_to_each_what_it_gave_and_a_tenth_to_one_on_trial() {
    let mut world = World::new(ChokerPolicy::PropShare, 4, 6);
    world.give(&[(0, 600), (1, 300), (2, 100)]);
    let served = world.round();
    let weights: Vec<_> = served.iter().map(|s| s.weight).collect();
    assert_eq!(names(&served[..3]), [0, 1, 2].into());
    assert_eq!(weights, [2160, 1080, 360, 400], "of four equal shares");
    assert_eq!(served[0].why, Why::Share { permille: 600 });
}

#[test]
fn propshare_tries_as_many_as_slots_while_nobody_gives() {
    let served = World::new(ChokerPolicy::PropShare, 4, 6).round();
    assert_eq!(on_trial(&served).len(), 4);
    assert!(served.iter().all(|s| s.weight == EQUAL));
}

/// Answers with whatever it was told, fit or not.
#[derive(Debug)]
struct Stubborn(Vec<u64>);

impl Strategy for Stubborn {
    fn next_round(&mut self, _: &View, _: &mut fastrand::Rng) -> Vec<Served> {
        let peers = self.0.iter().map(|&n| Served::equally(PeerKey(n), Why::Own("so I say")));
        peers.collect()
    }

    fn next_for_free_slot(&mut self, view: &View, rng: &mut fastrand::Rng) -> Option<Served> {
        self.next_round(view, rng).pop()
    }
}

#[test]
fn no_strategy_can_serve_strangers_or_twice_or_more_than_there_are_slots() {
    let mut world = World::new(ChokerPolicy::All, 3, 6);
    world.peers[1].interested = false;
    let stubborn = Stubborn(vec![1, 99, 2, 2, 3, 4, 5]);
    world.choker.strategy = Box::new(stubborn);
    assert_eq!(names(&world.round()), [2, 3, 4].into());
    world.peers[2].interested = false;
    assert_eq!(world.free_slot().unwrap().peer, PeerKey(5));
    world.peers[3].interested = false;
    assert_eq!(world.free_slot(), None, "peer 5 is served already");
}

#[test]
fn every_decision_is_remembered_with_its_reason() {
    let mut world = World::new(ChokerPolicy::TitForTat, 2, 3);
    let served = world.round();
    assert_eq!(world.choker.decision(served[0].peer), Some(served[0]));
    world.peers[served[0].peer.0 as usize].interested = false;
    let late = world.free_slot().unwrap();
    assert_eq!(world.choker.decision(late.peer), Some(late));
}

#[test]
fn whatever_the_strategy_who_takes_nothing_has_no_slot_while_others_wait() {
    for policy in ChokerPolicy::ALL {
        for seeding in [false, true] {
            let mut world = World { seeding, ..World::new(policy, 4, 10) };
            world.give(&[(0, 9000), (1, 8000), (2, 7000), (3, 6000)]);
            for nth in 0..4 {
                let peer = &mut world.peers[nth];
                (peer.unchoked, peer.pending, peer.stuck) = (true, true, true);
            }
            let free = world.free_slot();
            assert!(free.is_none_or(|s| s.peer.0 > 3), "{policy}: {free:?}");
            let served = names(&world.round());
            assert!(served.iter().all(|&peer| peer > 3), "{policy}: {served:?}");
            world.peers.truncate(4);
            let again = world.free_slot();
            assert_eq!(again, None, "{policy}: it takes nothing still");
        }
    }
}

#[test]
fn a_crowd_that_takes_nothing_is_looked_through_in_steps_that_double() {
    let mut world = World::seeding(4, 300);
    world.round();
    for more in [4, 8, 16, 32, 64, 64] {
        world.peers.iter_mut().filter(|p| p.unchoked).for_each(|p| p.stuck = true);
        let tried = std::iter::from_fn(|| world.free_slot()).count();
        assert_eq!(tried, more);
    }
    // As long as some take what they are sent there are no more of these than slots.
    let mut world = World::seeding(4, 100);
    world.round();
    world.peers.iter_mut().filter(|p| p.unchoked).take(3).for_each(|p| p.stuck = true);
    let tried = std::iter::from_fn(|| world.free_slot()).count();
    assert_eq!(tried, 3);
}

/// Any state of a peer.
fn candidate(peer: u64) -> impl proptest::strategy::Strategy<Value = Candidate> {
    use proptest::strategy::Strategy as _;
    let rate = || prop_oneof![Just(0), 1..10u64, 1..1u64 << 40];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let at = || (0..2000u64).prop_map(|secs| Moment::after(Duration::from_secs(secs)));
    (flags, rate(), rate(), at(), prop::option::of(at())).prop_map(
        move |((interested, unchoked, serves_us, pending), gives, takes, since, last_block)| {
            let new = Candidate::new(PeerKey(peer), since);
            let new = Candidate { interested, unchoked, serves_us, pending, ..new };
            Candidate { gives, takes, last_block, ..new }
        },
    )
}

fn any_peers() -> impl proptest::strategy::Strategy<Value = Vec<Candidate>> {
    use proptest::strategy::Strategy as _;
    (0..12u64).prop_flat_map(|n| (0..n).map(candidate).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn no_strategy_that_ships_needs_to_be_kept_to_the_rules(
        rounds in prop::collection::vec((any::<bool>(), any_peers()), 1..8),
        slots in 1..6usize,
        upload_capacity in prop::option::of(any::<u64>()),
        seed in any::<u64>(),
    ) {
        for policy in ChokerPolicy::ALL {
            let (mut strategy, mut rng) = (policy.strategy(), fastrand::Rng::with_seed(seed));
            for (round, (seeding, peers)) in (1..).zip(&rounds) {
                let now = Moment::after(Duration::from_secs(1000 + 10 * u64::from(round)));
                let (timers, seeding) = (Timers::default(), *seeding);
                let view = View { now, round, seeding, slots, upload_capacity, timers, peers };
                let served = strategy.next_round(&view, &mut rng);
                let wants = |s: &Served| view.interested().any(|p| p.peer == s.peer);
                assert!(served.iter().all(wants), "{policy}: {served:?}");
                assert_eq!(names(&served).len(), served.len(), "{policy}: {served:?}");
                assert!(served.len() <= strategy.most(slots), "{policy}: {served:?}");
                if let Some(one) = strategy.next_for_free_slot(&view, &mut rng) {
                    assert!(view.waiting().any(|p| p.peer == one.peer), "{policy}: {one:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_seed_decides_the_same_and_without_slots_nobody_is_served(
        rounds in prop::collection::vec((any::<bool>(), any_peers()), 1..8),
        slots in 0..6usize,
        seed in any::<u64>(),
    ) {
        for policy in ChokerPolicy::ALL {
            let params = Params { slots, ..Params::default() };
            let decide = || {
                let mut choker = Choker::new(policy, params, fastrand::Rng::with_seed(seed));
                let decisions = rounds.iter().map(|(seeding, peers)| {
                    let now = Moment::after(Duration::from_secs(1000));
                    let free = choker.next_for_free_slot(now, *seeding, peers);
                    (free, choker.next_round(now, *seeding, peers))
                });
                decisions.collect::<Vec<_>>()
            };
            let decisions = decide();
            assert_eq!(decisions, decide());
            let nobody = decisions.iter().all(|(free, all)| free.is_none() && all.is_empty());
            assert!(slots > 0 || nobody, "{policy}: {decisions:?}");
        }
    }

    #[test]
    fn nobody_starves(slots in 1..6usize, peers in 1..40u64, seeding in any::<bool>()) {
        for policy in [ChokerPolicy::TitForTat, ChokerPolicy::RoundRobin, ChokerPolicy::PropShare] {
            let mut world = World { seeding, ..World::new(policy, slots, peers) };
            // A peer that gives cannot keep the trials from others.
            world.give(&[(0, 1000)]);
            world.rounds(9 * peers as u32);
            assert_eq!(world.turns.len() as u64, peers, "{policy}: {:?}", world.turns);
        }
    }

    #[test]
    fn no_slot_is_idle_while_someone_waits(slots in 1..6usize, peers in 1..12u64) {
        for policy in [ChokerPolicy::TitForTat, ChokerPolicy::Random, ChokerPolicy::RoundRobin] {
            for seeding in [false, true] {
                let mut world = World { seeding, ..World::new(policy, slots, peers) };
                world.give(&[(0, 1000)]);
                let expected = slots.min(peers as usize);
                assert!(world.rounds(12).iter().all(|served| served.len() == expected), "{policy}");
            }
        }
    }
}
