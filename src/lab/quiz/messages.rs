//! Questions on connections, caches and messages: utilisation, pipelining, hit ratios, lengths.

use super::{Question, pick, show};
use fastrand::Rng;

/// Bytes of a block.
const BLOCK: f64 = 16384.0;

/// A connection: Mbit/s and ms.
struct Path {
    rate: f64,
    rtt: f64,
}

impl Path {
    fn of(dice: &mut Rng) -> Self {
        Self {
            rate: pick(dice, &[5.0, 10.0, 20.0, 50.0, 100.0]),
            rtt: pick(dice, &[10.0, 20.0, 40.0, 80.0, 100.0, 150.0]),
        }
    }

    /// Milliseconds in which a block is sent.
    fn block(&self) -> f64 {
        BLOCK * 8.0 / (self.rate * 1000.0)
    }
}

/// The textbook's stop-and-wait, with blocks for packets.
pub(super) fn stop_and_wait(dice: &mut Rng) -> Question {
    let path = Path::of(dice);
    let (rate, rtt, block) = (show(path.rate), show(path.rtt), show(path.block()));
    let answer = path.block() / (path.rtt + path.block()) * 100.0;
    Question {
        topic: "pipelining",
        text: format!(
            "A peer asks for the next block of 16 KiB (16384 bytes) only when the one before has \
             come. The connection carries {rate} Mbit/s, the round trip is {rtt} ms. What share of \
             the rate is used, in percent?"
        ),
        unit: "%",
        exact: false,
        answer,
        formula: "U = (L/R) / (RTT + L/R) (Kurose and Ross, 8th edition, section 3.4)",
        working: format!(
            "L/R = 131072 bit / {rate} Mbit/s = {block} ms; 100 x {block}/({rtt} + {block}) = {}",
            show(answer)
        ),
        trap: Some((
            (path.block() / path.rtt * 100.0).min(100.0),
            "a block needs its own time besides the round trip",
        )),
    }
}

/// The throughput of a pipeline.
pub(super) fn pipelined(dice: &mut Rng) -> Question {
    let path = Path::of(dice);
    let depth = dice.u32(2..=6);
    let (rate, rtt, block) = (show(path.rate), show(path.rtt), show(path.block()));
    let free = f64::from(depth) * BLOCK * 8.0 / 1000.0 / (path.rtt + path.block());
    let answer = free.min(path.rate);
    Question {
        topic: "pipelining",
        text: format!(
            "A peer keeps q = {depth} requests for blocks of 16 KiB (16384 bytes) outstanding on a \
             connection of C = {rate} Mbit/s with a round trip of {rtt} ms. How many Mbit/s of \
             content does it receive at most?"
        ),
        unit: "Mbit/s",
        exact: false,
        answer,
        formula: "min { C , q B / (RTT + B/C) }; q = 1 is stop-and-wait",
        working: format!(
            "B/C = {block} ms; min {{ {rate} , {depth} x 131.072 kbit/({rtt} + {block}) ms = {} }} = {}",
            show(free),
            show(answer)
        ),
        trap: None,
    }
}

/// The least depth that fills a connection.
pub(super) fn depth(dice: &mut Rng) -> Question {
    let path = Path::of(dice);
    let (rate, rtt) = (show(path.rate), show(path.rtt));
    let needed = path.rtt / path.block() + 1.0;
    let answer = needed.ceil();
    Question {
        topic: "pipelining",
        text: format!(
            "What is the least number of requests for blocks of 16 KiB (16384 bytes) that must be \
             outstanding to fill a connection of C = {rate} Mbit/s with a round trip of {rtt} ms?"
        ),
        unit: "requests",
        exact: true,
        answer,
        formula: "q >= C RTT / B + 1, rounded up",
        working: format!("{rate} x {rtt} / 131.072 + 1 = {}, so {answer}", show(needed)),
        trap: Some((answer - 1.0, "the block that is being sent counts too")),
    }
}

/// Questions in all, and how long an answer is kept.
fn load(dice: &mut Rng) -> (f64, f64) {
    (pick(dice, &[0.01, 0.02, 0.05, 0.1, 0.2]), pick(dice, &[10.0, 20.0, 30.0, 60.0, 120.0]))
}

