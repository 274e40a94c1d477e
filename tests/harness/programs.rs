//! Tracker, seeder, leecher and list, with the flags that every test gives them.

use super::SOON;
use super::process::Process;
use serde_json::Value;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

/// The peer's binary.
pub const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// The tracker's binary.
pub const TRACKER: &str = env!("CARGO_BIN_EXE_tracker");

/// The lab's binary.
pub const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// A program with the address that it listens on.
pub struct Listening {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Deref for Listening {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Listening {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A tracker on any port of 127.0.0.1.
pub fn tracker(flags: &str) -> Listening {
    tracker_at("127.0.0.1:0".parse().expect("an address"), flags)
}

/// A tracker whose peers beat every second and are dropped after three.
pub fn quick_tracker() -> Listening {
    tracker("--keepalive 1s --expire 3s --interval 2s")
}

/// A tracker on this address; port 0 is any.
pub fn tracker_at(listen: SocketAddr, flags: &str) -> Listening {
    let listen_flag = listen.to_string();
    let mut args = vec!["--listen", &listen_flag, "--json"];
    args.extend(flags.split_whitespace());
    let process = Process::start("tracker", TRACKER, &args, &std::env::temp_dir());
    let start = process.wait_for("start", SOON);
    let address = SocketAddr::new(listen.ip(), port_of(&start));
    Listening { process, address }
}

fn port_of(start: &Value) -> u16 {
    let port = start["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    port.unwrap_or_else(|| panic!("no port in {start}"))
}

/// The words of a peer's command line: what it is to do, then what every test says, then `flags`.
fn words(action: &[&str], tracker: Option<SocketAddr>, flags: &str) -> Vec<String> {
    let mut words: Vec<String> = action.iter().map(|&word| word.to_owned()).collect();
    words.push("--json".into());
    if !flags.contains("-p ") {
        words.extend(["--port".into(), "0".into()]);
    }
    if let Some(tracker) = tracker {
        words.extend(["--tracker".into(), tracker.to_string()]);
    }
    words.extend(flags.split_whitespace().map(str::to_owned));
    words
}

/// A peer with these words, in `folder`.
pub fn peer(name: &str, action: &[&str], folder: &Path, flags: &str) -> Process {
    Process::start(name, PEER, &words(action, None, flags), folder)
}

/// A seeder of some paths, once it serves them all.
pub fn seeder_of(
    name: &str,
    tracker: SocketAddr,
    paths: &[&Path],
    folder: &Path,
    flags: &str,
) -> Listening {
    let mut action = vec!["--seed"];
    action.extend(paths.iter().map(|path| path.to_str().expect("a path in UTF-8")));
    let process = Process::start(name, PEER, &words(&action, Some(tracker), flags), folder);
    let served = |event: &Value| event["event"] == "seeding";
    let end = std::time::Instant::now() + Duration::from_mins(2);
    let mut mark = 0;
    for _ in paths {
        let left = end.saturating_duration_since(std::time::Instant::now());
        process.wait_event_since(mark, left, served);
        let events = process.events();
        mark += events.iter().skip(mark).position(served).expect("it was just seen") + 1;
    }
    let address = address_of(&process);
    Listening { process, address }
}

/// A seeder of one path.
pub fn seeder(name: &str, tracker: SocketAddr, path: &Path, flags: &str) -> Listening {
    seeder_of(name, tracker, &[path], path.parent().expect("a path in a folder"), flags)
}

/// Where a peer that has started listens.
pub fn address_of(process: &Process) -> SocketAddr {
    let start = process.wait_for("start", SOON);
    SocketAddr::from(([127, 0, 0, 1], port_of(&start)))
}

/// A peer with the address that it listens on, once it has started.
pub fn listening(process: Process) -> Listening {
    let address = address_of(&process);
    Listening { process, address }
}

/// A leecher into `folder`, not waited for.
pub fn leecher(name: &str, tracker: SocketAddr, what: &str, folder: &Path, flags: &str) -> Process {
    leecher_of(name, tracker, &[what], folder, flags)
}

/// A leecher of several things.
pub fn leecher_of(
    name: &str,
    tracker: SocketAddr,
    what: &[&str],
    folder: &Path,
    flags: &str,
) -> Process {
    let folder_name = folder.to_str().expect("a path in UTF-8");
    let mut action = vec!["--leech"];
    action.extend(what);
    action.extend(["--download-dir", folder_name]);
    let place = folder.ancestors().find(|place| place.is_dir()).expect("some folder exists");
    Process::start(name, PEER, &words(&action, Some(tracker), flags), place)
}

/// A peer with a panic on purpose (`PANIC_AT`) in `folder`; it is not blamed for it.
pub fn panicking_peer(
    name: &str,
    panic_at: &str,
    action: &[&str],
    tracker: SocketAddr,
    folder: &Path,
    flags: &str,
) -> Process {
    // Making a backtrace readable takes seconds, in which the thread has not let go of anything.
    let plain = "RUST_BACKTRACE=0".to_owned();
    let mut all = vec![plain, format!("PANIC_AT={panic_at}"), PEER.to_owned()];
    all.extend(words(action, Some(tracker), flags));
    let mut process = Process::start(name, "env", &all, folder);
    process.allow_panic();
    process
}

/// A .torrent made by `peer create`.
pub fn create(path: &Path, torrent: &Path, flags: &str) {
    let [path, torrent] = [path, torrent].map(|path| path.to_str().expect("a path in UTF-8"));
    let mut args = vec!["create", path, "-o", torrent, "-q"];
    args.extend(flags.split_whitespace());
    let mut process = Process::start("create", PEER, &args, &std::env::temp_dir());
    process.expect_exit(0, Duration::from_mins(2));
}

/// What `peer list --json` prints.
pub fn list(tracker: SocketAddr) -> Vec<Value> {
    let args = ["list", "--json", "--tracker", &tracker.to_string()];
    let mut process = Process::start("list", PEER, &args, &std::env::temp_dir());
    process.expect_exit(0, SOON);
    process.events()
}

/// Seeders and leechers of a name, as `peer list --json` tells.
pub fn counts(tracker: SocketAddr, name: &str) -> (u64, u64) {
    let entries = list(tracker);
    let entry = entries.iter().find(|entry| entry["name"] == name);
    let count = |field: &str| entry.and_then(|entry| entry[field].as_u64()).unwrap_or(0);
    (count("seeders"), count("leechers"))
}

/// Waits until the tracker lists so many seeders of a name.
pub fn wait_seeders(tracker: SocketAddr, name: &str, wanted: u64, within: Duration) {
    super::until(&format!("{wanted} seeders of {name}"), within, || {
        (counts(tracker, name).0 == wanted).then_some(())
    });
}
