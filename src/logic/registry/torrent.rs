//! One name that peers have registered under, and who they are.

use super::table::{Member, Slot, Table};
use super::values::{Registration, Swarm};
use crate::clock::Moment;
use std::collections::HashMap;
use std::net::SocketAddr;

/// One name and its peers.
pub(super) struct Torrent {
    pub name: String,
    pub size: u64,
    pub pieces: u32,
    /// Seeders first, then leechers.
    pub members: Vec<Slot>,
    pub seeders: usize,
    pub index: HashMap<SocketAddr, Slot>,
    pub proven: usize,
    /// Its number in `unproven`.
    pub born: u64,
    pub completed: u64,
    pub publish_asked: Option<Moment>,
}

impl Torrent {
    pub fn new(first: &Registration, born: u64) -> Self {
        Self {
            name: first.name.clone(),
            size: first.size,
            pieces: first.pieces,
            members: Vec::new(),
            seeders: 0,
            index: HashMap::new(),
            proven: 0,
            born,
            completed: 0,
            publish_asked: None,
        }
    }

    pub fn counted(&self) -> Swarm<'_> {
        Swarm {
            name: &self.name,
            size: self.size,
            pieces: self.pieces,
            seeders: self.seeders as u32,
            leechers: (self.members.len() - self.seeders) as u32,
            completed: self.completed,
        }
    }

    /// Exchanges two members' places.
    pub fn swap(&mut self, table: &mut Table, a: usize, b: usize) {
        self.members.swap(a, b);
        table.get_mut(self.members[a]).place = a as u32;
        table.get_mut(self.members[b]).place = b as u32;
    }

    /// Takes out a member that is no longer in the table.
    pub fn take(&mut self, table: &mut Table, member: &Member) {
        self.index.remove(&member.addr);
        let mut gap = member.place as usize;
        if gap < self.seeders {
            self.seeders -= 1;
            self.fill(table, gap, self.seeders);
            gap = self.seeders;
        }
        self.fill(table, gap, self.members.len() - 1);
        self.members.pop();
    }

    /// Moves the member at `from` into the gap.
    fn fill(&mut self, table: &mut Table, gap: usize, from: usize) {
        if gap != from {
            self.members[gap] = self.members[from];
            table.get_mut(self.members[gap]).place = gap as u32;
        }
    }
}
