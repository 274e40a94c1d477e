//! Datagrams between a peer and a BitTorrent tracker (BEP 15, BEP 41).
//!
//! ```text
//! connect   magic:u64 = 0x41727101980    action:u32 = 0  transaction:u32
//!           action:u32 = 0  transaction:u32  connection:u64
//! announce  connection:u64  action:u32 = 1  transaction:u32  hash:20  id:20  downloaded:u64
//!           left:u64  uploaded:u64  event:u32  ip:u32  key:u32  wanted:i32  port:u16  options
//!           action:u32 = 1  transaction:u32  interval:u32  leechers:u32  seeders:u32  peers
//! scrape    connection:u64  action:u32 = 2  transaction:u32  hash:20 ..
//!           action:u32 = 2  transaction:u32  (seeders:u32 completed:u32 leechers:u32) ..
//! error     action:u32 = 3  transaction:u32  text
//! ```
//! All numbers are big endian. Peers are compact, of the family of the socket that the datagrams
//! travel by. A question is a [`Request`], an answer an [`Answer`]; both are read and written
//! here. Nothing is retried here and no clock is read.

use super::announce::{Announce, Event, Family, Figures, put_compact_of, read_compact};
use crate::ids::{InfoHashV1, PeerId};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What stands in place of a connection id in a connect.
pub const CONNECT_MAGIC: u64 = 0x0417_2710_1980;

/// The most torrents in one scrape (BEP 15).
pub const MAX_SCRAPE: usize = 74;

/// The longest answer that is worth writing: a datagram of one packet on any usual path.
pub const MAX_ANSWER: usize = 1400;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// Bytes of an announce without its options.
const ANNOUNCE_LENGTH: usize = 98;

const END_OF_OPTIONS: u8 = 0;
const NOP: u8 = 1;
const URL_DATA: u8 = 2;

/// A datagram that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDatagram {
    /// Too short for what it says it is.
    #[error("{0} bytes are too few")]
    Short(usize),
    /// An action that nobody has defined.
    #[error("unknown action {0}")]
    Action(u32),
    /// A connect without [`CONNECT_MAGIC`].
    #[error("a connect without its magic")]
    Magic,
    /// A scrape of no torrent, of more than [`MAX_SCRAPE`], or of half a hash.
    #[error("a scrape names 1 to {MAX_SCRAPE} torrents by 20 bytes each")]
    Scrape,
}

/// What every request begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// From the answer to a connect; [`CONNECT_MAGIC`] in a connect.
    pub connection_id: u64,
    /// The asker's number, repeated in the answer.
    pub transaction_id: u32,
}

/// A question to a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Asks for a connection id: proof of the asker's address.
    Connect,
    /// A peer's report, and its question for peers.
    Announce {
        /// The report.
        announce: Announce,
        /// Path and query of the tracker's URL (BEP 41), or nothing.
        url_data: Vec<u8>,
    },
    /// Asks for torrents' figures: 1 to [`MAX_SCRAPE`] of them.
    Scrape(Vec<InfoHashV1>),
}

impl Request {
    /// Appends the datagram; the connection id of a connect is written as it must be.
    pub fn put(&self, head: Head, out: &mut Vec<u8>) {
        let (connection_id, action) = match self {
            Self::Connect => (CONNECT_MAGIC, CONNECT),
            Self::Announce { .. } => (head.connection_id, ANNOUNCE),
            Self::Scrape(_) => (head.connection_id, SCRAPE),
        };
        out.extend(connection_id.to_be_bytes());
        out.extend(action.to_be_bytes());
        out.extend(head.transaction_id.to_be_bytes());
        match self {
            Self::Connect => {}
            Self::Announce { announce, url_data } => {
                put_announce(out, announce);
                put_url_data(out, url_data);
            }
            Self::Scrape(hashes) => out.extend(hashes.iter().flat_map(|hash| hash.0)),
        }
    }

    /// Reads a datagram. Bytes after a connect are ignored, options that are cut off too.
    pub fn read(bytes: &[u8]) -> Result<(Head, Self), BadDatagram> {
        let (head, question) = Question::read(bytes)?;
        let request = match question {
            Question::Connect => Self::Connect,
            Question::Announce(announce) => {
                Self::Announce { announce, url_data: read_url_data(&bytes[ANNOUNCE_LENGTH..]) }
            }
            Question::Scrape(hashes) => {
                Self::Scrape(hashes.iter().map(|h| InfoHashV1(*h)).collect())
            }
        };
        Ok((head, request))
    }
}

