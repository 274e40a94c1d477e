//! A swarm in virtual time: the logic that ships, over simulated links.
//!
//! ```text
//!  Agenda --- the next event ---> World --- on_message, claim, on_tick, on_round ---> Swarm
//!     ^                            |  ^                                                 |
//!     |                       Uplink, Line                                              |
//!     '--- arrives, leaves ---'    '---------------- Actions, carried out --------------'
//! ```
//! Each peer owns a [`Swarm`], as a node does, and its actions are carried out as a node carries
//! them out (`src/node/shared.rs`). Time jumps from event to event; hashing and disks take none.
//! Dialers, pings and gossip are absent. The tracker is one that knows who is there: it names some
//! of them to a peer that comes, a seed among them, and again to one that starves, if the world has
//! [`WorldOptions::refresh`]. Two whose connection ended are not connected again, unless one of them
//! starves.
//!
//! ```
//! use std::time::Duration;
//! use swarmlet::lab::world::{PeerOptions, World, WorldOptions};
//!
//! let mut world = World::new(WorldOptions { pieces: 16, ..WorldOptions::default() });
//! world.add_peer(PeerOptions::seed(1 << 20));
//! world.add_peer(PeerOptions::leecher(1 << 20));
//! assert!(world.run_until(Duration::from_secs(60)));
//! assert_eq!(world.reports()[1].received, 16 * 65536);
//! ```

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::geometry::Geometry;
use crate::ids::{PieceIndex, Sha256Hash, Span};
use crate::lab::link::Line;
use crate::logic::PeerKey;
use crate::logic::choker::Strategy;
use crate::logic::session::Fault;
use crate::logic::swarm::{Action, Parting, Swarm};
use crate::logic::timers::Timers;
use crate::protocol::Dialect;
use crate::protocol::message::{HashRange, Message};
use counts::Interest;
use events::{Agenda, Event, Word};
use peer::Peer;
use std::time::Duration;
use tracing::{Tracer, Way};

mod counts;
mod events;
mod membership;
mod peer;
mod suffering;
mod tracing;

pub use counts::Counts;
pub use peer::{Honesty, Leaves, PeerOptions, PeerReport, Role};

/// How often a node looks at its timers.
const TICK: Duration = Duration::from_millis(500);

/// What all peers of a world share.
#[derive(Debug, Clone, Copy)]
pub struct WorldOptions {
    /// Bytes in a piece. Default: 64 KiB.
    pub piece_length: u32,
    /// How many pieces. Default: 256.
    pub pieces: u32,
    /// Bytes that the last piece lacks to be as long as the others. Default: 0.
    pub short: u32,
    /// From one peer to any other. Default: 1 ms.
    pub latency: Duration,
    /// Divides strategy timers, as in a node. Default: 1.
    pub time_scale: f64,
    /// How many of those present a peer calls that comes. Default: all.
    pub degree: Option<usize>,
    /// Whether the tracker names a seed to each that comes, and others to who starves. Default: no.
    pub refresh: bool,
    /// Where all dice come from. Default: 1.
    pub seed: u64,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            piece_length: 64 * 1024,
            pieces: 256,
            short: 0,
            latency: Duration::from_millis(1),
            time_scale: 1.0,
            degree: None,
            refresh: false,
            seed: 1,
        }
    }
}

/// Two peers that know each other by the same number.
#[derive(Debug)]
struct Connection {
    dialect: Dialect,
    since: Moment,
    /// Since when it joins two leechers.
    leechers_since: Option<Moment>,
    ends: [End; 2],
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    peer: usize,
    /// It neither ended it nor heard that it ended.
    is_open: bool,
    /// What goes from here to the other end.
    line: Line<(u64, Word)>,
    /// How many words that were, one that is being sent included.
    said: u64,
    /// Bytes of content that it sent.
    sent: u64,
    /// Its swarm has not been told of all that it sent.
    owes_news: bool,
    interest: Interest,
}

