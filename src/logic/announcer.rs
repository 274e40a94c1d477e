//! Which tracker to tell what, and when: the announces of one info-hash (BEP 3, BEP 12).
//!
//! Trackers stand in tiers. Inside a tier their order is drawn once; whoever answers moves to its
//! front. Every announce starts at the top, and the next tier is asked only when all of the one
//! above have failed and rest. One announce is under way at a time, so a swarm is not announced
//! everywhere at once. Whoever was told `started` is told `stopped`; `completed` is said once,
//! and never for what was complete at the start.
//!
//! A hybrid torrent has two hashes and thus two announcers. Strategy timers are divided by the
//! time scale: intervals are, the rest of a tracker that failed is not.

use super::is_local;
use super::reach::Reach;
use crate::clock::Moment;
use crate::protocol::announce::Event;
use crate::protocol::tracker_http::scrape_url;
use crate::protocol::url::{Scheme, Url};
use fastrand::Rng;
use std::time::Duration;

/// The interval when a tracker says none, or one that cannot be meant.
const USUAL_INTERVAL: Duration = Duration::from_mins(30);

/// The shortest interval that a tracker may ask for.
const SHORTEST: Duration = Duration::from_mins(1);

/// The shortest interval of a tracker on a loopback or private address, where nobody is harmed.
const SHORTEST_NEARBY: Duration = Duration::from_secs(5);

/// The longest interval that we obey: a tracker that forgets us after an hour is not asked for ever.
const LONGEST: Duration = Duration::from_hours(24);

/// How long a tracker rests after its first failure.
const FIRST_REST: Duration = Duration::from_secs(5);

/// How long it rests after its second; twice as long after each further one.
const SECOND_REST: Duration = Duration::from_secs(15);

/// How long it rests at most: a swarm of thousands shall not keep a dead tracker busy.
const LONGEST_REST: Duration = Duration::from_mins(30);

/// How long one on a loopback or private address does, where nobody is harmed: two minutes with the
/// quarter more that may be drawn.
const LONGEST_REST_NEARBY: Duration = Duration::from_secs(96);

/// What an announcer is made of.
#[derive(Debug, Clone)]
pub struct Params {
    /// The trackers' URLs in tiers; those that are no URLs are left out.
    pub tiers: Vec<Vec<String>>,
    /// Whether everything was there when the torrent was started.
    pub complete: bool,
    /// Intervals are divided by this.
    pub time_scale: f64,
    /// For the order inside the tiers and for the jitter.
    pub seed: u64,
}

/// An announce to be made. It is given back with what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where.
    pub url: Url,
    /// Why.
    pub event: Event,
    /// What the tracker wants to hear again.
    pub tracker_id: Option<Vec<u8>>,
    tracker: usize,
}

/// What of a tracker's answer decides when to ask again; seconds as they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// When to announce again.
    pub interval: Option<i64>,
    /// The earliest time to announce again.
    pub min_interval: Option<i64>,
    /// To be sent back from now on.
    pub tracker_id: Option<Vec<u8>>,
}

/// How one tracker stands, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub url: Url,
    /// In which tier, counted from zero.
    pub tier: usize,
    /// Whether it is being asked now.
    pub under_way: bool,
    /// When it is asked next, if nothing else happens; `None` while it is asked, and for a backup.
    pub next: Option<Moment>,
    /// Whether it is asked only when those before it do not answer.
    pub backup: bool,
}

#[derive(Debug, Clone)]
struct Tracker {
    url: Url,
    nearby: bool,
    id: Option<Vec<u8>>,
    /// Whether it has confirmed `started`.
    knows_us: bool,
    failures: u32,
    /// Not to be asked before this.
    rests_until: Moment,
    /// Whether that is what it asked for (BEP 31), and not our own caution.
    asked_for_rest: bool,
}

/// Whether and to whom `completed` was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Completed {
    NotYet,
    Due,
    /// Said, or never to be said.
    Settled,
}

