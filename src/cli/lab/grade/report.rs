//! What is printed: a table of parts, checks and points, or the same as JSON.

use super::super::super::style::printable;
use crate::lab::grade::check::Verdict;
use crate::lab::rubric::{Mark, Rubric};
use serde_json::{Value, json};
use std::fmt::Write;

/// A graded submission.
pub struct Graded<'a> {
    /// What a check is worth.
    pub rubric: &'a Rubric,
    /// Whose submission.
    pub student: &'a str,
    /// How the checks came out.
    pub verdicts: &'a [Verdict],
}

impl Graded<'_> {
    fn marks(&self) -> Vec<Mark<'_>> {
        self.rubric.marks(self.verdicts)
    }

    /// How many checks of the rubric failed.
    pub fn failed(&self) -> usize {
        self.marks().iter().filter(|mark| !mark.verdict.passed()).count()
    }

    fn total(&self) -> u32 {
        self.marks().iter().map(|mark| mark.points).sum()
    }

    /// For people.
    pub fn text(&self) -> String {
        let marks = self.marks();
        let mut text = format!("{}: {}\n", printable(&self.rubric.title), printable(self.student));
        for part in &self.rubric.parts {
            let own = |mark: &&Mark<'_>| part.checks.iter().any(|(check, _)| *check == mark.check);
            let points: u32 = marks.iter().filter(own).map(|mark| mark.points).sum();
            let name = printable(&part.name);
            if let Some(by_hand) = &part.by_hand {
                let _ = writeln!(
                    text,
                    "\n{name}: .. of {} (by hand: {})",
                    part.points,
                    printable(by_hand)
                );
                continue;
            }
            let _ = writeln!(text, "\n{name}: {points} of {}", part.points);
            for mark in marks.iter().filter(own) {
                let word = if mark.verdict.passed() { "ok  " } else { "FAIL" };
                let id = mark.check.id;
                let _ = writeln!(text, "  {word} {id:<34} {:>3} of {:>3}", mark.points, mark.of);
                if let Some(fault) = &mark.verdict.fault {
                    let _ = writeln!(text, "       {}", mark.check.asks);
                    let _ = writeln!(text, "       got: {}", printable(&fault.got));
                    let _ = writeln!(text, "       expected: {}", printable(&fault.expected));
                    let _ = writeln!(text, "       PROTOCOL.md, \"{}\"", mark.check.place);
                }
            }
        }
        let _ = writeln!(text, "\n{} of {} points", self.total(), self.rubric.of());
        text
    }

    /// For programs: one object.
    pub fn json(&self, seed: u64) -> String {
        let marks = self.marks();
        let checks: Vec<Value> = marks.iter().map(|mark| self.check(mark)).collect();
        let by_hand: Vec<Value> = self
            .rubric
            .parts
            .iter()
            .filter(|part| part.by_hand.is_some())
            .map(|part| json!({ "part": part.name, "of": part.points, "how": part.by_hand }))
            .collect();
        let all = json!({
            "rubric": self.rubric.title,
            "student": self.student,
            "seed": format!("{seed:016x}"),
            "build": env!("CARGO_PKG_VERSION"),
            "points": self.total(),
            "of": self.rubric.of(),
            "checks": checks,
            "by_hand": by_hand,
        });
        format!("{all}\n")
    }

    fn check(&self, mark: &Mark<'_>) -> Value {
        let parts = &self.rubric.parts;
        let part = parts.iter().find(|part| part.checks.iter().any(|(own, _)| *own == mark.check));
        let fault = mark.verdict.fault.as_ref();
        json!({
            "id": mark.check.id,
            "part": part.map(|part| &part.name),
            "points": mark.points,
            "of": mark.of,
            "passed": mark.verdict.passed(),
            "asks": mark.check.asks,
            "got": fault.map(|fault| &fault.got),
            "expected": fault.map(|fault| &fault.expected),
            "section": mark.check.place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::grade::check::Fault;

    #[test]
    fn a_table_says_what_came_what_was_expected_and_where_it_stands() {
        let rubric = Rubric::parse(
            "title = 'T'\n[[part]]\nname = 'Down'\npoints = 5\n\
             checks = { 'leech.one-to-one' = 3, 'leech.pipelining' = 2 }\n\
             [[part]]\nname = 'Hosts'\npoints = 4\nby_hand = 'shown'\n",
        );
        let rubric = rubric.expect("a rubric");
        let verdicts = [
            Verdict::new("leech.one-to-one", Ok(())),
            Verdict::new("leech.pipelining", Err(Fault::new("a\u{1b}[2J", "two GETs"))),
        ];
        let graded = Graded { rubric: &rubric, student: "ABC", verdicts: &verdicts };
        assert_eq!(
            graded.text(),
            "T: ABC\n\nDown: 3 of 5\n  \
             ok   leech.one-to-one                     3 of   3\n  \
             FAIL leech.pipelining                     0 of   2\n       \
             has several requests on their way at once\n       \
             got: a\\u{1b}[2J\n       expected: two GETs\n       PROTOCOL.md, \"GET\"\n\n\
             Hosts: .. of 4 (by hand: shown)\n\n3 of 5 points\n"
        );
        let json: Value = serde_json::from_str(&graded.json(7)).expect("JSON");
        assert_eq!((&json["points"], &json["of"]), (&json!(3), &json!(5)));
        assert_eq!(json["checks"][1]["section"], "GET");
        assert_eq!(graded.failed(), 1);
    }
}
