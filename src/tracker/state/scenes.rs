//! What those who watch are shown, as values that hold a bounded part of the tables.
//!
//! The tracker's scene is its figures, the first contents and its part in a hierarchy; a swarm's is
//! its nodes and who serves whom. A scene looks at [`NODES_A_SCENE`] nodes, [`LINKS_A_SCENE`] links
//! and [`BITMAP_BYTES`] of bitmaps; where those are more, the others' bars are those of the second
//! before, so that each is looked at in turn.

use super::State;
use super::views::{BITMAP_BYTES, CONTENTS_A_PAGE, FiguresNow};
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV2};
use crate::logic::registry::{Have, Holder};
use crate::protocol::tracker_native::{Candidate, LinkStanding, PeerLink};
use crate::tracker::controls::ControlsView;
use crate::tracker::federation::HierarchyView;
use crate::tracker::live::{BeatSeen, Event, Scene, SceneId};
use crate::tracker::pages::{events, strip};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Nodes in a scene.
pub const NODES_A_SCENE: usize = 200;

/// Links in a scene.
pub const LINKS_A_SCENE: usize = 2000;

/// Entries of a hierarchy's cache in a scene.
pub const CACHE_A_SCENE: usize = 100;

/// How often peers are to tell whom they serve while somebody looks.
const LINKS_WATCHED: Duration = Duration::from_secs(1);

/// The tracker as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerScene {
    /// The moment.
    pub now: Moment,
    /// Whether swarms are shown, too.
    pub dashboard: bool,
    /// Its figures.
    pub figures: FiguresNow,
    /// The first contents, in the order of their info-hashes.
    pub contents: Vec<Candidate>,
    /// How many more there are, at least.
    pub more: usize,
    /// Its part in a hierarchy.
    pub hierarchy: Option<HierarchyView>,
    /// How a page may steer what drives the swarms, if it may.
    pub controls: Option<ControlsView>,
}

/// One swarm.
#[derive(Debug, Clone, PartialEq)]
pub struct SwarmScene {
    /// The moment.
    pub now: Moment,
    /// What it is called: the v2 info-hash, if that is known.
    pub hash: InfoHash,
    /// The content's name; empty if nobody has said one.
    pub name: String,
    /// Bytes; 0 is unknown.
    pub size: u64,
    /// Pieces; 0 is unknown.
    pub pieces: u32,
    /// Its nodes, in the order of their addresses.
    pub nodes: Vec<NodeScene>,
    /// Who serves whom.
    pub links: Vec<LinkScene>,
    /// How many nodes are not shown.
    pub more: usize,
}

/// One node of a swarm.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeScene {
    /// Where it listens.
    pub addr: SocketAddr,
    /// How much of the content it has, from 0 to 1.
    pub progress: Option<f64>,
    /// For each of up to 64 parts of the content how much of it the node has, as a digit.
    pub bar: Option<String>,
    /// Bytes received a second.
    pub down: u32,
    /// Bytes sent a second.
    pub up: u32,
    /// How long ago it was heard of.
    pub age: Duration,
    /// How many it serves.
    pub serves: Option<usize>,
}

/// What goes from one node to another, by their places among the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkScene {
    /// Who sends.
    pub from: usize,
    /// Who receives.
    pub to: usize,
    /// Bytes a second.
    pub rate: u32,
    /// How the first stands to the second.
    pub standing: LinkStanding,
}

/// Bars that were drawn before, of swarms that have more bitmaps than a scene looks at.
#[derive(Debug, Default)]
pub(super) struct Bars(HashMap<SceneId, Drawn>);

/// The bars of one scene, and the place among its nodes from which they are drawn anew.
#[derive(Debug, Default)]
struct Drawn {
    bars: HashMap<SocketAddr, String>,
    next: usize,
}

impl State {
    /// Somebody wants to watch: the scene's number, and its last event if there is one. `None` if as
    /// many watch as may.
    pub fn on_watcher(
        &mut self,
        now: Moment,
        scene: Scene,
    ) -> Option<(SceneId, Option<Arc<[u8]>>)> {
        self.live.on_watcher(now, scene)
    }

