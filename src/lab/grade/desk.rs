//! The tracker's answers: one content, a fixed list of peers, and a record of what was asked.
//!
//! It keeps to PROTOCOL.md but for what a question is about: a .torrent that is not the one, or
//! none. It knows no clock: `now` is an argument.

use super::paper::Content;
use crate::ids::{InfoHashV2, hex};
use crate::lab::spoken::{Half, describe};
use crate::protocol::frame::{Bin, Frame};
use crate::protocol::tracker_native::{
    Ack, Candidate, ChunkCount, Cookie, Error, ErrorCode, Listing, MAX_TORRENT, Message, Packet,
    PeerEntry, PeerList, Register, TORRENT_CHUNK, Torrent, put_candidate, put_peer,
};
use std::net::SocketAddr;
use std::time::Duration;

/// How often the submission is to say KEEPALIVE.
pub const KEEPALIVE: Duration = Duration::from_millis(500);

/// How long it may be silent.
pub const EXPIRE: Duration = Duration::from_millis(1500);

/// How often it is to ask for peers.
const INTERVAL: Duration = Duration::from_millis(500);

/// The most lines that are kept.
const MOST_SAID: usize = 1000;

const COOKIE: Bin<8> = Bin(*b"paperone");

/// What is handed out by FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handout {
    /// These bytes.
    Torrent(Vec<u8>),
    /// Nothing: the tracker lacks it, and asks a seeder for it.
    Nothing,
}

/// A tracker of one content.
#[derive(Debug)]
pub struct Desk {
    content: Option<(String, InfoHashV2, u64, u32)>,
    handout: Handout,
    /// The peers that are named.
    pub peers: Vec<SocketAddr>,
    /// What the submission said, with when.
    pub said: Vec<(Duration, String)>,
    /// Its last REGISTER, with when it first came.
    pub registered: Option<(Duration, Register)>,
    /// When it said KEEPALIVE.
    pub beats: Vec<Duration>,
    /// When it said BECOME_SEEDER.
    pub completed: Option<Duration>,
    /// When it said UNREGISTER, with the id that registered.
    pub left: Option<Duration>,
    /// When it was told a .torrent, or that there is none.
    pub fetched: Option<Duration>,
    /// What came by PUBLISH.
    pub published: Vec<u8>,
    /// Whether all of it came.
    pub is_published: bool,
    /// A REGISTER for another content than the one it was told of.
    pub foreign: Option<String>,
    /// What it sent that is no message.
    pub malformed: Option<String>,
}

impl Desk {
    /// A tracker that knows this content; without one, whatever is registered.
    pub fn new(content: Option<&Content>, handout: Handout, peers: Vec<SocketAddr>) -> Self {
        let known = |content: &Content| {
            (content.name.clone(), content.hash(), content.bytes.len() as u64, content.pieces())
        };
        Self {
            content: content.map(known),
            handout,
            peers,
            said: Vec::new(),
            registered: None,
            beats: Vec::new(),
            completed: None,
            left: None,
            fetched: None,
            published: Vec::new(),
            is_published: false,
            foreign: None,
            malformed: None,
        }
    }

