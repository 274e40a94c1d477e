//! What BitTorrent peers can do beyond BEP 3: the extension protocol (BEP 10) and what goes by it,
//! `info` for those who hold only its hash (BEP 9) and peer exchange (BEP 11).

use crate::logic::dialer::may_tell;
use crate::node::shared::{Connection, Peers, Shared, Torrent};
use crate::protocol::Dialect;
use crate::protocol::bittorrent::OURS;
use crate::protocol::message::{ExtensionNumbers, Extensions, Message, PeersChanged};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of `info` in one message (BEP 9).
pub const INFO_PART: usize = 16 * 1024;

/// The most addresses that one message of ours brings or takes back (BEP 11).
const MOST_CHANGES: usize = 50;

/// A seed, in the flags of PEX.
const SEED: u8 = 0x02;

/// Who we are called among clients.
pub const CLIENT: &str = concat!("swarmlet ", env!("CARGO_PKG_VERSION"));

/// Requests that a peer may let wait with us.
const MOST_REQUESTS: u32 = crate::node::outbox::MAX_REQUESTS as u32;

/// Our extension handshake.
pub fn ours(shared: &Shared, connection: &Connection, wants_nothing: bool) -> Message<'static> {
    let meta = &connection.torrent.meta;
    let peers = if meta.private { 0 } else { OURS.peers };
    Message::Extensions(Box::new(Extensions {
        numbers: ExtensionNumbers { peers, ..OURS },
        client: Some(CLIENT.to_owned()),
        port: Some(shared.port),
        most_requests: Some(MOST_REQUESTS),
        info_length: Some(meta.info.len() as u32),
        your_ip: Some(connection.who.source.ip()),
        upload_only: wants_nothing,
    }))
}

/// The other's extension handshake: how it wants to be spoken to, and where it listens.
pub fn on_extensions(connection: &Connection, said: &Extensions) {
    connection.outbox.learn(said.numbers);
    let Some(port) = said.port.filter(|_| !connection.who.listens) else { return };
    // Where it listens is said once: who names ever more ports would fill the dialer.
    if connection.says_port.compare_exchange(0, port, Ordering::AcqRel, Ordering::Acquire).is_err()
    {
        return;
    }
    if let Some(address) = connection.listens_at() {
        let mut peers = connection.torrent.peers.lock();
        peers.dialer.on_connected(address, Dialect::BitTorrent, false);
    }
}

/// Asked for a part of `info`.
pub fn answer_info(shared: &Shared, connection: &Arc<Connection>, index: u32) {
    let info = &connection.torrent.meta.info;
    let part = info.chunks(INFO_PART).nth(index as usize);
    let answer = match part.filter(|_| connection.outbox.has_room()) {
        Some(data) => Message::Info { index, total: info.len() as u32, data },
        None => Message::InfoReject(index),
    };
    shared.say(connection, &answer);
}

/// Somebody tells who else is there; in a private torrent nobody is asked or believed (BEP 27).
pub fn on_peers_changed(shared: &Shared, connection: &Connection, changed: &PeersChanged) {
    let (torrent, source) = (&connection.torrent, connection.who.source);
    if torrent.meta.private || changed.added.is_empty() {
        return;
    }
    let added = changed.added.iter().map(|&(address, _)| address);
    let mut peers = torrent.peers.lock();
    peers.dialer.on_gossip(shared.clock.now(), source, Dialect::BitTorrent, added);
    let seeds = changed.added.iter().filter(|(_, flags)| flags & SEED != 0);
    seeds.for_each(|&(address, _)| peers.dialer.on_rumoured_seed(address));
}

/// Tells each BitTorrent peer who came and who went since it was last told.
pub fn tell_peers(shared: &Shared, torrent: &Torrent) {
    if torrent.meta.private {
        return;
    }
    let here: Vec<(SocketAddr, u8)> = {
        let peers = torrent.peers.lock();
        let picker = torrent.picker.lock();
        let flags = |key| if picker.is_seed(key) { SEED } else { 0 };
        reachable(&peers).map(|c| (c.0, flags(c.1))).collect()
    };
    for connection in torrent.connections() {
        if !connection.outbox.takes_peers() {
            continue;
        }
        let mut told = connection.told.lock();
        let own = connection.listens_at();
        let to = connection.who.source.ip();
        let is_news = |&&(address, _): &&(SocketAddr, u8)| {
            !told.contains(&address) && Some(address) != own && may_tell(address, to)
        };
        let added: Vec<_> = here.iter().filter(is_news).take(MOST_CHANGES).copied().collect();
        let is_gone = |address: &&SocketAddr| !here.iter().any(|(other, _)| other == *address);
        let dropped: Vec<_> = told.iter().filter(is_gone).take(MOST_CHANGES).copied().collect();
        if added.is_empty() && dropped.is_empty() {
            continue;
        }
        told.extend(added.iter().map(|&(address, _)| address));
        dropped.iter().for_each(|address| _ = told.remove(address));
        drop(told);
        shared.say(&connection, &Message::PeersChanged(Box::new(PeersChanged { added, dropped })));
    }
}

fn reachable(peers: &Peers) -> impl Iterator<Item = (SocketAddr, crate::logic::PeerKey)> {
    peers.connections.values().filter_map(|c| Some((c.listens_at()?, c.key)))
}
