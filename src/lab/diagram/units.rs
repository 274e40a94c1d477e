//! Numbers for people: bytes, times, and how many.

use std::time::Duration;

/// `16 KiB`, `1.0 MiB`, `512 B`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 && bytes.is_multiple_of(1024) {
        format!("{} {}", bytes / 1024, UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// How long: `0.9 s`, `12 ms`, `85 us`.
pub(super) fn span(time: Duration) -> String {
    match time.as_micros() {
        0 => "0 s".to_owned(),
        micros @ 1..1_000 => format!("{micros} us"),
        micros @ 1_000..100_000 => {
            let text = format!("{:.1}", micros as f64 / 1e3);
            format!("{} ms", text.strip_suffix(".0").unwrap_or(&text))
        }
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// How many digits behind the point tell moments of such a span apart.
pub(super) fn digits(span: Duration) -> usize {
    match span.as_secs_f64() {
        ..0.05 => 6,
        0.05..5.0 => 4,
        5.0..100.0 => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_times_are_short() {
        let check = |of: u64, text: &str| assert_eq!(bytes(of), text);
        check(0, "0 B");
        check(1023, "1023 B");
        check(16384, "16 KiB");
        check(5000, "4.9 KiB");
        check(1 << 20, "1.0 MiB");
        check(3 << 29, "1.5 GiB");
        check(u64::MAX, "16777216.0 TiB");
        let check = |micros, text: &str| assert_eq!(span(Duration::from_micros(micros)), text);
        check(0, "0 s");
        check(85, "85 us");
        check(12_000, "12 ms");
        check(1_540, "1.5 ms");
        check(900_000, "0.9 s");
        check(61_000_000, "61.0 s");
    }
}
