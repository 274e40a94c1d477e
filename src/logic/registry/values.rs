//! What goes into the tables and comes out of them.

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1, PeerId};
use crate::protocol::announce::Family;
use std::net::SocketAddr;
use std::time::Duration;

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
    /// Whether loopback and private addresses are free of the bounds on an address.
    pub exempt_local: bool,
    /// Announces and registrations a second from one address (IPv6: one /64); zero: any number.
    pub max_a_second: u32,
    /// Bytes at most of what only some peers say: names, ids, progress and have-bitmaps. A bitmap
    /// beyond is forgotten, its peer is not.
    pub max_aside: usize,
    /// Who registered and is silent this long is dropped.
    pub expire: Duration,
    /// Who announced itself and is silent this long is dropped.
    pub announce_expire: Duration,
    /// Where the dice start.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            max_torrents: 1_000_000,
            max_peers: 1_000_000,
            max_peers_per_torrent: 1_000_000,
            max_per_address: 10_000,
            exempt_local: true,
            max_a_second: 200,
            max_aside: 64 << 20,
            expire: Duration::from_secs(15),
            announce_expire: Duration::from_mins(15),
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
    /// What it takes in the table.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Some(bits) => bits.as_bytes().len(),
            Self::Unknown | Self::All => 0,
        }
    }
}

/// A peer that says it takes part in a torrent.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The name of the swarm: v2 among native peers, 20 bytes in an announce.
    pub info_hash: InfoHash,
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

/// An announce: a peer says that it takes part in a torrent, under a name of 20 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// The torrent's name.
    pub info_hash: InfoHashV1,
    /// Where the peer listens.
    pub addr: SocketAddr,
    /// Who it says it is.
    pub caller: Caller,
    /// The id it gave itself, if that is to be kept, and how far it is.
    pub details: Option<Progress>,
    /// Whether it lacks nothing.
    pub seeds: bool,
    /// Whether it has just become a seeder.
    pub completed: bool,
}

/// Who announces: the id that others see, and a number that only its trackers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The id it gave itself.
    pub peer_id: PeerId,
    /// The `key` of its announces; zero if it has none.
    pub key: u32,
}

/// Who a peer is, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The id it gave itself.
    pub peer_id: PeerId,
    /// Bytes it lacks.
    pub left: u64,
    /// Bytes it sent.
    pub uploaded: u64,
    /// Bytes it received.
    pub downloaded: u64,
}

/// Why a registration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The cap on an address.
    #[error("too many registrations from this address")]
    Address,
    /// The pace of an address.
    #[error("too many announces from this address: announce less often")]
    Pace,
    /// The budget of what is kept besides addresses.
    #[error("the tracker keeps as much about peers as it may")]
    Memory,
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
    /// When it was last heard of.
    pub seen: Moment,
    /// Which pieces it has.
    pub have: &'a Have,
}

/// Which peers are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Who asks, and is not told of itself.
    pub asker: Option<SocketAddr>,
    /// Peers of this family only.
    pub family: Option<Family>,
    /// Peers at most.
    pub peers: usize,
}
