//! A scenario: what is run, over which values, and what must come of it.
//!
//! ```text
//! text, --set K=V ..  ->  Tree (with lines)  ->  Scenario: every point as a Setting
//! ```
//! A file is of a stranger: its length, its points, its peers are bounded, and whatever makes no
//! sense is named with its line and with what to try.

/// `--set`.
mod change;
/// Measures, expectations, figures.
mod demand;
/// `[[event]]`.
mod event;
/// A table at one point.
mod fields;
/// `[[group]]`.
mod group;
/// The sweep, point by point.
mod point;
/// TOML with lines.
mod tree;
/// Sizes, rates, times.
mod units;

use super::measure;
use super::setting::{Backend, Setting, Value};
use demand::Names;
use fields::{Fields, Scope};
use std::collections::BTreeMap;
use std::fmt;
use tree::{Fault, Kind, Tree};

pub use units::{Term, time};

/// The most bytes of a file.
pub const LONGEST: usize = 1 << 20;

/// The most runs: points times seeds.
pub const MOST_RUNS: usize = 100_000;

/// The keys of the top.
const TOP: [&str; 18] = [
    "schema",
    "name",
    "about",
    "model",
    "backends",
    "seeds",
    "time_scale",
    "limit",
    "runs_to_limit",
    "content",
    "link",
    "group",
    "event",
    "sweep",
    "variant",
    "measure",
    "expect",
    "plot",
];

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
    /// The text that it was read from, with all changes.
    pub text: String,
}

/// A scenario that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file, or the changes if they are what is wrong.
    pub place: String,
    /// The line, counted from 1; none of a change.
    pub line: Option<usize>,
    /// What is wrong, and what to try.
    pub message: String,
}

impl std::error::Error for ScenarioError {}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Scenario {
    /// Reads a scenario, with changes as of `--set`: a path and a value each.
    ///
    /// # Errors
    /// The file or a change makes no sense.
    pub fn read(
        text: &str,
        file_name: &str,
        overrides: &[(String, String)],
    ) -> Result<Self, ScenarioError> {
        if text.len() > LONGEST {
            let message = format!("it has {} bytes, a scenario has at most {LONGEST}", text.len());
            return Err(ScenarioError { place: file_name.into(), line: None, message });
        }
        let plain = understood(text, &Vec::new()).map_err(|fault| ScenarioError {
            place: file_name.into(),
            line: Some(fault.line),
            message: fault.message,
        })?;
        if overrides.is_empty() {
            return Ok(plain);
        }
        let mut text = text.to_owned();
        for (path, value) in overrides {
            text = change::changed(&text, path, value).map_err(|message| ScenarioError {
                place: format!("--set {path}={value}"),
                line: None,
                message,
            })?;
        }
        // The file alone was right, so what is wrong now came by the changes.
        let sets: Vec<String> = overrides.iter().map(|(k, v)| format!("--set {k}={v}")).collect();
        // What it says of values that a change took out of the sweep is about nothing, and no mistake.
        understood(&text, &plain.sweep).map_err(|fault| ScenarioError {
            place: sets.join(" "),
            line: None,
            message: fault.message,
        })
    }

    /// The file that leads to this scenario without any change.
    pub fn to_toml(&self) -> &str {
        &self.text
    }
}

