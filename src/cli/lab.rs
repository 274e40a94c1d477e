//! `lab`: the commands of the lab.

/// All peers of a show.
mod cast;

/// One process of a show or of a run.
pub mod child;

/// `lab demo`.
pub mod demo;

/// How a show stands, in figures.
mod figures;

/// Where a show keeps its files.
mod folder;

/// Orders of the page, understood.
mod order;

/// Backend `proc`.
pub mod proc;

/// Network namespaces, joined by emulated links.
pub mod net;

/// What this machine moves in a second.
mod capacity;

/// `lab check`.
pub mod check;

/// `lab compare`.
pub mod compare;

/// Runs jobs, several at a time, and shows how far they are.
mod engine;

/// The folder that a run leaves behind.
mod results;

/// `lab run`.
pub mod run;

/// Backends by name.
mod runners;

/// A scenario's file.
mod scenario_file;

/// `lab theory`.
pub mod theory;

/// `lab quiz`.
pub mod quiz;

/// `lab grade`.
pub mod grade;

/// `lab nc`.
pub mod nc;

/// Traces on disk.
mod traces;

/// `lab diagram`.
pub mod diagram;

/// `lab pcap`.
pub mod pcap;

use super::exit::{CliError, Exit};
use std::path::PathBuf;

/// A program that is installed beside this one.
fn beside(name: &str) -> Result<PathBuf, CliError> {
    let own = std::env::current_exe()
        .map_err(|why| CliError::new(Exit::Failed, format!("cannot find my own program: {why}")))?;
    let program = own.with_file_name(name);
    match std::fs::metadata(&program) {
        Ok(_) => Ok(program),
        Err(why) => {
            let advice = format!("install {name} beside lab");
            Err(CliError::disk("start", &program, &why, &advice))
        }
    }
}
