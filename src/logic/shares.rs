//! Whose bytes go next under the upload limits: fair shares by weight.
//!
//! Whoever has a frame to send wants it here, and is granted a quantum of it at a time. The order
//! is start-time fair queuing (Goyal, Vin and Cheng 1996): a frame starts in *virtual time* where
//! its sender's last one ended, or now if that is past, and lasts its length divided by its
//! sender's weight; the earliest start goes first, and is then what "now" means.
//!
//! ```text
//! Ann, weight 2   |  frame  |  frame  |  frame  |         Ann is granted two
//! Ben, weight 1   |       frame       |       frame       |    for each of Ben's
//!                 ------------------------------------->  virtual time
//! ```
//! Whoever wanted nothing for a while earned nothing by it. A frame that was begun goes before
//! all that were not, so that it is soon whole, and control messages can follow it.
//!
//! Bytes go when the limit of their torrent and that of all torrents are due; they are taken from
//! both at once, so that a slow torrent never holds what others might send.

use crate::clock::Moment;
use crate::ids::InfoHash;
use crate::logic::PeerKey;
use crate::logic::choker::EQUAL;
use crate::logic::limiter::Limiter;
use std::collections::{HashMap, HashSet};

/// Weights beyond these are taken for these.
const WEIGHTS: (u32, u32) = (100, 10_000);

/// A frame, or what is left of one, that somebody wants to send.
#[derive(Debug, Clone, Copy)]
pub struct Want {
    /// Who wants to send it.
    pub peer: PeerKey,
    /// What it is a part of.
    pub torrent: InfoHash,
    /// Its sender's share, in thousandths of a common one.
    pub weight: u32,
    /// Bytes that are left of it; at least one.
    pub length: u64,
    /// Whether some of it was sent.
    pub begun: bool,
}

/// A want and where it starts in virtual time.
#[derive(Debug)]
struct Waiting {
    want: Want,
    start: u64,
}

/// The upload limits, and who waits for them.
#[derive(Debug)]
pub struct Shares {
    all: Limiter,
    /// The torrents that have a limit of their own.
    of: HashMap<InfoHash, Limiter>,
    /// The torrents that the limit of all does not hold for.
    free: HashSet<InfoHash>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    /// Where the last frame that was begun starts in virtual time.
    virtual_now: u64,
    /// Where each sender's last frame ends there, if that is still to come.
    ends: HashMap<PeerKey, u64>,
}

impl Shares {
    /// At most so many bytes per second over all torrents; `None` is no limit.
    pub fn new(rate: Option<u64>) -> Self {
        Self {
            all: Limiter::new(rate),
            of: HashMap::new(),
            free: HashSet::new(),
            waiting: Vec::new(),
            virtual_now: 0,
            ends: HashMap::new(),
        }
    }

    /// Changes the limit of all torrents together.
    pub fn set_rate(&mut self, now: Moment, rate: Option<u64>) {
        self.all.set_rate(now, rate);
    }

    /// Changes the limit of one torrent.
    pub fn set_rate_of(&mut self, now: Moment, torrent: InfoHash, rate: Option<u64>) {
        if rate.is_some() {
            let limiter = self.of.entry(torrent).or_insert_with(|| Limiter::new(None));
            limiter.set_rate(now, rate);
        } else {
            self.of.remove(&torrent);
        }
    }

    /// Whether the limit of all torrents holds for this one, too; at first it does.
    pub fn set_obeys(&mut self, torrent: InfoHash, obeys: bool) {
        if obeys {
            self.free.remove(&torrent);
        } else {
            self.free.insert(torrent);
        }
    }

    /// Whether there is any limit.
    pub fn is_limited(&self) -> bool {
        self.all.rate().is_some() || !self.of.is_empty()
    }

    /// The lowest of the limits that hold for a torrent.
    pub fn rate_of(&self, torrent: &InfoHash) -> Option<u64> {
        let own = self.of.get(torrent).and_then(Limiter::rate);
        let all = self.all.rate().filter(|_| !self.free.contains(torrent));
        all.into_iter().chain(own).min()
    }

    /// Somebody wants to send a frame. Says how much of it may go now; zero when it must wait,
    /// until [`Shares::next_grant`] names it.
    pub fn on_want(&mut self, now: Moment, want: Want) -> u64 {
        if self.rate_of(&want.torrent).is_none() {
            return want.length;
        }
        let end = self.ends.get(&want.peer).copied().unwrap_or(0);
        self.waiting.push(Waiting { want, start: self.virtual_now.max(end) });
        let last = self.waiting.len() - 1;
        if self.first_due(now) == Some(last) { self.grant(now, last) } else { 0 }
    }

