//! Golden text from BEP 3, 7, 23, 24 and 48, cuts and garbage.

use super::*;
use crate::ids::{InfoHashV1, PeerId};
use crate::protocol::announce::{Announce, Event, Figures};
use proptest::prelude::*;

fn hash() -> InfoHashV1 {
    "123456789abcdef123456789abcdef123456789a".parse().unwrap()
}

fn announce() -> Announce {
    Announce {
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event: Event::Started,
        numwant: Some(80),
        key: 0xdead_beef,
        ..Announce::new(hash(), PeerId(*b"-SW0100-abcdefghijkl"), 6881)
    }
}

fn peer(addr: &str, id: Option<u8>) -> HttpPeer {
    HttpPeer { addr: addr.parse().unwrap(), id: id.map(|byte| PeerId([byte; 20])) }
}

#[test]
fn an_announce_is_spelt_as_bep_3_spells_it() {
    let query = AnnounceQuery::new(announce());
    let golden = "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A\
        &peer_id=-SW0100-abcdefghijkl&port=6881&uploaded=1&downloaded=2&left=3&key=deadbeef\
        &event=started&numwant=80&compact=1&no_peer_id=1";
    assert_eq!(query.query(), golden);
    assert_eq!(AnnounceQuery::read(golden.as_bytes()), Ok(query));
}

#[test]
fn every_parameter_is_written_and_read_back() {
    let query = AnnounceQuery {
        announce: Announce { ip: Some([1, 2, 3, 4].into()), event: Event::None, ..announce() },
        compact: Some(false),
        no_peer_id: false,
        ipv6: Some("2001:db8::7".parse().unwrap()),
        tracker_id: Some(b"a b&c=\xff".to_vec()),
        supports_crypto: true,
    };
    assert_eq!(AnnounceQuery::read(query.query().as_bytes()), Ok(query));
}

