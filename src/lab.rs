//! Experiments: whole swarms in virtual time, and the theory to hold them against.
//!
//! [`world`] drives exactly the logic that ships ([`crate::logic::swarm::Swarm`]) over the
//! simulated links of [`link`], and [`theory`] says what the books promise. No socket, thread or
//! clock stands here: a run is a function of its options, the same to the byte for the same seed.

/// One point of a scenario: what a backend runs.
pub mod setting;

/// What came of one run, whoever ran it.
pub mod outcome;

/// What is run, over which values, and what must come of it.
pub mod scenario;

/// What the books promise: lower bounds on the time that a file takes to reach everybody.
pub mod theory;

/// Uplinks, downlinks and ordered lines in virtual time.
pub mod link;

/// A swarm in virtual time.
pub mod world;

/// Captures as files.
pub mod pcapng;

/// Traces read back.
pub mod record;

/// Sequence diagrams of a trace.
pub mod diagram;

/// A capture made up from a trace.
pub mod capture;
