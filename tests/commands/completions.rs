//! Completion scripts in the shells that they are made for.
//!
//! bash is there wherever the tests run; zsh, fish and nushell are asked when they are installed,
//! and said to be missing when not. `scripts/check-shell.sh` installs them.

use crate::harness::not_run;
use crate::harness::scratch::Scratch;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use swarmlet::cli::completions::Shell;
use swarmlet::cli::vocabulary;

/// The script of a program in a file.
fn script(scratch: &Scratch, shell: Shell, program: &str) -> PathBuf {
    let tree = vocabulary::of(program);
    let path = scratch.at(&format!("{program}.{}", shell.name()));
    std::fs::write(&path, shell.script(&tree.with_help())).expect("room for a script");
    path
}

fn run(command: &mut Command) -> Option<Output> {
    match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        output => Some(output.expect("a shell")),
    }
}

/// What a shell prints; it must be content with its script.
fn said(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A folder with a .torrent, another file and a folder in it.
fn folder(scratch: &Scratch) -> PathBuf {
    scratch.file("in/a film.torrent", 1, 1);
    scratch.file("in/big.zip", 1, 1);
    scratch.folder("in/music");
    scratch.folder("in")
}

/// What bash offers for a line whose words are parted by `|`; the last word is at the cursor.
fn bash(script: &Path, folder: &Path, line: &str) -> Vec<String> {
    let words: Vec<String> = line.split('|').map(|word| format!("'{word}'")).collect();
    let program = line.split('|').next().expect("a program");
    let code = format!(
        "source '{}'; COMP_WORDS=({}); COMP_CWORD={}; _{program}; \
         ((${{#COMPREPLY[@]}})) && printf '%s\\n' \"${{COMPREPLY[@]}}\"; true",
        script.display(),
        words.join(" "),
        words.len() - 1
    );
    let mut command = Command::new("bash");
    command.args(["--norc", "--noprofile", "-c", &code]).current_dir(folder).env("LC_ALL", "C");
    let output = run(&mut command).expect("bash is there");
    let mut offered: Vec<String> = said(&output).lines().map(str::to_owned).collect();
    offered.sort();
    offered
}

#[test]
fn bash_offers_what_may_stand_at_the_cursor() {
    let scratch = Scratch::new("bash");
    let peer = script(&scratch, Shell::Bash, "peer");
    let folder = folder(&scratch);
    let check = |line: &str, expected: &[&str]| {
        assert_eq!(bash(&peer, &folder, line), expected, "{line}");
    };
    check("peer|--le", &["--leech"]);
    check("peer|cr", &["create"]);
    check("peer|help|cr", &["create"]);
    check("peer|man|peer-cr", &["peer-create"]);
    check("peer|completions|", &["bash", "fish", "nushell", "zsh"]);
    // Fixed choices, with their flag before them in each of its forms.
    check("peer|--picker|r", &["random", "rarest"]);
    check("peer|--picker|=|r", &["random", "rarest"]);
    check("peer|--picker|=", &["random", "rarest", "sequential"]);
    check("peer|--picker=s", &["--picker=sequential"]);
    check("peer|--seed|x|--io|", &["mmap", "pread"]);
    // Files, folders, .torrents.
    check("peer|-w|", &["music"]);
    check("peer|--download-dir|=|mu", &["music"]);
    check("peer|show|", &["a film.torrent", "music"]);
    check("peer|create|", &["a film.torrent", "big.zip", "music"]);
    check("peer|create|-o|b", &["big.zip"]);
    check("peer|create|--|b", &["big.zip"]);
    check("peer|--logfile|b", &["big.zip"]);
    // A list goes on up to the next flag, whatever its words are.
    check("peer|--seed|create|b", &["big.zip"]);
    check("peer|--leech|x|y|a", &["a film.torrent"]);
    check("peer|--seed|x|--pic", &["--picker"]);
    // A number, an address, a word that nobody can guess.
    check("peer|--port|", &[]);
    check("peer|--tracker|localhost|:|6", &[]);
    check("peer|--json|cr", &[]);
    check("peer|nonsense|", &[]);
}

#[test]
fn bash_knows_the_flags_of_each_command() {
    let scratch = Scratch::new("flags");
    let folder = folder(&scratch);
    for program in ["peer", "tracker", "lab"] {
        let tree = vocabulary::of(program);
        let file = script(&scratch, Shell::Bash, program);
        for command in tree.and_all_below() {
            let mut expected: Vec<_> = command.flags.iter().map(|flag| flag.long).collect();
            expected.sort_unstable();
            let line = format!("{}|--", command.words.join("|"));
            assert_eq!(bash(&file, &folder, &line), expected, "{line}");
        }
    }
}

#[test]
fn every_shell_that_is_there_reads_its_script() {
    let scratch = Scratch::new("syntax");
    for program in ["peer", "tracker", "lab"] {
        for (shell, flag) in [(Shell::Bash, "-n"), (Shell::Zsh, "-n"), (Shell::Fish, "-n")] {
            let file = script(&scratch, shell, program);
            match run(Command::new(shell.name()).arg(flag).arg(&file)) {
                Some(output) => assert_eq!(said(&output), "", "{shell:?}"),
                None => not_run("the syntax of a script", shell.name()),
            }
        }
        let file = script(&scratch, Shell::Nushell, program);
        let line = format!("source '{}'; scope externs | length", file.display());
        match run(Command::new("nu").args(["--no-config-file", "-c", &line])) {
            Some(output) => assert!(said(&output).trim() != "0", "nushell knows no command"),
            None => not_run("the syntax of a script", "nu"),
        }
    }
}

/// What fish offers, without the descriptions.
fn fish(script: &Path, folder: &Path, line: &str) -> Option<Vec<String>> {
    let code = format!("source '{}'; complete -C '{line}'", script.display());
    let mut command = Command::new("fish");
    command.args(["--no-config", "-c", &code]).current_dir(folder).env("HOME", folder);
    let text = said(&run(&mut command)?);
    let word = |row: &str| row.split('\t').next().unwrap_or_default().to_owned();
    Some(text.lines().map(word).collect())
}

#[test]
fn fish_offers_what_may_stand_at_the_cursor() {
    let scratch = Scratch::new("fish");
    let peer = script(&scratch, Shell::Fish, "peer");
    let folder = folder(&scratch);
    let check = |line: &str, expected: &[&str]| match fish(&peer, &folder, line) {
        Some(offered) => assert_eq!(offered, expected, "{line}"),
        None => not_run(line, "fish"),
    };
    check("peer --le", &["--leech"]);
    check("peer cr", &["create"]);
    check("peer create --v1 --ver", &["--version"]);
    check("peer --picker r", &["random", "rarest"]);
    check("peer --picker=s", &["--picker=sequential"]);
    check("peer -w mu", &["music/"]);
    check("peer create --out", &["--output"]);
    check("peer create b", &["big.zip"]);
    check("peer --seed create b", &["big.zip"]);
    check("peer --json cr", &[]);
    check("peer completions f", &["fish"]);
}
