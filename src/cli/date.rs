//! Dates: seconds of the Unix epoch as a day and a time, in UTC, and the other way from now.
//!
//! ```text
//! 1700000000  ->  2023-11-14 22:13:20 UTC
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_A_DAY: i64 = 86_400;

/// Now, in seconds of the Unix epoch: what a new torrent says unless it is to be anonymous.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// A moment for people. What is no year of four digits is shown as the number that it is.
pub fn date(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(SECONDS_A_DAY), seconds.rem_euclid(SECONDS_A_DAY));
    let (year, month, day) = civil(days);
    if !(0..=9999).contains(&year) {
        return format!("{seconds} s since 1970");
    }
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day counted from 1970-01-01. Years are counted from March, so that
/// the leap day is the last, and in eras of 400 years, which all have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let from_march_0 = days.saturating_add(719_468);
    let (era, day_of_era) = (from_march_0.div_euclid(146_097), from_march_0.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + 400 * era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_utc() {
        let check = |seconds, expected: &str| assert_eq!(date(seconds), expected);
        check(0, "1970-01-01 00:00:00 UTC");
        check(1_700_000_000, "2023-11-14 22:13:20 UTC");
        check(951_782_399, "2000-02-28 23:59:59 UTC");
        check(951_782_400, "2000-02-29 00:00:00 UTC");
        check(4_107_542_400, "2100-03-01 00:00:00 UTC");
        check(-1, "1969-12-31 23:59:59 UTC");
        check(i64::MAX, "9223372036854775807 s since 1970");
        check(i64::MIN, "-9223372036854775808 s since 1970");
    }

    #[test]
    fn now_is_after_this_was_written() {
        assert!(now() > 1_700_000_000);
    }
}
