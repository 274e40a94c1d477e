//! Transmission's RPC over a program that is a table: what real clients send, and what they need.
//!
//! The requests are those of transmission-remote 3.00, byte for byte up to blanks; the keys are those
//! without which it leaves a line or a whole row out.

use crate::harness::desk::FakeDesk;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;
use swarmlet::control::order::{
    Change, Detail, FileChange, Name, Order, Place, Settings, Source, TrackerName, Until, Which,
};
use swarmlet::control::rpc::Rpc;
use swarmlet::control::rpc::fields::FIELDS;
use swarmlet::control::rpc::names::snake;

/// A program and its RPC.
struct Program {
    table: FakeDesk,
    rpc: Rpc,
}

impl Program {
    fn new() -> Self {
        let table = FakeDesk::open();
        let rpc = Rpc::new(table.desk.clone(), "the-session-id");
        Self { table, rpc }
    }

    fn send(&self, body: &str) -> Value {
        let answer = self.rpc.answer(body.as_bytes()).expect("an answer");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// A request that succeeds; its arguments.
    fn ask(&self, method: &str, arguments: impl Into<Value>) -> Map<String, Value> {
        let arguments = arguments.into();
        let request = json!({ "method": method, "arguments": arguments, "tag": 8 });
        let answer = self.send(&request.to_string());
        assert_eq!(answer["result"], "success", "{request}: {answer}");
        assert_eq!(answer["tag"], 8);
        answer["arguments"].as_object().expect("arguments").clone()
    }

    /// A request that fails; why.
    fn refused(&self, method: &str, arguments: impl Into<Value>) -> String {
        let arguments = arguments.into();
        let request = json!({ "method": method, "arguments": arguments });
        let answer = self.send(&request.to_string());
        assert_eq!(answer["arguments"], json!({}), "{answer}");
        answer["result"].as_str().expect("a sentence").to_owned()
    }

    /// A request of JSON-RPC.
    fn call(&self, method: &str, params: impl Into<Value>) -> Value {
        let params = params.into();
        let request = json!({ "jsonrpc": "2.0", "method": method, "params": params, "id": "x" });
        let answer = self.send(&request.to_string());
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!("x")), "{answer}");
        answer
    }

    fn first(&self, fields: &[&str]) -> Value {
        let arguments = json!({ "ids": 1, "fields": fields });
        self.ask("torrent-get", arguments)["torrents"][0].clone()
    }
}

fn these(ids: &[u32]) -> Which {
    Which::These(ids.iter().map(|id| Name::Id(*id)).collect())
}

// What transmission-remote 3.00 sends.

#[test]
fn the_list_has_all_that_a_row_needs() {
    let program = Program::new();
    let request = r#"{"arguments":{"fields":["error","errorString","eta","id","isFinished",
        "leftUntilDone","name","peersGettingFromUs","peersSendingToUs","rateDownload","rateUpload",
        "sizeWhenDone","status","uploadRatio"]},"method":"torrent-get","tag":7}"#;
    let row = |id: u32, name: &str, rest: Value| {
        let mut row = json!({
            "error": 0, "errorString": "", "id": id, "name": name, "isFinished": false,
            "sizeWhenDone": 2_000_000,
        });
        row.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        row
    };
    let half = row(
        1,
        "half",
        json!({
            "eta": 4, "leftUntilDone": 1_000_000, "peersGettingFromUs": 1, "peersSendingToUs": 1,
            "rateDownload": 250_000, "rateUpload": 50_000, "status": 4, "uploadRatio": 0.5,
        }),
    );
    let whole = row(
        2,
        "whole",
        json!({
            "eta": -1, "leftUntilDone": 0, "peersGettingFromUs": 0, "peersSendingToUs": 0,
            "rateDownload": 0, "rateUpload": 0, "status": 6, "uploadRatio": 0.5,
        }),
    );
    let expected = json!({
        "arguments": { "torrents": [half, whole] }, "result": "success", "tag": 7,
    });
    assert_eq!(program.send(request), expected);
    let look = Order::Look { which: Which::All, detail: Detail::default() };
    assert_eq!(program.table.last(), look, "peers and pieces are not collected for a list");
}

