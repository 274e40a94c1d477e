//! Peers in the body of a PEER_LIST.
//!
//! ```text
//! entry = family:u8 (4 | 6)  flags:u8  port:u16be  address: 4 | 16 bytes
//! flags = 1 seeder | 2 answers the native dialect | 4 answers BitTorrent
//! ```

use super::Malformed;
use std::net::{IpAddr, SocketAddr};

/// How long an entry is at most.
pub const MAX_ENTRY: usize = 20;

const KIND: u8 = 0x20;
const SEED: u8 = 1;
const NATIVE: u8 = 2;
const BITTORRENT: u8 = 4;

/// A peer to dial, and in which dialects it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerEntry {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Whether it has everything.
    pub seed: bool,
    /// Whether it answers the native dialect.
    pub native: bool,
    /// Whether it answers BitTorrent.
    pub bittorrent: bool,
}

/// Appends one entry.
pub fn put_peer(out: &mut Vec<u8>, peer: &PeerEntry) {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags =
        flag(peer.seed, SEED) | flag(peer.native, NATIVE) | flag(peer.bittorrent, BITTORRENT);
    out.extend([if peer.addr.is_ipv4() { 4 } else { 6 }, flags]);
    out.extend(peer.addr.port().to_be_bytes());
    match peer.addr.ip() {
        IpAddr::V4(ip) => out.extend(ip.octets()),
        IpAddr::V6(ip) => out.extend(ip.octets()),
    }
}

/// Reads a whole body.
pub fn read_peers(body: &[u8]) -> Result<Vec<PeerEntry>, Malformed> {
    let mut peers = Vec::with_capacity(body.len() / 8);
    let mut rest = body;
    while !rest.is_empty() {
        let (peer, after) = read_one(rest)
            .ok_or(Malformed::BodyLength { kind: KIND, length: body.len() as u64 })?;
        peers.push(peer);
        rest = after;
    }
    Ok(peers)
}

/// Reads one entry, and what follows it.
pub(super) fn read_one(bytes: &[u8]) -> Option<(PeerEntry, &[u8])> {
    let (&[family, flags, high, low], rest) = bytes.split_first_chunk()?;
    let (ip, rest) = match family {
        4 => rest.split_first_chunk::<4>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
        6 => rest.split_first_chunk::<16>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
        _ => return None,
    };
    let peer = PeerEntry {
        addr: SocketAddr::new(ip, u16::from_be_bytes([high, low])),
        seed: flags & SEED != 0,
        native: flags & NATIVE != 0,
        bittorrent: flags & BITTORRENT != 0,
    };
    Some((peer, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_family_flags_port_address_and_a_cut_one_is_refused() {
        let v4 = PeerEntry {
            addr: "10.1.2.3:6881".parse().unwrap(),
            seed: true,
            native: true,
            bittorrent: false,
        };
        let v6 = PeerEntry {
            addr: "[2001:db8::7]:6882".parse().unwrap(),
            seed: false,
            native: false,
            bittorrent: true,
        };
        let mut body = Vec::new();
        put_peer(&mut body, &v4);
        put_peer(&mut body, &v6);
        assert_eq!(body[..8], [4, 3, 0x1a, 0xe1, 10, 1, 2, 3]);
        assert_eq!(body[8..16], [6, 4, 0x1a, 0xe2, 0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(read_peers(&body), Ok(vec![v4, v6]));
        for cut in (1..body.len()).filter(|&cut| cut != 8) {
            assert!(read_peers(&body[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read_peers(&[5; 8]).is_err(), "unknown family");
    }
}
