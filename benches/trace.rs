//! What a line of the trace costs: `cargo bench --bench trace`.
//!
//! A small table, best of five, in nanoseconds for each event; a microsecond is the budget.

use std::hint::black_box;
use std::time::{Duration, Instant};

use swarmlet::clock::Moment;
use swarmlet::ids::{InfoHashV1, PieceIndex, Span};
use swarmlet::logic::swarm::{Action, Decision};
use swarmlet::logic::{PeerKey, picker};
use swarmlet::protocol::{Dialect, message::Message};
use swarmlet::trace::{Event, Link, Said, write};

const EVENTS: usize = 100_000;

fn row(name: &str, event: &Event) {
    let mut out = String::new();
    let mut once = || {
        out.clear();
        let start = Instant::now();
        for micros in 0..EVENTS as u64 {
            let t = Moment::after(Duration::from_micros(12_000_000 + micros));
            write(black_box(&mut out), t, "127.0.0.1:6881", black_box(event));
        }
        start.elapsed().as_nanos() as f64 / EVENTS as f64
    };
    let best = (0..5).map(|_| once()).fold(f64::MAX, f64::min);
    println!("{name:<24} {best:>6.0} ns");
}

fn main() {
    let link =
        Link { conn: PeerKey(7), peer: ([127, 0, 0, 1], 6882).into(), dialect: Dialect::Native };
    let span = Span { piece: PieceIndex(1234), offset: 16384, length: 131_072 };
    let (get, have) = (Message::Get(span), Message::Have(span.piece));
    row("GET", &Event::Send { link, seq: 54_321, said: Said::Message(&get) });
    row("HAVE", &Event::Recv { link, seq: 54_321, said: Said::Message(&have) });
    row("CHUNK_DATA", &Event::Send { link, seq: 54_321, said: Said::Chunk(span) });
    let why = picker::Why::Rarest { availability: 3, ties: 17 };
    let action = Action::Decided(Decision::Pick(link.conn, span, why));
    let (torrent, peers) = (Some(InfoHashV1([0xab; 20])), |_| Some(link.peer));
    row("pick", &Event::Does { action: &action, torrent, peers: &peers });
    let say = Action::Say(link.conn, Message::Choke);
    row("what makes no line", &Event::Does { action: &say, torrent, peers: &peers });
}