#[test]
fn a_torrent_is_added_as_a_file_or_by_a_word() {
    let program = Program::new();
    let added = program.ask("torrent-add", json!({ "metainfo": "ZDE6YTE6YmU=" }));
    let expected = json!({
        "hashString": format!("{:040x}", 3), "id": 3, "name": "a torrent of 8 bytes",
    });
    assert_eq!(added["torrent-added"], expected);
    let Order::Add(addition) = program.table.last() else { panic!("add") };
    assert_eq!(addition.source, Source::Torrent(b"d1:a1:be".to_vec()));
    assert_eq!((addition.paused, addition.folder), (None, None));

    let magnet = "magnet:?xt=urn:btih:2222222222222222222222222222222222222222";
    let arguments = json!({
        "filename": magnet, "download-dir": "/srv/x", "paused": true, "labels": ["a"],
        "peer-limit": 7, "bandwidthPriority": 1, "files-unwanted": [1], "cookies": "a=b",
    });
    assert_eq!(program.ask("torrent-add", arguments.clone())["torrent-added"]["name"], magnet);
    let Order::Add(addition) = program.table.last() else { panic!("add") };
    assert_eq!(addition.source, Source::What(magnet.into()));
    assert_eq!((addition.paused, addition.folder), (Some(true), Some(PathBuf::from("/srv/x"))));
    let change = Change {
        wanted: vec![FileChange::Skip(vec![1])],
        max_peers: Some(7),
        labels: Some(vec!["a".into()]),
        bandwidth: Some(1),
        ..Change::default()
    };
    assert_eq!(addition.change, change);
    assert_eq!(program.ask("torrent-add", arguments)["torrent-duplicate"]["name"], magnet);
}

#[test]
fn what_cannot_be_added_is_refused_in_one_sentence() {
    let program = Program::new();
    let check = |arguments: Value, why: &str| {
        assert_eq!(program.refused("torrent-add", arguments), why);
    };
    check(json!({}), "no filename or metainfo specified");
    check(json!({ "metainfo": "?" }), "metainfo: expected base64");
    check(json!({ "metainfo": "eA==" }), "this is no torrent: it is no dictionary");
    check(json!({ "filename": "nonsense" }), "no tracker knows nonsense");
    check(json!({ "filename": 1 }), "filename: expected a text");
    let relative = json!({ "filename": "x", "download-dir": "x" });
    check(relative, "download directory path is not absolute");
}

