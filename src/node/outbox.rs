//! What is to be sent to one peer: two lanes, control before data.
//!
//! Anyone may push; what becomes non-empty is scheduled once on the upload pool, and only the
//! pool thread that took it writes to the socket, whole frames in order. A frame once begun is
//! finished: its offset is remembered here when the socket takes no more, or the upload limit lets
//! no more through, so that who waits holds no thread and no buffer, only these few bytes.

use crate::geometry::BLOCK_LEN;
use crate::ids::Span;
use crate::logic::ahead::Ahead;
use crate::logic::choker::EQUAL;
use crate::node::trace::Tap;
use crate::protocol::message::{ExtensionNumbers, MAX_CHUNK, Message};
use crate::protocol::speech::Speech;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Requests that may wait; more are refused. A pipeline of 8 MiB in 16 KiB blocks is 512.
pub const MAX_REQUESTS: usize = 512;

/// Control bytes that may wait or be on their way: a peer that reads none of them for so long is
/// gone.
const MAX_CONTROL: usize = 1024 * 1024;

/// Control bytes that may wait before a part of the metainfo, the longest of all answers. One part
/// may still be on its way: who asks for the next has read it, though the thread that sent it may
/// not know that yet.
const BEFORE_METAINFO: usize = MAX_CHUNK as usize + 32 * 1024;

/// A peer that takes nothing for so long is let go.
pub const STALLED: Duration = Duration::from_secs(30);

/// While others wait to be served, it must take so many bytes in that time.
const ENOUGH: u64 = 30 * 1024;

/// A frame that is being sent.
#[derive(Debug)]
pub enum Frame {
    /// Control messages, several frames in one buffer.
    Control {
        /// The frames.
        bytes: Vec<u8>,
        /// How many bytes of them are sent.
        sent: usize,
    },
    /// Bytes of pieces; they are read from the file when they are sent. In BitTorrent several
    /// blocks go out together.
    Chunks {
        /// What goes before each of them, and where it is.
        chunks: Vec<(Vec<u8>, Span)>,
        /// How many bytes of all are sent.
        sent: usize,
    },
}

#[derive(Debug)]
struct Queue {
    speech: Speech,
    control: Vec<u8>,
    /// Length of the control frames that a pool thread took last.
    in_hand: usize,
    data: VecDeque<Span>,
    /// A pool thread has it, or it waits for one, or for its socket. It begins so: until the
    /// opening is over only the thread that opens may write.
    scheduled: bool,
    /// It waits until the upload limit lets its next frame begin; control need not wait for that.
    held: bool,
    /// No more is taken; the connection ends when all is sent.
    ending: bool,
    /// Numbers and traces what is sent. What is said goes before every frame that was not begun, so
    /// the order in which messages are put here and chunks are taken out is that of the stream.
    tap: Option<Tap>,
}

/// What the pusher must do after a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It became non-empty: schedule it.
    Schedule,
    /// It waits for the upload limit: bring it back.
    Unpark,
    /// Someone is at it already.
    Noted,
    /// There is no room: the request is refused, or the peer reads nothing.
    Full,
}

/// What a pool thread finds.
#[derive(Debug)]
pub enum Next {
    /// Send this.
    Frame(Frame),
    /// The upload limit lets none begin; whoever keeps it brings it back. Control goes before.
    Later,
    /// Nothing waits; it is not scheduled any more.
    Idle,
    /// Everything is sent and nothing more will come.
    Ended,
}

/// One connection's outgoing messages.
#[derive(Debug)]
pub struct Outbox {
    queue: Mutex<Queue>,
    /// What the pool thread that holds the schedule is sending.
    pub(super) sending: Mutex<Option<Frame>>,
    /// Its share of a limited upload, in thousandths of a common one.
    pub(super) weight: AtomicU32,
    /// Bytes that the upload limit has let through since it waits for that.
    granted: AtomicU64,
    /// Bytes that the socket took.
    taken: AtomicU64,
    /// Since when the socket takes no more; it is waited for.
    full: Mutex<Option<Instant>>,
    /// How much of what it took may wait unsent.
    ahead: Mutex<Ahead>,
    /// Since when something waits that the socket does not take at once, and what it had taken then.
    stalls: Mutex<Option<(Instant, u64)>>,
}

