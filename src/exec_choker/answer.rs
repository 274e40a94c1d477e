//! What a program said: one object on one line, held to the rules.

use super::Fault;
use crate::logic::PeerKey;
use crate::logic::choker::{EQUAL, Served, View, Why, Words};
use serde::Deserialize;
use std::collections::HashSet;

/// The greatest weight: a thousand equal shares.
const MOST_WEIGHT: u32 = 1000 * EQUAL;

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Who is served from now on.
    pub unchoke: Vec<Served>,
    /// Who is served when a slot becomes free before the next round, in this order; `None` leaves
    /// that open.
    pub next: Option<Vec<Served>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    unchoke: Vec<Named>,
    why: Option<String>,
    next: Option<Vec<Named>>,
}

/// A peer by its number, or with what else is to be said of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Number(u64),
    More { peer: u64, why: Option<String>, weight: Option<u32> },
}

/// The decision that a line holds.
pub(super) fn understood(line: &[u8], view: &View) -> Result<Answer, Fault> {
    let said: Said = serde_json::from_slice(line)
        .map_err(|error| Fault::Nonsense(Words::new(&error.to_string()).to_string()))?;
    if said.unchoke.len() > view.slots {
        return Err(Fault::TooMany { named: said.unchoke.len(), slots: view.slots });
    }
    let known: HashSet<u64> = view.peers.iter().map(|p| p.peer.0).collect();
    let all = said.why.as_deref();
    let served = |named: &Named| served(named, all, &known);
    let unchoke = said.unchoke.iter().map(served).collect::<Result<_, _>>()?;
    let next = said.next.map(|next| next.iter().map(served).collect::<Result<_, _>>());
    Ok(Answer { unchoke, next: next.transpose()? })
}

fn served(named: &Named, all: Option<&str>, known: &HashSet<u64>) -> Result<Served, Fault> {
    let (peer, why, weight) = match named {
        Named::Number(peer) => (*peer, None, None),
        Named::More { peer, why, weight } => (*peer, why.as_deref(), *weight),
    };
    if !known.contains(&peer) {
        return Err(Fault::Unknown(peer));
    }
    let why = Words::new(why.or(all).unwrap_or_default());
    if why.as_str().trim().is_empty() {
        return Err(Fault::NoReason(peer));
    }
    let weight = weight.unwrap_or(EQUAL).clamp(1, MOST_WEIGHT);
    Ok(Served { peer: PeerKey(peer), why: Why::Says(why), weight })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::logic::choker::Candidate;
    use crate::logic::timers::Timers;
    use proptest::prelude::{any, prop, proptest};

    fn among<R>(slots: usize, use_it: impl Fn(&View) -> R) -> R {
        let peers = [3, 5, 8].map(|n| Candidate::new(PeerKey(n), Moment::START));
        let (now, timers) = (Moment::START, Timers::default());
        let capacity = None;
        let seeding = false;
        let view = View {
            now,
            round: 1,
            seeding,
            slots,
            upload_capacity: capacity,
            timers,
            peers: &peers,
        };
        use_it(&view)
    }

    fn answer(line: &str) -> Result<Answer, Fault> {
        among(2, |view| understood(line.as_bytes(), view))
    }

    fn one(peer: u64, why: &str, weight: u32) -> Served {
        Served { peer: PeerKey(peer), why: Why::Says(Words::new(why)), weight }
    }

    #[test]
    fn peers_are_named_by_number_or_with_a_reason_each() {
        let check = |line: &str, unchoke: &[Served], next: Option<&[Served]>| {
            let expected = Answer { unchoke: unchoke.to_vec(), next: next.map(<[_]>::to_vec) };
            assert_eq!(answer(line), Ok(expected), "{line}");
        };
        let (three, five) = (one(3, "so", 1000), one(5, "it gave 7 kB/s", 2000));
        check(r#"{"unchoke":[3],"why":"so"}"#, &[three], None);
        let more = r#"{"unchoke":[3,{"peer":5,"why":"it gave 7 kB/s","weight":2000}],"why":"so"}"#;
        check(more, &[three, five], None);
        check(r#"{"unchoke":[],"next":[]}"#, &[], Some(&[]));
        check(r#"{"unchoke":[],"next":[{"peer":3,"why":"so"}]}"#, &[], Some(&[three]));
        check(r#"{"unchoke":[{"peer":3,"why":"so","weight":0}]}"#, &[one(3, "so", 1)], None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |line: &str, kind: &str, words: &str| {
            let fault = answer(line).expect_err(line);
            assert_eq!(fault.kind(), kind, "{line}");
            assert!(fault.to_string().contains(words), "{line}: {fault}");
        };
        check("hello", "nonsense", "makes no sense (expected value");
        check("[]", "nonsense", "makes no sense");
        check(r#"{"unchoked":[3],"why":"so"}"#, "nonsense", "unknown field `unchoked`");
        check("{\"unchoke\":[3],\"\u{1b}[2J\":1}", "nonsense", "makes no sense");
        check(r#"{"unchoke":["3"],"why":"so"}"#, "nonsense", "makes no sense");
        check(r#"{"unchoke":[4],"why":"so"}"#, "unknown", "peer 4, who is not there");
        check(r#"{"unchoke":[],"next":[4],"why":"so"}"#, "unknown", "peer 4");
        check(r#"{"unchoke":[3,5,8],"why":"so"}"#, "too many", "serves 3, and there are 2 slots");
        check(r#"{"unchoke":[3]}"#, "no reason", "no reason for peer 3");
        check(r#"{"unchoke":[3],"why":" \n"}"#, "no reason", "no reason for peer 3");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_serve_more_than_there_is(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            slots in 0..4usize,
        ) {
            among(slots, |view| {
                if let Ok(answer) = understood(&bytes, view) {
                    assert!(answer.unchoke.len() <= slots);
                }
            });
        }

        #[test]
        fn whoever_is_named_right_is_served(
            named in prop::collection::vec(prop::sample::select(vec![3u64, 5, 8]), 0..3),
            why in "\\PC{1,200}",
        ) {
            let reason = serde_json::to_string(&format!("x{why}")).unwrap();
            let line = format!(r#"{{"unchoke":{named:?},"why":{reason}}}"#);
            let served = answer(&line).unwrap().unchoke;
            assert_eq!(served.iter().map(|s| s.peer.0).collect::<Vec<_>>(), named);
        }
    }
}
