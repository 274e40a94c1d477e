//! Traces read back: lines of [`crate::trace`] as [`Event`]s, of several files in one order.
//!
//! ```
//! use swarmlet::lab::record::{Names, What, read};
//!
//! let line = br#"{"t":0.5,"n":"ann","ev":"send","conn":7,"to":"ben","msg":"GET","kind":"command","seq":3,"piece":12,"off":0,"len":16384}"#;
//! let mut names = Names::default();
//! let event = read(line, &mut names).unwrap().expect("an event that is known");
//! let What::Said(said) = event.what else { panic!("{event:?}") };
//! assert_eq!((names.text(said.word), said.numbers.piece), ("GET", Some(12)));
//! ```
//! A trace is read twice: the first time [`cast::Survey`] learns who is who and how far the files'
//! clocks are apart, the second time [`merge::Merge`] gives the events in one order. Only what
//! diagrams and captures need is kept; events and fields that are not known are passed over, and a
//! line that is no event is an error. No file is opened here.

use crate::protocol::Dialect;
use crate::trace::Kind;
use line::Line;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Who is who, and what time it is there.
pub mod cast;

/// One line as JSON.
mod line;

/// Several files in one order.
pub mod merge;

/// The longest line that is read, in bytes; the longest that is written names some hundred peers.
pub const MOST_LINE: usize = 64 * 1024;

/// How many different names a trace may have: nodes, addresses, messages, rules.
const MOST_NAMES: usize = 1 << 20;

/// A name that stands for its text: of a node, of an address, of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

/// Texts that come again and again, each kept once.
#[derive(Debug, Default)]
pub struct Names {
    list: Vec<Rc<str>>,
    names: HashMap<Rc<str>, Name>,
}

impl Names {
    /// The name of a text; none if there are too many.
    pub fn name(&mut self, text: &str) -> Option<Name> {
        if let Some(&name) = self.names.get(text) {
            return Some(name);
        }
        let name =
            Name(u32::try_from(self.list.len()).ok().filter(|_| self.list.len() < MOST_NAMES)?);
        let text: Rc<str> = text.into();
        self.list.push(text.clone());
        self.names.insert(text, name);
        Some(name)
    }

    /// Its name, if it has been met.
    pub fn known(&self, text: &str) -> Option<Name> {
        self.names.get(text).copied()
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        &self.list[name.0 as usize]
    }
}

/// Something that happened at a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, since that node or world began.
    pub t: Duration,
    /// Where.
    pub node: Name,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The node began.
    Start {
        /// What it calls itself.
        id: Option<Name>,
        /// Where it listens.
        listen: Option<Name>,
    },
    /// A connection was made.
    Open(Box<Open>),
    /// A connection ended.
    Close {
        /// Its number at this node.
        conn: u64,
        /// Why, in words.
        says: Name,
    },
    /// Something was said or heard on a connection.
    Said(Box<Said>),
    /// A datagram went from a tracker to another or came from there.
    Datagram(Box<Datagram>),
    /// Something was decided or found out.
    Decided(Box<Decided>),
}

/// A connection that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// Its number at this node.
    pub conn: u64,
    /// Where the peer listens, or where it called from.
    pub to: Name,
    /// What is spoken.
    pub dialect: Dialect,
    /// Whether this node dialled.
    pub dialled: bool,
    /// What the peer calls itself.
    pub id: Option<Name>,
    /// The socket's ends, ours first.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// The first four bytes of the info-hash, in hexadecimal digits.
    pub torrent: Option<Name>,
}

/// Which way something went, seen from the node that tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// From it.
    Out,
    /// To it.
    In,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Which way.
    pub way: Way,
    /// The connection's number at this node.
    pub conn: u64,
    /// The peer's address.
    pub with: Option<Name>,
    /// How many messages went this way before it.
    pub seq: u64,
    /// Its name: `GET`.
    pub word: Name,
    /// Its class.
    pub kind: Kind,
    /// What it says, as far as that is numbers.
    pub numbers: Numbers,
    /// What it says in words: of an ERROR, or the program's name.
    pub says: Option<Name>,
}

/// The numbers of a message, by their names in a trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are the fields of a trace, which ARCHITECTURE.md describes")]
pub struct Numbers {
    pub piece: Option<u32>,
    pub off: Option<u32>,
    pub len: Option<u32>,
    pub first: Option<u32>,
    pub base: Option<u32>,
    pub index: Option<u32>,
    pub count: Option<u32>,
    pub added: Option<u32>,
    pub dropped: Option<u32>,
    pub code: Option<u32>,
    pub number: Option<u64>,
}