#[test]
fn details_files_peers_pieces_and_trackers_are_all_there() {
    let program = Program::new();
    let info = [
        "activityDate",
        "addedDate",
        "bandwidthPriority",
        "comment",
        "corruptEver",
        "creator",
        "dateCreated",
        "desiredAvailable",
        "doneDate",
        "downloadDir",
        "downloadedEver",
        "downloadLimit",
        "downloadLimited",
        "error",
        "errorString",
        "eta",
        "hashString",
        "haveUnchecked",
        "haveValid",
        "honorsSessionLimits",
        "id",
        "isFinished",
        "isPrivate",
        "labels",
        "leftUntilDone",
        "magnetLink",
        "name",
        "peersConnected",
        "peersGettingFromUs",
        "peersSendingToUs",
        "peer-limit",
        "pieceCount",
        "pieceSize",
        "rateDownload",
        "rateUpload",
        "recheckProgress",
        "secondsDownloading",
        "secondsSeeding",
        "seedRatioMode",
        "seedRatioLimit",
        "sizeWhenDone",
        "startDate",
        "status",
        "totalSize",
        "uploadedEver",
        "uploadLimit",
        "uploadLimited",
        "webseeds",
        "webseedsSendingToUs",
    ];
    let torrent = program.first(&info);
    assert_eq!(torrent.as_object().unwrap().len(), info.len(), "a missing field is a missing line");

    let files = program.first(&["files", "name", "priorities", "wanted"]);
    assert_eq!(
        files["files"][0],
        json!({
            "bytesCompleted": 1_000_000, "length": 1_500_000, "name": "half/a.txt",
        })
    );
    assert_eq!((&files["wanted"], &files["priorities"]), (&json!([1, 1]), &json!([0, 0])));

    let pieces = program.first(&["pieces", "pieceCount", "availability"]);
    let expected = json!({ "pieces": "oA==", "pieceCount": 4, "availability": [-1, 1, -1, 0] });
    assert_eq!(pieces, expected);

    let peers = program.first(&["peers"])["peers"].clone();
    let needed = ["address", "clientName", "progress", "flagStr", "rateToClient", "rateToPeer"];
    for peer in peers.as_array().unwrap() {
        assert!(needed.iter().all(|key| peer.get(key).is_some()), "{peer}");
        assert_eq!(peer.as_object().unwrap().len(), 16);
    }
    assert_eq!((&peers[0]["flagStr"], &peers[1]["flagStr"]), (&json!("D"), &json!("UI")));
}

#[test]
fn a_tracker_has_all_24_keys_without_which_it_is_not_shown() {
    let program = Program::new();
    let expected = json!({
        "announce": "udp://127.0.0.1:6969/announce", "announceState": 1, "downloadCount": 150,
        "hasAnnounced": true, "hasScraped": true, "host": "127.0.0.1:6969", "id": 0,
        "isBackup": false, "lastAnnouncePeerCount": 2, "lastAnnounceResult": "Success",
        "lastAnnounceStartTime": 1_700_000_050, "lastAnnounceSucceeded": true,
        "lastAnnounceTime": 1_700_000_050, "lastAnnounceTimedOut": false, "lastScrapeResult": "",
        "lastScrapeStartTime": 1_700_000_050, "lastScrapeSucceeded": true,
        "lastScrapeTime": 1_700_000_050, "lastScrapeTimedOut": false, "leecherCount": 12,
        "nextAnnounceTime": 1_700_000_170, "nextScrapeTime": 0,
        "scrape": "udp://127.0.0.1:6969/scrape", "scrapeState": 0, "seederCount": 3,
        "sitename": "127.0.0.1", "tier": 0,
    });
    assert_eq!(expected.as_object().unwrap().len(), 24 + 3);
    assert_eq!(program.first(&["trackerStats"])["trackerStats"], json!([expected]));
}

