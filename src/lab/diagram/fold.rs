//! Runs of the same message between the same two peers become one arrow, runs of the same decision
//! one note: as few as fit, folded no more than they must be.

use super::units::{bytes, span};
use super::{Message, Talk, Thought, why};
use crate::lab::record::cast::Cast;
use crate::lab::record::{Decided, Name, Names, Verb};
use crate::trace::Kind;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// Notes of a diagram; the least telling are left out beyond that, and counted.
const MOST_NOTES: usize = 60;

/// Pieces that one note names.
const MOST_PIECES: usize = 4;

/// What is left out first: the reasons that are given most often are missed the least.
const LEAST_FIRST: [Verb; 6] =
    [Verb::Overdue, Verb::Missed, Verb::Pick, Verb::Show, Verb::Verify, Verb::Choke];

/// Single messages of a run that a picture shows.
const MOST_INNER: usize = 10;

/// A diagram, ready to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagram {
    /// Who takes part, in order.
    pub lanes: Vec<Lane>,
    /// Arrows, in order of their beginnings.
    pub arrows: Vec<Arrow>,
    /// Notes, in order of time.
    pub notes: Vec<Note>,
    /// How many messages there were.
    pub messages: usize,
    /// What had to be left out: how many of which decision.
    pub left_out: BTreeMap<&'static str, usize>,
}

/// A peer or tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// What it is called.
    pub name: String,
    /// The same without what all have in common.
    pub short: String,
    /// What it had at first, if it said so.
    pub had: Option<&'static str>,
    /// Whether it tells what happened at it.
    pub is_traced: bool,
}

/// A message, or a run of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrow {
    /// From which lane.
    pub from: usize,
    /// To which lane.
    pub to: usize,
    /// Its class.
    pub kind: Kind,
    /// `GET 12, 16 KiB`; of a run `GET x 64 (1.0 MiB, 0.9 s)`.
    pub label: String,
    /// How many messages it stands for.
    pub count: usize,
    /// When the first was sent and heard, as far as that is known.
    pub first: [Option<Duration>; 2],
    /// The same of the last.
    pub last: [Option<Duration>; 2],
    /// The same of some between them.
    pub inner: Vec<[Duration; 2]>,
    /// It was sent, and who should have heard it did not tell so.
    pub is_lost: bool,
}

impl Arrow {
    /// When it begins.
    pub fn at(&self) -> Duration {
        self.first[0].or(self.first[1]).unwrap_or_default()
    }
}

/// What a node decided or found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// At which lane.
    pub lane: usize,
    /// When.
    pub t: Duration,
    /// What and why.
    pub text: String,
    /// Something is wrong.
    pub is_bad: bool,
}

/// How much is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// A run ends at another message the same way.
    Runs,
    /// A run of what moves content ends at what does not.
    Phases,
    /// A run ends where there is a pause.
    Pauses(Duration),
}

/// What moves content, and is said again and again.
fn is_routine(word: &str) -> bool {
    const WORDS: [&str; 10] = [
        "GET",
        "CHUNK_DATA",
        "HAVE",
        "CANCEL",
        "REQUEST",
        "PIECE",
        "PING",
        "PONG",
        "UT_PEX",
        "OTHER",
    ];
    WORDS.contains(&word)
}

impl Talk {
    /// A diagram of at most so many arrows, if it can be folded so far; else of more.
    pub fn fold(&self, cast: &Cast, names: &Names, most: usize) -> Diagram {
        let times = self.messages.iter().map(Message::at);
        let (first, last) = (times.clone().min(), times.max());
        let length = last.unwrap_or_default().saturating_sub(first.unwrap_or_default());
        let pauses = [20, 4].map(|part| Level::Pauses((length / part).max(Duration::from_secs(1))));
        let mut runs = Vec::new();
        for level in [Level::Runs, Level::Phases, pauses[0], pauses[1]] {
            runs = self.runs(names, level);
            if runs.len() <= most {
                break;
            }
        }
        let (groups, left_out) = self.notes();
        let lanes = self.lanes(cast, names);
        let lane: HashMap<Name, usize> =
            lanes.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
        let short = |name: Option<Name>| {
            let Some(name) = name.map(|name| cast.node(name)) else {
                return "a web seed".to_owned();
            };
            let known = lane.get(&name).map(|&at| lanes[at].1.short.clone());
            known.unwrap_or_else(|| names.text(name).to_owned())
        };
        let arrows = runs.iter().map(|run| self.arrow(run, &lane, names)).collect();
        let notes = groups.iter().map(|group| Note {
            lane: lane[&group[0].node],
            t: group[0].t,
            text: text(group, &|thought| why::of_decision(&thought.what, names, &short)),
            is_bad: is_bad(&group[0].what),
        });
        let notes = notes.collect();
        let lanes = lanes.into_iter().map(|(_, lane)| lane).collect();
        Diagram { lanes, arrows, notes, messages: self.messages.len(), left_out }
    }

