//! Inputs that nobody in this project wrote: every one gets the verdict that its table asks for.
//!
//! The tables lie outside the project, at `SWARMLET_SHARED` or in `../shared`; where they are
//! absent the tests say so and pass.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swarmlet::metainfo::bencode::{self, BencodeError};
use swarmlet::metainfo::{FileKind, Metainfo, path};

/// One row of MANIFEST.tsv.
struct Row {
    file: String,
    kind: String,
    expect: String,
    v1: String,
    v2: String,
}

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

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(corpus: &Path) -> Vec<Row> {
    let table = String::from_utf8(read(&corpus.join("MANIFEST.tsv"))).expect("a table of text");
    let rows = table.lines().skip(1).map(|line| {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let [file, kind, expect, _reason, v1, v2, ..] = &cells[..] else { panic!("{line}") };
        let [file, kind, expect] = [file, kind, expect].map(String::clone);
        Row { file, kind, expect, v1: v1.clone(), v2: v2.clone() }
    });
    rows.collect()
}

/// Whether a path stays in its folder and every component is one that any file system takes.
fn assert_safe(path: &[String], whose: &str) {
    assert!(!path.is_empty(), "{whose}: no path");
    for part in path {
        assert!(!matches!(part.as_str(), "" | "." | ".."), "{whose}: {path:?}");
        assert!(part.len() <= 250, "{whose}: {path:?}");
        assert!(!part.contains(['/', '\\']), "{whose}: {path:?}");
        assert!(!part.chars().any(char::is_control), "{whose}: {path:?}");
    }
}

/// What holds for every torrent that was accepted, whatever was in it.
fn assert_sound(metainfo: &Metainfo, whose: &str) {
    let mut seen = HashSet::new();
    let mut folders = HashSet::new();
    for file in metainfo.files.iter().filter(|file| file.kind != FileKind::Pad) {
        assert_safe(&file.path, whose);
        assert!(seen.insert(file.path.clone()), "{whose}: two entries at {:?}", file.path);
        folders.extend((1..file.path.len()).map(|n| file.path[..n].to_vec()));
    }
    assert!(seen.is_disjoint(&folders), "{whose}: a file where a folder is");
    let geometry = metainfo.geometry();
    assert!(metainfo.v1_pieces.is_empty() || metainfo.v1_pieces.len() as u32 == geometry.pieces());
    let again = Metainfo::parse(&metainfo.to_torrent());
    assert_eq!(again.as_ref(), Ok(metainfo), "{whose}: written and read again");
}

fn check(row: &Row, bytes: &[u8]) {
    let parsed = Metainfo::parse(bytes);
    match row.expect.as_str() {
        "reject" => assert!(parsed.is_err(), "{} was accepted", row.file),
        "accept" | "accept-sanitised" | "accept-without-links" => {
            let metainfo = parsed.unwrap_or_else(|error| panic!("{}: {error}", row.file));
            assert_hashes(&metainfo, row);
            assert_sound(&metainfo, &row.file);
        }
        "rename-or-reject" | "sanitise-or-reject" | "either" => {
            if let Ok(metainfo) = parsed {
                assert_sound(&metainfo, &row.file);
            }
        }
        other => panic!("{}: no such verdict: {other}", row.file),
    }
}

fn assert_hashes(metainfo: &Metainfo, row: &Row) {
    let v1 = metainfo.info_hash_v1.map(|hash| hash.to_string());
    let v2 = metainfo.info_hash_v2.map(|hash| hash.to_string());
    let (has_v1, has_v2) = (row.kind != "v2", row.kind != "v1");
    assert_eq!(v1.as_ref(), has_v1.then_some(&row.v1), "{}: v1 info-hash", row.file);
    assert_eq!(v2.as_ref(), has_v2.then_some(&row.v2), "{}: v2 info-hash", row.file);
}

#[test]
fn every_torrent_of_the_corpus_gets_its_verdict() {
    let Some(corpus) = corpus() else { return };
    let rows = manifest(&corpus);
    assert!(!rows.is_empty(), "an empty table");
    for row in &rows {
        check(row, &read(&corpus.join(&row.file)));
    }
}

/// Ten torrents that are accepted, of all kinds, none of them large.
fn good_torrents(corpus: &Path) -> Vec<Vec<u8>> {
    let accepted = manifest(corpus).into_iter().filter(|row| row.expect.starts_with("accept"));
    let mut files: Vec<Vec<u8>> = accepted.map(|row| read(&corpus.join(row.file))).collect();
    files.retain(|bytes| bytes.len() < 16 * 1024);
    files.sort_by_key(|bytes| std::cmp::Reverse(bytes.len()));
    files.truncate(10);
    files
}

