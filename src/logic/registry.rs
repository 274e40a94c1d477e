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
//! **Bytes.** A peer that announces itself by UDP takes ten bytes among its torrent's [`members`],
//! and what only some peers say, ids and progress and bitmaps, stands in a side table.
//!
//! **Whose word.** Who announces under a name of 20 bytes is an id and a secret number, of which a
//! record keeps eight bits of a keyed hash. Another one at the same address and port is answered and
//! changes nothing, and takes the place once its owner has been silent too long. Whoever tries to
//! stop a peer as another has one guess: from then on that peer only leaves by falling silent.
//!
//! **Bounds.** Torrents, peers in all, peers of a torrent, registrations of an address and the
//! bytes of the side table are each capped exactly, and the announces that an address makes in a
//! second. When a cap is reached, somebody gives way who
//! registered *and was never heard of again*. For the cap on torrents: the torrent that has been
//! without a proven peer for the longest time. For the cap on a torrent's peers: its oldest such
//! peer. For the cap on all peers: the oldest of the torrent that would go first, or else of the
//! next torrent that a hand meets on its way round. For the side table: the native peer that came
//! to it first; of a peer that announced itself over HTTP only the details go, whatever it is.
//! Where nobody like that is found the newcomer
//! is refused. So a flood of made-up registrations displaces itself, and a swarm that keeps its
//! heartbeats loses nobody. The bounds on an address never displace anyone: they refuse. A search
//! ends after a bounded number of looks.
//!
//! [`on_beat`]: Registry::on_beat
//! [`on_announce`]: Registry::on_announce
//! [`on_completed`]: Registry::on_completed
//! [`on_stopped`]: Registry::on_stopped
//! [`on_tick`]: Registry::on_tick

mod crowd;
mod details;
mod draw;
mod index;
mod members;
mod pace;
mod queue;
mod room;
mod torrent;
mod torrents;
mod values;
mod wheel;

use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1, InfoHashV2, PeerId};
use crate::logic::is_local;
use crate::protocol::announce::Figures;
use crate::protocol::tracker_native::Beat;
use crowd::Crowd;
use details::{Detail, Details};
use members::{Mark, Standing};
use pace::Pace;
use queue::{Id, Queue};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use torrent::{About, Place, Seen, Torrent};
use torrents::Torrents;
pub use values::{
    Caller, Have, Holder, Params, Progress, Refused, Registration, Report, Swarm, Wanted,
};
use wheel::Wheel;

/// How many peers are looked at to count those once that stand under several names.
const MOST_COMPARED: usize = 128;

/// Peers looked at for each one that a turn may drop.
const LOOKS_A_DROP: usize = 8;

/// The tables.
pub struct Registry {
    params: Params,
    torrents: Torrents,
    /// Registrations that have everything, over all torrents.
    seeders: usize,
    /// Torrents without a proven peer, the oldest first.
    unproven: Queue,
    /// Where the search for somebody who gives way goes on.
    hand: Id,
    /// Native peers, and those that announce themselves, who may be silent longer.
    wheels: [Wheel; 2],
    details: Details,
    peers: usize,
    crowd: Crowd,
    pace: Pace,
    hasher: RandomState,
    rng: fastrand::Rng,
}

/// A peer of a torrent.
type At = (Id, Place);

