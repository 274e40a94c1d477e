//! `peer --seed`, `peer --leech`: the flags of a running node.

use super::super::door::Login;
use super::super::exit::CliError;
use super::super::logging::{LogArgs, level};
use super::super::show::read_torrent;
use super::super::style::ColorChoice;
use super::super::units::{AtLeastOne, Count, Factor, PieceLength, RateLimit, Ratio, TimeSpan};
use super::super::what::What;
use super::{TrackerChoice, address, port, tracker_choice};
use crate::config::{ChokerChoice, IoMode, PeerConfig, PortChoice, ResolveMode, default_bind};
use crate::logic::picker::Policy;
use crate::metainfo::magnet::Magnet;
use crate::nearest::nearest;
use argh::{ArgsInfo, FromArgs};
use log::LevelFilter;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// Share and fetch files.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"))]
pub struct NodeArgs {
    /// a file or folder to share, one torrent each; PATH.torrent serves that torrent's data
    #[argh(option, arg_name = "path")]
    pub seed: Vec<PathBuf>,

    /// what to fetch: name, name@hashprefix, file.torrent, magnet or info-hash
    #[argh(option, arg_name = "what")]
    pub leech: Vec<What>,

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

    /// most connections at once (200)
    #[argh(option, arg_name = "n")]
    pub max_peers: Option<AtLeastOne>,

    /// most connections from one address, 0 = no limit; loopback and private ones are exempt (8)
    #[argh(option, arg_name = "n")]
    pub max_per_ip: Option<Count>,

    /// how many peers are served at once (4)
    #[argh(option, arg_name = "n")]
    pub upload_slots: Option<Count>,

    /// how long to wait until a tracker knows the name (60s)
    #[argh(option, arg_name = "time")]
    pub timeout: Option<TimeSpan>,

    /// how long to serve what is fetched, 0 = not at all (until stopped)
    #[argh(option, arg_name = "time")]
    pub seed_time: Option<TimeSpan>,

    /// serve what is fetched until this many times its size was sent (until stopped)
    #[argh(option, arg_name = "ratio")]
    pub seed_ratio: Option<Ratio>,

    /// piece length of what --seed makes (512KiB, growing above 1 GiB)
    #[argh(option, arg_name = "size")]
    pub piece_length: Option<PieceLength>,

    /// a peer to dial, HOST:PORT, whatever the trackers say; repeatable
    #[argh(option, arg_name = "host:port")]
    pub peer: Vec<String>,

    /// fetch only these files, by number from 0 or by name: 0,2-4; --list shows them
    #[argh(option, arg_name = "list")]
    pub select: Option<String>,

    /// list the files of what --leech names, and fetch nothing
    #[argh(switch)]
    pub list: bool,

    /// fetch pieces in order, the ends of each file first; the same as --picker sequential
    #[argh(switch)]
    pub sequential: bool,

    /// run this by the shell when a download is whole; variables TR_TORRENT_NAME, .._DIR, ..
    #[argh(option, arg_name = "command")]
    pub on_done: Option<String>,

    /// a page to watch and steer it, and a remote control for peer remote and transmission-remote;
    /// PORT or ADDR:PORT (127.0.0.1:9091)
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

    /// who walks a hierarchy of trackers, this peer, a resolver or they themselves: iterative,
    /// recursive or chain
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

    /// write every message and every decision to this file, as JSON lines
    #[argh(option, arg_name = "file")]
    pub trace: Option<PathBuf>,

    /// events as JSON lines on stdout
    #[argh(switch)]
    pub json: bool,

    /// no progress
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

impl NodeArgs {
    /// No flag is given.
    pub(super) fn bare() -> Self {
        Self::from_args(&["peer"], &[]).expect("no flag of a node must be given")
    }

