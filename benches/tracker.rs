//! What the tracker can take: `cargo bench --bench tracker -- [ADDRESS] [OPTIONS]`.
//!
//! ```text
//! -- 127.0.0.1:6969 --secs 4 --torrents 1000 --outstanding 512    announces/s, latency
//! -- 127.0.0.1:6969 --populate 1000000 --torrents 1000            that many distinct peers
//! -- 127.0.0.1:6969 --http --outstanding 32                       the same over HTTP
//! -- --responder 127.0.0.1:6969                                   the ceiling: no state at all
//! -- --hashes 1000                                                a whitelist of its torrents
//! ```
//! Without an address a tracker of our own is started and each is measured for half a second;
//! both share the machine then, which is a smoke test and no measurement. Announces come from a
//! few addresses of 127.1.0.0/16 with random torrents and ports. So many are outstanding at any
//! time; one without an answer for 200 ms is lost, and when populating is said again.
//! Every answer is checked: its transaction, its length, and that the figures hold the asker.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use swarmlet::ids::{InfoHashV1, PeerId};
use swarmlet::protocol::announce::{Announce, Event};
use swarmlet::protocol::tracker_http::AnnounceQuery;
use swarmlet::protocol::tracker_udp::{Head, Request};
use swarmlet::tracker::{Tracker, TrackerOptions};

/// Datagrams sent or received by one call.
const BATCH: usize = 64;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// The kernel's room for datagrams.
const BUFFER: usize = 4 << 20;

/// The first address that announces come from.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);

/// Ports that peers claim to listen on.
const PORTS: std::ops::Range<u64> = 1024..65_024;

/// Latencies are counted by microseconds up to this.
const SLOWEST: usize = 1_000_000;

struct Options {
    tracker: Option<SocketAddrV4>,
    secs: f64,
    torrents: u64,
    outstanding: usize,
    addresses: usize,
    populate: u64,
    wanted: u32,
    http: bool,
}

fn main() {
    let mut options = Options {
        tracker: None,
        secs: 4.0,
        torrents: 1,
        outstanding: 512,
        addresses: 4,
        populate: 0,
        wanted: 50,
        http: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("an option has a value");
        let number = |text: String| text.parse::<u64>().expect("a whole number");
        match word.as_str() {
            "--bench" => {}
            "--http" => options.http = true,
            "--secs" => options.secs = value().parse().expect("seconds"),
            "--torrents" => options.torrents = number(value()).max(1),
            "--outstanding" => options.outstanding = number(value()) as usize,
            "--addresses" => options.addresses = (number(value()) as usize).max(1),
            "--populate" => options.populate = number(value()),
            "--wanted" => options.wanted = number(value()) as u32,
            "--responder" => return respond(value().parse().expect("an address and a port")),
            "--hashes" => return (0..number(value())).for_each(|n| println!("{}", info_hash(n))),
            address => options.tracker = Some(address.parse().expect("an address and a port")),
        }
    }
    match options.tracker {
        Some(tracker) => println!("{}", measure(&options, tracker)),
        None => smoke_test(options),
    }
}

/// Half a second of each against a tracker of our own.
fn smoke_test(mut options: Options) {
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let mut tracker =
        Tracker::bind(TrackerOptions { listen, ..TrackerOptions::default() }).expect("a free port");
    let SocketAddr::V4(addr) = tracker.local_addr() else { unreachable!("bound to IPv4") };
    let stopper = tracker.stopper();
    let running = std::thread::spawn(move || tracker.run());
    options.secs = 0.5;
    for torrents in [1, 1000] {
        options.torrents = torrents;
        options.http = false;
        println!("UDP, {torrents} torrents: {}", measure(&options, addr));
        options.http = true;
        println!("HTTP, {torrents} torrents: {}", measure(&options, addr));
    }
    stopper.stop();
    running.join().expect("no panic").expect("the tracker ends in order");
}

fn measure(options: &Options, tracker: SocketAddrV4) -> Report {
    if options.http { http(options, tracker) } else { Load::new(options, tracker).run() }
}

