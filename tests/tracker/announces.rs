//! A real tracker on 127.0.0.1 and the peer's side of it, over real sockets.
//!
//! Every wait has a deadline and waits for the thing itself; every port is the system's choice.

use crossbeam_channel::{Receiver, unbounded};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Clock;
use swarmlet::ids::{InfoHashV1, InfoHashV2, PeerId};
use swarmlet::metainfo::Metainfo;
use swarmlet::metainfo::build::{BuildOptions, build};
use swarmlet::metainfo::draft::{Draft, DraftFile, Version};
use swarmlet::node::trackers::{
    Heartbeat, HeartbeatConfig, TorrentReport, TrackerError, TrackerEvent, calls,
};
use swarmlet::protocol::announce::{Announce, Family};
use swarmlet::protocol::frame::Bin;
use swarmlet::protocol::tracker_http::{AnnounceAnswer, AnnounceQuery, read_announce_answer};
use swarmlet::protocol::tracker_native::{
    Beat, Candidate, ErrorCode, Keepalive, Message, Packet, Register, hello, put_beat,
};
use swarmlet::protocol::tracker_udp::{Answer, Head, Request as UdpRequest};
use swarmlet::tracker::{Stopper, Tracker, TrackerError as BindError, TrackerOptions};

/// Far longer than anything takes; only a hang gets there.
const LONG: Duration = Duration::from_secs(20);

/// A heartbeat short enough to wait for three of them.
const BEAT: Duration = Duration::from_millis(300);

struct Running {
    addr: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(listen: SocketAddr) -> Self {
        Self::with(&TrackerOptions {
            listen,
            keepalive: BEAT,
            expire: BEAT * 3,
            interval: Duration::from_millis(500),
            ..TrackerOptions::default()
        })
    }

    fn with(options: &TrackerOptions) -> Self {
        let mut tracker = bind(options);
        let (addr, stopper) = (tracker.local_addr(), tracker.stopper());
        let thread = Some(thread::spawn(move || tracker.run().expect("the tracker runs")));
        Self { addr, stopper, thread }
    }

    fn any() -> Self {
        Self::start(([127, 0, 0, 1], 0).into())
    }

    fn listing(&self) -> Vec<Candidate> {
        calls::list(self.addr, None).expect("the tracker lists")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the tracker panicked");
        }
    }
}

/// Binds; a port that was in use a moment ago is waited for.
fn bind(options: &TrackerOptions) -> Tracker {
    let start = Instant::now();
    loop {
        match Tracker::bind(options.clone()) {
            Ok(tracker) => return tracker,
            Err(BindError::AddrInUse(_)) if start.elapsed() < LONG => thread::yield_now(),
            Err(e) => panic!("{e}"),
        }
    }
}

