//! Bencode, read without recursion and without copying (BEP 3).
//!
//! [`parse`] walks the bytes once and notes every value as a token; [`Value`] then looks at the
//! tokens. A value knows the bytes it was read from ([`Value::raw`]), so that `info` is hashed as
//! it came. Memory is proportional to the input and never to a length that the input declares.
//!
//! ```text
//! d 4:info d 6:length i425e 4:name 4:temp e e
//! 0 1      2 3        4     5      6              one token per value, in the order they begin;
//! 0.........................................7     each knows the token that follows its subtree
//! ```
//! Unsorted keys are taken (clients in the wild write them) and can be asked about; equal keys,
//! leading zeros and `-0` are refused. Writing is [`Encoder`]. Nothing here does I/O.

use std::io::Write;
use std::ops::Range;

/// How much of a stranger's bencode is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all.
    pub bytes: usize,
    /// Lists and dictionaries inside each other.
    pub depth: usize,
    /// Values and keys in all.
    pub values: usize,
}

/// For a .torrent: 16 MiB, 32 levels, a million values.
pub const TORRENT: Limits = Limits { bytes: 16 << 20, depth: 32, values: 1_000_000 };

/// For a message or a tracker's answer: 1 MiB, 8 levels, 20,000 values.
pub const MESSAGE: Limits = Limits { bytes: 1 << 20, depth: 8, values: 20_000 };

/// Bytes that are no bencode, or more of it than we look at; `at` counts bytes from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the message says it all
pub enum BencodeError {
    #[error("{length} bytes where at most {limit} are read")]
    TooLong { length: usize, limit: usize },
    #[error("the bytes end inside a value (byte {at})")]
    Truncated { at: usize },
    #[error("more than {limit} lists and dictionaries inside each other (byte {at})")]
    TooDeep { at: usize, limit: usize },
    #[error("more than {limit} values (byte {at})")]
    TooManyValues { at: usize, limit: usize },
    #[error("no value begins with this byte (byte {at})")]
    NotAValue { at: usize },
    #[error("not a whole number in its shortest form (byte {at})")]
    BadInteger { at: usize },
    #[error("the number does not fit 64 bits (byte {at})")]
    IntegerTooLarge { at: usize },
    #[error("not the length of a string (byte {at})")]
    BadLength { at: usize },
    #[error("a dictionary's key is not a string (byte {at})")]
    KeyNotAString { at: usize },
    #[error("a dictionary's key has no value (byte {at})")]
    KeyWithoutValue { at: usize },
    #[error("a dictionary has the same key twice (byte {at})")]
    DuplicateKey { at: usize },
    #[error("something follows the value (byte {at})")]
    TrailingBytes { at: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Bytes,
    List,
    Dict,
}

/// Where one value stands. Offsets fit 32 bits because [`Limits::bytes`] does.
#[derive(Debug, Clone, Copy)]
struct Token {
    start: u32,
    end: u32,
    /// The token that follows this value and all inside it.
    next: u32,
    kind: Kind,
    /// Bytes before a string's first: its length and the colon.
    head: u8,
    /// A dictionary whose keys do not rise.
    unsorted: bool,
}

/// Everything in one run of bytes.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    bytes: &'a [u8],
    tokens: Vec<Token>,
}

impl<'a> Document<'a> {
    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { bytes: self.bytes, tokens: &self.tokens, at: 0 }
    }

    /// What follows the outermost value.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.tokens[0].end as usize..]
    }
}

/// Reads one value that must be all there is.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Document<'_>, BencodeError> {
    let document = parse_prefix(bytes, limits)?;
    match document.rest() {
        [] => Ok(document),
        rest => Err(BencodeError::TrailingBytes { at: bytes.len() - rest.len() }),
    }
}

/// Reads the first value; what follows it is [`Document::rest`].
pub fn parse_prefix(bytes: &[u8], limits: Limits) -> Result<Document<'_>, BencodeError> {
    if bytes.len() > limits.bytes || u32::try_from(bytes.len()).is_err() {
        return Err(BencodeError::TooLong { length: bytes.len(), limit: limits.bytes });
    }
    let mut reader = Reader { bytes, limits, at: 0, tokens: Vec::new(), open: Vec::new() };
    while reader.step()? {}
    Ok(Document { bytes, tokens: reader.tokens })
}

/// A list or dictionary that has not ended yet.
struct Open {
    token: usize,
    is_dict: bool,
    /// In a dictionary: the key that was read last.
    last_key: Option<Range<usize>>,
    /// In a dictionary: a key was read and its value is next.
    value_due: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    limits: Limits,
    at: usize,
    tokens: Vec<Token>,
    open: Vec<Open>,
}

