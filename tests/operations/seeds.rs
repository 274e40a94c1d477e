//! Bytes to begin with: what each driver calls good, bent a little, and what others collected.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::scratch::{Scratch, listing};

/// Changes a good input as the edits say: a bit, a byte, a cut, a run twice, another input's end.
pub fn bent(seeds: &[Vec<u8>], which: usize, edits: &[[u8; 4]]) -> Vec<u8> {
    let mut bytes = seeds[which % seeds.len()].clone();
    for &[kind, high, low, value] in edits {
        let at = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        match kind % 7 {
            0 => bytes.insert(at, value),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, vec![value; usize::from(low)])),
            3 => bytes.extend_from_within(at..),
            4 => {
                let other = &seeds[usize::from(value) % seeds.len()];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at.min(other.len())..]);
            }
            5 if at < bytes.len() => bytes[at] = value,
            _ if at < bytes.len() => bytes[at] ^= 1 << (value % 8),
            _ => {}
        }
    }
    bytes
}

/// The folder of inputs that nobody in this project wrote, if it is there.
pub fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("SWARMLET_SHARED").map_or_else(beside, PathBuf::from);
    Some(shared.join("corpus")).filter(|corpus| corpus.is_dir())
}

/// What others collected for a driver; nothing where the folder is absent.
pub fn of_others(driver: &str) -> Vec<Vec<u8>> {
    let Some(corpus) = corpus() else { return Vec::new() };
    match driver {
        "bencode" => [vectors(&corpus), torrents(&corpus)].concat(),
        "metainfo" => torrents(&corpus),
        "msgpack_frame" => values(&corpus).iter().map(|value| in_a_map(value)).collect(),
        "bt_wire" => streams(&corpus),
        "path" => names(&corpus),
        _ => Vec::new(),
    }
}

fn table(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let rows = text.lines().skip(1);
    rows.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Those that are written in hexadecimal digits; the long ones are made by a recipe.
fn vectors(corpus: &Path) -> Vec<Vec<u8>> {
    let rows = table(&corpus.join("bencode/VECTORS.tsv"));
    rows.iter().filter_map(|row| swarmlet::ids::unhex(row.last()?)).collect()
}

fn torrents(corpus: &Path) -> Vec<Vec<u8>> {
    let rows = table(&corpus.join("MANIFEST.tsv"));
    let files = rows.iter().map(|row| fs::read(corpus.join(&row[0])).expect("a file of the table"));
    files.filter(|bytes| bytes.len() < 64 * 1024).collect()
}

/// Every spelling of every value of the test suite of MessagePack.
pub fn values(corpus: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(corpus.join("msgpack/msgpack-test-suite.json")).expect("the test suite");
    let suite: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let cases = suite.as_object().expect("groups").values().filter_map(|group| group.as_array());
    let spellings = cases.flatten().filter_map(|case| case["msgpack"].as_array()).flatten();
    let spelled = spellings.map(|hex| hex.as_str().expect("digits").replace('-', ""));
    spelled.map(|hex| swarmlet::ids::unhex(&hex).expect("hexadecimal")).collect()
}

/// `{"a": value}`
pub fn in_a_map(value: &[u8]) -> Vec<u8> {
    [&[0x81, 0xa1, b'a'], value].concat()
}

/// What peers said behind their handshakes, after a setup that agrees to everything.
fn streams(corpus: &Path) -> Vec<Vec<u8>> {
    let scratch = Scratch::new("seeds");
    let archive = corpus.join("wire/peer_conn.tar.gz");
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(scratch.folder("streams"));
    assert!(tar.status().is_ok_and(|status| status.success()), "tar: {}", archive.display());
    let folder = scratch.folder("streams");
    let files = listing(&folder).into_iter().map(|name| folder.join(name));
    let streams = files.filter(|path| path.is_file()).map(|path| fs::read(path).expect("a file"));
    let long_enough = streams.filter(|stream| stream.len() > 8);
    long_enough.map(|stream| [&[0, 3, 0x5a, 1], &stream[8..]].concat()).collect()
}

/// Each list of path elements, the elements as the driver parts them.
fn names(corpus: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(corpus.join("paths/path_vectors.json")).expect("the vectors");
    let vectors: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let paths = vectors.as_array().expect("a list").iter().map(|vector| {
        let elements = vector["elements_hex"].as_array().expect("elements").iter();
        let raw = elements.map(|hex| swarmlet::ids::unhex(hex.as_str().expect("text")));
        raw.map(|name| name.expect("hexadecimal")).collect::<Vec<_>>().join(&0xfd)
    });
    paths.collect()
}

/// Writes inputs into a folder that a fuzzer begins with, named by what they are.
pub fn write(folder: &Path, inputs: &[Vec<u8>]) {
    fs::create_dir_all(folder).expect("a folder for seeds");
    for (number, input) in inputs.iter().enumerate() {
        let path = folder.join(format!("seed-{number:04}"));
        fs::write(&path, input).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}
