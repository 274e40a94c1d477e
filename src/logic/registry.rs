//! Who has what: the tracker's tables.
//!
//! Events come in with the moment they happened ([`Registry::on_register`], [`on_beat`],
//! [`on_announce`], [`on_completed`], [`on_stopped`], [`on_tick`]), peers go out
//! ([`Registry::next_peers`]). A peer is its address and listening port. Dice are seeded, nothing
//! here reads a clock.
//!
//! **Names.** Native peers register under a v2 info-hash, BitTorrent's announce themselves under
//! 20 bytes. Which names are one content is for the caller to know: it asks for the peers of
//! several, and what is written under one name is never moved to another.
//!
//! **Bounds.** Torrents, peers in all, peers of a torrent, registrations of an address and the
//! bytes of all bitmaps are each capped exactly. When a cap is reached, whoever registered the
//! longest ago *and was never heard of again* gives way: first of that torrent for the cap on a
//! torrent's peers, of all torrents for the others. When everyone has been heard of again the
//! newcomer is refused. So a flood of made-up registrations displaces itself, and a swarm that
//! keeps its heartbeats loses nobody. The cap on an address never displaces anyone: it refuses.
//!
//! [`on_beat`]: Registry::on_beat
//! [`on_announce`]: Registry::on_announce
//! [`on_completed`]: Registry::on_completed
//! [`on_stopped`]: Registry::on_stopped
//! [`on_tick`]: Registry::on_tick

mod draw;
mod table;
mod torrent;
mod values;

use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1, InfoHashV2, PeerId};
use crate::logic::is_local;
use crate::protocol::announce::Figures;
use crate::protocol::tracker_native::{Beat, PeerEntry};
use draw::{Draw, Pool};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Bound;
use std::time::Duration;
use table::{Line, Member, Slot, Table};
use torrent::Torrent;
pub use values::{Given, Have, Holder, Params, Refused, Registration, Swarm};

/// How many peers are looked at to count those once that stand under several names.
const MOST_COMPARED: usize = 128;

