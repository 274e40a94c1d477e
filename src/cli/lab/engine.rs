//! Runs the jobs of a campaign, several at a time where that changes nothing, and shows how far they
//! are.
//!
//! ```text
//! jobs --> lab-run threads: a Runner each --> results, in the order of the jobs --> whoever asked
//!                | progress, trace             ^ one that is ready early waits here
//! ```
//! Simulated runs share nothing, so as many go on as there are cores; real ones would disturb each
//! other, so they go one after another.

use super::super::env::Env;
use super::super::exit::{CliError, Exit};
use super::super::progress::Mode;
use super::super::signals::Stop;
use super::super::{style, units};
use crate::lab::campaign::{Campaign, Job};
use crate::lab::check;
use crate::lab::outcome::{Outcome, RunError, Runner, Watch};
use crate::lab::setting::{Backend, Setting};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

/// How often how far they are is shown on a terminal, and how often in a pipe.
const TICK: Duration = Duration::from_millis(250);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How a job ended.
pub type Ended = Result<Outcome, RunError>;

/// Who runs, and who hears of it.
pub struct Engine<'a> {
    /// Makes who runs settings on a backend; each thread has its own.
    pub runner: &'a (dyn Fn(Backend) -> Result<Box<dyn Runner>, RunError> + Sync),
    /// How many simulated runs go on at a time.
    pub jobs: usize,
    /// Ctrl-C.
    pub stopped: &'a Receiver<Stop>,
    /// Where progress is shown, and how.
    pub env: &'a Env,
    /// The form that fits.
    pub mode: Mode,
    /// Where lines of the trace of the first job go, if anywhere.
    pub trace: Option<&'a (dyn Fn(&str) + Sync)>,
}

/// One job with what is known of it.
struct Task<'a> {
    job: Job,
    setting: &'a Setting,
    /// About how many seconds it takes.
    weight: f64,
    /// How far it is, in thousandths.
    done: AtomicU32,
}

impl Engine<'_> {
    /// Runs all jobs of a campaign; `heard` has each result in the order of the jobs. True if none
    /// is left.
    ///
    /// # Errors
    /// What `heard` says ends everything.
    pub fn run(
        &self,
        campaign: &Campaign<'_>,
        heard: &mut dyn FnMut(Job, Ended) -> Result<(), CliError>,
    ) -> Result<bool, CliError> {
        let tasks: Vec<Task<'_>> = campaign
            .jobs()
            .into_iter()
            .map(|job| {
                let setting = campaign.setting(job);
                let weight = check::seconds(setting, job.backend) + 1e-3;
                Task { job, setting, weight, done: AtomicU32::new(0) }
            })
            .collect();
        let mut show = Show::new(self, &tasks, |point, backend| campaign.place(point, backend));
        let mut from = 0;
        while let Some(first) = tasks.get(from) {
            let backend = first.job.backend;
            let same = tasks[from..].iter().take_while(|task| task.job.backend == backend).count();
            let range = from..from + same;
            from += same;
            if !self.run_backend(&tasks, range, &mut show, heard)? {
                show.end();
                return Ok(false);
            }
        }
        show.end();
        Ok(true)
    }

    fn run_backend(
        &self,
        tasks: &[Task<'_>],
        range: std::ops::Range<usize>,
        show: &mut Show<'_>,
        heard: &mut dyn FnMut(Job, Ended) -> Result<(), CliError>,
    ) -> Result<bool, CliError> {
        let backend = tasks[range.start].job.backend;
        let threads = if backend == Backend::Sim { self.jobs.min(range.len()) } else { 1 };
        let (next, end) = (AtomicUsize::new(range.start), AtomicBool::new(false));
        // As many as may be ready early; whoever is further ahead waits.
        let (sender, results) = bounded(4 * threads);
        thread::scope(|scope| {
            for _ in 0..threads {
                let (next, end, sender, range) = (&next, &end, sender.clone(), range.clone());
                let work = move || self.work(tasks, range, next, end, &sender);
                Builder::new().name("lab-run".into()).spawn_scoped(scope, work).map_err(|why| {
                    end.store(true, Ordering::Relaxed);
                    CliError::new(Exit::Failed, format!("no thread to start: {why}"))
                })?;
            }
            drop(sender);
            let taken = Self::take(self.stopped, &results, range.clone(), tasks, show, &end, heard);
            // Whoever still runs ends at the next look, and its result goes nowhere.
            end.store(true, Ordering::Relaxed);
            drop(results);
            taken
        })
    }

    /// One thread: runs whatever is next until nothing is left.
    fn work(
        &self,
        tasks: &[Task<'_>],
        range: std::ops::Range<usize>,
        next: &AtomicUsize,
        end: &AtomicBool,
        results: &Sender<(usize, Ended)>,
    ) {
        let mut runner = (self.runner)(tasks[range.start].job.backend);
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= range.end || end.load(Ordering::Relaxed) {
                return;
            }
            let task = &tasks[at];
            let trace = self.trace.filter(|_| at == 0);
            let mut watcher = Watcher { done: &task.done, end, trace };
            let result = match &mut runner {
                Ok(runner) => runner.run(task.setting, task.job.seed, &mut watcher),
                Err(why) => Err(why.clone()),
            };
            task.done.store(1000, Ordering::Relaxed);
            if results.send((at, result)).is_err() {
                return;
            }
        }
    }

    /// Hands on results in the order of the jobs; false if somebody stopped them.
    fn take(
        stopped: &Receiver<Stop>,
        results: &Receiver<(usize, Ended)>,
        range: std::ops::Range<usize>,
        tasks: &[Task<'_>],
        show: &mut Show<'_>,
        end: &AtomicBool,
        heard: &mut dyn FnMut(Job, Ended) -> Result<(), CliError>,
    ) -> Result<bool, CliError> {
        let mut early: BTreeMap<usize, Ended> = BTreeMap::new();
        let mut due = range.start;
        let mut goes_on = true;
        loop {
            crossbeam_channel::select! {
                recv(results) -> result => match result {
                    Ok((at, result)) => _ = early.insert(at, result),
                    Err(_) => return Ok(goes_on && due == range.end),
                },
                recv(stopped) -> _ => {
                    goes_on = false;
                    end.store(true, Ordering::Relaxed);
                }
                default(TICK) => {}
            }
            while let Some(result) = early.remove(&due) {
                if result == Err(RunError::Stopped) {
                    goes_on = false;
                } else if goes_on {
                    heard(tasks[due].job, result)?;
                }
                due += 1;
            }
            show.look();
        }
    }
}

/// Looks at one run.
struct Watcher<'a> {
    done: &'a AtomicU32,
    end: &'a AtomicBool,
    trace: Option<&'a (dyn Fn(&str) + Sync)>,
}