    /// Indices of messages: those of each run, runs in the order of their beginnings.
    fn runs(&self, names: &Names, level: Level) -> Vec<Vec<usize>> {
        let mut runs: Vec<Vec<usize>> = Vec::new();
        let mut open: HashMap<(Name, Name, Name), usize> = HashMap::new();
        let mut words: HashMap<(Name, Name), BTreeSet<Name>> = HashMap::new();
        for (index, message) in self.messages.iter().enumerate() {
            let Message { from, to, word, .. } = *message;
            let ends = |open: &mut HashMap<_, _>,
                        words: &mut HashMap<_, BTreeSet<Name>>,
                        way: (Name, Name)| {
                for word in words.remove(&way).unwrap_or_default() {
                    open.remove(&(way.0, way.1, word));
                }
            };
            match level {
                Level::Runs
                    if !words.get(&(from, to)).is_some_and(|words| words.contains(&word)) =>
                {
                    ends(&mut open, &mut words, (from, to));
                }
                Level::Phases if !is_routine(names.text(word)) => {
                    ends(&mut open, &mut words, (from, to));
                    ends(&mut open, &mut words, (to, from));
                }
                Level::Pauses(pause) => {
                    let last =
                        open.get(&(from, to, word)).and_then(|&run: &usize| runs[run].last());
                    let last = last.map(|&last| self.messages[last].at());
                    if last.is_some_and(|last| message.at().saturating_sub(last) > pause) {
                        open.remove(&(from, to, word));
                    }
                }
                _ => {}
            }
            words.entry((from, to)).or_default().insert(word);
            let run = *open.entry((from, to, word)).or_insert_with(|| {
                runs.push(Vec::new());
                runs.len() - 1
            });
            runs[run].push(index);
        }
        runs
    }

    fn arrow(&self, run: &[usize], lane: &HashMap<Name, usize>, names: &Names) -> Arrow {
        let (first, last) = (&self.messages[run[0]], &self.messages[run[run.len() - 1]]);
        let sum: u64 = run.iter().map(|&index| self.messages[index].bytes).sum();
        let took = last.heard.unwrap_or(last.at()).saturating_sub(first.at());
        let word = names.text(first.word);
        let count = run.len();
        let label = match (count, sum) {
            (1, _) => first.label.clone(),
            (_, 0) => format!("{word} x {count} ({})", span(took)),
            _ => format!("{word} x {count} ({}, {})", bytes(sum), span(took)),
        };
        let step = (count / MOST_INNER).max(1);
        let between = run.iter().skip(step).step_by(step).filter(|&&index| index != run[count - 1]);
        let inner = between.filter_map(|&index| {
            let message = &self.messages[index];
            Some([message.sent?, message.heard?])
        });
        Arrow {
            from: lane[&first.from],
            to: lane[&first.to],
            kind: first.kind,
            label,
            count,
            first: [first.sent, first.heard],
            last: [last.sent, last.heard],
            inner: inner.collect(),
            is_lost: count == 1 && first.is_watched && first.heard.is_none(),
        }
    }

    /// Decisions that become one note each, the most telling ones, in order of time; and how many of
    /// the others there are.
    fn notes(&self) -> (Vec<Vec<&Thought>>, BTreeMap<&'static str, usize>) {
        let mut groups: Vec<Vec<&Thought>> = Vec::new();
        for ends_at_others in [true, false] {
            groups = self.groups(ends_at_others);
            if groups.len() <= MOST_NOTES {
                break;
            }
        }
        let mut left_out = BTreeMap::new();
        for verb in LEAST_FIRST {
            if groups.len() <= MOST_NOTES {
                break;
            }
            let is_kept =
                |group: &Vec<&Thought>| group[0].what.verb != verb || is_bad(&group[0].what);
            let gone: usize = groups.iter().filter(|group| !is_kept(group)).map(Vec::len).sum();
            groups.retain(is_kept);
            if gone > 0 {
                left_out.insert(plural(verb), gone);
            }
        }
        let more: usize = groups.iter().skip(MOST_NOTES).map(Vec::len).sum();
        groups.truncate(MOST_NOTES);
        if more > 0 {
            left_out.insert("later decisions", more);
        }
        (groups, left_out)
    }