/// What came of it.
struct Report {
    time: Duration,
    answered: u64,
    wrong: u64,
    lost: u64,
    peers: u64,
    by_micros: Vec<u32>,
}

impl Report {
    fn new() -> Self {
        let by_micros = vec![0; SLOWEST + 1];
        Self { time: Duration::ZERO, answered: 0, wrong: 0, lost: 0, peers: 0, by_micros }
    }

    fn answered(&mut self, since: Instant, peers: usize) {
        self.answered += 1;
        self.peers += peers as u64;
        self.by_micros[(since.elapsed().as_micros() as usize).min(SLOWEST)] += 1;
    }

    /// The microseconds in which this share of the answers came.
    fn quantile(&self, share: f64) -> usize {
        let mut left = (share * self.answered as f64) as u64;
        let is_last = |n: &u32| {
            let here = u64::from(*n);
            let last = here > left;
            left = left.saturating_sub(here);
            last
        };
        self.by_micros.iter().position(is_last).unwrap_or(SLOWEST)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.0} responses/s  p50 {} us  p99 {} us  lost {}  wrong {}  {:.1} peers each",
            self.answered as f64 / self.time.as_secs_f64(),
            self.quantile(0.5),
            self.quantile(0.99),
            self.lost,
            self.wrong,
            self.peers as f64 / self.answered.max(1) as f64,
        )
    }
}

/// An announce on its way.
#[derive(Clone, Copy)]
struct Asked {
    transaction: u32,
    at: Instant,
    peer: Peer,
}

#[derive(Clone, Copy)]
struct Peer {
    torrent: u64,
    port: u16,
}

/// One source address and its announces.
struct Source {
    socket: UdpSocket,
    connection_id: u64,
    asked: Vec<Option<Asked>>,
    /// Peers still to be announced when populating.
    left: std::ops::Range<u64>,
    again: Vec<Peer>,
}

/// The load by UDP.
struct Load<'a> {
    options: &'a Options,
    rng: fastrand::Rng,
    transaction: u32,
    report: Report,
    questions: Vec<Vec<u8>>,
    answers: Box<[[u8; 2048]]>,
    headers: MultiHeaders<SockaddrIn>,
    sources: Vec<Source>,
}

impl<'a> Load<'a> {
    fn new(options: &'a Options, tracker: SocketAddrV4) -> Self {
        let addresses = options.addresses as u64;
        let source = |n: u64| {
            let ip = Ipv4Addr::from(u32::from(FIRST) + n as u32);
            let socket = UdpSocket::bind((ip, 0)).expect("an address of 127.0.0.0/8");
            socket.connect(tracker).expect("a route to the loopback");
            let buffers = socket2::SockRef::from(&socket);
            buffers.set_recv_buffer_size(BUFFER).expect("a buffer");
            buffers.set_send_buffer_size(BUFFER).expect("a buffer");
            Source {
                connection_id: connect(&socket),
                socket,
                asked: vec![None; options.outstanding.div_ceil(options.addresses)],
                left: options.populate * n / addresses..options.populate * (n + 1) / addresses,
                again: Vec::new(),
            }
        };
        Self {
            sources: (0..addresses).map(source).collect(),
            options,
            rng: fastrand::Rng::with_seed(1),
            transaction: 0,
            report: Report::new(),
            questions: (0..BATCH).map(|_| Vec::with_capacity(128)).collect(),
            answers: vec![[0; 2048]; BATCH].into(),
            headers: MultiHeaders::preallocate(BATCH, None),
        }
    }

    fn run(mut self) -> Report {
        let start = Instant::now();
        let mut sources = std::mem::take(&mut self.sources);
        while !self.is_over(start, &sources) {
            for source in &mut sources {
                while self.ask(source) == BATCH {}
                self.hear(source);
            }
        }
        self.report.time = start.elapsed();
        self.report
    }

    fn is_over(&self, start: Instant, sources: &[Source]) -> bool {
        if self.options.populate == 0 {
            return start.elapsed().as_secs_f64() >= self.options.secs;
        }
        let is_done = |source: &Source| {
            source.left.is_empty()
                && source.again.is_empty()
                && source.asked.iter().all(Option::is_none)
        };
        sources.iter().all(is_done)
    }

