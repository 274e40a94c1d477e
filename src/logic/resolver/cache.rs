//! What was answered, for as long as it holds.
//!
//! An answer and a delegation live for their TTL, capped, and what is served counts it down
//! (RFC 1034, 3.2.1). That there is no such content is remembered too (RFC 2308). What is over is
//! kept for some minutes more and served with a short TTL when nobody answers any more (RFC 8767).
//! Both tables are bounded: whatever ends first gives way. An entry of peers is a pool from which
//! each asker is given its own draw, or all who ask one resolver would have the same neighbours.

use super::zone::{Key, Zone};
use super::{Delegation, Outcome, Question};
use crate::clock::Moment;
use crate::protocol::tracker_native::{Rcode, Records};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// The bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Answers at most, and delegated zones at most.
    pub max_entries: usize,
    /// No TTL is believed beyond this.
    pub max_ttl: Duration,
    /// How long what is over may still be served.
    pub stale: Duration,
    /// The TTL it is then served with.
    pub stale_ttl: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            max_entries: 10_000,
            max_ttl: Duration::from_hours(24),
            stale: Duration::from_mins(10),
            stale_ttl: Duration::from_secs(5),
        }
    }
}

/// Something that is kept, and how long it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept<'a> {
    /// What was asked.
    pub what: What<'a>,
    /// How long it held when it came.
    pub ttl: Duration,
    /// How long it still holds; zero is stale.
    pub left: Duration,
    /// How many records it has.
    pub records: usize,
    /// Whether it says that there is nothing.
    pub is_negative: bool,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    /// The answer to a question.
    Answer(&'a Question),
    /// The trackers of a zone.
    Zone(&'a Zone),
}

/// Answers and delegations.
#[derive(Debug)]
pub struct Cache {
    params: Params,
    answers: Table<Question, Outcome>,
    zones: Table<Zone, Vec<Delegation>>,
}

impl Cache {
    /// Nothing known.
    pub fn new(params: Params) -> Self {
        let bound = params.max_entries;
        Self { params, answers: Table::new(bound), zones: Table::new(bound) }
    }

    /// Remembers an answer, if it is one that holds: something, or that there is nothing.
    pub fn keep(&mut self, now: Moment, question: Question, outcome: &Outcome) {
        let ttl = outcome.ttl.min(self.params.max_ttl);
        let holds = matches!(outcome.rcode, Rcode::NoError | Rcode::NxSwarm);
        if holds && !ttl.is_zero() {
            self.answers.insert(now, question, outcome.clone(), now + ttl);
        }
    }

    /// Remembers who has authority for a zone: as long as the shortest of these records holds.
    pub fn keep_zone(&mut self, now: Moment, zone: &Zone, servers: &[Delegation]) {
        let Some(ttl) = servers.iter().map(|server| server.ttl).min() else { return };
        let ttl = ttl.min(self.params.max_ttl);
        if !ttl.is_zero() {
            self.zones.insert(now, zone.clone(), servers.to_vec(), now + ttl);
        }
    }

    /// What is known and still holds, with a draw of at most `max` peers.
    pub fn answer(
        &self,
        now: Moment,
        question: &Question,
        max: usize,
        rng: &mut fastrand::Rng,
    ) -> Option<Outcome> {
        // BEGIN SOLUTION C7
        let entry = self.answers.get(question).filter(|entry| now < entry.ends)?;
        Some(served(now, entry, entry.ends.since(now), max, rng))
        // END SOLUTION
    }

    /// What is known and is over, but not for long.
    pub fn stale_answer(
        &self,
        now: Moment,
        question: &Question,
        max: usize,
        rng: &mut fastrand::Rng,
    ) -> Option<Outcome> {
        let recent = |entry: &&Entry<Outcome>| now < entry.ends + self.params.stale;
        let entry = self.answers.get(question).filter(recent)?;
        Some(served(now, entry, self.params.stale_ttl, max, rng))
    }

    /// The trackers of the longest zone of a key that are known, with what is left of their TTL.
    pub fn closest(&self, now: Moment, key: &Key) -> Option<(Zone, Vec<Delegation>)> {
        key.zones().find_map(|zone| {
            let entry = self.zones.get(&zone).filter(|entry| now < entry.ends)?;
            let ttl = entry.ends.since(now);
            let server = |server: &Delegation| Delegation { ttl, ..server.clone() };
            Some((zone, entry.value.iter().map(server).collect()))
        })
    }

    /// Forgets an answer, and the trackers of the longest zone of its key.
    pub fn forget(&mut self, question: &Question) {
        self.answers.remove(question);
        let longest = question.key.zones().find(|zone| self.zones.get(zone).is_some());
        longest.inspect(|zone| self.zones.remove(zone));
    }

    /// What is kept and may still be served, for people to look at: answers, then zones, and of
    /// each what ends last first.
    pub fn kept(&self, now: Moment) -> impl Iterator<Item = Kept<'_>> {
        let answers = self.answers.by_end.iter().rev();
        let answers = answers.take_while(move |(ends, _)| now < *ends + self.params.stale);
        let answers = answers.filter_map(move |(ends, question)| {
            let Entry { value, since, .. } = self.answers.get(question)?;
            let records = match &value.records {
                Records::None => 0,
                Records::Peers(peers) => peers.len(),
                Records::Contents(contents) => contents.len(),
            };
            Some(Kept {
                what: What::Answer(question),
                ttl: ends.since(*since),
                left: ends.since(now),
                records,
                is_negative: value.rcode == Rcode::NxSwarm,
            })
        });
        let zones = self.zones.by_end.iter().rev().take_while(move |(ends, _)| now < *ends);
        let zones = zones.filter_map(move |(ends, zone)| {
            let Entry { value, since, .. } = self.zones.get(zone)?;
            let (ttl, left) = (ends.since(*since), ends.since(now));
            let what = What::Zone(zone);
            Some(Kept { what, ttl, left, records: value.len(), is_negative: false })
        });
        answers.chain(zones)
    }

    /// How many of these there are; counted up to `most` answers and `most` zones.
    pub fn kept_up_to(&self, now: Moment, most: usize) -> usize {
        let answers = self.answers.by_end.iter().rev().take(most);
        let zones = self.zones.by_end.iter().rev().take(most);
        answers.take_while(|(ends, _)| now < *ends + self.params.stale).count()
            + zones.take_while(|(ends, _)| now < *ends).count()
    }

    /// How many answers there are, the stale ones too.
    pub fn answers(&self) -> usize {
        self.answers.entries.len()
    }

    /// How many zones there are, likewise.
    pub fn zones(&self) -> usize {
        self.zones.entries.len()
    }
}

