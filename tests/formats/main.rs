//! Inputs that nobody here wrote, with their verdicts.

#[path = "../harness/mod.rs"]
mod harness;

mod corpus;
mod metainfo;
mod wire_corpus;
