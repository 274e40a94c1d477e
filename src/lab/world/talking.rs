//! What is said, sent and heard: a swarm's actions, carried out as a node carries them out.

use super::World;
use super::events::{Event, Word};
use super::peer::{Honesty, Leaves, Peer};
use super::tracing::Way;
use crate::clock::Moment;
use crate::ids::{PieceIndex, Sha256Hash, Span};
use crate::logic::PeerKey;
use crate::logic::session::Fault;
use crate::logic::swarm::{Action, Parting, Swarm};
use crate::protocol::Dialect;
use crate::protocol::message::{HashRange, Message};

impl World {
    /// Lets the swarm of a peer decide something, and carries it out: first what is said, then
    /// the rest, as a node does.
    pub(super) fn drive<R>(
        &mut self,
        peer: usize,
        decision: impl FnOnce(&mut Swarm, Moment, &mut Vec<Action>) -> R,
    ) -> R {
        let (mut actions, mut whole) = (std::mem::take(&mut self.spare), Vec::new());
        let result = decision(&mut self.peers[peer].swarm, self.now, &mut actions);
        for action in actions.drain(..) {
            self.note_action(peer, &action);
            match action {
                Action::Say(key, message) => self.say(peer, key, Word::Said(message)),
                Action::Upload(key, span) => self.upload(peer, key, span),
                Action::Unqueue(key, span) => {
                    let cuts = self.dialect(key) == Dialect::Native;
                    if self.peers[peer].uplink.unqueue(key, span, cuts) {
                        self.refuse(peer, key, span);
                    }
                }
                Action::UnqueueAll(key) => {
                    let all = self.peers[peer].uplink.unqueue_all(key);
                    all.into_iter().for_each(|span| self.refuse(peer, key, span));
                }
                Action::Weigh(key, weight) => self.peers[peer].uplink.weigh(key, weight),
                Action::Verify(piece) => whole.push(piece),
                Action::Disconnect(key, parting) => {
                    self.peers[peer].report.bans += u32::from(parting == Parting::Banned);
                    self.end(peer, key);
                }
                // Nobody is called again, banned or not; that all is here is seen in `verify`; and
                // what a decision says of itself changes nothing.
                _ => {}
            }
        }
        self.spare = actions;
        whole.into_iter().for_each(|piece| self.verify(peer, piece));
        result
    }

    pub(super) fn say(&mut self, peer: usize, key: PeerKey, word: Word) {
        if !self.end_of(peer, key).is_open {
            return;
        }
        if let Word::Said(message) = &word {
            self.counts.on_said(message);
            if matches!(message, Message::Interested | Message::NotInterested) {
                let (now, wants) = (self.now, *message == Message::Interested);
                self.end_of(peer, key).interest.set(now, wants);
            }
        } else {
            self.counts.messages += 1;
        }
        let seq = self.number(peer, key);
        self.note_word(peer, key, Way::Out, seq, &word);
        if let Some((seq, word)) = self.end_of(peer, key).line.say((seq, word)) {
            self.send(peer, key, seq, word);
        }
    }

    /// The number of the next word of a peer on a connection.
    fn number(&mut self, peer: usize, key: PeerKey) -> u64 {
        let said = &mut self.end_of(peer, key).said;
        *said += 1;
        *said - 1
    }

    /// A word leaves, and will arrive.
    pub(super) fn send(&mut self, peer: usize, key: PeerKey, seq: u64, word: Word) {
        let to = self.other(peer, key);
        let cut = self.peers[peer].cut_until.max(self.peers[to].cut_until);
        let mut arrives = self.now.max(cut) + self.options.latency;
        if let Word::Chunk(span) = &word {
            arrives = self.peers[to].downlink.arrive(arrives, span.length);
        }
        let arrives = self.end_of(peer, key).line.arrive(arrives);
        self.agenda.plan_in_turn(arrives, Event::Hears(to, key, seq, word));
    }

    fn upload(&mut self, peer: usize, key: PeerKey, span: Span) {
        if !self.end_of(peer, key).is_open {
            return;
        }
        if self.peers[peer].uplink.upload(key, span) {
            self.begin_block(peer);
        } else {
            self.say(peer, key, Word::Said(Message::Reject(span)));
        }
    }

    /// What was taken back out is refused in BitTorrent (BEP 6); natively CHOKE and CANCEL say it.
    fn refuse(&mut self, peer: usize, key: PeerKey, span: Span) {
        if self.dialect(key) == Dialect::BitTorrent {
            self.say(peer, key, Word::Said(Message::Reject(span)));
        }
    }

    fn begin_block(&mut self, peer: usize) {
        if let Some((key, span, until)) = self.peers[peer].uplink.begin(self.now) {
            let seq = self.number(peer, key);
            self.note_word(peer, key, Way::Out, seq, &Word::Chunk(span));
            self.peers[peer].sending = seq;
            self.end_of(peer, key).line.begin_block();
            self.agenda.plan(until, Event::Sent(peer));
        }
    }

