//! From what came of a run to its measures, by name.
//!
//! ```text
//! Setting, Outcome  ->  D, mean, p95, util, seed_copies, jain, population, ..   measures()
//!                   ->  what cannot be true of any run                           violations()
//! Setting           ->  F, u, us, M, N, k                                        names()
//! ```
//! What is absent could not be measured: there is no D while somebody is not complete. What the
//! backend measured itself goes before what is computed here from its peers.

use super::outcome::{Outcome, PeerOutcome};
use super::setting::{Deed, Joins, Model, Role, Setting};
use super::statistics::{jain, mean, quantile};
use std::collections::{BTreeMap, BTreeSet};

/// Every measure, in the order of the summary's columns.
pub const MEASURES: [&str; 34] = [
    "D",
    "mean",
    "p95",
    "finished",
    "util",
    "interest",
    "seed_copies",
    "first_copy",
    "wasted",
    "jain",
    "msgs",
    "haves",
    "chokes",
    "population",
    "population.half",
    "population.end",
    "hit_ratio",
    "messages",
    "messages.cold",
    "messages.miss",
    "messages.hit",
    "wait",
    "rounds",
    "throughput",
    "tail",
    "memory_per_peer",
    "events",
    "bans",
    "culprits",
    "innocents",
    "bad_bytes",
    "sent",
    "received",
    "came",
];

/// Measures that each group of leechers has for itself: `mean.rider`.
pub const OF_GROUPS: [&str; 3] = ["mean", "p95", "finished"];

/// Names of a setting.
pub const NAMES: [&str; 6] = ["F", "u", "us", "M", "N", "k"];

/// What a setting's numbers are called: F, u (of the first leechers that serve), us (all seeds together), M,
/// N (leechers in all), k. A rate without limit has no number.
pub fn names(setting: &Setting) -> BTreeMap<String, f64> {
    let of = |role| setting.groups.iter().filter(move |group| group.role == role);
    let first = of(Role::Leech).find(|group| group.slots > 0).or_else(|| of(Role::Leech).next());
    let seeds: Option<f64> =
        of(Role::Seed).map(|group| Some(group.up? as f64 * group.count as f64)).sum();
    let mut names = BTreeMap::new();
    let mut put = |name: &str, value: Option<f64>| {
        value.and_then(|value| names.insert(name.to_owned(), value));
    };
    put("F", Some(setting.content.size as f64));
    put("M", Some(f64::from(setting.content.pieces())));
    put("N", Some(of(Role::Leech).map(|group| group.count).sum::<usize>() as f64));
    put("u", first.and_then(|group| group.up).map(|up| up as f64));
    put("us", seeds.filter(|sum| *sum > 0.0));
    put("k", first.map(|group| group.slots as f64));
    names
}

/// Every measure of a run that can be told.
pub fn measures(setting: &Setting, outcome: &Outcome) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    if !outcome.peers.is_empty() {
        let run = Run::new(setting, outcome);
        run.times(&mut found);
        run.bytes(&mut found);
        run.populations(&mut found);
    }
    found.extend(outcome.metrics.iter().map(|(name, value)| (name.clone(), *value)));
    found.retain(|_, value| value.is_finite());
    found
}

/// A run, looked at.
struct Run<'a> {
    setting: &'a Setting,
    outcome: &'a Outcome,
    /// Seconds from its start to its end.
    end: f64,
    /// Leechers that came.
    leechers: Vec<&'a PeerOutcome>,
}

impl<'a> Run<'a> {
    fn new(setting: &'a Setting, outcome: &'a Outcome) -> Self {
        let role = |peer: &PeerOutcome| setting.groups.get(peer.group).map(|group| group.role);
        let is_leecher = |peer: &&PeerOutcome| role(peer) == Some(Role::Leech);
        let came = |peer: &&PeerOutcome| peer.joined.is_some();
        let leechers: Vec<_> = outcome.peers.iter().filter(is_leecher).filter(came).collect();
        let all_complete = leechers.iter().all(|peer| peer.completed.is_some());
        let end = if setting.runs_to_limit || !all_complete {
            setting.limit.as_secs_f64()
        } else {
            leechers.iter().filter_map(|peer| peer.completed).fold(0.0, f64::max)
        };
        Self { setting, outcome, end, leechers }
    }