    /// Whoever watched a scene is gone.
    pub fn on_watcher_left(&mut self, scene: SceneId) {
        if self.live.on_watcher_left(scene) {
            self.bars.0.remove(&scene);
        }
    }

    /// Whether swarms are shown.
    pub fn has_dashboard(&self) -> bool {
        self.options.dashboard
    }

    /// The next event for those who watch. At most one event or page is made in a turn; who was put
    /// off has the next.
    pub fn next_event(&mut self, now: Moment) -> Option<Event> {
        if let Some((scene, beats, more)) = self.live.next_beats(now) {
            return Some(Event { scene, text: events::beats(&beats, more) });
        }
        let (id, scene) = self.live.next_scene(now)?;
        self.event_waits = self.page_made;
        if self.event_waits {
            return None;
        }
        self.page_made = true;
        let (text, full) = match scene {
            Scene::Tracker => (events::tracker(&self.tracker_scene(now)), None),
            Scene::Swarm(hash) => {
                let swarm = self.swarm_scene(now, hash, id);
                (events::swarm(&swarm), swarm.hash.v2())
            }
        };
        let event = Event { scene: id, text };
        self.live.on_event(now, &event, full);
        Some(event)
    }

    /// A native peer was heard of.
    pub(super) fn on_seen(
        &mut self,
        now: Moment,
        from: SocketAddr,
        hash: InfoHashV2,
        (left, down, up): (u64, u32, u32),
    ) {
        if !self.live.is_idle() {
            self.live.on_beat(BeatSeen { at: now, from, hash, left, down, up });
        }
    }

    /// How often peers are to tell whom they serve, if they are.
    pub(super) fn links_interval(&self) -> Option<Duration> {
        let usual = self.options.keepalive;
        let interval = if self.live.shows_swarms() { usual.min(LINKS_WATCHED) } else { usual };
        self.options.dashboard.then_some(interval)
    }

    fn tracker_scene(&mut self, now: Moment) -> TrackerScene {
        let figures = self.figures_now(now);
        let hashes = self.contents_after(None).take(CONTENTS_A_PAGE);
        let contents: Vec<_> = hashes.filter_map(|hash| self.candidate(hash)).collect();
        let known = self.catalogue.len().max(self.registry.contents());
        TrackerScene {
            now,
            dashboard: self.options.dashboard,
            figures,
            more: known.saturating_sub(CONTENTS_A_PAGE),
            contents,
            hierarchy: self.federation.view(now, CACHE_A_SCENE),
            controls: self.controls(),
        }
    }

    /// One swarm; a swarm that nobody knows has no nodes.
    fn swarm_scene(&mut self, now: Moment, hash: InfoHash, id: SceneId) -> SwarmScene {
        let names = self.names(hash);
        let full = names.iter().find_map(InfoHash::v2);
        let content = full.and_then(|hash| self.candidate(hash));
        let (name, size, pieces) =
            content.map_or_else(Default::default, |c| (c.name, c.size, c.pieces));
        let mut bars = std::mem::take(&mut self.bars);
        let holders = if self.allows(&hash) { self.some_holders(&names) } else { Vec::new() };
        let drawn = bars.of(id, &holders, pieces);
        let links = full.map_or_else(Vec::new, |full| self.links_among(now, full, &holders));
        let nodes = holders.iter().zip(drawn).enumerate().map(|(at, (holder, bar))| NodeScene {
            addr: holder.addr,
            progress: progress(holder.left, size),
            bar,
            down: holder.down,
            up: holder.up,
            age: now.since(holder.seen),
            serves: links.get(at).and_then(|(serves, _)| *serves),
        });
        let figures = self.registry.figures(&names);
        let nodes: Vec<_> = nodes.collect();
        let scene = SwarmScene {
            now,
            hash: full.map_or(hash, InfoHash::V2),
            name,
            size,
            pieces,
            more: ((figures.seeders + figures.leechers) as usize).saturating_sub(nodes.len()),
            nodes,
            links: links.into_iter().flat_map(|(_, links)| links).collect(),
        };
        drop(holders);
        self.bars = bars;
        scene
    }

