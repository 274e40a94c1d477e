//! From what was said to what is right and wrong. Lines go in, a [`Fault`] or nothing comes out.

use super::check::Fault;
use super::log::{Line, Meaning};
use crate::geometry::BLOCK_LEN;
use crate::ids::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a GET may have been on its way when CHOKE was said.
const UNDER_WAY: Duration = Duration::from_millis(250);

/// A block: its piece and its number there.
type Block = (u32, u32);

/// The blocks that a span touches; one that leaves its piece has no more than `most`.
fn blocks(span: Span, most: u32) -> impl Iterator<Item = Block> {
    let first = span.offset / BLOCK_LEN;
    let count = span.length.div_ceil(BLOCK_LEN).min(most);
    (first..first.saturating_add(count)).map(move |block| (span.piece.0, block))
}

/// Somebody opened a connection with a HELLO.
pub fn handshake(lines: &[Line]) -> Result<(), Fault> {
    let first = lines.iter().find(|line| line.is_theirs());
    match first {
        Some(line) if line.meaning == Meaning::Hello => Ok(()),
        Some(line) => Err(Fault::new(line.to_string(), "\"SWP1\", then HELLO")),
        None => Err(Fault::new("no seeder was called", "\"SWP1\", then HELLO")),
    }
}

/// Several of the seeders gave something, and at some moment two had requests to answer.
pub fn many_to_one(lines: &[Line], at_least: usize) -> Result<(), Fault> {
    let mut waiting: BTreeMap<usize, i64> = BTreeMap::new();
    let (mut gave, mut at_once) = (BTreeSet::new(), 0);
    for line in lines {
        match line.meaning {
            Meaning::Get(span) if line.is_theirs() => {
                *waiting.entry(line.link).or_default() += i64::from(span.length);
            }
            Meaning::Chunk(span) if !line.is_theirs() => {
                gave.insert(line.seeder());
                *waiting.entry(line.link).or_default() -= i64::from(span.length);
            }
            Meaning::Closed | Meaning::Choke => drop(waiting.remove(&line.link)),
            _ => {}
        }
        at_once = at_once.max(waiting.values().filter(|&&bytes| bytes > 0).count());
    }
    if gave.len() >= at_least && at_once >= 2 {
        return Ok(());
    }
    Err(Fault::new(
        format!("{} seeders were asked, {at_once} at once", gave.len()),
        format!("GETs to {at_least} seeders or more, of which two or more at once"),
    ))
}

/// At some moment one connection had two requests to answer.
pub fn pipelining(lines: &[Line]) -> Result<(), Fault> {
    let mut waiting: BTreeMap<usize, Vec<(Span, u32)>> = BTreeMap::new();
    let mut last = None;
    for line in lines {
        let open = waiting.entry(line.link).or_default();
        match line.meaning {
            Meaning::Get(span) if line.is_theirs() => {
                open.push((span, span.length));
                if open.len() >= 2 {
                    return Ok(());
                }
                last = Some(line);
            }
            Meaning::Chunk(span) if !line.is_theirs() => {
                if let Some((_, left)) = open.iter_mut().find(|(get, _)| get.piece == span.piece) {
                    *left = left.saturating_sub(span.length);
                }
                open.retain(|&(_, left)| left > 0);
            }
            _ => {}
        }
    }
    let got = last.map_or_else(
        || "no GET".to_owned(),
        |line| format!("each GET only after the answer to the one before; the last: {line}"),
    );
    Err(Fault::new(got, "a second GET while the first is being answered"))
}

/// No block was asked for again while another was answering for it, before each of the `all` blocks
/// was asked for once: what comes then is the endgame.
pub fn no_duplicates(lines: &[Line], all: u32) -> Result<(), Fault> {
    let mut asked: BTreeMap<Block, usize> = BTreeMap::new();
    let mut ever: BTreeSet<Block> = BTreeSet::new();
    for line in lines {
        match line.meaning {
            Meaning::Get(span) if line.is_theirs() => {
                for block in blocks(span, all) {
                    let other = asked.insert(block, line.link);
                    if let Some(other) = other.filter(|_| (ever.len() as u32) < all) {
                        return Err(Fault::new(
                            format!("{line}, which connection {other} had been asked for"),
                            "no GET for what is on its way, until everything has been asked for",
                        ));
                    }
                    ever.insert(block);
                }
            }
            Meaning::Cancel(span) if line.is_theirs() => {
                for block in blocks(span, all) {
                    asked.remove(&block);
                }
            }
            Meaning::Reject(span) => {
                for block in blocks(span, all) {
                    asked.remove(&block);
                }
            }
            Meaning::Choke | Meaning::Closed => asked.retain(|_, &mut link| link != line.link),
            _ => {}
        }
    }
    if ever.is_empty() { Err(Fault::new("no GET", "a GET for each block")) } else { Ok(()) }
}

