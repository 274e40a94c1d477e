//! From a name or a hash to a torrent: trackers are asked, then peers, again and again until one
//! of them knows it or the time is up.

use super::exit::{CliError, Exit};
use super::item::Item;
use super::locate::Hierarchy;
use super::prepare::Context;
use super::progress::State;
use super::units;
use super::what::What;
use crate::ids::{InfoHash, PeerId};
use crate::logic::announcer::is_nearby;
use crate::metainfo::Metainfo;
use crate::node::metadata::{self, Given, NoMetadata, Wanted};
use crate::node::trackers::announce::{FoundPeers, ask_once};
use crate::node::trackers::{TrackerError, calls};
use crate::protocol::Dialect;
use crate::protocol::announce::Event;
use crate::protocol::tracker_native::{Candidate, PeerEntry};
use crate::protocol::url::Url;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How long a peer has for its metainfo, be `--timeout` as short as it may: the answer to one
/// question may take so long.
const ONE_ANSWER: Duration = Duration::from_secs(10);

/// How many peers a tracker of ours is asked for, when it lacks the metainfo.
const METADATA_PEERS: u16 = 8;

/// How long BitTorrent trackers have to name peers.
const ANNOUNCED: Duration = Duration::from_secs(8);

/// How long BitTorrent trackers are left alone between two questions.
const AGAIN: Duration = Duration::from_secs(15);

/// The same when all of them are nearby, where nobody is harmed.
const AGAIN_NEARBY: Duration = Duration::from_secs(5);

/// How long BitTorrent trackers have to hear that we search no more.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// How long other peers have to give the piece layers of a hybrid, once one has given it without.
const LAYERS: Duration = Duration::from_secs(2);

/// Peers that are asked for metainfo at the same time, while they answer.
const AT_ONCE: usize = 4;

/// The most that are asked at the same time, when those before them are slow.
const AT_MOST: usize = 16;

/// How long nobody answers until one more peer is asked.
const ONE_MORE: Duration = Duration::from_secs(5);

/// What a peer said.
type Answer = (SocketAddr, Result<Given, NoMetadata>);

/// Something that is known by its name or hash, and who may know more.
#[derive(Clone)]
pub(super) struct Sought<'a> {
    /// How the user calls it.
    pub what: &'a What,
    /// Its hashes; `None` while only its name is known.
    pub wanted: Option<Wanted>,
    /// Trackers of ours.
    pub trackers: Vec<SocketAddr>,
    /// BitTorrent trackers, in tiers.
    pub tiers: Vec<Vec<String>>,
    /// Peers that a magnet names.
    pub peers: Vec<SocketAddr>,
}

/// Asks trackers and peers, every two seconds, until one knows it or the time is up. BitTorrent
/// trackers are asked less often, and hear it when nothing comes of it.
pub(super) fn ask(
    context: &Context,
    sought: &Sought,
    say: &dyn Fn(State),
) -> Result<Metainfo, CliError> {
    let mut announced = Announced::default();
    let sought = &by_announces(sought);
    let result = search(context, sought, &mut announced, say);
    let farewells = announced.farewells(&sought.tiers);
    if let (Err(_), Some(wanted), false) = (&result, sought.wanted, farewells.is_empty()) {
        let hashes = wanted.short();
        ask_once(&context.identity, &hashes, &farewells, Event::Stopped, FAREWELL);
    }
    result
}

/// Our trackers find nothing by its v1 hash alone; as BitTorrent trackers they name who has it.
fn by_announces<'a>(sought: &Sought<'a>) -> Sought<'a> {
    let mut sought = sought.clone();
    if sought.wanted.is_some_and(|wanted| wanted.v2.is_none()) {
        let urls = sought.trackers.iter().map(|at| vec![format!("udp://{at}/announce")]);
        let urls: Vec<_> = urls.filter(|url| !sought.tiers.contains(url)).collect();
        sought.tiers.extend(urls);
    }
    sought
}

