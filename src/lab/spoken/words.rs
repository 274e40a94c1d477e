//! Which messages the native dialect has, and which fields: the tables of PROTOCOL.md as data.

use super::{Half, Value, bytes};
use std::sync::LazyLock;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its name on paper.
    pub name: &'static str,
    /// Its type byte.
    pub kind: u8,
    /// The fields of its header, in order.
    pub fields: Vec<Field>,
    /// Whether it may have a body.
    pub has_body: bool,
}

/// A field of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub form: Form,
    /// What it is if nobody says.
    pub default: Default,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A number from 0 on.
    Number,
    /// Yes or no.
    Flag,
    /// Text.
    Text,
    /// So many bytes; 0 is any number of them.
    Bytes(usize),
    /// Texts in a row.
    Texts,
    /// Maps or bytes in a row, which cannot be typed.
    Rows,
}

/// What a field is if nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It has to be said, unless it is known from what was said before.
    Needed,
    /// It is left out.
    LeftOut,
    /// This, as it would be typed.
    Is(&'static str),
}

/// Each row: type byte, name, fields, and `+` where a body may follow. A field is `name:form`, then
/// `=default` or `?` if it may be left out. Forms: n number, f flag, s text, ss texts, b8 eight bytes,
/// b any bytes, r rows.
const PEER: [(u8, &str, &str); 27] = [
    (0x10, "HELLO", "version:n=1 info_hash:b32 peer_id:b20 port:n=0 features:ss="),
    (0x11, "GET_COUNT", ""),
    (0x12, "GET_METAINFO", "offset:n=0 length:n=131072"),
    (0x13, "GET_HASHES", "root:b32 base:n=0 index:n count:n proof:n?"),
    (0x14, "INTERESTED", ""),
    (0x15, "NOT_INTERESTED", ""),
    (0x16, "GET", "piece:n offset:n=0 length:n=16384"),
    (0x17, "CANCEL", "piece:n offset:n=0 length:n=16384"),
    (0x18, "PEERS", ""),
    (0x19, "PING", "number:n=1"),
    (0x1f, "BYE", ""),
    (0x20, "CHUNK_DATA", "piece:n offset:n=0 length:n +"),
    (0x21, "METAINFO", "offset:n=0 total:n info:n +"),
    (0x22, "HASHES", "root:b32 base:n=0 index:n count:n +"),
    (0x30, "STATE", "state:s=available peer_id:b20"),
    (0x31, "CHUNK_COUNT", "count:n"),
    (0x32, "BITFIELD", "first:n=0 +"),
    (0x33, "HAVE", "piece:n"),
    (0x34, "HAVE_ALL", ""),
    (0x35, "HAVE_NONE", ""),
    (0x36, "CHOKE", ""),
    (0x37, "UNCHOKE", ""),
    (0x38, "REJECT", "piece:n offset:n=0 length:n=16384"),
    (0x39, "ACK", ""),
    (0x3a, "ERROR", "code:n message:s="),
    (0x3b, "PEER_LIST", "+"),
    (0x3c, "PONG", "number:n=1"),
];

/// The same for what a peer and a tracker say.
const TRACKER: [(u8, &str, &str); 24] = [
    (0x10, "HELLO", "seq:n version:n=1 +"),
    (
        0x11,
        "REGISTER",
        "seq:n cookie:b8 info_hash:b32 peer_id:b20 port:n name:s size:n pieces:n left:n=0 \
         uploaded:n=0 downloaded:n=0 bittorrent:f? +",
    ),
    (0x12, "KEEPALIVE", "seq:n cookie:b8 port:n +"),
    (0x13, "REQUEST", "seq:n cookie:b8 info_hash:b32 port:n=0 wanted:n=50 to:b?"),
    (0x14, "BECOME_SEEDER", "seq:n cookie:b8 info_hash:b32 port:n"),
    (0x15, "UNREGISTER", "seq:n cookie:b8 info_hash:b32 peer_id:b20 port:n"),
    (0x16, "GET_COUNT", "seq:n cookie:b8 info_hash:b32"),
    (0x17, "PUBLISH", "info_hash:b32 name:s offset:n=0 total:n +"),
    (0x18, "LOOKUP", "name:s"),
    (0x19, "FETCH", "info_hash:b32"),
    (0x1a, "LIST", "after:b32?"),
    (0x1b, "PEERS", "info_hash:b32 port:n=0 wanted:n=50"),
    (0x1c, "HAVE", "info_hash:b32 peer_id:b20 port:n pieces:n +"),
    (0x1d, "QUERY", "id:n=1 op:n=1 key:s rd:f=true hops:n=8 max:n=50 origin:n? cookie:b8? +"),
    (0x1e, "SYNC", "cookie:b8 +"),
    (0x1f, "LINKS", "cookie:b8 info_hash:b32 port:n +"),
    (0x20, "PEER_LIST", "seq:n info_hash:b32 seeders:n leechers:n more:f +"),
    (0x21, "LISTING", "more:f=false +"),
    (0x22, "TORRENT", "info_hash:b32 offset:n total:n +"),
    (0x23, "ANSWER", "id:n op:n rcode:n aa:f ra:f tc:f ttl_ms:n ns:r? path:r? +"),
    (0x30, "COOKIE", "seq:n cookie:b8"),
    (0x31, "CHUNK_COUNT", "seq:n info_hash:b32 count:n"),
    (
        0x32,
        "ACK",
        "seq:n keepalive_ms:n expire_ms:n interval_ms:n unknown:b? publish:b? links_ms:n?",
    ),
    (0x33, "ERROR", "seq:n code:n message:s= retry_after_ms:n=0"),
];