    /// Sends a batch of announces into the free places; says how many.
    fn ask(&mut self, source: &mut Source) -> usize {
        let now = Instant::now();
        let mut filled = 0;
        for place in 0..source.asked.len() {
            if filled == BATCH {
                break;
            }
            if let Some(asked) = source.asked[place] {
                if now - asked.at < PATIENCE {
                    continue;
                }
                self.report.lost += 1;
                if self.options.populate > 0 {
                    source.again.push(asked.peer);
                }
                source.asked[place] = None;
            }
            let Some(peer) = self.next_peer(source) else { continue };
            self.transaction = self.transaction.wrapping_add(1 << 14);
            let transaction = self.transaction & !0x3fff | place as u32;
            source.asked[place] = Some(Asked { transaction, at: now, peer });
            let head = Head { connection_id: source.connection_id, transaction_id: transaction };
            let announce = announce(peer, self.options.wanted);
            let request = Request::Announce { announce, url_data: Vec::new() };
            self.questions[filled].clear();
            request.put(head, &mut self.questions[filled]);
            filled += 1;
        }
        let mut sent = 0;
        while sent < filled {
            let part = |n: usize| [IoSlice::new(self.questions.get(sent + n).map_or(&[], |q| q))];
            let parts: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(part);
            let (fd, parts) = (source.socket.as_raw_fd(), parts[..filled - sent].iter());
            let nowhere = [None::<SockaddrIn>; BATCH];
            let flags = MsgFlags::empty();
            let done = sendmmsg(fd, &mut self.headers, parts, nowhere, [], flags);
            sent += done.expect("the loopback takes datagrams").count();
        }
        filled
    }

    fn next_peer(&mut self, source: &mut Source) -> Option<Peer> {
        let torrents = self.options.torrents;
        if self.options.populate == 0 {
            let port = self.rng.u64(PORTS) as u16;
            return Some(Peer { torrent: self.rng.u64(..torrents), port });
        }
        source.again.pop().or_else(|| {
            let n = source.left.next()?;
            let port = PORTS.start + n / torrents % (PORTS.end - PORTS.start);
            Some(Peer { torrent: n % torrents, port: port as u16 })
        })
    }

    /// Takes in a batch of answers, if there are any.
    fn hear(&mut self, source: &mut Source) {
        let mut parts = self.answers.as_mut_array::<BATCH>().expect("a batch").each_mut();
        let mut parts = parts.each_mut().map(|part| [IoSliceMut::new(&mut part[..])]);
        let (fd, flags) = (source.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let heard = recvmmsg(fd, &mut self.headers, parts.iter_mut(), flags, None);
        let Ok(heard) = heard else { return };
        let mut lengths = [0; BATCH];
        let count = heard.zip(&mut lengths).map(|(one, length)| *length = one.bytes).count();
        for (answer, &length) in self.answers.iter().zip(&lengths[..count]) {
            let answer = &answer[..length];
            let number = |n: usize| answer.get(4 * n..4 * n + 4).map_or(0, be);
            let place = number(1) as usize & 0x3fff;
            let Some(asked) = source.asked.get(place).copied().flatten() else { continue };
            if asked.transaction != number(1) {
                continue;
            }
            source.asked[place] = None;
            let is_right = number(0) == 1
                && length >= 20
                && (length - 20).is_multiple_of(6)
                && number(3) + number(4) > 0;
            if is_right {
                self.report.answered(asked.at, (length - 20) / 6);
            } else {
                if self.report.wrong == 0 {
                    eprintln!("a wrong answer: {}", String::from_utf8_lossy(answer));
                }
                self.report.wrong += 1;
                source.again.push(asked.peer);
            }
        }
    }
}

/// A connection id, or the end.
fn connect(socket: &UdpSocket) -> u64 {
    let mut question = Vec::new();
    Request::Connect.put(Head { connection_id: 0, transaction_id: 7 }, &mut question);
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answer = [0; 64];
    for _ in 0..50 {
        let _ = socket.send(&question);
        if let Ok(16) = socket.recv(&mut answer)
            && answer[..8] == [0, 0, 0, 0, 0, 0, 0, 7]
        {
            return u64::from_be_bytes(answer[8..16].try_into().expect("8 bytes"));
        }
    }
    panic!("nobody answers a connect");
}

fn announce(peer: Peer, wanted: u32) -> Announce {
    let mut id = *b"-LD0001-............";
    id[8..16].copy_from_slice(&mixed(peer.port.into()).to_be_bytes());
    let seeds = mixed(peer.torrent << 16 | u64::from(peer.port)).is_multiple_of(2);
    Announce {
        left: if seeds { 0 } else { 1 << 20 },
        event: Event::Started,
        numwant: Some(wanted),
        ..Announce::new(info_hash(peer.torrent), PeerId(id), peer.port)
    }
}

fn info_hash(n: u64) -> InfoHashV1 {
    let words = [1, 2, 3].map(|salt| mixed(n << 2 | salt).to_be_bytes());
    InfoHashV1(words.concat()[..20].try_into().expect("20 of 24 bytes"))
}

/// A number that looks random (splitmix64).
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn be(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("4 bytes"))
}

