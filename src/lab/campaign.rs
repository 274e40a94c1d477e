//! A campaign: all runs of a scenario on some backends.
//!
//! ```text
//! Scenario, backends, seeds  ->  jobs()      every seed once over the sweep, then the next seed
//! Outcome of a job           ->  record()    a row: its measures, and why it does not count if so
//! rows                       ->  verdicts()  every [[expect]], for each backend and point
//!                            ->  summary()   summary.csv         overview()   for the report
//! ```
//! Rows are sorted by what they are about, not by when they came: whoever runs jobs side by side
//! gets the same tables.

use super::expression::{Expression, Reference};
use super::measure;
use super::outcome::{Outcome, RunError};
use super::report::Table;
use super::scenario::{Expect, Scenario, Statistic};
use super::setting::{Backend, Role, Setting, Value};
use super::statistics::{interval, mean, median};
use super::table::short;
use super::theory;
use std::collections::{BTreeMap, BTreeSet};

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// Who runs it.
    pub backend: Backend,
    /// Which point of the sweep: a place in [`Scenario::settings`].
    pub point: usize,
    /// Where its dice come from; 0 for theory, which has none.
    pub seed: u64,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    /// Its measures.
    values: BTreeMap<String, f64>,
    /// Why it does not count.
    invalid: Option<String>,
}

/// An expectation at a point, or a run that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it holds; `None` if nobody ran what it is about.
    pub holds: Option<bool>,
    /// What was expected where, and what came.
    pub text: String,
}

impl Judgement {
    /// As a line: `PASS  D / theory.D  p2p, sim, N=30: 1.02 (1.00 to 1.05)`.
    pub fn line(&self) -> String {
        let word = match self.holds {
            Some(true) => "PASS",
            Some(false) => "FAIL",
            None => "----",
        };
        format!("{word}  {}", self.text)
    }
}

/// All runs of a scenario on some backends.
#[derive(Debug, Clone)]
pub struct Campaign<'a> {
    scenario: &'a Scenario,
    backends: Vec<Backend>,
    /// What theory says at each point, and what the numbers of its setting are called.
    theory: Vec<BTreeMap<String, f64>>,
    names: Vec<BTreeMap<String, f64>>,
    rows: BTreeMap<Job, Row>,
    /// Why it came to an end before all was run.
    stopped: Option<String>,
}

impl<'a> Campaign<'a> {
    /// A campaign of which nothing was run but theory.
    pub fn new(scenario: &'a Scenario, backends: &[Backend]) -> Self {
        let mut backends = backends.to_vec();
        backends.sort_unstable();
        backends.dedup();
        let theory: Vec<_> = scenario.settings.iter().map(theory::measures).collect();
        let names = scenario.settings.iter().zip(&theory).map(|(setting, theory)| {
            let mut names = measure::names(setting);
            let known = measure::NAMES.into_iter().filter_map(|name| theory.get_key_value(name));
            names.extend(known.map(|(name, value)| (name.clone(), *value)));
            names
        });
        let names = names.collect();
        let mut rows = BTreeMap::new();
        if backends.contains(&Backend::Theory) {
            for (point, values) in theory.iter().enumerate() {
                let job = Job { backend: Backend::Theory, point, seed: 0 };
                rows.insert(job, Row { values: values.clone(), invalid: None });
            }
        }
        Self { scenario, backends, theory, names, rows, stopped: None }
    }

