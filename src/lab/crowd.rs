//! Very many peers that exchange whole pieces, in virtual time: up to a million.
//!
//! ```text
//!            next in time                       the receiver's rarest first
//! Agenda ---------------> Crowd --- a piece ---> Holdings    who has what, who counts how many
//!    ^    comes, round,     |  ^
//!    '--- piece is there ---'  '--- whom to serve --- Strategy, the one that ships
//! ```
//! What is left out beside [`super::world`]: blocks (a piece is sent as a whole, and can be passed
//! on once it is there), messages and their time (a HAVE is known to all neighbours at once, in one
//! batch), downlinks (they are as fast as can be), hash failures and new neighbours. An uplink
//! sends one piece after the other, to those it serves in turns; a piece takes its length by the
//! uplink's rate. So with few pieces a crowd is faster than a world, where an uplink sends four
//! pieces at once: by 2 to 7 % with 64 pieces. Whom to serve is said by the strategies of
//! [`crate::logic::choker`], one for each peer; which piece is sent follows the receiver's policy, as
//! [`holdings`] shows.
//!
//! Everything stands in flat arrays by the peer's number, about 2.5 KB a peer with 256 pieces and 40
//! neighbours, so that a million fit into memory. A run is a function of its setting and its seed.

use super::outcome::{Outcome, RunError, Watch};
use super::setting::{After, Role, Setting};
use crate::logic::choker::{Candidate, Strategy};
use crate::logic::picker::Policy;
use crate::logic::timers::Timers;
use agenda::{Agenda, Event};
use graph::Graph;
use holdings::Holdings;
use plan::Plan;

/// What comes next.
mod agenda;
/// Who knows whom.
mod graph;
/// Who has what, and which piece is sent.
pub mod holdings;
/// What a setting asks for, and whether a crowd can do it.
mod plan;
/// Whom to serve.
mod serving;
/// What came of it.
mod summary;

/// How many events pass between two looks at who watches.
const EVENTS_A_LOOK: u64 = 1 << 16;

/// Not yet, or never.
const NEVER: u64 = u64::MAX;

/// Runs a setting of the model crowd.
///
/// # Errors
/// The setting asks for what a crowd has not, or it does not fit into memory; or the one who watches
/// ended it.
pub fn run(setting: &Setting, seed: u64, watch: &mut dyn Watch) -> Result<Outcome, RunError> {
    let plan = Plan::of(setting)?;
    let mut crowd = Crowd::new(plan, seed);
    crowd.run(watch)?;
    Ok(crowd.outcome())
}

/// One end of an acquaintance: what a peer knows of a neighbour.
#[derive(Debug, Clone, Copy)]
struct Link {
    /// Since when it serves the neighbour, or does not; see [`Crowd::stamp`].
    since: u32,
    /// When the neighbour sent it something last; [`NO_STAMP`] if it never did.
    heard: u32,
    /// Since when both are there; [`NO_STAMP`] until then.
    met: u32,
    /// Pieces that came of it in this round, and in the one before.
    got: [u16; 2],
    /// Pieces that went to it.
    sent: [u16; 2],
    /// Whether the neighbour is served.
    served: bool,
    /// Whether the neighbour serves it: what the other end says of itself, kept here as well,
    /// because all neighbours are looked at each round.
    serves_us: bool,
}

impl Link {
    /// Two peers that have not met.
    const NEW: Self = Self {
        since: 0,
        heard: NO_STAMP,
        met: NO_STAMP,
        got: [0; 2],
        sent: [0; 2],
        served: false,
        serves_us: false,
    };
}

/// It never happened.
const NO_STAMP: u32 = u32::MAX;

/// What an uplink is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sending {
    /// The link that it sends over; [`IDLE`] if it sends nothing.
    link: u32,
    /// Which piece.
    piece: u32,
}

/// The uplink sends nothing.
const IDLE: Sending = Sending { link: u32::MAX, piece: 0 };

