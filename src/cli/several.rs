//! A command over several files: each is done, whatever becomes of the others.
//!
//! What goes wrong is named as it happens; the last of it is the sentence that the program ends
//! with. The exit code is the lowest of theirs, so that data that differs (5) is not hidden by a
//! file that is missing (8).

use super::env::Env;
use super::exit::CliError;
use super::style::{ColorChoice, printable};

/// Does each item in turn.
pub fn each<T>(
    items: &[T],
    env: &Env,
    mut job: impl FnMut(&T) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut failed: Option<CliError> = None;
    for item in items {
        let Err(mut error) = job(item) else { continue };
        if let Some(earlier) = failed {
            let peer = env.style(ColorChoice::Auto).error("peer:");
            // A closed stderr stops nobody.
            let _ = env.screen.line(&format!("{peer} {}", printable(&earlier.message)));
            error.exit = error.exit.min(earlier.exit);
        }
        failed = Some(error);
    }
    failed.map_or(Ok(()), Err)
}
