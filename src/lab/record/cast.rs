//! Who is who in some traces, and what time it is there: a [`Survey`] hears every event of every
//! file once, and makes a [`Cast`] of it.
//!
//! Each end of a connection is told of by its own node. Two ends are one connection if their
//! sockets are each other's; in a world, where both ends stand in one file, they also have the same
//! number. Each file has a clock of its own: the quickest message each way says how far two of them
//! are apart, half of the difference of both ways, as NTP does (RFC 5905, 8).

use super::{Event, Name, Names, Open, Said, Way, What};
use crate::protocol::Dialect;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Ends of connections that are kept apart; what a trace has beyond them is an error.
const MOST_ENDS: usize = 1 << 20;

/// Messages whose moments are kept to compare clocks, in all and of one direction of a connection.
const MOST_MOMENTS: usize = 1 << 21;
const MOST_MOMENTS_EACH: usize = 4096;

/// More than there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more than {MOST_ENDS} ends of connections are in it")]
pub struct TooMany;

/// What is learnt from the first reading.
#[derive(Debug, Default)]
pub struct Survey {
    files: Vec<File>,
    /// Who tells something.
    traced: BTreeSet<Name>,
    starts: Vec<(Name, Option<Name>, Option<Name>)>,
    ends: Vec<End>,
    by_conn: HashMap<(usize, Name, u64), usize>,
    /// Datagrams' two ends, in the order in which they are met.
    trackers: Vec<Name>,
    moments: usize,
}

#[derive(Debug, Default)]
struct File {
    events: u64,
}

/// One end of a connection, as its node tells of it.
#[derive(Debug)]
pub struct End {
    /// Which file.
    pub file: usize,
    /// Whose end.
    pub node: Name,
    /// Its number there.
    pub conn: u64,
    /// What `open` said of it, if there is such a line.
    pub open: Option<Open>,
    /// The peer's address, as its lines say.
    pub with: Option<Name>,
    /// When it is first spoken of, by its file's clock.
    pub first: Duration,
    /// The greatest number of a message that it says it sent.
    pub sent: Option<u64>,
    /// The greatest number of a message that it says it heard.
    pub heard: Option<u64>,
    /// The word of the first message in each direction: sent, heard.
    pub words: [Option<Name>; 2],
    /// When the first messages were sent and heard, by their numbers.
    moments: [Vec<(u64, Duration)>; 2],
}

impl Survey {
    /// So many files.
    pub fn new(files: usize) -> Self {
        Self { files: (0..files).map(|_| File::default()).collect(), ..Self::default() }
    }

    /// An event of a file.
    pub fn on_event(&mut self, file: usize, event: &Event) -> Result<(), TooMany> {
        self.files[file].events += 1;
        self.traced.insert(event.node);
        match &event.what {
            What::Start { id, listen } => self.starts.push((event.node, *id, *listen)),
            What::Open(open) => {
                let end = self.end(file, event, open.conn)?;
                self.ends[end].with = Some(open.to);
                self.ends[end].open = Some((**open).clone());
            }
            What::Close { conn, .. } => _ = self.end(file, event, *conn)?,
            What::Said(said) => self.on_said(file, event, said)?,
            What::Datagram(datagram) => {
                if !self.trackers.contains(&datagram.with) && self.trackers.len() < MOST_ENDS {
                    self.trackers.push(datagram.with);
                }
            }
            What::Decided(_) => {}
        }
        Ok(())
    }

    fn end(&mut self, file: usize, event: &Event, conn: u64) -> Result<usize, TooMany> {
        let key = (file, event.node, conn);
        if let Some(&end) = self.by_conn.get(&key) {
            let first = &mut self.ends[end].first;
            *first = event.t.min(*first);
            return Ok(end);
        }
        if self.ends.len() == MOST_ENDS {
            return Err(TooMany);
        }
        self.by_conn.insert(key, self.ends.len());
        self.ends.push(End {
            file,
            node: event.node,
            conn,
            open: None,
            with: None,
            first: event.t,
            sent: None,
            heard: None,
            words: [None; 2],
            moments: [Vec::new(), Vec::new()],
        });
        Ok(self.ends.len() - 1)
    }