/// A crowd in virtual time; times are nanoseconds since the start.
struct Crowd {
    plan: Plan,
    rng: fastrand::Rng,
    now: u64,
    agenda: Agenda,
    graph: Graph,
    /// By the ends of the graph.
    links: Vec<Link>,
    holdings: Holdings,
    /// Whether a peer is there: it has come and has not gone.
    present: Vec<bool>,
    sending: Vec<Sending>,
    /// Links that are served, in turns: as many places for each peer as it can have slots.
    served: Vec<u32>,
    /// How many of those places are taken, and whose turn it is.
    turns: Vec<[u8; 2]>,
    /// Rounds that each has held.
    rounds: Vec<u32>,
    strategies: Vec<Box<dyn Strategy>>,
    joined: Vec<u64>,
    completed: Vec<u64>,
    /// Pieces that each sent.
    sent: Vec<u32>,
    /// Leechers that are still to get something.
    waited_for: usize,
    /// Events so far, and HAVEs.
    counted: [u64; 2],
    /// What a strategy is shown; kept for its room.
    candidates: Vec<Candidate>,
}

impl Crowd {
    fn new(plan: Plan, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let joins = plan.joins(&mut rng);
        let graph = Graph::drawn(&joins, plan.degree, &mut rng);
        let (peers, ends) = (joins.len(), graph.ends());
        let mut crowd = Self {
            agenda: Agenda::new(&joins, plan.round, plan.groups.len(), &mut rng),
            links: vec![Link::NEW; ends],
            holdings: Holdings::new(peers, plan.pieces),
            present: vec![false; peers],
            sending: vec![IDLE; peers],
            served: vec![0; peers * plan.most_slots],
            turns: vec![[0; 2]; peers],
            rounds: vec![0; peers],
            strategies: (0..peers).map(|p| plan.group(p).choker.strategy()).collect(),
            joined: vec![NEVER; peers],
            completed: vec![NEVER; peers],
            sent: vec![0; peers],
            waited_for: (0..peers).filter(|&p| plan.group(p).role == Role::Leech).count(),
            counted: [0; 2],
            candidates: Vec::new(),
            now: 0,
            graph,
            rng,
            plan,
        };
        for peer in 0..peers {
            if crowd.plan.group(peer).role == Role::Seed {
                crowd.holdings.fill(peer);
            }
        }
        crowd
    }

    /// Lets time pass until every leecher has everything, but no longer than the limit.
    fn run(&mut self, watch: &mut dyn Watch) -> Result<(), RunError> {
        let leechers = self.waited_for;
        let all = (leechers as f64 * f64::from(self.plan.pieces)).max(1.0);
        while self.waited_for > 0
            && let Some((at, event)) = self.agenda.next_by(self.plan.limit)
        {
            self.now = at;
            self.counted[0] += 1;
            if self.counted[0].is_multiple_of(EVENTS_A_LOOK) {
                let there = self.holdings.delivered as f64 / all;
                let passed = at as f64 / self.plan.limit as f64;
                if !watch.progress(there.max(passed).min(1.0)) {
                    return Err(RunError::Stopped);
                }
            }
            match event {
                Event::Comes(peer) => self.join(peer as usize),
                Event::Round(peer) => self.round(peer as usize),
                Event::Sent(peer) => self.on_sent(peer as usize),
            }
        }
        Ok(())
    }

    /// A peer comes and learns what its neighbours have; whoever of them sends nothing may begin.
    fn join(&mut self, peer: usize) {
        self.present[peer] = true;
        self.joined[peer] = self.now;
        self.holdings.forget_counts(peer);
        let stamp = self.stamp();
        for end in self.graph.of(peer) {
            let other = self.graph.to[end] as usize;
            let back = self.graph.back[end] as usize;
            if self.present[other] {
                for one in [end, back] {
                    (self.links[one].since, self.links[one].met) = (stamp, stamp);
                }
                self.holdings.introduce(peer, other);
            }
        }
        for end in self.graph.of(peer) {
            self.begin(self.graph.to[end] as usize);
        }
        self.begin(peer);
    }

