//! Bytes per second, kept: a token bucket.
//!
//! Tokens trickle in at the rate and pile up to a tenth of a second's worth. A transfer takes its
//! tokens first and is told how long to wait when that left a debt, so that any second moves the
//! rate and at most one burst more.

use crate::clock::Moment;
use std::time::Duration;

/// The share of a second that may be sent at once after a pause.
const BURST: f64 = 0.1;

/// A token bucket; without a rate it never makes anyone wait.
#[derive(Debug, Clone)]
pub struct Limiter {
    rate: Option<u64>,
    tokens: f64,
    filled_at: Moment,
}

impl Limiter {
    /// At most `rate` bytes per second; `None` is no limit.
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate, tokens: 0.0, filled_at: Moment::START }
    }

    /// The limit in bytes per second.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Changes the limit; what was borrowed stays owed.
    pub fn set_rate(&mut self, now: Moment, rate: Option<u64>) {
        self.fill(now);
        self.rate = rate;
    }

    /// Takes `bytes` and says how long the taker must wait before the next ones.
    pub fn take(&mut self, now: Moment, bytes: u64) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        self.fill(now);
        self.tokens -= bytes as f64;
        self.wait(rate)
    }

    /// Takes `bytes` for a transfer that begins after the time given back. Whoever reserves first
    /// goes first, so that several takers share the rate evenly.
    pub fn reserve(&mut self, now: Moment, bytes: u64) -> Duration {
        let wait = self.delay(now);
        self.take(now, bytes);
        wait
    }

    /// How long until a transfer may begin; zero is now.
    pub fn delay(&mut self, now: Moment) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        self.fill(now);
        self.wait(rate)
    }

    fn wait(&self, rate: u64) -> Duration {
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((-self.tokens / rate.max(1) as f64).min(3600.0))
    }

    fn fill(&mut self, now: Moment) {
        if let Some(rate) = self.rate {
            let earned = now.since(self.filled_at).as_secs_f64() * rate as f64;
            self.tokens = (self.tokens + earned).min(rate as f64 * BURST);
        }
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    #[test]
    fn ten_seconds_move_ten_seconds_worth_whatever_the_chunks() {
        for chunk in [1_000, 16_384, 131_072] {
            let mut limiter = Limiter::new(Some(500_000));
            let (mut now, mut moved) = (at(0), 0);
            while now < at(10_000) {
                let wait = limiter.take(now, chunk);
                moved += chunk;
                now = now + wait.max(Duration::from_micros(10));
            }
            let ideal = 5_000_000.0;
            let error = (moved as f64 - ideal).abs() / ideal;
            assert!(error < 0.03, "{moved} with chunks of {chunk}");
        }
    }

    #[test]
    fn takers_that_reserve_in_turn_get_equal_shares() {
        let mut limiter = Limiter::new(Some(1_000_000));
        let (mut due, mut got) = ([Duration::ZERO; 8], [0_u64; 8]);
        for tick in 0..10_000 {
            let now = at(tick);
            for taker in (0..8).rev() {
                if due[taker] <= now.elapsed() {
                    got[taker] += 32_768;
                    due[taker] = now.elapsed() + limiter.reserve(now, 32_768);
                }
            }
        }
        let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
        assert!(most - least <= 2 * 32_768, "{got:?}");
        assert!((9_500_000..10_700_000).contains(&got.iter().sum::<u64>()), "{got:?}");
    }

    #[test]
    fn a_pause_earns_no_more_than_a_tenth_of_a_second() {
        let mut limiter = Limiter::new(Some(1_000_000));
        assert_eq!(limiter.take(at(60_000), 100_000), Duration::ZERO);
        assert_eq!(limiter.take(at(60_000), 50_000), Duration::from_millis(50));
        assert_eq!(limiter.delay(at(60_020)), Duration::from_millis(30));
    }

    #[test]
    fn no_limit_means_no_wait() {
        let mut limiter = Limiter::new(None);
        assert_eq!(limiter.take(at(1), u64::MAX), Duration::ZERO);
        limiter.set_rate(at(2), Some(1000));
        assert!(limiter.take(at(2), 1000) > Duration::ZERO);
    }
}
