//! The handshake of the extension protocol (BEP 10): a dictionary, every key of which may be left out.
//!
//! ```text
//! m { lt_donthave, upload_only, ut_metadata, ut_pex }   by which number each is wanted
//! metadata_size  p  reqq  upload_only  v  yourip
//! ```
//! What is out of range counts as left out; what is unknown is passed over.

use super::super::Malformed;
use super::super::message::{ExtensionNumbers, Extensions};
use crate::metainfo::bencode::{self, Encoder, Value};
use std::net::IpAddr;

/// The handshake's own number.
pub const NUMBER: u8 = 0;

/// The most characters of a program's name that are kept.
const MAX_CLIENT: usize = 64;

/// What a handshake says; bytes behind its dictionary are passed over.
pub fn decode(payload: &[u8]) -> Result<Extensions, Malformed> {
    let document = dictionary("extension handshake", payload)?;
    let root = document.root();
    let number = |key: &str| root.get(key.as_bytes())?.as_int();
    let positive = |key: &str| u32::try_from(number(key)?).ok().filter(|&n| n > 0);
    let of_extension = |name: &str| -> u8 {
        let wanted = root.get(b"m").and_then(|m| m.get(name.as_bytes())?.as_int());
        wanted.and_then(|n| u8::try_from(n).ok()).unwrap_or(0)
    };
    Ok(Extensions {
        numbers: ExtensionNumbers {
            metadata: of_extension("ut_metadata"),
            peers: of_extension("ut_pex"),
            dont_have: of_extension("lt_donthave"),
            upload_only: of_extension("upload_only"),
        },
        client: root.get(b"v").as_ref().and_then(Value::as_bytes).and_then(client_name),
        port: positive("p").and_then(|port| u16::try_from(port).ok()),
        most_requests: positive("reqq"),
        info_length: positive("metadata_size"),
        your_ip: root.get(b"yourip").as_ref().and_then(Value::as_bytes).and_then(ip),
        upload_only: number("upload_only").is_some_and(|n| n != 0),
    })
}

/// The dictionary that says it; an extension of number 0 is left out.
pub fn encode(extensions: &Extensions) -> Vec<u8> {
    let ExtensionNumbers { metadata, peers, dont_have, upload_only } = extensions.numbers;
    let mut out = Encoder::new();
    out.dict().text("m").dict();
    let sorted = [
        ("lt_donthave", dont_have),
        ("upload_only", upload_only),
        ("ut_metadata", metadata),
        ("ut_pex", peers),
    ];
    for (name, number) in sorted.into_iter().filter(|&(_, number)| number > 0) {
        out.text(name).int(number.into());
    }
    out.end();
    if let Some(length) = extensions.info_length {
        out.text("metadata_size").int(length.into());
    }
    if let Some(port) = extensions.port {
        out.text("p").int(port.into());
    }
    if let Some(requests) = extensions.most_requests {
        out.text("reqq").int(requests.into());
    }
    if extensions.upload_only {
        out.text("upload_only").int(1);
    }
    if let Some(client) = &extensions.client {
        out.text("v").text(client);
    }
    match extensions.your_ip {
        Some(IpAddr::V4(ip)) => {
            out.text("yourip").bytes(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.text("yourip").bytes(&ip.octets());
        }
        None => {}
    }
    out.end();
    out.finish()
}

/// Reads the dictionary at the start of a message; what follows it is the document's rest.
pub(super) fn dictionary<'a>(
    message: &'static str,
    payload: &'a [u8],
) -> Result<bencode::Document<'a>, Malformed> {
    let document = bencode::parse_prefix(payload, bencode::MESSAGE)
        .map_err(|error| Malformed::Bencode { message, error })?;
    if document.root().is_dict() { Ok(document) } else { Err(Malformed::NoDictionary { message }) }
}

/// A program's name that is safe to show: cut, and without what steers a terminal.
fn client_name(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let safe = text.chars().take(MAX_CLIENT).map(|c| if steers(c) { '?' } else { c });
    Some(safe.collect()).filter(|name: &String| !name.trim().is_empty())
}

/// Controls, and marks that turn the direction of writing.
fn steers(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || c == '\u{feff}'
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
    v4().or_else(v6)
}
