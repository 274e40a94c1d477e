//! The program's environment as a value: its words, where it writes, and what it is run on.
//!
//! [`Env::of_process`] is the only reader of the real one; a test makes its own and looks at what
//! was written.

use super::exit::{CliError, CodeSoFar};
use super::json::Events;
use super::places::Places;
use super::progress::{Mode, Progress};
use super::screen::Screen;
use super::style::{ColorChoice, Style, Terminal};
use crate::clock::Clock;
use crate::node::guard::PanicAt;
use parking_lot::Mutex;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

/// A shared handle on stdout: data only.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Box<dyn Write + Send>>>);

impl Output {
    /// A handle on `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(out)))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().flush()
    }
}

/// Everything a program gets from outside.
#[derive(Clone)]
pub struct Env {
    /// The words of the command line, without the program's name.
    pub args: Vec<OsString>,
    /// stdout: data.
    pub out: Output,
    /// stderr: progress, logs and errors.
    pub screen: Screen,
    /// The terminal that stderr is, if it is one.
    pub terminal: Option<Terminal>,
    /// Whether `NO_COLOR` is set.
    pub no_color: bool,
    /// `RUST_LOG`.
    pub rust_log: Option<String>,
    /// Where settings, torrents and downloads lie when nobody says.
    pub places: Places,
    /// `PEER_AUTH`: a user and a password, which a command line would show: of a remote control, on
    /// both sides.
    pub peer_auth: Option<String>,
    /// Runs since the program's start, for the `time` of events.
    pub clock: Clock,
    /// How it would end if it had to end now.
    pub code: CodeSoFar,
    /// `PANIC_AT`, in builds for tests only: where to panic on purpose.
    pub panic_at: Option<PanicAt>,
    /// `PEER_LIES`: whether every block that is sent is to be wrong.
    pub lies: bool,
}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            args: std::env::args_os().skip(1).collect(),
            out: Output::new(Box::new(io::stdout())),
            screen: Screen::new(Box::new(io::stderr())),
            terminal: terminal(set("TERM").as_deref()),
            no_color: set("NO_COLOR").is_some(),
            rust_log: set("RUST_LOG"),
            places: Places::of_process(),
            peer_auth: set("PEER_AUTH"),
            clock: Clock::start(1.0),
            code: CodeSoFar::default(),
            lies: set("PEER_LIES").is_some(),
            panic_at: set("PANIC_AT")
                .filter(|_| cfg!(debug_assertions))
                .map(|at| at.parse().unwrap_or_else(|why| panic!("PANIC_AT={at}: {why}"))),
        }
    }

    /// The same, where stderr is drawn by somebody else.
    #[must_use]
    pub fn on_screen(&self, screen: Screen) -> Self {
        Self { screen, ..self.clone() }
    }

    /// The words as text.
    pub fn words(&self) -> Result<Vec<String>, CliError> {
        let word = |arg: &OsString| {
            arg.to_str().map(str::to_string).ok_or_else(|| {
                CliError::usage(format!(
                    "the word {} is not UTF-8: rename the file or share its folder",
                    arg.display()
                ))
            })
        };
        self.args.iter().map(word).collect()
    }

    /// Whether events are wanted: `--json` stands on the command line, right or wrong as the rest
    /// of it may be. The small commands (`peer show --json`) print facts, not events.
    pub fn wants_json(&self) -> bool {
        let flags_first =
            self.args.first().is_some_and(|arg| arg.as_encoded_bytes().starts_with(b"-"));
        flags_first && self.args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json")
    }

    /// Events on stdout, or none without `--json`.
    pub fn events(&self, json: bool) -> Events {
        if json { Events::on(Box::new(self.out.clone())) } else { Events::off() }
    }

    /// Progress on stderr in the form that fits it.
    pub fn progress(&self, quiet: bool) -> Progress {
        Progress::new(self.mode(quiet), self.screen.clone())
    }

    /// The form of progress that fits stderr.
    pub fn mode(&self, quiet: bool) -> Mode {
        match self.terminal {
            _ if quiet => Mode::Silent,
            Some(terminal) if terminal.moves => Mode::Terminal(terminal),
            _ => Mode::Plain,
        }
    }

    /// Which words are coloured.
    pub fn style(&self, choice: ColorChoice) -> Style {
        Style::choose(choice, self.no_color, self.terminal)
    }
}

/// The terminal that stderr is now, for a program that draws while windows change their size.
pub fn terminal(term: Option<&str>) -> Option<Terminal> {
    let stderr = io::stderr();
    if !stderr.is_terminal() {
        return None;
    }
    let moves = term.is_some_and(|term| term != "dumb");
    // Some terminals do not know their size; 80 by 24 is what programs always could count on.
    let size = rustix::termios::tcgetwinsize(&stderr).ok();
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    let (width, height) = size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()));
    Some(Terminal { width, height, moves })
}
