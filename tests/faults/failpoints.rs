//! What a panic costs: the peer that it was about, never the download.
//!
//! `PANIC_AT=POINT:N` makes a thread of a program panic; a release does not read it.

use crate::harness::process::Process;
use crate::harness::programs::{Listening, panicking_peer, quick_tracker, seeder, tracker};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, SOON, not_run, together};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const MIB: usize = 1024 * 1024;
const FLAGS: &str = "--piece-length 64KiB --uplimit 4M";

/// Where a leecher panics, and what it says besides that there was a panic.
const POINTS: [(&str, &str); 8] = [
    ("peer_recv:17", "peer-"),
    ("peer_store:3", "peer-"),
    ("peer_enter:1", "peer-"),
    ("verify:2", "verify"),
    ("writable:1", "writable"),
    ("coordinator:2", "coordinator"),
    ("upload:2", "upload-"),
    ("announce:1", "announce-"),
];

fn can_panic(test: &str) -> bool {
    if cfg!(debug_assertions) {
        return true;
    }
    not_run(test, "a release has no panics on purpose");
    false
}

fn leecher(panic_at: &str, tracker: SocketAddr, folder: &Path, flags: &str) -> Process {
    let folder = folder.to_str().expect("UTF-8");
    let action = ["--leech", "film.bin", "-w", folder];
    panicking_peer(panic_at, panic_at, &action, tracker, Path::new(folder), flags)
}

#[test]
fn a_panic_in_any_thread_of_a_leecher_costs_no_download() {
    if !can_panic("a_panic_in_any_thread_of_a_leecher_costs_no_download") {
        return;
    }
    let _turn = together();
    let scratch = Scratch::new("panics");
    let file = scratch.file("src/film.bin", 4 * MIB, 1);
    let (tracker, other) = (quick_tracker(), tracker(""));
    let _seeders: Vec<Listening> =
        (0..2).map(|n| seeder(&format!("seeder {n}"), tracker.address, &file, FLAGS)).collect();
    // One announce by HTTP, too.
    let flags = format!("--seed-time 0 -t http://{}/announce", other.address);
    let start = |(point, thread): (&'static str, &'static str)| {
        let out = scratch.folder(point);
        (point, thread, leecher(point, tracker.address, &out, &flags))
    };
    let leechers: Vec<_> = POINTS.into_iter().map(start).collect();
    for (point, thread, mut leecher) in leechers {
        leecher.wait_for("done", DOWNLOAD);
        assert_same(&file, &scratch.path().join(point).join("film.bin"));
        leecher.expect_exit(0, SOON);
        let said = leecher.stderr();
        let told = said.lines().any(|l| l.contains(thread) && l.contains("panicked (1 so far)"));
        assert!(told, "{point}: {said}");
    }
}

/// The connection whose thread panicked is gone for the swarm, and a new one is made.
#[test]
fn a_peer_whose_thread_panicked_is_let_go_at_once() {
    if !can_panic("a_peer_whose_thread_panicked_is_let_go_at_once") {
        return;
    }
    let _turn = together();
    let scratch = Scratch::new("panic-gone");
    let file = scratch.file("src/film.bin", 2 * MIB, 2);
    let tracker = quick_tracker();
    let _seeder = seeder("seeder", tracker.address, &file, FLAGS);
    let out = scratch.folder("out");
    let mut user = leecher("peer_store:2", tracker.address, &out, "--seed-time 0");
    let is_gone =
        |event: &serde_json::Value| event["event"] == "peer" && event["connected"] == false;
    user.wait_stderr("that it panicked", DOWNLOAD, |said| said.contains("panicked (1 so far)"));
    user.wait_event_within(Duration::from_secs(5), is_gone);
    user.wait_for("done", DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
    user.expect_exit(0, SOON);
}

#[test]
fn a_panic_in_a_thread_of_a_seeder_costs_one_connection() {
    if !can_panic("a_panic_in_a_thread_of_a_seeder_costs_one_connection") {
        return;
    }
    let _turn = together();
    let scratch = Scratch::new("panic-seeder");
    let file = scratch.file("src/film.bin", 2 * MIB, 3);
    let tracker = quick_tracker();
    let action = ["--seed", file.to_str().expect("UTF-8")];
    let at = "upload:9";
    let mut bad = panicking_peer("bad", at, &action, tracker.address, scratch.path(), FLAGS);
    bad.wait_for("seeding", SOON);
    let out = scratch.folder("out");
    let mut user = crate::harness::programs::leecher(
        "user",
        tracker.address,
        "film.bin",
        &out,
        "--seed-time 0",
    );
    user.wait_for("done", DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
    user.expect_exit(0, SOON);
    assert!(bad.stderr().contains("panicked (1 so far)"), "{}", bad.stderr());
    bad.stop(0);
}

/// A thread that cannot be kept alive ends the program: a download that waits for it for ever
/// would look like one that is slow.
#[test]
fn a_thread_that_always_panics_ends_the_program_with_a_sentence() {
    if !can_panic("a_thread_that_always_panics_ends_the_program_with_a_sentence") {
        return;
    }
    let _turn = together();
    let scratch = Scratch::new("panic-always");
    let file = scratch.file("src/film.bin", 2 * MIB, 4);
    let tracker = quick_tracker();
    let _seeder = seeder("seeder", tracker.address, &file, FLAGS);
    let out = scratch.folder("out");
    let mut user = leecher("verify:every", tracker.address, &out, "");
    user.expect_exit(1, SOON);
    let said = user.stderr();
    assert!(said.contains("the verify thread panics again and again"), "{said}");
    assert!(!out.join("film.bin").exists());
}
