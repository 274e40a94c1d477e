//! A setting: one point of a scenario's sweep, with every value filled in. It is what a backend runs.
//!
//! Rates are bytes per second, sizes bytes, times seconds or [`Duration`]s of the run itself; only
//! strategy timers are divided by [`Setting::time_scale`].

use crate::config::ChokerChoice;
use crate::logic::picker::Policy;
use crate::protocol::Dialect;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// When a run ends at the latest, where nothing is said.
pub const LIMIT: Duration = Duration::from_hours(1);

/// Slots of a peer, as ships.
const SLOTS: usize = 4;

/// Who runs a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// Formulas.
    Theory,
    /// The logic that ships, in virtual time.
    Sim,
    /// The programs that ship, on 127.0.0.x.
    Proc,
    /// The programs that ship, in network namespaces joined by an emulated link.
    Net,
}

impl Backend {
    /// All of them, in the order of their cost.
    pub const ALL: [Self; 4] = [Self::Theory, Self::Sim, Self::Proc, Self::Net];

    /// What it is called in a scenario and on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Theory => "theory",
            Self::Sim => "sim",
            Self::Proc => "proc",
            Self::Net => "net",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|backend| backend.name() == name);
        found.ok_or_else(|| "expected theory, sim, proc or net".into())
    }
}

/// What kind of world a setting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Model {
    /// Peers that exchange blocks: the logic or the programs that ship.
    #[default]
    Swarm,
    /// Rounds in which every uplink sends one piece (Mundinger, Weber and Weiss 2008).
    Rounds,
    /// Very many peers that exchange whole pieces.
    Crowd,
    /// Questions to a hierarchy of trackers.
    Hierarchy,
}

/// A value of the sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A word.
    Word(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// One point of the sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The sweep's variables here, by name.
    pub point: BTreeMap<String, Value>,
    /// What kind of world.
    pub model: Model,
    /// Divides every strategy timer.
    pub time_scale: f64,
    /// When the run ends at the latest; in a sim of virtual time.
    pub limit: Duration,
    /// The run goes on until `limit`, whoever is complete (for populations that come and go).
    pub runs_to_limit: bool,
    /// What is shared.
    pub content: Content,
    /// What links have in common.
    pub link: LinkSetting,
    /// Who takes part.
    pub groups: Vec<Group>,
    /// What happens meanwhile, in order of time.
    pub events: Vec<Planned>,
    /// For [`Model::Hierarchy`].
    pub hierarchy: Option<HierarchySetting>,
}

impl Setting {
    /// A swarm of which nothing else is said: no sweep, no events, fast links, an hour at most.
    pub fn new(content: Content, groups: Vec<Group>) -> Self {
        Self {
            point: BTreeMap::new(),
            model: Model::Swarm,
            time_scale: 1.0,
            limit: LIMIT,
            runs_to_limit: false,
            content,
            link: LinkSetting::default(),
            groups,
            events: Vec::new(),
            hierarchy: None,
        }
    }
}

/// What is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    /// Bytes in a piece.
    pub piece: u32,
}

impl Content {
    /// How many pieces: M.
    pub fn pieces(&self) -> u32 {
        u32::try_from(self.size.div_ceil(self.piece.into())).unwrap_or(u32::MAX)
    }
}

/// What the links of all peers have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkSetting {
    /// A peer's uplink, where its group says nothing: u. `None`: as fast as can be.
    pub up: Option<u64>,
    /// A peer's downlink, where its group says nothing: d.
    pub down: Option<u64>,
    /// From one peer to any other and back.
    pub rtt: Duration,
    /// The most by which a packet may be later than that (backend net).
    pub jitter: Duration,
    /// The share of packets that are lost, 0 to 1 (backend net).
    pub loss: f64,
    /// Bytes that wait before a link at most (backend net).
    pub queue: u64,
    /// How many of those present a newcomer is told of; `None`: all.
    pub degree: Option<usize>,
    /// Whether who starves is told of others, as by a tracker: without, a growing swarm starves.
    pub refresh: bool,
    /// The most requests that one peer has under way with another, in blocks; `None`: as ships.
    pub pipeline: Option<u32>,
    /// Whether what slow peers owe is asked of others at the end.
    pub endgame: bool,
}

