//! The rules of the BitTorrent codec: golden bytes first, then limits, round trips and garbage.

use super::*;
use crate::protocol::message::{Extensions, MAX_PEERS, PeersChanged};
use proptest::prelude::*;
use std::net::SocketAddr;

/// A peer that can do everything, in a torrent of twelve pieces; its numbers are not ours.
fn codec() -> Codec {
    let theirs = ExtensionNumbers { metadata: 3, peers: 1, dont_have: 7, upload_only: 2 };
    Codec { pieces: 12, fast: true, extended: true, v2: true, theirs }
}

/// The same with our own numbers, so that what it writes is what we read.
fn mirror() -> Codec {
    Codec { theirs: OURS, ..codec() }
}

fn written(codec: &Codec, message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    codec.put(message, &mut out);
    out
}

fn read<'a>(codec: &Codec, bytes: &'a [u8]) -> Result<Option<Message<'a>>, Malformed> {
    let length = codec.check(bytes)?.expect("the length is there");
    assert_eq!(length, bytes.len() - 4, "{bytes:?}");
    codec.read(&bytes[4..])
}

/// That a message is these bytes, in both directions.
#[track_caller]
fn golden(message: &Message, bytes: &[u8]) {
    assert_eq!(written(&mirror(), message), bytes);
    assert_eq!(read(&mirror(), bytes).as_ref(), Ok(&Some(message.clone())));
}

fn numbers(head: &[u8], numbers: &[u32]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    numbers.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
    bytes
}

/// A message of the extension protocol around a payload.
fn extended(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = numbers(&[], &[payload.len() as u32 + 2]);
    bytes.extend([20, number]);
    bytes.extend(payload);
    bytes
}

fn span() -> Span {
    Span { piece: PieceIndex(3), offset: 0x4000, length: 0x4000 }
}

