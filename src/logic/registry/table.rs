//! Every registered peer in one table, standing in one of four lines.
//!
//! *Fresh* peers have registered and not been heard of since; *proven* ones have. Those who
//! announce themselves are heard of less often and stand in lines of their own. Each line is
//! ordered by when a peer was last heard of, so its head is the first to expire, and a head of
//! the fresh lines is the first to give way when the table is full. A peer moves in constant
//! time and leaves nothing behind when it goes: the lines are linked through the table.

use super::Have;
use crate::clock::Moment;
use crate::ids::{InfoHash, PeerId};
use std::net::SocketAddr;

/// A place in the table.
pub(super) type Slot = u32;

const NONE: Slot = Slot::MAX;

/// One peer of one torrent.
#[derive(Debug)]
pub(super) struct Member {
    pub torrent: InfoHash,
    pub addr: SocketAddr,
    pub peer_id: PeerId,
    pub native: bool,
    pub bittorrent: bool,
    pub pieces: u32,
    pub left: u64,
    pub uploaded: u64,
    pub downloaded: u64,
    pub down: u32,
    pub up: u32,
    pub have: Have,
    /// Where it stands among its torrent's members.
    pub place: u32,
}

struct Entry {
    member: Member,
    seen: Moment,
    proven: bool,
    before: Slot,
    after: Slot,
}

/// Where peers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Registered.
    Fresh,
    /// Heard of since.
    Proven,
    /// Announced once.
    FreshAnnounced,
    /// Announced again.
    ProvenAnnounced,
}

impl Line {
    pub const ALL: [Self; 4] =
        [Self::Fresh, Self::Proven, Self::FreshAnnounced, Self::ProvenAnnounced];

    /// A name of 20 bytes is an announce's.
    fn of(entry: &Entry) -> Self {
        match (entry.member.torrent, entry.proven) {
            (InfoHash::V2(_), false) => Self::Fresh,
            (InfoHash::V2(_), true) => Self::Proven,
            (InfoHash::V1(_), false) => Self::FreshAnnounced,
            (InfoHash::V1(_), true) => Self::ProvenAnnounced,
        }
    }
}

#[derive(Clone, Copy)]
struct Ends {
    head: Slot,
    tail: Slot,
}

/// The table.
pub(super) struct Table {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    /// By [`Line`].
    lines: [Ends; 4],
}

impl Table {
    pub fn new() -> Self {
        let empty = Ends { head: NONE, tail: NONE };
        Self { entries: Vec::new(), free: Vec::new(), lines: [empty; 4] }
    }

    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub fn get(&self, slot: Slot) -> &Member {
        &self.entry(slot).member
    }

    pub fn get_mut(&mut self, slot: Slot) -> &mut Member {
        &mut self.entry_mut(slot).member
    }

    pub fn is_proven(&self, slot: Slot) -> bool {
        self.entry(slot).proven
    }

    pub fn seen(&self, slot: Slot) -> Moment {
        self.entry(slot).seen
    }

    /// Adds a fresh peer.
    pub fn insert(&mut self, now: Moment, member: Member) -> Slot {
        let entry = Some(Entry { member, seen: now, proven: false, before: NONE, after: NONE });
        let slot = if let Some(slot) = self.free.pop() {
            self.entries[slot as usize] = entry;
            slot
        } else {
            self.entries.push(entry);
            (self.entries.len() - 1) as Slot
        };
        self.link(slot);
        slot
    }

    /// The peer was heard of; `proves` moves a fresh one to the proven line.
    pub fn touch(&mut self, now: Moment, slot: Slot, proves: bool) {
        self.unlink(slot);
        let entry = self.entry_mut(slot);
        entry.seen = now;
        entry.proven |= proves;
        self.link(slot);
    }

    pub fn remove(&mut self, slot: Slot) -> Member {
        self.unlink(slot);
        self.free.push(slot);
        self.entries[slot as usize].take().expect("only peers in the table are removed").member
    }

    /// The fresh peer heard of the longest ago.
    pub fn oldest_fresh(&self) -> Option<Slot> {
        let heads = [Line::Fresh, Line::FreshAnnounced].map(|line| self.oldest(line));
        heads.into_iter().flatten().min_by_key(|&slot| self.seen(slot))
    }

    /// The peer of a line heard of the longest ago.
    pub fn oldest(&self, line: Line) -> Option<Slot> {
        Some(self.lines[line as usize].head).filter(|&slot| slot != NONE)
    }

    fn entry(&self, slot: Slot) -> &Entry {
        self.entries[slot as usize].as_ref().expect("slots in use have an entry")
    }

    fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        self.entries[slot as usize].as_mut().expect("slots in use have an entry")
    }

    fn link(&mut self, slot: Slot) {
        let line = Line::of(self.entry(slot)) as usize;
        let tail = std::mem::replace(&mut self.lines[line].tail, slot);
        let entry = self.entry_mut(slot);
        (entry.before, entry.after) = (tail, NONE);
        match tail {
            NONE => self.lines[line].head = slot,
            tail => self.entry_mut(tail).after = slot,
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let entry = self.entry(slot);
        let (line, before, after) = (Line::of(entry) as usize, entry.before, entry.after);
        match before {
            NONE => self.lines[line].head = after,
            before => self.entry_mut(before).after = after,
        }
        match after {
            NONE => self.lines[line].tail = before,
            after => self.entry_mut(after).before = before,
        }
    }
}
