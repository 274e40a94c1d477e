//! The same corpus through the real program: `peer show FILE` takes a good torrent, and says in
//! one line, with exit code 6, what is wrong with a bad one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

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

fn show(file: &Path) -> Output {
    let mut peer = Command::new(env!("CARGO_BIN_EXE_peer"));
    peer.arg("show").arg("--json").arg(file).output().expect("the program starts")
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
fn every_torrent_of_the_corpus_gets_its_exit_code() {
    let Some(corpus) = corpus() else { return };
    let table = std::fs::read_to_string(corpus.join("MANIFEST.tsv")).expect("a table");
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [file, kind, expect, _, v1, v2, ..] = cells[..] else { panic!("{line}") };
        let started = Instant::now();
        let output = show(&corpus.join(file));
        assert!(started.elapsed() < Duration::from_secs(5), "{file} took too long");
        match expect {
            "reject" => assert_refused(&output, file),
            _ if expect.starts_with("accept") => assert_shown(&output, file, [v1, v2], kind),
            _ if output.status.success() => {}
            _ => assert_refused(&output, file),
        }
    }
}
