//! Pieces on disk.

/// Hashing many buffers at once.
pub mod hash;
