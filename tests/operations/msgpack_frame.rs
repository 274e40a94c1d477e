//! Any bytes as a frame, as a datagram, and as the lists in their bodies.
//!
//! Where a map ends is what a reader of all MessagePack says, who may use as much memory as he
//! likes; what was understood and is written again says the same.

use serde::Deserialize;
use serde::de::IgnoredAny;
use swarmlet::geometry::BLOCK_LEN;
use swarmlet::protocol::frame::{Frame, MAX_BODY, MAX_DATAGRAM, MAX_FRAME, MAX_HEADER};
use swarmlet::protocol::message::Message;
use swarmlet::protocol::msgpack::{MAX_DEPTH, end_of_map};
use swarmlet::protocol::tracker_native::links::are_links;
use swarmlet::protocol::tracker_native::{
    Packet, put_beat, put_candidate, put_link, put_peer, put_swarm, read_beats, read_candidates,
    read_links, read_peers, read_swarms,
};

/// Reads the bytes in all these ways.
pub fn run(bytes: &[u8]) {
    check_end(bytes);
    if let Ok(Some((frame, used))) = Frame::first_in(bytes) {
        assert!(used <= bytes.len() && used <= 4 + MAX_FRAME);
        assert_eq!(1 + frame.header.len() + frame.body.len(), used - 4);
        check_frame(&frame);
    }
    if let Ok(frame) = Frame::from_datagram(bytes) {
        assert!(bytes.len() <= MAX_DATAGRAM);
        check_frame(&frame);
    }
    check_lists(bytes);
}

fn check_end(bytes: &[u8]) {
    let Ok(Some(end)) = end_of_map(bytes) else {
        if let Some(end) = peers_end(bytes, MAX_DEPTH - 1) {
            let is_map = matches!(bytes[0], 0x80..=0x8f | 0xde | 0xdf);
            assert!(!is_map, "a whole map of {end} bytes was not seen");
        }
        return;
    };
    assert!(end > 0 && end <= bytes.len());
    assert_eq!(end_of_map(&bytes[..end]), Ok(Some(end)));
    assert_eq!(end_of_map(&bytes[..end - 1]), Ok(None), "it ends no earlier");
    if let Some(other) = peers_end(bytes, 1024) {
        assert_eq!(end, other, "where another reader sees the end");
    }
}

/// Where a value ends, as another reader says.
fn peers_end(bytes: &[u8], depth: usize) -> Option<usize> {
    let mut cursor = std::io::Cursor::new(bytes);
    let mut reader = rmp_serde::Deserializer::new(&mut cursor);
    reader.set_max_depth(depth);
    IgnoredAny::deserialize(&mut reader).ok()?;
    Some(cursor.position() as usize)
}

fn check_frame(frame: &Frame<'_>) {
    assert!(frame.header.len() <= MAX_HEADER && frame.body.len() <= MAX_BODY);
    // We send no chunk that begins within a block; from others it is judged by what was asked.
    let is_ours = |message: &Message<'_>| !matches!(message, Message::Chunk { offset, .. } if !offset.is_multiple_of(BLOCK_LEN));
    if let Ok(Some(message)) = Message::read(frame)
        && is_ours(&message)
    {
        let again = message.to_bytes();
        let (frame, used) = Frame::first_in(&again).expect("ours").expect("whole");
        assert_eq!((used, Message::read(&frame)), (again.len(), Ok(Some(message))));
    }
    if let Ok(packet) = Packet::from_frame(frame) {
        let datagram = packet.datagram();
        if datagram.len() <= MAX_DATAGRAM {
            let again = Packet::from_datagram(&datagram).expect("ours");
            assert_eq!((again.message, again.body), (packet.message, packet.body));
        }
    }
    check_lists(frame.body);
}

/// Lists come back byte for byte: there is one way to write them.
fn check_lists(body: &[u8]) {
    let mut out = Vec::new();
    if let Ok(peers) = read_peers(body) {
        peers.iter().for_each(|peer| put_peer(&mut out, peer));
        assert_eq!(read_peers(&out), Ok(peers));
        out.clear();
    }
    if let Ok(beats) = read_beats(body) {
        beats.iter().for_each(|beat| put_beat(&mut out, beat));
        assert_eq!(read_beats(&out), Ok(beats));
        out.clear();
    }
    if let Ok(entries) = read_candidates(body) {
        entries.iter().for_each(|entry| put_candidate(&mut out, entry));
        assert_eq!(read_candidates(&out), Ok(entries));
        out.clear();
    }
    if let Ok(swarms) = read_swarms(body) {
        swarms.iter().for_each(|swarm| put_swarm(&mut out, swarm));
        assert_eq!(read_swarms(&out), Ok(swarms));
        out.clear();
    }
    if are_links(body) {
        let links: Vec<_> = read_links(body).map(|link| link.expect("it was looked at")).collect();
        links.iter().for_each(|link| put_link(&mut out, link));
        assert!(are_links(&out));
    }
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let messages = [
        Message::Ping(7),
        Message::HaveAll,
        Message::PeerList(vec![
            "9.9.9.9:99".parse().expect("one"),
            "[2001:db8::1]:9".parse().expect("one"),
        ]),
        Message::Bitfield { first: 8, bits: &[0xf0, 1] },
        Message::GetMetainfo { offset: 5, length: 70_000 },
        Message::Metainfo { offset: 0, total: 9, info: 4, data: b"d1:ai1ee" },
    ];
    let frames = messages.iter().map(Message::to_bytes);
    let nested = [&[0x81, 0xa1, b'a'][..], &[0x91; 14], &[0xc0]].concat();
    let wide = vec![
        0x82, 0xa1, b'a', 0xdc, 0, 2, 0xc4, 1, 9, 0xcf, 1, 2, 3, 4, 5, 6, 7, 8, 0xa1, b'b', 0xc7,
        2, 5, 1, 1,
    ];
    frames.chain([nested, wide, swarmlet::protocol::tracker_native::hello(7)]).collect()
}
