//! The `tracker` program.

fn main() {}
