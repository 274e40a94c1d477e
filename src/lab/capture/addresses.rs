//! Addresses of a capture: IPv4 as they are, all others one of a range that nobody has.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// 198.18.0.0/15, for benchmarks (RFC 2544, appendix C): 131,072 addresses.
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const COUNT: u32 = 1 << 17;

/// Where nodes are supposed to listen whose names are no addresses.
const PORT: u16 = 6881;

/// Which address stands for which.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    made_up: HashMap<String, Ipv4Addr>,
}

impl Addresses {
    /// An address as one of IPv4.
    pub fn of(&mut self, address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
                Some(ip) => SocketAddrV4::new(ip, v6.port()),
                None => SocketAddrV4::new(self.next(&v6.ip().to_string()), v6.port()),
            },
        }
    }

    /// The address of a node or tracker, by its name.
    pub fn of_node(&mut self, name: &str) -> SocketAddrV4 {
        match name.parse() {
            Ok(address) => self.of(address),
            Err(_) => SocketAddrV4::new(self.next(name), PORT),
        }
    }

    fn next(&mut self, of: &str) -> Ipv4Addr {
        // Nobody draws so many peers; those beyond share addresses from the first on.
        let next = FIRST + (self.made_up.len() as u32 + 1) % COUNT;
        *self.made_up.entry(of.to_owned()).or_insert(Ipv4Addr::from(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ipv4_gets_an_address_of_its_own_and_keeps_its_port() {
        let mut addresses = Addresses::default();
        let mut check = |name: &str, expected: &str| {
            assert_eq!(addresses.of_node(name).to_string(), expected, "{name}");
        };
        check("127.0.0.1:7", "127.0.0.1:7");
        check("[::ffff:10.0.0.1]:7", "10.0.0.1:7");
        check("[2001:db8::1]:7", "198.18.0.1:7");
        check("abcdefghijkl", "198.18.0.2:6881");
        check("[2001:db8::1]:8", "198.18.0.1:8");
    }
}
