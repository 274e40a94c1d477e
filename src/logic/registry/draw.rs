//! Which members of a content's torrents an asker is given.

use super::members::{Compact, Members, Record};
use super::torrent::{Either, Seen, Torrent, compact, seen_four, seen_six};
use super::values::Wanted;
use super::{Mark, Registry};
use crate::ids::InfoHash;
use crate::protocol::announce::Family;
use crate::protocol::tracker_native::PeerEntry;
use std::hash::RandomState;
use std::net::SocketAddr;

/// Members looked at for each one that is wanted, when few suit the asker.
const TRIES_A_PEER: usize = 4;

/// Members looked at in any case.
const TRIES: usize = 64;

/// In a torrent of more members those are drawn together that stand in a row of [`ROW`]: looking at
/// each somewhere else would cost as many waits for memory.
const MANY: usize = 256;
const ROW: usize = 5;

/// Names that are drawn from at most; a content has three.
const MOST_NAMES: usize = 4;

/// Members of one family of one torrent.
#[derive(Clone, Copy)]
enum Part<'a> {
    Nobody,
    Four(&'a Members<6>),
    Six(&'a Members<18>),
}

impl Part<'_> {
    fn len(&self, seeders: bool) -> usize {
        match (self, seeders) {
            (Self::Nobody, _) => 0,
            (Self::Four(members), true) => members.seeders(),
            (Self::Four(members), false) => members.len(),
            (Self::Six(members), true) => members.seeders(),
            (Self::Six(members), false) => members.len(),
        }
    }

    fn seen(&self, at: usize) -> Option<Seen> {
        match self {
            Self::Nobody => None,
            Self::Four(members) => Some(seen_four(members, at)),
            Self::Six(members) => Some(seen_six(members, at)),
        }
    }
}

