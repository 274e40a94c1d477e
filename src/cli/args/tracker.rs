//! The flags of the tracker.

use super::super::exit::CliError;
use super::super::logging::{LogArgs, level};
use super::super::style::ColorChoice;
use super::super::units::{AtLeastOne, Count, Factor, TimeSpan};
use super::{hierarchy, listen};
use crate::config::{HierarchyConfig, TrackerConfig};
use crate::logic::resolver::zone::Zone;
use argh::{ArgsInfo, FromArgs};
use log::LevelFilter;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Tell peers of each other.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"))]
pub struct TrackerArgs {
    /// address and port for UDP and TCP; port 0 = any, which is printed (127.0.0.1:6969)
    #[argh(option, arg_name = "addr:port", from_str_fn(listen))]
    pub listen: Option<SocketAddr>,

    /// how often a peer is to say that it is there (5s)
    #[argh(option, arg_name = "time")]
    pub keepalive: Option<TimeSpan>,

    /// how long a silent peer stays listed (15s)
    #[argh(option, arg_name = "time")]
    pub expire: Option<TimeSpan>,

    /// how often a peer is to ask for more peers (30s)
    #[argh(option, arg_name = "time")]
    pub interval: Option<TimeSpan>,

    /// how often a BitTorrent client is to announce itself (2m)
    #[argh(option, arg_name = "time")]
    pub announce_interval: Option<TimeSpan>,

    /// most torrents known at once (1000000)
    #[argh(option, arg_name = "n")]
    pub max_torrents: Option<AtLeastOne>,

    /// most registrations at once, over all torrents (1000000)
    #[argh(option, arg_name = "n")]
    pub max_peers: Option<AtLeastOne>,

    /// most registrations from one address, 0 = no limit; loopback and private ones are exempt
    /// (10000)
    #[argh(option, arg_name = "n")]
    pub max_per_ip: Option<Count>,

    /// what it has authority for in a hierarchy: the first digits of info-hashes, or a name;
    /// repeatable (everything)
    #[argh(option, arg_name = "zone", from_str_fn(hierarchy::zone))]
    pub zone: Vec<Zone>,

    /// ZONE=ADDR:PORT, who has authority for a longer zone; repeatable
    #[argh(option, arg_name = "zone=addr", from_str_fn(hierarchy::delegation))]
    pub delegate: Vec<(Zone, SocketAddr)>,

    /// find answers for others, beginning with --delegate .=ADDR, and have no swarms
    #[argh(switch)]
    pub resolver: bool,

    /// pass questions on that are to be answered, instead of naming the next tracker
    #[argh(switch)]
    pub chain: bool,

    /// another tracker of the same zone, to be kept in step; repeatable
    #[argh(option, arg_name = "addr", from_str_fn(hierarchy::endpoint))]
    pub replica: Vec<SocketAddr>,

    /// forget answers of a hierarchy this many times faster (1)
    #[argh(option, arg_name = "x")]
    pub time_scale: Option<Factor>,

    /// write every message of a hierarchy to this file, as JSON lines
    #[argh(option, arg_name = "file")]
    pub trace: Option<PathBuf>,

    /// most registrations of one torrent (2000)
    #[argh(option, arg_name = "n")]
    pub max_peers_per_torrent: Option<AtLeastOne>,

    /// serve only the info-hashes in this file, one a line; SIGHUP reads it again
    #[argh(option, arg_name = "file")]
    pub allow: Option<PathBuf>,

    /// keep what is published in this file, over a restart
    #[argh(option, arg_name = "file")]
    pub state: Option<PathBuf>,

    /// show whole swarms live at http://HOST:PORT/swarm-view; peers on this network tell whom they
    /// serve
    #[argh(switch)]
    pub dashboard: bool,

    /// believe the address that an announce from a loopback or private address names
    #[argh(switch)]
    pub trust_ip: bool,

    /// events as JSON lines on stdout
    #[argh(switch)]
    pub json: bool,

    /// say nothing but errors
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

    /// auto, always or never (auto)
    #[argh(option, arg_name = "when", default = "ColorChoice::Auto")]
    pub color: ColorChoice,
}

impl TrackerArgs {
    pub(super) fn check(&self) -> Result<(), CliError> {
        let config = self.config();
        let times = [
            ("--keepalive", config.keepalive),
            ("--expire", config.expire),
            ("--interval", config.interval),
            ("--announce-interval", config.announce_interval),
        ];
        if let Some((flag, _)) = times.iter().find(|(_, time)| *time < Duration::from_millis(10)) {
            return Err(CliError::usage(format!("{flag} is too short: expected at least 10ms")));
        }
        if config.expire < config.keepalive {
            return Err(CliError::usage(format!(
                "--expire {:?} is shorter than --keepalive {:?}: every peer would be dropped",
                config.expire, config.keepalive
            )));
        }
        if self.resolver && !self.zone.is_empty() {
            return Err(CliError::usage(
                "--resolver and --zone exclude each other: a resolver has no authority",
            ));
        }
        if self.resolver && self.delegate.is_empty() {
            return Err(CliError::usage(
                "--resolver needs somebody to ask: --delegate .=ADDR:PORT names the root",
            ));
        }
        self.log().check()
    }

