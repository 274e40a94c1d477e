//! Which runs there are, and how they are judged.

use super::super::outcome::PeerOutcome;
use super::*;

const TEXT: &str = r#"
name = "x"
backends = ["theory", "sim", "proc"]
seeds = [1, 2, 3]
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
[sweep]
N = [1, 2]
mode = ["a", "b"]
[measure]
metrics = ["D", "D / theory.D"]
[[expect]]
metric = "D / theory.D"
where = { mode = "a", backend = "sim" }
between = [1.00, 1.05]
[[expect]]
metric = "D[mode=b] / D"
where = { mode = "a", N = 2 }
between = [1.9, 2.1]
of = "max"
[[expect]]
metric = "D"
where = { backend = "proc" }
between = [0, 1]
"#;

fn scenario() -> Scenario {
    Scenario::read(TEXT, "x.toml", &[]).expect("it is right")
}

/// A run of which the only leecher took so long.
#[allow(clippy::unnecessary_wraps)] // as a runner gives it
fn took(seconds: f64) -> Result<Outcome, RunError> {
    let peer = |group, completed| PeerOutcome {
        group,
        joined: Some(0.0),
        completed,
        ..PeerOutcome::default()
    };
    let peers = vec![peer(0, None), peer(1, Some(seconds))];
    Ok(Outcome { peers, ..Outcome::default() })
}

fn lines(campaign: &Campaign<'_>) -> Vec<String> {
    campaign.judgements().iter().map(Judgement::line).collect()
}

/// As if somebody had run everything; theory says 64 s everywhere.
fn run(campaign: &mut Campaign<'_>, seconds: impl Fn(Job, &str) -> Result<Outcome, RunError>) {
    for job in campaign.jobs() {
        let mode = campaign.setting(job).point["mode"].to_string();
        campaign.record(job, &seconds(job, &mode));
    }
}

#[test]
fn every_seed_goes_once_over_the_sweep_before_the_next() {
    let scenario = scenario();
    let campaign = Campaign::new(&scenario, &[Backend::Sim, Backend::Theory]);
    let jobs: Vec<_> = campaign.jobs().iter().map(|job| (job.seed, job.point)).collect();
    let expected: Vec<_> =
        (1..=3).flat_map(|seed| (0..4).map(move |point| (seed, point))).collect();
    assert_eq!(jobs, expected);
    assert_eq!(campaign.summary().rows.len(), 4, "theory needs no run");
}

#[test]
fn expectations_are_judged_at_every_point_they_are_about() {
    let scenario = scenario();
    let mut campaign = Campaign::new(&scenario, &[Backend::Theory, Backend::Sim]);
    run(&mut campaign, |job, mode| took(if mode == "b" { 130.0 } else { 64.0 + job.seed as f64 }));
    assert_eq!(
        lines(&campaign),
        [
            "PASS  D / theory.D  a, sim, N=1: 1.031 (1.00 to 1.05), median of 3 seeds",
            "PASS  D / theory.D  a, sim, N=2: 1.031 (1.00 to 1.05), median of 3 seeds",
            "PASS  D[mode=b] / D  a, sim, N=2: 2.00 (1.90 to 2.10), greatest of 3 seeds",
            "----  D  proc: not run",
        ]
    );
    assert_eq!(
        campaign.overview().rows[4],
        ["1", "a", "sim", "66 (63.52 to 68.48)", "1.031 (0.992 to 1.07)"]
    );
}

#[test]
fn what_is_not_as_expected_fails_and_so_does_a_run_that_does_not_count() {
    let scenario = scenario();
    let mut campaign = Campaign::new(&scenario, &[Backend::Sim]);
    run(&mut campaign, |job, mode| match (mode, job.seed) {
        ("b", 2) => Err(RunError::Failed("peer/1 died".into())),
        ("b", 3) => Ok(Outcome { invalid: Some("a choker said nonsense".into()), ..took(99.0)? }),
        ("b", _) => took(128.0),
        _ => took(67.21),
    });
    let said = lines(&campaign);
    assert_eq!(
        said[0],
        "FAIL  D / theory.D  a, sim, N=1: 1.05015625 (1.00 to 1.05), median of 3 seeds"
    );
    assert!(
        said[2].starts_with(
            "FAIL  D[mode=b] / D  a, sim, N=2: no value (1.90 to 2.10) for seed 2, 3: "
        )
    );
    assert_eq!(said[4], "FAIL  b, sim, N=1, seed 2: this run does not count: peer/1 died");
    assert_eq!(
        said[5],
        "FAIL  b, sim, N=1, seed 3: this run does not count: a choker said nonsense"
    );
}

#[test]
fn a_run_below_the_bound_does_not_count() {
    let scenario = scenario();
    let mut campaign = Campaign::new(&scenario, &[Backend::Sim]);
    let first = campaign.jobs()[0];
    campaign.record(first, &took(60.0));
    let said = lines(&campaign);
    let why = "D is 60.000 s, below 0.98 of the bound 64.000 s: a rate limit leaks";
    assert!(
        said.contains(&format!("FAIL  a, sim, N=1, seed 1: this run does not count: {why}")),
        "{said:?}"
    );
}

#[test]
fn rows_do_not_depend_on_who_is_ready_first_and_say_whether_all_was_run() {
    let scenario = scenario();
    let mut forward = Campaign::new(&scenario, &[Backend::Theory, Backend::Sim]);
    let mut backward = forward.clone();
    run(&mut forward, |job, _| took(64.0 + job.seed as f64));
    for job in backward.jobs().into_iter().rev() {
        backward.record(job, &took(64.0 + job.seed as f64));
    }
    assert_eq!(forward.summary(), backward.summary());
    let table = forward.summary();
    assert_eq!(table.head[..6], ["N", "mode", "backend", "seed", "state", "D"]);
    assert_eq!(table.rows[4][..6], ["1", "a", "sim", "1", "whole", "65"]);
    assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
    forward.stop("stopped");
    assert_eq!(forward.summary().rows[0][4], "unfinished");
    assert_eq!(
        lines(&forward).last().map(String::as_str),
        Some("FAIL  12 of 12 runs are done: stopped")
    );
}
