//! What is asked of a scenario: measures, `[[expect]]`, `[[plot]]`.

use super::super::expression::{Expression, Reference};
use super::super::measure;
use super::super::setting::{Backend, Setting, Value};
use super::super::theory;
use super::fields::{Fields, Scope};
use super::point::{Sweep, sweep_value};
use super::tree::{Fault, Kind, Tree, unknown};
use super::units::{self, Term};
use super::{Expect, Plot, Statistic};
use std::collections::BTreeMap;
use std::path::Path;

const EXPECT: [&str; 4] = ["metric", "where", "between", "of"];

const PLOT: [&str; 10] =
    ["kind", "title", "x", "y", "xlabel", "ylabel", "log", "series", "where", "out"];

/// The most expectations, and the most figures.
const MOST: usize = 1000;

/// What expressions and selections may name.
pub struct Names<'a> {
    /// The sweep, with all values that may be named.
    pub sweep: &'a Sweep,
    /// Its points.
    pub settings: &'a [Setting],
    /// Who can run it.
    pub backends: &'a [Backend],
}

impl Names<'_> {
    /// Understands an expression and knows all that it names.
    fn expression(&self, text: &str, may_be_word: bool) -> Result<Expression, String> {
        let expression = Expression::parse(text)?;
        let is_alone = expression.as_name().is_some();
        for reference in expression.references() {
            self.check(reference, may_be_word && is_alone)?;
        }
        Ok(expression)
    }

    fn check(&self, reference: &Reference, may_be_word: bool) -> Result<(), String> {
        let name = reference.name.as_str();
        self.check_name(name, may_be_word)?;
        for (variable, value) in &reference.selection {
            let Some((_, values)) = self.sweep.iter().find(|(known, _)| known == variable) else {
                let known: Vec<&str> = self.sweep.iter().map(|(name, _)| name.as_str()).collect();
                return Err(unknown("variable", variable, &format!("{name}[..]"), &known));
            };
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            if !values.contains(value) {
                let known: Vec<&str> = values.iter().map(String::as_str).collect();
                return Err(unknown("value", value, &format!("{name}[{variable}=..]"), &known));
            }
        }
        Ok(())
    }

    fn check_name(&self, name: &str, may_be_word: bool) -> Result<(), String> {
        if let Some((_, values)) = self.sweep.iter().find(|(known, _)| known == name) {
            let is_word = |value: &Value| matches!(value, Value::Word(_));
            if values.iter().any(is_word) && !may_be_word {
                return Err(format!("{name} has words for values: there is nothing to compute"));
            }
            return Ok(());
        }
        let groups = self.settings.first().map_or(&[][..], |setting| &setting.groups);
        let of_group = name.split_once('.').filter(|(of, _)| measure::OF_GROUPS.contains(of));
        if let Some((of, group)) = of_group {
            let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
            if known.contains(&group) {
                return Ok(());
            }
            return Err(unknown("group", group, &format!("{of}."), &known));
        }
        let of_theory = name.strip_prefix("theory.");
        let is_plain = of_theory.is_none();
        if is_plain && (measure::MEASURES.contains(&name) || measure::NAMES.contains(&name)) {
            return Ok(());
        }
        let wanted = of_theory.unwrap_or(name);
        if self.settings.iter().any(|setting| theory::measures(setting).contains_key(wanted)) {
            return Ok(());
        }
        let of_first = self.settings.first().map(theory::measures).unwrap_or_default();
        let theories: Vec<String> = of_first.keys().map(|name| format!("theory.{name}")).collect();
        let variables = self.sweep.iter().map(|(name, _)| name.as_str());
        let known: Vec<&str> = if is_plain {
            measure::MEASURES.iter().copied().chain(variables).collect()
        } else {
            theories.iter().map(String::as_str).collect()
        };
        Err(unknown("measure", name, "", &known))
    }

    /// A `where`: values of variables, and a backend.
    fn filter(&self, table: Option<&Tree>) -> Result<BTreeMap<String, Value>, Fault> {
        let Some(table) = table else { return Ok(BTreeMap::new()) };
        if !matches!(table.kind, Kind::Table(_)) {
            let why = "where is a table: where = { mode = \"p2p\", backend = \"sim\" }";
            return Err(Fault::new(table.line, why));
        }
        let mut filter = BTreeMap::new();
        for entry in table.entries() {
            let value = sweep_value(&entry.value)?;
            let known: Vec<String> = if entry.key == "backend" {
                self.backends.iter().map(ToString::to_string).collect()
            } else if let Some((_, values)) = self.sweep.iter().find(|(n, _)| *n == entry.key) {
                values.iter().map(ToString::to_string).collect()
            } else {
                let variables = self.sweep.iter().map(|(name, _)| name.as_str());
                let known: Vec<&str> = variables.chain(["backend"]).collect();
                return Err(Fault::new(
                    entry.line,
                    unknown("variable", &entry.key, "where", &known),
                ));
            };
            if !known.contains(&value.to_string()) {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let place = format!("where {}", entry.key);
                let why = unknown("value", &value.to_string(), &place, &known);
                return Err(Fault::new(entry.line, why));
            }
            filter.insert(entry.key.clone(), value);
        }
        Ok(filter)
    }
}

/// The measures of `[measure]`.
pub fn metrics(root: &Tree, names: &Names<'_>) -> Result<Vec<String>, Fault> {
    let Some(table) = root.get("measure") else {
        return Ok(["D", "mean", "p95", "util"].map(str::to_owned).to_vec());
    };
    table.check_keys("[measure]", &["metrics"])?;
    let listed = table.get("metrics").map_or(&[][..], Tree::items);
    listed
        .iter()
        .map(|item| match &item.kind {
            Kind::Text(text) => match names.expression(text, false) {
                Ok(_) => Ok(text.clone()),
                Err(why) => Err(Fault::new(item.line, format!("metrics: {why}"))),
            },
            _ => Err(Fault::new(item.line, "metrics are texts: metrics = [\"D\", \"mean\"]")),
        })
        .collect()
}

