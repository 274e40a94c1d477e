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
