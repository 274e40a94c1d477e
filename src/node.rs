//! A peer: its threads and what they share.
//!
//! [`Node::start`] is the list of a node's threads; [`Node::add`] gives it a torrent to fetch or
//! to serve, [`Node::stop`] ends it within two and a half seconds. What happens is told on
//! [`Node::events`]; how things stand is asked with [`Node::status`].
//!
//! | thread | how many | blocks on |
//! |---|---|---|
//! | `listener` | 1 | accept |
//! | `peer-<addr>` | 1 per connection | socket read |
//! | `webseed-<n>` | up to 4 per torrent | an HTTP answer |
//! | `upload-<n>` | 4 | the job channel |
//! | `writable` | 1 | poll over the sockets that took no more |
//! | `verify` | 1 | finished pieces |
//! | `settle` | 1 | what is to be made durable; the disk |
//! | `coordinator` | 1 | trackers, nudges, a tick |
//! | `disk` | 1 per torrent whose disk failed, while it is tried again | that disk |
//! | `heartbeat` | 1 | native UDP |
//! | `announce` | 1 | torrents that a tracker lacks |
//! | `trace` | 1 if everything is written down | its file |
//! | `choker-exec` | 1 per torrent whose choker is a program | its lines |
//! | `good-bye`, `farewell`, `sync`, `close` | 1 each, when it stops | the heartbeat; the announces; the disk; the upload pool |

/// How a connection begins.
pub mod connection;
/// What nobody's message asks for.
pub mod coordinator;
/// What others do to files.
mod damage;
/// How many descriptors there are for what.
mod descriptors;
/// Calls peers.
pub mod dialling;
/// What happens, for people.
pub mod event;
/// What BitTorrent peers can do beyond BEP 3.
pub mod extensions;
/// What becomes of a panic.
pub mod guard;
/// Leaf hashes of a piece.
pub mod leaves;
/// Bytes per second, sent and received.
pub mod limits;
/// Takes connections.
pub mod listener;
/// The metainfo from a peer.
pub mod metadata;
/// The first words on a stream.
pub mod opening;
/// What a node is started with.
pub mod options;
/// What is to be sent to one peer.
pub mod outbox;
/// A disk that failed, and works again.
mod recovery;
/// Asks for more peers, and lets the least useful one go.
pub mod renewal;
/// Finds who has authority for a torrent.
pub mod resolving;
/// The threads that are waited for.
mod running;
/// Which files are wanted.
pub mod selection;
/// What was fetched goes to the disk.
mod settling;
/// What the threads share.
pub mod shared;
/// What std's sockets do not offer.
pub mod socket;
/// Peers and trackers, for people to look at.
pub mod standing;
/// Whether a torrent is in its node.
pub mod stay;
/// Changes what a running node does.
mod steering;
/// One torrent.
pub mod torrent;
/// Where the trace goes.
pub mod trace;
/// Trackers, from a peer's side.
pub mod trackers;
/// What trackers are told.
mod tracking;
/// The upload pool's work.
pub mod uploads;
/// Hashes finished pieces.
pub mod verifier;
/// Sources over HTTP.
pub mod web_seed;
/// Reads one connection.
pub mod worker;

pub use event::Event;
pub use options::{NodeError, NodeOptions};
pub use selection::{NewTorrent, wanted_entries};
pub use standing::PeerView;
pub use torrent::Torrent;
pub use trackers::status::{LastAnnounce, Told, TrackerStatus};

use crate::clock::{Clock, Moment};
use crate::config::ChokerChoice;
use crate::exec_choker::ExecChoker;
use crate::ids::{InfoHash, PeerId};
use crate::logic::choker::ChokerPolicy;
use crate::logic::dialer::Tongues;
use crate::logic::neighbours;
use crate::logic::rate::Rate;
use crate::logic::swarm::{Params, PeerStatus, Swarm};
use crate::logic::timers::Timers;
use crate::protocol::Dialect;
use crate::threadpool::ThreadPool;
use coordinator::Wires;
use crossbeam_channel::{Receiver, Sender, bounded};
use guard::Guard;
use limits::{DownLimit, UpLimits};
use parking_lot::Mutex;
use resolving::Call;
use running::Running;
use shared::{Connection, Peers, Picking, Shared, Written};
use stay::Stay;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};
use trackers::Heartbeat;
use trackers::announce::{AnnounceIdentity, Announcers};
use trackers::resolve::Stub;

