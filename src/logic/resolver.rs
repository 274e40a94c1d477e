//! Finding the tracker that knows, as a resolver of DNS does (RFC 1034, 5.3.3).
//!
//! ```text
//! a question -> on_question --+                       +-> next_query   -> UDP
//! UDP        -> on_answer ----+-> Resolver (no I/O) --+-> next_outcome -> whoever asked
//! time       -> on_tick ------+                       +-> deadline
//! ```
//! Resolvers, trackers that forward, and peers are all this machine; they differ in whom they ask
//! first ([`Resolver::new`]'s hints) and in their [`Manner`]. What it knows stands in [`cache`],
//! each question on its way is a walk from zone to [`zone`].
//!
//! **Limits.** A question costs at most 16 packets, 8 referrals and 3 s, however the zones are
//! delegated. An answer counts only if it comes from the address that was asked, with the 64-bit
//! number that was drawn for it. Equal questions wait for one answer. A question that is passed on
//! carries its first asker's number and a count of hops: who meets its own number, or a count of
//! zero, answers LOOP.

/// What was answered.
pub mod cache;

mod walk;
mod words;

/// Zones and keys.
pub mod zone;

use crate::clock::Moment;
use crate::protocol::tracker_native::{Op, Rcode, Records};
use cache::Cache;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use walk::{Heard, Held, Step, Walk};
use zone::{Key, Zone};

/// How others are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// For the next tracker: this machine walks (recursion desired: no).
    Iterative,
    /// For the answer: the tracker that is asked walks (recursion desired: yes).
    Recursive,
}

/// The limits, with defaults for a real network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// How others are asked.
    pub manner: Manner,
    /// How long an answer is waited for.
    pub retry: Duration,
    /// How often one tracker is asked before the next.
    pub tries: u32,
    /// How long a question takes at most.
    pub patience: Duration,
    /// How many datagrams a question costs at most.
    pub max_packets: u32,
    /// How many referrals a question follows at most.
    pub max_referrals: u32,
    /// How long a tracker that did not answer is asked last.
    pub hold_down: Duration,
    /// Questions on their way at once.
    pub max_walks: usize,
    /// Askers that wait for one of them.
    pub max_askers: usize,
    /// The bounds of the cache.
    pub cache: cache::Params,
    /// Where the dice start.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            manner: Manner::Iterative,
            retry: Duration::from_millis(500),
            tries: 2,
            patience: Duration::from_secs(3),
            max_packets: 16,
            max_referrals: 8,
            hold_down: Duration::from_secs(30),
            max_walks: 1024,
            max_askers: 64,
            cache: cache::Params::default(),
            seed: 0,
        }
    }
}

/// What is asked, and of which content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// What.
    pub op: Op,
    /// Of which.
    pub key: Key,
}

/// A question as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// The number of its first asker.
    pub origin: u64,
    /// How many may still pass it on.
    pub hops: u8,
    /// Peers at most.
    pub max: usize,
}

/// A question to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// To whom.
    pub to: SocketAddr,
    /// Its number.
    pub id: u64,
    /// What is asked.
    pub question: Question,
    /// Whether recursion is desired.
    pub rd: bool,
    /// The number of its first asker.
    pub origin: u64,
    /// How many may still pass it on.
    pub hops: u8,
}

/// A tracker with authority for a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// The zone.
    pub zone: Zone,
    /// Where the tracker is.
    pub addr: SocketAddr,
    /// How long that holds.
    pub ttl: Duration,
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The question's number.
    pub id: u64,
    /// How it went.
    pub rcode: Rcode,
    /// Whether it comes from the authority itself.
    pub aa: bool,
    /// Whether the tracker resolves for others.
    pub ra: bool,
    /// How long it holds.
    pub ttl: Duration,
    /// What was asked for.
    pub records: Records,
    /// Whom to ask, or who has authority.
    pub ns: Vec<Delegation>,
    /// Whom the tracker asked.
    pub path: Vec<SocketAddr>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it went.
    pub rcode: Rcode,
    /// How long it holds.
    pub ttl: Duration,
    /// What was asked for.
    pub records: Records,
    /// Who has authority for it.
    pub ns: Vec<Delegation>,
    /// Who was asked, in order.
    pub path: Vec<SocketAddr>,
}

