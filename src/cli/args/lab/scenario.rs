//! The flags of the commands that read a scenario: `lab run`, `check`, `theory`, `compare`.

use super::super::super::units::{AtLeastOne, Expected};
use crate::lab::setting::Backend;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;
use std::str::FromStr;

/// A change to a scenario: `peer.choker=random`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is changed.
    pub path: String,
    /// To what.
    pub value: String,
}

impl FromStr for Change {
    type Err = Expected;
    fn from_str(text: &str) -> Result<Self, Expected> {
        let split = text.split_once('=').filter(|(path, _)| !path.trim().is_empty());
        let (path, value) = split.ok_or(Expected("KEY=VALUE, as in peer.choker=random"))?;
        Ok(Self { path: path.trim().to_owned(), value: value.trim().to_owned() })
    }
}

/// Changes as the scenario's reader takes them.
pub fn pairs(changes: &[Change]) -> Vec<(String, String)> {
    changes.iter().map(|change| (change.path.clone(), change.value.clone())).collect()
}

/// Run a scenario, and hold what comes of it against what it expects.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(
    help_triggers("--help"),
    example = "{command_name} experiments/e01-kurose-ross/scenario.toml --backend sim"
)]
pub struct RunArgs {
    /// the scenario, a TOML file
    #[argh(positional)]
    pub file: PathBuf,

    /// who runs it: theory, sim, proc or net; may be given again (theory and sim)
    #[argh(option, arg_name = "backend")]
    pub backend: Vec<Backend>,

    /// how many seeds: 1, 2, .. n (those of the scenario)
    #[argh(option, arg_name = "n")]
    pub seeds: Option<AtLeastOne>,

    /// a new or empty folder for everything that comes of it (run/NAME/TIME)
    #[argh(option, arg_name = "dir")]
    pub out: Option<PathBuf>,

    /// change a value: peer.choker=random, link.rtt=20ms, sweep.N=[1,2]; may be given again
    #[argh(option, arg_name = "key=value")]
    pub set: Vec<Change>,

    /// how many simulated runs go on at a time, which changes nothing of them (one a core)
    #[argh(option, arg_name = "n")]
    pub jobs: Option<AtLeastOne>,

    /// write every message and decision of the first run to events.jsonl
    #[argh(switch)]
    pub trace: bool,

    /// say nothing but errors
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

/// Say what a scenario asks of this machine, and what this machine cannot do honestly.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(
    help_triggers("--help"),
    example = "{command_name} experiments/e01-kurose-ross/scenario.toml"
)]
pub struct CheckArgs {
    /// the scenario, a TOML file
    #[argh(positional)]
    pub file: PathBuf,

    /// change a value: peer.choker=random, link.rtt=20ms, sweep.N=[1,2]; may be given again
    #[argh(option, arg_name = "key=value")]
    pub set: Vec<Change>,
}

/// Print what the books say of a scenario, at each point.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(
    help_triggers("--help"),
    example = "{command_name} experiments/e01-kurose-ross/scenario.toml"
)]
pub struct TheoryArgs {
    /// the scenario, a TOML file
    #[argh(positional)]
    pub file: PathBuf,

    /// change a value: peer.choker=random, link.rtt=20ms, sweep.N=[1,2]; may be given again
    #[argh(option, arg_name = "key=value")]
    pub set: Vec<Change>,

    /// print JSON: a list of points
    #[argh(switch)]
    pub json: bool,
}

/// Run a scenario as it is and changed, over the same seeds, and say what the change does.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(
    help_triggers("--help"),
    example = "{command_name} base.toml --set peer.choker=random --seeds 10"
)]
pub struct CompareArgs {
    /// the scenario, a TOML file
    #[argh(positional)]
    pub file: PathBuf,

    /// the change: peer.choker=random, link.rtt=20ms; may be given again
    #[argh(option, arg_name = "key=value")]
    pub set: Vec<Change>,

    /// how many seeds: 1, 2, .. n (those of the scenario)
    #[argh(option, arg_name = "n")]
    pub seeds: Option<AtLeastOne>,

    /// who runs both: sim, proc or net (sim)
    #[argh(option, arg_name = "backend")]
    pub backend: Option<Backend>,

    /// what is compared, a measure or an expression (mean)
    #[argh(option, arg_name = "measure")]
    pub metric: Option<String>,

    /// a new or empty folder for the figure and the tables (run/NAME/TIME)
    #[argh(option, arg_name = "dir")]
    pub out: Option<PathBuf>,

    /// how many simulated runs go on at a time, which changes nothing of them (one a core)
    #[argh(option, arg_name = "n")]
    pub jobs: Option<AtLeastOne>,

    /// say nothing but the result and errors
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use super::super::super::{LabCommand, Parsed, lab};
    use super::*;

    fn parse(line: &str) -> Result<LabCommand, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match lab(&words) {
            Ok(Parsed::Command(command)) => Ok(command),
            Ok(Parsed::Text(text)) => panic!("{line}: {text}"),
            Err(error) => Err(error.message),
        }
    }

    #[test]
    fn every_flag_of_a_run_reaches_its_setting() {
        let line = "run x.toml --backend sim --backend proc --seeds 3 --out here --set a.b=c=d \
                    --set seeds=2 --jobs 2 --trace -q";
        let Ok(LabCommand::Run(args)) = parse(line) else { panic!("{line}") };
        assert_eq!(args.file, PathBuf::from("x.toml"));
        assert_eq!(args.backend, [Backend::Sim, Backend::Proc]);
        assert_eq!((args.seeds, args.jobs), (Some(AtLeastOne(3)), Some(AtLeastOne(2))));
        assert_eq!((args.out, args.trace, args.quiet), (Some("here".into()), true, true));
        let expected = [("a.b", "c=d"), ("seeds", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(pairs(&args.set), expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |line: &str, expected: &str| {
            assert_eq!(parse(line).expect_err(line), expected, "{line}");
        };
        check(
            "run x.toml --backend simm",
            r#"--backend "simm" makes no sense: expected theory, sim, proc or net"#,
        );
        check(
            "run x.toml --set choker",
            r#"--set "choker" makes no sense: expected KEY=VALUE, as in peer.choker=random"#,
        );
        assert!(parse("run").is_err());
    }
}
