//! Whom it calls, and when: the rules of the dialer, over minutes that nobody waits for.

use super::gossip::{GOSSIP_PER_IP, GOSSIPS};
use super::*;
use Dialect::{BitTorrent, Native};
use fastrand::Rng;

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

const TRACKER: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 9)), 6969);

fn listed(address: SocketAddr, dialect: Dialect) -> Listed {
    Listed { address, dialect, is_seed: false }
}

/// A tracker names one address more.
fn on_found(d: &mut Dialer, now: u64, address: SocketAddr, dialect: Dialect) {
    d.on_named(at(now), Source::Tracker, &[(canonical(address), dialect)]);
}

/// Whom it calls now, and how.
fn calls(d: &mut Dialer, now: u64, free: usize) -> Vec<(SocketAddr, Dialect)> {
    d.next_dials(at(now), free, false)
        .into_iter()
        .map(|dial| (dial.address, dial.dialect))
        .collect()
}

/// The same for a seeder.
fn seed_calls(d: &mut Dialer, now: u64) -> Vec<(SocketAddr, Dialect)> {
    d.next_dials(at(now), 9, true).into_iter().map(|dial| (dial.address, dial.dialect)).collect()
}

/// Calls for `secs`, second by second; `outcome` says what comes of each. When it called.
fn call_for(
    d: &mut Dialer,
    secs: std::ops::Range<u64>,
    mut outcome: impl FnMut(&mut Dialer, Moment, SocketAddr),
) -> Vec<u64> {
    let mut called = Vec::new();
    for now in secs {
        // What is due at once again is called in the same second.
        for _ in 0..9 {
            for dial in d.next_dials(at(now), 8, false) {
                called.push(now);
                outcome(d, at(now), dial.address);
            }
        }
    }
    called
}

/// The most calls in any stretch of `secs`.
fn most_within(secs: u64, called: &[u64]) -> usize {
    let within = |&from: &u64| called.iter().filter(|&&t| t >= from && t < from + secs).count();
    called.iter().map(within).max().unwrap_or(0)
}

#[test]
fn an_address_of_the_users_is_called_once_at_a_time_and_then_ever_more_rarely() {
    let mut d = Dialer::default();
    d.on_given(at(0), address(1), Native);
    d.on_given(at(0), address(1), Native);
    assert_eq!(calls(&mut d, 0, 9), [(address(1), Native)]);
    assert_eq!(calls(&mut d, 0, 9), []);
    d.on_failed(at(0), address(1));
    let called = call_for(&mut d, 1..5000, Dialer::on_failed);
    let pauses: Vec<_> = called.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(called[0], 5);
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600, 600, 600]);
}

/// Row B12 of the threats: anybody can name a victim to a tracker.
#[test]
fn an_address_that_was_only_listed_is_called_thrice_in_ten_minutes_by_however_many_trackers() {
    let victim: SocketAddr = "9.9.9.9:80".parse().unwrap();
    for outcome in [Dialer::on_failed, Dialer::on_misunderstood] {
        let (mut d, mut called, mut random) = (Dialer::default(), Vec::new(), Rng::with_seed(1));
        for now in 0..2500 {
            for tracker in 1..=5 {
                let copies = [listed(victim, Native); 50];
                let all = if random.bool() { &copies[..] } else { &[] };
                d.on_listed(at(now), SocketAddr::from(([8, 8, 8, tracker], 1)), all);
            }
            d.on_announced(at(now), &[victim; 50]);
            d.on_gossip(at(now), gossip(1, 1), BitTorrent, [victim; 50]);
            called.extend(call_for(&mut d, now..now + 1, outcome));
        }
        assert_eq!(most_within(600, &called), 3, "{called:?}");
        assert!(called.len() >= 6, "nor is it given up: {called:?}");
    }
}

#[test]
fn an_address_that_was_only_listed_waits_5_s_then_a_minute_then_ten() {
    let mut d = Dialer::default();
    on_found(&mut d, 0, address(1), Native);
    assert_eq!(call_for(&mut d, 0..2000, Dialer::on_failed), [0, 5, 65, 665, 1265, 1865]);
    on_found(&mut d, 2000, address(2), Native);
    let both = call_for(&mut d, 2000..2300, Dialer::on_misunderstood);
    assert_eq!(both, [2000, 2000, 2060], "each dialect counts");
}

