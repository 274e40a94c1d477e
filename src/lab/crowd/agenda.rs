//! What comes next, without a heap: a piece takes as long as any other of its group, and a round as
//! long as any other, so what is planned later of one kind comes later. A queue for each kind is
//! sorted by itself, and the next event is at the front of one of a few queues.

use std::collections::VecDeque;

/// What happens to a peer, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It comes.
    Comes(u32),
    /// It holds a round of its choker.
    Round(u32),
    /// Its uplink has sent a piece.
    Sent(u32),
}

/// Events of one kind, the next one first.
type Queue = VecDeque<(u64, u32)>;

/// What is to come. Of events at one moment those of the first queue come first.
#[derive(Debug)]
pub(super) struct Agenda {
    comes: Queue,
    /// The first round of each, which has any phase.
    first_rounds: Queue,
    rounds: Queue,
    /// By group.
    sent: Vec<Queue>,
}

impl Agenda {
    /// Everybody comes at its time, and holds its first round within a round's time.
    pub fn new(joins: &[u64], round: u64, groups: usize, rng: &mut fastrand::Rng) -> Self {
        let sorted = |mut events: Vec<(u64, u32)>| {
            events.sort_unstable();
            Queue::from(events)
        };
        let comes = joins.iter().copied().zip(0..).collect();
        let phased = |(&join, peer): (&u64, u32)| (join.saturating_add(rng.u64(..round)), peer);
        let first_rounds = joins.iter().zip(0..).map(phased).collect();
        Self {
            comes: sorted(comes),
            first_rounds: sorted(first_rounds),
            rounds: Queue::new(),
            sent: vec![Queue::new(); groups],
        }
    }

    /// A peer's next round, a round's time from now.
    pub fn plan_round(&mut self, at: u64, peer: u32) {
        self.rounds.push_back((at, peer));
    }

    /// A piece of a group's peer will have been sent.
    pub fn plan_sent(&mut self, group: usize, at: u64, peer: u32) {
        self.sent[group].push_back((at, peer));
    }

    /// What comes next, if it comes by then.
    pub fn next_by(&mut self, limit: u64) -> Option<(u64, Event)> {
        let comes: fn(u32) -> Event = Event::Comes;
        let queues = [(&mut self.comes, comes)].into_iter();
        let queues =
            queues.chain(self.sent.iter_mut().map(|q| (q, Event::Sent as fn(u32) -> Event)));
        let rounds = [&mut self.first_rounds, &mut self.rounds];
        let queues = queues.chain(rounds.map(|q| (q, Event::Round as fn(u32) -> Event)));
        let fronts = queues.filter_map(|(queue, event)| Some((queue.front()?.0, queue, event)));
        let (at, queue, event) = fronts.min_by_key(|front| front.0)?;
        if at > limit {
            return None;
        }
        let (_, peer) = queue.pop_front()?;
        Some((at, event(peer)))
    }

    /// Bytes of the queues.
    pub fn bytes(&self) -> usize {
        let queues = [&self.comes, &self.first_rounds, &self.rounds].into_iter().chain(&self.sent);
        queues.map(|queue| queue.capacity() * size_of::<(u64, u32)>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_in_time_comes_first_and_nothing_after_the_limit() {
        let mut agenda = Agenda::new(&[5, 0], 10, 2, &mut fastrand::Rng::with_seed(1));
        agenda.plan_sent(1, 7, 0);
        agenda.plan_sent(0, 5, 1);
        agenda.plan_round(30, 1);
        let mut seen = Vec::new();
        while let Some(next) = agenda.next_by(29) {
            seen.push(next);
        }
        let rounds = seen.iter().filter(|(_, event)| matches!(event, Event::Round(_))).count();
        let others: Vec<_> =
            seen.iter().filter(|(_, event)| !matches!(event, Event::Round(_))).copied().collect();
        let expected =
            [(0, Event::Comes(1)), (5, Event::Comes(0)), (5, Event::Sent(1)), (7, Event::Sent(0))];
        assert_eq!((rounds, &others[..]), (2, &expected[..]));
        assert!(seen.is_sorted_by_key(|(at, _)| at));
        assert_eq!(agenda.next_by(30), Some((30, Event::Round(1))));
    }
}
