//! The command lines of a run, and what no command line says: values in, words out.

use super::place::{Place, Station};
use super::timetable::{Member, Target, target};
use super::{MOST_PROCESSES, Programs};
use crate::lab::outcome::RunError;
use crate::lab::setting::{After, Deed, Group, Model, Role, Setting};
use crate::protocol::Dialect;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Who comes is known to the others soon, and who is killed is missed soon.
const KEEPALIVE: &str = "1s";
const EXPIRE: &str = "3s";
const INTERVAL: &str = "2s";

/// A round trip that the loopback of a busy machine may pass for.
const LOOPBACK: Duration = Duration::from_millis(5);

/// Whether real processes can do what a setting wants.
///
/// # Errors
/// They cannot; the sentence names what.
pub fn check(setting: &Setting, members: &[Member], place: &dyn Place) -> Result<(), RunError> {
    let no = |what: String| Err(RunError::Unsupported(what));
    let backend = place.backend();
    if setting.model != Model::Swarm {
        return no(format!("backend {backend} runs swarms of peers: take another backend"));
    }
    if members.len() > MOST_PROCESSES {
        return no(format!(
            "{} peers are too many: each is a process, expected at most {MOST_PROCESSES}",
            members.len()
        ));
    }
    if setting.content.size == 0 || setting.groups.is_empty() {
        return no("there is nothing to share, or nobody: give content and groups".into());
    }
    let link = &setting.link;
    if !link.refresh {
        return no(format!("backend {backend} cannot do without refresh: peers ask again"));
    }
    if link.degree.is_some_and(|degree| degree + 1 < members.len()) {
        return no(format!("backend {backend} has no degree: the tracker tells of everybody"));
    }
    if !place.has_links() {
        let late = link.rtt > LOOPBACK || !link.jitter.is_zero();
        if late || link.loss > 0.0 {
            return no("on the loopback nothing is late or lost: backend net has an rtt of more \
                       than a few milliseconds, jitter and loss"
                .into());
        }
    }
    setting.groups.iter().try_for_each(|group| check_group(group, setting))?;
    for event in &setting.events {
        let whom = target(setting, members, &event.who).map_err(RunError::Failed)?;
        check_event(event.deed, &whom, members, place)?;
    }
    Ok(())
}

fn check_group(group: &Group, setting: &Setting) -> Result<(), RunError> {
    let name = &group.name;
    let no = |what: &str| Err(RunError::Unsupported(format!("group {name}: {what}")));
    if !group.keeps_partial {
        return no("the programs always keep what they have of a piece: backend sim need not");
    }
    if group.lacks.is_some() {
        return no("the programs begin with nothing or everything: backend sim has lacks");
    }
    if group.lies && group.role == Role::Leech {
        return no("only a seed can lie here: what a leecher has is checked before it is sent");
    }
    if group.role == Role::Seed && group.after == After::Leave {
        return no("a seed that leaves once it is whole never was here: say how long it stays");
    }
    if group.dialect != setting.groups[0].dialect {
        return no("here all peers speak one dialect");
    }
    Ok(())
}

fn check_event(
    deed: Deed,
    whom: &Target,
    members: &[Member],
    place: &dyn Place,
) -> Result<(), RunError> {
    let backend = place.backend();
    let no = |what: String| Err(RunError::Unsupported(what));
    let is_seed = |&at: &usize| members[at].role == Role::Seed;
    match (deed, whom) {
        (Deed::TrackerDown(_), Target::Tracker) => Ok(()),
        (_, Target::Tracker) => no("the tracker can be down, and nothing else".into()),
        (Deed::TrackerDown(_), Target::Peers(_)) => no("only the tracker can be down so".into()),
        (Deed::Partition(_), _) if !place.does(deed) => {
            no(format!("backend {backend} cannot cut links: backend net can"))
        }
        (Deed::Corrupt, Target::Peers(peers)) if !peers.iter().all(is_seed) => {
            no(format!("in backend {backend} only a seed can begin to lie"))
        }
        (Deed::Rate(rate), _) if !place.does(deed) && is_odd(rate) => {
            no(format!("a rate of {rate} B/s cannot be set in a run: whole kB/s can"))
        }
        _ => Ok(()),
    }
}

/// Whether whole kB/s, which the remote control knows, are far from a rate.
fn is_odd(rate: u64) -> bool {
    let told = in_kilobytes(rate) * 1000;
    told.abs_diff(rate) * 100 > rate
}

