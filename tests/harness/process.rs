//! One running program: what it says, how it ends, what it uses.

use super::SOON;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How much of a conversation is printed when a test fails.
const LAST_EVENTS: usize = 12;

/// How many bytes of stderr are printed when a test fails.
const LAST_WORDS: usize = 3000;

/// A line for the person who reads the test's output.
pub fn say(line: &str) {
    eprintln!("[harness] {line}");
}

/// What a process has said so far.
#[derive(Default)]
struct Heard {
    events: Vec<Value>,
    /// Lines on stdout that are no JSON.
    plain: Vec<String>,
    stderr: String,
    /// Streams that have ended: at two the process is gone.
    ended: u8,
}

#[derive(Default)]
struct Ear {
    heard: Mutex<Heard>,
    news: Condvar,
}

/// A running program.
pub struct Process {
    name: String,
    line: String,
    child: Child,
    ear: Arc<Ear>,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
    /// A signal that we sent and that may end it.
    sent: Option<i32>,
    /// Whether it was made to panic.
    may_panic: bool,
}

impl Process {
    /// Starts `program` in `folder`; `name` is what the test calls it.
    pub fn start<S: AsRef<OsStr>>(name: &str, program: &str, args: &[S], folder: &Path) -> Self {
        Self::start_unread(name, program, args, folder).0
    }

    /// Starts a program that is spoken to: what is written there it reads, up to the drop.
    pub fn start_spoken<S: AsRef<OsStr>>(
        name: &str,
        program: &str,
        args: &[S],
        folder: &Path,
    ) -> (Self, ChildStdin) {
        let (mut process, _) = Self::spawn(name, program, args, folder, Stdio::piped());
        let stdin = process.child.stdin.take().expect("stdin is piped");
        (process, stdin)
    }

    /// Starts a program that finds this on its stdin, and then its end.
    pub fn start_with_input<S: AsRef<OsStr>>(
        name: &str,
        program: &str,
        args: &[S],
        folder: &Path,
        input: &str,
    ) -> Self {
        let (process, mut stdin) = Self::start_spoken(name, program, args, folder);
        // Whoever ends before he has read everything is judged by how he ends.
        let _ = stdin.write_all(input.as_bytes());
        process
    }

    /// Starts a program whose stdout is not read until the sender is dropped.
    pub fn start_unread<S: AsRef<OsStr>>(
        name: &str,
        program: &str,
        args: &[S],
        folder: &Path,
    ) -> (Self, Sender<()>) {
        Self::spawn(name, program, args, folder, Stdio::null())
    }

    fn spawn<S: AsRef<OsStr>>(
        name: &str,
        program: &str,
        args: &[S],
        folder: &Path,
        stdin: Stdio,
    ) -> (Self, Sender<()>) {
        let mut command = Command::new(program);
        command.args(args).current_dir(folder).env_remove("RUST_LOG").env("RUST_BACKTRACE", "1");
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let ear = Arc::new(Ear::default());
        let (gate, opened) = bounded(0);
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let readers = vec![
            listen(ear.clone(), Gated(opened, out.expect("stdout is piped")), on_stdout),
            listen(ear.clone(), err.expect("stderr is piped"), on_stderr),
        ];
        let words: Vec<_> = args.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        let line = format!("{program} {}", words.join(" "));
        let name = name.to_owned();
        let (status, sent) = (None, None);
        (Self { name, line, child, ear, readers, status, sent, may_panic: false }, gate)
    }

