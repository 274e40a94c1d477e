//! PROTOCOL.md says what the code does: every example is decoded and encoded again.
//!
//! The page has two halves, each with its own types and names: what peers say to each other, and
//! what a peer and a tracker say. An example is a fenced block tagged `hex NAME`, whose lines may
//! end in a comment; in the second dialect, at the end of the page, `hex-bt NAME`.

use std::collections::BTreeSet;
use swarmlet::ids::{hex, unhex};
use swarmlet::protocol::announce::Family;
use swarmlet::protocol::bittorrent::{Codec, OURS};
use swarmlet::protocol::frame::{
    Frame, MAX_BODY, MAX_DATAGRAM, MAX_FRAME, PEER_MAGIC, TRACKER_MAGIC,
};
use swarmlet::protocol::handshake::Handshake;
use swarmlet::protocol::message::Message as PeerMessage;
use swarmlet::protocol::msgpack::MAX_DEPTH;
use swarmlet::protocol::tracker_http::{AnnounceQuery, PeersAs, read_announce_answer};
use swarmlet::protocol::tracker_native::{
    HELLO_LENGTH, Message, Packet, Records, put_beat, put_candidate, put_link, put_peer, put_swarm,
    read_beats, read_candidates, read_links, read_peers, read_swarms,
};
use swarmlet::protocol::tracker_udp::{Answer as UdpAnswer, Request as UdpRequest};

const PAGE: &str = include_str!("../../PROTOCOL.md");

/// Where the second half begins.
const HALVES: &str = "\n## Between a peer and a tracker\n";

/// Every message between peers; [`peer_word`] does not compile when one is missing there.
const PEER_WORDS: [&str; 27] = [
    "HELLO",
    "STATE",
    "GET_COUNT",
    "CHUNK_COUNT",
    "GET_METAINFO",
    "METAINFO",
    "GET_HASHES",
    "HASHES",
    "BITFIELD",
    "HAVE",
    "HAVE_ALL",
    "HAVE_NONE",
    "INTERESTED",
    "NOT_INTERESTED",
    "CHOKE",
    "UNCHOKE",
    "GET",
    "CHUNK_DATA",
    "CANCEL",
    "REJECT",
    "ACK",
    "ERROR",
    "PEERS",
    "PEER_LIST",
    "PING",
    "PONG",
    "BYE",
];

/// Every message between a peer and a tracker.
const TRACKER_WORDS: [&str; 24] = [
    "HELLO",
    "REGISTER",
    "KEEPALIVE",
    "REQUEST",
    "BECOME_SEEDER",
    "UNREGISTER",
    "GET_COUNT",
    "PUBLISH",
    "LOOKUP",
    "FETCH",
    "LIST",
    "PEERS",
    "HAVE",
    "QUERY",
    "SYNC",
    "LINKS",
    "PEER_LIST",
    "LISTING",
    "TORRENT",
    "ANSWER",
    "COOKIE",
    "CHUNK_COUNT",
    "ACK",
    "ERROR",
];

/// Every message between peers in BitTorrent, by its name in its BEP.
const BITTORRENT_WORDS: [&str; 24] = [
    "choke",
    "unchoke",
    "interested",
    "not interested",
    "have",
    "bitfield",
    "request",
    "piece",
    "cancel",
    "suggest piece",
    "have all",
    "have none",
    "reject request",
    "allowed fast",
    "extended handshake",
    "ut_metadata request",
    "ut_metadata data",
    "ut_metadata reject",
    "ut_pex",
    "lt_donthave",
    "upload_only",
    "hash request",
    "hashes",
    "hash reject",
];

