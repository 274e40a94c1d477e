//! This tracker's part in a hierarchy: its zones, whom it delegates to, and its own questions.
//!
//! ```text
//! QUERY --> place: here       -> answered from the tables, with authority   (state/questions)
//!                  below      -> referral, or resolved if that is desired and offered
//!                  elsewhere  -> resolved by a resolver, refused by others
//! own questions and what is answered late --> next_datagram --> the tracker's socket
//! ```
//! Finding an answer is [`crate::logic::resolver`]'s; keeping replicas in step is [`replicas`]'s.
//! A tracker without zone, delegations and replicas has authority for everything.

/// Registrations, from one replica of an authority to the others.
pub mod replicas;

use crate::clock::Moment;
use crate::config::HierarchyConfig;
use crate::ids::InfoHashV2;
use crate::logic::resolver::zone::{Key, Zone};
use crate::logic::resolver::{
    self, Asked, Delegation, Manner, Outcome, Question, Reply, Resolver, cache,
};
use crate::protocol::frame::MAX_DATAGRAM;
use crate::protocol::tracker_native::hierarchy::{Form, HOPS, put_answer};
use crate::protocol::tracker_native::{Answer, Op, Query, Rcode};
use crate::trace::hierarchy::{Said, Way, write, write_dropped};
use replicas::Replicas;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How long each kind of answer holds: seconds, to be divided by the time scale.
const NS_SECS: u64 = 3600;
const PEERS_SECS: u64 = 30;
const META_SECS: u64 = 86_400;
const NAME_SECS: u64 = 300;
const NEGATIVE_SECS: u64 = 30;

/// Peers asked for by a resolver: as many as a datagram holds, to draw from.
const POOL: u16 = 200;

/// How much is remembered is counted up to here: each costs a look.
const MOST_COUNTED: usize = 2000;

/// Bytes of trace that may wait for the file.
const MOST_TRACED: usize = 1 << 20;

/// Where the authority for a key is, as seen from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Here, in this zone.
    Here(Zone),
    /// In a longer zone, with these trackers.
    Below(Vec<Delegation>),
    /// Not known here.
    Elsewhere,
}

/// This tracker's part, for people to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct HierarchyView {
    /// Its zones; none of a resolver.
    pub zone: Option<String>,
    /// Whether it only finds answers for others.
    pub resolver: bool,
    /// Who has authority for everything, as far as it was told.
    pub parent: Option<SocketAddr>,
    /// Who has authority for longer zones.
    pub delegations: Vec<(Zone, SocketAddr)>,
    /// What it remembers.
    pub cache: Vec<CacheView>,
    /// How much more of that there is, at least.
    pub cache_more: usize,
}

/// Something that is remembered, for people to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheView {
    /// What was asked, and of which content.
    pub key: String,
    /// What was asked; `NS` is who has authority.
    pub op: String,
    /// How long it held when it came.
    pub ttl: Duration,
    /// How long it still holds.
    pub left: Duration,
    /// How many records it has.
    pub records: usize,
    /// Whether it says that there is nothing.
    pub negative: bool,
}

impl CacheView {
    fn of(kept: cache::Kept<'_>) -> Self {
        let (op, of) = match kept.what {
            cache::What::Answer(question) => (question.op.to_string(), question.key.to_string()),
            cache::What::Zone(zone) => ("NS".to_owned(), zone.to_string()),
        };
        Self {
            key: format!("{op} {of}"),
            op,
            ttl: kept.ttl,
            left: kept.left,
            records: kept.records,
            negative: kept.is_negative,
        }
    }
}

/// Somebody who waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    to: SocketAddr,
    id: u64,
    op: Op,
    room: usize,
}

/// The state of this tracker's part.
pub struct Federation {
    options: HierarchyConfig,
    /// What the tracker is called in its trace.
    name: String,
    resolver: Resolver<Waiting>,
    out: VecDeque<(SocketAddr, Vec<u8>)>,
    trace: Option<String>,
    pub(super) replicas: Replicas,
}

