//! `peer --seed` and `--leech`: the running node, for people and programs.
//!
//! One loop: what the preparing threads say, what happens in the node, signals, and a tick that
//! shows how things stand. It ends when there is nothing left to do, or when it is told to.

use super::args::NodeArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::json::{Event, Events};
use super::prepare::{Context, Item, News, Prepared, prepare, tracker_address};
use super::progress::{Finished, Progress, State, TorrentLine, done_line};
use super::resolve::FAREWELL;
use super::{logging, signals, units};
use crate::clock::Moment;
use crate::config::{PeerConfig, PortChoice, ResolveMode};
use crate::ids::PeerId;
use crate::logic::swarm::Standing;
use crate::node::{self, Node, NodeError, NodeOptions, Torrent, TorrentStatus};
use crate::protocol::Dialect;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;
use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the state of things is looked at: `progress` comes at least ten times a second.
const TICK: Duration = Duration::from_millis(80);

/// When nothing happens this is often enough for people.
const IDLE_TICK: Duration = Duration::from_millis(500);

/// After so long without a byte the line says that it waits.
const QUIET: Duration = Duration::from_secs(3);

/// Runs a node until its work is done or it is told to stop.
pub fn run(args: &NodeArgs, env: &Env) -> Result<(), CliError> {
    logging::init(&args.log(), env.rust_log.as_deref(), &env.screen)?;
    let config = args.config()?;
    let signals = signals::watch(signals::PATIENCE)
        .map_err(|e| CliError::new(Exit::Failed, format!("cannot watch for signals: {e}")))?;
    let trackers =
        config.trackers.iter().map(tracker_address).collect::<Result<Vec<_>, CliError>>()?;
    let node = Node::start(options(&config, trackers.clone()))?;
    let (stop, stopped) = bounded::<()>(0); // never sent on
    let context = Arc::new(Context {
        bind: Some(config.bind).filter(|ip| !ip.is_unspecified()),
        trackers,
        peer_id: PeerId::generate(&mut fastrand::Rng::new()),
        identity: node.identity(),
        stop: AtomicBool::new(false),
        stopped,
        contents: Mutex::default(),
        liars: Mutex::default(),
        config,
    });
    let items = args.seed.iter().cloned().map(Item::Seed);
    let items: Vec<Item> = items.chain(args.leech.iter().cloned().map(Item::Leech)).collect();
    let mut program = Program {
        env,
        events: env.events(args.json),
        progress: env.progress(args.quiet),
        quiet: args.quiet,
        node,
        jobs: Vec::new(),
        context,
        failure: None,
        next_look: Moment::START,
    };
    let (news_in, news) = bounded(64); // states are told often and read at once
    program.start(items, &news_in);
    drop(news_in);
    let told_to_stop = program.work(&news, &signals);
    program.context.stop.store(true, Ordering::Release);
    drop(stop);
    program.end(told_to_stop, &news)
}

