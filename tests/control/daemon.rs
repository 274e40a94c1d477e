//! `peer daemon`, steered by Transmission's RPC: real programs, files and sockets.

use crate::harness::process::{Process, listening_at};
use crate::harness::programs::{PEER, create, quick_tracker, seeder, wait_seeders};
use crate::harness::rpc::Daemon;
use crate::harness::scratch::{Scratch, assert_same, copy, flip, listing};
use crate::harness::{DOWNLOAD, SOON, together, until};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

/// Transmission's numbers for what a torrent does.
const STOPPED: u64 = 0;
const DOWNLOADING: u64 = 4;
const SEEDING: u64 = 6;

fn is(number: u64) -> impl Fn(&Value) -> bool {
    move |value| value.as_u64() == Some(number)
}

#[test]
fn a_daemon_fetches_what_it_is_told_and_goes_on_after_a_restart() {
    let _turn = together();
    let scratch = Scratch::new("daemon");
    let file = scratch.file("src/big.bin", 3_000_000, 1);
    let torrent = scratch.at("big.torrent");
    create(&file, &torrent, "");
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "");
    wait_seeders(tracker.address, "big.bin", 1, SOON);
    let folder = scratch.folder("daemon");
    let at = tracker.address.to_string();
    let words = ["--tracker", &at, "--download-dir", "down"];
    let mut daemon = Daemon::start(&folder, &words);
    let mut remote = daemon.remote();
    let id = remote.add(json!({ "filename": "big.bin", "labels": ["lecture"] }));
    remote.wait(id, "status", DOWNLOAD, is(SEEDING));
    assert_same(&file, &folder.join("down/big.bin"));
    let fields = ["name", "hashString", "percentDone", "downloadedEver", "labels", "addedDate"];
    let before = remote.torrent(id, &fields);
    assert_eq!(before["percentDone"], 1.0);
    assert_eq!(before["downloadedEver"], 3_000_000);
    daemon.process.stop(0);

    let mut daemon = Daemon::start(&folder, &words);
    let mut remote = daemon.remote();
    until("the torrent is back", SOON, || {
        let all = remote.torrents(&["status"]);
        all.first().is_some_and(|torrent| torrent["status"] == SEEDING).then_some(())
    });
    assert_eq!(remote.torrents(&fields), [before]);
    remote.call("torrent-remove", json!({ "ids": [1], "delete-local-data": true }));
    until("its files are gone", SOON, || listing(&folder.join("down")).is_empty().then_some(()));
    assert!(
        listing(&folder.join("state/torrents")).is_empty() || {
            until("it is forgotten", SOON, || {
                listing(&folder.join("state/torrents")).is_empty().then_some(())
            });
            true
        }
    );
    daemon.process.stop(0);
}

#[test]
fn torrents_are_stopped_started_checked_and_repaired() {
    let _turn = together();
    let scratch = Scratch::new("steer");
    let file = scratch.file("src/big.bin", 4_000_000, 2);
    let tracker = quick_tracker();
    let source = seeder("source", tracker.address, &file, "--piece-length 64KiB");
    wait_seeders(tracker.address, "big.bin", 1, SOON);
    let folder = scratch.folder("daemon");
    let at = tracker.address.to_string();
    let mut daemon =
        Daemon::start(&folder, &["--tracker", &at, "-w", "down", "--downlimit", "200k"]);
    let mut remote = daemon.remote();
    let id = remote.add(json!({ "filename": "big.bin" }));
    remote.wait(id, "haveValid", DOWNLOAD, |have| have.as_u64() > Some(0));
    remote.call("torrent-stop", json!({ "ids": [id] }));
    remote.wait(id, "status", SOON, is(STOPPED));
    remote.wait(id, "peersConnected", SOON, is(0));
    let left = remote.torrent(id, &["leftUntilDone"])["leftUntilDone"].as_u64();
    assert!(left > Some(0), "it was stopped in the middle");
    remote.call("session-set", json!({ "speed-limit-down-enabled": false }));
    remote.call("torrent-start", json!({ "ids": [id] }));
    remote.wait(id, "status", DOWNLOAD, is(SEEDING));
    assert_same(&file, &folder.join("down/big.bin"));

    remote.call("torrent-stop", json!({ "ids": [id] }));
    remote.wait(id, "status", SOON, is(STOPPED));
    flip(&folder.join("down/big.bin"), 1_000_000);
    remote.call("torrent-verify", json!({ "ids": [id] }));
    remote.wait(id, "leftUntilDone", SOON, is(65_536));
    remote.call("torrent-start", json!({ "ids": [id] }));
    remote.wait(id, "status", DOWNLOAD, is(SEEDING));
    assert_same(&file, &folder.join("down/big.bin"));
    drop(source);
    daemon.process.stop(0);
}

