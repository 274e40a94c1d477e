//! The settings of a torrent, from `torrent-set` and `torrent-add` to a [`Change`].
//!
//! ```text
//! seedRatioMode 1, seedRatioLimit 2.0   ->  Until::At(2.0)
//! seedRatioMode 1                       ->  its own limit, if it has one: the torrent is looked at
//! ```
//! What depends on how a torrent stands is a [`Rest`], carried out torrent by torrent.

use super::super::order::{Change, FileChange, LimitChange, TrackerName, Until};
use super::super::view::TorrentView;
use super::args::{Args, Fault};
use crate::logic::picker::Priority;
use serde_json::Value;
use std::time::Duration;

/// The most labels of one torrent.
const MAX_LABELS: usize = 256;

/// Part of a change that needs to know how the torrent stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rest {
    /// How serving ends by ratio: mode and limit, one of them or both.
    ratio: (Option<i64>, Option<f64>),
    /// How serving ends by idling: mode and limit in minutes.
    idle: (Option<i64>, Option<u64>),
    /// Trackers by number, and what stands in their place.
    replaced: Vec<(usize, String)>,
}

/// Reads a change of a torrent that is there; what needs to be looked at is left over.
pub fn read(args: &Args<'_>) -> Result<(Change, Rest), Fault> {
    let mut change = common(args)?;
    change.down = limit(args, "downloadLimit", "downloadLimited")?;
    change.up = limit(args, "uploadLimit", "uploadLimited")?;
    change.honours_limits = args.flag("honorsSessionLimits")?;
    change.sequential = args.flag("sequentialDownload")?;
    change.queue = args.count("queuePosition")?;
    change.add_trackers = args.texts("trackerAdd")?.unwrap_or_default();
    change.remove_trackers = removed_trackers(args)?;
    change.trackers = args.text("trackerList")?.map(tiers);
    args.text("group")?;
    let mut rest = Rest {
        ratio: (args.whole("seedRatioMode", 0..=2)?, args.ratio("seedRatioLimit")?),
        idle: (args.whole("seedIdleMode", 0..=2)?, args.minutes("seedIdleLimit")?),
        replaced: replaced_trackers(args)?,
    };
    change.seed_ratio = settled(&mut rest.ratio, |ratio| ratio);
    change.seed_idle = settled(&mut rest.idle, |minutes| Duration::from_secs(minutes * 60));
    Ok((change, rest))
}

/// Reads what holds for a torrent that is added.
pub fn common(args: &Args<'_>) -> Result<Change, Fault> {
    Ok(Change {
        wanted: wanted(args)?,
        max_peers: args.count("peer-limit")?,
        labels: labels(args)?,
        bandwidth: args.whole("bandwidthPriority", -1..=1)?,
        ..Change::default()
    })
}

impl Rest {
    /// Whether nothing is left over.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The change of one torrent.
    pub fn of(&self, torrent: &TorrentView) -> Change {
        let minutes = |idle: Duration| idle.as_secs() / 60;
        let own_idle = match torrent.settings.seed_idle {
            Until::AsSettings => Until::AsSettings,
            Until::At(idle) => Until::At(minutes(idle)),
            Until::Never => Until::Never,
        };
        let idle = completed(self.idle, own_idle, 30);
        Change {
            seed_ratio: completed(self.ratio, torrent.settings.seed_ratio, 2.0),
            seed_idle: idle.map(|until| match until {
                Until::AsSettings => Until::AsSettings,
                Until::At(minutes) => Until::At(Duration::from_secs(minutes * 60)),
                Until::Never => Until::Never,
            }),
            trackers: self.trackers_of(torrent),
            ..Change::default()
        }
    }

    fn trackers_of(&self, torrent: &TorrentView) -> Option<Vec<Vec<String>>> {
        if self.replaced.is_empty() {
            return None;
        }
        let mut tiers: Vec<(usize, Vec<String>)> = Vec::new();
        for tracker in &torrent.trackers {
            let new = self.replaced.iter().find(|(id, _)| *id == tracker.id);
            let url = new.map_or(&tracker.url, |(_, url)| url).clone();
            match tiers.last_mut() {
                Some((tier, urls)) if *tier == tracker.tier => urls.push(url),
                _ => tiers.push((tracker.tier, vec![url])),
            }
        }
        Some(tiers.into_iter().map(|(_, urls)| urls).collect())
    }
}