/// Upload threads of a node, whatever the number of its upload slots.
const UPLOAD_THREADS: usize = 4;

/// News that may wait to be heard; one second of a fast download's pieces.
pub(crate) const EVENTS: usize = 4096;

/// The most connections a node can have: the upload channel has room for each.
const MOST_PEERS: usize = 4000;

/// After so long nothing more is begun to be made durable when the node stops.
const SYNC: Duration = Duration::from_secs(2);

/// How long stopping takes at most, whatever hangs: half a second is left to the program.
const STOP: Duration = Duration::from_millis(2500);

/// How long the trackers have to hear that the node stops.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// Peers that a BitTorrent tracker is asked for.
const NUMWANT: u32 = 80;

/// How a torrent stands.
#[derive(Debug, Clone)]
pub struct TorrentStatus {
    /// Its name for people.
    pub name: String,
    /// Its hash.
    pub info_hash: InfoHash,
    /// Bytes of content.
    pub total: u64,
    /// Bytes verified, wanted or not.
    pub have: u64,
    /// Bytes of the pieces that wanted files have bytes of, verified or not: what will have been
    /// fetched in the end. In a v1 torrent pieces at the ends of a file bring bytes of others.
    pub wanted: u64,
    /// Bytes of those pieces that are not verified yet; 0 when all that is wanted is here.
    pub left: u64,
    /// Payload bytes received in this run.
    pub fetched: u64,
    /// Content bytes sent in this run.
    pub uploaded: u64,
    /// Bytes per second received.
    pub down: u64,
    /// Bytes per second sent.
    pub up: u64,
    /// Peers whose blocks were verified.
    pub sources: usize,
    /// Connected peers.
    pub peers: Vec<PeerStatus>,
    /// Whether the disk failed.
    pub failed: bool,
    /// Whether it is paused, or was removed.
    pub paused: bool,
    /// Bytes of pieces that did not match their hashes, in this run.
    pub corrupt: u64,
    /// When content was sent or received last.
    pub active: Option<Moment>,
    /// Web seeds that are asked.
    pub web_seeds: usize,
}

/// A running peer.
pub struct Node {
    shared: Arc<Shared>,
    options: NodeOptions,
    listener: Arc<TcpListener>,
    heartbeat: Heartbeat,
    announcers: Announcers,
    identity: AnnounceIdentity,
    /// What the `resolve` thread is told.
    resolving: Sender<Call>,
    events: Receiver<Event>,
    /// Dropped to stop: see [`Shared::stopped`].
    stop: Sender<()>,
    uploads: ThreadPool<Arc<Connection>>,
    /// Torrents that are paused or were taken out after they fetched something: `stop` makes that
    /// durable. Locked as long as a torrent comes or goes, so that one does after the other.
    removed: Mutex<Vec<Arc<Torrent>>>,
    running: Running,
    /// Closed when the last of them has ended.
    ended: Receiver<()>,
    trace: Option<trace::Writer>,
}

/// What a node's threads take their work from.
struct Inboxes {
    finished: Receiver<Written>,
    to_settle: Receiver<()>,
    resolve: resolving::Wires,
    wires: Wires,
    to_publish: Receiver<(SocketAddr, Arc<Torrent>)>,
}

