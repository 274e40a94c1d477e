//! The tracker: one thread, one loop.
//!
//! ```text
//!            +----------------- turn ------------------+
//! readiness: | datagrams (<= 256) | streams, one read  | -> wait for the next socket
//!            |                    | each               |    or deadline
//!            | accept (<= 64)     | drop the silent    |
//!            +------------------------------------------+
//! ```
//! UDP and TCP share one port number, and so do the native dialect and BitTorrent's announces:
//! the opening bytes tell them apart. Every socket is non-blocking and every turn has a budget,
//! so nobody is waited for. [`state`] decides what to answer and touches no socket; [`streams`]
//! carries it over TCP. The tables' rules are in [`crate::logic::registry`].

/// What a tracker serves, where it does not serve everything.
pub mod allow;

/// What happens, for whoever watches.
pub mod news;

/// The catalogue over a restart.
pub mod saved;

/// Proof of an asker's address.
pub mod cookie;

/// Names and .torrents.
pub mod catalogue;

/// Its part in a hierarchy of trackers.
pub mod federation;

/// Who watches what.
pub mod live;

/// Orders from the page of whole swarms.
pub mod controls;

/// Whom native peers serve.
pub mod links;

/// Heads of HTTP requests and answers.
pub mod http;

/// Pages for people and figures for programs.
pub mod pages;

/// What the tracker knows, and its answers.
pub mod state;

mod datagrams;
mod record;
mod streams;

use crate::clock::{Clock, Moment};
use crate::config::HierarchyConfig;
use crate::readiness::{Interest, Readiness, Waker, Watched};
use allow::AllowList;
use controls::{Controls, Narrator};
use crossbeam_channel::{Receiver, Sender, bounded};
use datagrams::Batch;
use news::{News, Teller};
use record::Record;
use saved::{Saved, Saving};
use socket2::SockRef;
use state::{State, Statistics};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use streams::Streams;

/// Every knob of the tracker.
#[derive(Debug, Clone)]
pub struct TrackerOptions {
    /// Where to listen; port 0 is any port that is free for both UDP and TCP.
    pub listen: SocketAddr,
    /// How often peers are told to say KEEPALIVE.
    pub keepalive: Duration,
    /// Who is silent this long is dropped.
    pub expire: Duration,
    /// How often peers are told to ask for peers.
    pub interval: Duration,
    /// How often BitTorrent's peers are told to announce themselves.
    pub announce_interval: Duration,
    /// Torrents at most.
    pub max_torrents: usize,
    /// Registrations at most, over all torrents.
    pub max_peers: usize,
    /// Registrations at most of one torrent.
    pub max_peers_per_torrent: usize,
    /// Registrations at most from one address that is neither loopback nor private.
    pub max_per_ip: usize,
    /// Whether loopback and private addresses are free of `max_per_ip`.
    pub exempt_local: bool,
    /// .torrents at most.
    pub max_published: usize,
    /// Bytes at most of all .torrents.
    pub max_published_bytes: usize,
    /// Whether a peer with a loopback or private address is listed under the one it names.
    pub trust_ip: bool,
    /// Whether whole swarms are shown live, and native peers asked whom they serve.
    pub dashboard: bool,
    /// Where the dice start that choose the peers of an answer.
    pub seed: u64,
    /// Its part in a hierarchy of trackers.
    pub federation: HierarchyConfig,
}

impl Default for TrackerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 6969)),
            keepalive: Duration::from_secs(5),
            expire: Duration::from_secs(15),
            interval: Duration::from_secs(30),
            announce_interval: Duration::from_mins(2),
            max_torrents: 1_000_000,
            max_peers: 1_000_000,
            max_peers_per_torrent: 1_000_000,
            max_per_ip: 10_000,
            exempt_local: true,
            max_published: 100_000,
            max_published_bytes: 256 << 20,
            trust_ip: false,
            dashboard: false,
            seed: fastrand::u64(..),
            federation: HierarchyConfig::default(),
        }
    }
}

/// Why the tracker does not run.
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// Somebody else has the port.
    #[error("port {} is in use on {}: is a tracker running there already?", .0.port(), .0.ip())]
    AddrInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The trace cannot be written.
    #[error("cannot write {path} ({source}): choose another file with --trace")]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system's readiness facility failed.
    #[error("cannot wait for sockets: {0}")]
    Readiness(#[from] io::Error),
}

