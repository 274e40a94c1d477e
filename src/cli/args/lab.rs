//! The flags of `lab` and of its commands.

/// The commands that read a scenario.
pub mod scenario;

/// `lab quiz`.
pub mod quiz;

/// The flags of `lab grade`.
pub mod grade;

/// The words of `lab nc`.
pub mod nc;

/// What is made of traces.
mod trace;

pub use trace::{DiagramArgs, Format, PcapArgs};

use super::super::exit::CliError;
use super::super::units::{AtLeastOne, RateLimit, Size};
use super::listen;
use crate::config::TRACKER_PORT;
use argh::{ArgsInfo, FromArgs};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Show swarms to a lecture hall.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"))]
pub struct LabArgs {}

/// Run a whole swarm on this machine, to be watched and steered in a browser.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "{command_name} --peers 8 --peer-rate 300")]
pub struct DemoArgs {
    /// how many peers fetch the file, besides the seeder (6)
    #[argh(option, arg_name = "n")]
    pub peers: Option<AtLeastOne>,

    /// how long the made-up file is: 64M, 500k or plain bytes (64M)
    #[argh(option, arg_name = "size")]
    pub size: Option<Size>,

    /// most that the seeder sends: kB/s, or 500k, 2M; 0 = no limit (1500)
    #[argh(option, arg_name = "rate")]
    pub seed_rate: Option<RateLimit>,

    /// most that each other peer sends: kB/s, or 500k, 2M; 0 = no limit (600)
    #[argh(option, arg_name = "rate")]
    pub peer_rate: Option<RateLimit>,

    /// address and port of the tracker and its page; port 0 = any, which is printed
    /// (127.0.0.1:6969)
    #[argh(option, arg_name = "addr:port", from_str_fn(listen))]
    pub listen: Option<SocketAddr>,

    /// a new or empty folder for the files and logs of all peers, which is kept (a temporary one,
    /// which is removed)
    #[argh(option, arg_name = "dir")]
    pub dir: Option<PathBuf>,

    /// say nothing but errors and where the page is
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

/// The most processes that one machine is asked to run.
pub const MOST_PEERS: usize = 50;

impl DemoArgs {
    pub(super) fn check(&self) -> Result<(), CliError> {
        if self.peers() > MOST_PEERS {
            return Err(CliError::usage(format!(
                "--peers {} is too many: each is a process, expected at most {MOST_PEERS}",
                self.peers()
            )));
        }
        Ok(())
    }

    /// How many fetch.
    pub fn peers(&self) -> usize {
        self.peers.map_or(6, |AtLeastOne(peers)| peers)
    }

    /// Bytes of the made-up file.
    pub fn size(&self) -> u64 {
        self.size.map_or(64_000_000, |Size(size)| size)
    }

    /// Most that the seeder sends in bytes per second; none is no limit.
    pub fn seed_rate(&self) -> Option<u64> {
        self.seed_rate.map_or(Some(1_500_000), |RateLimit(rate)| rate)
    }

    /// Most that each other peer sends.
    pub fn peer_rate(&self) -> Option<u64> {
        self.peer_rate.map_or(Some(600_000), |RateLimit(rate)| rate)
    }

    /// Where the tracker listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], TRACKER_PORT)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LabCommand, Parsed, lab};
    use super::*;

    fn parse(line: &str) -> Result<Parsed<LabCommand>, CliError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        lab(&words)
    }

    fn demo(line: &str) -> DemoArgs {
        match parse(line) {
            Ok(Parsed::Command(LabCommand::Demo(args))) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn without_flags_the_show_is_the_documented_one() {
        let args = demo("demo");
        assert_eq!((args.peers(), args.size()), (6, 64_000_000));
        assert_eq!((args.seed_rate(), args.peer_rate()), (Some(1_500_000), Some(600_000)));
        assert_eq!(args.listen().to_string(), "127.0.0.1:6969");
        assert_eq!((args.dir, args.quiet), (None, false));
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let args = demo(
            "demo --peers 2 --size 1.5M --seed-rate 2M --peer-rate 0 --listen 127.0.0.2:0 \
             --dir here -q",
        );
        assert_eq!((args.peers(), args.size()), (2, 1_500_000));
        assert_eq!((args.seed_rate(), args.peer_rate()), (Some(2_000_000), None));
        assert_eq!(args.listen().to_string(), "127.0.0.2:0");
        assert_eq!((args.dir, args.quiet), (Some("here".into()), true));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |line: &str, expected: &str| {
            assert_eq!(parse(line).expect_err(line).message, expected, "{line}");
        };
        for size in ["0", "x", "64MiB", "0M"] {
            check(
                &format!("demo --size {size}"),
                &format!(
                    "--size {size:?} makes no sense: expected a size: 64M, 500k or plain bytes, at \
                     least 1"
                ),
            );
        }
        check(
            "demo --peers 0",
            r#"--peers "0" makes no sense: expected a whole number, at least 1"#,
        );
        check("demo --peers 51", "--peers 51 is too many: each is a process, expected at most 50");
        check("dmeo", "unknown command dmeo: did you mean lab demo?");
        check("trace", "lab trace is not available in this version: lab --help lists what is");
        check("--bogus", "unknown flag --bogus: --help lists the flags");
    }
}
