//! The limits of a node: bytes per second sent and received, over all torrents and of each.
//!
//! Whoever sends asks [`UpLimits`], and is a connection without a thread while it waits: the
//! `writable` thread brings it back with what it may send. Whoever receives is a thread of its
//! own and waits in a [`DownLimit`], first that of its torrent, then that of the node. Both can be
//! changed at any time, which whoever waits notices at once. Where there is no limit nothing is
//! locked. The rules are in [`crate::logic::shares`] and [`crate::logic::limiter`].

use crate::clock::Moment;
use crate::ids::InfoHash;
use crate::logic::PeerKey;
use crate::logic::limiter::Limiter;
use crate::logic::shares::{Shares, Want};
use crate::node::shared::{Connection, Shared, Torrent};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// With an upload limit frames are cut so that one is at most this share of a second: control
/// messages need not wait longer for it.
const FRAMES_PER_SECOND: u64 = 20;

/// The upload limits, and the connections that wait for them.
pub struct UpLimits {
    /// Whether there is any.
    limited: AtomicBool,
    line: Mutex<Line>,
}

struct Line {
    shares: Shares,
    waiting: HashMap<PeerKey, Arc<Connection>>,
}

impl UpLimits {
    /// At most `rate` bytes per second over all torrents; `None` is no limit.
    pub fn new(rate: Option<u64>) -> Self {
        let line = Line { shares: Shares::new(rate), waiting: HashMap::new() };
        Self { limited: AtomicBool::new(rate.is_some()), line: Mutex::new(line) }
    }

    /// The longest frame that should be sent of a torrent.
    pub fn longest_frame(&self, torrent: &InfoHash) -> u32 {
        if !self.limited.load(Ordering::Acquire) {
            return u32::MAX;
        }
        let rate = self.line.lock().shares.rate_of(torrent);
        rate.map_or(u32::MAX, |rate| (rate / FRAMES_PER_SECOND).min(u32::MAX.into()) as u32)
    }

    /// How much of a frame of which `length` bytes are left a connection may send now. If nothing,
    /// it waits here; the `writable` thread should be told.
    pub fn ask(&self, now: Moment, who: &Arc<Connection>, length: u64, begun: bool) -> u64 {
        if !self.limited.load(Ordering::Acquire) {
            return length;
        }
        let weight = who.outbox.weight.load(Ordering::Relaxed);
        let want = Want { peer: who.key, torrent: who.torrent.info_hash, weight, length, begun };
        let mut line = self.line.lock();
        let granted = line.shares.on_want(now, want);
        if granted == 0 {
            line.waiting.insert(who.key, who.clone());
        }
        granted
    }

    /// Takes a connection back that waits here; true if it was there.
    pub fn take_back(&self, connection: &Connection) -> bool {
        let mut line = self.line.lock();
        line.shares.on_gone(connection.key);
        line.waiting.remove(&connection.key).is_some()
    }

    /// Bytes that a connection might have sent and did not. True if others wait for them; the
    /// `writable` thread should be told.
    pub fn give_back(&self, connection: &Connection, bytes: u64) -> bool {
        if !self.limited.load(Ordering::Acquire) {
            return false;
        }
        let mut line = self.line.lock();
        line.shares.on_unsent(&connection.torrent.info_hash, bytes);
        !line.waiting.is_empty()
    }

    /// The connections that may send something now, which their outboxes know, and when to ask
    /// again.
    pub fn next(&self, now: Moment) -> (Vec<Arc<Connection>>, Option<Moment>) {
        let mut line = self.line.lock();
        let mut awake = Vec::new();
        while let Some((peer, bytes)) = line.shares.next_grant(now) {
            if let Some(connection) = line.waiting.remove(&peer) {
                connection.outbox.grant(bytes);
                awake.push(connection);
            }
        }
        (awake, line.shares.deadline())
    }

    fn change(&self, change: impl FnOnce(&mut Shares)) {
        let mut line = self.line.lock();
        change(&mut line.shares);
        self.limited.store(line.shares.is_limited(), Ordering::Release);
    }
}

/// A download limit, and the threads that wait for it, one behind the other.
pub struct DownLimit {
    /// Whether there is one.
    limited: AtomicBool,
    /// Held by whoever is next, while it waits; it goes to who waits longest.
    turn: Mutex<()>,
    limiter: Mutex<Limiter>,
    /// The limit was changed, or the node stops.
    changed: Condvar,
}

impl DownLimit {
    /// At most `rate` bytes per second; `None` is no limit.
    pub fn new(rate: Option<u64>) -> Self {
        Self {
            limited: AtomicBool::new(rate.is_some()),
            turn: Mutex::default(),
            limiter: Mutex::new(Limiter::new(rate)),
            changed: Condvar::new(),
        }
    }

    /// The limit in bytes per second.
    pub fn rate(&self) -> Option<u64> {
        self.limiter.lock().rate()
    }

