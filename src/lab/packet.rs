//! The header of an IPv4 packet (RFC 791, 3.1), as far as a link needs it.
//!
//! ```text
//!  0       4       8               16              24              31
//! | vers. | words | service       | total length                  |   0
//! | identification                | flags, fragment offset        |   4
//! | time to live  | protocol      | checksum                      |   8
//! | source                                                        |  12
//! | destination                                                   |  16
//! ```

use std::net::Ipv4Addr;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Who sends it.
    pub from: Ipv4Addr,
    /// Whom it is for.
    pub to: Ipv4Addr,
    /// Bytes of the whole packet.
    pub len: usize,
}

/// Reads the header of a packet; `None` for what is none: another version (a system that has just
/// got an interface asks for neighbours in IPv6), one that was cut, one that says more than there is.
pub fn header(packet: &[u8]) -> Option<Header> {
    const SHORTEST: usize = 20;
    let fixed: &[u8; SHORTEST] = packet.first_chunk()?;
    let words = usize::from(fixed[0] & 0x0f);
    let len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    let is_whole = len >= words * 4 && len <= packet.len();
    if fixed[0] >> 4 != 4 || words * 4 < SHORTEST || !is_whole {
        return None;
    }
    let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
    Some(Header { from: address(12), to: address(16), len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    /// A SYN of 10.0.0.1 to 10.0.0.2, as far as its IP header goes, and 4 bytes of it.
    const SYN: [u8; 24] = [
        0x45, 0x00, 0x00, 0x18, // version 4, five words; 24 bytes
        0x12, 0x34, 0x40, 0x00, // may not be fragmented
        0x40, 0x06, 0x00, 0x00, // 64 hops, TCP
        10, 0, 0, 1, //
        10, 0, 0, 2, //
        0x1a, 0xe1, 0x1a, 0xe1,
    ];

    #[test]
    fn a_header_says_from_whom_for_whom_and_how_long() {
        let (from, to) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(header(&SYN), Some(Header { from, to, len: 24 }));
        let padded = [&SYN[..], &[0; 8]].concat();
        assert_eq!(header(&padded), Some(Header { from, to, len: 24 }));
    }

    #[test]
    fn what_is_no_whole_packet_is_none() {
        for end in 0..SYN.len() {
            assert_eq!(header(&SYN[..end]), None, "{end} bytes");
        }
        let with = |at: usize, byte: u8| {
            let mut packet = SYN;
            packet[at] = byte;
            header(&packet)
        };
        assert_eq!(with(0, 0x65), None, "version 6");
        assert_eq!(with(0, 0x44), None, "four words");
        assert_eq!(with(0, 0x47), None, "options beyond the end");
        assert_eq!(with(3, 19), None, "shorter than its header");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(header) = header(&bytes) {
                assert!(header.len <= bytes.len());
            }
        }
    }
}
