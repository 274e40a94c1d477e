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
use crate::geometry::Geometry;
use crate::ids::PieceIndex;
use crate::logic::PeerKey;
use crate::logic::ban::Court;
use crate::logic::choker::{self, Choker, ChokerPolicy, Strategy};
use crate::logic::picker::{Picker, Policy};
use crate::logic::pipeline::Pipeline;
use crate::logic::rate::Rate;
use crate::logic::session::{Fault, Session};
use crate::logic::super_seed::{Shown, SuperSeed};
use crate::logic::timers::Timers;
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use action::MOST_REFUSALS;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

/// What a swarm wants done.
pub mod action;
/// What is asked of whom.
mod asking;
/// Who was given a slot lately.
pub mod board;
/// What becomes of a piece whose blocks are all here.
mod judging;
/// Pieces that were here and are not any more.
mod losing;
/// From whom each piece came.
mod origins;
/// Pausing, and going on.
mod pause;
/// What is wanted.
mod selection;
/// Who is served.
mod serving;
/// What an initial seeder shows.
mod showing;
/// A swarm for people to look at.
pub mod status;
/// Sources over HTTP.
pub mod web;

pub use action::{Action, Decision, Parting};
pub use board::{Board, Ruling};
pub use showing::FirstWord;
pub use status::{PeerStatus, Standing};

/// How many peers are remembered by their addresses, gone or not.
const KNOWN_ADDRESSES: usize = 4096;

/// What shapes a swarm's decisions.
#[derive(Debug, Clone)]
pub struct Params {
    /// How pieces are chosen.
    pub policy: Policy,
    /// How peers to be served are chosen.
    pub choker: ChokerPolicy,
    /// How many peers are served at once.
    pub upload_slots: usize,
    /// Strategy timers, already scaled.
    pub timers: Timers,
    /// Bytes per second that may be sent.
    pub up_limit: Option<u64>,
    /// Whether the only seeder shows its pieces one by one (BEP 16).
    pub super_seeding: bool,
    /// Whether the blocks of a piece are kept when the peer that sent them chokes us. They should
    /// be: without, most of what is fetched is fetched again. It is there to show that.
    pub keeps_partial: bool,
    /// Whether decisions are said with their reasons.
    pub trace: bool,
    /// Bytes per second that may be received: no more is asked for than that allows soon.
    pub down_limit: Option<u64>,
    /// How many blocks of 16 KiB are kept asked of one peer; `None`: as many as it delivers in a
    /// round trip and a little more, which is measured.
    pub pipeline: Option<u32>,
    /// Whether copies of what slow peers owe are asked of others at the end, when nothing else is
    /// left to ask for.
    pub endgame: bool,
    /// Where all dice of this swarm come from.
    pub seed: u64,
}

impl Default for Params {
    /// What a node does unless told otherwise, without limits.
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            choker: ChokerPolicy::default(),
            upload_slots: choker::Params::default().slots,
            timers: Timers::default(),
            up_limit: None,
            super_seeding: true,
            keeps_partial: true,
            trace: false,
            down_limit: None,
            pipeline: None,
            endgame: true,
            seed: 0,
        }
    }
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
    /// Whoever left while it kept requests waiting.
    stallers: HashSet<SocketAddr>,
    /// Where somebody took nothing of what we sent.
    unread: serving::Unread,
    /// Pieces that were here and were lost, whether they came back or not.
    lost: HashSet<PieceIndex>,
    down: Rate,
    /// What whoever gives most gave at the last tick, in bytes per second.
    pace: u64,
    /// Bytes of pieces that did not match their hashes.
    corrupt: u64,
    web: web::WebSeeds,
    /// What the leechers were shown, while we are the only seeder.
    showing: Option<SuperSeed>,
    /// The last decisions of the choker, and who is banned.
    minutes: board::Minutes,
    origins: origins::Origins,
    params: Params,
    /// What the choker's strategy is called.
    strategy: String,
    stopped: bool,
}

