//! The model `hierarchy`: questions to a hierarchy of trackers, in virtual time.
//!
//! ```text
//! peers ---> resolver ---> root "." ---> zone "3" ---> authority "3f"
//! ```
//! Everybody who walks is the [`Resolver`] that ships, with its cache. Questions come at times by lot
//! (Poisson), each from a peer of its own, about a key by lot. Each message takes half a round trip.

use super::outcome::{Outcome, RunError, Watch};
use super::setting::{HierarchySetting, Setting};
use super::theory::asking::Ways;
use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crate::logic::resolver::zone::{Key, Zone};
use crate::logic::resolver::{self, Outcome as Found};
use crate::logic::resolver::{Ask, Asked, Delegation, Manner, Params, Question, Reply, Resolver};
use crate::protocol::tracker_native::{Op, Rcode};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long a delegation holds, in a world that is not scaled.
const DELEGATION_TTL: Duration = Duration::from_hours(1);

/// How many may pass a question on.
const HOPS: u8 = 8;

/// Peers that are asked for.
const MOST_PEERS: usize = 50;

/// The most questions, and keys, of a run.
const MOST_QUESTIONS: u32 = 1_000_000;

const RESOLVER: usize = 0;
const ROOT: usize = 1;
const ZONE: usize = 2;
const AUTHORITY: usize = 3;

/// Who asks or is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Who {
    /// The peer that has this question.
    Peer(u32),
    Tracker(usize),
}

/// What happens.
#[derive(Debug)]
enum Event {
    /// A peer begins to ask.
    Begins(u32),
    /// A question arrives at a tracker.
    Asked(usize, Who, Ask),
    /// An answer arrives.
    Answered(Who, SocketAddr, Reply),
    /// Somebody looks at what is late.
    Ticks(Who),
}

/// Somebody who asked, with which number, and for which peer's question.
type Asker = (Who, u64, u64);

/// What became of one question.
#[derive(Debug, Clone, Copy, Default)]
struct Story {
    messages: u32,
    /// The resolver knew the answer at once.
    hit: bool,
    began: Moment,
    ended: Option<Moment>,
}

struct Hierarchy {
    ways: Ways,
    setting: HierarchySetting,
    delegation_ttl: Duration,
    latency: Duration,
    trackers: Vec<Resolver<Asker>>,
    peers: HashMap<u32, Resolver<Asker>>,
    questions: Vec<Question>,
    stories: Vec<Story>,
    agenda: BinaryHeap<Reverse<(Moment, u64)>>,
    events: HashMap<u64, Event>,
    planned: u64,
    now: Moment,
    dice: fastrand::Rng,
}

/// Runs a setting. The measures are `hit_ratio`, `messages` (of a question on average), `wait`
/// (seconds), and `messages.cold` of the first question, `messages.miss` and `messages.hit` of the
/// others, by whether the resolver knew the answer.
///
/// # Errors
/// The setting has no hierarchy, or asks for more than is run.
pub fn run(setting: &Setting, seed: u64, watch: &mut dyn Watch) -> Result<Outcome, RunError> {
    let wrong = |why: &str| RunError::Failed(why.to_owned());
    let hierarchy = setting.hierarchy.as_ref().ok_or(wrong("no [hierarchy] is set"))?;
    let ways: Ways = hierarchy.resolve.parse().map_err(|why: String| wrong(&why))?;
    if hierarchy.questions > MOST_QUESTIONS || hierarchy.keys > MOST_QUESTIONS {
        let bound = format!("up to {MOST_QUESTIONS} questions are asked");
        return Err(RunError::Unsupported(bound));
    }
    if !(hierarchy.rate.is_finite() && hierarchy.rate > 0.0) {
        return Err(wrong("the rate of questions must be more than 0"));
    }
    let mut world = Hierarchy::new(setting, hierarchy, ways, seed);
    let limit = Moment::after(setting.limit);
    let mut happened = 0u64;
    while let Some(&Reverse((at, nth))) = world.agenda.peek()
        && at <= limit
    {
        world.agenda.pop();
        world.now = at;
        if let Some(event) = world.events.remove(&nth) {
            world.happen(event);
        }
        happened += 1;
        if happened.is_multiple_of(1000) {
            let ended = world.stories.iter().filter(|story| story.ended.is_some()).count();
            if !watch.progress(ended as f64 / f64::from(hierarchy.questions.max(1))) {
                return Err(RunError::Stopped);
            }
        }
    }
    Ok(Outcome { metrics: world.measures(), ..Outcome::default() })
}

