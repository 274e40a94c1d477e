//! `lab grade`: a submission is asked questions over the wire, and its answers are added up.
//!
//! ```text
//! rubric, paper --> leeching: a tracker and seeders of ours, the submission fetches   \
//!               --> seeding:  a tracker of ours, the submission serves, we call        --> report
//! ```
//! Each question has a process of its own in a folder of its own, which is ended with everything it
//! started. What is right and wrong is decided in [`crate::lab::grade`].

/// Calls to the submission.
mod caller;

/// One connection, and what is said on it.
mod link;

/// Questions in which the submission fetches.
mod leeching;

/// What is printed.
mod report;

/// Callers who break the rules.
mod rude;

/// The grader's seeders.
mod seeders;

/// Questions in which the submission serves.
mod seeding;

/// The process that is graded.
mod submission;

/// The grader's tracker.
mod tracker;

use super::super::args::GradeArgs;
use super::super::env::Env;
use super::super::exit::{CliError, Exit};
use super::super::{print, signals, style};
use super::folder::Folder;
use crate::lab::grade::check::{CHECKS, Fault, Verdict};
use crate::lab::grade::paper::Paper;
use crate::lab::rubric::{Rubric, RubricError};
use crate::nearest::nearest;
use crossbeam_channel::Receiver;
use signals::Stop;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use submission::{Running, Template};

/// The rubrics that ship, by the names that `--rubric` takes.
const RUBRICS: [(&str, &str); 3] = [
    ("generic", include_str!("../../../rubrics/generic.toml")),
    ("uct", include_str!("../../../rubrics/uct.toml")),
    ("hcmut", include_str!("../../../rubrics/hcmut.toml")),
];

/// How often a running question is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What the questions have in common.
struct Exam<'a> {
    env: &'a Env,
    quiet: bool,
    paper: Paper,
    template: Template,
    folder: PathBuf,
    /// How long a question may take.
    patience: Duration,
    running: Running,
    signals: Receiver<Stop>,
}

impl Exam<'_> {
    /// A folder for one question.
    fn folder(&self, question: &str) -> Result<PathBuf, CliError> {
        let path = self.folder.join(question);
        std::fs::create_dir_all(&path)
            .map_err(|why| CliError::disk("make", &path, &why, "is the disk full?"))?;
        Ok(path)
    }

    /// Says which question comes.
    fn say(&self, text: &str) {
        if !self.quiet {
            // A closed stderr stops no grading.
            let _ = self.env.screen.line(&format!("lab: {}", style::printable(text)));
        }
    }

    /// Whether somebody wants to stop.
    fn go_on(&self) -> Result<(), CliError> {
        match self.signals.try_recv() {
            Ok(Stop) => Err(stopped()),
            Err(_) => Ok(()),
        }
    }

    /// Waits a moment, or until somebody wants to stop.
    fn pause(&self) -> Result<(), CliError> {
        match self.signals.recv_timeout(LOOK) {
            Ok(Stop) => Err(stopped()),
            Err(_) => Ok(()),
        }
    }
}

