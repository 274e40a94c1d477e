//! Addresses: one form for each, which may be called, and who may speak of them.

use crate::logic::{is_local, is_loopback};
use std::net::{IpAddr, SocketAddr};

/// The one form of an address: who is called `::ffff:a.b.c.d` has an IPv4 address (RFC 4291,
/// 2.5.5.2), whoever says it and whatever socket hears it.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Whether one may be told of an address who is at `other`, and is believed when it tells of it. Who
/// is not on our machine knows nothing of the loopback, and who is not on our network nothing of
/// private addresses: there they lead to others than are meant, if not to a service that is to be
/// harmed.
pub fn may_tell(address: SocketAddr, other: IpAddr) -> bool {
    if is_loopback(address.ip()) {
        is_loopback(other)
    } else {
        !is_local(address.ip()) || is_local(other)
    }
}

/// Whether an address may be called at all: port 0, multicast, broadcast and unspecified never.
pub fn can_be_dialled(address: SocketAddr) -> bool {
    let ip_fits = match address.ip().to_canonical() {
        IpAddr::V4(ip) => !(ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified()),
        IpAddr::V6(ip) => !(ip.is_multicast() || ip.is_unspecified()),
    };
    ip_fits && address.port() != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_has_one_form_whatever_socket_hears_it() {
        let check = |from: &str, expected: &str| {
            assert_eq!(canonical(from.parse().unwrap()), expected.parse().unwrap(), "{from}");
        };
        check("[::ffff:203.0.113.7]:4000", "203.0.113.7:4000");
        check("203.0.113.7:4000", "203.0.113.7:4000");
        check("[2001:db8::7]:4000", "[2001:db8::7]:4000");
        check("[fe80::7%3]:4000", "[fe80::7%3]:4000");
        check("[::1]:4000", "[::1]:4000");
    }

    #[test]
    fn our_own_machine_and_network_are_spoken_of_among_ourselves_only() {
        let check = |told: &str, loopback, private, public| {
            let told = SocketAddr::new(told.parse().unwrap(), 9091);
            let may =
                ["127.0.0.2", "10.0.0.1", "9.9.9.9"].map(|ip| may_tell(told, ip.parse().unwrap()));
            assert_eq!(may, [loopback, private, public], "{told}");
            let mapped = ["::1", "::ffff:10.0.0.1", "::ffff:9.9.9.9"];
            assert_eq!(mapped.map(|ip| may_tell(told, ip.parse().unwrap())), may, "{told}");
        };
        for here in ["127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1"] {
            check(here, true, false, false);
        }
        for near in ["192.168.1.1", "fe80::1", "fd00::1", "::ffff:10.0.0.7"] {
            check(near, true, true, false);
        }
        check("9.9.9.8", true, true, true);
        check("2001:db8::1", true, true, true);
    }

    #[test]
    fn what_no_peer_can_have_is_not_called() {
        let check = |text: &str, expected: bool| {
            assert_eq!(can_be_dialled(text.parse().unwrap()), expected, "{text}");
        };
        for bad in ["127.0.0.1:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[::]:1"] {
            check(bad, false);
        }
        for bad in ["[ff02::1]:1", "[::ffff:224.0.0.1]:1", "[::ffff:0.0.0.0]:1"] {
            check(bad, false);
        }
        for good in ["127.0.0.1:1", "9.9.9.9:6881", "[2001:db8::1]:6881"] {
            check(good, true);
        }
    }
}
