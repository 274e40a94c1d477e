//! The remote control of a running program: where it listens, and whom it lets in.

use super::args::DaemonArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use crate::control::Desk;
use crate::control::http::{Door, DoorError, DoorOptions};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A user and a password, as `--auth` and `PEER_AUTH` give them. What is shown of it for debugging is
/// the user alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl FromStr for Login {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                Ok(Self { user: user.to_owned(), password: password.to_owned() })
            }
            _ => Err("expected USER:PASSWORD, neither of them empty".into()),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?})", self.user)
    }
}

impl Login {
    /// As it is written.
    pub fn pair(&self) -> String {
        format!("{}:{}", self.user, self.password)
    }
}

/// The login that was given: by a flag, or else by the environment, which no command line shows.
///
/// # Errors
/// [`Exit::Usage`] when `PEER_AUTH` is none.
pub fn login(given: Option<&Login>, env: &Env) -> Result<Option<Login>, CliError> {
    let Some(text) = env.peer_auth.as_ref().filter(|_| given.is_none()) else {
        return Ok(given.cloned());
    };
    text.parse().map(Some).map_err(|why| CliError::usage(format!("PEER_AUTH: {why}")))
}

/// A door at an address; beyond the loopback it needs a user and a password.
///
/// # Errors
/// [`Exit::Usage`] when it would be open to everybody, or `PEER_AUTH` is no login.
pub fn options(at: SocketAddr, auth: Option<&Login>, env: &Env) -> Result<DoorOptions, CliError> {
    let auth = login(auth, env)?.map(|login| (login.user, login.password));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_has_two_parts_and_never_shows_its_password() {
        let login: Login = "me:se:cret".parse().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("me", "se:cret"));
        assert_eq!(login.pair(), "me:se:cret");
        assert_eq!(format!("{login:?}"), r#"Login("me")"#);
        for text in ["", "me", "me:", ":x", ":"] {
            assert!(text.parse::<Login>().is_err(), "{text}");
        }
    }
}
