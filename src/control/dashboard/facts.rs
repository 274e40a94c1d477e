//! Views as the JSON of the page's events; docs/dashboard.md has every field.

use crate::control::board::{Board, Past};
use crate::control::view::{
    FileView, From, Limit, PeerView, Session, State, Statistics, TorrentView, TrackerView, Trouble,
};
use crate::logic::history::{History, Rates};
use crate::logic::picker::Priority;
use crate::logic::swarm::Ruling;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// How everything stands.
pub fn state(
    session: &Session,
    sums: &Statistics,
    torrents: &[TorrentView],
    detail: Option<&Value>,
) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |at| at.as_secs_f64());
    let slow = session.slow_down.on;
    let (down, up) =
        if slow { (session.slow_down, session.slow_up) } else { (session.down, session.up) };
    json!({
        "now": now,
        "session": {
            "port": session.peer_port,
            "downLimit": limit(down),
            "upLimit": limit(up),
            "slow": slow,
            "downloadDir": session.download_dir.to_string_lossy(),
            "freeSpace": session.free_space,
            "maxPeers": session.max_peers,
        },
        "totals": {
            "down": sums.down,
            "up": sums.up,
            "downloaded": sums.current.downloaded,
            "uploaded": sums.current.uploaded,
        },
        "torrents": torrents.iter().map(torrent).collect::<Vec<_>>(),
        "detail": detail,
    })
}

fn limit(limit: Limit) -> Option<u64> {
    limit.on.then_some(limit.rate)
}

fn torrent(torrent: &TorrentView) -> Value {
    let (state, checked) = match torrent.state {
        State::Stopped => ("stopped", None),
        State::WaitsToCheck => ("waits-to-check", None),
        State::Checking { done } => ("checking", Some(done)),
        State::Looking => ("looking", None),
        State::Downloading => ("downloading", None),
        State::Seeding => ("seeding", None),
    };
    let trouble = torrent.trouble.as_ref().map(|trouble| match trouble {
        Trouble::TrackerWarning(why) | Trouble::TrackerError(why) | Trouble::Local(why) => why,
    });
    let crowd = &torrent.crowd;
    json!({
        "id": torrent.id,
        "name": torrent.name,
        "hash": torrent.hash,
        "hashV2": torrent.hash_v2,
        "state": state,
        "checked": checked,
        "stalled": torrent.is_stalled,
        "trouble": trouble,
        "total": torrent.total,
        "wanted": torrent.wanted,
        "left": torrent.left,
        "have": torrent.have,
        "available": torrent.available,
        "corrupt": torrent.corrupt,
        "down": torrent.down,
        "up": torrent.up,
        "downloaded": torrent.downloaded,
        "uploaded": torrent.uploaded,
        "eta": torrent.eta.map(|eta| eta.as_secs()),
        "peers": crowd.connected,
        "giving": crowd.giving,
        "taking": crowd.taking,
        "downLimit": limit(torrent.settings.down),
        "upLimit": limit(torrent.settings.up),
        "sequential": torrent.settings.sequential,
        "private": torrent.origin.is_private,
        "pieceLength": torrent.piece_length,
        "pieces": torrent.piece_count,
        "files": torrent.file_count,
        "folder": torrent.folder.to_string_lossy(),
        "magnet": torrent.magnet,
        "added": torrent.dates.added,
        "done": torrent.dates.done,
    })
}

/// A torrent that is looked at closely.
pub fn detail(torrent: &TorrentView, board: &Board) -> Value {
    let bar = |number| {
        let bar = board.bars.binary_search_by_key(&number, |(known, _)| *known);
        bar.map_or("", |at| board.bars[at].1.as_str())
    };
    let choking = &board.choking;
    let bans = choking.bans.iter().map(|(address, piece)| {
        json!({
            "address": address.to_string(),
            "why": format!("it sent wrong bytes of piece {}", piece.0),
        })
    });
    json!({
        "id": torrent.id,
        "peers": torrent.peers.iter().map(|p| peer(p, bar(p.number))).collect::<Vec<_>>(),
        "trackers": torrent.trackers.iter().map(tracker).collect::<Vec<_>>(),
        "choking": {
            "strategy": choking.strategy,
            "slots": choking.slots,
            "seeding": choking.seeding,
            "next": board.next_round.as_secs_f64(),
            "every": choking.every.as_secs_f64(),
            "decisions": choking.rulings.iter().map(|r| ruling(r, board)).collect::<Vec<_>>(),
        },
        "bans": bans.collect::<Vec<_>>(),
        "availability": board.copies,
    })
}

