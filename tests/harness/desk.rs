//! A program behind a desk that is a table: it answers orders from memory, and remembers them.

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Moment;
use swarmlet::control::board::{Board, Layer, Map, Past};
use swarmlet::control::order::{
    Addition, CatalogueEntry, Change, FileChange, LimitChange, Name, Order, Refusal, Reply,
    Settings, Source, TrackerName, Which,
};
use swarmlet::control::view::{
    Crowd, Dates, FileView, From, Limit, Origin, PeerView, Session, Spent, State, Statistics, Sum,
    TorrentSettings, TorrentView, TrackerView,
};
use swarmlet::control::{Desk, Letter};
use swarmlet::ids::PieceIndex;
use swarmlet::logic::choker::Why;
use swarmlet::logic::history::{History, Rates};
use swarmlet::logic::picker::{PieceState, Priority};
use swarmlet::logic::swarm;
use swarmlet::node::trace::Lines;

/// The table, and what was ordered so far.
pub struct FakeDesk {
    /// Where orders are handed in.
    pub desk: Desk,
    /// All orders, in their order.
    pub orders: Arc<Mutex<Vec<Order>>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeDesk {
    /// Two torrents: number 1 is being fetched from two peers, number 2 is served.
    pub fn open() -> Self {
        let (desk, letters) = Desk::open();
        let orders = Arc::new(Mutex::new(Vec::new()));
        let log = orders.clone();
        let table = std::thread::Builder::new().name("table".into());
        let thread = table.spawn(move || {
            let mut table = Table::new();
            for Letter { order, answer } in letters {
                log.lock().push(order.clone());
                let closes = order == Order::Close;
                let reply = table.carry_out(order);
                // Whoever asked may have gone away meanwhile.
                let _ = answer.send(reply);
                if closes {
                    return;
                }
            }
        });
        Self { desk, orders, thread: Some(thread.expect("a thread can be started")) }
    }

    /// What was ordered last.
    pub fn last(&self) -> Order {
        self.orders.lock().last().cloned().expect("something was ordered")
    }

    /// The changes of torrents so far.
    pub fn changes(&self) -> Vec<Change> {
        let orders = self.orders.lock();
        let changes = orders.iter().filter_map(|order| match order {
            Order::Change { change, .. } => Some((**change).clone()),
            _ => None,
        });
        changes.collect()
    }
}

impl Drop for FakeDesk {
    fn drop(&mut self) {
        // The last desk's end lets the table's loop go; copies of it may still be held elsewhere,
        // so it is told to close.
        let _ = self.desk.order(Order::Close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Table {
    torrents: Vec<TorrentView>,
    removed: Vec<u32>,
    session: Session,
    next: u32,
}

impl Table {
    fn new() -> Self {
        Self {
            torrents: vec![fetched(), served()],
            removed: Vec::new(),
            session: session(),
            next: 3,
        }
    }

    fn carry_out(&mut self, order: Order) -> Result<Reply, Refusal> {
        match order {
            Order::Look { which, .. } => {
                let torrents = self.meant(&which).into_iter().map(|n| self.torrents[n].clone());
                let torrents = torrents.collect();
                let removed = if which == Which::Recent { self.removed.clone() } else { vec![] };
                return Ok(Reply::Torrents { torrents, removed });
            }
            Order::Session => return Ok(Reply::Session(Box::new(self.session.clone()))),
            Order::Statistics => return Ok(Reply::Statistics(statistics())),
            Order::Add(addition) => return self.add(*addition),
            Order::Remove { which, .. } => {
                for n in self.meant(&which).into_iter().rev() {
                    self.removed.push(self.torrents.remove(n).id);
                }
            }
            Order::Start(which) => self.each(&which, |torrent| torrent.state = State::Downloading),
            Order::Stop(which) => self.each(&which, |torrent| torrent.state = State::Stopped),
            Order::Verify(which) => {
                self.each(&which, |torrent| torrent.state = State::Checking { done: 0.5 });
            }
            Order::Change { which, change } => self.each(&which, |torrent| apply(torrent, &change)),
            Order::Set(settings) => set(&mut self.session, &settings),
            Order::Locate { which, folder } => {
                self.each(&which, |torrent| torrent.folder.clone_from(&folder));
            }
            Order::FreeSpace(path) if path.starts_with("/none") => {
                return Err(Refusal::No("there is no folder /none".into()));
            }
            Order::FreeSpace(_) => return Ok(Reply::Room { free: 1000, total: 4000 }),
            Order::Catalogue => return Ok(Reply::Catalogue(vec![entry()])),
            Order::Board(1, layer) => return Ok(Reply::Board(Some(Box::new(board(layer))))),
            Order::Board(..) => return Ok(Reply::Board(None)),
            Order::Past(_) => return Ok(Reply::Past(Box::new(past()))),
            Order::Log(place) => return Ok(Reply::Log(log(place))),
            Order::Announce(_) | Order::Queue { .. } | Order::Close => {}
        }
        Ok(Reply::Done)
    }

    fn add(&mut self, addition: Addition) -> Result<Reply, Refusal> {
        let name = match &addition.source {
            Source::What(word) if word == "nonsense" => {
                return Err(Refusal::No("no tracker knows nonsense".into()));
            }
            Source::What(word) => word.clone(),
            Source::Torrent(bytes) if !bytes.starts_with(b"d") => {
                return Err(Refusal::No("this is no torrent: it is no dictionary".into()));
            }
            Source::Torrent(bytes) => format!("a torrent of {} bytes", bytes.len()),
            Source::Seed(path) => path.display().to_string(),
        };
        if let Some(known) = self.torrents.iter().find(|torrent| torrent.name == name) {
            return Ok(Reply::Added { torrent: Box::new(known.clone()), duplicate: true });
        }
        let mut torrent = served();
        torrent.id = self.next;
        torrent.name = name;
        torrent.hash = format!("{:040x}", self.next);
        let paused = addition.paused.unwrap_or(!self.session.start_added);
        torrent.state = if paused { State::Stopped } else { State::Downloading };
        if let Some(folder) = addition.folder {
            torrent.folder = folder;
        }
        apply(&mut torrent, &addition.change);
        self.next += 1;
        self.torrents.push(torrent.clone());
        Ok(Reply::Added { torrent: Box::new(torrent), duplicate: false })
    }

    fn each(&mut self, which: &Which, change: impl Fn(&mut TorrentView)) {
        for n in self.meant(which) {
            change(&mut self.torrents[n]);
        }
    }

    fn meant(&self, which: &Which) -> Vec<usize> {
        let is_meant = |torrent: &TorrentView| match which {
            Which::All | Which::Recent => true,
            Which::These(names) => names.iter().any(|name| match name {
                Name::Id(id) => *id == torrent.id,
                Name::Hash(hash) => *hash == torrent.hash,
            }),
        };
        (0..self.torrents.len()).filter(|n| is_meant(&self.torrents[*n])).collect()
    }
}

fn apply(torrent: &mut TorrentView, change: &Change) {
    limit(&mut torrent.settings.down, change.down);
    limit(&mut torrent.settings.up, change.up);
    let settings = &mut torrent.settings;
    settings.max_peers = change.max_peers.unwrap_or(settings.max_peers);
    settings.seed_ratio = change.seed_ratio.unwrap_or(settings.seed_ratio);
    settings.sequential = change.sequential.unwrap_or(settings.sequential);
    if let Some(labels) = &change.labels {
        settings.labels.clone_from(labels);
    }
    for url in &change.add_trackers {
        torrent.trackers.push(tracker(torrent.trackers.len(), url));
    }
    for name in &change.remove_trackers {
        torrent.trackers.retain(|tracker| match name {
            TrackerName::Id(id) => tracker.id != *id,
            TrackerName::Url(url) => tracker.url != *url,
        });
    }
    for wanted in &change.wanted {
        let (files, change): (_, fn(&mut FileView, Priority)) = match wanted {
            FileChange::Want(files) => (files, |file, _| file.wanted = true),
            FileChange::Skip(files) => (files, |file, _| file.wanted = false),
            FileChange::Rate(_, files) => (files, |file, priority| file.priority = priority),
        };
        let priority =
            if let FileChange::Rate(priority, _) = wanted { *priority } else { Priority::Normal };
        for (n, file) in torrent.files.iter_mut().enumerate() {
            if files.is_empty() || files.contains(&n) {
                change(file, priority);
            }
        }
    }
}

fn set(session: &mut Session, settings: &Settings) {
    limit(&mut session.down, settings.down);
    limit(&mut session.up, settings.up);
    session.slow_down.rate = settings.slow_down.unwrap_or(session.slow_down.rate);
    session.slow_up.rate = settings.slow_up.unwrap_or(session.slow_up.rate);
    session.slow_down.on = settings.slow.unwrap_or(session.slow_down.on);
    session.slow_up.on = session.slow_down.on;
    session.max_peers = settings.max_peers.unwrap_or(session.max_peers);
    session.seed_ratio = settings.seed_ratio.unwrap_or(session.seed_ratio);
    session.seed_idle = settings.seed_idle.unwrap_or(session.seed_idle);
    session.start_added = settings.start_added.unwrap_or(session.start_added);
    if let Some(folder) = &settings.download_dir {
        session.download_dir.clone_from(folder);
    }
}

fn limit(limit: &mut Limit, change: LimitChange) {
    limit.rate = change.rate.unwrap_or(limit.rate);
    limit.on = change.on.unwrap_or(limit.on);
}

/// Number 1: half of it is here.
pub fn fetched() -> TorrentView {
    TorrentView {
        id: 1,
        name: "half".into(),
        hash: "11".repeat(20),
        hash_v2: Some("12".repeat(32)),
        state: State::Downloading,
        trouble: None,
        total: 2_000_000,
        wanted: 2_000_000,
        left: 1_000_000,
        have: 1_000_000,
        available: 1_000_000,
        corrupt: 16_384,
        downloaded: 1_016_384,
        uploaded: 508_192,
        down: 250_000,
        up: 50_000,
        eta: Some(Duration::from_secs(4)),
        dates: Dates {
            added: 1_700_000_000,
            done: None,
            started: Some(1_700_000_001),
            active: Some(1_700_000_100),
            edited: None,
        },
        spent: Spent { downloading: Duration::from_secs(99), seeding: Duration::ZERO },
        origin: Origin {
            comment: "two files".into(),
            creator: "swarmlet".into(),
            created: Some(1_600_000_000),
            is_private: false,
        },
        magnet: format!("magnet:?xt=urn:btih:{}", "11".repeat(20)),
        folder: PathBuf::from("/downloads"),
        torrent_file: None,
        settings: TorrentSettings {
            honours_limits: true,
            max_peers: 50,
            ..TorrentSettings::default()
        },
        queue: 0,
        piece_length: 524_288,
        piece_count: 4,
        pieces: vec![0b1010_0000],
        availability: vec![2, 1, 2, 0],
        files: vec![file("half/a.txt", 1_500_000, 1_000_000), file("half/b.mkv", 500_000, 0)],
        file_count: 2,
        peers: vec![
            peer(([127, 0, 0, 2], 6881), 250_000, 0),
            peer(([127, 0, 0, 3], 51413), 0, 50_000),
        ],
        crowd: Crowd { connected: 2, giving: 1, taking: 1, from_tracker: 2, ..Crowd::default() },
        trackers: vec![tracker(0, "udp://127.0.0.1:6969/announce")],
        tiers: vec![vec!["udp://127.0.0.1:6969/announce".into()]],
        web_seeds: vec!["http://127.0.0.1:1/half".into()],
        is_finished: false,
        is_stalled: false,
    }
}

/// Number 2: it is whole.
fn served() -> TorrentView {
    let mut torrent = fetched();
    (torrent.id, torrent.name, torrent.hash) = (2, "whole".into(), "22".repeat(20));
    (torrent.hash_v2, torrent.state, torrent.queue) = (None, State::Seeding, 1);
    (torrent.left, torrent.have) = (0, torrent.total);
    (torrent.down, torrent.up, torrent.eta) = (0, 0, None);
    torrent.dates.done = Some(1_700_000_200);
    torrent.pieces = vec![0b1111_0000];
    for file in &mut torrent.files {
        file.done = file.length;
    }
    torrent.peers.clear();
    torrent.crowd = Crowd::default();
    torrent
}

fn file(name: &str, length: u64, done: u64) -> FileView {
    FileView { name: name.into(), length, done, wanted: true, priority: Priority::Normal }
}

fn peer(address: ([u8; 4], u16), gives: u64, takes: u64) -> PeerView {
    PeerView {
        address: SocketAddr::from(address),
        client: "Transmission 4.0.6".into(),
        is_native: false,
        is_incoming: takes > 0,
        is_encrypted: false,
        from: From::Tracker,
        progress: 0.5,
        gives,
        takes,
        given: gives * 4,
        taken: takes * 4,
        am_choking: takes == 0,
        is_optimistic: false,
        why: String::new(),
        am_interested: gives > 0,
        peer_choking: gives == 0,
        peer_interested: takes > 0,
        is_snubbed: false,
        requests: 4,
        in_flight: 65_536,
        window: 131_072,
        round_trip: Some(Duration::from_millis(3)),
        connected: Duration::from_secs(61),
        number: u64::from(address.1),
    }
}

fn tracker(id: usize, url: &str) -> TrackerView {
    TrackerView {
        id,
        tier: id,
        url: url.into(),
        is_backup: false,
        is_asking: false,
        last: Some(1_700_000_050),
        outcome: Some(Ok(2)),
        next: Some(1_700_000_170),
        seeders: Some(3),
        leechers: Some(12),
        completed: Some(150),
    }
}

fn session() -> Session {
    Session {
        version: "swarmlet 0.1.0".into(),
        config_dir: Some(PathBuf::from("/config")),
        download_dir: PathBuf::from("/downloads"),
        free_space: Some(1000),
        peer_port: 6881,
        down: Limit { rate: 100_000, on: false },
        up: Limit { rate: 100_000, on: true },
        slow_down: Limit { rate: 50_000, on: false },
        slow_up: Limit { rate: 50_000, on: false },
        max_peers: 200,
        max_peers_per_torrent: 50,
        seed_ratio: None,
        seed_idle: None,
        start_added: true,
        delete_added: false,
        on_done: None,
        trackers: vec!["127.0.0.1:6969".into()],
    }
}

fn statistics() -> Statistics {
    let sum = |runs| Sum {
        downloaded: 2_000_000,
        uploaded: 1_000_000,
        added: 2,
        runs,
        active: Duration::from_secs(3661),
    };
    Statistics { active: 2, paused: 0, down: 250_000, up: 50_000, current: sum(1), all: sum(5) }
}

/// A content of the trackers' lists.
fn entry() -> CatalogueEntry {
    let (name, info_hash) = ("listed.zip".into(), "ab".repeat(32));
    CatalogueEntry { name, info_hash, size: 7, seeders: 2, leechers: 1 }
}

/// Number 1, looked at closely: three pieces of five are here.
fn board(layer: Layer) -> Board {
    use PieceState::{Asked, Missing, Verified};
    let ben = SocketAddr::from(([127, 0, 0, 3], 51413));
    let why = Why::Gives { rank: 1, of: 2, rate: 50_000 };
    let at = Moment::after(Duration::from_secs(18));
    let mut have = Bitfield::full(5);
    for piece in [3, 4] {
        have.clear(PieceIndex(piece));
    }
    Board {
        now: Moment::after(Duration::from_secs(20)),
        next_round: Duration::from_secs(8),
        choking: swarm::Board {
            strategy: "tft".into(),
            slots: 4,
            seeding: false,
            every: Duration::from_secs(10),
            rulings: vec![swarm::Ruling {
                at,
                is_round: true,
                served: vec![(ben, why)],
                dropped: vec![SocketAddr::from(([127, 0, 0, 2], 6881))],
            }],
            bans: vec![(SocketAddr::from(([127, 0, 0, 66], 666)), PieceIndex(2))],
        },
        bars: vec![(6881, "fff00".into()), (51413, "00fff".into())],
        copies: vec![0, 4, 1],
        map: match layer {
            Layer::State => Map::State(vec![Verified, Verified, Verified, Asked, Missing]),
            Layer::Source => Map::Source {
                have,
                sources: vec![Some(ben)],
                places: vec![Some(0), Some(0), None, None, None],
            },
            Layer::Availability => Map::Availability(vec![1, 1, 2, 1, 1]),
        },
    }
}

/// Two seconds.
fn past() -> Past {
    let mut session = History::default();
    for down in [10, 30] {
        session.on_second(Rates { down, up: 1 });
    }
    Past { session, torrent: None }
}

/// Two lines, told to whoever begins to look.
fn log(place: Option<u64>) -> Lines {
    let lines = [
        r#"{"t":1.000000,"n":"a","ev":"recv","conn":7,"from":"127.0.0.2:6881","msg":"HAVE","piece":1}"#,
        r#"{"t":1.000000,"n":"a","ev":"verify","piece":1,"ok":true}"#,
    ];
    let new = if place.is_none() { 2 } else { 0 };
    Lines { lines: lines[..new].iter().map(|&line| line.into()).collect(), lost: 0, next: 2 }
}
