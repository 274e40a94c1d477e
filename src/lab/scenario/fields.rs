//! A table of a scenario at one point of its sweep: variables are filled in, and a variant's values
//! stand in place of the table's own.
//!
//! ```text
//! up = "$up"            at a point where up is 1MiB/s     ->  "1MiB/s"
//! join = "flash ${N} at 10s"                              ->  "flash 30 at 10s"
//! [variant.mode.client-server]  "peer.slots" = 0          ->  slots of the group peer
//! ```

use super::super::setting::Value;
use super::tree::{Fault, Kind, Tree, unknown};
use super::units::Term;
use std::collections::BTreeMap;
use std::str::FromStr;

/// A point of the sweep, and what variants change there.
#[derive(Debug, Clone, Default)]
pub struct Scope<'a> {
    /// The variables' values.
    pub point: BTreeMap<String, Value>,
    /// Values that replace others, by their paths: `peer.slots`, `link.rtt`, `time_scale`.
    pub changes: Vec<(String, &'a Tree)>,
}

/// A table and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    /// The table; none if the file has none, and all keys are as usual.
    table: Option<&'a Tree>,
    /// What variants call it, with its dot: `peer.`, `link.`; empty for the top.
    path: &'a str,
    /// Where the sweep is.
    scope: &'a Scope<'a>,
    /// The line of the table.
    line: usize,
}

impl<'a> Fields<'a> {
    /// A table's fields.
    pub fn new(table: Option<&'a Tree>, path: &'a str, scope: &'a Scope<'a>) -> Self {
        Self { table, path, scope, line: table.map_or(1, |table| table.line) }
    }

    /// A fault in the line where the table begins.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.line, message)
    }

    /// The value of a key; `None` if nobody gives it one.
    fn tree(&self, key: &str) -> Option<&'a Tree> {
        let changed = self
            .scope
            .changes
            .iter()
            .rev()
            .find(|(path, _)| path.strip_prefix(self.path).is_some_and(|rest| rest == key));
        changed.map(|&(_, tree)| tree).or_else(|| self.table?.get(key))
    }

    /// A key's value, understood; `None` if it has none.
    ///
    /// # Errors
    /// The value makes no sense: with its line.
    pub fn read<T>(
        &self,
        key: &str,
        understand: impl Fn(&Term) -> Result<T, String>,
    ) -> Result<Option<T>, Fault> {
        self.tree(key).map(|tree| term(tree, key, self.scope, &understand)).transpose()
    }

    /// The same of what goes by a name.
    pub fn named<T: FromStr>(&self, key: &str) -> Result<Option<T>, Fault>
    where
        T::Err: ToString,
    {
        self.read(key, |term| match term {
            Term::Text(word) => word.parse().map_err(|why: T::Err| why.to_string()),
            _ => Err("expected a name".into()),
        })
    }

    /// The same of a key that must be there.
    pub fn must<T>(
        &self,
        key: &str,
        advice: &str,
        understand: impl Fn(&Term) -> Result<T, String>,
    ) -> Result<T, Fault> {
        self.read(key, understand)?.ok_or_else(|| {
            let place = self.path.trim_end_matches('.');
            self.fault(format!("{place} has no {key}: write {key} = {advice}"))
        })
    }
}

/// Understands one value at a point.
fn term<T>(
    tree: &Tree,
    key: &str,
    scope: &Scope<'_>,
    understand: impl Fn(&Term) -> Result<T, String>,
) -> Result<T, Fault> {
    let term = match &tree.kind {
        Kind::Number(number) => Term::Number(*number),
        Kind::Flag(on) => Term::Flag(*on),
        Kind::Text(text) => {
            let filled = filled(text, &scope.point);
            Term::Text(filled.map_err(|why| Fault::new(tree.line, format!("{key}: {why}")))?)
        }
        Kind::List(_) | Kind::Table(_) => {
            return Err(Fault::new(tree.line, format!("{key} is one value, and no list or table")));
        }
    };
    understand(&term).map_err(|why| {
        let shown = term.shown();
        Fault::new(tree.line, format!("{key} = {shown} makes no sense: {why}"))
    })
}

/// A text with its variables filled in: `$N`, `${N}`.
fn filled(text: &str, point: &BTreeMap<String, Value>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, left) = if let Some(inside) = after.strip_prefix('{') {
            inside.split_once('}').ok_or("${ has no }")?
        } else {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()))
        };
        let value = point.get(name).ok_or_else(|| {
            let known: Vec<&str> = point.keys().map(String::as_str).collect();
            match name {
                "" => "a $ stands before no name".into(),
                name => unknown("variable", name, "", &known),
            }
        })?;
        out.push_str(&value.to_string());
        rest = left;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::units;
    use super::*;

    fn point() -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("N".to_owned(), Value::Number(30.0)),
            ("up".to_owned(), Value::Word("1MiB/s".into())),
        ])
    }

    #[test]
    fn variables_are_filled_in_wherever_they_stand() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(filled(text, &point()), expected, "{text}");
        };
        check("$N", Ok("30"));
        check("flash $N at ${N}s of $up", Ok("flash 30 at 30s of 1MiB/s"));
        check("none", Ok("none"));
        check("$M", Err("unknown variable M: did you mean N?"));
        check("${N", Err("${ has no }"));
        check("5 $", Err("a $ stands before no name"));
    }

    #[test]
    fn a_variant_goes_before_the_table() {
        let table = Tree::parse("slots = 4\nup = \"$up\"").expect("TOML");
        let change = Tree { line: 9, kind: Kind::Number(0.0) };
        let changes = vec![("peer.slots".to_owned(), &change), ("peers.up".to_owned(), &change)];
        let scope = Scope { point: point(), changes };
        let fields = Fields::new(Some(&table), "peer.", &scope);
        assert_eq!(fields.read("slots", |term| units::whole(term, 0, 9)), Ok(Some(0)));
        assert_eq!(fields.read("up", units::rate), Ok(Some(Some(1 << 20))));
        let fault = fields.read("up", units::time).expect_err("it is a rate");
        assert_eq!(
            fault,
            Fault::new(
                2,
                "up = \"1MiB/s\" makes no sense: expected a time up to a year: 100ms, 30s, 20min, \
                 2h or plain seconds"
            )
        );
    }
}
