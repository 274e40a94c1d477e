//! The heartbeat: one thread that keeps every tracker informed.
//!
//! It waits for datagrams, for errands by TCP and for being nudged, never past the next
//! deadline, and carries between the [`Link`]s and their sockets. Each tracker has its own
//! connected UDP socket, so the kernel drops what others send and tells us when nobody listens
//! there. Nothing here blocks on one tracker.

use super::errand::Running;
use super::link::{ErrandResult, Link};
use super::status::TrackerStatus;
use super::{TorrentReport, TrackerEvent, reason};
use crate::clock::{Clock, Moment};
use crate::ids::{InfoHashV2, PeerId};
use crate::readiness::{Interest, Readiness, Waker, Watched};
use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Errands under way at once, over all trackers.
const MAX_ERRANDS: usize = 8;

/// Datagrams read from one tracker before the others have their turn.
const DATAGRAMS_A_TURN: usize = 64;

/// What the heartbeat needs to know.
#[derive(Debug, Clone)]
pub struct HeartbeatConfig {
    /// All trackers.
    pub trackers: Vec<SocketAddr>,
    /// The address that we listen at and send from; any if `None`.
    pub bind: Option<IpAddr>,
    /// Where we listen for peers.
    pub port: u16,
    /// Who we are.
    pub peer_id: PeerId,
    /// The time.
    pub clock: Clock,
}

/// Who asks.
pub(super) struct Identity {
    pub bind: Option<IpAddr>,
    pub port: u16,
    pub peer_id: PeerId,
}

/// How our torrents stand, whenever it is asked; whether to say whom we serve, too.
pub type ReportSource = Box<dyn Fn(bool) -> Vec<TorrentReport> + Send>;

/// The running thread.
pub struct Heartbeat {
    shared: Arc<Shared>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    nudged: AtomicBool,
    /// How long the good-bye may take, once we are leaving.
    stop: Mutex<Option<Duration>>,
    orders: Mutex<Vec<Order>>,
}

/// Something that others want of the thread.
enum Order {
    /// How all trackers stand to a torrent.
    Show(InfoHashV2, Sender<Vec<TrackerStatus>>),
    /// Peers of a torrent.
    Reannounce(InfoHashV2),
}

/// How long the thread may take to say how trackers stand; it never waits for them.
const ANSWER: Duration = Duration::from_secs(1);

impl Heartbeat {
    /// Starts the thread. `source` is called on it, at every beat and nudge.
    pub fn start(
        config: HeartbeatConfig,
        source: ReportSource,
        events: Sender<TrackerEvent>,
    ) -> io::Result<Self> {
        let readiness = Readiness::new()?;
        let (waker, shared) = (readiness.waker(), Arc::new(Shared::default()));
        let heart = Heart::new(config, readiness, source, events, Arc::clone(&shared));
        let thread = thread::Builder::new().name("heartbeat".into()).spawn(|| heart.run())?;
        Ok(Self { shared, waker, thread: Some(thread) })
    }

    /// Something changed that trackers should hear of now: a torrent came, went or was completed,
    /// or peers are wanted.
    pub fn nudge(&self) {
        self.nudger()();
    }

    /// The same for another thread.
    pub fn nudger(&self) -> impl Fn() + Send + use<> {
        let (shared, waker) = (Arc::clone(&self.shared), self.waker.clone());
        move || {
            shared.nudged.store(true, Ordering::SeqCst);
            waker.wake();
        }
    }

    /// Asks the trackers of a torrent for peers as soon as they allow it.
    pub fn reannounce(&self, hash: InfoHashV2) {
        self.order(Order::Reannounce(hash));
    }

    /// How the trackers that hear of a torrent stand.
    pub fn standing(&self, hash: InfoHashV2) -> Vec<TrackerStatus> {
        let (answer, heard) = bounded(1); // one answer
        self.order(Order::Show(hash, answer));
        heard.recv_timeout(ANSWER).unwrap_or_default()
    }

    fn order(&self, order: Order) {
        self.shared.orders.lock().push(order);
        self.waker.wake();
    }

    /// Unregisters everything, waiting for answers up to `deadline` in all, and ends the thread.
    pub fn stop(mut self, deadline: Duration) {
        self.say_stop(deadline);
        self.join();
    }

    fn say_stop(&self, deadline: Duration) {
        *self.shared.stop.lock() = Some(deadline);
        self.waker.wake();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the heartbeat thread panicked");
        }
    }
}

impl Drop for Heartbeat {
    /// Without a good-bye.
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.say_stop(Duration::ZERO);
            self.join();
        }
    }
}

/// Trackers that torrents may name, all together.
const MAX_NAMED: usize = 32;

