//! Backend `net`: the processes in namespaces that emulated links join, the tracker in the first.

use super::place::{Place, Station};
use super::timetable::Member;
use super::{Proc, Programs};
use crate::cli::lab::child::Running;
use crate::cli::lab::net::{Net, NetLink};
use crate::lab::outcome::RunError;
use crate::lab::setting::{Backend, Deed, Setting};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Instant;

/// Namespaces.
struct Namespaces {
    /// None once it is closed.
    net: Option<Net>,
    /// What each peer receives at most.
    downs: Vec<Option<u64>>,
    addresses: Vec<IpAddr>,
}

impl Proc {
    /// In namespaces, made anew for each run; what passes in the first run goes to `capture`.
    pub fn in_namespaces(
        programs: Programs,
        running: Running,
        mut capture: Option<PathBuf>,
    ) -> Self {
        let open = move |setting: &Setting, seed: u64, members: &[Member]| {
            let links = links(setting, members);
            let net = Net::open(&links, seed, capture.take().as_deref())?;
            let addresses = (0..links.len()).map(|node| net.address(node).into()).collect();
            let downs = links.iter().map(|link| link.down).collect();
            Ok(Box::new(Namespaces { net: Some(net), downs, addresses }) as Box<dyn Place>)
        };
        Self::within(programs, running, Box::new(open))
    }
}

/// The links of all: the tracker's, which has no limits and loses nothing, and one for each peer.
fn links(setting: &Setting, members: &[Member]) -> Vec<NetLink> {
    let link = &setting.link;
    let tracker = NetLink { rtt: link.rtt, queue: link.queue, ..NetLink::FREE };
    let peer = |member: &Member| {
        let group = &setting.groups[member.group];
        NetLink {
            up: group.up.or(link.up),
            down: group.down.or(link.down),
            jitter: link.jitter,
            loss: link.loss,
            ..tracker
        }
    };
    let peers: Vec<NetLink> = members.iter().map(peer).collect();
    std::iter::once(tracker).chain(peers).collect()
}

fn node(who: Station) -> usize {
    match who {
        Station::Tracker => 0,
        Station::Peer(peer) => peer + 1,
    }
}

impl Place for Namespaces {
    fn backend(&self) -> Backend {
        Backend::Net
    }

    fn address(&self, who: Station) -> IpAddr {
        self.addresses[node(who)]
    }

    fn wrap(&self, who: Station, words: Vec<String>) -> Vec<String> {
        self.net.as_ref().map_or_else(|| words.clone(), |net| net.wrap(node(who), &words))
    }

    fn is_near(&self) -> bool {
        false
    }

    fn has_links(&self) -> bool {
        true
    }

    fn on_deed(&mut self, deed: Deed, who: Station) -> Result<bool, RunError> {
        let Some(net) = &self.net else { return Ok(false) };
        match deed {
            Deed::Partition(time) => net.partition(node(who), Instant::now() + time),
            Deed::Rate(rate) => net.set_rate(node(who), Some(rate), self.downs[node(who)]),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn does(&self, deed: Deed) -> bool {
        matches!(deed, Deed::Partition(_) | Deed::Rate(_))
    }

    fn close(&mut self) -> Result<(), RunError> {
        self.net.take().map_or(Ok(()), |net| net.close().map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::setting;
    use super::super::timetable::members;
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_peer_has_the_link_of_its_group_and_the_tracker_one_that_loses_nothing() {
        let mut all = setting();
        (all.link.up, all.link.loss) = (Some(7), 0.1);
        (all.link.rtt, all.link.queue) = (Duration::from_millis(40), 9);
        all.groups[0].up = Some(100);
        let links = links(&all, &members(&all, 1));
        let ups: Vec<_> = links.iter().map(|link| link.up).collect();
        assert_eq!(ups, [None, Some(100), Some(7), Some(7)]);
        let losses: Vec<_> = links.iter().map(|link| link.loss).collect();
        assert_eq!(losses, [0.0, 0.1, 0.1, 0.1]);
        assert!(links.iter().all(|link| link.rtt == all.link.rtt && link.queue == 9));
    }
}