    /// Somebody who waits has something else to do first, or is gone.
    pub fn on_gone(&mut self, peer: PeerKey) {
        self.waiting.retain(|waiting| waiting.want.peer != peer);
    }

    /// Bytes that were granted were not sent.
    pub fn on_unsent(&mut self, torrent: &InfoHash, bytes: u64) {
        if !self.free.contains(torrent) {
            self.all.give_back(bytes);
        }
        if let Some(own) = self.of.get_mut(torrent) {
            own.give_back(bytes);
        }
    }

    /// Who of those that wait may send now, and how many bytes.
    pub fn next_grant(&mut self, now: Moment) -> Option<(PeerKey, u64)> {
        let first = self.first_due(now)?;
        let peer = self.waiting[first].want.peer;
        Some((peer, self.grant(now, first)))
    }

    /// When the next of those that wait may send.
    pub fn deadline(&self) -> Option<Moment> {
        self.waiting.iter().map(|waiting| self.due(&waiting.want.torrent)).min()
    }

    fn due(&self, torrent: &InfoHash) -> Moment {
        let own = self.of.get(torrent).map_or(Moment::START, Limiter::next_due);
        if self.free.contains(torrent) { own } else { self.all.next_due().max(own) }
    }

    /// Of those that are due: what was begun, then the earliest start, then who came first.
    fn first_due(&self, now: Moment) -> Option<usize> {
        let due = self.waiting.iter().enumerate();
        let due = due.filter(|(_, waiting)| self.due(&waiting.want.torrent) <= now);
        due.min_by_key(|(_, waiting)| (!waiting.want.begun, waiting.start)).map(|(nth, _)| nth)
    }

