//! The page's streams over real sockets: what they tell, how many may listen, how they end.

use crate::harness::desk::FakeDesk;
use crate::harness::programs::quick_tracker;
use crate::harness::rpc::Daemon;
use crate::harness::scratch::Scratch;
use crate::harness::watch::Watch;
use crate::harness::{SOON, together, until};
use serde_json::{Value, json};
use std::net::SocketAddr;
use swarmlet::control::dashboard::MAX_WATCHERS;
use swarmlet::control::http::{Door, DoorOptions, Patience};

fn open() -> (Door, FakeDesk) {
    let table = FakeDesk::open();
    let patience = Patience { head: SOON, grace: SOON, rate: 64 * 1024 };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = DoorOptions { address, patience, ..DoorOptions::default() };
    let door = Door::open(options, table.desk.clone()).expect("a free port");
    (door, table)
}

#[test]
fn a_watcher_is_told_how_everything_stands() {
    let (door, _table) = open();
    let mut watch = Watch::open(door.address(), "/events?torrent=1");
    assert!(watch.head.contains("\r\nContent-Type: text/event-stream\r\n"), "{}", watch.head);
    assert!(!watch.head.contains("Content-Length"), "{}", watch.head);
    let (name, hello) = watch.next();
    assert_eq!(
        (name.as_str(), &hello["torrent"], &hello["layer"]),
        ("hello", &json!(1), &json!("state"))
    );
    let token = hello["session"].as_str().map(str::len);
    assert!(token >= Some(32), "what changes are ordered with: {hello}");
    let (name, history) = watch.next();
    let seconds = json!({ "every": 1, "down": [10, 30], "up": [1, 1] });
    let expected = json!({ "session": { "recent": seconds, "whole": seconds }, "torrent": null });
    assert_eq!((name.as_str(), history), ("history", expected));
    let (name, state) = watch.next();
    assert_eq!(name, "state");
    assert_eq!(state["torrents"].as_array().map(Vec::len), Some(2));
    let first = &state["torrents"][0];
    assert_eq!((&first["name"], &first["state"]), (&json!("half"), &json!("downloading")));
    let (name, files) = watch.next();
    assert_eq!((name.as_str(), &files["files"][0]["name"]), ("files", &json!("half/a.txt")));
    let expected = json!({
        "id": 1, "layer": "state", "pieces": 5, "sources": null, "runs": [3, 3, 1, 1, 1, 0],
    });
    assert_eq!(watch.next(), ("map".to_owned(), expected));
    assert_eq!(watch.next().0, "state", "files and map have not changed");
}

#[test]
fn a_torrent_that_is_looked_at_closely_has_its_peers_and_the_choker_s_board() {
    let (door, _table) = open();
    let state = Watch::open(door.address(), "/events?torrent=1").wait("state");
    let detail = &state["detail"];
    let expected = json!({
        "address": "127.0.0.2:6881", "client": "Transmission 4.0.6", "native": false,
        "incoming": false, "encrypted": false, "from": "tracker", "progress": 0.5, "bar": "fff00",
        "gives": 250_000, "takes": 0, "given": 1_000_000, "taken": 0,
        "amChoking": true, "optimistic": false, "why": "it wants nothing",
        "amInterested": true, "peerChoking": false, "peerInterested": false,
        "snubbed": false, "requests": 4, "inFlight": 65_536, "window": 131_072, "rtt": 0.003,
        "connected": 61.0, "flags": ["it serves us"],
    });
    assert_eq!(detail["peers"][0], expected);
    let expected = json!({
        "strategy": "tft", "slots": 4, "seeding": false, "next": 8.0, "every": 10.0,
        "decisions": [{
            "ago": 2.0, "what": "round",
            "served": [{
                "peer": "127.0.0.3:51413", "optimistic": false,
                "why": "tit for tat: first of 2 with 50 kB/s",
            }],
            "dropped": ["127.0.0.2:6881"],
        }],
    });
    assert_eq!(detail["choking"], expected);
    let ban = json!({ "address": "127.0.0.66:666", "why": "it sent wrong bytes of piece 2" });
    assert_eq!((&detail["bans"], &detail["availability"]), (&json!([ban]), &json!([0, 4, 1])));
    let state = Watch::open(door.address(), "/events?torrent=2").wait("state");
    assert_eq!(state["detail"], Value::Null, "it is not at work");
    assert_eq!(Watch::open(door.address(), "/events").wait("state")["detail"], Value::Null);
}

#[test]
fn a_map_shows_sources_or_copies_on_demand() {
    let (door, _table) = open();
    let map = |layer| {
        Watch::open(door.address(), &format!("/events?torrent=1&layer={layer}")).wait("map")
    };
    let source = map("source");
    assert_eq!(source["sources"], json!(["127.0.0.3:51413"]));
    assert_eq!(source["runs"], json!([2, 2, 1, 1, 2, 0]));
    assert_eq!(map("availability")["runs"], json!([2, 1, 1, 2, 2, 1]));
}