impl Reader<'_> {
    /// Reads one value's beginning or one container's end; false when the outermost has ended.
    fn step(&mut self) -> Result<bool, BencodeError> {
        let first = *self.bytes.get(self.at).ok_or(BencodeError::Truncated { at: self.at })?;
        let key_due = self.open.last().is_some_and(|open| open.is_dict && !open.value_due);
        match first {
            b'e' => self.close()?,
            b'0'..=b'9' if key_due => self.key()?,
            _ if key_due => return Err(BencodeError::KeyNotAString { at: self.at }),
            b'0'..=b'9' => self.string()?,
            b'i' => self.integer()?,
            b'l' => self.begin(Kind::List)?,
            b'd' => self.begin(Kind::Dict)?,
            _ => return Err(BencodeError::NotAValue { at: self.at }),
        }
        Ok(!self.open.is_empty())
    }

    fn push(&mut self, kind: Kind, end: usize, head: usize) -> Result<(), BencodeError> {
        if self.tokens.len() >= self.limits.values {
            return Err(BencodeError::TooManyValues { at: self.at, limit: self.limits.values });
        }
        self.tokens.push(Token {
            start: self.at as u32,
            end: end as u32,
            next: self.tokens.len() as u32 + 1,
            kind,
            head: head as u8,
            unsorted: false,
        });
        Ok(())
    }

    /// A value has ended: the dictionary around it now expects a key.
    fn value_done(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.value_due = false;
        }
    }

    fn begin(&mut self, kind: Kind) -> Result<(), BencodeError> {
        if self.open.len() >= self.limits.depth {
            return Err(BencodeError::TooDeep { at: self.at, limit: self.limits.depth });
        }
        self.push(kind, 0, 0)?;
        self.at += 1;
        self.open.push(Open {
            token: self.tokens.len() - 1,
            is_dict: kind == Kind::Dict,
            last_key: None,
            value_due: false,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), BencodeError> {
        let open = self.open.pop().ok_or(BencodeError::NotAValue { at: self.at })?;
        if open.value_due {
            return Err(BencodeError::KeyWithoutValue { at: self.at });
        }
        self.at += 1;
        let next = self.tokens.len() as u32;
        let token = &mut self.tokens[open.token];
        token.end = self.at as u32;
        token.next = next;
        if token.unsorted {
            self.refuse_equal_keys(open.token)?;
        }
        self.value_done();
        Ok(())
    }

    /// Keys that rise were compared as they came; the others are sorted here.
    fn refuse_equal_keys(&self, dict: usize) -> Result<(), BencodeError> {
        let dict = Value { bytes: self.bytes, tokens: &self.tokens, at: dict };
        let entries = dict.entries().into_iter().flatten();
        let mut keys: Vec<&[u8]> = entries.map(|(key, _)| key).collect();
        keys.sort_unstable();
        let equal = keys.windows(2).any(|pair| pair[0] == pair[1]);
        if equal { Err(BencodeError::DuplicateKey { at: self.at }) } else { Ok(()) }
    }

    fn key(&mut self) -> Result<(), BencodeError> {
        let start = self.at;
        let text = self.take_string()?;
        let open = self.open.last_mut().expect("a key stands in a dictionary");
        open.value_due = true;
        let Some(last) = open.last_key.replace(text.clone()) else { return Ok(()) };
        match self.bytes[last].cmp(&self.bytes[text]) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Err(BencodeError::DuplicateKey { at: start }),
            std::cmp::Ordering::Greater => self.tokens[open.token].unsorted = true,
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), BencodeError> {
        self.take_string()?;
        self.value_done();
        Ok(())
    }

    /// Reads a string into a token and says where its bytes are.
    fn take_string(&mut self) -> Result<Range<usize>, BencodeError> {
        let bad = BencodeError::BadLength { at: self.at };
        let digits = self.digits_from(self.at);
        let colon = self.at + digits;
        match self.bytes.get(colon) {
            None => return Err(BencodeError::Truncated { at: colon }),
            Some(b':') if digits == 1 || self.bytes[self.at] != b'0' => {}
            Some(_) => return Err(bad),
        }
        let length = decimal(&self.bytes[self.at..colon]).ok_or(bad)?;
        let body = colon + 1;
        let left = (self.bytes.len() - body) as u64;
        if length > left {
            return Err(BencodeError::Truncated { at: self.bytes.len() });
        }
        let end = body + length as usize;
        self.push(Kind::Bytes, end, digits + 1)?;
        self.at = end;
        Ok(body..end)
    }

    fn integer(&mut self) -> Result<(), BencodeError> {
        let bad = BencodeError::BadInteger { at: self.at };
        let sign = usize::from(self.bytes.get(self.at + 1) == Some(&b'-'));
        let first = self.at + 1 + sign;
        let digits = self.digits_from(first);
        let end = first + digits;
        match self.bytes.get(end) {
            None => return Err(BencodeError::Truncated { at: end }),
            Some(b'e') if digits > 0 => {}
            Some(_) => return Err(bad),
        }
        if self.bytes[first] == b'0' && (digits > 1 || sign == 1) {
            return Err(bad);
        }
        if number(&self.bytes[self.at + 1..end]).is_none() {
            return Err(BencodeError::IntegerTooLarge { at: self.at });
        }
        self.push(Kind::Integer, end + 1, 0)?;
        self.at = end + 1;
        self.value_done();
        Ok(())
    }

    fn digits_from(&self, start: usize) -> usize {
        self.bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// One value of a [`Document`].
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    bytes: &'a [u8],
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Value<'a> {
    fn token(&self) -> Token {
        self.tokens[self.at]
    }

    fn is(&self, kind: Kind) -> Option<Token> {
        Some(self.token()).filter(|token| token.kind == kind)
    }

    /// The bytes it was read from.
    pub fn raw(&self) -> &'a [u8] {
        let token = self.token();
        &self.bytes[token.start as usize..token.end as usize]
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        self.is(Kind::Integer)?;
        let raw = self.raw();
        number(&raw[1..raw.len() - 1])
    }

    /// The string's bytes, if it is one.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        let token = self.is(Kind::Bytes)?;
        Some(&self.raw()[usize::from(token.head)..])
    }

    /// Whether it is a dictionary.
    pub fn is_dict(&self) -> bool {
        self.is(Kind::Dict).is_some()
    }

    /// The list's values in order, if it is one.
    pub fn items(&self) -> Option<Items<'a>> {
        self.is(Kind::List).map(|_| self.children())
    }

    /// The dictionary's keys and values in order, if it is one.
    pub fn entries(&self) -> Option<Entries<'a>> {
        self.is(Kind::Dict).map(|_| Entries(self.children()))
    }

    /// The value under a key; `None` when there is none or this is no dictionary.
    pub fn get(&self, key: &[u8]) -> Option<Self> {
        self.entries()?.find(|&(name, _)| name == key).map(|(_, value)| value)
    }

    /// Whether the keys of this dictionary and of all inside it rise, as BEP 3 asks.
    pub fn is_sorted(&self) -> bool {
        let inside = self.at..self.token().next as usize;
        !self.tokens[inside].iter().any(|token| token.unsorted)
    }

    fn children(&self) -> Items<'a> {
        Items { value: Value { at: self.at + 1, ..*self }, end: self.token().next as usize }
    }
}

