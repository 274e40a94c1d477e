//! Pieces that become right and are lost again while a file is made durable and gets its name: a
//! faithful copy of the protocol of `storage.rs` and `storage/stored.rs`, whose file lies on a disk.
//!
//! ```text
//! write    mark dirty, bytes, mark dirty        a sync between the first and the bytes takes nothing
//! right    set the piece's bit, one less left
//! sync     dirty? clear it, flush               who fails marks it dirty again
//! name     under the file's lock, and only if nothing is left
//! ```

use crate::check;
use crate::sync::Mutex;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use shuttle::thread;

const PIECES: u32 = 2;

/// One file of two pieces.
struct Stage {
    verified: AtomicU64,
    left: AtomicU32,
    dirty: AtomicBool,
    /// Held to write and to give the name: whether it has its name.
    named: Mutex<bool>,
    /// What the system has in memory, and what the disk has: a bit for each piece.
    cache: AtomicU64,
    disk: AtomicU64,
}

impl Stage {
    fn new() -> Self {
        Self {
            verified: AtomicU64::new(0),
            left: AtomicU32::new(PIECES),
            dirty: AtomicBool::new(false),
            named: Mutex::new(false),
            cache: AtomicU64::new(0),
            disk: AtomicU64::new(0),
        }
    }

    /// Whoever writes has the claim on the piece: nobody else writes or judges it.
    fn write(&self, piece: u32) {
        self.lost(piece);
        let mut named = self.named.lock();
        *named = false;
        self.dirty.store(true, Ordering::Relaxed);
        self.cache.fetch_or(1 << piece, Ordering::SeqCst);
        self.dirty.store(true, Ordering::Release);
    }

    fn right(&self, piece: u32) {
        assert!(!*self.named.lock(), "it has its name while a piece of it is being judged");
        if self.verified.fetch_or(1 << piece, Ordering::AcqRel) & (1 << piece) == 0 {
            self.left.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn lost(&self, piece: u32) {
        let bit = 1 << piece;
        let known = self.verified.load(Ordering::Acquire) & bit != 0;
        if known && self.verified.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
            self.left.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn sync(&self) {
        if self.dirty.swap(false, Ordering::AcqRel) {
            self.disk.fetch_or(self.cache.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }

    /// Gives it its name, if nothing is left to do.
    fn name(&self) {
        let mut named = self.named.lock();
        if self.left.load(Ordering::Acquire) == 0 && !self.dirty.load(Ordering::Acquire) {
            let all = (1 << PIECES) - 1;
            assert_eq!(self.disk.load(Ordering::SeqCst), all, "named before its bytes are durable");
            *named = true;
        }
    }

    fn settle(&self) {
        let claimed = self.verified.load(Ordering::Acquire);
        self.sync();
        let durable = self.disk.load(Ordering::SeqCst);
        assert_eq!(claimed & !durable, 0, "a piece is claimed that the disk does not have");
        self.name();
    }
}

#[test]
fn a_claim_is_durable_once_it_is_settled_and_a_name_comes_after_its_bytes() {
    check(|| {
        let stage = Arc::new(Stage::new());
        let workers: Vec<_> = (0..PIECES)
            .map(|piece| {
                let stage = stage.clone();
                thread::spawn(move || {
                    stage.write(piece);
                    stage.right(piece);
                    if piece == 1 {
                        stage.write(piece);
                        stage.right(piece);
                    }
                })
            })
            .collect();
        stage.settle();
        stage.settle();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(stage.left.load(Ordering::SeqCst), 0, "the count is what a recount gives");
        stage.settle();
        assert!(*stage.named.lock(), "a whole file has no name");
    });
}
