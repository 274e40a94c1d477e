//! Those who watch (`/live`): their connections stay, and what they are shown is bounded.
//!
//! A turn makes one event at most, and hands it to [`SHOWN_A_TURN`] of those who watch its scene in
//! each of the next ones. Events that a watcher does not take are left out once [`MOST_WAITING`]
//! bytes wait, and who takes nothing for [`WATCH_TIME`] is closed.

use super::{Closed, Connection, Leaving, Streams};
use crate::clock::Moment;
use crate::readiness::Interest;
use crate::tracker::http;
use crate::tracker::live::Scene;
use crate::tracker::pages;
use crate::tracker::state::State;
use std::time::Duration;

/// How long a watcher may take nothing.
const WATCH_TIME: Duration = Duration::from_secs(10);

/// Bytes that wait for a watcher before events are left out.
pub(super) const MOST_WAITING: usize = 256 * 1024;

/// Watchers that are handed an event in one turn: each may cost a copy of a hundred kilobytes.
pub(super) const SHOWN_A_TURN: usize = 2;

impl Streams {
    /// Hands the event that is due to some of those who watch its scene.
    pub fn show(&mut self, now: Moment, state: &mut State) {
        if self.showing.is_none() {
            // Who watches has it in the next turn: making it was enough for this one.
            self.showing = state.next_event(now).map(|event| (event, 0));
            return;
        }
        let Some((event, first)) = self.showing.take() else { return };
        let mut shown = 0;
        for slot in first..self.slots.len() {
            let connection = self.slots[slot].as_mut();
            let watcher = connection.filter(|one| one.watches == Some(event.scene));
            let Some(watcher) = watcher else { continue };
            if shown == SHOWN_A_TURN {
                self.showing = Some((event, slot));
                return;
            }
            shown += 1;
            if watcher.show(now, &event.text).is_err() {
                self.close(slot, state);
            }
        }
    }
}

impl Connection {
    /// Sends what waits to a watcher, and notices that it is gone; what it says is not wanted.
    pub(super) fn turn_of_watcher(
        &mut self,
        now: Moment,
        scratch: &mut [u8],
    ) -> Result<(), Closed> {
        self.pour(now)?;
        self.read(scratch)?;
        self.input = Vec::new();
        if self.ended { Err(Closed) } else { Ok(()) }
    }

    /// Adds an event to what waits for a watcher, unless that is too much already.
    fn show(&mut self, now: Moment, event: &[u8]) -> Result<(), Closed> {
        if self.output.len() - self.sent <= MOST_WAITING {
            self.output.drain(..self.sent);
            self.sent = 0;
            self.output.extend_from_slice(event);
        }
        self.pour(now)
    }

    /// Sends what a watcher takes; as long as it takes something it may stay.
    fn pour(&mut self, now: Moment) -> Result<(), Closed> {
        let waiting = self.output.len() - self.sent;
        self.flush()?;
        if self.output.len() - self.sent < waiting {
            self.deadline = now + WATCH_TIME;
        }
        let interest = if self.is_idle() { Interest::Read } else { Interest::Write };
        self.socket.set_interest(interest).map_err(|_| Closed)
    }

    /// Begins to show a scene, or says why not. What else was asked is not answered any more.
    pub(super) fn answer_watcher(
        &mut self,
        now: Moment,
        state: &mut State,
        scene: Result<Scene, (u16, &'static str)>,
        head_only: bool,
    ) {
        let refused = match scene {
            Err(refused) => refused,
            Ok(_) if head_only => {
                self.leaving = Leaving::Politely;
                return pages::put_events_head(&mut self.output);
            }
            Ok(scene) => match state.on_watcher(now, scene) {
                Some((scene, last)) => {
                    pages::put_events_head(&mut self.output);
                    last.inspect(|last| self.output.extend_from_slice(last));
                    self.watches = Some(scene);
                    return;
                }
                None => (503, "too many watchers: close one, or come back later"),
            },
        };
        let (status, why) = refused;
        http::put(&mut self.output, status, false, head_only, format!("{why}\n").as_bytes());
        self.leaving = Leaving::Politely;
    }
}
