//! What a host's TXT records say of its trackers (BEP 34).
//!
//! ```text
//! "BITTORRENT UDP:6969 TCP:80"     trackers run on these ports and on no others, the best first
//! "BITTORRENT DENY ALL", "BITTORRENT"                                  no trackers run here
//! "v=spf1 -all"                                        another record, which says nothing of it
//! ```
//! Words are case-sensitive and separated by blanks; words that nobody has defined are skipped,
//! which is why `DENY ALL` means what it says.

use super::url::{Scheme, Url};

/// The first word of a record that is about trackers.
const FIRST: &str = "BITTORRENT";

/// Ports that are believed: more than anybody runs.
const MAX_PORTS: usize = 16;

/// Where an HTTP tracker usually answers.
const USUAL_TARGET: &str = "/announce";

/// How a port is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// BEP 15.
    Udp,
    /// HTTP or HTTPS.
    Tcp,
}

/// The trackers of a host, all of them, the best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackerPorts(pub Vec<(Transport, u16)>);

impl TrackerPorts {
    /// Reads a host's TXT records, each with its character-strings joined; `None` if none of them
    /// is about trackers.
    pub fn read<'a>(records: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut found = None;
        for record in records {
            let mut words = record.split(' ');
            if words.next() != Some(FIRST) {
                continue;
            }
            let Self(ports) = found.get_or_insert_with(Self::default);
            for port in words.filter_map(port) {
                if ports.len() < MAX_PORTS && !ports.contains(&port) {
                    ports.push(port);
                }
            }
        }
        found
    }

    /// The URLs to try instead of one: itself if it is among the trackers, otherwise all of them
    /// on the same host; none if the host runs no tracker.
    pub fn instead_of(&self, url: &Url) -> Vec<Url> {
        let transport = if url.scheme == Scheme::Udp { Transport::Udp } else { Transport::Tcp };
        if self.0.contains(&(transport, url.port)) {
            return vec![url.clone()];
        }
        self.0.iter().map(|&(transport, port)| moved(url, transport, port)).collect()
    }
}

/// A word; `None` if it names no port.
fn port(word: &str) -> Option<(Transport, u16)> {
    let (transport, digits) = match word.split_once(':')? {
        ("UDP", digits) => (Transport::Udp, digits),
        ("TCP", digits) => (Transport::Tcp, digits),
        _ => return None,
    };
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    let port = digits.parse().ok().filter(|&port: &u16| is_number && port > 0)?;
    Some((transport, port))
}

fn moved(url: &Url, transport: Transport, port: u16) -> Url {
    let scheme = match (transport, url.scheme) {
        (Transport::Udp, _) => Scheme::Udp,
        (Transport::Tcp, Scheme::Udp) => Scheme::Http,
        (Transport::Tcp, scheme) => scheme,
    };
    let has_target = !url.target.is_empty() || scheme == Scheme::Udp;
    let target = if has_target { url.target.clone() } else { USUAL_TARGET.to_owned() };
    Url { scheme, host: url.host.clone(), port, target }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Transport::{Tcp, Udp};
    use proptest::prelude::*;

    fn check(records: &[&str], expected: Option<&[(Transport, u16)]>) {
        let expected = expected.map(|ports| TrackerPorts(ports.to_vec()));
        assert_eq!(TrackerPorts::read(records.iter().copied()), expected, "{records:?}");
    }

    #[test]
    fn the_records_of_the_bep_mean_what_it_says() {
        check(&["BITTORRENT"], Some(&[]));
        check(&["BITTORRENT DENY ALL"], Some(&[]));
        check(&["BITTORRENT UDP:1337 TCP:80"], Some(&[(Udp, 1337), (Tcp, 80)]));
        check(&["BITTORRENT TCP:80 UDP:1337"], Some(&[(Tcp, 80), (Udp, 1337)]));
    }

    #[test]
    fn only_a_record_whose_first_word_is_bittorrent_is_about_trackers() {
        for record in [
            "",
            "v=spf1 -all",
            "bittorrent UDP:80",
            "Bittorrent",
            "BITTORRENTS UDP:80",
            "BITTORRENT:UDP:80",
            " BITTORRENT UDP:80",
            "A BITTORRENT UDP:80",
        ] {
            check(&[record], None);
        }
        check(&["v=spf1 -all", "BITTORRENT UDP:80", "x"], Some(&[(Udp, 80)]));
        check(&[], None);
    }

    #[test]
    fn words_that_nobody_defined_are_skipped_and_what_is_no_port_with_them() {
        let record = "BITTORRENT  SCTP:9 udp:1 UDP: UDP:0 UDP:65536 UDP:+80 UDP:-1 UDP:8x TCP:1:2 \
                      UDP:7,TCP:8 TCP:443 UDP UDP:443 TCP:443";
        check(&[record], Some(&[(Tcp, 443), (Udp, 443)]));
        let many: Vec<_> = (1..100).map(|port| format!("UDP:{port}")).collect();
        let ports =
            TrackerPorts::read([format!("BITTORRENT {}", many.join(" ")).as_str()]).unwrap();
        assert_eq!(ports.0.len(), MAX_PORTS);
    }

    #[test]
    fn a_url_that_is_not_among_the_trackers_is_moved_to_them_in_their_order() {
        let check = |url: &str, record: &str, expected: &[&str]| {
            let ports = TrackerPorts::read([record]).unwrap();
            let instead = ports.instead_of(&Url::parse(url).unwrap());
            let instead: Vec<_> = instead.iter().map(ToString::to_string).collect();
            assert_eq!(instead, expected, "{url} under {record}");
        };
        let both = "BITTORRENT UDP:1337 TCP:80";
        let moved = ["udp://t.test:1337/announce?k=1", "http://t.test/announce?k=1"];
        check("http://t.test:6969/announce?k=1", both, &moved);
        check("http://t.test/announce", both, &["http://t.test/announce"]);
        check("udp://t.test:1337", both, &["udp://t.test:1337"]);
        check("udp://t.test:80", both, &["udp://t.test:1337", "http://t.test/announce"]);
        check("https://t.test/announce", "BITTORRENT TCP:8443", &["https://t.test:8443/announce"]);
        check("http://t.test/announce", "BITTORRENT DENY ALL", &[]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(records in proptest::collection::vec(".{0,80}", 0..4)) {
            TrackerPorts::read(records.iter().map(String::as_str));
        }
    }
}
