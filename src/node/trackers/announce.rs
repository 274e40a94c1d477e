//! Announces to BitTorrent trackers, for all torrents of a node.
//!
//! ```text
//! source --reports--> announcer --job--> announce-<n> --HTTP, UDP--> tracker
//!                         ^ |                 |
//!           nudge, stop --' '--events-->      '--result--> announcer
//! ```
//! The `announcer` thread keeps the books (`board`), which say what is due; every announce is
//! carried out by a thread of its own, four at a time, so that a tracker that takes its time
//! delays only itself. [`ask_once`] is for who has no torrent yet: it asks all trackers of a magnet
//! link at once.

mod board;

use super::ask::{Announced, AskError, Asker};
use super::preferences::Preferences;
use super::status::{TrackerStatus, sentence};
use crate::clock::Clock;
use crate::ids::{InfoHash, InfoHashV1, PeerId};
use crate::logic::announcer::reach_of;
use crate::node::guard::Guard;
use crate::protocol::announce::{Announce, Event};
use crate::protocol::url::{Scheme, Url};
use board::{Board, Job};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Announces under way at once. With one per tracker, three dead ones still leave one free.
const AT_ONCE: usize = 4;

/// Farewells under way at once, and questions of [`ask_once`]: they have a second or two in all.
const AT_ONCE_IN_A_HURRY: usize = 32;

/// How long an announce by HTTP may take.
const HTTP_TIME: Duration = Duration::from_secs(15);

/// How long an announce by UDP may take: two datagrams and their answers (BEP 15).
const UDP_TIME: Duration = Duration::from_secs(30);

/// How often the torrents are looked at when nothing is due.
const REFRESH: Duration = Duration::from_secs(5);

/// How long [`ask_once`] waits for other trackers once one brought peers.
const GRACE: Duration = Duration::from_secs(1);

/// The most peers that [`ask_once`] collects.
const MAX_FOUND: usize = 1000;

/// Who announces.
#[derive(Debug, Clone)]
pub struct AnnounceIdentity {
    /// The address to call from; any if `None`.
    pub bind: Option<IpAddr>,
    /// Where we listen for peers.
    pub port: u16,
    /// Who we are.
    pub peer_id: PeerId,
    /// The number by which a tracker knows us again when our address changes.
    pub key: u32,
    /// How many peers to ask for.
    pub numwant: u32,
    /// Whether hosts are called where their name servers say (BEP 34).
    pub dns_prefs: bool,
}

/// What [`Announcers`] needs to know.
#[derive(Debug, Clone)]
pub struct AnnounceConfig {
    /// Who announces.
    pub me: AnnounceIdentity,
    /// URLs of trackers that every torrent is announced to, besides its own and at the same time.
    /// Private torrents that have their own are not.
    pub always: Vec<String>,
    /// The time; its scale divides the intervals.
    pub clock: Clock,
    /// The panics of the node.
    pub guard: Guard,
}

/// How one of our torrents stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceReport {
    /// How we call the torrent.
    pub key: InfoHash,
    /// The hashes to announce: v1, truncated v2, or both for a hybrid.
    pub hashes: Vec<InfoHashV1>,
    /// The URLs of its trackers, in tiers (BEP 12).
    pub tiers: Vec<Vec<String>>,
    /// Bytes we lack.
    pub left: u64,
    /// Bytes sent since the start.
    pub uploaded: u64,
    /// Bytes received since the start.
    pub downloaded: u64,
    /// Whether we have everything.
    pub complete: bool,
    /// Whether to ask for peers as often as the trackers allow.
    pub wants_peers: bool,
    /// Whether all that is wanted is here, and something is not (BEP 21).
    pub partial_seed: bool,
    /// Whether only its own trackers may know of it (BEP 27): it is private and names some, be it
    /// only native ones.
    pub private: bool,
}

