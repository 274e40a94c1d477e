//! Exit codes, and the errors that carry one.
//!
//! An error that ends a program is one sentence: what happened, why, and what to try. It goes to
//! stderr; under `--json` the same sentence is also an `error` event on stdout.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How a program ends. The numbers are documented and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// Anything that has no code of its own.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No tracker or peer answered within `--timeout`.
    NoAnswer = 3,
    /// Not found on the tracker within `--timeout`, or the name is ambiguous.
    NotFound = 4,
    /// The data does not match its hashes.
    BadData = 5,
    /// A bad torrent or magnet.
    BadTorrent = 6,
    /// Stopped before the download was whole.
    Stopped = 7,
    /// The disk or a permission.
    Disk = 8,
    /// The port is in use.
    PortInUse = 9,
    /// A second interrupt: at once, without saying goodbye.
    Interrupted = 130,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NoAnswer,
        Self::NotFound,
        Self::BadData,
        Self::BadTorrent,
        Self::Stopped,
        Self::Disk,
        Self::PortInUse,
        Self::Interrupted,
    ];

    /// What it means, as the README's table and the manual pages say it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "anything not below",
            Self::Usage => "usage",
            Self::NoAnswer => "no tracker or peer answered within --timeout",
            Self::NotFound => "not found on the tracker within --timeout, or the name is ambiguous",
            Self::BadData => "the data does not match its hashes",
            Self::BadTorrent => "bad torrent or magnet",
            Self::Stopped => "stopped before the download was whole",
            Self::Disk => "disk or permission",
            Self::PortInUse => "port in use",
            Self::Interrupted => "second interrupt",
        }
    }

    /// The number the shell sees.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// How a program would end if it had to end now: for whoever ends it while other threads hang.
#[derive(Debug, Clone)]
pub struct CodeSoFar(Arc<AtomicU8>);

impl Default for CodeSoFar {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(Exit::Failed.code())))
    }
}

impl CodeSoFar {
    /// From now on it would end so.
    pub fn set(&self, exit: Exit) {
        self.0.store(exit.code(), Ordering::Release);
    }

    /// The number that the shell would see.
    pub fn code(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a program ends other than well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// The code it ends with.
    pub exit: Exit,
    /// One sentence without a full stop, lower case: what happened, why, what to try.
    pub message: String,
}

impl CliError {
    /// An error with its code and its sentence.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// A command line that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file or folder that could not be used: `cannot read /x (permission denied): ...`.
    pub fn disk(what: &str, path: &std::path::Path, why: &std::io::Error, advice: &str) -> Self {
        Self::new(
            Exit::Disk,
            format!("cannot {what} {} ({}): {advice}", path.display(), cause(why)),
        )
    }
}

/// The system's words for an error, lower case and without its number.
pub fn cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::path::Path;

    #[test]
    fn the_codes_are_those_that_are_documented() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]);
    }

    #[test]
    fn a_disk_error_names_the_path_and_the_cause() {
        let why = io::Error::from_raw_os_error(libc::EACCES);
        let error = CliError::disk("write", Path::new("/x"), &why, "choose another folder with -w");
        assert_eq!(error.exit, Exit::Disk);
        assert_eq!(
            error.to_string(),
            "cannot write /x (permission denied): choose another folder with -w"
        );
    }
}
