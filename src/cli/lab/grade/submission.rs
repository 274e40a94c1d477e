//! The process that is graded: how it is started, what it prints, and that nothing of it stays.
//!
//! It has a process group of its own and a mark in its environment, by which whatever it started is
//! found even if it left the group. What it prints is read and forgotten but for the end, and
//! whoever prints without end is ended.

use super::super::super::console::line::words;
use super::super::super::exit::CliError;
use super::super::child::how;
use crossbeam_channel::{Receiver, bounded};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::VecDeque;
use std::io::{self, PipeReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

/// The variable that marks whatever a submission starts.
const MARK: &str = "SWARMLET_GRADE";

/// How much of what it printed is kept.
const KEPT: usize = 600;

/// Whoever prints more than this is ended.
const MOST_PRINTED: u64 = 16 << 20;

/// How long the last words of a process may be on their way.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long those who are killed may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// What stands in a command for something that a question decides.
const PLACEHOLDERS: [&str; 5] = ["{tracker}", "{name}", "{dir}", "{file}", "{port}"];

/// The command lines of a submission.
#[derive(Debug, PartialEq, Eq)]
pub struct Template {
    leech: Vec<String>,
    seed: Vec<String>,
}

/// What a submission is to do.
pub enum Task<'a> {
    /// Fetch what is called so into a folder.
    Leech(&'a str, &'a Path),
    /// Serve a file.
    Seed(&'a Path),
}

impl Template {
    /// From `--exec` and `--exec-seed`: without placeholders the documented words are appended.
    pub fn new(exec: &str, exec_seed: Option<&str>) -> Result<Self, CliError> {
        let taken_apart = |flag: &str, text: &str| {
            let words = words(text).map_err(|why| CliError::usage(format!("{flag}: {why}")))?;
            if words.is_empty() {
                return Err(CliError::usage(format!("{flag} names no program")));
            }
            Ok(words)
        };
        let leech = taken_apart("--exec", exec)?;
        let has = |words: &[String]| {
            words
                .iter()
                .any(|word| PLACEHOLDERS.iter().any(|placeholder| word.contains(placeholder)))
        };
        let appended = |words: &[String], more: &str| {
            let more = more.split(' ').map(str::to_owned);
            words.iter().cloned().chain(more).collect::<Vec<_>>()
        };
        let seed = match (exec_seed, has(&leech)) {
            (Some(text), _) => taken_apart("--exec-seed", text)?,
            (None, false) => leech.clone(),
            (None, true) => {
                return Err(CliError::usage(
                    "--exec has placeholders, so it only fetches: say with --exec-seed how a \
                     {file} is served",
                ));
            }
        };
        let filled_up = |words: Vec<String>, more: &str| {
            if has(&words) { words } else { appended(&words, more) }
        };
        Ok(Self {
            leech: filled_up(leech, "--tracker {tracker} --leech {name} --dir {dir} --port {port}"),
            seed: filled_up(seed, "--tracker {tracker} --seed {file} --port {port}"),
        })
    }

    /// The words of a command line.
    pub fn words(&self, tracker: SocketAddr, task: &Task<'_>) -> Vec<String> {
        let (words, name, dir, file) = match task {
            Task::Leech(name, dir) => (&self.leech, *name, *dir, Path::new("")),
            Task::Seed(file) => (&self.seed, "", Path::new(""), *file),
        };
        let values = [
            tracker.to_string(),
            name.to_owned(),
            dir.display().to_string(),
            file.display().to_string(),
            "0".to_owned(),
        ];
        let filled = |word: &String| {
            PLACEHOLDERS
                .iter()
                .zip(&values)
                .fold(word.clone(), |word, (from, to)| word.replace(from, to))
        };
        words.iter().map(filled).collect()
    }
}

/// The process that runs, for whoever must end it at once.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<Option<(u32, String)>>>);

impl Running {
    /// Ends it and whatever it started.
    pub fn end(&self) {
        if let Some((group, mark)) = self.0.lock().as_ref() {
            end_all(*group, mark);
        }
    }
}

/// What a process printed last.
#[derive(Default)]
struct Printed {
    last: VecDeque<u8>,
    is_flood: bool,
}

/// A running submission; dropped, nothing of it stays.
pub struct Submission {
    child: Child,
    mark: String,
    running: Running,
    printed: Arc<Mutex<Printed>>,
    /// Closes when it prints no more.
    over: Receiver<()>,
    ended: Option<String>,
}

impl Submission {
    /// Starts it; a sentence if it cannot be.
    pub fn start(words: &[String], running: &Running) -> Result<Self, String> {
        let failed = |why: io::Error| format!("{} cannot be started: {why}", words[0]);
        let mark = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        let (heard, said) = io::pipe().map_err(failed)?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env(MARK, &mark).env("PYTHONDONTWRITEBYTECODE", "1");
        command.process_group(0).stdin(Stdio::null());
        command.stdout(said.try_clone().map_err(failed)?).stderr(said);
        let child = command.spawn().map_err(failed)?;
        drop(command); // the pipe ends with the process, not with us
        *running.0.lock() = Some((child.id(), mark.clone()));
        let printed = Arc::new(Mutex::new(Printed::default()));
        let running = running.clone();
        // Nothing is ever sent: it closes.
        let (open, over) = bounded(0);
        let submission = Self { child, mark, running, printed, over, ended: None };
        let (printed, id) = (submission.printed.clone(), submission.child.id());
        let listen = move || {
            listen(heard, &printed, id);
            drop(open);
        };
        // Not waited for: somebody who left the group may hold the pipe a moment longer.
        Builder::new().name("grade-output".into()).spawn(listen).map_err(failed)?;
        Ok(submission)
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<&str> {
        if self.ended.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            // Its last words are on their way, unless somebody else holds the pipe.
            let _ = self.over.recv_timeout(LAST_WORDS);
            self.ended = Some(if self.printed.lock().is_flood {
                format!("it printed more than {} MiB and was ended", MOST_PRINTED >> 20)
            } else {
                format!("it ended with {}", how(status))
            });
        }
        self.ended.as_deref()
    }

    /// Asks it to stop in good order.
    pub fn terminate(&mut self) {
        if self.ended().is_none() {
            signal(self.child.id(), Signal::TERM);
        }
    }

    /// How it ended, if it did, and the last line that it printed, each behind a semicolon.
    pub fn how_and_last_words(&mut self) -> String {
        let how = self.ended().map_or_else(String::new, |how| format!("; {how}"));
        match self.last_words().lines().last() {
            Some(line) => format!("{how}; it printed last: {line}"),
            None => how,
        }
    }

    /// The end of what it printed.
    fn last_words(&self) -> String {
        let printed = self.printed.lock();
        let bytes: Vec<u8> = printed.last.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        end_all(self.child.id(), &self.mark);
        // From here on its id may be somebody else's.
        *self.running.0.lock() = None;
        // It was killed, or has ended.
        let _ = self.child.wait();
    }
}

fn listen(mut pipe: PipeReader, printed: &Mutex<Printed>, id: u32) {
    let (mut room, mut total) = ([0; 16_384], 0_u64);
    while let Ok(count @ 1..) = pipe.read(&mut room) {
        total += count as u64;
        let mut printed = printed.lock();
        printed.last.extend(&room[..count]);
        let too_many = printed.last.len().saturating_sub(KEPT);
        printed.last.drain(..too_many);
        if total > MOST_PRINTED && !printed.is_flood {
            printed.is_flood = true;
            signal_group(id, Signal::KILL);
        }
    }
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

fn signal(id: u32, signal: Signal) {
    if let Some(id) = pid(id) {
        // Who is gone hears nothing.
        let _ = kill_process(id, signal);
    }
}

fn signal_group(id: u32, signal: Signal) {
    if let Some(id) = pid(id) {
        let _ = kill_process_group(id, signal);
    }
}

/// Kills a group and whoever bears the mark, until nobody does; the leader of the group is left for
/// whoever waits for it.
fn end_all(group: u32, mark: &str) {
    signal_group(group, Signal::KILL);
    // Who is killed takes a moment to die.
    let end = Instant::now() + DYING;
    while Instant::now() < end {
        let others: Vec<u32> = marked(mark).into_iter().filter(|&id| id != group).collect();
        if others.is_empty() {
            return;
        }
        for id in others {
            signal(id, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

/// The processes that have the mark in their environment; a process that has ended has none.
fn marked(mark: &str) -> Vec<u32> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let entry = format!("{MARK}={mark}");
    let has_mark = |id: &u32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == entry.as_bytes())
    };
    ids.filter(has_mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(template: &Template, task: &Task<'_>) -> String {
        template.words("127.0.0.1:7".parse().expect("an address"), task).join(" ")
    }

    #[test]
    fn the_documented_words_are_appended_where_there_are_no_placeholders() {
        let (folder, file) = (Path::new("/d"), Path::new("/f.bin"));
        let plain = Template::new("python3 'my peer.py'", None).expect("a command");
        assert_eq!(
            words_of(&plain, &Task::Leech("a.bin", folder)),
            "python3 my peer.py --tracker 127.0.0.1:7 --leech a.bin --dir /d --port 0"
        );
        assert_eq!(
            words_of(&plain, &Task::Seed(file)),
            "python3 my peer.py --tracker 127.0.0.1:7 --seed /f.bin --port 0"
        );
        let own = Template::new("p -t{tracker} {name} -w {dir}", Some("s {file} {tracker}"));
        let own = own.expect("a command");
        assert_eq!(words_of(&own, &Task::Leech("a.bin", folder)), "p -t127.0.0.1:7 a.bin -w /d");
        assert_eq!(words_of(&own, &Task::Seed(file)), "s /f.bin 127.0.0.1:7");
    }

    #[test]
    fn a_command_that_makes_no_sense_is_refused() {
        let check = |exec: &str, expected: &str| {
            let refused = Template::new(exec, None).expect_err(exec);
            assert!(refused.message.contains(expected), "{refused}");
        };
        check("", "--exec names no program");
        check("'a", "--exec: the quote ' does not end");
        check("p {name}", "say with --exec-seed");
    }

    #[test]
    fn nothing_that_a_submission_started_stays() {
        let words = ["sh", "-c", "setsid sleep 100 & sleep 100 & echo here; wait"];
        let words = words.map(str::to_owned);
        let running = Running::default();
        let submission = Submission::start(&words, &running).expect("sh is there");
        let mark = submission.mark.clone();
        let end = Instant::now() + Duration::from_secs(10);
        while marked(&mark).len() < 3 || submission.last_words() != "here" {
            assert!(Instant::now() < end, "{:?}", marked(&mark));
            std::thread::yield_now();
        }
        drop(submission);
        assert_eq!(marked(&mark), Vec::<u32>::new());
    }

    #[test]
    fn who_prints_without_end_is_ended() {
        let words = ["yes", "a long line that nobody wants to read"].map(str::to_owned);
        let mut submission = Submission::start(&words, &Running::default()).expect("yes is there");
        let end = Instant::now() + Duration::from_secs(20);
        while submission.ended().is_none() {
            assert!(Instant::now() < end, "it prints on");
            std::thread::yield_now();
        }
        assert_eq!(submission.ended(), Some("it printed more than 16 MiB and was ended"));
        let nowhere = ["/nowhere/peer".to_owned()];
        let refused = Submission::start(&nowhere, &Running::default()).err().expect("no program");
        assert!(refused.starts_with("/nowhere/peer cannot be started"), "{refused}");
    }
}
