//! `peer magnet FILE`: the link that leads to a .torrent's content, on one line.

use super::show::{self, ShowError};
use std::io::Write;
use std::path::Path;

/// Prints the magnet link of a .torrent.
pub fn magnet(file: &Path, out: &mut dyn Write) -> Result<(), ShowError> {
    let metainfo = show::read_torrent(file)?;
    writeln!(out, "{}", metainfo.magnet()).map_err(ShowError::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = magnet(Path::new("no/such.torrent"), &mut Vec::new()).unwrap_err();
        assert!(matches!(error, ShowError::Unreadable { .. }));
        assert!(error.to_string().starts_with("cannot read no/such.torrent: "), "{error}");
    }
}
