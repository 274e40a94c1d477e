//! How long the tracker's loop is busy with one page: `cargo bench --bench pages`.
//!
//! A hundred thousand torrents, and one with a full page of large bitmaps; best and worst of
//! fifty, in microseconds. The budget is a thousand: announces wait meanwhile.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Moment;
use swarmlet::protocol::frame::Bin;
use swarmlet::protocol::tracker_native::{Have, Message, Packet, Register, hello};
use swarmlet::tracker::TrackerOptions;
use swarmlet::tracker::pages::Page;
use swarmlet::tracker::state::{Asker, State, Upload};

const TORRENTS: u32 = 100_000;

/// Peers of the large swarm, and its pieces.
const PEERS: u32 = 200;
const PIECES: u32 = 20_000;

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

fn ask(state: &mut State, from: SocketAddr, datagram: &[u8]) -> Message {
    let mut out = Vec::new();
    state.on_datagram(at(1), from, datagram, &mut out);
    Packet::from_datagram(&out).expect("an answer").message
}

/// A peer of a torrent whose info-hash begins with a number.
fn join(state: &mut State, torrent: u32, peer: u32, pieces: u32) {
    let from = SocketAddr::from(((0x0a00_0000 + peer).to_be_bytes(), 4000));
    let Message::Cookie(granted) = ask(state, from, &hello(1)) else { panic!("a cookie") };
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&torrent.to_be_bytes());
    let register = Register {
        seq: 1,
        cookie: granted.cookie,
        info_hash: Bin(hash),
        peer_id: Bin([1; 20]),
        port: 6881,
        name: format!("file-{torrent:06}.bin"),
        size: 1 << 30,
        pieces,
        left: 5,
        uploaded: 0,
        downloaded: 0,
        bittorrent: false,
    };
    let answer = ask(state, from, &Packet::bare(register).datagram());
    assert!(matches!(answer, Message::Ack(_)), "{answer:?}");
    let bits = Bitfield::from_bytes(&vec![0xaa; pieces as usize / 8], pieces).expect("it fits");
    let have = Have { info_hash: Bin(hash), peer_id: Bin([1; 20]), port: 6881, pieces };
    let asker = Asker { remote: from.ip(), local: from.ip() };
    let packet = Packet::new(have, bits.as_bytes());
    state.on_frame(at(1), asker, &packet, &mut Upload::None, &mut Vec::new());
}

fn row(state: &mut State, name: &str, target: &str) {
    let mut once = || {
        let start = Instant::now();
        let page = Page::at(target, at(2), state);
        assert_eq!(page.status, 200, "{target}");
        (start.elapsed().as_micros(), page.body.len())
    };
    let all: Vec<_> = (0..50).map(|_| once()).collect();
    let (best, length) = all.iter().min().expect("fifty");
    let worst = all.iter().max().expect("fifty").0;
    println!("{name:<22} {best:>6} us best {worst:>6} us worst {length:>8} bytes");
}

fn main() {
    let mut state =
        State::new(TrackerOptions { max_torrents: 200_000, ..TrackerOptions::default() });
    for torrent in 1..TORRENTS {
        join(&mut state, torrent, 1 + torrent % 1000, 80);
    }
    for peer in 1..=PEERS {
        join(&mut state, 0, peer, PIECES);
    }
    row(&mut state, "the first page", "/");
    row(&mut state, "one in the middle", &format!("/?after=0000c350{}", "0".repeat(56)));
    row(&mut state, "a large swarm", &format!("/swarm/{}", "0".repeat(64)));
    row(&mut state, "the same as JSON", &format!("/swarm/{}.json", "0".repeat(64)));
    row(&mut state, "figures", "/stats.json");
    row(&mut state, "metrics", "/metrics");
}
