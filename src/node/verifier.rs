//! The verifier: hashes pieces whose blocks are all stored, as many at once as wait.
//!
//! Hashing several pieces in one call fills the SIMD lanes, and doing it soon finds their bytes
//! still in cache. A piece that matches is set in the bitmap and told to the peers; one that does
//! not is wanted again, and its writers are brought to court.

use crate::ids::PieceIndex;
use crate::node::Event;
use crate::node::leaves::range_of;
use crate::node::settling::CHECKPOINT;
use crate::node::shared::{Shared, Torrent, Written};
use crate::storage::{Judged, StorageError};
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
        let mut taken = Taken { torrent, pieces: vec![piece] };
        let mut other = None;
        while taken.pieces.len() < AT_ONCE {
            match written.try_recv() {
                Ok((same, piece)) if Arc::ptr_eq(&same, &taken.torrent) => taken.pieces.push(piece),
                Ok((torrent, piece)) => {
                    other = Some(Taken { torrent, pieces: vec![piece] });
                    break;
                }
                Err(_) => break,
            }
        }
        taken.verify(shared);
        if let Some(other) = other {
            other.verify(shared);
        }
    }
}

/// Pieces that the verifier has in hand. When it panics they are fetched again: nobody else would
/// judge them.
struct Taken {
    torrent: Arc<Torrent>,
    pieces: Vec<PieceIndex>,
}

impl Taken {
    fn verify(self, shared: &Shared) {
        if let Err(error) = judge(shared, &self.torrent, &self.pieces) {
            self.give_back();
            shared.disk_failed(&self.torrent, error);
        }
    }

    /// Those of them that have no verdict.
    fn give_back(&self) {
        let swarm = &mut self.torrent.picker.lock().swarm;
        self.pieces.iter().for_each(|&piece| swarm.on_not_judged(piece));
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.give_back();
        }
    }
}

fn judge(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    pieces: &[PieceIndex],
) -> Result<(), StorageError> {
    shared.guard.point("verify");
    let Judged { right, whole } = torrent.storage.judge(pieces)?;
    if whole {
        torrent.has_whole_files.store(true, Ordering::Release);
    }
    if torrent.storage.unsynced() >= CHECKPOINT {
        let _ = shared.settle.try_send(()); // one is as good as two
    }
    for (&piece, right) in pieces.iter().zip(right) {
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
    torrent.in_vain.store(0, Ordering::Release);
    shared.tell(Event::Piece { torrent: torrent.clone(), piece });
    let (satisfied, failed_before) = shared.decide(torrent, |swarm, now, out| {
        swarm.on_verified(now, piece, out);
        (swarm.is_satisfied(), swarm.wants_leaves(piece))
    });
    if !torrent.storage.is_verified(piece) {
        // Somebody else was at the file between its hash and this word.
        shared.on_lost(torrent, &[piece]);
        return Ok(());
    }
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
    // If somebody else was at the file, no peer is blamed for it.
    shared.mend(torrent, false);
    if torrent.storage.was_opened(piece) {
        shared.decide(torrent, |swarm, now, out| {
            swarm.on_doubt(now, std::slice::from_ref(&(piece.0..piece.0 + 1)), out);
        });
    }
    let range = range_of(torrent, piece);
    let found = torrent.storage.leaf_hashes(piece)?;
    shared.tell(Event::VerifyFailed { torrent: torrent.clone(), piece });
    shared.decide(torrent, |swarm, now, out| swarm.on_failed(now, piece, found, range, out));
    Ok(())
}
