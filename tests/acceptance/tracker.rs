//! The acceptance tests about the tracker, about idling, and about several hosts.

use crate::harness::hostile::Content;
use crate::harness::process::Process;
use crate::harness::programs::{
    PEER, TRACKER, counts, create, leecher, list, peer, quick_tracker, seeder, seeder_of, tracker,
    tracker_at, wait_seeders,
};
use crate::harness::registry::{Claim, Claimant, catalogue, peers};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, SOON, alone, not_run, pass, together, until};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use swarmlet::ids::InfoHashV2;
use swarmlet::metainfo::Metainfo;
use swarmlet::node::trackers::ask;

const MIB: usize = 1024 * 1024;

/// Test 6: a restarted tracker knows the whole swarm again within two heartbeats, and who is
/// downloading meanwhile notices nothing.
#[test]
fn a_restarted_tracker_lists_all_peers_again() {
    let _turn = together();
    let scratch = Scratch::new("restart");
    let file = scratch.file("src/film.bin", 6 * MIB, 6);
    let mut old = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 300k";
    let seeders: Vec<_> =
        (0..3).map(|n| seeder(&format!("seeder {n}"), old.address, &file, flags)).collect();
    wait_seeders(old.address, "film.bin", 3, SOON);
    let out = scratch.folder("out");
    let user = leecher("user", old.address, "film.bin", &out, "");
    user.wait_bytes(MIB as u64, DOWNLOAD);
    old.kill();
    let tracker = tracker_at(old.address, "--keepalive 1s --expire 3s --interval 2s");
    let restarted = Instant::now();
    until("the swarm is listed again", Duration::from_secs(8), || {
        (counts(tracker.address, "film.bin") == (3, 1)).then_some(())
    });
    let took = restarted.elapsed();
    crate::harness::process::say(&format!("listed again after {took:?}"));
    assert!(took < Duration::from_secs(4), "one keepalive is 1 s; it took {took:?}");
    // The .torrent is back as well: somebody new needs nothing but the name.
    let next_out = scratch.folder("next");
    let next = leecher("next", tracker.address, "film.bin", &next_out, "");
    next.wait_bytes(1, Duration::from_secs(10));
    user.wait_for("done", DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
    drop(seeders);
}

/// Ten leechers lose their tracker at half of their download and for longer than it lists a silent
/// peer; `announced` is what it knows of the swarm.
fn check_restart(name: &str, start: &str, url: &str, patience: Duration, announced: &Announced) {
    let scratch = Scratch::new(name);
    let file = scratch.file("src/film.bin", 3 * MIB, 60);
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "-s 64KiB");
    let mut old = tracker(start);
    let (at, meta) = (old.address, Content::of(&file, 65_536).meta.clone());
    let flags = format!("--bind 127.0.0.1 --tracker {url}{at}");
    let flags = if url.is_empty() { flags } else { format!("{flags}/announce") };
    let what = torrent.to_str().expect("UTF-8");
    let peer_in = |name: String, folder: PathBuf, more: &str| {
        let folder = folder.to_str().expect("UTF-8");
        let action = ["--leech", what, "--download-dir", folder];
        peer(&name, &action, scratch.path(), &format!("{flags} {more}"))
    };
    let _seeder = peer_in("seeder".into(), scratch.at("src"), "--uplimit 400k");
    let user =
        |n| peer_in(format!("user {n}"), scratch.folder(&format!("out-{n}")), "--uplimit 400k");
    let users: Vec<_> = (0..10).map(user).collect();
    until("all are listed", SOON, || (announced(at, &meta) == 11).then_some(()));
    users[0].wait_bytes(3 * MIB as u64 / 2, DOWNLOAD);
    old.kill();
    pass(Duration::from_secs(4));
    let tracker = tracker_at(at, start);
    let restarted = Instant::now();
    until("the swarm is listed again", patience, || {
        (announced(tracker.address, &meta) == 11).then_some(())
    });
    crate::harness::process::say(&format!("{name}: listed again after {:?}", restarted.elapsed()));
    for (n, user) in users.iter().enumerate() {
        user.wait_for("done", DOWNLOAD);
        assert_same(&file, &scratch.at(&format!("out-{n}/film.bin")));
    }
}

/// How many peers a tracker knows of a torrent.
type Announced = dyn Fn(SocketAddr, &Metainfo) -> u64;

/// Within two heartbeats of a second on an idle machine; on a busy one within an interval and ten
/// seconds.
#[test]
fn ten_native_leechers_outlive_their_tracker_and_are_all_listed_again() {
    let _turn = alone();
    let start = "--keepalive 1s --expire 3s --interval 2s";
    check_restart("outlived", start, "", Duration::from_secs(12), &|at, _| {
        let entries = catalogue(at);
        let entry = entries.iter().find(|entry| entry.name == "film.bin");
        entry.map_or(0, |entry| (entry.seeders + entry.leechers).into())
    });
}