#[test]
fn a_torrent_that_is_cut_or_bent_is_refused_or_sound_but_never_a_panic() {
    let Some(corpus) = corpus() else { return };
    let mut rng = fastrand::Rng::with_seed(1);
    for (i, good) in good_torrents(&corpus).iter().enumerate() {
        for end in 0..good.len() {
            let cut = Metainfo::parse(&good[..end]);
            assert!(cut.is_err() || good[end..].trim_ascii().is_empty(), "file {i} cut at {end}");
        }
        for _ in 0..1000 {
            let mut bent = good.clone();
            let at = rng.usize(..bent.len());
            bent[at] ^= 1 << rng.u32(..8);
            if let Ok(metainfo) = Metainfo::parse(&bent) {
                assert_sound(&metainfo, &format!("file {i} bent at {at}"));
            }
        }
    }
}

/// The bytes of a row of VECTORS.tsv: hexadecimal, or `generate: 'l' x 20000 + 'e' x 20000`.
fn vector(cell: &str, folder: &Path) -> Vec<u8> {
    if let Some(recipe) = cell.strip_prefix("generate:") {
        return recipe.split('+').flat_map(|part| generated(part.trim())).collect();
    }
    if let Some(file) = cell.strip_prefix('@') {
        return read(&folder.join(file));
    }
    swarmlet::ids::unhex(cell).unwrap_or_else(|| panic!("no hexadecimal: {cell}"))
}

fn generated(part: &str) -> Vec<u8> {
    let (text, count) = part.split_once(" x ").unwrap_or((part, "1"));
    let count = count.trim().parse().unwrap_or_else(|_| panic!("no count: {part}"));
    text.trim().trim_matches('\'').repeat(count).into_bytes()
}

/// How long a bomb may burn, and how often it may try where others use the machine.
const BOMB: Duration = Duration::from_millis(10);
const TRIES: usize = 5;

fn check_vector(verdict: &str, bytes: &[u8], name: &str) {
    let parsed = bencode::parse(bytes, bencode::TORRENT).map(|_| ());
    if verdict.contains("< 10 ms") {
        let burn = || {
            let started = Instant::now();
            let _ = std::hint::black_box(bencode::parse(bytes, bencode::TORRENT));
            started.elapsed()
        };
        let shortest = (0..TRIES).map(|_| burn()).min().expect("it was tried");
        assert!(shortest < BOMB, "{name} took {shortest:?}");
    }
    if verdict.starts_with("accept(first value only") {
        assert!(bencode::parse_prefix(bytes, bencode::TORRENT).is_ok(), "{name}");
        assert!(matches!(parsed, Err(BencodeError::TrailingBytes { .. })), "{name}");
    } else if verdict.starts_with("accept") {
        assert_eq!(parsed, Ok(()), "{name}");
    } else if verdict.starts_with("reject") {
        assert!(parsed.is_err(), "{name} was accepted");
    } else {
        let known = verdict.starts_with("either") || verdict.starts_with("any");
        assert!(known, "{name}: no such verdict: {verdict}");
    }
}

#[test]
fn every_bencode_vector_gets_its_verdict_on_a_small_stack() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("bencode");
    let table = String::from_utf8(read(&folder.join("VECTORS.tsv"))).expect("a table of text");
    let run = move || {
        for (i, line) in table.lines().enumerate().skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            let [_, test, _, ours, length, cell] = cells[..] else { panic!("{line}") };
            let bytes = vector(cell, &folder);
            assert_eq!(bytes.len().to_string(), length, "line {}: {test}", i + 1);
            check_vector(ours, &bytes, &format!("line {}: {test}", i + 1));
        }
    };
    let small = std::thread::Builder::new().stack_size(64 * 1024).spawn(run);
    small.expect("a thread").join().expect("every vector got its verdict");
}

#[test]
fn no_path_of_the_corpus_leaves_its_folder() {
    let Some(corpus) = corpus() else { return };
    let bytes = read(&corpus.join("paths/path_vectors.json"));
    let vectors: serde_json::Value = serde_json::from_slice(&bytes).expect("a list of vectors");
    for vector in vectors.as_array().expect("a list") {
        let elements = vector["elements_hex"].as_array().expect("a list of elements");
        let raw: Vec<Vec<u8>> = elements
            .iter()
            .map(|hex| swarmlet::ids::unhex(hex.as_str().expect("text")).expect("hexadecimal"))
            .collect();
        let parts = raw.iter().map(|part| path::component_or_substitute(part));
        assert_safe(&[vec!["root".to_owned()], parts.collect()].concat(), &vector.to_string());
        assert_torrent_is_safe(&raw);
    }
}

/// The same elements as a stranger's torrent would have them.
fn assert_torrent_is_safe(raw: &[Vec<u8>]) {
    let mut out = bencode::Encoder::new();
    out.dict().text("info").dict().text("files").list().dict().text("length").int(1);
    out.text("path").list();
    for part in raw {
        out.bytes(part);
    }
    out.end().end().end().text("name").text("t").text("piece length").int(16384);
    out.text("pieces").bytes(&[0; 20]).end().end();
    match Metainfo::parse(&out.finish()) {
        Ok(metainfo) => assert_sound(&metainfo, &format!("{raw:?}")),
        Err(error) => assert!(raw.is_empty(), "{raw:?}: {error}"),
    }
}
