//! Whether a torrent is in its node, and for the how-manieth time.
//!
//! A torrent that is paused or removed is out. Whoever works for it remembers the number of the stay
//! that the work began in: a thread that is late does not take the next one for its own.

use std::sync::atomic::{AtomicU64, Ordering};

/// A torrent's comings and goings.
#[derive(Debug, Default)]
pub struct Stay {
    /// Even while it is in.
    turns: AtomicU64,
}

impl Stay {
    /// Whether it is in its node.
    pub fn is_in(&self) -> bool {
        self.number().is_multiple_of(2)
    }

    /// Which stay this is; another number once it left.
    pub fn number(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// It leaves; false if it is out already.
    pub fn leave(&self) -> bool {
        self.turn(true)
    }

    /// It comes back; false if it is in already.
    pub fn come_back(&self) -> bool {
        self.turn(false)
    }

    fn turn(&self, is_in: bool) -> bool {
        let next = |turns: u64| (turns.is_multiple_of(2) == is_in).then_some(turns + 1);
        self.turns.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_and_came_back_has_another_number() {
        let stay = Stay::default();
        let first = stay.number();
        assert!(stay.is_in() && !stay.come_back());
        assert!(stay.leave() && !stay.is_in() && !stay.leave());
        assert!(stay.come_back() && stay.is_in());
        assert_ne!(stay.number(), first);
    }
}
