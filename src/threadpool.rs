//! A fixed set of workers over a bounded channel.
