//! Somebody else is at the files while they are fetched or served: real programs, each action at a
//! random moment of a slow transfer.
//!
//! `FAULT_ROUNDS` says how often; by default each action comes once on each side. Whatever happens, no
//! program dies, what the leecher calls done is right to the byte, and a seeder sends nothing that is
//! not.

use crate::harness::hostile::{Caller, Content};
use crate::harness::process::Process;
use crate::harness::programs::{Listening, create, leecher, quick_tracker, seeder, wait_seeders};
use crate::harness::scratch::{Scratch, assert_same, copy, flip};
use crate::harness::{DOWNLOAD, SOON, pass, together};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swarmlet::ids::{PieceIndex, Span};
use swarmlet::protocol::message::Message;

const MIB: usize = 1024 * 1024;

/// How long an undisturbed transfer of a test takes, by its limit.
const TAKES: Duration = Duration::from_secs(1);

/// What somebody does to a file.
#[derive(Debug, Clone, Copy)]
enum Action {
    Empties,
    Removes,
    MovesOver,
    CopiesOver,
    Grows,
    Flips,
}

const ACTIONS: [Action; 6] = [
    Action::Empties,
    Action::Removes,
    Action::MovesOver,
    Action::CopiesOver,
    Action::Grows,
    Action::Flips,
];

impl Action {
    /// Does it; false if the file is not there (any more).
    fn happens(self, file: &Path, other: &Path, rng: &mut fastrand::Rng) -> bool {
        let Ok(open) = File::options().write(true).open(file) else { return false };
        let length = open.metadata().expect("its length").len();
        match self {
            Self::Empties => open.set_len(0).is_ok(),
            Self::Grows => open.set_len(length + MIB as u64).is_ok(),
            Self::Removes => fs::remove_file(file).is_ok(),
            Self::MovesOver => fs::rename(copy(other, &file.with_extension("other")), file).is_ok(),
            Self::CopiesOver => fs::copy(other, file).is_ok(),
            Self::Flips => {
                drop(open);
                flip(file, rng.u64(..length.max(1)).min(length.saturating_sub(1)));
                true
            }
        }
    }
}

/// How often each action comes.
fn rounds() -> Vec<(usize, Action)> {
    let count = std::env::var("FAULT_ROUNDS").ok().and_then(|count| count.parse().ok());
    let count = count.unwrap_or(ACTIONS.len());
    (0..count).zip(ACTIONS.into_iter().cycle()).collect()
}

/// A file of random bytes, another of the same size, and a .torrent.
struct Stage {
    scratch: Scratch,
    file: PathBuf,
    other: PathBuf,
    torrent: PathBuf,
    tracker: Listening,
}

impl Stage {
    fn new(name: &str, length: usize) -> Self {
        let scratch = Scratch::new(name);
        let file = scratch.file("src/film.bin", length, 1);
        let other = scratch.file("other.bin", length, 2);
        let torrent = scratch.at("film.torrent");
        create(&file, &torrent, "-s 64KiB");
        Self { scratch, file, other, torrent, tracker: quick_tracker() }
    }

    fn leecher(&self, name: &str, out: &Path, flags: &str) -> Process {
        let what = self.torrent.to_str().expect("UTF-8");
        leecher(name, self.tracker.address, what, out, &format!("--seed-time 0 {flags}"))
    }
}

#[test]
fn whatever_happens_to_a_download_it_ends_and_is_right() {
    let _turn = together();
    let length = 2 * MIB;
    let stage = Stage::new("changed-down", length);
    let _source = seeder("source", stage.tracker.address, &stage.file, "--piece-length 64KiB");
    wait_seeders(stage.tracker.address, "film.bin", 1, SOON);
    let mut rng = fastrand::Rng::with_seed(7);
    for (n, action) in rounds() {
        let out = stage.scratch.folder(&format!("out{n}"));
        let mut user = stage.leecher("user", &out, "--downlimit 2M");
        user.wait_bytes(1, SOON);
        pass(TAKES.mul_f64(rng.f64()));
        let part = out.join("film.bin.part");
        let happened = action.happens(&part, &stage.other, &mut rng);
        user.wait_for("done", DOWNLOAD);
        assert_same(&stage.file, &out.join("film.bin"));
        user.expect_exit(0, SOON);
        assert!(user.events_of("banned").is_empty(), "{action:?}: the source did nothing wrong");
        assert!(!part.exists(), "{action:?} ({happened})");
        fs::remove_dir_all(&out).expect("it can be removed");
    }
}

