//! What to say to one tracker by UDP, and when: a pure state machine.
//!
//! It keeps, for each of our torrents, what the tracker is known to know, and says whatever is
//! missing. Nothing is retransmitted as such: a command unanswered for [`ANSWER_TIME`] means
//! that it or its answer was lost, or that the tracker was restarted and our cookie is void. So
//! the cookie is asked for anew, and what is still missing then is said again. After a restart
//! the first KEEPALIVE thus costs one HELLO, is answered by "unknown", and a REGISTER follows.
//!
//! ```text
//! reports -> on_reports --+                      +-> next_datagram -> socket
//! socket  -> on_datagram -+-> Link (no I/O) -----+-> next_event    -> coordinator
//! time    -> on_tick -----+                      +-> next_errand   -> TCP
//! ```

mod tracked;

use super::status::{LastAnnounce, Told, TrackerStatus, sentence};
use super::{TorrentReport, TrackerEvent};
use crate::bitfield::Bitfield;
use crate::clock::{Clock, Moment};
use crate::ids::{InfoHashV2, PeerId, PieceIndex};
use crate::logic::is_local;
use crate::protocol::frame::{Bin, MAX_DATAGRAM};
use crate::protocol::tracker_native::beats::BEAT_LENGTH;
use crate::protocol::tracker_native::links::MAX_LINK;
use crate::protocol::tracker_native::{
    Ack, Beat, BecomeSeeder, Error, ErrorCode, Ip, Keepalive, Links, MAX_BEATS,
    MAX_DATAGRAM_BITMAP, MAX_LINKS, Message, Packet, PeerEntry, PeerList, Register, Request,
    Unregister, hello, put_beat, put_link, read_peers,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use tracked::{Standing, Tracked, fitting_name, left};

/// How long an answer is waited for, unless heartbeats are shorter.
pub const ANSWER_TIME: Duration = Duration::from_secs(1);

/// The same while we are leaving and have a second in all.
const ANSWER_TIME_LEAVING: Duration = Duration::from_millis(200);

/// The pause after the first unanswered HELLO; it doubles up to a heartbeat.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// HELLOs unanswered before the tracker is called unreachable.
const PATIENCE: u32 = 3;

/// A cookie is good for 128 s; it is renewed long before.
const COOKIE_AGE: Duration = Duration::from_mins(1);

/// Commands under way at once.
const WINDOW: usize = 32;

/// The heartbeat and the interval until the tracker has told its own.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(5);
const FIRST_INTERVAL: Duration = Duration::from_secs(30);

/// How often a torrent in need of peers asks for them.
const HUNGRY_INTERVAL: Duration = Duration::from_secs(2);

/// However fast strategy timers run, nobody tells or asks a tracker more often: a hundred peers on
/// one machine would do little else.
const SHORTEST: Duration = Duration::from_millis(250);

/// How many peers are asked for.
pub const WANTED_PEERS: u16 = 200;

/// What a KEEPALIVE's header and magic take at most.
const KEEPALIVE_HEAD: usize = 48;

/// Something for TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// More peers than a datagram holds.
    Peers(InfoHashV2),
    /// A bitmap too large for a datagram.
    Have(InfoHashV2, Bitfield),
}

/// What came of an errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrandResult {
    /// Peers.
    Peers(Vec<PeerEntry>),
    /// The bitmap is there.
    Told,
    /// Nothing.
    Failed,
}

/// A command under way.
struct Pending {
    seq: u32,
    sent: Moment,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Register { hash: InfoHashV2, told: Option<Bitfield>, seeding: bool },
    Beat(Vec<(InfoHashV2, Vec<PieceIndex>)>),
    Request(InfoHashV2),
    Seeder(InfoHashV2),
    Unregister(InfoHashV2),
}