/// The table is full, and a tracker names ever new addresses so that the victim's calls are
/// forgotten.
#[test]
fn what_was_called_lately_is_not_forgotten_for_the_sake_of_new_addresses() {
    let victim: SocketAddr = "9.9.9.9:80".parse().unwrap();
    let (mut d, mut called) = (Dialer::default(), Vec::new());
    for now in 0..1300 {
        d.on_announced(at(now), &many((now * 30 % 60_000) as u16, 200));
        d.on_announced(at(now), &[victim]);
        for dial in d.next_dials(at(now), 300, false) {
            if dial.address == victim {
                called.push(now);
            }
            d.on_failed(at(now), dial.address);
        }
        assert!(d.candidates.len() <= CANDIDATES);
    }
    assert!(most_within(600, &called) <= 3, "{called:?}");
    assert!(!called.is_empty());
}

/// Row B10 of the threats.
#[test]
fn who_takes_calls_and_drops_them_is_called_six_times_in_five_minutes() {
    let check = |given: bool, outcome: fn(&mut Dialer, Moment, SocketAddr)| {
        let mut d = Dialer::default();
        if given {
            d.on_given(at(0), address(1), Native);
        }
        let mut called = Vec::new();
        for now in 0..3000 {
            // It comes and goes on the tracker's list.
            let list: &[_] = if now % 3 == 0 { &[listed(address(1), Native)] } else { &[] };
            d.on_listed(at(now), TRACKER, list);
            called.extend(call_for(&mut d, now..now + 1, outcome));
        }
        assert!(most_within(300, &called) <= 6, "{called:?}");
        assert!(called.len() > 5);
    };
    let greets: fn(&mut Dialer, Moment, SocketAddr) = |d, now, address| {
        d.on_connected(address, BitTorrent, true);
        d.on_failed(now, address);
    };
    let wavers: fn(&mut Dialer, Moment, SocketAddr) = |d, now, address| {
        if now.elapsed().as_secs() % 2 == 0 {
            d.on_connected(address, Native, true);
            d.on_failed(now, address);
        } else {
            d.on_misunderstood(now, address);
        }
    };
    for outcome in
        [Dialer::on_failed, Dialer::on_misunderstood, Dialer::on_declined, greets, wavers]
    {
        check(true, outcome);
        check(false, outcome);
    }
}

#[test]
fn a_peer_that_was_of_use_is_called_back_after_a_second_and_then_as_any_other() {
    let mut d = Dialer::default();
    on_found(&mut d, 0, address(1), Native);
    for (now, next) in [(0, 5), (5, 15), (15, 35)] {
        assert_eq!(calls(&mut d, now, 9), [(address(1), Native)]);
        d.on_connected(address(1), Native, true);
        d.on_failed(at(now), address(1));
        assert_eq!(d.deadline(), Some(at(next)));
    }
    calls(&mut d, 35, 9);
    d.on_connected(address(1), Native, true);
    d.on_ended(at(100), address(1));
    assert_eq!(d.deadline(), Some(at(101)));
    assert_eq!(calls(&mut d, 101, 9), [(address(1), Native)]);
    d.on_failed(at(101), address(1));
    assert_eq!(d.deadline(), Some(at(111)));
}

/// A connection may be cut by a forged reset, again and again.
#[test]
fn a_peer_whose_connections_are_cut_is_called_after_a_second_and_ever_again_if_they_bring_something()
 {
    let called = |gave| {
        let mut d = Dialer::default();
        on_found(&mut d, 0, address(1), Native);
        call_for(&mut d, 0..400, |d, now, address| {
            d.on_connected(address, Native, true);
            d.on_cut(now, address, gave);
        })
    };
    assert_eq!(called(16384), [0, 1, 2, 3, 4, 5, 300, 301, 302, 303, 304, 305]);
    assert_eq!(called(262_144).len(), 400, "each brought something");
}

#[test]
fn a_peer_that_has_no_room_is_asked_again_before_a_minute_is_over() {
    let mut d = Dialer::default();
    on_found(&mut d, 0, address(1), Native);
    let called = call_for(&mut d, 0..300, Dialer::on_declined);
    assert_eq!(called, [0, 5, 15, 35, 75, 155]);
}

