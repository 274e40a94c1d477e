//! One peer as we see it: what it has, who chokes whom, and what we asked of it.
//!
//! A session belongs to its torrent's [`super::swarm::Swarm`], which decides; here stands what
//! can be said of one peer alone: is this bitfield right, did we ask for this chunk, is it late?

use crate::bitfield::{Bitfield, BitfieldError};
use crate::clock::Moment;
use crate::geometry::{BLOCK_LEN, Geometry};
use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use crate::logic::pipeline::Pipeline;
use crate::logic::rate::Rate;
use crate::protocol::Dialect;
use crate::protocol::message::BITFIELD_PART;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Requests that may be open with one peer at a time; many small files make many requests. It is
/// also what a BitTorrent client takes that does not say how many it takes.
pub const MOST_ASKED: usize = 256;

/// The most that are open with a BitTorrent peer, however many it says it takes.
const MOST_ASKED_EVER: usize = 500;

/// Requests whose answers may still come although we gave up on them.
const LATE: usize = 2 * MOST_ASKED_EVER;

/// The longest request of a BitTorrent peer, in bytes; many take one beyond 16 KiB for an attack.
pub const LONGEST_REQUEST: u32 = 128 * 1024;

/// Requests of a BitTorrent peer that may cross with our CHOKE.
const CROSSED: u32 = 2 * MOST_ASKED_EVER as u32;

/// Extension handshakes that a peer may make: it may change its mind, not talk of nothing else.
const MOST_HANDSHAKES: u32 = 64;

/// Bitfields in mid-stream that may bring no news.
const IDLE_BITFIELDS: u32 = 16;

/// Pieces that a peer may take back: each is work for us, and some hundred are plenty.
const MOST_TAKEN_BACK: u32 = 1024;

/// What the first of them counts for when the peer had everything: a seed is counted in one, and
/// any other peer piece by piece.
const SEED_NO_MORE: u32 = 64;

/// Chunks nobody asked for that a peer may send (cancels cross with data) before it is let go.
const UNASKED: u32 = 64;

/// A broken rule: the connection is closed and the peer remembered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A HAVE for a piece that the torrent does not have.
    #[error("have of {0}, which is out of range")]
    HaveOutOfRange(PieceIndex),
    /// A bitfield that does not fit the torrent.
    #[error("{0}")]
    Bitfield(#[from] BitfieldError),
    /// A bitfield, HAVE_ALL or HAVE_NONE after the peer had already said what it has.
    #[error("a second statement of all it has")]
    HadSpoken,
    /// A request that is empty, leaves its piece, or names a piece we do not have.
    #[error("request of {0}, which is out of range")]
    RequestOutOfRange(Span),
    /// A request longer than anybody may make.
    #[error("request of {0}, which is longer than {LONGEST_REQUEST} bytes")]
    RequestTooLong(Span),
    /// Requests of a peer that we never served, or went on long after our CHOKE.
    #[error("requests while it is choked")]
    RequestWhileChoked,
    /// Many chunks that were never asked for.
    #[error("{UNASKED} chunks that nobody asked for")]
    ChunksNotAsked,
    /// A message that has no place here.
    #[error("a second HELLO")]
    SecondHello,
    /// The extension handshake may come again, but it does not have to come without end.
    #[error("{MOST_HANDSHAKES} extension handshakes")]
    ManyHandshakes,
    /// A piece may get lost, but not all the time.
    #[error("it says too often that it has a piece no more")]
    ManyTakenBack,
}

/// A request that waits for its answer.
#[derive(Debug, Clone, Copy)]
struct Asked {
    span: Span,
    /// Bytes of it that arrived, from its start.
    arrived: u32,
    /// Bytes of its end that were cancelled.
    cut: u32,
}

impl Asked {
    /// Bytes that are still to come.
    fn open(&self) -> u32 {
        (self.span.length - self.cut).saturating_sub(self.arrived)
    }

    /// What has not arrived, cancelled or not.
    fn rest(&self) -> Span {
        let (offset, length) = (self.span.offset + self.arrived, self.span.length - self.arrived);
        Span { offset, length, ..self.span }
    }
}

