//! A choker strategy in any language: a program that is told the state and says the decision.
//!
//! ```text
//! Choker --- next_round ---> ExecChoker ---> `choker-exec` --- {"round":3,"slots":4,..} ---> sh -c
//!        <--- Served -------            <---    thread     <-- {"unchoke":[3],"why":".."} -- COMMAND
//! ```
//! One line of JSON each way, once a round (examples/choker/README.md shows both). Whoever calls
//! holds the swarm's lock, so nothing here waits longer than the program's patience: the thread
//! writes and reads, and an answer that is late is dropped when it comes. What a program gets wrong
//! is a [`Fault`]: it is logged once for each kind, the first one is kept for whoever holds
//! [`ExecChoker::faults`], and the slots stay as they were. A program that ended, said too much or
//! missed several rounds in a row is not asked again; then slots go to whoever waited longest.
//! A slot that becomes free between rounds is nobody's question: the answer may name who is `next`,
//! else whoever waited longest has it.

use crate::logic::PeerKey;
use crate::logic::choker::round_robin::RoundRobin;
use crate::logic::choker::{Served, Strategy, View, Why};
use answer::Answer;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

pub use fault::Fault;

/// What the program said, understood.
mod answer;
/// What a program got wrong.
mod fault;
/// What it is told.
mod question;

/// How long an answer may take, while a node's swarm waits for it.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the first answer may take: an interpreter begins to run meanwhile.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// The longest answer, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// After so many rounds in a row without an answer a program is not asked again.
const MOST_MISSED: u32 = 3;

/// The first thing that a program got wrong, as a sentence; none as long as it behaves.
pub type Faults = Arc<Mutex<Option<String>>>;

/// A strategy that is somebody's program.
pub struct ExecChoker {
    command: String,
    child: Child,
    /// Lines for the program; it has one at a time.
    questions: Sender<Vec<u8>>,
    /// What it said to them.
    answers: Receiver<Heard>,
    patience: Duration,
    /// Whether it has answered anything yet.
    has_begun: bool,
    /// Rounds in a row without an answer; the last question waits for one meanwhile.
    missed: u32,
    /// It is not asked any more.
    is_over: bool,
    /// Who was served after the last round.
    served: Vec<Served>,
    /// Who is served next, if the program said so.
    next: Option<Vec<Served>>,
    /// The kinds of faults that were logged.
    logged: BTreeSet<&'static str>,
    faults: Faults,
}

/// What came of a question.
enum Heard {
    /// A line.
    Line(Vec<u8>),
    /// The line did not end.
    TooLong,
    /// Nothing will come any more.
    End,
}