/// Every `[[expect]]`.
pub fn expects(root: &Tree, names: &Names<'_>) -> Result<Vec<Expect>, Fault> {
    let tables = root.get("expect").map_or(&[][..], Tree::items);
    bounded("expectations", tables)?;
    tables.iter().map(|table| expect(table, names)).collect()
}

fn expect(table: &Tree, names: &Names<'_>) -> Result<Expect, Fault> {
    table.check_keys("[[expect]]", &EXPECT)?;
    let scope = Scope::default();
    let fields = Fields::new(Some(table), "[[expect]]", &scope);
    let metric = fields.must("metric", "\"D / theory.D\"", |term| {
        let text = units::text(term)?;
        names.expression(&text, false).map(|_| text)
    })?;
    let between = table.get("between").and_then(|tree| match tree.items() {
        [low, high] => Some((number(low)?, number(high)?)),
        _ => None,
    });
    let between = between.filter(|(low, high)| low <= high).ok_or_else(|| {
        fields.fault("[[expect]] needs its least and its most: between = [0.98, 1.15]")
    })?;
    let of = fields.read("of", |term| match term {
        Term::Text(word) if word == "median" => Ok(Statistic::Median),
        Term::Text(word) if word == "mean" => Ok(Statistic::Mean),
        Term::Text(word) if word == "min" => Ok(Statistic::Min),
        Term::Text(word) if word == "max" => Ok(Statistic::Max),
        _ => Err("expected median, mean, min or max".into()),
    })?;
    let filter = names.filter(table.get("where"))?;
    Ok(Expect { metric, filter, between, of: of.unwrap_or_default() })
}

fn number(tree: &Tree) -> Option<f64> {
    if let Kind::Number(number) = tree.kind { Some(number) } else { None }
}

/// Every `[[plot]]`.
pub fn plots(root: &Tree, names: &Names<'_>) -> Result<Vec<Plot>, Fault> {
    let tables = root.get("plot").map_or(&[][..], Tree::items);
    bounded("figures", tables)?;
    let mut plots: Vec<Plot> = Vec::new();
    for table in tables {
        let plot = plot(table, names)?;
        if plots.iter().any(|other| other.out == plot.out) {
            let why = format!("two figures go to {}: give one another out", plot.out);
            return Err(Fault::new(table.line, why));
        }
        plots.push(plot);
    }
    Ok(plots)
}

fn plot(table: &Tree, names: &Names<'_>) -> Result<Plot, Fault> {
    table.check_keys("[[plot]]", &PLOT)?;
    let scope = Scope::default();
    let fields = Fields::new(Some(table), "[[plot]]", &scope);
    fields.read("kind", |term| match term {
        Term::Text(kind) if kind == "xy" => Ok(()),
        _ => Err("expected xy, as all are".into()),
    })?;
    let axis = |key: &str, may_be_word: bool| {
        fields.must(key, "\"D\"", |term| {
            let text = units::text(term)?;
            names.expression(&text, may_be_word).map(|_| text)
        })
    };
    let (x, y) = (axis("x", true)?, axis("y", false)?);
    let words = |key: &str, known: &[&str]| -> Result<Vec<String>, Fault> {
        let listed = table.get(key).map_or(&[][..], Tree::items).iter();
        listed
            .map(|item| match &item.kind {
                Kind::Text(word) if known.contains(&word.as_str()) => Ok(word.clone()),
                Kind::Text(word) => Err(Fault::new(item.line, unknown("word", word, key, known))),
                _ => Err(Fault::new(item.line, format!("{key} is a list of texts"))),
            })
            .collect()
    };
    let variables: Vec<&str> =
        names.sweep.iter().map(|(name, _)| name.as_str()).chain(["backend"]).collect();
    let log = words("log", &["x", "y"])?;
    let text = |key: &str, usual: &str| {
        Ok(fields.read(key, units::text)?.unwrap_or_else(|| usual.to_owned()))
    };
    // An axis of words explains itself, so its label may be empty.
    let label = |key: &str, usual: &str| {
        let any = |term: &Term| match term {
            Term::Text(text) => Ok(text.clone()),
            _ => Err("expected a text".into()),
        };
        Ok(fields.read(key, any)?.unwrap_or_else(|| usual.to_owned()))
    };
    Ok(Plot {
        title: text("title", &format!("{y} over {x}"))?,
        labels: (label("xlabel", &x)?, label("ylabel", &y)?),
        logarithmic: (log.iter().any(|axis| axis == "x"), log.iter().any(|axis| axis == "y")),
        series: words("series", &variables)?,
        filter: names.filter(table.get("where"))?,
        out: fields.must("out", "\"fig-1.svg\"", out)?,
        x,
        y,
    })
}

/// A file's name that goes nowhere but into the folder of the run.
fn out(term: &Term) -> Result<String, String> {
    let name = units::text(term)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_svg = Path::new(&name).extension().is_some_and(|ending| ending == "svg");
    if is_svg && name.len() <= 100 && !name.starts_with('.') && name.chars().all(is_plain) {
        Ok(name)
    } else {
        Err("expected a file's name of letters, digits, -, _ and . that ends in .svg".into())
    }
}

fn bounded(what: &str, tables: &[Tree]) -> Result<(), Fault> {
    match tables.first() {
        Some(first) if tables.len() > MOST => {
            Err(Fault::new(first.line, format!("there are more than {MOST} {what}")))
        }
        _ => Ok(()),
    }
}
