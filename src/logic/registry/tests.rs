//! The rules of the tables, each a sentence.

use super::*;
use crate::bitfield::Bitfield;
use crate::ids::PieceIndex;
use crate::protocol::tracker_native::PeerEntry;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

fn hash(n: u8) -> InfoHash {
    InfoHashV2([n; 32]).into()
}

/// The name of 20 bytes under which BitTorrent's peers announce themselves.
fn short(n: u8) -> InfoHash {
    hash(n).short().into()
}

fn addr(n: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::from((0x0100_0000 + n).to_be_bytes()), 6881)
}

fn peer(torrent: u8, n: u32, left: u64) -> Registration {
    Registration {
        info_hash: hash(torrent),
        addr: addr(n),
        peer_id: PeerId([n as u8; 20]),
        name: "big.zip".into(),
        size: 100,
        pieces: 10,
        left,
        uploaded: 0,
        downloaded: 0,
        have: Have::Unknown,
        native: true,
        bittorrent: false,
    }
}

fn beat(torrent: u8, left: u64, news: &[u32]) -> Beat {
    let news = news.iter().copied().map(PieceIndex).collect();
    Beat { info_hash: hash(torrent).short(), left, down: 1, up: 2, news }
}

fn registry(change: impl FnOnce(&mut Params)) -> Registry {
    let mut params = Params::default();
    change(&mut params);
    Registry::new(params)
}

fn want(asker: Option<u32>, peers: usize) -> Wanted {
    Wanted { asker: asker.map(addr), family: None, peers }
}

fn peers(r: &mut Registry, names: &[InfoHash], asker: u32, wanted: usize) -> Vec<PeerEntry> {
    let mut given = Vec::new();
    r.next_peers(names, want(Some(asker), wanted), |peer| {
        given.push(*peer);
        true
    });
    given
}

fn counts(registry: &Registry, torrent: u8) -> Option<(u32, u32)> {
    registry.swarm(&hash(torrent)).map(|swarm| (swarm.seeders, swarm.leechers))
}

#[test]
fn started_completed_and_stopped_are_counted() {
    let mut r = registry(|_| {});
    r.on_register(at(0), peer(1, 1, 0)).unwrap();
    r.on_register(at(0), peer(1, 2, 100)).unwrap();
    assert_eq!(counts(&r, 1), Some((1, 1)));
    assert!(r.on_completed(at(1), &hash(1), addr(2)));
    assert!(r.on_completed(at(1), &hash(1), addr(2)), "said twice, counted once");
    assert_eq!(counts(&r, 1), Some((2, 0)));
    assert_eq!(r.swarm(&hash(1)).unwrap().completed, 1);
    assert!(r.on_stopped(&hash(1), addr(1), PeerId([1; 20])));
    assert!(!r.on_stopped(&hash(1), addr(1), PeerId([1; 20])));
    assert_eq!(counts(&r, 1), Some((1, 0)));
    assert!(r.on_stopped(&hash(1), addr(2), PeerId([2; 20])));
    assert_eq!((counts(&r, 1), r.torrents(), r.peers()), (None, 0, 0));
}

#[test]
fn nobody_stops_a_peer_with_another_id() {
    let mut r = registry(|_| {});
    r.on_register(at(0), peer(1, 1, 0)).unwrap();
    assert!(!r.on_stopped(&hash(1), addr(1), PeerId([9; 20])));
    assert_eq!(counts(&r, 1), Some((1, 0)));
}

#[test]
fn a_silent_peer_is_dropped_and_one_that_beats_stays() {
    let mut r = registry(|_| {});
    r.on_register(at(0), peer(1, 1, 0)).unwrap();
    r.on_register(at(1), peer(1, 2, 9)).unwrap();
    assert_eq!(r.deadline(), Some(at(15)));
    assert!(r.on_beat(at(5), addr(1), &beat(1, 0, &[])));
    assert_eq!(r.on_tick(at(15), 1000), 0);
    assert_eq!(r.deadline(), Some(at(16)));
    assert_eq!(r.on_tick(at(16), 1000), 1);
    assert_eq!(counts(&r, 1), Some((1, 0)));
    assert!(!r.on_beat(at(17), addr(2), &beat(1, 9, &[])), "told that it is unknown");
    assert_eq!(r.on_tick(at(20), 1000), 1);
    assert_eq!((r.torrents(), r.deadline()), (0, None));
}