#[test]
fn the_session_has_the_block_of_limits_and_all_lines() {
    let program = Program::new();
    let session = program.ask("session-get", json!({}));
    let needed = [
        "alt-speed-down",
        "alt-speed-enabled",
        "alt-speed-time-begin",
        "alt-speed-time-day",
        "alt-speed-time-enabled",
        "alt-speed-time-end",
        "alt-speed-up",
        "peer-limit-global",
        "speed-limit-down",
        "speed-limit-down-enabled",
        "speed-limit-up",
        "speed-limit-up-enabled",
        "seedRatioLimit",
        "seedRatioLimited",
        "version",
        "rpc-version",
        "rpc-version-minimum",
        "rpc-version-semver",
        "config-dir",
        "download-dir",
        "peer-port",
        "port-forwarding-enabled",
        "utp-enabled",
        "dht-enabled",
        "lpd-enabled",
        "pex-enabled",
        "encryption",
        "cache-size-mb",
        "start-added-torrents",
        "trash-original-torrent-files",
        "units",
        "session-id",
        "blocklist-size",
        "blocklist-url",
        "blocklist-enabled",
        "download-dir-free-space",
        "idle-seeding-limit",
        "idle-seeding-limit-enabled",
        "incomplete-dir",
        "incomplete-dir-enabled",
        "peer-limit-per-torrent",
        "peer-port-random-on-start",
        "rename-partial-files",
        "script-torrent-done-enabled",
        "script-torrent-done-filename",
        "script-torrent-done-seeding-enabled",
        "script-torrent-done-seeding-filename",
        "script-torrent-added-enabled",
        "script-torrent-added-filename",
        "seed-queue-enabled",
        "seed-queue-size",
        "download-queue-enabled",
        "download-queue-size",
        "queue-stalled-enabled",
        "queue-stalled-minutes",
        "default-trackers",
        "tcp-enabled",
    ];
    for key in needed {
        assert!(session.contains_key(key), "{key}");
    }
    assert_eq!(session["speed-limit-up"], 100);
    assert_eq!(session["speed-limit-up-enabled"], true);
    assert_eq!(session["rpc-version"], 17);
    assert_eq!(session["encryption"], "tolerated");
    assert_eq!(session["dht-enabled"], false);
    assert_eq!(session["session-id"], "the-session-id");
    assert_eq!(session["units"]["speed-bytes"], 1000);
    let asked = json!({ "fields": ["version", "peer_port", "unheard-of"] });
    let expected = json!({ "version": "swarmlet 0.1.0", "peer-port": 6881 });
    assert_eq!(Value::Object(program.ask("session-get", asked)), expected);
}

#[test]
fn statistics_are_of_this_run_and_of_all() {
    let sum = |runs: u64| {
        json!({
            "uploadedBytes": 1_000_000, "downloadedBytes": 2_000_000, "filesAdded": 2,
            "sessionCount": runs, "secondsActive": 3661,
        })
    };
    let expected = json!({
        "activeTorrentCount": 2, "pausedTorrentCount": 0, "torrentCount": 2,
        "downloadSpeed": 250_000, "uploadSpeed": 50_000,
        "current-stats": sum(1), "cumulative-stats": sum(5),
    });
    let program = Program::new();
    assert_eq!(Value::Object(program.ask("session-stats", json!({}))), expected);
}

#[test]
fn torrents_are_started_stopped_checked_moved_in_the_queue_and_removed() {
    let program = Program::new();
    let check = |method: &str, arguments: Value, order: Order| {
        assert_eq!(program.ask(method, arguments), Map::new(), "{method}");
        assert_eq!(program.table.last(), order, "{method}");
    };
    check("torrent-start", json!({ "ids": [1] }), Order::Start(these(&[1])));
    check("torrent-start-now", json!({ "ids": [1, 2] }), Order::Start(these(&[1, 2])));
    check("torrent-stop", json!({}), Order::Stop(Which::All));
    check("torrent-verify", json!({ "ids": 2 }), Order::Verify(these(&[2])));
    let recent = json!({ "ids": "recently-active" });
    check("torrent-reannounce", recent, Order::Announce(Which::Recent));
    let hash = "AB".repeat(20);
    let named = Which::These(vec![Name::Hash(hash.to_ascii_lowercase())]);
    check("torrent-stop", json!({ "ids": [hash] }), Order::Stop(named));
    for (word, to) in
        [("top", Place::Top), ("up", Place::Up), ("down", Place::Down), ("bottom", Place::Bottom)]
    {
        let order = Order::Queue { which: these(&[1]), to };
        check(&format!("queue-move-{word}"), json!({ "ids": [1] }), order);
    }
    let remove = |with_data| Order::Remove { which: these(&[2]), with_data };
    check("torrent-remove", json!({ "ids": [2], "delete-local-data": true }), remove(true));
    check("torrent-remove", json!({ "ids": [2] }), remove(false));
    let located = Order::Locate { which: these(&[1]), folder: "/srv".into() };
    let arguments = json!({ "ids": [1], "location": "/srv", "move": false });
    check("torrent-set-location", arguments, located);
}

