//! Time as a value, and the one clock that makes it.
//!
//! Decisions take a [`Moment`]; only [`Clock`] reads the system clock, and only the monotonic
//! one, so that a jump of the wall clock changes nothing. `time_scale` divides *strategy* timers
//! (rechoke, optimistic, snub, announce, heartbeat, expiry); rates and the deadlines of sockets
//! and requests stay real.

use std::ops::{Add, Sub};
use std::time::{Duration, Instant};

/// A point in time: how long after its clock's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(Duration);

impl Moment {
    /// The clock's start.
    pub const START: Self = Self(Duration::ZERO);

    /// The moment `elapsed` after the start.
    pub const fn after(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the start this is.
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(earlier))
    }
}

/// The only reader of the system clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    time_scale: f64,
}

impl Clock {
    /// A clock that starts now; strategy timers run `time_scale` times as fast (at least 1 ns).
    pub fn start(time_scale: f64) -> Self {
        Self { start: Instant::now(), time_scale }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        Moment(self.start.elapsed())
    }

    /// A strategy timer in real time: 10 s at a scale of 60 is 167 ms.
    pub fn scaled(&self, timer: Duration) -> Duration {
        timer.div_f64(self.time_scale)
    }

    /// By how much strategy timers are divided.
    pub fn time_scale(&self) -> f64 {
        self.time_scale
    }

    /// The `Instant` of a moment, for a wait with a deadline.
    pub fn instant(&self, moment: Moment) -> Instant {
        self.start + moment.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_scale_divides_strategy_timers() {
        let clock = Clock::start(60.0);
        assert_eq!(clock.scaled(Duration::from_mins(1)), Duration::from_secs(1));
    }

    #[test]
    fn moments_never_run_below_the_start() {
        let early = Moment::after(Duration::from_secs(1));
        assert_eq!(early - Duration::from_secs(5), Moment::START);
        assert_eq!(early.since(early + Duration::from_secs(1)), Duration::ZERO);
    }
}
