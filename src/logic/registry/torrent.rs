//! One name that peers have registered under, and who they are.

use super::members::{Compact, Mark, Members, Record, Standing};
use super::queue::Links;
use super::values::{Registration, Swarm};
use super::wheel::Filed;
use crate::clock::Moment;
use crate::ids::InfoHash;
use std::hash::RandomState;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One name and its peers.
pub(super) struct Torrent {
    pub name: InfoHash,
    pub four: Members<6>,
    pub six: Option<Box<Members<18>>>,
    pub proven: u32,
    pub completed: u32,
    /// Its neighbours among the torrents without a proven peer.
    pub age: Links,
    /// Where it stands in a wheel.
    pub filed: Filed,
    /// What native peers say of it.
    pub about: Option<Box<About>>,
}

/// What a torrent's first native peer said of it.
pub(super) struct About {
    pub name: String,
    pub size: u64,
    pub pieces: u32,
    pub publish_asked: Option<Moment>,
}

impl About {
    /// What it takes in memory with its torrent's place among the native ones, rounded up.
    pub fn cost(name: &str) -> usize {
        192 + name.len()
    }
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Among those with IPv6 addresses.
    pub six: bool,
    pub at: usize,
}

/// A member, looked at.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub addr: SocketAddr,
    pub standing: Standing,
    pub seeds: bool,
}

impl Torrent {
    pub fn new(name: InfoHash, about: Option<&Registration>) -> Self {
        let about = about.map(|first| {
            let (name, size, pieces) = (first.name.clone(), first.size, first.pieces);
            Box::new(About { name, size, pieces, publish_asked: None })
        });
        Self {
            name,
            four: Members::new(),
            six: None,
            proven: 0,
            completed: 0,
            age: Links::default(),
            filed: Filed::default(),
            about,
        }
    }

    pub fn len(&self) -> usize {
        self.four.len() + self.six.as_ref().map_or(0, |six| six.len())
    }

    pub fn seeders(&self) -> usize {
        self.four.seeders() + self.six.as_ref().map_or(0, |six| six.seeders())
    }

    pub fn counted(&self) -> Swarm<'_> {
        let about = self.about.as_ref();
        Swarm {
            name: about.map_or("", |about| &about.name),
            size: about.map_or(0, |about| about.size),
            pieces: about.map_or(0, |about| about.pieces),
            seeders: self.seeders() as u32,
            leechers: (self.len() - self.seeders()) as u32,
            completed: self.completed.into(),
        }
    }

    /// How many members one family has.
    pub fn count(&self, six: bool) -> usize {
        if six { self.len() - self.four.len() } else { self.four.len() }
    }

    /// All places, those with IPv4 addresses first.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let families = [(false, self.count(false)), (true, self.count(true))];
        families.into_iter().flat_map(|(six, count)| (0..count).map(move |at| Place { six, at }))
    }

    pub fn find(&self, hasher: &RandomState, addr: SocketAddr) -> Option<Place> {
        match compact(addr) {
            Either::Four(addr) => {
                let at = self.four.find(hasher, &addr)?;
                Some(Place { six: false, at })
            }
            Either::Six(addr) => {
                let at = self.six.as_ref()?.find(hasher, &addr)?;
                Some(Place { six: true, at })
            }
        }
    }

    /// The member at a place.
    pub fn seen(&self, Place { six, at }: Place) -> Seen {
        match &self.six {
            Some(members) if six => seen_six(members, at),
            _ => seen_four(&self.four, at),
        }
    }

    pub fn standing(&self, Place { six, at }: Place) -> Standing {
        match &self.six {
            Some(members) if six => members.records()[at].standing(),
            _ => self.four.records()[at].standing(),
        }
    }

    pub fn set_standing(&mut self, Place { six, at }: Place, standing: Standing) {
        match &mut self.six {
            Some(members) if six => members.set_standing(at, standing),
            _ => self.four.set_standing(at, standing),
        }
    }

    /// Sets or clears marks of a member.
    pub fn mark(&mut self, place: Place, changed: impl FnOnce(Mark) -> Mark) {
        let standing = self.standing(place);
        self.set_standing(place, Standing { marks: changed(standing.marks), ..standing });
    }

    /// Adds a leecher.
    pub fn push(&mut self, hasher: &RandomState, addr: SocketAddr, standing: Standing) -> Place {
        match compact(addr) {
            Either::Four(addr) => {
                let at = self.four.push(hasher, Record::new(addr, standing));
                Place { six: false, at }
            }
            Either::Six(addr) => {
                let six = self.six.get_or_insert_with(|| Box::new(Members::new()));
                Place { six: true, at: six.push(hasher, Record::new(addr, standing)) }
            }
        }
    }

    pub fn is_seeder(&self, Place { six, at }: Place) -> bool {
        match &self.six {
            Some(members) if six => at < members.seeders(),
            _ => at < self.four.seeders(),
        }
    }

    /// Puts a member among the seeders or the leechers, where it gets another place.
    pub fn settle(&mut self, hasher: &RandomState, Place { six, at }: Place, seeds: bool) {
        match &mut self.six {
            Some(members) if six => members.settle(hasher, at, seeds),
            _ => self.four.settle(hasher, at, seeds),
        }
    }

    pub fn remove(&mut self, hasher: &RandomState, place: Place) {
        let gone = match &mut self.six {
            Some(members) if place.six => members.remove(hasher, place.at).standing(),
            _ => self.four.remove(hasher, place.at).standing(),
        };
        self.proven -= u32::from(gone.marks.has(Mark::PROVEN));
        if self.count(true) == 0 {
            self.six = None;
        }
    }
}

/// An address as it travels, of either family.
pub(super) enum Either {
    Four(Compact<6>),
    Six(Compact<18>),
}

pub(super) fn compact(addr: SocketAddr) -> Either {
    let [high, low] = addr.port().to_be_bytes();
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            Either::Four([a, b, c, d, high, low])
        }
        IpAddr::V6(ip) => {
            let mut bytes = [0; 18];
            bytes[..16].copy_from_slice(&ip.octets());
            bytes[16..].copy_from_slice(&[high, low]);
            Either::Six(bytes)
        }
    }
}

/// A member with an IPv4 address, looked at.
pub(super) fn seen_four(members: &Members<6>, at: usize) -> Seen {
    let record = &members.records()[at];
    let [a, b, c, d, high, low] = record.addr;
    let addr = (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into();
    Seen { addr, standing: record.standing(), seeds: at < members.seeders() }
}

/// A member with an IPv6 address, looked at.
pub(super) fn seen_six(members: &Members<18>, at: usize) -> Seen {
    let record = &members.records()[at];
    let (ip, port) = record.addr.split_first_chunk::<16>().expect("16 of 18 bytes");
    let addr = (Ipv6Addr::from(*ip), u16::from_be_bytes([port[0], port[1]])).into();
    Seen { addr, standing: record.standing(), seeds: at < members.seeders() }
}
