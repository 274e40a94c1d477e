//! `peer console`: the flags of the interactive node.

use super::super::door::Login;
use super::super::exit::CliError;
use super::super::logging::{LogArgs, level};
use super::super::units::RateLimit;
use super::node::{endpoint, user_and_password};
use super::{NodeArgs, TrackerChoice, address, port, tracker_choice};
use crate::config::PeerConfig;
use argh::{ArgsInfo, FromArgs};
use log::LevelFilter;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Type commands to a node: SEEDING, DOWNLOAD, STATUS, PEERS, HELP, QUIT.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer console --tracker 127.0.0.1:6969")]
pub struct ConsoleArgs {
    /// a tracker: HOST:PORT of ours, or a udp://, http:// or https:// URL; repeatable
    /// (127.0.0.1:6969)
    #[argh(option, short = 't', arg_name = "tracker", from_str_fn(tracker_choice))]
    pub tracker: Vec<TrackerChoice>,

    /// where downloads go (./downloads)
    #[argh(option, short = 'w', arg_name = "dir")]
    pub download_dir: Option<PathBuf>,

    /// port to listen on, 0 = any (6881, then the next free up to 6889)
    #[argh(option, short = 'p', arg_name = "n", from_str_fn(port))]
    pub port: Option<u16>,

    /// address to listen on and to dial from (any, or a loopback when every tracker is there)
    #[argh(option, arg_name = "addr", from_str_fn(address))]
    pub bind: Option<IpAddr>,

    /// most that is received: kB/s, or 500k, 2M; 0 = no limit (0)
    #[argh(option, short = 'd', arg_name = "rate")]
    pub downlimit: Option<RateLimit>,

    /// most that is sent: kB/s, or 500k, 2M; 0 = no limit (0)
    #[argh(option, short = 'u', arg_name = "rate")]
    pub uplimit: Option<RateLimit>,

    /// a page and a remote control, too; PORT or ADDR:PORT (127.0.0.1:9091)
    #[argh(option, arg_name = "port", from_str_fn(endpoint))]
    pub web: Option<SocketAddr>,

    /// user and password of the remote control; needed beyond the loopback
    #[argh(option, arg_name = "user:password", from_str_fn(user_and_password))]
    pub auth: Option<Login>,

    /// read flags from this file, too: key = value
    #[argh(option, arg_name = "file")]
    pub config: Option<PathBuf>,

    /// read DIR/config.toml, if it is there
    #[argh(option, arg_name = "dir")]
    pub config_dir: Option<PathBuf>,

    /// write every message and every decision to this file, as JSON lines
    #[argh(option, arg_name = "file")]
    pub trace: Option<PathBuf>,

    /// no prompt, and nothing said but answers
    #[argh(switch, short = 'q')]
    pub quiet: bool,

    /// more of the log; twice for all of it
    #[argh(switch, short = 'v')]
    pub verbose: u8,

    /// error, warn, info, debug or trace (warn)
    #[argh(option, arg_name = "level", from_str_fn(level))]
    pub log_level: Option<LevelFilter>,

    /// write the log to this file, with times
    #[argh(option, arg_name = "file")]
    pub logfile: Option<PathBuf>,
}

impl ConsoleArgs {
    /// Whether no two flags contradict each other.
    pub(super) fn check_flags(&self) -> Result<(), CliError> {
        self.log().check()
    }

    /// The settings of the node.
    pub fn config(&self) -> Result<PeerConfig, CliError> {
        self.as_node().config()
    }

    /// What is to be logged, and where to.
    pub fn log(&self) -> LogArgs {
        self.as_node().log()
    }

    fn as_node(&self) -> NodeArgs {
        NodeArgs {
            tracker: self.tracker.clone(),
            download_dir: self.download_dir.clone(),
            port: self.port,
            bind: self.bind,
            downlimit: self.downlimit,
            uplimit: self.uplimit,
            trace: self.trace.clone(),
            quiet: self.quiet,
            verbose: self.verbose,
            log_level: self.log_level,
            logfile: self.logfile.clone(),
            ..NodeArgs::bare()
        }
    }
}
