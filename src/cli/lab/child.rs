//! One process of a show or of a run: heard through one pipe, and ended whatever happens.
//!
//! ```text
//! peer daemon --json --web 127.0.0.1:0 ..   --- stdout, stderr --->  thread `child-<n>`  ---> News
//! ```
//! A line is an event as JSON, or a sentence; all but progress is written to a log beside its files.
//! It has a process group of its own: Ctrl-C in a terminal is heard by the lab, which then stops
//! its peers in good order. Dropped, it is killed and waited for.

use super::super::exit::CliError;
use crossbeam_channel::Sender;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// The longest line that is understood.
const LONGEST_LINE: u64 = 64 * 1024;

/// What a program says that the lab listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It listens for others on this port.
    Port(u16),
    /// It takes orders at this address.
    Door(SocketAddr),
    /// How far it is.
    Progress(Progress),
    /// It has everything.
    Whole,
    /// A tracker lists it.
    Registered,
    /// It talks no more to who lied to it.
    Banned(SocketAddr),
    /// The program that chooses for it whom to serve did not do so: a sentence.
    Fault(String),
    /// Any other sentence.
    Other,
}

/// How far a peer is, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What it has.
    pub bytes: u64,
    /// What it receives a second.
    pub down: u64,
    /// What it sends a second.
    pub up: u64,
    /// What it received since its process started, of use or not.
    pub fetched: u64,
    /// What it sent since then.
    pub sent: u64,
    /// What it received that was wrong.
    pub corrupt: u64,
}

/// What happened to a peer.
#[derive(Debug)]
pub enum What {
    /// It said something.
    Said(Word),
    /// It is gone; the last sentence that it said.
    Ended(String),
}

/// What happened to which process of the show.
#[derive(Debug)]
pub struct News {
    /// Its number: each process has another one.
    pub run: u32,
    /// When the line came.
    pub at: Instant,
    /// What the clock of the process said, which began when it started, in seconds.
    pub time: Option<f64>,
    /// What.
    pub what: What,
}

/// The ids of all processes that run, for whoever must end them at once.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<BTreeSet<u32>>>);

impl Running {
    /// Kills all of them.
    pub fn kill(&self) {
        for &id in self.0.lock().iter() {
            signal(id, Signal::KILL);
        }
    }
}

/// How a process is to be started.
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its words.
    pub words: &'a [String],
    /// Where its log goes.
    pub folder: &'a Path,
    /// Whether it works there; else it works where we do.
    pub moves: bool,
    /// Its number.
    pub run: u32,
    /// Whether it is a peer that lies.
    pub lies: bool,
    /// Whether it is told something by [`Child::tell`].
    pub listens: bool,
}

/// A running process.
pub struct Child {
    run: u32,
    process: Process,
    running: Running,
    listener: Option<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts it; what it says goes to `news`.
    pub fn start(
        start: &Start<'_>,
        running: &Running,
        news: Sender<News>,
    ) -> Result<Self, CliError> {
        const ADVICE: &str = "is the disk full?";
        let log: PathBuf = start.folder.join("log");
        let open = OpenOptions::new().create(true).append(true).open(&log);
        let file = open.map_err(|why| CliError::disk("write", &log, &why, ADVICE))?;
        let failed = |why: &io::Error| {
            CliError::disk("start", start.program, why, "is it installed beside lab?")
        };
        let (heard, said) = io::pipe().map_err(|why| failed(&why))?;
        let mut command = Command::new(start.program);
        command.args(start.words).process_group(0);
        if start.lies {
            command.env("PEER_LIES", "1");
        }
        if start.moves {
            command.current_dir(start.folder);
        }
        command.stdin(if start.listens { Stdio::piped() } else { Stdio::null() });
        command.stdout(said.try_clone().map_err(|why| failed(&why))?);
        let process = command.stderr(said).spawn().map_err(|why| failed(&why))?;
        // The pipe ends with the process, not with us.
        drop(command);
        running.0.lock().insert(process.id());
        let run = start.run;
        let mut child =
            Self { run, process, running: running.clone(), listener: None, ended: None };
        let listen = move || listen(run, heard, file, &news);
        let thread = Builder::new().name(format!("child-{run}")).spawn(listen);
        child.listener = Some(thread.map_err(|why| failed(&why))?);
        Ok(child)
    }

    /// Its number.
    pub fn run(&self) -> u32 {
        self.run
    }

    /// Says a line on its stdin, the only one: it ends there.
    pub fn tell(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.process.stdin.take();
        stdin.map_or(Ok(()), |mut stdin| stdin.write_all(format!("{line}\n").as_bytes()))
    }

    /// Asks it to stop in good order.
    pub fn stop(&mut self) {
        // Who still waits for a word waits no more.
        drop(self.process.stdin.take());
        if self.ended.is_none() {
            signal(self.process.id(), Signal::TERM);
        }
    }

    /// Stops it where it is, or lets it go on.
    pub fn pause(&self, pauses: bool) {
        if self.ended.is_none() {
            signal(self.process.id(), if pauses { Signal::STOP } else { Signal::CONT });
        }
    }

