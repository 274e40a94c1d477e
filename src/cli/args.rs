//! Flags and positional words of every program: words in, an argument struct out.
//!
//! The structs are argh's; [`parse`] puts the normaliser before it and turns its messages into our
//! sentences. `config()` on the structs makes the settings of [`crate::config`].

/// `peer --seed`, `peer --leech`: the flags of a running node.
pub mod node;

/// `peer console`.
pub mod console;

/// `peer daemon`.
pub mod daemon;

/// `peer magnet`, `list`, ...: commands that do one thing and end.
pub mod commands;

/// The flags of `peer create`.
pub mod create;

/// The flags of `peer edit`.
pub mod edit;

/// The words of `tracker dig`, and the flags of a hierarchy.
pub mod hierarchy;

/// `peer remote`.
pub mod remote;

/// What helps a shell: completions and manual pages.
pub mod shell;

/// The flags of `peer show`.
pub mod show;

/// The flags of the tracker.
pub mod tracker;

/// The flags of the lab.
pub mod lab;

pub use commands::{ListArgs, MagnetArgs, ScrapeArgs, VerifyArgs};
pub use console::ConsoleArgs;
pub use create::CreateArgs;
pub use daemon::DaemonArgs;
pub use edit::EditArgs;
pub use hierarchy::DigArgs;
pub use lab::grade::GradeArgs;
pub use lab::nc::NcArgs;
pub use lab::quiz::QuizArgs;
pub use lab::scenario::{CheckArgs, CompareArgs, RunArgs, TheoryArgs};
pub use lab::{DemoArgs, DiagramArgs, Format, LabArgs, PcapArgs};
pub use node::{NodeArgs, is_torrent};
pub use remote::RemoteArgs;
pub use shell::{CompletionsArgs, ManArgs};
pub use show::ShowArgs;
pub use tracker::TrackerArgs;

use super::argv::{self, Asked, Flag};
use super::exit::CliError;
use super::help;
use super::lab::net::inside::{self, Inside};
use super::places::{Places, SETTINGS};
use super::settings_file;
use super::units::Expected;
use crate::config::{TRACKER_PORT, TrackerAddr};
use crate::nearest::nearest;
use crate::protocol::url::Url;
use argh::{ArgsInfo, CommandInfoWithArgs, FromArgs};
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Flags of other programs that are likely to be tried, and what to write instead.
const ELSEWHERE: [(&str, &str); 1] = [(
    "--dashboard",
    "the tracker's, which shows whole swarms: a peer's own page is opened with --web",
)];

/// Commands of the design that later versions bring.
const PLANNED_COMMANDS: [&str; 1] = ["trace"];

/// What a command line comes to.
#[derive(Debug, PartialEq)]
pub enum Parsed<T> {
    /// Help or a version, to be printed on stdout.
    Text(String),
    /// A command to run.
    Command(T),
}

impl<T> Parsed<T> {
    fn map<U>(self, wrap: impl FnOnce(T) -> U) -> Parsed<U> {
        match self {
            Self::Text(text) => Parsed::Text(text),
            Self::Command(command) => Parsed::Command(wrap(command)),
        }
    }
}

/// What `peer` is to do.
#[derive(Debug, PartialEq)]
pub enum PeerCommand {
    /// Seed and leech until done or stopped.
    Node(Box<NodeArgs>),
    /// Make a .torrent.
    Create(CreateArgs),
    /// Say what a .torrent holds.
    Show(ShowArgs),
    /// Change what stands around the content of a .torrent.
    Edit(EditArgs),
    /// Print the magnet link of a .torrent.
    Magnet(MagnetArgs),
    /// Say what a tracker knows.
    List(ListArgs),
    /// Ask a torrent's trackers how many peers it has.
    Scrape(ScrapeArgs),
    /// Check data against its hashes.
    Verify(VerifyArgs),
    /// Seed and leech many torrents, as ordered from outside.
    Daemon(Box<DaemonArgs>),
    /// The same, typed by hand.
    Console(Box<ConsoleArgs>),
    /// Look at and steer a running peer.
    Remote(Box<RemoteArgs>),
    /// Print a completion script.
    Completions(CompletionsArgs),
    /// Print a manual page.
    Man(ManArgs),
}

