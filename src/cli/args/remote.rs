//! `peer remote`: its words and flags, made into one errand.

use super::super::door::Login;
use super::super::exit::CliError;
use super::super::units::RateLimit;
use super::node::user_and_password;
use crate::nearest::nearest;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;

/// Where a running peer is looked for.
pub const USUAL_PLACE: &str = "127.0.0.1:9091";

/// Look at and steer a running peer (Transmission's RPC). COMMAND is list, add WHAT .., info ID,
/// files ID, peers ID, start, stop, verify, announce or remove ID .., limit [ID ..], stats, session
/// or close. ID is a number, a list (1,3-5), the first digits of a hash, a name, or all.
#[derive(FromArgs, ArgsInfo, Debug, Default, PartialEq)]
#[argh(
    help_triggers("--help"),
    example = "peer remote list\nExample: peer remote add big.zip.torrent --paused\n\
               Example: peer remote limit -d 500k"
)]
pub struct RemoteArgs {
    /// what to do, and to which torrents
    #[argh(positional, arg_name = "command")]
    pub words: Vec<String>,

    /// where the peer is (127.0.0.1:9091)
    #[argh(option, arg_name = "host:port")]
    pub at: Option<String>,

    /// its user and password (or in the environment: PEER_AUTH)
    #[argh(option, arg_name = "user:password", from_str_fn(user_and_password))]
    pub auth: Option<Login>,

    /// add: wait to be started
    #[argh(switch)]
    pub paused: bool,

    /// add: where the data goes
    #[argh(option, short = 'w', arg_name = "dir")]
    pub download_dir: Option<PathBuf>,

    /// files: fetch these, by number (0,2-4 or all)
    #[argh(option, arg_name = "list")]
    pub want: Option<String>,

    /// files: do not fetch these
    #[argh(option, arg_name = "list")]
    pub skip: Option<String>,

    /// remove: delete what was fetched, too
    #[argh(switch)]
    pub with_data: bool,

    /// limit: what is received, kB/s, or 500k, 2M; 0 = no limit
    #[argh(option, short = 'd', arg_name = "rate")]
    pub downlimit: Option<RateLimit>,

    /// limit: what is sent, likewise
    #[argh(option, short = 'u', arg_name = "rate")]
    pub uplimit: Option<RateLimit>,

    /// the raw facts, one JSON object per line
    #[argh(switch)]
    pub json: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Errand {
    /// Show all torrents.
    List,
    /// Take torrents up.
    Add(Vec<String>),
    /// Show torrents in full.
    Info(Vec<String>),
    /// Show files, or change how they are wanted.
    Files(Vec<String>),
    /// Show peers.
    Peers(Vec<String>),
    /// Have something done to torrents.
    Act(Act, Vec<String>),
    /// Limit torrents, or all together if none is named.
    Limit(Vec<String>),
    /// Show what was done so far.
    Stats,
    /// Show the settings.
    Session,
    /// End the program.
    Close,
}

/// What can be done to torrents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Fetch and serve.
    Start,
    /// Neither.
    Stop,
    /// Check the data.
    Verify,
    /// Ask the trackers for peers.
    Announce,
    /// Let go.
    Remove,
}

const COMMANDS: [&str; 13] = [
    "list", "add", "info", "files", "peers", "start", "stop", "verify", "announce", "remove",
    "limit", "stats", "session",
];

impl RemoteArgs {
    /// The errand that words and flags come to.
    ///
    /// # Errors
    /// A sentence when a word is missing, too many, or a flag belongs to another command.
    pub fn errand(&self) -> Result<Errand, CliError> {
        let (command, rest) = match self.words.split_first() {
            Some((command, rest)) => (command.as_str(), rest.to_vec()),
            None => ("list", Vec::new()),
        };
        let errand = match command {
            "list" => Errand::List,
            "add" => Errand::Add(rest.clone()),
            "info" => Errand::Info(rest.clone()),
            "files" => Errand::Files(rest.clone()),
            "peers" => Errand::Peers(rest.clone()),
            "start" => Errand::Act(Act::Start, rest.clone()),
            "stop" => Errand::Act(Act::Stop, rest.clone()),
            "verify" => Errand::Act(Act::Verify, rest.clone()),
            "announce" => Errand::Act(Act::Announce, rest.clone()),
            "remove" => Errand::Act(Act::Remove, rest.clone()),
            "limit" => Errand::Limit(rest.clone()),
            "stats" => Errand::Stats,
            "session" => Errand::Session,
            "close" => Errand::Close,
            word => return Err(unknown(word)),
        };
        self.check_words(command, &errand, &rest)?;
        self.check_flags(command)?;
        Ok(errand)
    }

