//! Whom each native peer serves, as it said last: for people to look at, under `--dashboard`.
//!
//! What is kept is a LINKS' body as it came, of [`MOST_HOLDERS`] peers at most, and for as long as a
//! peer may be silent: a peer that says it no more is forgotten, and who is not registered is never
//! kept.

use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crate::protocol::tracker_native::links::are_links;
use crate::protocol::tracker_native::{PeerLink, read_links};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Peers at most whose links are kept, over all contents.
pub const MOST_HOLDERS: usize = 10_000;

/// How often a full table is searched for what is over.
const SEARCH_EVERY: Duration = Duration::from_secs(1);

/// What peers said of whom they serve.
#[derive(Debug)]
pub struct LinkTable {
    said: HashMap<(InfoHashV2, SocketAddr), Said>,
    /// How long it holds.
    expire: Duration,
    searched: Moment,
}

#[derive(Debug)]
struct Said {
    at: Moment,
    body: Box<[u8]>,
}

impl LinkTable {
    /// Nothing said. What is said holds for `expire`.
    pub fn new(expire: Duration) -> Self {
        Self { said: HashMap::new(), expire, searched: Moment::START }
    }

    /// A registered peer said whom it serves; false if that makes no sense, or there is no room.
    pub fn on_links(
        &mut self,
        now: Moment,
        hash: InfoHashV2,
        from: SocketAddr,
        body: &[u8],
    ) -> bool {
        if !are_links(body) {
            return false;
        }
        if self.said.len() >= MOST_HOLDERS && !self.said.contains_key(&(hash, from)) {
            self.search(now);
            if self.said.len() >= MOST_HOLDERS {
                return false;
            }
        }
        self.said.insert((hash, from), Said { at: now, body: body.into() });
        true
    }

    /// A peer stopped.
    pub fn on_stopped(&mut self, hash: InfoHashV2, from: SocketAddr) {
        self.said.remove(&(hash, from));
    }

    /// Whom a peer serves; `None` if it has not said so lately.
    pub fn of(
        &self,
        now: Moment,
        hash: InfoHashV2,
        from: SocketAddr,
    ) -> Option<impl Iterator<Item = PeerLink>> {
        let said = self.said.get(&(hash, from)).filter(|said| self.holds(now, said))?;
        Some(read_links(&said.body).filter_map(Result::ok))
    }

    fn holds(&self, now: Moment, said: &Said) -> bool {
        now.since(said.at) < self.expire
    }

    /// Forgets what is over, which takes a look at everything.
    fn search(&mut self, now: Moment) {
        if now.since(self.searched) >= SEARCH_EVERY {
            self.searched = now;
            let expire = self.expire;
            self.said.retain(|_, said| now.since(said.at) < expire);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tracker_native::{LinkStanding, put_link};

    const HASH: InfoHashV2 = InfoHashV2([7; 32]);

    fn at(secs: u64) -> Moment {
        Moment::after(Duration::from_secs(secs))
    }

    fn peer(n: u32) -> SocketAddr {
        (n.to_be_bytes(), 6881).into()
    }

    fn body(to: u32) -> Vec<u8> {
        let mut body = Vec::new();
        put_link(&mut body, &PeerLink { to: peer(to), rate: 5, standing: LinkStanding::Served });
        body
    }

    fn to(table: &LinkTable, now: Moment, from: u32) -> Option<Vec<SocketAddr>> {
        Some(table.of(now, HASH, peer(from))?.map(|link| link.to).collect())
    }

    #[test]
    fn the_last_word_counts_until_it_is_old_or_its_peer_stops() {
        let mut table = LinkTable::new(Duration::from_secs(15));
        assert!(table.on_links(at(1), HASH, peer(1), &body(2)));
        assert!(table.on_links(at(2), HASH, peer(1), &body(3)));
        assert_eq!(to(&table, at(16), 1), Some(vec![peer(3)]));
        assert_eq!((to(&table, at(17), 1), to(&table, at(2), 2)), (None, None));
        assert!(table.on_links(at(20), HASH, peer(1), &[]));
        assert_eq!(to(&table, at(20), 1), Some(vec![]), "it serves nobody");
        table.on_stopped(HASH, peer(1));
        assert_eq!(to(&table, at(20), 1), None);
    }

    #[test]
    fn what_makes_no_sense_is_not_kept() {
        let mut table = LinkTable::new(Duration::from_secs(15));
        assert!(!table.on_links(at(1), HASH, peer(1), &[1, 2, 3]));
        assert!(!table.on_links(at(1), HASH, peer(1), &body(2).repeat(65)));
        assert_eq!(to(&table, at(1), 1), None);
    }

    #[test]
    fn a_full_table_takes_nobody_in_until_somebody_is_silent_too_long() {
        let mut table = LinkTable::new(Duration::from_secs(15));
        for n in 0..MOST_HOLDERS as u32 {
            assert!(table.on_links(at(u64::from(n > 0)), HASH, peer(n), &body(0)));
        }
        assert!(!table.on_links(at(14), HASH, peer(u32::MAX), &body(0)));
        assert!(table.on_links(at(14), HASH, peer(1), &body(2)), "it is there already");
        assert!(table.on_links(at(15), HASH, peer(u32::MAX), &body(0)));
        assert_eq!(to(&table, at(15), 0), None, "it went");
        assert_eq!(table.said.len(), MOST_HOLDERS);
    }
}
