//! A choker strategy of one's own, from outside the crate, as ARCHITECTURE.md shows it.

use std::cmp::Reverse;
use std::time::Duration;
use swarmlet::clock::Moment;
use swarmlet::logic::PeerKey;
use swarmlet::logic::choker::{
    Candidate, Choker, ChokerPolicy, Params, Served, Strategy, View, Why,
};

// The example of ARCHITECTURE.md begins here.
/// Serves whoever lacks least: it is done soonest, and then a seeder more.
#[derive(Debug)]
struct NearlyDone;

impl Strategy for NearlyDone {
    fn next_round(&mut self, view: &View, rng: &mut fastrand::Rng) -> Vec<Served> {
        let mut peers: Vec<_> = view.interested().collect();
        rng.shuffle(&mut peers); // so that the lot decides among equals
        peers.sort_by_key(|peer| Reverse(peer.share));
        let best = peers.into_iter().take(view.slots);
        best.map(|peer| Served::equally(peer.peer, Why::Own("it lacks least"))).collect()
    }
}
// It ends here.

const NOW: Moment = Moment::after(Duration::from_secs(10));

/// A choker that is run by the example, and peers with so many thousandths of the pieces.
fn stage(slots: usize, shares: &[u32]) -> (Choker, Vec<Candidate>) {
    let params = Params { slots, ..Params::default() };
    let choker = Choker::with(Box::new(NearlyDone), params, fastrand::Rng::with_seed(1));
    let peer = |(n, &share)| Candidate { share, ..Candidate::new(PeerKey(n), Moment::START) };
    (choker, (0..).zip(shares).map(peer).collect())
}

#[test]
fn a_strategy_of_ones_own_decides_whom_the_choker_serves() {
    let (mut choker, peers) = stage(2, &[100, 900, 500, 950]);
    let served = choker.next_round(NOW, false, &peers);
    assert_eq!(served.iter().map(|s| s.peer.0).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(served[0].why.to_string(), "it lacks least");
    assert_eq!(choker.decision(PeerKey(3)), Some(served[0]));
}

#[test]
fn who_wants_nothing_is_not_served_and_a_free_slot_goes_to_whoever_waited_longest() {
    let (mut choker, mut peers) = stage(2, &[100, 900, 500, 950]);
    peers[3].interested = false;
    let served = choker.next_round(NOW, false, &peers);
    assert_eq!(served.iter().map(|s| s.peer.0).collect::<Vec<_>>(), [1, 2]);
    peers[1].unchoked = true;
    let free = choker.next_for_free_slot(NOW, false, &peers).unwrap();
    assert_eq!((free.peer, free.why), (PeerKey(0), Why::Waited { secs: 10 }));
    peers[0].unchoked = true;
    assert_eq!(choker.next_for_free_slot(NOW, false, &peers), None);
}

#[test]
fn the_page_shows_the_strategy_that_runs_here() {
    let source = include_str!("strategy.rs");
    let (_, after) = source.split_once("begins here.\n").expect("the mark before it");
    let (example, _) = after.split_once("// It ends here.").expect("the mark behind it");
    let page = include_str!("../../ARCHITECTURE.md");
    assert!(page.contains(&format!("```rust\n{example}```\n")), "the page has another text");
    assert!(example.lines().count() < 40, "it is not short any more");
}

#[test]
fn the_page_names_every_choker_with_what_it_does() {
    let page = include_str!("../../ARCHITECTURE.md");
    for policy in ChokerPolicy::ALL {
        let row = format!("| `{policy}` | {} |\n", policy.description());
        assert!(page.contains(&row), "no row {row}");
    }
}
