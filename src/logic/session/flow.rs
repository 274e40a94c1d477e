//! Whether a peer takes what it is sent.
//!
//! The node looks now and then since when the connection's socket is full, if it is, and how many
//! bytes it has taken in all. Full and not a byte taken for a while is *stuck*: the peer does not
//! read, or its line has broken. Of a peer that was never seen to read that is believed sooner. A
//! slow line that is taken for a stuck one loses little, because what lies in its socket still flows.

use crate::clock::Moment;
use std::time::Duration;

/// A peer that was never seen to read is stuck when its socket has been full for so long. It is a
/// little less than two looks of the node.
const UNREAD: Duration = Duration::from_millis(900);

/// One that has read before: a slow line empties a third of a socket's buffer in that time.
const SLOW: Duration = Duration::from_secs(5);

/// What is seen of a socket from our end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flow {
    /// Since when it has been full without taking a byte, and what it had taken by then.
    full: Option<(Moment, u64)>,
    /// It was full and took more: somebody reads.
    reads: bool,
}

impl Flow {
    /// The socket is full since then, or not, and has taken so many bytes in all.
    pub fn on_look(&mut self, full: Option<Moment>, taken: u64) {
        let moved = self.full.is_none_or(|(_, before)| taken > before);
        self.reads |= moved && self.full.is_some();
        if moved || full.is_none() {
            self.full = full.map(|since| (since, taken));
        }
    }

    /// Whether it has been full for so long, and was never seen to take more.
    pub fn is_unread(&self, now: Moment, time: Duration) -> bool {
        !self.reads && self.full.is_some_and(|(since, _)| now.since(since) >= time)
    }

    /// Whether it takes nothing of what it is sent.
    pub fn is_stuck(&self, now: Moment) -> bool {
        let patience = if self.reads { SLOW } else { UNREAD };
        self.full.is_some_and(|(since, _)| now.since(since) >= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks twice a second; each time the socket is full and has taken so much, or is not.
    fn stuck_at(looks: &[Option<u64>]) -> Vec<usize> {
        let mut flow = Flow::default();
        let look = |(nth, taken): (usize, &Option<u64>)| {
            let now = Moment::after(Duration::from_millis(500 * nth as u64));
            let just_now = now - Duration::from_millis(20);
            flow.on_look(taken.map(|_| just_now), taken.unwrap_or(1000));
            flow.is_stuck(now).then_some(nth)
        };
        looks.iter().enumerate().filter_map(look).collect()
    }

    #[test]
    fn a_socket_that_is_full_and_takes_nothing_for_two_looks_is_stuck_until_it_does() {
        assert_eq!(stuck_at(&[Some(9); 5]), [2, 3, 4]);
        assert!(stuck_at(&[Some(9), Some(9), None, Some(9), Some(9), None]).is_empty());
        assert_eq!(stuck_at(&[Some(9), Some(9), Some(9), Some(10)]), [2]);
    }

    #[test]
    fn who_was_seen_to_read_has_more_time() {
        let mut looks = vec![Some(9), Some(10)];
        looks.extend([Some(11); 12]);
        assert_eq!(stuck_at(&looks), [12, 13]);
        let slow: Vec<_> = (0..40).map(|nth| Some(nth / 9)).collect();
        assert_eq!(stuck_at(&slow), [2, 3, 4, 5, 6, 7, 8], "before it was seen to read");
    }
}
