//! Which addresses a URL may lead to.
//!
//! URLs come from strangers: in a .torrent, in a magnet link, in a redirect. Services of our own
//! machine and network trust whoever can call them, so a stranger's URL must not make us call them
//! for it. The rule is about the address that is called; the text of a URL says little about that.

use super::{is_local, is_loopback};
use std::net::IpAddr;

/// Which addresses a URL may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All: the user named the URL, or whatever it asks for does no harm.
    Anywhere,
    /// Not those of our own machine.
    NotThisMachine,
    /// Neither those of our own machine nor private ones.
    Outside,
}

impl Reach {
    /// Whether an address may be called.
    pub fn allows(self, ip: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::NotThisMachine => !is_loopback(ip),
            Self::Outside => !is_local(ip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reach_ends_where_it_says() {
        let check = |reach: Reach, expected: [bool; 5]| {
            let ips = ["127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1", "10.0.0.1", "9.9.9.9"];
            let allowed = ips.map(|ip| reach.allows(ip.parse().unwrap()));
            assert_eq!(allowed, expected, "{reach:?}");
        };
        check(Reach::Anywhere, [true; 5]);
        check(Reach::NotThisMachine, [false, false, false, true, true]);
        check(Reach::Outside, [false, false, false, false, true]);
    }
}
