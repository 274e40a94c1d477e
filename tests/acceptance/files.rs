//! The acceptance tests about files and about how the programs end.

use crate::harness::mounts::{ext4_at, in_own_mounts};
use crate::harness::process::Process;
use crate::harness::programs::{
    PEER, TRACKER, create, leecher, leecher_of, peer, quick_tracker, seeder, seeder_of, tracker,
};
use crate::harness::scratch::{Scratch, assert_same, free_bytes, listing};
use crate::harness::{DOWNLOAD, SOON, alone, not_run, together, until};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

/// What a transfer may hold in anonymous memory, whatever the file's size.
const MEMORY: u64 = 32 * MIB;

/// Test 11: a large file in flat memory.
#[test]
fn a_large_file_needs_little_memory() {
    let _turn = alone();
    let scratch = Scratch::in_memory("large", 3 << 30);
    let room = free_bytes(scratch.path()).unwrap_or(0);
    let length = if room > 3 << 30 { 1 << 30 } else { 256 * MIB };
    let file = scratch.sparse("src/large.bin", length);
    let tracker = quick_tracker();
    let source = seeder("source", tracker.address, &file, "--piece-length 1MiB");
    let watch_source = source.watch();
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "large.bin", &out, "--seed-time 0");
    let watch_user = user.watch();
    let done = user.wait_for("done", Duration::from_mins(2));
    user.expect_exit(0, SOON);
    let (source_most, user_most) = (watch_source.most(), watch_user.most());
    crate::harness::process::say(&format!(
        "{length} bytes in {} s; memory: seeder {} KiB, leecher {} KiB",
        done["secs"],
        source_most.memory / 1024,
        user_most.memory / 1024
    ));
    assert!(source_most.memory <= MEMORY, "seeder: {source_most:?}");
    assert!(user_most.memory <= MEMORY, "leecher: {user_most:?}");
    assert_eq!(fs::metadata(out.join("large.bin")).expect("it is there").len(), length);
    assert_same(&file, &out.join("large.bin"));
}

/// Test 11: names that need care, and a file of no bytes.
#[test]
fn names_with_spaces_brackets_and_foreign_letters_arrive_and_so_does_an_empty_file() {
    let _turn = together();
    let scratch = Scratch::new("odd");
    let names = [
        "a name with  spaces.bin",
        "brackets [1](2){3}<4>.bin",
        "naïve Ünïcode 文件 файл.bin",
        "-starts with a dash.bin",
        "quote' and \" and $HOME `x`.bin",
        "empty.bin",
    ];
    let tracker = quick_tracker();
    let files: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let length = if *name == "empty.bin" { 0 } else { 10_000 + n };
            scratch.file(&format!("src/{name}"), length, n as u64)
        })
        .collect();
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let _source = seeder_of("source", tracker.address, &paths, &scratch.folder("src"), "");
    for (n, (name, file)) in names.iter().zip(&files).enumerate() {
        let out = scratch.folder(&format!("out-{n}"));
        let flags = "--seed-time 0 --timeout 15s";
        let mut user = if name.starts_with('-') {
            let what = format!("--leech={name}");
            let mut words = vec![what.as_str(), "-w", out.to_str().expect("UTF-8"), "--tracker"];
            let address = tracker.address.to_string();
            words.push(&address);
            peer("user", &words, scratch.path(), flags)
        } else {
            leecher("user", tracker.address, name, &out, flags)
        };
        user.expect_exit(0, DOWNLOAD);
        assert_same(file, &out.join(name));
    }
}

/// Test 11: a folder with nested folders and empty files keeps its form.
#[test]
fn a_folder_keeps_its_form() {
    let _turn = together();
    let scratch = Scratch::new("folder");
    for (n, name) in ["a/x", "a.b", "a/deep/er/y [1]", "empty", "ümlaut/ z "].iter().enumerate() {
        let length = if *name == "empty" { 0 } else { 70_000 * n + 1 };
        scratch.file(&format!("src/album/{name}"), length, n as u64);
    }
    let tracker = quick_tracker();
    let album = scratch.path().join("src/album");
    let _source = seeder("source", tracker.address, &album, "--piece-length 64KiB");
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "album", &out, "--seed-time 0");
    user.expect_exit(0, DOWNLOAD);
    let files = listing(&album);
    assert_eq!(listing(&out.join("album")), files);
    for name in files.iter().filter(|name| album.join(name).is_file()) {
        assert_same(&album.join(name), &out.join("album").join(name));
    }
}

