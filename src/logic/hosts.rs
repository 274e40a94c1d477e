//! Which `Host` of a request over HTTP means the program that was asked.
//!
//! A page of a stranger's whose name was made to point at this machine (DNS rebinding) may read
//! what it asks for, but it cannot change the name that the browser says it asked. So whoever
//! speaks to people's browsers on a loopback address answers to its own names only.

use std::net::{IpAddr, Ipv6Addr};

/// Whether a `Host` means a server at `port`: `localhost` or any address, with that port or none; or
/// one of the `others`, in lower case, with any port, because what stands before us may have
/// another.
pub fn names_us(host: &str, port: u16, others: &[String]) -> bool {
    let (name, given) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, given)) if name.parse::<Ipv6Addr>().is_ok() => (name, given),
        Some(_) => return false,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let given = match given.strip_prefix(':') {
        None if given.is_empty() => None,
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            let Ok(given) = digits.parse::<u16>() else { return false };
            Some(given)
        }
        _ => return false,
    };
    let is_usual = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    let is_listed = others.iter().any(|known| name.eq_ignore_ascii_case(known));
    is_listed || (is_usual && given.is_none_or(|given| given == port))
}

/// Whether a request comes from a page of ours, or from no page: its `Origin`, if there is one, is
/// the host that it asked, and its `Sec-Fetch-Site`, if there is one, is neither `cross-site` nor,
/// without such an `Origin`, `same-site`: another port of this machine is the same site to a browser
/// (an image of a page there comes without any `Origin`), and another program to us.
pub fn is_own_page(host: &str, origin: Option<&str>, fetch_site: Option<&str>) -> bool {
    let is_own = |origin: &str| {
        let rest = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        rest.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    let is_far = |site: &str| {
        let is_near = site.eq_ignore_ascii_case("same-site");
        site.eq_ignore_ascii_case("cross-site") || (is_near && origin.is_none())
    };
    origin.is_none_or(is_own) && !fetch_site.is_some_and(is_far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        let others = ["box.example".to_owned()];
        let check = |host: &str, expected| {
            assert_eq!(names_us(host, 9091, &others), expected, "{host}");
        };
        for host in ["localhost:9091", "LOCALHOST", "127.0.0.1:9091", "[::1]:9091", "[::1]"] {
            check(host, true);
        }
        for host in ["192.168.1.10:9091", "[fe80::1]:9091", "box.example", "BOX.EXAMPLE:443"] {
            check(host, true);
        }
        for host in ["localhost:9092", "127.0.0.1:80", "evil.test", "evil.test:9091", "", ":9091"] {
            check(host, false);
        }
        for host in ["localhost.evil.test", "127.0.0.1.evil.test", "[evil.test]:9091", "[::1]x"] {
            check(host, false);
        }
        for host in ["localhost:", "localhost:+9091", "localhost:99091", "me@localhost:9091"] {
            check(host, false);
        }
        for host in ["localhost:9091:9091", "localhost 9091", "localhost/", "::1", "0x7f.1:9091"] {
            check(host, false);
        }
    }

    #[test]
    fn a_page_is_ours_by_its_origin_and_by_its_site() {
        let check = |origin: Option<&str>, site: Option<&str>, expected| {
            assert_eq!(
                is_own_page("localhost:9091", origin, site),
                expected,
                "{origin:?} {site:?}"
            );
        };
        check(None, None, true);
        check(Some("http://localhost:9091"), Some("same-origin"), true);
        check(Some("https://LOCALHOST:9091"), Some("none"), true);
        for origin in ["http://localhost", "http://127.0.0.1:9091", "null", "", "localhost:9091"] {
            check(Some(origin), None, false);
        }
        check(None, Some("Cross-Site"), false);
        check(None, Some("same-site"), false);
        check(Some("http://localhost:3000"), Some("same-site"), false);
        check(Some("http://localhost:9091"), Some("same-site"), true);
        check(Some("http://localhost:9091"), Some("cross-site"), false);
    }
}
