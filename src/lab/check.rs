//! What a scenario asks of a machine, before it runs: the numbers that decide what comes of it, the
//! load, the time, and what cannot be done honestly.
//!
//! The groups without a dimension say which settings are alike: two with the same M, N, u_s/u, k,
//! rechoke/(F/u) and C RTT/(q B) give the same picture, whatever the units.

use super::measure;
use super::scenario::Scenario;
use super::setting::{Backend, Model, Role, Setting};
use super::table::short;
use super::theory;

/// Seconds between two rounds of a choker, before the time scale divides them.
const RECHOKE: f64 = 10.0;

/// Bytes of a block.
const BLOCK: f64 = 16.0 * 1024.0;

/// Blocks under way to one peer where no depth is given: as many as a link of 100 ms needs at least.
const DEPTH: f64 = 16.0;

/// The most peers as processes, and the most in namespaces.
const MOST_PROC: usize = 64;
const MOST_NET: usize = 32;

/// The share of what a machine can move that all uplinks together may ask for.
const SHARE: f64 = 0.25;

/// The packets per second that the emulator forwards on one core, with room to spare.
const MOST_PACKETS: f64 = 60_000.0;

/// Seconds that processes need to start and to end, for a run and for each peer.
const START: f64 = 1.5;
const START_EACH: f64 = 0.05;

