//! The question to an HTTP tracker: what stands behind the `?` of its URL, percent-encoded.

use crate::ids::{InfoHashV1, PeerId, unhex};
use crate::protocol::announce::{Announce, Event};
use std::borrow::Cow;
use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A query that cannot be answered; the sentence is meant for a `failure reason`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// A parameter that must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// An info-hash of another length.
    #[error("`info_hash` has {0} bytes where 20, or 40 hexadecimal digits, were expected")]
    InfoHash(usize),
    /// A peer id that is too long.
    #[error("`peer_id` has {0} bytes where at most 20 were expected")]
    PeerId(usize),
    /// Not a port.
    #[error("`port` is not a number from 0 to 65535")]
    Port,
}

/// An announce over HTTP: the report, and how the peer wants its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// The report.
    pub announce: Announce,
    /// Whether peers are wanted as a string (BEP 23); none leaves it to the tracker.
    pub compact: Option<bool>,
    /// Whether peers in dictionaries need no ids.
    pub no_peer_id: bool,
    /// The peer's IPv6 address, when it asks over IPv4 (BEP 7); trackers may ignore it.
    pub ipv6: Option<Ipv6Addr>,
    /// What the tracker called itself in an earlier answer.
    pub tracker_id: Option<Vec<u8>>,
    /// Whether the peer can talk encrypted.
    pub supports_crypto: bool,
}

impl AnnounceQuery {
    /// The usual question: compact peers, nothing special.
    pub fn new(announce: Announce) -> Self {
        Self {
            announce,
            compact: Some(true),
            no_peer_id: true,
            ipv6: None,
            tracker_id: None,
            supports_crypto: false,
        }
    }

    /// Reads a query string, without its `?`.
    ///
    /// 40 hexadecimal digits are taken for the 20 bytes they spell, and a peer id that is too
    /// short is filled up with zeros, as learners' clients need it. Of a parameter that stands
    /// there twice the first counts, unknown ones are ignored, and a number that cannot be read
    /// has its default.
    pub fn read(query: &[u8]) -> Result<Self, BadQuery> {
        let mut given = Given::default();
        for (key, value) in pairs(query) {
            given.take(&key, value);
        }
        let port = given.port.ok_or(BadQuery::Missing("port"))?;
        let port =
            decimal(&port).and_then(|port| u16::try_from(port).ok()).ok_or(BadQuery::Port)?;
        let number = |value: Option<Cow<'_, [u8]>>| value.and_then(|value| decimal(&value));
        let flag = |value: Option<Cow<'_, [u8]>>| value.map(|value| !matches!(&*value, b"0" | b""));
        let announce = Announce {
            uploaded: number(given.uploaded).unwrap_or(0),
            downloaded: number(given.downloaded).unwrap_or(0),
            left: number(given.left).unwrap_or(Announce::UNKNOWN_LEFT),
            event: given.event.map_or(Event::None, |word| Event::from_word(&word)),
            numwant: number(given.numwant).map(|wanted| u32::try_from(wanted).unwrap_or(u32::MAX)),
            key: given.key.map_or(0, |key| key_number(&key)),
            ip: given.ip.and_then(|ip| address(&ip)),
            ..Announce::new(
                info_hash(&given.info_hash.ok_or(BadQuery::Missing("info_hash"))?)?,
                padded_peer_id(&given.peer_id.ok_or(BadQuery::Missing("peer_id"))?)?,
                port,
            )
        };
        Ok(Self {
            announce,
            compact: flag(given.compact),
            no_peer_id: flag(given.no_peer_id).unwrap_or(false),
            ipv6: given.ipv6.and_then(|ip| match address(&ip) {
                Some(IpAddr::V6(ip)) => Some(ip),
                _ => None,
            }),
            tracker_id: given.tracker_id.map(Cow::into_owned),
            supports_crypto: flag(given.supports_crypto).unwrap_or(false),
        })
    }

    /// The query string, without `?`; it may follow one that the tracker's URL has already,
    /// after a `&`.
    pub fn query(&self) -> String {
        let Announce { info_hash, peer_id, port, uploaded, downloaded, left, event, .. } =
            self.announce;
        let mut out = String::with_capacity(320);
        put(&mut out, "info_hash", &info_hash.0);
        put(&mut out, "peer_id", &peer_id.0);
        put(&mut out, "port", port.to_string().as_bytes());
        put(&mut out, "uploaded", uploaded.to_string().as_bytes());
        put(&mut out, "downloaded", downloaded.to_string().as_bytes());
        // Many trackers read this as a signed number.
        put(&mut out, "left", left.min(i64::MAX as u64).to_string().as_bytes());
        put(&mut out, "key", format!("{:08x}", self.announce.key).as_bytes());
        if let Some(word) = event.word() {
            put(&mut out, "event", word.as_bytes());
        }
        if let Some(wanted) = self.announce.numwant {
            put(&mut out, "numwant", wanted.to_string().as_bytes());
        }
        if let Some(compact) = self.compact {
            put(&mut out, "compact", if compact { b"1" } else { b"0" });
        }
        if self.no_peer_id {
            put(&mut out, "no_peer_id", b"1");
        }
        if let Some(ip) = self.announce.ip {
            put(&mut out, "ip", ip.to_string().as_bytes());
        }
        if let Some(ip) = self.ipv6 {
            put(&mut out, "ipv6", ip.to_string().as_bytes());
        }
        if let Some(id) = &self.tracker_id {
            put(&mut out, "trackerid", id);
        }
        if self.supports_crypto {
            put(&mut out, "supportcrypto", b"1");
        }
        out
    }
}

