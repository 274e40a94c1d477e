//! `peer completions`, `peer man`: what helps a shell and its user; the same words for `tracker`.

use super::super::completions::Shell;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;

/// Print a script that completes commands, flags and their values in a shell.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "eval \"$({command_name} bash)\"")]
pub struct CompletionsArgs {
    /// bash, zsh, fish or nushell
    #[argh(positional)]
    pub shell: Shell,
}

/// Print a manual page, or write all of them into a folder.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "{command_name} | man -l -")]
pub struct ManArgs {
    /// which page, such as create or tracker-dig (the program's own)
    #[argh(positional)]
    pub page: Option<String>,

    /// write all pages into this folder, or the one that is named
    #[argh(option, arg_name = "dir")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, PeerCommand, TrackerCommand, peer, tracker};
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn both_programs_know_both_commands() {
        let bash = || CompletionsArgs { shell: Shell::Bash };
        let man = || ManArgs { page: Some("create".into()), dir: Some("out".into()) };
        let line = words("completions bash");
        assert_eq!(peer(&line), Ok(Parsed::Command(PeerCommand::Completions(bash()))));
        assert_eq!(tracker(&line), Ok(Parsed::Command(TrackerCommand::Completions(bash()))));
        let line = words("man create --dir=out");
        assert_eq!(peer(&line), Ok(Parsed::Command(PeerCommand::Man(man()))));
        assert_eq!(tracker(&line), Ok(Parsed::Command(TrackerCommand::Man(man()))));
    }

    #[test]
    fn a_shell_that_is_not_known_gets_the_list_of_those_that_are() {
        let refused = |line| peer(&words(line)).expect_err("refused").message;
        assert_eq!(
            refused("completions tcsh"),
            r#"SHELL "tcsh" makes no sense: expected bash, zsh, fish or nushell"#
        );
        assert_eq!(
            refused("completions"),
            "peer completions needs SHELL: peer completions --help shows an example"
        );
    }
}
