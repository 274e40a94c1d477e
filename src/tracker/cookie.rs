//! Proof that an asker receives at the address it sends from, without memory per asker.
//!
//! ```text
//! cookie = epoch:u16be  hash:48 bits       epoch = 64 s
//! hash   = SipHash-2-4(key, tag, whole epoch, address, port), cut
//! ```
//! A BitTorrent connection id (BEP 15) is made the same way, without the port, and its first bit
//! is set, so that no datagram that begins with one can be taken for a native one:
//!
//! ```text
//! connection id = 1:1 bit  epoch:15 bits  hash:48 bits
//! ```
//! SipHash is made for short inputs and a secret key of 128 bits; RFC 9018 makes DNS cookies with
//! it. This epoch and the two before are accepted, so a cookie lives 128 to 192 s. The key is drawn
//! at every start, so cookies of an earlier run are void. Cookies are compared in constant time;
//! a wrong one is met with silence.

use crate::clock::Moment;
use siphasher::sip::SipHasher24;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};

/// How long an epoch is, in seconds.
const EPOCH_SECS: u64 = 64;

/// How many epochs before the present one are accepted.
const OLDER_EPOCHS: u64 = 2;

/// Keeps the uses of the key apart.
const NATIVE: u8 = b'n';
const BITTORRENT: u8 = b'b';

/// The first bit of a connection id, and those of its epoch.
const FIRST_BIT: u16 = 0x8000;
const EPOCH_BITS: u16 = 0x7fff;

/// The key that cookies are made with.
pub struct Cookies {
    key: [u8; 16],
}

impl Cookies {
    /// A key from the randomness that the system gave this process for its hash tables.
    pub fn random() -> Self {
        let source = RandomState::new();
        let mut key = [0; 16];
        for (n, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&source.hash_one(n).to_le_bytes());
        }
        Self { key }
    }

    /// The cookie of an asker, now.
    pub fn of(&self, now: Moment, asker: SocketAddr) -> [u8; 8] {
        self.native_in(epoch(now), asker)
    }

    /// Whether a cookie is this asker's, and young enough.
    pub fn accepts(&self, now: Moment, asker: SocketAddr, cookie: [u8; 8]) -> bool {
        let claimed = u16::from_be_bytes([cookie[0], cookie[1]]);
        let age = u64::from((epoch(now) as u16).wrapping_sub(claimed));
        let right = match epoch(now).checked_sub(age) {
            Some(epoch) if age <= OLDER_EPOCHS => self.native_in(epoch, asker),
            _ => return false,
        };
        are_equal(right, cookie)
    }

    /// The BitTorrent connection id of an asker, now. It holds for all its ports, because some
    /// clients announce from another one than they connected from.
    pub fn connection_id(&self, now: Moment, asker: IpAddr) -> u64 {
        u64::from_be_bytes(self.connection_in(epoch(now), asker))
    }

    /// Whether a BitTorrent connection id is this asker's, and young enough.
    pub fn accepts_connection(&self, now: Moment, asker: IpAddr, id: u64) -> bool {
        let claimed = (id >> 48) as u16;
        let age = u64::from((epoch(now) as u16).wrapping_sub(claimed) & EPOCH_BITS);
        let right = match epoch(now).checked_sub(age) {
            Some(epoch) if age <= OLDER_EPOCHS => self.connection_in(epoch, asker),
            _ => return false,
        };
        are_equal(right, id.to_be_bytes())
    }

    fn native_in(&self, epoch: u64, asker: SocketAddr) -> [u8; 8] {
        self.join(epoch as u16, NATIVE, epoch, asker)
    }

    fn connection_in(&self, epoch: u64, asker: IpAddr) -> [u8; 8] {
        self.join(epoch as u16 | FIRST_BIT, BITTORRENT, epoch, SocketAddr::new(asker, 0))
    }

    fn join(&self, begin: u16, tag: u8, epoch: u64, asker: SocketAddr) -> [u8; 8] {
        let ip = match asker.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut proven = [tag; 27];
        proven[1..9].copy_from_slice(&epoch.to_be_bytes());
        proven[9..25].copy_from_slice(&ip.octets());
        proven[25..].copy_from_slice(&asker.port().to_be_bytes());
        let hash = SipHasher24::new_with_key(&self.key).hash(&proven);
        let mut cookie = hash.to_be_bytes();
        cookie[..2].copy_from_slice(&begin.to_be_bytes());
        cookie
    }
}

