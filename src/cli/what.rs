//! What `--leech` can name: a word becomes a [`What`] by its shape alone.

use crate::ids::{InfoHashV1, InfoHashV2};
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

/// What is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A name that the tracker's catalogue knows, and the first hexadecimal digits (lower case) of
    /// the info-hash when several contents bear that name: `big.zip@3fa2`.
    Name {
        /// The name.
        name: String,
        /// Digits that the info-hash must start with; empty when none were given.
        hash_prefix: String,
    },
    /// A .torrent file, by its path or as the `file://` address that desktops give.
    Torrent(PathBuf),
    /// An http or https address of a .torrent file.
    Url(String),
    /// A magnet link.
    Magnet(String),
    /// A v2 info-hash.
    HashV2(InfoHashV2),
    /// A v1 info-hash.
    HashV1(InfoHashV1),
}

/// The fewest digits after `@` that are taken for a hash and not for a part of the name.
const MIN_PREFIX: usize = 4;

impl FromStr for What {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("magnet:") {
            return Ok(Self::Magnet(text.into()));
        }
        if lower.starts_with("http://") || lower.starts_with("https://") {
            return Ok(Self::Url(text.into()));
        }
        if lower.ends_with(".torrent")
            && let Some(path) = text.strip_prefix("file://").and_then(path_of_address)
        {
            return Ok(Self::Torrent(path));
        }
        // What begins like a path is one: no catalogue has such a name.
        let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
        if is_path || lower.ends_with(".torrent") {
            return Ok(Self::Torrent(text.into()));
        }
        if let Ok(hash) = text.parse() {
            return Ok(Self::HashV2(hash));
        }
        if let Ok(hash) = text.parse() {
            return Ok(Self::HashV1(hash));
        }
        Ok(Self::name(text))
    }
}

impl What {
    fn name(text: &str) -> Self {
        let is_prefix = |digits: &str| {
            (MIN_PREFIX..=64).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        match text.rsplit_once('@') {
            Some((name, digits)) if !name.is_empty() && is_prefix(digits) => {
                Self::Name { name: name.into(), hash_prefix: digits.to_ascii_lowercase() }
            }
            _ => Self::Name { name: text.into(), hash_prefix: String::new() },
        }
    }
}

/// The path in a `file://` address without these letters (RFC 8089): `/a b` of `/a%20b` and of
/// `localhost/a%20b`. None if it is on another machine, or a `%` is not followed by two digits.
fn path_of_address(address: &str) -> Option<PathBuf> {
    let path = address.strip_prefix("localhost").unwrap_or(address);
    if !path.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                ((digit(*high)? * 16 + digit(*low)?) as u8, after)
            }
            (b'%', _) => return None,
            (plain, after) => (plain, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Some(OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> What {
        text.parse().expect("every word is something")
    }

    #[test]
    fn a_word_is_known_by_its_shape() {
        assert_eq!(what("x.torrent"), What::Torrent("x.torrent".into()));
        assert_eq!(what("X.TORRENT"), What::Torrent("X.TORRENT".into()));
        assert_eq!(what("/a/film"), What::Torrent("/a/film".into()));
        assert_eq!(what("./film"), What::Torrent("./film".into()));
        assert_eq!(what("HTTP://h/x.torrent"), What::Url("HTTP://h/x.torrent".into()));
        assert_eq!(what("magnet:?xt=1"), What::Magnet("magnet:?xt=1".into()));
        assert_eq!(what(&"ab".repeat(20)), What::HashV1(InfoHashV1([0xab; 20])));
        assert_eq!(what(&"AB".repeat(32)), What::HashV2(InfoHashV2([0xab; 32])));
    }

    #[test]
    fn a_desktop_names_a_file_by_its_address() {
        assert_eq!(what("file:///a%20b/%C3%A9.torrent"), What::Torrent("/a b/é.torrent".into()));
        assert_eq!(what("file://localhost/x.torrent"), What::Torrent("/x.torrent".into()));
        let as_it_is = |text: &str| assert_eq!(what(text), What::Torrent(text.into()), "{text}");
        as_it_is("file://elsewhere/x.torrent");
        as_it_is("file:///%zz.torrent");
        as_it_is("/a%20b.torrent");
    }

    #[test]
    fn digits_after_the_last_at_choose_between_contents_of_one_name() {
        let check = |text: &str, name: &str, hash_prefix: &str| {
            let expected = What::Name { name: name.into(), hash_prefix: hash_prefix.into() };
            assert_eq!(what(text), expected, "{text}");
        };
        check("big.zip", "big.zip", "");
        check("big.zip@3FA2", "big.zip", "3fa2");
        check("a@b@3fa2c", "a@b", "3fa2c");
        check("me@home", "me@home", "");
        check("big.zip@3fa", "big.zip@3fa", "");
        check("@3fa2", "@3fa2", "");
    }
}
