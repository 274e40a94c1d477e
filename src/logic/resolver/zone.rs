//! The two trees of keys: contents by the digits of their info-hash, and by name.
//!
//! ```text
//! "." -> "3" -> "3f" -> ...       a zone of hashes is a prefix of their hexadecimal digits
//! "." -> "uct" -> "cs.uct"        a zone of names is their end, as in DNS
//! ```
//! Text of hexadecimal digits alone means hashes; a name that looks so ends in a dot ("cafe.").

use crate::ids::InfoHashV2;
use crate::protocol::tracker_native::MAX_NAME;
use std::fmt;
use std::str::FromStr;

/// Hexadecimal digits of a v2 info-hash.
const DIGITS: usize = 64;

/// What a tracker has authority for, or delegates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zone(Form);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Form {
    Root,
    Hash(String),
    Name(String),
}

/// Text that is no zone, or no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct NoZone {
    what: &'static str,
}

impl Zone {
    /// Everything.
    pub const ROOT: Self = Self(Form::Root);

    /// Whether a content belongs to it.
    pub fn contains(&self, key: &Key) -> bool {
        match (&self.0, key) {
            (Form::Root, _) => true,
            (Form::Hash(prefix), Key::Hash(hash)) => hash.to_string().starts_with(prefix),
            (Form::Name(end), Key::Name(name)) => ends_with_labels(name, end),
            _ => false,
        }
    }

    /// Whether it is a part of another zone, and not all of it: its text is strictly longer.
    pub fn is_below(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Root, _) => false,
            (_, Form::Root) => true,
            (Form::Hash(longer), Form::Hash(prefix)) => {
                longer != prefix && longer.starts_with(prefix)
            }
            (Form::Name(longer), Form::Name(end)) => longer != end && ends_with_labels(longer, end),
            _ => false,
        }
    }

    /// What is left of a name before the zone: `big-zip` of `big-zip.cs.uct` in `cs.uct`.
    pub fn relative<'a>(&self, name: &'a str) -> Option<&'a str> {
        match &self.0 {
            Form::Root => Some(name),
            Form::Name(end) => name.strip_suffix(end.as_str())?.strip_suffix('.'),
            Form::Hash(_) => None,
        }
    }
}

/// Whether a name is another one, or ends in a dot and the other one.
fn ends_with_labels(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

impl FromStr for Zone {
    type Err = NoZone;

    fn from_str(text: &str) -> Result<Self, NoZone> {
        if text.is_empty() || text == "." {
            return Ok(Self::ROOT);
        }
        if is_hexadecimal(text) {
            if text.len() > DIGITS {
                return Err(NoZone { what: "an info-hash has at most 64 hexadecimal digits" });
            }
            return Ok(Self(Form::Hash(text.to_ascii_lowercase())));
        }
        name(text).map(|name| Self(Form::Name(name)))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Root => f.write_str("."),
            Form::Hash(prefix) => f.write_str(prefix),
            Form::Name(name) => put_name(f, name),
        }
    }
}

/// Which content is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The one with this info-hash.
    Hash(InfoHashV2),
    /// Whichever bears this name.
    Name(String),
}

impl Key {
    /// The zones that it belongs to, the longest first, the root last.
    pub fn zones(&self) -> impl Iterator<Item = Zone> {
        let text = match self {
            Self::Hash(hash) => hash.to_string(),
            Self::Name(name) => name.clone(),
        };
        let is_hash = matches!(self, Self::Hash(_));
        let starts: Vec<usize> = if is_hash {
            (1..=DIGITS).rev().collect()
        } else {
            let after_dots = text.match_indices('.').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after_dots).collect()
        };
        let zone = move |at: usize| {
            let (before, after) = text.split_at(at);
            if is_hash { Form::Hash(before.into()) } else { Form::Name(after.into()) }
        };
        starts.into_iter().map(zone).chain([Form::Root]).map(Zone)
    }
}

impl FromStr for Key {
    type Err = NoZone;