    /// Whether there is anything to do, and no two flags contradict each other.
    pub(super) fn check(&self) -> Result<(), CliError> {
        if self.seed.is_empty() && self.leech.is_empty() {
            return Err(CliError::usage(
                "nothing to do: give --seed PATH or --leech NAME (peer --help shows both)",
            ));
        }
        if self.sequential && self.picker.is_some_and(|picker| picker != Policy::Sequential) {
            return Err(CliError::usage(
                "--sequential and --picker contradict each other: give one",
            ));
        }
        if self.list && !self.seed.is_empty() {
            return Err(CliError::usage("--list is for what --leech names: leave --seed out"));
        }
        if self.select.is_some() && self.leech.is_empty() {
            return Err(CliError::usage(
                "--select is for what --leech names: a torrent is served whole",
            ));
        }
        self.log().check()
    }

    /// The settings of the node; names of `--peer` are looked up here.
    pub fn config(&self) -> Result<PeerConfig, CliError> {
        let default = PeerConfig::default();
        let (mut trackers, mut announce_urls) = (Vec::new(), Vec::new());
        for tracker in &self.tracker {
            match tracker {
                TrackerChoice::Native(address) => trackers.push(address.clone()),
                TrackerChoice::Announce(url) => announce_urls.push(url.clone()),
            }
        }
        let named = self.named_trackers();
        if self.tracker.is_empty() && named.is_empty() {
            trackers = default.trackers;
        }
        let urls = [&announce_urls[..], &named].concat();
        let limit = |given: Option<RateLimit>| given.and_then(|RateLimit(limit)| limit);
        let count = |given: Option<Count>, usual| given.map_or(usual, |Count(n)| n);
        Ok(PeerConfig {
            bind: self.bind.unwrap_or_else(|| default_bind(&trackers, &urls)),
            trackers,
            announce_urls,
            port: match self.port {
                None => default.port,
                Some(0) => PortChoice::Any,
                Some(port) => PortChoice::Exact(port),
            },
            download_dir: self.download_dir.clone().unwrap_or(default.download_dir),
            down_limit: limit(self.downlimit),
            up_limit: limit(self.uplimit),
            max_peers: self.max_peers.map_or(default.max_peers, |AtLeastOne(n)| n),
            max_per_ip: count(self.max_per_ip, default.max_per_ip),
            upload_slots: count(self.upload_slots, default.upload_slots),
            timeout: self.timeout.map_or(default.timeout, |TimeSpan(time)| time),
            seed_time: self.seed_time.map(|TimeSpan(time)| time),
            seed_ratio: self.seed_ratio.map(|Ratio(ratio)| ratio),
            piece_length: self.piece_length.map(|PieceLength(bytes)| bytes),
            io: self.io.unwrap_or_default(),
            time_scale: self.time_scale.map_or(default.time_scale, |Factor(factor)| factor),
            picker: self.picker.unwrap_or(if self.sequential {
                Policy::Sequential
            } else {
                Policy::default()
            }),
            on_done: self.on_done.clone(),
            choker: self.choker.clone().unwrap_or_default(),
            super_seeding: self.super_seeding.unwrap_or(default.super_seeding),
            pipeline: self.pipeline,
            endgame: self.endgame.unwrap_or(default.endgame),
            resolve: self.resolve,
            dns_prefs: self.dns_prefs,
            trace: self.trace.clone(),
            peers: self.peer.iter().map(|peer| dialled(peer)).collect::<Result<_, _>>()?,
            ..default
        })
    }