    /// The last byte of a block has left: what was said meanwhile follows, the next one begins.
    pub(super) fn on_sent(&mut self, peer: usize) {
        let (key, span) = self.peers[peer].uplink.finish().expect("it was sending");
        self.peers[peer].report.sent += u64::from(span.length);
        self.counts.sent += u64::from(span.length);
        let end = self.end_of(peer, key);
        (end.sent, end.owes_news) = (end.sent + u64::from(span.length), true);
        let seq = self.peers[peer].sending;
        self.send(peer, key, seq, Word::Chunk(span));
        let held = self.end_of(peer, key).line.end_block();
        held.into_iter().for_each(|(seq, word)| self.send(peer, key, seq, word));
        self.begin_block(peer);
    }

    /// The swarm hears now and then what was sent to whom, as a node's does.
    pub(super) fn tell_what_was_sent(&mut self, peer: usize) {
        for nth in 0..self.peers[peer].connections.len() {
            let key = self.peers[peer].connections[nth];
            let (now, end) = (self.now, self.end_of(peer, key));
            if !end.owes_news {
                continue;
            }
            let sent = end.sent;
            let Peer { swarm, uplink, .. } = &mut self.peers[peer];
            let waits = uplink.is_asked_by(key);
            swarm.on_sent(now, key, sent, waits);
            // What waits now will not wait then: that is news, too.
            self.end_of(peer, key).owes_news = waits;
        }
    }

    pub(super) fn hear(&mut self, peer: usize, key: PeerKey, word: &Word) {
        let message = match word {
            Word::Said(Message::GetHashes(range)) => return self.answer(peer, key, *range),
            Word::Said(message) => message.clone(),
            Word::Bitfield(first, bits) => Message::Bitfield { first: *first, bits },
            Word::Chunk(span) => return self.on_chunk(peer, key, *span),
            Word::Hashes(piece) => return self.on_hashes(peer, *piece),
            Word::End => {
                self.end_of(peer, key).is_open = false;
                self.peers[peer].uplink.forget(key);
                self.end_pair(key);
                self.note_close(peer, key, "the peer ended it");
                return self.drive(peer, |swarm, now, out| swarm.on_left(now, key, out));
            }
        };
        let heard = self.drive(peer, |swarm, now, out| swarm.on_message(now, key, &message, out));
        if let Err(fault) = heard {
            self.on_fault(peer, key, fault);
        }
    }

    /// Claims, stores and says so, as a node's worker does.
    fn on_chunk(&mut self, peer: usize, key: PeerKey, chunk: Span) {
        let honesty = self.peers[self.other(peer, key)].options.honesty;
        let claim = self.drive(peer, |swarm, now, out| swarm.claim(now, key, chunk, out));
        let granted = claim.as_deref().unwrap_or_default();
        self.peers[peer].on_received(self.now, chunk.length, granted, honesty);
        if let Err(fault) = claim {
            return self.on_fault(peer, key, fault);
        }
        let whole = self.drive(peer, |swarm, now, out| {
            swarm.on_written(now, key, granted, out);
            out.iter().any(|action| matches!(action, Action::Verify(_)))
        });
        if whole {
            self.drive(peer, |swarm, now, _| swarm.on_ready(now, key));
        }
    }

    fn on_fault(&mut self, peer: usize, key: PeerKey, fault: Fault) {
        let other = self.other(peer, key);
        self.peers[peer].report.faults.push((other, fault));
        self.end(peer, key);
    }

    fn verify(&mut self, peer: usize, piece: PieceIndex) {
        let found: Vec<_> = self.peers[peer].writers_of(piece).map(leaf).collect();
        if found.contains(&leaf(Honesty::Liar)) {
            let count = found.len() as u32;
            let range = HashRange { root: [0; 32], base: 0, index: piece.0, count, proof: 0 };
            return self.drive(peer, |swarm, now, out| {
                swarm.on_failed(now, piece, found, Some(range), out);
            });
        }
        if self.elsewhere.set(piece) && self.elsewhere.is_full() {
            self.first_copy = Some(self.seed_copies());
        }
        self.copies[piece.at()] += u32::from(!self.peers[peer].swarm.have().has(piece));
        self.drive(peer, |swarm, now, out| swarm.on_verified(now, piece, out));
        if self.peers[peer].swarm.is_complete() {
            self.peers[peer].report.completed = Some(self.now);
            self.waited_for -= 1;
            self.note_population(-1);
            for nth in 0..self.peers[peer].connections.len() {
                self.end_pair(self.peers[peer].connections[nth]);
            }
            if let Leaves::AfterCompletion(stay) = self.peers[peer].options.leaves {
                self.agenda.plan(self.now + stay, Event::Leaves(peer));
            }
        }
    }

    /// A peer is asked for the leaf hashes of the piece that the range's index names.
    fn answer(&mut self, peer: usize, key: PeerKey, range: HashRange) {
        if self.peers[peer].options.honesty == Honesty::Honest {
            self.say(peer, key, Word::Hashes(PieceIndex(range.index)));
        }
    }

    fn on_hashes(&mut self, peer: usize, piece: PieceIndex) {
        let proven = vec![leaf(Honesty::Honest); self.geometry.blocks_of(piece) as usize];
        self.drive(peer, |swarm, now, out| swarm.on_leaves(now, piece, &proven, out));
    }
}

/// The leaf hash of a block, by who wrote it.
fn leaf(writer: Honesty) -> Sha256Hash {
    match writer {
        Honesty::Honest => [1; 32],
        Honesty::Liar => [0; 32],
    }
}
