//! What happens at the tracker, for whoever watches: a few lines a second at most.
//!
//! Contents that are published are told one by one, everything that strangers can do as often as
//! they like as a number: how often since it was last told. Who does not keep up misses news; the
//! loop waits for nobody.

use super::state::Statistics;
use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crossbeam_channel::Sender;
use std::time::Duration;

/// How often numbers are told.
const EVERY: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A .torrent came in.
    Published {
        /// The name that it was published under.
        name: String,
        /// Its info-hash.
        info_hash: InfoHashV2,
    },
    /// Peers fell silent and were dropped.
    Expired(u64),
    /// Registrations, announces and .torrents were refused.
    Refused(u64),
    /// Datagrams came without a valid cookie.
    Unverified(u64),
    /// Datagrams were no message to a tracker.
    Malformed(u64),
}

/// Who is told, and what it was told already.
pub(super) struct Teller {
    to: Sender<News>,
    told: [u64; 4],
    due: Option<Moment>,
}

impl Teller {
    pub fn new(to: Sender<News>) -> Self {
        Self { to, told: [0; 4], due: None }
    }

    /// Tells what was published, and what else happened if it is time.
    pub fn on_tick(
        &mut self,
        now: Moment,
        published: impl Iterator<Item = (String, InfoHashV2)>,
        statistics: &Statistics,
    ) {
        for (name, info_hash) in published {
            self.tell(News::Published { name, info_hash });
        }
        let kinds: [fn(u64) -> News; 4] =
            [News::Expired, News::Refused, News::Unverified, News::Malformed];
        let counts =
            [statistics.expired, statistics.refused, statistics.unverified, statistics.malformed];
        if counts == self.told {
            self.due = None;
        } else if *self.due.get_or_insert(now + EVERY) <= now {
            for ((count, told), kind) in counts.into_iter().zip(self.told).zip(kinds) {
                if count > told {
                    self.tell(kind(count - told));
                }
            }
            (self.told, self.due) = (counts, None);
        }
    }

    /// When there is something to tell.
    pub fn deadline(&self) -> Option<Moment> {
        self.due
    }

    fn tell(&self, news: News) {
        // Who does not keep up misses it.
        let _ = self.to.try_send(news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::TrackerOptions;
    use crate::tracker::state::State;
    use crossbeam_channel::bounded;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    fn statistics(expired: u64, malformed: u64) -> Statistics {
        let none = State::new(TrackerOptions::default()).statistics(at(0), 0);
        Statistics { malformed, expired, ..none }
    }

    #[test]
    fn what_strangers_do_is_told_as_a_number_once_a_second() {
        let (to, heard) = bounded(10);
        let mut teller = Teller::new(to);
        teller.on_tick(at(0), [].into_iter(), &statistics(0, 0));
        assert_eq!(teller.deadline(), None, "nothing to tell, nothing to wake up for");
        for n in 1..=100 {
            teller.on_tick(at(n * 10), [].into_iter(), &statistics(0, n));
        }
        assert_eq!((heard.len(), teller.deadline()), (0, Some(at(1010))));
        teller.on_tick(at(1010), [].into_iter(), &statistics(3, 101));
        let told: Vec<_> = heard.try_iter().collect();
        assert_eq!(told, [News::Expired(3), News::Malformed(101)]);
        teller.on_tick(at(1020), [].into_iter(), &statistics(3, 102));
        teller.on_tick(at(2020), [].into_iter(), &statistics(3, 102));
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [News::Malformed(1)]);
    }

    #[test]
    fn who_does_not_keep_up_misses_news_and_delays_nobody() {
        let (to, heard) = bounded(1);
        let mut teller = Teller::new(to);
        let published = |n: u8| (n.to_string(), InfoHashV2([n; 32]));
        teller.on_tick(at(0), [published(1), published(2)].into_iter(), &statistics(0, 0));
        let first = News::Published { name: "1".into(), info_hash: InfoHashV2([1; 32]) };
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [first]);
    }
}