fn wait_until(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < LONG, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A v2 .torrent of one file, and its info-hash.
fn torrent(name: &str, salt: u32) -> (InfoHashV2, Vec<u8>) {
    let length = name.len();
    let info = format!(
        "d9:file treed{length}:{name}d0:d6:lengthi40000e11:pieces root32:{salt:032}eee\
         12:meta versioni2e4:name{length}:{name}12:piece lengthi65536ee"
    );
    let hash = InfoHashV2(Sha256::digest(&info).into());
    (hash, format!("d4:info{info}e").into_bytes())
}

/// A .torrent as long as asked: a key that clients do not know makes it so.
fn long_torrent(name: &str, length: usize) -> (InfoHashV2, Vec<u8>) {
    let (hash, short) = torrent(name, 1);
    let padding = length - short.len() - 3 - 8;
    let mut long = short[..short.len() - 1].to_vec();
    long.extend(format!("1:z{padding}:").bytes());
    long.resize(long.len() + padding, b'.');
    long.push(b'e');
    (hash, long)
}

fn report(hash: InfoHashV2, name: &str, seeding: bool) -> TorrentReport {
    TorrentReport {
        trackers: Vec::new(),
        private: false,
        info_hash: hash,
        name: name.into(),
        size: 40_000,
        pieces: 3,
        left: if seeding { 0 } else { 40_000 },
        uploaded: 0,
        downloaded: 0,
        down_rate: 0,
        up_rate: 0,
        have: if seeding { Bitfield::full(3) } else { Bitfield::new(3) },
        wants_peers: !seeding,
        seeding,
        links: Vec::new(),
    }
}

/// A complete peer of one piece, as it registers by datagram.
fn registration(seq: u32, cookie: Bin<8>, hash: [u8; 32], port: u16, name: &str) -> Register {
    Register {
        seq,
        cookie,
        info_hash: Bin(hash),
        peer_id: Bin([1; 20]),
        port,
        name: name.into(),
        size: 1,
        pieces: 1,
        left: 0,
        uploaded: 0,
        downloaded: 0,
        bittorrent: true,
    }
}

struct Peer {
    heartbeat: Heartbeat,
    events: Receiver<TrackerEvent>,
    reports: Arc<Mutex<Vec<TorrentReport>>>,
}

impl Peer {
    fn start(trackers: &[SocketAddr], port: u16, reports: Vec<TorrentReport>) -> Self {
        let (sender, events) = unbounded();
        let reports = Arc::new(Mutex::new(reports));
        let source = Arc::clone(&reports);
        let config = HeartbeatConfig {
            trackers: trackers.to_vec(),
            bind: Some([127, 0, 0, 1].into()),
            port,
            peer_id: PeerId([port as u8; 20]),
            clock: Clock::start(1.0),
        };
        let source = Box::new(move |_| source.lock().unwrap().clone());
        let heartbeat = Heartbeat::start(config, source, sender).expect("the heartbeat starts");
        Self { heartbeat, events, reports }
    }

    fn set(&self, reports: Vec<TorrentReport>) {
        *self.reports.lock().unwrap() = reports;
        self.heartbeat.nudge();
    }

    /// The next event that `wanted` takes.
    fn wait<T>(&self, what: &str, mut wanted: impl FnMut(TrackerEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + LONG;
        loop {
            let event = self.events.recv_deadline(deadline);
            let event = event.unwrap_or_else(|_| panic!("waited in vain for {what}"));
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    fn wait_registered(&self, hash: InfoHashV2) {
        self.wait("registration", |event| match event {
            TrackerEvent::Registered { info_hash, .. } if info_hash == hash => Some(()),
            _ => None,
        });
    }

    fn wait_peers(&self, count: usize) -> Vec<SocketAddr> {
        self.wait("peers", |event| match event {
            TrackerEvent::Peers { peers, .. } if peers.len() >= count => {
                Some(peers.iter().map(|peer| peer.addr).collect())
            }
            _ => None,
        })
    }
}

fn counts(tracker: &Running, hash: InfoHashV2) -> Option<(u32, u32)> {
    let all = tracker.listing();
    all.iter().find(|c| c.info_hash == hash).map(|c| (c.seeders, c.leechers))
}

#[test]
fn a_seeder_and_a_leecher_find_each_other_complete_and_leave() {
    let tracker = Running::any();
    let (hash, bytes) = torrent("big.zip", 1);
    let seeder = Peer::start(&[tracker.addr], 1001, vec![report(hash, "big.zip", true)]);
    seeder.wait("the request to publish", |event| match event {
        TrackerEvent::NeedsPublish { info_hash, .. } if info_hash == hash => Some(()),
        _ => None,
    });
    assert_eq!(calls::lookup(tracker.addr, None, "big.zip"), Ok(vec![]));
    calls::publish(tracker.addr, None, hash, "big.zip", &bytes).unwrap();
    let found = calls::lookup(tracker.addr, None, "big.zip").unwrap();
    assert_eq!((found.len(), found[0].info_hash, found[0].size), (1, hash, 40_000));
    assert_eq!((found[0].seeders, found[0].leechers, found[0].pieces), (1, 0, 1));
    assert_eq!(calls::fetch(tracker.addr, None, hash), Ok(bytes));

    let leecher = Peer::start(&[tracker.addr], 1002, vec![report(hash, "big.zip", false)]);
    assert_eq!(leecher.wait_peers(1), ["127.0.0.1:1001".parse().unwrap()]);
    assert_eq!(counts(&tracker, hash), Some((1, 1)));
    leecher.set(vec![report(hash, "big.zip", true)]);
    wait_until("the leecher is a seeder", || counts(&tracker, hash) == Some((2, 0)));
    let left = Instant::now();
    leecher.heartbeat.stop(Duration::from_secs(5));
    assert!(left.elapsed() < Duration::from_secs(4), "the good-bye is answered");
    assert_eq!(counts(&tracker, hash), Some((1, 0)));
    seeder.set(vec![]);
    wait_until("the seeder's torrent is gone", || counts(&tracker, hash) == Some((0, 0)));
}

#[test]
fn a_peer_that_falls_silent_is_dropped_after_three_heartbeats() {
    let tracker = Running::any();
    let (hash, _) = torrent("a", 1);
    let peer = Peer::start(&[tracker.addr], 1001, vec![report(hash, "a", true)]);
    peer.wait_registered(hash);
    let registered = Instant::now();
    wait_until("five expiries are over", || registered.elapsed() > BEAT * 15);
    assert_eq!(counts(&tracker, hash), Some((1, 0)), "it beats, so it stays");
    drop(peer);
    wait_until("it is dropped", || counts(&tracker, hash).is_none());
}

#[test]
fn a_restarted_tracker_soon_knows_everybody_names_and_torrents_included() {
    let tracker = Running::any();
    let addr = tracker.addr;
    let torrents: Vec<_> =
        (0..3).map(|n| (format!("file{n}"), torrent(&format!("file{n}"), n))).collect();
    let reports = |seeding| {
        torrents.iter().map(|(name, (hash, _))| report(*hash, name, seeding)).collect::<Vec<_>>()
    };
    let peers: Vec<Peer> =
        (0..10).map(|n| Peer::start(&[addr], 2000 + n, reports(n == 0))).collect();
    let publish_all = |peer: &Peer| {
        for event in peer.events.try_iter() {
            if let TrackerEvent::NeedsPublish { info_hash, .. } = event {
                let (name, (_, bytes)) = torrents.iter().find(|t| t.1.0 == info_hash).unwrap();
                // The tracker may be gone at this very moment; it will ask again.
                let _ = calls::publish(addr, None, info_hash, name, bytes);
            }
        }
    };
    let all_there = || {
        peers.iter().for_each(publish_all);
        let listing = calls::list(addr, None).unwrap_or_default();
        listing.len() == 3
            && listing.iter().all(|c| (c.seeders, c.leechers, c.published) == (1, 9, true))
    };
    wait_until("all are listed", all_there);
    drop(tracker);
    let tracker = Running::start(addr);
    let restarted = Instant::now();
    wait_until("all are listed again", all_there);
    // One heartbeat to miss, one to be told; what is above is this machine's load.
    eprintln!("all are listed again after {:?}, heartbeat {BEAT:?}", restarted.elapsed());
    for (name, (hash, bytes)) in &torrents {
        assert_eq!(calls::lookup(addr, None, name).unwrap()[0].info_hash, *hash);
        assert_eq!(calls::fetch(addr, None, *hash).as_ref(), Ok(bytes));
    }
    drop(tracker);
}

/// A thousand peers of one content behind one socket, each with a port of its own.
struct Thousand(UdpSocket);

impl Thousand {
    const HASH: InfoHashV2 = InfoHashV2([7; 32]);

    fn ask(&self, question: &[u8]) -> Message {
        self.0.send(question).unwrap();
        let mut buffer = [0; 1500];
        let length = self.0.recv(&mut buffer).unwrap();
        Packet::from_datagram(&buffer[..length]).unwrap().message
    }

    fn cookie(&self) -> Bin<8> {
        match self.ask(&hello(1)) {
            Message::Cookie(answer) => answer.cookie,
            other => panic!("{other:?}"),
        }
    }

    fn register(&self, cookie: Bin<8>, port: u16) {
        let register = registration(port.into(), cookie, Self::HASH.0, port, "big.zip");
        assert!(matches!(self.ask(&Packet::bare(register).datagram()), Message::Ack(_)));
    }

    /// One heartbeat; true if the tracker does not know the peer.
    fn is_unknown(&self, cookie: Bin<8>, port: u16) -> bool {
        let (news, mut body) = (Vec::new(), Vec::new());
        let info_hash = Self::HASH.truncated();
        put_beat(&mut body, &Beat { info_hash, left: 0, down: 0, up: 0, news });
        let beat = Packet::new(Keepalive { seq: port.into(), cookie, port }, &body).datagram();
        match self.ask(&beat) {
            Message::Ack(ack) => !ack.unknown.is_empty(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_restarted_tracker_knows_a_thousand_peers_again_after_one_heartbeat_of_each() {
    let mut options =
        TrackerOptions { listen: ([127, 0, 0, 1], 0).into(), ..TrackerOptions::default() };
    let tracker = Running::with(&options);
    options.listen = tracker.addr;
    let peers = Thousand(UdpSocket::bind("127.0.0.1:0").unwrap());
    peers.0.connect(tracker.addr).unwrap();
    peers.0.set_read_timeout(Some(LONG)).unwrap();
    let cookie = peers.cookie();
    (1..=1000).for_each(|port| peers.register(cookie, port));
    assert!((1..=1000).all(|port| !peers.is_unknown(cookie, port)));
    assert_eq!(counts(&tracker, Thousand::HASH), Some((1000, 0)));
    drop(tracker);
    let tracker = Running::with(&options);
    let cookie = peers.cookie();
    for port in 1..=1000 {
        assert!(peers.is_unknown(cookie, port), "told at its first heartbeat");
        peers.register(cookie, port);
    }
    assert_eq!(counts(&tracker, Thousand::HASH), Some((1000, 0)));
}

#[test]
fn a_hundred_seeders_are_given_out_over_tcp() {
    let tracker = Running::any();
    let (hash, _) = torrent("a", 1);
    let peers: Vec<Peer> = (0..100)
        .map(|n| Peer::start(&[tracker.addr], 3000 + n, vec![report(hash, "a", true)]))
        .collect();
    for peer in &peers {
        peer.wait_registered(hash);
    }
    let leecher = Peer::start(&[tracker.addr], 4000, vec![report(hash, "a", false)]);
    let mut given = leecher.wait_peers(100);
    given.sort();
    let all: Vec<SocketAddr> = (3000..3100).map(|port| ([127, 0, 0, 1], port).into()).collect();
    assert_eq!(given, all);
    let asked = calls::peers(tracker.addr, None, hash, 3000, 200).unwrap();
    assert_eq!(asked.len(), 100, "the leecher, and not the asker");
    assert!(asked.iter().all(|peer| peer.addr.port() != 3000 && peer.native && peer.bittorrent));
    assert_eq!(asked.iter().filter(|peer| peer.seed).count(), 99);
}

#[test]
fn a_thousand_files_of_one_peer_are_registered_listed_and_unregistered() {
    let tracker = Running::any();
    let name = |n: u32| format!("{n:0200}");
    let reports: Vec<TorrentReport> =
        (0..1000).map(|n| report(torrent(&name(n), n).0, &name(n), true)).collect();
    let peer = Peer::start(&[tracker.addr], 1001, reports.clone());
    wait_until("all are listed", || {
        let listing = tracker.listing();
        listing.len() == 1000 && listing.iter().all(|c| c.seeders == 1)
    });
    let listing = tracker.listing();
    let mut names: Vec<&str> = listing.iter().map(|c| c.name.as_str()).collect();
    names.sort_unstable();
    assert!(names.iter().zip(&reports).all(|(got, wanted)| *got == wanted.name));
    peer.heartbeat.stop(Duration::from_secs(10));
    assert_eq!(tracker.listing(), []);
}

#[test]
fn a_bitmap_too_large_for_a_datagram_goes_by_tcp() {
    let tracker = Running::any();
    let (hash, _) = torrent("a", 1);
    let pieces = 20_000;
    let have = Bitfield::from_bytes(&[0xaa; 2500], pieces).unwrap();
    let large = TorrentReport { pieces, have: have.clone(), ..report(hash, "a", false) };
    let peer = Peer::start(&[tracker.addr], 1001, vec![large]);
    peer.wait_registered(hash);
    let id = PeerId([1001_u16 as u8; 20]);
    calls::send_have(tracker.addr, None, hash, id, 1001, &have).unwrap();
    let stranger = calls::send_have(tracker.addr, None, hash, PeerId([0; 20]), 1001, &have);
    let Err(TrackerError::Refused { code, .. }) = stranger else { panic!("{stranger:?}") };
    assert_eq!(code, ErrorCode::UnknownPeer);
}

#[test]
fn the_largest_torrent_is_published_and_fetched_and_a_larger_one_refused() {
    let tracker = Running::any();
    let (hash, bytes) = long_torrent("big", 4 << 20);
    assert!(bytes.len() > (4 << 20) - 16 && bytes.len() <= 4 << 20, "{}", bytes.len());
    calls::publish(tracker.addr, None, hash, "big", &bytes).unwrap();
    assert_eq!(calls::fetch(tracker.addr, None, hash).as_ref(), Ok(&bytes));
    let mut larger = bytes.clone();
    larger.resize((4 << 20) + 1, b'.');
    for (hash, bytes, code) in [
        (InfoHashV2([1; 32]), &larger, ErrorCode::BadTorrent),
        (InfoHashV2([2; 32]), &bytes, ErrorCode::BadTorrent),
    ] {
        let refused = calls::publish(tracker.addr, None, hash, "big", bytes).unwrap_err();
        assert!(matches!(refused, TrackerError::Refused { code: c, .. } if c == code), "{refused}");
    }
    let unknown = calls::fetch(tracker.addr, None, InfoHashV2([9; 32])).unwrap_err();
    let TrackerError::Refused { code, retry_after, .. } = unknown else { panic!("{unknown}") };
    assert_eq!((code, retry_after), (ErrorCode::NotPublished, Some(Duration::from_secs(2))));
}

#[test]
fn silent_and_trickling_clients_are_closed_and_delay_nobody() {
    let tracker = Running::any();
    let (hash, bytes) = torrent("a", 1);
    calls::publish(tracker.addr, None, hash, "a", &bytes).unwrap();
    let start = Instant::now();
    let mut crowd: Vec<TcpStream> = (0..200)
        .map(|n| {
            let mut stream = TcpStream::connect(tracker.addr).unwrap();
            if n % 2 == 0 {
                stream.write_all(b"SWT1\x00").unwrap();
            }
            stream
        })
        .collect();
    let trickler = crowd.last().unwrap().try_clone().unwrap();
    let trickle = thread::spawn(move || {
        let mut stream = trickler;
        for byte in b"SWT1\x00\x00\x00\x08\x18\x81" {
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
            thread::park_timeout(Duration::from_secs(1));
        }
    });
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(1) {
        let asked = Instant::now();
        assert_eq!(calls::lookup(tracker.addr, None, "a").unwrap().len(), 1);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "the slowest answer took {slowest:?}");
    for stream in &mut crowd {
        stream.set_read_timeout(Some(LONG)).unwrap();
        let closed = stream.read(&mut [0]);
        assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    }
    let waited = start.elapsed();
    assert!((Duration::from_secs(4)..LONG).contains(&waited), "closed after {waited:?}");
    trickle.join().unwrap();
}

#[test]
fn a_stream_that_opens_with_anything_else_is_closed_at_once() {
    let tracker = Running::any();
    for opening in [&b"x"[..], b"SWP1", b"SWT2", b"\x13BitTorrent protocol"] {
        let start = Instant::now();
        let mut stream = TcpStream::connect(tracker.addr).unwrap();
        stream.write_all(opening).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
        assert!(start.elapsed() < Duration::from_secs(4), "at once, not at the deadline");
    }
}

#[test]
fn a_cookie_is_good_for_the_port_it_was_given_to_only() {
    let tracker = Running::any();
    let [honest, thief] = [0, 1].map(|_| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(tracker.addr).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        socket
    });
    let mut buffer = [0; 1500];
    let mut cookie_of = |socket: &UdpSocket| {
        socket.send(&hello(1)).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        assert!(length <= hello(1).len());
        match Packet::from_datagram(&buffer[..length]).unwrap().message {
            Message::Cookie(answer) => answer.cookie,
            other => panic!("{other:?}"),
        }
    };
    let cookie = cookie_of(&honest);
    let register =
        |seq, cookie| Packet::bare(registration(seq, cookie, [1; 32], 1, "a")).datagram();
    thief.send(&register(1, cookie)).unwrap();
    // The tracker answers in the order it is asked: this answer is the first the thief gets.
    let own = cookie_of(&thief);
    assert_eq!(tracker.listing(), []);
    thief.send(&register(2, own)).unwrap();
    assert!(thief.recv(&mut [0; 1500]).is_ok());
    assert_eq!(tracker.listing().len(), 1);
}

#[test]
fn datagrams_of_any_length_leave_a_tracker_alive() {
    let tracker = Running::any();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(tracker.addr).unwrap();
    let large = vec![b'S'; 65_507];
    for length in [0, 1, 4, 1200, 1201, 65_507] {
        socket.send(&large[..length]).unwrap();
    }
    assert_eq!(tracker.listing(), [], "it is alive");
}

#[test]
fn several_trackers_are_kept_informed_and_a_dead_one_delays_nobody() {
    let (one, two) = (Running::any(), Running::any());
    let dead = Running::any().addr;
    let (hash, _) = torrent("a", 1);
    let start = Instant::now();
    let peer = Peer::start(&[dead, one.addr, two.addr], 1001, vec![report(hash, "a", true)]);
    wait_until("both know it", || {
        counts(&one, hash) == Some((1, 0)) && counts(&two, hash) == Some((1, 0))
    });
    assert!(start.elapsed() < Duration::from_secs(5));
    let why = peer.wait("the dead tracker's end", |event| match event {
        TrackerEvent::Unreachable { tracker, why } if tracker == dead => Some(why),
        _ => None,
    });
    assert_eq!(why, "connection refused");
    drop(Running::start(dead));
    let error = calls::list(dead, None).unwrap_err().to_string();
    let words = "(connection refused): is tracker running?";
    assert_eq!(error, format!("no tracker answered at {dead} {words}"));
    peer.heartbeat.stop(Duration::from_secs(10));
    assert_eq!((counts(&one, hash), counts(&two, hash)), (None, None));
}

#[test]
fn a_private_torrent_is_told_to_the_tracker_that_it_names_and_no_other() {
    let (ours, named) = (Running::any(), Running::any());
    let ((public, _), (private, _)) = (torrent("a", 1), torrent("b", 2));
    let trackers = vec![named.addr];
    let secret = TorrentReport { private: true, trackers, ..report(private, "b", true) };
    let peer = Peer::start(&[ours.addr], 1001, vec![secret, report(public, "a", true)]);
    wait_until("each tracker knows one", || {
        counts(&ours, public) == Some((1, 0)) && counts(&named, private) == Some((1, 0))
    });
    assert_eq!((counts(&ours, private), counts(&named, public)), (None, None));
    peer.heartbeat.stop(Duration::from_secs(10));
}

#[test]
fn a_port_in_use_is_said_in_one_sentence() {
    let tracker = Running::any();
    let options = TrackerOptions { listen: tracker.addr, ..TrackerOptions::default() };
    let Err(error) = Tracker::bind(options) else { panic!("two trackers on one port") };
    assert!(matches!(error, BindError::AddrInUse(addr) if addr == tracker.addr));
    let port = tracker.addr.port();
    let words = "is in use on 127.0.0.1: is a tracker running there already?";
    assert_eq!(error.to_string(), format!("port {port} {words}"));
}

#[test]
fn a_tracker_that_does_not_answer_is_given_up_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let error = calls::lookup(silent.local_addr().unwrap(), None, "a").unwrap_err();
    assert!(matches!(error, TrackerError::NoAnswer { .. }), "{error}");
    assert!(start.elapsed() < LONG);
}

/// A hybrid torrent of one small file.
fn hybrid() -> Metainfo {
    let path = vec!["x".to_owned()];
    let file = DraftFile { path, length: 7, root: Some([3; 32]), layer: Vec::new() };
    let draft = Draft {
        name: "x".into(),
        version: Version::Hybrid,
        piece_length: 16384,
        single_file: true,
        files: vec![file],
        v1_pieces: vec![[7; 20]],
    };
    build(&draft, &BuildOptions::default()).unwrap()
}

fn client(hash: InfoHashV1, port: u16) -> Announce {
    Announce { left: 7, ..Announce::new(hash, PeerId([port as u8; 20]), port) }
}

/// Says something over TCP and reads until the tracker closes; what it said.
fn say(tracker: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(tracker.addr).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    // The tracker may have heard enough before all is said.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("the tracker closes in order");
    said
}

fn http_announce(tracker: &Running, announce: Announce) -> AnnounceAnswer {
    let query = AnnounceQuery::new(announce).query();
    let request = format!("GET /announce?{query} HTTP/1.1\r\nConnection: close\r\n\r\n");
    let said = say(tracker, request.as_bytes());
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    assert!(said.starts_with(b"HTTP/1.1 200 OK\r\n"));
    read_announce_answer(&said[end + 4..]).expect("an answer")
}

fn udp_announce(tracker: &Running, announce: Announce) -> Vec<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let ask = |connection_id: u64, request: &UdpRequest| {
        let (mut question, mut answer) = (Vec::new(), [0; 2000]);
        request.put(Head { connection_id, transaction_id: 5 }, &mut question);
        socket.send_to(&question, tracker.addr).unwrap();
        let (length, _) = socket.recv_from(&mut answer).unwrap();
        Answer::read(&answer[..length], Family::V4).expect("an answer").1
    };
    let granted = ask(0, &UdpRequest::Connect);
    let Answer::Connect { connection_id } = granted else { panic!("{granted:?}") };
    let request = UdpRequest::Announce { announce, url_data: Vec::new() };
    match ask(connection_id, &request) {
        Answer::Announce { peers, .. } => peers,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clients_and_native_peers_find_each_other_once_the_torrent_is_published() {
    let tracker = Running::any();
    let torrent = hybrid();
    let (v2, v1) = (torrent.info_hash_v2.unwrap(), torrent.info_hash_v1.unwrap());
    let over_http = client(v1, 2001);
    assert_eq!(http_announce(&tracker, over_http.clone()).peers, []);
    assert_eq!(udp_announce(&tracker, client(v2.truncated(), 2002)), []);
    calls::publish(tracker.addr, None, v2, "x", &torrent.to_torrent()).unwrap();
    assert_eq!(counts(&tracker, v2), Some((0, 2)), "peer list counts clients");
    let peer = Peer::start(&[tracker.addr], 1001, vec![report(v2, "x", false)]);
    let mut found = peer.wait_peers(2);
    found.sort();
    let clients: [SocketAddr; 2] =
        ["127.0.0.1:2001".parse().unwrap(), "127.0.0.1:2002".parse().unwrap()];
    assert_eq!(found, clients);
    let mut found = udp_announce(&tracker, client(v2.truncated(), 2002));
    found.sort();
    assert_eq!(found, ["127.0.0.1:1001".parse().unwrap(), clients[0]], "a native peer among them");
    let heard = http_announce(&tracker, over_http);
    let others: Vec<SocketAddr> = heard.peers.iter().map(|peer| peer.addr).collect();
    assert!(others.contains(&clients[1]), "{others:?}");
    assert_eq!((heard.seeders, heard.leechers), (Some(0), Some(3)));

    let native = UdpSocket::bind("127.0.0.1:0").unwrap();
    native.set_read_timeout(Some(LONG)).unwrap();
    let ask = |packet: &[u8]| {
        let mut answer = [0; 2000];
        native.send_to(packet, tracker.addr).unwrap();
        let (length, _) = native.recv_from(&mut answer).unwrap();
        Packet::from_datagram(&answer[..length]).expect("an answer").message
    };
    let granted = ask(&hello(1));
    let Message::Cookie(granted) = granted else { panic!("{granted:?}") };
    let register = Register {
        seq: 2,
        cookie: granted.cookie,
        info_hash: Bin(v2.0),
        peer_id: Bin([9; 20]),
        port: 1009,
        name: "x".into(),
        size: 7,
        pieces: 1,
        left: 0,
        uploaded: 0,
        downloaded: 0,
        bittorrent: true,
    };
    assert!(matches!(ask(&Packet::bare(register).datagram()), Message::Ack(_)));
    let both: SocketAddr = "127.0.0.1:1009".parse().unwrap();
    assert!(udp_announce(&tracker, client(v1, 2003)).contains(&both));
    let heard = http_announce(&tracker, client(v1, 2001));
    assert!(heard.peers.iter().any(|peer| peer.addr == both), "{heard:?}");
}

#[test]
fn http_strangers_are_bounded_and_told_why() {
    let tracker = Running::any();
    let status = |bytes: &[u8]| {
        let said = say(&tracker, bytes);
        String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned()
    };
    let megabyte = [&b"GET / HTTP/1.1\r\nX: "[..], &vec![b'a'; 1 << 20]].concat();
    assert_eq!(status(&megabyte), "HTTP/1.1 431 Request Header Fields Too Large");
    assert_eq!(status(b"GET /\0 HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    let post = b"POST /announce HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(status(post), "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(status(b"GET /x HTTP/1.0\r\n\r\n"), "HTTP/1.1 404 Not Found");
    assert_eq!(status(b"GET /x"), "", "a head that is never whole is waited for, and not for ever");
    assert_eq!(say(&tracker, b"\x16\x03\x01"), b"", "no HTTP at all");

    let pipelined = b"GET / HTTP/1.1\r\n\r\n".repeat(500);
    let last = b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n";
    let said = say(&tracker, &[&pipelined[..], last].concat());
    let heads = said.windows(15).filter(|text| text == b"HTTP/1.1 200 OK").count();
    assert_eq!(heads, 501, "every request is answered, also beyond what a turn does");
    assert!(said.ends_with(b"Connection: close\r\n\r\n"), "a HEAD has no body");
}

#[test]
fn connections_that_are_only_kept_give_way_to_newcomers() {
    let tracker = Running::any();
    let mut kept = Vec::new();
    for n in 0..600 {
        let mut stream = TcpStream::connect(tracker.addr).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut start = [0; 15];
        stream.read_exact(&mut start).unwrap_or_else(|e| panic!("connection {n}: {e}"));
        assert_eq!(&start, b"HTTP/1.1 200 OK");
        kept.push(stream);
    }
}
