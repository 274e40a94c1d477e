//! Links in virtual time: how fast and in which order things arrive.
//!
//! ```text
//!           Uplink                                               Downlink
//! ann: [][][] \                         latency                 /
//! ben: [][]    > one block at a time -----------> in its order <   at the receiver's rate
//! eve: [][][] /   in turns             each Line                \
//! ```
//! It is a node under `--uplimit`, as its outboxes and upload pool make it: peers with requests
//! have turns, a block once begun is finished, and what is said to a peer goes before the blocks
//! that still wait for it. What is said takes the latency only; it costs no rate.

use crate::clock::Moment;
use crate::geometry::BLOCK_LEN;
use crate::ids::Span;
use crate::logic::PeerKey;
use crate::logic::choker::EQUAL;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Requests of one peer that may wait, as in a node's outbox; more are refused.
pub const MAX_REQUESTS: usize = 512;

/// Weights beyond these are taken for these, as at a node.
const WEIGHTS: (u32, u32) = (100, 10_000);

/// How long bytes take at a rate in bytes per second, rounded up so that the rate is never
/// exceeded; without a rate they take no time.
pub fn time_to_send(bytes: u32, rate: Option<u64>) -> Duration {
    let nanos = |rate: u64| (u64::from(bytes) * 1_000_000_000).div_ceil(rate.max(1));
    rate.map_or(Duration::ZERO, |rate| Duration::from_nanos(nanos(rate)))
}

/// What one peer sends with: a rate, and the requests that wait for it.
///
/// Turns are start-time fair queuing, as in [`crate::logic::shares`]: a block begins in virtual time
/// where its receiver's last one ended, or now, and lasts its length divided by the receiver's weight.
#[derive(Debug, Clone)]
pub struct Uplink {
    rate: Option<u64>,
    queues: BTreeMap<PeerKey, Queue>,
    /// Those for whom something waits, each once: where its turn begins in virtual time, and which
    /// of those that begin there came first.
    turns: BTreeSet<(u64, u64, PeerKey)>,
    virtual_now: u64,
    /// Turns that were ever taken up.
    taken: u64,
    sending: Option<(PeerKey, Span)>,
}

/// What waits for one receiver.
#[derive(Debug, Clone)]
struct Queue {
    waiting: VecDeque<Span>,
    /// In thousandths of an equal share.
    weight: u32,
    /// Where its last block ends in virtual time.
    end: u64,
    /// Its place among the turns, if it has one.
    turn: Option<(u64, u64)>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), weight: EQUAL, end: 0, turn: None }
    }
}

impl Uplink {
    /// An uplink of so many bytes per second; `None` is as fast as can be.
    pub fn new(rate: Option<u64>) -> Self {
        Self {
            rate,
            queues: BTreeMap::new(),
            turns: BTreeSet::new(),
            virtual_now: 0,
            taken: 0,
            sending: None,
        }
    }

    /// From the next block on so many bytes per second are sent.
    pub fn set_rate(&mut self, rate: Option<u64>) {
        self.rate = rate;
    }

    /// A receiver's share from now on, in thousandths of an equal one.
    pub fn weigh(&mut self, peer: PeerKey, weight: u32) {
        self.queues.entry(peer).or_default().weight = weight.clamp(WEIGHTS.0, WEIGHTS.1);
    }

    /// Whether a request of a peer waits.
    pub fn is_asked_by(&self, peer: PeerKey) -> bool {
        self.queues.get(&peer).is_some_and(|queue| !queue.waiting.is_empty())
    }

    /// A request of a peer; false if it has too many waiting.
    pub fn upload(&mut self, peer: PeerKey, span: Span) -> bool {
        let queue = self.queues.entry(peer).or_default();
        if queue.waiting.len() >= MAX_REQUESTS {
            return false;
        }
        queue.waiting.push_back(span);
        self.keep_turn(peer);
        true
    }

    /// Takes a request back out, as far as it has not been sent; true if something was there. If
    /// the dialect `cuts`, the end of a longer request may be taken as well.
    pub fn unqueue(&mut self, peer: PeerKey, part: Span, cuts: bool) -> bool {
        let Some(queue) = self.queues.get_mut(&peer) else { return false };
        let mut found = false;
        queue.waiting.retain_mut(|span| {
            let ends_there = span.piece == part.piece && span.end() == part.end();
            if !ends_there || (!cuts && *span != part) {
                return true;
            }
            found = true;
            span.length = part.offset.saturating_sub(span.offset);
            span.length > 0
        });
        self.keep_turn(peer);
        found
    }

    /// Takes all requests of a peer back out.
    pub fn unqueue_all(&mut self, peer: PeerKey) -> Vec<Span> {
        let Some(queue) = self.queues.get_mut(&peer) else { return Vec::new() };
        let all = std::mem::take(&mut queue.waiting);
        self.keep_turn(peer);
        all.into()
    }