/// The name on paper.
fn peer_word(message: &PeerMessage<'_>) -> &'static str {
    match message {
        PeerMessage::Hello(_) => "HELLO",
        PeerMessage::State(_) => "STATE",
        PeerMessage::GetCount => "GET_COUNT",
        PeerMessage::ChunkCount(_) => "CHUNK_COUNT",
        PeerMessage::GetMetainfo { .. } => "GET_METAINFO",
        PeerMessage::Metainfo { .. } => "METAINFO",
        PeerMessage::GetHashes(_) => "GET_HASHES",
        PeerMessage::Hashes(..) => "HASHES",
        PeerMessage::Bitfield { .. } => "BITFIELD",
        PeerMessage::Have(_) => "HAVE",
        PeerMessage::HaveAll => "HAVE_ALL",
        PeerMessage::HaveNone => "HAVE_NONE",
        PeerMessage::Interested => "INTERESTED",
        PeerMessage::NotInterested => "NOT_INTERESTED",
        PeerMessage::Choke => "CHOKE",
        PeerMessage::Unchoke => "UNCHOKE",
        PeerMessage::Get(_) => "GET",
        PeerMessage::Chunk { .. } => "CHUNK_DATA",
        PeerMessage::Cancel(_) => "CANCEL",
        PeerMessage::Reject(_) => "REJECT",
        PeerMessage::Ack => "ACK",
        PeerMessage::Error(_) => "ERROR",
        PeerMessage::Peers => "PEERS",
        PeerMessage::PeerList(_) => "PEER_LIST",
        PeerMessage::Ping(_) => "PING",
        PeerMessage::Pong(_) => "PONG",
        PeerMessage::Bye => "BYE",
        other => panic!("{other:?} is BitTorrent's"),
    }
}

/// The name in its BEP.
fn bittorrent_word(message: &PeerMessage<'_>) -> &'static str {
    match message {
        PeerMessage::Choke => "choke",
        PeerMessage::Unchoke => "unchoke",
        PeerMessage::Interested => "interested",
        PeerMessage::NotInterested => "not interested",
        PeerMessage::Have(_) => "have",
        PeerMessage::Bitfield { .. } => "bitfield",
        PeerMessage::Get(_) => "request",
        PeerMessage::Chunk { .. } => "piece",
        PeerMessage::Cancel(_) => "cancel",
        PeerMessage::Suggest(_) => "suggest piece",
        PeerMessage::HaveAll => "have all",
        PeerMessage::HaveNone => "have none",
        PeerMessage::Reject(_) => "reject request",
        PeerMessage::AllowedFast(_) => "allowed fast",
        PeerMessage::Extensions(_) => "extended handshake",
        PeerMessage::GetInfo(_) => "ut_metadata request",
        PeerMessage::Info { .. } => "ut_metadata data",
        PeerMessage::InfoReject(_) => "ut_metadata reject",
        PeerMessage::PeersChanged(_) => "ut_pex",
        PeerMessage::DontHave(_) => "lt_donthave",
        PeerMessage::UploadOnly(_) => "upload_only",
        PeerMessage::GetHashes(_) => "hash request",
        PeerMessage::Hashes(..) => "hashes",
        PeerMessage::HashReject(_) => "hash reject",
        other => panic!("{other:?} is the native dialect's"),
    }
}

/// What the two peers of the examples agreed on.
fn codec() -> Codec {
    Codec { pieces: 12, fast: true, extended: true, v2: true, theirs: OURS }
}

fn peers_half() -> &'static str {
    PAGE.split_once(HALVES).expect("the page has two halves").0
}

fn tracker_half() -> &'static str {
    PAGE.split_once(HALVES).expect("the page has two halves").1
}

/// A half's examples: a message's name and its bytes.
fn examples(half: &str) -> Vec<(String, Vec<u8>)> {
    examples_in(half, "```hex ")
}

/// The examples in BitTorrent that are messages: not what opens a stream, nor silence.
fn bittorrent_examples() -> Vec<(String, Vec<u8>)> {
    let mut all = examples_in(PAGE, "```hex-bt ");
    all.retain(|(word, _)| word != "handshake" && word != "keep-alive");
    all
}

fn examples_in(text: &str, fence: &str) -> Vec<(String, Vec<u8>)> {
    let blocks = text.split(fence).skip(1);
    let examples = blocks.map(|block| {
        let (word, rest) = block.split_once('\n').expect("a fence ends its line");
        let (lines, _) = rest.split_once("```").expect("a fence is closed");
        let digits = lines.lines().map(|line| line.split('#').next().unwrap_or_default());
        let digits: String = digits.flat_map(str::split_whitespace).collect();
        let bytes = unhex(&digits).unwrap_or_else(|| panic!("{word}: {digits} is no hex"));
        (word.to_owned(), bytes)
    });
    examples.collect()
}

