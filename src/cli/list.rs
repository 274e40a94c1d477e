//! `peer list`: what trackers know, one line or one JSON object per content.

use super::args::ListArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::prepare::tracker_address;
use super::{pieces, print, style, units};
use crate::config::TrackerAddr;
use crate::node::trackers::{TrackerError, calls};
use crate::protocol::tracker_native::Candidate;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often it asks again while no tracker answers.
const RETRY: Duration = Duration::from_millis(500);

/// `peer list`: exit 3 when a tracker does not answer.
pub fn list(args: &ListArgs, env: &Env) -> Result<(), CliError> {
    let deadline = Instant::now() + args.timeout();
    let mut all: Vec<(SocketAddr, Candidate)> = Vec::new();
    for tracker in args.trackers() {
        let (address, found) = ask(&tracker, deadline)?;
        for new in found {
            if all.iter().all(|(_, known)| known.info_hash != new.info_hash) {
                all.push((address, new));
            }
        }
    }
    let entries = all.iter().map(|(tracker, entry)| shown(*tracker, entry, args, env, deadline));
    print(env, &entries.collect::<String>())?;
    if all.is_empty() && !args.json && !args.quiet {
        // A closed stderr stops nobody.
        let _ = env.screen.line("nothing is shared there");
    }
    Ok(())
}

/// A tracker's catalogue; asks again until the deadline while nobody answers.
fn ask(tracker: &TrackerAddr, deadline: Instant) -> Result<(SocketAddr, Vec<Candidate>), CliError> {
    let address = tracker_address(tracker, None)?;
    loop {
        match calls::list(address, None) {
            Ok(found) => return Ok((address, found)),
            Err(TrackerError::NoAnswer { .. }) if Instant::now() + RETRY <= deadline => {
                let _ = crossbeam_channel::after(RETRY).recv();
            }
            Err(error) => return Err(CliError::new(Exit::NoAnswer, error.to_string())),
        }
    }
}

/// A content's line, and under `--pieces` its nodes'.
fn shown(
    tracker: SocketAddr,
    entry: &Candidate,
    args: &ListArgs,
    env: &Env,
    deadline: Instant,
) -> String {
    let mut object = as_json(entry);
    let swarm = args.pieces.then(|| pieces::ask(tracker, entry.info_hash, deadline));
    let swarm = swarm.and_then(|answer| match answer {
        Ok(swarm) => Some(swarm),
        Err(why) => {
            let name = style::printable(&entry.name);
            let _ = env.screen.line(&format!("no pieces of {name} from {tracker}: {why}"));
            None
        }
    });
    if !args.json {
        return as_text(entry) + "\n" + &swarm.map_or_else(String::new, |s| pieces::lines(&s));
    }
    if let Some(swarm) = swarm {
        object["nodes"] = swarm["nodes"].clone();
    }
    object.to_string() + "\n"
}

fn as_json(entry: &Candidate) -> Value {
    json!({
        "name": entry.name,
        "info_hash_v2": entry.info_hash.to_string(),
        "info_hash_v1": entry.info_hash_v1.map(|hash| hash.to_string()),
        "size": entry.size,
        "pieces": entry.pieces,
        "seeders": entry.seeders,
        "leechers": entry.leechers,
    })
}

fn as_text(entry: &Candidate) -> String {
    format!(
        "{:>10}  {:>3} seeding {:>3} fetching  {}  {}",
        units::bytes(entry.size),
        entry.seeders,
        entry.leechers,
        &entry.info_hash.to_string()[..8],
        style::printable(&entry.name),
    )
}
