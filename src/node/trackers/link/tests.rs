//! Conversations with a tracker, in transcripts: `>` is what we say, `<` what it says, `!` an
//! event, `?` an errand.

use super::*;
use crate::protocol::tracker_native::{
    Cookie, LinkStanding, PeerLink, put_peer, read_beats, read_links,
};

fn at(millis: u64) -> Moment {
    Moment::after(Duration::from_millis(millis))
}

fn report(n: u8) -> TorrentReport {
    TorrentReport {
        info_hash: InfoHashV2([n; 32]),
        name: format!("file{n}"),
        size: 100,
        pieces: 10,
        left: 100,
        uploaded: 0,
        downloaded: 0,
        down_rate: 0,
        up_rate: 0,
        have: Bitfield::new(10),
        wants_peers: false,
        trackers: Vec::new(),
        private: false,
        seeding: false,
        links: Vec::new(),
    }
}

fn having(n: u8, pieces: u32, have: impl Iterator<Item = u32>) -> TorrentReport {
    let mut bits = Bitfield::new(pieces);
    have.for_each(|piece| assert!(bits.set(PieceIndex(piece))));
    TorrentReport { have: bits, pieces, left: 50, ..report(n) }
}

/// A link and a tracker played by the test.
struct Talk {
    link: Link,
    now: Moment,
    said: Vec<Message>,
    bodies: Vec<Vec<u8>>,
    /// How often the tracker wants to know whom we serve.
    links_ms: Option<u32>,
}

impl Talk {
    fn new() -> Self {
        Self::with("127.0.0.1:6969")
    }

    fn with(tracker: &str) -> Self {
        let tracker = tracker.parse().unwrap();
        let link = Link::new(tracker, 6881, PeerId([1; 20]), Clock::start(1.0), 100);
        Self { link, now: at(0), said: Vec::new(), bodies: Vec::new(), links_ms: None }
    }

    /// A link that has its cookie.
    fn opened(reports: &[TorrentReport]) -> Self {
        let mut talk = Self::new();
        talk.link.on_reports(talk.now, reports);
        talk.check(&["> HELLO"]);
        talk.cookie();
        talk
    }

    /// Lets time pass and takes what the link has to say.
    fn check(&mut self, transcript: &[&str]) {
        self.link.on_tick(self.now);
        let (mut lines, said) = (Vec::new(), self.said.len());
        while let Some(datagram) = self.link.next_datagram(self.now) {
            let packet = Packet::from_datagram(&datagram).expect("we send messages");
            lines.push(format!("> {}", packet.message.word()));
            self.bodies.push(packet.body.to_vec());
            self.said.push(packet.message);
            assert!(datagram.len() <= MAX_DATAGRAM && lines.len() < 99, "{lines:?}");
        }
        while let Some(event) = self.link.next_event() {
            lines.push(format!("! {}", word(&format!("{event:?}"))));
        }
        while let Some(errand) = self.link.next_errand() {
            lines.push(format!("? {}", word(&format!("{errand:?}"))));
        }
        assert_eq!(lines, transcript, "at {:?}: {:?}", self.now, &self.said[said..]);
    }

    fn later(&mut self, millis: u64) -> &mut Self {
        self.now = self.now + Duration::from_millis(millis);
        self
    }

    fn hear(&mut self, message: impl Into<Message>, body: &[u8]) {
        self.link.on_datagram(self.now, &Packet::new(message, body).datagram());
    }

    fn cookie(&mut self) {
        let Some(Message::Hello(hello)) = self.said.last() else { panic!("{:?}", self.said) };
        self.hear(Cookie { seq: hello.seq, cookie: Bin([7; 8]) }, &[]);
    }

