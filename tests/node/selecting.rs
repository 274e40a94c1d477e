//! `peer --leech` in the foreground: choosing files, order, stdin, the end, settings, steering.

use crate::harness::process::Process;
use crate::harness::programs::{
    Listening, PEER, leecher, leecher_of, quick_tracker, seeder, seeder_of, wait_seeders,
};
use crate::harness::rpc::Daemon;
use crate::harness::scratch::{Scratch, assert_same, listing};
use crate::harness::{DOWNLOAD, SOON, together, until};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The files of the folder that is served, in their order.
const FILES: [&str; 3] = ["a.bin", "b.bin", "sub/c.txt"];

/// The length of each.
const LENGTH: usize = 300_000;

/// What the seeder is told: it shows all that it has at once.
const SOURCE: &str = "--piece-length 64KiB --super-seeding off";

/// A tracker and a seeder of a folder of three files, `set`.
struct Swarm {
    scratch: Scratch,
    tracker: Listening,
    _source: Listening,
}

impl Swarm {
    fn start(name: &str) -> Self {
        let scratch = Scratch::new(name);
        for (n, name) in FILES.into_iter().enumerate() {
            scratch.file(&format!("src/set/{name}"), LENGTH, n as u64);
        }
        let set = scratch.path().join("src/set");
        let tracker = quick_tracker();
        let source = seeder("source", tracker.address, &set, SOURCE);
        wait_seeders(tracker.address, "set", 1, SOON);
        Self { scratch, tracker, _source: source }
    }

    fn at(&self) -> SocketAddr {
        self.tracker.address
    }

    /// A download of `what` with these flags, which ends once it is whole; the folder.
    fn fetch(&self, what: &str, flags: &str, out: &str) -> PathBuf {
        let out = self.scratch.path().join(out);
        let flags = format!("--seed-time 0 {flags}");
        let mut process = leecher("user", self.at(), what, &out, &flags);
        process.expect_exit(0, DOWNLOAD);
        out
    }

    /// These files of the set are there, as they were, and no others.
    fn check(&self, out: &Path, expected: &[&str]) {
        let found = listing(out).into_iter().filter(|name| out.join(name).is_file());
        let wanted: Vec<String> = expected.iter().map(|name| format!("set/{name}")).collect();
        assert_eq!(found.collect::<Vec<_>>(), wanted);
        for name in expected {
            let source = self.scratch.path().join("src/set").join(name);
            assert_same(&source, &out.join("set").join(name));
        }
    }

    /// Runs `peer` with these words; stdout's plain lines and stderr.
    fn peer(&self, words: &[&str], input: &str, exit: i32) -> Process {
        let at = self.at().to_string();
        let words = [words, &["--tracker", &at]].concat();
        let folder = self.scratch.path();
        let mut process = Process::start_with_input("peer", PEER, &words, folder, input);
        process.expect_exit(exit, DOWNLOAD);
        process
    }

    /// A hash of the set, as the catalogue has it: `info_hash_v1` or `info_hash_v2`.
    fn hash(&self, kind: &str) -> String {
        let listed = crate::harness::programs::list(self.at());
        listed[0][kind].as_str().expect("hex").to_owned()
    }
}

#[test]
fn a_number_a_range_a_name_and_a_pattern_choose_files() {
    let _turn = together();
    let swarm = Swarm::start("select");
    let cases: [(&str, &[&str]); 5] = [
        ("1", &FILES[1..2]),
        ("1-", &FILES[1..]),
        ("0,c.txt", &["a.bin", "sub/c.txt"]),
        ("*.bin", &FILES[..2]),
        ("sub/*", &FILES[2..]),
    ];
    for (n, (list, expected)) in cases.into_iter().enumerate() {
        let out = swarm.fetch("set", &format!("--select {list}"), &format!("out{n}"));
        swarm.check(&out, expected);
    }
}

