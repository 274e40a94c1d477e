//! Which members of a torrent an asker is given.

use super::Torrent;
use super::table::{Slot, Table};

/// A draw without replacement from a torrent's seeders and leechers.
///
/// Whoever is drawn is swapped to the front of its part, so that the rest stays together and a
/// draw costs as much as it yields; the asker waits at the end of its part.
pub(super) struct Draw<'a> {
    torrent: &'a mut Torrent,
    table: &'a mut Table,
    seeders: Part,
    leechers: Part,
}

/// Those of one part who can still be drawn.
struct Part {
    next: usize,
    end: usize,
}

impl<'a> Draw<'a> {
    /// Everyone but the asker can be drawn.
    pub fn new(torrent: &'a mut Torrent, table: &'a mut Table, asker: Option<Slot>) -> Self {
        let mut seeders = Part { next: 0, end: torrent.seeders };
        let mut leechers = Part { next: torrent.seeders, end: torrent.members.len() };
        if let Some(asker) = asker {
            let place = table.get(asker).place as usize;
            let part = if place < torrent.seeders { &mut seeders } else { &mut leechers };
            part.end -= 1;
            torrent.swap(table, place, part.end);
        }
        Self { torrent, table, seeders, leechers }
    }

    /// Up to `wanted` members, a seeder first if there is one.
    pub fn draw(&mut self, wanted: usize, rng: &mut fastrand::Rng) -> Vec<Slot> {
        let mut drawn = Vec::with_capacity(wanted.min(self.torrent.members.len()));
        while drawn.len() < wanted {
            let (seeders, leechers) = (self.seeders.len(), self.leechers.len());
            if seeders + leechers == 0 {
                break;
            }
            let first = drawn.is_empty() && seeders > 0;
            let of_seeders = first || rng.usize(..seeders + leechers) < seeders;
            let part = if of_seeders { &mut self.seeders } else { &mut self.leechers };
            let (to, from) = (part.next, rng.usize(part.next..part.end));
            part.next += 1;
            self.torrent.swap(self.table, to, from);
            drawn.push(self.torrent.members[to]);
        }
        drawn
    }
}

impl Part {
    fn len(&self) -> usize {
        self.end - self.next
    }
}
