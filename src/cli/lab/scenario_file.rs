//! A scenario's file, read with the changes of the command line.

use super::super::args::lab::scenario::{Change, pairs};
use super::super::exit::CliError;
use super::super::units::AtLeastOne;
use crate::lab::scenario::{LONGEST, Scenario};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Reads it. A scenario that makes no sense is an error of usage.
pub fn read(
    file: &Path,
    changes: &[Change],
    seeds: Option<AtLeastOne>,
) -> Result<Scenario, CliError> {
    let text = text(file)?;
    let mut changes = pairs(changes);
    if let Some(AtLeastOne(seeds)) = seeds {
        changes.push(("seeds".into(), seeds.to_string()));
    }
    let read = Scenario::read(&text, &file.display().to_string(), &changes);
    read.map_err(|why| CliError::usage(why.to_string()))
}

fn text(file: &Path) -> Result<String, CliError> {
    const ADVICE: &str = "is that a scenario?";
    let disk = |why: std::io::Error| CliError::disk("read", file, &why, ADVICE);
    if fs::metadata(file).map_err(disk)?.is_dir() {
        let inside = file.join("scenario.toml");
        return Err(CliError::usage(format!(
            "{} is a folder: a scenario is a file, such as {}",
            file.display(),
            inside.display()
        )));
    }
    let mut text = String::new();
    // One byte more, so that the reader sees that it is too long.
    let most = LONGEST as u64 + 1;
    File::open(file).and_then(|f| f.take(most).read_to_string(&mut text)).map_err(disk)?;
    Ok(text)
}
