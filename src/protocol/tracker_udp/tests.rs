//! Golden bytes from BEP 15 and BEP 41, cuts and garbage.

use super::*;
use proptest::prelude::*;

const HEAD: Head = Head { connection_id: 0x8001_0203_0405_0607, transaction_id: 0x0a0b_0c0d };

fn announce() -> Announce {
    Announce {
        info_hash: InfoHashV1([0x11; 20]),
        peer_id: PeerId([0x22; 20]),
        port: 6881,
        uploaded: 3,
        downloaded: 1,
        left: 2,
        event: Event::Started,
        numwant: None,
        key: 0x0506_0708,
        ip: Some([9, 8, 7, 6].into()),
    }
}

fn request(request: &Request) -> Vec<u8> {
    let mut out = Vec::new();
    request.put(HEAD, &mut out);
    out
}

fn answer(answer: &Answer, family: Family) -> Vec<u8> {
    let mut out = Vec::new();
    answer.put(7, family, &mut out);
    out
}

#[test]
fn a_connect_is_magic_action_and_transaction() {
    let golden = [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0xa, 0xb, 0xc, 0xd];
    assert_eq!(request(&Request::Connect), golden);
    let head = Head { connection_id: CONNECT_MAGIC, ..HEAD };
    assert_eq!(Request::read(&golden), Ok((head, Request::Connect)));
    let mut wrong = golden;
    wrong[7] = 0x81;
    assert_eq!(Request::read(&wrong), Err(BadDatagram::Magic));
    let granted = Answer::Connect { connection_id: HEAD.connection_id };
    let golden = [0, 0, 0, 0, 0, 0, 0, 7, 0x80, 1, 2, 3, 4, 5, 6, 7];
    assert_eq!(answer(&granted, Family::V4), golden);
    assert_eq!(Answer::read(&golden, Family::V4), Ok((7, granted)));
}

#[test]
fn an_announce_has_98_bytes_at_their_offsets() {
    let whole = Request::Announce { announce: announce(), url_data: Vec::new() };
    let golden = [
        &[0x80, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 1, 0xa, 0xb, 0xc, 0xd][..],
        &[0x11; 20],
        &[0x22; 20],
        &[0, 0, 0, 0, 0, 0, 0, 1],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &[0, 0, 0, 0, 0, 0, 0, 3],
        &[0, 0, 0, 2, 9, 8, 7, 6, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0x1a, 0xe1],
    ]
    .concat();
    assert_eq!(golden.len(), 98);
    assert_eq!(request(&whole), golden);
    assert_eq!(Request::read(&golden), Ok((HEAD, whole)));
    for cut in 0..98 {
        assert!(Request::read(&golden[..cut]).is_err(), "cut at {cut}");
    }
    let few = Announce { numwant: Some(5), ip: None, ..announce() };
    let few = Request::Announce { announce: few, url_data: Vec::new() };
    let bytes = request(&few);
    assert_eq!((&bytes[84..88], &bytes[92..96]), (&[0; 4][..], &[0, 0, 0, 5][..]));
    assert_eq!(Request::read(&bytes), Ok((HEAD, few)));
}

