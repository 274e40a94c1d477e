//! The file of a tracker's trace (`--trace`).
//!
//! Lines are written at the end of the turn that they happened in. A file that fails is reported
//! once and ends the trace, never the tracker.

use super::TrackerError;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The file, until it fails.
pub(super) struct Record {
    file: Option<File>,
}

impl Record {
    /// An empty file; what it held is lost.
    pub fn create(path: &Path) -> Result<Self, TrackerError> {
        let failed = |source| TrackerError::Trace { path: path.to_owned(), source };
        Ok(Self { file: Some(File::create(path).map_err(failed)?) })
    }

    /// Appends whole lines.
    pub fn write(&mut self, lines: &str) {
        let Some(file) = self.file.as_mut().filter(|_| !lines.is_empty()) else { return };
        if let Err(error) = file.write_all(lines.as_bytes()) {
            log::warn!("the trace ends here: {error}");
            self.file = None;
        }
    }
}
