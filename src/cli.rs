//! Command lines, progress, exit codes.
