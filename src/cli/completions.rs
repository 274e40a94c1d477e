//! `peer completions SHELL`: a script that completes commands, flags and their values.
//!
//! ```text
//! vocabulary -> bash | zsh | fish | nushell     a function of the tree, text out
//! ```
//! The crate `argh_complete` would make such scripts from argh's tables, but it knows flags and
//! commands only: behind a flag that takes a value it offers nothing, neither files nor one of a
//! few words; it takes any word that reads like a command for one (`peer --seed create`); and the
//! words of `--seed a b` are unknown to it. So these are made here.

/// For bash 3.2 and later.
pub mod bash;

/// For zsh 5.
pub mod zsh;

/// For fish 3.
pub mod fish;

/// For nushell.
pub mod nushell;

use super::args::CompletionsArgs;
use super::env::Env;
use super::exit::CliError;
use super::units::Expected;
use super::vocabulary::{self, Command};
use std::str::FromStr;

/// A shell that scripts are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// The usual one.
    Bash,
    /// That of macOS.
    Zsh,
    /// The friendly one.
    Fish,
    /// The one with tables.
    Nushell,
}

impl Shell {
    /// All of them, as help lists them.
    pub const ALL: [Self; 4] = [Self::Bash, Self::Zsh, Self::Fish, Self::Nushell];

    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Nushell => "nushell",
        }
    }

    /// The script for a program.
    pub fn script(self, program: &Command) -> String {
        match self {
            Self::Bash => bash::script(program),
            Self::Zsh => zsh::script(program),
            Self::Fish => fish::script(program),
            Self::Nushell => nushell::script(program),
        }
    }
}

impl FromStr for Shell {
    type Err = Expected;

    fn from_str(name: &str) -> Result<Self, Expected> {
        let found = Self::ALL.into_iter().find(|shell| shell.name() == name);
        found.ok_or(Expected("bash, zsh, fish or nushell"))
    }
}

/// Prints the script of a program.
pub fn print(program: &str, args: &CompletionsArgs, env: &Env) -> Result<(), CliError> {
    super::print(env, &args.shell.script(&vocabulary::of(program).with_help()))
}

/// A text in single quotes, between which bash and zsh take everything as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A small program for the tests of all shells.
#[cfg(test)]
fn toy() -> Command {
    use super::argv::Takes;
    use super::vocabulary::{Flag, Positional, Value};
    let flag = |long, short, takes, arg: &str, value, about| Flag {
        long,
        short,
        takes,
        repeats: matches!(takes, Takes::Words | Takes::Values),
        arg: arg.into(),
        value,
        about,
    };
    let choices = Value::OneOf(vec!["quick", "slow"]);
    let file = Positional {
        name: "FILE".into(),
        optional: false,
        repeats: false,
        value: Value::Torrent,
        about: "the .torrent",
    };
    let show = Command {
        words: vec!["toy", "show"],
        about: "Say what's in it.",
        flags: vec![flag("--json", None, Takes::Nothing, "", Value::Anything, "one [JSON] object")],
        positionals: vec![file],
        examples: Vec::new(),
        commands: Vec::new(),
    };
    Command {
        words: vec!["toy"],
        about: "Play.",
        flags: vec![
            flag("--seed", None, Takes::Words, "PATH", Value::Path, "what to share: a path"),
            flag("--dir", Some('w'), Takes::Value, "DIR", Value::Folder, "where"),
            flag("--how", None, Takes::Value, "HOW", choices, "quick or slow"),
            flag("--port", Some('p'), Takes::Value, "N", Value::Anything, "a port"),
        ],
        positionals: Vec::new(),
        examples: Vec::new(),
        commands: vec![show],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_found_by_its_name() {
        for shell in Shell::ALL {
            assert_eq!(shell.name().parse(), Ok(shell));
        }
        assert!("tcsh".parse::<Shell>().is_err());
        assert_eq!(Shell::ALL.map(Shell::name), ["bash", "zsh", "fish", "nushell"]);
    }

    #[test]
    fn every_script_names_every_flag_and_every_command() {
        for program in ["peer", "tracker", "lab"].map(vocabulary::of) {
            for shell in Shell::ALL {
                let script = shell.script(&program.clone().with_help());
                for command in program.and_all_below() {
                    assert!(script.contains(command.word()), "{shell:?}: {}", command.line());
                    for flag in &command.flags {
                        let bare = flag.long.trim_start_matches('-');
                        assert!(script.contains(bare), "{shell:?}: {}", flag.long);
                    }
                }
            }
        }
    }

    #[test]
    fn quotes_and_backslashes_stay_what_they_are() {
        assert_eq!(quoted("it's a \\"), r"'it'\''s a \'");
    }
}
