//! What a page wants to see of a session: one torrent looked at closely, rates over time, the log.

use super::Session;
use super::job::Job;
use crate::clock::Moment;
use crate::control::board::{Board, Layer, Map, Past};
use crate::logic::history::{History, Rates};
use crate::node::trace::Lines;
use std::time::Duration;

/// How often rates are written down.
const EVERY: Duration = Duration::from_secs(1);

/// Rates of all torrents together, and when the next second of them is over.
#[derive(Default)]
pub(super) struct Log {
    history: History,
    next: Moment,
}

impl Session<'_> {
    /// One torrent, looked at closely, if it is at work.
    pub(super) fn board(&self, id: u32, layer: Layer) -> Option<Board> {
        let torrent = &self.find(id)?.running()?.torrent;
        let copies = self.node.availability(torrent);
        let bars = self.node.bars(torrent).into_iter().map(|(peer, bar)| (peer.0, bar));
        let now = self.node.now();
        Some(Board {
            now,
            next_round: self.node.next_round().since(now),
            choking: self.node.board(torrent),
            bars: bars.collect(),
            copies: histogram(&copies),
            map: match layer {
                Layer::State => Map::State(self.node.piece_states(torrent)),
                Layer::Availability => Map::Availability(copies),
                Layer::Source => {
                    let (sources, places) = self.node.origins(torrent);
                    Map::Source { have: torrent.have(), sources, places }
                }
            },
        })
    }

    /// How fast things went.
    pub(super) fn past(&self, id: Option<u32>) -> Past {
        let torrent = id.and_then(|id| self.find(id)).map(|job| job.history.clone());
        Past { session: self.log.history.clone(), torrent }
    }

    /// The trace from a place on.
    pub(super) fn lines(&self, place: Option<u64>) -> Lines {
        self.node.log(place).unwrap_or_default()
    }

    /// Writes down how fast things go, once a second. Seconds that were slept through had nobody to
    /// measure them, and are left out.
    pub(super) fn measure(&mut self, now: Moment) {
        if now < self.log.next {
            return;
        }
        let missed = now.since(self.log.next) >= EVERY;
        self.log.next = if missed { now + EVERY } else { self.log.next + EVERY };
        let mut all = Rates::default();
        for job in &mut self.jobs {
            let rates = rates_of(job);
            job.history.on_second(rates);
            (all.down, all.up) = (all.down + rates.down, all.up + rates.up);
        }
        self.log.history.on_second(all);
    }
}

fn rates_of(job: &Job) -> Rates {
    let running = job.running().filter(|running| !running.paused);
    running.map_or_else(Rates::default, |r| Rates { down: r.last.down, up: r.last.up })
}

/// How many pieces have 0, 1, 2 .. copies.
fn histogram(copies: &[u32]) -> Vec<u32> {
    let most = copies.iter().max().map_or(0, |&most| most as usize);
    let mut pieces = vec![0; most + 1];
    copies.iter().for_each(|&count| pieces[count as usize] += 1);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_counted_by_their_copies() {
        assert_eq!(histogram(&[0, 3, 1, 1, 0, 1]), [2, 3, 0, 1]);
        assert_eq!(histogram(&[]), [0]);
    }
}
