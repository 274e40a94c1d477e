//! Torrents, files and peers as lines for people. What strangers wrote cannot move the cursor.

use super::super::style::{columns, printable};
use super::super::units::{bytes, rate, short_eta};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::time::Duration;

/// The fields that [`list`] needs.
pub const LIST_FIELDS: [&str; 14] = [
    "id",
    "name",
    "hashString",
    "status",
    "error",
    "errorString",
    "percentDone",
    "sizeWhenDone",
    "eta",
    "rateDownload",
    "rateUpload",
    "uploadRatio",
    "isFinished",
    "recheckProgress",
];

/// The fields that [`info`] needs besides those of [`list`].
pub const INFO_FIELDS: [&str; 16] = [
    "totalSize",
    "haveValid",
    "leftUntilDone",
    "downloadedEver",
    "uploadedEver",
    "peersConnected",
    "peersSendingToUs",
    "peersGettingFromUs",
    "downloadDir",
    "pieceCount",
    "pieceSize",
    "comment",
    "magnetLink",
    "trackerStats",
    "labels",
    "isPrivate",
];

/// All torrents, a line each, and a line of sums.
pub fn list(torrents: &[Value]) -> String {
    let mut rows =
        vec![row(["ID", "DONE", "SIZE", "ETA", "DOWN", "UP", "RATIO", "STATUS", "NAME"])];
    for torrent in torrents {
        rows.push(vec![
            number(torrent, "id").to_string(),
            percent(&torrent["percentDone"]),
            bytes(number(torrent, "sizeWhenDone")),
            eta(torrent),
            rate(number(torrent, "rateDownload")),
            rate(number(torrent, "rateUpload")),
            ratio(&torrent["uploadRatio"]),
            status(torrent).to_owned(),
            text(torrent, "name"),
        ]);
    }
    let sum = |key| torrents.iter().map(|torrent| number(torrent, key)).sum::<u64>();
    let (down, up) = (rate(sum("rateDownload")), rate(sum("rateUpload")));
    let mut text = table(&rows, 7);
    let count = if torrents.len() == 1 {
        "1 torrent".into()
    } else {
        format!("{} torrents", torrents.len())
    };
    let _ = writeln!(text, "{count}, {down} down, {up} up");
    text
}

/// One torrent in full.
pub fn info(torrent: &Value) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{label:<12}{value}");
    };
    line("name", self::text(torrent, "name"));
    line("id", number(torrent, "id").to_string());
    line("hash", self::text(torrent, "hashString"));
    line("status", status(torrent).to_owned());
    if number(torrent, "error") > 0 {
        line("trouble", self::text(torrent, "errorString"));
    }
    let (have, total) = (number(torrent, "haveValid"), number(torrent, "totalSize"));
    let done = percent(&torrent["percentDone"]);
    line("done", format!("{done}, {} of {}", bytes(have), bytes(total)));
    line("missing", bytes(number(torrent, "leftUntilDone")));
    line("eta", eta(torrent));
    let (down, up) = (rate(number(torrent, "rateDownload")), rate(number(torrent, "rateUpload")));
    line("rates", format!("{down} down, {up} up"));
    let (got, sent) = (number(torrent, "downloadedEver"), number(torrent, "uploadedEver"));
    let part = ratio(&torrent["uploadRatio"]);
    line("moved", format!("{} received, {} sent, ratio {part}", bytes(got), bytes(sent)));
    let count = |key| number(torrent, key);
    line(
        "peers",
        format!(
            "{} connected, {} send to us, {} get from us",
            count("peersConnected"),
            count("peersSendingToUs"),
            count("peersGettingFromUs")
        ),
    );
    let pieces = format!("{} of {} bytes", count("pieceCount"), count("pieceSize"));
    line("pieces", pieces);
    line("folder", self::text(torrent, "downloadDir"));
    if torrent["isPrivate"] == true {
        line("private", "yes".into());
    }
    let labels: Vec<&str> = array(&torrent["labels"]).iter().filter_map(Value::as_str).collect();
    if !labels.is_empty() {
        line("labels", printable(&labels.join(", ")));
    }
    if !self::text(torrent, "comment").is_empty() {
        line("comment", self::text(torrent, "comment"));
    }
    for tracker in array(&torrent["trackerStats"]) {
        let said = self::text(tracker, "lastAnnounceResult");
        let said = if said.is_empty() { "not asked yet".to_owned() } else { said };
        line("tracker", format!("{}: {said}", self::text(tracker, "announce")));
    }
    line("magnet", self::text(torrent, "magnetLink"));
    text
}

