//! What is to be done in a run, in order of time. Pure.

use crate::lab::setting::Deed;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item {
    /// A peer comes.
    Join(usize),
    /// A peer goes, in good order.
    Leave(usize),
    /// Something is done to a peer.
    Deed(Deed, usize),
    /// A peer that stood still goes on.
    Resume(usize),
    /// The tracker stops.
    TrackerStops(Duration),
    /// The tracker starts again.
    TrackerStarts,
}

/// A list by time; what is due at the same moment is done in the order in which it was put down.
#[derive(Debug, Default)]
pub struct Agenda {
    items: BTreeMap<(Duration, u32), Item>,
    last: u32,
}

impl Agenda {
    /// Puts something down.
    pub fn put(&mut self, at: Duration, item: Item) {
        self.last += 1;
        self.items.insert((at, self.last), item);
    }

    /// When there is something to do next.
    pub fn next(&self) -> Option<Duration> {
        self.items.keys().next().map(|&(at, _)| at)
    }

    /// Something that is due.
    pub fn due(&mut self, now: Duration) -> Option<Item> {
        let first = self.items.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_of_time_and_then_as_it_was_put_down() {
        let mut agenda = Agenda::default();
        let secs = Duration::from_secs;
        agenda.put(secs(2), Item::Join(1));
        agenda.put(secs(1), Item::Join(2));
        agenda.put(secs(1), Item::Leave(2));
        assert_eq!(agenda.next(), Some(secs(1)));
        assert_eq!(agenda.due(Duration::ZERO), None);
        let due: Vec<_> = std::iter::from_fn(|| agenda.due(secs(1))).collect();
        assert_eq!(due, [Item::Join(2), Item::Leave(2)]);
        assert_eq!(agenda.next(), Some(secs(2)));
    }
}