impl Registry {
    /// Empty tables.
    pub fn new(params: Params) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(params.seed),
            torrents: Torrents::new(),
            unproven: Queue::EMPTY,
            hand: 0,
            wheels: [Wheel::new(params.expire), Wheel::new(params.announce_expire)],
            details: Details::new(params.max_aside),
            pace: Pace::new(params.max_a_second),
            peers: 0,
            crowd: Crowd::default(),
            hasher: RandomState::new(),
            params,
            seeders: 0,
        }
    }

    /// A peer started, or says again where it stands.
    pub fn on_register(&mut self, now: Moment, peer: Registration) -> Result<(), Refused> {
        let (name, addr) = (peer.info_hash, peer.addr);
        self.check_pace(now, addr.ip())?;
        let (id, place) = self.join(now, name, addr, false, Some(&peer))?;
        let dialects = Mark::NONE.with(Mark::NATIVE, peer.native);
        self.set_dialects((id, place), dialects.with(Mark::BITTORRENT, peer.bittorrent));
        let Registration { peer_id, left, uploaded, downloaded, have, .. } = peer;
        let (down, up) = (0, 0);
        let detail = Detail { peer_id, left, uploaded, downloaded, down, up, have };
        self.set_detail((id, place), addr, Some(detail));
        self.settle_native((id, place), addr);
        Ok(())
    }

    /// A peer announced itself; the second time it has been heard of again. That it completed
    /// counts once. Of somebody else at an address that is taken nothing is noted.
    pub fn on_announce(&mut self, now: Moment, peer: &Report) -> Result<(), Refused> {
        let name = InfoHash::V1(peer.info_hash);
        self.check_pace(now, peer.addr.ip())?;
        let tag = self.tag(peer.caller);
        let is_anothers = |at: At| {
            !self.is_owner(at, tag) || !self.is_called(at.0, peer.addr, peer.caller.peer_id)
        };
        if self.find(&name, peer.addr).is_some_and(is_anothers) {
            return Ok(());
        }
        let at = self.join(now, name, peer.addr, true, None)?;
        self.set_owner(at, tag);
        self.set_dialects(at, Mark::BITTORRENT);
        let is_there = self.details.get(at.0, peer.addr).is_some();
        let details = peer.details.filter(|_| is_there || self.details.has_room(details::COST));
        let detail = details.map(|progress| {
            let Progress { peer_id, left, uploaded, downloaded } = progress;
            let (down, up, have) = (0, 0, Have::Unknown);
            Detail { peer_id, left, uploaded, downloaded, down, up, have }
        });
        self.set_detail(at, peer.addr, detail);
        if self.settle(at, peer.seeds) && peer.completed {
            self.torrents.get_mut(at.0).completed += 1;
        }
        Ok(())
    }

    /// A heartbeat; false if the peer is not registered for that torrent.
    pub fn on_beat(&mut self, now: Moment, addr: SocketAddr, beat: &Beat) -> bool {
        let known = self.resolve(beat.info_hash).and_then(|hash| self.find(&hash.into(), addr));
        let Some(at) = known else { return false };
        self.touch(now, at, true);
        if let Some(detail) = self.details.get_mut(at.0, addr) {
            (detail.left, detail.down, detail.up) = (beat.left, beat.down, beat.up);
            if let Have::Some(bits) = &mut detail.have {
                for &piece in &beat.news {
                    bits.set(piece);
                }
            }
        }
        self.settle_native(at, addr);
        true
    }

    /// A leecher became a seeder; false if it is not registered.
    pub fn on_completed(&mut self, now: Moment, hash: &InfoHash, addr: SocketAddr) -> bool {
        let Some(at) = self.find(hash, addr) else { return false };
        self.touch(now, at, true);
        if let Some(detail) = self.details.get_mut(at.0, addr) {
            detail.left = 0;
        }
        self.details.set_have(at.0, addr, Have::All);
        if self.settle(at, true) {
            self.torrents.get_mut(at.0).completed += 1;
        }
        true
    }

    /// A peer stopped; false if nobody is registered under that address, or with another id.
    pub fn on_stopped(&mut self, hash: &InfoHash, addr: SocketAddr, id: PeerId) -> bool {
        let at = self.find(hash, addr).filter(|at| self.is_called(at.0, addr, id));
        at.inspect(|&at| self.remove(at)).is_some()
    }

    /// A peer that announces itself stopped; false if nobody is there, or somebody else.
    pub fn on_left(&mut self, name: InfoHashV1, addr: SocketAddr, caller: Caller) -> bool {
        let Some((id, place)) = self.find(&name.into(), addr) else { return false };
        // Where the whole id is known a wrong one is no guess.
        if !self.is_called(id, addr, caller.peer_id) {
            return false;
        }
        let is_owner = self.is_owner((id, place), self.tag(caller));
        let torrent = self.torrents.get_mut(id);
        if !is_owner || torrent.standing(place).marks.has(Mark::CONTESTED) {
            torrent.mark(place, |marks| marks.with(Mark::CONTESTED, true));
            return false;
        }
        self.remove((id, place));
        true
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
        let at = self.find(hash, addr).filter(|at| self.is_called(at.0, addr, id));
        let Some(at) = at else { return false };
        self.touch(now, at, false);
        self.details.set_have(at.0, addr, have);
        self.settle_native(at, addr);
        true
    }

    /// Drops up to `limit` peers that were silent too long, and looks at not many more; says how
    /// many.
    pub fn on_tick(&mut self, now: Moment, limit: usize) -> usize {
        let (mut dropped, mut looks) = (0, limit.saturating_mul(LOOKS_A_DROP));
        for wheel in 0..self.wheels.len() {
            while dropped < limit && looks > 0 && self.look_on(now, wheel, &mut dropped) {
                looks -= 1;
            }
        }
        dropped
    }

    /// Looks at the next peer that may have been silent too long; false if there is none.
    fn look_on(&mut self, now: Moment, wheel: usize, dropped: &mut usize) -> bool {
        let wheel = &mut self.wheels[wheel];
        let Some(mut scan) = wheel.next_scan(now, &mut self.torrents) else { return false };
        let torrent = self.torrents.get(scan.torrent);
        scan.left = scan.left.min(torrent.count(scan.six));
        if let Some(at) = scan.left.checked_sub(1) {
            let place = Place { six: scan.six, at };
            let due = torrent.standing(place).due;
            scan.left = at;
            let is_over = wheel.is_over(now, due);
            if !is_over {
                scan.note(due);
            }
            wheel.scan = Some(scan);
            if is_over {
                self.remove((scan.torrent, place));
                *dropped += 1;
            }
        } else if scan.six {
            (scan.six, scan.left) = (false, torrent.count(false));
            wheel.scan = Some(scan);
        } else {
            wheel.scan = None;
            wheel.file(&mut self.torrents, scan.torrent, scan.earliest);
        }
        true
    }

    /// When somebody may have been silent too long.
    pub fn deadline(&self) -> Option<Moment> {
        self.wheels.iter().filter_map(Wheel::deadline).min()
    }

    /// The id that a peer gave itself, if it is kept under one of these names.
    pub fn peer_id(&self, names: &[InfoHash], addr: SocketAddr) -> Option<PeerId> {
        let ids = names.iter().filter_map(|name| self.torrents.find(&self.hasher, name));
        ids.filter_map(|id| self.details.get(id, addr)).map(|detail| detail.peer_id).next()
    }

    /// The figures of all that stand under these names, which are those of one content. A peer
    /// that stands under several counts once as long as few stand under all but one of them.
    pub fn figures(&self, names: &[InfoHash]) -> Figures {
        if let [name] = names {
            let id = self.torrents.find(&self.hasher, name);
            return id.map_or(Figures::default(), |id| figures_of(self.torrents.get(id)));
        }
        let ids = names.iter().filter_map(|name| self.torrents.find(&self.hasher, name));
        let mut torrents: Vec<&Torrent> = ids.map(|id| self.torrents.get(id)).collect();
        torrents.sort_by_key(|torrent| std::cmp::Reverse(torrent.len()));
        let mut sum = Figures::default();
        for figures in torrents.iter().copied().map(figures_of) {
            sum.seeders += figures.seeders;
            sum.leechers += figures.leechers;
            sum.completed = sum.completed.saturating_add(figures.completed);
        }
        let smaller: usize = torrents.iter().skip(1).map(|torrent| torrent.len()).sum();
        if smaller <= MOST_COMPARED {
            for (n, torrent) in torrents.iter().enumerate().skip(1) {
                for Seen { addr, seeds, .. } in torrent.places().map(|place| torrent.seen(place)) {
                    let is_there = |larger: &&Torrent| larger.find(&self.hasher, addr).is_some();
                    if torrents[..n].iter().any(is_there) {
                        *(if seeds { &mut sum.seeders } else { &mut sum.leechers }) -= 1;
                    }
                }
            }
        }
        sum
    }

    /// The full info-hash whose first 20 bytes these are.
    pub fn resolve(&self, cut: InfoHashV1) -> Option<InfoHashV2> {
        self.torrents.resolve(cut)
    }

    /// Whether a peer is registered for a torrent.
    pub fn knows(&self, hash: &InfoHash, addr: SocketAddr) -> bool {
        self.find(hash, addr).is_some()
    }

    /// A torrent's figures.
    pub fn swarm(&self, hash: &InfoHash) -> Option<Swarm<'_>> {
        let id = self.torrents.find(&self.hasher, hash);
        id.map(|id| self.torrents.get(id).counted())
    }

    /// The torrents with a v2 info-hash after `after`, in the order of their info-hashes.
    pub fn swarms_after(
        &self,
        after: Option<InfoHashV2>,
    ) -> impl Iterator<Item = (InfoHashV2, Swarm<'_>)> {
        self.torrents.native_after(after).map(|(hash, torrent)| (hash, torrent.counted()))
    }

    /// Some of the torrents that are announced under 20 bytes, in no order that means anything: each
    /// with its place, beginning at `place`.
    pub fn announced_from(
        &self,
        place: usize,
    ) -> impl Iterator<Item = (usize, InfoHashV1, Swarm<'_>)> {
        let torrents = self.torrents.announced_from(place);
        torrents.map(|(place, hash, torrent)| (place, hash, torrent.counted()))
    }

    /// Who holds what of a torrent. Of a peer that announced itself by UDP only is known whether
    /// it lacks anything.
    pub fn holders(&self, hash: &InfoHash) -> impl Iterator<Item = Holder<'_>> {
        let id = self.torrents.find(&self.hasher, hash);
        let torrent = id.map(|id| (id, self.torrents.get(id)));
        let members = torrent
            .into_iter()
            .flat_map(|(id, torrent)| torrent.places().map(move |place| (id, torrent.seen(place))));
        let wheel = &self.wheels[kind(hash)];
        members.map(|(id, Seen { addr, seeds, standing })| {
            let seen = wheel.seen(standing.due);
            match self.details.get(id, addr) {
                Some(&Detail { left, uploaded, downloaded, down, up, ref have, .. }) => {
                    Holder { addr, left, uploaded, downloaded, down, up, seen, have }
                }
                None => Holder {
                    addr,
                    left: if seeds { 0 } else { u64::MAX },
                    uploaded: 0,
                    downloaded: 0,
                    down: 0,
                    up: 0,
                    seen,
                    have: &Have::Unknown,
                },
            }
        })
    }

    /// Whether to ask somebody for this torrent's .torrent now: once in `pause`, so that a swarm
    /// does not send it a thousandfold.
    pub fn next_publisher(&mut self, now: Moment, hash: &InfoHash, pause: Duration) -> bool {
        let id = self.torrents.find(&self.hasher, hash);
        let Some(about) = id.and_then(|id| self.torrents.get_mut(id).about.as_mut()) else {
            return false;
        };
        let due = about.publish_asked.is_none_or(|asked| now.since(asked) >= pause);
        if due {
            about.publish_asked = Some(now);
        }
        due
    }

    /// How many torrents are known.
    pub fn torrents(&self) -> usize {
        self.torrents.len()
    }

    /// How many of them are native peers'.
    pub fn contents(&self) -> usize {
        self.torrents.native()
    }

    /// How many registrations have everything.
    pub fn seeders(&self) -> usize {
        self.seeders
    }

    /// How many registrations there are.
    pub fn peers(&self) -> usize {
        self.peers
    }

    fn find(&self, name: &InfoHash, addr: SocketAddr) -> Option<At> {
        let id = self.torrents.find(&self.hasher, name)?;
        Some((id, self.torrents.get(id).find(&self.hasher, addr)?))
    }

    fn wheel(&mut self, id: Id) -> &mut Wheel {
        &mut self.wheels[kind(&self.torrents.get(id).name)]
    }

    /// Whether a peer may call itself so: what it said of itself before is not known, or the same.
    fn is_called(&self, id: Id, addr: SocketAddr, name: PeerId) -> bool {
        self.details.get(id, addr).is_none_or(|detail| detail.peer_id == name)
    }

    /// Who somebody says it is, in few bits that nobody else can compute.
    fn tag(&self, caller: Caller) -> u8 {
        self.hasher.hash_one(caller) as u8
    }

    /// Whether a member that announced itself is the one with this tag.
    fn is_owner(&self, (id, place): At, tag: u8) -> bool {
        self.torrents.get(id).standing(place).tag == tag
    }

    fn set_owner(&mut self, (id, place): At, tag: u8) {
        let torrent = self.torrents.get_mut(id);
        let standing = torrent.standing(place);
        torrent.set_standing(place, Standing { tag, ..standing });
    }

    /// The peer of that name and address: it was heard of, or is new, and room is made for it.
    /// `proves` says that who is known has been heard of again.
    fn join(
        &mut self,
        now: Moment,
        name: InfoHash,
        addr: SocketAddr,
        proves: bool,
        about: Option<&Registration>,
    ) -> Result<At, Refused> {
        let mut known = self.torrents.find(&self.hasher, &name);
        if let Some(id) = known
            && let Some(place) = self.torrents.get(id).find(&self.hasher, addr)
        {
            return Ok(self.touch(now, (id, place), proves));
        }
        self.check_address(addr.ip())?;
        if self.make_room_aside(about)? {
            known = self.torrents.find(&self.hasher, &name);
        }
        if self.make_room(known)? {
            known = self.torrents.find(&self.hasher, &name);
        }
        let due = self.wheels[kind(&name)].due(now);
        let id = known.unwrap_or_else(|| {
            let id = self.torrents.insert(&self.hasher, Torrent::new(name, about));
            self.details.take(about.map_or(0, |first| About::cost(&first.name)));
            self.unproven.push(&mut self.torrents, |torrent| &mut torrent.age, id);
            self.wheels[kind(&name)].file(&mut self.torrents, id, due);
            id
        });
        if !self.is_exempt(addr.ip()) {
            self.crowd.join(addr.ip());
        }
        self.peers += 1;
        let standing = Standing { due, marks: Mark::NONE, tag: 0 };
        Ok((id, self.torrents.get_mut(id).push(&self.hasher, addr, standing)))
    }

    /// A peer was heard of; `proves` says that it has thereby been heard of again.
    fn touch(&mut self, now: Moment, (id, place): At, proves: bool) -> At {
        let due = self.wheel(id).due(now);
        let torrent = self.torrents.get_mut(id);
        let Standing { marks, tag, .. } = torrent.standing(place);
        let was = marks.has(Mark::PROVEN);
        let newly = proves && !was;
        let marks = marks.with(Mark::PROVEN, was || proves);
        torrent.set_standing(place, Standing { due, marks, tag });
        if newly {
            torrent.proven += 1;
            if torrent.proven == 1 {
                self.unproven.remove(&mut self.torrents, |torrent| &mut torrent.age, id);
            }
        }
        (id, place)
    }

    fn set_dialects(&mut self, (id, place): At, dialects: Mark) {
        self.torrents.get_mut(id).mark(place, |marks| {
            let marks = marks.with(Mark::NATIVE, dialects.has(Mark::NATIVE));
            marks.with(Mark::BITTORRENT, dialects.has(Mark::BITTORRENT))
        });
    }

    fn set_detail(&mut self, (id, place): At, addr: SocketAddr, detail: Option<Detail>) {
        let torrent = self.torrents.get_mut(id);
        let had = torrent.standing(place).marks.has(Mark::DETAILS);
        torrent.mark(place, |marks| marks.with(Mark::DETAILS, detail.is_some()));
        match detail {
            Some(detail) => self.details.put(id, addr, detail),
            None if had => self.details.remove(id, addr),
            None => {}
        }
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        self.params.exempt_local && is_local(ip)
    }

    /// Puts a native peer among the seeders or the leechers, as it now stands. Nothing left with
    /// pieces missing is a leecher that wants no more.
    fn settle_native(&mut self, at: At, addr: SocketAddr) -> bool {
        let seeds = self.details.get(at.0, addr).is_some_and(|detail| {
            detail.left == 0
                && match &detail.have {
                    Have::Some(bits) => bits.is_full(),
                    Have::Unknown | Have::All => true,
                }
        });
        self.settle(at, seeds)
    }

    /// Puts a peer among the seeders or the leechers; true if it has just become a seeder.
    fn settle(&mut self, (id, place): At, seeds: bool) -> bool {
        let torrent = self.torrents.get_mut(id);
        let was = torrent.is_seeder(place);
        if was == seeds {
            return false;
        }
        torrent.settle(&self.hasher, place, seeds);
        self.seeders = if seeds { self.seeders + 1 } else { self.seeders - 1 };
        let moved = torrent.standing(place);
        // Who made room for a new seeder may have moved to where the scan has been.
        if let Some(scan) = &mut self.wheel(id).scan
            && scan.torrent == id
        {
            scan.note(moved.due);
        }
        seeds
    }

    fn remove_torrent(&mut self, id: Id) {
        while let Some(torrent) = self.torrents.try_get(id) {
            let six = torrent.count(true) > 0;
            self.remove((id, Place { six, at: torrent.count(six) - 1 }));
        }
    }

    /// Takes a peer out of every table, and its torrent with it if it was the last.
    fn remove(&mut self, (id, place): At) {
        let torrent = self.torrents.get_mut(id);
        let Seen { addr, standing, seeds } = torrent.seen(place);
        self.seeders -= usize::from(seeds);
        let was_unproven = torrent.proven == 0;
        torrent.remove(&self.hasher, place);
        let (is_empty, is_unproven) = (torrent.len() == 0, torrent.proven == 0);
        if was_unproven && is_empty {
            self.unproven.remove(&mut self.torrents, |torrent| &mut torrent.age, id);
        } else if !was_unproven && is_unproven && !is_empty {
            self.unproven.push(&mut self.torrents, |torrent| &mut torrent.age, id);
        }
        if standing.marks.has(Mark::DETAILS) {
            self.details.remove(id, addr);
        }
        if is_empty {
            let about = self.torrents.get(id).about.as_ref();
            self.details.give_back(about.map_or(0, |about| About::cost(&about.name)));
            self.wheels[kind(&self.torrents.get(id).name)].unfile(&mut self.torrents, id);
            self.torrents.remove(&self.hasher, id);
        }
        self.peers -= 1;
        if !self.is_exempt(addr.ip()) {
            self.crowd.leave(addr.ip());
        }
    }
}

/// Which wheel: a name of 20 bytes is an announce's.
fn kind(name: &InfoHash) -> usize {
    match name {
        InfoHash::V2(_) => 0,
        InfoHash::V1(_) => 1,
    }
}

fn figures_of(torrent: &Torrent) -> Figures {
    let swarm = torrent.counted();
    Figures { seeders: swarm.seeders, completed: torrent.completed, leechers: swarm.leechers }
}

#[cfg(test)]
mod tests;
