//! Any bytes as what a tracker answers: over HTTP, by datagram, in name servers' records, and in
//! the native dialect, where a peer's side of the conversation runs for hours.
//!
//! Whatever a tracker says, a peer sends datagrams of a bounded size and not in a loop, asks no
//! more often than four times a second, and takes peers only as answers to its questions.

use std::net::SocketAddr;
use std::time::Duration;

use swarmlet::bitfield::Bitfield;
use swarmlet::clock::{Clock, Moment};
use swarmlet::ids::{InfoHashV2, PeerId};
use swarmlet::node::trackers::TorrentReport;
use swarmlet::node::trackers::link::{ErrandResult, Link};
use swarmlet::protocol::dns_txt::TrackerPorts;
use swarmlet::protocol::frame::{Bin, MAX_DATAGRAM};
use swarmlet::protocol::tracker_http::{
    AnnounceAnswer, HttpPeer, PeersAs, read_announce_answer, read_retry_in, read_scrape_answer,
};
use swarmlet::protocol::tracker_native::{
    Ack, Cookie, Error, ErrorCode, Message, Packet, PeerEntry, PeerList, put_peer,
};
use swarmlet::protocol::url::Url;

/// Datagrams at one moment: hello, or one of each kind for each of three torrents.
const AT_ONCE: usize = 40;

/// The first byte says how the rest is taken.
pub fn run(bytes: &[u8]) {
    let Some((&way, rest)) = bytes.split_first() else { return };
    match way % 4 {
        0 => by_http(rest),
        1 => by_name(rest),
        _ => converse(rest),
    }
}

fn by_http(body: &[u8]) {
    if let Ok(answer) = read_announce_answer(body) {
        assert!(answer.peers.len() <= body.len() / 6, "a peer takes six bytes at least");
        let again = read_announce_answer(&answer.encode(PeersAs::Dictionaries));
        assert_eq!(again.map(|again| again.interval), Ok(answer.interval));
    }
    if let Ok(answer) = read_scrape_answer(body) {
        assert_eq!(read_scrape_answer(&answer.encode()), Ok(answer));
    }
    let _ = read_retry_in(body);
}

fn by_name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(ports) = TrackerPorts::read(text.split('\n')) else { return };
    let url = Url::parse("http://t.example:80/announce").expect("a URL");
    for instead in ports.instead_of(&url) {
        assert_eq!((&instead.host, instead.port > 0), (&url.host, true));
    }
}

fn report(n: u8, left: u64) -> TorrentReport {
    TorrentReport {
        info_hash: InfoHashV2([n; 32]),
        name: "file".into(),
        size: 100,
        pieces: 10,
        left,
        uploaded: 0,
        downloaded: 100 - left,
        down_rate: 0,
        up_rate: 0,
        have: if left == 0 { Bitfield::full(10) } else { Bitfield::new(10) },
        wants_peers: n == 2,
        trackers: Vec::new(),
        private: false,
        seeding: left == 0,
        links: Vec::new(),
    }
}

struct Talk {
    link: Link,
    now: Moment,
    /// The numbers of what was said last, newest first.
    asked: Vec<u32>,
}

/// Steps of two bytes, what to do and a number; an answer takes its bytes from what follows.
fn converse(mut bytes: &[u8]) {
    let tracker = SocketAddr::from(([127, 0, 0, 1], 6969));
    let link = Link::new(tracker, 6881, PeerId([1; 20]), Clock::start(1.0), 100);
    let mut talk = Talk { link, now: Moment::START, asked: Vec::new() };
    talk.link.on_reports(talk.now, &[report(1, 100), report(2, 50)]);
    talk.listen();
    while let Some(([step, number], rest)) = bytes.split_first_chunk() {
        bytes = rest;
        match step % 8 {
            0 => talk.pass(Duration::from_millis(u64::from(*number) * 40)),
            1 => talk.pass(Duration::from_secs((*number).into())),
            2 => talk.report(*number),
            3 => talk.link.on_unreachable(talk.now, "refused"),
            4 => talk.answer(*number),
            5 | 6 => {
                let (datagram, rest) = bytes.split_at(bytes.len().min((*number).into()));
                bytes = rest;
                talk.hear(datagram, step % 8 == 5);
            }
            _ if *number > 250 => talk.link.on_stop(),
            _ => talk.link.on_reannounce(&InfoHashV2([number % 4; 32])),
        }
        talk.listen();
    }
}

