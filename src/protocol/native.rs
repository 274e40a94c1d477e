//! Messages between peers in the native dialect.
