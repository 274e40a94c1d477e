//! A choker that is a program: the examples decide as they say, and a node serves whom it names.

use crate::harness::not_run;
use crate::harness::scratch::{Scratch, assert_same};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Moment;
use swarmlet::config::ChokerChoice;
use swarmlet::exec_choker::ExecChoker;
use swarmlet::logic::PeerKey;
use swarmlet::logic::choker::{Candidate, Choker, ChokerPolicy, Params, Served, Why};
use swarmlet::metainfo::build::{BuildOptions, build};
use swarmlet::node::{Event, NewTorrent, Node, NodeOptions};
use swarmlet::protocol::Dialect;
use swarmlet::storage::create::{HashOptions, hash_path};
use swarmlet::storage::{Io, Storage, StoragePlan};

const LONG: Duration = Duration::from_mins(1);

fn example(name: &str) -> ExecChoker {
    let path = format!("{}/examples/choker/{name}", env!("CARGO_MANIFEST_DIR"));
    ExecChoker::start(&format!("exec python3 '{path}'")).unwrap().with_patience(LONG)
}

fn has_python(test: &str) -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok();
    if !there {
        not_run(test, "there is no python3");
    }
    there
}

/// Eight peers, of whom most give something, no two the same.
fn peers(dice: &mut fastrand::Rng, now: Moment, served: &[Served]) -> Vec<Candidate> {
    let mut peer = |n: u64| {
        let gives = if dice.u8(0..4) == 0 { 0 } else { 1000 * dice.u64(1..1000) + n };
        Candidate {
            gives,
            interested: dice.u8(0..5) > 0,
            unchoked: served.iter().any(|s| s.peer == PeerKey(n)),
            last_block: (gives > 0).then_some(now),
            since: Moment::after(Duration::from_millis(dice.u64(0..20_000))),
            ..Candidate::new(PeerKey(n), Moment::START)
        }
    };
    (0..8).map(&mut peer).collect()
}

#[test]
fn tit_for_tat_in_python_decides_as_the_one_that_ships_up_to_the_dice() {
    if !has_python("tit for tat in Python") {
        return;
    }
    let script = include_str!("../../examples/choker/tit_for_tat.py");
    assert!(script.lines().count() < 40, "it is not short any more");
    for slots in [1, 2, 4, 6] {
        let params = Params { slots, ..Params::default() };
        let program = example("tit_for_tat.py");
        let faults = program.faults();
        let mut theirs = Choker::with(Box::new(program), params, fastrand::Rng::with_seed(1));
        let mut ours = Choker::new(ChokerPolicy::TitForTat, params, fastrand::Rng::with_seed(1));
        let (mut dice, mut last) = (fastrand::Rng::with_seed(slots as u64), Vec::new());
        for round in 1..40 {
            let now = Moment::after(Duration::from_secs(20 + 10 * round));
            let (peers, seeding) = (peers(&mut dice, now, &last), round > 30);
            let (a, b) =
                (theirs.next_round(now, seeding, &peers), ours.next_round(now, seeding, &peers));
            let earned = |served: &[Served], is_earned: fn(&Served) -> bool| -> Vec<PeerKey> {
                served.iter().filter(|s| is_earned(s)).map(|s| s.peer).collect()
            };
            let all = |_: &Served| true;
            if seeding {
                assert_eq!(earned(&a, all), earned(&b, all), "round {round}");
            } else {
                let by_python = earned(&a, |s| s.why.to_string().starts_with("it gives"));
                let by_us = earned(&b, |s| matches!(s.why, Why::Gives { .. }));
                assert_eq!((by_python, a.len()), (by_us, b.len()), "{slots} slots, round {round}");
            }
            last = b;
        }
        assert_eq!(*faults.lock(), None);
    }
}

#[test]
fn the_shortest_example_serves_the_best_givers() {
    if !has_python("the most generous in Python") {
        return;
    }
    let params = Params { slots: 2, ..Params::default() };
    let dice = fastrand::Rng::with_seed(1);
    let mut choker = Choker::with(Box::new(example("most_generous.py")), params, dice);
    let gives = |(n, gives)| Candidate { gives, ..Candidate::new(PeerKey(n), Moment::START) };
    let peers: Vec<_> = (0..).zip([10, 40, 20, 30]).map(gives).collect();
    let served = choker.next_round(Moment::START, false, &peers);
    let shown: Vec<_> = served.iter().map(|s| format!("{} {}", s.peer.0, s.why)).collect();
    assert_eq!(shown, ["1 it gives 40 B/s", "3 it gives 30 B/s"]);
}

/// Serves the first peer of each line, and leaves no slot to anybody else.
const FIRST_PEER: &str = r#"while read -r line; do case $line in
    *'"peer":'*) n=${line#*\"peer\":}; echo "{\"unchoke\":[${n%%,*}],\"why\":\"it is first\",\"next\":[]}" ;;
    *) echo '{"unchoke":[],"next":[]}' ;; esac; done"#;

#[test]
fn a_node_serves_whom_a_program_names() {
    let scratch = Scratch::new("exec-choker");
    let file = scratch.file("from/content", 300_000, 3);
    let draft = hash_path(&file, &HashOptions::default(), &mut |_, _| {}).unwrap();
    let meta = build(&draft, &BuildOptions::default()).unwrap();
    let start = || {
        let choker = ChokerChoice::Program(FIRST_PEER.into());
        Node::start(NodeOptions { choker, time_scale: 50.0, ..NodeOptions::on_loopback() }).unwrap()
    };
    let (ann, ben) = (start(), start());
    let plan = |folder: &str| StoragePlan::of(&meta, scratch.at(folder)).unwrap();
    let storage = Storage::open_existing(plan("from")).unwrap();
    ann.add(NewTorrent::of(&meta, storage, Bitfield::full(meta.geometry().pieces())));
    let storage = Storage::create_or_resume(plan("to"), Io::Pread).unwrap();
    let have = storage.verify_all(1, &|_| {}, &AtomicBool::new(false)).unwrap();
    let torrent = ben.add(NewTorrent::of(&meta, storage, have));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ann.port()));
    ben.add_peer(&torrent, address, Dialect::Native);
    let is_complete = |event: &Event| matches!(event, Event::Complete { .. });
    while !is_complete(&ben.events().recv_timeout(LONG).expect("it becomes complete")) {}
    assert_same(&scratch.at("to/content"), &file);
    ben.stop();
    ann.stop();
}