    fn on_said(&mut self, file: usize, event: &Event, said: &Said) -> Result<(), TooMany> {
        let index = self.end(file, event, said.conn)?;
        let end = &mut self.ends[index];
        end.with = end.with.or(said.with);
        let most = if said.way == Way::Out { &mut end.sent } else { &mut end.heard };
        *most = Some(most.map_or(said.seq, |most| most.max(said.seq)));
        let side = usize::from(said.way == Way::In);
        if said.seq == 0 {
            end.words[side] = Some(said.word);
        }
        if end.moments[side].len() < MOST_MOMENTS_EACH && self.moments < MOST_MOMENTS {
            end.moments[side].push((said.seq, event.t));
            self.moments += 1;
        }
        Ok(())
    }

    /// All files are read: who is who.
    pub fn finish(self, names: &Names) -> Cast {
        let Self { files, traced, starts, mut ends, by_conn, trackers, .. } = self;
        let others = others(&ends);
        let mut nodes: HashMap<Name, Name> = HashMap::new(); // what a line calls it -> the node
        for &(node, _, listen) in &starts {
            listen.into_iter().for_each(|listen| _ = nodes.insert(listen, node));
        }
        traced.iter().for_each(|&node| _ = nodes.insert(node, node));
        let ids: HashMap<Name, Name> =
            starts.iter().filter_map(|&(node, id, _)| Some((id?, node))).collect();
        let mut peers = Vec::with_capacity(ends.len());
        for (end, other) in ends.iter().zip(&others) {
            let id = end.open.as_ref().and_then(|open| open.id);
            let known = other.map(|other| ends[other].node);
            let known = known.or_else(|| ids.get(&id?).copied());
            let peer = known.or_else(|| nodes.get(&end.with?).copied()).or(end.with);
            if let (Some(with), Some(peer)) = (end.with, peer) {
                nodes.entry(with).or_insert(peer);
            }
            peers.push(peer);
        }
        for with in trackers {
            nodes.entry(with).or_insert(with);
        }
        let offsets = offsets(&files, &ends, &others);
        ends.iter_mut().for_each(|end| end.moments = [Vec::new(), Vec::new()]);
        let ids = starts.iter().filter_map(|&(node, id, _)| Some((node, id?)));
        let listens = starts.iter().filter_map(|&(node, _, listen)| Some((node, listen?)));
        Cast {
            everybody: in_order(nodes.values().copied().collect(), names),
            traced,
            ids: ids.collect(),
            listens: listens.collect(),
            nodes,
            ends,
            others,
            peers,
            by_conn,
            offsets,
        }
    }
}

/// For each end, the other one.
fn others(ends: &[End]) -> Vec<Option<usize>> {
    type Sockets = (SocketAddr, SocketAddr);
    let sockets = |end: &End| end.open.as_ref().and_then(|open| open.ends);
    let mut waiting: HashMap<Sockets, VecDeque<usize>> = HashMap::new();
    let mut worlds: HashMap<(usize, u64), usize> = HashMap::new();
    let mut others = vec![None; ends.len()];
    let mut join = |one: usize, two: usize| {
        others[one] = Some(two);
        others[two] = Some(one);
    };
    for (index, end) in ends.iter().enumerate() {
        // In a world both ends have the number, and each calls the other by its name.
        let numbered = worlds.get(&(end.file, end.conn)).copied();
        let is_other = |other: &usize| {
            let other = &ends[*other];
            other.node != end.node && other.with == Some(end.node) && end.with == Some(other.node)
        };
        if let Some(other) = numbered.filter(is_other) {
            join(index, other);
            continue;
        }
        worlds.entry((end.file, end.conn)).or_insert(index);
        let Some((here, there)) = sockets(end) else { continue };
        let found = waiting.get_mut(&(there, here)).and_then(|queue| {
            let at = queue.iter().position(|&other| ends[other].file != end.file)?;
            queue.remove(at)
        });
        match found {
            Some(other) => join(index, other),
            None => waiting.entry((here, there)).or_default().push_back(index),
        }
    }
    others
}