fn address(who: Who) -> SocketAddr {
    let ip = match who {
        Who::Peer(nth) => Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + nth + 1),
        Who::Tracker(nth) => Ipv4Addr::new(127, 0, 0, [53, 10, 11, 21][nth]),
    };
    SocketAddr::from((ip, 7053))
}

/// The zone of a tracker that has one; the keys are all in the longest.
fn zone(tracker: usize) -> Zone {
    let text = ["", "", "3", "3f"][tracker];
    text.parse().expect("digits are a zone")
}

fn key(nth: u32) -> Key {
    let mut hash = [0; 32];
    hash[0] = 0x3f;
    hash[28..].copy_from_slice(&nth.to_be_bytes());
    Key::Hash(InfoHashV2(hash))
}

impl Hierarchy {
    fn new(setting: &Setting, hierarchy: &HierarchySetting, ways: Ways, seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let chain = ways == Ways::Chain;
        let delegation_ttl = DELEGATION_TTL.div_f64(setting.time_scale);
        let mut tracker = |manner, to| {
            let params = Params { manner, seed: dice.u64(..), ..Params::default() };
            Resolver::new(params, vec![delegation(to, delegation_ttl)])
        };
        let manner = if chain { Manner::Recursive } else { Manner::Iterative };
        let trackers = [ROOT, ZONE, AUTHORITY].map(|to| tracker(manner, to)).into();
        let count = hierarchy.questions;
        let drawn = (0..count).map(|_| key(dice.u32(0..hierarchy.keys.max(1))));
        let questions = drawn.map(|key| Question { op: Op::Peers, key }).collect();
        let mut world = Self {
            ways,
            setting: hierarchy.clone(),
            delegation_ttl,
            latency: setting.link.rtt / 2,
            trackers,
            peers: HashMap::new(),
            questions,
            stories: vec![Story::default(); count as usize],
            agenda: BinaryHeap::new(),
            events: HashMap::new(),
            planned: 0,
            now: Moment::START,
            dice,
        };
        let mut at = 0.0;
        for nth in 0..count {
            at -= (1.0 - world.dice.f64()).ln() / hierarchy.rate;
            let begins = Duration::try_from_secs_f64(at).unwrap_or(Duration::MAX);
            world.plan(Moment::after(begins), Event::Begins(nth));
        }
        world
    }

