//! Golden packets, and that everything of a trace is in its capture.

use super::*;
use crate::lab::record::{ANN, BEN, in_order};
use crate::protocol::message::Message;
use crate::protocol::reader::FrameBuffer;
use crate::protocol::speech::Speech;

fn check(file: &[&str]) -> (Vec<u8>, Counts) {
    let (timed, cast, names) = in_order(file);
    let mut capture = Capture::new(&cast);
    let mut out = Vec::new();
    timed.iter().for_each(|timed| capture.on_event(timed, &names, &mut out));
    (out, capture.counts().clone())
}

/// The packets of a capture, from their IP header on, each with its time in microseconds.
fn packets(mut blocks: &[u8]) -> Vec<(u64, &[u8])> {
    let mut packets = Vec::new();
    while !blocks.is_empty() {
        let word = |at: usize| u32::from_le_bytes(blocks[at..at + 4].try_into().unwrap());
        let nanos = u64::from(word(12)) << 32 | u64::from(word(16));
        packets.push((nanos / 1000, &blocks[28..28 + word(20) as usize]));
        blocks = &blocks[word(4) as usize..];
    }
    packets
}

/// `100000000 6881>40000 SYN+ACK 33` for the packet's time, ports, flags and payload.
fn shown(&(t, packet): &(u64, &[u8])) -> String {
    let port = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let head = 20 + usize::from(packet[32] >> 4) * 4;
    let flags =
        [(packet::SYN, "SYN"), (packet::FIN, "FIN"), (packet::PSH, "PSH"), (packet::ACK, "ACK")];
    let flags: Vec<&str> =
        flags.iter().filter(|(bit, _)| packet[33] & bit != 0).map(|(_, name)| *name).collect();
    format!("{t} {}>{} {} {}", port(20), port(22), flags.join("+"), packet.len() - head)
}

#[test]
fn a_connection_is_made_used_acknowledged_and_ended() {
    let (blocks, counts) = check(&[ANN, BEN]);
    let packets = packets(&blocks);
    let shown: Vec<String> = packets.iter().map(shown).collect();
    let expected = "\
99999997 40000>6881 SYN 0
99999998 6881>40000 SYN+ACK 0
99999999 40000>6881 ACK 0
100000000 40000>6881 PSH+ACK 111
100010000 6881>40000 ACK 0
100020000 6881>40000 PSH+ACK 56
100020000 6881>40000 PSH+ACK 6
100030000 40000>6881 ACK 0
100030000 40000>6881 ACK 0
100040000 40000>6881 PSH+ACK 6
100050000 6881>40000 ACK 0
100050000 6881>40000 PSH+ACK 6
100060000 40000>6881 ACK 0
100070000 40000>6881 PSH+ACK 31
100080000 6881>40000 ACK 0
100090000 6881>40000 ACK 1460";
    assert_eq!(shown[..16].join("\n"), expected);
    assert_eq!(
        shown[shown.len() - 4..].join("\n"),
        "\
100190000 40000>6881 FIN+ACK 0
100190000 6881>40000 ACK 0
100200000 6881>40000 FIN+ACK 0
100200000 40000>6881 ACK 0"
    );
    assert_eq!((counts.messages, counts.added, counts.left_out), (8, 0, 0));
    assert_eq!(counts.packets as usize, packets.len());
    assert!(packets.iter().all(|(_, packet)| packet::is_right(packet)), "checksums");
}

/// What one side of the capture's only connection says, put together by sequence numbers.
fn said(packets: &[(u64, &[u8])], port: u16) -> Vec<u8> {
    let mut stream: Vec<u8> = Vec::new();
    let mut next = None;
    for (_, packet) in packets {
        if u16::from_be_bytes([packet[20], packet[21]]) != port {
            continue;
        }
        let seq = u32::from_be_bytes(packet[24..28].try_into().unwrap());
        let syn = u32::from(packet[33] & packet::SYN != 0);
        let payload = &packet[20 + usize::from(packet[32] >> 4) * 4..];
        assert_eq!(next.unwrap_or(seq), seq, "nothing is missing");
        let fin = u32::from(packet[33] & packet::FIN != 0);
        next = Some(seq.wrapping_add(payload.len() as u32 + syn + fin));
        stream.extend(payload);
    }
    stream
}

#[test]
fn what_is_in_the_packets_is_what_the_protocol_says() {
    let (blocks, _) = check(&[ANN, BEN]);
    let packets = packets(&blocks);
    let stream = said(&packets, 6881);
    let frames = stream.strip_prefix(b"SWP1").expect("the magic");
    let buffer = FrameBuffer::holding(frames);
    let mut words = Vec::new();
    while let Some(message) = Speech::Native.next_message(&buffer).unwrap() {
        words.push(match message.expect("all are known") {
            Message::Chunk { piece, offset, data } => format!("{piece} +{offset} {}", data.len()),
            other => format!("{other:?}").split(['(', ' ']).next().unwrap().to_owned(),
        });
    }
    assert_eq!(words, ["State", "HaveAll", "Unchoke", "piece 3 +0 16384"]);
}

#[test]
fn one_end_is_enough() {
    for file in [ANN, BEN] {
        let (blocks, counts) = check(&[file]);
        assert_eq!((counts.messages, counts.left_out), (8, 0));
        assert!(packets(&blocks).iter().all(|(_, packet)| packet::is_right(packet)));
    }
}

#[test]
fn a_world_in_both_dialects_is_all_there() {
    let trace = include_str!("../../../tests/traces/dialects.jsonl");
    let sent = trace.lines().filter(|line| line.contains(r#""ev":"send""#)).count();
    let (_, counts) = check(&[trace]);
    assert_eq!((counts.messages, counts.left_out), (sent as u64, 0));
    assert_eq!(counts.added, 6, "three connections, two first words each");
}

#[test]
fn numbers_that_make_no_message_leave_it_out() {
    let wrong = ANN.replace(r#""off":0,"len":16384"#, r#""off":7,"len":999999"#);
    let (_, counts) = check(&[&wrong]);
    assert_eq!(counts.left_out, 1, "a GET may say anything, a chunk has bytes");
}

#[test]
fn trackers_talk_in_datagrams() {
    let trace = r#"{"t":0.001,"n":"127.0.0.53:7053","ev":"send","to":"127.0.0.10:7053","msg":"QUERY","kind":"command","len":1200,"id":"00000000000000ab","op":"PEERS","key":"3f","rd":false,"hops":7}
{"t":0.002,"n":"127.0.0.10:7053","ev":"recv","from":"127.0.0.53:7053","msg":"QUERY","kind":"command","len":1200,"id":"00000000000000ab","op":"PEERS","key":"3f","rd":false,"hops":7}
{"t":0.003,"n":"127.0.0.10:7053","ev":"send","to":"127.0.0.53:7053","msg":"ANSWER","kind":"data","len":80,"id":"00000000000000ab","op":"PEERS","rcode":"NOERROR","aa":false,"ra":false,"tc":false,"ttl_ms":7,"count":0,"ns":[{"zone":"3","addr":"127.0.0.11:7053"}]}"#;
    let (blocks, counts) = check(&[trace]);
    let packets = packets(&blocks);
    assert_eq!((packets.len(), counts.messages), (2, 2), "what both tell of is there once");
    assert_eq!(packets[0].1.len(), 20 + 8 + 1200);
    assert_eq!(&packets[1].1[28..33], b"SWT1\x23");
}
