//! Backends by name, and programs as strategies of simulated peers.

use super::child::Running;
use super::proc::{Proc, Programs};
use crate::config::ChokerChoice;
use crate::exec_choker::{ExecChoker, Faults};
use crate::lab::outcome::{Outcome, RunError, Runner, Watch};
use crate::lab::setting::{Backend, Setting};
use crate::lab::sim::Sim;
use crate::logic::choker::Strategy;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// How long a program may think about a decision while virtual time stands still.
const PATIENCE: Duration = Duration::from_secs(5);

/// What passed between the peers of the first run: the packets of a backend that sees them, else
/// made of the trace.
pub const CAPTURE: &str = "capture.pcapng";

/// Who runs settings on a backend. `running` knows every process that it starts; `logs` is where
/// the log goes of one that ended by itself.
pub fn runner(
    backend: Backend,
    running: &Running,
    logs: &Path,
) -> Result<Box<dyn Runner>, RunError> {
    let failed = |why: super::super::exit::CliError| RunError::Refused(why.message);
    match backend {
        Backend::Theory => Err(RunError::Unsupported("theory needs no run".into())),
        Backend::Sim => Ok(Box::new(Simulated::new())),
        Backend::Proc => {
            let mut proc = Proc::new(Programs::beside_this().map_err(failed)?, running.clone());
            proc.logs = Some(logs.to_owned());
            Ok(Box::new(proc))
        }
        Backend::Net => {
            let programs = Programs::beside_this().map_err(failed)?;
            let capture = logs.join(CAPTURE);
            let mut net = Proc::in_namespaces(programs, running.clone(), Some(capture));
            net.logs = Some(logs.to_owned());
            Ok(Box::new(net))
        }
    }
}

/// The backend sim, where a choker may be a program; one that misbehaves makes its run invalid.
struct Simulated {
    sim: Sim,
    faults: Rc<RefCell<Vec<Faults>>>,
}

impl Simulated {
    fn new() -> Self {
        let faults: Rc<RefCell<Vec<Faults>>> = Rc::default();
        let kept = faults.clone();
        let strategies = move |choice: &ChokerChoice| match choice {
            ChokerChoice::Policy(_) => Ok(None),
            ChokerChoice::Program(command) => {
                let started = ExecChoker::start(command);
                let choker = started.map_err(|why| format!("cannot start {command}: {why}"))?;
                let choker = choker.with_patience(PATIENCE);
                kept.borrow_mut().push(choker.faults());
                Ok(Some(Box::new(choker) as Box<dyn Strategy>))
            }
        };
        Self { sim: Sim::new(Box::new(strategies)), faults }
    }
}

impl Runner for Simulated {
    fn run(
        &mut self,
        setting: &Setting,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, RunError> {
        self.faults.borrow_mut().clear();
        let mut outcome = self.sim.run(setting, seed, watch)?;
        let faults = self.faults.borrow();
        let first = faults.iter().find_map(|fault| fault.lock().clone());
        outcome.invalid = outcome.invalid.or(first);
        Ok(outcome)
    }
}
