//! How peers of a world come and go: who calls whom, and what they say first and last.

use super::counts::Interest;
use super::events::{Event, Word};
use super::{Connection, End, TICK, World};
use crate::ids::InfoHashV1;
use crate::lab::link::{Line, MAX_REQUESTS};
use crate::logic::neighbours::{Neighbour, PATIENCE, Situation};
use crate::logic::swarm::{PeerStatus, Standing};
use crate::logic::{PeerKey, fast_set};
use crate::protocol::Dialect;
use crate::protocol::message::{Extensions, Message};
use crate::trace;
use std::collections::HashSet;
use std::net::IpAddr;

impl World {
    /// A peer comes: it calls those that the tracker names, and its timers begin.
    pub(super) fn join(&mut self, peer: usize) {
        if self.peers[peer].report.left.is_some() {
            return;
        }
        self.peers[peer].report.joined = Some(self.now);
        let listen = self.peers[peer].address;
        self.note(peer, &trace::Event::Start { id: None, listen });
        let answers = self.now >= self.tracker_down_until;
        let named = if answers { self.name_some(peer) } else { Vec::new() };
        if !answers {
            self.agenda.plan(self.tracker_down_until, Event::Announces(peer));
        }
        self.present.push(peer);
        let leeches = self.peers[peer].is_waited_for();
        if leeches {
            self.note_population(1);
        }
        for piece in self.peers[peer].swarm.have().iter() {
            self.copies[piece.at()] += 1;
            if leeches {
                self.elsewhere.set(piece);
            }
        }
        named.into_iter().for_each(|other| self.connect(peer, other));
        // Nodes do not start together: their timers have any phase.
        let (tick, round) = (TICK.mul_f64(self.rng.f64()), self.round().mul_f64(self.rng.f64()));
        self.agenda.plan(self.now + tick, Event::Ticks(peer));
        self.agenda.plan(self.now + round, Event::Rounds(peer));
    }

    /// Whom the tracker names to a peer: some of those that are there and that it is not connected
    /// with; a seed among them if the world has [`super::WorldOptions::refresh`]. Who has a large
    /// view learns of everybody, and everybody learns of it.
    fn name_some(&mut self, peer: usize) -> Vec<usize> {
        let known: HashSet<usize> = self.open_ends(peer).map(|(other, _)| other).collect();
        let reached = |other: &usize| self.now >= self.peers[*other].cut_until;
        let new = |other: &usize| *other != peer && !known.contains(other) && reached(other);
        let there: Vec<usize> = self.present.iter().copied().filter(new).collect();
        if !reached(&peer) {
            return Vec::new();
        }
        let Some(degree) = self.options.degree else { return there };
        if self.peers[peer].options.large_view {
            return there;
        }
        let has_all = |&other: &usize| self.peers[other].swarm.is_complete();
        let seeds: Vec<usize> = there.iter().copied().filter(has_all).collect();
        let sees_all: Vec<usize> =
            there.iter().copied().filter(|&other| self.peers[other].options.large_view).collect();
        let mut named = self.rng.choose_multiple(there, degree);
        if self.options.refresh
            && !named.iter().any(|other| self.peers[*other].swarm.is_complete())
            && let Some(seed) = self.rng.choice(seeds)
        {
            named.truncate(degree.saturating_sub(1));
            named.push(seed);
        }
        let more = sees_all.into_iter().filter(|other| !named.contains(other));
        let more: Vec<usize> = more.collect();
        named.extend(more);
        named
    }

    /// The tracker names others to a peer; it calls as many of them as it has room for.
    pub(super) fn announce(&mut self, peer: usize) {
        if self.now < self.tracker_down_until {
            self.agenda.plan(self.tracker_down_until, Event::Announces(peer));
            return;
        }
        self.peers[peer].named = self.name_some(peer);
        self.call_named(peer);
    }

    fn call_named(&mut self, peer: usize) {
        while self.has_room(peer)
            && let Some(other) = self.peers[peer].named.pop()
        {
            let is_new = self.open_ends(peer).all(|(known, _)| known != other);
            if is_new && self.peers[other].is_present() {
                self.connect(peer, other);
            }
        }
    }

    /// A peer that has twice as many neighbours as it was told of wants no more.
    fn has_room(&self, peer: usize) -> bool {
        let most = self.options.degree.map_or(usize::MAX, |degree| 2 * degree);
        self.open_ends(peer).count() < most
    }

