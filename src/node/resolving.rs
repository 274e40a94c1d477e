//! The `resolve` thread (`--resolve`): finds the authority of each torrent in a hierarchy of
//! trackers, and peers on the way.
//!
//! ```text
//! torrent -> PEERS question -> peers     -> coordinator
//!            META of a seed -> authority -> Torrent::authorities -> heartbeat registers there
//! heartbeat: "silent"       -> forgotten, asked again, and another one of the zone is taken
//! ```
//! An answer is asked for again when it no longer holds. A private torrent keeps to the trackers
//! that it names (BEP 27) and is never asked about.

use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crate::logic::resolver::zone::Key;
use crate::logic::resolver::{Outcome, Question};
use crate::node::shared::{Shared, Torrent};
use crate::node::trackers::TrackerEvent;
use crate::node::trackers::resolve::Stub;
use crate::protocol::tracker_native::{Op, Rcode, Records};
use crossbeam_channel::{Receiver, Sender, select};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How many peers are asked for.
const WANTED: u16 = 50;

/// How soon a question is asked again at the earliest, however short its answer holds.
const SHORTEST: Duration = Duration::from_secs(1);

/// How soon a question is asked again that nobody answered.
const RETRY: Duration = Duration::from_secs(5);

/// How long an authority that fell silent is not taken while there is another. A strategy timer.
const HOLD_DOWN: Duration = Duration::from_secs(30);

/// What the thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// There is a new torrent.
    Added,
    /// This tracker does not answer.
    Silent(SocketAddr),
}

/// What the thread has to do with others.
pub struct Wires {
    /// What it is told.
    pub calls: Receiver<Call>,
    /// Peers, for the coordinator.
    pub events: Sender<TrackerEvent>,
    /// The heartbeat is to look at the torrents.
    pub nudge: Box<dyn Fn() + Send>,
}

/// Runs until the node stops.
pub fn run(shared: &Shared, stub: &mut Stub, wires: &Wires) {
    let mut resolving =
        Resolving { shared, stub, wires, due: HashMap::new(), silent: HashMap::new() };
    while !shared.is_stopping() {
        let patience = resolving.ask_all();
        select! {
            recv(wires.calls) -> call => match call {
                Ok(Call::Added) => {}
                Ok(Call::Silent(tracker)) => resolving.on_silent(tracker),
                Err(_) => return,
            },
            recv(shared.stopped) -> _ => return,
            default(patience) => {}
        }
    }
}

struct Resolving<'a> {
    shared: &'a Shared,
    stub: &'a mut Stub,
    wires: &'a Wires,
    /// When each torrent is asked about again.
    due: HashMap<InfoHashV2, Moment>,
    /// Trackers that fell silent, and when.
    silent: HashMap<SocketAddr, Moment>,
}

impl Resolving<'_> {
    /// Asks about every torrent that is due; how long nothing is due then.
    fn ask_all(&mut self) -> Duration {
        let torrents: Vec<Arc<Torrent>> = self.shared.torrents.lock().all();
        let asked = torrents.iter().filter(|torrent| !torrent.keeps_to_its_trackers());
        let asked: Vec<_> = asked.filter_map(|t| Some((t, t.info_hash.v2()?))).collect();
        self.due.retain(|known, _| asked.iter().any(|(_, hash)| hash == known));
        for (torrent, hash) in asked {
            let now = self.shared.clock.now();
            if self.shared.is_stopping() || self.due.get(&hash).is_some_and(|due| *due > now) {
                continue;
            }
            let again = self.ask(torrent, hash);
            self.due.insert(hash, self.shared.clock.now() + again);
        }
        let now = self.shared.clock.now();
        let next = self.due.values().min().map(|due| due.since(now));
        next.unwrap_or(Duration::from_mins(1))
    }

    /// Asks about one torrent; how soon it is to be asked about again.
    fn ask(&mut self, torrent: &Torrent, hash: InfoHashV2) -> Duration {
        let question = question(torrent, hash);
        let outcome = match self.stub.ask(&question, WANTED, &mut |_| ()) {
            Ok(outcome) => outcome,
            Err(error) => {
                log::warn!("cannot ask who has authority for {hash}: {error}");
                return RETRY;
            }
        };
        if !matches!(outcome.rcode, Rcode::NoError | Rcode::NxSwarm) {
            log::warn!("who has authority for {hash} cannot be found out: {}", outcome.rcode);
            return RETRY;
        }
        let again = outcome.ttl.max(SHORTEST);
        self.settle(torrent, &outcome);
        let authority = torrent.authorities.lock().first().copied();
        if let (Some(tracker), Records::Peers(peers)) = (authority, outcome.records) {
            // When the channel is full, the next answer brings them again.
            let event = TrackerEvent::Peers { tracker, info_hash: hash, peers };
            let _ = self.wires.events.try_send(event);
        }
        again
    }

    /// Keeps the torrent's first authority while it is one and speaks; else takes one that does.
    fn settle(&mut self, torrent: &Torrent, outcome: &Outcome) {
        let (now, hold_down) = (self.shared.clock.now(), self.shared.clock.scaled(HOLD_DOWN));
        self.silent.retain(|_, since| now.since(*since) < hold_down);
        let mut servers: Vec<SocketAddr> = outcome.ns.iter().map(|ns| ns.addr).collect();
        let mut authorities = torrent.authorities.lock();
        let before = authorities.first().copied();
        // A sort keeps the order of equals.
        servers.sort_by_key(|server| (self.silent.contains_key(server), Some(*server) != before));
        let Some(&first) = servers.first() else { return };
        *authorities = servers;
        drop(authorities);
        if before != Some(first) {
            log::info!("{first} has authority for {}", torrent.name);
            (self.wires.nudge)();
        }
    }

    /// Torrents of a tracker that fell silent are asked about again, from the zone above.
    fn on_silent(&mut self, tracker: SocketAddr) {
        self.silent.insert(tracker, self.shared.clock.now());
        for torrent in self.shared.torrents.lock().all() {
            if let Some(hash) = torrent.info_hash.v2()
                && torrent.authorities.lock().first() == Some(&tracker)
            {
                self.stub.forget(&question(&torrent, hash));
                self.due.remove(&hash);
            }
        }
    }
}

/// A seeder needs no peers; it is the first to ask, and the answer that nobody shares the content
/// would be remembered by a resolver for all who come next.
fn question(torrent: &Torrent, hash: InfoHashV2) -> Question {
    let seeds = torrent.completed.load(Ordering::Acquire);
    Question { op: if seeds { Op::Meta } else { Op::Peers }, key: Key::Hash(hash) }
}