/// No GET came before UNCHOKE or later than a moment after CHOKE.
pub fn choked_waits(lines: &[Line]) -> Result<(), Fault> {
    // By connection: since when it is choked.
    let mut choked: BTreeMap<usize, Option<Duration>> = BTreeMap::new();
    let mut has_choked = false;
    for line in lines {
        let since = choked.entry(line.link).or_insert(Some(Duration::ZERO));
        match line.meaning {
            Meaning::Unchoke if !line.is_theirs() => *since = None,
            Meaning::Choke if !line.is_theirs() => {
                *since = Some(line.at + UNDER_WAY);
                has_choked = true;
            }
            Meaning::Get(_) if line.is_theirs() && since.is_some_and(|since| line.at >= since) => {
                return Err(Fault::new(line.to_string(), "no GET before the next UNCHOKE"));
            }
            _ => {}
        }
    }
    if has_choked { Ok(()) } else { Err(Fault::new("too few GETs", "GETs after UNCHOKE")) }
}

/// A piece that came wrong was asked of somebody else. Meant for a run whose file came out right.
pub fn refetched(lines: &[Line], liar: usize) -> Result<(), Fault> {
    let wrong: BTreeSet<u32> = lines
        .iter()
        .filter(|line| line.seeder() == liar && !line.is_theirs())
        .filter_map(|line| match line.meaning {
            Meaning::Chunk(span) => Some(span.piece.0),
            _ => None,
        })
        .collect();
    let again = |line: &&Line| {
        line.seeder() != liar
            && line.is_theirs()
            && matches!(line.meaning, Meaning::Get(span) if wrong.contains(&span.piece.0))
    };
    match lines.iter().find(again) {
        Some(_) => Ok(()),
        None if wrong.is_empty() => {
            Err(Fault::new("the seeder that lies was asked for nothing", "GETs to every seeder"))
        }
        None => Err(Fault::new(
            format!("no GET for piece {} to another", wrong.iter().next().unwrap_or(&0)),
            "a GET to somebody else for the piece that did not match its hash",
        )),
    }
}

/// Every piece was told by HAVE, or in the opening, to somebody who lacks it.
pub fn announced(told: &BTreeSet<u32>, pieces: u32) -> Result<(), Fault> {
    match (0..pieces).find(|piece| !told.contains(piece)) {
        None => Ok(()),
        Some(missing) => Err(Fault::new(
            format!("{} of {pieces} pieces were announced, {missing} was not", told.len()),
            "HAVE for each piece, to who said HAVE_NONE",
        )),
    }
}

