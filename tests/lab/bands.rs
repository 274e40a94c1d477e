//! Bands: what theory promises, held against the logic that ships, in virtual time.
//!
//! What a scenario file can say is in `experiments/`, which `scripts/experiments.sh` holds against
//! its bands; here is what no setting of a node chooses.
//!
//! `cargo test --test lab bands -- --nocapture` prints a table for each, one line per seed of the dice.
//!
//! Everything is in units of the book: u is the upload rate of a leecher, u_s that of the seed, F
//! the content, and F/u an hour of it. Here F/u is 256 s, and timers are scaled so that a choker's
//! round is to it what 10 s are to an hour. Its size is chosen so that what stays real is small
//! beside it: a pipeline (half a second), a request's deadline (10 s) and the latency (1 ms). In a
//! round of 0.7 s an uplink sends eleven blocks, nearly three in each of four slots, so that tit
//! for tat has something to measure. The bands are those of a fluid model of the same rules.

use std::time::Duration;
use swarmlet::lab::theory;
use swarmlet::lab::world::{PeerOptions, World, WorldOptions};

/// u: bytes per second that a leecher sends.
const UP: u64 = 256 * 1024;

/// F: bytes of content.
const SIZE: u64 = 64 * 1024 * 1024;

/// F/u in seconds.
const HOUR: f64 = (SIZE / UP) as f64;

/// A world of `pieces` pieces, in which F/u is an hour.
fn world(seed: u64, pieces: u32) -> World {
    World::new(WorldOptions {
        piece_length: (SIZE / u64::from(pieces)) as u32,
        pieces,
        time_scale: 3600.0 / HOUR,
        seed,
        ..WorldOptions::default()
    })
}

/// The moment so many hours of the book after the start.
fn hours(hours: f64) -> Duration {
    Duration::from_secs_f64(hours * HOUR)
}

/// When the last leecher had everything, in hours of the book.
fn distribution_time(world: &World) -> f64 {
    world.last_completion().expect("somebody has everything").elapsed().as_secs_f64() / HOUR
}

#[test]
fn blocks_that_survive_a_choke_save_a_quarter_of_the_time() {
    println!("\nseed   kept  dropped   time / bound, by what becomes of a piece in part");
    let bound = theory::peer_to_peer(1.0, 10.0, &[1.0; 30], f64::INFINITY);
    for seed in 1..=3 {
        let ratio = |keeps_partial| {
            let mut world = world(seed, 256);
            world.add_peer(PeerOptions::seed(10 * UP));
            for _ in 0..30 {
                world.add_peer(PeerOptions { keeps_partial, ..PeerOptions::leecher(UP) });
            }
            assert!(world.run_until(hours(9.0 * bound)));
            distribution_time(&world) / bound
        };
        let (kept, dropped) = (ratio(true), ratio(false));
        println!("{seed:4} {kept:6.3} {dropped:8.3}");
        assert!(kept <= 1.05 && dropped >= 1.2, "{kept}, {dropped}");
    }
}

#[test]
fn a_seed_with_one_slot_serves_every_peer_its_share() {
    println!("\nseed  least  most   of an equal share, half way");
    for seed in 1..=3 {
        let mut world = world(seed, 256);
        world.add_peer(PeerOptions { upload_slots: 1, ..PeerOptions::seed(2 * UP) });
        for _ in 0..8 {
            world.add_peer(PeerOptions { upload_slots: 0, ..PeerOptions::leecher(UP) });
        }
        assert!(!world.run_until(hours(2.0)), "alone it takes four");
        let reports = world.reports();
        let share = (reports[0].sent / 8) as f64;
        let shares = reports[1..].iter().map(|peer| peer.received as f64 / share);
        let (least, most) = shares
            .fold((f64::MAX, 0.0), |(least, most), x| (f64::min(least, x), f64::max(most, x)));
        println!("{seed:4} {least:6.3} {most:6.3}");
        assert!(least >= 0.9 && most <= 1.1, "{least} to {most}");
    }
}
