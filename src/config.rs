//! Every knob, with its default and its unit: [`PeerConfig`] and [`TrackerConfig`].
//!
//! A field's comment is its manual: what it does, its default, its unit and what zero means.
//! The command line fills these structs and the programs' bodies read them; nothing here reads a
//! file, an environment variable or a socket. What no flag can set is a constant beside the code
//! that applies it, with the reason for its value.

/// How peers to be served are chosen.
mod choker_choice;

/// A tracker's part in a hierarchy.
pub mod hierarchy;

pub use choker_choice::ChokerChoice;
pub use hierarchy::{HierarchyConfig, ResolveMode};

use crate::logic::picker::Policy;
use crate::protocol::url::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The tracker's port, when none is given.
pub const TRACKER_PORT: u16 = 6969;

/// The peer's ports, when none is given (BEP 3 names this range).
pub const PEER_PORTS: RangeInclusive<u16> = 6881..=6889;

/// What a peer does and how much of everything it may use.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerConfig {
    /// Trackers of the native dialect (`--tracker HOST:PORT`), asked all at once.
    /// Default: `127.0.0.1:6969`, unless [`PeerConfig::announce_urls`] are given.
    /// Empty: no tracker of that kind.
    pub trackers: Vec<TrackerAddr>,
    /// URLs of BitTorrent trackers (`--tracker udp://..`, `http://..`, `https://..`) that every
    /// torrent is announced to, besides those that it names itself. Default: none.
    pub announce_urls: Vec<String>,

    /// Whether the native trackers are a hierarchy, and how it is asked (`--resolve`): a torrent is
    /// then registered with the tracker that has authority for it. Default: no.
    pub resolve: Option<ResolveMode>,

    /// Address to listen on, and the source of everything outgoing (`--bind`).
    /// Default: see [`default_bind`].
    pub bind: IpAddr,

    /// Port to listen on (`--port`). Default: the first free of 6881 to 6889; zero means any free
    /// port. The port taken is printed.
    pub port: PortChoice,

    /// Folder that downloads go to, created when it is missing (`--download-dir`).
    /// Default: `downloads` in the current folder.
    pub download_dir: PathBuf,

    /// Most bytes per second received, over all torrents (`--downlimit`).
    /// Default: none; zero on the command line means none.
    pub down_limit: Option<u64>,

    /// Most bytes per second sent, over all torrents (`--uplimit`).
    /// Default: none; zero on the command line means none.
    pub up_limit: Option<u64>,

    /// Most connections at once, over all torrents (`--max-peers`). Default: 200. Zero is refused.
    pub max_peers: usize,

    /// How many peers are served at once (`--upload-slots`). Default: 4. Zero: nobody is served.
    pub upload_slots: usize,

    /// How long to wait until a tracker answers and knows the name (`--timeout`). Once the metadata
    /// is there a download waits for peers as long as it takes.
    /// Default: 60 s. Zero: ask once and do not wait.
    pub timeout: Duration,

    /// How often the trackers are asked again while a name is being looked for. Default: 2 s.
    pub retry_interval: Duration,

    /// How long a finished download is served before the program ends (`--seed-time`).
    /// Default: none, it is served until the program is stopped. Zero: not at all.
    pub seed_time: Option<Duration>,

    /// Bytes sent per byte of content after which a finished download is no longer served
    /// (`--seed-ratio`). Default: none. Zero: it is not served at all.
    pub seed_ratio: Option<f64>,

    /// Bytes in a piece of a torrent made by `--seed`: a power of two, at least 16 KiB
    /// (`--piece-length`). Default: none, it is 512 KiB and grows with the content above 1 GiB.
    pub piece_length: Option<u32>,

    /// How files are written (`--io`). Default: mmap.
    pub io: IoMode,

    /// Divides strategy timers (rechoke, snub, rate window, heartbeat), so that a lecture need not
    /// wait for them (`--time-scale`). Rates and the deadlines of sockets and requests stay real.
    /// Default: 1. Zero is refused.
    pub time_scale: f64,

    /// Which piece is asked for next (`--picker`). Default: the rarest.
    pub picker: Policy,

    /// Whom to serve (`--choker`): a strategy that ships, or a program. Default: tit for tat.
    pub choker: ChokerChoice,

    /// Whether the only seeder of a torrent shows its pieces one by one, so that it uploads hardly
    /// more than one copy before there is a second (`--super-seeding`, BEP 16). Default: yes.
    pub super_seeding: bool,

    /// How many blocks of 16 KiB are kept asked of one peer (`--pipeline`). Default: none, as many
    /// as the peer delivers in a round trip and half a second, which is measured. Zero is refused.
    pub pipeline: Option<u32>,

    /// Whether what slow peers owe is asked of others, too, once nothing else is left to ask for
    /// (`--endgame`). Default: yes.
    pub endgame: bool,

    /// Whether trackers' hosts are called where their TXT records say (`--dns-prefs`, BEP 34).
    /// Default: no, where the URL says.
    pub dns_prefs: bool,

    /// Most connections from one address (`--max-per-ip`); loopback and private addresses are
    /// exempt. Default: 8. Zero: no limit.
    pub max_per_ip: usize,

    /// File that every message and every decision is written to, as JSON lines (`--trace`); what it
    /// held is lost. Default: none.
    pub trace: Option<PathBuf>,

    /// What the shell runs when a download is whole (`--on-done`). Default: nothing.
    pub on_done: Option<String>,

    /// Peers to dial without being told of them by a tracker (`--peer`). Default: none.
    pub peers: Vec<SocketAddr>,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            trackers: vec![TrackerAddr::default()],
            announce_urls: Vec::new(),
            resolve: None,
            bind: Ipv4Addr::LOCALHOST.into(),
            port: PortChoice::FirstFree(PEER_PORTS),
            download_dir: "downloads".into(),
            down_limit: None,
            up_limit: None,
            max_peers: 200,
            upload_slots: 4,
            timeout: Duration::from_mins(1),
            retry_interval: Duration::from_secs(2),
            seed_time: None,
            seed_ratio: None,
            piece_length: None,
            io: IoMode::default(),
            time_scale: 1.0,
            picker: Policy::default(),
            choker: ChokerChoice::default(),
            super_seeding: true,
            pipeline: None,
            endgame: true,
            dns_prefs: false,
            max_per_ip: 8,
            trace: None,
            on_done: None,
            peers: Vec::new(),
        }
    }
}

