//! `peer magnet`, `list`, `scrape` and `verify`: commands that do one thing and end.

use super::super::units::TimeSpan;
use super::{announce_url, peer_address, tracker_addr};
use crate::config::{PeerConfig, TrackerAddr};
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;
use std::time::Duration;

/// Print the magnet link of a .torrent.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer magnet big.zip.torrent")]
pub struct MagnetArgs {
    /// the .torrent files, - for stdin; or a magnet link, to be explained by --json
    #[argh(positional)]
    pub file: Vec<PathBuf>,

    /// a peer that the link is to name (x.pe), HOST:PORT; repeatable
    #[argh(option, arg_name = "host:port", from_str_fn(peer_address))]
    pub peer: Vec<String>,

    /// one JSON object per line and .torrent: what the link says
    #[argh(switch)]
    pub json: bool,
}

/// Say what a tracker knows.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer list -t 127.0.0.1:6969")]
pub struct ListArgs {
    /// a tracker, HOST:PORT; repeatable (127.0.0.1:6969)
    #[argh(option, short = 't', arg_name = "host:port", from_str_fn(tracker_addr))]
    pub tracker: Vec<TrackerAddr>,

    /// how long to wait for an answer (10s)
    #[argh(option, arg_name = "time")]
    pub timeout: Option<TimeSpan>,

    /// say which nodes have which pieces, too
    #[argh(switch)]
    pub pieces: bool,

    /// one JSON object per line and content
    #[argh(switch)]
    pub json: bool,

    /// do not say that there is nothing
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

/// How long `peer list` waits, when it is not told: a person is waiting with it.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

impl ListArgs {
    /// The trackers to ask.
    pub fn trackers(&self) -> Vec<TrackerAddr> {
        if self.tracker.is_empty() { PeerConfig::default().trackers } else { self.tracker.clone() }
    }

    /// How long to wait for an answer.
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(LIST_TIMEOUT, |TimeSpan(time)| time)
    }
}

/// Ask a torrent's trackers how many seed and fetch it.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer scrape big.zip.torrent")]
pub struct ScrapeArgs {
    /// the .torrent files, - for stdin; or magnet links
    #[argh(positional)]
    pub file: Vec<PathBuf>,

    /// the URL of a tracker to ask instead of those in the .torrent; repeatable
    #[argh(option, short = 't', arg_name = "url", from_str_fn(announce_url))]
    pub tracker: Vec<String>,

    /// how long to wait for answers (5s)
    #[argh(option, arg_name = "time")]
    pub timeout: Option<TimeSpan>,

    /// one JSON object per line, tracker and info-hash
    #[argh(switch)]
    pub json: bool,

    /// do not name the trackers that do not answer, if one does
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

/// How long `peer scrape` waits, when it is not told: nothing is silent for longer.
pub(super) const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

impl ScrapeArgs {
    /// How long to wait for answers.
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(SCRAPE_TIMEOUT, |TimeSpan(time)| time)
    }
}

/// Check data against its hashes.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer verify big.zip.torrent -w downloads")]
pub struct VerifyArgs {
    /// the .torrent files; - for stdin
    #[argh(positional)]
    pub file: Vec<PathBuf>,

    /// the folder that the data lies in (./downloads, or beside the .torrent)
    #[argh(option, short = 'w', arg_name = "dir")]
    pub download_dir: Option<PathBuf>,

    /// one JSON object per line and .torrent
    #[argh(switch)]
    pub json: bool,

    /// no progress, and nothing about what is right
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, PeerCommand, peer};
    use super::*;

    fn command(line: &str) -> PeerCommand {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        match peer(&words) {
            Ok(Parsed::Command(command)) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn list_asks_the_default_tracker_unless_told_another() {
        let PeerCommand::List(args) = command("list --json") else { panic!("list") };
        assert_eq!(args.trackers(), [TrackerAddr::default()]);
        assert_eq!(args.timeout(), LIST_TIMEOUT);
        assert!(args.json);
    }

    #[test]
    fn files_may_be_several_and_must_be_one() {
        let PeerCommand::Scrape(args) = command("scrape x.torrent - -t udp://t:1") else {
            panic!("scrape")
        };
        assert_eq!(args.file, [PathBuf::from("x.torrent"), PathBuf::from("-")]);
        assert_eq!((args.timeout(), args.tracker), (SCRAPE_TIMEOUT, vec!["udp://t:1".into()]));
        for name in ["show", "edit", "verify", "magnet", "scrape"] {
            let error = peer(&[name.to_owned()]).expect_err(name);
            let expected = format!("peer {name} needs FILE: peer {name} --help shows an example");
            assert_eq!((error.message, error.exit.code()), (expected, 2));
        }
    }
}