/// A swarm in virtual time.
#[derive(Debug)]
pub struct World {
    options: WorldOptions,
    geometry: Geometry,
    rng: fastrand::Rng,
    now: Moment,
    agenda: Agenda,
    peers: Vec<Peer>,
    /// By their [`PeerKey`].
    connections: Vec<Connection>,
    /// How many are still to get something.
    waited_for: usize,
    /// Who is there, in the order in which they came.
    present: Vec<usize>,
    /// How many of them have each piece.
    copies: Vec<u32>,
    /// The pieces that some leecher has or had, and how many copies the seeds had sent when that
    /// was all.
    elsewhere: Bitfield,
    first_copy: Option<f64>,
    /// How many leechers there were from when on.
    population: Vec<(Moment, u32)>,
    counts: Counts,
    tracker_down_until: Moment,
    /// A list to be filled with actions, so that not each decision makes one.
    spare: Vec<Action>,
    tracer: Option<Tracer>,
}

impl World {
    /// A world without peers.
    ///
    /// # Panics
    /// If no torrent can have such pieces.
    pub fn new(options: WorldOptions) -> Self {
        let whole = u64::from(options.piece_length) * u64::from(options.pieces);
        let total = whole - u64::from(options.short);
        let geometry = Geometry::v1(options.piece_length, total).expect("a torrent's pieces");
        Self {
            rng: fastrand::Rng::with_seed(options.seed),
            geometry,
            now: Moment::START,
            agenda: Agenda::default(),
            peers: Vec::new(),
            connections: Vec::new(),
            waited_for: 0,
            present: Vec::new(),
            copies: vec![0; options.pieces as usize],
            elsewhere: Bitfield::new(options.pieces),
            first_copy: None,
            population: vec![(Moment::START, 0)],
            counts: Counts::default(),
            tracker_down_until: Moment::START,
            spare: Vec::new(),
            tracer: None,
            options,
        }
    }

    /// One more peer, which comes when its options say; its number.
    pub fn add_peer(&mut self, options: PeerOptions) -> usize {
        let (index, scale) = (self.peers.len(), self.options.time_scale);
        self.agenda.plan(options.joins, Event::Joins(index));
        if let Leaves::At(moment) = options.leaves {
            self.agenda.plan(moment, Event::Leaves(index));
        }
        let peer = Peer::new(
            index,
            options,
            &self.geometry,
            scale,
            self.rng.u64(..),
            self.tracer.is_some(),
        );
        self.waited_for += usize::from(peer.is_waited_for());
        self.peers.push(peer);
        index
    }

    /// A strategy of one's own, which goes by this name, decides from now on whom a peer serves.
    pub fn set_strategy(&mut self, peer: usize, strategy: Box<dyn Strategy>, name: String) {
        self.peers[peer].swarm.set_strategy(strategy, name);
    }

    /// Lets time pass until a moment, whoever is complete; but not when nothing will happen any more.
    pub fn run_to(&mut self, moment: Moment) {
        while let Some((at, event)) = self.agenda.next_by(moment) {
            self.now = at;
            self.happen(event);
        }
        self.now = self.now.max(moment);
    }

    /// Lets time pass until every leecher has everything or is gone, but no longer than `limit`
    /// after the start; true if it came to that.
    pub fn run_until(&mut self, limit: Duration) -> bool {
        while self.waited_for > 0 {
            let Some((at, event)) = self.agenda.next_by(Moment::after(limit)) else { break };
            self.now = at;
            self.happen(event);
        }
        self.waited_for == 0
    }

    /// What became of each peer, by its number.
    pub fn reports(&self) -> Vec<PeerReport> {
        self.peers.iter().map(|peer| peer.report.clone()).collect()
    }

    /// When the last leecher had everything that got there.
    pub fn last_completion(&self) -> Option<Moment> {
        self.peers.iter().filter_map(|peer| peer.report.completed).max()
    }

    /// The share of what was received that was of no use.
    pub fn waste(&self) -> f64 {
        let sum =
            |of: fn(&PeerReport) -> u64| self.peers.iter().map(|p| of(&p.report)).sum::<u64>();
        sum(|report| report.wasted) as f64 / (sum(|report| report.received) as f64).max(1.0)
    }

    /// How many copies of the content the seeds sent.
    pub fn seed_copies(&self) -> f64 {
        let seeds = self.peers.iter().filter(|peer| peer.options.role == Role::Seed);
        let sent: u64 = seeds.map(|peer| peer.report.sent).sum();
        sent as f64 / self.geometry.total() as f64
    }

