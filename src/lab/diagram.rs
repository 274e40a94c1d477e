//! Sequence diagrams of a trace: who said what to whom, how long it took, and why.
//!
//! ```text
//!  events --> Gather --> Talk --fold--> Diagram --> mermaid::text   for pages, at most 150 arrows
//!                                               '-> svg::text       lifelines, arrows by true delay
//! ```
//! A [`Gather`] is given every event of some traces in order of time and keeps what lies in the
//! window that was asked for; [`fold`] makes runs of the same message one arrow. What is left out is
//! counted and said. Nothing is read or written here.

use super::record::cast::Cast;
use super::record::merge::Timed;
use super::record::{Datagram, Decided, Name, Names, Said, Way, What};
use crate::trace::Kind;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Runs of the same message become one arrow.
pub mod fold;

/// A diagram as Mermaid's text.
pub mod mermaid;

/// A diagram as a picture.
pub mod svg;

/// Where everything stands in the picture.
mod layout;

/// Numbers for people.
mod units;

/// Reasons as sentences.
mod why;

pub use fold::{Arrow, Diagram, Lane, Note};

/// Messages that are kept; a window with more of them is an error.
pub const MOST_MESSAGES: usize = 1_000_000;

/// Decisions that are kept, likewise.
pub const MOST_NOTES: usize = 200_000;

/// What part of a trace is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Only what these say to each other; of one alone, what it says and hears. Empty is everybody.
    pub peers: Vec<Name>,
    /// From then on.
    pub from: Option<Duration>,
    /// Until then.
    pub to: Option<Duration>,
    /// Only these messages, in capitals. Empty is all, and decisions.
    pub words: Vec<String>,
}

/// More than a diagram can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// More messages than are kept.
    #[error(
        "more than {MOST_MESSAGES} messages are in it: choose fewer with --peers, --from, --to or \
         --types"
    )]
    Messages,
    /// More decisions than are kept.
    #[error(
        "more than {MOST_NOTES} decisions are in it: choose fewer with --peers, --from or --to"
    )]
    Notes,
    /// More peers than a picture has columns for.
    #[error("{lanes} peers are more than a picture shows ({most}): choose some with --peers")]
    Lanes {
        /// So many.
        lanes: usize,
        /// At most.
        most: usize,
    },
    /// More arrows than a picture has room for.
    #[error(
        "{arrows} arrows are more than a picture shows ({most}): choose fewer with --peers, --from, \
         --to or --types"
    )]
    Arrows {
        /// So many.
        arrows: usize,
        /// At most.
        most: usize,
    },
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    pub sent: Option<Duration>,
    pub heard: Option<Duration>,
    pub from: Name,
    pub to: Name,
    pub word: Name,
    pub kind: Kind,
    /// Bytes of content.
    pub bytes: u64,
    /// What it says beyond its name.
    pub label: String,
    /// Whether the other end would have told if it had arrived.
    pub is_watched: bool,
}

impl Message {
    /// When it is first seen.
    pub fn at(&self) -> Duration {
        self.sent.or(self.heard).unwrap_or_default()
    }
}

/// Something that was decided or found out.
#[derive(Debug, Clone, PartialEq)]
struct Thought {
    pub t: Duration,
    pub node: Name,
    pub what: Decided,
}

/// Collects what lies in a window.
pub struct Gather<'a> {
    cast: &'a Cast,
    window: Window,
    messages: Vec<Message>,
    thoughts: Vec<Thought>,
    /// Messages whose arrival is awaited: by direction and number.
    flying: HashMap<(usize, bool, u64), usize>,
    /// The same of datagrams: by both ends, what is said, and the question's number.
    datagrams: HashMap<(Name, Name, Name, u64), usize>,
    /// What nodes had when they first said it.
    had: BTreeMap<Name, &'static str>,
}

/// What was collected.
#[derive(Debug, Default)]
pub struct Talk {
    messages: Vec<Message>,
    thoughts: Vec<Thought>,
    had: BTreeMap<Name, &'static str>,
}

impl Talk {
    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.thoughts.is_empty()
    }
}

impl<'a> Gather<'a> {
    /// Of a window.
    pub fn new(cast: &'a Cast, window: Window) -> Self {
        Self {
            cast,
            window,
            messages: Vec::new(),
            thoughts: Vec::new(),
            flying: HashMap::new(),
            datagrams: HashMap::new(),
            had: BTreeMap::new(),
        }
    }

    /// The next event in the order of time.
    pub fn on_event(&mut self, timed: &Timed, names: &Names) -> Result<(), TooMuch> {
        match &timed.event.what {
            What::Said(said) => self.on_said(timed, said, names),
            What::Datagram(datagram) => self.on_datagram(timed, datagram, names),
            What::Decided(decided) => self.on_decided(timed, decided),
            _ => Ok(()),
        }
    }