    fn plan(&mut self, at: Moment, event: Event) {
        self.planned += 1;
        self.agenda.push(Reverse((at, self.planned)));
        self.events.insert(self.planned, event);
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Begins(nth) => self.begin(nth),
            Event::Asked(tracker, from, ask) => self.on_asked(tracker, from, &ask),
            Event::Answered(who, from, reply) => {
                if let Some(resolver) = self.resolver(who) {
                    // What comes too late is dropped, as it is on the net.
                    _ = resolver.on_answer(now, from, reply);
                }
                self.pump(who);
            }
            Event::Ticks(who) => {
                if let Some(resolver) = self.resolver(who) {
                    resolver.on_tick(now);
                }
                self.pump(who);
            }
        }
    }

    /// The resolver of a peer that waits, or of a tracker but the authority, which has no need.
    fn resolver(&mut self, who: Who) -> Option<&mut Resolver<Asker>> {
        match who {
            Who::Peer(nth) => self.peers.get_mut(&nth),
            Who::Tracker(nth) => self.trackers.get_mut(nth),
        }
    }

    fn begin(&mut self, nth: u32) {
        let (manner, to) = match self.ways {
            Ways::Iterative => (Manner::Iterative, ROOT),
            Ways::Recursive | Ways::Chain => (Manner::Recursive, RESOLVER),
        };
        let params = Params { manner, seed: self.dice.u64(..), ..Params::default() };
        let mut hint = delegation(to, self.delegation_ttl);
        hint.zone = Zone::ROOT;
        let mut peer = Resolver::new(params, vec![hint]);
        let question = self.questions[nth as usize].clone();
        let asked = Asked { question, origin: u64::from(nth), hops: HOPS, max: MOST_PEERS };
        let known = peer.on_question(self.now, (Who::Peer(nth), 0, u64::from(nth)), &asked);
        self.stories[nth as usize].began = self.now;
        if known.is_none() {
            self.peers.insert(nth, peer);
            self.pump(Who::Peer(nth));
        }
    }

    fn on_asked(&mut self, tracker: usize, from: Who, ask: &Ask) {
        if tracker == AUTHORITY {
            let found = Found { ttl: self.setting.ttl, ..Found::of(Rcode::NoError) };
            return self.answer(tracker, (from, ask.id, ask.origin), found, true);
        }
        // The resolver always resolves; the others do in a chain.
        if ask.rd && (tracker == RESOLVER || self.ways == Ways::Chain) {
            let (origin, hops) = (ask.origin, ask.hops);
            let question = ask.question.clone();
            let asked = Asked { question, origin, hops, max: MOST_PEERS };
            let now = self.now;
            let known = self.trackers[tracker].on_question(now, (from, ask.id, origin), &asked);
            if let Some(found) = known {
                if let (Who::Peer(nth), Rcode::NoError) = (from, found.rcode) {
                    self.stories[nth as usize].hit = true;
                }
                self.answer(tracker, (from, ask.id, ask.origin), found, false);
            }
            return self.pump(Who::Tracker(tracker));
        }
        let ns = vec![delegation(tracker + 1, self.delegation_ttl)];
        let found = Found { ns, ..Found::of(Rcode::NoError) };
        self.answer(tracker, (from, ask.id, ask.origin), found, false);
    }

    fn answer(&mut self, tracker: usize, asker: Asker, found: Found, aa: bool) {
        let (to, id, origin) = asker;
        let resolver::Outcome { rcode, ttl, records, ns, path } = found;
        let ra = tracker == RESOLVER || self.ways == Ways::Chain;
        let reply = Reply { id, rcode, aa, ra, ttl, records, ns, path };
        self.count(origin);
        let from = address(Who::Tracker(tracker));
        self.plan(self.now + self.latency, Event::Answered(to, from, reply));
    }

    /// A message belongs to the question of its first asker.
    fn count(&mut self, origin: u64) {
        if let Some(story) = self.stories.get_mut(origin as usize) {
            story.messages += 1;
        }
    }

    /// Sends what somebody wants to ask, and tells those who wait what was found.
    fn pump(&mut self, who: Who) {
        let Some(resolver) = self.resolver(who) else { return };
        let asks: Vec<Ask> = std::iter::from_fn(|| resolver.next_query()).collect();
        let found: Vec<(Asker, Found)> = std::iter::from_fn(|| resolver.next_outcome()).collect();
        let deadline = resolver.deadline();
        for ask in asks {
            self.count(ask.origin);
            let is_it = |&nth: &usize| address(Who::Tracker(nth)) == ask.to;
            if let Some(tracker) = (RESOLVER..=AUTHORITY).find(is_it) {
                self.plan(self.now + self.latency, Event::Asked(tracker, who, ask));
            }
        }
        for (asker, found) in found {
            match who {
                Who::Peer(nth) => {
                    let story = &mut self.stories[nth as usize];
                    story.ended = (found.rcode == Rcode::NoError).then_some(self.now);
                    self.peers.remove(&nth);
                }
                Who::Tracker(tracker) => self.answer(tracker, asker, found, false),
            }
        }
        if let Some(deadline) = deadline {
            self.plan(deadline.max(self.now), Event::Ticks(who));
        }
    }

    fn measures(&self) -> BTreeMap<String, f64> {
        let mut all = BTreeMap::new();
        let ended: Vec<&Story> = self.stories.iter().filter(|s| s.ended.is_some()).collect();
        let mut put = |name: &str, of: &mut dyn Iterator<Item = f64>| {
            let values: Vec<f64> = of.collect();
            if !values.is_empty() {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                all.insert(name.to_owned(), mean);
            }
        };
        let wait = |s: &&Story| s.ended.map_or(0.0, |ended| ended.since(s.began).as_secs_f64());
        let messages = |s: &&Story| f64::from(s.messages);
        put("messages", &mut ended.iter().map(messages));
        put("wait", &mut ended.iter().map(wait));
        put("hit_ratio", &mut ended.iter().map(|s| f64::from(u8::from(s.hit))));
        put("messages.cold", &mut ended.iter().take(1).map(messages));
        let later = || ended.iter().skip(1);
        put("messages.miss", &mut later().filter(|s| !s.hit).map(messages));
        put("messages.hit", &mut later().filter(|s| s.hit).map(messages));
        all
    }
}

/// A tracker as others are told of it.
fn delegation(tracker: usize, ttl: Duration) -> Delegation {
    Delegation { zone: zone(tracker), addr: address(Who::Tracker(tracker)), ttl }
}

#[cfg(test)]
mod tests;