impl Node {
    /// Listens and starts the threads.
    pub fn start(options: NodeOptions) -> Result<Self, NodeError> {
        descriptors::raise();
        let listener = Arc::new(listen(&options)?);
        let port = listener.local_addr()?.port();
        let clock = Clock::start(options.time_scale);
        let guard = Guard::new(options.panic_at.clone());
        let peer_id = PeerId::generate(&mut fastrand::Rng::new());
        let listens = listener.local_addr()?;
        let trace = options.trace.as_ref().map(|path| trace::start(path, clock, peer_id, listens));
        let (trace, trace_writer) = trace.transpose()?.unzip();
        let looked_at = || options.watchable.then(|| trace::without_file(clock, peer_id, listens));
        let trace = trace.or_else(looked_at);
        let slot = Arc::new(OnceLock::new());
        let uploads = start_uploads(slot.clone())?;
        let (written, finished) = bounded::<Written>(verifier::WAITING);
        let (events_in, events) = bounded(EVENTS);
        let (nudge, nudged) = bounded(1); // one nudge is as good as many
        let (settle, to_settle) = bounded(1); // likewise
        let (stop, stopped) = bounded::<()>(0); // never sent on
        let (tracker_events, from_trackers) = bounded(EVENTS);
        let (publish, to_publish) = bounded(64); // a tracker asks again for what is dropped
        let (running, ended) = bounded::<()>(0); // never sent on
        let shared = Arc::new(Shared {
            peer_id,
            port,
            bind: options.bind,
            clock,
            guard,
            lies: options.lies,
            max_peers: AtomicUsize::new(options.max_peers.min(descriptors::most_peers())),
            max_per_ip: options.max_per_ip,
            torrents: Mutex::default(),
            uploads: Mutex::new(uploads.sender()),
            parked: socket::Parked::new()?,
            up_limits: UpLimits::new(options.up_limit),
            down_limit: DownLimit::new(options.down_limit),
            written,
            events: events_in,
            settle,
            nudge,
            stopped,
            stopping: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            leaving: Mutex::default(),
            next_key: AtomicU64::new(1),
            next_round: Mutex::new(clock.now() + clock.scaled(Timers::default().round)),
            trace,
        });
        slot.get_or_init(|| Arc::downgrade(&shared));
        let identity = AnnounceIdentity {
            bind: options.bind.filter(|ip| !ip.is_unspecified()),
            port,
            peer_id: shared.peer_id,
            key: fastrand::u32(..),
            numwant: NUMWANT,
            dns_prefs: options.dns_prefs,
        };
        let heartbeat = tracking::start_heartbeat(&shared, &options, tracker_events.clone())?;
        let (resolving, calls) = bounded(64); // of what is dropped the heartbeat speaks again
        let nudge_heartbeat = Box::new(heartbeat.nudger());
        let resolve = resolving::Wires { calls, events: tracker_events, nudge: nudge_heartbeat };
        let (announced, from_announcers) = bounded(EVENTS);
        let announcers = tracking::start_announcers(&shared, &identity, &options, announced)?;
        let node = Self {
            shared,
            listener,
            heartbeat,
            announcers,
            identity,
            resolving: resolving.clone(),
            events,
            stop,
            uploads,
            removed: Mutex::default(),
            running: Running(running),
            ended,
            trace: trace_writer,
            options,
        };
        let wires = Wires {
            trackers: from_trackers,
            announces: from_announcers,
            nudged,
            publish,
            resolving,
        };
        let inboxes = Inboxes { finished, to_settle, resolve, wires, to_publish };
        if let Err(error) = node.begin(inboxes) {
            // Those of its threads that began would not end by themselves.
            node.stop_until(Instant::now());
            return Err(error.into());
        }
        Ok(node)
    }

    /// Starts the threads that all torrents need.
    fn begin(&self, inboxes: Inboxes) -> io::Result<()> {
        let Inboxes { finished, to_settle, resolve, wires, to_publish } = inboxes;
        self.spawn("writable", uploads::watch_parked)?;
        self.spawn("verify", move |shared| verifier::run(shared, &finished))?;
        self.spawn("settle", move |shared| settling::run(shared, &to_settle))?;
        if let Some(manner) = self.options.resolve {
            let bind = self.options.bind.filter(|ip| !ip.is_unspecified());
            let mut stub = Stub::new(bind, manner, &self.options.trackers)?;
            self.spawn("resolve", move |shared| resolving::run(shared, &mut stub, &resolve))?;
        }
        self.spawn("coordinator", move |shared| coordinator::run(shared, &wires))?;
        self.spawn("announce", move |shared| tracking::publish_all(shared, &to_publish))?;
        let listener = self.listener.clone();
        self.spawn("listener", move |shared| listener::run(shared, &listener))
    }

    /// Starts a thread that all torrents need: one that panics is begun again.
    fn spawn(
        &self,
        name: &'static str,
        mut body: impl FnMut(&Arc<Shared>) + Send + 'static,
    ) -> io::Result<()> {
        let shared = self.shared.clone();
        self.running.spawn(name, move || guard::keep(&shared, name, || body(&shared)))
    }

    /// How many jobs of its threads panicked: each is a bug, and cost the peer that it was about.
    pub fn panics(&self) -> u64 {
        self.shared.guard.panics()
    }

    /// Where the node listens.
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Who it is.
    pub fn peer_id(&self) -> PeerId {
        self.shared.peer_id
    }

