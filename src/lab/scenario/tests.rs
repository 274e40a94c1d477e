//! What a scenario's file may say, and how its mistakes are named.

use super::super::setting::{After, Deed, Joins, Role};
use super::*;
use std::time::Duration;

const GOOD: &str = r#"schema = 1
name = "kurose-ross"
about = "Minimum distribution time."
backends = ["sim", "theory", "proc"]
seeds = [1, 2]
time_scale = 56.25
limit = "20min"
content = { size = "64MiB", piece = "64KiB", block = "16KiB", fill = "random" }
link = { up = "1MiB/s", down = "unlimited", rtt = "20ms" }

[[group]]
name = "seed"
role = "seed"
up = "10MiB/s"

[[group]]
name = "peer"
role = "leech"
count = "$N"
picker = "rarest"
choker = "exec:./mine"
join = "uniform 0..60s"
after = "exp 30s"

[[event]]
at = "30s"
do = "kill"
who = "seed"

[sweep]
N = [1, 30]
mode = ["client-server", "p2p"]

[variant.mode.client-server]
"peer.slots" = 0
link = { rtt = "1ms" }

[measure]
metrics = ["D", "mean.peer"]

[[expect]]
metric = "D / theory.D"
where = { mode = "p2p", backend = "sim" }
between = [1.00, 1.05]

[[plot]]
x = "N"
y = "D / (F/u)"
series = ["mode", "backend"]
log = ["y"]
out = "fig-2-23.svg"
"#;

fn read(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::read(text, "x.toml", &[])
}

/// The good file with one part replaced, and what is said of it.
fn check(old: &str, new: &str, expected: &str) {
    assert!(GOOD.contains(old), "{old}");
    let error = read(&GOOD.replacen(old, new, 1)).expect_err(new);
    assert_eq!(error.to_string(), format!("x.toml: {expected}"), "{new}");
}

#[test]
fn a_file_becomes_the_settings_of_its_points() {
    let scenario = read(GOOD).expect("it is right");
    assert_eq!(scenario.backends, [Backend::Theory, Backend::Sim, Backend::Proc]);
    assert_eq!((scenario.name.as_str(), scenario.seeds.as_slice()), ("kurose-ross", &[1, 2][..]));
    let points: Vec<String> = scenario
        .settings
        .iter()
        .map(|setting| format!("{} {}", setting.point["N"], setting.point["mode"]))
        .collect();
    assert_eq!(points, ["1 client-server", "1 p2p", "30 client-server", "30 p2p"]);
    let (server, swarm) = (&scenario.settings[2], &scenario.settings[3]);
    assert_eq!((server.groups[1].slots, swarm.groups[1].slots), (0, 4));
    let rtt = |setting: &Setting| setting.link.rtt;
    assert_eq!((rtt(server), rtt(swarm)), (Duration::from_millis(1), Duration::from_millis(20)));
    let peer = &swarm.groups[1];
    assert_eq!((peer.role, peer.count, peer.up, peer.down), (Role::Leech, 30, Some(1 << 20), None));
    assert_eq!(peer.joins, Joins::Uniform(Duration::ZERO, Duration::from_mins(1)));
    assert_eq!(peer.after, After::Exp(Duration::from_secs(30)));
    assert_eq!(peer.choker.to_string(), "exec:./mine");
    assert_eq!((swarm.groups[0].up, swarm.content.pieces()), (Some(10 << 20), 1024));
    assert_eq!((swarm.events[0].deed, swarm.events[0].who.as_str()), (Deed::Kill, "seed"));
    assert_eq!(scenario.expects[0].filter["mode"].to_string(), "p2p");
    assert_eq!(scenario.plots[0].labels, ("N".into(), "D / (F/u)".into()));
    assert_eq!(scenario.plots[0].logarithmic, (false, true));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    check("limit = ", "limt = ", "line 7: unknown key limt: did you mean limit?");
    check("rtt = ", "rt = ", "line 9: unknown key rt in [link]: did you mean rtt?");
    check("count = ", "cuont = ", "line 19: unknown key cuont in [[group]]: did you mean count?");
    check("do = ", "doo = ", "line 27: unknown key doo in [[event]]: did you mean do?");
    check("between", "betwen", "line 44: unknown key betwen in [[expect]]: did you mean between?");
    check("\nout = ", "\noout = ", "line 51: unknown key oout in [[plot]]: did you mean out?");
    check(
        "\"peer.slots\"",
        "\"peer.slot\"",
        "line 35: unknown key slot in peer: did you mean slots?",
    );
    check(
        "\"peer.slots\"",
        "\"pear.slots\"",
        "line 35: unknown group pear in a variant: did you mean peer?",
    );
}

