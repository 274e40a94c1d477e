//! One address: who named it, how its calls went, and when it may be called again.
//!
//! Two ceilings hold whatever happens, because the last calls are remembered:
//!
//! | address | pauses | at most |
//! |---|---|---|
//! | it was only named by others, and never answered | 5 s, 1 min, then 10 min | 3 calls in 10 min |
//! | the user gave it, or it answered a call once | 5 s, doubled up to 10 min | 6 calls in 5 min |
//!
//! A connection that was of use, and that it took, counts as no failure: if that is cut, it is called
//! again after a second. If it brought 256 KiB, that call does not count, and if it lasted, none
//! before it does.
//!
//! The first is for those who are no peers at all: anybody can name a victim's address to a tracker.

use crate::clock::Moment;
use crate::protocol::Dialect;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The first pause after a call that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The pause after a connection that was of use: what cut it may have been nobody's will.
const RETURN_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// The pauses of an address that never answered.
const STRANGERS_PAUSES: [Duration; 3] = [FIRST_PAUSE, Duration::from_mins(1), LONGEST_PAUSE];

/// How often an address that never answered is called in how long a time.
const STRANGERS_CALLS: (usize, Duration) = (3, Duration::from_mins(10));

/// How often any other address is called in how long a time.
const CALLS: (usize, Duration) = (6, Duration::from_mins(5));

/// Whoever gave so many bytes was not called in vain.
const WORTH_A_CALL: u64 = 256 * 1024;

/// What only gossip named waits until the others have had so many calls.
const RUMOURS_HANDICAP: u32 = 2;

/// Who named an address; the first is believed most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The user.
    Given,
    /// A tracker.
    Tracker,
    /// The peer itself, when it called us.
    Caller,
    /// Another peer, the one at this address.
    Gossip(SocketAddr),
}

impl Source {
    /// Its place: the smaller, the better.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Given => 0,
            Self::Tracker => 1,
            Self::Caller => 2,
            Self::Gossip(_) => 3,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given by the user"),
            Self::Tracker => f.write_str("named by a tracker"),
            Self::Caller => f.write_str("it called us before"),
            Self::Gossip(from) => write!(f, "gossip from {from}"),
        }
    }
}

/// Why an address is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Why {
    /// Who named it.
    pub source: Source,
    /// How many calls in a row failed before this one, or led to nothing.
    pub retry: u32,
    /// How long it rested after the last of them; zero if there was none.
    pub after: Duration,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)?;
        if self.retry > 0 {
            write!(f, ", retry {} after {} s", self.retry, self.after.as_secs())?;
        }
        Ok(())
    }
}

/// Where an address stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// To be called at this moment or later.
    Idle(Moment),
    /// Being called, or connected.
    Busy,
    /// Never to be called: ourselves, or banned.
    Never,
}

/// One address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub state: State,
    pub source: Source,
    /// How it is spoken to next.
    pub dialect: Dialect,
    /// Whether it is said to have everything.
    pub is_seed: bool,
    /// Calls in a row that failed or were of no use.
    failures: u32,
    /// It did not answer in one dialect and was called in the other at once.
    switched: bool,
    /// Whether it ever answered a call of ours.
    answered: bool,
    calls: Calls,
    /// When the last call failed, or the last connection ended.
    failed: Moment,
}

impl Candidate {
    pub fn new(state: State, dialect: Dialect, source: Source) -> Self {
        Self {
            state,
            source,
            dialect,
            is_seed: false,
            failures: 0,
            switched: false,
            answered: false,
            calls: Calls::default(),
            failed: Moment::START,
        }
    }

    /// From when on it may be called; `None` while it is busy, or for ever.
    pub fn due(&self) -> Option<Moment> {
        let State::Idle(at) = self.state else { return None };
        let (most, time) = if self.is_stranger() { STRANGERS_CALLS } else { CALLS };
        Some(at.max(self.calls.room(most, time)))
    }

    /// Its place among those that are due: the user's first, then every address has its n-th call
    /// before any has its next one, so that no heap of dead ones keeps a live one waiting.
    pub fn order(&self) -> (u32, u8) {
        let failures = match self.source {
            Source::Given => 0,
            _ if self.is_rumour() => self.failures.saturating_add(RUMOURS_HANDICAP),
            _ => self.failures,
        };
        (failures, self.source.rank())
    }

    /// Its place among those that are forgotten when there is no room: the last goes first.
    pub fn worth(&self) -> (bool, u32) {
        (self.is_rumour(), self.failures)
    }

    /// Whether nobody was ever called there.
    pub fn is_fresh(&self) -> bool {
        self.failures == 0 && self.calls.last().is_none()
    }

