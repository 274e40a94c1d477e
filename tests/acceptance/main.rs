//! Whole programs from one end to the other: what is promised to whoever starts them.

#[path = "../harness/mod.rs"]
mod harness;

mod files;
mod swarm;
mod tracker;
