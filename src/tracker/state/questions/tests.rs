//! A tracker's part in a hierarchy, without a socket.

use crate::clock::Moment;
use crate::config::HierarchyConfig;
use crate::ids::{InfoHashV2, PeerId};
use crate::logic::resolver::zone::Zone;
use crate::protocol::frame::Bin;
use crate::protocol::tracker_native::{
    Answer, Beat, ErrorCode, Keepalive, Message, Op, Packet, PeerEntry, Query, Rcode, Records,
    Sync, SyncSwarm, put_beat, put_swarm,
};
use crate::tracker::state::State;
use crate::tracker::state::tests::{answer, ask, at, cookie, register, state};
use std::time::Duration;

const PEER: &str = "10.0.0.1:4000";
const REPLICA: &str = "10.0.0.9:7053";

fn zone(text: &str) -> Zone {
    text.parse().unwrap()
}

fn part(change: impl FnOnce(&mut HierarchyConfig)) -> State {
    state(|options| {
        options.expire = Duration::from_secs(15);
        change(&mut options.federation);
    })
}

fn question(state: &mut State, op: Op, key: &str, rd: bool) -> (Answer, Records) {
    let key = key.to_owned();
    let query = Query { id: 5, op, key, rd, hops: 8, max: 50, origin: None, cookie: None };
    let out = ask(state, PEER, &Packet::new(query, &[0; 400]));
    match Packet::from_datagram(&out).expect("an answer") {
        Packet { message: Message::Answer(answer), body } => {
            let records = Records::read(op, body).unwrap();
            (answer, records)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_asked_answers_refers_or_refuses_by_its_zone() {
    let mut s = part(|c| {
        c.zones = vec![zone("3")];
        c.delegations = vec![(zone("3f"), "127.0.0.21:1".parse().unwrap())];
    });
    let key = |start: &str| format!("{start:0<64}");
    let mut check = |op, key: &str, rcode, aa, referred| {
        let (answer, _) = question(&mut s, op, key, true);
        assert_eq!((answer.rcode, answer.aa, answer.ns.len()), (rcode, aa, referred), "{op} {key}");
    };
    check(Op::Peers, &key("30"), Rcode::NxSwarm, true, 0);
    check(Op::Announce, &key("30"), Rcode::NoError, true, 0);
    check(Op::Peers, &key("3f"), Rcode::NoError, false, 1);
    check(Op::Peers, &key("4"), Rcode::Refused, false, 0);
    check(Op::Name, "big-zip.cs.uct", Rcode::Refused, false, 0);
    check(Op::Ping, "", Rcode::NoError, false, 0);
    check(Op::Peers, "3f", Rcode::FormErr, false, 0);
    check(Op::Peers, "big.zip", Rcode::FormErr, false, 0);
    check(Op::Name, &key("30"), Rcode::FormErr, false, 0);
    check(Op::Other(9), &key("30"), Rcode::FormErr, false, 0);
}

#[test]
fn a_time_scale_divides_how_long_answers_hold() {
    for (scale, secs) in [(1.0, 30_000), (60.0, 500)] {
        let mut s = part(|c| c.time_scale = scale);
        let (answer, _) = question(&mut s, Op::Peers, &"3".repeat(64), false);
        assert_eq!(answer.ttl_ms, secs);
    }
}

#[test]
fn a_heartbeat_of_contents_that_lie_elsewhere_is_refused_with_a_reason() {
    let mut s = part(|c| c.zones = vec![zone("01")]);
    let c = cookie(&mut s, PEER);
    let beats = |hashes: &[u8]| {
        let mut body = Vec::new();
        for hash in hashes {
            let info_hash = InfoHashV2([*hash; 32]).truncated();
            put_beat(&mut body, &Beat { info_hash, left: 0, down: 0, up: 0, news: vec![] });
        }
        body
    };
    let beat = Keepalive { seq: 1, cookie: c, port: 1 };
    match answer(&mut s, PEER, beat.clone(), &beats(&[2, 3])) {
        Message::Error(e) => assert_eq!(
            (e.code, &*e.message),
            (ErrorCode::OtherZone, "not in zone 01: ask the root who has authority")
        ),
        other => panic!("{other:?}"),
    }
    let mixed = answer(&mut s, PEER, beat, &beats(&[2, 1]));
    assert!(matches!(mixed, Message::Ack(ack) if ack.unknown == [0, 1]), "one lies here");
}

/// Who the tracker says shares the content of hash 1.
fn sharers(s: &mut State) -> Vec<String> {
    match question(s, Op::Peers, &"01".repeat(32), false).1 {
        Records::Peers(peers) => peers.iter().map(|peer| peer.addr.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn sync(s: &mut State, from: &str, cookie: Bin<8>, peer: &str) {
    let peer =
        PeerEntry { addr: peer.parse().unwrap(), seed: true, native: true, bittorrent: false };
    let swarm = SyncSwarm {
        info_hash: InfoHashV2([1; 32]),
        name: "big.zip".into(),
        size: 100,
        pieces: 10,
        peers: vec![(PeerId([5; 20]), peer)],
    };
    let mut body = Vec::new();
    put_swarm(&mut body, &swarm);
    assert!(ask(s, from, &Packet::new(Sync { cookie }, &body)).is_empty(), "never answered");
}

#[test]
fn only_a_replica_that_proves_its_address_names_peers_and_they_expire() {
    let mut s = part(|c| c.replicas = vec![REPLICA.parse().unwrap()]);
    let (right, strangers) = (cookie(&mut s, REPLICA), cookie(&mut s, PEER));
    sync(&mut s, REPLICA, Bin([1; 8]), "10.0.0.5:1");
    sync(&mut s, PEER, strangers, "10.0.0.6:1");
    assert!(sharers(&mut s).is_empty());
    sync(&mut s, REPLICA, right, "10.0.0.7:1");
    assert_eq!(sharers(&mut s), ["10.0.0.7:1"]);
    s.on_tick(at(17), 100);
    assert!(sharers(&mut s).is_empty(), "it was not named again");
}

/// The peers that a tracker tells its replica of, once that has given a cookie.
fn told(s: &mut State, now: Moment) -> usize {
    s.on_tick(now, 100);
    let mut syncs = 0;
    while let Some((to, datagram)) = s.next_datagram() {
        match Packet::from_datagram(&datagram).unwrap().message {
            Message::Hello(hello) => {
                let answer =
                    crate::protocol::tracker_native::Cookie { seq: hello.seq, cookie: Bin([9; 8]) };
                let mut out = Vec::new();
                s.on_datagram(now, to, &Packet::bare(answer).datagram(), &mut out);
            }
            Message::Sync(m) => {
                assert_eq!((to.to_string(), m.cookie), (REPLICA.to_owned(), Bin([9; 8])));
                syncs += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    syncs
}

#[test]
fn what_came_from_a_replica_is_not_passed_on_unless_the_peer_speaks_itself() {
    let mut s = part(|c| c.replicas = vec![REPLICA.parse().unwrap()]);
    let right = cookie(&mut s, REPLICA);
    sync(&mut s, REPLICA, right, "10.0.0.1:6881");
    assert_eq!(told(&mut s, at(1)), 0);
    let c = cookie(&mut s, PEER);
    answer(&mut s, PEER, register(c, 1, 0), &[]);
    assert_eq!(told(&mut s, at(7)), 1);
}