    /// D, mean, p95, finished, of all and of each group.
    fn times(&self, found: &mut BTreeMap<String, f64>) {
        let killed = killed(self.setting);
        let mut places = vec![0_usize; self.setting.groups.len()];
        // Who comes at a given time and is not killed is to finish; so is everybody who came.
        let mut is_whole = true;
        for peer in &self.outcome.peers {
            let Some(group) = self.setting.groups.get(peer.group) else { continue };
            places[peer.group] += 1;
            let is_due = peer.joined.is_some() || !matches!(group.joins, Joins::Poisson(_));
            let spared = !killed.contains(&(peer.group, places[peer.group]));
            is_whole &= group.role == Role::Seed || !is_due || !spared || peer.completed.is_some();
        }
        let last = self.leechers.iter().filter_map(|peer| peer.completed).reduce(f64::max);
        if let Some(last) = last.filter(|_| is_whole) {
            found.insert("D".into(), last);
        }
        let mut put = |suffix: &str, peers: &[&PeerOutcome]| {
            let took = |peer: &&PeerOutcome| Some(peer.completed? - peer.joined?);
            let took: Vec<f64> = peers.iter().filter_map(took).collect();
            let finished = (!peers.is_empty()).then(|| took.len() as f64 / peers.len() as f64);
            let all =
                [("mean", mean(&took)), ("p95", quantile(&took, 0.95)), ("finished", finished)];
            for (name, value) in all {
                if let Some(value) = value {
                    found.insert(format!("{name}{suffix}"), value);
                }
            }
        };
        put("", &self.leechers);
        for (place, group) in self.setting.groups.iter().enumerate() {
            if group.role == Role::Leech {
                let own: Vec<_> =
                    self.leechers.iter().copied().filter(|peer| peer.group == place).collect();
                put(&format!(".{}", group.name), &own);
            }
        }
    }

    /// Bytes and shares of bytes.
    fn bytes(&self, found: &mut BTreeMap<String, f64>) {
        let size = self.setting.content.size as f64;
        let peers = &self.outcome.peers;
        let sum = |of: fn(&PeerOutcome) -> u64| peers.iter().map(of).sum::<u64>() as f64;
        let sent = sum(|peer| peer.sent);
        let is_seed = |peer: &&PeerOutcome| {
            self.setting.groups.get(peer.group).is_some_and(|group| group.role == Role::Seed)
        };
        let by_seeds: u64 = peers.iter().filter(is_seed).map(|peer| peer.sent).sum();
        let wasted: u64 = self.leechers.iter().map(|peer| peer.wasted).sum();
        let shares: Vec<f64> = self
            .leechers
            .iter()
            .filter(|peer| peer.sent > 0)
            .map(|peer| peer.received as f64 / peer.sent as f64)
            .collect();
        let leechers = self.leechers.len() as f64;
        let all = [
            ("sent", Some(sent)),
            ("received", Some(sum(|peer| peer.received))),
            ("came", Some(leechers)),
            ("bans", Some(peers.iter().map(|peer| f64::from(peer.bans)).sum())),
            ("seed_copies", Some(by_seeds as f64 / size)),
            ("wasted", (leechers > 0.0).then(|| wasted as f64 / size / leechers)),
            ("jain", jain(&shares)),
            ("util", self.capacity().map(|capacity| sent / capacity)),
        ];
        found.extend(all.into_iter().filter_map(|(name, value)| Some((name.into(), value?))));
    }

    /// Bytes that all who serve could have sent while a leecher was there.
    fn capacity(&self) -> Option<f64> {
        let busy = merged(self.leechers.iter().filter_map(|peer| self.leeches(peer)).collect());
        let mut capacity = 0.0;
        for peer in &self.outcome.peers {
            let group = self.setting.groups.get(peer.group)?;
            let Some(joined) = peer.joined.filter(|_| group.slots > 0) else { continue };
            let left = peer.left.unwrap_or(self.end);
            let there: f64 =
                busy.iter().map(|(from, to)| (to.min(left) - from.max(joined)).max(0.0)).sum();
            capacity += group.up? as f64 * there;
        }
        (capacity > 0.0).then_some(capacity)
    }

    /// From when to when a peer was there and not complete.
    fn leeches(&self, peer: &PeerOutcome) -> Option<(f64, f64)> {
        let ends = [peer.completed, peer.left, Some(self.end)];
        let end = ends.into_iter().flatten().fold(f64::INFINITY, f64::min);
        peer.joined.filter(|joined| *joined < end).map(|joined| (joined, end))
    }

    /// How many leechers there were, on average over parts of the run.
    fn populations(&self, found: &mut BTreeMap<String, f64>) {
        let spans: Vec<(f64, f64)> =
            self.leechers.iter().filter_map(|peer| self.leeches(peer)).collect();
        let over = |from: f64, to: f64| {
            let (from, to) = (from * self.end, to * self.end);
            let there = |&(a, b): &(f64, f64)| (b.min(to) - a.max(from)).max(0.0);
            spans.iter().map(there).sum::<f64>() / (to - from)
        };
        if self.end > 0.0 {
            found.insert("population".into(), over(0.5, 1.0));
            found.insert("population.half".into(), over(0.4, 0.5));
            found.insert("population.end".into(), over(0.9, 1.0));
        }
        if let Some(tail) = self.tail() {
            found.insert("tail".into(), tail);
        }
    }

