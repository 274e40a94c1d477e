//! Torrents in a line, linked through themselves: joining and leaving cost the same everywhere.

use super::torrents::Torrents;

/// A torrent's place in the slab.
pub(super) type Id = u32;

pub(super) const NOBODY: Id = Id::MAX;

/// A torrent's neighbours in a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links {
    before: Id,
    after: Id,
}

impl Default for Links {
    fn default() -> Self {
        Self { before: NOBODY, after: NOBODY }
    }
}

/// Which links of a torrent a line uses.
pub(super) type Which = fn(&mut super::torrent::Torrent) -> &mut Links;

/// A line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queue {
    head: Id,
    tail: Id,
}

impl Queue {
    pub const EMPTY: Self = Self { head: NOBODY, tail: NOBODY };

    pub fn first(self) -> Option<Id> {
        Some(self.head).filter(|&head| head != NOBODY)
    }

    /// Adds a torrent at the end.
    pub fn push(&mut self, all: &mut Torrents, which: Which, id: Id) {
        *which(all.get_mut(id)) = Links { before: self.tail, after: NOBODY };
        match self.tail {
            NOBODY => self.head = id,
            tail => which(all.get_mut(tail)).after = id,
        }
        self.tail = id;
    }

    /// Takes out a torrent that stands in this line.
    pub fn remove(&mut self, all: &mut Torrents, which: Which, id: Id) {
        let Links { before, after } = std::mem::take(which(all.get_mut(id)));
        match before {
            NOBODY => self.head = after,
            before => which(all.get_mut(before)).after = after,
        }
        match after {
            NOBODY => self.tail = before,
            after => which(all.get_mut(after)).before = before,
        }
    }
}
