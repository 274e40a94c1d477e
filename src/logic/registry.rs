//! Who has what: the tracker's tables.
//!
//! Events come in with the moment they happened ([`Registry::on_register`], [`on_beat`],
//! [`on_completed`], [`on_stopped`], [`on_tick`]), peers go out ([`Registry::next_peers`]). A
//! peer is its address and listening port. Dice are seeded, nothing here reads a clock.
//!
//! **Bounds.** Torrents, peers in all, peers of a torrent, registrations of an address and the
//! bytes of all bitmaps are each capped exactly. When a cap is reached, whoever registered the
//! longest ago *and was never heard of again* gives way: first of that torrent for the cap on a
//! torrent's peers, of all torrents for the others. When everyone has been heard of again the
//! newcomer is refused. So a flood of made-up registrations displaces itself, and a swarm that
//! keeps its heartbeats loses nobody. The cap on an address never displaces anyone: it refuses.
//!
//! [`on_beat`]: Registry::on_beat
//! [`on_completed`]: Registry::on_completed
//! [`on_stopped`]: Registry::on_stopped
//! [`on_tick`]: Registry::on_tick

mod draw;
mod table;

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::ids::{InfoHashV1, InfoHashV2, PeerId};
use crate::logic::is_local;
use crate::protocol::tracker_native::{Beat, PeerEntry};
use draw::Draw;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Bound;
use std::time::Duration;
use table::{Member, Slot, Table};

/// The bounds and the seed.
#[derive(Debug, Clone)]
pub struct Params {
    /// Torrents at most.
    pub max_torrents: usize,
    /// Registrations at most, over all torrents.
    pub max_peers: usize,
    /// Registrations at most of one torrent.
    pub max_peers_per_torrent: usize,
    /// Registrations at most from one address (IPv6: one /64).
    pub max_per_address: usize,
    /// Whether loopback and private addresses are free of the cap on an address.
    pub exempt_local: bool,
    /// Bytes at most of all have-bitmaps; a bitmap beyond is forgotten, its peer is not.
    pub max_bitmap_bytes: usize,
    /// Who is silent this long is dropped.
    pub expire: Duration,
    /// Where the dice start.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            max_torrents: 100_000,
            max_peers: 1_000_000,
            max_peers_per_torrent: 2_000,
            max_per_address: 256,
            exempt_local: true,
            max_bitmap_bytes: 64 << 20,
            expire: Duration::from_secs(15),
            seed: 0,
        }
    }
}

/// Which pieces a peer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Have {
    /// It has not said so.
    Unknown,
    /// All of them.
    All,
    /// These.
    Some(Bitfield),
}

impl Have {
    fn bytes(&self) -> usize {
        match self {
            Self::Some(bits) => bits.as_bytes().len(),
            Self::Unknown | Self::All => 0,
        }
    }
}

/// A peer that says it takes part in a torrent.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The content.
    pub info_hash: InfoHashV2,
    /// Where the peer listens.
    pub addr: SocketAddr,
    /// The id it gave itself.
    pub peer_id: PeerId,
    /// The content's name, as the peer has it.
    pub name: String,
    /// The content's size, as the peer has it.
    pub size: u64,
    /// The content's pieces, as the peer has it.
    pub pieces: u32,
    /// Bytes it lacks.
    pub left: u64,
    /// Bytes it sent.
    pub uploaded: u64,
    /// Bytes it received.
    pub downloaded: u64,
    /// What it has.
    pub have: Have,
    /// Whether it answers the native dialect.
    pub native: bool,
    /// Whether it answers BitTorrent.
    pub bittorrent: bool,
}

/// Why a registration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The cap on an address.
    #[error("too many registrations from this address")]
    Address,
    /// The cap on torrents.
    #[error("the tracker knows as many torrents as it may")]
    Torrents,
    /// The cap on a torrent's peers.
    #[error("the torrent has as many peers as it may")]
    Torrent,
    /// The cap on peers in all.
    #[error("the tracker knows as many peers as it may")]
    Peers,
}

