//! `lab compare`: a scenario as it is and changed, over the same seeds.
//!
//! ```text
//! base.toml            -> Campaign ->  mean of seed 1, 2, ..  \
//! base.toml with --set -> Campaign ->  mean of seed 1, 2, ..  -> Paired: a sentence, compare.svg
//! ```

use super::super::args::CompareArgs;
use super::super::args::lab::scenario::Change;
use super::super::env::Env;
use super::super::exit::{CliError, Exit};
use super::super::{print, style};
use super::results::{Folder, environment};
use super::run::{Conductor, Heard, refuse, told};
use super::scenario_file;
use crate::lab::campaign::{Campaign, Job};
use crate::lab::expression::Expression;
use crate::lab::figure::{Axis, Figure, Point, Series, Style, svg};
use crate::lab::measure;
use crate::lab::outcome::Outcome;
use crate::lab::paired::Paired;
use crate::lab::scenario::Scenario;
use crate::lab::setting::{Backend, Role};
use crate::lab::table::csv;

/// Compares.
pub fn compare(args: &CompareArgs, env: &Env) -> Result<(), CliError> {
    // What is run, and how often, is the same for both; everything else is the change.
    let (both, change): (Vec<Change>, Vec<Change>) =
        args.set.iter().cloned().partition(|set| is_of_both(&set.path));
    if change.is_empty() {
        return Err(CliError::usage("nothing is changed: say what with --set peer.choker=random"));
    }
    let base = scenario_file::read(&args.file, &both, args.seeds)?;
    let changed = scenario_file::read(&args.file, &args.set, args.seeds)?;
    let backend = args.backend.unwrap_or(Backend::Sim);
    let metric = args.metric.as_deref().unwrap_or("mean");
    check(&base, &changed, backend, metric)?;
    refuse(&base, &[backend])?;
    refuse(&changed, &[backend])?;
    let folder = Folder::open(args.out.as_deref(), &base.name)?;
    let conductor = Conductor::open(args.jobs)?;
    let run = |scenario| -> Result<Campaign<'_>, CliError> {
        let mut campaign = Campaign::new(scenario, &[backend]);
        let logs = folder.path().to_owned();
        if conductor.run(env, args.quiet, &logs, &mut campaign, &mut Nobody, None)? {
            Ok(campaign)
        } else {
            Err(CliError::new(Exit::Failed, "stopped before all was run"))
        }
    };
    let both = [run(&base)?, run(&changed)?];
    let name = change.iter().map(|change| format!("{}={}", change.path, change.value));
    let name = name.collect::<Vec<_>>().join(" ");
    let told_of = Comparison { both: &both, backend, metric, name: &name };
    let sentences = told_of.sentences();
    for (campaign, file) in both.iter().zip(["base", "changed"]) {
        folder.write(&format!("{file}.toml"), campaign.scenario().to_toml())?;
        folder.write(&format!("{file}.csv"), &csv(&campaign.summary()))?;
    }
    folder.write("env.json", &format!("{:#}\n", environment(&told(env)?)))?;
    folder.write("compare.svg", &svg(&told_of.figure(&sentences)))?;
    folder.write("compare.txt", &sentences)?;
    let path = folder.path().to_owned();
    folder.complete()?;
    print(env, &sentences.lines().map(|line| style::printable(line) + "\n").collect::<String>())?;
    if !args.quiet {
        // A closed stderr spoils no result.
        let _ = env.screen.line(&format!("lab: everything is in {}", path.display()));
    }
    invalid(&both)
}

/// Whether a change is no difference between the two, but the frame of both.
fn is_of_both(path: &str) -> bool {
    path == "seeds" || path.starts_with("sweep.")
}

/// Whether the two can be held against each other.
fn check(
    base: &Scenario,
    changed: &Scenario,
    backend: Backend,
    metric: &str,
) -> Result<(), CliError> {
    if backend == Backend::Theory {
        return Err(CliError::usage("theory has no dice: choose sim, proc or net"));
    }
    if !base.backends.contains(&backend) {
        return Err(CliError::usage(format!("{} does not run on {backend}", base.name)));
    }
    debug_assert_eq!((&base.sweep, &base.seeds), (&changed.sweep, &changed.seeds));
    let expression = Expression::parse(metric).map_err(CliError::usage)?;
    // A name that is unknown has no value in any run, which is said then.
    let groups = base.settings.iter().flat_map(|setting| &setting.groups);
    let groups: Vec<&str> = groups.map(|group| group.name.as_str()).collect();
    for reference in expression.references() {
        let name = reference.name.as_str();
        let of_group = name
            .split_once('.')
            .is_some_and(|(of, group)| measure::OF_GROUPS.contains(&of) && groups.contains(&group));
        let is_known = of_group
            || name.starts_with("theory.")
            || measure::MEASURES.contains(&name)
            || measure::NAMES.contains(&name)
            || base.sweep.iter().any(|(variable, _)| variable == name);
        if !is_known {
            let known = measure::MEASURES.join(", ");
            let why = format!("--metric {metric}: unknown measure {name}: there is {known}");
            return Err(CliError::usage(why));
        }
    }
    Ok(())
}