/// What came of announcing. A tracker is called by scheme, host and port: the rest of its URL may
/// hold a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnounceEvent {
    /// Peers of a torrent; we may be among them.
    Peers {
        /// The torrent.
        key: InfoHash,
        /// Who gave them.
        tracker: String,
        /// The peers.
        peers: Vec<SocketAddr>,
    },
    /// The tracker does not answer, or refuses; it is asked on.
    Lost {
        /// The tracker.
        tracker: String,
        /// Why, in a few words.
        why: String,
    },
    /// The tracker answers, for the first time or again.
    Found {
        /// The tracker.
        tracker: String,
    },
    /// The tracker has something to say to the user.
    Warning {
        /// The tracker.
        tracker: String,
        /// What it says.
        text: String,
    },
}

/// How our torrents stand, whenever it is asked.
pub type AnnounceSource = Box<dyn Fn() -> Vec<AnnounceReport> + Send>;

enum Order {
    /// Look at the torrents now.
    Look,
    /// Say good-bye, for at most so long, and end.
    Stop(Duration),
}

/// The running threads.
pub struct Announcers {
    orders: Sender<Order>,
    board: Arc<Mutex<Board>>,
    thread: Option<JoinHandle<()>>,
}

impl Announcers {
    /// Starts the `announcer` thread. `source` is called on it, at every nudge, before announces,
    /// and every few seconds. Events that nobody takes are dropped: the next announce brings more.
    pub fn start(
        config: AnnounceConfig,
        source: AnnounceSource,
        events: Sender<AnnounceEvent>,
    ) -> io::Result<Self> {
        let (orders, heard) = bounded(4); // nudges that do not fit are as good as those that do
        let (results_in, results) = bounded(AT_ONCE + AT_ONCE_IN_A_HURRY); // one per thread
        let board = Board::new(config.always, config.clock.time_scale());
        let board = Arc::new(Mutex::new(board));
        let desk = Desk {
            asker: Arc::new(asker_of(&config.me)),
            board: board.clone(),
            me: config.me,
            clock: config.clock,
            guard: config.guard,
            source,
            events,
            under_way: HashSet::new(),
            results_in,
        };
        let thread = Builder::new().name("announcer".into());
        let thread = thread.spawn(move || desk.run(&heard, &results))?;
        Ok(Self { orders, board, thread: Some(thread) })
    }

    /// Asks the trackers of a torrent for peers as soon as they allow it.
    pub fn reannounce(&self, key: InfoHash) {
        self.board.lock().on_reannounce(key);
        self.nudge();
    }

    /// How the trackers of a torrent stand, as far as it was looked at.
    pub fn standing(&self, key: InfoHash) -> Vec<(Url, TrackerStatus)> {
        self.board.lock().standing(key)
    }

    /// A torrent came, went or was completed.
    pub fn nudge(&self) {
        let _ = self.orders.try_send(Order::Look);
    }

    /// Tells every tracker that knows of us that we stop, all at the same time, and waits for
    /// their answers up to `deadline` in all.
    pub fn stop(mut self, deadline: Duration) {
        self.end(deadline);
    }

    fn end(&mut self, deadline: Duration) {
        let Some(thread) = self.thread.take() else { return };
        // The thread empties the channel; if it is gone there is nobody to stop.
        let _ = self.orders.send(Order::Stop(deadline));
        if thread.join().is_err() {
            log::error!("the announcer thread panicked");
        }
    }
}

