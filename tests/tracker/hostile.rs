//! What strangers may do to a tracker, and what comes of it.
//!
//! Rules about bytes and time are held against [`State`], with a clock of the test's own; rules
//! about connections and addresses against a real tracker on 127.0.0.x.

use crate::harness::alone;
use crate::harness::programs::{Listening, tracker as program};
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
use swarmlet::protocol::tracker_native::{
    Message, Op, Packet, Query, Register, Request, Unregister, hello,
};
use swarmlet::protocol::tracker_udp::{Answer, Head, Request as UdpRequest};
use swarmlet::tracker::state::State;
use swarmlet::tracker::{Stopper, Tracker, TrackerOptions};

/// Far longer than anything takes; only a hang gets there.
const LONG: Duration = Duration::from_secs(20);

/// The longest datagram that UDP over IPv4 carries.
const LONGEST: usize = 65_507;

const HASH: InfoHashV1 = InfoHashV1([7; 20]);

/// A tracker, in this process or as its program.
struct Running {
    addr: SocketAddr,
    stopper: Option<Stopper>,
    thread: Option<JoinHandle<()>>,
    program: Option<Listening>,
}

impl Running {
    fn start() -> Self {
        Self::with(TrackerOptions::default())
    }

    fn with(options: TrackerOptions) -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let mut tracker = Tracker::bind(TrackerOptions { listen, ..options }).unwrap();
        let (addr, stopper) = (tracker.local_addr(), Some(tracker.stopper()));
        let thread = Some(thread::spawn(move || tracker.run().expect("the tracker runs")));
        Self { addr, stopper, thread, program: None }
    }

    fn program(flags: &str) -> Self {
        let program = program(flags);
        Self { addr: program.address, stopper: None, thread: None, program: Some(program) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.iter().for_each(Stopper::stop);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the tracker panicked");
        }
    }
}

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

/// How often something is done: often, if the environment says so.
fn count_of(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
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
fn a_million_guessed_connection_ids_open_nothing() {
    let mut state = State::new(TrackerOptions::default());
    let mut rng = fastrand::Rng::with_seed(1);
    let mut question = Vec::new();
    let request = UdpRequest::Announce { announce: report(1), url_data: Vec::new() };
    request.put(Head { connection_id: 0, transaction_id: 7 }, &mut question);
    let mut out = Vec::new();
    for _ in 0..1_000_000 {
        question[..8].copy_from_slice(&rng.u64(..).to_be_bytes());
        question[0] = 0x80;
        question[1] = rng.u8(..3);
        state.on_datagram(at(100), "10.0.0.1:1".parse().unwrap(), &question, &mut out);
        out.clear();
    }
    let figures = state.statistics(at(100), 0);
    assert_eq!((figures.peers, figures.unverified), (0, 1_000_000));
}

#[test]
fn a_connection_id_of_a_far_future_or_of_an_epoch_that_came_round_again_opens_nothing() {
    let mut state = State::new(TrackerOptions::default());
    let from: SocketAddr = "10.0.0.1:4000".parse().unwrap();
    let mut ask = |secs: u64, connection_id: u64, request: &UdpRequest| {
        let (mut question, mut out) = (Vec::new(), Vec::new());
        request.put(Head { connection_id, transaction_id: 7 }, &mut question);
        state.on_datagram(at(secs), from, &question, &mut out);
        Answer::read(&out, Family::V4).expect("an answer").1
    };
    let announce = UdpRequest::Announce { announce: report(1), url_data: Vec::new() };
    // A connection id has 15 bits of an epoch of 64 s.
    let round = 64 << 15;
    for made in [100, 1_000_000] {
        let Answer::Connect { connection_id } = ask(made, 0, &UdpRequest::Connect) else {
            panic!("a connection id")
        };
        assert!(matches!(ask(made + 119, connection_id, &announce), Answer::Announce { .. }));
        for elsewhen in [made.saturating_sub(65), made + 200, made + round, made + 2 * round] {
            let said = ask(elsewhen, connection_id, &announce);
            assert!(matches!(said, Answer::Error(_)), "made at {made}, used at {elsewhen}");
        }
    }
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
        assert!(heard <= 20 + 50 * 6, "{heard} bytes: more than fifty peers");
    }
}

/// What strangers send: parts of honest conversations, changed.
fn stranger(rng: &mut fastrand::Rng, bases: &[Vec<u8>]) -> Vec<u8> {
    let mut datagram = match rng.usize(..8) {
        0 => (0..rng.usize(1..200)).map(|_| rng.u8(..)).collect(),
        1 => [b"SWT1".to_vec(), (0..rng.usize(..200)).map(|_| rng.u8(..)).collect()].concat(),
        _ => bases[rng.usize(..bases.len())].clone(),
    };
    for _ in 0..rng.usize(..4) {
        let place = rng.usize(..datagram.len());
        datagram[place] = rng.u8(..);
    }
    if rng.bool() {
        datagram.truncate(rng.usize(1..=datagram.len()));
    }
    datagram
}

