//! What happened and why, as JSON lines: [`Event`] to text.
//!
//! Nodes (`peer --trace FILE`) and simulated worlds write the same lines, so that what is made of
//! them (diagrams, captures, replay) need not ask where they come from. An event is a value, its
//! line is appended to a buffer, and nothing here reads a clock or writes a file. ARCHITECTURE.md
//! has the table of events and their fields.
//!
//! ```
//! use swarmlet::clock::Moment;
//! use swarmlet::ids::{PieceIndex, Span};
//! use swarmlet::logic::PeerKey;
//! use swarmlet::protocol::{Dialect, message::Message};
//! use swarmlet::trace::{Event, Link, Said, write};
//!
//! let link = Link { conn: PeerKey(7), peer: ([127, 0, 0, 1], 6882).into(), dialect: Dialect::Native };
//! let get = Message::Get(Span { piece: PieceIndex(12), offset: 0, length: 16384 });
//! let mut out = String::new();
//! let event = Event::Send { link, seq: 31, said: Said::Message(&get) };
//! write(&mut out, Moment::START, "ann", &event);
//! assert_eq!(
//!     out,
//!     r#"{"t":0.000000,"n":"ann","ev":"send","conn":7,"to":"127.0.0.1:6882","msg":"GET","#.to_owned()
//!         + r#""kind":"command","seq":31,"piece":12,"off":0,"len":16384}"# + "\n"
//! );
//! ```

/// What trackers of a hierarchy say to each other.
pub mod hierarchy;

/// One line of JSON.
pub mod line;

/// Reasons.
mod why;

/// What is said.
pub mod words;

pub use words::{Kind, Said};

use crate::clock::Moment;
use crate::ids::{InfoHashV1, PeerId};
use crate::logic::PeerKey;
use crate::logic::dialer::Dial;
use crate::logic::neighbours;
use crate::logic::swarm::{Action, Decision};
use crate::protocol::Dialect;
use line::Line;
use std::net::SocketAddr;

/// Which connection, and who is at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its number at this node.
    pub conn: PeerKey,
    /// Where the peer listens; else where it called from.
    pub peer: SocketAddr,
    /// What is spoken.
    pub dialect: Dialect,
}

/// Where the peers of a torrent are, as far as they are connected.
pub type Whereabouts<'a> = &'a dyn Fn(PeerKey) -> Option<SocketAddr>;

/// Something that happened at a node.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// It began.
    Start {
        /// What it calls itself.
        id: Option<PeerId>,
        /// Where it listens.
        listen: SocketAddr,
    },
    /// An address is called.
    Dial {
        /// About this torrent.
        torrent: InfoHashV1,
        /// Where, how and why.
        dial: Dial,
    },
    /// No connection came of a call.
    Refused {
        /// Whom it went to.
        peer: SocketAddr,
        /// In words.
        why: &'a str,
    },
    /// A connection was made.
    Open {
        /// Which.
        link: Link,
        /// Whether this node dialled.
        dialled: bool,
        /// What the peer calls itself.
        id: Option<PeerId>,
        /// The socket's ends, ours first: by these the two traces of a connection find each other.
        ends: Option<(SocketAddr, SocketAddr)>,
        /// About this torrent.
        torrent: Option<InfoHashV1>,
    },
    /// A connection ended.
    Close {
        /// Which.
        link: Link,
        /// In words.
        why: &'a str,
    },
    /// Something is said.
    Send {
        /// On this connection.
        link: Link,
        /// How many messages went before it; the first words are number 0.
        seq: u64,
        /// What.
        said: Said<'a>,
    },
    /// Something was heard.
    Recv {
        /// On this connection.
        link: Link,
        /// How many messages came before it.
        seq: u64,
        /// What.
        said: Said<'a>,
    },
    /// Lines are missing here: the file was too slow for them.
    Lost {
        /// How many.
        lines: u64,
    },
    /// A neighbour is let go for somebody new.
    LetGo {
        /// Which.
        link: Link,
        /// Why.
        why: neighbours::Why,
    },
    /// A swarm wants something done. Of actions that only say or send something no line is made:
    /// what is said is an event of its own.
    Does {
        /// What.
        action: &'a Action,
        /// Whose swarm.
        torrent: Option<InfoHashV1>,
        /// Where its peers are.
        peers: Whereabouts<'a>,
    },
}

/// Appends the line of an event: at this moment, at this node.
pub fn write(out: &mut String, t: Moment, node: &str, event: &Event) {
    let Some(ev) = event.name() else { return };
    let mut line = Line::begin(out, t, node, ev);
    put(&mut line, event);
    line.end();
}

impl Event<'_> {
    /// What it is called, if it makes a line.
    fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Start { .. } => "start",
            Self::Dial { .. } => "dial",
            Self::Refused { .. } => "refused",
            Self::Open { .. } => "open",
            Self::Close { .. } => "close",
            Self::Send { .. } => "send",
            Self::Recv { .. } => "recv",
            Self::LetGo { .. } => "part",
            Self::Lost { .. } => "lost",
            Self::Does { action, .. } => return name_of(action),
        })
    }
}

