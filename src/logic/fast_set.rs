//! Which pieces a peer may ask for while choked (BEP 6, allowed fast set).
//!
//! A newcomer has nothing to give and so nobody serves it; a few pieces that it may have at once
//! end that. Everybody draws the same few for one address, so that a peer cannot collect the whole
//! torrent by asking around. Only IPv4 has such a set.

use crate::ids::{InfoHashV1, PieceIndex};
use sha1::{Digest, Sha1};
use std::net::Ipv4Addr;

/// How many pieces BEP 6 proposes.
pub const SET_SIZE: usize = 10;

/// The first `k` pieces that everybody allows the peer at `ip`, in the order of the draw; all
/// pieces when the torrent has no more.
///
/// The draw hashes the address without its last byte, then the hash, and takes five numbers from
/// each hash.
pub fn allowed_fast(k: usize, pieces: u32, info_hash: InfoHashV1, ip: Ipv4Addr) -> Vec<PieceIndex> {
    let k = k.min(pieces as usize);
    let mut set = Vec::with_capacity(k.min(SET_SIZE));
    let [a, b, c, _] = ip.octets();
    let mut hash: [u8; 20] =
        Sha1::new().chain_update([a, b, c, 0]).chain_update(info_hash.0).finalize().into();
    while set.len() < k {
        for number in hash.as_chunks::<4>().0 {
            let piece = PieceIndex(u32::from_be_bytes(*number) % pieces);
            if set.len() < k && !set.contains(&piece) {
                set.push(piece);
            }
        }
        hash = Sha1::digest(hash).into();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(k: usize, pieces: u32, ip: [u8; 4]) -> Vec<u32> {
        let set = allowed_fast(k, pieces, InfoHashV1([0xaa; 20]), ip.into());
        set.into_iter().map(|piece| piece.0).collect()
    }

    #[test]
    fn the_examples_of_bep_6_are_drawn() {
        let nine = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508];
        assert_eq!(example(7, 1313, [80, 4, 4, 200]), nine[..7]);
        assert_eq!(example(9, 1313, [80, 4, 4, 200]), nine);
    }

    #[test]
    fn neighbours_of_one_network_have_the_same_set() {
        assert_eq!(example(9, 1313, [80, 4, 4, 1]), example(9, 1313, [80, 4, 4, 200]));
        assert_ne!(example(9, 1313, [80, 4, 5, 200]), example(9, 1313, [80, 4, 4, 200]));
    }

    #[test]
    fn a_small_torrent_is_allowed_whole_and_an_empty_one_has_nothing_to_allow() {
        let mut all = example(10, 3, [127, 0, 0, 1]);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert!(example(10, 0, [127, 0, 0, 1]).is_empty());
    }
}
