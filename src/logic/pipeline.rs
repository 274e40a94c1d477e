//! How much to have asked of one peer: bandwidth times round-trip time, and a little more.
//!
//! A connection that waits for each answer before it asks again moves `B / (RTT + B/C)` bytes per
//! second; with `q` requests in flight it moves `min(C, q B / (RTT + B/C))` (Kurose and Ross, 3.4;
//! Cohen 2003, 2.3). So the window starts small, doubles with each window's worth that arrives, and
//! settles at what the peer delivers in a round trip and [`SLACK`]: a fast peer is never idle, and a
//! slow one never sits on megabytes that another could fetch. A peer that missed its deadline is
//! asked for one block at a time until it delivers.

use crate::clock::Moment;
use crate::geometry::BLOCK_LEN;
use crate::logic::rate::Rate;
use std::time::Duration;

/// The first window: eight blocks, a frame of the native dialect.
const START: u64 = 8 * BLOCK_LEN as u64;

/// The smallest window: while one block arrives the next is asked for.
const FLOOR: u64 = 2 * BLOCK_LEN as u64;

/// The largest window; at 1 GB/s this is 8 ms, several loopback round trips.
const CEILING: u64 = 8 * 1024 * 1024;

/// How long what is asked should keep the peer busy beyond a round trip: it serves others too, each
/// for a block at a time, and its upload limit lets blocks out one by one.
const SLACK: Duration = Duration::from_millis(500);

/// The longest round trip there is; what takes longer waited in a queue, and waits no less there
/// if more is asked for.
const FARTHEST: Duration = Duration::from_secs(1);

/// Over how long what arrives is counted.
const WINDOW: Duration = Duration::from_secs(1);

/// One peer's request window.
#[derive(Debug, Clone)]
pub struct Pipeline {
    window: u64,
    in_flight: u64,
    rate: Rate,
    /// The shortest time between a question and the first bytes of its answer.
    round_trip: Option<Duration>,
    snubbed: bool,
    /// The window that somebody fixed.
    fixed: Option<u64>,
}

impl Default for Pipeline {
    fn default() -> Self {
        let rate = Rate::over(WINDOW);
        Self { window: START, in_flight: 0, rate, round_trip: None, snubbed: false, fixed: None }
    }
}

impl Pipeline {
    /// A window of so many blocks, at least one, which does not adapt: what the formula above is
    /// about. Blocks are asked for one by one, each as soon as another has come.
    pub fn fixed(blocks: u32) -> Self {
        let window = u64::from(blocks.max(1)) * u64::from(BLOCK_LEN);
        Self { fixed: Some(window), ..Self::default() }
    }

    /// How many more bytes may be asked for now.
    pub fn room(&self) -> u64 {
        self.window().saturating_sub(self.in_flight)
    }

    /// How many bytes may be in flight.
    pub fn window(&self) -> u64 {
        if self.snubbed { BLOCK_LEN.into() } else { self.fixed.unwrap_or(self.window) }
    }

    /// The longest run to ask for at once: half the window, so that one answer overlaps the next
    /// question.
    pub fn longest_request(&self) -> u64 {
        if self.fixed.is_some() {
            BLOCK_LEN.into()
        } else {
            (self.window() / 2).max(BLOCK_LEN.into())
        }
    }

    /// Bytes asked for and not yet delivered.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The shortest time between a question and the first bytes of its answer.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether the peer let a deadline pass and has delivered nothing since.
    pub fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// Bytes were asked for.
    pub fn on_asked(&mut self, bytes: u64) {
        self.in_flight += bytes;
    }

    /// The first bytes of an answer came so long after its question.
    pub fn on_answer(&mut self, after: Duration) {
        self.round_trip = Some(self.round_trip.map_or(after, |least| least.min(after)));
    }

