//! Golden bytes, round trips, cuts and garbage for every message.

use super::hierarchy::{Form, put_answer};
use super::*;
use crate::protocol::frame::{MAX_DATAGRAM, TRACKER_MAGIC};
use proptest::prelude::*;

/// One of each message, with a body where it may have one.
fn samples() -> Vec<Packet<'static>> {
    let (seq, cookie, port) = (7, Bin([0xc0; 8]), 6881);
    let (info_hash, peer_id) = (Bin([0x2b; 32]), Bin(*b"-SW0100-abcdefghijkl"));
    vec![
        Packet::new(Hello { seq, version: VERSION }, &[0; 40]),
        Packet::bare(Cookie { seq, cookie }),
        Packet::new(
            Register {
                seq,
                cookie,
                info_hash,
                peer_id,
                port,
                name: "big.zip".into(),
                size: 5_000_000,
                pieces: 10,
                left: 2_500_000,
                uploaded: 0,
                downloaded: 2_500_000,
                bittorrent: true,
            },
            &[0xf8, 0x00],
        ),
        Packet::new(Keepalive { seq, cookie, port }, &[0; 37]),
        Packet::bare(Request { seq, cookie, info_hash, port, wanted: 50, to: None }),
        Packet::bare(BecomeSeeder { seq, cookie, info_hash, port }),
        Packet::bare(Unregister { seq, cookie, info_hash, peer_id, port }),
        Packet::bare(GetCount { seq, cookie, info_hash }),
        Packet::new(Publish { info_hash, name: "a".into(), offset: 0, total: 3 }, b"d2:"),
        Packet::bare(Lookup { name: "big.zip@2b2b".into() }),
        Packet::bare(Fetch { info_hash }),
        Packet::bare(List { after: None }),
        Packet::bare(List { after: Some(info_hash) }),
        Packet::bare(Peers { info_hash, port, wanted: 200 }),
        Packet::new(Have { info_hash, peer_id, port, pieces: 9 }, &[0xff, 0x80]),
        Packet::new(
            PeerList { seq, info_hash, seeders: 1, leechers: 2, more: true },
            &[4, 3, 0x1a, 0xe1, 10, 0, 0, 1],
        ),
        Packet::new(query(), &[0; 20]),
        Packet::new(Sync { cookie }, &[0; 46]),
        Packet::new(
            Links { cookie, info_hash, port },
            &[4, 1, 0x1a, 0xe1, 10, 0, 0, 1, 0, 0, 0, 9],
        ),
        Packet::new(answer(), &[4, 3, 0x1a, 0xe1, 10, 0, 0, 1]),
        Packet::bare(Listing { more: false }),
        Packet::new(Torrent { info_hash, offset: 0, total: 3 }, b"d2:"),
        Packet::bare(ChunkCount { seq, info_hash, count: 10 }),
        Packet::bare(ack(vec![1, 2], vec![])),
        Packet::bare(Ack { links_ms: Some(1000), ..ack(vec![], vec![]) }),
        Packet::bare(Error {
            seq,
            code: ErrorCode::Busy,
            message: "busy".into(),
            retry_after_ms: 500,
        }),
    ]
}

fn query() -> Query {
    let (key, origin, cookie) = ("cs.uct".into(), Some(3), Some(Bin([0xc0; 8])));
    Query { id: u64::MAX, op: Op::Peers, key, rd: true, hops: 8, max: 50, origin, cookie }
}

fn answer() -> Answer {
    let addr = Endpoint(([127, 0, 0, 21], 7053).into());
    Answer {
        id: 7,
        op: Op::Peers,
        rcode: Rcode::Loop,
        aa: false,
        ra: true,
        tc: false,
        ttl_ms: 30_000,
        ns: vec![NameServer { zone: "3f".into(), addr, ttl_ms: 9 }],
        path: vec![addr],
    }
}

fn ack(unknown: Vec<u8>, publish: Vec<u8>) -> Ack {
    let (keepalive_ms, expire_ms, interval_ms) = (5000, 15000, 30000);
    Ack { seq: 7, keepalive_ms, expire_ms, interval_ms, unknown, publish, links_ms: None }
}

/// The bytes of a datagram, written by hand from the specification.
fn check_golden(message: impl Into<Message>, body: &[u8], golden: &[&[u8]]) {
    let packet = Packet::new(message, body);
    let golden = golden.concat();
    assert_eq!(packet.datagram(), golden, "{}", packet.message.word());
    assert_eq!(Packet::from_datagram(&golden), Ok(packet));
}

#[test]
fn a_hello_is_magic_type_and_a_map_of_two() {
    check_golden(
        Hello { seq: 7, version: 1 },
        &[0, 0],
        &[b"SWT1", &[0x10, 0x82], b"\xa3seq\x07", b"\xa7version\x01", &[0, 0]],
    );
}

