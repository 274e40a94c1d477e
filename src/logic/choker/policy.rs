//! The strategies that ship, by name.

use super::Strategy;
use super::{
    all::All, bittyrant::BitTyrant, freeride::FreeRide, legout::Legout, propshare::PropShare,
    random::Random, round_robin::RoundRobin, student::Student, tft::TitForTat,
};
use std::fmt;
use std::str::FromStr;

/// How peers to be served are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChokerPolicy {
    /// See [`TitForTat`].
    #[default]
    TitForTat,
    /// See [`Legout`].
    Legout,
    /// See [`Random`].
    Random,
    /// See [`RoundRobin`].
    RoundRobin,
    /// See [`All`].
    All,
    /// See [`FreeRide`].
    FreeRide,
    /// See [`BitTyrant`].
    BitTyrant,
    /// See [`PropShare`].
    PropShare,
    /// See [`Student`].
    Student,
}

impl ChokerPolicy {
    /// All of them, the default first.
    pub const ALL: [Self; 9] = [
        Self::TitForTat,
        Self::Legout,
        Self::Random,
        Self::RoundRobin,
        Self::All,
        Self::FreeRide,
        Self::BitTyrant,
        Self::PropShare,
        Self::Student,
    ];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::TitForTat => "tft",
            Self::Legout => "legout",
            Self::Random => "random",
            Self::RoundRobin => "round-robin",
            Self::All => "all",
            Self::FreeRide => "freeride",
            Self::BitTyrant => "bittyrant",
            Self::PropShare => "propshare",
            Self::Student => "student",
        }
    }

    /// What it does, in one sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::TitForTat => "Serves the best givers, and one peer in turns on trial.",
            Self::Legout => "Tit for tat; as a seeder it serves each for a minute in turns.",
            Self::Random => "Draws those it serves by lot, anew every round.",
            Self::RoundRobin => "Serves whoever waited longest, half of the slots anew each round.",
            Self::All => "Serves everybody who wants something, whatever the number of slots.",
            Self::FreeRide => "Serves nobody, and takes what others give.",
            Self::BitTyrant => {
                "Serves those who give most for what must be given them, at no more."
            }
            Self::PropShare => "Gives back to each in proportion to what it gave.",
            Self::Student => "Yours to change: serves the best givers, and nobody on trial.",
        }
    }

    /// A strategy to begin with.
    pub fn strategy(self) -> Box<dyn Strategy> {
        match self {
            Self::TitForTat => Box::<TitForTat>::default(),
            Self::Legout => Box::<Legout>::default(),
            Self::Random => Box::new(Random),
            Self::RoundRobin => Box::new(RoundRobin),
            Self::All => Box::new(All),
            Self::FreeRide => Box::new(FreeRide),
            Self::BitTyrant => Box::<BitTyrant>::default(),
            Self::PropShare => Box::<PropShare>::default(),
            Self::Student => Box::new(Student),
        }
    }
}

impl fmt::Display for ChokerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no choker has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no choker is called {0}: try {list}", list = names())]
pub struct UnknownChoker(pub String);

impl FromStr for ChokerPolicy {
    type Err = UnknownChoker;
    fn from_str(name: &str) -> Result<Self, UnknownChoker> {
        let named = Self::ALL.into_iter().find(|policy| policy.name() == name);
        named.ok_or_else(|| UnknownChoker(name.to_owned()))
    }
}

/// All names, as a sentence lists them.
fn names() -> String {
    let names = ChokerPolicy::ALL.map(ChokerPolicy::name);
    let (last, others) = names.split_last().expect("there are some");
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choker_has_a_name_that_leads_back_to_it_and_a_sentence() {
        for policy in ChokerPolicy::ALL {
            assert_eq!(policy.name().parse(), Ok(policy));
            assert!(policy.description().ends_with('.'), "{policy}");
        }
        assert_eq!(ChokerPolicy::ALL[0], ChokerPolicy::default());
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_ones() {
        assert_eq!(
            "tit".parse::<ChokerPolicy>().unwrap_err().to_string(),
            "no choker is called tit: try tft, legout, random, round-robin, all, freeride, bittyrant, \
             propshare or student"
        );
    }
}
