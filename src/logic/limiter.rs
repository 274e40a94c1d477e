//! Bytes per second, kept: a token bucket.
//!
//! Tokens trickle in at the rate and pile up to a hundredth of a second's worth. A transfer may
//! begin when none are owed; it takes a quantum at most, which is as much, and may leave that as a
//! debt. So any second, wherever it begins, moves the rate and at most two hundredths more, and a
//! sender that comes up to 10 ms late loses nothing.
//!
//! The idea is the leaky bucket of Turner 1986, *New Directions in Communications*.

use crate::clock::Moment;
use std::time::Duration;

/// What moves at once, and what piles up, is this share of a second's bytes.
const QUANTA_PER_SECOND: u64 = 100;

/// Bytes that may move at once under any limit, so that a slow one does not move byte by byte: a
/// hundredth of a second at 10 kB/s.
const LEAST_QUANTUM: u64 = 100;

/// The longest wait that is told at once.
const LONGEST_WAIT: f64 = 3600.0;

/// A token bucket; without a rate it never makes anyone wait.
#[derive(Debug, Clone)]
pub struct Limiter {
    rate: Option<u64>,
    /// Negative when some are owed.
    tokens: f64,
    filled_at: Moment,
}

impl Limiter {
    /// At most `rate` bytes per second, and at least one; `None` is no limit.
    pub fn new(rate: Option<u64>) -> Self {
        let rate = rate.map(|rate| rate.max(1));
        Self { rate, tokens: 0.0, filled_at: Moment::START }
    }

    /// The limit in bytes per second.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Changes the limit at once: what is owed grows neither in bytes nor in time, and what moved
    /// without a limit is not owed.
    pub fn set_rate(&mut self, now: Moment, rate: Option<u64>) {
        self.fill(now);
        let new = Self::new(rate).rate;
        self.tokens *= match (self.rate, new) {
            (Some(old), Some(new)) => (new as f64 / old as f64).min(1.0),
            _ => 0.0,
        };
        self.rate = new;
    }

    /// The most bytes to move at once.
    pub fn quantum(&self) -> u64 {
        self.rate.map_or(u64::MAX, |rate| (rate / QUANTA_PER_SECOND).max(LEAST_QUANTUM))
    }

    /// When the next transfer may begin.
    pub fn next_due(&self) -> Moment {
        match self.rate {
            Some(rate) if self.tokens < 0.0 => {
                let wait = (-self.tokens / rate as f64).min(LONGEST_WAIT);
                self.filled_at + Duration::from_secs_f64(wait)
            }
            _ => Moment::START,
        }
    }

    /// Takes the tokens of a transfer that begins now, which is due: at most a quantum.
    pub fn take(&mut self, now: Moment, bytes: u64) {
        self.fill(now);
        self.tokens -= bytes as f64;
    }

    /// Gives tokens back that were taken for bytes which did not move.
    pub fn give_back(&mut self, bytes: u64) {
        self.tokens += bytes as f64;
    }