    /// Who it is for BitTorrent trackers.
    pub fn identity(&self) -> AnnounceIdentity {
        self.identity.clone()
    }

    /// What happens.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Gives the node a torrent. It is served at once, and fetched if something that is wanted is
    /// missing.
    pub fn add(&self, new: NewTorrent) -> Arc<Torrent> {
        let torrent = self.made(new);
        self.shared.torrents.lock().insert(&torrent);
        self.shared.limit_requests(&torrent);
        let _ = self.resolving.try_send(Call::Added); // it looks at all of them
        self.announce();
        web_seed::start(&self.shared, &torrent);
        torrent
    }

    /// Makes a torrent that is paused from the start: nobody hears of it until it is resumed.
    pub fn add_paused(&self, new: NewTorrent) -> Arc<Torrent> {
        let torrent = self.made(new);
        torrent.stay.leave();
        torrent.picker.lock().pause(self.shared.clock.now());
        torrent
    }

    fn made(&self, new: NewTorrent) -> Arc<Torrent> {
        let NewTorrent { name, meta, trackers, storage, have, priorities, picker } = new;
        let geometry = meta.geometry();
        let clock = &self.shared.clock;
        let params = Params {
            policy: picker.unwrap_or(self.options.picker),
            upload_slots: self.options.upload_slots,
            choker: match self.options.choker {
                ChokerChoice::Policy(policy) => policy,
                ChokerChoice::Program(_) => ChokerPolicy::default(), // replaced below
            },
            timers: Timers::default().scaled(clock.time_scale()),
            up_limit: self.options.up_limit,
            super_seeding: self.options.super_seeding,
            keeps_partial: true,
            trace: self.shared.is_traced(),
            down_limit: None, // what holds now is set below
            pipeline: self.options.pipeline,
            endgame: self.options.endgame,
            seed: fastrand::u64(..),
        };
        let mut swarm = Swarm::new(geometry.clone(), have, params);
        if let ChokerChoice::Program(command) = &self.options.choker {
            match ExecChoker::start(command) {
                Ok(choker) => swarm.set_strategy(Box::new(choker), format!("exec:{command}")),
                Err(error) => {
                    log::warn!("{name}: exec:{command} does not start: {error}; tft serves");
                }
            }
        }
        let priorities = selection::begin(&mut swarm, clock.now(), &meta, priorities);
        let completed = swarm.is_satisfied();
        let tongues = match meta.info_hash() {
            InfoHash::V1(_) => Tongues::BitTorrentOnly,
            InfoHash::V2(_) => Tongues::Both,
        };
        Arc::new(Torrent {
            name,
            info_hash: meta.info_hash(),
            trackers,
            tiers: Mutex::new(meta.trackers.clone()),
            authorities: Mutex::default(),
            picker: Mutex::new(Picking::new(swarm, priorities)),
            selecting: Mutex::new(()),
            meta,
            geometry,
            storage,
            peers: Mutex::new(Peers::new(tongues, clock.scaled(neighbours::PATIENCE))),
            completed: AtomicBool::new(completed),
            unsettled: AtomicBool::new(false),
            has_whole_files: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            suspected: AtomicBool::new(false),
            in_vain: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            retry: Mutex::default(),
            stay: Stay::default(),
            max_peers: AtomicUsize::new(usize::MAX),
            calls: AtomicUsize::new(0),
            obeys_limits: AtomicBool::new(true),
            spoilt: Mutex::default(),
            uploaded: AtomicU64::new(0),
            up: Mutex::new(Rate::shown(Duration::from_secs(2))),
            down_limit: DownLimit::new(None),
            added: clock.now(),
            leaves: Mutex::default(),
            exchange: OnceLock::new(),
        })
    }

    /// Adds an address that the user named, to call about a torrent, and what is said to be spoken there.
    pub fn add_peer(&self, torrent: &Torrent, address: SocketAddr, dialect: Dialect) {
        torrent.peers.lock().dialer.on_given(self.shared.clock.now(), address, dialect);
        let _ = self.shared.nudge.try_send(()); // one nudge is as good as two
    }

    /// Neither calls nor answers this address about a torrent: it lied about it.
    pub fn ban(&self, torrent: &Torrent, address: SocketAddr) {
        torrent.peers.lock().dialer.on_banned(address);
    }

