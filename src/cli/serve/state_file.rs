//! `--state`: the file that keeps what is published over a restart.
//!
//! It is never half written: the bytes go to `FILE.new`, and when they are on the disk that takes
//! the name. A file that cannot be read as a state is put aside as `FILE.corrupt`, and the
//! tracker starts without it.

use super::no_thread;
use crate::cli::exit::{CliError, cause};
use crate::tracker::Tracker;
use crate::tracker::saved::{self, Saved};
use crossbeam_channel::{Receiver, bounded};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};

/// No state is longer: a full catalogue and its names.
const MAX_STATE: u64 = 512 << 20;

/// What to try when the file cannot be used.
const ADVICE: &str = "choose another file for --state";

/// Gives the tracker what the file holds, and starts the thread that writes it.
pub(super) fn start(path: &Path, tracker: &mut Tracker) -> Result<JoinHandle<()>, CliError> {
    let useless = tracker.restore(load(path)?);
    if useless > 0 {
        log::warn!("{}: {useless} entries are no use to this tracker", path.display());
    }
    // Whether it can be written is known now, not when it is too late.
    let new = beside(path, "new");
    File::create(&new).map_err(|e| CliError::disk("write", &new, &e, ADVICE))?;
    let _ = fs::remove_file(&new); // one that stays is overwritten
    let (to, states) = bounded(1);
    tracker.save_to(to);
    let path = path.to_owned();
    let keep = move || write_all(&path, &states);
    Builder::new().name("state".into()).spawn(keep).map_err(|e| no_thread(&e))
}

/// What the file holds; nothing if there is none, or if it had to be put aside.
fn load(path: &Path) -> Result<Vec<Saved>, CliError> {
    let unreadable = |e: io::Error| CliError::disk("read", path, &e, ADVICE);
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(e)),
        Ok(file) => file.take(MAX_STATE).read_to_end(&mut bytes).map_err(unreadable)?,
    };
    saved::read(&bytes).or_else(|why| {
        let aside = beside(path, "corrupt");
        fs::rename(path, &aside).map_err(|e| CliError::disk("put aside", path, &e, ADVICE))?;
        let (path, aside) = (path.display(), aside.display());
        log::warn!("{path} is no state ({why}): it is now {aside}, and nothing is published yet");
        Ok(Vec::new())
    })
}

fn write_all(path: &Path, states: &Receiver<Vec<Saved>>) {
    let mut failed = false;
    for entries in states {
        match write(path, &entries) {
            Ok(()) => failed = false,
            // Once, not as often as it is tried.
            Err(e) if !failed => {
                failed = true;
                let (path, why) = (path.display(), cause(&e));
                log::warn!("cannot write {path} ({why}): a restart would lose what is new");
            }
            Err(_) => {}
        }
    }
}

/// Writes the file as a whole, or leaves it as it was.
fn write(path: &Path, entries: &[Saved]) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = BufWriter::new(File::create(&new)?);
    saved::write(entries, &mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// `FILE.ending`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or(OsStr::new("state")).to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_files_stand_beside_the_file() {
        assert_eq!(beside(Path::new("/var/a/state.bin"), "new"), Path::new("/var/a/state.bin.new"));
        assert_eq!(beside(Path::new("state"), "corrupt"), Path::new("state.corrupt"));
    }
}
