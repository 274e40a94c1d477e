//! Who watches what, and what is due to them: no sockets, no tables.
//!
//! ```text
//! on_watcher ---> a scene: the tracker as a whole, or one swarm
//! on_beat ------> the scenes that show it     next_beats: four times a second at most
//! next_scene ---> whose event is to be made: once a second, for all who watch it
//! ```
//! There are [`MOST_WATCHERS`] at most, so there are no more scenes. While nobody watches nothing is
//! kept, and no event is made.

use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV2};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Watchers at most, over all scenes.
pub const MOST_WATCHERS: usize = 32;

/// How often a scene is told.
pub const EVERY: Duration = Duration::from_secs(1);

/// How often heartbeats are told, when there are any.
const BEATS_EVERY: Duration = Duration::from_millis(250);

/// Heartbeats in one event; of more only the number is told.
pub const MOST_BEATS: usize = 50;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// All swarms, in figures.
    Tracker,
    /// One swarm, node by node.
    Swarm(InfoHash),
}

/// A scene that somebody watches, by a number that is not used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SceneId(u64);

/// A registration or a heartbeat, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeatSeen {
    /// When.
    pub at: Moment,
    /// Where the peer listens.
    pub from: SocketAddr,
    /// The content.
    pub hash: InfoHashV2,
    /// Bytes it lacks.
    pub left: u64,
    /// Bytes it receives a second.
    pub down: u32,
    /// Bytes it sends a second.
    pub up: u32,
}

/// An event, ready to be sent to all who watch its scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose watchers.
    pub scene: SceneId,
    /// Its bytes.
    pub text: Arc<[u8]>,
}

/// All scenes that are watched.
#[derive(Debug, Default)]
pub struct Live {
    watched: Vec<Watched>,
    next_id: u64,
}

/// A scene, and who watches it.
#[derive(Debug)]
struct Watched {
    id: SceneId,
    scene: Scene,
    /// The content's full info-hash, once it is known.
    full: Option<InfoHashV2>,
    watchers: usize,
    due: Moment,
    last: Option<Arc<[u8]>>,
    beats: VecDeque<BeatSeen>,
    /// Heartbeats that there was no room for.
    more_beats: u64,
    beats_due: Moment,
}

impl Live {
    /// Somebody wants to watch: its scene, and the last event of it if there is one. `None` if there
    /// are as many as there may be.
    pub fn on_watcher(
        &mut self,
        now: Moment,
        scene: Scene,
    ) -> Option<(SceneId, Option<Arc<[u8]>>)> {
        if self.watchers() >= MOST_WATCHERS {
            return None;
        }
        if let Some(known) = self.watched.iter_mut().find(|watched| watched.scene == scene) {
            known.watchers += 1;
            return Some((known.id, known.last.clone()));
        }
        let id = SceneId(self.next_id);
        self.next_id += 1;
        let full = match scene {
            Scene::Swarm(hash) => hash.v2(),
            Scene::Tracker => None,
        };
        self.watched.push(Watched {
            id,
            scene,
            full,
            watchers: 1,
            due: now,
            last: None,
            beats: VecDeque::new(),
            more_beats: 0,
            beats_due: now,
        });
        Some((id, None))
    }

    /// One who watched that is gone; true if it was the last one.
    pub fn on_watcher_left(&mut self, id: SceneId) -> bool {
        let found = self.watched.iter().position(|watched| watched.id == id);
        let Some(at) = found else { return false };
        self.watched[at].watchers -= 1;
        let was_last = self.watched[at].watchers == 0;
        if was_last {
            self.watched.swap_remove(at);
        }
        was_last
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.watched.iter().map(|watched| watched.watchers).sum()
    }

    /// Whether nobody watches.
    pub fn is_idle(&self) -> bool {
        self.watched.is_empty()
    }

    /// Whether somebody watches a swarm.
    pub fn shows_swarms(&self) -> bool {
        self.watched.iter().any(|watched| watched.scene != Scene::Tracker)
    }

    /// A peer was heard of.
    pub fn on_beat(&mut self, beat: BeatSeen) {
        for watched in self.watched.iter_mut().filter(|watched| watched.shows(&beat.hash)) {
            if watched.beats.len() == MOST_BEATS {
                watched.beats.pop_front();
                watched.more_beats += 1;
            }
            watched.beats.push_back(beat);
        }
    }

    /// The heartbeats that are to be told next, and how many more there were.
    pub fn next_beats(&mut self, now: Moment) -> Option<(SceneId, Vec<BeatSeen>, u64)> {
        let is_due = |w: &&mut Watched| !w.beats.is_empty() && w.beats_due <= now;
        let watched = self.watched.iter_mut().find(is_due)?;
        watched.beats_due = now + BEATS_EVERY;
        let beats = watched.beats.drain(..).collect();
        Some((watched.id, beats, std::mem::take(&mut watched.more_beats)))
    }

    /// The scene whose event has been due the longest.
    pub fn next_scene(&self, now: Moment) -> Option<(SceneId, Scene)> {
        let due = self.watched.iter().filter(|watched| watched.due <= now);
        due.min_by_key(|watched| watched.due).map(|watched| (watched.id, watched.scene))
    }

