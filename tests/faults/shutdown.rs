//! SIGTERM, Ctrl-C and a closed terminal at any moment: out within three seconds, whatever hangs,
//! and every tracker that answers is told.
//!
//! `ROUNDS=500` stops as many programs; `scripts/faults/stop.sh` does.

use crate::harness::hostile::{Caller, Content};
use crate::harness::process::{Process, say};
use crate::harness::programs::{PEER, address_of, create, leecher, seeder, tracker};
use crate::harness::scratch::Scratch;
use crate::harness::{SOON, alone, not_run, pass, together, until};
use parking_lot::Mutex;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};
use swarmlet::ids::{PieceIndex, Span};
use swarmlet::protocol::message::Message;

const PIECE: u32 = 64 << 10;

/// So many programs are stopped unless `ROUNDS` says.
const ROUNDS: u64 = 10;

/// How many at the same time.
const AT_ONCE: u64 = 5;

/// What a program has for ending; half a second is the machine's.
const LONGEST: Duration = Duration::from_millis(3500);

/// Callers that are let in, ask, and read nothing.
const STALLED: usize = 20;

/// Ports behind which nobody says anything.
struct BlackHole {
    datagrams: UdpSocket,
    streams: TcpListener,
}

impl BlackHole {
    fn open() -> Self {
        Self {
            datagrams: UdpSocket::bind("127.0.0.1:0").expect("a port"),
            streams: TcpListener::bind("127.0.0.1:0").expect("a port"),
        }
    }

    fn flags(&self) -> String {
        let [native, http] = [self.datagrams.local_addr(), self.streams.local_addr()]
            .map(|address| address.expect("it is bound"));
        format!("-t {native} -t http://{http}/announce")
    }
}

/// Peers that a tracker has registered.
fn registered(tracker: SocketAddr) -> u64 {
    let mut socket = TcpStream::connect(tracker).expect("the tracker listens");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    let host = format!("Host: {tracker}\r\nConnection: close\r\n\r\n");
    socket.write_all(format!("GET /metrics HTTP/1.1\r\n{host}").as_bytes()).expect("it is taken");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("UTF-8 until the end");
    let line = text.lines().find_map(|line| line.strip_prefix("swarmlet_tracker_peers "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("no count: {text}"))
}

/// Twenty that are let in; those who may ask for everything, and read nothing of it.
fn stall(address: SocketAddr, content: &Content) -> Vec<Caller> {
    let call = |_| {
        let caller = Caller::connect_narrow(address).ok()?;
        // What stops meanwhile may hang up on any of them.
        let mut caller = caller.into_interested(content.info_hash).ok()?;
        for piece in 0..content.pieces {
            let all = Span { piece: PieceIndex(piece), offset: 0, length: PIECE };
            caller.say(&Message::Get(all)).ok()?;
        }
        Some(caller)
    };
    (0..STALLED).filter_map(call).collect()
}

/// What all rounds share.
struct Stage {
    scratch: Scratch,
    file: PathBuf,
    torrent: PathBuf,
    content: Arc<Content>,
    native: SocketAddr,
    flags: String,
    most: AtomicU64,
    slowest: Mutex<Duration>,
}

impl Stage {
    /// A program that seeds, or one that fetches slowly, is stopped while much hangs.
    fn round(&self, number: u64) {
        let mut random = fastrand::Rng::with_seed(number);
        let flags = format!("{} --upload-slots 20 --uplimit 50k --piece-length 64KiB", self.flags);
        let seeds = number.is_multiple_of(2);
        let mut victim = if seeds {
            let path = self.file.to_str().expect("UTF-8");
            let native = self.native.to_string();
            let words = ["--seed", path, "--json", "-p", "0", "-t", &native];
            let all: Vec<&str> = words.into_iter().chain(flags.split_whitespace()).collect();
            Process::start("seeder", PEER, &all, self.scratch.path())
        } else {
            let out = self.scratch.folder(&format!("out-{number}"));
            let what = self.torrent.to_str().expect("UTF-8");
            leecher("leecher", self.native, what, &out, &flags)
        };
        victim.wait_for("registered", SOON);
        let stalled = stall(address_of(&victim), &self.content);
        pass(Duration::from_millis(random.u64(0..600)));
        self.most.fetch_max(registered(self.native), Ordering::Relaxed);
        let begun = Instant::now();
        // Whoever started us may have seen to it that a program does not hear these.
        let heard: Vec<_> = [("TERM", 15), ("INT", 2), ("HUP", 1)]
            .into_iter()
            .filter_map(|(name, number)| (!is_ignored(number)).then_some(name))
            .collect();
        victim.signal(heard[random.usize(0..heard.len())]);
        victim.expect_exit(if seeds { 0 } else { 7 }, LONGEST);
        let mut slowest = self.slowest.lock();
        *slowest = slowest.max(begun.elapsed());
        drop(stalled);
    }
}

#[test]
fn a_stop_is_quick_and_every_tracker_hears_of_it_beside_stalled_peers_and_dead_trackers() {
    let _turn = alone();
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let scratch = Scratch::new("stop");
    let file = scratch.file("src/film.bin", 1 << 20, 71);
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "-s 64KiB");
    // Nobody falls out by silence: who is gone from the list has said so.
    let (native, announced) = (tracker("--expire 1h"), tracker(""));
    let hole = BlackHole::open();
    let first = seeder("first", native.address, &file, "--piece-length 64KiB --uplimit 50k");
    until("the first is known", SOON, || (registered(native.address) == 1).then_some(()));
    let stage = Stage {
        content: Content::of(&file, PIECE),
        native: native.address,
        flags: format!("-t http://{}/announce {}", announced.address, hole.flags()),
        most: AtomicU64::new(0),
        slowest: Mutex::new(Duration::ZERO),
        scratch,
        file,
        torrent,
    };
    let next = AtomicU64::new(0);
    scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                while let Some(number) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&number| number < rounds)
                {
                    stage.round(number);
                }
            });
        }
    });
    let (slowest, most) = (*stage.slowest.lock(), stage.most.load(Ordering::Relaxed));
    say(&format!("{rounds} stops, the slowest took {slowest:?}; {most} were registered at once"));
    assert!(most > 1, "nobody was registered");
    let left = [registered(native.address) - 1, registered(announced.address)];
    assert_eq!(left, [0, 0], "peers that went without a word, by dialect");
    drop(first);
}

