//! All peers of a show: who plays, what is done to whom, and what is said of it.
//!
//! ```text
//! Deed of the page -> kill | stop, start again | session-set     News of a process -> a sentence
//! ```
//! A free rider is its old process stopped in good order, and a new one on the same folder and
//! port: it goes on with what it has, and serves nobody. Dropped, no process is left.

use super::super::exit::CliError;
use super::super::remote::Client;
use super::child::{Child, News, Running, Start, What, Word};
use super::figures::{Figures, Standing};
use super::folder::FILE;
use super::order::Deed;
use crate::cli::args::lab::MOST_PEERS;
use crate::cli::units;
use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// News that wait: a process that says more waits with it.
const NEWS: usize = 256;

/// How long a peer may take to answer; it is on this machine.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a peer may take to stop in good order; it gives itself three seconds.
const GOODBYE: Duration = Duration::from_secs(4);

/// What all peers have in common.
pub struct Stage {
    /// The `peer` program.
    pub program: PathBuf,
    /// The tracker.
    pub tracker: SocketAddr,
    /// Where each peer gets a folder.
    pub folder: PathBuf,
    /// The file that is shared.
    pub file: PathBuf,
    /// Its length.
    pub size: u64,
    /// Most that a peer sends in bytes per second, unless it seeds.
    pub peer_rate: Option<u64>,
}

/// All peers.
pub struct Cast {
    // Dropped first: processes that are dropped after it are not waited for with what they say.
    news: (Sender<News>, Receiver<News>),
    players: Vec<Player>,
    stage: Stage,
    running: Running,
    started: u32,
    named: usize,
}

/// One peer.
struct Player {
    name: String,
    folder: PathBuf,
    seeds: bool,
    rides: bool,
    up: Option<u64>,
    /// Where it listens; 0 until it says so.
    port: u16,
    /// Whether it was told of the file.
    told: bool,
    standing: Standing,
    door: Option<SocketAddr>,
    child: Child,
    act: Act,
}

/// What a peer is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    /// It runs.
    Plays,
    /// It stops until then, to start again as a free rider.
    Changes(Instant),
    /// It starts again as a free rider.
    Returns,
    /// It was killed.
    Killed,
}

impl Cast {
    /// Nobody yet.
    pub fn new(stage: Stage, running: Running) -> Self {
        let (players, started, named) = (Vec::new(), 0, 0);
        Self { news: bounded(NEWS), players, stage, running, started, named }
    }

    /// What happens to the processes.
    pub fn news(&self) -> Receiver<News> {
        self.news.1.clone()
    }

    /// Starts the peer that has the file.
    pub fn seed(&mut self, up: Option<u64>) -> Result<(), CliError> {
        self.enter("seeder".into(), true, up)
    }

    /// Starts a peer that fetches the file; its name.
    pub fn add(&mut self) -> Result<String, CliError> {
        self.named += 1;
        let name = format!("peer {}", self.named);
        self.enter(name.clone(), false, self.stage.peer_rate)?;
        Ok(name)
    }

    fn enter(&mut self, name: String, seeds: bool, up: Option<u64>) -> Result<(), CliError> {
        let folder = self.stage.folder.join(name.replace(' ', "-"));
        let made = std::fs::create_dir(&folder);
        made.map_err(|why| CliError::disk("make", &folder, &why, "is the disk full?"))?;
        let child = self.start(&folder, 0, up, false)?;
        let standing = Standing::default();
        let (rides, told, door, port, act) = (false, false, None, 0, Act::Plays);
        self.players.push(Player {
            name,
            folder,
            seeds,
            rides,
            up,
            port,
            told,
            standing,
            door,
            child,
            act,
        });
        Ok(())
    }

    fn start(
        &mut self,
        folder: &Path,
        port: u16,
        up: Option<u64>,
        rides: bool,
    ) -> Result<Child, CliError> {
        self.started += 1;
        let words = words(self.stage.tracker, folder, port, up, rides);
        let start = Start {
            program: &self.stage.program,
            words: &words,
            folder,
            run: self.started,
            lies: false,
            listens: false,
            moves: true,
        };
        Child::start(&start, &self.running, self.news.0.clone())
    }

