//! Names for numbers: info-hashes, peer ids, piece indices.
//!
//! Different numbers are different types, so that a piece index is never taken for a block
//! index, nor a v1 hash for a v2 hash. Nothing here does I/O.

use std::fmt;
use std::str::FromStr;

/// A SHA-256 digest: a Merkle node, a leaf or a root (BEP 52).
pub type Sha256Hash = [u8; 32];

/// A SHA-1 digest: a v1 piece (BEP 3).
pub type Sha1Hash = [u8; 20];

/// SHA-1 over the raw bytes of `info` (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHashV1(pub Sha1Hash);

/// SHA-256 over the raw bytes of `info` (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHashV2(pub Sha256Hash);

impl InfoHashV2 {
    /// The first 20 bytes: how BitTorrent handshakes and trackers carry a v2 hash (BEP 52).
    pub fn truncated(&self) -> InfoHashV1 {
        InfoHashV1(self.0[..20].try_into().expect("20 of 32 bytes"))
    }
}

/// How a torrent is called: by its v2 hash where it has one, else by its v1 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum InfoHash {
    /// A torrent without v2 hashes.
    V1(InfoHashV1),
    /// A v2 or hybrid torrent.
    V2(InfoHashV2),
}

impl InfoHash {
    /// The v2 hash, which the native dialect needs.
    pub fn v2(&self) -> Option<InfoHashV2> {
        match self {
            Self::V1(_) => None,
            Self::V2(hash) => Some(*hash),
        }
    }

    /// The twenty bytes that stand for it in BitTorrent handshakes and announces (BEP 52).
    pub fn short(&self) -> InfoHashV1 {
        match self {
            Self::V1(hash) => *hash,
            Self::V2(hash) => hash.truncated(),
        }
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1(hash) => hash.fmt(f),
            Self::V2(hash) => hash.fmt(f),
        }
    }
}

impl From<InfoHashV1> for InfoHash {
    fn from(hash: InfoHashV1) -> Self {
        Self::V1(hash)
    }
}

impl From<InfoHashV2> for InfoHash {
    fn from(hash: InfoHashV2) -> Self {
        Self::V2(hash)
    }
}

/// Twenty bytes a peer chose for itself; ours start with `-SW0100-` (BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 20]);

/// The client prefix of our peer ids: SWarmlet 0.1.0.
pub const PEER_ID_PREFIX: &[u8; 8] = b"-SW0100-";

impl PeerId {
    /// A fresh id: the prefix and twelve letters or digits drawn from `rng`.
    pub fn generate(rng: &mut fastrand::Rng) -> Self {
        let mut id = [0; 20];
        id[..8].copy_from_slice(PEER_ID_PREFIX);
        id[8..].fill_with(|| rng.alphanumeric() as u8);
        Self(id)
    }
}

/// Which piece of a torrent, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct PieceIndex(pub u32);

impl PieceIndex {
    /// The index as a position in a slice.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "piece {}", self.0)
    }
}

/// A run of bytes inside one piece: what a GET names and a CHUNK carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Span {
    /// The piece.
    pub piece: PieceIndex,
    /// Bytes from the start of the piece.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

impl Span {
    /// The first byte after the span, or `None` when it does not fit 32 bits.
    pub fn end(&self) -> Option<u32> {
        self.offset.checked_add(self.length)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} +{} ({} bytes)", self.piece, self.offset, self.length)
    }
}

/// Writes bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads hexadecimal of either case; `None` when a character is no digit or one is left over.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |c: u8| (c as char).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| Some((value(pair[0])? * 16 + value(pair[1])?) as u8))
        .collect()
}

/// Text that is not the hexadecimal of an info-hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an info-hash: {digits} hexadecimal digits were expected")]
pub struct NotAHash {
    digits: usize,
}

macro_rules! hexadecimal {
    ($name:ident, $len:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex(&self.0))
            }
        }
        impl FromStr for $name {
            type Err = NotAHash;
            fn from_str(text: &str) -> Result<Self, NotAHash> {
                unhex(text)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Self)
                    .ok_or(NotAHash { digits: $len * 2 })
            }
        }
    };
}
hexadecimal!(InfoHashV1, 20);
hexadecimal!(InfoHashV2, 32);

impl fmt::Display for PeerId {
    /// Printable characters as they are, others as `%xx`: safe on a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in &self.0 {
            if byte.is_ascii_graphic() && byte != b'%' {
                write!(f, "{}", byte as char)?;
            } else {
                write!(f, "%{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_back_and_its_length_is_checked() {
        let hash = InfoHashV1([0xab; 20]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        assert!("abc".parse::<InfoHashV1>().is_err());
        assert!("zz".repeat(20).parse::<InfoHashV1>().is_err());
        assert!("ab".repeat(32).parse::<InfoHashV1>().is_err());
        assert!("é".repeat(20).parse::<InfoHashV1>().is_err());
    }

    #[test]
    fn our_peer_ids_carry_the_client_prefix_and_print_safely() {
        let id = PeerId::generate(&mut fastrand::Rng::with_seed(1));
        assert_eq!(&id.0[..8], b"-SW0100-");
        assert!(id.0.iter().all(u8::is_ascii_graphic));
        assert_eq!(PeerId([0x1b; 20]).to_string(), "%1b".repeat(20));
    }
}
