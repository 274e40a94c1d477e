//! Disks that are full, broken, slow, or in the way, and a process that has few descriptors.
//!
//! Disks are mounted in namespaces of the tests' own, and system calls are made to fail by
//! `strace`; where one of these is not to be had, a test says that it did not run.

use crate::harness::hostile::{Content, Hostile, Lie};
use crate::harness::mounts::{ext4_at, in_own_mounts, leecher_behind, may_inject, strace, tracee};
use crate::harness::process::{Process, Usage, say};
use crate::harness::programs::{
    PEER, address_of, counts, create, leecher, peer, quick_tracker, seeder, tracker,
};
use crate::harness::scratch::{Scratch, assert_same, listing};
use crate::harness::{DOWNLOAD, SOON, not_run, pass, together, until};
use serde_json::Value;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A download of `film.torrent` from `peers` onto 12 MiB of memory, which others fill once there is a
/// file `fill` beside the mount, and give back once there is one called `free`.
fn onto_a_disk_that_others_fill(scratch: &Scratch, peers: &[SocketAddr]) -> Option<Process> {
    let folder = scratch.folder("mount");
    let peers: Vec<_> = peers.iter().map(|peer| format!(" --peer {peer}")).collect();
    let peers = peers.concat();
    in_own_mounts(&format!(
        "mount -t tmpfs -o size=12m none {0} || exit 97; \
         timeout --foreground -s KILL 100 {PEER} --leech {1}/film.torrent --json -p 0 -w {0} --timeout 15s --seed-time 0 \
         --downlimit 1M{peers} & job=$!; \
         trap 'kill -TERM $job; wait $job; exit $?' TERM; \
         until test -e {1}/fill; do sleep 0.02; done; \
         cat /dev/zero >{0}/filler 2>/dev/null; test -e {0}/film.bin.part || exit 96; \
         until test -e {1}/free; do sleep 0.05; done; rm {0}/filler; \
         wait $job; code=$?; test $code -ne 0 || cmp {0}/film.bin {1}/film.bin || exit 98; \
         exit $code",
        folder.display(),
        scratch.path().display(),
    ))
}

/// Somebody fills the disk in mid-download: nothing more is asked for, what is here is served, and
/// it goes on by itself when there is room again.
#[test]
fn a_download_onto_a_full_disk_asks_for_nothing_serves_and_goes_on_by_itself() {
    let _turn = together();
    let scratch = Scratch::new("fills");
    let file = scratch.file("film.bin", 6 * MIB as usize, 1);
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "-s 64KiB");
    let source = Hostile::start(HERE, Content::of(&file, 64 * 1024), Lie::Honest);
    let Some(mut user) = onto_a_disk_that_others_fill(&scratch, &[source.address]) else {
        return not_run("a disk that others fill", "no mounts of its own");
    };
    user.wait_bytes(1, DOWNLOAD);
    fs::write(scratch.at("fill"), "").expect("room");
    let halted = user.wait_for("halted", DOWNLOAD);
    assert!(halted["message"].as_str().is_some_and(|m| m.contains("disk is full")), "{halted}");
    let gets = source.gets();
    let what = torrent.to_str().expect("UTF-8");
    let at = address_of(&user).to_string();
    let out = scratch.folder("out");
    let action = ["--leech", what, "--peer", &at, "-w", out.to_str().expect("UTF-8")];
    let other = peer("other", &action, scratch.path(), "");
    other.wait_bytes(1, SOON);
    drop(other);
    let more = source.gets() - gets;
    say(&format!("{gets} requests before the disk was full, {more} after it was said"));
    // One may have been decided on while the disk said so.
    assert!(more <= 1, "{more} requests for a disk that takes nothing");
    let mark = user.mark();
    fs::write(scratch.at("free"), "").expect("room");
    let freed = Instant::now();
    user.wait_event_since(mark, Duration::from_secs(30), |event| event["event"] == "recovered");
    say(&format!("it went on {:?} after there was room", freed.elapsed()));
    user.expect_exit(0, DOWNLOAD);
}

