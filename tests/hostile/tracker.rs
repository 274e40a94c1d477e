//! Trackers that keep no rule, against real peers.
//!
//! Whatever they say, nothing crashes, memory grows by less than 8 MiB, a download beside them ends
//! with the right bytes, nobody is called who should not be, and they are asked ever more rarely.

use crate::harness::bystander::Bystander;
use crate::harness::process::Process;
use crate::harness::programs::{Listening, create, peer, seeder, tracker, tracker_at};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::tracker::{HostileTracker, Reply};
use crate::harness::{DOWNLOAD, SOON, together};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const MIB: u64 = 1024 * 1024;

/// How much anonymous memory hostile trackers may cost.
const GROWTH: u64 = 8 * MIB;

/// How often a tracker of no use is asked meanwhile: at once, after about five seconds, and once more
/// on a busy machine, for each of a hybrid torrent's two hashes.
const MOST_ASKED: usize = 6;

/// How long every download of these tests takes: 2 MiB at 250 kB/s.
const UPLIMIT: &str = "--uplimit 250k";

/// A file, its .torrent, and a seeder that only its friends know of.
struct Stage {
    scratch: Scratch,
    file: PathBuf,
    torrent: PathBuf,
    honest: Listening,
    _tracker: Listening,
}

impl Stage {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let file = scratch.file("src/film.bin", 2 * MIB as usize, 77);
        let torrent = scratch.at("film.torrent");
        create(&file, &torrent, "-s 64KiB");
        let tracker = tracker("");
        let flags = format!("--piece-length 64KiB {UPLIMIT}");
        let honest = seeder("honest", tracker.address, &file, &flags);
        Self { scratch, file, torrent, honest, _tracker: tracker }
    }

    /// A leecher that has the .torrent, calls the seeder and announces itself to these trackers.
    fn victim(&self, trackers: &[HostileTracker]) -> Process {
        let words = trackers.iter().map(|tracker| format!(" --tracker {}", tracker.url));
        let words: String = words.collect();
        self.victim_with(&format!("--peer {}{words}", self.honest.address))
    }

    fn victim_with(&self, flags: &str) -> Process {
        let what = self.torrent.to_str().expect("UTF-8");
        let out = self.scratch.folder("out");
        let out = out.to_str().expect("UTF-8");
        let action = ["--leech", what, "--download-dir", out];
        let flags = format!("--bind 127.0.0.1 --seed-time 0 {flags}");
        peer("victim", &action, self.scratch.path(), &flags)
    }

    fn expect_whole(&self, victim: &mut Process) {
        victim.wait_for("done", DOWNLOAD);
        assert_same(&self.file, &self.scratch.path().join("out/film.bin"));
        victim.expect_exit(0, SOON);
    }

    /// A download beside these trackers; what the leecher said of them.
    fn check(&self, trackers: &[HostileTracker]) -> String {
        let mut victim = self.victim(trackers);
        victim.wait_for("start", SOON);
        let base = victim.usage().memory;
        let watch = victim.watch();
        self.expect_whole(&mut victim);
        let most = watch.most();
        // The download itself has buffers.
        let limit = base + 3 * MIB + GROWTH;
        assert!(most.memory < limit, "{base} bytes before, {most:?}");
        crate::harness::process::say(&format!("{} kB before, {most:?}", base / 1000));
        victim.stderr()
    }
}

/// What the leecher said of a tracker, in one line.
fn complaint<'a>(said: &'a str, tracker: &HostileTracker) -> &'a str {
    let line = said.lines().find(|line| line.contains(&tracker.origin));
    line.unwrap_or_else(|| panic!("nothing about {}: {said}", tracker.origin))
}

#[test]
fn answers_that_are_none_delay_no_download_and_each_is_named() {
    let _turn = together();
    let stage = Stage::new("nonsense");
    let bomb = |part: &str, times: usize| Reply::Bytes(part.repeat(times).into_bytes());
    let junk = Reply::ChunkedJunk;
    let cases = [
        (Reply::Gzip, "the answer is compressed"),
        (Reply::Endless, "the answer is longer than 1048576 bytes"),
        (Reply::RedirectLoop, "it redirects more than five times"),
        (junk("zz\r\nd8:intervali60e5:peers0:e\r\n0\r\n\r\n"), "a chunk without a size"),
        (junk("ffffffffffffffff\r\nx"), "the answer is longer than"),
        (junk("5\r\nd8:intervali60e"), "a chunk of another size"),
        (Reply::Rst, ""),
        (bomb("l", 1_000_000), ""),
        (bomb("d1:a", 250_000), ""),
        (bomb("d2222222222:l", 1), ""),
        (bomb("9", 100_000), ""),
        (Reply::Bytes(b"d8:intervali60e5:peers4294967295:xe".to_vec()), ""),
        (Reply::Bytes(b"<html>It works!</html>".to_vec()), ""),
    ];
    let trackers: Vec<_> =
        cases.iter().map(|(reply, _)| HostileTracker::http(std::slice::from_ref(reply))).collect();
    let said = stage.check(&trackers);
    for ((reply, why), tracker) in cases.iter().zip(&trackers) {
        let line = complaint(&said, tracker);
        assert!(line.contains(why), "{reply:?}: {line}");
        assert!(said.matches(&tracker.origin).count() <= 3, "said rarely: {said}");
        let most = if matches!(reply, Reply::RedirectLoop) { MOST_ASKED * 6 } else { MOST_ASKED };
        assert!((1..=most).contains(&tracker.asked()), "{reply:?}: asked {}", tracker.asked());
        // What the sockets of both ends hold is taken, too.
        let most = tracker.asked() as u64 * 16 * MIB;
        assert!(tracker.sent() < most, "{} bytes of an endless answer", tracker.sent());
    }
}