    /// Seconds that the slowest leecher took for its last 5 %, if its pieces were watched.
    fn tail(&self) -> Option<f64> {
        let mut places = vec![0_usize; self.setting.groups.len()];
        let mut slowest: Option<(f64, String)> = None;
        for peer in &self.outcome.peers {
            let group = self.setting.groups.get(peer.group)?;
            places[peer.group] += 1;
            let done = peer.completed.filter(|_| group.role == Role::Leech);
            if let Some(done) = done.filter(|done| slowest.as_ref().is_none_or(|s| *done > s.0)) {
                slowest = Some((done, format!("{}/{}", group.name, places[peer.group])));
            }
        }
        let (done, who) = slowest?;
        let enough = 0.95 * f64::from(self.setting.content.pieces());
        let series = self.outcome.series.iter();
        let begins = series
            .filter(|sample| sample.metric == "pieces" && sample.who == who)
            .find(|sample| sample.value >= enough)?;
        Some((done - begins.t).max(0.0))
    }
}

/// Spans of time as the fewest that do not overlap.
fn merged(mut spans: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Peers that an event kills: group and place in it, counted from 1.
fn killed(setting: &Setting) -> BTreeSet<(usize, usize)> {
    let mut killed = BTreeSet::new();
    for event in setting.events.iter().filter(|event| event.deed == Deed::Kill) {
        let (name, place) = match event.who.split_once('/') {
            Some((name, place)) => (name, place.parse().ok()),
            None => (event.who.as_str(), None),
        };
        let named = setting.groups.iter().position(|group| group.name == name);
        if let Some(group) = named {
            let all = 1..=setting.groups[group].count;
            killed.extend(all.filter(|n| place.is_none_or(|p: usize| p == *n)).map(|n| (group, n)));
        }
    }
    killed
}

/// How far below a bound a run may be: the start of a rate limiter's bucket.
const BELOW: f64 = 0.98;

/// What cannot be true, whatever the setting: each as a sentence. Such a run does not count.
pub fn violations(
    setting: &Setting,
    outcome: &Outcome,
    measures: &BTreeMap<String, f64>,
    theory: &BTreeMap<String, f64>,
) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(took), Some(bound)) = (measures.get("D"), theory.get("D"))
        && *took < BELOW * bound
    {
        found.push(format!(
            "D is {took:.3} s, below {BELOW} of the bound {bound:.3} s: a rate limit leaks"
        ));
    }
    if let Some(util) = measures.get("util").filter(|util| **util > 1.02) {
        found.push(format!("util is {util:.3}: more was sent than the uplinks can carry"));
    }
    if setting.model == Model::Swarm {
        found.extend(unbalanced(setting, outcome));
    }
    found
}

