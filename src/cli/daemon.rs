//! `peer daemon`: many torrents, kept over restarts, in the foreground of whoever starts it.
//!
//! ```text
//! settings (file, flags) -> node, session     DIR/torrents -> the torrents of the last run
//! --share, --watch-dir -> folders -> orders   remote control -> orders
//! ```
//! It does not fork: systemd, a shell's `&` or a container do that better than a program with
//! threads.

/// Folders whose entries become torrents.
mod folders;
/// What changed in a folder, between two looks.
mod listing;

use super::args::DaemonArgs;
use super::door;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::places::SETTINGS;
use super::run::{context, start, watch_signals};
use super::session::kept::{Keeper, Left};
use super::session::{Manner, Opening, Session, Wires};
use super::{logging, print};
use crate::control::Desk;
use folders::Folders;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a daemon looks for a name or for somebody who has the metainfo: as long as it runs.
const PATIENCE: Duration = Duration::from_hours(24 * 3650);

/// Runs until it is told to stop.
pub fn daemon(args: &DaemonArgs, env: &Env) -> Result<(), CliError> {
    let mut config = args.config(&env.places)?;
    let mut live = args.live(&config);
    if args.dump_settings {
        return print(env, &args.printed(&config, &live));
    }
    logging::init(&args.log(), env.rust_log.as_deref(), &env.screen)?;
    config.timeout = PATIENCE;
    let door = door::options(args.door(), args.auth.as_ref(), env)?;
    let door = door::of_daemon(door, args, env);
    let state = args.config_dir.clone().or_else(|| env.places.state.clone()).ok_or_else(|| {
        CliError::usage("there is no HOME to keep torrents in: give --config-dir DIR")
    })?;
    let settings = args.config_dir.clone().or_else(|| env.places.config.clone());
    live.file = args.config.clone().or_else(|| settings.map(|folder| folder.join(SETTINGS)));
    live.config_dir = Some(std::path::absolute(&state).unwrap_or_else(|_| state.clone()));
    let folders = Folders::of(args.share.as_deref(), args.watch_dir.as_deref())?;
    let (keeper, left) = Keeper::open(&state)?;
    let _pid = args.pid_file.as_deref().map(PidFile::write).transpose()?;
    let (desk, letters) = Desk::open();
    let door = door::open(door, desk.clone(), env, args.quiet)?;
    let folders = folders.watch(desk.clone())?;
    let signals = watch_signals(env)?;
    let node = start(&config, env, true)?;
    let context = context(&config, &node)?;
    let Left { torrents, sum, troubles } = left;
    let manner =
        Manner { ends: false, draws: false, quiet: args.quiet, logs: args.logfile.is_some() };
    let mut session = Session::open(Opening {
        env,
        json: args.json,
        manner,
        node,
        context,
        live,
        keeper: Some(keeper),
        before: sum,
    });
    for trouble in troubles {
        let _ = env.screen.line(&format!("peer: {trouble}")); // a closed stderr stops nobody
    }
    for found in torrents {
        session.restore(found, args.paused);
    }
    let ended = session.work(&Wires { signals, letters, desk });
    drop((door, folders));
    ended
}

/// The file with the process's number; it goes when the program ends.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> Result<Self, CliError> {
        let number = format!("{}\n", std::process::id());
        fs::write(path, number).map_err(|why| {
            CliError::disk("write the process's number to", path, &why, "choose another --pid-file")
        })?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody may have taken it away already.
        let _ = fs::remove_file(&self.0);
    }
}

impl From<folders::FolderError> for CliError {
    fn from(error: folders::FolderError) -> Self {
        Self::new(Exit::Disk, error.to_string())
    }
}
