//! `peer console` with its real input: lines through a pipe, and keys at a terminal.

use crate::harness::process::Process;
use crate::harness::programs::{Listening, PEER, quick_tracker, seeder_of, wait_seeders};
use crate::harness::scratch::{Scratch, assert_same, listing};
use crate::harness::{DOWNLOAD, SOON, not_run, together, until};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

/// A console that is spoken to, line by line.
struct Console {
    process: Process,
    stdin: ChildStdin,
}

impl Console {
    fn start(folder: &Path, tracker: &Listening) -> Self {
        let at = tracker.address.to_string();
        let words = ["console", "-p", "0", "--tracker", &at, "-w", "down"];
        let (process, stdin) = Process::start_spoken("console", PEER, &words, folder);
        Self { process, stdin }
    }

    /// What stdout says to a line. The help of QUIT stands at its end: answers come in order.
    fn ask(&mut self, line: &str) -> Vec<String> {
        let mark = self.process.plain().len();
        writeln!(self.stdin, "{line}\nHELP QUIT").expect("the console reads");
        let is_end = |line: &String| line.starts_with("QUIT  ");
        let lines = self.process.wait_plain(mark, DOWNLOAD, |lines| lines.iter().any(is_end));
        lines.into_iter().take_while(|line| !is_end(line)).collect()
    }

    /// What a torrent does: behind its number, its share, two rates with units, peers and ratio.
    fn state(&mut self, id: u32) -> String {
        let lines = self.ask(&format!("STATUS {id}"));
        let row = lines.get(1).unwrap_or_else(|| panic!("a heading and a row: {lines:?}"));
        row.split_whitespace().nth(8).expect("a state").to_owned()
    }
}

/// A tracker, and a seeder of a folder of three files and of one large file.
fn swarm(scratch: &Scratch) -> (Listening, Listening) {
    for (n, name) in ["a.bin", "b.bin", "sub/c.bin"].into_iter().enumerate() {
        scratch.file(&format!("src/set/{name}"), 100_000, n as u64);
    }
    let large = scratch.file("src/large.bin", 4_000_000, 9);
    let tracker = quick_tracker();
    let set = scratch.path().join("src/set");
    let paths = [set.as_path(), &large];
    let flags = "--piece-length 64KiB";
    let source = seeder_of("source", tracker.address, &paths, scratch.path(), flags);
    wait_seeders(tracker.address, "set", 1, SOON);
    wait_seeders(tracker.address, "large.bin", 1, SOON);
    (tracker, source)
}

