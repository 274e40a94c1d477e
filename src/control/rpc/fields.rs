//! The fields of `torrent-get`: Transmission's names, and how each is made of a [`TorrentView`].

use super::super::base64;
use super::super::mime;
use super::super::order::{Detail, Until};
use super::super::view::{State, TorrentView, Trouble};
use super::names::snake;
use super::rows;
use serde_json::Value;
use std::time::Duration;

/// A field: its name up to 4.0, what must be looked at for it, and how it is made.
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// What must be looked at.
    needs: Needs,
    /// Its value.
    pub of: fn(&TorrentView) -> Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Files,
    Peers,
    Trackers,
    Pieces,
}

/// The ratio and the minutes that are shown while a torrent has none of its own: Transmission's.
const USUAL_RATIO: f64 = 2.0;
const USUAL_IDLE_MINUTES: u64 = 30;

/// A field by either of its names.
pub fn field(name: &str) -> Option<&'static Field> {
    let name = snake(name);
    FIELDS.iter().find(|field| snake(field.name) == name)
}

/// What must be looked at for some fields.
pub fn detail(fields: &[&Field]) -> Detail {
    let need = |what: Needs| fields.iter().any(|field| field.needs == what);
    Detail {
        files: need(Needs::Files),
        peers: need(Needs::Peers),
        trackers: need(Needs::Trackers),
        pieces: need(Needs::Pieces),
    }
}

const fn plain(name: &'static str, of: fn(&TorrentView) -> Value) -> Field {
    Field { name, needs: Needs::Nothing, of }
}

const fn of_files(name: &'static str, of: fn(&TorrentView) -> Value) -> Field {
    Field { name, needs: Needs::Files, of }
}

const fn of_trackers(name: &'static str, of: fn(&TorrentView) -> Value) -> Field {
    Field { name, needs: Needs::Trackers, of }
}

const fn of_pieces(name: &'static str, of: fn(&TorrentView) -> Value) -> Field {
    Field { name, needs: Needs::Pieces, of }
}

/// All of them: the 76 of 4.0, and `sequentialDownload` of 4.1.
pub static FIELDS: [Field; 77] = [
    plain("activityDate", |t| date(t.dates.active)),
    plain("addedDate", |t| t.dates.added.into()),
    of_pieces("availability", availability),
    plain("bandwidthPriority", |t| t.settings.bandwidth.into()),
    plain("comment", |t| t.origin.comment.as_str().into()),
    plain("corruptEver", |t| t.corrupt.into()),
    plain("creator", |t| t.origin.creator.as_str().into()),
    plain("dateCreated", |t| date(t.origin.created)),
    plain("desiredAvailable", |t| t.available.into()),
    plain("doneDate", |t| date(t.dates.done)),
    plain("downloadDir", |t| t.folder.to_string_lossy().into()),
    plain("downloadedEver", |t| t.downloaded.into()),
    plain("downloadLimit", |t| (t.settings.down.rate / 1000).into()),
    plain("downloadLimited", |t| t.settings.down.on.into()),
    plain("editDate", |t| date(t.dates.edited)),
    plain("error", |t| trouble(t).0.into()),
    plain("errorString", |t| trouble(t).1.into()),
    plain("eta", |t| eta(t).into()),
    plain("etaIdle", |_| (-1).into()),
    plain("file-count", |t| t.file_count.into()),
    of_files("files", |t| t.files.iter().map(rows::file).collect()),
    of_files("fileStats", |t| t.files.iter().map(rows::file_stats).collect()),
    plain("group", |_| "".into()),
    plain("hashString", |t| t.hash.as_str().into()),
    plain("haveUnchecked", |_| 0.into()),
    plain("haveValid", |t| t.have.into()),
    plain("honorsSessionLimits", |t| t.settings.honours_limits.into()),
    plain("id", |t| t.id.into()),
    plain("isFinished", |t| t.is_finished.into()),
    plain("isPrivate", |t| t.origin.is_private.into()),
    plain("isStalled", |t| t.is_stalled.into()),
    plain("labels", |t| t.settings.labels.as_slice().into()),
    plain("leftUntilDone", |t| t.left.into()),
    plain("magnetLink", |t| t.magnet.as_str().into()),
    plain("manualAnnounceTime", |_| 0.into()),
    plain("maxConnectedPeers", |t| t.settings.max_peers.into()),
    plain("metadataPercentComplete", |t| f64::from(u8::from(is_known(t))).into()),
    plain("name", |t| t.name.as_str().into()),
    plain("peer-limit", |t| t.settings.max_peers.into()),
    Field { name: "peers", needs: Needs::Peers, of: |t| t.peers.iter().map(rows::peer).collect() },
    plain("peersConnected", |t| t.crowd.connected.into()),
    plain("peersFrom", |t| rows::peers_from(&t.crowd)),
    plain("peersGettingFromUs", |t| t.crowd.taking.into()),
    plain("peersSendingToUs", |t| t.crowd.giving.into()),
    plain("percentComplete", |t| part(t, t.have, t.total).into()),
    plain("percentDone", |t| part(t, t.wanted.saturating_sub(t.left), t.wanted).into()),
    of_pieces("pieces", |t| base64::encode(&t.pieces).into()),
    plain("pieceCount", |t| t.piece_count.into()),
    plain("pieceSize", |t| t.piece_length.into()),
    of_files("priorities", |t| t.files.iter().map(rows::priority).collect()),
    of_files("primary-mime-type", |t| mime_type(t).into()),
    plain("queuePosition", |t| t.queue.into()),
    plain("rateDownload", |t| t.down.into()),
    plain("rateUpload", |t| t.up.into()),
    plain("recheckProgress", |t| recheck(t).into()),
    plain("secondsDownloading", |t| t.spent.downloading.as_secs().into()),
    plain("secondsSeeding", |t| t.spent.seeding.as_secs().into()),
    plain("seedIdleLimit", |t| idle_minutes(&t.settings.seed_idle).into()),
    plain("seedIdleMode", |t| mode(&t.settings.seed_idle).into()),
    plain("seedRatioLimit", |t| ratio_limit(&t.settings.seed_ratio).into()),
    plain("seedRatioMode", |t| mode(&t.settings.seed_ratio).into()),
    plain("sequentialDownload", |t| t.settings.sequential.into()),
    plain("sizeWhenDone", |t| t.wanted.into()),
    plain("startDate", |t| date(t.dates.started)),
    plain("status", |t| status(t.state).into()),
    plain("torrentFile", |t| text_of(t.torrent_file.as_deref()).into()),
    plain("totalSize", |t| t.total.into()),
    plain("trackerList", |t| tracker_list(&t.tiers).into()),
    of_trackers("trackers", |t| t.trackers.iter().map(rows::tracker).collect()),
    of_trackers("trackerStats", |t| {
        t.trackers.iter().map(|tracker| rows::tracker_stats(t, tracker)).collect()
    }),
    plain("uploadedEver", |t| t.uploaded.into()),
    plain("uploadLimit", |t| (t.settings.up.rate / 1000).into()),
    plain("uploadLimited", |t| t.settings.up.on.into()),
    plain("uploadRatio", |t| ratio(t).into()),
    of_files("wanted", |t| t.files.iter().map(|file| u8::from(file.wanted)).collect()),
    plain("webseeds", |t| t.web_seeds.as_slice().into()),
    plain("webseedsSendingToUs", |t| t.crowd.web_seeds.into()),
];