/// A peer's side of what is between it and one tracker.
pub struct Link {
    tracker: SocketAddr,
    port: u16,
    peer_id: PeerId,
    clock: Clock,
    cookie: Option<(Bin<8>, Moment)>,
    hello_seq: u32,
    hello_at: Moment,
    hellos: u32,
    heartbeat: Duration,
    interval: Duration,
    torrents: BTreeMap<InfoHashV2, Tracked>,
    pending: Vec<Pending>,
    beats: VecDeque<InfoHashV2>,
    next_beat: Moment,
    /// How often the tracker is to be told whom we serve, if it is.
    links_interval: Option<Duration>,
    links: VecDeque<InfoHashV2>,
    links_at: Moment,
    next_seq: u32,
    reachable: Option<bool>,
    /// When and why it could not be reached last.
    lost: Option<LastAnnounce>,
    stopping: bool,
    events: VecDeque<TrackerEvent>,
    errands: VecDeque<Errand>,
}

impl Link {
    /// Nothing said yet. `clock` is used for its time scale only; `seq` is where transaction
    /// numbers begin, better not at a guessable place.
    pub fn new(tracker: SocketAddr, port: u16, peer_id: PeerId, clock: Clock, seq: u32) -> Self {
        Self {
            tracker,
            port,
            peer_id,
            clock,
            cookie: None,
            hello_seq: seq,
            hello_at: Moment::START,
            hellos: 0,
            heartbeat: paced(clock, FIRST_HEARTBEAT),
            interval: paced(clock, FIRST_INTERVAL),
            torrents: BTreeMap::new(),
            pending: Vec::new(),
            beats: VecDeque::new(),
            next_beat: Moment::START,
            links_interval: None,
            links: VecDeque::new(),
            links_at: Moment::START,
            next_seq: seq.wrapping_add(1),
            reachable: None,
            lost: None,
            stopping: false,
            events: VecDeque::new(),
            errands: VecDeque::new(),
        }
    }

    /// The tracker.
    pub fn tracker(&self) -> SocketAddr {
        self.tracker
    }

    /// Peers of a torrent are wanted as soon as the tracker allows it.
    pub fn on_reannounce(&mut self, hash: &InfoHashV2) {
        if let Some(tracked) = self.torrents.get_mut(hash) {
            tracked.hurry = true;
        }
    }

    /// How the tracker stands to a torrent; `None` if it is not told of it.
    pub fn standing(&self, hash: &InfoHashV2) -> Option<TrackerStatus> {
        let tracked = self.torrents.get(hash).filter(|tracked| !tracked.leaving)?;
        let is_asked = self.is_registering(hash)
            || self.is_pending(|what| *what == What::Request(*hash))
            || (self.cookie.is_none() && self.reachable != Some(false));
        let due = if tracked.is_listed() {
            self.request_due(hash, tracked)
        } else if self.cookie.is_none() {
            Some(self.hello_at)
        } else {
            Some(tracked.register_at)
        };
        let lost = self.lost.clone().filter(|_| self.reachable == Some(false));
        Some(TrackerStatus {
            native: true,
            last: lost.or_else(|| tracked.last.clone()),
            under_way: is_asked,
            next: due.filter(|_| !is_asked),
            ..TrackerStatus::unknown(self.tracker.to_string(), 0)
        })
    }

    /// Whether fresh reports are needed, because something is due that is told regularly.
    pub fn wants_reports(&self, now: Moment) -> bool {
        let links_are_due = self.wants_links() && self.links_at <= now;
        (self.next_beat <= now || links_are_due) && !self.stopping
    }

    /// Whether reports are to say whom we serve.
    pub fn wants_links(&self) -> bool {
        self.links_interval.is_some() && !self.stopping
    }

    /// How all our torrents stand; those no longer named are unregistered.
    pub fn on_reports(&mut self, now: Moment, reports: &[TorrentReport]) {
        if self.stopping {
            return;
        }
        for tracked in self.torrents.values_mut() {
            tracked.leaving = true;
        }
        for report in reports {
            match self.torrents.get_mut(&report.info_hash) {
                Some(tracked) => tracked.on_report(report),
                None => drop(self.torrents.insert(report.info_hash, Tracked::new(report, now))),
            }
        }
        if self.next_beat <= now {
            self.next_beat = now + self.heartbeat;
            let listed = self.torrents.iter().filter(|(_, tracked)| tracked.is_listed());
            self.beats = listed.map(|(hash, _)| *hash).collect();
        }
        if let Some(interval) = self.links_interval.filter(|_| self.links_at <= now) {
            self.links_at = now + interval;
            let listed = self.torrents.iter().filter(|(_, tracked)| tracked.is_listed());
            self.links = listed.map(|(hash, _)| *hash).collect();
        }
    }

