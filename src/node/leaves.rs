//! Leaf hashes of a piece: asked after it failed, proved against its root, given to who asks.

use crate::ids::{PieceIndex, Sha256Hash};
use crate::metainfo::{PieceHash, merkle};
use crate::node::shared::{Connection, Shared, Torrent};
use crate::protocol::native::{HashRange, MAX_HASHES, Message};
use std::sync::Arc;

/// The leaves of a piece as a range of its file's tree; none in a torrent without v2 hashes, or
/// when they do not fit one message.
pub fn range_of(torrent: &Torrent, piece: PieceIndex) -> Option<HashRange> {
    let count = torrent.geometry.blocks_of(piece);
    let (first, root) = first_piece_of_file(torrent, piece)?;
    let per_piece = torrent.geometry.piece_length() / crate::geometry::BLOCK_LEN;
    let index = (piece.0 - first.0).checked_mul(per_piece)?;
    (0 < count && count <= MAX_HASHES).then_some(HashRange { root, base: 0, index, count })
}

/// The piece whose leaves a range names, if it is one piece of a file of ours.
fn piece_of(torrent: &Torrent, range: HashRange) -> Option<PieceIndex> {
    let per_piece = torrent.geometry.piece_length() / crate::geometry::BLOCK_LEN;
    let mut first = 0;
    for file in torrent.meta.data_files() {
        if file.root == Some(range.root) {
            let piece = PieceIndex(range.index.checked_div(per_piece)?.checked_add(first)?);
            return (range_of(torrent, piece) == Some(range)).then_some(piece);
        }
        first += file.length.div_ceil(torrent.geometry.piece_length().into()) as u32;
    }
    None
}

fn first_piece_of_file(torrent: &Torrent, piece: PieceIndex) -> Option<(PieceIndex, Sha256Hash)> {
    let mut first = 0;
    for file in torrent.meta.data_files() {
        let pieces = file.length.div_ceil(torrent.geometry.piece_length().into()) as u32;
        if piece.0 < first + pieces {
            return Some((PieceIndex(first), file.root?));
        }
        first += pieces;
    }
    None
}

/// Answers GET_HASHES with the leaves of a piece that we have and that is right.
pub fn answer_hashes(shared: &Shared, connection: &Arc<Connection>, range: HashRange) {
    let torrent = &connection.torrent;
    let Some(piece) = piece_of(torrent, range).filter(|&piece| torrent.have().has(piece)) else {
        return;
    };
    match torrent.storage.leaf_hashes(piece) {
        Ok(leaves) => shared.say(connection, &Message::Hashes(range, &leaves.concat())),
        Err(error) => log::warn!("leaf hashes of {piece}: {error}"),
    }
}

/// Takes HASHES: only if they are wanted, and only if they prove the piece's root.
pub fn on_hashes(shared: &Shared, connection: &Arc<Connection>, range: HashRange, hashes: &[u8]) {
    let torrent = &connection.torrent;
    let Some(piece) = piece_of(torrent, range) else { return };
    let wanted = torrent.picker.lock().wants_leaves(piece);
    let Some(PieceHash::V2 { root, leaves: padded }) =
        torrent.meta.piece_hash(piece).filter(|_| wanted)
    else {
        return;
    };
    let leaves: Vec<Sha256Hash> = hashes.as_chunks::<32>().0.to_vec();
    if merkle::root_of(&leaves, padded) != root {
        log::warn!("{}: its leaf hashes of {piece} are wrong", connection.who.address);
        return;
    }
    shared.decide(torrent, |swarm, now, out| swarm.on_leaves(now, piece, &leaves, out));
}