/// Whoever calls us may name any port of its machine, and stay as long as it likes.
#[test]
fn that_somebody_calls_us_is_no_reason_to_call_it_more_often() {
    let ends: [fn(&mut Dialer, Moment, SocketAddr); 2] =
        [Dialer::on_ended, |d, now, address| d.on_cut(now, address, 1 << 20)];
    for end in ends {
        let (mut d, mut called) = (Dialer::default(), Vec::new());
        for now in 0..2000 {
            if now % 40 == 0 {
                d.on_connected(address(22), Native, false);
            }
            if now % 40 == 15 {
                end(&mut d, at(now), address(22));
            }
            called.extend(call_for(&mut d, now..now + 1, Dialer::on_failed));
        }
        assert!((1..=3).contains(&most_within(600, &called)), "{called:?}");
    }
}

/// Row B10: unreachable addresses take five seconds each, eight at once.
#[test]
fn five_hundred_dead_addresses_do_not_starve_a_live_one() {
    let check = |when: u64, within: u64, find: fn(&mut Dialer, u64, SocketAddr)| {
        let (mut d, live) = (Dialer::default(), many(9000, 1)[0]);
        let mut under_way: Vec<(u64, SocketAddr)> = Vec::new();
        d.on_announced(at(0), &many(0, 500));
        for now in 0..3600 {
            if now == when {
                find(&mut d, now, live);
            }
            let (over, rest) = under_way.into_iter().partition(|&(end, _)| end <= now);
            under_way = rest;
            let over: Vec<(u64, SocketAddr)> = over;
            over.iter().for_each(|&(_, address)| d.on_failed(at(now), address));
            let dials = calls(&mut d, now, 8 - under_way.len());
            if dials.iter().any(|&(address, _)| address == live) {
                assert!(now <= when + within, "it waited {} s", now - when);
                return;
            }
            under_way.extend(dials.iter().map(|&(address, _)| (now + 5, address)));
        }
        panic!("it was never called");
    };
    let tracker: fn(&mut Dialer, u64, SocketAddr) = |d, now, live| d.on_announced(at(now), &[live]);
    // One round of all takes 313 s; once each has had its call, whoever is new is next.
    check(10, 313, tracker);
    check(320, 5, tracker);
    // Gossip comes behind the second round.
    check(10, 3 * 313, |d, now, live| d.on_gossip(at(now), gossip(1, 1), BitTorrent, [live]));
}

#[test]
fn a_live_address_whose_first_call_failed_is_called_before_any_third_call() {
    let mut d = Dialer::default();
    d.on_announced(at(0), &many(0, 500));
    d.next_dials(at(0), 500, false).iter().for_each(|dial| d.on_failed(at(0), dial.address));
    d.next_dials(at(5), 500, false).iter().for_each(|dial| d.on_failed(at(5), dial.address));
    on_found(&mut d, 60, address(9), Native);
    assert_eq!(calls(&mut d, 60, 1), [(address(9), Native)], "it is new");
    d.on_failed(at(60), address(9));
    assert_eq!(calls(&mut d, 65, 1), [(address(9), Native)]);
}

#[test]
fn a_peer_that_comes_back_to_the_trackers_list_need_not_wait() {
    let mut d = Dialer::default();
    let list = |d: &mut Dialer, now, there: bool| {
        let peer = [listed(address(1), Native)];
        d.on_listed(at(now), TRACKER, if there { &peer } else { &[] });
    };
    list(&mut d, 0, true);
    assert_eq!(calls(&mut d, 0, 9).len(), 1);
    d.on_connected(address(1), Native, true);
    for now in [60, 65, 75, 95] {
        d.on_failed(at(now), address(1));
        calls(&mut d, now + 60, 9);
    }
    d.on_failed(at(400), address(1));
    list(&mut d, 401, true);
    assert_eq!(calls(&mut d, 401, 9), [], "listed all the time, yet it does not answer");
    list(&mut d, 402, false);
    list(&mut d, 403, true);
    assert_eq!(calls(&mut d, 403, 9), [(address(1), Native)]);
}

