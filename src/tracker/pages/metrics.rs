//! Figures for programs: JSON, and Prometheus' text format 0.0.4.
//!
//! ```text
//! # HELP swarmlet_tracker_torrents Names with peers: a hybrid torrent may have three.
//! # TYPE swarmlet_tracker_torrents gauge
//! swarmlet_tracker_torrents 3
//! ```

use crate::ids::{InfoHash, hex};
use crate::logic::registry::Have;
use crate::tracker::state::views::{FiguresNow, NodeView, SwarmView};
use serde_json::{Value, json};
use std::fmt::Write;

/// The figures as one JSON object.
pub fn json(now: &FiguresNow) -> String {
    serde_json::to_string(now).expect("numbers by name are JSON") + "\n"
}

/// The figures for Prometheus.
pub fn prometheus(now: &FiguresNow) -> String {
    let s = &now.statistics;
    let mut text = Text(String::new());
    text.family("uptime_seconds", "gauge", "Seconds since the start.", &[("", s.uptime_secs)]);
    let gauges = [
        ("torrents", "Names with peers: a hybrid torrent may have three.", s.torrents),
        ("peers", "Registrations.", s.peers),
        ("seeders", "Registrations that have everything.", s.seeders),
        ("leechers", "Registrations that do not.", s.leechers),
        ("published", "Published .torrents.", s.published),
        ("published_bytes", "Bytes of all published .torrents.", s.published_bytes),
        ("connections", "TCP connections.", s.connections),
    ];
    for (name, help, value) in gauges {
        text.family(name, "gauge", help, &[("", value as f64)]);
    }
    let counters = [
        ("datagrams_total", "Datagrams received.", s.datagrams),
        ("malformed_total", "Datagrams that were no message to a tracker.", s.malformed),
        ("unverified_total", "Datagrams without a valid cookie.", s.unverified),
        ("requests_total", "Frames received by TCP.", s.requests),
        ("refused_total", "Registrations and announces that were refused.", s.refused),
        ("expired_total", "Peers dropped because they fell silent.", s.expired),
    ];
    for (name, help, value) in counters {
        text.family(name, "counter", help, &[("", value as f64)]);
    }
    let families = [
        ("{family=\"ipv4\"}", s.announces_v4 as f64),
        ("{family=\"ipv6\"}", s.announces_v6 as f64),
    ];
    text.family("announces_total", "counter", "BitTorrent announces, by UDP and HTTP.", &families);
    text.0
}

struct Text(String);

impl Text {
    /// One metric: its help, its type and its values, each behind its labels.
    fn family(&mut self, name: &str, kind: &str, help: &str, values: &[(&str, f64)]) {
        let name = format!("swarmlet_tracker_{name}");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}

/// One content and its nodes as one JSON object.
pub fn swarm_json(swarm: &SwarmView) -> String {
    let v2 = swarm.names.iter().find_map(InfoHash::v2).map(|hash| hash.to_string());
    let nodes: Vec<Value> = swarm.nodes.iter().map(|node| node_json(node, swarm.pieces)).collect();
    let object = json!({
        "name": swarm.name,
        "info_hash_v2": v2,
        "names": swarm.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "size": swarm.size,
        "pieces": swarm.pieces,
        "published": swarm.published,
        "seeders": swarm.figures.seeders,
        "leechers": swarm.figures.leechers,
        "completed": swarm.figures.completed,
        "nodes": nodes,
    });
    object.to_string() + "\n"
}

/// `have` is `"all"`, a bitmap in hexadecimal, or null where it is not known.
fn node_json(node: &NodeView, pieces: u32) -> Value {
    let have = match &node.have {
        Have::All => Some("all".to_owned()),
        Have::Unknown => (node.left == 0).then(|| "all".to_owned()),
        Have::Some(bits) => (bits.pieces() == pieces).then(|| hex(bits.as_bytes())),
    };
    json!({
        "address": node.addr.to_string(),
        "left": node.left,
        "down": node.down,
        "up": node.up,
        "heard_secs_ago": node.age.as_secs_f64(),
        "have": have,
    })
}
