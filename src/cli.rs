//! Command lines, progress, exit codes: the bodies of the programs' `main`.
//!
//! ```text
//! Env -> args (argv, units) -> a command -> config -> node | tracker | show | create ...
//!                                             |
//!        stdout: data (json)   stderr: progress, log, one sentence per error   exit code
//! ```
//! [`peer`], [`tracker`] and [`lab`] take the environment as a value and return an [`Exit`]; they
//! never end the process themselves. Nothing imports this module but the programs.

/// The words of a command line, put into one form.
pub mod argv;

/// `tracker`.
pub mod tracker;

/// `lab`.
pub mod lab;

/// `peer create`: from a file or folder to a .torrent.
pub mod create;

/// `peer show`: what a .torrent says.
pub mod show;

/// Which pieces each file spans.
mod piece_map;

/// `peer edit`: changes to a .torrent.
pub mod edit;

/// `peer verify`: data against its hashes.
pub mod verify;

/// `peer magnet`: from a .torrent to its link.
pub mod magnet;

/// `peer list`: what trackers know.
pub mod list;

/// A .torrent as a file.
pub mod torrent_file;

/// A command over several files.
mod several;

/// `tracker dig`.
pub mod dig;

/// `peer list --pieces`.
pub mod pieces;

/// `peer remote`.
mod remote;

/// `peer scrape`.
pub mod scrape;

/// `peer --seed` and `--leech`: what to serve and fetch becomes torrents of a node.
pub mod prepare;

/// From a name or a hash to a torrent.
pub mod resolve;

/// From a name or a hash to the tracker that has authority for it.
mod locate;

/// `peer --seed` and `--leech`: the running node, for people and programs.
pub mod run;

/// The torrents of a running program.
pub mod session;

/// `peer daemon`.
pub mod daemon;

/// `peer console`.
pub mod console;

/// Something to serve or to fetch.
pub mod item;

/// Which files of a torrent are wanted.
mod choice;

/// The remote control of a running program.
mod door;

/// `--list`: the files of what could be fetched.
mod list_files;

/// Where settings, torrents and downloads lie.
pub mod places;

/// Flags, written down in a file.
pub mod settings_file;

/// Flags and words of every program.
pub mod args;

/// What the tracker keeps on disk and tells of itself.
pub mod serve;

/// Which files of a torrent are chosen.
pub mod select;

/// What `--leech` can name.
pub mod what;

/// Rates, sizes and durations.
pub mod units;

/// Dates.
pub mod date;

/// What `--help` prints.
pub mod help;

/// Exit codes and errors.
pub mod exit;

/// The environment as a value.
pub mod env;

/// Colour and the terminal.
pub mod style;

/// stderr, with progress lines at its end.
pub mod screen;

/// Progress for people.
pub mod progress;

/// Progress of hashing and checking.
pub mod job;

/// Events for programs.
pub mod json;

/// The log.
pub mod logging;

/// Ctrl-C and SIGTERM.
pub mod signals;

/// All that a program can be told, as a tree.
pub mod vocabulary;

/// `peer completions`: scripts for shells.
pub mod completions;

/// `peer man`: manual pages.
pub mod man;

use crate::metainfo::build::announce_tier;
use args::{LabCommand, Parsed, PeerCommand, TrackerArgs, TrackerCommand};
use env::Env;
use exit::{CliError, Exit, cause};
use json::{Event, Events};
use std::io::{self, Write};
use std::net::SocketAddr;

/// The `peer` program.
pub fn peer(env: &Env) -> Exit {
    end("peer", env, env.words().and_then(|words| args::peer_at(&words, &env.places)), run_peer)
}

/// The `tracker` program.
pub fn tracker(env: &Env) -> Exit {
    end("tracker", env, env.words().and_then(|words| args::tracker(&words)), run_tracker)
}

/// The `lab` program.
pub fn lab(env: &Env) -> Exit {
    end("lab", env, env.words().and_then(|words| args::lab(&words)), run_lab)
}

/// Runs what was parsed, and turns how it went into words and a code.
fn end<T>(
    program: &str,
    env: &Env,
    parsed: Result<Parsed<T>, CliError>,
    run: impl FnOnce(&T, &Env) -> Result<(), CliError>,
) -> Exit {
    let went = match parsed {
        Ok(Parsed::Text(text)) => print(env, &text),
        Ok(Parsed::Command(command)) => run(&command, env),
        Err(error) => Err(error),
    };
    match went {
        Ok(()) => Exit::Done,
        Err(error) => {
            report(program, env, &error);
            error.exit
        }
    }
}

