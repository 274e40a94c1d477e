//! What `--seed` and `--leech` name becomes a torrent with its files, ready for the node.
//!
//! ```text
//! --seed PATH          hash it -> metainfo -> files, all right
//! --seed X.torrent     read it -> its data, checked
//! --leech NAME         ask the trackers -> info-hash -> .torrent from a tracker, or from a peer
//! --leech X.torrent    read it                               -> space reserved, what is there checked
//! ```
//! Each item is prepared on a thread of its own and says how it goes; nobody waits for another's
//! tracker or disk. Of two items with the same content the second is refused before it touches
//! the disk: a node has every content once.

use super::args::is_torrent;
use super::choice::Choice;
use super::exit::{CliError, Exit};
use super::item::Item;
use super::progress::State;
use super::resolve::{Sought, ask, wanted};
use super::show::{ShowError, read_torrent};
use super::what::What;
use crate::bitfield::Bitfield;
use crate::config::{IoMode, PeerConfig, TrackerAddr};
use crate::ids::{InfoHash, PeerId};
use crate::logic::picker::Priority;
use crate::metainfo::build::{BuildOptions, announce_tier, build};
use crate::metainfo::draft::Version;
use crate::metainfo::magnet::Magnet;
use crate::metainfo::{FileKind, Metainfo, MetainfoError};
use crate::node::metadata::Wanted;
use crate::node::selection::wanted_entries;
use crate::node::trackers::announce::AnnounceIdentity;
use crate::node::trackers::host::addresses_of;
use crate::node::trackers::http::{self, Get};
use crate::protocol::url::{Url, shown};
use crate::storage::content::{self, Content};
use crate::storage::create::{HashOptions, hash_content};
use crate::storage::{Io, Storage, StorageError, StoragePlan};
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest .torrent that is fetched from the web, in bytes.
const LONGEST_TORRENT: u64 = 16 * 1024 * 1024;

/// How long that may take, be `--timeout` as short as it may.
const WEB: Duration = Duration::from_secs(15);

/// The same, be it as long as it may.
const WEB_MOST: Duration = Duration::from_mins(1);

/// Native trackers that are looked up for one torrent.
const NAMED_TRACKERS: usize = 8;

/// A torrent that can be given to the node.
pub struct Prepared {
    /// Its name for people.
    pub name: String,
    /// What it is.
    pub meta: Metainfo,
    /// Its files.
    pub storage: Storage,
    /// The pieces that are there and right.
    pub have: Bitfield,
    /// The file or folder, for people.
    pub path: PathBuf,
    /// Whether it is fetched, not only served.
    pub is_download: bool,
    /// Native trackers that the torrent names, looked up.
    pub trackers: Vec<SocketAddr>,
    /// Peers that a magnet named.
    pub peers: Vec<SocketAddr>,
    /// How much each data file is wanted; empty: all as usual.
    pub priorities: Vec<Priority>,
}

/// How preparing goes on.
pub enum News {
    /// What it is doing now.
    State(State),
    /// Done.
    Ready(Box<Prepared>),
    /// It cannot be done.
    Failed(CliError),
}

/// What an item is prepared with. A copy shares the contents and the liars with its original.
#[derive(Clone)]
pub struct Context {
    /// The settings.
    pub config: PeerConfig,
    /// The trackers, looked up.
    pub trackers: Vec<SocketAddr>,
    /// Where outgoing connections start.
    pub bind: Option<IpAddr>,
    /// Who we are when we ask peers for metainfo.
    pub peer_id: PeerId,
    /// Who we are for BitTorrent trackers.
    pub identity: AnnounceIdentity,
    /// Which files are wanted.
    pub choice: Choice,
    /// Set when nobody waits for the item any more.
    pub stop: Arc<AtomicBool>,
    /// Closed at the same time: whoever waits on it wakes.
    pub stopped: Receiver<()>,
    /// The contents that were found so far, and which item each was found for.
    pub contents: Arc<Mutex<HashMap<InfoHash, String>>>,
    /// Peers whose metainfo was not what its hash says.
    pub liars: Arc<Mutex<HashSet<SocketAddr>>>,
}