#[test]
fn a_second_signal_ends_a_program_at_once_whatever_the_first_waits_for() {
    let _turn = together();
    let scratch = Scratch::new("second");
    let file = scratch.file("film.bin", 100_000, 72);
    let (tracker, hole) = (tracker(""), BlackHole::open());
    let mut user = seeder("seeder", tracker.address, &file, &hole.flags());
    user.signal("TERM");
    // The trackers that say nothing are waited for a second.
    pass(Duration::from_millis(200));
    assert!(user.is_running());
    let begun = Instant::now();
    user.signal("INT");
    user.expect_exit(130, SOON);
    let took = begun.elapsed();
    say(&format!("the second signal took {took:?}"));
    // A tenth of a second is ours; the rest is for a machine with much else to do.
    assert!(took < Duration::from_millis(400), "{took:?}");
}

/// Whether whoever started us has signals of this number passed over, which programs inherit.
fn is_ignored(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (number - 1) & 1 == 1
}

#[test]
fn a_closed_terminal_stops_in_good_order_unless_nohup_started_it() {
    if is_ignored(1) {
        return not_run("a closed terminal", "whoever started this has SIGHUP passed over");
    }
    let _turn = together();
    let scratch = Scratch::new("hangup");
    let file = scratch.file("film.bin", 100_000, 73);
    let tracker = tracker("--expire 1h");
    let mut user = seeder("seeder", tracker.address, &file, "");
    until("it is known", SOON, || (registered(tracker.address) == 1).then_some(()));
    user.signal("HUP");
    user.expect_exit(0, LONGEST);
    assert_eq!(registered(tracker.address), 0);
    let line = format!(
        "trap '' HUP; exec {PEER} --seed {} --json -p 0 -t {}",
        file.display(),
        tracker.address
    );
    let mut user = Process::start("nohup", "sh", &["-c", &line], scratch.path());
    user.wait_for("seeding", SOON);
    user.signal("HUP");
    pass(Duration::from_millis(300));
    assert!(user.is_running(), "{}", user.stderr());
    user.stop(0);
}