    /// Answers a datagram, if it is to be answered.
    pub fn on_datagram(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<Vec<u8>> {
        let frame = match Frame::from_datagram(datagram) {
            Ok(frame) => frame,
            Err(why) => {
                self.malformed = Some(format!("a datagram of {} bytes: {why}", datagram.len()));
                return None;
            }
        };
        self.note(now, describe(Half::Tracker, &frame));
        let packet = match Packet::from_frame(&frame) {
            Ok(packet) => packet,
            Err(why) => {
                self.malformed = Some(format!("{}: {why}", describe(Half::Tracker, &frame)));
                return None;
            }
        };
        self.by_udp(now, from, &packet, datagram.len())
    }

    /// Answers a frame of a stream: as many frames as it takes.
    pub fn on_frame(&mut self, now: Duration, frame: &Frame<'_>) -> Vec<u8> {
        self.note(now, describe(Half::Tracker, frame));
        let mut out = Vec::new();
        match Packet::from_frame(frame) {
            Ok(packet) => self.by_tcp(now, &packet, &mut out),
            Err(why) => {
                self.malformed = Some(format!("{}: {why}", describe(Half::Tracker, frame)));
                put_error(&mut out, ErrorCode::BadField, "that is no message");
            }
        }
        out
    }

    /// What it said last, for who looks for a mistake.
    pub fn last_said(&self) -> String {
        match (&self.malformed, self.said.last()) {
            (Some(malformed), _) => malformed.clone(),
            (None, Some((at, text))) => format!("{text} ({:.3} s)", at.as_secs_f64()),
            (None, None) => "nothing was said to the tracker".into(),
        }
    }

    fn note(&mut self, now: Duration, text: String) {
        if self.said.len() < MOST_SAID {
            self.said.push((now, text));
        }
    }

    fn by_udp(
        &mut self,
        now: Duration,
        from: SocketAddr,
        packet: &Packet<'_>,
        length: usize,
    ) -> Option<Vec<u8>> {
        let answer = |message: Packet<'_>| Some(message.datagram());
        match &packet.message {
            Message::Hello(hello) => {
                let cookie = Packet::bare(Cookie { seq: hello.seq, cookie: COOKIE }).datagram();
                (cookie.len() <= length).then_some(cookie)
            }
            Message::Register(register) if register.cookie == COOKIE => {
                let is_other =
                    self.content.as_ref().is_some_and(|known| known.1.0 != register.info_hash.0);
                if is_other {
                    let seq = register.seq;
                    let hash = hex(&register.info_hash.0);
                    self.foreign = Some(format!("REGISTER info_hash={hash}"));
                    return answer(Packet::bare(refusal(
                        seq,
                        ErrorCode::UnknownTorrent,
                        "the content of this question is another",
                    )));
                }
                let first = self.registered.as_ref().map_or(now, |known| known.0);
                self.registered = Some((first, register.clone()));
                let lacks = self.content.is_none() && !self.is_published;
                let publish = if lacks { vec![0] } else { Vec::new() };
                answer(Packet::bare(Ack { publish, ..ack(register.seq) }))
            }
            Message::Keepalive(beat) if beat.cookie == COOKIE => {
                self.beats.push(now);
                let unknown = if self.registered.is_none() { vec![0] } else { Vec::new() };
                answer(Packet::bare(Ack { unknown, ..ack(beat.seq) }))
            }
            Message::Request(request) if request.cookie == COOKIE => {
                let asker = SocketAddr::new(from.ip(), request.port);
                let body = self.peer_bodies(asker);
                let list = self.peer_list(request.seq, request.info_hash);
                answer(Packet::new(list, &body))
            }
            Message::BecomeSeeder(done) if done.cookie == COOKIE => {
                self.completed.get_or_insert(now);
                answer(Packet::bare(ack(done.seq)))
            }
            Message::Unregister(gone) if gone.cookie == COOKIE => {
                let own = self.registered.as_ref().is_some_and(|own| own.1.peer_id == gone.peer_id);
                if own {
                    self.left.get_or_insert(now);
                }
                answer(Packet::bare(ack(gone.seq)))
            }
            Message::GetCount(count) if count.cookie == COOKIE => {
                let pieces = self.content.as_ref().map_or(0, |known| known.3);
                let info_hash = count.info_hash;
                answer(Packet::bare(ChunkCount { seq: count.seq, info_hash, count: pieces }))
            }
            _ => None, // a wrong cookie, or nothing for a datagram
        }
    }

    fn by_tcp(&mut self, now: Duration, packet: &Packet<'_>, out: &mut Vec<u8>) {
        match &packet.message {
            Message::Lookup(lookup) => {
                let mut body = Vec::new();
                if let Some(entry) = self.entry().filter(|entry| is_meant(&lookup.name, entry)) {
                    put_candidate(&mut body, &entry);
                }
                Packet::new(Listing { more: false }, &body).put_frame(out);
            }
            Message::List(_) => {
                let mut body = Vec::new();
                if let Some(entry) = self.entry() {
                    put_candidate(&mut body, &entry);
                }
                Packet::new(Listing { more: false }, &body).put_frame(out);
            }
            Message::Fetch(fetch) => {
                self.fetched.get_or_insert(now);
                match &self.handout {
                    Handout::Torrent(torrent) => put_torrent(out, fetch.info_hash, torrent),
                    Handout::Nothing => {
                        put_error(out, ErrorCode::NotPublished, "its .torrent was not published");
                    }
                }
            }
            Message::Peers(peers) => {
                let body = self.peer_bodies(SocketAddr::from(([0, 0, 0, 0], 0)));
                Packet::new(self.peer_list(0, peers.info_hash), &body).put_frame(out);
            }
            Message::Have(_) => Packet::bare(ack(0)).put_frame(out),
            Message::Publish(part) => {
                let whole = part.total as usize;
                let fits = part.offset as usize == self.published.len()
                    && whole <= MAX_TORRENT
                    && self.published.len() + packet.body.len() <= whole;
                if !fits {
                    put_error(out, ErrorCode::BadField, "not the next part of the .torrent");
                    return;
                }
                self.published.extend_from_slice(packet.body);
                if self.published.len() == whole {
                    self.is_published = true;
                    Packet::bare(ack(0)).put_frame(out);
                }
            }
            _ => put_error(out, ErrorCode::OutOfPlace, "that does not belong here"),
        }
    }

    fn entry(&self) -> Option<Candidate> {
        let (name, info_hash, size, pieces) = self.content.clone()?;
        let seeders = self.peers.len() as u32;
        let published = self.handout != Handout::Nothing;
        Some(Candidate {
            name,
            info_hash,
            info_hash_v1: None,
            size,
            pieces,
            seeders,
            leechers: 0,
            published,
        })
    }

    fn peer_list(&self, seq: u32, info_hash: Bin<32>) -> PeerList {
        PeerList { seq, info_hash, seeders: self.peers.len() as u32, leechers: 0, more: false }
    }

    fn peer_bodies(&self, asker: SocketAddr) -> Vec<u8> {
        let mut body = Vec::new();
        for &addr in self.peers.iter().filter(|&&peer| peer != asker) {
            put_peer(&mut body, &PeerEntry { addr, seed: true, native: true, bittorrent: false });
        }
        body
    }
}

/// Whether a text names a content: its name, or `name@hashprefix`.
fn is_meant(text: &str, entry: &Candidate) -> bool {
    let by_hash = text.rsplit_once('@').is_some_and(|(name, prefix)| {
        name == entry.name && hex(&entry.info_hash.0).starts_with(prefix)
    });
    text == entry.name || by_hash
}

fn ack(seq: u32) -> Ack {
    let millis = |time: Duration| time.as_millis() as u32;
    Ack {
        seq,
        keepalive_ms: millis(KEEPALIVE),
        expire_ms: millis(EXPIRE),
        interval_ms: millis(INTERVAL),
        unknown: Vec::new(),
        publish: Vec::new(),
        links_ms: None,
    }
}

fn refusal(seq: u32, code: ErrorCode, message: &str) -> Error {
    Error { seq, code, message: message.to_owned(), retry_after_ms: 0 }
}

fn put_error(out: &mut Vec<u8>, code: ErrorCode, message: &str) {
    Packet::bare(refusal(0, code, message)).put_frame(out);
}

fn put_torrent(out: &mut Vec<u8>, info_hash: Bin<32>, torrent: &[u8]) {
    let total = torrent.len() as u32;
    for (at, part) in torrent.chunks(TORRENT_CHUNK).enumerate() {
        let offset = (at * TORRENT_CHUNK) as u32;
        Packet::new(Torrent { info_hash, offset, total }, part).put_frame(out);
    }
}