/// Ends the preparing of one item when it is dropped.
#[derive(Debug)]
pub struct Leash {
    stop: Arc<AtomicBool>,
    _stopped: Sender<()>,
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Context {
    /// A context of its own for one item, whose data goes to `folder`, and what ends its preparing.
    pub fn for_one(&self, folder: PathBuf) -> (Self, Leash) {
        let stop = Arc::new(AtomicBool::new(false));
        let (leash, stopped) = bounded(0); // never sent on
        let config = PeerConfig { download_dir: folder, ..self.config.clone() };
        (
            Self { config, stop: stop.clone(), stopped, ..self.clone() },
            Leash { stop, _stopped: leash },
        )
    }

    /// An item's content may be taken up again.
    pub fn forget(&self, content: InfoHash) {
        self.contents.lock().remove(&content);
    }

    /// Whether the program is on its way out.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Takes note of an item's content; an error when another item has the same.
    fn claim(&self, content: InfoHash, item: &Item) -> Result<(), CliError> {
        match self.contents.lock().entry(content) {
            Entry::Vacant(free) => {
                free.insert(item.in_words());
                Ok(())
            }
            Entry::Occupied(taken) => Err(CliError::usage(format!(
                "{} is the same content as {}: give it once",
                item.in_words(),
                taken.get()
            ))),
        }
    }
}

/// A tracker's host and port as an address; of a host with several, one in the family of `bind`.
pub fn tracker_address(
    tracker: &TrackerAddr,
    bind: Option<IpAddr>,
) -> Result<SocketAddr, CliError> {
    let looked_up = addresses_of(&tracker.host, tracker.port, bind);
    looked_up.ok().and_then(|found| found.first().copied()).ok_or_else(|| {
        CliError::new(
            Exit::NoAnswer,
            format!("no tracker is called {tracker} (no such host): check --tracker"),
        )
    })
}

/// Prepares one item and says how it goes; the last word is `Ready` or `Failed`.
pub fn prepare(context: &Context, item: &Item, tell: &dyn Fn(News)) {
    let say = |state: State| tell(News::State(state));
    let prepared = match item {
        Item::Seed(path) => seed(context, item, path, &say),
        Item::Leech(_) | Item::Torrent(_) => {
            find(context, item, &say).and_then(|found| leech(context, item, found, &say))
        }
    };
    tell(match prepared {
        Ok(prepared) => News::Ready(Box::new(prepared)),
        Err(error) => News::Failed(error),
    });
}

/// The metainfo of what is to be fetched, and the peers that a magnet named.
pub struct Found {
    /// What it is.
    pub meta: Metainfo,
    /// Peers to call.
    pub peers: Vec<SocketAddr>,
    /// The files that it selected; nothing is all.
    pub selected: Vec<RangeInclusive<u32>>,
}

/// Finds the metainfo of something to be fetched; nothing is opened or made on disk.
pub fn find(context: &Context, item: &Item, say: &dyn Fn(State)) -> Result<Found, CliError> {
    let found = |meta| Found { meta, peers: Vec::new(), selected: Vec::new() };
    match item {
        Item::Torrent(meta) => whole(context, meta.as_ref().clone(), None, say).map(found),
        Item::Seed(path) => Ok(found(read_torrent(path)?)),
        Item::Leech(what) => match what {
            What::Torrent(path) => whole(context, read_torrent(path)?, Some(path), say).map(found),
            What::Magnet(link) => from_magnet(context, what, link, say),
            What::Name { .. } => ask(context, &sought(context, what, None), say).map(found),
            &What::HashV2(hash) => from_hash(context, what, hash.into(), say).map(found),
            &What::HashV1(hash) => from_hash(context, what, hash.into(), say).map(found),
            What::Url(url) => from_web(context, url).map(found),
        },
    }
}

fn seed(
    context: &Context,
    item: &Item,
    path: &Path,
    say: &dyn Fn(State),
) -> Result<Prepared, CliError> {
    if is_torrent(path) {
        return seed_torrent(context, item, path, say);
    }
    let options =
        HashOptions { piece_length: context.config.piece_length, version: Version::Hybrid };
    let mut progress = |done, total| say(State::Verifying { done, total });
    let found = Content::find(path, &content::Choice::default())?;
    if let Some(left_out) = found.left_out_in_words() {
        log::warn!("{}: {left_out}", path.display());
    }
    let draft = hash_content(&found, &options, &mut progress)?;
    // Who has authority for it is found out by its hash, and may be another tracker tomorrow.
    let trackers = context.trackers.iter().filter(|_| context.config.resolve.is_none());
    let trackers: Vec<String> = trackers.map(ToString::to_string).collect();
    let build_options = BuildOptions {
        trackers: trackers.iter().map(|tracker| announce_tier(tracker)).collect(),
        native_trackers: trackers,
        created_by: Some(super::create::CREATED_BY.to_owned()),
        ..BuildOptions::default()
    };
    let meta = build(&draft, &build_options).map_err(|error| bad_torrent(path, &error))?;
    context.claim(meta.info_hash(), item)?;
    let root = std::path::absolute(path).map_err(|e| StorageError::of(path, "find", e))?;
    let root = root.parent().unwrap_or(Path::new("/")).to_owned();
    let names = draft.files.iter().map(|file| {
        if draft.single_file {
            vec![draft.name.clone()]
        } else {
            [std::slice::from_ref(&draft.name), &file.path].concat()
        }
    });
    let plan = StoragePlan::of(&meta, root)?.with_names(names);
    let storage = Storage::open_existing(plan)?;
    storage.trust(&found.files.iter().map(|file| file.stamp).collect::<Vec<_>>());
    let have = Bitfield::full(meta.geometry().pieces());
    Ok(finish(meta, storage, have, path.to_owned(), false))
}

fn seed_torrent(
    context: &Context,
    item: &Item,
    file: &Path,
    say: &dyn Fn(State),
) -> Result<Prepared, CliError> {
    let meta = read_torrent(file)?;
    if !meta.layers_complete() {
        return Err(no_layers(file, "make it again from its data, with peer create"));
    }
    context.claim(meta.info_hash(), item)?;
    let beside = file.parent().unwrap_or(Path::new("")).to_owned();
    let folders = [context.config.download_dir.clone(), beside];
    let (storage, folder) = open_first(&meta, file, &folders)?;
    let have = check_disk(context, &storage, say)?;
    let path = folder.join(&meta.name);
    if !have.is_full() {
        return Err(bad_data(&path.display().to_string(), &have, file));
    }
    Ok(finish(meta, storage, have, path, false))
}

/// Opens a torrent's data in the first of the folders that has it, and says which that is.
pub(super) fn open_first(
    meta: &Metainfo,
    file: &Path,
    folders: &[PathBuf],
) -> Result<(Storage, PathBuf), CliError> {
    let mut missing = StorageError::Missing { path: file.to_owned() };
    for folder in folders {
        // `x.torrent` lies beside what is in the current folder, whose path has no letters.
        let here = folder.as_os_str().is_empty();
        let folder = if here { PathBuf::from(".") } else { folder.clone() };
        match Storage::open_existing(StoragePlan::of(meta, folder.clone())?) {
            Ok(storage) => return Ok((storage, folder)),
            Err(error @ StorageError::Missing { .. }) => missing = error,
            Err(error) => return Err(error.into()),
        }
    }
    Err(missing.into())
}

/// What is there is not all that the torrent says.
pub(super) fn bad_data(what: &str, have: &Bitfield, file: &Path) -> CliError {
    let (right, all) = (have.count(), have.pieces());
    CliError::new(
        Exit::BadData,
        format!(
            "{what} does not match its hashes: {right} of {all} pieces are right; \
             peer --leech {} fetches the others",
            file.display()
        ),
    )
}

fn leech(
    context: &Context,
    item: &Item,
    found: Found,
    say: &dyn Fn(State),
) -> Result<Prepared, CliError> {
    let Found { meta, peers, selected } = found;
    let choice = Choice { by_magnet: selected, ..context.choice.clone() };
    let priorities = choice.of(&meta)?;
    context.claim(meta.info_hash(), item)?;
    let folder = context.config.download_dir.clone();
    let path = folder.join(&meta.name);
    let io = match context.config.io {
        IoMode::Mmap => Io::Mmap,
        IoMode::Pread => Io::Pread,
    };
    let there = files_there(&meta, &folder);
    let plan = StoragePlan::of(&meta, folder)?.with_wanted(wanted_entries(&meta, &priorities));
    let storage = Storage::create_or_resume(plan, io)?;
    let have = check_disk(context, &storage, say)?;
    // Not a damaged copy of ours, nor what a power cut left, but somebody's file of that name and size.
    let is_foreign = |entry: usize| have.is_empty() && !storage.is_blank(entry);
    if let Some((_, file)) = there.iter().find(|(entry, _)| is_foreign(*entry)) {
        return Err(CliError::new(
            Exit::Disk,
            format!(
                "{} is there and is something else: move it away, \
                 or choose another folder with --download-dir",
                file.display()
            ),
        ));
    }
    let mut prepared = finish(meta, storage, have, path, true);
    prepared.peers = peers;
    prepared.priorities = priorities;
    Ok(prepared)
}

/// The files with content that are on disk under their final names, and their places in the list.
fn files_there(meta: &Metainfo, folder: &Path) -> Vec<(usize, PathBuf)> {
    let data = meta.files.iter().enumerate().filter(|(_, file)| file.kind == FileKind::Data);
    let there = data.map(|(entry, file)| {
        let path = file.path.iter().fold(folder.to_owned(), |path, part| path.join(part));
        (entry, path)
    });
    let has_pieces = |entry| !meta.pieces_of(entry).is_empty();
    there.filter(|(entry, path)| has_pieces(*entry) && path.is_file()).collect()
}

/// What is looked for with the trackers of the command line alone.
fn sought<'a>(context: &Context, what: &'a What, wanted: Option<Wanted>) -> Sought<'a> {
    let tiers = context.config.announce_urls.iter().map(|url| vec![url.clone()]);
    let (trackers, tiers) = (context.trackers.clone(), tiers.collect());
    Sought { what, wanted, trackers, tiers, peers: Vec::new() }
}

