//! The log: how much of it, and where to.
//!
//! `RUST_LOG` wins, then `--log-level`, then `-v` and `-q`. On the terminal a line has no time;
//! in a `--logfile` it has. Whatever a line quotes, it is one line of printable characters, so that
//! nobody writes a line of ours or steers the terminal that shows the file. Libraries are heard only
//! when something is wrong, however much we say ourselves: some of them log whole URLs, whose query
//! may be a key.

use super::exit::CliError;
use super::screen::Screen;
use super::style::printable;
use env_logger::{Builder, Target, WriteStyle};
use log::LevelFilter;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Libraries that log, by the names of their modules.
const LIBRARIES: [&str; 6] = ["jiff", "jiff_core", "rustls", "rustyline", "ureq", "ureq_proto"];

/// What the flags say about the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogArgs {
    /// `-q`.
    pub quiet: bool,
    /// How many `-v`.
    pub verbose: u8,
    /// `--log-level`.
    pub level: Option<LevelFilter>,
    /// `--logfile`.
    pub file: Option<PathBuf>,
}

impl LogArgs {
    /// Whether the flags agree.
    pub fn check(&self) -> Result<(), CliError> {
        if self.quiet && self.verbose > 0 && self.file.is_none() {
            return Err(CliError::usage("-q and -v exclude each other: give one, or --logfile"));
        }
        Ok(())
    }

    /// How much is logged when `RUST_LOG` does not say.
    pub fn level(&self) -> LevelFilter {
        match (self.level, self.verbose, self.quiet) {
            (Some(level), ..) => level,
            (None, 0, true) => LevelFilter::Error,
            // In a file stands what is said on the terminal, too.
            (None, 0, false) if self.file.is_some() => LevelFilter::Info,
            (None, 0, false) => LevelFilter::Warn,
            (None, 1, _) => LevelFilter::Debug,
            (None, ..) => LevelFilter::Trace,
        }
    }
}

/// Starts the log, on the screen (between its progress lines) or in a file.
///
/// `rust_log` is the variable's value. A second call in one process changes nothing.
pub fn init(args: &LogArgs, rust_log: Option<&str>, screen: &Screen) -> Result<(), CliError> {
    let mut builder = Builder::new();
    builder.filter_level(args.level()).write_style(WriteStyle::Never);
    for library in LIBRARIES {
        builder.filter_module(library, args.level().min(LevelFilter::Warn));
    }
    if let Some(filters) = rust_log {
        builder.parse_filters(filters);
    }
    if let Some(path) = &args.file {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|why| {
            CliError::disk("write the log to", path, &why, "choose another --logfile")
        })?;
        builder.target(Target::Pipe(Box::new(file))).format(|out, record| {
            let (time, level) = (out.timestamp_millis(), record.level());
            writeln!(out, "[{time} {level:<5}] {}", printable(&record.args().to_string()))
        });
    } else {
        builder.target(Target::Pipe(Box::new(screen.clone()))).format(|out, record| {
            let level = record.level();
            writeln!(out, "[{level:<5}] {}", printable(&record.args().to_string()))
        });
    }
    // Only a logger that is already there can refuse, and that one serves as well.
    let _ = builder.try_init();
    Ok(())
}

/// Reads `--log-level`.
pub fn level(text: &str) -> Result<LevelFilter, String> {
    match text.parse() {
        Ok(LevelFilter::Off) | Err(_) => Err("expected error, warn, info, debug or trace".into()),
        Ok(level) => Ok(level),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_the_one_named_or_follows_v_and_q() {
        let check = |quiet, verbose, level, expected| {
            assert_eq!(LogArgs { quiet, verbose, level, file: None }.level(), expected);
        };
        check(false, 0, None, LevelFilter::Warn);
        let in_file = LogArgs { file: Some("log".into()), ..LogArgs::default() };
        assert_eq!(in_file.level(), LevelFilter::Info);
        check(true, 0, None, LevelFilter::Error);
        check(false, 1, None, LevelFilter::Debug);
        check(false, 2, None, LevelFilter::Trace);
        check(false, 200, None, LevelFilter::Trace);
        check(false, 2, Some(LevelFilter::Info), LevelFilter::Info);
        assert_eq!(level("info"), Ok(LevelFilter::Info));
        assert!(level("loud").is_err());
    }

    /// A library that is new in the tree and logs is to be listed.
    #[test]
    fn every_library_that_logs_is_listed() {
        const LOCK: &str = include_str!("../../Cargo.lock");
        let logs = |package: &&str| package.contains("\n \"log\",\n");
        let name = |package: &str| package.split('"').nth(1).unwrap_or_default().replace('-', "_");
        let all: Vec<String> = LOCK.split("[[package]]").filter(logs).map(name).collect();
        let ours = ["env_filter", "env_logger", "swarmlet"];
        let theirs: Vec<&str> = all.iter().map(String::as_str).collect();
        let theirs: Vec<&str> = theirs.into_iter().filter(|name| !ours.contains(name)).collect();
        assert_eq!(theirs, LIBRARIES);
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other_unless_the_log_goes_to_a_file() {
        let args = LogArgs { quiet: true, verbose: 1, ..LogArgs::default() };
        assert!(args.check().is_err());
        assert!(LogArgs { file: Some("log".into()), ..args }.check().is_ok());
    }

    #[test]
    fn an_unwritable_logfile_is_a_disk_error() {
        let args = LogArgs { file: Some("/nowhere/log".into()), ..LogArgs::default() };
        let error = init(&args, None, &Screen::silent()).expect_err("no such folder");
        assert_eq!(error.exit, super::super::exit::Exit::Disk);
        assert_eq!(
            error.message,
            "cannot write the log to /nowhere/log (no such file or directory): choose another --logfile"
        );
    }
}