/// Replaces bytes in a .torrent by others of the same length: lengths stay right, hashes change.
fn replaced(torrent: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = torrent.to_vec();
    let mut found = 0;
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        found += 1;
    }
    assert!(found > 0, "{from} is in the .torrent");
    bytes
}

/// Test 11: a torrent whose names climb out of the folder writes nothing outside.
#[test]
fn names_that_climb_out_of_the_folder_write_nothing_outside() {
    let _turn = together();
    let scratch = Scratch::new("climb");
    scratch.file("src/AAAAAAAAAAAAAA/BBBBBBBBBBBB", 100_000, 1);
    scratch.file("src/AAAAAAAAAAAAAA/c", 10, 2);
    let torrent = scratch.at("good.torrent");
    create(&scratch.path().join("src/AAAAAAAAAAAAAA"), &torrent, "");
    let good = fs::read(&torrent).expect("it was just made");
    let tracker = tracker("");
    let inner = scratch.folder("outer/inner");
    for (n, (from, to)) in [
        ("BBBBBBBBBBBB", "../../evil.x"),
        ("BBBBBBBBBBBB", "/tmp/evilx12"),
        ("AAAAAAAAAAAAAA", "../../evil.dir"),
        ("AAAAAAAAAAAAAA", "..\\..\\evil.dir"),
        ("BBBBBBBBBBBB", "a/../../evil"),
        ("BBBBBBBBBBBB", "bads\0\n\x1b[2Jxx"),
    ]
    .iter()
    .enumerate()
    {
        let evil = scratch.at(&format!("evil-{n}.torrent"));
        fs::write(&evil, replaced(&good, from, to)).expect("room");
        let what = evil.to_str().expect("UTF-8");
        let mut user = leecher("user", tracker.address, what, &inner, "");
        // Refused, or made harmless and waiting for peers: both are right.
        let settled =
            |user: &mut Process| !user.is_running() || !user.events_of("start").is_empty();
        until("it settles", SOON, || settled(&mut user).then_some(()));
        if user.is_running() {
            user.stop(7);
        } else {
            user.expect_exit(6, SOON);
        }
        let outside: Vec<String> = listing(&scratch.path().join("outer"))
            .into_iter()
            .filter(|name| name != "inner" && !name.starts_with("inner/"))
            .collect();
        assert!(outside.is_empty(), "{to}: {outside:?}");
    }
    let evil = |name: &String| name.contains("evil") && !name.contains("torrent");
    let found: Vec<_> = listing(scratch.path()).into_iter().filter(evil).collect();
    assert!(found.iter().all(|name| name.starts_with("outer/inner/")), "{found:?}");
    assert!(!Path::new("/tmp/evilx12").exists());
}

/// One line for people that says what happened.
fn expect_sentence(process: &Process, words: &[&str]) {
    let text = process.stderr();
    let last = text.lines().last().unwrap_or_default();
    for word in words {
        assert!(last.contains(word), "the last line does not say {word:?}: {text}");
    }
    let told = process.events_of("error");
    assert!(told.len() <= 1, "{told:?}");
}

#[test]
fn a_port_in_use_ends_with_9_and_one_sentence() {
    let _turn = together();
    let scratch = Scratch::new("port");
    let file = scratch.file("film.bin", 1000, 1);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it listens").port().to_string();
    let words = ["--seed", file.to_str().expect("UTF-8")];
    let mut user = peer("peer", &words, scratch.path(), &format!("-p {port}"));
    user.expect_exit(9, SOON);
    expect_sentence(&user, &[&port, "in use"]);
    let listen = format!("127.0.0.1:{port}");
    let mut other =
        Process::start("tracker", TRACKER, &["--listen", &listen, "--json"], scratch.path());
    other.expect_exit(9, SOON);
    expect_sentence(&other, &[&port, "in use"]);
}

