//! When everybody comes and goes, and what happens to whom: decided before the run by the dice of
//! its seed. Pure.

use crate::lab::setting::{After, Joins, Role, Setting};
use std::time::Duration;

/// One peer, as it is planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its group's place in the setting.
    pub group: usize,
    /// Its number in the group, from 1.
    pub nth: usize,
    /// What it has when it comes.
    pub role: Role,
    /// When it comes; `None`: not within the run.
    pub joins: Option<Duration>,
    /// How long it stays once it has everything, a seed: once it came.
    pub stays: Option<Duration>,
}

impl Member {
    /// What it is called: `group/3`.
    pub fn name(&self, setting: &Setting) -> String {
        let group = setting.groups.get(self.group).map_or("?", |group| &group.name);
        format!("{group}/{}", self.nth)
    }
}

/// Everybody, in the order of groups.
pub fn members(setting: &Setting, seed: u64) -> Vec<Member> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut all = Vec::new();
    for (at, group) in setting.groups.iter().enumerate() {
        let mut last = Duration::ZERO;
        for nth in 1..=group.count {
            let joins = match group.joins {
                Joins::At(when) => when,
                Joins::Uniform(from, to) => from + to.saturating_sub(from).mul_f64(dice.f64()),
                Joins::Poisson(rate) => {
                    last = last.saturating_add(exponential(&mut dice, 1.0 / rate));
                    last
                }
            };
            let stays = match group.after {
                After::Stay => None,
                After::Leave => Some(Duration::ZERO),
                After::Exp(mean) => Some(exponential(&mut dice, mean.as_secs_f64())),
                After::For(time) => Some(time),
            };
            let joins = Some(joins).filter(|&when| when < setting.limit);
            all.push(Member { group: at, nth, role: group.role, joins, stays });
        }
    }
    all
}

/// A time by lot; one that no clock can show is as good as never.
fn exponential(dice: &mut fastrand::Rng, mean: f64) -> Duration {
    Duration::try_from_secs_f64(-(1.0 - dice.f64()).ln() * mean).unwrap_or(Duration::MAX)
}

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The tracker.
    Tracker,
    /// These peers.
    Peers(Vec<usize>),
}

/// Whom the words of an event mean: a group, `group/3` for its third peer, `tracker`.
///
/// # Errors
/// Nobody is called so.
pub fn target(setting: &Setting, members: &[Member], who: &str) -> Result<Target, String> {
    if who == "tracker" {
        return Ok(Target::Tracker);
    }
    let (name, nth) = match who.rsplit_once('/') {
        Some((name, nth)) => (name, nth.parse::<usize>().ok()),
        None => (who, None),
    };
    let is_all = !who.contains('/');
    let meant = |member: &Member| {
        let is_here = setting.groups.get(member.group).is_some_and(|group| group.name == name);
        is_here && (is_all || nth == Some(member.nth))
    };
    let found: Vec<usize> =
        members.iter().enumerate().filter(|(_, m)| meant(m)).map(|(at, _)| at).collect();
    if found.is_empty() {
        let groups: Vec<&str> = setting.groups.iter().map(|group| group.name.as_str()).collect();
        return Err(format!(
            "an event is about {who}, but nobody is called so: the groups are {}",
            groups.join(", ")
        ));
    }
    Ok(Target::Peers(found))
}

#[cfg(test)]
mod tests {
    use super::super::tests::setting;
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_timetable() {
        let mut all = setting();
        all.groups[1].joins = Joins::Poisson(2.0);
        all.groups[1].after = After::Exp(Duration::from_secs(3));
        assert_eq!(members(&all, 7), members(&all, 7));
        assert_ne!(members(&all, 7), members(&all, 8));
    }

    #[test]
    fn who_would_come_after_the_end_does_not_come() {
        let mut all = setting();
        all.limit = Duration::from_secs(10);
        all.groups[1].count = 64;
        all.groups[1].joins = Joins::Poisson(1.0);
        let is_in_time = |member: &Member| member.joins.is_some();
        let came = members(&all, 1).iter().filter(|m| is_in_time(m)).count();
        assert!((2..40).contains(&came), "{came} of 65 came within 10 s");
        all.groups[1].joins = Joins::Uniform(Duration::from_secs(2), Duration::from_secs(4));
        let when = members(&all, 1).into_iter().skip(1).map(|m| m.joins.expect("in time"));
        assert!(when.into_iter().all(|at| (2..4).contains(&at.as_secs())));
    }

    #[test]
    fn an_event_is_about_a_group_one_of_it_or_the_tracker() {
        let all = setting();
        let members = members(&all, 1);
        let check = |who: &str, expected: Target| {
            assert_eq!(target(&all, &members, who), Ok(expected), "{who}");
        };
        check("tracker", Target::Tracker);
        check("seed", Target::Peers(vec![0]));
        check("peer", Target::Peers(vec![1, 2]));
        check("peer/2", Target::Peers(vec![2]));
        for nobody in ["peer/3", "peer/0", "peer/x", "pear", ""] {
            let why = target(&all, &members, nobody).expect_err(nobody);
            assert!(why.ends_with("the groups are seed, peer"), "{why}");
        }
    }
}
