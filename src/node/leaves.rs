//! Leaf hashes of a piece: asked after it failed, proved against its root, given to who asks.
//!
//! To answer GET_HASHES a whole piece is read and hashed, or the tree above a long piece layer is
//! built, so a torrent keeps the last few of both and makes only so many new ones a second
//! ([`LeafCache`]); beyond that there is no answer.

use crate::clock::Moment;
use crate::ids::{PieceIndex, Sha256Hash};
use crate::metainfo::hash_proof::{Needs, Tree, check_answer_under};
use crate::metainfo::merkle::Rows;
use crate::metainfo::{Metainfo, PieceHash};
use crate::node::shared::{Connection, Shared, Torrent};
use crate::protocol::message::{HashRange, MAX_HASHES, Message};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Pieces whose leaves are kept: those who judge one piece ask for it at about the same time.
const KEPT: usize = 4;

/// Files whose rows above the piece layer are kept: whoever fetches layers goes file by file.
const KEPT_ROWS: usize = 2;

/// The longest piece layer that is hashed for each request anew.
const SHORT_LAYER: usize = 1024;

/// Pieces of a torrent, and long piece layers, that are hashed for others in [`WINDOW`] at most.
const HASHED: u32 = 8;

/// Over how long pieces that are hashed for others are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The leaves that a torrent was asked for lately, and how many more it may make now.
#[derive(Debug, Default)]
pub struct LeafCache {
    /// The newest last.
    recent: VecDeque<(PieceIndex, Vec<Sha256Hash>)>,
    /// The rows above the long piece layers that were asked for, by the file's root; the newest last.
    rows: VecDeque<(Sha256Hash, Arc<Rows>)>,
    /// When counting began, and what was hashed since.
    since: Moment,
    hashed: u32,
}

impl LeafCache {
    /// The leaves of a piece: known, or made by `hash` if that may be done now.
    fn leaves<E>(
        &mut self,
        now: Moment,
        piece: PieceIndex,
        hash: impl FnOnce() -> Result<Vec<Sha256Hash>, E>,
    ) -> Result<Option<&[Sha256Hash]>, E> {
        if let Some(known) = self.recent.iter().position(|(other, _)| *other == piece) {
            return Ok(Some(&self.recent[known].1));
        }
        if !self.may_hash(now) {
            return Ok(None);
        }
        let leaves = hash()?;
        if self.recent.len() >= KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back((piece, leaves));
        Ok(self.recent.back().map(|(_, leaves)| &leaves[..]))
    }

    /// The rows above a file's piece layer: known, or made by `hash` if that may be done now.
    fn rows(
        &mut self,
        now: Moment,
        root: Sha256Hash,
        hash: impl FnOnce() -> Option<Rows>,
    ) -> Option<Arc<Rows>> {
        if let Some((_, known)) = self.rows.iter().find(|(other, _)| *other == root) {
            return Some(known.clone());
        }
        if !self.may_hash(now) {
            return None;
        }
        let rows = Arc::new(hash()?);
        if self.rows.len() >= KEPT_ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back((root, rows.clone()));
        Some(rows)
    }

    /// Counts something that is to be hashed, whether it can be read or not.
    fn may_hash(&mut self, now: Moment) -> bool {
        if now.since(self.since) >= WINDOW {
            (self.since, self.hashed) = (now, 0);
        }
        let may = self.hashed < HASHED;
        self.hashed += u32::from(may);
        may
    }
}

/// The request for the leaves of a piece; none in a torrent without v2 hashes, for a piece of one
/// leaf, or when they do not fit one message.
pub fn range_of(torrent: &Torrent, piece: PieceIndex) -> Option<HashRange> {
    let meta = &torrent.meta;
    meta.info_hash_v2?; // else a place is counted in bytes
    let (file, in_file) = meta.place_of(piece)?;
    let tree = Tree::of(file, meta.piece_length)?;
    tree.leaves_request(in_file as u32).filter(|range| range.count <= MAX_HASHES)
}