/// What is looked for with the trackers that a torrent names, and with those of the command line
/// unless it keeps to its own (BEP 27).
fn sought_for<'a>(
    context: &Context,
    what: &'a What,
    wanted: Wanted,
    meta: &Metainfo,
) -> Sought<'a> {
    let mut sought = sought(context, what, Some(wanted));
    if meta.keeps_to_its_trackers() {
        sought.trackers.clear();
        sought.tiers.clear();
    }
    sought.trackers.extend(looked_up(&meta.native_trackers));
    sought.tiers.extend(meta.trackers.iter().cloned());
    sought
}

fn from_hash(
    context: &Context,
    what: &What,
    hash: InfoHash,
    say: &dyn Fn(State),
) -> Result<Metainfo, CliError> {
    ask(context, &sought(context, what, Some(wanted(hash))), say)
}

/// The .torrent that an address of the web is.
fn from_web(context: &Context, url: &str) -> Result<Metainfo, CliError> {
    let time = context.config.timeout.clamp(WEB, WEB_MOST);
    let bytes = fetch_torrent(context.bind, url, time)?;
    let meta = Metainfo::parse(&bytes).map_err(|error| {
        CliError::new(Exit::BadTorrent, format!("what {} gave is no torrent: {error}", shown(url)))
    })?;
    if !meta.layers_complete() {
        return Err(no_layers(Path::new(&meta.name), "get one that has them"));
    }
    Ok(meta)
}

