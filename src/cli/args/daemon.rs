//! `peer daemon`: the flags of a program that keeps many torrents.

use super::super::door::Login;
use super::super::exit::CliError;
use super::super::logging::{LogArgs, level};
use super::super::places::Places;
use super::super::session::live::{Live, SLOW, rate_setting};
use super::super::settings_file::{self, Setting};
use super::super::style::ColorChoice;
use super::super::units::{AtLeastOne, Count, Factor, RateLimit, Ratio, TimeSpan};
use super::node::{
    DOOR_PORT, endgame, endpoint, io_mode, pipeline, resolve_mode, super_seeding, user_and_password,
};
use super::{NodeArgs, TrackerChoice, address, port, tracker_choice};
use crate::config::{ChokerChoice, IoMode, PeerConfig, ResolveMode};
use crate::control::view::Limit;
use crate::logic::picker::Policy;
use argh::{ArgsInfo, FromArgs};
use log::LevelFilter;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Keep many torrents over restarts, steered by peer remote or transmission-remote.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(
    help_triggers("--help"),
    example = "peer daemon --share /srv/images --download-dir /srv/downloads"
)]
pub struct DaemonArgs {
    /// a folder whose entries are served, each a torrent of its own; new ones are published, those
    /// that go are withdrawn
    #[argh(option, arg_name = "dir")]
    pub share: Option<PathBuf>,

    /// a folder whose .torrent and .magnet files are taken up
    #[argh(option, arg_name = "dir")]
    pub watch_dir: Option<PathBuf>,

    /// where downloads go ($XDG_DOWNLOAD_DIR, or ~/Downloads)
    #[argh(option, short = 'w', arg_name = "dir")]
    pub download_dir: Option<PathBuf>,

    /// a tracker: HOST:PORT of ours, or a udp://, http:// or https:// URL; repeatable
    /// (127.0.0.1:6969)
    #[argh(option, short = 't', arg_name = "tracker", from_str_fn(tracker_choice))]
    pub tracker: Vec<TrackerChoice>,

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

    /// most that is received in the slow lane (50k)
    #[argh(option, arg_name = "rate")]
    pub slow_downlimit: Option<RateLimit>,

    /// most that is sent in the slow lane (50k)
    #[argh(option, arg_name = "rate")]
    pub slow_uplimit: Option<RateLimit>,

    /// begin in the slow lane: its limits hold instead of the others
    #[argh(switch)]
    pub slow: bool,

    /// most connections at once (200)
    #[argh(option, arg_name = "n")]
    pub max_peers: Option<AtLeastOne>,

    /// most connections of one torrent at once (50)
    #[argh(option, arg_name = "n")]
    pub max_peers_per_torrent: Option<AtLeastOne>,

    /// most connections from one address, 0 = no limit; loopback and private ones are exempt (8)
    #[argh(option, arg_name = "n")]
    pub max_per_ip: Option<Count>,

    /// how many peers of a torrent are served at once (4)
    #[argh(option, arg_name = "n")]
    pub upload_slots: Option<Count>,

    /// stop a torrent when this many times its size was sent (never)
    #[argh(option, arg_name = "ratio")]
    pub seed_ratio: Option<Ratio>,

    /// stop a torrent so long after it was whole (never)
    #[argh(option, arg_name = "time")]
    pub seed_time: Option<TimeSpan>,

    /// stop a torrent when nobody asked for it for so long (never)
    #[argh(option, arg_name = "time")]
    pub seed_idle: Option<TimeSpan>,

    /// which piece comes next: rarest, random or sequential (rarest)
    #[argh(option, arg_name = "name")]
    pub picker: Option<Policy>,

    /// whom to serve, exec:COMMAND asks a program: tft, legout, random, round-robin, all, freeride,
    /// bittyrant, propshare or student (tft)
    #[argh(option, arg_name = "name")]
    pub choker: Option<ChokerChoice>,

    /// show pieces one by one while no other seeder is there: auto or off (auto)
    #[argh(option, arg_name = "how", from_str_fn(super_seeding))]
    pub super_seeding: Option<bool>,

    /// keep so many blocks of 16 KiB asked of each peer (as many as it delivers)
    #[argh(option, arg_name = "blocks", from_str_fn(pipeline))]
    pub pipeline: Option<u32>,

    /// ask others, too, for the last that slow peers owe: on or off (on)
    #[argh(option, arg_name = "how", from_str_fn(endgame))]
    pub endgame: Option<bool>,

    /// the trackers are a hierarchy: walk it (iterative), or have a resolver (recursive) or the
    /// trackers (chain) walk
    #[argh(option, arg_name = "how", from_str_fn(resolve_mode))]
    pub resolve: Option<ResolveMode>,

