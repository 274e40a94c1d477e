//! The `peer` program.

use std::process::ExitCode;
use swarmlet::cli::{self, env::Env};

fn main() -> ExitCode {
    cli::peer(&Env::of_process()).into()
}
