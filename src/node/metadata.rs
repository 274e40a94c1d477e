//! The metainfo from a peer, for those who hold only its hash.
//!
//! The bytes are asked for in order; `info` is hashed before it is parsed, and each piece layer
//! is checked against its file's root ([`Metainfo::from_exchange`]), so that a peer can lie about
//! nothing but its willingness.

use crate::ids::{InfoHashV2, PeerId};
use crate::metainfo::{Metainfo, MetainfoError};
use crate::node::connection::{Opening, Refused};
use crate::protocol::native::{Hello, MAX_CHUNK, Message, VERSION};
use std::net::{IpAddr, SocketAddr};

/// The longest metainfo we fetch: as long as a .torrent may be.
const LONGEST: u32 = 16 * 1024 * 1024;

/// Why a peer's metainfo was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum NoMetadata {
    /// The connection failed.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// What came does not match the hash, or is no torrent.
    #[error("{0}")]
    Metainfo(#[from] MetainfoError),
    /// It is longer than a torrent may be, or its length changed on the way.
    #[error("a metainfo of {0} bytes")]
    Length(u32),
}

/// Asks one peer for the metainfo of a hash.
pub fn fetch(
    address: SocketAddr,
    bind: Option<IpAddr>,
    peer_id: PeerId,
    info_hash: InfoHashV2,
) -> Result<Metainfo, NoMetadata> {
    let hello = Hello { version: VERSION, info_hash, peer_id, port: 0, features: Vec::new() };
    let mut opening = Opening::call(address, bind, hello)?;
    let mut bytes: Vec<u8> = Vec::new();
    let mut lengths: Option<(u32, u32)> = None;
    loop {
        let offset = bytes.len() as u32;
        opening.ask(&Message::GetMetainfo { offset, length: MAX_CHUNK })?;
        let (total, info) = opening.expect_metainfo(offset, &mut bytes)?;
        let (total, info) = *lengths.get_or_insert((total, info));
        if total > LONGEST || info > total || bytes.len() > total as usize {
            return Err(NoMetadata::Length(total));
        }
        if bytes.len() == total as usize {
            return Ok(Metainfo::from_exchange(&info_hash, info as usize, &bytes)?);
        }
        if bytes.len() as u32 == offset {
            return Err(NoMetadata::Length(offset));
        }
    }
}
