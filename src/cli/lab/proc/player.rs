//! One peer of a run: what is known of it, and what its process says.

use super::super::child::{Child, Progress, Word};
use super::timetable::Member;
use crate::lab::setting::Role;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How far a peer was when it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// What it had received by then.
    pub fetched: u64,
}

/// What a peer is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Its process runs, and knows nothing of the torrent.
    Waits,
    /// It takes part.
    Plays,
    /// Its process stops, to start again as a free rider.
    Changes,
    /// It is gone, or on its way out; true: as it was meant to.
    Gone,
}

/// One peer.
pub struct Player {
    /// As it was planned.
    pub member: Member,
    /// What it is called.
    pub name: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// Where its process is traced to, if it is.
    pub trace: Option<PathBuf>,
    /// Its process, while there is one.
    pub child: Option<Child>,
    /// Where it listens; 0 until it says so.
    pub port: u16,
    /// Where it takes orders, if it does.
    pub door: Option<SocketAddr>,
    /// What it is at.
    pub act: Act,
    /// Whether a tracker lists it.
    pub registered: bool,
    /// How far it is.
    pub now: Progress,
    /// What earlier processes of it received, sent, and received wrong.
    before: Progress,
    /// When it came.
    pub joined: Option<Instant>,
    /// When it had everything.
    pub completed: Option<Instant>,
    /// When it went.
    pub left: Option<Instant>,
    /// When its first bytes were seen.
    pub first: Option<Seen>,
    /// When it had 95 % of everything.
    pub nearly: Option<Instant>,
    /// Whom it banned.
    pub banned: Vec<IpAddr>,
    /// When its process started, by what its clock said: the latest that can be true.
    pub origin: Option<Instant>,
}

impl Player {
    /// Somebody who has no process yet.
    pub fn new(member: Member, name: String, folder: PathBuf, trace: Option<PathBuf>) -> Self {
        Self {
            member,
            name,
            folder,
            trace,
            child: None,
            port: 0,
            door: None,
            act: Act::Waits,
            registered: false,
            now: Progress::default(),
            before: Progress::default(),
            joined: None,
            completed: None,
            left: None,
            first: None,
            nearly: None,
            banned: Vec::new(),
            origin: None,
        }
    }

    /// Whether it fetches.
    pub fn is_leecher(&self) -> bool {
        self.member.role == Role::Leech
    }

    /// Whether the run goes on until it is whole.
    pub fn is_waited_for(&self) -> bool {
        let comes = self.member.joins.is_some() && self.act != Act::Gone;
        self.is_leecher() && comes && self.completed.is_none()
    }

    /// Whether it takes part at the moment.
    pub fn is_present(&self) -> bool {
        self.joined.is_some() && self.left.is_none()
    }

    /// What its process says; true if it is whole just now.
    pub fn on_word(&mut self, at: Instant, time: Option<f64>, word: &Word, size: u64) -> bool {
        let started = time.and_then(|time| Duration::try_from_secs_f64(time).ok());
        if let Some(started) = started.and_then(|time| at.checked_sub(time)) {
            self.origin = Some(self.origin.map_or(started, |known| known.min(started)));
        }
        match *word {
            Word::Port(port) => self.port = port,
            Word::Door(door) => self.door = Some(door),
            Word::Registered => self.registered = true,
            Word::Banned(who) => self.banned.push(who.ip()),
            Word::Progress(now) => {
                self.now = now;
                if self.first.is_none() && now.fetched > 0 {
                    self.first = Some(Seen { at, fetched: now.fetched });
                }
                if self.nearly.is_none() && u128::from(now.bytes) * 20 >= u128::from(size) * 19 {
                    self.nearly = Some(at);
                }
            }
            Word::Whole => {
                self.nearly.get_or_insert(at);
                self.now.bytes = size;
                let is_news = self.completed.is_none();
                self.completed.get_or_insert(at);
                return is_news;
            }
            Word::Fault(_) | Word::Other => {}
        }
        false
    }

    /// Its process ended, and another one goes on.
    pub fn on_new_process(&mut self) {
        self.before = self.in_all();
        let bytes = self.now.bytes;
        self.now = Progress { bytes, ..Progress::default() };
        (self.door, self.registered, self.origin) = (None, false, None);
    }

    /// What all its processes received, sent, and received wrong.
    pub fn in_all(&self) -> Progress {
        Progress {
            fetched: self.before.fetched + self.now.fetched,
            sent: self.before.sent + self.now.sent,
            corrupt: self.before.corrupt + self.now.corrupt,
            ..self.now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player() -> Player {
        let member = Member { group: 0, nth: 1, role: Role::Leech, joins: None, stays: None };
        Player::new(member, "peer/1".into(), "x".into(), None)
    }

    #[test]
    fn what_several_processes_of_a_peer_moved_is_added_up() {
        let mut one = player();
        let at = Instant::now();
        let moved = |fetched, sent| Progress { fetched, sent, bytes: 9, ..Progress::default() };
        assert!(!one.on_word(at, None, &Word::Progress(moved(10, 3)), 1000));
        one.on_new_process();
        assert_eq!((one.in_all().fetched, one.in_all().sent, one.now.bytes), (10, 3, 9));
        one.on_word(at, None, &Word::Progress(moved(1, 5)), 1000);
        assert_eq!((one.in_all().fetched, one.in_all().sent), (11, 8));
        assert_eq!(one.first, Some(Seen { at, fetched: 10 }));
    }

    #[test]
    fn it_is_whole_once_and_nearly_so_before() {
        let mut one = player();
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let has = |bytes| Word::Progress(Progress { bytes, ..Progress::default() });
        one.on_word(at(1), None, &has(949), 1000);
        assert_eq!(one.nearly, None);
        one.on_word(at(2), None, &has(950), 1000);
        assert!(one.on_word(at(3), None, &Word::Whole, 1000));
        assert!(!one.on_word(at(4), None, &Word::Whole, 1000), "seeding follows done");
        assert_eq!((one.nearly, one.completed), (Some(at(2)), Some(at(3))));
    }

    #[test]
    fn the_earliest_start_that_a_line_allows_is_when_its_process_started() {
        let mut one = player();
        let start = Instant::now();
        one.on_word(start + Duration::from_millis(130), Some(0.1), &Word::Other, 1);
        one.on_word(start + Duration::from_millis(205), Some(0.2), &Word::Other, 1);
        one.on_word(start + Duration::from_millis(390), Some(0.3), &Word::Other, 1);
        let started = one.origin.expect("a clock") - start;
        assert!((4900..5100).contains(&started.as_micros()), "{started:?}");
    }
}