/// A program may be started with any of its three streams closed.
#[test]
fn closed_streams_stop_no_download() {
    let _turn = together();
    let scratch = Scratch::new("closed");
    let file = scratch.file("src/film.bin", 1 << 20, 74);
    let tracker = tracker("");
    let _seeder = seeder("seeder", tracker.address, &file, "--piece-length 64KiB");
    let run = |closed: &str| {
        let out = scratch.folder(&format!("out {}", closed.len()));
        let words = format!("--leech film.bin --json -p 0 -t {} --seed-time 0", tracker.address);
        let line = format!("exec {PEER} {words} -w '{}' {closed}", out.display());
        let mut user = Process::start(closed, "sh", &["-c", &line], scratch.path());
        user.expect_exit(0, SOON);
        assert!(fs::read(out.join("film.bin")).expect("whole") == fs::read(&file).expect("ours"));
    };
    run("<&-");
    run("<&- >&-");
    run("<&- >&- 2>&-");
}

/// A pipe that nobody reads holds the thread that would say how it ended.
#[test]
fn what_hangs_is_ended_with_the_code_that_it_had_come_to() {
    let _turn = together();
    let scratch = Scratch::in_memory("hangs", 1 << 30);
    let file = scratch.sparse("src/film.bin", 32 << 20);
    let tracker = tracker("");
    let flags = "--piece-length 16KiB --uplimit 8M";
    let _seeder = seeder("seeder", tracker.address, &file, flags);
    let out = scratch.folder("out");
    let (folder, address) = (out.to_str().expect("UTF-8"), tracker.address.to_string());
    let words = ["--leech", "film.bin", "--json", "-p", "0", "-t", &address, "-w", folder];
    let (mut user, gate) = Process::start_unread("user", PEER, &words, scratch.path());
    if !can_see_system_calls(user.id()) {
        not_run("what_hangs_is_ended_with_the_code_that_it_had_come_to", "no /proc/syscall");
        return;
    }
    // The first argument of the call that it waits in is stdout's number.
    let writes = |text: String| text.split(' ').nth(1) == Some("0x1");
    let call = format!("/proc/{}/syscall", user.id());
    let waits = || fs::read_to_string(&call).is_ok_and(writes).then_some(());
    until("stdout is full", SOON, waits);
    user.signal("TERM");
    let state = format!("/proc/{}/stat", user.id());
    let ended = || fs::read_to_string(&state).map_or(true, |stat| stat.contains(") Z "));
    until("it ends", LONGEST, || ended().then_some(()));
    drop(gate);
    user.expect_exit(7, SOON);
}

fn can_see_system_calls(id: u32) -> bool {
    Path::new(&format!("/proc/{id}/syscall")).exists()
        && fs::read_to_string(format!("/proc/{id}/syscall")).is_ok()
}

/// In a network of its own, so that the usual ports are free: whoever comes next takes the next of
/// them, and the tenth says that all are taken.
#[test]
fn the_usual_ports_are_taken_in_turn_and_then_that_is_said() {
    let _turn = together();
    let test = "the_usual_ports_are_taken_in_turn_and_then_that_is_said";
    let scratch = Scratch::new("ports");
    let may = std::process::Command::new("unshare").args(["-n", "true"]).output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        return not_run(test, "no network namespace may be made");
    }
    let file = scratch.file("film.bin", 1000, 75);
    let line = format!(
        "for n in 1 2 3 4 5 6 7 8 9; do timeout 60 {PEER} --seed {0} -t 127.0.0.1:1 --json & \
         ids=\"$ids $!\"; port=$(printf '%04X' $((6880 + n))); \
         while ! grep -q \":$port 00000000\" /proc/net/tcp; do :; done; done; \
         {PEER} --seed {0} -t 127.0.0.1:1; code=$?; kill $ids; wait; exit $code",
        file.display()
    );
    let mut all = Process::start("ten", "unshare", &["-n", "sh", "-c", &line], scratch.path());
    all.expect_exit(9, SOON);
    let said = all.stderr();
    assert!(said.contains("port 6881 to 6889 on 127.0.0.1 is in use"), "{said}");
    let ports = all.events_of("start");
    let mut ports: Vec<_> = ports.iter().filter_map(|event| event["port"].as_u64()).collect();
    ports.sort_unstable();
    assert_eq!(ports, (6881..=6889).collect::<Vec<u64>>());
}
