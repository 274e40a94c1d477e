//! Messages to the kernel's table of interfaces (rtnetlink, RFC 3549; the kernel's
//! include/uapi/linux/rtnetlink.h): an interface up, an address on it.
//!
//! ```text
//! | length u32 | type u16 | flags u16 | sequence u32 | port u32 |  what it is about | attributes
//! ```
//! Numbers are in the machine's own order of bytes.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const REQUEST_AND_ACK: u16 = 0x001 | 0x004;
const CREATE_NEW: u16 = 0x400 | 0x200;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const HEADER: usize = 16;

/// A way to the kernel's table of the namespace in which it was opened.
pub struct Table(OwnedFd);

impl Table {
    /// Opens the way.
    pub fn open() -> io::Result<Self> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        // The first protocol of netlink, which goes without saying, is about routes and interfaces.
        Ok(Self(socket_with(family, kind, SocketFlags::CLOEXEC, None)?))
    }

    /// Sends a message and waits for what the kernel says to it.
    pub fn ask(&self, message: &[u8]) -> io::Result<()> {
        sendto(&self.0, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = [0; 1024];
        let (len, _) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        verdict(&answer[..len])
    }
}

/// Takes an interface into use.
pub fn up(index: u32) -> Vec<u8> {
    let mut body = vec![0; 4]; // family, padding, type: as they are
    body.extend(index.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes()); // the flags that change
    message(RTM_NEWLINK, REQUEST_AND_ACK, &body)
}

/// Gives an interface an address; the first `prefix` bits are the network behind it.
pub fn address(index: u32, address: Ipv4Addr, prefix: u8) -> Vec<u8> {
    let mut body = vec![AF_INET, prefix, 0, 0]; // no flags, reaches everywhere
    body.extend(index.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        body.extend(8_u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(address.octets());
    }
    message(RTM_NEWADDR, REQUEST_AND_ACK | CREATE_NEW, &body)
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]); // one question at a time, to the kernel
    message.extend(body);
    message
}

/// What an answer says: an error of zero is "done".
fn verdict(answer: &[u8]) -> io::Result<()> {
    let nonsense =
        || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is no answer");
    let word = |at: usize| answer.get(at..at + 4).and_then(|word| word.first_chunk::<4>());
    let kind = answer.get(4..6).and_then(|word| word.first_chunk::<2>()).ok_or_else(nonsense)?;
    let error = i32::from_ne_bytes(*word(HEADER).ok_or_else(nonsense)?);
    match error {
        _ if u16::from_ne_bytes(*kind) != NLMSG_ERROR => Err(nonsense()),
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error.saturating_neg())),
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_taken_into_use_by_one_flag() {
        let expected = [
            32, 0, 0, 0, // length
            16, 0, 5, 0, // RTM_NEWLINK, request and acknowledge
            0, 0, 0, 0, 0, 0, 0, 0, // sequence, port
            0, 0, 0, 0, // any family and type
            2, 0, 0, 0, // index
            1, 0, 0, 0, 1, 0, 0, 0, // up, and nothing else
        ];
        assert_eq!(up(2), expected);
    }

    #[test]
    fn an_address_comes_with_its_network() {
        let expected = [
            40, 0, 0, 0, // length
            20, 0, 5, 6, // RTM_NEWADDR, request, acknowledge, create, exclusively
            0, 0, 0, 0, 0, 0, 0, 0, // sequence, port
            2, 8, 0, 0, // AF_INET, /8
            7, 0, 0, 0, // index
            8, 0, 2, 0, 10, 0, 0, 1, // IFA_LOCAL
            8, 0, 1, 0, 10, 0, 0, 1, // IFA_ADDRESS
        ];
        assert_eq!(address(7, Ipv4Addr::new(10, 0, 0, 1), 8), expected);
    }

    #[test]
    fn an_answer_is_an_error_of_zero_or_another() {
        let answer = |kind: u8, error: i32| {
            let mut answer = vec![36, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            answer.extend(error.to_le_bytes());
            verdict(&answer).map_err(|why| why.kind())
        };
        assert_eq!(answer(2, 0), Ok(()));
        assert_eq!(answer(2, -1), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(answer(3, 0), Err(io::ErrorKind::InvalidData));
        for len in 0..20 {
            assert!(verdict(&[2; 20][..len]).is_err(), "{len} bytes");
        }
    }
}