/// The announces of one info-hash.
#[derive(Debug, Clone)]
pub struct Announcer {
    trackers: Vec<Tracker>,
    /// Indices of `trackers`.
    tiers: Vec<Vec<usize>>,
    time_scale: f64,
    rng: Rng,
    /// The announce under way.
    asked: Option<usize>,
    /// When the tracker wants to hear of us again.
    next: Moment,
    /// When it may be asked again, if we need peers.
    earliest: Moment,
    wants_peers: bool,
    is_partial: bool,
    completed: Completed,
    stopping: bool,
    /// Trackers that are yet to be told `stopped`.
    farewells: Vec<usize>,
    /// Those that were told and have not answered.
    unconfirmed: usize,
}

impl Announcer {
    /// Nobody has been told anything; the first announce is due at once.
    pub fn new(params: &Params) -> Self {
        let mut announcer = Self {
            trackers: Vec::new(),
            tiers: Vec::new(),
            time_scale: params.time_scale,
            rng: Rng::with_seed(params.seed),
            asked: None,
            next: Moment::START,
            earliest: Moment::START,
            wants_peers: false,
            is_partial: false,
            completed: if params.complete { Completed::Settled } else { Completed::NotYet },
            stopping: false,
            farewells: Vec::new(),
            unconfirmed: 0,
        };
        announcer.line_up(&params.tiers);
        announcer
    }

    /// Fills the tiers; trackers that are known already keep their places in `trackers`.
    fn line_up(&mut self, tiers: &[Vec<String>]) {
        self.tiers.clear();
        for tier in tiers {
            let mut order = Vec::new();
            for url in tier.iter().filter_map(|url| Url::parse(url).ok()) {
                let known = self.trackers.iter().position(|known| known.url == url);
                let at = known.unwrap_or(self.trackers.len());
                if known.is_none() {
                    self.trackers.push(Tracker::new(url));
                }
                if !self.tiers.iter().flatten().chain(&order).any(|&other| other == at) {
                    order.push(at);
                }
            }
            self.rng.shuffle(&mut order);
            self.tiers.push(order);
        }
    }

    /// The torrent has these trackers from now on. Those that are gone hear `stopped` if they may
    /// know of it; those that stay hear nothing of the change; a new one that comes first is asked at
    /// once.
    pub fn on_tiers(&mut self, tiers: &[Vec<String>]) {
        if self.stopping {
            return;
        }
        self.line_up(tiers);
        let is_used = |at: &usize| self.tiers.iter().flatten().any(|used| used == at);
        self.farewells.retain(|at| !is_used(at));
        let all = 0..self.trackers.len();
        let gone: Vec<usize> = all.filter(|at| !is_used(at)).collect();
        for at in gone {
            let was_asked = self.asked.take_if(|asked| *asked == at).is_some();
            let may_know = was_asked || self.trackers[at].knows_us;
            if may_know && !self.farewells.contains(&at) {
                self.farewells.push(at);
            }
        }
        for tier in &mut self.tiers {
            // A sort keeps the order of equals.
            tier.sort_by_key(|&at| !self.trackers[at].knows_us);
        }
        let first = self.tiers.iter().flatten().next().map(|&at| &self.trackers[at]);
        if first.is_some_and(|first| !first.knows_us && first.failures == 0) {
            // Who knows us is not to be asked again too soon because the new one does not answer.
            for &at in self.tiers.iter().flatten() {
                let tracker = &mut self.trackers[at];
                if tracker.knows_us {
                    tracker.rests_until = tracker.rests_until.max(self.earliest);
                    tracker.asked_for_rest = true;
                }
            }
            (self.next, self.earliest) = (Moment::START, Moment::START);
        }
    }

    /// Peers are wanted now: the next announce is as soon as the trackers allow it. Those that did
    /// not answer are tried again, unless they asked to be left alone.
    pub fn on_reannounce(&mut self) {
        self.next = self.next.min(self.earliest);
        for tracker in self.trackers.iter_mut().filter(|tracker| !tracker.asked_for_rest) {
            tracker.rests_until = Moment::START;
        }
    }