    /// A peer is gone: nothing of it waits, and nothing is remembered.
    pub fn forget(&mut self, peer: PeerKey) {
        self.unqueue_all(peer);
        self.queues.remove(&peer);
    }

    /// Begins to send the next block, unless one is being sent or none waits: whose it is, which,
    /// and when its last byte will have left.
    pub fn begin(&mut self, now: Moment) -> Option<(PeerKey, Span, Moment)> {
        if self.sending.is_some() {
            return None;
        }
        let (start, _, peer) = self.turns.pop_first()?;
        let queue = self.queues.get_mut(&peer).expect("who has a turn has a request");
        queue.turn = None;
        let request = queue.waiting.front_mut().expect("who has a turn has a request");
        let block = Span { length: request.length.min(BLOCK_LEN), ..*request };
        request.offset += block.length;
        request.length -= block.length;
        if request.length == 0 {
            queue.waiting.pop_front();
        }
        let lasts = u64::from(block.length) * u64::from(EQUAL) / u64::from(queue.weight);
        queue.end = start + lasts;
        self.virtual_now = start;
        self.keep_turn(peer);
        self.sending = Some((peer, block));
        Some((peer, block, now + time_to_send(block.length, self.rate)))
    }

    /// The block that was being sent has left, or is given up.
    pub fn finish(&mut self) -> Option<(PeerKey, Span)> {
        self.sending.take()
    }

    /// Who has something that waits has a turn, and nobody else.
    fn keep_turn(&mut self, peer: PeerKey) {
        let Some(queue) = self.queues.get_mut(&peer) else { return };
        match (queue.turn, queue.waiting.is_empty()) {
            (None, false) => {
                let turn = (queue.end.max(self.virtual_now), self.taken);
                self.taken += 1;
                queue.turn = Some(turn);
                self.turns.insert((turn.0, turn.1, peer));
            }
            (Some((start, nth)), true) => {
                queue.turn = None;
                self.turns.remove(&(start, nth, peer));
            }
            _ => {}
        }
    }
}

/// What one peer receives with: blocks that come together wait for each other.
#[derive(Debug, Clone)]
pub struct Downlink {
    rate: Option<u64>,
    free: Moment,
}

impl Downlink {
    /// A downlink of so many bytes per second; `None` is as fast as can be.
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate, free: Moment::START }
    }

    /// When a block is here whose last byte comes to this end at `at`; in order of `at`.
    pub fn arrive(&mut self, at: Moment, bytes: u32) -> Moment {
        self.free = self.free.max(at) + time_to_send(bytes, self.rate);
        self.free
    }
}

/// One direction of a connection: everything arrives in the order in which it left, as on TCP.
#[derive(Debug, Clone)]
pub struct Line<T> {
    /// What was said while a block is being sent.
    held: Option<Vec<T>>,
    latest: Moment,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { held: None, latest: Moment::START }
    }
}

impl<T> Line<T> {
    /// Something to say; it is given back if it may leave now, and kept until the block that is
    /// being sent has left.
    #[must_use = "what may leave now must be sent"]
    pub fn say(&mut self, word: T) -> Option<T> {
        match &mut self.held {
            Some(held) => {
                held.push(word);
                None
            }
            None => Some(word),
        }
    }

    /// A block begins to be sent.
    pub fn begin_block(&mut self) {
        self.held.get_or_insert_default();
    }

    /// The block has left: what was said meanwhile may follow.
    pub fn end_block(&mut self) -> Vec<T> {
        self.held.take().unwrap_or_default()
    }