    fn happen(&mut self, event: Event) {
        self.counts.events += 1;
        let Some(event) = self.unless_paused(event) else { return };
        match event {
            Event::Joins(peer) => self.join(peer),
            Event::Leaves(peer) => self.leave(peer),
            Event::Ticks(peer) if self.peers[peer].is_present() => {
                self.tell_what_was_sent(peer);
                self.drive(peer, Swarm::on_tick);
                let late = self.peers[peer].swarm.deadline().filter(|&due| due > self.now);
                let next = (self.now + TICK).min(late.unwrap_or(self.now + TICK));
                self.agenda.plan(next, Event::Ticks(peer));
            }
            Event::Rounds(peer) if self.peers[peer].is_present() => {
                self.drive(peer, Swarm::on_round);
                self.look_after(peer);
                self.agenda.plan(self.now + self.round(), Event::Rounds(peer));
            }
            Event::Sent(peer) if self.peers[peer].is_present() => self.on_sent(peer),
            Event::Hears(peer, key, seq, word) if self.end_of(peer, key).is_open => {
                self.note_word(peer, key, Way::In, seq, &word);
                self.hear(peer, key, &word);
            }
            Event::Hears(peer, _, _, Word::Chunk(span)) => {
                self.peers[peer].on_received(self.now, span.length, &[], Honesty::Honest);
            }
            Event::Forgets(peer, key) => {
                self.drive(peer, |swarm, now, out| swarm.on_left(now, key, out));
            }
            Event::Announces(peer) if self.peers[peer].is_present() => self.announce(peer),
            Event::Suffers(peer, deed) => self.suffer(peer, deed),
            Event::Resumes(peer) => self.resume(peer),
            // The connection is over, or the peer is gone.
            Event::Hears(..)
            | Event::Ticks(_)
            | Event::Rounds(_)
            | Event::Sent(_)
            | Event::Announces(_) => {}
        }
    }

    fn round(&self) -> Duration {
        Timers::default().scaled(self.options.time_scale).round
    }

    /// The end of a connection at a peer.
    fn end_of(&mut self, peer: usize, key: PeerKey) -> &mut End {
        let ends = &mut self.connections[key.0 as usize].ends;
        let side = usize::from(ends[1].peer == peer);
        &mut ends[side]
    }

    /// The number of the peer at the other end.
    fn other(&self, peer: usize, key: PeerKey) -> usize {
        let [one, two] = &self.connections[key.0 as usize].ends;
        if one.peer == peer { two.peer } else { one.peer }
    }

    fn dialect(&self, key: PeerKey) -> Dialect {
        self.connections[key.0 as usize].dialect
    }
}

// What is said, sent and heard.
impl World {
    /// Lets the swarm of a peer decide something, and carries it out: first what is said, then
    /// the rest, as a node does.
    fn drive<R>(
        &mut self,
        peer: usize,
        decision: impl FnOnce(&mut Swarm, Moment, &mut Vec<Action>) -> R,
    ) -> R {
        let (mut actions, mut whole) = (std::mem::take(&mut self.spare), Vec::new());
        let result = decision(&mut self.peers[peer].swarm, self.now, &mut actions);
        for action in actions.drain(..) {
            self.note_action(peer, &action);
            match action {
                Action::Say(key, message) => self.say(peer, key, Word::Said(message)),
                Action::Upload(key, span) => self.upload(peer, key, span),
                Action::Unqueue(key, span) => {
                    let cuts = self.dialect(key) == Dialect::Native;
                    if self.peers[peer].uplink.unqueue(key, span, cuts) {
                        self.refuse(peer, key, span);
                    }
                }
                Action::UnqueueAll(key) => {
                    let all = self.peers[peer].uplink.unqueue_all(key);
                    all.into_iter().for_each(|span| self.refuse(peer, key, span));
                }
                Action::Weigh(key, weight) => self.peers[peer].uplink.weigh(key, weight),
                Action::Verify(piece) => whole.push(piece),
                Action::Disconnect(key, parting) => {
                    self.peers[peer].report.bans += u32::from(parting == Parting::Banned);
                    self.end(peer, key);
                }
                // Nobody is called again, banned or not; that all is here is seen in `verify`; and
                // what a decision says of itself changes nothing.
                _ => {}
            }
        }
        self.spare = actions;
        whole.into_iter().for_each(|piece| self.verify(peer, piece));
        result
    }