/// Understands a frame between peers that ends with its bytes.
fn read_peer_frame<'a>(word: &str, bytes: &'a [u8]) -> PeerMessage<'a> {
    let first = Frame::first_in(bytes).unwrap_or_else(|e| panic!("{word}: {e}"));
    let (frame, used) = first.unwrap_or_else(|| panic!("{word} is cut off"));
    assert_eq!(used, bytes.len(), "{word}: bytes are left over");
    let message = PeerMessage::read(&frame).unwrap_or_else(|e| panic!("{word}: {e}"));
    message.unwrap_or_else(|| panic!("{word}: {:#04x} is no type we know", frame.kind))
}

/// Understands a datagram, which opens with the magic, or a frame, which opens with its length.
fn read_tracker_packet(word: &str, bytes: &[u8]) -> (Message, Vec<u8>) {
    let packet = if bytes.starts_with(&TRACKER_MAGIC) {
        Packet::from_datagram(bytes).unwrap_or_else(|e| panic!("{word}: {e}"))
    } else {
        let first = Packet::first_in(bytes).unwrap_or_else(|e| panic!("{word}: {e}"));
        let (packet, used) = first.unwrap_or_else(|| panic!("{word} is cut off"));
        assert_eq!(used, bytes.len(), "{word}: bytes are left over");
        packet
    };
    (packet.message, packet.body.to_vec())
}

/// A tracker message's body, understood and written again.
fn body_again(message: &Message, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match message {
        Message::Keepalive(_) => {
            read_beats(body).unwrap().iter().for_each(|beat| put_beat(&mut out, beat));
        }
        Message::PeerList(_) => {
            read_peers(body).unwrap().iter().for_each(|peer| put_peer(&mut out, peer));
        }
        Message::Answer(answer) => {
            assert!(Records::read(answer.op, body).unwrap().put(&mut out, body.len()));
        }
        Message::Sync(_) => {
            read_swarms(body).unwrap().iter().for_each(|swarm| put_swarm(&mut out, swarm));
        }
        Message::Links(_) => {
            read_links(body).for_each(|link| put_link(&mut out, &link.unwrap()));
        }
        Message::Listing(_) => {
            read_candidates(body).unwrap().iter().for_each(|c| put_candidate(&mut out, c));
        }
        _ => out.extend_from_slice(body),
    }
    out
}

/// That a half has one example of each message, and names each type in its table and below the
/// message's heading.
fn check_half(half: &str, words: &[&str], kind_of: impl Fn(&str, &[u8]) -> u8) {
    let examples = examples(half);
    let found: BTreeSet<&str> = examples.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(found, words.iter().copied().collect());
    assert_eq!(examples.len(), words.len(), "one example of each");
    for (word, bytes) in &examples {
        let kind = kind_of(word, bytes);
        let heading = format!("### {word}\n\n`{kind:#04x}`, {}, ", class_of(kind));
        assert!(half.contains(&heading), "{heading:?} is not on the page");
        let row = format!("| `{kind:#04x}` | [{word}]");
        assert!(half.contains(&row), "{row:?} is not on the page");
    }
}

fn class_of(kind: u8) -> &'static str {
    match kind >> 4 {
        1 => "COMMAND",
        2 => "DATA",
        3 => "CONTROL",
        class => panic!("{class} is no class"),
    }
}

#[test]
fn every_example_between_peers_is_decoded_and_encoded_again_byte_for_byte() {
    for (word, bytes) in examples(peers_half()) {
        let message = read_peer_frame(&word, &bytes);
        assert_eq!(peer_word(&message), word);
        assert_eq!(hex(&message.to_bytes()), hex(&bytes), "{word}");
    }
}

#[test]
fn every_example_with_a_tracker_is_decoded_and_encoded_again_byte_for_byte() {
    for (word, bytes) in examples(tracker_half()) {
        let (message, body) = read_tracker_packet(&word, &bytes);
        assert_eq!(message.word(), word);
        let body = body_again(&message, &body);
        let packet = Packet { message, body: &body };
        let mut out = Vec::new();
        if bytes.starts_with(&TRACKER_MAGIC) {
            packet.put_datagram(&mut out);
        } else {
            packet.put_frame(&mut out);
        }
        assert_eq!(hex(&out), hex(&bytes), "{word}");
    }
}

