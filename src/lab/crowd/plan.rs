//! What a setting asks for, and whether a crowd can do it.

use super::graph;
use crate::config::ChokerChoice;
use crate::lab::outcome::RunError;
use crate::lab::setting::{After, Group, Joins, Role, Setting};
use crate::logic::choker::ChokerPolicy;
use crate::logic::picker::Policy;
use crate::logic::timers::Timers;
use std::time::Duration;

/// The most pieces: a peer has a byte for each.
const MOST_PIECES: u32 = 16_384;

/// The most memory for all peers.
const MOST_BYTES: u64 = 20 << 30;

/// Peers that are alike.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub role: Role,
    /// Bytes per second that each sends.
    pub up: u64,
    /// Nanoseconds that a piece takes.
    pub takes: u64,
    pub slots: usize,
    pub picker: Policy,
    pub choker: ChokerPolicy,
    pub after: After,
    pub joins: Joins,
    pub count: usize,
}

/// What a crowd is to do; times are nanoseconds.
#[derive(Debug)]
pub(super) struct Plan {
    pub pieces: u32,
    pub piece: u32,
    pub groups: Vec<Kind>,
    /// The first peer behind each group.
    ends: Vec<usize>,
    pub degree: Option<usize>,
    /// The most that any peer serves at once.
    pub most_slots: usize,
    pub timers: Timers,
    pub round: u64,
    /// What a stamp counts.
    pub unit: u64,
    pub limit: u64,
}

impl Plan {
    /// What a setting asks for.
    pub fn of(setting: &Setting) -> Result<Self, RunError> {
        let has_not = |what: &str| Err(RunError::Unsupported(format!("a crowd has no {what}")));
        if !setting.events.is_empty() {
            return has_not("events: take model = \"swarm\"");
        }
        let pieces = setting.content.pieces();
        if pieces == 0 || pieces > MOST_PIECES {
            return has_not(&format!("content of {pieces} pieces, but 1 to {MOST_PIECES}"));
        }
        let groups = setting.groups.iter().map(|group| kind(group, setting));
        let groups: Vec<Kind> = groups.collect::<Result<_, _>>()?;
        let peers = groups.iter().map(|kind| kind.count).sum::<usize>();
        let degree = match setting.link.degree {
            None if peers > graph::MOST => {
                return has_not("place for everybody to know everybody: give [link] degree, as 40");
            }
            Some(degree) if !(2..=graph::MOST / 2).contains(&degree) => {
                return has_not(&format!("degree {degree}, but 2 to {}", graph::MOST / 2));
            }
            degree => degree,
        };
        let most_slots = groups.iter().map(Kind::most_slots).max().unwrap_or(1).max(1);
        let timers = Timers::default().scaled(setting.time_scale);
        let round = nanos(timers.round).max(1);
        let plan = Self {
            pieces,
            piece: setting.content.piece,
            ends: sums(groups.iter().map(|kind| kind.count)),
            groups,
            degree,
            most_slots,
            timers,
            round,
            unit: round.div_ceil(4096),
            limit: nanos(setting.limit),
        };
        plan.check_room(peers)?;
        Ok(plan)
    }

    /// Refuses what does not fit into memory.
    fn check_room(&self, peers: usize) -> Result<(), RunError> {
        let degree = self.degree.unwrap_or(peers) as u64;
        let each = u64::from(self.pieces) * 5 / 4 + degree * 52 + self.most_slots as u64 * 40 + 200;
        let all = each.saturating_mul(peers as u64);
        if all > MOST_BYTES || peers as u64 * degree > u64::from(u32::MAX) {
            return Err(RunError::Refused(format!(
                "{peers} peers of a crowd need {} GiB, and {} GiB are the most: take fewer peers, \
                 fewer pieces or a smaller degree",
                all >> 30,
                MOST_BYTES >> 30
            )));
        }
        Ok(())
    }

    /// When each peer comes.
    pub fn joins(&self, rng: &mut fastrand::Rng) -> Vec<u64> {
        let mut joins = Vec::with_capacity(self.ends.last().copied().unwrap_or(0));
        for kind in &self.groups {
            let mut at = 0.0;
            joins.extend((0..kind.count).map(|_| match kind.joins {
                Joins::At(at) => nanos(at),
                Joins::Uniform(from, to) => {
                    nanos(from + to.saturating_sub(from).mul_f64(rng.f64()))
                }
                Joins::Poisson(rate) => {
                    // The time between two is exponential; as an integer it saturates.
                    at += -(1.0 - rng.f64()).ln() / rate;
                    (at * 1e9) as u64
                }
            }));
        }
        joins
    }

    /// The place of a peer's group.
    pub fn group_of(&self, peer: usize) -> usize {
        self.ends.partition_point(|&end| end <= peer)
    }

    /// A peer's group.
    pub fn group(&self, peer: usize) -> &Kind {
        &self.groups[self.group_of(peer)]
    }
}

impl Kind {
    /// The most that one serves at once.
    fn most_slots(&self) -> usize {
        if self.slots == 0 { 0 } else { self.choker.strategy().most(self.slots).min(graph::MOST) }
    }
}

fn kind(group: &Group, setting: &Setting) -> Result<Kind, RunError> {
    let name = &group.name;
    let has_not = |what: &str| {
        Err(RunError::Unsupported(format!("a crowd has no {what}, as the group {name} asks for")))
    };
    if group.down.or(setting.link.down).is_some() {
        return has_not("limit of a downlink: down = \"unlimited\"");
    }
    let Some(up) = group.up.or(setting.link.up).filter(|&up| up > 0) else {
        return has_not("uplink without a limit: give up a rate");
    };
    let choker = match &group.choker {
        ChokerChoice::Policy(ChokerPolicy::PropShare | ChokerPolicy::BitTyrant) => {
            return has_not("shares of an uplink other than equal ones: take another choker");
        }
        ChokerChoice::Policy(choker) => *choker,
        ChokerChoice::Program(_) => return has_not("programs as chokers: take one by name"),
    };
    if group.super_seeding || group.lies || group.large_view {
        return has_not("super-seeding, liars or large views");
    }
    if group.lacks.is_some() {
        return has_not("peers that have some pieces when they come");
    }
    if !matches!(group.after, After::Stay | After::Leave) {
        return has_not("other end than after = \"stay\" or \"leave\"");
    }
    if matches!(group.joins, Joins::Poisson(rate) if !(rate.is_finite() && rate > 0.0)) {
        return has_not("arrivals at such a rate");
    }
    let takes = u128::from(setting.content.piece) * 1_000_000_000 / u128::from(up);
    Ok(Kind {
        role: group.role,
        up,
        takes: u64::try_from(takes).unwrap_or(u64::MAX / 4).max(1),
        slots: group.slots.min(graph::MOST),
        picker: group.picker,
        choker,
        after: group.after,
        joins: group.joins,
        count: group.count,
    })
}

/// Half of what fits, so that sums do.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2).min(u64::MAX / 2)
}

fn sums(counts: impl Iterator<Item = usize>) -> Vec<usize> {
    let running = |sum: &mut usize, count: usize| {
        *sum += count;
        Some(*sum)
    };
    counts.scan(0, running).collect()
}