fn ruling(ruling: &Ruling, board: &Board) -> Value {
    use crate::logic::choker::Why;
    let served = ruling.served.iter().map(|(address, why)| {
        json!({
            "peer": address.to_string(),
            "why": why.to_string(),
            "optimistic": matches!(why, Why::Optimistic { .. }),
        })
    });
    json!({
        "ago": board.now.since(ruling.at).as_secs_f64(),
        "what": if ruling.is_round { "round" } else { "free-slot" },
        "served": served.collect::<Vec<_>>(),
        "dropped": ruling.dropped.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn peer(peer: &PeerView, bar: &str) -> Value {
    let from = match peer.from {
        From::Tracker => "tracker",
        From::Incoming => "incoming",
        From::Gossip => "gossip",
        From::Given => "given",
    };
    json!({
        "address": peer.address.to_string(),
        "client": peer.client,
        "native": peer.is_native,
        "incoming": peer.is_incoming,
        "encrypted": peer.is_encrypted,
        "from": from,
        "progress": peer.progress,
        "bar": bar,
        "gives": peer.gives,
        "takes": peer.takes,
        "given": peer.given,
        "taken": peer.taken,
        "amChoking": peer.am_choking,
        "optimistic": peer.is_optimistic,
        "why": why(peer),
        "amInterested": peer.am_interested,
        "peerChoking": peer.peer_choking,
        "peerInterested": peer.peer_interested,
        "snubbed": peer.is_snubbed,
        "requests": peer.requests,
        "inFlight": peer.in_flight,
        "window": peer.window,
        "rtt": peer.round_trip.map(|rtt| rtt.as_secs_f64()),
        "connected": peer.connected.as_secs_f64(),
        "flags": flags(peer),
    })
}

/// Why a peer is served, or why not.
fn why(peer: &PeerView) -> &str {
    match () {
        () if !peer.am_choking && peer.why.is_empty() => "served",
        () if !peer.am_choking => &peer.why,
        () if peer.peer_interested => "others have the slots",
        () => "it wants nothing",
    }
}

/// What holds between us and a peer, in words.
fn flags(peer: &PeerView) -> Vec<&'static str> {
    let flags = [
        (peer.am_interested && peer.peer_choking, "we want something, it does not serve us"),
        (peer.am_interested && !peer.peer_choking, "it serves us"),
        (!peer.am_interested && !peer.peer_choking, "it would serve us, we want nothing"),
        (peer.peer_interested && peer.am_choking, "it wants something, we do not serve it"),
        (peer.peer_interested && !peer.am_choking && !peer.is_optimistic, "we serve it"),
        (peer.is_optimistic, "we serve it on trial"),
        (!peer.peer_interested && !peer.am_choking, "we would serve it, it wants nothing"),
        (peer.is_snubbed, "it is late with what it owes"),
        (peer.is_encrypted, "encrypted"),
        (peer.is_incoming, "it called us"),
    ];
    flags.into_iter().filter_map(|(holds, words)| holds.then_some(words)).collect()
}

fn tracker(tracker: &TrackerView) -> Value {
    json!({
        "tier": tracker.tier,
        "url": tracker.url,
        "asking": tracker.is_asking,
        "backup": tracker.is_backup,
        "last": tracker.last,
        "next": tracker.next,
        "peers": tracker.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok()),
        "error": tracker.outcome.as_ref().and_then(|outcome| outcome.as_ref().err()),
        "seeders": tracker.seeders,
        "leechers": tracker.leechers,
    })
}

/// A file.
pub fn file(file: &FileView) -> Value {
    let priority = match file.priority {
        Priority::Low => "low",
        Priority::High => "high",
        Priority::Normal | Priority::Skip => "normal",
    };
    json!({
        "name": file.name,
        "length": file.length,
        "done": file.done,
        "wanted": file.wanted,
        "priority": priority,
    })
}

/// How fast things went.
pub fn past(past: &Past) -> Value {
    let torrent = past.torrent.as_ref().map(history);
    json!({ "session": history(&past.session), "torrent": torrent })
}

fn history(history: &History) -> Value {
    let rows = |every: u64, rates: Vec<Rates>| {
        let (down, up): (Vec<u64>, Vec<u64>) = rates.iter().map(|r| (r.down, r.up)).unzip();
        json!({ "every": every, "down": down, "up": up })
    };
    json!({
        "recent": rows(1, history.recent().collect()),
        "whole": rows(history.every(), history.whole().collect()),
    })
}
