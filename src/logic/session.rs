//! One peer as we see it: what it has, who chokes whom, and what we asked of it.
//!
//! A session belongs to its torrent's [`super::swarm::Swarm`], which decides; here stands what
//! can be said of one peer alone: is this bitfield right, did we ask for this chunk, is it late?

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::geometry::{BLOCK_LEN, Geometry};
use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use crate::logic::choker::EQUAL;
use crate::logic::rate::Rate;
use crate::logic::super_seed::Shown;
use crate::protocol::Dialect;
use std::net::SocketAddr;
use std::time::Duration;

/// What a peer may not do.
mod fault;
/// Whether a peer takes what it is sent.
mod flow;
/// What a peer says it has.
mod having;
/// What we asked of a peer.
pub mod requests;
/// How far a peer is trusted.
pub mod trust;

pub use fault::{Fault, LONGEST_REQUEST};

use fault::MOST_HANDSHAKES;
use flow::Flow;
use requests::Requests;
use trust::Trust;

/// Requests that may be open with one peer at a time; many small files make many requests. It is
/// also what a BitTorrent client takes that does not say how many it takes.
pub const MOST_ASKED: usize = 256;

/// The most that are open with a BitTorrent peer, however many it says it takes.
const MOST_ASKED_EVER: usize = 500;

/// Requests of a BitTorrent peer that may cross with our CHOKE.
const CROSSED: u32 = 2 * MOST_ASKED_EVER as u32;

/// Who is served and asks for nothing for so long leaves its slot to whoever waits. A line of 5 kB/s
/// takes as long for a block.
const UNASKED: Duration = Duration::from_secs(3);

/// A newcomer that has a slot and does nothing for so long leaves room for another beside it. It is a
/// little less than a look of the node.
const REST: Duration = Duration::from_millis(400);

/// Who was seen to take something at so many looks is no newcomer.
const PROVEN: u8 = 3;

/// What we know and owe of one connected peer.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who.
    pub peer: PeerKey,
    /// Where it listens, or where it called from.
    pub address: SocketAddr,
    /// Where it listens, if it said so: what people know it by.
    pub listens: Option<SocketAddr>,
    /// How we speak to it.
    pub dialect: Dialect,
    /// We do not serve it.
    pub am_choking: bool,
    /// It has something that we lack.
    pub am_interested: bool,
    /// It does not serve us.
    pub peer_choking: bool,
    /// It wants something of us.
    pub peer_interested: bool,
    /// Since when it has been served, or has waited to be.
    pub since: Moment,
    /// When it came.
    pub joined: Moment,
    /// What we asked of it.
    pub requests: Requests,
    /// What it sent us, for the choker.
    pub gives: Rate,
    /// What we sent it, for the choker.
    pub takes: Rate,
    /// How many pieces it may be at.
    pub trust: Trust,
    /// When it last sent something of use; `None` if it never did.
    pub last_block: Option<Moment>,
    /// Requests of it wait to be answered.
    pub waits: bool,
    /// When something was last sent to it, or waited to be.
    served: Moment,
    /// At how many looks it had been sent more, [`PROVEN`] at most.
    looks: u8,
    /// It takes nothing of what it is sent.
    pub stuck: bool,
    /// Somebody at its address took nothing a while ago.
    pub returns: bool,
    /// How much of our upload it is meant to have, in thousandths of an equal share.
    pub weight: u32,
    /// How many pieces it has that we lack.
    pub wanted: u32,
    /// Requests that it refused since it last sent something, though it serves us.
    pub refusals: u32,
    /// The pieces that it was shown; `None` when it was told all we have.
    pub shown: Option<Shown>,
    /// How many requests may be open with it.
    most_asked: usize,
    flow: Flow,
    /// Pieces that may be asked for while it chokes us (BEP 6).
    allowed_fast: Option<Bitfield>,
    /// Pieces that it may ask for while we choke it (BEP 6), and bytes of them still to be had so.
    given_fast: Vec<PieceIndex>,
    fast_bytes: u64,
    /// Requests that came while we choked it; `None` when it was never served.
    choked_requests: Option<u32>,
    handshakes: u32,
    /// Bitfields in mid-stream that brought no news.
    idle_bitfields: u32,
    /// Pieces that it took back, those that cost much counted more than once.
    taken_back: u32,
    have: Bitfield,
    /// Pieces spoken of by BITFIELD so far; `None` before its first word.
    spoken: Option<u32>,
    /// It refused a request since the last tick: it is not asked again before the next.
    refused: bool,
}