/// The pieces whose leaves, or parts of them, a range names: one in each file with that root. Such
/// files are copies of one another.
fn pieces_of(meta: &Metainfo, range: HashRange) -> impl Iterator<Item = PieceIndex> + '_ {
    meta.files.iter().enumerate().filter_map(move |(entry, file)| {
        match Tree::of(file, meta.piece_length)?.needs(&range).ok()? {
            Needs::Leaves(in_file) => Some(PieceIndex(meta.pieces_of(entry).start + in_file)),
            Needs::Layer => None,
        }
    })
}

/// Answers GET_HASHES, as far as we know them and they are right; else says no.
pub fn answer_hashes(shared: &Shared, connection: &Arc<Connection>, range: HashRange) {
    let answer = connection.outbox.has_room().then(|| hashes_of(shared, connection, range));
    match answer.flatten() {
        Some(hashes) => {
            shared.say(connection, &Message::Hashes(range, hashes.as_flattened()));
        }
        None => shared.say(connection, &Message::HashReject(range)),
    }
}

/// The hashes that a request names, and their proof: of the piece layer, or of a piece that we have.
fn hashes_of(
    shared: &Shared,
    connection: &Connection,
    range: HashRange,
) -> Option<Vec<Sha256Hash>> {
    let torrent = &connection.torrent;
    let meta = &torrent.meta;
    let file = meta.data_files().find(|file| file.root == Some(range.root))?;
    let tree = Tree::of(file, meta.piece_length)?;
    if range.count > MAX_HASHES {
        return None;
    }
    let piece = match tree.needs(&range).ok()? {
        Needs::Layer => None,
        Needs::Leaves(_) => {
            let picker = torrent.picker.lock();
            Some(pieces_of(meta, range).find(|&piece| picker.have().has(piece))?)
        }
    };
    let too_many = || log::debug!("{}: asks for too many hashes", connection.who.address);
    let (mut cache, now) = (torrent.leaves.lock(), shared.clock.now());
    let rows = if file.layer.len() > SHORT_LAYER && tree.needs_rows(&range) {
        let rows = cache.rows(now, range.root, || tree.rows(&file.layer));
        if rows.is_none() {
            too_many();
        }
        Some(rows?)
    } else {
        None
    };
    let Some(piece) = piece else {
        drop(cache); // a short layer may be hashed by several at once
        return tree.answer(&range, &[], &file.layer, rows.as_deref());
    };
    match cache.leaves(now, piece, || torrent.storage.leaf_hashes(piece)) {
        Ok(Some(leaves)) => tree.answer(&range, leaves, &file.layer, rows.as_deref()),
        Ok(None) => {
            too_many();
            None
        }
        Err(error) => {
            log::warn!("leaf hashes of {piece}: {error}");
            None
        }
    }
}