/// A [`Request`] as it stands in its datagram: reading one takes no memory. The options of an
/// announce are not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question<'a> {
    /// Asks for a connection id.
    Connect,
    /// A peer's report, and its question for peers.
    Announce(Announce),
    /// Asks for the figures of these torrents.
    Scrape(&'a [[u8; 20]]),
}

impl<'a> Question<'a> {
    /// Reads a datagram.
    pub fn read(bytes: &'a [u8]) -> Result<(Head, Self), BadDatagram> {
        let mut rest = Bytes { all: bytes, at: 0 };
        let connection_id = rest.u64()?;
        let action = rest.u32()?;
        let head = Head { connection_id, transaction_id: rest.u32()? };
        let question = match action {
            CONNECT if connection_id == CONNECT_MAGIC => Self::Connect,
            CONNECT => return Err(BadDatagram::Magic),
            ANNOUNCE => Self::Announce(read_announce(&mut rest)?),
            SCRAPE => Self::Scrape(read_hashes(rest.remaining())?),
            other => return Err(BadDatagram::Action(other)),
        };
        Ok((head, question))
    }
}

fn put_announce(out: &mut Vec<u8>, announce: &Announce) {
    out.extend(announce.info_hash.0);
    out.extend(announce.peer_id.0);
    out.extend(announce.downloaded.to_be_bytes());
    out.extend(announce.left.to_be_bytes());
    out.extend(announce.uploaded.to_be_bytes());
    out.extend(announce.event.number().to_be_bytes());
    let ip = match announce.ip {
        Some(IpAddr::V4(ip)) => ip,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    out.extend(ip.octets());
    out.extend(announce.key.to_be_bytes());
    let wanted = announce.numwant.map_or(-1, |wanted| i32::try_from(wanted).unwrap_or(i32::MAX));
    out.extend(wanted.to_be_bytes());
    out.extend(announce.port.to_be_bytes());
}

fn read_announce(rest: &mut Bytes<'_>) -> Result<Announce, BadDatagram> {
    let (info_hash, peer_id) = (InfoHashV1(rest.take()?), PeerId(rest.take()?));
    let (downloaded, left, uploaded) = (rest.u64()?, rest.u64()?, rest.u64()?);
    let event = Event::from_number(rest.u32()?);
    let ip = Some(Ipv4Addr::from(rest.take::<4>()?)).filter(|ip| !ip.is_unspecified());
    let key = rest.u32()?;
    let numwant = u32::try_from(i32::from_be_bytes(rest.take()?)).ok();
    let port = u16::from_be_bytes(rest.take()?);
    let ip = ip.map(IpAddr::V4);
    Ok(Announce { info_hash, peer_id, port, uploaded, downloaded, left, event, numwant, key, ip })
}

/// Long data are cut into options of at most 255 bytes (BEP 41).
fn put_url_data(out: &mut Vec<u8>, data: &[u8]) {
    for part in data.chunks(255) {
        out.extend([URL_DATA, part.len() as u8]);
        out.extend(part);
    }
}

fn read_url_data(options: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut rest = options;
    loop {
        rest = match rest {
            [] | [END_OF_OPTIONS, ..] => return data,
            [NOP, after @ ..] => after,
            [kind, length, after @ ..] => {
                let Some((value, after)) = after.split_at_checked(usize::from(*length)) else {
                    return data;
                };
                if *kind == URL_DATA {
                    data.extend_from_slice(value);
                }
                after
            }
            [_] => return data,
        }
    }
}

fn read_hashes(bytes: &[u8]) -> Result<&[[u8; 20]], BadDatagram> {
    let (hashes, rest) = bytes.as_chunks::<20>();
    if !rest.is_empty() || !(1..=MAX_SCRAPE).contains(&hashes.len()) {
        return Err(BadDatagram::Scrape);
    }
    Ok(hashes)
}

/// What a tracker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a connect.
    Connect {
        /// To be repeated in every request of the next minute.
        connection_id: u64,
    },
    /// To an announce.
    Announce {
        /// Seconds until the next announce, as the tracker wishes.
        interval: u32,
        /// Peers that lack something.
        leechers: u32,
        /// Peers that have everything.
        seeders: u32,
        /// Peers to dial.
        peers: Vec<SocketAddr>,
    },
    /// To a scrape: figures in the order of the question.
    Scrape(Vec<Figures>),
    /// To anything; bytes that are no UTF-8 have been replaced.
    Error(String),
}