#[test]
fn only_the_files_that_are_wanted_are_fetched_until_more_are() {
    let _turn = together();
    let scratch = Scratch::new("wanted");
    for (n, name) in ["a.bin", "b.bin", "sub/c.bin"].into_iter().enumerate() {
        scratch.file(&format!("src/set/{name}"), 500_000 + n, n as u64);
    }
    let set = scratch.path().join("src/set");
    let tracker = quick_tracker();
    let torrent = scratch.at("set.torrent");
    create(&set, &torrent, &format!("-t {}", tracker.address));
    let _source = seeder("source", tracker.address, &set, "");
    wait_seeders(tracker.address, "set", 1, SOON);
    let folder = scratch.folder("daemon");
    let at = tracker.address.to_string();
    let mut daemon = Daemon::start(&folder, &["--tracker", &at, "-w", "down"]);
    let mut remote = daemon.remote();
    let id = remote.add(json!({
        "filename": torrent.to_str().unwrap(), "paused": true, "files-unwanted": [0, 2]
    }));
    let shown = remote.torrent(id, &["wanted", "status", "sizeWhenDone"]);
    assert_eq!(shown["wanted"], json!([0, 1, 0]));
    assert_eq!(shown["status"], STOPPED);
    assert_eq!(shown["sizeWhenDone"], 500_001);
    assert!(!folder.join("down/set").exists(), "what was never started makes no files");
    remote.call("torrent-start", json!({ "ids": [id] }));
    remote.wait(id, "status", DOWNLOAD, is(SEEDING));
    assert_eq!(listing(&folder.join("down/set")), ["b.bin"]);
    assert_same(&set.join("b.bin"), &folder.join("down/set/b.bin"));
    remote.call("torrent-set", json!({ "ids": [id], "files-wanted": [2] }));
    remote.wait(id, "leftUntilDone", DOWNLOAD, is(0));
    remote.wait(id, "status", DOWNLOAD, is(SEEDING));
    assert_same(&set.join("sub/c.bin"), &folder.join("down/set/sub/c.bin"));
    assert!(!folder.join("down/set/a.bin").exists());
    daemon.process.stop(0);
}

#[test]
fn what_lies_in_the_shared_folder_is_published_and_withdrawn() {
    let _turn = together();
    let scratch = Scratch::new("share");
    let tracker = quick_tracker();
    let folder = scratch.folder("daemon");
    let share = scratch.folder("share");
    let first = scratch.file("share/first.bin", 100_000, 1);
    let at = tracker.address.to_string();
    let words = ["--tracker", &at, "--share", share.to_str().unwrap(), "-w", "down"];
    let mut daemon = Daemon::start(&folder, &words);
    wait_seeders(tracker.address, "first.bin", 1, SOON);
    let out = scratch.folder("out");
    let mut user = crate::harness::programs::leecher(
        "user",
        tracker.address,
        "first.bin",
        &out,
        "--seed-time 0",
    );
    user.expect_exit(0, DOWNLOAD);
    assert_same(&first, &out.join("first.bin"));
    scratch.file("share/tree/x", 1000, 2);
    scratch.file("share/tree/y", 1000, 3);
    wait_seeders(tracker.address, "tree", 1, SOON);
    fs::remove_file(&first).unwrap();
    wait_seeders(tracker.address, "first.bin", 0, SOON);
    daemon.process.stop(0);
}

#[test]
fn a_torrent_in_the_watched_folder_is_taken_up_once() {
    let _turn = together();
    let scratch = Scratch::new("watched");
    let file = scratch.file("src/w.bin", 200_000, 4);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "");
    let torrent = scratch.at("w.torrent");
    create(&file, &torrent, &format!("-t {}", tracker.address));
    let (folder, watch) = (scratch.folder("daemon"), scratch.folder("watch"));
    let at = tracker.address.to_string();
    let words = ["--tracker", &at, "--watch-dir", watch.to_str().unwrap(), "-w", "down"];
    let mut daemon = Daemon::start(&folder, &words);
    copy(&torrent, &watch.join("w.torrent"));
    fs::write(watch.join("bad.torrent"), "no torrent").unwrap();
    until("it is renamed", SOON, || watch.join("w.torrent.added").exists().then_some(()));
    until("it is fetched", DOWNLOAD, || folder.join("down/w.bin").exists().then_some(()));
    assert_same(&file, &folder.join("down/w.bin"));
    daemon.process.wait_stderr("which is bad", SOON, |said| said.contains("bad.torrent"));
    assert!(watch.join("bad.torrent").exists(), "what is no torrent stays");
    daemon.process.stop(0);
}

