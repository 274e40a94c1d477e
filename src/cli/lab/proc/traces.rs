//! The traces of all peers as one timeline, whose zero is the start of the run.

use super::player::Player;
use crate::lab::outcome::Watch;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::Instant;

/// Gives whoever watches all lines in order of time; what was before the start was at it.
pub fn replay(players: &[Player], begun: Instant, watch: &mut dyn Watch) -> io::Result<()> {
    let mut all = Vec::new();
    for player in players {
        let (Some(path), Some(origin)) = (&player.trace, player.origin) else { continue };
        let before = begun.saturating_duration_since(origin).as_secs_f64();
        let after = origin.saturating_duration_since(begun).as_secs_f64();
        for line in BufReader::new(File::open(path)?).lines() {
            all.extend(shifted(&line?, after - before));
        }
    }
    all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    all.iter().for_each(|(_, line)| watch.trace(line));
    Ok(())
}

/// A line of a trace by another clock, with its time; none if it has no time, as the last line of
/// a process that was killed.
fn shifted(line: &str, by: f64) -> Option<(f64, String)> {
    let (time, rest) = line.strip_prefix(r#"{"t":"#)?.split_once(',')?;
    let time = (time.parse::<f64>().ok()? + by).max(0.0);
    line.ends_with('}').then(|| (time, format!("{{\"t\":{time:.6},{rest}\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gets_the_time_of_the_run() {
        let line = r#"{"t":2.500000,"n":"ann","ev":"x"}"#;
        let (time, moved) = shifted(line, -1.25).expect("a line");
        assert!((time - 1.25).abs() < 1e-9);
        assert_eq!(moved, "{\"t\":1.250000,\"n\":\"ann\",\"ev\":\"x\"}\n");
        assert!(shifted(line, -9.0).expect("a line").1.starts_with("{\"t\":0.000000,"));
        for half in ["", "{", r#"{"t":1.0"#, r#"{"t":1.0,"n":"an"#, r#"{"t":x,"n":1}"#] {
            assert_eq!(shifted(half, 0.0), None, "{half}");
        }
    }
}
