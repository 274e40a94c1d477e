//! What is written of a torrent beside its .torrent: [`Kept`], a JSON object.

use super::job::{Job, Past};
use crate::cli::item::Item;
use crate::control::order::Until;
use crate::control::view::{Limit, TorrentSettings};
use crate::logic::picker::Priority;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The form of the files.
const VERSION: u32 = 1;

/// The most that a figure of earlier runs counts: whatever a damaged file says, sums fit.
pub(super) const MOST: u64 = 1 << 60;

/// What is written of a torrent beside its .torrent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kept {
    version: u32,
    /// The word it was named by, while its metainfo is not here.
    pub(super) what: Option<String>,
    /// The path that is served.
    pub(super) seed: Option<PathBuf>,
    folder: PathBuf,
    runs: bool,
    opened: bool,
    pub(super) place: usize,
    /// `-` not wanted, `l`, `n`, `h`: a letter for each data file.
    priorities: String,
    down: (u64, bool),
    up: (u64, bool),
    honours_limits: bool,
    max_peers: usize,
    seed_ratio: Option<f64>,
    seed_ratio_mode: u8,
    seed_idle_secs: Option<u64>,
    seed_idle_mode: u8,
    labels: Vec<String>,
    sequential: bool,
    bandwidth: i64,
    tiers: Option<Vec<Vec<String>>>,
    downloaded: u64,
    uploaded: u64,
    downloading_secs: u64,
    seeding_secs: u64,
    added: i64,
    done: Option<i64>,
    started: Option<i64>,
    active: Option<i64>,
    edited: Option<i64>,
}

impl Kept {
    /// Why it cannot be taken up although it could be read; `None` if it can.
    pub fn is_foreign(&self) -> Option<String> {
        let version = self.version;
        (version != VERSION).then(|| format!("it is of version {version}, and we know {VERSION}"))
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            version: VERSION,
            what: None,
            seed: None,
            folder: PathBuf::new(),
            runs: true,
            opened: true,
            place: usize::MAX,
            priorities: String::new(),
            down: (0, false),
            up: (0, false),
            honours_limits: true,
            max_peers: 0,
            seed_ratio: None,
            seed_ratio_mode: 0,
            seed_idle_secs: None,
            seed_idle_mode: 0,
            labels: Vec::new(),
            sequential: false,
            bandwidth: 0,
            tiers: None,
            downloaded: 0,
            uploaded: 0,
            downloading_secs: 0,
            seeding_secs: 0,
            added: 0,
            done: None,
            started: None,
            active: None,
            edited: None,
        }
    }
}

fn letter(priority: Priority) -> char {
    match priority {
        Priority::Skip => '-',
        Priority::Low => 'l',
        Priority::Normal => 'n',
        Priority::High => 'h',
    }
}

fn priority(letter: char) -> Option<Priority> {
    [Priority::Skip, Priority::Low, Priority::Normal, Priority::High]
        .into_iter()
        .find(|&known| self::letter(known) == letter)
}

fn parts<T>(until: Until<T>) -> (Option<T>, u8) {
    match until {
        Until::AsSettings => (None, 0),
        Until::At(value) => (Some(value), 1),
        Until::Never => (None, 2),
    }
}

fn until<T>(value: Option<T>, mode: u8) -> Until<T> {
    match (value, mode) {
        (Some(value), 1) => Until::At(value),
        (_, 2) => Until::Never,
        _ => Until::AsSettings,
    }
}

impl Kept {
    /// What is to be kept of a torrent.
    pub fn of(job: &Job, place: usize) -> Self {
        let TorrentSettings { down, up, seed_ratio, seed_idle, .. } = job.settings.clone();
        let (seed_ratio, seed_ratio_mode) = parts(seed_ratio);
        let (seed_idle, seed_idle_mode) = parts(seed_idle);
        let past = job.now();
        Self {
            version: VERSION,
            what: if job.meta().is_some() { None } else { job.item.word() },
            seed: match &job.item {
                Item::Seed(path) => Some(path.clone()),
                _ => None,
            },
            folder: job.folder.clone(),
            runs: job.runs,
            opened: job.opened,
            place,
            priorities: job.priorities.iter().copied().map(letter).collect(),
            down: (down.rate, down.on),
            up: (up.rate, up.on),
            honours_limits: job.settings.honours_limits,
            max_peers: job.settings.max_peers,
            seed_ratio,
            seed_ratio_mode,
            seed_idle_secs: seed_idle.map(|idle| idle.as_secs()),
            seed_idle_mode,
            labels: job.settings.labels.clone(),
            sequential: job.settings.sequential,
            bandwidth: job.settings.bandwidth,
            tiers: job.tiers.clone(),
            downloaded: past.downloaded,
            uploaded: past.uploaded,
            downloading_secs: past.downloading.as_secs(),
            seeding_secs: past.seeding.as_secs(),
            added: past.added,
            done: past.done,
            started: past.started,
            active: past.active,
            edited: past.edited,
        }
    }

    /// Sets a torrent up as it was.
    pub fn restore(self, job: &mut Job) {
        if !self.folder.as_os_str().is_empty() {
            job.folder = self.folder;
        }
        job.runs = self.runs;
        job.opened = self.opened;
        job.priorities = self.priorities.chars().filter_map(priority).collect();
        job.tiers = self.tiers;
        job.settings = TorrentSettings {
            down: Limit { rate: self.down.0, on: self.down.1 },
            up: Limit { rate: self.up.0, on: self.up.1 },
            honours_limits: self.honours_limits,
            max_peers: if self.max_peers == 0 { job.settings.max_peers } else { self.max_peers },
            seed_ratio: until(self.seed_ratio, self.seed_ratio_mode),
            seed_idle: until(self.seed_idle_secs.map(Duration::from_secs), self.seed_idle_mode),
            labels: self.labels,
            sequential: self.sequential,
            bandwidth: self.bandwidth.clamp(-1, 1),
        };
        job.past = Past {
            downloaded: self.downloaded.min(MOST),
            uploaded: self.uploaded.min(MOST),
            downloading: Duration::from_secs(self.downloading_secs.min(MOST)),
            seeding: Duration::from_secs(self.seeding_secs.min(MOST)),
            added: self.added,
            done: self.done,
            started: self.started,
            active: self.active,
            edited: self.edited,
        };
    }
}