    /// URLs of the trackers that the .torrents and magnets name themselves; native ones as
    /// `udp://`, for where they are is all that is asked of them here. What cannot be read names
    /// none, and is reported when its turn comes.
    fn named_trackers(&self) -> Vec<String> {
        let torrents = self.leech.iter().filter_map(|what| match what {
            What::Torrent(path) => Some(path),
            _ => None,
        });
        let seeds = self.seed.iter().filter(|path| is_torrent(path));
        let of_torrents = seeds.chain(torrents).filter_map(|path| read_torrent(path).ok());
        let of_torrents = of_torrents.map(|meta| (meta.trackers.concat(), meta.native_trackers));
        let magnets = self.leech.iter().filter_map(|what| match what {
            What::Magnet(link) => link.parse::<Magnet>().ok(),
            _ => None,
        });
        let of_magnets = magnets.map(|magnet| (magnet.trackers, magnet.native_trackers));
        let named = of_torrents.chain(of_magnets).flat_map(|(mut urls, native)| {
            urls.extend(native.iter().map(|address| format!("udp://{address}")));
            urls
        });
        named.collect()
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

/// The port of the remote control: Transmission's.
pub const DOOR_PORT: u16 = 9091;

/// The most blocks that may be asked of a peer at once: as many requests as any peer lets wait.
const MOST_BLOCKS: u32 = 256;

/// Reads where the remote control listens: nothing, a port, an address, or both.
pub fn endpoint(text: &str) -> Result<SocketAddr, String> {
    const EXPECTED: &str = "expected PORT or ADDR:PORT, such as 9091 or 127.0.0.1:9091";
    let loopback = IpAddr::from([127, 0, 0, 1]);
    if text.is_empty() {
        return Ok(SocketAddr::new(loopback, DOOR_PORT));
    }
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(loopback, port));
    }
    let text = text.replacen("localhost", "127.0.0.1", 1);
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let address: Result<IpAddr, _> = text.trim_matches(['[', ']']).parse();
    address.map(|address| SocketAddr::new(address, DOOR_PORT)).map_err(|_| EXPECTED.into())
}

/// Reads `USER:PASSWORD`.
pub fn user_and_password(text: &str) -> Result<Login, String> {
    text.parse()
}

/// Whether `--seed` names a .torrent and not data.
pub fn is_torrent(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("torrent")) && path.is_file()
}

fn dialled(peer: &str) -> Result<SocketAddr, CliError> {
    let expected = |why: &str| {
        CliError::usage(format!(
            "--peer {peer:?} makes no sense ({why}): expected HOST:PORT of a peer"
        ))
    };
    let port = peer.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none_or(|port| port == 0) {
        return Err(expected("no port"));
    }
    let mut found = peer.to_socket_addrs().map_err(|_| expected("no such host"))?;
    found.next().ok_or_else(|| expected("no such host"))
}

pub(super) fn io_mode(text: &str) -> Result<IoMode, String> {
    named(text, &[("mmap", IoMode::Mmap), ("pread", IoMode::Pread)])
}

pub(super) fn resolve_mode(text: &str) -> Result<ResolveMode, String> {
    let modes = [
        ("iterative", ResolveMode::Iterative),
        ("recursive", ResolveMode::Recursive),
        ("chain", ResolveMode::Chain),
    ];
    named(text, &modes)
}

pub(super) fn super_seeding(text: &str) -> Result<bool, String> {
    named(text, &[("auto", true), ("off", false)])
}

pub(super) fn pipeline(text: &str) -> Result<u32, String> {
    let blocks = text.parse().ok().filter(|blocks| (1..=MOST_BLOCKS).contains(blocks));
    blocks.ok_or_else(|| format!("expected a number of blocks, 1 to {MOST_BLOCKS}"))
}

pub(super) fn endgame(text: &str) -> Result<bool, String> {
    named(text, &[("on", true), ("off", false)])
}

