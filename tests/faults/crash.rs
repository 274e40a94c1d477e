//! `kill -9` at any moment: what was said to be verified is so, and nothing else is believed.
//!
//! `CYCLES=1000` kills as often as that; `scripts/faults/kill.sh` does.

use crate::harness::process::{Process, say};
use crate::harness::programs::{leecher, quick_tracker, seeder};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, alone, pass, until};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

const LENGTH: usize = 16 << 20;
const PIECE: usize = 64 << 10;

/// So often it is killed unless `CYCLES` says.
const CYCLES: u64 = 12;

/// What a run that was killed had said.
struct Claims {
    /// Pieces that it called verified.
    pieces: Vec<usize>,
    /// Bytes that it called verified, those of runs before it among them.
    bytes: u64,
    /// It said that everything is there.
    whole: bool,
}

impl Claims {
    fn of(run: &Process) -> Self {
        let pieces = run.events_of("piece");
        let piece = |event: &Value| event["piece"].as_u64().expect("a number") as usize;
        Self {
            pieces: pieces.iter().map(piece).collect(),
            bytes: run.last_bytes(),
            whole: !run.events_of("done").is_empty(),
        }
    }

    /// How many of them are not so.
    fn false_ones(&self, content: &[u8], out: &Path) -> usize {
        let (part, whole) = (out.join("film.bin.part"), out.join("film.bin"));
        if whole.exists() {
            assert!(fs::read(&whole).expect("readable") == content, "{}: wrong", whole.display());
        }
        assert!(!self.whole || whole.exists(), "it said that it was done");
        let Ok(file) = File::open(&part).or_else(|_| File::open(&whole)) else {
            return self.pieces.len();
        };
        let is_false = |&&piece: &&usize| {
            let mut found = vec![0; PIECE];
            let read = file.read_exact_at(&mut found, (piece * PIECE) as u64);
            read.is_err() || found != content[piece * PIECE..][..PIECE]
        };
        self.pieces.iter().filter(is_false).count()
    }
}

#[test]
fn a_killed_download_claims_nothing_false_and_loses_nothing_it_claimed() {
    let _turn = alone();
    let cycles = std::env::var("CYCLES").ok().and_then(|n| n.parse().ok()).unwrap_or(CYCLES);
    let scratch = Scratch::in_memory("kill", 1 << 30);
    let file = scratch.file("src/film.bin", LENGTH, 41);
    let content = fs::read(&file).expect("the test's file");
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 8M";
    let _seeder = seeder("seeder", tracker.address, &file, flags);
    let mut random = fastrand::Rng::with_seed(cycles);
    let (mut false_claims, mut claimed, mut ended) = (0, 0, 0);
    let mut folder = 0;
    // What the runs in this folder so far have verified.
    let mut before = 0;
    for cycle in 0..cycles {
        let out = scratch.folder(&format!("out-{folder}"));
        let mut run = leecher("killed", tracker.address, "film.bin", &out, "");
        pass(Duration::from_millis(random.u64(20..800)));
        run.kill();
        let claims = Claims::of(&run);
        let wrong = claims.false_ones(&content, &out);
        false_claims += wrong;
        claimed += claims.pieces.len();
        before = claims.bytes.max(before);
        let last = cycle + 1 == cycles;
        if claims.whole || before > LENGTH as u64 / 2 || last {
            finish(tracker.address, &file, &out, before);
            ended += 1;
            (folder, before) = (folder + 1, 0);
            fs::remove_dir_all(&out).expect("nobody uses it");
        }
    }
    say(&format!("{cycles} kills, {ended} downloads, {claimed} claims, {false_claims} false"));
    assert_eq!(false_claims, 0);
    assert!(claimed > 0, "no run came as far as a piece");
}

/// Goes on in a folder up to the end: only what was not verified is fetched.
fn finish(tracker: std::net::SocketAddr, file: &Path, out: &Path, verified: u64) {
    let mut again = leecher("again", tracker, "film.bin", out, "--seed-time 0");
    let done = until("it is whole", DOWNLOAD, || {
        let done = again.events_of("done");
        let whole = done.first().cloned().or_else(|| again.events_of("seeding").first().cloned());
        assert!(whole.is_some() || again.is_running(), "it ended: {}", again.stderr());
        whole
    });
    assert_same(file, &out.join("film.bin"));
    let fetched = done["fetched"].as_u64().unwrap_or(0);
    let missing = LENGTH as u64 - verified;
    assert!(fetched <= missing, "{fetched} bytes were fetched, {missing} were missing");
    again.expect_exit(0, crate::harness::SOON);
}