    fn grant(&mut self, now: Moment, nth: usize) -> u64 {
        let Waiting { want, start } = self.waiting.remove(nth);
        let own = self.of.get_mut(&want.torrent);
        let quantum = own.as_ref().map_or(u64::MAX, |own| own.quantum());
        let obeys = !self.free.contains(&want.torrent);
        let common = if obeys { self.all.quantum() } else { u64::MAX };
        let bytes = want.length.min(quantum).min(common);
        if obeys {
            self.all.take(now, bytes);
        }
        if let Some(own) = own {
            own.take(now, bytes);
        }
        if !want.begun {
            let weight = want.weight.clamp(WEIGHTS.0, WEIGHTS.1);
            let lasts = want.length * u64::from(EQUAL) / u64::from(weight);
            self.virtual_now = self.virtual_now.max(start);
            self.ends.insert(want.peer, start + lasts);
            self.ends.retain(|_, end| *end > self.virtual_now);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::InfoHashV1;
    use std::time::Duration;

    const FRAME: u64 = 16_384;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    fn torrent(n: u8) -> InfoHash {
        InfoHash::V1(InfoHashV1([n; 20]))
    }

    /// Somebody who always has a frame to send.
    struct Sender {
        want: Want,
        sent: u64,
    }

    /// A number of senders under one roof.
    struct Stage {
        shares: Shares,
        senders: Vec<Sender>,
        now: Moment,
    }

    impl Stage {
        /// Senders of these torrents and weights.
        fn new(rate: Option<u64>, senders: &[(u8, u32)]) -> Self {
            let sender = |(n, &(of, weight)): (usize, &(u8, u32))| Sender {
                want: Want {
                    peer: PeerKey(n as u64),
                    torrent: torrent(of),
                    weight,
                    length: FRAME,
                    begun: false,
                },
                sent: 0,
            };
            let senders = senders.iter().enumerate().map(sender).collect();
            Self { shares: Shares::new(rate), senders, now: at(0) }
        }

        /// Sends what was granted, and wants the next until it is to wait.
        fn on_granted(&mut self, nth: usize, mut bytes: u64) {
            while bytes > 0 {
                let sender = &mut self.senders[nth];
                sender.sent += bytes;
                let left = sender.want.length - bytes;
                sender.want.begun = left > 0;
                sender.want.length = if left > 0 { left } else { FRAME };
                bytes = self.shares.on_want(self.now, sender.want);
            }
        }

        fn start(&mut self, nth: usize) {
            let bytes = self.shares.on_want(self.now, self.senders[nth].want);
            self.on_granted(nth, bytes);
        }

        fn run(&mut self, until: Moment) {
            while let Some(due) = self.shares.deadline().filter(|due| *due < until) {
                self.now = self.now.max(due);
                while let Some((peer, bytes)) = self.shares.next_grant(self.now) {
                    self.on_granted(peer.0 as usize, bytes);
                }
            }
            self.now = until;
        }

        fn start_all(&mut self) {
            (0..self.senders.len()).for_each(|nth| self.start(nth));
        }

        fn sent(&self) -> Vec<u64> {
            self.senders.iter().map(|sender| sender.sent).collect()
        }
    }

    fn check_near(what: &str, is: u64, should: f64, error: f64) {
        let off = (is as f64 - should).abs() / should;
        assert!(off <= error, "{what}: {is} and not {should}");
    }

    #[test]
    fn takers_that_ask_in_turn_get_equal_shares() {
        let mut stage = Stage::new(Some(1_000_000), &[(1, EQUAL); 8]);
        stage.start_all();
        stage.run(at(10_000));
        let sent = stage.sent();
        let (least, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
        assert!(most - least <= FRAME, "{sent:?}");
        check_near("all", sent.iter().sum(), 10_000_000.0, 0.002);
    }

    #[test]
    fn shares_are_as_large_as_weights() {
        let weights = [100, 500, 1000, 3000, 10_000];
        let mut stage = Stage::new(Some(1_000_000), &weights.map(|weight| (1, weight)));
        stage.start_all();
        stage.run(at(100_000));
        for (weight, sent) in weights.iter().zip(stage.sent()) {
            let share = 100_000_000.0 * f64::from(*weight) / 14_600.0;
            check_near(&format!("weight {weight}"), sent, share, 0.03);
        }
    }

    #[test]
    fn a_weight_beyond_the_bounds_neither_starves_nor_takes_all() {
        let mut stage = Stage::new(Some(1_000_000), &[(1, 0), (1, u32::MAX)]);
        stage.start_all();
        stage.run(at(100_000));
        check_near("weight 0", stage.sent()[0], 100_000_000.0 / 101.0, 0.03);
    }

    #[test]
    fn whoever_wanted_nothing_for_a_while_earned_nothing_by_it() {
        let mut stage = Stage::new(Some(1_000_000), &[(1, EQUAL); 2]);
        stage.start(0);
        stage.run(at(10_000));
        stage.start(1);
        let before = stage.sent();
        stage.run(at(12_000));
        check_near("who came late", stage.sent()[1], 1_000_000.0, 0.02);
        check_near("who was there", stage.sent()[0] - before[0], 1_000_000.0, 0.02);
    }

    #[test]
    fn a_slow_torrent_holds_nothing_of_what_others_may_send() {
        let mut stage = Stage::new(Some(1_000_000), &[(1, 1000), (1, 1000), (1, 1000), (2, 1000)]);
        stage.shares.set_rate_of(at(0), torrent(1), Some(30_000));
        stage.start_all();
        stage.run(at(20_000));
        let sent = stage.sent();
        // It may wait for a frame of the other one before one of its own begins.
        check_near("the slow torrent", sent[..3].iter().sum(), 600_000.0, 0.01);
        check_near("both", sent.iter().sum(), 20_000_000.0, 0.002);
    }

    #[test]
    fn a_torrents_limit_holds_without_one_for_all_and_concerns_no_other() {
        let mut shares = Shares::new(None);
        shares.set_rate_of(at(0), torrent(1), Some(100_000));
        let want = |peer, of| Want {
            peer: PeerKey(peer),
            torrent: torrent(of),
            weight: EQUAL,
            length: FRAME,
            begun: false,
        };
        assert_eq!(shares.on_want(at(0), want(1, 1)), 1000);
        assert_eq!(shares.on_want(at(0), want(2, 1)), 0);
        assert_eq!(shares.on_want(at(0), want(3, 2)), FRAME, "it has no limit");
        assert_eq!(shares.deadline(), Some(at(10)));
        assert_eq!(shares.next_grant(at(9)), None);
        assert_eq!(shares.on_want(at(10), want(4, 2)), FRAME, "whoever is due");
        assert_eq!(shares.next_grant(at(10)), Some((PeerKey(2), 1000)));
        assert!(shares.is_limited());
        shares.set_rate_of(at(10), torrent(1), None);
        assert_eq!(shares.on_want(at(10), want(5, 1)), FRAME);
        assert!(!shares.is_limited());
    }

    #[test]
    fn a_torrent_that_the_common_limit_does_not_hold_for_keeps_to_its_own() {
        let mut stage = Stage::new(Some(1_000_000), &[(1, EQUAL), (2, EQUAL)]);
        stage.shares.set_obeys(torrent(1), false);
        assert_eq!(stage.shares.rate_of(&torrent(1)), None);
        stage.shares.set_rate_of(at(0), torrent(1), Some(3_000_000));
        stage.start_all();
        stage.run(at(10_000));
        check_near("the free one", stage.sent()[0], 30_000_000.0, 0.01);
        check_near("the other", stage.sent()[1], 10_000_000.0, 0.01);
        stage.shares.set_obeys(torrent(1), true);
        let before = stage.sent();
        stage.run(at(20_000));
        let both = stage.sent().iter().sum::<u64>() - before.iter().sum::<u64>();
        check_near("both", both, 10_000_000.0, 0.01);
    }

    #[test]
    fn a_frame_that_was_begun_is_finished_first() {
        let mut stage = Stage::new(Some(20_000), &[(1, EQUAL); 3]);
        stage.start_all();
        stage.run(at(800));
        assert_eq!(stage.sent(), [16_000, 0, 0]);
        stage.run(at(1600));
        assert_eq!(stage.sent(), [FRAME, 79 * 200, 0]);
    }

    #[test]
    fn what_was_not_sent_is_granted_to_the_next() {
        let mut stage = Stage::new(Some(100_000), &[(1, EQUAL); 2]);
        assert_eq!(stage.shares.on_want(at(0), stage.senders[0].want), 1000);
        assert_eq!(stage.shares.on_want(at(0), stage.senders[1].want), 0);
        stage.shares.on_unsent(&torrent(1), 1000);
        assert_eq!(stage.shares.next_grant(at(0)), Some((PeerKey(1), 1000)));
    }

    #[test]
    fn what_was_not_sent_is_given_back_to_its_torrent_too() {
        let mut stage = Stage::new(None, &[(1, EQUAL)]);
        stage.shares.set_rate_of(at(0), torrent(1), Some(100_000));
        assert_eq!(stage.shares.on_want(at(0), stage.senders[0].want), 1000);
        stage.shares.on_unsent(&torrent(1), 1000);
        assert_eq!(stage.shares.on_want(at(0), stage.senders[0].want), 1000);
    }

    #[test]
    fn who_comes_when_it_is_the_turn_of_another_waits() {
        let mut stage = Stage::new(Some(100_000), &[(1, EQUAL); 3]);
        assert_eq!(stage.shares.on_want(at(0), stage.senders[0].want), 1000);
        assert_eq!(stage.shares.on_want(at(0), stage.senders[1].want), 0);
        assert_eq!(stage.shares.on_want(at(10), stage.senders[2].want), 0);
        assert_eq!(stage.shares.next_grant(at(10)), Some((PeerKey(1), 1000)));
        assert_eq!(stage.shares.next_grant(at(10)), None);
    }

    #[test]
    fn who_waited_long_for_its_torrent_does_not_turn_virtual_time_back() {
        let mut stage = Stage::new(Some(1_000_000), &[(1, 1000), (1, 1000), (2, 1000), (2, 1000)]);
        stage.shares.set_rate_of(at(0), torrent(1), Some(10_000));
        (0..3).for_each(|nth| stage.start(nth));
        while stage.sent()[1] == 0 {
            stage.run(stage.now + Duration::from_micros(50)); // before the next frame begins
        }
        let before = stage.sent();
        stage.start(3);
        stage.run(stage.now + Duration::from_secs(1));
        let after = stage.sent();
        check_near("who was there", after[2] - before[2], 495_000.0, 0.04);
        check_near("who came late", after[3], 495_000.0, 0.04);
    }

    #[test]
    fn a_new_rate_holds_for_those_who_wait() {
        let mut stage = Stage::new(Some(1), &[(1, EQUAL); 2]);
        stage.start_all();
        assert_eq!(stage.shares.deadline(), Some(at(100_000)));
        stage.shares.set_rate(at(0), Some(10_000));
        assert_eq!(stage.shares.deadline(), Some(at(10)));
        stage.shares.set_rate(at(0), None);
        let grants = [stage.shares.next_grant(at(0)), stage.shares.next_grant(at(0))];
        let rest = stage.senders[0].want.length;
        assert_eq!(grants, [Some((PeerKey(0), rest)), Some((PeerKey(1), FRAME))]);
    }

    #[test]
    fn who_has_gone_is_granted_nothing_and_nobody_is_remembered_for_long() {
        let mut stage = Stage::new(Some(1_000_000), &[(1, EQUAL); 50]);
        stage.start_all();
        stage.run(at(5_000));
        (1..50).for_each(|peer| stage.shares.on_gone(PeerKey(peer)));
        let before = stage.sent();
        stage.run(at(10_000));
        assert_eq!(stage.sent()[1..], before[1..]);
        assert!(stage.shares.ends.len() <= 1, "{:?}", stage.shares.ends);
    }
}