#[test]
fn torrents_that_do_not_exist_are_passed_over() {
    let program = Program::new();
    for ids in [json!(-1), json!([]), json!([99]), json!("ff".repeat(20))] {
        let arguments = json!({ "ids": ids, "fields": ["id"] });
        let got = Value::Object(program.ask("torrent-get", arguments));
        assert_eq!(got, json!({ "torrents": [] }));
        program.ask("torrent-remove", json!({ "ids": ids, "delete-local-data": true }));
    }
    assert_eq!(program.first(&["id"]), json!({ "id": 1 }));
}

#[test]
fn what_was_removed_is_said_to_whoever_asks_for_what_is_new() {
    let program = Program::new();
    program.ask("torrent-remove", json!({ "ids": [2] }));
    let arguments = json!({ "ids": "recently-active", "fields": ["id"] });
    let expected = json!({ "torrents": [{ "id": 1 }], "removed": [2] });
    assert_eq!(Value::Object(program.ask("torrent-get", arguments)), expected);
}

#[test]
fn limits_are_set_for_all_and_for_one() {
    let program = Program::new();
    program
        .ask("session-set", json!({ "speed-limit-down": 500, "speed-limit-down-enabled": true }));
    program.ask("session-set", json!({ "speed-limit-up-enabled": false }));
    program.ask("session-set", json!({ "alt-speed-enabled": true, "alt-speed-down": 20 }));
    let session = program.ask("session-get", json!({}));
    assert_eq!(session["speed-limit-down"], 500);
    assert_eq!(session["speed-limit-down-enabled"], true);
    assert_eq!(session["speed-limit-up-enabled"], false);
    assert_eq!(
        (&session["alt-speed-enabled"], &session["alt-speed-down"]),
        (&json!(true), &json!(20))
    );

    let arguments = json!({ "ids": [1], "downloadLimit": 30, "downloadLimited": true });
    program.ask("torrent-set", arguments);
    let torrent = program.first(&["downloadLimit", "downloadLimited", "uploadLimited"]);
    let expected = json!({ "downloadLimit": 30, "downloadLimited": true, "uploadLimited": false });
    assert_eq!(torrent, expected);
}

#[test]
fn files_labels_peers_ratio_and_trackers_are_set() {
    let program = Program::new();
    let change = |arguments: Value| {
        let mut arguments = arguments;
        arguments["ids"] = json!([1]);
        program.ask("torrent-set", arguments);
        program.table.changes().pop().expect("a change")
    };
    let wanted = |change: FileChange| Change { wanted: vec![change], ..Change::default() };
    assert_eq!(change(json!({ "files-unwanted": [] })), wanted(FileChange::Skip(vec![])));
    assert_eq!(program.first(&["wanted"]), json!({ "wanted": [0, 0] }));
    assert_eq!(change(json!({ "files-wanted": [1] })), wanted(FileChange::Want(vec![1])));
    assert_eq!(program.first(&["wanted"]), json!({ "wanted": [0, 1] }));
    change(json!({ "priority-high": [0] }));
    assert_eq!(program.first(&["priorities"]), json!({ "priorities": [1, 0] }));
    change(json!({ "labels": ["x", "y"], "peer-limit": 9 }));
    let expected = json!({ "labels": ["x", "y"], "peer-limit": 9 });
    assert_eq!(program.first(&["labels", "peer-limit"]), expected);
    assert_eq!(
        change(json!({ "seedRatioLimit": 1.5, "seedRatioMode": 1 })).seed_ratio,
        Some(Until::At(1.5))
    );
    let expected = json!({ "seedRatioMode": 1, "seedRatioLimit": 1.5 });
    assert_eq!(program.first(&["seedRatioMode", "seedRatioLimit"]), expected);
    // A limit alone changes the limit that the torrent has.
    assert_eq!(change(json!({ "seedRatioLimit": 3 })).seed_ratio, Some(Until::At(3.0)));
    change(json!({ "seedRatioMode": 0 }));
    assert_eq!(change(json!({ "seedRatioLimit": 3 })).seed_ratio, None);
    change(json!({ "trackerAdd": ["udp://x.example:1/announce"] }));
    let sites = program.first(&["trackers"])["trackers"].clone();
    assert_eq!((&sites[1]["sitename"], &sites[1]["id"]), (&json!("x"), &json!(1)));
    let removed = change(json!({ "trackerRemove": [0] })).remove_trackers;
    assert_eq!(removed, [TrackerName::Id(0)]);
    let replaced = change(json!({ "trackerReplace": [1, "udp://y.example:1/announce"] })).trackers;
    assert_eq!(replaced, Some(vec![vec!["udp://y.example:1/announce".to_owned()]]));
}