/// Who announced in vain rests about five seconds, and about fifteen after the second time.
#[test]
fn ten_bittorrent_leechers_outlive_their_tracker_and_announce_themselves_again() {
    let _turn = alone();
    let patience = Duration::from_secs(25);
    check_restart("outlived-http", "--announce-interval 5s", "http://", patience, &|at, meta| {
        let v1 = meta.info_hash_v1.expect("it is hybrid");
        let url = format!("http://{at}/announce");
        let known = ask::scrape(&url, &[v1], None, Instant::now() + SOON);
        known.map_or(0, |known| u64::from(known[0].seeders + known[0].leechers))
    });
}

/// Test 7: a dead seeder leaves the list when it expires, a stopped one at once.
#[test]
fn a_dead_seeder_leaves_the_list_when_it_expires_and_a_stopped_one_at_once() {
    let _turn = together();
    let scratch = Scratch::new("leave");
    let file = scratch.file("src/film.bin", MIB, 7);
    let tracker = quick_tracker();
    let mut dying = seeder("dying", tracker.address, &file, "");
    let mut stopped = seeder("stopped", tracker.address, &file, "");
    wait_seeders(tracker.address, "film.bin", 2, SOON);
    dying.kill();
    let died = Instant::now();
    wait_seeders(tracker.address, "film.bin", 1, Duration::from_secs(5));
    assert!(died.elapsed() > Duration::from_millis(500), "a second's silence is no death");
    stopped.stop(0);
    assert_eq!(counts(tracker.address, "film.bin").0, 0, "it said good-bye");
}

/// Test 7, the tracker's own end.
#[test]
fn a_tracker_ends_at_once_when_it_is_told_to() {
    let _turn = together();
    let mut idle = tracker("");
    idle.stop(0);
}

fn claim(number: u32) -> Claim {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    hash[31] = 1;
    Claim {
        info_hash: InfoHashV2(hash),
        name: format!("file-{number:04}.bin"),
        size: u64::from(number) + 1,
        pieces: 1,
        seeding: true,
    }
}

/// Test 8: a hundred seeders of one content are all named, and a thousand contents all listed.
#[test]
fn a_hundred_seeders_and_a_thousand_files_come_in_one_answer() {
    let _turn = alone();
    let tracker = tracker("");
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let thousand: Vec<Claim> = (0..1000).map(claim).collect();
    let shared = thousand[7].clone();
    let librarian = Claimant::start(tracker.address, ip, 20_000, thousand);
    let seeders: Vec<Claimant> = (1..100)
        .map(|n| Claimant::start(tracker.address, ip, 20_000 + n, vec![shared.clone()]))
        .collect();
    for seeder in seeders.iter().chain([&librarian]) {
        seeder.wait_registered(SOON);
    }
    until("all are registered", SOON, || {
        let entries = catalogue(tracker.address);
        let seeders = entries.iter().find(|entry| entry.name == shared.name)?.seeders;
        (entries.len() == 1000 && seeders == 100).then_some(())
    });
    let found = peers(tracker.address, shared.info_hash, 200);
    let ports: HashSet<u16> = found.iter().map(|peer| peer.addr.port()).collect();
    assert_eq!((found.len(), ports.len()), (100, 100));
    let entries = list(tracker.address);
    assert_eq!(entries.len(), 1000);
    let names: HashSet<&str> = entries.iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names.len(), 1000);
    assert_eq!(counts(tracker.address, &shared.name), (100, 0));
}

/// Test 8 with a real peer: a thousand small files served by one process.
#[test]
fn one_peer_serves_a_thousand_files() {
    let _turn = alone();
    let scratch = Scratch::in_memory("thousand", 1 << 30);
    let tracker = tracker("");
    let files: Vec<_> = (0..1000)
        .map(|n| scratch.file(&format!("src/file-{n:04}.bin"), 5000 + n, n as u64))
        .collect();
    let paths: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let _seeder = seeder_of("librarian", tracker.address, &paths, &scratch.folder("src"), "");
    until("all are listed", Duration::from_secs(30), || {
        (catalogue(tracker.address).len() == 1000).then_some(())
    });
    let out = scratch.folder("out");
    let name = "file-0777.bin";
    let mut user = leecher("user", tracker.address, name, &out, "--seed-time 0");
    user.expect_exit(0, DOWNLOAD);
    assert_same(&files[777], &out.join(name));
}