#[test]
fn lines_from_a_pipe_serve_fetch_show_steer_and_let_go() {
    let _turn = together();
    let scratch = Scratch::new("console");
    let (tracker, _source) = swarm(&scratch);
    let folder = scratch.folder("console");
    scratch.file("console/own file.bin", 50_000, 7);
    let mut console = Console::start(&folder, &tracker);

    assert_eq!(console.ask("STATUS"), ["no torrents: SEEDING PATH or DOWNLOAD WHAT"]);
    assert_eq!(console.ask("seeding 'own file.bin'"), ["1  own file.bin"]);
    assert_eq!(console.ask("DOWNLOAD set"), ["2  set"]);
    assert_eq!(console.ask("WAIT 60s"), [""; 0]);
    assert_eq!(console.state(1), "seeding");
    assert_eq!(console.state(2), "seeding");
    for name in ["a.bin", "b.bin", "sub/c.bin"] {
        let there = scratch.path().join("src/set").join(name);
        assert_same(&there, &folder.join("down/set").join(name));
    }
    let files = console.ask("FILES 2");
    assert_eq!(files[0], "2  set");
    assert_eq!(files[2], "    1  100%      100 kB  normal  set/b.bin");
    let pieces = console.ask("PIECES 2");
    assert!(pieces[2].starts_with("  6 of 6 are here"), "{pieces:?}");
    let trackers = console.ask("TRACKER 2");
    assert!(trackers[1].contains(&tracker.address.to_string()), "{trackers:?}");
    assert_eq!(console.ask("TRACKER 2 udp://127.0.0.1:9/announce"), [""; 0]);
    let added = |lines: &[String]| lines.iter().any(|line| line.contains("udp://127.0.0.1:9/"));
    assert!(added(&console.ask("TRACKER 2")));
    until("the catalogue has all three", SOON, || {
        let lines = console.ask("LIST");
        let has = |name: &str| lines.iter().any(|line| line.ends_with(name));
        (has("own file.bin") && has("set") && has("large.bin")).then_some(())
    });

    assert_eq!(console.ask("LIMIT 100 0"), [""; 0]);
    assert_eq!(console.ask("DOWNLOAD large.bin"), ["3  large.bin"]);
    until("the source is a peer", SOON, || {
        console.ask("PEERS 3").iter().any(|line| line.contains("it serves us")).then_some(())
    });
    assert_eq!(console.ask("PAUSE 3"), [""; 0]);
    until("it stands still", SOON, || (console.state(3) == "paused").then_some(()));
    until("nobody is left", SOON, || {
        (console.ask("PEERS 3") == ["3  large.bin", "  nobody is connected"]).then_some(())
    });
    assert_eq!(console.ask("LIMIT 0 0"), [""; 0]);
    assert_eq!(console.ask("LIMIT 3 8M 0"), [""; 0]);
    assert_eq!(console.ask("RESUME 3"), [""; 0]);
    until("it goes on", SOON, || (console.state(3) != "paused").then_some(()));
    assert_eq!(console.ask("WAIT 60s"), [""; 0]);
    assert_same(&scratch.path().join("src/large.bin"), &folder.join("down/large.bin"));

    assert_eq!(console.ask("VERIFY 3"), [""; 0]);
    console.process.wait_stderr("what is right", SOON, |said| {
        said.contains("large.bin: checked: 4/4 MB are right")
    });
    assert_eq!(console.ask("REMOVE 2 DATA"), [""; 0]);
    until("its files are gone", SOON, || (!folder.join("down/set").exists()).then_some(()));
    assert_eq!(console.ask("REMOVE 3"), [""; 0]);
    assert!(folder.join("down/large.bin").exists(), "only DATA deletes files");
    assert_eq!(console.ask("MAKETORRENT 'own file.bin' -q -o own.torrent"), [""; 0]);
    assert!(fs::read(folder.join("own.torrent")).unwrap().starts_with(b"d"));
    assert_eq!(console.ask("STATUS").len(), 2, "a heading and what is served");
    writeln!(console.stdin, "QUIT\nSTATUS").unwrap();
    console.process.expect_exit(0, SOON);
}

#[test]
fn files_are_wanted_and_skipped_by_their_numbers() {
    let _turn = together();
    let scratch = Scratch::new("console-want");
    let (tracker, _source) = swarm(&scratch);
    let folder = scratch.folder("console");
    let mut console = Console::start(&folder, &tracker);
    console.ask("LIMIT 20 0");
    console.ask("DOWNLOAD set");
    until("its files are known", SOON, || (console.ask("FILES 1").len() == 4).then_some(()));
    console.ask("SKIP 1 0,2");
    let words = |line: &str| line.split_whitespace().nth(4).map(str::to_owned);
    let files = console.ask("FILES 1");
    let wanted: Vec<_> = files[1..].iter().filter_map(|line| words(line)).collect();
    assert_eq!(wanted, ["skip", "normal", "skip"], "{files:?}");
    console.ask("WANT 1 2");
    console.ask("LIMIT 0 0");
    console.ask("WAIT 60s");
    assert!(folder.join("down/set/b.bin").exists() && folder.join("down/set/sub/c.bin").exists());
    assert!(!folder.join("down/set/a.bin").exists());
    console.ask("WANT 1 9");
    drop(console.stdin);
    console.process.expect_exit(1, SOON);
    assert!(console.process.stderr().contains("there is no file 9"));
}

/// A script through a pipe: its exit code, stdout and stderr.
fn check_script(input: &str, exit: i32, said: &str) -> Vec<String> {
    let scratch = Scratch::new("console-script");
    let words = ["console", "-p", "0", "--tracker", "127.0.0.1:1", "-w", "down"];
    let mut console = Process::start_with_input("console", PEER, &words, scratch.path(), input);
    console.expect_exit(exit, SOON);
    assert!(console.stderr().contains(said), "{input:?}: {}", console.stderr());
    assert_eq!(listing(scratch.path()), [""; 0], "{input:?}");
    console.plain()
}