impl Federation {
    /// Nothing known. The tracker listens at `listen`, and peers say KEEPALIVE every `keepalive`.
    pub fn new(
        options: HierarchyConfig,
        listen: SocketAddr,
        keepalive: Duration,
        seed: u64,
    ) -> Self {
        let scaled = |time: Duration| time.div_f64(options.time_scale);
        let limits = options.limits.clone();
        let manner = if options.chain { Manner::Recursive } else { Manner::Iterative };
        let params = resolver::Params {
            manner,
            hold_down: scaled(limits.hold_down),
            cache: cache::Params {
                max_ttl: scaled(limits.cache.max_ttl),
                stale: scaled(limits.cache.stale),
                stale_ttl: scaled(limits.cache.stale_ttl),
                ..limits.cache
            },
            seed,
            ..limits
        };
        let hint = |(zone, addr): &(Zone, SocketAddr)| Delegation {
            zone: zone.clone(),
            addr: *addr,
            ttl: scaled(Duration::from_secs(NS_SECS)),
        };
        Self {
            resolver: Resolver::new(params, options.delegations.iter().map(hint).collect()),
            replicas: Replicas::new(&options.replicas, keepalive),
            name: listen.to_string(),
            out: VecDeque::new(),
            trace: options.trace.as_ref().map(|_| String::new()),
            options,
        }
    }

    /// Where the authority for a key is.
    pub fn place(&self, key: &Key) -> Place {
        if self.options.resolver {
            return Place::Elsewhere;
        }
        let ours = key.zones().find(|zone| self.options.zones.contains(zone));
        let delegated = key.zones().find(|zone| self.delegates(zone));
        match (ours, delegated) {
            (Some(ours), Some(zone)) if !zone.is_below(&ours) => Place::Here(ours),
            (_, Some(zone)) => {
                let ttl = self.ttl(NS_SECS);
                let servers = self.options.delegations.iter().filter(|(other, _)| *other == zone);
                let server = |(zone, addr): &(Zone, SocketAddr)| Delegation {
                    zone: zone.clone(),
                    addr: *addr,
                    ttl,
                };
                Place::Below(servers.map(server).collect())
            }
            (Some(ours), None) => Place::Here(ours),
            (None, None) => Place::Elsewhere,
        }
    }

    fn delegates(&self, zone: &Zone) -> bool {
        self.options.delegations.iter().any(|(delegated, _)| delegated == zone)
    }

    /// Why a content's peers cannot register here; `None` if they can.
    pub fn refuses(&self, hash: InfoHashV2) -> Option<String> {
        let HierarchyConfig { zones, delegations, resolver, .. } = &self.options;
        if !resolver && delegations.is_empty() && *zones == [Zone::ROOT] {
            return None;
        }
        match self.place(&Key::Hash(hash)) {
            Place::Here(_) => None,
            Place::Below(servers) => {
                let Delegation { zone, addr, .. } = &servers[0];
                Some(format!("zone {zone} is delegated to {addr}: register there"))
            }
            Place::Elsewhere if *resolver => {
                Some("a resolver has no swarms: ask it who has authority".into())
            }
            Place::Elsewhere => {
                let zones: Vec<String> = zones.iter().map(Zone::to_string).collect();
                Some(format!("not in zone {}: ask the root who has authority", zones.join(", ")))
            }
        }
    }

    /// Its part for people to look at, with at most `most` of what it remembers; `None` if it stands
    /// alone.
    pub fn view(&self, now: Moment, most: usize) -> Option<HierarchyView> {
        let HierarchyConfig { zones, delegations, resolver, .. } = &self.options;
        if !resolver && delegations.is_empty() && *zones == [Zone::ROOT] {
            return None;
        }
        let cache = self.resolver.cache();
        let zones: Vec<String> = zones.iter().map(Zone::to_string).collect();
        let kept: Vec<_> = cache.kept(now).take(most).map(CacheView::of).collect();
        let (above, below) = delegations.iter().cloned().partition(|(zone, _)| *zone == Zone::ROOT);
        let above: Vec<(Zone, SocketAddr)> = above;
        Some(HierarchyView {
            zone: (!resolver).then(|| zones.join(", ")),
            resolver: *resolver,
            parent: above.first().map(|(_, addr)| *addr),
            delegations: below,
            cache_more: cache.kept_up_to(now, MOST_COUNTED).saturating_sub(kept.len()),
            cache: kept,
        })
    }

    /// Whether it resolves for others.
    pub fn offers_recursion(&self) -> bool {
        self.options.resolver || self.options.chain
    }

