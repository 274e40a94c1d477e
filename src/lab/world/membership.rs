//! How peers of a world come and go: who calls whom, and what they say first and last.

use super::events::{Event, Word};
use super::{Connection, End, TICK, World};
use crate::ids::InfoHashV1;
use crate::lab::link::{Line, MAX_REQUESTS};
use crate::logic::{PeerKey, fast_set};
use crate::protocol::Dialect;
use crate::protocol::message::{Extensions, Message};
use crate::trace;
use std::net::IpAddr;

impl World {
    /// A peer comes: it calls those that are there, and its timers begin.
    pub(super) fn join(&mut self, peer: usize) {
        if self.peers[peer].report.left.is_some() {
            return;
        }
        let mut there: Vec<usize> =
            (0..self.peers.len()).filter(|&other| self.peers[other].is_present()).collect();
        if let Some(degree) = self.options.degree {
            there = self.rng.choose_multiple(there, degree);
        }
        self.peers[peer].report.joined = Some(self.now);
        let listen = self.peers[peer].address;
        self.note(peer, &trace::Event::Start { id: None, listen });
        there.into_iter().for_each(|other| self.connect(peer, other));
        // Nodes do not start together: their timers have any phase.
        let (tick, round) = (TICK.mul_f64(self.rng.f64()), self.round().mul_f64(self.rng.f64()));
        self.agenda.plan(self.now + tick, Event::Ticks(peer));
        self.agenda.plan(self.now + round, Event::Rounds(peer));
    }

    /// A peer goes: the block that it is sending is lost.
    pub(super) fn leave(&mut self, peer: usize) {
        if self.peers[peer].report.left.is_some() {
            return;
        }
        self.waited_for -= usize::from(self.peers[peer].is_waited_for());
        self.peers[peer].report.left = Some(self.now);
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
        let end = |peer| End { peer, is_open: true, line: Line::default(), said: 0, sent: 0 };
        self.connections.push(Connection { dialect, ends: [end(caller), end(host)] });
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
            self.peers[peer].uplink.unqueue_all(key);
            self.say(peer, key, Word::End);
            self.end_of(peer, key).is_open = false;
            self.note_close(peer, key, "it ended the connection");
            self.agenda.plan(self.now, Event::Forgets(peer, key));
        }
    }
}
