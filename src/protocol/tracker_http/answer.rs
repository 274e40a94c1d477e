//! The answer of an HTTP tracker: a bencoded dictionary.

use crate::ids::{InfoHashV1, PeerId};
use crate::metainfo::bencode::{self, BencodeError, Document, Encoder, MESSAGE, Value};
use crate::protocol::announce::{Family, Figures, is_dialable, put_compact_of, read_compact};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A body that holds no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The tracker says why there is none.
    #[error("the tracker refuses: {0}")]
    Failure(String),
    /// No bencode.
    #[error("the tracker's answer cannot be read: {0}")]
    Bencode(#[from] BencodeError),
    /// Something else.
    #[error("the tracker's answer is not a dictionary")]
    NotADictionary,
}

/// A peer in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpPeer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its id, which compact peers do not have.
    pub id: Option<PeerId>,
}

/// The answer to an announce. What a tracker leaves out is 0 or nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnnounceAnswer {
    /// Seconds until the next announce, as the tracker says: anything a number can be.
    pub interval: i64,
    /// Seconds that must lie between two announces, likewise.
    pub min_interval: Option<i64>,
    /// To be repeated in later announces.
    pub tracker_id: Option<Vec<u8>>,
    /// Peers that have everything (`complete`).
    pub seeders: Option<u32>,
    /// Peers that do not (`incomplete`).
    pub leechers: Option<u32>,
    /// How often a peer completed the torrent (`downloaded`).
    pub completed: Option<u32>,
    /// Peers to dial, of both families.
    pub peers: Vec<HttpPeer>,
    /// The asker's address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// A sentence for people; the answer holds all the same.
    pub warning: Option<String>,
}

/// How peers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeersAs {
    /// As strings, one of each family (BEP 23, BEP 7).
    Compact,
    /// As dictionaries of ip, port and the id where it is known.
    Dictionaries,
    /// As dictionaries of ip and port.
    DictionariesWithoutIds,
}

impl AnnounceAnswer {
    /// The body.
    pub fn encode(&self, peers_as: PeersAs) -> Vec<u8> {
        self.encode_with(|out| match peers_as {
            PeersAs::Compact => self.put_strings(out),
            PeersAs::Dictionaries => self.put_dictionaries(out, true),
            PeersAs::DictionariesWithoutIds => self.put_dictionaries(out, false),
        })
    }

    /// The body with these peers, compact and all of one family, in place of its own.
    pub fn encode_compact(&self, family: Family, peers: &[u8]) -> Vec<u8> {
        self.encode_with(|out| match family {
            Family::V4 => put_both(out, peers, &[]),
            Family::V6 => put_both(out, &[], peers),
        })
    }

    fn encode_with(&self, put_peers: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let mut out = Encoder::new();
        out.dict();
        put_count(&mut out, "complete", self.seeders);
        put_count(&mut out, "downloaded", self.completed);
        if let Some(ip) = self.external_ip {
            out.text("external ip");
            match ip {
                IpAddr::V4(ip) => out.bytes(&ip.octets()),
                IpAddr::V6(ip) => out.bytes(&ip.octets()),
            };
        }
        put_count(&mut out, "incomplete", self.leechers);
        out.text("interval").int(self.interval);
        if let Some(seconds) = self.min_interval {
            out.text("min interval").int(seconds);
        }
        put_peers(&mut out);
        if let Some(id) = &self.tracker_id {
            out.text("tracker id").bytes(id);
        }
        if let Some(text) = &self.warning {
            out.text("warning message").text(text);
        }
        out.end();
        out.finish()
    }

    fn put_strings(&self, out: &mut Encoder) {
        let peers: Vec<SocketAddr> = self.peers.iter().map(|peer| peer.addr).collect();
        let (mut v4, mut v6) = (Vec::with_capacity(6 * peers.len()), Vec::new());
        put_compact_of(&mut v4, Family::V4, &peers);
        put_compact_of(&mut v6, Family::V6, &peers);
        put_both(out, &v4, &v6);
    }

    fn put_dictionaries(&self, out: &mut Encoder, with_ids: bool) {
        out.text("peers").list();
        for peer in &self.peers {
            out.dict().text("ip").text(&peer.addr.ip().to_string());
            if let Some(id) = peer.id.filter(|_| with_ids) {
                out.text("peer id").bytes(&id.0);
            }
            out.text("port").int(peer.addr.port().into()).end();
        }
        out.end();
    }
}

/// Compact peers of both families.
fn put_both(out: &mut Encoder, v4: &[u8], v6: &[u8]) {
    out.text("peers").bytes(v4);
    if !v6.is_empty() {
        out.text("peers6").bytes(v6);
    }
}

/// The body of a refusal: an answer of HTTP 200 all the same (BEP 3).
pub fn failure(reason: &str) -> Vec<u8> {
    let mut out = Encoder::new();
    out.dict().text("failure reason").text(reason).end();
    out.finish()
}