/// One tracker and the way to it.
struct Line {
    link: Link,
    /// It is told of every torrent that is not private, else only of those that name it.
    is_ours: bool,
    socket: Option<Watched<UdpSocket>>,
}

struct Heart {
    me: Identity,
    clock: Clock,
    readiness: Readiness,
    lines: Vec<Line>,
    errands: Vec<Option<Running>>,
    source: ReportSource,
    events: Sender<TrackerEvent>,
    shared: Arc<Shared>,
    /// When the thread ends at the latest, once we are leaving.
    end: Option<Moment>,
}

impl Heart {
    fn new(
        config: HeartbeatConfig,
        readiness: Readiness,
        source: ReportSource,
        events: Sender<TrackerEvent>,
        shared: Arc<Shared>,
    ) -> Self {
        let HeartbeatConfig { trackers, bind, port, peer_id, clock } = config;
        let me = Identity { bind, port, peer_id };
        Self {
            lines: trackers.into_iter().map(|t| Line::new(t, true, &me, clock)).collect(),
            me,
            clock,
            readiness,
            errands: (0..MAX_ERRANDS).map(|_| None).collect(),
            source,
            events,
            shared,
            end: None,
        }
    }

    fn run(mut self) {
        let mut ready = Vec::new();
        let mut scratch = vec![0; 64 * 1024];
        loop {
            let now = self.clock.now();
            self.heed_stop(now);
            self.refresh_reports(now);
            self.heed_orders();
            self.speak(now);
            self.start_errands(now);
            self.pass_on_events();
            if self.is_over(now) {
                return;
            }
            if let Err(e) = self.readiness.wait(&mut ready, Some(self.patience())) {
                return log::error!("the heartbeat cannot wait for its sockets: {e}");
            }
            let now = self.clock.now();
            self.listen(now, &ready, &mut scratch);
            self.continue_errands(now, &mut scratch);
        }
    }

    fn heed_stop(&mut self, now: Moment) {
        if let Some(time) = *self.shared.stop.lock()
            && self.end.is_none()
        {
            self.end = Some(now + time);
            self.lines.iter_mut().for_each(|line| line.link.on_stop());
        }
    }

    fn heed_orders(&mut self) {
        let orders = std::mem::take(&mut *self.shared.orders.lock());
        for order in orders {
            match order {
                Order::Show(hash, answer) => {
                    let links = self.lines.iter().map(|line| &line.link);
                    // Whoever asked may have gone.
                    let _ = answer.send(links.filter_map(|link| link.standing(&hash)).collect());
                }
                Order::Reannounce(hash) => {
                    self.lines.iter_mut().for_each(|line| line.link.on_reannounce(&hash));
                }
            }
        }
    }

    fn is_over(&self, now: Moment) -> bool {
        let gone = || self.lines.iter().all(|line| line.link.is_gone());
        self.end.is_some_and(|end| end <= now || gone())
    }

    fn refresh_reports(&mut self, now: Moment) {
        let nudged = self.shared.nudged.swap(false, Ordering::SeqCst);
        self.lines.iter_mut().for_each(|line| line.link.on_tick(now));
        if self.end.is_none()
            && (nudged || self.lines.iter().any(|line| line.link.wants_reports(now)))
        {
            let with_links = self.lines.iter().any(|line| line.link.wants_links());
            let reports = (self.source)(with_links);
            self.add_named(&reports);
            for line in &mut self.lines {
                let (tracker, is_ours) = (line.link.tracker(), line.is_ours);
                let told = reports.iter().filter(|report| report.is_for(tracker, is_ours));
                line.link.on_reports(now, &told.cloned().collect::<Vec<_>>());
            }
        }
    }

    /// Trackers that torrents name and that are not spoken to yet.
    fn add_named(&mut self, reports: &[TorrentReport]) {
        for &tracker in reports.iter().flat_map(|report| &report.trackers) {
            let is_known = self.lines.iter().any(|line| line.link.tracker() == tracker);
            let named = self.lines.iter().filter(|line| !line.is_ours).count();
            if !is_known && named < MAX_NAMED {
                self.lines.push(Line::new(tracker, false, &self.me, self.clock));
            }
        }
    }

    fn speak(&mut self, now: Moment) {
        for (key, line) in self.lines.iter_mut().enumerate() {
            while let Some(datagram) = line.link.next_datagram(now) {
                let way = (&self.readiness, MAX_ERRANDS + key);
                if let Err(e) = line.send(&datagram, &self.me, way) {
                    line.link.on_unreachable(now, &reason(&e));
                    break;
                }
            }
        }
    }

    fn listen(&mut self, now: Moment, ready: &[usize], scratch: &mut [u8]) {
        for &key in ready {
            let line = key.checked_sub(MAX_ERRANDS).and_then(|at| self.lines.get_mut(at));
            if let Some(line) = line {
                line.listen(now, scratch);
            }
        }
    }