impl PeerCommand {
    /// Whether flags agree that are right one by one; the commands over files need one at least.
    fn check(&self, word: &str) -> Result<(), CliError> {
        let files = match self {
            Self::Show(args) => &args.file,
            Self::Edit(args) => &args.file,
            Self::Magnet(args) => &args.file,
            Self::Scrape(args) => &args.file,
            Self::Verify(args) => &args.file,
            Self::Daemon(args) => return args.check_flags(),
            Self::Console(args) => return args.check_flags(),
            _ => return Ok(()),
        };
        if files.is_empty() {
            Err(CliError::usage(needs(&format!("peer {word}"), "FILE")))
        } else {
            Ok(())
        }
    }
}

/// A command of a program: a word, and the flags behind it.
pub struct Subcommand<C = PeerCommand> {
    /// The word.
    pub name: &'static str,
    /// Its flags and what they do.
    pub info: fn() -> CommandInfoWithArgs,
    /// Reads what stands behind it; `names` is how it was called.
    parse: Reading<C>,
}

/// From how a command was called and the words behind it to what it is to do.
type Reading<C> = fn(&[&str], &[String], &Places) -> Result<Parsed<C>, CliError>;

/// Each row: the word, its arguments, what they become.
macro_rules! commands {
    ($($name:literal => $args:ty, $wrap:expr;)*) => {
        [$(Subcommand {
            name: $name,
            info: <$args as ArgsInfo>::get_args_info,
            parse: |names, words, places| {
                let read = parse_at::<$args>(names, words, places)?;
                Ok(read.map($wrap))
            },
        },)*]
    };
}

/// The commands of `peer`, in the order in which help lists them.
pub static PEER_COMMANDS: [Subcommand; 12] = commands! {
    "create" => CreateArgs, PeerCommand::Create;
    "show" => ShowArgs, PeerCommand::Show;
    "edit" => EditArgs, PeerCommand::Edit;
    "magnet" => MagnetArgs, PeerCommand::Magnet;
    "list" => ListArgs, PeerCommand::List;
    "scrape" => ScrapeArgs, PeerCommand::Scrape;
    "verify" => VerifyArgs, PeerCommand::Verify;
    "daemon" => DaemonArgs, |args| PeerCommand::Daemon(Box::new(args));
    "console" => ConsoleArgs, |args| PeerCommand::Console(Box::new(args));
    "remote" => RemoteArgs, |args| PeerCommand::Remote(Box::new(args));
    "completions" => CompletionsArgs, PeerCommand::Completions;
    "man" => ManArgs, PeerCommand::Man;
};

fn peer_command(word: &str) -> Option<&'static Subcommand> {
    PEER_COMMANDS.iter().find(|command| command.name == word)
}

fn unknown_peer_command(word: &str) -> CliError {
    let known: Vec<_> = PEER_COMMANDS.iter().map(|command| command.name).collect();
    unknown_command("peer", word, &known)
}

/// Reads the command line of `peer`, without the program's name.
pub fn peer(words: &[String]) -> Result<Parsed<PeerCommand>, CliError> {
    peer_at(words, &Places::default())
}

/// The same, where settings files may lie at these places.
pub fn peer_at(words: &[String], places: &Places) -> Result<Parsed<PeerCommand>, CliError> {
    let Some((first, rest)) = words.split_first() else {
        return Err(CliError::usage(
            "nothing to do: give --seed PATH or --leech NAME (peer --help shows both)",
        ));
    };
    match first.as_str() {
        "help" => peer_help(rest.first().map(String::as_str)).map(Parsed::Text),
        flag if flag.starts_with('-') => {
            let node: Parsed<NodeArgs> = parse_at(&["peer"], words, places)?;
            node.checked(NodeArgs::check).map(|node| node.map(|n| PeerCommand::Node(Box::new(n))))
        }
        word => {
            let command = peer_command(word).ok_or_else(|| unknown_peer_command(word))?;
            (command.parse)(&["peer", word], rest, places)?.checked(|command| command.check(word))
        }
    }
}

/// What `tracker` is to do.
#[derive(Debug, PartialEq)]
pub enum TrackerCommand {
    /// Answer until stopped.
    Run(Box<TrackerArgs>),
    /// Ask other trackers.
    Dig(DigArgs),
    /// Print a completion script.
    Completions(CompletionsArgs),
    /// Print a manual page.
    Man(ManArgs),
}