impl Outbox {
    /// Empty, and not to be sent from before it is opened.
    pub fn new(speech: Speech) -> Self {
        Self {
            queue: Mutex::new(Queue::new(speech)),
            sending: Mutex::default(),
            weight: AtomicU32::new(EQUAL),
            granted: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            full: Mutex::default(),
            ahead: Mutex::default(),
            stalls: Mutex::default(),
        }
    }

    /// The socket took so many bytes.
    pub fn on_taken(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Since when the socket is full, if it is, and how many bytes it took in all.
    pub fn flow(&self) -> (Option<Instant>, u64) {
        (*self.full.lock(), self.taken.load(Ordering::Relaxed))
    }

    /// The socket takes more again, or is not waited for any longer. Says how many bytes may wait
    /// in it unsent, if that is to be another number from now on.
    pub fn on_writable(&self, now: Instant) -> Option<u32> {
        let full = self.full.lock().take()?;
        let mut ahead = self.ahead.lock();
        let changed = ahead.on_half_sent(now.saturating_duration_since(full));
        changed.then(|| ahead.bytes())
    }

    /// Nothing waits, or it is we who send no more now.
    pub fn on_rest(&self) {
        *self.stalls.lock() = None;
    }

    /// The socket takes no more now. When it must have taken something: who takes crumbs while others
    /// wait has no more time for them than who takes nothing.
    pub fn on_stall(&self, now: Instant, others_wait: bool) -> Instant {
        let taken = self.taken.load(Ordering::Relaxed);
        *self.full.lock() = Some(now);
        let mut stalls = self.stalls.lock();
        let slow = stalls.filter(|(_, before)| others_wait && taken - before < ENOUGH);
        let (since, _) = *stalls.insert(slow.unwrap_or((now, taken)));
        since + STALLED
    }

    /// The longest frame that makes nobody wait for long: a frame once begun is finished.
    pub fn longest_frame(&self) -> u32 {
        self.ahead.lock().bytes()
    }

    /// What is sent from it is traced.
    #[must_use]
    pub fn traced(self, tap: Option<Tap>) -> Self {
        self.queue.lock().tap = tap;
        self
    }

    /// The upload limit lets so many bytes through; who says so schedules it.
    pub fn grant(&self, bytes: u64) {
        self.granted.store(bytes, Ordering::Release);
    }

    /// What the upload limit has let through, once.
    pub fn take_granted(&self) -> u64 {
        self.granted.swap(0, Ordering::AcqRel)
    }

    /// How the peer wants its extension messages numbered, from now on (BEP 10).
    pub fn learn(&self, numbers: ExtensionNumbers) {
        if let Speech::BitTorrent(codec) = &mut self.queue.lock().speech {
            codec.theirs = numbers;
        }
    }

    /// A message for the control lane.
    pub fn say(&self, message: &Message) -> Pushed {
        let mut queue = self.queue.lock();
        if queue.ending {
            return Pushed::Noted;
        }
        if queue.unsent() > MAX_CONTROL {
            return Pushed::Full;
        }
        let before = queue.control.len();
        queue.put(message);
        if queue.control.len() == before {
            return Pushed::Noted; // its dialect has no word for it
        }
        queue.schedule()
    }

    /// Whether there is room for what may be long and need not be said.
    pub fn has_room(&self) -> bool {
        self.queue.lock().unsent() < MAX_CONTROL / 2
    }

    /// The same for a part of the metainfo, of which one at a time is asked for.
    pub fn has_room_for_metainfo(&self) -> bool {
        self.queue.lock().unsent() <= BEFORE_METAINFO
    }

    /// Bytes of a piece for the data lane.
    pub fn upload(&self, span: Span) -> Pushed {
        let mut queue = self.queue.lock();
        if queue.ending {
            return Pushed::Noted;
        }
        if queue.data.len() >= MAX_REQUESTS {
            return Pushed::Full;
        }
        queue.data.push_back(span);
        queue.schedule()
    }

    /// Takes a request, or the end of one, back out, as far as it has not been sent; true if
    /// something was there.
    pub fn unqueue(&self, part: Span) -> bool {
        let mut found = false;
        let mut queue = self.queue.lock();
        let cuts = matches!(queue.speech, Speech::Native);
        queue.data.retain_mut(|waiting| {
            let ends_there = waiting.piece == part.piece && waiting.end() == part.end();
            if !ends_there || (!cuts && *waiting != part) {
                return true;
            }
            found = true;
            waiting.length = part.offset.saturating_sub(waiting.offset);
            waiting.length > 0
        });
        found
    }

    /// Takes all requests back out.
    pub fn unqueue_all(&self) -> Vec<Span> {
        self.queue.lock().data.drain(..).collect()
    }

    /// Whether the peer has said how it wants to be told of other peers (BEP 11).
    pub fn takes_peers(&self) -> bool {
        match &self.queue.lock().speech {
            Speech::Native => false,
            Speech::BitTorrent(codec) => codec.extended && codec.theirs.peers != 0,
        }
    }

    /// Whether the peer has said how it wants to be told of lost pieces (BEP 54).
    pub fn takes_losses(&self) -> bool {
        match &self.queue.lock().speech {
            Speech::Native => false,
            Speech::BitTorrent(codec) => codec.extended && codec.theirs.dont_have != 0,
        }
    }

    /// A last message; then the connection ends.
    pub fn end_with(&self, message: &Message) -> Pushed {
        self.queue.lock().end_with(message)
    }

    /// The same, and what waits is not said any more: nothing is owed to a peer that broke a rule.
    pub fn cut_short(&self, message: &Message) -> Pushed {
        let mut queue = self.queue.lock();
        queue.control = Vec::new();
        queue.end_with(message)
    }

    /// The opening is over: what was said meanwhile may go.
    pub fn open(&self) -> Pushed {
        let mut queue = self.queue.lock();
        queue.scheduled = !queue.control.is_empty() || !queue.data.is_empty();
        if queue.scheduled { Pushed::Schedule } else { Pushed::Noted }
    }

    /// The next frame, cut from what waits: all control messages at once, else at most
    /// `longest` bytes of the first request. `may_begin` says whether the upload limit lets a
    /// frame of so many bytes begin; if not, it is asked again at the next turn.
    pub fn next(&self, longest: u32, may_begin: impl FnOnce(u64) -> bool) -> Next {
        let mut queue = self.queue.lock();
        (queue.held, queue.in_hand) = (false, 0);
        if !queue.control.is_empty() {
            let bytes = std::mem::take(&mut queue.control);
            queue.in_hand = bytes.len();
            return Next::Frame(Frame::Control { bytes, sent: 0 });
        }
        if !queue.data.is_empty() {
            let chunks = queue.next_chunks(longest.clamp(BLOCK_LEN, MAX_CHUNK));
            let frame = Frame::Chunks { chunks, sent: 0 };
            queue.held = !may_begin(frame.left());
            if queue.held {
                return Next::Later;
            }
            queue.take_out(&frame);
            return Next::Frame(frame);
        }
        queue.scheduled = false;
        if queue.ending { Next::Ended } else { Next::Idle }
    }

    /// Whether anything but the frame in hand waits.
    pub fn is_waiting(&self) -> bool {
        let queue = self.queue.lock();
        !queue.control.is_empty() || !queue.data.is_empty()
    }
}

impl Frame {
    /// Bytes of it that are not sent.
    pub fn left(&self) -> u64 {
        let (length, sent) = match self {
            Self::Control { bytes, sent } => (bytes.len(), sent),
            Self::Chunks { chunks, sent } => {
                let lengths = chunks.iter().map(|(head, span)| head.len() + span.length as usize);
                (lengths.sum(), sent)
            }
        };
        (length - sent) as u64
    }
}

impl Queue {
    fn new(speech: Speech) -> Self {
        Self {
            speech,
            control: Vec::new(),
            in_hand: 0,
            data: VecDeque::new(),
            scheduled: true,
            held: false,
            ending: false,
            tap: None,
        }
    }

