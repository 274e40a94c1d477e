//! What trackers of a hierarchy ask each other: QUERY and ANSWER, in the words of DNS (RFC 1034).
//!
//! The body of a QUERY is padding: whoever has not proved its address is never answered by more
//! bytes than it sent, so a question as long as its answer needs no cookie first. The body of an
//! ANSWER is what was asked for ([`Records`]): peers as in a PEER_LIST, or contents as in a
//! LISTING.

use super::{
    Bin, Candidate, Endpoint, Malformed, Packet, PeerEntry, put_candidate, put_peer,
    read_candidates, read_peers,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How long a peer's question is at least: the answer to it holds some forty peers.
pub const QUERY_LENGTH: usize = 512;

/// How many trackers may still pass a question on.
pub const HOPS: u8 = 8;

/// Asks a tracker of a hierarchy (UDP and TCP). The body is padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Drawn anew for each question; the answer repeats it.
    pub id: u64,
    /// What is asked for.
    pub op: Op,
    /// Of which content: its v2 info-hash in hexadecimal digits, or a name.
    pub key: String,
    /// Recursion desired: the tracker is to find the answer, not the next tracker.
    pub rd: bool,
    /// How many trackers may still pass the question on.
    pub hops: u8,
    /// How many peers are wanted at most.
    pub max: u16,
    /// The first asker's number, if this is passed on for somebody: who meets its own in flight
    /// has found a loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<u64>,
    /// From COOKIE: the answer may then be longer than the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Bin<8>>,
}

impl Query {
    /// The question as a datagram of at least `length` bytes.
    pub fn datagram(self, length: usize) -> Vec<u8> {
        let mut out = Packet::bare(self).datagram();
        out.resize(out.len().max(length), 0);
        out
    }
}

/// Answers QUERY (UDP and TCP). The body is [`Records`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question's.
    pub id: u64,
    /// The question's.
    pub op: Op,
    /// How it went.
    pub rcode: Rcode,
    /// Authoritative: from the tracker whose swarm it is, not from a cache.
    pub aa: bool,
    /// Recursion available: this tracker resolves for others.
    pub ra: bool,
    /// Truncated: ask again by TCP for the rest.
    pub tc: bool,
    /// How long the answer holds, in milliseconds.
    pub ttl_ms: u32,
    /// Whom to ask: a referral's next trackers, or those who have authority for the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ns: Vec<NameServer>,
    /// Whom the answerer had to ask, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Endpoint>,
}

/// A tracker with authority for a zone, and its address: the record and its glue in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameServer {
    /// The zone: hexadecimal digits that info-hashes begin with, or the end of names.
    pub zone: String,
    /// Where.
    pub addr: Endpoint,
    /// How long that holds, in milliseconds.
    pub ttl_ms: u32,
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// Any other, from a newer tracker.
            Other(u8),
        }

        impl $name {
            /// All that have a name.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }

        impl From<u8> for $name {
            fn from(number: u8) -> Self {
                match number { $($number => Self::$variant,)* other => Self::Other(other) }
            }
        }

        impl From<$name> for u8 {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => $number,)* $name::Other(other) => other }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($word),)*
                    Self::Other(number) => number.fmt(f),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8((*self).into())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                u8::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

numbered! {
    /// What is asked for.
    Op {
        /// 1: who shares a content.
        Peers = 1, "PEERS";
        /// 2: name, size and pieces of a content; they never change.
        Meta = 2, "META";
        /// 3: which contents bear a name.
        Name = 3, "NAME";
        /// 4: where a content is announced; only its authority says "here".
        Announce = 4, "ANNOUNCE";
        /// 5: whether anybody is there.
        Ping = 5, "PING";
    }
}

numbered! {
    /// How a question went; the numbers are those of DNS (RFC 1035, 4.1.1) where it has them.
    Rcode {
        /// 0: here is the answer, or the next tracker.
        NoError = 0, "NOERROR";
        /// 1: the question makes no sense.
        FormErr = 1, "FORMERR";
        /// 2: nobody who should know has answered.
        ServFail = 2, "SERVFAIL";
        /// 3: there is no such content; in DNS NXDOMAIN.
        NxSwarm = 3, "NXSWARM";
        /// 5: not asked of the right tracker.
        Refused = 5, "REFUSED";
        /// 16: the question came round again.
        Loop = 16, "LOOP";
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Records {
    /// Nothing.
    #[default]
    None,
    /// Who shares it.
    Peers(Vec<PeerEntry>),
    /// Which contents.
    Contents(Vec<Candidate>),
}

impl Records {
    /// Reads a whole body.
    pub fn read(op: Op, body: &[u8]) -> Result<Self, Malformed> {
        Ok(match op {
            Op::Peers if !body.is_empty() => Self::Peers(read_peers(body)?),
            Op::Meta | Op::Name if !body.is_empty() => Self::Contents(read_candidates(body)?),
            _ => Self::None,
        })
    }

    /// Appends as many as fit `room` bytes; false if that is not all of them.
    pub fn put(&self, out: &mut Vec<u8>, room: usize) -> bool {
        let end = out.len() + room;
        match self {
            Self::None => true,
            Self::Peers(peers) => put_fitting(out, end, peers, put_peer),
            Self::Contents(contents) => put_fitting(out, end, contents, put_candidate),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Peers(peers) => peers.len(),
            Self::Contents(contents) => contents.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn put_fitting<T>(
    out: &mut Vec<u8>,
    end: usize,
    records: &[T],
    put: impl Fn(&mut Vec<u8>, &T),
) -> bool {
    for record in records {
        let before = out.len();
        put(out, record);
        if out.len() > end {
            out.truncate(before);
            return false;
        }
    }
    true
}

/// Appends an answer and its records in at most `form`'s room: first the path is left out, then
/// name servers, then records; `tc` says that some were. Returns the answer as it was put.
pub fn put_answer(mut answer: Answer, records: &Records, form: Form, out: &mut Vec<u8>) -> Answer {
    let room = form.room();
    if head_length(&answer, form) > room {
        answer.path.clear();
    }
    while head_length(&answer, form) > room && answer.ns.pop().is_some() {
        answer.tc = true;
    }
    let mut body = Vec::new();
    let left = room.saturating_sub(head_length(&answer, form));
    answer.tc |= !records.put(&mut body, left);
    let packet = Packet::new(answer.clone(), &body);
    match form {
        // A question shorter than the shortest answer is met with silence.
        Form::Datagram(_) if head_length(&answer, form) > room => {}
        Form::Datagram(_) => packet.put_datagram(out),
        Form::Frame => packet.put_frame(out),
    }
    answer
}

fn head_length(answer: &Answer, form: Form) -> usize {
    let mut head = Vec::with_capacity(256);
    match form {
        Form::Datagram(_) => Packet::bare(answer.clone()).put_datagram(&mut head),
        Form::Frame => Packet::bare(answer.clone()).put_frame(&mut head),
    }
    head.len()
}

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In a datagram of so many bytes at most.
    Datagram(usize),
    /// In a frame.
    Frame,
}

impl Form {
    fn room(self) -> usize {
        match self {
            Self::Datagram(room) => room.min(super::frame::MAX_DATAGRAM),
            Self::Frame => super::MAX_BODY,
        }
    }
}
