//! How fast something flows: bytes per second over a sliding window.
//!
//! The window is cut into slots; old slots fall out whole. With a window of one second this
//! drives the pipeline, with twenty it ranks peers for the choker (Cohen 2003, section 3.2).

use crate::clock::Moment;
use std::time::Duration;

const SLOTS: u64 = 10;

/// A counter of bytes that forgets what is older than its window.
#[derive(Debug, Clone)]
pub struct Rate {
    /// Bytes count as if they had taken at least so long: whoever gave one block a moment ago gives
    /// no megabytes a second, and ranks with a choker as what it is.
    least: Duration,
    /// In nanoseconds, which fit 64 bits for five hundred years.
    slot_length: u64,
    slots: [u64; SLOTS as usize],
    /// The slot that the last event fell into, counted from the clock's start.
    current: u64,
    /// When the first byte was counted.
    since: Option<Moment>,
    /// When the last one was.
    last: Option<Moment>,
    total: u64,
}

impl Rate {
    /// A rate over the last `window`.
    pub fn over(window: Duration) -> Self {
        let slot_length = (window / SLOTS as u32).max(Duration::from_millis(1));
        let slot_length = slot_length.as_nanos() as u64;
        Self {
            least: window / 20,
            slot_length,
            slots: [0; SLOTS as usize],
            current: 0,
            since: None,
            last: None,
            total: 0,
        }
    }

    /// The same, for people to look at: what came in a moment is told as if it had taken half of
    /// the window.
    pub fn shown(window: Duration) -> Self {
        Self { least: window / 2, ..Self::over(window) }
    }

    /// Counts `bytes` at `now`.
    pub fn add(&mut self, now: Moment, bytes: u64) {
        self.roll_to(now);
        self.since.get_or_insert(now);
        self.last = self.last.max(Some(now));
        self.slots[(self.current % SLOTS) as usize] += bytes;
        self.total += bytes;
    }

    /// All bytes ever counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When bytes were counted last; `None` if they never were.
    pub fn last(&self) -> Option<Moment> {
        self.last
    }

    /// Bytes per second over the window, or since the first byte if that is less.
    pub fn per_second(&self, now: Moment) -> u64 {
        let Some(since) = self.since else { return 0 };
        let (slot, into_slot) = self.slot_of(now);
        let kept = SLOTS.saturating_sub(slot.saturating_sub(self.current));
        let newest_first = (0..kept).map(|age| (self.current + SLOTS - age) % SLOTS);
        let bytes: u64 = match kept {
            0 => return 0,
            SLOTS => self.slots.iter().sum(),
            _ => newest_first.map(|at| self.slots[at as usize]).sum(),
        };
        let full = Duration::from_nanos(self.slot_length * (SLOTS - 1) + into_slot);
        let span = now.since(since).min(full).max(self.least);
        (bytes as f64 / span.as_secs_f64()) as u64
    }

    fn roll_to(&mut self, now: Moment) {
        let (slot, _) = self.slot_of(now);
        let passed = slot.saturating_sub(self.current).min(SLOTS);
        for step in 1..=passed {
            self.slots[((slot - passed + step) % SLOTS) as usize] = 0;
        }
        self.current = self.current.max(slot);
    }

    /// Which slot this is, and how far into it, in nanoseconds.
    fn slot_of(&self, now: Moment) -> (u64, u64) {
        let nanos = now.elapsed().as_nanos() as u64;
        (nanos / self.slot_length, nanos % self.slot_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    #[test]
    fn a_steady_flow_is_its_rate() {
        let mut rate = Rate::over(Duration::from_secs(1));
        for tick in 0..300 {
            rate.add(at(tick * 10), 1000);
        }
        let measured = rate.per_second(at(3000));
        assert!((95_000..=112_000).contains(&measured), "{measured}");
        assert_eq!(rate.total(), 300_000);
    }

    #[test]
    fn a_first_block_counts_as_no_more_than_it_is() {
        let after_a_block = |mut rate: Rate| {
            rate.add(at(5000), 16384);
            rate.per_second(at(5000))
        };
        let window = Duration::from_secs(2);
        assert_eq!(after_a_block(Rate::shown(window)), 16384);
        assert_eq!(after_a_block(Rate::over(window * 10)), 16384, "in a choker's twenty seconds");
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut rate = Rate::over(Duration::from_secs(1));
        rate.add(at(0), 1_000_000);
        assert!(rate.per_second(at(500)) > 1_000_000);
        assert_eq!(rate.per_second(at(1200)), 0);
        assert_eq!(rate.per_second(at(86_400_000)), 0);
    }
}
