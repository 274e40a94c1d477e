//! One direction of one node: packets pass one after the other at a rate, and wait in a queue.

use crate::clock::Moment;
use std::collections::VecDeque;
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
    /// When each packet has passed that had not when last asked, and its length.
    waiting: VecDeque<(Moment, u64)>,
    /// The sum of those lengths.
    bytes: u64,
}

impl Lane {
    /// A free lane.
    pub fn new(rate: Option<u64>, queue: u64) -> Self {
        Self { rate, queue, free: Moment::START, waiting: VecDeque::new(), bytes: 0 }
    }

    /// A packet comes, not before those that came earlier: when its last byte has passed; `None`:
    /// it is dropped, the queue is full.
    pub fn pass(&mut self, now: Moment, len: u64) -> Option<Moment> {
        while let Some(&(passed, len)) = self.waiting.front()
            && passed <= now
        {
            self.waiting.pop_front();
            self.bytes -= len;
        }
        if !self.waiting.is_empty() && self.bytes.saturating_add(len) > self.queue {
            return None;
        }
        let time = self.rate.map_or(Duration::ZERO, |rate| time(len, rate));
        self.free = self.free.max(now) + time;
        if self.free > now {
            self.waiting.push_back((self.free, len));
            self.bytes += len;
        }
        Some(self.free)
    }

    /// Another rate for what comes from now on; what waits already keeps its time.
    pub fn set_rate(&mut self, rate: Option<u64>) {
        self.rate = rate;
    }
}

/// How long bytes take at a rate, rounded up; a century and a half at most.
fn time(len: u64, rate: u64) -> Duration {
    let nanos = (u128::from(len) * 1_000_000_000).div_ceil(rate.max(1).into());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
}
