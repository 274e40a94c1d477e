//! `session-get`, `session-set` and `session-stats`: the program and what holds for all torrents.

use super::super::order::{LimitChange, Order, Reply, Settings, Until};
use super::super::view::{Session, Statistics, Sum};
use super::Rpc;
use super::args::{Args, Fault};
use super::fields::tracker_list;
use super::kept::Kept;
use super::names::{Spelling, snake};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The versions of the interface that the two dialects are, as number and in three parts.
pub const MIXED_VERSION: (u64, &str) = (17, "5.3.0");
/// The newer one.
pub const SNAKE_VERSION: (u64, &str) = (18, "6.0.0");

/// `session-get`.
pub fn get(rpc: &Rpc, args: &Args<'_>, spelling: Spelling) -> Result<Map<String, Value>, Fault> {
    let wanted = args.texts("fields")?;
    let wanted = wanted.map(|names| names.iter().map(|name| snake(name)).collect::<Vec<_>>());
    let session = look(rpc)?;
    let mut facts = facts(rpc, &session, spelling);
    facts.extend(rpc.kept.lock().all().map(|(name, value)| (name.to_owned(), value)));
    if let Some(wanted) = wanted {
        facts.retain(|name, _| wanted.contains(&snake(name)));
    }
    Ok(facts)
}

/// `session-set`: everything is checked before anything changes.
pub fn set(rpc: &Rpc, args: &Args<'_>) -> Result<(), Fault> {
    refuse_doors(args)?;
    let checked = Kept::check(args)?;
    let mut settings = Settings {
        download_dir: args.folder("download-dir", "download directory path")?,
        down: limit(args, "speed-limit-down", "speed-limit-down-enabled")?,
        up: limit(args, "speed-limit-up", "speed-limit-up-enabled")?,
        slow_down: args.rate("alt-speed-down")?,
        slow_up: args.rate("alt-speed-up")?,
        slow: args.flag("alt-speed-enabled")?,
        max_peers: args.count("peer-limit-global")?,
        max_peers_per_torrent: args.count("peer-limit-per-torrent")?,
        seed_ratio: None,
        seed_idle: None,
        start_added: args.flag("start-added-torrents")?,
        delete_added: args.flag("trash-original-torrent-files")?,
    };
    let ratio = (args.flag("seedRatioLimited")?, args.ratio("seedRatioLimit")?);
    let idle = (args.flag("idle-seeding-limit-enabled")?, args.minutes("idle-seeding-limit")?);
    let port = args.whole("peer-port", 0..=i64::from(u16::MAX))?;
    let needs_look = port.is_some() || ratio != (None, None) || idle != (None, None);
    let (mut kept_ratio, mut kept_idle) = (ratio.1, idle.1);
    if needs_look {
        let session = look(rpc)?;
        check_port(port, &session)?;
        let kept = rpc.kept.lock();
        let own_idle = session.seed_idle.map(|idle| idle.as_secs() / 60);
        settings.seed_ratio =
            until(ratio, session.seed_ratio, kept.ratio).map(|until| match until {
                Until::At(ratio) => Some(ratio),
                _ => None,
            });
        settings.seed_idle = until(idle, own_idle, kept.idle_minutes).map(|until| match until {
            Until::At(minutes) => Some(Duration::from_secs(minutes * 60)),
            _ => None,
        });
        // What held is remembered when it holds no longer.
        kept_ratio = kept_ratio.or(session.seed_ratio);
        kept_idle = kept_idle.or(own_idle);
    }
    if settings != Settings::default() {
        rpc.done(Order::Set(Box::new(settings)))?;
    }
    let mut kept = rpc.kept.lock();
    kept.keep(checked);
    kept.ratio = kept_ratio.unwrap_or(kept.ratio);
    kept.idle_minutes = kept_idle.unwrap_or(kept.idle_minutes);
    Ok(())
}

/// `session-stats`.
pub fn stats(rpc: &Rpc) -> Result<Map<String, Value>, Fault> {
    let Reply::Statistics(stats) = rpc.ask(Order::Statistics)? else { return Err(Fault::Gone) };
    let Statistics { active, paused, down, up, current, all } = stats;
    Ok(object(json!({
        "activeTorrentCount": active,
        "pausedTorrentCount": paused,
        "torrentCount": active + paused,
        "downloadSpeed": down,
        "uploadSpeed": up,
        "current-stats": sum(&current),
        "cumulative-stats": sum(&all),
    })))
}

/// A map of what is written as an object.
pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn look(rpc: &Rpc) -> Result<Session, Fault> {
    match rpc.ask(Order::Session)? {
        Reply::Session(session) => Ok(*session),
        _ => Err(Fault::Gone),
    }
}

fn sum(sum: &Sum) -> Value {
    json!({
        "uploadedBytes": sum.uploaded,
        "downloadedBytes": sum.downloaded,
        "filesAdded": sum.added,
        "sessionCount": sum.runs,
        "secondsActive": sum.active.as_secs(),
    })
}

