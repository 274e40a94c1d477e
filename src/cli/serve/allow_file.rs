//! `--allow`: a file of info-hashes, read at the start and again at each SIGHUP.
//!
//! At the start a file that cannot be read, or is wrong in one line, ends the program; later it
//! leaves the list as it was and says why.

use super::no_thread;
use crate::cli::exit::{CliError, Exit};
use crate::tracker::Tracker;
use crate::tracker::allow::AllowList;
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;
use std::fs;
use std::path::Path;
use std::thread::Builder;

/// Gives the tracker its list, and a new one at each SIGHUP.
pub(super) fn start(path: &Path, tracker: &mut Tracker) -> Result<(), CliError> {
    // Before the file is read: whoever sees the tracker start may send a SIGHUP at once.
    let mut signals = Signals::new([SIGHUP])
        .map_err(|e| CliError::new(Exit::Failed, format!("cannot watch for signals: {e}")))?;
    let list = read(path)?;
    log::info!("{}: {} info-hashes are served", path.display(), list.len());
    tracker.allow(list);
    let (changer, path) = (tracker.list_changer(), path.to_owned());
    let reload = move || {
        for _ in signals.forever() {
            match read(&path) {
                Ok(list) => {
                    log::warn!("{} was read again: {} info-hashes", path.display(), list.len());
                    changer.change(list);
                }
                Err(error) => log::warn!("the list stays as it was: {}", error.message),
            }
        }
    };
    Builder::new().name("reload".into()).spawn(reload).map(drop).map_err(|e| no_thread(&e))
}

fn read(path: &Path) -> Result<AllowList, CliError> {
    let advice = "give --allow a file of info-hashes, one a line";
    let bytes = fs::read(path).map_err(|e| CliError::disk("read", path, &e, advice))?;
    let text = String::from_utf8_lossy(&bytes);
    AllowList::read(&text).map_err(|bad| CliError::usage(format!("{}, {bad}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named_with_its_line() {
        let missing = read(Path::new("/nowhere/list")).unwrap_err();
        assert_eq!(missing.exit, Exit::Disk);
        assert!(missing.message.starts_with("cannot read /nowhere/list (no such file"));
    }
}
