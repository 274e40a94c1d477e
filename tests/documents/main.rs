//! The pages and the tree: what they say of each other is so.

#[path = "../harness/mod.rs"]
mod harness;

mod architecture;
mod cli_doc;
mod docs;
mod packaging;
mod protocol_doc;