    /// All events were given.
    pub fn finish(self) -> Talk {
        Talk { messages: self.messages, thoughts: self.thoughts, had: self.had }
    }

    fn is_in_time(&self, t: Duration) -> bool {
        self.window.from.is_none_or(|from| t >= from) && self.window.to.is_none_or(|to| t <= to)
    }

    fn is_wanted(&self, from: Name, to: Name, word: &str) -> bool {
        let peers = &self.window.peers;
        let has = |name: &Name| peers.contains(name);
        let of_peers = match peers.len() {
            0 => true,
            1 => has(&from) || has(&to),
            _ => has(&from) && has(&to),
        };
        of_peers && (self.window.words.is_empty() || self.window.words.iter().any(|w| w == word))
    }

    fn on_said(&mut self, timed: &Timed, said: &Said, names: &Names) -> Result<(), TooMuch> {
        let Some(end) = self.cast.end(timed.file, timed.event.node, said.conn) else {
            return Ok(());
        };
        let peer = self.cast.peers[end].unwrap_or(timed.event.node);
        let (from, to) = match said.way {
            Way::Out => (timed.event.node, peer),
            Way::In => (peer, timed.event.node),
        };
        let word = names.text(said.word);
        match word {
            "HAVE_ALL" => _ = self.had.entry(from).or_insert("had everything"),
            "HAVE_NONE" => _ = self.had.entry(from).or_insert("had nothing"),
            "BITFIELD" => _ = self.had.entry(from).or_insert("had a part"),
            _ => {}
        }
        let (line, forth) = self.cast.direction(end, said.way);
        let key = (line, forth, said.seq);
        if said.way == Way::In {
            if let Some(index) = self.flying.remove(&key) {
                self.messages[index].heard = Some(timed.t);
                return Ok(());
            }
            if self.cast.is_told_by_sender(end, said.seq) {
                return Ok(()); // it was sent outside the window, or is not wanted
            }
        }
        if !self.is_in_time(timed.t) || !self.is_wanted(from, to, word) {
            return Ok(());
        }
        if self.messages.len() == MOST_MESSAGES {
            return Err(TooMuch::Messages);
        }
        let bytes = said.numbers.len.filter(|_| said.kind == Kind::Data).unwrap_or_default();
        let mut message = Message {
            sent: None,
            heard: None,
            from,
            to,
            word: said.word,
            kind: said.kind,
            bytes: bytes.into(),
            label: why::of_message(said, names),
            is_watched: false,
        };
        match said.way {
            Way::Out => {
                message.sent = Some(timed.t);
                message.is_watched = self.cast.others[end].is_some();
                if message.is_watched {
                    self.flying.insert(key, self.messages.len());
                }
            }
            Way::In => message.heard = Some(timed.t),
        }
        self.messages.push(message);
        Ok(())
    }

    fn on_datagram(
        &mut self,
        timed: &Timed,
        said: &Datagram,
        names: &Names,
    ) -> Result<(), TooMuch> {
        let other = self.cast.node(said.with);
        let (from, to) = match said.way {
            Way::Out => (timed.event.node, other),
            Way::In => (other, timed.event.node),
        };
        let key = (from, to, said.word, said.id);
        if said.way == Way::In
            && let Some(index) = self.datagrams.remove(&key)
        {
            self.messages[index].heard = Some(timed.t);
            return Ok(());
        }
        if !self.is_in_time(timed.t) || !self.is_wanted(from, to, names.text(said.word)) {
            return Ok(());
        }
        if self.messages.len() == MOST_MESSAGES {
            return Err(TooMuch::Messages);
        }
        let is_watched = said.way == Way::Out && self.cast.traced.contains(&other);
        if is_watched {
            self.datagrams.insert(key, self.messages.len());
        }
        let at = |way| (said.way == way).then_some(timed.t);
        self.messages.push(Message {
            sent: at(Way::Out),
            heard: at(Way::In),
            from,
            to,
            word: said.word,
            kind: said.kind,
            bytes: 0,
            label: why::of_datagram(said, names),
            is_watched,
        });
        Ok(())
    }

    fn on_decided(&mut self, timed: &Timed, decided: &Decided) -> Result<(), TooMuch> {
        let node = timed.event.node;
        let is_of_peer = self.window.peers.is_empty() || self.window.peers.contains(&node);
        if !self.is_in_time(timed.t) || !is_of_peer || !self.window.words.is_empty() {
            return Ok(());
        }
        // Between two peers nobody wants to read what one of them decides about a third.
        let with = decided.with.map(|with| self.cast.node(with));
        let is_about = with.is_none_or(|with| self.window.peers.contains(&with));
        if self.window.peers.len() > 1 && !is_about {
            return Ok(());
        }
        if self.thoughts.len() == MOST_NOTES {
            return Err(TooMuch::Notes);
        }
        self.thoughts.push(Thought { t: timed.t, node, what: decided.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
