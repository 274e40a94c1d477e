//! How many calls may begin now.

/// Calls that may be under way at once.
const HALF_OPEN: usize = 8;

/// A seeder keeps one connection of so many for those who call it: they want something, and it need
/// not ask.
const FOR_CALLERS: usize = 3;

/// What a node has in hand, over all torrents or of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The most connections it may have.
    pub most: usize,
    /// Those that it has.
    pub connected: usize,
    /// Calls that are under way.
    pub under_way: usize,
}

impl Load {
    /// How many more may be called now, by a seeder or by a leecher.
    pub fn free(self, seeding: bool) -> usize {
        let kept = if seeding { self.most / FOR_CALLERS } else { 0 };
        let room = self.most.saturating_sub(self.connected + self.under_way + kept);
        room.min(HALF_OPEN.saturating_sub(self.under_way))
    }

    /// The same about one torrent, of which there is `own`.
    pub fn free_of(self, own: Self, seeding: bool) -> usize {
        self.free(seeding).min(own.free(seeding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(connected: usize, under_way: usize, leecher: usize, seeder: usize) {
        let load = Load { most: 30, connected, under_way };
        assert_eq!((load.free(false), load.free(true)), (leecher, seeder), "{load:?}");
    }

    #[test]
    fn eight_calls_are_under_way_at_once() {
        check(0, 0, 8, 8);
        check(0, 5, 3, 3);
        check(0, 8, 0, 0);
    }

    #[test]
    fn a_seeder_keeps_a_third_of_its_connections_for_callers() {
        check(15, 2, 6, 3);
        check(20, 0, 8, 0);
        check(25, 2, 3, 0);
        check(30, 0, 0, 0);
        let lone = Load { most: 1, connected: 0, under_way: 0 };
        assert_eq!(lone.free(true), 1, "the only one it has it may use");
    }

    #[test]
    fn a_torrent_that_may_have_few_connections_calls_few() {
        let all = Load { most: 30, connected: 10, under_way: 2 };
        let own = |most, connected, under_way| Load { most, connected, under_way };
        assert_eq!(all.free_of(own(usize::MAX, 5, 1), false), 6);
        assert_eq!(all.free_of(own(3, 1, 1), false), 1);
        assert_eq!(all.free_of(own(3, 1, 1), true), 0, "a third is kept for callers");
        assert_eq!(all.free_of(own(2, 3, 0), false), 0);
        let full = Load { connected: 30, ..all };
        assert_eq!(full.free_of(own(3, 0, 0), false), 0);
    }
}