#[test]
fn a_turn_drops_no_more_than_it_may() {
    let mut r = registry(|_| {});
    for n in 0..2500 {
        r.on_register(at(0), peer((n % 5) as u8, n, 0)).unwrap();
    }
    let turns: Vec<usize> = (0..4).map(|_| r.on_tick(at(60), 1000)).collect();
    assert_eq!(turns, [1000, 1000, 500, 0]);
}

#[test]
fn an_answer_holds_a_seeder_and_never_the_asker() {
    let mut r = registry(|_| {});
    r.on_register(at(0), peer(1, 0, 0)).unwrap();
    for n in 1..200 {
        r.on_register(at(0), peer(1, n, 5)).unwrap();
    }
    for asker in 0..200 {
        let given = peers(&mut r, &[hash(1)], asker, 10);
        let distinct: HashSet<SocketAddr> = given.iter().map(|p| p.addr).collect();
        assert_eq!((given.len(), distinct.len()), (10, 10));
        assert!(!distinct.contains(&addr(asker)));
        assert_eq!(given.iter().filter(|p| p.seed).count(), usize::from(asker != 0));
    }
    assert_eq!(peers(&mut r, &[hash(1)], 7, 1000).len(), 199);
    assert_eq!(peers(&mut r, &[hash(2)], 999, 10), []);
    assert_eq!(peers(&mut r, &[hash(1)], 999, 0), []);
}

#[test]
fn every_peer_is_given_out_about_as_often() {
    let mut r = registry(|_| {});
    for n in 0..40 {
        r.on_register(at(0), peer(1, n, u64::from(n >= 20))).unwrap();
    }
    let mut given = HashMap::new();
    for _ in 0..4000 {
        for peer in peers(&mut r, &[hash(1)], 999, 10) {
            *given.entry(peer.addr).or_insert(0) += 1;
        }
    }
    assert_eq!(given.len(), 40);
    assert!(given.values().all(|&n| (800..1300).contains(&n)), "{given:?}");
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let answers = || {
        let mut r = registry(|p| p.seed = 7);
        for n in 0..100 {
            r.on_register(at(0), peer(1, n, u64::from(n % 3))).unwrap();
        }
        (0..10).map(|_| peers(&mut r, &[hash(1)], 999, 5)).collect::<Vec<_>>()
    };
    assert_eq!(answers(), answers());
}

#[test]
fn made_up_registrations_displace_each_other_and_no_honest_swarm() {
    let mut r = registry(|p| (p.max_torrents, p.max_peers) = (10, 20));
    for n in 0..5 {
        r.on_register(at(0), peer(1, n, 5)).unwrap();
        assert!(r.on_beat(at(1), addr(n), &beat(1, 4, &[])));
    }
    for n in 100..1000 {
        r.on_register(at(2), peer((n % 200 + 2) as u8, n, 5)).unwrap();
        assert!(r.torrents() <= 10 && r.peers() <= 20);
    }
    assert_eq!(counts(&r, 1), Some((0, 5)));
    assert_eq!(r.torrents(), 10);
}

#[test]
fn when_everyone_beats_a_newcomer_is_refused() {
    let mut r = registry(|p| (p.max_torrents, p.max_peers, p.max_peers_per_torrent) = (2, 3, 2));
    for (torrent, n) in [(1, 1), (1, 2), (2, 3)] {
        r.on_register(at(0), peer(torrent, n, 5)).unwrap();
        r.on_beat(at(1), addr(n), &beat(torrent, 5, &[]));
    }
    assert_eq!(r.on_register(at(2), peer(3, 9, 5)), Err(Refused::Torrents));
    assert_eq!(r.on_register(at(2), peer(1, 9, 5)), Err(Refused::Torrent));
    assert_eq!(r.on_register(at(2), peer(2, 9, 5)), Err(Refused::Peers));
    assert_eq!(r.on_register(at(2), peer(1, 1, 4)), Ok(()), "who is known is never refused");
}

#[test]
fn a_full_torrent_gives_up_its_oldest_unheard_of_peer() {
    let mut r = registry(|p| p.max_peers_per_torrent = 2);
    r.on_register(at(0), peer(1, 1, 5)).unwrap();
    r.on_register(at(1), peer(1, 2, 5)).unwrap();
    r.on_register(at(2), peer(1, 3, 5)).unwrap();
    let mut left: Vec<SocketAddr> = r.holders(&hash(1)).map(|h| h.addr).collect();
    left.sort();
    assert_eq!(left, [addr(2), addr(3)]);
}

