//! `lab quiz`: prints questions, asks them at a terminal, or marks a file of answers.
//!
//! Questions, answers and marks are [`crate::lab::quiz`]'s; here they are read and written.

use super::super::args::QuizArgs;
use super::super::args::lab::quiz::Format;
use super::super::env::Env;
use super::super::exit::{CliError, Exit, cause};
use super::super::help::wrapped;
use super::super::print;
use super::super::torrent_file::is_dash;
use crate::lab::quiz::{Mark, Question, TOLERANCE, number, questions, show, tables};
use crate::lab::report::Table;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;

/// The most that is read of a file of answers, and of a line at a terminal.
const LONGEST_SHEET: u64 = 256 * 1024;
const LONGEST_LINE: u64 = 1024;

/// Columns of a line of text.
const WIDTH: usize = 80;

/// Prints, asks or marks.
pub fn quiz(args: &QuizArgs, env: &Env) -> Result<(), CliError> {
    let format = args.format.unwrap_or_default();
    if args.tables {
        return print(env, &tables_as(format, &tables::textbook()));
    }
    let sheet = Sheet { seed: args.seed(), questions: questions(args.seed(), args.count()) };
    if let Some(path) = &args.check {
        let marks = sheet.mark(&read(path)?)?;
        print(env, &sheet.marked(&marks, format, args.answers))?;
        return sheet.verdict(&marks);
    }
    if args.may_ask() && io::stdin().is_terminal() && io::stdout().is_terminal() {
        return sheet.ask(&mut io::stdin().lock(), |text| print(env, text));
    }
    print(env, &sheet.written(format, args.answers))
}

/// The text of a file of answers.
fn read(path: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = if is_dash(path) {
        io::stdin().lock().take(LONGEST_SHEET).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST_SHEET).read_to_end(&mut bytes))
    };
    read.map_err(|why| {
        let why = cause(&why);
        CliError::new(
            Exit::Disk,
            format!("cannot read the answers in {} ({why}): is the name right?", path.display()),
        )
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The questions of a seed.
struct Sheet {
    seed: u64,
    questions: Vec<Question>,
}

/// What came of an answer: what was given, if it was a number, and how it is marked.
type Marked = (Option<f64>, Mark);

impl Sheet {
    /// Marks answers, one a line; empty lines and those that begin with `#` are passed over, and
    /// questions without a line are wrong.
    fn mark(&self, answers: &str) -> Result<Vec<Marked>, CliError> {
        let lines = answers.lines().map(str::trim);
        let lines: Vec<&str> =
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let asked = self.questions.len();
        if lines.len() > asked {
            return Err(CliError::usage(format!(
                "{} answers to {asked} questions: give --count as it was when they were asked",
                lines.len()
            )));
        }
        let all = lines.into_iter().map(Some).chain(std::iter::repeat(None));
        let marks = self.questions.iter().zip(all).map(|(question, line)| {
            let given = line.and_then(|line| number(line, question.unit));
            (given, given.map_or(Mark::Wrong, |given| question.mark(given)))
        });
        Ok(marks.collect())
    }

    /// How it went, as an exit code and a sentence.
    fn verdict(&self, marks: &[Marked]) -> Result<(), CliError> {
        let wrong = marks.len() - right(marks);
        if wrong == 0 {
            return Ok(());
        }
        let of = marks.len();
        Err(CliError::new(
            Exit::Failed,
            format!(
                "{wrong} of {of} answers wrong: lab quiz --seed {} --count {of} --answers explains \
                 them",
                self.seed
            ),
        ))
    }

    /// The marks; with the worked answers, if they are wanted.
    fn marked(&self, marks: &[Marked], format: Format, answers: bool) -> String {
        let of = marks.len();
        if format == Format::Json {
            let each = self.questions.iter().zip(marks).enumerate();
            let each = each.map(|(at, (question, (given, mark)))| {
                let mut one = as_json(at, question, answers);
                one["given"] = json!(given);
                one["right"] = json!(*mark == Mark::Right);
                one
            });
            let each: Vec<Value> = each.collect();
            let all = json!({ "seed": self.seed, "right": right(marks), "of": of, "marks": each });
            return format!("{all}\n");
        }
        let mut text = String::new();
        for (at, (question, (given, mark))) in self.questions.iter().zip(marks).enumerate() {
            let said = match (given, mark) {
                (None, _) => "wrong: no number".to_owned(),
                (_, Mark::Right) => "right".to_owned(),
                (_, Mark::Wrong) => "wrong".to_owned(),
                (_, Mark::Trapped(why)) => format!("wrong: {why}"),
            };
            let _ = writeln!(text, "{:>2}  {said}", at + 1);
            if answers {
                text.push_str(&indented(&solution(question), 4));
            }
        }
        let _ = writeln!(text, "{} of {of} right", right(marks));
        text
    }

    /// The questions, with the worked answers if they are wanted.
    fn written(&self, format: Format, answers: bool) -> String {
        let about =
            format!("{} questions with the numbers of seed {}", self.questions.len(), self.seed);
        let rule = "An answer within 0.5 % of the right one is right; counts must be exact.";
        let each = self.questions.iter().enumerate();
        match format {
            Format::Json => {
                let each: Vec<Value> = each.map(|(at, one)| as_json(at, one, answers)).collect();
                let all = json!({ "seed": self.seed, "tolerance": TOLERANCE, "questions": each });
                format!("{all}\n")
            }
            Format::Text => each.fold(format!("{about}.\n{rule}\n"), |text, (at, question)| {
                let solution = if answers { solution(question) } else { String::new() };
                text + "\n" + &asked(at, question) + &indented(&solution, 4)
            }),
            Format::Markdown => each
                .fold(format!("# {about}\n\n{rule}\n"), |text, (at, question)| {
                    text + "\n" + &as_markdown(at, question, answers)
                }),
        }
    }

    /// Asks at a terminal, until all are answered or the input ends.
    fn ask(
        &self,
        input: &mut impl BufRead,
        mut say: impl FnMut(&str) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let (mut right, mut of) = (0, 0);
        say("An answer within 0.5 % of the right one is right; counts must be exact.\n")?;
        for (at, question) in self.questions.iter().enumerate() {
            say(&format!("\n{}{:>4}", asked(at, question), "> "))?;
            let Some(line) = line(input)? else { break };
            let mark =
                number(&line, question.unit).map_or(Mark::Wrong, |given| question.mark(given));
            let said = match mark {
                Mark::Right => "right".to_owned(),
                Mark::Wrong => "wrong".to_owned(),
                Mark::Trapped(why) => format!("wrong: {why}"),
            };
            say(&(indented(&said, 4) + &indented(&solution(question), 4)))?;
            right += usize::from(mark == Mark::Right);
            of += 1;
        }
        say(&format!("\n{right} of {of} right, seed {}\n", self.seed))
    }
}

fn right(marks: &[Marked]) -> usize {
    marks.iter().filter(|(_, mark)| *mark == Mark::Right).count()
}

/// A line that was typed; none at the end.
fn line(input: &mut impl BufRead) -> Result<Option<String>, CliError> {
    let mut bytes = Vec::new();
    let read = input.take(LONGEST_LINE).read_until(b'\n', &mut bytes);
    let read = read.map_err(|why| {
        CliError::new(Exit::Failed, format!("cannot read the terminal ({})", cause(&why)))
    })?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).into_owned()))
}

