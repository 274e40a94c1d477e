//! What a hierarchy costs, to the message, and how often its cache knows.

use super::*;
use crate::lab::setting::Model;
use crate::lab::sim::tests::{Unwatched, setting};

fn asked(resolve: &str, ttl: u64, rate: f64, questions: u32, keys: u32) -> BTreeMap<String, f64> {
    let ttl = Duration::from_secs(ttl);
    let hierarchy = HierarchySetting { resolve: resolve.into(), ttl, rate, questions, keys };
    let mut setting = setting(1, 1);
    setting.model = Model::Hierarchy;
    setting.time_scale = 1.0;
    setting.limit = Duration::from_hours(10_000);
    setting.link.rtt = Duration::from_millis(20);
    setting.hierarchy = Some(hierarchy);
    let outcome = run(&setting, 1, &mut Unwatched).unwrap();
    let theory = crate::lab::theory::measures(&setting);
    for name in ["messages.cold", "messages.hit"] {
        if let Some(got) = outcome.metrics.get(name) {
            assert!((got - theory[name]).abs() < 1e-12, "{resolve}: {name}: {got}");
        }
    }
    outcome.metrics
}

#[test]
fn a_cold_question_costs_six_messages_iteratively_and_eight_through_a_resolver() {
    for (resolve, messages, round_trips) in
        [("iterative", 6.0, 3.0), ("recursive", 8.0, 4.0), ("chain", 8.0, 4.0)]
    {
        let metrics = asked(resolve, 30, 1.0, 1, 1);
        assert!((metrics["messages"] - messages).abs() < 1e-12, "{resolve}: {metrics:?}");
        assert!((metrics["wait"] - 0.02 * round_trips).abs() < 1e-9, "{resolve}: {metrics:?}");
        assert!(metrics["hit_ratio"] < 1e-12, "{metrics:?}");
    }
}

#[test]
fn a_resolver_that_knows_the_zone_asks_one_and_one_that_knows_the_answer_nobody() {
    let metrics = asked("recursive", 30, 0.1, 50, 3);
    assert_eq!((metrics["messages.miss"], metrics["messages.hit"]), (4.0, 2.0));
    let metrics = asked("chain", 30, 0.1, 50, 3);
    assert_eq!((metrics["messages.miss"], metrics["messages.hit"]), (4.0, 2.0));
}

#[test]
fn the_hit_ratio_of_a_cache_is_that_of_jung_berger_and_balakrishnan() {
    for rate in [0.02, 0.1, 1.0] {
        let got = asked("recursive", 30, rate, 2000, 1)["hit_ratio"];
        let right = crate::lab::theory::asking::hit_ratio(rate, 30.0);
        assert!((got - right).abs() <= 0.03, "{rate}: {got}, not {right}");
    }
}

#[test]
fn a_hierarchy_that_cannot_be_is_refused_with_a_reason() {
    let mut setting = setting(1, 1);
    assert!(run(&setting, 1, &mut Unwatched).is_err());
    let (ttl, rate) = (Duration::ZERO, 0.0);
    let resolve = "recursive".to_owned();
    setting.hierarchy = Some(HierarchySetting { resolve, ttl, rate, questions: 1, keys: 1 });
    assert!(run(&setting, 1, &mut Unwatched).is_err());
}
