//! The members of a torrent that have addresses of one family, in few bytes each.
//!
//! ```text
//! record    address: 4 or 16   port: 2   due: 19 bits   marks: 5 bits   tag: 1
//! records   seeders .. | leechers ..
//! ```
//! A few are searched one by one; beyond [`FEW`] there is an [`Index`] of them.

use super::index::Index;
use std::hash::{BuildHasher, RandomState};

/// An address and its port as they travel: 6 bytes (BEP 23) or 18 (BEP 7).
pub(super) type Compact<const N: usize> = [u8; N];

/// A moment in ticks of the wheel, cut to 19 bits: enough to tell it from those around it.
pub(super) type Due = u32;

/// Bits of a [`Due`].
pub(super) const DUE_BITS: u32 = 19;

/// Members that are searched one by one.
const FEW: usize = 32;

/// What is known of a member besides its address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u8);

impl Mark {
    pub const NONE: Self = Self(0);
    /// It was heard of again.
    pub const PROVEN: Self = Self(1);
    pub const NATIVE: Self = Self(2);
    pub const BITTORRENT: Self = Self(4);
    /// More is known of it, in a side table.
    pub const DETAILS: Self = Self(8);
    /// Somebody else has tried to stop it.
    pub const CONTESTED: Self = Self(16);

    pub fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    /// These marks and those.
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These marks and that one, or these without that one.
    pub fn with(self, mark: Self, there: bool) -> Self {
        Self(if there { self.0 | mark.0 } else { self.0 & !mark.0 })
    }
}

/// What changes of a member.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// When it expires.
    pub due: Due,
    pub marks: Mark,
    /// A few bits of a keyed hash of who it says it is.
    pub tag: u8,
}

/// A member.
#[derive(Clone, Copy)]
pub(super) struct Record<const N: usize> {
    pub addr: Compact<N>,
    standing: [u8; 4],
}

impl<const N: usize> Record<N> {
    pub fn new(addr: Compact<N>, Standing { due, marks: Mark(marks), tag }: Standing) -> Self {
        let due = due & ((1 << DUE_BITS) - 1);
        let [a, b, c, _] = (due | u32::from(marks) << DUE_BITS).to_le_bytes();
        Self { addr, standing: [a, b, c, tag] }
    }

    pub fn marks(&self) -> Mark {
        Mark(self.standing[2] >> (DUE_BITS - 16))
    }

    pub fn standing(&self) -> Standing {
        let [a, b, c, tag] = self.standing;
        let due = Due::from_le_bytes([a, b, c, 0]) & ((1 << DUE_BITS) - 1);
        Standing { due, marks: self.marks(), tag }
    }
}

const _: () = assert!(size_of::<Record<6>>() == 10 && size_of::<Record<18>>() == 22);

/// Members of one family, seeders first.
pub(super) struct Members<const N: usize> {
    records: Vec<Record<N>>,
    seeders: u32,
    index: Option<Box<Index>>,
}

impl<const N: usize> Members<N> {
    pub fn new() -> Self {
        Self { records: Vec::new(), seeders: 0, index: None }
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn seeders(&self) -> usize {
        self.seeders as usize
    }

    pub fn records(&self) -> &[Record<N>] {
        &self.records
    }

    pub fn set_standing(&mut self, place: usize, standing: Standing) {
        let record = &mut self.records[place];
        *record = Record::new(record.addr, standing);
    }

    /// Where a member stands.
    pub fn find(&self, hasher: &RandomState, addr: &Compact<N>) -> Option<usize> {
        match &self.index {
            None => self.records.iter().position(|record| record.addr == *addr),
            Some(index) => {
                index.find(hasher.hash_one(addr), |place| self.records[place].addr == *addr)
            }
        }
    }

    /// Adds a leecher at the end.
    pub fn push(&mut self, hasher: &RandomState, record: Record<N>) -> usize {
        let place = self.records.len();
        if place == self.records.capacity() {
            // A torrent of ten members shall not pay for sixteen.
            self.records.reserve_exact((place / 8).max(2));
        }
        self.records.push(record);
        if let Some(index) = &mut self.index {
            let records = &self.records;
            let hash_of = |place: usize| hasher.hash_one(records[place].addr);
            index.insert(hash_of(place), place, hash_of);
        } else if place == FEW {
            self.rebuild_index(hasher);
        }
        place
    }

    /// Puts a member among the seeders or the leechers, in exchange for the one at their border.
    pub fn settle(&mut self, hasher: &RandomState, place: usize, seeds: bool) {
        match (place < self.seeders(), seeds) {
            (false, true) => {
                self.swap(hasher, place, self.seeders());
                self.seeders += 1;
            }
            (true, false) => {
                self.seeders -= 1;
                self.swap(hasher, place, self.seeders());
            }
            _ => {}
        }
    }

    /// Takes a member out. Others move down to fill the gap, never up.
    pub fn remove(&mut self, hasher: &RandomState, place: usize) -> Record<N> {
        let gone = self.records[place];
        if let Some(index) = &mut self.index {
            let records = &self.records;
            let hash_of = |place: usize| hasher.hash_one(records[place].addr);
            index.remove(hash_of(place), place, hash_of);
        }
        let mut gap = place;
        if gap < self.seeders() {
            self.seeders -= 1;
            self.fill(hasher, gap, self.seeders());
            gap = self.seeders();
        }
        self.fill(hasher, gap, self.records.len() - 1);
        self.records.pop();
        self.give_back(hasher);
        gone
    }

    /// Moves the member at `from` into the gap.
    fn fill(&mut self, hasher: &RandomState, gap: usize, from: usize) {
        if gap != from {
            self.records[gap] = self.records[from];
            if let Some(index) = &mut self.index {
                index.moved(hasher.hash_one(self.records[gap].addr), from, gap);
            }
        }
    }

    fn swap(&mut self, hasher: &RandomState, a: usize, b: usize) {
        if a == b {
            return;
        }
        self.records.swap(a, b);
        if let Some(index) = &mut self.index {
            // Two marks may be alike, but a position is never there twice.
            let nowhere = self.records.len();
            let [of_a, of_b] = [a, b].map(|place| hasher.hash_one(self.records[place].addr));
            index.moved(of_b, a, nowhere);
            index.moved(of_a, b, a);
            index.moved(of_b, nowhere, b);
        }
    }

    /// Memory that is hardly used any more is given back.
    fn give_back(&mut self, hasher: &RandomState) {
        let length = self.records.len();
        if length * 2 < self.records.capacity() && self.records.capacity() > 8 {
            self.records.shrink_to(length + length / 8);
        }
        if length <= FEW / 2 {
            self.index = None;
        } else if self.index.as_ref().is_some_and(|index| index.spread() > 16) {
            self.rebuild_index(hasher);
        }
    }

    fn rebuild_index(&mut self, hasher: &RandomState) {
        let hash_of = |place: usize| hasher.hash_one(self.records[place].addr);
        let mut index = Index::new(self.records.len());
        (0..self.records.len()).for_each(|place| index.insert(hash_of(place), place, hash_of));
        self.index = Some(Box::new(index));
    }
}
