//! One torrent and all its peers: events in, actions out.
//!
//! ```text
//! worker threads --- on_message, claim, on_written ---> +-------+ ---> Action: say, upload,
//! verifier       --- on_verified, on_failed ----------> | Swarm |      verify, disconnect, ban
//! coordinator    --- on_round, on_tick ---------------> +-------+
//! ```
//! The swarm owns the [`Picker`], the [`Choker`] and a [`Session`] per peer, and stands behind one
//! lock. It never does anything itself: each call appends to a list of [`Action`]s, which the
//! caller carries out after it has let go of the lock. That makes a conversation a value that a
//! test can write down, and lets a simulation drive exactly what ships.

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::geometry::{BLOCK_LEN, Geometry};
use crate::ids::{PieceIndex, Sha256Hash, Span};
use crate::logic::PeerKey;
use crate::logic::ban::{Court, Verdict};
use crate::logic::choker::{Candidate, Choker};
use crate::logic::picker::{Picker, Policy};
use crate::logic::rate::Rate;
use crate::logic::session::{Fault, Session};
use crate::protocol::Dialect;
use crate::protocol::message::{HashRange, Message};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Sources over HTTP.
pub mod web;

/// How long a request may stay unanswered before others are asked.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How many peers are remembered by their addresses, gone or not.
const KNOWN_ADDRESSES: usize = 4096;

/// A peer that let so many deadlines pass in a row is let go.
const MISSES: u32 = 3;

/// What shapes a swarm's decisions.
#[derive(Debug, Clone)]
pub struct Params {
    /// How pieces are chosen.
    pub policy: Policy,
    /// How many peers are served at once.
    pub upload_slots: usize,
    /// Over how long the choker measures what a peer gives; a strategy timer, already scaled.
    pub rate_window: Duration,
    /// Bytes per second that may be received: no more is asked for than that allows soon.
    pub down_limit: Option<u64>,
    /// Where all dice of this swarm come from.
    pub seed: u64,
}

/// Something to be done, after the lock is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Put a message into a peer's outbox.
    Say(PeerKey, Message<'static>),
    /// Put bytes of a piece into a peer's outbox.
    Upload(PeerKey, Span),
    /// Take a request back out of a peer's outbox.
    Unqueue(PeerKey, Span),
    /// Take all bytes that wait out of a peer's outbox: it is choked, or wants nothing.
    UnqueueAll(PeerKey),
    /// All blocks of a piece are stored: hash it.
    Verify(PieceIndex),
    /// End a connection.
    Disconnect(PeerKey, Parting),
    /// Never talk to this address again: it sent wrong bytes of this piece.
    Ban(SocketAddr, PieceIndex),
    /// Every piece is here and verified.
    Complete,
}

/// Why a connection is ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Parting {
    /// Neither side needs the other.
    #[error("both are seeders")]
    BothSeed,
    /// It let several deadlines pass.
    #[error("it answered none of {MISSES} requests in time")]
    Snubbed,
    /// It sent wrong bytes.
    #[error("it sent bytes that do not match their hash")]
    Banned,
}

/// One peer, for people to look at.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// Which.
    pub peer: PeerKey,
    /// Where it listens.
    pub address: SocketAddr,
    /// How many pieces it has.
    pub pieces: u32,
    /// Bytes per second that it sends us.
    pub gives: u64,
    /// Bytes of content that it gave us, of those that we took.
    pub given: u64,
    /// Bytes asked of it and not delivered.
    pub in_flight: u64,
    /// Whether we do not serve it.
    pub am_choking: bool,
    /// Whether it does not serve us.
    pub peer_choking: bool,
    /// Whether we want something of it.
    pub am_interested: bool,
    /// Whether it wants something of us.
    pub peer_interested: bool,
}

