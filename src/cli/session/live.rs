//! The settings of a session that can change while it runs: [`Live`].

use super::job::Ends;
use super::kept::put;
use crate::cli::settings_file::{self, Setting};
use crate::config::PeerConfig;
use crate::control::order::{LimitChange, Settings, Until};
use crate::control::view::{Limit, TorrentSettings};
use crate::node::Node;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What holds now. Rates are bytes per second.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Where downloads go.
    pub download_dir: PathBuf,
    /// The limit on what is received.
    pub down: Limit,
    /// The limit on what is sent.
    pub up: Limit,
    /// What is received in the slow lane.
    pub slow_down: u64,
    /// What is sent in the slow lane.
    pub slow_up: u64,
    /// Whether the slow lane's limits hold instead.
    pub slow: bool,
    /// The most connections.
    pub max_peers: usize,
    /// The most connections of one torrent.
    pub max_peers_per_torrent: usize,
    /// How long a finished download is served.
    pub seed_time: Option<Duration>,
    /// Bytes sent per byte of content after which it is no longer served.
    pub seed_ratio: Option<f64>,
    /// How long nobody may ask for it before it is no longer served.
    pub seed_idle: Option<Duration>,
    /// Whether what is added starts at once.
    pub start_added: bool,
    /// Whether a .torrent that was added from a file is deleted.
    pub delete_added: bool,
    /// What is run when a download is whole.
    pub on_done: Option<String>,
    /// Where settings and torrents are kept; none: nowhere.
    pub config_dir: Option<PathBuf>,
    /// The settings file that changes are written to; none: they are not kept.
    pub file: Option<PathBuf>,
}

/// The slow lane's limit, if none is set: Transmission's 50 kB/s.
pub const SLOW: u64 = 50_000;

/// The usual limit once one is switched on without a number: Transmission's 100 kB/s.
const USUAL: u64 = 100_000;

impl Live {
    /// The settings that a program starts with.
    pub fn of(config: &PeerConfig) -> Self {
        let limit = |rate: Option<u64>| Limit { rate: rate.unwrap_or(USUAL), on: rate.is_some() };
        Self {
            download_dir: config.download_dir.clone(),
            down: limit(config.down_limit),
            up: limit(config.up_limit),
            slow_down: SLOW,
            slow_up: SLOW,
            slow: false,
            max_peers: config.max_peers,
            max_peers_per_torrent: config.max_peers,
            seed_time: config.seed_time,
            seed_ratio: config.seed_ratio,
            seed_idle: None,
            start_added: true,
            delete_added: false,
            on_done: config.on_done.clone(),
            config_dir: None,
            file: None,
        }
    }

    /// When serving ends.
    pub fn ends(&self) -> Ends {
        Ends { time: self.seed_time, ratio: self.seed_ratio, idle: self.seed_idle }
    }

    /// What holds for a torrent that says nothing of its own.
    pub fn of_new_torrents(&self) -> TorrentSettings {
        TorrentSettings {
            down: Limit { rate: USUAL, on: false },
            up: Limit { rate: USUAL, on: false },
            honours_limits: true,
            max_peers: self.max_peers_per_torrent,
            seed_ratio: Until::AsSettings,
            seed_idle: Until::AsSettings,
            labels: Vec::new(),
            sequential: false,
            bandwidth: 0,
        }
    }

    /// Bytes per second that may be sent and received now.
    pub fn limits(&self) -> (Option<u64>, Option<u64>) {
        if self.slow {
            return (Some(self.slow_up), Some(self.slow_down));
        }
        (in_force(self.up), in_force(self.down))
    }

    /// Makes the node obey.
    pub fn apply(&self, node: &Node) {
        let (up, down) = self.limits();
        node.set_limits(up, down);
        node.set_max_peers(self.max_peers);
    }

    /// Takes over what is given.
    pub fn change(&mut self, new: &Settings) {
        set(&mut self.download_dir, new.download_dir.clone());
        change(&mut self.down, new.down);
        change(&mut self.up, new.up);
        set(&mut self.slow_down, new.slow_down);
        set(&mut self.slow_up, new.slow_up);
        set(&mut self.slow, new.slow);
        set(&mut self.max_peers, new.max_peers);
        set(&mut self.max_peers_per_torrent, new.max_peers_per_torrent);
        set(&mut self.seed_ratio, new.seed_ratio);
        set(&mut self.seed_idle, new.seed_idle);
        set(&mut self.start_added, new.start_added);
        set(&mut self.delete_added, new.delete_added);
    }
}