    fn fill(&mut self, now: Moment) {
        if let Some(rate) = self.rate {
            let earned = now.since(self.filled_at).as_secs_f64() * rate as f64;
            self.tokens = (self.tokens + earned).min(self.quantum() as f64);
        }
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    /// What was moved, and when.
    #[derive(Default)]
    struct Log(Vec<(Moment, u64)>);

    impl Log {
        /// Somebody who always has something to send, in chunks of any length, and comes up to
        /// `late` after the time that it was told.
        fn send(&mut self, limiter: &mut Limiter, rng: &mut Rng, from: Moment, until: Moment) {
            let (late, quantum) = (rng.u64(0..9_000_000), limiter.quantum());
            let longest = quantum * rng.u64(1..=32) / 16;
            let mut now = from;
            while now < until {
                let bytes = rng.u64(1..=longest).min(quantum);
                limiter.take(now, bytes);
                self.0.push((now, bytes));
                if limiter.next_due() > now {
                    now = limiter.next_due() + Duration::from_nanos(rng.u64(0..=late));
                }
            }
        }

        /// Bytes within a second from then.
        fn in_second(&self, from: Moment) -> f64 {
            let index = |at: Moment| self.0.partition_point(|(moved, _)| *moved < at);
            let moved = &self.0[index(from)..index(from + SECOND)];
            moved.iter().map(|(_, bytes)| bytes).sum::<u64>() as f64
        }

        fn total(&self) -> f64 {
            self.0.iter().map(|(_, bytes)| bytes).sum::<u64>() as f64
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_second_moves_the_rate_within_two_hundredths(
            exponent in 4.0..9.0_f64,
            seed: u64,
            pause in 0_u64..100_000,
        ) {
            let (rate, mut rng) = (10_f64.powf(exponent) as u64, Rng::with_seed(seed));
            let mut limiter = Limiter::new(Some(rate));
            let mut log = Log::default();
            log.send(&mut limiter, &mut rng, at(0), at(2_500));
            let again = at(2_500 + pause);
            log.send(&mut limiter, &mut rng, again, again + 3 * SECOND);
            let (least, most) = (rate as f64 * 0.98 - 1.0, rate as f64 * 1.02 + 1.0);
            let starts = (0..200).map(|_| rng.usize(..log.0.len())).map(|n| log.0[n].0);
            let starts: Vec<_> = starts.chain([at(0), again]).collect();
            for start in starts {
                // A second that begins with a transfer holds the most, one just after it the least.
                let (with, without) = (start, start + Duration::from_nanos(1));
                prop_assert!(log.in_second(with) <= most, "{} at {with:?}", log.in_second(with));
                let is_busy = without + SECOND <= at(2_500)
                    || (without >= again && without + SECOND <= again + 3 * SECOND);
                let moved = log.in_second(without);
                prop_assert!(!is_busy || moved >= least, "{moved} at {without:?}");
            }
        }

        #[test]
        fn a_minute_moves_a_minutes_worth_and_never_a_quantum_more(
            exponent in 4.0..7.5_f64,
            seed: u64,
        ) {
            let (rate, mut rng) = (10_f64.powf(exponent) as u64, Rng::with_seed(seed));
            let mut limiter = Limiter::new(Some(rate));
            let mut log = Log::default();
            log.send(&mut limiter, &mut rng, at(0), at(60_000));
            prop_assert!(log.total() >= rate as f64 * 60.0 * 0.999, "{}", log.total());
            let mut moved = 0.0;
            for (now, bytes) in log.0 {
                moved += bytes as f64;
                let most = now.elapsed().as_secs_f64() * rate as f64 + limiter.quantum() as f64;
                prop_assert!(moved <= most + 1.0, "{moved} at {now:?}, {most} at most");
            }
        }
    }

    #[test]
    fn a_pause_earns_no_more_than_a_hundredth_of_a_second() {
        let mut limiter = Limiter::new(Some(1_000_000));
        limiter.take(at(60_000), 10_000);
        assert!(limiter.next_due() <= at(60_000));
        limiter.take(at(60_000), 10_000);
        assert_eq!(limiter.next_due(), at(60_010));
    }

    #[test]
    fn what_did_not_move_is_given_back_and_no_more_than_that_piles_up() {
        let mut limiter = Limiter::new(Some(1_000_000));
        limiter.take(at(0), 10_000);
        limiter.give_back(4_000);
        assert_eq!(limiter.next_due(), at(6));
        limiter.give_back(1_000_000);
        limiter.take(at(0), 10_000);
        limiter.take(at(0), 10_000);
        assert_eq!(limiter.next_due(), at(10));
    }

    #[test]
    fn a_new_rate_holds_at_once_whatever_was_owed() {
        let mut limiter = Limiter::new(Some(1_000_000_000));
        limiter.take(at(0), 10_000_000);
        limiter.set_rate(at(5), Some(10_000));
        assert_eq!(limiter.next_due(), at(10), "a debt of 10 MB is 5 ms, not 10 minutes");
        limiter.take(at(10), 100);
        assert_eq!(limiter.next_due(), at(20));
        limiter.set_rate(at(10), Some(100_000));
        assert_eq!(limiter.next_due(), at(11), "a debt of 100 bytes");
        limiter.set_rate(at(10), None);
        assert!(limiter.next_due() <= at(10));
        limiter.set_rate(at(10), Some(10_000));
        assert!(limiter.next_due() <= at(10), "without a limit nothing is owed");
    }

    #[test]
    fn no_limit_means_no_wait_and_leaves_no_debt() {
        let mut limiter = Limiter::new(None);
        limiter.take(at(1), u64::MAX);
        assert_eq!((limiter.next_due(), limiter.quantum()), (Moment::START, u64::MAX));
        limiter.set_rate(at(60_000), Some(1000));
        limiter.take(at(60_000), 100);
        assert_eq!(limiter.next_due(), at(60_100), "nothing piled up before");
    }
}