impl Swarm {
    /// A swarm without peers, in which `have` is verified.
    pub fn new(geometry: Geometry, have: Bitfield, params: Params) -> Self {
        let mut rng = fastrand::Rng::with_seed(params.seed);
        let picker = Picker::new(geometry, have, params.policy, rng.fork());
        let slots = choker::Params {
            slots: params.upload_slots,
            upload_capacity: params.up_limit,
            timers: params.timers,
        };
        let choker = Choker::new(params.choker, slots, rng.fork());
        let showing = SuperSeed::new(picker.have().pieces(), rng.fork());
        Self {
            picker,
            choker,
            court: Court::default(),
            sessions: BTreeMap::new(),
            addresses: HashMap::new(),
            sources: HashSet::new(),
            stallers: HashSet::new(),
            unread: serving::Unread::default(),
            lost: HashSet::new(),
            down: Rate::shown(Duration::from_secs(2)),
            pace: 0,
            corrupt: 0,
            web: web::WebSeeds::default(),
            showing: showing.filter(|_| params.super_seeding),
            minutes: board::Minutes::default(),
            origins: origins::Origins::default(),
            strategy: params.choker.name().to_owned(),
            params,
            stopped: false,
        }
    }

    /// The verified pieces.
    pub fn have(&self) -> &Bitfield {
        self.picker.have()
    }

    /// Payload bytes received, wanted or not.
    pub fn fetched(&self) -> u64 {
        self.down.total()
    }

    /// Payload bytes received per second.
    pub fn down_rate(&self, now: Moment) -> u64 {
        self.down.per_second(now)
    }

    /// When payload was received last.
    pub fn last_received(&self) -> Option<Moment> {
        self.down.last()
    }

    /// Bytes of pieces that did not match their hashes.
    pub fn corrupt(&self) -> u64 {
        self.corrupt
    }

    /// From now on a strategy of one's own says who is served; it is shown under this name.
    pub fn set_strategy(&mut self, strategy: Box<dyn Strategy>, name: String) {
        self.choker.set_strategy(strategy);
        self.strategy = name;
    }

    /// From now on decisions are said with their reasons, or not.
    pub fn set_trace(&mut self, on: bool) {
        self.params.trace = on;
    }

    /// How many connected peers have each piece.
    pub fn availability(&self) -> Vec<u32> {
        let pieces = (0..self.have().pieces()).map(PieceIndex);
        pieces.map(|piece| self.picker.availability(piece)).collect()
    }

    /// Bytes of the pieces that are wanted and not here, and that no connected peer has.
    pub fn unavailable(&self) -> u64 {
        let pieces = (0..self.have().pieces()).map(PieceIndex);
        let nobody_has =
            |&piece: &PieceIndex| self.picker.lacks(piece) && self.picker.availability(piece) == 0;
        let geometry = self.picker.geometry();
        pieces.filter(nobody_has).map(|piece| u64::from(geometry.length_of(piece))).sum()
    }

    /// How many web seeds take part.
    pub fn web_seeds(&self) -> usize {
        self.web.count()
    }

    /// How many different peers and web seeds wrote blocks that were verified.
    pub fn sources(&self) -> usize {
        self.sources.len() + self.web.of_use()
    }

    /// Whether a peer has everything.
    pub fn is_seed(&self, peer: PeerKey) -> bool {
        self.sessions.get(&peer).is_some_and(|session| session.have().is_full())
    }

    /// From now on so many bytes per second may be received.
    pub fn set_down_limit(&mut self, limit: Option<u64>) {
        self.params.down_limit = limit;
    }

    /// Asks for nothing more and takes nothing more (the disk failed, or the node stops); goes on
    /// serving.
    pub fn stop_requesting(&mut self) {
        self.stopped = true;
    }

