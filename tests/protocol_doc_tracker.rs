//! docs/protocol-tracker.md says what the code does: every example is decoded and encoded again.

use std::collections::BTreeSet;
use swarmlet::ids::{hex, unhex};
use swarmlet::protocol::frame::TRACKER_MAGIC;
use swarmlet::protocol::tracker_native::{
    HELLO_LENGTH, Message, Packet, put_beat, put_candidate, put_peer, read_beats, read_candidates,
    read_peers,
};

const PAGE: &str = include_str!("../docs/protocol-tracker.md");

/// Every message of the dialect.
const WORDS: [&str; 20] = [
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
    "PEER_LIST",
    "LISTING",
    "TORRENT",
    "COOKIE",
    "CHUNK_COUNT",
    "ACK",
    "ERROR",
];

/// The page's examples: a message's name and its bytes.
fn examples() -> Vec<(String, Vec<u8>)> {
    PAGE.split("```hex ")
        .skip(1)
        .map(|block| {
            let (word, rest) = block.split_once('\n').expect("a fence ends its line");
            let (lines, _) = rest.split_once("```").expect("a fence is closed");
            let digits = lines.lines().map(|line| line.split('#').next().unwrap_or_default());
            let digits: String = digits.flat_map(str::split_whitespace).collect();
            let bytes = unhex(&digits).unwrap_or_else(|| panic!("{word}: {digits} is no hex"));
            (word.to_owned(), bytes)
        })
        .collect()
}

/// A datagram opens with the magic, a frame with its length.
fn decode(word: &str, bytes: &[u8]) -> (Message, Vec<u8>) {
    let packet = if bytes.starts_with(&TRACKER_MAGIC) {
        Packet::from_datagram(bytes).unwrap_or_else(|e| panic!("{word}: {e}"))
    } else {
        let first = Packet::first_in(bytes).unwrap_or_else(|e| panic!("{word}: {e}"));
        let (packet, used) = first.unwrap_or_else(|| panic!("{word} is cut off"));
        assert_eq!(used, bytes.len(), "{word}");
        packet
    };
    (packet.message, packet.body.to_vec())
}

/// The body, understood and written again.
fn again(message: &Message, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match message {
        Message::Keepalive(_) => {
            read_beats(body).unwrap().iter().for_each(|beat| put_beat(&mut out, beat));
        }
        Message::PeerList(_) => {
            read_peers(body).unwrap().iter().for_each(|peer| put_peer(&mut out, peer));
        }
        Message::Listing(_) => {
            read_candidates(body).unwrap().iter().for_each(|c| put_candidate(&mut out, c));
        }
        _ => out.extend_from_slice(body),
    }
    out
}

#[test]
fn every_example_is_decoded_and_encoded_again_byte_for_byte() {
    for (word, bytes) in examples() {
        let (message, body) = decode(&word, &bytes);
        assert_eq!(message.word(), word);
        let body = again(&message, &body);
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
fn every_message_has_an_example_and_its_type_on_the_page() {
    let words: BTreeSet<String> = examples().into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, WORDS.map(str::to_owned).into());
    for (word, bytes) in examples() {
        let (message, _) = decode(&word, &bytes);
        let heading = format!("### {word}\n\n`{:#04x}`, ", message.kind());
        assert!(PAGE.contains(&heading), "{heading:?} is not on the page");
        let row = format!("| `{:#04x}` | [{word}]", message.kind());
        assert!(PAGE.contains(&row), "{row:?} is not on the page");
    }
}

#[test]
fn the_example_of_a_hello_is_as_long_as_it_must_be() {
    let hello = examples().into_iter().find(|(word, _)| word == "HELLO").expect("an example");
    assert_eq!(hello.1.len(), HELLO_LENGTH);
}
