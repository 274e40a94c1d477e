//! Announces of made-up torrents, many and from many addresses: `cargo bench --bench flood`.
//!
//! ```text
//! flood [--tracker 127.0.0.1:PORT] [--count N] [--sources N] [--secs N]
//!       [--dialects udp,native,http] [--times N] [--p99 MS]
//! ```
//! Senders on 127.1.0.x announce random info-hashes, each `--times` times, in bursts of one dialect
//! after the other; native ones have names of 255 bytes. Meanwhile members of an honest swarm go on
//! announcing, and the time until each is answered is written down. It fails when one of a hundred
//! is answered later than `--p99`, or when the swarm has lost somebody. Without `--tracker` a
//! tracker with small tables runs in this process and the flood is short. Only 127.0.0.0/8 is sent
//! to.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use swarmlet::ids::{InfoHashV1, PeerId};
use swarmlet::protocol::announce::{Announce, Family};
use swarmlet::protocol::frame::Bin;
use swarmlet::protocol::tracker_http::AnnounceQuery;
use swarmlet::protocol::tracker_native::{Message, Packet, Register, hello};
use swarmlet::protocol::tracker_udp::{Answer, Head, Request};
use swarmlet::tracker::{Tracker, TrackerOptions};

/// Announces that one sender has under way.
const BURST: usize = 64;

/// Who does not answer for so long has lost what was asked.
const LOST: Duration = Duration::from_millis(200);

/// Bursts without any answer, one after the other, after which nobody is there.
const GIVEN_UP: usize = 20;

/// Members of the honest swarm.
const HONEST: u16 = 5;

/// How often one of them announces.
const HONEST_PAUSE: Duration = Duration::from_millis(2);

const HONEST_HASH: InfoHashV1 = InfoHashV1([7; 20]);

/// How a burst is announced.
#[derive(Clone, Copy)]
enum Dialect {
    Udp,
    Native,
    Http,
}

struct Plan {
    tracker: SocketAddr,
    count: usize,
    sources: u8,
    time: Duration,
    dialects: Vec<Dialect>,
    times: usize,
    p99: Duration,
}

fn dialects(words: &str) -> Option<Vec<Dialect>> {
    let dialect = |word| match word {
        "udp" => Some(Dialect::Udp),
        "native" => Some(Dialect::Native),
        "http" => Some(Dialect::Http),
        _ => None,
    };
    words.split(',').map(dialect).collect()
}

fn main() -> ExitCode {
    let mut plan = Plan {
        tracker: ([127, 0, 0, 1], 0).into(),
        count: 20_000,
        sources: 16,
        time: Duration::from_mins(5),
        dialects: vec![Dialect::Udp],
        times: 1,
        p99: LOST,
    };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(flag) = words.next() {
        let value = words.next().unwrap_or_default();
        let is_read = match flag.as_str() {
            "--tracker" => value.parse().map(|at| plan.tracker = at).is_ok(),
            "--count" => value.parse().map(|n| plan.count = n).is_ok(),
            "--sources" => value.parse().map(|n: u8| plan.sources = n.clamp(1, 250)).is_ok(),
            "--secs" => value.parse().map(|n| plan.time = Duration::from_secs(n)).is_ok(),
            "--times" => value.parse().map(|n: usize| plan.times = n.max(1)).is_ok(),
            "--p99" => value.parse().map(|n| plan.p99 = Duration::from_millis(n)).is_ok(),
            "--dialects" => dialects(&value).map(|all| plan.dialects = all).is_some(),
            _ => false,
        };
        if !is_read || !plan.tracker.ip().is_loopback() {
            eprintln!("flood: {flag} {value}: see the head of benches/flood.rs");
            return ExitCode::from(2);
        }
    }
    if plan.tracker.port() != 0 {
        return run(&plan);
    }
    let options = TrackerOptions {
        listen: plan.tracker,
        max_torrents: 5000,
        max_peers: 5000,
        ..TrackerOptions::default()
    };
    let mut tracker = Tracker::bind(options).expect("a port is free");
    let (plan, stopper) = (Plan { tracker: tracker.local_addr(), ..plan }, tracker.stopper());
    let thread = thread::spawn(move || tracker.run());
    let code = run(&plan);
    stopper.stop();
    thread.join().expect("the tracker ends").expect("in good order");
    code
}

fn run(plan: &Plan) -> ExitCode {
    let honest = Honest::gather(plan.tracker);
    let stop = AtomicBool::new(false);
    let (flooded, mut waits) = thread::scope(|scope| {
        let waits = scope.spawn(|| honest.go_on(&stop));
        let flooded = flood(plan);
        stop.store(true, Ordering::Relaxed);
        (flooded, waits.join().expect("the honest go on"))
    });
    let Flooded { sent, answered, took } = flooded;
    let rate = answered as f64 / took.as_secs_f64();
    println!("flood     {sent} announces sent, {answered} answered, {took:.1?}, {rate:.0}/s");
    waits.sort();
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).copied();
    let (half, most) = (at(0.5).unwrap_or(LOST), at(0.99).unwrap_or(LOST));
    let lost = waits.iter().filter(|wait| **wait >= LOST).count();
    println!("honest    {} announces, p50 {half:.1?}, p99 {most:.1?}, {lost} lost", waits.len());
    let others = honest.known_to_each();
    println!("afterwards each member is given {others} of {} others", HONEST - 1);
    let is_quick = most <= plan.p99;
    if !is_quick {
        println!("FAILED    p99 is more than {:.1?}", plan.p99);
    }
    let is_whole = others == usize::from(HONEST) - 1;
    if is_quick && is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Flooded {
    sent: usize,
    answered: usize,
    took: Duration,
}

