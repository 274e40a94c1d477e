//! Several files in one order: by time, once the clocks are one.
//!
//! Lines of a file are nearly in order: only the first words of a connection stand behind what
//! happened while it was opened, which takes 10 s at most. So each file is read that far ahead, and
//! no farther.

use super::Event;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How late a line may stand.
const LATE: Duration = Duration::from_secs(12);

/// How many lines are read ahead at most; one that stands later than that is out of order.
const AHEAD: usize = 1 << 16;

/// An event of a file, by the common clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed {
    /// When, by the clock that all files share.
    pub t: Duration,
    /// Which file told it.
    pub file: usize,
    /// It; its `t` is the file's own.
    pub event: Event,
}

/// A file that is being read ahead.
struct Source<I> {
    events: I,
    offset: Duration,
    ahead: BinaryHeap<Reverse<Waiting>>,
    newest: Duration,
    read: u64,
    is_over: bool,
}

struct Waiting {
    t: Duration,
    order: u64,
    event: Event,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        (self.t, self.order) == (other.t, other.order)
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.t, self.order).cmp(&(other.t, other.order))
    }
}

/// Events of all files in the order of time; where that is equal, in that of the files and lines.
pub struct Merge<I> {
    sources: Vec<Source<I>>,
}

impl<I, E> Merge<I>
where
    I: Iterator<Item = Result<Event, E>>,
{
    /// Of files, and what is added to the times of each.
    pub fn new(files: impl IntoIterator<Item = (I, Duration)>) -> Self {
        let source = |(events, offset)| Source {
            events,
            offset,
            ahead: BinaryHeap::new(),
            newest: Duration::ZERO,
            read: 0,
            is_over: false,
        };
        Self { sources: files.into_iter().map(source).collect() }
    }
}

impl<I, E> Source<I>
where
    I: Iterator<Item = Result<Event, E>>,
{
    /// Reads until the first event that waits cannot be preceded by one that is still unread.
    fn fill(&mut self) -> Result<(), E> {
        while !self.is_over {
            let first = self.ahead.peek().map(|Reverse(waiting)| waiting.t);
            let is_enough = first.is_some_and(|first| first + LATE < self.newest + self.offset);
            if is_enough || self.ahead.len() >= AHEAD {
                break;
            }
            match self.events.next() {
                None => self.is_over = true,
                Some(event) => {
                    let event = event?;
                    self.newest = event.t.max(self.newest);
                    let t = event.t + self.offset;
                    self.ahead.push(Reverse(Waiting { t, order: self.read, event }));
                    self.read += 1;
                }
            }
        }
        Ok(())
    }
}

impl<I, E> Iterator for Merge<I>
where
    I: Iterator<Item = Result<Event, E>>,
{
    type Item = Result<Timed, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut first: Option<(Duration, usize)> = None;
        for (file, source) in self.sources.iter_mut().enumerate() {
            if let Err(why) = source.fill() {
                source.is_over = true;
                return Some(Err(why));
            }
            if let Some(Reverse(waiting)) = source.ahead.peek() {
                let this = (waiting.t, file);
                first = Some(first.map_or(this, |first| first.min(this)));
            }
        }
        let (t, file) = first?;
        let Reverse(Waiting { event, .. }) = self.sources[file].ahead.pop()?;
        Some(Ok(Timed { t, file, event }))
    }
}
