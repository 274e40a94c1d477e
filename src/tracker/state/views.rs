//! What the tracker's pages show: bounded parts of the tables, as values.
//!
//! A view looks at [`CONTENTS_A_PAGE`] contents or [`NODES_A_PAGE`] nodes at most and at
//! [`BITMAP_BYTES`] of bitmaps, whatever the tables hold: announces wait meanwhile.

use super::scenes::CACHE_A_SCENE;
use super::{State, Statistics};
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1, InfoHashV2};
use crate::logic::registry::{Have, Holder, Swarm};
use crate::protocol::announce::Figures;
use crate::protocol::tracker_native::Candidate;
use crate::tracker::federation::HierarchyView;
use crate::tracker::pages::strip;
use serde::Serialize;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Contents on a page.
pub const CONTENTS_A_PAGE: usize = 100;

/// Nodes of a content on its page.
pub const NODES_A_PAGE: usize = 100;

/// Bytes of bitmaps that a page looks at.
pub const BITMAP_BYTES: usize = 128 * 1024;

/// Swarms looked at for those that only BitTorrent clients announce.
const LOOKS: usize = 2000;

/// Nodes of each content that the first page looks at.
const NODES_A_CONTENT: usize = 8;

/// Rates are means over at least this time, once the tracker ran that long.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Figures, and how fast those grow that count events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FiguresNow {
    /// The figures.
    #[serde(flatten)]
    pub statistics: Statistics,
    /// Datagrams a second, lately.
    pub datagrams_per_sec: f64,
    /// Announces a second, lately.
    pub announces_per_sec: f64,
}

/// The first page.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// The tracker's figures.
    pub figures: FiguresNow,
    /// Contents in the order of their info-hashes, with how many nodes have which pieces.
    pub contents: Vec<(Candidate, Option<Vec<f32>>)>,
    /// The last of them, if more follow.
    pub next: Option<InfoHashV2>,
    /// Swarms that only BitTorrent clients announce.
    pub announced: Vec<(InfoHashV1, Figures)>,
    /// Where to look for more of them.
    pub next_announced: Option<usize>,
    /// Its part in a hierarchy.
    pub hierarchy: Option<HierarchyView>,
    /// Whether whole swarms are drawn.
    pub dashboard: bool,
}

/// Which part of the tables the first page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The contents behind this one, or all; and, on the first page, the first other swarms.
    Contents(Option<InfoHashV2>),
    /// Swarms that only BitTorrent clients announce, from this place on.
    Announced(usize),
}

/// One content's page.
#[derive(Debug, Clone, PartialEq)]
pub struct SwarmView {
    /// Its name; empty if nobody has said one.
    pub name: String,
    /// All names that its peers register under.
    pub names: Vec<InfoHash>,
    /// Bytes; 0 is unknown.
    pub size: u64,
    /// Pieces; 0 is unknown.
    pub pieces: u32,
    /// Whether the tracker has its .torrent.
    pub published: bool,
    /// How many seed, fetch and have completed.
    pub figures: Figures,
    /// Some of its nodes, seeders first.
    pub nodes: Vec<NodeView>,
}

/// One node of one content.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeView {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Bytes it lacks.
    pub left: u64,
    /// Bytes received a second.
    pub down: u32,
    /// Bytes sent a second.
    pub up: u32,
    /// How long ago it was heard of.
    pub age: Duration,
    /// Which pieces it has.
    pub have: Have,
}

impl NodeView {
    /// For each cell of a row how much of it the node has; `None` if that is not known.
    pub fn shares(&self, pieces: u32) -> Option<Vec<f32>> {
        let full = || vec![1.0; strip::cells(pieces) as usize];
        match &self.have {
            Have::All => Some(full()),
            Have::Unknown => (self.left == 0).then(full),
            Have::Some(bits) => (bits.pieces() == pieces).then(|| strip::shares(bits)),
        }
    }
}

/// Counters at two moments, for rates.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    older: Beat,
    newer: Beat,
}

#[derive(Debug, Clone, Copy, Default)]
struct Beat {
    at: Moment,
    datagrams: u64,
    announces: u64,
}

impl Pulse {
    /// Events a second since the older of two moments that are apart: datagrams and announces.
    fn rates(&mut self, now: Moment, datagrams: u64, announces: u64) -> (f64, f64) {
        if now.since(self.newer.at) >= RATE_WINDOW {
            self.older = std::mem::replace(&mut self.newer, Beat { at: now, datagrams, announces });
        }
        let secs = now.since(self.older.at).as_secs_f64().max(1.0);
        let rate = |now: u64, then: u64| (now - then) as f64 / secs;
        (rate(datagrams, self.older.datagrams), rate(announces, self.older.announces))
    }
}

impl State {
    /// The figures and their rates.
    pub fn figures_now(&mut self, now: Moment) -> FiguresNow {
        let statistics = self.statistics(now, self.connections);
        let (datagrams_per_sec, announces_per_sec) =
            self.pulse.rates(now, statistics.datagrams, statistics.announces);
        FiguresNow { statistics, datagrams_per_sec, announces_per_sec }
    }