/// The address to bind when none is given: the loopback when every tracker is there, else any. A
/// tracker sends others to where it hears us from, so we listen in its family:
///
/// | trackers | address |
/// |---|---|
/// | all on the IPv6 loopback | `::1` |
/// | all on a loopback | `127.0.0.1`: the network sees nothing of what is on this machine alone |
/// | elsewhere, one of them an IPv6 address | `::`, where IPv4 is heard as well |
/// | elsewhere, or none | `0.0.0.0` |
pub fn default_bind(trackers: &[TrackerAddr], announce_urls: &[String]) -> IpAddr {
    let of_url = |url: &String| Url::parse(url).ok().and_then(|url| url.address());
    let native = trackers.iter().map(TrackerAddr::address);
    let all: Vec<_> = native.chain(announce_urls.iter().map(of_url)).collect();
    let known = || all.iter().flatten().map(IpAddr::to_canonical);
    let all_known = !all.is_empty() && known().count() == all.len();
    match all_known && known().all(|ip| ip.is_loopback()) {
        true if known().all(|ip| ip.is_ipv6()) => Ipv6Addr::LOCALHOST.into(),
        true => Ipv4Addr::LOCALHOST.into(),
        false if known().any(|ip| ip.is_ipv6()) => Ipv6Addr::UNSPECIFIED.into(),
        false => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// How a listening port is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortChoice {
    /// The first of these that is free.
    FirstFree(RangeInclusive<u16>),
    /// This one, or an error.
    Exact(u16),
    /// Whichever the system gives.
    Any,
}

/// How output files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoMode {
    /// Through a memory map.
    #[default]
    Mmap,
    /// With `pwrite`, and read back with `pread`.
    Pread,
}

/// Where a tracker of the native dialect is: a name or an address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerAddr {
    /// A DNS name or an IP address, without brackets.
    pub host: String,
    /// The port: the same number for UDP and TCP.
    pub port: u16,
}

impl TrackerAddr {
    /// The host, if it is an address and no name; `localhost` counts as one.
    pub fn address(&self) -> Option<IpAddr> {
        if self.host.eq_ignore_ascii_case("localhost") {
            return Some(Ipv4Addr::LOCALHOST.into());
        }
        self.host.parse().ok()
    }
}

impl Default for TrackerAddr {
    fn default() -> Self {
        Self { host: Ipv4Addr::LOCALHOST.to_string(), port: TRACKER_PORT }
    }
}

impl std::fmt::Display for TrackerAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a tracker does and how much it may hold.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerConfig {
    /// Address and port, the same for UDP and TCP (`--listen`).
    /// Default: `127.0.0.1:6969`. Port zero: any free port, which is printed.
    pub listen: SocketAddr,