    /// Time passes: gives up on answers that do not come.
    pub fn on_tick(&mut self, now: Moment) {
        let patience = self.answer_time();
        if self.pending.iter().any(|pending| now.since(pending.sent) >= patience) {
            log::debug!("no answer from {}: asking for a cookie", self.tracker);
            self.start_again(now);
        }
    }

    /// The system says that the tracker is not there.
    pub fn on_unreachable(&mut self, now: Moment, why: &str) {
        if self.cookie.is_some() {
            self.start_again(now);
            self.hello_at = now + FIRST_PAUSE.min(self.heartbeat);
        }
        self.set_unreachable(now, why);
    }

    /// We are leaving: every torrent is unregistered.
    pub fn on_stop(&mut self) {
        self.stopping = true;
        self.errands.clear();
        self.beats.clear();
        self.links.clear();
        for tracked in self.torrents.values_mut() {
            tracked.leaving = true;
        }
    }

    /// Whether nothing is left to unregister, or nobody is there to hear it.
    pub fn is_gone(&self) -> bool {
        let said = |what: &What| matches!(what, What::Register { .. } | What::Unregister(_));
        self.reachable != Some(true)
            || (self.torrents.values().all(|tracked| !tracked.is_listed())
                && !self.pending.iter().any(|pending| said(&pending.what)))
    }

    /// A datagram from the tracker.
    pub fn on_datagram(&mut self, now: Moment, datagram: &[u8]) {
        let Ok(Packet { message, body }) = Packet::from_datagram(datagram) else { return };
        match message {
            Message::Cookie(m) if m.seq == self.hello_seq => self.on_cookie(now, m.cookie),
            Message::Ack(m) => {
                if let Some(what) = self.take_pending(m.seq) {
                    self.on_ack(now, what, &m);
                }
            }
            Message::Error(m) => {
                if let Some(what) = self.take_pending(m.seq) {
                    self.on_error(now, &what, &m);
                }
            }
            Message::PeerList(m) => {
                if let Some(What::Request(hash)) = self.take_pending(m.seq) {
                    self.on_peer_list(now, hash, &m, body);
                }
            }
            _ => {}
        }
    }

    /// An errand has been done.
    pub fn on_errand(&mut self, errand: Errand, result: ErrandResult) {
        match (errand, result) {
            (Errand::Peers(info_hash), ErrandResult::Peers(peers)) => {
                self.events.push_back(TrackerEvent::Peers {
                    tracker: self.tracker,
                    info_hash,
                    peers,
                });
            }
            (Errand::Have(hash, bits), ErrandResult::Told) => {
                if let Some(tracked) = self.torrents.get_mut(&hash) {
                    tracked.told = bits;
                }
            }
            _ => {}
        }
    }

    /// The next thing to send, now.
    pub fn next_datagram(&mut self, now: Moment) -> Option<Vec<u8>> {
        self.forget_departed();
        if self.wants_cookie(now) {
            return Some(self.say_hello(now));
        }
        let (cookie, _) = self.cookie?;
        if self.pending.len() >= WINDOW {
            return None;
        }
        self.next_unregister(now, cookie)
            .or_else(|| self.next_register(now, cookie))
            .or_else(|| self.next_become_seeder(now, cookie))
            .or_else(|| self.next_keepalive(now, cookie))
            .or_else(|| self.next_request(now, cookie))
            .or_else(|| self.next_links(cookie))
    }

    /// The next piece of news.
    pub fn next_event(&mut self) -> Option<TrackerEvent> {
        self.events.pop_front()
    }

    /// The next thing for TCP.
    pub fn next_errand(&mut self) -> Option<Errand> {
        self.errands.pop_front()
    }