/// Reads the answer to an announce. Peers that nobody can dial (port 0, a host name) are left
/// out, and a field of another type is as good as missing.
pub fn read_announce_answer(body: &[u8]) -> Result<AnnounceAnswer, BadAnswer> {
    let document = bencode::parse(body.trim_ascii_end(), MESSAGE)?;
    let root = dictionary(&document)?;
    let int = |key: &str| root.get(key.as_bytes()).and_then(|value| value.as_int());
    let bytes = |key: &str| root.get(key.as_bytes()).and_then(|value| value.as_bytes());
    let mut peers = root.get(b"peers").map(|peers| read_peers(&peers)).unwrap_or_default();
    let six = read_compact(Family::V6, bytes("peers6").unwrap_or_default());
    peers.extend(six.into_iter().map(|addr| HttpPeer { addr, id: None }));
    Ok(AnnounceAnswer {
        interval: int("interval").unwrap_or(0),
        min_interval: int("min interval"),
        tracker_id: bytes("tracker id").map(<[u8]>::to_vec),
        seeders: int("complete").map(count),
        leechers: int("incomplete").map(count),
        completed: int("downloaded").map(count),
        peers,
        external_ip: bytes("external ip").and_then(read_ip),
        warning: bytes("warning message").map(text),
    })
}

/// How long a refusal asks to be left alone (BEP 31): `retry in` is minutes, or `never`, which is
/// the longest time there is.
pub fn read_retry_in(body: &[u8]) -> Option<Duration> {
    let document = bencode::parse(body.trim_ascii_end(), MESSAGE).ok()?;
    let retry = document.root().get(b"retry in")?;
    if retry.as_bytes() == Some(b"never") {
        return Some(Duration::MAX);
    }
    let written = retry.as_bytes().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let minutes: i64 = retry.as_int().or(written)?;
    (minutes > 0).then(|| Duration::from_secs(60_u64.saturating_mul(minutes.unsigned_abs())))
}

/// The answer to a scrape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScrapeAnswer {
    /// Torrents and their figures; those that the tracker does not know are missing.
    pub files: Vec<(InfoHashV1, Figures)>,
    /// Seconds that must lie between two scrapes.
    pub min_request_interval: Option<i64>,
}

impl ScrapeAnswer {
    /// The body. A torrent that is there twice is written once.
    pub fn encode(&self) -> Vec<u8> {
        let mut files = self.files.clone();
        files.sort_unstable_by_key(|(hash, _)| *hash);
        files.dedup_by_key(|(hash, _)| *hash);
        let mut out = Encoder::new();
        out.dict().text("files").dict();
        for (hash, figures) in &files {
            out.bytes(&hash.0).dict();
            put_count(&mut out, "complete", Some(figures.seeders));
            put_count(&mut out, "downloaded", Some(figures.completed));
            put_count(&mut out, "incomplete", Some(figures.leechers));
            out.end();
        }
        out.end();
        if let Some(seconds) = self.min_request_interval {
            out.text("flags").dict().text("min_request_interval").int(seconds).end();
        }
        out.end();
        out.finish()
    }
}

/// Reads the answer to a scrape; a key that is no info-hash is ignored.
pub fn read_scrape_answer(body: &[u8]) -> Result<ScrapeAnswer, BadAnswer> {
    let document = bencode::parse(body.trim_ascii_end(), MESSAGE)?;
    let root = dictionary(&document)?;
    let files = root.get(b"files").and_then(|files| files.entries()).into_iter().flatten();
    let figures = files.filter_map(|(key, file)| {
        let number = |key: &[u8]| file.get(key).and_then(|value| value.as_int()).map_or(0, count);
        let figures = Figures {
            seeders: number(b"complete"),
            completed: number(b"downloaded"),
            leechers: number(b"incomplete"),
        };
        Some((InfoHashV1(key.try_into().ok()?), figures))
    });
    let flags = root.get(b"flags");
    let pause = flags.and_then(|flags| flags.get(b"min_request_interval"));
    Ok(ScrapeAnswer {
        files: figures.collect(),
        min_request_interval: pause.and_then(|pause| pause.as_int()),
    })
}

/// The outermost dictionary, unless it is a refusal.
fn dictionary<'a>(document: &'a Document<'_>) -> Result<Value<'a>, BadAnswer> {
    let root = Some(document.root()).filter(Value::is_dict).ok_or(BadAnswer::NotADictionary)?;
    match root.get(b"failure reason").and_then(|reason| reason.as_bytes()) {
        Some(reason) => Err(BadAnswer::Failure(text(reason))),
        None => Ok(root),
    }
}

fn read_peers(peers: &Value<'_>) -> Vec<HttpPeer> {
    if let Some(compact) = peers.as_bytes() {
        let peers = read_compact(Family::V4, compact).into_iter();
        return peers.map(|addr| HttpPeer { addr, id: None }).collect();
    }
    peers.items().into_iter().flatten().filter_map(|peer| read_peer(&peer)).collect()
}

fn read_peer(peer: &Value<'_>) -> Option<HttpPeer> {
    let ip: IpAddr = std::str::from_utf8(peer.get(b"ip")?.as_bytes()?).ok()?.parse().ok()?;
    let port = u16::try_from(peer.get(b"port")?.as_int()?).ok()?;
    let id = peer.get(b"peer id").and_then(|id| id.as_bytes()?.try_into().ok()).map(PeerId);
    let addr = SocketAddr::new(ip.to_canonical(), port);
    is_dialable(&addr).then_some(HttpPeer { addr, id })
}

fn read_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

fn put_count(out: &mut Encoder, key: &str, count: Option<u32>) {
    if let Some(count) = count {
        out.text(key).int(count.into());
    }
}

fn count(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