#[test]
fn whatever_happens_to_a_seeders_file_nothing_wrong_is_sent_and_it_lives() {
    let _turn = together();
    let stage = Stage::new("changed-up", 2 * MIB);
    let mut rng = fastrand::Rng::with_seed(8);
    for (n, action) in rounds() {
        let served = copy(&stage.file, &stage.scratch.at(&format!("up{n}/film.bin")));
        let mut changed =
            seeder("changed", stage.tracker.address, &served, "--piece-length 64KiB --uplimit 2M");
        let out = stage.scratch.folder(&format!("out{n}"));
        let mut user = stage.leecher("user", &out, &format!("--peer {}", changed.address));
        user.wait_bytes(1, SOON);
        pass(TAKES.mul_f64(rng.f64()));
        assert!(action.happens(&served, &stage.other, &mut rng));
        let other = copy(&stage.file, &stage.scratch.at("honest/film.bin"));
        let honest = seeder("honest", stage.tracker.address, &other, "--piece-length 64KiB");
        user.wait_for("done", DOWNLOAD);
        assert_same(&stage.file, &out.join("film.bin"));
        user.expect_exit(0, SOON);
        for kind in ["banned", "verify_failed"] {
            assert!(user.events_of(kind).is_empty(), "{action:?}: {kind}: wrong bytes were sent");
        }
        assert!(changed.is_running(), "{action:?}: {}", changed.stderr());
        changed.stop(0);
        drop(honest);
        fs::remove_dir_all(&out).expect("it can be removed");
    }
}

/// Of a piece with a wrong byte none is sent, not even to whoever asks for it alone; the user hears
/// which file it is within a second.
#[test]
fn a_seeder_does_not_send_a_piece_that_changed_and_says_so_at_once() {
    let _turn = together();
    let stage = Stage::new("changed-flip", 2 * MIB);
    let content = Content::of(&stage.file, 65536);
    let mut source = seeder("source", stage.tracker.address, &stage.file, "--piece-length 64KiB");
    flip(&stage.file, 1_000_000);
    let wrong = PieceIndex(1_000_000 / 65536);
    let mut caller = Caller::interested(source.address, content.info_hash).expect("it lets us in");
    let is_unchoke = |message: &Message| (*message == Message::Unchoke).then_some(());
    caller.expect(is_unchoke).expect("it serves us");
    let asked = Instant::now();
    let span = Span { piece: wrong, offset: 0, length: 16384 };
    caller.say(&Message::Get(span)).expect("it reads");
    let got = caller.expect(|message| match message {
        Message::Chunk { piece, data, .. } if *piece == wrong => Some(data.len()),
        _ => None,
    });
    assert!(got.is_err(), "{got:?} bytes of the wrong piece");
    source.wait_stderr("which file was changed", SOON, |text| {
        text.lines().any(|line| line.contains("film.bin") && line.contains("changed"))
    });
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(source.wait_for("verify_failed", SOON)["piece"], wrong.0);
    source.stop(0);
}

/// After a power cut a file may have its name and its size, and nothing in it.
#[test]
fn a_file_of_zeros_under_the_final_name_is_repaired_and_a_strangers_is_not() {
    let _turn = together();
    let stage = Stage::new("changed-zeros", MIB);
    let _source = seeder("source", stage.tracker.address, &stage.file, "--piece-length 64KiB");
    let out = stage.scratch.folder("out");
    let there = copy(&stage.other, &out.join("film.bin"));
    let mut user = stage.leecher("user", &out, "");
    user.expect_exit(8, SOON);
    assert_same(&stage.other, &there);
    File::create(&there).and_then(|file| file.set_len(MIB as u64)).expect("a sparse file");
    let mut user = stage.leecher("again", &out, "");
    user.wait_for("done", DOWNLOAD);
    assert_same(&stage.file, &there);
    user.expect_exit(0, SOON);
}
