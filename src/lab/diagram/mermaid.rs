//! A diagram as Mermaid's text, which code forges and editors draw.
//!
//! ```text
//! sequenceDiagram
//!     participant p0 as 127.0.0.1:6881
//!     p0->>p1: 0.0300s UNCHOKE
//!     Note over p1: 0.0310s picks piece 3: random, as the first
//! ```
//! A solid arrow is a COMMAND, one with an open head DATA, a dashed one CONTROL. Mermaid refuses
//! more than 50,000 characters (`maxTextSize`), and nobody reads more than some arrows.

use super::fold::{Arrow, Diagram, Note};
use super::units::digits;
use crate::trace::Kind;
use std::fmt::Write;
use std::time::Duration;

/// Arrows of a diagram at most.
pub const MOST_ARROWS: usize = 150;

/// Characters that Mermaid takes are fewer than these.
pub const MOST_TEXT: usize = 50_000;

/// The diagram as text; none if it is more than Mermaid takes.
pub fn text(diagram: &Diagram) -> Option<String> {
    if diagram.arrows.len() > MOST_ARROWS {
        return None;
    }
    let mut out = String::from("sequenceDiagram\n");
    for (at, lane) in diagram.lanes.iter().enumerate() {
        put(&mut out, format_args!("participant p{at} as {}", escaped(&lane.name)));
    }
    let first = diagram.arrows.first().map(Arrow::at).unwrap_or_default();
    let last = diagram.arrows.last().map(Arrow::at).unwrap_or_default();
    let digits = digits(last.saturating_sub(first));
    let mut notes = diagram.notes.iter().peekable();
    for arrow in &diagram.arrows {
        while let Some(note) = notes.next_if(|note| note.t <= arrow.at()) {
            put_note(&mut out, note, digits);
        }
        put_arrow(&mut out, arrow, digits);
    }
    notes.for_each(|note| put_note(&mut out, note, digits));
    for (what, count) in &diagram.left_out {
        let last = diagram.lanes.len().saturating_sub(1);
        let over = if last > 0 { format!("p0,p{last}") } else { "p0".to_owned() };
        put(&mut out, format_args!("Note over {over}: not shown: {count} {what}"));
    }
    (out.chars().count() < MOST_TEXT).then_some(out)
}

fn put(out: &mut String, line: std::fmt::Arguments) {
    writeln!(out, "    {line}").expect("a String takes all");
}

fn put_arrow(out: &mut String, arrow: &Arrow, digits: usize) {
    let head = match (arrow.kind, arrow.is_lost) {
        (_, true) => "-x",
        (Kind::Command, _) => "->>",
        (Kind::Data, _) => "-)",
        (Kind::Control, _) => "-->>",
    };
    let Arrow { from, to, label, .. } = arrow;
    let at = time(arrow.at(), digits);
    put(out, format_args!("p{from}{head}p{to}: {at} {}", escaped(label)));
}

fn put_note(out: &mut String, note: &Note, digits: usize) {
    let at = time(note.t, digits);
    put(out, format_args!("Note over p{}: {at} {}", note.lane, escaped(&note.text)));
}

fn time(t: Duration, digits: usize) -> String {
    format!("{:.digits$}s", t.as_secs_f64())
}

/// Anybody's text on one line of Mermaid: its own signs become numbered characters, and the word
/// that ends its blocks does not stand alone.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            out.push(' ');
        }
        if word.eq_ignore_ascii_case("end") {
            out.push_str("#101;nd");
            continue;
        }
        for letter in word.chars() {
            match letter {
                '#' | ';' | '<' | '>' | '&' | '"' | '%' | '{' | '}' => {
                    write!(out, "#{};", u32::from(letter)).expect("a String takes all");
                }
                letter if letter.is_control() => out.push('\u{fffd}'),
                letter => out.push(letter),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_say_is_text_and_nothing_else() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("a;b #c", "a#59;b #35;c");
        check("\u{1b}[2J\n<img src=x>", "\u{fffd}[2J\u{fffd}#60;img src=x#62;");
        check("the End", "the #101;nd");
        check("%%{init}", "#37;#37;#123;init#125;");
    }
}