    fn say(&mut self, peer: usize, key: PeerKey, word: Word) {
        if !self.end_of(peer, key).is_open {
            return;
        }
        if let Word::Said(message) = &word {
            self.counts.on_said(message);
            if matches!(message, Message::Interested | Message::NotInterested) {
                let (now, wants) = (self.now, *message == Message::Interested);
                self.end_of(peer, key).interest.set(now, wants);
            }
        } else {
            self.counts.messages += 1;
        }
        let seq = self.number(peer, key);
        self.note_word(peer, key, Way::Out, seq, &word);
        if let Some((seq, word)) = self.end_of(peer, key).line.say((seq, word)) {
            self.send(peer, key, seq, word);
        }
    }

    /// The number of the next word of a peer on a connection.
    fn number(&mut self, peer: usize, key: PeerKey) -> u64 {
        let said = &mut self.end_of(peer, key).said;
        *said += 1;
        *said - 1
    }

    /// A word leaves, and will arrive.
    fn send(&mut self, peer: usize, key: PeerKey, seq: u64, word: Word) {
        let to = self.other(peer, key);
        let cut = self.peers[peer].cut_until.max(self.peers[to].cut_until);
        let mut arrives = self.now.max(cut) + self.options.latency;
        if let Word::Chunk(span) = &word {
            arrives = self.peers[to].downlink.arrive(arrives, span.length);
        }
        let arrives = self.end_of(peer, key).line.arrive(arrives);
        self.agenda.plan_in_turn(arrives, Event::Hears(to, key, seq, word));
    }

    fn upload(&mut self, peer: usize, key: PeerKey, span: Span) {
        if !self.end_of(peer, key).is_open {
            return;
        }
        if self.peers[peer].uplink.upload(key, span) {
            self.begin_block(peer);
        } else {
            self.say(peer, key, Word::Said(Message::Reject(span)));
        }
    }

    /// What was taken back out is refused in BitTorrent (BEP 6); natively CHOKE and CANCEL say it.
    fn refuse(&mut self, peer: usize, key: PeerKey, span: Span) {
        if self.dialect(key) == Dialect::BitTorrent {
            self.say(peer, key, Word::Said(Message::Reject(span)));
        }
    }

    fn begin_block(&mut self, peer: usize) {
        if let Some((key, span, until)) = self.peers[peer].uplink.begin(self.now) {
            let seq = self.number(peer, key);
            self.note_word(peer, key, Way::Out, seq, &Word::Chunk(span));
            self.peers[peer].sending = seq;
            self.end_of(peer, key).line.begin_block();
            self.agenda.plan(until, Event::Sent(peer));
        }
    }

    /// The last byte of a block has left: what was said meanwhile follows, the next one begins.
    fn on_sent(&mut self, peer: usize) {
        let (key, span) = self.peers[peer].uplink.finish().expect("it was sending");
        self.peers[peer].report.sent += u64::from(span.length);
        self.counts.sent += u64::from(span.length);
        let end = self.end_of(peer, key);
        (end.sent, end.owes_news) = (end.sent + u64::from(span.length), true);
        let seq = self.peers[peer].sending;
        self.send(peer, key, seq, Word::Chunk(span));
        let held = self.end_of(peer, key).line.end_block();
        held.into_iter().for_each(|(seq, word)| self.send(peer, key, seq, word));
        self.begin_block(peer);
    }

    /// The swarm hears now and then what was sent to whom, as a node's does.
    fn tell_what_was_sent(&mut self, peer: usize) {
        for nth in 0..self.peers[peer].connections.len() {
            let key = self.peers[peer].connections[nth];
            let (now, end) = (self.now, self.end_of(peer, key));
            if !end.owes_news {
                continue;
            }
            let sent = end.sent;
            let Peer { swarm, uplink, .. } = &mut self.peers[peer];
            let waits = uplink.is_asked_by(key);
            swarm.on_sent(now, key, sent, waits);
            // What waits now will not wait then: that is news, too.
            self.end_of(peer, key).owes_news = waits;
        }
    }

