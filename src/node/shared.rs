//! What the threads of a node share.
//!
//! | lock | guards | never held across |
//! |---|---|---|
//! | `Torrent::peers` | the connections, the dialer and the neighbours of a torrent | I/O |
//! | `Torrent::picker` | the torrent's [`Swarm`]: bitmap, picker, choker, sessions | I/O |
//! | `Shared::leaving` | connections that were let go | anything |
//! | `Torrent::retry` | when a disk that failed is tried again | anything |
//! | `Torrent::spoilt` | web seeds that lied | anything |
//! | `Torrent::selecting` | the choice of files, on disk and in the swarm | anything but that |
//! | `Torrent::tiers` | the URLs of its trackers | anything |
//! | `Shared::next_round` | when the next round is | anything |
//! | `Torrent::leaves` | the leaf hashes asked for lately | anything but reading that one piece |
//!
//! The order is `selecting`, then `peers`, then `picker`. Decisions are taken under `picker` as a list of
//! [`Action`]s ([`Shared::decide`]); what they say is put into outboxes under the same lock, the
//! rest is carried out after it is released. The locks of an outbox, of the limits, of the parked
//! connections, of the trace and of the upload channel are leaves: nothing is locked under them, but that an
//! outbox asks the upload limits whether a frame may begin, and traces what it is given.

use crate::clock::{Clock, Moment};
use crate::ids::{InfoHash, InfoHashV1, PeerId, PieceIndex, Sha1Hash, Span};
use crate::logic::PeerKey;
use crate::logic::dialer::{Dialer, Source, Tongues};
use crate::logic::neighbours::Neighbours;
use crate::logic::picker::Priority;
use crate::logic::swarm::{Action, Parting, Swarm};
use crate::node::guard::Guard;
use crate::node::limits::{DownLimit, UpLimits};
use crate::node::outbox::{Outbox, Pushed};
use crate::node::socket::Parked;
pub use crate::node::torrent::Torrent;
use crate::node::trace::Trace;
use crate::node::{EVENTS, Event};
use crate::protocol::Dialect;
use crate::protocol::message::{ErrorMessage, Message};
use crate::protocol::mse::skey_hash;
use crate::protocol::speech::Speech;
use crate::trace::Link;
use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a connection that was let go has to say so.
const LINGER: Duration = Duration::from_secs(2);

/// How many that broke a rule may have that time at once.
const MOST_LINGERING: usize = 64;

/// A piece whose blocks are all stored, for the verifier.
pub type Written = (Arc<Torrent>, PieceIndex);

/// What all threads of a node may use.
pub struct Shared {
    /// Who we are.
    pub peer_id: PeerId,
    /// Where we listen.
    pub port: u16,
    /// Where outgoing connections start.
    pub bind: Option<IpAddr>,
    /// The time.
    pub clock: Clock,
    /// The panics of its threads.
    pub guard: Guard,
    /// Whether every block that is sent is wrong by one bit.
    pub lies: bool,
    /// The most connections in all.
    pub max_peers: AtomicUsize,
    /// The most with one address, loopback and private ones exempt; 0 is no limit.
    pub max_per_ip: usize,
    /// The torrents.
    pub torrents: Mutex<Torrents>,
    /// Connections that have something to send, each at most once.
    pub uploads: Mutex<Option<Sender<Arc<Connection>>>>,
    /// Connections whose sockets take no more now.
    pub parked: Parked,
    /// Bytes per second that may be sent, and the connections that wait for that.
    pub up_limits: UpLimits,
    /// Bytes per second that may be received, all torrents together.
    pub down_limit: DownLimit,
    /// Pieces for the verifier.
    pub written: Sender<Written>,
    /// What happens, for people. Full: news that repeats itself is dropped.
    pub events: Sender<Event>,
    /// Asks the `settle` thread to look what is to be made durable.
    pub settle: Sender<()>,
    /// Asks the coordinator for a turn now.
    pub nudge: Sender<()>,
    /// Never sends; it is closed when the node stops, which wakes whoever waits on it.
    pub stopped: Receiver<()>,
    /// Set before `stopped` is closed.
    pub stopping: AtomicBool,
    /// Connections that exist.
    pub connections: AtomicUsize,
    /// Connections that were let go or broke a rule, and when: they have a moment to say so.
    pub leaving: Mutex<Vec<(Moment, Arc<Connection>)>>,
    /// The next [`PeerKey`].
    pub next_key: AtomicU64,
    /// When the chokers' next round is.
    pub next_round: Mutex<Moment>,
    /// Where everything is written down (`--trace`), or can be looked at.
    pub trace: Option<Arc<Trace>>,
}