/// What BitTorrent trackers said in one search.
#[derive(Debug, Default)]
struct Announced {
    /// When they were asked last.
    last: Option<Instant>,
    /// What they said then; peers are kept while no others are named.
    found: FoundPeers,
    /// Trackers that count us, by scheme, host and port.
    counting: BTreeSet<String>,
}

impl Announced {
    fn is_due(&self, now: Instant, tiers: &[Vec<String>]) -> bool {
        let again = if urls(tiers).all(|url| is_nearby(&url)) { AGAIN_NEARBY } else { AGAIN };
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= again)
    }

    /// `started` until somebody has heard it.
    fn event(&self) -> Event {
        if self.counting.is_empty() { Event::Started } else { Event::None }
    }

    /// The trackers were asked about so many hashes each.
    fn on_found(&mut self, now: Instant, tiers: &[Vec<String>], hashes: usize, found: FoundPeers) {
        self.last = Some(now);
        self.found.failures = found.failures;
        if !found.peers.is_empty() {
            self.found.peers = found.peers;
        }
        let failures =
            |origin: &String| self.found.failures.iter().filter(|(who, _)| who == origin).count();
        let heard = urls(tiers).map(|url| url.origin()).filter(|who| failures(who) < hashes);
        self.counting.extend(heard);
    }

    /// The URLs of the trackers that count us.
    fn farewells(&self, tiers: &[Vec<String>]) -> Vec<Vec<String>> {
        let counts = |url: &Url| self.counting.contains(&url.origin());
        urls(tiers).filter(counts).map(|url| vec![url.to_string()]).collect()
    }
}

fn urls(tiers: &[Vec<String>]) -> impl Iterator<Item = Url> {
    tiers.iter().flatten().filter_map(|url| Url::parse(url).ok())
}

