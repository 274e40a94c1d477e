//! `peer list --pieces`: which nodes have which pieces of a content, as the tracker was told.
//!
//! The tracker says so at `/swarm/HASH.json`, over HTTP on its own port.

use super::style::printable;
use crate::bitfield::Bitfield;
use crate::ids::{InfoHashV2, unhex};
use crate::node::trackers::http::{Get, fetch};
use crate::protocol::url::Url;
use crate::tracker::pages::strip;
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Instant;

/// The most bytes of an answer: a page of nodes with large bitmaps takes a third of it.
const MAX_ANSWER: u64 = 1 << 20;

/// The tracker's object about one content; the error is a sentence.
pub fn ask(tracker: SocketAddr, hash: InfoHashV2, deadline: Instant) -> Result<Value, String> {
    let url = Url::parse(&format!("http://{tracker}/swarm/{hash}.json"));
    let url = url.map_err(|error| error.to_string())?;
    let get = Get { url: &url, bind: None, range: None, limit: MAX_ANSWER, deadline };
    let (head, body) = fetch(&get).map_err(|error| error.to_string())?;
    if head.status != 200 {
        return Err(format!("status {}", head.status));
    }
    serde_json::from_slice(&body).map_err(|_| "what it says is no JSON".to_owned())
}

/// A line for each node: where it is, how much it lacks, and its row of pieces.
pub fn lines(swarm: &Value) -> String {
    let mut text = String::new();
    for node in swarm["nodes"].as_array().into_iter().flatten() {
        let address = printable(node["address"].as_str().unwrap_or("?"));
        let row = row(&node["have"], &swarm["pieces"]);
        let _ = writeln!(text, "    {address:<24} {row}");
    }
    text
}

fn row(have: &Value, pieces: &Value) -> String {
    let pieces = pieces.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    match have.as_str() {
        Some("all") => strip::draw(&vec![1.0; strip::cells(pieces) as usize]),
        Some(digits) => {
            let bits = unhex(digits).and_then(|bytes| Bitfield::from_bytes(&bytes, pieces).ok());
            bits.map_or_else(|| "not told".into(), |bits| strip::draw(&strip::shares(&bits)))
        }
        None => "not told".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_node_has_a_line_with_its_row_and_what_is_nonsense_is_not_told() {
        let node = |have: Value| json!({ "address": "127.0.0.1:1\u{1b}", "have": have });
        let all = ["all", "f8", "f8ff", "x"].map(Value::from);
        let nodes: Vec<Value> = all.into_iter().chain([Value::Null]).map(node).collect();
        let text = lines(&json!({ "pieces": 6, "nodes": nodes }));
        let rows: Vec<&str> = text.lines().map(str::trim_start).collect();
        let rest: Vec<&str> = rows.iter().map(|l| l.split_once(' ').unwrap().1.trim()).collect();
        assert_eq!(rest, ["██████", "█████·", "not told", "not told", "not told"]);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        for nonsense in [json!([]), json!({ "nodes": 1 }), json!({ "nodes": [1] })] {
            lines(&nonsense);
        }
    }
}
