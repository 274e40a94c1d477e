//! The decisions under any sequence of events: each driver keeps a model beside what ships, and
//! both must agree after every step. The fuzz targets in `fuzz/` run the same drivers for longer.

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::proptest;

#[path = "operations/choker.rs"]
mod choker;
#[path = "operations/picker.rs"]
mod picker;
#[path = "operations/swarm.rs"]
mod swarm;
#[path = "operations/tracker.rs"]
mod tracker;

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
}