#[test]
fn a_value_that_cannot_be_is_named_with_what_to_try() {
    const RATE: &str = "expected a rate from 1B/s to 1TB/s: 1MiB/s, 300kB/s, 20Mbit/s or unlimited";
    for rate in ["0", "-1MiB/s", "0kB/s", "99999GiB/s", "fast", "1MiB"] {
        let said = format!("line 14: up = \"{rate}\" makes no sense: {RATE}");
        check("\"10MiB/s\"", &format!("\"{rate}\""), &said);
    }
    check("\"10MiB/s\"", "0", &format!("line 14: up = 0 makes no sense: {RATE}"));
    check(
        "\"rarest\"",
        "\"rarets\"",
        "line 20: picker = \"rarets\" makes no sense: no picker is called rarets: try rarest, random \
         or sequential",
    );
    check(
        "\"exec:./mine\"",
        "\"tot\"",
        "line 21: choker = \"tot\" makes no sense: no choker is called tot: try tft, legout, random, \
         round-robin, all, freeride, bittyrant, propshare or student; or exec:COMMAND",
    );
    check(
        "[1, 30]",
        "[0, 30]",
        "line 19: count = \"0\" makes no sense: expected a whole number from 1 to 2000000",
    );
    check("\"seed\"\nup", "\"seed\"\nlacks = 1\nup", "line 11: seed is a seed, and lacks nothing");
    check("\"$N\"", "\"$M\"", "line 19: count: unknown variable M: did you mean N?");
    check("\"20min\"", "\"0s\"", "line 1: limit is zero: write limit = \"20min\"");
    check(
        "\"seed\"\nup",
        "\"server\"\nup",
        "line 13: role = \"server\" makes no sense: expected seed or leech",
    );
    check(
        "64KiB",
        "65kB",
        "line 8: content.piece is 65000 bytes: expected a power of two from 16KiB to 256MiB",
    );
}

#[test]
fn names_must_be_there() {
    check(
        "D / theory.D",
        "D / theory.E",
        "line 42: metric = \"D / theory.E\" makes no sense: unknown measure theory.E: did you mean \
         theory.D?",
    );
    check(
        "D / theory.D",
        "maen / 2",
        "line 42: metric = \"maen / 2\" makes no sense: unknown measure maen: did you mean mean?",
    );
    check(
        "\"mean.peer\"",
        "\"mean.pear\"",
        "line 39: metrics: unknown group pear in mean.: did you mean peer?",
    );
    check(
        "D / theory.D",
        "D[mode=p3p]",
        "line 42: metric = \"D[mode=p3p]\" makes no sense: unknown value p3p in D[mode=..]: did you \
         mean p2p?",
    );
    check("{ mode = ", "{ mod = ", "line 43: unknown variable mod in where: did you mean mode?");
    check(
        "mode = \"p2p\"",
        "mode = \"q2q\"",
        "line 43: unknown value q2q in where mode: there is client-server or p2p",
    );
    check(
        "backend = \"sim\"",
        "backend = \"net\"",
        "line 43: unknown value net in where backend: there is theory, sim or proc",
    );
    check(
        "who = \"seed\"",
        "who = \"sead\"",
        "line 25: who: unknown group sead: did you mean seed?",
    );
    check(
        "who = \"seed\"",
        "who = \"seed/2\"",
        "line 25: who: there is no seed/2: seed has peers from seed/1 to seed/1",
    );
    check(
        "name = \"peer\"",
        "name = \"seed\"",
        "line 16: two groups are called seed: give one another name",
    );
    check(
        "name = \"peer\"",
        "name = \"link\"",
        "line 16: no group may be called link: --set link.. is taken",
    );
    check(
        "variant.mode",
        "variant.moed",
        "line 34: unknown variable moed in [variant]: did you mean mode?",
    );
    check(
        "N = [1, 30]",
        "D = [1, 30]",
        "line 31: the variable D has the name of a measure: choose another",
    );
}