    /// How often a peer is to say that it is there (`--keepalive`). Default: 5 s. Zero is refused.
    pub keepalive: Duration,

    /// How long a silent peer stays on the list (`--expire`); at least the keepalive.
    /// Default: 15 s, three heartbeats. Zero is refused.
    pub expire: Duration,

    /// How often a peer is to ask for more peers (`--interval`). Default: 30 s. Zero is refused.
    pub interval: Duration,

    /// How often a BitTorrent client is to announce itself (`--announce-interval`); it is dropped
    /// after three, but not within 15 minutes. Default: 2 min. Zero is refused.
    pub announce_interval: Duration,

    /// Most torrents known at once (`--max-torrents`). Default: 1,000,000. Zero is refused.
    pub max_torrents: usize,

    /// Most registrations at once, over all torrents (`--max-peers`).
    /// Default: 1,000,000. Zero is refused.
    pub max_peers: usize,

    /// Most registrations from one address (`--max-per-ip`); loopback and private addresses are
    /// exempt. Default: 10,000. Zero: no limit.
    pub max_per_ip: usize,

    /// Its part in a hierarchy of trackers. Default: none, it has authority for everything.
    pub hierarchy: HierarchyConfig,

    /// Most registrations of one torrent (`--max-peers-per-torrent`). Default: 2,000. Zero is
    /// refused.
    pub max_peers_per_torrent: usize,

    /// Whether whole swarms are shown live at `/swarm-view`, and native peers with loopback or
    /// private addresses asked whom they serve (`--dashboard`). Default: no.
    pub dashboard: bool,

    /// Whether a peer with a loopback or private address is listed under the address that its
    /// announce names (`--trust-ip`). Default: no, it is listed where it asks from.
    pub trust_ip: bool,

    /// A file of the info-hashes that are served, one a line (`--allow`); SIGHUP reads it again.
    /// Default: none, everything is served.
    pub allow: Option<PathBuf>,

    /// A file that keeps the published .torrents over a restart (`--state`). Default: none.
    pub state: Option<PathBuf>,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), TRACKER_PORT),
            keepalive: Duration::from_secs(5),
            expire: Duration::from_secs(15),
            interval: Duration::from_secs(30),
            announce_interval: Duration::from_mins(2),
            max_torrents: 1_000_000,
            max_peers: 1_000_000,
            max_per_ip: 10_000,
            hierarchy: HierarchyConfig::default(),
            max_peers_per_torrent: 2_000,
            dashboard: false,
            trust_ip: false,
            allow: None,
            state: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str) -> TrackerAddr {
        TrackerAddr { host: host.into(), port: TRACKER_PORT }
    }

    #[test]
    fn a_peer_binds_to_the_loopback_only_when_every_tracker_is_there() {
        let check = |all: &[&str], expected: IpAddr| {
            let is_url = |word: &&&str| word.contains("://");
            let trackers: Vec<_> = all.iter().filter(|w| !is_url(w)).map(|w| at(w)).collect();
            let urls: Vec<_> = all.iter().filter(is_url).map(ToString::to_string).collect();
            assert_eq!(default_bind(&trackers, &urls), expected, "{all:?}");
        };
        let (near, any) = (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::UNSPECIFIED.into());
        check(&["127.0.0.1"], near);
        check(&["127.8.0.1", "localhost", "::1"], near);
        check(&["127.0.0.1", "10.0.0.1"], any);
        check(&["tracker.example"], any);
        check(&["udp://127.0.0.1:1", "http://[::1]/announce"], near);
        check(&["::ffff:127.0.0.1"], near);
        check(&["127.0.0.1", "http://tracker.example/announce"], any);
        check(&["10.0.0.1", "udp://localhost:1"], any);
        check(&["::ffff:10.0.0.1"], any);
        check(&[], any);
        let (near, any) = (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into());
        check(&["::1"], near);
        check(&["::1", "http://[::1]:1/announce"], near);
        check(&["fd00::1"], any);
        check(&["10.0.0.1", "fd00::1"], any);
        check(&["::1", "tracker.example"], any);
    }

    #[test]
    fn a_tracker_address_prints_as_it_is_typed() {
        assert_eq!(at("127.0.0.1").to_string(), "127.0.0.1:6969");
        assert_eq!(at("::1").to_string(), "[::1]:6969");
    }

    #[test]
    fn a_silent_peer_is_dropped_after_three_heartbeats() {
        let config = TrackerConfig::default();
        assert_eq!(config.expire, config.keepalive * 3);
    }
}
