//! LINKS: whom a peer serves of one torrent.
//!
//! ```text
//! entry    = family:u8 (4 | 6)  standing:u8  port:u16be  address: 4 | 16 bytes  rate:u32be
//! standing = 0 choked, though it is interested | 1 served | 2 served on trial
//! ```
//! An address is where the other peer listens, so that a tracker finds it among its own.

use super::Malformed;
use crate::protocol::frame::Bin;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// How many entries one LINKS has at most.
pub const MAX_LINKS: usize = 64;

/// How long an entry is at most.
pub const MAX_LINK: usize = 24;

const KIND: u8 = 0x1f;

/// Whom a peer serves of one torrent, in its body (UDP). It is never answered, and
/// said only to a tracker whose ACK asks for it and that is on our own machine or network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// From COOKIE.
    pub cookie: Bin<8>,
    /// The content.
    pub info_hash: Bin<32>,
    /// Where the peer listens.
    pub port: u16,
}

/// How a peer stands to another one that wants something of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkStanding {
    /// 0: it does not serve it.
    Choked,
    /// 1: it serves it.
    Served,
    /// 2: it serves it on trial.
    OnTrial,
}

impl From<LinkStanding> for u8 {
    fn from(standing: LinkStanding) -> Self {
        match standing {
            LinkStanding::Choked => 0,
            LinkStanding::Served => 1,
            LinkStanding::OnTrial => 2,
        }
    }
}

/// What goes from one peer to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLink {
    /// Where the other one listens.
    pub to: SocketAddr,
    /// Bytes sent to it a second.
    pub rate: u32,
    /// Whether it is served.
    pub standing: LinkStanding,
}

/// Appends one entry.
pub fn put_link(out: &mut Vec<u8>, link: &PeerLink) {
    out.extend([if link.to.is_ipv4() { 4 } else { 6 }, link.standing.into()]);
    out.extend(link.to.port().to_be_bytes());
    match link.to.ip() {
        IpAddr::V4(ip) => out.extend(ip.octets()),
        IpAddr::V6(ip) => out.extend(ip.octets()),
    }
    out.extend(link.rate.to_be_bytes());
}

/// Reads the entries of a body one by one; the last one is an error if the body is none.
pub fn read_links(body: &[u8]) -> impl Iterator<Item = Result<PeerLink, Malformed>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((link, after)) = read_one(rest) else {
            rest = &[];
            return Some(Err(Malformed::BodyLength { kind: KIND, length: body.len() as u64 }));
        };
        rest = after;
        Some(Ok(link))
    })
}

/// Whether a body is entries and nothing else, and not too many.
pub fn are_links(body: &[u8]) -> bool {
    let mut count = 0;
    read_links(body).all(|link| {
        count += 1;
        link.is_ok() && count <= MAX_LINKS
    })
}

fn read_one(bytes: &[u8]) -> Option<(PeerLink, &[u8])> {
    let (&[family, standing, high, low], rest) = bytes.split_first_chunk()?;
    let (ip, rest) = match family {
        4 => rest.split_first_chunk::<4>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
        6 => rest.split_first_chunk::<16>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
        _ => return None,
    };
    let (rate, rest) = rest.split_first_chunk::<4>()?;
    let standing = match standing {
        0 => LinkStanding::Choked,
        1 => LinkStanding::Served,
        2 => LinkStanding::OnTrial,
        _ => return None,
    };
    let to = SocketAddr::new(ip, u16::from_be_bytes([high, low]));
    Some((PeerLink { to, rate: u32::from_be_bytes(*rate), standing }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(to: &str, rate: u32, standing: LinkStanding) -> PeerLink {
        PeerLink { to: to.parse().unwrap(), rate, standing }
    }

    fn read(body: &[u8]) -> Result<Vec<PeerLink>, Malformed> {
        read_links(body).collect()
    }

    #[test]
    fn an_entry_is_family_standing_port_address_and_rate() {
        let links = [
            link("10.0.0.1:6881", 0x0001_86a0, LinkStanding::Served),
            link("[::1]:256", 7, LinkStanding::OnTrial),
            link("10.0.0.2:1", 0, LinkStanding::Choked),
        ];
        let mut golden = vec![4, 1, 0x1a, 0xe1, 10, 0, 0, 1, 0, 1, 0x86, 0xa0, 6, 2, 1, 0];
        golden.extend([0; 15]);
        golden.extend([1, 0, 0, 0, 7, 4, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 0]);
        let mut body = Vec::new();
        links.iter().for_each(|link| put_link(&mut body, link));
        assert_eq!(body, golden);
        assert_eq!(read(&body).unwrap(), links);
        for cut in (1..body.len()).filter(|cut| ![12, 36].contains(cut)) {
            assert!(read(&body[..cut]).is_err() && !are_links(&body[..cut]), "cut at {cut}");
        }
    }

    #[test]
    fn neither_another_family_nor_another_standing_is_an_entry() {
        let entry = |family: u8, standing: u8| [family, standing, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0];
        assert!(are_links(&entry(4, 2)) && are_links(&[]));
        assert!(!are_links(&entry(5, 1)) && !are_links(&entry(4, 3)));
    }

    #[test]
    fn there_are_64_entries_at_most() {
        let mut body = Vec::new();
        for n in 0..MAX_LINKS {
            assert!(are_links(&body), "{n}");
            put_link(&mut body, &link("10.0.0.1:1", 1, LinkStanding::Served));
        }
        assert!(are_links(&body));
        put_link(&mut body, &link("10.0.0.1:1", 1, LinkStanding::Served));
        assert!(!are_links(&body));
    }

    proptest! {
        #[test]
        fn no_body_is_too_strange(body in proptest::collection::vec(any::<u8>(), 0..1200)) {
            let read = read_links(&body).take(2000).count();
            prop_assert!(read <= body.len() / 12 + 1, "{read} entries of {} bytes", body.len());
        }
    }
}