    /// Whether it ended, and was waited for.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether it ended, and in good order.
    pub fn ended_well(&self) -> bool {
        self.ended.is_some_and(|status| status.success())
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        // One that has just ended needs no killing.
        let _ = self.process.kill();
    }

    /// Waits for a process that has ended or is about to; how it ended, in words.
    pub fn wait(&mut self) -> String {
        if self.ended.is_none() {
            // From here on its id may be somebody else's.
            self.running.0.lock().remove(&self.process.id());
            self.ended = self.process.wait().ok();
        }
        self.ended.map_or_else(|| "nobody knows how".into(), how)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill();
            self.wait();
        }
        if let Some(listener) = self.listener.take() {
            // It ends with the pipe, or by a panic, which has been reported.
            let _ = listener.join();
        }
    }
}

fn signal(id: u32, signal: Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // Who is gone hears nothing.
        let _ = kill_process(id, signal);
    }
}

/// How a process ended, in words.
pub fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "nobody knows how".into(),
    }
}

/// The thread of one process: reads to the end, whether or not anybody still listens, so that the
/// process never waits for us.
fn listen(run: u32, heard: PipeReader, mut log: File, news: &Sender<News>) {
    let mut lines = BufReader::new(heard);
    let (mut line, mut last) = (Vec::new(), String::new());
    while lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&line);
        let (at, (word, time)) = (Instant::now(), hear(text.trim_end()));
        if !matches!(word, Word::Progress(..)) {
            // The show does not depend on its logs.
            let _ = log.write_all(&line);
        }
        if !text.starts_with('{') {
            text.trim_end().clone_into(&mut last);
        }
        if word != Word::Other {
            let _ = news.send(News { run, at, time, what: What::Said(word) });
        }
        line.clear();
    }
    let (at, time) = (Instant::now(), None);
    let _ = news.send(News { run, at, time, what: What::Ended(last) });
}

/// An event under `--json`, as far as it is of interest.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "event")]
    kind: String,
    time: Option<f64>,
    port: Option<u16>,
    address: Option<SocketAddr>,
    #[serde(flatten)]
    progress: Progress,
}

/// What a line says, and when by the clock of whoever says it.
pub fn hear(line: &str) -> (Word, Option<f64>) {
    const PORT: &str = "peer listening on port ";
    const DOOR: &str = "remote control at http://";
    if let Some(port) = line.strip_prefix(PORT) {
        return (port.parse().map_or(Word::Other, Word::Port), None);
    }
    if let Some(rest) = line.strip_prefix(DOOR) {
        let at = rest.split('/').next().unwrap_or_default();
        return (at.parse().map_or(Word::Other, Word::Door), None);
    }
    let Ok(event) = serde_json::from_str::<Event>(line) else {
        let is_fault = line.contains(" exec:") && !line.starts_with('{');
        return (if is_fault { Word::Fault(line.to_owned()) } else { Word::Other }, None);
    };
    let word = match event.kind.as_str() {
        "start" => event.port.map(Word::Port),
        "progress" => Some(Word::Progress(event.progress)),
        "seeding" | "done" => Some(Word::Whole),
        "registered" => Some(Word::Registered),
        "banned" => event.address.map(Word::Banned),
        _ => None,
    };
    (word.unwrap_or(Word::Other), event.time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn a_line_is_a_port_a_door_an_event_or_a_sentence() {
        let check = |line: &str, expected: Word| assert_eq!(hear(line).0, expected, "{line}");
        check("peer listening on port 6881", Word::Port(6881));
        check("peer listening on port x", Word::Other);
        let door = "127.0.0.1:40001".parse().expect("an address");
        check("remote control at http://127.0.0.1:40001/transmission/rpc", Word::Door(door));
        check("remote control at http://nowhere/", Word::Other);
        check(
            r#"{"time":1.2,"event":"progress","bytes":5,"total":9,"down":3,"up":1,"sent":8}"#,
            Word::Progress(Progress { bytes: 5, down: 3, up: 1, sent: 8, ..Progress::default() }),
        );
        let liar = "127.0.0.2:6881".parse().expect("an address");
        check(r#"{"time":1,"event":"banned","address":"127.0.0.2:6881"}"#, Word::Banned(liar));
        check(r#"{"time":1,"event":"registered","tracker":"x"}"#, Word::Registered);
        check(r#"{"time":1,"event":"seeding","name":"x","bytes":9}"#, Word::Whole);
        check(r#"{"time":1,"event":"done","name":"x","bytes":9}"#, Word::Whole);
        check(r#"{"time":1,"event":"start","port":1}"#, Word::Port(1));
        assert_eq!(hear(r#"{"time":1.5,"event":"start"}"#), (Word::Other, Some(1.5)));
        check("peer: no tracker answers", Word::Other);
        let fault = "[WARN] x: exec:./mine does not start: no such file; tft serves";
        check(fault, Word::Fault(fault.into()));
        check("", Word::Other);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".{0,200}", event in r#"\{"event":"progress".{0,40}\}"#) {
            let _ = (hear(&line), hear(&event));
        }
    }
}
