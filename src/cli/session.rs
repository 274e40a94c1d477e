//! The torrents of a running program: `peer --seed` and `--leech`, `peer daemon`, `peer console`.
//!
//! One loop: what the preparing threads say, what happens in the node, orders from outside,
//! signals, and a tick that shows how things stand. Nothing in it waits for a tracker, a peer or a
//! disk; what does has a thread of its own and says through [`News`] how it goes.
//!
//! ```text
//! Desk (rpc, console, folders) -> orders    \
//! threads that prepare and check -> news     >  Session  -> node, progress, events, kept state
//! node -> events, signals, tick             /
//! ```
//! A session in the foreground ends when there is nothing left to do; one of a daemon goes on.

/// What is ordered to be taken up.
mod adding;
/// What is to hold, changed.
mod changes;
/// What happens in the node, and what is said of it.
mod happenings;
/// One torrent.
pub mod job;
/// What is kept over a restart.
pub mod kept;
/// The settings that can change while the program runs.
pub mod live;
/// `--on-done`.
pub mod on_done;
/// Orders, carried out.
mod orders;
/// What is written of a torrent.
pub mod record;
/// How things stand, as values.
mod views;
/// What a page wants to see.
mod watching;

use super::env::Env;
use super::exit::{CliError, Exit};
use super::item::Item;
use super::json::{Event, Events};
use super::prepare::{self, Context, News};
use super::progress::{Progress, State, TorrentLine};
use super::resolve::FAREWELL;
use super::signals;
use super::style::printable;
use crate::clock::Moment;
use crate::control::view::Sum;
use crate::control::{Desk, Letter};
use crate::logic::history::History;
use crate::node::{Node, Torrent};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use job::{Job, Past, Stage};
use kept::{Found, Keeper};
use live::Live;
use std::cell::Cell;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) use views::free_at;

/// How often the state of things is looked at: `progress` comes at least ten times a second.
const TICK: Duration = Duration::from_millis(80);

/// When nothing happens this is often enough for people.
const IDLE_TICK: Duration = Duration::from_millis(500);

/// How long files that are to be opened again are waited for.
const LAST_USER: Duration = Duration::from_secs(35);

/// States that may wait to be heard: they are told often and read at once.
const NEWS: usize = 64;

/// How a session behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// Whether it ends when there is nothing left to do.
    pub ends: bool,
    /// Whether a torrent line is drawn for each torrent.
    pub draws: bool,
    /// `-q`.
    pub quiet: bool,
    /// Whether the log goes to a file: what is said on the terminal is written there, too.
    pub logs: bool,
}

/// What a session is opened with.
pub struct Opening<'a> {
    /// Where it speaks.
    pub env: &'a Env,
    /// `--json`.
    pub json: bool,
    /// How it behaves.
    pub manner: Manner,
    /// The node, which has no torrents yet.
    pub node: Node,
    /// What torrents are prepared with.
    pub context: Context,
    /// The settings that can change.
    pub live: Live,
    /// Where torrents are kept over a restart.
    pub keeper: Option<Keeper>,
    /// What all runs before this one did.
    pub before: Sum,
}

/// What a session hears.
pub struct Wires {
    /// Ctrl-C, SIGTERM and a closed terminal.
    pub signals: Receiver<signals::Stop>,
    /// Orders.
    pub letters: Receiver<Letter>,
    /// The desk that they come from: what an order has to wait for is handed in there again.
    pub desk: Desk,
}

/// The torrents of a running program.
pub struct Session<'a> {
    env: &'a Env,
    events: Events,
    progress: Progress,
    manner: Manner,
    node: Node,
    context: Context,
    /// In the order in which they were added.
    jobs: Vec<Job>,
    /// Their numbers in the order of the queue.
    queue: Vec<u32>,
    next_id: u32,
    live: Live,
    keeper: Option<Keeper>,
    /// What all runs before this one did.
    before: Sum,
    /// What removed torrents did in this run, and how many were added.
    sum: Sum,
    /// The first thing that went wrong; the others go on.
    failure: Option<CliError>,
    /// When to look at how things stand.
    next_look: Moment,
    /// Torrents that were removed lately.
    removed: Vec<(Moment, u32)>,
    /// How fast things went.
    log: watching::Log,
    /// Somebody ordered the end.
    closing: bool,
    /// The node is of no use any more.
    broken: bool,
    news: (Sender<Numbered>, Receiver<Numbered>),
}

