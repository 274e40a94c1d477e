//! The `settle` thread: what was fetched goes to the disk, whole files get their names, and only then
//! is a download called complete.
//!
//! The disk is waited for here and nowhere else: pieces are judged and asked for meanwhile. Nothing
//! that was fetched is more than half a minute or [`CHECKPOINT`] away from the disk, so that the last
//! wait is short.

use crate::ids::PieceIndex;
use crate::node::shared::{Shared, Torrent};
use crate::node::{Event, web_seed};
use crossbeam_channel::{Receiver, select};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Bytes after which what was fetched goes to the disk.
pub const CHECKPOINT: u64 = 256 << 20;

/// After so long it does in any case, and files are looked at that somebody else may have changed.
const EVERY: Duration = Duration::from_secs(30);

/// How often whole files of torrents that are not whole get their names: each time is a look at all
/// files.
const TICK: Duration = Duration::from_secs(1);

/// Settles until the node stops.
pub fn run(shared: &Arc<Shared>, wanted: &Receiver<()>) {
    let mut next = Instant::now() + EVERY;
    loop {
        select! {
            recv(wanted) -> _ => {}
            recv(shared.stopped) -> _ => return,
            default(TICK) => {}
        }
        let is_time = Instant::now() >= next;
        if is_time {
            next = Instant::now() + EVERY;
        }
        let torrents = shared.torrents.lock().all();
        for torrent in torrents.iter().filter(|torrent| is_time || has_work(torrent)) {
            if shared.is_stopping() {
                return; // who stops the node sees to it
            }
            let _ = settle(shared, torrent); // it is tried again
        }
    }
}

fn has_work(torrent: &Torrent) -> bool {
    let is_set = |flag: &std::sync::atomic::AtomicBool| flag.load(Ordering::Acquire);
    is_set(&torrent.unsettled)
        || is_set(&torrent.has_whole_files)
        || is_set(&torrent.doubted)
        || is_set(&torrent.suspected)
        || torrent.storage.unsynced() >= CHECKPOINT
}

/// Brings a torrent to the disk; true if all of it is there.
pub fn settle(shared: &Arc<Shared>, torrent: &Arc<Torrent>) -> bool {
    torrent.has_whole_files.store(false, Ordering::Release);
    shared.look_at_suspects(torrent);
    let was_complete = torrent.unsettled.load(Ordering::Acquire);
    let settled = torrent.storage.settle(&|| !shared.is_stopping());
    for path in &settled.named {
        log::info!("complete: {}", path.display());
    }
    let all = settled.all && settled.damage.trouble.is_none();
    shared.on_damage(torrent, settled.damage);
    if torrent.doubted.swap(false, Ordering::AcqRel) {
        check_again(shared, torrent);
        if torrent.storage.writes() && torrent.stay.is_in() {
            web_seed::start(shared, torrent); // they ended when nothing was missing
        }
    }
    if !was_complete || !settled.all {
        return all;
    }
    let is_news = {
        let (picker, storage) = (torrent.picker.lock(), &torrent.storage);
        // What was lost in this very moment the swarm hears of soon.
        let is_right = |piece| !storage.writes() || storage.is_verified(piece);
        picker.is_satisfied()
            && picker.have().iter().all(is_right)
            && torrent.unsettled.swap(false, Ordering::AcqRel)
    };
    if is_news {
        shared.tell(Event::Complete { torrent: torrent.clone() });
    }
    all
}

/// Hashes what is served of files that were changed.
fn check_again(shared: &Shared, torrent: &Arc<Torrent>) {
    let have: Vec<PieceIndex> = torrent.have().iter().collect();
    for piece in have.into_iter().filter(|&piece| !torrent.storage.is_vouched(piece)) {
        if shared.is_stopping() || !torrent.stay.is_in() {
            return;
        }
        if let Err(error) = torrent.storage.vouch(piece) {
            shared.content_lost(torrent, piece, &error);
            torrent.doubted.store(false, Ordering::Release); // this is that
        }
    }
}
