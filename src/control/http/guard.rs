//! Who may speak to a running program: rules on a request's head, before its body is read.
//!
//! | rule | against | answer |
//! |---|---|---|
//! | `Host` is ours | a page whose name was made to point here (DNS rebinding) | 421 |
//! | `Origin`, if there is one, is ours | a page of somebody else's | 403 |
//! | `Sec-Fetch-Site` is not `cross-site`, nor `same-site` without an `Origin` | the same | 403 |
//! | not five wrong passwords within a minute | guessing | 429 |
//! | the password is right | strangers | 401 |
//! | the session id is known | the first, once more: no other page can read it | 409 |
//!
//! The last rule is what keeps forged requests out where a browser tells neither: a page can make a
//! browser send a form or plain text anywhere, but a header of its own only after a question
//! (`OPTIONS`) that is never answered with a yes. So the body's type need not be looked at, and
//! Transmission's remote controls, which name various types or none, are understood.
//!
//! Sources: Transmission CVE-2018-5702, and its session id since 1.50. No sockets and no clock here.

use super::super::base64;
use super::head::Head;
use crate::logic::hosts::{is_own_page, names_us};
use crate::logic::secret::Secret;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The rules of one door.
pub struct Guard {
    port: u16,
    hosts: Vec<String>,
    login: Option<Secret>,
    session: Secret,
}

/// What a head says of its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is right, or none is needed.
    Right,
    /// There is none.
    Missing,
    /// It is wrong.
    Wrong,
}

impl Guard {
    /// Rules for a door at `port` that is called `hosts` besides its usual names.
    pub fn new(
        port: u16,
        hosts: &[String],
        auth: Option<&(String, String)>,
        session: &str,
    ) -> Self {
        let secret = |(user, password): &(String, String)| {
            Secret::of(format!("{user}:{password}").as_bytes())
        };
        Self {
            port,
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            login: auth.map(secret),
            session: Secret::of(session.as_bytes()),
        }
    }

    /// Whether whoever speaks is no stranger's page; the error is the status to refuse it with.
    pub fn check_page(&self, head: &Head) -> Result<(), u16> {
        let host = head.host.as_deref().filter(|host| self.is_ours(host)).ok_or(421_u16)?;
        let (origin, site) = (head.origin.as_deref(), head.fetch_site.as_deref());
        if is_own_page(host, origin, site) { Ok(()) } else { Err(403) }
    }

    /// Whether the password is right.
    pub fn check_login(&self, head: &Head) -> Proof {
        let Some(login) = &self.login else { return Proof::Right };
        let Some(said) = &head.authorization else { return Proof::Missing };
        let (scheme, letters) = said.split_once(' ').unwrap_or((said, ""));
        let pair = base64::decode(letters.trim()).unwrap_or_default();
        let is_right = login.is(&pair) && scheme.eq_ignore_ascii_case("basic");
        if is_right { Proof::Right } else { Proof::Wrong }
    }

    /// Whether the caller has read our session id.
    pub fn knows_session(&self, head: &Head) -> bool {
        head.session.as_deref().is_some_and(|said| self.session.is(said.as_bytes()))
    }

    /// Whether a `Host` means us.
    fn is_ours(&self, host: &str) -> bool {
        names_us(host, self.port, &self.hosts)
    }
}

/// How many wrong passwords an address may give within [`WINDOW`].
const MAX_FAILURES: u32 = 5;

/// How long failures are remembered.
pub const WINDOW: Duration = Duration::from_mins(1);

/// The most addresses that are remembered; beyond it the oldest is forgotten.
const MAX_ADDRESSES: usize = 1024;

/// Who gave wrong passwords lately.
#[derive(Debug, Default)]
pub struct Failures {
    by_address: HashMap<IpAddr, (Instant, u32)>,
}

impl Failures {
    /// Whether an address has failed too often to be heard.
    pub fn bars(&self, address: IpAddr, now: Instant) -> bool {
        let known = self.by_address.get(&address);
        known.is_some_and(|(since, count)| {
            *count >= MAX_FAILURES && now.saturating_duration_since(*since) < WINDOW
        })
    }

