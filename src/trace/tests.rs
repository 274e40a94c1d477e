//! Golden lines, and what the page says of them.

use super::*;
use crate::ids::{InfoHashV2, PieceIndex, Span};
use crate::logic::ban::Verdict;
use crate::logic::swarm::Parting;
use crate::logic::{choker, dialer, picker};
use crate::protocol::message::{
    Availability, ErrorMessage, Extensions, HashRange, Hello, Message, PeersChanged, State,
};
use crate::protocol::reader::FrameBuffer;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ANN: PeerKey = PeerKey(7);
const WEB: PeerKey = PeerKey(9);
const HASH: InfoHashV1 = InfoHashV1([0xab; 20]);
const SPAN: Span = Span { piece: PieceIndex(12), offset: 16384, length: 32768 };

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn link(dialect: Dialect) -> Link {
    Link { conn: ANN, peer: address(1), dialect }
}

fn line(event: &Event) -> String {
    let mut out = String::new();
    write(&mut out, Moment::after(Duration::from_millis(1500)), "ben", event);
    out
}

fn does(action: &Action) -> String {
    let peers = |peer| (peer == ANN).then(|| address(1));
    line(&Event::Does { action, torrent: Some(HASH), peers: &peers })
}

fn sends(dialect: Dialect, said: Said) -> String {
    line(&Event::Send { link: link(dialect), seq: 3, said })
}

