//! One torrent of a running program, from its first word to its end: [`Job`].
//!
//! ```text
//! Waiting -> Preparing -> Running (at work | paused) -> Finished
//!    ^           |            |
//!    +-- stopped +            +-> Failed
//! ```
//! What should be (`runs`, `settings`, `priorities`) stands beside what is (`stage`), so that an
//! order that comes while the disk is looked at holds as soon as that is over.

use super::super::exit::CliError;
use super::super::item::Item;
use super::super::prepare::Leash;
use super::super::progress::{State, TorrentLine};
use crate::clock::Moment;
use crate::control::order::{FileChange, Until};
use crate::control::view::TorrentSettings;
use crate::ids::InfoHash;
use crate::logic::history::History;
use crate::logic::picker::Priority;
use crate::logic::swarm::Standing;
use crate::metainfo::Metainfo;
use crate::node::{Torrent, TorrentStatus};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// After so long without a byte the line says that it waits.
pub const QUIET: Duration = Duration::from_secs(3);

/// One torrent of the program.
pub struct Job {
    /// Its number in this run, from 1.
    pub id: u32,
    /// What it is called until its name is known.
    pub label: String,
    /// How it was named.
    pub item: Item,
    /// Where its data goes.
    pub folder: PathBuf,
    /// Whether it is to be at work; a finished one of a daemon no longer is.
    pub runs: bool,
    /// What holds for it.
    pub settings: TorrentSettings,
    /// How much each data file is wanted; empty: all as usual.
    pub priorities: Vec<Priority>,
    /// Its trackers, if they are others than its .torrent names.
    pub tiers: Option<Vec<Vec<String>>>,
    /// What is to change in that once its files are known.
    pub pending: Vec<FileChange>,
    /// Whether it was stopped because it was served as long as was asked.
    pub served_out: bool,
    /// Whether somebody asked how much of it is right.
    pub checks: bool,
    /// The number of the thread that prepares it: what an earlier one says is passed over.
    pub attempt: u32,
    /// Ends that thread when it is dropped.
    pub leash: Option<Leash>,
    /// Whether its files were ever made or found.
    pub opened: bool,
    /// Whether it is kept over a restart.
    pub kept: bool,
    /// What was done in earlier runs, and when what happened.
    pub past: Past,
    /// How fast things went in this run.
    pub history: History,
    /// How far it is.
    pub stage: Stage,
}

/// How far a torrent is.
pub enum Stage {
    /// Nothing of it is opened; its metainfo may be known.
    Waiting(Option<Arc<Metainfo>>),
    /// A thread looks for its metainfo or at its files.
    Preparing(State, Option<Arc<Metainfo>>),
    /// The node has it.
    Running(Box<Running>),
    /// Fetched, served as long as was asked, and done with.
    Finished,
    /// It cannot go on: why, and its metainfo if that was known.
    Failed(String, Option<Arc<Metainfo>>),
}

/// A torrent that the node has, or had until it was paused.
pub struct Running {
    /// It.
    pub torrent: Arc<Torrent>,
    /// Its file or folder, for people.
    pub path: PathBuf,
    /// Since when it is at work in this run.
    pub since: Moment,
    /// When all that is wanted was here.
    pub whole_since: Option<Moment>,
    /// How it stood when it was last looked at.
    pub last: TorrentStatus,
    /// Bytes that had been received when it was last said to be whole.
    pub told: u64,
    /// When its numbers last changed.
    pub moved: Moment,
    /// When it was last looked at.
    pub looked: Moment,
    /// Why it cannot go on.
    pub failed: Option<String>,
    /// Why it does not go on now: its disk failed, and is tried again.
    pub halted: Option<CliError>,
    /// Whether it is taken out of the node.
    pub paused: bool,
}

/// What was done in earlier runs, and when what happened (seconds of the Unix epoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// Bytes received before this run.
    pub downloaded: u64,
    /// Bytes sent before this run.
    pub uploaded: u64,
    /// How long it was fetched.
    pub downloading: Duration,
    /// How long it was served.
    pub seeding: Duration,
    /// It was added.
    pub added: i64,
    /// All that is wanted was here.
    pub done: Option<i64>,
    /// It was last started.
    pub started: Option<i64>,
    /// A byte last moved.
    pub active: Option<i64>,
    /// Its trackers last changed.
    pub edited: Option<i64>,
}