fn search(
    context: &Context,
    sought: &Sought,
    announced: &mut Announced,
    say: &dyn Fn(State),
) -> Result<Metainfo, CliError> {
    let what = sought.what;
    let start = Instant::now();
    let deadline = start + context.config.timeout;
    let patience = start + context.config.timeout.max(ONE_ANSWER);
    let label = || Item::Leech(what.clone()).label();
    // Our trackers know nothing by its v1 hash.
    let only_v1 = sought.wanted.is_some_and(|wanted| wanted.v2.is_none());
    let mut hierarchy = Hierarchy::of(context)?;
    loop {
        let mut troubles = Vec::new();
        let located = match &mut hierarchy {
            Some(hierarchy) if !only_v1 => hierarchy.locate(sought, &mut troubles)?,
            _ => None,
        };
        let sought = located.as_ref().unwrap_or(sought);
        for &tracker in sought.trackers.iter().filter(|_| !only_v1) {
            match ask_one(context, sought, tracker, patience) {
                Ok(Some(meta)) => return Ok(meta),
                Ok(None) => troubles.push(CliError::new(
                    Exit::NotFound,
                    format!("{} is not known at {tracker}", label()),
                )),
                Err(error) if error.exit == Exit::NoAnswer => troubles.push(error),
                Err(error) => return Err(error),
            }
        }
        if let Some(wanted) = sought.wanted {
            let (peers, unanswered) = named_peers(context, sought, (&wanted, announced), deadline);
            if let Some(meta) = from_peers(context, peers, wanted, patience) {
                return Ok(meta);
            }
            troubles.extend(unanswered);
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

/// Peers that the magnet, the command line or BitTorrent trackers name, and how to speak to them;
/// and what is to be said if none of them knows it.
fn named_peers(
    context: &Context,
    sought: &Sought,
    (wanted, announced): (&Wanted, &mut Announced),
    deadline: Instant,
) -> (Vec<(SocketAddr, Dialect)>, Vec<CliError>) {
    let mut peers: Vec<_> = sought.peers.iter().map(|&peer| (peer, Dialect::BitTorrent)).collect();
    for &peer in &context.config.peers {
        peers.extend(wanted.v2.map(|_| (peer, Dialect::Native)));
        peers.push((peer, Dialect::BitTorrent));
    }
    let mut unanswered = Vec::new();
    if !sought.tiers.is_empty() {
        let now = Instant::now();
        if announced.is_due(now, &sought.tiers) {
            let time = deadline.saturating_duration_since(now).min(ANNOUNCED);
            let (time, hashes) = (time.max(Duration::from_secs(1)), wanted.short());
            let (me, event) = (&context.identity, announced.event());
            let found = ask_once(me, &hashes, &sought.tiers, event, time);
            announced.on_found(now, &sought.tiers, hashes.len(), found);
        }
        let found = &announced.found;
        peers.extend(found.peers.iter().map(|&peer| (peer, Dialect::BitTorrent)));
        unanswered.extend(
            (found.failures.iter())
                .map(|(who, why)| CliError::new(Exit::NoAnswer, format!("{who}: {why}"))),
        );
        if found.peers.is_empty() {
            let label = Item::Leech(sought.what.clone()).label();
            let message = format!("no peer that has {label} is known");
            unanswered.push(CliError::new(Exit::NotFound, message));
        }
    }
    (peers, unanswered)
}

/// Of several troubles the one to report: that it is unknown says more than that nobody answered.
fn last_word(mut troubles: Vec<CliError>, what: &What) -> CliError {
    troubles.sort_by_key(|error| error.exit != Exit::NotFound);
    match troubles.into_iter().next() {
        Some(error) => error,
        None => CliError::new(
            Exit::NotFound,
            format!(
                "no tracker and no peer to ask for {} (give --tracker or --peer)",
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
    sought: &Sought,
    tracker: SocketAddr,
    patience: Instant,
) -> Result<Option<Metainfo>, CliError> {
    let (hash, wanted) = match (sought.wanted, sought.what) {
        (Some(wanted), _) => match wanted.v2 {
            Some(hash) => (hash, wanted),
            None => return Ok(None), // our trackers know nothing by its v1 hash
        },
        (None, What::Name { name, hash_prefix }) => {
            match look_up(context, tracker, name, hash_prefix)? {
                Some(found) => {
                    (found.info_hash, Wanted { v1: found.info_hash_v1, v2: Some(found.info_hash) })
                }
                None => return Ok(None),
            }
        }
        (None, _) => return Ok(None),
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
    let listed = calls::peers(tracker, context.bind, hash, 0, METADATA_PEERS).unwrap_or_default();
    let dialect = |p: &PeerEntry| if p.native { Dialect::Native } else { Dialect::BitTorrent };
    let peers = listed.iter().filter(|p| p.native || p.bittorrent);
    let peers = peers.map(|p| (p.addr, dialect(p))).collect();
    Ok(from_peers(context, peers, wanted, patience))
}

/// The metainfo from the first peer that gives all of it, four being asked at a time, and one more
/// whenever a while passes without an answer: slow peers keep nobody waiting for those behind them.
/// After `patience` nobody is asked any more. Who lied is remembered, and neither asked again nor
/// called for the content.
fn from_peers(
    context: &Context,
    mut peers: Vec<(SocketAddr, Dialect)>,
    wanted: Wanted,
    patience: Instant,
) -> Option<Metainfo> {
    peers.retain(|(peer, _)| !context.liars.lock().contains(peer));
    let threads = peers.len().min(AT_ONCE);
    let (answers, heard) = bounded(AT_MOST); // one for each thread
    let answers = Arc::new(answers);
    let mut asking = Asking {
        peers: Arc::new(Mutex::new(peers.into_iter())),
        answers: Arc::downgrade(&answers),
        threads: 0,
        manner: (context.bind, context.peer_id),
        wanted,
        patience,
    };
    (0..threads).for_each(|_| asking.one_more());
    drop(answers);
    let judge = |peer: SocketAddr, error: &NoMetadata| {
        log::info!("{peer}: no metainfo: {error}");
        if error.is_a_lie() {
            context.liars.lock().insert(peer);
        }
    };
    best(&heard, LAYERS, judge, || asking.one_more(), || context.is_stopping())
}

/// Peers that are asked for metainfo, each by a thread that then goes on to the next.
struct Asking {
    peers: Arc<Mutex<std::vec::IntoIter<(SocketAddr, Dialect)>>>,
    /// Where answers go. Only the threads keep it: when none of them is left, no answer will come.
    answers: Weak<Sender<Answer>>,
    threads: usize,
    manner: (Option<IpAddr>, PeerId),
    wanted: Wanted,
    patience: Instant,
}

impl Asking {
    /// One more thread, if somebody is left to be asked.
    fn one_more(&mut self) {
        let Some(answers) = self.answers.upgrade() else { return };
        if self.threads >= AT_MOST || self.peers.lock().as_slice().is_empty() {
            return;
        }
        let (peers, (bind, peer_id)) = (self.peers.clone(), self.manner);
        let (wanted, patience) = (self.wanted, self.patience);
        let next = move || peers.lock().next().filter(|_| Instant::now() < patience);
        let n = self.threads;
        self.threads += 1;
        let spawned = Builder::new().name(format!("metadata-{n}")).spawn(move || {
            while let Some((peer, dialect)) = next() {
                let fetched = match (dialect, wanted.v2) {
                    (Dialect::Native, Some(hash)) => {
                        metadata::fetch(peer, bind, peer_id, hash, patience).map(Given::Whole)
                    }
                    _ => metadata::fetch_in_bittorrent(peer, bind, peer_id, &wanted, patience),
                };
                if answers.send((peer, fetched)).is_err() {
                    return; // somebody else had it
                }
            }
        });
        if let Err(error) = spawned {
            log::warn!("no thread to ask peers for metainfo: {error}");
        }
    }
}

/// The first metainfo that is whole. A hybrid without its piece layers is taken only when nobody
/// else has answered `grace` later, or all have.
fn best(
    heard: &Receiver<Answer>,
    grace: Duration,
    judge: impl Fn(SocketAddr, &NoMetadata),
    mut one_more: impl FnMut(),
    is_stopping: impl Fn() -> bool,
) -> Option<Metainfo> {
    let mut as_v1: Option<(Metainfo, Instant)> = None;
    loop {
        let next = match &as_v1 {
            Some((_, end)) => heard.recv_deadline(*end),
            None => heard.recv_timeout(ONE_MORE),
        };
        if as_v1.is_none() && matches!(next, Err(RecvTimeoutError::Timeout)) && !is_stopping() {
            one_more();
            continue;
        }
        let Ok((peer, fetched)) = next else { break };
        match fetched {
            Ok(Given::Whole(meta)) => return Some(meta),
            Ok(Given::AsV1(meta)) => {
                as_v1.get_or_insert_with(|| (meta, Instant::now() + grace));
            }
            Err(error) => judge(peer, &error),
        }
        if is_stopping() {
            return None;
        }
    }
    let (meta, _) = as_v1?;
    log::info!("nobody gave the piece layers of {}: it is taken as v1", meta.name);
    Some(meta)
}

/// What is wanted when only a hash is known.
pub(super) fn wanted(hash: InfoHash) -> Wanted {
    match hash {
        InfoHash::V1(v1) => Wanted { v1: Some(v1), v2: None },
        InfoHash::V2(v2) => Wanted { v1: None, v2: Some(v2) },
    }
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
    choose(found, name, prefix)
}

/// The one content whose hash begins so, of those that bear a name.
pub(super) fn choose(
    found: Vec<Candidate>,
    name: &str,
    prefix: &str,
) -> Result<Option<Candidate>, CliError> {
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

#[cfg(test)]
mod tests;
