//! `peer verify FILE ..`: holds data against all hashes of its .torrent, and names what differs.
//!
//! ```text
//! album/sub/b.bin: pieces 3-5, 9 of 12 differ
//! album/c: missing
//! ```
//! The findings are on stdout, progress and the last word on stderr. Every torrent is checked,
//! whatever becomes of the others; exit 5 if any differs.

use super::args::VerifyArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::job::Job;
use super::print;
use super::several::each;
use super::style::printable;
use super::torrent_file::read_torrent;
use crate::metainfo::{FileKind, Metainfo};
use crate::storage::StorageError;
use crate::storage::audit::{Audit, Verdict};
use serde_json::{Value, json};
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// Ranges of pieces that are named in a line for people; `--json` has all.
const MOST_RANGES: usize = 20;

/// `peer verify`: exit 5 when something differs, 8 when there is nothing to check.
pub fn verify(args: &VerifyArgs, env: &Env) -> Result<(), CliError> {
    each(&args.file, env, |file| verify_one(file, args, env))
}

fn verify_one(file: &Path, args: &VerifyArgs, env: &Env) -> Result<(), CliError> {
    let meta = read_torrent(file)?;
    let audit = Audit::open(&meta, folder_of(&meta, file, args)?)?;
    let mode = env.mode(args.quiet);
    let job = Job::new(mode, env.screen.clone(), "checking", &meta.name, meta.total_size());
    let threads = available_parallelism().map_or(2, usize::from);
    let verdicts = audit.run(threads, &|bytes| job.on(bytes))?;
    drop(job);
    let findings = Findings::of(&meta, &audit, &verdicts);
    if args.json {
        print(env, &format!("{}\n", findings.json(file)))?;
    } else if !findings.is_good() || !args.quiet {
        print(env, &findings.text())?;
    }
    if findings.is_good() { Ok(()) } else { Err(findings.error(file)) }
}

/// Where the data is: the folder that is named, or the first of the usual ones that has something
/// of the torrent's name.
fn folder_of(meta: &Metainfo, file: &Path, args: &VerifyArgs) -> Result<PathBuf, CliError> {
    let beside = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let usual = [PathBuf::from("downloads"), beside.to_owned()];
    let folders = args.download_dir.as_ref().map_or(&usual[..], std::slice::from_ref);
    let has_data = |folder: &&PathBuf| folder.join(&meta.name).symlink_metadata().is_ok();
    folders.iter().find(has_data).cloned().ok_or_else(|| {
        let places: Vec<String> =
            folders.iter().map(|folder| folder.display().to_string()).collect();
        CliError::new(
            Exit::Disk,
            format!(
                "{} is not in {}: name its folder with --download-dir",
                meta.name,
                places.join(" nor in ")
            ),
        )
    })
}

/// What was found of a torrent.
struct Findings<'a> {
    name: &'a str,
    pieces: u32,
    wrong: Vec<u32>,
    contradictions: Vec<u32>,
    files: Vec<FileFinding>,
}