/// A question for a terminal: `1. (caching) ..`, and in which unit the answer is wanted.
fn asked(at: usize, question: &Question) -> String {
    let text = format!("({}) {} Answer in {}.", question.topic, question.text, question.unit);
    let text = indented(&text, 4);
    format!("{:>2}. {}", at + 1, text.trim_start())
}

/// The worked answer, a line for each part.
fn solution(question: &Question) -> String {
    let answer = format!("{} {}", show(question.answer), question.unit);
    format!("Answer: {answer}\nRule: {}\nHere: {}\n", question.formula, question.working)
}

/// Each line of a text, wrapped and behind so many blanks.
fn indented(text: &str, by: usize) -> String {
    let lines = text.lines().map(|line| wrapped(line, WIDTH - by));
    let lines: Vec<String> = lines.collect();
    lines.iter().flat_map(|line| line.lines()).fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{:by$}{line}", "");
        out
    })
}

fn as_markdown(at: usize, question: &Question, answers: bool) -> String {
    let Question { topic, text, unit, .. } = question;
    // What Markdown would take for emphasis stands in the numbers' names.
    let text = text.replace('_', "\\_").replace('*', "\\*");
    let mut out = format!("{}. **{topic}**: {text} *Answer in {unit}.*\n", at + 1);
    if answers {
        let (answer, formula) = (show(question.answer), question.formula);
        let _ = write!(
            out,
            "   - Answer: **{answer} {unit}**\n   - Rule: `{formula}`\n   - Here: `{}`\n",
            question.working
        );
    }
    out
}

fn as_json(at: usize, question: &Question, answers: bool) -> Value {
    let Question { topic, text, unit, exact, .. } = question;
    let mut one =
        json!({ "number": at + 1, "topic": topic, "text": text, "unit": unit, "exact": exact });
    if answers {
        one["answer"] = json!(question.answer);
        one["formula"] = json!(question.formula);
        one["working"] = json!(question.working);
    }
    one
}

