//! A run: its processes, and what is done to them when.
//!
//! ```text
//! open:  tracker -> all peers listen -> seeds have the torrent and are listed   (no clock yet)
//! play:  the clock starts, leechers are told of the torrent, .. until the last is whole
//! close: all stop in good order, what they said last is heard
//! ```
//! Processes are started before the clock, so that no time of theirs is in a result. Dropped, no
//! process is left.

/// What the processes say, and how they end.
mod hearing;
/// What is done.
mod orders;

use super::super::child::{Child, News, Running};
use super::agenda::{Agenda, Item};
use super::place::{Place, Station};
use super::player::Player;
use super::store::Store;
use super::timetable::{Member, Target, target};
use super::{Programs, results, words};
use crate::cli::exit::CliError;
use crate::lab::outcome::{RunError, Sample, Watch};
use crate::lab::setting::{Deed, Planned, Role, Setting};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// News that wait: a process that says more waits with it.
const NEWS: usize = 1024;

/// How often the run is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How long all processes may take to start, and to stop in good order; a peer gives itself three
/// seconds for that.
const STARTUP: Duration = Duration::from_mins(1);
const GOODBYE: Duration = Duration::from_secs(5);

/// How long a peer may take to answer; it is on this machine.
const ANSWER: Duration = Duration::from_secs(10);

/// How many samples of a run there are at most, and how far they are apart at least.
const SAMPLES: u32 = 200;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Whose process it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Tracker,
    Peer(usize),
    /// A process that gives an order to a peer, or makes the .torrent.
    Errand(&'static str),
}

/// The tracker's process.
#[derive(Default)]
struct Hall {
    child: Option<Child>,
    at: Option<SocketAddr>,
    /// It is stopped for a while.
    is_down: bool,
}

/// A run.
pub struct Stage<'a> {
    // Dropped first: processes that are dropped after it are not waited for with what they say.
    news: (Sender<News>, Receiver<News>),
    setting: &'a Setting,
    programs: &'a Programs,
    running: Running,
    place: Box<dyn Place>,
    hall: Hall,
    /// The peers.
    pub players: Vec<Player>,
    errands: Vec<Child>,
    whose: BTreeMap<u32, Whose>,
    started: u32,
    agenda: Agenda,
    /// When the clock started.
    pub begun: Instant,
    /// When somebody last received something.
    moved: Instant,
    /// How things stood meanwhile.
    pub samples: Vec<Sample>,
    next_sample: Duration,
    /// Why the run does not count.
    pub trouble: Option<String>,
    /// The log of who is to blame for that.
    pub log: Option<(String, PathBuf)>,
    // Dropped last: the processes work in it.
    store: Store,
}

impl<'a> Stage<'a> {
    /// Nothing runs yet.
    pub fn new(
        setting: &'a Setting,
        programs: &'a Programs,
        running: Running,
        place: Box<dyn Place>,
        store: Store,
    ) -> Self {
        let now = Instant::now();
        Self {
            news: bounded(NEWS),
            setting,
            programs,
            running,
            place,
            hall: Hall::default(),
            players: Vec::new(),
            errands: Vec::new(),
            whose: BTreeMap::new(),
            started: 0,
            agenda: Agenda::default(),
            begun: now,
            moved: now,
            samples: Vec::new(),
            next_sample: Duration::ZERO,
            trouble: None,
            log: None,
            store,
        }
    }

