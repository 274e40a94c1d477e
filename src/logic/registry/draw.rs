//! Which members of a content's torrents an asker is given.

use super::queue::Id;
use super::torrent::{Place, Seen};
use super::values::Wanted;
use super::{Mark, Registry};
use crate::ids::InfoHash;
use crate::protocol::announce::Family;
use crate::protocol::tracker_native::PeerEntry;
use std::net::SocketAddr;

/// Members looked at for each one that is wanted, when few suit the asker.
const TRIES_A_PEER: usize = 4;

/// Members looked at in any case.
const TRIES: usize = 64;

/// Members of one family of one torrent.
#[derive(Clone, Copy)]
struct Pool {
    id: Id,
    six: bool,
    seeders: usize,
    members: usize,
}

/// Names that are drawn from at most; a content has three.
const MOST_NAMES: usize = 4;

/// All who can be drawn, one after the other.
struct Pools {
    all: [Pool; 2 * MOST_NAMES],
    used: usize,
}

impl Pools {
    fn new() -> Self {
        let empty = Pool { id: 0, six: false, seeders: 0, members: 0 };
        Self { all: [empty; 2 * MOST_NAMES], used: 0 }
    }

    fn add(&mut self, pool: Pool) {
        if pool.members > 0 {
            self.all[self.used] = pool;
            self.used += 1;
        }
    }

    fn count(&self, of: fn(&Pool) -> usize) -> usize {
        self.all[..self.used].iter().map(of).sum()
    }

    /// Who stands at a position, among the seeders or among all.
    fn at(&self, mut position: usize, of: fn(&Pool) -> usize) -> (Id, Place) {
        for pool in &self.all[..self.used] {
            if position < of(pool) {
                return (pool.id, Place { six: pool.six, at: position });
            }
            position -= of(pool);
        }
        unreachable!("positions are below the count")
    }
}

/// Every number below a bound once, in one of many orders: the start and the step are thrown,
/// and a step that has no divisor in common with the bound comes by all.
struct Walk {
    at: usize,
    step: usize,
    bound: usize,
    left: usize,
}

impl Walk {
    fn below(bound: usize, rng: &mut fastrand::Rng) -> Self {
        let mut step = 1;
        if bound > 2 {
            step = rng.usize(1..bound);
            while divisor(step, bound) != 1 {
                step = rng.usize(1..bound);
            }
        }
        Self { at: rng.usize(..bound.max(1)), step, bound, left: bound }
    }
}

impl Iterator for Walk {
    type Item = usize;
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let here = self.at;
        self.at += self.step;
        if self.at >= self.bound {
            self.at -= self.bound;
        }
        Some(here)
    }
}

/// The greatest common divisor.
fn divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Registry {
    /// Gives `take` peers at random of all that stand under these names, each once and never the
    /// asker, until it has taken as many as are wanted. A seeder comes first if there is one.
    ///
    /// The names are those of one content; a peer that stands under several has all the dialects
    /// of its entries. Where `take` hardly wants anybody, the draw ends before all have been
    /// looked at, so that an answer costs what it holds.
    pub fn next_peers(
        &mut self,
        names: &[InfoHash],
        wanted: Wanted,
        mut take: impl FnMut(&PeerEntry) -> bool,
    ) {
        let mut ids = [0; MOST_NAMES];
        let ids = self.ids(names, &mut ids);
        let mut pools = Pools::new();
        for &id in ids {
            let torrent = self.torrents.get(id);
            let six = torrent.six.as_ref().map_or(0, |six| six.seeders());
            if wanted.family != Some(Family::V6) {
                let (seeders, members) = (torrent.four.seeders(), torrent.four.len());
                pools.add(Pool { id, six: false, seeders, members });
            }
            if wanted.family != Some(Family::V4) {
                pools.add(Pool { id, six: true, seeders: six, members: torrent.count(true) });
            }
        }
        let mut tries = wanted.peers.saturating_mul(TRIES_A_PEER).saturating_add(TRIES);
        let mut left = wanted.peers;
        let mut first = None;
        let seeders = pools.count(|pool| pool.seeders);
        if left > 0 && seeders > 0 {
            for position in Walk::below(seeders, &mut self.rng).take(tries / 2) {
                let (id, place) = pools.at(position, |pool| pool.seeders);
                tries -= 1;
                if self.offer(ids, id, place, wanted.asker, &mut take) {
                    (first, left) = (Some((id, place)), left - 1);
                    break;
                }
            }
        }
        for position in Walk::below(pools.count(|pool| pool.members), &mut self.rng) {
            if left == 0 || tries == 0 {
                break;
            }
            let (id, place) = pools.at(position, |pool| pool.members);
            if first != Some((id, place)) {
                tries -= 1;
                left -= usize::from(self.offer(ids, id, place, wanted.asker, &mut take));
            }
        }
    }

    /// The torrents with these names, each once.
    fn ids<'a>(&self, names: &[InfoHash], ids: &'a mut [Id; MOST_NAMES]) -> &'a [Id] {
        let mut used = 0;
        for name in names.iter().take(MOST_NAMES) {
            let id = self.torrents.find(&self.hasher, name);
            if let Some(id) = id.filter(|id| !ids[..used].contains(id)) {
                ids[used] = id;
                used += 1;
            }
        }
        &ids[..used]
    }

    /// Offers a member unless it is the asker, or stands under an earlier name too.
    fn offer(
        &self,
        ids: &[Id],
        id: Id,
        place: Place,
        asker: Option<SocketAddr>,
        take: &mut impl FnMut(&PeerEntry) -> bool,
    ) -> bool {
        let Seen { addr, standing, seeds } = self.torrents.get(id).seen(place);
        if asker == Some(addr) {
            return false;
        }
        let mut marks = standing.marks;
        for &other in ids.iter().filter(|_| ids.len() > 1) {
            let torrent = self.torrents.get(other);
            let Some(place) = torrent.find(&self.hasher, addr).filter(|_| other != id) else {
                continue;
            };
            let is_earlier =
                ids.iter().position(|&n| n == other) < ids.iter().position(|&n| n == id);
            if is_earlier {
                return false;
            }
            for dialect in [Mark::NATIVE, Mark::BITTORRENT] {
                let speaks = marks.has(dialect) || torrent.standing(place).marks.has(dialect);
                marks = marks.with(dialect, speaks);
            }
        }
        let (native, bittorrent) = (marks.has(Mark::NATIVE), marks.has(Mark::BITTORRENT));
        take(&PeerEntry { addr, seed: seeds, native, bittorrent })
    }
}
