//! A disk that failed: the torrent halts, is tried again by itself, and goes on.
//!
//! ```text
//! write fails -> trouble -> Halted: nothing more is asked for, what is here is served
//!                              |  the coordinator looks; a thread `disk` tries it
//!                              +--> works: Recovered, asked for again
//!                              +--> fails in another way: Failed, for people to mend
//! ```
//! What heals by itself is a full disk, a shortage of descriptors or memory, and a disk that broke
//! off or went read-only. Nothing that was verified before is asked for again, and nothing counts as
//! right that was not hashed after it was stored.

use crate::clock::Moment;
use crate::logic::swarm::Swarm;
use crate::node::settling::settle;
use crate::node::shared::{Shared, Torrent};
use crate::node::{Event, web_seed};
use crate::storage::StorageError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Builder;

impl Shared {
    /// The disk failed: nothing more is asked for, what is here is served, and people are told once.
    pub(super) fn trouble(&self, torrent: &Arc<Torrent>, error: StorageError) {
        torrent.picker.lock().stop_requesting();
        let now = self.clock.now();
        let is_news = !torrent.failed.swap(true, Ordering::AcqRel);
        if passes(torrent, &error) {
            if is_news {
                log::info!("{}: {error}", torrent.name);
                torrent.retry.lock().on_failed(now);
                self.tell(Event::Halted { torrent: torrent.clone(), error });
            }
        } else if torrent.retry.lock().on_given_up() || is_news {
            log::error!("{}: {error}", torrent.name);
            self.tell(Event::Failed { torrent: torrent.clone(), error });
        }
    }
}

/// Whether it may pass, and there is something to go on with: who has everything only reads, and
/// what cannot be read is for people to look at, unless it was for want of a descriptor.
fn passes(torrent: &Torrent, error: &StorageError) -> bool {
    error.is_shortage() || (error.is_passing() && !torrent.is_settled())
}

/// Tries a torrent's disk again, if that is due; nobody waits for it.
pub fn look_after(shared: &Arc<Shared>, torrent: &Arc<Torrent>, now: Moment) {
    if !torrent.failed.load(Ordering::Acquire) || !torrent.retry.lock().next_try(now) {
        return;
    }
    let (owned, of) = (shared.clone(), torrent.clone());
    let spawned = Builder::new().name("disk".into()).spawn(move || try_again(&owned, &of));
    if let Err(error) = spawned {
        log::warn!("{}: no thread to try the disk again: {error}", torrent.name);
        torrent.retry.lock().on_failed_again(now);
    }
}

fn try_again(shared: &Arc<Shared>, torrent: &Arc<Torrent>) {
    // What is still being stored must not meet what the try writes.
    let is_busy = torrent.picker.lock().is_writing();
    let tried = if is_busy { Ok(false) } else { torrent.storage.probe().map(|()| true) };
    let now = shared.clock.now();
    match tried {
        Ok(true) if settle(shared, torrent) && go_on(shared, torrent, now) => {
            log::info!("{}: the disk works again", torrent.name);
            shared.tell(Event::Recovered { torrent: torrent.clone() });
            web_seed::start(shared, torrent);
            let _ = shared.nudge.try_send(()); // one nudge is as good as two
        }
        Ok(_) => torrent.retry.lock().on_failed_again(now),
        Err(error) if passes(torrent, &error) => {
            log::debug!("{}: the disk still fails: {error}", torrent.name);
            torrent.retry.lock().on_failed_again(now);
        }
        Err(error) => {
            log::error!("{}: {error}", torrent.name);
            shared.tell(Event::Failed { torrent: torrent.clone(), error });
        }
    }
}

/// Asks for blocks again; false if the torrent was paused or taken out meanwhile.
fn go_on(shared: &Shared, torrent: &Arc<Torrent>, now: Moment) -> bool {
    shared.decide(torrent, |swarm: &mut Swarm, at, out| {
        // Whoever pauses it takes it out first, and stops the swarm under this lock.
        let is_in = torrent.stay.is_in();
        if is_in {
            torrent.retry.lock().on_well(now);
            torrent.failed.store(false, Ordering::Release);
            if torrent.storage.writes() {
                swarm.resume_requesting(at, out);
            }
        }
        is_in
    })
}
