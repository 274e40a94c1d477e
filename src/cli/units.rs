//! Rates, sizes and durations: how people type them and how we print them.
//!
//! A rate and a number of bytes are decimal (kB/s, MB), a piece length is binary (KiB, MiB), and
//! no number mixes the two. Parsers are `FromStr`, so that a flag's type says its unit; their
//! errors say what was expected. Nothing here does I/O.

use std::str::FromStr;
use std::time::Duration;

/// Text that is not what a flag expects: the whole sentence is `expected ...`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct Expected(pub &'static str);

/// A limit on a rate: `None` when there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(pub Option<u64>);

impl FromStr for RateLimit {
    type Err = Expected;

    /// `500` is kB/s, `500k` and `2M` are bytes per second in decimal, `0` means no limit.
    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: Expected = Expected("a rate: 500 (kB/s), 500k, 2M, or 0 for no limit");
        let (number, unit) = number_and_unit(text).ok_or(EXPECTED)?;
        let unit = unit.strip_suffix("B/s").or(unit.strip_suffix("b/s")).unwrap_or(unit);
        let factor = match unit {
            "" if text.ends_with("/s") => 1.0,
            "" => 1e3,
            prefix => decimal(prefix).ok_or(EXPECTED)?,
        };
        let bytes = whole(number * factor).ok_or(EXPECTED)?;
        match bytes {
            0 if number > 0.0 => Err(EXPECTED),
            0 => Ok(Self(None)),
            bytes => Ok(Self(Some(bytes))),
        }
    }
}

/// The length of a piece: a power of two from 16 KiB to 256 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceLength(pub u32);

/// The shortest piece of BEP 52: one block.
const MIN_PIECE: u64 = 16 * 1024;

/// The longest power of two that the format takes and other clients load.
const MAX_PIECE: u64 = 256 * 1024 * 1024;

impl FromStr for PieceLength {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: Expected =
            Expected("a power of two from 16KiB to 256MiB: 512KiB, 1MiB, 512 (KiB) or plain bytes");
        let mut bytes = binary_size(text).ok_or(EXPECTED)?;
        // No piece is so short: `-s 512` means KiB to Transmission's users.
        if bytes < MIN_PIECE && text.bytes().all(|byte| byte.is_ascii_digit()) {
            bytes *= 1024;
        }
        let right = bytes.is_power_of_two() && (MIN_PIECE..=MAX_PIECE).contains(&bytes);
        right.then_some(Self(bytes as u32)).ok_or(EXPECTED)
    }
}

/// A length in bytes, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = Expected;

    /// `64M`, `64MB`, `500k` in decimal, as files are measured; a plain number is bytes.
    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: Expected = Expected("a size: 64M, 500k or plain bytes, at least 1");
        let (number, unit) = number_and_unit(text).ok_or(EXPECTED)?;
        let factor = match unit.strip_suffix('B').unwrap_or(unit) {
            "" => 1.0,
            prefix => decimal(prefix).ok_or(EXPECTED)?,
        };
        let bytes = whole(number * factor).filter(|&bytes| bytes > 0);
        bytes.map(Self).ok_or(EXPECTED)
    }
}

/// How many a decimal prefix stands for.
fn decimal(prefix: &str) -> Option<f64> {
    Some(match prefix {
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        _ => return None,
    })
}

/// A size in binary units: `512KiB`, `512k`, `1MiB`, `1m` or plain bytes.
pub fn binary_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit {
        "" | "B" => 1.0,
        "k" | "K" | "KiB" | "kib" => 1024.0,
        "m" | "M" | "MiB" | "mib" => 1024.0 * 1024.0,
        "g" | "G" | "GiB" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number * factor;
    (bytes.fract() == 0.0).then(|| whole(bytes)).flatten()
}

/// How long something takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan(pub Duration);

impl FromStr for TimeSpan {
    type Err = Expected;

    /// `500ms`, `60s`, `5m`, `2h`; a plain number is seconds.
    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: Expected = Expected("a duration: 500ms, 60s, 5m, 2h or plain seconds");
        let (number, unit) = number_and_unit(text).ok_or(EXPECTED)?;
        let seconds = match unit {
            "ms" => number / 1e3,
            "" | "s" => number,
            "m" | "min" => number * 60.0,
            "h" => number * 3600.0,
            "d" => number * 86_400.0,
            _ => return Err(EXPECTED),
        };
        // A century is longer than any program runs and short enough to be added to a moment.
        if seconds > 100.0 * 366.0 * 86_400.0 {
            return Err(EXPECTED);
        }
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| EXPECTED)
    }
}

/// A factor above zero, such as a time scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factor(pub f64);

impl FromStr for Factor {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match number_and_unit(text) {
            Some((number, "")) if (1e-3..=1e6).contains(&number) => Ok(Self(number)),
            _ => Err(Expected("a number from 0.001 to 1000000")),
        }
    }
}

/// A ratio, zero or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(pub f64);