#[test]
fn the_url_follows_an_announce_in_options() {
    let read = |options: &[u8]| {
        let mut bytes = request(&Request::Announce { announce: announce(), url_data: vec![] });
        bytes.extend(options);
        match Request::read(&bytes) {
            Ok((_, Request::Announce { url_data, .. })) => url_data,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(read(b"\x02\x0c/dir?a=b&c=d"), b"/dir?a=b&c=d");
    assert_eq!(read(b"\x01\x02\x02/d\x01\x02\x02ir\x00\x02\x01z"), b"/dir");
    assert_eq!(read(b"\x07\x03xyz\x02\x01/"), b"/", "an unknown option is skipped");
    for cut in [&b"\x02"[..], b"\x02\x05/d", b"\x09", b"\x09\xff"] {
        assert_eq!(read(cut), b"", "{cut:?}");
    }
    let url_data = vec![b'u'; 300];
    let long = Request::Announce { announce: announce(), url_data };
    let bytes = request(&long);
    assert_eq!((bytes.len(), bytes[98], bytes[99]), (98 + 300 + 4, 2, 255));
    assert_eq!(Request::read(&bytes), Ok((HEAD, long)));
}

#[test]
fn an_announce_is_answered_with_peers_of_the_sockets_family() {
    let (v4, v6) = ("10.0.0.1:258".parse().unwrap(), "[::2]:515".parse().unwrap());
    let both = Answer::Announce { interval: 120, leechers: 1, seeders: 2, peers: vec![v6, v4] };
    let head = [0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 120, 0, 0, 0, 1, 0, 0, 0, 2];
    let four = [&head[..], &[10, 0, 0, 1, 1, 2]].concat();
    let six = [&head[..], &[0; 15], &[2, 2, 3]].concat();
    assert_eq!(answer(&both, Family::V4), four);
    assert_eq!(answer(&both, Family::V6), six);
    let peers_of = |bytes: &[u8], family| match Answer::read(bytes, family) {
        Ok((7, Answer::Announce { interval: 120, leechers: 1, seeders: 2, peers })) => peers,
        other => panic!("{other:?}"),
    };
    assert_eq!(peers_of(&four, Family::V4), [v4]);
    assert_eq!(peers_of(&six, Family::V6), [v6]);
    assert_eq!(peers_of(&four[..25], Family::V4), [], "half a peer");
    for cut in 0..20 {
        assert!(Answer::read(&four[..cut], Family::V4).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_scrape_names_torrents_and_gets_three_numbers_each() {
    let two = Request::Scrape(vec![InfoHashV1([1; 20]), InfoHashV1([2; 20])]);
    let bytes = request(&two);
    assert_eq!(bytes[8..16], [0, 0, 0, 2, 0xa, 0xb, 0xc, 0xd]);
    assert_eq!(bytes[16..], [[1; 20], [2; 20]].concat());
    assert_eq!(Request::read(&bytes), Ok((HEAD, two)));
    for hashes in [0, MAX_SCRAPE + 1] {
        let many = request(&Request::Scrape(vec![InfoHashV1([1; 20]); hashes]));
        assert_eq!(Request::read(&many), Err(BadDatagram::Scrape), "{hashes}");
    }
    assert_eq!(Request::read(&bytes[..bytes.len() - 1]), Err(BadDatagram::Scrape));
    let figures = Answer::Scrape(vec![Figures { seeders: 1, completed: 2, leechers: 3 }]);
    let golden = [0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    assert_eq!(answer(&figures, Family::V6), golden);
    assert_eq!(Answer::read(&golden, Family::V4), Ok((7, figures)));
}

#[test]
fn an_error_is_text_whatever_its_bytes() {
    let full = Answer::Error("full".into());
    assert_eq!(answer(&full, Family::V4), b"\0\0\0\x03\0\0\0\x07full");
    assert_eq!(Answer::read(b"\0\0\0\x03\0\0\0\x07full", Family::V4), Ok((7, full)));
    let odd = Answer::read(b"\0\0\0\x03\0\0\0\x07a\xff", Family::V4);
    assert_eq!(odd, Ok((7, Answer::Error("a\u{fffd}".into()))));
    assert_eq!(Answer::read(&[0, 0, 0, 4, 0, 0, 0, 7], Family::V4), Err(BadDatagram::Action(4)));
}

proptest! {
    #[test]
    fn garbage_is_read_without_a_panic(
        action in 0..5_u32,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let question = [&CONNECT_MAGIC.to_be_bytes()[..], &action.to_be_bytes(), &body].concat();
        let _ = Request::read(&question);
        let _ = Request::read(&body);
        let answer = [&action.to_be_bytes()[..], &body].concat();
        for family in [Family::V4, Family::V6] {
            let _ = Answer::read(&answer, family);
        }
    }
}