    /// What is run.
    pub fn setting(&self) -> &'a Setting {
        self.setting
    }

    /// The files.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where a peer is.
    pub fn address(&self, peer: usize) -> IpAddr {
        self.place.address(Station::Peer(peer))
    }

    /// Starts everybody; seeds that are there from the start have the torrent after that.
    pub fn open(&mut self, members: &[Member], watch: &mut dyn Watch) -> Result<(), RunError> {
        self.make_torrent(watch)?;
        self.start_tracker(0)?;
        self.until(watch, "the tracker listens", |stage| stage.hall.at.is_some())?;
        for (at, member) in members.iter().enumerate() {
            let folder = self.store.folder(&format!("peer-{at}")).map_err(failed)?;
            if member.role == Role::Seed {
                let spoils = |event: &Planned| event.deed == Deed::Corrupt;
                let copy = self.setting.events.iter().any(spoils);
                self.store.give(&folder, copy).map_err(failed)?;
            }
            let trace = watch.wants_trace().then(|| folder.join("trace.jsonl"));
            let name = member.name(self.setting);
            self.players.push(Player::new(member.clone(), name, folder, trace));
            self.start_peer(at, false)?;
        }
        let listens = |player: &Player| player.port != 0;
        self.until(watch, "all peers listen", |stage| stage.players.iter().all(listens))?;
        let is_first = |player: &Player| {
            player.member.role == Role::Seed && player.member.joins == Some(Duration::ZERO)
        };
        for at in 0..self.players.len() {
            if is_first(&self.players[at]) {
                self.join(at)?;
            }
        }
        let serves = |player: &Player| player.completed.is_some() && player.registered;
        let all = move |stage: &Self| stage.players.iter().filter(|p| is_first(p)).all(serves);
        self.until(watch, "all seeds are listed", all)?;
        Ok(())
    }

    fn make_torrent(&mut self, watch: &mut dyn Watch) -> Result<(), RunError> {
        let folder = self.store.folder("create").map_err(failed)?;
        let torrent = self.store.torrent();
        let words = words::create(self.programs, self.store.source(), &torrent, self.setting);
        let child = self.start(&words, &folder, Whose::Errand("the .torrent was not made"))?;
        self.errands.push(child);
        self.until(watch, "the .torrent is made", |stage| stage.errands.is_empty())
    }

    /// Waits until something is so before the clock starts.
    fn until(
        &mut self,
        watch: &mut dyn Watch,
        what: &str,
        is: impl Fn(&Self) -> bool,
    ) -> Result<(), RunError> {
        let deadline = Instant::now() + STARTUP;
        while !is(self) {
            if let Some(trouble) = self.trouble.take() {
                return Err(RunError::Failed(trouble));
            }
            if Instant::now() > deadline {
                let secs = STARTUP.as_secs();
                return Err(RunError::Failed(format!(
                    "it took longer than {secs} s until {what}: is the machine busy?"
                )));
            }
            if !watch.progress(0.0) {
                return Err(RunError::Stopped);
            }
            self.hear(Instant::now() + TICK);
        }
        Ok(())
    }

    /// Starts the clock and goes on until the run is over.
    pub fn play(&mut self, watch: &mut dyn Watch) -> Result<(), RunError> {
        self.plan()?;
        self.begun = Instant::now();
        let begun = self.begun;
        for player in self.players.iter_mut().filter(|player| player.joined.is_some()) {
            (player.joined, player.completed) = (Some(begun), Some(begun));
        }
        self.moved = begun;
        loop {
            let now = self.begun.elapsed();
            while let Some(item) = self.agenda.due(self.begun.elapsed()) {
                self.carry_out(item)?;
            }
            if self.is_over(now) {
                return Ok(());
            }
            if now >= self.next_sample {
                let piece = self.setting.content.piece;
                results::samples(&self.players, now, piece, &mut self.samples);
                self.next_sample = now + SAMPLE_EVERY.max(self.setting.limit / SAMPLES);
            }
            if !watch.progress(self.progress(now)) {
                return Err(RunError::Stopped);
            }
            let next = self.agenda.next().map_or(now + TICK, |next| next.min(now + TICK));
            self.hear(self.begun + next);
        }
    }

    /// Puts down what is known beforehand.
    fn plan(&mut self) -> Result<(), RunError> {
        for (at, player) in self.players.iter().enumerate() {
            let (Some(joins), None) = (player.member.joins, player.joined) else { continue };
            self.agenda.put(joins, Item::Join(at));
        }
        for (at, player) in self.players.iter().enumerate() {
            let since = player.member.joins.zip(player.member.stays);
            if let (Role::Seed, Some((joins, stays))) = (player.member.role, since) {
                self.agenda.put(joins.saturating_add(stays), Item::Leave(at));
            }
        }
        let members: Vec<Member> =
            self.players.iter().map(|player| player.member.clone()).collect();
        for event in &self.setting.events {
            let whom = target(self.setting, &members, &event.who).map_err(RunError::Failed)?;
            match (event.deed, whom) {
                (Deed::TrackerDown(time), _) => {
                    self.agenda.put(event.at, Item::TrackerStops(time));
                }
                (deed, Target::Peers(peers)) => {
                    peers
                        .into_iter()
                        .for_each(|at| self.agenda.put(event.at, Item::Deed(deed, at)));
                }
                (_, Target::Tracker) => {}
            }
        }
        Ok(())
    }

    fn is_over(&self, now: Duration) -> bool {
        if self.trouble.is_some() || now >= self.setting.limit {
            return true;
        }
        if self.setting.runs_to_limit {
            return false;
        }
        let waits = self.players.iter().any(Player::is_waited_for);
        // Nobody will ever get what nobody has.
        let stuck =
            self.agenda.next().is_none() && self.moved.elapsed() > words::patience(self.setting);
        !waits || stuck
    }

    /// How far it is, 0 to 1.
    fn progress(&self, now: Duration) -> f64 {
        let time = now.as_secs_f64() / self.setting.limit.as_secs_f64().max(1e-9);
        if self.setting.runs_to_limit {
            return time.min(1.0);
        }
        let fetching = self.players.iter().filter(|player| player.is_leecher());
        let (have, all) = fetching.fold((0, 0), |(have, all), player| {
            let size = self.setting.content.size;
            (have + player.now.bytes.min(size), all + size)
        });
        time.max(have as f64 / (all as f64).max(1.0)).min(1.0)
    }
}

fn failed(why: CliError) -> RunError {
    RunError::Failed(why.message)
}