/// What mode and limit say by themselves; then nothing is left of them.
fn settled<L: Copy, T>(
    parts: &mut (Option<i64>, Option<L>),
    of: impl FnOnce(L) -> T,
) -> Option<Until<T>> {
    let until = match *parts {
        (Some(0), _) => Until::AsSettings,
        (Some(1), Some(limit)) => Until::At(of(limit)),
        (Some(2), _) => Until::Never,
        _ => return None,
    };
    *parts = (None, None);
    Some(until)
}

/// The same with what the torrent has: a mode alone takes its limit or the usual one, a limit alone
/// counts where the torrent has a limit of its own.
fn completed<L: Copy>(
    parts: (Option<i64>, Option<L>),
    own: Until<L>,
    usual: L,
) -> Option<Until<L>> {
    match (parts, own) {
        ((Some(_), _), Until::At(limit)) | ((None, Some(limit)), Until::At(_)) => {
            Some(Until::At(limit))
        }
        ((Some(_), _), _) => Some(Until::At(usual)),
        _ => None,
    }
}

fn limit(args: &Args<'_>, rate: &str, on: &str) -> Result<LimitChange, Fault> {
    Ok(LimitChange { rate: args.rate(rate)?, on: args.flag(on)? })
}

/// In the order in which Transmission carries them out.
fn wanted(args: &Args<'_>) -> Result<Vec<FileChange>, Fault> {
    let rate = |priority: Priority| move |files| FileChange::Rate(priority, files);
    let changes = [
        args.indices("files-unwanted")?.map(FileChange::Skip),
        args.indices("files-wanted")?.map(FileChange::Want),
        args.indices("priority-high")?.map(rate(Priority::High)),
        args.indices("priority-low")?.map(rate(Priority::Low)),
        args.indices("priority-normal")?.map(rate(Priority::Normal)),
    ];
    Ok(changes.into_iter().flatten().collect())
}

fn labels(args: &Args<'_>) -> Result<Option<Vec<String>>, Fault> {
    let Some(labels) = args.texts("labels")? else { return Ok(None) };
    let mut kept: Vec<String> = Vec::with_capacity(labels.len().min(MAX_LABELS));
    for label in labels.iter().map(|label| label.trim()) {
        if label.is_empty() || label.contains(',') {
            return Err(Fault::argument("labels", "words that are not empty and have no comma"));
        }
        if !kept.iter().any(|known| known == label) {
            kept.push(label.to_owned());
        }
    }
    if kept.len() > MAX_LABELS {
        return Err(Fault::argument("labels", &format!("at most {MAX_LABELS} of them")));
    }
    Ok(Some(kept))
}

/// By number, or by URL.
fn removed_trackers(args: &Args<'_>) -> Result<Vec<TrackerName>, Fault> {
    const EXPECTED: &str = "a list of numbers or URLs of trackers";
    let Some(value) = args.get("trackerRemove") else { return Ok(Vec::new()) };
    let name = |value: &Value| match (value.as_u64(), value.as_str()) {
        (Some(id), _) => u32::try_from(id).ok().map(|id| TrackerName::Id(id as usize)),
        (_, Some(url)) => Some(TrackerName::Url(url.to_owned())),
        _ => None,
    };
    let names = value.as_array().and_then(|values| values.iter().map(name).collect());
    names.ok_or_else(|| Fault::argument("trackerRemove", EXPECTED))
}

/// `[number, URL, number, URL, ..]`.
fn replaced_trackers(args: &Args<'_>) -> Result<Vec<(usize, String)>, Fault> {
    const EXPECTED: &str = "a list of numbers of trackers, each followed by its new URL";
    let Some(value) = args.get("trackerReplace") else { return Ok(Vec::new()) };
    let pair = |pair: &[Value]| match pair {
        [id, url] => {
            let id = u32::try_from(id.as_u64()?).ok()?;
            Some((id as usize, url.as_str()?.to_owned()))
        }
        _ => None,
    };
    let pairs = value.as_array().and_then(|values| values.chunks(2).map(pair).collect());
    pairs.ok_or_else(|| Fault::argument("trackerReplace", EXPECTED))
}

