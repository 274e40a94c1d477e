//! Command lines, progress, exit codes.

/// `peer create`: from a file or folder to a .torrent.
pub mod create;

/// `peer magnet`: from a .torrent to its link.
pub mod magnet;

/// `peer show`: what a .torrent says.
pub mod show;