    /// How all trackers stand, tier by tier.
    pub fn standing(&self) -> Vec<Standing> {
        let next = self.deadline().filter(|_| !self.stopping);
        let in_use = self.asked.or_else(|| self.first_ready(next?));
        let mut all = Vec::new();
        for (tier, order) in self.tiers.iter().enumerate() {
            all.extend(order.iter().map(|&at| Standing {
                url: self.trackers[at].url.clone(),
                tier,
                under_way: self.asked == Some(at),
                next: next.filter(|_| in_use == Some(at)),
                backup: in_use != Some(at),
            }));
        }
        all
    }

    /// How the torrent stands: whether we have everything, and whether more peers are needed than
    /// the regular announces bring.
    pub fn on_report(&mut self, complete: bool, wants_peers: bool) {
        self.wants_peers = wants_peers;
        if complete && self.completed == Completed::NotYet {
            self.completed = Completed::Due;
        }
    }

    /// Whether all that is wanted is here, and something is not. Such a peer says `paused` in every
    /// announce but the last (BEP 21); its bytes left are those of everything.
    pub fn on_partial_seed(&mut self, is_partial: bool) {
        self.is_partial = is_partial;
    }

    /// A tracker answered.
    pub fn on_answer(&mut self, now: Moment, announce: &Ask, answer: Answer) {
        if !self.is_awaited(announce) {
            return;
        }
        let at = announce.tracker;
        let tracker = &mut self.trackers[at];
        tracker.failures = 0;
        tracker.knows_us = true;
        tracker.id = answer.tracker_id.or(tracker.id.take());
        if announce.event == Event::Completed {
            self.completed = Completed::Settled;
        }
        let interval = tracker.obeyed(answer.interval).unwrap_or(USUAL_INTERVAL);
        let soonest = tracker.obeyed(answer.min_interval);
        let soonest = soonest.unwrap_or(if tracker.nearby {
            SHORTEST_NEARBY.min(interval)
        } else {
            interval / 2
        });
        self.earliest = now + soonest.div_f64(self.time_scale);
        self.next = now + interval.max(soonest).div_f64(self.time_scale);
        for tier in &mut self.tiers {
            if let Some(place) = tier.iter().position(|&other| other == at) {
                tier[..=place].rotate_right(1);
            }
        }
    }

    /// A tracker did not answer, or refused. `rest` is how long it wants to be left alone (BEP 31),
    /// if it said so.
    pub fn on_failed(&mut self, now: Moment, announce: &Ask, rest: Option<Duration>) {
        if !self.is_awaited(announce) {
            return;
        }
        let tracker = &mut self.trackers[announce.tracker];
        let usual = match tracker.failures {
            0 => FIRST_REST,
            n => SECOND_REST * 2_u32.saturating_pow((n - 1).min(16)),
        };
        tracker.failures = tracker.failures.saturating_add(1);
        tracker.asked_for_rest = rest.is_some();
        let longest = if tracker.nearby { LONGEST_REST_NEARBY } else { LONGEST_REST };
        // A quarter more or less, so that not all come back at the same time.
        let usual = usual.min(longest).mul_f64(0.75 + self.rng.f64() / 2.0);
        tracker.rests_until = now + rest.map_or(usual, |rest| rest.clamp(usual, LONGEST));
    }