#[test]
fn a_peer_that_called_us_is_not_called_as_well() {
    let mut d = Dialer::default();
    d.on_connected(address(1), Native, false);
    d.on_listed(at(0), TRACKER, &[listed(address(1), Native)]);
    assert_eq!(calls(&mut d, 0, 9), []);
}

#[test]
fn who_does_not_answer_in_one_dialect_is_called_in_the_other_at_once_and_then_by_turns() {
    let mut d = Dialer::default();
    d.on_given(at(0), address(1), BitTorrent);
    for (now, dialect) in [(0, BitTorrent), (0, Native), (10, BitTorrent), (30, Native)] {
        assert_eq!(calls(&mut d, now.max(1) - 1, 9).len(), usize::from(now == 0), "{now} s");
        if now > 0 {
            assert_eq!(calls(&mut d, now, 9), [(address(1), dialect)]);
        }
        d.on_misunderstood(at(now), address(1));
    }
    calls(&mut d, 70, 9);
    d.on_connected(address(1), BitTorrent, true);
    d.on_ended(at(100), address(1));
    assert_eq!(calls(&mut d, 101, 9), [(address(1), BitTorrent)], "that is what it speaks");
    d.on_misunderstood(at(101), address(1));
    assert_eq!(calls(&mut d, 101, 9), [(address(1), Native)], "at once again");
}

#[test]
fn a_torrent_without_a_v2_hash_is_spoken_of_in_bittorrent_only() {
    let mut d = Dialer::new(Tongues::BitTorrentOnly);
    on_found(&mut d, 0, address(1), Native);
    assert_eq!(calls(&mut d, 0, 9), [(address(1), BitTorrent)]);
    d.on_misunderstood(at(0), address(1));
    assert_eq!(calls(&mut d, 0, 9), []);
    assert_eq!(calls(&mut d, 5, 9), [(address(1), BitTorrent)]);
}

#[test]
fn a_seeder_calls_all_but_those_who_are_said_to_have_everything() {
    let mut d = Dialer::default();
    let seed = Listed { is_seed: true, ..listed(address(1), Native) };
    d.on_listed(at(0), TRACKER, &[seed, listed(address(2), Native)]);
    d.on_announced(at(0), &[address(3)]);
    d.on_gossip(at(0), address(9), BitTorrent, [address(4), address(5)]);
    d.on_rumoured_seed(address(4));
    d.on_rumoured_seed(address(2)); // gossip does not outdo the tracker
    let mut called = seed_calls(&mut d, 0);
    called.sort_unstable_by_key(|&(address, _)| address);
    let expected = [(address(2), Native), (address(3), BitTorrent), (address(5), BitTorrent)];
    assert_eq!(called, expected);
    d.on_given(at(0), address(1), Native);
    assert_eq!(seed_calls(&mut d, 0), [(address(1), Native)], "the user may");
    d.on_listed(at(1), TRACKER, &[listed(address(4), Native)]);
    assert_eq!(seed_calls(&mut d, 1).len(), 1, "it lacks something now");
}

#[test]
fn two_seeders_that_met_leave_each_other_alone_for_half_an_hour() {
    let mut d = Dialer::default();
    on_found(&mut d, 0, address(2), BitTorrent);
    seed_calls(&mut d, 0);
    d.on_connected(address(2), BitTorrent, true);
    d.on_both_seed(at(0), address(2));
    d.on_ended(at(0), address(2));
    assert_eq!(seed_calls(&mut d, 1799), []);
    assert_eq!(seed_calls(&mut d, 1800), [(address(2), BitTorrent)]);
}

#[test]
fn who_was_let_go_for_another_rests_for_ten_minutes_and_is_nobody_new() {
    let mut d = Dialer::default();
    on_found(&mut d, 0, address(1), Native);
    assert!(d.has_fresh(at(0), false));
    calls(&mut d, 0, 9);
    d.on_connected(address(1), Native, true);
    d.on_let_go(at(100), address(1));
    d.on_ended(at(100), address(1));
    assert_eq!(calls(&mut d, 699, 9), []);
    assert!(!d.has_fresh(at(700), false));
    assert_eq!(calls(&mut d, 700, 9).len(), 1);
    on_found(&mut d, 700, address(2), Native);
    assert!(d.has_fresh(at(700), false));
}

