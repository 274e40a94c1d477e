//! `peer console`: the interactive node of the course, and the same from a pipe.
//!
//! ```text
//! > SEEDING big.zip
//! > DOWNLOAD lecture.mp4
//! > STATUS
//! ```
//! The thread `console` reads lines, turns each into orders and prints what comes back; the session
//! runs in `main` as everywhere else. Words are completed with the tab key. In a pipe there is no
//! prompt: what is printed is data, one mistake does not end the script, and the exit code is that
//! of the first mistake.

/// What a line says.
pub mod line;
/// Answers for people.
mod tables;
/// The terminal: a prompt, history, completion.
mod terminal;

use super::args::{self, ConsoleArgs, Parsed, PeerCommand};
use super::env::Env;
use super::exit::{CliError, Exit};
use super::run::{context, start, watch_signals};
use super::screen::Screen;
use super::session::live::Live;
use super::session::{Manner, Opening, Session, Wires};
use super::style::printable;
use super::{create, door, logging};
use crate::control::order::{
    Addition, Change, Detail, LimitChange, Order, Reply, Settings, Source,
};
use crate::control::view::{Sum, TorrentView};
use crate::control::{Desk, Refusal, Which};
use crossbeam_channel::{RecvTimeoutError, bounded};
use line::{COMMANDS, Line};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};
use terminal::Reader;

/// How often WAIT looks.
const LOOK: Duration = Duration::from_millis(100);

/// Reads commands until QUIT, the end of stdin, or a signal.
pub fn console(args: &ConsoleArgs, env: &Env) -> Result<(), CliError> {
    let config = args.config()?;
    let door = args.web.map(|at| door::options(at, args.auth.as_ref(), env)).transpose()?;
    let mut reader = Reader::open(io::stdin().is_terminal() && !args.quiet)
        .map_err(|e| CliError::new(Exit::Failed, format!("cannot read the terminal: {e}")))?;
    // What is said while a line is typed goes above it.
    let screen = reader.printer().map_or_else(|| env.screen.clone(), Screen::new);
    let above = env.on_screen(screen);
    logging::init(&args.log(), env.rust_log.as_deref(), &above.screen)?;
    let (desk, letters) = Desk::open();
    let door = door.map(|door| door::open(door, desk.clone(), &above, args.quiet)).transpose()?;
    let signals = watch_signals(env)?;
    let node = start(&config, env, door.is_some())?;
    let context = context(&config, &node)?;
    let session = Session::open(Opening {
        env: &above,
        json: false,
        manner: Manner {
            ends: false,
            draws: false,
            quiet: args.quiet,
            logs: args.logfile.is_some(),
        },
        node,
        context,
        live: Live::of(&config),
        keeper: None,
        before: Sum::default(),
    });
    let console = Console { desk: desk.clone(), env: Arc::new(above.clone()), first: None };
    let (reads, over) = bounded::<()>(0); // never sent on
    let reading = Builder::new().name("console".into()).spawn(move || {
        let _reads = reads;
        console.work(reader)
    });
    let reading = reading
        .map_err(|e| CliError::new(Exit::Failed, format!("no thread to read lines: {e}")))?;
    let ended = session.work(&Wires { signals, letters, desk });
    drop(door);
    // After a signal WAIT finds that nobody is there; who waits for a line goes with the process.
    if over.recv_timeout(3 * LOOK) == Err(RecvTimeoutError::Timeout) {
        return ended;
    }
    // Each mistake was said when it was made.
    let first = reading.join().unwrap_or_default();
    ended.and(first.map_or(Ok(()), |first| {
        let message = "not every line could be carried out: the first mistake is the exit code";
        Err(CliError::new(first.exit, message))
    }))
}

struct Console {
    desk: Desk,
    env: Arc<Env>,
    /// The first thing that went wrong.
    first: Option<CliError>,
}