impl Shared {
    /// Whether the node is on its way out.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// How many connections more there may be.
    pub fn room(&self) -> usize {
        let most = self.max_peers.load(Ordering::Acquire);
        most.saturating_sub(self.connections.load(Ordering::Acquire))
    }

    /// Hands a connection to the upload pool. Its outbox says when: once until it is empty, so
    /// that the channel, which has room for every connection, is never full.
    pub fn schedule(&self, connection: &Arc<Connection>) {
        let uploads = self.uploads.lock().clone();
        if uploads.is_none_or(|uploads| uploads.send(connection.clone()).is_err()) {
            connection.shut(); // the node stops
        }
    }

    /// Waits, unless the node stops first; true if it stops.
    pub fn wait(&self, pause: Duration) -> bool {
        use crossbeam_channel::RecvTimeoutError::Timeout;
        self.is_stopping() || self.stopped.recv_timeout(pause) != Err(Timeout)
    }

    /// Tells people what happened. When they do not listen, news that repeats itself is dropped
    /// while there is still room for what does not.
    pub fn tell(&self, event: Event) {
        let crowded = self.events.len() > EVENTS * 3 / 4;
        if (crowded && event.repeats_itself()) || self.events.try_send(event).is_err() {
            log::debug!("an event was dropped: nobody listens fast enough");
        }
    }

    /// Lets the swarm of a torrent decide something, and carries it out.
    ///
    /// What goes into outboxes is put there under the same lock, so that what two threads decided
    /// one after the other is also said in that order. The rest is done after it is released.
    pub fn decide<R>(
        &self,
        torrent: &Arc<Torrent>,
        decision: impl FnOnce(&mut Swarm, Moment, &mut Vec<Action>) -> R,
    ) -> R {
        let (mut actions, mut later) = (Vec::new(), Vec::new());
        let mut picker = torrent.picker.lock();
        let result = decision(&mut picker.swarm, self.clock.now(), &mut actions);
        for action in actions {
            self.trace_action(torrent, &picker.lines, &action);
            if action == Action::Complete {
                // Under the lock, so that whoever wants more next has the last word.
                torrent.completed.store(true, Ordering::Release);
                torrent.unsettled.store(true, Ordering::Release);
            }
            self.put(&picker.lines, action, &mut later);
        }
        drop(picker);
        later.iter().for_each(|action| self.perform(torrent, action));
        result
    }

    /// Puts an action into its outbox, or aside if it is for no outbox.
    fn put(&self, lines: &Lines, action: Action, later: &mut Vec<Action>) {
        let line = |peer: PeerKey| lines.get(&peer);
        match action {
            Action::Say(peer, message @ Message::DontHave(_)) => {
                if let Some(connection) = line(peer) {
                    self.take_back(connection, &message);
                }
            }
            Action::Say(peer, message) => _ = line(peer).map(|c| self.say(c, &message)),
            Action::Upload(peer, span) => _ = line(peer).map(|c| self.upload(c, span)),
            Action::Weigh(peer, weight) => _ = line(peer).map(|c| c.set_weight(weight)),
            Action::Unqueue(peer, span) => {
                if let Some(connection) = line(peer).filter(|c| c.outbox.unqueue(span)) {
                    self.refuse(connection, span);
                }
            }
            Action::UnqueueAll(peer) => {
                if let Some(connection) = line(peer) {
                    let all = connection.outbox.unqueue_all();
                    all.into_iter().for_each(|span| self.refuse(connection, span));
                }
            }
            Action::Disconnect(peer, parting) => {
                if let Some(connection) = line(peer) {
                    log::info!("{}: closed: {parting}", connection.who.address);
                    connection.both_seed.store(parting == Parting::BothSeed, Ordering::Release);
                    self.end(connection, &Message::Bye);
                }
            }
            other => later.push(other),
        }
    }

    fn perform(&self, torrent: &Arc<Torrent>, action: &Action) {
        match *action {
            Action::Verify(piece) => {
                // It is closed only when the node stops.
                let _ = self.written.send((torrent.clone(), piece));
            }
            Action::Ban(address, piece) => {
                log::info!("{address}: banned: {piece} does not match its hash");
                let mut peers = torrent.peers.lock();
                peers.dialer.on_banned(address);
                // Who called from there is not to be called back, wherever it listens.
                let there = peers.connections.values().filter(|c| c.who.source == address);
                let listening: Vec<_> = there.filter_map(|c| c.listens_at()).collect();
                listening.into_iter().for_each(|at| peers.dialer.on_never(at));
                drop(peers);
                self.tell(Event::Banned { torrent: torrent.clone(), address, piece });
            }
            Action::Decided(_) => {}
            Action::Complete => _ = self.settle.try_send(()), // one is as good as two
            _ => unreachable!("what is for an outbox was put there"),
        }
    }