    /// When to come back at the latest.
    pub fn deadline(&self) -> Moment {
        let never = Moment::after(Duration::MAX);
        let mut deadline = if self.stopping { never } else { self.next_beat };
        let mut at_latest = |moment: Moment| deadline = deadline.min(moment);
        if self.wants_links() {
            at_latest(self.links_at);
        }
        let patience = self.answer_time();
        self.pending.iter().for_each(|pending| at_latest(pending.sent + patience));
        match self.cookie {
            _ if self.torrents.is_empty() => {}
            None => at_latest(self.hello_at),
            Some((_, since)) => at_latest(self.hello_at.max(since + COOKIE_AGE)),
        }
        if self.cookie.is_some() && self.pending.len() < WINDOW && !self.stopping {
            for (hash, tracked) in &self.torrents {
                if tracked.wants_register() && !self.is_registering(hash) {
                    at_latest(tracked.register_at);
                }
                if let Some(due) = self.request_due(hash, tracked) {
                    at_latest(due);
                }
            }
        }
        deadline
    }

    /// Torrents that are no longer ours, and of which the tracker never knew.
    fn forget_departed(&mut self) {
        let Self { torrents, pending, .. } = self;
        torrents.retain(|hash, tracked| {
            let asked = |what: &What| matches!(what, What::Register { hash: h, .. } if h == hash);
            !tracked.leaving || tracked.is_listed() || pending.iter().any(|p| asked(&p.what))
        });
    }

    fn answer_time(&self) -> Duration {
        let longest = if self.stopping { ANSWER_TIME_LEAVING } else { ANSWER_TIME };
        longest.min(self.heartbeat)
    }

    /// Forgets the cookie and what is under way, and begins with HELLO.
    fn start_again(&mut self, now: Moment) {
        self.cookie = None;
        self.pending.clear();
        self.hellos = 0;
        self.hello_at = now;
        self.next_beat = now;
    }

    fn set_unreachable(&mut self, now: Moment, why: &str) {
        self.lost = Some(LastAnnounce { at: now, outcome: Err(why.to_owned()) });
        if self.reachable != Some(false) {
            self.reachable = Some(false);
            let why = why.to_owned();
            self.events.push_back(TrackerEvent::Unreachable { tracker: self.tracker, why });
        }
    }

    fn wants_cookie(&self, now: Moment) -> bool {
        let old = self.cookie.is_none_or(|(_, since)| now.since(since) >= COOKIE_AGE);
        old && !self.torrents.is_empty() && self.hello_at <= now
    }

    fn say_hello(&mut self, now: Moment) -> Vec<u8> {
        if self.hellos == PATIENCE {
            self.set_unreachable(now, "no answer");
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.hellos.min(10));
        self.hellos += 1;
        self.hello_at = now + pause.min(self.heartbeat);
        self.hello_seq = self.take_seq();
        hello(self.hello_seq)
    }

    fn on_cookie(&mut self, now: Moment, cookie: Bin<8>) {
        self.cookie = Some((cookie, now));
        self.hellos = 0;
        if self.reachable != Some(true) {
            self.reachable = Some(true);
            self.events.push_back(TrackerEvent::Reachable { tracker: self.tracker });
        }
    }

    fn take_seq(&mut self) -> u32 {
        let seq = self.next_seq;
        self.next_seq = seq.wrapping_add(1);
        seq
    }

    fn take_pending(&mut self, seq: u32) -> Option<What> {
        let at = self.pending.iter().position(|pending| pending.seq == seq)?;
        Some(self.pending.swap_remove(at).what)
    }

    fn is_pending(&self, wanted: impl Fn(&What) -> bool) -> bool {
        self.pending.iter().any(|pending| wanted(&pending.what))
    }

    fn is_registering(&self, hash: &InfoHashV2) -> bool {
        self.is_pending(|what| matches!(what, What::Register { hash: h, .. } if h == hash))
    }

    /// Remembers a command and gives it its bytes.
    fn send(&mut self, now: Moment, seq: u32, what: What, packet: &Packet<'_>) -> Vec<u8> {
        self.pending.push(Pending { seq, sent: now, what });
        packet.datagram()
    }

