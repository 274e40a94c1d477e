//! What steers a node from outside: the daemon, the door, its pages and remote controls.

#[path = "../harness/mod.rs"]
mod harness;

mod daemon;
mod dashboard;
mod door;
mod remote;
mod rpc;
mod steering;
