//! One datagram in, at most one out: the native ones. What does not open with their magic is
//! BitTorrent's, see `announces`.

use super::questions::Came;
use super::{PeersWanted, State, bare, error};
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::ids::{InfoHashV2, PeerId};
use crate::logic::registry::{Have, Registration};
use crate::protocol::frame::{Bin, MAX_DATAGRAM, TRACKER_MAGIC};
use crate::protocol::tracker_native::{
    Beat, BecomeSeeder, ChunkCount, Cookie, ErrorCode, GetCount, Keepalive, Links, MAX_NAME,
    Message, Packet, Register, Request, Unregister, put_peer, read_beats,
};
use crate::tracker::allow::NOT_LISTED;
use std::net::SocketAddr;

/// Peers in one datagram: 50 IPv6 entries and the header fit.
const PEERS_A_DATAGRAM: usize = 50;

/// When a peer that found a table full may ask again: the tables turn over in this time.
const FULL_RETRY_MS: u32 = 15_000;

impl State {
    /// Answers a datagram into `out`, which is left empty for silence.
    pub fn on_datagram(&mut self, now: Moment, from: SocketAddr, bytes: &[u8], out: &mut Vec<u8>) {
        self.counters.datagrams += 1;
        if !bytes.starts_with(&TRACKER_MAGIC[..]) {
            return self.on_bittorrent_datagram(now, from, bytes, out);
        }
        let Ok(Packet { message, body }) = Packet::from_datagram(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        if let Message::Hello(hello) = message {
            let cookie = Bin(self.cookies.of(now, from));
            bare(Cookie { seq: hello.seq, cookie }).put_datagram(out);
            if out.len() > bytes.len() {
                out.clear();
            }
            return;
        }
        match message {
            Message::Query(query) => {
                return self.on_query(now, from, &query, Came::Datagram(bytes.len()), out);
            }
            Message::Answer(m) => {
                return self.federation.on_answer(now, from, (&m, body), bytes.len());
            }
            Message::Sync(m) => return self.on_sync(now, from, &m, body),
            Message::Cookie(m) => return self.on_cookie(now, from, m.seq, m.cookie),
            _ => {}
        }
        match credentials(&message) {
            Some((cookie, port)) if self.cookies.accepts(now, from, cookie.0) => {
                let peer = SocketAddr::new(from.ip(), port);
                self.on_verified(now, peer, message, body, out);
            }
            _ => self.counters.unverified += 1,
        }
        debug_assert!(out.len() <= MAX_DATAGRAM, "answers fit a datagram");
    }

    fn on_verified(
        &mut self,
        now: Moment,
        peer: SocketAddr,
        message: Message,
        body: &[u8],
        out: &mut Vec<u8>,
    ) {
        let answer = match message {
            Message::Register(m) => self.on_register(now, peer, m, body),
            Message::Keepalive(m) => self.on_keepalive(now, peer, &m, body),
            Message::BecomeSeeder(m) => self.on_become_seeder(now, peer, &m),
            Message::Unregister(m) => self.on_unregister(peer, &m),
            Message::GetCount(m) => self.on_get_count(&m),
            Message::Request(m) => return self.on_request(peer, &m, out),
            Message::Links(m) => return self.on_links(now, peer, &m, body),
            _ => return,
        };
        bare(answer).put_datagram(out);
    }

    fn on_register(&mut self, now: Moment, addr: SocketAddr, m: Register, body: &[u8]) -> Message {
        let refused = |code, why: &str| error(m.seq, code, why, 0).into();
        if !self.allows(&InfoHashV2(m.info_hash.0).into()) {
            self.counters.refused += 1;
            return refused(ErrorCode::UnknownTorrent, NOT_LISTED);
        }
        if addr.port() == 0 {
            return refused(ErrorCode::BadField, "nobody can be reached at port 0");
        }
        if m.name.is_empty() || m.name.len() > MAX_NAME {
            return refused(ErrorCode::BadField, "a name has 1 to 255 bytes");
        }
        let Some(have) = have(body, m.pieces, m.left, m.size) else {
            return refused(ErrorCode::BadField, "the bitmap does not fit the piece count");
        };
        let hash = InfoHashV2(m.info_hash.0);
        if let Some(why) = self.federation.refuses(hash) {
            return refused(ErrorCode::OtherZone, &why);
        }
        let left = m.left;
        let registration = Registration {
            info_hash: hash.into(),
            addr,
            peer_id: PeerId(m.peer_id.0),
            name: m.name,
            size: m.size,
            pieces: m.pieces,
            left: m.left,
            uploaded: m.uploaded,
            downloaded: m.downloaded,
            have,
            native: true,
            bittorrent: m.bittorrent,
        };
        if let Err(full) = self.registry.on_register(now, registration) {
            self.counters.refused += 1;
            return error(m.seq, ErrorCode::Full, &full, FULL_RETRY_MS).into();
        }
        log::debug!("{addr} takes part in {hash}");
        self.on_seen(now, addr, hash, (left, 0, 0));
        self.federation.replicas.on_heard(hash, addr);
        let publish = if self.wants_publish(now, &hash) { vec![0] } else { vec![] };
        self.ack(m.seq, vec![], publish)
    }

    fn on_keepalive(
        &mut self,
        now: Moment,
        addr: SocketAddr,
        m: &Keepalive,
        body: &[u8],
    ) -> Message {
        let Ok(beats) = read_beats(body) else {
            return error(m.seq, ErrorCode::BadField, "the heartbeats cannot be read", 0).into();
        };
        if let Some(why) = self.all_elsewhere(&beats) {
            return error(m.seq, ErrorCode::OtherZone, &why, 0).into();
        }
        let (mut unknown, mut publish) = (Vec::new(), Vec::new());
        for (position, beat) in (0..).zip(&beats) {
            let is_listed = self.allows(&beat.info_hash.into());
            if !is_listed || !self.registry.on_beat(now, addr, beat) {
                unknown.push(position);
            } else if let Some(hash) = self.registry.resolve(beat.info_hash) {
                self.on_seen(now, addr, hash, (beat.left, beat.down, beat.up));
                if self.wants_publish(now, &hash) {
                    publish.push(position);
                }
            }
        }
        self.ack(m.seq, unknown, publish)
    }

    /// Why none of these torrents belongs here, if none does; one that does is answered, and the
    /// others are unknown.
    fn all_elsewhere(&self, beats: &[Beat]) -> Option<String> {
        let mut why = None;
        for beat in beats {
            let mut hash = [0; 32];
            hash[..20].copy_from_slice(&beat.info_hash.0);
            why = Some(self.federation.refuses(InfoHashV2(hash))?);
        }
        why
    }

    fn on_become_seeder(&mut self, now: Moment, addr: SocketAddr, m: &BecomeSeeder) -> Message {
        if self.registry.on_completed(now, &InfoHashV2(m.info_hash.0).into(), addr) {
            self.ack(m.seq, vec![], vec![])
        } else {
            error(m.seq, ErrorCode::UnknownPeer, "not registered for this torrent", 0).into()
        }
    }

    /// Whoever is not here has stopped already: the ACK may have been lost.
    fn on_unregister(&mut self, addr: SocketAddr, m: &Unregister) -> Message {
        let hash = InfoHashV2(m.info_hash.0);
        if self.registry.on_stopped(&hash.into(), addr, PeerId(m.peer_id.0)) {
            self.links.on_stopped(hash, addr);
        }
        self.ack(m.seq, vec![], vec![])
    }

    /// Whom a registered peer serves. Nobody is answered.
    fn on_links(&mut self, now: Moment, addr: SocketAddr, m: &Links, body: &[u8]) {
        let hash = InfoHashV2(m.info_hash.0);
        if self.options.dashboard && self.registry.knows(&hash.into(), addr) {
            self.links.on_links(now, hash, addr, body);
        }
    }

    fn on_get_count(&self, m: &GetCount) -> Message {
        match self.candidate(InfoHashV2(m.info_hash.0)) {
            Some(content) => {
                ChunkCount { seq: m.seq, info_hash: m.info_hash, count: content.pieces }.into()
            }
            None => error(m.seq, ErrorCode::UnknownTorrent, "no such torrent here", 0).into(),
        }
    }

    fn on_request(&mut self, asker: SocketAddr, m: &Request, out: &mut Vec<u8>) {
        let hash = InfoHashV2(m.info_hash.0);
        if !self.has_content(&hash) {
            let unknown = error(m.seq, ErrorCode::UnknownTorrent, "no such torrent here", 0);
            return bare(unknown).put_datagram(out);
        }
        let bound = Some(self.options.listen.ip()).filter(|ip| !ip.is_unspecified());
        let question = PeersWanted {
            hash,
            asker,
            reached: bound.or(m.to.map(|to| to.0.to_canonical())),
            wanted: m.wanted.into(),
            limit: PEERS_A_DATAGRAM,
        };
        let (list, peers) = self.peers_for(m.seq, &question);
        let mut body = Vec::with_capacity(8 * peers.len());
        for peer in &peers {
            put_peer(&mut body, peer);
        }
        Packet::new(list, &body).put_datagram(out);
    }
}

/// The cookie and the listening port that a datagram carries; `None` if it is no command to a
/// tracker by UDP.
fn credentials(message: &Message) -> Option<(Bin<8>, u16)> {
    Some(match message {
        Message::Register(m) => (m.cookie, m.port),
        Message::Keepalive(m) => (m.cookie, m.port),
        Message::Request(m) => (m.cookie, m.port),
        Message::BecomeSeeder(m) => (m.cookie, m.port),
        Message::Unregister(m) => (m.cookie, m.port),
        Message::GetCount(m) => (m.cookie, 0),
        Message::Links(m) => (m.cookie, m.port),
        _ => return None,
    })
}

/// What a REGISTER says a peer has; `None` when its bitmap contradicts its piece count.
fn have(body: &[u8], pieces: u32, left: u64, size: u64) -> Option<Have> {
    Some(match body {
        [] if left == 0 => Have::All,
        [] if left == size && pieces.div_ceil(8) as usize <= MAX_DATAGRAM => {
            Have::Some(Bitfield::new(pieces))
        }
        [] => Have::Unknown,
        bits => Have::Some(Bitfield::from_bytes(bits, pieces).ok()?),
    })
}
