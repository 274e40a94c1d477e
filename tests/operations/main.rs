//! The decisions and the readers under any sequence of events and any bytes: each driver keeps a
//! model, or a rule, beside what ships, and both must agree after every step. The fuzz targets in
//! `fuzz/` run the same drivers for longer.

#[path = "../harness/mod.rs"]
mod harness;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::proptest;
use proptest::test_runner::TestRunner;
use std::path::Path;
use swarmlet::protocol::Dialect;
use swarmlet::protocol::msgpack::end_of_map;

mod bencode;
mod choker;
mod control;
mod extension;
mod handshake;
mod http_tracker;
mod metainfo;
mod msgpack_frame;
mod path;
mod picker;
mod registry;
mod saved;
mod seeds;
mod swarm;
mod tracker;
mod tracker_reply;
mod udp_tracker;
mod wire;

/// How often good bytes are bent for each driver.
const BENT: u32 = 250;

/// The same, if `SWARMLET_BENT` says another number.
fn cases() -> u32 {
    std::env::var("SWARMLET_BENT").ok().and_then(|count| count.parse().ok()).unwrap_or(BENT)
}

/// A driver takes what it calls good and what others collected, and then good bytes that are bent.
/// Where `SWARMLET_SEEDS` names a folder, the unbent ones are written there for a fuzzer.
fn drive(driver: &str, good: &[Vec<u8>], run: impl Fn(&[u8])) {
    let all = [good, &seeds::of_others(driver)].concat();
    if let Some(folder) = std::env::var_os("SWARMLET_SEEDS") {
        seeds::write(&Path::new(&folder).join(driver), &all);
    }
    all.iter().for_each(|bytes| run(bytes));
    let edits = (any::<usize>(), vec(any::<[u8; 4]>(), 1..12));
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() };
    let mut runner = TestRunner::new(config);
    let tried = runner.run(&edits, |(which, edits)| {
        run(&seeds::bent(good, which, &edits));
        Ok(())
    });
    tried.unwrap_or_else(|why| panic!("{driver}: {why}"));
}

#[test]
fn bencode_is_read_as_it_was_written_or_refused() {
    drive("bencode", &bencode::seeds(), bencode::run);
}

#[test]
fn a_torrent_that_is_taken_is_sound() {
    drive("metainfo", &metainfo::seeds(), metainfo::run);
}

#[test]
fn a_frame_ends_where_every_reader_sees_its_end() {
    drive("msgpack_frame", &msgpack_frame::seeds(), msgpack_frame::run);
}

#[test]
fn a_bittorrent_stream_is_heard_alike_however_it_is_cut() {
    let run = |bytes: &[u8]| wire::run(Dialect::BitTorrent, bytes);
    drive("bt_wire", &wire::seeds(Dialect::BitTorrent), run);
}

#[test]
fn a_native_stream_is_heard_alike_however_it_is_cut() {
    let run = |bytes: &[u8]| wire::run(Dialect::Native, bytes);
    drive("native_wire", &wire::seeds(Dialect::Native), run);
}

#[test]
fn an_opening_is_answered_by_its_rules_or_refused() {
    drive("handshake", &handshake::seeds(), handshake::run);
}

#[test]
fn what_extensions_say_is_within_bounds() {
    drive("extension", &extension::seeds(), extension::run);
}

#[test]
fn datagrams_of_trackers_say_the_same_when_they_are_said_again() {
    drive("udp_tracker", &udp_tracker::seeds(), udp_tracker::run);
}

#[test]
fn requests_to_a_tracker_are_no_longer_than_what_was_sent() {
    drive("http_tracker", &http_tracker::seeds(), http_tracker::run);
}

#[test]
fn a_peer_is_not_driven_by_what_its_tracker_says() {
    drive("tracker_reply", &tracker_reply::seeds(), tracker_reply::run);
}

#[test]
fn what_was_written_down_is_read_whole_or_not_at_all() {
    drive("saved", &saved::seeds(), saved::run);
}

#[test]
fn names_never_meet_and_never_leave_their_folder() {
    drive("path", &path::seeds(), path::run);
}

#[test]
fn a_door_answers_anything_and_lets_no_stranger_in() {
    drive("control", &control::seeds(), control::run);
}

#[test]
fn the_tables_of_a_tracker_agree_with_a_map_where_every_cap_is_reached() {
    drive("registry", &registry::seeds(), registry::run);
}

/// Runs on a stack of 64 KiB: whoever recurses by a stranger's numbers does not come back.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(run);
    thread.expect("a thread").join().expect("it came back");
}

