//! Which program a peer id belongs to (BEP 20).
//!
//! ```text
//! -TR3000-............     two letters and four of a version: most programs
//! M7-2-1--............     a letter and numbers between dashes: Mainline, and aria2 with `A2-`
//! S58B-----...........     a letter and a version in digits of base 64: Shadow's and its kin
//! ```
//! A name is only what a peer says of itself: it is shown, never trusted. Nothing here does I/O.

use crate::ids::PeerId;

/// How the four characters of a version are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// `2110` is 2.1.1 and `20B0` 2.0.11; a fourth digit counts unless it is zero or a letter.
    Dotted,
    /// `0102` is 1.2.
    Pairs,
    /// `0159` is 1.59, a decimal number.
    Decimal,
    /// `2940` is 2.94; from 4 on as [`Version::Dotted`].
    Transmission,
}

/// The programs that open their ids with a dash, by their two letters, sorted.
const DASHED: [(&[u8; 2], &str, Version); 50] = [
    (b"AG", "Ares", Version::Dotted),
    (b"AZ", "Vuze", Version::Dotted),
    (b"BC", "BitComet", Version::Decimal),
    (b"BF", "Bitflu", Version::Dotted),
    (b"BI", "BiglyBT", Version::Dotted),
    (b"BL", "BitComet Lite", Version::Dotted),
    (b"BR", "BitRocket", Version::Dotted),
    (b"BT", "BitTorrent", Version::Dotted),
    (b"CD", "Enhanced CTorrent", Version::Dotted),
    (b"CT", "CTorrent", Version::Dotted),
    (b"DE", "Deluge", Version::Dotted),
    (b"FD", "Free Download Manager", Version::Dotted),
    (b"FW", "FrostWire", Version::Dotted),
    (b"FX", "Freebox", Version::Dotted),
    (b"GT", "anacrolix/torrent", Version::Dotted),
    (b"HL", "Halite", Version::Dotted),
    (b"JS", "Justseed.it", Version::Dotted),
    (b"KG", "KGet", Version::Dotted),
    (b"KT", "KTorrent", Version::Dotted),
    (b"LC", "LeechCraft", Version::Dotted),
    (b"LP", "Lphant", Version::Dotted),
    (b"LT", "libtorrent", Version::Dotted),
    (b"LW", "LimeWire", Version::Dotted),
    (b"MO", "MonoTorrent", Version::Dotted),
    (b"MR", "Miro", Version::Dotted),
    (b"OS", "OneSwarm", Version::Dotted),
    (b"PI", "PicoTorrent", Version::Dotted),
    (b"QD", "QQDownload", Version::Dotted),
    (b"RT", "Retriever", Version::Dotted),
    (b"SD", "Thunder", Version::Dotted),
    (b"SW", "swarmlet", Version::Dotted),
    (b"SZ", "Shareaza", Version::Dotted),
    (b"TL", "Tribler", Version::Dotted),
    (b"TR", "Transmission", Version::Transmission),
    (b"TS", "Torrentstorm", Version::Dotted),
    (b"TT", "TuoTu", Version::Dotted),
    (b"UE", "µTorrent Embedded", Version::Dotted),
    (b"UM", "µTorrent for Mac", Version::Dotted),
    (b"UT", "µTorrent", Version::Dotted),
    (b"UW", "µTorrent Web", Version::Dotted),
    (b"VG", "Vagaa", Version::Dotted),
    (b"WD", "WebTorrent Desktop", Version::Pairs),
    (b"WW", "WebTorrent", Version::Pairs),
    (b"XF", "Xfplay", Version::Dotted),
    (b"XL", "Xunlei", Version::Dotted),
    (b"ZT", "ZipTorrent", Version::Dotted),
    (b"lt", "libTorrent", Version::Dotted),
    (b"qB", "qBittorrent", Version::Dotted),
    (b"rQ", "rqbit", Version::Dotted),
    (b"st", "sharktorrent", Version::Dotted),
];

/// The programs whose ids are a letter and a version in base 64.
const SHADOWS: [(u8, &str); 7] = [
    (b'A', "ABC"),
    (b'O', "Osprey Permaseed"),
    (b'Q', "BTQueue"),
    (b'R', "Tribler"),
    (b'S', "Shadow"),
    (b'T', "BitTornado"),
    (b'U', "UPnP NAT Bit Torrent"),
];

