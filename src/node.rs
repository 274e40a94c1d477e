//! A peer: its threads and what they share.

/// Trackers, as a peer sees them.
pub mod trackers;