/// Takes HASHES: only if they are wanted, and only if they prove the piece's root.
pub fn on_hashes(shared: &Shared, connection: &Arc<Connection>, range: HashRange, hashes: &[u8]) {
    let torrent = &connection.torrent;
    let wanted: Vec<PieceIndex> = {
        let picker = torrent.picker.lock();
        let named = pieces_of(&torrent.meta, range);
        named.filter(|&piece| picker.wants_leaves(piece)).collect()
    };
    for piece in wanted {
        let Some(PieceHash::V2 { root, .. }) = torrent.meta.piece_hash(piece) else { continue };
        let whole = range_of(torrent, piece) == Some(range);
        match check_answer_under(&range, hashes.as_chunks::<32>().0, &root) {
            Ok(leaves) if whole => {
                let leaves = &leaves[..torrent.geometry.blocks_of(piece) as usize];
                shared.decide(torrent, |swarm, now, out| swarm.on_leaves(now, piece, leaves, out));
            }
            Ok(_) => {}
            Err(wrong) => {
                let address = connection.who.address;
                log::warn!("{address}: its leaf hashes of {piece} are wrong: {wrong}");
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::build::{BuildOptions, build};
    use crate::metainfo::draft::{Draft, DraftFile, Version};
    use crate::metainfo::merkle;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    /// Asks for a piece; whether it was hashed anew, or `None` without an answer.
    fn ask(cache: &mut LeafCache, now: Moment, piece: u32) -> Option<bool> {
        let mut is_new = false;
        let hash = || {
            is_new = true;
            Ok::<_, ()>(vec![[piece as u8; 32]])
        };
        let leaves = cache.leaves(now, PieceIndex(piece), hash).unwrap()?;
        assert_eq!(leaves, [[piece as u8; 32]]);
        Some(is_new)
    }

    #[test]
    fn the_last_pieces_that_were_asked_for_are_not_hashed_again() {
        let mut cache = LeafCache::default();
        for piece in 0..5 {
            assert_eq!(ask(&mut cache, at(0), piece), Some(true));
        }
        for piece in 1..5 {
            assert_eq!(ask(&mut cache, at(0), piece), Some(false));
        }
        assert_eq!(ask(&mut cache, at(0), 0), Some(true), "it made room for the fifth");
    }

    #[test]
    fn eight_pieces_a_second_are_hashed_for_others_and_known_ones_cost_nothing() {
        let mut cache = LeafCache::default();
        for piece in 0..8 {
            assert_eq!(ask(&mut cache, at(500), piece), Some(true));
        }
        assert_eq!(ask(&mut cache, at(999), 8), None);
        assert_eq!(ask(&mut cache, at(999), 7), Some(false));
        assert_eq!(ask(&mut cache, at(1500), 8), Some(true));
    }

    /// Asks for a file's rows; whether they were made anew, or `None` without an answer.
    fn ask_rows(cache: &mut LeafCache, now: Moment, root: u8) -> Option<bool> {
        let mut is_new = false;
        let hash = || {
            is_new = true;
            Some(Rows::above(&[[root; 32]; 2], [0; 32], 2))
        };
        cache.rows(now, [root; 32], hash)?;
        Some(is_new)
    }

    #[test]
    fn the_rows_of_a_layer_are_made_once_and_count_with_the_pieces() {
        let mut cache = LeafCache::default();
        assert_eq!(ask_rows(&mut cache, at(0), 1), Some(true));
        for _ in 0..100 {
            assert_eq!(ask_rows(&mut cache, at(0), 1), Some(false));
        }
        for root in 2..5 {
            assert_eq!(ask_rows(&mut cache, at(0), root), Some(true));
        }
        for piece in 0..4 {
            assert_eq!(ask(&mut cache, at(0), piece), Some(true));
        }
        assert_eq!(ask_rows(&mut cache, at(999), 1), None, "two others took its place");
        assert_eq!(ask_rows(&mut cache, at(999), 4), Some(false));
        assert_eq!(ask(&mut cache, at(999), 9), None);
        assert_eq!(ask_rows(&mut cache, at(1000), 1), Some(true));
    }

    #[test]
    fn a_piece_that_cannot_be_read_counts_too() {
        let mut cache = LeafCache::default();
        for piece in 0..HASHED {
            assert_eq!(
                cache.leaves(at(0), PieceIndex(piece), || Err("unreadable")),
                Err("unreadable")
            );
        }
        assert_eq!(ask(&mut cache, at(0), 0), None);
    }

    fn file(name: &str, length: u64, root: u8) -> DraftFile {
        let layer = vec![[root; 32]; length.div_ceil(32768) as usize];
        let layer = if layer.len() > 1 { layer } else { Vec::new() };
        let root = if layer.is_empty() { [root; 32] } else { merkle::root_of_layer(&layer, 32768) };
        DraftFile { path: vec![name.into()], length, root: Some(root), layer }
    }

    #[test]
    fn a_range_names_its_piece_in_every_copy_of_the_file() {
        let draft = Draft {
            name: "folder".into(),
            version: Version::V2,
            piece_length: 32768,
            single_file: false,
            files: vec![file("a", 70_000, 1), file("b", 5, 2), file("c", 70_000, 1)],
            v1_pieces: Vec::new(),
        };
        let meta = build(&draft, &BuildOptions::default()).unwrap();
        let named = |name: usize, index, count| -> Vec<u32> {
            let root = draft.files[name].root.unwrap();
            let range = HashRange { root, base: 0, index, count, proof: 0 };
            pieces_of(&meta, range).map(|piece| piece.0).collect()
        };
        assert_eq!(named(0, 2, 2), [1, 5]);
        assert_eq!(named(0, 4, 2), [2, 6], "the last piece is shorter, its leaves are padded");
        for (index, count) in [(1, 2), (8, 2), (0, 0), (0, 4), (0, 3)] {
            assert_eq!(named(0, index, count), [0; 0], "{count} leaves from {index}");
        }
    }
}
