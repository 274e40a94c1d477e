//! What a world tells of itself: the lines of [`crate::trace`], in virtual time.
//!
//! A peer is called by its address, and both ends of a connection know it by the same number. A
//! word's `t` is when it is said, a block's when its first byte leaves, as at a node.

use super::World;
use super::events::Word;
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::logic::swarm::Action;
use crate::protocol::message::{HashRange, Message};
use crate::trace::{Event, Link, Said, write};

/// Who takes the lines.
pub(super) struct Tracer {
    sink: Box<dyn FnMut(&str)>,
    line: String,
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tracer")
    }
}

/// Which way a word goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Out,
    In,
}

impl World {
    /// From now on `sink` is given every message and every decision, each as a line of JSON with
    /// its line feed; for one seed of the dice they are the same, byte by byte.
    ///
    /// # Panics
    /// If there are peers already: they would not say why they do what they do.
    pub fn trace_to(&mut self, sink: Box<dyn FnMut(&str)>) {
        assert!(self.peers.is_empty(), "a world is traced before peers are added");
        self.tracer = Some(Tracer { sink, line: String::new() });
    }

    /// Something happens at a peer.
    pub(super) fn note(&mut self, peer: usize, event: &Event) {
        let Some(Tracer { sink, line }) = &mut self.tracer else { return };
        line.clear();
        write(line, self.now, &self.peers[peer].address.to_string(), event);
        if !line.is_empty() {
            sink(line);
        }
    }

    pub(super) fn link(&self, peer: usize, key: PeerKey) -> Link {
        let address = self.peers[self.other(peer, key)].address;
        Link { conn: key, peer: address, dialect: self.dialect(key) }
    }

    pub(super) fn note_close(&mut self, peer: usize, key: PeerKey, why: &str) {
        let link = self.link(peer, key);
        self.note(peer, &Event::Close { link, why });
    }

    pub(super) fn note_action(&mut self, peer: usize, action: &Action) {
        let Some(mut tracer) = self.tracer.take() else { return };
        let peers = |key| Some(self.peers[self.other(peer, key)].address);
        let event = Event::Does { action, torrent: None, peers: &peers };
        tracer.line.clear();
        write(&mut tracer.line, self.now, &self.peers[peer].address.to_string(), &event);
        if !tracer.line.is_empty() {
            (tracer.sink)(&tracer.line);
        }
        self.tracer = Some(tracer);
    }

    /// A word is said or heard; that a connection ends is no message.
    pub(super) fn note_word(&mut self, peer: usize, key: PeerKey, way: Way, seq: u64, word: &Word) {
        if self.tracer.is_none() {
            return;
        }
        let (bits, hashes);
        let said = match word {
            Word::Said(message) => Said::Message(message),
            Word::Bitfield(first, bytes) => {
                bits = Message::Bitfield { first: *first, bits: bytes };
                Said::Message(&bits)
            }
            Word::Chunk(span) => Said::Chunk(*span),
            &Word::Hashes(PieceIndex(index)) => {
                let count = self.geometry.blocks_of(PieceIndex(index));
                let range = HashRange { root: [0; 32], base: 0, index, count, proof: 0 };
                hashes = Message::Hashes(range, &[]);
                Said::Message(&hashes)
            }
            Word::End => return,
        };
        let link = self.link(peer, key);
        self.note(
            peer,
            &match way {
                Way::Out => Event::Send { link, seq, said },
                Way::In => Event::Recv { link, seq, said },
            },
        );
    }
}