    /// A peer connected and both sides know who the other is.
    pub fn on_joined(&mut self, now: Moment, peer: PeerKey, address: SocketAddr, dialect: Dialect) {
        let (pieces, window) = (self.have().pieces(), self.params.timers.rate_window);
        let mut session = Session::new(now, peer, address, dialect, pieces, window);
        if let Some(blocks) = self.params.pipeline {
            session.requests.pipeline = Pipeline::fixed(blocks);
        }
        if self.stallers.contains(&address) {
            // It begins as it ended: with a block at a time, until it delivers.
            session.requests.pipeline.on_missed();
        }
        session.returns = self.unread.knows(now, address.ip());
        session.shown = self.hides().then(|| Shown::new(pieces));
        self.sessions.insert(peer, session);
        if self.addresses.len() >= KNOWN_ADDRESSES {
            // Who is gone for long has no block left that anybody could blame on it.
            let sessions = &self.sessions;
            self.addresses.retain(|peer, _| sessions.contains_key(peer));
        }
        self.addresses.insert(peer, address);
    }

    /// A peer listens there, as it says. It is shown by that address; bans go by the one it called
    /// from, which it cannot choose.
    pub fn on_listens(&mut self, peer: PeerKey, at: SocketAddr) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.listens = Some(at);
        }
    }

    /// A peer is gone.
    pub fn on_left(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        self.hand_back(peer);
        let Some(session) = self.sessions.remove(&peer) else { return };
        if session.requests.pipeline.is_snubbed() && self.stallers.len() < KNOWN_ADDRESSES {
            self.stallers.insert(session.address);
        }
        self.picker.on_left(session.have());
        self.picker.on_gone(peer);
        if let Some(showing) = &mut self.showing {
            showing.on_left(session.have(), session.shown.as_ref());
        }
        self.fill_slots(now, out);
        self.fill_all(now, out);
    }

    /// Bytes of use that a peer sent which is connected.
    pub fn given_by(&self, peer: PeerKey) -> u64 {
        self.sessions.get(&peer).map_or(0, |session| session.gives.total())
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
                    session.wanted += u32::from(self.picker.lacks(piece));
                    self.picker.on_have(piece, session.have());
                    self.update_interest(now, peer, out);
                    self.on_seen(now, peer, piece, out);
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
                if !self.params.keeps_partial {
                    self.picker.drop_partial(peer);
                }
                self.fill_all(now, out);
            }
            Message::Unchoke if !session.peer_choking => {}
            Message::Unchoke => {
                session.peer_choking = false;
                self.fill(now, peer, out);
            }
            &Message::Get(span) => {
                let have = self.picker.have();
                // It was told that we have it, and may have asked before it heard otherwise.
                let is_lost = self.lost.contains(&span.piece) && !have.has(span.piece);
                let served = !is_lost && session.on_request(self.picker.geometry(), have, span)?;
                out.push(if served {
                    Action::Upload(peer, span)
                } else {
                    Action::Say(peer, Message::Reject(span))
                });
            }
            &Message::Cancel(span) => out.push(Action::Unqueue(peer, span)),
            &Message::Reject(span) => {
                let refused = session.on_reject(span);
                if session.refusals >= MOST_REFUSALS {
                    out.push(Action::Disconnect(peer, Parting::Refuses));
                    self.on_left(now, peer, out);
                } else if refused && self.picker.on_void(peer, span) {
                    self.fill_others(now, peer, out);
                }
            }
            &Message::DontHave(piece) => {
                if session.on_dont_have(piece)? {
                    session.wanted -= u32::from(self.picker.lacks(piece));
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

    /// The peer has said what it has.
    fn on_spoken(&mut self, now: Moment, peer: PeerKey, before: &Bitfield, out: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.wanted = self.picker.lacking_of(session.have());
        self.picker.on_left(before);
        self.picker.on_joined(session.have());
        self.on_shown_to(now, peer, before, out);
        self.update_interest(now, peer, out);
        self.part_if_both_seed(peer, out);
    }

    fn update_interest(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let interesting = session.wanted > 0;
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
}

#[cfg(test)]
mod tests;
