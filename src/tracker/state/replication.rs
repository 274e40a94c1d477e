//! What replicas of one authority tell each other: SYNC, from and into the tables.

use super::State;
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV2};
use crate::logic::registry::{Have, Registration, Wanted};
use crate::protocol::frame::{Bin, MAX_DATAGRAM};
use crate::protocol::tracker_native::sync::{MAX_PEER, SWARM_HEAD};
use crate::protocol::tracker_native::{Packet, PeerEntry, Sync, SyncSwarm, put_swarm, read_swarms};
use crate::trace::hierarchy::{Said, Way};
use std::net::SocketAddr;

/// SYNCs of one heartbeat at most, to one replica.
const SYNCS_A_BEAT: usize = 1024;

/// Bytes of a SYNC before its body: magic, type, header.
const HEAD: usize = 32;

/// Peers of one swarm in one SYNC.
const PEERS_A_SWARM: usize = 16;

impl State {
    /// Tells replicas whom we heard, when it is time.
    pub(super) fn tell_replicas(&mut self, now: Moment) {
        let Some(beat) = self.federation.replicas.next_beat(now, || fastrand::u32(..)) else {
            return;
        };
        // Not before the tables have dropped it too: it would pass for heard.
        self.federation.replicas.forget(now, self.options.expire * 2);
        for (addr, hello) in beat.hellos {
            self.federation.send(addr, hello);
        }
        for (addr, cookie) in beat.tell {
            self.tell(now, addr, cookie);
        }
    }

    /// A COOKIE of a replica: it is told at once.
    pub(super) fn on_cookie(&mut self, now: Moment, from: SocketAddr, seq: u32, cookie: Bin<8>) {
        if self.federation.replicas.on_cookie(now, from, seq, cookie) {
            self.tell(now, from, cookie);
        }
    }

    fn tell(&mut self, now: Moment, addr: SocketAddr, cookie: Bin<8>) {
        for body in self.syncs() {
            let swarms = read_swarms(&body).map_or(0, |swarms| swarms.len());
            let datagram = Packet::new(Sync { cookie }, &body).datagram();
            self.federation.record(now, Way::To(addr), Said::Sync(swarms), datagram.len());
            self.federation.send(addr, datagram);
        }
    }

    /// All native registrations that we heard ourselves, in as many bodies as they take.
    fn syncs(&mut self) -> Vec<Vec<u8>> {
        let hashes: Vec<InfoHashV2> =
            self.registry.swarms_after(None).map(|(hash, _)| hash).collect();
        let mut bodies = vec![Vec::new()];
        for hash in hashes {
            for swarm in self.swarm_parts(hash) {
                let mut bytes = Vec::with_capacity(SWARM_HEAD + swarm.peers.len() * MAX_PEER);
                put_swarm(&mut bytes, &swarm);
                let last = bodies.last_mut().expect("there is one from the start");
                if last.len() + bytes.len() <= MAX_DATAGRAM - HEAD {
                    last.extend(bytes);
                } else if bodies.len() < SYNCS_A_BEAT {
                    bodies.push(bytes);
                }
            }
        }
        bodies.retain(|body| !body.is_empty());
        bodies
    }

    /// A swarm's native peers that we heard ourselves, some at a time.
    fn swarm_parts(&mut self, hash: InfoHashV2) -> Vec<SyncSwarm> {
        let name = InfoHash::from(hash);
        let Some(swarm) = self.registry.swarm(&name) else { return Vec::new() };
        let (content, size, pieces) = (swarm.name.to_owned(), swarm.size, swarm.pieces);
        let mut all: Vec<PeerEntry> = Vec::new();
        let wanted = Wanted { asker: None, family: None, peers: usize::MAX };
        self.registry.next_peers(&[name], wanted, |peer| {
            all.extend(Some(*peer).filter(|peer| peer.native));
            peer.native
        });
        let replicas = &self.federation.replicas;
        let heard = all.into_iter().filter(|peer| !replicas.was_told(hash, peer.addr));
        let id_of = |addr| self.registry.peer_id(&[name], addr);
        let peers: Vec<_> = heard.filter_map(|peer| Some((id_of(peer.addr)?, peer))).collect();
        let part = |peers: &[_]| SyncSwarm {
            info_hash: hash,
            name: content.clone(),
            size,
            pieces,
            peers: peers.to_vec(),
        };
        peers.chunks(PEERS_A_SWARM).map(part).collect()
    }

    /// A replica names peers that it heard; those we hear ourselves stay as they are.
    pub(super) fn on_sync(&mut self, now: Moment, from: SocketAddr, m: &Sync, body: &[u8]) {
        let known = self.federation.replicas.has(from);
        if !known || !self.cookies.accepts(now, from, m.cookie.0) {
            self.counters.unverified += 1;
            return;
        }
        let Ok(swarms) = read_swarms(body) else { return };
        self.federation.record(now, Way::From(from), Said::Sync(swarms.len()), body.len());
        for swarm in swarms {
            let SyncSwarm { info_hash, name, size, pieces, peers } = swarm;
            if name.is_empty() || self.federation.refuses(info_hash).is_some() {
                continue;
            }
            for (peer_id, peer) in peers {
                let replicas = &mut self.federation.replicas;
                let heard = self.registry.knows(&info_hash.into(), peer.addr)
                    && !replicas.was_told(info_hash, peer.addr);
                if heard || peer.addr.port() == 0 {
                    continue;
                }
                let registration = Registration {
                    info_hash: info_hash.into(),
                    addr: peer.addr,
                    peer_id,
                    name: name.clone(),
                    size,
                    pieces,
                    left: if peer.seed { 0 } else { size.max(1) },
                    uploaded: 0,
                    downloaded: 0,
                    have: if peer.seed { Have::All } else { Have::Unknown },
                    native: true,
                    bittorrent: peer.bittorrent,
                };
                if self.registry.on_register(now, registration).is_ok() {
                    replicas.on_told(now, info_hash, peer.addr);
                }
            }
        }
    }
}