/// One of a few names.
fn named<T: Copy>(text: &str, all: &[(&str, T)]) -> Result<T, String> {
    let names = || all.iter().map(|&(name, _)| name);
    let found = all.iter().find(|&&(name, _)| name == text);
    found.map(|&(_, value)| value).ok_or_else(|| {
        let advice = match nearest(text, names()) {
            Some(name) if all.len() > 1 => format!(": did you mean {name}?"),
            _ => String::new(),
        };
        format!("expected {}{advice}", names().collect::<Vec<_>>().join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, PeerCommand, peer};
    use super::*;
    use crate::config::TrackerAddr;
    use crate::logic::choker::ChokerPolicy;
    use std::time::Duration;

    fn node(line: &str) -> NodeArgs {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        match peer(&words) {
            Ok(Parsed::Command(PeerCommand::Node(args))) => *args,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn config(line: &str) -> PeerConfig {
        node(line).config().expect(line)
    }

    #[test]
    fn without_flags_the_settings_are_the_documented_ones() {
        assert_eq!(config("--seed a"), PeerConfig::default());
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let given = config(
            "--leech x -t 10.0.0.1 -t [::1]:7 -t udp://t:1/announce -w out -p0 --bind 0.0.0.0 -d 500 -u2M \
             --max-peers=9 --max-per-ip 0 --upload-slots 0 --timeout 500ms --seed-time 0 \
             --seed-ratio 1.5 --piece-length 1MiB --peer 127.0.0.2:6881 --picker sequential \
             --choker propshare --super-seeding off --pipeline 5 --endgame off --dns-prefs --time-scale 60 --io pread \
             --trace t.jsonl --resolve chain",
        );
        let expected = PeerConfig {
            trackers: vec![
                TrackerAddr { host: "10.0.0.1".into(), port: 6969 },
                TrackerAddr { host: "::1".into(), port: 7 },
            ],
            announce_urls: vec!["udp://t:1/announce".into()],
            bind: IpAddr::from([0, 0, 0, 0]),
            port: PortChoice::Any,
            download_dir: "out".into(),
            down_limit: Some(500_000),
            up_limit: Some(2_000_000),
            max_peers: 9,
            max_per_ip: 0,
            upload_slots: 0,
            timeout: Duration::from_millis(500),
            seed_time: Some(Duration::ZERO),
            seed_ratio: Some(1.5),
            piece_length: Some(1 << 20),
            peers: vec![SocketAddr::from(([127, 0, 0, 2], 6881))],
            time_scale: 60.0,
            picker: Policy::Sequential,
            choker: ChokerChoice::Policy(ChokerPolicy::PropShare),
            super_seeding: false,
            pipeline: Some(5),
            endgame: false,
            resolve: Some(ResolveMode::Chain),
            dns_prefs: true,
            trace: Some("t.jsonl".into()),
            io: IoMode::Pread,
            ..PeerConfig::default()
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn a_tracker_elsewhere_opens_the_node_to_the_network() {
        assert_eq!(config("--seed a -t 10.0.0.1").bind, IpAddr::from([0, 0, 0, 0]));
        assert_eq!(config("--seed a -t localhost").bind, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(config("--seed a -t udp://t:1").bind, IpAddr::from([0, 0, 0, 0]));
        assert_eq!(config("--seed a -p 7000").port, PortChoice::Exact(7000));
    }

    #[test]
    fn who_names_a_bittorrent_tracker_does_not_get_the_native_one_as_well() {
        let given = config("--seed a -t http://127.0.0.1:8000/announce");
        assert_eq!(given.announce_urls, ["http://127.0.0.1:8000/announce"]);
        assert_eq!(given.trackers, []);
        assert_eq!(given.bind, IpAddr::from([127, 0, 0, 1]));
    }

    #[test]
    fn one_node_seeds_and_leeches_as_much_as_it_is_told() {
        let args = node("--seed a b --leech c d --seed e");
        assert_eq!(args.seed, ["a", "b", "e"].map(PathBuf::from));
        assert_eq!(args.leech.len(), 2);
    }

    #[test]
    fn a_peer_to_dial_needs_an_address_and_a_port() {
        let check = |peer: &str, expected: &str| {
            let error = node(&format!("--leech a --peer {peer}")).config().expect_err(peer);
            assert_eq!(error.message, expected);
        };
        let end = "expected HOST:PORT of a peer";
        check("127.0.0.1", &format!(r#"--peer "127.0.0.1" makes no sense (no port): {end}"#));
        check("127.0.0.1:0", &format!(r#"--peer "127.0.0.1:0" makes no sense (no port): {end}"#));
    }
}