/// What a web server has at an address: the bytes of a .torrent, as it says.
///
/// # Errors
/// [`Exit::NoAnswer`] when there is no good answer within that time, [`Exit::Usage`] when the address
/// is none.
pub fn fetch_torrent(bind: Option<IpAddr>, url: &str, time: Duration) -> Result<Vec<u8>, CliError> {
    // Path and query are between the user and the server: what is said here is logged.
    let shown = shown(url);
    let no_answer = |why: &str| CliError::new(Exit::NoAnswer, format!("{shown}: {why}"));
    let at = Url::parse(url)
        .map_err(|error| CliError::usage(format!("the .torrent's URL is unusable: {error}")))?;
    let deadline = Instant::now() + time;
    let get = Get { url: &at, bind, range: None, limit: LONGEST_TORRENT, deadline };
    let (head, bytes) = http::fetch(&get).map_err(|error| no_answer(&error.to_string()))?;
    if head.status != 200 {
        return Err(no_answer(&format!("the server says {}", head.status)));
    }
    Ok(bytes)
}

/// What a magnet link names, and the peers that it names: the metainfo comes from them, or from
/// those that its trackers know.
fn from_magnet(
    context: &Context,
    what: &What,
    link: &str,
    say: &dyn Fn(State),
) -> Result<Found, CliError> {
    let magnet: Magnet = link
        .parse()
        .map_err(|error| CliError::new(Exit::BadTorrent, format!("bad magnet link: {error}")))?;
    let wanted = Wanted { v1: magnet.info_hash_v1, v2: magnet.info_hash_v2 };
    let mut sought = sought(context, what, Some(wanted));
    sought.trackers.extend(looked_up(&magnet.native_trackers));
    let named = magnet.trackers.iter().map(|url| vec![url.clone()]);
    sought.tiers.extend(named.clone());
    sought.peers = magnet.peers.iter().filter_map(|peer| peer.parse().ok()).collect();
    let mut meta = ask(context, &sought, say)?;
    if meta.trackers.is_empty() {
        meta.trackers = named.collect();
    }
    if meta.native_trackers.is_empty() {
        meta.native_trackers = magnet.native_trackers;
    }
    if meta.web_seeds.is_empty() {
        meta.web_seeds = magnet.web_seeds;
    }
    Ok(Found { meta, peers: sought.peers, selected: magnet.select_only })
}

