//! `--on-done COMMAND`: run by the shell when a download is whole, with the torrent's facts in the
//! environment variables of Transmission's done script.
//!
//! Nothing of the torrent stands in the command itself: a name from a stranger is a value, never
//! words of the shell. The command's output goes to stderr, as stdout carries data only.

use super::job::{Job, Running};
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::Builder;
use std::time::SystemTime;

/// What the command is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables(Vec<(&'static str, String)>);

impl Variables {
    /// Those of a torrent that is whole.
    pub fn of(job: &Job, running: &Running) -> Self {
        let meta = &running.torrent.meta;
        let folder = std::path::absolute(&job.folder).unwrap_or_else(|_| job.folder.clone());
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        Self(vec![
            ("TR_APP_VERSION", env!("CARGO_PKG_VERSION").to_owned()),
            ("TR_TIME_LOCALTIME", local_time(SystemTime::now())),
            ("TR_TORRENT_BYTES_DOWNLOADED", running.last.fetched.to_string()),
            ("TR_TORRENT_DIR", path(folder)),
            ("TR_TORRENT_HASH", running.torrent.info_hash.short().to_string()),
            ("TR_TORRENT_ID", job.id.to_string()),
            ("TR_TORRENT_LABELS", job.settings.labels.join(",")),
            ("TR_TORRENT_NAME", meta.name.clone()),
            ("TR_TORRENT_PRIORITY", job.settings.bandwidth.to_string()),
            ("TR_TORRENT_TRACKERS", meta.trackers.concat().join(",")),
        ])
    }

    /// The value of one of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }
}

/// Runs the command and does not wait for it; how it ends is logged.
pub fn run(command: &str, variables: &Variables) {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).envs(variables.0.iter().cloned());
    shell.stdin(Stdio::null()).stdout(Stdio::from(io::stderr()));
    let name = variables.get("TR_TORRENT_NAME").unwrap_or_default().to_owned();
    let mut child = match shell.spawn() {
        Ok(child) => child,
        Err(error) => {
            log::warn!("{name}: --on-done could not be run: {error}");
            return;
        }
    };
    let waiting = Builder::new().name("on-done".into()).spawn(move || match child.wait() {
        Ok(status) if status.success() => log::info!("{name}: --on-done ended well"),
        Ok(status) => log::warn!("{name}: --on-done failed: {status}"),
        Err(error) => log::warn!("{name}: --on-done: {error}"),
    });
    if let Err(error) = waiting {
        log::warn!("no thread to wait for --on-done: {error}");
    }
}

/// `Sun Nov 29 11:25:53 2026`, as Transmission writes it, in universal time: the local zone is not
/// ours to guess.
fn local_time(at: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let secs = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (secs / 86_400, secs % 86_400);
    let (year, month, day) = civil(days as i64);
    format!(
        "{} {} {day:2} {:02}:{:02}:{:02} {year}",
        DAYS[(days % 7) as usize],
        MONTHS[month - 1],
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Year, month from 1 and day from 1 of a day since the Unix epoch (the proleptic Gregorian
/// calendar, counted in eras of 400 years that begin in March).
fn civil(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_date_is_written_as_transmission_writes_it() {
        let check = |secs: u64, expected: &str| {
            assert_eq!(local_time(SystemTime::UNIX_EPOCH + Duration::from_secs(secs)), expected);
        };
        check(0, "Thu Jan  1 00:00:00 1970");
        check(951_782_400, "Tue Feb 29 00:00:00 2000");
        check(1_795_951_553, "Sun Nov 29 11:25:53 2026");
    }
}
