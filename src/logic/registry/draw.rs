//! Which members of a content's torrents an asker is given.

use super::table::{Slot, Table};
use super::values::Given;
use crate::ids::InfoHash;
use crate::protocol::tracker_native::PeerEntry;
use std::collections::HashSet;
use std::net::SocketAddr;

/// Members looked at for each one that is wanted, when few suit the asker.
const TRIES_A_PEER: usize = 4;

/// Members looked at in any case.
const TRIES: usize = 64;

/// The members of one torrent that are drawn from, taken out of it meanwhile.
///
/// Whoever is drawn is swapped to the front of its part, so that the rest stays together and a
/// draw costs as much as it yields; the asker waits at the end of its part.
pub(super) struct Pool {
    members: Vec<Slot>,
    seeders: Part,
    leechers: Part,
}

/// Those of one part who can still be drawn.
struct Part {
    next: usize,
    end: usize,
}

impl Pool {
    /// Everyone but the asker can be drawn.
    pub fn new(members: Vec<Slot>, seeders: usize, asker: Option<Slot>, table: &mut Table) -> Self {
        let leechers = Part { next: seeders, end: members.len() };
        let mut pool = Self { members, seeders: Part { next: 0, end: seeders }, leechers };
        if let Some(asker) = asker {
            let place = table.get(asker).place as usize;
            let part = if place < seeders { &mut pool.seeders } else { &mut pool.leechers };
            part.end -= 1;
            let end = part.end;
            pool.swap(table, place, end);
        }
        pool
    }

    /// The members, in another order.
    pub fn into_members(self) -> Vec<Slot> {
        self.members
    }

    /// Takes out the one at `place` of those that are left of a part.
    fn take(&mut self, table: &mut Table, seed: bool, place: usize) -> Slot {
        let part = if seed { &mut self.seeders } else { &mut self.leechers };
        let (to, from) = (part.next, part.next + place);
        part.next += 1;
        self.swap(table, to, from);
        self.members[to]
    }

    fn part(&self, seed: bool) -> &Part {
        if seed { &self.seeders } else { &self.leechers }
    }

    fn swap(&mut self, table: &mut Table, a: usize, b: usize) {
        self.members.swap(a, b);
        table.get_mut(self.members[a]).place = a as u32;
        table.get_mut(self.members[b]).place = b as u32;
    }
}

impl Part {
    fn len(&self) -> usize {
        self.end - self.next
    }
}

/// A draw without replacement from the seeders and leechers of one or more torrents.
pub(super) struct Draw<'a> {
    pools: &'a mut [(InfoHash, Pool)],
    table: &'a mut Table,
}

impl<'a> Draw<'a> {
    /// Nobody has been drawn.
    pub fn new(pools: &'a mut [(InfoHash, Pool)], table: &'a mut Table) -> Self {
        Self { pools, table }
    }

    /// Up to `wanted` members that suit the asker, each address once, a seeder first if there is
    /// one.
    pub fn draw(
        &mut self,
        wanted: usize,
        rng: &mut fastrand::Rng,
        suits: impl Fn(&PeerEntry) -> bool,
    ) -> Vec<Given> {
        let mut drawn: Vec<Given> = Vec::new();
        let mut addresses: HashSet<SocketAddr> = HashSet::new();
        let mut tries = wanted.saturating_mul(TRIES_A_PEER).saturating_add(TRIES);
        while drawn.len() < wanted && tries > 0 {
            let Some((slot, seed)) = self.next(drawn.is_empty(), rng) else { break };
            tries -= 1;
            let member = self.table.get(slot);
            let peer = PeerEntry {
                addr: member.addr,
                seed,
                native: member.native,
                bittorrent: member.bittorrent,
            };
            if suits(&peer) && (self.pools.len() == 1 || addresses.insert(peer.addr)) {
                drawn.push(Given { peer, id: member.peer_id });
            }
        }
        drawn
    }

    /// One of all that are left, each as likely, or one of the seeders; and whether it is one.
    fn next(&mut self, seeder_first: bool, rng: &mut fastrand::Rng) -> Option<(Slot, bool)> {
        let left = |seed: bool| self.pools.iter().map(|(_, pool)| pool.part(seed).len()).sum();
        let (seeders, leechers): (usize, usize) = (left(true), left(false));
        let mut roll = match (seeders, leechers) {
            (0, 0) => return None,
            (1.., _) if seeder_first => rng.usize(..seeders),
            _ => rng.usize(..seeders + leechers),
        };
        for seed in [true, false] {
            for (_, pool) in &mut *self.pools {
                let length = pool.part(seed).len();
                if roll < length {
                    return Some((pool.take(self.table, seed, roll), seed));
                }
                roll -= length;
            }
        }
        None
    }
}
