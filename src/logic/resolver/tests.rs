//! The rules of finding the tracker that knows, over trackers that are tables.

use super::*;
use crate::protocol::tracker_native::PeerEntry;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(ms: u64) -> Moment {
    Moment::after(Duration::from_millis(ms))
}

fn addr(last: u8) -> SocketAddr {
    ([127, 0, 0, last], 7053).into()
}

fn zone(text: &str) -> Zone {
    text.parse().unwrap()
}

fn key(start: &str) -> Key {
    format!("{start:0<64}").parse().unwrap()
}

fn question(start: &str) -> Question {
    Question { op: Op::Peers, key: key(start) }
}

fn ns(zone_text: &str, last: u8) -> Delegation {
    Delegation { zone: zone(zone_text), addr: addr(last), ttl: Duration::from_hours(1) }
}

fn peers(count: u16) -> Records {
    let peer = |port| PeerEntry {
        addr: ([10, 0, 0, 1], port).into(),
        seed: true,
        native: true,
        bittorrent: true,
    };
    Records::Peers((1..=count).map(peer).collect())
}

/// What a tracker says; its number is filled in.
fn says(rcode: Rcode, aa: bool) -> Reply {
    let (ttl, records) = (Duration::from_secs(30), Records::None);
    Reply { id: 0, rcode, aa, ra: false, ttl, records, ns: vec![], path: vec![] }
}

fn refers(ns: &[Delegation]) -> Reply {
    Reply { ns: ns.to_vec(), ..says(Rcode::NoError, false) }
}

fn knows(count: u16) -> Reply {
    Reply { records: peers(count), ..says(Rcode::NoError, true) }
}

/// Trackers by their last number; those that are not there are silent.
type Trackers = BTreeMap<u8, Reply>;

/// root 10 - zone "3" 11 - authority "3f" 21 and 22
fn usual() -> Trackers {
    BTreeMap::from([
        (10, refers(&[ns("3", 11)])),
        (11, refers(&[ns("3f", 21), ns("3f", 22)])),
        (21, knows(20)),
        (22, knows(20)),
    ])
}

fn resolver(params: Params) -> Resolver<u32> {
    Resolver::new(params, vec![ns(".", 10)])
}

fn asked(question: Question, origin: u64) -> Asked {
    Asked { question, origin, hops: 8, max: 50 }
}

/// Asks, and plays the trackers until there is an answer: it, whom it took, and until when.
fn run(
    resolver: &mut Resolver<u32>,
    mut now: Moment,
    what: &str,
    trackers: &Trackers,
) -> (Outcome, Vec<u8>, Moment) {
    let mut packets = Vec::new();
    let mut found = resolver.on_question(now, 1, &asked(question(what), 5));
    loop {
        while let Some(ask) = resolver.next_query() {
            let IpLast(last) = ask.to.into();
            packets.push(last);
            if let Some(reply) = trackers.get(&last) {
                let _ = resolver.on_answer(now, ask.to, Reply { id: ask.id, ..reply.clone() });
            }
        }
        found = found.or_else(|| resolver.next_outcome().map(|(_, outcome)| outcome));
        if let Some(outcome) = found {
            return (outcome, packets, now);
        }
        now = resolver.deadline().expect("a question has a deadline").max(now);
        resolver.on_tick(now);
    }
}

struct IpLast(u8);

impl From<SocketAddr> for IpLast {
    fn from(addr: SocketAddr) -> Self {
        match addr {
            SocketAddr::V4(v4) => Self(v4.ip().octets()[3]),
            SocketAddr::V6(_) => Self(0),
        }
    }
}

#[test]
fn a_question_walks_from_the_root_to_the_authority() {
    let mut resolver = resolver(Params::default());
    let (outcome, packets, _) = run(&mut resolver, at(0), "3f", &usual());
    assert_eq!((outcome.rcode, outcome.records.len()), (Rcode::NoError, 20));
    assert_eq!(packets[..2], [10, 11]);
    assert_eq!(packets.len(), 3, "one of the two authorities");
    assert_eq!(outcome.ns, [ns("3f", 21), ns("3f", 22)]);
    assert_eq!(outcome.path, packets.iter().map(|&last| addr(last)).collect::<Vec<_>>());
}