/// Announces over connections that are kept, each with one question at a time.
fn http(options: &Options, tracker: SocketAddrV4) -> Report {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut report = Report::new();
    let dial = |_| TcpStream::connect(tracker).expect("the tracker takes connections");
    let mut streams: Vec<TcpStream> = (0..options.outstanding.min(32)).map(dial).collect();
    let mut buffer = vec![0; 64 * 1024];
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < options.secs {
        let asked = Instant::now();
        for stream in &mut streams {
            let (torrent, port) = (rng.u64(..options.torrents), rng.u64(PORTS) as u16);
            let query = AnnounceQuery::new(announce(Peer { torrent, port }, options.wanted));
            let head = format!("GET /announce?{} HTTP/1.1\r\nHost: t\r\n\r\n", query.query());
            stream.write_all(head.as_bytes()).expect("the tracker reads");
        }
        for stream in &mut streams {
            let length = stream.read(&mut buffer).expect("the tracker answers");
            let answer = &buffer[..length];
            let is_right = answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"e");
            if is_right {
                report.answered(asked, 0);
            } else {
                report.wrong += 1;
            }
        }
    }
    report.time = start.elapsed();
    report
}

/// Answers everything with the same fifty peers: what the sockets alone allow on this machine.
fn respond(listen: SocketAddrV4) {
    let socket = UdpSocket::bind(listen).expect("a free port");
    let buffers = socket2::SockRef::from(&socket);
    buffers.set_recv_buffer_size(BUFFER).expect("a buffer");
    buffers.set_send_buffer_size(BUFFER).expect("a buffer");
    let mut questions = [[0; 256]; BATCH];
    let mut answers = vec![[1; 320]; BATCH];
    let mut receiving = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut sending = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let fd = socket.as_raw_fd();
    loop {
        let mut askers = [None; BATCH];
        let mut lengths = [0; BATCH];
        let mut parts = questions.each_mut().map(|part| [IoSliceMut::new(&mut part[..])]);
        let flags = MsgFlags::MSG_WAITFORONE;
        let Ok(heard) = recvmmsg(fd, &mut receiving, parts.iter_mut(), flags, None) else {
            continue;
        };
        let mut count = 0;
        for one in heard {
            (askers[count], lengths[count]) = (one.address, one.bytes);
            count += 1;
        }
        for n in 0..count {
            let is_connect = lengths[n] == 16;
            answers[n][..4].copy_from_slice(&u32::from(!is_connect).to_be_bytes());
            answers[n][4..8].copy_from_slice(&questions[n][12..16]);
            lengths[n] = if is_connect { 16 } else { 320 };
        }
        let part = |n: usize| [IoSlice::new(&answers[n][..lengths[n]])];
        let parts: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(part);
        let flags = MsgFlags::empty();
        let _ = sendmmsg(fd, &mut sending, parts[..count].iter(), askers, [], flags);
    }
}
