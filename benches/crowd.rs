//! What a crowd costs on one core of this machine: `cargo bench --bench crowd -- [PEERS] [OPTIONS]`.
//!
//! ```text
//!                             1000, 10,000 and 100,000 leechers, and what a HAVE costs
//! -- 1000000 --pieces 128 --degree 30      that many, once
//! -- 1000 --server 1                       a seed as fast as a leecher
//! ```
//! Each crowd has one seed, four times as fast as each leecher unless told otherwise, and rounds of a hundredth of F/u.
//! Told are the wall time, events and HAVEs per second, bytes per peer as the crowd counts them and
//! as the system does, and when the last one was done beside the optimum for uplinks that are equal
//! (Mundinger, Weber and Weiss 2008).

use std::hint::black_box;
use std::time::{Duration, Instant};

use swarmlet::bitfield::Bitfield;
use swarmlet::ids::PieceIndex;
use swarmlet::lab::crowd;
use swarmlet::lab::outcome::Watch;
use swarmlet::lab::setting::{Content, Group, LinkSetting, Model, Role, Setting};
use swarmlet::logic::availability::{Availability, Rank};

/// Bytes in a piece, and bytes per second of a leecher: a piece takes a second.
const PIECE: u32 = 1 << 16;

/// Nobody watches.
struct Nobody;

impl Watch for Nobody {
    fn trace(&mut self, _: &str) {}
    fn wants_trace(&self) -> bool {
        false
    }
    fn progress(&mut self, _: f64) -> bool {
        true
    }
}

fn group(role: Role, count: usize, up: u64) -> Group {
    Group { up: Some(up), ..Group::new(format!("{role:?}").to_lowercase(), role, count) }
}

fn setting(leechers: usize, pieces: u32, degree: usize, server: u64) -> Setting {
    let up = u64::from(PIECE);
    let content = Content { size: up * u64::from(pieces), piece: PIECE };
    Setting {
        model: Model::Crowd,
        time_scale: 1000.0 / f64::from(pieces), // a round is a hundredth of F/u
        limit: Duration::from_secs(20 * u64::from(pieces)),
        link: LinkSetting { degree: Some(degree), refresh: false, ..LinkSetting::default() },
        ..Setting::new(
            content,
            vec![group(Role::Seed, 1, server * up), group(Role::Leech, leechers, up)],
        )
    }
}

fn row(leechers: usize, pieces: u32, degree: usize, server: u64) {
    let start = Instant::now();
    let outcome = crowd::run(&setting(leechers, pieces, degree, server), 1, &mut Nobody);
    let outcome = outcome.expect("a crowd can do that");
    let wall = start.elapsed().as_secs_f64();
    let metric = |name: &str| outcome.metrics.get(name).copied().unwrap_or(f64::NAN);
    let done = outcome.peers.iter().filter_map(|peer| peer.completed).reduce(f64::max);
    let last = done.unwrap_or_else(|| metric("D")) / f64::from(pieces);
    let optimum = 1.0 + (leechers as f64).log2().floor() / f64::from(pieces);
    println!(
        "{leechers:>8} {pieces:>5} {degree:>3} {wall:>8.1} {:>10.2} {:>10.1} {:>10.0} {:>10.0} {last:>8.4} {optimum:>8.4}",
        metric("events") / wall / 1e6,
        metric("haves") / wall / 1e6,
        metric("memory_per_peer"),
        peak().map_or(f64::NAN, |bytes| bytes / leechers as f64),
    );
}

/// The most memory that this process ever had, in bytes, where the system says so.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// Nanoseconds of a HAVE in the order that a node's picker keeps: every piece of forty neighbours
/// in no order, all pieces to be fetched; the best of seven.
fn on_have(pieces: u32) -> f64 {
    const NEIGHBOURS: u32 = 40;
    let theirs = Bitfield::new(pieces); // never full: that is counted apart
    let steps: Vec<PieceIndex> = {
        let mut dice = fastrand::Rng::with_seed(2);
        let all = (0..NEIGHBOURS).flat_map(|_| (0..pieces).map(PieceIndex));
        let mut all: Vec<_> = all.collect();
        dice.shuffle(&mut all);
        all
    };
    let once = || {
        let mut dice = fastrand::Rng::with_seed(1);
        let mut order = Availability::new(pieces);
        (0..pieces).for_each(|piece| order.list(PieceIndex(piece), Rank::Normal, &mut dice));
        let start = Instant::now();
        for &piece in &steps {
            order.on_have(black_box(piece), &theirs, &mut dice);
        }
        let took = start.elapsed().as_nanos() as f64;
        black_box(&order);
        took / steps.len() as f64
    };
    (0..7).map(|_| once()).fold(f64::INFINITY, f64::min)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |flag: &str, usual: usize| {
        let place = words.iter().position(|word| word == flag);
        let value = place.and_then(|at| words.get(at + 1)?.parse().ok());
        value.unwrap_or(usual)
    };
    let (pieces, degree) = (number("--pieces", 256) as u32, number("--degree", 40));
    let server = number("--server", 4) as u64;
    println!(
        "leechers     M deg   wall s events M/s HAVEs M/s  bytes/peer  peak/peer D/(F/u)  optimum"
    );
    if let Some(leechers) = words.first().and_then(|word| word.parse().ok()) {
        return row(leechers, pieces, degree, server);
    }
    for leechers in [1000, 10_000, 100_000] {
        row(leechers, pieces, degree, server);
    }
    for pieces in [256, 1024, 10_000] {
        let cost = on_have(pieces);
        let verdict = if cost <= 30.0 { "" } else { "  over" };
        println!("availability: HAVE, {pieces} pieces {cost:>24.1} ns of        30{verdict}");
    }
}
