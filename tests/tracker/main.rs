//! The tracker: its announces, its hostile callers, its live view and its operator.

#[path = "../harness/mod.rs"]
mod harness;

mod announces;
mod hostile;
mod live;
mod operator;