/// All who can be drawn, one torrent after the other.
struct Pool<'a> {
    hasher: &'a RandomState,
    torrents: [Option<&'a Torrent>; MOST_NAMES],
    /// The parts, and to which of the torrents each belongs.
    parts: [(usize, Part<'a>); 2 * MOST_NAMES],
    used: usize,
}

impl<'a> Pool<'a> {
    fn new(
        hasher: &'a RandomState,
        torrents: [Option<&'a Torrent>; MOST_NAMES],
        family: Option<Family>,
    ) -> Self {
        let parts = [(0, Part::Nobody); 2 * MOST_NAMES];
        let mut pool = Self { hasher, torrents, parts, used: 0 };
        for (n, torrent) in torrents.into_iter().flatten().enumerate() {
            if family != Some(Family::V6) {
                pool.add(n, Part::Four(&torrent.four));
            }
            if let Some(six) = torrent.six.as_deref().filter(|_| family != Some(Family::V4)) {
                pool.add(n, Part::Six(six));
            }
        }
        pool
    }

    fn add(&mut self, n: usize, part: Part<'a>) {
        self.parts[self.used] = (n, part);
        self.used += 1;
    }

    fn len(&self, seeders: bool) -> usize {
        self.parts[..self.used].iter().map(|(_, part)| part.len(seeders)).sum()
    }

    /// Who stands at a position among the seeders, or among all; unless it stands in an earlier
    /// torrent too.
    fn at(&self, mut position: usize, seeders: bool) -> Option<PeerEntry> {
        for &(n, part) in &self.parts[..self.used] {
            if position < part.len(seeders) {
                let Seen { addr, standing, seeds } = part.seen(position)?;
                let marks = match self.torrents[1] {
                    None => standing.marks,
                    Some(_) => self.join(n, addr, standing.marks)?,
                };
                let (native, bittorrent) = (marks.has(Mark::NATIVE), marks.has(Mark::BITTORRENT));
                return Some(PeerEntry { addr, seed: seeds, native, bittorrent });
            }
            position -= part.len(seeders);
        }
        None
    }

    /// Adds the dialects that a member of the `n`th torrent has in later ones; none if it stands
    /// in an earlier one.
    fn join(&self, n: usize, addr: SocketAddr, mut marks: Mark) -> Option<Mark> {
        for (other, torrent) in self.torrents.into_iter().flatten().enumerate() {
            if other == n {
                continue;
            }
            if let Some(place) = torrent.find(self.hasher, addr) {
                if other < n {
                    return None;
                }
                marks = marks.and(torrent.standing(place).marks);
            }
        }
        Some(marks)
    }
}

/// Every number below a bound once: from a start in steps that have no divisor in common with the
/// bound. Both are thrown, so that each number is as likely as any other to be among the first,
/// and each pair nearly so.
struct Walk {
    at: usize,
    step: usize,
    bound: usize,
    left: usize,
}

impl Walk {
    /// `most` says how many will be asked for at most: all of them may come in a row.
    fn below(bound: usize, most: usize, rng: &mut fastrand::Rng) -> Self {
        let mut step = 1;
        if most < bound && bound > 2 {
            step = rng.usize(1..bound);
            while !are_coprime(step, bound) {
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

/// Whether 1 is the greatest common divisor of two numbers that are not 0: by Stein's algorithm,
/// which does not divide.
fn are_coprime(mut a: usize, mut b: usize) -> bool {
    if (a | b) & 1 == 0 {
        return false;
    }
    a >>= a.trailing_zeros();
    while b != 0 {
        b >>= b.trailing_zeros();
        (a, b) = (a.min(b), a.abs_diff(b));
    }
    a == 1
}

/// Rows of places, as where each begins and how many it has: every place below `length` once, each
/// as likely as any other to be among the first. A row that begins near the end goes on at 0.
/// `most` places are wanted at most.
fn rows(
    length: usize,
    most: usize,
    rng: &mut fastrand::Rng,
) -> impl Iterator<Item = (usize, usize)> {
    let row = if length > MANY { ROW } else { 1 };
    let shift = if row > 1 { rng.usize(..length) } else { 0 };
    Walk::below(length.div_ceil(row), most.div_ceil(row), rng).map(move |nth| {
        let begin = nth * row + shift;
        let count = row.min(length - nth * row);
        (if begin < length { begin } else { begin - length }, count)
    })
}

/// Appends up to `left` members that answer BitTorrent, as [`Registry::next_peers`] would give them.
fn draw_compact<const N: usize>(
    members: &Members<N>,
    asker: Compact<N>,
    mut left: usize,
    rng: &mut fastrand::Rng,
    out: &mut Vec<u8>,
) {
    let records = members.records();
    let suits = |record: &Record<N>| record.marks().has(Mark::BITTORRENT) && record.addr != asker;
    let mut tries = left.saturating_mul(TRIES_A_PEER).saturating_add(TRIES);
    let mut first = asker;
    for place in Walk::below(members.seeders(), members.seeders(), rng).take(tries / 2) {
        tries -= 1;
        if suits(&records[place]) {
            out.extend_from_slice(&records[place].addr);
            (first, left) = (records[place].addr, left - 1);
            break;
        }
    }
    for (begin, count) in rows(records.len(), left, rng) {
        let end = (begin + count).min(records.len());
        for record in records[begin..end].iter().chain(&records[..begin + count - end]) {
            if left == 0 || tries == 0 {
                return;
            }
            tries -= 1;
            if suits(record) && record.addr != first {
                out.extend_from_slice(&record.addr);
                left -= 1;
            }
        }
    }
}

impl Registry {
    /// Whether all who stand under a name have addresses of one family.
    pub fn are_all_of(&self, name: &InfoHash, family: Family) -> bool {
        let torrent = self.torrents.find(&self.hasher, name).map(|id| self.torrents.get(id));
        torrent.is_none_or(|torrent| torrent.count(family != Family::V6) == 0)
    }

    /// Appends peers of the asker's family that answer BitTorrent and stand under this name, as
    /// they travel: what [`next_peers`](Self::next_peers) would give, in a fraction of the time.
    pub fn next_compact(
        &mut self,
        name: &InfoHash,
        asker: SocketAddr,
        wanted: usize,
        out: &mut Vec<u8>,
    ) {
        let Some(id) = self.torrents.find(&self.hasher, name).filter(|_| wanted > 0) else {
            return;
        };
        let torrent = self.torrents.get(id);
        match (compact(asker), torrent.six.as_deref()) {
            (Either::Four(asker), _) => {
                draw_compact(&torrent.four, asker, wanted, &mut self.rng, out);
            }
            (Either::Six(asker), Some(six)) => {
                draw_compact(six, asker, wanted, &mut self.rng, out);
            }
            (Either::Six(_), None) => {}
        }
    }

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
        let Wanted { asker, family, peers: mut left } = wanted;
        if left == 0 {
            return;
        }
        let mut torrents = [None; MOST_NAMES];
        for (n, name) in names.iter().take(MOST_NAMES).enumerate() {
            let is_new = !names[..n].contains(name);
            let id = self.torrents.find(&self.hasher, name).filter(|_| is_new);
            torrents[n] = id.map(|id| self.torrents.get(id));
        }
        torrents.sort_by_key(Option::is_none);
        let pool = Pool::new(&self.hasher, torrents, family);
        let mut tries = left.saturating_mul(TRIES_A_PEER).saturating_add(TRIES);
        let mut first = None;
        let seeders = pool.len(true);
        // Half of the tries, so that seeders who do not suit leave some for the others.
        for position in Walk::below(seeders, seeders, &mut self.rng).take(tries / 2) {
            tries -= 1;
            first = pool.at(position, true).filter(|peer| asker != Some(peer.addr) && take(peer));
            if first.is_some() {
                left -= 1;
                break;
            }
        }
        let first = first.map(|peer| peer.addr);
        for position in Walk::below(pool.len(false), left, &mut self.rng) {
            if left == 0 || tries == 0 {
                break;
            }
            let Some(peer) = pool.at(position, false) else { continue };
            if asker != Some(peer.addr) && first != Some(peer.addr) {
                tries -= 1;
                left -= usize::from(take(&peer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_comes_by_every_number_once() {
        let mut rng = fastrand::Rng::with_seed(1);
        for bound in 0..200 {
            for most in [1, 1000] {
                let mut walked: Vec<usize> = Walk::below(bound, most, &mut rng).collect();
                walked.sort_unstable();
                assert!(walked.into_iter().eq(0..bound), "below {bound}");
            }
        }
    }

    #[test]
    fn every_place_comes_once_and_as_often_among_the_first() {
        let mut rng = fastrand::Rng::with_seed(1);
        for length in [0, 1, 40, MANY, MANY + 1, MANY + 7] {
            let mut first = vec![0; length];
            for _ in 0..4000 {
                let row = |(begin, count)| (begin..begin + count).map(|place| place % length);
                let all: Vec<usize> = rows(length, 50, &mut rng).flat_map(row).collect();
                all.iter().take(50).for_each(|&place| first[place] += 1);
                let mut sorted = all;
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..length), "below {length}");
            }
            let mean = 4000 * length.min(50) / length.max(1);
            let near = (mean * 8 / 10)..=(mean * 12 / 10);
            assert!(first.iter().all(|times| near.contains(times)), "{length}: {first:?}");
        }
    }

    #[test]
    fn numbers_are_coprime_when_no_other_divides_both() {
        for (a, b) in (1..60).flat_map(|a| (1..60).map(move |b| (a, b))) {
            let none = (2..=a.min(b)).all(|n| a % n != 0 || b % n != 0);
            assert_eq!(are_coprime(a, b), none, "{a} and {b}");
        }
    }
}
