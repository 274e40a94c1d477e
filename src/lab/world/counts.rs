//! What a world counts while it runs: words, interest, who is there.

use super::{Role, World};
use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::protocol::message::Message;
use std::time::Duration;

/// Two that knew each other for less than this are left out of the measure of interest (Legout
/// 2006). A strategy timer.
const BRIEF: Duration = Duration::from_secs(10);

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    /// Messages that were said, content excepted.
    pub messages: u64,
    /// HAVEs among them.
    pub haves: u64,
    /// CHOKEs and UNCHOKEs among them.
    pub chokes: u64,
    /// Things that happened.
    pub events: u64,
    /// Bytes of content that left.
    pub sent: u64,
    /// Of the time that a leecher knew another, the share in which it wanted something of it: the
    /// sum over pairs, and how many they are.
    interest: (f64, u64),
}

impl Counts {
    /// What Legout, Urvoy-Keller and Michiardi call entropy (*Rarest First and Choke Algorithms Are
    /// Enough*, 2006): the mean over all ordered pairs of leechers of the share of their time
    /// together in which the first wanted something of the second. Ideal is 1; `None` if no two
    /// knew each other for long.
    pub fn interest(&self) -> Option<f64> {
        (self.interest.1 > 0).then(|| self.interest.0 / self.interest.1 as f64)
    }

    pub(super) fn on_said(&mut self, message: &Message) {
        self.messages += 1;
        match message {
            Message::Have(_) => self.haves += 1,
            Message::Choke | Message::Unchoke => self.chokes += 1,
            _ => {}
        }
    }
}

/// For how long one end wanted something of the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Interest {
    since: Option<Moment>,
    sum: Duration,
}

impl Interest {
    /// From now on it wants something, or nothing.
    pub fn set(&mut self, now: Moment, interested: bool) {
        if let Some(since) = self.since.take() {
            self.sum += now.since(since);
        }
        self.since = interested.then_some(now);
    }
}

impl World {
    /// What was counted so far; of pairs that still are together nothing is counted before the end.
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts;
        let all = 0..self.connections.len() as u64;
        all.for_each(|key| self.count_pair(PeerKey(key), &mut counts));
        counts
    }

    /// How many leechers there were from when on, in order.
    pub fn population(&self) -> &[(Moment, u32)] {
        &self.population
    }

    /// How many leechers and how many who have everything are there.
    pub fn present(&self) -> (usize, usize) {
        let leechers = self.population.last().map_or(0, |last| last.1 as usize);
        (leechers, self.present.len() - leechers)
    }

    /// How many of those present have the piece that the fewest have.
    pub fn rarest(&self) -> u32 {
        self.copies.iter().min().copied().unwrap_or(0)
    }

    /// How many pieces a peer has.
    pub fn pieces_of(&self, peer: usize) -> u32 {
        self.peers[peer].swarm.have().count()
    }

    /// How many copies of the content the seeds had sent when every piece had come to some leecher.
    pub fn first_copy(&self) -> Option<f64> {
        self.first_copy
    }

    /// Bytes of content that left.
    pub fn sent(&self) -> u64 {
        self.counts.sent
    }

    /// The share of what all leechers lack at first that is here, 0 to 1.
    pub fn progress(&self) -> f64 {
        let leechers = self.peers.iter().filter(|peer| peer.options.role == Role::Leecher);
        let (mut have, mut all) = (0.0, 0.0);
        for peer in leechers {
            let gone = peer.report.left.is_some();
            let count = if gone { self.copies.len() } else { peer.swarm.have().count() as usize };
            (have, all) = (have + count as f64, all + self.copies.len() as f64);
        }
        if all > 0.0 { have / all } else { 1.0 }
    }

    /// Where time stands.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// There is one leecher more, or less.
    pub(super) fn note_population(&mut self, change: i32) {
        let last = self.population.last().map_or(0, |last| last.1);
        self.population.push((self.now, last.saturating_add_signed(change)));
    }

    /// Two leechers part, or one of them is none any more: their time together is over.
    pub(super) fn end_pair(&mut self, key: PeerKey) {
        let mut counts = self.counts;
        self.count_pair(key, &mut counts);
        self.counts = counts;
        self.connections[key.0 as usize].leechers_since = None;
    }

    fn count_pair(&self, key: PeerKey, counts: &mut Counts) {
        let connection = &self.connections[key.0 as usize];
        let Some(since) = connection.leechers_since else { return };
        let together = self.now.since(since);
        if together < BRIEF.div_f64(self.options.time_scale) {
            return;
        }
        for end in &connection.ends {
            let mut interest = end.interest;
            interest.set(self.now, false);
            counts.interest.0 += interest.sum.div_duration_f64(together);
            counts.interest.1 += 1;
        }
    }
}
