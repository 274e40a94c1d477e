//! What a program can be told and asked: [`Order`], and its [`Reply`] or [`Refusal`].

use super::board::{Board, Layer, Past};
use super::view::{Session, Statistics, TorrentView};
use crate::logic::picker::Priority;
use crate::node::trace::Lines;
use std::path::PathBuf;
use std::time::Duration;

/// Something to be done or told.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// How torrents stand. [`Reply::Torrents`]
    Look {
        /// Which torrents.
        which: Which,
        /// How much of them.
        detail: Detail,
    },
    /// The settings and what the program is. [`Reply::Session`]
    Session,
    /// What all torrents together did. [`Reply::Statistics`]
    Statistics,
    /// One torrent, looked at closely. [`Reply::Board`]
    Board(u32, Layer),
    /// How fast things went, and one torrent by its number. [`Reply::Past`]
    Past(Option<u32>),
    /// The trace from a place on, or from now on. [`Reply::Log`]
    Log(Option<u64>),
    /// Takes a torrent up. [`Reply::Added`]
    Add(Box<Addition>),
    /// Lets torrents go. [`Reply::Done`]
    Remove {
        /// Which torrents.
        which: Which,
        /// Whether what was fetched is deleted too: the files of the torrent, and no others.
        with_data: bool,
    },
    /// Fetches and serves again. [`Reply::Done`]
    Start(Which),
    /// Fetches and serves no more, and stays listed. [`Reply::Done`]
    Stop(Which),
    /// Checks what is on disk. [`Reply::Done`]
    Verify(Which),
    /// Asks the trackers for more peers. [`Reply::Done`]
    Announce(Which),
    /// Changes some torrents' settings. [`Reply::Done`]
    Change {
        /// Which torrents.
        which: Which,
        /// What changes.
        change: Box<Change>,
    },
    /// Changes the program's settings, and keeps them. [`Reply::Done`]
    Set(Box<Settings>),
    /// Moves torrents in the queue. [`Reply::Done`]
    Queue {
        /// Which torrents.
        which: Which,
        /// Where to.
        to: Place,
    },
    /// Goes on with data that is in another folder. [`Reply::Done`]
    Locate {
        /// Which torrents.
        which: Which,
        /// The folder, absolute.
        folder: PathBuf,
    },
    /// How much room a folder has. [`Reply::Room`]
    FreeSpace(PathBuf),
    /// What the trackers' catalogues list. [`Reply::Catalogue`]
    Catalogue,
    /// Ends the program. [`Reply::Done`]
    Close,
}

impl Order {
    /// Whether nothing changes by it.
    pub fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::Look { .. }
                | Self::Session
                | Self::Statistics
                | Self::Board(..)
                | Self::Past(_)
                | Self::Log(_)
                | Self::FreeSpace(_)
                | Self::Catalogue
        )
    }
}

/// Which torrents an order means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that changed within the last minute; asks for what was removed, too.
    Recent,
    /// These. One that does not exist is passed over, as in Transmission's RPC.
    These(Vec<Name>),
}

/// How an order names a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// The number that it has in this run, from 1.
    Id(u32),
    /// The hexadecimal digits of one of its info-hashes: 40 of v1 (or of v2 cut short), or 64 of v2.
    Hash(String),
}

/// How much of a torrent is looked at. What is not asked for is left empty in the view: peers and
/// pieces of a thousand torrents are not collected for a list of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Detail {
    /// [`TorrentView::files`].
    pub files: bool,
    /// [`TorrentView::peers`].
    pub peers: bool,
    /// [`TorrentView::trackers`].
    pub trackers: bool,
    /// [`TorrentView::pieces`] and [`TorrentView::availability`].
    pub pieces: bool,
}

/// A torrent to be taken up.
#[derive(Debug, Clone, PartialEq)]
pub struct Addition {
    /// Where it comes from.
    pub source: Source,
    /// Where its data goes; `None`: the folder of the settings.
    pub folder: Option<PathBuf>,
    /// Whether it waits to be started; `None`: as the settings say.
    pub paused: Option<bool>,
    /// What else holds for it from the start.
    pub change: Change,
}

/// Where a torrent comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A word as behind `--leech`: a name, a hash, a magnet, a URL, or the path of a .torrent.
    What(String),
    /// The bytes of a .torrent.
    Torrent(Vec<u8>),
    /// A file or folder to hash and serve.
    Seed(PathBuf),
}