    fn next_unregister(&mut self, now: Moment, cookie: Bin<8>) -> Option<Vec<u8>> {
        let leaves = |(hash, tracked): &(&InfoHashV2, &Tracked)| {
            (tracked.leaving && (tracked.is_listed() || self.is_registering(hash)))
                && !self.is_pending(|what| *what == What::Unregister(**hash))
        };
        let hash = *self.torrents.iter().find(leaves)?.0;
        let (seq, peer_id) = (self.take_seq(), Bin(self.peer_id.0));
        let message = Unregister { seq, cookie, info_hash: Bin(hash.0), peer_id, port: self.port };
        Some(self.send(now, seq, What::Unregister(hash), &Packet::bare(message)))
    }

    fn next_register(&mut self, now: Moment, cookie: Bin<8>) -> Option<Vec<u8>> {
        let due = |(hash, tracked): &(&InfoHashV2, &Tracked)| {
            tracked.wants_register() && tracked.register_at <= now && !self.is_registering(hash)
        };
        let hash = *self.torrents.iter().find(due)?.0;
        let seq = self.take_seq();
        let tracked = self.torrents.get_mut(&hash).expect("it was found above");
        tracked.refresh = false;
        let report = &tracked.report;
        let message = Register {
            seq,
            cookie,
            info_hash: Bin(hash.0),
            peer_id: Bin(self.peer_id.0),
            port: self.port,
            name: fitting_name(report),
            size: report.size,
            pieces: report.pieces,
            left: left(report),
            uploaded: report.uploaded,
            downloaded: report.downloaded,
            bittorrent: true,
        };
        let (have, seeding) = (report.have.clone(), report.seeding);
        let bare = Packet::bare(message);
        let room = MAX_DATAGRAM - bare.datagram().len();
        let fits = have.as_bytes().len() <= MAX_DATAGRAM_BITMAP.min(room);
        let body: &[u8] = if seeding || !fits { &[] } else { have.as_bytes() };
        let packet = Packet { message: bare.message, body };
        let datagram = packet.datagram();
        let told = fits.then(|| have.clone());
        self.pending.push(Pending { seq, sent: now, what: What::Register { hash, told, seeding } });
        Some(datagram)
    }

    fn next_become_seeder(&mut self, now: Moment, cookie: Bin<8>) -> Option<Vec<u8>> {
        let due = |(hash, tracked): &(&InfoHashV2, &Tracked)| {
            tracked.is_staying()
                && tracked.report.seeding
                && !tracked.told_seeding
                && !self.is_registering(hash)
                && !self.is_pending(|what| *what == What::Seeder(**hash))
        };
        let hash = *self.torrents.iter().find(due)?.0;
        let seq = self.take_seq();
        let message = BecomeSeeder { seq, cookie, info_hash: Bin(hash.0), port: self.port };
        Some(self.send(now, seq, What::Seeder(hash), &Packet::bare(message)))
    }

    /// As many of the waiting beats as fit one datagram.
    fn next_keepalive(&mut self, now: Moment, cookie: Bin<8>) -> Option<Vec<u8>> {
        let (mut body, mut told) = (Vec::new(), Vec::new());
        while told.len() < MAX_BEATS {
            let room = (MAX_DATAGRAM - KEEPALIVE_HEAD).saturating_sub(body.len() + BEAT_LENGTH);
            if room == 0 {
                break;
            }
            let Some(hash) = self.beats.pop_front() else { break };
            let Some(tracked) = self.torrents.get_mut(&hash).filter(|t| t.is_staying()) else {
                continue;
            };
            let news = tracked.news(room / 4);
            if let Some(bits) = tracked.takes_errand() {
                self.errands.push_back(Errand::Have(hash, bits));
            }
            let report = &tracked.report;
            let rate = |rate: u64| u32::try_from(rate).unwrap_or(u32::MAX);
            let (down, up) = (rate(report.down_rate), rate(report.up_rate));
            let info_hash = hash.truncated();
            let beat = Beat { info_hash, left: left(report), down, up, news };
            put_beat(&mut body, &beat);
            told.push((hash, beat.news));
        }
        if told.is_empty() {
            return None;
        }
        let seq = self.take_seq();
        let message = Keepalive { seq, cookie, port: self.port };
        Some(self.send(now, seq, What::Beat(told), &Packet::new(message, &body)))
    }