/// KEEPALIVEs came no further apart than a silent peer stays listed.
pub fn heartbeat(
    registered: Duration,
    beats: &[Duration],
    until: Duration,
    keepalive: Duration,
    expire: Duration,
) -> Result<(), Fault> {
    let mut last = registered;
    for &beat in beats.iter().chain([&until]) {
        if beat.saturating_sub(last) > expire {
            return Err(Fault::new(
                format!(
                    "silence from {:.1} s to {:.1} s, {} KEEPALIVEs in all",
                    last.as_secs_f64(),
                    beat.as_secs_f64(),
                    beats.len()
                ),
                format!("a KEEPALIVE every {} ms", keepalive.as_millis()),
            ));
        }
        last = beat;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::log::Speaker;
    use super::*;
    use crate::ids::PieceIndex;

    /// `0.1 2> get 3`: at 0.1 s on connection 2 the submission said GET for all of piece 3.
    fn lines(text: &str) -> Vec<Line> {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(line).collect()
    }

    fn line(text: &str) -> Line {
        let words: Vec<&str> = text.split(' ').collect();
        let (link, from) = match words[1].strip_suffix('>') {
            Some(link) => (link, Speaker::Submission),
            None => (words[1].trim_end_matches('<'), Speaker::Grader),
        };
        let span = || Span {
            piece: PieceIndex(words[3].parse().expect("a piece")),
            offset: 0,
            length: 2 * BLOCK_LEN,
        };
        let meaning = match words[2] {
            "hello" => Meaning::Hello,
            "get" => Meaning::Get(span()),
            "chunk" => Meaning::Chunk(span()),
            "cancel" => Meaning::Cancel(span()),
            "choke" => Meaning::Choke,
            "unchoke" => Meaning::Unchoke,
            "closed" => Meaning::Closed,
            other => panic!("{other}"),
        };
        Line {
            at: Duration::from_secs_f64(words[0].parse().expect("a time")),
            link: link.parse().expect("a number"),
            from,
            meaning,
            text: words[2..].join(" "),
            frame: 1,
            offset: 4,
        }
    }

    fn check(went: Result<(), Fault>, expected: &str) {
        assert_eq!(went.err().map_or_else(String::new, |fault| fault.got), expected);
    }

    #[test]
    fn several_seeders_must_have_work_at_once() {
        check(many_to_one(&lines("0 0> get 0\n0 1> get 1\n1 0< chunk 0\n1 1< chunk 1"), 2), "");
        check(
            many_to_one(&lines("0 0> get 0\n0 0< chunk 0\n1 1> get 1\n1 1< chunk 1"), 2),
            "2 seeders were asked, 1 at once",
        );
    }

    #[test]
    fn one_request_after_the_other_is_no_pipeline() {
        check(pipelining(&lines("0 0> get 0\n0 0> get 1")), "");
        check(
            pipelining(&lines("0 0> get 0\n1 0< chunk 0\n1 0> get 1\n1 1> get 2")),
            "each GET only after the answer to the one before; the last: get 2 (frame 1, byte 4, \
             connection 1, 1.000 s)",
        );
        check(pipelining(&[]), "no GET");
    }

    #[test]
    fn asking_twice_is_a_fault_before_the_endgame_only() {
        check(no_duplicates(&lines("0 0> get 0\n0 1> get 1\n1 1> get 0"), 4), "");
        check(
            no_duplicates(&lines("0 0> get 0\n1 1> get 0"), 4),
            "get 0 (frame 1, byte 4, connection 1, 1.000 s), which connection 0 had been asked for",
        );
        for void in ["0 0> cancel 0", "0 0< choke", "0 0< closed"] {
            check(no_duplicates(&lines(&format!("0 0> get 0\n{void}\n1 1> get 0")), 4), "");
        }
    }

    #[test]
    fn a_get_may_cross_a_choke_but_not_ignore_it() {
        let start = "0 0> hello\n0 0< unchoke\n0 0> get 0\n1 0< choke\n";
        check(choked_waits(&lines(&format!("{start}1.1 0> get 1\n2 0< unchoke\n2 0> get 1"))), "");
        check(
            choked_waits(&lines(&format!("{start}1.5 0> get 1"))),
            "get 1 (frame 1, byte 4, connection 0, 1.500 s)",
        );
        check(choked_waits(&lines("0 0> get 1")), "get 1 (frame 1, byte 4, connection 0, 0.000 s)");
    }

    #[test]
    fn a_wrong_piece_is_asked_of_another() {
        check(refetched(&lines("0 2> get 0\n0 2< chunk 0\n1 1> get 0"), 2), "");
        check(
            refetched(&lines("0 2> get 0\n0 2< chunk 0\n1 1> get 1"), 2),
            "no GET for piece 0 to another",
        );
        check(refetched(&lines("0 1> get 0"), 2), "the seeder that lies was asked for nothing");
    }

    #[test]
    fn haves_and_heartbeats_have_no_gaps() {
        check(announced(&[0, 1, 2].into(), 3), "");
        check(announced(&[0, 2].into(), 3), "2 of 3 pieces were announced, 1 was not");
        let secs = Duration::from_secs;
        let beats = [secs(1), secs(2)];
        check(heartbeat(secs(0), &beats, secs(3), secs(1), secs(2)), "");
        check(
            heartbeat(secs(0), &beats, secs(5), secs(1), secs(2)),
            "silence from 2.0 s to 5.0 s, 2 KEEPALIVEs in all",
        );
    }
}
