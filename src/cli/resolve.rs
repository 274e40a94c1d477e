//! From a name or a hash to a torrent: trackers are asked, then peers, again and again until one
//! of them knows it or the time is up.

use super::exit::{CliError, Exit};
use super::prepare::{Context, Item};
use super::progress::State;
use super::units;
use super::what::What;
use crate::ids::InfoHashV2;
use crate::metainfo::Metainfo;
use crate::node::metadata;
use crate::node::trackers::{TrackerError, calls};
use crate::protocol::tracker_native::Candidate;
use crossbeam_channel::RecvTimeoutError;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a peer has for its metainfo, be `--timeout` as short as it may: the answer to one
/// question may take so long.
const ONE_ANSWER: Duration = Duration::from_secs(10);

/// How many peers are asked for metainfo that the trackers lack.
const METADATA_PEERS: u16 = 8;

/// Asks trackers, every two seconds, until one knows it or the time is up.
pub(super) fn ask(
    context: &Context,
    what: &What,
    trackers: &[SocketAddr],
    peers: &[SocketAddr],
    say: &dyn Fn(State),
) -> Result<Metainfo, CliError> {
    let start = Instant::now();
    let deadline = start + context.config.timeout;
    let patience = start + context.config.timeout.max(ONE_ANSWER);
    loop {
        let mut troubles = Vec::new();
        for &tracker in trackers {
            match ask_one(context, what, tracker, patience) {
                Ok(Some(meta)) => return Ok(meta),
                Ok(None) => troubles.push(CliError::new(
                    Exit::NotFound,
                    format!("{} is not known at {tracker}", Item::Leech(what.clone()).label()),
                )),
                Err(error) if error.exit == Exit::NoAnswer => troubles.push(error),
                Err(error) => return Err(error),
            }
        }
        if let What::HashV2(hash) = *what
            && let peers = [peers, &context.config.peers].concat()
            && let Some(meta) = from_peers(context, &peers, hash, patience)
        {
            return Ok(meta);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let pause = context.config.retry_interval.min(left);
        let trouble = last_word(troubles, what);
        if left.is_zero() {
            return Err(with_advice(trouble, context.config.timeout));
        }
        say(State::Looking { what: trouble.message, waited: start.elapsed() });
        if context.stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return Err(CliError::new(Exit::Stopped, "stopped before anything was found"));
        }
    }
}

/// Of several troubles the one to report: that it is unknown says more than that nobody answered.
fn last_word(mut troubles: Vec<CliError>, what: &What) -> CliError {
    troubles.sort_by_key(|error| error.exit != Exit::NotFound);
    match troubles.into_iter().next() {
        Some(error) => error,
        None => CliError::new(
            Exit::NotFound,
            format!(
                "{}: no tracker and no peer to ask: give --tracker or --peer",
                Item::Leech(what.clone()).label()
            ),
        ),
    }
}

fn with_advice(trouble: CliError, waited: Duration) -> CliError {
    if trouble.exit != Exit::NotFound {
        return trouble;
    }
    let (message, waited) = (trouble.message, units::took(waited));
    let advice = "is somebody seeding it? peer list shows what is there";
    CliError::new(Exit::NotFound, format!("{message} after {waited}: {advice}"))
}

fn ask_one(
    context: &Context,
    what: &What,
    tracker: SocketAddr,
    patience: Instant,
) -> Result<Option<Metainfo>, CliError> {
    let hash = match what {
        &What::HashV2(hash) => hash,
        What::Name { name, hash_prefix } => match look_up(context, tracker, name, hash_prefix)? {
            Some(candidate) => candidate.info_hash,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    match calls::fetch(tracker, context.bind, hash) {
        Ok(bytes) => {
            let meta = Metainfo::parse(&bytes);
            let is_it = |meta: &Metainfo| meta.info_hash_v2 == Some(hash) && meta.layers_complete();
            if let Some(meta) = meta.ok().filter(is_it) {
                return Ok(Some(meta));
            }
            log::warn!("{tracker}: its .torrent of {hash} is another one, or not all of it");
        }
        Err(TrackerError::Refused { message, .. }) => log::info!("{tracker}: {message}"),
        Err(error) => return Err(CliError::new(Exit::NoAnswer, error.to_string())),
    }
    // The tracker has no .torrent: whoever has the content has it too.
    let listed = calls::peers(tracker, context.bind, hash, 0, METADATA_PEERS);
    let addresses: Vec<SocketAddr> =
        listed.unwrap_or_default().iter().filter(|p| p.native).map(|p| p.addr).collect();
    Ok(from_peers(context, &addresses, hash, patience))
}

/// The metainfo from the first peer that gives it; after `patience` nobody is asked any more.
fn from_peers(
    context: &Context,
    peers: &[SocketAddr],
    hash: InfoHashV2,
    patience: Instant,
) -> Option<Metainfo> {
    let mut in_time = peers.iter().take_while(|_| Instant::now() < patience);
    in_time.find_map(|&peer| {
        let fetched = metadata::fetch(peer, context.bind, context.peer_id, hash, patience);
        fetched.inspect_err(|error| log::info!("{peer}: no metainfo: {error}")).ok()
    })
}

/// The one content that bears the name; an error if several do.
fn look_up(
    context: &Context,
    tracker: SocketAddr,
    name: &str,
    prefix: &str,
) -> Result<Option<Candidate>, CliError> {
    let found = calls::lookup(tracker, context.bind, name).map_err(|error| match error {
        TrackerError::Refused { .. } => CliError::new(Exit::NotFound, error.to_string()),
        _ => CliError::new(Exit::NoAnswer, error.to_string()),
    })?;
    let mut fits: Vec<Candidate> =
        found.into_iter().filter(|c| c.info_hash.to_string().starts_with(prefix)).collect();
    if fits.len() <= 1 {
        return Ok(fits.pop());
    }
    let each = fits.iter().map(|c| {
        let (size, hash) = (units::bytes(c.size), c.info_hash.to_string());
        format!("\n  {name}@{}  {size}, {} seeding", &hash[..8], c.seeders)
    });
    let each: String = each.collect();
    Err(CliError::new(
        Exit::NotFound,
        format!("{name} is the name of {} contents: say which one{each}", fits.len()),
    ))
}
