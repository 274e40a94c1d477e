//! How near uncoordinated peers come to the optimum, by what they ask for.

use super::*;
use crate::lab::setting::Model;
use crate::lab::sim::tests::{Unwatched, setting};
use crate::lab::theory::fewest_rounds;
use crate::logic::picker::Policy;

/// The mean over three seeds of rounds in units of the optimum.
fn ratio(policy: Policy, peers: usize, pieces: u32) -> f64 {
    let mut setting = setting(peers, pieces);
    setting.model = Model::Rounds;
    setting.groups[1].picker = policy;
    let rounds = |seed| run(&setting, seed, &mut Unwatched).unwrap().metrics["rounds"];
    let optimum = f64::from(fewest_rounds(peers as u32, pieces));
    (1..=3).map(rounds).sum::<f64>() / 3.0 / optimum
}

#[test]
fn rarest_first_needs_hardly_more_rounds_than_the_optimum_and_in_order_many_more() {
    let [rarest, random, sequential] =
        [Policy::Rarest, Policy::Random, Policy::Sequential].map(|policy| ratio(policy, 10, 100));
    assert!((1.0..=1.1).contains(&rarest), "{rarest}");
    assert!(random > rarest && random <= 1.4, "{random}");
    assert!(sequential >= 2.0, "{sequential}");
}

#[test]
fn one_piece_doubles_its_holders_every_round() {
    for (peers, rounds) in [(1, 1), (3, 2), (7, 3), (15, 4)] {
        let mut setting = setting(peers, 1);
        setting.model = Model::Rounds;
        let outcome = run(&setting, 1, &mut Unwatched).unwrap();
        assert_eq!(outcome.metrics["rounds"] as u32, rounds, "{peers}");
    }
}

#[test]
fn rounds_without_a_server_are_refused() {
    let mut setting = setting(3, 4);
    setting.groups[0].count = 0;
    assert!(run(&setting, 1, &mut Unwatched).is_err());
}
