//! `lab run`: all runs of a scenario, a folder with what came of them, and whether that was expected.
//!
//! ```text
//! scenario -> Campaign -> Engine: jobs -> summary.csv, series.csv, events.jsonl, capture.pcapng
//!                                      -> verdicts, figures, report.html
//! ```
//! The tables and figures of simulated runs are a function of the scenario: the same to the byte for
//! the same seeds, whoever runs them with however many jobs.

use super::super::args::RunArgs;
use super::super::env::Env;
use super::super::exit::{CliError, Exit};
use super::super::units::AtLeastOne;
use super::super::{print, signals, style};
use super::child::Running;
use super::engine::Engine;
use super::results::{Folder, Growing, environment};
use super::runners::CAPTURE;
use super::{capacity, pcap, runners, scenario_file};
use crate::lab::campaign::{Campaign, Judgement};
use crate::lab::outcome::Outcome;
use crate::lab::report::{Report, Verdict};
use crate::lab::scenario::Scenario;
use crate::lab::setting::Backend;
use crate::lab::table::{csv, csv_line};
use crate::lab::{campaign, chart, check, figure, report};
use crossbeam_channel::Receiver;
use parking_lot::Mutex;
use signals::Stop;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

/// How long running processes have for ending in good order.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a scenario.
pub fn run(args: &RunArgs, env: &Env) -> Result<(), CliError> {
    let scenario = scenario_file::read(&args.file, &args.set, args.seeds)?;
    let backends = backends(&scenario, &args.backend)?;
    refuse(&scenario, &backends)?;
    let folder = Folder::open(args.out.as_deref(), &scenario.name)?;
    let path = folder.path().to_owned();
    folder.write("scenario.toml", &resolved(&scenario))?;
    let facts = environment(&told(env)?);
    folder.write("env.json", &format!("{facts:#}\n"))?;
    let mut campaign = Campaign::new(&scenario, &backends);
    let conductor = Conductor::open(args.jobs)?;
    let mut files = Files::open(&folder, &scenario, args.trace)?;
    let runs_all = {
        let events = files.events.take();
        let result =
            conductor.run(env, args.quiet, &path, &mut campaign, &mut files, events.as_ref());
        files.events = events;
        result?
    };
    files.finish()?;
    let capture = path.join(CAPTURE);
    if args.trace && runs_all && !capture.exists() {
        pcap::make(&[path.join("events.jsonl")], &capture, env)?;
    }
    if !runs_all {
        campaign.stop("stopped");
    }
    let judgements = campaign.judgements();
    let verdicts: String = judgements.iter().map(|judgement| judgement.line() + "\n").collect();
    write_all(&folder, &campaign, &judgements, &facts)?;
    folder.write("verdicts.txt", &verdicts)?;
    if runs_all {
        folder.complete()?;
    }
    if !args.quiet {
        print(env, &style_lines(&verdicts))?;
        // A closed stderr spoils no result.
        let _ = env.screen.line(&format!("lab: everything is in {}", path.display()));
    }
    verdict(&judgements, &path, runs_all)
}

/// Lines for a terminal: a scenario's words may come from a stranger.
fn style_lines(text: &str) -> String {
    text.lines().map(|line| style::printable(line) + "\n").collect()
}

/// How the program ends.
fn verdict(judgements: &[Judgement], path: &Path, runs_all: bool) -> Result<(), CliError> {
    let failed = judgements.iter().filter(|judgement| judgement.holds == Some(false)).count();
    let judged = judgements.iter().filter(|judgement| judgement.holds.is_some()).count();
    let place = path.join("verdicts.txt");
    let place = place.display();
    match (runs_all, failed) {
        (true, 0) => Ok(()),
        (true, _) => Err(CliError::new(
            Exit::Failed,
            format!("{failed} of {judged} expectations do not hold: see {place}"),
        )),
        (false, _) => Err(CliError::new(
            Exit::Failed,
            format!("stopped before all was run: what there is, is in {}", path.display()),
        )),
    }
}

