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

/// Expressions over measures.
pub mod expression;

/// From several runs to one number, and how sure it is.
pub mod statistics;

/// From what came of a run to its measures.
pub mod measure;

/// Which runs a scenario has, what came of them, and whether that is what was expected.
pub mod campaign;

/// A scenario's plots as figures.
pub mod chart;

/// What a scenario asks of a machine, before it runs.
pub mod check;

/// Two settings over the same seeds.
pub mod paired;

/// Tables as CSV, and numbers as text.
pub mod table;

/// What the books promise: lower bounds on the time that a file takes to reach everybody.
pub mod theory;

/// Uplinks, downlinks and ordered lines in virtual time.
pub mod link;

/// A swarm in virtual time.
pub mod world;

/// Figures as SVG.
pub mod figure;

/// What came of a scenario, as one page.
pub mod report;

/// Very many peers that exchange whole pieces.
pub mod crowd;

/// Settings in virtual time.
pub mod sim;

/// Rounds in which every uplink sends one piece.
pub mod rounds;

/// Questions to a hierarchy of trackers, in virtual time.
pub mod queries;

/// Questions on the theory, and their answers.
pub mod quiz;

/// The native dialect as text.
pub mod spoken;

/// What is typed at `lab nc`.
pub mod typed;

/// A grader's decisions: what is asked, how its own side behaves, what is held against whom.
pub mod grade;

/// What a check is worth.
pub mod rubric;

/// Links for real packets: rate, delay, jitter, loss and queues in virtual time.
pub mod emulator;

/// The header of an IPv4 packet.
pub mod packet;
/// Captures as files.
pub mod pcapng;

/// Traces read back.
pub mod record;

/// Sequence diagrams of a trace.
pub mod diagram;

/// A capture made up from a trace.
pub mod capture;