    /// Acknowledges the `n`th message from the end.
    fn ack(&mut self, n: usize, unknown: &[u8], publish: &[u8]) {
        let seq = self.seq(n);
        let (unknown, publish) = (unknown.to_vec(), publish.to_vec());
        let (keepalive_ms, expire_ms, interval_ms) = (5000, 15_000, 30_000);
        let links_ms = self.links_ms;
        let ack = Ack { seq, keepalive_ms, expire_ms, interval_ms, unknown, publish, links_ms };
        self.hear(ack, &[]);
    }

    fn peer_list(&mut self, more: bool) {
        let entry = PeerEntry {
            addr: "10.0.0.1:1".parse().unwrap(),
            seed: true,
            native: true,
            bittorrent: true,
        };
        let mut body = Vec::new();
        put_peer(&mut body, &entry);
        let (seq, info_hash) = (self.seq(0), Bin([1; 32]));
        self.hear(PeerList { seq, info_hash, seeders: 1, leechers: 1, more }, &body);
    }

    fn seq(&self, n: usize) -> u32 {
        match &self.said[self.said.len() - 1 - n] {
            Message::Register(m) => m.seq,
            Message::Keepalive(m) => m.seq,
            Message::Request(m) => m.seq,
            Message::BecomeSeeder(m) => m.seq,
            Message::Unregister(m) => m.seq,
            other => panic!("{other:?} is not acknowledged"),
        }
    }

    /// Registered, with a first list of peers.
    fn settled(report: &TorrentReport) -> Self {
        let mut talk = Self::opened(std::slice::from_ref(report));
        talk.check(&["> REGISTER", "! Reachable"]);
        talk.ack(0, &[], &[]);
        talk.check(&["> REQUEST", "! Registered"]);
        talk.peer_list(false);
        talk.check(&["! Peers"]);
        talk
    }

    fn beat(&mut self, reports: &[TorrentReport]) {
        self.later(5000);
        assert!(self.link.wants_reports(self.now));
        self.link.on_reports(self.now, reports);
    }
}

fn word(debug: &str) -> String {
    debug.split([' ', '(']).next().unwrap_or_default().to_owned()
}

#[test]
fn a_torrent_is_registered_asks_for_peers_at_once_and_beats() {
    let mut talk = Talk::settled(&report(1));
    talk.later(4999).check(&[]);
    talk.later(1);
    talk.link.on_reports(talk.now, &[report(1)]);
    talk.check(&["> KEEPALIVE"]);
    talk.ack(0, &[], &[0]);
    talk.check(&["! NeedsPublish"]);
}

#[test]
fn a_tracker_that_restarted_is_found_by_one_unanswered_beat() {
    let mut talk = Talk::settled(&report(1));
    talk.beat(&[report(1)]);
    talk.check(&["> KEEPALIVE"]);
    talk.later(999).check(&[]);
    talk.later(1).check(&["> HELLO"]);
    talk.cookie();
    talk.link.on_reports(talk.now, &[report(1)]);
    talk.check(&["> KEEPALIVE"]);
    talk.ack(0, &[0], &[]);
    talk.check(&["> REGISTER"]);
    talk.ack(0, &[], &[0]);
    talk.check(&["> REQUEST", "! Registered", "! NeedsPublish"]);
}

#[test]
fn hellos_are_repeated_ever_more_rarely_up_to_a_heartbeat() {
    let mut talk = Talk::new();
    talk.link.on_reports(talk.now, &[report(1)]);
    talk.check(&["> HELLO"]);
    for pause in [250, 500, 1000, 2000, 4000, 5000, 5000] {
        talk.later(pause - 1).check(&[]);
        let lines: &[&str] =
            if pause == 1000 { &["> HELLO", "! Unreachable"] } else { &["> HELLO"] };
        talk.later(1).check(lines);
    }
    talk.cookie();
    talk.check(&["> REGISTER", "! Reachable"]);
}

#[test]
fn a_refused_connection_is_told_at_once() {
    let mut talk = Talk::settled(&report(1));
    talk.link.on_unreachable(talk.now, "connection refused");
    talk.check(&["! Unreachable"]);
    talk.later(250).check(&["> HELLO"]);
}

