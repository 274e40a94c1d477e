//! What disks, networks and ends of processes do to programs.

#[path = "../harness/mod.rs"]
mod harness;

mod changed_files;
mod crash;
mod failpoints;
mod full_disk;
mod network;
mod shutdown;