/// A URL on each line, an empty line between tiers.
fn tiers(text: &str) -> Vec<Vec<String>> {
    let mut tiers = vec![Vec::new()];
    for line in text.lines().map(str::trim) {
        match tiers.last_mut() {
            Some(tier) if !line.is_empty() => tier.push(line.to_owned()),
            Some(tier) if !tier.is_empty() => tiers.push(Vec::new()),
            _ => {}
        }
    }
    tiers.retain(|tier| !tier.is_empty());
    tiers
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(arguments: &Value) -> Result<(Change, Rest), Fault> {
        read(&Args::new(arguments.as_object()))
    }

    fn check(arguments: &Value, expected: &Change) {
        let (change, rest) = change(arguments).unwrap();
        assert_eq!(change, *expected, "{arguments}");
        assert!(rest.is_empty(), "{arguments}: {rest:?}");
    }

    #[test]
    fn nothing_given_is_nothing_changed() {
        check(&json!({ "ids": [1], "unheardOf": 1 }), &Change::default());
    }

    #[test]
    fn files_are_wanted_skipped_and_rated_by_index_and_none_means_all() {
        let wanted = vec![
            FileChange::Skip(vec![]),
            FileChange::Want(vec![0, 2]),
            FileChange::Rate(Priority::High, vec![2]),
            FileChange::Rate(Priority::Low, vec![1]),
        ];
        let arguments = json!({
            "files-wanted": [0, 2], "files-unwanted": [], "priority-high": [2], "priority_low": [1],
        });
        check(&arguments, &Change { wanted, ..Change::default() });
    }

    #[test]
    fn limits_change_in_part_and_are_kilobytes() {
        let down = LimitChange { rate: Some(100_000), on: None };
        let up = LimitChange { rate: None, on: Some(false) };
        let arguments = json!({ "downloadLimit": 100, "uploadLimited": false });
        check(&arguments, &Change { down, up, ..Change::default() });
    }

    #[test]
    fn modes_say_when_serving_ends() {
        let ratio = |until| Change { seed_ratio: Some(until), ..Change::default() };
        check(&json!({ "seedRatioMode": 0 }), &ratio(Until::AsSettings));
        check(&json!({ "seedRatioMode": 1, "seedRatioLimit": 1.5 }), &ratio(Until::At(1.5)));
        check(&json!({ "seedRatioMode": 2, "seedRatioLimit": 1.5 }), &ratio(Until::Never));
        let idle = Until::At(Duration::from_mins(10));
        let arguments = json!({ "seedIdleMode": 1, "seedIdleLimit": 10 });
        check(&arguments, &Change { seed_idle: Some(idle), ..Change::default() });
    }

    #[test]
    fn half_a_mode_is_completed_by_what_the_torrent_has() {
        let check = |parts, own, expected| assert_eq!(completed(parts, own, 2.0), expected);
        check((Some(1), None), Until::At(3.0), Some(Until::At(3.0)));
        check((Some(1), None), Until::Never, Some(Until::At(2.0)));
        check((None, Some(4.0)), Until::At(3.0), Some(Until::At(4.0)));
        check((None, Some(4.0)), Until::AsSettings, None);
        check((None, None), Until::At(3.0), None);
    }

    #[test]
    fn trackers_are_added_removed_and_listed() {
        let arguments = json!({
            "trackerAdd": ["udp://a:1"], "trackerRemove": [3, "udp://b:1"],
            "trackerList": "x\ny\n\n\nz\n",
        });
        let expected = Change {
            add_trackers: vec!["udp://a:1".into()],
            remove_trackers: vec![TrackerName::Id(3), TrackerName::Url("udp://b:1".into())],
            trackers: Some(vec![vec!["x".into(), "y".into()], vec!["z".into()]]),
            ..Change::default()
        };
        check(&arguments, &expected);
        let (_, rest) = change(&json!({ "trackerReplace": [2, "udp://c:1"] })).unwrap();
        assert_eq!(rest.replaced, [(2, "udp://c:1".to_owned())]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let wrong = [
            ("seedRatioMode", json!(3)),
            ("seedRatioLimit", json!(-1)),
            ("downloadLimit", json!(-5)),
            ("peer-limit", json!(70_000)),
            ("bandwidthPriority", json!(2)),
            ("labels", json!(["a,b"])),
            ("labels", json!([" "])),
            ("trackerRemove", json!([true])),
            ("trackerReplace", json!([1])),
            ("files-wanted", json!([-1])),
            ("queuePosition", json!(-1)),
            ("group", json!(1)),
        ];
        for (name, value) in wrong {
            let error = change(&json!({ name: value })).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: expected ")), "{error}");
        }
    }
}