#[test]
fn a_second_daemon_on_one_folder_refuses() {
    let _turn = together();
    let scratch = Scratch::new("twice");
    let folder = scratch.folder("daemon");
    let mut first = Daemon::start(&folder, &["-w", "down"]);
    let words = ["daemon", "--config-dir", "state", "--web", "127.0.0.1:0", "-p", "0"];
    let mut second = Process::start("second", PEER, &words, &folder);
    second.expect_exit(8, SOON);
    assert!(
        second.stderr().contains("state is in use by another peer daemon"),
        "{}",
        second.stderr()
    );
    first.process.stop(0);
}

#[test]
fn what_cannot_be_read_is_set_aside_and_the_torrent_is_checked() {
    let _turn = together();
    let scratch = Scratch::new("corrupt");
    let file = scratch.file("src/c.bin", 300_000, 5);
    let torrent = scratch.at("c.torrent");
    create(&file, &torrent, "");
    let folder = scratch.folder("daemon");
    copy(&file, &{
        fs::create_dir_all(folder.join("down")).unwrap();
        folder.join("down/c.bin")
    });
    let mut daemon = Daemon::start(&folder, &["-w", "down"]);
    let id = daemon.remote().add(json!({ "filename": torrent.to_str().unwrap() }));
    daemon.remote().wait(id, "status", SOON, is(SEEDING));
    daemon.process.stop(0);
    let kept = folder.join("state/torrents");
    let is_json = |name: &String| Path::new(name).extension().is_some_and(|end| end == "json");
    let json_file = listing(&kept).into_iter().find(is_json).unwrap();
    fs::write(kept.join(&json_file), "{ \"folder\": 7").unwrap();
    fs::write(kept.join("0000.torrent"), "no torrent").unwrap();

    let mut daemon = Daemon::start(&folder, &["-w", "down"]);
    daemon.remote().wait(1, "status", SOON, is(SEEDING));
    let said = daemon.process.stderr();
    assert!(said.contains(&json_file) && said.contains("set aside"), "{said}");
    assert!(kept.join(format!("{json_file}.bad")).exists());
    assert!(kept.join("0000.torrent.bad").exists());
    daemon.process.stop(0);
}

#[test]
fn settings_come_from_a_file_are_printed_with_their_meaning_and_kept() {
    let _turn = together();
    let scratch = Scratch::new("settings");
    let folder = scratch.folder("daemon");
    let dump = |words: &[&str]| {
        let words = [&["daemon", "--config-dir", "state", "--dump-settings"], words].concat();
        let mut process = Process::start("dump", PEER, &words, &folder);
        process.expect_exit(0, SOON);
        process.plain().join("\n") + "\n"
    };
    let usual = dump(&[]);
    assert!(usual.contains("\n# most connections at once (200)\nmax-peers = 200\n"), "{usual}");
    let state = folder.join("state");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("config.toml"), &usual).unwrap();
    assert_eq!(dump(&[]), usual, "what is printed is read back as it was");
    let file = "# ours\nmax-peers = 7 # few\nweb = \"127.0.0.1:0\"\n";
    fs::write(state.join("config.toml"), file).unwrap();
    let mut daemon = Daemon::start(&folder, &["-w", "down"]);
    let mut remote = daemon.remote();
    assert_eq!(remote.call("session-get", json!({}))["peer-limit-global"], 7);
    remote.call(
        "session-set",
        json!({ "peer-limit-global": 9, "speed-limit-up": 50,
        "speed-limit-up-enabled": true }),
    );
    until("it is written down", SOON, || {
        let now = fs::read_to_string(state.join("config.toml")).unwrap();
        (now == "# ours\nmax-peers = 9 # few\nweb = \"127.0.0.1:0\"\nuplimit = \"50k\"\n")
            .then_some(())
    });
    daemon.process.stop(0);
    fs::write(state.join("config.toml"), "\nmax-pers = 7\n").unwrap();
    let words = ["daemon", "--config-dir", "state"];
    let mut process = Process::start("bad", PEER, &words, &folder);
    process.expect_exit(2, SOON);
    let said = process.stderr();
    assert!(said.contains("line 2: unknown key max-pers: did you mean max-peers?"), "{said}");
}

