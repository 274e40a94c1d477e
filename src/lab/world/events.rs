//! What happens in a world, in the order of time.

use crate::clock::Moment;
use crate::ids::{PieceIndex, Span};
use crate::lab::setting::Deed;
use crate::logic::PeerKey;
use crate::protocol::message::Message;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What goes over a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A message that borrows nothing.
    Said(Message<'static>),
    /// BITFIELD: the pieces from the first on.
    Bitfield(u32, Vec<u8>),
    /// Bytes of a piece.
    Chunk(Span),
    /// The proven leaf hashes of a piece.
    Hashes(PieceIndex),
    /// The sender ended the connection.
    End,
}

/// Something that happens to one peer, by its number.
#[derive(Debug)]
pub(super) enum Event {
    /// It comes.
    Joins(usize),
    /// It goes.
    Leaves(usize),
    /// Its swarm looks at what is late.
    Ticks(usize),
    /// Its choker holds a round.
    Rounds(usize),
    /// The block that it was sending has left.
    Sent(usize),
    /// Something arrives at it, on a connection on which so many words went that way before.
    Hears(usize, PeerKey, u64, Word),
    /// It is done with a connection that it ended.
    Forgets(usize, PeerKey),
    /// It asks the tracker whom there is.
    Announces(usize),
    /// Something is done to it.
    Suffers(usize, Deed),
    /// It goes on after a pause.
    Resumes(usize),
}

/// An event in its place.
#[derive(Debug)]
struct Planned {
    at: Moment,
    nth: u64,
    event: Event,
}

impl Planned {
    fn key(&self) -> (Moment, u64) {
        (self.at, self.nth)
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// What is to come. Of two events at one moment the one that was planned first comes first, so
/// that a run does not depend on anything but its options.
///
/// Most events are words that take the latency, the same for all: they are planned in the order in
/// which they come, and stand in a queue. The others stand in a heap.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    queue: VecDeque<Planned>,
    heap: BinaryHeap<Reverse<Planned>>,
    planned: u64,
}

impl Agenda {
    /// Something is to happen.
    pub fn plan(&mut self, at: Moment, event: Event) {
        let nth = self.number();
        self.heap.push(Reverse(Planned { at, nth, event }));
    }

    /// The same; most that are planned so come one after the other.
    pub fn plan_in_turn(&mut self, at: Moment, event: Event) {
        let nth = self.number();
        let planned = Planned { at, nth, event };
        if self.queue.back().is_none_or(|last| last.at <= at) {
            self.queue.push_back(planned);
        } else {
            self.heap.push(Reverse(planned));
        }
    }

    /// What comes next, if it comes by then.
    pub fn next_by(&mut self, limit: Moment) -> Option<(Moment, Event)> {
        let queued = self.queue.front().map(Planned::key);
        let heaped = self.heap.peek().map(|Reverse(planned)| planned.key());
        let first = queued.into_iter().chain(heaped).min().filter(|first| first.0 <= limit)?;
        let planned = if queued == Some(first) {
            self.queue.pop_front()
        } else {
            self.heap.pop().map(|Reverse(planned)| planned)
        };
        planned.map(|planned| (planned.at, planned.event))
    }

    fn number(&mut self) -> u64 {
        self.planned += 1;
        self.planned
    }

    /// Bytes of content that are under way.
    #[cfg(test)]
    pub fn under_way(&self) -> u64 {
        let bytes = |event: &Event| match event {
            Event::Hears(.., Word::Chunk(span)) => u64::from(span.length),
            _ => 0,
        };
        let heaped = self.heap.iter().map(|Reverse(planned)| planned);
        self.queue.iter().chain(heaped).map(|planned| bytes(&planned.event)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn events_come_in_the_order_of_time_and_then_of_planning() {
        let mut agenda = Agenda::default();
        let at = |secs| Moment::after(Duration::from_secs(secs));
        for (secs, peer) in [(2, 0), (1, 1), (2, 2), (1, 3)] {
            if peer < 2 {
                agenda.plan(at(secs), Event::Ticks(peer));
            } else {
                agenda.plan_in_turn(at(secs), Event::Ticks(peer));
            }
        }
        let mut next = |limit| match agenda.next_by(at(limit)) {
            Some((_, Event::Ticks(peer))) => Some(peer),
            _ => None,
        };
        assert_eq!([1, 1, 1].map(&mut next), [Some(1), Some(3), None]);
        assert_eq!([2, 2, 2].map(&mut next), [Some(0), Some(2), None]);
    }
}
