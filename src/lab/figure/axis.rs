//! An axis: what it spans, where its ticks are, and how numbers are written.
//!
//! Ticks are 1, 2 or 5 times a power of ten. Powers come from their decimal text and exponents from
//! Rust's own formatting, so that no mathematical library of a system has a say in them.

/// Beyond these, nothing is drawn: differences of such numbers would be infinite or nothing.
const LARGEST: f64 = 1e100;
const SMALLEST: f64 = 1e-100;

/// About how many steps a linear axis has.
const STEPS: f64 = 6.0;

/// The most ticks of a logarithmic axis that has them inside its decades.
const MOST_INSIDE: usize = 10;

/// The most decades that are labelled.
const MOST_DECADES: i32 = 8;

/// A line across the plot, and what stands at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where, in the units of the data.
    pub value: f64,
    /// As text.
    pub label: String,
}

/// What an axis spans; every value of the data lies within.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// In rising order.
    pub ticks: Vec<Tick>,
}

/// Whether a value can be drawn: it is finite, of sensible size, and on a logarithmic axis positive.
pub fn has_place(value: f64, logarithmic: bool) -> bool {
    value.is_finite() && value.abs() <= LARGEST && (!logarithmic || value >= SMALLEST)
}

impl Scale {
    /// An axis over values that all have a place; none if there are no values.
    pub fn over(values: impl Iterator<Item = f64>, logarithmic: bool) -> Option<Self> {
        let (low, high) = values.fold(None, |span: Option<(f64, f64)>, value| {
            Some(span.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })?;
        Some(if logarithmic { Self::logarithmic(low, high) } else { Self::linear(low, high) })
    }

    /// An axis of words: each in the middle of its own slot.
    pub fn of_words(words: &[String]) -> Self {
        let tick = |(at, word): (usize, &String)| Tick { value: at as f64, label: word.clone() };
        Self {
            low: -0.5,
            high: words.len() as f64 - 0.5,
            logarithmic: false,
            ticks: words.iter().enumerate().map(tick).collect(),
        }
    }

    fn linear(low: f64, high: f64) -> Self {
        let (low, high) = roomy(low, high);
        let step = step((high - low) / STEPS);
        // A bound that is a multiple of the step but for rounding is its own tick.
        let first = (low / step + 1e-9).floor() as i64;
        let last = (high / step - 1e-9).ceil() as i64;
        let ticks = (first..=last).map(|n| n as f64 * step);
        let most = ticks.clone().fold(0.0, |most: f64, tick| most.max(tick.abs()));
        let scientific = most >= 1e7 || step < 1e-5;
        let label = |value: f64| {
            if scientific { power(value, step) } else { plain(value, decimals(step)) }
        };
        Self {
            low: first as f64 * step,
            high: last as f64 * step,
            logarithmic: false,
            ticks: ticks.map(|value| Tick { value, label: label(value) }).collect(),
        }
    }

    fn logarithmic(low: f64, high: f64) -> Self {
        let (low, high) =
            if high / low < 1.000_000_1 { (low / 2.0, high * 2.0) } else { (low, high) };
        let (first, last) = (exponent(low) - 1, exponent(high) + 1);
        let all: Vec<f64> = (first..=last)
            .flat_map(|decade| [1.0, 2.0, 5.0].map(|times| times * ten(decade)))
            .collect();
        let from = all.iter().rposition(|&tick| tick <= low * (1.0 + 1e-9)).unwrap_or(0);
        let to = all.iter().position(|&tick| tick >= high * (1.0 - 1e-9)).unwrap_or(all.len() - 1);
        let (mut low, mut high) = (all[from], all[to]);
        let mut ticks = all[from..=to].to_vec();
        if ticks.len() > MOST_INSIDE {
            let (first, last) = (exponent(low), exponent(high));
            let stride = (last - first + MOST_DECADES) / MOST_DECADES;
            ticks = (first..=last + 1).step_by(stride.max(1) as usize).map(ten).collect();
            ticks.retain(|&tick| tick <= high);
            low = low.min(ticks[0]);
            high = high.max(ticks[ticks.len() - 1]);
        }
        let ticks = ticks.into_iter().map(|value| Tick { value, label: number(value, 1) });
        Self { low, high, logarithmic: true, ticks: ticks.collect() }
    }

    /// How far along the axis a value lies: 0 at its beginning, 1 at its end.
    pub fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// A span that is worth an axis: from zero unless the values are close together far from it.
fn roomy(low: f64, high: f64) -> (f64, f64) {
    let largest = low.abs().max(high.abs());
    if largest < SMALLEST {
        return (0.0, 1.0);
    }
    let low = if low > 0.0 && low < 0.7 * high { 0.0 } else { low };
    let high = if high < 0.0 && high > 0.7 * low { 0.0 } else { high };
    if high - low < 1e-6 * largest {
        return (low - 0.1 * largest, high + 0.1 * largest);
    }
    (low, high)
}

/// The least of 1, 2, 5 times a power of ten that is not below `least`.
fn step(least: f64) -> f64 {
    let power = ten(exponent(least));
    let times = least / power;
    let fits = [1.0, 2.0, 5.0].into_iter().find(|fits| times <= fits * (1.0 + 1e-9));
    fits.unwrap_or(10.0) * power
}

/// The power of ten at or below the size of a number that is not zero.
fn exponent(value: f64) -> i32 {
    let text = format!("{value:e}");
    text.rsplit('e').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn ten(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().expect("a power of ten is a number")
}

/// How many decimals tell multiples of a step apart.
fn decimals(step: f64) -> usize {
    usize::try_from(-exponent(step)).unwrap_or(0)
}

/// A number for people, to so many significant digits: `0.778`, `45 455`, `2×10⁷`.
pub fn number(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { "not finite".into() };
    }
    // Rounding may reach the next power of ten.
    let rounded: f64 = format!("{value:.*e}", digits.max(1) - 1).parse().unwrap_or(value);
    let exponent = exponent(rounded);
    if !(-4..7).contains(&exponent) {
        return power(rounded, ten(exponent - digits.max(1) as i32 + 1));
    }
    let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
    let text = plain(rounded, decimals);
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

/// With so many decimals, thousands apart from five digits on.
fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    let zero = text.bytes().all(|byte| byte == b'0' || byte == b'.');
    if value < 0.0 && !zero {
        out.push('−');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && whole.len() > 4 && (whole.len() - at).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out + rest
}

/// As `1.5×10⁷`, with the digits that tell multiples of `step` apart.
fn power(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let digits = usize::try_from(exponent(value) - exponent(step)).unwrap_or(0);
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').expect("it is written with an exponent");
    let mantissa = mantissa.replace('-', "−");
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        mantissa
    };
    let raised: String = exponent.chars().map(raised).collect();
    match mantissa.strip_suffix('1') {
        Some(sign) if sign.is_empty() || sign == "−" => format!("{sign}10{raised}"),
        _ => format!("{mantissa}×10{raised}"),
    }
}

fn raised(digit: char) -> char {
    match digit {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁻',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assume, proptest};

    fn labels(values: &[f64], logarithmic: bool) -> Vec<String> {
        let scale = Scale::over(values.iter().copied(), logarithmic).expect("there are values");
        scale.ticks.into_iter().map(|tick| tick.label.replace('\u{a0}', " ")).collect()
    }

    #[test]
    fn ticks_are_1_2_or_5_times_a_power_of_ten() {
        let check = |values: &[f64], expected: &[&str]| {
            assert_eq!(labels(values, false), expected, "{values:?}");
        };
        check(&[1.0, 35.0], &["0", "10", "20", "30", "40"]);
        check(&[0.1, 0.7778], &["0.0", "0.2", "0.4", "0.6", "0.8"]);
        check(&[1.0, 1.05], &["1.00", "1.01", "1.02", "1.03", "1.04", "1.05"]);
        check(&[7500.0, 45455.0], &["0", "10 000", "20 000", "30 000", "40 000", "50 000"]);
        check(&[-3.0, 5.0], &["−4", "−2", "0", "2", "4", "6"]);
        check(&[0.0, 3e7], &["0", "5×10⁶", "10⁷", "1.5×10⁷", "2×10⁷", "2.5×10⁷", "3×10⁷"]);
        check(&[0.0, 0.0], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(&[5.0], &["4.4", "4.6", "4.8", "5.0", "5.2", "5.4", "5.6"]);
    }

    #[test]
    fn a_logarithmic_axis_has_1_2_5_over_a_few_decades_and_powers_over_many() {
        let check = |values: &[f64], expected: &[&str]| {
            assert_eq!(labels(values, true), expected, "{values:?}");
        };
        check(&[10.0, 1000.0], &["10", "20", "50", "100", "200", "500", "1000"]);
        check(&[3.0, 40.0], &["2", "5", "10", "20", "50"]);
        check(&[1.0, 1e5], &["1", "10", "100", "1000", "10 000", "100 000"]);
        check(&[7.0], &["2", "5", "10", "20"]);
    }

    #[test]
    fn numbers_are_written_to_their_significant_digits() {
        let check = |value: f64, digits: usize, expected: &str| {
            assert_eq!(number(value, digits).replace('\u{a0}', " "), expected);
        };
        check(0.777_77, 4, "0.7778");
        check(0.1, 4, "0.1");
        check(45_454.545, 5, "45 455");
        check(45_454.545, 2, "45 000");
        check(999.97, 4, "1000");
        check(-0.5, 3, "−0.5");
        check(2.0e7, 3, "2×10⁷");
        check(1.25e-9, 3, "1.25×10⁻⁹");
        check(f64::NAN, 3, "not finite");
    }

    proptest! {
        #[test]
        fn every_value_lies_on_its_axis_between_a_few_ticks(
            a in any::<f64>(), b in any::<f64>(), logarithmic in any::<bool>()
        ) {
            prop_assume!(has_place(a, logarithmic) && has_place(b, logarithmic));
            let scale = Scale::over([a, b].into_iter(), logarithmic).expect("two values");
            prop_assert!((2..=14).contains(&scale.ticks.len()), "{scale:?}");
            prop_assert!(scale.ticks.is_sorted_by(|one, next| one.value < next.value));
            let span = scale.high - scale.low;
            prop_assert!(span.is_finite() && span > 0.0);
            for value in [a, b] {
                prop_assert!(scale.low <= value + span * 1e-9 && value <= scale.high + span * 1e-9);
                prop_assert!((0.0..=1.0).contains(&scale.share(value)));
            }
        }
    }
}
