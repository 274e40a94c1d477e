//! Questions of a hierarchy of trackers: what this one answers from its tables, with authority,
//! and what it refers, resolves or refuses.

use super::{PeersWanted, State};
use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crate::logic::resolver::zone::{Key, Zone};
use crate::logic::resolver::{Outcome, Question};
use crate::protocol::frame::MAX_DATAGRAM;
use crate::protocol::tracker_native::hierarchy::{Form, put_answer};
use crate::protocol::tracker_native::{Candidate, Op, Query, Rcode, Records};
use crate::trace::hierarchy::{Said, Way};
use crate::tracker::federation::Place;
use std::net::{IpAddr, SocketAddr};

/// Peers of one answer: more than a datagram holds.
const MOST_PEERS: usize = 2000;

/// Contents of one name.
const MOST_NAMESAKES: usize = 16;

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// In a datagram of so many bytes.
    Datagram(usize),
    /// In a frame, to this address of ours.
    Frame(IpAddr),
}

impl State {
    /// Answers a question into `out`, or keeps it until the answer is found.
    pub(super) fn on_query(
        &mut self,
        now: Moment,
        from: SocketAddr,
        query: &Query,
        came: Came,
        out: &mut Vec<u8>,
    ) {
        let length = if let Came::Datagram(length) = came { length } else { 0 };
        self.federation.record(now, Way::From(from), Said::Query(query), length);
        let proved = query.cookie.is_some_and(|cookie| self.cookies.accepts(now, from, cookie.0));
        let form = match came {
            // Nobody's address is trusted with more bytes than came from it.
            Came::Datagram(_) if proved => Form::Datagram(MAX_DATAGRAM),
            Came::Datagram(length) => Form::Datagram(length),
            Came::Frame(_) => Form::Frame,
        };
        let Some((aa, outcome)) = self.outcome(now, from, query, (came, form)) else { return };
        let mut answer = outcome.answer((query.id, query.op), self.federation.offers_recursion());
        answer.aa = aa;
        let before = out.len();
        let answer = put_answer(answer, &outcome.records, form, out);
        let said = Said::Answer(&answer, outcome.records.len());
        self.federation.record(now, Way::To(from), said, out.len() - before);
    }

    /// The answer, and whether it has authority; nothing while it is being found.
    fn outcome(
        &mut self,
        now: Moment,
        from: SocketAddr,
        query: &Query,
        (came, form): (Came, Form),
    ) -> Option<(bool, Outcome)> {
        let without = |rcode| Some((false, Outcome::of(rcode)));
        if query.op == Op::Ping {
            return without(Rcode::NoError);
        }
        let fits = |key: &Key| match query.op {
            Op::Peers | Op::Meta | Op::Announce => matches!(key, Key::Hash(_)),
            Op::Name => matches!(key, Key::Name(_)),
            Op::Ping | Op::Other(_) => false,
        };
        let Some(key) = query.key.parse().ok().filter(fits) else {
            return without(Rcode::FormErr);
        };
        let recursive = query.rd && self.federation.offers_recursion();
        match self.federation.place(&key) {
            Place::Here(zone) => Some((true, self.own(from, &zone, &key, query, came))),
            // Where to announce is asked step by step: nobody registers through a cache.
            Place::Below(ns) if !recursive || query.op == Op::Announce => {
                Some((false, Outcome { ns, ..Outcome::of(Rcode::NoError) }))
            }
            Place::Elsewhere if !self.federation.is_resolver() || query.op == Op::Announce => {
                without(Rcode::Refused)
            }
            Place::Below(_) | Place::Elsewhere => {
                let question = Question { op: query.op, key };
                let max = query.max.into();
                let found = match form {
                    Form::Datagram(room) if recursive => {
                        self.federation.resolve(now, from, question, query, room)
                    }
                    // A stream is not kept waiting: it brings what a datagram has made known.
                    _ => {
                        let known = self.federation.known(now, &question, max);
                        Some(known.unwrap_or_else(|| Outcome::of(Rcode::Refused)))
                    }
                };
                found.map(|outcome| (false, outcome))
            }
        }
    }

    /// What our own tables say.
    fn own(
        &mut self,
        from: SocketAddr,
        zone: &Zone,
        key: &Key,
        query: &Query,
        came: Came,
    ) -> Outcome {
        let records = match (query.op, key) {
            (Op::Peers, Key::Hash(hash)) => self.peers_of(*hash, from, query, came),
            (Op::Meta, Key::Hash(hash)) => self.meta_of(*hash),
            (Op::Name, Key::Name(name)) => self.named(zone.relative(name).unwrap_or_default()),
            _ => Some(Records::None),
        };
        let rcode = if records.is_some() { Rcode::NoError } else { Rcode::NxSwarm };
        let mut ttl = self.federation.ttl_of(query.op, rcode);
        if let Some(Records::Contents(contents)) = &records
            && contents.iter().any(|content| !content.published)
        {
            // Without the .torrent, name and size are a peer's word and may change.
            ttl = ttl.min(self.federation.ttl_of(Op::Peers, rcode));
        }
        Outcome { ttl, records: records.unwrap_or_default(), ..Outcome::of(rcode) }
    }

    fn peers_of(
        &mut self,
        hash: InfoHashV2,
        from: SocketAddr,
        query: &Query,
        came: Came,
    ) -> Option<Records> {
        if !self.has_content(&hash) {
            return None;
        }
        let bound = Some(self.options.listen.ip()).filter(|ip| !ip.is_unspecified());
        let reached = if let Came::Frame(local) = came { Some(local) } else { bound };
        let wanted = usize::from(query.max).min(MOST_PEERS);
        let question = PeersWanted { hash, asker: from, reached, wanted, limit: MOST_PEERS };
        Some(Records::Peers(self.peers_for(0, &question).1))
    }

    /// What never changes of a content: not how many share it.
    fn meta_of(&self, hash: InfoHashV2) -> Option<Records> {
        let content = self.candidate(hash)?;
        Some(Records::Contents(vec![Candidate { seeders: 0, leechers: 0, ..content }]))
    }

    /// The contents of a name as the zone calls it: a dot would begin another label, so the last
    /// dash may stand for one.
    fn named(&self, name: &str) -> Option<Records> {
        let dotted = name.rsplit_once('-').map(|(before, after)| format!("{before}.{after}"));
        let names = [Some(name.to_owned()), dotted];
        let found = names.iter().flatten().flat_map(|name| self.catalogue.named(name));
        let contents = found.filter_map(|(hash, _)| self.candidate(hash)).take(MOST_NAMESAKES);
        let contents: Vec<Candidate> = contents.collect();
        (!contents.is_empty()).then_some(Records::Contents(contents))
    }

    /// The next datagram that is nobody's answer at once: questions of our own, what is answered
    /// late, and what replicas tell each other.
    pub fn next_datagram(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.federation.next_datagram()
    }

    /// The lines of the hierarchy's trace since the last time.
    pub fn take_trace(&mut self) -> String {
        self.federation.take_trace()
    }
}

#[cfg(test)]
mod tests;
