//! What a method is given, read strictly: a wrong type or a number out of range is an error that
//! names the argument, never a guess; arguments that nobody knows are passed over.

use super::super::order::{Name, Which};
use super::names::snake;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Why a request is not carried out; its text is the answer's `result`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The request has no method. Transmission's words.
    #[error("no method name")]
    NoMethod,
    /// Nobody knows the method. Transmission's words.
    #[error("method name not recognized")]
    UnknownMethod,
    /// An argument is missing or makes no sense.
    #[error("{0}")]
    Argument(String),
    /// A folder is not given from the root on.
    #[error("{0} is not absolute")]
    NotAbsolute(&'static str),
    /// It cannot be done, or must not be done from outside.
    #[error("{0}")]
    Refused(String),
    /// The program does not answer.
    #[error("the program is stopping")]
    Gone,
}

impl Fault {
    /// An argument that makes no sense.
    pub fn argument(name: &str, expected: &str) -> Self {
        Self::Argument(format!("{name}: expected {expected}"))
    }
}

/// The largest rate in kB/s that is still a number of bytes.
const MAX_RATE: i64 = i64::MAX / 1000;

/// The longest text that is taken for a name, a path or a URL. Magnets are the longest.
const MAX_TEXT: usize = 64 * 1024;

/// A method's arguments by their newer names.
#[derive(Debug)]
pub struct Args<'a> {
    values: HashMap<String, &'a Value>,
}

impl<'a> Args<'a> {
    /// Arguments in either spelling; none at all is none of each.
    pub fn new(map: Option<&'a Map<String, Value>>) -> Self {
        let values = map.into_iter().flatten().map(|(key, value)| (snake(key), value)).collect();
        Self { values }
    }

    /// What stands under a name, given in the older spelling.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.values.get(&snake(name)).copied()
    }

    /// The newer names of all that was given, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Yes or no; 1 and 0 say so, too.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let read = |value: &Value| value.as_bool().or_else(|| Some(value.as_u64()? == 1));
        let is_one = |value: &Value| value.is_boolean() || matches!(value.as_u64(), Some(0 | 1));
        self.read(name, "true or false", |value| is_one(value).then(|| read(value)).flatten())
    }

    /// A whole number.
    pub fn whole(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Fault> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(name, &expected, |value| value.as_i64().filter(|number| range.contains(number)))
    }

    /// How many of something.
    pub fn count(&self, name: &str) -> Result<Option<usize>, Fault> {
        Ok(self.whole(name, 0..=i64::from(u16::MAX))?.map(|count| count as usize))
    }

    /// Bytes per second, of a number of kB/s.
    pub fn rate(&self, name: &str) -> Result<Option<u64>, Fault> {
        Ok(self.whole(name, 0..=MAX_RATE)?.map(|rate| rate as u64 * 1000))
    }

    /// A ratio.
    pub fn ratio(&self, name: &str) -> Result<Option<f64>, Fault> {
        const EXPECTED: &str = "a number from 0 to 1000000";
        self.read(name, EXPECTED, |value| value.as_f64().filter(|n| (0.0..=1e6).contains(n)))
    }

    /// Minutes.
    pub fn minutes(&self, name: &str) -> Result<Option<u64>, Fault> {
        Ok(self.whole(name, 0..=i64::from(u32::MAX))?.map(|minutes| minutes as u64))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        self.read_ref(name, "a text", |value| value.as_str().filter(|text| text.len() <= MAX_TEXT))
    }

    /// A text of any length: a .torrent in base64.
    pub fn long_text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        self.read_ref(name, "a text", Value::as_str)
    }

    /// Several texts.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let text =
            |value: &Value| value.as_str().filter(|text| text.len() <= MAX_TEXT).map(str::to_owned);
        self.read(name, "a list of texts", |value| value.as_array()?.iter().map(text).collect())
    }

    /// Places in a list, such as files of a torrent.
    pub fn indices(&self, name: &str) -> Result<Option<Vec<usize>>, Fault> {
        let index = |value: &Value| {
            value.as_u64().and_then(|index| u32::try_from(index).ok()).map(|index| index as usize)
        };
        self.read(name, "a list of indices", |value| value.as_array()?.iter().map(index).collect())
    }

    /// A folder from the root on; `what` is its name in Transmission's error.
    pub fn folder(&self, name: &str, what: &'static str) -> Result<Option<PathBuf>, Fault> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let path = PathBuf::from(text);
        let is_one = path.is_absolute() && !text.contains('\0');
        is_one.then_some(Some(path)).ok_or(Fault::NotAbsolute(what))
    }

    /// Which torrents are meant: all when nothing says so, none by numbers that none can have.
    pub fn which(&self) -> Result<Which, Fault> {
        const EXPECTED: &str =
            "a number, a list of numbers and hashes of 40 or 64 digits, or \"recently-active\"";
        let Some(ids) = self.get("ids") else { return Ok(Which::All) };
        let names = match ids {
            Value::String(word) if snake(word) == "recently_active" => return Ok(Which::Recent),
            Value::Array(ids) => ids.iter().map(name_of).collect::<Option<Vec<_>>>(),
            id => name_of(id).map(|name| vec![name]),
        };
        let names = names.ok_or_else(|| Fault::argument("ids", EXPECTED))?;
        Ok(Which::These(names.concat()))
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| Fault::argument(name, expected))
    }

    fn read_ref<T: ?Sized>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<&'a T>,
    ) -> Result<Option<&'a T>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| Fault::argument(name, expected))
    }
}

