//! The small commands: `tracker`, and `peer create`, `show`, `magnet`, `list`, `verify`.

use super::args::{CreateArgs, ListArgs, MagnetArgs, ShowArgs, TrackerArgs, VerifyArgs};
use super::create::{CreateError, CreateRequest, Output};
use super::env::Env;
use super::exit::{CliError, Exit};
use super::prepare::{bad_data, open_first, tracker_address};
use super::show::{ShowError, read_torrent};
use super::units::{self, PieceLength};
use super::{create, logging, magnet, on_tracker_listening, pieces, serve, show, signals, style};
use crate::node::trackers::{TrackerError as AskError, calls};
use crate::protocol::tracker_native::Candidate;
use crate::storage::create::{HashOptions, hash_path};
use crate::tracker::{Tracker, TrackerError, TrackerOptions};
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How often `peer list` asks again while no tracker answers.
const RETRY: Duration = Duration::from_millis(500);

/// `tracker`: answers until it is told to stop.
pub fn tracker(args: &TrackerArgs, env: &Env) -> Result<(), CliError> {
    logging::init(&args.log(), env.rust_log.as_deref(), &env.screen)?;
    let config = args.config();
    let signals = signals::watch(signals::PATIENCE)
        .map_err(|e| CliError::new(Exit::Failed, format!("cannot watch for signals: {e}")))?;
    let options = TrackerOptions {
        listen: config.listen,
        keepalive: config.keepalive,
        expire: config.expire,
        interval: config.interval,
        announce_interval: config.announce_interval,
        max_torrents: config.max_torrents,
        max_peers: config.max_peers,
        max_per_ip: config.max_per_ip,
        federation: config.hierarchy.clone(),
        max_peers_per_torrent: config.max_peers_per_torrent,
        trust_ip: config.trust_ip,
        ..TrackerOptions::default()
    };
    let mut tracker = Tracker::bind(options)?;
    let services = serve::start(&config, args.json, env, &mut tracker)?;
    let stopper = tracker.stopper();
    std::thread::Builder::new()
        .name("stopper".into())
        .spawn(move || {
            let _ = signals.recv();
            stopper.stop();
        })
        .map_err(|e| CliError::new(Exit::Failed, format!("no thread to start: {e}")))?;
    let mut events = env.events(args.json);
    // A closed stderr or stdout stops no tracker.
    let _ = on_tracker_listening(env, &mut events, args.quiet, tracker.local_addr());
    let ran = tracker.run();
    drop(tracker);
    services.finish();
    Ok(ran?)
}