impl FromStr for Ratio {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match number_and_unit(text) {
            Some((number, "")) => Ok(Self(number)),
            _ => Err(Expected("a ratio such as 1.5")),
        }
    }
}

/// How many of something: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtLeastOne(pub usize);

impl FromStr for AtLeastOne {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.parse() {
            Ok(0) | Err(_) => Err(Expected("a whole number, at least 1")),
            Ok(number) => Ok(Self(number)),
        }
    }
}

/// How many of something: zero or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub usize);

impl FromStr for Count {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        text.parse().map(Self).map_err(|_| Expected("a whole number"))
    }
}

/// Splits `1.5M` into 1.5 and `M`; digits and one dot only, so neither signs nor `inf`.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// The whole number nearest to `value`, when it fits 53 bits.
fn whole(value: f64) -> Option<u64> {
    (0.0..9e15).contains(&value).then_some(value.round() as u64)
}

/// A rate for people: `0 kB/s`, `0.4 kB/s`, `512 kB/s`, `30.9 MB/s`, `1.2 GB/s`.
pub fn rate(bytes_per_second: u64) -> String {
    match bytes_per_second {
        0 => "0 kB/s".into(),
        1..9_950 => format!("{:.1} kB/s", (bytes_per_second as f64 / 1e3).max(0.1)),
        9_950..999_500 => format!("{:.0} kB/s", bytes_per_second as f64 / 1e3),
        999_500..99_950_000 => format!("{:.1} MB/s", bytes_per_second as f64 / 1e6),
        99_950_000..999_500_000 => format!("{:.0} MB/s", bytes_per_second as f64 / 1e6),
        _ => format!("{:.1} GB/s", bytes_per_second as f64 / 1e9),
    }
}

/// A number of bytes for people, decimal: `999 B`, `16.4 kB`, `500 MB`, `1.1 GB`.
pub fn bytes(count: u64) -> String {
    let (divisor, unit) = decimal_unit(count);
    format!("{} {unit}", in_unit(count, divisor))
}

/// Two numbers of bytes in the unit of the second: `210/500 MB`.
pub fn bytes_of(done: u64, total: u64) -> String {
    let (divisor, unit) = decimal_unit(total);
    format!("{}/{} {unit}", in_unit(done, divisor), in_unit(total, divisor))
}

/// The unit in which a number of bytes has one to three digits before the point.
fn decimal_unit(count: u64) -> (u64, &'static str) {
    match count {
        0..1_000 => (1, "B"),
        1_000..999_500 => (1_000, "kB"),
        999_500..999_500_000 => (1_000_000, "MB"),
        999_500_000..999_500_000_000 => (1_000_000_000, "GB"),
        _ => (1_000_000_000_000, "TB"),
    }
}