#[test]
fn a_change_may_take_values_out_of_the_sweep_that_the_file_speaks_of() {
    let less = |sweep: &str| {
        Scenario::read(GOOD, "good.toml", &[("sweep.mode".to_owned(), sweep.to_owned())])
    };
    let scenario = less("[\"p2p\"]").expect("client-server is a variant and in a where");
    assert_eq!(scenario.sweep[1], ("mode".to_owned(), vec![Value::Word("p2p".to_owned())]));
    assert!(scenario.settings.iter().all(|setting| setting.groups[1].slots > 0));
    assert!(less("[\"q2q\"]").is_ok(), "a new value has no variant");
}

#[test]
fn everything_is_bounded() {
    let many: Vec<String> = (1..=101).map(|n| n.to_string()).collect();
    let many = many.join(", ");
    let wide = GOOD.replace("mode = [", &format!("a = [{many}]\nb = [{many}]\nmode = ["));
    let error = read(&wide).expect_err("too many points");
    assert!(error.message.contains("more than 10000 points"), "{error}");
    let seeds = GOOD.replace("[1, 2]\nt", "90000\nt");
    assert!(
        read(&seeds).expect_err("too many runs").message.contains("360000 runs, at most 100000")
    );
    let peers = GOOD.replace("[1, 30]", "[2000000]");
    assert!(read(&peers).expect_err("too many peers").message.contains("2000001 peers"));
    let long = format!("{GOOD}# {}", "x".repeat(LONGEST));
    assert!(read(&long).expect_err("too long").message.contains("at most 1048576"));
}

#[test]
fn changes_are_read_like_the_file_and_kept_with_it() {
    let change = |pairs: &[(&str, &str)]| {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Scenario::read(GOOD, "x.toml", &pairs)
    };
    let scenario = change(&[
        ("peer.choker", "random"),
        ("link.rtt", "5ms"),
        ("seeds", "3"),
        ("sweep.N", "[1,2]"),
        ("seed.up", "2MiB/s"),
    ]);
    let scenario = scenario.expect("they make sense");
    assert_eq!(scenario.seeds, [1, 2, 3]);
    assert_eq!(scenario.settings.len(), 4);
    assert_eq!(scenario.settings[1].groups[1].choker.to_string(), "random");
    assert_eq!(scenario.settings[1].link.rtt, Duration::from_millis(5));
    assert_eq!(read(scenario.to_toml()), Ok(scenario));
    let wrong = change(&[("peer.choker", "mine")]).expect_err("nobody is called so").to_string();
    assert!(
        wrong.starts_with("--set peer.choker=mine: choker = \"mine\" makes no sense"),
        "{wrong}"
    );
    let wrong = change(&[("pear.choker", "tft")]).expect_err("nobody is called so").to_string();
    assert_eq!(wrong, "--set pear.choker=tft: unknown group pear: did you mean peer?");
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(
        at in 0..GOOD.len(),
        length in 0..40_usize,
        new in "[a-z=\"\\[\\]{}.$ 0-9\n-]{0,12}",
    ) {
        let end = (at + length).min(GOOD.len());
        let _ = read(&format!("{}{new}{}", &GOOD[..at], &GOOD[end..]));
    }
}