impl Session {
    /// A peer that just connected: nothing known, both sides choking (BEP 3).
    pub fn new(
        now: Moment,
        peer: PeerKey,
        address: SocketAddr,
        dialect: Dialect,
        pieces: u32,
        window: Duration,
    ) -> Self {
        Self {
            peer,
            address,
            listens: None,
            dialect,
            am_choking: true,
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            since: now,
            joined: now,
            requests: Requests::new(now),
            trust: Trust::default(),
            gives: Rate::over(window),
            takes: Rate::over(window),
            last_block: None,
            waits: false,
            served: Moment::START,
            looks: 0,
            stuck: false,
            returns: false,
            weight: EQUAL,
            wanted: 0,
            refusals: 0,
            shown: None,
            most_asked: MOST_ASKED,
            flow: Flow::default(),
            allowed_fast: None,
            given_fast: Vec::new(),
            fast_bytes: 0,
            choked_requests: None,
            handshakes: 0,
            idle_bitfields: 0,
            taken_back: 0,
            have: Bitfield::new(pieces),
            spoken: None,
            refused: false,
        }
    }

    /// What the peer has.
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Whether nothing is asked of it.
    pub fn is_idle(&self) -> bool {
        self.requests.count() == 0
    }

    /// An extension handshake, with the number of requests that the peer lets wait.
    pub fn on_extensions(&mut self, most_requests: Option<u32>) -> Result<(), Fault> {
        self.handshakes += 1;
        if self.handshakes > MOST_HANDSHAKES {
            return Err(Fault::ManyHandshakes);
        }
        if let Some(most) = most_requests {
            self.most_asked = (most as usize).clamp(1, MOST_ASKED_EVER);
        }
        Ok(())
    }

    /// Whether it serves us, has something for us, and is not late.
    pub fn is_swift(&self) -> bool {
        !self.peer_choking && self.am_interested && !self.requests.pipeline.is_snubbed()
    }

    /// The pieces that it has and would send although it chokes us.
    pub fn allowed_now(&self) -> Bitfield {
        let mut allowed = Bitfield::new(self.have.pieces());
        let fast = self.allowed_fast.iter().flat_map(Bitfield::iter);
        fast.filter(|&piece| self.have.has(piece)).for_each(|piece| _ = allowed.set(piece));
        allowed
    }

    /// Whether the peer may be asked for more requests now.
    pub fn may_be_asked(&self) -> bool {
        let answers = !self.peer_choking || self.allowed_fast.is_some();
        let willing = answers && self.am_interested && !self.refused;
        willing && self.requests.count() < self.most_asked
    }

    /// How many more bytes may be asked for at once: BitTorrent asks block by block.
    pub fn most_at_once(&self) -> u64 {
        match self.dialect {
            Dialect::Native => u64::MAX,
            Dialect::BitTorrent => {
                self.most_asked.saturating_sub(self.requests.count()) as u64 * u64::from(BLOCK_LEN)
            }
        }
    }

    /// Bytes of the peer were of use: they are stored.
    pub fn on_granted(&mut self, now: Moment, bytes: u64) {
        self.gives.add(now, bytes);
        self.requests.on_granted();
        (self.last_block, self.refused, self.refusals) = (Some(now), false, 0);
    }

    /// The peer refuses a request; true if we had asked it.
    pub fn on_reject(&mut self, span: Span) -> bool {
        let asked = self.requests.on_reject(span);
        match self.allowed_fast.as_mut().filter(|_| self.peer_choking) {
            _ if !asked => {}
            Some(fast) => _ = fast.clear(span.piece), // it is not to be had so, after all
            None => {
                self.refused = true;
                self.refusals += 1;
            }
        }
        asked
    }

    /// The peer chokes us: what was asked is void, but may be under way. Gives what to hand back.
    pub fn on_choked(&mut self) -> Vec<Span> {
        self.peer_choking = true;
        self.requests.give_up_all()
    }

