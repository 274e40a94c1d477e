//! The native dialect as text: frames described in words, and words made into frames.
//!
//! ```text
//! GET piece=3 offset=16384 length=32768   <->   16 83 a5 70 69 65 63 65 03 ..
//! ```
//! A frame is read by its MessagePack alone, so that one with a field that is wrong, missing or not
//! known can be shown too, and typed. What each message should have stands in [`words`]; PROTOCOL.md
//! says the same, and a test compares them.

/// Which messages there are, with their fields.
pub mod words;

/// Any MessagePack value, as far as a header has it.
mod value;

pub use value::Value;
pub use words::{Default, Field, Form, Word};

use crate::ids::{hex, unhex};
use crate::protocol::frame::{Frame, MAX_BODY, MAX_HEADER, put_datagram, put_frame};
use std::fmt::Write;
use value::Header;

/// Bodies up to this length are shown in full.
const SHORT_BODY: usize = 32;

/// Who is spoken to: the two halves of PROTOCOL.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Another peer: streams that open with "SWP1".
    Peer,
    /// A tracker: streams and datagrams that open with "SWT1".
    Tracker,
}

/// A message as it is typed, understood as far as its words go.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    kind: u8,
    header: Header,
    body: Vec<u8>,
}

impl Spoken {
    /// What a frame says; the reason in words if its header is no map of named values.
    pub fn of_frame(frame: &Frame<'_>) -> Result<Self, String> {
        let header = frame.decode::<Header>().map_err(|why| why.to_string())?;
        Ok(Self { kind: frame.kind, header, body: frame.body.to_vec() })
    }

    /// Reads `NAME field=value .. [body=HEX]`, already taken apart into words. `known` gives a field
    /// that is not typed its value, if somebody knows it: the last cookie, a number.
    pub fn typed(
        half: Half,
        words: &[String],
        known: impl Fn(&str) -> Option<Value>,
    ) -> Result<Self, String> {
        let (name, rest) = words.split_first().ok_or("nothing is typed")?;
        let word = words::named(half, name)
            .ok_or_else(|| format!("no message is called {name}: help lists them"))?;
        let mut given: Vec<(&str, &str)> = Vec::new();
        for part in rest {
            let pair = part.split_once('=');
            let pair = pair.ok_or_else(|| format!("{part} is no field=value"))?;
            if pair.0 != "body" && !word.fields.iter().any(|field| field.name == pair.0) {
                let fields = word.fields.iter().map(|field| field.name).collect::<Vec<_>>();
                let fields = fields.join(", ");
                return Err(format!("{} has no field {}: it has {fields}", word.name, pair.0));
            }
            given.push(pair);
        }
        let text = |name: &str| given.iter().rev().find(|pair| pair.0 == name).map(|pair| pair.1);
        let mut entries = Vec::new();
        for field in &word.fields {
            if let Some(value) = value_of(word, field, text(field.name), &known)? {
                entries.push((field.name.to_owned(), value));
            }
        }
        let body = text("body").map_or(Ok(Vec::new()), bytes)?;
        if body.len() > MAX_BODY {
            return Err(format!("a body of {} bytes is longer than {MAX_BODY}", body.len()));
        }
        let spoken = Self { kind: word.kind, header: Header(entries), body };
        let length = spoken.frame().len() - 4 - spoken.body.len();
        if length > MAX_HEADER { Err("the header is too long".into()) } else { Ok(spoken) }
    }

    /// The type byte.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// A field's value, if it is there.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.header.0.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// As a frame of a stream.
    pub fn frame(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_frame(&mut out, self.kind, &self.header, &self.body);
        out
    }

    /// As a datagram, padded with zeros as PROTOCOL.md asks of a HELLO.
    pub fn datagram(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_datagram(&mut out, self.kind, &self.header, &self.body);
        if words::numbered(Half::Tracker, self.kind).is_some_and(|word| word.name == "HELLO") {
            out.resize(out.len().max(crate::protocol::tracker_native::HELLO_LENGTH), 0);
        }
        out
    }

    /// The message in words, as they could be typed; long bodies by their length. A stranger's text
    /// stands in quotes and escaped.
    pub fn text(&self, half: Half) -> String {
        let mut text = match words::numbered(half, self.kind) {
            Some(word) => word.name.to_owned(),
            None => format!("unknown type {:#04x}", self.kind),
        };
        for (name, value) in &self.header.0 {
            let _ = write!(text, " {}={value}", name.escape_debug());
        }
        match self.body.len() {
            0 => {}
            length if length <= SHORT_BODY => {
                let _ = write!(text, " body={}", hex(&self.body));
            }
            length => {
                let _ = write!(text, " and a body of {length} bytes");
            }
        }
        text
    }
}

/// A frame in words; what is no message is said so.
pub fn describe(half: Half, frame: &Frame<'_>) -> String {
    Spoken::of_frame(frame).map_or_else(|why| why, |spoken| spoken.text(half))
}