impl Drop for Announcers {
    /// Without a good-bye.
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// What an announce came to, and which slot is free again.
type Finished = (usize, Box<Job>, Result<Announced, AskError>);

/// The `announcer` thread.
struct Desk {
    me: AnnounceIdentity,
    clock: Clock,
    guard: Guard,
    asker: Arc<Asker>,
    /// Locked by whoever looks, too; never while something is asked.
    board: Arc<Mutex<Board>>,
    source: AnnounceSource,
    events: Sender<AnnounceEvent>,
    /// The numbers of the `announce-<n>` threads that run.
    under_way: HashSet<usize>,
    results_in: Sender<Finished>,
}

impl Desk {
    fn run(mut self, orders: &Receiver<Order>, results: &Receiver<Finished>) {
        self.look();
        let mut next_look = self.clock.now() + REFRESH;
        loop {
            let now = self.clock.now();
            if next_look <= now {
                self.look();
                next_look = now + REFRESH;
            }
            self.start_due(AT_ONCE, None);
            // What is due and waits for a slot is started when a result frees one.
            let due = self.board.lock().deadline().filter(|&due| due > now);
            let patience = due.map_or(next_look, |due| due.min(next_look)).since(now);
            select! {
                recv(results) -> finished => if let Ok(finished) = finished {
                    self.on_finished(finished);
                },
                recv(orders) -> order => match order {
                    Ok(Order::Look) => next_look = now,
                    Ok(Order::Stop(time)) => return self.say_good_bye(results, time),
                    Err(_) => return,
                },
                // Totals are to be fresh when an announce is made.
                default(patience) => next_look = now,
            }
        }
    }

    fn look(&mut self) {
        let reports = (self.source)();
        self.board.lock().on_reports(self.clock.now(), &reports);
    }

    /// Starts what is due while fewer than `most` are under way; `end` bounds their time.
    fn start_due(&mut self, most: usize, end: Option<Instant>) {
        while let Some(slot) = (0..most).find(|slot| !self.under_way.contains(slot)) {
            let now = self.clock.now();
            let Some(job) = self.board.lock().next_job(now) else { return };
            let (announce, job) = (self.announce(&job), Box::new(job));
            let (asker, results) = (self.asker.clone(), self.results_in.clone());
            let deadline = deadline_of(&job.ask.url, end);
            let (copy, guard) = (job.clone(), self.guard.clone());
            let spawned = Builder::new().name(format!("announce-{slot}")).spawn(move || {
                let id = job.ask.tracker_id.clone();
                let result = guard.contain(|| {
                    guard.point("announce");
                    asker.announce(&job.ask.url, job.reach, announce, id, deadline)
                });
                // However it ends, its slot is free again.
                let result = result.unwrap_or_else(|| Err(broke_off()));
                // When the node has stopped nobody wants to know.
                let _ = results.send((slot, job, result));
            });
            match spawned {
                Ok(_) => drop(self.under_way.insert(slot)),
                Err(error) => {
                    let why = super::udp::UdpError::Io(error);
                    self.on_result(&copy, Err(why.into()));
                }
            }
        }
    }

    fn announce(&self, job: &Job) -> Announce {
        let event = job.ask.event;
        Announce {
            uploaded: job.totals.uploaded,
            downloaded: job.totals.downloaded,
            left: job.totals.left,
            event,
            numwant: Some(numwant_of(&self.me, event)),
            key: self.me.key,
            ..Announce::new(job.hash, self.me.peer_id, self.me.port)
        }
    }

    fn on_finished(&mut self, (slot, job, result): Finished) {
        self.under_way.remove(&slot);
        self.on_result(&job, result);
    }

    fn on_result(&mut self, job: &Job, result: Result<Announced, AskError>) {
        if let Err(error) = &result {
            log::debug!("{}: announcing {}: {error}", job.ask.url.origin(), job.hash);
        }
        let events = self.board.lock().on_result(self.clock.now(), job, result);
        for event in events {
            if let Err(e) = self.events.try_send(event) {
                log::debug!("nobody took a tracker's news: {e}");
            }
        }
    }

