//! Every exit code of the command line, with the real programs: here, or by the test that is named.

use crate::harness::process::Process;
use crate::harness::programs::{LAB, PEER, TRACKER, create, tracker};
use crate::harness::scratch::{Scratch, flip};
use crate::harness::{SOON, not_run};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use swarmlet::cli::exit::Exit;

/// Which test shows a code.
enum Shown {
    /// A function of this file.
    Here(fn(&Scratch)),
    /// A test of another file.
    By(&'static str, &'static str),
}

use Shown::{By, Here};

const TABLE: [(Exit, Shown); 11] = [
    (Exit::Done, Here(done)),
    (Exit::Failed, Here(anything_else)),
    (Exit::Usage, Here(usage)),
    (Exit::NoAnswer, Here(no_answer)),
    (Exit::NotFound, By("acceptance/files", "an_unknown_name_ends_with_4_within_the_timeout")),
    (Exit::BadData, Here(bad_data)),
    (Exit::BadTorrent, Here(bad_torrent)),
    (Exit::Stopped, By("acceptance/files", "a_stop_is_quick_though_the_tracker_is_a_black_hole")),
    (Exit::Disk, Here(disk)),
    (Exit::PortInUse, Here(port_in_use)),
    (Exit::Interrupted, By("acceptance/files", "a_second_interrupt_ends_at_once_with_130")),
];

/// Runs a program to its end; what went wrong must be one line on stderr.
fn check(program: &str, args: &[&str], folder: &Path, exit: Exit) {
    let mut process = Process::start("program", program, args, folder);
    process.expect_exit(i32::from(exit.code()), SOON);
    let said = process.stderr();
    assert!(exit == Exit::Done || said.lines().count() == 1, "{args:?}: {said}");
}

fn done(scratch: &Scratch) {
    for program in [PEER, TRACKER, LAB] {
        check(program, &["--version"], scratch.path(), Exit::Done);
        check(program, &["man"], scratch.path(), Exit::Done);
    }
}

/// An address that is kept for documentation (RFC 5737) is none of this machine.
fn anything_else(scratch: &Scratch) {
    check(TRACKER, &["--listen", "192.0.2.1:0"], scratch.path(), Exit::Failed);
}

fn usage(scratch: &Scratch) {
    let lines: [&[&str]; 6] =
        [&[], &["--sed", "x"], &["shwo"], &["completions", "tcsh"], &["man", "no-such"], &["show"]];
    for line in lines {
        check(PEER, line, scratch.path(), Exit::Usage);
    }
    check(TRACKER, &["dig"], scratch.path(), Exit::Usage);
    check(LAB, &["demo", "--size", "0"], scratch.path(), Exit::Usage);
}

fn no_answer(scratch: &Scratch) {
    let mut gone = tracker("");
    gone.stop(0);
    let address = gone.address.to_string();
    let args = ["list", "--tracker", &address, "--timeout", "500ms"];
    check(PEER, &args, scratch.path(), Exit::NoAnswer);
}

fn bad_data(scratch: &Scratch) {
    let file = scratch.file("film.bin", 100_000, 1);
    let torrent = scratch.at("film.bin.torrent");
    create(&file, &torrent, "");
    flip(&file, 50_000);
    // Beside a .torrent in the current folder: the path to both has no letters.
    check(PEER, &["verify", "film.bin.torrent"], scratch.path(), Exit::BadData);
}

fn bad_torrent(scratch: &Scratch) {
    scratch.file("garbage.torrent", 100, 1);
    check(PEER, &["show", "garbage.torrent"], scratch.path(), Exit::BadTorrent);
}

fn disk(scratch: &Scratch) {
    check(PEER, &["show", "missing.torrent"], scratch.path(), Exit::Disk);
    // Where a folder is to be, there is a file.
    scratch.file("taken", 1, 1);
    check(PEER, &["man", "--dir", "taken"], scratch.path(), Exit::Disk);
    if Path::new("/dev/full").exists() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let mut command = std::process::Command::new(PEER);
        let status = command.args(["completions", "bash"]).stdout(full).status().expect("it runs");
        assert_eq!(status.code(), Some(i32::from(Exit::Disk.code())));
    } else {
        not_run("a full stdout", "no /dev/full");
    }
}

fn port_in_use(scratch: &Scratch) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it has one").to_string();
    check(TRACKER, &["--listen", &address], scratch.path(), Exit::PortInUse);
    check(LAB, &["demo", "--listen", &address], scratch.path(), Exit::PortInUse);
}

#[test]
fn every_exit_code_is_shown_by_a_test() {
    assert_eq!(TABLE.each_ref().map(|(exit, _)| *exit), Exit::ALL);
    for (exit, shown) in &TABLE {
        let By(file, test) = shown else { continue };
        let path = format!("{}/tests/{file}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = fs::read_to_string(&path).expect(&path);
        let (_, body) = source.split_once(&format!("fn {test}() {{")).expect(test);
        let body = body.split("\n}\n").next().expect("it ends");
        let code = exit.code().to_string();
        let is_code = |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|n| n == code);
        let ends = ["exit", "stop(", "code"];
        let checked = body.lines().any(|l| ends.iter().any(|end| l.contains(end)) && is_code(l));
        assert!(checked, "{test} checks no exit code {code}");
        assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "{test} is no test");
    }
}

#[test]
fn each_mistake_ends_with_its_code() {
    for (exit, shown) in TABLE {
        if let Here(show) = shown {
            show(&Scratch::new(&format!("exit-{}", exit.code())));
        }
    }
}
