//! Backend `proc` with the real programs: what comes of a run, and what it leaves behind.

use crate::harness::alone;
use std::fs;
use std::path::Path;
use std::time::Duration;
use swarmlet::cli::lab::child::Running;
use swarmlet::cli::lab::proc::{Proc, Programs};
use swarmlet::config::ChokerChoice;
use swarmlet::lab::outcome::{Outcome, RunError, Runner, Watch};
use swarmlet::lab::setting::{After, Content, Deed, Group, Joins, Planned, Role, Setting};

const SIZE: u64 = 1 << 20;

/// Watches without a word.
#[derive(Default)]
struct Quiet {
    /// Lines of the trace, if they are wanted.
    trace: Option<Vec<String>>,
    /// Looks after which the run is stopped.
    looks: Option<u32>,
}

impl Watch for Quiet {
    fn trace(&mut self, line: &str) {
        self.trace.iter_mut().for_each(|lines| lines.push(line.to_owned()));
    }
    fn wants_trace(&self) -> bool {
        self.trace.is_some()
    }
    fn progress(&mut self, done: f64) -> bool {
        assert!((0.0..=1.0).contains(&done), "{done}");
        match &mut self.looks {
            Some(0) => false,
            Some(looks) => {
                *looks -= 1;
                true
            }
            None => true,
        }
    }
}

/// A seed and two leechers that share a mebibyte.
fn setting() -> Setting {
    let groups = vec![Group::new("seed", Role::Seed, 1), Group::new("peer", Role::Leech, 2)];
    Setting {
        time_scale: 100.0,
        limit: Duration::from_secs(40),
        ..Setting::new(Content { size: SIZE, piece: 16384 }, groups)
    }
}

/// Runs it; nothing may be left.
fn run(setting: &Setting, watch: &mut Quiet) -> Result<Outcome, RunError> {
    let programs = Programs {
        peer: env!("CARGO_BIN_EXE_peer").into(),
        tracker: env!("CARGO_BIN_EXE_tracker").into(),
    };
    let ran = Proc::new(programs.clone(), Running::default()).run(setting, 1, watch);
    for place in [Path::new("/dev/shm"), &std::env::temp_dir()] {
        let own = format!("swarmlet-lab-{}-", std::process::id());
        let names = fs::read_dir(place).into_iter().flatten().flatten();
        let left = names.map(|e| e.file_name()).find(|n| n.to_string_lossy().starts_with(&own));
        assert_eq!(left, None, "a folder is left");
    }
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children = tasks.map(|task| fs::read_to_string(task.path().join("children")));
    let children: String = children.map(Result::unwrap_or_default).collect();
    // Other tests of this program have children, too, but not these.
    let is_player = |pid: &&str| {
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        program.is_ok_and(|path| path == programs.peer || path == programs.tracker)
    };
    let left: Vec<&str> = children.split_whitespace().filter(is_player).collect();
    assert!(left.is_empty(), "processes are left: {left:?}");
    ran
}

fn event(deed: Deed, who: &str, millis: u64) -> Planned {
    Planned { at: Duration::from_millis(millis), deed, who: who.into() }
}