    /// The torrent goes: whoever knows of it, or may know, is to be told.
    pub fn on_stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        let unsaid = std::mem::take(&mut self.farewells);
        let may_know = |at: &usize| {
            self.trackers[*at].knows_us || self.asked == Some(*at) || unsaid.contains(at)
        };
        self.farewells = (0..self.trackers.len()).filter(may_know).collect();
        self.asked = None;
    }

    /// The next announce to be made now, if any. It counts as under way until it is given back.
    pub fn next_announce(&mut self, now: Moment) -> Option<Ask> {
        if let Some(at) = self.farewells.pop() {
            self.unconfirmed += 1;
            self.trackers[at].knows_us = false;
            return Some(self.announce(at, Event::Stopped));
        }
        if self.stopping || self.asked.is_some() || self.due() > now {
            return None;
        }
        let at = self.first_ready(now)?;
        self.asked = Some(at);
        let event = match (self.trackers[at].knows_us, self.completed) {
            _ if self.is_partial => Event::Paused,
            (false, _) => Event::Started,
            (true, Completed::Due) => Event::Completed,
            (true, _) => Event::None,
        };
        Some(self.announce(at, event))
    }

    /// When to ask [`Announcer::next_announce`] again, if nothing else happens.
    pub fn deadline(&self) -> Option<Moment> {
        if !self.farewells.is_empty() {
            return Some(Moment::START);
        }
        if self.stopping || self.asked.is_some() {
            return None;
        }
        let used = self.tiers.iter().flatten();
        let rested = used.map(|&at| self.trackers[at].rests_until).min()?;
        Some(self.due().max(rested))
    }

    /// The first tracker that may be asked then.
    fn first_ready(&self, then: Moment) -> Option<usize> {
        let is_ready = |at: &usize| self.trackers[*at].rests_until <= then;
        self.tiers.iter().flatten().copied().find(is_ready)
    }

    /// Whether all farewells were said and answered, or failed.
    pub fn is_gone(&self) -> bool {
        self.stopping && self.farewells.is_empty() && self.unconfirmed == 0
    }

    /// Whether there is a tracker at all.
    pub fn has_trackers(&self) -> bool {
        !self.trackers.is_empty()
    }

    fn due(&self) -> Moment {
        let has_news = self.completed == Completed::Due;
        if has_news && self.trackers.iter().any(|tracker| tracker.knows_us) {
            Moment::START
        } else if self.wants_peers {
            self.earliest.min(self.next)
        } else {
            self.next
        }
    }

    fn announce(&self, at: usize, event: Event) -> Ask {
        let tracker = &self.trackers[at];
        let (url, tracker_id) = (tracker.url.clone(), tracker.id.clone());
        Ask { url, event, tracker_id, tracker: at }
    }

    /// Takes an announce back; false if what came of it decides nothing any more.
    fn is_awaited(&mut self, announce: &Ask) -> bool {
        if announce.event == Event::Stopped {
            self.unconfirmed = self.unconfirmed.saturating_sub(1);
            return false;
        }
        self.asked.take_if(|at| *at == announce.tracker).is_some()
    }
}

impl Tracker {
    fn new(url: Url) -> Self {
        let nearby = is_nearby(&url);
        let rests_until = Moment::START;
        let (id, knows_us, asked_for_rest) = (None, false, false);
        Self { url, nearby, id, knows_us, failures: 0, rests_until, asked_for_rest }
    }

    /// An interval in seconds as we obey it; `None` when it cannot be meant.
    fn obeyed(&self, seconds: Option<i64>) -> Option<Duration> {
        let seconds = seconds.filter(|&n| 0 < n && n < 1 << 31)?;
        let shortest = if self.nearby { SHORTEST_NEARBY } else { SHORTEST };
        Some(Duration::from_secs(seconds as u64).clamp(shortest, LONGEST))
    }
}

/// Where an announce to a stranger's URL may go. Announces to this machine go to trackers only: by
/// UDP, where nothing of the stranger's is sent before the tracker has answered as one, and by HTTP
/// where the last part of the path begins with `announce`.
pub fn reach_of(url: &Url) -> Reach {
    let is_tracker = url.scheme == Scheme::Udp || scrape_url(&url.to_string()).is_some();
    if is_tracker { Reach::Anywhere } else { Reach::NotThisMachine }
}

/// Whether a tracker is on a loopback or private address, as far as its URL says so.
pub fn is_nearby(url: &Url) -> bool {
    url.address().is_some_and(is_local)
}

#[cfg(test)]
mod tests;