/// The commands of `tracker`, in the order in which help lists them.
pub static TRACKER_COMMANDS: [Subcommand<TrackerCommand>; 3] = commands! {
    "dig" => DigArgs, TrackerCommand::Dig;
    "completions" => CompletionsArgs, TrackerCommand::Completions;
    "man" => ManArgs, TrackerCommand::Man;
};

/// Reads the command line of `tracker`, without the program's name.
pub fn tracker(words: &[String]) -> Result<Parsed<TrackerCommand>, CliError> {
    match words.first().map(String::as_str) {
        Some("help") => Ok(Parsed::Text(help::tracker_all())),
        Some(word) if !word.starts_with('-') => {
            let command = TRACKER_COMMANDS.iter().find(|command| command.name == word);
            let command = command.ok_or_else(|| {
                let known = TRACKER_COMMANDS.iter().map(|command| command.name);
                let known: Vec<_> = iter::once("help").chain(known).collect();
                unknown_command("tracker", word, &known)
            })?;
            (command.parse)(&["tracker", word], &words[1..], &Places::default())
        }
        _ => {
            let run: Parsed<TrackerArgs> = parse(&["tracker"], words)?;
            Ok(run.checked(TrackerArgs::check)?.map(|run| TrackerCommand::Run(Box::new(run))))
        }
    }
}

/// What `lab` is to do.
#[derive(Debug, PartialEq)]
pub enum LabCommand {
    /// Run a swarm for people to watch.
    Demo(DemoArgs),
    /// Become a program in a namespace: only the lab itself says so, and help does not.
    Inside(Inside),
    /// Run a scenario.
    Run(RunArgs),
    /// Say what a scenario asks of this machine.
    Check(CheckArgs),
    /// Run a scenario as it is and changed.
    Compare(CompareArgs),
    /// Print what the books say of a scenario.
    Theory(TheoryArgs),
    /// Ask about the theory.
    Quiz(QuizArgs),
    /// Grade somebody's peer.
    Grade(GradeArgs),
    /// Type messages by hand.
    Nc(NcArgs),
    /// Draw traces.
    Diagram(DiagramArgs),
    /// Make a capture of traces.
    Pcap(PcapArgs),
    /// Print a completion script.
    Completions(CompletionsArgs),
    /// Print a manual page.
    Man(ManArgs),
}

impl LabCommand {
    /// Whether flags agree that are right one by one.
    fn check(&self) -> Result<(), CliError> {
        match self {
            Self::Demo(args) => args.check(),
            Self::Quiz(args) => args.check(),
            Self::Nc(args) => args.check(),
            Self::Diagram(args) => args.check(),
            Self::Pcap(args) => args.check(),
            _ => Ok(()),
        }
    }
}

/// The commands of `lab`, in the order in which help lists them.
pub static LAB_COMMANDS: [Subcommand<LabCommand>; 12] = commands! {
    "demo" => DemoArgs, LabCommand::Demo;
    "run" => RunArgs, LabCommand::Run;
    "check" => CheckArgs, LabCommand::Check;
    "compare" => CompareArgs, LabCommand::Compare;
    "theory" => TheoryArgs, LabCommand::Theory;
    "quiz" => QuizArgs, LabCommand::Quiz;
    "grade" => GradeArgs, LabCommand::Grade;
    "nc" => NcArgs, LabCommand::Nc;
    "diagram" => DiagramArgs, LabCommand::Diagram;
    "pcap" => PcapArgs, LabCommand::Pcap;
    "completions" => CompletionsArgs, LabCommand::Completions;
    "man" => ManArgs, LabCommand::Man;
};

/// Reads the command line of `lab`; alone it says what it can do.
pub fn lab(words: &[String]) -> Result<Parsed<LabCommand>, CliError> {
    match words.first().map(String::as_str) {
        None => Ok(Parsed::Text(help::LAB.to_string())),
        Some("help") => Ok(Parsed::Text(help::lab_all())),
        Some(inside::COMMAND) => {
            Inside::read(&words[1..]).map(|read| Parsed::Command(LabCommand::Inside(read)))
        }
        Some(word) if !word.starts_with('-') => {
            let command = LAB_COMMANDS.iter().find(|command| command.name == word);
            let command = command.ok_or_else(|| {
                let known = LAB_COMMANDS.iter().map(|command| command.name);
                let known: Vec<_> = iter::once("help").chain(known).collect();
                unknown_command("lab", word, &known)
            })?;
            let read = (command.parse)(&["lab", word], &words[1..], &Places::default())?;
            read.checked(LabCommand::check)
        }
        Some(_) => Ok(match parse::<LabArgs>(&["lab"], words)? {
            Parsed::Text(text) => Parsed::Text(text),
            Parsed::Command(LabArgs {}) => Parsed::Text(help::LAB.to_string()),
        }),
    }
}

