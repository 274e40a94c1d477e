//! A tracker with a list, and addresses that announces name, without a socket.

use super::tests::{answer, ask_tcp, at, cookie, peers_of, publish, register, state};
use super::*;
use crate::ids::{InfoHashV1, PeerId};
use crate::protocol::announce::Announce;
use crate::protocol::frame::Bin;
use crate::protocol::tracker_http::{AnnounceQuery, BadAnswer, read_announce_answer};
use crate::protocol::tracker_native::{
    Beat, Fetch, Keepalive, Lookup, Publish, Register, put_beat,
};
use crate::tracker::allow::NOT_LISTED;

fn list(line: &str) -> AllowList {
    AllowList::read(line).unwrap()
}

/// Announces over HTTP: the peers, or why not.
fn announce(s: &mut State, from: &str, report: Announce) -> Result<Vec<SocketAddr>, String> {
    let asker = Asker { remote: from.parse().unwrap(), local: [10, 9, 9, 9].into() };
    let query = AnnounceQuery::new(report).query();
    let (_, body) = s.on_http(at(1), asker, &format!("/announce?{query}"));
    match read_announce_answer(&body) {
        Ok(answer) => Ok(answer.peers.iter().map(|peer| peer.addr).collect()),
        Err(BadAnswer::Failure(why)) => Err(why),
        Err(other) => panic!("{other:?}"),
    }
}

fn report(hash: u8, port: u16) -> Announce {
    Announce { left: 5, ..Announce::new(InfoHashV1([hash; 20]), PeerId([1; 20]), port) }
}

fn refusal(message: &Message) -> Option<&str> {
    match message {
        Message::Error(error) if error.code == ErrorCode::UnknownTorrent => Some(&error.message),
        _ => None,
    }
}

fn first(out: &[u8]) -> Message {
    Packet::first_in(out).unwrap().unwrap().0.message
}

#[test]
fn what_is_not_on_the_list_is_refused_in_every_dialect() {
    let mut s = state(|_| {});
    s.on_list_changed(list(&"01".repeat(32)));
    assert_eq!(announce(&mut s, "10.0.0.1", report(1, 7)), Ok(vec![]), "a v2 hash, cut");
    assert_eq!(announce(&mut s, "10.0.0.1", report(2, 7)), Err(NOT_LISTED.into()));
    let from = "10.0.0.1:4000";
    let c = cookie(&mut s, from);
    assert_eq!(refusal(&answer(&mut s, from, register(c, 2, 0), &[])), Some(NOT_LISTED));
    assert!(matches!(answer(&mut s, from, register(c, 1, 0), &[]), Message::Ack(_)));
    let message = Publish { info_hash: Bin([2; 32]), name: "a".into(), offset: 0, total: 1 };
    assert_eq!(refusal(&first(&ask_tcp(&mut s, message, b"x"))), Some(NOT_LISTED));
    assert_eq!((s.registry.peers(), s.counters.refused), (2, 3));
}

#[test]
fn what_leaves_the_list_is_given_to_nobody_any_more() {
    let mut s = state(|_| {});
    let hash = publish(&mut s, "film.bin", 1);
    let from = "10.0.0.1:4000";
    let c = cookie(&mut s, from);
    answer(&mut s, from, Register { info_hash: Bin(hash), ..register(c, 0, 0) }, &[]);
    answer(&mut s, from, register(c, 1, 0), &[]);
    assert_eq!(s.contents_after(None).filter_map(|hash| s.candidate(hash)).count(), 2);
    s.on_list_changed(list(&"01".repeat(32)));
    let left: Vec<_> = s.contents_after(None).filter_map(|hash| s.candidate(hash)).collect();
    assert_eq!((left.len(), left[0].info_hash), (1, InfoHashV2([1; 32])));
    let fetched = first(&ask_tcp(&mut s, Fetch { info_hash: Bin(hash) }, &[]));
    assert!(matches!(fetched, Message::Error(e) if e.code == ErrorCode::NotPublished));
    let out = ask_tcp(&mut s, Lookup { name: "film.bin".into() }, &[]);
    assert_eq!(Packet::first_in(&out).unwrap().unwrap().0.body, b"", "no entry");
    assert!(s.swarm_view(at(1), InfoHashV2(hash).into()).is_none());
    // Its peers are told that they are unknown, and so fall silent here.
    let mut body = Vec::new();
    for short in [InfoHashV2(hash).truncated(), InfoHashV1([1; 20])] {
        put_beat(&mut body, &Beat { info_hash: short, left: 0, down: 0, up: 0, news: vec![] });
    }
    let beat = Keepalive { seq: 9, cookie: c, port: 6881 };
    let Message::Ack(ack) = answer(&mut s, from, beat, &body) else { panic!("an ACK") };
    assert_eq!(ack.unknown, [0]);
    assert_eq!(peers_of(&mut s, "10.0.0.2:1", None).1, ["10.0.0.1:6881"]);
}

#[test]
fn a_named_address_is_believed_of_private_askers_and_only_when_allowed() {
    let named = |ip: [u8; 4], port| Announce { ip: Some(ip.into()), ..report(1, port) };
    let listed = |s: &mut State| {
        let mut all = announce(s, "9.9.9.9", report(1, 99)).unwrap();
        all.sort();
        all.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (trust_ip, expected) in
        [(false, ["8.8.8.8:2", "192.168.1.5:1"]), (true, ["5.5.5.5:1", "8.8.8.8:2"])]
    {
        let mut s = state(|options| options.trust_ip = trust_ip);
        announce(&mut s, "192.168.1.5", named([5, 5, 5, 5], 1)).unwrap();
        announce(&mut s, "8.8.8.8", named([5, 5, 5, 5], 2)).unwrap();
        assert_eq!(listed(&mut s), expected, "trust_ip: {trust_ip}");
    }
}