    /// Brings a connection back that waits for the upload limit.
    pub fn unpark(&self, connection: &Arc<Connection>) {
        if self.up_limits.take_back(connection) {
            self.schedule(connection);
        }
    }

    /// Does what a push asks for.
    pub fn follow(&self, connection: &Arc<Connection>, pushed: Pushed) {
        match pushed {
            Pushed::Schedule => self.schedule(connection),
            Pushed::Unpark => self.unpark(connection),
            Pushed::Noted => {}
            Pushed::Full => {
                log::info!(
                    "{}: closed: it reads nothing of what it is told",
                    connection.who.address
                );
                connection.shut();
            }
        }
    }

    /// Puts a message into a connection's outbox.
    pub fn say(&self, connection: &Arc<Connection>, message: &Message) {
        self.follow(connection, connection.outbox.say(message));
    }

    /// Says a last message, then closes.
    pub fn end(&self, connection: &Arc<Connection>, message: &Message) {
        self.follow(connection, connection.outbox.end_with(message));
    }

    /// Lets connections of a torrent go: the swarm forgets them at once, they have two seconds to
    /// say BYE, and their peers may be called again.
    pub fn let_go(&self, torrent: &Arc<Torrent>, connections: &[Arc<Connection>]) {
        let now = self.clock.now();
        connections.iter().for_each(|c| c.leaving.store(true, Ordering::Release));
        for connection in connections {
            torrent.picker.lock().lines.remove(&connection.key);
            self.decide(torrent, |swarm, now, out| swarm.on_left(now, connection.key, out));
            self.end(connection, &Message::Bye);
        }
        self.leaving.lock().extend(connections.iter().map(|c| (now, c.clone())));
        self.down_limit.wake();
        torrent.down_limit.wake();
    }

    /// Shuts the connections that were let go and are still there.
    pub fn shut_those_that_linger(&self, now: Moment) {
        self.leaving.lock().retain(|(since, connection)| {
            let lingers = now.since(*since) >= LINGER;
            if lingers {
                connection.shut();
            }
            !lingers
        });
    }

    /// Says what rule was broken, then closes. It counts as gone, so it has no more time for that
    /// than who is let go, and while many have that at once it has none.
    pub fn end_with_error(&self, connection: &Arc<Connection>, code: u32, reason: &str) {
        let now = self.clock.now();
        let error = Message::Error(ErrorMessage { code, message: reason.to_owned() });
        self.follow(connection, connection.outbox.cut_short(&error));
        let mut leaving = self.leaving.lock();
        if leaving.len() < MOST_LINGERING {
            leaving.push((now, connection.clone()));
            return;
        }
        drop(leaving);
        connection.shut();
    }

    /// What was taken back out is refused in BitTorrent: with the fast extension every request has
    /// one answer, also after CHOKE and CANCEL (BEP 6). Natively CHOKE and CANCEL say it all.
    fn refuse(&self, connection: &Arc<Connection>, span: Span) {
        if connection.speech.dialect() == Dialect::BitTorrent {
            self.say(connection, &Message::Reject(span));
        }
    }

    fn upload(&self, connection: &Arc<Connection>, span: Span) {
        match connection.outbox.upload(span) {
            Pushed::Full => self.say(connection, &Message::Reject(span)),
            pushed => self.follow(connection, pushed),
        }
    }
}

/// The connections whose peers the swarm knows.
pub type Lines = HashMap<PeerKey, Arc<Connection>>;

/// A torrent's decisions and the outboxes they go to.
pub struct Picking {
    /// The decisions.
    pub swarm: Swarm,
    /// The outboxes.
    pub lines: Lines,
    /// How much each data file is wanted.
    pub priorities: Vec<Priority>,
    /// Web seeds that have a thread or were given up, by their places in the torrent's list.
    pub web_seeds: HashSet<(u64, usize)>,
}

impl Picking {
    /// Nobody is connected yet.
    pub fn new(swarm: Swarm, priorities: Vec<Priority>) -> Self {
        Self { swarm, lines: HashMap::new(), priorities, web_seeds: HashSet::new() }
    }
}

impl std::ops::Deref for Picking {
    type Target = Swarm;
    fn deref(&self) -> &Swarm {
        &self.swarm
    }
}

impl std::ops::DerefMut for Picking {
    fn deref_mut(&mut self) -> &mut Swarm {
        &mut self.swarm
    }
}

/// The torrents of a node, by info-hash.
#[derive(Default)]
pub struct Torrents {
    by_hash: HashMap<InfoHash, Arc<Torrent>>,
    /// By the twenty bytes of a BitTorrent handshake; a hybrid has two.
    by_short: HashMap<InfoHashV1, InfoHash>,
}

impl Torrents {
    /// The torrent of this hash.
    pub fn get(&self, hash: &InfoHash) -> Option<&Arc<Torrent>> {
        self.by_hash.get(hash)
    }

