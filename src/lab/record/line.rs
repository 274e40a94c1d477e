//! One line as JSON: the fields that are used, and how they become an [`Event`].

use super::{
    Datagram, Decided, Event, Name, Names, Numbers, Open, Said, Verb, Way, What, Why, Wrong,
};
use crate::protocol::Dialect;
use crate::trace::Kind;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// No trace lasts longer: thirty years.
const MOST_SECS: f64 = 1e9;

type Text<'a> = Option<Cow<'a, str>>;

/// All fields of all events that are used.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    t: f64,
    #[serde(borrow)]
    n: Cow<'a, str>,
    #[serde(borrow)]
    ev: Cow<'a, str>,
    conn: Option<u64>,
    #[serde(borrow)]
    to: Text<'a>,
    #[serde(borrow)]
    from: Text<'a>,
    #[serde(borrow)]
    msg: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    seq: Option<u64>,
    piece: Option<u32>,
    off: Option<u32>,
    len: Option<u64>,
    first: Option<u32>,
    base: Option<u32>,
    index: Option<u32>,
    count: Option<u32>,
    added: Option<u32>,
    /// A list of a choker's round, a number of a UT_PEX.
    dropped: Option<Value>,
    number: Option<u64>,
    code: Option<u32>,
    #[serde(borrow)]
    says: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    listen: Text<'a>,
    #[serde(borrow)]
    dialect: Text<'a>,
    dialled: Option<bool>,
    #[serde(borrow)]
    here: Text<'a>,
    #[serde(borrow)]
    there: Text<'a>,
    #[serde(borrow)]
    torrent: Text<'a>,
    ok: Option<bool>,
    why: Option<BTreeMap<String, Value>>,
    set: Option<Vec<Slot<'a>>>,
    #[serde(borrow)]
    op: Text<'a>,
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    rcode: Text<'a>,
    rd: Option<bool>,
    aa: Option<bool>,
    ra: Option<bool>,
    tc: Option<bool>,
    hops: Option<u8>,
    ttl_ms: Option<u32>,
    ns: Option<Vec<Zone<'a>>>,
}

/// An upload slot of a choker's round.
#[derive(Debug, Deserialize)]
struct Slot<'a> {
    conn: u64,
    #[serde(borrow)]
    to: Text<'a>,
    why: Option<BTreeMap<String, Value>>,
}

/// A zone of a referral.
#[derive(Debug, Deserialize)]
struct Zone<'a> {
    #[serde(borrow)]
    zone: Cow<'a, str>,
    addr: SocketAddr,
}

fn name(names: &mut Names, text: &str) -> Result<Name, Wrong> {
    names.name(text).ok_or(Wrong::TooManyNames)
}

fn maybe(names: &mut Names, text: Option<&str>) -> Result<Option<Name>, Wrong> {
    text.map(|text| name(names, text)).transpose()
}

