//! The coordinator: one thread that does what nobody's message asks for.
//!
//! It waits on what trackers say, on nudges, and on a tick; has peers called that the dialer names;
//! lets the swarms give up on late requests; holds the choker's rounds; and looks after torrents
//! that starve or whose disk failed.

use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crate::logic::dialer::Listed;
use crate::logic::timers::Timers;
use crate::node::dialling::Dialling;
use crate::node::resolving::Call;
use crate::node::shared::{Shared, Torrent};
use crate::node::trackers::TrackerEvent;
use crate::node::trackers::announce::AnnounceEvent;
use crate::node::tracking::may_have;
use crate::node::{Event, extensions, recovery, renewal};
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use crate::protocol::tracker_native::PeerEntry;
use crossbeam_channel::{Receiver, Sender, select};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks at its timers when nothing happens.
const TICK: Duration = Duration::from_millis(500);

/// How often it looks whether a torrent starves, or has neighbours to spare. A strategy timer.
const LOOK: Duration = Duration::from_secs(2);

/// How often a silent connection is asked whether it is there, and who else is.
const PING: Duration = Duration::from_mins(1);

/// What the coordinator listens to and talks to.
pub struct Wires {
    /// What trackers say.
    pub trackers: Receiver<TrackerEvent>,
    /// What BitTorrent trackers say.
    pub announces: Receiver<AnnounceEvent>,
    /// Someone wants a turn now.
    pub nudged: Receiver<()>,
    /// Work for the `announce` thread: a tracker lacks this torrent.
    pub publish: Sender<(SocketAddr, Arc<Torrent>)>,
    /// The `resolve` thread, if there is one, is to find another authority.
    pub resolving: Sender<Call>,
}

/// Runs until the node stops.
pub fn run(shared: &Arc<Shared>, wires: &Wires) {
    let (now, scaled) = (shared.clock.now(), |timer| shared.clock.scaled(timer));
    let round = scaled(Timers::default().round);
    let mut coordinator = Coordinator {
        shared,
        wires,
        dialling: Dialling::default(),
        tick: Timer { every: TICK, next: now },
        round: Timer { every: round, next: now + round },
        ping: Timer { every: PING, next: now + PING },
        look: Timer { every: scaled(LOOK), next: now },
        first: 0,
    };
    let never = crossbeam_channel::never();
    let quiet = crossbeam_channel::never();
    let (mut from_trackers, mut announces) = (&wires.trackers, &wires.announces);
    while !shared.is_stopping() {
        select! {
            recv(from_trackers) -> event => if let Ok(event) = event {
                coordinator.on_tracker(event);
            } else if !shared.is_stopping() {
                log::error!("the heartbeat thread is gone: trackers are not heard any more");
                from_trackers = &never;
            },
            recv(announces) -> event => if let Ok(event) = event {
                coordinator.on_announced(event);
            } else if !shared.is_stopping() {
                log::error!("the announcer thread is gone: trackers are not heard any more");
                announces = &quiet;
            },
            recv(wires.nudged) -> _ => {}
            recv(shared.stopped) -> _ => return,
            default(coordinator.tick.left(shared.clock.now())) => {}
        }
        coordinator.turn();
    }
}

struct Coordinator<'a> {
    shared: &'a Arc<Shared>,
    wires: &'a Wires,
    dialling: Dialling,
    tick: Timer,
    round: Timer,
    ping: Timer,
    look: Timer,
    /// Which torrent dials first.
    first: usize,
}

