//! The swarm runner: starts the real programs and watches them.
//!
//! Every process listens on 127.0.0.x with port 0 and prints JSON lines, which a thread reads;
//! tests wait for events with a deadline and never sleep to synchronise. A process that is
//! dropped is killed by its id. A test fails when a program prints panic text, dies by a signal
//! that nobody sent, or misses a deadline; then the conversation (the last events and the end of
//! stderr of each process) is printed. Folders are removed when they are dropped.
//!
//! | file | what |
//! |---|---|
//! | `process` | one running program: its events, its words, its resources |
//! | `programs` | tracker, seeder, leecher, list: the flags that every test gives them |
//! | `terminal.py` | a terminal with somebody who types |
//! | `scratch` | folders and files |
//! | `hostile` | a scripted peer that keeps no rule |
//! | `bittorrent` | the same in BitTorrent |
//! | `bt_hostile` | the same again, called instead of calling |
//! | `crowd` | thousands of callers in one thread |
//! | `tracker` | a tracker that keeps no rule |
//! | `bystander` | somebody who is no peer and is called |
//! | `desk` | a program behind a remote control, played by a table |
//! | `mounts` | disks of a test's own, and calls that fail |
//! | `relay` | a slow wire |
//! | `rpc` | a daemon, and Transmission's RPC to it |
//! | `watch` | a page that listens to a stream of events |
//! | `registry` | what a tracker says, asked through the library |
//!
//! A test that measures time or memory holds [`alone`], the others hold [`together`].
#![allow(dead_code, reason = "each test file uses its own part of the harness")]

pub mod bittorrent;
pub mod bt_hostile;
pub mod bystander;
pub mod crowd;
pub mod desk;
pub mod hostile;
pub mod mounts;
pub mod process;
pub mod programs;
pub mod registry;
pub mod relay;
pub mod rpc;
pub mod scratch;
pub mod tracker;
pub mod watch;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long anything may take that ought to be quick.
pub const SOON: Duration = Duration::from_secs(20);

/// How long a download of a test may take.
pub const DOWNLOAD: Duration = Duration::from_mins(1);

static TURN: RwLock<()> = RwLock::new(());

/// Nothing else of this test file runs meanwhile: for tests that measure, or start many processes.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write()
}

/// Others may run meanwhile.
pub fn together() -> RwLockReadGuard<'static, ()> {
    TURN.read()
}

/// How many of something: what the environment says, else `usual`.
pub fn count(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().map_or(usual, |text| text.parse().expect(variable))
}

/// Lets time pass, for measurements over a while; not to wait for something.
pub fn pass(time: Duration) {
    let _ = crossbeam_channel::after(time).recv();
}

/// Asks again and again until the answer is `Some`; panics with `what` when time is up.
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {within:?}");
        pass(Duration::from_millis(20));
    }
}

/// Appends what a stream has for us; its end is an error.
fn read_more(stream: &mut TcpStream, pending: &mut Vec<u8>) -> io::Result<()> {
    let mut block = vec![0; 64 * 1024];
    match stream.read(&mut block)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            pending.extend_from_slice(&block[..count]);
            Ok(())
        }
    }
}

/// Says why a test did not run; such a test returns at once.
pub fn not_run(test: &str, why: &str) {
    eprintln!("NOT RUN: {test}: {why}");
}
