//! What strangers may do to a tracker, and what comes of it.
//!
//! Rules about bytes and time are held against [`State`], with a clock of the test's own; rules
//! about connections and addresses against a real tracker on 127.0.0.x.

use proptest::prelude::*;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use swarmlet::clock::Moment;
use swarmlet::ids::{InfoHashV1, InfoHashV2, PeerId};
use swarmlet::node::trackers::calls;
use swarmlet::protocol::announce::{Announce, Event, Family};
use swarmlet::protocol::frame::Bin;
use swarmlet::protocol::tracker_http::{AnnounceQuery, BadAnswer, read_announce_answer};
use swarmlet::protocol::tracker_native::{Message, Packet, Register, Request, Unregister, hello};
use swarmlet::protocol::tracker_udp::{Answer, Head, Request as UdpRequest};
use swarmlet::tracker::state::State;
use swarmlet::tracker::{Stopper, Tracker, TrackerOptions};

/// Far longer than anything takes; only a hang gets there.
const LONG: Duration = Duration::from_secs(20);

/// The longest datagram that UDP over IPv4 carries.
const LONGEST: usize = 65_507;

const HASH: InfoHashV1 = InfoHashV1([7; 20]);

struct Running {
    addr: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let mut tracker =
            Tracker::bind(TrackerOptions { listen, ..TrackerOptions::default() }).unwrap();
        let (addr, stopper) = (tracker.local_addr(), tracker.stopper());
        let thread = Some(thread::spawn(move || tracker.run().expect("the tracker runs")));
        Self { addr, stopper, thread }
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

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

fn host(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// One end at 127.0.0.`last` of a conversation by UDP.
struct Udp {
    socket: UdpSocket,
    tracker: SocketAddr,
}

impl Udp {
    fn new(last: u8, tracker: &Running) -> Self {
        let socket = UdpSocket::bind((host(last), 0)).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Self { socket, tracker: tracker.addr }
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.tracker).unwrap();
    }

    fn hear(&self) -> Vec<u8> {
        let mut answer = [0; 2000];
        let (length, from) = self.socket.recv_from(&mut answer).expect("an answer");
        assert_eq!(from, self.tracker);
        answer[..length].to_vec()
    }

    fn ask(&self, connection_id: u64, request: &UdpRequest) -> Answer {
        let mut question = Vec::new();
        request.put(Head { connection_id, transaction_id: 77 }, &mut question);
        self.send(&question);
        Answer::read(&self.hear(), Family::V4).expect("an answer to a question").1
    }

    fn connect(&self) -> u64 {
        match self.ask(0, &UdpRequest::Connect) {
            Answer::Connect { connection_id } => connection_id,
            other => panic!("{other:?}"),
        }
    }

    /// The peers that an announce is given.
    fn announce(&self, announce: Announce) -> Vec<SocketAddr> {
        match self.ask(self.connect(), &UdpRequest::Announce { announce, url_data: Vec::new() }) {
            Answer::Announce { mut peers, .. } => {
                peers.sort();
                peers
            }
            other => panic!("{other:?}"),
        }
    }

    fn cookie(&self) -> Bin<8> {
        self.send(&hello(1));
        match Packet::from_datagram(&self.hear()).unwrap().message {
            Message::Cookie(answer) => answer.cookie,
            other => panic!("{other:?}"),
        }
    }

    fn say(&self, message: impl Into<Message>) -> Message {
        self.send(&Packet::bare(message).datagram());
        Packet::from_datagram(&self.hear()).unwrap().message
    }
}

fn report(port: u16) -> Announce {
    Announce { left: 5, ..Announce::new(HASH, PeerId([port as u8; 20]), port) }
}

fn register(cookie: Bin<8>, port: u16) -> Register {
    Register {
        seq: 1,
        cookie,
        info_hash: Bin([7; 32]),
        peer_id: Bin([port as u8; 20]),
        port,
        name: "a".into(),
        size: 7,
        pieces: 1,
        left: 7,
        uploaded: 0,
        downloaded: 0,
        bittorrent: true,
    }
}

/// Asks over HTTP, from any address of ours; all that comes until the end.
fn http(tracker: SocketAddr, target: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(tracker).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn body(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    &answer[end + 4..]
}

fn figure(tracker: &Running, name: &str) -> u64 {
    let answer = http(tracker.addr, "/stats.json");
    let figures: serde_json::Value = serde_json::from_slice(body(&answer)).expect("JSON");
    figures[name].as_u64().unwrap_or_else(|| panic!("no {name} in {figures}"))
}

// C1: source addresses.

#[test]
fn a_connection_id_is_of_no_use_at_another_address() {
    let tracker = Running::start();
    let (honest, thief) = (Udp::new(2, &tracker), Udp::new(3, &tracker));
    let stolen = honest.connect();
    let request = UdpRequest::Announce { announce: report(1), url_data: Vec::new() };
    assert_eq!(thief.ask(stolen, &request), Answer::Error("connection id expired".into()));
    assert_eq!(figure(&tracker, "peers"), 0);
    let elsewhere = Udp::new(2, &tracker);
    assert!(matches!(elsewhere.ask(stolen, &request), Answer::Announce { .. }), "another port");
    assert_eq!(figure(&tracker, "peers"), 1);
}

#[test]
fn a_native_cookie_is_of_no_use_at_another_address() {
    let tracker = Running::start();
    let (honest, thief) = (Udp::new(2, &tracker), Udp::new(3, &tracker));
    let stolen = honest.cookie();
    thief.send(&Packet::bare(register(stolen, 1)).datagram());
    assert_eq!(thief.cookie().0.len(), 8, "what was sent before was met with silence");
    assert_eq!((figure(&tracker, "peers"), figure(&tracker, "unverified")), (0, 1));
    assert!(matches!(honest.say(register(stolen, 1)), Message::Ack(_)));
}

#[test]
fn cookies_live_two_minutes_and_die_within_two_hundred_seconds() {
    let mut state = State::new(TrackerOptions::default());
    let from: SocketAddr = "10.0.0.1:4000".parse().unwrap();
    let mut ask = |secs: u64, bytes: &[u8]| {
        let mut out = Vec::new();
        state.on_datagram(at(secs), from, bytes, &mut out);
        out
    };
    for made in [0, 63, 64, 100_000] {
        let granted = ask(made, &hello(1));
        let Message::Cookie(granted) = Packet::from_datagram(&granted).unwrap().message else {
            panic!("a cookie")
        };
        let question = Packet::bare(register(granted.cookie, 1)).datagram();
        assert!(!ask(made + 119, &question).is_empty(), "made at {made}");
        assert!(ask(made + 200, &question).is_empty(), "made at {made}");
        assert!(made < 200 || ask(made - 200, &question).is_empty(), "from the future");
    }
}

#[test]
fn a_hundred_thousand_guessed_connection_ids_open_nothing() {
    let mut state = State::new(TrackerOptions::default());
    let mut rng = fastrand::Rng::with_seed(1);
    let mut question = Vec::new();
    let request = UdpRequest::Announce { announce: report(1), url_data: Vec::new() };
    request.put(Head { connection_id: 0, transaction_id: 7 }, &mut question);
    let mut out = Vec::new();
    for _ in 0..100_000 {
        question[..8].copy_from_slice(&rng.u64(..).to_be_bytes());
        question[0] = 0x80;
        question[1] = rng.u8(..3);
        state.on_datagram(at(100), "10.0.0.1:1".parse().unwrap(), &question, &mut out);
        out.clear();
    }
    let figures = state.statistics(at(100), 0);
    assert_eq!((figures.peers, figures.unverified), (0, 100_000));
}

// C2: amplification.

/// Datagrams of an honest conversation, with cookies that are of another address.
fn honest_datagrams() -> Vec<Vec<u8>> {
    let cookie = Bin([0, 0, 1, 2, 3, 4, 5, 6]);
    let mut all = vec![
        hello(1).clone(),
        Packet::bare(register(cookie, 1)).datagram(),
        Packet::bare(Request {
            seq: 2,
            cookie,
            info_hash: Bin([7; 32]),
            port: 1,
            wanted: u16::MAX,
            to: None,
        })
        .datagram(),
    ];
    for request in [
        UdpRequest::Connect,
        UdpRequest::Announce { announce: report(1), url_data: b"/announce".to_vec() },
        UdpRequest::Scrape(vec![HASH; 74]),
    ] {
        let mut bytes = Vec::new();
        request.put(Head { connection_id: 1 << 63, transaction_id: 7 }, &mut bytes);
        all.push(bytes);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Nobody is answered with more than it sent before it has proved its address: whatever an
    /// honest conversation is turned into, and however many peers there are to tell of.
    #[test]
    fn no_altered_datagram_is_answered_by_a_longer_one(
        which in 0..6_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        tail in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut state = State::new(TrackerOptions::default());
        let mut datagram = honest_datagrams()[which].clone();
        for (place, byte) in changes {
            let place = place.index(datagram.len());
            datagram[place] = byte;
        }
        if let Some(cut) = cut {
            datagram.truncate(cut.index(datagram.len() + 1));
        }
        datagram.extend(tail);
        let mut out = Vec::new();
        state.on_datagram(at(1), "10.0.0.1:1".parse().unwrap(), &datagram, &mut out);
        prop_assert!(out.len() <= datagram.len(), "{} for {}", out.len(), datagram.len());
        prop_assert_eq!(state.statistics(at(1), 0).peers, 0);
    }
}

#[test]
fn a_verified_asker_is_answered_by_one_datagram_that_no_router_cuts() {
    let tracker = Running::start();
    let socket = Udp::new(2, &tracker);
    let id = socket.connect();
    for port in 1..=300 {
        let announce = Announce { numwant: Some(u32::MAX), ..report(port) };
        let mut question = Vec::new();
        UdpRequest::Announce { announce, url_data: Vec::new() }
            .put(Head { connection_id: id, transaction_id: 77 }, &mut question);
        socket.send(&question);
        let heard = socket.hear().len();
        assert!(heard <= 1400, "{heard} bytes");
    }
}

// C3: tables.

#[test]
fn an_old_swarm_keeps_its_peers_while_made_up_torrents_displace_each_other() {
    let (max_torrents, max_peers) = (500, 800);
    let options = TrackerOptions { max_torrents, max_peers, ..TrackerOptions::default() };
    let mut state = State::new(options);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut announce = |secs, ip: IpAddr, report: Announce| {
        let from = SocketAddr::new(ip, 4000);
        let mut ask = |connection_id, request: &UdpRequest| {
            let (mut question, mut out) = (Vec::new(), Vec::new());
            request.put(Head { connection_id, transaction_id: 1 }, &mut question);
            state.on_datagram(at(secs), from, &question, &mut out);
            Answer::read(&out, Family::V4).expect("an answer").1
        };
        let Answer::Connect { connection_id } = ask(0, &UdpRequest::Connect) else {
            panic!("a connection id")
        };
        let request = UdpRequest::Announce { announce: report, url_data: Vec::new() };
        let answer = ask(connection_id, &request);
        let figures = state.statistics(at(secs), 0);
        assert!(figures.torrents <= max_torrents && figures.peers <= max_peers);
        answer
    };
    let honest = |n: u8| Ipv4Addr::new(10, 0, 1, n).into();
    for secs in [1, 2] {
        (1..=5).for_each(|n| drop(announce(secs, honest(n), report(n.into()))));
    }
    for n in 0..20_000_u32 {
        let mut hash = [0; 20];
        rng.fill(&mut hash);
        let made_up = Announce { info_hash: InfoHashV1(hash), ..report(9) };
        announce(3, Ipv4Addr::new(10, 9, 9, (n % 250) as u8).into(), made_up);
    }
    let Answer::Announce { peers, leechers, .. } = announce(4, honest(1), report(1)) else {
        panic!("peers")
    };
    assert_eq!((peers.len(), leechers), (4, 5));
}

// C4: garbage.

#[test]
fn a_datagram_of_any_length_is_taken() {
    let mut state = State::new(TrackerOptions::default());
    let from: SocketAddr = "10.0.0.1:1".parse().unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    let mut noise = vec![0; LONGEST];
    rng.fill(&mut noise);
    let mut openings: Vec<Vec<u8>> = (0..6_u32)
        .map(|action| [&0x0417_2710_1980_u64.to_be_bytes()[..], &action.to_be_bytes()].concat())
        .collect();
    openings.extend([b"SWT1".to_vec(), vec![0xff; 16], vec![]]);
    let mut out = Vec::new();
    for opening in openings {
        noise[..opening.len()].copy_from_slice(&opening);
        for length in (0..=2000).chain((2000..=LONGEST).step_by(997)).chain([LONGEST]) {
            out.clear();
            state.on_datagram(at(1), from, &noise[..length], &mut out);
            assert!(out.len() <= length, "{length} bytes that begin {opening:?}");
        }
    }
}

#[test]
fn the_longest_and_the_shortest_datagrams_leave_a_tracker_at_work() {
    let tracker = Running::start();
    let socket = Udp::new(2, &tracker);
    for length in [0, 1, 15, 16, 17, 98, 1200, 1500, 9000, LONGEST] {
        socket.send(&vec![0xa5; length]);
    }
    assert_eq!(socket.announce(report(1)), []);
    assert_eq!(figure(&tracker, "malformed"), 10);
    let nowhere = UdpRequest::Announce { announce: report(0), url_data: Vec::new() };
    let refused = socket.ask(socket.connect(), &nowhere);
    assert!(matches!(refused, Answer::Error(why) if why.contains("port 0")));
}

// C5: slow connections.

#[test]
fn an_honest_caller_is_answered_while_five_hundred_slow_ones_are_open() {
    let tracker = Running::start();
    let start = Instant::now();
    loop {
        let crowd: Vec<TcpStream> = (0..512)
            .map(|n| {
                let mut stream = TcpStream::connect(tracker.addr).unwrap();
                let begun =
                    if n % 2 == 0 { "GET /announce?info_hash=" } else { "GET / HTTP/1.1\r\nX" };
                stream.write_all(begun.as_bytes()).unwrap();
                stream
            })
            .collect();
        // Its own connection is the one above; fewer only if this machine stood still for seconds.
        let open = figure(&tracker, "connections");
        assert!(start.elapsed() < LONG, "{open} connections");
        if open > crowd.len() as u64 {
            break;
        }
    }
}

#[test]
fn when_all_places_are_taken_the_slowest_caller_gives_way_to_a_new_one() {
    let tracker = Running::start();
    let mut crowd = Vec::new();
    for n in 0..900 {
        let mut stream = TcpStream::connect(tracker.addr).unwrap();
        // The tracker may have closed it already.
        let _ = stream.write_all(b"GET /announce?");
        crowd.push(stream);
        if n % 100 == 99 {
            assert!(figure(&tracker, "connections") <= 768, "after {n}");
        }
    }
}

#[test]
fn pages_in_a_pipeline_come_one_by_one_and_all_of_them() {
    let tracker = Running::start();
    let mut stream = TcpStream::connect(tracker.addr).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let asked = b"GET /stats.json HTTP/1.1\r\n\r\n".repeat(100);
    let last = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    stream.write_all(&[&asked[..], last].concat()).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert_eq!(said.windows(15).filter(|text| text == b"HTTP/1.1 200 OK").count(), 101);
}

// C8, C9: whose word counts.

#[test]
fn nobody_is_announced_or_stopped_from_another_address() {
    let tracker = Running::start();
    let (victim, attacker) = (Udp::new(2, &tracker), Udp::new(3, &tracker));
    victim.announce(report(2000));
    let victims = SocketAddr::new(host(2), 2000);
    let stop = Announce { event: Event::Stopped, ip: Some(host(2)), ..report(2000) };
    attacker.announce(stop);
    let as_another = Announce { ip: Some(host(9)), ..report(3000) };
    assert_eq!(attacker.announce(as_another), [victims], "it is still there");
    let attackers = SocketAddr::new(host(3), 3000);
    assert_eq!(victim.announce(report(2000)), [attackers], "where it is, not where it says");

    let (cookie, mine) = (victim.cookie(), attacker.cookie());
    assert!(matches!(victim.say(register(cookie, 2001)), Message::Ack(_)));
    let bye = Unregister {
        seq: 3,
        cookie: mine,
        info_hash: Bin([7; 32]),
        peer_id: Bin([2001_u16 as u8; 20]),
        port: 2001,
    };
    assert!(matches!(attacker.say(bye.clone()), Message::Ack(_)), "it never was there");
    let seen = |tracker| calls::peers(tracker, None, InfoHashV2([7; 32]), 9, 50).unwrap().len();
    assert_eq!(seen(tracker.addr), 3);
    let wrong_id = Unregister { cookie, peer_id: Bin([1; 20]), ..bye.clone() };
    assert!(matches!(victim.say(wrong_id), Message::Ack(_)));
    assert_eq!(seen(tracker.addr), 3, "another id stops nobody");
    assert!(matches!(victim.say(Unregister { cookie, ..bye }), Message::Ack(_)));
    assert_eq!(seen(tracker.addr), 2);
}

#[test]
fn nobody_is_given_to_itself_in_any_dialect() {
    let tracker = Running::start();
    let socket = Udp::new(2, &tracker);
    socket.announce(report(1));
    assert_eq!(socket.announce(report(1)), []);
    let query = AnnounceQuery::new(report(2)).query();
    for _ in 0..2 {
        let answer = http(tracker.addr, &format!("/announce?{query}"));
        let peers = read_announce_answer(body(&answer)).expect("an answer").peers;
        assert_eq!(peers.iter().map(|p| p.addr).collect::<Vec<_>>(), [SocketAddr::new(host(2), 1)]);
    }
    let cookie = socket.cookie();
    socket.say(register(cookie, 3));
    let own = Request { seq: 2, cookie, info_hash: Bin([7; 32]), port: 3, wanted: 50, to: None };
    socket.send(&Packet::bare(own).datagram());
    let heard = socket.hear();
    let packet = Packet::from_datagram(&heard).unwrap();
    let given = swarmlet::protocol::tracker_native::read_peers(packet.body).unwrap();
    assert!(given.len() == 2 && given.iter().all(|peer| peer.addr.port() != 3), "{given:?}");
}

// C10: numbers.

#[test]
fn numbers_that_cannot_be_are_refused_or_bounded_and_never_overflow() {
    let tracker = Running::start();
    let hash = "%07".repeat(20);
    let id = "a".repeat(20);
    let ask = |fields: &str| {
        let target = format!("/announce?info_hash={hash}&peer_id={id}&{fields}");
        let answer = http(tracker.addr, &target);
        match read_announce_answer(body(&answer)) {
            Ok(answer) => format!("{} peers", answer.peers.len()),
            Err(BadAnswer::Failure(why)) => why,
            Err(other) => format!("{other:?}"),
        }
    };
    for port in 1..=3 {
        ask(&format!("port={port}&left=1&uploaded=0&downloaded=0"));
    }
    let huge = "9".repeat(40);
    for numwant in ["-1", "-99999999999", "4294967295", &huge, "x", ""] {
        let said = ask(&format!("port=4&left=1&uploaded=0&downloaded=0&numwant={numwant}"));
        assert!(said.ends_with(" peers") || said.contains("numwant"), "{numwant}: {said}");
    }
    for value in ["-1", "18446744073709551615", "18446744073709551616", &huge, "1e9", "x"] {
        for field in ["left", "uploaded", "downloaded"] {
            let fields = ["left", "uploaded", "downloaded"]
                .map(|name| format!("{name}={}", if name == field { value } else { "1" }));
            let said = ask(&format!("port=4&{}", fields.join("&")));
            assert!(said.ends_with(" peers") || said.contains(field), "{field}={value}: {said}");
        }
    }
    for port in ["-1", "0", "65536", &huge, "x"] {
        let said = ask(&format!("port={port}&left=1&uploaded=0&downloaded=0"));
        assert!(said.contains("port"), "port={port}: {said}");
    }
    let socket = Udp::new(2, &tracker);
    let extremes = Announce {
        uploaded: u64::MAX,
        downloaded: u64::MAX,
        left: u64::MAX,
        numwant: Some(u32::MAX),
        ..report(9)
    };
    assert_eq!(socket.announce(extremes.clone()).len(), 4);
    socket.announce(Announce { event: Event::Completed, left: 0, ..extremes });
    for page in ["/", "/stats.json", "/metrics", &format!("/swarm/{}", "07".repeat(20))] {
        assert!(http(tracker.addr, page).starts_with(b"HTTP/1.1 200 OK\r\n"), "{page}");
    }
    assert_eq!((figure(&tracker, "peers"), figure(&tracker, "seeders")), (5, 1));
}
