//! The 68 bytes that open a BitTorrent connection (BEP 3).
//!
//! ```text
//! 0    19 and "BitTorrent protocol"                    20 bytes
//! 20   reserved: what the sender can do beyond BEP 3    8
//! 28   info-hash, v1 or the truncated v2 (BEP 52)      20
//! 48   peer id (BEP 20)                                20
//! ```
//! Both sides send one, and nothing before it. Nothing here does I/O.

use super::Malformed;
use crate::ids::{InfoHashV1, PeerId};

/// The first twenty bytes.
pub const PROTOCOL: [u8; 20] = *b"\x13BitTorrent protocol";

/// Bytes of a handshake.
pub const LENGTH: usize = 68;

/// Eight bytes of flags: what the sender can do beyond BEP 3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserved(pub [u8; 8]);

/// A flag's byte and its bit in it.
type Flag = (usize, u8);

/// The extension protocol (BEP 10).
const EXTENSIONS: Flag = (5, 0x10);

/// BitTorrent v2, understood by the caller of a v1 hash (BEP 52, upgrade path).
const V2: Flag = (7, 0x10);

/// The fast extension (BEP 6).
const FAST: Flag = (7, 0x04);

/// The DHT (BEP 5).
const DHT: Flag = (7, 0x01);

impl Reserved {
    /// What we can do on any torrent: the extension protocol and the fast extension.
    pub fn ours() -> Self {
        Self::default().with(EXTENSIONS, true).with(FAST, true)
    }

    /// The same, and whether the torrent has v2 hashes.
    #[must_use]
    pub fn with_v2(self, v2: bool) -> Self {
        self.with(V2, v2)
    }

    /// Whether the sender speaks the extension protocol (BEP 10).
    pub fn has_extensions(self) -> bool {
        self.has(EXTENSIONS)
    }

    /// Whether the sender speaks the fast extension (BEP 6).
    pub fn has_fast(self) -> bool {
        self.has(FAST)
    }

    /// Whether the sender understands BitTorrent v2 (BEP 52).
    pub fn has_v2(self) -> bool {
        self.has(V2)
    }

    /// Whether the sender has a DHT node (BEP 5).
    pub fn has_dht(self) -> bool {
        self.has(DHT)
    }

    fn has(self, (byte, bit): Flag) -> bool {
        self.0[byte] & bit != 0
    }

    fn with(mut self, (byte, bit): Flag, on: bool) -> Self {
        self.0[byte] &= !bit;
        self.0[byte] |= if on { bit } else { 0 };
        self
    }
}

/// Who calls or answers, and for which torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// What the sender can do beyond BEP 3.
    pub reserved: Reserved,
    /// The torrent: its v1 hash, or the first 20 bytes of its v2 hash.
    pub info_hash: InfoHashV1,
    /// Who sends this.
    pub peer_id: PeerId,
}

impl Handshake {
    /// The bytes.
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..20].copy_from_slice(&PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.0);
        bytes[28..48].copy_from_slice(&self.info_hash.0);
        bytes[48..].copy_from_slice(&self.peer_id.0);
        bytes
    }

    /// Reads a whole handshake; [`Malformed::WrongMagic`] is all that can be wrong with it.
    pub fn read(bytes: &[u8; LENGTH]) -> Result<Self, Malformed> {
        if !fits(bytes) {
            return Err(Malformed::WrongMagic);
        }
        let mut handshake = Self {
            reserved: Reserved::default(),
            info_hash: InfoHashV1([0; 20]),
            peer_id: PeerId([0; 20]),
        };
        handshake.reserved.0.copy_from_slice(&bytes[20..28]);
        handshake.info_hash.0.copy_from_slice(&bytes[28..48]);
        handshake.peer_id.0.copy_from_slice(&bytes[48..]);
        Ok(handshake)
    }
}

/// Whether a stream that begins so can still be a handshake; asked at every byte, so that a
/// stream of another kind is let go at its first wrong one. Nothing at all fits.
pub fn fits(prefix: &[u8]) -> bool {
    prefix.iter().zip(&PROTOCOL).all(|(got, wanted)| got == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Handshake {
        let peer_id = PeerId(*b"-SW0100-abcdefghijkl");
        Handshake { reserved: Reserved::ours(), info_hash: InfoHashV1([0xaa; 20]), peer_id }
    }

    #[test]
    fn a_handshake_is_written_field_by_field_as_specified() {
        let mut golden = vec![19];
        golden.extend(b"BitTorrent protocol");
        golden.extend([0, 0, 0, 0, 0, 0x10, 0, 0x04]);
        golden.extend([0xaa; 20]);
        golden.extend(b"-SW0100-abcdefghijkl");
        assert_eq!(ours().to_bytes().to_vec(), golden);
        assert_eq!(Handshake::read(&golden.try_into().unwrap()), Ok(ours()));
    }

    #[test]
    fn each_flag_has_its_bit() {
        let flags = |byte: usize, bit: u8| {
            let mut reserved = Reserved::default();
            reserved.0[byte] = bit;
            let r = reserved;
            (r.has_extensions(), r.has_v2(), r.has_fast(), r.has_dht())
        };
        assert_eq!(flags(5, 0x10), (true, false, false, false));
        assert_eq!(flags(7, 0x10), (false, true, false, false));
        assert_eq!(flags(7, 0x04), (false, false, true, false));
        assert_eq!(flags(7, 0x01), (false, false, false, true));
        assert_eq!(flags(0, 0xff), (false, false, false, false));
    }

    #[test]
    fn the_upgrade_to_v2_is_offered_where_the_torrent_has_v2_hashes() {
        assert!(!Reserved::ours().has_v2());
        assert!(Reserved::ours().with_v2(true).has_v2());
        assert_eq!(Reserved::ours().with_v2(true).with_v2(false), Reserved::ours());
    }

    #[test]
    fn a_stream_of_another_kind_is_seen_at_its_first_wrong_byte() {
        let bytes = ours().to_bytes();
        for cut in 0..=LENGTH {
            assert!(fits(&bytes[..cut]), "cut at {cut}");
        }
        for wrong in 0..LENGTH {
            let mut bytes = bytes;
            bytes[wrong] ^= 1;
            let in_protocol = wrong < 20;
            assert_eq!(fits(&bytes[..=wrong]), !in_protocol, "byte {wrong}");
            assert_eq!(Handshake::read(&bytes) == Err(Malformed::WrongMagic), in_protocol);
        }
        assert!(!fits(b"SWP1") && !fits(b"GET / HTTP/1.1"));
    }
}
