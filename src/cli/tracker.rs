//! `tracker`: from its flags to a running tracker, and how it ends.

use super::args::TrackerArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::{logging, on_tracker_listening, serve, signals};
use crate::tracker::{Tracker, TrackerError, TrackerOptions};

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
        dashboard: config.dashboard,
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
    let _ = on_tracker_listening(env, &mut events, args, tracker.local_addr());
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