#[test]
fn a_missing_file_ends_with_8_and_names_it() {
    let _turn = together();
    let scratch = Scratch::new("missing");
    for what in ["--seed", "--leech"] {
        let name = if what == "--seed" { "nowhere.bin" } else { "nowhere.torrent" };
        let mut user = peer("peer", &[what, name], scratch.path(), "");
        user.expect_exit(8, SOON);
        expect_sentence(&user, &[name]);
        let told = user.events_of("error");
        assert_eq!(told[0]["exit"], 8, "{told:?}");
    }
}

#[test]
fn an_unwritable_folder_ends_with_8_and_names_it() {
    let _turn = together();
    let scratch = Scratch::new("unwritable");
    let file = scratch.file("src/film.bin", 100_000, 1);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "");
    let in_the_way = scratch.file("in-the-way", 10, 2);
    let below = in_the_way.join("below");
    for folder in [&in_the_way, &below] {
        let mut user = leecher("user", tracker.address, "film.bin", folder, "--timeout 15s");
        user.expect_exit(8, SOON);
        expect_sentence(&user, &["in-the-way"]);
    }
    assert_eq!(fs::metadata(&in_the_way).expect("still there").len(), 10);
}

#[test]
fn a_read_only_file_system_ends_with_8() {
    let _turn = together();
    let scratch = Scratch::new("readonly");
    let file = scratch.file("src/film.bin", 100_000, 1);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "");
    let folder = scratch.folder("mount");
    let script = format!(
        "mount -t tmpfs -o ro,size=1m none {0} && exec {PEER} --leech film.bin --json -p 0 \
         --tracker {1} -w {0} --timeout 15s",
        folder.display(),
        tracker.address
    );
    let Some(mut user) = in_own_mounts(&script) else {
        return not_run("a read-only file system", "no mounts of its own");
    };
    user.expect_exit(8, SOON);
    expect_sentence(&user, &[folder.to_str().expect("UTF-8")]);
}

#[test]
fn a_full_disk_ends_with_8_and_leaves_it_as_it_was() {
    let _turn = together();
    let scratch = Scratch::new("full");
    let file = scratch.file("src/film.bin", 6 * MIB as usize, 1);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "");
    let folder = scratch.folder("mount");
    let script = format!(
        "mount -t tmpfs -o size=4m none {0} && cp /proc/self/status {0}/mine && \
         df --output=used {0} | tail -1; \
         {PEER} --leech film.bin --json -p 0 --tracker {1} -w {0} --timeout 15s; code=$?; \
         df --output=used {0} | tail -1; test -s {0}/mine || exit 99; exit $code",
        folder.display(),
        tracker.address
    );
    let Some(mut user) = in_own_mounts(&script) else {
        return not_run("a full disk", "no mounts of its own");
    };
    user.expect_exit(8, SOON);
    expect_sentence(&user, &["disk is full", "needed", "free"]);
    // `df` prints plain numbers, which read as JSON.
    let events = user.events();
    let taken: Vec<_> = events.iter().filter(|line| line.is_number()).collect();
    assert_eq!(taken.len(), 2, "{events:?}");
    assert_eq!(taken[0], taken[1], "KiB used before and after");
}

/// Others fill the disk while the download runs: its room was reserved before, so it ends well. In
/// memory, where a reservation would be the work itself, it waits: `tests/faults/full_disk.rs`.
#[test]
fn a_disk_that_others_fill_in_mid_download_does_no_harm() {
    let _turn = together();
    let scratch = Scratch::new("filling");
    let file = scratch.file("src/film.bin", 6 * MIB as usize, 1);
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 2M";
    let _source = seeder("source", tracker.address, &file, flags);
    let folder = scratch.folder("mount");
    let script = format!(
        "{3}; \
         {PEER} --leech film.bin --json -p 0 --tracker {1} -w {0} --timeout 15s --seed-time 0 & \
         job=$!; until test -e {0}/film.bin.part; do sleep 0.05; done; \
         cat /dev/zero >{0}/filler 2>/dev/null; test -e {0}/film.bin.part || exit 96; \
         wait $job; code=$?; test $code -ne 0 || cmp {0}/film.bin {2} || exit 98; exit $code",
        folder.display(),
        tracker.address,
        file.display(),
        ext4_at(&scratch, &folder, 24 * MIB, ""),
    );
    let Some(mut user) = in_own_mounts(&script) else {
        return not_run("a disk that fills", "no mounts of its own");
    };
    let code = user.wait_exit(DOWNLOAD);
    if code == 95 {
        return not_run("a disk that fills", "no ext4 in a file");
    }
    assert_eq!(code, 0, "{}", user.stderr());
}