/// How much is added to the times of each file so that all have one clock; none if nothing ties it
/// to the others.
fn offsets(files: &[File], ends: &[End], others: &[Option<usize>]) -> Vec<Option<Duration>> {
    let mut quickest: BTreeMap<(usize, usize), i64> = BTreeMap::new();
    for (end, other) in ends.iter().zip(others) {
        let Some(other) = other.map(|other| &ends[other]) else { continue };
        if end.file == other.file {
            continue;
        }
        // What this end sent, and when the other heard it; both lists go by numbers.
        let mut heard = other.moments[1].iter().peekable();
        for &(seq, sent) in &end.moments[0] {
            while heard.next_if(|&&(number, _)| number < seq).is_some() {}
            if let Some(&&(_, at)) = heard.peek().filter(|(number, _)| *number == seq) {
                let took = micros(at) - micros(sent);
                let entry = quickest.entry((end.file, other.file)).or_insert(took);
                *entry = took.min(*entry);
            }
        }
    }
    // How much later the clock of `b` shows.
    let ahead = |a: usize, b: usize| match (quickest.get(&(a, b)), quickest.get(&(b, a))) {
        (Some(there), Some(back)) => Some((there - back) / 2),
        (Some(there), None) => Some(*there),
        (None, Some(back)) => Some(-back),
        (None, None) => None,
    };
    let mut offsets: Vec<Option<i64>> = vec![None; files.len()];
    let Some(first) = (0..files.len()).rev().max_by_key(|&file| files[file].events) else {
        return Vec::new();
    };
    offsets[first] = Some(0);
    let mut queue = VecDeque::from([first]);
    while let Some(at) = queue.pop_front() {
        for file in 0..files.len() {
            if let (None, Some(known), Some(later)) = (offsets[file], offsets[at], ahead(at, file))
            {
                offsets[file] = Some(known - later);
                queue.push_back(file);
            }
        }
    }
    let least = offsets.iter().flatten().min().copied().unwrap_or_default();
    let from_least = |offset: i64| Duration::from_micros((offset - least).unsigned_abs());
    offsets.into_iter().map(|offset| offset.map(from_least)).collect()
}

fn micros(time: Duration) -> i64 {
    time.as_micros() as i64
}

/// Names in the order in which people count: `10.0.0.2` before `10.0.0.10`.
fn in_order(names: BTreeSet<Name>, texts: &Names) -> Vec<Name> {
    let mut list: Vec<Name> = names.into_iter().collect();
    list.sort_by_cached_key(|&name| {
        let text = texts.text(name);
        let numbers = text.split(|c: char| !c.is_ascii_digit());
        let numbers: Vec<u64> = numbers.filter_map(|part| part.parse().ok()).collect();
        let is_address = text.parse::<SocketAddr>().is_ok();
        (!is_address, if is_address { numbers } else { Vec::new() }, text.to_owned())
    });
    list
}

/// Who is who, and what time it is there.
#[derive(Debug)]
pub struct Cast {
    /// All nodes: those that tell something, and those that are told of.
    pub everybody: Vec<Name>,
    /// Those that tell something.
    pub traced: BTreeSet<Name>,
    /// What nodes call themselves.
    pub ids: BTreeMap<Name, Name>,
    /// Where nodes listen.
    pub listens: BTreeMap<Name, Name>,
    /// All ends of connections.
    pub ends: Vec<End>,
    /// For each end the other one, if its node is traced, too.
    pub others: Vec<Option<usize>>,
    /// For each end the node at the other one.
    pub peers: Vec<Option<Name>>,
    /// How much is added to the times of each file; none if nothing ties its clock to the others.
    pub offsets: Vec<Option<Duration>>,
    nodes: HashMap<Name, Name>,
    by_conn: HashMap<(usize, Name, u64), usize>,
}

impl Cast {
    /// The end of a connection: of this number, at this node, in this file.
    pub fn end(&self, file: usize, node: Name, conn: u64) -> Option<usize> {
        self.by_conn.get(&(file, node, conn)).copied()
    }

    /// The node that lines call so.
    pub fn node(&self, name: Name) -> Name {
        self.nodes.get(&name).copied().unwrap_or(name)
    }

    /// The direction of a message: the number of the connection's end that stands for the
    /// connection, and whether it is said by that end's node. The two ends of one connection give
    /// the same.
    pub fn direction(&self, end: usize, way: Way) -> (usize, bool) {
        match self.others[end] {
            Some(other) if other < end => (other, way == Way::In),
            _ => (end, way == Way::Out),
        }
    }

    /// Whether a message is told of by who sent it, so that the line of who heard it tells nothing
    /// new. `end` heard it.
    pub fn is_told_by_sender(&self, end: usize, seq: u64) -> bool {
        let sender = self.others[end].map(|other| &self.ends[other]);
        sender.and_then(|sender| sender.sent).is_some_and(|last| seq <= last)
    }

    /// What is spoken on a connection.
    pub fn dialect(&self, end: usize) -> Dialect {
        let open = |end: usize| self.ends[end].open.as_ref().map(|open| open.dialect);
        let other = || self.others[end].and_then(open);
        open(end).or_else(other).unwrap_or(Dialect::Native)
    }
}
