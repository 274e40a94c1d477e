//! Who takes part: the groups of a setting as peers of a world.

use super::Strategies;
use crate::clock::Moment;
use crate::config::ChokerChoice;
use crate::geometry::Geometry;
use crate::lab::outcome::RunError;
use crate::lab::setting::{After, Deed, Group, Joins, Planned, Role, Setting};
use crate::lab::world::{self, Honesty, Leaves, PeerOptions, World, WorldOptions};
use crate::logic::choker::ChokerPolicy;
use std::time::Duration;

/// A world has an address for so many peers.
pub const MOST_PEERS: usize = 60_000;

/// A world and who its peers are.
#[derive(Debug)]
pub struct Cast {
    /// The world.
    pub world: World,
    /// The group of each of its peers.
    pub groups: Vec<usize>,
}

/// Who is given the lines of a trace.
pub type Lines = Box<dyn FnMut(&str)>;

/// The world of a setting, with all who will come. `trace` is given its lines.
///
/// # Errors
/// A sentence about what cannot be.
pub fn assemble(
    setting: &Setting,
    seed: u64,
    trace: Option<Lines>,
    strategies: &Strategies,
) -> Result<Cast, RunError> {
    let options = world_options(setting, seed)?;
    let mut cast = Cast { world: World::new(options), groups: Vec::new() };
    if let Some(sink) = trace {
        cast.world.trace_to(sink);
    }
    // Who comes when is drawn apart, so that a run with another strategy has the same arrivals.
    let mut dice = fastrand::Rng::with_seed(seed ^ 0x6a6f_696e);
    let all: Vec<Vec<Duration>> =
        setting.groups.iter().map(|group| arrivals(group, setting.limit, &mut dice)).collect();
    if all.iter().map(Vec::len).sum::<usize>() > MOST_PEERS {
        let more = format!("a world holds {MOST_PEERS} peers: try model = \"crowd\"");
        return Err(RunError::Unsupported(more));
    }
    for (nth, (group, arrivals)) in setting.groups.iter().zip(all).enumerate() {
        for joins in arrivals {
            let (options, own) = peer_options(setting, group, joins, strategies, &mut dice)?;
            let peer = cast.world.add_peer(options);
            if let Some(strategy) = own {
                cast.world.set_strategy(peer, strategy, group.choker.to_string());
            }
            cast.groups.push(nth);
        }
    }
    for planned in &setting.events {
        plan(&mut cast, setting, planned)?;
    }
    Ok(cast)
}

fn world_options(setting: &Setting, seed: u64) -> Result<WorldOptions, RunError> {
    let content = &setting.content;
    if let Err(wrong) = Geometry::v1(content.piece, content.size) {
        return Err(RunError::Failed(format!("no content is cut like that: {wrong}")));
    }
    if !(setting.time_scale.is_finite() && setting.time_scale > 0.0) {
        return Err(RunError::Failed("time_scale must be more than 0".into()));
    }
    let pieces = content.pieces();
    let whole = u64::from(pieces) * u64::from(content.piece);
    Ok(WorldOptions {
        piece_length: content.piece,
        pieces,
        short: (whole - content.size) as u32,
        latency: setting.link.rtt / 2,
        time_scale: setting.time_scale,
        degree: setting.link.degree,
        refresh: setting.link.refresh,
        seed,
    })
}

/// When the peers of a group come.
fn arrivals(group: &Group, limit: Duration, dice: &mut fastrand::Rng) -> Vec<Duration> {
    let most = group.count.min(MOST_PEERS + 1);
    match group.joins {
        Joins::At(at) => vec![at; most],
        Joins::Uniform(from, to) => {
            let window = to.saturating_sub(from);
            let mut all: Vec<_> = (0..most).map(|_| from + window.mul_f64(dice.f64())).collect();
            all.sort_unstable();
            all
        }
        Joins::Poisson(rate) => {
            let mut at = 0.0;
            let next = || {
                at += exponential(dice, 1.0 / rate.max(f64::MIN_POSITIVE));
                (at <= limit.as_secs_f64()).then(|| Duration::from_secs_f64(at))
            };
            std::iter::from_fn(next).take(most).collect()
        }
    }
}

/// A time by lot, exponential with this mean, in its unit.
pub fn exponential(dice: &mut fastrand::Rng, mean: f64) -> f64 {
    -mean * (1.0 - dice.f64()).ln()
}

fn peer_options(
    setting: &Setting,
    group: &Group,
    joins: Duration,
    strategies: &Strategies,
    dice: &mut fastrand::Rng,
) -> Result<(PeerOptions, Option<Box<dyn crate::logic::choker::Strategy>>), RunError> {
    let own = strategies(&group.choker).map_err(RunError::Failed)?;
    let choker = match &group.choker {
        ChokerChoice::Policy(policy) => *policy,
        ChokerChoice::Program(command) if own.is_none() => {
            return Err(RunError::Failed(format!("nobody runs the choker {command}")));
        }
        ChokerChoice::Program(_) => ChokerPolicy::default(),
    };
    let stays = match group.after {
        After::Stay => None,
        After::Leave => Some(Duration::ZERO),
        After::Exp(mean) => Some(Duration::from_secs_f64(exponential(dice, mean.as_secs_f64()))),
        After::For(time) => Some(time),
    };
    let leaves = match (stays, group.role) {
        (None, _) => Leaves::Never,
        (Some(stays), Role::Seed) => Leaves::At(Moment::after(joins + stays)),
        (Some(stays), Role::Leech) => Leaves::AfterCompletion(stays),
    };
    let options = PeerOptions {
        role: match group.role {
            Role::Seed => world::Role::Seed,
            Role::Leech => world::Role::Leecher,
        },
        joins: Moment::after(joins),
        leaves,
        up: group.up,
        lacks: group.lacks,
        down: group.down,
        upload_slots: group.slots,
        picker: group.picker,
        choker,
        super_seeding: group.super_seeding,
        keeps_partial: group.keeps_partial,
        dialect: group.dialect,
        honesty: if group.lies { Honesty::Liar } else { Honesty::Honest },
        large_view: group.large_view,
        pipeline: setting.link.pipeline,
        endgame: setting.link.endgame,
    };
    Ok((options, own))
}

/// Plans what is done to whom.
fn plan(cast: &mut Cast, setting: &Setting, planned: &Planned) -> Result<(), RunError> {
    let at = Moment::after(planned.at);
    if matches!(planned.deed, Deed::TrackerDown(_)) {
        cast.world.plan(at, 0, planned.deed);
        return Ok(());
    }
    let (name, nth) = match planned.who.split_once('/') {
        Some((name, nth)) => (name, Some(nth)),
        None => (planned.who.as_str(), None),
    };
    let group = setting.groups.iter().position(|group| group.name == name);
    let of_group = |&(_, &its): &(usize, &usize)| Some(its) == group;
    let mut who: Vec<usize> =
        cast.groups.iter().enumerate().filter(of_group).map(|(peer, _)| peer).collect();
    if let Some(nth) = nth {
        // The third peer of a group is group/3.
        let index = nth.parse::<usize>().ok().and_then(|nth| nth.checked_sub(1));
        who = index.and_then(|index| who.get(index).copied()).into_iter().collect();
    }
    if who.is_empty() {
        let who = planned.who.escape_debug();
        return Err(RunError::Failed(format!("nobody is called {who}: try the name of a group")));
    }
    who.into_iter().for_each(|peer| cast.world.plan(at, peer, planned.deed));
    Ok(())
}