#[test]
fn a_small_swarm_is_run_by_real_processes() {
    let _alone = alone();
    let mut all = setting();
    all.groups[1].joins = Joins::Uniform(Duration::ZERO, Duration::from_millis(200));
    all.groups[0].up = Some(8 << 20);
    let mut watch = Quiet { trace: Some(Vec::new()), ..Quiet::default() };
    let came = run(&all, &mut watch).expect("it runs");
    assert_eq!(came.invalid, None);
    let groups: Vec<usize> = came.peers.iter().map(|peer| peer.group).collect();
    assert_eq!(groups, [0, 1, 1]);
    for peer in &came.peers[1..] {
        let (joined, completed) = (peer.joined.expect("came"), peer.completed.expect("whole"));
        assert!(joined < completed && completed < 20.0, "{peer:?}");
        assert!(peer.received >= SIZE, "{peer:?}");
    }
    assert_eq!((came.peers[0].joined, came.peers[0].completed), (Some(0.0), None));
    let sent: u64 = came.peers.iter().map(|peer| peer.sent).sum();
    let received: u64 = came.peers.iter().map(|peer| peer.received).sum();
    // A frame that its receiver no longer needed whole is not counted.
    assert!(sent >= SIZE && received >= 2 * SIZE, "{sent} {received}");
    assert!(came.metrics["bad_bytes"] < 0.5, "{:?}", came.metrics);
    assert!(came.series.iter().any(|sample| sample.metric == "leechers"));
    let trace = watch.trace.expect("wanted");
    assert!(trace.iter().any(|line| line.contains(r#""ev":"pick""#)), "{} lines", trace.len());
}

#[test]
fn a_peer_that_dies_is_named_and_the_run_does_not_count() {
    let _alone = alone();
    let mut all = setting();
    // No flag takes such a scale: the process ends at once.
    all.time_scale = -1.0;
    let why = run(&all, &mut Quiet::default()).expect_err("it cannot start");
    let text = why.to_string();
    // All of them end; whichever is seen first is named.
    let named = ["seed/1", "peer/1", "peer/2"].iter().any(|who| text.contains(who));
    assert!(named && text.contains(" ended by itself (exit code 2): "), "{text}");
}

#[test]
fn a_strategy_that_does_not_work_is_named_and_the_run_does_not_count() {
    let _alone = alone();
    let mut all = setting();
    // Long enough for many rounds: a program that is never asked does no harm.
    all.groups[0].up = Some(500_000);
    all.groups[1].name = "odd".into();
    all.groups[1].choker = ChokerChoice::Program("/nowhere/at-all".into());
    let came = run(&all, &mut Quiet::default()).expect("it runs");
    let text = came.invalid.expect("it does not count");
    assert!(text.starts_with("odd/") && text.contains("/nowhere/at-all"), "{text}");
}

#[test]
fn whoever_is_killed_is_no_mistake_and_whoever_leaves_has_left() {
    let _alone = alone();
    let mut all = setting();
    all.groups[0].up = Some(400_000);
    all.groups[1].after = After::Leave;
    all.events.push(event(Deed::Kill, "peer/2", 300));
    all.events.push(event(Deed::Pause(Duration::from_millis(200)), "peer/1", 100));
    all.events.push(event(Deed::TrackerDown(Duration::from_millis(300)), "tracker", 200));
    all.events.push(event(Deed::Rate(2_000_000), "seed", 500));
    let came = run(&all, &mut Quiet::default()).expect("it runs");
    assert_eq!(came.invalid, None);
    assert!(came.peers[1].completed.is_some() && came.peers[1].left.is_some(), "{came:?}");
    assert_eq!(came.peers[2].completed, None);
    let left = came.peers[2].left.expect("killed");
    assert!((0.3..2.0).contains(&left), "{left}");
}

#[test]
fn a_liar_is_named_and_nothing_wrong_is_kept() {
    let _alone = alone();
    let mut all = setting();
    all.groups.push(Group { lies: true, up: Some(4 << 20), ..Group::new("liar", Role::Seed, 1) });
    all.groups[0].up = Some(1 << 20);
    let came = run(&all, &mut Quiet::default()).expect("it runs");
    assert_eq!(came.invalid, None);
    let metrics = ["bad_bytes", "culprits", "innocents"].map(|name| came.metrics[name].to_string());
    assert_eq!(metrics, ["0", "1", "0"]);
    assert!(came.peers[1..3].iter().all(|peer| peer.completed.is_some()), "{came:?}");
}

#[test]
fn a_run_that_is_stopped_says_so() {
    let _alone = alone();
    let mut all = setting();
    all.groups[0].up = Some(1000);
    let stopped = run(&all, &mut Quiet { looks: Some(20), ..Quiet::default() });
    assert_eq!(stopped, Err(RunError::Stopped));
}