#[test]
fn every_call_has_a_reason() {
    let mut d = Dialer::default();
    let far = "9.9.9.9:1".parse().unwrap();
    d.on_given(at(0), address(1), Native);
    on_found(&mut d, 0, address(2), Native);
    d.on_gossip(at(0), gossip(1, 7), BitTorrent, [far]);
    d.on_connected(address(4), Native, false);
    d.on_failed(at(0), address(4));
    let reasons = |d: &mut Dialer, now| {
        let dials = d.next_dials(at(now), 9, false);
        dials.iter().map(|dial| dial.why.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        reasons(&mut d, 0),
        ["given by the user", "named by a tracker", "gossip from 8.8.8.1:7"]
    );
    assert_eq!(reasons(&mut d, 5), ["it called us before, retry 1 after 5 s"]);
    d.on_failed(at(10), address(2));
    assert_eq!(reasons(&mut d, 15), ["named by a tracker, retry 1 after 5 s"]);
    d.on_failed(at(16), address(2));
    assert_eq!(reasons(&mut d, 80), ["named by a tracker, retry 2 after 64 s"]);
}

#[test]
fn junk_that_has_rested_gives_way_when_there_is_no_room() {
    let mut d = Dialer::default();
    for port in 1..=CANDIDATES as u16 {
        on_found(&mut d, 0, address(port), Native);
    }
    on_found(&mut d, 0, address(9000), Native);
    assert!(!d.candidates.contains_key(&address(9000)), "all of them may be good");
    let called = calls(&mut d, 0, 1)[0].0;
    d.on_failed(at(0), called);
    on_found(&mut d, 599, address(9000), Native);
    assert!(!d.candidates.contains_key(&address(9000)), "its call is remembered");
    on_found(&mut d, 600, address(9000), Native);
    assert!(d.candidates.contains_key(&address(9000)));
    assert!(!d.candidates.contains_key(&called));
    d.on_given(at(600), address(9001), Native);
    assert!(d.candidates.contains_key(&address(9001)), "the user's come first");
    assert_eq!(d.candidates.len(), CANDIDATES);
}

#[test]
fn what_others_fill_has_a_bound() {
    let mut d = Dialer::default();
    for n in 0..200 {
        let list = many(n * 50, 3000).into_iter().map(|a| listed(a, Native)).collect::<Vec<_>>();
        d.on_listed(at(0), SocketAddr::from(([8, 8, 8, n as u8], 1)), &list);
    }
    assert!(d.listed.len() <= TRACKERS && d.listed.values().all(|list| list.len() <= LISTED));
    for n in 0..2 * BANNED as u16 {
        d.on_banned(many(n, 1)[0]);
        d.on_connected(SocketAddr::from(([7, 7, 7, 7], n + 1)), Native, false);
    }
    assert!(d.candidates.len() <= CANDIDATES && d.banned.len() <= BANNED);
    assert!(d.is_never(many(2 * BANNED as u16 - 1, 1)[0]));
}

/// Addresses of as many machines.
fn many(first: u16, count: u16) -> Vec<SocketAddr> {
    let at = |n: u16| SocketAddr::from(([9, 9, (n >> 8) as u8, n as u8], 6881));
    (0..count).map(|n| at(first.wrapping_add(n))).collect()
}

/// Somebody outside who gossips.
fn gossip(n: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([8, 8, 8, n], port))
}

#[test]
fn a_gossip_is_heard_every_30_s_and_of_50_addresses() {
    let mut d = Dialer::default();
    d.on_gossip(at(0), gossip(1, 1), BitTorrent, many(0, 60));
    assert_eq!(d.candidates.len(), 50);
    d.on_gossip(at(29), gossip(1, 1), BitTorrent, many(100, 1));
    d.on_gossip(at(29), gossip(1, 2), BitTorrent, many(100, 1));
    assert_eq!(d.candidates.len(), 50, "nor from another port");
    d.on_gossip(at(30), gossip(1, 2), BitTorrent, many(100, 1));
    d.on_gossip(at(30), gossip(2, 1), BitTorrent, many(200, 1));
    assert_eq!(d.candidates.len(), 52);
    for port in 1..=3 {
        d.on_gossip(at(30), address(port), BitTorrent, [address(port + 100)]);
    }
    assert_eq!(d.candidates.len(), 55, "many peers may live on our own machine");
}