/// Which backends are to run: those that are asked for, or theory and sim.
pub fn backends(scenario: &Scenario, asked: &[Backend]) -> Result<Vec<Backend>, CliError> {
    let names = |backends: &[Backend]| {
        backends.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    if let Some(other) = asked.iter().find(|backend| !scenario.backends.contains(backend)) {
        return Err(CliError::usage(format!(
            "{} does not run on {other}: its backends are {}",
            scenario.name,
            names(&scenario.backends)
        )));
    }
    let always = scenario.backends.contains(&Backend::Theory).then_some(Backend::Theory);
    let mut backends: Vec<Backend> = always.into_iter().chain(asked.iter().copied()).collect();
    if asked.is_empty() {
        backends.extend(scenario.backends.iter().filter(|backend| **backend == Backend::Sim));
    }
    backends.sort_unstable();
    backends.dedup();
    let only_theory = scenario.backends == [Backend::Theory] || asked == [Backend::Theory];
    if backends.is_empty() || (backends == [Backend::Theory] && !only_theory) {
        let real: Vec<Backend> =
            scenario.backends.iter().copied().filter(|b| *b > Backend::Sim).collect();
        return Err(CliError::usage(format!(
            "{} runs on real programs only, which takes its time: say --backend {}",
            scenario.name,
            names(&real[..1.min(real.len())])
        )));
    }
    Ok(backends)
}

/// Refuses what this machine cannot do honestly.
pub fn refuse(scenario: &Scenario, backends: &[Backend]) -> Result<(), CliError> {
    let is_real = |backend: &Backend| *backend > Backend::Sim;
    // Without a loopback proc says so itself.
    let moved = backends.iter().any(is_real).then(|| capacity::measured().ok()).flatten();
    for &backend in backends {
        let each = scenario.settings.iter();
        let refusals = each.filter_map(|setting| check::refusal(setting, backend, moved));
        if let Some(why) = refusals.into_iter().next() {
            return Err(CliError::new(Exit::Failed, why));
        }
    }
    Ok(())
}

/// The scenario as it ran.
fn resolved(scenario: &Scenario) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("# {} as it was run by lab {version}\n{}", scenario.name, scenario.to_toml())
}

/// The command line, as it was typed.
pub fn told(env: &Env) -> Result<Vec<String>, CliError> {
    let quoted = |word: String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:".contains(c);
        if word.chars().all(is_plain) && !word.is_empty() {
            return word;
        }
        format!("'{}'", word.replace('\'', "'\\''"))
    };
    let words = env.words()?.into_iter().map(quoted);
    Ok(std::iter::once("lab".to_owned()).chain(words).collect())
}

/// What all campaigns of a command share: Ctrl-C, processes, threads.
pub struct Conductor {
    running: Running,
    stopped: Receiver<Stop>,
    jobs: usize,
}

impl Conductor {
    /// Watches for Ctrl-C from now on.
    pub fn open(jobs: Option<AtLeastOne>) -> Result<Self, CliError> {
        let running = Running::default();
        let last = running.clone();
        let stopped = signals::watch_also_hangup(PATIENCE, move || last.kill());
        let stopped = stopped.map_err(|why| {
            CliError::new(Exit::Failed, format!("cannot watch for signals: {why}"))
        })?;
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        let jobs = jobs.map_or(cores, |AtLeastOne(jobs)| jobs.min(1024));
        Ok(Self { running, stopped, jobs })
    }

    /// Runs all of a campaign; true if nothing is left.
    pub fn run(
        &self,
        env: &Env,
        quiet: bool,
        logs: &Path,
        campaign: &mut Campaign<'_>,
        files: &mut dyn Heard,
        events: Option<&Mutex<Events>>,
    ) -> Result<bool, CliError> {
        let runner = |backend| runners::runner(backend, &self.running, logs);
        let trace = |line: &str| {
            if let Some(events) = events {
                events.lock().push(line);
            }
        };
        let engine = Engine {
            runner: &runner,
            jobs: self.jobs,
            stopped: &self.stopped,
            env,
            mode: env.mode(quiet),
            trace: events.is_some().then_some(&trace),
        };
        let plan = campaign.clone();
        engine.run(&plan, &mut |job, ended| {
            campaign.record(job, &ended);
            match &ended {
                Ok(outcome) => files.hear(&plan, job, outcome),
                Err(_) => Ok(()),
            }
        })
    }
}

/// Whoever keeps what came of runs besides their measures.
pub trait Heard {
    /// A run ended.
    fn hear(
        &mut self,
        campaign: &Campaign<'_>,
        job: campaign::Job,
        outcome: &Outcome,
    ) -> Result<(), CliError>;
}

/// A trace that is written.
pub struct Events {
    file: Growing,
    /// What went wrong first.
    failed: Option<CliError>,
}

impl Events {
    fn push(&mut self, line: &str) {
        if self.failed.is_none() {
            self.failed = self.file.push(line).err();
        }
    }
}

/// The files that grow while jobs run.
struct Files {
    series: Growing,
    events: Option<Mutex<Events>>,
}

