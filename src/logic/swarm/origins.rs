//! From whom each piece came, for people to look at.

use crate::ids::PieceIndex;
use crate::logic::picker::Writers;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Beyond so many sources further ones count as unknown.
const MOST_SOURCES: usize = 4096;

/// From whom each piece came. Two bytes a piece, once the first one came.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    sources: Vec<Option<SocketAddr>>,
    /// A place in `sources`, plus one; 0 is unknown.
    of_piece: Vec<u16>,
}

impl Origins {
    /// A piece of a torrent of so many pieces was verified. It came from whoever wrote the most of
    /// its blocks; `address` says where that peer is, if it is one, and no web seed.
    pub fn on_verified(
        &mut self,
        piece: PieceIndex,
        pieces: u32,
        writers: &Writers,
        address: impl Fn(crate::logic::PeerKey) -> Option<SocketAddr>,
    ) {
        let mut blocks = BTreeMap::new();
        for writer in writers.iter().flatten() {
            *blocks.entry(*writer).or_insert(0_u32) += 1;
        }
        let Some((&writer, _)) = blocks.iter().max_by_key(|(_, count)| **count) else { return };
        let source = address(writer);
        let known = self.sources.iter().position(|&known| known == source);
        let place = known.unwrap_or(self.sources.len());
        if place >= MOST_SOURCES {
            return;
        }
        if place == self.sources.len() {
            self.sources.push(source);
        }
        self.of_piece.resize(pieces as usize, 0);
        self.of_piece[piece.at()] = place as u16 + 1;
    }

    /// Everyone whom a piece came from, in the order of their first; `None` stands for web seeds.
    pub fn sources(&self) -> &[Option<SocketAddr>] {
        &self.sources
    }

    /// The place of a piece's source among [`Self::sources`], if it is known.
    pub fn of(&self, piece: PieceIndex) -> Option<u16> {
        self.of_piece.get(piece.at())?.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::PeerKey;

    fn address(peer: PeerKey) -> Option<SocketAddr> {
        (peer.0 < 10).then(|| SocketAddr::from(([127, 0, 0, 1], peer.0 as u16)))
    }

    #[test]
    fn a_piece_came_from_whoever_wrote_the_most_of_it() {
        let mut origins = Origins::default();
        let (ann, ben, web) = (Some(PeerKey(1)), Some(PeerKey(2)), Some(PeerKey(99)));
        let mut came = |piece, writers: &[Option<PeerKey>]| {
            origins.on_verified(PieceIndex(piece), 4, &writers.to_vec(), address);
        };
        came(3, &[ben, ann, ben]);
        came(0, &[web]);
        came(1, &[ben, None, None]);
        came(2, &[None]);
        assert_eq!(origins.sources(), [address(PeerKey(2)), None]);
        let places = [0, 1, 2, 3].map(|piece| origins.of(PieceIndex(piece)));
        assert_eq!(places, [Some(1), Some(0), None, Some(0)]);
    }

    #[test]
    fn sources_are_bounded() {
        let mut origins = Origins::default();
        for peer in 0..=MOST_SOURCES as u64 {
            let at = |_| Some(SocketAddr::from(([10, 0, (peer >> 8) as u8, peer as u8], 1)));
            origins.on_verified(PieceIndex(peer as u32), 10_000, &vec![Some(PeerKey(peer))], at);
        }
        assert_eq!(origins.sources().len(), MOST_SOURCES);
        assert_eq!(origins.of(PieceIndex(MOST_SOURCES as u32)), None);
    }
}
