//! The flags of `lab quiz`.

use super::super::super::exit::CliError;
use super::super::super::units::{AtLeastOne, Expected};
use crate::lab::quiz::seed_of;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;
use std::str::FromStr;

/// Ask about the theory of distributing files, with numbers of one's own. At a terminal it asks
/// and listens; otherwise it prints a sheet. An answer within 0.5 % of the right one is right.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq, Default)]
#[argh(help_triggers("--help"), example = "{command_name} --student ab123 --answers")]
pub struct QuizArgs {
    /// which numbers the questions have (1)
    #[argh(option, arg_name = "n")]
    pub seed: Option<u64>,

    /// numbers for the student with this id; the id decides the seed
    #[argh(option, arg_name = "id")]
    pub student: Option<String>,

    /// how many questions, up to 1000 (10)
    #[argh(option, arg_name = "n")]
    pub count: Option<AtLeastOne>,

    /// print the answers too, with formulas and how one gets there
    #[argh(switch)]
    pub answers: bool,

    /// mark a file of answers, one a line, ? for none; - for stdin; a wrong one exits with 1
    #[argh(option, arg_name = "file")]
    pub check: Option<PathBuf>,

    /// print the textbook's tables instead
    #[argh(switch)]
    pub tables: bool,

    /// how it is written: text, markdown or json (text)
    #[argh(option, arg_name = "how")]
    pub format: Option<Format>,
}

/// How a sheet is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// For a handout.
    Markdown,
    /// For programs.
    Json,
}

impl FromStr for Format {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text {
            "text" => Ok(Self::Text),
            "markdown" => Ok(Self::Markdown),
            "json" => Ok(Self::Json),
            _ => Err(Expected("text, markdown or json")),
        }
    }
}

/// More questions than anybody answers.
const MOST_QUESTIONS: usize = 1000;

impl QuizArgs {
    pub(in super::super) fn check(&self) -> Result<(), CliError> {
        let refused = if self.seed.is_some() && self.student.is_some() {
            "--student and --seed exclude each other: the id decides the seed".to_owned()
        } else if self.count() > MOST_QUESTIONS {
            format!("--count {} is too many: expected at most {MOST_QUESTIONS}", self.count())
        } else if self.tables && (self.answers || self.check.is_some()) {
            "--tables prints the textbook's tables: leave --answers and --check out".to_owned()
        } else if self.check.is_some() && self.format == Some(Format::Markdown) {
            "--check is written as text or json: leave --format markdown out".to_owned()
        } else {
            return Ok(());
        };
        Err(CliError::usage(refused))
    }

    /// How many questions.
    pub fn count(&self) -> usize {
        self.count.map_or(10, |AtLeastOne(count)| count)
    }

    /// What decides the numbers.
    pub fn seed(&self) -> u64 {
        self.student.as_deref().map_or(self.seed.unwrap_or(1), seed_of)
    }

    /// Whether nothing but the numbers was said, so that a terminal can be asked.
    pub fn may_ask(&self) -> bool {
        !self.answers && !self.tables && self.check.is_none() && self.format.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{LabCommand, Parsed, lab};
    use super::*;

    fn parse(line: &str) -> Result<Parsed<LabCommand>, CliError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        lab(&words)
    }

    fn quiz(line: &str) -> QuizArgs {
        match parse(line) {
            Ok(Parsed::Command(LabCommand::Quiz(args))) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let args = quiz("quiz");
        assert_eq!((args.seed(), args.count(), args.may_ask()), (1, 10, true));
        let args = quiz("quiz --seed 7 --count 3 --answers --format json");
        assert_eq!((args.seed(), args.count(), args.answers), (7, 3, true));
        assert_eq!((args.format, args.may_ask()), (Some(Format::Json), false));
        assert_eq!(quiz("quiz --student ab123").seed(), seed_of("ab123"));
        assert_eq!(quiz("quiz --check -").check, Some("-".into()));
        assert!(quiz("quiz --tables").tables);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |line: &str, expected: &str| {
            assert_eq!(parse(line).expect_err(line).message, expected, "{line}");
        };
        check(
            "quiz --seed 1 --student x",
            "--student and --seed exclude each other: the id decides the seed",
        );
        check("quiz --count 1001", "--count 1001 is too many: expected at most 1000");
        check(
            "quiz --tables --answers",
            "--tables prints the textbook's tables: leave --answers and --check out",
        );
        check(
            "quiz --check a --format markdown",
            "--check is written as text or json: leave --format markdown out",
        );
        check(
            "quiz --format html",
            r#"--format "html" makes no sense: expected text, markdown or json"#,
        );
        check("quiz --seed 1 --seed 2", "--seed is given twice: once is enough");
    }
}
