//! Nodes in one process, and what they choose.

#[path = "../harness/mod.rs"]
mod harness;

mod choosing;
mod hierarchy;
mod nodes;
mod selecting;
mod selection;
mod web_seed;
