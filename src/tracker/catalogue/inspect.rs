//! What a .torrent says about itself: its info-hashes, name, size and number of pieces.

use crate::ids::{InfoHashV1, InfoHashV2};
use crate::metainfo::Metainfo;

/// What the catalogue keeps of a .torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The content's name.
    pub name: String,
    /// SHA-1 of `info`, if it describes v1 pieces.
    pub v1: Option<InfoHashV1>,
    /// SHA-256 of `info`, if it describes v2 trees.
    pub v2: Option<InfoHashV2>,
    /// Bytes.
    pub size: u64,
    /// Pieces.
    pub pieces: u32,
}

/// Reads a .torrent; the error says what is wrong with it. One that lacks its piece layers is of
/// no use to who fetches it.
pub fn inspect(torrent: &[u8]) -> Result<Published, String> {
    let meta = Metainfo::parse(torrent).map_err(|error| error.to_string())?;
    if meta.info_hash_v2.is_some() && !meta.layers_complete() {
        return Err("it has no piece layers".to_owned());
    }
    Ok(Published {
        v1: meta.info_hash_v1,
        v2: meta.info_hash_v2,
        size: meta.total_size(),
        pieces: meta.geometry().pieces(),
        name: meta.name,
    })
}
