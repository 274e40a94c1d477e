//! One JSON object on one line, field by field, at the end of a buffer that is there already.
//!
//! It is written by hand: an event costs no allocation, and less than a microsecond. Text may be
//! anybody's and is escaped; keys are ours.

use crate::clock::Moment;
use std::fmt::{self, Display, Write};

/// A line that is being written.
#[derive(Debug)]
pub struct Line<'a> {
    out: &'a mut String,
}

impl<'a> Line<'a> {
    /// Begins a line: when, who, what.
    pub fn begin(out: &'a mut String, t: Moment, node: &str, ev: &str) -> Self {
        out.push_str("{\"t\":");
        let elapsed = t.elapsed();
        put_number(out, elapsed.as_secs());
        // A leading one keeps the zeros behind the point, and then becomes it.
        let point = out.len();
        put_number(out, u64::from(1_000_000 + elapsed.subsec_micros()));
        out.replace_range(point..=point, ".");
        let mut line = Self { out };
        line.text("n", node).text("ev", ev);
        line
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.push_str("}\n");
    }

    /// A number.
    pub fn number(&mut self, key: &str, number: impl Into<u64>) -> &mut Self {
        self.key(key);
        put_number(self.out, number.into());
        self
    }

    /// A truth.
    pub fn truth(&mut self, key: &str, truth: bool) -> &mut Self {
        self.key(key);
        self.out.push_str(if truth { "true" } else { "false" });
        self
    }

    /// A text, whoever wrote it.
    pub fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.key(key);
        self.out.push('"');
        put_escaped(self.out, text);
        self.out.push('"');
        self
    }

    /// A value as it is shown to people.
    pub fn shown(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.key(key);
        self.out.push('"');
        write!(Escaped(self.out), "{value}").expect("a String takes all");
        self.out.push('"');
        self
    }

    /// An object within.
    pub fn object(&mut self, key: &str, fields: impl FnOnce(&mut Line)) -> &mut Self {
        self.key(key);
        self.braced(fields);
        self
    }

    /// A list of objects.
    pub fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut fields: impl FnMut(&mut Line, T),
    ) -> &mut Self {
        self.key(key);
        self.out.push('[');
        for item in items {
            self.comma();
            self.braced(|line| fields(line, item));
        }
        self.out.push(']');
        self
    }

    fn braced(&mut self, fields: impl FnOnce(&mut Line)) {
        self.out.push('{');
        fields(&mut Line { out: self.out });
        self.out.push('}');
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    fn comma(&mut self) {
        if !self.out.ends_with(['{', '[']) {
            self.out.push(',');
        }
    }
}

/// Decimal digits; `write!` takes several times as long.
fn put_number(out: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push_str(str::from_utf8(&digits[first..]).expect("digits are ASCII"));
}

/// What JSON does not take as it is, and what would move a terminal's cursor (RFC 8259, 7).
fn needs_escape(letter: char) -> bool {
    matches!(letter, '"' | '\\') || letter.is_control()
}

fn put_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(needs_escape) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let mut letters = from.chars();
        match letters.next().expect("it was found") {
            letter @ ('"' | '\\') => {
                out.push('\\');
                out.push(letter);
            }
            letter => {
                // All of them are below U+0100.
                write!(out, "\\u{:04x}", u32::from(letter)).expect("a String takes all");
            }
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        put_escaped(self.0, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn line(fields: impl FnOnce(&mut Line)) -> String {
        let mut out = String::new();
        let t = Moment::after(Duration::from_micros(12_034_005));
        let mut line = Line::begin(&mut out, t, "ann", "test");
        fields(&mut line);
        line.end();
        out
    }

    #[test]
    fn a_line_is_one_object_with_its_time_in_microseconds() {
        let check = |line: &str, rest: &str| {
            assert_eq!(line, format!("{{\"t\":12.034005,\"n\":\"ann\",\"ev\":\"test\"{rest}}}\n"));
        };
        check(&line(|_| ()), "");
        check(
            &line(|l| _ = l.number("a", u64::MAX).number("b", 0_u64)),
            r#","a":18446744073709551615,"b":0"#,
        );
        check(&line(|l| _ = l.truth("a", true).truth("b", false)), r#","a":true,"b":false"#);
        let nested = line(|l| {
            l.object("o", |o| _ = o.number("x", 1_u64).text("y", ""));
            l.list("l", [1_u64, 2], |l, n| _ = l.number("x", n)).list("e", [0; 0], |_, _: u64| ());
        });
        check(&nested, r#","o":{"x":1,"y":""},"l":[{"x":1},{"x":2}],"e":[]"#);
    }

    #[test]
    fn text_that_would_break_the_line_or_a_terminal_is_escaped() {
        let escaped = line(|l| _ = l.text("a", "\"\\\n\u{1b}[2J\u{9b}é"));
        assert!(escaped.ends_with("\"a\":\"\\\"\\\\\\u000a\\u001b[2J\\u009bé\"}\n"), "{escaped}");
    }

    proptest! {
        #[test]
        fn whatever_the_text_and_the_number_they_are_read_back(
            text in any::<String>(), number in any::<u64>(), micros in any::<u32>(),
        ) {
            let mut out = String::new();
            let t = Moment::after(Duration::from_micros(micros.into()));
            let mut line = Line::begin(&mut out, t, &text, "test");
            line.text("text", &text).shown("shown", &text).number("number", number);
            line.end();
            prop_assert_eq!(out.lines().count(), 1);
            let value: serde_json::Value = serde_json::from_str(&out).unwrap();
            for key in ["n", "text", "shown"] {
                prop_assert_eq!(value[key].as_str(), Some(&text[..]));
            }
            prop_assert_eq!(value["number"].as_u64(), Some(number));
            let secs = value["t"].as_f64().unwrap();
            prop_assert!((secs - f64::from(micros) / 1e6).abs() < 1e-9);
        }
    }
}
