//! What only some peers say of themselves: native ones, and those that announce over HTTP.
//!
//! All of it, with the names that native peers give to their content, has one budget of bytes. What
//! each thing takes is rounded up, so that the process never takes more for it.

use super::Have;
use super::queue::Id;
use crate::ids::PeerId;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

/// What a peer's details take, apart from its bitmap: in their box, in a table that has just grown,
/// and in the line.
pub(super) const COST: usize = 320;

/// Places in the line that may be those of peers that are gone, besides as many as are there.
const STALE: usize = 64;

/// A peer's id, progress and pieces.
#[derive(Debug)]
pub(super) struct Detail {
    pub peer_id: PeerId,
    pub left: u64,
    pub uploaded: u64,
    pub downloaded: u64,
    pub down: u32,
    pub up: u32,
    pub have: Have,
}

/// Details by torrent and address.
pub(super) struct Details {
    by_peer: HashMap<(Id, SocketAddr), Box<Detail>>,
    /// Who came first; some are gone.
    line: VecDeque<(Id, SocketAddr)>,
    used: usize,
    most: usize,
}

impl Details {
    pub fn new(most: usize) -> Self {
        Self { by_peer: HashMap::new(), line: VecDeque::new(), used: 0, most }
    }

    /// Whether so many bytes more may be taken.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.most.saturating_sub(self.used) >= bytes
    }

    /// Bytes are taken for something else than details.
    pub fn take(&mut self, bytes: usize) {
        self.used += bytes;
    }

    /// They are free again.
    pub fn give_back(&mut self, bytes: usize) {
        self.used -= bytes;
    }

    /// Bytes taken, and how many peers' details are among them.
    #[cfg(test)]
    pub fn used(&self) -> (usize, usize) {
        (self.used, self.by_peer.len())
    }

    /// Takes out of the line who has stood there the longest; its details stay.
    pub fn next_in_line(&mut self) -> Option<(Id, SocketAddr)> {
        self.line.pop_front()
    }

    pub fn get(&self, id: Id, addr: SocketAddr) -> Option<&Detail> {
        self.by_peer.get(&(id, addr)).map(|detail| &**detail)
    }

    pub fn get_mut(&mut self, id: Id, addr: SocketAddr) -> Option<&mut Detail> {
        self.by_peer.get_mut(&(id, addr)).map(|detail| &mut **detail)
    }

    /// Takes in what a peer says, for which there is room; rates are kept, and a bitmap beyond the
    /// budget is forgotten.
    pub fn put(&mut self, id: Id, addr: SocketAddr, mut detail: Detail) {
        let have = std::mem::replace(&mut detail.have, Have::Unknown);
        if let Some(old) = self.by_peer.get_mut(&(id, addr)) {
            (detail.down, detail.up) = (old.down, old.up);
            std::mem::swap(&mut detail.have, &mut old.have);
            **old = detail;
        } else {
            self.by_peer.insert((id, addr), Box::new(detail));
            self.used += COST;
            self.line_up(id, addr);
        }
        self.set_have(id, addr, have);
    }

    /// Takes in which pieces a peer has.
    pub fn set_have(&mut self, id: Id, addr: SocketAddr, have: Have) {
        let Some(detail) = self.by_peer.get_mut(&(id, addr)) else { return };
        let others = self.used - detail.have.bytes();
        detail.have = match have {
            Have::Some(bits) if bits.is_full() => Have::All,
            have if others + have.bytes() <= self.most => have,
            _ => Have::Unknown,
        };
        self.used = others + detail.have.bytes();
    }

    pub fn remove(&mut self, id: Id, addr: SocketAddr) {
        if let Some(gone) = self.by_peer.remove(&(id, addr)) {
            self.used -= COST + gone.have.bytes();
        }
        // A table that much came to and went from gives its memory back.
        if self.by_peer.len() * 8 < self.by_peer.capacity() && self.by_peer.capacity() > 1024 {
            self.by_peer.shrink_to(self.by_peer.len() * 2);
        }
    }

    fn line_up(&mut self, id: Id, addr: SocketAddr) {
        if self.line.len() >= 2 * self.by_peer.len() + STALE {
            self.line.retain(|place| self.by_peer.contains_key(place));
            self.line.shrink_to(self.line.len() + self.line.len() / 2);
        }
        self.line.push_back((id, addr));
    }
}
