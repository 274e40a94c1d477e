//! How fast things went: the last five minutes second by second, and all of it in fewer steps.
//!
//! ```text
//! recent   | the last RECENT seconds, a value each                         |
//! whole    | all seconds since the start, `every` of them a value; when the values are too many,
//!            two become one and `every` doubles                            |
//! ```

use std::collections::VecDeque;

/// Seconds of the recent past.
pub const RECENT: usize = 300;

/// The most values of the whole past.
pub const WHOLE: usize = 512;

/// Bytes per second received and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Received.
    pub down: u64,
    /// Sent.
    pub up: u64,
}

impl Rates {
    fn plus(self, other: Self) -> Self {
        Self { down: self.down + other.down, up: self.up + other.up }
    }

    fn over(self, parts: u64) -> Self {
        Self { down: self.down / parts, up: self.up / parts }
    }
}

/// What was measured once a second, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    recent: VecDeque<Rates>,
    whole: Vec<Rates>,
    every: u64,
    /// Seconds that are no value of `whole` yet: their sum, and how many they are.
    begun: (Rates, u64),
}

impl Default for History {
    fn default() -> Self {
        Self { recent: VecDeque::new(), whole: Vec::new(), every: 1, begun: Default::default() }
    }
}

impl History {
    /// A second passed at these rates.
    pub fn on_second(&mut self, rates: Rates) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(rates);
        let (sum, count) = self.begun;
        self.begun = (sum.plus(rates), count + 1);
        if self.begun.1 < self.every {
            return;
        }
        let (sum, count) = std::mem::take(&mut self.begun);
        self.whole.push(sum.over(count));
        if self.whole.len() == WHOLE {
            let pairs = self.whole.chunks(2).map(|pair| {
                let sum = pair.iter().fold(Rates::default(), |sum, rates| sum.plus(*rates));
                sum.over(pair.len() as u64)
            });
            self.whole = pairs.collect();
            self.every *= 2;
        }
    }

    /// The last seconds, the newest last.
    pub fn recent(&self) -> impl Iterator<Item = Rates> + '_ {
        self.recent.iter().copied()
    }

    /// Seconds of a value of [`Self::whole`].
    pub fn every(&self) -> u64 {
        self.every
    }

    /// Everything, the newest last; seconds that make no value yet are left out.
    pub fn whole(&self) -> impl Iterator<Item = Rates> + '_ {
        self.whole.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> History {
        let mut history = History::default();
        (0..seconds).for_each(|down| history.on_second(Rates { down, up: 7 }));
        history
    }

    #[test]
    fn the_last_seconds_are_kept_one_by_one() {
        let downs: Vec<u64> = after(1000).recent().map(|rates| rates.down).collect();
        assert_eq!(downs, (700..1000).collect::<Vec<_>>());
    }

    #[test]
    fn the_whole_past_takes_ever_longer_steps_and_keeps_its_mean() {
        let few: Vec<u64> = after(10).whole().map(|rates| rates.down).collect();
        assert_eq!(few, (0..10).collect::<Vec<_>>());
        let history = after(WHOLE as u64);
        assert_eq!((history.every(), history.whole().count()), (2, WHOLE / 2));
        assert_eq!(history.whole().nth(100), Some(Rates { down: 200, up: 7 }), "of 200 and 201");
        let long = after(100_000);
        let (every, values) = (long.every(), long.whole().count() as u64);
        assert!(every.is_power_of_two() && values < WHOLE as u64, "{every} {values}");
        assert!((100_000 - every..=100_000).contains(&(every * values)), "{every} {values}");
        assert!(long.whole().all(|rates| rates.up == 7));
    }
}
