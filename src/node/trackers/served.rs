//! Whom we serve, as a tracker is told that draws the swarm.
//!
//! Those who are served come first, the fastest at the top, then those who want something and get
//! nothing: what does not fit a datagram is the least.

use crate::logic::swarm::{PeerStatus, Standing};
use crate::protocol::tracker_native::{LinkStanding, MAX_LINKS, PeerLink};
use std::cmp::Reverse;
use std::net::SocketAddr;

/// The links to these peers, each with the address that it listens at; as many as are told.
pub fn links_of(peers: impl Iterator<Item = (SocketAddr, PeerStatus)>) -> Vec<PeerLink> {
    let mut links: Vec<PeerLink> = peers.filter_map(|(to, status)| link(to, &status)).collect();
    let is_choked = |link: &PeerLink| link.standing == LinkStanding::Choked;
    links.sort_by_key(|link| (is_choked(link), Reverse(link.rate), link.to));
    links.truncate(MAX_LINKS);
    links
}

/// What goes to a peer; `None` if nothing does and it wants nothing.
fn link(to: SocketAddr, status: &PeerStatus) -> Option<PeerLink> {
    let standing = match status.standing {
        Standing::Choked => LinkStanding::Choked,
        Standing::Unchoked => LinkStanding::Served,
        Standing::Optimistic => LinkStanding::OnTrial,
    };
    let to = SocketAddr::new(to.ip().to_canonical(), to.port());
    let rate = u32::try_from(status.takes).unwrap_or(u32::MAX);
    (status.peer_interested || rate > 0).then_some(PeerLink { to, rate, standing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::PeerKey;

    fn peer(n: u8, standing: Standing, takes: u64, wants: bool) -> (SocketAddr, PeerStatus) {
        let address = SocketAddr::from(([10, 0, 0, n], 6881));
        let status = PeerStatus {
            peer: PeerKey(n.into()),
            address,
            pieces: 0,
            wanted: 0,
            gives: 0,
            given: 0,
            takes,
            requests: 0,
            in_flight: 0,
            window: 0,
            round_trip: None,
            snubbed: false,
            standing,
            why: None,
            weight: 1000,
            peer_choking: true,
            am_interested: false,
            peer_interested: wants,
        };
        (address, status)
    }

    fn told(peers: Vec<(SocketAddr, PeerStatus)>) -> Vec<String> {
        let line = |link: PeerLink| format!("{} {:?} {}", link.to.ip(), link.standing, link.rate);
        links_of(peers.into_iter()).into_iter().map(line).collect()
    }

    #[test]
    fn those_who_are_served_come_first_and_who_wants_nothing_is_left_out() {
        let peers = vec![
            peer(1, Standing::Choked, 0, true),
            peer(2, Standing::Unchoked, 5, true),
            peer(3, Standing::Choked, 0, false),
            peer(4, Standing::Optimistic, 9, true),
            peer(5, Standing::Choked, 7, false),
        ];
        let expected =
            ["10.0.0.4 OnTrial 9", "10.0.0.2 Served 5", "10.0.0.5 Choked 7", "10.0.0.1 Choked 0"];
        assert_eq!(told(peers), expected);
    }

    #[test]
    fn no_more_are_told_than_a_datagram_has_room_for() {
        let mut peers: Vec<_> = (0..100).map(|n| peer(n, Standing::Choked, 0, true)).collect();
        peers.push(peer(200, Standing::Unchoked, 0, true));
        let told = told(peers);
        assert_eq!((told.len(), told[0].as_str()), (MAX_LINKS, "10.0.0.200 Served 0"));
    }
}