/// New values of a torrent's settings; `None` leaves one as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// How much files are wanted: (index, priority). Several entries of one file: the last holds.
    /// An empty list of files in `wanted` means all of them.
    pub wanted: Vec<FileChange>,
    /// Bytes per second received at most, and whether that holds.
    pub down: LimitChange,
    /// Bytes per second sent at most, and whether that holds.
    pub up: LimitChange,
    /// Whether the program's limits hold for it, too.
    pub honours_limits: Option<bool>,
    /// The most connections.
    pub max_peers: Option<usize>,
    /// When serving ends by what was sent.
    pub seed_ratio: Option<Until<f64>>,
    /// When serving ends by how long nobody asked.
    pub seed_idle: Option<Until<Duration>>,
    /// Words to find it by.
    pub labels: Option<Vec<String>>,
    /// Pieces in order, with the ends of each file first.
    pub sequential: Option<bool>,
    /// How important it is, -1 to 1; kept and shown.
    pub bandwidth: Option<i64>,
    /// The place in the queue, from 0.
    pub queue: Option<usize>,
    /// Trackers to add, each a tier of its own.
    pub add_trackers: Vec<String>,
    /// Trackers to remove, by number as they are shown, or by URL.
    pub remove_trackers: Vec<TrackerName>,
    /// All trackers, in tiers.
    pub trackers: Option<Vec<Vec<String>>>,
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// These are wanted (as much as they were before), or all if there are none.
    Want(Vec<usize>),
    /// These are not wanted, or all if there are none.
    Skip(Vec<usize>),
    /// These are wanted so much, if they are wanted at all; or all if there are none.
    Rate(Priority, Vec<usize>),
}

/// How a tracker of a torrent is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerName {
    /// By its `id`.
    Id(usize),
    /// By its URL.
    Url(String),
}

/// A limit that changes in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitChange {
    /// Bytes per second.
    pub rate: Option<u64>,
    /// Whether it holds.
    pub on: Option<bool>,
}

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Until<T> {
    /// When the program's settings say so.
    #[default]
    AsSettings,
    /// At this value.
    At(T),
    /// Never.
    Never,
}

/// Where in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// First.
    Top,
    /// One before.
    Up,
    /// One behind.
    Down,
    /// Last.
    Bottom,
}

/// New values of the program's settings; `None` leaves one as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Where downloads go.
    pub download_dir: Option<PathBuf>,
    /// Bytes per second received at most.
    pub down: LimitChange,
    /// Bytes per second sent at most.
    pub up: LimitChange,
    /// The slow lane's bytes per second received.
    pub slow_down: Option<u64>,
    /// The slow lane's bytes per second sent.
    pub slow_up: Option<u64>,
    /// Whether the slow lane's limits hold instead of the usual ones.
    pub slow: Option<bool>,
    /// The most connections.
    pub max_peers: Option<usize>,
    /// The most connections of one torrent.
    pub max_peers_per_torrent: Option<usize>,
    /// When serving ends by what was sent; `None` inside: never.
    pub seed_ratio: Option<Option<f64>>,
    /// When serving ends by how long nobody asked; `None` inside: never.
    pub seed_idle: Option<Option<Duration>>,
    /// Whether what is added starts at once.
    pub start_added: Option<bool>,
    /// Whether a .torrent that was added from a file is deleted.
    pub delete_added: Option<bool>,
}

/// What an order brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is done, or has begun.
    Done,
    /// How torrents stand, by their numbers.
    Torrents {
        /// Those that were meant and exist.
        torrents: Vec<TorrentView>,
        /// Numbers of those that were removed within the last minute ([`Which::Recent`] only).
        removed: Vec<u32>,
    },
    /// The settings.
    Session(Box<Session>),
    /// What was done.
    Statistics(Statistics),
    /// A torrent; `None` if there is none of that number, or it is not at work.
    Board(Option<Box<Board>>),
    /// How fast things went.
    Past(Box<Past>),
    /// A part of the trace.
    Log(Lines),
    /// A torrent was taken up.
    Added {
        /// It; of a magnet not much is known yet.
        torrent: Box<TorrentView>,
        /// Whether it was there before; then nothing changed.
        duplicate: bool,
    },
    /// Room on a disk.
    Room {
        /// Bytes free.
        free: u64,
        /// Bytes in all.
        total: u64,
    },
    /// What trackers list.
    Catalogue(Vec<CatalogueEntry>),
}

/// A content that a tracker lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// Its name.
    pub name: String,
    /// Its v2 info-hash, 64 hexadecimal digits.
    pub info_hash: String,
    /// Bytes.
    pub size: u64,
    /// Peers that have all of it.
    pub seeders: u32,
    /// Peers that fetch it.
    pub leechers: u32,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be done: one sentence, what and why.
    #[error("{0}")]
    No(String),
    /// The program does not answer: it is on its way out.
    #[error("the program is stopping")]
    Gone,
}
