//! What is said and what is decided, in short sentences.

use super::units::bytes;
use crate::lab::record::{Datagram, Decided, Name, Names, Said, Verb, Why};

/// How the diagram calls a peer that a line means.
type Who<'a> = &'a dyn Fn(Option<Name>) -> String;

/// A message by its name, and what it says: `GET 12, 16 KiB at 32 KiB`.
pub(super) fn of_message(said: &Said, names: &Names) -> String {
    let word = names.text(said.word);
    let n = &said.numbers;
    let says = said.says.map(|says| names.text(says)).unwrap_or_default();
    match (word, n.piece, n.off, n.len) {
        (_, Some(piece), Some(0), Some(len)) => format!("{word} {piece}, {}", bytes(len.into())),
        (_, Some(piece), Some(off), Some(len)) => {
            format!("{word} {piece}, {} at {}", bytes(len.into()), bytes(off.into()))
        }
        (_, Some(piece), ..) => format!("{word} {piece}"),
        ("ERROR", ..) => format!("{word} {} {says}", n.code.unwrap_or_default()),
        ("CHUNK_COUNT" | "PEER_LIST", ..) => format!("{word} of {}", n.count.unwrap_or_default()),
        ("UT_PEX", ..) => {
            format!("{word} +{} -{}", n.added.unwrap_or_default(), n.dropped.unwrap_or_default())
        }
        ("GET_METAINFO" | "METAINFO", _, Some(off), Some(len)) => {
            format!("{word}, {} at {}", bytes(len.into()), bytes(off.into()))
        }
        ("GET_HASHES" | "HASH_REQUEST" | "HASHES", ..) => {
            format!("{word}, {} from {}", n.count.unwrap_or_default(), n.index.unwrap_or_default())
        }
        ("BITFIELD", .., Some(len)) => format!("{word}, {}", bytes(len.into())),
        _ => word.to_owned(),
    }
}

/// What a tracker says to another.
pub(super) fn of_datagram(said: &Datagram, names: &Names) -> String {
    let text = |name: Option<Name>| name.map(|name| names.text(name)).unwrap_or_default();
    let word = names.text(said.word);
    match word {
        "QUERY" => {
            let key = text(said.key);
            let short: String = key.chars().take(8).collect();
            let dots = if short.len() < key.len() { ".." } else { "" };
            let rd = if said.flags[0] { ", recursive" } else { "" };
            format!("{word} {} {short}{dots}{rd}", text(said.op))
        }
        "ANSWER" => match (said.ns.first(), said.count) {
            (Some((zone, _)), 0) => format!("{word}: ask zone {:?}", names.text(*zone)),
            (_, 0) => format!("{word} {}", text(said.rcode)),
            (_, count) => {
                format!("{word}: {count} {}", if count == 1 { "record" } else { "records" })
            }
        },
        _ => format!("{word} of {}", said.count),
    }
}

/// A decision and its reason: `unchokes :6882: waited 4 s`.
pub(super) fn of_decision(decided: &Decided, names: &Names, who: Who) -> String {
    let peer = who(decided.with);
    let why = of_reason(&decided.why, names);
    let because = |text: String| if why.is_empty() { text } else { format!("{text}: {why}") };
    let piece = decided.piece.unwrap_or_default();
    let len = bytes(decided.len.unwrap_or_default());
    match decided.verb {
        Verb::Pick => because(format!("picks piece {piece}")),
        Verb::Unchoke => because(format!("unchokes {peer}")),
        Verb::Show => because(format!("shows piece {piece} to {peer}")),
        Verb::Missed => format!("{peer} missed a deadline: {len} are asked of others"),
        Verb::Overdue => format!("{peer} is slow: {len} are asked of others, too"),
        Verb::Verify if decided.ok => format!("piece {piece} is right"),
        Verb::Verify => because(format!("piece {piece} is WRONG")),
        Verb::Ban => because(format!("bans {peer}, piece {piece}")),
        Verb::Part => because(format!("parts with {peer}")),
        Verb::Complete => "has everything".to_owned(),
        Verb::Choke => {
            let served: Vec<String> = decided
                .set
                .iter()
                .map(|(with, _, why)| format!("{} ({})", who(*with), of_reason(why, names)))
                .collect();
            let dropped: Vec<String> = decided.dropped.iter().map(|(with, _)| who(*with)).collect();
            let slots = if served.is_empty() { "nobody".to_owned() } else { served.join(", ") };
            let chokes = if dropped.is_empty() {
                String::new()
            } else {
                format!("; chokes {}", dropped.join(", "))
            };
            format!("serves {slots}{chokes}")
        }
    }
}

fn of_reason(why: &Why, names: &Names) -> String {
    let Some(rule) = why.rule else { return String::new() };
    let number = |key| why.number(names, key).unwrap_or_default();
    match names.text(rule) {
        "rarest" => match (number("avail"), number("ties")) {
            (avail, 0 | 1) => format!("rarest, {avail} have it"),
            (avail, ties) => format!("rarest, {avail} have it, one of {ties} such"),
        },
        "random-first" => "random, as the first".to_owned(),
        "in-order" => "the next in order".to_owned(),
        "begun" => "begun already".to_owned(),
        "gives" => {
            let (rank, of) = (number("rank"), number("of"));
            format!("gives {}/s, {rank} of {of}", bytes(number("rate")))
        }
        "optimistic" => format!("optimistic, among {}", number("among")),
        "kept" => format!("kept for {} s", number("secs")),
        "turn" => format!("its turn among {}", number("among")),
        "lot" => format!("by lot among {}", number("among")),
        "waited" => format!("waited {} s", number("secs")),
        "everybody" => "everybody is served".to_owned(),
        "bargain" => format!("gives {}, costs {}", number("gives"), number("costs")),
        "share" => format!("its share is {} per mille", number("permille")),
        "own" => why.says.map(|says| names.text(says).to_owned()).unwrap_or_default(),
        "fewest-copies" => format!("{} copies", number("copies")),
        "one-writer" => "one peer sent all of it".to_owned(),
        "many-writers" => "several sent it, leaf hashes are asked for".to_owned(),
        "no-writer" => "it was there before".to_owned(),
        "wrong-bytes" => "it sent wrong bytes".to_owned(),
        other => other.replace('-', " "),
    }
}