#[test]
fn seeding_ends_as_the_session_says_and_remembers_its_limits() {
    let program = Program::new();
    let ratio = || {
        let session = program.ask("session-get", json!({}));
        (session["seedRatioLimit"].clone(), session["seedRatioLimited"].clone())
    };
    assert_eq!(ratio(), (json!(2.0), json!(false)));
    program.ask("session-set", json!({ "seedRatioLimit": 1.5, "seedRatioLimited": true }));
    assert_eq!(ratio(), (json!(1.5), json!(true)));
    program.ask("session-set", json!({ "seedRatioLimited": false }));
    assert_eq!(ratio(), (json!(1.5), json!(false)));
    program.ask("session-set", json!({ "seedRatioLimit": 4.0 }));
    assert_eq!(ratio(), (json!(4.0), json!(false)));
    program.ask("session-set", json!({ "seedRatioLimited": true }));
    assert_eq!(ratio(), (json!(4.0), json!(true)));
    program
        .ask("session-set", json!({ "idle-seeding-limit": 5, "idle-seeding-limit-enabled": true }));
    let expected =
        Settings { seed_idle: Some(Some(Duration::from_mins(5))), ..Settings::default() };
    assert_eq!(program.table.last(), Order::Set(Box::new(expected)));
}

#[test]
fn small_methods_answer_what_is_true() {
    let program = Program::new();
    let ask = |method: &str, arguments: Value| Value::Object(program.ask(method, arguments));
    assert_eq!(ask("port-test", json!({})), json!({ "port-is-open": false }));
    assert_eq!(ask("blocklist-update", json!({})), json!({ "blocklist-size": 0 }));
    let room = json!({ "path": "/srv", "size-bytes": 1000, "total_size": 4000 });
    assert_eq!(ask("free-space", json!({ "path": "/srv" })), room);
    assert_eq!(
        program.refused("free-space", json!({ "path": "srv" })),
        "directory path is not absolute"
    );
    assert_eq!(
        program.refused("free-space", json!({ "path": "/none" })),
        "there is no folder /none"
    );
    ask("group-set", json!({ "name": "g", "speed-limit-up": 5 }));
    assert_eq!(ask("group-get", json!({}))["group"][0]["speed-limit-up"], 5);
    assert_eq!(ask("session-close", json!({})), json!({}));
    assert_eq!(program.table.last(), Order::Close);
}

// What is refused.

#[test]
fn nothing_runs_a_program_or_opens_a_door_from_outside() {
    let program = Program::new();
    let before = program.table.orders.lock().len();
    for (name, why) in [
        ("script-torrent-done-filename", "a program to be run is named on the peer's own machine"),
        ("script_torrent_done_enabled", "a program to be run is named on the peer's own machine"),
        ("script-torrent-added-filename", "a program to be run is named on the peer's own machine"),
        ("rpc-port", "how this door is opened is said on the peer's own machine"),
        ("rpc-whitelist-enabled", "how this door is opened is said on the peer's own machine"),
        ("rpc-authentication-required", "how this door is opened is said on the peer's own"),
        ("default-trackers", "trackers of all torrents are named on the peer's own machine"),
    ] {
        let arguments = json!({ name: "/bin/sh", "speed-limit-down": 1 });
        let said = program.refused("session-set", arguments);
        assert!(said.contains(why) && said.starts_with(&name.replace('_', "-")), "{said}");
    }
    assert_eq!(program.table.orders.lock().len(), before, "nothing beside it was changed either");
}