/// `count / divisor` with one decimal where it says something.
fn in_unit(count: u64, divisor: u64) -> String {
    let value = count as f64 / divisor as f64;
    let digits = usize::from(divisor > 1 && value < 99.95);
    let text = format!("{value:.digits$}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

/// A piece length, binary: `512 KiB`, `1 MiB`, or bytes when it is no whole number of KiB.
pub fn piece_length(bytes: u32) -> String {
    const KIB: u32 = 1 << 10;
    const MIB: u32 = 1 << 20;
    match bytes {
        _ if bytes > 0 && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ if bytes > 0 && bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    }
}

/// How long something took: `0.4 s`, `16.2 s`, `3 min 4 s`, `2 h 5 min`.
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 59.95 { format!("{seconds:.1} s") } else { long(seconds.round() as u64) }
}

/// How long something will take, in whole seconds, rounded up: `9 s`, `3 min 4 s`.
pub fn eta(time: Duration) -> String {
    long(time.as_secs_f64().ceil() as u64)
}

/// The same for a narrow column: `9 s`, `3:04`, `2 h 5 min`.
pub fn short_eta(time: Duration) -> String {
    match time.as_secs_f64().ceil() as u64 {
        seconds @ 60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        seconds => long(seconds),
    }
}

fn long(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<T: FromStr>(text: &str) -> Option<T> {
        text.parse().ok()
    }

    #[test]
    fn a_size_is_decimal_and_at_least_one_byte() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(text.parse().ok(), expected.map(Size), "{text}");
        };
        check("64M", Some(64_000_000));
        check("64MB", Some(64_000_000));
        check("1.5k", Some(1500));
        check("1 G", Some(1_000_000_000));
        check("1", Some(1));
        check("7B", Some(7));
        for bad in ["", "0", "0.4", "0M", "M", "-1", "64MiB", "1e9", "99999999999G", "64 M B"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_plain_rate_is_in_kilobytes_and_zero_means_none() {
        let check = |text: &str, expected: Option<Option<u64>>| {
            assert_eq!(parsed(text).map(|RateLimit(limit)| limit), expected, "{text}");
        };
        check("500", Some(Some(500_000)));
        check("0.5", Some(Some(500)));
        check("500k", Some(Some(500_000)));
        check("500kB/s", Some(Some(500_000)));
        check("1.5M", Some(Some(1_500_000)));
        check("2MB/s", Some(Some(2_000_000)));
        check("800B/s", Some(Some(800)));
        check("1G", Some(Some(1_000_000_000)));
        check("0", Some(None));
        check("0M", Some(None));
        for wrong in ["", "fast", "-1", "1MiB", "1KiB/s", "inf", "1e3", "1..2", "0.0001", "k", "."]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn a_piece_length_is_a_binary_power_of_two_of_at_least_a_block() {
        let check = |text: &str, expected: Option<u32>| {
            assert_eq!(parsed(text).map(|PieceLength(bytes)| bytes), expected, "{text}");
        };
        check("512KiB", Some(524_288));
        check("512 KiB", Some(524_288));
        check("512k", Some(524_288));
        check("1MiB", Some(1_048_576));
        check("1m", Some(1_048_576));
        check("0.5MiB", Some(524_288));
        check("16384", Some(16_384));
        check("16", Some(16_384));
        check("512", Some(524_288));
        check("8192", Some(8_388_608));
        check("256MiB", Some(268_435_456));
        for wrong in
            ["8KiB", "16383", "500k", "512kB", "1MB", "512MiB", "0", "", "many", "99999999g"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn a_plain_duration_is_in_seconds() {
        let check = |text: &str, millis: Option<u64>| {
            let time = millis.map(Duration::from_millis);
            assert_eq!(parsed(text).map(|TimeSpan(time)| time), time, "{text}");
        };
        check("60s", Some(60_000));
        check("60", Some(60_000));
        check("1.5", Some(1_500));
        check("500ms", Some(500));
        check("5m", Some(300_000));
        check("2h", Some(7_200_000));
        check("0", Some(0));
        for wrong in ["", "s", "-1s", "5 weeks", "1h30m", "99999999999d", "NaN"] {
            check(wrong, None);
        }
    }

    #[test]
    fn factors_and_counts_that_make_no_sense_are_refused() {
        assert_eq!(parsed("60"), Some(Factor(60.0)));
        assert_eq!(parsed::<Factor>("0"), None);
        assert_eq!(parsed("0"), Some(Ratio(0.0)));
        assert_eq!(parsed::<Ratio>("-1"), None);
        assert_eq!(parsed("7"), Some(AtLeastOne(7)));
        assert_eq!(parsed::<AtLeastOne>("0"), None);
        assert_eq!(parsed("0"), Some(Count(0)));
        assert_eq!(parsed::<Count>("1.5"), None);
    }

    #[test]
    fn rates_print_in_decimal_units() {
        let check = |bytes, expected: &str| assert_eq!(rate(bytes), expected);
        check(0, "0 kB/s");
        check(1, "0.1 kB/s");
        check(400, "0.4 kB/s");
        check(9_949, "9.9 kB/s");
        check(9_950, "10 kB/s");
        check(512_000, "512 kB/s");
        check(999_499, "999 kB/s");
        check(999_500, "1.0 MB/s");
        check(30_864_198, "30.9 MB/s");
        check(99_950_000, "100 MB/s");
        check(530_000_000, "530 MB/s");
        check(1_234_000_000, "1.2 GB/s");
    }

    #[test]
    fn bytes_print_in_decimal_units_and_piece_lengths_in_binary_ones() {
        let check = |count, expected: &str| assert_eq!(bytes(count), expected);
        check(0, "0 B");
        check(999, "999 B");
        check(1_000, "1 kB");
        check(16_384, "16.4 kB");
        check(999_499, "999 kB");
        check(999_500, "1 MB");
        check(500_000_000, "500 MB");
        check(1_073_741_824, "1.1 GB");
        check(u64::MAX, "18446744 TB");
        assert_eq!(bytes_of(210_000_000, 500_000_000), "210/500 MB");
        assert_eq!(bytes_of(1_500_000, 500_000_000), "1.5/500 MB");
        assert_eq!(bytes_of(0, 999), "0/999 B");
        assert_eq!(piece_length(16_384), "16 KiB");
        assert_eq!(piece_length(1 << 20), "1 MiB");
        assert_eq!(piece_length(1_000), "1000 B");
        assert_eq!(piece_length(0), "0 B");
    }

    #[test]
    fn durations_print_as_people_say_them() {
        let check = |millis, expected: &str| {
            assert_eq!(took(Duration::from_millis(millis)), expected);
        };
        check(0, "0.0 s");
        check(16_240, "16.2 s");
        check(59_949, "59.9 s");
        check(59_950, "1 min 0 s");
        check(184_000, "3 min 4 s");
        check(7_500_000, "2 h 5 min");
        check(180_000_000, "2 d 2 h");
        assert_eq!(eta(Duration::from_millis(8_100)), "9 s");
        assert_eq!(eta(Duration::from_millis(59_100)), "1 min 0 s");
        assert_eq!(short_eta(Duration::from_secs(9)), "9 s");
        assert_eq!(short_eta(Duration::from_secs(184)), "3:04");
        assert_eq!(short_eta(Duration::from_mins(125)), "2 h 5 min");
    }
}