/// News of one job's thread: its number, which of its threads, what it says.
type Numbered = (u32, u32, News);

/// What a preparing thread speaks through. However the thread ends, its job hears of it.
struct Teller {
    number: u32,
    attempt: u32,
    label: String,
    news: Sender<Numbered>,
    /// Whether the last word was said.
    is_over: Cell<bool>,
}

impl Teller {
    fn tell(&self, word: News) {
        self.is_over.set(!matches!(word, News::State(_)));
        // Nobody listens any more when the program is on its way out.
        let _ = self.news.send((self.number, self.attempt, word));
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

/// Waits until a torrent's files are closed: its connections end within two seconds, a web seed
/// when its answer has come.
fn wait_for_the_last_user(torrent: &Arc<Torrent>) {
    orders::make_durable(torrent);
    let deadline = Instant::now() + LAST_USER;
    while Arc::strong_count(torrent) > 1 && Instant::now() < deadline {
        let _ = crossbeam_channel::after(TICK).recv();
    }
}

/// Seconds of the Unix epoch.
pub fn today() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

impl<'a> Session<'a> {
    /// A session without torrents.
    pub fn open(opening: Opening<'a>) -> Self {
        let Opening { env, json, manner, node, context, live, keeper, before } = opening;
        let progress = env.progress(manner.quiet);
        if !manner.quiet {
            let listening = format!("peer listening on port {}", node.port());
            let _ = progress.say(&listening); // a closed stderr stops nobody
        }
        let session = Self {
            env,
            events: env.events(json),
            progress,
            manner,
            node,
            context,
            jobs: Vec::new(),
            queue: Vec::new(),
            next_id: 1,
            live,
            keeper,
            before,
            sum: Sum::default(),
            failure: None,
            next_look: Moment::START,
            removed: Vec::new(),
            log: watching::Log::default(),
            closing: false,
            broken: false,
            news: bounded(NEWS),
        };
        session.live.apply(&session.node);
        session
    }

    /// A torrent of the settings, not started yet.
    pub fn job(&self, item: Item) -> Job {
        Job {
            id: 0,
            label: item.label(),
            item,
            folder: self.live.download_dir.clone(),
            runs: true,
            settings: self.live.of_new_torrents(),
            priorities: Vec::new(),
            tiers: None,
            pending: Vec::new(),
            served_out: false,
            checks: false,
            attempt: 0,
            leash: None,
            opened: false,
            kept: self.keeper.is_some(),
            history: History::default(),
            past: Past { added: today(), ..Past::default() },
            stage: Stage::Waiting(None),
        }
    }

    /// Takes a torrent up, and begins to prepare it if it is to be at work. Gives its number.
    pub fn take(&mut self, mut job: Job) -> u32 {
        job.id = self.next_id;
        self.next_id += 1;
        // What was at work before shows how far it is, be it paused.
        let (id, begins) = (job.id, job.runs || job.opened);
        self.jobs.push(job);
        self.queue.push(id);
        if begins {
            self.begin(id);
        } else {
            self.keep(id);
        }
        id
    }

    /// Takes up a torrent of an earlier run.
    pub fn restore(&mut self, found: Found, paused: bool) -> u32 {
        let mut job = self.job(found.item);
        found.kept.restore(&mut job);
        job.runs &= !paused;
        self.take(job)
    }

    /// Starts the thread that finds a job's metainfo and opens its files.
    fn begin(&mut self, id: u32) {
        self.begin_after(id, None);
    }

    /// The same, once nobody uses the files of what the job was `before`.
    fn begin_after(&mut self, id: u32, before: Option<Arc<Torrent>>) {
        let starting = State::Looking { what: "starting".into(), waited: Duration::ZERO };
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else { return };
        let (mut context, leash) = self.context.for_one(job.folder.clone());
        context.choice.priorities.clone_from(&job.priorities);
        context.choice.changes.clone_from(&job.pending);
        let meta = job.meta().cloned().map(Arc::new);
        let item = job.item.clone();
        job.leash = Some(leash);
        job.attempt += 1;
        job.stage = Stage::Preparing(starting, meta);
        let (news, label, attempt) = (self.news.0.clone(), job.label.clone(), job.attempt);
        let spawned = Builder::new().name(format!("prepare-{id}")).spawn(move || {
            let teller = Teller { number: id, attempt, label, news, is_over: Cell::new(false) };
            if let Some(before) = before {
                wait_for_the_last_user(&before);
            }
            prepare::prepare(&context, &item, &|word| teller.tell(word));
        });
        if let Err(error) = spawned {
            let message = format!("no thread to prepare it: {error}");
            self.on_news(id, attempt, News::Failed(CliError::new(Exit::Failed, message)));
        }
    }

    /// Works until nothing is left to do or it is told to stop, and ends the node.
    pub fn work(mut self, wires: &Wires) -> Result<(), CliError> {
        let told_to_stop = self.run(wires);
        self.end(told_to_stop)
    }

    /// Ends the node before there was anything to do.
    pub fn give_up(self) {
        // Whoever gives up says why.
        let _ = self.end(true);
    }

    /// True if it was told to stop.
    fn run(&mut self, wires: &Wires) -> bool {
        let events = self.node.events().clone();
        let (news, letters) = (self.news.1.clone(), wires.letters.clone());
        loop {
            let pause = self.next_look.since(self.now());
            select! {
                recv(news) -> word => if let Ok((id, attempt, word)) = word {
                    if !matches!(word, News::State(_)) {
                        wires.desk.ring();
                    }
                    self.on_news(id, attempt, word);
                },
                recv(events) -> event => if let Ok(event) = event {
                    if !event.repeats_itself() {
                        wires.desk.ring();
                    }
                    self.on_event(event);
                },
                recv(letters) -> letter => if let Ok(letter) = letter {
                    self.on_letter(letter, &wires.desk);
                },
                recv(wires.signals) -> _ => return true,
                default(pause) => {}
            }
            if self.closing {
                return true;
            }
            if self.now() < self.next_look {
                continue;
            }
            self.look();
            if self.manner.ends && self.jobs.iter().all(Job::is_over) {
                return false;
            }
        }
    }

    fn now(&self) -> Moment {
        self.env.clock.now()
    }

    fn emit(&mut self, event: &Event) {
        // Whoever read stdout may be gone; the transfer goes on.
        let _ = self.events.emit(self.env.clock.now(), event);
    }

    /// A line for people.
    fn say(&self, text: &str) {
        let text = &printable(text); // it may quote a stranger
        let _ = self.progress.say(text); // a closed stderr stops nobody
        if self.manner.logs {
            log::info!("{text}");
        }
    }

    fn find(&self, id: u32) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    fn find_mut(&mut self, id: u32) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    /// Writes down how a torrent is to go on after a restart.
    fn keep(&mut self, id: u32) {
        let job = self.jobs.iter().find(|job| job.id == id && job.kept);
        if let (Some(keeper), Some(job)) = (&mut self.keeper, job) {
            let place = self.queue.iter().position(|&other| other == id).unwrap_or_default();
            keeper.keep(job, place);
        }
    }

    /// How things stand: `progress` for programs, lines for people, and what has had its time.
    fn look(&mut self) {
        let now = self.now();
        let is_moving = |job: &Job| match &job.stage {
            Stage::Running(running) => running.is_moving(),
            Stage::Preparing(State::Verifying { .. }, _) => true,
            _ => false,
        };
        let moves = self.jobs.iter().any(is_moving);
        self.next_look = now + if moves { TICK } else { IDLE_TICK };
        for at in 0..self.jobs.len() {
            self.look_at(now, at);
        }
        self.measure(now);
        self.rate();
        if self.manner.draws && self.progress.is_due(now) {
            let lines: Vec<TorrentLine> =
                self.jobs.iter().filter_map(|job| job.line(now)).collect();
            let _ = self.progress.show(now, &lines); // a closed stderr stops nobody
        }
        self.removed.retain(|(when, _)| now.since(*when) < orders::RECENTLY);
        if self.keeper.as_mut().is_some_and(|keeper| keeper.is_due(now)) {
            self.keep_all();
        }
    }

    /// Everything that is kept is written down as it stands.
    fn keep_all(&mut self) {
        let ids: Vec<u32> = self.jobs.iter().map(|job| job.id).collect();
        ids.into_iter().for_each(|id| self.keep(id));
        let sum = self.statistics().all;
        if let Some(keeper) = &mut self.keeper {
            keeper.keep_sum(&sum);
        }
    }

    /// Says with which code the program would end now, for whoever ends it while it hangs.
    fn rate(&self) {
        let fails = self.failure.as_ref().filter(|_| self.manner.ends || self.broken);
        let unfinished = self.manner.ends && self.jobs.iter().any(Job::is_unfinished);
        let otherwise = if unfinished { Exit::Stopped } else { Exit::Done };
        self.env.code.set(fails.map_or(otherwise, |error| error.exit));
    }

    fn end(mut self, told_to_stop: bool) -> Result<(), CliError> {
        self.look();
        let farewells = Instant::now() + FAREWELL;
        let looks = |job: &Job| matches!(job.stage, Stage::Preparing(State::Looking { .. }, _));
        let mut searching = self.jobs.iter().filter(|job| looks(job)).count();
        let unfinished = self.jobs.iter().any(Job::is_unfinished);
        let halted = self.jobs.iter().filter_map(Job::running).find_map(|r| r.halted.clone());
        self.keep_all();
        self.jobs.iter_mut().for_each(|job| job.leash = None);
        self.progress.finish();
        self.node.stop();
        // Threads that search tell their trackers that they do so no more, and then say the last word.
        while searching > 0
            && let Ok((.., word)) = self.news.1.recv_deadline(farewells)
        {
            searching -= usize::from(!matches!(word, News::State(_)));
        }
        if let Some(keeper) = self.keeper {
            keeper.finish();
        }
        match self.failure {
            Some(error) if self.manner.ends || self.broken => Err(error),
            _ if let Some(error) = halted.filter(|_| told_to_stop && self.manner.ends) => {
                Err(error)
            }
            _ if told_to_stop && unfinished && self.manner.ends => Err(CliError::new(
                Exit::Stopped,
                "stopped before everything was whole: the same command goes on where it stopped",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teller() -> (Teller, Receiver<Numbered>) {
        let (news, heard) = bounded(8);
        let label = "big.zip".into();
        (Teller { number: 3, attempt: 1, label, news, is_over: Cell::new(false) }, heard)
    }

    #[test]
    fn a_preparing_thread_that_panics_fails_its_job() {
        let (teller, heard) = teller();
        let thread = Builder::new().name("prepare-3".into());
        let thread = thread.spawn(move || {
            teller.tell(News::State(State::Verifying { done: 1, total: 2 }));
            panic!("on purpose");
        });
        assert!(thread.unwrap().join().is_err());
        assert!(matches!(heard.recv(), Ok((3, 1, News::State(_)))));
        let Ok((3, 1, News::Failed(error))) = heard.recv() else { panic!("no last word") };
        assert_eq!(error.exit, Exit::Failed);
        assert!(heard.recv().is_err());
    }

    #[test]
    fn the_last_word_is_said_once() {
        let (teller, heard) = teller();
        teller.tell(News::Failed(CliError::usage("no")));
        drop(teller);
        assert!(matches!(heard.recv(), Ok((3, 1, News::Failed(_)))));
        assert!(heard.recv().is_err());
    }
}