/// Each datagram is followed by a HELLO, whose COOKIE comes after whatever is said to the datagram.
#[test]
fn nobody_unverified_is_answered_by_more_bytes_than_it_sent() {
    let _turn = alone();
    let count = count_of("SWARMLET_DATAGRAMS", 8_000);
    let tracker = Running::program("--dashboard --expire 10m");
    let crowd = Udp::new(2, &tracker);
    let (cookie, _) = (crowd.cookie(), crowd.connect());
    for port in 1..=60 {
        crowd.announce(report(port));
        assert!(matches!(crowd.say(register(cookie, port)), Message::Ack(_)));
    }
    let mut bases = honest_datagrams();
    for op in Op::ALL.iter().copied() {
        let query = Query {
            id: 9,
            op,
            key: "07".repeat(32),
            rd: true,
            hops: 3,
            max: u16::MAX,
            origin: None,
            cookie: Some(Bin([1; 8])),
        };
        bases.push(query.clone().datagram(0));
        bases.push(Query { cookie: None, ..query }.datagram(0));
    }
    let mut rng = fastrand::Rng::with_seed(9);
    let socket = Udp::new(3, &tracker);
    for round in 0..count {
        let (seq, datagram) = (rng.u32(1 << 31..), stranger(&mut rng, &bases));
        socket.send(&datagram);
        socket.send(&hello(seq));
        let mut heard = 0;
        loop {
            let answer = socket.hear();
            let packet = Packet::from_datagram(&answer);
            if matches!(packet.map(|p| p.message), Ok(Message::Cookie(c)) if c.seq == seq) {
                break;
            }
            heard += answer.len();
        }
        let sent = datagram.len();
        assert!(heard <= sent, "{heard} bytes for {sent} in round {round}: {datagram:02x?}");
    }
    assert_eq!(figure(&tracker, "peers"), 120, "and nobody came or went");
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

#[test]
fn an_address_that_registers_too_fast_is_told_so_in_every_dialect_and_others_are_served() {
    let tracker =
        Running::with(TrackerOptions { exempt_local: false, ..TrackerOptions::default() });
    let (fast, honest) = (Udp::new(2, &tracker), Udp::new(3, &tracker));
    let (id, cookie) = (fast.connect(), fast.cookie());
    // 2,000 may come at once, and 200 more each second.
    let refused = (1..=20_000).map(|n| (n % 50) as u16 + 1).find_map(|port| {
        let announce = UdpRequest::Announce { announce: report(port), url_data: Vec::new() };
        match fast.ask(id, &announce) {
            Answer::Error(why) => Some(why),
            _ => None,
        }
    });
    assert!(refused.is_some_and(|why| why.contains("too many announces")));
    // Tokens trickle in while this is asked.
    let refused = (0..2000).any(|_| matches!(fast.say(register(cookie, 7)), Message::Error(_)));
    assert!(refused, "in the other dialect, too");
    assert!(!honest.announce(report(1)).is_empty(), "others are served");
}

/// Where an attacker of a real tracker comes from.
struct Attacker {
    udp: Udp,
    id: u64,
    cookie: Bin<8>,
}

/// Made-up torrents by UDP, natively with the longest names, and over HTTP, each announced twice;
/// meanwhile an honest swarm is answered, and afterwards it is whole. `scripts/tracker-flood.sh` is
/// the same at full size, and holds the memory against its promise.
#[test]
fn an_honest_swarm_is_served_during_a_flood_in_all_dialects_and_memory_is_bounded() {
    let _turn = alone();
    let count = count_of("SWARMLET_FLOOD", 20_000);
    let tracker = Running::program("--max-torrents 2000 --max-peers 4000");
    let honest = Udp::new(2, &tracker);
    for port in (1..=5).chain(1..=5) {
        honest.announce(report(port));
    }
    let attackers: Vec<Attacker> = (10..40)
        .map(|last| {
            let udp = Udp::new(last, &tracker);
            Attacker { id: udp.connect(), cookie: udp.cookie(), udp }
        })
        .collect();
    let mut rng = fastrand::Rng::with_seed(4);
    let mut slowest = Duration::ZERO;
    for n in 0..count {
        let Attacker { udp, id, cookie } = &attackers[n % attackers.len()];
        let (mut v1, mut v2) = ([0; 20], [0; 32]);
        rng.fill(&mut v1);
        rng.fill(&mut v2);
        let made_up = Announce { info_hash: InfoHashV1(v1), ..report(9) };
        match n % 20 {
            0 => {
                let query = AnnounceQuery::new(made_up).query();
                http(tracker.addr, &format!("/announce?{query}"));
            }
            n if n < 10 => {
                let name = "n".repeat(255);
                let native = Register { info_hash: Bin(v2), name, ..register(*cookie, 9) };
                udp.say(native);
            }
            _ => {
                let announce = UdpRequest::Announce { announce: made_up, url_data: Vec::new() };
                (0..2).for_each(|_| drop(udp.ask(*id, &announce)));
            }
        }
        if n % 100 == 0 {
            let asked = Instant::now();
            honest.announce(report(1));
            slowest = slowest.max(asked.elapsed());
        }
    }
    assert_eq!(honest.announce(report(1)).len(), 4, "each member is given the others");
    assert!(figure(&tracker, "torrents") <= 2000 && figure(&tracker, "peers") <= 4000);
    assert!(slowest < Duration::from_secs(1), "an honest announce took {slowest:?}");
    let memory = tracker.program.as_ref().map(|program| program.usage().memory);
    assert!(memory < Some(32 << 20), "{memory:?} bytes");
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
        // Slow ones come and go all the time: what counts is each question.
        let asked = Instant::now();
        let answer =
            http(tracker.addr, &format!("/announce?{}", AnnounceQuery::new(report(9)).query()));
        assert!(
            read_announce_answer(body(&answer)).is_ok(),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        assert!(calls::list(tracker.addr, None).expect("a list").is_empty());
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(1), "two questions took {took:?}");
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

/// What is kept of an id in a record has eight bits: of eight attackers a few may hit by chance.
#[test]
fn nobody_behind_the_same_address_stops_or_overwrites_another_over_http_or_by_udp() {
    let tracker = Running::start();
    let own = |port: u16| Announce { key: 0xfeed, ..report(port) };
    let seeder_as = |port: u16| Announce {
        peer_id: PeerId([200; 20]),
        key: 1,
        left: 0,
        event: Event::Completed,
        ..report(port)
    };
    let stop_as = |port: u16| Announce { event: Event::Stopped, ..seeder_as(port) };
    let ask = |announce: Announce| {
        let query = AnnounceQuery::new(announce).query();
        let answer = http(tracker.addr, &format!("/announce?{query}"));
        read_announce_answer(body(&answer)).expect("an answer")
    };
    let near = Udp { socket: UdpSocket::bind("127.0.0.1:0").unwrap(), tracker: tracker.addr };
    near.socket.set_read_timeout(Some(LONG)).unwrap();
    for port in 1..=8 {
        ask(own(port));
        near.announce(own(port + 100));
    }
    assert_eq!((figure(&tracker, "peers"), figure(&tracker, "seeders")), (16, 0));
    for port in 1..=8 {
        assert!(!ask(seeder_as(port)).peers.is_empty(), "it is answered, which costs nothing");
        ask(stop_as(port));
        near.announce(seeder_as(port + 100));
        near.announce(stop_as(port + 100));
    }
    let (peers, seeders) = (figure(&tracker, "peers"), figure(&tracker, "seeders"));
    assert!(peers >= 13 && seeders <= 3, "{peers} peers are left, {seeders} seed");
    let other = |port| Announce { event: Event::Stopped, ..own(port) };
    ask(own(9));
    ask(other(9));
    assert_eq!(figure(&tracker, "peers"), peers, "the owner itself is obeyed");
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
fn native_numbers_that_cannot_be_are_bounded_and_never_overflow() {
    let tracker = Running::start();
    let socket = Udp::new(2, &tracker);
    let cookie = socket.cookie();
    let plain = register(cookie, 1);
    let cases = [
        Register { left: 8, size: 7, ..plain.clone() },
        Register { left: u64::MAX, size: 0, ..plain.clone() },
        Register { size: u64::MAX, left: u64::MAX, pieces: u32::MAX, ..plain.clone() },
        Register { size: u64::MAX, left: 0, pieces: 0, ..plain.clone() },
        Register { uploaded: u64::MAX, downloaded: u64::MAX, ..plain.clone() },
        Register { port: 0, ..plain.clone() },
        Register { name: String::new(), ..plain.clone() },
        Register { name: "n".repeat(256), ..plain.clone() },
    ];
    for (n, case) in (0..).zip(cases) {
        let port = if case.port == 0 { 0 } else { 100 + n };
        let refused = port == 0 || case.name.is_empty() || case.name.len() > 255;
        let said = socket.say(Register { port, ..case.clone() });
        assert_eq!(matches!(said, Message::Error(_)), refused, "{case:?}: {said:?}");
    }
    for wanted in [0, 1, u16::MAX] {
        let info_hash = Bin([7; 32]);
        let request = Request { seq: 3, cookie, info_hash, port: 9, wanted, to: None };
        socket.send(&Packet::bare(request).datagram());
        let heard = socket.hear();
        let packet = Packet::from_datagram(&heard).unwrap();
        let given = swarmlet::protocol::tracker_native::read_peers(packet.body).unwrap().len();
        assert_eq!(given, usize::from(wanted).min(5), "wanted {wanted}");
    }
    let pages = ["/", "/stats.json", "/metrics", &format!("/swarm/{}", "07".repeat(32))];
    for page in pages.into_iter().chain([&*format!("/swarm/{}.json", "07".repeat(32))]) {
        assert!(http(tracker.addr, page).starts_with(b"HTTP/1.1 200 OK\r\n"), "{page}");
    }
    assert_eq!((figure(&tracker, "peers"), figure(&tracker, "seeders")), (5, 1));
}

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
