//! The tracker's answers to anything: datagrams, HTTP requests and frames of strangers.
//!
//! Whatever they say: nobody unverified is answered by more bytes than it sent, no answer by
//! datagram is longer than a packet, the caps hold, and who falls silent is forgotten.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use swarmlet::clock::Moment;
use swarmlet::protocol::frame::{Bin, MAX_BODY};
use swarmlet::protocol::tracker_native::{Message, Packet, Register, hello};
use swarmlet::tracker::TrackerOptions;
use swarmlet::tracker::http;
use swarmlet::tracker::pages::Page;
use swarmlet::tracker::state::{Asker, State, Upload};

/// The longest answer by datagram, of any kind.
const PACKET: usize = 1400;

/// A page shows a bounded part of the tables.
const PAGE: usize = 2 << 20;

const CAP: usize = 5;

/// Longer than any peer may be silent.
const FOR_EVER: Duration = Duration::from_hours(1);

/// What a stranger does: which kind of thing, from which host, and its bytes.
pub type Operation = (u8, u8, Vec<u8>);

/// Runs a tracker through all of it.
pub fn run(operations: impl Iterator<Item = Operation>) {
    let mut stage = Stage::new();
    for (kind, host, bytes) in operations {
        let from = SocketAddr::from(([127, 0, 0, 1 + host % 8], 1000 + u16::from(host)));
        match kind % 8 {
            0 => stage.datagram(from, &bytes),
            1 => stage.with_connection_id(from, bytes),
            2 => stage.with_cookie(from, bytes),
            3 => stage.register(from, &bytes),
            4 => stage.http(from, &String::from_utf8_lossy(&bytes)),
            5 => stage.head(from, &bytes),
            6 => stage.frames(from, &bytes),
            _ => stage.wait(Duration::from_secs(bytes.len() as u64)),
        }
        stage.check();
    }
    stage.wait(FOR_EVER);
    while stage.state.statistics(stage.now, 0).peers > 0 {
        stage.wait(Duration::from_secs(1));
    }
}

struct Stage {
    state: State,
    now: Moment,
    upload: Upload,
}

impl Stage {
    fn new() -> Self {
        let options = TrackerOptions {
            max_torrents: CAP,
            max_peers: 2 * CAP,
            max_peers_per_torrent: CAP,
            max_published: CAP,
            seed: 1,
            ..TrackerOptions::default()
        };
        Self { state: State::new(options), now: Moment::START, upload: Upload::None }
    }

    fn answer(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.state.on_datagram(self.now, from, bytes, &mut out);
        assert!(out.len() <= PACKET, "an answer of {} bytes", out.len());
        out
    }

    /// A guess: none is ever right.
    fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        let answer = self.answer(from, bytes);
        assert!(answer.len() <= bytes.len(), "{} bytes for {}", answer.len(), bytes.len());
    }

    /// A datagram of BEP 15 by somebody who asked for a connection id.
    fn with_connection_id(&mut self, from: SocketAddr, mut bytes: Vec<u8>) {
        let connect = [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 8]].concat();
        let answer = self.answer(from, &connect);
        bytes.splice(..bytes.len().min(8), answer[8..].iter().copied());
        self.answer(from, &bytes);
    }

    fn cookie(&mut self, from: SocketAddr) -> Bin<8> {
        let answer = self.answer(from, &hello(1));
        match Packet::from_datagram(&answer).expect("an answer can be read").message {
            Message::Cookie(cookie) => cookie.cookie,
            other => panic!("{other:?} to a HELLO"),
        }
    }

    /// A native datagram by somebody who asked for a cookie: it stands where eight bytes do.
    fn with_cookie(&mut self, from: SocketAddr, mut bytes: Vec<u8>) {
        let cookie = self.cookie(from);
        let place = bytes.windows(10).position(|window| window.starts_with(&[0xc4, 8]));
        if let Some(place) = place {
            bytes[place + 2..place + 10].copy_from_slice(&cookie.0);
        }
        self.answer(from, &bytes);
    }

    /// A REGISTER of few torrents and ports, with any figures.
    fn register(&mut self, from: SocketAddr, bytes: &[u8]) {
        let byte = |n: usize| bytes.get(n).copied().unwrap_or(0);
        let register = Register {
            seq: 1,
            cookie: self.cookie(from),
            info_hash: Bin([byte(0) % 8; 32]),
            peer_id: Bin([byte(1); 20]),
            port: (byte(2) % 4).into(),
            name: String::from_utf8_lossy(bytes).chars().take(80).collect(),
            size: u64::from(byte(3)) << (byte(4) % 64),
            pieces: byte(5).into(),
            left: u64::from(byte(6)) << (byte(7) % 64),
            uploaded: u64::MAX,
            downloaded: u64::MAX,
            bittorrent: byte(8) > 127,
        };
        let body = bytes.get(9..).unwrap_or_default();
        let datagram = Packet::new(register, &body[..body.len().min(500)]).datagram();
        self.answer(from, &datagram);
    }

    fn http(&mut self, from: SocketAddr, target: &str) {
        if Page::is_at(target) {
            let mut out = Vec::new();
            Page::at(target, self.now, &mut self.state).put(&mut out, true, false);
            assert!(out.len() <= PAGE, "a page of {} bytes", out.len());
            return;
        }
        let (status, body) = self.state.on_http(self.now, asker(from), target);
        assert!([200, 400, 404].contains(&status) && body.len() <= MAX_BODY, "{status}");
    }

    fn head(&mut self, from: SocketAddr, bytes: &[u8]) {
        match http::read(bytes) {
            Ok(Some((request, length))) => {
                assert!(length <= bytes.len().min(http::MAX_HEAD));
                let target = request.target.to_owned();
                self.http(from, &target);
            }
            Ok(None) => assert!(bytes.len() <= http::MAX_HEAD),
            Err(status) => assert!((400..600).contains(&status)),
        }
    }

    fn frames(&mut self, from: SocketAddr, mut bytes: &[u8]) {
        while let Ok(Some((packet, used))) = Packet::first_in(bytes) {
            let mut out = Vec::new();
            let asker = asker(from);
            let feed = self.state.on_frame(self.now, asker, &packet, &mut self.upload, &mut out);
            assert!(out.len() <= MAX_BODY + 4096 && (feed.is_none() || out.is_empty()));
            bytes = &bytes[used..];
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.state.on_tick(self.now, 1000);
    }

    fn check(&self) {
        let figures = self.state.statistics(self.now, 0);
        assert!(figures.torrents <= CAP && figures.peers <= 2 * CAP && figures.published <= CAP);
        assert_eq!(figures.seeders + figures.leechers, figures.peers);
        assert_eq!(figures.torrents == 0, figures.peers == 0, "a torrent is its peers");
    }
}

fn asker(from: SocketAddr) -> Asker {
    Asker { remote: from.ip(), local: IpAddr::V4(Ipv4Addr::LOCALHOST) }
}