/// Each sender in turn has its last burst's answers read and sends another one.
fn flood(plan: &Plan) -> Flooded {
    let mut rng = fastrand::Rng::with_seed(1);
    let addresses = (1..=plan.sources).map(|n| IpAddr::V4(Ipv4Addr::new(127, 1, 0, n)));
    let mut senders: Vec<Sender> = addresses.map(|ip| Sender::new(ip, plan)).collect();
    let (start, mut connected) = (Instant::now(), Instant::now());
    let (mut sent, mut answered, mut silent, mut bursts) = (0, 0, 0, 0);
    while sent < plan.count && start.elapsed() < plan.time {
        if connected.elapsed() > Duration::from_mins(1) {
            senders.iter_mut().for_each(|sender| sender.prove(plan));
            connected = Instant::now();
        }
        for sender in &mut senders {
            let burst = (BURST / plan.times).min((plan.count - sent).div_ceil(plan.times));
            let hashes: Vec<[u8; 32]> = (0..burst)
                .map(|_| {
                    let mut hash = [0; 32];
                    rng.fill(&mut hash);
                    hash
                })
                .collect();
            let dialect = plan.dialects[bursts % plan.dialects.len()];
            bursts += 1;
            let heard: usize = (0..plan.times).map(|_| sender.burst(dialect, &hashes)).sum();
            sent += burst * plan.times;
            answered += heard;
            silent = if heard == 0 { silent + 1 } else { 0 };
            if silent == GIVEN_UP {
                return Flooded { sent, answered, took: start.elapsed() };
            }
        }
    }
    Flooded { sent, answered, took: start.elapsed() }
}

/// Whoever sends made-up announces.
struct Sender {
    client: Client,
    ip: IpAddr,
    id: u64,
    cookie: Bin<8>,
    stream: Option<TcpStream>,
}

impl Sender {
    fn new(ip: IpAddr, plan: &Plan) -> Self {
        let client = Client::at(ip, plan.tracker);
        let mut sender = Self { client, ip, id: 0, cookie: Bin([0; 8]), stream: None };
        sender.prove(plan);
        sender
    }

    /// Shows that it receives at its address, in the dialects that want that.
    fn prove(&mut self, plan: &Plan) {
        let speaks = |wanted: fn(&Dialect) -> bool| plan.dialects.iter().any(wanted);
        if speaks(|dialect| matches!(dialect, Dialect::Udp)) {
            self.id = self.client.connect();
        }
        if speaks(|dialect| matches!(dialect, Dialect::Native)) {
            self.cookie = self.client.cookie();
        }
    }

    /// Announces these once; how many answers came.
    fn burst(&mut self, dialect: Dialect, hashes: &[[u8; 32]]) -> usize {
        let short = |hash: &[u8; 32]| InfoHashV1(*hash.first_chunk().expect("20 of 32 bytes"));
        match dialect {
            Dialect::Udp => {
                hashes
                    .iter()
                    .for_each(|hash| self.client.send(self.id, &announce(short(hash), 6881)));
                self.client.answers(hashes.len())
            }
            Dialect::Native => {
                let name = "n".repeat(255);
                for hash in hashes {
                    let register = Register {
                        seq: 1,
                        cookie: self.cookie,
                        info_hash: Bin(*hash),
                        peer_id: Bin([1; 20]),
                        port: 6881,
                        name: name.clone(),
                        size: 1 << 30,
                        pieces: 1000,
                        left: 1 << 30,
                        uploaded: 0,
                        downloaded: 0,
                        bittorrent: true,
                    };
                    let _ = self.client.socket.send(&Packet::bare(register).datagram());
                }
                self.client.answers(hashes.len())
            }
            Dialect::Http => {
                let question = |hash| {
                    let announce = Announce::new(short(hash), PeerId([1; 20]), 6881);
                    let query = AnnounceQuery::new(Announce { left: 5, ..announce }).query();
                    format!("GET /announce?{query} HTTP/1.1\r\nHost: t\r\n\r\n")
                };
                let questions: String = hashes.iter().map(question).collect();
                self.over_http(&questions, hashes.len())
            }
        }
    }