/// A torrent's name; empty if it is a number that no torrent has, none if it is no name.
fn name_of(id: &Value) -> Option<Vec<Name>> {
    if let Some(text) = id.as_str() {
        let is_hash =
            [40, 64].contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        return is_hash.then(|| vec![Name::Hash(text.to_ascii_lowercase())]);
    }
    let is_whole = id.is_i64() || id.is_u64();
    let number = || id.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0);
    is_whole.then(|| number().map(Name::Id).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with<T>(arguments: &Value, read: impl FnOnce(&Args<'_>) -> T) -> T {
        read(&Args::new(arguments.as_object()))
    }

    fn which(ids: impl Into<Value>) -> Result<Which, Fault> {
        read(&json!({ "ids": ids.into() }))
    }

    fn read(arguments: &Value) -> Result<Which, Fault> {
        Args::new(arguments.as_object()).which()
    }

    #[test]
    fn torrents_are_named_by_number_hash_list_or_word() {
        let hash = "AB".repeat(20);
        let named = Name::Hash(hash.to_ascii_lowercase());
        assert_eq!(read(&json!({})), Ok(Which::All));
        assert_eq!(which(json!("recently-active")), Ok(Which::Recent));
        assert_eq!(which(json!("recently_active")), Ok(Which::Recent));
        assert_eq!(which(json!(7)), Ok(Which::These(vec![Name::Id(7)])));
        assert_eq!(which(json!(hash)), Ok(Which::These(vec![named.clone()])));
        assert_eq!(which(json!([1, hash])), Ok(Which::These(vec![Name::Id(1), named])));
    }

    #[test]
    fn an_empty_list_and_impossible_numbers_name_no_torrent() {
        for ids in [json!([]), json!(-1), json!(0), json!([-1, 1_u64 << 40]), json!(u64::MAX)] {
            assert_eq!(which(ids.clone()), Ok(Which::These(vec![])), "{ids}");
        }
    }

    #[test]
    fn ids_of_another_type_are_an_error() {
        let odd = [json!(1.5), json!(null), json!(true), json!({}), json!("abc"), json!([[1]])];
        for ids in odd {
            let error = which(ids.clone()).unwrap_err().to_string();
            assert!(error.starts_with("ids: expected a number, a list"), "{ids}: {error}");
        }
    }

    #[test]
    fn a_name_is_found_in_either_spelling() {
        for name in ["seedRatioLimit", "seed_ratio_limit"] {
            assert_eq!(
                with(&json!({ name: 2 }), |args| args.ratio("seedRatioLimit")),
                Ok(Some(2.0))
            );
        }
    }

    #[test]
    fn a_wrong_type_or_range_names_the_argument() {
        let check = |value: Value, expected: &str| {
            let arguments = json!({ "x": value });
            let error = with(&arguments, |args| {
                let read = match expected {
                    text if text.contains("true") => args.flag("x").map(drop),
                    text if text.contains("whole") => args.whole("x", 0..=9).map(drop),
                    text if text.contains("number") => args.ratio("x").map(drop),
                    text if text.contains("list of texts") => args.texts("x").map(drop),
                    text if text.contains("indices") => args.indices("x").map(drop),
                    _ => args.text("x").map(drop),
                };
                read.unwrap_err().to_string()
            });
            assert_eq!(error, format!("x: expected {expected}"), "{value}");
        };
        for value in [json!("true"), json!(2), json!(null), json!(-1)] {
            check(value, "true or false");
        }
        for value in [json!(10), json!(-1), json!(1.0), json!("1"), json!(u64::MAX), json!(true)] {
            check(value, "a whole number from 0 to 9");
        }
        for value in [json!(-0.1), json!(1e7), json!("1"), json!([])] {
            check(value, "a number from 0 to 1000000");
        }
        for value in [json!("a"), json!([1]), json!([["a"]])] {
            check(value, "a list of texts");
        }
        for value in [json!(1), json!([-1]), json!([0.5]), json!([1_u64 << 40])] {
            check(value, "a list of indices");
        }
        for value in [json!(1), json!("a".repeat(MAX_TEXT + 1))] {
            check(value, "a text");
        }
    }

    #[test]
    fn rates_are_kilobytes_and_never_wrap() {
        let rate = |value: Value| with(&json!({ "x": value }), |args| args.rate("x"));
        assert_eq!(rate(json!(500)), Ok(Some(500_000)));
        assert_eq!(rate(json!(MAX_RATE)), Ok(Some(MAX_RATE as u64 * 1000)));
        assert!(rate(json!(MAX_RATE + 1)).is_err() && rate(json!(-1)).is_err());
    }

    #[test]
    fn a_folder_begins_at_the_root() {
        let folder = |text: &str| with(&json!({ "x": text }), |args| args.folder("x", "it"));
        assert_eq!(folder("/a/b"), Ok(Some("/a/b".into())));
        assert_eq!(folder("a").unwrap_err().to_string(), "it is not absolute");
        assert!(folder("/a\0b").is_err() && folder("").is_err());
    }
}
