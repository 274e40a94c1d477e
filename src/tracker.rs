//! The tracker: one thread, one loop.