/// A message between trackers of a hierarchy.
#[derive(Debug, Clone, PartialEq)]
pub struct Datagram {
    /// Which way.
    pub way: Way,
    /// The other tracker, or whoever asked.
    pub with: Name,
    /// `QUERY`, `ANSWER` or `SYNC`.
    pub word: Name,
    /// Its class.
    pub kind: Kind,
    /// Its length in bytes.
    pub len: u32,
    /// The question's number.
    pub id: u64,
    /// What is asked for: `PEERS`.
    pub op: Option<Name>,
    /// Of which content or name.
    pub key: Option<Name>,
    /// How it went: `NOERROR`.
    pub rcode: Option<Name>,
    /// Recursion desired; authoritative; recursion available; truncated.
    pub flags: [bool; 4],
    /// How many trackers may still pass it on.
    pub hops: u8,
    /// How long the answer holds.
    pub ttl_ms: u32,
    /// How many records it brings, or swarms it names.
    pub count: u32,
    /// Zones, and where their trackers are.
    pub ns: Vec<(Name, SocketAddr)>,
}

/// What was decided or found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Which span is asked for next.
    Pick,
    /// Who has the upload slots.
    Choke,
    /// Who gets a free slot.
    Unchoke,
    /// Which piece a lonely seeder shows.
    Show,
    /// A deadline passed.
    Missed,
    /// A peer is slower than was thought.
    Overdue,
    /// A piece was hashed.
    Verify,
    /// An address is never called again.
    Ban,
    /// A connection is ended in good order.
    Part,
    /// All is there.
    Complete,
}

/// A decision, with its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// What kind of.
    pub verb: Verb,
    /// Whom it is about.
    pub with: Option<Name>,
    /// The connection that it is about.
    pub conn: Option<u64>,
    /// The torrent that it is about.
    pub torrent: Option<Name>,
    /// The piece that it is about.
    pub piece: Option<u32>,
    /// So many bytes.
    pub len: Option<u64>,
    /// Whether a piece is right.
    pub ok: bool,
    /// Why.
    pub why: Why,
    /// Who is served from now on, and why.
    pub set: Vec<(Option<Name>, u64, Why)>,
    /// Who is not any more.
    pub dropped: Vec<(Option<Name>, u64)>,
}

/// A reason: a rule, and the numbers that it went by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Why {
    /// The rule's name, if there is a reason.
    pub rule: Option<Name>,
    /// A strategy's own words.
    pub says: Option<Name>,
    /// The numbers, by name.
    pub numbers: Vec<(Name, u64)>,
}

impl Why {
    /// A number of it.
    pub fn number(&self, names: &Names, key: &str) -> Option<u64> {
        let key = names.known(key)?;
        self.numbers.iter().find(|(name, _)| *name == key).map(|&(_, number)| number)
    }
}

/// Why a line is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is not JSON, or a field has another type than it should have.
    #[error("{0}")]
    Json(String),
    /// A field that the event must have is missing.
    #[error("{ev} without {field}")]
    Missing {
        /// The event.
        ev: String,
        /// The field.
        field: &'static str,
    },
    /// A field is out of its range.
    #[error("{field} makes no sense")]
    Senseless {
        /// The field.
        field: &'static str,
    },
    /// The line is longer than any that is written.
    #[error("longer than {MOST_LINE} bytes")]
    TooLong,
    /// More different names than a trace may have.
    #[error("more than {MOST_NAMES} different names")]
    TooManyNames,
}

/// Reads one line, without its line feed. `Ok(None)` is an event that we do not know or have no use
/// for.
pub fn read(line: &[u8], names: &mut Names) -> Result<Option<Event>, Wrong> {
    if line.len() > MOST_LINE {
        return Err(Wrong::TooLong);
    }
    let read: Line = serde_json::from_slice(line).map_err(|why| {
        // Where in the line is worth more than that it is line 1.
        let text = why.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        Wrong::Json(format!("{what} at column {}", why.column()))
    })?;
    read.event(names)
}

#[cfg(test)]
pub(crate) use tests::{ANN, BEN, in_order};

#[cfg(test)]
mod tests;