    /// Whether it has no swarms of its own.
    pub fn is_resolver(&self) -> bool {
        self.options.resolver
    }

    /// How long an answer holds.
    pub fn ttl_of(&self, op: Op, rcode: Rcode) -> Duration {
        self.ttl(match (rcode, op) {
            (Rcode::NxSwarm, _) => NEGATIVE_SECS,
            (Rcode::NoError, Op::Peers) => PEERS_SECS,
            (Rcode::NoError, Op::Meta) => META_SECS,
            (Rcode::NoError, Op::Name) => NAME_SECS,
            (Rcode::NoError, Op::Announce) => NS_SECS,
            _ => 0,
        })
    }

    fn ttl(&self, secs: u64) -> Duration {
        Duration::from_secs(secs).div_f64(self.options.time_scale)
    }

    /// What is known of a question and still holds, without asking anybody.
    pub fn known(&mut self, now: Moment, question: &Question, max: usize) -> Option<Outcome> {
        self.resolver.known(now, question, max)
    }

    /// Finds the answer for somebody: at once if it is known, else it goes out when it is.
    pub fn resolve(
        &mut self,
        now: Moment,
        to: SocketAddr,
        question: Question,
        query: &Query,
        room: usize,
    ) -> Option<Outcome> {
        let waiting = Waiting { to, id: query.id, op: query.op, room };
        let asked = Asked {
            question,
            origin: query.origin.unwrap_or(query.id),
            hops: query.hops.min(HOPS),
            max: query.max.into(),
        };
        let known = self.resolver.on_question(now, waiting, &asked);
        self.pass_on(now);
        known
    }

    /// An answer to one of our questions.
    pub fn on_answer(
        &mut self,
        now: Moment,
        from: SocketAddr,
        (answer, body): (&Answer, &[u8]),
        length: usize,
    ) {
        let reply = Reply::read(answer, body);
        let count = reply.as_ref().map_or(0, |reply| reply.records.len());
        self.record(now, Way::From(from), Said::Answer(answer, count), length);
        let went = match reply {
            Ok(reply) => self.resolver.on_answer(now, from, reply),
            Err(_) => Err("its records cannot be read"),
        };
        if let Err(why) = went {
            log::debug!("an answer of {from} is dropped: {why}");
            if let Some(trace) = &mut self.trace {
                write_dropped(trace, now, &self.name, from, why);
            }
        }
        self.pass_on(now);
    }

    /// Time passes.
    pub fn on_tick(&mut self, now: Moment) {
        self.resolver.on_tick(now);
        self.pass_on(now);
    }

    /// When to come back at the latest.
    pub fn deadline(&self) -> Option<Moment> {
        self.resolver.deadline().into_iter().chain(self.replicas.deadline()).min()
    }

    /// The next datagram of our own.
    pub fn next_datagram(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.out.pop_front()
    }

    /// Queues a datagram of our own.
    pub(super) fn send(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.out.push_back((to, datagram));
    }

    /// The lines of the trace since the last time.
    pub fn take_trace(&mut self) -> String {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Writes a message to the trace, if there is one and it is not too far behind.
    pub(super) fn record(&mut self, now: Moment, way: Way, said: Said, length: usize) {
        if let Some(trace) = &mut self.trace
            && trace.len() < MOST_TRACED
        {
            write(trace, now, &self.name, way, said, length);
        }
    }

    /// Questions and answers that are due become datagrams.
    fn pass_on(&mut self, now: Moment) {
        while let Some((waiting, outcome)) = self.resolver.next_outcome() {
            let answer = outcome.answer((waiting.id, waiting.op), self.offers_recursion());
            let mut datagram = Vec::new();
            let form = Form::Datagram(waiting.room);
            let answer = put_answer(answer, &outcome.records, form, &mut datagram);
            let said = Said::Answer(&answer, outcome.records.len());
            self.record(now, Way::To(waiting.to), said, datagram.len());
            self.send(waiting.to, datagram);
        }
        while let Some(ask) = self.resolver.next_query() {
            let (to, query) = (ask.to, ask.query(POOL));
            // As long as the longest answer: what comes is to serve many askers.
            let datagram = query.clone().datagram(MAX_DATAGRAM);
            self.record(now, Way::To(to), Said::Query(&query), datagram.len());
            self.send(to, datagram);
        }
    }
}