    /// Does what the page ordered; the error is a sentence, too.
    pub fn on_deed(&mut self, deed: Deed) -> Result<String, String> {
        match deed {
            Deed::Add if self.players.len() > MOST_PEERS => {
                Err(format!("{} peers run: that is enough for one machine", self.players.len()))
            }
            Deed::Add => {
                let name = self.add().map_err(|why| format!("no peer was added: {why}"))?;
                Ok(format!("{name} is added"))
            }
            Deed::Kill(addr) => {
                let player = self.player(addr)?;
                player.act = Act::Killed;
                player.child.kill();
                Ok(format!("{} is killed, without a goodbye", player.called(addr)))
            }
            Deed::Limit(addr, rate) => self.player(addr)?.limit(addr, rate),
            Deed::FreeRide(addr) => {
                let player = self.player(addr)?;
                if player.rides {
                    return Err(format!("{} is a free rider already", player.called(addr)));
                }
                player.act = Act::Changes(Instant::now() + GOODBYE);
                player.child.stop();
                Ok(format!("{} stops, to start again as a free rider", player.called(addr)))
            }
        }
    }

    /// The peer that listens there, and is not on its way out.
    fn player(&mut self, addr: SocketAddr) -> Result<&mut Player, String> {
        let here = self.stage.tracker.ip();
        let found = self.players.iter_mut().find(|p| SocketAddr::new(here, p.port) == addr);
        match found {
            Some(player) if player.act == Act::Plays => Ok(player),
            Some(player) => Err(format!("{} is on its way: wait a moment", player.called(addr))),
            None => Err(format!("no peer listens at {addr}")),
        }
    }

    /// Hears what happened to a process; a sentence if somebody should know.
    pub fn on_news(&mut self, news: News) -> Option<Saying> {
        let at = self.players.iter().position(|player| player.child.run() == news.run)?;
        match news.what {
            What::Said(word) => {
                let addr = SocketAddr::new(self.stage.tracker.ip(), self.players[at].port);
                self.players[at].on_word(&word, addr, &self.stage.file)
            }
            What::Ended(last) => self.on_end(at, &last),
        }
    }

    fn on_end(&mut self, at: usize, last: &str) -> Option<Saying> {
        let addr = SocketAddr::new(self.stage.tracker.ip(), self.players[at].port);
        let how = self.players[at].child.wait();
        let called = self.players[at].called(addr);
        match self.players[at].act {
            Act::Killed => {
                self.players.remove(at);
                None // that was said when it was ordered
            }
            Act::Plays | Act::Returns => {
                self.players.remove(at);
                Some(Saying::trouble(format!("{called} ended by itself ({how}): {last}")))
            }
            Act::Changes(_) => {
                let Player { folder, port, up, .. } = &self.players[at];
                let (folder, port, up) = (folder.clone(), *port, *up);
                match self.start(&folder, port, up, true) {
                    Ok(child) => {
                        let player = &mut self.players[at];
                        (player.child, player.door) = (child, None);
                        (player.act, player.rides) = (Act::Returns, true);
                        None
                    }
                    Err(why) => {
                        self.players.remove(at);
                        Some(Saying::trouble(format!("{called} did not start again: {why}")))
                    }
                }
            }
        }
    }

    /// Ends who takes too long to stop.
    pub fn on_tick(&mut self, now: Instant) {
        for player in &mut self.players {
            if matches!(player.act, Act::Changes(deadline) if deadline <= now) {
                player.child.kill();
            }
        }
    }

    /// How all stand.
    pub fn figures(&self) -> Figures {
        Figures::of(self.players.iter().map(|player| player.standing), self.stage.size)
    }

    /// Stops all in good order, and kills who takes too long.
    pub fn end(&mut self) {
        let deadline = Instant::now() + GOODBYE;
        self.players.iter_mut().for_each(|player| player.child.stop());
        while !self.players.is_empty()
            && let Ok(News { run, what, .. }) = self.news.1.recv_deadline(deadline)
        {
            if let What::Ended(_) = what {
                self.players.retain_mut(|player| player.child.run() != run);
            }
        }
        self.players.clear();
    }
}

impl Player {
    /// Its address and its name.
    fn called(&self, addr: SocketAddr) -> String {
        if self.port == 0 { self.name.clone() } else { format!("{addr} ({})", self.name) }
    }

    fn on_word(&mut self, word: &Word, addr: SocketAddr, file: &Path) -> Option<Saying> {
        match *word {
            Word::Port(port) => self.port = port,
            Word::Progress(now) => {
                (self.standing.bytes, self.standing.down) = (now.bytes, now.down);
            }
            Word::Whole => self.standing.whole = true,
            Word::Door(door) => {
                self.door = Some(door);
                if let Err(why) = self.tell(file) {
                    return Some(Saying::trouble(why));
                }
                if self.act == Act::Returns {
                    self.act = Act::Plays;
                    let called = self.called(addr);
                    return Some(Saying::news(format!(
                        "{called} is a free rider: it serves nobody"
                    )));
                }
            }
            Word::Registered | Word::Banned(_) | Word::Fault(_) | Word::Other => {}
        }
        None
    }