    /// When something arrives that would arrive at `at`, were it alone.
    pub fn arrive(&mut self, at: Moment) -> Moment {
        self.latest = self.latest.max(at);
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PieceIndex;

    const ANN: PeerKey = PeerKey(1);
    const BEN: PeerKey = PeerKey(2);
    const EVE: PeerKey = PeerKey(3);

    fn blocks(first: u32, count: u32) -> Span {
        let piece = PieceIndex(0);
        Span { piece, offset: first * BLOCK_LEN, length: count * BLOCK_LEN }
    }

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    /// Sends all that waits: to whom, which block, until when.
    fn drain(uplink: &mut Uplink, mut now: Moment) -> Vec<(PeerKey, u32, Moment)> {
        let mut sent = Vec::new();
        while let Some((peer, begun, until)) = uplink.begin(now) {
            assert_eq!(uplink.begin(now), None, "one block at a time");
            let (to, span) = uplink.finish().expect("it was begun");
            assert_eq!((to, span, span.length), (peer, begun, BLOCK_LEN));
            sent.push((peer, span.offset / BLOCK_LEN, until));
            now = until;
        }
        sent
    }

    #[test]
    fn an_uplink_serves_equal_shares_whatever_the_requests_length() {
        let mut uplink = Uplink::new(None);
        assert!(uplink.upload(ANN, blocks(0, 8)));
        (0..8).for_each(|n| assert!(uplink.upload(BEN, blocks(n, 1))));
        assert!(uplink.upload(EVE, blocks(4, 4)) && uplink.upload(EVE, blocks(0, 4)));
        let sent = drain(&mut uplink, at(0));
        assert_eq!(sent.len(), 24);
        for turn in sent.chunks(3) {
            assert_eq!(turn.iter().map(|&(peer, ..)| peer).collect::<Vec<_>>(), [ANN, BEN, EVE]);
        }
        let of_eve = sent.iter().filter(|&&(peer, ..)| peer == EVE).map(|&(_, block, _)| block);
        assert_eq!(of_eve.collect::<Vec<_>>(), [4, 5, 6, 7, 0, 1, 2, 3]);
    }

    #[test]
    fn an_uplink_serves_by_weight() {
        let mut uplink = Uplink::new(None);
        uplink.weigh(ANN, 3 * EQUAL);
        assert!(uplink.upload(ANN, blocks(0, 30)) && uplink.upload(BEN, blocks(0, 30)));
        let sent = drain(&mut uplink, at(0));
        let of_ann = sent[..24].iter().filter(|&&(peer, ..)| peer == ANN).count();
        assert_eq!(of_ann, 18, "three of four");
        assert_eq!(sent.len(), 60);
    }

    #[test]
    fn a_rate_is_never_exceeded_and_never_missed_by_more_than_rounding() {
        for rate in [1_000, 16_384, 1_000_003, 12_345_678_901] {
            let mut uplink = Uplink::new(Some(rate));
            assert!(uplink.upload(ANN, blocks(0, 100)));
            let end = drain(&mut uplink, at(0)).last().expect("a hundred blocks").2;
            let exact = 100.0 * f64::from(BLOCK_LEN) / rate as f64;
            let over = end.elapsed().as_secs_f64() - exact;
            assert!((-1e-12..=1e-7).contains(&over), "{rate}: {over}");
        }
    }

    #[test]
    fn what_is_taken_back_is_not_sent_and_takes_no_turn() {
        let mut uplink = Uplink::new(Some(16_384));
        assert!(uplink.upload(ANN, blocks(0, 4)) && uplink.upload(BEN, blocks(0, 2)));
        assert_eq!(uplink.begin(at(0)), Some((ANN, blocks(0, 1), at(1000))));
        assert!(!uplink.unqueue(ANN, blocks(2, 1), true), "the middle");
        assert!(!uplink.unqueue(ANN, blocks(3, 1), false), "an end, where ends are not cut");
        assert!(uplink.unqueue(ANN, blocks(3, 1), true));
        assert_eq!(uplink.unqueue_all(BEN), [blocks(0, 2)]);
        assert_eq!(uplink.finish(), Some((ANN, blocks(0, 1))), "once begun it is finished");
        assert!(uplink.upload(BEN, blocks(7, 1)));
        let sent: Vec<_> = drain(&mut uplink, at(1000)).iter().map(|s| (s.0, s.1)).collect();
        assert_eq!(sent, [(BEN, 7), (ANN, 1), (ANN, 2)], "Ann had a block, Ben none");
    }

    #[test]
    fn too_many_requests_are_refused() {
        let mut uplink = Uplink::new(None);
        let taken = (0..2000).take_while(|&n| uplink.upload(ANN, blocks(n, 1))).count();
        assert_eq!(taken, MAX_REQUESTS);
        assert!(uplink.upload(BEN, blocks(0, 1)), "each peer has room of its own");
    }

    #[test]
    fn blocks_that_come_together_wait_for_each_other_at_a_downlink() {
        let mut downlink = Downlink::new(Some(16_384));
        assert_eq!(downlink.arrive(at(10), BLOCK_LEN), at(1010));
        assert_eq!(downlink.arrive(at(20), BLOCK_LEN), at(2010));
        assert_eq!(downlink.arrive(at(5000), BLOCK_LEN), at(6000));
        assert_eq!(Downlink::new(None).arrive(at(7), BLOCK_LEN), at(7));
    }

    #[test]
    fn what_is_said_while_a_block_is_sent_follows_it() {
        let mut line = Line::default();
        assert_eq!(line.say("have"), Some("have"));
        line.begin_block();
        assert_eq!((line.say("choke"), line.say("reject")), (None, None));
        assert_eq!(line.end_block(), ["choke", "reject"]);
        assert_eq!(line.say("unchoke"), Some("unchoke"));
        assert_eq!([30, 20, 40].map(|millis| line.arrive(at(millis))), [at(30), at(30), at(40)]);
    }
}
