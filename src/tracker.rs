//! The tracker: one thread, one loop.

/// Proof of an asker's address.
pub mod cookie;

/// Names and .torrents.
pub mod catalogue;