impl Default for LinkSetting {
    /// Links as fast as can be, without delay or loss, between peers that know each other all.
    fn default() -> Self {
        Self {
            up: None,
            down: None,
            rtt: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            queue: 256 * 1024,
            degree: None,
            refresh: true,
            pipeline: None,
            endgame: true,
        }
    }
}

/// Peers that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// What its peers have when they come.
    pub role: Role,
    /// How many come; for [`Joins::Poisson`] it is the most that may come.
    pub count: usize,
    /// How many pieces a leecher lacks when it comes, the first of the content; `None`: all of them.
    pub lacks: Option<u32>,
    /// Bytes per second that each sends at most; `None`: as fast as can be.
    pub up: Option<u64>,
    /// Bytes per second that each receives at most.
    pub down: Option<u64>,
    /// Slots; a peer that serves nobody has none.
    pub slots: usize,
    /// How pieces are chosen.
    pub picker: Policy,
    /// How peers to be served are chosen.
    pub choker: ChokerChoice,
    /// Whether the only seeder shows its pieces one by one.
    pub super_seeding: bool,
    /// Whether blocks of a piece are kept when their sender chokes; without, most of what is fetched is
    /// fetched again.
    pub keeps_partial: bool,
    /// Whether it sends what it was asked for; who lies has role `seed` or `leech` all the same.
    pub lies: bool,
    /// Whether it is told of, and calls, everybody, whatever the degree (large view).
    pub large_view: bool,
    /// What it speaks.
    pub dialect: Dialect,
    /// When its peers come.
    pub joins: Joins,
    /// What they do once they have everything.
    pub after: After,
}

impl Group {
    /// So many peers of which nothing else is said: they come at the start, stay, and do as ships.
    pub fn new(name: impl Into<String>, role: Role, count: usize) -> Self {
        Self {
            name: name.into(),
            role,
            count,
            lacks: None,
            up: None,
            down: None,
            slots: SLOTS,
            picker: Policy::default(),
            choker: ChokerChoice::default(),
            super_seeding: false,
            keeps_partial: true,
            lies: false,
            large_view: false,
            dialect: Dialect::Native,
            joins: Joins::At(Duration::ZERO),
            after: After::Stay,
        }
    }
}

/// What a peer has when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Seed,
    /// Nothing, or all but what its group [lacks](Group::lacks).
    Leech,
}

/// When the peers of a group come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Joins {
    /// All at once, so long after the start.
    At(Duration),
    /// Each at a moment by lot between the two.
    Uniform(Duration, Duration),
    /// One after another, so many per second on average.
    Poisson(f64),
}

/// What a peer does once it has everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum After {
    /// It stays and serves.
    Stay,
    /// It goes at once.
    Leave,
    /// It goes after a time by lot, exponential with this mean.
    Exp(Duration),
    /// It goes after just so long (a seed: since it came).
    For(Duration),
}

/// Something that is done to peers.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// So long after the start.
    pub at: Duration,
    /// What.
    pub deed: Deed,
    /// To whom: a group's name, or `group/3` for its third peer; `tracker` for the tracker.
    pub who: String,
}

/// What is done to a peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Deed {
    /// It ends as by a power cut.
    Kill,
    /// It stops for so long, and goes on.
    Pause(Duration),
    /// Nothing passes between it and all others for so long.
    Partition(Duration),
    /// From now on it lies.
    Corrupt,
    /// Its uplink has so many bytes per second from now on.
    Rate(u64),
    /// The tracker answers nobody for so long.
    TrackerDown(Duration),
    /// It serves nobody from now on.
    FreeRide,
}

/// Questions to a hierarchy of trackers (docs/hierarchy.md).
#[derive(Debug, Clone, PartialEq)]
pub struct HierarchySetting {
    /// How peers ask: `iterative`, `recursive` or `chain`.
    pub resolve: String,
    /// How long an answer is kept by a resolver.
    pub ttl: Duration,
    /// Questions per second, at times by lot (Poisson).
    pub rate: f64,
    /// How many questions.
    pub questions: u32,
    /// How many different keys they are about.
    pub keys: u32,
}
