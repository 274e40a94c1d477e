//! The verifier: hashes pieces whose blocks are all stored, as many at once as wait.
//!
//! Hashing several pieces in one call fills the SIMD lanes, and doing it soon finds their bytes
//! still in cache. A piece that matches is set in the bitmap and told to the peers; one that does
//! not is wanted again, and its writers are brought to court.

use crate::ids::PieceIndex;
use crate::node::Event;
use crate::node::leaves::range_of;
use crate::node::shared::{Shared, Torrent, Written};
use crate::storage::StorageError;
use crossbeam_channel::{Receiver, select};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Pieces that may wait: enough to fill the lanes, few enough to be in cache. When it is full
/// the workers wait, stop reading, and TCP slows the senders.
pub const WAITING: usize = 16;

/// Pieces hashed in one call: as many as the widest kernel has lanes. They are as many only when
/// the verifier is behind, and then it is fastest.
const AT_ONCE: usize = 16;

/// Verifies until the node stops.
pub fn run(shared: &Shared, written: &Receiver<Written>) {
    loop {
        let (torrent, piece) = select! {
            recv(written) -> next => match next {
                Ok(next) => next,
                Err(_) => return,
            },
            recv(shared.stopped) -> _ => return,
        };
        let mut pieces = vec![piece];
        let mut other = None;
        while pieces.len() < AT_ONCE {
            match written.try_recv() {
                Ok((same, piece)) if Arc::ptr_eq(&same, &torrent) => pieces.push(piece),
                Ok(different) => {
                    other = Some(different);
                    break;
                }
                Err(_) => break,
            }
        }
        verify(shared, &torrent, &pieces);
        if let Some((torrent, piece)) = other {
            verify(shared, &torrent, &[piece]);
        }
    }
}

fn verify(shared: &Shared, torrent: &Arc<Torrent>, pieces: &[PieceIndex]) {
    if let Err(error) = judge(shared, torrent, pieces) {
        shared.disk_failed(torrent, error);
        let swarm = &mut torrent.picker.lock().swarm;
        pieces.iter().for_each(|&piece| swarm.on_not_judged(piece)); // those that have no verdict
    }
}

fn judge(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    pieces: &[PieceIndex],
) -> Result<(), StorageError> {
    let verdicts = torrent.storage.check(pieces)?;
    for (&piece, right) in pieces.iter().zip(verdicts) {
        if right {
            on_right(shared, torrent, piece)?;
        } else {
            on_wrong(shared, torrent, piece)?;
        }
    }
    Ok(())
}

fn on_right(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    piece: PieceIndex,
) -> Result<(), StorageError> {
    for path in torrent.storage.piece_is_verified(piece)? {
        log::info!("complete: {}", path.display());
    }
    shared.tell(Event::Piece { torrent: torrent.clone(), piece });
    let (satisfied, failed_before) = shared.decide(torrent, |swarm, now, out| {
        swarm.on_verified(now, piece, out);
        (swarm.is_satisfied(), swarm.wants_leaves(piece))
    });
    if failed_before {
        // Nobody could say then whose blocks were wrong: now it can be seen.
        let leaves = torrent.storage.leaf_hashes(piece)?;
        shared.decide(torrent, |swarm, now, out| swarm.on_leaves(now, piece, &leaves, out));
    }
    if satisfied {
        let _ = shared.nudge.try_send(()); // the trackers are told at once
    }
    Ok(())
}

fn on_wrong(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    piece: PieceIndex,
) -> Result<(), StorageError> {
    let range = range_of(torrent, piece);
    let found = torrent.storage.leaf_hashes(piece)?;
    shared.tell(Event::VerifyFailed { torrent: torrent.clone(), piece });
    shared.decide(torrent, |swarm, now, out| swarm.on_failed(now, piece, found, range, out));
    Ok(())
}

impl Shared {
    /// The disk failed a torrent: it asks for nothing more, serves what it has, and people are
    /// told once.
    pub fn disk_failed(&self, torrent: &Arc<Torrent>, error: StorageError) {
        torrent.picker.lock().stop_requesting();
        if !torrent.failed.swap(true, Ordering::AcqRel) {
            log::error!("{}: {error}", torrent.name);
            self.tell(Event::Failed { torrent: torrent.clone(), error });
        }
    }
}
