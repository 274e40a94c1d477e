//! What the tracker answers to BitTorrent's peers, without a socket.

use super::tests::{answer, ask, ask_tcp, at, cookie, peers_of, register, state};
use super::*;
use crate::ids::{InfoHashV1, PeerId};
use crate::metainfo::Metainfo;
use crate::metainfo::build::{BuildOptions, build};
use crate::metainfo::draft::{Draft, DraftFile, Version};
use crate::protocol::announce::{Announce, Event, Family};
use crate::protocol::frame::Bin;
use crate::protocol::tracker_http::{
    AnnounceAnswer, AnnounceQuery, BadAnswer, ScrapeAnswer, read_announce_answer,
    read_scrape_answer, scrape_query,
};
use crate::protocol::tracker_native::{Publish, Register};
use crate::protocol::tracker_udp::{Answer, Head, MAX_SCRAPE, Request};
use proptest::prelude::*;

const ONE: InfoHashV1 = InfoHashV1([1; 20]);

fn announce(hash: InfoHashV1, port: u16, left: u64) -> Announce {
    Announce { left, ..Announce::new(hash, PeerId([port as u8; 20]), port) }
}

fn get(s: &mut State, from: &str, target: &str) -> Vec<u8> {
    get_at(s, 1, from, target)
}

fn get_at(s: &mut State, secs: u64, from: &str, target: &str) -> Vec<u8> {
    let asker = Asker { remote: from.parse().unwrap(), local: [192, 168, 1, 9].into() };
    let (status, body) = s.on_http(at(secs), asker, target);
    assert_eq!(status, 200, "{target}");
    body
}

fn try_http(s: &mut State, from: &str, report: Announce) -> Result<AnnounceAnswer, BadAnswer> {
    let query = AnnounceQuery::new(report).query();
    read_announce_answer(&get(s, from, &format!("/announce?{query}")))
}

fn http(s: &mut State, from: &str, report: Announce) -> AnnounceAnswer {
    try_http(s, from, report).expect("peers, not a reason")
}

/// The peers that an announce over HTTP is given, in order.
fn peers(s: &mut State, from: &str, report: Announce) -> Vec<String> {
    let answer = http(s, from, report);
    let mut peers: Vec<String> = answer.peers.iter().map(|peer| peer.addr.to_string()).collect();
    peers.sort();
    peers
}

fn figures(s: &mut State, hash: InfoHashV1) -> (u32, u32, u32) {
    let body = get(s, "10.9.9.9", &format!("/scrape?{}", scrape_query(&[hash])));
    let found = read_scrape_answer(&body).unwrap().files;
    (found[0].1.seeders, found[0].1.leechers, found[0].1.completed)
}

fn send(s: &mut State, secs: u64, from: &str, connection_id: u64, request: &Request) -> Vec<u8> {
    let (mut question, mut out) = (Vec::new(), Vec::new());
    request.put(Head { connection_id, transaction_id: 77 }, &mut question);
    s.on_datagram(at(secs), from.parse().unwrap(), &question, &mut out);
    out
}

fn udp(s: &mut State, from: &str, request: &Request) -> Answer {
    let addr: SocketAddr = from.parse().unwrap();
    let family = Family::of(addr.ip());
    let read = |bytes: &[u8]| match Answer::read(bytes, family) {
        Ok((77, answer)) => answer,
        other => panic!("{other:?}"),
    };
    let granted = read(&send(s, 1, from, 0, &Request::Connect));
    let Answer::Connect { connection_id } = granted else { panic!("{granted:?}") };
    read(&send(s, 1, from, connection_id, request))
}

fn udp_announce(announce: Announce) -> Request {
    Request::Announce { announce, url_data: b"/announce".to_vec() }
}

/// A hybrid of one small file.
fn hybrid() -> Metainfo {
    let path = vec!["x".to_owned()];
    let file = DraftFile { path, length: 7, root: Some([3; 32]), layer: Vec::new() };
    let draft = Draft {
        name: "x".into(),
        version: Version::Hybrid,
        piece_length: 16384,
        single_file: true,
        files: vec![file],
        v1_pieces: vec![[7; 20]],
    };
    build(&draft, &BuildOptions::default()).unwrap()
}

fn publish(s: &mut State, torrent: &Metainfo) {
    let (hash, bytes) = (torrent.info_hash_v2.unwrap(), torrent.to_torrent());
    let total = bytes.len() as u32;
    let message = Publish { info_hash: Bin(hash.0), name: "x".into(), offset: 0, total };
    let out = ask_tcp(s, message, &bytes);
    let (packet, _) = Packet::first_in(&out).unwrap().unwrap();
    assert!(matches!(packet.message, Message::Ack(_)), "{packet:?}");
}

