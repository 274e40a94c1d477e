//! What an announce says, however it travels, and peers in their compact form.
//!
//! A peer announces itself to a BitTorrent tracker over UDP ([`super::tracker_udp`]) or HTTP
//! ([`super::tracker_http`]); both carry one [`Announce`]. A compact peer is its address and
//! port in network order (BEP 23; BEP 7 for IPv6):
//!
//! ```text
//! V4: address: 4 bytes   port:u16be        V6: address: 16 bytes   port:u16be
//! ```

use crate::ids::{InfoHashV1, PeerId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What happened to the peer since its last announce (BEP 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Event {
    /// Nothing: it is still there.
    #[default]
    None,
    /// It has just become a seeder.
    Completed,
    /// It takes part from now on.
    Started,
    /// It is leaving.
    Stopped,
    /// It has all that it wants, though not everything: said in every announce (BEP 21).
    Paused,
}

impl Event {
    /// Its number in a datagram (BEP 15).
    pub fn number(self) -> u32 {
        match self {
            Self::None | Self::Paused => 0, // datagrams have no word for that
            Self::Completed => 1,
            Self::Started => 2,
            Self::Stopped => 3,
        }
    }

    /// From its number; one that nobody has defined is no event.
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Completed,
            2 => Self::Started,
            3 => Self::Stopped,
            _ => Self::None,
        }
    }

    /// Its word in a query; [`Event::None`] has none.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Completed => Some("completed"),
            Self::Started => Some("started"),
            Self::Stopped => Some("stopped"),
            Self::Paused => Some("paused"),
        }
    }

    /// From its word; one that nobody has defined is no event.
    pub fn from_word(word: &[u8]) -> Self {
        match word {
            b"completed" => Self::Completed,
            b"started" => Self::Started,
            b"stopped" => Self::Stopped,
            b"paused" => Self::Paused,
            _ => Self::None,
        }
    }
}

/// A peer's report on one torrent, and its question for peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// The v1 info-hash, or the v2 info-hash cut to 20 bytes (BEP 52).
    pub info_hash: InfoHashV1,
    /// The id that the peer gave itself.
    pub peer_id: PeerId,
    /// Where the peer listens.
    pub port: u16,
    /// Bytes sent since `started`.
    pub uploaded: u64,
    /// Bytes received since `started`.
    pub downloaded: u64,
    /// Bytes it lacks; 0 is a seeder, [`Announce::UNKNOWN_LEFT`] a peer that cannot say.
    pub left: u64,
    /// What happened.
    pub event: Event,
    /// How many peers it wants; none leaves it to the tracker.
    pub numwant: Option<u32>,
    /// A number of its own choice by which the peer is known again when its address changes.
    pub key: u32,
    /// The address that it says it has; trackers may ignore it. In a datagram it is IPv4.
    pub ip: Option<IpAddr>,
}

impl Announce {
    /// What is said of a torrent whose size is not known yet: it is not 0.
    pub const UNKNOWN_LEFT: u64 = u64::MAX;

    /// An announce that says nothing but who it is about.
    pub fn new(info_hash: InfoHashV1, peer_id: PeerId, port: u16) -> Self {
        Self {
            info_hash,
            peer_id,
            port,
            uploaded: 0,
            downloaded: 0,
            left: Self::UNKNOWN_LEFT,
            event: Event::None,
            numwant: None,
            key: 0,
            ip: None,
        }
    }
}

/// A torrent's figures: the answer to a scrape (BEP 48, BEP 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Peers that have everything (`complete`).
    pub seeders: u32,
    /// How often a peer became one (`downloaded`).
    pub completed: u32,
    /// Peers that do not (`incomplete`).
    pub leechers: u32,
}

/// Which addresses a run of compact peers holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Six bytes each.
    V4,
    /// Eighteen bytes each.
    V6,
}