#[test]
fn a_file_that_is_not_there_is_refused_with_how_many_there_are() {
    let _turn = together();
    let swarm = Swarm::start("refuse");
    let check = |list: &str, expected: &str| {
        let words = ["--leech", "set", "--select", list, "-p", "0", "-w", "out"];
        let said = swarm.peer(&words, "", 2).stderr();
        assert!(said.contains(expected), "{said}");
        assert!(!swarm.scratch.path().join("out").exists(), "{list}");
    };
    check("7", "peer: --select: there is no file 7: the torrent has 3 files, 0 to 2");
    check("nothing*", "no file is called \"nothing*\": the torrent has 3 files, 0 to 2");
    check("2-1", "\"2-1\" is a range that ends before it begins");
    let words = ["--seed", "src/set", "--select", "0", "-p", "0"];
    let said = swarm.peer(&words, "", 2).stderr();
    assert!(said.contains("--select is for what --leech names"), "{said}");
}

#[test]
fn the_list_has_the_numbers_that_a_choice_takes_and_fetches_nothing() {
    let _turn = together();
    let swarm = Swarm::start("list");
    let listed = swarm.peer(&["--leech", "set", "--list", "-w", "out"], "", 0).plain();
    let rows =
        ["0      300 kB  set/a.bin", "1      300 kB  set/b.bin", "2      300 kB  set/sub/c.txt"];
    assert_eq!(listed, [&["set: 3 files, 900 kB"][..], &rows].concat());
    let shown = swarm.peer(&["--leech", "set", "--list", "--json", "-w", "out"], "", 0).events();
    assert_eq!(shown[0]["files"][2], json!({ "path": "set/sub/c.txt", "length": LENGTH }));
    assert_eq!(shown[0]["info_hash_v2"], swarm.hash("info_hash_v2"));
    assert!(!swarm.scratch.path().join("out").exists());
}

#[test]
fn a_magnet_chooses_files_unless_the_user_does() {
    let _turn = together();
    let swarm = Swarm::start("magnet");
    let magnet = format!("magnet:?xt=urn:btmh:1220{}&so=0,2", swarm.hash("info_hash_v2"));
    swarm.check(&swarm.fetch(&magnet, "", "by-magnet"), &["a.bin", "sub/c.txt"]);
    swarm.check(&swarm.fetch(&magnet, "--select 1", "by-user"), &FILES[1..2]);
    // By its v1 hash our tracker is asked as a BitTorrent client would.
    let magnet = format!("magnet:?xt=urn:btih:{}&so=2", swarm.hash("info_hash_v1"));
    swarm.check(&swarm.fetch(&magnet, "", "by-v1"), &FILES[2..]);
}

#[test]
fn sequential_asks_for_the_edges_of_files_and_then_in_order() {
    let _turn = together();
    let swarm = Swarm::start("sequential");
    let trace = swarm.scratch.at("trace.jsonl");
    let flags = format!("--sequential --trace {}", trace.display());
    swarm.check(&swarm.fetch("set", &flags, "out"), &FILES);
    let text = fs::read_to_string(&trace).expect("a trace");
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let picks: Vec<Value> = events.filter(|event| event["ev"] == "pick").collect();
    let rule = |pick: &Value| pick["why"]["rule"].as_str().map(str::to_owned);
    let of = |wanted: &str| -> Vec<u64> {
        let fits = picks.iter().filter(|pick| rule(pick).as_deref() == Some(wanted));
        fits.filter_map(|pick| pick["piece"].as_u64()).collect()
    };
    // Five pieces a file: the first and the last of each come first, the others in between.
    assert_eq!(of("edge"), [0, 4, 5, 9, 10, 14]);
    assert_eq!(of("in-order"), [1, 2, 3, 6, 7, 8, 11, 12, 13]);
    let last_edge = picks.iter().rposition(|pick| rule(pick).as_deref() == Some("edge"));
    let first_else = picks.iter().position(|pick| rule(pick).as_deref() == Some("in-order"));
    assert!(last_edge < first_else);
}

