//! What name servers say of trackers' hosts (BEP 34), remembered for a while: `--dns-prefs`.
//!
//! A host that says nothing, or cannot be asked, is called as the URL says. Numeric addresses
//! have no records.

use super::dns::{system_servers, txt_records};
use crate::protocol::dns_txt::TrackerPorts;
use crate::protocol::url::Url;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an answer, or that there was none, is remembered.
const REMEMBERED: Duration = Duration::from_mins(30);

/// Hosts that are remembered; then all are forgotten.
const MAX_HOSTS: usize = 1000;

/// How long an announce waits for name servers.
const PATIENCE: Duration = Duration::from_secs(5);

/// What hosts say of their trackers.
#[derive(Debug)]
pub struct Preferences {
    servers: Vec<SocketAddr>,
    known: Mutex<HashMap<String, (Instant, Option<TrackerPorts>)>>,
}

impl Preferences {
    /// Asks the servers that the system asks.
    pub fn of_system() -> Self {
        Self::asking(system_servers())
    }

    /// Asks these servers.
    pub fn asking(servers: Vec<SocketAddr>) -> Self {
        Self { servers, known: Mutex::default() }
    }

    /// The URLs to call instead of one, the best first; none if its host runs no tracker.
    pub fn instead_of(&self, url: &Url, deadline: Instant) -> Vec<Url> {
        if url.address().is_some() {
            return vec![url.clone()];
        }
        match self.ports_of(&url.host, deadline) {
            Some(ports) => ports.instead_of(url),
            None => vec![url.clone()],
        }
    }

    fn ports_of(&self, host: &str, deadline: Instant) -> Option<TrackerPorts> {
        let now = Instant::now();
        if let Some((until, ports)) = self.known.lock().get(host).filter(|(until, _)| *until > now)
        {
            log::trace!("{host}: remembered for {:?}", until.duration_since(now));
            return ports.clone();
        }
        // Nobody waits for the lock while a server is asked; two may ask the same.
        let records = txt_records(host, &self.servers, deadline.min(now + PATIENCE));
        let records = records.unwrap_or_else(|error| {
            log::debug!("{host}: no TXT records: {error}");
            Vec::new()
        });
        let ports = TrackerPorts::read(records.iter().map(String::as_str));
        let mut known = self.known.lock();
        if known.len() >= MAX_HOSTS {
            known.clear();
        }
        known.insert(host.to_owned(), (now + REMEMBERED, ports.clone()));
        ports
    }
}

#[cfg(test)]
mod tests {
    use super::super::dns::{Play, name_server};
    use super::*;

    fn instead(preferences: &Preferences, url: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let urls = preferences.instead_of(&Url::parse(url).unwrap(), deadline);
        urls.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_host_is_called_where_it_says_and_where_the_url_says_if_it_says_nothing() {
        let check = |play, records: &[&[&str]], expected: &[&str]| {
            let preferences = Preferences::asking(vec![name_server(play, records)]);
            assert_eq!(instead(&preferences, "http://t.test:1/announce"), expected);
        };
        let moved = ["udp://t.test:2/announce"];
        check(Play::Answer, &[&["BITTORRENT UDP", ":2"]], &moved);
        check(Play::Answer, &[&["BITTORRENT DENY ALL"]], &[]);
        for play in [Play::Answer, Play::Fail, Play::NoSuchName] {
            check(play, &[&["another record"]], &["http://t.test:1/announce"]);
        }
    }

    #[test]
    fn an_address_has_no_records_and_an_answer_is_remembered() {
        let preferences = Preferences::asking(vec![name_server(Play::Answer, &[&["BITTORRENT"]])]);
        assert_eq!(instead(&preferences, "http://127.0.0.1:1/a"), ["http://127.0.0.1:1/a"]);
        assert_eq!(preferences.known.lock().len(), 0);
        assert_eq!(instead(&preferences, "udp://t.test:9"), [""; 0]);
        let nobody_to_ask = Preferences { servers: Vec::new(), ..preferences };
        assert_eq!(instead(&nobody_to_ask, "udp://t.test:9"), [""; 0], "remembered");
    }
}
