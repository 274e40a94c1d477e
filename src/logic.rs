//! Whom to ask for what, and whom to serve: pure state machines.

/// Who has what: the tracker's tables.
pub mod registry;
