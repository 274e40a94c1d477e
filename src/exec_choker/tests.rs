//! Programs of one line of `sh` that answer right, late, wrong or not at all.

use super::*;
use crate::clock::Moment;
use crate::logic::choker::{Candidate, Choker, Params};
use crate::logic::timers::Timers;

/// So long that no busy machine makes a program late.
const LONG: Duration = Duration::from_secs(20);

fn at(round: u64) -> Moment {
    Moment::after(Duration::from_secs(10 * round))
}

fn peers() -> Vec<Candidate> {
    (1..=4).map(|n| Candidate::new(PeerKey(n), at(0))).collect()
}

/// Whom a program serves in so many rounds, each with the reason; and its first fault.
fn rounds(command: &str, patience: Duration, count: u64) -> (Vec<String>, Option<String>) {
    let strategy = ExecChoker::start(command).unwrap().with_patience(patience);
    let faults = strategy.faults();
    let params = Params { slots: 2, ..Params::default() };
    let mut choker = Choker::with(Box::new(strategy), params, fastrand::Rng::with_seed(1));
    let mut peers = peers();
    let mut round = |n| {
        let served = choker.next_round(at(n), false, &peers);
        for peer in &mut peers {
            peer.unchoked = served.iter().any(|s| s.peer == peer.peer);
        }
        let shown: Vec<_> = served.iter().map(|s| format!("{} {}", s.peer.0, s.why)).collect();
        shown.join(", ")
    };
    let served = (1..=count).map(&mut round).collect();
    (served, faults.lock().clone())
}

#[test]
fn a_program_decides_and_says_why() {
    let command = r#"while read -r line; do echo '{"unchoke":[4,2],"why":"even"}'; done"#;
    let (served, fault) = rounds(command, LONG, 2);
    assert_eq!((served, fault), (vec!["4 even, 2 even".to_owned(); 2], None));
}

#[test]
fn a_program_hears_the_state_of_every_round() {
    // The first number behind "round": is the number of the one that is served.
    let command = r#"while read -r line; do n=${line#*round\":}; n=${n%%,*};
        echo "{\"unchoke\":[$n],\"why\":\"round $n\"}"; done"#;
    let (served, fault) = rounds(command, LONG, 3);
    assert_eq!(
        (served, fault),
        (["1 round 1", "2 round 2", "3 round 3"].map(String::from).to_vec(), None)
    );
}

#[test]
fn without_an_answer_in_time_the_slots_stay_as_they_were_and_then_go_round() {
    let command = r#"read -r line; echo '{"unchoke":[4],"why":"so"}'; read -r line; exec sleep 60"#;
    let strategy = ExecChoker::start(command).unwrap().with_patience(LONG);
    let faults = strategy.faults();
    let mut strategy = strategy;
    let (mut rng, peers) = (fastrand::Rng::with_seed(1), peers());
    let mut round = |strategy: &mut ExecChoker, n: u32| {
        let view = View {
            now: at(n.into()),
            round: n,
            seeding: false,
            slots: 2,
            upload_capacity: None,
            timers: Timers::default(),
            peers: &peers,
        };
        strategy.next_round(&view, &mut rng)
    };
    assert_eq!(round(&mut strategy, 1).len(), 1);
    strategy.patience = Duration::from_millis(1);
    for n in 2..2 + MOST_MISSED {
        let served = round(&mut strategy, n);
        assert_eq!((served[0].peer, served.len()), (PeerKey(4), 2));
        assert_eq!(served[0].why.to_string(), "no answer: it stays");
        assert_eq!(strategy.is_over, n == 1 + MOST_MISSED);
    }
    assert!(round(&mut strategy, 9).iter().all(|s| matches!(s.why, Why::Waited { .. })));
    let fault = faults.lock().clone().unwrap();
    assert!(
        fault.ends_with("no answer within 1 ms: decide faster, and flush each line"),
        "{fault}"
    );
}