    /// It was made to panic, and is not to be blamed for it.
    pub fn allow_panic(&mut self) {
        self.may_panic = true;
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many events it has printed.
    pub fn mark(&self) -> usize {
        self.ear.heard.lock().events.len()
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Value> {
        self.ear.heard.lock().events.clone()
    }

    /// Events of one kind so far.
    pub fn events_of(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// Lines on stdout that were no JSON.
    pub fn plain(&self) -> Vec<String> {
        self.ear.heard.lock().plain.clone()
    }

    /// Lines on stdout that were no JSON, from the `mark`-th on, once they are what is wanted.
    pub fn wait_plain(
        &self,
        mark: usize,
        within: Duration,
        wanted: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let lines = |heard: &Heard| heard.plain.get(mark..).map(<[String]>::to_vec);
        self.wait(within, |heard| lines(heard).filter(|lines| wanted(lines)))
            .unwrap_or_else(|| panic!("{}: the lines did not come within {within:?}", self.name))
    }

    /// What it said to people so far.
    pub fn stderr(&self) -> String {
        self.ear.heard.lock().stderr.clone()
    }

    /// The first event that fits, waiting for it at most [`SOON`].
    pub fn wait_event(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_event_within(SOON, wanted)
    }

    /// The first event that fits, waiting for it at most `within`.
    pub fn wait_event_within(&self, within: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_event_since(0, within, wanted)
    }

    /// The first event that fits from the `mark`-th on.
    pub fn wait_event_since(
        &self,
        mark: usize,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let found =
            self.wait(within, |heard| heard.events.iter().skip(mark).find(|e| wanted(e)).cloned());
        found.unwrap_or_else(|| panic!("{}: the event did not come within {within:?}", self.name))
    }

    /// The first event of a kind.
    pub fn wait_for(&self, kind: &str, within: Duration) -> Value {
        self.wait(within, |heard| heard.events.iter().find(|e| e["event"] == kind).cloned())
            .unwrap_or_else(|| panic!("{}: no {kind} event within {within:?}", self.name))
    }

    /// Waits until so many bytes are verified.
    pub fn wait_bytes(&self, bytes: u64, within: Duration) -> u64 {
        let event = self.wait_event_within(within, |event| {
            event["event"] == "progress" && event["bytes"].as_u64() >= Some(bytes)
        });
        event["bytes"].as_u64().expect("a number")
    }

    /// Waits until stderr fits.
    pub fn wait_stderr(&self, what: &str, within: Duration, wanted: impl Fn(&str) -> bool) {
        let found = self.wait(within, |heard| wanted(&heard.stderr).then_some(()));
        assert!(found.is_some(), "{}: stderr never said {what} within {within:?}", self.name);
    }

    /// The verified bytes that the last progress event told.
    pub fn last_bytes(&self) -> u64 {
        self.events_of("progress").last().and_then(|e| e["bytes"].as_u64()).unwrap_or(0)
    }

    fn wait<T>(&self, within: Duration, mut found: impl FnMut(&Heard) -> Option<T>) -> Option<T> {
        let end = Instant::now() + within;
        let mut heard = self.ear.heard.lock();
        loop {
            if let Some(answer) = found(&heard) {
                return Some(answer);
            }
            if heard.ended == 2 || self.ear.news.wait_until(&mut heard, end).timed_out() {
                return found(&heard);
            }
        }
    }

    /// Sends a signal by name: TERM, INT, STOP, CONT.
    pub fn signal(&mut self, name: &str) {
        self.sent = Some(0);
        let line = format!("kill -{name} {}", self.id());
        let status = Command::new("sh").args(["-c", &line]).status().expect("a shell");
        assert!(status.success(), "{}: {line} failed", self.name);
    }

    /// Kills it as `kill -9` does and waits until it is gone.
    pub fn kill(&mut self) {
        self.sent = Some(9);
        let _ = self.child.kill(); // it may have ended
        self.status = self.child.wait().ok();
        self.join();
    }

    /// Waits for its end and gives its exit code.
    pub fn wait_exit(&mut self, within: Duration) -> i32 {
        let ended = self.wait(within, |heard| (heard.ended == 2).then_some(()));
        assert!(ended.is_some(), "{}: still running after {within:?}", self.name);
        let status = self.child.wait().expect("a child can be waited for");
        self.status = Some(status);
        self.join();
        status.code().unwrap_or_else(|| panic!("{}: died of {:?}", self.name, status.signal()))
    }

    /// Waits for its end and checks its exit code.
    pub fn expect_exit(&mut self, code: i32, within: Duration) {
        let got = self.wait_exit(within);
        assert_eq!(got, code, "{}: exit code; stderr: {}", self.name, self.stderr());
    }

    /// SIGTERM, then the exit code; it must end within three seconds.
    pub fn stop(&mut self, code: i32) {
        self.signal("TERM");
        self.expect_exit(code, Duration::from_secs(3));
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.status.is_none() && self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// What it uses now.
    pub fn usage(&self) -> Usage {
        Usage::of(self.id()).unwrap_or_else(|| panic!("{}: gone when it was measured", self.name))
    }

    /// Starts measuring it until the watch is asked.
    pub fn watch(&self) -> Watch {
        Watch::start(self.id())
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }

    fn conversation(&self) -> String {
        let heard = self.ear.heard.lock();
        let skip = heard.events.len().saturating_sub(LAST_EVENTS);
        let last: Vec<String> = heard.events[skip..].iter().map(ToString::to_string).collect();
        let last = last.join("\n    ");
        let mut cut = heard.stderr.len().saturating_sub(LAST_WORDS);
        while !heard.stderr.is_char_boundary(cut) {
            cut += 1;
        }
        format!(
            "---- {} ({})\n  {} events, the last:\n    {last}\n  stdout: {:?}\n  stderr:\n{}\n",
            self.name,
            self.line,
            heard.events.len(),
            heard.plain,
            &heard.stderr[cut..]
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.status = Some(status);
                self.join();
            } else {
                self.kill();
            }
        }
        if std::thread::panicking() {
            say(&self.conversation());
            return;
        }
        let signal = self.status.and_then(|status| status.signal());
        let died = signal.is_some() && self.sent != signal;
        let panicked = !self.may_panic && self.ear.heard.lock().stderr.contains("panicked at");
        assert!(!died && !panicked, "{}: signal {signal:?}\n{}", self.name, self.conversation());
    }
}

/// A stream that is read once its gate is open: once nobody holds the sender.
struct Gated<R>(Receiver<()>, R);

impl<R: Read> Read for Gated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.0.recv();
        self.1.read(buffer)
    }
}

fn listen<R: Read + Send + 'static>(
    ear: Arc<Ear>,
    stream: R,
    hear: impl Fn(&mut Heard, &str) + Send + 'static,
) -> JoinHandle<()> {
    let reader = Builder::new().name("reader".into()).stack_size(128 * 1024);
    let body = move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            hear(&mut ear.heard.lock(), &String::from_utf8_lossy(&line));
            ear.news.notify_all();
            line.clear();
        }
        ear.heard.lock().ended += 1;
        ear.news.notify_all();
    };
    reader.spawn(body).expect("a thread for the test")
}