    /// Whom a peer is connected with, and how.
    fn open_ends(&self, peer: usize) -> impl Iterator<Item = (usize, PeerKey)> + '_ {
        self.peers[peer].connections.iter().filter_map(move |&key| {
            let connection = &self.connections[key.0 as usize];
            let side = usize::from(connection.ends[1].peer == peer);
            connection.ends[side].is_open.then(|| (connection.ends[1 - side].peer, key))
        })
    }

    /// Looks at a leecher's neighbours as a node does (`src/node/renewal.rs`), as often as one may
    /// change: who starves asks the tracker, and lets somebody go for whom it names.
    pub(super) fn look_after(&mut self, peer: usize) {
        let patience = PATIENCE.div_f64(self.options.time_scale);
        let is_due = self.now.since(self.peers[peer].looked) >= patience;
        let is_local = self.options.refresh && self.options.degree.is_some();
        if !is_local || !is_due || !self.peers[peer].is_leeching() {
            return;
        }
        self.peers[peer].looked = self.now;
        let status = self.peers[peer].swarm.peers(self.now);
        let neighbour = |s: PeerStatus| Neighbour {
            peer: s.peer,
            since: self.connections[s.peer.0 as usize].since,
            given: s.given,
            taken: self.sent_on(peer, s.peer),
            am_interested: s.am_interested,
            peer_interested: s.peer_interested,
            am_choking: s.standing == Standing::Choked,
            peer_choking: s.peer_choking,
        };
        let all: Vec<Neighbour> = status.into_iter().map(neighbour).collect();
        let full = !self.has_room(peer);
        let fresh = !self.peers[peer].named.is_empty();
        let how = Situation { complete: false, fed: false, full, fresh };
        let change = self.peers[peer].neighbours.next_change(self.now, &all, how);
        if let Some((key, why)) = change.let_go {
            let link = self.link(peer, key);
            self.note(peer, &trace::Event::LetGo { link, why });
            self.end(peer, key);
        }
        if change.ask {
            self.announce(peer);
        } else {
            self.call_named(peer);
        }
    }

    fn sent_on(&self, peer: usize, key: PeerKey) -> u64 {
        let ends = &self.connections[key.0 as usize].ends;
        ends[usize::from(ends[1].peer == peer)].sent
    }

    /// A peer goes: the block that it is sending is lost.
    pub(super) fn leave(&mut self, peer: usize) {
        if self.peers[peer].report.left.is_some() {
            return;
        }
        let was_present = self.peers[peer].is_present();
        let was_leeching = self.peers[peer].is_leeching();
        self.waited_for -= usize::from(self.peers[peer].is_waited_for());
        self.peers[peer].report.left = Some(self.now);
        self.peers[peer].paused = None;
        if was_leeching {
            self.note_population(-1);
        }
        if was_present {
            self.present.retain(|&other| other != peer);
            for piece in self.peers[peer].swarm.have().iter() {
                self.copies[piece.at()] -= 1;
            }
        }
        if let Some((key, _)) = self.peers[peer].uplink.finish() {
            let held = self.end_of(peer, key).line.end_block();
            held.into_iter().for_each(|(seq, word)| self.send(peer, key, seq, word));
        }
        for key in std::mem::take(&mut self.peers[peer].connections) {
            self.end(peer, key);
        }
    }

    /// Both ends learn of each other at once; what they say first takes its way.
    fn connect(&mut self, caller: usize, host: usize) {
        let key = PeerKey(self.connections.len() as u64);
        let is_native = |peer: usize| self.peers[peer].options.dialect == Dialect::Native;
        let native = is_native(caller) && is_native(host);
        let dialect = if native { Dialect::Native } else { Dialect::BitTorrent };
        let end = |peer| End {
            peer,
            is_open: true,
            line: Line::default(),
            said: 0,
            sent: 0,
            owes_news: false,
            interest: Interest::default(),
        };
        let leech = self.peers[caller].is_leeching() && self.peers[host].is_leeching();
        self.connections.push(Connection {
            dialect,
            since: self.now,
            leechers_since: leech.then_some(self.now),
            ends: [end(caller), end(host)],
        });
        for (peer, other) in [(caller, host), (host, caller)] {
            let address = self.peers[other].address;
            self.peers[peer].connections.push(key);
            let (link, here) = (self.link(peer, key), self.peers[peer].address);
            let ends = Some((here, address));
            let dialled = peer == caller;
            self.note(peer, &trace::Event::Open { link, dialled, id: None, ends, torrent: None });
            self.peers[peer].swarm.on_joined(self.now, key, address, dialect);
            self.say_what_it_has(peer, key);
            if let (Dialect::BitTorrent, IpAddr::V4(ip)) = (dialect, address.ip()) {
                let requests = Some(MAX_REQUESTS as u32);
                let said = Extensions { most_requests: requests, ..Extensions::default() };
                self.say(peer, key, Word::Said(Message::Extensions(Box::new(said))));
                let pieces = self.geometry.pieces();
                let hash = InfoHashV1([0; 20]);
                let set = fast_set::allowed_fast(fast_set::SET_SIZE, pieces, hash, ip);
                self.drive(peer, |swarm, _, out| swarm.allow_fast(key, &set, out));
            }
        }
    }

    /// The first word: everything, nothing, or a bitfield in parts.
    fn say_what_it_has(&mut self, peer: usize, key: PeerKey) {
        let said = self.peers[peer].swarm.first_word(key).messages(self.dialect(key));
        let word = |message: Message| match message {
            Message::Bitfield { first, bits } => Word::Bitfield(first, bits.to_vec()),
            Message::HaveAll => Word::Said(Message::HaveAll),
            _ => Word::Said(Message::HaveNone),
        };
        let words: Vec<Word> = said.into_iter().map(word).collect();
        words.into_iter().for_each(|word| self.say(peer, key, word));
    }

    /// Ends a connection: what waits for the uplink is dropped, the block that is being sent is not.
    pub(super) fn end(&mut self, peer: usize, key: PeerKey) {
        if self.end_of(peer, key).is_open {
            self.peers[peer].uplink.forget(key);
            self.end_pair(key);
            self.say(peer, key, Word::End);
            self.end_of(peer, key).is_open = false;
            self.note_close(peer, key, "it ended the connection");
            self.agenda.plan(self.now, Event::Forgets(peer, key));
        }
    }
}
