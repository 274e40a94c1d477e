//! Packets: IPv4, TCP and UDP headers with their checksums, in front of a payload.
//!
//! Only what a capture needs (RFC 791, 9293, 768): no fragments, no options but those of a SYN.

use std::net::SocketAddrV4;

/// TCP's flags.
pub(super) const FIN: u8 = 0x01;
pub(in crate::lab) const SYN: u8 = 0x02;
pub(in crate::lab) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(in crate::lab) const ACK: u8 = 0x10;

const IP_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// Bytes of payload that a datagram can have.
pub(super) const MOST_UDP: usize = u16::MAX as usize - IP_HEADER - UDP_HEADER;

const TTL: u8 = 64;
const DONT_FRAGMENT: u16 = 0x4000;

/// In units of 128 bytes, as the SYN says: 8 MiB, which is more than is ever on its way.
const WINDOW: u16 = u16::MAX;

/// What a SYN says: segments of 1460 bytes (kind 2), windows in units of 2^7 (kind 3).
const SYN_OPTIONS: [u8; 8] = [2, 4, 0x05, 0xb4, 1, 3, 3, 7];

/// What of TCP's header is not always the same.
#[derive(Debug, Clone, Copy)]
pub(in crate::lab) struct Segment {
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
}

/// A TCP packet.
pub(in crate::lab) fn tcp(head: &Segment, ip_id: u16, payload: &[u8]) -> Vec<u8> {
    let options: &[u8] = if head.flags & SYN == 0 { &[] } else { &SYN_OPTIONS };
    let length = TCP_HEADER + options.len() + payload.len();
    let mut out = ip(head.from, head.to, 6, ip_id, length);
    out.extend(head.from.port().to_be_bytes());
    out.extend(head.to.port().to_be_bytes());
    out.extend(head.seq.to_be_bytes());
    out.extend(head.ack.to_be_bytes());
    out.push((((TCP_HEADER + options.len()) / 4) << 4) as u8);
    out.push(head.flags);
    out.extend(WINDOW.to_be_bytes());
    out.extend([0; 4]); // checksum and urgent pointer
    out.extend(options);
    out.extend(payload);
    let sum = of_transport(&out[IP_HEADER..], head.from, head.to, 6);
    out[IP_HEADER + 16..IP_HEADER + 18].copy_from_slice(&sum.to_be_bytes());
    out
}

/// A UDP packet; `payload` is at most [`MOST_UDP`] bytes.
pub(super) fn udp(from: SocketAddrV4, to: SocketAddrV4, ip_id: u16, payload: &[u8]) -> Vec<u8> {
    let length = UDP_HEADER + payload.len();
    let mut out = ip(from, to, 17, ip_id, length);
    out.extend(from.port().to_be_bytes());
    out.extend(to.port().to_be_bytes());
    out.extend((length as u16).to_be_bytes());
    out.extend([0; 2]);
    out.extend(payload);
    // Zero would say that there is no checksum (RFC 768).
    let sum = match of_transport(&out[IP_HEADER..], from, to, 17) {
        0 => u16::MAX,
        sum => sum,
    };
    out[IP_HEADER + 6..IP_HEADER + 8].copy_from_slice(&sum.to_be_bytes());
    out
}

/// An IPv4 header in front of so many bytes.
fn ip(from: SocketAddrV4, to: SocketAddrV4, protocol: u8, id: u16, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(IP_HEADER + length);
    out.extend([0x45, 0]);
    out.extend(((IP_HEADER + length) as u16).to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend(DONT_FRAGMENT.to_be_bytes());
    out.extend([TTL, protocol, 0, 0]);
    out.extend(from.ip().octets());
    out.extend(to.ip().octets());
    let sum = folded(sum_of(&out));
    out[10..12].copy_from_slice(&sum.to_be_bytes());
    out
}

/// The checksum over the pseudo header and what follows it (RFC 9293, 3.1).
fn of_transport(bytes: &[u8], from: SocketAddrV4, to: SocketAddrV4, protocol: u8) -> u16 {
    let mut pseudo = [0; 12];
    pseudo[..4].copy_from_slice(&from.ip().octets());
    pseudo[4..8].copy_from_slice(&to.ip().octets());
    pseudo[9] = protocol;
    pseudo[10..].copy_from_slice(&(bytes.len() as u16).to_be_bytes());
    folded(sum_of(&pseudo) + sum_of(bytes))
}

/// The sum of 16-bit words; a last byte stands for a word with a zero behind it (RFC 1071).
fn sum_of(bytes: &[u8]) -> u64 {
    let (words, last) = bytes.as_chunks::<2>();
    let sum: u64 = words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum();
    sum + last.first().map_or(0, |&byte| u64::from(byte) << 8)
}

fn folded(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What a receiver does: the sum over everything, the checksum included, is all ones.
#[cfg(test)]
pub(in crate::lab) fn is_right(packet: &[u8]) -> bool {
    let end = |at: usize| {
        let ip: [u8; 4] = packet[at..at + 4].try_into().unwrap();
        SocketAddrV4::new(ip.into(), 0)
    };
    let whole = usize::from(u16::from_be_bytes([packet[2], packet[3]])) == packet.len();
    let head = folded(sum_of(&packet[..20])) == 0;
    whole && head && of_transport(&packet[20..], end(12), end(16), packet[9]) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_hold_for_even_and_odd_payloads() {
        let (from, to) = ("10.0.0.1:6881".parse().unwrap(), "10.0.0.2:49152".parse().unwrap());
        let segment = Segment { from, to, seq: 7, ack: 8, flags: ACK };
        for length in 0..5 {
            assert!(is_right(&tcp(&segment, 1, &vec![0xab; length])));
            assert!(is_right(&udp(from, to, 1, &vec![0xab; length])));
        }
        assert!(is_right(&tcp(&Segment { flags: SYN, ..segment }, 1, &[])));
        let mut wrong = tcp(&segment, 1, &[1, 2]);
        wrong[40] ^= 1;
        assert!(!is_right(&wrong));
    }

    /// The example that everybody computes: an IPv4 header without payload, RFC 791's fields.
    #[test]
    fn an_ip_header_is_written_field_by_field() {
        let (from, to) = ("192.168.0.1:0".parse().unwrap(), "192.168.0.199:0".parse().unwrap());
        let mut expected = vec![0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11];
        expected.extend([0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7]);
        assert_eq!(ip(from, to, 17, 0, 0x73 - 20), expected);
    }
}