/// Grades a submission; an error with code 1 if something failed.
pub fn grade(args: &GradeArgs, env: &Env) -> Result<(), CliError> {
    let rubric = rubric(args.rubric.as_deref().unwrap_or("generic"))?;
    let template = Template::new(&args.exec, args.exec_seed.as_deref())?;
    let kept = args
        .keep
        .then(|| std::env::temp_dir().join(format!("swarmlet-grade-{}", std::process::id())));
    let folder = Folder::open(kept.as_deref())?;
    let running = Running::default();
    let last_deed = {
        let (running, path, is_kept) =
            (running.clone(), folder.path().to_owned(), folder.is_kept());
        move || {
            running.end();
            if !is_kept {
                let _ = std::fs::remove_dir_all(&path);
            }
        }
    };
    let signals = signals::watch_also_hangup(signals::PATIENCE, last_deed)
        .map_err(|why| failed("cannot watch for signals", &why))?;
    let student = args.student.clone().unwrap_or_else(|| "nobody".into());
    let exam = Exam {
        env,
        quiet: args.quiet,
        paper: Paper::new(&student),
        template,
        folder: folder.path().to_owned(),
        patience: args.patience(),
        running,
        signals,
    };
    let verdicts = questions(&exam)?;
    let graded = report::Graded { rubric: &rubric, student: &student, verdicts: &verdicts };
    let text = if args.json { graded.json(exam.paper.seed()) } else { graded.text() };
    print(env, &text)?;
    if folder.is_kept() {
        exam.say(&format!("files and output are in {}", folder.path().display()));
    }
    let wrong = graded.failed();
    if wrong == 0 {
        return Ok(());
    }
    let checks = if wrong == 1 { "1 check".to_owned() } else { format!("{wrong} checks") };
    Err(CliError::new(Exit::Failed, format!("{checks} failed: each says what was expected")))
}

/// All verdicts, in the order of [`CHECKS`].
fn questions(exam: &Exam<'_>) -> Result<Vec<Verdict>, CliError> {
    let mut verdicts = leeching::questions(exam)?;
    verdicts.extend(seeding::questions(exam)?);
    let mut all = Vec::new();
    for check in &CHECKS {
        // A check may be looked at in several questions: the first fault counts.
        let of_it = verdicts.iter().filter(|verdict| verdict.id == check.id);
        let fault =
            of_it.clone().find(|verdict| !verdict.passed()).or_else(|| of_it.clone().next());
        let not_asked = || {
            let expected = "an answer to the questions before";
            Verdict::new(check.id, Err(Fault::new("this was not asked", expected)))
        };
        all.push(fault.cloned().unwrap_or_else(not_asked));
    }
    Ok(all)
}

/// The rubric that is called so, or that stands in a file.
fn rubric(name: &str) -> Result<Rubric, CliError> {
    let built_in = RUBRICS.iter().find(|(known, _)| *known == name);
    let text = match built_in {
        Some((_, text)) => (*text).to_owned(),
        None => std::fs::read_to_string(name).map_err(|why| {
            let advice = "--rubric takes generic, uct, hcmut or a file";
            CliError::disk("read", Path::new(name), &why, advice)
        })?,
    };
    Rubric::parse(&text).map_err(|why| {
        let hint = match &why {
            RubricError::UnknownCheck(id) => {
                let known = CHECKS.iter().map(|check| check.id);
                nearest(id, known).map(|id| format!(": did you mean {id}?"))
            }
            RubricError::UnknownKey(key) => {
                let known = ["title", "part", "name", "points", "checks", "by_hand"];
                nearest(key, known).map(|key| format!(": did you mean {key}?"))
            }
            _ => None,
        };
        CliError::usage(format!("{name}: {why}{}", hint.unwrap_or_default()))
    })
}

fn stopped() -> CliError {
    CliError::new(Exit::Stopped, "stopped before the grading was done")
}

fn failed(what: &str, why: &io::Error) -> CliError {
    CliError::new(Exit::Failed, format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_does_not_exist_names_the_nearest() {
        let folder = Folder::open(None).expect("a folder");
        let path = folder.path().join("own.toml");
        let text = RUBRICS[0].1.replace("leech.pipelining", "leech.pipelinig");
        std::fs::write(&path, text).expect("a file");
        let name = path.to_str().expect("UTF-8");
        let refused = rubric(name).expect_err("a slip");
        assert_eq!(refused.exit, Exit::Usage);
        let expected = "no check is called leech.pipelinig: did you mean leech.pipelining?";
        assert_eq!(refused.message, format!("{name}: {expected}"));
        assert_eq!(rubric("uct").expect("it ships").title, "UCT CSC3002F, 2025");
        assert_eq!(rubric("/nowhere.toml").expect_err("no file").exit, Exit::Disk);
    }
}
