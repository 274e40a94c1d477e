//! What holds of every setting that is run in virtual time, and four traps of simulations at small size.

use super::{MOST_PEERS, Sim};
use crate::config::ChokerChoice;
use crate::lab::outcome::{Outcome, RunError, Runner, Watch};
use crate::lab::setting::{
    After, Content, Deed, Group, Joins, LinkSetting, Planned, Role, Setting,
};
use crate::logic::choker::ChokerPolicy;
use crate::logic::picker::Policy;
use std::time::Duration;

/// Nobody looks.
pub struct Unwatched;

impl Watch for Unwatched {
    fn trace(&mut self, _: &str) {}
    fn wants_trace(&self) -> bool {
        false
    }
    fn progress(&mut self, _: f64) -> bool {
        true
    }
}

/// u: bytes per second that a leecher sends.
const UP: u64 = 256 * 1024;

fn group(name: &str, role: Role, count: usize, up: u64) -> Group {
    Group { up: Some(up), ..Group::new(name, role, count) }
}

/// A seed of ten uplinks and leechers, over so many pieces of 64 KiB. An hour of the book is F/u.
pub fn setting(leechers: usize, pieces: u32) -> Setting {
    let piece = 65_536;
    let size = u64::from(pieces) * u64::from(piece);
    let leechers = group("peer", Role::Leech, leechers, UP);
    Setting {
        time_scale: 3600.0 * UP as f64 / size as f64,
        limit: Duration::from_mins(20),
        link: LinkSetting { up: Some(UP), rtt: Duration::from_millis(2), ..LinkSetting::default() },
        ..Setting::new(
            Content { size, piece },
            vec![group("seed", Role::Seed, 1, 10 * UP), leechers],
        )
    }
}

fn sim() -> Sim {
    Sim::new(Box::new(|_| Ok(None)))
}

fn run(setting: &Setting, seed: u64) -> Outcome {
    sim().run(setting, seed, &mut Unwatched).unwrap()
}

/// When the last leecher had everything, in units of Kurose and Ross's bound.
fn ratio(setting: &Setting, seed: u64) -> Option<f64> {
    let outcome = run(setting, seed);
    let leechers = outcome.peers.iter().filter(|peer| peer.group > 0);
    let done: Option<Vec<f64>> = leechers.map(|peer| peer.completed).collect();
    let last = done?.into_iter().fold(0.0, f64::max);
    Some(last / crate::lab::theory::measures(setting)["D"])
}

#[test]
fn one_seed_of_the_dice_makes_one_outcome_and_another_another() {
    let setting = setting(6, 32);
    assert_eq!(run(&setting, 1), run(&setting, 1));
    assert_ne!(run(&setting, 1), run(&setting, 2));
}

#[test]
fn a_setting_becomes_measures_and_samples() {
    let outcome = run(&setting(6, 64), 1);
    for name in
        ["msgs", "haves", "chokes", "events", "interest", "population", "tail", "throughput"]
    {
        assert!(outcome.metrics[name] > 0.0, "{name}: {:?}", outcome.metrics);
    }
    assert!(outcome.metrics["interest"] <= 1.0);
    let haves = outcome.metrics["haves"];
    assert!((6.0 * 64.0..=7.0 * 6.0 * 64.0).contains(&haves), "{haves}");
    let of = |metric: &str| outcome.series.iter().filter(|s| s.metric == metric).count();
    assert!((20..=200).contains(&of("pieces")), "{}", of("pieces"));
    assert!(outcome.series.is_sorted_by(|a, b| a.t <= b.t));
    let last = outcome.series.iter().rfind(|s| s.metric == "pieces").unwrap();
    assert!((last.value - 64.0).abs() < 1e-9);
}