#[test]
fn a_cookie_nobody_asked_for_is_not_taken() {
    let mut talk = Talk::new();
    talk.link.on_reports(talk.now, &[report(1)]);
    talk.check(&["> HELLO"]);
    talk.hear(Cookie { seq: 12345, cookie: Bin([7; 8]) }, &[]);
    talk.check(&[]);
}

#[test]
fn a_cookie_is_renewed_before_it_is_too_old() {
    let mut talk = Talk::settled(&report(1));
    for _ in 0..11 {
        talk.beat(&[report(1)]);
        let asks = talk.now == at(30_000);
        talk.check(if asks { &["> KEEPALIVE", "> REQUEST"] } else { &["> KEEPALIVE"] });
        if asks {
            talk.peer_list(false);
            talk.ack(1, &[], &[]);
            talk.check(&["! Peers"]);
        } else {
            talk.ack(0, &[], &[]);
        }
    }
    talk.beat(&[report(1)]);
    assert_eq!(talk.now, at(60_000));
    talk.check(&["> HELLO", "> KEEPALIVE", "> REQUEST"]);
}

#[test]
fn new_pieces_ride_on_the_beat_until_they_are_acknowledged() {
    let mut talk = Talk::settled(&having(1, 10, 0..1));
    let Message::Register(register) = &talk.said[1] else { panic!("{:?}", talk.said) };
    assert_eq!((register.pieces, &talk.bodies[1][..]), (10, &[0x80, 0][..]));
    let news = |talk: &Talk| read_beats(talk.bodies.last().unwrap()).unwrap()[0].news.clone();
    talk.beat(&[having(1, 10, 0..3)]);
    talk.check(&["> KEEPALIVE"]);
    assert_eq!(news(&talk), [PieceIndex(1), PieceIndex(2)]);
    talk.ack(0, &[], &[]);
    talk.beat(&[having(1, 10, 0..4)]);
    talk.check(&["> KEEPALIVE"]);
    assert_eq!(news(&talk), [PieceIndex(3)]);
}

#[test]
fn much_news_goes_as_a_bitmap_and_a_large_bitmap_by_tcp() {
    let mut talk = Talk::settled(&having(1, 100, 0..0));
    talk.beat(&[having(1, 100, 0..60)]);
    talk.check(&["> KEEPALIVE", "> REGISTER"]);
    assert_eq!(talk.bodies.last().unwrap().len(), 13);

    let mut talk = Talk::opened(&[having(1, 9000, 0..1)]);
    talk.check(&["> REGISTER", "! Reachable"]);
    assert_eq!(talk.bodies.last().unwrap().len(), 0);
    talk.ack(0, &[], &[]);
    talk.check(&["> REQUEST", "! Registered", "? Have"]);
    let first = having(1, 9000, 0..1).have;
    talk.link.on_errand(Errand::Have(InfoHashV2([1; 32]), first), ErrandResult::Told);
    talk.peer_list(false);
    talk.check(&["! Peers"]);
    talk.beat(&[having(1, 9000, 0..100)]);
    talk.check(&["> KEEPALIVE", "? Have"]);
}

#[test]
fn completing_is_told_at_once_and_until_it_is_heard() {
    let mut talk = Talk::settled(&report(1));
    let done = TorrentReport { seeding: true, left: 0, have: Bitfield::full(10), ..report(1) };
    talk.link.on_reports(talk.now, std::slice::from_ref(&done));
    talk.check(&["> BECOME_SEEDER"]);
    talk.later(1000).check(&["> HELLO"]);
    talk.cookie();
    talk.check(&["> BECOME_SEEDER"]);
    talk.ack(0, &[], &[]);
    talk.check(&[]);
}

