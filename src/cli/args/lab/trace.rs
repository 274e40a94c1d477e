//! `lab diagram` and `lab pcap`: what is made of traces.

use super::super::super::exit::CliError;
use super::super::super::units::TimeSpan;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;
use std::str::FromStr;

/// Draw who said what to whom, how long it took and why, from traces.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(
    help_triggers("--help"),
    example = "{command_name} ann.jsonl ben.jsonl --to 2s --out talk.svg"
)]
pub struct DiagramArgs {
    /// traces of peers, trackers or simulated worlds; or folders of runs
    #[argh(positional, arg_name = "file")]
    pub file: Vec<PathBuf>,

    /// only what these say to each other, comma-separated; of one alone, what it says and hears. A
    /// peer is named by its address or a part of it: 6882
    #[argh(option, arg_name = "peers")]
    pub peers: Option<String>,

    /// from then on: 1.5, 200ms, 2m (the start)
    #[argh(option, arg_name = "time")]
    pub from: Option<TimeSpan>,

    /// until then (the end)
    #[argh(option, arg_name = "time")]
    pub to: Option<TimeSpan>,

    /// only these messages, comma-separated, and no reasons: GET,CHUNK_DATA
    #[argh(option, arg_name = "types")]
    pub types: Option<String>,

    /// mermaid, for pages of text, or svg, a picture (by the end of --out; else mermaid, and svg if
    /// that is too much for it)
    #[argh(option, arg_name = "format")]
    pub format: Option<Format>,

    /// write it there (stdout)
    #[argh(option, short = 'o', arg_name = "file")]
    pub out: Option<PathBuf>,
}

/// What a diagram is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text that code forges draw.
    Mermaid,
    /// A picture.
    Svg,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mermaid" => Ok(Self::Mermaid),
            "svg" => Ok(Self::Svg),
            _ => Err("mermaid or svg".to_owned()),
        }
    }
}

impl DiagramArgs {
    pub(in super::super) fn check(&self) -> Result<(), CliError> {
        some_files(&self.file, "diagram")?;
        let (from, to) = (self.from.map(|TimeSpan(from)| from), self.to.map(|TimeSpan(to)| to));
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(CliError::usage("--from is later than --to: nothing lies between them"));
        }
        Ok(())
    }

    /// What it is to be written as, if that is said.
    pub fn format(&self) -> Option<Format> {
        let end = self.out.as_deref().and_then(|out| out.extension()?.to_str());
        self.format.or(match end {
            Some("svg") => Some(Format::Svg),
            Some("mmd" | "mermaid") => Some(Format::Mermaid),
            _ => None,
        })
    }
}

/// Make a capture of traces, to be opened in Wireshark.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "{command_name} ann.jsonl ben.jsonl --out talk.pcapng")]
pub struct PcapArgs {
    /// traces of peers, trackers or simulated worlds; or folders of runs
    #[argh(positional, arg_name = "file")]
    pub file: Vec<PathBuf>,

    /// the capture; what it held is lost
    #[argh(option, short = 'o', arg_name = "file")]
    pub out: Option<PathBuf>,
}

impl PcapArgs {
    pub(in super::super) fn check(&self) -> Result<(), CliError> {
        some_files(&self.file, "pcap")?;
        if self.out.is_none() {
            return Err(CliError::usage("where to? write --out talk.pcapng"));
        }
        Ok(())
    }
}

fn some_files(files: &[PathBuf], command: &str) -> Result<(), CliError> {
    if files.is_empty() {
        return Err(CliError::usage(format!(
            "no trace is named: peer --trace FILE writes one, lab {command} FILE reads it"
        )));
    }
    Ok(())
}
