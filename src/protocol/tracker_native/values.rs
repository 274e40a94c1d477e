//! Small header values with a fixed form: addresses, times, an error code, a list of positions.

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// An address as 4 or 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip(pub IpAddr);

impl Serialize for Ip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            IpAddr::V4(ip) => serializer.serialize_bytes(&ip.octets()),
            IpAddr::V6(ip) => serializer.serialize_bytes(&ip.octets()),
        }
    }
}

impl<'de> Deserialize<'de> for Ip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ip = ip(deserializer.deserialize_bytes(Bytes)?);
        ip.map(Self).ok_or_else(|| D::Error::custom("an address has 4 or 16 bytes"))
    }
}

/// An address and a port as 6 or 18 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint(pub SocketAddr);

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = match self.0.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes.extend(self.0.port().to_be_bytes());
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let endpoint = |bytes: &[u8]| {
            let (address, port) = bytes.split_last_chunk::<2>()?;
            Some(Self(SocketAddr::new(ip(address)?, u16::from_be_bytes(*port))))
        };
        let bytes = deserializer.deserialize_bytes(Bytes)?;
        endpoint(bytes).ok_or_else(|| D::Error::custom("an endpoint has 6 or 18 bytes"))
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok(),
        _ => <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok(),
    }
}

/// A time as whole milliseconds, or the longest that a header can say.
pub fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 1: a field is out of its range.
    BadField,
    /// 2: no such content here.
    UnknownTorrent,
    /// 3: the asker is not registered for it.
    UnknownPeer,
    /// 4: the .torrent has not been published.
    NotPublished,
    /// 5: a table is full.
    Full,
    /// 6: the .torrent does not hash to the info-hash, or cannot be read.
    BadTorrent,
    /// 7: too much is going on; ask again.
    Busy,
    /// 8: the message does not belong here.
    OutOfPlace,
    /// 9: the content belongs to another tracker's zone.
    OtherZone,
    /// Any other, from a newer tracker.
    Other(u8),
}

impl From<u8> for ErrorCode {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::BadField,
            2 => Self::UnknownTorrent,
            3 => Self::UnknownPeer,
            4 => Self::NotPublished,
            5 => Self::Full,
            6 => Self::BadTorrent,
            7 => Self::Busy,
            8 => Self::OutOfPlace,
            9 => Self::OtherZone,
            other => Self::Other(other),
        }
    }
}

impl From<ErrorCode> for u8 {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::BadField => 1,
            ErrorCode::UnknownTorrent => 2,
            ErrorCode::UnknownPeer => 3,
            ErrorCode::NotPublished => 4,
            ErrorCode::Full => 5,
            ErrorCode::BadTorrent => 6,
            ErrorCode::Busy => 7,
            ErrorCode::OutOfPlace => 8,
            ErrorCode::OtherZone => 9,
            ErrorCode::Other(other) => other,
        }
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8((*self).into())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(Self::from)
    }
}

/// Positions 0 to 255 as one byte string.
pub mod positions {
    use super::{Bytes, Deserializer, Serializer};

    /// Writes the positions.
    pub fn serialize<S: Serializer>(positions: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(positions)
    }

    /// Reads the positions.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(Bytes).map(<[u8]>::to_vec)
    }
}

/// A byte string, as it lies in the header.
struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = &'de [u8];
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }
    fn visit_borrowed_bytes<E: serde::de::Error>(self, bytes: &'de [u8]) -> Result<&'de [u8], E> {
        Ok(bytes)
    }
}