#[test]
fn a_finished_torrent_is_stopped_at_its_ratio_and_says_so() {
    let _turn = together();
    let scratch = Scratch::new("ratio");
    let file = scratch.file("src/r.bin", 300_000, 6);
    let torrent = scratch.at("r.torrent");
    create(&file, &torrent, "");
    let folder = scratch.folder("daemon");
    fs::create_dir_all(folder.join("down")).unwrap();
    copy(&file, &folder.join("down/r.bin"));
    let mut daemon = Daemon::start(&folder, &["-w", "down"]);
    let mut remote = daemon.remote();
    let id = remote.add(json!({ "filename": torrent.to_str().unwrap() }));
    remote.wait(id, "status", SOON, is(SEEDING));
    remote.call("torrent-set", json!({ "ids": [id], "seedRatioLimit": 0.0, "seedRatioMode": 1 }));
    remote.wait(id, "isFinished", SOON, |finished| finished == true);
    remote.wait(id, "status", SOON, is(STOPPED));
    daemon.process.stop(0);
}

#[test]
fn a_command_is_run_when_a_download_is_whole_with_the_torrents_facts() {
    let _turn = together();
    let scratch = Scratch::new("ondone");
    let file = scratch.file("src/$(touch pwned) x.bin", 100_000, 7);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "");
    wait_seeders(tracker.address, "$(touch pwned) x.bin", 1, SOON);
    let folder = scratch.folder("daemon");
    let at = tracker.address.to_string();
    let command = "echo >> times; printf '%s|%s|%s' \"$TR_TORRENT_NAME\" \"$TR_TORRENT_DIR\" \"$TR_TORRENT_BYTES_DOWNLOADED\" > told";
    let mut daemon =
        Daemon::start(&folder, &["--tracker", &at, "-w", "down", "--on-done", command]);
    let mut remote = daemon.remote();
    let id = remote.add(json!({ "filename": "$(touch pwned) x.bin" }));
    let expected = format!("$(touch pwned) x.bin|{}|100000", folder.join("down").display());
    until("the command was run", DOWNLOAD, || {
        (fs::read_to_string(folder.join("told")).ok()? == expected).then_some(())
    });
    assert!(!folder.join("pwned").exists());
    // What is only checked again is not whole once more.
    remote.call("torrent-verify", json!({ "ids": [id] }));
    daemon.process.wait_stderr("how the check went", SOON, |said| said.contains("are right"));
    remote.wait(id, "status", SOON, is(SEEDING));
    daemon.process.stop(0);
    assert_eq!(fs::read_to_string(folder.join("times")).unwrap(), "\n");
}

#[test]
fn a_magnet_waits_for_its_metadata_and_can_be_removed() {
    let _turn = together();
    let scratch = Scratch::new("magnet");
    let folder = scratch.folder("daemon");
    let mut daemon = Daemon::start(&folder, &["-w", "down", "--time-scale", "10"]);
    let mut remote = daemon.remote();
    let link = format!("magnet:?xt=urn:btih:{}&dn=<b>x\u{1b}[2J", "ab".repeat(20));
    let id = remote.add(json!({ "filename": link }));
    let again = remote.call("torrent-add", json!({ "filename": link }));
    assert_eq!(again["torrent-duplicate"]["id"], id);
    let shown = remote.torrent(id, &["hashString", "metadataPercentComplete", "status"]);
    assert_eq!(shown["hashString"], "ab".repeat(20));
    assert_eq!(shown["metadataPercentComplete"], 0.0);
    assert_eq!(shown["status"], DOWNLOADING);
    remote.call("torrent-remove", json!({ "ids": [id] }));
    assert_eq!(remote.torrents(&["id"]), Vec::<Value>::new());
    let said = daemon.process.stderr();
    assert!(!said.contains('\u{1b}'), "{said:?}");
    daemon.process.stop(0);
}

#[test]
fn a_daemon_is_told_to_end() {
    let _turn = together();
    let scratch = Scratch::new("close");
    let folder = scratch.folder("daemon");
    let mut daemon = Daemon::start(&folder, &["-w", "down", "--pid-file", "pid"]);
    let pid = fs::read_to_string(folder.join("pid")).unwrap();
    assert_eq!(pid.trim(), daemon.process.id().to_string());
    daemon.remote().call("session-close", json!({}));
    daemon.process.expect_exit(0, Duration::from_secs(5));
    assert!(!folder.join("pid").exists());
}

