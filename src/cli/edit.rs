//! `peer edit FILE ..`: changes trackers, web seeds, comment or source of .torrent files.
//!
//! What is not named on the command line stays byte for byte (see [`crate::metainfo::edit`]); a file
//! is replaced whole or not at all. Of several files each is done on its own: exit 1 when an
//! address to remove or replace is not in one of them, which then stays as it is; 6 when one is no
//! torrent; 8 when one cannot be written.

use super::args::EditArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::several::each;
use super::show::{ShowError, as_json};
use super::style::printable;
use super::torrent_file::{self, Existing};
use super::{create, print};
use crate::metainfo::edit::{EditError, Edits};
use crate::metainfo::{Metainfo, MetainfoError};
use std::io::Write;
use std::path::Path;

/// `peer edit`.
pub fn edit(args: &EditArgs, env: &Env) -> Result<(), CliError> {
    let edits = args.edits()?;
    if args.json && args.file.iter().any(|file| torrent_file::is_dash(file)) {
        return Err(CliError::usage(
            "--json and the .torrent cannot both go to stdout: give a file instead of -",
        ));
    }
    each(&args.file, env, |file| edit_one(file, &edits, args, env))
}

fn edit_one(file: &Path, edits: &Edits, args: &EditArgs, env: &Env) -> Result<(), CliError> {
    let before = torrent_file::read_bytes(file)?;
    let after = edits.apply(&before).map_err(|why| refused(file, why))?;
    write(file, &before, &after, env)?;
    let parse = |bytes| Metainfo::parse(bytes).map_err(|source| bad(file, source));
    let (old, new) = (parse(&before)?, parse(&after)?);
    if !args.quiet {
        for line in said(file, &old, &new, before != after) {
            // The file is written: a closed stderr does not undo it.
            let _ = env.screen.line(&printable(&line));
        }
    }
    if args.json { print(env, &as_json(&new, false, false)) } else { Ok(()) }
}

/// What was done, for stderr.
fn said(file: &Path, old: &Metainfo, new: &Metainfo, changed: bool) -> Vec<String> {
    let file = file.display();
    if old.info_hash() != new.info_hash() {
        let text = |source: Option<String>| source.unwrap_or_else(|| "nothing".into());
        return vec![
            format!("{file}: the source was {}, is {}", text(old.source()), text(new.source())),
            format!(
                "{file}: that is in the part that the info-hash covers: it was {} and is {} now, \
                 another torrent for all peers",
                old.info_hash(),
                new.info_hash()
            ),
        ];
    }
    vec![format!("{file}: {}", if changed { "edited" } else { "nothing to change" })]
}

fn write(file: &Path, before: &[u8], after: &[u8], env: &Env) -> Result<(), CliError> {
    if torrent_file::is_dash(file) {
        let mut out = env.out.clone();
        return Ok(out.write_all(after).and_then(|()| out.flush()).map_err(ShowError::Output)?);
    }
    if before == after {
        return Ok(());
    }
    torrent_file::write(file, after, Existing::Replace)
        .map_err(|why| create::unwritable(file, &why))
}

fn bad(file: &Path, source: MetainfoError) -> CliError {
    ShowError::BadTorrent { path: file.to_owned(), source }.into()
}

fn refused(file: &Path, why: EditError) -> CliError {
    match why {
        EditError::Torrent(source) => bad(file, source),
        EditError::NotThere(_) => {
            let file = file.display();
            CliError::new(Exit::Failed, format!("{file} was not changed: {why}"))
        }
    }
}