impl Outcome {
    /// Nothing but a code.
    pub fn of(rcode: Rcode) -> Self {
        let (ttl, records) = (Duration::ZERO, Records::None);
        Self { rcode, ttl, records, ns: Vec::new(), path: Vec::new() }
    }
}

/// A walk and who waits for it.
#[derive(Debug)]
struct Flight<A> {
    walk: Walk,
    /// The first asker's number, and the hops that are left.
    origin: u64,
    hops: u8,
    /// Who waits, and for how many peers.
    askers: Vec<(A, usize)>,
    due: Moment,
}

/// All questions on their way, and what is known.
#[derive(Debug)]
pub struct Resolver<A> {
    params: Params,
    hints: Vec<Delegation>,
    cache: Cache,
    flights: HashMap<u64, Flight<A>>,
    by_question: HashMap<Question, u64>,
    due: BTreeSet<(Moment, u64)>,
    next_flight: u64,
    held: Held,
    asks: VecDeque<Ask>,
    outcomes: VecDeque<(A, Outcome)>,
    rng: fastrand::Rng,
}

impl<A: Clone + PartialEq> Resolver<A> {
    /// Nothing known but `hints`: whom to ask where nothing better is known, and for which zones.
    pub fn new(params: Params, hints: Vec<Delegation>) -> Self {
        Self {
            cache: Cache::new(params.cache),
            rng: fastrand::Rng::with_seed(params.seed),
            params,
            hints,
            flights: HashMap::new(),
            by_question: HashMap::new(),
            due: BTreeSet::new(),
            next_flight: 0,
            held: Held::default(),
            asks: VecDeque::new(),
            outcomes: VecDeque::new(),
        }
    }

    /// A question. What is known is answered at once; else the answer comes from
    /// [`next_outcome`](Self::next_outcome), once for each asker.
    pub fn on_question(&mut self, now: Moment, who: A, asked: &Asked) -> Option<Outcome> {
        let Asked { question, origin, hops, max } = asked;
        if let Some(known) = self.cache.answer(now, question, *max, &mut self.rng) {
            return Some(known);
        }
        if *hops == 0 {
            return Some(Outcome::of(Rcode::Loop));
        }
        if let Some(flight) = self.by_question.get(question).and_then(|n| self.flights.get_mut(n)) {
            if flight.askers.iter().any(|(waiting, _)| *waiting == who) {
                // It asks again because it hears nothing; it waits already.
                return None;
            }
            if flight.origin == *origin {
                return Some(Outcome::of(Rcode::Loop));
            }
            if flight.askers.len() >= self.params.max_askers {
                return Some(Outcome::of(Rcode::ServFail));
            }
            flight.askers.push((who, *max));
            return None;
        }
        if self.flights.len() >= self.params.max_walks {
            return Some(Outcome::of(Rcode::ServFail));
        }
        let Some((zone, servers)) = self.closest(now, &question.key) else {
            return Some(Outcome::of(Rcode::ServFail));
        };
        let mut walk = Walk::new(now, question.clone());
        walk.enter(now, zone, servers, &self.held, &mut self.rng);
        self.take_off(now, walk, who, asked);
        None
    }

    /// What is known and still holds.
    pub fn known(&mut self, now: Moment, question: &Question, max: usize) -> Option<Outcome> {
        self.cache.answer(now, question, max, &mut self.rng)
    }

