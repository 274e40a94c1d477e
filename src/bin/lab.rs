//! The `lab` program.

use std::process::ExitCode;
use swarmlet::cli::{self, env::Env};

fn main() -> ExitCode {
    cli::lab(&Env::of_process()).into()
}