    /// call trackers where their name servers say that they are (BEP 34)
    #[argh(switch)]
    pub dns_prefs: bool,

    /// divide the strategies' timers by this, for lectures (1)
    #[argh(option, arg_name = "x")]
    pub time_scale: Option<Factor>,

    /// how files are written: mmap or pread (mmap)
    #[argh(option, arg_name = "how", from_str_fn(io_mode))]
    pub io: Option<IoMode>,

    /// start nothing: neither what was kept nor what is added
    #[argh(switch)]
    pub paused: bool,

    /// delete a .torrent that was added from a file, instead of renaming it
    #[argh(switch)]
    pub delete_added: bool,

    /// run this by the shell when a download is whole; variables TR_TORRENT_NAME, .._DIR, ..
    #[argh(option, arg_name = "command")]
    pub on_done: Option<String>,

    /// where its page and its remote control are: PORT or ADDR:PORT (127.0.0.1:9091)
    #[argh(option, arg_name = "port", from_str_fn(endpoint))]
    pub web: Option<SocketAddr>,

    /// user and password of the remote control; needed beyond the loopback
    #[argh(option, arg_name = "user:password", from_str_fn(user_and_password))]
    pub auth: Option<Login>,

    /// a name that the remote control may be called by, besides localhost and addresses; repeatable
    #[argh(option, arg_name = "name")]
    pub allow_host: Vec<String>,

    /// a folder with a web page of Transmission's, served at /transmission/web/
    /// ($TRANSMISSION_WEB_HOME)
    #[argh(option, arg_name = "dir")]
    pub web_home: Option<PathBuf>,

    /// the folder of config.toml and of what is kept (the XDG folders)
    #[argh(option, arg_name = "dir")]
    pub config_dir: Option<PathBuf>,

    /// the settings file (config.toml in the folder of settings)
    #[argh(option, arg_name = "file")]
    pub config: Option<PathBuf>,

    /// print the settings as a file, and end
    #[argh(switch)]
    pub dump_settings: bool,

    /// write the process's number to this file, and delete it at the end
    #[argh(option, arg_name = "file")]
    pub pid_file: Option<PathBuf>,

    /// write every message and every decision to this file, as JSON lines
    #[argh(option, arg_name = "file")]
    pub trace: Option<PathBuf>,

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

/// The most connections of one torrent when none is given: a thread each.
const MAX_PEERS_PER_TORRENT: usize = 50;

impl DaemonArgs {
    /// Whether no two flags contradict each other.
    pub(super) fn check_flags(&self) -> Result<(), CliError> {
        let folders = [&self.share, &self.watch_dir];
        if folders[0].is_some() && folders[0] == folders[1] {
            return Err(CliError::usage(
                "--share and --watch-dir are the same folder: what is to become of its .torrents?",
            ));
        }
        self.log().check()
    }

    /// The settings of the node.
    pub fn config(&self, places: &Places) -> Result<PeerConfig, CliError> {
        let mut config = self.as_node().config()?;
        if let (None, Some(downloads)) = (&self.download_dir, &places.downloads) {
            config.download_dir.clone_from(downloads);
        }
        Ok(config)
    }

    /// The settings that can change while it runs.
    pub fn live(&self, config: &PeerConfig) -> Live {
        let slow = |given: Option<RateLimit>| given.and_then(|RateLimit(r)| r).unwrap_or(SLOW);
        let per_torrent = self.max_peers_per_torrent.map(|AtLeastOne(most)| most);
        Live {
            slow_down: slow(self.slow_downlimit),
            slow_up: slow(self.slow_uplimit),
            slow: self.slow,
            max_peers_per_torrent: per_torrent.unwrap_or(MAX_PEERS_PER_TORRENT),
            seed_idle: self.seed_idle.map(|TimeSpan(idle)| idle),
            start_added: !self.paused,
            delete_added: self.delete_added,
            ..Live::of(config)
        }
    }