#[test]
fn a_cookie_is_a_number_and_eight_bytes() {
    check_golden(
        Cookie { seq: 0x0102_0304, cookie: Bin(*b"12345678") },
        &[],
        &[b"SWT1", &[0x30, 0x82], b"\xa3seq\xce\x01\x02\x03\x04", b"\xa6cookie\xc4\x0812345678"],
    );
}

#[test]
fn a_register_names_the_content_the_peer_and_its_progress() {
    let hash = [0x2b; 32];
    check_golden(
        Register {
            seq: 1,
            cookie: Bin([9; 8]),
            info_hash: Bin(hash),
            peer_id: Bin([b'p'; 20]),
            port: 6881,
            name: "a".into(),
            size: 70_000,
            pieces: 2,
            left: 0,
            uploaded: 300,
            downloaded: 5,
            bittorrent: false,
        },
        &[0xc0],
        &[
            b"SWT1\x11\x8c",
            b"\xa3seq\x01",
            b"\xa6cookie\xc4\x08\x09\x09\x09\x09\x09\x09\x09\x09",
            b"\xa9info_hash\xc4\x20",
            &hash,
            b"\xa7peer_id\xc4\x14pppppppppppppppppppp",
            b"\xa4port\xcd\x1a\xe1",
            b"\xa4name\xa1a",
            b"\xa4size\xce\x00\x01\x11\x70",
            b"\xa6pieces\x02",
            b"\xa4left\x00",
            b"\xa8uploaded\xcd\x01\x2c",
            b"\xaadownloaded\x05",
            b"\xaabittorrent\xc2",
            b"\xc0",
        ],
    );
}

#[test]
fn a_request_may_say_how_the_tracker_was_dialled() {
    let request = |to| Request {
        seq: 1,
        cookie: Bin([9; 8]),
        info_hash: Bin([3; 32]),
        port: 80,
        wanted: 50,
        to,
    };
    let fields: &[u8] = b"\xa3seq\x01\xa6cookie\xc4\x08\x09\x09\x09\x09\x09\x09\x09\x09";
    let rest: &[u8] = b"\xa4port\x50\xa6wanted\x32";
    let hash = [3; 32];
    let golden = [fields, b"\xa9info_hash\xc4\x20", &hash, rest].concat();
    check_golden(request(None), &[], &[b"SWT1\x13\x85", &golden]);
    let to = Some(Ip([10, 0, 0, 1].into()));
    check_golden(request(to), &[], &[b"SWT1\x13\x86", &golden, b"\xa2to\xc4\x04\x0a\x00\x00\x01"]);
}

#[test]
fn an_ack_names_positions_only_where_there_are_any() {
    let fields: &[u8] =
        b"\xa3seq\x07\xackeepalive_ms\xcd\x13\x88\xa9expire_ms\xcd\x3a\x98\xabinterval_ms\xcd\x75\x30";
    check_golden(ack(vec![], vec![]), &[], &[b"SWT1\x32\x84", fields]);
    check_golden(
        ack(vec![1, 2], vec![0]),
        &[],
        &[b"SWT1\x32\x86", fields, b"\xa7unknown\xc4\x02\x01\x02", b"\xa7publish\xc4\x01\x00"],
    );
}

#[test]
fn a_query_names_an_operation_a_key_and_what_is_left_of_its_way() {
    check_golden(
        Query { origin: None, cookie: None, ..query() },
        &[0, 0],
        &[
            b"SWT1\x1d\x86",
            b"\xa2id\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xa2op\x01",
            b"\xa3key\xa6cs.uct",
            b"\xa2rd\xc3",
            b"\xa4hops\x08",
            b"\xa3max\x32",
            b"\0\0",
        ],
    );
    let passed_on = query();
    let golden = Packet::bare(passed_on).datagram();
    let end: &[u8] = b"\xa6origin\x03\xa6cookie\xc4\x08\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0";
    assert!(golden.ends_with(end) && golden[5] == 0x88);
}

#[test]
fn an_answer_says_how_it_went_and_whom_to_ask() {
    let fields: &[u8] =
        b"\xa2id\x07\xa2op\x01\xa5rcode\x10\xa2aa\xc2\xa2ra\xc3\xa2tc\xc2\xa6ttl_ms\xcd\x75\x30";
    let end = b"\xc4\x06\x7f\0\0\x15\x1b\x8d";
    check_golden(
        answer(),
        &[4, 3, 0x1a, 0xe1, 10, 0, 0, 1],
        &[
            b"SWT1\x23\x89",
            fields,
            b"\xa2ns\x91\x83\xa4zone\xa23f\xa4addr",
            end,
            b"\xa6ttl_ms\x09\xa4path\x91",
            end,
            b"\x04\x03\x1a\xe1\x0a\0\0\x01",
        ],
    );
    let bare = Answer { ns: vec![], path: vec![], ..answer() };
    check_golden(bare, &[], &[b"SWT1\x23\x87", fields]);
}