/// Bytes as rows of sixteen behind their offset, `most` rows at most.
///
/// ```text
///     0000  00 00 00 02 11 80
/// ```
pub fn dump(bytes: &[u8], start: u64, most: usize) -> String {
    let mut text = String::new();
    for (row, chunk) in bytes.chunks(16).take(most).enumerate() {
        let _ = write!(text, "    {:04x} ", start + row as u64 * 16);
        for byte in chunk {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    let left = bytes.len().saturating_sub(most * 16);
    if left > 0 {
        let _ = writeln!(text, "    .. and {left} more bytes");
    }
    text
}

/// Bytes as they are typed: hexadecimal, `2b*32` for one byte many times.
pub fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{text} is no hexadecimal: write 2b2b.., or 2b*32 for 32 times 2b");
    match text.split_once('*') {
        None => unhex(text).ok_or_else(wrong),
        Some((byte, times)) => {
            let byte = unhex(byte).filter(|byte| byte.len() == 1).ok_or_else(wrong)?;
            let times = times.parse().ok().filter(|&times: &usize| times <= MAX_BODY);
            Ok(byte.repeat(times.ok_or_else(wrong)?))
        }
    }
}

fn value_of(
    word: &Word,
    field: &Field,
    given: Option<&str>,
    known: impl Fn(&str) -> Option<Value>,
) -> Result<Option<Value>, String> {
    let read = |text: &str| {
        field.form.read(text).map(Some).map_err(|why| format!("{}={text}: {why}", field.name))
    };
    match (given, &field.default) {
        (Some(text), _) => read(text),
        (None, Default::LeftOut) => Ok(None),
        (None, Default::Is(text)) => read(text),
        (None, Default::Needed) => known(field.name).map(Some).ok_or_else(|| {
            format!("{} needs {}: {}", word.name, field.name, field.form.in_words())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(half: Half, line: &str) -> Result<Spoken, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Spoken::typed(half, &words, |_| None)
    }

    /// The bytes are those of PROTOCOL.md.
    #[test]
    fn what_is_typed_is_what_the_page_shows() {
        let check = |half, line: &str, expected: &str| {
            let expected = unhex(&expected.replace(' ', "")).expect("hexadecimal");
            let spoken = typed(half, line).expect(line);
            assert_eq!(spoken.frame(), expected, "{line}");
            let (frame, _) = Frame::first_in(&expected).expect("a frame").expect("it is whole");
            assert_eq!(describe(half, &frame), spoken.text(half));
        };
        check(Half::Peer, "GET_COUNT", "00 00 00 02 11 80");
        check(
            Half::Peer,
            "GET piece=3 offset=16384 length=32768",
            "00 00 00 1d 16 83 a5 70 69 65 63 65 03 a6 6f 66 66 73 65 74 cd 40 00 \
             a6 6c 65 6e 67 74 68 cd 80 00",
        );
        check(
            Half::Peer,
            "BITFIELD first=0 body=f840",
            "00 00 00 0b 32 81 a5 66 69 72 73 74 00 f8 40",
        );
        check(
            Half::Tracker,
            "FETCH info_hash=2b*32",
            &format!("00 00 00 2e 19 81 a9 69 6e 66 6f 5f 68 61 73 68 c4 20 {}", "2b".repeat(32)),
        );
    }

    #[test]
    fn fields_that_are_not_typed_have_their_usual_value_or_are_asked_for() {
        let line = format!("HELLO info_hash={} peer_id=61*20 port=6881", "2b".repeat(32));
        let hello = typed(Half::Peer, &line).expect("a hello");
        let text = hello.text(Half::Peer);
        assert!(text.starts_with("HELLO version=1 info_hash=2b2b"), "{text}");
        assert!(text.ends_with("port=6881 features=[]"), "{text}");
        let refused = |half, line: &str| typed(half, line).expect_err(line);
        assert_eq!(refused(Half::Peer, "GET offset=0"), "GET needs piece: a number");
        assert_eq!(refused(Half::Peer, "PING nubmer=1"), "PING has no field nubmer: it has number");
        assert_eq!(refused(Half::Peer, "PONG number=x"), "number=x: expected a number");
        assert_eq!(
            refused(Half::Peer, "HELLO info_hash=2b peer_id=61*20"),
            "info_hash=2b: expected 32 bytes in hexadecimal, such as 2b*32"
        );
        assert!(refused(Half::Peer, "HULLO").starts_with("no message is called HULLO"));
        assert!(refused(Half::Peer, "BITFIELD body=zz").contains("no hexadecimal"));
    }

    #[test]
    fn a_strangers_text_is_escaped() {
        let error = typed(Half::Peer, "ERROR code=404 message=a\u{1b}[2Jb").expect("an error");
        assert_eq!(error.text(Half::Peer), r#"ERROR code=404 message="a\u{1b}[2Jb""#);
        let unknown = Frame { kind: 0x2f, header: b"\x81\xa2\x1bx\x93\x01\xc0\xff", body: b"" };
        assert_eq!(describe(Half::Peer, &unknown), "unknown type 0x2f \\u{1b}x=[1, nothing, -1]");
    }

    #[test]
    fn a_dump_has_offsets_and_an_end() {
        assert_eq!(dump(&[0, 0, 0, 2, 0x11, 0x80], 4, 8), "    0004  00 00 00 02 11 80\n");
        let long = dump(&[7; 40], 0, 2);
        assert!(long.ends_with("    .. and 8 more bytes\n"), "{long}");
    }
}