    fn next_request(&mut self, now: Moment, cookie: Bin<8>) -> Option<Vec<u8>> {
        let due = |(hash, tracked): &(&InfoHashV2, &Tracked)| {
            self.request_due(hash, tracked).is_some_and(|due| due <= now)
        };
        let hash = *self.torrents.iter().find(due)?.0;
        let seq = self.take_seq();
        let (info_hash, port, wanted) = (Bin(hash.0), self.port, WANTED_PEERS);
        let to = Some(Ip(self.tracker.ip()));
        let message = Request { seq, cookie, info_hash, port, wanted, to };
        Some(self.send(now, seq, What::Request(hash), &Packet::bare(message)))
    }

    /// Whom we serve of the next torrent; nobody answers.
    fn next_links(&mut self, cookie: Bin<8>) -> Option<Vec<u8>> {
        let is_staying =
            |hash: &InfoHashV2| self.torrents.get(hash).is_some_and(Tracked::is_staying);
        let hash = loop {
            let hash = self.links.pop_front()?;
            if is_staying(&hash) {
                break hash;
            }
        };
        let message = Links { cookie, info_hash: Bin(hash.0), port: self.port };
        let room = MAX_DATAGRAM - Packet::bare(message.clone()).datagram().len();
        let mut body = Vec::new();
        for link in self.torrents[&hash].report.links.iter().take(MAX_LINKS) {
            if body.len() + MAX_LINK > room {
                break;
            }
            put_link(&mut body, link);
        }
        Some(Packet::new(message, &body).datagram())
    }

    /// When a torrent is to ask for peers; `None` while it is asking or is not listed.
    fn request_due(&self, hash: &InfoHashV2, tracked: &Tracked) -> Option<Moment> {
        if !tracked.is_staying() || self.is_pending(|what| *what == What::Request(*hash)) {
            return None;
        }
        let Some(last) = tracked.asked_peers else { return Some(Moment::START) };
        let hungry = paced(self.clock, HUNGRY_INTERVAL).min(self.interval);
        let is_hungry = tracked.report.wants_peers || tracked.hurry;
        Some(last + if is_hungry { hungry } else { self.interval })
    }

    fn on_ack(&mut self, now: Moment, what: What, ack: &Ack) {
        self.keep_to(now, ack);
        match what {
            What::Register { hash, told, seeding } => {
                self.on_registered(hash, told, seeding);
                if ack.publish.contains(&0) {
                    self.needs_publish(hash);
                }
            }
            What::Beat(beats) => {
                for (position, (hash, news)) in (0..).zip(beats) {
                    let unknown = ack.unknown.contains(&position);
                    self.on_beat_answered(now, hash, &news, unknown);
                    if ack.publish.contains(&position) {
                        self.needs_publish(hash);
                    }
                }
            }
            What::Seeder(hash) => {
                if let Some(tracked) = self.torrents.get_mut(&hash) {
                    tracked.told_seeding = true;
                }
            }
            What::Unregister(hash) => {
                self.pending.retain(
                    |pending| !matches!(pending.what, What::Register { hash: h, .. } if h == hash),
                );
                match self.torrents.get_mut(&hash) {
                    Some(tracked) if !tracked.leaving => tracked.standing = Standing::Unknown,
                    _ => drop(self.torrents.remove(&hash)),
                }
            }
            What::Request(_) => {}
        }
    }

    /// A tracker's figures are believed within reason.
    fn keep_to(&mut self, now: Moment, ack: &Ack) {
        let scaled = |ms: u32, low: u64, high: u64| {
            paced(self.clock, Duration::from_millis(u64::from(ms).clamp(low, high)))
        };
        let heartbeat = scaled(ack.keepalive_ms, 50, 300_000);
        self.interval = scaled(ack.interval_ms, 100, 3_600_000);
        self.next_beat = self.next_beat - self.heartbeat.saturating_sub(heartbeat);
        self.heartbeat = heartbeat;
        // Who serves whom is nobody's business but that of a tracker on our own network.
        let wanted = ack.links_ms.filter(|_| is_local(self.tracker.ip()));
        self.links_interval = wanted.map(|ms| scaled(ms, 200, 300_000));
        let latest = self.links_interval.map(|interval| self.links_at.min(now + interval));
        self.links_at = latest.unwrap_or(self.links_at);
    }