/// Whether all that was sent came, but for what was under way at the end.
fn unbalanced(setting: &Setting, outcome: &Outcome) -> Option<String> {
    let sent: u64 = outcome.peers.iter().map(|peer| peer.sent).sum();
    let received: u64 = outcome.peers.iter().map(|peer| peer.received).sum();
    let block = 16 * 1024;
    if received > sent + sent / 1000 + block {
        return Some(format!("{received} bytes came, though {sent} were sent"));
    }
    // Between a peer and each that it serves a pipeline of blocks may be under way, and in sockets.
    let peers = outcome.peers.len() as u64;
    let lines = peers * peers.saturating_sub(1).min(64);
    let under_way = lines * 64 * block + sent / 50;
    let is_calm = setting.events.is_empty() && setting.link.loss == 0.0;
    (is_calm && sent > received + under_way)
        .then(|| format!("{sent} bytes were sent, and {received} came"))
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Sample;
    use super::super::scenario::Scenario;
    use super::*;

    /// A seed of 100 B/s and two leechers of 50 B/s with 65536 bytes.
    fn setting(more: &str) -> Setting {
        let text = format!(
            "name = \"x\"\ncontent = {{ size = 65536, piece = \"16KiB\" }}\nlimit = 2000\n{more}\n\
             [[group]]\nname = \"seed\"\nrole = \"seed\"\nup = 100\n\
             [[group]]\nname = \"peer\"\nrole = \"leech\"\ncount = 2\nup = 50\n"
        );
        Scenario::read(&text, "x.toml", &[]).expect("it is right").settings.remove(0)
    }

    fn peer(group: usize, done: Option<f64>, sent: u64, received: u64) -> PeerOutcome {
        let joined = Some(0.0);
        PeerOutcome { group, joined, completed: done, sent, received, ..PeerOutcome::default() }
    }

    fn outcome(first: Option<f64>, second: Option<f64>) -> Outcome {
        let peers = vec![
            peer(0, None, 98_304, 0),
            peer(1, first, 32_768, 65_536),
            peer(1, second, 0, 65_536),
        ];
        Outcome { peers, ..Outcome::default() }
    }

    fn near(found: &BTreeMap<String, f64>, name: &str, expected: f64) {
        let got = found.get(name).unwrap_or_else(|| panic!("no {name} in {found:?}"));
        assert!((got - expected).abs() < 1e-6, "{name}: {got}, not {expected}");
    }

    #[test]
    fn the_last_to_be_complete_makes_d() {
        let found = measures(&setting(""), &outcome(Some(500.0), Some(800.0)));
        near(&found, "D", 800.0);
        near(&found, "mean", 650.0);
        near(&found, "p95", 800.0);
        near(&found, "mean.peer", 650.0);
        near(&found, "finished", 1.0);
        near(&found, "seed_copies", 1.5);
        // Received per byte sent; who sent nothing has no such share.
        near(&found, "jain", 1.0);
        near(&found, "util", 131_072.0 / (200.0 * 800.0));
        near(&found, "population", (100.0 + 400.0) / 400.0);
    }

    #[test]
    fn there_is_no_d_while_somebody_is_not_complete() {
        let found = measures(&setting(""), &outcome(Some(500.0), None));
        assert!(!found.contains_key("D"), "{found:?}");
        near(&found, "mean", 500.0);
        near(&found, "finished", 0.5);
        near(&found, "population.end", 1.0);
    }

    #[test]
    fn who_is_killed_need_not_be_complete() {
        let event = "event = [{ at = 9, do = \"kill\", who = \"peer/2\" }]";
        let found = measures(&setting(event), &outcome(Some(500.0), None));
        near(&found, "D", 500.0);
    }

    #[test]
    fn what_the_backend_measured_goes_before_what_is_computed() {
        let mut outcome = outcome(Some(500.0), Some(800.0));
        outcome.metrics.insert("util".into(), 0.5);
        outcome.metrics.insert("interest".into(), f64::NAN);
        let found = measures(&setting(""), &outcome);
        near(&found, "util", 0.5);
        assert!(!found.contains_key("interest"));
    }

    #[test]
    fn the_tail_is_what_the_slowest_took_for_its_last_twentieth() {
        let mut outcome = outcome(Some(500.0), Some(800.0));
        let sample = |t: f64, who: &str, value: f64| {
            let who = who.to_owned();
            Sample { t, who, metric: "pieces", value }
        };
        outcome.series = vec![sample(10.0, "peer/1", 4.0), sample(700.0, "peer/2", 4.0)];
        near(&measures(&setting(""), &outcome), "tail", 100.0);
    }

    #[test]
    fn a_setting_has_the_names_of_the_books() {
        let found = names(&setting(""));
        let expected =
            [("F", 65_536.0), ("M", 4.0), ("N", 2.0), ("u", 50.0), ("us", 100.0), ("k", 4.0)];
        for (name, value) in expected {
            near(&found, name, value);
        }
        assert!(!names(&setting("link = { up = 5 }")).is_empty());
    }

    #[test]
    fn what_cannot_be_is_named() {
        let setting = setting("");
        let check = |outcome: &Outcome, theory: &[(&str, f64)], expected: &[&str]| {
            let theory = theory.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
            let found = violations(&setting, outcome, &measures(&setting, outcome), &theory);
            let begins = |(found, expected): (&String, &&str)| found.starts_with(*expected);
            assert!(
                found.len() == expected.len() && found.iter().zip(expected).all(begins),
                "{found:?}"
            );
        };
        let right = outcome(Some(500.0), Some(800.0));
        check(&right, &[("D", 800.0)], &[]);
        check(&right, &[("D", 850.0)], &["D is 800.000 s, below 0.98 of the bound 850.000 s"]);
        let mut more = right.clone();
        more.peers[1].received += 100_000;
        check(&more, &[], &["231072 bytes came, though 131072 were sent"]);
        let fast = outcome(Some(100.0), Some(200.0));
        check(&fast, &[], &["util is 3.277: more was sent than the uplinks can carry"]);
        let mut lost = right.clone();
        lost.peers[0].sent += 100_000_000;
        lost.peers[1].completed = Some(1e7);
        check(&lost, &[], &["100131072 bytes were sent, and 131072 came"]);
    }
}