/// The files of a torrent.
pub fn files(torrent: &Value) -> String {
    let mut rows = vec![row(["FILE", "DONE", "SIZE", "WANTED", "NAME"])];
    let wanted = array(&torrent["wanted"]);
    let priorities = array(&torrent["priorities"]);
    for (at, file) in array(&torrent["files"]).iter().enumerate() {
        let (done, length) = (number(file, "bytesCompleted"), number(file, "length"));
        let part = if length == 0 { 1.0 } else { done as f64 / length as f64 };
        let is_wanted = wanted.get(at).and_then(Value::as_u64) != Some(0);
        let how = match priorities.get(at).and_then(Value::as_i64) {
            _ if !is_wanted => "no",
            Some(1) => "first",
            Some(-1) => "last",
            _ => "yes",
        };
        rows.push(vec![
            at.to_string(),
            percent(&part.into()),
            bytes(length),
            how.to_owned(),
            text(file, "name"),
        ]);
    }
    table(&rows, 3)
}

/// The peers of a torrent.
pub fn peers(torrent: &Value) -> String {
    let mut rows = vec![row(["ADDRESS", "FLAGS", "DONE", "DOWN", "UP", "CLIENT"])];
    for peer in array(&torrent["peers"]) {
        let host = text(peer, "address");
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        rows.push(vec![
            format!("{host}:{}", number(peer, "port")),
            text(peer, "flagStr"),
            percent(&peer["progress"]),
            rate(number(peer, "rateToClient")),
            rate(number(peer, "rateToPeer")),
            text(peer, "clientName"),
        ]);
    }
    table(&rows, 0)
}

/// Facts by name, a line each; what is nested is left to `--json`.
pub fn facts(facts: &Map<String, Value>) -> String {
    let mut lines = String::new();
    let is_flat = |value: &Value| !value.is_object() && !value.is_array();
    let flat = || facts.iter().filter(|(_, value)| is_flat(value));
    let width = flat().map(|(key, _)| key.len()).max().unwrap_or(0) + 2;
    for (key, value) in flat() {
        let value = match value {
            Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            other => other.to_string(),
        };
        let line = format!("{:<width$}{}", printable(key), printable(&value));
        let _ = writeln!(lines, "{}", line.trim_end());
    }
    lines
}

/// What was done in this run and in all.
pub fn stats(stats: &Map<String, Value>) -> String {
    let of = |key: &str| stats.get(key).cloned().unwrap_or(Value::Null);
    let count = |key: &str| of(key).as_u64().unwrap_or(0);
    let sum = |label: &str, sum: &Value| {
        let (got, sent) =
            (bytes(number(sum, "downloadedBytes")), bytes(number(sum, "uploadedBytes")));
        let time = short_eta(Duration::from_secs(number(sum, "secondsActive")));
        let runs = number(sum, "sessionCount");
        format!("{label:<10}{got} received, {sent} sent, {time}, {runs} runs\n")
    };
    let (down, up) = (rate(count("downloadSpeed")), rate(count("uploadSpeed")));
    let (active, paused) = (count("activeTorrentCount"), count("pausedTorrentCount"));
    format!(
        "torrents  {active} active, {paused} stopped\nrates     {down} down, {up} up\n{}{}",
        sum("this run", &of("current-stats")),
        sum("all runs", &of("cumulative-stats"))
    )
}

/// What a torrent is doing, in Transmission's words.
fn status(torrent: &Value) -> &'static str {
    let moves = |key| number(torrent, key) > 0;
    match torrent["status"].as_i64() {
        Some(0) if torrent["isFinished"] == true => "Finished",
        Some(0) => "Stopped",
        Some(1) => "Will verify",
        Some(2) => "Verifying",
        Some(4 | 6) if moves("rateDownload") && moves("rateUpload") => "Up & Down",
        Some(4) if moves("rateDownload") => "Downloading",
        Some(4) if moves("rateUpload") => "Uploading",
        Some(4) => "Idle",
        Some(6) => "Seeding",
        _ => "Queued",
    }
}