    /// Somebody gave a wrong password.
    pub fn on_wrong(&mut self, address: IpAddr, now: Instant) {
        if let Some((since, count)) = self.by_address.get_mut(&address)
            && now.saturating_duration_since(*since) < WINDOW
        {
            *count += 1;
            return;
        }
        if self.by_address.len() >= MAX_ADDRESSES {
            let oldest = self.by_address.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.by_address.remove(&oldest);
            }
        }
        self.by_address.insert(address, (now, 1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::head;
    use super::*;

    fn guard() -> Guard {
        let auth = ("me".to_owned(), "secret".to_owned());
        Guard::new(9091, &["Box.example".into()], Some(&auth), "the-session")
    }

    fn head(fields: &str) -> Head {
        let text = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        head::read(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn pages_of_others_are_refused() {
        let check = |fields: &str, expected| {
            assert_eq!(guard().check_page(&head(fields)), expected, "{fields:?}");
        };
        let host = "Host: localhost:9091\r\n";
        check(host, Ok(()));
        check("", Err(421));
        check("Host: evil.test\r\nOrigin: http://evil.test\r\n", Err(421));
        check(&format!("{host}Origin: http://localhost:9091\r\n"), Ok(()));
        check("Host: box.example\r\nOrigin: https://box.example\r\n", Ok(()));
        for origin in [
            "http://evil.test",
            "http://localhost:3000",
            "http://127.0.0.1:9091",
            "null",
            "",
            "localhost:9091",
            "http://localhost:9091.evil.test",
        ] {
            check(&format!("{host}Origin: {origin}\r\n"), Err(403));
        }
        check(&format!("{host}Sec-Fetch-Site: same-origin\r\n"), Ok(()));
        check(&format!("{host}Sec-Fetch-Site: none\r\n"), Ok(()));
        check(&format!("{host}Sec-Fetch-Site: cross-site\r\n"), Err(403));
        check(&format!("{host}Sec-Fetch-Site: same-site\r\n"), Err(403));
    }

    #[test]
    fn a_password_is_right_missing_or_wrong() {
        let check = |value: Option<&str>, expected| {
            let field = value.map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
            assert_eq!(guard().check_login(&head(&field)), expected, "{value:?}");
        };
        let right = base64::encode(b"me:secret");
        check(Some(&format!("Basic {right}")), Proof::Right);
        check(Some(&format!("basic  {right}")), Proof::Right);
        check(None, Proof::Missing);
        for wrong in ["Basic", "Basic ?", "Bearer bWU6c2VjcmV0", "Basic bWU6c2VjcmV", "me:secret"] {
            check(Some(wrong), Proof::Wrong);
        }
        let open = Guard::new(9091, &[], None, "x");
        assert_eq!(open.check_login(&head("")), Proof::Right);
        assert_eq!(open.check_login(&head("Authorization: Basic eDp5\r\n")), Proof::Right);
    }

    #[test]
    fn the_session_is_known_or_not() {
        let knows = |field: &str| guard().knows_session(&head(field));
        assert!(knows("X-Transmission-Session-Id: the-session\r\n"));
        assert!(!knows("") && !knows("X-Transmission-Session-Id: the-sessio\r\n"));
    }

    #[test]
    fn five_failures_in_a_minute_are_enough() {
        let (start, me) = (Instant::now(), IpAddr::from([127, 0, 0, 1]));
        let mut failures = Failures::default();
        for n in 0..5 {
            assert!(!failures.bars(me, start), "after {n}");
            failures.on_wrong(me, start);
        }
        assert!(failures.bars(me, start));
        assert!(!failures.bars(IpAddr::from([127, 0, 0, 2]), start));
        assert!(failures.bars(me, start + Duration::from_secs(59)));
        assert!(!failures.bars(me, start + WINDOW), "the minute is over");
        failures.on_wrong(me, start + WINDOW);
        assert!(!failures.bars(me, start + WINDOW), "a new minute counts anew");
    }

    #[test]
    fn addresses_do_not_fill_the_memory() {
        let mut failures = Failures::default();
        let start = Instant::now();
        for n in 0..2000_u32 {
            let address = IpAddr::from(n.to_be_bytes());
            failures.on_wrong(address, start + Duration::from_millis(u64::from(n)));
        }
        assert_eq!(failures.by_address.len(), MAX_ADDRESSES);
        assert!(failures.by_address.contains_key(&IpAddr::from(1999_u32.to_be_bytes())));
    }
}
