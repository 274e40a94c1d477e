//! The command lines: words, help, exit codes, completions and the small commands.

#[path = "../harness/mod.rs"]
mod harness;

mod cli;
mod completions;
mod console;
mod corpus_cli;
mod exit_codes;
mod small_commands;
