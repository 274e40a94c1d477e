//! `peer create`, `peer show`, ...: commands that do one thing and end.

use super::super::exit::CliError;
use super::super::units::{PieceLength, TimeSpan};
use super::{announce_url, tracker_addr};
use crate::config::{PeerConfig, TrackerAddr};
use crate::metainfo::draft::Version;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;
use std::time::Duration;

/// Make a .torrent from a file or a folder.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer create big.zip -t 127.0.0.1:6969")]
pub struct CreateArgs {
    /// the file or folder
    #[argh(positional)]
    pub path: PathBuf,

    /// where to write it, - for stdout (PATH.torrent in the current folder)
    #[argh(option, short = 'o', arg_name = "file")]
    pub output: Option<PathBuf>,

    /// a tracker: HOST:PORT of ours, or the URL of another; repeatable
    #[argh(option, short = 't', arg_name = "url", from_str_fn(tracker_or_url))]
    pub tracker: Vec<String>,

    /// piece length (512KiB, growing above 1 GiB)
    #[argh(option, short = 's', arg_name = "size")]
    pub piece_length: Option<PieceLength>,

    /// SHA-1 pieces only
    #[argh(switch)]
    pub v1: bool,

    /// SHA-1 pieces and SHA-256 trees (the default)
    #[argh(switch)]
    pub hybrid: bool,

    /// SHA-256 trees only
    #[argh(switch)]
    pub v2: bool,

    /// print what was made as JSON
    #[argh(switch)]
    pub json: bool,

    /// no progress
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

/// A URL as it is; a tracker of ours with its port.
fn tracker_or_url(text: &str) -> Result<String, String> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    tracker_addr(text).map(|tracker| tracker.to_string())
}

impl CreateArgs {
    /// Which hashes the torrent is to carry.
    pub fn version(&self) -> Result<Version, CliError> {
        match (self.v1, self.hybrid, self.v2) {
            (true, false, false) => Ok(Version::V1),
            (false, _, false) => Ok(Version::Hybrid),
            (false, false, true) => Ok(Version::V2),
            _ => Err(CliError::usage("--v1, --hybrid and --v2 exclude each other: give one")),
        }
    }
}

/// Say what a .torrent holds.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer show big.zip.torrent")]
pub struct ShowArgs {
    /// the .torrent
    #[argh(positional)]
    pub file: PathBuf,

    /// one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Print the magnet link of a .torrent.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer magnet big.zip.torrent")]
pub struct MagnetArgs {
    /// the .torrent
    #[argh(positional)]
    pub file: PathBuf,

    /// one JSON object
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
    /// the .torrent
    #[argh(positional)]
    pub file: PathBuf,

    /// the URL of a tracker to ask instead of those in the .torrent; repeatable
    #[argh(option, short = 't', arg_name = "url", from_str_fn(announce_url))]
    pub tracker: Vec<String>,

    /// how long to wait for answers (5s)
    #[argh(option, arg_name = "time")]
    pub timeout: Option<TimeSpan>,

    /// one JSON object per line, tracker and info-hash
    #[argh(switch)]
    pub json: bool,
}

/// How long `peer scrape` waits, when it is not told: nothing is silent for longer.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// the .torrent
    #[argh(positional)]
    pub file: PathBuf,

    /// the folder that the data lies in (./downloads, or beside the .torrent)
    #[argh(option, short = 'w', arg_name = "dir")]
    pub download_dir: Option<PathBuf>,

    /// one JSON object
    #[argh(switch)]
    pub json: bool,

    /// no progress
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

    fn create(line: &str) -> CreateArgs {
        match command(line) {
            PeerCommand::Create(args) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn create_takes_a_path_and_where_to_write() {
        let args = create("create -t a:1 big.zip -t udp://b/announce -s1MiB -o -");
        assert_eq!(args.path, PathBuf::from("big.zip"));
        assert_eq!(args.output, Some(PathBuf::from("-")));
        assert_eq!(args.tracker, ["a:1", "udp://b/announce"]);
        assert_eq!(args.piece_length, Some(PieceLength(1 << 20)));
        assert_eq!(create("create -- -odd-").path, PathBuf::from("-odd-"));
        assert_eq!(create("create help").path, PathBuf::from("help"));
    }

    #[test]
    fn a_new_torrent_is_hybrid_unless_one_version_is_asked_for() {
        let check = |flags: &str, expected: Option<Version>| {
            assert_eq!(create(&format!("create x {flags}")).version().ok(), expected, "{flags}");
        };
        check("", Some(Version::Hybrid));
        check("--hybrid", Some(Version::Hybrid));
        check("--v1", Some(Version::V1));
        check("--v2", Some(Version::V2));
        check("--v1 --v2", None);
        check("--v1 --hybrid", None);
        check("--hybrid --v2", None);
    }

    #[test]
    fn list_asks_the_default_tracker_unless_told_another() {
        let PeerCommand::List(args) = command("list --json") else { panic!("list") };
        assert_eq!(args.trackers(), [TrackerAddr::default()]);
        assert_eq!(args.timeout(), LIST_TIMEOUT);
        assert!(args.json);
    }

    #[test]
    fn show_magnet_and_verify_take_a_file() {
        let file = || PathBuf::from("x.torrent");
        assert_eq!(
            command("show x.torrent --json"),
            PeerCommand::Show(ShowArgs { file: file(), json: true })
        );
        assert_eq!(
            command("magnet x.torrent"),
            PeerCommand::Magnet(MagnetArgs { file: file(), json: false })
        );
        assert!(matches!(command("verify x.torrent -w d"), PeerCommand::Verify(_)));
        let PeerCommand::Scrape(args) = command("scrape x.torrent -t udp://t:1") else {
            panic!("scrape")
        };
        assert_eq!((args.file.clone(), args.timeout()), (file(), SCRAPE_TIMEOUT));
        assert_eq!(args.tracker, ["udp://t:1"]);
    }
}