    /// Control bytes that are kept in memory for the peer.
    fn unsent(&self) -> usize {
        self.control.len() + self.in_hand
    }

    /// The next chunks, at most `most` bytes in all, but one in any case. A native request is cut
    /// into frames; BitTorrent answers each with one message, several at a time.
    fn next_chunks(&self, most: u32) -> Vec<(Vec<u8>, Span)> {
        let mut taken = 0;
        let chunks = self.data.iter().enumerate().map_while(|(nth, request)| {
            let room = most.saturating_sub(taken);
            let length = match self.speech {
                Speech::Native if nth > 0 => return None,
                Speech::Native if request.length > room => {
                    request.length.min((room / BLOCK_LEN).max(1) * BLOCK_LEN)
                }
                Speech::BitTorrent(_) if nth > 0 && request.length > room => return None,
                Speech::Native | Speech::BitTorrent(_) => request.length,
            };
            taken += length;
            let span = Span { length, ..*request };
            let mut head = Vec::with_capacity(48);
            self.speech.put_chunk_head(span, &mut head);
            Some((head, span))
        });
        chunks.collect()
    }

    /// Takes out what [`Queue::next_chunks`] gave.
    fn take_out(&mut self, frame: &Frame) {
        let Frame::Chunks { chunks, .. } = frame else { return };
        for (_, span) in chunks {
            let request = self.data.front_mut().expect("each chunk is of a request");
            request.offset += span.length;
            request.length -= span.length;
            if request.length == 0 {
                self.data.pop_front();
            }
            if let Some(tap) = &mut self.tap {
                tap.on_chunk(*span);
            }
        }
    }