#[test]
fn every_example_of_bittorrents_datagrams_is_decoded_and_encoded_again() {
    let examples = examples_in(PAGE, "```udp ");
    assert_eq!(examples.len(), 4);
    for (word, bytes) in examples {
        let mut out = Vec::new();
        if word == "question" {
            let (head, request) = UdpRequest::read(&bytes).expect("a question");
            request.put(head, &mut out);
        } else {
            let (transaction, answer) = UdpAnswer::read(&bytes, Family::V4).expect("an answer");
            answer.put(transaction, Family::V4, &mut out);
        }
        assert_eq!(hex(&out), hex(&bytes), "{word}");
    }
}

#[test]
fn the_examples_of_http_are_understood() {
    let block = |word: &str| {
        let (_, rest) = PAGE.split_once(&format!("```http {word}\n")).expect("an example");
        rest.split_once("\n```").expect("a fence is closed").0
    };
    let (_, rest) = block("question").split_once('?').expect("a query");
    let (query, _) = rest.split_once(' ').expect("a version");
    let asked = AnnounceQuery::read(query.as_bytes()).expect("an announce");
    assert_eq!((asked.announce.port, asked.announce.left), (20007, 1000));
    let mut parts = block("answer").split("\\x");
    let mut body = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        body.extend(unhex(&part[..2]).expect("two digits"));
        body.extend(&part.as_bytes()[2..]);
    }
    let answer = read_announce_answer(&body).expect("an answer");
    assert_eq!(answer.encode(PeersAs::Compact), body);
}

#[test]
fn every_message_has_an_example_and_its_type_on_the_page() {
    check_half(peers_half(), &PEER_WORDS, |_, bytes| bytes[4]);
    check_half(tracker_half(), &TRACKER_WORDS, |word, bytes| {
        read_tracker_packet(word, bytes).0.kind()
    });
}

/// What the decoder takes for a message is on the page, and nothing else is.
#[test]
fn no_type_is_understood_that_the_page_does_not_know() {
    let documented: BTreeSet<u8> =
        examples(peers_half()).into_iter().map(|(_, bytes)| bytes[4]).collect();
    for kind in 0..=u8::MAX {
        let frame = Frame { kind, header: &[0x80], body: &[] };
        let is_known =
            !matches!(PeerMessage::read(&frame), Ok(None)) && (0x10..=0x3f).contains(&kind);
        assert_eq!(documented.contains(&kind), is_known, "{kind:#04x}");
    }
}

#[test]
fn every_example_in_bittorrent_is_decoded_and_encoded_again_byte_for_byte() {
    for (word, bytes) in bittorrent_examples() {
        let length = codec().check(&bytes).unwrap_or_else(|e| panic!("{word}: {e}"));
        assert_eq!(length, Some(bytes.len() - 4), "{word}");
        let message = codec().read(&bytes[4..]).unwrap_or_else(|e| panic!("{word}: {e}"));
        let message = message.unwrap_or_else(|| panic!("{word} is passed over"));
        assert_eq!(bittorrent_word(&message), word);
        let mut out = Vec::new();
        codec().put(&message, &mut out);
        assert_eq!(hex(&out), hex(&bytes), "{word}");
    }
}

#[test]
fn what_opens_a_stream_in_bittorrent_and_what_keeps_it_open_is_on_the_page() {
    let all = examples_in(PAGE, "```hex-bt ");
    let bytes_of = |name| all.iter().find(|(word, _)| word == name).expect("an example").1.clone();
    let opening = bytes_of("handshake").try_into().expect("68 bytes");
    let handshake = Handshake::read(&opening).expect("a handshake");
    assert_eq!(hex(&handshake.to_bytes()), hex(&opening));
    let reserved = handshake.reserved;
    assert!(reserved.has_extensions() && reserved.has_fast() && reserved.has_v2());

    let silence = bytes_of("keep-alive");
    let mut out = Vec::new();
    codec().put(&PeerMessage::Ping(0), &mut out);
    assert_eq!(out, silence);
    assert_eq!(codec().read(&silence[4..]), Ok(None));
}

#[test]
fn every_message_in_bittorrent_has_an_example_a_heading_and_a_row() {
    let examples = bittorrent_examples();
    let words: Vec<&str> = examples.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, BITTORRENT_WORDS);
    for (word, bytes) in &examples {
        let name = format!("{} {word}", bytes[4]);
        assert!(PAGE.contains(&format!("\n### {name}\n\nBEP ")), "{name:?} has no heading");
        let cell = format!("| [{name}](#{}) |", name.replace(' ', "-"));
        assert!(PAGE.contains(&cell), "{cell:?} is not in the table of both dialects");
    }
    for word in PEER_WORDS {
        let (_, table) = PAGE.split_once("### Both dialects side by side").expect("the table");
        let cell = format!("[{word}](#{})", word.to_lowercase());
        assert!(table.contains(&cell), "{cell:?} is not in the table of both dialects");
    }
}

