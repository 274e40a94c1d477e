//! The `peer` program.

fn main() {}
