//! What we asked of one peer, and what counts as an answer.
//!
//! ```text
//! on_asked -> | asked | -- on_chunk ----------------------------> answered
//!             | asked | -- late, choked, cancelled --> | late | -> welcome once, if it comes after all
//! ```
//! A request is answered in order and in whole blocks, so that what counts as its answer is its
//! answer: a block sent again, or a byte now and then, does not keep it open.

use super::MOST_ASKED_EVER;
use super::fault::{Fault, UNASKED};
use crate::clock::Moment;
use crate::geometry::BLOCK_LEN;
use crate::ids::Span;
use crate::logic::pipeline::Pipeline;
use std::collections::VecDeque;
use std::time::Duration;

/// Requests whose answers may still come although we gave up on them.
const LATE: usize = 2 * MOST_ASKED_EVER;

/// A request that waits for its answer.
#[derive(Debug, Clone, Copy)]
struct Asked {
    span: Span,
    at: Moment,
    /// Bytes of it that arrived, from its start.
    arrived: u32,
    /// Bytes of its end that were cancelled.
    cut: u32,
}

impl Asked {
    /// Bytes that are still to come.
    fn open(&self) -> u32 {
        (self.span.length - self.cut).saturating_sub(self.arrived)
    }

    /// What has not arrived, cancelled or not.
    fn rest(&self) -> Span {
        let (offset, length) = (self.span.offset + self.arrived, self.span.length - self.arrived);
        Span { offset, length, ..self.span }
    }
}

/// The requests that are open with one peer.
#[derive(Debug, Clone)]
pub struct Requests {
    /// How much to have asked of it.
    pub pipeline: Pipeline,
    /// Deadlines it let pass in a row.
    pub misses: u32,
    asked: VecDeque<Asked>,
    late: VecDeque<Span>,
    unasked: u32,
    /// Our worker is busy with what it sent: the time that takes is no fault of the peer.
    busy: bool,
    /// When the oldest request became due to be answered.
    waiting_since: Moment,
    /// How long it let earlier requests wait that others answered first, since it missed a deadline.
    outrun: Duration,
}

impl Requests {
    /// Nothing is asked.
    pub fn new(now: Moment) -> Self {
        Self {
            pipeline: Pipeline::default(),
            misses: 0,
            asked: VecDeque::new(),
            late: VecDeque::new(),
            unasked: 0,
            busy: false,
            waiting_since: now,
            outrun: Duration::ZERO,
        }
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.asked.len()
    }

    /// We asked for a span.
    pub fn on_asked(&mut self, now: Moment, span: Span) {
        if self.asked.is_empty() {
            self.waiting_since = now;
        }
        self.pipeline.on_asked(span.length.into());
        self.asked.push_back(Asked { span, at: now, arrived: 0, cut: 0 });
    }

    /// Bytes arrived; true if we asked for them, even if we gave up on them since.
    pub fn on_chunk(&mut self, now: Moment, chunk: Span) -> Result<bool, Fault> {
        let holds = |span: &Span| {
            let ends_inside = chunk.end().is_some_and(|end| Some(end) <= span.end());
            let whole = chunk.length.is_multiple_of(BLOCK_LEN) || chunk.end() == span.end();
            let inside = span.piece == chunk.piece && span.offset <= chunk.offset && ends_inside;
            inside && whole && chunk.length > 0
        };
        let is_next =
            |asked: &Asked| holds(&asked.span) && asked.span.offset + asked.arrived == chunk.offset;
        if let Some(at) = self.asked.iter().position(is_next) {
            let asked = &mut self.asked[at];
            if asked.arrived == 0 {
                self.pipeline.on_answer(now.since(asked.at));
            }
            let delivered = chunk.length.min(asked.open());
            asked.arrived += chunk.length;
            let asked = *asked;
            if asked.open() == 0 {
                self.asked.remove(at);
                self.expect_late(asked.rest());
            }
            (self.misses, self.waiting_since, self.outrun) = (0, now, Duration::ZERO);
            self.pipeline.on_delivered(now, delivered.into());
            return Ok(true);
        }
        if let Some(at) = self.late.iter().position(holds) {
            // It is welcome once; the deadlines that were missed stay missed, unless it is of use.
            self.outrun = Duration::ZERO;
            let late = self.late.remove(at).expect("found at this place");
            let (start, end) = (chunk.offset, chunk.offset + chunk.length);
            let before = Span { length: start - late.offset, ..late };
            let after = Span { offset: end, length: late.offset + late.length - end, ..late };
            self.expect_late(before);
            self.expect_late(after);
            self.pipeline.on_delivered(now, 0);
            return Ok(true);
        }
        self.unasked += 1;
        if self.unasked > UNASKED { Err(Fault::ChunksNotAsked) } else { Ok(false) }
    }

