//! When a disk that failed is tried again: [`Retry`].
//!
//! ```text
//! on_failed -> 5 s -> next_try -> on_failed_again -> 10 s -> next_try -> .. -> 15 s -> .. -> on_well
//! ```
//! A disk that fails again within a minute of its recovery is not tried sooner than before: else
//! a torrent would stop and go on all the time.

use crate::clock::Moment;
use std::time::Duration;

/// How long the first try waits: whoever fills a disk is seldom done sooner.
const FIRST: Duration = Duration::from_secs(5);

/// How long tries wait at most.
const LONGEST: Duration = Duration::from_secs(15);

/// So long a disk must have been well to be trusted as at first.
const CALM: Duration = Duration::from_mins(1);

/// When to try a disk that failed.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    pause: Duration,
    /// `None`: it is well, it was given up, or it is being tried now.
    next: Option<Moment>,
    well_since: Option<Moment>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { pause: FIRST, next: None, well_since: None }
    }
}

impl Retry {
    /// The disk failed.
    pub fn on_failed(&mut self, now: Moment) {
        let relapsed = self.well_since.is_some_and(|since| now.since(since) < CALM);
        if !relapsed {
            self.pause = FIRST;
        }
        self.next = Some(now + self.pause);
    }

    /// It failed in a way that no time heals; true if it was to be tried again until now.
    pub fn on_given_up(&mut self) -> bool {
        self.next.take().is_some()
    }

    /// Whether it is to be tried now; whoever asks then says how that went.
    pub fn next_try(&mut self, now: Moment) -> bool {
        self.next.take_if(|next| now >= *next).is_some()
    }

    /// It was tried, and still fails.
    pub fn on_failed_again(&mut self, now: Moment) {
        self.pause = (self.pause + FIRST).min(LONGEST);
        self.next = Some(now + self.pause);
    }

    /// It was tried, and works.
    pub fn on_well(&mut self, now: Moment) {
        self.pause = (self.pause + FIRST).min(LONGEST);
        (self.next, self.well_since) = (None, Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment::START + Duration::from_secs(secs)
    }

    /// The seconds up to `end` at which it is tried, always in vain.
    fn tries(retry: &mut Retry, from: u64, end: u64) -> Vec<u64> {
        let due = |&secs: &u64| {
            let due = retry.next_try(at(secs));
            if due {
                retry.on_failed_again(at(secs));
            }
            due
        };
        (from..end).filter(due).collect()
    }

    #[test]
    fn a_disk_is_tried_after_five_seconds_and_every_fifteen_later() {
        let mut retry = Retry::default();
        assert_eq!(tries(&mut retry, 0, 100), [0; 0], "nothing failed");
        retry.on_failed(at(100));
        assert_eq!(tries(&mut retry, 100, 170), [105, 115, 130, 145, 160]);
    }

    #[test]
    fn one_try_at_a_time() {
        let mut retry = Retry::default();
        retry.on_failed(at(0));
        assert!(retry.next_try(at(5)));
        assert!(!retry.next_try(at(500)), "it is being tried");
    }

    #[test]
    fn a_relapse_is_not_tried_sooner_than_before() {
        let mut retry = Retry::default();
        retry.on_failed(at(0));
        assert!(retry.next_try(at(5)));
        retry.on_well(at(5));
        retry.on_failed(at(20));
        assert_eq!(tries(&mut retry, 20, 31), [30]);
        retry.on_well(at(31));
        retry.on_failed(at(200));
        assert_eq!(tries(&mut retry, 200, 206), [205], "a minute was well");
    }

    #[test]
    fn what_was_given_up_is_not_tried() {
        let mut retry = Retry::default();
        assert!(!retry.on_given_up());
        retry.on_failed(at(0));
        assert!(retry.on_given_up());
        assert_eq!(tries(&mut retry, 0, 100), [0; 0]);
    }
}