/// When serving a torrent ends, with the program's settings applied; `None`: not for this reason.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ends {
    /// So long after it was whole.
    pub time: Option<Duration>,
    /// When so many times its size was sent.
    pub ratio: Option<f64>,
    /// When nobody asked for so long.
    pub idle: Option<Duration>,
}

impl Job {
    /// Whether it is fetched, not only served.
    pub fn is_download(&self) -> bool {
        self.item.is_download()
    }

    /// Whether something that is to be fetched is not whole, and nobody stopped it.
    pub fn is_unfinished(&self) -> bool {
        match &self.stage {
            Stage::Preparing(..) => self.is_download(),
            Stage::Running(running) => running.last.left > 0 && !running.paused,
            Stage::Waiting(_) | Stage::Finished | Stage::Failed(..) => false,
        }
    }

    /// Whether nothing more comes of it by itself.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Finished | Stage::Failed(..))
    }

    /// What it holds, once that is known.
    pub fn meta(&self) -> Option<&Metainfo> {
        match &self.stage {
            Stage::Running(running) => Some(&running.torrent.meta),
            Stage::Waiting(meta) | Stage::Preparing(_, meta) | Stage::Failed(_, meta) => {
                meta.as_deref()
            }
            Stage::Finished => None,
        }
        .or(match &self.item {
            Item::Torrent(meta) => Some(meta.as_ref()),
            _ => None,
        })
    }

    /// Its name as far as it is known.
    pub fn name(&self) -> &str {
        match &self.stage {
            Stage::Running(running) => &running.torrent.name,
            _ => self.meta().map_or(&self.label, |meta| &meta.name),
        }
    }

    /// Its hash, once it is known.
    pub fn info_hash(&self) -> Option<InfoHash> {
        self.meta().map(Metainfo::info_hash).or_else(|| self.item.info_hash())
    }

    /// The node's torrent, if it has one.
    pub fn running(&self) -> Option<&Running> {
        match &self.stage {
            Stage::Running(running) => Some(running),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.stage {
            Stage::Running(running) => Some(running),
            _ => None,
        }
    }

    /// What was done in all runs up to now.
    pub fn now(&self) -> Past {
        let Some(running) = self.running() else { return self.past };
        Past {
            downloaded: self.past.downloaded + running.last.fetched,
            uploaded: self.past.uploaded + running.last.uploaded,
            ..self.past
        }
    }

    /// Bytes sent per byte of content, over all runs.
    pub fn ratio(&self) -> f64 {
        let Some(running) = self.running() else { return 0.0 };
        let sent = self.past.uploaded + running.last.uploaded;
        sent as f64 / running.last.total.max(1) as f64
    }

    /// Whether it was fetched, and served as long as was asked.
    pub fn is_served_out(&self, now: Moment, ends: &Ends) -> bool {
        let Some(running) = self.running().filter(|running| !running.paused) else { return false };
        let Some(since) = running.whole_since.filter(|_| self.is_download()) else { return false };
        let moved = running.moved.max(since);
        ends.time.is_some_and(|time| now.since(since) >= time)
            || ends.ratio.is_some_and(|wanted| self.ratio() >= wanted)
            || ends.idle.is_some_and(|idle| now.since(moved) >= idle)
    }

    /// When serving it ends; `usual` is what the program's settings say.
    pub fn ends(&self, usual: &Ends) -> Ends {
        let ratio = match self.settings.seed_ratio {
            Until::AsSettings => usual.ratio,
            Until::At(ratio) => Some(ratio),
            Until::Never => None,
        };
        let idle = match self.settings.seed_idle {
            Until::AsSettings => usual.idle,
            Until::At(idle) => Some(idle),
            Until::Never => None,
        };
        Ends { time: usual.time, ratio, idle }
    }

    /// A line about it for people; none when there is nothing to be said any more.
    pub fn line(&self, now: Moment) -> Option<TorrentLine> {
        match &self.stage {
            Stage::Preparing(state, _) => Some(TorrentLine::new(self.name(), state.clone())),
            Stage::Running(running) => running.line(now, self.ratio()),
            Stage::Waiting(_) | Stage::Finished | Stage::Failed(..) => None,
        }
    }
}

