//! Magnet links: a torrent by its hash (BEP 9, BEP 52, BEP 53).
//!
//! ```text
//! magnet:?xt=urn:btih:<SHA-1>&xt=urn:btmh:1220<SHA-256>&dn=<name>&tr=<url>&x.nt=<host:port>
//!        &x.pe=<host:port>&ws=<url>&xl=<bytes>&so=0,2,4-6
//! ```
//! `x.nt` names trackers of the native dialect; other clients pass over it, as we pass over what
//! we do not know. Nothing here does I/O.

use super::Metainfo;
use crate::ids::{InfoHashV1, InfoHashV2};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The longest link that is looked at, in bytes.
const MAX_LINK: usize = 64 * 1024;

/// A multihash of 32 bytes of SHA-256 begins so.
const MULTIHASH_SHA256: &str = "1220";

/// What a magnet link says. At least one of the hashes is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Magnet {
    /// `xt=urn:btih:`
    pub info_hash_v1: Option<InfoHashV1>,
    /// `xt=urn:btmh:`
    pub info_hash_v2: Option<InfoHashV2>,
    /// `dn`: what to call it until the metadata is there. A stranger's word.
    pub name: Option<String>,
    /// `tr`: tracker URLs.
    pub trackers: Vec<String>,
    /// `x.nt`: `host:port` of trackers that speak the native dialect.
    pub native_trackers: Vec<String>,
    /// `x.pe`: `host:port` of peers.
    pub peers: Vec<String>,
    /// `ws`: web seeds.
    pub web_seeds: Vec<String>,
    /// `xl`: bytes of content. A stranger's word.
    pub length: Option<u64>,
    /// `so`: the files that are wanted, from 0; none means all.
    pub select_only: Vec<RangeInclusive<u32>>,
}

/// A link that is no magnet of a torrent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MagnetError {
    /// Something else.
    #[error("not a magnet link: `{0}`")]
    NotAMagnet(String),
    /// Beyond what is looked at.
    #[error("the magnet link is longer than {MAX_LINK} bytes")]
    TooLong,
    /// No `xt` that we know.
    #[error("the magnet link has no info-hash (`xt=urn:btih:` or `xt=urn:btmh:1220`)")]
    NoHash,
    /// An `xt` that we know, with something else behind it.
    #[error("not an info-hash: `{0}`")]
    BadHash(String),
    /// Two different hashes of one version.
    #[error("the magnet link has two different info-hashes")]
    TwoHashes,
    /// A percent sign without two hexadecimal digits, or an address that is no UTF-8.
    #[error("`{0}` is not percent-encoded text")]
    BadEncoding(String),
    /// An address without a host or a port.
    #[error("`{key}` is not host:port: `{value}`")]
    BadAddress {
        /// The parameter.
        key: &'static str,
        /// What it says.
        value: String,
    },
    /// `so` that is no list of numbers and ranges.
    #[error("`so` is not a list of files such as 0,2,4-6: `{0}`")]
    BadSelection(String),
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(link: &str) -> Result<Self, MagnetError> {
        if link.len() > MAX_LINK {
            return Err(MagnetError::TooLong);
        }
        let link = link.trim();
        let query = link
            .split_at_checked(8)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("magnet:?"))
            .ok_or_else(|| MagnetError::NotAMagnet(link.chars().take(60).collect()))?
            .1;
        let mut magnet = Self::default();
        for pair in query.split('&') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            magnet.take(unnumbered(key), value)?;
        }
        match (magnet.info_hash_v1, magnet.info_hash_v2) {
            (None, None) => Err(MagnetError::NoHash),
            _ => Ok(magnet),
        }
    }
}

/// `tr.1` means `tr`: the old way to say a thing several times.
fn unnumbered(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, number)) if number.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => key,
    }
}

impl Magnet {
    fn take(&mut self, key: &str, value: &str) -> Result<(), MagnetError> {
        match key {
            "xt" => self.take_hash(&decoded(value)?)?,
            "dn" => self.name = Some(decoded_name(value)?),
            "tr" => push_new(&mut self.trackers, decoded(value)?),
            "ws" => push_new(&mut self.web_seeds, decoded(value)?),
            "x.nt" => push_new(&mut self.native_trackers, address("x.nt", decoded(value)?)?),
            "x.pe" => push_new(&mut self.peers, address("x.pe", decoded(value)?)?),
            "xl" => self.length = value.parse().ok(),
            "so" => self.select_only = selection(&decoded(value)?)?,
            _ => {}
        }
        Ok(())
    }