impl<T> Parsed<T> {
    fn checked(self, check: impl FnOnce(&T) -> Result<(), CliError>) -> Result<Self, CliError> {
        if let Self::Command(command) = &self {
            check(command)?;
        }
        Ok(self)
    }
}

fn peer_help(topic: Option<&str>) -> Result<String, CliError> {
    match topic {
        None => Ok(help::PEER.to_string()),
        Some("all") => Ok(help::peer_all()),
        Some(word) => {
            let command = peer_command(word).ok_or_else(|| unknown_peer_command(word))?;
            Ok(help::table_of(&format!("peer {word}"), &(command.info)()))
        }
    }
}

fn unknown_command(program: &str, word: &str, known: &[&str]) -> CliError {
    if PLANNED_COMMANDS.contains(&word) {
        return CliError::usage(format!(
            "{program} {word} is not available in this version: {program} --help lists what is"
        ));
    }
    CliError::usage(match nearest(word, known.iter().copied()) {
        Some(command) => {
            format!("unknown command {word}: did you mean {program} {command}?")
        }
        None if program == "peer" => format!(
            "unknown command {word}: to fetch it write peer --leech {word}, to share it \
             peer --seed {word}"
        ),
        // The lab is to have more commands than it has.
        None if program == "lab" => {
            format!("lab {word} is not available in this version: lab --help lists what is")
        }
        None => format!("unknown command {word}: {program} --help lists the flags"),
    })
}

/// Normalises and parses the words of one command; `names` is how it is called.
fn parse<T: FromArgs + ArgsInfo>(names: &[&str], words: &[String]) -> Result<Parsed<T>, CliError> {
    parse_at(names, words, &Places::default())
}