/// Says on stderr why the program ends, and under `--json` on stdout too.
fn report(program: &str, env: &Env, error: &CliError) {
    let style = env.style(style::ColorChoice::Auto);
    let program = style.error(&format!("{program}:"));
    let message = style::printable(&error.message);
    // The program ends with its code, whether or not anybody can be told why.
    let _ = env.screen.line(&format!("{program} {message}"));
    let _ = env.events(env.wants_json()).emit(env.clock.now(), &Event::from(error));
}

/// Writes text that was asked for. A reader that has seen enough (`| head`) is no error.
fn print(env: &Env, text: &str) -> Result<(), CliError> {
    let mut out = env.out.clone();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            let why = cause(&why);
            Err(CliError::new(Exit::Disk, format!("cannot write to stdout ({why}): is it full?")))
        }
        _ => Ok(()),
    }
}

fn run_tracker(command: &TrackerCommand, env: &Env) -> Result<(), CliError> {
    match command {
        TrackerCommand::Run(args) => tracker::tracker(args, env),
        TrackerCommand::Dig(args) => dig::dig(args, env),
        TrackerCommand::Completions(args) => completions::print("tracker", args, env),
        TrackerCommand::Man(args) => man::man("tracker", args, env),
    }
}

fn run_lab(command: &LabCommand, env: &Env) -> Result<(), CliError> {
    match command {
        LabCommand::Demo(args) => lab::demo::demo(args, env),
        LabCommand::Inside(inside) => inside.enter(),
        LabCommand::Run(args) => lab::run::run(args, env),
        LabCommand::Check(args) => lab::check::check(args, env),
        LabCommand::Compare(args) => lab::compare::compare(args, env),
        LabCommand::Theory(args) => lab::theory::theory(args, env),
        LabCommand::Quiz(args) => lab::quiz::quiz(args, env),
        LabCommand::Grade(args) => lab::grade::grade(args, env),
        LabCommand::Nc(args) => lab::nc::nc(args, env),
        LabCommand::Diagram(args) => lab::diagram::diagram(args, env),
        LabCommand::Pcap(args) => lab::pcap::pcap(args, env),
        LabCommand::Completions(args) => completions::print("lab", args, env),
        LabCommand::Man(args) => man::man("lab", args, env),
    }
}

fn run_peer(command: &PeerCommand, env: &Env) -> Result<(), CliError> {
    match command {
        PeerCommand::Node(args) => run::run(args, env),
        PeerCommand::Create(args) => create::create(args, env),
        PeerCommand::Show(args) => show::show(args, env),
        PeerCommand::Edit(args) => edit::edit(args, env),
        PeerCommand::Magnet(args) => magnet::magnet(args, env),
        PeerCommand::List(args) => list::list(args, env),
        PeerCommand::Scrape(args) => scrape::scrape(args, env),
        PeerCommand::Verify(args) => verify::verify(args, env),
        PeerCommand::Daemon(args) => daemon::daemon(args, env),
        PeerCommand::Console(args) => console::console(args, env),
        PeerCommand::Remote(args) => remote::remote(args, env),
        PeerCommand::Completions(args) => completions::print("peer", args, env),
        PeerCommand::Man(args) => man::man("peer", args, env),
    }
}