#[test]
fn what_is_known_is_not_asked_again_until_it_is_over() {
    let mut resolver = resolver(Params::default());
    let mut trackers = usual();
    trackers.insert(31, knows(1));
    let mut count = |start, secs: u64| {
        let (outcome, packets, _) = run(&mut resolver, at(secs * 1000), start, &trackers);
        (packets.len(), outcome.ttl.as_secs())
    };
    assert_eq!(count("3f", 0), (3, 30), "cold");
    assert_eq!(count("3f", 10), (0, 20), "warm, and its TTL counts down");
    assert_eq!(count("3f1", 10), (1, 30), "the zone is warm");
    assert_eq!(count("3f", 30), (1, 30), "the answer is over, the zone is not");
    assert_eq!(count("3f", 3600), (3, 30), "the zone is over too");
}

#[test]
fn that_there_is_nothing_is_remembered_too() {
    let mut resolver = resolver(Params::default());
    let mut trackers = usual();
    trackers.insert(21, says(Rcode::NxSwarm, true));
    trackers.insert(22, says(Rcode::NxSwarm, true));
    assert_eq!(run(&mut resolver, at(0), "3f", &trackers).0.rcode, Rcode::NxSwarm);
    let (outcome, packets, _) = run(&mut resolver, at(29_000), "3f", &trackers);
    assert_eq!((outcome.rcode, packets.len()), (Rcode::NxSwarm, 0));
    assert_eq!(run(&mut resolver, at(30_000), "3f", &trackers).1.len(), 1);
}

#[test]
fn no_ttl_is_believed_beyond_the_cap() {
    let cache = cache::Params { max_ttl: Duration::from_secs(10), ..cache::Params::default() };
    let mut resolver = resolver(Params { cache, ..Params::default() });
    assert_eq!(run(&mut resolver, at(0), "3f", &usual()).0.ttl, Duration::from_secs(10));
    assert_eq!(run(&mut resolver, at(10_000), "3f", &usual()).1.len(), 3);
}

#[test]
fn a_silent_tracker_is_asked_twice_then_its_neighbour_and_then_last_for_a_while() {
    let mut resolver = resolver(Params { seed: 3, ..Params::default() });
    let mut trackers = usual();
    trackers.remove(&21);
    // Whichever is drawn first: ask until the silent one was.
    let mut now = at(0);
    let waited = loop {
        let (outcome, packets, end) = run(&mut resolver, now, "3f", &trackers);
        assert_eq!(outcome.rcode, Rcode::NoError);
        if packets.contains(&21) {
            assert_eq!(packets[packets.len() - 3..], [21, 21, 22]);
            break end;
        }
        now = end + Duration::from_secs(31);
    };
    for start in ["3f1", "3f2", "3f3", "3f4", "3f5", "3f6"] {
        let (_, packets, _) = run(&mut resolver, waited, start, &trackers);
        assert_eq!(packets, [22], "held down");
    }
    let later = waited + Duration::from_secs(30);
    let asked_again = (0..20)
        .any(|n| run(&mut resolver, later, &format!("3fa{n:02}"), &trackers).1.contains(&21));
    assert!(asked_again, "after the hold-down it is asked like any other");
}

#[test]
fn when_nobody_answers_the_question_ends_within_its_limits_or_with_what_was_known() {
    let mut resolver = resolver(Params::default());
    let silent = Trackers::new();
    let (outcome, packets, end) = run(&mut resolver, at(0), "3f", &silent);
    assert_eq!((outcome.rcode, packets.len()), (Rcode::ServFail, 2));
    assert!(end <= at(3000), "{end:?}");
    run(&mut resolver, at(100_000), "3f", &usual());
    let (outcome, ..) = run(&mut resolver, at(140_000), "3f", &silent);
    assert_eq!((outcome.rcode, outcome.ttl), (Rcode::NoError, Duration::from_secs(5)), "stale");
    let (outcome, ..) = run(&mut resolver, at(100_000 + 630_000), "3f", &silent);
    assert_eq!(outcome.rcode, Rcode::ServFail, "too stale");
}

