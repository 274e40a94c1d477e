//! Torrents, peers, trackers and settings as they are shown to people and programs.
//!
//! Plain values, copied out of the running program: who looks at them holds no lock. Sizes are
//! bytes, rates bytes per second, dates seconds of the Unix epoch.

use super::order::Until;
use crate::logic::picker::Priority;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One torrent.
#[derive(Debug, Clone, PartialEq)]
pub struct TorrentView {
    /// Its number in this run, from 1.
    pub id: u32,
    /// Its name; of a magnet without one its hash.
    pub name: String,
    /// Forty hexadecimal digits: the v1 info-hash, or the v2 one cut short.
    pub hash: String,
    /// The v2 info-hash, if it has one.
    pub hash_v2: Option<String>,
    /// What it is doing.
    pub state: State,
    /// What is wrong, if something is.
    pub trouble: Option<Trouble>,
    /// Bytes of all files; 0 while that is not known.
    pub total: u64,
    /// Bytes of the files that are wanted.
    pub wanted: u64,
    /// Bytes of these that are missing.
    pub left: u64,
    /// Bytes that are here and right.
    pub have: u64,
    /// Bytes of what is wanted and missing that connected peers have.
    pub available: u64,
    /// Bytes that came and were wrong.
    pub corrupt: u64,
    /// Bytes received, over all runs.
    pub downloaded: u64,
    /// Bytes sent, over all runs.
    pub uploaded: u64,
    /// Bytes per second received.
    pub down: u64,
    /// Bytes per second sent.
    pub up: u64,
    /// How long until it is whole, if that can be told.
    pub eta: Option<Duration>,
    /// When it was added, became whole, was started, and last moved a byte.
    pub dates: Dates,
    /// How long it fetched and served, over all runs.
    pub spent: Spent,
    /// What its .torrent says of itself.
    pub origin: Origin,
    /// Its link.
    pub magnet: String,
    /// Where its data lies.
    pub folder: PathBuf,
    /// Where its .torrent is kept, if it is.
    pub torrent_file: Option<PathBuf>,
    /// What holds for it.
    pub settings: TorrentSettings,
    /// Its place in the queue, from 0.
    pub queue: usize,
    /// Bytes in a piece.
    pub piece_length: u32,
    /// How many pieces.
    pub piece_count: u32,
    /// The pieces that are here, the first in the highest bit; empty unless asked for.
    pub pieces: Vec<u8>,
    /// How many connected peers have each piece; empty unless asked for.
    pub availability: Vec<u32>,
    /// Its files in their order; empty unless asked for.
    pub files: Vec<FileView>,
    /// How many files.
    pub file_count: usize,
    /// Its peers by address; empty unless asked for.
    pub peers: Vec<PeerView>,
    /// How many peers there are, and of what kind.
    pub crowd: Crowd,
    /// Its trackers by tier; empty unless asked for.
    pub trackers: Vec<TrackerView>,
    /// URLs of its trackers, in tiers.
    pub tiers: Vec<Vec<String>>,
    /// Its web seeds.
    pub web_seeds: Vec<String>,
    /// Whether it was fetched, and served as long as it was to be.
    pub is_finished: bool,
    /// Whether nothing has moved for a while though something should.
    pub is_stalled: bool,
}

/// What a torrent is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    /// Nothing: it was stopped, or has not been started.
    Stopped,
    /// It waits to be checked.
    WaitsToCheck,
    /// Its data is checked.
    Checking {
        /// From 0 to 1.
        done: f64,
    },
    /// Its metadata is being looked for.
    Looking,
    /// It is fetched.
    Downloading,
    /// What is wanted is whole and served.
    Seeding,
}

/// What is wrong with a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A tracker warns of something.
    TrackerWarning(String),
    /// A tracker refuses it or does not answer.
    TrackerError(String),
    /// The disk, or what is on it.
    Local(String),
}

/// When things happened; `None`: not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dates {
    /// It was added.
    pub added: i64,
    /// All that is wanted was here.
    pub done: Option<i64>,
    /// It was last started.
    pub started: Option<i64>,
    /// A byte last moved.
    pub active: Option<i64>,
    /// Its trackers or its name last changed.
    pub edited: Option<i64>,
}

/// How long a torrent was at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Fetching.
    pub downloading: Duration,
    /// Serving what is whole.
    pub seeding: Duration,
}

/// What a .torrent says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Free text.
    pub comment: String,
    /// The program that made it.
    pub creator: String,
    /// When it was made.
    pub created: Option<i64>,
    /// Whether it keeps to its own trackers (BEP 27).
    pub is_private: bool,
}

/// What holds for a torrent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TorrentSettings {
    /// The limit on what is received.
    pub down: Limit,
    /// The limit on what is sent.
    pub up: Limit,
    /// Whether the program's limits hold, too.
    pub honours_limits: bool,
    /// The most connections.
    pub max_peers: usize,
    /// When serving ends by what was sent.
    pub seed_ratio: Until<f64>,
    /// When serving ends by how long nobody asked.
    pub seed_idle: Until<Duration>,
    /// Words to find it by.
    pub labels: Vec<String>,
    /// Pieces in order.
    pub sequential: bool,
    /// How important it is, -1 to 1.
    pub bandwidth: i64,
}

