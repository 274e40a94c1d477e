//! What a check is worth: a TOML file of parts, and how verdicts add up by it.
//!
//! ```toml
//! title = "A course"
//! [[part]]
//! name = "Download"
//! points = 30                       # what its checks add up to
//! [part.checks]
//! "leech.one-to-one" = 20
//! "leech.pipelining" = 10
//! [[part]]
//! name = "Deployment"
//! points = 20
//! by_hand = "shown on several machines"
//! ```
//! A part has checks, or is marked by hand and not counted here.

use super::grade::check::{Check, Verdict, named};
use std::collections::BTreeSet;
use toml_edit::{DocumentMut, Item, Table};

/// The most points of anything.
const MOST_POINTS: i64 = 10_000;

/// Parts with their points.
#[derive(Debug, Clone, PartialEq)]
pub struct Rubric {
    /// What is printed above.
    pub title: String,
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// Some of the points.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What is printed.
    pub name: String,
    /// All its points.
    pub points: u32,
    /// Which check is worth how many of them.
    pub checks: Vec<(&'static Check, u32)>,
    /// How it is marked instead, if a person marks it.
    pub by_hand: Option<String>,
}

/// Why a rubric cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RubricError {
    /// It is no TOML.
    #[error("it is no TOML: {0}")]
    Toml(String),
    /// A key that means nothing.
    #[error("unknown key {0}")]
    UnknownKey(String),
    /// A check that does not exist.
    #[error("no check is called {0}")]
    UnknownCheck(String),
    /// A check in two places.
    #[error("the check {0} stands there twice")]
    Twice(String),
    /// A key that is missing or of a wrong type.
    #[error("{0} is missing or wrong: expected {1}")]
    Wrong(String, &'static str),
    /// Points that do not add up.
    #[error("the part {name:?} has {points} points, but its checks add up to {sum}")]
    Sum {
        /// The part.
        name: String,
        /// What it says.
        points: u32,
        /// What its checks say.
        sum: u32,
    },
    /// A check that no part has would never count.
    #[error("no part has checks")]
    Empty,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark<'a> {
    /// The check.
    pub check: &'static Check,
    /// Points that it brought.
    pub points: u32,
    /// Points that it could bring.
    pub of: u32,
    /// How it came out.
    pub verdict: &'a Verdict,
}

impl Rubric {
    /// Reads a rubric.
    pub fn parse(text: &str) -> Result<Self, RubricError> {
        let document: DocumentMut = text
            .parse()
            .map_err(|why: toml_edit::TomlError| RubricError::Toml(why.message().to_owned()))?;
        only(&document, &["title", "part"])?;
        let title = text_of(&document, "title")?;
        let parts = document.get("part").and_then(Item::as_array_of_tables);
        let wrong = || RubricError::Wrong("part".into(), "[[part]] tables");
        let parts: Result<Vec<Part>, _> = parts.ok_or_else(wrong)?.iter().map(part).collect();
        let rubric = Self { title, parts: parts? };
        let mut seen = BTreeSet::new();
        for (check, _) in rubric.parts.iter().flat_map(|part| &part.checks) {
            if !seen.insert(check.id) {
                return Err(RubricError::Twice(check.id.into()));
            }
        }
        if seen.is_empty() { Err(RubricError::Empty) } else { Ok(rubric) }
    }

    /// What each of its checks brought; one without a verdict brought nothing and is left out.
    pub fn marks<'a>(&self, verdicts: &'a [Verdict]) -> Vec<Mark<'a>> {
        let checks = self.parts.iter().flat_map(|part| &part.checks);
        let marks = checks.filter_map(|&(check, of)| {
            let verdict = verdicts.iter().find(|verdict| verdict.id == check.id)?;
            let points = if verdict.passed() { of } else { 0 };
            Some(Mark { check, points, of, verdict })
        });
        marks.collect()
    }

    /// Points that could be brought by checks.
    pub fn of(&self) -> u32 {
        self.parts.iter().flat_map(|part| &part.checks).map(|(_, points)| points).sum()
    }
}

fn part(table: &Table) -> Result<Part, RubricError> {
    only(table, &["name", "points", "checks", "by_hand"])?;
    let name = text_of(table, "name")?;
    let points = points(table.get("points"), "points")?;
    let by_hand = match table.get("by_hand") {
        None => None,
        Some(_) => Some(text_of(table, "by_hand")?),
    };
    let mut checks = Vec::new();
    if let Some(item) = table.get("checks") {
        let wrong = || RubricError::Wrong("checks".into(), "a table of check = points");
        for (id, worth) in item.as_table_like().ok_or_else(wrong)?.iter() {
            let check = named(id).ok_or_else(|| RubricError::UnknownCheck(id.into()))?;
            checks.push((check, self::points(Some(worth), id)?));
        }
    }
    let sum = checks.iter().map(|(_, points)| points).sum();
    match (&by_hand, checks.is_empty()) {
        (None, true) => Err(RubricError::Wrong("checks".into(), "checks, or by_hand")),
        (Some(_), false) => Err(RubricError::Wrong("by_hand".into(), "no checks beside it")),
        (None, false) if sum != points => Err(RubricError::Sum { name, points, sum }),
        _ => Ok(Part { name, points, checks, by_hand }),
    }
}

