//! One direction of one node: packets pass one after the other at a rate, and wait in a queue.
//!
//! Nothing is kept but until when the lane is busy: how much waits follows from it.

use crate::clock::Moment;
use std::time::Duration;

/// One direction of one node.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Bytes per second; `None`: as fast as can be.
    rate: Option<u64>,
    /// Bytes that may wait, the packet that passes included.
    queue: u64,
    /// When the last byte that was taken has passed.
    free: Moment,
}

impl Lane {
    /// A free lane.
    pub fn new(rate: Option<u64>, queue: u64) -> Self {
        Self { rate, queue, free: Moment::START }
    }

    /// A packet comes: when its last byte has passed; `None`: it is dropped, the queue is full.
    pub fn pass(&mut self, now: Moment, len: u64) -> Option<Moment> {
        let Some(rate) = self.rate else { return Some(now.max(self.free)) };
        let waiting = self.waiting(now, rate);
        if waiting > 0 && waiting.saturating_add(len) > self.queue {
            return None;
        }
        self.free = self.free.max(now) + time(len, rate);
        Some(self.free)
    }

    /// Another rate from now on; what waits passes at that one.
    pub fn set_rate(&mut self, now: Moment, rate: Option<u64>) {
        let waiting = self.rate.map_or(0, |rate| self.waiting(now, rate));
        self.rate = rate;
        self.free = now + rate.map_or(Duration::ZERO, |rate| time(waiting, rate));
    }

    /// Bytes that have not yet passed.
    fn waiting(&self, now: Moment, rate: u64) -> u64 {
        let nanos = self.free.since(now).as_nanos();
        u64::try_from(nanos.saturating_mul(rate.into()) / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

/// How long bytes take at a rate, rounded up; not much more than a century.
fn time(len: u64, rate: u64) -> Duration {
    let nanos = (u128::from(len) * 1_000_000_000).div_ceil(rate.max(1).into());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
}
