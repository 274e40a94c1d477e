//! `lab check`: what a scenario asks of this machine.

use super::super::args::CheckArgs;
use super::super::env::Env;
use super::super::exit::{CliError, Exit};
use super::super::{print, style, units};
use super::{capacity, scenario_file};
use crate::lab::check::{groups, load, peers, range, refusal, total_seconds};
use crate::lab::report::Table;
use crate::lab::scenario::Scenario;
use crate::lab::setting::Backend;
use crate::lab::table::columns;
use std::time::Duration;

/// Checks a scenario.
pub fn check(args: &CheckArgs, env: &Env) -> Result<(), CliError> {
    let scenario = scenario_file::read(&args.file, &args.set, None)?;
    let moved = capacity::measured().ok();
    let (points, seeds) = (scenario.settings.len(), scenario.seeds.len());
    let refused = refusals(&scenario, moved);
    let mut parts = vec![
        format!("{}: {}\n", scenario.name, scenario.about.trim()),
        format!(
            "points: {points}, seeds: {seeds}, expectations: {}, figures: {}\n\n",
            scenario.expects.len(),
            scenario.plots.len()
        ),
        columns(&numbers(&scenario)),
        "\n".into(),
        columns(&costs(&scenario)),
    ];
    if let Some(moved) = moved {
        let rate = units::rate(moved as u64);
        parts.push(format!("\nthis machine moves {rate} over its loopback\n"));
    }
    parts.extend(refused.iter().map(|why| format!("refused: {why}\n")));
    let text = parts.concat();
    let text: String = text.lines().map(|line| style::printable(line) + "\n").collect();
    print(env, &text)?;
    match refused.first() {
        Some(why) => Err(CliError::new(Exit::Failed, why.clone())),
        None => Ok(()),
    }
}

/// The numbers without a dimension, over all points.
fn numbers(scenario: &Scenario) -> Table {
    let each: Vec<_> = scenario.settings.iter().map(groups).collect();
    let names = each.iter().flatten().map(|(name, _)| *name);
    let mut known: Vec<&str> = Vec::new();
    names.for_each(|name| {
        if !known.contains(&name) {
            known.push(name);
        }
    });
    let row = |name: &&str| {
        let values = each.iter().flatten().filter(|(n, _)| n == name).map(|(_, value)| *value);
        let unit = if *name == "F/u" { " s" } else { "" };
        vec![(*name).to_owned(), range(&values.collect::<Vec<_>>()) + unit]
    };
    Table {
        head: ["number", "over all points"].map(str::to_owned).to_vec(),
        rows: known.iter().map(row).collect(),
    }
}

/// What each backend costs.
fn costs(scenario: &Scenario) -> Table {
    let most = scenario.settings.iter().map(peers).max().unwrap_or(0);
    let loads: Vec<Option<f64>> = scenario.settings.iter().map(load).collect();
    let fastest = loads.iter().copied().collect::<Option<Vec<f64>>>();
    let fastest = fastest.and_then(|all| all.into_iter().reduce(f64::max));
    let uplinks = fastest.map_or("no limit".to_owned(), |rate| units::rate(rate as u64));
    let row = |backend: &Backend| {
        let runs = scenario.settings.len() * scenario.seeds.len();
        let real = *backend > Backend::Sim;
        let time = Duration::try_from_secs_f64(total_seconds(scenario, *backend));
        vec![
            backend.to_string(),
            if *backend == Backend::Theory { String::new() } else { runs.to_string() },
            if real { (most + 1).to_string() } else { String::new() },
            if real { uplinks.clone() } else { String::new() },
            format!("about {}", units::took(time.unwrap_or(Duration::MAX))),
        ]
    };
    Table {
        head: ["backend", "runs", "processes", "uplinks", "time"].map(str::to_owned).to_vec(),
        rows: scenario.backends.iter().map(row).collect(),
    }
}

/// Why backends cannot run it, each once.
fn refusals(scenario: &Scenario, moved: Option<f64>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for &backend in &scenario.backends {
        let each = scenario.settings.iter().rev();
        found.extend(each.filter_map(|setting| refusal(setting, backend, moved)).take(1));
    }
    found
}