/// What the zone "3" says about a key of "3f", and what comes of it.
#[test]
fn a_referral_must_lead_to_a_longer_zone_of_the_key() {
    let check = |named: &[Delegation], expected: Rcode| {
        let mut resolver = resolver(Params::default());
        let mut trackers = usual();
        trackers.insert(11, refers(named));
        let (outcome, ..) = run(&mut resolver, at(0), "3f", &trackers);
        assert_eq!(outcome.rcode, expected, "{named:?}");
        for elsewhere in ["4", "2f", "3e"] {
            let known = resolver.cache.closest(at(1), &key(elsewhere)).map(|(zone, _)| zone);
            assert!(known.is_none_or(|known| known == zone("3")), "{named:?}");
        }
    };
    check(&[ns("3f", 21)], Rcode::NoError);
    check(&[ns("3f0", 21)], Rcode::NoError);
    check(&[ns("3", 21)], Rcode::ServFail);
    check(&[ns(".", 21)], Rcode::ServFail);
    check(&[ns("3e", 21)], Rcode::ServFail);
    check(&[ns("4", 21)], Rcode::ServFail);
    check(&[], Rcode::ServFail);
    check(&[ns("4", 66), ns("3f", 21), ns("2f", 66)], Rcode::NoError);
}

#[test]
fn what_follows_an_answer_is_held_to_the_same_rule() {
    let mut resolver = resolver(Params { manner: Manner::Recursive, ..Params::default() });
    let poison = vec![ns("4", 66), ns(".", 66)];
    let trackers = BTreeMap::from([(10, Reply { ra: true, ns: poison, ..knows(3) })]);
    let (outcome, ..) = run(&mut resolver, at(0), "3f", &trackers);
    assert_eq!(outcome.ns, [ns(".", 10)], "who was asked, not who was named");
    assert_eq!(resolver.cache().zones(), 0);
}

#[test]
fn only_the_tracker_that_was_asked_is_heard_and_only_under_its_number() {
    let mut resolver = resolver(Params::default());
    assert_eq!(resolver.on_question(at(0), 1, &asked(question("3f"), 5)), None);
    let ask = resolver.next_query().unwrap();
    let reply = |id| Reply { id, ..knows(1) };
    assert!(resolver.on_answer(at(1), addr(66), reply(ask.id)).is_err());
    assert!(resolver.on_answer(at(1), ask.to, reply(ask.id ^ 1)).is_err());
    assert_eq!((resolver.cache().answers(), resolver.next_outcome()), (0, None));
    assert!(resolver.on_answer(at(1), ask.to, reply(ask.id)).is_ok());
    assert!(resolver.on_answer(at(1), ask.to, reply(ask.id)).is_err(), "a second time");
    assert!(resolver.next_outcome().is_some());
}

#[test]
fn equal_questions_wait_for_one_answer() {
    let mut resolver = resolver(Params::default());
    for asker in 1..=5 {
        let origin = asker.into();
        assert_eq!(resolver.on_question(at(0), asker, &asked(question("3f"), origin)), None);
        // Once more, because nothing came: it waits already.
        assert_eq!(resolver.on_question(at(1), asker, &asked(question("3f"), origin)), None);
    }
    let ask = resolver.next_query().unwrap();
    assert_eq!(resolver.next_query(), None, "one question");
    resolver.on_answer(at(2), ask.to, Reply { id: ask.id, ..knows(3) }).unwrap();
    let answered: Vec<u32> =
        std::iter::from_fn(|| resolver.next_outcome()).map(|(asker, _)| asker).collect();
    assert_eq!(answered, [1, 2, 3, 4, 5]);
}

#[test]
fn a_question_that_comes_round_or_has_no_hops_left_is_a_loop() {
    let params = Params { manner: Manner::Recursive, ..Params::default() };
    let mut resolver = resolver(params);
    assert_eq!(resolver.on_question(at(0), 1, &asked(question("3f"), 77)), None);
    let ask = resolver.next_query().unwrap();
    assert_eq!((ask.origin, ask.hops, ask.rd), (77, 7, true));
    let round = resolver.on_question(at(1), 2, &asked(question("3f"), ask.origin));
    assert_eq!(round.map(|outcome| outcome.rcode), Some(Rcode::Loop));
    let tired = Asked { hops: 0, ..asked(question("3e"), 78) };
    assert_eq!(resolver.on_question(at(1), 3, &tired), Some(Outcome::of(Rcode::Loop)));
    let looped = Reply { id: ask.id, ..says(Rcode::Loop, false) };
    assert!(resolver.on_answer(at(2), ask.to, looped).is_err());
    assert_eq!(resolver.next_outcome().unwrap().1.rcode, Rcode::Loop, "it is passed back");
}

