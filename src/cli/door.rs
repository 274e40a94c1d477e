//! The remote control of a running program: where it listens, and whom it lets in.

use super::args::DaemonArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use crate::control::Desk;
use crate::control::http::{Door, DoorError, DoorOptions};
use std::net::SocketAddr;

/// A door at an address; beyond the loopback it needs a user and a password.
///
/// # Errors
/// [`Exit::Usage`] when it would be open to everybody.
pub fn options(at: SocketAddr, auth: Option<(String, String)>) -> Result<DoorOptions, CliError> {
    let options = DoorOptions { address: at, auth, ..DoorOptions::default() };
    options.check().map_err(CliError::usage)?;
    Ok(options)
}

/// A daemon's door has a web page and other names.
pub fn of_daemon(options: DoorOptions, args: &DaemonArgs, env: &Env) -> DoorOptions {
    let web_home = args.web_home.clone().or_else(|| env.places.web_home.clone());
    DoorOptions { hosts: args.allow_host.clone(), web_home, ..options }
}

/// Opens a door to a desk, and says where it is.
pub fn open(options: DoorOptions, desk: Desk, env: &Env, quiet: bool) -> Result<Door, CliError> {
    let door = Door::open(options, desk)?;
    if !quiet {
        let at = door.address();
        // A closed stderr stops nobody.
        let _ = env.screen.line(&format!("dashboard at http://{at}/"));
        let _ = env.screen.line(&format!("remote control at http://{at}/transmission/rpc"));
    }
    Ok(door)
}

impl From<DoorError> for CliError {
    fn from(error: DoorError) -> Self {
        let exit = match &error {
            DoorError::InUse(_) => Exit::PortInUse,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}