/// The values of an announce's parameters, as they came.
#[derive(Default)]
struct Given<'a> {
    info_hash: Option<Cow<'a, [u8]>>,
    peer_id: Option<Cow<'a, [u8]>>,
    port: Option<Cow<'a, [u8]>>,
    uploaded: Option<Cow<'a, [u8]>>,
    downloaded: Option<Cow<'a, [u8]>>,
    left: Option<Cow<'a, [u8]>>,
    event: Option<Cow<'a, [u8]>>,
    numwant: Option<Cow<'a, [u8]>>,
    key: Option<Cow<'a, [u8]>>,
    ip: Option<Cow<'a, [u8]>>,
    ipv6: Option<Cow<'a, [u8]>>,
    compact: Option<Cow<'a, [u8]>>,
    no_peer_id: Option<Cow<'a, [u8]>>,
    tracker_id: Option<Cow<'a, [u8]>>,
    supports_crypto: Option<Cow<'a, [u8]>>,
}

impl<'a> Given<'a> {
    fn take(&mut self, key: &[u8], value: &'a [u8]) {
        let place = match key {
            b"info_hash" => &mut self.info_hash,
            b"peer_id" => &mut self.peer_id,
            b"port" => &mut self.port,
            b"uploaded" => &mut self.uploaded,
            b"downloaded" => &mut self.downloaded,
            b"left" => &mut self.left,
            b"event" => &mut self.event,
            b"numwant" => &mut self.numwant,
            b"key" => &mut self.key,
            b"ip" => &mut self.ip,
            b"ipv6" => &mut self.ipv6,
            b"compact" => &mut self.compact,
            b"no_peer_id" => &mut self.no_peer_id,
            b"trackerid" => &mut self.tracker_id,
            b"supportcrypto" => &mut self.supports_crypto,
            _ => return,
        };
        place.get_or_insert_with(|| decoded(value));
    }
}

/// The first value of a parameter of any query string, decoded.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let (_, value) = pairs(query.as_bytes()).find(|(key, _)| **key == *name.as_bytes())?;
    match decoded(value) {
        Cow::Borrowed(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
    }
}

/// The torrents that a scrape's query asks for, in its order; one at least.
pub fn read_scrape_query(query: &[u8]) -> Result<Vec<InfoHashV1>, BadQuery> {
    let named = pairs(query).filter(|(key, _)| **key == *b"info_hash");
    let hashes = named.map(|(_, hash)| info_hash(&decoded(hash))).collect::<Result<Vec<_>, _>>()?;
    if hashes.is_empty() { Err(BadQuery::Missing("info_hash")) } else { Ok(hashes) }
}

/// A scrape's query string, without `?`.
pub fn scrape_query(hashes: &[InfoHashV1]) -> String {
    let mut out = String::with_capacity(72 * hashes.len());
    for hash in hashes {
        put(&mut out, "info_hash", &hash.0);
    }
    out
}

/// Where a tracker that announces at this URL is scraped: the last part of its path must begin
/// with `announce`, which `scrape` replaces (BEP 48). Other trackers cannot be scraped.
pub fn scrape_url(announce_url: &str) -> Option<String> {
    let path_ends = announce_url.find(['?', '#']).unwrap_or(announce_url.len());
    let last = announce_url[..path_ends].rfind('/')? + 1;
    let rest = announce_url[last..].strip_prefix("announce")?;
    Some(format!("{}scrape{rest}", &announce_url[..last]))
}

/// The parameters, decoded, and their values, which are not, in order.
fn pairs(query: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, &[u8])> {
    query.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
        (decoded(&pair[..equals]), pair.get(equals + 1..).unwrap_or_default())
    })
}

/// `%41` is A, `+` a space; a `%` before anything else stands for itself.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| b"%+".contains(byte)) {
        return text.into();
    }
    let digit = |byte: u8| (byte as char).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let hex = match after {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        rest = if let Some((high, low)) = hex {
            out.push((high * 16 + low) as u8);
            &after[2..]
        } else {
            out.push(if *first == b'+' { b' ' } else { *first });
            after
        };
    }
    out.into()
}

/// Appends `&name=value`, where everything but unreserved characters (RFC 3986, 2.3) is encoded.
fn put(out: &mut String, name: &str, value: &[u8]) {
    if !out.is_empty() {
        out.push('&');
    }
    out.push_str(name);
    out.push('=');
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02X}").expect("a String takes all");
        }
    }
}

fn info_hash(value: &[u8]) -> Result<InfoHashV1, BadQuery> {
    let spelt = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    let raw = value.try_into().ok().map(InfoHashV1);
    raw.or(spelt).ok_or(BadQuery::InfoHash(value.len()))
}

fn padded_peer_id(value: &[u8]) -> Result<PeerId, BadQuery> {
    let spelt = std::str::from_utf8(value).ok().filter(|text| text.len() == 40).and_then(unhex);
    let value = spelt.as_deref().unwrap_or(value);
    let mut id = [0; 20];
    id.get_mut(..value.len()).ok_or(BadQuery::PeerId(value.len()))?.copy_from_slice(value);
    Ok(PeerId(id))
}

fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// Keys are mostly eight hexadecimal digits; of any other text the first bytes are taken.
fn key_number(value: &[u8]) -> u32 {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= 8);
    let number = text.and_then(|text| u32::from_str_radix(text, 16).ok());
    number.unwrap_or_else(|| value.iter().take(4).fold(0, |key, &byte| key << 8 | u32::from(byte)))
}

/// An address, with or without a port (BEP 7 allows both).
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse().ok().map(|addr: SocketAddr| addr.ip()))
}
