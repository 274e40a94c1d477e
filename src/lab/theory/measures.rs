//! Every bound that applies to a setting, by name.

use super::asking::{self, Ways};
use super::fluid::{Fluid, effectiveness};
use super::{client_server, fewest_rounds, least_makespan, missing, paths, peer_to_peer};
use crate::config::ChokerChoice;
use crate::geometry::BLOCK_LEN;
use crate::lab::setting::{After, Group, Joins, Model, Role, Setting};
use crate::logic::choker::ChokerPolicy;
use std::collections::BTreeMap;

/// What theory says of a setting, and the numbers it goes by; what does not apply, or is without
/// bound, is left out. Times are in seconds, rates in bytes per second, `makespan` in F/u.
///
/// `F`, `u`, `us`, `M`, `N`, `k`; `D_cs`, `D_p2p` and `D`, the one of both that the setting is;
/// `rounds`, `makespan`; `throughput`; `tail`; `lambda`, `T`, `x`, `y`; `threshold`; `hit_ratio`,
/// `messages`, and of a question that nobody, the resolver in part, and it in full can answer
/// `messages.cold`, `messages.miss` and `messages.hit`.
pub fn measures(setting: &Setting) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, value: f64| {
        if value.is_finite() {
            all.insert(name.to_owned(), value);
        }
    };
    if setting.model == Model::Hierarchy {
        questions(setting, &mut put);
        return all;
    }
    let known = Known::of(setting);
    put("F", known.size);
    put("M", f64::from(known.pieces));
    put("N", f64::from(known.leechers));
    put("u", known.up);
    put("us", known.seed_up);
    known.slots.into_iter().for_each(|slots| put("k", slots as f64));
    if known.leechers > 0 {
        put("rounds", f64::from(fewest_rounds(known.leechers, known.pieces.max(1))));
        put("makespan", least_makespan(known.leechers, known.pieces.max(1)));
    }
    distribution(setting, &known, &mut put);
    connection(setting, &known, &mut put);
    churn(setting, &known, &mut put);
    all
}

/// What the formulas go by.
struct Known {
    size: f64,
    pieces: u32,
    leechers: u32,
    /// Of a leecher that serves, or of any.
    up: f64,
    seed_up: f64,
    slots: Option<usize>,
}

impl Known {
    fn of(setting: &Setting) -> Self {
        let leechers = || setting.groups.iter().filter(|group| group.role == Role::Leech);
        let seeds = || setting.groups.iter().filter(|group| group.role == Role::Seed);
        let first = leechers().find(|group| serves(group)).or_else(|| leechers().next());
        let count: usize = leechers().map(|group| group.count).sum();
        Self {
            size: setting.content.size as f64,
            pieces: setting.content.pieces(),
            leechers: u32::try_from(count).unwrap_or(u32::MAX),
            up: rate(first.and_then(|group| group.up).or(setting.link.up)),
            seed_up: seeds().map(|group| rate(group.up) * group.count as f64).sum(),
            slots: first.map(|group| group.slots),
        }
    }
}

fn rate(rate: Option<u64>) -> f64 {
    rate.map_or(f64::INFINITY, |rate| rate as f64)
}

/// Whether its peers give anything.
fn serves(group: &Group) -> bool {
    let rides = group.choker == ChokerChoice::Policy(ChokerPolicy::FreeRide);
    group.slots > 0 && !rides
}

