//! When whose silence has lasted too long: a timing wheel of torrents.
//!
//! ```text
//! slots  0 1 2 .. 4095      a torrent stands where the first of its members may expire
//!            ^ at           what stands there is looked through, and filed again
//! ```
//! Hearing of a member changes its record and not the wheel: a torrent whose members were heard
//! of meanwhile is merely looked through in vain. Time is counted in ticks, of which the patience
//! has a few hundred. A large torrent is looked through from its end, a part in each turn:
//! whoever leaves is replaced from behind, so nobody is passed over.

use super::members::{DUE_BITS, Due};
use super::queue::{Id, Links, Queue};
use super::torrents::Torrents;
use crate::clock::Moment;
use std::time::Duration;

/// More than there are ticks in the patience.
const SLOTS: usize = 4096;

/// Ticks in the patience at least.
const FINEST: u64 = 250;

const NO_SLOT: u16 = u16::MAX;

/// Where a torrent stands in a wheel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filed {
    links: Links,
    slot: u16,
}

impl Default for Filed {
    fn default() -> Self {
        Self { links: Links::default(), slot: NO_SLOT }
    }
}

/// A torrent that is being looked through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    pub torrent: Id,
    /// The part with IPv6 addresses goes first.
    pub six: bool,
    /// Members of the part that have not been looked at.
    pub left: usize,
    /// The first expiry among those that were.
    pub earliest: Due,
}

impl Scan {
    /// Takes an expiry into account.
    pub fn note(&mut self, due: Due) {
        if is_before(due, self.earliest) {
            self.earliest = due;
        }
    }
}

/// Whether one of two moments that are not far apart is the earlier.
pub(super) fn is_before(a: Due, b: Due) -> bool {
    ticks_from(b, a) < 0
}

/// Ticks from one moment to another, forward or back.
fn ticks_from(a: Due, b: Due) -> i32 {
    const UNUSED: u32 = Due::BITS - DUE_BITS;
    (b.wrapping_sub(a) << UNUSED).cast_signed() >> UNUSED
}

/// Torrents whose members all have the same patience.
pub(super) struct Wheel {
    /// Nanoseconds.
    tick: u64,
    /// In ticks.
    patience: u64,
    slots: Box<[Queue]>,
    /// A bit for each slot that is not empty.
    busy: [u64; SLOTS / 64],
    /// The tick whose slot is looked at; none before it is left.
    at: u64,
    pub scan: Option<Scan>,
}

impl Wheel {
    /// A tick is the largest power of ten that is fine enough.
    pub fn new(patience: Duration) -> Self {
        let patience = nanos(patience).max(FINEST);
        let mut tick = 1;
        while patience / (tick * 10) >= FINEST {
            tick *= 10;
        }
        let slots = vec![Queue::EMPTY; SLOTS].into();
        let (busy, patience) = ([0; SLOTS / 64], patience.div_ceil(tick));
        Self { tick, patience, slots, busy, at: 0, scan: None }
    }

    /// When somebody expires who is heard of now.
    pub fn due(&self, now: Moment) -> Due {
        // BEGIN SOLUTION C2
        (nanos(now.elapsed()).div_ceil(self.tick) + self.patience) as Due
        // END SOLUTION
    }

    /// When somebody who expires then was heard of last, to a tick.
    pub fn seen(&self, due: Due) -> Moment {
        let ahead = ticks_from(self.at as Due, due);
        let tick = self.at.saturating_add_signed(ahead.into()).saturating_sub(self.patience);
        Moment::after(Duration::from_nanos(tick.saturating_mul(self.tick)))
    }

    /// Whether a moment has come. One that is further ahead than anybody's patience came so long ago
    /// that the ticks went round: the process stood still.
    pub fn is_over(&self, now: Moment, due: Due) -> bool {
        // BEGIN SOLUTION C2
        let ahead = ticks_from((nanos(now.elapsed()) / self.tick) as Due, due);
        u64::try_from(ahead).map_or(true, |ahead| ahead == 0 || ahead > 2 * self.patience)
        // END SOLUTION
    }

    /// Files a torrent whose first member expires at `due`.
    pub fn file(&mut self, all: &mut Torrents, id: Id, due: Due) {
        let ahead = ticks_from(self.at as Due, due).clamp(0, SLOTS as i32 - 1);
        let slot = (self.at + ahead as u64) as usize % SLOTS;
        all.get_mut(id).filed.slot = slot as u16;
        self.slots[slot].push(all, |torrent| &mut torrent.filed.links, id);
        self.busy[slot / 64] |= 1 << (slot % 64);
    }

    /// Takes a torrent out that is about to go.
    pub fn unfile(&mut self, all: &mut Torrents, id: Id) {
        self.scan = self.scan.filter(|scan| scan.torrent != id);
        let slot = std::mem::replace(&mut all.get_mut(id).filed.slot, NO_SLOT);
        if slot != NO_SLOT {
            let slot = usize::from(slot);
            self.slots[slot].remove(all, |torrent| &mut torrent.filed.links, id);
            if self.slots[slot].first().is_none() {
                self.busy[slot / 64] &= !(1 << (slot % 64));
            }
        }
    }

    /// What is to be looked through now: where one was, or the next torrent whose time has come.
    pub fn next_scan(&mut self, now: Moment, all: &mut Torrents) -> Option<Scan> {
        if self.scan.is_none() {
            let tick = nanos(now.elapsed()) / self.tick;
            // After a process stood still, the time of all that is filed has come, wherever it stands;
            // and what is filed again must not be further ahead than a `Due` can say.
            self.at = self.at.max(tick.saturating_sub(SLOTS as u64 - 1));
            self.at = self.next_busy().unwrap_or(tick).min(tick).max(self.at);
            let torrent = self.slots[self.at as usize % SLOTS].first()?;
            self.unfile(all, torrent);
            let left = all.get(torrent).count(true);
            self.scan = Some(Scan { torrent, six: true, left, earliest: self.due(now) });
        }
        self.scan
    }

    /// When the next torrent is to be looked through.
    pub fn deadline(&self) -> Option<Moment> {
        let tick = if self.scan.is_some() { Some(self.at) } else { self.next_busy() };
        tick.map(|tick| Moment::after(Duration::from_nanos(tick.saturating_mul(self.tick))))
    }

    /// The first tick from the present one on whose slot is not empty.
    fn next_busy(&self) -> Option<u64> {
        let at = self.at as usize % SLOTS;
        let words = self.busy.len();
        // The word of the present slot comes first without the bits before it, and last again.
        (0..=words).find_map(|n| {
            let word = (at / 64 + n) % words;
            let from = if n == 0 { u64::MAX << (at % 64) } else { u64::MAX };
            let bits = self.busy[word] & from;
            let slot = word * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| self.at + ((slot + SLOTS - at) % SLOTS) as u64)
        })
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