#[test]
fn each_asker_gets_its_own_draw_of_a_cached_pool() {
    let mut resolver = resolver(Params::default());
    run(&mut resolver, at(0), "3f", &usual());
    let draw = |resolver: &mut Resolver<u32>| {
        let known = resolver.known(at(1), &question("3f"), 5).expect("it is cached");
        let Records::Peers(peers) = known.records else { panic!("{known:?}") };
        assert_eq!(peers.len(), 5);
        peers.iter().map(|peer| peer.addr.port()).collect::<BTreeSet<u16>>()
    };
    let draws: BTreeSet<BTreeSet<u16>> = (0..20).map(|_| draw(&mut resolver)).collect();
    assert!(draws.len() > 15, "{} different draws", draws.len());
    let all: BTreeSet<u16> = draws.into_iter().flatten().collect();
    assert_eq!(all.len(), 20, "everybody is drawn by somebody");
}

#[test]
fn a_full_cache_gives_up_what_ends_first() {
    let cache = cache::Params { max_entries: 3, ..cache::Params::default() };
    let mut cache = Cache::new(cache);
    let mut rng = fastrand::Rng::with_seed(1);
    for (n, secs) in [("1", 50), ("2", 10), ("3", 40), ("4", 30)] {
        let outcome = Outcome { ttl: Duration::from_secs(secs), ..Outcome::of(Rcode::NoError) };
        cache.keep(at(0), question(n), &outcome);
    }
    let mut known = |n| cache.answer(at(1), &question(n), 1, &mut rng).is_some();
    assert_eq!(["1", "2", "3", "4"].map(&mut known), [true, false, true, true]);
    assert_eq!(cache.answers(), 3);
}

#[test]
fn an_answer_that_holds_for_no_time_or_is_none_is_not_kept() {
    let mut cache = Cache::new(cache::Params::default());
    let ttl = Duration::from_secs(9);
    cache.keep(at(0), question("1"), &Outcome::of(Rcode::NoError));
    for rcode in [Rcode::ServFail, Rcode::Refused, Rcode::Loop, Rcode::FormErr] {
        cache.keep(at(0), question("1"), &Outcome { ttl, ..Outcome::of(rcode) });
    }
    assert_eq!(cache.answers(), 0);
}

#[test]
fn too_many_questions_at_once_are_turned_away() {
    let params = Params { max_walks: 2, max_askers: 2, ..Params::default() };
    let mut resolver = resolver(params);
    let mut ask = |asker, start| {
        resolver.on_question(at(0), asker, &asked(question(start), 1000 + u64::from(asker)))
    };
    assert_eq!((ask(1, "1"), ask(2, "2"), ask(3, "1")), (None, None, None));
    let refused = Some(Outcome::of(Rcode::ServFail));
    assert_eq!((ask(4, "3"), ask(5, "1")), (refused.clone(), refused));
}

/// Poisson arrivals at rate 1/s, as many as the band of the theory asks for: the hit ratio is
/// lambda T / (1 + lambda T), because each miss opens a window with lambda T expected hits (Jung,
/// Berger, Balakrishnan, INFOCOM 2003).
#[test]
fn the_hit_ratio_of_a_cache_is_that_of_the_theory() {
    const QUERIES: u32 = 2000;
    for (seed, ttl_secs) in [(1, 0.6), (2, 3.0), (3, 10.0), (4, 30.0)] {
        let mut resolver = resolver(Params::default());
        let ttl = Duration::from_secs_f64(ttl_secs);
        let trackers = BTreeMap::from([(10, Reply { ttl, ..knows(1) })]);
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut now, mut hits) = (0.0, 0);
        for _ in 0..QUERIES {
            now -= (1.0 - rng.f64()).ln();
            let moment = Moment::after(Duration::from_secs_f64(now));
            hits += u32::from(run(&mut resolver, moment, "3f", &trackers).1.is_empty());
        }
        let (ratio, theory) = (f64::from(hits) / f64::from(QUERIES), ttl_secs / (1.0 + ttl_secs));
        assert!((ratio - theory).abs() <= 0.03, "T {ttl_secs}: {ratio:.3}, theory {theory:.3}");
    }
}

