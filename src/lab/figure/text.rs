//! Text in figures and reports: escaped, measured without a font, wrapped.
//!
//! A figure knows no font, so widths are estimates on the wide side: what is laid out with them
//! does not overlap in any of the usual sans-serif fonts.

/// Text for the inside of an element or of a quoted attribute, of XML and of HTML.
///
/// Breaks become blanks; what XML does not allow and what turns the direction of the text around
/// it becomes the replacement character.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => out.push(' '),
            _ => push_escaped(&mut out, letter),
        }
    }
    out
}

/// The same, where breaks and tabs stay: for the inside of an element that shows them.
pub fn escaped_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => out.push(letter),
            '\r' => {}
            _ => push_escaped(&mut out, letter),
        }
    }
    out
}

/// Adds a letter, escaped; of breaks and tabs the replacement character.
pub fn push_escaped(out: &mut String, letter: char) {
    match letter {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        _ if is_harmful(letter) => out.push('\u{fffd}'),
        _ => out.push(letter),
    }
}

/// Control characters, those that XML 1.0 forbids, and those that reverse what follows.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{fffe}' | '\u{ffff}')
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// About how wide a text is at a font size, in the units of the size.
pub fn width(text: &str, size: f64) -> f64 {
    let hundredths: u64 = text.chars().map(hundredths).sum();
    hundredths as f64 / 100.0 * size
}

/// The width of a letter in hundredths of the font size.
fn hundredths(letter: char) -> u64 {
    match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '\u{a0}' => 33,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' => 40,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 92,
        'A'..='Z' => 72,
        _ if letter.is_ascii() => 59,
        '\u{80}'..='\u{2e7f}' => 64,
        _ => 104,
    }
}

/// A text in lines that are at most `most` wide; a word that is longer is broken.
pub fn wrapped(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&longer, size) <= most {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            if !line.is_empty() && width(&line, size) + width("m", size) > most {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A text that is at most `most` wide, its end replaced by an ellipsis if it is longer.
pub fn shortened(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if width(&short, size) + width("mm", size) > most {
            break;
        }
        short.push(letter);
    }
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element_or_attribute() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("a<b> & \"c\" 'd'", "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
        check("</svg><script>", "&lt;/svg&gt;&lt;script&gt;");
        check("one\ntwo\tthree", "one two three");
        check("\u{1b}[2J\0\u{202e}", "\u{fffd}[2J\u{fffd}\u{fffd}");
        assert_eq!(escaped_lines("a\r\n\tb < c\u{7}"), "a\n\tb &lt; c\u{fffd}");
    }

    #[test]
    fn lines_are_broken_at_blanks_and_too_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 10.0, 50.0), ["one two", "three"]);
        assert_eq!(wrapped("  ", 10.0, 50.0), Vec::<String>::new());
        let lines = wrapped(&"x".repeat(100), 10.0, 100.0);
        assert!(lines.iter().all(|line| width(line, 10.0) <= 100.0), "{lines:?}");
        assert_eq!(lines.concat().len(), 100);
        assert_eq!(shortened("a long name", 10.0, 40.0), "a lon…");
    }
}
