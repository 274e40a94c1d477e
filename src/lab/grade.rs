//! The grader's decisions: what is handed out, how its own side behaves, and what it holds against
//! a submission.
//!
//! ```text
//! paper -> content --> desk (the tracker's answers)      \
//!                  --> seeder (a peer with a manner)       --> log: who said what when --> judge
//! ```
//! Everything here is a function of values; `cli::lab::grade` has the sockets and the processes.

/// What can be passed or failed.
pub mod check;

/// What is handed out: contents that depend on the student.
pub mod paper;

/// Who said what, and when.
pub mod log;

/// The tracker's answers.
pub mod desk;

/// A peer that has everything, and its manners.
pub mod seeder;

/// From what was said to what is right and wrong.
pub mod judge;
