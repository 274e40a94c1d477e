//! Asks for more peers when a torrent starves, and lets the least useful neighbour go for somebody
//! new: the hands of [`crate::logic::neighbours`].

use crate::clock::Moment;
use crate::logic::neighbours::{Neighbour, Situation};
use crate::logic::swarm::{PeerStatus, Standing};
use crate::node::shared::{Connection, Peers, Shared, Torrent};
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use crate::trace::Event;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Looks at a torrent's neighbours, and does what is to be done.
pub fn look_after(shared: &Shared, torrent: &Torrent, now: Moment) {
    let complete = torrent.completed.load(Ordering::Acquire);
    let mut guard = torrent.peers.lock();
    let peers = &mut *guard;
    let full = shared.room() == 0 || peers.connections.len() >= torrent.max_peers();
    let (neighbours, fed) = neighbours(torrent, peers, now);
    let fresh = full && peers.dialer.has_fresh(now, complete);
    let how = Situation { complete, fed, full, fresh };
    let change = peers.neighbours.next_change(now, &neighbours, how);
    let spare = change.let_go.and_then(|(peer, why)| {
        let connection = peers.connections.get(&peer)?.clone();
        connection.listens_at().inspect(|&at| peers.dialer.on_let_go(now, at));
        Some((connection, why))
    });
    drop(guard);
    if let Some((connection, why)) = spare {
        log::info!("{}: let go for somebody new: {why}", connection.who.address);
        if let Some(trace) = &shared.trace {
            trace.write(&Event::LetGo { link: connection.link(), why });
        }
        shared.end(&connection, &Message::Bye);
    }
    if change.ask {
        ask_for_peers(shared, torrent);
    }
}

/// All neighbours as they stand, and whether a web seed feeds us.
fn neighbours(torrent: &Torrent, peers: &Peers, now: Moment) -> (Vec<Neighbour>, bool) {
    let picker = torrent.picker.lock();
    let fed = picker.down_rate(now) > 0;
    let neighbour = |connection: &Arc<Connection>, status: &PeerStatus| Neighbour {
        peer: status.peer,
        since: connection.since,
        given: status.given,
        taken: connection.uploaded.load(Ordering::Relaxed),
        am_interested: status.am_interested,
        peer_interested: status.peer_interested,
        am_choking: status.standing == Standing::Choked,
        peer_choking: status.peer_choking,
    };
    let all = picker.peers(now);
    let known = all.iter().filter_map(|s| Some(neighbour(peers.connections.get(&s.peer)?, s)));
    (known.collect(), fed)
}

/// Asks native neighbours for theirs; BitTorrent's tell them unasked (BEP 11). In a private torrent
/// only trackers name peers (BEP 27).
pub fn ask_for_peers(shared: &Shared, torrent: &Torrent) {
    if torrent.completed.load(Ordering::Acquire) || torrent.meta.private {
        return;
    }
    for connection in torrent.connections() {
        if connection.speech.dialect() == Dialect::Native {
            connection.asked_for_peers.store(true, Ordering::Release);
            shared.say(&connection, &Message::Peers);
        }
    }
}