/// What nobody may change from outside: it would run a program, or open another door.
fn refuse_doors(args: &Args<'_>) -> Result<(), Fault> {
    const READ_ONLY: [&str; 3] = ["rpc_version", "rpc_version_minimum", "rpc_version_semver"];
    let mut names: Vec<&str> = args.names().filter(|name| !READ_ONLY.contains(name)).collect();
    names.sort_unstable();
    for name in names {
        let why = if name.starts_with("script_") {
            "a program to be run is named on the peer's own machine only (--on-done)"
        } else if name.starts_with("rpc_") {
            "how this door is opened is said on the peer's own machine only"
        } else if name == "default_trackers" {
            "trackers of all torrents are named on the peer's own machine only (--tracker)"
        } else {
            continue;
        };
        return Err(Fault::Refused(format!("{}: {why}", name.replace('_', "-"))));
    }
    Ok(())
}

fn check_port(port: Option<i64>, session: &Session) -> Result<(), Fault> {
    match port {
        Some(port) if port != i64::from(session.peer_port) => Err(Fault::Refused(format!(
            "peer-port: the peer listens on {} while it runs; --port says where it starts",
            session.peer_port
        ))),
        _ => Ok(()),
    }
}

fn limit(args: &Args<'_>, rate: &str, on: &str) -> Result<LimitChange, Fault> {
    Ok(LimitChange { rate: args.rate(rate)?, on: args.flag(on)? })
}

/// What becomes of a limit that is there or not, by whether it is to hold and by its value.
fn until<T: Copy>(given: (Option<bool>, Option<T>), own: Option<T>, kept: T) -> Option<Until<T>> {
    match given {
        (None, None) => None,
        (Some(false), _) => Some(Until::Never),
        (Some(true), value) => Some(Until::At(value.or(own).unwrap_or(kept))),
        (None, Some(value)) => own.is_some().then_some(Until::At(value)),
    }
}

/// What is so, and what the program's settings are.
fn facts(rpc: &Rpc, session: &Session, spelling: Spelling) -> Map<String, Value> {
    let (number, semver) = if spelling == Spelling::Snake { SNAKE_VERSION } else { MIXED_VERSION };
    let (kept_ratio, kept_idle) = {
        let kept = rpc.kept.lock();
        (kept.ratio, kept.idle_minutes)
    };
    let on_done = session.on_done.as_deref();
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let mut facts = object(json!({
        "alt-speed-down": session.slow_down.rate / 1000,
        "alt-speed-enabled": session.slow_down.on,
        "alt-speed-up": session.slow_up.rate / 1000,
        "blocklist-size": 0,
        "config-dir": session.config_dir.as_deref().map_or(String::new(), path),
        "default-trackers": tracker_list(&session.trackers.iter().map(|t| vec![t.clone()])
            .collect::<Vec<_>>()),
        "download-dir": path(&session.download_dir),
        "download-dir-free-space": session.free_space.map_or(-1, |free| free as i64),
        "idle-seeding-limit": session.seed_idle.map_or(kept_idle, |idle| idle.as_secs() / 60),
        "idle-seeding-limit-enabled": session.seed_idle.is_some(),
        "peer-limit-global": session.max_peers,
        "peer-limit-per-torrent": session.max_peers_per_torrent,
        "peer-port": session.peer_port,
        "rpc-version": number,
        "rpc-version-minimum": 14,
        "rpc-version-semver": semver,
        "seedRatioLimit": session.seed_ratio.unwrap_or(kept_ratio),
        "seedRatioLimited": session.seed_ratio.is_some(),
        "session-id": rpc.session_id,
        "speed-limit-down": session.down.rate / 1000,
        "speed-limit-down-enabled": session.down.on,
        "speed-limit-up": session.up.rate / 1000,
        "speed-limit-up-enabled": session.up.on,
        "start-added-torrents": session.start_added,
        "trash-original-torrent-files": session.delete_added,
        "units": units(),
        "version": session.version,
    }));
    facts.extend(object(json!({
        "script-torrent-added-enabled": false,
        "script-torrent-added-filename": "",
        "script-torrent-done-enabled": on_done.is_some(),
        "script-torrent-done-filename": on_done.unwrap_or_default(),
        "script-torrent-done-seeding-enabled": false,
        "script-torrent-done-seeding-filename": "",
    })));
    facts
}

/// Rates and sizes are decimal, memory is binary.
fn units() -> Value {
    json!({
        "speed-units": ["kB/s", "MB/s", "GB/s", "TB/s"],
        "speed-bytes": 1000,
        "size-units": ["kB", "MB", "GB", "TB"],
        "size-bytes": 1000,
        "memory-units": ["KiB", "MiB", "GiB", "TiB"],
        "memory-bytes": 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_switched_by_its_flag_and_keeps_its_value() {
        let check = |given, own, expected| assert_eq!(until(given, own, 7), expected);
        check((None, None), Some(1), None);
        check((Some(false), Some(2)), Some(1), Some(Until::Never));
        check((Some(true), Some(2)), None, Some(Until::At(2)));
        check((Some(true), None), Some(1), Some(Until::At(1)));
        check((Some(true), None), None, Some(Until::At(7)));
        check((None, Some(2)), Some(1), Some(Until::At(2)));
        check((None, Some(2)), None, None);
    }
}