    /// Wakes whoever waits.
    pub fn wake(&self) {
        let _limiter = self.limiter.lock(); // nobody is between looking and waiting
        self.changed.notify_all();
    }

    fn set(&self, now: Moment, rate: Option<u64>) {
        self.limiter.lock().set_rate(now, rate);
        self.limited.store(rate.is_some(), Ordering::Release);
        self.changed.notify_all();
    }

    fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Acquire)
    }

    /// Waits until bytes may come, and says how many of `most`; none when the node stops, or once
    /// it `is_over` for whoever waits.
    fn take(&self, shared: &Shared, most: u64, is_over: &dyn Fn() -> bool) -> u64 {
        if !self.is_limited() {
            return most;
        }
        let turn = self.turn.lock();
        let mut limiter = self.limiter.lock();
        while !shared.is_stopping() && !is_over() {
            let (now, due) = (shared.clock.now(), limiter.next_due());
            if due <= now {
                let bytes = most.min(limiter.quantum());
                limiter.take(now, bytes);
                drop(limiter);
                MutexGuard::unlock_fair(turn);
                return bytes;
            }
            self.changed.wait_until(&mut limiter, shared.clock.instant(due));
        }
        0
    }

    fn give_back(&self, bytes: u64) {
        if bytes > 0 && self.is_limited() {
            self.limiter.lock().give_back(bytes);
        }
    }
}

impl Shared {
    /// Changes the limits of all torrents together.
    pub fn set_limits(&self, up: Option<u64>, down: Option<u64>) {
        let now = self.clock.now();
        self.up_limits.change(|shares| shares.set_rate(now, up));
        self.parked.wake();
        self.down_limit.set(now, down);
        let torrents = self.torrents.lock().all();
        torrents.iter().for_each(|torrent| self.limit_requests(torrent));
    }

    /// Changes the limits of one torrent.
    pub fn set_limits_of(&self, torrent: &Torrent, up: Option<u64>, down: Option<u64>) {
        let now = self.clock.now();
        self.up_limits.change(|shares| shares.set_rate_of(now, torrent.info_hash, up));
        self.parked.wake();
        torrent.down_limit.set(now, down);
        self.limit_requests(torrent);
    }

    /// No more is asked for than the download limits let in soon.
    pub fn limit_requests(&self, torrent: &Torrent) {
        let mut picker = torrent.picker.lock(); // whoever is last sees all that was changed
        let common = self.common_of(torrent).and_then(DownLimit::rate);
        picker.set_down_limit(common.into_iter().chain(torrent.down_limit.rate()).min());
    }

    /// Whether the limits of all torrents hold for this one, too.
    pub fn set_obeys_limits(&self, torrent: &Torrent, obeys: bool) {
        torrent.obeys_limits.store(obeys, Ordering::Release);
        self.up_limits.change(|shares| shares.set_obeys(torrent.info_hash, obeys));
        self.parked.wake();
        self.down_limit.wake();
        self.limit_requests(torrent);
    }

    /// The download limit of all torrents, if it holds for this one.
    fn common_of(&self, torrent: &Torrent) -> Option<&DownLimit> {
        torrent.obeys_limits.load(Ordering::Acquire).then_some(&self.down_limit)
    }

    /// Whether anything limits what a torrent receives.
    pub fn is_down_limited(&self, torrent: &Torrent) -> bool {
        let common = self.common_of(torrent).is_some_and(DownLimit::is_limited);
        common || torrent.down_limit.is_limited()
    }

    /// Waits until bytes of a torrent may be received, and says how many of `most`; none when the
    /// node stops, or once it `is_over` for whoever waits. The torrent's limit comes first, so that
    /// it holds nothing of the common one.
    pub fn may_receive(&self, torrent: &Torrent, most: usize, is_over: &dyn Fn() -> bool) -> usize {
        let own = torrent.down_limit.take(self, most as u64, is_over);
        let bytes = match self.common_of(torrent) {
            Some(common) if own > 0 => {
                let may_pass = || is_over() || self.common_of(torrent).is_none();
                common.take(self, own, &may_pass)
            }
            _ => own,
        };
        torrent.down_limit.give_back(own - bytes);
        bytes as usize
    }

    /// Bytes that might have been received and were not.
    pub fn not_received(&self, torrent: &Torrent, bytes: usize) {
        torrent.down_limit.give_back(bytes as u64);
        if let Some(common) = self.common_of(torrent) {
            common.give_back(bytes as u64);
        }
    }
}

#[cfg(test)]
impl UpLimits {
    /// How many connections wait.
    pub fn waiting(&self) -> usize {
        self.line.lock().waiting.len()
    }
}

#[cfg(test)]
impl DownLimit {
    /// When it lets the next bytes in.
    pub fn next_due(&self) -> Moment {
        self.limiter.lock().next_due()
    }
}
