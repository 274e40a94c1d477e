//! Whether a new connection comes in, and which one goes for it.
//!
//! ```text
//! A (greater id)                B          two peers call each other at once
//!   |---- call a ---. .--- call b ----|
//!   |                X                |    whoever is called decides first, the caller when
//!   |<-- b enters --' '-- a enters -->|    the answer comes; both by the same rule:
//!   |<------- a is answered ----------|    the call of the greater id stays
//!   |   b goes, a enters              |
//! ```
//! A peer is known by its id *and* its IP, for anybody can say any id: two peers of one id from
//! different IPs may both come, and of one IP only one.
//!
//! Who has been connected for a while is not given up for a caller. That is decided by whoever is
//! called, alone: the caller is answered or refused, and needs no clock to agree.
//!
//! When all places are taken, they are shared among networks: whoever fills them from one network,
//! saying whatever keeps him there, keeps nobody from elsewhere out ([`makes_way`]).

use crate::clock::Moment;
use crate::ids::PeerId;
use crate::logic::{PeerKey, is_local};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// A connection that lasted so long is not given up for a caller.
pub const LASTED: Duration = Duration::from_secs(10);

/// What decides about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub key: PeerKey,
    /// What the peer calls itself.
    pub peer_id: PeerId,
    /// Where it is.
    pub ip: IpAddr,
    /// Whether we dialled.
    pub dialled: bool,
    /// Since when both sides know each other.
    pub since: Moment,
}

/// How many may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// More, over all torrents and of this one, whichever is less.
    pub free: usize,
    /// In all with one address that is neither loopback nor private; 0 is no limit.
    pub per_ip: usize,
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It comes in.
    Enters,
    /// It comes in, and this one goes.
    Replaces(PeerKey),
    /// It does not come in: this one is with the same peer.
    Duplicate(PeerKey),
    /// It does not come in: there is no room.
    Full,
}

/// Whether `new` comes in beside `others` of the same torrent; `own` is our id.
pub fn admit(own: PeerId, new: &Line, others: &[Line], room: Room) -> Entry {
    if let Some(old) = others.iter().find(|old| is_its_other_family(old, new)) {
        return Entry::Duplicate(old.key);
    }
    let is_same = |old: &&Line| old.peer_id == new.peer_id && old.ip == new.ip;
    // One that was replaced may still be on its way out: the youngest is meant.
    if let Some(old) = others.iter().filter(is_same).max_by_key(|old| old.key) {
        let crossed = old.dialled != new.dialled;
        let lasted = !new.dialled && new.since.since(old.since) >= LASTED;
        let stays = crossed && !lasted && survives(own, new.peer_id, new.dialled);
        return if stays { Entry::Replaces(old.key) } else { Entry::Duplicate(old.key) };
    }
    let from_there = others.iter().filter(|other| other.ip == new.ip).count();
    let too_many = room.per_ip > 0 && from_there >= room.per_ip && !is_local(new.ip);
    if room.free == 0 || too_many { Entry::Full } else { Entry::Enters }
}

/// One that is there when all places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    /// Which.
    pub key: PeerKey,
    /// Where it is.
    pub ip: IpAddr,
    /// Since when.
    pub since: Moment,
    /// Whether one side serves the other.
    pub busy: bool,
}

/// Who makes way for a caller from `ip` when all places are taken: if at least two more are there
/// from some network than from the caller's, the youngest of them; else the same of the machines in
/// the caller's own network. Nobody goes who serves us or whom we serve. The difference of
/// two keeps two callers from pushing each other out by turns.
pub fn makes_way(ip: IpAddr, guests: &[Guest]) -> Option<PeerKey> {
    let (mut networks, mut machines) = (HashMap::new(), HashMap::new());
    for guest in guests {
        *networks.entry(network(guest.ip)).or_insert(0) += 1;
        *machines.entry(machine(guest.ip)).or_insert(0) += 1;
    }
    let count = |of: &HashMap<IpAddr, usize>, ip| of.get(&ip).copied().unwrap_or(0);
    let crowd = |ip| (count(&networks, network(ip)), count(&machines, machine(ip)));
    let (near, own) = crowd(ip);
    let is_crowded = |guest: &&Guest| {
        let (there, of_it) = crowd(guest.ip);
        there > near + 1 || network(guest.ip) == network(ip) && of_it > own + 1
    };
    let idle = guests.iter().filter(|guest| !guest.busy).filter(is_crowded);
    idle.max_by_key(|guest| (crowd(guest.ip), guest.since, guest.key)).map(|guest| guest.key)
}

/// What one network has: 256 addresses, or a site's prefix of 48 bits.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) & !0xff).into()),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 80 << 80).into()),
    }
}

/// What one machine has: an address, or a prefix of 64 bits.
fn machine(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
    }
}

/// Who goes when there may be no more than `most` of those who are there, each with the moment since
/// when it is: the youngest, so that who lasted stays.
pub fn surplus(mut there: Vec<(Moment, PeerKey)>, most: usize) -> Vec<PeerKey> {
    there.sort_unstable();
    there.into_iter().skip(most).map(|(_, peer)| peer).collect()
}

/// Two peers that dialled each other at once keep the connection that the greater id dialled.
/// Both ends come to the same answer.
fn survives(own: PeerId, theirs: PeerId, we_dialled: bool) -> bool {
    we_dialled == (own > theirs)
}

/// Whether we dialled one peer over IPv4 and over IPv6. Of callers the id alone proves nothing:
/// somebody else may have taken it.
fn is_its_other_family(old: &Line, new: &Line) -> bool {
    let families = old.ip.is_ipv4() != new.ip.is_ipv4();
    old.dialled && new.dialled && old.peer_id == new.peer_id && families
}

#[cfg(test)]
mod tests;