/// The decisions of one torrent.
#[derive(Debug)]
pub struct Swarm {
    picker: Picker,
    choker: Choker,
    court: Court,
    sessions: BTreeMap<PeerKey, Session>,
    /// Where peers that wrote blocks were; they may be gone when a piece fails.
    addresses: HashMap<PeerKey, SocketAddr>,
    sources: HashSet<SocketAddr>,
    down: Rate,
    web: web::WebSeeds,
    params: Params,
    stopped: bool,
}

impl Swarm {
    /// A swarm without peers, in which `have` is verified.
    pub fn new(geometry: Geometry, have: Bitfield, params: Params) -> Self {
        let mut rng = fastrand::Rng::with_seed(params.seed);
        let picker = Picker::new(geometry, have, params.policy, rng.fork());
        let choker = Choker::new(params.upload_slots, rng.fork());
        Self {
            picker,
            choker,
            court: Court::default(),
            sessions: BTreeMap::new(),
            addresses: HashMap::new(),
            sources: HashSet::new(),
            down: Rate::over(Duration::from_secs(2)),
            web: web::WebSeeds::default(),
            params,
            stopped: false,
        }
    }

    /// The verified pieces.
    pub fn have(&self) -> &Bitfield {
        self.picker.have()
    }

    /// Whether every piece is verified.
    pub fn is_complete(&self) -> bool {
        self.have().is_full()
    }

    /// Bytes not verified yet.
    pub fn left(&self) -> u64 {
        self.picker.left()
    }

    /// Payload bytes received, wanted or not.
    pub fn fetched(&self) -> u64 {
        self.down.total()
    }

    /// Payload bytes received per second.
    pub fn down_rate(&self, now: Moment) -> u64 {
        self.down.per_second(now)
    }

    /// How many different peers and web seeds wrote blocks that were verified.
    pub fn sources(&self) -> usize {
        self.sources.len() + self.web.of_use()
    }

    /// Whether a peer has everything.
    pub fn is_seed(&self, peer: PeerKey) -> bool {
        self.sessions.get(&peer).is_some_and(|session| session.have().is_full())
    }

    /// Whether an upload slot is free.
    pub fn has_free_slot(&self) -> bool {
        let taken = self.sessions.values().filter(|s| !s.am_choking && s.peer_interested);
        taken.count() < self.choker.slots()
    }

    /// All peers, for people to look at.
    pub fn peers(&self, now: Moment) -> Vec<PeerStatus> {
        let status = |s: &Session| PeerStatus {
            peer: s.peer,
            address: s.address,
            pieces: s.have().count(),
            gives: s.gives.per_second(now),
            given: s.gives.total(),
            in_flight: s.pipeline.in_flight(),
            am_choking: s.am_choking,
            peer_choking: s.peer_choking,
            am_interested: s.am_interested,
            peer_interested: s.peer_interested,
        };
        self.sessions.values().map(status).collect()
    }

    /// Asks for nothing more (the disk failed, or the node stops); goes on serving.
    pub fn stop_requesting(&mut self) {
        self.stopped = true;
    }

    /// A peer connected and both sides know who the other is.
    pub fn on_joined(&mut self, now: Moment, peer: PeerKey, address: SocketAddr, dialect: Dialect) {
        let (pieces, window) = (self.have().pieces(), self.params.rate_window);
        let session = Session::new(now, peer, address, dialect, pieces, window);
        self.sessions.insert(peer, session);
        if self.addresses.len() >= KNOWN_ADDRESSES {
            // Who is gone for long has no block left that anybody could blame on it.
            let sessions = &self.sessions;
            self.addresses.retain(|peer, _| sessions.contains_key(peer));
        }
        self.addresses.insert(peer, address);
    }

