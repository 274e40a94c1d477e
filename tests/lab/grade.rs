//! `lab grade` with real submissions: our own peer, one in Python, one that has been broken on
//! purpose, and some that do not even start.

use crate::harness::process::Process;
use crate::harness::programs::{LAB, PEER};
use crate::harness::scratch::Scratch;
use crate::harness::{not_run, together};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long a whole grading may take on a busy machine.
const GRADING: Duration = Duration::from_mins(2);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn has_python() -> bool {
    Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Grades with these words: the code it ended with, and the object it printed.
fn grade(scratch: &Scratch, words: &[&str]) -> (i32, Value) {
    let words: Vec<&str> = ["grade", "--json"].iter().chain(words).copied().collect();
    let mut lab = Process::start("lab", LAB, &words, scratch.path());
    let code = lab.wait_exit(GRADING);
    let graded = lab.events().pop().unwrap_or_else(|| panic!("no JSON: {}", lab.stderr()));
    (code, graded)
}

/// The checks that failed.
fn failed(graded: &Value) -> BTreeSet<&str> {
    let checks = graded["checks"].as_array().expect("a list").iter();
    let failed = checks.filter(|check| check["passed"] == false);
    failed.map(|check| check["id"].as_str().expect("a text")).collect()
}

fn check_full(graded: &(i32, Value)) {
    let (code, graded) = graded;
    assert_eq!(failed(graded), BTreeSet::new(), "{graded:#}");
    assert_eq!(graded["points"], graded["of"], "{graded:#}");
    assert_eq!(*code, 0);
}

/// A copy of the peer in Python in which these texts stand for others.
fn mutated(scratch: &Scratch, changes: &[(&str, &str, &str)]) -> String {
    let folder = scratch.folder("mutated");
    for name in ["peer.py", "wire.py", "metainfo.py", "tracker.py"] {
        let original = root().join("examples/python-peer").join(name);
        let mut text = fs::read_to_string(&original).expect("it ships");
        for (_, from, to) in changes.iter().filter(|(file, ..)| *file == name) {
            assert_eq!(text.matches(from).count(), 1, "{from} in {name}");
            text = text.replace(from, to);
        }
        fs::write(folder.join(name), text).expect("a copy");
    }
    command(&folder.join("peer.py"))
}

fn command(peer: &Path) -> String {
    format!("python3 '{}'", peer.display())
}

#[test]
fn our_own_peer_gets_all_points() {
    let _turn = together();
    let scratch = Scratch::new("grade-own");
    let leech = format!("{PEER} --leech {{name}} --tracker {{tracker}} -w {{dir}} -p {{port}} -q");
    let seed = format!("{PEER} --seed {{file}} --tracker {{tracker}} -p {{port}} -q");
    let words = ["--exec", &leech, "--exec-seed", &seed, "--student", "own", "--rubric", "hcmut"];
    let graded = grade(&scratch, &words);
    check_full(&graded);
    assert_eq!((&graded.1["of"], &graded.1["by_hand"][0]["of"]), (&80.into(), &20.into()));
}

#[test]
fn the_peer_in_python_gets_all_points() {
    if !has_python() {
        return not_run("the_peer_in_python_gets_all_points", "python3 is missing");
    }
    let _turn = together();
    let scratch = Scratch::new("grade-python");
    let exec = command(&root().join("examples/python-peer/peer.py"));
    let graded = grade(&scratch, &["--exec", &exec, "--student", "python"]);
    check_full(&graded);
    assert_eq!(graded.1["of"], 100);
}

#[test]
fn a_broken_peer_loses_the_points_of_what_is_broken() {
    if !has_python() {
        return not_run("a_broken_peer_loses_the_points_of_what_is_broken", "python3 is missing");
    }
    let _turn = together();
    let scratch = Scratch::new("grade-broken");
    let changes = [
        // Asks for one piece at a time, and for what others were asked for.
        ("peer.py", "WINDOW = 256 * 1024", "WINDOW = 1"),
        ("peer.py", "and p not in self.taken and", "and"),
        // Believes every piece, and every .torrent.
        ("peer.py", "if not self.meta.fits(piece, data):", "if False:"),
        ("metainfo.py", "if sha256(info) != expected:", "if False:"),
        // Serves whoever asks.
        ("peer.py", "if not self.serving or waiting", "if waiting"),
        ("peer.py", "(404, \"unknown content\")", "(400, \"unknown content\")"),
        ("wire.py", "if not 0 < total <= MAX_FRAME:", "if not 0 < total:"),
        // Is silent, and leaves without a word.
        ("peer.py", "                membership.beat()", "                pass"),
        ("peer.py", "        membership.leave()", "        pass"),
    ];
    let exec = mutated(&scratch, &changes);
    let words = ["--exec", &exec, "--student", "broken", "--patience", "5s"];
    let (code, graded) = grade(&scratch, &words);
    let expected = [
        "leech.corrupt-piece",
        "leech.metainfo-verified",
        "leech.no-duplicates",
        "leech.pipelining",
        "output.identical",
        "rude.oversized-frame",
        "seed.choke",
        "seed.handshake-unknown-content",
        "tracker.heartbeat",
        "tracker.leave",
    ];
    assert_eq!(failed(&graded), BTreeSet::from(expected), "{graded:#}");
    assert_eq!((code, &graded["points"]), (1, &69.into()));
    let checks = graded["checks"].as_array().expect("a list");
    let of = |id: &str| checks.iter().find(|check| check["id"] == id).expect("it was asked");
    let code = of("seed.handshake-unknown-content");
    assert_eq!((&code["got"], &code["section"]), (&"ERROR 400".into(), &"ERROR".into()));
    let asked_twice = of("leech.no-duplicates")["got"].as_str().expect("a text");
    assert!(asked_twice.contains("GET piece=") && asked_twice.contains("byte "), "{asked_twice}");
}

#[test]
fn what_crashes_hangs_or_is_not_there_is_named_and_nothing_runs_on() {
    let _turn = together();
    let scratch = Scratch::new("grade-crash");
    let check = |exec: &str, expected: &str| {
        let (code, graded) = grade(&scratch, &["--exec", exec, "--patience", "1s", "-q"]);
        assert_eq!((code, &graded["points"]), (1, &0.into()), "{graded:#}");
        let first = graded["checks"][0]["got"].as_str().expect("a text");
        assert!(first.contains(expected), "{exec}: {first}");
    };
    check(
        "sh -c 'echo no such thing; exit 3'",
        "it ended with exit code 3; it printed last: no such thing",
    );
    check("/nowhere/peer", "/nowhere/peer cannot be started");
    let place = scratch.folder("place");
    let exec = format!("sh -c 'cd {} && setsid sleep 1234 & sleep 1234'", place.display());
    check(&exec, "after 1 s");
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let is_left = |entry: &fs::DirEntry| {
        fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == place)
    };
    assert_eq!(all.filter(is_left).count(), 0);
}

#[test]
fn a_rubric_or_a_command_that_makes_no_sense_is_a_usage_error() {
    let _turn = together();
    let scratch = Scratch::new("grade-usage");
    let own = scratch.at("own.toml");
    let text = "title = 'x'\n[[part]]\nname = 'y'\npoints = 1\nchecks = { 'rude.silnt' = 1 }\n";
    fs::write(&own, text).expect("a file");
    let own = own.to_str().expect("UTF-8");
    let check = |words: &[&str], expected: &str| {
        let words: Vec<&str> = ["grade"].iter().chain(words).copied().collect();
        let mut lab = Process::start("lab", LAB, &words, scratch.path());
        lab.expect_exit(2, GRADING);
        assert!(lab.stderr().contains(expected), "{}", lab.stderr());
    };
    check(
        &["--exec", "x", "--rubric", own],
        "no check is called rude.silnt: did you mean rude.silent?",
    );
    check(&["--exec", "x {name}"], "--exec has placeholders");
    check(&[], "--exec");
}
