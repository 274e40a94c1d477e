//! The backend `sim`: a setting becomes a [`World`], and what comes of it an [`Outcome`].
//!
//! Virtual time, the logic that ships, and dice that all come from one seed: the same setting and
//! seed give the same outcome, byte by byte.

mod cast;
mod gauge;

use super::outcome::{Outcome, RunError, Runner, Watch};
use super::setting::{Model, Setting};
use super::world::World;
use super::{crowd, queries, rounds};
use crate::clock::Moment;
use crate::config::ChokerChoice;
use crate::logic::choker::Strategy;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

pub use cast::MOST_PEERS;

/// Makes a strategy of one's own of a choice; `None` for one that ships. An error is a sentence.
pub type Strategies = dyn Fn(&ChokerChoice) -> Result<Option<Box<dyn Strategy>>, String>;

/// The share of a run's limit that passes between two looks at first.
const FINEST: f64 = 1.0 / 50_000.0;

/// Runs settings in virtual time.
pub struct Sim {
    strategies: Box<Strategies>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl Sim {
    /// A backend that asks `strategies` for what does not ship.
    pub fn new(strategies: Box<Strategies>) -> Self {
        Self { strategies }
    }
}

impl Runner for Sim {
    fn run(
        &mut self,
        setting: &Setting,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, RunError> {
        match setting.model {
            Model::Swarm => self.run_swarm(setting, seed, watch),
            Model::Rounds => rounds::run(setting, seed, watch),
            Model::Hierarchy => queries::run(setting, seed, watch),
            Model::Crowd => crowd::run(setting, seed, watch),
        }
    }
}

impl Sim {
    fn run_swarm(
        &self,
        setting: &Setting,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, RunError> {
        let told = watch.wants_trace().then(|| Rc::new(RefCell::new(String::new())));
        let sink = told.clone().map(|told| -> Box<dyn FnMut(&str)> {
            Box::new(move |line| told.borrow_mut().push_str(line))
        });
        let mut cast = cast::assemble(setting, seed, sink, &*self.strategies)?;
        let mut gauge = gauge::Gauge::new(setting, &cast);
        let mut step = setting.limit.mul_f64(FINEST).max(Duration::from_micros(1));
        let mut until = Duration::ZERO;
        loop {
            until = (until + step).min(setting.limit);
            let over = advance(&mut cast.world, setting, until);
            let thinned = gauge.look(&cast.world);
            if let Some(told) = &told {
                told.borrow_mut().split_inclusive('\n').for_each(|line| watch.trace(line));
                told.borrow_mut().clear();
            }
            if !watch.progress(progress(&cast, setting)) {
                return Err(RunError::Stopped);
            }
            if over || until >= setting.limit {
                break;
            }
            if thinned {
                step *= 2;
            }
        }
        Ok(gauge.outcome(&cast))
    }
}

/// Lets the world go on until then; true if there is nothing left to wait for.
fn advance(world: &mut World, setting: &Setting, until: Duration) -> bool {
    if setting.runs_to_limit {
        world.run_to(Moment::after(until));
        return false;
    }
    world.run_until(until)
}

/// How far a run is, by time or by what has come, whichever is more.
fn progress(cast: &cast::Cast, setting: &Setting) -> f64 {
    let limit = setting.limit.as_secs_f64().max(f64::MIN_POSITIVE);
    let by_time = cast.world.now().elapsed().as_secs_f64() / limit;
    if setting.runs_to_limit {
        return by_time.min(1.0);
    }
    let came = cast.world.progress();
    by_time.max(came).min(1.0)
}

#[cfg(test)]
pub(super) mod tests;