    /// Its part in a hierarchy.
    fn hierarchy(&self) -> HierarchyConfig {
        let default = HierarchyConfig::default();
        HierarchyConfig {
            zones: if self.zone.is_empty() { default.zones } else { self.zone.clone() },
            delegations: self.delegate.clone(),
            resolver: self.resolver,
            chain: self.chain,
            replicas: self.replica.clone(),
            time_scale: self.time_scale.map_or(default.time_scale, |Factor(scale)| scale),
            trace: self.trace.clone(),
            limits: default.limits,
        }
    }

    /// The settings of the tracker.
    pub fn config(&self) -> TrackerConfig {
        let default = TrackerConfig::default();
        let time = |given: Option<TimeSpan>, usual| given.map_or(usual, |TimeSpan(time)| time);
        let some = |given: Option<AtLeastOne>, usual| given.map_or(usual, |AtLeastOne(n)| n);
        TrackerConfig {
            listen: self.listen.unwrap_or(default.listen),
            keepalive: time(self.keepalive, default.keepalive),
            expire: time(self.expire, default.expire),
            interval: time(self.interval, default.interval),
            announce_interval: time(self.announce_interval, default.announce_interval),
            max_torrents: some(self.max_torrents, default.max_torrents),
            max_peers: some(self.max_peers, default.max_peers),
            max_per_ip: self.max_per_ip.map_or(default.max_per_ip, |Count(n)| n),
            hierarchy: self.hierarchy(),
            max_peers_per_torrent: some(self.max_peers_per_torrent, default.max_peers_per_torrent),
            dashboard: self.dashboard,
            trust_ip: self.trust_ip,
            allow: self.allow.clone(),
            state: self.state.clone(),
        }
    }

    /// What is to be logged, and where to.
    pub fn log(&self) -> LogArgs {
        LogArgs {
            quiet: self.quiet,
            verbose: self.verbose,
            level: self.log_level,
            file: self.logfile.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, TrackerCommand, tracker};
    use super::*;

    fn parse(line: &str) -> Result<Parsed<TrackerCommand>, CliError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        tracker(&words)
    }

    fn config(line: &str) -> TrackerConfig {
        match parse(line) {
            Ok(Parsed::Command(TrackerCommand::Run(args))) => args.config(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn without_flags_the_settings_are_the_documented_ones() {
        assert_eq!(config(""), TrackerConfig::default());
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let given = config(
            "--listen=0.0.0.0:0 --keepalive 100ms --expire 300ms --interval 1m --announce-interval 5s \
             --max-torrents 1 --max-peers 2 --max-per-ip 0 --max-peers-per-torrent 3 --trust-ip \
             --dashboard --allow list --state saved --zone 3f --zone cs.uct --delegate 3f2=127.0.0.21:1 --chain \
             --replica 127.0.0.22:1 --time-scale 60 --trace t",
        );
        let expected = TrackerConfig {
            listen: SocketAddr::from(([0, 0, 0, 0], 0)),
            keepalive: Duration::from_millis(100),
            expire: Duration::from_millis(300),
            interval: Duration::from_mins(1),
            announce_interval: Duration::from_secs(5),
            max_torrents: 1,
            max_peers: 2,
            max_per_ip: 0,
            hierarchy: HierarchyConfig {
                zones: vec!["3f".parse().unwrap(), "cs.uct".parse().unwrap()],
                delegations: vec![("3f2".parse().unwrap(), "127.0.0.21:1".parse().unwrap())],
                resolver: false,
                chain: true,
                replicas: vec!["127.0.0.22:1".parse().unwrap()],
                time_scale: 60.0,
                trace: Some("t".into()),
                limits: HierarchyConfig::default().limits,
            },
            max_peers_per_torrent: 3,
            dashboard: true,
            trust_ip: true,
            allow: Some("list".into()),
            state: Some("saved".into()),
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn an_expiry_below_the_heartbeat_is_refused() {
        let check = |line: &str, expected: &str| {
            assert_eq!(parse(line).expect_err(line).message, expected);
        };
        check(
            "--expire 1s",
            "--expire 1s is shorter than --keepalive 5s: every peer would be dropped",
        );
        check("--interval 0", "--interval is too short: expected at least 10ms");
        check("--lsten 1", "unknown flag --lsten: did you mean --listen?");
        check("dgi x", "unknown command dgi: did you mean tracker dig?");
    }

    #[test]
    fn a_resolver_has_no_authority_and_needs_a_root() {
        let check = |line: &str, expected: &str| {
            assert_eq!(parse(line).expect_err(line).message, expected);
        };
        check(
            "--resolver",
            "--resolver needs somebody to ask: --delegate .=ADDR:PORT names the root",
        );
        check(
            "--resolver --zone 3 --delegate .=127.0.0.10:1",
            "--resolver and --zone exclude each other: a resolver has no authority",
        );
        assert!(parse("--resolver --delegate .=127.0.0.10:1").is_ok());
    }
}
