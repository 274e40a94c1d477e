//! Captures as files: blocks of pcapng, for Wireshark and tshark to read.
//!
//! ```
//! use std::time::Duration;
//! use swarmlet::lab::pcapng;
//!
//! let mut file = pcapng::header();
//! pcapng::packet(&mut file, Duration::from_millis(1500), &[0x45, 0x00]);
//! assert_eq!(file.len(), 28 + 32 + 36);
//! ```
//! One section, one interface whose packets begin with their IP header (no Ethernet, so nobody
//! needs to invent hardware addresses), and times in nanoseconds. Format: the Internet-Draft
//! "PCAP Next Generation (pcapng) Capture File Format" (draft-ietf-opsawg-pcapng), sections 4.1 to
//! 4.3. Nothing is written to a file here.

use std::time::Duration;

/// LINKTYPE_RAW: the packet begins with an IPv4 or IPv6 header; its first half byte says which.
const LINKTYPE_RAW: u16 = 101;

/// Section Header Block: the same number in either order of bytes, so that it is found in both.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;

/// Interface Description Block.
const INTERFACE: u32 = 1;

/// Enhanced Packet Block.
const PACKET: u32 = 6;

/// Tells a reader the order of bytes; ours is little-endian, whatever the machine.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Option of an interface: how fine its times are.
const IF_TSRESOL: u16 = 9;

/// Times count 10^-9 s.
const NANOSECONDS: u8 = 9;

/// The last option of a list.
const END_OF_OPTIONS: [u8; 4] = [0; 4];

/// What a file begins with: the section, and interface 0, which has raw IP packets.
pub fn header() -> Vec<u8> {
    let mut out = Vec::with_capacity(60);
    let mut body = Vec::with_capacity(20);
    body.extend(BYTE_ORDER.to_le_bytes());
    body.extend(1_u16.to_le_bytes()); // major version
    body.extend(0_u16.to_le_bytes()); // minor version
    body.extend(u64::MAX.to_le_bytes()); // the section's length is not known: it goes on to the end
    block(&mut out, SECTION_HEADER, &[&body]);
    body.clear();
    body.extend(LINKTYPE_RAW.to_le_bytes());
    body.extend([0; 2]); // reserved
    body.extend(0_u32.to_le_bytes()); // no limit to what is kept of a packet
    body.extend(IF_TSRESOL.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend([NANOSECONDS, 0, 0, 0]); // and padding
    body.extend(END_OF_OPTIONS);
    block(&mut out, INTERFACE, &[&body]);
    out
}

/// Appends a packet of interface 0: `bytes` from its IP header on, seen `at` so long after the
/// clock's zero (the epoch of 1970, for readers that show dates).
///
/// # Panics
/// If a packet is longer than IP can say.
pub fn packet(out: &mut Vec<u8>, at: Duration, bytes: &[u8]) {
    assert!(u16::try_from(bytes.len()).is_ok(), "an IP packet says its length in two bytes");
    // 2^64 ns are 584 years; whatever is later is as late as can be said.
    let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    let length = bytes.len() as u32;
    let mut head = [0; 20];
    let words = [0, (at >> 32) as u32, at as u32, length, length];
    for (place, word) in head.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    block(out, PACKET, &[&head, bytes]);
}

/// Appends a block: its type, its length, what it holds padded to four bytes, its length again.
fn block(out: &mut Vec<u8>, kind: u32, parts: &[&[u8]]) {
    let held: usize = parts.iter().map(|part| part.len()).sum();
    let padding = held.next_multiple_of(4) - held;
    let total = (12 + held + padding) as u32;
    out.extend(kind.to_le_bytes());
    out.extend(total.to_le_bytes());
    parts.iter().for_each(|part| out.extend(*part));
    out.extend(&[0; 3][..padding]);
    out.extend(total.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field by field from the draft: 4.1 Section Header Block, 4.2 Interface Description Block.
    #[test]
    fn a_file_begins_with_a_section_and_an_interface_of_raw_ip() {
        let expected = [
            0x0a, 0x0d, 0x0d, 0x0a, // block type
            0x1c, 0, 0, 0, // 28 bytes
            0x4d, 0x3c, 0x2b, 0x1a, // byte-order magic
            1, 0, 0, 0, // version 1.0
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // section length not given
            0x1c, 0, 0, 0, // 28 bytes
            1, 0, 0, 0, // block type
            0x20, 0, 0, 0, // 32 bytes
            101, 0, 0, 0, // LINKTYPE_RAW, reserved
            0, 0, 0, 0, // no snap length
            9, 0, 1, 0, 9, 0, 0, 0, // if_tsresol: 10^-9
            0, 0, 0, 0, // opt_endofopt
            0x20, 0, 0, 0, // 32 bytes
        ];
        assert_eq!(header(), expected);
    }

    /// 4.3 Enhanced Packet Block.
    #[test]
    fn a_packet_has_its_time_in_two_halves_and_is_padded() {
        let mut out = Vec::new();
        packet(&mut out, Duration::from_nanos(0x0102_0304_0506_0708), &[0x45, 0xaa, 0xbb]);
        let expected = [
            6, 0, 0, 0, // block type
            0x24, 0, 0, 0, // 36 bytes
            0, 0, 0, 0, // interface 0
            4, 3, 2, 1, // the upper half of the time
            8, 7, 6, 5, // the lower half
            3, 0, 0, 0, // bytes kept
            3, 0, 0, 0, // bytes there were
            0x45, 0xaa, 0xbb, 0, // the packet, and padding
            0x24, 0, 0, 0, // 36 bytes
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn a_packet_of_whole_words_needs_no_padding() {
        let mut out = Vec::new();
        packet(&mut out, Duration::MAX, &[0x45; 8]);
        assert_eq!(out.len(), 12 + 20 + 8);
        assert_eq!(out[12..20], [0xff; 8], "a time that cannot be said is the last that can");
    }
}