/// Ends [`Tracker::run`] from another thread or a signal's thread.
#[derive(Clone)]
pub struct Stopper {
    stop: Arc<AtomicBool>,
    waker: Waker,
}

impl Stopper {
    /// Ends the run within one turn.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

/// Changes what a running tracker serves.
pub struct ListChanger {
    lists: Sender<AllowList>,
    waker: Waker,
}

impl ListChanger {
    /// Serves what is on this list and nothing else; waits until the one before has been taken.
    pub fn change(&self, list: AllowList) {
        // A tracker that has ended serves nothing.
        let _ = self.lists.send(list);
        self.waker.wake();
    }
}

/// Batches of datagrams answered in one turn.
const BATCHES_A_TURN: usize = 4;

/// Peers dropped in one turn.
const DROPS_A_TURN: usize = 1000;

/// The kernel's room for datagrams that arrive while a turn lasts.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Callers that wait to be accepted: a crowd that comes at once is more than the usual 128.
const BACKLOG: i32 = 1024;

/// How many ports are tried for one that is free for both UDP and TCP.
const PORT_TRIES: usize = 64;

const UDP_KEY: usize = 0;
const LISTENER_KEY: usize = 1;
const FIRST_STREAM_KEY: usize = 2;

/// A bound tracker.
pub struct Tracker {
    clock: Clock,
    readiness: Readiness,
    udp: Watched<UdpSocket>,
    local_addr: SocketAddr,
    streams: Streams,
    state: State,
    record: Option<Record>,
    saving: Option<Saving>,
    teller: Option<Teller>,
    lists: (Sender<AllowList>, Receiver<AllowList>),
    stop: Arc<AtomicBool>,
}

impl Tracker {
    /// Takes the port; nothing is answered before [`run`](Self::run).
    pub fn bind(options: TrackerOptions) -> Result<Self, TrackerError> {
        let (udp, listener) = bind_both(options.listen).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => TrackerError::AddrInUse(options.listen),
            _ => TrackerError::Bind { listen: options.listen, source },
        })?;
        let readiness = Readiness::new()?;
        let local_addr = udp.local_addr()?;
        let options = TrackerOptions { listen: local_addr, ..options };
        Ok(Self {
            record: options.federation.trace.as_deref().map(Record::create).transpose()?,
            clock: Clock::start(1.0),
            udp: readiness.watch(udp, UDP_KEY, Interest::Read)?,
            streams: Streams::new(readiness.watch(listener, LISTENER_KEY, Interest::Read)?),
            readiness,
            local_addr,
            state: State::new(options),
            saving: None,
            teller: None,
            lists: bounded(1),
            stop: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A handle that ends the run.
    pub fn stopper(&self) -> Stopper {
        Stopper { stop: Arc::clone(&self.stop), waker: self.readiness.waker() }
    }

    /// Takes in what an earlier run had; says how many entries were no use.
    pub fn restore(&mut self, entries: Vec<Saved>) -> usize {
        let mut restore = |entry: Saved| self.state.restore(&entry.name, entry.torrent.to_vec());
        entries.into_iter().filter_map(|entry| restore(entry).err()).count()
    }

    /// Hands the catalogue over to `to` whenever it has changed, and at the end of the run.
    pub fn save_to(&mut self, to: Sender<Vec<Saved>>) {
        self.saving = Some(Saving::new(to, self.state.catalogue()));
    }

    /// Tells `to` what happens.
    pub fn tell(&mut self, to: Sender<News>) {
        self.teller = Some(Teller::new(to));
    }

    /// Lets the page of whole swarms give orders; what becomes of them is said by the narrator.
    pub fn take_orders(&mut self, controls: Controls) -> Narrator {
        Narrator { sayings: self.state.steer(controls), waker: self.readiness.waker() }
    }

    /// Serves what is on the list and nothing else.
    pub fn allow(&mut self, list: AllowList) {
        self.state.on_list_changed(list);
    }

    /// Where another thread puts a list that is to take the place of the one before.
    pub fn list_changer(&self) -> ListChanger {
        ListChanger { lists: self.lists.0.clone(), waker: self.readiness.waker() }
    }

    /// Figures of this moment.
    pub fn statistics(&self) -> Statistics {
        self.state.statistics(self.clock.now(), self.streams.open())
    }

    /// Answers until it is stopped.
    pub fn run(&mut self) -> Result<(), TrackerError> {
        self.run_timed(|turn| turn())
    }

    /// The same; each turn is taken by `timed`, which may look at a clock before and after.
    pub fn run_timed(
        &mut self,
        mut timed: impl FnMut(&mut dyn FnMut()),
    ) -> Result<(), TrackerError> {
        let mut ready = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut batch = Batch::new();
        while !self.stop.load(Ordering::SeqCst) {
            self.readiness.wait(&mut ready, self.patience())?;
            timed(&mut || self.turn(&ready, &mut buffer, &mut batch));
        }
        if let Some(saving) = self.saving.take() {
            saving.finish(self.state.catalogue());
        }
        Ok(())
    }

    fn turn(&mut self, ready: &[usize], buffer: &mut [u8], batch: &mut Batch) {
        let now = self.clock.now();
        if ready.contains(&UDP_KEY) {
            self.answer_datagrams(batch);
        }
        for &key in ready.iter().filter(|&&key| key >= FIRST_STREAM_KEY) {
            self.streams.on_ready(now, key - FIRST_STREAM_KEY, &mut self.state, buffer);
        }
        if ready.contains(&LISTENER_KEY) {
            self.streams.on_callers(now, &self.readiness, &mut self.state);
        }
        self.streams.on_tick(now, &mut self.state);
        self.streams.show(now, &mut self.state);
        self.state.on_tick(now, DROPS_A_TURN);
        self.speak();
        self.keep_others_informed(now);
    }

    /// What goes to and comes from other threads; nobody is waited for.
    fn keep_others_informed(&mut self, now: Moment) {
        if let Ok(list) = self.lists.1.try_recv() {
            self.state.on_list_changed(list);
        }
        if let Some(saving) = &mut self.saving {
            saving.on_tick(now, self.state.catalogue());
        }
        if let Some(teller) = &mut self.teller {
            let published = self.state.next_published();
            teller.on_tick(now, published, &self.state.statistics(now, self.streams.open()));
        }
    }

    /// Says what is nobody's answer, and writes down what the hierarchy said.
    fn speak(&mut self) {
        while let Some((to, datagram)) = self.state.next_datagram() {
            // Lost like any datagram: whoever it was for asks again.
            let _ = self.udp.send_to(&datagram, reachable(to, self.local_addr.ip()));
        }
        if let Some(record) = &mut self.record {
            record.write(&self.state.take_trace());
        }
    }

    fn answer_datagrams(&mut self, batch: &mut Batch) {
        for _ in 0..BATCHES_A_TURN {
            let state = &mut self.state;
            let answer = |now, asker, bytes: &[u8], out: &mut Vec<u8>| {
                state.on_datagram(now, asker, bytes, out);
            };
            if !batch.turn(&self.udp, self.clock.now(), answer) {
                return;
            }
        }
    }

    /// How long nothing needs to be done.
    fn patience(&self) -> Option<Duration> {
        let now = self.clock.now();
        let deadlines = [
            self.streams.deadline(),
            self.state.deadline(),
            self.saving.as_ref().and_then(Saving::deadline),
            self.teller.as_ref().and_then(Teller::deadline),
        ];
        let until = |deadline: Moment| deadline.since(now) + Duration::from_millis(1);
        deadlines.into_iter().flatten().min().map(until)
    }
}

/// How a socket at `here` calls an address: one for both families knows IPv4 in its IPv6 form.
fn reachable(addr: SocketAddr, here: IpAddr) -> SocketAddr {
    match (addr.ip(), here) {
        (IpAddr::V4(ip), IpAddr::V6(_)) => SocketAddr::new(ip.to_ipv6_mapped().into(), addr.port()),
        _ => addr,
    }
}

/// Binds UDP and TCP to one port number.
fn bind_both(listen: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = if listen.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let listener = TcpListener::bind(listen)?;
        match UdpSocket::bind(listener.local_addr()?) {
            Ok(udp) => {
                udp.set_nonblocking(true)?;
                listener.set_nonblocking(true)?;
                SockRef::from(&listener).listen(BACKLOG)?;
                if let Err(e) = SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER) {
                    log::debug!("a small receive buffer will do: {e}");
                }
                return Ok((udp, listener));
            }
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(e) => return Err(e),
        }
    }
}