    /// A peer may ask for these pieces while it is choked, as far as they are here (BEP 6).
    pub fn allow_fast(&mut self, peer: PeerKey, set: &[PieceIndex], out: &mut Vec<Action>) {
        let (picker, sessions) = (&self.picker, &mut self.sessions);
        let Some(session) = sessions.get_mut(&peer) else { return };
        let here: Vec<_> = set.iter().copied().filter(|&p| picker.have().has(p)).collect();
        let bytes = here.iter().map(|&p| u64::from(picker.geometry().length_of(p))).sum();
        out.extend(here.iter().map(|&p| Action::Say(peer, Message::AllowedFast(p))));
        session.on_fast_given(here, bytes);
    }

    /// A peer is gone.
    pub fn on_left(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        self.hand_back(peer);
        let Some(session) = self.sessions.remove(&peer) else { return };
        self.picker.on_left(session.have());
        self.fill_slots(now, out);
        self.fill_all(now, out);
    }

    /// What a peer said, chunks excepted.
    pub fn on_message(
        &mut self,
        now: Moment,
        peer: PeerKey,
        message: &Message,
        out: &mut Vec<Action>,
    ) -> Result<(), Fault> {
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        match message {
            &Message::Bitfield { first, bits } => {
                let before = session.have().clone();
                session.on_bitfield(first, bits)?;
                self.on_spoken(now, peer, &before, out);
            }
            Message::HaveAll | Message::HaveNone => {
                let before = session.have().clone();
                session.on_have_all_or_none(*message == Message::HaveAll)?;
                self.on_spoken(now, peer, &before, out);
            }
            &Message::Have(piece) => {
                if session.on_have(piece)? {
                    self.picker.on_have(piece, session.have());
                    self.update_interest(now, peer, out);
                }
            }
            Message::Interested | Message::NotInterested => {
                let interested = *message == Message::Interested;
                if session.peer_interested != interested {
                    session.peer_interested = interested;
                    session.since = now;
                }
                if !interested {
                    out.push(Action::UnqueueAll(peer));
                }
                self.fill_slots(now, out);
            }
            Message::Choke if session.peer_choking && session.is_idle() => {}
            Message::Choke => {
                for span in session.on_choked() {
                    self.picker.on_void(peer, span);
                }
                self.fill_all(now, out);
            }
            Message::Unchoke if !session.peer_choking => {}
            Message::Unchoke => {
                session.peer_choking = false;
                self.fill(now, peer, out);
            }
            &Message::Get(span) => {
                let served =
                    session.on_request(self.picker.geometry(), self.picker.have(), span)?;
                out.push(if served {
                    Action::Upload(peer, span)
                } else {
                    Action::Say(peer, Message::Reject(span))
                });
            }
            &Message::Cancel(span) => out.push(Action::Unqueue(peer, span)),
            &Message::Reject(span) => {
                if session.on_reject(span) && self.picker.on_void(peer, span) {
                    self.fill_others(now, peer, out);
                }
            }
            &Message::DontHave(piece) => {
                if session.on_dont_have(piece)? {
                    self.picker.on_dont_have(piece, session.have());
                    self.update_interest(now, peer, out);
                }
            }
            &Message::AllowedFast(piece) => {
                if session.on_allowed_fast(piece)? && session.peer_choking {
                    self.fill(now, peer, out);
                }
            }
            Message::Extensions(said) => session.on_extensions(said.most_requests)?,
            Message::Hello(_) | Message::State(_) => return Err(Fault::SecondHello),
            _ => {}
        }
        Ok(())
    }

