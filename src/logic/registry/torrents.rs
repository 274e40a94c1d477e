//! All torrents: a slab, and who is found in it by name.

use super::index::Index;
use super::queue::Id;
use super::torrent::Torrent;
use crate::ids::{InfoHash, InfoHashV1, InfoHashV2};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;

/// The torrents.
pub(super) struct Torrents {
    slots: Vec<Option<Torrent>>,
    free: Vec<Id>,
    index: Index,
    /// Those of native peers, in the order of their info-hashes.
    native: BTreeMap<InfoHashV2, Id>,
}

impl Torrents {
    pub fn new() -> Self {
        let (slots, free) = (Vec::new(), Vec::new());
        Self { slots, free, index: Index::new(0), native: BTreeMap::new() }
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many of them are native peers'.
    pub fn native(&self) -> usize {
        self.native.len()
    }

    /// How many places there are, some of them empty.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    pub fn find(&self, hasher: &RandomState, name: &InfoHash) -> Option<Id> {
        let is = |id: usize| self.slots[id].as_ref().is_some_and(|torrent| torrent.name == *name);
        self.index.find(hash(hasher, name), is).map(|id| id as Id)
    }

    pub fn try_get(&self, id: Id) -> Option<&Torrent> {
        self.slots.get(id as usize)?.as_ref()
    }

    pub fn get(&self, id: Id) -> &Torrent {
        self.slots[id as usize].as_ref().expect("ids are those of torrents that are there")
    }

    pub fn get_mut(&mut self, id: Id) -> &mut Torrent {
        self.slots[id as usize].as_mut().expect("ids are those of torrents that are there")
    }

    pub fn insert(&mut self, hasher: &RandomState, torrent: Torrent) -> Id {
        let name = torrent.name;
        let id = self.free.pop().unwrap_or(self.slots.len() as Id);
        if id as usize == self.slots.len() {
            self.slots.push(Some(torrent));
        } else {
            self.slots[id as usize] = Some(torrent);
        }
        let slots = &self.slots;
        self.index.insert(hash(hasher, &name), id as usize, hash_in(hasher, slots));
        if let InfoHash::V2(name) = name {
            self.native.insert(name, id);
        }
        id
    }

    pub fn remove(&mut self, hasher: &RandomState, id: Id) {
        let name = self.get(id).name;
        let slots = &self.slots;
        self.index.remove(hash(hasher, &name), id as usize, hash_in(hasher, slots));
        self.slots[id as usize] = None;
        self.free.push(id);
        if let InfoHash::V2(name) = name {
            self.native.remove(&name);
        }
    }

    /// The full info-hash whose first 20 bytes these are.
    pub fn resolve(&self, cut: InfoHashV1) -> Option<InfoHashV2> {
        if self.native.is_empty() {
            return None;
        }
        let (mut low, mut high) = ([0; 32], [0xff; 32]);
        low[..20].copy_from_slice(&cut.0);
        high[..20].copy_from_slice(&cut.0);
        let mut range = self.native.range(InfoHashV2(low)..=InfoHashV2(high));
        range.next().map(|(hash, _)| *hash)
    }

    /// The torrents with a name of 20 bytes from one place in the slab on, in no order.
    pub fn announced_from(
        &self,
        place: usize,
    ) -> impl Iterator<Item = (usize, InfoHashV1, &Torrent)> {
        let torrents = self.slots.iter().enumerate().skip(place);
        torrents.filter_map(|(place, torrent)| match torrent.as_ref()?.name {
            InfoHash::V1(name) => Some((place, name, torrent.as_ref()?)),
            InfoHash::V2(_) => None,
        })
    }

    /// The native torrents after one, in the order of their info-hashes.
    pub fn native_after(
        &self,
        after: Option<InfoHashV2>,
    ) -> impl Iterator<Item = (InfoHashV2, &Torrent)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.native.range((from, Bound::Unbounded));
        range.map(|(hash, &id)| (*hash, self.get(id)))
    }
}

fn hash(hasher: &RandomState, name: &InfoHash) -> u64 {
    match name {
        InfoHash::V1(name) => hasher.hash_one(name.0),
        InfoHash::V2(name) => hasher.hash_one(name.0),
    }
}

fn hash_in(hasher: &RandomState, slots: &[Option<Torrent>]) -> impl Fn(usize) -> u64 {
    |id| hash(hasher, &slots[id].as_ref().expect("only torrents are in the index").name)
}
