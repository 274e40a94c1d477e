//! The language of manual pages, as far as ours need it: macros of man(7), and text that no
//! formatter takes for one.

use std::fmt::Write;

/// Where lines of the source are broken; the formatter breaks them anew.
const WIDTH: usize = 78;

/// A text as the formatter is to show it, letter by letter.
///
/// A bare `-` may come out as a hyphen, which no shell knows; a backslash begins a request, and so
/// do a dot and an apostrophe that begin a line.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            '"' => escaped.push_str("\\(dq"),
            ascii if ascii.is_ascii() => escaped.push(ascii),
            other => {
                let _ = write!(escaped, "\\[u{:04X}]", u32::from(other));
            }
        }
    }
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

/// Bold: what is typed as it stands.
pub fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

/// Italic: what stands for something else.
pub fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// A page.
pub struct Page(String);

impl Page {
    /// `.TH`: a name, its section 1, and where it comes from.
    pub fn new(name: &str, source: &str) -> Self {
        let title = escaped(&name.to_uppercase());
        // No date: the same flags make the same page on every day.
        Self(format!(".TH {title} 1 \"\" \"{}\" \"User Commands\"\n", escaped(source)))
    }

    /// `.SH`: a section.
    pub fn section(&mut self, title: &str) {
        let _ = writeln!(self.0, ".SH {title}");
    }

    /// A paragraph; it stands right below a section's title.
    pub fn text(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let word = escaped(word);
            if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
                self.raw(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        if !line.is_empty() {
            self.raw(&line);
        }
    }

    /// `.PP`: another paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.raw(".PP");
        self.text(text);
    }

    /// `.TP`: a term, which is escaped already, and what it means.
    pub fn item(&mut self, term: &str, text: &str) {
        self.raw(".TP");
        self.raw(term);
        self.text(text);
    }

    /// Lines that are shown as they are typed, indented, behind a sentence about them.
    pub fn example(&mut self, text: &str) {
        self.raw(".RS 4");
        self.raw(".EX");
        text.lines().for_each(|line| self.raw(&escaped(line)));
        self.raw(".EE");
        self.raw(".RE");
    }

    /// A line of the source as it is.
    pub fn raw(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// The source.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_a_request() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected, "{text}");
        check("--seed-time", r"\-\-seed\-time");
        check("./downloads", r"\&./downloads");
        check("..", r"\&..");
        check("'tis", r"\(aqtis");
        check(r"C:\temp\n", r"C:\etemp\en");
        check("~/x `y` \"z\" ^", r"\(ti/x \(gay\(ga \(dqz\(dq \(ha");
        check("é", r"\[u00E9]");
        check("a.b", "a.b");
    }

    #[test]
    fn each_line_of_an_example_is_shown_as_it_is_typed() {
        let mut page = Page(String::new());
        page.example("a\n.b");
        assert_eq!(page.finish(), ".RS 4\n.EX\na\n\\&.b\n.EE\n.RE\n");
    }

    #[test]
    fn no_line_of_a_paragraph_begins_with_a_dot_or_is_long() {
        let mut page = Page::new("a-b", "x 1");
        page.section("NAME");
        page.text(&".torrent 'and' files ".repeat(40));
        let source = page.finish();
        let (head, text) = source.split_once(".SH NAME\n").expect("a section");
        assert_eq!(head, ".TH A\\-B 1 \"\" \"x 1\" \"User Commands\"\n");
        for line in text.lines() {
            assert!(!line.starts_with(['.', '\'']) && line.len() <= WIDTH, "{line}");
        }
    }
}