    /// Starts what the links ask for, as far as there is room; the rest waits its turn.
    fn start_errands(&mut self, now: Moment) {
        for at in 0..self.lines.len() {
            while let Some(slot) = self.errands.iter().position(Option::is_none) {
                let link = &mut self.lines[at].link;
                let Some(errand) = link.next_errand() else { break };
                let way = (&self.readiness, slot);
                let tracker = self.lines[at].link.tracker();
                let started = Running::start(now, tracker, (at, errand.clone()), &self.me, way);
                match started {
                    Ok(running) => self.errands[slot] = Some(running),
                    Err(e) => {
                        log::debug!("no connection to {tracker}: {e}");
                        self.lines[at].link.on_errand(errand, ErrandResult::Failed);
                    }
                }
            }
        }
    }

    fn continue_errands(&mut self, now: Moment, scratch: &mut [u8]) {
        for slot in &mut self.errands {
            let Some(running) = slot else { continue };
            let Some(result) = running.on_ready(now, scratch) else { continue };
            if let Some(done) = slot.take() {
                let link = &mut self.lines[done.link].link;
                link.on_errand(done.into_errand(), result);
            }
        }
    }

    fn pass_on_events(&mut self) {
        for line in &mut self.lines {
            while let Some(event) = line.link.next_event() {
                if let Err(e) = self.events.try_send(event) {
                    log::debug!("nobody took a tracker's news: {e}");
                }
            }
        }
    }

    fn patience(&self) -> Duration {
        let links = self.lines.iter().map(|line| line.link.deadline());
        let errands = self.errands.iter().flatten().map(Running::deadline);
        let first = links.chain(errands).chain(self.end).min();
        let wait = first.map_or(Duration::MAX, |deadline| deadline.since(self.clock.now()));
        wait.clamp(Duration::from_millis(1), Duration::from_mins(1))
    }
}

impl Line {
    fn new(tracker: SocketAddr, is_ours: bool, me: &Identity, clock: Clock) -> Self {
        let link = Link::new(tracker, me.port, me.peer_id, clock, fastrand::u32(..));
        Self { link, is_ours, socket: None }
    }

    fn send(
        &mut self,
        datagram: &[u8],
        me: &Identity,
        (readiness, key): (&Readiness, usize),
    ) -> io::Result<()> {
        if self.socket.is_none() {
            let socket = connected_to(self.link.tracker(), me.bind)?;
            self.socket = Some(readiness.watch(socket, key, Interest::Read)?);
        }
        let socket = self.socket.as_ref().expect("it was opened above");
        match socket.send(datagram) {
            // The kernel's buffer is full: as good as lost on the way.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result.map(drop),
        }
    }

    fn listen(&mut self, now: Moment, scratch: &mut [u8]) {
        let Some(socket) = &self.socket else { return };
        for _ in 0..DATAGRAMS_A_TURN {
            match socket.recv(scratch) {
                Ok(length) => self.link.on_datagram(now, &scratch[..length]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) => return self.link.on_unreachable(now, &reason(&e)),
            }
        }
    }
}

fn connected_to(tracker: SocketAddr, bind: Option<IpAddr>) -> io::Result<UdpSocket> {
    if let Some(bind) = bind.filter(|&bind| !listens_for(bind, tracker)) {
        // It would list us where it hears us from, and send others there for nothing.
        let why = format!("{tracker} cannot send others to {bind}, where we listen: try --bind ::");
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, why));
    }
    let any: IpAddr = match tracker {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let ip = bind.filter(|ip| ip.is_ipv4() == tracker.is_ipv4()).unwrap_or(any);
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(tracker)?;
    Ok(socket)
}

/// Whether who listens at `bind` can be reached in the tracker's family of addresses.
fn listens_for(bind: IpAddr, tracker: SocketAddr) -> bool {
    let is_both = bind.is_ipv6() && bind.is_unspecified();
    is_both || bind.is_ipv4() == tracker.is_ipv4()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_is_not_told_of_a_place_where_nobody_listens() {
        let check = |bind: &str, tracker: &str, is_told: bool| {
            let (at, tracker) = (bind.parse().unwrap(), tracker.parse().unwrap());
            assert_eq!(connected_to(tracker, Some(at)).is_ok(), is_told, "{bind} {tracker}");
        };
        check("127.0.0.1", "127.0.0.1:9", true);
        check("0.0.0.0", "127.0.0.1:9", true);
        check("::", "127.0.0.1:9", true);
        check("127.0.0.1", "[::1]:9", false);
        check("0.0.0.0", "[::1]:9", false);
        check("::1", "127.0.0.1:9", false);
    }
}