#[test]
fn who_comes_by_lot_comes_so_often_and_who_leaves_is_no_leecher() {
    let mut setting = setting(400, 4);
    setting.groups[1].joins = Joins::Poisson(2.0);
    setting.groups[1].after = After::Leave;
    setting.runs_to_limit = true;
    setting.limit = Duration::from_secs(100);
    let outcome = run(&setting, 1);
    let came = outcome.peers.iter().filter(|p| p.group == 1 && p.joined.is_some()).count();
    assert!((150..250).contains(&came), "{came}");
    assert!(outcome.peers.iter().all(|p| p.completed.is_none() || p.left == p.completed));
    let by_little = outcome.peers.iter().filter_map(|p| Some(p.completed? - p.joined?));
    let by_little = by_little.sum::<f64>() / 100.0;
    let measured = outcome.metrics["population"];
    assert!((measured / by_little - 1.0).abs() < 0.3, "{measured}, Little says {by_little}");
}

#[test]
fn what_is_done_to_peers_is_felt() {
    let with = |at: u64, deed: Deed, who: &str| {
        let mut setting = setting(3, 64);
        setting.groups[0].up = Some(UP);
        setting.limit = Duration::from_mins(5);
        let at = Duration::from_secs(at);
        setting.events.push(Planned { at, deed, who: who.into() });
        run(&setting, 1)
    };
    let last = |outcome: &Outcome| {
        outcome.peers.iter().filter_map(|peer| peer.completed).fold(0.0, f64::max)
    };
    let finished =
        |outcome: &Outcome| outcome.peers.iter().filter(|p| p.completed.is_some()).count();
    let usual = with(0, Deed::Rate(UP), "seed");
    let killed = with(4, Deed::Kill, "seed");
    assert_eq!((finished(&killed), killed.peers[0].left), (0, Some(4.0)));
    for deed in [
        Deed::Pause(Duration::from_secs(20)),
        Deed::Partition(Duration::from_secs(20)),
        Deed::Rate(UP / 8),
    ] {
        let slowed = with(4, deed, "seed");
        assert_eq!(finished(&slowed), 3, "{deed:?}");
        assert!(last(&slowed) > last(&usual) + 10.0, "{deed:?}: {}", last(&slowed));
    }
    let lies = with(2, Deed::Corrupt, "peer/2");
    assert!(lies.peers.iter().any(|peer| peer.bans > 0));
    let rides = with(0, Deed::FreeRide, "peer/1");
    assert!(rides.peers[1].sent < UP, "{}", rides.peers[1].sent);
}

#[test]
fn nobody_learns_of_anybody_while_the_tracker_is_down() {
    let mut setting = setting(2, 16);
    let deed = Deed::TrackerDown(Duration::from_secs(30));
    setting.events.push(Planned { at: Duration::ZERO, deed, who: "tracker".into() });
    setting.groups[1].joins = Joins::At(Duration::from_secs(1));
    let outcome = run(&setting, 1);
    assert!(outcome.peers[1..].iter().all(|peer| peer.completed.is_some_and(|at| at > 30.0)));
}

#[test]
fn a_setting_that_cannot_be_is_refused_with_a_reason() {
    let check = |change: fn(&mut Setting)| {
        let mut setting = setting(2, 4);
        change(&mut setting);
        let error = sim().run(&setting, 1, &mut Unwatched).unwrap_err();
        assert!(!error.to_string().is_empty());
    };
    check(|s| s.content.piece = 0);
    check(|s| s.time_scale = 0.0);
    check(|s| s.groups[1].count = MOST_PEERS);
    check(|s| s.groups[0].choker = ChokerChoice::Program("x".into()));
    let deed = Deed::Kill;
    let nobody = Planned { at: Duration::ZERO, deed, who: "peer/9".into() };
    let mut other = setting(2, 4);
    other.events.push(nobody);
    assert!(sim().run(&other, 1, &mut Unwatched).is_err());
}

#[test]
fn a_run_ends_when_it_is_told_to() {
    struct Impatient;
    impl Watch for Impatient {
        fn trace(&mut self, _: &str) {}
        fn wants_trace(&self) -> bool {
            false
        }
        fn progress(&mut self, done: f64) -> bool {
            done < 0.5
        }
    }
    assert_eq!(sim().run(&setting(3, 32), 1, &mut Impatient), Err(RunError::Stopped));
}

// Four traps: what is dropped when choked, stale neighbours, a seed that finishes what is begun, timers.