    fn hear(&mut self, peer: usize, key: PeerKey, word: &Word) {
        let message = match word {
            Word::Said(Message::GetHashes(range)) => return self.answer(peer, key, *range),
            Word::Said(message) => message.clone(),
            Word::Bitfield(first, bits) => Message::Bitfield { first: *first, bits },
            Word::Chunk(span) => return self.on_chunk(peer, key, *span),
            Word::Hashes(piece) => return self.on_hashes(peer, *piece),
            Word::End => {
                self.end_of(peer, key).is_open = false;
                self.peers[peer].uplink.forget(key);
                self.end_pair(key);
                self.note_close(peer, key, "the peer ended it");
                return self.drive(peer, |swarm, now, out| swarm.on_left(now, key, out));
            }
        };
        let heard = self.drive(peer, |swarm, now, out| swarm.on_message(now, key, &message, out));
        if let Err(fault) = heard {
            self.on_fault(peer, key, fault);
        }
    }

    /// Claims, stores and says so, as a node's worker does.
    fn on_chunk(&mut self, peer: usize, key: PeerKey, chunk: Span) {
        let honesty = self.peers[self.other(peer, key)].options.honesty;
        let claim = self.drive(peer, |swarm, now, out| swarm.claim(now, key, chunk, out));
        let granted = claim.as_deref().unwrap_or_default();
        self.peers[peer].on_received(self.now, chunk.length, granted, honesty);
        if let Err(fault) = claim {
            return self.on_fault(peer, key, fault);
        }
        let whole = self.drive(peer, |swarm, now, out| {
            swarm.on_written(now, key, granted, out);
            out.iter().any(|action| matches!(action, Action::Verify(_)))
        });
        if whole {
            self.drive(peer, |swarm, now, _| swarm.on_ready(now, key));
        }
    }

    fn on_fault(&mut self, peer: usize, key: PeerKey, fault: Fault) {
        let other = self.other(peer, key);
        self.peers[peer].report.faults.push((other, fault));
        self.end(peer, key);
    }

    fn verify(&mut self, peer: usize, piece: PieceIndex) {
        let found: Vec<_> = self.peers[peer].writers_of(piece).map(leaf).collect();
        if found.contains(&leaf(Honesty::Liar)) {
            let count = found.len() as u32;
            let range = HashRange { root: [0; 32], base: 0, index: piece.0, count, proof: 0 };
            return self.drive(peer, |swarm, now, out| {
                swarm.on_failed(now, piece, found, Some(range), out);
            });
        }
        if self.elsewhere.set(piece) && self.elsewhere.is_full() {
            self.first_copy = Some(self.seed_copies());
        }
        self.copies[piece.at()] += u32::from(!self.peers[peer].swarm.have().has(piece));
        self.drive(peer, |swarm, now, out| swarm.on_verified(now, piece, out));
        if self.peers[peer].swarm.is_complete() {
            self.peers[peer].report.completed = Some(self.now);
            self.waited_for -= 1;
            self.note_population(-1);
            for nth in 0..self.peers[peer].connections.len() {
                self.end_pair(self.peers[peer].connections[nth]);
            }
            if let Leaves::AfterCompletion(stay) = self.peers[peer].options.leaves {
                self.agenda.plan(self.now + stay, Event::Leaves(peer));
            }
        }
    }

    /// A peer is asked for the leaf hashes of the piece that the range's index names.
    fn answer(&mut self, peer: usize, key: PeerKey, range: HashRange) {
        if self.peers[peer].options.honesty == Honesty::Honest {
            self.say(peer, key, Word::Hashes(PieceIndex(range.index)));
        }
    }

    fn on_hashes(&mut self, peer: usize, piece: PieceIndex) {
        let proven = vec![leaf(Honesty::Honest); self.geometry.blocks_of(piece) as usize];
        self.drive(peer, |swarm, now, out| swarm.on_leaves(now, piece, &proven, out));
    }
}

/// The leaf hash of a block, by who wrote it.
fn leaf(writer: Honesty) -> Sha256Hash {
    match writer {
        Honesty::Honest => [1; 32],
        Honesty::Liar => [0; 32],
    }
}

#[cfg(test)]
mod tests;