impl Talk {
    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.link.on_tick(self.now);
    }

    fn report(&mut self, number: u8) {
        let all = [report(1, (number % 2).into()), report(2, 50), report(3, 100)];
        self.link.on_reports(self.now, &all[..usize::from(number) % 4]);
    }

    /// Takes what the peer has to say now; there is an end of it.
    fn listen(&mut self) {
        let mut said = 0;
        while let Some(datagram) = self.link.next_datagram(self.now) {
            assert!(datagram.len() <= MAX_DATAGRAM, "{} bytes", datagram.len());
            said += 1;
            assert!(said <= AT_ONCE, "it talks and talks");
            let packet = Packet::from_datagram(&datagram).expect("a peer says what can be read");
            self.asked.insert(0, seq_of(&packet.message));
        }
        self.asked.truncate(32);
        while let Some(event) = self.link.next_event() {
            let _ = format!("{event:?}");
        }
        while let Some(errand) = self.link.next_errand() {
            self.link.on_errand(errand, ErrandResult::Failed);
        }
        let _ = self.link.deadline();
        for n in 0..4 {
            let _ = self.link.standing(&InfoHashV2([n; 32]));
        }
    }

    /// A tracker's word, right or odd, to a question that was asked.
    fn answer(&mut self, number: u8) {
        let Some(&seq) = self.asked.get(usize::from(number / 8) % self.asked.len().max(1)) else {
            return;
        };
        let odd = [0, 1, 15_000, u32::MAX][usize::from(number) % 4];
        let mut peers = Vec::new();
        (0..number / 16).for_each(|n| put_peer(&mut peers, &peer(n)));
        let packet = match number % 8 {
            0..=2 => Packet::bare(Cookie { seq, cookie: Bin([number; 8]) }),
            3 | 4 => Packet::bare(ack(seq, odd)),
            5 => Packet::bare(error(seq, number)),
            _ => Packet::new(peer_list(seq, odd), &peers),
        };
        self.link.on_datagram(self.now, &packet.datagram());
    }

    /// Any bytes; with the number of the last question where a number of four bytes stands.
    fn hear(&mut self, datagram: &[u8], patch: bool) {
        let mut datagram = datagram.to_vec();
        let place = datagram.windows(5).position(|window| window[0] == 0xce);
        if let (Some(place), Some(seq), true) = (place, self.asked.first(), patch) {
            datagram[place + 1..place + 5].copy_from_slice(&seq.to_be_bytes());
        }
        self.link.on_datagram(self.now, &datagram);
    }
}

/// The number by which an answer finds its question; LINKS are not answered.
fn seq_of(message: &Message) -> u32 {
    match message {
        Message::Hello(m) => m.seq,
        Message::Register(m) => m.seq,
        Message::Keepalive(m) => m.seq,
        Message::Request(m) => m.seq,
        Message::BecomeSeeder(m) => m.seq,
        Message::Unregister(m) => m.seq,
        _ => 0,
    }
}

fn peer(n: u8) -> PeerEntry {
    let addr = SocketAddr::from(([9, 9, 9, n], 99));
    PeerEntry { addr, seed: n.is_multiple_of(2), native: true, bittorrent: n.is_multiple_of(3) }
}

fn ack(seq: u32, odd: u32) -> Ack {
    let (unknown, publish) = if odd == 1 { (vec![0, 1, 255], vec![0]) } else { Default::default() };
    let links_ms = (odd > 1).then_some(odd);
    Ack { seq, keepalive_ms: odd, expire_ms: odd, interval_ms: odd, unknown, publish, links_ms }
}

fn error(seq: u32, number: u8) -> Error {
    let code = ErrorCode::from(number % 12);
    Error { seq, code, message: "no".into(), retry_after_ms: u32::from(number) << 20 }
}

fn peer_list(seq: u32, odd: u32) -> PeerList {
    let info_hash = Bin([2; 32]);
    PeerList { seq, info_hash, seeders: odd, leechers: odd, more: odd > 1 }
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let by = |way: u8, bytes: &[u8]| [&[way], bytes].concat();
    let answer = AnnounceAnswer {
        interval: 1800,
        tracker_id: Some(b"id".to_vec()),
        seeders: Some(3),
        peers: vec![HttpPeer { addr: "9.9.9.9:99".parse().expect("one"), id: None }],
        warning: Some("slow".into()),
        ..AnnounceAnswer::default()
    };
    let scrape =
        [&b"d5:filesd20:"[..], &[7; 20], b"d8:completei1e10:downloadedi2e10:incompletei3eeee"];
    // A cookie, an ack, some time, a report of everything, peers, an error, and the end of it.
    let talk = [4, 0, 4, 3, 1, 20, 2, 3, 4, 11, 1, 60, 4, 54, 4, 5, 0, 200, 7, 255, 1, 200];
    let raw = Packet::bare(ack(1, 15_000)).datagram();
    let heard = [&[4, 0, 5, raw.len() as u8][..], &raw, &[1, 9, 3, 0, 1, 60]].concat();
    vec![
        by(0, &answer.encode(PeersAs::Compact)),
        by(0, &answer.encode(PeersAs::Dictionaries)),
        by(0, &scrape.concat()),
        by(0, b"d14:failure reason4:full8:retry ini5ee"),
        by(1, b"BITTORRENT UDP:1337 TCP:6969\nv=spf1"),
        by(2, &talk),
        by(3, &heard),
    ]
}
