//! A sentence of a few words that is a value: of bounded length, and harmless to a terminal.

use std::fmt;

/// The most bytes of a sentence; a line of the log has room for it.
const MOST: usize = 94;

/// What a program gives as its reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Words {
    bytes: [u8; MOST],
    length: u8,
}

impl Words {
    /// As much of the text as fits, on one line; what would steer a terminal becomes a space.
    pub fn new(text: &str) -> Self {
        let mut words = Self { bytes: [0; MOST], length: 0 };
        for letter in text.trim().chars() {
            let letter = if is_harmless(letter) { letter } else { ' ' };
            let start = usize::from(words.length);
            let Some(room) = words.bytes.get_mut(start..start + letter.len_utf8()) else { break };
            letter.encode_utf8(room);
            words.length += letter.len_utf8() as u8;
        }
        words
    }

    /// The sentence.
    pub fn as_str(&self) -> &str {
        let text = std::str::from_utf8(&self.bytes[..usize::from(self.length)]);
        text.expect("whole letters were written")
    }
}

/// Neither a control character nor one that changes the direction or the joining of others.
fn is_harmless(letter: char) -> bool {
    let steers = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !letter.is_control() && !steers
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_kept_as_far_as_it_fits_and_steers_no_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(Words::new(text).as_str(), expected);
        check(" it gave most ", "it gave most");
        check("", "");
        check("a\u{1b}[2Jb\nc\u{202e}d", "a [2Jb c d");
        check(&"x".repeat(500), &"x".repeat(MOST));
        check(&"é".repeat(500), &"é".repeat(MOST / 2));
        check(&format!("{}€", "x".repeat(MOST - 2)), &"x".repeat(MOST - 2));
    }
}
