//! Progress of a job over bytes that are there: hashing, checking.
//!
//! ```text
//! terminal:  hashing big.zip  42.0% |||||||       210/500 MB  1.2 GB/s  ETA 9 s
//! pipe:      hashing big.zip: 42.0% (210/500 MB, 1.2 GB/s, 9 s left)       every 5 s
//! ```
//! What takes less than a blink shows nothing. [`Job::on`] may be called from any thread.

use super::progress::Mode;
use super::screen::Screen;
use super::style::{columns, cut, printable};
use super::units;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// How often a pipe gets a line: nothing is silent for longer.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// How often a terminal is drawn, and what is shown not at all.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Columns of the bar.
const BAR: usize = 20;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    done: u64,
    total: u64,
    took: Duration,
}

impl State {
    fn percent(self) -> String {
        let per_mille = u128::from(self.done) * 1000 / u128::from(self.total.max(1));
        format!("{}.{}%", per_mille / 10, per_mille % 10)
    }

    /// Bytes per second so far.
    fn rate(self) -> u64 {
        (self.done as f64 / self.took.as_secs_f64().max(1e-3)) as u64
    }

    /// What is left, at that rate.
    fn left(self) -> String {
        let rate = self.rate().max(1);
        units::eta(Duration::from_secs((self.total.saturating_sub(self.done)).div_ceil(rate)))
    }

    fn plain(self, what: &str) -> String {
        let (bytes, rate) = (units::bytes_of(self.done, self.total), units::rate(self.rate()));
        format!("{what}: {} ({bytes}, {rate}, {} left)", self.percent(), self.left())
    }

    fn drawn(self, what: &str, width: usize) -> String {
        let full = (u128::from(self.done) * BAR as u128 / u128::from(self.total.max(1))) as usize;
        let bar = "█".repeat(full.min(BAR)) + &" ".repeat(BAR - full.min(BAR));
        let (bytes, rate) = (units::bytes_of(self.done, self.total), units::rate(self.rate()));
        let rest = format!("  {:>6} {bar} {bytes}  {rate}  ETA {}", self.percent(), self.left());
        let room = width.saturating_sub(columns(&rest) + 1);
        cut(&(cut(what, room.max(8)) + &rest), width.saturating_sub(1))
    }
}

/// A job that is shown on stderr until it is dropped.
pub struct Job {
    what: String,
    mode: Mode,
    screen: Screen,
    begun: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    done: u64,
    total: u64,
    next: Instant,
    is_drawn: bool,
}

impl Job {
    /// A job of `total` bytes, such as `hashing` `big.zip`.
    pub fn new(mode: Mode, screen: Screen, doing: &str, name: &str, total: u64) -> Self {
        let begun = Instant::now();
        let next = begun + if mode == Mode::Plain { PLAIN_INTERVAL } else { DRAW_INTERVAL };
        let inner = Mutex::new(Inner { done: 0, total, next, is_drawn: false });
        Self { what: format!("{doing} {}", printable(name)), mode, screen, begun, inner }
    }

    /// So many more bytes are done.
    pub fn on(&self, bytes: u64) {
        let mut inner = self.inner.lock();
        inner.done += bytes;
        self.show(&mut inner);
    }

    /// So many bytes are done in all, of so many.
    pub fn at(&self, done: u64, total: u64) {
        let mut inner = self.inner.lock();
        (inner.done, inner.total) = (done, total);
        self.show(&mut inner);
    }

    fn show(&self, inner: &mut Inner) {
        let now = Instant::now();
        if self.mode == Mode::Silent || now < inner.next {
            return;
        }
        let state = State { done: inner.done, total: inner.total, took: now - self.begun };
        // A closed stderr stops no job.
        let _ = if let Mode::Terminal(terminal) = self.mode {
            inner.is_drawn = true;
            inner.next = now + DRAW_INTERVAL;
            self.screen.draw(vec![state.drawn(&self.what, terminal.width)])
        } else {
            inner.next = now + PLAIN_INTERVAL;
            self.screen.line(&state.plain(&self.what))
        };
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.inner.lock().is_drawn {
            let _ = self.screen.erase();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: State =
        State { done: 210_000_000, total: 500_000_000, took: Duration::from_secs(7) };

    #[test]
    fn a_pipe_gets_a_sentence() {
        let expected = "hashing x: 42.0% (210/500 MB, 30.0 MB/s, 10 s left)";
        assert_eq!(HALF.plain("hashing x"), expected);
    }

    #[test]
    fn a_terminal_gets_a_bar_that_fits_it() {
        let expected = "hashing x   42.0% ████████             210/500 MB  30.0 MB/s  ETA 10 s";
        assert_eq!(HALF.drawn("hashing x", 80), expected);
        for width in 0..120 {
            let line = HALF.drawn(&"a long name ".repeat(9), width);
            assert!(columns(&line) < width.max(1), "{width}: {line}");
        }
    }

    #[test]
    fn nothing_done_of_nothing_is_no_division_by_zero() {
        let none = State { done: 0, total: 0, took: Duration::ZERO };
        assert_eq!(none.plain("x"), "x: 0.0% (0/0 B, 0 kB/s, 0 s left)");
    }
}