    fn on_registered(&mut self, hash: InfoHashV2, told: Option<Bitfield>, seeding: bool) {
        let Some(tracked) = self.torrents.get_mut(&hash) else { return };
        tracked.told_seeding = seeding;
        match told {
            Some(bits) => tracked.told = bits,
            None if seeding => tracked.told = tracked.report.have.clone(),
            None => {
                tracked.told = Bitfield::new(tracked.report.have.pieces());
                self.errands.push_back(Errand::Have(hash, tracked.report.have.clone()));
            }
        }
        if tracked.standing != Standing::Listed {
            tracked.standing = Standing::Listed;
            tracked.asked_peers = None;
            let registered = TrackerEvent::Registered { tracker: self.tracker, info_hash: hash };
            self.events.push_back(registered);
        }
    }

    fn on_beat_answered(
        &mut self,
        now: Moment,
        hash: InfoHashV2,
        news: &[PieceIndex],
        unknown: bool,
    ) {
        let Some(tracked) = self.torrents.get_mut(&hash) else { return };
        if unknown {
            tracked.forgotten(now);
        } else {
            for &piece in news {
                tracked.told.set(piece);
            }
        }
    }

    fn needs_publish(&mut self, info_hash: InfoHashV2) {
        self.events.push_back(TrackerEvent::NeedsPublish { tracker: self.tracker, info_hash });
    }

    fn on_error(&mut self, now: Moment, what: &What, error: &Error) {
        let (What::Register { hash, .. }
        | What::Seeder(hash)
        | What::Request(hash)
        | What::Unregister(hash)) = what
        else {
            return log::debug!("{} refused a heartbeat: {:?}", self.tracker, error.message);
        };
        let Some(tracked) = self.torrents.get_mut(hash) else { return };
        let unknown = matches!(error.code, ErrorCode::UnknownPeer | ErrorCode::UnknownTorrent);
        match what {
            What::Register { .. } => {
                log::warn!("{} does not list {hash}: {:?}", self.tracker, error.message);
                let pause = Duration::from_millis(error.retry_after_ms.into()).max(self.interval);
                let why = sentence(&error.message);
                tracked.last = Some(LastAnnounce { at: now, outcome: Err(why) });
                tracked.standing = Standing::Unknown;
                tracked.register_at = now + pause;
            }
            What::Unregister(hash) => drop(self.torrents.remove(hash)),
            _ if unknown => tracked.forgotten(now),
            _ => tracked.asked_peers = Some(now),
        }
    }

    fn on_peer_list(&mut self, now: Moment, hash: InfoHashV2, list: &PeerList, body: &[u8]) {
        let Some(tracked) = self.torrents.get_mut(&hash) else { return };
        (tracked.asked_peers, tracked.hurry) = (Some(now), false);
        let Ok(peers) = read_peers(body) else { return };
        let told = Told {
            peers: peers.len(),
            seeders: Some(list.seeders),
            leechers: Some(list.leechers),
            completed: None, // it does not count that
        };
        tracked.last = Some(LastAnnounce { at: now, outcome: Ok(told) });
        let given = TrackerEvent::Peers { tracker: self.tracker, info_hash: hash, peers };
        self.events.push_back(given);
        let rested = tracked.errand_peers.is_none_or(|last| now.since(last) >= self.interval);
        if list.more && rested && tracked.is_staying() {
            tracked.errand_peers = Some(now);
            self.errands.push_back(Errand::Peers(hash));
        }
    }
}

/// A timer as the clock scales it, but not below [`SHORTEST`] unless it was before.
fn paced(clock: Clock, timer: Duration) -> Duration {
    clock.scaled(timer).max(timer.min(SHORTEST))
}

#[cfg(test)]
mod tests;