#[test]
fn an_address_has_its_cap_and_local_ones_have_none() {
    let at_ip = |torrent: u8, ip: &str, port: u16| Registration {
        addr: SocketAddr::new(ip.parse().unwrap(), port),
        ..peer(torrent, 0, 5)
    };
    let mut r = registry(|p| p.max_per_address = 2);
    assert_eq!(r.on_register(at(0), at_ip(1, "8.8.8.8", 1)), Ok(()));
    assert_eq!(r.on_register(at(0), at_ip(2, "8.8.8.8", 1)), Ok(()));
    assert_eq!(r.on_register(at(0), at_ip(3, "8.8.8.8", 1)), Err(Refused::Address));
    assert_eq!(r.on_register(at(0), at_ip(1, "2001:db8::1", 1)), Ok(()));
    assert_eq!(r.on_register(at(0), at_ip(1, "2001:db8::2", 1)), Ok(()));
    assert_eq!(r.on_register(at(0), at_ip(1, "2001:db8::3", 1)), Err(Refused::Address));
    for port in 1..100 {
        for ip in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1"] {
            assert_eq!(r.on_register(at(0), at_ip(1, ip, port)), Ok(()));
        }
    }
    assert_eq!(r.on_tick(at(100), 10_000), 4 + 99 * 5);
    assert_eq!(r.on_register(at(100), at_ip(3, "8.8.8.8", 1)), Ok(()), "counted down again");
}

#[test]
fn beats_fill_the_bitmap_and_bitmaps_have_their_budget() {
    let two = 2 * details::COST + About::cost("big.zip");
    let mut r = registry(|p| p.max_aside = two + 3);
    let with = |n, left| Registration { have: Have::Some(Bitfield::new(10)), ..peer(1, n, left) };
    r.on_register(at(0), with(1, 100)).unwrap();
    r.on_register(at(0), with(2, 100)).unwrap();
    r.on_beat(at(1), addr(1), &beat(1, 80, &[0, 9, 10, u32::MAX]));
    let have = |n| r.holders(&hash(1)).find(|h| h.addr == addr(n)).unwrap().have.clone();
    let Have::Some(bits) = have(1) else { panic!("peer 1 has said what it has") };
    assert_eq!(bits.as_bytes(), [0x80, 0x40]);
    assert_eq!(have(2), Have::Unknown, "three bytes were left");
    r.on_completed(at(2), &hash(1), addr(1));
    r.on_register(at(2), with(2, 100)).unwrap();
    assert!(r.holders(&hash(1)).any(|h| matches!(h.have, Have::Some(_))), "room again");
}

#[test]
fn a_peer_that_wants_no_more_but_lacks_pieces_is_no_seeder() {
    let mut r = registry(|_| {});
    let half = Have::Some(Bitfield::from_bytes(&[0xf0, 0], 10).unwrap());
    r.on_register(at(0), Registration { have: half, ..peer(1, 1, 0) }).unwrap();
    assert_eq!(counts(&r, 1), Some((0, 1)));
}

#[test]
fn one_publisher_is_asked_at_a_time() {
    let mut r = registry(|_| {});
    let pause = Duration::from_secs(2);
    assert!(!r.next_publisher(at(0), &hash(1), pause));
    r.on_register(at(0), peer(1, 1, 0)).unwrap();
    assert!(r.next_publisher(at(0), &hash(1), pause));
    assert!(!r.next_publisher(at(1), &hash(1), pause));
    assert!(r.next_publisher(at(2), &hash(1), pause));
}

fn caller(n: u32) -> Caller {
    Caller { peer_id: PeerId([n as u8; 20]), key: n }
}

fn announced(torrent: u8, n: u32, left: u64) -> Report {
    let info_hash = hash(torrent).short();
    let (addr, caller) = (addr(n), caller(n));
    Report { info_hash, addr, caller, details: None, seeds: left == 0, completed: false }
}

/// The same by HTTP, where the id and the progress are kept.
fn over_http(torrent: u8, n: u32, left: u64) -> Report {
    let (peer_id, uploaded, downloaded) = (PeerId([n as u8; 20]), 0, 0);
    let details = Some(Progress { peer_id, left, uploaded, downloaded });
    Report { details, ..announced(torrent, n, left) }
}