impl ExecChoker {
    /// Starts `sh -c COMMAND` in a process group of its own, which ends with this value. What it
    /// says on stderr goes to ours.
    pub fn start(command: &str) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command).process_group(0);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take()).expect("both are piped");
        let (questions, asked) = bounded(1); // one question at a time
        let (say, answers) = bounded(1); // so that an answer nobody waits for blocks nothing
        let talking = Builder::new()
            .name("choker-exec".into())
            .spawn(move || talk(pipes.0, pipes.1, &asked, &say));
        let choker = Self {
            command: command.to_owned(),
            child,
            questions,
            answers,
            patience: PATIENCE,
            has_begun: false,
            missed: 0,
            is_over: false,
            served: Vec::new(),
            next: None,
            logged: BTreeSet::new(),
            faults: Faults::default(),
        };
        talking.map(|_| choker)
    }

    /// The same with another patience for each answer, the first one included: where nobody waits
    /// for a lock, as in virtual time, it may be long.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        (self.patience, self.has_begun) = (patience, true);
        self
    }

    /// Where the first fault is written to. In an experiment a run with a fault does not count.
    pub fn faults(&self) -> Faults {
        Arc::clone(&self.faults)
    }

    fn ask(&mut self, view: &View, rng: &mut fastrand::Rng) -> Result<Answer, Fault> {
        let patience = if self.has_begun { self.patience } else { FIRST_PATIENCE };
        if self.missed > 0 && self.answers.try_recv().is_err() {
            return Err(Fault::Late(patience)); // it still thinks about an earlier round
        }
        let line = question::line(view, rng.u64(..1 << 53));
        if self.questions.try_send(line).is_err() {
            return Err(self.ended());
        }
        match self.answers.recv_timeout(patience) {
            Ok(Heard::Line(line)) => {
                self.has_begun = true;
                answer::understood(&line, view)
            }
            Ok(Heard::TooLong) => Err(Fault::TooLong),
            Ok(Heard::End) | Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => Err(Fault::Late(patience)),
        }
    }

    /// How it ended; its helpers are ended, too.
    fn ended(&mut self) -> Fault {
        end_group(&self.child);
        let status = self.child.wait().map(|status| status.to_string());
        Fault::Ended(status.unwrap_or_else(|error| error.to_string()))
    }

    fn on_fault(&mut self, fault: &Fault) {
        self.missed = if matches!(fault, Fault::Late(_)) { self.missed + 1 } else { 0 };
        let lost = matches!(fault, Fault::Ended(_) | Fault::TooLong);
        self.is_over = lost || self.missed >= MOST_MISSED;
        if self.is_over {
            end_group(&self.child);
        }
        let sentence = format!("the choker exec:{}: {fault}", self.command);
        if self.logged.insert(fault.kind()) {
            log::warn!("{sentence}");
        }
        self.faults.lock().get_or_insert(sentence);
    }

    /// Without an answer those who are served stay so; what is free goes to whoever waited longest.
    fn as_before(&self, view: &View) -> Vec<Served> {
        let wants = |s: &&Served| view.interested().any(|p| p.peer == s.peer);
        let stays = |s: &Served| Served { why: Why::Own("no answer: it stays"), ..*s };
        let mut served: Vec<_> = self.served.iter().filter(wants).map(stays).collect();
        served.truncate(view.slots);
        let is_free = |peer: PeerKey| served.iter().all(|s| s.peer != peer);
        let mut waiting: Vec<_> = view.interested().filter(|p| is_free(p.peer)).collect();
        waiting.sort_by_key(|p| (p.since, p.peer));
        let why = Why::Own("no answer: it waited longest");
        let more = waiting.into_iter().map(|p| Served::equally(p.peer, why));
        served.extend(more.take(view.slots - served.len()));
        served
    }
}

impl Strategy for ExecChoker {
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        if self.is_over {
            return RoundRobin.next_round(view, rng);
        }
        match self.ask(view, rng) {
            Ok(answer) => (self.served, self.next, self.missed) = (answer.unchoke, answer.next, 0),
            Err(fault) => {
                self.on_fault(&fault);
                (self.served, self.next) = (self.as_before(view), None);
            }
        }
        self.served.clone()
    }

    fn next_for_free_slot(&mut self, view: &View, _: &mut fastrand::Rng) -> Option<Served> {
        let waits = |s: &&Served| view.waiting().any(|p| p.peer == s.peer);
        match &self.next {
            Some(next) => next.iter().find(waits).copied(),
            None => view.longest_waiting(),
        }
    }
}

impl fmt::Debug for ExecChoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecChoker").field("command", &self.command).finish_non_exhaustive()
    }
}

impl Drop for ExecChoker {
    fn drop(&mut self) {
        end_group(&self.child);
        let _ = self.child.wait();
    }
}

/// Ends the program and what it started. Its number is its own until somebody waited for it.
fn end_group(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = pid {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Hands over questions and brings answers, until either side is gone.
fn talk(
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    questions: &Receiver<Vec<u8>>,
    answers: &Sender<Heard>,
) {
    let mut stdout = BufReader::new(stdout);
    for line in questions {
        let heard = match stdin.write_all(&line).and_then(|()| stdin.flush()) {
            Ok(()) => hear(&mut stdout),
            Err(_) => Heard::End,
        };
        let goes_on = matches!(heard, Heard::Line(_));
        if answers.send(heard).is_err() || !goes_on {
            return;
        }
    }
}

fn hear(stdout: &mut BufReader<ChildStdout>) -> Heard {
    let mut line = Vec::new();
    match stdout.take(MOST_BYTES as u64 + 1).read_until(b'\n', &mut line) {
        Ok(_) if line.ends_with(b"\n") => Heard::Line(line),
        Ok(read) if read > MOST_BYTES => Heard::TooLong,
        Ok(_) | Err(_) => Heard::End,
    }
}

#[cfg(test)]
mod tests;
