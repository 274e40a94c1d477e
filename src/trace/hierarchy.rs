//! What trackers of a hierarchy say to each other: one line for each message sent or received.
//!
//! ```text
//! {"t":0.001220,"n":"127.0.0.53:7053","ev":"send","to":"127.0.0.10:7053","msg":"QUERY",
//!  "kind":"command","len":1200,"id":"9f3c..","op":"PEERS","key":"3f2a..","rd":false,"hops":7}
//! ```
//! The lines have the form of a node's, so that what reads those reads these; docs/hierarchy.md
//! has their fields.

use super::line::Line;
use crate::clock::Moment;
use crate::protocol::tracker_native::{Answer, Query};
use std::fmt;
use std::net::SocketAddr;

/// Which way a message went, and who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To there.
    To(SocketAddr),
    /// From there.
    From(SocketAddr),
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// A question.
    Query(&'a Query),
    /// An answer, and how many records it brings.
    Answer(&'a Answer, usize),
    /// Registrations of so many swarms.
    Sync(usize),
}

/// Appends the line of a message of so many bytes: at this moment, at this tracker.
pub fn write(out: &mut String, t: Moment, node: &str, way: Way, said: Said, length: usize) {
    let (ev, end, peer) = match way {
        Way::To(peer) => ("send", "to", peer),
        Way::From(peer) => ("recv", "from", peer),
    };
    let mut line = Line::begin(out, t, node, ev);
    line.shown(end, peer);
    let (msg, kind) = match said {
        Said::Query(_) => ("QUERY", "command"),
        Said::Answer(..) => ("ANSWER", "data"),
        Said::Sync(_) => ("SYNC", "command"),
    };
    line.text("msg", msg).text("kind", kind).number("len", length as u64);
    match said {
        Said::Query(query) => {
            line.shown("id", Id(query.id)).shown("op", query.op).text("key", &query.key);
            line.truth("rd", query.rd).number("hops", query.hops);
        }
        Said::Answer(answer, records) => {
            line.shown("id", Id(answer.id)).shown("op", answer.op).shown("rcode", answer.rcode);
            line.truth("aa", answer.aa).truth("ra", answer.ra).truth("tc", answer.tc);
            line.number("ttl_ms", answer.ttl_ms).number("count", records as u64);
            line.list("ns", &answer.ns, |line, ns| {
                line.text("zone", &ns.zone).shown("addr", ns.addr.0);
            });
        }
        Said::Sync(swarms) => _ = line.number("count", swarms as u64),
    }
    line.end();
}

/// Appends that an answer was not believed, and why.
pub fn write_dropped(out: &mut String, t: Moment, node: &str, from: SocketAddr, why: &str) {
    let mut line = Line::begin(out, t, node, "drop");
    line.shown("from", from).text("says", why);
    line.end();
}

/// A number of 64 bits, which not every reader of JSON takes as one.
struct Id(u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tracker_native::{Endpoint, NameServer, Op, Rcode};
    use std::time::Duration;

    fn check(said: Said, way: Way, expected: &str) {
        let mut out = String::new();
        write(&mut out, Moment::after(Duration::from_millis(1)), "a", way, said, 512);
        assert_eq!(out, format!("{{\"t\":0.001000,\"n\":\"a\",{expected}}}\n"));
    }

    #[test]
    fn a_question_and_an_answer_are_a_line_each() {
        let peer: SocketAddr = "127.0.0.11:7053".parse().unwrap();
        let (id, op, key) = (0xab, Op::Peers, "3f".to_owned());
        let query = Query { id, op, key, rd: true, hops: 8, max: 5, origin: None, cookie: None };
        check(
            Said::Query(&query),
            Way::From(peer),
            r#""ev":"recv","from":"127.0.0.11:7053","msg":"QUERY","kind":"command","len":512,"id":"00000000000000ab","op":"PEERS","key":"3f","rd":true,"hops":8"#,
        );
        let ns = vec![NameServer { zone: "3".into(), addr: Endpoint(peer), ttl_ms: 9 }];
        let (aa, ra, tc, ttl_ms, path) = (false, true, false, 7, Vec::new());
        let answer = Answer { id, op, rcode: Rcode::NxSwarm, aa, ra, tc, ttl_ms, ns, path };
        check(
            Said::Answer(&answer, 2),
            Way::To(peer),
            r#""ev":"send","to":"127.0.0.11:7053","msg":"ANSWER","kind":"data","len":512,"id":"00000000000000ab","op":"PEERS","rcode":"NXSWARM","aa":false,"ra":true,"tc":false,"ttl_ms":7,"count":2,"ns":[{"zone":"3","addr":"127.0.0.11:7053"}]"#,
        );
    }
}
