//! How much may wait in the system, unsent, for the line to one peer: [`Ahead`].
//!
//! ```text
//! outbox -- at most `bytes` ahead of the line --> the system's buffer -- as the line takes it --> peer
//! ```
//! What the system has taken cannot be cancelled, and every HAVE and every request waits behind it:
//! over a line of 20 kB/s the megabytes that a system takes are minutes. A line that is never to be
//! idle needs only what it sends until a thread brings more. How long it takes to send half of what
//! waits tells how fast it is (`TCP_NOTSENT_LOWAT`: the system asks for more when half is sent).

use std::time::Duration;

/// At first: the longest frame, which a line of 1 MB/s sends in the time that is meant.
const START: u32 = 128 * 1024;

/// At least a part of a block, however slow the line.
const LEAST: u32 = 4 * 1024;

/// At most: at 10 GB/s a tenth of a millisecond, in which a thread wakes.
const MOST: u32 = 1024 * 1024;

/// Half of it is to last so long at least ..
const SHORT: Duration = Duration::from_millis(30);

/// .. and so long at most.
const LONG: Duration = Duration::from_millis(250);

/// How many bytes may wait unsent, by how long they took to go.
#[derive(Debug, Clone, Copy)]
pub struct Ahead {
    bytes: u32,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { bytes: START }
    }
}

impl Ahead {
    /// Bytes that may wait.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// The system had taken all it may, and half of that went in `took`; true if it may take another
    /// amount from now on.
    pub fn on_half_sent(&mut self, took: Duration) -> bool {
        let before = self.bytes;
        if took < SHORT {
            self.bytes = (before * 2).min(MOST);
        } else if took > LONG {
            self.bytes = (before / 2).max(LEAST);
        }
        self.bytes != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What waits for a line of so many bytes per second, in the end.
    fn settled(per_second: u32) -> u32 {
        let mut ahead = Ahead::default();
        for _ in 0..20 {
            let half = f64::from(ahead.bytes() / 2);
            ahead.on_half_sent(Duration::from_secs_f64(half / f64::from(per_second)));
        }
        ahead.bytes()
    }

    #[test]
    fn what_waits_is_half_a_second_of_the_line_at_most() {
        for per_second in [20_000, 100_000, 1_000_000, 10_000_000] {
            let millis = 1000.0 * f64::from(settled(per_second)) / f64::from(per_second);
            assert!((60.0..=500.0).contains(&millis), "{per_second} B/s: {millis} ms");
        }
        assert_eq!(settled(1000), LEAST);
        assert_eq!(settled(1_000_000_000), MOST);
    }

    #[test]
    fn it_stays_as_it_is_while_it_lasts_as_long_as_is_meant() {
        let mut ahead = Ahead::default();
        assert!(!ahead.on_half_sent(SHORT) && !ahead.on_half_sent(LONG));
        assert_eq!(ahead.bytes(), START);
        assert!(ahead.on_half_sent(Duration::ZERO));
        assert_eq!(ahead.bytes(), 2 * START);
        assert!(ahead.on_half_sent(Duration::from_secs(30)));
        assert_eq!(ahead.bytes(), START);
    }
}
