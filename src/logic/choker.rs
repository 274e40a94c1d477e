//! Whom to serve: a fixed number of slots, given out in rounds.
//!
//! A leecher serves those who serve it fastest, and one more, drawn by lot, to find better ones
//! (tit for tat and the optimistic unchoke, Cohen 2003, section 3). A seeder has nothing to gain,
//! so it lets whoever waited longest have a turn. A slot that becomes free between rounds is
//! given away at once: an idle slot helps nobody.

use crate::clock::Moment;
use crate::logic::PeerKey;
use std::fmt;
use std::time::Duration;

/// How often the slots are given out anew.
pub const ROUND: Duration = Duration::from_secs(10);

/// How many rounds an optimistic slot stays with its peer.
const OPTIMISTIC_ROUNDS: u32 = 3;

/// What the choker knows of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub peer: PeerKey,
    /// Whether it wants something of us.
    pub interested: bool,
    /// Whether it is served now.
    pub unchoked: bool,
    /// Bytes per second it sent us lately.
    pub gives: u64,
    /// Since when it has been served or has waited.
    pub since: Moment,
}

/// Why a peer is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It gives us so many bytes per second, and is among the best.
    Gives(u64),
    /// Drawn by lot among those that wait.
    Optimistic,
    /// A seeder serves whoever waited longest.
    Waited,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gives(rate) => write!(f, "tit for tat: it gives {rate} bytes/s"),
            Self::Optimistic => f.write_str("optimistic unchoke"),
            Self::Waited => f.write_str("seeding: it waited longest"),
        }
    }
}

/// The choker of one torrent.
#[derive(Debug, Clone)]
pub struct Choker {
    slots: usize,
    round: u32,
    optimistic: Option<PeerKey>,
    rng: fastrand::Rng,
}

impl Choker {
    /// A choker with so many slots, the optimistic one among them; with none it serves nobody.
    pub fn new(slots: usize, rng: fastrand::Rng) -> Self {
        Self { slots, round: 0, optimistic: None, rng }
    }

    /// The number of slots.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// A round: who is served from now on, and why. Everyone else is choked.
    pub fn next_round(&mut self, seeding: bool, peers: &[Candidate]) -> Vec<(PeerKey, Why)> {
        self.round += 1;
        let mut waiting: Vec<Candidate> =
            peers.iter().copied().filter(|peer| peer.interested).collect();
        if seeding {
            return self.seed_round(waiting);
        }
        // Best givers first; among equals those who are served already, so that slots do not
        // flap for nothing.
        waiting.sort_by_key(|p| (std::cmp::Reverse(p.gives), !p.unchoked, p.peer));
        let regular = self.slots.saturating_sub(1).max(1).min(self.slots).min(waiting.len());
        let rest = waiting.split_off(regular);
        let mut served: Vec<_> = waiting.iter().map(|p| (p.peer, Why::Gives(p.gives))).collect();
        if self.slots > 1 {
            served.extend(self.optimist(&rest).map(|peer| (peer, Why::Optimistic)));
        }
        served
    }

    /// Between rounds: a peer for a free slot, if someone waits.
    pub fn next_for_free_slot(&mut self, peers: &[Candidate]) -> Option<PeerKey> {
        if peers.iter().filter(|p| p.unchoked && p.interested).count() >= self.slots {
            return None;
        }
        let waiting = peers.iter().filter(|p| p.interested && !p.unchoked);
        waiting.min_by_key(|p| (p.since, p.peer)).map(|p| p.peer)
    }

    /// Half of the slots go to those who waited longest, the others stay with those who were
    /// served for the shortest time; if nobody waits, nobody loses a slot.
    fn seed_round(&self, mut peers: Vec<Candidate>) -> Vec<(PeerKey, Why)> {
        peers.sort_by_key(|p| (!p.unchoked, std::cmp::Reverse(p.since), p.peer));
        let served = peers.iter().filter(|p| p.unchoked).count();
        let mut waiting = peers.split_off(served);
        waiting.sort_by_key(|p| (p.since, p.peer));
        let turns = waiting.len().min(self.slots.div_ceil(2));
        peers.truncate(self.slots - turns);
        let free = self.slots - peers.len();
        peers.extend(waiting.into_iter().take(free));
        peers.into_iter().map(|p| (p.peer, Why::Waited)).collect()
    }

