//! The same corpus through the real program: `peer show FILE` takes a good torrent, and says in
//! one line, with exit code 6, what is wrong with a bad one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long a verdict may take, beside what the program takes to say its version.
const TIME: Duration = Duration::from_millis(100);

/// Tries to be that quick, where others use the machine.
const TRIES: usize = 5;

/// KiB of data that the program may have: with its own pages, which are files, less than 64 MiB.
const DATA: u32 = 48 * 1024;

/// The folder of the corpus, if it is there.
fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("SWARMLET_SHARED").map_or_else(beside, PathBuf::from);
    let corpus = shared.join("corpus");
    if corpus.is_dir() {
        return Some(corpus);
    }
    eprintln!("SKIPPED: no corpus at {} (set SWARMLET_SHARED)", corpus.display());
    None
}

/// The program with a bounded amount of memory: it aborts where that is not enough.
fn peer(words: &[&Path]) -> Output {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -d {DATA} && exec \"$0\" \"$@\""));
    shell.arg(env!("CARGO_BIN_EXE_peer")).args(words).output().expect("the program starts")
}

fn show(file: &Path) -> Output {
    peer(&[Path::new("show"), Path::new("--json"), file])
}

/// The shortest time that something took, once it is short enough or was tried often enough.
fn shortest(enough: Duration, mut run: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let started = Instant::now();
        run();
        best = best.min(started.elapsed());
        if best < enough {
            break;
        }
    }
    best
}

fn assert_refused(output: &Output, file: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{file}: {said}");
    assert!(output.stdout.is_empty(), "{file}: data on stdout beside an error");
    assert!(!said.trim().is_empty() && !said.contains("panicked"), "{file}: {said}");
}

fn assert_shown(output: &Output, file: &str, hashes: [&str; 2], kind: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{file}: {said}");
    let shown: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{file}: {error}"));
    let expected = [("info_hash_v1", "v2", hashes[0]), ("info_hash_v2", "v1", hashes[1])];
    for (key, kind_without, hash) in expected {
        let wanted = Some(hash).filter(|_| kind != kind_without);
        assert_eq!(shown[key].as_str(), wanted, "{file}: {key}");
    }
}

#[test]
fn every_torrent_of_the_corpus_gets_its_exit_code_soon_and_in_64_mib() {
    let Some(corpus) = corpus() else { return };
    let table = std::fs::read_to_string(corpus.join("MANIFEST.tsv")).expect("a table");
    let nothing = shortest(Duration::ZERO, || _ = peer(&[Path::new("--version")]));
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [file, kind, expect, _, v1, v2, ..] = cells[..] else { panic!("{line}") };
        let output = show(&corpus.join(file));
        let took = shortest(nothing + TIME, || _ = show(&corpus.join(file)));
        assert!(took < nothing + TIME, "{file} took {took:?}, and nothing {nothing:?}");
        match expect {
            "reject" => assert_refused(&output, file),
            _ if expect.starts_with("accept") => assert_shown(&output, file, [v1, v2], kind),
            _ if output.status.success() => {}
            _ => assert_refused(&output, file),
        }
    }
}