    fn end_with(&mut self, message: &Message) -> Pushed {
        self.data.clear();
        if !self.ending {
            self.put(message);
        }
        self.ending = true;
        self.schedule()
    }

    fn put(&mut self, message: &Message) {
        let before = self.control.len();
        self.speech.put(message, &mut self.control);
        if let Some(tap) = self.tap.as_mut().filter(|_| self.control.len() > before) {
            tap.on_said(&self.speech, message);
        }
    }

    fn schedule(&mut self) -> Pushed {
        if !std::mem::replace(&mut self.scheduled, true) {
            Pushed::Schedule
        } else if self.held && !self.control.is_empty() {
            Pushed::Unpark
        } else {
            Pushed::Noted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PieceIndex;
    use crate::protocol::bittorrent::Codec;

    fn opened() -> Outbox {
        let outbox = Outbox::new(Speech::Native);
        assert_eq!(outbox.open(), Pushed::Noted);
        outbox
    }

    fn next(outbox: &Outbox, longest: u32) -> Next {
        outbox.next(longest, |_| true)
    }

    fn span(offset: u32, length: u32) -> Span {
        Span { piece: PieceIndex(1), offset, length }
    }

    #[test]
    fn it_is_scheduled_once_until_it_is_empty_again() {
        let outbox = opened();
        assert_eq!(outbox.say(&Message::Choke), Pushed::Schedule);
        assert_eq!(outbox.say(&Message::Unchoke), Pushed::Noted);
        let both = [Message::Choke.to_bytes(), Message::Unchoke.to_bytes()].concat();
        assert!(
            matches!(next(&outbox, 1), Next::Frame(Frame::Control { bytes, .. }) if bytes == both)
        );
        assert_eq!(outbox.say(&Message::Bye), Pushed::Noted, "the thread is still at it");
        assert!(matches!(next(&outbox, 1), Next::Frame(_)));
        assert!(matches!(next(&outbox, 1), Next::Idle));
        assert_eq!(outbox.say(&Message::Bye), Pushed::Schedule);
    }

    #[test]
    fn control_goes_before_data_and_a_long_request_is_cut_into_frames() {
        let outbox = opened();
        assert_eq!(outbox.upload(span(0, 300_000)), Pushed::Schedule);
        let chunk = |next: Next| match next {
            Next::Frame(Frame::Chunks { chunks, .. }) => chunks[0].1,
            other => panic!("{other:?}"),
        };
        assert_eq!(chunk(next(&outbox, MAX_CHUNK)), span(0, 131_072));
        assert_eq!(outbox.say(&Message::Have(PieceIndex(2))), Pushed::Noted);
        assert!(matches!(next(&outbox, MAX_CHUNK), Next::Frame(Frame::Control { .. })));
        assert_eq!(chunk(next(&outbox, MAX_CHUNK)), span(131_072, 131_072));
        assert_eq!(chunk(next(&outbox, MAX_CHUNK)), span(262_144, 37_856));
        assert!(matches!(next(&outbox, MAX_CHUNK), Next::Idle));
    }

    #[test]
    fn bittorrent_blocks_go_out_together_each_with_its_head() {
        let outbox = Outbox::new(Speech::BitTorrent(Codec::default()));
        assert_eq!(outbox.open(), Pushed::Noted);
        for n in 0..10 {
            let _ = outbox.upload(span(n * 16384, 16384));
        }
        let Next::Frame(Frame::Chunks { chunks, .. }) = next(&outbox, u32::MAX) else { panic!() };
        assert_eq!(chunks.len(), 8);
        let head = [&[0, 0, 0x40, 9, 7][..], &[0, 0, 0, 1], &[0, 1, 0xc0, 0]].concat();
        assert_eq!(chunks[7], (head, span(7 * 16384, 16384)));
        let Next::Frame(Frame::Chunks { chunks, .. }) = next(&outbox, 1) else { panic!() };
        assert_eq!(chunks.len(), 1, "under a limit one goes at a time");
    }

    #[test]
    fn a_cancelled_request_is_not_sent_and_too_many_are_refused() {
        let outbox = opened();
        for n in 0..MAX_REQUESTS as u32 {
            assert_ne!(outbox.upload(span(n * 16384, 16384)), Pushed::Full);
        }
        assert_eq!(outbox.upload(span(0, 16384)), Pushed::Full);
        outbox.unqueue(span(0, 16384));
        assert_ne!(outbox.upload(span(0, 65536)), Pushed::Full);
        assert_eq!(outbox.upload(span(0, 1)), Pushed::Full);
        outbox.unqueue(span(32768, 32768));
        let last = outbox.queue.lock().data.back().copied();
        assert_eq!(last, Some(span(0, 32768)), "cut at its end");
        outbox.unqueue_all();
        assert!(matches!(next(&outbox, 1), Next::Idle));
    }

    #[test]
    fn a_peer_that_never_reads_fills_no_memory() {
        let outbox = opened();
        let told = (0..1_000_000).find(|_| outbox.say(&Message::Choke) == Pushed::Full);
        assert!(told.is_some());
    }

    #[test]
    fn what_a_thread_cannot_get_rid_of_counts_too() {
        let outbox = opened();
        let data = &vec![0; MAX_CHUNK as usize][..];
        let part = Message::Metainfo { offset: 0, total: MAX_CHUNK, info: 1, data };
        let _ = outbox.say(&part);
        assert!(matches!(next(&outbox, 1), Next::Frame(Frame::Control { .. })));
        assert!(outbox.has_room_for_metainfo(), "the peer may have read it");
        let _ = outbox.say(&part);
        assert!(!outbox.has_room_for_metainfo() && outbox.has_room());
        let _ = outbox.say(&part);
        let _ = outbox.say(&part);
        assert!(!outbox.has_room());
        assert!((0..1_000_000).any(|_| outbox.say(&Message::Ping(0)) == Pushed::Full));
    }

    #[test]
    fn who_takes_crumbs_while_others_wait_has_no_more_time_than_who_takes_nothing() {
        let (outbox, start) = (opened(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        let stall = |secs, others_wait| (outbox.on_stall(at(secs), others_wait) - start).as_secs();
        assert_eq!(stall(0, true), 30);
        outbox.on_taken(1000);
        assert_eq!(stall(20, true), 30);
        outbox.on_taken(ENOUGH - 1000);
        assert_eq!(stall(25, true), 55, "that was enough");
        assert_eq!(stall(40, false), 70, "nobody else wants the place");
        outbox.on_rest();
        assert_eq!(stall(60, true), 90);
    }

    #[test]
    fn who_broke_a_rule_hears_that_and_nothing_else() {
        let outbox = opened();
        let _ = outbox.say(&Message::Choke);
        assert_eq!(outbox.cut_short(&Message::Bye), Pushed::Noted);
        let said = Message::Bye.to_bytes();
        assert!(
            matches!(next(&outbox, 1), Next::Frame(Frame::Control { bytes, .. }) if bytes == said)
        );
        assert!(matches!(next(&outbox, 1), Next::Ended));
    }

    #[test]
    fn until_the_opening_is_over_nothing_is_scheduled() {
        let outbox = Outbox::new(Speech::Native);
        assert_eq!(outbox.say(&Message::Choke), Pushed::Noted);
        assert_eq!(outbox.open(), Pushed::Schedule);
    }

    #[test]
    fn a_chunk_that_must_wait_for_the_limit_holds_no_control_back() {
        let outbox = opened();
        assert_eq!(outbox.upload(span(0, 16384)), Pushed::Schedule);
        assert!(matches!(outbox.next(1, |_| false), Next::Later));
        assert_eq!(outbox.say(&Message::Choke), Pushed::Unpark);
        let not_for_control = |_| panic!("control is not asked for");
        let control = outbox.next(1, not_for_control);
        assert!(matches!(control, Next::Frame(Frame::Control { .. })));
        assert!(matches!(outbox.next(1, |_| false), Next::Later));
        assert!(matches!(outbox.next(1, |_| true), Next::Frame(Frame::Chunks { .. })));
        assert_eq!(outbox.say(&Message::Choke), Pushed::Noted, "never inside a frame");
    }

    #[test]
    fn the_limit_is_asked_for_what_is_sent_and_no_more() {
        let outbox = opened();
        for n in 0..8 {
            let _ = outbox.upload(span(n * 16384, 16384));
        }
        let mut asked = 0;
        let sent = outbox.next(100_000, |length| {
            asked = length;
            true
        });
        let Next::Frame(frame) = sent else { panic!("{sent:?}") };
        assert_eq!(asked, frame.left());
        let Frame::Chunks { chunks, .. } = frame else { panic!("{frame:?}") };
        let head = chunks[0].0.clone();
        assert_eq!(asked, head.len() as u64 + 16384);
        assert_eq!(chunks, [(head, span(0, 16384))]);
    }

    #[test]
    fn what_the_limit_lets_through_is_taken_once() {
        let outbox = opened();
        outbox.grant(1000);
        assert_eq!([outbox.take_granted(), outbox.take_granted()], [1000, 0]);
    }

    #[test]
    fn after_the_last_message_it_ends() {
        let outbox = opened();
        assert_eq!(outbox.upload(span(0, 16384)), Pushed::Schedule);
        assert_eq!(outbox.end_with(&Message::Bye), Pushed::Noted);
        assert_eq!(outbox.say(&Message::Choke), Pushed::Noted);
        assert!(matches!(next(&outbox, 1), Next::Frame(Frame::Control { .. })));
        assert!(matches!(next(&outbox, 1), Next::Ended));
    }
}
