//! What a program got wrong, with what to try.

use std::time::Duration;

/// What a program got wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It took too long.
    #[error("no answer within {} ms: decide faster, and flush each line", .0.as_millis())]
    Late(Duration),
    /// It is not there any more.
    #[error("it ended ({0}): type it a line by hand, as examples/choker/README.md shows")]
    Ended(String),
    /// Its line does not end.
    #[error("its answer is longer than 64 KiB: print one line a round, and nothing else")]
    TooLong,
    /// It is no answer.
    #[error(r#"its answer makes no sense ({0}): print {{"unchoke":[3],"why":"..."}}"#)]
    Nonsense(String),
    /// It names who is not there.
    #[error("it names peer {0}, who is not there: take the numbers of the same line's peers")]
    Unknown(u64),
    /// It gives away more than there is.
    #[error("it serves {named}, and there are {slots} slots: name fewer")]
    TooMany {
        /// How many it named.
        named: usize,
        /// How many may be served.
        slots: usize,
    },
    /// It does not say why.
    #[error(r#"it gives no reason for peer {0}: say "why", for all or for each"#)]
    NoReason(u64),
}

impl Fault {
    /// Its kind: of each kind one is logged.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Late(_) => "late",
            Self::Ended(_) => "ended",
            Self::TooLong => "too long",
            Self::Nonsense(_) => "nonsense",
            Self::Unknown(_) => "unknown",
            Self::TooMany { .. } => "too many",
            Self::NoReason(_) => "no reason",
        }
    }
}