/// What the numbers of a setting are without their units, by name.
pub fn groups(setting: &Setting) -> Vec<(&'static str, f64)> {
    let names = measure::names(setting);
    let get = |name: &str| names.get(name).copied();
    let (f, u) = (get("F"), get("u"));
    let transfer = f.zip(u).map(|(f, u)| f / u);
    let depth = setting.link.pipeline.map_or(DEPTH, f64::from);
    let delay = u.map(|u| u * setting.link.rtt.as_secs_f64() / (depth * BLOCK));
    let all = [
        ("M", get("M")),
        ("N", get("N")),
        ("us/u", get("us").zip(u).map(|(us, u)| us / u)),
        ("k", get("k")),
        ("F/u", transfer),
        ("rechoke/(F/u)", transfer.map(|whole| RECHOKE / setting.time_scale / whole)),
        ("u RTT/(q B)", delay),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Bytes per second that all uplinks together carry at most; `None` if one has no limit.
pub fn load(setting: &Setting) -> Option<f64> {
    let serve = setting.groups.iter().filter(|group| group.slots > 0);
    serve.map(|group| Some(group.up? as f64 * group.count as f64)).sum()
}

/// How many peers there are.
pub fn peers(setting: &Setting) -> usize {
    setting.groups.iter().map(|group| group.count).sum()
}

/// Why a backend cannot run a setting honestly; nothing if it can. `capacity` is what this machine
/// moves over its loopback, in bytes per second, if that was measured.
pub fn refusal(setting: &Setting, backend: Backend, capacity: Option<f64>) -> Option<String> {
    let peers = peers(setting);
    let most = match backend {
        Backend::Theory | Backend::Sim => return None,
        Backend::Proc => MOST_PROC,
        Backend::Net => MOST_NET,
    };
    if matches!(setting.model, Model::Rounds | Model::Crowd) {
        return Some(format!("{backend} runs real peers: this model is for sim"));
    }
    if peers > most {
        return Some(format!("{backend} runs {most} peers at most, here are {peers}: try sim"));
    }
    let load = load(setting)?;
    let allowed = capacity.map(|capacity| capacity * SHARE);
    if let Some(allowed) = allowed.filter(|allowed| load > *allowed) {
        return Some(format!(
            "all uplinks together are {:.1} MB/s, more than a quarter of what this machine moves \
             ({:.1} MB/s): try fewer peers, slower links or sim",
            load / 1e6,
            allowed / 1e6
        ));
    }
    // Acknowledgements pass, too, about one for two packets.
    let packets = 1.5 * load / 1448.0;
    (backend == Backend::Net && packets > MOST_PACKETS).then(|| {
        format!(
            "all uplinks together are {packets:.0} packets per second, more than the {MOST_PACKETS} \
             that are emulated in time: try slower links"
        )
    })
}

/// About how many seconds a backend takes for one run.
pub fn seconds(setting: &Setting, backend: Backend) -> f64 {
    let peers = peers(setting) as f64;
    let limit = setting.limit.as_secs_f64();
    match backend {
        Backend::Theory => 0.0,
        Backend::Sim => simulated(setting, peers),
        Backend::Proc | Backend::Net => {
            let bound = theory::measures(setting).get("D").copied();
            let run = match setting.model {
                Model::Hierarchy => {
                    setting.hierarchy.as_ref().map(|asked| f64::from(asked.questions) / asked.rate)
                }
                _ if setting.runs_to_limit => Some(limit),
                _ => bound.map(|bound| 1.1 * bound),
            };
            run.unwrap_or(limit).min(limit) + START + START_EACH * peers
        }
    }
}

/// Microseconds of a core in a release build: for a block that is sent, for a peer that is told of a
/// piece, for a piece of a crowd, for a question.
const PER_BLOCK: f64 = 6.0;
const PER_HAVE: f64 = 0.15;
const PER_PIECE: f64 = 3.0;
const PER_QUESTION: f64 = 20.0;

fn simulated(setting: &Setting, peers: f64) -> f64 {
    let leechers = setting.groups.iter().filter(|group| group.role == Role::Leech);
    let leechers = leechers.map(|group| group.count).sum::<usize>() as f64;
    let pieces = f64::from(setting.content.pieces());
    let degree = setting.link.degree.map_or(peers, |degree| (degree as f64).min(peers));
    let micros = match setting.model {
        Model::Swarm => {
            let blocks = leechers * setting.content.size as f64 / BLOCK;
            PER_BLOCK * blocks + PER_HAVE * leechers * pieces * degree
        }
        Model::Rounds => PER_HAVE * leechers * pieces,
        Model::Crowd => PER_PIECE * leechers * pieces,
        Model::Hierarchy => {
            PER_QUESTION * setting.hierarchy.as_ref().map_or(0.0, |all| f64::from(all.questions))
        }
    };
    micros / 1e6
}

/// The range of a number over all points, for one line: `N  1 to 35`.
pub fn range(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values {
        [] => "-".into(),
        _ if least.total_cmp(&most).is_eq() => short(least),
        _ => format!("{} to {}", short(least), short(most)),
    }
}

/// About how many seconds all runs of a backend take, one after another.
pub fn total_seconds(scenario: &Scenario, backend: Backend) -> f64 {
    let once: f64 = scenario.settings.iter().map(|setting| seconds(setting, backend)).sum();
    once * scenario.seeds.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(peers: usize, more: &str) -> Setting {
        let text = format!(
            "name = \"x\"\ncontent = {{ size = \"64MiB\", piece = \"64KiB\" }}\n\
             time_scale = 56.25\n{more}\n\
             [[group]]\nname = \"seed\"\nrole = \"seed\"\nup = \"10MiB/s\"\n\
             [[group]]\nname = \"peer\"\nrole = \"leech\"\ncount = {peers}\nup = \"1MiB/s\"\n"
        );
        Scenario::read(&text, "x.toml", &[]).expect("it is right").settings.remove(0)
    }

    #[test]
    fn numbers_without_units_are_those_of_the_book() {
        let found = groups(&setting(30, "link = { rtt = \"100ms\", pipeline = 4 }"));
        let get = |name: &str| found.iter().find(|(n, _)| *n == name).expect(name).1;
        assert_eq!((get("M"), get("N"), get("us/u"), get("k")), (1024.0, 30.0, 10.0, 4.0));
        assert!((get("rechoke/(F/u)") - 10.0 / 3600.0).abs() < 1e-9);
        assert!((get("u RTT/(q B)") - 1.6).abs() < 1e-9);
        assert_eq!(load(&setting(30, "")), Some(40.0 * 1_048_576.0));
    }

    #[test]
    fn what_this_machine_cannot_do_honestly_is_refused() {
        let check = |peers: usize, backend, capacity: Option<f64>, begins: &str| {
            let found = refusal(&setting(peers, ""), backend, capacity).unwrap_or_default();
            assert!(found.starts_with(begins) && found.is_empty() == begins.is_empty(), "{found}");
        };
        check(30, Backend::Proc, Some(1e9), "");
        check(30, Backend::Proc, None, "");
        check(
            30,
            Backend::Proc,
            Some(1e8),
            "all uplinks together are 41.9 MB/s, more than a quarter",
        );
        check(64, Backend::Proc, None, "proc runs 64 peers at most, here are 65");
        check(63, Backend::Proc, None, "");
        check(32, Backend::Net, None, "net runs 32 peers at most, here are 33");
        check(100_000, Backend::Sim, Some(1.0), "");
        let crowd = setting(3, "model = \"crowd\"");
        assert!(refusal(&crowd, Backend::Proc, None).is_some());
        assert_eq!(refusal(&crowd, Backend::Sim, None), None);
        let fast = setting(30, "link = { up = \"unlimited\" }");
        assert_eq!(refusal(&fast, Backend::Proc, Some(1e9)), None);
    }

    #[test]
    fn real_runs_take_as_long_as_the_bound_says() {
        let took = seconds(&setting(30, ""), Backend::Proc);
        // D is 30 F / (40 u) = 48 s.
        assert!((50.0..60.0).contains(&took), "{took}");
        assert!(seconds(&setting(30, ""), Backend::Sim) < 10.0);
        assert!(seconds(&setting(30, ""), Backend::Theory) < 1e-9);
        assert_eq!(range(&[1.0, 35.0, 2.0]), "1.00 to 35");
    }
}