fn are_equal(right: [u8; 8], given: [u8; 8]) -> bool {
    let differing = right.iter().zip(given).fold(0, |bits, (a, b)| bits | (a ^ b));
    black_box(differing) == 0
}

fn epoch(now: Moment) -> u64 {
    now.elapsed().as_secs() / EPOCH_SECS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const KEY: Cookies = Cookies { key: [7; 16] };

    fn at(secs: u64) -> Moment {
        Moment::after(Duration::from_secs(secs))
    }

    fn asker(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_cookie_is_good_for_one_address_and_port() {
        let cookie = KEY.of(at(10), asker("127.0.0.2:5000"));
        assert!(KEY.accepts(at(10), asker("127.0.0.2:5000"), cookie));
        assert!(!KEY.accepts(at(10), asker("127.0.0.3:5000"), cookie));
        assert!(!KEY.accepts(at(10), asker("127.0.0.2:5001"), cookie));
        assert!(!Cookies { key: [8; 16] }.accepts(at(10), asker("127.0.0.2:5000"), cookie));
    }

    #[test]
    fn a_cookie_lives_between_128_and_192_seconds() {
        let peer = asker("[2001:db8::1]:1");
        for made in [0, 1, 63, 64, 1000] {
            let cookie = KEY.of(at(made), peer);
            assert!(KEY.accepts(at(made + 128), peer, cookie), "made at {made}");
            assert!(!KEY.accepts(at(made + 193), peer, cookie), "made at {made}");
        }
        let tomorrow = KEY.of(at(86_400), peer);
        assert!(!KEY.accepts(at(10), peer, tomorrow), "from a far future");
        let wrapped = KEY.of(at(0), peer);
        assert!(
            !KEY.accepts(at(65_536 * EPOCH_SECS), peer, wrapped),
            "the short epoch came round again"
        );
    }

    #[test]
    fn a_connection_id_is_good_for_one_address_and_lives_as_long() {
        let (here, there) = (asker("127.0.0.2:1").ip(), asker("127.0.0.3:1").ip());
        for made in [0, 1, 63, 64, 1000, 0x7fff * EPOCH_SECS, 0x1_0000 * EPOCH_SECS] {
            let id = KEY.connection_id(at(made), here);
            assert_eq!(id >> 63, 1, "its first bit tells it from a magic");
            assert!(KEY.accepts_connection(at(made + 128), here, id), "made at {made}");
            assert!(!KEY.accepts_connection(at(made + 193), here, id), "made at {made}");
            assert!(!KEY.accepts_connection(at(made), there, id));
            assert!(!KEY.accepts_connection(at(made), here, id ^ 1));
        }
        let native = u64::from_be_bytes(KEY.of(at(1), asker("127.0.0.2:0")));
        assert!(!KEY.accepts_connection(at(1), here, native | 1 << 63), "another use of the key");
    }

    #[test]
    fn a_million_guesses_open_nothing() {
        let cookies = Cookies::random();
        let mut rng = fastrand::Rng::with_seed(1);
        let peer = asker("127.0.0.1:6881");
        let now = at(1000);
        for _ in 0..1_000_000 {
            let mut guess = rng.u64(..).to_be_bytes();
            guess[..2].copy_from_slice(&(epoch(now) as u16).to_be_bytes());
            assert!(!cookies.accepts(now, peer, guess));
        }
    }
}