/// A torrent, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swarm<'a> {
    /// The content's name, as its first peer had it.
    pub name: &'a str,
    /// Its size, likewise.
    pub size: u64,
    /// Its pieces, likewise.
    pub pieces: u32,
    /// Peers that have everything.
    pub seeders: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// How often a leecher became a seeder.
    pub completed: u64,
}

/// A node and what it holds of one torrent.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Bytes it lacks.
    pub left: u64,
    /// Bytes it sent, in all.
    pub uploaded: u64,
    /// Bytes it received, in all.
    pub downloaded: u64,
    /// Bytes received a second.
    pub down: u32,
    /// Bytes sent a second.
    pub up: u32,
    /// Which pieces it has.
    pub have: &'a Have,
}

struct Torrent {
    name: String,
    size: u64,
    pieces: u32,
    /// Seeders first, then leechers.
    members: Vec<Slot>,
    seeders: usize,
    index: HashMap<SocketAddr, Slot>,
    proven: usize,
    /// Its number in `unproven`.
    born: u64,
    completed: u64,
    publish_asked: Option<Moment>,
}

/// The tables.
pub struct Registry {
    params: Params,
    torrents: BTreeMap<InfoHashV2, Torrent>,
    /// Torrents without a proven peer, the oldest first.
    unproven: BTreeMap<u64, InfoHashV2>,
    born: u64,
    table: Table,
    per_address: HashMap<IpAddr, usize>,
    bitmap_bytes: usize,
    rng: fastrand::Rng,
}