    fn check_words(&self, command: &str, errand: &Errand, rest: &[String]) -> Result<(), CliError> {
        let takes_none =
            matches!(errand, Errand::List | Errand::Stats | Errand::Session | Errand::Close);
        let needs_one = !takes_none && !matches!(errand, Errand::Limit(_));
        if let Some(word) = rest.first().filter(|_| takes_none) {
            return Err(CliError::usage(format!("unexpected word {word:?} behind {command}")));
        }
        if rest.is_empty() && needs_one {
            let what = if command == "add" { "what to fetch" } else { "which torrents, or all" };
            return Err(CliError::usage(format!("peer remote {command} needs to know {what}")));
        }
        if command == "limit" && self.downlimit.is_none() && self.uplimit.is_none() {
            return Err(CliError::usage("peer remote limit needs -d RATE, -u RATE or both"));
        }
        Ok(())
    }

    /// A flag that does nothing is a mistake.
    fn check_flags(&self, command: &str) -> Result<(), CliError> {
        let flags = [
            ("--paused", self.paused, "add"),
            ("--download-dir", self.download_dir.is_some(), "add"),
            ("--want", self.want.is_some(), "files"),
            ("--skip", self.skip.is_some(), "files"),
            ("--with-data", self.with_data, "remove"),
            ("--downlimit", self.downlimit.is_some(), "limit"),
            ("--uplimit", self.uplimit.is_some(), "limit"),
        ];
        let stray = flags.iter().find(|(_, given, owner)| *given && *owner != command);
        stray.map_or(Ok(()), |(flag, _, owner)| {
            Err(CliError::usage(format!("{flag} belongs to peer remote {owner}, not to {command}")))
        })
    }
}

fn unknown(word: &str) -> CliError {
    let known = COMMANDS.into_iter().chain(["close"]);
    CliError::usage(match nearest(word, known) {
        Some(command) => {
            format!("unknown command {word}: did you mean peer remote {command}?")
        }
        None => format!("unknown command {word}: peer remote --help lists what there is"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, PeerCommand, peer};
    use super::*;

    fn read(line: &str) -> Result<(RemoteArgs, Errand), CliError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        match peer(&words)? {
            Parsed::Command(PeerCommand::Remote(args)) => {
                let errand = args.errand()?;
                Ok((*args, errand))
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_and_flags_come_to_an_errand() {
        let check = |line: &str, expected: Errand| {
            assert_eq!(read(line).map(|(_, errand)| errand), Ok(expected), "{line}");
        };
        check("remote", Errand::List);
        check("remote list --json", Errand::List);
        check("remote add a b --paused -w /x", Errand::Add(words(&["a", "b"])));
        check("remote --at box:9091 info 1,3-5", Errand::Info(words(&["1,3-5"])));
        check("remote files 1 --want 0 --skip all", Errand::Files(words(&["1"])));
        check("remote peers all", Errand::Peers(words(&["all"])));
        check("remote stop 1 2", Errand::Act(Act::Stop, words(&["1", "2"])));
        check("remote remove 1 --with-data", Errand::Act(Act::Remove, words(&["1"])));
        check("remote limit -d 500k", Errand::Limit(vec![]));
        check("remote limit 1 -u0", Errand::Limit(words(&["1"])));
        check("remote close", Errand::Close);
        let (args, _) = read("remote limit -d 500k -u 0").unwrap();
        assert_eq!(args.downlimit, Some(RateLimit(Some(500_000))));
        assert_eq!(args.uplimit, Some(RateLimit(None)));
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error_with_advice() {
        let check = |line: &str, expected: &str| {
            let error = read(line).unwrap_err();
            assert_eq!((error.exit.code(), error.message.as_str()), (2, expected), "{line}");
        };
        check("remote lst", "unknown command lst: did you mean peer remote list?");
        check("remote xyzzy", "unknown command xyzzy: peer remote --help lists what there is");
        check("remote add", "peer remote add needs to know what to fetch");
        check("remote stop", "peer remote stop needs to know which torrents, or all");
        check("remote stats 1", "unexpected word \"1\" behind stats");
        check("remote limit 1", "peer remote limit needs -d RATE, -u RATE or both");
        check(
            "remote stop 1 --with-data",
            "--with-data belongs to peer remote remove, not to stop",
        );
        check("remote list -d 5", "--downlimit belongs to peer remote limit, not to list");
    }
}
