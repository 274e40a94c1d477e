//! Colour and the shape of the terminal: [`Style`] and [`Terminal`].
//!
//! The environment is read once, by [`super::env`]; what is decided from it is decided here.

use super::units::Expected;
use std::str::FromStr;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl FromStr for ColorChoice {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(Expected("auto, always or never")),
        }
    }
}

/// The terminal that stderr is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Whether it knows how to move its cursor (`TERM` is not `dumb`).
    pub moves: bool,
}

/// Which of our words are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether any are.
    pub color: bool,
}

impl Style {
    /// What `--color`, `NO_COLOR` and the terminal come to.
    pub fn choose(choice: ColorChoice, no_color: bool, terminal: Option<Terminal>) -> Self {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !no_color && terminal.is_some_and(|terminal| terminal.moves),
        };
        Self { color }
    }

    /// What went wrong: red.
    pub fn error(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What went well: green.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// A stranger's text made safe for a terminal: control characters and those that turn the
/// direction of writing are shown as escapes.
pub fn printable(text: &str) -> String {
    let is_bidi = |c: char| {
        matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}')
    };
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_bidi(letter) || letter == '\u{feff}' {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// How many columns of a terminal a text takes; it must be [`printable`].
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Marks that combine take none, East Asian letters and pictures two. Coarse, and on the safe
/// side: a line that is too short is not harmful, one that wraps is.
fn columns_of(letter: char) -> usize {
    match letter as u32 {
        0x0300..=0x036f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text cut to `width` columns, with `~` where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_string();
    }
    let mut left = width.saturating_sub(1);
    let mut kept = String::new();
    for letter in text.chars() {
        let Some(rest) = left.checked_sub(columns_of(letter)) else { break };
        left = rest;
        kept.push(letter);
    }
    if width > 0 {
        kept.push('~');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_follows_the_flag_then_no_color_then_the_terminal() {
        let terminal = Some(Terminal { width: 80, height: 24, moves: true });
        let dumb = Some(Terminal { width: 80, height: 24, moves: false });
        let check = |choice, no_color, terminal, expected| {
            assert_eq!(Style::choose(choice, no_color, terminal).color, expected);
        };
        check(ColorChoice::Auto, false, terminal, true);
        check(ColorChoice::Auto, true, terminal, false);
        check(ColorChoice::Auto, false, dumb, false);
        check(ColorChoice::Auto, false, None, false);
        check(ColorChoice::Always, true, None, true);
        check(ColorChoice::Never, false, terminal, false);
        assert_eq!(Style { color: true }.error("x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Style { color: false }.good("x"), "x");
    }

    #[test]
    fn a_strangers_text_cannot_steer_the_terminal() {
        assert_eq!(printable("big.zip"), "big.zip");
        assert_eq!(printable("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
        assert_eq!(printable("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(printable("é 漢"), "é 漢");
    }

    #[test]
    fn a_text_is_cut_to_columns_and_not_to_bytes() {
        let check = |text, width, expected: &str| {
            assert_eq!(cut(text, width), expected);
            assert!(columns(expected) <= width);
        };
        check("big.zip", 7, "big.zip");
        check("big.zip", 5, "big.~");
        check("éé", 2, "éé");
        check("漢字", 4, "漢字");
        check("漢字", 3, "漢~");
        check("漢字", 2, "~");
        check("x", 0, "");
    }
}
