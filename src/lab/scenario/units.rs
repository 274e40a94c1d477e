//! Quantities of a scenario: sizes, rates, times, shares.
//!
//! ```text
//! "64MiB" "500kB" 1024      "1MiB/s" "300kB/s" "20Mbit/s" "unlimited"      "30s" "20min" "100ms"
//! ```
//! `k`, `M`, `G` are decimal, `Ki`, `Mi`, `Gi` binary, as in the books; a number alone is bytes,
//! bytes per second or seconds. Errors say what was expected.

use std::time::Duration;

/// The least and the most bytes per second of a link: below, a block takes an hour.
const RATES: std::ops::RangeInclusive<f64> = 1.0..=1e12;

/// The most bytes of a content.
const MOST_BYTES: f64 = 1e15;

/// The longest time: a year.
const LONGEST: f64 = 366.0 * 86_400.0;

/// A text or a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A text, its variables filled in.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
}

impl Term {
    /// As it was written, for a sentence.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Number(number) => number.to_string(),
            Self::Flag(on) => on.to_string(),
        }
    }

    /// The number and what follows it.
    fn split(&self) -> Option<(f64, &str)> {
        match self {
            Self::Number(number) => Some((*number, "")),
            Self::Flag(_) => None,
            Self::Text(text) => {
                let text = text.trim();
                let sign = usize::from(text.starts_with('-'));
                let is_number = |c: char| c.is_ascii_digit() || c == '.';
                let end = text[sign..].find(|c| !is_number(c)).map_or(text.len(), |at| at + sign);
                Some((text[..end].parse().ok()?, text[end..].trim_start()))
            }
        }
    }
}

/// Bytes, at least one.
pub fn size(term: &Term) -> Result<u64, String> {
    const EXPECTED: &str = "expected a size from 1 byte to 1 PB: 64MiB, 500kB or plain bytes";
    let (number, unit) = term.split().ok_or(EXPECTED)?;
    let factor = match unit.strip_suffix('B').unwrap_or(unit) {
        "" => 1.0,
        prefix => power(prefix).ok_or(EXPECTED)?,
    };
    let bytes = (number * factor).round();
    if (1.0..=MOST_BYTES).contains(&bytes) { Ok(bytes as u64) } else { Err(EXPECTED.into()) }
}

/// Bytes per second; `None` is unlimited.
pub fn rate(term: &Term) -> Result<Option<u64>, String> {
    const EXPECTED: &str =
        "expected a rate from 1B/s to 1TB/s: 1MiB/s, 300kB/s, 20Mbit/s or unlimited";
    if matches!(term, Term::Text(text) if text.trim() == "unlimited") {
        return Ok(None);
    }
    let (number, unit) = term.split().ok_or(EXPECTED)?;
    let unit = match unit {
        "" => "",
        unit => unit.strip_suffix("/s").or(unit.strip_suffix("ps")).ok_or(EXPECTED)?,
    };
    let (prefix, each) = match unit.strip_suffix("bit").or(unit.strip_suffix('b')) {
        Some(prefix) => (prefix, 0.125),
        None => (unit.strip_suffix('B').unwrap_or(unit), 1.0),
    };
    let factor = if prefix.is_empty() { 1.0 } else { power(prefix).ok_or(EXPECTED)? };
    let bytes = (number * factor * each).round();
    if RATES.contains(&bytes) { Ok(Some(bytes as u64)) } else { Err(EXPECTED.into()) }
}

/// How long something takes.
pub fn time(term: &Term) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a time up to a year: 100ms, 30s, 20min, 2h or plain seconds";
    let (number, unit) = term.split().ok_or(EXPECTED)?;
    let seconds = match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "" | "s" => number,
        "min" | "m" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return Err(EXPECTED.into()),
    };
    if !(0.0..=LONGEST).contains(&seconds) {
        return Err(EXPECTED.into());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| EXPECTED.into())
}

