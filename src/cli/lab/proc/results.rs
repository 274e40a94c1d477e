//! From what was seen of all peers to the outcome of a run. Pure, but for the files of the peers.

use super::player::Player;
use crate::lab::outcome::{PeerOutcome, Sample};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Seconds from the start of a run to a moment; what was before it is at it.
pub fn secs(begun: Instant, at: Instant) -> f64 {
    at.saturating_duration_since(begun).as_secs_f64()
}

/// What became of a peer.
pub fn outcome(player: &Player, begun: Instant, size: u64) -> PeerOutcome {
    let at = |moment: Option<Instant>| moment.map(|moment| secs(begun, moment));
    let moved = player.in_all();
    let completed = player.completed.filter(|_| player.is_leecher());
    // Of who is not whole yet nobody outside can tell twice from once.
    let twice = completed.map_or(0, |_| moved.fetched.saturating_sub(size));
    PeerOutcome {
        group: player.member.group,
        joined: at(player.joined),
        completed: at(completed),
        left: at(player.left.filter(|_| player.joined.is_some())),
        sent: moved.sent,
        received: moved.fetched,
        wasted: twice.max(moved.corrupt),
        bans: u32::try_from(player.banned.len()).unwrap_or(u32::MAX),
    }
}

/// What this backend measures by itself: `tail`, `throughput`, `bans`, `culprits` (the share of
/// liars that somebody banned) and `innocents` (bans of others).
pub fn metrics(players: &[Player], liars: &[IpAddr], size: u64) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let leechers = || players.iter().filter(|player| player.is_leecher());
    let slowest = leechers().filter(|player| player.completed.is_some());
    if let Some(player) = slowest.max_by_key(|player| player.completed)
        && let (Some(nearly), Some(end)) = (player.nearly, player.completed)
    {
        all.insert("tail".into(), secs(nearly, end));
    }
    if let Some(player) = leechers().next()
        && let (Some(first), Some(end)) = (player.first, player.completed)
        && end > first.at
    {
        let bytes = size.saturating_sub(first.fetched);
        all.insert("throughput".into(), bytes as f64 / secs(first.at, end));
    }
    let bans: Vec<IpAddr> = players.iter().flat_map(|player| player.banned.clone()).collect();
    all.insert("bans".into(), bans.len() as f64);
    if !liars.is_empty() {
        let named = liars.iter().filter(|liar| bans.contains(liar)).count();
        all.insert("culprits".into(), named as f64 / liars.len() as f64);
    }
    let innocents = bans.iter().filter(|who| !liars.contains(who)).count();
    all.insert("innocents".into(), innocents as f64);
    all
}

/// How all stand at a moment.
pub fn samples(players: &[Player], t: Duration, piece: u32, out: &mut Vec<Sample>) {
    let t = t.as_secs_f64();
    let mut put = |who: &str, metric, value: f64| {
        out.push(Sample { t, who: who.to_owned(), metric, value });
    };
    let (mut leechers, mut seeds, mut up, mut down) = (0, 0, 0, 0);
    for player in players.iter().filter(|player| player.is_present()) {
        let is_whole = !player.is_leecher() || player.completed.is_some();
        (leechers, seeds) = (leechers + u32::from(!is_whole), seeds + u32::from(is_whole));
        (up, down) = (up + player.now.up, down + player.now.down);
        if player.is_leecher() {
            put(&player.name, "pieces", (player.now.bytes / u64::from(piece.max(1))) as f64);
        }
    }
    put("all", "leechers", leechers.into());
    put("all", "seeds", seeds.into());
    put("all", "up", up as f64);
    put("all", "down", down as f64);
}

#[cfg(test)]
mod tests {
    use super::super::super::child::{Progress, Word};
    use super::super::timetable::Member;
    use super::*;
    use crate::lab::setting::Role;

    fn player(role: Role) -> Player {
        let member = Member { group: 3, nth: 1, role, joins: Some(Duration::ZERO), stays: None };
        Player::new(member, "peer/1".into(), "x".into(), None)
    }

    #[test]
    fn what_became_of_a_peer_follows_from_what_its_process_said() {
        let begun = Instant::now();
        let at = |secs: u64| begun + Duration::from_secs(secs);
        let mut one = player(Role::Leech);
        one.joined = Some(at(1));
        let has = |bytes, fetched, sent| {
            let corrupt = 100;
            Word::Progress(Progress { bytes, fetched, sent, corrupt, ..Progress::default() })
        };
        one.on_word(at(2), None, &has(100, 200, 0), 1000);
        one.on_word(at(4), None, &has(960, 1100, 40), 1000);
        one.on_word(at(5), None, &Word::Whole, 1000);
        one.on_word(at(6), None, &has(1000, 1300, 50), 1000);
        let liar = IpAddr::from([127, 0, 9, 1]);
        one.on_word(at(6), None, &Word::Banned((liar, 1).into()), 1000);
        let is = outcome(&one, begun, 1000);
        let expected = PeerOutcome {
            group: 3,
            joined: Some(1.0),
            completed: Some(5.0),
            left: None,
            sent: 50,
            received: 1300,
            wasted: 300,
            bans: 1,
        };
        assert_eq!(is, expected);
        let all = metrics(&[one], &[liar, IpAddr::from([127, 0, 8, 1])], 1000);
        let get = |name: &str| all.get(name).copied().unwrap_or(f64::NAN);
        assert!((get("tail") - 1.0).abs() < 1e-9);
        assert!((get("throughput") - 800.0 / 3.0).abs() < 1e-9);
        for (name, expected) in [("bans", 1.0), ("culprits", 0.5), ("innocents", 0.0)] {
            assert!((get(name) - expected).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn a_seed_is_not_completed_and_who_is_not_whole_wasted_what_was_wrong() {
        let begun = Instant::now();
        let mut seed = player(Role::Seed);
        seed.on_word(begun, None, &Word::Whole, 1000);
        assert_eq!(outcome(&seed, begun, 1000).completed, None);
        let mut late = player(Role::Leech);
        let has = Progress { bytes: 10, fetched: 5000, corrupt: 64, ..Progress::default() };
        late.on_word(begun, None, &Word::Progress(has), 1000);
        assert_eq!(outcome(&late, begun, 1000).wasted, 64);
    }
}