#[test]
fn a_mistake_ends_no_script_and_the_first_one_is_its_exit_code() {
    let _turn = together();
    let help = "LIMIT [ID] DOWN UP        rates: 500 (kB/s), 500k, 2M, 0 for none";
    let advice = "peer: unknown command STATSU: did you mean STATUS?";
    assert_eq!(check_script("STATSU\nSTATUS 9\nHELP LIMIT\n", 2, advice), [help]);
    let none = "peer: there is no such torrent: STATUS lists them";
    assert_eq!(check_script("STATUS 9\nSTATSU\nQUIT\n", 4, none), [""; 0]);
    check_script("MAKETORRENT nowhere\n", 8, "nowhere");
    check_script("xyzzy\n", 2, "unknown command xyzzy: HELP lists the commands");
    check_script("DOWNLOAD 'a\n", 2, "the quote ' does not end");
    check_script("DOWNLOAD nobody-has-it\nWAIT 1s\n", 3, "nobody-has-it is not whole yet");
}

#[test]
fn the_end_of_the_input_ends_the_console() {
    let _turn = together();
    check_script("", 0, "peer listening on port");
    check_script("# nothing\n\nSTATUS", 0, "");
}

/// What a console at a terminal shows and how it ends, when these keys are typed once these texts
/// stand there. `None` without a Python.
fn at_terminal(folder: &Path, steps: &Value) -> Option<(i64, String)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/terminal.py");
    if Command::new("python3").arg("--version").output().is_err() {
        not_run("console at a terminal", "there is no python3");
        return None;
    }
    let steps = steps.to_string();
    let words = ["-B", script, &steps, PEER, "console", "-p", "0", "-t", "127.0.0.1:1"];
    let mut python = Process::start("terminal", "python3", &words, folder);
    python.expect_exit(0, Duration::from_secs(40));
    let missed = python.events_of("missed");
    assert!(missed.is_empty(), "{missed:?}");
    let ended = python.wait_for("ended", SOON);
    let seen = ended["seen"].as_str().expect("text").to_owned();
    Some((ended["exit"].as_i64().expect("a code"), seen))
}

#[test]
fn a_terminal_has_a_prompt_and_the_tab_key_completes_commands() {
    let _turn = together();
    let scratch = Scratch::new("console-tab");
    let steps = json!([["peer> ", "HE\tLIM\t\r"], ["for none", ""], ["peer> ", "\u{4}"]]);
    let Some((exit, seen)) = at_terminal(scratch.path(), &steps) else { return };
    assert_eq!(exit, 0, "{seen:?}");
    assert!(seen.contains("peer> HELP LIMIT "), "{seen:?}");
}

#[test]
fn the_tab_key_completes_paths_so_that_they_are_read_again() {
    let _turn = together();
    let scratch = Scratch::new("console-path");
    scratch.file("my file.bin", 70_000, 1);
    let steps = json!([["peer> ", "se\tmy\t\r"], ["serving", "QUIT\r"]]);
    let Some((exit, seen)) = at_terminal(scratch.path(), &steps) else { return };
    assert_eq!(exit, 0, "{seen:?}");
    assert!(seen.contains("1  my file.bin"), "{seen:?}");
}

#[test]
fn a_mistake_at_a_terminal_is_no_exit_code_and_ctrl_c_ends_it() {
    let _turn = together();
    let scratch = Scratch::new("console-keys");
    let steps = json!([["peer> ", "STATSU\r"], ["did you mean STATUS?", ""], ["peer> ", "\u{3}"]]);
    let Some((exit, seen)) = at_terminal(scratch.path(), &steps) else { return };
    assert_eq!(exit, 0, "{seen:?}");
}

#[test]
fn whoever_is_stopped_while_he_waits_says_that_something_is_missing() {
    let _turn = together();
    let scratch = Scratch::new("console-wait");
    let tracker = quick_tracker();
    let mut console = Console::start(scratch.path(), &tracker);
    writeln!(console.stdin, "DOWNLOAD nobody-has-it\nWAIT").unwrap();
    console.process.wait_plain(0, SOON, |lines| lines == ["1  nobody-has-it"]);
    console.process.stop(7);
}
