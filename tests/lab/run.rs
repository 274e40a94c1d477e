//! `lab run`, `check`, `theory` and `compare` as programs: what they say, write and end with.

use crate::harness::programs::LAB;
use crate::harness::scratch::Scratch;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A small swarm, which takes 1/100 of a second in virtual time.
const GOOD: &str = r#"
name = "small"
about = "Three peers and a seed."
backends = ["theory", "sim", "net"]
seeds = [1, 2]
time_scale = 50
content = { size = "512KiB", piece = "16KiB" }
link = { up = "64KiB/s" }

[[group]]
name = "seed"
role = "seed"
up = "256KiB/s"

[[group]]
name = "peer"
role = "leech"
count = "$N"

[sweep]
N = [1, 3]

[[expect]]
metric = "D / theory.D"
between = [0.98, 2.0]

[[plot]]
x = "N"
y = "D"
out = "fig-d.svg"
"#;

/// What a command said and how it ended.
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

fn lab(scratch: &Scratch, scenario: &str, line: &str) -> Said {
    fs::write(scratch.path().join("x.toml"), scenario).expect("there is room");
    let words: Vec<&str> = line.split_whitespace().collect();
    let ended = Command::new(LAB).args(words).current_dir(scratch.path()).output();
    let ended = ended.expect("the lab can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { out: text(ended.stdout), err: text(ended.stderr), code: ended.status.code() }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> =
        entries.map(name).map(|name| name.into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn a_run_leaves_a_whole_folder_and_ends_well_if_all_is_as_expected() {
    let scratch = Scratch::new("lab-run");
    let said = lab(&scratch, GOOD, "run x.toml --out here --trace");
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    assert!(said.out.lines().all(|line| line.starts_with("PASS  D / theory.D  sim, N=")));
    let here = scratch.path().join("here");
    let expected = [
        "capture.pcapng",
        "env.json",
        "events.jsonl",
        "fig-d.svg",
        "report.html",
        "scenario.toml",
        "series.csv",
        "summary.csv",
        "verdicts.txt",
    ];
    assert_eq!(names(&here), expected);
    let summary = fs::read_to_string(here.join("summary.csv")).expect("a summary");
    // A head, theory at two points, and two points with two seeds.
    assert_eq!(summary.lines().count(), 1 + 2 + 4, "{summary}");
    assert!(summary.starts_with("N,backend,seed,state,D,mean,"), "{summary}");
    let trace = fs::read_to_string(here.join("events.jsonl")).expect("a trace");
    let is_event = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert!(trace.lines().count() > 10 && trace.lines().all(is_event));
    let capture = fs::read(here.join("capture.pcapng")).expect("a capture");
    assert!(capture.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]), "pcapng begins with a section");
    let again = lab(&scratch, GOOD, "run x.toml --out here");
    assert_eq!(again.code, Some(8), "a folder with results is not written over: {}", again.err);
}

#[test]
fn the_same_seeds_give_the_same_bytes_whatever_the_number_of_jobs() {
    let scratch = Scratch::new("lab-same");
    for (folder, jobs) in [("a", 1), ("b", 3)] {
        let line = format!("run x.toml --backend sim -q --out {folder} --jobs {jobs}");
        let said = lab(&scratch, GOOD, &line);
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "", ""));
    }
    for file in ["summary.csv", "series.csv", "fig-d.svg", "verdicts.txt", "scenario.toml"] {
        let read = |folder: &str| fs::read(scratch.path().join(folder).join(file)).expect(file);
        assert!(read("a") == read("b"), "{file}");
    }
}

#[test]
fn an_expectation_that_does_not_hold_ends_the_program_with_1() {
    let scratch = Scratch::new("lab-fails");
    let text = GOOD.replace("[0.98, 2.0]", "[5, 6]");
    let said = lab(&scratch, &text, "run x.toml --out here");
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.starts_with("FAIL  D / theory.D  sim, N=1: "), "{}", said.out);
    let end = said.err.lines().last().unwrap_or_default();
    assert_eq!(end, "lab: 2 of 2 expectations do not hold: see here/verdicts.txt");
    assert!(!scratch.path().join("here/INCOMPLETE").exists(), "all was run");
}