/// The rate of a limit that holds. A limit of nothing lets one byte a second through: a node
/// without any would keep its peers waiting for ever.
pub fn in_force(limit: Limit) -> Option<u64> {
    limit.on.then_some(limit.rate.max(1))
}

/// Writes changed settings into the settings file, whose comments stay.
///
/// # Errors
/// In words.
pub fn write_down(file: &Path, live: &Live, new: &Settings) -> Result<(), String> {
    let before = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| format!("cannot read {}: {error}", file.display())),
    }?;
    let after = settings_file::changed(&before, &keys(live, new))
        .map_err(|why| format!("{}: {why}", file.display()))?;
    if after == before {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    let written = std::fs::create_dir_all(folder).and_then(|()| put(file, after.as_bytes()));
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// The keys of the settings file that a change is about.
fn keys(live: &Live, new: &Settings) -> Vec<(&'static str, Setting)> {
    let changes = |change: LimitChange| change != LimitChange::default();
    let number = |n: usize| Setting::Number(n as i64);
    let lane = |rate| rate_setting(Limit { rate, on: true });
    let time = |time: Duration| Setting::Text(format!("{}s", time.as_secs()));
    let all = [
        new.download_dir
            .as_ref()
            .map(|path| ("download-dir", Setting::Text(path.display().to_string()))),
        changes(new.down).then(|| ("downlimit", rate_setting(live.down))),
        changes(new.up).then(|| ("uplimit", rate_setting(live.up))),
        new.slow_down.map(|rate| ("slow-downlimit", lane(rate))),
        new.slow_up.map(|rate| ("slow-uplimit", lane(rate))),
        new.slow.map(|on| ("slow", Setting::Switch(on))),
        new.max_peers.map(|n| ("max-peers", number(n))),
        new.max_peers_per_torrent.map(|n| ("max-peers-per-torrent", number(n))),
        new.seed_ratio.map(|ratio| ("seed-ratio", ratio.map_or(Setting::Unset, Setting::Fraction))),
        new.seed_idle.map(|idle| ("seed-idle", idle.map_or(Setting::Unset, time))),
        new.start_added.map(|starts| ("paused", Setting::Switch(!starts))),
        new.delete_added.map(|deletes| ("delete-added", Setting::Switch(deletes))),
    ];
    all.into_iter().flatten().collect()
}

/// A limit as it stands in a settings file: `500k`, and 0 for none.
pub fn rate_setting(limit: Limit) -> Setting {
    match limit {
        Limit { on: false, .. } => Setting::Number(0),
        Limit { rate, .. } if rate.is_multiple_of(1000) => {
            Setting::Text(format!("{}k", rate / 1000))
        }
        Limit { rate, .. } => Setting::Text(format!("{rate}B/s")),
    }
}

/// Changes a limit in part.
pub fn change(limit: &mut Limit, new: LimitChange) {
    set(&mut limit.rate, new.rate);
    set(&mut limit.on, new.on);
}

/// Takes a new value over, if there is one.
pub fn set<T>(value: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *value = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slow_lane_goes_before_the_usual_limits() {
        let mut live = Live::of(&PeerConfig { up_limit: Some(7), ..PeerConfig::default() });
        assert_eq!(live.limits(), (Some(7), None));
        live.change(&Settings { slow: Some(true), slow_up: Some(3), ..Settings::default() });
        assert_eq!(live.limits(), (Some(3), Some(SLOW)));
        live.change(&Settings { slow: Some(false), ..Settings::default() });
        assert_eq!(live.limits(), (Some(7), None));
    }

    #[test]
    fn a_limit_may_be_set_before_it_holds() {
        let mut live = Live::of(&PeerConfig::default());
        let rate = LimitChange { rate: Some(5), on: None };
        live.change(&Settings { down: rate, ..Settings::default() });
        assert_eq!(live.limits(), (None, None));
        let on = LimitChange { rate: None, on: Some(true) };
        live.change(&Settings { down: on, ..Settings::default() });
        assert_eq!(live.limits(), (None, Some(5)));
        let none = LimitChange { rate: Some(0), on: None };
        live.change(&Settings { down: none, ..Settings::default() });
        assert_eq!(live.limits(), (None, Some(1)), "nothing at all is not a rate");
    }
}