#[test]
fn an_answer_leaves_out_what_does_not_fit_and_says_so() {
    let addr = "10.0.0.1:6881".parse().unwrap();
    let peer = PeerEntry { addr, seed: true, native: true, bittorrent: false };
    let records = Records::Peers(vec![peer; 100]);
    let long = Answer { path: vec![answer().path[0]; 16], ..answer() };
    for room in [0, 60, 100, 200, 512, 1200, 5000] {
        let mut out = Vec::new();
        let put = put_answer(long.clone(), &records, Form::Datagram(room), &mut out);
        assert!(out.len() <= room.min(MAX_DATAGRAM), "{} bytes of {room}", out.len());
        let Ok(Packet { message, body }) = Packet::from_datagram(&out) else {
            assert!(room < 100, "nothing for {room}");
            continue;
        };
        assert_eq!(message, Message::Answer(put.clone()));
        assert_eq!(put.tc, body.len() < 800, "{room}");
    }
    let mut out = Vec::new();
    assert!(!put_answer(long, &records, Form::Frame, &mut out).tc);
}

#[test]
fn a_frame_has_its_length_where_a_datagram_has_the_magic() {
    let mut out = Vec::new();
    Packet::bare(Lookup { name: "a".into() }).put_frame(&mut out);
    assert_eq!(out, b"\x00\x00\x00\x09\x18\x81\xa4name\xa1a");
    out.clear();
    Packet::bare(List { after: None }).put_frame(&mut out);
    assert_eq!(out, b"\x00\x00\x00\x02\x1a\x80");
}

#[test]
fn the_type_names_the_class() {
    for packet in samples() {
        let class = packet.message.kind() >> 4;
        let answers = matches!(
            packet.message,
            Message::Cookie(_) | Message::ChunkCount(_) | Message::Ack(_) | Message::Error(_)
        );
        let data = matches!(
            packet.message,
            Message::PeerList(_) | Message::Listing(_) | Message::Torrent(_) | Message::Answer(_)
        );
        let wanted = if answers {
            3
        } else if data {
            2
        } else {
            1
        };
        assert_eq!(class, wanted, "{}", packet.message.word());
    }
}

#[test]
fn every_message_is_read_back_from_a_datagram_and_from_a_stream() {
    for packet in samples() {
        let datagram = packet.datagram();
        assert!(datagram.len() <= MAX_DATAGRAM);
        assert_eq!(Packet::from_datagram(&datagram), Ok(packet.clone()));
        let mut stream = Vec::new();
        packet.put_frame(&mut stream);
        let length = stream.len();
        stream.extend(b"next");
        assert_eq!(Packet::first_in(&stream), Ok(Some((packet, length))));
    }
}

#[test]
fn a_message_cut_anywhere_is_incomplete_in_a_stream_and_refused_in_a_datagram() {
    for packet in samples() {
        let mut stream = Vec::new();
        packet.put_frame(&mut stream);
        for cut in 0..stream.len() {
            assert_eq!(Packet::first_in(&stream[..cut]), Ok(None), "{packet:?} cut at {cut}");
        }
        let datagram = packet.datagram();
        for cut in 0..datagram.len() - packet.body.len() {
            assert!(Packet::from_datagram(&datagram[..cut]).is_err(), "{packet:?} cut at {cut}");
        }
    }
}

#[test]
fn a_body_where_none_belongs_is_refused() {
    let mut datagram = Packet::bare(List { after: None }).datagram();
    datagram.push(0);
    let refused = Malformed::BodyLength { kind: 0x1a, length: 1 };
    assert_eq!(Packet::from_datagram(&datagram), Err(refused));
}

#[test]
fn a_hello_is_never_shorter_than_the_longest_cookie() {
    let cookie = Packet::bare(Cookie { seq: u32::MAX, cookie: Bin([0xff; 8]) }).datagram();
    assert!(hello(0).len() >= cookie.len());
    assert_eq!(hello(u32::MAX).len(), HELLO_LENGTH);
}

#[test]
fn the_longest_register_with_its_bitmap_is_measured_by_its_sender() {
    let Message::Register(mut longest) = samples()[2].message.clone() else { unreachable!() };
    longest.name = "n".repeat(MAX_NAME);
    (longest.size, longest.left, longest.uploaded) = (u64::MAX, u64::MAX, u64::MAX);
    let bare = Packet::bare(longest).datagram();
    assert!(bare.len() <= MAX_DATAGRAM, "{} bytes without a bitmap", bare.len());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Packet::from_datagram(&bytes);
        let _ = Packet::first_in(&bytes);
        let _ = read_peers(&bytes);
        let _ = read_beats(&bytes);
        let _ = read_candidates(&bytes);
        let _ = read_swarms(&bytes);
    }

    #[test]
    fn a_message_with_bytes_changed_never_panics(
        which in 0..24_usize,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = samples()[which].datagram();
        for (at, value) in changes {
            let at = at.index(bytes.len() - TRACKER_MAGIC.len()) + TRACKER_MAGIC.len();
            bytes[at] = value;
        }
        if let Ok(packet) = Packet::from_datagram(&bytes) {
            let again = packet.datagram();
            prop_assert_eq!(Packet::from_datagram(&again), Ok(packet));
        }
    }
}