#[test]
fn a_paused_daemon_starts_nothing_and_its_log_is_a_file() {
    let _turn = together();
    let scratch = Scratch::new("paused");
    let file = scratch.file("src/p.bin", 100_000, 8);
    let torrent = scratch.at("p.torrent");
    create(&file, &torrent, "");
    let folder = scratch.folder("daemon");
    copy(&file, &folder.join("down/p.bin"));
    let mut daemon = Daemon::start(&folder, &["-w", "down"]);
    let id = daemon.remote().add(json!({ "filename": torrent.to_str().unwrap() }));
    daemon.remote().wait(id, "status", SOON, is(SEEDING));
    daemon.process.stop(0);

    let words = ["-w", "down", "--paused", "--logfile", "log", "--log-level", "debug"];
    let mut daemon = Daemon::start(&folder, &words);
    let mut remote = daemon.remote();
    // It is checked as every torrent is at the start, and then rests.
    remote.wait(1, "status", SOON, is(STOPPED));
    assert_eq!(remote.torrent(1, &["percentDone"])["percentDone"], 1.0);
    remote.call("torrent-start", json!({ "ids": [1] }));
    remote.wait(1, "status", SOON, is(SEEDING));
    daemon.process.stop(0);
    let log = fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.lines().count() > 0, "it says something when it is asked for much");
    assert!(!daemon.process.stderr().contains("DEBUG"), "{}", daemon.process.stderr());
}

#[test]
fn a_door_to_the_network_needs_a_password() {
    let _turn = together();
    let scratch = Scratch::new("open");
    let file = scratch.file("a.bin", 1000, 1);
    let file = file.to_str().unwrap();
    for words in [
        &["daemon", "--config-dir", "state"][..],
        &["--seed", file, "--port", "0"],
        &["console", "--port", "0"],
    ] {
        for at in ["0.0.0.0:0", "[::]:0"] {
            let words = [words, &["--web", at]].concat();
            let mut process = Process::start("open", PEER, &words, scratch.path());
            process.expect_exit(2, SOON);
            assert!(process.stderr().contains("--auth"), "{}", process.stderr());
        }
    }
}

