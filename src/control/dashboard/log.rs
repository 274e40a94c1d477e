//! The trace as it passes, to whoever watches: a few times a second, what its filter lets through.

use super::Outlet;
use crate::control::order::{Order, Reply};
use serde_json::json;
use std::io;
use std::time::Duration;

/// How often lines are sent.
const EVERY: Duration = Duration::from_millis(250);

/// Lines sent at a time; of those that come faster it is said how many there were.
const LINES: usize = 400;

/// Which lines of a trace are wanted.
#[derive(Debug, Default)]
pub struct Filter {
    /// What stands in a line that has to do with a peer.
    peer: Option<String>,
    types: Option<Vec<String>>,
}

impl Filter {
    /// Lines with this peer, and messages and events of these names.
    pub fn new(peer: Option<String>, types: Option<Vec<String>>) -> Self {
        Self { peer: peer.map(|peer| format!(":\"{peer}\"")), types }
    }

    /// Whether a line is wanted. What stands in quotes within a text is escaped, so that a
    /// stranger's words are never taken for a field.
    pub fn wants(&self, line: &str) -> bool {
        let peer = self.peer.as_ref().is_none_or(|peer| line.contains(peer.as_str()));
        let kind = || text_of(line, "\"msg\":\"").or_else(|| text_of(line, "\"ev\":\""));
        let is_named = |types: &Vec<String>| kind().is_some_and(|k| types.iter().any(|t| t == k));
        peer && self.types.as_ref().is_none_or(is_named)
    }
}

/// The text behind a field's name.
fn text_of<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(field)?;
    rest.split('"').next()
}

/// Sends lines from now on.
pub fn run(filter: &Filter, mut out: Outlet<'_>) -> io::Result<()> {
    let mut place = None;
    let mut heard = 0;
    loop {
        let Ok(Reply::Log(part)) = out.desk.order(Order::Log(place)) else { return Ok(()) };
        place = Some(part.next);
        let wanted: Vec<&str> =
            part.lines.iter().map(AsRef::as_ref).filter(|line| filter.wants(line)).collect();
        let shown = &wanted[..wanted.len().min(LINES)];
        let lost = part.lost + (wanted.len() - shown.len()) as u64;
        if shown.is_empty() {
            (out.send)(": nothing\n\n")?; // who has left is noticed by it
        } else {
            (out.send)(&format!("data: [{}]\n\n", shown.join(",")))?;
        }
        if lost > 0 {
            out.event("lost", &json!({ "lines": lost }))?;
        }
        if !out.pause(&mut heard, EVERY) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str =
        r#"{"t":1.0,"n":"a","ev":"send","conn":7,"to":"127.0.0.1:6882","msg":"GET","piece":1}"#;
    const CHOKE: &str = r#"{"t":1.0,"n":"a","ev":"choke","set":[{"conn":1,"to":"127.0.0.1:9"}]}"#;
    const SAYS: &str = r#"{"t":1.0,"n":"a","ev":"close","conn":1,"to":"1.2.3.4:5","says":"\"msg\":\"GET\" :\"127.0.0.1:9\""}"#;

    #[test]
    fn lines_are_wanted_by_peer_and_by_message_or_event() {
        let check = |peer: Option<&str>, types: Option<&[&str]>, expected: [bool; 3]| {
            let types = types.map(|types| types.iter().map(|&t| t.to_owned()).collect());
            let filter = Filter::new(peer.map(str::to_owned), types);
            assert_eq!([GET, CHOKE, SAYS].map(|line| filter.wants(line)), expected, "{filter:?}");
        };
        check(None, None, [true, true, true]);
        check(Some("127.0.0.1:6882"), None, [true, false, false]);
        check(Some("127.0.0.1:688"), None, [false, false, false]);
        check(Some("127.0.0.1:9"), None, [false, true, false]);
        check(None, Some(&["GET"]), [true, false, false]);
        check(None, Some(&["send"]), [false, false, false]);
        check(None, Some(&["choke", "close"]), [false, true, true]);
        check(Some("127.0.0.1:9"), Some(&["GET"]), [false, false, false]);
    }
}