impl Coordinator<'_> {
    fn torrent(&self, hash: InfoHashV2) -> Option<Arc<Torrent>> {
        self.shared.torrents.lock().get(&hash.into()).cloned()
    }

    fn on_tracker(&self, event: TrackerEvent) {
        match event {
            TrackerEvent::Peers { tracker, info_hash, peers } => {
                let Some(torrent) = self.torrent(info_hash) else { return };
                let now = self.shared.clock.now();
                let listed: Vec<_> = peers.iter().filter_map(listed).collect();
                torrent.peers.lock().dialer.on_listed(now, tracker, &listed);
            }
            TrackerEvent::NeedsPublish { tracker, info_hash } => {
                let torrent = self.torrent(info_hash);
                if let Some(torrent) = torrent.filter(|torrent| may_have(torrent, tracker)) {
                    self.publish(&torrent, tracker);
                }
            }
            TrackerEvent::Registered { tracker, info_hash } => {
                if let Some(torrent) = self.torrent(info_hash) {
                    self.shared.tell(Event::Registered { torrent, tracker });
                }
            }
            TrackerEvent::Unreachable { tracker, why } => {
                log::warn!("{why}");
                // Without such a thread nobody listens.
                let _ = self.wires.resolving.try_send(Call::Silent(tracker));
                self.shared.tell(Event::TrackerLost { tracker: tracker.to_string(), why });
            }
            TrackerEvent::Reachable { tracker } => {
                self.shared.tell(Event::TrackerFound { tracker: tracker.to_string() });
            }
        }
    }

    /// A tracker lacks a .torrent; the others of its zone, who hear of the swarm from it, do too.
    fn publish(&self, torrent: &Arc<Torrent>, tracker: SocketAddr) {
        let authorities = torrent.authorities.lock().clone();
        let zone: Vec<SocketAddr> =
            if authorities.contains(&tracker) { authorities } else { vec![tracker] };
        for tracker in zone {
            // When many are due the tracker will ask again.
            let _ = self.wires.publish.try_send((tracker, torrent.clone()));
        }
    }

    fn on_announced(&self, event: AnnounceEvent) {
        match event {
            AnnounceEvent::Peers { key, peers, .. } => {
                let Some(torrent) = self.shared.torrents.lock().get(&key).cloned() else { return };
                let now = self.shared.clock.now();
                torrent.peers.lock().dialer.on_announced(now, &peers);
            }
            AnnounceEvent::Lost { tracker, why } => {
                log::warn!("{tracker}: {why}");
                self.shared.tell(Event::TrackerLost { why: format!("{tracker}: {why}"), tracker });
            }
            AnnounceEvent::Found { tracker } => self.shared.tell(Event::TrackerFound { tracker }),
            AnnounceEvent::Warning { tracker, text } => {
                self.shared.tell(Event::TrackerWarned { tracker, text });
            }
        }
    }

    fn turn(&mut self) {
        self.shared.guard.point("coordinator");
        let now = self.shared.clock.now();
        let torrents: Vec<Arc<Torrent>> = self.shared.torrents.lock().all();
        // A nudge is for the dialer; what time decides is decided by time, however often it comes.
        let tick = self.tick.is_due(now);
        let round = self.round.is_due(now);
        if round {
            *self.shared.next_round.lock() = self.round.next;
        }
        let ping = self.ping.is_due(now);
        let look = self.look.is_due(now);
        if tick {
            self.shared.shut_those_that_linger(now);
        }
        let traced = self.shared.is_traced();
        self.first = self.first.wrapping_add(1);
        for nth in 0..torrents.len() {
            // Another one is first each time, so that none takes all dials for itself.
            let torrent = &torrents[(self.first + nth) % torrents.len()];
            if tick {
                torrent.tell_what_was_sent(now);
                recovery::look_after(self.shared, torrent, now);
            }
            self.shared.decide(torrent, |swarm, now, out| {
                if tick {
                    swarm.set_trace(traced);
                    swarm.on_tick(now, out);
                }
                if round {
                    swarm.on_round(now, out);
                }
            });
            if ping {
                self.ping(torrent, now);
            }
            if look {
                renewal::look_after(self.shared, torrent, now);
            }
            self.dialling.dial(self.shared, torrent, now);
        }
    }

    fn ping(&self, torrent: &Torrent, now: Moment) {
        for connection in torrent.connections() {
            self.shared.say(&connection, &Message::Ping(now.elapsed().as_micros() as u64));
        }
        renewal::ask_for_peers(self.shared, torrent);
        extensions::tell_peers(self.shared, torrent);
    }
}

/// Something that is done again and again.
struct Timer {
    every: Duration,
    next: Moment,
}

impl Timer {
    /// How long until then.
    fn left(&self, now: Moment) -> Duration {
        self.next.since(now)
    }

    /// Whether it is to be done now; then it is due again after a while.
    fn is_due(&mut self, now: Moment) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.every;
        }
        due
    }
}

/// A peer on a tracker's list, if it answers in a dialect that we speak; natively, if it can.
fn listed(peer: &PeerEntry) -> Option<Listed> {
    let dialect = match (peer.native, peer.bittorrent) {
        (true, _) => Dialect::Native,
        (false, true) => Dialect::BitTorrent,
        (false, false) => return None,
    };
    Some(Listed { address: peer.addr, dialect, is_seed: peer.seed })
}