/// The same; a command that has `--config` reads flags from a file, too: the one that is named, or
/// the one in the folder that is named, or for a daemon the one that is at its place.
fn parse_at<T: FromArgs + ArgsInfo>(
    names: &[&str],
    words: &[String],
    places: &Places,
) -> Result<Parsed<T>, CliError> {
    let flags = Flag::all_of(&T::get_args_info());
    match argv::normalise(words, &flags, &ELSEWHERE)? {
        Asked::Version => Ok(Parsed::Text(help::version(names[0]))),
        Asked::Help => Ok(Parsed::Text(match names {
            ["peer"] => help::PEER.to_string(),
            ["tracker"] => help::TRACKER.to_string(),
            ["lab"] => help::LAB.to_string(),
            _ => help::of_command::<T>(&names.join(" ")),
        })),
        Asked::Run(mut words) => {
            let (mut file, mut found) = (PathBuf::new(), settings_file::Words::default());
            if flags.iter().any(|flag| flag.long == "--config") {
                let usual = places.config.as_deref().filter(|_| names.contains(&"daemon"));
                if let Some(path) = settings_path(&words, usual) {
                    found = settings_file::words(&path, &flags, &words)?;
                    words.splice(0..0, found.words.iter().cloned());
                    file = path;
                }
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            T::from_args(names, &words).map(Parsed::Command).map_err(|early| {
                let why = sentence(&names.join(" "), &early.output);
                CliError::usage(match found.line_of(&why) {
                    Some(line) => format!("{}: line {line}: {why}", file.display()),
                    None => why,
                })
            })
        }
    }
}

/// The settings file that a command line names; one in a folder is read if it is there.
fn settings_path(words: &[String], usual: Option<&Path>) -> Option<PathBuf> {
    let value = |flag: &str| {
        let at = words.iter().position(|word| word == flag)?;
        words.get(at + 1).map(PathBuf::from)
    };
    value("--config").or_else(|| {
        let folder = value("--config-dir").or_else(|| usual.map(Path::to_owned))?;
        Some(folder.join(SETTINGS)).filter(|file| file.exists())
    })
}

/// argh's message as one of our sentences.
fn sentence(command: &str, message: &str) -> String {
    let message = message.trim_end();
    let of_flag = message.strip_prefix("Error parsing option '");
    let of_word = message.strip_prefix("Error parsing positional argument '");
    if let Some((name, rest)) = of_flag.or(of_word).and_then(|text| text.split_once("' with "))
        && let Some((value, why)) =
            rest.strip_prefix("value '").and_then(|text| text.rsplit_once("': "))
    {
        let name = if of_word.is_some() { name.to_uppercase() } else { name.to_owned() };
        return format!("{name} {value:?} makes no sense: {why}");
    }
    if let Some(word) = message.strip_prefix("Unrecognized argument: ") {
        return format!("unexpected word {word:?}: {command} --help shows what may stand there");
    }
    if let Some(names) = message.strip_prefix("Required positional arguments not provided:") {
        let names = names.split_whitespace().map(str::to_uppercase).collect::<Vec<_>>().join(" ");
        return needs(command, &names);
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn needs(command: &str, names: &str) -> String {
    format!("{command} needs {names}: {command} --help shows an example")
}

/// What `--tracker` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerChoice {
    /// A tracker of the native dialect.
    Native(TrackerAddr),
    /// The announce URL of a BitTorrent tracker.
    Announce(String),
}

/// Reads which tracker is meant: `HOST[:PORT]` for ours, a URL for a BitTorrent tracker.
fn tracker_choice(text: &str) -> Result<TrackerChoice, String> {
    if text.contains("://") {
        announce_url(text).map(TrackerChoice::Announce)
    } else {
        tracker_addr(text).map(TrackerChoice::Native)
    }
}

/// Reads the URL of a BitTorrent tracker.
fn announce_url(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected udp://HOST:PORT, or http:// or https://HOST[:PORT]/announce";
    Url::parse(text).map(|_| text.to_owned()).map_err(|why| format!("{why}: {EXPECTED}"))
}

/// Reads the address of something on the web.
fn web_url(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected http:// or https://HOST/PATH";
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    if is_web && Url::parse(text).is_ok() { Ok(text.to_owned()) } else { Err(EXPECTED.into()) }
}

/// Reads where a peer is: `HOST:PORT`, `[V6]:PORT`.
fn peer_address(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected HOST:PORT of a peer, such as 127.0.0.1:6881";
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let is_bare_v6 = text.parse::<std::net::Ipv6Addr>().is_ok();
    let peer = tracker_addr(text).ok().filter(|_| has_port && !is_bare_v6);
    peer.map(|peer| peer.to_string()).ok_or_else(|| EXPECTED.into())
}

/// Reads where a tracker is: `HOST`, `HOST:PORT`, `[V6]:PORT`.
fn tracker_addr(text: &str) -> Result<TrackerAddr, String> {
    const EXPECTED: &str = "expected HOST or HOST:PORT of a tracker, such as 127.0.0.1:6969";
    if text.contains("://") {
        return Err(format!("a BitTorrent tracker keeps no catalogue: {EXPECTED}"));
    }
    let (host, port) = if text.parse::<std::net::Ipv6Addr>().is_ok() {
        (text, TRACKER_PORT)
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| EXPECTED)?),
            None => (text, TRACKER_PORT),
        }
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || !c.is_ascii();
    let is_host = !host.is_empty() && (host.chars().all(fits) || host.parse::<IpAddr>().is_ok());
    if !is_host || port == 0 {
        return Err(EXPECTED.into());
    }
    Ok(TrackerAddr { host: host.to_string(), port })
}

/// Reads a port; zero is any.
fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| Expected("a port from 1 to 65535, or 0 for any").to_string())
}

/// Reads an address of this machine.
fn address(text: &str) -> Result<IpAddr, String> {
    let text = text.trim_matches(['[', ']']);
    text.parse().map_err(|_| {
        Expected("an IP address of this machine, such as 127.0.0.1 or 0.0.0.0").to_string()
    })
}

