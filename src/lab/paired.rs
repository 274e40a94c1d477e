//! Two settings over the same seeds: how much one differs from the other, and how sure that is.
//!
//! Each seed gives a pair, so what luck does to both alike falls out (Jain, *The Art of Computer
//! Systems Performance Analysis*, chapter 13).

use super::statistics::{interval, mean, sign_test};

/// The change of a measure, relative to where it started.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// Its mean over the pairs: 0.041 is 4.1 % more.
    pub change: f64,
    /// The 95 % interval of that mean; of one pair there is none.
    pub interval: Option<(f64, f64)>,
    /// The sign test's answer.
    pub p: f64,
    /// How many pairs.
    pub pairs: usize,
}

impl Paired {
    /// The change from each value to its counterpart; `None` if there is no pair to compare.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let pairs = pairs.iter().filter(|(base, _)| *base != 0.0);
        let changes: Vec<f64> = pairs.map(|(base, changed)| changed / base - 1.0).collect();
        Some(Self {
            change: mean(&changes)?,
            interval: interval(&changes),
            p: sign_test(&changes),
            pairs: changes.len(),
        })
    }

    /// As a sentence about a measure: `mean is 4.1 % slower (95 % CI 1.2 to 7.0, 10 seeds, sign test
    /// p = 0.02)`.
    pub fn sentence(&self, metric: &str) -> String {
        let seeds = if self.pairs == 1 { "1 seed".into() } else { format!("{} seeds", self.pairs) };
        let interval = self.interval.map(|(low, high)| {
            // As the change is told: positive in its own direction.
            let (low, high) = if self.change < 0.0 { (-high, -low) } else { (low, high) };
            format!("95 % CI {:.1} to {:.1}, ", low * 100.0, high * 100.0)
        });
        format!(
            "{metric} is {} ({}{seeds}, sign test p = {})",
            self.words(metric),
            interval.unwrap_or_default(),
            probability(self.p)
        )
    }

    /// `4.1 % slower`.
    pub fn words(&self, metric: &str) -> String {
        let percent = format!("{:.1} %", self.change.abs() * 100.0);
        if percent == "0.0 %" {
            return "the same".into();
        }
        let is_time = ["D", "mean", "p95", "tail", "T"].iter().any(|time| {
            metric == *time || metric.strip_prefix(time).is_some_and(|r| r.starts_with('.'))
        });
        let word = match (is_time, self.change > 0.0) {
            (true, true) => "slower",
            (true, false) => "faster",
            (false, true) => "more",
            (false, false) => "less",
        };
        format!("{percent} {word}")
    }
}

fn probability(p: f64) -> String {
    if p < 0.001 { "0.001 or less".into() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_one_sentence() {
        let check = |pairs: &[(f64, f64)], metric: &str, expected: &str| {
            let paired = Paired::of(pairs).expect("there are pairs");
            assert_eq!(paired.sentence(metric), expected);
        };
        check(
            &[(10.0, 10.4), (20.0, 20.8), (10.0, 10.5)],
            "mean",
            "mean is 4.3 % slower (95 % CI 2.9 to 5.8, 3 seeds, sign test p = 0.250)",
        );
        check(
            &[(10.0, 9.0), (10.0, 9.2)],
            "mean.rider",
            "mean.rider is 9.0 % faster (95 % CI -3.7 to 21.7, 2 seeds, sign test p = 0.500)",
        );
        check(&[(10.0, 5.0)], "jain", "jain is 50.0 % less (1 seed, sign test p = 1.000)");
        check(
            &[(10.0, 10.0), (5.0, 5.0)],
            "D",
            "D is the same (95 % CI 0.0 to 0.0, 2 seeds, sign test p = 1.000)",
        );
        assert_eq!(Paired::of(&[]), None);
        assert_eq!(Paired::of(&[(0.0, 1.0)]), None);
    }
}
