//! Somebody else was at a torrent's files, or its disk failed: what is lost, what is fetched again, and
//! who is told.
//!
//! ```text
//! to be written:  cut, replaced, removed -> Storage::mend -> what it lost is fetched again
//! to be served:   changed or unreadable  -> Storage::lose -> refused; fetched again, if it can be stored
//! neither:        the disk failed        -> nothing more is asked for, people are told once
//! ```

use crate::ids::PieceIndex;
use crate::node::Event;
use crate::node::shared::{Connection, Shared, Torrent};
use crate::protocol::message::Message;
use crate::storage::{Damage, StorageError};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Looks in a row that an error asked for, and that found nothing that somebody did to the files.
const MOST_IN_VAIN: u32 = 64;

impl Shared {
    /// Blocks of a torrent cannot be stored or judged: it asks for nothing more. What others did to
    /// its files is put right by the `settle` thread, and it goes on. If the disk failed it serves
    /// what it has; people are told once.
    pub fn disk_failed(&self, torrent: &Arc<Torrent>, error: StorageError) {
        if error.is_foreign() && torrent.storage.writes() {
            log::warn!("{}: {error}", torrent.name);
            torrent.picker.lock().stop_requesting();
            self.suspect(torrent);
            if torrent.in_vain.load(Ordering::Acquire) < MOST_IN_VAIN {
                return;
            }
        }
        self.trouble(torrent, error);
    }

    /// Somebody else seems to be at a torrent's files. To look takes long, and more stack than the
    /// thread of a connection has.
    fn suspect(&self, torrent: &Torrent) {
        if !torrent.suspected.swap(true, Ordering::AcqRel) {
            torrent.in_vain.fetch_add(1, Ordering::AcqRel);
        }
        let _ = self.settle.try_send(()); // one is as good as two
    }

    /// Looks at the files of a torrent that are suspected; then it goes on.
    pub fn look_at_suspects(&self, torrent: &Arc<Torrent>) {
        if torrent.suspected.swap(false, Ordering::AcqRel) {
            self.mend(torrent, true);
            self.decide(torrent, |swarm, now, out| {
                let failed = torrent.failed.load(Ordering::Acquire);
                if torrent.stay.is_in() && !failed && !self.is_stopping() {
                    swarm.resume_requesting(now, out);
                }
            });
        }
    }

    /// Puts right what others did to a torrent's files. Something is `suspected` when an error says so.
    pub fn mend(&self, torrent: &Arc<Torrent>, suspected: bool) {
        let damage = torrent.storage.mend(suspected);
        if !damage.is_none() && damage.trouble.is_none() {
            torrent.in_vain.store(0, Ordering::Release);
        }
        self.on_damage(torrent, damage);
    }

    /// The swarm and people hear what was found to be wrong.
    pub fn on_damage(&self, torrent: &Arc<Torrent>, damage: Damage) {
        let Damage { lost, doubtful, trouble } = damage;
        if !doubtful.is_empty() {
            self.decide(torrent, |swarm, now, out| swarm.on_doubt(now, &doubtful, out));
        }
        if !lost.is_empty() {
            torrent.doubted.store(true, Ordering::Release);
        }
        self.on_lost(torrent, &lost);
        if let Some(error) = trouble {
            self.trouble(torrent, error);
        }
    }

    /// A piece that is served cannot be read, or is not what it must be.
    pub fn content_lost(&self, torrent: &Arc<Torrent>, piece: PieceIndex, error: &StorageError) {
        log::warn!("{}: {piece}: {error}", torrent.name);
        if torrent.storage.writes() && error.is_foreign() {
            self.suspect(torrent);
        }
        self.on_lost(torrent, &torrent.storage.lose(piece));
        // What else of the file is wrong is found out before somebody asks for it.
        torrent.doubted.store(true, Ordering::Release);
        let _ = self.settle.try_send(()); // one is as good as two
    }

    /// Says that a piece is lost; a peer that has no number for that hears it from the next connection.
    pub(super) fn take_back(&self, connection: &Arc<Connection>, dont_have: &Message) {
        if connection.outbox.takes_losses() {
            self.say(connection, dont_have);
        } else {
            self.end(connection, &Message::Bye);
        }
    }

    /// These pieces are not right any more, as the storage says.
    pub(super) fn on_lost(&self, torrent: &Arc<Torrent>, lost: &[PieceIndex]) {
        if lost.is_empty() {
            return;
        }
        let again = torrent.storage.writes();
        let news = self.decide(torrent, |swarm, now, out| {
            if !again {
                swarm.stop_requesting(); // there is nowhere to store it
            }
            let news = swarm.on_lost(now, lost, again, out);
            torrent.completed.store(swarm.is_satisfied(), Ordering::Release);
            news
        });
        let Some(&first) = news.first() else { return };
        if again {
            torrent.peers.lock().dialer.on_lacking(self.clock.now());
        }
        let file = torrent.storage.file_of(first);
        self.tell(Event::Lost { torrent: torrent.clone(), pieces: news, file, again });
        let _ = self.nudge.try_send(()); // whoever has it is called at once
    }
}