    /// Asks in a pipeline, over a connection that is kept.
    fn over_http(&mut self, questions: &str, count: usize) -> usize {
        let kept = self.stream.take().or_else(|| self.call().ok());
        let Some(mut stream) = kept else { return 0 };
        if stream.write_all(questions.as_bytes()).is_err() {
            return 0;
        }
        let (mut heard, mut part) = (Vec::new(), [0; 16 * 1024]);
        let answers = |heard: &[u8]| heard.windows(9).filter(|text| text == b"HTTP/1.1 ").count();
        let is_whole = |heard: &[u8]| answers(heard) == count && heard.ends_with(b"e");
        while !is_whole(&heard) {
            match stream.read(&mut part) {
                Ok(length @ 1..) => heard.extend_from_slice(&part[..length]),
                _ => return answers(&heard),
            }
        }
        self.stream = Some(stream);
        count
    }

    fn call(&self) -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(self.ip, 0).into())?;
        socket.connect(&self.client.socket.peer_addr()?.into())?;
        socket.set_read_timeout(Some(LOST))?;
        Ok(socket.into())
    }
}

fn announce(hash: InfoHashV1, port: u16) -> Request {
    let announce = Announce { left: 5, ..Announce::new(hash, PeerId([1; 20]), port) };
    Request::Announce { announce, url_data: Vec::new() }
}

/// One end of a conversation with the tracker.
struct Client {
    socket: UdpSocket,
}

impl Client {
    fn at(ip: IpAddr, tracker: SocketAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("an address of the loopback");
        socket.connect(tracker).expect("the loopback");
        socket.set_read_timeout(Some(LOST)).expect("a timeout");
        Self { socket }
    }

    fn send(&self, connection_id: u64, request: &Request) {
        let mut question = Vec::with_capacity(98);
        request.put(Head { connection_id, transaction_id: 1 }, &mut question);
        // A tracker that is gone is seen by the answers that are missing.
        let _ = self.socket.send(&question);
    }

    /// Reads up to so many answers, until one is lost.
    fn answers(&self, count: usize) -> usize {
        let mut answer = [0; 2048];
        (0..count).take_while(|_| self.socket.recv(&mut answer).is_ok()).count()
    }

    fn ask(&self, connection_id: u64, request: &Request) -> Option<Answer> {
        self.send(connection_id, request);
        let mut answer = [0; 2048];
        match self.socket.recv(&mut answer) {
            Ok(length) => {
                Answer::read(&answer[..length], Family::V4).ok().map(|(_, answer)| answer)
            }
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
                // Its socket is closed; it may be gone for good.
                thread::park_timeout(LOST);
                None
            }
            Err(_) => None,
        }
    }

    fn connect(&self) -> u64 {
        let granted = (0..25).find_map(|_| match self.ask(0, &Request::Connect) {
            Some(Answer::Connect { connection_id }) => Some(connection_id),
            _ => None,
        });
        granted.expect("the tracker answers within five seconds")
    }

    fn cookie(&self) -> Bin<8> {
        let mut answer = [0; 2048];
        let granted = (0..25).find_map(|_| {
            let _ = self.socket.send(&hello(1));
            let length = self.socket.recv(&mut answer).ok()?;
            match Packet::from_datagram(&answer[..length]).ok()?.message {
                Message::Cookie(cookie) => Some(cookie.cookie),
                _ => None,
            }
        });
        granted.expect("the tracker answers within five seconds")
    }
}

/// The members of a swarm that was there before.
struct Honest {
    client: Client,
}

impl Honest {
    /// Everybody announces twice, and so has been heard of again.
    fn gather(tracker: SocketAddr) -> Self {
        let honest = Self { client: Client::at(Ipv4Addr::LOCALHOST.into(), tracker) };
        let id = honest.client.connect();
        for port in (1..=HONEST).chain(1..=HONEST) {
            let answer = honest.client.ask(id, &announce(HONEST_HASH, port));
            assert!(matches!(answer, Some(Answer::Announce { .. })), "{answer:?}");
        }
        honest
    }

    /// Goes on announcing; how long each answer took, at most [`LOST`].
    fn go_on(&self, stop: &AtomicBool) -> Vec<Duration> {
        let client = Client::at(
            Ipv4Addr::LOCALHOST.into(),
            self.client.socket.peer_addr().expect("connected"),
        );
        let (mut id, mut connected) = (client.connect(), Instant::now());
        let mut waits = Vec::new();
        for port in (1..=HONEST).cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if connected.elapsed() > Duration::from_mins(1) {
                (id, connected) = (client.connect(), Instant::now());
            }
            let asked = Instant::now();
            let answer = client.ask(id, &announce(HONEST_HASH, port));
            waits.push(if answer.is_some() { asked.elapsed() } else { LOST });
            thread::park_timeout(HONEST_PAUSE);
        }
        waits
    }

    /// The fewest other members that any member is given.
    fn known_to_each(&self) -> usize {
        let id = self.client.connect();
        let known =
            (1..=HONEST).map(|port| match self.client.ask(id, &announce(HONEST_HASH, port)) {
                Some(Answer::Announce { peers, .. }) => peers.len(),
                _ => 0,
            });
        known.min().unwrap_or(0)
    }
}