/// The hit ratio of a cache.
pub(super) fn hit_ratio(dice: &mut Rng) -> Question {
    let (rate, ttl) = load(dice);
    let hits = rate * ttl;
    let answer = hits / (1.0 + hits) * 100.0;
    Question {
        topic: "caching",
        text: format!(
            "A resolver is asked for one key at random (Poisson), {} times a second on average, and \
             keeps an answer for TTL = {} s. What share of the questions does its cache answer, in \
             percent?",
            show(rate),
            show(ttl)
        ),
        unit: "%",
        exact: false,
        answer,
        formula: "hit ratio = lambda T / (1 + lambda T) (Jung, Berger and Balakrishnan, INFOCOM 2003)",
        working: format!(
            "lambda T = {} x {} = {}; 100 x {}/{} = {}",
            show(rate),
            show(ttl),
            show(hits),
            show(hits),
            show(1.0 + hits),
            show(answer)
        ),
        trap: Some((
            (1.0 - (-hits).exp()) * 100.0,
            "that is the chance that a question follows another within T; but only a miss starts \
             the time that an answer is kept",
        )),
    }
}

/// What a cache lets through.
pub(super) fn upstream(dice: &mut Rng) -> Question {
    let (rate, ttl) = load(dice);
    let (rate, keys) = (rate * 10.0, pick(dice, &[10.0, 50.0, 100.0]));
    let answer = keys * rate / (1.0 + rate * ttl);
    Question {
        topic: "caching",
        text: format!(
            "A resolver is asked for each of {keys} keys at random (Poisson), {} times a second on \
             average, and keeps answers for TTL = {} s. How many questions a second does it pass on?",
            show(rate),
            show(ttl)
        ),
        unit: "per second",
        exact: false,
        answer,
        formula: "lambda / (1 + lambda T) for each key (Jung, Berger and Balakrishnan, INFOCOM 2003)",
        working: format!("{keys} x {}/(1 + {}) = {}", show(rate), show(rate * ttl), show(answer)),
        trap: None,
    }
}

/// The length of a bitfield message.
pub(super) fn bitfield(dice: &mut Rng) -> Question {
    let pieces = dice.u32(100..=9000);
    let bytes = pieces.div_ceil(8);
    let answer = f64::from(5 + bytes);
    Question {
        topic: "messages",
        text: format!(
            "A torrent has {pieces} pieces. How many bytes does its bitfield message have on the \
             wire, with the length in front (BEP 3)?"
        ),
        unit: "bytes",
        exact: true,
        answer,
        formula: "4 (length) + 1 (id) + ceil(pieces / 8) (BEP 3)",
        working: format!("4 + 1 + ceil({pieces}/8) = 5 + {bytes} = {answer}"),
        trap: Some((f64::from(bytes), "the length and the id are sent too")),
    }
}

/// What a piece costs besides its content.
pub(super) fn piece_traffic(dice: &mut Rng) -> Question {
    let kib = pick(dice, &[64, 128, 256, 512, 1024, 2048]);
    let blocks = kib / 16;
    let answer = f64::from(blocks * 30);
    Question {
        topic: "messages",
        text: format!(
            "A piece of {kib} KiB is fetched in blocks of 16 KiB, each with a request message of its \
             own. How many bytes of BitTorrent messages flow in both directions together besides the \
             content (BEP 3)?"
        ),
        unit: "bytes",
        exact: true,
        answer,
        formula: "a request has 4 + 1 + 12 = 17 bytes, a piece message 4 + 1 + 8 = 13 before its \
                  block (BEP 3)",
        working: format!("{kib}/16 = {blocks} blocks; {blocks} x (17 + 13) = {answer}"),
        trap: Some((f64::from(blocks * 13), "the requests flow too, the other way")),
    }
}

