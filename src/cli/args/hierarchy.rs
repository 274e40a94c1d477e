//! The words of `tracker dig`, and the flags that place a tracker in a hierarchy.

use super::super::exit::CliError;
use super::tracker_addr;
use crate::config::{TRACKER_PORT, TrackerAddr};
use crate::logic::resolver::zone::{Key, Zone};
use crate::protocol::tracker_native::Op;
use argh::{ArgsInfo, FromArgs};
use std::net::{IpAddr, SocketAddr};

/// Ask a hierarchy of trackers, like dig.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "tracker dig big-zip.cs.uct +trace @127.0.0.10")]
pub struct DigArgs {
    /// an info-hash or a name; PEERS, META, NAME, ANNOUNCE or PING; +trace to walk from the root;
    /// +norecurse; @HOST[:PORT] (127.0.0.1:6969)
    #[argh(positional)]
    pub word: Vec<String>,
}

/// What `tracker dig` is to ask, and how.
#[derive(Debug, PartialEq)]
pub struct Dig {
    /// What.
    pub op: Op,
    /// Of which content.
    pub key: Key,
    /// Whom.
    pub server: TrackerAddr,
    /// Whether to walk from there, and to show each step.
    pub trace: bool,
    /// Whether recursion is desired.
    pub recurse: bool,
}

impl DigArgs {
    /// The words, understood.
    pub fn dig(&self) -> Result<Dig, CliError> {
        let (mut key, mut op, mut trace, mut recurse) = (None, None, false, true);
        let mut server = TrackerAddr { host: "127.0.0.1".into(), port: TRACKER_PORT };
        for word in &self.word {
            let known = Op::ALL.iter().find(|op| op.to_string().eq_ignore_ascii_case(word));
            match word.as_str() {
                "+trace" => trace = true,
                "+norecurse" | "+norec" => recurse = false,
                at if at.starts_with('@') => {
                    let read = tracker_addr(&at[1..]);
                    server = read.map_err(|why| CliError::usage(format!("{at}: {why}")))?;
                }
                _ if known.is_some() && op.is_none() => op = known.copied(),
                text if key.is_none() && !text.starts_with('+') => {
                    let read = text.parse::<Key>();
                    let bad = |why| CliError::usage(format!("{text:?} makes no sense: {why}"));
                    key = Some(read.map_err(bad)?);
                }
                other => {
                    return Err(CliError::usage(format!(
                        "unexpected word {other:?}: tracker dig --help shows what may stand there"
                    )));
                }
            }
        }
        let key = match key {
            Some(key) => key,
            None if op == Some(Op::Ping) => Key::Name("ping".into()),
            None => {
                return Err(CliError::usage(
                    "tracker dig needs an info-hash or a name: tracker dig --help shows an example",
                ));
            }
        };
        let usual = if matches!(key, Key::Hash(_)) { Op::Peers } else { Op::Name };
        Ok(Dig { op: op.unwrap_or(usual), key, server, trace, recurse })
    }
}

/// Reads a zone.
pub(super) fn zone(text: &str) -> Result<Zone, String> {
    text.parse().map_err(|why| {
        format!("{why}: expected the first digits of info-hashes (3f), a name (cs.uct) or .")
    })
}

/// Reads `ZONE=ADDR:PORT`.
pub(super) fn delegation(text: &str) -> Result<(Zone, SocketAddr), String> {
    const EXPECTED: &str = "expected ZONE=ADDR:PORT, such as 3f=127.0.0.21:7053";
    let (before, after) = text.split_once('=').ok_or(EXPECTED)?;
    Ok((zone(before)?, endpoint(after)?))
}

/// Reads the address of another tracker.
pub(super) fn endpoint(text: &str) -> Result<SocketAddr, String> {
    const EXPECTED: &str = "expected the address of a tracker, such as 127.0.0.21:7053";
    let bare: Option<IpAddr> = text.trim_matches(['[', ']']).parse().ok();
    let with_port = bare.map(|ip| SocketAddr::new(ip, TRACKER_PORT)).or(text.parse().ok());
    with_port.filter(|addr| addr.port() != 0).ok_or_else(|| EXPECTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dig(line: &str) -> Result<Dig, CliError> {
        DigArgs { word: line.split_whitespace().map(str::to_owned).collect() }.dig()
    }

    #[test]
    fn dig_takes_its_words_in_any_order() {
        let hash = "3f".repeat(32);
        let asked = dig(&format!("+trace @127.0.0.10:7053 META {hash}")).unwrap();
        assert_eq!((asked.op, asked.trace, asked.recurse), (Op::Meta, true, true));
        assert_eq!(asked.server.to_string(), "127.0.0.10:7053");
        assert_eq!(asked.key.to_string(), hash);
        let asked = dig("big-zip.cs.uct +norecurse").unwrap();
        assert_eq!((asked.op, asked.trace, asked.recurse), (Op::Name, false, false));
        assert_eq!(asked.server.to_string(), "127.0.0.1:6969");
        assert_eq!(dig(&hash).unwrap().op, Op::Peers);
        assert_eq!(dig("ping").unwrap().op, Op::Ping);
    }

    #[test]
    fn what_dig_does_not_understand_is_named() {
        let check = |line: &str, expected: &str| {
            assert_eq!(dig(line).expect_err(line).message, expected);
        };
        check("", "tracker dig needs an info-hash or a name: tracker dig --help shows an example");
        check("3f", r#""3f" makes no sense: an info-hash has 64 hexadecimal digits"#);
        check(
            "a.b +trcae",
            r#"unexpected word "+trcae": tracker dig --help shows what may stand there"#,
        );
    }

    #[test]
    fn a_delegation_is_a_zone_and_an_address() {
        let check = |text: &str, expected: Option<&str>| {
            let read = delegation(text).ok().map(|(zone, addr)| format!("{zone} {addr}"));
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check("3f=127.0.0.21:7053", Some("3f 127.0.0.21:7053"));
        check("cs.uct=127.0.0.21", Some("cs.uct 127.0.0.21:6969"));
        check(".=[::1]:1", Some(". [::1]:1"));
        check("3f", None);
        check("a..b=127.0.0.21", None);
        check("3f=127.0.0.21:0", None);
        check("3f=localhost", None);
    }
}
