//! Whose announce is due, and which trackers answer: the books of the `announcer` thread.
//!
//! Every hash of every torrent has an [`Announcer`] for the torrent's own tiers, and one more for
//! each tracker that the user named. A [`Job`] is an announce of one of them; jobs for the same
//! tracker are handed out one after the other, so that a slow one delays only itself. No thread,
//! no socket and no clock here.

use super::{AnnounceEvent, AnnounceReport};
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1};
use crate::logic::announcer::{self as logic, Announcer, Answer, Ask, Params, reach_of};
use crate::logic::reach::Reach;
use crate::node::trackers::ask::{Announced, AskError};
use crate::node::trackers::status::{LastAnnounce, Told, TrackerStatus, sentence};
use crate::protocol::announce::Event;
use crate::protocol::url::Url;
use std::collections::{HashMap, HashSet, VecDeque};

/// What the torrent had to report last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes it lacks.
    pub left: u64,
    /// Bytes sent.
    pub uploaded: u64,
    /// Bytes received.
    pub downloaded: u64,
}

/// An announce to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Where and why.
    pub ask: Ask,
    /// Which torrent.
    pub hash: InfoHashV1,
    /// Which addresses the URL may lead to: all, if the user named it.
    pub reach: Reach,
    /// What it reports.
    pub totals: Totals,
    entry: u64,
}

/// Trackers that are announced to side by side with others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Group {
    /// The torrent's own, in tiers.
    Own,
    /// One that the user named for all torrents.
    Users(String),
}

impl Job {
    fn is_farewell(&self) -> bool {
        self.ask.event == Event::Stopped
    }
}

#[derive(Debug)]
struct Entry {
    id: u64,
    key: InfoHash,
    hash: InfoHashV1,
    group: Group,
    tiers: Vec<Vec<String>>,
    announcer: Announcer,
    /// What came of the last announce to each tracker.
    last: Vec<(Url, LastAnnounce)>,
    totals: Totals,
    is_leaving: bool,
}

/// The books.
#[derive(Debug)]
pub struct Board {
    entries: Vec<Entry>,
    next_id: u64,
    /// Trackers of the user's, for all torrents that are not private.
    always: Vec<String>,
    time_scale: f64,
    /// Due, and not handed out yet.
    waiting: VecDeque<Job>,
    /// The trackers that a job is with.
    busy: HashSet<String>,
    /// Farewells under way: what is said to that tracker about that torrent next comes after them.
    parting: Vec<(Url, InfoHashV1)>,
    standing: Standing,
}

impl Board {
    /// No torrents yet.
    pub fn new(always: Vec<String>, time_scale: f64) -> Self {
        Self {
            entries: Vec::new(),
            next_id: 0,
            always,
            time_scale,
            waiting: VecDeque::new(),
            busy: HashSet::new(),
            parting: Vec::new(),
            standing: Standing::default(),
        }
    }

    /// How all torrents stand. One that is missing has gone.
    pub fn on_reports(&mut self, now: Moment, reports: &[AnnounceReport]) {
        let mut kept = HashSet::new();
        for report in reports {
            for (group, tiers) in self.groups(report) {
                for &hash in &report.hashes {
                    let entry = self.entry(now, report, hash, (&group, &tiers));
                    let AnnounceReport { left, uploaded, downloaded, .. } = *report;
                    entry.totals = Totals { left, uploaded, downloaded };
                    entry.announcer.on_report(report.complete, report.wants_peers);
                    entry.announcer.on_partial_seed(report.partial_seed);
                    kept.insert(entry.id);
                }
            }
        }
        self.leave(now, |entry| !kept.contains(&entry.id));
    }

    /// Everything goes.
    pub fn on_stop(&mut self, now: Moment) {
        self.leave(now, |_| true);
    }

