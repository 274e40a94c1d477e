//! A scenario's plots as figures: theory is a line, simulated runs are dots, real runs are dots with
//! the 95 % interval of their mean.

use super::campaign::{Campaign, Job};
use super::expression::Expression;
use super::figure::{Axis, Figure, Point, Series, Style};
use super::scenario::Plot;
use super::setting::{Backend, Setting, Value};
use super::statistics::{interval, mean};
use super::table::short;
use std::collections::BTreeMap;

/// A plot with all that a campaign has for it.
pub fn figure(campaign: &Campaign<'_>, plot: &Plot) -> Figure {
    let chart = Chart::new(campaign, plot);
    let Some(chart) = chart else { return Figure::default() };
    Figure {
        title: plot.title.clone(),
        caption: chart.caption(),
        x: Axis {
            label: plot.labels.0.clone(),
            logarithmic: plot.logarithmic.0,
            words: chart.words.clone(),
        },
        y: Axis {
            label: plot.labels.1.clone(),
            logarithmic: plot.logarithmic.1,
            words: Vec::new(),
        },
        series: chart.series(),
    }
}

struct Chart<'a> {
    campaign: &'a Campaign<'a>,
    plot: &'a Plot,
    x: Expression,
    y: Expression,
    /// The words along the horizontal axis; none if it has numbers.
    words: Vec<String>,
}

impl<'a> Chart<'a> {
    /// `None` if an expression makes no sense, which no scenario that was read has.
    fn new(campaign: &'a Campaign<'a>, plot: &'a Plot) -> Option<Self> {
        let (x, y) = (Expression::parse(&plot.x).ok()?, Expression::parse(&plot.y).ok()?);
        let sweep = &campaign.scenario().sweep;
        let along = sweep.iter().find(|(name, _)| x.as_name() == Some(name));
        let is_word = |value: &Value| matches!(value, Value::Word(_));
        let words = along.filter(|(_, values)| values.iter().any(is_word));
        let words = words.map(|(_, values)| values.iter().map(ToString::to_string).collect());
        Some(Self { campaign, plot, x, y, words: words.unwrap_or_default() })
    }