/// Every event, with every field that it may have: its line, and the line as it must be, from `ev`
/// on.
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn samples() -> Vec<(String, &'static str)> {
    let native = link(Dialect::Native);
    let id = Some(PeerId(*b"-SW0100-abcdefghijkl"));
    let gossip = dialer::Source::Gossip(address(2));
    let why = dialer::Why { source: gossip, retry: 2, after: Duration::from_mins(1) };
    let dial = Dial { address: address(1), dialect: Dialect::BitTorrent, why };
    let gives = choker::Why::Gives { rank: 1, of: 3, rate: 812_000 };
    let served = vec![(ANN, gives), (WEB, choker::Why::Optimistic { among: 4 })];
    let decided = |decision| does(&Action::Decided(decision));
    let rarest = picker::Why::Rarest { availability: 1, ties: 3 };
    let get = Message::Get(SPAN);
    let error = Message::Error(ErrorMessage { code: 400, message: "\"no\"\n".into() });
    let says = Extensions { client: Some("x\u{1b}".into()), ..Extensions::default() };
    let extended = Message::Extensions(Box::new(says));
    let range = HashRange { root: [0; 32], base: 0, index: 4, count: 2, proof: 0 };
    let bits = Message::Bitfield { first: 8, bits: &[0; 5] };
    let pex = PeersChanged { added: vec![(address(3), 0)], dropped: vec![] };
    let pex = Message::PeersChanged(Box::new(pex));
    let open =
        |dialled, ends| line(&Event::Open { link: native, dialled, id, ends, torrent: Some(HASH) });
    vec![
        (
            line(&Event::Start { id, listen: address(6881) }),
            r#""start","id":"-SW0100-abcdefghijkl","listen":"127.0.0.1:6881"}"#,
        ),
        (
            line(&Event::Dial { torrent: HASH, dial }),
            r#""dial","to":"127.0.0.1:1","dialect":"BitTorrent","why":{"rule":"gossip","from":"127.0.0.1:2","retry":2,"after":60},"torrent":"abababab"}"#,
        ),
        (
            line(&Event::Refused { peer: address(1), why: "it's \"full\"" }),
            r#""refused","to":"127.0.0.1:1","says":"it's \"full\""}"#,
        ),
        (
            open(true, Some((address(5), address(1)))),
            r#""open","conn":7,"to":"127.0.0.1:1","dialect":"native","dialled":true,"id":"-SW0100-abcdefghijkl","here":"127.0.0.1:5","there":"127.0.0.1:1","torrent":"abababab"}"#,
        ),
        (
            line(&Event::Close { link: native, why: "the peer said BYE" }),
            r#""close","conn":7,"to":"127.0.0.1:1","says":"the peer said BYE"}"#,
        ),
        (
            sends(Dialect::Native, Said::Message(&get)),
            r#""send","conn":7,"to":"127.0.0.1:1","msg":"GET","kind":"command","seq":3,"piece":12,"off":16384,"len":32768}"#,
        ),
        (
            sends(Dialect::BitTorrent, Said::Message(&get)),
            r#""send","conn":7,"to":"127.0.0.1:1","msg":"REQUEST","kind":"command","seq":3,"piece":12,"off":16384,"len":32768}"#,
        ),
        (
            sends(Dialect::Native, Said::Message(&error)),
            r#""send","conn":7,"to":"127.0.0.1:1","msg":"ERROR","kind":"control","seq":3,"code":400,"says":"\"no\"\u000a"}"#,
        ),
        (
            sends(Dialect::BitTorrent, Said::Message(&extended)),
            r#""send","conn":7,"to":"127.0.0.1:1","msg":"EXTENDED_HANDSHAKE","kind":"control","seq":3,"says":"x\u001b"}"#,
        ),
        (
            sends(Dialect::BitTorrent, Said::Message(&pex)),
            r#""send","conn":7,"to":"127.0.0.1:1","msg":"UT_PEX","kind":"control","seq":3,"added":1,"dropped":0}"#,
        ),
        (
            sends(Dialect::Native, Said::Message(&Message::GetHashes(range))),
            r#""send","conn":7,"to":"127.0.0.1:1","msg":"GET_HASHES","kind":"command","seq":3,"base":0,"index":4,"count":2}"#,
        ),
        (
            sends(Dialect::Native, Said::Message(&Message::Ping(5))),
            r#""send","conn":7,"to":"127.0.0.1:1","msg":"PING","kind":"command","seq":3,"number":5}"#,
        ),
        (
            sends(Dialect::Native, Said::Message(&bits)),
            r#""send","conn":7,"to":"127.0.0.1:1","msg":"BITFIELD","kind":"control","seq":3,"first":8,"len":5}"#,
        ),
        (
            line(&Event::Recv { link: native, seq: 4, said: Said::Chunk(SPAN) }),
            r#""recv","conn":7,"from":"127.0.0.1:1","msg":"CHUNK_DATA","kind":"data","seq":4,"piece":12,"off":16384,"len":32768}"#,
        ),
        (
            line(&Event::Recv { link: native, seq: 0, said: Said::State }),
            r#""recv","conn":7,"from":"127.0.0.1:1","msg":"STATE","kind":"control","seq":0}"#,
        ),
        (
            decided(Decision::Pick(ANN, SPAN, rarest)),
            r#""pick","conn":7,"to":"127.0.0.1:1","piece":12,"off":16384,"len":32768,"why":{"rule":"rarest","avail":1,"ties":3},"torrent":"abababab"}"#,
        ),
        (
            decided(Decision::Choke { served, dropped: vec![ANN] }),
            r#""choke","set":[{"conn":7,"to":"127.0.0.1:1","why":{"rule":"gives","rank":1,"of":3,"rate":812000}},{"conn":9,"why":{"rule":"optimistic","among":4}}],"dropped":[{"conn":7,"to":"127.0.0.1:1"}],"torrent":"abababab"}"#,
        ),
        (
            decided(Decision::FreeSlot(ANN, choker::Why::Waited { secs: 4 })),
            r#""unchoke","conn":7,"to":"127.0.0.1:1","why":{"rule":"waited","secs":4},"torrent":"abababab"}"#,
        ),
        (
            decided(Decision::Show(ANN, PieceIndex(3), 2)),
            r#""show","conn":7,"to":"127.0.0.1:1","piece":3,"why":{"rule":"fewest-copies","copies":2},"torrent":"abababab"}"#,
        ),
        (
            decided(Decision::Missed(ANN, 16384)),
            r#""missed","conn":7,"to":"127.0.0.1:1","len":16384,"torrent":"abababab"}"#,
        ),
        (
            decided(Decision::Overdue(ANN, 16384)),
            r#""overdue","conn":7,"to":"127.0.0.1:1","len":16384,"torrent":"abababab"}"#,
        ),
        (
            decided(Decision::Verified(PieceIndex(3))),
            r#""verify","piece":3,"ok":true,"torrent":"abababab"}"#,
        ),
        (
            decided(Decision::Failed(PieceIndex(3), Verdict::Guilty(ANN))),
            r#""verify","piece":3,"ok":false,"why":{"rule":"one-writer","conn":7},"torrent":"abababab"}"#,
        ),
        (
            does(&Action::Ban(address(1), PieceIndex(3))),
            r#""ban","to":"127.0.0.1:1","piece":3,"why":{"rule":"wrong-bytes"},"torrent":"abababab"}"#,
        ),
        (
            does(&Action::Disconnect(ANN, Parting::Snubbed)),
            r#""part","conn":7,"to":"127.0.0.1:1","why":{"rule":"snubbed"},"torrent":"abababab"}"#,
        ),
        (
            line(&Event::LetGo { link: native, why: neighbours::Why::HasNothing }),
            r#""part","conn":7,"to":"127.0.0.1:1","why":{"rule":"has-nothing"}}"#,
        ),
        (does(&Action::Complete), r#""complete","torrent":"abababab"}"#),
        (line(&Event::Lost { lines: 3 }), r#""lost","lines":3}"#),
    ]
}

#[test]
fn every_event_is_one_line_of_json() {
    for (line, expected) in samples() {
        assert_eq!(line, format!("{{\"t\":1.500000,\"n\":\"ben\",\"ev\":{expected}\n"));
        let _: Value = serde_json::from_str(&line).expect(&line);
    }
}

#[test]
fn what_only_says_or_sends_something_makes_no_line_of_its_own() {
    assert_eq!(does(&Action::Say(ANN, Message::Choke)), "");
    assert_eq!(does(&Action::Upload(ANN, SPAN)), "");
}

/// The rows of a table of ARCHITECTURE.md: what each is called, and all that it puts into
/// backticks behind that.
fn rows(heading: &str) -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../../ARCHITECTURE.md");
    let start = page.find(heading).unwrap_or_else(|| panic!("no {heading}"));
    let rows = page[start..].lines().skip(1).take_while(|row| row.starts_with('|')).skip(1);
    let names = |row: &str| {
        let mut names: Vec<_> = row.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let first = names.remove(0);
        (first, names.into_iter().collect())
    };
    rows.map(names).collect()
}

#[test]
fn the_page_has_every_event_with_its_fields_and_no_other() {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (line, _) in samples() {
        let Value::Object(fields) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        let ev = fields["ev"].as_str().unwrap().to_owned();
        let keys = fields.keys().filter(|key| !["t", "n", "ev"].contains(&key.as_str())).cloned();
        seen.entry(ev).or_default().extend(keys);
    }
    assert_eq!(rows("| `ev` | when | fields |"), seen);
}

/// Every reason, as its object.
fn reasons() -> Vec<String> {
    fn object<T>(put: fn(&mut Line, T), why: T) -> String {
        let mut out = String::new();
        let mut line = Line::begin(&mut out, Moment::START, "", "");
        line.object("why", |line| put(line, why));
        line.end();
        out
    }
    let picks = [
        picker::Why::Begun,
        picker::Why::RandomFirst,
        picker::Why::Rarest { availability: 1, ties: 1 },
        picker::Why::Random,
        picker::Why::NextInOrder,
        picker::Why::Edge,
        picker::Why::Gap,
        picker::Why::EndGame,
        picker::Why::Probe,
    ];
    let slots = [
        choker::Why::Gives { rank: 1, of: 1, rate: 1 },
        choker::Why::Optimistic { among: 1 },
        choker::Why::Kept { secs: 1 },
        choker::Why::Turn { among: 1 },
        choker::Why::Lot { among: 1 },
        choker::Why::Waited { secs: 1 },
        choker::Why::Everybody,
        choker::Why::Bargain { gives: 1, costs: 1 },
        choker::Why::Share { permille: 1 },
        choker::Why::Own("so"),
        choker::Why::Says(choker::Words::new("so")),
    ];
    let sources = [
        dialer::Source::Given,
        dialer::Source::Tracker,
        dialer::Source::Caller,
        dialer::Source::Gossip(address(1)),
    ];
    let after = Duration::from_secs(5);
    let dials = sources.map(|source| dialer::Why { source, retry: 1, after });
    let changes = [
        neighbours::Why::WantsNothing,
        neighbours::Why::HasNothing,
        neighbours::Why::ServesNothing,
    ];
    let partings =
        [Parting::BothSeed, Parting::Snubbed, Parting::Refuses, Parting::Lost, Parting::Banned];
    let verdicts = [Verdict::Guilty(ANN), Verdict::NeedLeaves, Verdict::Nobody];
    let mut all: Vec<_> = picks.map(|why| object(why::of_pick, why)).into();
    all.extend(slots.map(|why| object(why::of_slot, why)));
    all.extend(dials.map(|why| object(why::of_dial, why)));
    all.extend(changes.map(|why| object(why::of_change, why)));
    all.extend(partings.map(|why| object(why::of_parting, why)));
    all.extend(verdicts.map(|why| object(why::of_verdict, why)));
    all.push(does(&Action::Ban(address(1), PieceIndex(0))));
    all.push(does(&Action::Decided(Decision::Show(ANN, PieceIndex(0), 1))));
    all
}

#[test]
fn the_page_has_every_rule_with_its_numbers_and_no_other() {
    let seen: BTreeMap<String, BTreeSet<String>> = reasons()
        .iter()
        .map(|line| {
            let value: Value = serde_json::from_str(line).expect(line);
            let Value::Object(why) = &value["why"] else { panic!("{line}") };
            let numbers = why.keys().filter(|key| *key != "rule").cloned();
            (why["rule"].as_str().unwrap().to_owned(), numbers.collect())
        })
        .collect();
    // A strategy of one's own is one rule, whether it is in Rust or a program.
    assert_eq!(seen.len() + 1, reasons().len(), "two rules of one name");
    assert_eq!(rows("| `rule` | of | numbers |"), seen);
}

/// Every message that can be said natively.
fn native_messages() -> Vec<Message<'static>> {
    let range = HashRange { root: [0; 32], base: 0, index: 0, count: 0, proof: 0 };
    let hello = Hello {
        version: 1,
        info_hash: InfoHashV2([0; 32]),
        peer_id: PeerId([0; 20]),
        port: 1,
        features: Vec::new(),
    };
    vec![
        Message::Hello(hello),
        Message::State(State { state: Availability::Available, peer_id: PeerId([0; 20]) }),
        Message::GetCount,
        Message::ChunkCount(1),
        Message::GetMetainfo { offset: 0, length: 1 },
        Message::Metainfo { offset: 0, total: 1, info: 1, data: &[0] },
        Message::GetHashes(range),
        Message::Hashes(range, &[]),
        Message::Bitfield { first: 0, bits: &[0] },
        Message::Have(PieceIndex(0)),
        Message::HaveAll,
        Message::HaveNone,
        Message::Interested,
        Message::NotInterested,
        Message::Choke,
        Message::Unchoke,
        Message::Get(SPAN),
        Message::Chunk { piece: PieceIndex(0), offset: 0, data: &[0] },
        Message::Cancel(SPAN),
        Message::Reject(SPAN),
        Message::Ack,
        Message::Error(ErrorMessage { code: 400, message: String::new() }),
        Message::Peers,
        Message::PeerList(Vec::new()),
        Message::Ping(1),
        Message::Pong(1),
        Message::Bye,
    ]
}