#[test]
fn a_late_answer_is_not_taken_for_one_to_the_next_round() {
    let command = r#"while read -r line; do n=${line#*round\":}; n=${n%%,*};
        [ "$n" = 1 ] && sleep 0.3; echo "{\"unchoke\":[$n],\"why\":\"round $n\"}"; done"#;
    let mut strategy = ExecChoker::start(command).unwrap().with_patience(Duration::from_millis(1));
    let (mut rng, peers) = (fastrand::Rng::with_seed(1), peers());
    let mut ask = |strategy: &mut ExecChoker, round: u32| {
        let now = at(round.into());
        let timers = Timers::default();
        let (seeding, slots, upload_capacity, peers) = (false, 2, None, &peers);
        let view = View { now, round, seeding, slots, upload_capacity, timers, peers };
        strategy.next_round(&view, &mut rng)
    };
    ask(&mut strategy, 1);
    assert_eq!(strategy.missed, 1);
    let has_come = (0..4000).any(|_| {
        std::thread::park_timeout(Duration::from_millis(5));
        !strategy.answers.is_empty()
    });
    assert!(has_come, "the late answer never came");
    strategy.patience = LONG;
    let served = ask(&mut strategy, 2);
    assert_eq!(served[0].why.to_string(), "round 2");
}

#[test]
fn a_program_that_ends_is_named_and_the_slots_go_to_whoever_waited_longest() {
    let (served, fault) = rounds("exit 3", LONG, 2);
    assert_eq!(served[0], "1 no answer: it waited longest, 2 no answer: it waited longest");
    assert!(served[1].contains("its turn: served or waiting for"), "{served:?}");
    let fault = fault.unwrap();
    let (start, end) = ("the choker exec:exit 3: it ended (", ": type it a line by hand");
    assert!(fault.starts_with(start) && fault.contains(end), "{fault}");
}

#[test]
fn nonsense_changes_nothing_and_the_next_answer_counts() {
    let command = r#"read -r line; echo '{"unchoke":[1],"why":"so"}'
        read -r line; echo hello
        read -r line; echo '{"unchoke":[9],"why":"so"}'
        read -r line; echo '{"unchoke":[3],"why":"so"}'; read -r line"#;
    let (served, fault) = rounds(command, LONG, 4);
    let as_before = "1 no answer: it stays, 2 no answer: it waited longest".to_owned();
    let stays = "1 no answer: it stays, 2 no answer: it stays".to_owned();
    assert_eq!(served, ["1 so".to_owned(), as_before, stays, "3 so".to_owned()]);
    assert!(fault.unwrap().contains("its answer makes no sense (expected value"));
}

#[test]
fn an_endless_line_is_given_up() {
    let (_, fault) = rounds("read -r line; exec yes | tr -d '\\n'", LONG, 2);
    assert!(fault.unwrap().contains("longer than 64 KiB"));
}

#[test]
fn who_is_next_is_served_between_rounds_and_nobody_else() {
    let check = |next: &str, expected: Option<u64>| {
        let command =
            format!(r#"read -r line; echo '{{"unchoke":[1],"why":"so"{next}}}'; read -r line"#);
        let strategy = ExecChoker::start(&command).unwrap().with_patience(LONG);
        let params = Params { slots: 2, ..Params::default() };
        let mut choker = Choker::with(Box::new(strategy), params, fastrand::Rng::with_seed(1));
        let mut peers = peers();
        choker.next_round(at(1), false, &peers);
        peers[0].unchoked = true;
        let next = choker.next_for_free_slot(at(1), false, &peers);
        assert_eq!(next.map(|s| s.peer.0), expected);
    };
    check("", Some(2));
    check(r#","next":[]"#, None);
    check(r#","next":[4,3]"#, Some(4));
}

#[test]
fn a_program_and_what_it_started_end_with_the_strategy() {
    // The reason that it gives is the number of the process that it started.
    let command = r#"sleep 1000 & read -r line; echo "{\"unchoke\":[1],\"why\":\"$!\"}"; wait"#;
    let mut strategy = ExecChoker::start(command).unwrap().with_patience(LONG);
    let peers = peers();
    let (now, round, seeding, slots, timers) = (at(1), 1, false, 2, Timers::default());
    let view = View { now, round, seeding, slots, upload_capacity: None, timers, peers: &peers };
    let served = strategy.next_round(&view, &mut fastrand::Rng::with_seed(1));
    let stat = format!("/proc/{}/stat", served[0].why);
    assert!(std::fs::exists(&stat).unwrap(), "{stat}");
    drop(strategy);
    // What was killed is gone, or waits for somebody to ask how it ended.
    let is_over = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    let gone = (0..2000).any(|_| {
        std::thread::park_timeout(Duration::from_millis(5));
        is_over()
    });
    assert!(gone, "{stat} is still there");
}