#[test]
fn who_gossips_is_remembered_for_30_s_and_of_so_many_more_nobody_is_heard() {
    let mut d = Dialer::default();
    let source = |n: u16| SocketAddr::from(([8, 8, (n >> 8) as u8, n as u8], 1));
    for n in 0..2 * GOSSIPS as u16 {
        d.on_gossip(at(0), source(n), BitTorrent, many(n, 1));
    }
    assert_eq!((d.heard.len(), d.candidates.len()), (GOSSIPS, GOSSIPS));
    d.on_gossip(at(30), source(0), BitTorrent, many(5000, 1));
    assert_eq!((d.heard.len(), d.candidates.len()), (1, GOSSIPS + 1));
}

#[test]
fn gossip_names_few_addresses_of_one_machine_except_our_own() {
    let mut d = Dialer::default();
    for n in 0..3 {
        let ports = (1..20).map(|port| SocketAddr::from(([7, 7, 7, 7], port + 100 * n)));
        d.on_gossip(at(0), gossip(n as u8, 1), BitTorrent, ports);
    }
    assert_eq!(d.candidates.len(), GOSSIP_PER_IP);
    d.on_gossip(at(0), address(1), BitTorrent, (1..20).map(address));
    assert_eq!(d.candidates.len(), GOSSIP_PER_IP + 19);
}

#[test]
fn gossip_takes_the_place_of_nothing_that_may_be_good_and_gives_way_to_trackers() {
    let mut d = Dialer::default();
    for (n, some) in many(0, CANDIDATES as u16).chunks(50).enumerate() {
        d.on_gossip(at(0), gossip(n as u8, 1), BitTorrent, some.to_vec());
    }
    d.on_gossip(at(0), gossip(200, 1), BitTorrent, many(9000, 1));
    assert!(!d.candidates.contains_key(&many(9000, 1)[0]), "it is full");
    d.on_announced(at(0), &many(9000, 20));
    assert!(many(9000, 20).iter().all(|a| d.candidates.contains_key(a)));
    assert_eq!(d.candidates.len(), CANDIDATES);
    calls(&mut d, 0, 20).iter().for_each(|&(a, _)| d.on_failed(at(0), a));
    d.on_gossip(at(900), gossip(200, 1), BitTorrent, many(9500, 1));
    assert!(!d.candidates.contains_key(&many(9500, 1)[0]), "trackers named what failed");
}

#[test]
fn whom_the_user_or_a_tracker_named_is_called_before_those_of_gossip() {
    let mut d = Dialer::default();
    d.on_gossip(at(0), gossip(1, 1), BitTorrent, many(0, 50));
    d.on_announced(at(0), &[address(5)]);
    d.on_given(at(0), address(9), BitTorrent);
    let first = calls(&mut d, 0, 2);
    assert_eq!(first, [(address(9), BitTorrent), (address(5), BitTorrent)]);
    first.iter().for_each(|&(a, _)| d.on_failed(at(0), a));
    on_found(&mut d, 4, many(30, 1)[0], BitTorrent);
    let next: Vec<_> = calls(&mut d, 5, 3).into_iter().map(|(a, _)| a).collect();
    assert_eq!(next, [address(9), many(30, 1)[0], address(5)], "the user's, then who is new");
}

#[test]
fn nobody_outside_is_believed_about_our_own_network() {
    let near: SocketAddr = "192.168.1.1:80".parse().unwrap();
    let told = [address(22), near, many(1, 1)[0]];
    let check = |source: SocketAddr, expected: &[SocketAddr]| {
        let (mut gossip, mut list) = (Dialer::default(), Dialer::default());
        gossip.on_gossip(at(0), source, BitTorrent, told);
        list.on_listed(at(0), source, &told.map(|a| listed(a, BitTorrent)));
        for mut dialer in [gossip, list] {
            let mut known: Vec<_> = calls(&mut dialer, 0, 9).into_iter().map(|(a, _)| a).collect();
            known.sort_unstable();
            assert_eq!(known, expected, "{source}");
        }
    };
    check(gossip(1, 1), &[told[2]]);
    check("10.0.0.1:1".parse().unwrap(), &[told[2], near]);
    check(address(1), &[told[2], address(22), near]);
    let mut d = Dialer::default();
    d.on_given(at(0), near, BitTorrent);
    assert_eq!(calls(&mut d, 0, 9), [(near, BitTorrent)], "the user may");
}