    /// A job came to its end; what there is to be told.
    pub fn on_result(
        &mut self,
        now: Moment,
        job: &Job,
        result: Result<Announced, AskError>,
    ) -> Vec<AnnounceEvent> {
        if job.is_farewell() {
            let is_it = |(url, hash): &(Url, InfoHashV1)| (url, *hash) == (&job.ask.url, job.hash);
            if let Some(at) = self.parting.iter().position(is_it) {
                self.parting.swap_remove(at);
            }
        } else {
            self.busy.remove(&job.ask.url.origin());
        }
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == job.entry) else {
            return Vec::new();
        };
        let (key, is_farewell) = (entry.key, job.is_farewell());
        let tracker = job.ask.url.origin();
        let mut events = Vec::new();
        match result {
            Ok(announced) => {
                let Announced { seeders, leechers, completed, .. } = announced;
                let Announced { interval, min_interval, tracker_id, peers, warning, .. } =
                    announced;
                let told = Told { peers: peers.len(), seeders, leechers, completed };
                entry.on_outcome(now, job, Ok(told));
                let answer = Answer { interval, min_interval, tracker_id };
                entry.announcer.on_answer(now, &job.ask, answer);
                if !is_farewell {
                    let warning = warning.map(|text| sentence(&text));
                    events.extend(self.standing.on_answer(&tracker, job.entry, warning));
                    if !peers.is_empty() {
                        events.push(AnnounceEvent::Peers { key, tracker, peers });
                    }
                }
            }
            Err(error) => {
                entry.announcer.on_failed(now, &job.ask, error.rest());
                let why = sentence(&error.to_string());
                entry.on_outcome(now, job, Err(why.clone()));
                if !is_farewell {
                    events.extend(self.standing.on_failure(&tracker, job.entry, why));
                }
            }
        }
        self.forget_gone();
        events
    }

    /// The next announce to be made, if one is due and its tracker is not being asked already.
    /// Farewells do not wait for that.
    pub fn next_job(&mut self, now: Moment) -> Option<Job> {
        for entry in &mut self.entries {
            while let Some(ask) = entry.announcer.next_announce(now) {
                let Entry { id, hash, totals, .. } = *entry;
                let is_users =
                    self.always.iter().any(|url| Url::parse(url).as_ref() == Ok(&ask.url));
                let reach = if is_users { Reach::Anywhere } else { reach_of(&ask.url) };
                self.waiting.push_back(Job { ask, hash, reach, totals, entry: id });
            }
        }
        let is_free = |job: &Job| {
            let parts =
                self.parting.iter().any(|(url, hash)| (url, *hash) == (&job.ask.url, job.hash));
            job.is_farewell() || !parts && !self.busy.contains(&job.ask.url.origin())
        };
        let at = self.waiting.iter().position(is_free)?;
        let mut job = self.waiting.remove(at)?;
        if let Some(entry) = self.entries.iter().find(|entry| entry.id == job.entry) {
            job.totals = entry.totals;
        }
        if job.is_farewell() {
            self.parting.push((job.ask.url.clone(), job.hash));
        } else {
            self.busy.insert(job.ask.url.origin());
        }
        Some(job)
    }

    /// Peers of a torrent are wanted as soon as its trackers allow it.
    pub fn on_reannounce(&mut self, key: InfoHash) {
        let entries = self.entries.iter_mut().filter(|entry| entry.key == key && !entry.is_leaving);
        entries.for_each(|entry| entry.announcer.on_reannounce());
    }

    /// How the trackers of a torrent stand: its own in their tiers, then each of the user's.
    pub fn standing(&self, key: InfoHash) -> Vec<(Url, TrackerStatus)> {
        let mut all: Vec<(Url, TrackerStatus)> = Vec::new();
        let mut tiers = 0;
        for entry in self.entries.iter().filter(|entry| entry.key == key && !entry.is_leaving) {
            // The user's stand in tiers of their own behind those of the torrent.
            let base = if entry.group == Group::Own { 0 } else { tiers };
            for (url, status) in entry.standing(base) {
                if let Some((_, known)) = all.iter_mut().find(|(known, _)| *known == url) {
                    known.merge(status);
                } else {
                    tiers = tiers.max(status.tier + 1);
                    all.push((url, status));
                }
            }
        }
        all
    }

    /// When the next announce becomes due.
    pub fn deadline(&self) -> Option<Moment> {
        self.entries.iter().filter_map(|entry| entry.announcer.deadline()).min()
    }

    /// Whether nobody is left who is to be told something.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The torrent's own tiers, and each of the user's trackers that is not among them.
    fn groups(&self, report: &AnnounceReport) -> Vec<(Group, Vec<Vec<String>>)> {
        let has_own = report.tiers.iter().any(|tier| !tier.is_empty());
        let own = has_own.then(|| (Group::Own, report.tiers.clone()));
        let mut groups: Vec<_> = own.into_iter().collect();
        // A private torrent has no peers but those of its own trackers (BEP 27).
        if !report.private {
            let is_new = |url: &&String| !report.tiers.iter().flatten().any(|own| own == *url);
            let more = self.always.iter().filter(is_new);
            groups.extend(more.map(|url| (Group::Users(url.clone()), vec![vec![url.clone()]])));
        }
        groups
    }

    fn entry(
        &mut self,
        now: Moment,
        report: &AnnounceReport,
        hash: InfoHashV1,
        (group, tiers): (&Group, &[Vec<String>]),
    ) -> &mut Entry {
        let is_it = |entry: &Entry| {
            !entry.is_leaving
                && entry.key == report.key
                && entry.hash == hash
                && entry.group == *group
        };
        let at = self.entries.iter().position(is_it).unwrap_or_else(|| {
            let params = Params {
                tiers: tiers.to_vec(),
                complete: report.complete,
                time_scale: self.time_scale,
                seed: fastrand::u64(..),
            };
            self.next_id += 1;
            self.entries.push(Entry {
                id: self.next_id,
                key: report.key,
                hash,
                group: group.clone(),
                tiers: tiers.to_vec(),
                announcer: Announcer::new(&params),
                last: Vec::new(),
                totals: Totals::default(),
                is_leaving: false,
            });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[at];
        if entry.tiers != tiers {
            let stays =
                |url: &Url| tiers.iter().flatten().any(|text| Url::parse(text).as_ref() == Ok(url));
            // What was not sent yet needs no farewell.
            self.waiting.retain(|job| {
                let goes = job.entry == entry.id && !job.is_farewell() && !stays(&job.ask.url);
                if goes {
                    entry.announcer.on_failed(now, &job.ask, None);
                }
                !goes
            });
            entry.last.retain(|(url, _)| stays(url));
            entry.announcer.on_tiers(tiers);
            entry.tiers = tiers.to_vec();
        }
        entry
    }

    fn leave(&mut self, now: Moment, goes: impl Fn(&Entry) -> bool) {
        for entry in self.entries.iter_mut().filter(|entry| !entry.is_leaving && goes(entry)) {
            entry.is_leaving = true;
            // What was not sent yet needs no farewell.
            self.waiting.retain(|job| {
                let unsent = job.entry == entry.id;
                if unsent {
                    entry.announcer.on_failed(now, &job.ask, None);
                }
                !unsent
            });
            entry.announcer.on_stop();
        }
        self.forget_gone();
    }

    fn forget_gone(&mut self) {
        let standing = &mut self.standing;
        self.entries.retain(|entry| {
            let gone = entry.announcer.is_gone();
            if gone {
                standing.forget(entry.id);
            }
            !gone
        });
    }
}

impl Entry {
    /// Something came of an announce; what came of a farewell is nobody's business any more.
    fn on_outcome(&mut self, at: Moment, job: &Job, outcome: Result<Told, String>) {
        self.last.retain(|(url, _)| *url != job.ask.url);
        if !job.is_farewell() {
            self.last.push((job.ask.url.clone(), LastAnnounce { at, outcome }));
        }
    }

    /// How its trackers stand; their tiers are counted from `base`.
    fn standing(&self, base: usize) -> impl Iterator<Item = (Url, TrackerStatus)> {
        self.announcer.standing().into_iter().map(move |standing| {
            let logic::Standing { url, tier, under_way, next, backup } = standing;
            let last = self.last.iter().find(|(known, _)| *known == url);
            let status = TrackerStatus {
                last: last.map(|(_, last)| last.clone()),
                under_way,
                next,
                backup,
                ..TrackerStatus::unknown(url.to_string(), base + tier)
            };
            (url, status)
        })
    }
}

/// Which trackers answer: each change is told once, however many torrents meet it.
#[derive(Debug, Default)]
struct Standing {
    /// Trackers that were said to answer.
    up: HashSet<String>,
    /// Why a tracker does not answer, for each entry that met it.
    lost: HashMap<String, HashMap<u64, String>>,
    /// What a tracker warned of last.
    warnings: HashMap<String, String>,
}

impl Standing {
    fn on_answer(
        &mut self,
        tracker: &str,
        entry: u64,
        warning: Option<String>,
    ) -> Vec<AnnounceEvent> {
        if let Some(all) = self.lost.get_mut(tracker) {
            all.remove(&entry);
        }
        let tracker = tracker.to_owned();
        let mut events = Vec::new();
        if self.up.insert(tracker.clone()) {
            events.push(AnnounceEvent::Found { tracker: tracker.clone() });
        }
        if let Some(text) = warning {
            let before = self.warnings.insert(tracker.clone(), text.clone());
            if before.as_ref() != Some(&text) {
                events.push(AnnounceEvent::Warning { tracker, text });
            }
        }
        events
    }

    /// One torrent may be refused for ever while others are welcome: that is told once too.
    fn on_failure(&mut self, tracker: &str, entry: u64, why: String) -> Option<AnnounceEvent> {
        let all = self.lost.entry(tracker.to_owned()).or_default();
        let others_know = all.values().any(|other| *other == why);
        let before = all.insert(entry, why.clone());
        if before.as_ref() == Some(&why) || (others_know && !self.up.contains(tracker)) {
            return None;
        }
        self.up.remove(tracker);
        Some(AnnounceEvent::Lost { tracker: tracker.to_owned(), why })
    }

    fn forget(&mut self, entry: u64) {
        self.lost.retain(|_, all| {
            all.remove(&entry);
            !all.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Moment = Moment::START;

    fn report(n: u8, urls: &[&str]) -> AnnounceReport {
        AnnounceReport {
            key: InfoHash::V1(InfoHashV1([n; 20])),
            hashes: vec![InfoHashV1([n; 20])],
            tiers: urls.iter().map(|url| vec![(*url).into()]).collect(),
            left: 9,
            uploaded: 1,
            downloaded: 2,
            complete: false,
            wants_peers: false,
            partial_seed: false,
            private: false,
        }
    }

    fn board(always: &[&str]) -> Board {
        Board::new(always.iter().map(|url| (*url).into()).collect(), 1.0)
    }

    fn jobs(board: &mut Board) -> Vec<Job> {
        std::iter::from_fn(|| board.next_job(NOW)).take(99).collect()
    }

    fn lines(jobs: &[Job]) -> Vec<String> {
        let line = |job: &Job| format!("{} {} {:?}", job.hash.0[0], job.ask.url, job.ask.event);
        jobs.iter().map(line).collect()
    }

    fn late() -> Result<Announced, AskError> {
        Err(AskError::Udp(crate::node::trackers::udp::UdpError::Late))
    }

    #[test]
    fn jobs_with_one_tracker_come_one_after_the_other() {
        let mut board = board(&[]);
        board.on_reports(NOW, &[report(1, &["http://a/x"]), report(2, &["http://a/y"])]);
        let first = jobs(&mut board);
        assert_eq!(lines(&first), ["1 http://a/x Started"]);
        board.on_result(NOW, &first[0], Ok(Announced::default()));
        assert_eq!(lines(&jobs(&mut board)), ["2 http://a/y Started"]);
    }

    #[test]
    fn a_hybrid_announces_both_hashes_and_users_trackers_are_asked_besides_the_torrents() {
        let mut board = board(&["udp://u:1", "http://a/"]);
        let mut hybrid = report(1, &["http://a/", "http://b/"]);
        hybrid.hashes.push(InfoHashV1([9; 20]));
        board.on_reports(NOW, &[hybrid]);
        let mut all = jobs(&mut board);
        for job in all.clone() {
            board.on_result(NOW, &job, Ok(Announced::default()));
        }
        all.extend(jobs(&mut board));
        let expected = [
            "1 http://a/ Started",
            "1 udp://u:1 Started",
            "9 http://a/ Started",
            "9 udp://u:1 Started",
        ];
        let mut lines = lines(&all);
        lines.sort_unstable();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_private_torrent_is_told_to_its_own_trackers_only() {
        let mut board = board(&["udp://u:1"]);
        board.on_reports(NOW, &[AnnounceReport { private: true, ..report(1, &["http://a/"]) }]);
        assert_eq!(lines(&jobs(&mut board)), ["1 http://a/ Started"]);
        // All its trackers hear of it natively.
        let mut board = Board::new(vec!["udp://u:1".into()], 1.0);
        board.on_reports(NOW, &[AnnounceReport { private: true, ..report(1, &[]) }]);
        assert!(jobs(&mut board).is_empty());
    }

    #[test]
    fn only_the_users_own_urls_lead_anywhere() {
        let mut board = board(&["http://u/rpc"]);
        board.on_reports(NOW, &[report(1, &["http://a/rpc"])]);
        let reaches: Vec<_> =
            jobs(&mut board).iter().map(|job| (job.ask.url.host.clone(), job.reach)).collect();
        let expected = [("a", Reach::NotThisMachine), ("u", Reach::Anywhere)];
        assert_eq!(reaches, expected.map(|(host, reach)| (host.to_owned(), reach)));
    }

    #[test]
    fn a_torrent_that_is_missing_from_the_reports_is_stopped_with_its_last_numbers() {
        let mut board = board(&[]);
        board.on_reports(NOW, &[report(1, &["http://a/"])]);
        let started = jobs(&mut board);
        board.on_result(NOW, &started[0], Ok(Announced::default()));
        board.on_reports(NOW, &[AnnounceReport { left: 0, ..report(1, &["http://a/"]) }]);
        board.on_reports(NOW, &[]);
        let stopped = jobs(&mut board);
        assert_eq!(lines(&stopped), ["1 http://a/ Stopped"]);
        assert_eq!(stopped[0].totals, Totals { left: 0, uploaded: 1, downloaded: 2 });
        // It comes back while the farewell is under way.
        board.on_reports(NOW, &[report(1, &["http://a/"]), report(2, &["http://a/"])]);
        let others = jobs(&mut board);
        assert_eq!(lines(&others), ["2 http://a/ Started"], "else the farewell might come last");
        board.on_result(NOW, &others[0], late());
        board.on_result(NOW, &stopped[0], late());
        assert_eq!(lines(&jobs(&mut board)), ["1 http://a/ Started"]);
        board.on_reports(NOW, &[report(1, &["http://a/"])]);
        board.on_stop(NOW);
        assert_eq!(lines(&jobs(&mut board)), ["1 http://a/ Stopped"], "it may have heard us");
    }

    #[test]
    fn who_was_never_announced_needs_no_farewell() {
        let mut board = board(&[]);
        board.on_reports(NOW, &[report(1, &["http://a/x"]), report(2, &["http://a/y"])]);
        let under_way = jobs(&mut board);
        board.on_stop(NOW);
        let farewells = jobs(&mut board);
        assert_eq!(lines(&farewells), ["1 http://a/x Stopped"]);
        board.on_result(NOW, &farewells[0], Ok(Announced::default()));
        assert!(board.is_empty());
        board.on_result(NOW, &under_way[0], late());
    }

    #[test]
    fn a_tracker_that_is_lost_is_said_once_and_so_is_its_return() {
        let mut board = board(&[]);
        board.on_reports(NOW, &[report(1, &["http://a/x"]), report(2, &["http://a/y"])]);
        let mut now = NOW;
        let mut round = |board: &mut Board, result: fn() -> Result<Announced, AskError>| {
            now = now + Duration::from_hours(1);
            let mut events = Vec::new();
            while let Some(job) = board.next_job(now) {
                events.extend(board.on_result(now, &job, result()));
            }
            events
        };
        let (tracker, why) = ("http://a".to_string(), "no answer in time".to_string());
        let lost = AnnounceEvent::Lost { tracker: tracker.clone(), why };
        assert_eq!(round(&mut board, late), [lost]);
        assert_eq!(round(&mut board, late), []);
        let good = || Ok(Announced { warning: Some("old\nclient".into()), ..Announced::default() });
        let found = AnnounceEvent::Found { tracker: tracker.clone() };
        let warning = AnnounceEvent::Warning { tracker, text: "old client".into() };
        assert_eq!(round(&mut board, good), [found, warning]);
        assert_eq!(round(&mut board, good), []);
    }

    /// URL, tier, what came last, whether it is asked now, when next, whether it waits behind others.
    fn standing(board: &Board) -> Vec<String> {
        let line = |(_, status): (Url, TrackerStatus)| {
            let last = status.last.map(|last| match last.outcome {
                Ok(told) => format!("{} of {:?}", told.peers, told.seeders),
                Err(why) => why,
            });
            let next = status.next.map(|next| next.elapsed().as_secs());
            let flags = [(status.under_way, " asked"), (status.backup, " backup")];
            let flags = flags.map(|(is_so, word)| if is_so { word } else { "" }).concat();
            format!("{} {} {last:?} {next:?}{flags}", status.tier, status.url)
        };
        board.standing(InfoHash::V1(InfoHashV1([1; 20]))).into_iter().map(line).collect()
    }

    #[test]
    fn a_tracker_stands_as_its_last_announce_went() {
        let mut board = board(&["udp://u:1"]);
        let mut hybrid = report(1, &["http://a/", "http://b/"]);
        hybrid.hashes.push(InfoHashV1([9; 20]));
        board.on_reports(NOW, &[hybrid]);
        let first = jobs(&mut board);
        assert_eq!(lines(&first), ["1 http://a/ Started", "1 udp://u:1 Started"]);
        let expected = [
            "0 http://a/ None None asked",
            "1 http://b/ None None backup",
            "2 udp://u:1 None None asked",
        ];
        assert_eq!(standing(&board), expected);
        let told = Announced {
            peers: vec!["10.0.0.1:1".parse().unwrap()],
            seeders: Some(7),
            interval: Some(600),
            ..Announced::default()
        };
        board.on_result(NOW, &first[0], Ok(told));
        board.on_result(NOW, &first[1], late());
        let second = jobs(&mut board);
        second.iter().for_each(|job| _ = board.on_result(NOW, job, Ok(Announced::default())));
        let lines = standing(&board);
        assert_eq!(lines[0], "0 http://a/ Some(\"1 of Some(7)\") Some(600)");
        assert_eq!(lines[1], "1 http://b/ None None backup");
        assert!(lines[2].starts_with("2 udp://u:1 Some(\"no answer in time\")"), "{lines:?}");
        board.on_stop(NOW);
        assert_eq!(standing(&board), [""; 0]);
    }

    #[test]
    fn of_other_trackers_only_those_that_changed_hear() {
        let mut board = board(&[]);
        board.on_reports(NOW, &[report(1, &["http://a/x"])]);
        let first = jobs(&mut board);
        board.on_result(NOW, &first[0], Ok(Announced::default()));
        board.on_reports(NOW, &[report(1, &["http://a/x", "http://b/"])]);
        assert_eq!(lines(&jobs(&mut board)), [""; 0], "the second stands behind the first");
        board.on_reports(NOW, &[report(1, &["http://b/"])]);
        let changed = jobs(&mut board);
        assert_eq!(lines(&changed), ["1 http://a/x Stopped", "1 http://b/ Started"]);
        // It comes back before the others have answered, and what was never sent needs no farewell.
        board.on_reports(NOW, &[report(1, &["http://b/y"])]);
        board.on_reports(NOW, &[report(1, &["http://a/x"])]);
        assert_eq!(lines(&jobs(&mut board)), ["1 http://b/ Stopped"]);
        board.on_result(NOW, &changed[0], Ok(Announced::default()));
        assert_eq!(lines(&jobs(&mut board)), ["1 http://a/x Started"]);
    }

    #[test]
    fn peers_are_told_with_the_torrents_key() {
        let mut board = board(&[]);
        board.on_reports(NOW, &[report(1, &["http://a/x?passkey=1"])]);
        let job = board.next_job(NOW).unwrap();
        let peers = vec!["10.0.0.1:1".parse().unwrap()];
        let announced = Announced { peers: peers.clone(), ..Announced::default() };
        let events = board.on_result(NOW, &job, Ok(announced));
        let (key, tracker) = (InfoHash::V1(InfoHashV1([1; 20])), "http://a".to_string());
        assert_eq!(events[1], AnnounceEvent::Peers { key, tracker, peers });
    }
}