/// A limit, and whether it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// Bytes per second.
    pub rate: u64,
    /// Whether it holds.
    pub on: bool,
}

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileView {
    /// Its path below the folder, with slashes.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// Bytes that are here and right.
    pub done: u64,
    /// Whether it is wanted.
    pub wanted: bool,
    /// How much, if it is wanted: low, normal or high.
    pub priority: Priority,
}

/// One connected peer.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerView {
    /// Where it listens, else where it called from.
    pub address: SocketAddr,
    /// Its program.
    pub client: String,
    /// Whether it speaks our own dialect; else BitTorrent.
    pub is_native: bool,
    /// Whether it called us.
    pub is_incoming: bool,
    /// Whether what is said is encrypted.
    pub is_encrypted: bool,
    /// Who named it.
    pub from: From,
    /// How much of the torrent it has, from 0 to 1.
    pub progress: f64,
    /// Bytes per second that it sends us.
    pub gives: u64,
    /// Bytes per second that we send it.
    pub takes: u64,
    /// Bytes of content received from it.
    pub given: u64,
    /// Bytes of content sent to it.
    pub taken: u64,
    /// Whether we do not serve it.
    pub am_choking: bool,
    /// Whether we serve it on trial.
    pub is_optimistic: bool,
    /// Why we serve it, in words; empty if we do not.
    pub why: String,
    /// Whether we want something of it.
    pub am_interested: bool,
    /// Whether it does not serve us.
    pub peer_choking: bool,
    /// Whether it wants something of us.
    pub peer_interested: bool,
    /// Whether it is late with what it owes.
    pub is_snubbed: bool,
    /// Requests that it has not answered.
    pub requests: usize,
    /// Bytes asked of it and not delivered.
    pub in_flight: u64,
    /// The most bytes that are asked of it at a time.
    pub window: u64,
    /// The shortest time between a question and the first bytes of its answer.
    pub round_trip: Option<Duration>,
    /// How long it has been connected.
    pub connected: Duration,
    /// Its number among the connections of this run.
    pub number: u64,
}

/// Who named a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum From {
    /// A tracker.
    Tracker,
    /// It called.
    Incoming,
    /// Another peer (BEP 11, or natively).
    Gossip,
    /// The user, or a magnet.
    Given,
}

/// How many peers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crowd {
    /// Connected.
    pub connected: usize,
    /// That send us data.
    pub giving: usize,
    /// That we send data to.
    pub taking: usize,
    /// Web seeds that send us data.
    pub web_seeds: usize,
    /// Named by a tracker.
    pub from_tracker: usize,
    /// That called us.
    pub from_incoming: usize,
    /// Named by other peers.
    pub from_gossip: usize,
    /// Named by the user.
    pub from_given: usize,
}

/// One tracker of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerView {
    /// Its number within the torrent.
    pub id: usize,
    /// Its tier.
    pub tier: usize,
    /// Its announce URL; `HOST:PORT` of a native one.
    pub url: String,
    /// Whether others of its tier are asked first, and it was not needed.
    pub is_backup: bool,
    /// Whether it is being asked right now.
    pub is_asking: bool,
    /// When it was last asked.
    pub last: Option<i64>,
    /// What came of that: how many peers it named, or why not.
    pub outcome: Option<Result<usize, String>>,
    /// When it is asked next.
    pub next: Option<i64>,
    /// Peers that have all of it, as it says.
    pub seeders: Option<u32>,
    /// Peers that fetch it, as it says.
    pub leechers: Option<u32>,
    /// How often it was fetched, as it says.
    pub completed: Option<u32>,
}

/// The program, and what holds for all its torrents.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// `swarmlet 0.1.0`.
    pub version: String,
    /// Where settings and torrents are kept; `None`: nothing is kept.
    pub config_dir: Option<PathBuf>,
    /// Where downloads go.
    pub download_dir: PathBuf,
    /// Bytes free there.
    pub free_space: Option<u64>,
    /// The port that peers call.
    pub peer_port: u16,
    /// The limit on what is received.
    pub down: Limit,
    /// The limit on what is sent.
    pub up: Limit,
    /// The limits of the slow lane, `on` in both or none.
    pub slow_down: Limit,
    /// See `slow_down`.
    pub slow_up: Limit,
    /// The most connections.
    pub max_peers: usize,
    /// The most connections of one torrent.
    pub max_peers_per_torrent: usize,
    /// When serving ends by what was sent.
    pub seed_ratio: Option<f64>,
    /// When serving ends by how long nobody asked.
    pub seed_idle: Option<Duration>,
    /// Whether what is added starts at once.
    pub start_added: bool,
    /// Whether a .torrent that was added from a file is deleted.
    pub delete_added: bool,
    /// What is run when a download is whole; set on this machine only, never from outside.
    pub on_done: Option<String>,
    /// Trackers that every torrent is told to.
    pub trackers: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Torrents at work.
    pub active: usize,
    /// Torrents that are stopped.
    pub paused: usize,
    /// Bytes per second received.
    pub down: u64,
    /// Bytes per second sent.
    pub up: u64,
    /// In this run.
    pub current: Sum,
    /// In all runs.
    pub all: Sum,
}

/// What was done over some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Bytes received.
    pub downloaded: u64,
    /// Bytes sent.
    pub uploaded: u64,
    /// Torrents added.
    pub added: u64,
    /// Runs of the program.
    pub runs: u64,
    /// How long it ran.
    pub active: Duration,
}