#[test]
fn dropping_a_piece_in_part_when_choked_costs_much() {
    let mut kept = setting(12, 64);
    let ratio_kept = ratio(&kept, 1).unwrap();
    kept.groups[1].keeps_partial = false;
    let ratio_dropped = ratio(&kept, 1).unwrap();
    assert!(
        ratio_kept <= 1.15 && ratio_dropped >= 1.15 * ratio_kept,
        "{ratio_kept}, {ratio_dropped}"
    );
}

#[test]
fn a_growing_swarm_needs_fresh_neighbours() {
    let mut setting = setting(1000, 8);
    setting.content.size = 8 * 16_384;
    setting.content.piece = 16_384;
    // Pieces per second: the seed gives 10, each peer one in two seconds, and six come.
    setting.groups[0].up = Some(10 * 16_384);
    setting.groups[1].up = Some(16_384 / 2);
    setting.groups[1].joins = Joins::Poisson(5.0);
    setting.groups[1].after = After::Leave;
    setting.time_scale = 10.0;
    setting.runs_to_limit = true;
    setting.limit = Duration::from_mins(1);
    setting.link.degree = Some(6);
    let fresh = run(&setting, 1).metrics["population.end"];
    setting.link.refresh = false;
    let stale = run(&setting, 1).metrics["population.end"];
    assert!(stale > 1.1 * fresh, "{stale} leechers, and {fresh} with fresh neighbours");
}

#[test]
fn who_lacks_one_piece_has_nothing_to_give_to_others_who_lack_the_same() {
    let mut setting = setting(6, 16);
    setting.groups[0].up = Some(UP);
    setting.groups[1].lacks = Some(1);
    setting.groups[1].slots = 0;
    let outcome = run(&setting, 1);
    assert!(outcome.peers.iter().skip(1).all(|peer| peer.completed.is_some()));
    let sent: Vec<u64> = outcome.peers.iter().map(|peer| peer.sent).collect();
    assert!((6..=7).contains(&(sent[0] / 65_536)) && sent[1..] == [0; 6], "{sent:?}");
}

#[test]
fn a_slow_seed_that_shows_its_pieces_one_by_one_is_sooner_done() {
    let mut plain = setting(12, 64);
    plain.groups[0].up = Some(UP);
    plain.groups[1].picker = Policy::Random;
    let mut smart = plain.clone();
    smart.groups[0].super_seeding = true;
    let copies = |setting: &Setting| {
        let sent = (1..=3).map(|seed| run(setting, seed).peers[0].sent as f64).sum::<f64>();
        sent / 3.0 / setting.content.size as f64
    };
    let (plain, smart) = (copies(&plain), copies(&smart));
    assert!(smart < plain && smart < 1.6, "{smart} copies, and {plain} when all is shown at once");
}

#[test]
fn timers_that_are_not_scaled_cost_time() {
    let mut scaled = setting(12, 64);
    let ratio_scaled = ratio(&scaled, 1).unwrap();
    scaled.time_scale = 1.0;
    let ratio_unscaled = ratio(&scaled, 1).unwrap();
    assert!(ratio_unscaled >= 1.05 * ratio_scaled, "{ratio_scaled}, {ratio_unscaled} unscaled");
}

#[test]
fn a_strategy_of_ones_own_decides() {
    let mut own = setting(3, 16);
    own.groups[1].choker = ChokerChoice::Program("mine".into());
    let nobody = |choice: &ChokerChoice| {
        let is_own = *choice == ChokerChoice::Program("mine".into());
        Ok(is_own.then(|| ChokerPolicy::FreeRide.strategy()))
    };
    let outcome = Sim::new(Box::new(nobody)).run(&own, 1, &mut Unwatched).unwrap();
    assert!(outcome.peers[1..].iter().all(|peer| peer.sent == 0 && peer.completed.is_some()));
    let refuses = Sim::new(Box::new(|_| Err("no such strategy".into())));
    let mut refuses = refuses;
    let error = refuses.run(&own, 1, &mut Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "no such strategy");
}