/// A run that does not count spoils the comparison.
fn invalid(both: &[Campaign<'_>]) -> Result<(), CliError> {
    let all = both.iter().flat_map(Campaign::invalid);
    match all.into_iter().next() {
        Some(why) => Err(CliError::new(Exit::Failed, why)),
        None => Ok(()),
    }
}

/// Keeps nothing but the measures.
struct Nobody;

impl Heard for Nobody {
    fn hear(&mut self, _: &Campaign<'_>, _: Job, _: &Outcome) -> Result<(), CliError> {
        Ok(())
    }
}

struct Comparison<'a> {
    both: &'a [Campaign<'a>; 2],
    backend: Backend,
    metric: &'a str,
    name: &'a str,
}

impl Comparison<'_> {
    /// The values of each seed at a point, before and after.
    fn pairs(&self, metric: &str, point: usize) -> Vec<(f64, f64)> {
        let Ok(expression) = Expression::parse(metric) else { return Vec::new() };
        let of = |at: usize, seed: u64| {
            self.both[at].value(&expression, Job { backend: self.backend, point, seed })
        };
        let seeds = self.both[0].seeds(self.backend).iter();
        seeds.filter_map(|&seed| Some((of(0, seed)?, of(1, seed)?))).collect()
    }

    /// A sentence for each point.
    fn sentences(&self) -> String {
        let points = self.both[0].scenario().settings.len();
        (0..points).map(|point| self.sentence(point) + "\n").collect()
    }

    fn sentence(&self, point: usize) -> String {
        let scenario = self.both[0].scenario();
        let place = if scenario.sweep.is_empty() {
            String::new()
        } else {
            format!(" at {}", self.both[0].place(point, self.backend))
        };
        let Some(paired) = Paired::of(&self.pairs(self.metric, point)) else {
            return format!(
                "{}{place}: nothing to compare: {} could not be measured in both",
                self.name, self.metric
            );
        };
        let mut parts = vec![format!("{}{place}: {}", self.name, paired.sentence(self.metric))];
        let leechers = scenario.settings[point].groups.iter();
        let groups: Vec<_> = leechers.filter(|group| group.role == Role::Leech).collect();
        if groups.len() > 1 && measure::OF_GROUPS.contains(&self.metric) {
            for group in groups {
                let of_group = format!("{}.{}", self.metric, group.name);
                if let Some(paired) = Paired::of(&self.pairs(&of_group, point)) {
                    parts.push(format!("{} is {}", group.name, paired.words(self.metric)));
                }
            }
        }
        parts.join("; ")
    }

    /// Each seed as a pair of dots.
    fn figure(&self, caption: &str) -> Figure {
        let scenario = self.both[0].scenario();
        let alone = scenario.settings.len() == 1;
        let mut words = Vec::new();
        let mut points = Vec::new();
        for point in 0..scenario.settings.len() {
            let place = if alone {
                String::new()
            } else {
                let place = self.both[0].place(point, self.backend);
                format!("{}: ", place.replace(&format!("{}, ", self.backend), ""))
            };
            let at = words.len() as f64;
            words.extend([format!("{place}as it is"), format!("{place}changed")]);
            for (before, after) in self.pairs(self.metric, point) {
                let dot = |x, y| Point { x, y, low: None, high: None };
                points.extend([dot(at, before), dot(at + 1.0, after)]);
            }
        }
        Figure {
            title: format!("{} ({})", self.name, self.backend),
            caption: format!("Each line is a seed. {}", caption.trim().replace('\n', " ")),
            x: Axis { label: String::new(), logarithmic: false, words },
            y: Axis { label: self.metric.to_owned(), logarithmic: false, words: Vec::new() },
            series: vec![Series { name: "a seed".into(), style: Style::Pairs, points }],
        }
    }
}
