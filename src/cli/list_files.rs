//! `peer --leech WHAT --list`: the files of what could be fetched, with the numbers that `--select`
//! takes. Nothing is fetched but the metainfo, and nothing is made on disk.

use super::choice::Choice;
use super::env::Env;
use super::exit::CliError;
use super::item::Item;
use super::prepare::{Context, find, tracker_address};
use super::progress::State;
use super::show::as_json;
use super::style::printable;
use super::{print, units};
use crate::config::{PEER_PORTS, PeerConfig, PortChoice};
use crate::ids::PeerId;
use crate::metainfo::Metainfo;
use crate::node::trackers::announce::AnnounceIdentity;
use crossbeam_channel::never;
use std::fmt::Write as _;
use std::sync::Arc;

/// Peers that a BitTorrent tracker is asked for: a few are enough for metainfo.
const NUMWANT: u32 = 20;

/// Lists the files of each item.
pub fn list(config: &PeerConfig, items: &[Item], json: bool, env: &Env) -> Result<(), CliError> {
    let context = context(config)?;
    for item in items {
        let progress = |state: State| {
            if let State::Looking { what, .. } = state {
                log::info!("{}: {what}", item.label());
            }
        };
        let found = find(&context, item, &progress)?;
        print(env, &if json { as_json(&found.meta, false, false) } else { as_text(&found.meta) })?;
    }
    Ok(())
}

/// Who asks when no node runs: nobody calls back, so the port is only a number that trackers take.
fn context(config: &PeerConfig) -> Result<Context, CliError> {
    let bind = Some(config.bind).filter(|ip| !ip.is_unspecified());
    let peer_id = PeerId::generate(&mut fastrand::Rng::new());
    let port = match config.port {
        PortChoice::Exact(port) => port,
        PortChoice::FirstFree(_) | PortChoice::Any => *PEER_PORTS.start(),
    };
    let (key, dns_prefs) = (fastrand::u32(..), config.dns_prefs);
    let address = |tracker| tracker_address(tracker, Some(config.bind));
    let trackers = config.trackers.iter().map(address).collect::<Result<_, _>>()?;
    Ok(Context {
        config: config.clone(),
        trackers,
        bind,
        peer_id,
        identity: AnnounceIdentity { bind, port, peer_id, key, numwant: NUMWANT, dns_prefs },
        choice: Choice::default(),
        stop: Arc::default(),
        stopped: never(),
        contents: Arc::default(),
        liars: Arc::default(),
    })
}

/// A line for each file: its number, its size, its path.
fn as_text(meta: &Metainfo) -> String {
    let count = meta.data_files().count();
    let width = count.saturating_sub(1).to_string().len();
    let size = units::bytes(meta.total_size());
    let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    let mut text = format!("{}: {files}, {size}\n", printable(&meta.name));
    for (n, file) in meta.data_files().enumerate() {
        let (size, path) = (units::bytes(file.length), printable(&file.path.join("/")));
        // A String takes all.
        let _ = writeln!(text, "{n:>width$}  {size:>10}  {path}");
    }
    text
}