/// From 0 to just below 1: `0.05` or `5%`.
pub fn share(term: &Term) -> Result<f64, String> {
    const EXPECTED: &str = "expected a share from 0 to less than 1: 0.05 or 5%";
    let share = match term.split().ok_or(EXPECTED)? {
        (number, "") => number,
        (number, "%") => number / 100.0,
        _ => return Err(EXPECTED.into()),
    };
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err(EXPECTED.into()) }
}

/// A number in a range, which the sentence names.
pub fn number(term: &Term, least: f64, most: f64) -> Result<f64, String> {
    match term.split() {
        Some((number, "")) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from {least} to {most}")),
    }
}

/// A whole number in a range, which the sentence names.
pub fn whole(term: &Term, least: usize, most: usize) -> Result<usize, String> {
    match term.split() {
        Some((number, ""))
            if number.fract() == 0.0 && (least as f64..=most as f64).contains(&number) =>
        {
            Ok(number as usize)
        }
        _ => Err(format!("expected a whole number from {least} to {most}")),
    }
}

/// True or false, also in words.
pub fn flag(term: &Term) -> Result<bool, String> {
    match term {
        Term::Flag(on) => Ok(*on),
        Term::Text(word) if ["on", "true", "yes"].contains(&word.as_str()) => Ok(true),
        Term::Text(word) if ["off", "false", "no"].contains(&word.as_str()) => Ok(false),
        _ => Err("expected true or false".into()),
    }
}

/// A text that is not empty.
pub fn text(term: &Term) -> Result<String, String> {
    match term {
        Term::Text(text) if !text.trim().is_empty() => Ok(text.clone()),
        _ => Err("expected a text".into()),
    }
}

/// How many a prefix stands for.
fn power(prefix: &str) -> Option<f64> {
    Some(match prefix {
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Term {
        Term::Text(text.into())
    }

    #[test]
    fn sizes_are_decimal_or_binary() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(size(&word(text)).ok(), expected, "{text}");
        };
        check("64MiB", Some(64 << 20));
        check("500kB", Some(500_000));
        check("1.5 MB", Some(1_500_000));
        check("12", Some(12));
        for wrong in ["0", "-5", "-1MiB", "MiB", "1XB", "2PB", "", "1e400", "1000TiB"] {
            check(wrong, None);
        }
        assert_eq!(size(&Term::Number(7.0)), Ok(7));
    }

    #[test]
    fn rates_are_bytes_or_bits_per_second() {
        let check = |text: &str, expected: Result<Option<u64>, ()>| {
            assert_eq!(rate(&word(text)).map_err(|_| ()), expected, "{text}");
        };
        check("1MiB/s", Ok(Some(1 << 20)));
        check("300kB/s", Ok(Some(300_000)));
        check("20Mbit/s", Ok(Some(2_500_000)));
        check("30Mbps", Ok(Some(3_750_000)));
        check("1000", Ok(Some(1000)));
        check("unlimited", Ok(None));
        for wrong in ["0", "0kB/s", "-1MiB/s", "1MiB", "fast", "2000GB/s"] {
            check(wrong, Err(()));
        }
    }

    #[test]
    fn times_and_shares_are_within_reason() {
        let seconds = |text: &str| time(&word(text)).ok().map(|time| time.as_secs_f64());
        assert_eq!(seconds("100ms"), Some(0.1));
        assert_eq!(seconds("20min"), Some(1200.0));
        assert_eq!(seconds("1.5"), Some(1.5));
        assert_eq!((seconds("-1s"), seconds("400d"), seconds("1 week")), (None, None, None));
        assert_eq!(share(&word("5%")), Ok(0.05));
        assert_eq!(share(&Term::Number(0.0)), Ok(0.0));
        assert!(share(&Term::Number(1.0)).is_err());
        assert!(whole(&Term::Number(1.5), 0, 9).is_err());
        assert_eq!(whole(&word("9"), 0, 9), Ok(9));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_unit_panic(text in "\\PC{0,12}") {
            let term = word(&text);
            let _ = (size(&term), rate(&term), time(&term), share(&term), whole(&term, 0, 9));
        }
    }
}