/// What we know and owe of one connected peer.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who.
    pub peer: PeerKey,
    /// Where it listens, or where it called from.
    pub address: SocketAddr,
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
    /// When it connected.
    pub joined: Moment,
    /// Since when it has been served, or has waited to be.
    pub since: Moment,
    /// How much to have asked of it.
    pub pipeline: Pipeline,
    /// What it sent us, for the choker.
    pub gives: Rate,
    /// When it last sent us something.
    pub last_block: Option<Moment>,
    /// What it asked of us while we served it, for the choker.
    pub takes: Rate,
    /// Deadlines it let pass in a row.
    pub misses: u32,
    /// How many requests may be open with it.
    most_asked: usize,
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
    asked: VecDeque<Asked>,
    late: VecDeque<Span>,
    unasked: u32,
    /// It refused a request since the last tick: it is not asked again before the next.
    refused: bool,
    /// Its worker is busy with what it sent: the time that takes is no fault of the peer.
    busy: bool,
    /// When the oldest request became due to be answered.
    waiting_since: Moment,
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
            dialect,
            am_choking: true,
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            joined: now,
            since: now,
            pipeline: Pipeline::default(),
            gives: Rate::over(window),
            last_block: None,
            takes: Rate::over(window),
            misses: 0,
            most_asked: MOST_ASKED,
            allowed_fast: None,
            given_fast: Vec::new(),
            fast_bytes: 0,
            choked_requests: None,
            handshakes: 0,
            idle_bitfields: 0,
            taken_back: 0,
            have: Bitfield::new(pieces),
            spoken: None,
            asked: VecDeque::new(),
            late: VecDeque::new(),
            unasked: 0,
            refused: false,
            busy: false,
            waiting_since: now,
        }
    }

    /// What the peer has.
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Whether nothing is asked of it.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// BITFIELD: the pieces from `first` on. Parts come in order, before anything else.
    pub fn on_bitfield(&mut self, first: u32, bits: &[u8]) -> Result<(), Fault> {
        let pieces = self.have.pieces();
        if self.dialect == Dialect::BitTorrent && self.spoken.is_some() {
            return self.on_bitfield_again(bits);
        }
        if self.spoken.unwrap_or(0) != first || (self.spoken.is_some() && first >= pieces) {
            return Err(Fault::HadSpoken);
        }
        let covered = (bits.len() as u64 * 8).min(u64::from(pieces - first)) as u32;
        // Only the last part may be short, so that there are few of them.
        if covered < pieces - first && bits.len() < BITFIELD_PART {
            return Err(Fault::Bitfield(BitfieldError::Length {
                got: bits.len(),
                wanted: BITFIELD_PART,
            }));
        }
        let part = Bitfield::from_bytes(bits, covered)?;
        for piece in part.iter() {
            self.have.set(PieceIndex(first + piece.0));
        }
        self.spoken = Some(first + covered);
        Ok(())
    }

    /// A bitfield in mid-stream: aria2 sends one instead of many HAVEs. What it leaves out is not
    /// lost, and what brings no news may come only so often.
    fn on_bitfield_again(&mut self, bits: &[u8]) -> Result<(), Fault> {
        let before = self.have.count();
        for piece in Bitfield::from_bytes(bits, self.have.pieces())?.iter() {
            self.have.set(piece);
        }
        if self.have.count() == before {
            self.idle_bitfields += 1;
        }
        if self.idle_bitfields > IDLE_BITFIELDS { Err(Fault::HadSpoken) } else { Ok(()) }
    }

    /// HAVE_ALL or HAVE_NONE.
    pub fn on_have_all_or_none(&mut self, all: bool) -> Result<(), Fault> {
        if self.spoken.is_some() {
            return Err(Fault::HadSpoken);
        }
        let pieces = self.have.pieces();
        if all {
            self.have = Bitfield::full(pieces);
        }
        self.spoken = Some(pieces);
        Ok(())
    }

    /// HAVE; true if it is news.
    pub fn on_have(&mut self, piece: PieceIndex) -> Result<bool, Fault> {
        if piece.0 >= self.have.pieces() {
            return Err(Fault::HaveOutOfRange(piece));
        }
        self.spoken = Some(self.have.pieces());
        Ok(self.have.set(piece))
    }

    /// DONT_HAVE; true if it is news (BEP 54), which it may be only so often.
    pub fn on_dont_have(&mut self, piece: PieceIndex) -> Result<bool, Fault> {
        if piece.0 >= self.have.pieces() {
            return Err(Fault::HaveOutOfRange(piece));
        }
        if !self.have.has(piece) {
            return Ok(false);
        }
        self.taken_back += if self.have.is_full() { SEED_NO_MORE } else { 1 };
        if self.taken_back > MOST_TAKEN_BACK {
            return Err(Fault::ManyTakenBack);
        }
        Ok(self.have.clear(piece))
    }

    /// ALLOWED_FAST: a piece that may be asked for while it chokes us; true if it is news.
    pub fn on_allowed_fast(&mut self, piece: PieceIndex) -> Result<bool, Fault> {
        if piece.0 >= self.have.pieces() {
            return Err(Fault::HaveOutOfRange(piece));
        }
        let pieces = self.have.pieces();
        Ok(self.allowed_fast.get_or_insert_with(|| Bitfield::new(pieces)).set(piece))
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

    /// The pieces that it has and would send although it chokes us.
    pub fn allowed_now(&self) -> Bitfield {
        let mut allowed = Bitfield::new(self.have.pieces());
        let fast = self.allowed_fast.iter().flat_map(Bitfield::iter);
        fast.filter(|&piece| self.have.has(piece)).for_each(|piece| _ = allowed.set(piece));
        allowed
    }

    /// We asked for a span.
    pub fn on_asked(&mut self, now: Moment, span: Span) {
        if self.asked.is_empty() {
            self.waiting_since = now;
        }
        self.pipeline.on_asked(span.length.into());
        self.asked.push_back(Asked { span, arrived: 0, cut: 0 });
    }

    /// Bytes arrived; true if we asked for them, even if we gave up on them since.
    ///
    /// A request is answered in order and in whole blocks, so that what counts as its answer is
    /// its answer: a block sent again, or a byte now and then, does not keep it open.
    pub fn on_chunk(&mut self, now: Moment, chunk: Span) -> Result<bool, Fault> {
        let holds = |span: &Span| {
            let ends_inside = chunk.end().is_some_and(|end| Some(end) <= span.end());
            let whole = chunk.length.is_multiple_of(BLOCK_LEN) || chunk.end() == span.end();
            let inside = span.piece == chunk.piece && span.offset <= chunk.offset && ends_inside;
            inside && whole && chunk.length > 0
        };
        let is_next =
            |asked: &Asked| holds(&asked.span) && asked.span.offset + asked.arrived == chunk.offset;
        if let Some(at) = self.asked.iter().position(is_next) {
            let asked = &mut self.asked[at];
            let delivered = chunk.length.min(asked.open());
            asked.arrived += chunk.length;
            let asked = *asked;
            if asked.open() == 0 {
                self.asked.remove(at);
                self.expect_late(asked.rest());
            }
            (self.misses, self.waiting_since) = (0, now);
            self.pipeline.on_delivered(now, delivered.into());
            return Ok(true);
        }
        if let Some(at) = self.late.iter().position(holds) {
            // It is welcome once; the deadlines that were missed stay missed.
            let late = self.late.remove(at).expect("found at this place");
            let (start, end) = (chunk.offset, chunk.offset + chunk.length);
            let before = Span { length: start - late.offset, ..late };
            let after = Span { offset: end, length: late.offset + late.length - end, ..late };
            self.expect_late(before);
            self.expect_late(after);
            self.pipeline.on_delivered(now, 0);
            return Ok(true);
        }
        self.unasked += 1;
        if self.unasked > UNASKED { Err(Fault::ChunksNotAsked) } else { Ok(false) }
    }

    /// Bytes of the peer were of use: they are stored.
    pub fn on_granted(&mut self, now: Moment, bytes: u64) {
        self.gives.add(now, bytes);
        self.last_block = Some(now);
        (self.unasked, self.refused, self.busy) = (0, false, true);
    }

    /// The worker is done with what the peer sent, and reads on.
    pub fn on_ready(&mut self, now: Moment) {
        self.busy = false;
        self.waiting_since = now;
    }

    /// Whether the peer may be asked for more requests now.
    pub fn may_be_asked(&self) -> bool {
        let answers = !self.peer_choking || self.allowed_fast.is_some();
        let willing = answers && self.am_interested && !self.refused;
        willing && self.asked.len() < self.most_asked
    }

    /// How many more bytes may be asked for at once: BitTorrent asks block by block.
    pub fn most_at_once(&self) -> u64 {
        match self.dialect {
            Dialect::Native => u64::MAX,
            Dialect::BitTorrent => {
                self.most_asked.saturating_sub(self.asked.len()) as u64 * u64::from(BLOCK_LEN)
            }
        }
    }

    /// Time passed: a peer that refused may be asked again.
    pub fn on_tick(&mut self) {
        self.refused = false;
    }

    /// The peer refuses a request; true if we had asked it.
    pub fn on_reject(&mut self, span: Span) -> bool {
        // What we gave up ourselves is refused as well: that says nothing about the next request.
        self.late.retain(|late| *late != span);
        let refused = self.asked.iter().position(|asked| asked.span == span);
        let Some(asked) = refused.and_then(|at| self.asked.remove(at)) else { return false };
        match self.allowed_fast.as_mut().filter(|_| self.peer_choking) {
            Some(fast) => _ = fast.clear(span.piece), // it is not to be had so, after all
            None => self.refused = true,
        }
        self.pipeline.on_void(asked.open().into());
        true
    }

    /// Another peer delivered `part`: if it is the end of a request that waits here, the request
    /// need not be answered that far. True if the peer should be told.
    pub fn on_cancelled(&mut self, part: Span) -> bool {
        let ends_there = |asked: &Asked| {
            let end = asked.span.end().map(|end| end - asked.cut);
            asked.span.piece == part.piece && end == part.end() && part.length <= asked.open()
        };
        let Some(at) = self.asked.iter().position(ends_there) else { return false };
        let asked = &mut self.asked[at];
        asked.cut += part.length;
        let asked = *asked;
        self.pipeline.on_void(part.length.into());
        if asked.open() == 0 {
            self.asked.remove(at);
            self.expect_late(asked.rest());
        }
        true
    }

    /// The peer chokes us: what was asked is void, but may be under way. Gives what to hand back.
    pub fn on_choked(&mut self) -> Vec<Span> {
        self.peer_choking = true;
        let void = self.void_all();
        void.iter().for_each(|&span| self.expect_late(span));
        void
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

    /// Everything asked is void: choked, gone. Gives what to hand back to the picker.
    pub fn void_all(&mut self) -> Vec<Span> {
        let open: u64 = self.asked.iter().map(|asked| u64::from(asked.open())).sum();
        self.pipeline.on_void(open);
        self.asked.drain(..).map(|asked| asked.span).collect()
    }

    /// If nothing came for `timeout`, gives up on all that was asked and gives it back; it is
    /// still welcome if it comes late.
    pub fn next_missed(&mut self, now: Moment, timeout: Duration) -> Vec<Span> {
        if self.asked.is_empty() || self.busy || now.since(self.waiting_since) < timeout {
            return Vec::new();
        }
        let missed = self.void_all();
        self.pipeline.on_missed(0);
        self.misses += 1;
        missed.iter().for_each(|&span| self.expect_late(span));
        missed
    }

    /// When [`Session::next_missed`] will have something to say.
    pub fn deadline(&self, timeout: Duration) -> Option<Moment> {
        (!self.asked.is_empty()).then(|| self.waiting_since + timeout)
    }

    fn expect_late(&mut self, span: Span) {
        if span.length == 0 {
            return;
        }
        if self.late.len() == LATE {
            self.late.pop_front();
        }
        self.late.push_back(span);
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
mod tests {
    use super::*;

    fn session(pieces: u32) -> Session {
        let address = "127.0.0.1:1".parse().unwrap();
        let dialect = Dialect::Native;
        Session::new(Moment::START, PeerKey(1), address, dialect, pieces, Duration::from_secs(20))
    }

    fn at(secs: u64) -> Moment {
        Moment::after(Duration::from_secs(secs))
    }

    fn span(offset: u32, length: u32) -> Span {
        Span { piece: PieceIndex(0), offset, length }
    }

    #[test]
    fn a_long_bitfield_comes_in_parts_and_a_second_one_is_a_fault() {
        let mut s = session(BITFIELD_PART as u32 * 8 + 12);
        s.on_bitfield(0, &vec![0xff; BITFIELD_PART]).unwrap();
        s.on_bitfield(BITFIELD_PART as u32 * 8, &[0x00, 0xf0]).unwrap();
        assert_eq!(s.have().count(), BITFIELD_PART as u32 * 8 + 4);
        assert_eq!(s.on_bitfield(0, &[0xff, 0, 0]), Err(Fault::HadSpoken));
        assert_eq!(s.on_have_all_or_none(true), Err(Fault::HadSpoken));
    }

    #[test]
    fn a_bittorrent_peer_may_say_again_what_it_has_as_long_as_that_is_news() {
        let mut s = Session { dialect: Dialect::BitTorrent, ..session(20) };
        s.on_bitfield(0, &[0x80, 0, 0]).unwrap();
        s.on_bitfield(0, &[0x40, 0, 0x10]).unwrap();
        assert_eq!(s.have().count(), 3);
        assert!(matches!(s.on_bitfield(0, &[0, 0]), Err(Fault::Bitfield(_))));
        let again = (0..100).find_map(|_| s.on_bitfield(0, &[0x80, 0, 0]).err());
        assert_eq!(again, Some(Fault::HadSpoken));
    }

    #[test]
    fn a_bitfield_too_long_or_with_spare_bits_is_a_fault() {
        assert!(matches!(session(20).on_bitfield(0, &[0; 4]), Err(Fault::Bitfield(_))));
        assert!(matches!(session(20).on_bitfield(0, &[0, 0, 1]), Err(Fault::Bitfield(_))));
        assert_eq!(session(20).on_bitfield(8, &[0]), Err(Fault::HadSpoken));
        for short in [&[][..], &[0, 0]] {
            assert!(matches!(session(20).on_bitfield(0, short), Err(Fault::Bitfield(_))));
        }
    }

    #[test]
    fn a_choked_bittorrent_peer_gets_what_it_was_allowed_once_and_else_is_a_fault() {
        let geometry = Geometry::v1(65536, 3 * 65536).unwrap();
        let ours = Bitfield::full(3);
        let of = |piece: u32, offset: u32| Span { piece: PieceIndex(piece), ..span(offset, 16384) };
        let mut s = Session { dialect: Dialect::BitTorrent, ..session(3) };
        s.on_fast_given(vec![PieceIndex(1)], 65536);
        for n in 0..4 {
            assert_eq!(s.on_request(&geometry, &ours, of(1, n * 16384)), Ok(true));
        }
        assert_eq!(s.on_request(&geometry, &ours, of(1, 0)), Ok(false), "it had its share");
        let never = s.on_request(&geometry, &ours, of(0, 0));
        assert_eq!(never, Err(Fault::RequestWhileChoked));
        s.set_choking(at(0), false);
        s.set_choking(at(1), true);
        assert_eq!(s.on_request(&geometry, &ours, of(0, 0)), Ok(false), "it crossed our CHOKE");
        let end = (0..=CROSSED).find_map(|_| s.on_request(&geometry, &ours, of(0, 0)).err());
        assert_eq!(end, Some(Fault::RequestWhileChoked));
    }

    #[test]
    fn a_have_out_of_range_is_a_fault() {
        let fault = Fault::HaveOutOfRange(PieceIndex(3));
        assert_eq!(session(3).on_have(PieceIndex(3)), Err(fault));
        assert_eq!(session(3).on_have(PieceIndex(2)), Ok(true));
    }

    #[test]
    fn pieces_may_be_taken_back_only_so_often() {
        let until_the_fault = |s: &mut Session, pieces: u32| {
            let mut again = |n: u32| {
                let piece = PieceIndex(n % pieces);
                s.on_have(piece).unwrap();
                s.on_dont_have(piece).err().map(|fault| (n, fault))
            };
            (0..9999).find_map(&mut again)
        };
        let mut some = session(3);
        some.on_dont_have(PieceIndex(1)).unwrap();
        assert_eq!(some.taken_back, 0, "no news costs nothing");
        let fault = Some((MOST_TAKEN_BACK, Fault::ManyTakenBack));
        assert_eq!(until_the_fault(&mut some, 3), fault);
        let fault = Some((MOST_TAKEN_BACK / SEED_NO_MORE, Fault::ManyTakenBack));
        assert_eq!(until_the_fault(&mut session(1), 1), fault);
        let fault = Fault::HaveOutOfRange(PieceIndex(3));
        assert_eq!(session(3).on_dont_have(PieceIndex(3)), Err(fault));
    }

    #[test]
    fn a_request_is_answered_in_parts() {
        let mut s = session(1);
        s.on_asked(at(0), span(0, 65536));
        assert_eq!(s.on_chunk(at(1), span(0, 32768)), Ok(true));
        assert!(!s.is_idle());
        assert_eq!(s.on_chunk(at(1), span(32768, 32768)), Ok(true));
        assert!(s.is_idle());
        assert_eq!(s.pipeline.in_flight(), 0);
    }

    #[test]
    fn a_block_sent_again_or_a_few_bytes_of_one_are_no_answer() {
        let mut s = session(1);
        s.on_asked(at(0), span(0, 65536));
        assert_eq!(s.on_chunk(at(1), span(0, 16384)), Ok(true));
        for odd in [span(0, 16384), span(32768, 16384), span(16384, 1), span(16384, 0)] {
            assert_eq!(s.on_chunk(at(2), odd), Ok(false), "{odd}");
        }
        assert_eq!(s.on_chunk(at(2), span(u32::MAX, 16384)), Ok(false));
        assert_eq!(s.pipeline.in_flight(), 49152);
        assert_eq!(s.deadline(Duration::from_secs(10)), Some(at(11)), "only an answer counts");
    }

    #[test]
    fn what_comes_late_is_still_welcome_but_what_was_never_asked_is_not() {
        let mut s = session(1);
        let timeout = Duration::from_secs(10);
        s.on_asked(at(0), span(0, 16384));
        assert_eq!(s.deadline(timeout), Some(at(10)));
        assert_eq!(s.next_missed(at(9), timeout), []);
        assert_eq!(s.next_missed(at(10), timeout), [span(0, 16384)]);
        assert!(s.pipeline.is_snubbed());
        assert_eq!(s.on_chunk(at(11), span(0, 16384)), Ok(true));
        assert!(!s.pipeline.is_snubbed());
        for _ in 0..UNASKED {
            assert_eq!(s.on_chunk(at(11), span(16384, 16384)), Ok(false));
        }
        assert_eq!(s.on_chunk(at(11), span(16384, 16384)), Err(Fault::ChunksNotAsked));
    }

    #[test]
    fn a_request_is_cancelled_from_its_end() {
        let mut s = session(1);
        s.on_asked(at(0), span(0, 65536));
        assert!(!s.on_cancelled(span(16384, 16384)), "the middle is asked as it was");
        assert!(s.on_cancelled(span(49152, 16384)));
        assert!(s.on_cancelled(span(32768, 16384)));
        assert_eq!(s.pipeline.in_flight(), 32768);
        assert_eq!(s.on_chunk(at(1), span(0, 16384)), Ok(true));
        assert!(!s.is_idle());
        assert_eq!(s.on_chunk(at(1), span(16384, 32768)), Ok(true), "it crossed the cancel");
        assert!(s.is_idle());
        assert_eq!(s.pipeline.in_flight(), 0);
        assert_eq!(s.on_chunk(at(1), span(49152, 16384)), Ok(true), "so did this");
    }

    #[test]
    fn a_rejected_request_waits_no_longer() {
        let mut s = session(1);
        s.on_asked(at(0), span(0, 16384));
        assert!(s.on_reject(span(0, 16384)));
        assert!(!s.on_reject(span(0, 16384)));
        assert_eq!(s.pipeline.in_flight(), 0);
    }
}
