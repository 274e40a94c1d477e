//! Traces on disk: files and folders of runs into events, one line at a time.
//!
//! A trace is read twice, so it is a file, not a pipe. A line that is no event ends the command and
//! is named by its number; only the last line of a file may be cut off, because whoever wrote it may
//! have been killed.

use super::super::env::Env;
use super::super::exit::{CliError, Exit};
use super::super::style::printable;
use crate::lab::record::cast::{Cast, Survey};
use crate::lab::record::merge::{Merge, Timed};
use crate::lab::record::{self, Event, MOST_LINE, Names, Wrong};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files that are read at once.
const MOST_FILES: usize = 500;

/// The trace of a run, in its folder.
const OF_A_RUN: &str = "events.jsonl";

/// Traces, and who is in them.
#[derive(Debug)]
pub(super) struct Traces {
    files: Vec<PathBuf>,
    names: RefCell<Names>,
    /// Who is who, and what time it is there.
    pub cast: Cast,
}

impl Traces {
    /// Reads all of them once.
    pub fn read(words: &[PathBuf], env: &Env) -> Result<Self, CliError> {
        let mut files = Vec::new();
        for word in words {
            files.extend(files_of(word)?);
        }
        if files.len() > MOST_FILES {
            return Err(CliError::usage(format!(
                "{} files are too many to be read at once: expected at most {MOST_FILES}",
                files.len()
            )));
        }
        let (names, mut survey) = (RefCell::new(Names::default()), Survey::new(files.len()));
        for (index, path) in files.iter().enumerate() {
            let mut lines = Lines::open(path, &names)?;
            for event in &mut lines {
                survey.on_event(index, &event?).map_err(|why| bad(path, &why.to_string()))?;
            }
            if lines.is_cut {
                say(env, &format!("{}: its last line is cut off and left out", path.display()));
            }
        }
        let cast = survey.finish(&names.borrow());
        for (path, _) in files.iter().zip(&cast.offsets).filter(|(_, offset)| offset.is_none()) {
            say(
                env,
                &format!(
                    "{}: no message ties its clock to the others', so it begins when they begin",
                    path.display()
                ),
            );
        }
        if cast.traced.is_empty() {
            return Err(bad(&files[0], "no event is in it: peer --trace FILE writes a trace"));
        }
        Ok(Self { files, names, cast })
    }

    /// Gives every event, in the order of time.
    pub fn each(
        &self,
        mut job: impl FnMut(&Timed, &Names) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut sources = Vec::new();
        for (path, offset) in self.files.iter().zip(&self.cast.offsets) {
            let offset = offset.unwrap_or(Duration::ZERO);
            sources.push((Lines::open(path, &self.names)?, offset));
        }
        for timed in Merge::new(sources) {
            let timed = timed?;
            job(&timed, &self.names.borrow())?;
        }
        Ok(())
    }

    /// What the events' names mean.
    pub fn names(&self) -> std::cell::Ref<'_, Names> {
        self.names.borrow()
    }

    /// The first of the files.
    pub fn first(&self) -> &Path {
        &self.files[0]
    }
}

/// Says something about a trace on stderr; a closed one stops nobody.
pub(super) fn say(env: &Env, text: &str) {
    let _ = env.screen.line(&format!("lab: {}", printable(text)));
}

/// The traces that a word of the command line means.
fn files_of(word: &Path) -> Result<Vec<PathBuf>, CliError> {
    let facts = fs::metadata(word).map_err(|why| unreadable(word, &why))?;
    if !facts.is_dir() {
        if !facts.is_file() {
            return Err(bad(word, "it is no file, and a trace is read twice: save it first"));
        }
        return Ok(vec![word.to_owned()]);
    }
    let run = word.join(OF_A_RUN);
    if run.is_file() {
        return Ok(vec![run]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(word).map_err(|why| unreadable(word, &why))? {
        let path = entry.map_err(|why| unreadable(word, &why))?.path();
        if path.extension().is_some_and(|end| end == "jsonl") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(bad(word, "no trace is in that folder: expected events.jsonl or other .jsonl"));
    }
    Ok(files)
}

fn unreadable(path: &Path, why: &std::io::Error) -> CliError {
    CliError::disk("read", path, why, "check the path")
}

fn bad(path: &Path, why: &str) -> CliError {
    CliError::new(Exit::Failed, format!("{}: {why}", path.display()))
}

/// The events of a file.
struct Lines<'a> {
    path: &'a Path,
    names: &'a RefCell<Names>,
    input: BufReader<File>,
    line: Vec<u8>,
    number: u64,
    is_over: bool,
    /// The last line has no end and says nothing.
    is_cut: bool,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path, names: &'a RefCell<Names>) -> Result<Self, CliError> {
        let file = File::open(path).map_err(|why| unreadable(path, &why))?;
        let (input, line) = (BufReader::with_capacity(256 * 1024, file), Vec::new());
        Ok(Self { path, names, input, line, number: 0, is_over: false, is_cut: false })
    }

    fn wrong(&self, why: &Wrong) -> CliError {
        bad(self.path, &format!("line {} is no event of a trace: {why}", self.number))
    }

    fn next_event(&mut self) -> Result<Option<Event>, CliError> {
        while !self.is_over {
            self.line.clear();
            self.number += 1;
            // One byte more than a line may have, and its end.
            let mut input = (&mut self.input).take(MOST_LINE as u64 + 2);
            match input.read_until(b'\n', &mut self.line) {
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(unreadable(self.path, &why)),
                Ok(0) => break,
                Ok(_) => {}
            }
            let is_whole = self.line.pop_if(|byte| *byte == b'\n').is_some();
            self.line.pop_if(|byte| *byte == b'\r');
            if self.line.is_empty() {
                continue;
            }
            match record::read(&self.line, &mut self.names.borrow_mut()) {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(Wrong::Json(_)) if !is_whole && self.line.len() <= MOST_LINE => {
                    (self.is_over, self.is_cut) = (true, true);
                }
                Err(why) => return Err(self.wrong(&why)),
            }
        }
        self.is_over = true;
        Ok(None)
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Event, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_event().transpose();
        self.is_over |= matches!(next, Some(Err(_)));
        next
    }
}
