//! What may be changed while a node runs: torrents are paused, go on and go, their files are checked
//! again, limits and places are given anew.
//!
//! ```text
//! in --pause--> out: nobody is connected, nothing is asked, trackers hear `stopped`
//!               |  settle: nothing is written any more -> the caller checks the files -> recheck
//! in <-resume---'  with its bitmap and the blocks of begun pieces
//! ```
//! Connections of a torrent that was paused may still be ending when it goes on. The swarm does not
//! know them any more, they count for nobody, and what they bring is thrown away.

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::logic::admission::surplus;
use crate::logic::swarm::Swarm;
use crate::node::resolving::Call;
use crate::node::shared::Connection;
use crate::node::{Node, Torrent, descriptors, has_fetched, web_seed};
use crossbeam_channel::after;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long is waited at most until nothing of a paused torrent is written.
const SETTLED: Duration = Duration::from_secs(2);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

impl Torrent {
    /// Waits until nothing of it is being written or hashed any more, once it is paused; two seconds
    /// at most, true if it is so. Only then may its files be checked.
    pub fn settle(&self) -> bool {
        let deadline = Instant::now() + SETTLED;
        while self.picker.lock().is_writing() {
            if Instant::now() >= deadline {
                return false;
            }
            let _ = after(LOOK).recv();
        }
        true
    }
}

impl Node {
    /// The node's time: the moments in what it tells are of this clock.
    pub fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    /// Pauses a torrent: connections end, nothing is asked, served or answered, and the trackers are
    /// told; what it has stays known. False if it is paused or removed already.
    pub fn pause(&self, torrent: &Torrent) -> bool {
        let mut removed = self.removed.lock();
        let Some(paused) = self.take_out(torrent, &mut removed) else { return false };
        let connections = torrent.connections();
        connections.iter().for_each(|c| c.leaving.store(true, Ordering::Release));
        {
            let mut picker = torrent.picker.lock();
            picker.pause(self.shared.clock.now());
            picker.lines.clear();
        }
        self.shared.let_go(&paused, &connections);
        self.announce();
        true
    }

    /// Lets a paused torrent go on where it stopped: the trackers are told, addresses that it was
    /// connected to are called again, and so are its web seeds. False if it is not paused, or if
    /// another torrent of this hash was added meanwhile.
    pub fn resume(&self, torrent: &Arc<Torrent>) -> bool {
        let mut removed = self.removed.lock();
        {
            let mut torrents = self.shared.torrents.lock();
            let is_taken = torrents.get(&torrent.info_hash).is_some();
            if is_taken || !torrent.stay.come_back() {
                return false;
            }
            torrents.insert(torrent);
        }
        removed.retain(|other| !Arc::ptr_eq(other, torrent));
        if !torrent.failed.load(Ordering::Acquire) && torrent.storage.writes() {
            self.shared.decide(torrent, Swarm::resume_requesting);
        }
        let _ = self.shared.settle.try_send(()); // it may have been paused just before it was done
        self.shared.limit_requests(torrent);
        let _ = self.resolving.try_send(Call::Added); // it looks at all of them
        self.announce();
        let _ = self.shared.nudge.try_send(()); // one nudge is as good as two
        web_seed::start(&self.shared, torrent);
        true
    }

    /// Takes a torrent out: it is served and fetched no more, and the trackers are told.
    pub fn remove(&self, torrent: &Torrent) {
        self.pause(torrent);
        self.shared.set_limits_of(torrent, None, None); // nobody waits for it any more
        self.shared.set_obeys_limits(torrent, true);
    }

    /// A removed torrent need not be made durable when the node stops: its owner sees to that, and
    /// its files are closed when its last user is gone.
    pub fn forget(&self, torrent: &Torrent) {
        self.removed.lock().retain(|other| !std::ptr::eq(Arc::as_ptr(other), torrent));
    }