fn options(config: &PeerConfig, trackers: Vec<SocketAddr>) -> NodeOptions {
    NodeOptions {
        bind: Some(config.bind),
        ports: match &config.port {
            PortChoice::FirstFree(range) => range.clone().collect(),
            PortChoice::Exact(port) => vec![*port],
            PortChoice::Any => vec![0],
        },
        trackers,
        resolve: config.resolve.map(ResolveMode::manner),
        announce_urls: config.announce_urls.clone(),
        max_peers: config.max_peers,
        max_per_ip: config.max_per_ip,
        upload_slots: config.upload_slots,
        up_limit: config.up_limit,
        down_limit: config.down_limit,
        picker: config.picker,
        choker: config.choker,
        super_seeding: config.super_seeding,
        dns_prefs: config.dns_prefs,
        time_scale: config.time_scale,
        trace: config.trace.clone(),
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        let exit = match &error {
            NodeError::PortInUse { .. } => Exit::PortInUse,
            NodeError::Trace { path, source } => {
                let advice = "choose another --trace";
                return Self::disk("write the trace to", path, source, advice);
            }
            NodeError::Listen { .. } | NodeError::Io(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

/// One `--seed` or `--leech`, from its first word to its end.
struct Job {
    label: String,
    is_download: bool,
    stage: Stage,
}

impl Job {
    /// Whether something that was to be fetched is not whole.
    fn is_unfinished(&self) -> bool {
        match &self.stage {
            Stage::Preparing(_) => self.is_download,
            Stage::Running(running) => running.last.left > 0,
            Stage::Finished | Stage::Failed => false,
        }
    }
}

enum Stage {
    Preparing(State),
    Running(Box<Running>),
    /// Fetched, served as long as was asked, and done with.
    Finished,
    Failed,
}

struct Running {
    torrent: Arc<Torrent>,
    path: PathBuf,
    is_download: bool,
    since: Moment,
    /// When it was whole.
    whole_since: Option<Moment>,
    last: TorrentStatus,
    /// When its numbers last changed.
    moved: Moment,
    failed: Option<String>,
}

impl Running {
    fn ratio(&self) -> f64 {
        self.last.uploaded as f64 / self.last.total.max(1) as f64
    }

    /// Whether it failed, or was fetched and served as long as was asked.
    fn is_over(&self, now: Moment, config: &PeerConfig) -> bool {
        let served = self.whole_since.filter(|_| self.is_download).is_some_and(|since| {
            config.seed_time.is_some_and(|time| now.since(since) >= time)
                || config.seed_ratio.is_some_and(|wanted| self.ratio() >= wanted)
        });
        served || self.failed.is_some()
    }

    fn progress(&self) -> Event {
        Event::Progress {
            hashes: (&self.torrent.meta).into(),
            bytes: self.last.total - self.last.left,
            total: self.last.total,
            down: self.last.down,
            up: self.last.up,
            peers: self.last.peers.len(),
        }
    }
}

struct Program<'a> {
    env: &'a Env,
    events: Events,
    progress: Progress,
    quiet: bool,
    node: Node,
    jobs: Vec<Job>,
    context: Arc<Context>,
    /// The first thing that went wrong; the others go on.
    failure: Option<CliError>,
    /// When to look at how things stand.
    next_look: Moment,
}

/// News of one job.
type Numbered = (usize, News);

/// What a preparing thread speaks through. However the thread ends, its job hears of it.
struct Teller {
    number: usize,
    label: String,
    news: Sender<Numbered>,
    /// Whether the last word was said.
    is_over: Cell<bool>,
}

impl Teller {
    fn tell(&self, word: News) {
        self.is_over.set(!matches!(word, News::State(_)));
        // Nobody listens any more when the program is on its way out.
        let _ = self.news.send((self.number, word));
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if !self.is_over.get() {
            let message = format!("{}: preparing it broke off: this is a bug", self.label);
            self.tell(News::Failed(CliError::new(Exit::Failed, message)));
        }
    }
}

impl Program<'_> {
    fn start(&mut self, items: Vec<Item>, news: &Sender<Numbered>) {
        if !self.quiet {
            let listening = format!("peer listening on port {}", self.node.port());
            let _ = self.progress.say(&listening); // a closed stderr stops nobody
        }
        for item in &items {
            let looking = State::Looking { what: "starting".into(), waited: Duration::ZERO };
            let (label, is_download) = (item.label(), item.is_download());
            self.jobs.push(Job { label, is_download, stage: Stage::Preparing(looking) });
        }
        for (number, item) in items.into_iter().enumerate() {
            let (context, news, label) = (self.context.clone(), news.clone(), item.label());
            let thread = std::thread::Builder::new().name(format!("prepare-{number}"));
            let spawned = thread.spawn(move || {
                let teller = Teller { number, label, news, is_over: Cell::new(false) };
                prepare(&context, &item, &|word| teller.tell(word));
            });
            if let Err(error) = spawned {
                let message = format!("no thread to prepare {}: {error}", self.jobs[number].label);
                let error = CliError::new(Exit::Failed, message);
                self.on_news(number, News::Failed(error));
            }
        }
    }

    /// Works until nothing is left to do; true if it was told to stop.
    fn work(&mut self, news: &Receiver<Numbered>, signals: &Receiver<signals::Stop>) -> bool {
        let events = self.node.events().clone();
        let never = crossbeam_channel::never();
        let mut news = news;
        loop {
            let pause = self.next_look.since(self.now());
            select! {
                recv(news) -> word => match word {
                    Ok((number, word)) => self.on_news(number, word),
                    Err(_) => news = &never,
                },
                recv(events) -> event => if let Ok(event) = event { self.on_event(event) },
                recv(signals) -> _ => return true,
                default(pause) => {}
            }
            if self.now() < self.next_look {
                continue;
            }
            self.look();
            if self.jobs.iter().all(|job| matches!(job.stage, Stage::Finished | Stage::Failed)) {
                return false;
            }
        }
    }

    fn is_moving(&self) -> bool {
        self.jobs.iter().any(|job| match &job.stage {
            Stage::Running(running) => is_moving(&running.last),
            Stage::Preparing(State::Verifying { .. }) => true,
            _ => false,
        })
    }

    fn now(&self) -> Moment {
        self.env.clock.now()
    }

    fn emit(&mut self, event: &Event) {
        // Whoever read stdout may be gone; the transfer goes on.
        let _ = self.events.emit(self.env.clock.now(), event);
    }

    fn on_news(&mut self, number: usize, word: News) {
        match word {
            News::State(state) => self.jobs[number].stage = Stage::Preparing(state),
            News::Ready(prepared) => self.on_ready(number, *prepared),
            News::Failed(error) => {
                self.jobs[number].stage = Stage::Failed;
                self.fail(error);
            }
        }
    }

    fn fail(&mut self, error: CliError) {
        self.next_look = self.now();
        if self.failure.is_none() && self.jobs.len() == 1 {
            self.failure = Some(error);
            return;
        }
        let _ = self.progress.say(&format!("peer: {}", error.message));
        self.failure.get_or_insert(error);
    }

    fn on_ready(&mut self, number: usize, prepared: Prepared) {
        let Prepared { name, meta, storage, have, path, is_download, trackers, peers } = prepared;
        let hashes = (&meta).into();
        self.emit(&Event::Start { name: Some(name.clone()), hashes, port: self.node.port() });
        self.emit(&Event::Metadata {
            name: name.clone(),
            hashes,
            total: meta.total_size(),
            piece_length: meta.piece_length,
            pieces: meta.geometry().pieces(),
            files: meta.data_files().count(),
        });
        let whole = have.is_full();
        let torrent = self.node.add(name.clone(), meta, trackers, storage, have);
        for &liar in self.context.liars.lock().iter() {
            self.node.ban(&torrent, liar);
        }
        for &peer in &self.context.config.peers {
            self.node.add_peer(&torrent, peer, Dialect::Native);
        }
        for &peer in &peers {
            self.node.add_peer(&torrent, peer, Dialect::BitTorrent);
        }
        let now = self.now();
        self.jobs[number] = Job {
            label: name,
            is_download,
            stage: Stage::Running(Box::new(Running {
                last: self.node.status(&torrent),
                torrent: torrent.clone(),
                path,
                is_download,
                since: now,
                whole_since: None,
                moved: now,
                failed: None,
            })),
        };
        self.next_look = now;
        if whole {
            self.on_whole(&torrent);
        }
    }

    fn running(&mut self, torrent: &Torrent) -> Option<&mut Running> {
        self.jobs.iter_mut().find_map(|job| match &mut job.stage {
            Stage::Running(running) if running.torrent.info_hash == torrent.info_hash => {
                Some(running.as_mut())
            }
            _ => None,
        })
    }

    fn on_event(&mut self, event: node::Event) {
        match event {
            node::Event::Connected { torrent, address, client } => {
                self.on_peer(&torrent, address, Some(client));
            }
            node::Event::Disconnected { torrent, address, .. } => {
                self.on_peer(&torrent, address, None);
            }
            node::Event::Piece { torrent, piece } => self.emit(&Event::Piece {
                hashes: (&torrent.meta).into(),
                piece: piece.0,
                length: torrent.geometry.length_of(piece),
            }),
            node::Event::VerifyFailed { torrent, piece } => {
                let _ = self.progress.say(&format!(
                    "{}: {piece} does not match its hash: it is fetched again",
                    torrent.name
                ));
                self.emit(&Event::VerifyFailed { hashes: (&torrent.meta).into(), piece: piece.0 });
            }
            node::Event::Banned { torrent, address, piece } => {
                let reason = format!("it sent bytes of {piece} that do not match their hash");
                let _ =
                    self.progress.say(&format!("{}: {address} is banned: {reason}", torrent.name));
                self.emit(&Event::Banned { hashes: (&torrent.meta).into(), address, reason });
            }
            node::Event::Complete { torrent } => {
                self.node.announce();
                self.on_whole(&torrent);
            }
            node::Event::Failed { torrent, error } => {
                let why = error.to_string();
                if let Some(running) = self.running(&torrent) {
                    running.failed = Some(why);
                }
                self.fail(error.into());
            }
            node::Event::TrackerLost { why, .. } => {
                let _ = self.progress.say(&format!("peer: {why}"));
            }
            node::Event::TrackerWarned { tracker, text } => {
                let _ = self.progress.say(&format!("peer: {tracker} says: {text}"));
            }
            node::Event::TrackerFound { tracker } => log::info!("{tracker}: the tracker answers"),
            node::Event::Registered { torrent, tracker } => {
                log::info!("{tracker}: knows {}", torrent.name);
            }
        }
    }

    /// A peer that runs `client` came, or one went.
    fn on_peer(&mut self, torrent: &Torrent, address: SocketAddr, client: Option<String>) {
        let (hashes, connected) = ((&torrent.meta).into(), client.is_some());
        self.emit(&Event::Peer { hashes, address, connected, client });
    }

    fn on_whole(&mut self, torrent: &Arc<Torrent>) {
        let now = self.now();
        let status = self.node.status(torrent);
        let Some(running) = self.running(torrent) else { return };
        if running.whole_since.replace(now).is_some() {
            return;
        }
        running.last = status.clone();
        let (is_download, path) = (running.is_download, running.path.clone());
        let finished = Finished {
            bytes: torrent.meta.total_size(),
            fetched: status.fetched,
            took: now.since(running.since),
            sources: status.sources,
            root: torrent.meta.root(),
        };
        self.next_look = now;
        let (name, hashes) = (torrent.name.clone(), (&torrent.meta).into());
        if is_download {
            let _ = self.progress.say(&format!("{name}: {}", done_line(&finished)));
            self.emit(&Event::Done {
                hashes,
                name: name.clone(),
                path,
                bytes: finished.bytes,
                fetched: finished.fetched,
                secs: super::json::secs(finished.took),
                rate: finished.rate(),
                sources: finished.sources,
                root: finished.root,
            });
        } else {
            let (size, hash) =
                (units::bytes(torrent.meta.total_size()), torrent.info_hash.to_string());
            let _ = self.progress.say(&format!("{name}: serving {size}, info-hash {hash}"));
        }
        self.emit(&Event::Seeding { hashes, name, bytes: torrent.meta.total_size() });
    }

    /// How things stand: `progress` for programs, lines for people, and what has had its time.
    fn look(&mut self) {
        let now = self.now();
        self.next_look = now + if self.is_moving() { TICK } else { IDLE_TICK };
        for at in 0..self.jobs.len() {
            self.look_at(now, at);
        }
        if self.progress.is_due(now) {
            let lines: Vec<TorrentLine> =
                self.jobs.iter().filter_map(|job| line_of(now, job)).collect();
            let _ = self.progress.show(now, &lines); // a closed stderr stops nobody
        }
    }

    fn look_at(&mut self, now: Moment, at: usize) {
        let Stage::Running(running) = &self.jobs[at].stage else { return };
        let torrent = running.torrent.clone();
        if running.whole_since.is_none() && torrent.completed.load(Ordering::Acquire) {
            // The event that says so is dropped when stdout is not read for a while.
            self.node.announce();
            self.on_whole(&torrent);
        }
        let Stage::Running(running) = &mut self.jobs[at].stage else { return };
        let status = self.node.status(&torrent);
        let counts = |s: &TorrentStatus| (s.fetched, s.uploaded, s.left);
        let moved = counts(&status) != counts(&running.last);
        let news = moved || status.peers.len() != running.last.peers.len();
        running.last = status;
        if moved {
            running.moved = now;
        }
        let over = running.is_over(now, &self.context.config);
        let failed = running.failed.is_some();
        let progress = running.progress();
        if news {
            self.emit(&progress);
        }
        if over {
            self.node.remove(&torrent);
            self.jobs[at].stage = if failed { Stage::Failed } else { Stage::Finished };
        }
    }

    fn end(mut self, told_to_stop: bool, news: &Receiver<Numbered>) -> Result<(), CliError> {
        self.look();
        let farewells = Instant::now() + FAREWELL;
        let looks = |job: &Job| matches!(job.stage, Stage::Preparing(State::Looking { .. }));
        let is_searching = self.jobs.iter().any(looks);
        let unfinished = self.jobs.iter().any(Job::is_unfinished);
        self.progress.finish();
        self.node.stop();
        // Threads that search tell their trackers that they do so no more; then the channel ends.
        while is_searching && news.recv_deadline(farewells).is_ok() {}
        match self.failure {
            Some(error) => Err(error),
            None if told_to_stop && unfinished => Err(CliError::new(
                Exit::Stopped,
                "stopped before everything was whole: the same command goes on where it stopped",
            )),
            None => Ok(()),
        }
    }
}

/// Whether its numbers change, or may any moment.
fn is_moving(status: &TorrentStatus) -> bool {
    status.down > 0 || status.up > 0 || status.left > 0
}

fn line_of(now: Moment, job: &Job) -> Option<TorrentLine> {
    let running = match &job.stage {
        Stage::Preparing(state) => return Some(TorrentLine::new(&job.label, state.clone())),
        Stage::Running(running) => running,
        Stage::Finished | Stage::Failed => return None,
    };
    let last = &running.last;
    let done = last.total - last.left;
    let waited = now.since(running.moved);
    let what = match last.peers.len() {
        0 => "no peer has it now",
        _ if last.peers.iter().all(|peer| !peer.am_interested) => {
            "no connected peer has the missing pieces"
        }
        _ => "all peers are busy with others",
    };
    let state = match &running.failed {
        Some(why) => State::Halted { why: why.clone() },
        None if last.left == 0 => State::Seeding,
        None if last.down == 0 && waited >= QUIET => {
            State::Waiting { what: what.to_owned(), waited }
        }
        None => State::Downloading,
    };
    Some(TorrentLine {
        done,
        total: last.total,
        down: last.down,
        up: last.up,
        peers: last.peers.len(),
        senders: last.peers.iter().filter(|peer| peer.gives > 0).count(),
        receivers: last
            .peers
            .iter()
            .filter(|p| p.standing != Standing::Choked && p.peer_interested)
            .count(),
        ratio: running.ratio(),
        eta: last.left.checked_div(last.down).map(Duration::from_secs),
        ..TorrentLine::new(&job.label, state)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{InfoHash, InfoHashV1};

    fn preparing(is_download: bool) -> Job {
        let stage = Stage::Preparing(State::Verifying { done: 1, total: 2 });
        Job { label: "big.zip".into(), is_download, stage }
    }

    #[test]
    fn a_trace_that_cannot_be_written_is_a_disk_error_that_names_the_file() {
        let trace = Some("/nowhere/t.jsonl".into());
        let started = Node::start(NodeOptions { trace, ..NodeOptions::on_loopback() });
        let Err(error) = started.map(|_| ()).map_err(CliError::from) else { panic!("it began") };
        assert_eq!(error.exit, Exit::Disk);
        assert_eq!(
            error.message,
            "cannot write the trace to /nowhere/t.jsonl (no such file or directory): choose \
             another --trace"
        );
    }

    #[test]
    fn only_what_is_to_be_fetched_is_unfinished_when_it_is_not_ready() {
        assert!(preparing(true).is_unfinished());
        assert!(!preparing(false).is_unfinished());
        assert!(!Job { stage: Stage::Failed, ..preparing(true) }.is_unfinished());
    }

    #[test]
    fn a_seeder_that_sends_is_moving() {
        let idle = TorrentStatus {
            name: "big.zip".into(),
            info_hash: InfoHash::V1(InfoHashV1([1; 20])),
            total: 9,
            left: 0,
            fetched: 0,
            uploaded: 0,
            down: 0,
            up: 0,
            sources: 0,
            peers: Vec::new(),
            failed: false,
            paused: false,
            corrupt: 0,
            active: None,
            web_seeds: 0,
        };
        assert!(!is_moving(&idle));
        assert!(is_moving(&TorrentStatus { up: 1, ..idle.clone() }));
        assert!(is_moving(&TorrentStatus { down: 1, ..idle.clone() }));
        assert!(is_moving(&TorrentStatus { left: 1, ..idle }));
    }

    fn teller() -> (Teller, Receiver<Numbered>) {
        let (news, heard) = bounded(8);
        (Teller { number: 3, label: "big.zip".into(), news, is_over: Cell::new(false) }, heard)
    }

    #[test]
    fn a_preparing_thread_that_panics_fails_its_job() {
        let (teller, heard) = teller();
        let thread = std::thread::Builder::new().name("prepare-3".into());
        let thread = thread.spawn(move || {
            teller.tell(News::State(State::Verifying { done: 1, total: 2 }));
            panic!("on purpose");
        });
        assert!(thread.unwrap().join().is_err());
        assert!(matches!(heard.recv(), Ok((3, News::State(_)))));
        let Ok((3, News::Failed(error))) = heard.recv() else { panic!("no last word") };
        assert_eq!(error.exit, Exit::Failed);
        assert!(heard.recv().is_err());
    }

    #[test]
    fn the_last_word_is_said_once() {
        let (teller, heard) = teller();
        teller.tell(News::Failed(CliError::usage("no")));
        drop(teller);
        assert!(matches!(heard.recv(), Ok((3, News::Failed(_)))));
        assert!(heard.recv().is_err());
    }
}