/// A torrent with its piece layers. One without them says what is to be fetched, but not what each
/// piece must be: those who have the content are asked for the layers.
fn whole(
    context: &Context,
    meta: Metainfo,
    file: Option<&Path>,
    say: &dyn Fn(State),
) -> Result<Metainfo, CliError> {
    if meta.layers_complete() {
        return Ok(meta);
    }
    let name = file.unwrap_or(Path::new(&meta.name)).to_owned();
    log::info!("{}: it has no piece layers: asking for them", name.display());
    let what = What::Torrent(name.clone());
    let hashes = Wanted { v1: meta.info_hash_v1, v2: meta.info_hash_v2 };
    let sought = sought_for(context, &what, hashes, &meta);
    let mut found = ask(context, &sought, say).map_err(|error| match error.exit {
        Exit::Stopped => error,
        _ => no_layers(&name, &format!("nobody was found who has them ({})", error.message)),
    })?;
    (found.trackers, found.native_trackers) = (meta.trackers, meta.native_trackers);
    found.web_seeds = meta.web_seeds;
    Ok(found)
}

/// The addresses of `host:port` texts, as far as there are any.
fn looked_up(named: &[String]) -> Vec<SocketAddr> {
    let found = named.iter().take(NAMED_TRACKERS).filter_map(|text| text.to_socket_addrs().ok());
    found.filter_map(|mut addresses| addresses.next()).collect()
}

fn no_layers(file: &Path, advice: &str) -> CliError {
    CliError::new(
        Exit::BadTorrent,
        format!(
            "{} has no piece layers, so its pieces cannot be checked: {advice}",
            file.display()
        ),
    )
}

fn finish(
    meta: Metainfo,
    storage: Storage,
    have: Bitfield,
    path: PathBuf,
    is_download: bool,
) -> Prepared {
    let (name, trackers) = (meta.name.clone(), looked_up(&meta.native_trackers));
    let (peers, priorities) = (Vec::new(), Vec::new());
    Prepared { name, meta, storage, have, path, is_download, trackers, peers, priorities }
}

/// Checks all that is on disk, and says how it goes.
fn check_disk(
    context: &Context,
    storage: &Storage,
    say: &dyn Fn(State),
) -> Result<Bitfield, CliError> {
    let total = storage.total();
    let done = AtomicU64::new(0);
    let (told_in, told) = bounded::<()>(1); // one wake-up is as good as many
    let progress = |bytes| {
        done.fetch_add(bytes, Ordering::Relaxed);
        let _ = told_in.try_send(());
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let checking = std::thread::Builder::new()
            .name("check".into())
            .spawn_scoped(scope, || storage.verify_all(threads, &progress, &context.stop))
            .map_err(|e| StorageError::of(Path::new("."), "start a thread", e))?;
        while !checking.is_finished() {
            let _ = told.recv_timeout(Duration::from_millis(20));
            if total > 0 {
                say(State::Verifying { done: done.load(Ordering::Relaxed), total });
            }
        }
        Ok(checking.join().expect("checking does not panic")?)
    })
}