/// A rate as the remote control is told: at least one, as none is no limit.
pub fn in_kilobytes(rate: u64) -> u64 {
    (rate.saturating_add(500) / 1000).max(1)
}

/// Starts the tracker.
pub fn tracker(programs: &Programs, listen: SocketAddr) -> Vec<String> {
    let mut words = vec![programs.tracker.to_string_lossy().into_owned(), "--json".into()];
    let flags = [
        ("--listen", listen.to_string()),
        ("--keepalive", KEEPALIVE.into()),
        ("--expire", EXPIRE.into()),
        ("--interval", INTERVAL.into()),
        ("--announce-interval", INTERVAL.into()),
    ];
    words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
    words
}

/// Makes the .torrent.
pub fn create(
    programs: &Programs,
    content: &Path,
    torrent: &Path,
    setting: &Setting,
) -> Vec<String> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut words = vec![path(&programs.peer), "create".into(), path(content), "-q".into()];
    words.extend(["-s".into(), setting.content.piece.to_string()]);
    words.extend(["-o".into(), path(torrent)]);
    if setting.groups.first().is_some_and(|group| group.dialect == Dialect::BitTorrent) {
        words.push("--v1".into());
    }
    words
}

/// What a peer is started with, besides what its group says.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Which one.
    pub who: usize,
    /// Where its files are.
    pub folder: &'a Path,
    /// The tracker.
    pub tracker: SocketAddr,
    /// Where it listens; 0 is any.
    pub port: u16,
    /// Whether it serves nobody, whatever its group says.
    pub rides: bool,
    /// Where it is traced to.
    pub trace: Option<&'a Path>,
    /// Whether it takes orders over the loopback.
    pub obeys: bool,
}

/// Starts a peer.
pub fn peer(
    programs: &Programs,
    setting: &Setting,
    group: &Group,
    place: &dyn Place,
    start: &Start<'_>,
) -> Vec<String> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let rate = |own: Option<u64>, all: Option<u64>| match own.or(all) {
        Some(rate) if !place.has_links() => format!("{rate}B/s"),
        _ => "0".into(),
    };
    let tracker = match group.dialect {
        Dialect::Native => start.tracker.to_string(),
        Dialect::BitTorrent => format!("udp://{}/announce", start.tracker),
    };
    let slots = if start.rides { 0 } else { group.slots };
    let flags = [
        // What it is about it reads from its stdin, when its time has come.
        ("--leech", "-".into()),
        ("--download-dir", path(start.folder)),
        ("--tracker", tracker),
        ("--bind", place.address(Station::Peer(start.who)).to_string()),
        ("--port", start.port.to_string()),
        ("--uplimit", rate(group.up, setting.link.up)),
        ("--downlimit", rate(group.down, setting.link.down)),
        ("--upload-slots", slots.to_string()),
        ("--picker", name(&format!("{:?}", group.picker))),
        ("--choker", group.choker.to_string()),
        ("--super-seeding", if group.super_seeding { "auto" } else { "off" }.into()),
        ("--endgame", if setting.link.endgame { "on" } else { "off" }.into()),
        ("--time-scale", setting.time_scale.to_string()),
    ];
    let mut words = vec![path(&programs.peer), "--json".into()];
    words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
    if let Some(blocks) = setting.link.pipeline {
        words.extend(["--pipeline".into(), blocks.to_string()]);
    }
    if start.obeys {
        words.extend(["--web".into(), "127.0.0.1:0".into()]);
    }
    if let Some(trace) = start.trace {
        words.extend(["--trace".into(), path(trace)]);
    }
    words
}

/// A policy as its flag is typed.
fn name(variant: &str) -> String {
    variant.to_lowercase()
}

/// How long nothing may move before a run in which nothing more is planned is over: strategies have
/// had all their timers, and sockets theirs.
pub fn patience(setting: &Setting) -> Duration {
    Duration::from_secs(30) + Duration::from_mins(1).div_f64(setting.time_scale.max(1e-3))
}

#[cfg(test)]
mod tests {
    use super::super::place::Loopback;
    use super::super::tests::setting;
    use super::super::timetable::members;
    use super::check as check_all;
    use super::*;
    use crate::cli::args::{self, Parsed, PeerCommand};
    use crate::config::ChokerChoice;
    use crate::lab::setting::Planned;
    use crate::logic::choker::ChokerPolicy;
    use crate::logic::picker::Policy;

    fn programs() -> Programs {
        Programs { peer: "/bin/peer".into(), tracker: "/bin/tracker".into() }
    }