/// Any delegation, right or wrong: to some of ten trackers, which may be silent.
fn any_trackers() -> impl Strategy<Value = Trackers> {
    let zones =
        prop::sample::select(vec![".", "3", "3f", "3f0", "3f00", "3f000", "4", "2f", "uct"]);
    let server = (zones, 8..18_u8).prop_map(|(zone_text, last)| ns(zone_text, last));
    let rcode = prop::sample::select(Rcode::ALL.to_vec());
    let reply =
        (prop::collection::vec(server, 0..6), rcode, prop::bool::weighted(0.1), any::<bool>());
    let reply = reply.prop_map(|(ns, rcode, aa, ra)| Reply { ra, ns, ..says(rcode, aa) });
    prop::collection::btree_map(8..18_u8, reply, 0..10)
}

proptest! {
    #[test]
    fn whatever_is_delegated_a_question_ends_within_its_limits(
        trackers in any_trackers(), recursive in any::<bool>(), seed in any::<u64>(),
    ) {
        let manner = if recursive { Manner::Recursive } else { Manner::Iterative };
        let mut resolver = resolver(Params { manner, seed, ..Params::default() });
        let (_, packets, end) = run(&mut resolver, at(0), "3f", &trackers);
        prop_assert!(packets.len() <= 16, "{} packets", packets.len());
        prop_assert!(end <= at(3000), "{end:?}");
        prop_assert_eq!(resolver.deadline(), None, "nothing is left over");
        // And nobody spoke for a zone that the key does not lie in.
        for other in ["4", "2f"] {
            prop_assert_eq!(resolver.cache.closest(at(1), &key(other)), None);
        }
    }
}

#[test]
fn what_a_cache_keeps_is_listed_until_it_is_not_served_any_more() {
    let mut cache = Cache::new(cache::Params::default());
    let outcome = |rcode, secs| {
        let ttl = Duration::from_secs(secs);
        Outcome { ttl, ..Outcome::of(rcode) }
    };
    cache.keep(at(0), question("1"), &outcome(Rcode::NoError, 30));
    cache.keep(at(0), question("2"), &outcome(Rcode::NxSwarm, 10));
    let (zone, addr) = ("3f".parse().unwrap(), "127.0.0.2:1".parse().unwrap());
    let server = Delegation { zone: "3f".parse().unwrap(), addr, ttl: Duration::from_mins(1) };
    cache.keep_zone(at(0), &zone, &[server]);
    let kept = |secs: u64| {
        let line = |kept: cache::Kept<'_>| {
            let what = match kept.what {
                cache::What::Answer(question) => question.key.to_string()[..1].to_owned(),
                cache::What::Zone(zone) => format!("zone {zone}"),
            };
            let (left, ttl) = (kept.left.as_secs(), kept.ttl.as_secs());
            format!("{what} {left}/{ttl} {} {}", kept.records, kept.is_negative)
        };
        cache.kept(at(1000 * secs)).map(line).collect::<Vec<_>>()
    };
    assert_eq!(kept(5), ["1 25/30 0 false", "2 5/10 0 true", "zone 3f 55/60 1 false"]);
    assert_eq!(kept(15), ["1 15/30 0 false", "2 0/10 0 true", "zone 3f 45/60 1 false"]);
    assert_eq!(kept(610), ["1 0/30 0 false"], "for ten minutes an answer is served in need");
    assert_eq!(kept(630), [""; 0]);
    assert_eq!([5, 15, 610, 630].map(|secs| cache.kept_up_to(at(1000 * secs), 100)), [3, 3, 1, 0]);
    assert_eq!(cache.kept_up_to(at(5000), 1), 2);
}