impl Watch for Watcher<'_> {
    fn trace(&mut self, line: &str) {
        if let Some(trace) = self.trace {
            trace(line);
        }
    }

    fn wants_trace(&self) -> bool {
        self.trace.is_some()
    }

    fn progress(&mut self, done: f64) -> bool {
        self.done.store((done.clamp(0.0, 1.0) * 1000.0) as u32, Ordering::Relaxed);
        !self.end.load(Ordering::Relaxed)
    }
}

/// How far all of it is.
struct Show<'a> {
    env: &'a Env,
    mode: Mode,
    tasks: &'a [Task<'a>],
    place: Box<dyn Fn(usize, Backend) -> String + 'a>,
    begun: Instant,
    next: Instant,
}

impl<'a> Show<'a> {
    fn new(
        engine: &Engine<'a>,
        tasks: &'a [Task<'a>],
        place: impl Fn(usize, Backend) -> String + 'a,
    ) -> Self {
        let begun = Instant::now();
        let (env, mode, place) = (engine.env, engine.mode, Box::new(place));
        Self { env, mode, tasks, place, begun, next: begun + TICK }
    }

    fn look(&mut self) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let line = self.line(now - self.begun);
        // A closed stderr stops no run.
        let _ = match self.mode {
            Mode::Terminal(terminal) => {
                self.next = now + TICK;
                self.env.screen.draw(vec![style::cut(&line, terminal.width)])
            }
            Mode::Plain => {
                self.next = now + LINE_EVERY;
                self.env.screen.line(&line)
            }
            Mode::Silent => Ok(()),
        };
    }

    /// `lab: 12 of 70 runs, 35 %, about 1 min 20 s left: p2p, sim, N=30`.
    fn line(&self, passed: Duration) -> String {
        let share = |task: &Task<'_>| f64::from(task.done.load(Ordering::Relaxed)) / 1000.0;
        let ready = self.tasks.iter().filter(|task| share(task) >= 1.0).count();
        let all: f64 = self.tasks.iter().map(|task| task.weight).sum();
        let done: f64 = self.tasks.iter().map(|task| share(task) * task.weight).sum();
        let left = passed.as_secs_f64() * (all - done) / done.max(1e-9);
        // Of nothing done nothing follows.
        let left = if done / all > 0.01 { left } else { all };
        let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
        let under_way = self.tasks.iter().find(|task| share(task) < 1.0);
        let place = under_way.map(|task| (self.place)(task.job.point, task.job.backend));
        let place = place.map(|place| format!(": {}", style::printable(&place)));
        format!(
            "lab: {ready} of {} runs, {:.0} %, about {} left{}",
            self.tasks.len(),
            done / all * 100.0,
            units::took(left),
            place.unwrap_or_default()
        )
    }

    fn end(&self) {
        // A closed stderr stops no run.
        let _ = self.env.screen.erase();
    }
}