    /// Sends and receives at most so many bytes per second from now on, all torrents together;
    /// `None` is no limit.
    pub fn set_limits(&self, up: Option<u64>, down: Option<u64>) {
        self.shared.set_limits(up, down);
    }

    /// Likewise for one torrent, beside what holds for all of them. At first it has no limit.
    pub fn set_torrent_limits(&self, torrent: &Torrent, up: Option<u64>, down: Option<u64>) {
        self.shared.set_limits_of(torrent, up, down);
    }

    /// Tells the trackers at once how the torrents stand.
    pub fn announce(&self) {
        self.heartbeat.nudge();
        self.announcers.nudge();
    }

    /// How a torrent stands.
    pub fn status(&self, torrent: &Torrent) -> TorrentStatus {
        let now = self.shared.clock.now();
        let (up, sent) = {
            let up = torrent.up.lock();
            (up.per_second(now), up.last())
        };
        let paused = !torrent.stay.is_in();
        let rate = |rate| if paused { 0 } else { rate }; // not what still flows out of the window
        let picker = torrent.picker.lock();
        TorrentStatus {
            name: torrent.name.clone(),
            info_hash: torrent.info_hash,
            total: torrent.geometry.total(),
            have: torrent.geometry.total() - picker.left(),
            wanted: picker.wanted_total(),
            left: picker.left_of_wanted(),
            fetched: picker.fetched(),
            uploaded: torrent.uploaded.load(Ordering::Relaxed),
            down: rate(picker.down_rate(now)),
            up: rate(up),
            sources: picker.sources(),
            peers: picker.peers(now),
            failed: torrent.failed.load(Ordering::Acquire),
            paused,
            corrupt: picker.corrupt(),
            active: picker.last_received().max(sent),
            web_seeds: picker.web_seeds(),
        }
    }

    /// Stops: no new connections, `stopped` to the trackers, sockets shut, data made durable as
    /// far as two seconds allow. Takes two and a half at most.
    pub fn stop(self) {
        self.stop_until(Instant::now() + STOP);
    }

    /// What may wait for a tracker, for the disk or for another thread has a thread of its own:
    /// what does not come back in time is left to the end of the process.
    fn stop_until(self, deadline: Instant) {
        let torrents = self.all_torrents();
        for torrent in &torrents {
            torrent.picker.lock().stop_requesting();
        }
        // Those that were taken out before still say BYE.
        let served: Vec<_> = self.shared.torrents.lock().all();
        self.shared.stopping.store(true, Ordering::Release);
        drop(self.stop);
        socket::stop_listening(&self.listener);
        for connection in served.iter().flat_map(|torrent| torrent.connections()) {
            connection.shut();
        }
        self.shared.parked.wake();
        torrents.iter().for_each(|torrent| torrent.down_limit.wake());
        self.shared.down_limit.wake();
        self.shared.uploads.lock().take();
        let (heartbeat, announcers, uploads) = (self.heartbeat, self.announcers, self.uploads);
        let patient = self.running.until(deadline);
        let begun = [
            patient.spawn("good-bye", move || heartbeat.stop(GOOD_BYE)),
            patient.spawn("farewell", move || announcers.stop(GOOD_BYE)),
            patient.spawn("sync", move || make_durable(&torrents)),
            patient.spawn("close", move || {
                uploads.close();
            }),
        ];
        for error in begun.into_iter().filter_map(Result::err) {
            log::warn!("not all can be ended in good order: {error}");
        }
        drop(self.running);
        let _ = self.ended.recv_deadline(deadline);
        if let Some(trace) = self.trace {
            trace.finish(deadline);
        }
    }

    /// The torrents it has, and those it had that fetched something.
    fn all_torrents(&self) -> Vec<Arc<Torrent>> {
        let mut torrents: Vec<_> = self.shared.torrents.lock().all();
        torrents.extend(self.removed.lock().iter().cloned());
        torrents
    }
}

fn has_fetched(torrent: &Torrent) -> bool {
    torrent.picker.lock().fetched() > 0
}

/// The `sync` thread: what was fetched goes to the disk.
fn make_durable(torrents: &[Arc<Torrent>]) {
    let deadline = Instant::now() + SYNC;
    for torrent in torrents.iter().filter(|torrent| has_fetched(torrent)) {
        let settled = torrent.storage.settle(&|| Instant::now() < deadline);
        match settled.damage.trouble {
            Some(error) => log::warn!("{error}"),
            None if settled.all => {}
            None => log::info!("{}: not all is durable yet", torrent.name),
        }
    }
}