/// `before` is the sweep of the file without changes: its values may be named, too.
fn understood(text: &str, before: &point::Sweep) -> Result<Scenario, Fault> {
    let root = Tree::parse(text)?;
    let keys: Vec<&str> = TOP.into_iter().chain(["hierarchy"]).collect();
    root.check_keys("", &keys)?;
    let scope = Scope::default();
    let top = Fields::new(Some(&root), "", &scope);
    if top.read("schema", |term| units::whole(term, 0, 99))?.is_some_and(|schema| schema != 1) {
        return Err(top.fault("schema is 1 in this version"));
    }
    let name = top
        .read("name", name)?
        .ok_or_else(|| top.fault("the scenario has no name: write name = \"kurose-ross\""))?;
    let about = top.read("about", units::text)?.unwrap_or_default();
    let backends = backends(&root)?;
    let seeds = seeds(&root)?;
    let reserved: Vec<&str> = measure::MEASURES.into_iter().chain(RESERVED).collect();
    let sweep = point::sweep(&root, &reserved)?;
    let known = together(&sweep, before);
    let settings = point::settings(&root, &sweep, &known)?;
    let runs = settings.len().saturating_mul(seeds.len());
    if runs > MOST_RUNS {
        return Err(top.fault(format!(
            "{} points with {} seeds are {runs} runs, at most {MOST_RUNS}: sweep over less",
            settings.len(),
            seeds.len()
        )));
    }
    let names = Names { sweep: &known, settings: &settings, backends: &backends };
    Ok(Scenario {
        metrics: demand::metrics(&root, &names)?,
        expects: demand::expects(&root, &names)?,
        plots: demand::plots(&root, &names)?,
        name,
        about,
        backends,
        seeds,
        sweep,
        settings,
        text: text.to_owned(),
    })
}

/// The variables of a sweep with all values that they have in either.
fn together(sweep: &point::Sweep, before: &point::Sweep) -> point::Sweep {
    let mut all = sweep.clone();
    for (name, values) in &mut all {
        let more = before
            .iter()
            .filter(|(known, _)| known.as_str() == name.as_str())
            .flat_map(|(_, values)| values);
        let new: Vec<Value> = more.filter(|value| !values.contains(value)).cloned().collect();
        values.extend(new);
    }
    all
}

/// Names that mean something beside the measures.
const RESERVED: [&str; 4] = ["backend", "seed", "theory", "state"];

fn name(term: &Term) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let name = units::text(term)?;
    if name.len() <= 64 && !name.starts_with('.') && name.chars().all(is_plain) {
        Ok(name)
    } else {
        Err("expected at most 64 letters, digits, -, . and _: a folder is called so".into())
    }
}

fn backends(root: &Tree) -> Result<Vec<Backend>, Fault> {
    let Some(list) = root.get("backends") else { return Ok(vec![Backend::Theory, Backend::Sim]) };
    let mut backends = Vec::new();
    for item in list.items() {
        let Kind::Text(word) = &item.kind else {
            return Err(Fault::new(item.line, "backends are texts: backends = [\"sim\"]"));
        };
        let backend = word.parse().map_err(|_| {
            let known = Backend::ALL.map(Backend::name);
            Fault::new(item.line, tree::unknown("backend", word, "", &known))
        })?;
        if !backends.contains(&backend) {
            backends.push(backend);
        }
    }
    if backends.is_empty() {
        return Err(Fault::new(list.line, "backends is empty: write backends = [\"sim\"]"));
    }
    backends.sort_unstable();
    Ok(backends)
}

/// `seeds = [1, 2, 5]`, or how many: `seeds = 3`.
fn seeds(root: &Tree) -> Result<Vec<u64>, Fault> {
    let Some(tree) = root.get("seeds") else { return Ok(vec![1]) };
    let fault = |why: &str| Fault::new(tree.line, why);
    let number = |tree: &Tree| match tree.kind {
        Kind::Number(number) if number.fract() == 0.0 && (0.0..9e15).contains(&number) => {
            Ok(number as u64)
        }
        _ => Err(fault("seeds are whole numbers: seeds = [1, 2, 3], or how many: seeds = 3")),
    };
    if let Kind::List(list) = &tree.kind {
        let seeds: Vec<u64> = list.iter().map(number).collect::<Result<_, _>>()?;
        let mut sorted = seeds.clone();
        sorted.sort_unstable();
        if seeds.is_empty() || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(fault("seeds are one at least, and all different"));
        }
        return Ok(seeds);
    }
    match number(tree)? {
        count @ 1..=100_000 => Ok((1..=count).collect()),
        _ => Err(fault("there are from 1 to 100000 seeds")),
    }
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

#[cfg(test)]
mod tests;