impl Family {
    /// The family of an address as it is dialled: IPv4 inside IPv6 is IPv4.
    pub fn of(ip: IpAddr) -> Self {
        if ip.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bytes of one compact peer.
    pub fn peer_length(self) -> usize {
        match self {
            Self::V4 => 6,
            Self::V6 => 18,
        }
    }
}

/// Appends one compact peer.
pub fn put_compact(out: &mut Vec<u8>, peer: SocketAddr) {
    let [high, low] = peer.port().to_be_bytes();
    match peer.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            out.extend_from_slice(&[a, b, c, d, high, low]);
        }
        IpAddr::V6(ip) => {
            out.extend_from_slice(&ip.octets());
            out.extend_from_slice(&[high, low]);
        }
    }
}

/// Appends those of some peers that are of one family.
pub fn put_compact_of(out: &mut Vec<u8>, family: Family, peers: &[SocketAddr]) {
    for &peer in peers.iter().filter(|peer| Family::of(peer.ip()) == family) {
        put_compact(out, SocketAddr::new(peer.ip().to_canonical(), peer.port()));
    }
}

/// Reads compact peers; bytes left over at the end, port 0 and the address of nobody are
/// left out.
pub fn read_compact(family: Family, bytes: &[u8]) -> Vec<SocketAddr> {
    let peers = bytes.chunks_exact(family.peer_length()).map(|peer| {
        let (ip, port) = peer.split_at(family.peer_length() - 2);
        let ip: IpAddr = match family {
            Family::V4 => Ipv4Addr::from(<[u8; 4]>::try_from(ip).expect("4 of 6 bytes")).into(),
            Family::V6 => Ipv6Addr::from(<[u8; 16]>::try_from(ip).expect("16 of 18 bytes")).into(),
        };
        SocketAddr::new(ip.to_canonical(), u16::from_be_bytes([port[0], port[1]]))
    });
    peers.filter(is_dialable).collect()
}

/// Whether an address can be a peer's at all.
pub fn is_dialable(peer: &SocketAddr) -> bool {
    peer.port() != 0 && !peer.ip().is_unspecified() && !peer.ip().is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_peer_is_address_and_port_in_network_order() {
        let v4: SocketAddr = "10.1.2.3:6881".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::7]:6882".parse().unwrap();
        let (mut four, mut six) = (Vec::new(), Vec::new());
        put_compact_of(&mut four, Family::V4, &[v6, v4]);
        put_compact_of(&mut six, Family::V6, &[v6, v4]);
        assert_eq!(four, [10, 1, 2, 3, 0x1a, 0xe1]);
        assert_eq!(six, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0x1a, 0xe2]);
        assert_eq!(read_compact(Family::V4, &four), [v4]);
        assert_eq!(read_compact(Family::V6, &six), [v6]);
        assert_eq!(read_compact(Family::V4, &[four, vec![1; 5]].concat()), [v4], "a rest");
    }

    #[test]
    fn who_cannot_be_dialled_is_left_out() {
        assert_eq!(read_compact(Family::V4, &[1, 2, 3, 4, 0, 0]), []);
        assert_eq!(read_compact(Family::V4, &[0, 0, 0, 0, 1, 1]), []);
        assert_eq!(read_compact(Family::V4, &[224, 0, 0, 1, 1, 1]), []);
    }

    #[test]
    fn events_have_a_number_and_a_word() {
        for event in [Event::None, Event::Completed, Event::Started, Event::Stopped] {
            assert_eq!(Event::from_number(event.number()), event);
            assert_eq!(Event::from_word(event.word().unwrap_or_default().as_bytes()), event);
        }
        assert_eq!(
            (Event::from_number(9), Event::from_word(b"resting")),
            (Event::None, Event::None)
        );
        assert_eq!((Event::Paused.number(), Event::Paused.word()), (0, Some("paused")));
        assert_eq!(Event::from_word(b"paused"), Event::Paused);
        assert_eq!(Event::Started.number(), 2);
    }
}