    /// Takes a torrent off the list; `None` if it is not there.
    fn take_out(&self, torrent: &Torrent, removed: &mut Vec<Arc<Torrent>>) -> Option<Arc<Torrent>> {
        let out = {
            let mut torrents = self.shared.torrents.lock();
            torrent.stay.leave().then(|| torrents.remove(&torrent.info_hash))??
        };
        if has_fetched(torrent) {
            removed.push(out.clone());
        }
        Some(out)
    }

    /// The files of a paused torrent were checked ([`crate::storage::Storage::verify_all`]), and
    /// `have` was found right: that is what it has from now on. A disk that failed is tried anew.
    /// False, and nothing is changed, if it is not paused or something of it is still being written.
    pub fn recheck(&self, torrent: &Torrent, have: Bitfield) -> bool {
        let _one_at_a_time = self.removed.lock();
        if torrent.stay.is_in() || have.pieces() != torrent.geometry.pieces() {
            return false;
        }
        let mut peers = torrent.peers.lock();
        let mut picker = torrent.picker.lock();
        if picker.is_writing() {
            return false;
        }
        picker.on_checked(have);
        torrent.completed.store(picker.is_satisfied(), Ordering::Release);
        if !picker.is_satisfied() {
            peers.dialer.on_lacking(self.shared.clock.now());
        }
        torrent.failed.store(false, Ordering::Release);
        true
    }

    /// The node has so many connections at most from now on. If it has more, the youngest go.
    pub fn set_max_peers(&self, most: usize) {
        let most = most.min(descriptors::most_peers());
        self.shared.max_peers.store(most, Ordering::Release);
        let torrents = self.shared.torrents.lock().all();
        let there = torrents.iter().flat_map(|torrent| torrent.connections());
        self.let_surplus_go(there.collect(), most);
    }

    /// A torrent has so many connections at most from now on, and no more than there is room for in
    /// the node; `None` is no limit of its own. If it has more, the youngest go.
    pub fn set_torrent_max_peers(&self, torrent: &Torrent, most: Option<usize>) {
        let most = most.unwrap_or(usize::MAX);
        torrent.max_peers.store(most, Ordering::Release);
        self.let_surplus_go(torrent.connections(), most);
    }

    fn let_surplus_go(&self, mut there: Vec<Arc<Connection>>, most: usize) {
        there.retain(|connection| !connection.is_leaving());
        let go = surplus(there.iter().map(|c| (c.since, c.key)).collect(), most);
        for connection in there.iter().filter(|c| go.contains(&c.key)) {
            let torrent = &connection.torrent;
            if let Some(address) = connection.listens_at() {
                torrent.peers.lock().dialer.on_let_go(self.shared.clock.now(), address);
            }
            self.shared.let_go(torrent, std::slice::from_ref(connection));
        }
        let _ = self.shared.nudge.try_send(()); // there may be room for others
    }

    /// So many peers of a torrent are served at once from now on; fewer from the choker's next round.
    pub fn set_upload_slots(&self, torrent: &Arc<Torrent>, slots: usize) {
        self.shared.decide(torrent, |swarm, now, out| swarm.set_upload_slots(now, slots, out));
    }

    /// A torrent has these BitTorrent trackers from now on, in tiers (BEP 12): those that are gone hear
    /// `stopped`, and a new one that comes first is announced to at once. Native trackers stay.
    pub fn set_trackers(&self, torrent: &Torrent, tiers: Vec<Vec<String>>) {
        *torrent.tiers.lock() = tiers;
        let _ = self.resolving.try_send(Call::Added); // a private torrent may have named its first
        self.announce();
    }

    /// Asks the trackers of a torrent for peers, as soon as they allow it.
    pub fn reannounce(&self, torrent: &Torrent) {
        self.announcers.reannounce(torrent.info_hash);
        if let Some(hash) = torrent.info_hash.v2() {
            self.heartbeat.reannounce(hash);
        }
    }

    /// Whether the limits of [`Node::set_limits`] hold for a torrent, too. At first they do.
    pub fn set_obeys_limits(&self, torrent: &Torrent, obeys: bool) {
        self.shared.set_obeys_limits(torrent, obeys);
    }
}
