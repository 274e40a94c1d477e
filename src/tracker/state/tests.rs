//! What the tracker answers, without a socket.

use super::*;
use crate::protocol::frame::{Bin, MAX_DATAGRAM, TRACKER_MAGIC};
use crate::protocol::tracker_native::{
    Beat, BecomeSeeder, Fetch, GetCount, Ip, Keepalive, List, Lookup, Publish, Register, Request,
    Unregister, hello, put_beat, read_candidates, read_peers,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

pub(super) fn state(change: impl FnOnce(&mut TrackerOptions)) -> State {
    let mut options =
        TrackerOptions { listen: ([0, 0, 0, 0], 0).into(), seed: 1, ..TrackerOptions::default() };
    change(&mut options);
    State::new(options)
}

pub(super) fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

pub(super) fn ask(state: &mut State, from: &str, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    state.on_datagram(at(1), from.parse().unwrap(), &packet.datagram(), &mut out);
    out
}

pub(super) fn answer(
    state: &mut State,
    from: &str,
    message: impl Into<Message>,
    body: &[u8],
) -> Message {
    let out = ask(state, from, &Packet::new(message, body));
    Packet::from_datagram(&out).expect("a verified asker gets an answer").message
}

pub(super) fn cookie(state: &mut State, from: &str) -> Bin<8> {
    let mut out = Vec::new();
    state.on_datagram(at(1), from.parse().unwrap(), &hello(3), &mut out);
    match Packet::from_datagram(&out).unwrap().message {
        Message::Cookie(answer) if answer.seq == 3 => answer.cookie,
        other => panic!("{other:?}"),
    }
}

pub(super) fn register(cookie: Bin<8>, hash: u8, left: u64) -> Register {
    Register {
        seq: 1,
        cookie,
        info_hash: Bin([hash; 32]),
        peer_id: Bin([5; 20]),
        port: 6881,
        name: "big.zip".into(),
        size: 100,
        pieces: 10,
        left,
        uploaded: 0,
        downloaded: 0,
        bittorrent: false,
    }
}

fn request(cookie: Bin<8>, hash: u8, to: Option<Ip>) -> Request {
    Request { seq: 2, cookie, info_hash: Bin([hash; 32]), port: 6881, wanted: 50, to }
}

pub(super) fn peers_of(state: &mut State, from: &str, to: Option<Ip>) -> (PeerList, Vec<String>) {
    let cookie = cookie(state, from);
    let out = ask(state, from, &Packet::bare(request(cookie, 1, to)));
    let packet = Packet::from_datagram(&out).unwrap();
    let Message::PeerList(list) = packet.message else { panic!("{packet:?}") };
    let peers = read_peers(packet.body).unwrap();
    (list, peers.iter().map(|peer| peer.addr.to_string()).collect())
}

pub(super) fn ask_tcp(state: &mut State, message: impl Into<Message>, body: &[u8]) -> Vec<u8> {
    let ip = [127, 0, 0, 1].into();
    let (mut out, mut upload) = (Vec::new(), Upload::None);
    let packet = Packet::new(message, body);
    let asker = Asker { remote: ip, local: ip };
    let feed = state.on_frame(at(1), asker, &packet, &mut upload, &mut out);
    if let Some(mut feed) = feed {
        while feed.put_next(&mut out) {}
    }
    out
}

fn error_code(message: &Message) -> Option<ErrorCode> {
    match message {
        Message::Error(error) => Some(error.code),
        _ => None,
    }
}

/// A .torrent of one small file.
fn torrent(name: &str, salt: u32) -> ([u8; 32], Vec<u8>) {
    let info = format!(
        "d9:file treed{0}:{name}d0:d6:lengthi7e11:pieces root32:{salt:032}eee12:meta versioni2e\
         4:name{0}:{name}12:piece lengthi16384ee",
        name.len()
    );
    (Sha256::digest(&info).into(), format!("d4:info{info}e").into_bytes())
}

pub(super) fn publish(state: &mut State, name: &str, salt: u32) -> [u8; 32] {
    let (hash, bytes) = torrent(name, salt);
    let total = bytes.len() as u32;
    let message = Publish { info_hash: Bin(hash), name: name.into(), offset: 0, total };
    let out = ask_tcp(state, message, &bytes);
    let (packet, _) = Packet::first_in(&out).unwrap().unwrap();
    assert!(matches!(packet.message, Message::Ack(_)), "{packet:?}");
    hash
}

#[test]
fn who_proves_its_address_is_listed_and_given_out() {
    let mut s = state(|_| {});
    let c = cookie(&mut s, "10.0.0.1:4000");
    let Message::Ack(ack) = answer(&mut s, "10.0.0.1:4000", register(c, 1, 0), &[]) else {
        panic!("an ACK")
    };
    assert_eq!((ack.keepalive_ms, ack.expire_ms, ack.interval_ms), (5000, 15000, 30000));
    assert_eq!(ack.publish, [0], "the tracker lacks the .torrent");
    let (list, peers) = peers_of(&mut s, "10.0.0.2:4000", None);
    assert_eq!((list.seeders, list.leechers, list.more), (1, 0, false));
    assert_eq!(peers, ["10.0.0.1:6881"]);
    assert_eq!(peers_of(&mut s, "10.0.0.1:4000", None).1, [""; 0], "never the asker itself");
}

#[test]
fn a_cookie_from_another_port_or_address_is_met_with_silence() {
    let mut s = state(|_| {});
    let c = cookie(&mut s, "127.0.0.2:4000");
    for from in ["127.0.0.3:4000", "127.0.0.2:4001"] {
        assert!(ask(&mut s, from, &Packet::bare(register(c, 1, 0))).is_empty());
        assert!(ask(&mut s, from, &Packet::bare(request(c, 1, None))).is_empty());
    }
    assert_eq!((s.registry.peers(), s.counters.unverified), (0, 4));
}

#[test]
fn a_short_hello_is_met_with_silence() {
    let mut s = state(|_| {});
    let mut out = Vec::new();
    s.on_datagram(at(1), "127.0.0.1:1".parse().unwrap(), &hello(1)[..24], &mut out);
    assert!(out.is_empty());
}

#[test]
fn a_beat_of_a_peer_that_is_unknown_says_so_by_position() {
    let mut s = state(|_| {});
    let c = cookie(&mut s, "10.0.0.1:4000");
    answer(&mut s, "10.0.0.1:4000", register(c, 2, 50), &[]);
    let mut body = Vec::new();
    for hash in 1..=3_u8 {
        let info_hash = InfoHashV2([hash; 32]).truncated();
        put_beat(&mut body, &Beat { info_hash, left: 40, down: 0, up: 0, news: vec![] });
    }
    let beat = Keepalive { seq: 9, cookie: c, port: 6881 };
    let Message::Ack(ack) = answer(&mut s, "10.0.0.1:4000", beat, &body) else { panic!("an ACK") };
    assert_eq!((ack.seq, ack.unknown), (9, vec![0, 2]));
}

#[test]
fn completed_and_stopped_take_effect_at_once() {
    let mut s = state(|_| {});
    let from = "10.0.0.1:4000";
    let (c, info_hash, port) = (cookie(&mut s, from), Bin([1; 32]), 6881);
    let done = BecomeSeeder { seq: 1, cookie: c, info_hash, port };
    let unknown = answer(&mut s, from, done.clone(), &[]);
    assert_eq!(error_code(&unknown), Some(ErrorCode::UnknownPeer));
    answer(&mut s, from, register(c, 1, 50), &[0xf8, 0]);
    answer(&mut s, from, done, &[]);
    assert_eq!(peers_of(&mut s, "10.0.0.2:1", None).0.seeders, 1);
    let bye = Unregister { seq: 1, cookie: c, info_hash, peer_id: Bin([5; 20]), port };
    for _ in 0..2 {
        assert!(matches!(answer(&mut s, from, bye.clone(), &[]), Message::Ack(_)));
        assert_eq!(s.registry.peers(), 0);
    }
}

#[test]
fn nonsense_fields_are_refused() {
    let mut s = state(|_| {});
    let from = "10.0.0.1:4000";
    let c = cookie(&mut s, from);
    let mut refuse = |change: fn(&mut Register), body: &[u8]| {
        let mut message = register(c, 1, 50);
        change(&mut message);
        let answer = answer(&mut s, from, message, body);
        assert_eq!(error_code(&answer), Some(ErrorCode::BadField));
    };
    refuse(|m| m.port = 0, &[]);
    refuse(|m| m.name = String::new(), &[]);
    refuse(|m| m.name = "n".repeat(256), &[]);
    refuse(|_| {}, &[0xff]);
    refuse(|_| {}, &[0xff, 0xff]);
    let count = GetCount { seq: 1, cookie: c, info_hash: Bin([7; 32]) };
    let unknown = answer(&mut s, from, count, &[]);
    assert_eq!(error_code(&unknown), Some(ErrorCode::UnknownTorrent));
}

#[test]
fn a_loopback_peer_is_given_to_a_remote_asker_by_the_trackers_address() {
    let mut s = state(|_| {});
    let c = cookie(&mut s, "127.0.0.1:4000");
    answer(&mut s, "127.0.0.1:4000", register(c, 1, 0), &[]);
    let dialled = Some(Ip([192, 168, 1, 9].into()));
    assert_eq!(peers_of(&mut s, "192.168.1.2:1", dialled).1, ["192.168.1.9:6881"]);
    assert_eq!(peers_of(&mut s, "192.168.1.2:1", None).1, [""; 0], "better nobody than oneself");
    assert_eq!(peers_of(&mut s, "127.0.0.2:1", dialled).1, ["127.0.0.1:6881"]);
    let mut bound = state(|options| options.listen = ([10, 1, 1, 1], 0).into());
    let c = cookie(&mut bound, "127.0.0.1:4000");
    answer(&mut bound, "127.0.0.1:4000", register(c, 1, 0), &[]);
    assert_eq!(peers_of(&mut bound, "10.1.1.2:1", dialled).1, ["10.1.1.1:6881"]);
}

#[test]
fn a_list_that_does_not_fit_says_so() {
    let mut s = state(|_| {});
    for n in 1..=60 {
        let from = format!("[fd00::{n}]:4000");
        let c = cookie(&mut s, &from);
        answer(&mut s, &from, register(c, 1, 50), &[]);
    }
    let from = "[fd00::1]:4000";
    let c = cookie(&mut s, from);
    for (wanted, more) in [(50, false), (51, true), (u16::MAX, true)] {
        let out = ask(&mut s, from, &Packet::bare(Request { wanted, ..request(c, 1, None) }));
        assert!(out.len() <= MAX_DATAGRAM);
        let packet = Packet::from_datagram(&out).unwrap();
        let Message::PeerList(list) = packet.message else { panic!("a list") };
        assert_eq!((list.more, read_peers(packet.body).unwrap().len()), (more, 50), "{wanted}");
    }
}

#[test]
fn a_name_is_looked_up_with_its_peers_and_a_prefix_chooses() {
    let mut s = state(|_| {});
    let hashes = [publish(&mut s, "big.zip", 1), publish(&mut s, "big.zip", 2)];
    let c = cookie(&mut s, "10.0.0.1:1");
    let with_hash = Register { info_hash: Bin(hashes[0]), ..register(c, 0, 0) };
    let Message::Ack(ack) = answer(&mut s, "10.0.0.1:1", with_hash, &[]) else { panic!("an ACK") };
    assert_eq!(ack.publish, [0; 0]);
    let mut lookup = |name: String| {
        let out = ask_tcp(&mut s, Lookup { name }, &[]);
        let (packet, _) = Packet::first_in(&out).unwrap().unwrap();
        read_candidates(packet.body).unwrap()
    };
    assert_eq!(lookup("big.zip".into()).len(), 2);
    assert_eq!(lookup("small.zip".into()), []);
    let prefix = crate::ids::hex(&hashes[0][..3]).to_uppercase();
    let [one] = &lookup(format!("big.zip@{prefix}"))[..] else { panic!("one") };
    assert_eq!((one.info_hash.0, one.seeders, one.size, one.published), (hashes[0], 1, 7, true));
    assert_eq!(lookup("big.zip@00000000".into()), []);
}

#[test]
fn a_thousand_contents_are_listed_page_by_page_each_once() {
    let mut s = state(|_| {});
    let mut wanted: Vec<[u8; 32]> =
        (0..900).map(|n| publish(&mut s, &format!("{n:0200}"), n)).collect();
    let c = cookie(&mut s, "10.0.0.1:1");
    for n in 0..200_u32 {
        let hash = Sha256::digest(n.to_be_bytes()).into();
        wanted.push(hash);
        let unpublished = Register { info_hash: Bin(hash), ..register(c, 0, 0) };
        answer(&mut s, "10.0.0.1:1", unpublished, &[]);
    }
    answer(&mut s, "10.0.0.1:1", Register { info_hash: Bin(wanted[0]), ..register(c, 0, 0) }, &[]);
    wanted.sort_unstable();
    let (mut got, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let out = ask_tcp(&mut s, List { after }, &[]);
        let (packet, _) = Packet::first_in(&out).unwrap().unwrap();
        let Message::Listing(listing) = packet.message else { panic!("a listing") };
        got.extend(read_candidates(packet.body).unwrap().iter().map(|c| c.info_hash.0));
        pages += 1;
        after = got.last().copied().map(Bin);
        if !listing.more {
            break;
        }
    }
    assert_eq!(got, wanted);
    assert!(pages > 1, "{pages} pages");
}

#[test]
fn a_torrent_is_fetched_as_it_was_published_and_another_content_is_refused() {
    let mut s = state(|_| {});
    let (hash, bytes) = torrent("a", 1);
    publish(&mut s, "a", 1);
    let out = ask_tcp(&mut s, Fetch { info_hash: Bin(hash) }, &[]);
    let (packet, used) = Packet::first_in(&out).unwrap().unwrap();
    assert_eq!((packet.body, used), (&bytes[..], out.len()));
    let total = bytes.len() as u32;
    let wrong = Publish { info_hash: Bin([9; 32]), name: "a".into(), offset: 0, total };
    let out = ask_tcp(&mut s, wrong.clone(), &bytes);
    let (packet, _) = Packet::first_in(&out).unwrap().unwrap();
    assert_eq!(error_code(&packet.message), Some(ErrorCode::BadTorrent));
    for (change, code) in [
        (Publish { total: u32::MAX, ..wrong.clone() }, ErrorCode::BadTorrent),
        (Publish { offset: 3, ..wrong.clone() }, ErrorCode::BadField),
        (Publish { total: total + 1, ..wrong }, ErrorCode::BadField),
    ] {
        let out = ask_tcp(&mut s, change, &bytes);
        let (packet, _) = Packet::first_in(&out).unwrap().unwrap();
        assert_eq!(error_code(&packet.message), Some(code));
    }
    assert_eq!(s.uploading, 0);
}

proptest! {
    /// Nobody is answered with more bytes than it sent unless its cookie is right.
    #[test]
    fn no_unverified_datagram_is_answered_by_a_longer_one(
        kind in 0x0f..0x36_u8,
        header in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            Just(b"\x82\xa3seq\x01\xa7version\x01".to_vec()),
            Just(b"\x82\xa3seq\xce\xff\xff\xff\xff\xa7version\x01".to_vec()),
        ],
        pad in 0..100_usize,
    ) {
        let mut s = state(|_| {});
        let mut datagram = [&TRACKER_MAGIC[..], &[kind], &header].concat();
        datagram.resize(datagram.len() + pad, 0);
        let mut out = Vec::new();
        s.on_datagram(at(1), "10.0.0.1:1".parse().unwrap(), &datagram, &mut out);
        prop_assert!(out.len() <= datagram.len());
    }

    /// Every command with a guessed cookie is met with silence.
    #[test]
    fn a_guessed_cookie_is_met_with_silence(guess in any::<[u8; 8]>()) {
        let mut s = state(|_| {});
        let c = Bin(guess);
        prop_assert!(ask(&mut s, "10.0.0.1:1", &Packet::bare(register(c, 1, 0))).is_empty());
        prop_assert!(ask(&mut s, "10.0.0.1:1", &Packet::bare(request(c, 1, None))).is_empty());
    }
}
