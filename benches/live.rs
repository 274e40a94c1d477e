//! How long the tracker's loop is busy with those who watch: `cargo bench --bench live`.
//!
//! A thousand swarms, and one of a thousand peers with 10,000 pieces each, who all tell whom they
//! serve. The first table is pages and events alone, best and worst of fifty. The second is turns of
//! a running loop with heartbeats, 32 watchers and pages, in microseconds; the budget is a thousand.
//! The worst is what the system lets other programs do meanwhile, too: the best and the shares of
//! the slowest turns say more on a machine that is busy.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Moment;
use swarmlet::ids::{InfoHash, InfoHashV1, InfoHashV2, PeerId};
use swarmlet::node::trackers::calls;
use swarmlet::protocol::frame::Bin;
use swarmlet::protocol::tracker_native::{
    Beat, Have, Keepalive, LinkStanding, Links, Message, Packet, PeerLink, Register, hello,
    put_beat, put_link,
};
use swarmlet::tracker::live::Scene;
use swarmlet::tracker::pages::Page;
use swarmlet::tracker::state::{Asker, State, Upload};
use swarmlet::tracker::{Tracker, TrackerOptions};

/// Swarms of one peer each.
const SWARMS: u16 = 1000;

/// Peers of the large swarm, its pieces and how many each of its peers serves.
const PEERS: u16 = 1000;
const PIECES: u32 = 10_000;
const SERVED: u16 = 20;

/// Those who watch the running loop.
const WATCHERS: usize = 32;

/// How long each phase of it lasts.
const PHASE: Duration = Duration::from_secs(10);

const LARGE: [u8; 32] = [0; 32];

fn hash(swarm: u16) -> [u8; 32] {
    let mut hash = LARGE;
    hash[..2].copy_from_slice(&swarm.to_be_bytes());
    hash
}

fn register(cookie: Bin<8>, swarm: u16, port: u16) -> Vec<u8> {
    let message = Register {
        seq: 1,
        cookie,
        info_hash: Bin(hash(swarm)),
        peer_id: Bin([1; 20]),
        port,
        name: format!("a file with a name of the usual length, {swarm:04}.bin"),
        size: 1 << 30,
        pieces: PIECES,
        left: 5,
        uploaded: 0,
        downloaded: 0,
        bittorrent: true,
    };
    Packet::bare(message).datagram()
}

fn links(cookie: Bin<8>, port: u16) -> Vec<u8> {
    let mut body = Vec::new();
    for n in 1..=64 {
        let to = SocketAddr::from(([127, 0, 0, 1], 10_000 + (port - 10_000 + n * 7) % PEERS));
        let standing = if n <= SERVED { LinkStanding::Served } else { LinkStanding::Choked };
        put_link(&mut body, &PeerLink { to, rate: 123_456, standing });
    }
    Packet::new(Links { cookie, info_hash: Bin(LARGE), port }, &body).datagram()
}

fn bits() -> Bitfield {
    Bitfield::from_bytes(&vec![0xaa; PIECES as usize / 8], PIECES).expect("it fits")
}

/// All that the tracker is told, by a way to ask it something and one to give it a bitmap.
fn fill(mut ask: impl FnMut(&[u8], bool) -> Option<Message>, mut have: impl FnMut(u16)) -> Bin<8> {
    let Some(Message::Cookie(granted)) = ask(&hello(1), true) else { panic!("a cookie") };
    for swarm in 1..=SWARMS {
        ask(&register(granted.cookie, swarm, 9000), true);
    }
    for port in 10_000..10_000 + PEERS {
        ask(&register(granted.cookie, 0, port), true);
        have(port);
        ask(&links(granted.cookie, port), false);
    }
    granted.cookie
}

fn row(name: &str, mut once: impl FnMut() -> usize) {
    let mut all = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        let length = once();
        all.push((start.elapsed().as_micros(), length));
    }
    let (best, length) = all.iter().min().expect("fifty");
    let worst = all.iter().max().expect("fifty").0;
    println!("{name:<26} {best:>6} us best {worst:>6} us worst {length:>8} bytes");
}

fn options() -> TrackerOptions {
    TrackerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        expire: Duration::from_hours(1),
        dashboard: true,
        ..TrackerOptions::default()
    }
}

fn pages_and_events() {
    let state = Mutex::new(State::new(options()));
    let from = SocketAddr::from(([127, 0, 0, 1], 4000));
    let ask = |datagram: &[u8], _: bool| {
        let mut out = Vec::new();
        state.lock().expect("one thread").on_datagram(Moment::START, from, datagram, &mut out);
        Packet::from_datagram(&out).ok().map(|packet| packet.message)
    };
    let have = |port| {
        let header = Have { info_hash: Bin(LARGE), peer_id: Bin([1; 20]), port, pieces: PIECES };
        let asker = Asker { remote: from.ip(), local: from.ip() };
        let bits = bits();
        let packet = Packet::new(header, bits.as_bytes());
        let mut state = state.lock().expect("one thread");
        state.on_frame(Moment::START, asker, &packet, &mut Upload::None, &mut Vec::new());
    };
    fill(ask, have);
    let mut state = state.into_inner().expect("one thread");
    let large = format!("/swarm/{}", "0".repeat(64));
    row("the first page", || Page::at("/", Moment::START, &mut state).body.len());
    row("a swarm's page", || Page::at(&large, Moment::START, &mut state).body.len());
    let mut seconds = 0;
    for (name, scene) in [
        ("the tracker, live", Scene::Tracker),
        ("a swarm, live", Scene::Swarm(InfoHash::V2(InfoHashV2(LARGE)))),
    ] {
        let (id, _) = state.on_watcher(Moment::START, scene).expect("there is room");
        row(name, || {
            seconds += 1;
            let now = Moment::after(Duration::from_secs(seconds));
            let event = state.next_event(now).expect("one a second");
            state.on_tick(now, 0);
            event.text.len()
        });
        state.on_watcher_left(id);
    }
}

