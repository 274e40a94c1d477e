//! The header of an IPv4 packet (RFC 791, 3.1), as far as a link needs it, and the answer of one that
//! refuses a packet of TCP's.
//!
//! ```text
//!  0       4       8               16              24              31
//! | vers. | words | service       | total length                  |   0
//! | identification                | flags, fragment offset        |   4
//! | time to live  | protocol      | checksum                      |   8
//! | source                                                        |  12
//! | destination                                                   |  16
//! ```

use super::capture::packet::{ACK, RST, SYN, Segment, tcp};
use std::net::{Ipv4Addr, SocketAddrV4};

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

/// What tells the sender of a packet of TCP's that its connection is over, as if the other end had
/// said so (RFC 9293, 3.10.7.1); `None` for what is no whole header of TCP's, and for what is such an
/// answer itself.
pub fn reset(packet: &[u8]) -> Option<Vec<u8>> {
    const TCP: u8 = 6;
    const SHORTEST: usize = 20;
    let Header { from, to, len } = header(packet)?;
    if packet[9] != TCP {
        return None;
    }
    let words = usize::from(packet[0] & 0x0f);
    let segment = packet.get(words * 4..len)?;
    let fixed: &[u8; SHORTEST] = segment.first_chunk()?;
    let port = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let word =
        |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let (from, to) = (SocketAddrV4::new(from, port(0)), SocketAddrV4::new(to, port(2)));
    let (flags, payload) = (fixed[13], segment.len().checked_sub(usize::from(fixed[12] >> 4) * 4)?);
    if flags & RST != 0 {
        return None;
    }
    let back = Segment { from: to, to: from, seq: word(8), ack: 0, flags: RST };
    let back = if flags & ACK == 0 {
        let length = payload as u32 + u32::from(flags & SYN != 0);
        Segment { seq: 0, ack: word(4).wrapping_add(length), flags: RST | ACK, ..back }
    } else {
        back
    };
    Some(tcp(&back, 0, &[]))
}

#[cfg(test)]
mod tests {
    use super::super::capture::packet::is_right;
    use super::*;
    use proptest::prelude::{any, proptest};

    /// A SYN of 10.0.0.1 to 10.0.0.2, as far as its IP header goes, and 4 bytes of it.
    const BEGUN: [u8; 24] = [
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
        assert_eq!(header(&BEGUN), Some(Header { from, to, len: 24 }));
        let padded = [&BEGUN[..], &[0; 8]].concat();
        assert_eq!(header(&padded), Some(Header { from, to, len: 24 }));
    }

    #[test]
    fn what_is_no_whole_packet_is_none() {
        for end in 0..BEGUN.len() {
            assert_eq!(header(&BEGUN[..end]), None, "{end} bytes");
        }
        let with = |at: usize, byte: u8| {
            let mut packet = BEGUN;
            packet[at] = byte;
            header(&packet)
        };
        assert_eq!(with(0, 0x65), None, "version 6");
        assert_eq!(with(0, 0x44), None, "four words");
        assert_eq!(with(0, 0x47), None, "options beyond the end");
        assert_eq!(with(3, 19), None, "shorter than its header");
    }

    #[test]
    fn a_reset_looks_as_if_the_other_end_had_sent_it() {
        let (from, to) = ("10.0.0.1:6881".parse().unwrap(), "10.0.0.2:49152".parse().unwrap());
        let check = |flags: u8, payload: &[u8], expected: Segment| {
            let sent = Segment { from, to, seq: 1000, ack: 77, flags };
            let got = reset(&tcp(&sent, 1, payload)).unwrap();
            assert_eq!(got, tcp(&expected, 0, &[]), "{flags:#x}");
            assert!(is_right(&got));
        };
        let back = Segment { from: to, to: from, seq: 77, ack: 0, flags: RST };
        check(ACK, b"", back);
        check(ACK, b"abc", back);
        check(SYN | ACK, b"", back);
        check(SYN, b"", Segment { seq: 0, ack: 1001, flags: RST | ACK, ..back });
        let answer = tcp(&back, 0, &[]);
        assert_eq!(reset(&answer), None, "nobody answers a reset");
        assert_eq!(reset(&BEGUN), None, "a header that is cut");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = reset(&bytes);
            let with_header = [&[0x45, 0, 0, bytes.len() as u8 + 20, 0, 0, 0, 0, 9, 6][..], &[0; 10], &bytes];
            let _ = reset(&with_header.concat());
            if let Some(header) = header(&bytes) {
                assert!(header.len <= bytes.len());
            }
        }
    }
}