impl Registry {
    /// Empty tables.
    pub fn new(params: Params) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(params.seed),
            params,
            torrents: BTreeMap::new(),
            unproven: BTreeMap::new(),
            born: 0,
            table: Table::new(),
            per_address: HashMap::new(),
            bitmap_bytes: 0,
        }
    }

    /// A peer started, or says again where it stands.
    pub fn on_register(&mut self, now: Moment, peer: Registration) -> Result<(), Refused> {
        let slot = match self.slot(&peer.info_hash, peer.addr) {
            Some(slot) => {
                self.table.touch(now, slot, false);
                slot
            }
            None => self.insert(now, &peer)?,
        };
        let member = self.table.get_mut(slot);
        member.peer_id = peer.peer_id;
        member.pieces = peer.pieces;
        member.left = peer.left;
        member.uploaded = peer.uploaded;
        member.downloaded = peer.downloaded;
        member.bittorrent = peer.bittorrent;
        member.native = peer.native;
        self.set_have(slot, peer.have);
        self.settle(slot);
        Ok(())
    }

    /// A heartbeat; false if the peer is not registered for that torrent.
    pub fn on_beat(&mut self, now: Moment, addr: SocketAddr, beat: &Beat) -> bool {
        let known = self.resolve(beat.info_hash).and_then(|hash| self.slot(&hash, addr));
        let Some(slot) = known else { return false };
        self.prove(now, slot);
        let member = self.table.get_mut(slot);
        (member.left, member.down, member.up) = (beat.left, beat.down, beat.up);
        if let Have::Some(bits) = &mut member.have {
            for &piece in &beat.news {
                bits.set(piece);
            }
        }
        self.settle(slot);
        true
    }

    /// A leecher became a seeder; false if it is not registered.
    pub fn on_completed(&mut self, now: Moment, hash: &InfoHashV2, addr: SocketAddr) -> bool {
        let Some(slot) = self.slot(hash, addr) else { return false };
        self.prove(now, slot);
        self.table.get_mut(slot).left = 0;
        self.set_have(slot, Have::All);
        if self.settle(slot) {
            self.torrent_mut(hash).completed += 1;
        }
        true
    }

    /// A peer stopped; false if nobody was registered under that address with that id.
    pub fn on_stopped(&mut self, hash: &InfoHashV2, addr: SocketAddr, id: PeerId) -> bool {
        let slot = self.slot(hash, addr).filter(|&slot| self.table.get(slot).peer_id == id);
        slot.inspect(|&slot| self.remove(slot)).is_some()
    }

    /// A have-bitmap came by itself; false if the peer with that id is not registered.
    pub fn on_have(
        &mut self,
        now: Moment,
        hash: &InfoHashV2,
        addr: SocketAddr,
        id: PeerId,
        have: Have,
    ) -> bool {
        let slot = self.slot(hash, addr).filter(|&slot| self.table.get(slot).peer_id == id);
        let Some(slot) = slot else { return false };
        self.table.touch(now, slot, false);
        self.set_have(slot, have);
        self.settle(slot);
        true
    }

    /// Drops up to `limit` peers that were silent too long; says how many.
    pub fn on_tick(&mut self, now: Moment, limit: usize) -> usize {
        (0..limit).take_while(|_| self.drop_one_silent(now)).count()
    }

    /// When somebody will have been silent too long.
    pub fn deadline(&self) -> Option<Moment> {
        self.table.oldest().map(|(_, seen)| seen + self.params.expire)
    }

    /// Up to `wanted` peers at random, never the asker, and a seeder if there is one.
    pub fn next_peers(
        &mut self,
        hash: &InfoHashV2,
        asker: Option<SocketAddr>,
        wanted: usize,
    ) -> Vec<PeerEntry> {
        let asker = asker.and_then(|addr| self.slot(hash, addr));
        let Some(torrent) = self.torrents.get_mut(hash) else { return Vec::new() };
        let mut draw = Draw::new(torrent, &mut self.table, asker);
        let slots = draw.draw(wanted, &mut self.rng);
        slots.into_iter().map(|slot| entry(&self.table, torrent, slot)).collect()
    }

    /// The full info-hash whose first 20 bytes these are.
    pub fn resolve(&self, cut: InfoHashV1) -> Option<InfoHashV2> {
        let (mut low, mut high) = ([0; 32], [0xff; 32]);
        low[..20].copy_from_slice(&cut.0);
        high[..20].copy_from_slice(&cut.0);
        self.torrents.range(InfoHashV2(low)..=InfoHashV2(high)).next().map(|(hash, _)| *hash)
    }

    /// Whether a peer is registered for a torrent.
    pub fn knows(&self, hash: &InfoHashV2, addr: SocketAddr) -> bool {
        self.slot(hash, addr).is_some()
    }

    /// A torrent's figures.
    pub fn swarm(&self, hash: &InfoHashV2) -> Option<Swarm<'_>> {
        self.torrents.get(hash).map(Torrent::counted)
    }

    /// The torrents after `after` in the order of their info-hashes.
    pub fn swarms_after(
        &self,
        after: Option<InfoHashV2>,
    ) -> impl Iterator<Item = (InfoHashV2, Swarm<'_>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.torrents
            .range((from, Bound::Unbounded))
            .map(|(hash, torrent)| (*hash, torrent.counted()))
    }

    /// Who holds what of a torrent.
    pub fn holders(&self, hash: &InfoHashV2) -> impl Iterator<Item = Holder<'_>> {
        let members = self.torrents.get(hash).into_iter().flat_map(|torrent| &torrent.members);
        members.map(|&slot| self.table.get(slot)).map(|member| Holder {
            addr: member.addr,
            left: member.left,
            uploaded: member.uploaded,
            downloaded: member.downloaded,
            down: member.down,
            up: member.up,
            have: &member.have,
        })
    }

    /// Whether to ask somebody for this torrent's .torrent now: once in `pause`, so that a swarm
    /// does not send it a thousandfold.
    pub fn next_publisher(&mut self, now: Moment, hash: &InfoHashV2, pause: Duration) -> bool {
        let Some(torrent) = self.torrents.get_mut(hash) else { return false };
        let due = torrent.publish_asked.is_none_or(|asked| now.since(asked) >= pause);
        if due {
            torrent.publish_asked = Some(now);
        }
        due
    }

    /// How many torrents are known.
    pub fn torrents(&self) -> usize {
        self.torrents.len()
    }

    /// How many registrations there are.
    pub fn peers(&self) -> usize {
        self.table.len()
    }

    fn slot(&self, hash: &InfoHashV2, addr: SocketAddr) -> Option<Slot> {
        self.torrents.get(hash)?.index.get(&addr).copied()
    }

    fn torrent_mut(&mut self, hash: &InfoHashV2) -> &mut Torrent {
        self.torrents.get_mut(hash).expect("a peer in the table has its torrent")
    }

    /// Adds a peer with nothing known about it, after making room.
    fn insert(&mut self, now: Moment, peer: &Registration) -> Result<Slot, Refused> {
        self.check_address(peer.addr.ip())?;
        self.make_room(&peer.info_hash)?;
        let slot = self.table.insert(
            now,
            Member {
                torrent: peer.info_hash,
                addr: peer.addr,
                peer_id: peer.peer_id,
                native: peer.native,
                bittorrent: peer.bittorrent,
                pieces: peer.pieces,
                left: u64::MAX,
                uploaded: 0,
                downloaded: 0,
                down: 0,
                up: 0,
                have: Have::Unknown,
                place: 0,
            },
        );
        if !self.is_exempt(peer.addr.ip()) {
            *self.per_address.entry(bucket(peer.addr.ip())).or_default() += 1;
        }
        if !self.torrents.contains_key(&peer.info_hash) {
            self.born += 1;
            self.unproven.insert(self.born, peer.info_hash);
            self.torrents.insert(peer.info_hash, Torrent::new(peer, self.born));
        }
        let torrent = self.torrent_mut(&peer.info_hash);
        torrent.index.insert(peer.addr, slot);
        torrent.members.push(slot);
        self.table.get_mut(slot).place = (self.torrents[&peer.info_hash].members.len() - 1) as u32;
        Ok(slot)
    }

    fn check_address(&self, ip: IpAddr) -> Result<(), Refused> {
        let taken = self.per_address.get(&bucket(ip)).copied().unwrap_or(0);
        let cap = self.params.max_per_address;
        if cap > 0 && taken >= cap && !self.is_exempt(ip) {
            return Err(Refused::Address);
        }
        Ok(())
    }

    fn make_room(&mut self, hash: &InfoHashV2) -> Result<(), Refused> {
        match self.torrents.get(hash) {
            None if self.torrents.len() >= self.params.max_torrents => {
                let oldest = self.unproven.values().next().copied();
                self.remove_torrent(&oldest.ok_or(Refused::Torrents)?);
            }
            Some(full) if full.members.len() >= self.params.max_peers_per_torrent => {
                let oldest = self.oldest_fresh_of(full);
                self.remove(oldest.ok_or(Refused::Torrent)?);
            }
            _ => {}
        }
        if self.table.len() >= self.params.max_peers {
            self.remove(self.table.oldest_fresh().ok_or(Refused::Peers)?);
        }
        Ok(())
    }

    /// Members come in at the end and are swapped about, so a look at all of them it is.
    fn oldest_fresh_of(&self, torrent: &Torrent) -> Option<Slot> {
        let fresh = torrent.members.iter().copied().filter(|&slot| !self.table.is_proven(slot));
        fresh.min_by_key(|&slot| self.table.seen(slot))
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        self.params.exempt_local && is_local(ip)
    }

    fn prove(&mut self, now: Moment, slot: Slot) {
        let news = !self.table.is_proven(slot);
        self.table.touch(now, slot, true);
        if news {
            let hash = self.table.get(slot).torrent;
            let torrent = self.torrent_mut(&hash);
            torrent.proven += 1;
            let born = torrent.born;
            self.unproven.remove(&born);
        }
    }

    fn set_have(&mut self, slot: Slot, have: Have) {
        let old = self.table.get(slot).have.bytes();
        let fits = self.bitmap_bytes - old + have.bytes() <= self.params.max_bitmap_bytes;
        let have = match have {
            Have::Some(bits) if bits.is_full() => Have::All,
            have if fits => have,
            _ => Have::Unknown,
        };
        self.bitmap_bytes = self.bitmap_bytes - old + have.bytes();
        self.table.get_mut(slot).have = have;
    }

    /// Puts a peer among the seeders or the leechers, as it now stands; true if it has just
    /// become a seeder. Nothing left with pieces missing is a leecher that wants no more.
    fn settle(&mut self, slot: Slot) -> bool {
        let member = self.table.get(slot);
        let (hash, place) = (member.torrent, member.place as usize);
        let seeds = member.left == 0
            && match &member.have {
                Have::Some(bits) => bits.is_full(),
                Have::Unknown | Have::All => true,
            };
        let torrent = self.torrents.get_mut(&hash).expect("a peer in the table has its torrent");
        let was = place < torrent.seeders;
        if seeds && !was {
            torrent.swap(&mut self.table, place, torrent.seeders);
            torrent.seeders += 1;
        } else if was && !seeds {
            torrent.seeders -= 1;
            torrent.swap(&mut self.table, place, torrent.seeders);
        }
        seeds && !was
    }

    fn drop_one_silent(&mut self, now: Moment) -> bool {
        let silent = |&(_, seen): &(Slot, Moment)| seen + self.params.expire <= now;
        match self.table.oldest().filter(silent) {
            Some((slot, _)) => {
                self.remove(slot);
                true
            }
            None => false,
        }
    }

    fn remove_torrent(&mut self, hash: &InfoHashV2) {
        while let Some(&slot) = self.torrents.get(hash).and_then(|torrent| torrent.members.last()) {
            self.remove(slot);
        }
    }

    /// Takes a peer out of every table, and its torrent with it if it was the last.
    fn remove(&mut self, slot: Slot) {
        self.set_have(slot, Have::Unknown);
        let proven = self.table.is_proven(slot);
        let member = self.table.remove(slot);
        let torrent =
            self.torrents.get_mut(&member.torrent).expect("a peer in the table has its torrent");
        torrent.take(&mut self.table, &member);
        torrent.proven -= usize::from(proven);
        let (empty, unproven, born) =
            (torrent.members.is_empty(), torrent.proven == 0, torrent.born);
        if empty {
            self.torrents.remove(&member.torrent);
            self.unproven.remove(&born);
        } else if unproven {
            self.unproven.insert(born, member.torrent);
        }
        if !self.is_exempt(member.addr.ip()) {
            self.forget_address(bucket(member.addr.ip()));
        }
    }

    fn forget_address(&mut self, bucket: IpAddr) {
        if let Some(count) = self.per_address.get_mut(&bucket) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&bucket);
            }
        }
    }
}

impl Torrent {
    fn new(first: &Registration, born: u64) -> Self {
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

    fn counted(&self) -> Swarm<'_> {
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
    fn swap(&mut self, table: &mut Table, a: usize, b: usize) {
        self.members.swap(a, b);
        table.get_mut(self.members[a]).place = a as u32;
        table.get_mut(self.members[b]).place = b as u32;
    }

    /// Takes out a member that is no longer in the table.
    fn take(&mut self, table: &mut Table, member: &Member) {
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

fn entry(table: &Table, torrent: &Torrent, slot: Slot) -> PeerEntry {
    let member = table.get(slot);
    PeerEntry {
        addr: member.addr,
        seed: (member.place as usize) < torrent.seeders,
        native: member.native,
        bittorrent: member.bittorrent,
    }
}

/// What counts as one address: an IPv6 customer has at least a /64 to choose from.
fn bucket(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests;