    /// A chunk arrived: which parts of it may be stored? Empty means none.
    pub fn claim(
        &mut self,
        now: Moment,
        peer: PeerKey,
        chunk: Span,
        out: &mut Vec<Action>,
    ) -> Result<Vec<Span>, Fault> {
        self.down.add(now, chunk.length.into());
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(Vec::new()) };
        if !session.on_chunk(now, chunk)? {
            return Ok(Vec::new());
        }
        let claim = self.picker.claim(peer, chunk);
        for (other, span) in claim.cancel {
            let Some(session) = self.sessions.get_mut(&other) else { continue };
            for part in in_requests(session.dialect, span) {
                if session.on_cancelled(part) {
                    out.push(Action::Say(other, Message::Cancel(part)));
                }
            }
        }
        let bytes: u64 = claim.granted.iter().map(|span| u64::from(span.length)).sum();
        if let Some(session) = self.sessions.get_mut(&peer).filter(|_| bytes > 0) {
            session.on_granted(now, bytes);
        }
        Ok(claim.granted)
    }

    /// What was granted is stored; the peer is asked for more.
    pub fn on_written(
        &mut self,
        now: Moment,
        peer: PeerKey,
        granted: &[Span],
        out: &mut Vec<Action>,
    ) {
        let whole: Vec<_> =
            granted.iter().filter_map(|&span| self.picker.on_written(peer, span)).collect();
        if whole.is_empty() && !granted.is_empty() {
            self.on_ready(now, peer);
        }
        out.extend(whole.into_iter().map(Action::Verify));
        self.fill(now, peer, out);
    }

    /// The worker of a peer has handed its pieces to the verifier and reads on: only from now on
    /// does the peer's time run.
    pub fn on_ready(&mut self, now: Moment, peer: PeerKey) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.on_ready(now);
        }
    }

    /// What was granted could not be stored: the torrent asks for nothing more.
    pub fn on_not_written(&mut self, granted: &[Span]) {
        granted.iter().for_each(|&span| self.picker.on_not_written(span));
        self.stop_requesting();
    }

    /// A piece matched its hash.
    pub fn on_verified(&mut self, now: Moment, piece: PieceIndex, out: &mut Vec<Action>) {
        for writer in self.picker.on_verified(piece).into_iter().flatten() {
            self.sources.extend(self.addresses.get(&writer));
            self.web.on_verified(writer);
        }
        for (&peer, session) in &self.sessions {
            if !session.have().has(piece) {
                out.push(Action::Say(peer, Message::Have(piece)));
            }
        }
        let peers: Vec<PeerKey> = self.sessions.keys().copied().collect();
        for &peer in &peers {
            self.update_interest(now, peer, out);
        }
        if self.is_complete() {
            out.push(Action::Complete);
            peers.iter().for_each(|&peer| self.part_if_both_seed(peer, out));
        }
    }

    /// A piece did not match its hash; `found` are the leaf hashes of what is stored.
    pub fn on_failed(
        &mut self,
        now: Moment,
        piece: PieceIndex,
        found: Vec<Sha256Hash>,
        leaves: Option<HashRange>,
        out: &mut Vec<Action>,
    ) {
        let writers = self.picker.on_failed(piece);
        match self.court.on_failed(piece, writers, found) {
            Verdict::Guilty(peer) => self.ban(now, peer, piece, out),
            Verdict::NeedLeaves => {
                let holders = self.sessions.values().filter(|s| s.have().has(piece));
                let asked = holders.filter_map(|s| leaves.map(|range| (s.peer, range)));
                out.extend(asked.map(|(peer, r)| Action::Say(peer, Message::GetHashes(r))));
            }
            Verdict::Nobody => {}
        }
        self.fill_all(now, out);
    }

    /// Whether the leaf hashes of this piece are waited for.
    pub fn wants_leaves(&self, piece: PieceIndex) -> bool {
        self.court.is_open(piece)
    }

    /// Leaf hashes that were proved against the piece's root.
    pub fn on_leaves(
        &mut self,
        now: Moment,
        piece: PieceIndex,
        proven: &[Sha256Hash],
        out: &mut Vec<Action>,
    ) {
        for peer in self.court.on_leaves(piece, proven) {
            self.ban(now, peer, piece, out);
        }
    }

    /// Time passed: requests that nobody answered are asked of others, and a peer with nothing to
    /// do is asked once more (it may have refused, or the end game may have begun since).
    pub fn on_tick(&mut self, now: Moment, out: &mut Vec<Action>) {
        let mut again = false;
        let mut snubbed = Vec::new();
        for (&peer, session) in &mut self.sessions {
            session.on_tick();
            for span in session.next_missed(now, REQUEST_TIMEOUT) {
                self.picker.on_void(peer, span);
                again = true;
            }
            again |= session.is_idle() && session.am_interested;
            if session.misses >= MISSES {
                snubbed.push(peer);
            }
        }
        for peer in snubbed {
            out.push(Action::Disconnect(peer, Parting::Snubbed));
            self.on_left(now, peer, out);
        }
        if again {
            self.fill_all(now, out);
        }
    }

    /// When [`Swarm::on_tick`] will have something to do.
    pub fn deadline(&self) -> Option<Moment> {
        self.sessions.values().filter_map(|s| s.deadline(REQUEST_TIMEOUT)).min()
    }

    /// The choker's round: the upload slots are given out anew.
    pub fn on_round(&mut self, now: Moment, out: &mut Vec<Action>) {
        let candidates = self.candidates(now);
        let served = self.choker.next_round(self.is_complete(), &candidates);
        let served: HashSet<PeerKey> = served.into_iter().map(|(peer, _)| peer).collect();
        for Candidate { peer, unchoked, .. } in candidates {
            if unchoked != served.contains(&peer) {
                self.set_choking(now, peer, unchoked, out);
            }
        }
    }

    /// The peer has said what it has.
    fn on_spoken(&mut self, now: Moment, peer: PeerKey, before: &Bitfield, out: &mut Vec<Action>) {
        let Some(session) = self.sessions.get(&peer) else { return };
        self.picker.on_left(before);
        self.picker.on_joined(session.have());
        self.update_interest(now, peer, out);
        self.part_if_both_seed(peer, out);
    }

    fn part_if_both_seed(&self, peer: PeerKey, out: &mut Vec<Action>) {
        let both = self.sessions.get(&peer).is_some_and(|s| s.have().is_full());
        if both && self.is_complete() && self.have().pieces() > 0 {
            out.push(Action::Disconnect(peer, Parting::BothSeed));
        }
    }

    fn update_interest(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let interesting = self.picker.is_interesting(session.have());
        if session.am_interested != interesting {
            session.am_interested = interesting;
            let news = if interesting { Message::Interested } else { Message::NotInterested };
            out.push(Action::Say(peer, news));
            if !interesting {
                self.hand_back(peer); // it will not answer what it thinks we do not want
            }
        }
        self.fill(now, peer, out);
    }

    fn ban(&mut self, now: Moment, peer: PeerKey, piece: PieceIndex, out: &mut Vec<Action>) {
        if self.web.on_banned(peer, piece) {
            return;
        }
        let Some(&address) = self.addresses.get(&peer) else { return };
        out.push(Action::Ban(address, piece));
        // It may have come back under another number since.
        let there = self.sessions.values().filter(|s| s.address == address || s.peer == peer);
        for peer in there.map(|s| s.peer).collect::<Vec<_>>() {
            out.push(Action::Disconnect(peer, Parting::Banned));
            self.on_left(now, peer, out);
        }
    }

    /// What a peer owes us is wanted again.
    fn hand_back(&mut self, peer: PeerKey) {
        let owed = self.sessions.get_mut(&peer).map(Session::void_all).unwrap_or_default();
        for span in owed {
            self.picker.on_void(peer, span);
        }
    }

    fn fill_all(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.by_merit(now).into_iter().for_each(|peer| self.fill(now, peer, out));
    }

    /// Others first, so that a request which its peer refused is not asked of it again at once.
    fn fill_others(&mut self, now: Moment, refused: PeerKey, out: &mut Vec<Action>) {
        let others = self.by_merit(now).into_iter().filter(|&peer| peer != refused);
        others.for_each(|peer| self.fill(now, peer, out));
    }

    /// Who is asked first: whoever missed no deadline, then whoever gives most, so that what one
    /// stalled peer owed does not go to the next one.
    fn by_merit(&self, now: Moment) -> Vec<PeerKey> {
        let mut peers: Vec<_> = self
            .sessions
            .iter()
            .map(|(&peer, session)| (session.misses, Reverse(session.gives.per_second(now)), peer))
            .collect();
        peers.sort_unstable();
        peers.into_iter().map(|(_, _, peer)| peer).collect()
    }

    /// Asks a peer for as much as its pipeline takes.
    fn fill(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        let mut allowed = self.allowed();
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let may = !self.stopped && session.may_be_asked();
        let fast = (may && session.peer_choking).then(|| session.allowed_now());
        while !self.stopped && session.may_be_asked() {
            let longest = session.pipeline.longest_request().min(allowed);
            let room = session.pipeline.room().min(allowed);
            let busy = session.pipeline.in_flight() > 0;
            if room == 0 || (busy && room < longest / 2) {
                return;
            }
            // Under a limit of our own a second copy would only take room from the first.
            let idle = session.is_idle() && self.params.down_limit.is_none();
            let most = room.min(longest).min(session.most_at_once());
            let theirs = fast.as_ref().unwrap_or(session.have());
            let Some((span, why)) = self.picker.next_span(peer, theirs, most, idle) else {
                return;
            };
            let _ = why;
            allowed = allowed.saturating_sub(span.length.into());
            for part in in_requests(session.dialect, span) {
                session.on_asked(now, part);
                out.push(Action::Say(peer, Message::Get(part)));
            }
        }
    }

    /// How many more bytes may be asked of all peers together under the download limit: what it
    /// lets through in two seconds, and always a block.
    fn allowed(&self) -> u64 {
        let Some(limit) = self.params.down_limit else { return u64::MAX };
        let in_flight: u64 = self.sessions.values().map(|s| s.pipeline.in_flight()).sum();
        (limit * 2).max(BLOCK_LEN.into()).saturating_sub(in_flight)
    }

    /// Gives free upload slots to those who wait.
    fn fill_slots(&mut self, now: Moment, out: &mut Vec<Action>) {
        while let Some(peer) = self.choker.next_for_free_slot(&self.candidates(now)) {
            // A slot whose peer wants nothing is as good as free, but the slots are counted.
            let unchoked = self.sessions.values().filter(|s| !s.am_choking).count();
            let idle = self.sessions.values().find(|s| !s.am_choking && !s.peer_interested);
            if let Some(idle) = idle.map(|s| s.peer).filter(|_| unchoked >= self.choker.slots()) {
                self.set_choking(now, idle, true, out);
            }
            self.set_choking(now, peer, false, out);
        }
    }

    fn set_choking(&mut self, now: Moment, peer: PeerKey, choke: bool, out: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.set_choking(now, choke);
        out.push(Action::Say(peer, if choke { Message::Choke } else { Message::Unchoke }));
        if choke {
            out.push(Action::UnqueueAll(peer)); // what is refused is refused after it
        }
    }

    fn candidates(&self, now: Moment) -> Vec<Candidate> {
        let candidate = |s: &Session| Candidate {
            peer: s.peer,
            interested: s.peer_interested,
            unchoked: !s.am_choking,
            gives: s.gives.per_second(now),
            since: s.since,
        };
        self.sessions.values().map(candidate).collect()
    }
}

/// A span as the dialect asks for it: whole, or in blocks of 16 KiB.
fn in_requests(dialect: Dialect, span: Span) -> impl Iterator<Item = Span> {
    let step = match dialect {
        Dialect::Native => span.length.max(1),
        Dialect::BitTorrent => BLOCK_LEN,
    };
    let starts = (0..span.length).step_by(step as usize);
    starts.map(move |from| Span {
        offset: span.offset + from,
        length: step.min(span.length - from),
        ..span
    })
}

#[cfg(test)]
#[path = "swarm_tests.rs"]
mod tests;
