//! What holds on every emulated link.

use super::{Delivery, Emulator, HELD_UP, NetLink, Verdict, Why};
use crate::clock::Moment;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use std::time::Duration;

const PLAIN: NetLink = NetLink { queue: 1 << 20, ..NetLink::FREE };

fn at(micros: u64) -> Moment {
    Moment::after(Duration::from_micros(micros))
}

/// Everything that arrives until `until`.
fn all(emulator: &mut Emulator, until: Moment) -> Vec<Delivery> {
    std::iter::from_fn(|| emulator.next_delivery(until)).collect()
}

/// Sends packets of node 0 to node 1, each at its moment; when each is there, in microseconds.
fn arrivals(link: NetLink, packets: &[(u64, usize)]) -> Vec<u64> {
    let mut emulator = Emulator::new(&[link, link], 1);
    for &(micros, len) in packets {
        emulator.on_packet(at(micros), 0, 1, len);
    }
    let there = all(&mut emulator, at(u64::MAX / 2000));
    let there = there.iter().filter(|one| one.dropped.is_none());
    there.map(|one| one.at.elapsed().as_micros() as u64).collect()
}

#[test]
fn a_packet_takes_its_time_at_the_rate_and_half_a_round_trip() {
    let rtt = Duration::from_millis(40);
    let check = |link: NetLink, packets: &[(u64, usize)], expected: &[u64]| {
        assert_eq!(arrivals(link, packets), expected, "{link:?}");
    };
    check(PLAIN, &[(7, 1500)], &[7]);
    check(NetLink { rtt, ..PLAIN }, &[(0, 1500), (5, 40)], &[20_000, 20_005]);
    // 1 MB/s: a microsecond a byte, on the uplink, on the downlink, and one behind the other.
    let up = NetLink { rtt, up: Some(1_000_000), ..PLAIN };
    check(up, &[(0, 1000), (0, 500), (9000, 100)], &[21_000, 21_500, 29_100]);
    let down = NetLink { rtt, down: Some(1_000_000), ..PLAIN };
    check(down, &[(0, 1000), (0, 500)], &[21_000, 21_500]);
    let both = NetLink { up: Some(1_000_000), down: Some(500_000), ..PLAIN };
    check(both, &[(0, 1000), (0, 1000)], &[3000, 5000]);
}

#[test]
fn the_round_trip_of_two_nodes_is_the_mean_of_theirs() {
    let slow = NetLink { rtt: Duration::from_millis(100), ..PLAIN };
    let mut emulator = Emulator::new(&[PLAIN, slow], 1);
    emulator.on_packet(Moment::START, 0, 1, 100);
    emulator.on_packet(Moment::START, 1, 0, 100);
    let times: Vec<_> = all(&mut emulator, at(1_000_000)).iter().map(|one| one.at).collect();
    assert_eq!(times, [at(25_000), at(25_000)]);
}

#[test]
fn nothing_is_delivered_before_its_time() {
    let mut emulator = Emulator::new(&[NetLink { rtt: Duration::from_millis(2), ..PLAIN }; 2], 1);
    assert_eq!(emulator.next_due(), None);
    assert_eq!(emulator.on_packet(Moment::START, 0, 1, 60), Verdict::Taken(0));
    assert_eq!(emulator.next_due(), Some(at(1000)));
    assert_eq!(emulator.next_delivery(at(999)), None);
    let there = Delivery { packet: 0, to: 1, at: at(1000), dropped: None };
    assert_eq!(emulator.next_delivery(at(1000)), Some(there));
    assert_eq!(emulator.next_due(), None);
}

#[test]
fn what_finds_a_full_queue_is_dropped_and_the_rest_is_not() {
    // 1 kB/s; 3000 bytes fit.
    let link = NetLink { up: Some(1000), queue: 3000, ..PLAIN };
    let mut emulator = Emulator::new(&[link, PLAIN], 1);
    let mut send = |millis: u64| emulator.on_packet(at(millis * 1000), 0, 1, 1000);
    assert_eq!([send(0), send(0), send(0)].map(|one| matches!(one, Verdict::Taken(_))), [true; 3]);
    assert_eq!(send(0), Verdict::Dropped(Why::Queue));
    assert_eq!(send(999), Verdict::Dropped(Why::Queue));
    // A second later one has passed, and there is room for one.
    assert!(matches!(send(1000), Verdict::Taken(_)));
    assert_eq!(send(1000), Verdict::Dropped(Why::Queue));
    let there = all(&mut emulator, at(60_000_000));
    assert_eq!(there.len(), 4);
}