/// The values of a list.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    value: Value<'a>,
    end: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.value.at >= self.end {
            return None;
        }
        let value = self.value;
        self.value.at = value.token().next as usize;
        Some(value)
    }
}

/// The keys and values of a dictionary.
#[derive(Debug, Clone)]
pub struct Entries<'a>(Items<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?.as_bytes().expect("a key is a string");
        Some((key, self.0.next().expect("a key has a value")))
    }
}

/// Writes bencode. The caller writes keys in rising order and ends what it begins.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// Begins with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A string, or a key.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        write!(self.out, "{}:", bytes.len()).expect("a Vec takes all");
        self.raw(bytes)
    }

    /// A string of text, or a key.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// A whole number.
    pub fn int(&mut self, number: i64) -> &mut Self {
        write!(self.out, "i{number}").expect("a Vec takes all");
        self.end()
    }

    /// Begins a dictionary.
    pub fn dict(&mut self) -> &mut Self {
        self.raw(b"d")
    }

    /// Begins a list.
    pub fn list(&mut self) -> &mut Self {
        self.raw(b"l")
    }

    /// Ends the dictionary or list begun last.
    pub fn end(&mut self) -> &mut Self {
        self.raw(b"e")
    }

    /// Bytes that are bencode already.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> BencodeError {
        parse(bytes, TORRENT).map(|_| ()).expect_err(&String::from_utf8_lossy(bytes))
    }

    #[test]
    fn a_value_knows_the_bytes_it_was_read_from() {
        let document = parse(b"d4:infod1:ai-5ee4:listl2:abi7eee", TORRENT).unwrap();
        let root = document.root();
        let info = root.get(b"info").unwrap();
        assert_eq!(info.raw(), b"d1:ai-5ee");
        assert_eq!(info.get(b"a").unwrap().as_int(), Some(-5));
        let list: Vec<_> = root.get(b"list").unwrap().items().unwrap().collect();
        assert_eq!(list[0].as_bytes(), Some(&b"ab"[..]));
        assert_eq!(list[1].as_int(), Some(7));
        assert!(list[1].items().is_none() && list[1].get(b"a").is_none());
        assert!(root.get(b"none").is_none());
    }

    #[test]
    fn a_number_has_one_spelling_and_fits_64_bits() {
        for good in ["i0e", "i-1e", "i9223372036854775807e", "i-9223372036854775808e"] {
            assert!(parse(good.as_bytes(), TORRENT).is_ok(), "{good}");
        }
        for bad in [&b"i00e"[..], b"i-0e", b"i01e", b"ie", b"i-e", b"i--1e", b"i1-e", b"i+1e"] {
            assert_eq!(error(bad), BencodeError::BadInteger { at: 0 });
        }
        assert_eq!(error(b"i9223372036854775808e"), BencodeError::IntegerTooLarge { at: 0 });
    }

    #[test]
    fn a_string_longer_than_what_is_left_is_refused_before_anything_is_reserved() {
        assert_eq!(error(b"999999999999:a"), BencodeError::Truncated { at: 14 });
        assert_eq!(error(b"99999999999999999999:a"), BencodeError::BadLength { at: 0 });
        assert_eq!(error(b"01:a"), BencodeError::BadLength { at: 0 });
        assert_eq!(error(b"1"), BencodeError::Truncated { at: 1 });
    }

    #[test]
    fn equal_keys_are_refused_also_when_they_are_not_neighbours() {
        assert_eq!(error(b"d1:ai1e1:ai2ee"), BencodeError::DuplicateKey { at: 7 });
        assert_eq!(error(b"d1:bi1e1:ai1e1:bi2ee"), BencodeError::DuplicateKey { at: 20 });
    }

    #[test]
    fn unsorted_keys_are_taken_and_can_be_asked_about() {
        let document = parse(b"d1:ad1:ci1e1:bi2ee1:bdee", TORRENT).unwrap();
        let root = document.root();
        assert!(!root.is_sorted());
        assert!(!root.get(b"a").unwrap().is_sorted());
        assert!(root.get(b"b").unwrap().is_sorted());
        assert_eq!(root.get(b"a").unwrap().get(b"b").unwrap().as_int(), Some(2));
    }

    #[test]
    fn keys_are_strings_and_have_values() {
        assert_eq!(error(b"di1ei2ee"), BencodeError::KeyNotAString { at: 1 });
        assert_eq!(error(b"d1:ae"), BencodeError::KeyWithoutValue { at: 4 });
        assert_eq!(error(b"e"), BencodeError::NotAValue { at: 0 });
        assert_eq!(error(b"x"), BencodeError::NotAValue { at: 0 });
        assert_eq!(error(b""), BencodeError::Truncated { at: 0 });
    }

    #[test]
    fn what_follows_the_first_value_is_refused_or_handed_back() {
        assert_eq!(error(b"leee"), BencodeError::TrailingBytes { at: 2 });
        assert_eq!(parse_prefix(b"leee", TORRENT).unwrap().rest(), b"ee");
    }

    #[test]
    fn the_limits_are_exact() {
        let nested = |n: usize| [vec![b'l'; n], vec![b'e'; n]].concat();
        assert!(parse(&nested(32), TORRENT).is_ok());
        assert_eq!(error(&nested(33)), BencodeError::TooDeep { at: 32, limit: 32 });
        let tight = Limits { bytes: 8, depth: 1, values: 3 };
        assert!(parse(b"l0:0:e", tight).is_ok());
        assert!(matches!(parse(b"l0:0:0:e", tight), Err(BencodeError::TooManyValues { .. })));
        assert!(matches!(parse(b"l0:0:0:0:e", tight), Err(BencodeError::TooLong { .. })));
    }

    #[test]
    fn cut_anywhere_a_document_is_no_document() {
        let whole = b"d1:ai-12e1:bl2:xyd0:leee3:cccdee";
        assert!(parse(whole, TORRENT).is_ok());
        for end in 0..whole.len() {
            assert!(parse(&whole[..end], TORRENT).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = Encoder::new();
        out.dict().text("a").int(-3).text("b").list().bytes(&[0, 255]).end().end();
        let bytes = out.finish();
        assert_eq!(bytes, b"d1:ai-3e1:bl2:\x00\xffee");
        assert!(parse(&bytes, TORRENT).is_ok());
    }
}