#[test]
fn who_is_stopped_while_the_disk_is_full_ends_with_8_and_says_why() {
    let _turn = together();
    let scratch = Scratch::new("stopped");
    let file = scratch.file("film.bin", 6 * MIB as usize, 1);
    create(&file, &scratch.at("film.torrent"), "-s 64KiB");
    let source = Hostile::start(HERE, Content::of(&file, 64 * 1024), Lie::Honest);
    let Some(mut user) = onto_a_disk_that_others_fill(&scratch, &[source.address]) else {
        return not_run("a stop on a full disk", "no mounts of its own");
    };
    user.wait_bytes(1, DOWNLOAD);
    fs::write(scratch.at("fill"), "").expect("room");
    user.wait_for("halted", DOWNLOAD);
    user.signal("TERM");
    // The script waits for its own pause to end before it hears the signal.
    user.expect_exit(8, Duration::from_secs(5));
    let errors = user.events_of("error");
    assert!(
        errors[0]["message"].as_str().is_some_and(|m| m.contains("disk is full")),
        "{errors:?}"
    );
}

/// Room is asked for before anything is written, and an attempt takes none of it away.
#[test]
fn a_disk_that_is_too_small_is_refused_at_once_and_stays_as_it_was() {
    let _turn = together();
    let scratch = Scratch::new("small");
    let file = scratch.sparse("src/film.bin", 24 * MIB);
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "");
    let folder = scratch.folder("mount");
    let script = format!(
        "{0}; df --output=used {1} | tail -1; {PEER} --leech {2} --json -p 0 -w {1}; code=$?; \
         df --output=used {1} | tail -1; exit $code",
        ext4_at(&scratch, &folder, 16 * MIB, ""),
        folder.display(),
        torrent.display(),
    );
    let begun = Instant::now();
    let Some(mut user) = in_own_mounts(&script) else {
        return not_run("a disk that is too small", "no mounts of its own");
    };
    let code = user.wait_exit(SOON);
    if code == 95 {
        return not_run("a disk that is too small", "no ext4 in a file");
    }
    assert_eq!(code, 8, "{}", user.stderr());
    let events = user.events();
    let time = |kind: &str| events.iter().find(|e| e["event"] == kind).map(|e| e["time"].as_f64());
    let took = time("error").flatten().expect("an error with its time");
    say(&format!("refused {took} s after its start, the whole script took {:?}", begun.elapsed()));
    assert!(took <= 2.0, "refused after {took} s");
    let message = user.events_of("error")[0]["message"].to_string();
    for word in ["disk is full", "needed", "free", folder.to_str().expect("UTF-8")] {
        assert!(message.contains(word), "{word}: {message}");
    }
    let taken: Vec<&Value> = events.iter().filter(|line| line.is_number()).collect();
    assert_eq!(taken.len(), 2, "{events:?}");
    assert_eq!(taken[0], taken[1], "KiB used before and after");
}

/// Each call fails once, early and late; whatever comes of it, no file has its name with wrong bytes
/// in it, nobody dies of a signal, and the same command without faults completes.
#[test]
fn whichever_call_fails_no_false_byte_gets_a_name_and_the_next_run_completes() {
    let _turn = together();
    if !may_inject() {
        return not_run("calls that fail", "no strace that may inject errors");
    }
    let scratch = Scratch::new("calls");
    let file = scratch.file("src/film.bin", 2 * MIB as usize, 1);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "--piece-length 64KiB --uplimit 4M");
    let faults = [
        "pwritev:error=EIO:when=3",
        "pwritev:error=ENOSPC:when=2",
        "fallocate:error=ENOSPC:when=1",
        "fallocate:error=EIO:when=1",
        "renameat2:error=EIO:when=1",
        "renameat2:error=ENOSPC:when=1",
        "openat2:error=EMFILE:when=2",
        "madvise:error=EIO:when=2",
    ];
    let runs: Vec<_> = faults
        .iter()
        .enumerate()
        .map(|(n, fault)| {
            let out = scratch.folder(&format!("out-{n}"));
            let call = fault.split(':').next().expect("a call");
            let log = scratch.at(&format!("log-{n}"));
            let words = strace(call, Some(fault), &log);
            let flags = "--seed-time 0 --timeout 20s";
            (*fault, leecher_behind(&words, tracker.address, "film.bin", &out, flags), out, log)
        })
        .collect();
    for (fault, mut user, out, log) in runs {
        let code = user.wait_exit(DOWNLOAD);
        let fired = fs::read_to_string(&log).is_ok_and(|log| log.contains("(INJECTED)"));
        say(&format!("{fault}: {}, exit {code}", if fired { "fired" } else { "never came" }));
        assert!([0, 8].contains(&code), "{fault}: exit {code}: {}", user.stderr());
        let whole = out.join("film.bin");
        if whole.exists() {
            assert_same(&file, &whole);
        }
        let mut again = leecher("again", tracker.address, "film.bin", &out, "--seed-time 0");
        again.expect_exit(0, DOWNLOAD);
        assert_same(&file, &whole);
    }
}