/// Reads `ADDR:PORT`; a bare port listens on the loopback, a bare address on the usual port.
fn listen(text: &str) -> Result<SocketAddr, String> {
    const EXPECTED: Expected =
        Expected("ADDR:PORT to listen on, such as 0.0.0.0:6969; port 0 means any");
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port));
    }
    let address: Result<IpAddr, _> = text.trim_matches(['[', ']']).parse();
    address.map(|address| SocketAddr::new(address, TRACKER_PORT)).map_err(|_| EXPECTED.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    fn check_refused(line: &str, expected: &str) {
        let error = peer(&words(line)).expect_err(line);
        assert_eq!(error.message, expected, "{line}");
        assert_eq!(error.exit.code(), 2, "{line}");
    }

    #[test]
    fn a_mistake_names_the_flag_the_value_and_what_is_expected() {
        check_refused(
            "--seed a --port x",
            r#"--port "x" makes no sense: expected a port from 1 to 65535, or 0 for any"#,
        );
        check_refused(
            "--leech a -d 1MiB",
            r#"--downlimit "1MiB" makes no sense: expected a rate: 500 (kB/s), 500k, 2M, or 0 for no limit"#,
        );
        check_refused(
            "--seed a --piece-length 500k",
            r#"--piece-length "500k" makes no sense: expected a power of two from 16KiB to 256MiB: 512KiB, 1MiB, 512 (KiB) or plain bytes"#,
        );
        check_refused(
            "--seed a --tracker udp://h/announce",
            r#"--tracker "udp://h/announce" makes no sense: its port is missing or no number from 1 to 65535: expected udp://HOST:PORT, or http:// or https://HOST[:PORT]/announce"#,
        );
        check_refused(
            "list --tracker udp://h:1",
            r#"--tracker "udp://h:1" makes no sense: a BitTorrent tracker keeps no catalogue: expected HOST or HOST:PORT of a tracker, such as 127.0.0.1:6969"#,
        );
        check_refused(
            "--leech a --picker rarst",
            r#"--picker "rarst" makes no sense: no picker is called rarst: try rarest, random or sequential"#,
        );
        check_refused("--leach a", "unknown flag --leach: did you mean --leech?");
        check_refused(
            "--port 1 big.zip",
            r#"unexpected word "big.zip": peer --help shows what may stand there"#,
        );
        check_refused("show", "peer show needs FILE: peer show --help shows an example");
    }

    #[test]
    fn a_word_that_is_no_command_gets_advice() {
        check_refused("shwo x", "unknown command shwo: did you mean peer show?");
        check_refused(
            "trace",
            "peer trace is not available in this version: peer --help lists what is",
        );
        check_refused(
            "big.zip",
            "unknown command big.zip: to fetch it write peer --leech big.zip, to share it peer --seed big.zip",
        );
        check_refused(
            "",
            "nothing to do: give --seed PATH or --leech NAME (peer --help shows both)",
        );
        check_refused(
            "-v",
            "nothing to do: give --seed PATH or --leech NAME (peer --help shows both)",
        );
    }

    #[test]
    fn help_and_version_come_before_anything_else() {
        let text = |line: &str| match peer(&words(line)) {
            Ok(Parsed::Text(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(text("--help"), help::PEER);
        assert_eq!(text("-h"), help::PEER);
        assert_eq!(text("help"), help::PEER);
        assert_eq!(text("--version"), text("create -V"));
        assert!(text("help show").starts_with("Usage: peer show"));
        assert!(text("create --help").starts_with("Usage: peer create"));
    }

    #[test]
    fn a_tracker_is_a_host_and_perhaps_a_port() {
        let check = |text: &str, expected: Option<&str>| {
            let found = tracker_addr(text).ok().map(|tracker| tracker.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("127.0.0.1:7000", Some("127.0.0.1:7000"));
        check("tracker.example", Some("tracker.example:6969"));
        check("[::1]:7000", Some("[::1]:7000"));
        check("::1", Some("[::1]:6969"));
        check("[::1]", None);
        check("h:0", None);
        check("h:port", None);
        check("", None);
        check(":6969", None);
        check("a b", None);
        check("http://h/announce", None);
    }

    #[test]
    fn listening_takes_an_address_a_port_or_both() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(listen(text).ok().map(|at| at.to_string()).as_deref(), expected, "{text}");
        };
        check("0.0.0.0:7000", Some("0.0.0.0:7000"));
        check("7000", Some("127.0.0.1:7000"));
        check("0", Some("127.0.0.1:0"));
        check("0.0.0.0", Some("0.0.0.0:6969"));
        check("[::]:1", Some("[::]:1"));
        check("localhost:1", None);
    }
}