    fn take_hash(&mut self, topic: &str) -> Result<(), MagnetError> {
        let bad = || MagnetError::BadHash(topic.to_owned());
        if let Some(text) = topic.strip_prefix("urn:btih:") {
            let hash = text.parse().ok().or_else(|| base32(text).map(InfoHashV1));
            once(&mut self.info_hash_v1, hash.ok_or_else(bad)?)
        } else if let Some(text) = topic.strip_prefix("urn:btmh:") {
            let hash = text.strip_prefix(MULTIHASH_SHA256).and_then(|hex| hex.parse().ok());
            once(&mut self.info_hash_v2, hash.ok_or_else(bad)?)
        } else {
            Ok(())
        }
    }
}

fn once<T: PartialEq + Copy>(place: &mut Option<T>, hash: T) -> Result<(), MagnetError> {
    match place.replace(hash) {
        Some(other) if other != hash => Err(MagnetError::TwoHashes),
        _ => Ok(()),
    }
}

fn push_new(list: &mut Vec<String>, text: String) {
    if !text.is_empty() && !list.contains(&text) {
        list.push(text);
    }
}

/// Twenty bytes in 32 letters and digits (RFC 4648), as old links have it.
fn base32(text: &str) -> Option<[u8; 20]> {
    let mut out = [0; 20];
    let (mut bits, mut held, mut at) = (0_u32, 0, 0);
    if text.len() != 32 {
        return None;
    }
    for c in text.bytes() {
        let value = match c.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5 | u32::from(value)) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            out[at] = (bits >> held) as u8;
            at += 1;
        }
    }
    Some(out)
}

fn address(key: &'static str, value: String) -> Result<String, MagnetError> {
    let is_good = value.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let host_is_good = !host.is_empty() && (bracketed || !host.contains(':'));
        host_is_good && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if is_good { Ok(value) } else { Err(MagnetError::BadAddress { key, value }) }
}

/// `0,2,4-6` (BEP 53).
fn selection(text: &str) -> Result<Vec<RangeInclusive<u32>>, MagnetError> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse().ok()?..=last.parse().ok()?;
        (!range.is_empty()).then_some(range)
    };
    let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
    ranges.ok_or_else(|| MagnetError::BadSelection(text.to_owned()))
}

fn decoded(text: &str) -> Result<String, MagnetError> {
    let bad = |_| MagnetError::BadEncoding(text.to_owned());
    String::from_utf8(unescaped(text)?).map_err(bad)
}

