//! What becomes of a panic in a node: it ends one job, is counted and logged, and goes no further.
//!
//! ```text
//! thread -> contain(job) -> what it gives | None: it panicked
//! what the job had in hand -> Granted, Entered, Unjudged: given back when they are dropped
//! a thread that every torrent needs -> keep: begun again, five times a minute at most
//! ```
//! A panic is a bug of ours. It costs the peer that it was about, and shows in the log and in
//! [`super::Node::panics`]; the others go on. A thread that cannot be kept alive is said
//! ([`Event::Bug`]), so that no download waits for ever for something that nobody does any more.
//!
//! [`PanicAt`] makes a panic on purpose, in builds for tests only.

use crate::clock::Moment;
use crate::ids::Span;
use crate::node::Event;
use crate::node::shared::{Shared, Torrent};
use crossbeam_channel::select;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So often within [`LATELY`] a thread is begun again.
const LIVES: usize = 5;

/// A panic that was longer ago is forgiven: whatever led to it does not come at once again.
const LATELY: Duration = Duration::from_mins(1);

/// How long a thread waits before it is begun again.
const BREATH: Duration = Duration::from_millis(100);

/// Where to panic on purpose: `verify:2` at the second piece to be verified, `verify:every` at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanicAt {
    point: String,
    /// Which time; every time if `None`.
    nth: Option<u64>,
}

impl FromStr for PanicAt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected POINT:N or POINT:every";
        let (point, nth) = text.split_once(':').ok_or(EXPECTED)?;
        let nth = match nth {
            "every" => None,
            number => Some(number.parse().map_err(|_| EXPECTED)?),
        };
        Ok(Self { point: point.to_owned(), nth })
    }
}

/// The panics of a node, for whoever starts threads in it.
#[derive(Debug, Clone, Default)]
pub struct Guard(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    panics: AtomicU64,
    panic_at: Option<PanicAt>,
    passed: AtomicU64,
}

impl Guard {
    /// No panics yet.
    pub fn new(panic_at: Option<PanicAt>) -> Self {
        Self(Arc::new(Counts { panic_at, ..Counts::default() }))
    }

    /// How many there were.
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }

    /// Does a job; `None` if it panicked. Locks do not poison here, and what a job has in hand
    /// gives itself back, so that others may go on with what it was about.
    pub fn contain<T>(&self, job: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(job)).ok();
        if done.is_none() {
            let so_far = self.0.panics.fetch_add(1, Ordering::Relaxed) + 1;
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("a thread");
            log::error!("{name} panicked ({so_far} so far): this is a bug, the others go on");
        }
        done
    }

    /// A place where a test may want a panic.
    pub fn point(&self, name: &str) {
        if !cfg!(debug_assertions) {
            return;
        }
        let Some(at) = self.0.panic_at.as_ref().filter(|at| at.point == name) else { return };
        let passed = self.0.passed.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(at.nth.is_some_and(|nth| nth != passed), "on purpose, at {name}");
    }
}

/// A thread that every torrent needs: when it panics it is begun again, and when it panics again
/// and again that is said.
pub fn keep(shared: &Shared, name: &'static str, mut body: impl FnMut()) {
    let mut lives = Lives::default();
    while shared.guard.contain(&mut body).is_none() && !shared.is_stopping() {
        if !lives.may_go_on(shared.clock.now()) {
            // Nothing is dropped here: it is the last that this thread has to say.
            select! {
                send(shared.events, Event::Bug { thread: name }) -> _ => {}
                recv(shared.stopped) -> _ => {}
            }
            return;
        }
        if shared.wait(BREATH) {
            return;
        }
    }
}

/// When a thread panicked lately.
#[derive(Default)]
struct Lives(Vec<Moment>);

impl Lives {
    /// It panicked now: is it begun again?
    fn may_go_on(&mut self, now: Moment) -> bool {
        self.0.retain(|&before| now.since(before) < LATELY);
        self.0.push(now);
        self.0.len() <= LIVES
    }
}

/// Blocks that were granted to somebody who stores them. Unless they are taken, they are wanted
/// again: whoever was to store them broke off.
pub struct Granted<'a> {
    shared: &'a Shared,
    torrent: &'a Arc<Torrent>,
    /// Which.
    pub spans: Vec<Span>,
}

impl<'a> Granted<'a> {
    /// None yet.
    pub fn new(shared: &'a Shared, torrent: &'a Arc<Torrent>) -> Self {
        Self { shared, torrent, spans: Vec::new() }
    }

    /// What became of them is said by the caller.
    pub fn take(mut self) -> Vec<Span> {
        std::mem::take(&mut self.spans)
    }
}

impl Drop for Granted<'_> {
    fn drop(&mut self) {
        if !self.spans.is_empty() {
            self.shared.decide(self.torrent, |swarm, _, _| swarm.on_broke_off(&self.spans));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_counted_and_goes_no_further() {
        let guard = Guard::default();
        assert_eq!(guard.contain(|| 7), Some(7));
        assert_eq!(guard.contain(|| panic!("on purpose")), None::<()>);
        assert_eq!(guard.clone().panics(), 1);
    }

    #[test]
    fn a_thread_is_begun_again_five_times_a_minute_and_as_often_in_the_next() {
        let mut lives = Lives::default();
        let at = |secs| Moment::START + Duration::from_secs(secs);
        for secs in 0..LIVES as u64 {
            assert!(lives.may_go_on(at(secs)));
        }
        assert!(!lives.may_go_on(at(10)));
        assert!(lives.may_go_on(at(66)));
    }

    #[test]
    fn a_panic_on_purpose_comes_at_its_place_and_its_turn() {
        let guard = Guard::new(Some("store:2".parse().unwrap()));
        let passes = |point| guard.contain(|| guard.point(point)).is_some();
        assert!(passes("store") && passes("other"));
        assert!(!passes("store"));
        assert!(passes("store"));
        let guard = Guard::new(Some("store:every".parse().unwrap()));
        assert!(guard.contain(|| guard.point("store")).is_none());
        for wrong in ["store", "store:", "store:x"] {
            assert!(wrong.parse::<PanicAt>().is_err(), "{wrong}");
        }
    }
}