    /// Whether it may be forgotten for the sake of one that `source` names. What was called lately
    /// is not: else it could be named anew and called more often than it may.
    pub fn gives_way_to(&self, now: Moment, source: Source) -> bool {
        if self.source == Source::Given || !matches!(self.state, State::Idle(_)) {
            return false;
        }
        let rests = self.calls.last().is_none_or(|at| now.since(at) >= LONGEST_PAUSE);
        let rumour = self.is_rumour();
        let failed = self.failures > 0;
        match source {
            Source::Given => true,
            Source::Gossip(_) => rests && rumour && failed,
            Source::Tracker | Source::Caller => rests && (rumour || failed),
        }
    }

    /// It is called, and that is why.
    pub fn on_call(&mut self, now: Moment) -> Why {
        let after = if self.failures == 0 { Duration::ZERO } else { now.since(self.failed) };
        self.calls.add(now);
        self.state = State::Busy;
        Why { source: self.source, retry: self.failures, after }
    }

    /// A connection exists; `answered` says that it took our call, else it called us.
    pub fn on_connected(&mut self, dialect: Dialect, answered: bool) {
        self.answered |= answered;
        if !answered && self.source.rank() > Source::Caller.rank() {
            self.source = Source::Caller;
        }
        (self.dialect, self.switched) = (dialect, false);
        if self.state != State::Never {
            self.state = State::Busy;
        }
    }

    /// It took the call and did not answer in the dialect of the call: next is the other one, the
    /// first time at once.
    pub fn on_misunderstood(&mut self, now: Moment) {
        self.dialect = match self.dialect {
            Dialect::Native => Dialect::BitTorrent,
            Dialect::BitTorrent => Dialect::Native,
        };
        let at_once = !self.switched;
        self.switched = true;
        self.on_failed(now);
        if at_once {
            self.state = State::Idle(now);
        }
    }

    /// A peer answered, and does not want us now.
    pub fn on_declined(&mut self, now: Moment) {
        self.answered = true;
        self.on_failed(now);
    }

    /// A connection ended that had been of use. Who never answered may be behind a wall, or name a
    /// port that is not its own: that it calls us says nothing of calls to it.
    pub fn on_ended(&mut self, now: Moment) {
        if self.answered {
            self.calls = Calls::default();
        }
        self.on_cut(now, 0);
    }

    /// The same of one that was short, on which it gave so many bytes.
    pub fn on_cut(&mut self, now: Moment, gave: u64) {
        if self.answered {
            self.failures = 0;
            if gave >= WORTH_A_CALL {
                self.calls.forget_last();
            }
        }
        self.on_failed(now);
        if self.answered {
            self.state = State::Idle(now + RETURN_PAUSE);
        }
    }

    /// A call failed, or a connection ended that was of no use.
    pub fn on_failed(&mut self, now: Moment) {
        let pause = if self.is_stranger() {
            STRANGERS_PAUSES[(self.failures as usize).min(STRANGERS_PAUSES.len() - 1)]
        } else {
            (FIRST_PAUSE * 2_u32.pow(self.failures.min(10))).min(LONGEST_PAUSE)
        };
        self.failures = self.failures.saturating_add(1);
        self.failed = now;
        self.state = State::Idle(now + pause);
    }

    /// It may be of use again, if it rests for no fault.
    pub fn on_lacking(&mut self, now: Moment) {
        if let State::Idle(at) = self.state
            && self.failures == 0
        {
            self.state = State::Idle(at.min(now));
        }
    }

    /// Somebody says that the native dialect is spoken there: who says so knows better, unless a
    /// call has shown something else.
    pub fn on_named_native(&mut self) {
        if self.failures == 0 && !self.switched {
            self.dialect = Dialect::Native;
        }
    }

    /// Whether only gossip speaks for it.
    fn is_rumour(&self) -> bool {
        !self.answered && matches!(self.source, Source::Gossip(_))
    }

    fn is_stranger(&self) -> bool {
        !self.answered && self.source != Source::Given
    }
}

/// When the last calls were made, the latest first.
#[derive(Debug, Clone, Copy, Default)]
struct Calls([Option<Moment>; CALLS.0]);

impl Calls {
    fn add(&mut self, now: Moment) {
        self.0.rotate_right(1);
        self.0[0] = Some(now);
    }

    fn forget_last(&mut self) {
        self.0.rotate_left(1);
        self.0[CALLS.0 - 1] = None;
    }

    fn last(&self) -> Option<Moment> {
        self.0[0]
    }

    /// From when on one call more is one of at most `most` in any such `time`.
    fn room(&self, most: usize, time: Duration) -> Moment {
        self.0[most - 1].map_or(Moment::START, |at| at + time)
    }
}