#[test]
fn the_password_may_come_from_the_environment_and_is_then_asked_for() {
    let _turn = together();
    let scratch = Scratch::new("environment");
    let door = ["daemon", "--config-dir", "state", "--web", "0.0.0.0:0", "--port", "0", "--json"];
    // `env` becomes the program.
    let run = |pair: &str| {
        let set = format!("PEER_AUTH={pair}");
        let words = [&[set.as_str(), PEER][..], &door].concat();
        Process::start("environment", "/usr/bin/env", &words, scratch.path())
    };
    let mut bad = run("nobody");
    bad.expect_exit(2, SOON);
    assert!(bad.stderr().contains("PEER_AUTH: expected USER:PASSWORD"), "{}", bad.stderr());
    let mut daemon = Daemon::of(run("me:k3y"));
    let ask = |login: &str| {
        let at = SocketAddr::from(([127, 0, 0, 1], daemon.at.port()));
        let mut stream = TcpStream::connect(at).unwrap();
        write!(stream, "GET / HTTP/1.0\r\nHost: {at}\r\n{login}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(ask(""), "401");
    assert_eq!(ask("Authorization: Basic bWU6azN5\r\n"), "200");
    daemon.process.stop(0);
}

#[test]
fn who_says_nothing_of_the_network_listens_on_this_machine_alone() {
    let _turn = together();
    let scratch = Scratch::new("near");
    let mut daemon = Daemon::start(scratch.path(), &["-w", "down"]);
    let at = until("peers and remote controls are listened for", SOON, || {
        Some(listening_at(daemon.process.id())).filter(|at| at.len() == 2)
    });
    assert!(at.iter().all(|at| at.ip().is_loopback()), "{at:?}");
    daemon.process.stop(0);
}

#[test]
fn what_was_stopped_stays_as_it_is_over_a_restart_and_what_is_gone_is_missed() {
    let _turn = together();
    let scratch = Scratch::new("stays");
    let file = scratch.file("src/big.bin", 3_000_000, 8);
    let small = scratch.file("src/small.bin", 200_000, 9);
    let tracker = quick_tracker();
    let folder = scratch.folder("daemon");
    let paths = [file.as_path(), small.as_path()];
    let _source = crate::harness::programs::seeder_of(
        "source",
        tracker.address,
        &paths,
        scratch.path(),
        "--piece-length 64KiB",
    );
    wait_seeders(tracker.address, "big.bin", 1, SOON);
    let at = tracker.address.to_string();
    let words = ["--tracker", &at, "-w", "down", "--downlimit", "300k"];
    let mut daemon = Daemon::start(&folder, &words);
    let mut remote = daemon.remote();
    let whole = remote.add(json!({ "filename": "small.bin" }));
    remote.wait(whole, "status", DOWNLOAD, is(SEEDING));
    let id = remote.add(json!({ "filename": "big.bin" }));
    remote.wait(id, "haveValid", DOWNLOAD, |have| have.as_u64() > Some(0));
    remote.call("torrent-stop", json!({}));
    remote.wait(id, "status", SOON, is(STOPPED));
    let left = remote.torrent(id, &["leftUntilDone"]);
    // A file that somebody deleted is missed when it is looked for, though it was open.
    fs::remove_file(folder.join("down/small.bin")).unwrap();
    remote.call("torrent-verify", json!({ "ids": [whole] }));
    remote.wait(whole, "leftUntilDone", SOON, is(200_000));
    remote.wait(whole, "status", SOON, is(STOPPED));
    daemon.process.stop(0);

    let mut daemon = Daemon::start(&folder, &["--tracker", &at, "-w", "down"]);
    let mut remote = daemon.remote();
    remote.wait(2, "haveValid", SOON, |have| have.as_u64() > Some(0));
    remote.wait(2, "status", SOON, is(STOPPED));
    assert_eq!(remote.torrent(2, &["leftUntilDone"]), left);
    let said = daemon.process.stderr();
    assert!(!said.contains("done:"), "{said}");
    remote.call("torrent-start", json!({}));
    for id in [1, 2] {
        remote.wait(id, "status", DOWNLOAD, is(SEEDING));
    }
    assert_same(&file, &folder.join("down/big.bin"));
    assert_same(&small, &folder.join("down/small.bin"));
    daemon.process.stop(0);
}

#[test]
fn a_door_that_is_taken_ends_the_program_with_9() {
    let _turn = together();
    let scratch = Scratch::new("taken");
    let folder = scratch.folder("daemon");
    let mut first = Daemon::start(&folder, &["-w", "down"]);
    let at = first.at.to_string();
    let words = ["daemon", "--config-dir", "other", "-w", "down", "-p", "0", "--web", &at];
    let mut second = Process::start("second", PEER, &words, scratch.path());
    second.expect_exit(9, SOON);
    assert!(second.stderr().contains(&at), "{}", second.stderr());
    let words = ["--leech", "x", "-p", "0", "--web", &at];
    let mut third = Process::start("third", PEER, &words, scratch.path());
    third.expect_exit(9, SOON);
    first.process.stop(0);
}

#[test]
fn an_address_is_fetched_at_once_and_one_that_has_no_torrent_is_refused() {
    let _turn = together();
    let scratch = Scratch::new("address");
    let torrent = scratch.at("a.torrent");
    create(&scratch.file("src/a.bin", 100_000, 10), &torrent, "");
    let bytes = fs::read(&torrent).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap();
    let serving = std::thread::Builder::new().name("web".into());
    let serving = serving.spawn(move || {
        for body in [bytes, b"no torrent".to_vec()] {
            let (mut caller, _) = server.accept().unwrap();
            let mut head = [0; 4096];
            let _ = caller.read(&mut head).unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            caller.write_all(answer.as_bytes()).unwrap();
            caller.write_all(&body).unwrap();
        }
    });
    let folder = scratch.folder("daemon");
    let mut daemon = Daemon::start(&folder, &["-w", "down"]);
    let mut remote = daemon.remote();
    let add = json!({ "filename": format!("http://{at}/a.torrent"), "paused": true });
    let id = remote.add(add.clone());
    assert_eq!(remote.torrent(id, &["name"])["name"], "a.bin");
    let refused = remote.try_call("torrent-add", add.clone())["result"].clone();
    assert!(refused.as_str().unwrap().contains("corrupt torrent file"), "{refused}");
    serving.unwrap().join().unwrap();
    let refused = remote.try_call("torrent-add", add)["result"].clone();
    assert!(refused.as_str().unwrap().contains(&at.to_string()), "nobody is there: {refused}");
    assert_eq!(remote.torrents(&["id"]).len(), 1);
    daemon.process.stop(0);
}
