//! The programs as people meet them: what they print, where, and how they end.
//!
//! These run the real binaries; what can be tested with values is tested beside the code.

use std::path::Path;
use std::process::{Command, Output};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const TRACKER: &str = env!("CARGO_BIN_EXE_tracker");
const LAB: &str = env!("CARGO_BIN_EXE_lab");

fn run(program: &str, line: &str) -> Output {
    Command::new(program)
        .args(line.split_whitespace())
        .env_remove("RUST_LOG")
        .output()
        .expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("programs print UTF-8")
}

fn check(program: &str, line: &str, exit: i32, stdout: &str, stderr: &str) {
    let output = run(program, line);
    assert_eq!(text(&output.stderr), stderr, "{line}");
    assert_eq!(text(&output.stdout), stdout, "{line}");
    assert_eq!(output.status.code(), Some(exit), "{line}");
}

#[test]
fn help_fits_a_small_terminal_and_goes_to_stdout() {
    for program in [PEER, TRACKER, LAB] {
        for flag in ["-h", "--help"] {
            let output = run(program, flag);
            assert_eq!(output.status.code(), Some(0));
            assert!(output.stderr.is_empty());
            let lines = text(&output.stdout).lines().count();
            assert!((3..=24).contains(&lines), "{program} {flag}: {lines} lines");
        }
    }
}

#[test]
fn every_program_knows_its_version() {
    let version = env!("CARGO_PKG_VERSION");
    check(PEER, "-V", 0, &format!("peer {version} (swarmlet)\n"), "");
    check(TRACKER, "--version", 0, &format!("tracker {version} (swarmlet)\n"), "");
    check(LAB, "-V", 0, &format!("lab {version} (swarmlet)\n"), "");
}

#[test]
fn a_mistake_on_the_command_line_exits_with_2_and_says_what_was_meant() {
    let cases = [
        (PEER, "--leach x", "peer: unknown flag --leach: did you mean --leech?\n"),
        (
            PEER,
            "--seed",
            "peer: --seed needs a value: write --seed=VALUE if the value starts with a dash\n",
        ),
        (PEER, "shwo x", "peer: unknown command shwo: did you mean peer show?\n"),
        (
            PEER,
            "--leech x -p=70000",
            "peer: --port \"70000\" makes no sense: expected a port from 1 to 65535, or 0 for any\n",
        ),
        (
            PEER,
            "--leech x --dashboard",
            "peer: --dashboard is the tracker's, which shows whole swarms: a peer's own page is opened \
             with --web\n",
        ),
        (TRACKER, "--lisen 1", "tracker: unknown flag --lisen: did you mean --listen?\n"),
        (TRACKER, "-qv", "tracker: -q and -v exclude each other: give one, or --logfile\n"),
    ];
    for (program, line, stderr) in cases {
        check(program, line, 2, "", stderr);
    }
}

#[test]
fn under_json_an_error_is_one_line_on_stdout_too() {
    let output = run(PEER, "--leech x --json --bogus");
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    let event: serde_json::Value = serde_json::from_str(line).expect("one JSON object");
    assert_eq!(event["event"], "error");
    assert_eq!(event["exit"], 2);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    use std::process::Stdio;
    let mut child = Command::new(PEER)
        .args(["help", "all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends by itself");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn the_readme_is_short_and_names_only_what_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    assert!(readme.lines().count() <= 150, "README.md is longer than 150 lines");
    let scripts = readme.split('`').skip(1).step_by(2).filter_map(|code| {
        let word = code.split_whitespace().find(|word| word.starts_with("scripts/"))?;
        Some(word.trim_end_matches('/').to_string())
    });
    for script in scripts {
        assert!(root.join(&script).exists(), "{script}");
    }
}

#[test]
fn the_readme_lists_every_exit_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    for exit in swarmlet::cli::exit::Exit::ALL {
        assert!(readme.contains(&format!("\n| {} | ", exit.code())), "{exit:?}");
    }
}