    /// The event of a scene was made; `full` is what its content is called.
    pub fn on_event(&mut self, now: Moment, event: &Event, full: Option<InfoHashV2>) {
        if let Some(watched) = self.watched.iter_mut().find(|watched| watched.id == event.scene) {
            watched.due = now + EVERY;
            watched.last = Some(Arc::clone(&event.text));
            watched.full = full.or(watched.full);
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Moment> {
        let dues = self.watched.iter().flat_map(|watched| {
            let beats = (!watched.beats.is_empty()).then_some(watched.beats_due);
            [Some(watched.due), beats]
        });
        dues.flatten().min()
    }
}

impl Watched {
    fn shows(&self, hash: &InfoHashV2) -> bool {
        match self.scene {
            Scene::Tracker => true,
            Scene::Swarm(InfoHash::V1(short)) if hash.truncated() == short => true,
            Scene::Swarm(_) => self.full == Some(*hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    fn swarm(n: u8) -> Scene {
        Scene::Swarm(InfoHashV2([n; 32]).into())
    }

    fn beat(n: u8, left: u64) -> BeatSeen {
        let from = SocketAddr::from(([127, 0, 0, 1], 6881));
        BeatSeen { at: at(1), from, hash: InfoHashV2([n; 32]), left, down: 1, up: 2 }
    }

    fn event(scene: SceneId) -> Event {
        Event { scene, text: Arc::from(&b"data: x\n\n"[..]) }
    }

    #[test]
    fn a_scene_is_due_once_a_second_for_all_who_watch_it() {
        let mut live = Live::default();
        assert_eq!((live.deadline(), live.next_scene(at(5))), (None, None), "nobody watches");
        let (one, last) = live.on_watcher(at(0), swarm(1)).unwrap();
        assert_eq!((last, live.next_scene(at(0))), (None, Some((one, swarm(1)))));
        live.on_event(at(0), &event(one), None);
        let (same, last) = live.on_watcher(at(400), swarm(1)).unwrap();
        assert_eq!((same, last), (one, Some(event(one).text)), "it is shown the last one at once");
        assert_eq!((live.next_scene(at(999)), live.deadline()), (None, Some(at(1000))));
        assert_eq!(live.next_scene(at(1000)), Some((one, swarm(1))));
    }

    #[test]
    fn the_scene_that_has_waited_longest_comes_first() {
        let mut live = Live::default();
        let ids =
            [300, 100, 200].map(|then| live.on_watcher(at(then), swarm(then as u8)).unwrap().0);
        for expected in [ids[1], ids[2], ids[0]] {
            assert_eq!(live.next_scene(at(500)).unwrap().0, expected);
            live.on_event(at(500), &event(expected), None);
        }
        assert_eq!(live.next_scene(at(500)), None);
    }

    #[test]
    fn no_more_watch_than_may_and_whoever_leaves_makes_room() {
        let mut live = Live::default();
        let ids: Vec<_> = (0..MOST_WATCHERS)
            .map(|n| live.on_watcher(at(0), swarm(n as u8 / 2)).unwrap().0)
            .collect();
        assert_eq!((live.watchers(), live.on_watcher(at(0), swarm(0))), (MOST_WATCHERS, None));
        assert!(!live.on_watcher_left(ids[0]));
        assert!(live.on_watcher(at(0), Scene::Tracker).is_some());
        assert!(live.on_watcher_left(ids[1]), "it was the last one");
        for id in &ids[2..] {
            live.on_watcher_left(*id);
        }
        assert!(!live.is_idle() && !live.shows_swarms());
    }

    #[test]
    fn heartbeats_go_to_those_who_watch_them_and_a_flood_of_them_is_a_number() {
        let mut live = Live::default();
        live.on_beat(beat(1, 0));
        let (all, _) = live.on_watcher(at(0), Scene::Tracker).unwrap();
        let (one, _) = live.on_watcher(at(0), swarm(1)).unwrap();
        let short = Scene::Swarm(InfoHashV2([1; 32]).truncated().into());
        let (by_short, _) = live.on_watcher(at(0), short).unwrap();
        assert_eq!(live.next_beats(at(0)), None, "what came before is not kept");
        live.on_beat(beat(2, 7));
        (0..60).for_each(|n| live.on_beat(beat(1, n)));
        let mut heard = |now| {
            let (id, beats, more) = live.next_beats(at(now))?;
            Some((id, beats.first().unwrap().left, beats.len(), more))
        };
        assert_eq!(heard(10), Some((all, 10, MOST_BEATS, 11)));
        assert_eq!(heard(10), Some((one, 10, MOST_BEATS, 10)));
        assert_eq!(heard(10), Some((by_short, 10, MOST_BEATS, 10)));
        assert_eq!(heard(10), None);
    }

    #[test]
    fn heartbeats_are_told_four_times_a_second_at_most() {
        let mut live = Live::default();
        live.on_watcher(at(0), Scene::Tracker).unwrap();
        live.on_beat(beat(1, 0));
        assert!(live.next_beats(at(100)).is_some());
        live.on_beat(beat(1, 0));
        let (scene, _) = live.next_scene(at(100)).unwrap();
        live.on_event(at(100), &event(scene), None);
        assert_eq!((live.next_beats(at(349)), live.deadline()), (None, Some(at(350))));
        assert!(live.next_beats(at(350)).is_some());
    }

    #[test]
    fn a_v1_name_shows_the_heartbeats_of_its_content_once_that_is_known() {
        let mut live = Live::default();
        let v1 = Scene::Swarm(InfoHash::V1(crate::ids::InfoHashV1([9; 20])));
        let (id, _) = live.on_watcher(at(0), v1).unwrap();
        live.on_beat(beat(1, 0));
        assert_eq!(live.next_beats(at(0)), None);
        live.on_event(at(0), &event(id), Some(InfoHashV2([1; 32])));
        live.on_beat(beat(1, 0));
        assert!(live.next_beats(at(0)).is_some());
    }
}