fn only(table: &Table, known: &[&str]) -> Result<(), RubricError> {
    let other = table.iter().map(|(key, _)| key).find(|key| !known.contains(key));
    other.map_or(Ok(()), |key| Err(RubricError::UnknownKey(key.into())))
}

fn text_of(table: &Table, key: &str) -> Result<String, RubricError> {
    let text = table.get(key).and_then(Item::as_str).filter(|text| !text.trim().is_empty());
    text.map(str::to_owned).ok_or_else(|| RubricError::Wrong(key.into(), "a text"))
}

fn points(item: Option<&Item>, key: &str) -> Result<u32, RubricError> {
    let number = item.and_then(Item::as_integer).filter(|n| (1..=MOST_POINTS).contains(n));
    let number = number.and_then(|n| u32::try_from(n).ok());
    number.ok_or_else(|| RubricError::Wrong(key.into(), "a whole number of points, at least 1"))
}

#[cfg(test)]
mod tests {
    use super::super::grade::check::{CHECKS, Fault};
    use super::*;

    const SMALL: &str = "\
title = 'A course'
[[part]]
name = 'Download'
points = 30
[part.checks]
'leech.one-to-one' = 20
'leech.pipelining' = 10
[[part]]
name = 'Deployment'
points = 20
by_hand = 'on several machines'
";

    #[test]
    fn points_add_up_and_what_failed_brings_none() {
        let rubric = Rubric::parse(SMALL).expect("a rubric");
        let verdicts = [
            Verdict::new("leech.pipelining", Err(Fault::new("no GET", "two"))),
            Verdict::new("leech.one-to-one", Ok(())),
            Verdict::new("rude.silent", Ok(())),
        ];
        let marks = rubric.marks(&verdicts);
        let told: Vec<_> = marks.iter().map(|mark| (mark.check.id, mark.points, mark.of)).collect();
        assert_eq!(told, [("leech.one-to-one", 20, 20), ("leech.pipelining", 0, 10)]);
        assert_eq!(rubric.of(), 30);
    }

    #[test]
    fn a_mistake_in_a_rubric_is_named() {
        let check = |from: &str, to: &str, expected: &str| {
            let refused = Rubric::parse(&SMALL.replace(from, to)).expect_err(to);
            assert_eq!(refused.to_string(), expected);
        };
        check("leech.pipelining", "leech.pipelinig", "no check is called leech.pipelinig");
        check("= 10", "= 11", "the part \"Download\" has 30 points, but its checks add up to 31");
        check("points = 30", "pints = 30", "unknown key pints");
        check(
            "= 20\n'",
            "= -1\n'",
            "leech.one-to-one is missing or wrong: expected a whole number of points, at least 1",
        );
        check(
            "by_hand = 'on several machines'",
            "",
            "checks is missing or wrong: expected checks, or by_hand",
        );
        check("title = 'A course'", "", "title is missing or wrong: expected a text");
        assert!(matches!(Rubric::parse("x = ["), Err(RubricError::Toml(_))));
        let twice = format!(
            "{SMALL}[[part]]\nname = 'x'\npoints = 1\nchecks = {{ 'leech.pipelining' = 1 }}\n"
        );
        assert_eq!(Rubric::parse(&twice), Err(RubricError::Twice("leech.pipelining".into())));
    }

    #[test]
    fn the_rubrics_that_ship_are_right_and_the_generic_one_has_every_check() {
        let generic = Rubric::parse(include_str!("../../rubrics/generic.toml")).expect("generic");
        let ids: BTreeSet<_> =
            generic.parts.iter().flat_map(|part| &part.checks).map(|(check, _)| check.id).collect();
        assert_eq!(ids, CHECKS.iter().map(|check| check.id).collect());
        assert_eq!(generic.of(), 100);
        for text in
            [include_str!("../../rubrics/uct.toml"), include_str!("../../rubrics/hcmut.toml")]
        {
            let rubric = Rubric::parse(text).expect("a rubric");
            let all: u32 = rubric.parts.iter().map(|part| part.points).sum();
            assert_eq!(all, 100, "{}", rubric.title);
        }
    }
}