fn range() -> HashRange {
    HashRange { root: [0xaa; 32], base: 0, index: 64, count: 2, proof: 9 }
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_messages_of_bep_3_are_written_as_specified() {
    golden(&Message::Choke, &[0, 0, 0, 1, 0]);
    golden(&Message::Unchoke, &[0, 0, 0, 1, 1]);
    golden(&Message::Interested, &[0, 0, 0, 1, 2]);
    golden(&Message::NotInterested, &[0, 0, 0, 1, 3]);
    golden(&Message::Have(PieceIndex(0x0102)), &[0, 0, 0, 5, 4, 0, 0, 1, 2]);
    let bits = [0b1010_0000, 0b0001_0000];
    golden(&Message::Bitfield { first: 0, bits: &bits }, &[0, 0, 0, 3, 5, 0xa0, 0x10]);
    golden(&Message::Get(span()), &[0, 0, 0, 13, 6, 0, 0, 0, 3, 0, 0, 0x40, 0, 0, 0, 0x40, 0]);
    golden(
        &Message::Chunk { piece: PieceIndex(3), offset: 0x4000, data: b"abc" },
        &[0, 0, 0, 12, 7, 0, 0, 0, 3, 0, 0, 0x40, 0, b'a', b'b', b'c'],
    );
    golden(&Message::Cancel(span()), &[0, 0, 0, 13, 8, 0, 0, 0, 3, 0, 0, 0x40, 0, 0, 0, 0x40, 0]);
}

#[test]
fn the_messages_of_bep_6_are_written_as_specified() {
    golden(&Message::Suggest(PieceIndex(1)), &[0, 0, 0, 5, 0x0d, 0, 0, 0, 1]);
    golden(&Message::HaveAll, &[0, 0, 0, 1, 0x0e]);
    golden(&Message::HaveNone, &[0, 0, 0, 1, 0x0f]);
    golden(
        &Message::Reject(span()),
        &[0, 0, 0, 13, 0x10, 0, 0, 0, 3, 0, 0, 0x40, 0, 0, 0, 0x40, 0],
    );
    golden(&Message::AllowedFast(PieceIndex(1)), &[0, 0, 0, 5, 0x11, 0, 0, 0, 1]);
}

#[test]
fn the_handshake_of_bep_10_is_written_with_sorted_keys() {
    let extensions = Extensions {
        numbers: OURS,
        client: Some("swarmlet 0.1.0".into()),
        port: Some(6881),
        most_requests: Some(250),
        info_length: Some(31235),
        your_ip: Some("1.2.3.4".parse().unwrap()),
        upload_only: true,
    };
    let mut payload =
        b"d1:md11:lt_donthavei3e11:upload_onlyi4e11:ut_metadatai1e6:ut_pexi2ee".to_vec();
    payload.extend(b"13:metadata_sizei31235e1:pi6881e4:reqqi250e11:upload_onlyi1e");
    payload.extend(b"1:v14:swarmlet 0.1.06:yourip4:\x01\x02\x03\x04e");
    golden(&Message::Extensions(Box::new(extensions)), &extended(0, &payload));
    golden(&Message::Extensions(Box::default()), &extended(0, b"d1:mdee"));
}

#[test]
fn the_example_of_bep_10_is_read() {
    // The BEP counts the first letter of µT_PEX as one byte.
    let example = b"d1:md11:LT_metadatai1e6:\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e";
    let bytes = extended(0, example);
    let Ok(Some(Message::Extensions(read))) = read(&codec(), &bytes) else { panic!("a handshake") };
    assert_eq!((read.port, read.client.as_deref()), (Some(6881), Some("\u{b5}Torrent 1.2")));
    assert_eq!(read.numbers, ExtensionNumbers::default(), "none that we know");
}

#[test]
fn what_a_handshake_says_out_of_range_counts_as_not_said() {
    let read_back = |payload: &[u8]| {
        let bytes = extended(0, payload);
        match read(&codec(), &bytes) {
            Ok(Some(Message::Extensions(extensions))) => *extensions,
            other => panic!("{other:?}"),
        }
    };
    let nothing = Extensions::default();
    for payload in [
        &b"de"[..],
        b"d1:md11:ut_metadatai256e6:ut_pexi-1eee",
        b"d1:mi1e1:pi0e4:reqqi0e1:v0:6:yourip3:abce",
        b"d13:metadata_sizei-1e1:pi65536e4:reqqi-5e11:upload_onlyi0e1:vi7ee",
        b"d13:metadata_sizei4294967296e1:pi-1e4:reqq1:ae",
        b"d4:spamli1ei2eee",
    ] {
        assert_eq!(read_back(payload), nothing, "{}", String::from_utf8_lossy(payload));
    }
    assert_eq!(read_back(b"detrailing"), nothing, "what follows is passed over");
    let v6 = read_back(b"d6:yourip16:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01e");
    assert_eq!(v6.your_ip, Some("::1".parse().unwrap()));
}

#[test]
fn a_programs_name_is_cut_and_steers_no_terminal() {
    let client = |name: &[u8]| {
        let payload = [format!("d1:v{}:", name.len()).as_bytes(), name, b"e"].concat();
        let bytes = extended(0, &payload);
        match read(&codec(), &bytes) {
            Ok(Some(Message::Extensions(extensions))) => extensions.client,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(client(b"a\x1b[2Jb\n").as_deref(), Some("a?[2Jb?"));
    assert_eq!(client("x\u{202e}y".as_bytes()).as_deref(), Some("x?y"));
    assert_eq!(client(b"\xff").as_deref(), Some("\u{fffd}"));
    assert_eq!(client("é".repeat(100).as_bytes()), Some("é".repeat(64)));
    assert_eq!(client(b"  "), None);
}

#[test]
fn the_messages_of_bep_9_are_written_as_specified() {
    golden(&Message::GetInfo(0), &extended(1, b"d8:msg_typei0e5:piecei0ee"));
    golden(
        &Message::Info { index: 2, total: 34256, data: b"xxxxxxxx" },
        &extended(1, b"d8:msg_typei1e5:piecei2e10:total_sizei34256eexxxxxxxx"),
    );
    golden(&Message::InfoReject(7), &extended(1, b"d8:msg_typei2e5:piecei7ee"));
}

#[test]
fn a_metadata_message_needs_a_type_and_a_piece() {
    let read = |payload: &[u8]| {
        let bytes = extended(1, payload);
        read(&codec(), &bytes).map(|message| message.is_some())
    };
    let field = |field| Err(Malformed::Field { message: "ut_metadata", field });
    assert_eq!(read(b"d5:piecei0ee"), field("msg_type"));
    assert_eq!(read(b"d8:msg_typei0ee"), field("piece"));
    assert_eq!(read(b"d8:msg_typei0e5:piecei-1ee"), field("piece"));
    assert_eq!(read(b"d8:msg_typei0e5:piecei4294967296ee"), field("piece"));
    assert_eq!(read(b"d8:msg_typei3ee"), Ok(false), "a new type is passed over");
    assert_eq!(read(b"le"), Err(Malformed::NoDictionary { message: "ut_metadata" }));
    assert!(matches!(read(b"d8:msg_type"), Err(Malformed::Bencode { .. })));
}

#[test]
fn the_messages_of_bep_11_are_written_as_specified() {
    let changed = PeersChanged {
        added: vec![
            (peer("1.2.3.4:6881"), 0x02),
            (peer("5.6.7.8:1"), 0x10),
            (peer("[2001:db8::1]:6881"), 0),
        ],
        dropped: vec![peer("9.9.9.9:256"), peer("[::1]:80")],
    };
    let mut payload = b"d5:added12:\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\x00\x01".to_vec();
    payload.extend(b"7:added.f2:\x02\x106:added618:\x20\x01\x0d\xb8");
    payload.extend([0; 11]);
    payload.extend(b"\x01\x1a\xe18:added6.f1:\x007:dropped6:\x09\x09\x09\x09\x01\x008:dropped618:");
    payload.extend([0; 15]);
    payload.extend(b"\x01\x00\x50e");
    golden(&Message::PeersChanged(Box::new(changed)), &extended(2, &payload));
}

#[test]
fn of_peers_that_came_and_went_only_so_many_are_written_and_read() {
    let nobody = Message::PeersChanged(Box::default());
    assert!(written(&mirror(), &nobody).is_empty());
    assert_eq!(read(&mirror(), &extended(2, b"de")), Ok(None));

    let many = PeersChanged {
        added: vec![(peer("1.2.3.4:5"), 0); 60],
        dropped: vec![peer("[::1]:5"); 60],
    };
    let bytes = written(&mirror(), &Message::PeersChanged(Box::new(many)));
    let Ok(Some(Message::PeersChanged(few))) = read(&mirror(), &bytes) else { panic!("peers") };
    assert_eq!((few.added.len(), few.dropped.len()), (pex::MAX_CHANGED, pex::MAX_CHANGED));

    let mut payload = b"d5:added6000:".to_vec();
    payload.extend([1; 6000]);
    payload.extend(b"7:added.f1:\x027:dropped5:shorte");
    let bytes = extended(2, &payload);
    let Ok(Some(Message::PeersChanged(flood))) = read(&mirror(), &bytes) else { panic!("peers") };
    assert_eq!((flood.added.len(), flood.dropped.len()), (MAX_PEERS, 0));
    assert_eq!((flood.added[0].1, flood.added[1].1), (2, 0), "a flag that is missing is 0");
}

#[test]
fn lost_pieces_and_upload_only_are_written_as_specified() {
    golden(&Message::DontHave(PieceIndex(5)), &[0, 0, 0, 6, 20, 3, 0, 0, 0, 5]);
    golden(&Message::UploadOnly(true), &[0, 0, 0, 3, 20, 4, 1]);
    golden(&Message::UploadOnly(false), &[0, 0, 0, 3, 20, 4, 0]);
    let as_a_number = [0, 0, 0, 6, 20, 4, 0, 0, 0, 1];
    assert_eq!(read(&codec(), &as_a_number), Ok(Some(Message::UploadOnly(true))));
}

#[test]
fn the_messages_of_bep_52_are_written_as_specified() {
    let message = |id: u8, length: u32| {
        let mut bytes = numbers(&[], &[length]);
        bytes.push(id);
        bytes.extend([0xaa; 32]);
        numbers(&bytes, &[0, 64, 2, 9])
    };
    golden(&Message::GetHashes(range()), &message(21, 49));
    let hashes = [7; 96];
    let bytes = [message(22, 49 + 96), hashes.to_vec()].concat();
    golden(&Message::Hashes(range(), &hashes), &bytes);
    golden(&Message::HashReject(range()), &message(23, 49));
}

#[test]
fn extension_messages_are_written_by_the_numbers_of_the_other_side() {
    assert_eq!(written(&codec(), &Message::DontHave(PieceIndex(0)))[4..6], [20, 7]);
    assert_eq!(written(&codec(), &Message::GetInfo(0))[4..6], [20, 3]);
    assert_eq!(written(&codec(), &Message::Extensions(Box::default()))[4..6], [20, 0]);
    let not_wanted = Codec { theirs: ExtensionNumbers::default(), ..codec() };
    for message in [Message::GetInfo(0), Message::InfoReject(0), Message::UploadOnly(true)] {
        assert!(written(&not_wanted, &message).is_empty(), "{message:?}");
    }
}

#[test]
fn a_peer_of_bep_3_alone_hears_nothing_else() {
    let plain = Codec { pieces: 12, ..Codec::default() };
    assert_eq!(written(&plain, &Message::HaveAll), [0, 0, 0, 3, 5, 0xff, 0xf0]);
    assert!(written(&Codec::default(), &Message::HaveAll).is_empty(), "how many are all?");
    for message in [
        Message::HaveNone,
        Message::Reject(span()),
        Message::Suggest(PieceIndex(0)),
        Message::AllowedFast(PieceIndex(0)),
        Message::Extensions(Box::default()),
        Message::GetHashes(range()),
        Message::Hashes(range(), &[]),
        Message::HashReject(range()),
    ] {
        assert!(written(&plain, &message).is_empty(), "{message:?}");
    }
}

#[test]
fn what_only_the_native_dialect_can_say_is_not_written() {
    for message in [
        Message::GetCount,
        Message::ChunkCount(1),
        Message::GetMetainfo { offset: 0, length: 1 },
        Message::Ack,
        Message::Peers,
        Message::PeerList(vec![]),
        Message::Pong(1),
        Message::Bye,
    ] {
        assert!(written(&mirror(), &message).is_empty(), "{message:?}");
    }
}

#[test]
fn a_ping_is_a_keep_alive_and_says_nothing() {
    assert_eq!(written(&codec(), &Message::Ping(7)), [0; 4]);
    assert_eq!(read(&codec(), &[0; 4]), Ok(None));
}

#[test]
fn what_we_have_no_word_for_is_passed_over() {
    for bytes in [&[0, 0, 0, 3, 9, 0x1a, 0xe1][..], &[0, 0, 0, 1, 99], &[0, 0, 0, 3, 20, 77, 1]] {
        assert_eq!(read(&codec(), bytes), Ok(None), "{bytes:?}");
    }
}

#[test]
fn messages_that_were_not_agreed_on_are_refused_by_name() {
    let refused = |id: u8| {
        let error = Codec::default().check(&[0, 0, 0, 1, id]).expect_err("not agreed");
        assert_eq!(Codec::default().read(&[id]), Err(error.clone()));
        error.to_string()
    };
    for id in 13..=17 {
        assert_eq!(refused(id), format!("message {id} without the fast extension"));
    }
    assert_eq!(refused(20), "message 20 without the extension protocol");
    for id in 21..=23 {
        assert_eq!(refused(id), format!("message {id} without BitTorrent v2"));
    }
}

/// For each kind: one that is too short and one that is too long, refused as soon as it shows.
#[test]
fn a_length_that_does_not_fit_its_kind_is_refused_before_the_payload_comes() {
    let known = codec();
    let unknown = Codec { pieces: 0, ..codec() };
    let hashes = (49 + 32 * 8256) as u32;
    for (codec, start, least, most) in [
        (known, &[0][..], 1, 1),
        (known, &[1], 1, 1),
        (known, &[2], 1, 1),
        (known, &[3], 1, 1),
        (known, &[4], 5, 5),
        (known, &[5], 3, 3),
        (unknown, &[5], 1, 262_145),
        (known, &[6], 13, 13),
        (known, &[7], 10, 9 + 131_072),
        (known, &[8], 13, 13),
        (known, &[9], 3, 3),
        (known, &[13], 5, 5),
        (known, &[14], 1, 1),
        (known, &[15], 1, 1),
        (known, &[16], 13, 13),
        (known, &[17], 5, 5),
        (known, &[20], 2, 65_536),
        (known, &[20, 0], 2, 65_536),
        (known, &[20, 1], 2, 2 + 17 * 1024),
        (known, &[20, 2], 2, 65_536),
        (known, &[20, 3], 6, 6),
        (known, &[20, 4], 3, 6),
        (known, &[21], 49, 49),
        (known, &[22], 49, hashes),
        (known, &[23], 49, 49),
        (known, &[99], 1, 135_168),
    ] {
        let check = |length: u32| codec.check(&[&length.to_be_bytes(), start].concat());
        for length in [least, most] {
            assert_eq!(check(length), Ok(Some(length as usize)), "{start:?}");
        }
        assert!(least == 1 || check(least - 1).is_err(), "{start:?} of {} bytes", least - 1);
        assert!(check(most + 1).is_err(), "{start:?} of {} bytes", most + 1);
    }
}

#[test]
fn a_length_that_no_kind_has_is_refused_at_its_fourth_byte() {
    let plain = Codec { pieces: 12, ..Codec::default() };
    assert_eq!(plain.check(&135_168_u32.to_be_bytes()), Ok(None));
    for length in [135_169, 1 << 20, u32::MAX] {
        let refused = plain.check(&length.to_be_bytes());
        assert_eq!(refused, Err(Malformed::TooLong { length: length.into(), limit: 135_168 }));
    }
    assert_eq!(Codec::default().check(&262_145_u32.to_be_bytes()), Ok(None), "a bitfield");
    assert_eq!(codec().check(&264_241_u32.to_be_bytes()), Ok(None), "hashes");
}

#[test]
fn a_wrong_length_is_named() {
    let refused = codec().check(&[0, 0, 0, 4, 4]).unwrap_err();
    assert_eq!(refused.to_string(), "message 'have': 4 bytes where 5 are expected");
    let refused = codec().check(&[0, 0, 0, 9, 7]).unwrap_err();
    assert_eq!(refused.to_string(), "message 'piece': 9 bytes where 10 to 131081 are expected");
    let refused = codec().check(&[0, 0, 0, 50, 22]).unwrap_err();
    assert_eq!(refused.to_string(), "message 'hashes': 50 bytes, so its last hash is cut");
}

#[test]
fn a_message_cut_anywhere_asks_for_more() {
    for message in [Message::Choke, Message::Get(span()), Message::GetInfo(3)] {
        let bytes = written(&mirror(), &message);
        for cut in 0..bytes.len() {
            let known = (cut > 4).then_some(bytes.len() - 4);
            assert_eq!(codec().check(&bytes[..cut]), Ok(known), "{message:?} cut at {cut}");
        }
    }
}

fn any_codec() -> impl Strategy<Value = Codec> {
    (0..40_u32, any::<[bool; 3]>()).prop_map(|(pieces, [fast, extended, v2])| Codec {
        pieces,
        fast,
        extended,
        v2,
        theirs: OURS,
    })
}

proptest! {
    #[test]
    fn garbage_never_panics(
        codec in any_codec(),
        id in 0..25_u8,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = codec.check(&bytes);
        let _ = codec.read(&bytes);
        let _ = codec.read(&[&[id], bytes.as_slice()].concat());
    }

    /// Bencode with a bit flipped, in each extension.
    #[test]
    fn broken_dictionaries_never_panic(number in 0..5_u8, at in 0..120_usize, bit in 0..8_u8) {
        let mut payload = b"d5:added6:abcdef7:added.f1:x1:md6:ut_pexi1ee8:msg_typei1e".to_vec();
        payload.extend(b"5:piecei0e10:total_sizei3e1:v3:abc6:yourip4:abcdexyz");
        let at = at % payload.len();
        payload[at] ^= 1 << bit;
        let _ = codec().read(&[&[20, number], payload.as_slice()].concat());
    }

    /// What is written may be read by whoever agreed on the same, and says the same.
    #[test]
    fn what_is_read_is_written_back(codec in any_codec(), id in 0..18_u8, payload in any::<[u8; 12]>()) {
        for length in [0, 2, 4, 12] {
            let message = [&[id], &payload[..length]].concat();
            if let Ok(Some(read)) = codec.read(&message) {
                let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
                bytes.extend(&message);
                prop_assert_eq!(written(&codec, &read), bytes);
            }
        }
    }
}