impl Console {
    /// Does what the lines say; gives the first mistake.
    fn work(mut self, mut reader: Reader) -> Option<CliError> {
        if reader.is_terminal() {
            let _ = self.print("HELP lists the commands, the tab key completes words.\n");
        }
        while let Some(text) = reader.next_line() {
            let done = match line::parse(&text) {
                Ok(None) => Ok(true),
                Ok(Some(line)) => self.carry_out(line),
                Err(why) => Err(CliError::usage(why)),
            };
            match done {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let message = printable(&error.message);
                    // A closed stderr stops nobody.
                    let _ = self.env.screen.line(&format!("peer: {message}"));
                    let is_over = error.exit == Exit::Stopped;
                    if !reader.is_terminal() {
                        self.first.get_or_insert(error);
                    }
                    if is_over {
                        break;
                    }
                }
            }
        }
        // The session may have ended before.
        let _ = self.desk.order(Order::Close);
        self.first
    }

    /// False if that was the last.
    fn carry_out(&mut self, line: Line) -> Result<bool, CliError> {
        match line {
            Line::Quit => return Ok(false),
            Line::Help(topic) => self.help(topic.as_deref())?,
            Line::Seeding(paths) => {
                for path in paths {
                    self.add(Source::Seed(absolute(&path)))?;
                }
            }
            Line::Download(whats) => {
                for what in whats {
                    self.add(Source::What(what))?;
                }
            }
            Line::MakeTorrent(words) => self.make_torrent(&words)?,
            Line::List => match self.order(Order::Catalogue)? {
                Reply::Catalogue(all) => self.print(&tables::catalogue(&all))?,
                other => return Err(unexpected(&other)),
            },
            Line::Status(which) => {
                let torrents = self.look(which, Detail::default())?;
                self.print(&tables::status(&torrents))?;
            }
            Line::Files(which) => self.each(which, files(), tables::files)?,
            Line::Peers(which) => self.each(which, peers(), tables::peers)?,
            Line::Pieces(which) => self.each(which, pieces(), tables::pieces)?,
            Line::Trackers(which) => self.each(which, trackers(), tables::trackers)?,
            Line::AddTracker(which, url) => {
                let change = Change { add_trackers: vec![url], ..Change::default() };
                self.some(which, |which| Order::Change { which, change: Box::new(change) })?;
            }
            Line::Limit { which: Some(which), down, up } => {
                let change = Change { down: limit(down), up: limit(up), ..Change::default() };
                self.some(which, |which| Order::Change { which, change: Box::new(change) })?;
            }
            Line::Limit { which: None, down, up } => {
                let new = Settings { down: limit(down), up: limit(up), ..Settings::default() };
                self.order(Order::Set(Box::new(new)))?;
            }
            Line::Want(which, changes) => {
                let change = Change { wanted: changes, ..Change::default() };
                self.some(which, |which| Order::Change { which, change: Box::new(change) })?;
            }
            Line::Pause(which) => self.some(which, Order::Stop)?,
            Line::Resume(which) => self.some(which, Order::Start)?,
            Line::Verify(which) => self.some(which, Order::Verify)?,
            Line::Announce(which) => self.some(which, Order::Announce)?,
            Line::Remove { which, with_data } => {
                self.some(which, |which| Order::Remove { which, with_data })?;
            }
            Line::Wait(most) => self.wait(most)?,
        }
        Ok(true)
    }

    fn order(&self, order: Order) -> Result<Reply, CliError> {
        self.desk.order(order).map_err(|refusal| match refusal {
            Refusal::No(why) => CliError::new(Exit::Failed, why),
            Refusal::Gone => CliError::new(Exit::Stopped, refusal.to_string()),
        })
    }

    fn add(&self, source: Source) -> Result<(), CliError> {
        let change = Change::default();
        let addition = Addition { source, folder: None, paused: None, change };
        match self.order(Order::Add(Box::new(addition)))? {
            Reply::Added { torrent, duplicate: true } => {
                let name = printable(&torrent.name);
                self.print(&format!("{}  {name} is here already\n", torrent.id))
            }
            Reply::Added { torrent, .. } => {
                self.print(&format!("{}  {}\n", torrent.id, printable(&torrent.name)))
            }
            other => Err(unexpected(&other)),
        }
    }

    /// What `peer create` does with the same words.
    fn make_torrent(&self, words: &[String]) -> Result<(), CliError> {
        let words: Vec<String> = ["create".to_owned()].iter().chain(words).cloned().collect();
        match args::peer(&words)? {
            Parsed::Text(text) => self.print(&text),
            Parsed::Command(PeerCommand::Create(args)) => create::create(&args, &self.env),
            Parsed::Command(_) => unreachable!("create is create"),
        }
    }

    fn look(&self, which: Which, detail: Detail) -> Result<Vec<TorrentView>, CliError> {
        let is_named = matches!(which, Which::These(_));
        match self.order(Order::Look { which, detail })? {
            Reply::Torrents { torrents, .. } if torrents.is_empty() && is_named => {
                Err(CliError::new(Exit::NotFound, "there is no such torrent: STATUS lists them"))
            }
            Reply::Torrents { torrents, .. } => Ok(torrents),
            other => Err(unexpected(&other)),
        }
    }

    /// An order about torrents that exist.
    fn some(&self, which: Which, order: impl FnOnce(Which) -> Order) -> Result<(), CliError> {
        self.look(which.clone(), Detail::default())?;
        self.order(order(which)).map(|_| ())
    }

    fn each(
        &self,
        which: Which,
        detail: Detail,
        table: fn(&TorrentView) -> String,
    ) -> Result<(), CliError> {
        for torrent in self.look(which, detail)? {
            self.print(&table(&torrent))?;
        }
        Ok(())
    }

    /// Waits until nothing is missing any more.
    fn wait(&self, most: Option<Duration>) -> Result<(), CliError> {
        use crate::control::view::State::{Downloading, Looking};
        let deadline = most.map(|most| Instant::now() + most);
        loop {
            let torrents = self.look(Which::All, Detail::default())?;
            let failed = torrents.iter().find(|torrent| tables::has_failed(torrent));
            if let Some(torrent) = failed {
                let why = tables::trouble(torrent);
                let name = printable(&torrent.name);
                return Err(CliError::new(Exit::Failed, format!("{name}: {why}")));
            }
            let busy = |torrent: &&TorrentView| {
                matches!(torrent.state, Downloading | Looking) || tables::is_checking(torrent)
            };
            let Some(torrent) = torrents.iter().find(busy) else { return Ok(()) };
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let name = printable(&torrent.name);
                return Err(CliError::new(Exit::NoAnswer, format!("{name} is not whole yet")));
            }
            let _ = crossbeam_channel::after(LOOK).recv();
        }
    }

    fn help(&self, topic: Option<&str>) -> Result<(), CliError> {
        let wanted = |word: &str| topic.is_none_or(|topic| topic.eq_ignore_ascii_case(word));
        let rows = COMMANDS.iter().filter(|(word, ..)| wanted(word));
        let row = |(word, rest, what): &(&str, &str, &str)| {
            let command = format!("{word} {rest}");
            format!("{command:<26}{what}\n")
        };
        let text = rows.map(row).collect::<Vec<_>>().concat();
        if text.is_empty() {
            return Err(line::unknown(topic.unwrap_or_default()));
        }
        self.print(&text)
    }

    fn print(&self, text: &str) -> Result<(), CliError> {
        let mut out = self.env.out.clone();
        let done = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        done.map_err(|e| CliError::new(Exit::Disk, format!("cannot write to stdout ({e})")))
    }
}

fn unexpected(reply: &Reply) -> CliError {
    CliError::new(Exit::Failed, format!("an answer to something else: {reply:?}: this is a bug"))
}

/// A limit as it is typed: 0 is none.
fn limit(rate: Option<u64>) -> LimitChange {
    LimitChange { rate, on: Some(rate.is_some()) }
}

fn absolute(path: &str) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

fn files() -> Detail {
    Detail { files: true, ..Detail::default() }
}

fn peers() -> Detail {
    Detail { peers: true, ..Detail::default() }
}

fn pieces() -> Detail {
    Detail { pieces: true, ..Detail::default() }
}

fn trackers() -> Detail {
    Detail { trackers: true, ..Detail::default() }
}
