//! What came of one run of one setting, whoever ran it.

use std::collections::BTreeMap;

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Every peer that took part, in the order of groups.
    pub peers: Vec<PeerOutcome>,
    /// What the backend itself measured, by the names of measures (`interest`, `msgs`,
    /// `hit_ratio`, `population.half`, ..). What follows from `peers` is not among them:
    /// [`crate::lab::measure`] makes that.
    pub metrics: BTreeMap<String, f64>,
    /// What changed over time.
    pub series: Vec<Sample>,
    /// Why the run does not count, if it does not: a peer died, a strategy answered nonsense. A run
    /// that took until its limit is valid, its peers are just not complete.
    pub invalid: Option<String>,
}

/// What became of one peer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeerOutcome {
    /// Its group's place in [`crate::lab::setting::Setting::groups`].
    pub group: usize,
    /// Seconds after the start when it came; `None`: it never did.
    pub joined: Option<f64>,
    /// Seconds after the start when it had everything; of a seed `None`.
    pub completed: Option<f64>,
    /// Seconds after the start when it went.
    pub left: Option<f64>,
    /// Bytes of content that it sent.
    pub sent: u64,
    /// Bytes of content that came, those of no use included.
    pub received: u64,
    /// Bytes of those that were of no use: twice, too late, or wrong.
    pub wasted: u64,
    /// How many others it banned for wrong bytes.
    pub bans: u32,
}

/// A value of a measure at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Seconds after the start.
    pub t: f64,
    /// Whose: `group/3`, or `all`.
    pub who: String,
    /// Which measure: `pieces`, `leechers`, `seeds`, `up`, `down`, `rarest`, `interest`.
    pub metric: &'static str,
    /// Its value.
    pub value: f64,
}

/// Who watches a run.
pub trait Watch {
    /// A line of the trace ([`crate::trace`]), with its line feed. Only if [`Watch::wants_trace`].
    fn trace(&mut self, line: &str);
    /// Whether the run is to be traced.
    fn wants_trace(&self) -> bool;
    /// How far the run is, 0 to 1; false: it is to end at once.
    fn progress(&mut self, done: f64) -> bool;
}

/// Why a run came to nothing: a sentence, with what to try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The backend has nothing for such a setting; the sentence names what.
    #[error("{0}")]
    Unsupported(String),
    /// This machine does not allow it.
    #[error("{0}")]
    Refused(String),
    /// Somebody stopped it.
    #[error("stopped")]
    Stopped,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Runs settings: one for each backend.
pub trait Runner {
    /// Runs a setting once. `seed` is where all dice come from.
    ///
    /// # Errors
    /// Nothing can be said of it. A run that went wrong in a way that the setting is about, or that
    /// does not count, is an [`Outcome`].
    fn run(
        &mut self,
        setting: &super::setting::Setting,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, RunError>;
}