#[test]
fn what_to_fetch_and_what_to_serve_come_from_stdin_a_line_each() {
    let _turn = together();
    let swarm = Swarm::start("stdin");
    swarm.scratch.file("src/second one.bin", 100_000, 8);
    let words = ["--seed", "-", "--json", "-p", "0", "--tracker", &swarm.at().to_string()];
    let folder = swarm.scratch.path();
    let input = "# ours\n\nsrc/second one.bin\n";
    let mut second = Process::start_with_input("second", PEER, &words, folder, input);
    second.wait_for("seeding", SOON);
    wait_seeders(swarm.at(), "second one.bin", 1, SOON);
    let words = ["--leech", "-", "-w", "out", "-p", "0", "--seed-time", "0"];
    swarm.peer(&words, "second one.bin\n  set\n", 0);
    assert_same(&folder.join("src/second one.bin"), &folder.join("out/second one.bin"));
    assert_same(&folder.join("src/set/b.bin"), &folder.join("out/set/b.bin"));
    let said = swarm.peer(&words, "# nobody\n", 2).stderr();
    assert!(said.contains("--leech - found nothing on stdin"), "{said}");
    second.stop(0);
}

#[test]
fn a_command_is_run_in_the_foreground_with_the_facts_of_what_was_chosen() {
    let _turn = together();
    let swarm = Swarm::start("on-done");
    let facts = "$TR_TORRENT_NAME|$TR_TORRENT_DIR|$TR_TORRENT_BYTES_DOWNLOADED|$TR_TORRENT_HASH";
    let command = format!("printf %s \"{facts}\" > told.new && mv told.new told; exit 3");
    let words = [
        "--leech",
        "set",
        "--select",
        "1",
        "-w",
        "out",
        "-p",
        "0",
        "--seed-time",
        "0",
        "--on-done",
        &command,
    ];
    swarm.peer(&words, "", 0); // how the command ends is the command's own business
    let folder = swarm.scratch.path();
    let out = fs::canonicalize(folder.join("out")).unwrap();
    let expected = format!("set|{}|{LENGTH}|{}", out.display(), &swarm.hash("info_hash_v2")[..40]);
    until("the command was run", SOON, || {
        (fs::read_to_string(folder.join("told")).ok()? == expected).then_some(())
    });
}

#[test]
fn serving_ends_at_the_ratio_that_was_asked_for() {
    let _turn = together();
    let scratch = Scratch::new("ratio");
    let file = scratch.file("src/r.bin", 500_000, 1);
    let tracker = quick_tracker();
    let source = seeder("source", tracker.address, &file, "");
    wait_seeders(tracker.address, "r.bin", 1, SOON);
    let (first, second) = (scratch.folder("first"), scratch.folder("second"));
    let mut giver = leecher("giver", tracker.address, "r.bin", &first, "--seed-ratio 1");
    giver.wait_for("seeding", DOWNLOAD);
    drop(source);
    wait_seeders(tracker.address, "r.bin", 1, SOON);
    let mut user = leecher("user", tracker.address, "r.bin", &second, "--seed-time 0");
    user.expect_exit(0, DOWNLOAD);
    giver.expect_exit(0, SOON);
    assert_same(&file, &second.join("r.bin"));
}

#[test]
fn serving_ends_after_the_time_that_was_asked_for() {
    let _turn = together();
    let swarm = Swarm::start("time");
    let out = swarm.scratch.path().join("out");
    let mut user = leecher("user", swarm.at(), "set", &out, "--seed-time 1s");
    user.wait_for("seeding", DOWNLOAD);
    let whole = Instant::now();
    user.expect_exit(0, SOON);
    // The event was read some time after it was written.
    assert!(whole.elapsed() > Duration::from_millis(500), "{:?}", whole.elapsed());
}

#[test]
fn a_running_download_is_seen_limited_stopped_and_started_from_outside() {
    let _turn = together();
    let scratch = Scratch::new("web");
    let file = scratch.file("src/big.bin", 6_000_000, 1);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "--piece-length 64KiB");
    wait_seeders(tracker.address, "big.bin", 1, SOON);
    let flags = "--downlimit 200k --web 127.0.0.1:0";
    let user = leecher("user", tracker.address, "big.bin", &scratch.folder("out"), flags);
    let mut user = Daemon::of(user);
    let at = user.at.to_string();
    let remote = |words: &str| {
        let words: Vec<&str> = words.split(' ').chain(["--at", &at, "--json"]).collect();
        let mut process = Process::start("remote", PEER, &words, scratch.path());
        process.expect_exit(0, SOON);
        process.events()
    };
    let mut see = user.remote();
    see.wait(1, "haveValid", DOWNLOAD, |have| have.as_u64() > Some(0));
    assert_eq!(remote("remote list")[0]["name"], "big.bin");
    remote("remote stop 1");
    see.wait(1, "status", SOON, |status| *status == 0);
    remote("remote limit -d 0");
    assert_eq!(see.call("session-get", json!({}))["speed-limit-down-enabled"], false);
    assert!(see.torrent(1, &["leftUntilDone"])["leftUntilDone"].as_u64() > Some(0));
    assert!(user.process.is_running(), "a download that stands still is not over");
    remote("remote start 1");
    user.process.wait_for("done", DOWNLOAD);
    assert_same(&file, &scratch.path().join("out/big.bin"));
    user.process.stop(0);
}