/// The textbook's tables.
fn tables_as(format: Format, tables: &[(String, Table)]) -> String {
    if format == Format::Json {
        let each = tables.iter().map(|(heading, table)| {
            json!({ "heading": heading, "head": table.head, "rows": table.rows })
        });
        return format!("{}\n", each.collect::<Value>());
    }
    let each = tables.iter().map(|(heading, table)| match format {
        Format::Markdown => format!("## {heading}\n\n{}", markdown_table(table)),
        _ => format!("{}\n{}", wrapped(heading, WIDTH), text_table(table)),
    });
    each.collect::<Vec<_>>().join("\n")
}

fn markdown_table(table: &Table) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(table.head.len()));
    let rows: String = table.rows.iter().map(|cells| row(cells)).collect();
    row(&table.head) + &rule + &rows
}

/// The first column to the left, the others to the right, each as wide as its widest cell.
fn text_table(table: &Table) -> String {
    let rows = || std::iter::once(&table.head).chain(&table.rows);
    let width = |column: usize| {
        rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows() {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let _ = match column {
                0 => write!(text, "  {cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(count: usize) -> Sheet {
        Sheet { seed: 1, questions: questions(1, count) }
    }

    /// All right answers, one a line.
    fn key(sheet: &Sheet) -> String {
        let line = |question: &Question| show(question.answer) + " " + question.unit + "\n";
        sheet.questions.iter().map(line).collect()
    }

    #[test]
    fn right_answers_pass_and_a_wrong_one_fails_with_1() {
        let sheet = sheet(16);
        let marks = sheet.mark(&format!("# mine\n\n{}", key(&sheet))).expect("they fit");
        assert!(sheet.marked(&marks, Format::Text, false).ends_with("16  right\n16 of 16 right\n"));
        assert_eq!(sheet.verdict(&marks), Ok(()));
        let key = key(&sheet);
        let (_, others) = key.split_once('\n').expect("several lines");
        let marks = sheet.mark(&format!("1e99\n{others}"));
        let error = sheet.verdict(&marks.expect("they fit")).expect_err("one is wrong");
        assert_eq!(error.exit, Exit::Failed);
        assert!(error.message.starts_with("1 of 16 answers wrong: "), "{}", error.message);
    }

    #[test]
    fn what_is_not_answered_is_wrong_and_too_many_answers_are_a_mistake() {
        let sheet = sheet(3);
        let marks = sheet.mark("?\nabout 7\n").expect("they fit");
        let text =
            " 1  wrong: no number\n 2  wrong: no number\n 3  wrong: no number\n0 of 3 right\n";
        assert_eq!(sheet.marked(&marks, Format::Text, false), text);
        assert_eq!(sheet.mark("1\n2\n3\n4\n").expect_err("one too many").exit, Exit::Usage);
    }

    #[test]
    fn a_terminal_is_asked_and_told_how_one_gets_there() {
        let sheet = sheet(2);
        let mut said = String::new();
        let key = key(&sheet);
        let typed = format!(
            "{}
nonsense
",
            key.lines().next().expect("a line")
        );
        let ended = sheet.ask(&mut typed.as_bytes(), |text| {
            said.push_str(text);
            Ok(())
        });
        assert_eq!(ended, Ok(()));
        assert!(
            said.contains("    right\n    Answer: ") && said.contains("    wrong\n    Answer: ")
        );
        assert!(said.ends_with("\n1 of 2 right, seed 1\n"), "{said}");
        assert!(said.lines().all(|line| line.chars().count() <= WIDTH), "{said}");
    }

    #[test]
    fn answers_are_shown_only_if_they_are_wanted() {
        let sheet = sheet(16);
        for format in [Format::Text, Format::Markdown, Format::Json] {
            let (without, with) = (sheet.written(format, false), sheet.written(format, true));
            for question in &sheet.questions {
                assert!(!without.contains(&question.working), "{format:?}");
            }
            assert!(with.len() > without.len());
        }
        let read: Value = serde_json::from_str(&sheet.written(Format::Json, true)).expect("JSON");
        assert_eq!(read["questions"][15]["number"], 16);
        assert_eq!(read["questions"][0]["answer"], json!(sheet.questions[0].answer));
    }

    #[test]
    fn the_tables_are_aligned_in_text_and_are_tables_in_markdown() {
        let text = tables_as(Format::Text, &tables::textbook());
        assert!(text.contains("  P2P, u = 300 kbit/s  7500  25000   45455\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let markdown = tables_as(Format::Markdown, &tables::textbook());
        assert!(markdown.contains("| N | 10 | 100 | 1000 |\n|---|---|---|---|\n"), "{markdown}");
    }
}