    /// Bytes of the peer were of use: they are stored. Who is slow and not outrun by others is not
    /// let go for that, however late each block comes.
    pub fn on_granted(&mut self) {
        (self.unasked, self.busy, self.misses) = (0, true, 0);
    }

    /// The worker is done with what the peer sent, and reads on.
    pub fn on_ready(&mut self, now: Moment) {
        self.busy = false;
        self.waiting_since = now;
    }

    /// The peer refuses a request; true if we had asked it.
    pub fn on_reject(&mut self, span: Span) -> bool {
        // What we gave up ourselves is refused as well: that says nothing about the next request.
        self.late.retain(|late| *late != span);
        let refused = self.asked.iter().position(|asked| asked.span == span);
        let Some(asked) = refused.and_then(|at| self.asked.remove(at)) else { return false };
        self.pipeline.on_void(asked.open().into());
        true
    }

    /// Another peer delivered `part`: if it is the end of a request that waits here, the request
    /// need not be answered that far. True if the peer should be told.
    ///
    /// Whoever missed a deadline is asked for what others owe, too: were its time to begin anew
    /// whenever they are faster, it would never miss another.
    pub fn on_cancelled(&mut self, now: Moment, part: Span) -> bool {
        let ends_there = |asked: &Asked| {
            let end = asked.span.end().map(|end| end - asked.cut);
            asked.span.piece == part.piece && end == part.end() && part.length <= asked.open()
        };
        let Some(at) = self.asked.iter().position(ends_there) else { return false };
        let asked = &mut self.asked[at];
        asked.cut += part.length;
        let asked = *asked;
        self.pipeline.on_void(part.length.into());
        if asked.open() == 0 {
            self.asked.remove(at);
            self.expect_late(asked.rest());
            if self.asked.is_empty() && self.pipeline.is_snubbed() && !self.busy {
                self.outrun += now.since(self.waiting_since);
            }
        }
        true
    }

    /// Everything asked is void. Gives what to hand back to the picker.
    fn void_all(&mut self) -> Vec<Span> {
        let open: u64 = self.asked.iter().map(|asked| u64::from(asked.open())).sum();
        self.pipeline.on_void(open);
        self.outrun = Duration::ZERO;
        self.asked.drain(..).map(|asked| asked.span).collect()
    }

    /// The same, but it may be under way and is welcome if it comes.
    pub fn give_up_all(&mut self) -> Vec<Span> {
        let void = self.void_all();
        void.iter().for_each(|&span| self.expect_late(span));
        void
    }

    /// Gives up on requests that nothing has come of yet and that are such; they may be under way,
    /// and are welcome if they come. The peer should be told.
    pub fn give_up_those(&mut self, is_such: impl Fn(Span) -> bool) -> Vec<Span> {
        let given_up = |asked: &Asked| asked.arrived == 0 && asked.cut == 0 && is_such(asked.span);
        let (void, kept): (Vec<Asked>, Vec<Asked>) = self.asked.drain(..).partition(given_up);
        self.asked = kept.into();
        for asked in &void {
            self.pipeline.on_void(asked.open().into());
            self.expect_late(asked.span);
        }
        void.into_iter().map(|asked| asked.span).collect()
    }

    /// If nothing came for `timeout`, gives up on all that was asked and gives it back.
    pub fn next_missed(&mut self, now: Moment, timeout: Duration) -> Vec<Span> {
        if self.busy || self.deadline(timeout).is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.pipeline.on_missed();
        self.misses += 1;
        self.give_up_all()
    }

    /// Requests that have waited for `timeout` without a byte although something came meanwhile:
    /// the peer is slower than was thought. Gives up on them; the peer should be told.
    pub fn next_overdue(&mut self, now: Moment, timeout: Duration) -> Vec<Span> {
        let is_overdue = |asked: &Asked| asked.arrived == 0 && now.since(asked.at) >= timeout;
        if self.busy || !self.asked.iter().any(is_overdue) {
            return Vec::new();
        }
        self.pipeline.on_slow();
        let (overdue, kept): (Vec<Asked>, Vec<Asked>) = self.asked.drain(..).partition(is_overdue);
        self.asked = kept.into();
        for asked in &overdue {
            self.pipeline.on_void(asked.open().into());
            self.expect_late(asked.span);
        }
        overdue.into_iter().map(|asked| asked.span).collect()
    }

    /// When [`Requests::next_missed`] will have something to say.
    pub fn deadline(&self, timeout: Duration) -> Option<Moment> {
        (!self.asked.is_empty()).then(|| self.waiting_since + timeout.saturating_sub(self.outrun))
    }

    fn expect_late(&mut self, span: Span) {
        if span.length == 0 {
            return;
        }
        if self.late.len() == LATE {
            self.late.pop_front();
        }
        self.late.push_back(span);
    }
}