/// A native peer that has everything.
fn native(s: &mut State, from: &str, hash: InfoHashV2, bittorrent: bool) {
    let cookie = cookie(s, from);
    let message = Register { info_hash: Bin(hash.0), bittorrent, ..register(cookie, 0, 0) };
    assert!(matches!(answer(s, from, message, &[]), Message::Ack(_)));
}

#[test]
fn two_clients_find_each_other_over_http() {
    let mut s = state(|_| {});
    let first = http(&mut s, "10.0.0.1", announce(ONE, 1001, 0));
    assert_eq!((first.interval, first.min_interval, first.peers.len()), (120, Some(30), 0));
    assert_eq!((first.seeders, first.leechers, first.completed), (Some(1), Some(0), Some(0)));
    assert_eq!(first.external_ip, Some([10, 0, 0, 1].into()));
    assert_eq!(peers(&mut s, "10.0.0.2", announce(ONE, 1002, 5)), ["10.0.0.1:1001"]);
    assert_eq!(peers(&mut s, "10.0.0.1", announce(ONE, 1001, 0)), ["10.0.0.2:1002"]);
    assert_eq!(figures(&mut s, ONE), (1, 1, 0));
    assert_eq!(peers(&mut s, "10.0.0.3", announce(InfoHashV1([2; 20]), 1, 5)), [""; 0]);
}

#[test]
fn a_learners_announce_is_answered_and_dictionaries_are_given_when_asked_for() {
    let mut s = state(|_| {});
    let learner = "/announce?info_hash=1234567890abcdef1234567890abcdef12345678&peer_id=peer1\
        &port=20007&uploaded=0&downloaded=0&left=1000&compact=1&event=started";
    let golden = b"d8:completei0e10:downloadedi0e11:external ip4:\x7f\0\0\x0110:incompletei1e\
        8:intervali120e12:min intervali30e5:peers0:e";
    assert_eq!(get(&mut s, "127.0.0.1", learner), golden);
    let other = learner.replace("20007", "20008").replace("peer1", "peer2");
    let given = get(&mut s, "127.0.0.1", &other.replace("compact=1", "compact=0"));
    let golden = b"d8:completei0e10:downloadedi0e11:external ip4:\x7f\0\0\x0110:incompletei2e\
        8:intervali120e12:min intervali30e5:peersld2:ip9:127.0.0.17:peer id20:peer1\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\x004:porti20007eeee";
    assert_eq!(given, golden);
    let bare = get(&mut s, "127.0.0.1", &other.replace("compact=1", "compact=0&no_peer_id=1"));
    assert!(!bare.windows(7).any(|word| word == b"peer id"));
    let unsaid = get(&mut s, "127.0.0.1", &other.replace("&compact=1", ""));
    assert!(unsaid.ends_with(b"5:peers6:\x7f\0\0\x01\x4e\x27e"), "compact unless told otherwise");
}