/// The first announce over UDP.
pub(super) fn first_announce(dice: &mut Rng) -> Question {
    let peers = dice.u32(10..=74);
    let answer = f64::from(16 + 16 + 98 + 20 + 6 * peers);
    Question {
        topic: "announce",
        text: format!(
            "A client announces itself to a tracker over UDP for the first time, and the answer names \
             {peers} peers with IPv4 addresses. How many bytes do the payloads of all datagrams have \
             together, in both directions (BEP 15, nothing is lost)?"
        ),
        unit: "bytes",
        exact: true,
        answer,
        formula: "connect 16 + its answer 16 + announce 98 + its answer 20 + 6 for each peer (BEP 15)",
        working: format!("16 + 16 + 98 + 20 + 6 x {peers} = {answer}"),
        trap: Some((answer - 32.0, "the connection id must be asked for first")),
    }
}

/// Announces over UDP and over HTTP.
pub(super) fn announces_in_turn(dice: &mut Rng) -> Question {
    let (torrents, rtt) = (dice.u32(3..=12), pick(dice, &[20.0, 40.0, 50.0, 80.0, 120.0]));
    let count = f64::from(torrents);
    let answer = (2.0 * count - (1.0 + count)) * rtt;
    Question {
        topic: "announce",
        text: format!(
            "A client announces {torrents} torrents to one tracker, one after the other, each when \
             the answer to the one before is there; the round trip is {} ms and the tracker needs no \
             time. Over HTTP each announce has a TCP connection of its own (without TLS); over UDP \
             (BEP 15) one connection id serves all of them. How many milliseconds earlier is the last \
             answer there over UDP?",
            show(rtt)
        ),
        unit: "ms",
        exact: false,
        answer,
        formula: "HTTP: 2 round trips each (SYN, then the request); UDP: 1 for the connection id, \
                  then 1 each",
        working: format!(
            "(2 x {torrents} - (1 + {torrents})) x {} = {} x {} = {}",
            show(rtt),
            torrents - 1,
            show(rtt),
            show(answer)
        ),
        trap: Some((count * rtt, "UDP needs a round trip too before its first announce")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;
    use crate::bitfield::Bitfield;
    use crate::ids::{PieceIndex, Span};
    use crate::protocol::announce::Figures;
    use crate::protocol::bittorrent::Codec;
    use crate::protocol::message::Message;
    use crate::protocol::tracker_udp::{self, Head, Request};

    /// Bytes of a message on the wire.
    fn length(message: &Message) -> u32 {
        let mut out = Vec::new();
        Codec::default().put(message, &mut out);
        out.len() as u32
    }

    #[test]
    fn lengths_are_those_of_the_messages_that_are_sent() {
        let dice = || Rng::with_seed(3);
        let pieces = dice().u32(100..=9000);
        let bits = Bitfield::full(pieces);
        let message = Message::Bitfield { first: 0, bits: bits.as_bytes() };
        assert_eq!(bitfield(&mut dice()).mark(f64::from(length(&message))), Mark::Right);
        let span = Span { piece: PieceIndex(1), offset: 0, length: 16384 };
        let mut head = Vec::new();
        Codec::put_chunk_head(&mut head, span);
        assert_eq!((length(&Message::Get(span)), head.len()), (17, 13));
        let (mut asked, mut told, mut peers) = (Vec::new(), Vec::new(), Vec::new());
        Request::Connect.put(Head { connection_id: 0, transaction_id: 0 }, &mut asked);
        tracker_udp::put_connection(&mut told, 0, 0);
        let figures = Figures { seeders: 0, leechers: 0, completed: 0 };
        tracker_udp::put_announce_answer(&mut peers, 0, 0, figures);
        assert_eq!((asked.len(), told.len(), peers.len()), (16, 16, 20));
    }

    #[test]
    fn the_connection_of_the_experiment_is_filled_by_8_requests() {
        // 20 Mbit/s and 41 ms: C RTT / B + 1 = 7.3.
        let path = Path { rate: 20.0, rtt: 41.0 };
        let needed = path.rtt / path.block() + 1.0;
        assert!((needed - 7.256).abs() < 0.001, "{needed}");
    }

    #[test]
    fn the_cache_of_the_paper_answers_three_quarters() {
        let (mut dice, mut seen) = (Rng::with_seed(1), false);
        for _ in 0..100 {
            let question = hit_ratio(&mut dice);
            if question.working.starts_with("lambda T = 0.05 x 60 = 3;") {
                assert_eq!(question.mark(75.0), Mark::Right);
                seen = true;
            }
        }
        assert!(seen, "the dice have that load among theirs");
    }
}