    /// What is run.
    pub fn scenario(&self) -> &'a Scenario {
        self.scenario
    }

    /// On what.
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// The setting of a job.
    pub fn setting(&self, job: Job) -> &'a Setting {
        &self.scenario.settings[job.point]
    }

    /// What theory says at a point.
    pub fn theory(&self, point: usize) -> &BTreeMap<String, f64> {
        &self.theory[point]
    }

    /// Everything that is to be run, in order; theory needs no run.
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for &backend in self.backends.iter().filter(|backend| **backend != Backend::Theory) {
            for &seed in &self.scenario.seeds {
                jobs.extend((0..self.scenario.settings.len()).map(|point| Job {
                    backend,
                    point,
                    seed,
                }));
            }
        }
        jobs
    }

    /// Notes what came of a job.
    pub fn record(&mut self, job: Job, result: &Result<Outcome, RunError>) {
        let row = match result {
            Ok(outcome) => {
                let values = measure::measures(self.setting(job), outcome);
                let theory = &self.theory[job.point];
                let broken = measure::violations(self.setting(job), outcome, &values, theory);
                let broken = (!broken.is_empty()).then(|| broken.join("; "));
                Row { values, invalid: outcome.invalid.clone().or(broken) }
            }
            Err(why) => Row { values: BTreeMap::new(), invalid: Some(why.to_string()) },
        };
        self.rows.insert(job, row);
    }

    /// Notes that no more will be run, and why.
    pub fn stop(&mut self, why: impl Into<String>) {
        self.stopped = Some(why.into());
    }

    /// How many jobs have been run.
    pub fn done(&self) -> usize {
        self.rows.keys().filter(|job| job.backend != Backend::Theory).count()
    }

    /// The value of an expression in one run.
    pub fn value(&self, expression: &Expression, job: Job) -> Option<f64> {
        expression.evaluate(&|reference: &Reference| self.named(reference, job))
    }

    fn named(&self, reference: &Reference, job: Job) -> Option<f64> {
        let point = self.select(job.point, &reference.selection)?;
        let name = reference.name.as_str();
        if let Some(of_theory) = name.strip_prefix("theory.") {
            return self.theory[point].get(of_theory).copied();
        }
        if let Some(value) = self.scenario.settings[point].point.get(name) {
            return if let Value::Number(number) = value { Some(*number) } else { None };
        }
        let row = self.rows.get(&Job { point, ..job }).filter(|row| row.invalid.is_none())?;
        row.values.get(name).or_else(|| self.names[point].get(name)).copied()
    }

    /// The point that has the same variables as `from`, but for those that are selected.
    fn select(&self, from: usize, selection: &[(String, String)]) -> Option<usize> {
        if selection.is_empty() {
            return Some(from);
        }
        let here = &self.scenario.settings[from].point;
        let is_there = |setting: &Setting| {
            setting.point.iter().all(|(name, value)| {
                match selection.iter().find(|(selected, _)| selected == name) {
                    Some((_, wanted)) => value.to_string() == *wanted,
                    None => here.get(name) == Some(value),
                }
            })
        };
        self.scenario.settings.iter().position(is_there)
    }

    /// The seeds of a backend.
    pub fn seeds(&self, backend: Backend) -> &[u64] {
        if backend == Backend::Theory { &[0] } else { &self.scenario.seeds }
    }

    /// The points where all variables have the values of a filter.
    pub fn points(&self, filter: &BTreeMap<String, Value>) -> Vec<usize> {
        let fits = |setting: &Setting| {
            let mut pairs = filter.iter().filter(|(name, _)| *name != "backend");
            pairs.all(|(name, value)| setting.point.get(name) == Some(value))
        };
        let all = self.scenario.settings.iter().enumerate();
        all.filter(|(_, setting)| fits(setting)).map(|(point, _)| point).collect()
    }

    /// Whether what came is what was expected: every expectation at every point of each backend,
    /// and every run that does not count.
    pub fn judgements(&self) -> Vec<Judgement> {
        let mut all: Vec<Judgement> =
            self.scenario.expects.iter().flat_map(|expect| self.judge(expect)).collect();
        all.extend(self.invalid().map(|text| Judgement { holds: Some(false), text }));
        if let Some(why) = &self.stopped {
            let (done, all_jobs) = (self.done(), self.jobs().len());
            let text = format!("{done} of {all_jobs} runs are done: {why}");
            all.push(Judgement { holds: Some(false), text });
        }
        all
    }

    /// Every run that does not count, and why.
    pub fn invalid(&self) -> impl Iterator<Item = String> {
        self.rows.iter().filter_map(|(job, row)| {
            let why = row.invalid.as_ref()?;
            let place = self.place(job.point, job.backend);
            Some(format!("{place}, seed {}: this run does not count: {why}", job.seed))
        })
    }

    fn judge(&self, expect: &Expect) -> Vec<Judgement> {
        let named = expect.filter.get("backend").map(ToString::to_string);
        let only_theory = self.scenario.backends == [Backend::Theory];
        let is_meant = |backend: Backend| match &named {
            Some(named) => backend.name() == named,
            None => only_theory || backend != Backend::Theory,
        };
        let meant: Vec<Backend> =
            self.backends.iter().copied().filter(|backend| is_meant(*backend)).collect();
        let metric = &expect.metric;
        if meant.is_empty() {
            let who = named.unwrap_or_else(|| "any backend but theory".into());
            let text = format!("{metric}  {who}: not run");
            return vec![Judgement { holds: None, text }];
        }
        let Ok(expression) = Expression::parse(metric) else { return Vec::new() };
        let points = self.points(&expect.filter);
        if points.is_empty() {
            let values: Vec<String> = expect.filter.values().map(ToString::to_string).collect();
            let text = format!("{metric}  {}: not among the points of this run", values.join(", "));
            return vec![Judgement { holds: None, text }];
        }
        let each = meant.iter().flat_map(|backend| points.iter().map(move |p| (*backend, *p)));
        each.map(|(backend, point)| self.judge_at(expect, &expression, backend, point)).collect()
    }

    fn judge_at(
        &self,
        expect: &Expect,
        expression: &Expression,
        backend: Backend,
        point: usize,
    ) -> Judgement {
        let seeds = self.seeds(backend);
        let value = |seed: &u64| self.value(expression, Job { backend, point, seed: *seed });
        let values: Vec<f64> = seeds.iter().filter_map(value).collect();
        let missing = seeds.iter().filter(|seed| value(seed).is_none()).map(ToString::to_string);
        let missing: Vec<String> = missing.collect();
        let head = format!("{}  {}", expect.metric, self.place(point, backend));
        let (low, high) = expect.between;
        let band = format!("({} to {})", short(low), short(high));
        if !missing.is_empty() {
            let text = format!(
                "{head}: no value {band} for seed {}: somebody is not complete, the run does not \
                 count, or this is not measured there",
                missing.join(", ")
            );
            return Judgement { holds: Some(false), text };
        }
        let Some(value) = of(expect.of, &values) else {
            return Judgement { holds: Some(false), text: format!("{head}: no value {band}") };
        };
        let many = match seeds.len() {
            1 => String::new(),
            count => format!(", {} of {count} seeds", name(expect.of)),
        };
        let holds = (low..=high).contains(&value);
        Judgement {
            holds: Some(holds),
            text: format!("{head}: {} {band}{many}", shown(value, expect.between)),
        }
    }

    /// Where something was: `p2p, sim, N=30`.
    pub fn place(&self, point: usize, backend: Backend) -> String {
        let point = &self.scenario.settings[point].point;
        let variables = self
            .scenario
            .sweep
            .iter()
            .filter_map(|(name, _)| point.get(name).map(|value| (name, value)));
        let (mut words, mut numbers) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            match value {
                Value::Word(word) => words.push(word.clone()),
                Value::Number(number) => numbers.push(format!("{name}={number}")),
            }
        }
        words.push(backend.to_string());
        words.extend(numbers);
        words.join(", ")
    }

    /// One row per run with all that was measured: summary.csv.
    pub fn summary(&self) -> Table {
        let variables: Vec<&String> = self.scenario.sweep.iter().map(|(name, _)| name).collect();
        let columns = self.columns();
        let named: Vec<&str> = measure::NAMES
            .into_iter()
            .filter(|name| !variables.iter().any(|variable| variable == name))
            .collect();
        let theory: BTreeSet<&String> = self.theory.iter().flat_map(BTreeMap::keys).collect();
        let theory: Vec<&String> =
            theory.into_iter().filter(|name| !measure::NAMES.contains(&name.as_str())).collect();
        let mut head: Vec<String> = variables.iter().map(|name| (*name).clone()).collect();
        head.extend(["backend", "seed", "state"].map(str::to_owned));
        head.extend(columns.iter().cloned());
        head.extend(named.iter().map(|name| (*name).to_owned()));
        head.extend(theory.iter().map(|name| format!("theory.{name}")));
        let number = |value: Option<&f64>| value.map(ToString::to_string).unwrap_or_default();
        let rows = self.rows.iter().map(|(job, row)| {
            let point = &self.scenario.settings[job.point].point;
            let mut cells: Vec<String> =
                variables.iter().map(|name| point[name.as_str()].to_string()).collect();
            let state = match (&row.invalid, &self.stopped) {
                (Some(_), _) => "invalid",
                (None, Some(_)) => "unfinished",
                (None, None) => "whole",
            };
            cells.extend([job.backend.to_string(), job.seed.to_string(), state.to_owned()]);
            cells.extend(columns.iter().map(|name| number(row.values.get(name))));
            cells.extend(named.iter().map(|name| number(self.names[job.point].get(*name))));
            cells.extend(theory.iter().map(|name| number(self.theory[job.point].get(*name))));
            cells
        });
        Table { head, rows: rows.collect() }
    }

    /// The measures of the summary: those that are always there, those of groups, and others.
    fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = measure::MEASURES.map(str::to_owned).to_vec();
        for group in self.scenario.settings.iter().flat_map(|setting| &setting.groups) {
            if group.role == Role::Leech {
                for of in measure::OF_GROUPS {
                    let name = format!("{of}.{}", group.name);
                    if !columns.contains(&name) {
                        columns.push(name);
                    }
                }
            }
        }
        let of_runs = self.rows.iter().filter(|(job, _)| job.backend != Backend::Theory);
        let others: BTreeSet<&String> = of_runs.flat_map(|(_, row)| row.values.keys()).collect();
        let others: Vec<String> =
            others.into_iter().filter(|name| !columns.contains(name)).cloned().collect();
        columns.extend(others);
        columns
    }

    /// The scenario's measures at each point, with the interval of the mean over the seeds.
    pub fn overview(&self) -> Table {
        let variables: Vec<&String> = self.scenario.sweep.iter().map(|(name, _)| name).collect();
        let mut head: Vec<String> = variables.iter().map(|name| (*name).clone()).collect();
        head.push("backend".into());
        head.extend(self.scenario.metrics.iter().cloned());
        let mut rows = Vec::new();
        for &backend in &self.backends {
            for (point, setting) in self.scenario.settings.iter().enumerate() {
                let mut cells: Vec<String> =
                    variables.iter().map(|name| setting.point[name.as_str()].to_string()).collect();
                cells.push(backend.to_string());
                let metrics = self.scenario.metrics.iter();
                cells.extend(metrics.map(|metric| self.overview_cell(metric, backend, point)));
                rows.push(cells);
            }
        }
        Table { head, rows }
    }

    fn overview_cell(&self, metric: &str, backend: Backend, point: usize) -> String {
        let Ok(expression) = Expression::parse(metric) else { return String::new() };
        let seeds = self.seeds(backend).iter();
        let values =
            seeds.filter_map(|&seed| self.value(&expression, Job { backend, point, seed }));
        let values: Vec<f64> = values.collect();
        match (mean(&values), interval(&values)) {
            (Some(mean), Some((low, high))) if high > low => {
                format!("{} ({} to {})", short(mean), short(low), short(high))
            }
            (Some(mean), _) => short(mean),
            (None, _) => String::new(),
        }
    }
}

/// Several values as one.
pub fn of(statistic: Statistic, values: &[f64]) -> Option<f64> {
    match statistic {
        Statistic::Median => median(values),
        Statistic::Mean => mean(values),
        Statistic::Min => values.iter().copied().reduce(f64::min),
        Statistic::Max => values.iter().copied().reduce(f64::max),
    }
}

fn name(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::Median => "median",
        Statistic::Mean => "mean",
        Statistic::Min => "least",
        Statistic::Max => "greatest",
    }
}

/// A value beside its band: with more digits if it would look like an end that it misses.
fn shown(value: f64, (low, high): (f64, f64)) -> String {
    let text = short(value);
    let misses = !(low..=high).contains(&value);
    let misleads = misses && [low, high].iter().any(|&end| short(end) == text);
    if misleads { value.to_string() } else { text }
}

#[cfg(test)]
mod tests;