impl Line<'_> {
    pub(super) fn event(self, names: &mut Names) -> Result<Option<Event>, Wrong> {
        if !(0.0..MOST_SECS).contains(&self.t) {
            return Err(Wrong::Senseless { field: "t" });
        }
        // Lines have microseconds; what lies below is what the number could not say.
        let t = Duration::from_micros((self.t * 1e6).round() as u64);
        let Some(what) = self.what(names)? else { return Ok(None) };
        Ok(Some(Event { t, node: name(names, &self.n)?, what }))
    }

    fn what(&self, names: &mut Names) -> Result<Option<What>, Wrong> {
        Ok(Some(match &*self.ev {
            "start" => What::Start {
                id: maybe(names, self.id.as_deref())?,
                listen: maybe(names, self.listen.as_deref())?,
            },
            "open" => What::Open(Box::new(self.open(names)?)),
            "close" => {
                let says = name(names, self.says.as_deref().unwrap_or_default())?;
                What::Close { conn: self.conn.ok_or_else(|| self.lacks("conn"))?, says }
            }
            "send" | "recv" if self.conn.is_some() => What::Said(Box::new(self.said(names)?)),
            "send" | "recv" => What::Datagram(Box::new(self.datagram(names)?)),
            ev => match verb(ev) {
                Some(verb) => What::Decided(Box::new(self.decided(verb, names)?)),
                None => return Ok(None),
            },
        }))
    }

    fn lacks(&self, field: &'static str) -> Wrong {
        // It is one of ours, and short.
        Wrong::Missing { ev: self.ev.to_string(), field }
    }

    fn way(&self) -> (Way, Option<&str>) {
        if self.ev == "send" {
            (Way::Out, self.to.as_deref())
        } else {
            (Way::In, self.from.as_deref())
        }
    }

    fn kind(&self) -> Result<Kind, Wrong> {
        match self.kind.as_deref() {
            Some("command") => Ok(Kind::Command),
            Some("data") => Ok(Kind::Data),
            Some("control") => Ok(Kind::Control),
            Some(_) => Err(Wrong::Senseless { field: "kind" }),
            None => Err(self.lacks("kind")),
        }
    }

    /// A length that is a message's.
    fn short_len(&self) -> Result<Option<u32>, Wrong> {
        let wrong = Wrong::Senseless { field: "len" };
        self.len.map(|len| u32::try_from(len).map_err(|_| wrong)).transpose()
    }

    fn open(&self, names: &mut Names) -> Result<Open, Wrong> {
        let end = |text: Option<&str>, field| {
            let read = text.map(str::parse::<SocketAddr>);
            read.transpose().map_err(|_| Wrong::Senseless { field })
        };
        let here = end(self.here.as_deref(), "here")?;
        let there = end(self.there.as_deref(), "there")?;
        Ok(Open {
            conn: self.conn.ok_or_else(|| self.lacks("conn"))?,
            to: name(names, self.to.as_deref().ok_or_else(|| self.lacks("to"))?)?,
            dialect: match self.dialect.as_deref() {
                Some("BitTorrent") => Dialect::BitTorrent,
                Some("native") | None => Dialect::Native,
                Some(_) => return Err(Wrong::Senseless { field: "dialect" }),
            },
            dialled: self.dialled.ok_or_else(|| self.lacks("dialled"))?,
            id: maybe(names, self.id.as_deref())?,
            ends: here.zip(there),
            torrent: maybe(names, self.torrent.as_deref())?,
        })
    }

    fn said(&self, names: &mut Names) -> Result<Said, Wrong> {
        let (way, with) = self.way();
        let dropped = self.dropped.as_ref().and_then(Value::as_u64);
        Ok(Said {
            way,
            conn: self.conn.ok_or_else(|| self.lacks("conn"))?,
            with: maybe(names, with)?,
            seq: self.seq.ok_or_else(|| self.lacks("seq"))?,
            word: name(names, self.msg.as_deref().ok_or_else(|| self.lacks("msg"))?)?,
            kind: self.kind()?,
            numbers: Numbers {
                piece: self.piece,
                off: self.off,
                len: self.short_len()?,
                first: self.first,
                base: self.base,
                index: self.index,
                count: self.count,
                added: self.added,
                dropped: dropped.map(|count| count.min(u32::MAX.into()) as u32),
                code: self.code,
                number: self.number,
            },
            says: maybe(names, self.says.as_deref())?,
        })
    }

    fn datagram(&self, names: &mut Names) -> Result<Datagram, Wrong> {
        let (way, with) = self.way();
        let id = self.id.as_deref().map_or(Ok(0), |id| u64::from_str_radix(id, 16));
        let mut ns = Vec::new();
        for zone in self.ns.iter().flatten() {
            ns.push((name(names, &zone.zone)?, zone.addr));
        }
        Ok(Datagram {
            way,
            with: name(names, with.ok_or_else(|| self.lacks("to or from"))?)?,
            word: name(names, self.msg.as_deref().ok_or_else(|| self.lacks("msg"))?)?,
            kind: self.kind()?,
            len: self.short_len()?.unwrap_or_default(),
            id: id.map_err(|_| Wrong::Senseless { field: "id" })?,
            op: maybe(names, self.op.as_deref())?,
            key: maybe(names, self.key.as_deref())?,
            rcode: maybe(names, self.rcode.as_deref())?,
            flags: [self.rd, self.aa, self.ra, self.tc].map(Option::unwrap_or_default),
            hops: self.hops.unwrap_or_default(),
            ttl_ms: self.ttl_ms.unwrap_or_default(),
            count: self.count.unwrap_or_default(),
            ns,
        })
    }

    fn decided(&self, verb: Verb, names: &mut Names) -> Result<Decided, Wrong> {
        let mut set = Vec::new();
        for slot in self.set.iter().flatten() {
            let why = reason(slot.why.as_ref(), names)?;
            set.push((maybe(names, slot.to.as_deref())?, slot.conn, why));
        }
        let mut dropped = Vec::new();
        for slot in self.dropped.iter().filter_map(Value::as_array).flatten() {
            let conn = slot["conn"].as_u64().ok_or(Wrong::Senseless { field: "dropped" })?;
            dropped.push((maybe(names, slot["to"].as_str())?, conn));
        }
        Ok(Decided {
            verb,
            with: maybe(names, self.to.as_deref())?,
            conn: self.conn,
            torrent: maybe(names, self.torrent.as_deref())?,
            piece: self.piece,
            len: self.len,
            ok: self.ok.unwrap_or_default(),
            why: reason(self.why.as_ref(), names)?,
            set,
            dropped,
        })
    }
}

fn verb(ev: &str) -> Option<Verb> {
    Some(match ev {
        "pick" => Verb::Pick,
        "choke" => Verb::Choke,
        "unchoke" => Verb::Unchoke,
        "show" => Verb::Show,
        "missed" => Verb::Missed,
        "overdue" => Verb::Overdue,
        "verify" => Verb::Verify,
        "ban" => Verb::Ban,
        "part" => Verb::Part,
        "complete" => Verb::Complete,
        _ => return None,
    })
}

fn reason(why: Option<&BTreeMap<String, Value>>, names: &mut Names) -> Result<Why, Wrong> {
    let Some(why) = why else { return Ok(Why::default()) };
    let text = |key| why.get(key).and_then(Value::as_str);
    let mut numbers = Vec::new();
    for (key, value) in why {
        if let Some(number) = value.as_u64() {
            numbers.push((name(names, key)?, number));
        }
    }
    Ok(Why { rule: maybe(names, text("rule"))?, says: maybe(names, text("says"))?, numbers })
}