    fn from_str(text: &str) -> Result<Self, NoZone> {
        match text.parse() {
            Ok(hash) => Ok(Self::Hash(hash)),
            Err(_) if is_hexadecimal(text) => {
                Err(NoZone { what: "an info-hash has 64 hexadecimal digits" })
            }
            Err(_) => name(text).map(Self::Name),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(hash) => hash.fmt(f),
            Self::Name(name) => put_name(f, name),
        }
    }
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// A name without its last dot.
fn name(text: &str) -> Result<String, NoZone> {
    let name = text.strip_suffix('.').unwrap_or(text);
    // That of a content, and as long as a domain may be (RFC 1035, 2.3.4).
    if name.len() > MAX_NAME {
        return Err(NoZone { what: "a name has at most 255 bytes" });
    }
    if name.split('.').any(str::is_empty) || name.chars().any(char::is_control) {
        return Err(NoZone { what: "a name is words with single dots between them" });
    }
    Ok(name.to_owned())
}

fn put_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    f.write_str(name)?;
    if is_hexadecimal(name) { f.write_str(".") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(text: &str) -> Zone {
        text.parse().unwrap()
    }

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    fn hash(start: &str) -> Key {
        key(&format!("{start:0<64}"))
    }

    #[test]
    fn a_zone_of_hashes_is_a_prefix_and_a_zone_of_names_is_an_end() {
        let check = |text: &str, key: &Key, expected: bool| {
            assert_eq!(zone(text).contains(key), expected, "{text} {key}");
        };
        for root in ["", "."] {
            check(root, &hash("3f"), true);
            check(root, &key("big-zip.cs.uct"), true);
        }
        check("3", &hash("3f"), true);
        check("3F", &hash("3f"), true);
        check("3e", &hash("3f"), false);
        check("cs.uct", &key("big-zip.cs.uct"), true);
        check("cs.uct", &key("cs.uct"), true);
        check("s.uct", &key("big-zip.cs.uct"), false);
        check("uct", &hash("3f"), false);
        check("3f", &key("x.3f"), false);
        check("3f.", &key("x.3f"), true);
    }

    #[test]
    fn a_part_of_a_zone_is_strictly_longer() {
        let check = |part: &str, whole: &str, expected: bool| {
            assert_eq!(zone(part).is_below(&zone(whole)), expected, "{part} {whole}");
        };
        check("3", ".", true);
        check("3f", "3", true);
        check("3f", "3f", false);
        check("3", "3f", false);
        check("4f", "3", false);
        check(".", ".", false);
        check("cs.uct", "uct", true);
        check("uct", "cs.uct", false);
        check("ccs.uct", "cs.uct", false);
        check("cafe.", "cafe", false);
    }

    #[test]
    fn a_key_is_looked_up_from_its_longest_zone_to_the_root() {
        let zones: Vec<String> = key("big-zip.cs.uct").zones().map(|z| z.to_string()).collect();
        assert_eq!(zones, ["big-zip.cs.uct", "cs.uct", "uct", "."]);
        let zones: Vec<Zone> = hash("3f").zones().collect();
        assert_eq!((zones.len(), &zones[62], &zones[64]), (65, &zone("3f"), &Zone::ROOT));
        for (key, zone) in zones.iter().map(|zone| (hash("3f"), zone)) {
            assert!(zone.contains(&key), "{zone}");
        }
    }

    #[test]
    fn what_is_left_of_a_name_is_what_its_zone_calls_it() {
        assert_eq!(zone("cs.uct").relative("big-zip.cs.uct"), Some("big-zip"));
        assert_eq!(zone(".").relative("big.zip"), Some("big.zip"));
        assert_eq!(zone("cs.uct").relative("cs.uct"), None);
        assert_eq!(zone("3f").relative("x"), None);
    }

    #[test]
    fn text_that_is_neither_is_refused() {
        let long = "a".repeat(65);
        for text in ["a..b", "..", ".uct", "x\n.uct", &long, &format!("x{}", "x".repeat(255))] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
        for text in ["3f", "a..b", "", "."] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(text in ".{0,80}") {
            if let Ok(zone) = text.parse::<Zone>() {
                prop_assert_eq!(zone.to_string().parse(), Ok(zone));
            }
            if let Ok(key) = text.parse::<Key>() {
                prop_assert_eq!(key.to_string().parse(), Ok(key));
            }
        }
    }
}