/// No kind of message has seven bytes, so a kind that is known is refused; the extension protocol
/// alone may have them.
#[test]
fn no_id_of_bittorrent_is_understood_that_the_page_does_not_know() {
    let mut documented: BTreeSet<u8> =
        bittorrent_examples().into_iter().map(|(_, bytes)| bytes[4]).collect();
    documented.insert(9);
    assert!(PAGE.contains("\nThe id 9, "));
    for id in 0..=u8::MAX {
        let is_known = codec().check(&[0, 0, 0, 7, id]).is_err() || id == 20;
        assert_eq!(documented.contains(&id), is_known, "{id}");
    }
}

/// The last column of the page's table is what the code takes, and not a byte more.
#[test]
fn the_limits_of_bittorrent_on_the_page_are_those_of_the_code() {
    let unknown = Codec { pieces: 0, ..codec() };
    for (row, start, most) in [
        ("262,145 while they are not known", &[5][..], 262_145),
        ("| piece | 131,081:", &[7], 131_081),
        ("| hashes | 264,241:", &[22], 264_241),
        ("| ut_metadata | 17,410:", &[20, OURS.metadata], 17_410),
        ("| extended handshake, ut_pex, other extensions | 65,536 |", &[20, 0], 65_536),
        ("| an id that is not known | 135,168 |", &[99], 135_168),
    ] {
        assert!(PAGE.contains(row), "{row:?} is not on the page");
        let check = |length: u32| unknown.check(&[&length.to_be_bytes(), start].concat());
        assert_eq!(check(most), Ok(Some(most as usize)), "{row}");
        assert!(check(most + 1).is_err(), "{row}");
    }
}

#[test]
fn the_example_of_a_hello_to_a_tracker_is_as_long_as_it_must_be() {
    let examples = examples(tracker_half());
    let (_, hello) = examples.iter().find(|(word, _)| word == "HELLO").expect("an example");
    assert_eq!(hello.len(), HELLO_LENGTH);
}

#[test]
fn the_limits_and_the_magic_on_the_page_are_those_of_the_code() {
    for magic in [PEER_MAGIC, TRACKER_MAGIC] {
        let text = std::str::from_utf8(&magic).expect("a magic is ASCII");
        assert!(PAGE.contains(&format!("= \"{text}\" frame*")), "{text}");
    }
    let thousands = |n: usize| format!("{},{:03}", n / 1000, n % 1000);
    let rows = [
        format!("| `total` | {} bytes", thousands(MAX_FRAME)),
        format!("| nesting in the header | {MAX_DEPTH} "),
        format!("| body | {} KiB |", MAX_BODY / 1024),
        format!("| datagram, magic included | {} bytes |", thousands(MAX_DATAGRAM)),
    ];
    for row in rows {
        assert!(PAGE.contains(&row), "{row:?} is not on the page");
    }
}

#[test]
fn every_link_on_the_page_leads_to_a_heading() {
    let mut anchors: Vec<String> = Vec::new();
    for heading in PAGE.lines().filter_map(|line| line.strip_prefix('#')) {
        let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let plain: String =
            text.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        // The second of two equal headings gets a number.
        let equal = anchors.iter().filter(|anchor| **anchor == plain).count();
        anchors.push(if equal == 0 { plain } else { format!("{plain}-{equal}") });
    }
    for link in PAGE.split("](#").skip(1) {
        let (anchor, _) = link.split_once(')').expect("a link is closed");
        assert!(anchors.iter().any(|known| known == anchor), "#{anchor} leads nowhere");
    }
    for (half, suffix) in [(peers_half(), ""), (tracker_half(), "-1")] {
        let twice = PEER_WORDS.iter().filter(|word| TRACKER_WORDS.contains(word));
        for word in twice {
            let link = format!("[{word}](#{}{suffix})", word.to_lowercase());
            assert!(half.contains(&link), "{link} is the one that stays in its half");
        }
    }
}
