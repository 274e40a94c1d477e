//! SYNC: the registrations that one replica of an authority heard, for the others.
//!
//! ```text
//! swarm = hash:32 bytes  size:u64be  pieces:u32be  length:u8  name: length bytes of UTF-8
//!         count:u8  count x (id:20 bytes  peer, as in a PEER_LIST)
//! ```
//! It is said again and again, and who is no longer named expires: nothing is acknowledged, and a
//! lost datagram is made good by the next.

use super::peer_list::{put_peer, read_one as read_peer};
use super::{Bin, MAX_NAME, Malformed, PeerEntry};
use crate::ids::{InfoHashV2, PeerId};
use serde::{Deserialize, Serialize};

const KIND: u8 = 0x1e;

/// What a swarm takes without its name and peers.
pub const SWARM_HEAD: usize = 32 + 8 + 4 + 1 + 1;

/// What a peer takes at most.
pub const MAX_PEER: usize = 20 + super::peer_list::MAX_ENTRY;

/// Registrations that the sender heard itself (UDP, between replicas). The body is swarms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// From the receiver's COOKIE.
    pub cookie: Bin<8>,
}

/// A content and some of its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSwarm {
    /// The content.
    pub info_hash: InfoHashV2,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its pieces.
    pub pieces: u32,
    /// At most 255 of its peers.
    pub peers: Vec<(PeerId, PeerEntry)>,
}

/// Appends one swarm.
pub fn put_swarm(out: &mut Vec<u8>, swarm: &SyncSwarm) {
    out.extend(swarm.info_hash.0);
    out.extend(swarm.size.to_be_bytes());
    out.extend(swarm.pieces.to_be_bytes());
    out.push(u8::try_from(swarm.name.len()).expect("names are at most 255 bytes"));
    out.extend(swarm.name.as_bytes());
    out.push(u8::try_from(swarm.peers.len()).expect("a swarm names at most 255 peers"));
    for (id, peer) in &swarm.peers {
        out.extend(id.0);
        put_peer(out, peer);
    }
}

/// Reads a whole body.
pub fn read_swarms(body: &[u8]) -> Result<Vec<SyncSwarm>, Malformed> {
    let mut swarms = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (swarm, after) = read_one(rest)
            .ok_or(Malformed::BodyLength { kind: KIND, length: body.len() as u64 })?;
        swarms.push(swarm);
        rest = after;
    }
    Ok(swarms)
}

fn read_one(bytes: &[u8]) -> Option<(SyncSwarm, &[u8])> {
    let (hash, rest) = bytes.split_first_chunk::<32>()?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (pieces, rest) = rest.split_first_chunk::<4>()?;
    let (&length, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(length.into())?;
    let (&count, mut rest) = rest.split_first()?;
    let mut peers = Vec::new();
    for _ in 0..count {
        let (id, after) = rest.split_first_chunk::<20>()?;
        let (peer, after) = read_peer(after)?;
        peers.push((PeerId(*id), peer));
        rest = after;
    }
    let swarm = SyncSwarm {
        info_hash: InfoHashV2(*hash),
        name: String::from_utf8(name.to_vec()).ok().filter(|name| name.len() <= MAX_NAME)?,
        size: u64::from_be_bytes(*size),
        pieces: u32::from_be_bytes(*pieces),
        peers,
    };
    Some((swarm, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swarm_is_a_content_and_peers_and_a_cut_one_is_refused() {
        let addr = "10.1.2.3:6881".parse().unwrap();
        let peer = PeerEntry { addr, seed: true, native: true, bittorrent: false };
        let swarm = SyncSwarm {
            info_hash: InfoHashV2([7; 32]),
            name: "ab".into(),
            size: 0x0102,
            pieces: 3,
            peers: vec![(PeerId([9; 20]), peer)],
        };
        let mut golden = vec![7; 32];
        golden.extend([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 2, b'a', b'b', 1]);
        golden.extend([9; 20]);
        golden.extend([4, 3, 0x1a, 0xe1, 10, 1, 2, 3]);
        let mut body = Vec::new();
        put_swarm(&mut body, &swarm);
        assert_eq!(body, golden);
        assert_eq!(read_swarms(&body), Ok(vec![swarm]));
        for cut in 1..body.len() {
            assert!(read_swarms(&body[..cut]).is_err(), "cut at {cut}");
        }
    }
}
