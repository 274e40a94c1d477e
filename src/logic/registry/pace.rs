//! How often each address announces: a table of fixed size, whoever comes.
//!
//! ```text
//! slots   .. | paid until | ..        an address has two, found by a keyed hash
//! ```
//! A slot is the moment until which its announces are paid for: each adds its share of a second, and
//! no more than [`BURST`] may be paid ahead (the generic cell rate algorithm of ATM, 1993). An
//! address is held back only when both of its slots are full, so a crowd of attackers slows few
//! others, and nobody who does not know the key chooses whom.

use super::crowd::customer;
use crate::clock::Moment;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

const SLOTS: usize = 65_536;

/// What may come at once: so many seconds' announces.
const BURST: Duration = Duration::from_secs(10);

/// Announces by address.
pub(super) struct Pace {
    /// Nanoseconds since the start.
    paid_until: Box<[u64]>,
    /// Nanoseconds for each announce.
    step: u64,
    hasher: RandomState,
}

impl Pace {
    /// At most so many announces a second from an address; any number if zero.
    pub fn new(a_second: u32) -> Self {
        let step = 1_000_000_000_u64.checked_div(a_second.into()).unwrap_or(0);
        let slots = if step == 0 { 0 } else { SLOTS };
        Self { paid_until: vec![0; slots].into(), step, hasher: RandomState::new() }
    }

    /// Whether an address may announce now; if so, that is paid for.
    pub fn allows(&mut self, now: Moment, ip: IpAddr) -> bool {
        if self.step == 0 {
            return true;
        }
        let now = u64::try_from(now.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let hash = self.hasher.hash_one(customer(ip)) as usize;
        let slots = [hash % SLOTS, hash / SLOTS % SLOTS];
        let paid = slots.map(|slot| self.paid_until[slot]).into_iter().min().unwrap_or(0).max(now);
        if paid - now > BURST.as_nanos() as u64 - self.step {
            return false;
        }
        for slot in slots {
            self.paid_until[slot] = self.paid_until[slot].max(paid + self.step);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    fn ip(n: u32) -> IpAddr {
        IpAddr::from((0x0100_0000 + n).to_be_bytes())
    }

    #[test]
    fn an_address_has_a_burst_and_then_its_rate() {
        let mut pace = Pace::new(200);
        let burst = (0..5000).filter(|_| pace.allows(at(7), ip(1))).count();
        assert_eq!(burst, 2000);
        let second = (0..5000).filter(|n| pace.allows(at(7 + n / 5), ip(1))).count();
        assert_eq!(second, 199);
        assert!(pace.allows(at(7), ip(2)), "others are not meant");
        assert_eq!((0..5000).filter(|_| pace.allows(at(60_000), ip(1))).count(), 2000);
    }

    #[test]
    fn zero_is_no_limit() {
        let mut pace = Pace::new(0);
        assert!((0..100_000).all(|_| pace.allows(at(0), ip(1))));
    }

    #[test]
    fn a_thousand_attackers_hold_back_hardly_anybody_else() {
        let mut pace = Pace::new(10);
        for n in 0..1000 {
            while pace.allows(at(0), ip(n)) {}
        }
        let held_back = (1000..101_000).filter(|&n| !pace.allows(at(0), ip(n))).count();
        assert!(held_back < 500, "{held_back} of 100,000");
    }

    #[test]
    fn all_addresses_of_an_ipv6_customer_are_one() {
        let mut pace = Pace::new(1);
        let of = |host: u16| IpAddr::from([0x2001, 0xdb8, 1, 2, 0, 0, 0, host]);
        assert_eq!((0..100).filter(|&n| pace.allows(at(0), of(n))).count(), 10);
        assert!(pace.allows(at(0), IpAddr::from([0x2001, 0xdb8, 1, 3, 0, 0, 0, 1])));
    }
}