#[test]
fn a_torrent_that_is_no_longer_ours_is_unregistered() {
    let mut talk = Talk::settled(&report(1));
    talk.link.on_reports(talk.now, &[]);
    talk.check(&["> UNREGISTER"]);
    talk.ack(0, &[], &[]);
    talk.check(&[]);
    assert!(talk.link.is_gone());
}

#[test]
fn leaving_unregisters_everything_and_insists() {
    let mut talk = Talk::settled(&report(1));
    talk.link.on_stop();
    assert!(!talk.link.is_gone());
    talk.check(&["> UNREGISTER"]);
    talk.later(200).check(&["> HELLO"]);
    talk.cookie();
    talk.check(&["> UNREGISTER"]);
    talk.ack(0, &[], &[]);
    assert!(talk.link.is_gone());
    talk.check(&[]);
}

#[test]
fn nobody_waits_for_a_tracker_that_is_not_there() {
    let mut talk = Talk::settled(&report(1));
    talk.link.on_unreachable(talk.now, "connection refused");
    talk.link.on_stop();
    assert!(talk.link.is_gone());
}

#[test]
fn peers_are_asked_for_every_interval_and_sooner_when_they_are_wanted() {
    let mut talk = Talk::settled(&report(1));
    let hungry = TorrentReport { wants_peers: true, ..report(1) };
    talk.link.on_reports(talk.now, std::slice::from_ref(&hungry));
    talk.later(1999).check(&[]);
    talk.later(1).check(&["> REQUEST"]);
    talk.peer_list(true);
    talk.check(&["! Peers", "? Peers"]);
    talk.later(2000).check(&["> REQUEST"]);
    talk.peer_list(true);
    talk.check(&["! Peers"]);
}

#[test]
fn many_torrents_share_datagrams_and_only_so_many_commands_are_under_way() {
    let reports: Vec<TorrentReport> = (0..60).map(report).collect();
    let mut talk = Talk::opened(&reports);
    let window: Vec<&str> = vec!["> REGISTER"; WINDOW];
    talk.check(&[&window[..], &["! Reachable"]].concat());
    for n in 0..WINDOW {
        talk.ack(n, &[], &[]);
    }
    let (rest, asks) = (vec!["> REGISTER"; 60 - WINDOW], vec!["> REQUEST"; 2 * WINDOW - 60]);
    talk.check(&[rest, asks, vec!["! Registered"; WINDOW]].concat());
    for n in 0..WINDOW {
        talk.ack(n, &[], &[]);
    }
    talk.beat(&reports);
    let said = talk.said.len();
    talk.link.on_tick(talk.now);
    let mut lengths = Vec::new();
    while let Some(datagram) = talk.link.next_datagram(talk.now) {
        let packet = Packet::from_datagram(&datagram).unwrap();
        if matches!(packet.message, Message::Keepalive(_)) {
            lengths.push(read_beats(packet.body).unwrap().len());
        }
    }
    assert_eq!((lengths, said), (vec![25, 25, 10], talk.said.len()));
}

#[test]
fn a_refused_registration_is_tried_again_later() {
    let mut talk = Talk::opened(&[report(1)]);
    talk.check(&["> REGISTER", "! Reachable"]);
    let (seq, message) = (talk.seq(0), "full".to_owned());
    talk.hear(Error { seq, code: ErrorCode::Full, message, retry_after_ms: 15_000 }, &[]);
    talk.later(29_999).check(&[]);
    talk.later(1).check(&["> REGISTER"]);
}

#[test]
fn absurd_figures_of_a_tracker_are_brought_within_reason() {
    for (ms, low, high) in [(0, 50, 100), (u32::MAX, 300_000, 3_600_000)] {
        let mut talk = Talk::opened(&[report(1)]);
        talk.check(&["> REGISTER", "! Reachable"]);
        let seq = talk.seq(0);
        let (unknown, publish) = (vec![9, 255], vec![3]);
        let ack = Ack {
            seq,
            keepalive_ms: ms,
            expire_ms: ms,
            interval_ms: ms,
            unknown,
            publish,
            links_ms: Some(ms),
        };
        talk.hear(ack, &[]);
        let links = talk.link.links_interval.map(|links| links.as_millis());
        assert_eq!(links, Some(u128::from(ms.clamp(200, 300_000))));
        assert_eq!(talk.link.heartbeat, Duration::from_millis(low));
        assert_eq!(talk.link.interval, Duration::from_millis(high));
    }
}