#[test]
fn flags_come_from_a_file_unless_the_command_line_has_them() {
    let _turn = together();
    let swarm = Swarm::start("config");
    let folder = swarm.scratch.path();
    let file = "# ours\ndownload-dir = \"from-file\"\nseed-time = 0\nport = 0\nselect = \"1\"\n";
    fs::write(folder.join("peer.toml"), file).unwrap();
    swarm.peer(&["--leech", "set", "--config", "peer.toml"], "", 0);
    swarm.check(&folder.join("from-file"), &FILES[1..2]);
    swarm.peer(&["--leech", "set", "--config", "peer.toml", "-w", "own", "--select", "0"], "", 0);
    swarm.check(&folder.join("own"), &FILES[..1]);
    fs::create_dir(folder.join("home")).unwrap();
    fs::write(folder.join("home/config.toml"), file.replace("from-file", "of-home")).unwrap();
    swarm.peer(&["--leech", "set", "--config-dir", "home"], "", 0);
    swarm.check(&folder.join("of-home"), &FILES[1..2]);
}

#[test]
fn a_mistake_in_a_settings_file_names_the_file_and_the_line() {
    let _turn = together();
    let scratch = Scratch::new("mistakes");
    let check = |text: &str, expected: &str| {
        fs::write(scratch.path().join("peer.toml"), text).unwrap();
        let words = ["--leech", "x", "--config", "peer.toml"];
        let mut process = Process::start("peer", PEER, &words, scratch.path());
        process.expect_exit(2, SOON);
        let said = process.stderr();
        assert!(said.starts_with(&format!("peer: peer.toml: {expected}")), "{text:?}: {said}");
    };
    check("port = 0\nseed-tme = 3\n", "line 2: unknown key seed-tme: did you mean seed-time?");
    check("\n\ndownlimit = \"x\"\n", "line 3: --downlimit \"x\" makes no sense: expected a rate");
    check("port = \n", "line 1: ");
    let words = ["--leech", "x", "--config", "nowhere.toml"];
    let mut process = Process::start("peer", PEER, &words, scratch.path());
    process.expect_exit(8, SOON);
}

#[test]
fn the_same_command_goes_on_with_the_same_choice_after_a_kill() {
    let _turn = together();
    let scratch = Scratch::new("again");
    for (n, name) in FILES.into_iter().enumerate() {
        scratch.file(&format!("src/set/{name}"), 2_000_000, n as u64);
    }
    let set = scratch.path().join("src/set");
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB";
    let _source = seeder_of("source", tracker.address, &[&set], scratch.path(), flags);
    wait_seeders(tracker.address, "set", 1, SOON);
    let out = scratch.path().join("out");
    let start = |flags: &str| {
        let flags = format!("--select 1-2 --seed-time 0 {flags}");
        leecher_of("user", tracker.address, &["set"], &out, &flags)
    };
    let mut user = start("--downlimit 400k");
    let kept = user.wait_bytes(5 * 65_536, DOWNLOAD);
    user.kill();
    let mut user = start("");
    user.expect_exit(0, DOWNLOAD);
    let done = user.wait_for("done", SOON);
    assert_eq!(done["bytes"], 4_000_000);
    let fetched = done["fetched"].as_u64().expect("a number");
    assert!(fetched <= 4_000_000 - kept, "{fetched} of 4000000 though {kept} were there");
    let files: Vec<String> =
        listing(&out).into_iter().filter(|name| out.join(name).is_file()).collect();
    assert_eq!(files, ["set/b.bin", "set/sub/c.txt"]);
    for name in &FILES[1..] {
        assert_same(&set.join(name), &out.join("set").join(name));
    }
}