impl Answer {
    /// Appends the datagram. Peers of another family than the socket's are left out.
    pub fn put(&self, transaction_id: u32, family: Family, out: &mut Vec<u8>) {
        match self {
            Self::Connect { connection_id } => put_connection(out, transaction_id, *connection_id),
            Self::Announce { interval, leechers, seeders, peers } => {
                let figures = Figures { seeders: *seeders, leechers: *leechers, completed: 0 };
                put_announce_answer(out, transaction_id, *interval, figures);
                put_compact_of(out, family, peers);
            }
            Self::Scrape(figures) => {
                put_scrape_answer(out, transaction_id, figures.iter().copied());
            }
            Self::Error(text) => put_error(out, transaction_id, text),
        }
    }

    /// Reads a datagram and its transaction's number. Half a peer or half a torrent's figures at
    /// the end are ignored.
    pub fn read(bytes: &[u8], family: Family) -> Result<(u32, Self), BadDatagram> {
        let mut rest = Bytes { all: bytes, at: 0 };
        let (action, transaction_id) = (rest.u32()?, rest.u32()?);
        let answer = match action {
            CONNECT => Self::Connect { connection_id: rest.u64()? },
            ANNOUNCE => {
                let (interval, leechers, seeders) = (rest.u32()?, rest.u32()?, rest.u32()?);
                let peers = read_compact(family, rest.remaining());
                Self::Announce { interval, leechers, seeders, peers }
            }
            SCRAPE => Self::Scrape(read_figures(rest.remaining())),
            ERROR => Self::Error(String::from_utf8_lossy(rest.remaining()).into_owned()),
            other => return Err(BadDatagram::Action(other)),
        };
        Ok((transaction_id, answer))
    }
}

/// Appends the answer to a connect.
pub fn put_connection(out: &mut Vec<u8>, transaction_id: u32, connection_id: u64) {
    put_numbers(out, [CONNECT, transaction_id]);
    out.extend(connection_id.to_be_bytes());
}

/// Appends the answer to an announce as far as its peers, of which each is one
/// [`put_compact`](super::announce::put_compact).
pub fn put_announce_answer(
    out: &mut Vec<u8>,
    transaction_id: u32,
    interval: u32,
    figures: Figures,
) {
    let Figures { seeders, leechers, .. } = figures;
    put_numbers(out, [ANNOUNCE, transaction_id, interval, leechers, seeders]);
}

/// Appends the answer to a scrape.
pub fn put_scrape_answer(
    out: &mut Vec<u8>,
    transaction_id: u32,
    figures: impl Iterator<Item = Figures>,
) {
    put_numbers(out, [SCRAPE, transaction_id]);
    figures.for_each(|of| put_numbers(out, [of.seeders, of.completed, of.leechers]));
}

/// Appends a refusal.
pub fn put_error(out: &mut Vec<u8>, transaction_id: u32, why: &str) {
    put_numbers(out, [ERROR, transaction_id]);
    out.extend(why.as_bytes());
}

fn put_numbers<const N: usize>(out: &mut Vec<u8>, numbers: [u32; N]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}

fn read_figures(bytes: &[u8]) -> Vec<Figures> {
    let (torrents, _) = bytes.as_chunks::<12>();
    let number = |bytes: &[u8], at: usize| {
        u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 of 12 bytes"))
    };
    let figures = torrents.iter().map(|torrent| Figures {
        seeders: number(torrent, 0),
        completed: number(torrent, 4),
        leechers: number(torrent, 8),
    });
    figures.collect()
}

/// A datagram, taken apart from its front.
struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn remaining(&self) -> &'a [u8] {
        &self.all[self.at..]
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadDatagram> {
        let taken = self.remaining().first_chunk::<N>();
        let taken = *taken.ok_or(BadDatagram::Short(self.all.len()))?;
        self.at += N;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, BadDatagram> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, BadDatagram> {
        self.take().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests;