fn on_stdout(heard: &mut Heard, line: &str) {
    match serde_json::from_str(line) {
        Ok(event) => heard.events.push(event),
        Err(_) => heard.plain.push(line.trim_end().to_owned()),
    }
}

fn on_stderr(heard: &mut Heard, line: &str) {
    heard.stderr.push_str(line);
}

/// Where a process listens for connections, from `/proc`.
pub fn listening_at(id: u32) -> Vec<SocketAddr> {
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    let ours: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{id}/net/{table}")).unwrap_or_default();
        for row in table.lines().skip(1) {
            let cells: Vec<&str> = row.split_whitespace().collect();
            // The state of a socket that listens, and its number among the files.
            if cells[3] == "0A" && ours.contains(&format!("socket:[{}]", cells[9])) {
                found.push(address(cells[1]));
            }
        }
    }
    found
}

/// An address as `/proc/net/tcp` writes it: words of four bytes in this machine's order, and a port.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').expect("an address and a port");
    let word = |n: usize| u32::from_str_radix(&ip[n * 8..n * 8 + 8], 16).expect("digits");
    let bytes: Vec<u8> = (0..ip.len() / 8).flat_map(|n| word(n).to_ne_bytes()).collect();
    let ip: IpAddr = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => four.into(),
        Err(_) => <[u8; 16]>::try_from(&bytes[..]).expect("four or sixteen bytes").into(),
    };
    SocketAddr::new(ip, u16::from_str_radix(port, 16).expect("digits"))
}

/// What a process uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Anonymous memory in bytes: heap and stacks, no files.
    pub memory: u64,
    /// Processor time of the threads that live.
    pub cpu: Duration,
}

impl Usage {
    /// Reads it from `/proc`; `None` when the process is gone.
    pub fn of(id: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        Some(Self {
            threads: field("Threads:")?,
            memory: field("RssAnon:")? * 1024,
            descriptors: std::fs::read_dir(format!("/proc/{id}/fd")).ok()?.count() as u64,
            cpu: time_of_threads(id)?,
        })
    }

    fn or_more(self, other: Self) -> Self {
        Self {
            threads: self.threads.max(other.threads),
            descriptors: self.descriptors.max(other.descriptors),
            memory: self.memory.max(other.memory),
            cpu: self.cpu.max(other.cpu),
        }
    }
}

/// Nanoseconds on a processor stand first in `schedstat`. The ticks of `stat` are too coarse: what
/// wakes up ten times a second, when the tick comes, is charged the whole of it.
fn time_of_threads(id: u32) -> Option<Duration> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).ok()?.flatten();
    let time = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    };
    Some(threads.filter_map(time).sum())
}

/// Measures a process all the time.
pub struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Usage>,
}

impl Watch {
    fn start(id: u32) -> Self {
        let (stop, stopped): (Sender<()>, Receiver<()>) = bounded(0);
        let thread = std::thread::spawn(move || {
            let mut most = Usage::default();
            loop {
                if let Some(usage) = Usage::of(id) {
                    most = most.or_more(usage);
                }
                if stopped.recv_timeout(Duration::from_millis(25)) != Err(RecvTimeoutError::Timeout)
                {
                    return most;
                }
            }
        });
        Self { stop, thread }
    }

    /// Stops measuring; the most that was seen.
    pub fn most(self) -> Usage {
        drop(self.stop);
        self.thread.join().expect("it only reads /proc")
    }
}
