//! How the door is opened, and why it is not.

use super::site::SiteError;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The port that programs of this kind are looked for at.
pub const PORT: u16 = 9091;

/// How the door is opened.
#[derive(Clone)]
pub struct DoorOptions {
    /// Where it listens; port 0 is any free one.
    pub address: SocketAddr,
    /// The user and the password of whoever may come in; `None`: whoever is on this machine.
    pub auth: Option<(String, String)>,
    /// Names that the program is called by besides `localhost` and addresses, as in the URL.
    pub hosts: Vec<String>,
    /// The folder of a web page for Transmission, served below `/transmission/web/`.
    pub web_home: Option<PathBuf>,
    /// `swarmlet 0.1.0`, for the page at `/`.
    pub program: String,
    /// How long callers are waited for.
    pub patience: Patience,
}

/// How long callers are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a whole head, from the connection's start or the last answer on.
    pub head: Duration,
    /// For a body, and for an answer to be taken, before any of it moved.
    pub grace: Duration,
    /// Bytes per second that it must move at after that.
    pub rate: u64,
}

/// Why the door is not opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// [`DoorOptions::check`] forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// Another program listens there.
    #[error("cannot listen at {0} (address in use): is another program there?")]
    InUse(SocketAddr),
    /// The address cannot be listened at.
    #[error("cannot listen at {address} ({why}): is it an address of this machine?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// The web page's folder cannot be used.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The system has no thread or no randomness.
    #[error("cannot start the remote control: {0}")]
    Start(io::Error),
}

impl DoorError {
    /// Why an address cannot be listened at.
    pub fn listen(address: SocketAddr, why: io::Error) -> Self {
        match why.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            _ => Self::Listen { address, why },
        }
    }
}

impl Default for DoorOptions {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            auth: None,
            hosts: Vec::new(),
            web_home: None,
            program: format!("swarmlet {}", env!("CARGO_PKG_VERSION")),
            patience: Patience::default(),
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        let five = Duration::from_secs(5);
        Self { head: five, grace: five, rate: 64 * 1024 }
    }
}

impl Patience {
    /// How long a body may have taken by the time that so many bytes of it are there.
    pub fn for_bytes(&self, moved: u64) -> Duration {
        self.grace + Duration::from_millis(moved.saturating_mul(1000) / self.rate.max(1))
    }
}

impl DoorOptions {
    /// Whether a door may be opened so: one that others can reach has a password.
    ///
    /// # Errors
    /// The sentence to end the program with, as a mistake on the command line.
    pub fn check(&self) -> Result<(), String> {
        match &self.auth {
            Some((user, password)) if user.is_empty() || password.is_empty() => {
                Err("a user and a password are both needed: --auth USER:PASSWORD".into())
            }
            Some((user, _)) if user.contains(':') => {
                Err("a user's name has no colon: --auth USER:PASSWORD".into())
            }
            None if !self.address.ip().to_canonical().is_loopback() => Err(format!(
                "a remote control at {} can be reached from other machines and has no password: \
                 give it one with --auth USER:PASSWORD, or let it listen on 127.0.0.1",
                self.address
            )),
            _ => Ok(()),
        }
    }
}

/// Without the password: options end up in logs.
impl fmt::Debug for DoorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorOptions")
            .field("address", &self.address)
            .field("user", &self.auth.as_ref().map(|(user, _)| user))
            .field("hosts", &self.hosts)
            .field("web_home", &self.web_home)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_to_other_machines_needs_a_password() {
        let check = |address: &str, login: Option<&str>, expected: Option<&str>| {
            let options = DoorOptions {
                address: address.parse().unwrap(),
                auth: login.map(|password| ("me".to_owned(), password.to_owned())),
                ..DoorOptions::default()
            };
            let said = options.check().err();
            assert_eq!(said.as_deref().map(|said| &said[..40]), expected, "{address}");
        };
        let refused = Some("a remote control at 0.0.0.0:9091 can be ");
        check("127.0.0.1:9091", None, None);
        check("127.5.0.1:9091", None, None);
        check("[::1]:9091", None, None);
        check("[::ffff:127.0.0.1]:9091", None, None);
        check("0.0.0.0:9091", None, refused);
        check("192.168.1.10:9091", None, Some("a remote control at 192.168.1.10:9091 ca"));
        check("[::]:9091", None, Some("a remote control at [::]:9091 can be rea"));
        check("0.0.0.0:9091", Some("secret"), None);
    }

    #[test]
    fn a_login_has_two_parts_and_its_password_is_not_shown() {
        let with = |user: &str, password: &str| DoorOptions {
            auth: Some((user.into(), password.into())),
            ..DoorOptions::default()
        };
        assert_eq!(with("me", "se:cret").check(), Ok(()));
        assert!(!format!("{:?}", with("me", "secret")).contains("secret"));
        for (user, password) in [("", "x"), ("x", ""), ("a:b", "x")] {
            assert!(with(user, password).check().is_err(), "{user}:{password}");
        }
    }

    #[test]
    fn a_body_must_move_at_a_rate_after_a_grace() {
        let patience = Patience::default();
        assert_eq!(patience.for_bytes(0), Duration::from_secs(5));
        assert_eq!(patience.for_bytes(64 * 1024), Duration::from_secs(6));
        assert!(Patience { rate: 0, ..patience }.for_bytes(u64::MAX) > Duration::from_secs(5));
    }
}