    /// An uplink has sent its piece.
    fn on_sent(&mut self, peer: usize) {
        let Sending { link, piece } = std::mem::replace(&mut self.sending[peer], IDLE);
        let (end, back) = (link as usize, self.graph.back[link as usize] as usize);
        let to = self.graph.to[end] as usize;
        if !self.present[peer] {
            return self.holdings.give_up(to, piece); // it went while it was sending
        }
        self.sent[peer] += 1;
        self.links[end].sent[0] = self.links[end].sent[0].saturating_add(1);
        self.links[back].got[0] = self.links[back].got[0].saturating_add(1);
        self.links[back].heard = self.stamp();
        self.deliver(to, piece);
        self.begin(to);
        self.begin(peer);
    }

    /// A piece is there, and all neighbours know it.
    fn deliver(&mut self, peer: usize, piece: u32) {
        self.holdings.deliver(peer, piece);
        let neighbours = &self.graph.to[self.graph.of(peer)];
        self.counted[1] += neighbours.len() as u64;
        self.holdings.on_have(neighbours, piece);
        if self.holdings.is_full(peer) {
            self.completed[peer] = self.now;
            self.waited_for -= 1;
            self.present[peer] = self.plan.group(peer).after != After::Leave;
        }
    }

    /// The uplink sends on, if there is anything to send.
    fn begin(&mut self, peer: usize) {
        if self.sending[peer] != IDLE || !self.present[peer] || self.holdings.held(peer) == 0 {
            return;
        }
        if self.begin_served(peer) || !self.fill_slots(peer) {
            return;
        }
        self.begin_served(peer);
    }

    /// The next piece for one of those who are served, in turns.
    fn begin_served(&mut self, peer: usize) -> bool {
        let [taken, turn] = self.turns[peer].map(usize::from);
        for nth in (turn..taken).chain(0..turn.min(taken)) {
            let link = self.served[peer * self.plan.most_slots + nth];
            let to = self.graph.to[link as usize] as usize;
            let policy: Policy = self.plan.group(to).picker;
            if let Some(piece) = self.holdings.pick(peer, to, policy, &mut self.rng) {
                self.holdings.ask(to, piece);
                self.sending[peer] = Sending { link, piece };
                self.turns[peer][1] = (nth + 1) as u8;
                let group = self.plan.group_of(peer);
                let sent = self.now + self.plan.groups[group].takes;
                self.agenda.plan_sent(group, sent, peer as u32);
                return true;
            }
        }
        false
    }

    /// Now, in 4096ths of a round: fine enough to tell who waited longer, in four bytes.
    fn stamp(&self) -> u32 {
        u32::try_from(self.now / self.plan.unit).unwrap_or(NO_STAMP - 1)
    }

    fn timers(&self) -> Timers {
        self.plan.timers
    }

    /// Bytes of all that is kept for the peers.
    fn bytes(&self) -> usize {
        let strategies = self.strategies.capacity() * size_of::<Box<dyn Strategy>>()
            + self.strategies.iter().map(|strategy| size_of_val(&**strategy)).sum::<usize>();
        // The two lists that strategies keep of their neighbours; one may have grown to twice that.
        let rotations = self.graph.ends() * 3 * size_of::<u64>();
        let on_trial = self.served.len() * 2 * size_of::<[u64; 2]>();
        let peers = self.present.capacity()
            + self.sending.capacity() * size_of::<Sending>()
            + self.served.capacity() * size_of::<u32>()
            + self.turns.capacity() * size_of::<[u8; 2]>()
            + self.rounds.capacity() * size_of::<u32>()
            + (self.joined.capacity() + self.completed.capacity()) * size_of::<u64>()
            + self.sent.capacity() * size_of::<u32>();
        let links = self.links.capacity() * size_of::<Link>();
        strategies
            + rotations
            + on_trial
            + peers
            + links
            + self.graph.bytes()
            + self.holdings.bytes()
            + self.agenda.bytes()
    }
}

#[cfg(test)]
mod tests;