/// An entry as it goes out, with that TTL.
fn served(
    now: Moment,
    entry: &Entry<Outcome>,
    ttl: Duration,
    max: usize,
    rng: &mut fastrand::Rng,
) -> Outcome {
    let mut outcome = entry.value.drawn(max, rng);
    outcome.ttl = ttl;
    let age = now.since(entry.since);
    for server in &mut outcome.ns {
        server.ttl = server.ttl.saturating_sub(age);
    }
    outcome.ns.retain(|server| !server.ttl.is_zero());
    // Nobody had to be asked.
    outcome.path.clear();
    outcome
}

impl Outcome {
    /// The same with at most `max` peers, drawn at random.
    pub(super) fn drawn(&self, max: usize, rng: &mut fastrand::Rng) -> Self {
        let mut drawn = self.clone();
        if let Records::Peers(peers) = &mut drawn.records {
            rng.shuffle(peers);
            peers.truncate(max);
        }
        drawn
    }
}

/// Entries by key, and in the order in which they end.
#[derive(Debug)]
struct Table<K, V> {
    bound: usize,
    entries: HashMap<K, Entry<V>>,
    by_end: BTreeSet<(Moment, K)>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    since: Moment,
    ends: Moment,
}

impl<K: Clone + Eq + Hash + Ord, V> Table<K, V> {
    fn new(bound: usize) -> Self {
        Self { bound, entries: HashMap::new(), by_end: BTreeSet::new() }
    }

    fn get(&self, key: &K) -> Option<&Entry<V>> {
        self.entries.get(key)
    }

    fn insert(&mut self, since: Moment, key: K, value: V, ends: Moment) {
        self.remove(&key);
        while self.entries.len() >= self.bound
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.entries.remove(&first);
        }
        self.by_end.insert((ends, key.clone()));
        self.entries.insert(key, Entry { value, since, ends });
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_end.remove(&(entry.ends, key.clone()));
        }
    }
}