#[test]
fn a_packet_that_needs_not_wait_passes_whatever_the_queue() {
    let link = NetLink { up: Some(1000), queue: 0, ..PLAIN };
    assert_eq!(arrivals(link, &[(0, 1000), (0, 1), (1_000_000, 1000)]), [1_000_000, 2_000_000]);
}

#[test]
fn a_downlink_drops_what_its_queue_does_not_take() {
    let link = NetLink { down: Some(1000), queue: 2000, ..PLAIN };
    let mut emulator = Emulator::new(&[PLAIN, link], 1);
    for _ in 0..3 {
        emulator.on_packet(Moment::START, 0, 1, 1000);
    }
    let there = all(&mut emulator, at(10_000_000));
    let lost: Vec<_> = there.iter().filter(|one| one.dropped.is_some()).collect();
    assert_eq!((there.len(), lost.len()), (3, 1));
    assert_eq!((lost[0].packet, lost[0].dropped), (2, Some(Why::Queue)));
}

#[test]
fn as_many_are_lost_as_the_share_says_and_always_the_same() {
    let lossy = NetLink { loss: 0.05, ..PLAIN };
    let lost = |seed: u64, link: NetLink, noise: bool| {
        let mut emulator = Emulator::new(&[link; 3], seed);
        let each = |n: u64| {
            if noise {
                emulator.on_packet(at(n), 2, 0, 100);
            }
            emulator.on_packet(at(n), 0, 1, 100) == Verdict::Dropped(Why::Loss)
        };
        (0..20_000).map(each).collect::<Vec<_>>()
    };
    let pattern = lost(7, lossy, false);
    let share = pattern.iter().filter(|&&is_lost| is_lost).count() as f64 / 20_000.0;
    assert!((0.045..0.055).contains(&share), "{share}");
    assert_eq!(pattern, lost(7, lossy, true), "others change nothing");
    let jitter = Duration::from_millis(5);
    assert_eq!(pattern, lost(7, NetLink { jitter, ..lossy }, false), "nor does jitter");
    assert_ne!(pattern, lost(8, lossy, false));
    assert!(!lost(7, PLAIN, false).contains(&true));
    assert!(!lost(7, NetLink { loss: 1.0, ..PLAIN }, false).contains(&false));
}

#[test]
fn as_many_are_refused_as_the_share_says_and_none_without_one() {
    let refused = |link: NetLink| {
        let mut emulator = Emulator::new(&[link; 2], 7);
        let is_refused =
            |n: &u64| emulator.on_packet(at(*n), 0, 1, 100) == Verdict::Dropped(Why::Reset);
        (0..20_000).filter(is_refused).count()
    };
    assert_eq!(refused(PLAIN), 0);
    assert!((100..300).contains(&refused(NetLink { reset: 0.01, ..PLAIN })));
    assert_eq!(refused(NetLink { reset: 1.0, ..PLAIN }), 20_000);
}

#[test]
fn as_many_are_overtaken_as_the_share_says_and_all_come_in_time() {
    let link = NetLink { held_up: 0.1, ..PLAIN };
    let mut emulator = Emulator::new(&[link; 2], 7);
    for n in 0..10_000 {
        emulator.on_packet(at(n * 1000), 0, 1, 100);
    }
    let there = all(&mut emulator, at(100_000_000));
    assert_eq!(there.len(), 10_000, "none is lost");
    let late = |one: &&Delivery| one.at == at(one.packet * 1000) + HELD_UP;
    assert!((800..1200).contains(&there.iter().filter(late).count()));
    let in_time = |one: &Delivery| one.at == at(one.packet * 1000);
    assert!(there.iter().all(|one| in_time(one) || late(&one)), "the others wait for nobody");
    assert!(!there.is_sorted_by_key(|one| one.packet));
}

