//! What happens in a world, in the order of time.

use crate::clock::Moment;
use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use crate::protocol::message::Message;
use std::collections::BTreeMap;

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
}

/// What is to come. Of two events at one moment the one that was planned first comes first, so
/// that a run does not depend on anything but its options.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BTreeMap<(Moment, u64), Event>,
    planned: u64,
}

impl Agenda {
    /// Something is to happen.
    pub fn plan(&mut self, at: Moment, event: Event) {
        self.events.insert((at, self.planned), event);
        self.planned += 1;
    }

    /// What comes next, if it comes by then.
    pub fn next_by(&mut self, limit: Moment) -> Option<(Moment, Event)> {
        let first = self.events.first_entry().filter(|first| first.key().0 <= limit)?;
        let ((at, _), event) = first.remove_entry();
        Some((at, event))
    }

    /// Bytes of content that are under way.
    #[cfg(test)]
    pub fn under_way(&self) -> u64 {
        let bytes = |event: &Event| match event {
            Event::Hears(.., Word::Chunk(span)) => u64::from(span.length),
            _ => 0,
        };
        self.events.values().map(bytes).sum()
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
            agenda.plan(at(secs), Event::Ticks(peer));
        }
        let mut next = |limit| match agenda.next_by(at(limit)) {
            Some((_, Event::Ticks(peer))) => Some(peer),
            _ => None,
        };
        assert_eq!([1, 1, 1].map(&mut next), [Some(1), Some(3), None]);
        assert_eq!([2, 2, 2].map(&mut next), [Some(0), Some(2), None]);
    }
}