#[test]
fn somebody_else_at_a_peers_address_neither_stops_nor_overwrites_it() {
    let (owner, id) = (caller(1), hash(1).short());
    let stranger = |key| Caller { key, ..owner };
    for report in [announced(1, 1, 5), over_http(1, 1, 5)] {
        let mut r = registry(|_| {});
        r.on_announce(at(0), &report).unwrap();
        let other = (2..9999).map(stranger).find(|&other| r.tag(other) != r.tag(owner)).unwrap();
        let as_seed = Report { caller: other, seeds: true, ..report };
        r.on_announce(at(899), &as_seed).unwrap();
        assert_eq!(r.seeders(), 0, "it is no seeder because another says so");
        assert!(!r.on_left(id, addr(1), other) && r.knows(&short(1), addr(1)));
        assert!(!r.on_left(id, addr(1), owner), "who was contested leaves by falling silent");
        assert_eq!((r.on_tick(at(899), 9), r.on_tick(at(900), 9)), (0, 1), "nobody kept it alive");
        r.on_announce(at(901), &as_seed).unwrap();
        assert_eq!(r.seeders(), 1, "the place is free");
        assert!(r.on_left(id, addr(1), other));
    }
}

#[test]
fn who_guesses_a_key_has_one_guess() {
    let stopped = (0..200).filter(|&seed| {
        let mut r = registry(|_| {});
        let report = announced(1, seed, 5);
        r.on_announce(at(0), &report).unwrap();
        let all = (1000..2000).map(|key| Caller { key, ..report.caller });
        all.for_each(|guess| _ = r.on_left(report.info_hash, addr(seed), guess));
        !r.knows(&short(1), addr(seed))
    });
    let stopped = stopped.count();
    assert!(stopped < 10, "{stopped} of 200 were stopped, one of 256 was to be expected");
}

#[test]
fn an_address_that_announces_too_fast_is_told_so_and_local_ones_are_not() {
    let mut r = registry(|p| p.max_a_second = 10);
    let outcomes: Vec<_> = (0..150).map(|_| r.on_announce(at(0), &announced(1, 1, 5))).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 100);
    assert_eq!(outcomes[149], Err(Refused::Pace));
    let from_1 = Registration { addr: addr(1), ..peer(1, 1, 5) };
    assert_eq!(r.on_register(at(0), from_1), Err(Refused::Pace), "in either dialect");
    assert_eq!(r.on_announce(at(0), &announced(1, 2, 5)), Ok(()), "others go on");
    assert_eq!(r.on_announce(at(10), &announced(1, 1, 5)), Ok(()), "and it does later");
    let near = Report { addr: "10.0.0.1:1".parse().unwrap(), ..announced(1, 3, 5) };
    assert!((0..1000).all(|_| r.on_announce(at(10), &near).is_ok()));
}

#[test]
fn names_and_details_have_a_budget_in_which_made_up_peers_displace_each_other() {
    let mut r = registry(|p| p.max_aside = 100_000);
    for n in 0..5 {
        r.on_register(at(0), peer(1, n, 5)).unwrap();
        assert!(r.on_beat(at(1), addr(n), &beat(1, 4, &[])));
    }
    for n in 100..5000 {
        let name = "x".repeat(255);
        let full = InfoHashV2(std::array::from_fn(|at| (n >> (at % 4 * 8)) as u8)).into();
        r.on_register(at(2), Registration { info_hash: full, name, ..peer(9, n, 5) }).unwrap();
        assert!(r.details.used().0 <= 100_000);
    }
    assert_eq!(counts(&r, 1), Some((0, 5)), "who beats stays");
    assert!(r.peers() > 100, "{}", r.peers());
}

#[test]
fn ids_of_announces_by_http_give_way_to_native_peers_and_their_peers_stay() {
    let mut r = registry(|p| p.max_aside = 100_000);
    for n in 0..1000 {
        for secs in [0, 1] {
            r.on_announce(at(secs), &over_http(1, n, 5)).unwrap();
        }
    }
    assert_eq!(r.details.used().1, 100_000 / details::COST);
    for n in 0..50 {
        r.on_register(at(2), peer(2, n, 0)).unwrap();
    }
    assert_eq!((counts(&r, 2), r.peers()), (Some((50, 0)), 1050));
    let known = |n| r.peer_id(&[short(1)], addr(n)).is_some();
    assert!(!known(0) && known(300) && r.knows(&short(1), addr(0)));
}