#[test]
fn jitter_delays_by_no_more_than_it_says_and_keeps_the_order() {
    let jitter = Duration::from_millis(10);
    let mut emulator = Emulator::new(&[NetLink { jitter, ..PLAIN }; 2], 3);
    for n in 0..1000 {
        emulator.on_packet(at(n * 100), 0, 1, 100);
    }
    let there = all(&mut emulator, at(10_000_000));
    assert_eq!(
        there.iter().map(|one| one.packet).collect::<Vec<_>>(),
        (0..1000).collect::<Vec<_>>()
    );
    let late = |one: &Delivery| one.at.since(at(one.packet * 100));
    let mean = there.iter().map(|one| late(one).as_secs_f64()).sum::<f64>() / 1000.0;
    assert!(there.iter().all(|one| late(one) <= jitter));
    assert!((0.005..0.010).contains(&mean), "later ones wait for earlier ones: {mean}");
}

#[test]
fn a_partition_takes_what_is_on_its_way_and_ends() {
    let link = NetLink { rtt: Duration::from_millis(20), ..PLAIN };
    let mut emulator = Emulator::new(&[link; 3], 1);
    assert_eq!(emulator.on_packet(at(0), 0, 1, 100), Verdict::Taken(0));
    emulator.partition(1, at(50_000));
    assert_eq!(emulator.on_packet(at(1), 0, 1, 100), Verdict::Dropped(Why::Partition));
    assert_eq!(emulator.on_packet(at(1), 1, 2, 100), Verdict::Dropped(Why::Partition));
    assert_eq!(emulator.on_packet(at(1), 0, 2, 100), Verdict::Taken(1));
    assert_eq!(emulator.on_packet(at(50_000), 0, 1, 100), Verdict::Taken(2));
    let fates: Vec<_> = all(&mut emulator, at(100_000)).iter().map(|one| one.dropped).collect();
    assert_eq!(fates, [Some(Why::Partition), None, None]);
}

#[test]
fn a_new_rate_is_for_what_comes_next() {
    let mut emulator = Emulator::new(&[NetLink { up: Some(1000), ..PLAIN }, PLAIN], 1);
    emulator.on_packet(at(0), 0, 1, 1000);
    emulator.set_rate(0, Some(10_000), None);
    emulator.on_packet(at(0), 0, 1, 1000);
    emulator.set_rate(0, None, None);
    emulator.on_packet(at(0), 0, 1, 1000);
    let times: Vec<_> = all(&mut emulator, at(9_000_000)).iter().map(|one| one.at).collect();
    assert_eq!(times, [at(1_000_000), at(1_100_000), at(1_100_000)]);
}

#[test]
fn who_is_nobody_gets_nothing() {
    let mut emulator = Emulator::new(&[PLAIN], 1);
    assert_eq!(emulator.on_packet(at(0), 0, 1, 100), Verdict::Dropped(Why::Nobody));
    assert_eq!(emulator.on_packet(at(0), 9, 0, 100), Verdict::Dropped(Why::Nobody));
    emulator.partition(9, at(1));
    emulator.set_rate(9, None, None);
}

proptest! {
    #[test]
    fn a_rate_is_never_exceeded_and_no_packet_forgotten(
        rate in 1_000..10_000_000_u64,
        is_up in proptest::bool::ANY,
        other in proptest::option::of(1_000..10_000_000_u64),
        queue in 0..200_000_u64,
        packets in proptest::collection::vec((0..20_000_u64, 40..1500_usize), 1..200),
    ) {
        // Behind a faster downlink an uplink's packets may be closer: it is alone then.
        let (up, down) = if is_up { (Some(rate), None) } else { (other, Some(rate)) };
        let link = NetLink { up, down, queue, ..PLAIN };
        let mut emulator = Emulator::new(&[link, link], 1);
        let (mut now, mut lens, mut taken) = (0, Vec::new(), 0);
        for &(pause, len) in &packets {
            now += pause;
            if let Verdict::Taken(packet) = emulator.on_packet(at(now), 0, 1, len) {
                prop_assert_eq!(packet, taken);
                taken += 1;
                lens.push(len as u64);
            }
        }
        let there = all(&mut emulator, at(u64::MAX / 2000));
        prop_assert_eq!(there.len() as u64, taken);
        let there: Vec<_> = there.into_iter().filter(|one| one.dropped.is_none()).collect();
        // Whatever the window, its packets but the first took their time.
        for first in 0..there.len() {
            let mut bytes = 0;
            for later in &there[first + 1..] {
                bytes += u128::from(lens[later.packet as usize]);
                let nanos = later.at.since(there[first].at).as_nanos();
                prop_assert!(bytes * 1_000_000_000 <= nanos * u128::from(rate));
            }
        }
    }
}