/// Test 14: who has nothing to do uses no processor.
#[test]
fn idle_programs_use_no_processor() {
    let _turn = alone();
    let scratch = Scratch::new("idle");
    let file = scratch.file("src/film.bin", MIB, 14);
    let other = scratch.file("src/other.bin", MIB, 15);
    let torrent = scratch.at("other.torrent");
    create(&other, &torrent, "");
    let tracker = tracker("");
    let seeder = seeder("seeder", tracker.address, &file, "");
    let out = scratch.folder("out");
    let unknown = leecher("waiting for a name", tracker.address, "nothing.bin", &out, "");
    let what = torrent.to_str().expect("UTF-8");
    let lonely = leecher("waiting for a peer", tracker.address, what, &out, "");
    lonely.wait_for("start", SOON);
    let done = leecher("finished", tracker.address, "film.bin", &scratch.folder("done"), "");
    done.wait_for("seeding", DOWNLOAD);
    unknown.wait_stderr("that it waits", SOON, |text| text.contains("not known"));
    let all: [(&str, &Process); 5] = [
        ("tracker", &tracker),
        ("seeder", &seeder),
        ("waiting for a name", &unknown),
        ("waiting for a peer", &lonely),
        ("finished", &done),
    ];
    let before = all.map(|(_, process)| process.usage().cpu);
    let span = Duration::from_secs(3);
    pass(span);
    for ((name, process), before) in all.iter().zip(before) {
        let used = process.usage().cpu.saturating_sub(before);
        assert!(used <= span / 50, "{name}: {used:?} of processor time in {span:?}");
    }
}

/// Test 15 on one machine: three addresses, no constant anywhere.
#[test]
fn tracker_seeder_and_leecher_may_have_addresses_of_their_own() {
    let _turn = together();
    let scratch = Scratch::new("hosts");
    let file = scratch.file("src/film.bin", MIB, 15);
    let tracker = tracker_at(SocketAddr::from(([127, 0, 0, 4], 0)), "");
    let seeder = seeder("seeder", tracker.address, &file, "--bind 127.0.0.2");
    let out = scratch.folder("out");
    let flags = "--bind 127.0.0.3 --seed-time 0";
    let mut user = leecher("user", tracker.address, "film.bin", &out, flags);
    let met = user.wait_event_within(DOWNLOAD, |e| e["event"] == "peer" && e["connected"] == true);
    assert_eq!(met["address"], format!("127.0.0.2:{}", seeder.address.port()));
    user.expect_exit(0, DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
}

/// Two network namespaces with a wire between them.
struct TwoHosts {
    names: [String; 2],
}

impl TwoHosts {
    fn new() -> Result<Self, String> {
        let id = std::process::id();
        let hosts = Self { names: [format!("swa{id}"), format!("swb{id}")] };
        let [a, b] = &hosts.names;
        for line in [
            format!("netns add {a}"),
            format!("netns add {b}"),
            format!("-n {a} link add wire type veth peer name wire netns {b}"),
            format!("-n {a} addr add 10.93.7.1/24 dev wire"),
            format!("-n {b} addr add 10.93.7.2/24 dev wire"),
            format!("-n {a} link set wire up"),
            format!("-n {b} link set wire up"),
            format!("-n {a} link set lo up"),
            format!("-n {b} link set lo up"),
        ] {
            let output = Command::new("ip").args(line.split_whitespace()).output();
            let output = output.map_err(|error| format!("ip: {error}"))?;
            if !output.status.success() {
                let words = String::from_utf8_lossy(&output.stderr);
                return Err(format!("ip {line}: {}", words.trim()));
            }
        }
        Ok(hosts)
    }

    fn start(&self, host: usize, name: &str, program: &str, line: &str, folder: &str) -> Process {
        let mut args = vec!["netns", "exec", &self.names[host], program];
        args.extend(line.split_whitespace());
        Process::start(name, "ip", &args, folder.as_ref())
    }
}

impl Drop for TwoHosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// Test 15 in two network namespaces: the seeder reaches the tracker by a loopback address, the
/// leecher on the other host is given the address by which it reached the tracker.
#[test]
fn two_hosts_find_each_other_though_the_seeder_registered_by_loopback() {
    let _turn = together();
    let hosts = match TwoHosts::new() {
        Ok(hosts) => hosts,
        Err(why) => return not_run("two hosts in network namespaces", &why),
    };
    let scratch = Scratch::new("netns");
    let file = scratch.file("src/film.bin", MIB, 16);
    let folder = scratch.path().to_str().expect("UTF-8");
    let tracker = hosts.start(0, "tracker", TRACKER, "--listen 0.0.0.0:0 --json", folder);
    let port = tracker.wait_for("start", SOON)["port"].clone();
    let line = format!("--seed src/film.bin --json -p 0 --bind 0.0.0.0 --tracker 127.0.0.1:{port}");
    let mut seeder = hosts.start(0, "seeder", PEER, &line, folder);
    seeder.wait_for("seeding", SOON);
    let line = format!(
        "--leech film.bin --json -p 0 --tracker 10.93.7.1:{port} -w out --seed-time 0 --timeout 20s"
    );
    let mut user = hosts.start(1, "user", PEER, &line, folder);
    user.expect_exit(0, DOWNLOAD);
    assert_same(&file, &scratch.path().join("out/film.bin"));
    seeder.stop(0);
}
