//! The coordinator: one thread that does what nobody's message asks for.
//!
//! It waits on what trackers say, on nudges, and on a tick; calls peers that the dialer names;
//! lets the swarms give up on late requests; and holds the choker's rounds.

use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crate::logic::timers::Timers;
use crate::node::connection;
use crate::node::listener::STACK;
use crate::node::opening::Refused;
use crate::node::shared::{Shared, Torrent};
use crate::node::trackers::TrackerEvent;
use crate::node::trackers::announce::AnnounceEvent;
use crate::node::tracking::may_have;
use crate::node::{Event, extensions, worker};
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use crossbeam_channel::{Receiver, Sender, select};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::Duration;

/// How often it looks at its timers when nothing happens.
const TICK: Duration = Duration::from_millis(500);

/// Dials that may be under way at once.
const HALF_OPEN: usize = 8;

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
}

/// Runs until the node stops.
pub fn run(shared: &Arc<Shared>, wires: &Wires) {
    let mut coordinator = Coordinator {
        shared,
        wires,
        dialling: Arc::new(AtomicUsize::new(0)),
        next_tick: shared.clock.now(),
        first: 0,
        next_round: shared.clock.now() + shared.clock.scaled(Timers::default().round),
        next_ping: shared.clock.now() + PING,
    };
    let never = crossbeam_channel::never();
    let quiet = crossbeam_channel::never();
    let (mut from_trackers, mut announces) = (&wires.trackers, &wires.announces);
    while !shared.is_stopping() {
        select! {
            recv(from_trackers) -> event => if let Ok(event) = event {
                coordinator.on_tracker(event);
            } else {
                log::error!("the heartbeat thread is gone: trackers are not heard any more");
                from_trackers = &never;
            },
            recv(announces) -> event => if let Ok(event) = event {
                coordinator.on_announced(event);
            } else {
                log::error!("the announcer thread is gone: trackers are not heard any more");
                announces = &quiet;
            },
            recv(wires.nudged) -> _ => {}
            recv(shared.stopped) -> _ => return,
            default(TICK) => {}
        }
        coordinator.turn();
    }
}

struct Coordinator<'a> {
    shared: &'a Arc<Shared>,
    wires: &'a Wires,
    dialling: Arc<AtomicUsize>,
    next_tick: Moment,
    next_round: Moment,
    next_ping: Moment,
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
                let dialled = peers.iter().filter(|peer| peer.native || peer.bittorrent);
                let said = |native| if native { Dialect::Native } else { Dialect::BitTorrent };
                let addresses: Vec<_> = dialled.map(|p| (p.addr, said(p.native))).collect();
                torrent.peers.lock().dialer.on_listed(now, tracker, &addresses);
            }
            TrackerEvent::NeedsPublish { tracker, info_hash } => {
                let torrent = self.torrent(info_hash);
                if let Some(torrent) = torrent.filter(|torrent| may_have(torrent, tracker)) {
                    // When many are due the tracker will ask again.
                    let _ = self.wires.publish.try_send((tracker, torrent));
                }
            }
            TrackerEvent::Registered { tracker, info_hash } => {
                if let Some(torrent) = self.torrent(info_hash) {
                    self.shared.tell(Event::Registered { torrent, tracker });
                }
            }
            TrackerEvent::Unreachable { tracker, why } => {
                log::warn!("{why}");
                self.shared.tell(Event::TrackerLost { tracker: tracker.to_string(), why });
            }
            TrackerEvent::Reachable { tracker } => {
                self.shared.tell(Event::TrackerFound { tracker: tracker.to_string() });
            }
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
        let now = self.shared.clock.now();
        let torrents: Vec<Arc<Torrent>> = self.shared.torrents.lock().all();
        // A nudge is for the dialer; what time decides is decided by time, however often it comes.
        let tick = now >= self.next_tick;
        if tick {
            self.next_tick = now + TICK;
        }
        let round = now >= self.next_round;
        if round {
            self.next_round = now + self.shared.clock.scaled(Timers::default().round);
        }
        let ping = now >= self.next_ping;
        if ping {
            self.next_ping = now + PING;
        }
        self.first = self.first.wrapping_add(1);
        for nth in 0..torrents.len() {
            // Another one is first each time, so that none takes all dials for itself.
            let torrent = &torrents[(self.first + nth) % torrents.len()];
            if tick {
                torrent.tell_what_was_sent(now);
            }
            self.shared.decide(torrent, |swarm, now, out| {
                if tick {
                    swarm.on_tick(now, out);
                }
                if round {
                    swarm.on_round(now, out);
                }
            });
            if ping {
                self.ping(torrent, now);
            }
            self.dial(torrent, now);
        }
    }

    fn ping(&self, torrent: &Torrent, now: Moment) {
        let wants_peers = !torrent.completed.load(Ordering::Acquire) && !torrent.meta.private;
        for connection in torrent.connections() {
            self.shared.say(&connection, &Message::Ping(now.elapsed().as_micros() as u64));
            if wants_peers {
                connection.asked_for_peers.store(true, Ordering::Release);
                self.shared.say(&connection, &Message::Peers);
            }
        }
        extensions::tell_peers(self.shared, torrent);
    }

    /// Calls whom the dialer names.
    fn dial(&self, torrent: &Arc<Torrent>, now: Moment) {
        if torrent.failed.load(Ordering::Acquire) {
            return;
        }
        let seeding = torrent.completed.load(Ordering::Acquire);
        let under_way = self.dialling.load(Ordering::Acquire);
        let connected = self.shared.connections.load(Ordering::Acquire);
        let room = self.shared.max_peers.saturating_sub(connected + under_way);
        let free = room.min(HALF_OPEN.saturating_sub(under_way));
        let due = torrent.peers.lock().dialer.next_dials(now, free, seeding);
        for (address, dialect) in due {
            self.dialling.fetch_add(1, Ordering::AcqRel);
            let (shared, torrent) = (self.shared.clone(), torrent.clone());
            let dialling = self.dialling.clone();
            let thread = Builder::new().name(format!("peer-{address}")).stack_size(STACK);
            let spawned =
                thread.spawn(move || call(&shared, &torrent, address, dialect, &dialling));
            if let Err(error) = spawned {
                log::warn!("{address}: no thread for it: {error}");
                self.dialling.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

/// A dialling thread, which becomes the connection's worker when the peer answers.
fn call(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    address: SocketAddr,
    dialect: Dialect,
    dialling: &AtomicUsize,
) {
    let answered = connection::dial(shared, torrent, address, dialect);
    dialling.fetch_sub(1, Ordering::AcqRel);
    match answered {
        Ok((connection, buffer)) => worker::run(shared, &connection, buffer),
        Err(refused) => {
            log::debug!("{address}: no {dialect} connection: {refused}");
            let now = shared.clock.now();
            let mut peers = torrent.peers.lock();
            match refused {
                Refused::Ourselves => peers.dialer.on_never(address),
                Refused::Duplicate if peers.is_connected(address) => {}
                refused if refused.is_misunderstanding() => {
                    peers.dialer.on_misunderstood(now, address);
                }
                _ => peers.dialer.on_failed(now, address),
            }
        }
    }
    let _ = shared.nudge.try_send(()); // a dial slot is free
}