#[test]
fn trackers_that_fall_silent_flap_or_name_absurd_intervals_are_not_asked_all_the_time() {
    let _turn = together();
    let stage = Stage::new("silent");
    let mut trackers: Vec<_> = [i64::MIN, -1, 0, 1, 1 << 31, i64::MAX]
        .map(|interval| HostileTracker::http(&[Reply::Interval(interval)]))
        .into();
    trackers.extend([1, 0, -1].map(|n| HostileTracker::udp(&[Reply::Interval(n)])));
    let short = Reply::Bytes(vec![0; 3]);
    trackers.extend([short, Reply::Endless, Reply::Silence].map(|r| HostileTracker::udp(&[r])));
    trackers.push(HostileTracker::http(&[Reply::Rst, Reply::Peers(vec![])]));
    trackers.push(HostileTracker::http(&[Reply::Silence]));
    stage.check(&trackers);
    for tracker in &trackers {
        // By UDP a question is repeated after one, two, four, eight seconds on this machine.
        assert!(
            (1..=2 * MOST_ASKED).contains(&tracker.asked()),
            "{}: {}",
            tracker.url,
            tracker.asked()
        );
    }
}

/// One victim five thousand times, over HTTP and by UDP, with places that nobody may dial.
#[test]
fn a_victim_that_trackers_list_five_thousand_times_is_called_three_times_at_most() {
    let _turn = together();
    let stage = Stage::new("victim");
    let (victim, nobody) = (Bystander::start(), Bystander::start());
    let odd: Vec<SocketAddr> = [
        (Ipv4Addr::UNSPECIFIED, nobody.address.port()),
        (Ipv4Addr::new(0, 1, 2, 3), nobody.address.port()),
        (Ipv4Addr::LOCALHOST, 0),
        (Ipv4Addr::new(224, 0, 0, 1), 6881),
        (Ipv4Addr::BROADCAST, 6881),
    ]
    .map(SocketAddr::from)
    .into();
    let copies = vec![victim.address; 5000];
    let trackers = [
        HostileTracker::http(&[Reply::Peers([&odd[..], &copies].concat())]),
        HostileTracker::http(&[Reply::Peers(copies.clone())]),
        HostileTracker::udp(&[Reply::Peers([&odd[..], &copies].concat())]),
        HostileTracker::udp(&[Reply::Peers(copies)]),
    ];
    stage.check(&trackers);
    assert!(trackers.iter().all(|tracker| tracker.asked() >= 2), "asked again and again");
    let calls = victim.calls.len();
    assert!((1..=3).contains(&calls), "the victim was called {calls} times");
    assert_eq!(nobody.calls.len(), 0, "0.0.0.0 leads to our own machine");
}

#[test]
fn a_leecher_that_trackers_give_to_itself_calls_itself_once() {
    let _turn = together();
    let stage = Stage::new("itself");
    let trackers = [HostileTracker::http(&[Reply::Asker]), HostileTracker::udp(&[Reply::Asker])];
    stage.check(&trackers);
    for tracker in &trackers {
        assert!(tracker.asked() >= 2, "it was told again and again");
        assert_eq!(tracker.calls_to_the_asker(), 1, "{}", tracker.url);
    }
}

/// Peers that are started before their tracker find each other soon after it.
#[test]
fn who_starts_before_its_tracker_is_found_when_the_tracker_comes() {
    let _turn = together();
    let stage = Stage::new("late");
    let late = tracker("");
    let at = late.address;
    drop(late);
    let url = format!("http://{at}/announce");
    let what = stage.torrent.to_str().expect("UTF-8");
    let folder = stage.file.parent().expect("a folder").to_str().expect("UTF-8");
    let action = ["--leech", what, "--download-dir", folder];
    let flags = format!("--bind 127.0.0.1 --tracker {url}");
    let seeds = peer("seeds", &action, stage.scratch.path(), &flags);
    let mut victim = stage.victim_with(&format!("--tracker {url}"));
    for process in [&seeds, &victim] {
        process.wait_stderr("that nobody is there", SOON, |text| text.contains("http://"));
    }
    let _tracker = tracker_at(at, "--announce-interval 5s");
    stage.expect_whole(&mut victim);
}
