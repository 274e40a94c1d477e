//! One question on its way from zone to zone.
//!
//! ```text
//!           +--- silent: again, then the next tracker; refused or lame: the next tracker ---+
//!           v                                                                               |
//! zone -> ask one of its trackers -> referral to a longer zone of the key? -> that zone ----+
//!                                 -> answer with authority -> over
//! ```
//! **Bailiwick.** A tracker is believed about what lies in its own zone and about nothing else: a
//! referral must name a zone that is strictly longer than the one asked and that the key belongs
//! to. So a walk cannot go in circles, and whoever is asked about one zone cannot speak for
//! another.

use super::zone::Zone;
use super::{Delegation, Manner, Params, Question, Reply};
use crate::clock::Moment;
use crate::protocol::tracker_native::Rcode;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

/// Addresses held down at once.
const MAX_HELD: usize = 1024;

/// Addresses of one zone that are tried.
const MAX_SERVERS: usize = 8;

/// Who did not answer, and until when it is asked last.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<SocketAddr, Moment>);

impl Held {
    fn hold(&mut self, now: Moment, server: SocketAddr, until: Moment) {
        if self.0.len() >= MAX_HELD {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() < MAX_HELD {
            self.0.insert(server, until);
        }
    }

    fn is_held(&self, now: Moment, server: SocketAddr) -> bool {
        self.0.get(&server).is_some_and(|until| *until > now)
    }

    pub fn release(&mut self, server: SocketAddr) {
        self.0.remove(&server);
    }
}

/// What a walk does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Asks this tracker under this number, and waits until then.
    Ask(SocketAddr, u64, Moment),
    /// Waits until then.
    Wait(Moment),
    /// Found nobody who knows.
    Failed(Rcode),
}

/// What an answer means to a walk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is the answer.
    Answer,
    /// Others are to be asked: they have authority for that zone.
    Referral(Zone, Vec<Delegation>),
    /// This tracker is of no use; the reason for people.
    Lame(&'static str),
}

/// A question that is waiting for a tracker.
#[derive(Debug)]
struct Asked {
    server: SocketAddr,
    id: u64,
    times: u32,
    until: Moment,
}

/// One question on its way.
#[derive(Debug)]
pub(super) struct Walk {
    pub question: Question,
    began: Moment,
    /// The zone whose trackers are asked now, and all of them.
    pub zone: Zone,
    pub authority: Vec<Delegation>,
    /// Those that have not been tried.
    servers: VecDeque<SocketAddr>,
    asked: Option<Asked>,
    referrals: u32,
    packets: u32,
    pub path: Vec<SocketAddr>,
    /// Somebody found that the question goes round.
    looped: bool,
}

impl Walk {
    pub fn new(now: Moment, question: Question) -> Self {
        Self {
            question,
            began: now,
            zone: Zone::ROOT,
            authority: Vec::new(),
            servers: VecDeque::new(),
            asked: None,
            referrals: 0,
            packets: 0,
            path: Vec::new(),
            looped: false,
        }
    }

    /// Goes on with the trackers of a zone: in random order, those held down last.
    pub fn enter(
        &mut self,
        now: Moment,
        zone: Zone,
        authority: Vec<Delegation>,
        held: &Held,
        rng: &mut fastrand::Rng,
    ) {
        let mut servers: Vec<SocketAddr> = authority.iter().map(|server| server.addr).collect();
        rng.shuffle(&mut servers);
        servers.sort_by_key(|server| held.is_held(now, *server));
        servers.truncate(MAX_SERVERS);
        (self.zone, self.authority, self.servers) = (zone, authority, servers.into());
        self.asked = None;
    }

    /// Whom to ask now, if anybody.
    pub fn next_step(
        &mut self,
        now: Moment,
        params: &Params,
        held: &mut Held,
        rng: &mut fastrand::Rng,
    ) -> Step {
        let failed = Step::Failed(if self.looped { Rcode::Loop } else { Rcode::ServFail });
        let end = self.began + params.patience;
        if now >= end {
            return failed;
        }
        let again = match self.asked.take() {
            Some(asked) if now < asked.until => {
                let until = asked.until;
                self.asked = Some(asked);
                return Step::Wait(until);
            }
            Some(asked) if asked.times < params.tries => Some(asked),
            Some(asked) => {
                held.hold(now, asked.server, now + params.hold_down);
                None
            }
            None => None,
        };
        let next = || self.servers.pop_front().map(|server| (server, rng.u64(..), 0));
        let asked = again.map(|asked| (asked.server, asked.id, asked.times)).or_else(next);
        let Some((server, id, times)) = asked.filter(|_| self.packets < params.max_packets) else {
            return failed;
        };
        self.packets += 1;
        let until = (now + params.retry).min(end);
        self.asked = Some(Asked { server, id, times: times + 1, until });
        Step::Ask(server, id, until)
    }

    /// Whether an answer comes from the tracker that is being asked, under the question's number.
    pub fn expects(&self, from: SocketAddr, id: u64) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.server == from && asked.id == id)
    }

    /// An answer that is expected.
    pub fn on_answer(&mut self, from: SocketAddr, reply: &Reply, params: &Params) -> Heard {
        self.asked = None;
        self.path.push(from);
        self.path.extend(&reply.path);
        self.path.truncate(params.max_packets as usize);
        match reply.rcode {
            Rcode::NoError | Rcode::NxSwarm => {}
            Rcode::Loop => {
                self.looped = true;
                return Heard::Lame("the question goes round");
            }
            _ => return Heard::Lame("it does not answer"),
        }
        if reply.aa || reply.ra && params.manner == Manner::Recursive {
            return Heard::Answer;
        }
        let Some((zone, servers)) = self.bailiwick(&reply.ns) else {
            return Heard::Lame("its referral leads to no longer zone of the key");
        };
        self.referrals += 1;
        if self.referrals > params.max_referrals {
            self.servers.clear();
            return Heard::Lame("too many referrals");
        }
        Heard::Referral(zone, servers)
    }

    /// Of some name servers, those that the tracker asked may name: all of the first zone among
    /// them that is strictly longer than its own and that the key belongs to.
    pub fn bailiwick(&self, ns: &[Delegation]) -> Option<(Zone, Vec<Delegation>)> {
        // BEGIN SOLUTION C7
        let may_name = |zone: &Zone| zone.is_below(&self.zone) && zone.contains(&self.question.key);
        let zone = ns.iter().map(|server| &server.zone).find(|zone| may_name(zone))?.clone();
        let usable = |server: &&Delegation| server.zone == zone && server.addr.port() != 0;
        let servers: Vec<Delegation> =
            ns.iter().filter(usable).take(MAX_SERVERS).cloned().collect();
        (!servers.is_empty()).then_some((zone, servers))
        // END SOLUTION
    }
}