/// A name that is only shown: `+` is a blank, and what is no UTF-8 becomes U+FFFD.
fn decoded_name(text: &str) -> Result<String, MagnetError> {
    let bytes = unescaped(&text.replace('+', " "))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unescaped(text: &str) -> Result<Vec<u8>, MagnetError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
            let byte = digits.and_then(crate::ids::unhex);
            bytes.extend(byte.ok_or_else(|| MagnetError::BadEncoding(text.to_owned()))?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Ok(bytes)
}

/// Text with everything but letters, digits and `-._~` percent-encoded (RFC 3986), as well as
/// the characters in `kept`.
struct Encoded<'a> {
    text: &'a str,
    kept: &'a [u8],
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.text.as_bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || self.kept.contains(&byte)
            {
                write!(f, "{}", byte as char)?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v1 = self.info_hash_v1.map(|hash| format!("xt=urn:btih:{hash}"));
        let v2 = self.info_hash_v2.map(|hash| format!("xt=urn:btmh:{MULTIHASH_SHA256}{hash}"));
        let hashes: Vec<String> = v1.into_iter().chain(v2).collect();
        write!(f, "magnet:?{}", hashes.join("&"))?;
        let name = self.name.as_slice();
        let lists: [(&str, &[String], &[u8]); 5] = [
            ("dn", name, b""),
            ("tr", &self.trackers, b""),
            ("x.nt", &self.native_trackers, b":[]"),
            ("x.pe", &self.peers, b":[]"),
            ("ws", &self.web_seeds, b""),
        ];
        for (key, list, kept) in lists {
            for text in list {
                write!(f, "&{key}={}", Encoded { text, kept })?;
            }
        }
        if let Some(length) = self.length {
            write!(f, "&xl={length}")?;
        }
        for (i, range) in self.select_only.iter().enumerate() {
            f.write_str(if i == 0 { "&so=" } else { "," })?;
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{first}")?,
                (first, last) => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl Metainfo {
    /// The link that leads to this torrent.
    pub fn magnet(&self) -> Magnet {
        Magnet {
            info_hash_v1: self.info_hash_v1,
            info_hash_v2: self.info_hash_v2,
            name: Some(self.name.clone()),
            trackers: self.trackers.concat(),
            native_trackers: self.native_trackers.clone(),
            web_seeds: self.web_seeds.clone(),
            length: Some(self.total_size()),
            ..Magnet::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "c0fda1edafdbdbb96443424e0b3899af7159d10e";
    const V2: &str = "33549c6b0b7f0ce30f0cdc253ee05ccea3c67caa1560fa3c9bcc40c1837b5576";

    fn magnet(link: &str) -> Result<Magnet, MagnetError> {
        link.parse()
    }

    #[test]
    fn a_link_says_what_it_was_told_and_is_read_back() {
        let told = Magnet {
            info_hash_v1: V1.parse().ok(),
            info_hash_v2: V2.parse().ok(),
            name: Some("a b&c=ü.zip".into()),
            trackers: vec!["http://t/announce?k=v&w".into(), "udp://u:1".into()],
            native_trackers: vec!["127.0.0.1:6969".into()],
            peers: vec!["[::1]:6881".into()],
            web_seeds: vec!["http://w/".into()],
            length: Some(1234),
            select_only: vec![0..=0, 2..=2, 4..=6],
        };
        let link = told.to_string();
        let expected = format!(
            "magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}&dn=a%20b%26c%3D%C3%BC.zip\
             &tr=http%3A%2F%2Ft%2Fannounce%3Fk%3Dv%26w&tr=udp%3A%2F%2Fu%3A1\
             &x.nt=127.0.0.1:6969&x.pe=[::1]:6881&ws=http%3A%2F%2Fw%2F&xl=1234&so=0,2,4-6"
        );
        assert_eq!(link, expected);
        assert_eq!(magnet(&link), Ok(told));
    }

    #[test]
    fn old_spellings_are_understood() {
        let base32 = "YD62D3NP3PN3SZCDIJHAWOEZV5YVTUIO";
        let link = format!("MAGNET:?xt.1=urn:btih:{base32}&tr.1=x&tr.2=y&unknown=%&flag&dn=%ffb+c");
        let read = magnet(&link).unwrap();
        assert_eq!(read.info_hash_v1, V1.parse().ok());
        assert_eq!(read.name.as_deref(), Some("\u{fffd}b c"));
        assert_eq!(read.trackers, ["x", "y"]);
    }

    #[test]
    fn what_is_wrong_with_a_link_is_named() {
        let with = |rest: &str| format!("magnet:?xt=urn:btih:{V1}&{rest}");
        let address = |key, value: &str| MagnetError::BadAddress { key, value: value.into() };
        let cases = [
            ("http://x".into(), MagnetError::NotAMagnet("http://x".into())),
            ("magnet:?".into(), MagnetError::NoHash),
            ("magnet:?xt=urn:sha1:abc".into(), MagnetError::NoHash),
            ("magnet:?xt=urn:btih:12".into(), MagnetError::BadHash("urn:btih:12".into())),
            ("magnet:?xt=urn:btmh:1120ab".into(), MagnetError::BadHash("urn:btmh:1120ab".into())),
            (with(&format!("xt=urn:btih:{}", "0".repeat(40))), MagnetError::TwoHashes),
            (with("dn=%f"), MagnetError::BadEncoding("%f".into())),
            (with("tr=%ff"), MagnetError::BadEncoding("%ff".into())),
            (with("dn=%é"), MagnetError::BadEncoding("%é".into())),
            (with("x.pe=host"), address("x.pe", "host")),
            (with("x.pe=::1:5"), address("x.pe", "::1:5")),
            (with("x.nt=h:0"), address("x.nt", "h:0")),
            (with("so=5-3"), MagnetError::BadSelection("5-3".into())),
            (with("so=a"), MagnetError::BadSelection("a".into())),
            ("x".repeat(MAX_LINK + 1), MagnetError::TooLong),
        ];
        for (link, expected) in cases {
            assert_eq!(magnet(&link), Err(expected), "{}", &link[..link.len().min(99)]);
        }
    }
}