    fn optimist(&mut self, rest: &[Candidate]) -> Option<PeerKey> {
        let stays = self.optimistic.filter(|peer| rest.iter().any(|p| p.peer == *peer));
        if stays.is_none() || self.round.is_multiple_of(OPTIMISTIC_ROUNDS) {
            let others: Vec<_> = rest.iter().filter(|p| Some(p.peer) != stays).collect();
            self.optimistic = self.rng.choice(others).map(|p| p.peer).or(stays);
        }
        self.optimistic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(peer: u64, gives: u64, unchoked: bool, since: u64) -> Candidate {
        let since = Moment::after(Duration::from_secs(since));
        Candidate { peer: PeerKey(peer), interested: true, unchoked, gives, since }
    }

    fn choker(slots: usize) -> Choker {
        Choker::new(slots, fastrand::Rng::with_seed(1))
    }

    fn names(served: &[(PeerKey, Why)]) -> Vec<u64> {
        let mut names: Vec<u64> = served.iter().map(|(peer, _)| peer.0).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_leecher_serves_those_who_give_most_and_one_by_lot() {
        let peers: Vec<_> = (0..8).map(|p| candidate(p, p * 100, false, 0)).collect();
        let served = choker(4).next_round(false, &peers);
        assert_eq!(names(&served[..3]), [5, 6, 7]);
        assert_eq!(served[3].1, Why::Optimistic);
        assert!(served[3].0.0 < 5);
    }

    #[test]
    fn the_optimistic_slot_moves_every_third_round() {
        let peers: Vec<_> = (0..20).map(|p| candidate(p, 0, false, 0)).collect();
        let mut choker = choker(2);
        let lots: Vec<_> = (0..6).map(|_| choker.next_round(false, &peers)[1].0).collect();
        assert_eq!(lots[0], lots[1]);
        assert_ne!(lots[1], lots[2]);
        assert_eq!(lots[2], lots[4]);
        assert_ne!(lots[4], lots[5]);
    }

    #[test]
    fn those_who_want_nothing_get_no_slot() {
        let mut idle = candidate(1, 1000, true, 0);
        idle.interested = false;
        assert_eq!(choker(4).next_round(false, &[idle]), []);
        assert_eq!(choker(4).next_round(true, &[idle]), []);
        assert_eq!(choker(4).next_for_free_slot(&[idle]), None);
    }

    #[test]
    fn a_seed_gives_half_of_its_slots_to_those_who_waited_longest() {
        let served_since = [(1, 10), (2, 20), (3, 30), (4, 40)];
        let waiting_since = [(5, 3), (6, 1), (7, 2)];
        let mut peers: Vec<_> =
            served_since.iter().map(|&(p, s)| candidate(p, 0, true, s)).collect();
        peers.extend(waiting_since.iter().map(|&(p, s)| candidate(p, 0, false, s)));
        assert_eq!(names(&choker(4).next_round(true, &peers)), [3, 4, 6, 7]);
    }

    #[test]
    fn a_seed_takes_no_slot_away_when_nobody_waits() {
        let peers: Vec<_> = (0..4).map(|p| candidate(p, 0, true, p)).collect();
        assert_eq!(names(&choker(4).next_round(true, &peers)), [0, 1, 2, 3]);
    }

    #[test]
    fn every_waiting_peer_gets_its_turn_with_a_seed() {
        let mut peers: Vec<_> = (0..50).map(|p| candidate(p, 0, false, 0)).collect();
        let mut choker = choker(4);
        let mut seen = std::collections::HashSet::new();
        for round in 1..=30 {
            let served = choker.next_round(true, &peers);
            assert!(served.len() == 4);
            for p in &mut peers {
                let now = served.iter().any(|(peer, _)| *peer == p.peer);
                if now != p.unchoked {
                    (p.unchoked, p.since) = (now, Moment::after(Duration::from_secs(round)));
                }
            }
            seen.extend(served.iter().map(|(peer, _)| *peer));
        }
        assert_eq!(seen.len(), 50);
    }

    #[test]
    fn without_slots_nobody_is_served() {
        let peers = [candidate(1, 9, false, 0)];
        assert_eq!(choker(0).next_round(false, &peers), []);
        assert_eq!(choker(0).next_round(true, &peers), []);
        assert_eq!(choker(0).next_for_free_slot(&peers), None);
    }

    #[test]
    fn a_free_slot_is_given_away_at_once() {
        let peers =
            [candidate(1, 0, true, 0), candidate(2, 0, false, 9), candidate(3, 0, false, 5)];
        assert_eq!(choker(2).next_for_free_slot(&peers), Some(PeerKey(3)));
        assert_eq!(choker(1).next_for_free_slot(&peers), None);
    }
}
