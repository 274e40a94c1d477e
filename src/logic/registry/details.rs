//! What only some peers say of themselves: native ones, and those that announce over HTTP.

use super::Have;
use super::queue::Id;
use crate::ids::PeerId;
use std::collections::HashMap;
use std::net::SocketAddr;

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
    by_peer: HashMap<(Id, SocketAddr), Detail>,
    bitmap_bytes: usize,
    max_bitmap_bytes: usize,
}

impl Details {
    pub fn new(max_bitmap_bytes: usize) -> Self {
        Self { by_peer: HashMap::new(), bitmap_bytes: 0, max_bitmap_bytes }
    }

    /// Bytes of all bitmaps.
    #[cfg(test)]
    pub fn bitmap_bytes(&self) -> usize {
        self.bitmap_bytes
    }

    pub fn get(&self, id: Id, addr: SocketAddr) -> Option<&Detail> {
        self.by_peer.get(&(id, addr))
    }

    pub fn get_mut(&mut self, id: Id, addr: SocketAddr) -> Option<&mut Detail> {
        self.by_peer.get_mut(&(id, addr))
    }

    /// Takes in what a peer says; rates are kept, and a bitmap beyond the bound is forgotten.
    pub fn put(&mut self, id: Id, addr: SocketAddr, mut detail: Detail) {
        let have = std::mem::replace(&mut detail.have, Have::Unknown);
        if let Some(old) = self.by_peer.get_mut(&(id, addr)) {
            (detail.down, detail.up) = (old.down, old.up);
            std::mem::swap(&mut detail.have, &mut old.have);
            *old = Detail { have: std::mem::replace(&mut detail.have, Have::Unknown), ..detail };
        } else {
            self.by_peer.insert((id, addr), detail);
        }
        self.set_have(id, addr, have);
    }

    /// Takes in which pieces a peer has.
    pub fn set_have(&mut self, id: Id, addr: SocketAddr, have: Have) {
        let Some(detail) = self.by_peer.get_mut(&(id, addr)) else { return };
        let others = self.bitmap_bytes - detail.have.bytes();
        detail.have = match have {
            Have::Some(bits) if bits.is_full() => Have::All,
            have if others + have.bytes() <= self.max_bitmap_bytes => have,
            _ => Have::Unknown,
        };
        self.bitmap_bytes = others + detail.have.bytes();
    }

    pub fn remove(&mut self, id: Id, addr: SocketAddr) {
        if let Some(gone) = self.by_peer.remove(&(id, addr)) {
            self.bitmap_bytes -= gone.have.bytes();
        }
        // A table that much came to and went from gives its memory back.
        if self.by_peer.len() * 8 < self.by_peer.capacity() && self.by_peer.capacity() > 1024 {
            self.by_peer.shrink_to(self.by_peer.len() * 2);
        }
    }
}