fn eta(torrent: &Value) -> String {
    match torrent["eta"].as_i64() {
        Some(seconds @ 0..) => short_eta(Duration::from_secs(seconds as u64)),
        _ if torrent["percentDone"].as_f64() == Some(1.0) => "done".into(),
        _ => "?".into(),
    }
}

/// Never 100 % before it is whole.
fn percent(part: &Value) -> String {
    format!("{:.0}%", (part.as_f64().unwrap_or(0.0) * 100.0).floor())
}

fn ratio(value: &Value) -> String {
    match value.as_f64() {
        Some(ratio) if ratio >= 0.0 => format!("{ratio:.2}"),
        Some(-2.0) => "inf".into(),
        _ => "-".into(),
    }
}

fn number(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or(0)
}

fn text(object: &Value, key: &str) -> String {
    printable(object[key].as_str().unwrap_or_default())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn row<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Columns as wide as they must be; the first `numbers` stand to the right, the last has no end.
fn table(rows: &[Vec<String>], numbers: usize) -> String {
    let width = |at: usize| rows.iter().map(|row| columns(&row[at])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let blank = " ".repeat(widths[at] - columns(cell));
            let _ = match at {
                _ if at < numbers => write!(line, "{blank}{cell}  "),
                _ => write!(line, "{cell}{blank}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_has_a_line_for_each_torrent_and_one_of_sums() {
        let torrents = [
            json!({
                "id": 1, "name": "half", "status": 4, "percentDone": 0.999, "sizeWhenDone": 2_000_000,
                "eta": 184, "rateDownload": 250_000, "rateUpload": 50_000, "uploadRatio": 0.5,
            }),
            json!({
                "id": 12, "name": "a\u{1b}[2Jb", "status": 6, "percentDone": 1.0,
                "sizeWhenDone": 500_000_000, "eta": -1, "rateDownload": 0, "rateUpload": 0,
                "uploadRatio": -1,
            }),
        ];
        let golden = "\
ID  DONE    SIZE   ETA      DOWN       UP  RATIO  STATUS     NAME
 1   99%    2 MB  3:04  250 kB/s  50 kB/s   0.50  Up & Down  half
12  100%  500 MB  done    0 kB/s   0 kB/s      -  Seeding    a\\u{1b}[2Jb
2 torrents, 250 kB/s down, 50 kB/s up
";
        assert_eq!(list(&torrents), golden);
    }

    #[test]
    fn files_and_peers_are_tables() {
        let torrent = json!({
            "files": [
                { "name": "a", "length": 1_000, "bytesCompleted": 500 },
                { "name": "b/c", "length": 0, "bytesCompleted": 0 },
            ],
            "wanted": [1, 0], "priorities": [1, 0],
            "peers": [{
                "address": "::1", "port": 6881, "flagStr": "DI", "progress": 0.5,
                "rateToClient": 1_000_000, "rateToPeer": 0, "clientName": "x",
            }],
        });
        let golden = "\
FILE  DONE  SIZE  WANTED  NAME
   0   50%  1 kB  first   a
   1  100%   0 B  no      b/c
";
        assert_eq!(files(&torrent), golden);
        let golden = "\
ADDRESS     FLAGS  DONE  DOWN      UP      CLIENT
[::1]:6881  DI     50%   1 MB/s    0 kB/s  x
";
        assert_eq!(
            peers(&torrent).split_whitespace().collect::<Vec<_>>(),
            golden.replace("1 MB/s", "1.0 MB/s").split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_status_is_a_word() {
        let check = |status: i64, down: u64, up: u64, expected: &str| {
            let torrent = json!({ "status": status, "rateDownload": down, "rateUpload": up });
            assert_eq!(self::status(&torrent), expected);
        };
        check(0, 0, 0, "Stopped");
        check(1, 0, 0, "Will verify");
        check(2, 0, 0, "Verifying");
        check(4, 0, 0, "Idle");
        check(4, 1, 0, "Downloading");
        check(4, 0, 1, "Uploading");
        check(6, 0, 1, "Seeding");
        check(3, 0, 0, "Queued");
    }

    #[test]
    fn facts_are_lines_and_what_is_nested_is_left_out() {
        let facts = json!({ "a": "x\ny", "bcd": 7, "units": {}, "e": "" });
        assert_eq!(self::facts(facts.as_object().unwrap()), "a    x y\nbcd  7\ne\n");
    }
}
