//! Peers and trackers that mean harm, against the real programs.

#[path = "../harness/mod.rs"]
mod harness;

mod bittorrent;
mod crowd;
mod native;
mod paths;
mod secrets;
mod tracker;