    /// Bytes that were asked for arrived.
    pub fn on_delivered(&mut self, now: Moment, bytes: u64) {
        // BEGIN SOLUTION C4
        self.snubbed = false;
        let pause = self.rate.last().map_or(Duration::ZERO, |last| now.since(last));
        self.rate.add(now, bytes);
        self.in_flight = self.in_flight.saturating_sub(bytes);
        // Of a peer that answers once in three seconds the last second tells nothing.
        let rate = if pause > WINDOW {
            bytes as f64 / pause.as_secs_f64()
        } else {
            self.rate.per_second(now) as f64
        };
        let depth = self.round_trip.unwrap_or_default().min(FARTHEST) + SLACK;
        let settled = (rate * depth.as_secs_f64()) as u64;
        self.window = (self.window + bytes).min(settled.clamp(FLOOR, CEILING));
        // END SOLUTION
    }

    /// What was asked for will not come: choked, rejected, cancelled.
    pub fn on_void(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// The peer answers, but takes too long: it is asked for as little as can be.
    pub fn on_slow(&mut self) {
        self.window = FLOOR;
    }

    /// The peer let a deadline pass.
    pub fn on_missed(&mut self) {
        self.snubbed = true;
        self.window = FLOOR;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    fn deliver(pipeline: &mut Pipeline, from: u64, millis: u64, bytes_per_milli: u64) {
        for tick in from..from + millis {
            pipeline.on_asked(bytes_per_milli);
            pipeline.on_delivered(at(tick), bytes_per_milli);
        }
    }

    #[test]
    fn a_fast_peer_gets_a_deep_window_and_a_slow_one_a_shallow_one() {
        let mut fast = Pipeline::default();
        assert_eq!(fast.room(), START, "it starts small");
        deliver(&mut fast, 0, 500, 1_000_000);
        assert_eq!(fast.room(), CEILING);
        let mut slow = Pipeline::default();
        deliver(&mut slow, 0, 3000, 10);
        assert_eq!(slow.room(), FLOOR);
    }

    #[test]
    fn a_fixed_window_stays_and_is_asked_for_block_by_block() {
        for (blocks, window) in [(0, 16384), (1, 16384), (5, 5 * 16384)] {
            let mut pipeline = Pipeline::fixed(blocks);
            assert_eq!(pipeline.longest_request(), 16384);
            deliver(&mut pipeline, 0, 500, 1_000_000);
            assert_eq!(pipeline.room(), window, "a fast peer does not widen it");
            pipeline.on_slow();
            assert_eq!(pipeline.room(), window, "a slow one does not narrow it");
            pipeline.on_missed();
            assert_eq!(pipeline.room(), 16384, "one that is silent is asked for a block");
        }
    }

    #[test]
    fn the_window_settles_at_what_arrives_in_a_round_trip_and_half_a_second() {
        let settled_after = |round_trip: u64| {
            let mut pipeline = Pipeline::default();
            pipeline.on_answer(Duration::from_millis(round_trip + 40));
            pipeline.on_answer(Duration::from_millis(round_trip));
            deliver(&mut pipeline, 0, 4000, 1_000);
            pipeline.room()
        };
        for round_trip in [0, 300, 1000] {
            let room = settled_after(round_trip);
            let wanted = (round_trip + 500) * 1_000;
            assert!((wanted * 9 / 10..wanted * 12 / 10).contains(&room), "{round_trip}: {room}");
        }
    }

    #[test]
    fn a_block_in_three_seconds_is_a_slow_peer_however_far_it_seems() {
        let mut pipeline = Pipeline::default();
        pipeline.on_answer(Duration::from_secs(7));
        for second in 0..20 {
            pipeline.on_asked(16384);
            pipeline.on_delivered(at(second * 3000), 16384);
        }
        assert_eq!(pipeline.room(), FLOOR);
    }

    #[test]
    fn a_missed_deadline_shrinks_it_to_one_block_until_something_comes() {
        let mut pipeline = Pipeline::default();
        deliver(&mut pipeline, 0, 500, 100_000);
        pipeline.on_missed();
        assert_eq!((pipeline.room(), pipeline.longest_request()), (16384, 16384));
        pipeline.on_asked(16384);
        assert_eq!(pipeline.room(), 0);
        pipeline.on_delivered(at(900), 16384);
        assert!(pipeline.room() > 16384);
    }
}