    #[test]
    fn a_peer_is_started_with_all_that_its_setting_says() {
        let mut all = setting();
        all.link.pipeline = Some(5);
        all.link.endgame = false;
        all.link.down = Some(7);
        all.time_scale = 56.25;
        let group = &mut all.groups[1];
        (group.up, group.slots, group.picker) = (Some(262_144), 2, Policy::Sequential);
        (group.choker, group.super_seeding) = (ChokerChoice::Policy(ChokerPolicy::Legout), true);
        let tracker = SocketAddr::from(([127, 0, 1, 1], 7000));
        let start = Start {
            who: 1,
            folder: Path::new("/x y"),
            tracker,
            port: 0,
            rides: false,
            trace: Some(Path::new("/x y/trace")),
            obeys: true,
        };
        let config = |start: &Start<'_>| {
            let words = peer(&programs(), &all, &all.groups[1], &Loopback, start);
            assert_eq!(words[0], "/bin/peer");
            let Ok(Parsed::Command(PeerCommand::Node(node))) = args::peer(&words[1..]) else {
                panic!("{words:?}");
            };
            node.config().expect("a configuration")
        };
        let is = config(&start);
        assert_eq!((is.up_limit, is.down_limit), (Some(262_144), Some(7)));
        assert_eq!((is.upload_slots, is.picker), (2, Policy::Sequential));
        assert_eq!(is.choker, ChokerChoice::Policy(ChokerPolicy::Legout));
        assert_eq!((is.pipeline, is.endgame, is.super_seeding), (Some(5), false, true));
        assert!((is.time_scale - 56.25).abs() < 1e-9);
        assert_eq!(is.bind, Loopback.address(Station::Peer(1)));
        assert_eq!(is.trackers[0].to_string(), "127.0.1.1:7000");
        assert_eq!(is.trace.as_deref(), start.trace);
        assert_eq!(config(&Start { rides: true, ..start }).upload_slots, 0);
        all.groups[1].dialect = Dialect::BitTorrent;
        let words = peer(&programs(), &all, &all.groups[1], &Loopback, &start);
        assert!(words.contains(&"udp://127.0.1.1:7000/announce".into()), "{words:?}");
    }

    #[test]
    fn every_policy_has_the_name_of_its_flag() {
        for policy in [Policy::Rarest, Policy::Random, Policy::Sequential] {
            assert_eq!(name(&format!("{policy:?}")).parse(), Ok(policy));
        }
    }

    #[test]
    fn what_processes_cannot_do_is_refused_by_name() {
        let check = |change: &dyn Fn(&mut Setting), expected: &str| {
            let mut all = setting();
            change(&mut all);
            let members = members(&all, 1);
            let Err(RunError::Unsupported(why)) = check_all(&all, &members, &Loopback) else {
                panic!("expected: {expected}");
            };
            assert!(why.contains(expected), "{why}");
        };
        let event = |deed, who: &str| Planned { at: Duration::ZERO, deed, who: who.into() };
        check(&|all| all.model = Model::Rounds, "runs swarms");
        check(&|all| all.groups[1].count = 64, "65 peers are too many");
        check(&|all| all.groups[1].keeps_partial = false, "group peer: ");
        check(&|all| all.groups[1].lacks = Some(1), "begin with nothing or everything");
        check(&|all| all.groups[1].lies = true, "only a seed can lie");
        check(&|all| all.groups[0].after = After::Leave, "say how long");
        check(&|all| all.link.rtt = Duration::from_millis(6), "backend net");
        check(&|all| all.link.refresh = false, "refresh");
        check(&|all| all.link.degree = Some(1), "degree");
        check(
            &|all| all.events.push(event(Deed::Partition(Duration::ZERO), "peer")),
            "cannot cut links",
        );
        check(&|all| all.events.push(event(Deed::Corrupt, "peer/1")), "only a seed");
        check(&|all| all.events.push(event(Deed::Kill, "tracker")), "can be down");
        check(&|all| all.events.push(event(Deed::Rate(1_499), "peer")), "whole kB/s");
        let all = setting();
        assert_eq!(check_all(&all, &members(&all, 1), &Loopback), Ok(()));
    }

    #[test]
    fn a_rate_is_told_in_whole_kilobytes_and_never_as_none() {
        for (rate, told) in [(0, 1), (999, 1), (262_144, 262), (1_048_576, 1049)] {
            assert_eq!(in_kilobytes(rate), told);
        }
        assert!(!is_odd(262_144));
    }
}
