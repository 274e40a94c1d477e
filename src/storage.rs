//! Pieces on disk.