#[test]
fn without_a_tracker_it_ends_with_3_within_the_timeout() {
    let _turn = together();
    let scratch = Scratch::new("nobody");
    let mut gone = tracker("");
    gone.stop(0);
    let start = Instant::now();
    let mut user = leecher("user", gone.address, "film.bin", scratch.path(), "--timeout 3s");
    user.expect_exit(3, Duration::from_secs(8));
    assert!(start.elapsed() >= Duration::from_secs(2), "it waits for the tracker");
    expect_sentence(&user, &["no tracker answered", &gone.address.to_string()]);
    let address = gone.address.to_string();
    let args = ["list", "--tracker", &address, "--timeout", "1s"];
    let mut list = Process::start("list", PEER, &args, scratch.path());
    list.expect_exit(3, Duration::from_secs(8));
}

#[test]
fn an_unknown_name_ends_with_4_within_the_timeout() {
    let _turn = together();
    let scratch = Scratch::new("unknown");
    let tracker = quick_tracker();
    let mut user = leecher("user", tracker.address, "film.bin", scratch.path(), "--timeout 2s");
    user.expect_exit(4, Duration::from_secs(8));
    expect_sentence(&user, &["film.bin"]);
}

#[test]
fn a_bad_torrent_or_magnet_ends_with_6() {
    let _turn = together();
    let scratch = Scratch::new("bad");
    let garbage = scratch.file("garbage.torrent", 3000, 1);
    let tracker = quick_tracker();
    for what in [garbage.to_str().expect("UTF-8"), "magnet:?xt=urn:btmh:1220zz"] {
        let mut user = leecher("user", tracker.address, what, scratch.path(), "--timeout 5s");
        user.expect_exit(6, SOON);
    }
}

#[test]
fn a_senseless_command_line_ends_with_2() {
    let _turn = together();
    let lines: [&[&str]; 4] =
        [&[], &["--leech"], &["--seed", "a", "--uplimit", "fast"], &["--sed", "a"]];
    for line in lines {
        let mut user = Process::start("user", PEER, line, &std::env::temp_dir());
        user.expect_exit(2, SOON);
        assert!(!user.stderr().is_empty());
    }
}

/// A tracker that does not answer makes the good-bye last a while: the second signal ends it.
#[test]
fn a_second_interrupt_ends_at_once_with_130() {
    let _turn = together();
    let scratch = Scratch::new("twice");
    let file = scratch.file("src/film.bin", 1000, 1);
    let mut tracker = quick_tracker();
    let mut source = seeder("source", tracker.address, &file, "");
    until("it is registered", SOON, || {
        (crate::harness::programs::counts(tracker.address, "film.bin").0 == 1).then_some(())
    });
    tracker.signal("STOP");
    // The second must not come before the first was taken, and two of a kind are one.
    source.signal("INT");
    source.signal("TERM");
    let code = source.wait_exit(Duration::from_secs(3));
    tracker.signal("CONT");
    assert_eq!(code, 130);
}

/// Exit within three seconds though the tracker is a black hole and a peer reads nothing.
#[test]
fn a_stop_is_quick_though_the_tracker_is_a_black_hole() {
    let _turn = together();
    let scratch = Scratch::new("blackhole");
    let file = scratch.file("src/film.bin", 4 * MIB as usize, 1);
    let mut tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 500k";
    let mut source = seeder("source", tracker.address, &file, flags);
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "film.bin", &out, "");
    user.wait_bytes(MIB / 2, DOWNLOAD);
    tracker.signal("STOP");
    user.stop(7);
    source.stop(0);
    tracker.signal("CONT");
}

