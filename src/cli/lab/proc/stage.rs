//! A run: its processes, and what is done to them when.
//!
//! ```text
//! open:  tracker -> all peers listen -> seeds have the torrent and are listed   (no clock yet)
//! play:  the clock starts, leechers are told of the torrent, .. until the last is whole
//! close: all stop in good order, what they said last is heard
//! ```
//! Processes are started before the clock, so that no time of theirs is in a result. Dropped, no
//! process is left.

use super::super::child::{Child, News, Running, Start, What, Word};
use super::agenda::{Agenda, Item};
use super::place::{Place, Station};
use super::player::{Act, Player};
use super::store::Store;
use super::timetable::{Member, Target, target};
use super::{Programs, results, words};
use crate::cli::exit::CliError;
use crate::cli::remote::Client;
use crate::lab::outcome::{RunError, Sample, Watch};
use crate::lab::setting::{Deed, Role, Setting};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
    pub fn address(&self, peer: usize) -> std::net::IpAddr {
        self.place.address(Station::Peer(peer))
    }

    /// Starts everybody; seeds that are there from the start have the torrent after that.
    pub fn open(&mut self, members: &[Member], watch: &mut dyn Watch) -> Result<(), RunError> {
        self.make_torrent(watch)?;
        self.start_tracker(0)?;
        self.until(watch, "the tracker listens", |stage| stage.hall.at.is_some())?;
        for (at, member) in members.iter().enumerate() {
            let folder = self.store.folder(&format!("peer-{at}")).map_err(failed)?;
            let group = &self.setting.groups[member.group];
            if member.role == Role::Seed {
                let spoils = |event: &crate::lab::setting::Planned| event.deed == Deed::Corrupt;
                let copy = group.lies || self.setting.events.iter().any(spoils);
                self.store.give(&folder, copy).map_err(failed)?;
            }
            let trace = watch.wants_trace().then(|| folder.join("trace.jsonl"));
            let name = member.name(self.setting);
            self.players.push(Player::new(member.clone(), name, folder, trace));
            self.start_peer(at, false)?;
        }
        let listens = |player: &Player| player.door.is_some() && player.port != 0;
        self.until(watch, "all peers listen", |stage| stage.players.iter().all(listens))?;
        if self.place.is_near() {
            (0..self.players.len()).try_for_each(|at| self.knock(at))?;
        }
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
        for at in 0..self.players.len() {
            if is_first(&self.players[at]) && self.setting.groups[members[at].group].lies {
                self.store.spoil(&self.players[at].folder).map_err(failed)?;
            }
        }
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
        self.place.on_begun();
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

    fn carry_out(&mut self, item: Item) -> Result<(), RunError> {
        match item {
            Item::Join(at) if self.players[at].act == Act::Waits => self.join(at),
            Item::Leave(at) if self.players[at].act == Act::Plays => {
                self.leave(at);
                Ok(())
            }
            Item::Join(_) | Item::Leave(_) => Ok(()),
            Item::Resume(at) => {
                self.players[at].child.iter().for_each(|child| child.pause(false));
                Ok(())
            }
            Item::TrackerStops(time) => {
                self.hall.is_down = true;
                self.hall.child.iter().for_each(Child::stop);
                self.agenda.put(self.begun.elapsed() + time, Item::TrackerStarts);
                Ok(())
            }
            Item::TrackerStarts => {
                self.hall.child = None;
                self.hall.is_down = false;
                let port = self.hall.at.map_or(0, |at| at.port());
                self.start_tracker(port)
            }
            Item::Deed(deed, at) => self.deed(deed, at),
        }
    }

    fn deed(&mut self, deed: Deed, at: usize) -> Result<(), RunError> {
        if self.players[at].act == Act::Gone || self.place.on_deed(deed, Station::Peer(at))? {
            return Ok(());
        }
        let player = &mut self.players[at];
        match deed {
            Deed::Kill => {
                player.act = Act::Gone;
                player.left = Some(Instant::now());
                player.child.iter_mut().for_each(Child::kill);
                Ok(())
            }
            Deed::Pause(time) => {
                player.child.iter().for_each(|child| child.pause(true));
                self.agenda.put(self.begun.elapsed() + time, Item::Resume(at));
                Ok(())
            }
            Deed::Rate(rate) => self.limit(at, rate),
            Deed::FreeRide => {
                player.act = Act::Changes;
                player.child.iter().for_each(Child::stop);
                Ok(())
            }
            Deed::Corrupt => self.store.spoil(&player.folder).map_err(failed),
            Deed::Partition(_) | Deed::TrackerDown(_) => {
                Err(RunError::Unsupported(format!("{} cannot have that done", player.name)))
            }
        }
    }

    /// Tells a peer of the torrent.
    fn join(&mut self, at: usize) -> Result<(), RunError> {
        let (torrent, folder) = (self.store.torrent(), self.players[at].folder.clone());
        self.players[at].act = Act::Plays;
        self.players[at].joined = Some(Instant::now());
        if self.place.is_near() {
            let what = json!({ "filename": torrent, "download-dir": folder });
            return self.ask(at, "torrent-add", &what);
        }
        let door = self.door(at)?;
        self.send(at, &words::add(self.programs, door, &torrent, &folder))
    }

    fn limit(&mut self, at: usize, rate: u64) -> Result<(), RunError> {
        if self.place.is_near() {
            let rate = words::in_kilobytes(rate);
            let what = json!({ "speed-limit-up-enabled": true, "speed-limit-up": rate });
            return self.ask(at, "session-set", &what);
        }
        let door = self.door(at)?;
        self.send(at, &words::limit(self.programs, door, rate))
    }

    fn leave(&mut self, at: usize) {
        let player = &mut self.players[at];
        player.act = Act::Gone;
        player.left = Some(Instant::now());
        player.child.iter().for_each(Child::stop);
    }

    fn door(&self, at: usize) -> Result<SocketAddr, RunError> {
        let player = &self.players[at];
        player.door.ok_or_else(|| RunError::Failed(format!("{} takes no orders", player.name)))
    }

    /// Makes the acquaintance of a peer, so that the first order takes one question.
    fn knock(&mut self, at: usize) -> Result<(), RunError> {
        let client = Client::new(&self.door(at)?.to_string(), None).within(ANSWER);
        self.players[at].client = Some(client);
        self.ask(at, "session-get", &json!({ "fields": ["version"] }))
    }

    fn ask(&mut self, at: usize, method: &str, what: &Value) -> Result<(), RunError> {
        if self.players[at].client.is_none() {
            self.knock(at)?;
        }
        let Player { client, name, .. } = &mut self.players[at];
        let client = client.as_mut().expect("made above");
        let asked = client.ask(method, what);
        asked.map(drop).map_err(|why| RunError::Failed(format!("{name} does not obey: {why}")))
    }

    /// Has an order given by a process that is started where the peer is.
    fn send(&mut self, at: usize, words: &[String]) -> Result<(), RunError> {
        let words = self.place.wrap(Station::Peer(at), words.to_vec());
        let folder = self.players[at].folder.clone();
        let child = self.start(&words, &folder, Whose::Errand("an order was not taken"))?;
        self.errands.push(child);
        Ok(())
    }

    fn start_tracker(&mut self, port: u16) -> Result<(), RunError> {
        let folder = self.store.source().with_file_name("tracker");
        if !folder.exists() {
            self.store.folder("tracker").map_err(failed)?;
        }
        let listen = SocketAddr::new(self.place.address(Station::Tracker), port);
        let words = words::tracker(self.programs, listen);
        let words = self.place.wrap(Station::Tracker, words);
        self.hall.child = Some(self.start(&words, &folder, Whose::Tracker)?);
        Ok(())
    }

    fn start_peer(&mut self, at: usize, rides: bool) -> Result<(), RunError> {
        let player = &self.players[at];
        let (folder, trace) = (player.folder.clone(), player.trace.clone());
        let start = words::Start {
            who: at,
            folder: &folder,
            tracker: self.hall.at.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
            port: player.port,
            rides,
            trace: trace.as_deref(),
        };
        let group = &self.setting.groups[player.member.group];
        let words = words::peer(self.programs, self.setting, group, self.place.as_ref(), &start);
        let words = self.place.wrap(Station::Peer(at), words);
        self.players[at].child = Some(self.start(&words, &folder, Whose::Peer(at))?);
        Ok(())
    }

    fn start(&mut self, words: &[String], folder: &Path, whose: Whose) -> Result<Child, RunError> {
        let Some((program, words)) = words.split_first() else {
            return Err(RunError::Failed("there is no program to start".into()));
        };
        self.started += 1;
        let start = Start { program: Path::new(program), words, folder, run: self.started };
        self.whose.insert(self.started, whose);
        Child::start(&start, &self.running, self.news.0.clone()).map_err(failed)
    }

    /// Hears what the processes say until a moment, or until one has said something.
    fn hear(&mut self, until: Instant) {
        match self.news.1.recv_deadline(until) {
            Ok(news) => self.on_news(news),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
        while let Ok(news) = self.news.1.try_recv() {
            self.on_news(news);
        }
    }

    fn on_news(&mut self, news: News) {
        let Some(&whose) = self.whose.get(&news.run) else { return };
        match (whose, news.what) {
            (Whose::Tracker, What::Said(Word::Port(port))) => {
                let ip = self.place.address(Station::Tracker);
                self.hall.at = Some(SocketAddr::new(ip, port));
            }
            (Whose::Peer(at), What::Said(word)) => {
                if matches!(word, Word::Progress(now) if now.fetched != self.players[at].now.fetched)
                {
                    self.moved = news.at;
                }
                let size = self.setting.content.size;
                if self.players[at].on_word(news.at, news.time, word, size) {
                    self.on_whole(at);
                }
            }
            (_, What::Said(_)) => {}
            (whose, What::Ended(last)) => self.on_end(news.run, whose, &last),
        }
    }

    fn on_whole(&mut self, at: usize) {
        let player = &self.players[at];
        if !player.is_leecher() || player.act != Act::Plays {
            return;
        }
        match player.member.stays {
            Some(Duration::ZERO) => self.leave(at),
            Some(stays) => {
                let when = self.begun.elapsed().saturating_add(stays);
                self.agenda.put(when, Item::Leave(at));
            }
            None => {}
        }
    }

    fn on_end(&mut self, run: u32, whose: Whose, last: &str) {
        match whose {
            Whose::Errand(failure) => {
                let Some(at) = self.errands.iter().position(|child| child.run() == run) else {
                    return;
                };
                let mut errand = self.errands.remove(at);
                let how = errand.wait();
                if !errand.ended_well() {
                    self.blame(format!("{failure} ({how}): {last}"), None);
                }
            }
            Whose::Tracker => {
                let Some(child) = self.hall.child.as_mut().filter(|child| child.run() == run)
                else {
                    return;
                };
                let how = child.wait();
                if !self.hall.is_down {
                    let log = self.store.source().with_file_name("tracker").join("log");
                    let text = format!("the tracker ended by itself ({how}): {last}");
                    self.blame(text, Some(("tracker".into(), log)));
                }
            }
            Whose::Peer(at) => self.on_peer_end(at, run, last),
        }
    }

    fn on_peer_end(&mut self, at: usize, run: u32, last: &str) {
        let player = &mut self.players[at];
        let Some(child) = player.child.as_mut().filter(|child| child.run() == run) else { return };
        let how = child.wait();
        match player.act {
            Act::Gone => {}
            Act::Changes => {
                player.on_new_process();
                player.act = if player.joined.is_some() { Act::Plays } else { Act::Waits };
                if let Err(why) = self.start_peer(at, true) {
                    let name = &self.players[at].name;
                    self.blame(format!("{name} did not start again: {why}"), None);
                }
            }
            Act::Waits | Act::Plays => {
                let log = player.folder.join("log");
                let named = (player.name.replace('/', "-"), log);
                let text = format!("{} ended by itself ({how}): {last}", player.name);
                self.blame(text, Some(named));
            }
        }
    }

    /// The run does not count; the first reason stands.
    fn blame(&mut self, text: String, log: Option<(String, PathBuf)>) {
        if self.trouble.is_none() {
            (self.trouble, self.log) = (Some(text), log);
        }
    }

    /// Stops all in good order, hears what they say last, and kills who takes too long.
    pub fn close(&mut self) {
        let deadline = Instant::now() + GOODBYE;
        for player in &mut self.players {
            player.act = Act::Gone;
            if let Some(child) = &player.child {
                child.stop();
                child.pause(false); // who stands still does not hear of it
            }
        }
        let ended = |player: &Player| player.child.as_ref().is_none_or(Child::has_ended);
        while Instant::now() < deadline && !self.players.iter().all(ended) {
            self.hear(deadline.min(Instant::now() + TICK));
        }
        self.hall.is_down = true;
        self.hall.child.iter().for_each(Child::stop);
        // What is left is killed; the pipes end with their processes.
        self.players.iter_mut().for_each(|player| player.child.iter_mut().for_each(Child::kill));
        self.errands.iter_mut().for_each(Child::kill);
        while let Ok(news) = self.news.1.try_recv() {
            self.on_news(news);
        }
    }
}

fn failed(why: CliError) -> RunError {
    RunError::Failed(why.message)
}
