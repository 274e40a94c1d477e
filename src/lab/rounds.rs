//! The model `rounds`: a server and peers, each of which sends one piece in a round.
//!
//! It is the uplink-sharing model of Mundinger, Weber and Weiss (*Optimal scheduling of peer-to-peer
//! file dissemination*, Journal of Scheduling 11, 2008) with nobody who schedules: a piece is passed
//! on once it is whole, downlinks are free, and in each round every uplink finds somebody who lacks
//! what it has, by lot. What is sent to whom the receiver's [`Picker`] says, the one that ships.

use super::outcome::{Outcome, PeerOutcome, RunError, Sample, Watch};
use super::setting::{Role, Setting};
use crate::bitfield::Bitfield;
use crate::geometry::{BLOCK_LEN, Geometry};
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::logic::picker::{Ask, Picker};

/// A run is given up after so many times as many rounds as there are pieces and peers.
const MOST: u64 = 64;

/// The most that a run holds: peers times pieces.
const MOST_CELLS: u64 = 50_000_000;

/// About so many samples of a run are kept.
const SAMPLES: u64 = 200;

/// One who takes part.
struct Node {
    group: usize,
    /// What it has when a round begins.
    have: Bitfield,
    picker: Picker,
    came: Vec<PieceIndex>,
    done: Option<u64>,
    sent: u64,
}

/// Runs a setting: seeds are servers, leechers peers; how they choose is their group's picker.
///
/// # Errors
/// There is no server or nobody to serve, or it is too large.
pub fn run(setting: &Setting, seed: u64, watch: &mut dyn Watch) -> Result<Outcome, RunError> {
    let pieces = setting.content.pieces();
    let count: usize = setting.groups.iter().map(|group| group.count).sum();
    if count as u64 * u64::from(pieces) > MOST_CELLS {
        let bound = format!("rounds are run for up to {MOST_CELLS} peers times pieces");
        return Err(RunError::Unsupported(bound));
    }
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut nodes = nodes(setting, pieces, &mut dice)?;
    let most = MOST * (u64::from(pieces) + count as u64);
    let mut series = Vec::new();
    let mut round = 0;
    let total = (count as u64 * u64::from(pieces)).max(1);
    while round < most && nodes.iter().any(|node| !node.have.is_full()) {
        round += 1;
        let moved = hold(&mut nodes, round, &mut dice);
        let have: u64 = nodes.iter().map(|node| u64::from(node.have.count())).sum();
        if !watch.progress(have as f64 / total as f64) {
            return Err(RunError::Stopped);
        }
        if moved == 0 {
            break; // nobody has what others lack
        }
        sample(setting, &nodes, round, &mut series);
    }
    let stride = (round / SAMPLES).max(1) as f64;
    let kept = |sample: &Sample| sample.t.rem_euclid(stride) < 0.5;
    series.retain(kept);
    Ok(outcome(setting, &nodes, round, series))
}

fn nodes(setting: &Setting, pieces: u32, dice: &mut fastrand::Rng) -> Result<Vec<Node>, RunError> {
    // A piece is one block, whatever its length: it is sent in one round.
    let total = u64::from(pieces) * u64::from(BLOCK_LEN);
    let geometry = Geometry::v1(BLOCK_LEN, total)
        .map_err(|wrong| RunError::Failed(format!("no content is cut like that: {wrong}")))?;
    let mut nodes = Vec::new();
    for (nth, group) in setting.groups.iter().enumerate() {
        for _ in 0..group.count {
            let have = match group.role {
                Role::Seed => Bitfield::full(pieces),
                Role::Leech => Bitfield::all_but(pieces, group.lacks),
            };
            let picker = Picker::new(geometry.clone(), have.clone(), group.picker, dice.fork());
            nodes.push(Node { group: nth, have, picker, came: Vec::new(), done: None, sent: 0 });
        }
    }
    let servers = nodes.iter().filter(|node| node.have.is_full()).count();
    if servers == 0 || servers == nodes.len() {
        return Err(RunError::Failed("rounds need a seed and a leecher".into()));
    }
    for node in &mut nodes {
        (0..servers).for_each(|_| node.picker.on_joined(&Bitfield::full(pieces)));
    }
    Ok(nodes)
}