/// What is seeded as a .torrent lies beside it or in the download folder; wrong data ends with 5.
#[test]
fn a_torrent_is_seeded_from_its_data_and_wrong_data_ends_with_5() {
    let _turn = together();
    let scratch = Scratch::new("seedfile");
    let file = scratch.file("src/film.bin", 300_000, 1);
    let torrent = scratch.at("src/film.bin.torrent");
    create(&file, &torrent, "-s 64KiB");
    let tracker = quick_tracker();
    let mut source = seeder("source", tracker.address, &torrent, "");
    let out = scratch.folder("out");
    let what = torrent.to_str().expect("UTF-8");
    let mut user = leecher_of("user", tracker.address, &[what], &out, "--seed-time 0");
    user.expect_exit(0, DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
    source.stop(0);
    crate::harness::scratch::flip(&file, 100_000);
    let mut wrong = peer("wrong", &["--seed", what], scratch.path(), "");
    wrong.expect_exit(5, SOON);
}

/// Whoever reads the events may pause: the download goes on, and its end is told afterwards.
#[test]
fn the_end_of_a_download_is_told_though_nobody_read_the_events_for_a_while() {
    let _turn = alone();
    let scratch = Scratch::in_memory("unread", 1 << 30);
    // More pieces than events may wait, each of which is told.
    let file = scratch.sparse("src/film.bin", 88 * MIB);
    let tracker = quick_tracker();
    let _source = seeder("source", tracker.address, &file, "--piece-length 16KiB");
    let out = scratch.folder("out");
    let (folder, address) = (out.to_str().expect("UTF-8"), tracker.address.to_string());
    let mut args = vec!["--leech", "film.bin", "--json", "-p", "0", "--seed-time", "0"];
    args.extend(["--tracker", &address, "-w", folder]);
    let (mut user, gate) = Process::start_unread("user", PEER, &args, scratch.path());
    until("the file is whole", DOWNLOAD, || out.join("film.bin").exists().then_some(()));
    drop(gate);
    user.wait_for("done", SOON);
    user.expect_exit(0, SOON);
}

#[test]
fn a_strangers_file_inside_the_folder_of_a_download_is_kept() {
    let _turn = together();
    let scratch = Scratch::new("clobber");
    scratch.file("src/album/a", 100_000, 1);
    scratch.file("src/album/b", 100_000, 2);
    let mine = scratch.file("out/album/a", 100_000, 3);
    let before = fs::read(&mine).unwrap();
    let tracker = quick_tracker();
    let album = scratch.path().join("src/album");
    let _seeder = seeder("source", tracker.address, &album, "--piece-length 64KiB");
    let mut user = leecher("user", tracker.address, "album", &scratch.folder("out"), "");
    assert_eq!(user.wait_exit(DOWNLOAD), 8);
    assert!(fs::read(&mine).unwrap() == before, "it was overwritten");
}

#[test]
fn a_program_whose_output_nobody_reads_ends_all_the_same() {
    let _turn = together();
    let scratch = Scratch::in_memory("unread", 1 << 30);
    let file = scratch.sparse("src/film.bin", 88 * MIB);
    let tracker = quick_tracker();
    let _seeder = seeder("source", tracker.address, &file, "--piece-length 16KiB");
    let out = scratch.folder("out");
    let (folder, address) = (out.to_str().unwrap(), tracker.address.to_string());
    let args = ["--leech", "film.bin", "--json", "-p", "0", "--tracker", &address, "-w", folder];
    let (mut user, gate) = Process::start_unread("user", PEER, &args, scratch.path());
    until("whole", DOWNLOAD, || out.join("film.bin").exists().then_some(()));
    let begun = Instant::now();
    user.signal("TERM");
    let state = format!("/proc/{}/stat", user.id());
    let ended = || fs::read_to_string(&state).map_or(true, |stat| stat.contains(") Z "));
    until("it ends", SOON, || ended().then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
    drop(gate);
}