#[test]
fn the_log_has_what_passes_its_filter() {
    let (door, _table) = open();
    let lines = |query| Watch::open(door.address(), &format!("/log{query}")).wait("message");
    assert_eq!(lines("").as_array().map(Vec::len), Some(2));
    let have = lines("?types=HAVE,pick");
    assert_eq!((have.as_array().map(Vec::len), &have[0]["piece"]), (Some(1), &json!(1)));
    assert_eq!(lines("?peer=127.0.0.2%3A6881")[0]["msg"], "HAVE");
    assert_eq!(lines("?types=verify")[0]["ev"], "verify");
}

#[test]
fn a_stream_is_asked_for_as_it_should_be() {
    let (door, _table) = open();
    let status = |path: &str| Watch::open(door.address(), path).status();
    assert_eq!(status("/events?torrent=x"), 400);
    assert_eq!(status("/events?layer=x"), 400);
    assert_eq!(status("/events/"), 404);
    assert_eq!(status("/log?types="), 200);
}

#[test]
fn watchers_are_bounded_and_leave_room_for_the_rpc() {
    let (door, _table) = open();
    let mut watchers: Vec<Watch> =
        (0..MAX_WATCHERS).map(|_| Watch::open(door.address(), "/events")).collect();
    watchers.iter_mut().for_each(|watch| _ = watch.wait("state"));
    let refused = Watch::open(door.address(), "/log");
    assert_eq!(refused.status(), 503, "{}", refused.head);
    assert!(refused.head.contains("\r\nRetry-After: 5\r\n"), "{}", refused.head);
    assert_eq!(Watch::open(door.address(), "/").status(), 200);
    watchers.pop();
    until("the place of one who left is free", SOON, || {
        (Watch::open(door.address(), "/events").status() == 200).then_some(())
    });
}

#[test]
fn streams_end_with_the_door() {
    let (door, _table) = open();
    let mut watch = Watch::open(door.address(), "/events");
    watch.wait("state");
    let mut log = Watch::open(door.address(), "/log");
    log.wait("message");
    drop(door);
    assert!(watch.ends() && log.ends());
}

#[test]
fn a_transfer_is_seen_piece_by_piece_with_who_sent_it() {
    let _turn = together();
    let scratch = Scratch::new("dashboard");
    let file = scratch.file("src/big.bin", 6_000_000, 1);
    let tracker = quick_tracker();
    let at = tracker.address.to_string();
    let source = Daemon::start(&scratch.folder("a"), &["--tracker", &at, "--uplimit", "500k"]);
    let mut seeding = source.remote();
    seeding.add(json!({ "seed": file }));
    until("it is on the tracker's list", SOON, || {
        let listed = seeding.call("catalogue", json!({}));
        (listed["entries"][0]["seeders"] == 1).then_some(())
    });
    let sink = Daemon::start(&scratch.folder("b"), &["--tracker", &at, "-w", "down"]);
    let mut fetching = sink.remote();
    let id = fetching.add(json!({ "filename": "big.bin" }));
    let mut log = Watch::open(sink.at, "/log?types=verify,pick");
    // While it is slow: who sends, what came from whom, who is served and why.
    let mut watch = Watch::open(sink.at, &format!("/events?torrent={id}&layer=source"));
    let giving =
        watch.wait_for("state", |state| state["detail"]["peers"][0]["gives"].as_u64() > Some(0));
    assert_eq!(giving["detail"]["peers"][0]["native"], true);
    let is_named = |map: &Value| map["sources"].as_array().is_some_and(|s| !s.is_empty());
    let named = watch.wait_for("map", is_named);
    assert_eq!(named["sources"][0], giving["detail"]["peers"][0]["address"]);
    let sink_at = format!("127.0.0.1:{}", fetching.call("session-get", json!({}))["peer-port"]);
    let mut serving = Watch::open(source.at, "/events?torrent=1");
    let served = serving.wait_for("state", |state| {
        let newest = &state["detail"]["choking"]["decisions"][0];
        newest["served"][0]["peer"] == sink_at && newest["served"][0]["why"] != ""
    });
    assert_eq!(served["detail"]["peers"][0]["amChoking"], false);
    // And when it is whole.
    seeding.call("session-set", json!({ "speed-limit-up-enabled": false }));
    watch.wait_for("state", |state| state["torrents"][0]["state"] == "seeding");
    let mut whole = Watch::open(sink.at, &format!("/events?torrent={id}"));
    let runs = whole.wait_for("map", |map| map["runs"].is_array())["runs"].clone();
    assert_eq!(runs, json!([12, 3]), "all twelve pieces are verified");
    log.wait_for("message", |lines| {
        lines.as_array().is_some_and(|lines| lines.iter().any(|line| line["ev"] == "verify"))
    });
}