/// The upload pool. Its threads use what is shared, which in turn holds the pool's channel: the
/// slot is filled once both exist.
fn start_uploads(slot: Arc<OnceLock<Weak<Shared>>>) -> io::Result<ThreadPool<Arc<Connection>>> {
    ThreadPool::new("upload", UPLOAD_THREADS, MOST_PEERS * 2, move |connection| {
        let Some(shared) = slot.get().and_then(Weak::upgrade) else { return };
        if shared.guard.contain(|| uploads::serve(&shared, &connection)).is_none() {
            connection.shut(); // nobody would bring it back
        }
    })
}

/// Listens on the first port that is free.
fn listen(options: &NodeOptions) -> Result<TcpListener, NodeError> {
    let ip = options.bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    for &port in &options.ports {
        let address = SocketAddr::new(ip, port);
        match socket::listen(address) {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(NodeError::Listen { address, source }),
        }
    }
    let ports = match options.ports[..] {
        [first, .., last] => format!("{first} to {last}"),
        [only] => only.to_string(),
        [] => "(none)".to_owned(),
    };
    Err(NodeError::PortInUse { ports, address: ip })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;
    use crate::metainfo::Metainfo;
    use crate::metainfo::build::{BuildOptions, build};
    use crate::storage::create::{HashOptions, hash_path};
    use crate::storage::{Io, Storage, StoragePlan};
    use std::path::{Path, PathBuf};
    use std::thread::Builder;

    const DEADLINE: Duration = Duration::from_mins(1);

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("swarmlet-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0); // left to the system's housekeeping
        }
    }

    fn node() -> Node {
        Node::start(NodeOptions::on_loopback()).unwrap()
    }

    fn metainfo(path: &Path) -> Metainfo {
        let draft = hash_path(path, &HashOptions::default(), &mut |_, _| {}).unwrap();
        build(&draft, &BuildOptions::default()).unwrap()
    }

    fn add(node: &Node, meta: &Metainfo, storage: Storage, have: Bitfield) -> Arc<Torrent> {
        node.add(NewTorrent::of(meta, storage, have))
    }

    fn seed(node: &Node, meta: &Metainfo, folder: &Path) -> Arc<Torrent> {
        let plan = StoragePlan::of(meta, folder.to_owned()).unwrap();
        let have = Bitfield::full(meta.geometry().pieces());
        add(node, meta, Storage::open_existing(plan).unwrap(), have)
    }

    /// Fetches into a folder, from the node that has it.
    fn fetch(node: &Node, meta: &Metainfo, folder: PathBuf, from: &Node) -> Arc<Torrent> {
        let plan = StoragePlan::of(meta, folder).unwrap();
        let storage = Storage::create_or_resume(plan, Io::Mmap).unwrap();
        let torrent = add(node, meta, storage, Bitfield::new(meta.geometry().pieces()));
        let there = SocketAddr::from((Ipv4Addr::LOCALHOST, from.port()));
        node.add_peer(&torrent, there, Dialect::Native);
        torrent
    }

    /// Waits until a download is whole, over the connections that it began with. Who has everything
    /// needs none, and may be waiting for the disk.
    fn wait_complete(node: &Node) {
        let end = Instant::now() + DEADLINE;
        loop {
            match node.events().recv_deadline(end).unwrap() {
                Event::Complete { .. } => return,
                Event::Disconnected { torrent, why, .. } => {
                    assert!(torrent.picker.lock().is_satisfied(), "a connection ended: {why}");
                }
                _ => {}
            }
        }
    }

    /// Waits until something is so, while the node's events go by.
    fn wait_until(node: &Node, what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + DEADLINE;
        while !is_so() {
            assert!(Instant::now() < end, "{what}");
            let _ = node.events().recv_timeout(Duration::from_millis(10));
        }
    }

    #[test]
    fn what_was_fetched_is_made_durable_though_it_was_taken_out_before_the_end() {
        let scratch = Scratch::new("durable");
        let path = scratch.0.join("a.bin");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        let meta = metainfo(&path);
        let (ann, ben) = (node(), node());
        let served = seed(&ann, &meta, &scratch.0);
        let fetched = fetch(&ben, &meta, scratch.0.join("out"), &ann);
        wait_complete(&ben);
        ben.remove(&fetched);
        ann.remove(&served);
        let (of_ben, of_ann) = (ben.all_torrents(), ann.all_torrents());
        ben.stop();
        ann.stop();
        assert!(matches!(&of_ben[..], [only] if Arc::ptr_eq(only, &fetched)));
        assert!(of_ann.is_empty(), "nothing of it was written");
    }

    #[test]
    fn what_a_paused_torrent_fetched_is_made_durable_once() {
        let scratch = Scratch::new("durable-paused");
        let path = scratch.0.join("a.bin");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        let meta = metainfo(&path);
        let (ann, ben) = (node(), node());
        seed(&ann, &meta, &scratch.0);
        let fetched = fetch(&ben, &meta, scratch.0.join("out"), &ann);
        wait_complete(&ben);
        let is_once = || matches!(&ben.all_torrents()[..], [it] if Arc::ptr_eq(it, &fetched));
        for _ in 0..2 {
            assert!(ben.pause(&fetched) && is_once());
            assert!(ben.resume(&fetched) && is_once());
        }
        ben.pause(&fetched);
        ben.remove(&fetched);
        assert!(is_once());
        let again = fetch(&ben, &meta, scratch.0.join("out2"), &ann);
        assert!(!ben.resume(&fetched), "another one is there");
        ben.remove(&again);
        ben.stop();
        ann.stop();
    }

    /// Under a limit of one byte per second the next part comes after a hundred seconds.
    #[test]
    fn a_limit_that_is_lifted_lets_at_once_through_what_waits_for_it() {
        for (name, is_up) in [("lift-up", true), ("lift-down", false)] {
            let scratch = Scratch::new(name);
            let path = scratch.0.join("a.bin");
            std::fs::write(&path, vec![7; 300_000]).unwrap();
            let meta = metainfo(&path);
            let (ann, ben) = (node(), node());
            let limit = |rate| {
                if is_up { ann.set_limits(rate, None) } else { ben.set_limits(None, rate) }
            };
            limit(Some(100_000));
            seed(&ann, &meta, &scratch.0);
            let fetched = fetch(&ben, &meta, scratch.0.join("out"), &ann);
            wait_until(&ben, "something comes", || ben.status(&fetched).fetched > 0);
            limit(Some(1));
            let far = || ben.shared.clock.now() + DEADLINE;
            let sender_waits = || ann.shared.up_limits.waiting() > 0;
            let reader_waits = || ben.shared.down_limit.next_due() > far();
            wait_until(&ben, "somebody waits long", || {
                if is_up { sender_waits() } else { reader_waits() }
            });
            limit(None);
            wait_complete(&ben);
            ben.stop();
            ann.stop();
        }
    }

    #[test]
    fn of_a_limited_upload_the_heavier_connection_gets_more() {
        let scratch = Scratch::new("weights");
        let path = scratch.0.join("a.bin");
        std::fs::write(&path, vec![7; 2_000_000]).unwrap();
        let meta = metainfo(&path);
        let (ann, ben, eve) = (node(), node(), node());
        ann.set_limits(Some(1), None);
        let served = seed(&ann, &meta, &scratch.0);
        fetch(&ben, &meta, scratch.0.join("ben"), &ann);
        let light = fetch(&eve, &meta, scratch.0.join("eve"), &ann);
        wait_until(&ann, "both wait", || ann.shared.up_limits.waiting() == 2);
        for connection in served.connections() {
            let is_light = connection.who.peer_id == eve.peer_id();
            connection.set_weight(if is_light { 100 } else { 10_000 });
        }
        ann.set_limits(Some(5_000_000), None);
        wait_complete(&ben);
        let fetched = eve.status(&light).fetched;
        assert!(fetched < 1_000_000, "a hundredth of the weight brought {fetched} of 2000000");
        [ann, ben, eve].into_iter().for_each(Node::stop);
    }

    #[test]
    fn a_thread_that_hangs_does_not_keep_a_node_from_stopping() {
        let node = node();
        // The pool ends when the last sender is dropped.
        let held = node.shared.uploads.lock().clone();
        let (done, stopped) = bounded(1);
        let stopping = Builder::new().name("stop".into());
        stopping
            .spawn(move || {
                node.stop_until(Instant::now());
                done.send(())
            })
            .unwrap();
        assert_eq!(stopped.recv_timeout(DEADLINE), Ok(()));
        drop(held);
    }
}
