//! How a tracker of a torrent stands, for people to look at.

use crate::clock::Moment;

/// What an answer says of the swarm, where the tracker says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// How many peers came with it.
    pub peers: usize,
    /// How many peers have everything.
    pub seeders: Option<u32>,
    /// How many do not.
    pub leechers: Option<u32>,
    /// How often the torrent was completed.
    pub completed: Option<u32>,
}

/// What came of the last announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAnnounce {
    /// When it came.
    pub at: Moment,
    /// What the tracker told, or why it did not, in a few words.
    pub outcome: Result<Told, String>,
}

/// One tracker of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerStatus {
    /// Its URL; of a native one that no URL names, its address.
    pub url: String,
    /// In which tier it stands, counted from zero: the torrent's own first, then each of the user's,
    /// then the native ones.
    pub tier: usize,
    /// Whether it hears of the torrent in the native dialect.
    pub native: bool,
    /// What came of the last announce; `None` if none came back yet.
    pub last: Option<LastAnnounce>,
    /// Whether it is being asked now.
    pub under_way: bool,
    /// When it is asked next, if nothing else happens.
    pub next: Option<Moment>,
    /// Whether it is asked only when those before it do not answer.
    pub backup: bool,
}

impl TrackerStatus {
    /// One that nothing is known of yet.
    pub fn unknown(url: String, tier: usize) -> Self {
        Self { url, tier, native: false, last: None, under_way: false, next: None, backup: false }
    }

    /// The torrent has two hashes, and this is how the tracker stands to the second: what was told of
    /// the first counts.
    pub fn merge(&mut self, second: Self) {
        self.under_way |= second.under_way;
        self.next = self.next.into_iter().chain(second.next).min();
        self.backup &= second.backup;
        self.last = self.last.take().or(second.last);
    }
}

/// The most characters of a stranger's sentence that are passed on.
const MAX_SENTENCE: usize = 200;

/// A stranger's words on one line.
pub(super) fn sentence(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(MAX_SENTENCE).map(visible).collect()
}
