//! Backend `proc`: a setting run by the programs that ship, each peer a process of its own.
//!
//! ```text
//! Setting, seed -> timetable, words (pure) -> Stage: tracker, peers, orders -> results -> Outcome
//!                                   Place: loopback, or namespaces joined by an emulated link
//! ```
//! Whatever happens, no process is left, and no file.

/// What is to be done in a run, in order of time.
pub mod agenda;
/// Backend `net`.
pub mod namespaces;
/// Where the processes are.
pub mod place;
/// One peer of a run.
mod player;
/// From what was seen to the outcome.
mod results;
/// A run.
mod stage;
/// The files of a run.
mod store;
/// When everybody comes and goes.
pub mod timetable;
/// One timeline of the traces of all peers.
mod traces;
/// The command lines of a run.
mod words;

use super::child::Running;
use crate::cli::exit::CliError;
use crate::lab::outcome::{Outcome, RunError, Runner, Watch};
use crate::lab::setting::Setting;
use place::{Loopback, Opener};
use stage::Stage;
use std::fs;
use std::path::PathBuf;
use store::Store;

/// The most processes that one machine is asked to run as peers.
pub const MOST_PROCESSES: usize = 64;

/// The programs that ship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// `peer`.
    pub peer: PathBuf,
    /// `tracker`.
    pub tracker: PathBuf,
}

impl Programs {
    /// Those that are installed beside this program.
    pub fn beside_this() -> Result<Self, CliError> {
        Ok(Self { peer: super::beside("peer")?, tracker: super::beside("tracker")? })
    }
}

/// Runs settings by real processes.
pub struct Proc {
    programs: Programs,
    running: Running,
    opener: Opener,
    /// Where the log goes of a peer that ended by itself.
    pub logs: Option<PathBuf>,
}

impl Proc {
    /// On this machine's loopback. `running` can end all processes from elsewhere.
    pub fn new(programs: Programs, running: Running) -> Self {
        Self::within(programs, running, Box::new(|_, _, _| Ok(Box::new(Loopback))))
    }

    /// In places that are opened for each run.
    pub fn within(programs: Programs, running: Running, opener: Opener) -> Self {
        Self { programs, running, opener, logs: None }
    }

    /// Keeps the log of who is to blame, and says where.
    fn keep_log(&self, stage: &Stage<'_>) -> Option<String> {
        let trouble = stage.trouble.clone()?;
        let kept = self.logs.as_ref().zip(stage.log.as_ref()).and_then(|(folder, (name, log))| {
            let kept = folder.join(format!("{name}.log"));
            fs::create_dir_all(folder).and_then(|()| fs::copy(log, &kept)).ok().map(|_| kept)
        });
        Some(match kept {
            Some(kept) => format!("{trouble}; its log is {}", kept.display()),
            None => trouble,
        })
    }
}

impl Runner for Proc {
    fn run(
        &mut self,
        setting: &Setting,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, RunError> {
        let members = timetable::members(setting, seed);
        let place = (self.opener)(setting, seed, &members)?;
        words::check(setting, &members, place.as_ref())?;
        let store = Store::open(setting, seed).map_err(|why| RunError::Failed(why.message))?;
        let mut stage = Stage::new(setting, &self.programs, self.running.clone(), place, store);
        let opened = stage.open(&members, watch);
        if let Err(why) = opened {
            let named = self.keep_log(&stage);
            return Err(named.map_or(why, RunError::Failed));
        }
        stage.play(watch)?;
        stage.close();
        let mut outcome = outcome(&mut stage);
        if watch.wants_trace() {
            traces::replay(&stage.players, stage.begun, watch)
                .map_err(|why| RunError::Failed(format!("cannot read a trace: {why}")))?;
        }
        outcome.invalid = self.keep_log(&stage).or(outcome.invalid);
        Ok(outcome)
    }
}

/// What came of a run that is over.
fn outcome(stage: &mut Stage<'_>) -> Outcome {
    let setting = stage.setting();
    let size = setting.content.size;
    let lies = |at: &usize| setting.groups[stage.players[*at].member.group].lies;
    let liars: Vec<_> = (0..stage.players.len()).filter(lies).map(|at| stage.address(at)).collect();
    let peers: Vec<_> =
        stage.players.iter().map(|player| results::outcome(player, stage.begun, size)).collect();
    let mut metrics = results::metrics(&stage.players, &liars, size);
    let (mut bad, mut invalid) = (0, None);
    for (player, peer) in stage.players.iter().zip(&peers) {
        if peer.completed.is_none() {
            continue;
        }
        let wrong = stage.store().wrong_bytes(&player.folder);
        bad += wrong;
        if wrong > 0 {
            let name = &player.name;
            invalid.get_or_insert(format!("{wrong} bytes of {name} differ from the content"));
        }
    }
    metrics.insert("bad_bytes".into(), bad as f64);
    Outcome { peers, metrics, series: std::mem::take(&mut stage.samples), invalid }
}

#[cfg(test)]
mod tests {
    use crate::lab::setting::{Content, Group, Role, Setting};
    use std::time::Duration;

    /// A peer of this name and role, otherwise as usual.
    pub fn group(name: &str, role: Role) -> Group {
        Group { super_seeding: true, ..Group::new(name, role, 1) }
    }

    /// A seed and two peers that share 300 kB on the loopback.
    pub fn setting() -> Setting {
        let peers = Group { count: 2, ..group("peer", Role::Leech) };
        Setting {
            limit: Duration::from_mins(1),
            ..Setting::new(
                Content { size: 300_000, piece: 65536 },
                vec![group("seed", Role::Seed), peers],
            )
        }
    }
}