#[test]
fn a_name_is_cut_between_characters_and_an_unknown_one_is_the_hash() {
    let named = |name: String| fitting_name(&TorrentReport { name, ..report(1) });
    assert_eq!(named("é".repeat(200)), "é".repeat(127));
    assert_eq!(named("a".repeat(255)), "a".repeat(255));
    assert_eq!(named(String::new()), "01".repeat(32));
}

#[test]
fn whatever_a_tracker_sends_nothing_panics() {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut talk = Talk::settled(&report(1));
    for _ in 0..20_000 {
        let seq = talk.link.next_seq.wrapping_sub(rng.u32(0..4));
        let ack = Packet::bare(Error {
            seq,
            code: ErrorCode::from(rng.u8(0..10)),
            message: String::new(),
            retry_after_ms: rng.u32(..),
        });
        let mut datagram = ack.datagram();
        let at = rng.usize(4..datagram.len());
        datagram[at] = rng.u8(..);
        talk.link.on_datagram(talk.now, &datagram);
        talk.link.on_reports(talk.now, &[report(1)]);
        talk.later(rng.u64(0..3000));
        talk.link.on_tick(talk.now);
        while talk.link.next_datagram(talk.now).is_some() {}
        while talk.link.next_event().is_some() {}
        while talk.link.next_errand().is_some() {}
    }
}

#[test]
fn a_tracker_stands_as_it_answered_and_is_asked_for_peers_when_somebody_wants_them() {
    let report = report(1);
    let mut talk = Talk::settled(&report);
    let standing = |talk: &Talk| talk.link.standing(&report.info_hash).expect("it is told of it");
    let answered = standing(&talk);
    let told = Told { peers: 1, seeders: Some(1), leechers: Some(1), completed: None };
    assert_eq!(answered.last, Some(LastAnnounce { at: at(0), outcome: Ok(told) }));
    assert_eq!((answered.under_way, answered.next), (false, Some(at(30_000))));
    talk.link.on_reannounce(&report.info_hash);
    assert_eq!(standing(&talk).next, Some(at(2000)));
    talk.later(2000).check(&["> REQUEST"]);
    assert!(standing(&talk).under_way);
    talk.peer_list(false);
    talk.check(&["! Peers"]);
    assert_eq!(standing(&talk).next, Some(at(32_000)), "it was for once");
    talk.link.on_unreachable(talk.now, "connection refused");
    let lost = LastAnnounce { at: at(2000), outcome: Err("connection refused".into()) };
    assert_eq!(standing(&talk).last, Some(lost));
    assert_eq!(talk.link.standing(&InfoHashV2([9; 32])), None);
}

fn served(n: u8, rate: u32) -> PeerLink {
    let to = SocketAddr::from(([10, 0, 0, n], 6881));
    PeerLink { to, rate, standing: LinkStanding::Served }
}