#[test]
fn no_length_that_messagepack_can_announce_is_believed_before_the_bytes_are_there() {
    // str, bin, ext, array and map with lengths of two and of four bytes, behind {"a":
    const FAMILIES: [(u8, usize); 10] = [
        (0xda, 2),
        (0xdb, 4),
        (0xc5, 2),
        (0xc6, 4),
        (0xc8, 2),
        (0xc9, 4),
        (0xdc, 2),
        (0xdd, 4),
        (0xde, 2),
        (0xdf, 4),
    ];
    on_a_small_stack(|| {
        for (first, width) in FAMILIES {
            for length in [0_u32, 1, 1 << 16, 1 << 31, u32::MAX] {
                let length = &length.to_be_bytes()[4 - width..];
                let declared = length.iter().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
                let needed = match first {
                    0xc8 | 0xc9 => declared + 1,
                    0xde | 0xdf => declared * 2,
                    _ => declared,
                };
                let map = seeds::in_a_map(&[&[first][..], length].concat());
                for count in [0_usize, 1, 2, 8, 4000, 70_000] {
                    let bytes = [&map[..], &vec![0; count]].concat();
                    let end = (needed <= count as u64).then(|| map.len() + needed as usize);
                    assert_eq!(end_of_map(&bytes), Ok(end), "{first:#x} {declared} in {count}");
                    msgpack_frame::run(&bytes);
                    let frame = [&[0x10][..], &bytes].concat();
                    let total = (frame.len() as u32).to_be_bytes();
                    msgpack_frame::run(&[&total[..], &frame].concat());
                    msgpack_frame::run(&[&b"SWT1"[..], &frame].concat());
                }
            }
        }
        let mut nested = seeds::in_a_map(&[0x91; 10_000]);
        msgpack_frame::run(&nested);
        nested.splice(0..0, [0, 0, 0x27, 0x14, 0x10]);
        msgpack_frame::run(&nested);
    });
}

#[test]
fn every_value_of_messagepacks_test_suite_ends_where_it_ends() {
    let Some(corpus) = seeds::corpus() else {
        return eprintln!("SKIPPED: no corpus (set SWARMLET_SHARED)");
    };
    let values = seeds::values(&corpus);
    assert!(values.len() > 200, "{} values", values.len());
    on_a_small_stack(move || {
        for value in values {
            let map = seeds::in_a_map(&value);
            assert_eq!(end_of_map(&map), Ok(Some(map.len())), "{value:02x?}");
            assert_eq!(end_of_map(&[&map[..], &[0; 9]].concat()), Ok(Some(map.len())));
            for cut in 0..map.len() {
                assert_eq!(end_of_map(&map[..cut]), Ok(None), "{value:02x?} cut at {cut}");
            }
            msgpack_frame::run(&map);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_picker_keeps_its_rules_and_can_always_finish(
        seed in any::<u8>(),
        operations in vec(any::<[u8; 4]>(), 0..200),
    ) {
        picker::run(seed, operations.into_iter().map(picker::Operation::from));
    }

    #[test]
    fn every_choker_keeps_its_slots_busy_and_lets_nobody_wait_for_ever(
        setup in any::<[u8; 3]>(),
        operations in vec(any::<[u8; 4]>(), 0..200),
    ) {
        choker::run(setup, operations.into_iter().map(choker::Operation::from));
    }

    #[test]
    fn a_swarm_among_strangers_keeps_its_books_and_can_always_finish(
        setup in any::<[u8; 4]>(),
        operations in vec(any::<[u8; 4]>(), 0..200),
    ) {
        swarm::run(setup, operations.into_iter().map(swarm::Operation::from));
    }

    #[test]
    fn a_tracker_among_strangers_keeps_its_caps_and_never_amplifies(
        operations in vec((any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..120)), 0..100),
    ) {
        tracker::run(operations.into_iter());
    }

    #[test]
    fn lists_of_paths_get_places_of_their_own_below_their_folder(
        paths in vec(vec(name(), 1..5), 1..12),
    ) {
        path::check(&paths);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Counts, caps, who gives way, expiry to the tick, and draws.
    #[test]
    fn the_tables_of_a_tracker_do_what_a_plain_map_would(
        events in vec(any::<[u8; 4]>(), 1..400),
    ) {
        registry::run(events.as_flattened());
    }
}

/// Few names, so that they meet: plain ones, hostile ones, long ones.
fn name() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::{Just, Strategy, prop_oneof};
    prop_oneof![
        "[ab](\\.[12])?".prop_map(String::into_bytes),
        prop_oneof![Just(".."), Just("."), Just("/"), Just(""), Just("a\0"), Just("\u{202e}a")]
            .prop_map(|text| text.as_bytes().to_vec()),
        (120..260_usize).prop_map(|length| "é".repeat(length / 2).into_bytes()),
        vec(any::<u8>(), 0..6),
    ]
}