    /// An answer. One that nobody waits for, or from somebody else, is dropped; the reason is for
    /// people.
    pub fn on_answer(
        &mut self,
        now: Moment,
        from: SocketAddr,
        reply: Reply,
    ) -> Result<(), &'static str> {
        let expecting = self.flights.iter_mut().find(|(_, f)| f.walk.expects(from, reply.id));
        let Some((&number, flight)) = expecting else {
            return Err("nobody was asked that there");
        };
        self.held.release(from);
        match flight.walk.on_answer(from, &reply, &self.params) {
            Heard::Answer => {
                self.land(now, number, reply);
                Ok(())
            }
            Heard::Referral(zone, servers) => {
                self.cache.keep_zone(now, &zone, &servers);
                flight.walk.enter(now, zone, servers, &self.held, &mut self.rng);
                self.go_on(now, number);
                Ok(())
            }
            Heard::Lame(why) => {
                self.go_on(now, number);
                Err(why)
            }
        }
    }

    /// Time passes.
    pub fn on_tick(&mut self, now: Moment) {
        while let Some(&(due, number)) = self.due.first()
            && due <= now
        {
            self.go_on(now, number);
        }
    }

    /// The next question to send.
    pub fn next_query(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    /// The next answer for somebody who waits.
    pub fn next_outcome(&mut self) -> Option<(A, Outcome)> {
        self.outcomes.pop_front()
    }

    /// When to come back at the latest.
    pub fn deadline(&self) -> Option<Moment> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The authority for this has fallen silent: who it is will be asked again.
    pub fn forget(&mut self, question: &Question) {
        self.cache.forget(question);
    }

    /// What is known.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The trackers of the longest zone of a key, known or given beforehand.
    fn closest(&self, now: Moment, key: &Key) -> Option<(Zone, Vec<Delegation>)> {
        let known = self.cache.closest(now, key);
        let hints = key.zones().find_map(|zone| {
            let of_zone = self.hints.iter().filter(|hint| hint.zone == zone);
            let servers: Vec<Delegation> = of_zone.cloned().collect();
            (!servers.is_empty()).then_some((zone, servers))
        });
        match (known, hints) {
            (Some(known), Some(hints)) if hints.0.is_below(&known.0) => Some(hints),
            (known, hints) => known.or(hints),
        }
    }

    fn take_off(&mut self, now: Moment, walk: Walk, who: A, asked: &Asked) {
        let number = self.next_flight;
        self.next_flight += 1;
        self.by_question.insert(asked.question.clone(), number);
        let askers = vec![(who, asked.max)];
        let flight = Flight { walk, origin: asked.origin, hops: asked.hops, askers, due: now };
        self.due.insert((now, number));
        self.flights.insert(number, flight);
        self.go_on(now, number);
    }

    /// Takes a walk's next step.
    fn go_on(&mut self, now: Moment, number: u64) {
        let flight = self.flights.get_mut(&number).expect("what is due is on its way");
        let step = flight.walk.next_step(now, &self.params, &mut self.held, &mut self.rng);
        let due = match step {
            Step::Failed(rcode) => return self.give_up(now, number, rcode),
            Step::Wait(until) => until,
            Step::Ask(to, id, until) => {
                self.asks.push_back(Ask {
                    to,
                    id,
                    question: flight.walk.question.clone(),
                    rd: self.params.manner == Manner::Recursive,
                    origin: flight.origin,
                    hops: flight.hops - 1,
                });
                until
            }
        };
        self.due.remove(&(flight.due, number));
        self.due.insert((due, number));
        flight.due = due;
    }

    /// The answer is there.
    fn land(&mut self, now: Moment, number: u64, reply: Reply) {
        let flight = self.remove(number);
        let ns = match flight.walk.bailiwick(&reply.ns) {
            Some((zone, servers)) => {
                self.cache.keep_zone(now, &zone, &servers);
                servers
            }
            None => flight.walk.authority.clone(),
        };
        let Reply { rcode, records, .. } = reply;
        let ttl = reply.ttl.min(self.params.cache.max_ttl);
        let outcome = Outcome { rcode, ttl, records, ns, path: flight.walk.path };
        self.cache.keep(now, flight.walk.question, &outcome);
        for (asker, max) in flight.askers {
            let drawn = outcome.drawn(max, &mut self.rng);
            self.outcomes.push_back((asker, drawn));
        }
    }

    /// Nobody knows: what was known some minutes ago is better than nothing.
    fn give_up(&mut self, now: Moment, number: u64, rcode: Rcode) {
        let flight = self.remove(number);
        for (asker, max) in flight.askers {
            let question = &flight.walk.question;
            let stale = self.cache.stale_answer(now, question, max, &mut self.rng);
            let failed = || Outcome { path: flight.walk.path.clone(), ..Outcome::of(rcode) };
            self.outcomes.push_back((asker, stale.unwrap_or_else(failed)));
        }
    }

    fn remove(&mut self, number: u64) -> Flight<A> {
        let flight = self.flights.remove(&number).expect("only once");
        self.due.remove(&(flight.due, number));
        self.by_question.remove(&flight.walk.question);
        flight
    }
}

#[cfg(test)]
mod tests;
