//! `peer --seed` and `--leech`: a session in the foreground, for people and programs.
//!
//! It ends when everything is fetched and served as long as was asked, or when it is told to.

use super::args::NodeArgs;
use super::choice::Choice;
use super::door;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::item::Item;
use super::prepare::{Context, tracker_address};
use super::session::live::Live;
use super::session::{Manner, Opening, Session, Wires};
use super::what::What;
use super::{list_files, logging, signals};
use crate::config::{PeerConfig, PortChoice, ResolveMode};
use crate::control::Desk;
use crate::control::view::Sum;
use crate::ids::PeerId;
use crate::node::{Node, NodeError, NodeOptions};
use crossbeam_channel::never;
use std::io::{BufRead, Read};
use std::net::SocketAddr;
use std::sync::Arc;

/// The most of a list of names on stdin.
const LONGEST_LIST: u64 = 16 << 20;

/// Runs a node until its work is done or it is told to stop.
pub fn run(args: &NodeArgs, env: &Env) -> Result<(), CliError> {
    logging::init(&args.log(), env.rust_log.as_deref(), &env.screen)?;
    let config = args.config()?;
    if args.list {
        return list_files::list(&config, &items(args)?, args.json, env);
    }
    let door = args.web.map(|at| door::options(at, args.auth.as_ref(), env)).transpose()?;
    let (desk, letters) = Desk::open();
    let open = |options| door::open(options, desk.clone(), env, args.quiet);
    let door = door.map(open).transpose()?;
    let signals = watch_signals(env)?;
    let node = start(&config, env, door.is_some())?;
    let mut context = context(&config, &node)?;
    context.choice.select.clone_from(&args.select);
    let manner =
        Manner { ends: true, draws: true, quiet: args.quiet, logs: args.logfile.is_some() };
    let live = Live { download_dir: config.download_dir.clone(), ..Live::of(&config) };
    let mut session = Session::open(Opening {
        env,
        json: args.json,
        manner,
        node,
        context,
        live,
        keeper: None,
        before: Sum::default(),
    });
    // It listens before it reads what stdin may say only later.
    let items = match items(args) {
        Ok(items) => items,
        Err(why) => {
            session.give_up();
            return Err(why);
        }
    };
    for item in items {
        let job = session.job(item);
        session.take(job);
    }
    let ended = session.work(&Wires { signals, letters, desk });
    drop(door);
    ended
}

/// What `--seed` and `--leech` name; `-` stands for the lines of stdin.
fn items(args: &NodeArgs) -> Result<Vec<Item>, CliError> {
    let mut items = Vec::new();
    for path in &args.seed {
        if path.as_os_str() == "-" {
            items.extend(lines_of_stdin("--seed")?.into_iter().map(|p| Item::Seed(p.into())));
        } else {
            items.push(Item::Seed(path.clone()));
        }
    }
    for what in &args.leech {
        if matches!(what, What::Name { name, .. } if name == "-") {
            let words = lines_of_stdin("--leech")?.into_iter();
            let whats = words.map(|word| word.parse().expect("every word is something"));
            items.extend(whats.map(Item::Leech));
        } else {
            items.push(Item::Leech(what.clone()));
        }
    }
    Ok(items)
}

/// The lines of stdin that are neither empty nor a `#` comment.
fn lines_of_stdin(flag: &str) -> Result<Vec<String>, CliError> {
    let stdin = std::io::stdin().lock().take(LONGEST_LIST);
    let lines: Result<Vec<String>, _> = stdin.lines().collect();
    let lines = lines.map_err(|error| {
        CliError::new(Exit::Failed, format!("cannot read the list for {flag} - ({error})"))
    })?;
    let wanted = |line: &String| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let lines: Vec<String> = lines.into_iter().filter(wanted).collect();
    if lines.is_empty() {
        return Err(CliError::usage(format!(
            "{flag} - found nothing on stdin: give a name a line"
        )));
    }
    Ok(lines.into_iter().map(|line| line.trim().to_owned()).collect())
}

/// Ctrl-C, SIGTERM and a closed terminal.
pub fn watch_signals(env: &Env) -> Result<crossbeam_channel::Receiver<signals::Stop>, CliError> {
    signals::watch_of_peer(signals::PATIENCE, &env.code)
        .map_err(|e| CliError::new(Exit::Failed, format!("cannot watch for signals: {e}")))
}

fn addresses(config: &PeerConfig) -> Result<Vec<SocketAddr>, CliError> {
    let bind = Some(config.bind);
    config.trackers.iter().map(|tracker| tracker_address(tracker, bind)).collect()
}

/// Starts a node with these settings.
///
/// What happens in it can be looked at if it has a door.
pub fn start(config: &PeerConfig, env: &Env, watchable: bool) -> Result<Node, CliError> {
    let options = options(config, addresses(config)?);
    let (panic_at, lies) = (env.panic_at.clone(), env.lies);
    Ok(Node::start(NodeOptions { watchable, panic_at, lies, ..options })?)
}

/// What torrents of a node are prepared with.
pub fn context(config: &PeerConfig, node: &Node) -> Result<Context, CliError> {
    Ok(Context {
        bind: Some(config.bind).filter(|ip| !ip.is_unspecified()),
        trackers: addresses(config)?,
        peer_id: PeerId::generate(&mut fastrand::Rng::new()),
        identity: node.identity(),
        choice: Choice::default(),
        stop: Arc::default(),
        stopped: never(),
        contents: Arc::default(),
        liars: Arc::default(),
        config: config.clone(),
    })
}
fn options(config: &PeerConfig, trackers: Vec<SocketAddr>) -> NodeOptions {
    NodeOptions {
        bind: Some(config.bind),
        ports: match &config.port {
            PortChoice::FirstFree(range) => range.clone().collect(),
            PortChoice::Exact(port) => vec![*port],
            PortChoice::Any => vec![0],
        },
        trackers,
        resolve: config.resolve.map(ResolveMode::manner),
        announce_urls: config.announce_urls.clone(),
        max_peers: config.max_peers,
        max_per_ip: config.max_per_ip,
        upload_slots: config.upload_slots,
        up_limit: config.up_limit,
        down_limit: config.down_limit,
        picker: config.picker,
        choker: config.choker.clone(),
        super_seeding: config.super_seeding,
        pipeline: config.pipeline,
        endgame: config.endgame,
        dns_prefs: config.dns_prefs,
        time_scale: config.time_scale,
        trace: config.trace.clone(),
        watchable: false,
        panic_at: None,
        lies: false,
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        let exit = match &error {
            NodeError::PortInUse { .. } => Exit::PortInUse,
            NodeError::Trace { path, source } => {
                let advice = "choose another --trace";
                return Self::disk("write the trace to", path, source, advice);
            }
            NodeError::Listen { .. } | NodeError::Io(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_cannot_be_written_is_a_disk_error_that_names_the_file() {
        let trace = Some("/nowhere/t.jsonl".into());
        let started = Node::start(NodeOptions { trace, ..NodeOptions::on_loopback() });
        let Err(error) = started.map(|_| ()).map_err(CliError::from) else { panic!("it began") };
        assert_eq!(error.exit, Exit::Disk);
        assert_eq!(
            error.message,
            "cannot write the trace to /nowhere/t.jsonl (no such file or directory): choose \
             another --trace"
        );
    }
}
