//! Who came and who went since the last message (BEP 11, `ut_pex`).
//!
//! ```text
//! added, added6       addresses of 6 or 18 bytes: IP and port, big-endian
//! added.f, added6.f   a byte of flags for each
//! dropped, dropped6   addresses
//! ```

use super::super::Malformed;
use super::super::message::{MAX_PEERS, PeersChanged};
use super::extension::dictionary;
use crate::metainfo::bencode::{Encoder, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most that came, and the most that went, in one message of ours (BEP 11).
pub const MAX_CHANGED: usize = 50;

/// What a message says: at most [`MAX_PEERS`] that came and as many that went; the rest is passed
/// over, and so is a message that names nobody. A flag that is missing is 0.
pub fn decode(payload: &[u8]) -> Result<Option<PeersChanged>, Malformed> {
    let document = dictionary("ut_pex", payload)?;
    let bytes = |key: &str| {
        let value = document.root().get(key.as_bytes());
        value.as_ref().and_then(Value::as_bytes).unwrap_or_default()
    };
    let flags = |key: &str| bytes(key).iter().copied().chain(std::iter::repeat(0));
    let added = v4(bytes("added")).zip(flags("added.f"));
    let added6 = v6(bytes("added6")).zip(flags("added6.f"));
    let dropped = v4(bytes("dropped")).chain(v6(bytes("dropped6")));
    let changed = PeersChanged {
        added: added.chain(added6).take(MAX_PEERS).collect(),
        dropped: dropped.take(MAX_PEERS).collect(),
    };
    Ok(Some(changed).filter(|changed| *changed != PeersChanged::default()))
}

/// The dictionary that says it, of at most [`MAX_CHANGED`] each; `None` when nobody came or went.
pub(super) fn encode(changed: &PeersChanged) -> Option<Vec<u8>> {
    let mut lists: [(&str, Vec<u8>); 6] =
        ["added", "added.f", "added6", "added6.f", "dropped", "dropped6"].map(|key| (key, vec![]));
    for (address, flags) in changed.added.iter().take(MAX_CHANGED) {
        let list = if address.ip().to_canonical().is_ipv4() { 0 } else { 2 };
        put_address(&mut lists[list].1, *address);
        lists[list + 1].1.push(*flags);
    }
    for address in changed.dropped.iter().take(MAX_CHANGED) {
        let list = if address.ip().to_canonical().is_ipv4() { 4 } else { 5 };
        put_address(&mut lists[list].1, *address);
    }
    if lists.iter().all(|(_, list)| list.is_empty()) {
        return None;
    }
    let mut out = Encoder::new();
    out.dict();
    for (key, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        out.text(key).bytes(list);
    }
    out.end();
    Some(out.finish())
}

/// The whole addresses in a run of six bytes each.
fn v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks().0.iter().map(|&[a, b, c, d, high, low]| {
        SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]))
    })
}

/// The whole addresses in a run of eighteen bytes each.
fn v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks::<18>().0.iter().map(|address| {
        let (ip, port) = address.split_first_chunk::<16>().expect("18 bytes");
        let port = u16::from_be_bytes([port[0], port[1]]);
        SocketAddr::new(Ipv6Addr::from(*ip).to_canonical(), port)
    })
}

fn put_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => out.extend(ip.octets()),
        IpAddr::V6(ip) => out.extend(ip.octets()),
    }
    out.extend(address.port().to_be_bytes());
}