    /// Some of those who stand under these names, each once, in the order of their addresses. What
    /// native peers say of themselves is more, so they are looked at first.
    fn some_holders(&self, names: &[InfoHash]) -> Vec<Holder<'_>> {
        let is_native = |name: &&InfoHash| name.v2().is_some();
        let names = names.iter().filter(is_native).chain(names.iter().filter(|n| !is_native(n)));
        let mut seen = HashSet::new();
        let holders = names.flat_map(|name| self.registry.holders(name));
        let once = holders.filter(|holder| seen.insert(holder.addr)).take(NODES_A_SCENE);
        let mut holders: Vec<_> = once.collect();
        holders.sort_unstable_by_key(|holder| order(holder.addr));
        holders
    }

    /// For each of these holders how many it serves, and what goes to others of them.
    fn links_among(
        &self,
        now: Moment,
        hash: InfoHashV2,
        holders: &[Holder<'_>],
    ) -> Vec<(Option<usize>, Vec<LinkScene>)> {
        // Each has the same share of what there is room for.
        let share = LINKS_A_SCENE / holders.len().max(1);
        let places: Vec<_> = holders.iter().map(|holder| order(holder.addr)).collect();
        let of = |(from, holder): (usize, &Holder<'_>)| {
            let Some(said) = self.links.of(now, hash, holder.addr) else {
                return (None, Vec::new());
            };
            let (mut serves, mut links) = (0, Vec::new());
            for PeerLink { to, rate, standing } in said.take(share) {
                serves += usize::from(standing != LinkStanding::Choked);
                let found = places.binary_search(&order(to));
                links.extend(found.ok().map(|to| LinkScene { from, to, rate, standing }));
            }
            (Some(serves), links)
        };
        holders.iter().enumerate().map(of).collect()
    }
}

impl Bars {
    /// The bars of a scene's holders, as far as the budget goes; others are as they were.
    fn of(&mut self, id: SceneId, holders: &[Holder<'_>], pieces: u32) -> Vec<Option<String>> {
        let mut bars: Vec<Option<String>> = vec![None; holders.len()];
        let before = self.0.remove(&id).unwrap_or_default();
        let (mut budget, mut next) = (BITMAP_BYTES, None);
        for at in (0..holders.len()).map(|n| (before.next + n) % holders.len()) {
            let holder = &holders[at];
            bars[at] = match holder.have {
                Have::All => Some(strip::full_bar(pieces)),
                Have::Unknown => (holder.left == 0).then(|| strip::full_bar(pieces)),
                Have::Some(bits) if bits.pieces() != pieces => None,
                Have::Some(bits) if next.is_none() && bits.as_bytes().len() <= budget => {
                    budget -= bits.as_bytes().len();
                    Some(bits.bar())
                }
                Have::Some(_) => {
                    next = next.or(Some(at));
                    before.bars.get(&holder.addr).cloned()
                }
            };
        }
        if let Some(next) = next {
            let drawn = holders.iter().zip(&bars);
            let drawn = drawn.filter_map(|(holder, bar)| Some((holder.addr, bar.clone()?)));
            self.0.insert(id, Drawn { bars: drawn.collect(), next });
        }
        bars
    }
}

/// The order of nodes, in numbers: thousands of links are looked up in it.
fn order(addr: SocketAddr) -> (u128, u16) {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    (ip.to_bits(), addr.port())
}

/// How much of a content there is when so much of it is missing.
fn progress(left: u64, size: u64) -> Option<f64> {
    match (left, size) {
        (0, _) => Some(1.0),
        // Who announces itself by UDP only says that it lacks something.
        (_, 0) | (u64::MAX, _) => None,
        _ => Some(size.saturating_sub(left) as f64 / size as f64),
    }
}