/// Says where the tracker listens: people and scripts read the port from here.
pub fn on_tracker_listening(
    env: &Env,
    events: &mut Events,
    args: &TrackerArgs,
    at: SocketAddr,
) -> io::Result<()> {
    if !args.quiet {
        env.screen.line(&format!("tracker listening on {at}"))?;
        let host = if at.ip().is_unspecified() { "HOST".into() } else { at.ip().to_string() };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let tier = announce_tier(&format!("{host}:{}", at.port()));
        env.screen.line(&format!("BitTorrent clients: {}", tier.join(", ")))?;
        if args.dashboard {
            env.screen.line(&format!("dashboard at http://{host}:{}/swarm-view", at.port()))?;
        }
    }
    let start = Event::Start { name: None, hashes: json::Hashes::default(), port: at.port() };
    events.emit(env.clock.now(), &start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use env::Output;
    use parking_lot::Mutex;
    use screen::Screen;
    use std::ffi::OsString;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).expect("text")
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn env(words: &[&str]) -> (Env, Shared, Shared) {
        let (out, err) = (Shared::default(), Shared::default());
        let env = Env {
            args: words.iter().map(OsString::from).collect(),
            out: Output::new(Box::new(out.clone())),
            screen: Screen::new(Box::new(err.clone())),
            terminal: None,
            no_color: false,
            rust_log: None,
            places: places::Places::default(),
            peer_auth: None,
            clock: Clock::start(1.0),
            code: exit::CodeSoFar::default(),
            panic_at: None,
            lies: false,
        };
        (env, out, err)
    }

    fn check(program: fn(&Env) -> Exit, line: &str, exit: Exit, stdout: &str, stderr: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (env, out, err) = env(&words);
        assert_eq!(program(&env), exit, "{line}");
        assert_eq!(err.text(), stderr, "{line}");
        assert_eq!(out.text(), stdout, "{line}");
    }

    #[test]
    fn what_was_asked_for_goes_to_stdout_and_mistakes_to_stderr() {
        let version = env!("CARGO_PKG_VERSION");
        check(peer, "--help", Exit::Done, help::PEER, "");
        check(peer, "-V", Exit::Done, &format!("peer {version} (swarmlet)\n"), "");
        check(tracker, "-h", Exit::Done, help::TRACKER, "");
        check(tracker, "-V", Exit::Done, &format!("tracker {version} (swarmlet)\n"), "");
        check(lab, "--help", Exit::Done, help::LAB, "");
        check(
            peer,
            "--leach x",
            Exit::Usage,
            "",
            "peer: unknown flag --leach: did you mean --leech?\n",
        );
        check(
            tracker,
            "--port 1",
            Exit::Usage,
            "",
            "tracker: unknown flag --port: --help lists the flags\n",
        );
        check(
            lab,
            "fly x",
            Exit::Usage,
            "",
            "lab: lab fly is not available in this version: lab --help lists what is\n",
        );
    }

    #[test]
    fn under_json_an_error_is_an_event_too() {
        let (env, out, err) = env(&["--json", "--bogus"]);
        assert_eq!(peer(&env), Exit::Usage);
        assert_eq!(err.text(), "peer: unknown flag --bogus: --help lists the flags\n");
        let line: serde_json::Value = serde_json::from_str(&out.text()).expect("one JSON object");
        assert_eq!(line["event"], "error");
        assert_eq!(line["exit"], 2);
        assert_eq!(line["message"], "unknown flag --bogus: --help lists the flags");
        assert!(line["time"].is_number());
    }

    #[test]
    fn the_tracker_says_where_it_listens() {
        let at = SocketAddr::from(([127, 0, 0, 1], 7000));
        let said = |line: &str| {
            let (env, out, err) = env(&[]);
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let Ok(Parsed::Command(TrackerCommand::Run(args))) = args::tracker(&words) else {
                panic!("{line:?} runs a tracker")
            };
            let mut events = env.events(true);
            on_tracker_listening(&env, &mut events, &args, at).expect("a buffer takes all");
            (out, err.text())
        };
        let (out, usual) = said("");
        let expected = "tracker listening on 127.0.0.1:7000\nBitTorrent clients: \
                    http://127.0.0.1:7000/announce, udp://127.0.0.1:7000/announce\n";
        assert_eq!(usual, expected);
        let page = "dashboard at http://127.0.0.1:7000/swarm-view\n";
        assert_eq!(said("--dashboard").1, format!("{expected}{page}"));
        assert_eq!(said("--dashboard -q").1, "");
        assert!(out.text().contains(r#""event":"start""#) && out.text().contains("\"port\":7000"));
    }

    #[test]
    fn an_error_cannot_steer_the_terminal() {
        let (env, _, err) = env(&["a\x1b[2Jb"]);
        assert_eq!(peer(&env), Exit::Usage);
        assert!(!err.text().contains('\x1b'), "{:?}", err.text());
    }

    #[cfg(unix)]
    #[test]
    fn a_word_that_is_not_utf_8_is_a_usage_error() {
        use std::os::unix::ffi::OsStringExt;
        let (mut env, _, err) = env(&["--seed"]);
        env.args.push(OsString::from_vec(vec![b'a', 0xff]));
        assert_eq!(peer(&env), Exit::Usage);
        assert!(err.text().contains("is not UTF-8"), "{}", err.text());
    }
}