static PEER_WORDS: LazyLock<Vec<Word>> = LazyLock::new(|| PEER.iter().map(word).collect());
static TRACKER_WORDS: LazyLock<Vec<Word>> = LazyLock::new(|| TRACKER.iter().map(word).collect());

/// All messages of a half, in the order of PROTOCOL.md's table.
pub fn all(half: Half) -> &'static [Word] {
    match half {
        Half::Peer => &PEER_WORDS,
        Half::Tracker => &TRACKER_WORDS,
    }
}

/// The message with a name, whatever the case of its letters.
pub fn named(half: Half, name: &str) -> Option<&'static Word> {
    all(half).iter().find(|word| word.name.eq_ignore_ascii_case(name))
}

/// The message with a type byte.
pub fn numbered(half: Half, kind: u8) -> Option<&'static Word> {
    all(half).iter().find(|word| word.kind == kind)
}

impl Word {
    /// How it is typed: `GET piece=number [offset=0] [length=16384]`.
    pub fn usage(&self) -> String {
        let fields = self.fields.iter().map(|field| match field.default {
            Default::Needed => format!(" {}={}", field.name, field.form.in_words()),
            Default::Is(default) => format!(" [{}={default}]", field.name),
            Default::LeftOut => format!(" [{}=..]", field.name),
        });
        let body = if self.has_body { " [body=HEX]" } else { "" };
        self.name.to_owned() + &fields.collect::<String>() + body
    }
}

impl Form {
    /// What is expected, in words.
    pub fn in_words(self) -> String {
        match self {
            Self::Number => "a number".into(),
            Self::Flag => "true or false".into(),
            Self::Text => "a text".into(),
            Self::Bytes(0) => "bytes in hexadecimal".into(),
            Self::Bytes(count) => format!("{count} bytes in hexadecimal, such as 2b*{count}"),
            Self::Texts => "texts with commas".into(),
            Self::Rows => "rows, which cannot be typed".into(),
        }
    }

    /// Reads a value as it is typed.
    pub fn read(self, text: &str) -> Result<Value, String> {
        let read = match self {
            Self::Number => text.parse().ok().map(Value::Number),
            Self::Flag => text.parse().ok().map(Value::Flag),
            Self::Text => Some(Value::Text(text.to_owned())),
            Self::Bytes(count) => bytes(text)
                .ok()
                .filter(|bytes| bytes.len() <= 255 && (count == 0 || bytes.len() == count))
                .map(Value::Bytes),
            Self::Texts => {
                let texts = text.split(',').filter(|text| !text.is_empty());
                Some(Value::List(texts.map(|text| Value::Text(text.to_owned())).collect()))
            }
            Self::Rows => None,
        };
        read.ok_or_else(|| format!("expected {}", self.in_words()))
    }
}

fn word(&(kind, name, spec): &(u8, &'static str, &'static str)) -> Word {
    let parts = spec.split_whitespace();
    let fields = parts.clone().filter(|&part| part != "+").map(field).collect();
    Word { name, kind, fields, has_body: parts.clone().any(|part| part == "+") }
}

fn field(spec: &'static str) -> Field {
    let (name, rest) = spec.split_once(':').expect("a field has a form");
    let (form, default) = match rest.split_once('=') {
        Some((form, default)) => (form, Default::Is(default)),
        None => match rest.strip_suffix('?') {
            Some(form) => (form, Default::LeftOut),
            None => (rest, Default::Needed),
        },
    };
    let form = match form {
        "n" => Form::Number,
        "f" => Form::Flag,
        "s" => Form::Text,
        "ss" => Form::Texts,
        "r" => Form::Rows,
        bytes => Form::Bytes(bytes[1..].parse().unwrap_or(0)),
    };
    Field { name, form, default }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!("../../../PROTOCOL.md");

    /// The part of a half that describes one message.
    fn section(half: Half, name: &str) -> &'static str {
        let halves = PAGE.split_once("\n## Between a peer and a tracker\n").expect("two halves");
        let part = if half == Half::Peer { halves.0 } else { halves.1 };
        let (_, rest) = part.split_once(&format!("\n### {name}\n")).expect(name);
        rest.split("\n### ").next().expect("it begins")
    }

    #[test]
    fn every_message_has_the_number_and_the_fields_that_the_page_gives_it() {
        for half in [Half::Peer, Half::Tracker] {
            for word in all(half) {
                let section = section(half, word.name);
                assert!(section.trim_start().starts_with(&format!("`{:#04x}`", word.kind)));
                let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
                let named: Vec<_> =
                    rows.map(|row| row.split('`').next().expect("a name")).collect();
                let own: Vec<_> = word.fields.iter().map(|field| field.name).collect();
                assert_eq!(own, named, "{}", word.name);
                let body = section.contains("\n| body |");
                assert_eq!(word.has_body, body, "{}", word.name);
            }
            let kinds: BTreeSet<u8> = all(half).iter().map(|word| word.kind).collect();
            assert_eq!(kinds.len(), all(half).len());
        }
    }

    #[test]
    fn every_default_can_be_typed() {
        for word in all(Half::Peer).iter().chain(all(Half::Tracker)) {
            for field in &word.fields {
                if let Default::Is(text) = field.default {
                    assert!(field.form.read(text).is_ok(), "{} {}", word.name, field.name);
                }
            }
        }
        let get = named(Half::Peer, "get").expect("case does not count");
        assert_eq!(get.usage(), "GET piece=a number [offset=0] [length=16384]");
    }
}