    /// Tells it which file the show is about, once.
    fn tell(&mut self, file: &Path) -> Result<(), String> {
        if self.told {
            return Ok(()); // it keeps its torrents
        }
        let what = if self.seeds { json!({ "seed": file }) } else { json!({ "filename": FILE }) };
        let asked = self.ask("torrent-add", &what);
        asked.map_err(|why| format!("{} does not take the file: {why}", self.name))?;
        self.told = true;
        Ok(())
    }

    fn limit(&mut self, addr: SocketAddr, rate: Option<u64>) -> Result<String, String> {
        let mut question = json!({ "speed-limit-up-enabled": rate.is_some() });
        if let Some(rate) = rate {
            // The RPC knows whole kB/s; less than one would be no limit at all.
            question["speed-limit-up"] = rate.div_ceil(1000).into();
        }
        let called = self.called(addr);
        let asked = self.ask("session-set", &question);
        asked.map_err(|why| format!("{called} was not limited: {why}"))?;
        self.up = rate;
        Ok(match rate {
            Some(rate) => format!("{called} sends at most {}", units::rate(rate)),
            None => format!("{called} sends as much as it can"),
        })
    }

    fn ask(&self, method: &str, arguments: &serde_json::Value) -> Result<(), String> {
        let door = self.door.ok_or("it takes no orders yet: wait a moment")?;
        let mut client = Client::new(&door.to_string(), None).within(ANSWER);
        client.ask(method, arguments).map(drop).map_err(|why| why.message)
    }
}

/// A sentence about the show.
#[derive(Debug, PartialEq, Eq)]
pub struct Saying {
    /// The sentence.
    pub text: String,
    /// Whether it is said whatever happens: something went wrong.
    pub is_trouble: bool,
}

impl Saying {
    /// What happened as it should.
    pub fn news(text: String) -> Self {
        Self { text, is_trouble: false }
    }

    /// What should not have happened.
    pub fn trouble(text: String) -> Self {
        Self { text, is_trouble: true }
    }
}

/// The words of `peer daemon` for one peer.
fn words(
    tracker: SocketAddr,
    folder: &Path,
    port: u16,
    up: Option<u64>,
    rides: bool,
) -> Vec<String> {
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut words: Vec<String> =
        ["daemon", "--json", "--web", "127.0.0.1:0"].map(Into::into).into();
    let flags = [
        ("--config-dir", path(folder.join("state"))),
        ("--download-dir", path(folder.to_owned())),
        ("--tracker", tracker.to_string()),
        // So the tracker and the others know it by that address.
        ("--bind", tracker.ip().to_string()),
        ("--port", port.to_string()),
        ("--uplimit", up.map_or("0".into(), |up| format!("{up}B/s"))),
    ];
    words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
    if rides {
        words.extend(["--choker".into(), "freeride".into()]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{self, Parsed, PeerCommand};
    use crate::cli::places::Places;
    use crate::config::ChokerChoice;
    use crate::logic::choker::ChokerPolicy;

    #[test]
    fn a_peer_is_started_with_words_that_the_program_knows() {
        let check = |port, up: Option<u64>, rides, choker| {
            let tracker = SocketAddr::from(([127, 0, 0, 1], 7000));
            let words = words(tracker, Path::new("/x y"), port, up, rides);
            let Ok(Parsed::Command(PeerCommand::Daemon(daemon))) = args::peer(&words) else {
                panic!("{words:?}");
            };
            let config = daemon.config(&Places::default()).expect("a configuration");
            assert_eq!(config.up_limit, up);
            assert_eq!(config.download_dir, Path::new("/x y"));
            assert_eq!(config.trackers.len(), 1);
            assert_eq!(daemon.bind, Some(tracker.ip()));
            assert_eq!((daemon.port, daemon.choker), (Some(port), choker));
            assert_eq!(daemon.config_dir.as_deref(), Some(Path::new("/x y/state")));
            assert_eq!(daemon.web, Some("127.0.0.1:0".parse().expect("an address")));
        };
        check(0, Some(600_000), false, None);
        check(6881, None, true, Some(ChokerChoice::Policy(ChokerPolicy::FreeRide)));
        check(1, Some(1), false, None);
    }
}
