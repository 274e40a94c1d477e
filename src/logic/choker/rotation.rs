//! Who is next: a list of all peers, in which whoever had a turn goes to the end.
//!
//! "New connections are three times as likely to start as the current optimistic unchoke as
//! anywhere else in the rotation" (BEP 3): a new one is put in front by three faces of the die,
//! at each other place by one. Those who were there move up with every turn, so that nobody
//! waits for ever and equals get equal turns, which drawing by lot each time would not promise.
//! Who comes back after it took nothing of what it was sent goes to the end: else whoever calls
//! again and again is in front sooner or later.

use super::Candidate;
use crate::logic::PeerKey;
use std::collections::BTreeSet;

/// How many times as likely a new peer is to be put in front as anywhere else (BEP 3).
const IN_FRONT: usize = 3;

/// All peers, the next in turn first.
#[derive(Debug, Default)]
pub struct Rotation {
    peers: Vec<PeerKey>,
    /// Those who were there last time, in the order in which they were told.
    seen: Vec<PeerKey>,
}

impl Rotation {
    /// Lets go of those who left, and takes in those who came.
    pub fn admit(&mut self, peers: &[Candidate], rng: &mut fastrand::Rng) {
        if self.seen.iter().eq(peers.iter().map(|p| &p.peer)) {
            return; // nobody came or left, as in most rounds
        }
        self.seen = peers.iter().map(|p| p.peer).collect();
        let here = sorted(peers.iter().map(|p| p.peer));
        self.peers.retain(|peer| here.binary_search(peer).is_ok());
        let known = sorted(self.peers.iter().copied());
        let is_new = |p: &&Candidate| known.binary_search(&p.peer).is_err();
        for new in peers.iter().filter(is_new) {
            let end = self.peers.len();
            let mut place = || rng.usize(..end + IN_FRONT).saturating_sub(IN_FRONT - 1);
            self.peers.insert(if new.returns { end } else { place() }, new.peer);
        }
    }

    /// The first who waits has its turn, and is taken off those who wait.
    pub fn next_of(&mut self, waiting: &mut BTreeSet<PeerKey>) -> Option<PeerKey> {
        let place = self.peers.iter().position(|peer| waiting.remove(peer))?;
        let peer = self.peers.remove(place);
        self.peers.push(peer);
        Some(peer)
    }
}

fn sorted(peers: impl Iterator<Item = PeerKey>) -> Vec<PeerKey> {
    let mut peers: Vec<PeerKey> = peers.collect();
    peers.sort_unstable();
    peers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    fn peers(numbers: impl Iterator<Item = u64>) -> Vec<Candidate> {
        numbers.map(|n| Candidate::new(PeerKey(n), Moment::START)).collect()
    }

    #[test]
    fn everyone_has_a_turn_before_anyone_has_a_second() {
        let (mut rotation, mut rng) = (Rotation::default(), fastrand::Rng::with_seed(1));
        let all: BTreeSet<_> = (0..9).map(PeerKey).collect();
        rotation.admit(&peers(0..9), &mut rng);
        let mut turns = || rotation.next_of(&mut all.clone()).unwrap();
        let first: Vec<_> = (0..9).map(|_| turns()).collect();
        assert_eq!(first.iter().copied().collect::<BTreeSet<_>>(), all);
        assert_eq!((0..9).map(|_| turns()).collect::<Vec<_>>(), first);
    }

    #[test]
    fn a_newcomer_is_in_front_three_times_as_often_as_elsewhere() {
        let mut places = [0; 5];
        for seed in 0..7000 {
            let (mut rotation, mut rng) = (Rotation::default(), fastrand::Rng::with_seed(seed));
            rotation.admit(&peers(0..4), &mut rng);
            rotation.admit(&peers(0..5), &mut rng);
            places[rotation.peers.iter().position(|peer| peer.0 == 4).unwrap()] += 1;
        }
        assert!((2850..3150).contains(&places[0]), "{places:?}");
        assert!(places[1..].iter().all(|n| (900..1100).contains(n)), "{places:?}");
    }

    #[test]
    fn who_took_nothing_and_comes_back_is_the_last() {
        for seed in 0..100 {
            let (mut rotation, mut rng) = (Rotation::default(), fastrand::Rng::with_seed(seed));
            rotation.admit(&peers(0..4), &mut rng);
            let mut more = peers(0..5);
            more[4].returns = true;
            rotation.admit(&more, &mut rng);
            assert_eq!(rotation.peers[4], PeerKey(4));
        }
    }

    #[test]
    fn who_left_has_no_turn() {
        let (mut rotation, mut rng) = (Rotation::default(), fastrand::Rng::with_seed(1));
        rotation.admit(&peers(0..3), &mut rng);
        rotation.admit(&peers(2..3), &mut rng);
        assert_eq!(rotation.peers, [PeerKey(2)]);
    }
}