/// A disk that goes read-only under a download is waited for, like a full one.
#[test]
fn a_disk_that_goes_read_only_is_waited_for_and_named() {
    check_waits("rofs", "pwritev:error=EROFS:when=4+", "Read-only");
}

/// What does not reach the disk is lost, whatever was hashed: no file gets its name for it.
#[test]
fn a_disk_that_keeps_nothing_is_waited_for_and_named() {
    check_waits("no-sync", "fdatasync:error=EIO:when=1+", "make durable");
}

/// A download halts, says so, is told to stop, and goes on when it is begun anew.
fn check_waits(name: &str, fault: &str, says: &str) {
    let _turn = together();
    if !may_inject() {
        return not_run(name, "no strace that may inject errors");
    }
    let scratch = Scratch::new(name);
    let file = scratch.file("src/film.bin", 2 * MIB as usize, 1);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "--piece-length 64KiB --uplimit 2M");
    let out = scratch.folder("out");
    let call = fault.split(':').next().expect("a call");
    let words = strace(call, Some(fault), &scratch.at("log"));
    let mut user = leecher_behind(&words, tracker.address, "film.bin", &out, "--seed-time 0");
    let halted = user.wait_for("halted", DOWNLOAD);
    assert!(halted["message"].as_str().is_some_and(|m| m.contains(says)), "{halted}");
    let id = tracee(&user).expect("it is traced");
    let kill = Command::new("kill").args(["-TERM", &id.to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()));
    user.expect_exit(8, SOON);
    assert!(!out.join("film.bin").exists(), "{:?}", listing(&out));
    let mut again = leecher("again", tracker.address, "film.bin", &out, "--seed-time 0");
    again.expect_exit(0, DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
}