#[test]
fn data_is_not_moved_and_nothing_is_renamed() {
    let program = Program::new();
    let arguments = json!({ "ids": [1], "location": "/srv", "move": true });
    let said = program.refused("torrent-set-location", arguments);
    assert!(said.starts_with("this program moves no data"), "{said}");
    let said = program.refused("torrent-set", json!({ "ids": [1], "location": "/srv" }));
    assert!(said.starts_with("this program moves no data"), "{said}");
    let arguments = json!({ "ids": [1], "path": "half", "name": "x" });
    let said = program.refused("torrent-rename-path", arguments);
    assert!(said.contains("this program renames nothing"), "{said}");
    assert!(program.table.orders.lock().is_empty());
}

#[test]
fn the_port_stays_while_the_program_runs() {
    let program = Program::new();
    program.ask("session-set", json!({ "peer-port": 6881 }));
    let said = program.refused("session-set", json!({ "peer-port": 7000 }));
    assert!(said.starts_with("peer-port: the peer listens on 6881"), "{said}");
}

#[test]
fn a_request_that_makes_no_sense_is_answered_in_words() {
    let program = Program::new();
    let check = |body: &str, result: &str| {
        let answer = program.send(body);
        let said = answer["result"].as_str().unwrap();
        assert!(said.starts_with(result), "{body}: {said}");
    };
    check("", "the request is no JSON: EOF");
    check("{", "the request is no JSON: EOF");
    check("method=torrent-get", "the request is no JSON: expected value");
    check("7", "the request is no JSON object");
    check("{}", "no method name");
    check(r#"{"method":"x"}"#, "method name not recognized");
    check(r#"{"method":7}"#, "method: expected a text");
    check(r#"{"method":"torrent-get","arguments":[]}"#, "arguments: expected an object");
    check(r#"{"method":"torrent-get"}"#, "no fields specified");
    check(r#"{"method":"torrent-get","tag":"x"}"#, "tag: expected a number");
    check(r#"{"method":"torrent-get","arguments":{"fields":"id"}}"#, "fields: expected a list");
    check(r#"{"method":"torrent-get","arguments":{"fields":[],"format":"x"}}"#, "format: expected");
    check(r#"{"method":"torrent-get","arguments":{"fields":[],"ids":{}}}"#, "ids: expected");
    check(
        r#"{"method":"session-set","arguments":{"download-dir":"x"}}"#,
        "download directory path",
    );
    check(r#"{"method":"session-set","arguments":{"speed-limit-up":-1}}"#, "speed-limit-up: exp");
    check(
        r#"{"method":"session-set","arguments":{"speed-limit-up":1e300}}"#,
        "speed-limit-up: exp",
    );
    check(r#"{"method":"session-set","arguments":{"peer-port":65536}}"#, "peer-port: expected");
    check(&"[".repeat(100_001), "the request has more than 100000 values");
    check(&"[".repeat(1000), "the request is no JSON: recursion limit exceeded");
}

// Fields and spellings.

#[test]
fn all_77_fields_are_there_in_both_formats_and_both_spellings() {
    let program = Program::new();
    let older: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    let newer: Vec<String> = older.iter().map(|name| snake(name)).collect();
    let torrent = program.first(&older);
    assert_eq!(torrent.as_object().unwrap().len(), 77);

    let arguments = json!({ "ids": 1, "fields": older, "format": "table" });
    let table = program.ask("torrent-get", arguments)["torrents"].clone();
    assert_eq!(table[0], json!(older));
    let row: Vec<Value> = older.iter().map(|name| torrent[name].clone()).collect();
    assert_eq!(table[1], json!(row));

    let newest = program.call("torrent_get", json!({ "ids": [1], "fields": newer }));
    let newest = newest["result"]["torrents"][0].as_object().unwrap().clone();
    assert_eq!(newest.len(), 77, "no two names become one");
    for (older, newer) in older.iter().zip(&newer) {
        let expected =
            swarmlet::control::rpc::names::Spelling::Snake.of_all(torrent[older].clone());
        assert_eq!(newest[newer], expected, "{newer}");
    }
    let params = json!({ "ids": [1], "fields": newer, "format": "table" });
    let table = program.call("torrent_get", params)["result"]["torrents"].clone();
    assert_eq!(table[0], json!(newer));
}

#[test]
fn unknown_fields_are_left_out_and_double_ones_come_once() {
    let program = Program::new();
    assert_eq!(program.first(&["id", "unheardOf", "id"]), json!({ "id": 1 }));
}

#[test]
fn the_names_of_the_newer_dialect_are_understood_and_answered() {
    let program = Program::new();
    let answer = program
        .call("session_get", json!({ "fields": ["seed_ratio_limited", "rpc_version_semver"] }));
    let expected = json!({ "seed_ratio_limited": false, "rpc_version_semver": "6.0.0" });
    assert_eq!(answer["result"], expected);
    let answer = program.call("session_set", json!({ "speed_limit_down": 7 }));
    assert_eq!(answer["result"], json!({}));
    let answer = program.call("torrent_add", json!({ "filename": "x", "download_dir": "/x" }));
    assert_eq!(answer["result"]["torrent_added"]["hash_string"], format!("{:040x}", 3));
    let answer = program.call("torrent_get", json!({ "ids": "recently_active", "fields": [] }));
    assert_eq!(answer["result"]["removed"], json!([]));
    let session = program.call("session_get", json!({}))["result"].as_object().unwrap().clone();
    let older = program.ask("session-get", json!({}));
    assert_eq!(session.len(), older.len(), "no two names become one");
    assert!(older.keys().all(|name| session.contains_key(&snake(name))));
}

#[test]
fn json_rpc_has_codes_notifications_and_batches() {
    let program = Program::new();
    let code = |body: &str| program.send(body)["error"]["code"].clone();
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"#), -32700);
    assert_eq!(code(r#"{"jsonrpc":"1.0","id":1,"method":"session_get"}"#), -32600);
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":{},"method":"session_get"}"#), -32600);
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":1}"#), -32600);
    assert_eq!(code("[]"), -32600);
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#), -32601);
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"session_get","params":[]}"#), -32602);
    assert_eq!(program.call("free_space", json!({ "path": "x" }))["error"]["code"], 3);
    let refused = program.call("free_space", json!({ "path": "/none" }));
    assert_eq!(refused["error"], json!({ "code": 5, "message": "there is no folder /none" }));

    let silent = r#"{"jsonrpc":"2.0","method":"torrent_stop","params":{"ids":[1]}}"#;
    assert_eq!(program.rpc.answer(silent.as_bytes()), None);
    assert_eq!(program.table.last(), Order::Stop(these(&[1])));
    assert_eq!(program.rpc.answer(format!("[{silent},{silent}]").as_bytes()), None);

    let one = r#"{"jsonrpc":"2.0","id":1,"method":"port_test"}"#;
    let answers = program.send(&format!("[{one},{silent},7]"));
    assert_eq!(answers.as_array().unwrap().len(), 2);
    assert_eq!(answers[0]["result"], json!({ "port_is_open": false }));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!(null), &json!(-32600)));
    let many = format!("[{}{one}]", format!("{one},").repeat(100));
    assert_eq!(code(&many), -32600);
}