/// What was found of one of its files.
struct FileFinding {
    path: String,
    length: u64,
    state: FileState,
    /// Its pieces that were read and differ.
    wrong: Vec<u32>,
    /// Its pieces that could not be read because a neighbour's share of them is not there.
    unchecked: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FileState {
    Right,
    Differs,
    Missing,
    /// Bytes.
    WrongSize(u64),
    /// Why not.
    Unreadable(String),
}

impl FileState {
    fn word(&self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::WrongSize(_) => "wrong_size",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl FileFinding {
    fn of(meta: &Metainfo, entry: usize, audit: &Audit, verdicts: &[Verdict]) -> Self {
        let file = &meta.files[entry];
        let with = |wanted: fn(Verdict) -> bool| {
            let pieces = meta.pieces_of(entry);
            pieces.filter(|&n| verdicts.get(n as usize).is_some_and(|v| wanted(*v))).collect()
        };
        let trouble = audit.trouble(entry);
        let wrong: Vec<u32> = with(|verdict| verdict != Verdict::Absent && !verdict.is_right());
        let unchecked: Vec<u32> = with(|verdict| verdict == Verdict::Absent);
        let state = match trouble {
            None if wrong.is_empty() && unchecked.is_empty() => FileState::Right,
            None => FileState::Differs,
            Some(StorageError::Missing { .. }) => FileState::Missing,
            Some(&StorageError::Changed { size, .. }) => FileState::WrongSize(size),
            Some(other) => FileState::Unreadable(other.to_string()),
        };
        Self { path: file.path.join("/"), length: file.length, state, wrong, unchecked }
    }

    /// What is wrong with it, each a line; nothing when it is right.
    fn lines(&self, pieces: u32) -> Vec<String> {
        let path = printable(&self.path);
        match &self.state {
            FileState::Right => Vec::new(),
            FileState::Missing => vec![format!("{path}: missing")],
            FileState::WrongSize(size) => {
                vec![format!("{path}: has {size} bytes where {} were expected", self.length)]
            }
            FileState::Unreadable(why) => vec![format!("{path}: {}", printable(why))],
            FileState::Differs => {
                let mut lines = Vec::new();
                if !self.wrong.is_empty() {
                    let (which, verb) = in_words(&self.wrong, "differs", "differ");
                    lines.push(format!("{path}: {which} of {pieces} {verb}"));
                }
                if !self.unchecked.is_empty() {
                    let (which, verb) = in_words(&self.unchecked, "lacks", "lack");
                    lines.push(format!("{path}: {which} of {pieces} {verb} bytes of other files"));
                }
                lines
            }
        }
    }
}

impl<'a> Findings<'a> {
    fn of(meta: &'a Metainfo, audit: &Audit, verdicts: &[Verdict]) -> Self {
        let with = |wanted: fn(Verdict) -> bool| {
            let numbered = (0..).zip(verdicts);
            numbered.filter(|(_, verdict)| wanted(**verdict)).map(|(n, _)| n).collect()
        };
        let data = meta.files.iter().enumerate().filter(|(_, file)| file.kind == FileKind::Data);
        Self {
            name: &meta.name,
            pieces: verdicts.len() as u32,
            wrong: with(|verdict| !verdict.is_right()),
            contradictions: with(Verdict::is_contradiction),
            files: data.map(|(n, _)| FileFinding::of(meta, n, audit, verdicts)).collect(),
        }
    }

    fn is_good(&self) -> bool {
        self.wrong.is_empty() && self.files.iter().all(|file| file.state == FileState::Right)
    }

    fn right(&self) -> u32 {
        self.pieces - self.wrong.len() as u32
    }

    fn text(&self) -> String {
        let name = printable(self.name);
        if self.is_good() {
            return format!("{name}: all {} pieces are right\n", self.pieces);
        }
        let lines = self.files.iter().flat_map(|file| file.lines(self.pieces));
        let mut text: String = lines.map(|line| line + "\n").collect();
        if !self.contradictions.is_empty() {
            let (which, verb) = in_words(&self.contradictions, "is", "are");
            let _ = writeln!(
                text,
                "{name}: {which} {verb} right by one hash and wrong by the other: \
                 the .torrent contradicts itself"
            );
        }
        text
    }

    fn json(&self, torrent: &Path) -> Value {
        let file = |file: &FileFinding| {
            let size = match file.state {
                FileState::WrongSize(size) => Some(size),
                _ => None,
            };
            let pairs = |pieces: &[u32]| -> Vec<[u32; 2]> {
                ranges(pieces).iter().map(|range| [*range.start(), *range.end()]).collect()
            };
            json!({
                "path": file.path,
                "length": file.length,
                "state": file.state.word(),
                "size": size,
                "wrong": pairs(&file.wrong),
                "unchecked": pairs(&file.unchecked),
            })
        };
        json!({
            "torrent": torrent.display().to_string(),
            "name": self.name,
            "pieces": self.pieces,
            "right": self.right(),
            "wrong": self.wrong,
            "contradictions": self.contradictions,
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
        })
    }

    fn error(&self, file: &Path) -> CliError {
        let (name, right, all, file) = (self.name, self.right(), self.pieces, file.display());
        CliError::new(
            Exit::BadData,
            format!(
                "{name} does not match its hashes: {right} of {all} pieces are right; \
                 peer --leech {file} fetches the others"
            ),
        )
    }
}

/// Numbers that rise as runs: 3, 4, 5, 9 are 3-5 and 9.
fn ranges(numbers: &[u32]) -> Vec<RangeInclusive<u32>> {
    let mut runs: Vec<RangeInclusive<u32>> = Vec::new();
    for &n in numbers {
        match runs.last_mut() {
            Some(run) if run.end().checked_add(1) == Some(n) => *run = *run.start()..=n,
            _ => runs.push(n..=n),
        }
    }
    runs
}

/// `piece 3`, `pieces 3-5, 9`, and the verb that goes with it.
fn in_words<'v>(numbers: &[u32], one: &'v str, several: &'v str) -> (String, &'v str) {
    let runs = ranges(numbers);
    let word = |run: &RangeInclusive<u32>| match (run.start(), run.end()) {
        (start, end) if start == end => start.to_string(),
        (start, end) => format!("{start}-{end}"),
    };
    let words: Vec<String> = runs.iter().take(MOST_RANGES).map(word).collect();
    let more = runs.len().saturating_sub(MOST_RANGES);
    let more = if more > 0 { format!(" and {more} more runs") } else { String::new() };
    match numbers {
        [only] => (format!("piece {only}"), one),
        _ => (format!("pieces {}{more}", words.join(", ")), several),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_named_as_runs() {
        let check = |numbers: &[u32], expected: &str| {
            let (which, verb) = in_words(numbers, "differs", "differ");
            assert_eq!(format!("{which} {verb}"), expected);
        };
        check(&[7], "piece 7 differs");
        check(&[3, 4, 5, 9], "pieces 3-5, 9 differ");
        check(&[0, 1], "pieces 0-1 differ");
        let many: Vec<u32> = (0..100).map(|n| n * 2).collect();
        let (which, _) = in_words(&many, "", "");
        assert!(which.ends_with("36, 38 and 80 more runs"), "{which}");
    }
}