/// The turns of one phase.
fn report(name: &str, turns: &Mutex<Vec<Duration>>) {
    let mut turns = std::mem::take(&mut *turns.lock().expect("no panic"));
    turns.sort_unstable();
    let share = |permille: usize| turns[(turns.len() - 1) * permille / 1000].as_micros();
    let over = turns.iter().filter(|turn| **turn > Duration::from_millis(1)).count();
    println!(
        "{name:<26} {:>7} turns: {:>5} us half {:>5} us 99 % {:>5} us 99.9 % {:>5} us longest, {over} over 1 ms",
        turns.len(),
        share(500),
        share(990),
        share(999),
        share(1000),
    );
}

/// Reads whatever comes until the end.
fn watch(at: SocketAddr, target: &str) {
    let mut socket = TcpStream::connect(at).expect("the tracker listens");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("it is taken");
    thread::spawn(move || {
        let mut block = vec![0; 1 << 20];
        while socket.read(&mut block).is_ok_and(|n| n > 0) {}
    });
}

fn running_loop() {
    let mut tracker = Tracker::bind(options()).expect("a port");
    let (at, stopper) = (tracker.local_addr(), tracker.stopper());
    let turns = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&turns);
    let running = thread::spawn(move || {
        tracker.run_timed(|turn| {
            let start = Instant::now();
            turn();
            noted.lock().expect("no panic").push(start.elapsed());
        })
    });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(at).expect("an address");
    let mut scratch = [0; 1500];
    let ask = |datagram: &[u8], answered: bool| {
        socket.send(datagram).expect("it goes");
        if !answered {
            return None;
        }
        let length = socket.recv(&mut scratch).expect("an answer");
        Packet::from_datagram(&scratch[..length]).ok().map(|packet| packet.message)
    };
    let have = |port| {
        let (hash, id) = (InfoHashV2(LARGE), PeerId([1; 20]));
        calls::send_have(at, None, hash, id, port, &bits()).expect("it is taken");
    };
    let cookie = fill(ask, have);
    turns.lock().expect("no panic").clear();
    let stop = Arc::new(AtomicBool::new(false));
    let beating = thread::spawn({
        let stop = Arc::clone(&stop);
        move || beat(&socket, cookie, &stop)
    });
    thread::sleep(PHASE);
    report("heartbeats", &turns);
    for n in 0..WATCHERS {
        match n % 4 {
            0 => watch(at, "/live"),
            1 => watch(at, &format!("/live?swarm={}", "0".repeat(64))),
            _ => watch(at, &format!("/live?swarm={:0<64}", format!("{n:04x}"))),
        }
    }
    thread::sleep(PHASE);
    report("and 32 watchers", &turns);
    let end = Instant::now() + PHASE;
    while Instant::now() < end {
        for target in ["/", &format!("/swarm/{}", "0".repeat(64))] {
            let mut socket = TcpStream::connect(at).expect("the tracker listens");
            let close = "Host: localhost\r\nConnection: close\r\n";
            write!(socket, "GET {target} HTTP/1.1\r\n{close}\r\n").expect("it is taken");
            socket.read_to_end(&mut Vec::new()).expect("a page");
        }
        thread::sleep(Duration::from_millis(50));
    }
    report("and pages", &turns);
    stop.store(true, Ordering::SeqCst);
    beating.join().expect("no panic");
    stopper.stop();
    running.join().expect("no panic").expect("it ran");
}

/// The heartbeats and links of all peers, once a second.
fn beat(socket: &UdpSocket, cookie: Bin<8>, stop: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    let mut body = Vec::new();
    let info_hash = InfoHashV1([0; 20]);
    put_beat(&mut body, &Beat { info_hash, left: 5, down: 1, up: 2, news: Vec::new() });
    while !stop.load(Ordering::SeqCst) {
        let round = Instant::now();
        for port in 10_000..10_000 + PEERS {
            let message = Keepalive { seq: 1, cookie, port };
            socket.send(&Packet::new(message, &body).datagram()).expect("it goes");
            socket.send(&links(cookie, port)).expect("it goes");
            let _ = socket.recv(&mut [0; 1500]);
        }
        thread::sleep(Duration::from_secs(1).saturating_sub(round.elapsed()));
    }
}

fn main() {
    pages_and_events();
    running_loop();
}
