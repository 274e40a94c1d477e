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
use crate::lab::link::Line;
use crate::logic::PeerKey;
use crate::logic::choker::Strategy;
use crate::logic::swarm::{Action, Swarm};
use crate::logic::timers::Timers;
use crate::protocol::Dialect;
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
mod talking;
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

#[cfg(test)]
mod tests;