    /// Threads that do not come back in time are left to the end of the process.
    fn say_good_bye(mut self, results: &Receiver<Finished>, time: Duration) {
        let end = Instant::now() + time;
        self.look(); // the last totals are the ones that count
        self.board.lock().on_stop(self.clock.now());
        loop {
            if time > Duration::ZERO {
                self.start_due(AT_ONCE + AT_ONCE_IN_A_HURRY, Some(end));
            }
            if self.board.lock().is_empty() {
                return;
            }
            match results.recv_deadline(end) {
                Ok(finished) => self.on_finished(finished),
                Err(_) => return,
            }
        }
    }
}

fn broke_off() -> AskError {
    super::udp::UdpError::Io(io::Error::other("asking it broke off: this is a bug")).into()
}

/// When an announce that starts now is given up.
fn deadline_of(url: &Url, end: Option<Instant>) -> Instant {
    let time = if url.scheme == Scheme::Udp { UDP_TIME } else { HTTP_TIME };
    let usual = Instant::now() + time;
    end.map_or(usual, |end| end.min(usual))
}

/// Whoever leaves needs no peers.
fn asker_of(me: &AnnounceIdentity) -> Asker {
    let asker = Asker::new(me.bind);
    if me.dns_prefs { asker.obeying(Preferences::of_system()) } else { asker }
}

fn numwant_of(me: &AnnounceIdentity, event: Event) -> u32 {
    if event == Event::Stopped { 0 } else { me.numwant }
}

/// What [`ask_once`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundPeers {
    /// Peers, each once; at most 1000.
    pub peers: Vec<SocketAddr>,
    /// Trackers by scheme, host and port, and why they did not answer.
    pub failures: Vec<(String, String)>,
}

/// Asks all trackers of all tiers at the same time for peers of a torrent that is not known yet,
/// and waits for at most `time`: one second more when one has brought peers. The first 32
/// questions are asked, a question being a tracker and a hash. `event` is what they are told;
/// with [`Event::Stopped`] no peers are asked for.
pub fn ask_once(
    me: &AnnounceIdentity,
    hashes: &[InfoHashV1],
    tiers: &[Vec<String>],
    event: Event,
    time: Duration,
) -> FoundPeers {
    let mut end = Instant::now() + time;
    let mut found = FoundPeers::default();
    let (mut seen, mut unanswered) = (HashSet::new(), Vec::new());
    let (sender, answers) = bounded(AT_ONCE_IN_A_HURRY); // one for each thread
    let asker = Arc::new(asker_of(me));
    let urls = tiers.iter().flatten().filter_map(|url| Url::parse(url).ok());
    let mut all: Vec<(Url, InfoHashV1)> = Vec::new();
    for url in urls {
        all.extend(hashes.iter().map(|&hash| (url.clone(), hash)));
    }
    for (n, (url, hash)) in all.into_iter().take(AT_ONCE_IN_A_HURRY).enumerate() {
        let announce = Announce {
            event,
            numwant: Some(numwant_of(me, event)),
            key: me.key,
            ..Announce::new(hash, me.peer_id, me.port)
        };
        let (asker, sender, tracker) = (asker.clone(), sender.clone(), url.origin());
        let spawned = Builder::new().name(format!("announce-{n}")).spawn(move || {
            let answer = asker.announce(&url, reach_of(&url), announce, None, end);
            let _ = sender.send((url.origin(), answer)); // perhaps nobody waits any more
        });
        match spawned {
            Ok(_) => unanswered.push(tracker),
            Err(error) => found.failures.push((tracker, super::reason(&error))),
        }
    }
    drop(sender);
    while let Ok((tracker, answer)) = answers.recv_deadline(end) {
        if let Some(at) = unanswered.iter().position(|other| *other == tracker) {
            unanswered.swap_remove(at);
        }
        match answer {
            Ok(announced) => {
                let new = announced.peers.into_iter().filter(|&peer| seen.insert(peer));
                let room = MAX_FOUND - found.peers.len();
                found.peers.extend(new.take(room));
                if !found.peers.is_empty() {
                    end = end.min(Instant::now() + GRACE);
                }
            }
            Err(error) => found.failures.push((tracker, sentence(&error.to_string()))),
        }
    }
    if found.peers.is_empty() {
        let late = |tracker| (tracker, "no answer in time".to_string());
        found.failures.extend(unanswered.into_iter().map(late));
    }
    found
}

#[cfg(test)]
mod tests;