#[test]
fn what_cannot_be_is_refused_with_a_reason_in_an_ordinary_answer() {
    let mut s = state(|_| {});
    let refused = |body: Vec<u8>| match read_announce_answer(&body) {
        Err(BadAnswer::Failure(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(get(&mut s, "10.0.0.1", "/announce")), "`port` is missing");
    assert_eq!(refused(get(&mut s, "10.0.0.1", "/scrape")), "`info_hash` is missing");
    let nowhere = try_http(&mut s, "10.0.0.1", announce(ONE, 0, 5));
    assert_eq!(nowhere, Err(BadAnswer::Failure("nobody can be reached at port 0".into())));
    let mut full = state(|options| options.max_per_ip = 1);
    http(&mut full, "8.8.8.8", announce(ONE, 1, 5));
    let second = try_http(&mut full, "8.8.8.8", announce(ONE, 2, 5));
    assert_eq!(second, Err(BadAnswer::Failure("too many registrations from this address".into())));
    let asker = Asker { remote: [10, 0, 0, 1].into(), local: [10, 0, 0, 9].into() };
    assert_eq!(s.on_http(at(1), asker, "/announcex").0, 404);
}

#[test]
fn who_stops_is_gone_at_once_and_who_completes_is_counted_once() {
    let mut s = state(|_| {});
    http(&mut s, "10.0.0.1", announce(ONE, 1, 5));
    for _ in 0..2 {
        let done = Announce { event: Event::Completed, ..announce(ONE, 1, 0) };
        http(&mut s, "10.0.0.1", done);
        assert_eq!(figures(&mut s, ONE), (1, 0, 1));
    }
    let another =
        Announce { event: Event::Stopped, peer_id: PeerId([9; 20]), ..announce(ONE, 1, 0) };
    http(&mut s, "10.0.0.1", another);
    assert_eq!(figures(&mut s, ONE), (1, 0, 1), "another id stops nobody");
    http(&mut s, "10.0.0.2", announce(ONE, 2, 5));
    let stopped = Announce { event: Event::Stopped, ..announce(ONE, 1, 0) };
    assert_eq!(peers(&mut s, "10.0.0.1", stopped), [""; 0]);
    assert_eq!(figures(&mut s, ONE), (0, 1, 1));
}

#[test]
fn clients_expire_after_a_quarter_of_an_hour_and_native_peers_as_before() {
    let mut s = state(|_| {});
    let hash = InfoHashV2([1; 32]);
    native(&mut s, "10.0.0.1:4000", hash, true);
    http(&mut s, "10.0.0.2", announce(ONE, 2, 5));
    assert_eq!(s.registry.peers(), 2);
    assert_eq!(s.deadline(), Some(at(16)));
    s.on_tick(at(16), 10);
    assert_eq!((s.registry.peers(), s.deadline()), (1, Some(at(901))));
    s.on_tick(at(901), 10);
    assert_eq!((s.registry.peers(), s.deadline()), (0, None));
    let mut slow = state(|options| options.announce_interval = Duration::from_mins(10));
    http(&mut slow, "10.0.0.2", announce(ONE, 2, 5));
    assert_eq!(slow.deadline(), Some(at(1801)), "three intervals");
}

#[test]
fn an_asker_gets_as_many_peers_as_it_wants_within_bounds() {
    let mut s = state(|_| {});
    for port in 1..=300 {
        http(&mut s, "10.0.0.1", announce(ONE, port, 5));
    }
    let mut given = |numwant| {
        let report = Announce { numwant, ..announce(ONE, 9999, 5) };
        let Answer::Announce { peers, .. } =
            udp(&mut s, "10.0.0.2:1", &udp_announce(report.clone()))
        else {
            panic!("peers")
        };
        (http(&mut s, "10.0.0.2", report).peers.len(), peers.len())
    };
    assert_eq!(given(None), (50, 50));
    assert_eq!(given(Some(0)), (0, 0));
    assert_eq!(given(Some(7)), (7, 7));
    assert_eq!(given(Some(u32::MAX)), (200, 50), "a datagram has few");
}

#[test]
fn the_families_get_peers_they_can_dial() {
    let mut s = state(|_| {});
    for n in 1..=100 {
        http(&mut s, &format!("fd00::{n:x}"), announce(ONE, 6, 5));
    }
    http(&mut s, "10.0.0.1", announce(ONE, 4, 0));
    let report = || Announce { numwant: Some(500), ..announce(ONE, 7, 5) };
    let mut given = |from: &str| match udp(&mut s, from, &udp_announce(report())) {
        Answer::Announce { peers, seeders: 1, interval: 120, .. } => peers,
        other => panic!("{other:?}"),
    };
    assert_eq!(given("10.0.0.2:1"), ["10.0.0.1:4".parse().unwrap()]);
    let six = given("[fd00::1]:1");
    assert!(six.len() == 50 && six.iter().all(SocketAddr::is_ipv6), "{} peers", six.len());
    let both = peers(&mut s, "10.0.0.2", report());
    assert_eq!(both.len(), 102, "both families, without the asker");
}

#[test]
fn a_loopback_client_is_given_to_a_remote_one_by_the_trackers_address() {
    let mut s = state(|_| {});
    http(&mut s, "127.0.0.1", announce(ONE, 1, 0));
    assert_eq!(peers(&mut s, "192.168.1.2", announce(ONE, 2, 5)), ["192.168.1.9:1"]);
    let there = [("127.0.0.1:1"), ("192.168.1.2:2")];
    assert_eq!(peers(&mut s, "127.0.0.5", announce(ONE, 3, 5)), there);
}

#[test]
fn a_loopback_client_is_given_over_udp_by_the_address_the_tracker_listens_on() {
    let given = |listen: [u8; 4], from: &str| {
        let mut s = state(|options| options.listen = (listen, 0).into());
        udp(&mut s, "127.0.0.1:9", &udp_announce(announce(ONE, 1, 0)));
        match udp(&mut s, from, &udp_announce(announce(ONE, 2, 5))) {
            Answer::Announce { peers, .. } => peers,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(given([10, 1, 1, 1], "10.1.1.2:9"), ["10.1.1.1:1".parse().unwrap()]);
    assert_eq!(given([0, 0, 0, 0], "10.1.1.2:9"), [], "better nobody than oneself");
    assert_eq!(given([0, 0, 0, 0], "127.0.0.2:9"), ["127.0.0.1:1".parse().unwrap()]);
}

#[test]
fn an_id_that_was_not_kept_is_not_asked_for_and_one_that_was_is_given_out() {
    let mut s = state(|_| {});
    udp(&mut s, "10.0.0.1:9", &udp_announce(announce(ONE, 1, 5)));
    http(&mut s, "10.0.0.2", announce(ONE, 2, 5));
    let query = AnnounceQuery {
        compact: Some(false),
        no_peer_id: false,
        ..AnnounceQuery::new(announce(ONE, 3, 5))
    };
    let body = get(&mut s, "10.0.0.3", &format!("/announce?{}", query.query()));
    let mut ids: Vec<_> = read_announce_answer(&body).unwrap().peers;
    ids.sort_by_key(|peer| peer.addr);
    let ids: Vec<_> = ids.iter().map(|peer| peer.id).collect();
    assert_eq!(ids, [None, Some(PeerId([2; 20]))]);
    let another = |port| Announce {
        event: Event::Stopped,
        peer_id: PeerId([9; 20]),
        ..announce(ONE, port, 5)
    };
    udp(&mut s, "10.0.0.2:9", &udp_announce(another(2)));
    let both = ["10.0.0.1:1", "10.0.0.2:2"];
    assert_eq!(peers(&mut s, "10.0.0.3", announce(ONE, 3, 5)), both);
}

#[test]
fn a_claimed_address_is_not_believed() {
    let mut s = state(|_| {});
    let liar = Announce { ip: Some([10, 0, 0, 66].into()), ..announce(ONE, 1, 0) };
    http(&mut s, "10.0.0.1", liar.clone());
    udp(&mut s, "10.0.0.1:9", &udp_announce(liar));
    assert_eq!(peers(&mut s, "10.0.0.2", announce(ONE, 2, 5)), ["10.0.0.1:1"]);
}

#[test]
fn a_wrong_connection_id_gets_no_more_than_it_sent() {
    let mut s = state(|_| {});
    let wrong = [0, 1 << 63, u64::MAX];
    for connection_id in wrong {
        let request = udp_announce(announce(ONE, 1, 5));
        let out = send(&mut s, 1, "10.0.0.1:1", connection_id, &request);
        let error = Answer::Error("connection id expired".into());
        assert_eq!(Answer::read(&out, Family::V4), Ok((77, error)));
        assert!(out.len() < 98);
    }
    assert_eq!((s.registry.peers(), s.counters.unverified), (0, 3));
    let granted = send(&mut s, 1, "10.0.0.1:1", 0, &Request::Connect);
    let id = u64::from_be_bytes(granted[8..].try_into().unwrap());
    let scrape = Request::Scrape(vec![ONE; MAX_SCRAPE]);
    assert_eq!(send(&mut s, 120, "10.0.0.1:2", id, &scrape).len(), 8 + 12 * MAX_SCRAPE);
    assert!(send(&mut s, 120, "10.0.0.2:1", id, &scrape).len() < 40, "another address");
    assert!(send(&mut s, 200, "10.0.0.1:1", id, &scrape).len() < 40, "too old");
}

#[test]
fn several_torrents_are_scraped_at_once() {
    let mut s = state(|_| {});
    let two = InfoHashV1([2; 20]);
    http(&mut s, "10.0.0.1", announce(ONE, 1, 0));
    http(&mut s, "10.0.0.1", announce(two, 1, 5));
    let body = get(&mut s, "10.0.0.1", &format!("/scrape?{}", scrape_query(&[two, ONE])));
    let ScrapeAnswer { files, .. } = read_scrape_answer(&body).unwrap();
    let (seeds, leeches) = (
        Figures { seeders: 1, ..Figures::default() },
        Figures { leechers: 1, ..Figures::default() },
    );
    assert_eq!(files, [(ONE, seeds), (two, leeches)]);
    let none = InfoHashV1([3; 20]);
    let scrape = Request::Scrape(vec![two, none, ONE]);
    let answer = udp(&mut s, "10.0.0.1:1", &scrape);
    assert_eq!(answer, Answer::Scrape(vec![leeches, Figures::default(), seeds]));
}

#[test]
fn a_published_hybrid_is_one_swarm_under_its_three_names() {
    let mut s = state(|_| {});
    let torrent = hybrid();
    let (v2, v1) = (torrent.info_hash_v2.unwrap(), torrent.info_hash_v1.unwrap());
    native(&mut s, "10.0.0.1:4000", v2, true);
    http(&mut s, "10.0.0.2", announce(v1, 2, 5));
    http(&mut s, "10.0.0.3", announce(v2.truncated(), 3, 5));
    let by_v1 = |s: &mut State| peers(s, "10.0.0.4", announce(v1, 4, 5));
    assert_eq!(by_v1(&mut s), ["10.0.0.2:2"], "nobody's word joins v1 and v2");
    publish(&mut s, &torrent);
    let all = ["10.0.0.1:6881", "10.0.0.2:2", "10.0.0.3:3"];
    assert_eq!(by_v1(&mut s), all);
    assert_eq!(peers(&mut s, "10.0.0.4", announce(v2.truncated(), 4, 5)), all);
    assert_eq!(figures(&mut s, v1), (1, 3, 0), "the asker announced both names and counts once");
    let from = "10.0.0.9:1";
    let c = cookie(&mut s, from);
    let request = crate::protocol::tracker_native::Request {
        seq: 2,
        cookie: c,
        info_hash: Bin(v2.0),
        port: 6881,
        wanted: 50,
        to: None,
    };
    let out = ask(&mut s, from, &Packet::bare(request));
    let packet = Packet::from_datagram(&out).unwrap();
    let Message::PeerList(list) = packet.message else { panic!("{packet:?}") };
    assert_eq!((list.seeders, list.leechers, list.more), (1, 3, false));
    let mut given = crate::protocol::tracker_native::read_peers(packet.body).unwrap();
    given.sort_by_key(|peer| peer.addr);
    let dialects = |peer: &PeerEntry| (peer.addr.port(), peer.native, peer.bittorrent);
    let given: Vec<_> = given.iter().map(dialects).collect();
    assert_eq!(given, [(6881, true, true), (2, false, true), (3, false, true), (4, false, true)]);
    let candidate = s.candidate(v2).unwrap();
    assert_eq!((candidate.seeders, candidate.leechers), (1, 3), "peer list counts them too");
}

#[test]
fn a_v2_hash_and_its_beginning_are_one_swarm_without_a_torrent() {
    let mut s = state(|_| {});
    http(&mut s, "10.0.0.2", announce(ONE, 2, 5));
    assert_eq!(peers_of(&mut s, "10.0.0.3:1", None).1, ["10.0.0.2:2"]);
    native(&mut s, "10.0.0.1:4000", InfoHashV2([1; 32]), true);
    assert_eq!(peers(&mut s, "10.0.0.2", announce(ONE, 2, 5)), ["10.0.0.1:6881"]);
}

#[test]
fn a_native_peer_that_answers_no_bittorrent_is_not_given_to_clients() {
    let mut s = state(|_| {});
    let hash = InfoHashV2([1; 32]);
    native(&mut s, "10.0.0.1:4000", hash, false);
    native(&mut s, "10.0.0.2:4000", hash, true);
    assert_eq!(peers(&mut s, "10.0.0.3", announce(ONE, 3, 5)), ["10.0.0.2:6881"]);
    http(&mut s, "10.0.0.1", announce(ONE, 6881, 0));
    let both = ["10.0.0.1:6881", "10.0.0.2:6881"];
    assert_eq!(peers(&mut s, "10.0.0.3", announce(ONE, 3, 5)), both, "it announced itself");
    assert_eq!(figures(&mut s, ONE), (2, 1, 0), "under two names, counted once");
}

proptest! {
    /// Nobody is answered with more bytes than it sent unless its connection id is right.
    #[test]
    fn no_unverified_datagram_is_answered_by_a_longer_one(
        connection_id in prop_oneof![any::<u64>(), Just(0x0417_2710_1980)],
        action in 0..5_u32,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut s = state(|_| {});
        let mut out = Vec::new();
        let question =
            [&connection_id.to_be_bytes()[..], &action.to_be_bytes(), &body].concat();
        s.on_datagram(at(1), "10.0.0.1:1".parse().unwrap(), &question, &mut out);
        prop_assert!(out.len() <= question.len());
        prop_assert_eq!(s.registry.peers(), 0);
    }
}