    /// The torrent that BitTorrent calls so.
    pub fn called(&self, short: &InfoHashV1) -> Option<&Arc<Torrent>> {
        self.get(self.by_short.get(short)?)
    }

    /// The name of the torrent that an encrypted opening calls so.
    pub fn hashed(&self, skey: &Sha1Hash) -> Option<InfoHashV1> {
        self.by_short.keys().find(|short| skey_hash(short) == *skey).copied()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Torrent>> {
        self.by_hash.values().cloned().collect()
    }

    /// Adds one.
    pub fn insert(&mut self, torrent: &Arc<Torrent>) {
        let hash = torrent.info_hash;
        self.by_short.extend(torrent.meta.short_hashes().map(|short| (short, hash)));
        self.by_hash.insert(hash, torrent.clone());
    }

    /// Takes one out.
    pub fn remove(&mut self, hash: &InfoHash) -> Option<Arc<Torrent>> {
        self.by_short.retain(|_, named| named != hash);
        self.by_hash.remove(hash)
    }
}

/// The connections of one torrent, and the addresses it may call.
pub struct Peers {
    /// The live connections.
    pub connections: HashMap<PeerKey, Arc<Connection>>,
    /// Whom to call.
    pub dialer: Dialer,
    /// When it starves, and whom it lets go.
    pub neighbours: Neighbours,
}

impl Peers {
    /// Nobody is connected, nobody known; neighbours have so much patience with each other.
    pub fn new(tongues: Tongues, patience: Duration) -> Self {
        let (dialer, neighbours) = (Dialer::new(tongues), Neighbours::new(patience));
        Self { connections: HashMap::new(), dialer, neighbours }
    }

    /// Whether a live connection is with the peer that listens there.
    pub fn is_connected(&self, address: SocketAddr) -> bool {
        self.connections.values().any(|c| c.listens_at() == Some(address))
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Where it listens; else where it called from.
    pub address: SocketAddr,
    /// Whether it is known to listen there; a BitTorrent peer that called may say so later.
    pub listens: bool,
    /// Whether we dialled.
    pub dialled: bool,
    /// The other end of the socket: what a peer cannot choose.
    pub source: SocketAddr,
    /// Who told us of it; itself, if it called.
    pub named_by: Source,
}

/// One TCP connection with a peer whose HELLO or STATE has been seen.
pub struct Connection {
    /// Its number.
    pub key: PeerKey,
    /// Who is at the other end.
    pub who: Who,
    /// The socket; the worker reads it, a pool thread writes it.
    pub stream: TcpStream,
    /// What is to be sent.
    pub outbox: Outbox,
    /// The torrent it is about.
    pub torrent: Arc<Torrent>,
    /// Bytes of content sent on it.
    pub uploaded: AtomicU64,
    /// When it began.
    pub since: Moment,
    /// Whether we asked it for other peers and it has not answered.
    pub asked_for_peers: AtomicBool,
    /// How it is read; how it is written is the outbox's business.
    pub speech: Speech,
    /// The port that a BitTorrent peer which called says that it listens on; 0 if it has not.
    pub says_port: AtomicU16,
    /// It was let go: the swarm knows it no more, and it ends when it has said so.
    pub leaving: AtomicBool,
    /// It was ended because neither side needs the other.
    pub both_seed: AtomicBool,
    /// Whom the peer was told of (BEP 11).
    pub told: Mutex<HashSet<SocketAddr>>,
}

impl Connection {
    /// Whether it was let go and is about to end.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// What a trace calls it.
    pub fn link(&self) -> Link {
        Link { conn: self.key, peer: self.who.address, dialect: self.speech.dialect() }
    }

    /// Where the peer can be called, if that is known.
    pub fn listens_at(&self) -> Option<SocketAddr> {
        if self.who.listens {
            return Some(self.who.address);
        }
        let port = self.says_port.load(Ordering::Acquire);
        (port != 0).then(|| SocketAddr::new(self.who.source.ip(), port))
    }

    /// Its share of a limited upload from now on, in thousandths of a common one; from a tenth of
    /// that to ten.
    pub fn set_weight(&self, thousandths: u32) {
        self.outbox.weight.store(thousandths, Ordering::Relaxed);
    }

    /// A call of ours found the same peer listening there: it called us, and need not be called.
    pub fn on_found_at(&self, address: SocketAddr) {
        if !self.who.listens && address.ip() == self.who.source.ip() {
            let (unknown, port) = (0, address.port());
            // It fails when the peer itself has said where it listens.
            let _ =
                self.says_port.compare_exchange(unknown, port, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Ends it at once; wakes its worker.
    pub fn shut(&self) {
        // It fails only when the other end was faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({}, {})", self.key, self.who.address)
    }
}