/// The program's name and version, as "Transmission 3.00"; an id of no known kind is printed.
pub fn client_name(id: &PeerId) -> String {
    let id_bytes = &id.0;
    dashed(id_bytes)
        .or_else(|| numbered(id_bytes))
        .or_else(|| shadow(id_bytes))
        .or_else(|| of_its_own_style(id_bytes))
        .unwrap_or_else(|| id.to_string())
}

/// `-TR3000-`.
fn dashed(id: &[u8; 20]) -> Option<String> {
    let (letters, rest) = id.strip_prefix(b"-")?.split_first_chunk::<2>()?;
    let (characters, rest) = rest.split_first_chunk::<4>()?;
    let at = DASHED.binary_search_by_key(&letters, |&(letters, ..)| letters).ok()?;
    let (_, name, version) = DASHED[at];
    let version = version_of(*characters, version).filter(|_| rest.starts_with(b"-"));
    Some(with_version(name, version))
}

fn version_of(characters: [u8; 4], version: Version) -> Option<String> {
    let [a, b, c, d] = characters;
    let digits = |count: usize| characters[..count].iter().all(u8::is_ascii_digit);
    let pair = |high: u8, low: u8| (high - b'0') * 10 + (low - b'0');
    match version {
        Version::Dotted => {
            let (a, b, c) = (digit(a)?, digit(b)?, digit(c)?);
            let fourth = (b'1'..=b'9').contains(&d).then(|| format!(".{}", d as char));
            Some(format!("{a}.{b}.{c}{}", fourth.unwrap_or_default()))
        }
        Version::Transmission if a >= b'4' => version_of(characters, Version::Dotted),
        Version::Transmission if !digits(3) => None,
        Version::Transmission => Some(format!("{}.{:02}", pair(b'0', a), pair(b, c))),
        Version::Pairs | Version::Decimal if !digits(4) => None,
        Version::Pairs => Some(format!("{}.{}", pair(a, b), pair(c, d))),
        Version::Decimal => Some(format!("{}.{:02}", pair(a, b), pair(c, d))),
    }
}

/// A digit of base 62, as Transmission, libtorrent and their kin count.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'A'..=b'Z' => Some(character - b'A' + 10),
        b'a'..=b'z' => Some(character - b'a' + 36),
        _ => None,
    }
}