/// Kurose and Ross, for all who come at once.
fn distribution(setting: &Setting, known: &Known, put: &mut impl FnMut(&str, f64)) {
    let leechers = || setting.groups.iter().filter(|group| group.role == Role::Leech);
    let flocks = leechers().any(|group| matches!(group.joins, Joins::Poisson(_)));
    if known.leechers == 0 || known.seed_up <= 0.0 || flocks {
        return;
    }
    let least_down = leechers().map(|group| rate(group.down)).fold(f64::INFINITY, f64::min);
    let up = |group: &Group| if serves(group) { rate(group.up) } else { 0.0 };
    let ups: Vec<f64> =
        leechers().flat_map(|group| std::iter::repeat_n(up(group), group.count)).collect();
    let alone = client_server(known.size, known.leechers, known.seed_up, least_down);
    let together = peer_to_peer(known.size, known.seed_up, &ups, least_down);
    put("D_cs", alone);
    put("D_p2p", together);
    put("D", if leechers().any(serves) { together } else { alone });
}

/// One connection, if the number of its requests is given.
fn connection(setting: &Setting, known: &Known, put: &mut impl FnMut(&str, f64)) {
    let Some(in_flight) = setting.link.pipeline.map(f64::from) else { return };
    let (block, round_trip) = (f64::from(BLOCK_LEN), setting.link.rtt.as_secs_f64());
    let seeds = || setting.groups.iter().filter(|group| group.role == Role::Seed);
    let downs = setting.groups.iter().filter(|group| group.role == Role::Leech);
    let down = downs.map(|group| rate(group.down)).fold(f64::INFINITY, f64::min);
    let capacity = known.seed_up.min(down);
    put("throughput", paths::pipelined(capacity, in_flight, block, round_trip));
    let slowest = seeds().map(|group| rate(group.up)).fold(f64::INFINITY, f64::min);
    let fastest = seeds().map(|group| rate(group.up)).fold(0.0, f64::max);
    if slowest < fastest {
        let helped = paths::tail_helped(round_trip, block, fastest);
        let alone = paths::tail_alone(in_flight, block, slowest);
        put("tail", if setting.link.endgame { helped } else { alone });
    }
}

/// Those who come one after another.
fn churn(setting: &Setting, known: &Known, put: &mut impl FnMut(&str, f64)) {
    let flock = setting.groups.iter().find_map(|group| match group.joins {
        Joins::Poisson(rate) if group.role == Role::Leech => Some((group, rate)),
        _ => None,
    });
    let Some((group, arrivals)) = flock else { return };
    let dwell = match group.after {
        After::Stay => f64::INFINITY,
        After::Leave => 0.0,
        After::Exp(mean) => mean.as_secs_f64(),
        After::For(time) => time.as_secs_f64(),
    };
    let fluid = Fluid {
        arrivals,
        aborts: 0.0,
        down: rate(group.down) / known.size,
        up: known.up / known.size,
        departures: 1.0 / dwell,
        effectiveness: effectiveness(known.pieces, group.slots as u32),
        permanent: known.seed_up / known.up,
    };
    let rest = fluid.rest();
    put("lambda", arrivals);
    put("eta", fluid.effectiveness);
    put("T", rest.time);
    put("x", rest.leechers);
    put("y", rest.seeds);
    let piece = f64::from(setting.content.piece);
    put("threshold", missing::threshold(known.seed_up / piece, known.up / piece, dwell));
}

/// Questions to a hierarchy.
fn questions(setting: &Setting, put: &mut impl FnMut(&str, f64)) {
    let Some(hierarchy) = &setting.hierarchy else { return };
    let Ok(ways) = hierarchy.resolve.parse::<Ways>() else { return };
    let [cold, miss, hit] = asking::messages(ways);
    let of_key = hierarchy.rate / f64::from(hierarchy.keys.max(1));
    let hits = match ways {
        Ways::Iterative => 0.0,
        _ => asking::hit_ratio(of_key, hierarchy.ttl.as_secs_f64()),
    };
    let count = f64::from(hierarchy.questions.max(1));
    put("hit_ratio", if hierarchy.questions > 1 { hits } else { 0.0 });
    put("messages", (cold + (count - 1.0) * (hits * hit + (1.0 - hits) * miss)) / count);
    put("messages.cold", cold);
    put("messages.miss", miss);
    put("messages.hit", hit);
}
