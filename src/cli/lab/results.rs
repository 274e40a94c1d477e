//! The folder that a run leaves behind.
//!
//! ```text
//! run/NAME/20261129-175245/   INCOMPLETE        until everything is there
//!     scenario.toml env.json  summary.csv series.csv events.jsonl capture.pcapng  *.svg report.html ..
//! ```
//! A file is written under another name and then renamed, and INCOMPLETE is removed last: nothing
//! half written is ever taken for a whole result.

use super::super::date;
use super::super::exit::{CliError, Exit};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Stands in a folder that is not complete.
const MARK: &str = "INCOMPLETE";

/// What it says.
const MARKED: &str = "this run is not complete: it goes on, or it was ended before its end\n";

/// A folder of results.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

/// A file of the folder that grows; it gets its name at its end.
#[derive(Debug)]
pub struct Growing {
    file: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
}

impl Folder {
    /// The folder that is named, which must be new or empty; or a new one below `run/`.
    pub fn open(named: Option<&Path>, scenario: &str) -> Result<Self, CliError> {
        const ADVICE: &str = "choose a new or empty folder with --out";
        let path = match named {
            Some(path) => path.to_owned(),
            None => fresh(&Path::new("run").join(scenario), &stamp(date::now())),
        };
        let failed = |why: &io::Error| CliError::disk("use", &path, why, ADVICE);
        fs::create_dir_all(&path).map_err(|why| failed(&why))?;
        if fs::read_dir(&path).map_err(|why| failed(&why))?.next().is_some() {
            return Err(failed(&io::ErrorKind::DirectoryNotEmpty.into()));
        }
        fs::write(path.join(MARK), MARKED).map_err(|why| failed(&why))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a whole file.
    pub fn write(&self, name: &str, text: &str) -> Result<(), CliError> {
        let mut file = self.grow(name)?;
        file.push(text)?;
        file.finish()
    }

    /// Begins a file that grows.
    pub fn grow(&self, name: &str) -> Result<Growing, CliError> {
        let (part, path) = (self.path.join(format!(".{name}.part")), self.path.join(name));
        match File::create(&part) {
            Ok(file) => Ok(Growing { file: BufWriter::new(file), part, path }),
            Err(why) => Err(failed(&path, &why)),
        }
    }

    /// Says that everything is there.
    pub fn complete(self) -> Result<(), CliError> {
        let mark = self.path.join(MARK);
        fs::remove_file(&mark).map_err(|why| failed(&mark, &why))
    }
}

impl Growing {
    /// Adds to the file.
    pub fn push(&mut self, text: &str) -> Result<(), CliError> {
        self.file.write_all(text.as_bytes()).map_err(|why| failed(&self.path, &why))
    }

    /// Gives the file its name.
    pub fn finish(mut self) -> Result<(), CliError> {
        let done = self.file.flush().and_then(|()| fs::rename(&self.part, &self.path));
        done.map_err(|why| failed(&self.path, &why))
    }
}

fn failed(path: &Path, why: &io::Error) -> CliError {
    let error = CliError::disk("write", path, why, "is the disk full?");
    CliError { exit: Exit::Disk, ..error }
}

/// `20261129-175245`, in UTC.
fn stamp(seconds: i64) -> String {
    let text = date::date(seconds);
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == ' ').collect();
    digits.trim().replacen(' ', "-", 1).replace(' ', "")
}

/// A name below a folder that nobody has yet.
fn fresh(below: &Path, stamp: &str) -> PathBuf {
    let mut path = below.join(stamp);
    let mut count = 2;
    while path.exists() && count < 1000 {
        path = below.join(format!("{stamp}-{count}"));
        count += 1;
    }
    path
}

/// The machine and the program, as JSON.
pub fn environment(words: &[String]) -> serde_json::Value {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let cpu = read("/proc/cpuinfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "command": words.join(" "),
        "time": date::date(date::now()),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "cpu": cpu,
        "cores": std::thread::available_parallelism().map(std::num::NonZero::get).ok(),
        "optimised": !cfg!(debug_assertions),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PathBuf {
        let name = format!("swarmlet-results-{name}-{}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn a_folder_is_marked_until_everything_is_there() {
        let path = place("whole");
        let folder = Folder::open(Some(&path), "x").expect("it is new");
        let mut growing = folder.grow("series.csv").expect("a file");
        growing.push("t,value\n").expect("there is room");
        assert!(path.join(MARK).exists() && !path.join("series.csv").exists());
        growing.finish().expect("it can be renamed");
        folder.write("summary.csv", "a\n").expect("there is room");
        folder.complete().expect("the mark is there");
        let mut names: Vec<_> = fs::read_dir(&path)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        assert_eq!(names, ["series.csv", "summary.csv"]);
        let refused = Folder::open(Some(&path), "x").expect_err("it is not empty");
        assert_eq!(refused.exit, Exit::Disk);
        fs::remove_dir_all(&path).expect("it is ours");
    }

    #[test]
    fn a_stamp_is_a_date_that_sorts() {
        assert_eq!(stamp(1_700_000_000), "20231114-221320");
    }
}