#[test]
fn a_learners_announce_is_understood() {
    let text = "info_hash=1234567890abcdef1234567890abcdef12345678&peer_id=peer1&port=20007\
        &uploaded=0&downloaded=0&left=1000&compact=1&event=started";
    let query = AnnounceQuery::read(text.as_bytes()).unwrap();
    let Announce { info_hash, peer_id, port, left, event, .. } = query.announce;
    assert_eq!(info_hash.to_string(), "1234567890abcdef1234567890abcdef12345678");
    assert_eq!(&peer_id.0, b"peer1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!((port, left, event), (20007, 1000, Event::Started));
}

#[test]
fn what_is_left_out_or_odd_has_a_default() {
    let h = "info_hash=aaaaaaaaaaaaaaaaaaaa";
    let text = format!("&&{h}&info_hash=x&peer_id=+%2B%zz%&port=1&left=-1&x&=y&ipv6=[::2]:9&key=k");
    let query = AnnounceQuery::read(text.as_bytes()).unwrap();
    let mut wanted = AnnounceQuery::new(Announce::new(InfoHashV1([b'a'; 20]), PeerId([0; 20]), 1));
    (wanted.compact, wanted.no_peer_id) = (None, false);
    wanted.ipv6 = Some("::2".parse().unwrap());
    wanted.announce.peer_id.0[..6].copy_from_slice(b" +%zz%");
    wanted.announce.key = b'k'.into();
    assert_eq!(query, wanted);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let check = |query: &str, reason: &str| {
        assert_eq!(AnnounceQuery::read(query.as_bytes()).unwrap_err().to_string(), reason);
    };
    let h = "info_hash=aaaaaaaaaaaaaaaaaaaa";
    check("port=1", "`info_hash` is missing");
    check(&format!("{h}&port=1"), "`peer_id` is missing");
    check(&format!("{h}&peer_id=a"), "`port` is missing");
    check(&format!("{h}&peer_id=a&port=65536"), "`port` is not a number from 0 to 65535");
    check(&format!("{h}&peer_id=a&port=+1"), "`port` is not a number from 0 to 65535");
    check(
        "info_hash=abc&peer_id=a&port=1",
        "`info_hash` has 3 bytes where 20, or 40 hexadecimal digits, were expected",
    );
    check(
        &format!("{h}&peer_id={}&port=1", "a".repeat(21)),
        "`peer_id` has 21 bytes where at most 20 were expected",
    );
}

#[test]
fn an_answer_has_compact_peers_of_both_families() {
    let answer = AnnounceAnswer {
        interval: 120,
        min_interval: Some(30),
        tracker_id: Some(b"t".to_vec()),
        seeders: Some(1),
        leechers: Some(2),
        completed: Some(3),
        peers: vec![peer("10.0.0.1:258", None), peer("[2001:db8::1]:259", None)],
        external_ip: Some([9, 8, 7, 6].into()),
        warning: Some("w".into()),
    };
    let golden = [
        &b"d8:completei1e10:downloadedi3e11:external ip4:\x09\x08\x07\x06"[..],
        b"10:incompletei2e8:intervali120e12:min intervali30e5:peers6:\x0a\0\0\x01\x01\x02",
        b"6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x03",
        b"10:tracker id1:t15:warning message1:we",
    ]
    .concat();
    assert_eq!(answer.encode(PeersAs::Compact), golden);
    assert_eq!(read_announce_answer(&golden), Ok(answer));
    assert!(read_announce_answer(&[&golden[..], b"\r\n"].concat()).is_ok(), "a line's end");
    for cut in 0..golden.len() {
        assert!(read_announce_answer(&golden[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn peers_come_as_dictionaries_with_or_without_ids() {
    let peers = vec![peer("10.0.0.1:258", Some(b'a')), peer("[::1]:9", None)];
    let answer = AnnounceAnswer { interval: 5, peers, ..AnnounceAnswer::default() };
    let golden = "d8:intervali5e5:peersld2:ip8:10.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa\
        4:porti258eed2:ip3:::14:porti9eeee";
    assert_eq!(answer.encode(PeersAs::Dictionaries), golden.as_bytes());
    assert_eq!(read_announce_answer(golden.as_bytes()).as_ref(), Ok(&answer));
    let short = "d8:intervali5e5:peersld2:ip8:10.0.0.14:porti258eed2:ip3:::14:porti9eeee";
    assert_eq!(answer.encode(PeersAs::DictionariesWithoutIds), short.as_bytes());
}

#[test]
fn a_tracker_that_says_little_or_odd_things_is_read_all_the_same() {
    let read = |body: &[u8]| read_announce_answer(body);
    assert_eq!(read(b"de"), Ok(AnnounceAnswer::default()));
    let odd = b"d8:completei-5e10:incompletei99999999999e8:interval1:x5:peersi1e6:peers6leee";
    let odd = read(&odd[..odd.len() - 1]).unwrap();
    assert_eq!((odd.interval, odd.seeders, odd.leechers), (0, Some(0), Some(u32::MAX)));
    let peers = b"d5:peersld2:ip4:host4:porti1eed2:ip7:1.2.3.44:porti0eed4:porti1eei7e\
        d2:ip7:1.2.3.44:porti7eeee";
    assert_eq!(read(peers).unwrap().peers, [peer("1.2.3.4:7", None)]);
}

#[test]
fn a_refusal_is_a_reason() {
    assert_eq!(failure("no"), b"d14:failure reason2:noe");
    let refused = read_announce_answer(b"d14:failure reason2:n\xffe");
    assert_eq!(refused, Err(BadAnswer::Failure("n\u{fffd}".into())));
    assert_eq!(read_scrape_answer(&failure("no")), Err(BadAnswer::Failure("no".into())));
    assert_eq!(read_announce_answer(b"i1e"), Err(BadAnswer::NotADictionary));
    assert!(matches!(read_announce_answer(b"<html>"), Err(BadAnswer::Bencode(_))));
}

#[test]
fn a_scrape_asks_for_several_torrents_and_gets_their_figures() {
    let (a, b) = (InfoHashV1([b'a'; 20]), InfoHashV1([b'b'; 20]));
    let query = "info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=bbbbbbbbbbbbbbbbbbbb";
    assert_eq!(scrape_query(&[a, b]), query);
    assert_eq!(read_scrape_query(query.as_bytes()), Ok(vec![a, b]));
    assert_eq!(read_scrape_query(b"x=1"), Err(BadQuery::Missing("info_hash")));
    assert_eq!(read_scrape_query(b"info_hash=1"), Err(BadQuery::InfoHash(1)));
    let figures = |n| Figures { seeders: n, completed: n + 1, leechers: n + 2 };
    let files = vec![(b, figures(4)), (a, figures(1)), (a, figures(1))];
    let answer = ScrapeAnswer { files, min_request_interval: Some(30) };
    let golden = "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3ee\
        20:bbbbbbbbbbbbbbbbbbbbd8:completei4e10:downloadedi5e10:incompletei6eee\
        5:flagsd20:min_request_intervali30eee";
    assert_eq!(answer.encode(), golden.as_bytes());
    let read = read_scrape_answer(golden.as_bytes()).unwrap();
    assert_eq!(read.files, [(a, figures(1)), (b, figures(4))]);
    assert_eq!(read.min_request_interval, Some(30));
    let odd = read_scrape_answer(b"d5:filesd1:ai1e20:bbbbbbbbbbbbbbbbbbbbleee").unwrap();
    assert_eq!(odd.files, [(b, Figures::default())]);
}

#[test]
fn a_tracker_is_scraped_beside_where_it_announces() {
    let check = |from: &str, to: Option<&str>| assert_eq!(scrape_url(from).as_deref(), to);
    check("http://t:1/announce", Some("http://t:1/scrape"));
    check("http://t/x/announce.php?p=/announce", Some("http://t/x/scrape.php?p=/announce"));
    check("http://t/a", None);
    check("http://t/announce/x", None);
    check("http://t/x?announce", None);
    check("announce", None);
}

proptest! {
    #[test]
    fn garbage_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = AnnounceQuery::read(&bytes);
        let _ = read_scrape_query(&bytes);
        let _ = read_announce_answer(&bytes);
        let _ = read_scrape_answer(&bytes);
    }

    #[test]
    fn any_twenty_bytes_travel(hash in any::<[u8; 20]>(), id in any::<[u8; 20]>()) {
        let announce = Announce::new(InfoHashV1(hash), PeerId(id), 1);
        let read = AnnounceQuery::read(AnnounceQuery::new(announce).query().as_bytes()).unwrap();
        prop_assert_eq!((read.announce.info_hash.0, read.announce.peer_id.0), (hash, id));
    }
}

#[test]
fn a_refusal_may_say_when_to_come_back() {
    let check = |body: &[u8], minutes: Option<u64>| {
        let expected = minutes.map(|minutes| std::time::Duration::from_secs(60 * minutes));
        assert_eq!(read_retry_in(body), expected);
    };
    check(b"d14:failure reason4:busy8:retry ini5ee", Some(5));
    check(b"d14:failure reason4:busy8:retry in1:5e", Some(5));
    check(b"d14:failure reason4:busy8:retry ini0ee", None);
    check(b"d14:failure reason4:busye", None);
    let never = read_retry_in(b"d14:failure reason4:gone8:retry in5:nevere");
    assert_eq!(never, Some(std::time::Duration::MAX));
}
