//! Events for those who watch, as `text/event-stream`: a name, and one line of JSON.
//!
//! ```text
//! event: state   {"now_ms":..,"dashboard":..,"figures":{..},"swarms":[..],"more":..,"hierarchy":..,"controls":..}
//! event: swarm   {"now_ms":..,"hash":..,"nodes":[..],"links":[[from,to,rate,standing],..],"more":..}
//! event: beats   {"beats":[..],"more":..}
//! ```
//! JSON escapes what ends a line, so that no name of a stranger's ends an event.

use crate::clock::Moment;
use crate::logic::resolver::zone::Zone;
use crate::protocol::tracker_native::Candidate;
use crate::tracker::controls::ControlsView;
use crate::tracker::federation::{CacheView, HierarchyView};
use crate::tracker::live::BeatSeen;
use crate::tracker::state::scenes::{LinkScene, NodeScene, SwarmScene, TrackerScene};
use crate::tracker::state::views::FiguresNow;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What an event takes at most as a rule; a longer one makes its room.
const USUAL: usize = 64 * 1024;

/// The tracker as a whole.
pub fn tracker(scene: &TrackerScene) -> Arc<[u8]> {
    let state = State {
        now_ms: millis_at(scene.now),
        dashboard: scene.dashboard,
        figures: &scene.figures,
        swarms: Rows(&scene.contents, content),
        more: scene.more,
        hierarchy: scene.hierarchy.as_ref().map(hierarchy),
        controls: scene.controls.as_ref().map(controls),
    };
    event("state", &state)
}

/// One swarm.
pub fn swarm(scene: &SwarmScene) -> Arc<[u8]> {
    let swarm = Swarm {
        now_ms: millis_at(scene.now),
        hash: scene.hash.to_string(),
        name: &scene.name,
        size: scene.size,
        pieces: scene.pieces,
        nodes: Rows(&scene.nodes, node),
        links: Rows(&scene.links, |link: &LinkScene| {
            (link.from, link.to, link.rate, u8::from(link.standing))
        }),
        more: scene.more,
    };
    event("swarm", &swarm)
}

/// Registrations and heartbeats as they came, and how many more there were.
pub fn beats(beats: &[BeatSeen], more: u64) -> Arc<[u8]> {
    let row = |beat: &BeatSeen| Beat {
        at_ms: millis_at(beat.at),
        from: beat.from,
        hash: beat.hash.to_string(),
        left: beat.left,
        down: beat.down,
        up: beat.up,
    };
    event("beats", &Beats { beats: Rows(beats, row), more })
}

fn event(name: &str, data: &impl Serialize) -> Arc<[u8]> {
    let mut text = Vec::with_capacity(USUAL);
    text.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    serde_json::to_writer(&mut text, data).expect("values by name are JSON");
    text.extend_from_slice(b"\n\n");
    text.into()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since the tracker's start.
fn millis_at(moment: Moment) -> u64 {
    millis(moment.elapsed())
}

fn content(content: &Candidate) -> Content<'_> {
    Content {
        name: &content.name,
        hash: content.info_hash.to_string(),
        size: content.size,
        pieces: content.pieces,
        seeders: content.seeders,
        leechers: content.leechers,
        published: content.published,
    }
}

fn node(node: &NodeScene) -> Node<'_> {
    Node {
        addr: node.addr,
        progress: node.progress,
        bar: node.bar.as_deref(),
        down: node.down,
        up: node.up,
        age_ms: millis(node.age),
        serves: node.serves,
    }
}

fn hierarchy(view: &HierarchyView) -> Hierarchy<'_> {
    let delegation =
        |(zone, addr): &(Zone, SocketAddr)| Delegation { zone: zone.to_string(), addr: *addr };
    let cached = |entry: &CacheView| Cached {
        key: entry.key.clone(),
        op: entry.op.clone(),
        ttl_ms: millis(entry.ttl),
        left_ms: millis(entry.left),
        records: entry.records,
        negative: entry.negative,
        stale: entry.left.is_zero(),
    };
    Hierarchy {
        zone: view.zone.as_deref(),
        resolver: view.resolver,
        parent: view.parent,
        delegations: view.delegations.iter().map(delegation).collect(),
        cache: view.cache.iter().map(cached).collect(),
        cache_more: view.cache_more,
    }
}

fn controls(view: &ControlsView) -> Controls<'_> {
    let said = view.said.iter().map(|(at, text)| Said { at_ms: millis_at(*at), text });
    Controls { actions: view.actions, token: &view.token, said: said.collect() }
}

/// Values, each as an object that is made when its turn comes.
struct Rows<'a, T, F>(&'a [T], F);

impl<'a, T, R: Serialize, F: Fn(&'a T) -> R> Serialize for Rows<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|value| rows.serialize_element(&(self.1)(value)))?;
        rows.end()
    }
}

#[derive(Serialize)]
struct State<'a, R: Serialize> {
    now_ms: u64,
    dashboard: bool,
    figures: &'a FiguresNow,
    swarms: R,
    more: usize,
    hierarchy: Option<Hierarchy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controls: Option<Controls<'a>>,
}

#[derive(Serialize)]
struct Controls<'a> {
    actions: &'a [&'static str],
    token: &'a str,
    said: Vec<Said<'a>>,
}

#[derive(Serialize)]
struct Said<'a> {
    at_ms: u64,
    text: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    name: &'a str,
    hash: String,
    size: u64,
    pieces: u32,
    seeders: u32,
    leechers: u32,
    published: bool,
}

#[derive(Serialize)]
struct Hierarchy<'a> {
    zone: Option<&'a str>,
    resolver: bool,
    parent: Option<SocketAddr>,
    delegations: Vec<Delegation>,
    cache: Vec<Cached>,
    cache_more: usize,
}

#[derive(Serialize)]
struct Delegation {
    zone: String,
    addr: SocketAddr,
}

#[derive(Serialize)]
struct Cached {
    key: String,
    op: String,
    ttl_ms: u64,
    left_ms: u64,
    records: usize,
    negative: bool,
    stale: bool,
}

#[derive(Serialize)]
struct Swarm<'a, N: Serialize, L: Serialize> {
    now_ms: u64,
    hash: String,
    name: &'a str,
    size: u64,
    pieces: u32,
    nodes: N,
    links: L,
    more: usize,
}

#[derive(Serialize)]
struct Node<'a> {
    addr: SocketAddr,
    progress: Option<f64>,
    bar: Option<&'a str>,
    down: u32,
    up: u32,
    age_ms: u64,
    serves: Option<usize>,
}

#[derive(Serialize)]
struct Beats<R: Serialize> {
    beats: R,
    more: u64,
}

#[derive(Serialize)]
struct Beat {
    at_ms: u64,
    from: SocketAddr,
    hash: String,
    left: u64,
    down: u32,
    up: u32,
}
