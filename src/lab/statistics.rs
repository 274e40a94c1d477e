//! From several runs to one number, and how sure it is.
//!
//! All are textbook: sample standard deviation (n - 1), Student's t for the 95 % interval of a
//! mean, the sign test for pairs, Jain's index of fairness.

/// Quantiles of Student's t at 0.975 for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// The arithmetic mean; of nothing there is none.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Half are below it; of an even number the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

/// The least value that `share` of all do not exceed (nearest rank).
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The standard deviation of a sample; of fewer than two there is none.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() >= 2)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The least and the most that the true mean has with 95 % confidence (Student's t).
pub fn interval(values: &[f64]) -> Option<(f64, f64)> {
    let (mean, deviation) = (mean(values)?, deviation(values)?);
    // Beyond the table the normal distribution is near enough.
    let t = T.get(values.len() - 2).copied().unwrap_or(1.96);
    let half = t * deviation / (values.len() as f64).sqrt();
    Some((mean - half, mean + half))
}

/// Jain's index: 1 if all get the same, 1/n if one gets everything (Jain, Chiu and Hawe 1984).
pub fn jain(values: &[f64]) -> Option<f64> {
    let squares: f64 = values.iter().map(|value| value * value).sum();
    let sum: f64 = values.iter().sum();
    (squares > 0.0).then(|| sum * sum / (values.len() as f64 * squares))
}

/// The two-sided sign test: how likely so uneven a split of signs is if neither side is better.
/// Zeros count for neither; without any sign the answer is 1.
pub fn sign_test(differences: &[f64]) -> f64 {
    let ups = differences.iter().filter(|&&difference| difference > 0.0).count();
    let downs = differences.iter().filter(|&&difference| difference < 0.0).count();
    let n = ups + downs;
    // Binomial coefficients in logarithms: a thousand pairs do not overflow.
    let log_choose =
        |k: usize| -> f64 { (1..=k).map(|i| ((n - k + i) as f64).ln() - (i as f64).ln()).sum() };
    let half = -(n as f64) * std::f64::consts::LN_2;
    let tail: f64 = (0..=ups.min(downs)).map(|k| (log_choose(k) + half).exp()).sum();
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: Option<f64>, expected: f64) {
        assert!(got.is_some_and(|got| (got - expected).abs() < 5e-4), "{got:?}, not {expected}");
    }

    #[test]
    fn middle_spread_and_tail_are_those_of_the_textbook() {
        let values = [4.0, 1.0, 3.0, 2.0, 10.0];
        near(mean(&values), 4.0);
        near(median(&values), 3.0);
        near(median(&values[..4]), 2.5);
        near(deviation(&values), 3.5355);
        near(quantile(&values, 0.95), 10.0);
        near(quantile(&values, 0.5), 3.0);
        near(quantile(&values, 0.0), 1.0);
        assert_eq!((mean(&[]), median(&[]), quantile(&[], 0.5)), (None, None, None));
        assert_eq!((deviation(&[1.0]), interval(&[1.0])), (None, None));
    }

    #[test]
    fn an_interval_is_as_wide_as_students_t_says() {
        let (low, high) = interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("five values");
        near(Some(low), 3.0 - 2.776 * 1.5811 / 5f64.sqrt());
        near(Some(high), 3.0 + 2.776 * 1.5811 / 5f64.sqrt());
        let many: Vec<f64> = (0..40).map(f64::from).collect();
        assert!(interval(&many).is_some());
    }

    #[test]
    fn fairness_goes_from_all_to_one_of_n() {
        near(jain(&[3.0, 3.0, 3.0]), 1.0);
        near(jain(&[5.0, 0.0, 0.0, 0.0]), 0.25);
        assert_eq!((jain(&[]), jain(&[0.0])), (None, None));
    }

    #[test]
    fn a_sign_test_counts_ups_and_downs() {
        // 10 of 10: 2 * (1/2)^10; 9 of 10: 2 * 11 / 1024; ties count for nobody.
        near(Some(sign_test(&[1.0; 10])), 0.001_953);
        let mut nine = [1.0; 10];
        nine[3] = -1.0;
        near(Some(sign_test(&nine)), 0.021_484);
        near(Some(sign_test(&[1.0, -1.0, 0.0])), 1.0);
        near(Some(sign_test(&[])), 1.0);
        assert!(sign_test(&[1.0; 2000]) >= 0.0);
    }
}