    /// Where the remote control listens.
    pub fn door(&self) -> SocketAddr {
        self.web.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], DOOR_PORT)))
    }

    /// What is to be logged, and where to.
    pub fn log(&self) -> LogArgs {
        self.as_node().log()
    }

    /// The flags that it has in common with a peer in the foreground.
    fn as_node(&self) -> NodeArgs {
        NodeArgs {
            tracker: self.tracker.clone(),
            download_dir: self.download_dir.clone(),
            port: self.port,
            bind: self.bind,
            downlimit: self.downlimit,
            uplimit: self.uplimit,
            max_peers: self.max_peers,
            max_per_ip: self.max_per_ip,
            upload_slots: self.upload_slots,
            seed_time: self.seed_time,
            seed_ratio: self.seed_ratio,
            on_done: self.on_done.clone(),
            picker: self.picker,
            choker: self.choker.clone(),
            super_seeding: self.super_seeding,
            pipeline: self.pipeline,
            endgame: self.endgame,
            resolve: self.resolve,
            dns_prefs: self.dns_prefs,
            time_scale: self.time_scale,
            io: self.io,
            trace: self.trace.clone(),
            quiet: self.quiet,
            verbose: self.verbose,
            log_level: self.log_level,
            logfile: self.logfile.clone(),
            ..NodeArgs::bare()
        }
    }

    /// The settings as a file: every key with its documentation.
    pub fn printed(&self, config: &PeerConfig, live: &Live) -> String {
        settings_file::printed(&Self::get_args_info(), |key| self.setting(key, config, live))
    }

    fn setting(&self, key: &str, config: &PeerConfig, live: &Live) -> Setting {
        let path = |path: &Option<PathBuf>| {
            path.as_ref().map_or(Setting::Unset, |p| Setting::Text(p.display().to_string()))
        };
        let time = |time: Option<std::time::Duration>| {
            time.map_or(Setting::Unset, |t| Setting::Text(format!("{}ms", t.as_millis())))
        };
        let text = |text: &str| Setting::Text(text.to_owned());
        let number = |n: usize| Setting::Number(n as i64);
        match key {
            "share" => path(&self.share),
            "watch-dir" => path(&self.watch_dir),
            "download-dir" => path(&Some(config.download_dir.clone())),
            "tracker" => {
                let native = config.trackers.iter().map(ToString::to_string);
                Setting::List(native.chain(config.announce_urls.iter().cloned()).collect())
            }
            "port" => self.port.map_or(Setting::Unset, |port| Setting::Number(port.into())),
            "bind" => self.bind.map_or(Setting::Unset, |bind| Setting::Text(bind.to_string())),
            "downlimit" => rate_setting(live.down),
            "uplimit" => rate_setting(live.up),
            "slow-downlimit" => rate_setting(Limit { rate: live.slow_down, on: true }),
            "slow-uplimit" => rate_setting(Limit { rate: live.slow_up, on: true }),
            "slow" => Setting::Switch(live.slow),
            "max-peers" => number(live.max_peers),
            "max-peers-per-torrent" => number(live.max_peers_per_torrent),
            "max-per-ip" => number(config.max_per_ip),
            "upload-slots" => number(config.upload_slots),
            "seed-ratio" => live.seed_ratio.map_or(Setting::Unset, Setting::Fraction),
            "seed-time" => time(live.seed_time),
            "seed-idle" => time(live.seed_idle),
            "picker" => text(name_of(&format!("{:?}", config.picker))),
            "choker" => {
                let choker = self.choker.as_ref();
                choker.map_or(Setting::Unset, |choker| Setting::Text(choker.to_string()))
            }
            "super-seeding" => text(if config.super_seeding { "auto" } else { "off" }),
            "pipeline" => self.pipeline.map_or(Setting::Unset, |n| Setting::Number(n.into())),
            "endgame" => text(if config.endgame { "on" } else { "off" }),
            "resolve" => {
                let name = config.resolve.map(|mode| format!("{mode:?}").to_lowercase());
                name.map_or(Setting::Unset, Setting::Text)
            }
            "dns-prefs" => Setting::Switch(config.dns_prefs),
            "time-scale" => Setting::Fraction(config.time_scale),
            "io" => text(if config.io == IoMode::Mmap { "mmap" } else { "pread" }),
            "paused" => Setting::Switch(self.paused),
            "delete-added" => Setting::Switch(live.delete_added),
            "on-done" => live.on_done.as_deref().map_or(Setting::Unset, text),
            "web" => Setting::Text(self.door().to_string()),
            "auth" => {
                self.auth.as_ref().map_or(Setting::Unset, |login| Setting::Text(login.pair()))
            }
            "allow-host" => Setting::List(self.allow_host.clone()),
            "web-home" => path(&self.web_home),
            "pid-file" => path(&self.pid_file),
            "trace" => path(&self.trace),
            "json" => Setting::Switch(self.json),
            "quiet" => Setting::Switch(self.quiet),
            "verbose" => Setting::Number(self.verbose.into()),
            "log-level" => {
                let level = self.log_level.map(|level| level.to_string().to_lowercase());
                level.map_or(Setting::Unset, Setting::Text)
            }
            "logfile" => path(&self.logfile),
            "color" => text(match self.color {
                ColorChoice::Auto => "auto",
                ColorChoice::Always => "always",
                ColorChoice::Never => "never",
            }),
            _ => Setting::Unset,
        }
    }
}

/// The name of a picker.
fn name_of(variant: &str) -> &'static str {
    match variant {
        "Random" => "random",
        "Sequential" => "sequential",
        _ => "rarest",
    }
}
