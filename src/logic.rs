//! Whom to ask for what, and whom to serve: pure state machines.