/// The tables.
pub struct Registry {
    params: Params,
    torrents: BTreeMap<InfoHash, Torrent>,
    /// Registrations that have everything, over all torrents.
    seeders: usize,
    /// Torrents without a proven peer, the oldest first.
    unproven: BTreeMap<u64, InfoHash>,
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
            seeders: 0,
            unproven: BTreeMap::new(),
            born: 0,
            table: Table::new(),
            per_address: HashMap::new(),
            bitmap_bytes: 0,
        }
    }

    /// A peer started, or says again where it stands.
    pub fn on_register(&mut self, now: Moment, peer: Registration) -> Result<(), Refused> {
        self.register(now, peer, false).map(|_| ())
    }

    /// A peer announced itself; the second time it has been heard of again. `completed` says
    /// that it has just become a seeder, which counts once.
    pub fn on_announce(
        &mut self,
        now: Moment,
        peer: Registration,
        completed: bool,
    ) -> Result<(), Refused> {
        let hash = peer.info_hash;
        if self.register(now, peer, true)? && completed {
            self.torrent_mut(&hash).completed += 1;
        }
        Ok(())
    }

    /// Takes in what a peer says of itself; true if it now seeds and did not before. `proves`
    /// says that a peer that is known has thereby been heard of again.
    fn register(&mut self, now: Moment, peer: Registration, proves: bool) -> Result<bool, Refused> {
        let slot = match self.slot(&peer.info_hash, peer.addr) {
            Some(slot) if proves => {
                self.prove(now, slot);
                slot
            }
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
        Ok(self.settle(slot))
    }

    /// A heartbeat; false if the peer is not registered for that torrent.
    pub fn on_beat(&mut self, now: Moment, addr: SocketAddr, beat: &Beat) -> bool {
        let known = self.resolve(beat.info_hash).and_then(|hash| self.slot(&hash.into(), addr));
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
    pub fn on_completed(&mut self, now: Moment, hash: &InfoHash, addr: SocketAddr) -> bool {
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
    pub fn on_stopped(&mut self, hash: &InfoHash, addr: SocketAddr, id: PeerId) -> bool {
        let slot = self.slot(hash, addr).filter(|&slot| self.table.get(slot).peer_id == id);
        slot.inspect(|&slot| self.remove(slot)).is_some()
    }

    /// A have-bitmap came by itself; false if the peer with that id is not registered.
    pub fn on_have(
        &mut self,
        now: Moment,
        hash: &InfoHash,
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
        let expiries = Line::ALL.into_iter().filter_map(|line| self.expiry(line));
        expiries.map(|(_, expiry)| expiry).min()
    }

    /// Up to `wanted` peers at random of all that stand under these names, each once, never the
    /// asker, and a seeder if there is one.
    ///
    /// The names are those of one content; a peer that stands under several has all the dialects
    /// of its entries. Only peers that `suits` takes are given. Where hardly anybody does, the
    /// draw ends before all have been looked at, so that an answer costs what it holds.
    pub fn next_peers(
        &mut self,
        names: &[InfoHash],
        asker: Option<SocketAddr>,
        wanted: usize,
        suits: impl Fn(&PeerEntry) -> bool,
    ) -> Vec<Given> {
        let mut pools = Vec::with_capacity(names.len());
        for (n, name) in names.iter().enumerate() {
            let asker = asker.and_then(|addr| self.slot(name, addr));
            let Some(torrent) = self.torrents.get_mut(name) else { continue };
            if !names[..n].contains(name) {
                let members = std::mem::take(&mut torrent.members);
                let pool = Pool::new(members, torrent.seeders, asker, &mut self.table);
                pools.push((*name, pool));
            }
        }
        let mut given = Draw::new(&mut pools, &mut self.table).draw(wanted, &mut self.rng, suits);
        let joined = pools.len() > 1;
        for (name, pool) in pools {
            self.torrent_mut(&name).members = pool.into_members();
        }
        if joined {
            given.iter_mut().for_each(|given| self.join_dialects(names, &mut given.peer));
        }
        given
    }

    /// Gives a peer the dialects of all its entries.
    fn join_dialects(&self, names: &[InfoHash], peer: &mut PeerEntry) {
        for slot in names.iter().filter_map(|name| self.slot(name, peer.addr)) {
            let member = self.table.get(slot);
            peer.native |= member.native;
            peer.bittorrent |= member.bittorrent;
        }
    }

    /// The figures of all that stand under these names, which are those of one content. A peer
    /// that stands under several counts once as long as few stand under all but one of them.
    pub fn figures(&self, names: &[InfoHash]) -> Figures {
        let mut torrents: Vec<&Torrent> =
            names.iter().filter_map(|name| self.torrents.get(name)).collect();
        torrents.sort_by_key(|torrent| std::cmp::Reverse(torrent.members.len()));
        let mut sum = Figures::default();
        for torrent in &torrents {
            let swarm = torrent.counted();
            sum.seeders += swarm.seeders;
            sum.leechers += swarm.leechers;
            sum.completed += u32::try_from(swarm.completed).unwrap_or(u32::MAX);
        }
        let smaller: usize = torrents.iter().skip(1).map(|torrent| torrent.members.len()).sum();
        if smaller <= MOST_COMPARED {
            for (n, torrent) in torrents.iter().enumerate().skip(1) {
                for (place, &slot) in torrent.members.iter().enumerate() {
                    let addr = &self.table.get(slot).addr;
                    if torrents[..n].iter().any(|larger| larger.index.contains_key(addr)) {
                        let seeds = place < torrent.seeders;
                        let counted = if seeds { &mut sum.seeders } else { &mut sum.leechers };
                        *counted -= 1;
                    }
                }
            }
        }
        sum
    }

    /// The full info-hash whose first 20 bytes these are.
    pub fn resolve(&self, cut: InfoHashV1) -> Option<InfoHashV2> {
        let (mut low, mut high) = ([0; 32], [0xff; 32]);
        low[..20].copy_from_slice(&cut.0);
        high[..20].copy_from_slice(&cut.0);
        let range = InfoHash::V2(InfoHashV2(low))..=InfoHash::V2(InfoHashV2(high));
        self.torrents.range(range).next().and_then(|(hash, _)| hash.v2())
    }

    /// Whether a peer is registered for a torrent.
    pub fn knows(&self, hash: &InfoHash, addr: SocketAddr) -> bool {
        self.slot(hash, addr).is_some()
    }

    /// A torrent's figures.
    pub fn swarm(&self, hash: &InfoHash) -> Option<Swarm<'_>> {
        self.torrents.get(hash).map(Torrent::counted)
    }

    /// The torrents with a v2 info-hash after `after`, in the order of their info-hashes.
    pub fn swarms_after(
        &self,
        after: Option<InfoHashV2>,
    ) -> impl Iterator<Item = (InfoHashV2, Swarm<'_>)> {
        let first = InfoHash::V2(InfoHashV2([0; 32]));
        let from = after.map_or(Bound::Included(first), |hash| Bound::Excluded(hash.into()));
        let torrents = self.torrents.range((from, Bound::Unbounded));
        torrents.filter_map(|(hash, torrent)| Some((hash.v2()?, torrent.counted())))
    }

    /// Who holds what of a torrent.
    pub fn holders(&self, hash: &InfoHash) -> impl Iterator<Item = Holder<'_>> {
        let members = self.torrents.get(hash).into_iter().flat_map(|torrent| &torrent.members);
        members.map(|&slot| (self.table.get(slot), self.table.seen(slot))).map(|(member, seen)| {
            Holder {
                addr: member.addr,
                left: member.left,
                uploaded: member.uploaded,
                downloaded: member.downloaded,
                down: member.down,
                up: member.up,
                seen,
                have: &member.have,
            }
        })
    }

    /// Whether to ask somebody for this torrent's .torrent now: once in `pause`, so that a swarm
    /// does not send it a thousandfold.
    pub fn next_publisher(&mut self, now: Moment, hash: &InfoHash, pause: Duration) -> bool {
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

    /// How many registrations have everything.
    pub fn seeders(&self) -> usize {
        self.seeders
    }

    /// How many registrations there are.
    pub fn peers(&self) -> usize {
        self.table.len()
    }

    fn slot(&self, hash: &InfoHash, addr: SocketAddr) -> Option<Slot> {
        self.torrents.get(hash)?.index.get(&addr).copied()
    }

    fn torrent_mut(&mut self, hash: &InfoHash) -> &mut Torrent {
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

    fn make_room(&mut self, hash: &InfoHash) -> Result<(), Refused> {
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
            self.seeders += 1;
        } else if was && !seeds {
            torrent.seeders -= 1;
            self.seeders -= 1;
            torrent.swap(&mut self.table, place, torrent.seeders);
        }
        seeds && !was
    }

    fn drop_one_silent(&mut self, now: Moment) -> bool {
        let mut expiries = Line::ALL.into_iter().filter_map(|line| self.expiry(line));
        match expiries.find(|(_, expiry)| *expiry <= now) {
            Some((slot, _)) => {
                self.remove(slot);
                true
            }
            None => false,
        }
    }

    /// Who goes first of those that stand in a line, and when.
    fn expiry(&self, line: Line) -> Option<(Slot, Moment)> {
        let slot = self.table.oldest(line)?;
        let patience = match line {
            Line::Fresh | Line::Proven => self.params.expire,
            Line::FreshAnnounced | Line::ProvenAnnounced => self.params.announce_expire,
        };
        Some((slot, self.table.seen(slot) + patience))
    }

    fn remove_torrent(&mut self, hash: &InfoHash) {
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
        self.seeders -= usize::from((member.place as usize) < torrent.seeders);
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

/// What counts as one address: an IPv6 customer has at least a /64 to choose from.
fn bucket(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests;