impl Files {
    fn open(folder: &Folder, scenario: &Scenario, trace: bool) -> Result<Self, CliError> {
        let mut series = folder.grow("series.csv")?;
        let variables = scenario.sweep.iter().map(|(name, _)| name.clone());
        let others = ["backend", "seed", "t", "who", "metric", "value"].map(str::to_owned);
        series.push(&csv_line(&variables.chain(others).collect::<Vec<_>>()))?;
        let events = if trace {
            Some(Mutex::new(Events { file: folder.grow("events.jsonl")?, failed: None }))
        } else {
            None
        };
        Ok(Self { series, events })
    }

    fn finish(self) -> Result<(), CliError> {
        self.series.finish()?;
        match self.events.map(Mutex::into_inner) {
            Some(Events { failed: Some(why), .. }) => Err(why),
            Some(Events { file, failed: None }) => file.finish(),
            None => Ok(()),
        }
    }
}

impl Heard for Files {
    fn hear(
        &mut self,
        campaign: &Campaign<'_>,
        job: campaign::Job,
        outcome: &Outcome,
    ) -> Result<(), CliError> {
        let point = &campaign.setting(job).point;
        let variables = campaign.scenario().sweep.iter();
        let mut head: Vec<String> = variables.map(|(name, _)| point[name].to_string()).collect();
        head.extend([job.backend.to_string(), job.seed.to_string()]);
        for sample in &outcome.series {
            let own = [sample.t.to_string(), sample.who.clone(), sample.metric.to_owned()];
            let mut cells = head.clone();
            cells.extend(own);
            cells.push(sample.value.to_string());
            self.series.push(&csv_line(&cells))?;
        }
        Ok(())
    }
}

/// Tables, figures and the report.
fn write_all(
    folder: &Folder,
    campaign: &Campaign<'_>,
    judgements: &[Judgement],
    facts: &serde_json::Value,
) -> Result<(), CliError> {
    let scenario = campaign.scenario();
    folder.write("summary.csv", &csv(&campaign.summary()))?;
    let mut figures = Vec::new();
    for plot in &scenario.plots {
        let drawn = chart::figure(campaign, plot);
        let svg = figure::svg(&drawn);
        folder.write(&plot.out, &svg)?;
        figures.push((drawn.caption, svg));
    }
    let verdicts = judgements
        .iter()
        .map(|judgement| Verdict { text: judgement.text.clone(), holds: judgement.holds });
    let seeds: Vec<String> = scenario.seeds.iter().map(ToString::to_string).collect();
    let words = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let facts = facts.as_object().into_iter().flatten();
    let facts = facts.map(|(name, value)| (name.clone(), words(value)));
    let facts = facts.chain([("seeds".to_owned(), seeds.join(", "))]).collect();
    let page = Report {
        title: scenario.name.clone(),
        about: scenario.about.clone(),
        facts,
        verdicts: verdicts.collect(),
        tables: vec![("Measures, with the 95 % interval of the mean".into(), campaign.overview())],
        figures,
        scenario: resolved(scenario),
    };
    folder.write("report.html", &report::html(&page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(backends: &str) -> Scenario {
        let text = format!(
            "name = \"x\"\nbackends = [{backends}]\ncontent = {{ size = \"1MiB\" }}\n\
             [[group]]\nname = \"seed\"\nrole = \"seed\"\n"
        );
        Scenario::read(&text, "x.toml", &[]).expect("it is right")
    }

    #[test]
    fn theory_always_runs_and_real_programs_only_when_asked_for() {
        let check = |of: &str, asked: &[Backend], expected: Result<&[Backend], &str>| {
            let found = backends(&scenario(of), asked).map_err(|error| error.message);
            let expected = expected.map(<[Backend]>::to_vec).map_err(str::to_owned);
            assert_eq!(found, expected, "{of} {asked:?}");
        };
        let (theory, sim, proc) = (Backend::Theory, Backend::Sim, Backend::Proc);
        let all = "\"theory\", \"sim\", \"proc\"";
        check(all, &[], Ok(&[theory, sim]));
        check(all, &[proc], Ok(&[theory, proc]));
        check(all, &[sim, proc, sim], Ok(&[theory, sim, proc]));
        check("\"theory\"", &[], Ok(&[theory]));
        check("\"sim\"", &[], Ok(&[sim]));
        check(
            all,
            &[Backend::Net],
            Err("x does not run on net: its backends are theory, sim, proc"),
        );
        let real = "x runs on real programs only, which takes its time: say --backend net";
        check("\"net\"", &[], Err(real));
        check("\"theory\", \"net\"", &[], Err(real));
    }
}