#[test]
fn a_pipe_or_a_folder_in_the_way_is_named_and_stays() {
    let _turn = together();
    let scratch = Scratch::new("way");
    let file = scratch.file("src/film.bin", 100_000, 1);
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "");
    for (n, (name, is_pipe, words)) in [
        ("film.bin", true, "named pipe"),
        ("film.bin.part", true, "named pipe"),
        ("film.bin", false, "folder is in the way"),
        ("film.bin.part", false, "folder is in the way"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = scratch.folder(&format!("out-{n}"));
        let there = out.join(name);
        if is_pipe {
            let made = Command::new("mkfifo").arg(&there).status();
            assert!(made.is_ok_and(|status| status.success()));
        } else {
            fs::create_dir(&there).expect("mkdir");
        }
        let what = torrent.to_str().expect("UTF-8");
        let action = ["--leech", what, "-w", out.to_str().expect("UTF-8")];
        let mut user = peer("user", &action, scratch.path(), "");
        user.expect_exit(8, SOON);
        let message = user.events_of("error")[0]["message"].to_string();
        assert!(message.contains(words) && message.contains(name), "{message}");
        assert_eq!(listing(&out), [name], "nothing else was made");
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_named_by_who_is_not_root() {
    let _turn = together();
    let scratch = Scratch::new("mode");
    let file = scratch.file("src/film.bin", 100_000, 1);
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "");
    let out = scratch.folder("out");
    fs::set_permissions(&out, fs::Permissions::from_mode(0o500)).expect("it is ours");
    let what = torrent.to_str().expect("UTF-8");
    let out_name = out.to_str().expect("UTF-8");
    let leech = ["--leech", what, "--json", "-p", "0", "-w", out_name];
    let mut user = if fs::metadata(&out).expect("it is there").uid() == 0 {
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
        let able = Command::new("setpriv").args(nobody).args([PEER, "--help"]).output();
        if !able.is_ok_and(|output| output.status.success()) {
            return not_run("a folder of somebody else", "no setpriv, or the program is private");
        }
        let words: Vec<&str> = nobody.into_iter().chain([PEER]).chain(leech).collect();
        Process::start("user", "setpriv", &words, &std::env::temp_dir())
    } else {
        Process::start("user", PEER, &leech, &std::env::temp_dir())
    };
    user.expect_exit(8, SOON);
    let message = user.events_of("error")[0]["message"].to_string();
    assert!(message.contains(out_name) && message.contains("Permission denied"), "{message}");
}

#[test]
fn a_disk_without_room_for_one_more_file_says_so_though_it_has_bytes_left() {
    let _turn = together();
    let scratch = Scratch::new("inodes");
    for n in 0..16 {
        scratch.file(&format!("src/album/{n}.bin"), 1000, n);
    }
    let torrent = scratch.at("album.torrent");
    create(&scratch.path().join("src/album"), &torrent, "");
    let folder = scratch.folder("mount");
    let script = format!(
        "{0}; {PEER} --leech {1} --json -p 0 -w {2}; code=$?; find {2} -type f | wc -l; exit $code",
        ext4_at(&scratch, &folder, 16 * MIB, "-N 16"),
        torrent.display(),
        folder.display(),
    );
    let Some(mut user) = in_own_mounts(&script) else {
        return not_run("a disk without inodes", "no mounts of its own");
    };
    let code = user.wait_exit(SOON);
    if code == 95 {
        return not_run("a disk without inodes", "no ext4 in a file");
    }
    assert_eq!(code, 8, "{}", user.stderr());
    let message = user.events_of("error")[0]["message"].to_string();
    assert!(message.contains("no inodes are left"), "{message}");
    let files: Vec<Value> = user.events().into_iter().filter(Value::is_number).collect();
    assert_eq!(files, [0], "what was made was taken away again");
}

/// Every write takes half a second: senders are slowed by TCP and by nothing else.
#[test]
fn a_slow_disk_costs_no_memory_no_peer_and_no_place_at_the_tracker() {
    let _turn = together();
    if !may_inject() {
        return not_run("a slow disk", "no strace that may delay calls");
    }
    let scratch = Scratch::new("slow");
    let file = scratch.file("src/film.bin", 768 * 1024, 1);
    let tracker = quick_tracker();
    let one = seeder("one", tracker.address, &file, "--piece-length 64KiB");
    let _two = seeder("two", tracker.address, &file, "--piece-length 64KiB");
    let out = scratch.folder("out");
    let words = strace("pwritev", Some("pwritev:delay_enter=500000"), &scratch.at("log"));
    let mut user = leecher_behind(&words, tracker.address, "film.bin", &out, "--seed-time 0");
    user.wait_bytes(1, DOWNLOAD);
    let id = until("it is traced", SOON, || tracee(&user));
    let (mut most, mut listed) = (0, 0);
    while user.events_of("done").is_empty() {
        most = most.max(Usage::of(id).map_or(0, |usage| usage.memory));
        if !user.is_running() {
            break;
        }
        listed = listed.max(counts(tracker.address, "film.bin").1);
        pass(Duration::from_millis(300));
    }
    let gone = |event: &&Value| event["event"] == "peer" && event["connected"] == false;
    let done = user.wait_for("done", DOWNLOAD)["time"].as_f64();
    let events = user.events();
    // Who has everything needs nobody any more, while it waits for the disk.
    let last = events.iter().filter(|e| e["event"] == "piece").filter_map(|e| e["time"].as_f64());
    let last = last.fold(0.0, f64::max);
    let early: Vec<_> =
        events.iter().filter(gone).filter(|e| e["time"].as_f64() < Some(last)).collect();
    user.expect_exit(0, DOWNLOAD);
    say(&format!("{} KiB at most; done after {done:?} s", most / 1024));
    assert!(early.is_empty(), "peers were let go: {early:?}");
    assert_eq!(listed, 1, "the tracker lists it meanwhile");
    assert!(most > 0 && most < 64 * MIB, "{most} bytes");
    assert_same(&file, &out.join("film.bin"));
    drop(one);
}

/// So few descriptors that callers alone would use them up.
#[test]
fn with_sixty_four_descriptors_and_two_hundred_callers_a_download_completes() {
    let _turn = together();
    let scratch = Scratch::new("few");
    let file = scratch.file("src/film.bin", 4 * MIB as usize, 1);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "--piece-length 64KiB --uplimit 2M");
    let out = scratch.folder("out");
    let words = ["prlimit", "--nofile=64:64"].map(str::to_owned);
    let mut user = leecher_behind(&words, tracker.address, "film.bin", &out, "--seed-time 0");
    let at = address_of(&user);
    let mut callers = Vec::new();
    for _ in 0..200 {
        callers.extend(TcpStream::connect_timeout(&at, SOON));
    }
    say(&format!("{} callers got through", callers.len()));
    let most = fs::read_dir(format!("/proc/{}/fd", user.id())).map_or(0, Iterator::count);
    assert!(most <= 64, "{most}");
    user.expect_exit(0, DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
    assert!(user.events_of("halted").is_empty(), "files had descriptors: {}", user.stderr());
}

/// Nobody can be let in: that is said once, and does not keep the processor busy.
#[test]
fn a_listener_without_descriptors_backs_off_says_so_once_and_the_download_goes_on() {
    let _turn = together();
    if !may_inject() {
        return not_run("a listener without descriptors", "no strace that may inject errors");
    }
    let scratch = Scratch::new("accept");
    let file = scratch.file("src/film.bin", 4 * MIB as usize, 1);
    let tracker = tracker("");
    let _source = seeder("source", tracker.address, &file, "--piece-length 64KiB --uplimit 2M");
    let out = scratch.folder("out");
    let log = scratch.at("log");
    let words = strace("accept4", Some("accept4:error=EMFILE"), &log);
    let begun = Instant::now();
    let mut user = leecher_behind(&words, tracker.address, "film.bin", &out, "--seed-time 0");
    user.expect_exit(0, DOWNLOAD);
    let took = begun.elapsed().as_secs_f64();
    let accepts = fs::read_to_string(&log).expect("strace wrote it").lines().count();
    say(&format!("{accepts} accepts in {took:.1} s"));
    assert!((accepts as f64) < 50.0 * took, "{accepts} accepts in {took} s");
    assert!(accepts > 2, "it tried again");
    let said = user.stderr().matches("accepting failed").count();
    assert_eq!(said, 1, "{}", user.stderr());
    assert_same(&file, &out.join("film.bin"));
}

/// Files are opened for each use where descriptors are few; when there is none a download halts, and
/// goes on when there are some again.
#[test]
fn a_shortage_of_descriptors_in_mid_download_is_waited_for() {
    let _turn = together();
    let scratch = Scratch::new("short");
    let album = scratch.path().join("src/album");
    for n in 0..24 {
        scratch.file(&format!("src/album/{n}.bin"), 100_000, n);
    }
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &album, "--piece-length 64KiB --uplimit 1M");
    let out = scratch.folder("out");
    let words = ["prlimit", "--nofile=64:64"].map(str::to_owned);
    let mut user = leecher_behind(&words, tracker.address, "album", &out, "--seed-time 0");
    user.wait_bytes(1, DOWNLOAD);
    let id = user.id().to_string();
    let set = |soft: &str| {
        let set =
            Command::new("prlimit").args(["--pid", &id, &format!("--nofile={soft}:")]).status();
        assert!(set.is_ok_and(|status| status.success()));
    };
    set("3");
    let halted = user.wait_for("halted", DOWNLOAD);
    assert!(halted["message"].as_str().is_some_and(|m| m.contains("Too many open")), "{halted}");
    set("64");
    user.expect_exit(0, DOWNLOAD);
    for name in listing(&album) {
        assert_same(&album.join(&name), &out.join("album").join(&name));
    }
    let is_part =
        |name: &String| Path::new(name).extension().is_some_and(|ending| ending == "part");
    assert!(!listing(&out).iter().any(is_part));
}