    fn series(&self) -> Vec<Series> {
        let only = self.plot.filter.get("backend").map(ToString::to_string);
        let backends = self.campaign.backends().iter().copied();
        let backends = backends.filter(|b| only.as_ref().is_none_or(|only| b.name() == only));
        let mut series = Vec::new();
        // Points are in the order of the sweep, and so are the lines.
        let points = self.campaign.points(&self.plot.filter);
        let mut keys: Vec<String> = Vec::new();
        for &point in &points {
            let key = self.key(&self.campaign.scenario().settings[point]);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let backends: Vec<Backend> = backends.collect();
        for key in &keys {
            for &backend in &backends {
                let own = points.iter().copied();
                let own = own.filter(|p| self.key(&self.campaign.scenario().settings[*p]) == *key);
                let mut points: Vec<Point> =
                    own.flat_map(|point| self.points(point, backend)).collect();
                points.sort_by(|a, b| a.x.total_cmp(&b.x));
                if points.is_empty() {
                    continue;
                }
                let name = match key.as_str() {
                    "" => backend.to_string(),
                    key => format!("{key} ({backend})"),
                };
                series.push(Series { name, style: style(backend), points });
            }
        }
        series
    }

    /// Which line a point belongs to: the values of the series' variables.
    fn key(&self, setting: &Setting) -> String {
        let variables = self.plot.series.iter().filter(|name| *name != "backend");
        let parts = variables.filter_map(|name| match setting.point.get(name)? {
            Value::Word(word) => Some(word.clone()),
            Value::Number(number) => Some(format!("{name}={number}")),
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    /// What stands in the figure for a point: each simulated run, or the mean of real ones.
    fn points(&self, point: usize, backend: Backend) -> Vec<Point> {
        let runs = self.campaign.seeds(backend).iter().filter_map(|&seed| {
            let job = Job { backend, point, seed };
            Some((self.x_of(job)?, self.campaign.value(&self.y, job)?))
        });
        let runs: Vec<(f64, f64)> = runs.collect();
        if matches!(backend, Backend::Theory | Backend::Sim) {
            let alone = |(x, y)| Point { x, y, low: None, high: None };
            return runs.into_iter().map(alone).collect();
        }
        let ys: Vec<f64> = runs.iter().map(|(_, y)| *y).collect();
        let xs: Vec<f64> = runs.iter().map(|(x, _)| *x).collect();
        let (Some(x), Some(y)) = (mean(&xs), mean(&ys)) else { return Vec::new() };
        let (low, high) = interval(&ys).unzip();
        vec![Point { x, y, low, high }]
    }

    fn x_of(&self, job: Job) -> Option<f64> {
        if self.words.is_empty() {
            return self.campaign.value(&self.x, job);
        }
        let word = self.campaign.setting(job).point.get(self.x.as_name()?)?.to_string();
        self.words.iter().position(|known| *known == word).map(|at| at as f64)
    }

    /// What the runs have in common, how many there are, and what the bars are.
    fn caption(&self) -> String {
        let settings = &self.campaign.scenario().settings;
        let mut same: BTreeMap<&str, f64> = BTreeMap::new();
        for (place, setting) in settings.iter().enumerate() {
            let names = super::measure::names(setting);
            let of = |name: &'static str| names.get(name).copied().map(|value| (name, value));
            let here = ["F", "M", "N", "u", "us"].into_iter().filter_map(of);
            let here: BTreeMap<&str, f64> = here.collect();
            if place == 0 {
                same = here;
            } else {
                same.retain(|name, value| here.get(name) == Some(value));
            }
        }
        let mut parts: Vec<String> = same.iter().map(|(name, value)| shown(name, *value)).collect();
        if let Some(scale) = settings.first().map(|setting| setting.time_scale)
            && settings.iter().all(|setting| setting.time_scale.total_cmp(&scale).is_eq())
        {
            parts.push(format!("timers divided by {}", short(scale)));
        }
        let seeds = self.campaign.scenario().seeds.len();
        let backends = self.campaign.backends();
        if backends.contains(&Backend::Sim) {
            parts.push(format!("sim: n = {seeds}, a dot each"));
        }
        for backend in [Backend::Proc, Backend::Net] {
            if backends.contains(&backend) {
                let bars = if seeds > 1 { ", mean and its 95 % interval (t)" } else { "" };
                parts.push(format!("{backend}: n = {seeds}{bars}"));
            }
        }
        parts.join("; ")
    }
}

fn style(backend: Backend) -> Style {
    match backend {
        Backend::Theory => Style::Line,
        Backend::Sim => Style::Dots,
        Backend::Proc | Backend::Net => Style::Bars,
    }
}

/// A number of a setting with its unit.
fn shown(name: &str, value: f64) -> String {
    let binary = |value: f64| match value {
        1_073_741_824.0.. => format!("{} GiB", short(value / 1_073_741_824.0)),
        1_048_576.0.. => format!("{} MiB", short(value / 1_048_576.0)),
        1024.0.. => format!("{} KiB", short(value / 1024.0)),
        _ => format!("{value} B"),
    };
    match name {
        "F" => format!("F = {}", binary(value)),
        "u" | "us" => format!("{name} = {}/s", binary(value)),
        _ => format!("{name} = {value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{Outcome, PeerOutcome};
    use super::super::scenario::Scenario;
    use super::*;

    const TEXT: &str = r#"
name = "x"
backends = ["theory", "sim", "proc"]
seeds = [1, 2]
content = { size = 65536, piece = "16KiB" }
[[group]]
name = "seed"
role = "seed"
up = 1024
[[group]]
name = "peer"
role = "leech"
count = "$N"
up = 1024
slots = "$slots"
[sweep]
N = [1, 2]
slots = [4, 5]
mode = ["a", "b"]
[[plot]]
x = "N"
y = "D / (F/u)"
series = ["mode", "slots", "backend"]
where = { slots = 4 }
out = "a.svg"
[[plot]]
x = "mode"
y = "D"
where = { slots = 4, N = 1, backend = "sim" }
out = "b.svg"
"#;

    fn done(at: f64) -> Outcome {
        let peer = |group, completed| PeerOutcome {
            group,
            joined: Some(0.0),
            completed,
            ..PeerOutcome::default()
        };
        Outcome { peers: vec![peer(0, None), peer(1, Some(at))], ..Outcome::default() }
    }

    #[test]
    fn theory_is_a_line_simulated_runs_are_dots_and_real_ones_have_bars() {
        let scenario = Scenario::read(TEXT, "x.toml", &[]).expect("it is right");
        let mut campaign =
            Campaign::new(&scenario, &[Backend::Theory, Backend::Sim, Backend::Proc]);
        for job in campaign.jobs() {
            campaign.record(job, &Ok(done(200.0 + job.seed as f64)));
        }
        let drawn = figure(&campaign, &scenario.plots[0]);
        let names: Vec<&str> = drawn.series.iter().map(|series| series.name.as_str()).collect();
        let expected = [
            "a, slots=4 (theory)",
            "a, slots=4 (sim)",
            "a, slots=4 (proc)",
            "b, slots=4 (theory)",
            "b, slots=4 (sim)",
            "b, slots=4 (proc)",
        ];
        assert_eq!(names, expected);
        let sizes: Vec<usize> = drawn.series.iter().map(|series| series.points.len()).collect();
        assert_eq!(sizes, [2, 4, 2, 2, 4, 2]);
        let theory: Vec<_> = drawn.series[0].points.iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(theory, [(1.0, 1.0), (2.0, 1.0)]);
        assert_eq!(drawn.series[2].style, Style::Bars);
        let bar = drawn.series[2].points[0];
        assert!(bar.low.is_some_and(|low| low < bar.y) && bar.high.is_some_and(|h| h > bar.y));
        assert!(drawn.caption.starts_with("F = 64 KiB; M = 4; u = 1.00 KiB/s; us = 1.00 KiB/s"));
        let words = figure(&campaign, &scenario.plots[1]);
        assert_eq!(words.x.words, ["a", "b"]);
        assert_eq!(words.series.len(), 1);
        assert_eq!(words.series[0].points.len(), 4);
    }
}