fn put(line: &mut Line, event: &Event) {
    match *event {
        Event::Start { id, listen } => {
            put_id(line, id);
            line.shown("listen", listen);
        }
        Event::Dial { torrent, dial } => {
            line.shown("to", dial.address).shown("dialect", dial.dialect);
            line.object("why", |line| why::of_dial(line, dial.why));
            put_torrent(line, Some(torrent));
        }
        Event::Refused { peer, why } => _ = line.shown("to", peer).text("says", why),
        Event::Open { link, dialled, id, ends, torrent } => {
            put_link(line, "to", link);
            line.shown("dialect", link.dialect).truth("dialled", dialled);
            put_id(line, id);
            if let Some((here, there)) = ends {
                line.shown("here", here).shown("there", there);
            }
            put_torrent(line, torrent);
        }
        Event::Close { link, why } => {
            put_link(line, "to", link);
            line.text("says", why);
        }
        Event::Send { link, seq, said } => put_said(line, "to", link, seq, said),
        Event::Recv { link, seq, said } => put_said(line, "from", link, seq, said),
        Event::LetGo { link, why } => {
            put_link(line, "to", link);
            line.object("why", |line| why::of_change(line, why));
        }
        Event::Lost { lines } => _ = line.number("lines", lines),
        Event::Does { action, torrent, peers } => {
            put_action(line, action, peers);
            put_torrent(line, torrent);
        }
    }
}

fn put_id(line: &mut Line, id: Option<PeerId>) {
    if let Some(id) = id {
        line.shown("id", id);
    }
}

/// What an action is called, if it makes a line.
fn name_of(action: &Action) -> Option<&'static str> {
    Some(match action {
        Action::Ban(..) => "ban",
        Action::Complete => "complete",
        Action::Disconnect(..) => "part",
        Action::Decided(decision) => match decision {
            Decision::Pick(..) => "pick",
            Decision::Choke { .. } => "choke",
            Decision::FreeSlot(..) => "unchoke",
            Decision::Show(..) => "show",
            Decision::Missed(..) => "missed",
            Decision::Overdue(..) => "overdue",
            Decision::Verified(_) | Decision::Failed(..) => "verify",
        },
        _ => return None,
    })
}

fn put_action(line: &mut Line, action: &Action, peers: Whereabouts) {
    match action {
        Action::Ban(address, piece) => {
            line.shown("to", address).number("piece", piece.0);
            line.object("why", |line| _ = line.text("rule", "wrong-bytes"));
        }
        Action::Disconnect(peer, parting) => {
            put_peer(line, *peer, peers);
            line.object("why", |line| why::of_parting(line, *parting));
        }
        Action::Decided(decision) => put_decision(line, decision, peers),
        _ => {}
    }
}

fn put_decision(line: &mut Line, decision: &Decision, peers: Whereabouts) {
    match decision {
        Decision::Pick(peer, span, why) => {
            put_peer(line, *peer, peers);
            Said::Chunk(*span).put(line);
            line.object("why", |line| why::of_pick(line, *why));
        }
        Decision::Choke { served, dropped } => {
            line.list("set", served, |line, (peer, why)| {
                put_peer(line, *peer, peers);
                line.object("why", |line| why::of_slot(line, *why));
            });
            line.list("dropped", dropped, |line, peer| put_peer(line, *peer, peers));
        }
        Decision::FreeSlot(peer, why) => {
            put_peer(line, *peer, peers);
            line.object("why", |line| why::of_slot(line, *why));
        }
        Decision::Show(peer, piece, copies) => {
            put_peer(line, *peer, peers);
            line.number("piece", piece.0);
            line.object("why", |line| {
                line.text("rule", "fewest-copies").number("copies", *copies);
            });
        }
        Decision::Missed(peer, bytes) | Decision::Overdue(peer, bytes) => {
            put_peer(line, *peer, peers);
            line.number("len", *bytes);
        }
        Decision::Verified(piece) => _ = line.number("piece", piece.0).truth("ok", true),
        Decision::Failed(piece, verdict) => {
            line.number("piece", piece.0).truth("ok", false);
            line.object("why", |line| why::of_verdict(line, *verdict));
        }
    }
}

fn put_said(line: &mut Line, way: &str, with: Link, seq: u64, said: Said) {
    put_link(line, way, with);
    line.text("msg", said.name(with.dialect)).text("kind", said.kind().name()).number("seq", seq);
    said.put(line);
}

fn put_link(line: &mut Line, way: &str, with: Link) {
    line.number("conn", with.conn.0).shown(way, with.peer);
}

/// A peer that a decision is about; web seeds have no address.
fn put_peer(line: &mut Line, peer: PeerKey, peers: Whereabouts) {
    line.number("conn", peer.0);
    if let Some(address) = peers(peer) {
        line.shown("to", address);
    }
}

/// A torrent by the first four bytes of its hash.
fn put_torrent(line: &mut Line, torrent: Option<InfoHashV1>) {
    if let Some(hash) = torrent {
        let first = u32::from_be_bytes([hash.0[0], hash.0[1], hash.0[2], hash.0[3]]);
        line.shown("torrent", format_args!("{first:08x}"));
    }
}

#[cfg(test)]
mod tests;