#[test]
fn a_scenario_that_makes_no_sense_is_an_error_of_usage_and_leaves_nothing() {
    let scratch = Scratch::new("lab-wrong");
    let check = |old: &str, new: &str, line: &str, expected: &str| {
        let said = lab(&scratch, &GOOD.replace(old, new), line);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{}", said.err);
        assert_eq!(said.err, format!("lab: {expected}\n"));
        assert_eq!(names(scratch.path()), ["x.toml"]);
    };
    let unknown = "x.toml: line 18: unknown key cuont in [[group]]: did you mean count?";
    for line in ["run x.toml", "check x.toml", "theory x.toml"] {
        check("count", "cuont", line, unknown);
    }
    check(
        "\"256KiB/s\"",
        "\"0KiB/s\"",
        "run x.toml",
        "x.toml: line 13: up = \"0KiB/s\" makes no sense: expected a rate from 1B/s to 1TB/s: 1MiB/s, \
         300kB/s, 20Mbit/s or unlimited",
    );
    check(
        "",
        "",
        "run x.toml --set peer.chocker=tft",
        "--set peer.chocker=tft: unknown key chocker in [[group]]: did you mean choker?",
    );
    check(
        "",
        "",
        "run x.toml --backend proc",
        "small does not run on proc: its backends are theory, sim, net",
    );
    check("", "", "compare x.toml", "nothing is changed: say what with --set peer.choker=random");
}

#[test]
fn a_choker_that_says_nonsense_makes_its_runs_invalid() {
    let scratch = Scratch::new("lab-nonsense");
    let line = "run x.toml --out here --seeds 1 --set sweep.N=[3] --set peer.choker=exec:false";
    let said = lab(&scratch, GOOD, line);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.out.contains("this run does not count"), "{}", said.out);
}

#[test]
fn a_check_prints_what_a_scenario_asks_of_a_machine() {
    let scratch = Scratch::new("lab-check");
    let said = lab(&scratch, GOOD, "check x.toml");
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    let rows: Vec<Vec<&str>> =
        said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [vec!["us/u", "4.00"], vec!["N", "1.00", "to", "3.00"], vec!["F/u", "8.00", "s"]] {
        assert!(rows.contains(&row), "{row:?}: {}", said.out);
    }
    let said = lab(&scratch, GOOD, "check x.toml --set sweep.N=[100]");
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("net runs 32 peers at most, here are 101"), "{}", said.err);
}

#[test]
fn theory_is_a_table_or_json() {
    let scratch = Scratch::new("lab-theory");
    let said = lab(&scratch, GOOD, "theory x.toml");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out.lines().count(), 3, "{}", said.out);
    let said = lab(&scratch, GOOD, "theory x.toml --json");
    let points: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(
        (&points[1]["N"], &points[1]["theory"]["D"]),
        (&3.0.into(), &(3.0 * 8.0 / 7.0).into())
    );
}

#[test]
fn a_comparison_is_a_sentence_and_a_figure() {
    let scratch = Scratch::new("lab-compare");
    let line = "compare x.toml --set peer.up=16KiB/s --set sweep.N=[3] --seeds 3 --out here -q";
    let said = lab(&scratch, GOOD, line);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.starts_with("peer.up=16KiB/s at sim, N=3: mean is "), "{}", said.out);
    assert!(
        said.out.contains(" % slower (95 % CI ") && said.out.contains(", 3 seeds, "),
        "{}",
        said.out
    );
    let figure = fs::read_to_string(scratch.path().join("here/compare.svg")).expect("a figure");
    assert!(figure.starts_with("<svg"), "{figure}");
}
