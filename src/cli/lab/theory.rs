//! `lab theory`: what the books say of a scenario.

use super::super::args::TheoryArgs;
use super::super::env::Env;
use super::super::exit::CliError;
use super::super::{print, style};
use super::scenario_file;
use crate::lab::report::Table;
use crate::lab::scenario::Scenario;
use crate::lab::setting::Value;
use crate::lab::table::{columns, short};
use crate::lab::theory::measures;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// Prints it as a table, or as JSON.
pub fn theory(args: &TheoryArgs, env: &Env) -> Result<(), CliError> {
    let scenario = scenario_file::read(&args.file, &args.set, None)?;
    if args.json {
        return print(env, &format!("{:#}\n", json(&scenario)));
    }
    let text = columns(&table(&scenario));
    print(env, &text.lines().map(|line| style::printable(line) + "\n").collect::<String>())
}

fn table(scenario: &Scenario) -> Table {
    let variables: Vec<&String> = scenario.sweep.iter().map(|(name, _)| name).collect();
    let each: Vec<_> = scenario.settings.iter().map(measures).collect();
    let names: BTreeSet<&String> = each.iter().flat_map(|all| all.keys()).collect();
    // A variable that is called as a number of the setting has the same value.
    let names: Vec<&String> = names.into_iter().filter(|name| !variables.contains(name)).collect();
    let rows = scenario.settings.iter().zip(&each).map(|(setting, all)| {
        let variables = variables.iter().map(|name| setting.point[name.as_str()].to_string());
        let numbers =
            names.iter().map(|name| all.get(*name).map(|v| short(*v)).unwrap_or_default());
        variables.chain(numbers).collect()
    });
    Table {
        head: variables.iter().chain(&names).map(|name| (*name).clone()).collect(),
        rows: rows.collect(),
    }
}

/// A list of points: their variables, and below `theory` what the books say.
fn json(scenario: &Scenario) -> Json {
    let points = scenario.settings.iter().map(|setting| {
        let mut point: Map<String, Json> = setting
            .point
            .iter()
            .map(|(name, value)| match value {
                Value::Number(number) => (name.clone(), Json::from(*number)),
                Value::Word(word) => (name.clone(), Json::from(word.as_str())),
            })
            .collect();
        let all: Map<String, Json> =
            measures(setting).into_iter().map(|(name, value)| (name, Json::from(value))).collect();
        point.insert("theory".into(), Json::Object(all));
        Json::Object(point)
    });
    Json::Array(points.collect())
}