impl Running {
    /// Whether its numbers change, or may any moment.
    pub fn is_moving(&self) -> bool {
        let last = &self.last;
        last.down > 0 || last.up > 0 || (last.left > 0 && !self.paused)
    }

    /// Whether all that is wanted is here, on the disk and under its name.
    pub fn is_seeding(&self) -> bool {
        self.last.left == 0 && self.torrent.is_settled()
    }

    fn line(&self, now: Moment, ratio: f64) -> Option<TorrentLine> {
        let last = &self.last;
        let state = match &self.failed {
            Some(why) => State::Halted { why: why.clone() },
            None if let Some(error) = &self.halted => State::Halted { why: error.message.clone() },
            None if self.paused => return None,
            None if self.is_seeding() => State::Seeding,
            None => self.fetching(now),
        };
        Some(TorrentLine {
            done: last.wanted - last.left,
            total: last.wanted,
            down: last.down,
            up: last.up,
            peers: last.peers.len(),
            senders: last.peers.iter().filter(|peer| peer.gives > 0).count(),
            receivers: last
                .peers
                .iter()
                .filter(|p| p.standing != Standing::Choked && p.peer_interested)
                .count(),
            ratio,
            eta: last.left.checked_div(last.down).map(Duration::from_secs),
            ..TorrentLine::new(&self.torrent.name, state)
        })
    }

    fn fetching(&self, now: Moment) -> State {
        let waited = now.since(self.moved);
        if self.last.left == 0 || self.last.down > 0 || waited < QUIET {
            return State::Downloading; // the disk is waited for, or something comes
        }
        let peers = &self.last.peers;
        let what = match peers.len() {
            0 => "no peer has it now",
            _ if peers.iter().all(|peer| !peer.am_interested) => {
                "no connected peer has the missing pieces"
            }
            _ => "all peers are busy with others",
        };
        State::Waiting { what: what.to_owned(), waited }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::what::What;
    use super::*;

    fn job(item: Item, stage: Stage) -> Job {
        Job {
            id: 1,
            label: "big.zip".into(),
            item,
            folder: PathBuf::from("downloads"),
            runs: true,
            settings: TorrentSettings::default(),
            priorities: Vec::new(),
            tiers: None,
            pending: Vec::new(),
            served_out: false,
            checks: false,
            attempt: 1,
            leash: None,
            opened: false,
            kept: false,
            history: History::default(),
            past: Past::default(),
            stage,
        }
    }

    fn checking() -> Stage {
        Stage::Preparing(State::Verifying { done: 1, total: 2 }, None)
    }

    fn download() -> Item {
        Item::Leech("big.zip".parse::<What>().expect("every word is something"))
    }

    #[test]
    fn only_what_is_to_be_fetched_is_unfinished_when_it_is_not_ready() {
        assert!(job(download(), checking()).is_unfinished());
        assert!(!job(Item::Seed("big.zip".into()), checking()).is_unfinished());
        assert!(!job(download(), Stage::Failed("no".into(), None)).is_unfinished());
        assert!(!job(download(), Stage::Waiting(None)).is_unfinished());
    }

    #[test]
    fn what_a_torrent_says_of_its_end_goes_before_what_the_program_says() {
        let usual = Ends { time: None, ratio: Some(2.0), idle: Some(Duration::from_mins(30)) };
        let mut job = job(download(), Stage::Waiting(None));
        assert_eq!(job.ends(&usual), usual);
        job.settings.seed_ratio = Until::At(0.5);
        job.settings.seed_idle = Until::Never;
        assert_eq!(job.ends(&usual), Ends { ratio: Some(0.5), idle: None, ..usual });
    }
}