/// The tiers of trackers as one text: a URL on each line, an empty line between tiers.
pub fn tracker_list(tiers: &[Vec<String>]) -> String {
    tiers.iter().map(|tier| tier.join("\n")).collect::<Vec<_>>().join("\n\n")
}

/// 0 is never.
fn date(at: Option<i64>) -> Value {
    at.unwrap_or(0).into()
}

fn text_of(path: Option<&std::path::Path>) -> String {
    path.map_or(String::new(), |path| path.to_string_lossy().into_owned())
}

fn status(state: State) -> i64 {
    match state {
        State::Stopped => 0,
        State::WaitsToCheck => 1,
        State::Checking { .. } => 2,
        State::Looking | State::Downloading => 4,
        State::Seeding => 6,
    }
}

/// Whether more than its hash is known.
fn is_known(torrent: &TorrentView) -> bool {
    torrent.file_count > 0
}

fn trouble(torrent: &TorrentView) -> (i64, &str) {
    match &torrent.trouble {
        None => (0, ""),
        Some(Trouble::TrackerWarning(text)) => (1, text),
        Some(Trouble::TrackerError(text)) => (2, text),
        Some(Trouble::Local(text)) => (3, text),
    }
}

/// Seconds; -1: there is nothing to wait for, -2: nobody can tell.
fn eta(torrent: &TorrentView) -> i64 {
    match (torrent.eta, torrent.state) {
        (Some(eta), _) => i64::try_from(eta.as_secs()).unwrap_or(-2),
        (None, State::Downloading | State::Looking) => -2,
        (None, _) => -1,
    }
}

/// From 0 to 1; nothing of nothing is all.
fn part(torrent: &TorrentView, done: u64, all: u64) -> f64 {
    match all {
        0 => f64::from(u8::from(is_known(torrent))),
        all => done.min(all) as f64 / all as f64,
    }
}

/// -1: nothing was moved yet, -2: infinite.
fn ratio(torrent: &TorrentView) -> f64 {
    let received = if torrent.downloaded > 0 { torrent.downloaded } else { torrent.have };
    match (torrent.uploaded, received) {
        (0, 0) => -1.0,
        (_, 0) => -2.0,
        (sent, received) => sent as f64 / received as f64,
    }
}

fn recheck(torrent: &TorrentView) -> f64 {
    if let State::Checking { done } = torrent.state { done } else { 0.0 }
}

fn mode<T>(until: &Until<T>) -> i64 {
    match until {
        Until::AsSettings => 0,
        Until::At(_) => 1,
        Until::Never => 2,
    }
}

fn ratio_limit(until: &Until<f64>) -> f64 {
    if let Until::At(ratio) = until { *ratio } else { USUAL_RATIO }
}

fn idle_minutes(until: &Until<Duration>) -> u64 {
    if let Until::At(idle) = until { idle.as_secs() / 60 } else { USUAL_IDLE_MINUTES }
}

/// -1 for a piece that is here.
fn availability(torrent: &TorrentView) -> Value {
    let is_here = |piece: usize| {
        torrent.pieces.get(piece / 8).is_some_and(|byte| byte & (0x80 >> (piece % 8)) != 0)
    };
    let counts = torrent.availability.iter().enumerate();
    counts.map(|(piece, count)| if is_here(piece) { -1 } else { i64::from(*count) }).collect()
}

/// The kind of the largest file.
fn mime_type(torrent: &TorrentView) -> &'static str {
    let largest = torrent.files.iter().max_by_key(|file| file.length);
    let kind = largest.map_or("application/octet-stream", |file| mime::of(&file.name));
    bare(kind)
}

/// Without parameters: `text/html; charset=utf-8` is `text/html`.
fn bare(kind: &'static str) -> &'static str {
    kind.split(';').next().unwrap_or(kind)
}