/// `M7-2-1--`, `Q1-10-0-` and `A2-1-36-0-`.
fn numbered(id: &[u8; 20]) -> Option<String> {
    let styles: [(&[u8], &str); 3] = [(b"A2-", "aria2"), (b"M", "Mainline"), (b"Q", "Queen Bee")];
    let (prefix, name) = styles.into_iter().find(|(prefix, _)| id.starts_with(prefix))?;
    let mut parts = id[prefix.len()..].split(|&byte| byte == b'-');
    let mut number = || {
        let part = parts.next()?;
        let is_number = (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        is_number.then(|| String::from_utf8_lossy(part).into_owned())
    };
    let version = [number()?, number()?, number()?].join(".");
    parts.next()?; // a dash ends the last number
    Some(with_version(name, Some(version)))
}

/// `S58B-----`: 5.8.11.
fn shadow(id: &[u8; 20]) -> Option<String> {
    let (letter, rest) = id.split_first()?;
    let (_, name) = SHADOWS.iter().find(|(known, _)| known == letter)?;
    let (version, rest) = rest.split_first_chunk::<5>()?;
    if !rest.starts_with(b"---") {
        return None;
    }
    let digits = version.split(|&byte| byte == b'-').next()?;
    let numbers: Option<Vec<String>> =
        digits.iter().map(|&byte| digit(byte).map(|n| n.to_string())).collect();
    let ends = version[digits.len()..].iter().all(|&byte| byte == b'-');
    numbers.filter(|_| ends && !digits.is_empty()).map(|n| with_version(name, Some(n.join("."))))
}

/// Programs that follow nobody.
fn of_its_own_style(id: &[u8; 20]) -> Option<String> {
    if let Some(version) = id.strip_prefix(b"TIX").and_then(<[u8]>::first_chunk) {
        return Some(with_version("Tixati", version_of(*version, Version::Decimal)));
    }
    if let Some(&[a, b, c]) = id.strip_prefix(b"XBT").and_then(<[u8]>::first_chunk) {
        let version = version_of([a, b, c, b'0'], Version::Dotted);
        return Some(with_version("XBT", version));
    }
    if let Some(rest) = id.strip_prefix(b"-ML") {
        let version = rest.split(|&byte| byte == b'-').next()?;
        let plain = version.iter().all(|&byte| byte.is_ascii_digit() || byte == b'.');
        let version = plain.then(|| String::from_utf8_lossy(version).into_owned());
        return Some(with_version("MLDonkey", version));
    }
    let old_comet = id.strip_prefix(b"exbc").and_then(<[u8]>::first_chunk);
    old_comet.map(|[x, y]| with_version("BitComet", Some(format!("{x}.{y:02}"))))
}

fn with_version(name: &str, version: Option<String>) -> String {
    version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(prefix: &[u8]) -> String {
        let mut id = *b"xxxxxxxxxxxxxxxxxxxx";
        id[..prefix.len()].copy_from_slice(prefix);
        client_name(&PeerId(id))
    }

    #[test]
    fn ids_of_real_programs_are_named() {
        for (prefix, wanted) in [
            (&b"-TR3000-"[..], "Transmission 3.00"),
            (b"-TR2940-", "Transmission 2.94"),
            (b"-TR4060-", "Transmission 4.0.6"),
            (b"-TR410B-", "Transmission 4.1.0"),
            (b"-LT2110-", "libtorrent 2.1.1"),
            (b"-LT20B0-", "libtorrent 2.0.11"),
            (b"-lt0D60-", "libTorrent 0.13.6"),
            (b"-qB4620-", "qBittorrent 4.6.2"),
            (b"-DE211s-", "Deluge 2.1.1"),
            (b"-DE13F0-", "Deluge 1.3.15"),
            (b"-UT355S-", "µTorrent 3.5.5"),
            (b"-BT7A5S-", "BitTorrent 7.10.5"),
            (b"-BI2401-", "BiglyBT 2.4.0.1"),
            (b"-AZ2060-", "Vuze 2.0.6"),
            (b"-rQ8110-", "rqbit 8.1.1"),
            (b"-WW0102-", "WebTorrent 1.2"),
            (b"-WW0200-", "WebTorrent 2.0"),
            (b"-WD0024-", "WebTorrent Desktop 0.24"),
            (b"-BC0159-", "BitComet 1.59"),
            (b"-SW0100-", "swarmlet 0.1.0"),
            (b"A2-1-36-0-", "aria2 1.36.0"),
            (b"M7-2-1--", "Mainline 7.2.1"),
            (b"M4-20-8-", "Mainline 4.20.8"),
            (b"Q1-10-0-", "Queen Bee 1.10.0"),
            (b"S58B-----", "Shadow 5.8.11"),
            (b"T03I-----", "BitTornado 0.3.18"),
            (b"TIX0219-", "Tixati 2.19"),
            (b"XBT054d-", "XBT 0.5.4"),
            (b"-ML2.7.2-", "MLDonkey 2.7.2"),
            (b"exbc\x00\x38", "BitComet 0.56"),
        ] {
            assert_eq!(name(prefix), wanted);
        }
    }

    #[test]
    fn a_version_that_is_none_is_left_out() {
        assert_eq!(name(b"-qB4?20-"), "qBittorrent");
        assert_eq!(name(b"-TR3000x"), "Transmission");
    }

    #[test]
    fn an_id_of_no_known_kind_is_printed_safely() {
        assert_eq!(name(b"-??1234-"), "-??1234-xxxxxxxxxxxx");
        assert_eq!(name(b"\x1b[2J"), "%1b[2Jxxxxxxxxxxxxxxxx");
        assert_eq!(name(b"M7-2-"), "M7-2-xxxxxxxxxxxxxxx");
    }

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(DASHED.is_sorted_by(|a, b| a.0 < b.0));
    }

    proptest! {
        #[test]
        fn a_name_can_be_shown_whatever_the_id(id in any::<[u8; 20]>(), style in 0..4_usize) {
            let mut id = id;
            let prefix: &[u8] = [&b""[..], b"-ML", b"S", b"A2-"][style];
            id[..prefix.len()].copy_from_slice(prefix);
            let name = client_name(&PeerId(id));
            prop_assert!(!name.chars().any(char::is_control), "{name:?}");
        }
    }
}
