//! The flags of `lab grade`.

use super::super::super::units::TimeSpan;
use argh::{ArgsInfo, FromArgs};
use std::time::Duration;

/// Grade a peer in any language: ask it questions over the wire, and add up what it is worth.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "{command_name} --exec ./peer.py --student ABC123")]
pub struct GradeArgs {
    /// the command that fetches; the words --tracker HOST:PORT --leech NAME --dir DIR --port 0 are
    /// appended, unless it has {{tracker}}, {{name}} or {{dir}}; to serve a file, --seed FILE is
    /// said instead
    #[argh(option, arg_name = "command")]
    pub exec: String,

    /// the command that serves a {{file}}, if it is another
    #[argh(option, arg_name = "command")]
    pub exec_seed: Option<String>,

    /// what a check is worth: generic, uct, hcmut or a file (generic)
    #[argh(option, arg_name = "rubric")]
    pub rubric: Option<String>,

    /// whose submission it is: contents, ports and failures follow from it (nobody)
    #[argh(option, arg_name = "id")]
    pub student: Option<String>,

    /// how long a question may take (10s)
    #[argh(option, arg_name = "time")]
    pub patience: Option<TimeSpan>,

    /// one JSON object instead of a table
    #[argh(switch)]
    pub json: bool,

    /// keep the files of all questions
    #[argh(switch)]
    pub keep: bool,

    /// do not say which question is asked
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

impl GradeArgs {
    /// How long a question may take.
    pub fn patience(&self) -> Duration {
        self.patience.map_or(Duration::from_secs(10), |TimeSpan(time)| time)
    }
}