    fn groups(&self, ends_at_others: bool) -> Vec<Vec<&Thought>> {
        let mut groups: Vec<Vec<&Thought>> = Vec::new();
        let mut open: HashMap<(Name, u8, Option<Name>), usize> = HashMap::new();
        for thought in &self.thoughts {
            let what = &thought.what;
            let folds = what.verb == Verb::Pick || (what.verb == Verb::Verify && what.ok);
            let key = (thought.node, what.verb as u8, what.why.rule);
            if folds && let Some(&group) = open.get(&key) {
                groups[group].push(thought);
                continue;
            }
            if ends_at_others {
                open.retain(|(node, ..), _| *node != thought.node);
            }
            open.insert(key, groups.len());
            groups.push(vec![thought]);
        }
        groups
    }

    /// Who takes part, in the order in which people count.
    fn lanes(&self, cast: &Cast, names: &Names) -> Vec<(Name, Lane)> {
        let ends = self.messages.iter().flat_map(|message| [message.from, message.to]);
        let there: BTreeSet<Name> = ends.chain(self.thoughts.iter().map(|t| t.node)).collect();
        let mut order: Vec<Name> =
            cast.everybody.iter().copied().filter(|name| there.contains(name)).collect();
        let more: Vec<Name> = there.iter().copied().filter(|name| !order.contains(name)).collect();
        order.extend(more);
        let addresses: Vec<Option<SocketAddr>> =
            order.iter().map(|&name| names.text(name).parse().ok()).collect();
        let all = |same: fn(&SocketAddr, &SocketAddr) -> bool| {
            let known: Option<Vec<SocketAddr>> = addresses.iter().copied().collect();
            known.is_some_and(|all| all.len() > 1 && all.iter().all(|one| same(one, &all[0])))
        };
        let one_ip = all(|one, two| one.ip() == two.ip());
        let one_port = all(|one, two| one.port() == two.port());
        let short = |name: Name, address: Option<SocketAddr>| match address {
            Some(address) if one_ip => format!(":{}", address.port()),
            Some(address) if one_port => address.ip().to_string(),
            _ => names.text(name).to_owned(),
        };
        let lane = |(&name, &address): (&Name, &Option<SocketAddr>)| {
            let lane = Lane {
                name: names.text(name).to_owned(),
                short: short(name, address),
                had: self.had.get(&name).copied(),
                is_traced: cast.traced.contains(&name),
            };
            (name, lane)
        };
        order.iter().zip(&addresses).map(lane).collect()
    }
}

fn is_bad(what: &Decided) -> bool {
    what.verb == Verb::Ban || (what.verb == Verb::Verify && !what.ok)
}

/// What a note says.
fn text(group: &[&Thought], one: &dyn Fn(&Thought) -> String) -> String {
    let first = one(group[0]);
    if group.len() == 1 {
        return first;
    }
    let mut pieces: Vec<u32> = Vec::new();
    for piece in group.iter().filter_map(|thought| thought.what.piece) {
        if !pieces.contains(&piece) && pieces.len() <= MOST_PIECES {
            pieces.push(piece);
        }
    }
    let dots = if pieces.len() > MOST_PIECES { ".." } else { "" };
    let listed: Vec<String> = pieces.iter().take(MOST_PIECES).map(ToString::to_string).collect();
    let (many, listed) = (pieces.len() > 1, listed.join(", "));
    let word = if many { "pieces" } else { "piece" };
    if group[0].what.verb == Verb::Verify {
        let all =
            if dots.is_empty() { String::new() } else { format!(" ({} in all)", group.len()) };
        return format!("{word} {listed}{dots} are right{all}");
    }
    let why = first.split_once(": ").map(|(_, why)| why).unwrap_or_default();
    let why = why.split(',').next().unwrap_or_default();
    let times = if group.len() > pieces.len() || pieces.len() > MOST_PIECES {
        format!(" ({} times)", group.len())
    } else {
        String::new()
    };
    format!("picks {word} {listed}{dots}: {why}{times}")
}

fn plural(verb: Verb) -> &'static str {
    match verb {
        Verb::Pick => "picks",
        Verb::Verify => "pieces that were right",
        Verb::Overdue => "slow answers",
        Verb::Missed => "missed deadlines",
        Verb::Show => "pieces shown",
        Verb::Choke => "rounds of the choker",
        _ => "decisions",
    }
}
