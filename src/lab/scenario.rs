//! A scenario: what is run, over which values, and what must come of it.

use super::setting::{Backend, Setting, Value};
use std::collections::BTreeMap;

/// A scenario, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name: letters, digits, `-`, `.` and `_`.
    pub name: String,
    /// What it asks, in a sentence or two.
    pub about: String,
    /// Who can run it.
    pub backends: Vec<Backend>,
    /// Where the dice of its runs come from.
    pub seeds: Vec<u64>,
    /// The sweep's variables in the order of the file, each with its values.
    pub sweep: Vec<(String, Vec<Value>)>,
    /// Every point of the sweep, the last variable changing fastest; one if there is no sweep.
    pub settings: Vec<Setting>,
    /// Which measures the summary shows.
    pub metrics: Vec<String>,
    /// What must come of it.
    pub expects: Vec<Expect>,
    /// Its figures.
    pub plots: Vec<Plot>,
}

/// What must come of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// An expression over measures, as `D / theory.D`.
    pub metric: String,
    /// For which points and backends: variables of the sweep, and `backend`.
    pub filter: BTreeMap<String, Value>,
    /// The least and the most that is right.
    pub between: (f64, f64),
    /// How runs with different seeds become one number.
    pub of: Statistic,
}

/// How the runs of a point become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Statistic {
    /// Half are below it.
    #[default]
    Median,
    /// The arithmetic mean.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// Its heading.
    pub title: String,
    /// The expression along the horizontal axis.
    pub x: String,
    /// The expression along the vertical axis.
    pub y: String,
    /// What each axis is called, with its unit.
    pub labels: (String, String),
    /// Whether each axis has powers instead of sums.
    pub logarithmic: (bool, bool),
    /// The variables whose values make a line each, and `backend`.
    pub series: Vec<String>,
    /// Only points with these values.
    pub filter: BTreeMap<String, Value>,
    /// The file's name, ending in `.svg`.
    pub out: String,
}
