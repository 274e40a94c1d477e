//! What came of a crowd: every peer if they are few, figures about all of them if they are many.

use super::{Crowd, NEVER};
use crate::lab::outcome::{Outcome, PeerOutcome};
use crate::lab::setting::{After, Role};
use std::collections::BTreeMap;

/// Up to so many peers each has its own line.
const MOST_LISTED: usize = 10_000;

impl Crowd {
    /// What came of it. Of many peers only `D`, `mean`, `p95`, `finished` and `seed_copies` are
    /// told, which else follow from the list.
    pub(super) fn outcome(&self) -> Outcome {
        let peers = self.joined.len();
        let mut metrics = BTreeMap::from([
            ("util".to_owned(), self.utilisation()),
            ("events".to_owned(), self.counted[0] as f64),
            ("haves".to_owned(), self.counted[1] as f64),
            ("memory_per_peer".to_owned(), self.bytes() as f64 / peers.max(1) as f64),
        ]);
        let listed = if peers <= MOST_LISTED {
            (0..peers).map(|peer| self.told(peer)).collect()
        } else {
            metrics.extend(self.figures());
            Vec::new()
        };
        Outcome { peers: listed, metrics, ..Outcome::default() }
    }

    fn told(&self, peer: usize) -> PeerOutcome {
        let kind = self.plan.group(peer);
        let bytes = |pieces: u32| u64::from(pieces) * u64::from(self.plan.piece);
        let completed = seconds(self.completed[peer]);
        let is_leech = kind.role == Role::Leech;
        PeerOutcome {
            group: self.plan.group_of(peer),
            joined: seconds(self.joined[peer]),
            completed,
            left: completed.filter(|_| kind.after == After::Leave),
            sent: bytes(self.sent[peer]),
            received: if is_leech { bytes(self.holdings.held(peer)) } else { 0 },
            wasted: 0,
            bans: 0,
        }
    }

    /// What else follows from the list of peers.
    pub(super) fn figures(&self) -> Vec<(String, f64)> {
        let leechers = || self.of_role(Role::Leech).filter(|&peer| self.joined[peer] != NEVER);
        let mut times: Vec<u64> = leechers()
            .filter(|&peer| self.completed[peer] != NEVER)
            .map(|peer| self.completed[peer] - self.joined[peer])
            .collect();
        times.sort_unstable();
        let (done, came) = (times.len(), leechers().count());
        let sent: u64 = self.of_role(Role::Seed).map(|peer| u64::from(self.sent[peer])).sum();
        let mut figures = vec![
            ("finished", done as f64 / (came as f64).max(1.0)),
            ("seed_copies", sent as f64 / f64::from(self.plan.pieces)),
        ];
        if done > 0 {
            let mean = times.iter().map(|&time| time as f64).sum::<f64>() / done as f64;
            let p95 = times[(done * 95).div_ceil(100) - 1];
            figures.extend([("mean", mean / 1e9), ("p95", p95 as f64 / 1e9)]);
        }
        if self.waited_for == 0 {
            let last = leechers().map(|peer| self.completed[peer]).max().unwrap_or(0);
            figures.push(("D", last as f64 / 1e9));
        }
        figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Bytes that were sent, by what all uplinks could have sent while their peers were there.
    fn utilisation(&self) -> f64 {
        let (mut sent, mut could) = (0.0, 0.0);
        for peer in (0..self.joined.len()).filter(|&peer| self.joined[peer] <= self.now) {
            let kind = self.plan.group(peer);
            let leaves = kind.after == After::Leave;
            let until = if leaves { self.completed[peer].min(self.now) } else { self.now };
            sent += f64::from(self.sent[peer]) * f64::from(self.plan.piece);
            could += kind.up as f64 * (until - self.joined[peer]) as f64 / 1e9;
        }
        if could > 0.0 { sent / could } else { 0.0 }
    }

    fn of_role(&self, role: Role) -> impl Iterator<Item = usize> {
        (0..self.joined.len()).filter(move |&peer| self.plan.group(peer).role == role)
    }
}

fn seconds(nanos: u64) -> Option<f64> {
    (nanos != NEVER).then_some(nanos as f64 / 1e9)
}
