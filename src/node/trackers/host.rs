//! The addresses of a host, in the order in which they are to be tried.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// The addresses of a host: those of the family of `bind` first, when it is given, because only
/// these are called from it and only there we listen; `::` is both families. Asking DNS blocks as
/// long as the system likes.
pub fn addresses_of(host: &str, port: u16, bind: Option<IpAddr>) -> io::Result<Vec<SocketAddr>> {
    let found = (host, port).to_socket_addrs()?;
    let mut found: Vec<SocketAddr> =
        found.map(|at| SocketAddr::new(at.ip().to_canonical(), at.port())).collect();
    if let Some(bind) = bind.filter(|ip| ip.is_ipv4() || !ip.is_unspecified()) {
        found.sort_by_key(|address| address.is_ipv4() != bind.is_ipv4());
    }
    found.dedup();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_name_server_and_keeps_its_port() {
        let found = addresses_of("127.0.0.1", 80, None).unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
        let found = addresses_of("::ffff:127.0.0.1", 80, None).unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
        let found = addresses_of("::1", 81, Some(IpAddr::from([127, 0, 0, 1]))).unwrap();
        assert_eq!(found, ["[::1]:81".parse().unwrap()]);
    }
}