#[test]
fn who_was_silent_is_dropped_however_long_the_process_stood_still() {
    for pause in (1..40).map(|n| n * 137).chain([2621, 2622, 5242, 5243, 5250, 1_000_000]) {
        let mut r = registry(|_| {});
        r.on_register(at(0), peer(1, 1, 5)).unwrap();
        // Ticks of a hundredth of a second go round after 524,288, and then they may lie ahead of
        // somebody by less than twice its patience.
        let came_again = pause * 100 % 524_288 > 524_288 - 3001;
        let dropped = r.on_tick(at(15 + pause), 9);
        assert!(dropped == 1 || came_again, "after {pause} s");
    }
}

#[test]
fn after_a_process_stood_still_what_came_since_is_looked_at_once_and_not_for_ever() {
    for pause in [60, 2000, 2700, 4000, 5000] {
        let mut r = registry(|_| {});
        r.on_register(at(0), peer(1, 1, 5)).unwrap();
        r.on_register(at(pause), peer(1, 2, 5)).unwrap();
        let now = at(pause);
        let turns = (1..100).find(|_| {
            r.on_tick(now, 7);
            r.deadline().is_none_or(|deadline| deadline > now)
        });
        assert!(turns.is_some_and(|turns| turns < 3), "after {pause} s: {turns:?}");
        assert_eq!((r.peers(), r.on_tick(at(pause + 15), 7)), (1, 1), "after {pause} s");
    }
}

#[test]
fn who_announces_itself_may_be_silent_longer() {
    let mut r = registry(|_| {});
    r.on_announce(at(0), &announced(1, 1, 5)).unwrap();
    r.on_register(at(1), peer(1, 2, 5)).unwrap();
    assert_eq!(r.deadline(), Some(at(16)));
    assert_eq!((r.on_tick(at(16), 10), r.peers(), r.deadline()), (1, 1, Some(at(900))));
    r.on_announce(at(600), &announced(1, 1, 5)).unwrap();
    assert_eq!((r.on_tick(at(1499), 10), r.on_tick(at(1500), 10), r.peers()), (0, 1, 0));
}

#[test]
fn a_second_announce_is_being_heard_of_again() {
    let mut r = registry(|p| p.max_peers = 2);
    r.on_announce(at(0), &announced(1, 1, 5)).unwrap();
    r.on_announce(at(1), &announced(1, 1, 5)).unwrap();
    for n in 2..9 {
        r.on_announce(at(2), &announced(2, n, 5)).unwrap();
    }
    assert!(r.knows(&short(1), addr(1)) && r.knows(&short(2), addr(8)));
}

#[test]
fn an_answer_is_drawn_from_all_names_each_peer_once_with_all_its_dialects() {
    let mut r = registry(|_| {});
    for n in 0..20 {
        r.on_register(at(0), peer(1, n, u64::from(n > 0))).unwrap();
    }
    for n in 10..30 {
        r.on_announce(at(0), &announced(1, n, 5)).unwrap();
    }
    let names = [hash(1), short(1)];
    let Figures { seeders, leechers, .. } = r.figures(&names);
    assert_eq!((seeders, leechers), (1, 29), "ten stand under both names");
    for asker in 0..30 {
        let given = peers(&mut r, &names, asker, 100);
        let distinct: HashSet<SocketAddr> = given.iter().map(|p| p.addr).collect();
        assert_eq!((given.len(), distinct.len()), (29, 29));
        assert!(!distinct.contains(&addr(asker)));
        for n in (10..20).filter(|&n| n != asker) {
            let both = given.iter().find(|p| p.addr == addr(n)).unwrap();
            assert!(both.native && both.bittorrent);
        }
        let few = peers(&mut r, &names, asker, 3);
        assert!(few.len() == 3 && (asker == 0 || few[0].seed));
    }
    assert_eq!(peers(&mut r, &[hash(1), hash(1)], 99, 100).len(), 20, "a name said twice");
    let mut found = 0;
    r.next_peers(&names, want(None, 5), |peer| {
        found += usize::from(peer.addr == addr(25));
        peer.addr == addr(25)
    });
    assert_eq!(found, 1);
}

