//! Messages between a peer and a tracker in the native dialect.
