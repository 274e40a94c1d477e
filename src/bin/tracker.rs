//! The `tracker` program.

use std::process::ExitCode;
use swarmlet::cli::{self, env::Env};

fn main() -> ExitCode {
    cli::tracker(&Env::of_process()).into()
}
