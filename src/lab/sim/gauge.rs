//! What is measured of a world: samples while it runs, and the outcome.

use super::cast::Cast;
use crate::clock::Moment;
use crate::geometry::BLOCK_LEN;
use crate::lab::outcome::{Outcome, PeerOutcome, Sample};
use crate::lab::setting::{Role, Setting};
use crate::lab::world::{self, PeerReport, World};

/// So many moments of a run are kept at most.
const MOST_ROWS: usize = 200;

/// One look at a world.
#[derive(Debug, Clone)]
struct Row {
    at: f64,
    leechers: usize,
    seeds: usize,
    rarest: u32,
    sent: u64,
    /// The mean of the pieces of a group's peers, of those that are there or were.
    pieces: Vec<f64>,
}

/// Looks at a world now and then.
#[derive(Debug)]
pub struct Gauge {
    names: Vec<String>,
    /// The peers of each group that leeches.
    leechers: Vec<Vec<usize>>,
    rows: Vec<Row>,
}

impl Gauge {
    /// Nothing seen yet.
    pub fn new(setting: &Setting, cast: &Cast) -> Self {
        let of = |nth: usize| {
            let its = cast.groups.iter().enumerate().filter(|(_, group)| **group == nth);
            its.map(|(peer, _)| peer).collect::<Vec<_>>()
        };
        let leeches = |nth: usize| setting.groups[nth].role == Role::Leech;
        let groups = 0..setting.groups.len();
        Self {
            names: setting.groups.iter().map(|group| group.name.clone()).collect(),
            leechers: groups.map(|nth| if leeches(nth) { of(nth) } else { vec![] }).collect(),
            rows: Vec::new(),
        }
    }

    /// A look at the world; true if half of the looks were let go, because they were too many.
    pub fn look(&mut self, world: &World) -> bool {
        let (leechers, seeds) = world.present();
        self.rows.push(Row {
            at: world.now().elapsed().as_secs_f64(),
            leechers,
            seeds,
            rarest: world.rarest(),
            sent: world.sent(),
            pieces: self.leechers.iter().map(|peers| mean_pieces(world, peers)).collect(),
        });
        let full = self.rows.len() >= MOST_ROWS;
        if full {
            let mut nth = 0;
            self.rows.retain(|_| {
                nth += 1;
                nth % 2 == 0
            });
        }
        full
    }

    /// What came of it.
    pub fn outcome(&self, cast: &Cast) -> Outcome {
        let reports = cast.world.reports();
        let peers = reports.iter().zip(&cast.groups).map(|(report, group)| peer(report, *group));
        let mut outcome = Outcome {
            peers: peers.collect(),
            metrics: [].into(),
            series: self.series(),
            invalid: None,
        };
        let counts = cast.world.counts();
        let mut put = |name: &str, value: f64| _ = outcome.metrics.insert(name.into(), value);
        put("msgs", counts.messages as f64);
        put("haves", counts.haves as f64);
        put("chokes", counts.chokes as f64);
        put("events", counts.events as f64);
        counts.interest().into_iter().for_each(|interest| put("interest", interest));
        cast.world.first_copy().into_iter().for_each(|copies| put("first_copy", copies));
        let end = cast.world.now().elapsed().as_secs_f64();
        let mean = |from: f64, to: f64| mean_population(cast.world.population(), from, to);
        put("population", mean(end / 2.0, end));
        put("population.half", mean(end * 0.4, end / 2.0));
        put("population.end", mean(end * 0.9, end));
        let first = reports.iter().find(|report| report.role == world::Role::Leecher);
        first.and_then(throughput).into_iter().for_each(|rate| put("throughput", rate));
        let slowest = reports.iter().max_by_key(|report| report.completed);
        slowest.and_then(tail).into_iter().for_each(|tail| put("tail", tail));
        outcome
    }

    fn series(&self) -> Vec<Sample> {
        let mut all = Vec::new();
        let mut before = (0.0, 0);
        for row in &self.rows {
            let mut put = |who: &str, metric: &'static str, value: f64| {
                all.push(Sample { t: row.at, who: who.into(), metric, value });
            };
            put("all", "leechers", row.leechers as f64);
            put("all", "seeds", row.seeds as f64);
            put("all", "rarest", f64::from(row.rarest));
            if row.at > before.0 {
                put("all", "up", (row.sent - before.1) as f64 / (row.at - before.0));
            }
            before = (row.at, row.sent);
            for (nth, name) in self.names.iter().enumerate() {
                if !self.leechers[nth].is_empty() {
                    put(name, "pieces", row.pieces[nth]);
                }
            }
        }
        all
    }
}

fn mean_pieces(world: &World, peers: &[usize]) -> f64 {
    let sum: u64 = peers.iter().map(|&peer| u64::from(world.pieces_of(peer))).sum();
    sum as f64 / peers.len().max(1) as f64
}

/// The mean number over a stretch of time, of what was so much from when on.
fn mean_population(changes: &[(Moment, u32)], from: f64, to: f64) -> f64 {
    let mut sum = 0.0;
    for (nth, (at, count)) in changes.iter().enumerate() {
        let next =
            changes.get(nth + 1).map_or(f64::INFINITY, |next| next.0.elapsed().as_secs_f64());
        let stretch = next.min(to) - at.elapsed().as_secs_f64().max(from);
        sum += f64::from(*count) * stretch.max(0.0);
    }
    if to > from { sum / (to - from) } else { 0.0 }
}

/// Bytes per second between a peer's first block and its last byte.
fn throughput(report: &PeerReport) -> Option<f64> {
    let (first, last) = report.bytes_came?;
    let seconds = last.since(first).as_secs_f64();
    let after_first = report.received.saturating_sub(BLOCK_LEN.into());
    (seconds > 0.0).then(|| after_first as f64 / seconds)
}

/// Seconds between the last twentieth of the slowest peer.
fn tail(report: &PeerReport) -> Option<f64> {
    Some(report.completed?.since(report.nearly?).as_secs_f64())
}

fn peer(report: &PeerReport, group: usize) -> PeerOutcome {
    let seconds = |moment: Option<Moment>| moment.map(|moment| moment.elapsed().as_secs_f64());
    PeerOutcome {
        group,
        joined: seconds(report.joined),
        completed: seconds(report.completed),
        left: seconds(report.left),
        sent: report.sent,
        received: report.received,
        wasted: report.wasted,
        bans: report.bans,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_mean_over_time_counts_each_number_for_as_long_as_it_held() {
        let at = |secs| Moment::after(Duration::from_secs(secs));
        let changes = [(at(0), 0), (at(2), 10), (at(4), 20)];
        for (from, to, mean) in
            [(0.0, 2.0, 0.0), (1.0, 3.0, 5.0), (2.0, 6.0, 15.0), (5.0, 9.0, 20.0)]
        {
            assert!((mean_population(&changes, from, to) - mean).abs() < 1e-12, "{from} to {to}");
        }
    }
}