impl From<TrackerError> for CliError {
    fn from(error: TrackerError) -> Self {
        let exit = match error {
            TrackerError::AddrInUse(_) => Exit::PortInUse,
            TrackerError::Trace { .. } => Exit::Disk,
            TrackerError::Bind { .. } | TrackerError::Readiness(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

/// `peer create`.
pub fn create(args: &CreateArgs, env: &Env) -> Result<(), CliError> {
    let request = CreateRequest {
        path: args.path.clone(),
        output: args.output.as_ref().map_or(Output::Beside, |path| {
            if path == Path::new("-") { Output::Stdout } else { Output::File(path.clone()) }
        }),
        trackers: args.tracker.clone(),
        piece_length: args.piece_length.map(|PieceLength(bytes)| bytes),
        version: args.version()?,
        ..CreateRequest::default()
    };
    let mut trouble = None;
    let hash = |request: &CreateRequest| {
        let options = HashOptions { piece_length: request.piece_length, version: request.version };
        hash_path(&request.path, &options, &mut |_, _| {}).map_err(|error| {
            let message = error.to_string();
            trouble = Some(error);
            message
        })
    };
    let mut told = Vec::new();
    let made = create::create(&request, hash, &mut env.out.clone(), &mut told);
    match (made, trouble) {
        (_, Some(error)) => Err(error.into()),
        (Err(error), None) => Err(error.into()),
        (Ok(()), None) => {
            if args.json && request.output != Output::Stdout {
                let file = match &request.output {
                    Output::File(file) => file.clone(),
                    _ => written_beside(&told),
                };
                return Ok(show::show(&file, true, &mut env.out.clone())?);
            }
            if !args.quiet {
                let _ = env.screen.line(String::from_utf8_lossy(&told).trim_end());
            }
            Ok(())
        }
    }
}

/// The file that a summary line names first.
fn written_beside(summary: &[u8]) -> PathBuf {
    let text = String::from_utf8_lossy(summary);
    PathBuf::from(text.split(": ").next().unwrap_or_default())
}

impl From<CreateError> for CliError {
    fn from(error: CreateError) -> Self {
        let exit = match error {
            CreateError::Impossible { .. } => Exit::BadTorrent,
            CreateError::Unreadable { .. } | CreateError::Unwritable { .. } => Exit::Disk,
        };
        Self::new(exit, error.to_string())
    }
}

/// `peer show`.
pub fn show(args: &ShowArgs, env: &Env) -> Result<(), CliError> {
    Ok(show::show(&args.file, args.json, &mut env.out.clone())?)
}

/// `peer magnet`.
pub fn magnet(args: &MagnetArgs, env: &Env) -> Result<(), CliError> {
    let mut out = env.out.clone();
    if !args.json {
        return Ok(magnet::magnet(&args.file, &mut out)?);
    }
    let meta = read_torrent(&args.file)?;
    let line = json!({ "name": meta.name, "magnet": meta.magnet().to_string() });
    Ok(writeln!(out, "{line}").map_err(ShowError::Output)?)
}

/// `peer list`.
pub fn list(args: &ListArgs, env: &Env) -> Result<(), CliError> {
    let deadline = Instant::now() + args.timeout();
    let mut all: Vec<(SocketAddr, Candidate)> = Vec::new();
    for tracker in args.trackers() {
        let address = tracker_address(&tracker)?;
        let found = loop {
            match calls::list(address, None) {
                Ok(found) => break found,
                Err(error @ AskError::NoAnswer { .. }) if Instant::now() + RETRY > deadline => {
                    return Err(CliError::new(Exit::NoAnswer, error.to_string()));
                }
                Err(AskError::NoAnswer { .. }) => {
                    let _ = crossbeam_channel::after(RETRY).recv();
                }
                Err(error) => return Err(CliError::new(Exit::NoAnswer, error.to_string())),
            }
        };
        all.extend(
            found
                .into_iter()
                .filter(|new| all.iter().all(|(_, c)| c.info_hash != new.info_hash))
                .map(|new| (address, new))
                .collect::<Vec<_>>(),
        );
    }
    let mut out = env.out.clone();
    let mut text = String::new();
    for (tracker, entry) in &all {
        text += &list_entry(*tracker, entry, args, env, deadline);
    }
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(ShowError::Output)?;
    if all.is_empty() && !args.json {
        let _ = env.screen.line("nothing is shared there");
    }
    Ok(())
}

/// A content's line, and under `--pieces` its nodes'.
fn list_entry(
    tracker: SocketAddr,
    entry: &Candidate,
    args: &ListArgs,
    env: &Env,
    deadline: Instant,
) -> String {
    let mut object = list_json(entry);
    let swarm = args.pieces.then(|| pieces::ask(tracker, entry.info_hash, deadline));
    let swarm = swarm.and_then(|answer| match answer {
        Ok(swarm) => Some(swarm),
        Err(why) => {
            let name = style::printable(&entry.name);
            // A closed stderr stops nobody.
            let _ = env.screen.line(&format!("no pieces of {name} from {tracker}: {why}"));
            None
        }
    });
    if !args.json {
        return list_text(entry) + "\n" + &swarm.map_or_else(String::new, |s| pieces::lines(&s));
    }
    if let Some(swarm) = swarm {
        object["nodes"] = swarm["nodes"].clone();
    }
    object.to_string() + "\n"
}

fn list_json(entry: &Candidate) -> Value {
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

fn list_text(entry: &Candidate) -> String {
    format!(
        "{:>10}  {:>3} seeding {:>3} fetching  {}  {}",
        units::bytes(entry.size),
        entry.seeders,
        entry.leechers,
        &entry.info_hash.to_string()[..8],
        style::printable(&entry.name),
    )
}

/// `peer verify`: exit 5 when something differs.
pub fn verify(args: &VerifyArgs, env: &Env) -> Result<(), CliError> {
    let meta = read_torrent(&args.file)?;
    let beside = args.file.parent().unwrap_or(Path::new("")).to_owned();
    let folders = match &args.download_dir {
        Some(folder) => vec![folder.clone()],
        None => vec![PathBuf::from("downloads"), beside],
    };
    let (storage, _) = open_first(&meta, &args.file, &folders)?;
    let have = storage.verify_all(2, &|_| {}, &AtomicBool::new(false))?;
    let (right, pieces) = (have.count(), have.pieces());
    if args.json {
        let wrong: Vec<u32> = have.missing().map(|piece| piece.0).collect();
        let line = json!({ "name": meta.name, "pieces": pieces, "right": right, "wrong": wrong });
        writeln!(env.out.clone(), "{line}").map_err(ShowError::Output)?;
    }
    if !have.is_full() {
        return Err(bad_data(&meta.name, &have, &args.file));
    }
    if !args.quiet && !args.json {
        let _ = env.screen.line(&format!("{}: all {pieces} pieces are right", meta.name));
    }
    Ok(())
}