/// One round: every uplink sends a piece to somebody, and at its end all have what came.
fn hold(nodes: &mut [Node], round: u64, dice: &mut fastrand::Rng) -> u64 {
    let mut senders: Vec<usize> = (0..nodes.len()).collect();
    dice.shuffle(&mut senders);
    let mut receivers: Vec<usize> =
        (0..nodes.len()).filter(|&n| !nodes[n].have.is_full()).collect();
    let mut moved = 0;
    for from in senders {
        if nodes[from].have.is_empty() {
            continue;
        }
        // In any order, until one is found that still lacks something of it.
        for nth in 0..receivers.len() {
            let next = dice.usize(nth..receivers.len());
            receivers.swap(nth, next);
            let to = receivers[nth];
            if to != from && send(nodes, from, to) {
                moved += 1;
                break;
            }
        }
    }
    settle(nodes, round);
    moved
}

/// The receiver picks one of the sender's pieces, if it lacks any.
fn send(nodes: &mut [Node], from: usize, to: usize) -> bool {
    let theirs = std::mem::replace(&mut nodes[from].have, Bitfield::new(0));
    let block = u64::from(BLOCK_LEN);
    let picked = nodes[to].picker.next_span(PeerKey(from as u64), &theirs, block, Ask::Fresh);
    nodes[from].have = theirs;
    let Some((span, _)) = picked else { return false };
    nodes[to].picker.claim(PeerKey(from as u64), span);
    nodes[to].came.push(span.piece);
    nodes[from].sent += 1;
    true
}

/// What came is there, and everybody knows.
fn settle(nodes: &mut [Node], round: u64) {
    for to in 0..nodes.len() {
        for piece in std::mem::take(&mut nodes[to].came) {
            nodes[to].picker.on_verified(piece);
            nodes[to].have.set(piece);
            let have = nodes[to].have.clone();
            for (other, node) in nodes.iter_mut().enumerate() {
                if other != to {
                    node.picker.on_have(piece, &have);
                }
            }
        }
        if nodes[to].have.is_full() {
            nodes[to].done.get_or_insert(round);
        }
    }
}

fn sample(setting: &Setting, nodes: &[Node], round: u64, series: &mut Vec<Sample>) {
    let t = round as f64;
    let leechers = nodes.iter().filter(|node| !node.have.is_full()).count();
    series.push(Sample { t, who: "all".into(), metric: "leechers", value: leechers as f64 });
    for (nth, group) in setting.groups.iter().enumerate() {
        let its = nodes.iter().filter(|node| node.group == nth);
        let counts: Vec<f64> = its.map(|node| f64::from(node.have.count())).collect();
        if group.role == Role::Leech && !counts.is_empty() {
            let value = counts.iter().sum::<f64>() / counts.len() as f64;
            series.push(Sample { t, who: group.name.clone(), metric: "pieces", value });
        }
    }
}

/// A round takes as long as an uplink needs for a piece, or a second where uplinks have no rate.
fn outcome(setting: &Setting, nodes: &[Node], rounds: u64, mut series: Vec<Sample>) -> Outcome {
    let piece = f64::from(setting.content.piece);
    let lasts = setting.link.up.map_or(1.0, |up| piece / up.max(1) as f64);
    series.iter_mut().for_each(|sample| sample.t *= lasts);
    let peer = |node: &Node| PeerOutcome {
        group: node.group,
        joined: Some(0.0),
        completed: node
            .done
            .filter(|_| setting.groups[node.group].role == Role::Leech)
            .map(|round| round as f64 * lasts),
        sent: node.sent * u64::from(setting.content.piece),
        received: match setting.groups[node.group].role {
            Role::Seed => 0,
            Role::Leech => u64::from(node.have.count()) * u64::from(setting.content.piece),
        },
        ..PeerOutcome::default()
    };
    let mut metrics = std::collections::BTreeMap::new();
    if nodes.iter().all(|node| node.have.is_full()) {
        metrics.insert("rounds".to_owned(), rounds as f64);
    }
    Outcome { peers: nodes.iter().map(peer).collect(), metrics, series, invalid: None }
}

#[cfg(test)]
mod tests;
