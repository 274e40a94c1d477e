//! How much to have asked of one peer: enough to keep it busy for a while, not more.
//!
//! The window starts small, doubles with each window's worth that arrives, and settles at what
//! the peer delivers in a second; so a fast peer is never idle for a round trip, and a slow one
//! never sits on megabytes that another could fetch. A peer that missed its deadline is asked
//! for one block at a time until it delivers.

use crate::clock::Moment;
use crate::geometry::BLOCK_LEN;
use crate::logic::rate::Rate;
use std::time::Duration;

/// The smallest window: eight blocks, a frame of the native dialect.
const FLOOR: u64 = 8 * BLOCK_LEN as u64;

/// The largest window; at 1 GB/s this is 8 ms, several loopback round trips.
const CEILING: u64 = 8 * 1024 * 1024;

/// How long what is asked should keep the peer busy.
const DEPTH: Duration = Duration::from_secs(1);

/// One peer's request window.
#[derive(Debug, Clone)]
pub struct Pipeline {
    window: u64,
    in_flight: u64,
    rate: Rate,
    snubbed: bool,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            window: FLOOR,
            in_flight: 0,
            rate: Rate::over(Duration::from_secs(1)),
            snubbed: false,
        }
    }
}

impl Pipeline {
    /// How many more bytes may be asked for now.
    pub fn room(&self) -> u64 {
        let window = if self.snubbed { u64::from(BLOCK_LEN) } else { self.window };
        window.saturating_sub(self.in_flight)
    }

    /// The longest run to ask for at once: half the window, so that one answer overlaps the next
    /// question.
    pub fn longest_request(&self) -> u64 {
        if self.snubbed { u64::from(BLOCK_LEN) } else { (self.window / 2).max(BLOCK_LEN.into()) }
    }

    /// Bytes asked for and not yet delivered.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Whether the peer let a deadline pass and has delivered nothing since.
    pub fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// Bytes were asked for.
    pub fn on_asked(&mut self, bytes: u64) {
        self.in_flight += bytes;
    }

    /// Bytes that were asked for arrived.
    pub fn on_delivered(&mut self, now: Moment, bytes: u64) {
        self.snubbed = false;
        self.rate.add(now, bytes);
        self.in_flight = self.in_flight.saturating_sub(bytes);
        let settled = (self.rate.per_second(now) as f64 * DEPTH.as_secs_f64()) as u64;
        let ceiling = settled.clamp(FLOOR, CEILING);
        self.window = (self.window + bytes).min(ceiling);
    }

    /// What was asked for will not come: choked, rejected, cancelled.
    pub fn on_void(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// The peer let a deadline pass.
    pub fn on_missed(&mut self, bytes: u64) {
        self.on_void(bytes);
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
        deliver(&mut fast, 0, 500, 1_000_000);
        assert_eq!(fast.room(), CEILING);
        let mut slow = Pipeline::default();
        deliver(&mut slow, 0, 3000, 100);
        assert_eq!(slow.room(), FLOOR);
    }

    #[test]
    fn the_window_settles_at_a_second_of_what_arrives() {
        let mut pipeline = Pipeline::default();
        deliver(&mut pipeline, 0, 4000, 1_000);
        let room = pipeline.room();
        assert!((900_000..1_250_000).contains(&room), "{room}");
    }

    #[test]
    fn a_missed_deadline_shrinks_it_to_one_block_until_something_comes() {
        let mut pipeline = Pipeline::default();
        deliver(&mut pipeline, 0, 500, 100_000);
        pipeline.on_asked(100_000);
        pipeline.on_missed(100_000);
        assert_eq!((pipeline.room(), pipeline.longest_request()), (16384, 16384));
        pipeline.on_asked(16384);
        assert_eq!(pipeline.room(), 0);
        pipeline.on_delivered(at(900), 16384);
        assert!(pipeline.room() > 16384);
    }
}