fn bad_torrent(path: &Path, error: &MetainfoError) -> CliError {
    CliError::new(
        Exit::BadTorrent,
        format!("no torrent can be made of {}: {error}", path.display()),
    )
}

impl From<StorageError> for CliError {
    fn from(error: StorageError) -> Self {
        let exit = match error {
            StorageError::Inconsistent(_) | StorageError::BadName { .. } => Exit::BadTorrent,
            _ => Exit::Disk,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ShowError> for CliError {
    fn from(error: ShowError) -> Self {
        let exit = match error {
            ShowError::BadTorrent { .. } => Exit::BadTorrent,
            ShowError::Unreadable { .. } | ShowError::Output(_) => Exit::Disk,
        };
        Self::new(exit, error.to_string())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::node::{NewTorrent, Node, NodeOptions};
    use crate::storage::create::hash_path;
    use std::cell::RefCell;
    use std::net::Ipv4Addr;

    /// A folder that goes with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("swarmlet-prepare-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        /// A file of three pieces.
        fn file(&self, name: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, vec![7; 150_000]).unwrap();
            path
        }

        /// The .torrent of that file: whole, or without its piece layers.
        fn torrent(&self, path: &Path, version: Version, has_layers: bool) -> PathBuf {
            let mut meta = metainfo(path, version);
            if !has_layers {
                meta.files.iter_mut().for_each(|file| file.layer.clear());
            }
            let torrent = self.0.join("x.torrent");
            std::fs::write(&torrent, meta.to_torrent()).unwrap();
            torrent
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0); // left to the system's housekeeping
        }
    }

    fn metainfo(path: &Path, version: Version) -> Metainfo {
        let options = HashOptions { piece_length: Some(65536), version };
        let draft = hash_path(path, &options, &mut |_, _| {}).unwrap();
        build(&draft, &BuildOptions::default()).unwrap()
    }

    /// Without trackers, and with a timeout of nothing.
    fn context(scratch: &Scratch, peers: Vec<SocketAddr>) -> Context {
        context_of(PeerConfig {
            download_dir: scratch.0.join("out"),
            piece_length: Some(65536),
            timeout: Duration::ZERO,
            peers,
            ..PeerConfig::default()
        })
    }

    /// Settings without trackers, in a program that does not stop.
    pub fn context_of(config: PeerConfig) -> Context {
        Context {
            config,
            trackers: Vec::new(),
            bind: None,
            peer_id: PeerId([1; 20]),
            identity: AnnounceIdentity {
                bind: None,
                port: 1,
                peer_id: PeerId([1; 20]),
                key: 1,
                numwant: 1,
                dns_prefs: false,
            },
            choice: Choice::default(),
            stop: Arc::default(),
            stopped: crossbeam_channel::never(),
            contents: Arc::default(),
            liars: Arc::default(),
        }
    }

    /// The last word about an item.
    fn outcome(context: &Context, item: &Item) -> Result<Prepared, CliError> {
        let last = RefCell::new(None);
        prepare(context, item, &|word| *last.borrow_mut() = Some(word));
        match last.into_inner() {
            Some(News::Ready(prepared)) => Ok(*prepared),
            Some(News::Failed(error)) => Err(error),
            Some(News::State(_)) | None => panic!("the last word was not said"),
        }
    }

    fn expect_error(outcome: Result<Prepared, CliError>, exit: Exit, words: &[&str]) {
        let Err(error) = outcome else { panic!("it was prepared") };
        assert_eq!(error.exit, exit, "{error}");
        for word in words {
            assert!(error.message.contains(word), "{word:?} is not in {error}");
        }
    }

    #[test]
    fn the_same_content_is_prepared_once_and_its_second_item_touches_no_file() {
        let scratch = Scratch::new("twice");
        let path = scratch.file("g.bin");
        let torrent = scratch.torrent(&path, Version::Hybrid, true);
        let context = context(&scratch, Vec::new());
        let leech = Item::Leech(What::Torrent(torrent));
        assert!(outcome(&context, &Item::Seed(path)).is_ok());
        let words = ["--leech", "x.torrent", "--seed", "g.bin", "give it once"];
        expect_error(outcome(&context, &leech), Exit::Usage, &words);
        assert!(!scratch.0.join("out").exists());
    }

    #[test]
    fn a_v1_torrent_is_served_and_its_data_goes_on_from_what_is_there() {
        let scratch = Scratch::new("v1");
        let path = scratch.file("g.bin");
        let torrent = scratch.torrent(&path, Version::V1, true);
        let seed = outcome(&context(&scratch, Vec::new()), &Item::Seed(torrent.clone())).unwrap();
        assert!(seed.have.is_full() && seed.meta.info_hash_v2.is_none());
        std::fs::create_dir(scratch.0.join("out")).unwrap();
        std::fs::copy(&path, scratch.0.join("out/g.bin")).unwrap();
        let leech = Item::Leech(What::Torrent(torrent));
        let leech = outcome(&context(&scratch, Vec::new()), &leech).unwrap();
        assert!(leech.have.is_full() && leech.is_download);
    }

    #[test]
    fn a_torrent_without_its_layers_is_refused_when_nobody_has_them() {
        let scratch = Scratch::new("bare");
        let torrent = scratch.torrent(&scratch.file("g.bin"), Version::Hybrid, false);
        let context = context(&scratch, Vec::new());
        let seed = outcome(&context, &Item::Seed(torrent.clone()));
        expect_error(seed, Exit::BadTorrent, &["x.torrent", "piece layers", "peer create"]);
        let leech = outcome(&context, &Item::Leech(What::Torrent(torrent)));
        expect_error(leech, Exit::BadTorrent, &["x.torrent", "piece layers", "nobody"]);
        assert!(!scratch.0.join("out").exists());
    }

    #[test]
    fn a_private_torrent_without_its_layers_is_asked_for_at_its_own_trackers_only() {
        let scratch = Scratch::new("private");
        let mut context = context(&scratch, Vec::new());
        let (ours, own) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        context.trackers = vec![ours];
        context.config.announce_urls = vec!["udp://192.0.2.1:1".into()];
        let mut meta = metainfo(&scratch.file("g.bin"), Version::Hybrid);
        meta.private = true;
        let what = What::Torrent("x.torrent".into());
        let mut check = |trackers: &[SocketAddr], tiers: &[&str]| {
            let hashes = Wanted { v1: meta.info_hash_v1, v2: meta.info_hash_v2 };
            let sought = sought_for(&context, &what, hashes, &meta);
            assert_eq!(
                (&*sought.trackers, &*sought.tiers.concat().join(" ")),
                (trackers, &*tiers.join(" "))
            );
            meta.native_trackers = vec!["192.0.2.2:2".into()];
            meta.trackers = vec![vec!["http://192.0.2.2:2/announce".into()]];
        };
        check(&[ours], &["udp://192.0.2.1:1"]);
        check(&[own], &["http://192.0.2.2:2/announce"]);
    }

    #[test]
    fn the_layers_that_a_torrent_lacks_come_from_a_peer() {
        let scratch = Scratch::new("layers");
        let path = scratch.file("g.bin");
        let torrent = scratch.torrent(&path, Version::Hybrid, false);
        let meta = metainfo(&path, Version::Hybrid);
        let node = Node::start(NodeOptions::on_loopback()).unwrap();
        let plan = StoragePlan::of(&meta, scratch.0.clone()).unwrap();
        let have = Bitfield::full(meta.geometry().pieces());
        let storage = Storage::open_existing(plan).unwrap();
        node.add(NewTorrent::of(&meta, storage, have));
        let context = context(&scratch, vec![(Ipv4Addr::LOCALHOST, node.port()).into()]);
        let got = outcome(&context, &Item::Leech(What::Torrent(torrent)));
        node.stop();
        let Ok(got) = got else { panic!("it was not prepared") };
        assert_eq!((got.meta.info_hash(), got.is_download), (meta.info_hash(), true));
        assert!(got.meta.layers_complete() && got.have.is_empty());
    }
}