    /// The first page, or a later part of the tables.
    pub fn overview(&mut self, now: Moment, part: Part) -> Overview {
        let figures = self.figures_now(now);
        let (announced, next_announced) = match part {
            Part::Contents(None) => self.announced_from(0),
            Part::Contents(Some(_)) => (Vec::new(), None),
            Part::Announced(place) => self.announced_from(place),
        };
        let hashes: Vec<_> = match part {
            Part::Contents(after) => self.contents_after(after).take(CONTENTS_A_PAGE + 1).collect(),
            Part::Announced(_) => Vec::new(),
        };
        let next = (hashes.len() > CONTENTS_A_PAGE).then(|| hashes[CONTENTS_A_PAGE - 1]);
        let mut budget = BITMAP_BYTES;
        let shown = hashes.into_iter().take(CONTENTS_A_PAGE);
        let contents = shown.filter_map(|hash| {
            let content = self.candidate(hash)?;
            let nodes = self.nodes(now, &[hash.into()], NODES_A_CONTENT, &mut budget);
            let spread = spread(&nodes, content.pieces);
            Some((content, spread))
        });
        let contents = contents.collect();
        let hierarchy = self.federation.view(now, CACHE_A_SCENE);
        let dashboard = self.has_dashboard();
        Overview { figures, contents, next, announced, next_announced, hierarchy, dashboard }
    }

    /// Swarms that belong to no content that is listed, and where more may be.
    fn announced_from(&self, place: usize) -> (Vec<(InfoHashV1, Figures)>, Option<usize>) {
        let is_other = |hash: &InfoHashV1| {
            let joined = self.catalogue.by_short(hash).or_else(|| self.registry.resolve(*hash));
            joined.is_none() && self.allows(&(*hash).into())
        };
        let mut found = Vec::new();
        for (looks, (at, hash, swarm)) in self.registry.announced_from(place).enumerate() {
            if looks == LOOKS || found.len() == CONTENTS_A_PAGE {
                return (found, Some(at));
            }
            if is_other(&hash) {
                let Swarm { seeders, leechers, completed, .. } = swarm;
                let completed = u32::try_from(completed).unwrap_or(u32::MAX);
                found.push((hash, Figures { seeders, completed, leechers }));
            }
        }
        (found, None)
    }

    /// One content's page; `None` if nobody shares it and it is not published.
    pub fn swarm_view(&self, now: Moment, hash: InfoHash) -> Option<SwarmView> {
        if !self.allows(&hash) {
            return None;
        }
        let names = self.names(hash);
        let full = names.iter().find_map(InfoHash::v2);
        let content = full.and_then(|hash| self.candidate(hash));
        if content.is_none() && !names.iter().any(|name| self.registry.swarm(name).is_some()) {
            return None;
        }
        let mut budget = BITMAP_BYTES;
        let nodes = self.nodes(now, &names, NODES_A_PAGE, &mut budget);
        let figures = self.registry.figures(&names);
        let (name, size, pieces, published) = content.map_or_else(Default::default, |content| {
            (content.name, content.size, content.pieces, content.published)
        });
        Some(SwarmView { name, names: names.to_vec(), size, pieces, published, figures, nodes })
    }

    /// Up to `limit` nodes that stand under these names, each once; bitmaps as far as `budget`
    /// goes.
    fn nodes(
        &self,
        now: Moment,
        names: &[InfoHash],
        limit: usize,
        budget: &mut usize,
    ) -> Vec<NodeView> {
        let mut seen = HashSet::new();
        let holders = names.iter().flat_map(|name| self.registry.holders(name));
        let once = holders.filter(|holder| seen.insert(holder.addr)).take(limit);
        once.map(|holder| node(now, &holder, budget)).collect()
    }
}

fn node(now: Moment, holder: &Holder<'_>, budget: &mut usize) -> NodeView {
    let have = match holder.have {
        Have::Some(bits) if bits.as_bytes().len() > *budget => Have::Unknown,
        have => have.clone(),
    };
    if let Have::Some(bits) = &have {
        *budget -= bits.as_bytes().len();
    }
    NodeView {
        addr: holder.addr,
        left: holder.left,
        down: holder.down,
        up: holder.up,
        age: now.since(holder.seen),
        have,
    }
}

/// For each cell of a row the share of these nodes that have it; `None` if nobody's is known.
fn spread(nodes: &[NodeView], pieces: u32) -> Option<Vec<f32>> {
    let rows: Vec<Vec<f32>> = nodes.iter().filter_map(|node| node.shares(pieces)).collect();
    let cells = rows.first()?.len();
    let mean = |cell: usize| rows.iter().map(|row| row[cell]).sum::<f32>() / rows.len() as f32;
    Some((0..cells).map(mean).collect())
}
