//! TOML as a tree of values that know their lines.
//!
//! ```text
//! text -> toml_edit, with its spans -> Tree
//! ```
//! The rest of the reader knows no other form: a key that is wrong is named with its line, and a
//! value may be replaced by that of a variant.

use crate::nearest::nearest;
use toml_edit::{Document, Item, Table, TableLike, Value};

/// A value and the line that it stands in, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// Its line.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `"text"`
    Text(String),
    /// `1`, `1.5`
    Number(f64),
    /// `true`
    Flag(bool),
    /// `[..]`, or several `[[tables]]`
    List(Vec<Tree>),
    /// `{..}`, or a `[table]`
    Table(Vec<Entry>),
}

/// A key of a table and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its line.
    pub line: usize,
    /// Its value.
    pub value: Tree,
}

/// What is wrong, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what to try.
    pub message: String,
}

impl Fault {
    /// A fault in a line.
    pub fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl Tree {
    /// The tree of a text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let lines = Lines::of(text);
        let document = Document::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let why = error.message().lines().collect::<Vec<_>>().join(", ");
            Fault::new(lines.of_byte(at), format!("this is no TOML: {why}"))
        })?;
        table(document.as_table(), 1, &lines)
    }

    /// The entries of a table; of anything else none.
    pub fn entries(&self) -> &[Entry] {
        if let Kind::Table(entries) = &self.kind { entries } else { &[] }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// What stands in a list; one value by itself is a list of one.
    pub fn items(&self) -> &[Self] {
        if let Kind::List(items) = &self.kind { items } else { std::slice::from_ref(self) }
    }

    /// Whether this is a table of known keys. `what` is how it is called: `[link]`.
    pub fn check_keys(&self, what: &str, known: &[&str]) -> Result<(), Fault> {
        let Kind::Table(entries) = &self.kind else {
            return Err(Fault::new(
                self.line,
                format!("{what} is a table of keys: {}", list(known)),
            ));
        };
        for Entry { key, line, .. } in entries {
            if !known.contains(&key.as_str()) {
                return Err(Fault::new(*line, unknown("key", key, what, known)));
            }
        }
        Ok(())
    }
}

/// That something is unknown, and what is meant or what there is.
pub fn unknown(noun: &str, name: &str, place: &str, known: &[&str]) -> String {
    let place = if place.is_empty() { String::new() } else { format!(" in {place}") };
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("unknown {noun} {name}{place}: did you mean {meant}?"),
        None => format!("unknown {noun} {name}{place}: there is {}", list(known)),
    }
}

/// `a, b or c`.
pub fn list(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "none".to_owned(),
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect(),
        )
    }

    fn of_byte(&self, at: usize) -> usize {
        self.0.partition_point(|&end| end < at) + 1
    }
}

fn table(found: &Table, line: usize, lines: &Lines) -> Result<Tree, Fault> {
    entries(found, line, lines)
}

fn entries(found: &dyn TableLike, line: usize, lines: &Lines) -> Result<Tree, Fault> {
    let mut all = Vec::new();
    for (name, item) in found.iter() {
        let key = found.key(name).and_then(toml_edit::Key::span);
        let line = key.or(item.span()).map_or(line, |span| lines.of_byte(span.start));
        let value = tree(item, line, lines)?;
        all.push(Entry { key: name.to_owned(), line, value });
    }
    Ok(Tree { line, kind: Kind::Table(all) })
}

fn tree(item: &Item, line: usize, lines: &Lines) -> Result<Tree, Fault> {
    let line = item.span().map_or(line, |span| lines.of_byte(span.start));
    match item {
        Item::None => Ok(Tree { line, kind: Kind::Table(Vec::new()) }),
        Item::Value(value) => self::value(value, line, lines),
        Item::Table(found) => table(found, line, lines),
        Item::ArrayOfTables(all) => {
            let each = all.iter().map(|found| {
                let line = found.span().map_or(line, |span| lines.of_byte(span.start));
                table(found, line, lines)
            });
            Ok(Tree { line, kind: Kind::List(each.collect::<Result<_, _>>()?) })
        }
    }
}

fn value(found: &Value, line: usize, lines: &Lines) -> Result<Tree, Fault> {
    let line = found.span().map_or(line, |span| lines.of_byte(span.start));
    let kind = match found {
        Value::String(text) => Kind::Text(text.value().clone()),
        Value::Integer(number) => Kind::Number(*number.value() as f64),
        Value::Float(number) if number.value().is_finite() => Kind::Number(*number.value()),
        Value::Boolean(on) => Kind::Flag(*on.value()),
        Value::Array(all) => {
            let each = all.iter().map(|found| value(found, line, lines));
            Kind::List(each.collect::<Result<_, _>>()?)
        }
        Value::InlineTable(found) => return entries(found, line, lines),
        Value::Float(_) | Value::Datetime(_) => {
            return Err(Fault::new(line, "expected a text, a finite number, true or false"));
        }
    };
    Ok(Tree { line, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let tree =
            Tree::parse("# a\nb = 1\n\n[link]\nup = \"x\"\n[[group]]\nname = 'p'\n[[group]]\n");
        let tree = tree.expect("it is TOML");
        assert_eq!(tree.get("b"), Some(&Tree { line: 2, kind: Kind::Number(1.0) }));
        let link = tree.get("link").expect("a table");
        assert_eq!((link.line, link.get("up").expect("a key").line), (4, 5));
        let groups: Vec<_> =
            tree.get("group").expect("a list").items().iter().map(|g| g.line).collect();
        assert_eq!(groups, [6, 8]);
    }

    #[test]
    fn what_is_no_toml_is_found_in_its_line() {
        let check = |text: &str, line: usize| {
            assert_eq!(Tree::parse(text).expect_err(text).line, line, "{text}");
        };
        check("a = 1\nb = \n", 2);
        check("a = 1\na = 2", 2);
        check("a = 1\nb = inf", 2);
        check("a = 1979-05-27", 1);
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest_one() {
        let tree = Tree::parse("up = 1\n\ndwon = 2").expect("it is TOML");
        let fault = tree.check_keys("[link]", &["up", "down"]).expect_err("it is unknown");
        assert_eq!(fault, Fault::new(3, "unknown key dwon in [link]: did you mean down?"));
        let fault = tree.check_keys("[link]", &["up"]).expect_err("it is unknown");
        assert_eq!(fault.message, "unknown key dwon in [link]: there is up");
    }
}