#[test]
fn a_tracker_that_asks_for_it_is_told_whom_we_serve_at_its_pace() {
    let mut with_links = TorrentReport { links: vec![served(2, 7)], ..report(1) };
    let mut talk = Talk::opened(&[with_links.clone(), report(2)]);
    talk.links_ms = Some(1000);
    talk.check(&["> REGISTER", "> REGISTER", "! Reachable"]);
    assert!(!talk.link.wants_links(), "nobody asked yet");
    talk.ack(1, &[], &[]);
    talk.ack(0, &[], &[]);
    assert!(talk.link.wants_links() && talk.link.wants_reports(talk.now));
    talk.link.on_reports(talk.now, &[with_links.clone(), report(2)]);
    talk.check(&["> REQUEST", "> REQUEST", "> LINKS", "> LINKS", "! Registered", "! Registered"]);
    let Some(Message::Links(said)) = talk.said.get(talk.said.len() - 2) else { panic!("LINKS") };
    assert_eq!((said.info_hash, said.port, said.cookie), (Bin([1; 32]), 6881, Bin([7; 8])));
    let told: Vec<_> =
        read_links(&talk.bodies[talk.bodies.len() - 2]).map(Result::unwrap).collect();
    assert_eq!(told, [served(2, 7)]);
    assert!(talk.bodies.last().unwrap().is_empty(), "of the other one nobody is served");
    assert_eq!(talk.link.links_at, talk.now + Duration::from_secs(1));
    talk.later(999);
    assert!(!talk.link.wants_reports(talk.now));
    with_links.links = (0..100).map(|n| served(n, 1)).collect();
    talk.later(1);
    assert!(talk.link.wants_reports(talk.now) && talk.link.deadline() <= talk.now);
    talk.link.on_reports(talk.now, &[with_links]);
    talk.link.pending.clear();
    assert_eq!(talk.link.beats.len(), 0, "a heartbeat is not due yet");
    let said: Vec<_> = std::iter::from_fn(|| talk.link.next_datagram(talk.now)).collect();
    let links = said.iter().map(|bytes| Packet::from_datagram(bytes).unwrap());
    let links: Vec<_> =
        links.filter(|packet| matches!(packet.message, Message::Links(_))).collect();
    assert_eq!(links.len(), 1, "the other one leaves");
    assert_eq!(read_links(links[0].body).count(), MAX_LINKS);
}

#[test]
fn a_tracker_elsewhere_is_never_told_whom_we_serve() {
    let check = |tracker: &str, expected: bool| {
        let mut talk = Talk::with(tracker);
        talk.links_ms = Some(1000);
        talk.link.on_reports(talk.now, &[report(1)]);
        talk.check(&["> HELLO"]);
        talk.cookie();
        talk.check(&["> REGISTER", "! Reachable"]);
        talk.ack(0, &[], &[]);
        assert_eq!(talk.link.wants_links(), expected, "{tracker}");
    };
    for near in ["127.0.0.9:1", "10.0.0.1:1", "192.168.1.1:1", "169.254.1.1:1", "[fe80::1]:1"] {
        check(near, true);
    }
    for far in ["192.0.2.1:1", "9.9.9.9:1", "[2001:db8::1]:1"] {
        check(far, false);
    }
}

#[test]
fn a_tracker_that_asks_no_more_is_told_no_more() {
    let mut talk = Talk::opened(&[report(1)]);
    talk.links_ms = Some(1000);
    talk.check(&["> REGISTER", "! Reachable"]);
    talk.ack(0, &[], &[]);
    talk.check(&["> REQUEST", "! Registered"]);
    talk.peer_list(false);
    talk.check(&["! Peers"]);
    talk.links_ms = None;
    talk.later(5000).link.on_reports(at(5000), &[report(1)]);
    talk.check(&["> KEEPALIVE", "> LINKS"]);
    talk.ack(1, &[], &[]);
    assert!(!talk.link.wants_links());
}

#[test]
fn a_fast_clock_hurries_nobody_below_four_times_a_second() {
    let check = |scale: f64, timer: u64, expected: u64| {
        let timer = paced(Clock::start(scale), Duration::from_millis(timer));
        assert_eq!(timer, Duration::from_millis(expected), "{scale}");
    };
    check(1.0, 5000, 5000);
    check(10.0, 5000, 500);
    check(225.0, 5000, 250);
    check(225.0, 30_000, 250);
    check(1.0, 100, 100); // the tracker wants it so
    check(10.0, 100, 100);
}
