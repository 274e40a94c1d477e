//! How many registrations each address has.

use std::collections::HashMap;
use std::net::IpAddr;

/// Counts by address; an IPv6 customer has at least a /64 to choose from, which counts as one.
#[derive(Default)]
pub(super) struct Crowd {
    four: HashMap<[u8; 4], u32>,
    six: HashMap<[u8; 8], u32>,
}

impl Crowd {
    pub fn count(&self, ip: IpAddr) -> usize {
        let count = match ip {
            IpAddr::V4(ip) => self.four.get(&ip.octets()),
            IpAddr::V6(ip) => self.six.get(ip.octets().first_chunk::<8>().expect("8 of 16 bytes")),
        };
        count.copied().unwrap_or(0) as usize
    }

    pub fn join(&mut self, ip: IpAddr) {
        *match ip {
            IpAddr::V4(ip) => self.four.entry(ip.octets()).or_default(),
            IpAddr::V6(ip) => {
                let net = ip.octets().first_chunk::<8>().copied().expect("8 of 16 bytes");
                self.six.entry(net).or_default()
            }
        } += 1;
    }

    pub fn leave(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => leave(&mut self.four, &ip.octets()),
            IpAddr::V6(ip) => {
                let net = ip.octets().first_chunk::<8>().copied().expect("8 of 16 bytes");
                leave(&mut self.six, &net);
            }
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.four.len() + self.six.len()
    }
}

/// Whom an address stands for: itself, or an IPv6 customer's /64.
pub(super) fn customer(ip: IpAddr) -> [u8; 8] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(ip) => ip.octets().first_chunk::<8>().copied().expect("8 of 16 bytes"),
    }
}

fn leave<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    let Some(count) = counts.get_mut(key) else { return };
    *count -= 1;
    if *count == 0 {
        counts.remove(key);
        if counts.len() * 8 < counts.capacity() && counts.capacity() > 1024 {
            counts.shrink_to(counts.len() * 2);
        }
    }
}