    /// We have sent it so much in all, and requests of it wait or not.
    pub fn on_sent(&mut self, now: Moment, total: u64, waits: bool) {
        let before = self.takes.total();
        self.takes.add(now, total.saturating_sub(before));
        self.waits = waits;
        if waits || total > before {
            self.served = now;
        }
        if total > before {
            self.looks = PROVEN.min(self.looks + 1);
        }
        self.shown.iter_mut().for_each(|shown| shown.on_sent(total));
    }

    /// Its socket is full since then, or not, and has taken so many bytes in all. True if that makes
    /// it stuck, or stuck no more.
    pub fn on_flow(&mut self, now: Moment, full: Option<Moment>, taken: u64) -> bool {
        self.flow.on_look(full, taken);
        let before = std::mem::replace(&mut self.stuck, self.flow.is_stuck(now));
        before != self.stuck
    }

    /// Whether it may ask, says that it wants something, and has asked for nothing for a while.
    pub fn leaves_its_slot(&self, now: Moment) -> bool {
        self.has_asked_nothing(now, UNASKED)
    }

    /// Whether it has a slot, was hardly seen to make use of one, and takes nothing now.
    pub fn rests_unread(&self, now: Moment) -> bool {
        !self.am_choking && self.looks < PROVEN && self.flow.is_unread(now, REST)
    }

    /// Whether it has a slot, was hardly seen to make use of one, and asks for nothing now.
    pub fn rests_unasked(&self, now: Moment) -> bool {
        self.looks < PROVEN && self.has_asked_nothing(now, REST)
    }

    fn has_asked_nothing(&self, now: Moment, time: Duration) -> bool {
        let wants = !self.am_choking && self.peer_interested;
        wants && !self.waits && now.since(self.served.max(self.since)) >= time
    }

    /// Time passed: a peer that refused may be asked again.
    pub fn on_tick(&mut self) {
        self.refused = false;
    }

    /// We serve the peer, or no longer do.
    pub fn set_choking(&mut self, now: Moment, choke: bool) {
        self.am_choking = choke;
        self.since = now;
        if !choke {
            self.choked_requests = Some(0);
        }
    }

    /// It may ask for these pieces while we choke it, `bytes` in all.
    pub fn on_fast_given(&mut self, pieces: Vec<PieceIndex>, bytes: u64) {
        (self.given_fast, self.fast_bytes) = (pieces, bytes);
    }

    /// A request of the peer: true if it is to be served, false if it is to be refused.
    pub fn on_request(
        &mut self,
        geometry: &Geometry,
        ours: &Bitfield,
        span: Span,
    ) -> Result<bool, Fault> {
        check_request(self.dialect, geometry, ours, span)?;
        if self.am_choking && self.given_fast.contains(&span.piece) {
            // Each piece once: it is a start, not a way around the choker.
            let left = self.fast_bytes.checked_sub(span.length.into());
            self.fast_bytes = left.unwrap_or(self.fast_bytes);
            return Ok(left.is_some());
        }
        if self.am_choking && self.dialect == Dialect::BitTorrent {
            let crossed = self.choked_requests.as_mut().ok_or(Fault::RequestWhileChoked)?;
            *crossed += 1;
            if *crossed > CROSSED {
                return Err(Fault::RequestWhileChoked);
            }
        }
        Ok(!self.am_choking)
    }
}

/// Whether a request of a peer can be served at all: inside its piece, and we have it. BitTorrent
/// peers may begin anywhere, and see the pads of a hybrid.
fn check_request(
    dialect: Dialect,
    geometry: &Geometry,
    ours: &Bitfield,
    span: Span,
) -> Result<(), Fault> {
    let fits = match dialect {
        Dialect::Native => span.offset.is_multiple_of(BLOCK_LEN) && geometry.contains(span),
        Dialect::BitTorrent => {
            let end = span.end().filter(|_| span.length > 0);
            end.is_some_and(|end| end <= geometry.padded_length_of(span.piece))
        }
    };
    if !fits || !ours.has(span.piece) {
        return Err(Fault::RequestOutOfRange(span));
    }
    let too_long = dialect == Dialect::BitTorrent && span.length > LONGEST_REQUEST;
    if too_long { Err(Fault::RequestTooLong(span)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