#[test]
fn every_peer_of_two_names_is_given_out_about_as_often() {
    let mut r = registry(|_| {});
    for n in 0..40 {
        match n % 4 {
            0 => r.on_register(at(0), peer(1, n, 5)).unwrap(),
            _ => r.on_announce(at(0), &announced(1, n, u64::from(n % 2))).unwrap(),
        }
    }
    let mut given = HashMap::new();
    for _ in 0..4000 {
        for peer in peers(&mut r, &[hash(1), short(1)], 99, 10) {
            *given.entry(peer.addr).or_insert(0) += 1;
        }
    }
    assert_eq!(given.len(), 40);
    // A quarter seeds, and the first of every answer is one of them.
    assert!(given.values().all(|&n| (800..1500).contains(&n)), "{given:?}");
}

#[test]
fn where_hardly_anybody_suits_a_draw_ends_early() {
    let mut r = registry(|_| {});
    for n in 0..2000 {
        r.on_register(at(0), peer(1, n, 5)).unwrap();
    }
    let mut looked = 0;
    r.next_peers(&[hash(1)], want(None, 50), |_| {
        looked += 1;
        false
    });
    assert_eq!(looked, 4 * 50 + 64);
}

/// Of four native peers of four torrents, and a few bytes for bitmaps.
const BUDGET: usize = 4 * (details::COST + 200) + 7;

proptest! {
    /// Whatever happens, counts agree with the tables and caps hold.
    #[test]
    fn any_history_keeps_the_tables_consistent(
        events in proptest::collection::vec((0..10_u8, 0..4_u8, 0..12_u32, 0..3_u64), 1..300),
    ) {
        let mut r = registry(|p| {
            (p.max_torrents, p.max_peers, p.max_peers_per_torrent) = (3, 9, 5);
            (p.max_per_address, p.max_aside) = (2, BUDGET);
        });
        let mut now = 0;
        for (what, torrent, n, left) in events {
            match what {
                0 | 1 => _ = r.on_register(at(now), peer(torrent, n, left)),
                2 => {
                    let have = Have::Some(Bitfield::new(10));
                    let _ = r.on_register(at(now), Registration { have, ..peer(torrent, n, left) });
                }
                3 => _ = r.on_beat(at(now), addr(n), &beat(torrent, left, &[n])),
                4 => _ = r.on_completed(at(now), &hash(torrent), addr(n)),
                7 => _ = r.on_announce(at(now), &announced(torrent, n, left)),
                8 => _ = r.on_announce(at(now), &over_http(torrent, n, left)),
                9 => _ = r.on_left(hash(torrent).short(), addr(n), caller(n)),
                5 => _ = r.on_stopped(&hash(torrent), addr(n), PeerId([n as u8; 20])),
                _ => {
                    now += 4;
                    r.on_tick(at(now), 2);
                }
            }
            let swarms: Vec<_> = r.swarms_after(None).map(|(h, s)| (h.into(), s.seeders, s.leechers)).collect();
            let mut all = 0;
            let (mut bytes, mut known) = (0, 0);
            let short: Vec<_> = (0..4).map(short).filter(|h| r.swarm(h).is_some()).collect();
            let short = short.iter().map(|h| (*h, r.swarm(h).unwrap()));
            let short: Vec<_> = short.map(|(h, s)| (h, s.seeders, s.leechers)).collect();
            for (h, seeders, leechers) in swarms.into_iter().chain(short) {
                let members = (seeders + leechers) as usize;
                prop_assert!((1..=5).contains(&members));
                prop_assert_eq!(r.holders(&h).count(), members);
                prop_assert!(r.holders(&h).filter(|m| m.left == 0).count() >= seeders as usize);
                bytes += r.holders(&h).map(|m| m.have.bytes()).sum::<usize>();
                let is_native = matches!(h, InfoHash::V2(_));
                bytes += if is_native { About::cost("big.zip") } else { 0 };
                known += r.holders(&h).filter(|m| is_native || m.left < u64::MAX).count();
                let given = peers(&mut r, &[h], n, 99);
                prop_assert!(given.len() + 1 >= members && given.iter().all(|g| g.addr != addr(n)));
                all += members;
            }
            let (used, details) = r.details.used();
            prop_assert_eq!((all, bytes + details * details::COST), (r.peers(), used));
            prop_assert!(all <= 9 && r.torrents() <= 3 && used <= BUDGET && details <= known);
        }
        r.on_tick(at(now + 1000), 1000);
        prop_assert_eq!((r.peers(), r.torrents(), r.crowd.len()), (0, 0, 0));
        prop_assert_eq!((r.unproven.first(), r.details.used()), (None, (0, 0)));
        prop_assert_eq!(r.deadline(), None);
    }
}