#[test]
fn native_messages_have_the_name_and_the_class_that_their_type_has_in_the_protocol() {
    let page = include_str!("../../PROTOCOL.md");
    for message in native_messages() {
        let said = Said::Message(&message);
        let name = said.name(Dialect::Native);
        let bytes = message.to_bytes();
        let buffer = FrameBuffer::holding(&bytes);
        let frame = buffer.next_frame().unwrap().expect("a whole frame");
        let class = said.kind().name().to_uppercase();
        let row =
            format!("| `{:#04x}` | [{name}](#{}) | {class} |", frame.kind, name.to_lowercase());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn bittorrent_messages_are_called_as_the_protocol_calls_them() {
    let headings: BTreeSet<String> = include_str!("../../PROTOCOL.md")
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|heading| heading.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' '))
        .map(|heading| heading.replace([' ', '-'], "_").to_uppercase())
        .collect();
    let range = HashRange { root: [0; 32], base: 0, index: 0, count: 0, proof: 0 };
    let only_there = [
        Message::HashReject(range),
        Message::Suggest(PieceIndex(0)),
        Message::AllowedFast(PieceIndex(0)),
        Message::DontHave(PieceIndex(0)),
        Message::UploadOnly(true),
        Message::Extensions(Box::default()),
        Message::GetInfo(0),
        Message::Info { index: 0, total: 0, data: &[] },
        Message::InfoReject(0),
        Message::PeersChanged(Box::default()),
    ];
    for message in native_messages().iter().chain(&only_there) {
        let name = Said::Message(message).name(Dialect::BitTorrent);
        assert!(headings.contains(name), "{name}");
    }
    for said in [Said::Chunk(SPAN), Said::Handshake] {
        assert!(headings.contains(said.name(Dialect::BitTorrent)));
    }
}

proptest! {
    #[test]
    fn whatever_a_stranger_says_it_is_one_line_of_json(
        text in any::<String>(), node in any::<String>(), code in any::<u32>(), bittorrent in any::<bool>(),
    ) {
        let dialect = if bittorrent { Dialect::BitTorrent } else { Dialect::Native };
        let says = Extensions { client: Some(text.clone()), ..Extensions::default() };
        for message in [
            Message::Error(ErrorMessage { code, message: text.clone() }),
            Message::Extensions(Box::new(says)),
        ] {
            let mut out = String::new();
            let event =
                Event::Recv { link: link(dialect), seq: code.into(), said: Said::Message(&message) };
            write(&mut out, Moment::START, &node, &event);
            prop_assert_eq!(out.matches('\n').count(), 1);
            let value: Value = serde_json::from_str(&out).unwrap();
            prop_assert_eq!(value["says"].as_str(), Some(&text[..]));
            prop_assert_eq!(value["n"].as_str(), Some(&node[..]));
        }
    }
}