#[test]
fn nobody_is_called_first_for_a_low_address() {
    let mut d = Dialer::default();
    d.on_announced(at(0), &many(0, 1000));
    let mut called: Vec<_> = calls(&mut d, 0, 20).into_iter().map(|(a, _)| a).collect();
    called.sort_unstable();
    assert_ne!(called, many(0, 20));
}

/// Row B9 of the threats: a tracker gives us our own address.
#[test]
fn we_and_liars_are_never_called() {
    let mut d = Dialer::default();
    on_found(&mut d, 0, address(1), Native);
    assert_eq!(calls(&mut d, 0, 9).len(), 1);
    d.on_never(address(1));
    for now in 1..2000 {
        d.on_listed(at(now), TRACKER, &[listed(address(1), Native)][..(now % 2) as usize]);
        d.on_given(at(now), address(1), Native);
        d.on_connected(address(1), Native, false);
        d.on_failed(at(now), address(1));
        assert_eq!(calls(&mut d, now, 9), []);
    }
    assert!(d.is_never(address(1)));
}

#[test]
fn a_ban_covers_a_machine_but_on_our_own_only_the_port() {
    let mut d = Dialer::default();
    d.on_banned("10.0.0.1:5".parse().unwrap());
    assert!(d.is_never("10.0.0.1:6".parse().unwrap()));
    assert!(d.is_never("[::ffff:10.0.0.1]:6".parse().unwrap()), "it is the same machine");
    d.on_banned(address(5));
    assert!(d.is_never(address(5)) && !d.is_never(address(6)));
}

#[test]
fn an_ipv4_address_is_one_however_it_is_written() {
    let (plain, mapped): (SocketAddr, SocketAddr) =
        ("9.9.9.9:5".parse().unwrap(), "[::ffff:9.9.9.9]:5".parse().unwrap());
    let mut d = Dialer::default();
    d.on_announced(at(0), &[mapped, plain]);
    d.on_given(at(0), mapped, BitTorrent);
    assert_eq!(calls(&mut d, 0, 9), [(plain, BitTorrent)]);
    d.on_failed(at(0), mapped);
    assert_eq!(calls(&mut d, 5, 9), [(plain, BitTorrent)]);
    d.on_never(mapped);
    assert!(d.is_never(plain));
}

#[test]
fn addresses_that_no_peer_can_have_are_not_kept() {
    let mut d = Dialer::default();
    for bad in ["127.0.0.1:0", "0.0.0.0:1", "[::ffff:224.0.0.1]:1"] {
        on_found(&mut d, 0, bad.parse().unwrap(), Native);
        d.on_given(at(0), bad.parse().unwrap(), Native);
        d.on_connected(bad.parse().unwrap(), Native, false);
    }
    assert!(d.candidates.is_empty());
}

#[test]
fn who_was_let_go_by_a_pause_is_called_again_at_once() {
    let mut d = Dialer::default();
    d.on_given(at(0), address(1), Native);
    assert_eq!(calls(&mut d, 0, 9), [(address(1), Native)]);
    d.on_connected(address(1), Native, true);
    d.on_paused(at(1), address(1));
    assert_eq!(calls(&mut d, 1, 9), [(address(1), Native)]);
    d.on_failed(at(1), address(1));
    d.on_paused(at(1), address(1));
    assert_eq!(calls(&mut d, 1, 9), [], "a failure is no pause");
}

#[test]
fn who_rests_because_both_had_everything_is_called_again_when_something_is_lacking() {
    let mut d = Dialer::default();
    d.on_given(at(0), address(1), Native);
    d.on_given(at(0), address(2), Native);
    assert_eq!(calls(&mut d, 0, 9).len(), 2);
    d.on_connected(address(1), Native, true);
    d.on_both_seed(at(1), address(1));
    d.on_failed(at(1), address(2));
    assert_eq!(calls(&mut d, 2, 9), []);
    d.on_lacking(at(2));
    assert_eq!(calls(&mut d, 2, 9), [(address(1), Native)], "the other one has to wait");
}
