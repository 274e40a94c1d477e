//! How a show stands, in figures and in a line.

use super::super::units;
use std::time::Duration;

/// How one peer stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Bytes it has.
    pub bytes: u64,
    /// Bytes it receives a second.
    pub down: u64,
    /// Whether it has everything.
    pub whole: bool,
}

/// How all peers stand together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Peers that run.
    pub peers: usize,
    /// Of these, who have everything.
    pub whole: usize,
    /// Bytes they have together.
    pub bytes: u64,
    /// Bytes they would have if each had everything.
    pub total: u64,
    /// Bytes they receive a second.
    pub down: u64,
}

impl Figures {
    /// Of peers that share `size` bytes.
    pub fn of(peers: impl Iterator<Item = Standing>, size: u64) -> Self {
        peers.fold(Self::default(), |sum, peer| Self {
            peers: sum.peers + 1,
            whole: sum.whole + usize::from(peer.whole),
            bytes: sum.bytes + if peer.whole { size } else { peer.bytes.min(size) },
            total: sum.total + size,
            down: sum.down + if peer.whole { 0 } else { peer.down },
        })
    }

    /// Whether there is anybody, and everybody has everything.
    pub fn is_whole(&self) -> bool {
        self.peers > 0 && self.whole == self.peers
    }

    /// One line for people.
    pub fn line(&self, time: Duration) -> String {
        let percent = (self.bytes * 100).checked_div(self.total).unwrap_or(0);
        format!(
            "{} s: {} of {} peers have everything, {percent}% of {} is there, {}",
            time.as_secs(),
            self.whole,
            self.peers,
            units::bytes(self.total),
            units::rate(self.down)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_all_peers_together() {
        let peer = |bytes, down, whole| Standing { bytes, down, whole };
        let peers = [peer(0, 7, true), peer(500_000, 250_000, false), peer(9, 1_000, false)];
        let figures = Figures::of(peers.into_iter(), 1_000_000);
        let expected =
            Figures { peers: 3, whole: 1, bytes: 1_500_009, total: 3_000_000, down: 251_000 };
        assert_eq!(figures, expected);
        assert!(!figures.is_whole());
        assert_eq!(
            figures.line(Duration::from_millis(12_900)),
            "12 s: 1 of 3 peers have everything, 50% of 3 MB is there, 251 kB/s"
        );
    }

    #[test]
    fn a_show_without_peers_is_not_whole() {
        let nobody = Figures::of(std::iter::empty(), 1);
        assert!(!nobody.is_whole());
        assert_eq!(
            nobody.line(Duration::ZERO),
            "0 s: 0 of 0 peers have everything, 0% of 0 B is there, 0 kB/s"
        );
        let one = Standing { whole: true, ..Standing::default() };
        assert!(Figures::of([one].into_iter(), 1).is_whole());
    }
}
